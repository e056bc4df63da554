import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.connectivity.edges import edge_rss, edge_time_series

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS)
def test_the_mean_of_an_edge_is_the_correlation_of_its_regions(seed):
    signals = 100 + np.random.default_rng(seed).normal(size=(30, 5)) * np.arange(1, 6)
    r = edge_time_series(signals).sum(axis=0) / 29
    np.testing.assert_allclose(r, np.corrcoef(signals.T)[np.triu_indices(5, k=1)], atol=1e-12)


@given(seed=SEEDS)
def test_the_root_sum_of_squares_needs_no_edge_but_is_that_of_all(seed):
    signals = np.random.default_rng(seed).normal(size=(30, 7))
    expected = np.sqrt((edge_time_series(signals) ** 2).sum(axis=1))
    np.testing.assert_allclose(edge_rss(signals), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, 4.0])
def test_regions_without_a_signal_have_edges_of_nan_and_no_part_in_their_sum(value):
    signals = np.random.default_rng(0).normal(size=(30, 4))
    spoilt = np.insert(signals, 1, value, axis=1)
    lost = [1 in pair for pair in zip(*np.triu_indices(5, k=1), strict=True)]
    np.testing.assert_array_equal(np.isnan(edge_time_series(spoilt)).all(axis=0), lost)
    np.testing.assert_array_equal(np.isnan(edge_time_series(spoilt)).any(axis=0), lost)
    np.testing.assert_allclose(edge_rss(spoilt), edge_rss(signals))


@pytest.mark.parametrize("function", [edge_rss, edge_time_series])
def test_one_volume_has_no_edges(function):
    with pytest.raises(DegreesOfFreedomError, match="at least 2"):
        function(np.ones((1, 3)))
