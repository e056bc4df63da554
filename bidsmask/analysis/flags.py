"""Volumes that the data flag, beside those that the confounds table flags.

Confounds are read before a run is; what its voxels say of its volumes joins them afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bidsmask.analysis.parts import attempt
from bidsmask.analysis.store import ExtractedRun
from bidsmask.dataset.confounds import DVARS_PERCENT, LEVERAGE, Confounds, with_flags
from bidsmask.dataset.strategies import Strategy
from bidsmask.numerics.censoring import flag_above
from bidsmask.numerics.leverage import dvars_percent, flag_leverage, leverage
from bidsmask.reports.summaries import LostPart


def flag_run(
    extracted: ExtractedRun,
    confounds: Sequence[Confounds | LostPart],
    strategies: Sequence[Strategy],
    *,
    t_r: float,
) -> list[Confounds | LostPart]:
    """Add what the data flag to the confounds of each strategy that asks for it."""
    return [
        loaded
        if isinstance(loaded, LostPart)
        else attempt("strategy", each.name, partial(_flag, extracted, loaded, each, t_r))
        for loaded, each in zip(confounds, strategies, strict=True)
    ]


def _flag(
    extracted: ExtractedRun, confounds: Confounds, strategy: Strategy, t_r: float
) -> Confounds:
    limits, found = strategy.censoring, {}
    if limits.dvars_percent_threshold is not None:
        percent = dvars_percent(extracted.dvars, extracted.std[extracted.measured])
        found[DVARS_PERCENT] = flag_above(percent, limits.dvars_percent_threshold)
    if limits.leverage_threshold is not None:
        steady = ~dict(confounds.outliers)["non_steady_state"]
        values = leverage(extracted.carpet, t_r, steady)
        found[LEVERAGE] = flag_leverage(values, limits.leverage_threshold)
    return with_flags(confounds, limits, found) if found else confounds
