import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask import NiftiMapsMasker


@pytest.fixture
def here(world):
    return world()


def positive(seed, n_maps=3):
    return np.random.default_rng(seed).random((4, 3, 5, n_maps)) + 0.1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_coefficients_of_a_sum_of_maps_are_found_again(image, seed):
    masker = NiftiMapsMasker(image(positive(seed))).fit()
    signals = np.random.default_rng(seed).normal(size=(6, 3))
    np.testing.assert_allclose(
        masker.transform(masker.inverse_transform(signals)), signals, atol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), strategy=st.sampled_from(["least_squares", "weighted_mean"])
)
def test_columns_are_linear(image, seed, strategy):
    masker = NiftiMapsMasker(image(positive(seed)), strategy=strategy).fit()
    one, two = np.random.default_rng(seed).normal(size=(2, 4, 3, 5, 6))
    both = masker.transform(image(one + 2 * two))
    apart = masker.transform(image(one)) + 2 * masker.transform(image(two))
    np.testing.assert_allclose(both, apart, atol=1e-9)


def test_a_weighted_mean_does_not_ask_what_other_maps_hold(image):
    maps, run = positive(0), np.random.default_rng(0).normal(size=(4, 3, 5, 6))
    signals = NiftiMapsMasker(image(maps), strategy="weighted_mean").fit_transform(image(run))
    flat, volumes = maps.reshape(-1, 3), run.reshape(-1, 6)
    np.testing.assert_allclose(signals, (flat.T @ volumes / flat.sum(axis=0)[:, None]).T)
    alone = NiftiMapsMasker(image(maps[..., :1]), strategy="weighted_mean")
    np.testing.assert_allclose(alone.fit_transform(image(run))[:, 0], signals[:, 0])


def test_a_weighted_mean_of_negative_weights_is_refused(image):
    maps = positive(0) - 0.5
    with pytest.raises(ValueError, match="negative weights"):
        NiftiMapsMasker(image(maps), strategy="weighted_mean").fit()


def test_a_single_map_may_have_three_dimensions(image):
    maps, run = positive(0, 1), np.random.default_rng(0).normal(size=(4, 3, 5, 6))
    one = NiftiMapsMasker(image(maps[..., 0])).fit_transform(image(run))
    np.testing.assert_array_equal(one, NiftiMapsMasker(image(maps)).fit_transform(image(run)))
    assert one.shape == (6, 1)


def test_missing_weights_are_zero(image):
    maps, run = positive(0), np.random.default_rng(0).normal(size=(4, 3, 5, 6))
    holed, zeroed = maps.copy(), maps.copy()
    holed[0, 0, 0], zeroed[0, 0, 0] = np.nan, 0
    np.testing.assert_array_equal(
        NiftiMapsMasker(image(holed)).fit_transform(image(run)),
        NiftiMapsMasker(image(zeroed)).fit_transform(image(run)),
    )


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_a_missing_voxel_is_left_out_of_the_fit(image):
    maps = positive(0)
    run = np.einsum("xyzp,pt->xyzt", maps, np.arange(12.0).reshape(3, 4))
    run[1, 1, 1, 2] = np.nan
    signals = NiftiMapsMasker(image(maps)).fit_transform(image(run))
    np.testing.assert_allclose(signals.T, np.arange(12).reshape(3, 4), atol=1e-9)


@pytest.fixture
def with_hidden_map(here, image):
    maps = np.array(here.maps_img.dataobj)
    maps[..., 1] = 0
    maps[0, :, :, 1] = 1  # outside of the mask
    return {"maps_img": image(maps, here.affine), "mask_img": here.mask_img}


def test_hidden_maps_may_be_kept_as_missing(with_hidden_map, here):
    masker = NiftiMapsMasker(**with_hidden_map, keep_empty=True, detrend=True)
    signals = masker.fit_transform(here.img)
    assert np.isnan(signals).all(axis=0).tolist() == [False, True, False]
    assert masker.inverse_transform(signals).shape == here.img.shape


