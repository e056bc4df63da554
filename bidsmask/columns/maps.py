"""Maps of weights on a grid, of which only the voxels are held that have a weight."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.images.blocks import in_one_piece
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import as_volume
from bidsmask.numerics.projections.map_weights import MapWeights, mapped_box, shown_box
from bidsmask.numerics.resample import resample_continuous, resampling_matrices
from bidsmask.numerics.separable import Box


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedMaps:
    """Maps on one grid.

    Parameters
    ----------
    weights : MapWeights
    grid : Grid
    """

    weights: MapWeights
    grid: Grid

    def array(self) -> FloatArray:
        """All maps, (X, Y, Z, P)."""
        return as_volume(np.stack(list(self.weights.volumes(self.grid.shape))), self.grid)

    def on(self, target: Grid) -> "PlacedMaps":
        """Put the maps on another grid, by linear interpolation."""
        if target == self.grid:
            return self
        return _placed(
            self.weights.volumes(self.grid.shape), self.grid, target, self.weights.dtype
        )


def read_maps(series: Series, target: Grid) -> PlacedMaps:
    """Read an image of several maps, and put them on a grid by linear interpolation.

    Parameters
    ----------
    series : Series
        Gone through once, and never held. NaN and infinite weights are 0.
    target : Grid

    Returns
    -------
    maps : PlacedMaps
        float64 unless the image is of a smaller type, then float32.
    """
    dtype = np.dtype(np.float64 if series.dtype.itemsize > 4 else np.float32)
    blocks = (in_one_piece(block) for _, block in series.blocks())
    volumes = (series.scale(volume.ravel()) for block in blocks for volume in block)
    return _placed(volumes, series.grid, target, dtype)


def _placed(volumes: Iterable[Array], grid: Grid, target: Grid, dtype: Any) -> PlacedMaps:
    place = _placing(grid, target)
    weights = MapWeights.of_boxes(map(place, volumes), target.shape, dtype)
    return PlacedMaps(weights=weights, grid=target)


def _placing(grid: Grid, target: Grid) -> Callable[[Array], tuple[Box, Array]]:
    """Give what puts one map, flat with x running fastest, on another grid."""
    if grid == target:
        return lambda volume: shown_box(volume, grid.shape)
    matrices = resampling_matrices(grid.shape, grid.affine, target.shape, target.affine, order=1)
    if matrices is not None:
        return lambda volume: mapped_box(matrices, volume)

    def resampled(volume: Array) -> tuple[Box, Array]:
        known = np.where(np.isfinite(volume), volume, 0)
        moved = resample_continuous(
            as_volume(known, grid), grid.affine, target.shape, target.affine, order=1
        )
        return shown_box(moved.ravel(order="F"), target.shape)

    return resampled
