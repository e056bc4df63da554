import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from bidsmask.numerics.projections.map_weights import MapWeights
from bidsmask.numerics.projections.maps import MapFit, WeightedMeans

SEEDS = st.integers(0, 2**32 - 1)
SUPPORT = np.arange(40)

LEAST_SQUARES = 1e-10
"""Normal equations here, singular values in nilearn (scipy's lstsq)."""


def random_maps(seed, n_maps=5):
    """Smooth-edged, overlapping, none of them a sum of others."""
    rng = np.random.default_rng(seed)
    maps = rng.random((n_maps, 40)) * (rng.random((n_maps, 40)) < 0.6)
    maps[:, :n_maps] += 2 * np.eye(n_maps)
    return maps


def on(kind, maps, support=SUPPORT):
    return kind(MapWeights.of_matrix(maps, support))


def random_voxels(seed, dtype="f8"):
    return np.random.default_rng(seed).integers(0, 100, (6, 40)).astype(dtype)


@given(seed=SEEDS)
def test_a_sum_of_maps_is_taken_apart_again(seed):
    fit = on(MapFit, random_maps(seed))
    columns = np.random.default_rng(seed).normal(size=(4, 5))
    np.testing.assert_allclose(fit.project(fit.expand(columns)), columns, atol=LEAST_SQUARES)


@given(seed=SEEDS)
def test_what_the_fit_leaves_is_orthogonal_to_all_maps(seed):
    maps, voxels = random_maps(seed), random_voxels(seed)
    fit = on(MapFit, maps)
    residuals = voxels - fit.expand(fit.project(voxels))
    np.testing.assert_allclose(residuals @ maps.T, 0, atol=1e-8)


