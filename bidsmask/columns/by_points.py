"""Columns of a run that comes place by place, each with all of its volumes.

That is the order of CIFTI files. It makes matters simple: once a place has been seen, it is known
whether it was measured, and means need one pass, however bad the data are. What is no mean is
read, column by column, once all is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import Part, VoxelSets
from bidsmask.columns.extraction import Extraction, coverage_of, still, usable
from bidsmask.columns.maps import Maps
from bidsmask.columns.request import Request
from bidsmask.columns.voxels import Voxels
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.numerics.projections.maps import MapProjection

_POINTS_OF_MAPS = 2048


def extract_points(
    series: SurfaceSeries,
    requests: Sequence[Request],
    *,
    see: Sequence[Callable[[slice, Array], None]] = (),
) -> tuple[Extraction, ...]:
    """Read all columns that are wanted off a run that comes place by place.

    Parameters
    ----------
    series : SurfaceSeries
        Of which `by_points` is true.
    requests : sequence of Request
        Placed on the places of the run, and none of them smoothed.
    see : functions of a slice of places and their values (n, T), as stored
        What else is to be done with each block.

    Returns
    -------
    extractions : tuple of Extraction
        One for each request. Sums are in double precision.
    """
    sets = [columns for columns in map(_averaged, requests) if columns is not None]
    sums = _Sums(sets, series.n_volumes)
    pairs = zip(sets, sums.values, strict=True)
    works = [
        _work(series, request)
        if _averaged(request) is None
        else _Means(series, request, *next(pairs))
        for request in requests
    ]
    finite = np.zeros(series.grid.n_voxels, dtype=bool)
    measured = np.zeros(series.grid.n_voxels, dtype=bool)
    for points, block in series.point_blocks():
        finite[points], measured[points] = judged(block)
        sums.see(points, block, measured[points])
        for work in works:
            work.see(points, block, measured[points])
        for look in see:
            look(points, block)
    return tuple(work.extraction(finite, measured) for work in works)


def judged(block: Array) -> tuple[BoolArray, BoolArray]:
    """Say which places (n,) are finite in all volumes (n, T), and which were measured."""
    with np.errstate(invalid="ignore"):
        low, high = block.min(axis=1), block.max(axis=1)
        finite: BoolArray = np.isfinite(low) & np.isfinite(high)
        changes = (low < high) | (block.shape[1] == 1)
    return finite, finite & changes


def _averaged(request: Request) -> VoxelSets | None:
    """Give the columns if means are wanted of them."""
    columns = request.columns
    return columns if isinstance(columns, VoxelSets) and request.statistic == "mean" else None


def _work(series: SurfaceSeries, request: Request) -> _Work:
    of_places = isinstance(request.columns, Voxels)
    return _Selection(series, request) if of_places else _Work(series, request)


class _Work:
    """What is done for one request: all of it once it is known which places were measured."""

    def __init__(self, series: SurfaceSeries, request: Request) -> None:
        self._series = series
        self._request = request
        self._columns = request.columns

    def see(self, points: slice, block: Array, measured: BoolArray) -> None:
        """Take the next places (n, T), of which it is known whether they were measured."""

    def extraction(self, finite: BoolArray, measured: BoolArray) -> Extraction:
        """Give the columns, once all places have been seen."""
        request = self._request
        coverage = coverage_of(self._columns, measured, min_coverage=request.min_coverage)
        used = usable(request, coverage)
        signals = self._signals(measured, used)
        if not isinstance(self._columns, Voxels):
            signals[:, ~used] = np.nan
            coverage = replace(coverage, still=still(signals))
        return Extraction(
            signals=signals, coverage=coverage, used=used, finite=finite, measured=measured
        )

    def _signals(self, measured: BoolArray, used: BoolArray) -> Array:
        shape = self._series.n_volumes, self._columns.n_columns
        signals = np.full(shape, np.nan, dtype=self._request.dtype)
        self._read(signals, measured, used)
        return signals

    def _read(self, signals: Array, measured: BoolArray, used: BoolArray) -> None:
        """Read the used columns: maps together, all others one by one."""
        for some in [used] if isinstance(self._columns, Maps) else _one_by_one(used):
            for part in self._columns.parts(measured, some, self._request.statistic):
                columns = self._of_part(part)
                signals[:, part.rows] = columns if part.take is None else columns[:, part.take]

    def _of_part(self, part: Part) -> FloatArray:
        projection = part.projection
        if isinstance(projection, MapProjection) and part.take is None:
            return projection.from_products(self._products(projection))
        return projection.project(self._values(projection.support))

    def _products(self, projection: MapProjection) -> FloatArray:
        """Multiply maps and volumes (T, P), some places at a time."""
        weights = projection.weights()
        products = np.zeros((self._series.n_volumes, projection.n_columns))
        support = np.sort(weights.support)
        for start in range(0, support.size, _POINTS_OF_MAPS):
            some = np.zeros(self._series.grid.n_voxels, dtype=bool)
            some[support[start : start + _POINTS_OF_MAPS]] = True
            within = weights.within(some)
            products += within.products(self._values(within.support).astype(np.float64))
        return products

    def _values(self, points: IntArray) -> Array:
        """Read places, scaled: (T, n)."""
        return self._series.scale(self._series.take(points)).T


def _one_by_one(used: BoolArray) -> list[BoolArray]:
    return [np.arange(used.size) == row for row in np.flatnonzero(used)]


class _Means(_Work):
    """Means of sets of places: of sums that are added up as the places come."""

    def __init__(
        self, series: SurfaceSeries, request: Request, sets: VoxelSets, sums: FloatArray
    ) -> None:
        super().__init__(series, request)
        self._sets = sets
        self._sums = sums

    def _signals(self, measured: BoolArray, used: BoolArray) -> Array:
        n_covered, _ = self._columns.covered(measured)
        totals = self._totals(measured)
        self._sums /= np.where(totals > 0, totals, np.nan)[:, np.newaxis]
        signals = self._series.scale(self._sums.T).astype(self._request.dtype, copy=False)
        self._read(signals, measured, used & (n_covered == 0))
        return signals

    def _totals(self, measured: BoolArray) -> FloatArray:
        """Add up, for each column (P,), the sizes of its measured places."""
        points, columns = _memberships(self._sets)
        sizes = self._sets.sizes
        known = measured[points].astype(np.float64)
        weights = known if sizes is None else known * sizes[points]
        totals = np.bincount(columns, weights, minlength=len(self._sums))
        return totals.astype(np.float64, copy=False)


class _Sums:
    """Sums of the measured places of all columns that means are wanted of.

    Parameters
    ----------
    columns : sequence of VoxelSets
    n_volumes : int

    Attributes
    ----------
    values : sequence of float arrays (P, T)
        For each of `columns`, the sums of what has been seen.
    """

    def __init__(self, columns: Sequence[VoxelSets], n_volumes: int) -> None:
        first = np.cumsum([0, *(each.n_columns for each in columns)])
        self._all = np.zeros((first[-1], n_volumes))
        self.values = [self._all[slice(*ends)] for ends in pairwise(first)]
        none = (np.zeros(0, dtype=np.int32),) * 2
        points, of_columns = map(
            np.concatenate, zip(none, *map(_memberships, columns), strict=True)
        )
        of_columns += np.repeat(first[:-1], [sum(map(len, each.members)) for each in columns])
        order = np.argsort(points, kind="stable")
        self._points, self._columns = points[order], of_columns[order]
        self._sizes = [each.sizes for each in columns for _ in range(each.n_columns)]

    def see(self, points: slice, block: Array, measured: BoolArray) -> None:
        """Add the measured ones of the next places (n, T): sums in double precision."""
        ends = np.array([points.start, points.stop], dtype=self._points.dtype)
        here = slice(*np.searchsorted(self._points, ends))
        known = np.flatnonzero(measured[self._points[here] - points.start])
        order = here.start + known[np.argsort(self._columns[here][known], kind="stable")]
        if not order.size:
            return
        rows, columns = self._points[order] - points.start, self._columns[order]
        starts = np.flatnonzero(np.diff(columns)) + 1
        with np.errstate(invalid="ignore"):  # of places that were not measured
            values = block.astype(np.float64, copy=False)
        for start, end in pairwise([0, *starts.tolist(), rows.size]):
            members = rows[start:end]
            first, last = int(members[0]), int(members[-1])
            in_one_piece = last - first == end - start - 1
            some = values[first : last + 1] if in_one_piece else values[members]
            sizes = self._sizes[columns[start]]
            self._all[columns[start]] += (
                np.add.reduce(some, axis=0)
                if sizes is None
                else sizes[points.start + members].astype(np.float64) @ some
            )


def _memberships(columns: VoxelSets) -> tuple[IntArray, IntArray]:
    """List places, and the column that each of them belongs to."""
    points = np.concatenate([np.zeros(0, dtype=np.int32), *columns.members], dtype=np.int32)
    numbers = np.arange(columns.n_columns, dtype=np.int32)
    return points, np.repeat(numbers, [each.size for each in columns.members])


class _Selection(_Work):
    """Places as they are, one column each."""

    def __init__(self, series: SurfaceSeries, request: Request) -> None:
        super().__init__(series, request)
        assert isinstance(self._columns, Voxels)
        self._column_of = np.full(series.grid.n_voxels, -1)
        self._column_of[self._columns.indices] = np.arange(self._columns.n_columns)
        shape = series.n_volumes, self._columns.n_columns
        kept = request.out
        self._kept = np.empty(shape, dtype=request.dtype) if kept is None else kept

    def see(self, points: slice, block: Array, measured: BoolArray) -> None:
        """Keep the places that are wanted."""
        columns = self._column_of[points]
        wanted = columns >= 0
        self._kept[:, _as_range(columns[wanted])] = self._series.scale(block[wanted]).T

    def _signals(self, measured: BoolArray, used: BoolArray) -> Array:
        return self._kept


def _as_range(columns: IntArray) -> IntArray | slice:
    """Give columns that follow each other as a slice: signals on the disk take no others."""
    if columns.size and (np.diff(columns) == 1).all():
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns if columns.size else slice(0, 0)
