"""Linear maps of volumes that work along each axis by itself.

Smoothing is one, and so is resampling between lattices whose axes are parallel. Such a map is a
matrix for each axis, and a volume goes through three matrix products, of which only those rows
have to be computed that someone wants to see.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array, FloatArray

Box = tuple[slice, slice, slice]
"""Part of a lattice: a range of indices along x, y and z."""


_ROWS_OF_BAND = 18
"""Bands of fewer rows hold fewer entries that do not count, but are slower to multiply."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Band:
    """Some rows of a matrix, and the columns in which they have entries that count."""

    rows: slice
    columns: slice
    entries: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class AxisMatrices:
    """A linear map from volumes on one lattice to volumes on another.

    Parameters
    ----------
    x, y, z : arrays of shape (X', X), (Y', Y), (Z', Z)
        What each axis does to a line of voxels.

    Examples
    --------
    >>> twice, same = 2 * np.eye(2), np.eye(2)
    >>> flat = np.arange(8.0).reshape(1, 8)
    >>> AxisMatrices(x=twice, y=same, z=np.ones((1, 2)))(flat)
    array([[ 8., 12., 16., 20.]])
    """

    x: FloatArray
    y: FloatArray
    z: FloatArray

    def __call__(self, volumes: FloatArray) -> FloatArray:
        """Map volumes (n, X·Y·Z), flat with x running fastest, to (n, X'·Y'·Z')."""
        n_volumes = len(volumes)
        (x_out, x_in), (y_out, y_in), (z_out, z_in) = self.x.shape, self.y.shape, self.z.shape
        of_x, of_y, of_z = self._bands
        dtype = np.result_type(volumes, self.x)
        lines = volumes.reshape(-1, x_in)
        mapped = np.empty((len(lines), x_out), dtype=dtype)
        for band in of_x:
            np.matmul(lines[:, band.columns], band.entries.T, out=mapped[:, band.rows])
        for bands, n_in, n_out, n_planes, n_along in (
            (of_y, y_in, y_out, n_volumes * z_in, x_out),
            (of_z, z_in, z_out, n_volumes, y_out * x_out),
        ):
            planes = mapped.reshape(n_planes, n_in, n_along)
            mapped = np.empty((n_planes, n_out, n_along), dtype=dtype)
            for band in bands:
                np.matmul(band.entries, planes[:, band.columns], out=mapped[:, band.rows])
        return mapped.reshape(n_volumes, z_out * y_out * x_out)

    @cached_property
    def _bands(self) -> tuple[list["_Band"], ...]:
        """Entries that count, of each matrix: neighbours depend on neighbours."""
        return tuple(_bands_of(each) for each in (self.x, self.y, self.z))

    @property
    def source_shape(self) -> tuple[int, int, int]:
        """Shape (X, Y, Z) of the volumes that go in."""
        return self.x.shape[1], self.y.shape[1], self.z.shape[1]

    @property
    def target_shape(self) -> tuple[int, int, int]:
        """Shape (X', Y', Z') of the volumes that come out."""
        return self.x.shape[0], self.y.shape[0], self.z.shape[0]

    @property
    def adjoint(self) -> Self:
        """The map from weights on the target to the source: ``adjoint(w) · v == w · self(v)``.

        Weights that read columns off the mapped volumes become weights that read the same columns
        off the volumes as they are.
        """
        return type(self)(x=self.x.T, y=self.y.T, z=self.z.T)

    @property
    def n_products(self) -> int:
        """Multiplications for one volume."""
        x, y, z = (sum(band.entries.size for band in bands) for bands in self._bands)
        (x_out, _), (y_out, y_in), (_, z_in) = self.x.shape, self.y.shape, self.z.shape
        return int(x * y_in * z_in + y * x_out * z_in + z * x_out * y_out)

    def to(self, target: Box | None = None, source: Box | None = None) -> Self:
        """Keep a part of the target (rows) and of the source (columns)."""
        whole = (slice(None),) * 3
        kept = [
            np.ascontiguousarray(matrix[rows, columns])
            for matrix, rows, columns in zip(
                (self.x, self.y, self.z), target or whole, source or whole, strict=True
            )
        ]
        return type(self)(x=kept[0], y=kept[1], z=kept[2])

    def astype(self, dtype: Any) -> Self:
        """Convert the matrices."""
        return type(self)(
            x=self.x.astype(dtype, copy=False),
            y=self.y.astype(dtype, copy=False),
            z=self.z.astype(dtype, copy=False),
        )

    def without(self, negligible: float) -> Self:
        """Leave out entries below that share of the largest one of their matrix."""
        x, y, z = (
            np.where(np.abs(each) < negligible * np.abs(each).max(), 0, each)
            for each in (self.x, self.y, self.z)
        )
        return type(self)(x=x, y=y, z=z)

    def sizes(self) -> Self:
        """The map whose entries are the absolute values of this one's."""
        return type(self)(x=np.abs(self.x), y=np.abs(self.y), z=np.abs(self.z))

    def reach(self) -> Box:
        """The part of the source that the target depends on."""
        x, y, z = (range_of(np.any(matrix, axis=0)) for matrix in (self.x, self.y, self.z))
        return x, y, z


