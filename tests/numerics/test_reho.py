"""ReHo: laws of ranks, and Kendall's W by its definition, voxel by voxel."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from bidsmask.numerics.links import voxel_links
from bidsmask.numerics.reho import (
    LEAST_NEIGHBOURS,
    LinkedNeighbourhoods,
    Neighbourhoods,
    centred_ranks,
    reho,
)

SHAPE, T = (5, 6, 4), 30
seeds = st.integers(0, 2**32 - 1)


def run(seed, share=0.9, *, shape=SHAPE, ties=False):
    """A mask, and signals of its voxels that have something in common."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < share
    n_voxels = int(mask.sum())
    signals = rng.normal(size=(T, 1)) + rng.normal(size=(T, n_voxels))
    return mask, np.round(signals) if ties else signals


def reho_of(signals, mask):
    return reho(*centred_ranks(signals), Neighbourhoods(mask))


def by_definition(signals, mask):
    """Kendall's W of each voxel and its neighbours, from ranks as scipy gives them."""
    numbers = np.full(mask.shape, -1)
    places = np.argwhere(mask.transpose(2, 1, 0))[:, ::-1]  # x running fastest
    numbers[tuple(places.T)] = np.arange(len(places))
    varies = np.ptp(signals, axis=0) > 0
    w = np.full(len(places), np.nan)
    for voxel, (x, y, z) in enumerate(places):
        box = numbers[max(x - 1, 0) : x + 2, max(y - 1, 0) : y + 2, max(z - 1, 0) : z + 2]
        around = [number for number in box.ravel() if number >= 0 and varies[number]]
        if varies[voxel] and len(around) >= LEAST_NEIGHBOURS:
            w[voxel] = kendalls_w(signals[:, around])
    return w


def kendalls_w(raters):
    n, k = raters.shape
    ranks = scipy.stats.rankdata(raters, axis=0)
    counts = [np.unique(column, return_counts=True)[1] for column in raters.T]
    tied = sum(float((t**3 - t).sum()) for t in counts)
    sums = ranks.sum(axis=1)
    return 12 * ((sums - sums.mean()) ** 2).sum() / (k**2 * (n**3 - n) - k * tied)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_kendalls_w_of_each_neighbourhood(seed, ties):
    mask, signals = run(seed, ties=ties)
    signals[:, 3] = 7
    found = reho_of(signals, mask)
    assert np.isnan(found[3])
    assert np.isfinite(found).any()
    np.testing.assert_allclose(found, by_definition(signals, mask), rtol=1e-12)


def test_without_ties_it_is_a_mean_of_spearmans_correlations():
    mask, signals = run(4, share=2, shape=(3, 3, 3))
    correlations = scipy.stats.spearmanr(signals).statistic
    r = correlations[np.triu_indices(27, 1)].mean()
    np.testing.assert_allclose(reho_of(signals, mask)[13], (26 * r + 1) / 27, rtol=1e-12)


@given(seed=seeds, ties=st.booleans())
def test_it_lies_between_0_and_1(seed, ties):
    mask, signals = run(seed, ties=ties)
    w = reho_of(signals, mask)
    assert ((w >= 0) & (w <= 1) | np.isnan(w)).all()


@given(seed=seeds, ties=st.booleans())
def test_what_keeps_the_order_of_values_changes_nothing(seed, ties):
    mask, signals = run(seed, ties=ties)
    w = reho_of(signals, mask)
    np.testing.assert_array_equal(reho_of(np.exp(signals), mask), w)
    np.testing.assert_array_equal(reho_of(signals**3 + 2 * signals, mask), w)
    np.testing.assert_allclose(reho_of(-signals, mask), w, rtol=1e-6)


@given(seed=seeds)
def test_neighbours_that_rise_and_fall_together_agree_fully(seed):
    mask, signals = run(seed)
    scales = np.random.default_rng(seed).uniform(0.1, 9, size=signals.shape[1])
    w = reho_of(signals[:, :1] * scales, mask)
    np.testing.assert_allclose(w[np.isfinite(w)], 1, rtol=1e-6)


@given(seed=seeds)
def test_axes_may_be_flipped_and_exchanged(seed):
    mask, signals = run(seed)
    volume = np.full(SHAPE, np.nan)
    volume.T[mask.T] = reho_of(signals, mask)
    lattice = np.zeros((*SHAPE, T))
    lattice.transpose(2, 1, 0, 3)[mask.T] = signals.T
    turned, turned_mask = lattice.transpose(2, 0, 1, 3)[::-1], mask.transpose(2, 0, 1)[::-1]
    found = np.full(turned_mask.shape, np.nan)
    found.T[turned_mask.T] = reho_of(turned.transpose(2, 1, 0, 3)[turned_mask.T].T, turned_mask)
    np.testing.assert_allclose(found, volume.transpose(2, 0, 1)[::-1], rtol=1e-12)


