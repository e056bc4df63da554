"""Measures of every voxel, and their means over regions: ALFF, fALFF and ReHo.

All are of residuals that no filter has touched and that are not standardised: what a strategy
regresses is regressed, mean and line are taken out, and that is all. A filter that is part of a
strategy is left away, as its band is what ALFF asks for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
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
from bidsmask.numerics.reho import (
    LEAST_NEIGHBOURS,
    NEIGHBOURHOOD,
    Around,
    centred_ranks,
    reho,
)
from bidsmask.numerics.threads import in_order
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
"""By the names of `bidsmask.vocabulary.REGIONAL_MEASURES`, of voxels."""

REGIONAL_ON_SURFACES: Mapping[str, RegionalMeasure] = MappingProxyType(
    {
        **REGIONAL,
        "reho": RegionalMeasure(
            description="regional homogeneity (ReHo), Kendall's W (with mid-ranks and the "
            "correction for ties) of a vertex and those beside it on the mesh that have a signal, "
            f"or of a voxel and those of the {NEIGHBOURHOOD} around it in its structure; n/a "
            "where no more than half of them have one, itself included",
            units="1",
            doi="10.1016/j.neuroimage.2012.10.017",
        ),
    }
)
"""The same, of vertices and of the voxels beside them."""


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
    around: Around | None,
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
    around : Neighbourhoods or LinkedNeighbourhoods, optional
        Of the voxels, for ReHo.
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
    n_voxels, n_kept = covered.size, cleaner.n_kept
    spectrum = None
    if "alff" in measures or "falff" in measures:
        spectrum = AmplitudeSpectrum(t_r=t_r, sample_mask=cleaner.sample_mask)
    found = _Found(
        amplitudes=np.full((2, n_voxels), np.nan),
        ties=np.empty(n_voxels),
        spectrum=spectrum,
        is_ranked="reho" in measures,
    )
    waiting = passing_signals(scratch / "ranks.npy", (n_kept, n_voxels))
    with waiting if found.is_ranked else nullcontext() as all_ranks:
        for columns in column_chunks(n_voxels, voxels.shape[0]):
            some = np.array(voxels[:, columns])
            some[:, ~covered[columns]] = np.nan
            ranks = np.empty((n_kept, some.shape[1]), dtype=np.float32)
            for place, residuals in cleaner.blocks(some):
                found.measure(residuals, columns.start + place.start, ranks[:, place])
            if all_ranks is not None:
                all_ranks[:, columns] = ranks
        maps = dict(zip(("alff", "falff"), found.amplitudes, strict=True))
        if all_ranks is not None:
            assert around is not None, "ReHo takes neighbours"
            maps["reho"] = reho(all_ranks, found.ties, around)
    return {name: maps[name] for name in measures}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """What has been found of the voxels so far.

    Parameters
    ----------
    amplitudes : array of shape (2, V)
        ALFF and fALFF.
    ties : array of shape (V,)
        Of ranks, see `centred_ranks`.
    spectrum : AmplitudeSpectrum or None
        None: there is to be no ALFF.
    is_ranked : bool
    """

    amplitudes: FloatArray
    ties: FloatArray
    spectrum: AmplitudeSpectrum | None
    is_ranked: bool

    def measure(self, residuals: FloatArray, first: int, ranks: FloatArray) -> None:
        """Measure some voxels (T_kept, n), of which one is the first; fill in their ranks."""
        width = max(1, _VALUES_NEARBY // len(residuals))

        def measure(start: int) -> None:
            here = slice(start, start + width)
            some = residuals[:, here]
            place = slice(first + start, first + start + some.shape[1])
            if self.spectrum is not None:
                self.amplitudes[:, place] = alff(some, self.spectrum)
            if self.is_ranked:
                ranks[:, here], self.ties[place] = centred_ranks(some)

        deque(in_order(measure, range(0, residuals.shape[1], width)), maxlen=0)


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
    table = coverage.table(source.lut.names, source.lut.ids, columns.centroids(measured))
    return table.iloc[:, :5], means


def mean_of(source: Source, settings: ExtractionSettings) -> str:
    """Say how projections call the mean over the columns of a source."""
    kind = kind_of(source)
    label, *_ = kind.statistics(replace(settings, statistics=("mean",)))
    return kind.engine[label]
