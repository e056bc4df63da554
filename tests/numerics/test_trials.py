"""Beta series: planted amplitudes come back, and they are those of the model written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.hemodynamics import event_responses, sample_times
from bidsmask.numerics.trials import lsa_weights, lss_weights

T, T_R, N_TRIALS = 120, 2.0, 12
LIKE_LEAST_SQUARES = 1e-8


def a_run(seed, *, n_confounds=4, censored=0.1):
    """Responses (T, E), conditions (E,), confounds (T, C) and kept volumes (T,)."""
    rng = np.random.default_rng(seed)
    onsets = 6 + np.arange(N_TRIALS) * 18 + rng.uniform(0, 5, N_TRIALS)
    responses = event_responses(onsets, np.full(N_TRIALS, 2.0), sample_times(T, T_R, 1.0))
    conditions = rng.permutation(np.arange(N_TRIALS) % 3)
    return (
        responses,
        conditions,
        rng.normal(size=(T, n_confounds)),
        rng.uniform(size=T) > censored,
        rng.normal(size=(T, 5)),
    )


def cleaner_of(design, kept, **how):
    parameters = CleaningParameters(standardize="none", **how)
    return Cleaner(parameters, t_r=T_R, sample_mask=kept, design=design)


def drift(n):
    return np.column_stack([np.ones(n), np.linspace(-1, 1, n)])


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_separate_amplitudes_are_those_of_each_model_written_out(seed):
    responses, conditions, confounds, kept, signals = a_run(seed)
    cleaner = cleaner_of(confounds, kept)
    ours = lss_weights(cleaner(responses), conditions) @ cleaner(signals)
    for trial in range(N_TRIALS):
        others = [
            responses[:, (conditions == label) & (np.arange(N_TRIALS) != trial)].sum(axis=1)
            for label in range(3)
        ]
        design = np.column_stack([responses[:, trial], *others, confounds, drift(T)])[kept]
        expected = np.linalg.lstsq(design, signals[kept], rcond=None)[0][0]
        np.testing.assert_allclose(ours[trial], expected, atol=LIKE_LEAST_SQUARES)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_joint_amplitudes_are_those_of_the_model_written_out(seed):
    responses, _, confounds, kept, signals = a_run(seed)
    cleaner = cleaner_of(confounds, kept)
    ours = lsa_weights(cleaner(responses)) @ cleaner(signals)
    design = np.column_stack([responses, confounds, drift(T)])[kept]
    expected = np.linalg.lstsq(design, signals[kept], rcond=None)[0][:N_TRIALS]
    np.testing.assert_allclose(ours, expected, atol=LIKE_LEAST_SQUARES)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"filter": "butterworth", "high_pass_hz": 0.01, "filter_ends": "even", "bridge": "linear"},
        {"filter": "cosine", "high_pass_hz": 0.008},
    ],
)
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_planted_amplitudes_come_back_behind_filter_and_confounds(how, seed):
    """Separate models assume that the others of a condition are alike, joint ones do not."""
    responses, conditions, confounds, kept, _ = a_run(seed)
    cleaner = cleaner_of(confounds, kept, **how)
    rng = np.random.default_rng(seed)
    nuisance = confounds @ rng.normal(size=(4, 3)) + drift(T) @ rng.normal(size=(2, 3))
    own = rng.normal(size=(N_TRIALS, 3))
    cleaned = cleaner(responses)
    by_one = lsa_weights(cleaned) @ cleaner(responses @ own + nuisance)
    alike = rng.normal(size=(3, 3))[conditions]
    by_many = lss_weights(cleaned, conditions) @ cleaner(responses @ alike + nuisance)
    np.testing.assert_allclose(by_one, own, atol=1e-6)
    np.testing.assert_allclose(by_many, alike, atol=1e-6)


def test_a_trial_that_nothing_was_seen_of_has_no_amplitude():
    responses = np.eye(6)[:, :4]
    responses[:, 2] = 0
    signals = np.arange(6.0)[:, np.newaxis]
    for weights in (lss_weights(responses, np.array([0, 0, 1, 1])), lsa_weights(responses)):
        amplitudes = weights @ signals
        assert np.isnan(amplitudes.ravel()).tolist() == [False, False, True, False]


def test_two_trials_at_the_same_time_cannot_be_told_apart():
    responses = np.eye(6)[:, [0, 1, 1, 2]]
    weights = lsa_weights(responses)
    assert np.isnan(weights).any(axis=1).tolist() == [False, True, True, False]
    weights = lss_weights(responses, np.array([0, 0, 1, 1]))
    assert not np.isnan(weights[0]).any()


def test_the_other_trials_of_a_condition_are_one_column():
    """Own column and the sum of the others: with two trials, both models are the same."""
    rng = np.random.default_rng(1)
    responses = rng.normal(size=(20, 2))
    np.testing.assert_allclose(
        lss_weights(responses, np.array([0, 0])), lsa_weights(responses), atol=1e-12
    )
