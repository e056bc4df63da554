import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bidsmask.numerics.benchmarks.distance import (
    Curve,
    centred_ranks,
    distance_dependence,
    edge_distances,
)
from bidsmask.numerics.benchmarks.partial import constant_and, correlations, residuals
from bidsmask.numerics.benchmarks.percent_match import N_BINS, binned, closeness, overlap
from bidsmask.numerics.benchmarks.permuted import Null, permuted_motion
from bidsmask.numerics.benchmarks.qcfc import QcFc
from bidsmask.numerics.chance import drawn_orders

values = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=40)


@given(r=values, seed=st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_the_rank_correlation_is_that_of_scipy_and_knows_no_units(r, seed):
    r = np.array(r)
    distances = np.random.default_rng(seed).uniform(5, 150, r.size)
    rho = distance_dependence(r, distances)
    if np.ptp(r) == 0:
        assert np.isnan(rho)
        return
    np.testing.assert_allclose(rho, stats.spearmanr(r, distances).statistic, atol=1e-12)
    np.testing.assert_allclose(distance_dependence(r, distances**2), rho, atol=1e-12)
    with_hole = distance_dependence(np.append(r, np.nan), np.append(distances, 3.0))
    np.testing.assert_allclose(with_hole, rho, atol=1e-12)


def test_distances_are_in_the_order_of_the_upper_triangle():
    centroids = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, np.nan]])
    found = edge_distances(centroids)
    np.testing.assert_allclose(found, [1, 2, np.nan, np.sqrt(5), np.nan, np.nan])


def test_a_curve_goes_through_the_edges_in_the_order_of_distance():
    drawn = Curve.of(np.array([4.0, 3, 2, 1, np.nan]), np.array([40.0, 30, 20, 10, 1]))
    np.testing.assert_array_equal(drawn.distance, [10, 20, 30, 40])
    np.testing.assert_array_equal(drawn.mean, [1, 2, 3, 4])
    many = Curve.of(np.arange(40.0), np.arange(40.0))
    np.testing.assert_array_equal(many.distance, np.arange(0.5, 40, 2))
    np.testing.assert_array_equal(many.high - many.low, np.full(20, 0.5))
    assert Curve.of(np.array([np.nan]), np.array([1.0])).distance.size == 0


@given(r=values, other=values)
@settings(max_examples=30, deadline=None)
def test_a_match_is_between_nothing_and_everything_and_the_same_from_both_sides(r, other):
    one, two = binned(np.array(r)), binned(np.array(other))
    for match in (overlap, closeness):
        np.testing.assert_allclose(match(one, one), 100)
        assert 0 <= match(one, two) <= 100 + 1e-9
        np.testing.assert_allclose(match(one, two), match(two, one))
    assert one.sum() == len(r)


def test_closeness_is_that_of_kolmogorov_and_smirnov():
    rng = np.random.default_rng(0)
    one, two = rng.normal(0.05, 0.1, 4000).clip(-1, 1), rng.normal(0, 0.12, 9000).clip(-1, 1)
    d = stats.ks_2samp(one, two).statistic
    np.testing.assert_allclose(closeness(binned(one), binned(two)), 100 * (1 - d), atol=0.3)


def test_an_order_is_drawn_once_and_for_all():
    np.testing.assert_array_equal(drawn_orders(9, 5, 3)[:2], drawn_orders(2, 5, 3))
    assert (np.sort(drawn_orders(20, 7, 0), axis=1) == np.arange(7)).all()


def small_cohort(seed=0, n=16, n_edges=45):
    rng = np.random.default_rng(seed)
    edges, covariates = rng.normal(size=(n, n_edges)), rng.normal(size=(n, 1))
    edges[:3, :9] = np.nan
    return residuals(edges, constant_and(covariates)), rng.gamma(2, 0.1, n) + covariates[:, 0]


def test_a_permutation_is_measured_as_motion_itself_is():
    of, motion = small_cohort()
    distances = np.random.default_rng(1).uniform(5, 150, of.dof.size)
    permuted = permuted_motion(motion, of.basis, 5, seed=0)
    null = Null.of(correlations(of, permuted), of.dof, distances)
    for number, row in enumerate(permuted.astype(float)):
        found = QcFc(r=correlations(of, row[np.newaxis])[0], dof=of.dof)
        np.testing.assert_allclose(null.median_abs_r[number], found.median_abs_r, atol=1e-6)
        np.testing.assert_allclose(null.share_significant[number], found.share_significant)
        np.testing.assert_allclose(null.share_discovered[number], found.share_discovered)
        rho = distance_dependence(found.r, distances)
        np.testing.assert_allclose(null.rho[number], rho, atol=1e-4)
        curve = Curve.of(found.r, distances)
        np.testing.assert_allclose(null.along[number], curve.mean, atol=1e-6)
    assert null.counts.shape == (5, N_BINS)
    assert (null.counts.sum(axis=1) == of.dof.size).all()


def test_permutations_in_parts_are_those_in_one():
    of, motion = small_cohort()
    r, distances = (
        correlations(of, permuted_motion(motion, of.basis, 6, seed=0)),
        np.full(45, np.nan),
    )
    whole = Null.of(r, of.dof, distances)
    parts = Null.joined(*(Null.of(part, of.dof, distances) for part in (r[:2], r[2:])))
    for name in Null.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert np.isnan(whole.rho).all()


def test_permuted_motion_keeps_what_covariates_explain_out():
    of, motion = small_cohort()
    permuted = permuted_motion(motion, of.basis, 50, seed=1)
    np.testing.assert_allclose(np.linalg.norm(permuted, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(permuted.sum(axis=1), 0, atol=1e-6)
    assert np.unique(permuted, axis=0).shape == permuted.shape


def test_without_an_effect_the_observed_lies_inside_of_its_null():
    inside = []
    for seed in range(40):
        of, motion = small_cohort(seed)
        null = Null.of(
            correlations(of, permuted_motion(motion, of.basis, 99, seed=0)),
            of.dof,
            np.full(45, np.nan),
        )
        found = QcFc(r=correlations(of, motion[np.newaxis])[0], dof=of.dof)
        inside.append((null.median_abs_r >= found.median_abs_r).mean())
    assert 0.35 < np.mean(inside) < 0.65
    assert stats.kstest(inside, "uniform").pvalue > 0.01


def test_ranks_are_centred_and_of_length_1():
    ranks = centred_ranks(np.array([[3.0, 1, 2], [1, 1, 1]]))
    np.testing.assert_allclose(ranks[0], [np.sqrt(0.5), -np.sqrt(0.5), 0], atol=1e-15)
    assert np.isnan(ranks[1]).all()
