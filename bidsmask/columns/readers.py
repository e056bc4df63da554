"""Ways from the volumes of a run to columns, of which the cheapest is taken.

A *reading* says which columns are wanted: a projection, the grid that it lies on, and how volumes
are smoothed on that grid. A *reader* takes block after block of the run and keeps the columns:

- as they are, where volumes are neither moved nor smoothed;
- through weights into which smoothing or moving is folded (see `numerics.projections.folding`);
- through moved and smoothed volumes, of which only the box around the wanted voxels is computed.

All give the same numbers, to 1e-6 of a column's standard deviation in double precision. Runs
whose values have no more than single precision (float32, integers of 16 bits) are moved and
smoothed in single precision, relative to their first volume; what is neither moved nor smoothed is
read in double precision.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from bidsmask._typing import Array, IntArray
from bidsmask.images.blocks import taken
from bidsmask.images.request import Reading, Volumes, is_single
from bidsmask.images.resampled import ByAxes, RangeOfRun, VolumeByVolume, operators_of
from bidsmask.images.value_range import value_range
from bidsmask.numerics.projections.folding import Products, Weights, n_folded
from bidsmask.numerics.projections.maps import MapProjection
from bidsmask.numerics.projections.regions import (
    OfOneSelection,
    RegionMeans,
    RegionStatistic,
    VoxelSelection,
)
from bidsmask.numerics.separable import AxisMatrices, boxed
from bidsmask.numerics.threads import one_thread_of_blas

VOLUMES_AT_ONCE = 16
"""Products, and statistics of regions, are far faster on some volumes than on one."""

VOLUMES_OF_MAPS = 64
"""Maps with a weight for each voxel are so large that reading them takes longer than products."""

SECONDS_PER_PRODUCT = 2.5e-11
"""Of dense matrices, in single precision."""

SECONDS_PER_WEIGHT = 1e-9
"""Of folded weights, for each volume, getting at the voxels included."""

FEW_VOLUMES = 8
"""To move so many takes no longer than to find out whether folding is cheaper."""

SECONDS_TO_FOLD_WEIGHT, SECONDS_TO_FOLD_COLUMN = 1e-7, 2e-4


class Reader:
    """Takes the blocks of a run, one after the other, and keeps columns.

    Parameters
    ----------
    series : Volumes
    reading : Reading
    volumes_at_once : int, optional
        Columns are made of so many volumes at once, however the run is cut into blocks; by
        default of those of a block, where it makes no difference.
    """

    def __init__(
        self, series: Volumes, reading: Reading, volumes_at_once: int | None = None
    ) -> None:
        self._series = series
        self._projection = reading.projection
        self._at_once = volumes_at_once
        shape, dtype = (series.n_volumes, reading.projection.n_columns), reading.dtype
        if self._needs_all_volumes:
            shape = series.n_volumes, reading.projection.support.size
            dtype = self._dtype_of_voxels
        self._kept = np.empty(shape, dtype=dtype) if reading.out is None else reading.out
        self._watch = reading.watch
        self._n_kept = 0
        self._waiting: list[Array] = []

    def read(self, block: Array) -> None:
        """Take the next block (n, Z, Y, X), as it is stored."""
        self._waiting.append(self._voxels(block))
        while sum(map(len, self._waiting)) >= (self._at_once or 1):
            self._keep()

    def unsettled(self) -> IntArray:
        """Volumes, counted from 0, that have to be read again, once all have been."""
        return np.zeros(0, dtype=np.intp)

    def read_again(self, volumes: slice, block: Array) -> None:
        """Take those volumes of a block that were unsettled."""
        raise NotImplementedError

    def signals(self) -> Array:
        """Columns (T, P), once all blocks have been read."""
        while self._waiting:
            self._keep()
        return self._projection.project(self._kept) if self._needs_all_volumes else self._kept

    def _voxels(self, block: Array) -> Array:
        """Take what is needed (n, V) out of a block; new memory."""
        raise NotImplementedError

    def _columns(self, voxels: Array) -> Array:
        """Columns (n, P) of volumes whose voxels (n, V) are at hand."""
        as_they_are = isinstance(self._projection, VoxelSelection) or self._needs_all_volumes
        return voxels if as_they_are else self._projection.project(voxels)

    def _keep(self) -> None:
        """Keep the columns of as many volumes as are wanted at once, or of what is left."""
        alone = len(self._waiting) == 1
        voxels = self._waiting[0] if alone else np.concatenate(self._waiting)
        n_volumes = min(self._at_once or len(voxels), len(voxels))
        self._kept[self._n_kept : self._n_kept + n_volumes] = self._columns(voxels[:n_volumes])
        self._n_kept += n_volumes
        self._waiting = [voxels[n_volumes:]] if n_volumes < len(voxels) else []

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
        voxels = taken(block, self._projection.support)
        if self._watch is not None:
            self._watch(voxels)
        return self._series.scale(voxels)


class MovedReader(Reader):
    """Reads volumes that are moved to another grid, smoothed, or both."""

    def __init__(
        self,
        series: Volumes,
        reading: Reading,
        move: ByAxes | VolumeByVolume,
        volumes_at_once: int | None = None,
    ) -> None:
        super().__init__(series, reading, volumes_at_once)
        self._move = move

    def unsettled(self) -> IntArray:
        """Volumes, counted from 0, that have to be read again, once all have been."""
        return self._move.unsettled()

    def read_again(self, volumes: slice, block: Array) -> None:
        """Take those volumes of a block that were unsettled."""
        while self._waiting:
            self._keep()
        numbers = self.unsettled()
        numbers = numbers[(numbers >= volumes.start) & (numbers < volumes.stop)]
        if numbers.size:
            voxels = self._move.again(block[numbers - volumes.start])
            self._kept[numbers] = self._columns(voxels)

    def _voxels(self, block: Array) -> Array:
        return self._move(block)

    @property
    def _dtype_of_voxels(self) -> np.dtype[Any]:
        return np.result_type(self._series.dtype, np.float32)


class WeightsReader(Reader):
    """Reads weighted sums, of volumes as they are or with smoothing in the weights."""

    def __init__(
        self,
        series: Volumes,
        reading: Reading,
        projection: RegionMeans | MapProjection,
        weights: Weights,
        *,
        single: bool,
    ) -> None:
        dense = isinstance(projection, MapProjection)
        super().__init__(series, reading, VOLUMES_OF_MAPS if dense else VOLUMES_AT_ONCE)
        self._linear = projection
        self._smooths = reading.smooths
        self._support = weights.support
        self._products = Products(weights, single=single)

    def _voxels(self, block: Array) -> Array:
        return self._series.scale(taken(block, self._support))

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
        Gone through once where the range of its values has to be known beforehand.
    readings : sequence of Reading

    Returns
    -------
    readers : list of Reader
    """
    range_of_run = cache(partial(value_range, series))
    return [_reader_of(series, reading, range_of_run) for reading in readings]


