import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.image import smooth_img

from bidsmask.numerics.smooth import FWHM_OVER_SIGMA, SmoothingInside, smooth_volume

SEEDS = st.integers(0, 2**32 - 1)
AFFINE = np.diag([2.0, 2.5, 3.0, 1.0])
WIDTHS = st.sampled_from([4.0, (3.0, 5.0, 7.0), (0.0, 6.0, 0.0), "fast"])

SINGLE_PRECISION = 1e-6
"""Integers are smoothed in double precision here, in single precision there."""


def random_volume(seed, shape=(9, 8, 7)):
    return np.random.default_rng(seed).normal(100, 20, shape)


@given(seed=SEEDS, fwhm=WIDTHS, a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_smoothing_is_linear(seed, fwhm, a, b):
    x, y = random_volume(seed), random_volume(seed + 1)
    both = smooth_volume(a * x + b * y, AFFINE, fwhm)
    apart = a * smooth_volume(x, AFFINE, fwhm) + b * smooth_volume(y, AFFINE, fwhm)
    np.testing.assert_allclose(both, apart, atol=1e-9)


@given(fwhm=st.floats(0, 20), value=st.floats(-1e3, 1e3))
def test_a_gaussian_leaves_a_uniform_volume_alone(fwhm, value):
    uniform = np.full((9, 8, 7), value)
    smoothed = smooth_volume(uniform, AFFINE, fwhm)
    np.testing.assert_allclose(smoothed, uniform, rtol=1e-12, atol=1e-300)


@given(seed=SEEDS, fwhm=WIDTHS, axis=st.integers(0, 2))
def test_smoothing_a_mirrored_volume_gives_the_mirrored_result(seed, fwhm, axis):
    volume = random_volume(seed)
    np.testing.assert_allclose(
        smooth_volume(np.flip(volume, axis), AFFINE, fwhm),
        np.flip(smooth_volume(volume, AFFINE, fwhm), axis),
        rtol=1e-12,
    )


@given(seed=SEEDS, fwhm=WIDTHS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_voxels_count_as_zero(seed, fwhm, value):
    zeros = random_volume(seed)
    hole = np.random.default_rng(seed).random(zeros.shape) < 0.1
    zeros[hole] = 0
    holed = np.where(hole, value, zeros)
    np.testing.assert_array_equal(
        smooth_volume(holed, AFFINE, fwhm), smooth_volume(zeros, AFFINE, fwhm)
    )


@given(seed=SEEDS, fwhm=st.sampled_from([4.0, "fast", None]), dtype=st.sampled_from(["f4", "f8"]))
def test_the_volume_is_not_touched(seed, fwhm, dtype):
    volume = random_volume(seed).astype(dtype)
    volume[1, 1, 1] = np.nan
    before = volume.copy()
    assert not np.shares_memory(smooth_volume(volume, AFFINE, fwhm), volume)
    np.testing.assert_array_equal(volume, before)


def test_the_width_of_a_spike_at_half_its_height_is_the_fwhm():
    spike = np.zeros((81, 1, 1))
    spike[40] = 1
    smoothed = smooth_volume(spike, np.diag([0.5, 1, 1, 1]), (8.0, 0, 0)).ravel()
    # 8 mm are 16 voxels: half the height lies 8 voxels away from the peak
    assert smoothed[[32, 48]] == pytest.approx(smoothed[40] / 2, rel=1e-9)
    assert pytest.approx(2.3548200450309493) == FWHM_OVER_SIGMA


def test_each_width_goes_along_its_own_axis():
    spike = np.zeros((9, 9, 9))
    spike[4, 4, 4] = 1
    smoothed = smooth_volume(spike, np.eye(4), (0.0, 3.0, 0.0))
    assert np.count_nonzero(smoothed[4, :, 4]) > 1
    assert np.count_nonzero(smoothed) == np.count_nonzero(smoothed[4, :, 4])


def test_fast_weighs_six_neighbours():
    spike = np.zeros((3, 3, 3))
    spike[1, 1, 1] = 2.2
    smoothed = smooth_volume(spike, AFFINE, "fast")
    assert smoothed[1, 1, 1] == pytest.approx(1)
    assert smoothed[[0, 2, 1, 1, 1, 1], [1, 1, 0, 2, 1, 1], [1, 1, 1, 1, 0, 2]] == pytest.approx(
        0.2
    )
    assert smoothed.sum() == pytest.approx(2.2)


@pytest.mark.parametrize(("dtype", "kept"), [("f4", "f4"), (">f4", "f4"), ("i2", "f8")])
@pytest.mark.parametrize("fwhm", [None, 0, 3.0, "fast"])
def test_single_precision_stays_and_all_else_is_double(dtype, kept, fwhm):
    assert smooth_volume(random_volume(0).astype(dtype), AFFINE, fwhm).dtype == kept


def test_without_a_width_missing_voxels_stay():
    volume = np.full((2, 2, 2), np.nan)
    np.testing.assert_array_equal(smooth_volume(volume, AFFINE, None), volume)


@pytest.mark.parametrize("fwhm", [-1, (1, 2), (1, 2, np.nan), np.inf, "slow"])
def test_an_impossible_width_is_refused(fwhm):
    with pytest.raises(ValueError, match=r"mm or three|three numbers or 'fast'"):
        smooth_volume(random_volume(0), AFFINE, fwhm)


@pytest.mark.parametrize("fwhm", [4.0, 7.3, (3.0, 5.0, 7.0), "fast"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u2"])
@pytest.mark.parametrize("missing", [False, True])
def test_values_are_those_of_nilearn(affine_of, orientation, fwhm, dtype, missing):
    volume = random_volume(3, (13, 12, 11)).astype(dtype)
    if missing and volume.dtype.kind == "f":
        volume[:2] = np.nan
        volume[5, 5, 5] = np.inf
    affine = affine_of(orientation, volume.shape)
    theirs = np.asanyarray(smooth_img(nib.Nifti1Image(volume, affine), fwhm).dataobj)
    ours = smooth_volume(volume, affine, fwhm)
    tolerance = 0 if volume.dtype.kind == "f" else SINGLE_PRECISION
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


# --- inside of a mask ----------------------------------------------------------------------------


def _inside(seed, shape=(7, 6, 5)):
    rng = np.random.default_rng(seed)
    inside = np.flatnonzero(rng.random(int(np.prod(shape))) < 0.4)
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    return rng, inside, SmoothingInside(inside, shape, affine, 5.0)


@given(seed=st.integers(0, 2**32 - 1), value=st.integers(-1000, 1000))
def test_a_constant_inside_of_a_mask_stays_up_to_its_edge(seed, value):
    _, inside, smooth = _inside(seed)
    values = np.full(inside.size, value, dtype=np.float32)
    np.testing.assert_allclose(smooth(values), values, rtol=1e-5)


@given(seed=st.integers(0, 2**32 - 1))
def test_smoothing_inside_is_that_of_the_zeros_around_over_that_of_the_mask(seed):
    rng, inside, smooth = _inside(seed)
    values = rng.normal(size=inside.size).astype(np.float32)
    volumes = np.zeros((2, 210))
    volumes[0, inside], volumes[1, inside] = values, 1
    zeros_around, mask = (
        smooth_volume(volume.reshape(7, 6, 5, order="F"), np.diag([2.0, 2.0, 3.0, 1.0]), 5.0)
        for volume in volumes
    )
    expected = (zeros_around / mask).ravel(order="F")[inside]
    np.testing.assert_allclose(smooth(values), expected, atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([np.nan, np.inf]))
def test_missing_voxels_count_as_outside_of_the_mask(seed, missing):
    rng, inside, smooth = _inside(seed)
    values = rng.normal(size=inside.size).astype(np.float32)
    gone = rng.random(inside.size) < 0.2
    values[gone] = missing
    smoothed = smooth(values)
    assert np.isnan(smoothed[gone]).all()
    without = SmoothingInside(inside[~gone], (7, 6, 5), np.diag([2.0, 2.0, 3.0, 1.0]), 5.0)
    np.testing.assert_allclose(smoothed[~gone], without(values[~gone]), atol=1e-5)


def test_volumes_that_miss_other_voxels_do_not_disturb_each_other():
    rng, inside, smooth = _inside(0)
    whole = rng.normal(size=inside.size).astype(np.float32)
    part = np.where(np.arange(inside.size) % 3, whole, np.nan).astype(np.float32)
    nothing = np.full_like(whole, np.nan)
    expected = [_inside(0)[2](values) for values in (whole, part, nothing)]
    for number in 0, 1, 2, 1, 0, 0, 2, 1:
        np.testing.assert_array_equal(smooth((whole, part, nothing)[number]), expected[number])
    assert np.isnan(expected[2]).all()
