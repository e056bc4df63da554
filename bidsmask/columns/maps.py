"""Maps of weights, such as networks or probabilistic atlases, and their place on a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import Columns, Part
from bidsmask.columns.coverage import Extent
from bidsmask.columns.field_of_view import beyond
from bidsmask.images.blocks import in_one_piece
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import as_volume
from bidsmask.numerics.projections.map_weights import (
    MapWeights,
    mapped_box,
    shown_box,
    strongest_maps,
)
from bidsmask.numerics.projections.maps import MapFit, MapProjection, WeightedMeans
from bidsmask.numerics.projections.regions import Projection
from bidsmask.numerics.resample import resample_continuous, resampling_matrices
from bidsmask.numerics.separable import Box

_AT_ONCE = 1 << 18

_KINDS: dict[str, type[MapProjection]] = {"least_squares": MapFit, "weighted_mean": WeightedMeans}


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedMaps:
    """Maps on one grid, of which only the voxels are held that have a weight; before any mask.

    Parameters
    ----------
    weights : MapWeights
    grid : Grid
    n_beyond : float array of shape (P,)
        Voxels with a weight that have no place on the grid, in voxels of the grid.
    squares_beyond : float array of shape (P,)
        Sum of their squared weights, likewise.
    """

    weights: MapWeights
    grid: Lattice
    n_beyond: FloatArray
    squares_beyond: FloatArray

    @property
    def shown(self) -> BoolArray:
        """Voxels (X, Y, Z) with a weight in any map."""
        shown = np.zeros(self.grid.n_voxels, dtype=bool)
        shown[self.weights.support] = True
        return shown.reshape(self.grid.shape, order="F")

    def rows(self) -> MapRows:
        """Weights (P, V) of the shown voxels, made when they are asked for."""
        return MapRows(self.weights)

    def strongest(self) -> tuple[IntArray, FloatArray]:
        """Find the map with the largest weight, relative to its maximum, in each voxel.

        Returns
        -------
        number : int array of shape (X, Y, Z)
            Counted from 1; 0 where there is none.
        strength : array of shape (X, Y, Z)
            That weight, from 0 to 1.
        """
        support = self.weights.support
        number, strength = strongest_maps(self.weights.rows(), support.shape)
        lattice_of_numbers = np.zeros(self.grid.n_voxels, dtype=np.int32)
        lattice_of_strengths = np.zeros(self.grid.n_voxels)
        lattice_of_numbers[support], lattice_of_strengths[support] = number, strength
        return as_volume(lattice_of_numbers, self.grid), as_volume(lattice_of_strengths, self.grid)

    def array(self) -> FloatArray:
        """All maps, (X, Y, Z, P)."""
        return as_volume(np.stack(list(self.weights.volumes(self.grid.shape))), self.grid)

    def on(self, target: Grid) -> PlacedMaps:
        """Put the maps on another grid, by linear interpolation."""
        if target == self.grid:
            return self
        return _placed(
            self.weights.volumes(self.grid.shape), self.grid, target, self.weights.dtype
        )


class MapRows:
    """Weights of several maps, one after the other: hundreds of maps are never held at once."""

    def __init__(self, weights: MapWeights) -> None:
        self._weights = weights
        self._order = np.argsort(weights.support)
        self.shape = weights.n_maps, weights.support.size

    def __getitem__(self, number: int) -> FloatArray:
        return self._weights.row(number)[self._order]


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps(Columns):
    """Maps on one grid, inside a mask.

    Parameters
    ----------
    placed : PlacedMaps
        Before the mask.
    weights : MapWeights
        Inside the mask.
    extent : Extent
        Coverage of a map is a share of its squared weight: what a voxel of small weight holds
        matters little to the fit.
    """

    placed: PlacedMaps
    weights: MapWeights
    extent: Extent
    _known: dict[str, Part] = field(default_factory=dict, repr=False)
    _last: dict[str, tuple[BoolArray, tuple[IntArray, FloatArray]]] = field(
        default_factory=dict, repr=False
    )

    def __getstate__(self) -> dict[str, Any]:
        """Return what was given, not what was computed since: a key must not change by use."""
        given = {"placed": self.placed, "weights": self.weights, "extent": self.extent}
        return given | {"_known": {}, "_last": {}}

    @property
    def grid(self) -> Lattice:
        """That of the placed maps."""
        return self.placed.grid

    @cached_property
    def support(self) -> IntArray:
        """Flat indices, ascending, of the voxels with a weight in any map."""
        used = np.zeros(self.grid.n_voxels, dtype=bool)
        used[self.weights.support] = True
        return np.flatnonzero(used)

    def covered(self, measured: BoolArray) -> tuple[IntArray, FloatArray]:
        """Measure the voxels and the squared weights of each map; see `Columns.covered`."""
        if "covered" in self._last and self._last["covered"][0] is measured:
            return self._last["covered"][1]  # there may be hundreds of maps
        known = measured[self.weights.support]
        result = self.extent.n_inside, self.extent.size_inside
        if not known.all():
            result = self.weights.sizes(known), self.weights.squares(known)
        self._last["covered"] = measured, result
        return result

    def centroids(self, measured: BoolArray) -> FloatArray:
        """Average places by the squared weight of each map there; see `Columns.centroids`."""
        return self.weights.centroids(
            self.grid.places_mm(self.weights.support), measured[self.weights.support]
        )

    def parts(self, measured: BoolArray, used: BoolArray, statistic: str) -> list[Part]:
        """Fit the used maps jointly, over the measured voxels; see `Columns.parts`.

        Parameters
        ----------
        measured : bool array of shape (V_all,)
        used : bool array of shape (P,)
        statistic : {"least_squares", "weighted_mean"}

        Raises
        ------
        ValueError
            If maps are sums of multiples of each other, or a weight is negative where a mean is
            asked for.
        """
        n_covered, _ = self.covered(measured)
        seen, unseen = np.flatnonzero(used & (n_covered > 0)), used & (n_covered == 0)
        parts = []
        if (
            seen.size
            and seen.size == np.count_nonzero(self.extent.n_inside)
            and measured[self.weights.support].all()
        ):
            parts.append(self.whole(statistic))
        elif seen.size:
            weights = self.weights.within(measured).chosen(seen)
            parts.append(Part(rows=seen, projection=_KINDS[statistic](weights)))
        if unseen.any():
            rows, whole = np.flatnonzero(unseen), self.whole(statistic)
            take = np.searchsorted(whole.rows, rows)
            parts.append(Part(rows=rows, projection=whole.projection, take=take))
        return parts

    def whole(self, statistic: str) -> Part:
        """Read all maps inside the mask over all of their voxels; made once."""
        if statistic not in self._known:
            rows = np.flatnonzero(self.extent.n_inside)
            projection = _KINDS[statistic](self.weights.chosen(rows))
            self._known[statistic] = Part(rows=rows, projection=projection)
        return self._known[statistic]

    def touched(self, changed: BoolArray) -> BoolArray:
        """All of them, if any voxel changes: they are fitted jointly."""
        return np.full(self.n_columns, bool(changed[self.weights.support].any()))

    def painted(self, rows: IntArray) -> MapProjection:
        """Give the projection whose `expand` adds the maps up."""
        return MapFit(self.weights.chosen(rows))

    def arrays(self) -> dict[str, Array]:
        """Give the weights before the mask, and which voxels lie inside; see `Columns.arrays`."""
        inside = np.isin(self.placed.weights.support, self.weights.support)
        return {
            **self.placed.weights.arrays(),
            "inside": self.placed.weights.support[inside],
            "n_beyond": self.placed.n_beyond,
            "squares_beyond": self.placed.squares_beyond,
        }

    @classmethod
    def from_arrays(cls, grid: Lattice, arrays: Mapping[str, Array]) -> Self:
        """Make the maps again."""
        placed = PlacedMaps(
            weights=MapWeights.from_arrays(arrays),
            grid=grid,
            n_beyond=arrays["n_beyond"],
            squares_beyond=arrays["squares_beyond"],
        )
        mask = np.zeros(grid.n_voxels, dtype=bool)
        mask[arrays["inside"]] = True
        maps = place_maps(placed, mask.reshape(grid.shape, order="F"))
        return cls(placed=placed, weights=maps.weights, extent=maps.extent)

    def averaged(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` averages the maps that a voxel is in."""
        return WeightedMeans(self.weights.chosen(rows))


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


