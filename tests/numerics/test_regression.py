"""Three ways to regress components of noise that share variance with components of signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import ConfoundsError, DegreesOfFreedomError
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.regression import Nonaggressive, orthogonalised

T = 60
BAND_PASS = CleaningParameters(
    filter="butterworth",
    high_pass_hz=0.01,
    low_pass_hz=0.15,
    filter_ends="even",
    bridge="linear",
    standardize="none",
)
LINE = CleaningParameters(standardize="none")
COSINES = CleaningParameters(filter="cosine", high_pass_hz=0.01, standardize="none")


def components(seed, n_accepted=3, n_rejected=4):
    """Components of signal, and of noise that shares variance with them."""
    rng = np.random.default_rng(seed)
    accepted = rng.normal(size=(T, n_accepted))
    shared = accepted @ rng.normal(size=(n_accepted, n_rejected))
    return accepted, shared + rng.normal(size=(T, n_rejected)), rng.normal(size=(T, 5))


def centred(columns):
    return columns - columns.mean(axis=0)


def cleaner_of(parameters, design, *, mask=None, **words):
    kept = np.ones(T, dtype=bool) if mask is None else mask
    return Cleaner(parameters, t_r=2.0, sample_mask=kept, design=design, **words)


@given(seed=st.integers(0, 999))
def test_orthogonalised_noise_shares_nothing_with_the_signal(seed):
    accepted, rejected, _ = components(seed)
    left = orthogonalised(rejected, accepted)
    assert np.abs(left.T @ accepted).max() < 1e-10
    expected = (
        centred(rejected)
        - centred(accepted) @ np.linalg.lstsq(centred(accepted), centred(rejected), rcond=None)[0]
    )
    np.testing.assert_allclose(left, expected, atol=1e-10)


def test_noise_that_the_signal_explains_whole_is_gone():
    accepted, _, _ = components(0)
    left = orthogonalised(np.column_stack([accepted[:, 0] * 3 + 1e6, np.ones(T)]), accepted)
    assert not left.any()


def test_noise_with_a_missing_value_is_refused():
    accepted, rejected, _ = components(0)
    rejected[3, 1] = np.nan
    with pytest.raises(ConfoundsError, match="not finite numbers"):
        orthogonalised(rejected, accepted)


@given(seed=st.integers(0, 999))
def test_a_nonaggressive_regression_takes_out_the_part_of_the_noise_in_the_joint_fit(seed):
    accepted, rejected, signals = components(seed)
    joint = np.column_stack([rejected, accepted, np.ones(T), np.arange(T)])
    weights = np.linalg.lstsq(joint, signals, rcond=None)[0]
    expected = signals - rejected @ weights[: rejected.shape[1]]
    line = np.column_stack([np.ones(T), np.arange(T)])
    expected -= line @ np.linalg.lstsq(line, expected, rcond=None)[0]
    every = Nonaggressive(columns=np.ones(4, dtype=bool), accepted=accepted)
    cleaned = cleaner_of(LINE, rejected, nonaggressive=every)(signals)
    np.testing.assert_allclose(cleaned, expected, atol=1e-9)


def test_three_ways_are_three_things():
    accepted, rejected, signals = components(1)
    every = Nonaggressive(columns=np.ones(4, dtype=bool), accepted=accepted)
    cleaned = [
        cleaner_of(LINE, rejected)(signals),
        cleaner_of(LINE, orthogonalised(rejected, accepted))(signals),
        cleaner_of(LINE, rejected, nonaggressive=every)(signals),
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(cleaned[one] - cleaned[other]).max() > 0.1


@pytest.mark.parametrize("parameters", [LINE, BAND_PASS, COSINES])
def test_what_was_accepted_passes_a_nonaggressive_regression_and_motion_does_not(parameters):
    accepted, rejected, _ = components(2)
    motion = np.random.default_rng(3).normal(size=(T, 2))
    mask = np.ones(T, dtype=bool)
    mask[[4, 20, 21, 22, 50]] = False
    alone = Nonaggressive(columns=np.arange(6) >= 2, accepted=accepted)
    design = np.column_stack([motion, rejected])
    cleaner = cleaner_of(parameters, design, mask=mask, nonaggressive=alone)
    without = cleaner_of(parameters, motion, mask=mask)
    np.testing.assert_allclose(cleaner(accepted), without(accepted), atol=1e-9)
    filtered = centred(cleaner_of(parameters, np.empty((T, 0)), mask=mask)(motion))
    cleaned = cleaner(np.random.default_rng(5).normal(size=(T, 3)))
    assert np.abs(cleaned.T @ filtered).max() < 1e-8


@pytest.mark.parametrize("parameters", [LINE, BAND_PASS, COSINES])
def test_the_degrees_of_freedom_are_those_of_the_operator(parameters):
    accepted, rejected, _ = components(4)
    motion = np.random.default_rng(6).normal(size=(T, 2))
    mask = np.arange(T) % 9 != 4
    alone = Nonaggressive(columns=np.arange(6) >= 2, accepted=accepted)
    cleaner = cleaner_of(
        parameters, np.column_stack([motion, rejected]), mask=mask, nonaggressive=alone
    )
    operator = cleaner(np.eye(T))[:, mask]
    operator -= operator.mean(axis=0)
    variance = operator @ operator.T
    nu = np.trace(variance) ** 2 / np.sum(variance * variance)
    assert cleaner.ledger.remaining == pytest.approx(nu, abs=1e-3)
    account = cleaner.ledger
    spent = account.n_detrend + account.n_filter + account.n_confounds
    assert account.n_kept - spent == pytest.approx(account.remaining, abs=1e-5)


def test_more_columns_behind_are_regressed_whole():
    accepted, rejected, signals = components(10)
    motion = np.random.default_rng(11).normal(size=(T, 2))
    every = Nonaggressive(columns=np.ones(4, dtype=bool), accepted=accepted)
    behind = cleaner_of(LINE, np.hstack([rejected, motion]), nonaggressive=every.before(2))
    first = Nonaggressive(columns=np.arange(6) >= 2, accepted=accepted)
    in_front = cleaner_of(LINE, np.hstack([motion, rejected]), nonaggressive=first)
    np.testing.assert_allclose(behind(signals), in_front(signals), atol=1e-10)


def test_without_components_to_keep_nonaggressive_is_aggressive():
    _, rejected, signals = components(7)
    nothing = Nonaggressive(columns=np.ones(4, dtype=bool), accepted=np.empty((T, 0)))
    alone = cleaner_of(LINE, rejected, nonaggressive=nothing)
    np.testing.assert_allclose(alone(signals), cleaner_of(LINE, rejected)(signals), atol=1e-10)
    assert alone.ledger.remaining == pytest.approx(T - 2 - 4, abs=1e-6)


def test_noise_inside_of_the_signal_is_named_and_takes_nothing():
    accepted, rejected, signals = components(8)
    design = np.column_stack([signals[:, 0], accepted[:, :1] + accepted[:, 1:2], rejected])
    alone = Nonaggressive(columns=np.arange(6) > 0, accepted=accepted)
    cleaner = cleaner_of(LINE, design, nonaggressive=alone)
    assert cleaner.collinear == (1,)
    assert cleaner.basis.shape[1] == 5


def test_a_joint_fit_needs_volumes_for_what_stays_too():
    rng = np.random.default_rng(9)
    every = Nonaggressive(columns=np.ones(20, dtype=bool), accepted=rng.normal(size=(T, 39)))
    with pytest.raises(DegreesOfFreedomError, match="58 for independent columns"):
        cleaner_of(LINE, rng.normal(size=(T, 20)), nonaggressive=every)
