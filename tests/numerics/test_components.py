"""Confounds from the columns that vary most."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn import signal

from bidsmask.numerics.components import (
    DetrendedPower,
    high_variance_components,
    leading_components,
    varies_most,
)
from bidsmask.numerics.filters import detrend as without_line

SEEDS = st.integers(0, 2**32 - 1)
T, V = 40, 500

NILEARN_TOLERANCE = 1e-7


def random_voxels(seed):
    """Voxels around large means with trends; some of them vary more than others."""
    rng = np.random.default_rng(seed)
    waves = np.cumsum(rng.normal(size=(T, 8)), axis=0)
    voxels = waves @ rng.normal(size=(8, V)) * rng.gamma(1, size=V) + rng.normal(size=(T, V))
    return voxels + rng.uniform(0, 10_000, size=V) + np.outer(np.arange(T), rng.normal(size=V))


def subspace(components):
    return components @ components.T


@given(seed=SEEDS, n=st.integers(1, 8))
def test_components_are_orthonormal(seed, n):
    components = leading_components(random_voxels(seed), n)
    np.testing.assert_allclose(components.T @ components, np.eye(n), atol=1e-10)


@given(seed=SEEDS)
def test_fewer_components_are_the_first_of_more(seed):
    voxels = random_voxels(seed)
    more = high_variance_components(voxels, n_components=5)
    np.testing.assert_allclose(high_variance_components(voxels, n_components=2), more[:, :2])


@given(seed=SEEDS)
def test_the_order_of_voxels_changes_nothing_not_even_a_sign(seed):
    voxels = random_voxels(seed)
    shuffled = voxels[:, np.random.default_rng(seed).permutation(V)]
    np.testing.assert_allclose(
        high_variance_components(shuffled), high_variance_components(voxels), atol=1e-8
    )


@given(seed=SEEDS)
def test_means_and_lines_do_not_matter_when_they_are_removed(seed):
    voxels = random_voxels(seed)
    lines = 1e4 + np.outer(np.arange(T), np.random.default_rng(seed).normal(size=V))
    np.testing.assert_allclose(
        high_variance_components(voxels + lines), high_variance_components(voxels), atol=1e-6
    )


@given(seed=SEEDS, cuts=st.sets(st.integers(1, T - 1), max_size=5), detrend=st.booleans())
def test_power_does_not_depend_on_the_blocks_in_which_volumes_come(seed, cuts, detrend):
    voxels = random_voxels(seed)
    power = DetrendedPower(V, detrend=detrend)
    for block in np.split(voxels, sorted(cuts)):
        power.update(block)
    expected = np.mean((without_line(voxels) if detrend else voxels) ** 2, axis=0)
    np.testing.assert_allclose(power.mean_squares(), expected, rtol=1e-8)


@given(seed=SEEDS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_voxel_with_a_missing_value_is_left_out(seed, value):
    voxels = random_voxels(seed)
    spoilt = voxels.copy()
    spoilt[3, 7] = value
    left = np.delete(voxels, 7, axis=1)
    np.testing.assert_array_equal(high_variance_components(spoilt), high_variance_components(left))


@pytest.mark.parametrize("kind", [np.int16, np.uint8, ">f4"])
def test_power_of_any_number_type_is_that_of_double_precision(kind):
    voxels = np.random.default_rng(0).integers(0, 200, size=(T, V)).astype(kind)
    power = DetrendedPower(V, detrend=True)
    power.update(voxels)
    expected = np.mean(without_line(voxels.astype(np.float64)) ** 2, axis=0)
    np.testing.assert_allclose(power.mean_squares(), expected, rtol=1e-12)


def test_voxels_of_zeros_are_never_chosen():
    mean_squares = np.zeros(1000)
    mean_squares[:3] = 1.0
    np.testing.assert_array_equal(np.flatnonzero(varies_most(mean_squares, 2.0)), [0, 1, 2])


def test_signals_with_fewer_directions_give_fewer_components_and_a_warning():
    voxels = np.zeros((T, V))
    voxels[:, 0], voxels[:, 1] = np.sin(np.arange(T)), np.cos(np.arange(T))
    with pytest.warns(UserWarning, match="2 columns .* have 2 components, not 5"):
        ours = high_variance_components(voxels)
    assert ours.shape == (T, 2)
    theirs = signal.high_variance_confounds(voxels)
    beyond = theirs - subspace(ours) @ theirs  # of norm 1: nothing to do with the signals
    np.testing.assert_allclose(np.linalg.norm(beyond, axis=0)[2:], 1, atol=1e-7)


def test_no_signal_is_refused():
    with pytest.raises(ValueError, match="No column varies more than the others"):
        high_variance_components(np.zeros((T, V)))
    with pytest.raises(ValueError, match="No column varies more than the others"):
        high_variance_components(np.full((T, V), np.nan))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"percentile": 101}, "percentile must be from 0 to 100, not 101"),
        ({"n_components": 0}, "must be above 0, not 0"),
    ],
)
def test_impossible_wishes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        high_variance_components(random_voxels(0), **options)


@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize(("n", "percentile"), [(5, 2.0), (3, 10.0), (1, 50.0), (5, 99.0)])
def test_the_components_are_those_of_nilearn_but_for_the_sign(n, percentile, detrend):
    voxels = random_voxels(3)
    theirs = signal.high_variance_confounds(voxels, n, percentile, detrend)
    ours = high_variance_components(voxels, n_components=n, percentile=percentile, detrend=detrend)
    np.testing.assert_allclose(subspace(ours), subspace(theirs), atol=NILEARN_TOLERANCE)
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, atol=1e-6)