def boxed(voxels: Array, shape: tuple[int, int, int]) -> tuple[Box, Array]:
    """Smallest box that holds voxels, given as flat indices, and their flat indices within it.

    Of both, x runs fastest.

    Examples
    --------
    >>> boxed(np.array([1, 6]), (4, 2, 3))
    ((slice(1, 3, None), slice(0, 2, None), slice(0, 1, None)), array([0, 3]))
    """
    if not len(voxels):
        return (slice(0, 1), slice(0, 1), slice(0, 1)), np.zeros(0, dtype=np.intp)
    x, y, z = np.unravel_index(voxels, shape, order="F")
    box = _range(x), _range(y), _range(z)
    n_x, n_y, _ = box_shape(box)
    first = box[0].start + n_x * (box[1].start + n_y * box[2].start)
    return box, x + n_x * (y + n_y * z) - first


def from_box(voxels: Array, shape: tuple[int, int, int], box: Box) -> Array:
    """Flat indices on a lattice of voxels that are counted within a box of it.

    Examples
    --------
    >>> from_box(np.array([0, 3]), (4, 2, 3), (slice(1, 3), slice(0, 2), slice(0, 1)))
    array([1, 6])
    """
    places = np.unravel_index(voxels, box_shape(box), order="F")
    moved = [axis + part.start for axis, part in zip(places, box, strict=True)]
    flat: Array = np.ravel_multi_index(moved, shape, order="F")
    return flat


def box_shape(box: Box) -> tuple[int, int, int]:
    """Number of voxels along each axis of a box."""
    x, y, z = (part.stop - part.start for part in box)
    return x, y, z


def cut(volumes: Array, box: Box) -> Array:
    """View of a box of volumes (n, Z, Y, X)."""
    x, y, z = box
    return volumes[:, z, y, x]


def _bands_of(matrix: FloatArray) -> list[_Band]:
    """Cut a matrix into bands; entries below its precision, against the largest, do not count."""
    counts = np.abs(matrix) > np.finfo(matrix.dtype).eps * np.abs(matrix).max(initial=0)
    bands = []
    for first in range(0, len(matrix), _ROWS_OF_BAND):
        rows = slice(first, min(first + _ROWS_OF_BAND, len(matrix)))
        columns = range_of(counts[rows].any(axis=0))
        entries = np.ascontiguousarray(matrix[rows, columns])
        bands.append(_Band(rows=rows, columns=columns, entries=entries))
    return bands


def _range(axis: Array) -> slice:
    return slice(int(axis.min()), int(axis.max()) + 1)


def range_of(shown: Array) -> slice:
    """From the first to the last place of an axis that is shown; the first of all, if none is.

    Examples
    --------
    >>> range_of(np.array([False, True, False, True, False]))
    slice(1, 4, None)
    """
    places = np.flatnonzero(shown)
    return _range(places) if places.size else slice(0, 1)
