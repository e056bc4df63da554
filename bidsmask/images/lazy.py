"""Images that are painted from columns when somebody looks at them, volume by volume.

A whole-brain image takes several times the memory of the signals that it is made of. Most are
only written to a file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask._typing import Array
from bidsmask.images.compression import checksum, create_bytes
from bidsmask.images.grid import Grid
from bidsmask.numerics.projections.regions import Projection

_nibabel: Any = nib  # its types are half of a story


class PaintedVolumes:
    """The voxels (X, Y, Z, T) of volumes that carry the values of columns.

    An array for nibabel and numpy, of which only those volumes are in memory that are looked at.

    Parameters
    ----------
    columns : array of shape (T, P)
        Not copied; if it is changed later, looking at the volumes is an error.
    projection : Projection
        Says which voxels carry which column; all others are 0.
    grid : Grid
        Of the projection.
    dtype : dtype
        Of the voxels.

    Raises
    ------
    ValueError
        When it is looked at, if the columns have been changed.

    Examples
    --------
    >>> from bidsmask.numerics.projections.regions import VoxelSelection
    >>> grid = Grid(shape=(2, 1, 1), affine=np.eye(4))
    >>> columns = np.array([[1.0], [5.0]])
    >>> volumes = PaintedVolumes(columns, VoxelSelection(np.array([1])), grid, np.float32)
    >>> volumes[..., 1].ravel()
    array([0., 5.], dtype=float32)
    """

    is_proxy = True  # nibabel's word for what is no array yet

    def __init__(self, columns: Array, projection: Projection, grid: Grid, dtype: Any) -> None:
        self._columns = np.ascontiguousarray(columns)
        self._projection = projection
        self._grid = grid
        self.dtype = np.dtype(dtype)
        self._checksums = [checksum(row) for row in self._columns]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape (X, Y, Z, T)."""
        return (*self._grid.shape, len(self._columns))

    @property
    def ndim(self) -> int:
        """Four: x, y, z and time."""
        return 4

    def volumes(self) -> Iterator[Array]:
        """Go through the volumes, each of shape (V_all,), flat with x running fastest.

        Overwritten once the next one is asked for: copy what has to stay.
        """
        flat = np.zeros((1, self._grid.n_voxels), dtype=self.dtype)
        for number in range(len(self._columns)):
            self._paint(np.array([number]), flat)
            yield flat[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("There is no array yet that could be looked at without a copy.")
        whole = np.empty(self.shape, dtype=self.dtype if dtype is None else dtype, order="F")
        for number, volume in enumerate(self.volumes()):
            whole[..., number] = volume.reshape(self._grid.shape, order="F")
        return whole

    def __getitem__(self, key: Any) -> Any:
        chosen, rest = _volumes_of(key)
        numbers = np.atleast_1d(np.arange(len(self._columns))[chosen])
        flat = np.zeros((numbers.size, self._grid.n_voxels), dtype=self.dtype)
        self._paint(numbers, flat)
        volumes = flat.reshape(-1, *self._grid.shape[::-1]).T  # (X, Y, Z, n)
        of_time: Any = 0 if isinstance(chosen, (int, np.integer)) else slice(None)
        return volumes[(*rest, of_time)]

    def _paint(self, numbers: Array, flat: Array) -> None:
        """Paint some volumes onto others (n, V_all) that are 0 or have been painted before."""
        rows = self._columns[numbers]
        for number, row in zip(numbers, rows, strict=True):
            if checksum(row) != self._checksums[number]:
                raise ValueError(
                    f"The signals of volume {number} (counted from 0) have been changed since "
                    "this image was made of them. Write or copy the image first, or give it a "
                    "copy of the signals."
                )
        flat[:, self._projection.support] = self._projection.expand(rows)


class _Streamed:
    """What writes an image of painted volumes without holding it; goes before nibabel's class."""

    dataobj: Any
    header: Any
    update_header: Any

    def to_filename(self, filename: Any, **options: Any) -> None:
        """Write the image, volume by volume if nothing else is asked for."""
        path = Path(filename)
        if options or not path.name.endswith((".nii", ".nii.gz")):
            super().to_filename(filename, **options)  # type: ignore[misc]
            return
        self.update_header()
        header = self.header.copy()
        header["vox_offset"] = header.single_vox_offset
        header["magic"] = header.single_magic
        header.set_slope_inter(1.0, 0.0)
        with create_bytes(path) as file:
            file.write(header.binaryblock + bytes(4))
            for volume in self.dataobj.volumes():
                file.write(volume.astype(header.get_data_dtype(), copy=False).data)


class PaintedNifti1(_Streamed, _nibabel.Nifti1Image):  # type: ignore[misc]
    """NIfTI-1 image of painted volumes."""


class PaintedNifti2(_Streamed, _nibabel.Nifti2Image):  # type: ignore[misc]
    """NIfTI-2 image of painted volumes."""


def _volumes_of(key: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take an index apart: what it says of the volumes, and of the three other axes."""
    items = list(key) if isinstance(key, tuple) else [key]
    places = [number for number, item in enumerate(items) if item is Ellipsis]
    if places:
        items[places[0] : places[0] + 1] = [slice(None)] * (4 - len(items) + 1)
    items += [slice(None)] * (4 - len(items))
    if len(items) > 4 or any(item is None for item in items):
        raise IndexError(f"An image of four axes cannot be looked at by {key!r}.")
    return items[3], tuple(items[:3])
