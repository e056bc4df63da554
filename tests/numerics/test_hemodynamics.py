"""Responses to events: laws, cases by hand, and nilearn as a witness."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.hemodynamics import (
    TaskParameters,
    canonical_response,
    event_responses,
    fir_lags,
    fir_responses,
    sample_times,
    volumes_of,
)

LIKE_NILEARN = 0.999
"""Correlation with nilearn, whose curve is later by one step of its oversampled time axis."""

onsets = st.floats(-30, 60)
durations = st.floats(0.5, 40)


def test_the_canonical_response_has_unit_area_and_peaks_after_5_s():
    times = np.arange(0, 60, 0.001)
    response = canonical_response(times)
    assert np.trapezoid(response, times) == pytest.approx(1, abs=1e-6)
    assert times[response.argmax()] == pytest.approx(5, abs=0.01)
    assert (canonical_response(-times[1:]) == 0).all()


@given(onset=onsets, duration=durations)
def test_the_response_to_a_block_is_the_convolution(onset, duration):
    times = sample_times(40, 2.0, 1.0)
    steps = onset + (np.arange(20_000) + 0.5) * duration / 20_000
    by_sum = canonical_response(times[:, np.newaxis] - steps).mean(axis=1) * duration
    exact = event_responses(np.array([onset]), np.array([duration]), times).ravel()
    np.testing.assert_allclose(exact, by_sum, atol=1e-6)


@given(onset=onsets, first=durations, second=durations)
def test_two_blocks_in_a_row_are_one_long_block(onset, first, second):
    times = sample_times(60, 1.5, 1.0)
    halves = event_responses(np.array([onset, onset + first]), np.array([first, second]), times)
    whole = event_responses(np.array([onset]), np.array([first + second]), times)
    np.testing.assert_allclose(halves.sum(axis=1), whole[:, 0], atol=1e-9)


@given(onset=onsets, later=st.integers(1, 10), duration=st.one_of(st.just(0.0), durations))
def test_a_later_event_has_the_same_response_later(onset, later, duration):
    times = sample_times(40, 2.0, 1.0)
    at = np.array([onset, onset + 2.0 * later])
    early, late = event_responses(at, np.full(2, duration), times).T
    np.testing.assert_allclose(late[later:], early[:-later], atol=1e-9)


def test_a_moment_is_what_a_brief_event_tends_to():
    times = sample_times(30, 2.0, 1.0)
    brief = event_responses(np.array([7.0]), np.array([1e-4]), times) / 1e-4
    moment = event_responses(np.array([7.0]), np.array([0.0]), times)
    np.testing.assert_allclose(moment, brief, atol=1e-4)


@pytest.mark.parametrize(("t_r", "slice_time_s"), [(2.0, 1.0), (0.8, 0.0), (2.5, 1.1)])
@pytest.mark.parametrize("duration", [0.0, 1.0, 12.0])
def test_it_is_nilearns_regressor(t_r, slice_time_s, duration):
    compute_regressor = pytest.importorskip("nilearn.glm.first_level").compute_regressor
    at = np.array([3.0, 31.5, 70.2])
    times = sample_times(120, t_r, slice_time_s)
    condition = np.array([at, np.full(3, duration), np.ones(3)])
    theirs, _ = compute_regressor(condition, "spm", times, oversampling=50)
    ours = event_responses(at, np.full(3, duration), times).sum(axis=1)
    assert np.corrcoef(theirs[:, 0], ours)[0, 1] > LIKE_NILEARN


def test_a_finite_impulse_response_is_nilearns_for_events_on_volumes():
    first_level = pytest.importorskip("nilearn.glm.first_level")
    at, times = np.array([4.0, 20.0, 24.0]), sample_times(40, 2.0, 0.0)
    events = pd.DataFrame({"onset": at, "duration": 2.0, "trial_type": "go"})
    theirs = first_level.make_first_level_design_matrix(
        times, events, hrf_model="fir", fir_delays=range(5), drift_model=None
    )
    ours = fir_responses(at, times, 2.0, 5)
    np.testing.assert_allclose(ours, theirs.drop(columns="constant"), atol=1e-9)


def test_an_event_between_volumes_counts_from_the_next_volume_on():
    columns = fir_responses(np.array([2.1]), np.array([1.0, 3.0, 5.0, 7.0]), 2.0, 2)
    assert columns.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0]]


def test_lags_reach_from_the_onset_to_some_time_after_the_end():
    assert fir_lags(np.array([0.0]), 18.0, 2.0) == 9
    assert fir_lags(np.array([10.0, 3.0]), 18.0, 2.0) == 14
    assert fir_lags(np.array([0.0]), 17.9, 2.0) == 9


@given(onset=st.integers(0, 20), shift=st.floats(0, 2))
def test_events_that_lie_alike_between_volumes_count_whole(onset, shift):
    times, at = sample_times(40, 2.0, 1.0), 2.0 * onset + shift + np.array([0.0, 6.0, 30.0])
    columns = fir_responses(at, times, 2.0, 5)
    assert np.abs(columns - np.rint(columns)).max() < 1e-5
    assert columns.sum(axis=1).max() <= 2


@given(shape=st.lists(st.floats(-5, 5), min_size=9, max_size=9))
def test_any_response_lies_in_the_span_of_its_lags(shape):
    at, times = np.array([6.0, 40.0, 44.0]), sample_times(40, 2.0, 1.0)
    responses = np.zeros(60)
    for onset in at:
        first = int(np.argmax(times >= onset))
        responses[first : first + 9] += shape
    columns = fir_responses(at, times, 2.0, 9)
    fitted = columns @ np.linalg.lstsq(columns, responses[:40], rcond=None)[0]
    np.testing.assert_allclose(fitted, responses[:40], atol=1e-9)


def test_an_event_fills_the_volumes_of_its_duration_and_one_at_least():
    times = sample_times(10, 2.0, 1.0)
    filled = volumes_of(np.array([4.0]), np.array([6.0]), times, t_r=2.0, delay_s=5.0)
    assert times[filled].tolist() == [9, 11, 13]
    filled = volumes_of(np.array([4.0]), np.array([0.0]), times, t_r=2.0, delay_s=5.0)
    assert times[filled].tolist() == [9]


def test_a_length_without_effect_is_refused():
    with pytest.raises(ValueError, match="no effect without"):
        TaskParameters(task_regressors="canonical", fir_length_s=20.0)
    with pytest.raises(ValueError, match="above 0"):
        TaskParameters(task_regressors="fir", fir_length_s=0.0)
    assert TaskParameters(task_regressors="fir").follows_s == 18


@pytest.mark.parametrize(
    ("task_regressors", "expected"), [("none", 0.9), ("canonical", 0.4), ("fir", 0.0)]
)
def test_only_responses_of_any_shape_take_away_what_a_task_of_another_shape_evokes(
    task_regressors, expected
):
    """Two signals share a response that comes 3 s late and lasts, and nothing else.

    Events are not locked to volumes.
    """
    rng = np.random.default_rng(4)
    times, at = sample_times(400, 2.0, 1.0), np.arange(10, 780, 29.0) + rng.uniform(0, 3, 27)
    late = event_responses(at + 3, np.full(at.size, 8.0), times).sum(axis=1, keepdims=True)
    signals = 4 * late / late.std() + rng.normal(size=(400, 2))
    brief = np.full(at.size, 2.0)
    design = {
        "none": np.empty((400, 0)),
        "canonical": event_responses(at, brief, times).sum(axis=1, keepdims=True),
        "fir": fir_responses(at, times, 2.0, fir_lags(brief, 20.0, 2.0)),
    }[task_regressors]
    cleaner = Cleaner(
        CleaningParameters(), t_r=2.0, sample_mask=np.ones(400, dtype=bool), design=design
    )
    r = np.corrcoef(cleaner(signals).T)[0, 1]
    assert r > expected if expected else abs(r) < 0.15
