import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.brainmask import differs_from_background, in_most, valley_threshold

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_the_threshold_goes_with_the_values(seed, scale, shift):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, 300), rng.normal(100, 10, 200)])
    expected = scale * valley_threshold(values) + shift
    assert valley_threshold(scale * values + shift) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(seed=SEEDS)
def test_the_threshold_parts_dark_from_bright(seed):
    rng = np.random.default_rng(seed)
    dark, bright = rng.uniform(0, 10, 300), rng.uniform(60, 90, 200)
    assert dark.max() < valley_threshold(np.concatenate([bright, dark])) < bright.min()


def test_zeros_can_be_left_out_of_the_histogram():
    values = np.concatenate([np.zeros(60), np.arange(50, 70), [99]])
    assert valley_threshold(values, lower=0.2, upper=1) == 25
    assert valley_threshold(values, lower=0.2, upper=1, exclude_zeros=True) == 84


@pytest.mark.parametrize(("lower", "upper"), [(0.5, 0.5), (0.9, 0.1)])
def test_fractions_without_a_gap_between_them_are_refused(lower, upper):
    with pytest.raises(ValueError, match="there is no gap to look for"):
        valley_threshold(np.arange(10), lower=lower, upper=upper)


def test_no_values_have_no_valley():
    with pytest.raises(ValueError, match="Of 0 voxels"):
        valley_threshold(np.zeros(5), exclude_zeros=True)


@given(seed=SEEDS, background=st.floats(-100, 100))
def test_what_is_not_background_is_in_the_mask(seed, background):
    inner = np.random.default_rng(seed).normal(500, 10, (4, 4, 4))
    mean = np.pad(inner, 2, constant_values=background)
    expected = np.pad(np.ones_like(inner, dtype=bool), 2)
    np.testing.assert_array_equal(differs_from_background(mean), expected)


def test_a_border_of_nan_makes_nan_the_background():
    mean = np.pad(np.zeros((3, 3, 3)), 1, constant_values=np.nan)
    assert differs_from_background(mean, border=1).sum() == 27


@given(seed=SEEDS)
def test_shares_from_nothing_to_one_lead_from_union_to_intersection(seed):
    masks = list(np.random.default_rng(seed).random((5, 3, 4, 2)) < 0.5)
    np.testing.assert_array_equal(in_most(masks, threshold=0), np.any(masks, axis=0))
    np.testing.assert_array_equal(in_most(masks, threshold=1), np.all(masks, axis=0))
    np.testing.assert_array_equal(in_most(masks, threshold=0.5), np.sum(masks, axis=0) >= 3)
