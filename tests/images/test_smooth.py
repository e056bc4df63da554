import nibabel as nib
import nilearn.image
import numpy as np
import pytest

from bidsmask.images.smooth import smooth_img

SINGLE_PRECISION = 1e-6
"""Integers are smoothed in double precision here, in single precision there."""


def make_image(affine_of, orientation="RAS", dtype="f8", shape=(9, 8, 7, 3)):
    values = np.random.default_rng(1).normal(300, 50, shape).astype(dtype)
    image = nib.Nifti1Image(values, affine_of(orientation, shape[:3]))
    if len(shape) == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], 1.7))
    return image


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("fwhm", [5.0, (4.0, 0.0, 6.0), "fast", None])
@pytest.mark.parametrize("shape", [(9, 8, 7), (9, 8, 7, 3)])
def test_images_are_smoothed_as_by_nilearn(affine_of, orientation, dtype, fwhm, shape):
    image = make_image(affine_of, orientation, dtype, shape)
    ours = smooth_img(image, fwhm)
    theirs = np.asanyarray(nilearn.image.smooth_img(image, fwhm).dataobj)
    assert np.asanyarray(ours.dataobj).dtype == theirs.dtype
    np.testing.assert_array_equal(ours.affine, image.affine)
    tolerance = 1e-12 if dtype == "f8" else SINGLE_PRECISION  # nilearn rounds after each axis
    np.testing.assert_allclose(np.asanyarray(ours.dataobj), theirs, rtol=tolerance)


def test_smoothed_integers_are_not_rounded_when_they_are_saved(affine_of, tmp_path):
    """The header of nilearn's result says that they are integers still."""
    smoothed = smooth_img(make_image(affine_of, dtype="i2"), 5)
    nib.save(smoothed, tmp_path / "smooth.nii")
    assert smoothed.get_data_dtype() == np.float32
    np.testing.assert_array_equal(nib.load(tmp_path / "smooth.nii").dataobj, smoothed.dataobj)


def test_several_images_are_smoothed_apart(affine_of):
    image = make_image(affine_of)
    one, two = smooth_img([image, image], 4)
    np.testing.assert_array_equal(one.get_fdata(), two.get_fdata())
    np.testing.assert_array_equal(one.get_fdata(), smooth_img(image, 4).get_fdata())


def test_the_repetition_time_stays(affine_of):
    assert smooth_img(make_image(affine_of), 4).header.get_zooms()[3] == pytest.approx(1.7)


def test_missing_values_become_zero_and_the_image_is_not_touched(affine_of):
    image = make_image(affine_of)
    image.dataobj[2, 2, 2] = np.nan
    before = np.array(image.dataobj)
    assert (smooth_img(image, None).get_fdata()[2, 2, 2] == 0).all()
    assert np.isfinite(smooth_img(image, 6).get_fdata()).all()
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), before)


def test_a_width_of_zero_is_warned_about(affine_of):
    with pytest.warns(UserWarning, match="The parameter 'fwhm' for smoothing is specified as 0"):
        smooth_img(make_image(affine_of), 0)


def test_a_path_is_an_image(affine_of, tmp_path):
    image = make_image(affine_of)
    nib.save(image, tmp_path / "run.nii.gz")
    np.testing.assert_array_equal(
        smooth_img(tmp_path / "run.nii.gz", 4).get_fdata(), smooth_img(image, 4).get_fdata()
    )
