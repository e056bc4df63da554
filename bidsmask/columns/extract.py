"""Everything that is wanted of a run, in one pass over its volumes.

Which voxels were measured is known for certain only at the end of a run, but columns are read over
measured voxels alone. So the first volumes tell which voxels are likely to be left out; what turns
out otherwise is put right at the end: means by arithmetic, all else by reading the run again, for
the columns that it concerns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import Part, VoxelSets
from bidsmask.columns.by_points import extract_points
from bidsmask.columns.extraction import Extraction as Extraction
from bidsmask.columns.extraction import coverage_of as coverage_of
from bidsmask.columns.extraction import still, usable
from bidsmask.columns.maps import Maps
from bidsmask.columns.readers import read_all, readers_of
from bidsmask.columns.request import Request
from bidsmask.columns.smoothed_surfaces import extract_smoothed
from bidsmask.columns.voxels import Voxels
from bidsmask.columns.watch import Watch, peek
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.request import Reading, Volumes
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.numerics.projections.regions import OfOneSelection, RegionStatistic
from bidsmask.numerics.resample import resample_nearest

See = Callable[[slice, Array], None]
"""Looks at the next volumes of a run: which they are, and a block (n, Z, Y, X) as it is stored."""


def extract(
    series: Volumes,
    requests: Sequence[Request],
    *,
    see: Sequence[See] = (),
    smoothed_together: IntArray | None = None,
) -> tuple[Extraction, ...]:
    """Read all columns that are wanted off a run.

    Parameters
    ----------
    series : Volumes
        Gone through once; a second time only where voxels drop out that nobody could foresee.
    requests : sequence of Request
        How many there are, and which, changes no number of the others.
    see : sequence of See
        What else is to be done with each block of the first pass: of volumes, or, where a run on
        surfaces is read `by_points`, of places (n, T).
    smoothed_together : int array, optional
        Voxels (flat indices, ascending) of which all that is smoothed is made: volumes are then
        smoothed once for all requests of one width.

    Returns
    -------
    extractions : tuple of Extraction
        One for each request.

    Raises
    ------
    SpaceError
        If a run on surfaces is to be smoothed and a mesh is missing, or if it lies on other
        places than columns.
    """
    if isinstance(series, SurfaceSeries):
        _refuse_to_move(series, requests)
        if any(request.smooths for request in requests):
            return extract_smoothed(series, requests, extract, see)
        if series.by_points:
            return extract_points(series, requests, see=see)
    works = [_Work(series, request) for request in requests]
    watched = _union(series.grid, [work for work in works if work.foresees])
    first = peek(series, watched) if watched.size else Watch(watched)
    for work in works:
        work.guess(first)
    seen = first.n_volumes == series.n_volumes
    whole = first if seen else Watch(watched)
    watches: list[See] = [] if seen or not watched.size else [lambda _, b: whole.see_block(b)]
    _read(series, works, smoothed_together, [*see, *watches])
    again = [work for work in works if work.settle(whole)]
    if again:
        _read(series, again, smoothed_together, [])
    return tuple(work.extraction() for work in works)


def _refuse_to_move(series: SurfaceSeries, requests: Sequence[Request]) -> None:
    for request in requests:
        if request.columns.grid != series.grid:
            raise SpaceError(
                f"Columns lie on {request.columns.grid}, and {series.name} on {series.grid}. "
                "Nothing is resampled on surfaces: place the columns on those of the run."
            )


class _Work:
    """What is done for one request.

    Attributes
    ----------
    parts : list of Part
        What is to be read in the next pass.
    watch : Watch or None
        Of the voxels that are read, if they are read as they are, whatever they hold.
    """

    def __init__(self, series: Volumes, request: Request) -> None:
        self.request = request
        self._series = series
        self._columns = request.columns
        self._sources = _nearest(series.grid, self._columns.grid)
        self.parts: list[Part] = []
        self.watch: Watch | None = None
        self._signals: Array | None = request.out
        self._measured: BoolArray = np.zeros(0, dtype=bool)
        self._used: BoolArray = np.zeros(0, dtype=bool)

    @property
    def reading_is_plain(self) -> bool:
        """Whether volumes are read where they are, as they are."""
        moves = self._sources is not None
        return not (moves or self.request.smooths)

    @property
    def foresees(self) -> bool:
        """Whether it has to be known beforehand which voxels will have been measured."""
        alike = isinstance(self._columns, VoxelSets) and self._columns.sizes is None
        can_settle = alike and self.request.statistic == "mean"
        return not (self.reading_is_plain and (can_settle or isinstance(self._columns, Voxels)))

    @property
    def watched(self) -> IntArray:
        """Voxels of the run (flat indices) that columns are made of."""
        support = self._columns.support
        if self._sources is None:
            return support
        sources = self._sources[support]
        return sources[sources >= 0]

    def guess(self, watch: Watch) -> None:
        """Choose what to read, by what the first volumes were like."""
        if self.foresees:
            self._measured = self._on_columns(watch, watch.measured)
            self._used = self._usable(self._measured)
        else:
            self._measured = np.ones(self._columns.grid.n_voxels, dtype=bool)
            self._used = self._columns.extent.n_inside > 0
        self.parts = self._columns.parts(self._measured, self._used, self.request.statistic)
        if not self.foresees:
            (part,) = self.parts
            self.watch = Watch(part.projection.support)

    def keep(self, part: Part, columns: Array) -> None:
        """Keep the columns (T, k) of a part that has been read."""
        n_columns = self._columns.n_columns
        taken = columns if part.take is None else columns[:, part.take]
        if self._signals is None and len(part.rows) == n_columns and len(self.parts) == 1:
            self._signals = taken
            return
        if self._signals is None:
            self._signals = np.full((len(columns), n_columns), np.nan, dtype=self.request.dtype)
        if self._signals is not taken:
            self._signals[:, part.rows] = taken

    def settle(self, watch: Watch) -> bool:
        """Learn what was measured; whether something has to be read again, which are the parts.

        Parameters
        ----------
        watch : Watch
            Of a whole run; of voxels that this request does not watch itself.
        """
        used = self._used
        own, self.watch = self.watch, None  # a second pass is not watched
        watch = own or watch
        self._finite = self._on_columns(watch, watch.finite)
        changed = None if own is not None and own.measured.all() else self._changes(watch)
        self._used = self._usable(self._measured)
        redo = self._used & ~used
        if changed is not None:
            redo |= self._used & self._columns.touched(changed)
        if isinstance(self._columns, Maps) and (redo | (used != self._used)).any():
            redo = self._used  # they are fitted jointly
        if own is not None and redo.any():
            redo = self._settle_means(redo, own)
        self.parts = []
        if redo.any():
            self.parts = self._columns.parts(self._measured, redo, self.request.statistic)
        return bool(redo.any())

    def _changes(self, watch: Watch) -> BoolArray | None:
        """Learn what was measured; of which voxels (V_all,) the guess was wrong, if of any."""
        guessed, measured = self._measured, self._on_columns(watch, watch.measured)
        support = self._columns.support
        wrong = support[guessed[support] != measured[support]]
        if not wrong.size:
            return None
        self._measured = measured
        changed = np.zeros(guessed.size, dtype=bool)
        changed[wrong] = True
        return changed

    def extraction(self) -> Extraction:
        """Give the columns, once all has been read."""
        signals = self._signals
        if signals is None:  # there is nothing to be read
            shape = self._series.n_volumes, self._columns.n_columns
            signals = np.full(shape, np.nan, dtype=self.request.dtype)
        voxelwise = isinstance(self._columns, Voxels)
        if not voxelwise:
            signals[:, ~self._used] = np.nan
        unmoved = np.zeros(self._used.size, dtype=bool) if voxelwise else still(signals)
        coverage = replace(self._coverage, still=unmoved)
        return Extraction(
            signals=signals,
            coverage=coverage,
            used=self._used,
            finite=self._finite,
            measured=self._measured,
        )

    def _usable(self, measured: BoolArray) -> BoolArray:
        """Say which columns have a signal, if these voxels are measured; note their coverage."""
        self._coverage = coverage_of(
            self._columns, measured, min_coverage=self.request.min_coverage
        )
        return usable(self.request, self._coverage)

    def _on_columns(self, watch: Watch, values: BoolArray) -> BoolArray:
        """Carry values (W,) of watched voxels over to the grid of the columns, (V_all,)."""
        run = watch.spread(values, self._series.grid.n_voxels)
        if self._sources is None:
            return run
        known: BoolArray = (self._sources >= 0) & run[self._sources]
        return known

    def _settle_means(self, redo: BoolArray, watch: Watch) -> BoolArray:
        """Take constant voxels out of means that were read with them; which are to be read again.

        A voxel that is never finite was not read, and one that is finite in some volumes only
        cannot be taken out again.
        """
        assert isinstance(self._columns, VoxelSets)
        assert self._signals is not None
        (part,) = self.parts
        first = np.where(watch.constant, self._series.scale(watch.first), 0)
        sizes = [self._columns.members[row].size for row in part.rows]
        n_finite, n_still, still, at_times = (
            _sums(values, sizes)
            for values in (
                watch.finite,
                watch.constant,
                first,
                watch.ever_finite & ~watch.finite,
            )
        )
        change = redo[part.rows] & (at_times == 0) & (n_still < n_finite)
        rows = part.rows[change]
        sums = self._signals[:, rows] * n_finite[change] - still[change]
        self._signals[:, rows] = sums / (n_finite - n_still)[change]
        again: BoolArray = np.zeros_like(redo)
        again[part.rows[redo[part.rows] & (at_times > 0)]] = True
        return again


def _sums(values: Array, sizes: Sequence[int]) -> FloatArray:
    """Sum values (W,) in stretches of some sizes."""
    totals: FloatArray = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    ends = np.cumsum([0, *sizes])
    return np.diff(totals[ends])


def _union(grid: Grid, works: Sequence[_Work]) -> IntArray:
    """All voxels that are watched for some requests, ascending, each once."""
    used = np.zeros(grid.n_voxels, dtype=bool)
    for work in works:
        used[work.watched] = True
    return np.flatnonzero(used)


def _read(
    series: Volumes, works: Sequence[_Work], together: IntArray | None, see: Sequence[See]
) -> None:
    """Go through a run, and let each request keep its parts."""
    readings, keeps = [], []
    for group in _groups(series, works, together):
        readings.append(group.reading)
        keeps.append(group.keep)
    readers = readers_of(series, readings)

    def look(volumes: slice, block: Array) -> None:
        for each in see:
            each(volumes, block)

    read_all(series, readers, look)
    for reader, keep in zip(readers, keeps, strict=True):
        keep(reader.signals())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """Parts that are read together."""

    reading: Reading
    pairs: list[tuple[_Work, Part]]

    def keep(self, columns: Array) -> None:
        """Give each part its columns (T, k)."""
        projection = self.reading.projection
        split = projection.split(columns) if isinstance(projection, OfOneSelection) else [columns]
        for (work, part), each in zip(self.pairs, split, strict=True):
            work.keep(part, each)


def _groups(series: Volumes, works: Sequence[_Work], together: IntArray | None) -> list[_Group]:
    """Parts as they are read: those that are smoothed alike together, all others alone."""
    groups: list[_Group] = []
    smoothed: dict[str, list[tuple[_Work, Part]]] = {}
    for work in works:
        for part in work.parts:
            if together is not None and _joins(series, work, part):
                smoothed.setdefault(repr(work.request.smoothing_fwhm), []).append((work, part))
            else:
                groups.append(_alone(work, part))
    for pairs in smoothed.values():
        assert together is not None
        request = pairs[0][0].request
        reading = Reading(
            projection=OfOneSelection(together, [part.projection for _, part in pairs]),
            grid=series.grid,
            smoothing_fwhm=request.smoothing_fwhm,
            dtype=request.dtype,
        )
        groups.append(_Group(reading=reading, pairs=pairs))
    return groups


def _joins(series: Volumes, work: _Work, part: Part) -> bool:
    """Whether a part is made of smoothed volumes, of one volume at a time."""
    projection = part.projection
    at_once = isinstance(projection, RegionStatistic) and projection.needs_all_volumes
    here = work.request.columns.grid == series.grid
    free = work.request.out is None
    return work.request.smooths and here and free and not at_once


def _alone(work: _Work, part: Part) -> _Group:
    request = work.request
    reading = Reading(
        projection=part.projection,
        grid=request.columns.grid,
        smoothing_fwhm=request.smoothing_fwhm,
        dtype=request.dtype,
        out=request.out,
        watch=None if work.watch is None else work.watch.see,
    )
    return _Group(reading=reading, pairs=[(work, part)])


def _nearest(run: Grid, columns: Grid) -> IntArray | None:
    """Voxel of the run that is nearest to each voxel of the columns' grid, -1 if there is none.

    None, if they are the same.
    """
    if run == columns:
        return None
    numbers = np.arange(run.n_voxels).reshape(run.shape, order="F")
    nearest = resample_nearest(numbers, run.affine, columns.shape, columns.affine, fill=-1)
    return nearest.ravel(order="F")
