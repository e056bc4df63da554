import bct
import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidsmask.numerics.benchmarks.modularity import (
    louvain_groups,
    louvain_modularity,
    modularity_matrix,
    signed_modularity,
)
from bidsmask.numerics.chance import drawn_orders


def network(seed, n=24, n_groups=3, strength=0.5):
    """Correlations that are higher within groups: weights (P, P), groups (P,)."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % n_groups
    weights = strength * (groups[:, np.newaxis] == groups) + 0.2 * rng.normal(size=(n, n))
    return (weights + weights.T) / 2, groups


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_neither_names_of_groups_nor_order_nor_scale_nor_diagonal_matter(seed, scale):
    weights, groups = network(seed)
    q = signed_modularity(weights, groups)
    order = np.random.default_rng(seed).permutation(len(groups))
    moved = scale * weights[np.ix_(order, order)] + np.diag(np.arange(len(groups)))
    np.testing.assert_allclose(signed_modularity(moved, 7 - groups[order]), q, atol=1e-12)
    assert -1 <= q <= 1


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_groups_that_are_found_are_at_least_as_good_as_those_planted(seed):
    weights, planted = network(seed, strength=0.3)
    found = louvain_groups(weights, seed=0)
    assert signed_modularity(weights, found) >= signed_modularity(weights, planted) - 0.03
    assert set(found) == set(range(found.max() + 1))


def test_planted_groups_are_found_again():
    weights, planted = network(0, strength=1.0)
    found = louvain_groups(weights, seed=0)
    assert len(set(zip(found.tolist(), planted.tolist(), strict=True))) == 3


@pytest.mark.parametrize("seed", range(4))
def test_q_is_that_of_bctpy_and_so_is_what_is_found(seed):
    weights, _ = network(seed, strength=0.3)
    np.fill_diagonal(weights, 0)
    groups, q = bct.modularity_louvain_und_sign(weights, qtype="sta", seed=seed)
    np.testing.assert_allclose(signed_modularity(weights, groups), q, atol=1e-12)
    ours = signed_modularity(weights, louvain_groups(weights, seed=seed))
    assert abs(ours - q) < 0.03  # two searches of one optimum


def test_without_negative_weights_q_is_that_of_networkx():
    weights, planted = network(5)
    weights = np.abs(weights)
    np.fill_diagonal(weights, 0)
    graph = nx.from_numpy_array(weights)
    sets = [set(np.flatnonzero(planted == group).tolist()) for group in range(3)]
    theirs = nx.community.modularity(graph, sets, weight="weight")
    np.testing.assert_allclose(signed_modularity(weights, planted), theirs, atol=1e-12)


def test_the_same_seed_finds_the_same_groups_and_no_weights_have_no_modularity():
    weights, _ = network(1, strength=0.1)
    np.testing.assert_array_equal(louvain_groups(weights, 3), louvain_groups(weights, 3))
    assert np.isnan(signed_modularity(np.zeros((4, 4)), np.zeros(4, dtype=int)))
    assert louvain_groups(np.zeros((0, 0)), 0).size == 0


@given(seed=st.integers(0, 2**32 - 1), strength=st.floats(0, 0.5))
@example(seed=9028356, strength=0.021484375)  # one gains by being alone
@settings(max_examples=30, deadline=None)
def test_who_moves_next_is_found_as_if_one_was_asked_after_the_other(seed, strength):
    weights, _ = network(seed, n=40, strength=strength)
    found = louvain_groups(weights, seed)
    np.testing.assert_array_equal(found, one_after_the_other(modularity_matrix(weights), seed))
    q = louvain_modularity(weights, seed)
    np.testing.assert_allclose(q, signed_modularity(weights, found), atol=1e-12)


def one_after_the_other(matrix, seed):
    """Blondel's method in so many words."""
    n = len(matrix)
    groups, moving = np.arange(n), True
    while moving:
        before = groups.copy()
        for one in drawn_orders(1, n, seed)[0]:
            others = np.arange(n) != one
            gain = [matrix[one, others & (groups == group)].sum() for group in range(n)]
            if max(gain) > gain[groups[one]] + 1e-12:
                groups[one] = np.argmax(gain)
        moving = not np.array_equal(before, groups)
    names = dict.fromkeys(groups.tolist())  # in the order of their first regions
    joined = np.array([[*names].index(group) for group in groups])
    if joined.max() + 1 == n:
        return joined
    member = np.eye(joined.max() + 1)[joined]
    return one_after_the_other(member.T @ matrix @ member, seed + 1)[joined]
