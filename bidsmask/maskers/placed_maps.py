"""Maps of weights on a grid, of which only the voxels are held that have a weight."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.images.accept import Series
from bidsmask.images.grid import Grid
from bidsmask.maskers.volumes import as_volume
from bidsmask.numerics.resample import (
    LinearSampler,
    resample_continuous,
    resampling_matrices,
)

Rows = Callable[[], Iterator[Array]]
"""Goes through maps, each of shape (V_all,) and flat with x running fastest, from the start."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedMaps:
    """Maps on one grid.

    Parameters
    ----------
    weights : float array of shape (P, V)
    support : int array of shape (V,)
        Flat indices (x runs fastest) of the voxels that have a weight in any map.
    grid : Grid
    """

    weights: FloatArray
    support: IntArray
    grid: Grid

    def rows(self) -> Iterator[FloatArray]:
        """Go through the maps, each of shape (V_all,)."""
        for weights in self.weights:
            whole = np.zeros(self.grid.n_voxels, dtype=weights.dtype)
            whole[self.support] = weights
            yield whole

    def array(self) -> FloatArray:
        """All maps, (X, Y, Z, P)."""
        return as_volume(np.stack(list(self.rows())), self.grid)

    def on(self, target: Grid) -> "PlacedMaps":
        """Put the maps on another grid, by linear interpolation."""
        if target == self.grid:
            return self
        return _placed(self.rows, self.grid, target, self.weights.shape[0], self.weights.dtype)


def read_maps(series: Series, target: Grid) -> PlacedMaps:
    """Read an image of several maps, and put them on a grid by linear interpolation.

    Parameters
    ----------
    series : Series
        Gone through twice, and never held. NaN and infinite weights are 0.
    target : Grid

    Returns
    -------
    maps : PlacedMaps
        float64 unless the image is of a smaller type, then float32.
    """
    dtype = np.dtype(np.float64 if series.dtype.itemsize > 4 else np.float32)

    def rows() -> Iterator[Array]:
        for _, block in series.blocks():
            for row in block:
                yield _finite(series.scale(row))

    return _placed(rows, series.grid, target, series.n_volumes, dtype)


def _placed(rows: Rows, grid: Grid, target: Grid, n_maps: int, dtype: np.dtype[Any]) -> PlacedMaps:
    shown = np.zeros(grid.n_voxels, dtype=bool)
    for row in rows():
        shown |= row != 0
    support = _support(shown, grid, target)
    weights = np.empty((n_maps, support.size), dtype=dtype)
    sample = _sampler(grid, target, support)
    for kept, row in zip(weights, rows(), strict=True):
        kept[:] = sample(row)
    return PlacedMaps(weights=weights, support=support, grid=target)


def _support(shown: Array, grid: Grid, target: Grid) -> IntArray:
    """Voxels of the target that are interpolated from one that is shown, at least."""
    if grid == target:
        return np.flatnonzero(shown)
    lattices = grid.shape, grid.affine, target.shape, target.affine
    matrices = resampling_matrices(*lattices, order=1)
    if matrices is not None:
        return np.flatnonzero(matrices(shown[np.newaxis].astype(np.float64)))
    volume = as_volume(shown.astype(np.float64), grid)
    return np.flatnonzero(resample_continuous(volume, *lattices[1:], order=1).ravel(order="F"))


def _sampler(grid: Grid, target: Grid, support: IntArray) -> Callable[[Array], Array]:
    if grid == target:
        return lambda row: row[support]
    return LinearSampler(grid.shape, grid.affine, target.shape, target.affine, support)


def _finite(row: Array) -> Array:
    if row.dtype.kind == "f" and not (finite := np.isfinite(row)).all():
        return np.where(finite, row, 0)
    return row