@given(seed=SEEDS, dtype=st.sampled_from(["i2", ">i2", "u1", "f4", ">f4", "f8"]))
def test_coefficients_are_those_of_scipy_which_nilearn_calls(seed, dtype):
    maps, voxels = random_maps(seed), random_voxels(seed, dtype)
    expected = linalg.lstsq(maps.T, voxels.T.astype(np.float64))[0].T
    np.testing.assert_allclose(
        on(MapFit, maps).project(voxels), expected, rtol=LEAST_SQUARES, atol=LEAST_SQUARES
    )


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
@given(seed=SEEDS, a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_maps_are_linear_in_the_voxels(kind, seed, a, b):
    projection = on(kind, random_maps(seed))
    x, y = random_voxels(seed), random_voxels(seed + 1)
    both = projection.project(a * x + b * y)
    np.testing.assert_allclose(
        both, a * projection.project(x) + b * projection.project(y), atol=1e-8
    )


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
@given(seed=SEEDS)
def test_the_order_of_maps_only_orders_the_columns(kind, seed):
    maps, voxels = random_maps(seed), random_voxels(seed)
    order = np.random.default_rng(seed).permutation(5)
    np.testing.assert_allclose(
        on(kind, maps[order]).project(voxels),
        on(kind, maps).project(voxels)[:, order],
        rtol=LEAST_SQUARES,
        atol=LEAST_SQUARES,
    )


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
@given(seed=SEEDS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_voxels_are_left_out_of_their_volume(kind, seed, value):
    maps, voxels = random_maps(seed), random_voxels(seed)
    hole = np.random.default_rng(seed).random(40) < 0.2
    hole[:5] = False
    voxels[2, hole] = value
    columns = on(kind, maps).project(voxels)
    without = on(kind, maps[:, ~hole], SUPPORT[~hole]).project(voxels[[2]][:, ~hole])
    np.testing.assert_allclose(columns[[2]], without, rtol=LEAST_SQUARES, atol=LEAST_SQUARES)
    others = on(kind, maps).project(np.delete(voxels, 2, 0))
    np.testing.assert_allclose(np.delete(columns, 2, 0), others, rtol=LEAST_SQUARES)


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
def test_a_map_of_zeros_gives_a_column_of_nan_and_does_not_disturb_the_others(kind):
    maps, voxels = random_maps(1), random_voxels(1)
    with_zeros = np.insert(maps, 2, 0, axis=0)
    projection = on(kind, with_zeros)
    columns = projection.project(voxels)
    expected = on(kind, maps).project(voxels)
    assert projection.n_columns == 6
    assert np.isnan(columns[:, 2]).all()
    # not to the bit: a library sums in another order where there is one row more
    np.testing.assert_allclose(np.delete(columns, 2, 1), expected, rtol=1e-12)
    assert np.isfinite(projection.expand(columns)).all()


@given(seed=SEEDS)
def test_a_weighted_mean_is_that_of_numpy(seed):
    maps, voxels = random_maps(seed), random_voxels(seed)
    expected = [[np.average(volume, weights=weights) for weights in maps] for volume in voxels]
    np.testing.assert_allclose(on(WeightedMeans, maps).project(voxels), expected, rtol=1e-12)


@given(seed=SEEDS)
def test_maps_apart_get_their_weighted_mean_back(seed):
    rng = np.random.default_rng(seed)
    maps = rng.uniform(0.1, 1, (4, 40)) * np.repeat(np.eye(4), 10, axis=1)
    means = on(WeightedMeans, maps)
    columns = rng.normal(size=(3, 4))
    np.testing.assert_allclose(means.project(means.expand(columns)), columns, rtol=1e-12)


def test_least_squares_tell_overlapping_maps_apart_and_means_do_not():
    maps = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    voxels = maps.T @ [[3.0], [5.0]]
    np.testing.assert_allclose(on(MapFit, maps, np.arange(3)).project(voxels.T), [[3, 5]])
    np.testing.assert_allclose(
        on(WeightedMeans, maps, np.arange(3)).project(voxels.T), [[5.5, 6.5]]
    )


def test_maps_that_cannot_be_told_apart_are_refused_by_name():
    maps = random_maps(0)
    twice = np.vstack([maps, 3 * maps[1]])
    blown_up = linalg.lstsq(twice.T, random_voxels(0).T.astype(float))[0]
    assert blown_up.shape == (6, 6)  # nilearn says nothing, and gives what it gets
    with pytest.raises(ValueError, match="Maps 1, 5 "):
        on(MapFit, twice)


def test_a_volume_that_does_not_determine_the_maps_is_missing():
    maps = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    voxels = np.array([[np.nan, 1.0, np.nan], [1.0, 1.0, 0.0], [1.0, np.nan, np.nan]])
    columns = on(MapFit, maps, np.arange(3)).project(voxels)
    np.testing.assert_allclose(columns, [[np.nan, np.nan], [1, 0], [np.nan, np.nan]], atol=1e-12)


@given(seed=SEEDS)
def test_a_map_of_which_hardly_anything_is_left_is_fitted_to_that(seed):
    """Nothing cancels: the products of maps are then added up anew, and not corrected."""
    rng = np.random.default_rng(seed)
    maps, columns = random_maps(seed), rng.normal(size=(1, 5))
    maps[2, 10:30] *= 1e7
    voxels = columns @ maps
    voxels[:, 10:30] = np.nan
    np.testing.assert_allclose(on(MapFit, maps).project(voxels), columns, rtol=1e-8)


def test_volumes_with_different_holes_are_fitted_apart():
    rng = np.random.default_rng(0)
    maps, columns = random_maps(0), rng.normal(size=(9, 5))
    voxels = columns @ maps
    voxels[[1, 4, 6], 30:] = voxels[[2, 7], 25:29] = np.nan
    np.testing.assert_allclose(on(MapFit, maps).project(voxels), columns, rtol=1e-10)


def test_negative_weights_have_no_mean_but_a_fit():
    maps = random_maps(0)
    maps[3, 7] = -1
    with pytest.raises(ValueError, match=r"Map 3 .* negative"):
        on(WeightedMeans, maps)
    on(MapFit, maps)


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
def test_maps_that_are_not_finite_are_refused(kind):
    with pytest.raises(ValueError, match="finite"):
        on(kind, np.array([[1.0, np.nan]]), np.arange(2))


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
def test_no_maps_give_no_columns(kind):
    assert on(kind, np.empty((0, 40))).project(random_voxels(0)).shape == (6, 0)


@pytest.mark.parametrize("kind", [MapFit, WeightedMeans])
def test_maps_of_another_type_are_computed_with_in_double_precision(kind):
    maps = (10 * random_maps(0)).astype(np.int16)
    columns = on(kind, maps).project(random_voxels(0, "f4"))
    assert columns.dtype == np.float64
    np.testing.assert_array_equal(
        columns, on(kind, maps.astype(np.float64)).project(random_voxels(0))
    )
