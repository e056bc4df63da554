"""What a run gave, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.columns.regions import PlacedLabels
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.strategies import Strategy
from bidsmask.images.grid import Grid
from bidsmask.numerics.cleaning import DegreesOfFreedom

CensorOutput = Literal["na", "drop", "interpolate"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StrategyResult:
    """How one strategy cleaned the run.

    Parameters
    ----------
    strategy : Strategy
        With its effective settings.
    confounds : Confounds
        The design and the outliers it chose.
    ledger : DegreesOfFreedom
    sample_mask : bool array of shape (T,)
        True for the volumes that came out of cleaning.
    """

    strategy: Strategy
    confounds: Confounds
    ledger: DegreesOfFreedom
    sample_mask: BoolArray


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionSignals:
    """The regions of one atlas after cleaning with one strategy.

    Parameters
    ----------
    signals : float32 array of shape (T, P), or (T_kept, P) where censored volumes are dropped
        NaN is written as ``n/a``: regions without a signal, and censored volumes.
    matrices : tuple of (name of the measure, array of shape (P, P))
        On the kept volumes.
    """

    signals: FloatArray
    matrices: tuple[tuple[str, FloatArray], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class AtlasResult:
    """One atlas on the run.

    Parameters
    ----------
    atlas : Atlas
    placed : PlacedLabels
        The atlas on the run's grid.
    coverage : DataFrame
        One row per region, as `bidsmask.columns.regions.coverage_table` makes it.
    by_strategy : tuple of RegionSignals
        In the order of the run's strategies.
    """

    atlas: Atlas
    placed: PlacedLabels
    coverage: pd.DataFrame
    by_strategy: tuple[RegionSignals, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """All that is written of one run.

    Parameters
    ----------
    run : BoldRun
    t_r : float
        Repetition time in seconds.
    grid : Grid
        Of the BOLD image.
    statistic : str
        What was taken over the voxels of a region, as in file names.
    smoothing_fwhm_mm : float
        Full width at half maximum of the Gaussian that volumes were smoothed by; 0: they were not.
    min_coverage : float
        Regions with less than this share of their voxels in the mask have no signal.
    censor_output : {"na", "drop", "interpolate"}
        What the rows of censored volumes hold.
    strategies : tuple of StrategyResult
    atlases : tuple of AtlasResult
    quality : mapping from name to number
        Of the run before cleaning; each name is one of `QUALITY_COLUMNS`.
    version : str
        Of bidsmask.
    warnings : tuple of str
        What is odd about the run.
    """

    run: BoldRun
    t_r: float
    grid: Grid
    statistic: str
    smoothing_fwhm_mm: float
    min_coverage: float
    censor_output: CensorOutput
    strategies: tuple[StrategyResult, ...]
    atlases: tuple[AtlasResult, ...]
    quality: Mapping[str, float]
    version: str
    warnings: tuple[str, ...] = ()