def _reader_of(series: Volumes, reading: Reading, range_of_run: RangeOfRun) -> Reader:
    projection = reading.projection
    in_regions = isinstance(projection, RegionStatistic | OfOneSelection)
    at_once = VOLUMES_AT_ONCE if in_regions else None
    if series.grid == reading.grid and not reading.smooths:
        if isinstance(projection, MapProjection):
            weights = projection.weights()  # a joint fit amplifies what single precision loses
            return WeightsReader(series, reading, projection, weights, single=False)
        return PlainReader(series, reading, at_once)
    operators = operators_of(series, reading)
    if operators is None:
        one_by_one = VolumeByVolume(series, reading, range_of_run)
        return MovedReader(series, reading, one_by_one, at_once)
    folded = _folded(series, reading, operators, range_of_run)
    if folded is not None:
        return WeightsReader(series, reading, *folded, single=is_single(series))
    by_axes = ByAxes(series, reading, operators, range_of_run)
    return MovedReader(series, reading, by_axes, at_once)


def _folded(
    series: Volumes, reading: Reading, operators: list[AxisMatrices], range_of_run: RangeOfRun
) -> tuple[RegionMeans | MapProjection, Weights] | None:
    """Give weights into which the operator is folded; None if there is a cheaper way, or no way.

    Moved volumes are clipped to the range of the run, which is not linear: folding is a way only
    where that would change nothing.
    """
    projection, operator, single = reading.projection, operators[0], is_single(series)
    if len(operators) > 1 or not isinstance(projection, RegionMeans | MapProjection):
        return None
    if series.n_volumes <= FEW_VOLUMES:
        return None
    if not _folding_is_cheaper(series.n_volumes, projection, operator, single=single):
        return None
    moves = series.grid != reading.grid
    if moves and not range_of_run().holds(operator, projection.support):
        return None
    return projection, projection.weights(operator, single=single)


def _folding_is_cheaper(
    n_volumes: int,
    projection: RegionMeans | MapProjection,
    operator: AxisMatrices,
    *,
    single: bool,
) -> bool:
    """Compare how long the two ways take; in double precision both take twice as long."""
    target, _ = boxed(projection.support, operator.target_shape)
    rows = operator.to(target=target)
    moved = rows.to(source=rows.reach())
    if isinstance(projection, MapProjection):
        n_weights = projection.n_folded(operator)
        share = n_weights / int(np.prod(moved.source_shape))
        to_fold = share * moved.n_products * SECONDS_PER_PRODUCT
        each = n_weights * SECONDS_PER_PRODUCT
    else:
        n_weights = n_folded(projection.regions, operator, single=single)
        to_fold = (
            n_weights * SECONDS_TO_FOLD_WEIGHT + projection.n_columns * SECONDS_TO_FOLD_COLUMN
        )
        each = n_weights * SECONDS_PER_WEIGHT
    return to_fold + n_volumes * each < n_volumes * moved.n_products * SECONDS_PER_PRODUCT


def read_all(
    series: Volumes, readers: Sequence[Reader], see: Callable[[slice, Array], None]
) -> None:
    """Go through a run, and hand every block to all that want something of it.

    Once as a rule; a second time if volumes were moved and overshot what was known of the range
    of the run by then.

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
        unsettled = [reader for reader in readers if reader.unsettled().size]
        if unsettled:
            for volumes, block in series.blocks():
                for reader in unsettled:
                    reader.read_again(volumes, block)
