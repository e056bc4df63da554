"""What was asked of the events of a task, in words; see `bidsmask.analysis.words`."""

from __future__ import annotations

from collections.abc import Iterator

from bidsmask.analysis.words import Said
from bidsmask.settings import EventsSettings


def event_words(settings: EventsSettings) -> Iterator[Said]:
    """All that was asked of the events of a run."""
    if settings.condition_means:
        yield condition_words(settings)
    if settings.beta_series:
        yield beta_words(settings)


def condition_words(settings: EventsSettings) -> Said:
    """What means of conditions are."""
    return Said(
        label="Means of conditions",
        value=f"{settings.delay_s:g} s after the events",
        sentences=(
            "The cleaned signal of each region was averaged over the kept volumes of each "
            f"condition: those sampled from {settings.delay_s:g} s after the onset of one of its "
            f"events until {settings.delay_s:g} s after its end, and for one repetition time at "
            "least. A volume between events of two conditions may count for both.",
        ),
    )


_METHODS = {
    "lss": "one model for each trial, of its response, the sum of those to the other trials of "
    "its condition and the sum of those to each other condition (least squares, separate) "
    "[@mumford2012]",
    "lsa": "one model of the responses to all trials (least squares, all) [@mumford2012]",
}


def beta_words(settings: EventsSettings) -> Said:
    """How amplitudes of trials were estimated."""
    assert settings.beta_series is not None, "amplitudes were asked for"
    return Said(
        label="Beta series",
        value=settings.beta_series,
        sentences=(
            f"An amplitude of each trial was estimated by {_METHODS[settings.beta_series]}, each "
            "response being the duration of the trial convolved with the canonical haemodynamic "
            "response of area 1 [@friston1998]. Responses were detrended, filtered, censored and "
            "regressed on the confounds as the signals were; signals were not standardized for "
            "it.",
        ),
    )
