import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.projections.folding import Products, SparseWeights
from bidsmask.numerics.projections.map_weights import MapWeights
from bidsmask.numerics.projections.maps import MapFit, WeightedMeans
from bidsmask.numerics.projections.regions import LabelMeans, SphereMeans
from bidsmask.numerics.smooth import smoothing_matrices

SHAPE, AFFINE = (9, 8, 7), np.diag([-2.0, 2.0, 2.5, 1.0])
N_VOXELS = 9 * 8 * 7
SEEDS = st.integers(0, 2**32 - 1)
FOLDED = 1e-6
"""Of a column's standard deviation: what folding may change, in double precision."""


def label_means(rng):
    return LabelMeans(rng.integers(0, 5, N_VOXELS), np.array([1, 4, 2, 9]))  # there is no 9


def sphere_means(rng):
    return SphereMeans([rng.choice(N_VOXELS, 12, replace=False) for _ in range(3)])


def maps(kind):
    def make(rng):
        support = np.sort(rng.choice(N_VOXELS, 200, replace=False))
        return kind(MapWeights.of_matrix(rng.random((4, 200)), support))

    return make


KINDS = {
    "labels": label_means,
    "spheres": sphere_means,
    "fitted maps": maps(MapFit),
    "weighted maps": maps(WeightedMeans),
}


@pytest.mark.parametrize("kind", KINDS)
@given(seed=SEEDS, fwhm=st.floats(2, 12))
def test_smoothing_in_the_weights_is_smoothing_the_volumes(kind, seed, fwhm):
    rng = np.random.default_rng(seed)
    projection = KINDS[kind](rng)
    smoothing = smoothing_matrices(SHAPE, AFFINE, fwhm)
    volumes = 1000 + 10 * rng.normal(size=(6, N_VOXELS))
    expected = projection.project(smoothing(volumes)[:, projection.support])
    weights = projection.weights(smoothing)
    columns = projection.from_products(weights.products(volumes[:, weights.support]))
    np.testing.assert_array_equal(np.isnan(columns), np.isnan(expected))
    known = ~np.isnan(expected[0])
    off = np.abs(columns - expected)[:, known] / expected[:, known].std(axis=0)
    assert off.max() < FOLDED


@pytest.mark.parametrize("dtype", ["i2", "f4"])
@given(seed=SEEDS)
def test_single_precision_is_spent_on_what_changes(dtype, seed):
    rng = np.random.default_rng(seed)
    voxels = (10_000 + 20 * rng.normal(size=(12, 50))).astype(dtype)
    matrix = rng.random((3, 50))
    exact = voxels.astype(np.float64) @ matrix.astype(np.float32).T.astype(np.float64)
    products = Products(
        MapWeights.of_matrix(matrix.astype(np.float32), np.arange(50)), single=True
    )
    blocks = np.vstack([products(voxels[:5]), products(voxels[5:])])
    assert np.max(np.abs(blocks - exact) / exact.std(axis=0)) < 1e-5


@given(seed=SEEDS)
def test_sparse_weights_are_dense_ones_without_the_zeros(seed):
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((4, 30)) < 0.3, rng.normal(size=(4, 30)), 0)
    pairs = [(np.flatnonzero(row), row[np.flatnonzero(row)]) for row in matrix]
    weights = SparseWeights(pairs, n_voxels=30)
    volumes = rng.normal(size=(5, 30))
    np.testing.assert_array_equal(weights.support, np.flatnonzero(matrix.any(axis=0)))
    products = weights.products(volumes[:, weights.support])
    np.testing.assert_allclose(products, volumes @ matrix.T, atol=1e-12)


def test_weights_of_no_columns_give_no_columns():
    weights = SparseWeights([], n_voxels=4)
    assert weights.products(np.empty((3, 0))).shape == (3, 0)
