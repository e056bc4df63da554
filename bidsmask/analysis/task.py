"""What the events of a run say of its regions: means of conditions, and an amplitude per trial.

Means are over volumes of the cleaned signals. Amplitudes are of signals that were cleaned in the
same way but not standardised: so are the responses to the trials, and both are compared
(`bidsmask.numerics.trials`). Censored volumes are in none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.analysis.steps import cleaner_of
from bidsmask.analysis.store import CleanedRun, Coverage, ExtractedRun
from bidsmask.analysis.task_results import TaskResults
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.events import Events, read_events, slice_time_s
from bidsmask.dataset.strategies import Strategy
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.hemodynamics import event_responses, sample_times, volumes_of
from bidsmask.numerics.trials import ESTIMABLE, lsa_weights, lss_weights
from bidsmask.reports.summaries import LostPart
from bidsmask.settings import CleaningSettings, EventsSettings
from bidsmask.vocabulary import BetaSeries


@dataclass(frozen=True, kw_only=True, eq=False)
class TimedEvents:
    """The events of a run, and when its volumes were sampled.

    Parameters
    ----------
    events : Events
    times_s : array of shape (T,)
    t_r : float
        Repetition time in seconds.
    """

    events: Events
    times_s: FloatArray
    t_r: float

    @classmethod
    def read(
        cls, file: Path, metadata: Sequence[tuple[str, object]], *, t_r: float, n_volumes: int
    ) -> Self:
        """Read the table of events of a run with these sidecars."""
        return cls(
            events=read_events(file, run_end_s=n_volumes * t_r),
            times_s=sample_times(n_volumes, t_r, slice_time_s(metadata, t_r)),
            t_r=t_r,
        )


def condition_volumes(timed: TimedEvents, settings: EventsSettings) -> BoolArray:
    """Tell which volumes each condition fills, some time later: (K, T)."""
    events = timed.events
    filled = [
        volumes_of(
            events.onsets_s[own],
            events.durations_s[own],
            timed.times_s,
            t_r=timed.t_r,
            delay_s=settings.delay_s,
        )
        for own in map(events.of, events.conditions)
    ]
    return np.array(filled, dtype=bool)


def condition_means(signals: FloatArray, filled: BoolArray) -> FloatArray:
    """Mean of kept volumes (T_kept, P) over those of each condition (K, T_kept): (K, P).

    Examples
    --------
    >>> condition_means(np.array([[1.0], [2.0], [6.0]]), np.array([[1, 0, 1], [0, 0, 0]], bool))
    array([[3.5],
           [nan]])
    """
    counts = filled.sum(axis=1, keepdims=True)
    weights = np.divide(filled, counts, where=counts > 0, out=np.full(filled.shape, np.nan))
    means: FloatArray = weights @ signals
    return means


def trial_weights(timed: TimedEvents, cleaner: Cleaner, method: BetaSeries) -> FloatArray:
    """Weights (E, T_kept) that give, times cleaned signals, the amplitude of each trial.

    Responses are cleaned as the signals are. What the cleaning leaves nothing of has no amplitude.
    """
    events = timed.events
    responses = event_responses(events.onsets_s, events.durations_s, timed.times_s)
    cleaned = cleaner.residuals(responses)
    whole = np.linalg.norm(responses[cleaner.sample_mask], axis=0)
    cleaned[:, np.linalg.norm(cleaned, axis=0) <= ESTIMABLE * whole] = 0
    if method == "lsa":
        return lsa_weights(cleaned)
    _, conditions = np.unique(events.trial_types, return_inverse=True)
    return lss_weights(cleaned, conditions)


def summarise_events(
    extracted: ExtractedRun,
    coverage: Sequence[Coverage],
    confounds: Sequence[Confounds | LostPart],
    cleaned: Sequence[CleanedRun | LostPart],
    strategies: Sequence[Strategy],
    cleaning: CleaningSettings,
    settings: EventsSettings,
    timed: TimedEvents,
) -> list[TaskResults | LostPart]:
    """Compute what is asked of the events of a run, of the first statistic of each atlas.

    One result for each strategy; for one that could not be carried out, why.
    """
    raw = [
        np.where(table.usable, of_atlas[0], np.nan)
        for of_atlas, table in zip(extracted.signals, coverage, strict=True)
    ]
    results: list[TaskResults | LostPart] = []
    for loaded, done, strategy in zip(confounds, cleaned, strategies, strict=True):
        if isinstance(loaded, LostPart):
            results.append(loaded)
        elif isinstance(done, LostPart):
            results.append(done)
        else:
            cleaner = cleaner_of(loaded, strategy, cleaning, t_r=timed.t_r)
            signals = [of_atlas[0] for of_atlas in done.signals]
            results.append(_results(timed, cleaner, raw, signals, settings))
    return results


def _results(
    timed: TimedEvents,
    cleaner: Cleaner,
    raw: Sequence[FloatArray],
    cleaned: Sequence[FloatArray],
    settings: EventsSettings,
) -> TaskResults:
    filled = condition_volumes(timed, settings)[:, cleaner.sample_mask]
    means: tuple[FloatArray, ...] = ()
    amplitudes: tuple[FloatArray, ...] = ()
    if settings.condition_means:
        means = tuple(condition_means(signals, filled) for signals in cleaned)
    if settings.beta_series is not None:
        weights = trial_weights(timed, cleaner, settings.beta_series)
        amplitudes = tuple(weights @ cleaner.residuals(signals) for signals in raw)
    return TaskResults(
        conditions=timed.events.conditions,
        n_volumes=filled.sum(axis=1),
        means=means,
        amplitudes=amplitudes,
    )
