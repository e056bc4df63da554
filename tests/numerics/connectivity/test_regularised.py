import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import GraphicalLassoCV, LedoitWolf, graphical_lasso

from bidsmask.errors import ConvergenceError
from bidsmask.numerics.connectivity.regularised import (
    ledoit_wolf,
    sparse_precision,
    standard_scores,
)

SEEDS = st.integers(0, 2**32 - 1)


def scores_of(seed, n_volumes=40, n_columns=6):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_volumes, 2)) @ rng.normal(size=(2, n_columns))
    return standard_scores(shared + rng.normal(size=(n_volumes, n_columns)))


@given(seed=SEEDS, n_columns=st.integers(1, 60))
def test_with_as_many_degrees_of_freedom_as_rows_it_is_scikit_learns(seed, n_columns):
    scores = scores_of(seed, n_columns=n_columns)
    covariance, shrinkage = ledoit_wolf(scores, 40)
    theirs = LedoitWolf().fit(scores)
    assert shrinkage == pytest.approx(theirs.shrinkage_, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(covariance, theirs.covariance_, rtol=1e-12, atol=1e-12)


@given(seed=SEEDS, dof=st.floats(1, 40))
def test_the_error_of_the_covariance_is_that_of_so_many_independent_rows(seed, dof):
    """As in the paper: error over distance, but for the error's divisor."""
    scores = scores_of(seed)
    sample = scores.T @ scores / 40
    distance = np.sum((sample - np.trace(sample) / 6 * np.eye(6)) ** 2)
    products = scores[:, :, np.newaxis] * scores[:, np.newaxis, :]
    error = np.sum((products - sample) ** 2) / 40 / dof
    assert ledoit_wolf(scores, dof)[1] == pytest.approx(min(error / distance, 1))


def band_passed(rng, n_volumes, mixing):
    """White noise, mixed, of which a quarter of the frequencies passes; and what is left of it."""
    cosines = np.cos(
        np.pi * np.outer(np.arange(n_volumes) + 0.5, np.arange(1, n_volumes // 4)) / n_volumes
    ) * np.sqrt(2 / n_volumes)
    return cosines @ (cosines.T @ rng.normal(size=(n_volumes, len(mixing)))) @ mixing.T


def test_of_band_passed_noise_degrees_of_freedom_do_better_than_rows():
    """Nearer to the covariance and to the partial correlations that were planted, and by far."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(40, 4))
    planted = loadings @ loadings.T + np.diag(rng.uniform(1, 4, size=40))
    planted /= np.sqrt(np.outer(np.diag(planted), np.diag(planted)))
    mixing = np.linalg.cholesky(planted)
    errors = {"rows": [], "dof": []}
    for _ in range(30):
        scores = standard_scores(band_passed(rng, 240, mixing))
        for name, count in (("rows", 240), ("dof", 59)):
            covariance, _ = ledoit_wolf(scores, count)
            off = [
                np.linalg.norm(covariance - planted),
                np.linalg.norm(partial_off(covariance, planted)),
            ]
            errors[name].append(off)
    of_rows, of_dof = np.mean(errors["rows"], axis=0), np.mean(errors["dof"], axis=0)
    assert of_dof[0] < of_rows[0]
    assert of_dof[1] < 0.75 * of_rows[1]


def partial_off(covariance, planted):
    def partial(matrix):
        inverse = np.linalg.inv(matrix)
        return -inverse / np.sqrt(np.outer(np.diag(inverse), np.diag(inverse)))

    return partial(covariance) - partial(planted)


def test_a_graphical_lasso_is_scikit_learns_and_names_its_penalty():
    scores = scores_of(0, n_volumes=100)
    precision, alpha = sparse_precision(scores, 0.3)
    _, theirs = graphical_lasso(scores.T @ scores / 100, 0.3, enet_tol=1e-8)
    assert alpha == 0.3
    np.testing.assert_allclose(precision, theirs, atol=1e-4)
    assert np.count_nonzero(precision == 0) > 0


def test_without_a_penalty_cross_validation_chooses_it():
    scores = scores_of(0, n_volumes=100)
    precision, alpha = sparse_precision(scores, None)
    theirs = GraphicalLassoCV(enet_tol=1e-8).fit(scores)
    assert alpha == pytest.approx(theirs.alpha_, rel=0.05)
    np.testing.assert_allclose(precision, theirs.precision_, atol=0.05)


def test_a_fit_that_does_not_converge_is_refused_with_what_to_do():
    scores = scores_of(0, n_volumes=8, n_columns=30)
    with pytest.raises(ConvergenceError, match="larger penalty"):
        sparse_precision(scores, 1e-9)
