"""Weights cut into cubes are those of one full matrix, whatever is asked of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.projections.map_weights import MapWeights, mapped_box, shown_box
from bidsmask.numerics.resample import resampling_matrices
from bidsmask.numerics.separable import cut
from bidsmask.numerics.smooth import smoothing_matrices

SHAPE = (27, 14, 25)  # not whole numbers of cubes
N_VOXELS = 27 * 14 * 25
SEEDS = st.integers(0, 2**32 - 1)


def compact_maps(rng, n_maps=5):
    """A box of random weights for each map, some of them 0; the third map is empty."""
    maps = np.zeros((n_maps, *SHAPE))
    for each in maps:
        start = [rng.integers(0, size) for size in SHAPE]
        stop = [rng.integers(low + 1, size + 1) for low, size in zip(start, SHAPE, strict=True)]
        box = tuple(map(slice, start, stop))
        each[box] = rng.normal(size=each[box].shape) * (rng.random(each[box].shape) < 0.7)
    maps[2] = 0
    return maps.reshape(n_maps, -1, order="F")


def in_cubes(maps, dtype=np.float64):
    return MapWeights.of_boxes((shown_box(each, SHAPE) for each in maps), SHAPE, dtype)


@given(seed=SEEDS)
def test_cubes_hold_what_is_not_0(seed):
    maps = compact_maps(np.random.default_rng(seed))
    weights = in_cubes(maps)
    shown = maps[:, weights.support]
    np.testing.assert_array_equal(np.sort(weights.support), np.flatnonzero(maps.any(axis=0)))
    np.testing.assert_array_equal(list(weights.rows()), shown)
    np.testing.assert_array_equal(list(weights.volumes(SHAPE)), maps)
    np.testing.assert_array_equal(weights.sizes(), np.count_nonzero(maps, axis=1))
    np.testing.assert_array_equal(weights.is_negative(), (maps < 0).any(axis=1))
    np.testing.assert_array_equal(weights.n_maps_of_voxels(0.5), (np.abs(shown) > 0.5).sum(0))
    np.testing.assert_allclose(weights.totals(), maps.sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(weights.totals_of_voxels(), shown.sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("build", ["cubes", "matrix"])
@given(seed=SEEDS)
def test_products_are_those_of_the_matrix(build, seed):
    rng = np.random.default_rng(seed)
    maps = compact_maps(rng)
    matrix = build == "matrix"
    weights = MapWeights.of_matrix(maps, np.arange(N_VOXELS)) if matrix else in_cubes(maps)
    shown, known = maps[:, weights.support], rng.random(weights.support.size) < 0.8
    voxels = rng.normal(size=(3, weights.support.size))
    columns = rng.normal(size=(4, 5))
    np.testing.assert_allclose(weights.products(voxels), voxels @ shown.T, atol=1e-9)
    np.testing.assert_allclose(weights.gram(), shown @ shown.T, atol=1e-9)
    np.testing.assert_allclose(weights.gram(known), shown[:, known] @ shown[:, known].T, atol=1e-9)
    np.testing.assert_allclose(weights.expanded(columns), columns @ shown, atol=1e-12)


@given(seed=SEEDS)
def test_maps_are_chosen_and_voxels_masked(seed):
    rng = np.random.default_rng(seed)
    maps, mask = compact_maps(rng), rng.random(N_VOXELS) < 0.5
    numbers = np.flatnonzero(rng.random(5) < 0.6)
    inside = in_cubes(maps).within(mask)
    np.testing.assert_array_equal(list(inside.volumes(SHAPE)), maps * mask)
    chosen = in_cubes(maps).chosen(numbers)
    assert chosen.n_maps == numbers.size
    for row, number in zip(chosen.rows(), numbers, strict=True):
        np.testing.assert_array_equal(row, maps[number, chosen.support])


@given(seed=SEEDS, fwhm=st.floats(2, 8))
def test_folding_is_mapping_the_volumes(seed, fwhm):
    rng = np.random.default_rng(seed)
    maps, volumes = compact_maps(rng), rng.normal(size=(2, N_VOXELS))
    smoothing = smoothing_matrices(SHAPE, np.diag([2.0, 2, 3, 1]), fwhm)
    folded = in_cubes(maps).folded(smoothing)
    expected = smoothing(volumes) @ maps.T
    np.testing.assert_allclose(
        folded.products(volumes[:, folded.support]), expected, atol=1e-7 * np.abs(expected).max()
    )


@given(seed=SEEDS, shift=st.floats(-30, 30))
def test_only_the_box_that_something_reaches_is_computed(seed, shift):
    volume = compact_maps(np.random.default_rng(seed), n_maps=3)[0]
    elsewhere = np.diag([1.3, 0.9, 1.1, 1])
    elsewhere[:3, 3] = shift
    target = (20, 16, 22)
    matrices = resampling_matrices(SHAPE, np.eye(4), target, elsewhere, order=1)
    box, values = mapped_box(matrices, volume)
    whole = matrices(volume[np.newaxis]).reshape(1, *target[::-1])
    np.testing.assert_allclose(values, cut(whole, box)[0], atol=1e-12)
    assert np.count_nonzero(whole) == np.count_nonzero(cut(whole, box))


def test_what_is_not_a_number_is_no_weight():
    volume = np.array([0, np.nan, 2.0, -np.inf, 0, 0, 0, 0])
    box, values = shown_box(volume, (4, 2, 1))
    assert box == (slice(1, 4), slice(0, 1), slice(0, 1))
    np.testing.assert_array_equal(values, [[[0, 2, 0]]])


def test_no_maps_have_no_support():
    weights = MapWeights.of_boxes([], SHAPE, np.float32)
    assert (weights.n_maps, weights.support.size) == (0, 0)
    assert weights.products(np.empty((3, 0))).shape == (3, 0)
