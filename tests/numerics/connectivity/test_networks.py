import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.connectivity.networks import network_means

LABELS = st.lists(st.sampled_from(["Vis", "Default", "Limbic", ""]), min_size=2, max_size=9)


def symmetric(seed, n):
    values = np.random.default_rng(seed).normal(size=(n, n))
    return values + values.T


@given(seed=st.integers(0, 2**32 - 1), networks=LABELS)
def test_means_are_those_over_a_list_of_pairs(seed, networks):
    n = len(networks)
    values = symmetric(seed, n)
    values[0] = values[:, 0] = np.nan
    values[n - 1, n // 2] = values[n // 2, n - 1] = np.inf
    for one, other, mean, n_pairs in network_means(values, networks):
        of_pairs = [
            values[i, j]
            for i in range(n)
            for j in range(i + 1, n)
            if {networks[i], networks[j]} == {one, other} and np.isfinite(values[i, j])
        ]
        assert n_pairs == len(of_pairs)
        np.testing.assert_allclose(mean, np.mean(of_pairs) if of_pairs else np.nan, atol=1e-12)


@given(networks=LABELS)
def test_every_two_networks_are_there_once_and_every_network_with_itself(networks):
    pairs = [frozenset(mean[:2]) for mean in network_means(symmetric(0, len(networks)), networks)]
    n = len({name for name in networks if name})
    assert len(pairs) == len(set(pairs)) == n * (n + 1) // 2
    assert sum(len(pair) == 1 for pair in pairs) == n


@given(seed=st.integers(0, 2**32 - 1))
def test_without_missing_values_every_pair_of_regions_counts_once(seed):
    networks = ["a", "b", "a", "b", "c"]
    assert sum(mean.n_pairs for mean in network_means(symmetric(seed, 5), networks)) == 10


def test_regions_in_no_network_leave_nothing():
    assert network_means(symmetric(0, 3), ["", "", ""]) == []