def test_a_voxel_with_fewer_than_14_neighbours_has_none():
    mask = np.ones((3, 3, 3), dtype=bool)
    signals = np.random.default_rng(5).normal(size=(T, 27))
    w = reho_of(signals, mask).reshape((3, 3, 3), order="F")
    assert np.isfinite(w[1, 1, 1])
    assert np.isfinite(w[0, 1, 1]), "a face: 18 voxels"
    assert np.isnan(w[0, 0, 1]), "an edge: 12 voxels"
    assert np.isnan(w[0, 0, 0]), "a corner: 8 voxels"


def test_voxels_without_a_signal_are_nobodys_neighbours():
    mask = np.ones((3, 3, 3), dtype=bool)
    signals = np.random.default_rng(6).normal(size=(T, 27))
    without = np.delete(np.arange(27), [0, 5, 20])
    signals[:, 0], signals[3, 5], signals[7, 20] = 4.0, np.nan, np.inf
    w = reho_of(signals, mask)
    assert np.isnan(w[[0, 5, 20]]).all()
    np.testing.assert_allclose(w[13], kendalls_w(signals[:, without]), rtol=1e-12)


@given(seed=seeds, ties=st.booleans())
def test_links_of_voxels_that_touch_give_the_same(seed, ties):
    mask, signals = run(seed, ties=ties)
    ijk = np.argwhere(mask.transpose(2, 1, 0))[:, ::-1]
    links = (voxel_links(ijk) + sparse.eye_array(len(ijk))).tocsr().astype(np.float32)
    linked = LinkedNeighbourhoods(links=links, sizes=np.full(len(ijk), 27))
    found = reho(*centred_ranks(signals), linked)
    np.testing.assert_allclose(found, reho_of(signals, mask), rtol=1e-12)


@given(seed=seeds, n_volumes=st.integers(2, 70), places=st.sampled_from([0, 1, 15]))
def test_ranks_are_those_of_scipy(seed, n_volumes, places):
    signals = np.random.default_rng(seed).normal(size=(n_volumes, 5)).round(places)
    ranks, ties = centred_ranks(signals)
    expected = scipy.stats.rankdata(signals, axis=0) - (n_volumes + 1) / 2
    np.testing.assert_array_equal(ranks, expected)
    for column, tied in zip(signals.T, ties, strict=True):
        counts = np.unique(column, return_counts=True)[1]
        assert tied == (counts**3 - counts).sum()


@given(seed=seeds, missing=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_series_without_ranks_change_nothing_of_the_others(seed, missing):
    rng = np.random.default_rng(seed)
    signals = rng.normal(size=(20, 9))
    signals[rng.integers(20), 3], signals[:, 7] = missing, np.nan
    ranks, ties = centred_ranks(signals)
    np.testing.assert_array_equal(ranks[:, [3, 7]], 0)
    np.testing.assert_array_equal(ties[[3, 7]], 20**3 - 20)
    there = np.delete(np.arange(9), [3, 7])
    np.testing.assert_array_equal(ranks[:, there], centred_ranks(signals[:, there])[0])


def test_numbers_that_differ_in_their_last_bit_are_told_apart():
    signals = np.array([1.0, np.nextafter(1.0, 2), np.nextafter(1.0, 0), -0.0, 0.0])
    ranks, ties = centred_ranks(signals[:, np.newaxis])
    np.testing.assert_array_equal(ranks.ravel(), [1, 2, 0, -1.5, -1.5])
    assert ties == [6]


@given(seed=seeds)
def test_sums_over_neighbourhoods_are_those_of_a_box_of_ones(seed):
    from scipy.ndimage import convolve

    rng = np.random.default_rng(seed)
    mask = np.pad(rng.random((4, 3, 5)) < 0.6, 2)
    mask[3, 3, 3] = True
    values = rng.integers(-9, 9, size=int(mask.sum())).astype(float)
    volume = np.zeros(mask.shape)
    volume.T[mask.T] = values
    expected = convolve(volume, np.ones((3, 3, 3)), mode="constant").T[mask.T]
    np.testing.assert_array_equal(Neighbourhoods(mask).sums(values), expected)
