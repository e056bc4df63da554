import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosistest

from bidsmask.numerics.leverage import dvars_percent, flag_leverage, kurtosis_z, leverage
from bidsmask.numerics.quality import VolumeStatistics

SEEDS = st.integers(0, 2**32 - 1)
T, K = 120, 60
STEADY = np.ones(T, dtype=bool)


def noise(seed, n_volumes=T, n_voxels=K):
    return np.random.default_rng(seed).normal(size=(n_volumes, n_voxels))


def with_bursts(seed, volumes=(30, 31, 77)):
    rng = np.random.default_rng(seed)
    voxels = noise(seed)
    pattern = 6 * rng.normal(size=K)
    for volume in volumes:
        voxels[volume] += pattern
    return voxels


# --- laws


@given(seed=SEEDS)
def test_variance_is_that_of_changes_and_of_what_stays_and_of_the_ends(seed):
    """Afyouni & Nichols 2018: A = D + S, summed over time, but for half of both ends."""
    voxels = noise(seed, n_voxels=8) * 3
    seen = VolumeStatistics()
    seen.update(voxels)
    centred = voxels - voxels.mean(axis=0)
    every = (centred**2).mean(axis=1)
    slow = (((centred[1:] + centred[:-1]) / 2) ** 2).mean(axis=1)
    fast = seen.dvars[1:] ** 2 / 4
    np.testing.assert_allclose(every.sum(), fast.sum() + slow.sum() + (every[0] + every[-1]) / 2)
    expected = 100 * (fast - np.median(fast)) / every.mean()
    np.testing.assert_allclose(dvars_percent(seen.dvars, seen.std)[1:], expected, atol=1e-10)


@given(seed=SEEDS, factor=st.floats(0.01, 100), offset=st.floats(-1e3, 1e3))
def test_a_share_of_variance_has_no_unit(seed, factor, offset):
    shares = []
    for voxels in (noise(seed), factor * noise(seed) + offset):
        seen = VolumeStatistics()
        seen.update(voxels)
        shares.append(dvars_percent(seen.dvars, seen.std))
    np.testing.assert_allclose(*shares, rtol=1e-6, atol=1e-6)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_leverage_does_not_depend_on_units_or_on_the_order_of_voxels(seed):
    rng = np.random.default_rng(seed)
    voxels = with_bursts(seed)
    changed = (voxels * rng.uniform(0.1, 9, size=K) + rng.normal(size=K))[:, rng.permutation(K)]
    np.testing.assert_allclose(
        leverage(changed, 2.0, STEADY), leverage(voxels, 2.0, STEADY), atol=1e-6
    )


@settings(max_examples=25)
@given(seed=SEEDS)
def test_leverages_add_up_to_the_number_of_components(seed):
    total = leverage(with_bursts(seed), 2.0, STEADY).sum()
    assert total == pytest.approx(round(total), abs=1e-8)


@settings(max_examples=25)
@given(seed=SEEDS, level=st.floats(-50, 50))
def test_what_an_unsteady_volume_holds_does_not_matter(seed, level):
    voxels, steady = with_bursts(seed), STEADY.copy()
    steady[:2] = False
    spoilt = voxels.copy()
    spoilt[:2] = level
    np.testing.assert_array_equal(leverage(spoilt, 2.0, steady), leverage(voxels, 2.0, steady))


# --- cases


@pytest.mark.parametrize("seed", range(5))
def test_bursts_are_found_and_little_else(seed):
    flags = flag_leverage(leverage(with_bursts(seed), 2.0, STEADY), 3)
    assert flags[[30, 31, 77]].all()
    assert np.count_nonzero(flags) <= 4


def test_normal_noise_flags_a_volume_in_few_runs():
    counts = [
        np.count_nonzero(flag_leverage(leverage(noise(seed), 2.0, STEADY), 3))
        for seed in range(100)
    ]
    assert np.mean(np.array(counts) > 0) < 0.2


def test_drift_is_no_reason_to_leave_a_volume_out():
    times = np.arange(T)
    drift = np.outer(np.cos(np.pi * (times + 0.5) / T), 20 * np.ones(K))
    voxels = noise(0)
    np.testing.assert_allclose(
        leverage(voxels + drift, 2.0, STEADY), leverage(voxels, 2.0, STEADY), atol=1e-8
    )


def test_too_few_volumes_and_voxels_without_values_flag_nothing():
    assert not leverage(noise(0, n_volumes=10), 2.0, np.ones(10, dtype=bool)).any()
    assert not leverage(np.full((T, 3), np.nan), 2.0, STEADY).any()
    assert not leverage(np.ones((T, 3)), 2.0, STEADY).any()
    assert not flag_leverage(np.full(5, np.nan), 3).any()
    assert np.isnan(dvars_percent(np.array([np.nan, 0.0]), np.zeros(3))).all()


# --- an oracle: scipy


@given(seed=SEEDS, n_volumes=st.integers(20, 400), power=st.sampled_from([1, 3]))
def test_the_score_of_kurtosis_is_that_of_scipy(seed, n_volumes, power):
    columns = noise(seed, n_volumes, 5) ** power
    np.testing.assert_allclose(kurtosis_z(columns), kurtosistest(columns).statistic, rtol=1e-9)
