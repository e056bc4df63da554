import inspect
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bidsmask
from bidsmask import NiftiMasker


@pytest.fixture
def here(world):
    return world()


@pytest.fixture(scope="module")
def ball(image):
    """A bright, varying ball in a background of exactly 0."""
    rng = np.random.default_rng(0)
    middle = np.linspace(-1, 1, 14)
    inside = (np.stack(np.meshgrid(middle, middle, middle)) ** 2).sum(axis=0) < 0.6
    run = np.where(inside[..., None], 1000 + rng.normal(size=(14, 14, 14, 6)), 0.0)
    return image(run, np.diag([3.0, 3, 3, 1]), 2.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_columns_are_the_voxels_of_the_mask_in_numpy_s_order(image, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 3, 5)) < 0.5
    mask[0, 0, 0] = True
    run = rng.normal(size=(4, 3, 5, 6))
    masker = NiftiMasker(image(mask.astype(np.uint8)))
    signals = masker.fit_transform(image(run))
    np.testing.assert_array_equal(signals, run[mask].T)
    np.testing.assert_array_equal(
        masker.inverse_transform(signals).get_fdata(), np.where(mask[..., None], run, 0)
    )


@pytest.mark.parametrize("strategy", ["background", "epi"])
@pytest.mark.parametrize("mask_args", [None, {"opening": 1}, {"connected": False, "opening": 0}])
def test_computed_masks_are_those_of_nilearn(ball, nilearn, strategy, mask_args):
    parameters = {"mask_strategy": strategy, "mask_args": mask_args}
    ours, theirs = NiftiMasker(**parameters).fit(ball), nilearn("NiftiMasker", **parameters)
    theirs.fit(ball)
    np.testing.assert_array_equal(ours.mask_img_.dataobj, theirs.mask_img_.dataobj)
    assert ours.n_elements_ == theirs.n_elements_


def test_arguments_that_a_strategy_does_not_take_are_named(ball):
    masker = NiftiMasker(mask_strategy="epi", mask_args={"border_size": 3, "opening": 1})
    with pytest.warns(UserWarning, match=r"not supported by the masking strategy.*border_size"):
        masker.fit(ball)


def test_a_strategy_that_does_not_exist_is_refused(ball):
    with pytest.raises(ValueError, match="mask_strategy"):
        NiftiMasker(mask_strategy="brain").fit(ball)


def test_without_a_mask_a_run_is_needed():
    with pytest.raises(ValueError, match="must be provided"):
        NiftiMasker().fit()


def test_a_run_is_not_needed_where_there_is_a_mask(here):
    masker = NiftiMasker(here.mask_img)
    with pytest.warns(RuntimeWarning, match="Generation of a mask has been requested"):
        masker.fit(here.img)
    masker.fit_transform(here.img)  # says nothing
    np.testing.assert_array_equal(masker.affine_, here.affine)


@pytest.mark.parametrize(
    ("affine", "shape"),
    [(np.eye(3) * 3, None), (np.diag([3.0, 3, 3, 1]), None), (np.diag([3.0, 3, 3, 1]), (4, 4, 4))],
)
def test_the_mask_goes_to_the_target_as_in_nilearn(here, nilearn, affine, shape, distance):
    parameters = {"mask_img": here.mask_img, "target_affine": affine, "target_shape": shape}
    ours, theirs = NiftiMasker(**parameters), nilearn("NiftiMasker", **parameters)
    with pytest.warns(UserWarning, match="resampled"):
        signals = ours.fit_transform(here.img)
    assert distance(signals, theirs.fit_transform(here.img)) < 1e-6
    np.testing.assert_array_equal(ours.mask_img_.dataobj, theirs.mask_img_.dataobj)
    assert ours.affine_.shape == (4, 4)


def test_a_target_without_a_place_for_its_shape_is_refused(here):
    with pytest.raises(ValueError, match="target_affine"):
        NiftiMasker(here.mask_img, target_shape=(4, 4, 4)).fit()


def test_missing_values_are_zero_and_it_is_said(here, image):
    array = np.array(here.img.dataobj)
    array[3, 3, 3, 2], array[4, 4, 4] = np.inf, np.nan
    masker = NiftiMasker(here.mask_img).fit()
    with pytest.warns(UserWarning, match="Non-finite values detected, in 2 voxels.*become 0"):
        signals = masker.transform(image(array, here.affine))
    expected = np.where(np.isfinite(array), array, 0)[np.asarray(here.mask_img.dataobj) > 0].T
    np.testing.assert_array_equal(signals, expected)


def test_runs_are_cleaned_one_by_one(here, nilearn, distance):
    runs = np.repeat([0, 1], 20)
    parameters = {"mask_img": here.mask_img, "runs": runs, "detrend": True}
    ours = NiftiMasker(**parameters, standardize="zscore_sample").fit_transform(here.img)
    theirs = nilearn("NiftiMasker", **parameters, standardize="zscore_sample")
    assert distance(ours, theirs.fit_transform(here.img)) < 1e-6
    np.testing.assert_allclose(ours[:20].mean(axis=0), 0, atol=1e-9)


def test_runs_were_once_called_sessions(here):
    runs = np.repeat([0, 1], 20)
    now = NiftiMasker(here.mask_img, runs=runs, detrend=True).fit_transform(here.img)
    once = NiftiMasker(here.mask_img, sessions=runs, detrend=True).fit_transform(here.img)
    np.testing.assert_array_equal(now, once)
    with pytest.raises(ValueError, match="they mean the same"):
        NiftiMasker(here.mask_img, runs=runs, sessions=runs, detrend=True).fit_transform(here.img)


def test_what_the_masker_gives_is_what_the_function_gives(here):
    signals = NiftiMasker(here.mask_img, smoothing_fwhm=4).fit_transform(here.img)
    expected = bidsmask.apply_mask(here.img, here.mask_img, smoothing_fwhm=4)
    np.testing.assert_allclose(signals, expected)


def test_memory_does_not_grow_with_the_number_of_volumes(tmp_path):
    labels = nib.Nifti1Image(np.ones((30, 30, 30), np.int16), np.eye(4))
    masker, peaks = bidsmask.NiftiLabelsMasker(labels, smoothing_fwhm=2).fit(), {}
    for n_volumes in (64, 64, 192):  # the first time for what is imported
        run = np.random.default_rng(0).integers(0, 1000, (30, 30, 30, n_volumes), dtype=np.int16)
        nib.Nifti1Image(run, np.eye(4)).to_filename(tmp_path / "run.nii")
        tracemalloc.start()
        masker.transform(tmp_path / "run.nii")
        peaks[n_volumes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[192] < 1.1 * peaks[64]


def test_keywords_of_the_methods_are_those_of_nilearn():
    import nilearn.maskers

    for name in "NiftiMasker", "NiftiLabelsMasker", "NiftiMapsMasker", "NiftiSpheresMasker":
        for method in "fit", "transform", "inverse_transform":
            ours = inspect.signature(getattr(getattr(bidsmask, name), method)).parameters
            theirs = inspect.signature(getattr(getattr(nilearn.maskers, name), method)).parameters
            assert list(ours) == list(theirs)
