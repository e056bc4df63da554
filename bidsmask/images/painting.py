"""Images that are painted from columns: as an array, or volume by volume into a file.

A whole-brain image takes several times the memory of the signals that it is made of, so what is
only to be written is never held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.images.compression import create_bytes
from bidsmask.images.grid import Grid
from bidsmask.images.volumes import as_volume, make_image
from bidsmask.numerics.projections.regions import Projection

_AT_ONCE = 4
"""Volumes that are painted together: a little faster than one by one, and takes little memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Painting:
    """Volumes whose voxels carry the values of columns.

    Parameters
    ----------
    columns : array of shape (T, P), or (P,) for a single volume of three dimensions
    projection : Projection
        Says which voxels carry which column; all others are 0.
    grid : Grid
        Of the projection.
    dtype : dtype
        Of the voxels. Values are rounded where it is one of integers.

    Examples
    --------
    >>> from bidsmask.numerics.projections.regions import VoxelSelection
    >>> painting = Painting(
    ...     columns=np.array([[1.0], [5.0]]),
    ...     projection=VoxelSelection(np.array([1])),
    ...     grid=Grid(shape=(2, 1, 1), affine=np.eye(4)),
    ...     dtype=np.dtype(np.float32),
    ... )
    >>> painting.array()[..., 1].ravel()
    array([0., 5.], dtype=float32)
    """

    columns: Array
    projection: Projection
    grid: Grid
    dtype: np.dtype[Any]

    def array(self) -> Array:
        """Paint all volumes, (X, Y, Z, T) or (X, Y, Z); x runs fastest in memory."""
        flat = np.zeros((len(np.atleast_2d(self.columns)), self.grid.n_voxels), dtype=self.dtype)
        for rows, columns in self._pieces():
            self._paint(columns, flat[rows])
        return as_volume(flat if self.columns.ndim == 2 else flat[0], self.grid)

    def image(self, header: Any, t_r: float | None) -> Any:
        """Paint all volumes into an image.

        Parameters
        ----------
        header : nibabel header or None
        t_r : float or None
            As in `bidsmask.images.volumes.make_image`.

        Returns
        -------
        image : nibabel.Nifti1Image
            Integers of 64 bits are held in 32 where that is enough; a file of it has the type of
            the painting.
        """
        image = make_image(self.array(), self.grid, header, t_r)
        image.set_data_dtype(self.dtype)
        return image

    def volumes(self) -> Iterator[Array]:
        """Go through the volumes, each of shape (V_all,), flat with x running fastest.

        Overwritten once others are asked for: copy what has to stay.
        """
        flat = np.zeros((_AT_ONCE, self.grid.n_voxels), dtype=self.dtype)
        for _, columns in self._pieces():
            self._paint(columns, flat[: len(columns)])
            yield from flat[: len(columns)]

    def write(self, path: Path, header: Any, t_r: float | None) -> None:
        """Write the volumes as an image, one after the other; integers, which are few, at once.

        Parameters
        ----------
        path : Path
            A ``.nii`` or ``.nii.gz`` file. Uncompressed, its bytes are those that `image` gives.
        header : nibabel header or None
        t_r : float or None
            As in `image`.
        """
        if self.dtype.kind != "f":
            self.image(header, t_r).to_filename(path)
            return
        shape = *self.grid.shape, *self.columns.shape[:-1]
        header = make_image(
            np.broadcast_to(self.dtype.type(0), shape), self.grid, header, t_r
        ).header
        header["vox_offset"] = header.single_vox_offset
        header.set_slope_inter(1.0, 0.0)
        with create_bytes(path) as file:
            file.write(header.binaryblock + bytes(4))  # no extensions
            for volume in self.volumes():
                file.write(volume.data)

    def _pieces(self) -> Iterator[tuple[slice, Array]]:
        """Go through the columns of some volumes at a time."""
        columns = np.atleast_2d(self.columns)
        for start in range(0, len(columns), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            yield rows, columns[rows]

    def _paint(self, columns: Array, flat: Array) -> None:
        """Paint volumes (n, V_all) that are 0, or that have been painted before."""
        values = self.projection.expand(columns)
        if self.dtype.kind in "iu" and values.dtype.kind == "f":
            values = np.rint(values)
        flat[:, self.projection.support] = values
