"""Confounds that a run has in itself. (How people pass others is tested with `clean`.)"""

import nibabel
import numpy as np
import pytest
from nilearn import image, signal

from bidsmask.errors import DimensionError, SpaceError
from bidsmask.maskers.confounds import high_variance_confounds

T, SHAPE = 30, (9, 8, 7)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])

NILEARN_TOLERANCE = 1e-7


def a_run(kind=np.float64, seed=0):
    """Waves of different sizes around a mean of 1000, inside of a ball; 0 outside."""
    rng = np.random.default_rng(seed)
    waves = np.cumsum(rng.normal(size=(6, T)), axis=1)
    data = rng.gamma(1, size=(*SHAPE, 6)) @ waves + 0.1 * rng.normal(size=(*SHAPE, T))
    data = np.where(a_ball()[..., np.newaxis], 1000 + 10 * data, 0)
    return nibabel.Nifti1Image(data.astype(kind), AFFINE)


def a_ball():
    distances = np.linalg.norm(np.moveaxis(np.indices(SHAPE), 0, -1) - [4, 4, 3], axis=-1)
    return distances < 3.5


def a_mask():
    return nibabel.Nifti1Image(a_ball().astype(np.uint8), AFFINE)


def assert_same_but_for_the_sign(ours, theirs, atol=NILEARN_TOLERANCE):
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=atol)


@pytest.mark.parametrize("options", [{}, {"n_confounds": 2, "percentile": 10, "detrend": False}])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kind", [np.float64, np.int16])
def test_they_are_those_of_nilearn(kind, masked, options):
    options = options | {"mask_img": a_mask() if masked else None}
    if masked:
        options |= {"percentile": 10}
    ours = high_variance_confounds(a_run(kind), **options)
    theirs = image.high_variance_confounds(a_run(), **options)
    rounding = 1e-2 if kind == np.int16 else NILEARN_TOLERANCE
    assert_same_but_for_the_sign(ours, theirs, atol=rounding)


def test_squares_of_integers_overflow_in_nilearn_and_not_here():
    """It squares and multiplies 16 bits in 16 bits."""
    whole_numbers = nibabel.Nifti1Image(a_run(np.int16).get_fdata(), AFFINE)
    expected = image.high_variance_confounds(whole_numbers, detrend=False)
    ours = high_variance_confounds(a_run(np.int16), detrend=False)
    assert_same_but_for_the_sign(ours, expected)
    theirs = image.high_variance_confounds(a_run(np.int16), detrend=False)
    assert np.abs(theirs @ theirs.T - expected @ expected.T).max() > 0.05


@pytest.mark.parametrize("kind", ["file", "compressed", "list"])
def test_images_may_come_in_any_form(tmp_path, kind):
    run = a_run()
    given = {
        "file": tmp_path / "run.nii",
        "compressed": str(tmp_path / "run.nii.gz"),
        "list": image.iter_img(run),
    }[kind]
    if kind != "list":
        run.to_filename(given)
    np.testing.assert_allclose(
        high_variance_confounds(given), high_variance_confounds(run), atol=1e-10
    )


def test_a_scaling_in_the_header_is_applied(tmp_path):
    run = a_run(np.int16)
    scaled = nibabel.Nifti1Image(run.get_fdata(), AFFINE)
    scaled.header.set_data_dtype(np.int16)
    scaled.header.set_slope_inter(0.5, 30)
    scaled.to_filename(tmp_path / "run.nii")
    again = nibabel.Nifti1Image(nibabel.load(tmp_path / "run.nii").get_fdata(), AFFINE)
    np.testing.assert_allclose(
        high_variance_confounds(tmp_path / "run.nii", detrend=False),
        high_variance_confounds(again, detrend=False),
        atol=1e-10,
    )


def test_signals_at_hand_will_do():
    signals = a_run().get_fdata().reshape(-1, T).T
    copy = signals.copy()
    ours = high_variance_confounds(signals, n_confounds=3)
    assert_same_but_for_the_sign(ours, signal.high_variance_confounds(signals, n_confounds=3))
    np.testing.assert_allclose(ours, high_variance_confounds(a_run(), 3), atol=1e-10)
    np.testing.assert_array_equal(signals, copy)


def test_a_single_volume_is_refused():
    with pytest.raises(DimensionError, match="is a single volume"):
        high_variance_confounds(image.index_img(a_run(), 0))


def test_a_mask_on_another_grid_is_refused():
    other = nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.uint8), np.eye(4))
    with pytest.raises(SpaceError, match="do not lie on the same grid"):
        high_variance_confounds(a_run(), mask_img=other)
