"""Measures of every voxel, and their means over regions: ALFF, fALFF and ReHo.

All are of residuals that no filter has touched and that are not standardised: what a strategy
regresses is regressed, mean and line are taken out, and that is all. A filter that is part of a
strategy is left away, as its band is what ALFF asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.voxelwise import column_chunks
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import coverage_of
from bidsmask.dataset.strategies import Strategy
from bidsmask.images.signals_on_disk import Signals, passing_signals
from bidsmask.numerics.alff import ALFF_BAND_HZ, AmplitudeSpectrum, alff
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.reho import LEAST_NEIGHBOURS, NEIGHBOURHOOD, centred_ranks, reho
from bidsmask.settings import ExtractionSettings

_VALUES_NEARBY = 50_000
"""So many are sorted and transformed at a time: all that is made of them fits a cache."""


@dataclass(frozen=True, kw_only=True)
class RegionalMeasure:
    """What a measure of every voxel is.

    Parameters
    ----------
    description : str
        Begins as within a sentence.
    units : str
    doi : str
    """

    description: str
    units: str
    doi: str


_BAND = f"{ALFF_BAND_HZ[0]:g} to {ALFF_BAND_HZ[1]:g} Hz"

REGIONAL: Mapping[str, RegionalMeasure] = MappingProxyType(
    {
        "alff": RegionalMeasure(
            description="amplitude of low-frequency fluctuations (ALFF), the mean amplitude of "
            f"the frequencies from {_BAND}",
            units="arbitrary",
            doi="10.1016/j.braindev.2006.07.002",
        ),
        "falff": RegionalMeasure(
            description="fractional ALFF, the sum of the amplitudes of the frequencies from "
            f"{_BAND} divided by that of all frequencies above 0",
            units="1",
            doi="10.1016/j.jneumeth.2008.04.012",
        ),
        "reho": RegionalMeasure(
            description="regional homogeneity (ReHo), Kendall's W (with mid-ranks and the "
            f"correction for ties) of a voxel and those of the {NEIGHBOURHOOD} around it that "
            f"have a signal; n/a where fewer than {LEAST_NEIGHBOURS} have one, itself included",
            units="1",
            doi="10.1016/j.neuroimage.2003.12.030",
        ),
    }
)
"""By the names of `bidsmask.vocabulary.REGIONAL_MEASURES`."""


def unfiltered(strategy: Strategy) -> Strategy:
    """Give a strategy that regresses and leaves out the same, and neither filters nor scales."""
    return strategy.with_overrides(detrend=True, filter="none", standardize="none")


def regional_maps(
    voxels: Signals,
    cleaner: Cleaner,
    measures: Sequence[str],
    *,
    t_r: float,
    covered: BoolArray,
    mask: BoolArray,
    scratch: Path,
) -> dict[str, FloatArray]:
    """Measure every voxel of a run.

    Parameters
    ----------
    voxels : array or SignalsOnDisk of shape (T, V)
        Not changed.
    cleaner : Cleaner
        Of an `unfiltered` strategy.
    measures : sequence of str
        Keys of `REGIONAL`.
    t_r : float
        Repetition time in seconds.
    covered : bool array of shape (V,)
        Voxels that have a signal; the others have no value.
    mask : bool array of shape (X, Y, Z)
        Voxels that the signals belong to, flat with x running fastest.
    scratch : Path
        Folder where ranks may wait while they are made.

    Returns
    -------
    maps : dict from measure to float64 array of shape (V,)
        NaN where there is no value.

    Raises
    ------
    RunError
        If the run does not have the frequencies of ALFF.
    """
    n_voxels = covered.size
    shape = cleaner.n_kept, n_voxels
    wants_ranks = "reho" in measures
    amplitudes, ties = np.full((2, n_voxels), np.nan), np.empty(n_voxels)
    spectrum = None
    if "alff" in measures or "falff" in measures:
        spectrum = AmplitudeSpectrum(t_r=t_r, sample_mask=cleaner.sample_mask)
    waiting = passing_signals(scratch / "ranks.npy", shape) if wants_ranks else nullcontext()
    with waiting as all_ranks:
        for columns in column_chunks(n_voxels, voxels.shape[0]):
            ranks = np.empty((shape[0], columns.stop - columns.start), dtype=np.float32)
            for some, residuals in _residuals(voxels, cleaner, columns, covered):
                place = slice(columns.start + some.start, columns.start + some.stop)
                if spectrum is not None:
                    amplitudes[:, place] = alff(residuals, spectrum)
                if wants_ranks:
                    ranks[:, some], ties[place] = centred_ranks(residuals)
            if all_ranks is not None:
                all_ranks[:, columns] = ranks
        maps = dict(zip(("alff", "falff"), amplitudes, strict=True))
        if all_ranks is not None:
            maps["reho"] = reho(all_ranks, ties, mask)
    return {name: maps[name] for name in measures}


def _residuals(
    voxels: Signals, cleaner: Cleaner, columns: slice, covered: BoolArray
) -> Iterator[tuple[slice, FloatArray]]:
    """Clean some voxels, and give few of them at a time, and which of the columns they are."""
    some = np.array(voxels[:, columns])
    some[:, ~covered[columns]] = np.nan
    for block_columns, block in cleaner.blocks(some):
        n_columns = block.shape[1]
        width = max(1, _VALUES_NEARBY // len(block))
        for start in range(0, n_columns, width):
            stop = min(start + width, n_columns)
            first = block_columns.start
            yield slice(first + start, first + stop), block[:, start:stop]


def region_means(
    values: FloatArray,
    columns: Columns,
    source: Source,
    settings: ExtractionSettings,
    *,
    mask: BoolArray,
    min_coverage: float,
) -> tuple[pd.DataFrame, FloatArray]:
    """Take the means of a map over the columns of a source.

    Parameters
    ----------
    values : array of shape (V,)
        Of the voxels of the mask; NaN where there is none.
    columns : Columns
        Of the source, on the grid of the run.
    source : Source
    settings : ExtractionSettings
        Of maps, what signals are made by (least squares or weighted means) makes these, too.
    mask : bool array of shape (X, Y, Z)
    min_coverage : float

    Returns
    -------
    coverage : DataFrame of P rows
        Node, index, n_voxels, n_covered and coverage: covered are voxels with a value.
    means : float64 array of shape (P,)
        NaN where less than `min_coverage` is covered, or nothing.
    """
    whole = np.full(mask.size, np.nan)
    whole[np.flatnonzero(mask.ravel(order="F"))] = values
    measured = np.isfinite(whole)
    coverage = coverage_of(columns, measured, min_coverage=min_coverage)
    means = np.full(columns.n_columns, np.nan)
    for part in columns.parts(measured, coverage.usable, mean_of(source, settings)):
        (of_part,) = part.projection.project(whole[np.newaxis, part.projection.support])
        means[part.rows] = of_part if part.take is None else of_part[part.take]
    return coverage.table(source.lut.names, source.lut.ids).iloc[:, :5], means


def mean_of(source: Source, settings: ExtractionSettings) -> str:
    """Say how projections call the mean over the columns of a source."""
    kind = kind_of(source)
    label, *_ = kind.statistics(replace(settings, statistics=("mean",)))
    return kind.engine[label]