def place_maps(maps: PlacedMaps, mask: BoolArray | None = None) -> Maps:
    """Take maps within a mask.

    Parameters
    ----------
    maps : PlacedMaps
    mask : bool array of shape (X, Y, Z), optional
        On the grid of the maps.

    Returns
    -------
    maps : Maps
    """
    weights, n_on_grid, squares = maps.weights, maps.weights.sizes(), maps.weights.squares()
    n_inside, squares_inside = n_on_grid, squares
    if mask is not None:
        weights = weights.within(mask.ravel(order="F"))
        n_inside, squares_inside = weights.sizes(), weights.squares()
    return Maps(
        placed=maps,
        weights=weights,
        extent=Extent(
            n_voxels=n_on_grid + np.ceil(maps.n_beyond - 1e-6).astype(np.intp),
            n_on_grid=n_on_grid,
            n_inside=n_inside,
            size=squares + maps.squares_beyond,
            size_inside=squares_inside,
            unit="squared weight",
            places=maps.grid.word,
        ),
    )


def _placed(volumes: Iterable[Array], grid: Grid, target: Grid, dtype: Any) -> PlacedMaps:
    place, lost = _placing(grid, target), _beyond(grid, target)
    ratio = abs(np.linalg.det(grid.affine[:3, :3]) / np.linalg.det(target.affine[:3, :3]))
    n_beyond: list[float] = []
    squares_beyond: list[float] = []

    def placed(volume: Array) -> tuple[Box, Array]:
        away = volume[lost]
        away = away[np.isfinite(away)].astype(np.float64)
        n_beyond.append(ratio * np.count_nonzero(away))
        squares_beyond.append(ratio * float(away @ away))
        return place(volume)

    weights = MapWeights.of_boxes(map(placed, volumes), target.shape, dtype)
    return PlacedMaps(
        weights=weights,
        grid=target,
        n_beyond=np.array(n_beyond),
        squares_beyond=np.array(squares_beyond),
    )


def _beyond(grid: Grid, target: Grid) -> IntArray:
    """Flat indices of the voxels of a grid that have no place on another."""
    lost = []
    for start in range(0, grid.n_voxels, _AT_ONCE):
        some = np.arange(start, min(start + _AT_ONCE, grid.n_voxels))
        lost.append(some[beyond(some, grid, target)])
    return np.concatenate(lost)


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
