import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bidsmask.numerics.benchmarks.partial import (
    constant_and,
    correlations,
    correlations_without,
    residuals,
)
from bidsmask.numerics.benchmarks.qcfc import (
    QcFc,
    critical_r,
    discovered,
    null_median_abs_r,
    p_of,
)

N, E = 24, 30


def cohort(seed, *, n_covariates=2, holes=True):
    """Edges (N, E) of which some are not known, motion (N,), covariates (N, k)."""
    rng = np.random.default_rng(seed)
    motion, covariates = rng.gamma(2, 0.1, N), rng.normal(size=(N, n_covariates))
    edges = rng.normal(size=(N, E)) + rng.normal(size=E) * motion[:, np.newaxis]
    edges += covariates @ rng.normal(size=(n_covariates, E))
    if holes:
        edges[:4, :3] = edges[7, 2:9] = np.nan
    return edges, motion, covariates


def qcfc(edges, motion, covariates):
    of = residuals(edges, constant_and(covariates))
    return QcFc(r=correlations(of, motion[np.newaxis])[0], dof=of.dof)


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-5, 5), scale=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_units_and_what_covariates_explain_change_nothing(seed, shift, scale):
    edges, motion, covariates = cohort(seed)
    moved = scale * motion + shift + covariates @ [0.3, -0.2]
    np.testing.assert_allclose(
        qcfc(scale * edges + shift + covariates[:, :1], moved, covariates).r,
        qcfc(edges, motion, covariates).r,
        atol=1e-8,
    )


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_an_edge_is_judged_by_the_subjects_that_have_it_as_if_there_were_no_others(seed):
    edges, motion, covariates = cohort(seed)
    found = qcfc(edges, motion, covariates)
    for edge in (0, 2, 5, 20):
        has = np.isfinite(edges[:, edge])
        alone = qcfc(edges[has][:, [edge]], motion[has], covariates[has])
        np.testing.assert_allclose(found.r[edge], alone.r[0], atol=1e-10)
        assert found.dof[edge] == alone.dof[0] == has.sum() - 2 - 2


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_leaving_subjects_out_is_as_if_they_had_never_been_there(seed):
    edges, motion, covariates = cohort(seed)
    groups = [np.array([0]), np.array([3, 7, 9]), np.arange(10)]
    of = residuals(edges, constant_and(covariates))
    for group, r in zip(groups, correlations_without(of, motion, groups), strict=True):
        rest = np.delete(np.arange(N), group)
        expected = qcfc(edges[rest], motion[rest], covariates[rest]).r
        np.testing.assert_allclose(r, expected, atol=1e-9)


def test_small_numbers_can_be_checked_by_eye():
    rising = np.array([[0.1], [0.2], [0.3], [0.4]])
    found = qcfc(np.hstack([rising, -rising, rising**0]), rising[:, 0], np.zeros((4, 0)))
    np.testing.assert_allclose(found.r, [1, -1, np.nan])
    assert found.n_edges == 2
    assert found.median_abs_r == 1


def test_nothing_is_said_of_what_has_no_freedom_or_does_not_move():
    edges, motion, covariates = cohort(0)
    assert np.isnan(qcfc(edges[:4], motion[:4], covariates[:4]).r).all()  # 4 - 2 - 2 = 0
    assert np.isnan(qcfc(edges, np.ones(N), covariates).r).all()
    assert np.isnan(qcfc(edges, covariates[:, 0] * 3 + 1, covariates).r).all()
    nothing = qcfc(edges[:2], motion[:2], covariates[:2])
    assert nothing.n_edges == 0
    assert np.isnan([nothing.median_abs_r, nothing.expected_abs_r, nothing.share_discovered]).all()


def test_a_covariate_that_says_nothing_new_costs_nothing():
    edges, motion, covariates = cohort(1)
    twice = np.column_stack([covariates, covariates.sum(axis=1), np.ones(N)])
    found, expected = qcfc(edges, motion, twice), qcfc(edges, motion, covariates)
    np.testing.assert_allclose(found.r, expected.r, atol=1e-10)
    np.testing.assert_array_equal(found.dof, expected.dof)


def test_qcfc_is_the_partial_correlation_of_pingouin():
    edges, motion, covariates = cohort(2)
    found = qcfc(edges, motion, covariates)
    for edge in (0, 4, 25):
        table = pd.DataFrame(
            {"z": edges[:, edge], "fd": motion, "age": covariates[:, 0], "sex": covariates[:, 1]}
        ).dropna()
        theirs = pingouin.partial_corr(table, x="fd", y="z", covar=["age", "sex"])
        column = "p_val" if "p_val" in theirs else "p-val"  # renamed in pingouin 0.6
        np.testing.assert_allclose(found.r[edge], theirs["r"].iloc[0], atol=1e-12)
        np.testing.assert_allclose(found.p[edge], theirs[column].iloc[0], atol=1e-12)


def test_p_is_that_of_motion_in_the_regression_of_statsmodels():
    edges, motion, covariates = cohort(3)
    found = qcfc(edges, motion, covariates)
    design = sm.add_constant(np.column_stack([motion, covariates]))
    for edge in (1, 8, 29):
        has = np.isfinite(edges[:, edge])
        fit = sm.OLS(edges[has, edge], design[has]).fit()
        np.testing.assert_allclose(found.p[edge], fit.pvalues[1], atol=1e-12)
        assert found.dof[edge] == fit.df_resid


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_discoveries_are_those_of_statsmodels_and_need_significant_tests_only(p):
    p = np.array(p)
    theirs = multipletests(p, alpha=0.05, method="fdr_bh")[0]
    np.testing.assert_array_equal(discovered(p, p.size), theirs)
    small = p < 0.05
    np.testing.assert_array_equal(discovered(p[small], p.size), theirs[small])


@pytest.mark.parametrize("dof", [1, 3, 17, 400])
def test_what_chance_gives_is_the_median_of_the_distribution_of_r(dof):
    median = null_median_abs_r(np.array([dof]))
    np.testing.assert_allclose(p_of(median, np.array(dof)), 0.5, atol=1e-10)
    t = stats.t(dof).ppf(0.75)
    np.testing.assert_allclose(median, t / np.sqrt(dof + t**2), atol=1e-10)
    np.testing.assert_allclose(p_of(critical_r(np.array(dof)), np.array(dof)), 0.05)


def test_chance_among_edges_of_different_subjects_is_that_of_all_of_them_together():
    dof = np.array([5, 5, 80])
    median = null_median_abs_r(dof)
    np.testing.assert_allclose(p_of(np.full(3, median), dof).mean(), 0.5, atol=1e-9)


def test_the_median_of_simulated_noise_is_what_chance_gives():
    rng = np.random.default_rng(4)
    edges, motion, covariates = rng.normal(size=(20, 4000)), rng.normal(size=20), np.ones((20, 0))
    found = qcfc(edges, motion, covariates)
    np.testing.assert_allclose(found.median_abs_r, found.expected_abs_r, atol=0.006)
    np.testing.assert_allclose(found.share_significant, 0.05, atol=0.012)
