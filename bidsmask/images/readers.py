"""Ways from the volumes of a run to columns, of which the cheapest is taken.

A *reading* says which columns are wanted: a projection, the grid that it lies on, and how volumes
are smoothed on that grid. A *reader* takes block after block of the run and keeps the columns:

- as they are, where volumes are neither moved nor smoothed;
- through weights into which smoothing is folded (`bidsmask.numerics.weights`);
- through moved and smoothed volumes, of which only the box around the wanted voxels is computed.

All give the same numbers, to 1e-6 of a column's standard deviation in double precision. Runs
whose values have no more than single precision (float32, integers of 16 bits) are moved and
smoothed in single precision, relative to their first volume.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.images.grid import Grid
from bidsmask.numerics.maps import Maps
from bidsmask.numerics.projection import (
    Projection,
    RegionMeans,
    RegionStatistic,
    VoxelSelection,
)
from bidsmask.numerics.resample import resample_continuous, resampling_matrices
from bidsmask.numerics.separable import (
    AxisMatrices,
    Box,
    box_around,
    box_shape,
    cut,
    within_box,
)
from bidsmask.numerics.smooth import smooth_volume, smoothing_matrices
from bidsmask.numerics.threads import on_threads, one_thread_of_blas
from bidsmask.numerics.weights import Products, Weights

VOLUMES_AT_ONCE = 16
"""Products, and statistics of regions, are far faster on some volumes than on one."""

SECONDS_PER_PRODUCT = 2.5e-11
"""Of dense matrices, and the next two of folded weights: each, and to make one or a column."""

SECONDS_PER_WEIGHT = 3e-10
SECONDS_TO_FOLD_WEIGHT = 1e-7
SECONDS_TO_FOLD_COLUMN = 2e-4


Range = Callable[[], tuple[float, float]]
"""Gives the smallest and the largest value of a run, see `value_range`."""


class Volumes(Protocol):
    """A run, as `bidsmask.images.stream.BoldStream` and `bidsmask.images.accept.Series` are."""

    @property
    def grid(self) -> Grid:
        """Where the volumes lie."""
        ...

    @property
    def n_volumes(self) -> int:
        """Number of volumes, T."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values once they are scaled."""
        ...

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the volumes, some at a time, as they are stored."""
        ...

    def scale(self, values: Array) -> Array:
        """Apply the scaling in the header."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Columns that are wanted of a run.

    Parameters
    ----------
    projection : Projection
    grid : Grid
        Of the projection; a run that lies on another one is resampled (cubic splines, clipped to
        the range of the run and 0).
    smoothing_fwhm : number, three numbers, "fast" or None
        See `bidsmask.numerics.smooth.smooth_volume`; done on `grid`.
    dtype : dtype
        Of the columns that are kept.
    """

    projection: Projection
    grid: Grid
    smoothing_fwhm: Any = None
    dtype: Any = np.float64

    @property
    def smooths(self) -> bool:
        """Whether anything is smoothed."""
        fwhm = self.smoothing_fwhm
        return fwhm is not None and (isinstance(fwhm, str) or bool(np.any(np.asarray(fwhm))))


class Reader:
    """Takes the blocks of a run, one after the other, and keeps columns.

    Attributes
    ----------
    finite : bool array of shape (V,)
        Which voxels of the projection's support are finite numbers in all volumes, as they reach
        the projection.
    """

    def __init__(self, series: Volumes, reading: Reading, volumes_at_once: int = 1) -> None:
        self._series = series
        self._projection = reading.projection
        self._at_once = volumes_at_once
        self.finite: BoolArray = np.ones(reading.projection.support.size, dtype=bool)
        shape, dtype = (series.n_volumes, reading.projection.n_columns), reading.dtype
        if self._needs_all_volumes:
            shape = series.n_volumes, reading.projection.support.size
            dtype = self._dtype_of_voxels
        self._kept = np.empty(shape, dtype=dtype)
        self._n_kept = 0
        self._waiting: list[Array] = []

    def read(self, block: Array) -> None:
        """Take the next block (n, V_all), as it is stored."""
        self._waiting.append(self._voxels(block))
        if sum(map(len, self._waiting)) >= self._at_once:
            self._keep()

    def signals(self) -> Array:
        """Columns (T, P), once all blocks have been read."""
        if self._waiting:
            self._keep()
        return self._projection.project(self._kept) if self._needs_all_volumes else self._kept

    def _voxels(self, block: Array) -> Array:
        """Take what is needed (n, V) out of a block; new memory."""
        raise NotImplementedError

    def _columns(self, voxels: Array) -> Array:
        """Columns (n, P) of volumes whose voxels (n, V) are at hand."""
        if voxels.dtype.kind == "f":
            self.finite &= np.isfinite(voxels).all(axis=0)
        as_they_are = isinstance(self._projection, VoxelSelection) or self._needs_all_volumes
        return voxels if as_they_are else self._projection.project(voxels)

    def _keep(self) -> None:
        alone = len(self._waiting) == 1
        columns = self._columns(self._waiting[0] if alone else np.concatenate(self._waiting))
        self._kept[self._n_kept : self._n_kept + len(columns)] = columns
        self._n_kept += len(columns)
        self._waiting = []

    @property
    def _dtype_of_voxels(self) -> np.dtype[Any]:
        """Type in which voxels reach the projection."""
        return self._series.dtype

    @property
    def _needs_all_volumes(self) -> bool:
        return isinstance(self._projection, RegionStatistic) and self._projection.needs_all_volumes


class PlainReader(Reader):
    """Reads volumes as they are."""

    def _voxels(self, block: Array) -> Array:
        return self._series.scale(np.take(block, self._projection.support, axis=1))


class MovedReader(Reader):
    """Reads volumes that are moved to another grid, smoothed, or both."""

    def __init__(
        self,
        series: Volumes,
        reading: Reading,
        move: Callable[[Array], Array],
        volumes_at_once: int = 1,
    ) -> None:
        super().__init__(series, reading, volumes_at_once)
        self._move = move

    def _voxels(self, block: Array) -> Array:
        return self._move(block)

    @property
    def _dtype_of_voxels(self) -> np.dtype[Any]:
        return np.result_type(self._series.dtype, np.float32)


class WeightsReader(Reader):
    """Reads weighted sums, of volumes as they are or with smoothing in the weights."""

    def __init__(
        self, series: Volumes, reading: Reading, projection: RegionMeans | Maps, weights: Weights
    ) -> None:
        super().__init__(series, reading, VOLUMES_AT_ONCE)
        self._linear = projection
        self._smooths = reading.smooths
        self._support = weights.support
        self._products = Products(weights, single=is_single(series))

    def _voxels(self, block: Array) -> Array:
        return self._series.scale(np.take(block, self._support, axis=1))

    def _columns(self, voxels: Array) -> Array:
        if voxels.dtype.kind == "f" and not (finite := np.isfinite(voxels)).all():
            if not self._smooths:
                return super()._columns(voxels)
            voxels = np.where(finite, voxels, 0)
        return self._linear.from_products(self._products(voxels))


def readers_of(series: Volumes, readings: Sequence[Reading]) -> list[Reader]:
    """Choose the cheapest way to the columns of each reading.

    Parameters
    ----------
    series : Volumes
        Gone through once if volumes have to be moved: values are clipped to the run's range.
    readings : sequence of Reading

    Returns
    -------
    readers : list of Reader
    """
    range_of_run = cache(partial(value_range, series))
    return [_reader_of(series, reading, range_of_run) for reading in readings]


def _reader_of(series: Volumes, reading: Reading, range_of_run: Range) -> Reader:
    projection = reading.projection
    at_once = VOLUMES_AT_ONCE if isinstance(projection, RegionStatistic) else 1
    moves = series.grid != reading.grid
    if not moves and not reading.smooths:
        if isinstance(projection, Maps):
            return WeightsReader(series, reading, projection, projection.weights())
        return PlainReader(series, reading, at_once)
    operators = _operators(series, reading)
    if operators is None:
        return MovedReader(
            series, reading, _VolumeByVolume(series, reading, range_of_run), at_once
        )
    if not moves and isinstance(projection, RegionMeans | Maps):
        (smoothing,) = operators
        if _folding_is_cheaper(series.n_volumes, projection, smoothing):
            weights = projection.weights(smoothing, single=is_single(series))
            return WeightsReader(series, reading, projection, weights)
    return MovedReader(series, reading, _ByAxes(series, reading, operators, range_of_run), at_once)


def read_all(
    series: Volumes, readers: Sequence[Reader], see: Callable[[slice, Array], None]
) -> None:
    """Go through a run once, and hand every block to all that want something of it.

    Parameters
    ----------
    series : Volumes
    readers : sequence of Reader
    see : function of volumes and block
        What else is to be done with each block, as `Volumes.blocks` gives them.
    """
    with one_thread_of_blas():
        for volumes, block in series.blocks():
            for reader in readers:
                reader.read(block)
            see(volumes, block)


def is_single(series: Volumes) -> bool:
    """Whether the values of a run have no more than single precision."""
    return bool(np.result_type(series.dtype, np.float32) == np.float32)


def value_range(series: Volumes) -> tuple[float, float]:
    """Smallest and largest finite value of a run, and 0: an interpolated value lies between them.

    Takes a pass over the run of its own.
    """
    lowest, highest = 0.0, 0.0
    for _, block in series.blocks():
        low, high = _ends(series.scale(block))
        lowest, highest = min(lowest, low), max(highest, high)
    return lowest, highest


def _ends(block: Array) -> tuple[float, float]:
    low, high = float(block.min()), float(block.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = np.isfinite(block)
    return (
        float(block.min(where=finite, initial=0)),
        float(block.max(where=finite, initial=0)),
    )


def _operators(series: Volumes, reading: Reading) -> list[AxisMatrices] | None:
    """Operators that move and smooth, in this order; None if one of them is not separable."""
    operators = []
    if series.grid != reading.grid:
        moving = resampling_matrices(
            series.grid.shape, series.grid.affine, reading.grid.shape, reading.grid.affine
        )
        if moving is None:
            return None
        operators.append(moving)
    if reading.smooths:
        if isinstance(reading.smoothing_fwhm, str):
            return None
        grid = reading.grid
        operators.append(smoothing_matrices(grid.shape, grid.affine, reading.smoothing_fwhm))
    return operators


def _folding_is_cheaper(
    n_volumes: int, projection: RegionMeans | Maps, operator: AxisMatrices
) -> bool:
    rows = operator.to(target=box_around(projection.support, operator.target_shape))
    moved = rows.to(source=rows.reach())
    if isinstance(projection, Maps):
        to_fold = projection.n_columns * moved.n_products
        each = projection.n_columns * int(np.prod(moved.source_shape))
        seconds = (to_fold + n_volumes * each) * SECONDS_PER_PRODUCT
    else:
        n_weights = sum(_n_reached(region, operator) for region in projection.regions)
        seconds = n_weights * (SECONDS_TO_FOLD_WEIGHT + n_volumes * SECONDS_PER_WEIGHT)
        seconds += projection.n_columns * SECONDS_TO_FOLD_COLUMN
    return seconds < n_volumes * moved.n_products * SECONDS_PER_PRODUCT


def _n_reached(region: IntArray, operator: AxisMatrices) -> int:
    """Voxels of the box that the mapped voxels of a region depend on."""
    if not region.size:
        return 0
    rows = operator.to(target=box_around(region, operator.target_shape))
    return int(np.prod(box_shape(rows.reach())))


class _ByAxes:
    """Moves and smooths blocks by a matrix for each axis; gives the voxels of the support."""

    def __init__(
        self,
        series: Volumes,
        reading: Reading,
        operators: list[AxisMatrices],
        range_of_run: Range,
    ) -> None:
        support = reading.projection.support
        self._series = series
        self._shape = series.grid.shape
        self._moves = series.grid != reading.grid
        self._clip_to = range_of_run() if self._moves else None
        self._one_by_one = _VolumeByVolume(series, reading, range_of_run)
        target = box_around(support, reading.grid.shape)
        self._places = within_box(support, reading.grid.shape, target)
        self._steps: list[_Centred] = []
        for operator in reversed(operators):
            rows = operator.to(target=target)
            target = rows.reach()
            self._steps.insert(0, _Centred(rows.to(source=target), single=is_single(series)))
        self._source: Box = target
        self._dtype: np.dtype[Any] | None = None

    def __call__(self, block: Array) -> Array:
        """Give the voxels (n, V) of the support of a block (n, V_all)."""
        boxes = cut(block, self._shape, self._source)
        is_whole = boxes.dtype.kind != "f" or bool(np.isfinite(boxes).all())
        if self._moves and not is_whole:  # between missing values there is nothing to interpolate
            return self._one_by_one(block)

        def moved(row: int) -> FloatArray:
            values = self._series.scale(boxes[row].reshape(1, -1))
            return self._moved(values if is_whole else np.where(np.isfinite(values), values, 0))

        if self._dtype is None:
            self._dtype = moved(0).dtype  # the first volume, which all threads refer to
        voxels = np.empty((len(block), self._places.size), dtype=self._dtype)

        def fill(row: int) -> None:
            np.take(moved(row)[0], self._places, out=voxels[row])

        on_threads(fill, len(block))
        return voxels

    def _moved(self, values: Array) -> FloatArray:
        first, *others = self._steps
        values = first(values)
        if self._clip_to is not None:
            np.clip(values, *self._clip_to, out=values)
        for step in others:
            values = step(values)
        return values


class _Centred:
    """Applies an operator; in single precision, only to what differs from the first volume."""

    def __init__(self, operator: AxisMatrices, *, single: bool) -> None:
        self._operator = operator.astype(np.float32) if single else operator
        self._double = operator
        self._single = single
        self._first: FloatArray | None = None
        self._first_mapped: FloatArray = np.empty((1, 0))

    def __call__(self, volumes: Array) -> FloatArray:
        if not self._single:
            return self._operator(volumes.astype(np.float64, copy=False))
        if self._first is None:
            self._first = volumes[:1].astype(np.float32)
            mapped = self._double(self._first.astype(np.float64))
            self._first_mapped = mapped.astype(np.float32)
        mapped = self._operator(np.subtract(volumes, self._first, dtype=np.float32))
        mapped += self._first_mapped
        return mapped


class _VolumeByVolume:
    """Moves and smooths volumes one by one; gives the voxels of the support.

    For operators that do not work along each axis by itself, and for missing values.
    """

    def __init__(self, series: Volumes, reading: Reading, range_of_run: Range) -> None:
        self._series = series
        self._reading = reading
        self._clip_to = range_of_run() if series.grid != reading.grid else None

    def __call__(self, block: Array) -> FloatArray:
        """Give the voxels (n, V) of the support of a block (n, V_all)."""
        support = self._reading.projection.support
        voxels = np.empty((len(block), support.size))

        def fill(row: int) -> None:
            volume = self._series.scale(block[row]).reshape(self._series.grid.shape, order="F")
            voxels[row] = self._moved(volume).ravel(order="F")[support]

        on_threads(fill, len(block))
        return voxels

    def _moved(self, volume: Array) -> FloatArray:
        source, target = self._series.grid, self._reading.grid
        if source != target:
            volume = resample_continuous(
                volume, source.affine, target.shape, target.affine, clip_to=self._clip_to
            )
        if self._reading.smooths:  # in double precision whatever the type: it costs no more
            fwhm = self._reading.smoothing_fwhm
            volume = smooth_volume(volume.astype(np.float64), target.affine, fwhm)
        return volume
