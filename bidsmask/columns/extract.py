"""Everything that is wanted of a run, in one pass over its volumes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.readers import Reader, read_all, readers_of
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.blocks import taken
from bidsmask.images.compression import COPY_AGAIN
from bidsmask.images.request import Reading
from bidsmask.images.stream import BoldStream
from bidsmask.numerics.projections.regions import (
    OfOneSelection,
    Projection,
    RegionMeans,
    RegionStatistic,
)
from bidsmask.numerics.quality import VolumeStatistics

_REGIONS = (RegionMeans, RegionStatistic, OfOneSelection)


@dataclass(frozen=True, kw_only=True, eq=False)
class Extraction:
    """What one pass over a run gives.

    Parameters
    ----------
    signals : arrays of shape (T, P)
        One for each projection, scaled. NaN where a region has no finite value. A region (on the
        grid of the run) in which nothing was measured, because no voxel is finite and changes,
        gets no signal from its neighbours by smoothing: it is what it is without.
    statistics : VolumeStatistics
        Of the voxels of the mask, flat with x running fastest.
    n_nonfinite_voxels : int
        Voxels of the mask that are NaN or infinite in at least one volume.
    """

    signals: tuple[Array, ...]
    statistics: VolumeStatistics
    n_nonfinite_voxels: int


def extract(
    stream: BoldStream, wanted: Sequence[Projection | Reading], *, mask: BoolArray
) -> Extraction:
    """Read all columns that are wanted off a run in one pass, and gather its statistics.

    Parameters
    ----------
    stream : BoldStream
        Read once, from the first volume to the last byte.
    wanted : sequence of Projection or Reading
        A projection is one on the grid of the run, of which nothing is smoothed; a reading says
        more. How many there are, and which, changes no number of the others.
    mask : bool array of shape (X, Y, Z)
        Voxels that the statistics are about.

    Returns
    -------
    extraction : Extraction

    Raises
    ------
    SpaceError
        If the mask has another shape than the volumes.
    ImageError
        If the file is damaged, a volume has no finite value inside the mask, nothing inside the
        mask ever changes, or values are too large to compute with.
    """
    if mask.shape != stream.grid.shape:
        raise SpaceError(
            f"The mask has {mask.shape} voxels, and a volume of {stream.path} {stream.grid.shape}."
        )
    inside = np.flatnonzero(mask.ravel(order="F"))
    statistics = VolumeStatistics()
    nonfinite = np.zeros(inside.size, dtype=bool)
    readings = [_as_reading(stream, each) for each in wanted]
    readers = readers_of(stream, readings)

    def see(volumes: slice, block: Array) -> None:
        voxels = taken(block, inside)
        with np.errstate(over="ignore", invalid="ignore"):  # seen to below: infinite DVARS
            statistics.update(stream.scale(voxels))
        _refuse_empty_volume(stream, statistics, inside.size)
        if statistics.n_nonfinite[volumes].any():
            nonfinite[~np.isfinite(voxels).all(axis=0)] = True

    read_all(stream, readers, see)
    _refuse_impossible_run(stream, statistics)
    measured = np.zeros(stream.grid.n_voxels, dtype=bool)
    measured[inside] = ((statistics.std > 0) | (stream.n_volumes == 1)) & ~nonfinite
    still = np.full(stream.grid.n_voxels, np.nan)
    still[inside] = np.where(nonfinite, np.nan, statistics.mean)

    def signals_of(reader: Reader, reading: Reading) -> Array:
        signals, projection = reader.signals(), reading.projection
        if reading.smooths and reading.grid == stream.grid and isinstance(projection, _REGIONS):
            _take_leaks_away(signals, projection.regions, measured, still)
        return signals

    return Extraction(
        signals=tuple(map(signals_of, readers, readings)),
        statistics=statistics,
        n_nonfinite_voxels=int(np.count_nonzero(nonfinite)),
    )


def _as_reading(stream: BoldStream, wanted: Projection | Reading) -> Reading:
    if isinstance(wanted, Reading):
        return wanted
    return Reading(projection=wanted, grid=stream.grid)


def _take_leaks_away(
    signals: Array, regions: Sequence[IntArray], measured: BoolArray, still: FloatArray
) -> None:
    """Take from regions without a measured voxel what smoothing has brought from elsewhere."""
    for column, region in enumerate(regions):
        if not measured[region].any():
            known = still[region][np.isfinite(still[region])]
            signals[:, column] = known.mean() if known.size else np.nan


def _refuse_empty_volume(stream: BoldStream, statistics: VolumeStatistics, n_voxels: int) -> None:
    empty = np.flatnonzero(statistics.n_nonfinite == n_voxels)
    if empty.size:
        raise ImageError(
            f"{stream.path}: volume {empty[0]} (counted from 0) has no finite value in the brain "
            "mask. Make the run again, or leave it out."
        )


def _refuse_impossible_run(stream: BoldStream, statistics: VolumeStatistics) -> None:
    if np.isinf(statistics.dvars).any():
        raise ImageError(f"{stream.path}: values are too large to compute with.")
    if stream.n_volumes > 1 and not (statistics.std > 0).any():
        raise ImageError(
            f"{stream.path}: no voxel in the brain mask ever changes; the image is empty. "
            f"{COPY_AGAIN}"
        )
