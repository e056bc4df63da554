import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.connectivity.plain import (
    correlation,
    correlation_with,
    covariance,
    fisher_z,
    partial_correlation,
    precision,
)
from bidsmask.numerics.regression import orthonormal_basis, residuals

SEEDS = st.integers(0, 2**32 - 1)


def random_signals(seed, n_volumes=40, n_columns=6):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_columns, n_columns)) + 2 * np.eye(n_columns)
    return rng.normal(size=(n_volumes, n_columns)) @ mixing + rng.normal(size=n_columns) * 100


@pytest.mark.parametrize("function", [correlation, partial_correlation])
@given(seed=SEEDS, scale=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_correlations_do_not_depend_on_the_unit_of_a_column(function, seed, scale, offset):
    signals = random_signals(seed)
    other = signals.copy()
    other[:, 1] = scale * other[:, 1] + offset
    np.testing.assert_allclose(function(other), function(signals), atol=1e-7)


@pytest.mark.parametrize("function", [correlation, partial_correlation])
@given(seed=SEEDS)
def test_correlations_are_bounded_with_ones_on_the_diagonal(function, seed):
    r = function(random_signals(seed))
    assert (np.abs(r) <= 1).all()
    np.testing.assert_array_equal(np.diag(r), 1)


@given(seed=SEEDS)
def test_precision_is_the_inverse_of_covariance(seed):
    signals = random_signals(seed)
    product = precision(signals) @ covariance(signals)
    rounding = 1e-14 * np.linalg.cond(covariance(signals))
    np.testing.assert_allclose(product, np.eye(signals.shape[1]), atol=rounding)


@given(seed=SEEDS)
def test_partial_correlation_is_that_of_the_residuals_given_all_others(seed):
    signals = random_signals(seed)
    left = residuals(signals[:, :2], orthonormal_basis(signals[:, 2:]))
    assert partial_correlation(signals)[0, 1] == pytest.approx(np.corrcoef(left.T)[0, 1], abs=1e-7)


@given(seed=SEEDS)
def test_correlation_and_covariance_are_those_of_numpy(seed):
    signals = random_signals(seed)
    np.testing.assert_allclose(correlation(signals), np.corrcoef(signals.T), atol=1e-12)
    np.testing.assert_allclose(covariance(signals), np.cov(signals.T), rtol=1e-10, atol=1e-10)


def test_a_column_of_nothing_but_rounding_errors_is_constant():
    signals = random_signals(0)
    signals[:, 0] = 1000 + np.random.default_rng(0).normal(size=40) * 1e-13
    assert np.isnan(correlation(signals)[0]).all()


def test_nothing_usable_gives_a_matrix_of_nan():
    assert np.isnan(partial_correlation(np.full((10, 3), np.nan))).all()
    assert covariance(np.empty((10, 0))).shape == (0, 0)


@pytest.mark.parametrize("function", [precision, partial_correlation])
def test_too_few_volumes_are_refused_with_the_rank(function):
    with pytest.raises(DegreesOfFreedomError, match="12 columns over 10 volumes has rank 9"):
        function(random_signals(1, n_volumes=10, n_columns=12))


@pytest.mark.parametrize("function", [precision, partial_correlation])
def test_columns_that_repeat_each_other_are_refused_with_the_rank(function):
    signals = random_signals(1)
    with pytest.raises(DegreesOfFreedomError, match="7 columns over 40 volumes has rank 6"):
        function(np.column_stack([signals, signals[:, 0] + signals[:, 1]]))


def test_fishers_z_leaves_the_diagonal_out_and_sends_equals_to_infinity():
    z = fisher_z(np.array([[1.0, 1.0, np.nan], [1.0, 1.0, -0.5], [np.nan, -0.5, 1.0]]))
    missing = [[True, False, True], [False, True, False], [True, False, True]]
    np.testing.assert_array_equal(np.isnan(z), missing)
    assert z[0, 1] == np.inf
    assert z[1, 2] == pytest.approx(-0.5493061443)


@given(seed=SEEDS)
def test_fishers_z_is_undone_by_the_hyperbolic_tangent(seed):
    r = correlation(random_signals(seed))
    off_diagonal = ~np.eye(len(r), dtype=bool)
    np.testing.assert_allclose(np.tanh(fisher_z(r))[off_diagonal], r[off_diagonal], atol=1e-12)


# --- some columns with others --------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1))
def test_correlations_with_others_are_those_of_all_together(seed):
    signals = np.random.default_rng(seed).normal(size=(20, 9))
    expected = correlation(signals)[:3, 3:]
    np.testing.assert_allclose(correlation_with(signals[:, :3], signals[:, 3:]), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, "constant"])
def test_unusable_columns_on_either_side_are_missing_and_disturb_no_other(value):
    signals = np.random.default_rng(0).normal(size=(20, 9))
    expected = correlation_with(signals[:, :3], signals[:, 3:])
    expected[1] = expected[:, 4] = np.nan
    for column in 1, 7:
        if value == "constant":
            signals[:, column] = 3
        else:
            signals[4, column] = value
    np.testing.assert_allclose(correlation_with(signals[:, :3], signals[:, 3:]), expected)


def test_a_column_and_itself_correlate_by_no_more_than_one():
    signals = np.random.default_rng(0).normal(size=(50, 200)).astype(np.float32)
    r = correlation_with(signals, signals)
    assert np.abs(r).max() <= 1
    np.testing.assert_allclose(np.diag(r), 1)


def test_one_volume_does_not_correlate_with_others():
    with pytest.raises(DegreesOfFreedomError, match="at least 2"):
        correlation_with(np.ones((1, 2)), np.ones((1, 3)))