@pytest.mark.filterwarnings("ignore:.*parameter will be removed:FutureWarning")
def test_hidden_maps_may_be_kept_as_zero_as_in_nilearn(with_hidden_map, here, nilearn, distance):
    ours = NiftiMapsMasker(**with_hidden_map, keep_masked_maps=True).fit_transform(here.img)
    theirs = nilearn("NiftiMapsMasker", **with_hidden_map, keep_masked_maps=True)
    np.testing.assert_allclose(ours, theirs.fit_transform(here.img), atol=1e-9)


@pytest.mark.parametrize("target", ["data", "mask", "maps"])
def test_painted_images_are_those_of_nilearn(world, nilearn, target):
    far = world(far=True)
    parameters = {"maps_img": far.maps_img, "mask_img": far.mask_img, "resampling_target": target}
    ours, theirs = NiftiMapsMasker(**parameters), nilearn("NiftiMapsMasker", **parameters)
    signals = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(
        ours.fit(far.img).inverse_transform(signals).get_fdata(),
        theirs.fit(far.img).inverse_transform(signals).get_fdata(),
        atol=1e-9,
    )


def test_fitting_without_a_run_resamples_with_a_warning(world):
    far = world(far=True)
    masker = NiftiMapsMasker(far.maps_img, mask_img=far.mask_img).fit()
    with pytest.warns(UserWarning, match="Resampling maps at transform time"):
        later = masker.transform(far.img)
    at_once = NiftiMapsMasker(far.maps_img, mask_img=far.mask_img).fit_transform(far.img)
    np.testing.assert_array_equal(later, at_once)


def test_images_go_to_the_maps_with_a_warning(world):
    far = world(far=True)
    masker = NiftiMapsMasker(far.maps_img, resampling_target="maps")
    with pytest.warns(UserWarning, match="Resampling images at transform time"):
        masker.fit_transform(far.img)


def test_without_a_target_grids_must_agree(world):
    far = world(far=True)
    with pytest.raises(ValueError, match="field of view errors"):
        NiftiMapsMasker(far.maps_img, resampling_target=None).fit(far.img)
    with pytest.raises(ValueError, match="incompatible shapes"):
        NiftiMapsMasker(far.maps_img, resampling_target=None).fit().transform(far.img)


def test_a_mask_is_needed_to_be_the_target(here):
    with pytest.raises(ValueError, match="no mask has been provided"):
        NiftiMapsMasker(here.maps_img, resampling_target="mask").fit()


def test_a_target_that_does_not_exist_is_refused(here):
    with pytest.raises(ValueError, match="resampling_target"):
        NiftiMapsMasker(here.maps_img, resampling_target="labels").fit()


def test_maps_are_needed(image):
    with pytest.raises(TypeError, match=r"maps_img.*input should be a NiftiLike object"):
        NiftiMapsMasker().fit()
    with pytest.raises(ValueError, match="contains no map"):
        NiftiMapsMasker(image(np.zeros((3, 3, 3, 2)))).fit()


def test_a_mask_without_any_map_is_refused(here, image):
    maps = np.zeros((*here.img.shape[:3], 1))
    maps[0, 0, 0] = 1
    with pytest.raises(ValueError, match="No map left after applying mask"):
        NiftiMapsMasker(image(maps, here.affine), here.mask_img).fit(here.img)
    masker = NiftiMapsMasker(image(maps, here.affine), here.mask_img).fit()
    with pytest.raises(ValueError, match="No map left after applying mask"):
        masker.transform(here.img)


def test_maps_that_repeat_each_other_are_refused(here, image):
    maps = np.array(here.maps_img.dataobj)
    maps[..., 1] = 2 * maps[..., 0]
    with pytest.raises(ValueError, match="no telling"):
        NiftiMapsMasker(image(maps, here.affine)).fit()


def test_maps_apart_may_be_required(here, image):
    maps = np.zeros((*here.img.shape[:3], 2))
    maps[:4, ..., 0], maps[4:, ..., 1] = 1, 1
    NiftiMapsMasker(image(maps, here.affine), allow_overlap=False).fit()
    maps[4, ..., 0] = 1
    with pytest.raises(ValueError, match="Overlap detected"):
        NiftiMapsMasker(image(maps, here.affine), allow_overlap=False).fit()
