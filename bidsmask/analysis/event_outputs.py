"""The files of what was asked of events: means of conditions, and amplitudes of trials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask.analysis.event_words import beta_words, condition_words
from bidsmask.analysis.kinds import Source
from bidsmask.analysis.output_names import beta_series_name, condition_means_name, time_series_name
from bidsmask.analysis.store import Coverage
from bidsmask.analysis.task_results import TaskResults
from bidsmask.analysis.words import plain, text
from bidsmask.dataset.events import Events, read_events
from bidsmask.derivatives import sidecars, tables
from bidsmask.derivatives.sidecars import described, with_columns

if TYPE_CHECKING:
    from bidsmask.analysis.outputs import File, Run, Used


def event_files(
    run: Run, source: Source, coverage: Coverage, used: Used, results: TaskResults, number: int
) -> Iterator[File]:
    """Give what was asked of events, of one source and strategy.

    Parameters
    ----------
    run : Run
    source : Source
    coverage : Coverage
    used : Used
        The strategy.
    results : TaskResults
        Under this strategy.
    number : int
        Which of the sources it is, counted from 0.
    """
    assert run.plan.run.events is not None, "something was asked of events"
    end_s = run.plan.n_volumes * run.plan.t_r
    events = read_events(run.plan.run.events, run_end_s=end_s)
    if results.means:
        yield from _means(run, source, coverage, used, results, results.means[number], events)
    if results.amplitudes:
        yield from _betas(run, source, coverage, used, results.amplitudes[number], events)


def _means(
    run: Run,
    source: Source,
    coverage: Coverage,
    used: Used,
    results: TaskResults,
    means: FloatArray,
    events: Events,
) -> Iterator[File]:
    plan, settings = run.plan, run.plan.events
    about = pd.DataFrame(
        {
            "trial_type": results.conditions,
            "n_events": [int(events.of(name).sum()) for name in results.conditions],
            "n_volumes": results.n_volumes,
        }
    )
    yield condition_means_name(plan, source, used.strategy), _beside(about, means, coverage)
    statistic, *_ = plan.statistics_of(source)
    series = time_series_name(plan, source, used.strategy, statistic)
    content = {
        "Description": f"Means of {source.name} over the volumes of each condition. "
        f"{plain(text([condition_words(settings)]))}",
        "Sources": [run.provenance.output(series), *run.provenance.sources(plan.run.events)],
        **_about(run, source, used),
        "ConditionDelay": settings.delay_s,
    }
    columns = {
        "trial_type": described("Condition, as in the table of events"),
        "n_events": described("Its events", "events"),
        "n_volumes": described("Kept volumes that they fill: what the means rest on", "volumes"),
    } | sidecars.region_columns(
        coverage.table,
        "Mean of",
        units=sidecars.units_of(used.strategy.cleaning.standardize, plan.extraction.voxel_scaling),
    )
    yield (
        condition_means_name(plan, source, used.strategy, ".json"),
        with_columns(content, columns),
    )


def _betas(
    run: Run,
    source: Source,
    coverage: Coverage,
    used: Used,
    amplitudes: FloatArray,
    events: Events,
) -> Iterator[File]:
    plan, settings = run.plan, run.plan.events
    about = pd.DataFrame(
        {
            "onset": events.onsets_s,
            "duration": events.durations_s,
            "trial_type": events.trial_types,
        }
    )
    yield beta_series_name(plan, source, used.strategy), _beside(about, amplitudes, coverage)
    content = {
        "Description": f"Amplitudes of {source.name} in each trial. "
        f"{plain(text([beta_words(settings)]))}",
        "Sources": [
            *run.provenance.bold_and_confounds([used.strategy]),
            *run.provenance.sources(plan.run.events),
            *run.copies(source),
        ],
        **_about(run, source, used),
        "Estimator": settings.beta_series,
    }
    columns = {
        "onset": described("When the trial began, from the first volume on", "s"),
        "duration": described("How long it was", "s"),
        "trial_type": described("Its condition"),
    } | sidecars.region_columns(
        coverage.table,
        "Amplitude of",
        units=sidecars.units_of("none", plan.extraction.voxel_scaling),
    )
    yield (
        beta_series_name(plan, source, used.strategy, ".json"),
        with_columns(content, columns),
    )


def _beside(about: pd.DataFrame, values: FloatArray, coverage: Coverage) -> pd.DataFrame:
    return pd.concat([about, tables.time_series(values, coverage.names)], axis=1)


def _about(run: Run, source: Source, used: Used) -> dict[str, Any]:
    return {
        **run.about(source),
        "Statistic": run.plan.statistics_of(source)[0],
        "MinimumCoverage": run.plan.coverage.min_coverage,
        "SmoothingFWHM": run.plan.extraction.smoothing_fwhm_mm,
        **used.about,
        **sidecars.warnings(run.warnings, used.confounds.warnings, source.warnings),
    }
