"""Regions of a label image, and their place on the grid of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import VoxelSets, extent_of, members_of
from bidsmask.columns.coverage import Extent
from bidsmask.columns.field_of_view import beyond
from bidsmask.errors import AtlasError
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series
from bidsmask.numerics.projections.regions import (
    Projection,
    RegionMeans,
    RegionStatistic,
    voxels_of_labels,
)
from bidsmask.numerics.resample import resample_nearest

INTEGER_TOLERANCE = 1e-3
"""A label may be that far from an integer: scaled images are stored in single precision."""

_FEW = 1 << 20
"""Labels up to this are counted, which is far faster than sorting them."""

_LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions(VoxelSets):
    """Regions of a label image on one grid, inside a mask.

    Parameters
    ----------
    grid, members, extent, sizes
        See `bidsmask.columns.base.VoxelSets`.
    codes : int32 array of shape (X, Y, Z), or (V,) on grayordinates
        1 for the first region of the table, 2 for the second ...; 0 is background. Before the
        mask.
    """

    codes: IntArray

    def painted(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` gives each voxel the value of its region."""
        return RegionMeans([self.members[row] for row in rows])

    def arrays(self) -> dict[str, Array]:
        """Give voxels and codes; see `Columns.arrays`."""
        return super().arrays() | {"codes": self.codes}

    @classmethod
    def from_arrays(cls, grid: Lattice, arrays: Mapping[str, Array]) -> Self:
        """Make the regions again."""
        return cls(
            grid=grid,
            codes=arrays["codes"],
            members=members_of(arrays),
            extent=extent_of(arrays),
            sizes=arrays.get("sizes"),
        )

    def _projection(self, members: list[IntArray], statistic: str) -> Projection:
        if statistic == "mean":
            return RegionMeans(members, self.sizes)
        return RegionStatistic(members, statistic)


def read_labels(img: Any, tell: Callable[[str], None] | None = None) -> tuple[IntArray, Grid]:
    """Read a label image.

    Parameters
    ----------
    img : path or image
        One volume of any type whose values are whole numbers, to `INTEGER_TOLERANCE`. NaN and
        infinite values are 0.
    tell : function of a text, optional
        Told if there are values that are NaN or infinite.

    Returns
    -------
    labels : int array of shape (X, Y, Z)
        In the type of the image, if that is one of integers, else int64.
    grid : Grid

    Raises
    ------
    DimensionError
        If it has several volumes.
    AtlasError
        If a value is no whole number, or too large.
    """
    series = open_series(img)
    values = series.single()
    if tell is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
        tell(f"{series.name}: Non-finite values detected. They are background, like zeros.")
    return as_labels(series.name, values), series.grid


def as_labels(name: str, values: Array) -> IntArray:
    """Give values of a label image as integers; NaN and infinite ones are 0.

    Parameters
    ----------
    name : str
        Of the image, for messages.
    values : array

    Raises
    ------
    AtlasError
        If a value is no whole number, or too large.
    """
    labels = values if values.dtype.kind in "iu" else _rounded(name, values)
    largest = int(labels.max(initial=0))
    if largest > _LARGEST:
        raise AtlasError(f"{name}: the label {largest} is too large.")
    return labels


def labels_in(values: IntArray) -> IntArray:
    """List the labels of an image, each once, ascending.

    Examples
    --------
    >>> labels_in(np.array([[3, 0], [3, 1]]))
    array([0, 1, 3])
    """
    if values.size and 0 <= values.min() <= values.max() < _FEW:
        return np.flatnonzero(np.bincount(values.ravel(order="K")))
    return np.unique(values)


def place_regions(
    labels: IntArray,
    atlas_grid: Grid,
    ids: Sequence[int] | IntArray,
    *,
    grid: Grid,
    mask: BoolArray | None = None,
    background: int = 0,
) -> Regions:
    """Put regions on the grid of a run: each voxel belongs to the region of the nearest label.

    Parameters
    ----------
    labels : int array of shape (X', Y', Z')
        On the atlas' own grid.
    atlas_grid : Grid
    ids : ints of length P
        Label of each region, in the order of the columns. Regions without a voxel stay.
    grid : Grid
        That of the run.
    mask : bool array of shape (X, Y, Z), optional
        On the grid of the run.
    background : int
        Label of voxels that are no region's.

    Returns
    -------
    regions : Regions
    """
    wanted = np.asarray(ids, dtype=np.int64)
    whole = codes_of(labels, wanted)
    codes = resample_nearest(whole, atlas_grid.affine, grid.shape, grid.affine)
    n_on_grid = count_codes(codes, wanted.size)
    flat = codes.ravel(order="F")
    if mask is not None:
        flat = np.where(mask.ravel(order="F"), flat, 0)
    members = voxels_of_labels(flat, np.arange(1, wanted.size + 1))
    return Regions(
        grid=grid,
        codes=codes,
        members=members,
        extent=Extent.of_voxels(
            n_on_grid + _n_beyond(whole, atlas_grid, grid, wanted.size),
            n_on_grid,
            np.array([voxels.size for voxels in members], dtype=np.intp),
        ),
    )


def _n_beyond(codes: IntArray, atlas_grid: Grid, grid: Grid, n_regions: int) -> IntArray:
    """Count the voxels of each region (P,) beyond the grid of the run, in voxels of that size."""
    if atlas_grid == grid:
        return np.zeros(n_regions, dtype=np.intp)
    flat = codes.ravel(order="F")
    voxels = np.flatnonzero(flat)
    lost = voxels[beyond(voxels, atlas_grid, grid)]
    ratio = abs(np.linalg.det(atlas_grid.affine[:3, :3]) / np.linalg.det(grid.affine[:3, :3]))
    counts: IntArray = np.ceil(count_codes(flat[lost], n_regions) * ratio - 1e-6).astype(np.intp)
    return counts


def codes_of(labels: IntArray, ids: IntArray) -> IntArray:
    """Replace each label by its place among `ids`, from 1; others by 0."""
    if labels.size and 0 <= labels.min() <= labels.max() < _FEW:
        code_of = np.zeros(int(labels.max()) + 1, dtype=np.int32)
        known = (ids >= 0) & (ids < code_of.size)
        code_of[ids[known]] = np.flatnonzero(known) + 1
        return np.take(code_of, labels.T).T  # as a view it keeps the order in memory
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids[order], labels).clip(max=max(ids.size - 1, 0))
    found = ids[order][place] == labels
    return np.where(found, order[place] + 1, 0).astype(np.int32)


def count_codes(codes: Array, n_regions: int) -> IntArray:
    """Voxels of the codes 1 to `n_regions`."""
    return np.bincount(codes.ravel(order="K"), minlength=n_regions + 1)[1:]


def _rounded(name: str, values: FloatArray) -> IntArray:
    known = np.where(np.isfinite(values), values, 0)
    rounded: FloatArray = np.rint(known)
    worst = np.abs(known - rounded).argmax()
    if abs(known.flat[worst] - rounded.flat[worst]) > INTEGER_TOLERANCE:
        raise AtlasError(
            f"{name}: {known.flat[worst]:g} is no label, labels are integers. Was the image "
            "resampled by interpolation? Use nearest neighbours for labels."
        )
    if np.abs(rounded).max(initial=0) > float(1 << 62):
        raise AtlasError(f"{name}: the label {np.abs(rounded).max():g} is too large.")
    return rounded.astype(np.int64)
