"""Responses to the events of a run as columns of its design.

What a task evokes is shared by regions and looks like connectivity. Regressed with the confounds,
what is left is the background (Cole et al. 2019, doi:10.1016/j.neuroimage.2018.12.054): with one
shape for all, what differs from it stays; with a column for each lag, nothing of the mean does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.dataset.confounds import Confounds, load_confounds
from bidsmask.dataset.confounds_table import ConfoundsTable
from bidsmask.dataset.events import Events, read_events, slice_time_s
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import ConfoundsError, EventsError
from bidsmask.numerics.hemodynamics import (
    TaskParameters,
    event_responses,
    fir_lags,
    fir_responses,
    sample_times,
)


def load_design(
    run: BoldRun, strategy: Strategy, rows: ConfoundsTable, *, n_volumes: int, t_r: float
) -> Confounds:
    """Load what a strategy regresses out of a run: its confounds, and responses to its events.

    Parameters
    ----------
    run : BoldRun
    strategy : Strategy
    rows : ConfoundsTable
        Of the run: read once for all strategies.
    n_volumes : int
    t_r : float
        Repetition time in seconds.

    Raises
    ------
    ConfoundsError, EventsError
        If a table cannot be used, or there is none.
    """
    confounds = load_confounds(
        rows,
        run.confounds_json,
        strategy,
        n_volumes=n_volumes,
        t_r=t_r,
        others=run.tables,
    )
    if not strategy.models_task:
        return confounds
    if run.events is None:
        raise EventsError(run.no_events)
    events = read_events(run.events, run_end_s=n_volumes * t_r)
    times_s = sample_times(n_volumes, t_r, slice_time_s(run.metadata, t_r))
    return with_responses(confounds, events, strategy.task, times_s=times_s, t_r=t_r)


def with_responses(
    confounds: Confounds, events: Events, task: TaskParameters, *, times_s: FloatArray, t_r: float
) -> Confounds:
    """Put responses to events behind the columns of a design.

    Parameters
    ----------
    confounds : Confounds
    events : Events
    task : TaskParameters
        Which responses.
    times_s : array of shape (T,)
        When each volume is sampled.
    t_r : float
        Repetition time in seconds.

    Raises
    ------
    ConfoundsError
        If the table of confounds has a column of the same name.
    """
    make = _canonical if task.task_regressors == "canonical" else _fir
    found = list(make(events, task, times_s, t_r))
    names = tuple(name for name, _, _ in found)
    if twice := set(names) & set(confounds.columns):
        raise ConfoundsError(
            f"{events.file}: the response to a condition would be called {', '.join(twice)}, as a "
            "confound is. Call the condition otherwise."
        )
    return replace(
        confounds,
        columns=(*confounds.columns, *names),
        design=np.hstack([confounds.design, *(columns for _, _, columns in found)]),
        nonaggressive=confounds.nonaggressive and confounds.nonaggressive.before(len(names)),
        responses=tuple((name, description) for name, description, _ in found),
    )


_Columns = Iterator[tuple[str, str, FloatArray]]
"""Name, description, and values (T, 1)."""


def _canonical(events: Events, task: TaskParameters, times_s: FloatArray, t_r: float) -> _Columns:
    for condition in events.conditions:
        own = events.of(condition)
        responses = event_responses(events.onsets_s[own], events.durations_s[own], times_s)
        description = (
            f"Response to the events of condition {condition} ({own.sum()}): their durations "
            "convolved with the canonical haemodynamic response of SPM (area 1), sampled "
            f"{times_s[0]:g} s into each volume"
        )
        yield f"task_{condition}", description, responses.sum(axis=1, keepdims=True)


def _fir(events: Events, task: TaskParameters, times_s: FloatArray, t_r: float) -> _Columns:
    for condition in events.conditions:
        own = events.of(condition)
        n_lags = fir_lags(events.durations_s[own], task.follows_s, t_r)
        counts = fir_responses(events.onsets_s[own], times_s, t_r, n_lags)
        for lag in range(n_lags):
            description = (
                f"Events of condition {condition} ({own.sum()}), {lag} volumes after their first "
                f"volume (volumes are sampled {times_s[0]:g} s after they begin); an event that "
                "lies otherwise between volumes than the first one counts in part for two lags"
            )
            yield f"task_{condition}_lag{lag:02d}", description, counts[:, [lag]]
