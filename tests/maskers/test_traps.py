"""What a careless copy of nilearn's maskers gets wrong without a word: each tried by itself."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

import bidsmask

FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))


@pytest.fixture
def here(world):
    return world()


@pytest.fixture
def far(world):
    return world(far=True)


def values(img):
    return np.asarray(img.dataobj)


def test_voxels_go_to_the_grid_of_the_mask_and_atlases_to_the_grid_of_the_run(far):
    voxels = bidsmask.NiftiMasker(far.mask_img)
    with pytest.warns(UserWarning, match="resampled to the mask_img resolution"):
        voxels.fit_transform(far.img)
    assert voxels.inverse_transform(np.ones(voxels.n_elements_)).shape == far.mask_img.shape
    regions = bidsmask.NiftiLabelsMasker(far.labels_img)
    regions.fit_transform(far.img)
    assert regions.labels_img_.shape == far.img.shape[:3]


def test_an_image_on_another_grid_is_smoothed_in_the_box_around_the_mask(
    far, image, nilearn, distance
):
    middle = np.zeros(far.mask_img.shape, np.uint8)
    middle[3:5, 2:4, 3:5] = 1
    parameters = {"mask_img": image(middle, far.mask_img.affine), "smoothing_fwhm": 6.0}
    with pytest.warns(UserWarning, match="resampled"):
        ours = bidsmask.NiftiMasker(**parameters).fit_transform(far.img)
    resampled = bidsmask.resample_to_img(far.img, far.mask_img, clip=True)
    whole = bidsmask.smooth_img(resampled, 6.0)
    outside = bidsmask.apply_mask(whole, parameters["mask_img"])
    assert distance(ours, nilearn("NiftiMasker", **parameters).fit_transform(far.img)) < 1e-6
    assert distance(ours, outside) > 0.1  # the reflection at the edge of the box counts


def test_on_its_own_grid_voxels_outside_of_the_mask_take_part_in_smoothing(here):
    volume = values(here.img)[..., 0]
    sigmas = 5.0 * FWHM_TO_SIGMA / np.sqrt((here.affine[:3, :3] ** 2).sum(axis=0))
    for axis, sigma in enumerate(sigmas):
        volume = gaussian_filter1d(volume, sigma, axis=axis)
    masker = bidsmask.NiftiMasker(here.mask_img, smoothing_fwhm=5.0)
    expected = volume[values(here.mask_img) > 0]
    np.testing.assert_allclose(masker.fit_transform(here.img)[0], expected)


def test_volumes_are_resampled_before_they_are_smoothed(far, nilearn, distance):
    parameters = {
        "labels_img": far.labels_img,
        "resampling_target": "labels",
        "smoothing_fwhm": 6.0,
    }
    with pytest.warns(UserWarning, match="Resampling images"):
        ours = bidsmask.NiftiLabelsMasker(**parameters).fit_transform(far.img)
    swapped = bidsmask.NiftiLabelsMasker(**{**parameters, "smoothing_fwhm": None})
    with pytest.warns(UserWarning, match="Resampling images"):
        other = swapped.fit_transform(bidsmask.smooth_img(far.img, 6.0))
    assert distance(ours, nilearn("NiftiLabelsMasker", **parameters).fit_transform(far.img)) < 1e-6
    assert distance(ours, other) > 1e-3


@pytest.mark.parametrize(
    ("name", "stored", "given"),
    [
        ("NiftiMasker", "int16", "float32"),
        ("NiftiLabelsMasker", "int16", "float64"),
        ("NiftiSpheresMasker", "int16", "float32"),
        ("NiftiMapsMasker", "int16", "float64"),  # of maps in double precision
        ("NiftiMasker", "float32", "float32"),
        ("NiftiLabelsMasker", "float32", "float32"),
        ("NiftiSpheresMasker", "float32", "float32"),
        ("NiftiLabelsMasker", "float64", "float64"),
    ],
)
def test_the_type_of_signals_follows_the_image_as_in_nilearn(name, stored, given, world, nilearn):
    here = world("RAS", stored)
    own = {
        "NiftiMasker": {"mask_img": here.mask_img},
        "NiftiLabelsMasker": {"labels_img": here.labels_img},
        "NiftiMapsMasker": {"maps_img": here.maps_img},
        "NiftiSpheresMasker": {"seeds": here.seeds},
    }[name]
    ours = getattr(bidsmask, name)(**own).fit_transform(here.img)
    assert ours.dtype == given == nilearn(name, **own).fit_transform(here.img).dtype


def test_a_scaled_file_of_integers_is_double(here, tmp_path, nilearn):
    scaled = nib.Nifti1Image(values(here.img), here.affine)
    scaled.set_data_dtype("int16")
    scaled.to_filename(tmp_path / "scaled.nii.gz")
    path = str(tmp_path / "scaled.nii.gz")
    ours = bidsmask.NiftiMasker(here.mask_img).fit().transform(path)
    theirs = nilearn("NiftiMasker", mask_img=here.mask_img).fit().transform(path)
    assert ours.dtype == theirs.dtype == np.float64
    np.testing.assert_array_equal(ours, theirs)


def test_a_masker_does_not_detrend_unless_it_is_asked_to(here):
    assert bidsmask.NiftiLabelsMasker(here.labels_img).fit_transform(here.img).mean() > 500
    assert abs(bidsmask.clean(values(here.img)[3, 3]).mean()) < 1e-9


def test_lines_are_fitted_to_kept_volumes_as_if_there_were_no_gap(image, here, nilearn):
    array = np.ones((*here.img.shape[:3], 1)) * np.arange(40.0)
    kept = np.r_[0:10, 30:40]
    img, labels = image(array, here.affine), here.labels_img
    ours = bidsmask.NiftiLabelsMasker(labels, detrend=True).fit_transform(img, sample_mask=kept)
    theirs = nilearn("NiftiLabelsMasker", labels_img=labels, detrend=True)
    np.testing.assert_allclose(ours, theirs.fit_transform(img, sample_mask=kept), atol=1e-9)
    assert np.abs(ours).max() > 4


def test_percent_change_of_detrended_signals_is_of_the_mean_before(here):
    masker = bidsmask.NiftiLabelsMasker(here.labels_img, standardize="psc", detrend=True)
    raw = bidsmask.NiftiLabelsMasker(here.labels_img).fit_transform(here.img)
    detrended = bidsmask.NiftiLabelsMasker(here.labels_img, detrend=True).fit_transform(here.img)
    percent = 100 * detrended / raw.mean(axis=0)
    np.testing.assert_allclose(masker.fit_transform(here.img), percent, atol=1e-9)


def test_resampled_values_stay_within_the_range_of_the_run_and_zero(far, image):
    spike = np.zeros((*far.img.shape[:3], 2))
    spike[4, 4, 3, 1] = 100
    img = image(spike, far.affine)
    with pytest.warns(UserWarning, match="resampled"):
        signals = bidsmask.NiftiMasker(far.mask_img).fit_transform(img)
    assert signals.min() >= 0
    assert signals.max() <= 100
    unclipped = bidsmask.resample_to_img(img, far.mask_img).get_fdata()
    assert unclipped.min() < 0  # cubic splines overshoot


def test_what_lies_beyond_the_outermost_voxel_centres_is_zero(image):
    img = image(np.ones((4, 4, 4, 2)))
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = -0.5
    mask = image(np.ones((10, 4, 4), np.uint8), affine)
    masker = bidsmask.NiftiMasker(mask)
    with pytest.warns(UserWarning, match="resampled"):
        signals = masker.fit_transform(img)
    first = masker.inverse_transform(signals).get_fdata()[:, 2, 2, 0]
    np.testing.assert_allclose(first, [0, 1, 1, 1, 1, 1, 1, 1, 0, 0], atol=1e-12)


def test_the_range_is_that_of_the_whole_run_and_not_of_each_volume(far, image):
    steps = np.zeros((*far.img.shape[:3], 2))
    steps[4:, ..., 0], steps[4, 4, 3, 1] = 10, 100
    with pytest.warns(UserWarning, match="resampled"):
        signals = bidsmask.NiftiMasker(far.mask_img).fit_transform(image(steps, far.affine))
    assert signals[0].max() > 10.01  # overshoot, which 100 in another volume allows


def test_signals_and_confounds_are_filtered_alike_and_confounds_scaled_afterwards(here, nilearn):
    kept = np.r_[0:10, 13:38]
    parameters = {"labels_img": here.labels_img, "high_pass": 0.02, "t_r": 2.0}
    masker = bidsmask.NiftiLabelsMasker(**parameters)
    raw = bidsmask.NiftiLabelsMasker(here.labels_img).fit_transform(here.img)
    sos = butter(5, 0.02, "highpass", output="sos", fs=0.5)
    signals, confounds = (
        sosfiltfilt(sos, each, axis=0) for each in (raw, here.confounds)
    )  # forth and back: of order 10; odd padding
    basis, _ = np.linalg.qr(confounds - confounds.mean(axis=0))
    np.testing.assert_allclose(
        masker.fit_transform(here.img, confounds=here.confounds),
        signals - basis @ (basis.T @ signals),
        atol=1e-6,
    )
    ours = masker.transform(here.img, confounds=here.confounds, sample_mask=kept)
    theirs = nilearn("NiftiLabelsMasker", **parameters).fit()
    expected = theirs.transform(here.img, confounds=here.confounds, sample_mask=kept)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_infinite_voxels_are_infinite_signals_in_nilearn_and_left_out_here(here, image, nilearn):
    array = np.array(values(here.img))
    array[2, 2, 4, 7] = np.inf
    img, own = image(array, here.affine), {"seeds": here.seeds[:1], "radius": 5.0}
    ours = bidsmask.NiftiSpheresMasker(**own).fit_transform(img)
    theirs = nilearn("NiftiSpheresMasker", **own).fit_transform(image(array.copy(), here.affine))
    assert np.isfinite(ours).all()
    assert np.flatnonzero(~np.isfinite(theirs)).tolist() == [7]


def test_a_mask_is_what_is_not_zero_in_any_of_its_volumes(here, image, nilearn):
    mask = np.zeros((*here.img.shape[:3], 2), np.int16)
    mask[2:6, 2:6, 2:5], mask[2, 2, 2, 1] = [3, -1], 0
    parameters = {"mask_img": image(mask, here.affine)}
    ours = bidsmask.NiftiMasker(**parameters).fit_transform(here.img)
    assert ours.shape == (40, 4 * 4 * 3 - 1)
    np.testing.assert_array_equal(
        ours, nilearn("NiftiMasker", **parameters).fit_transform(here.img)
    )


def test_masks_of_several_runs_are_opened_and_those_of_one_are_not(image, nilearn):
    places = np.indices((12, 12, 12)) - 5.5
    ball = ((places**2).sum(axis=0) < 16).astype(float)
    ball[0:11, 5, 5] = 1  # a thread, which opening cuts off
    img = image(np.repeat(ball[..., None], 3, axis=3))
    one = bidsmask.NiftiMasker().fit(img)
    several = bidsmask.MultiNiftiMasker().fit([img])
    assert several.n_elements_ < one.n_elements_ == np.count_nonzero(ball)
    assert one.n_elements_ == nilearn("NiftiMasker").fit(img).n_elements_
    assert several.n_elements_ == nilearn("MultiNiftiMasker").fit([img]).n_elements_


def test_names_go_by_the_order_of_labels_and_not_by_their_value(here):
    masker = bidsmask.NiftiLabelsMasker(here.labels_img, labels=["three", "five", "eight"]).fit()
    assert masker.region_names_ == {0: "three", 1: "five", 2: "eight"}
    assert masker.region_ids_ == {"background": 0, 0: 3, 1: 5, 2: 8}


def test_rows_of_a_table_may_come_in_any_order(here):
    lut = pd.DataFrame({"index": [8, 0, 3, 99, 5], "name": ["c", "Background", "a", "?", "b"]})
    masker = bidsmask.NiftiLabelsMasker(here.labels_img, lut=lut).fit()
    assert list(masker.get_feature_names_out()) == ["a", "b", "c"]
    assert masker.lut_["name"].tolist() == ["Background", "a", "b", "c"]


@pytest.mark.parametrize("radius", [None, 2.0, 2.5, 5.0])
def test_spheres_have_nilearn_s_voxels(radius, here, image, nilearn):
    rng = np.random.default_rng(5)
    shape, affine = here.img.shape[:3], here.affine
    corners = affine[:3, :3] @ ((np.array(shape) - 1.0) / 2)
    seeds = [tuple(seed) for seed in rng.uniform(-0.8, 0.8, size=(12, 3)) * np.abs(corners)]
    numbered = np.arange(np.prod(shape), dtype=float).reshape(*shape, 1)
    img = image(np.concatenate([numbered, numbered**2], axis=3), affine)
    parameters = {"seeds": seeds, "radius": radius, "allow_overlap": True}
    ours = bidsmask.NiftiSpheresMasker(**parameters).fit_transform(img)
    theirs = nilearn("NiftiSpheresMasker", **parameters).fit_transform(img)
    same = np.isclose(ours, theirs, rtol=1e-12).all(axis=0)
    assert same.all() or radius is None  # nilearn may add a voxel: see test_differences
    assert same.sum() > 6


def test_the_radius_is_inclusive(image):
    numbered = np.zeros((5, 5, 5, 1))
    numbered[4, 2, 2] = 27
    masker = bidsmask.NiftiSpheresMasker([(2.0, 2.0, 2.0)], radius=2.0)
    masker.fit_transform(image(numbered))
    assert masker.n_voxels_.tolist() == [33]


@pytest.mark.parametrize(("at", "voxel"), [(0.5, 0), (1.5, 2), (2.5, 2), (3.5, 4)])
def test_a_seed_between_two_voxels_lies_in_the_even_one(image, at, voxel):
    numbered = np.arange(6.0)[:, None, None, None] * np.ones((6, 3, 3, 2))
    affine = np.eye(4)
    affine[:3, 3] = 0.25  # no voxel centre is a whole number of mm
    seed = [(at + 0.25, 1.25, 1.25)]
    ours = bidsmask.NiftiSpheresMasker(seed).fit_transform(image(numbered, affine))
    np.testing.assert_array_equal(ours, voxel)


def test_maps_are_fitted_jointly(here):
    weights = values(here.maps_img).reshape(-1, 3)
    volumes = values(here.img).reshape(-1, 40)
    expected = np.linalg.lstsq(weights, volumes, rcond=None)[0].T
    signals = bidsmask.NiftiMapsMasker(here.maps_img).fit_transform(here.img)
    np.testing.assert_allclose(signals, expected, rtol=1e-9)


def test_maps_of_integers_are_interpolated_between_integers(far, image):
    whole = image(np.rint(100 * values(far.maps_img)).astype(np.uint8), far.maps_img.affine)
    masker = bidsmask.NiftiMapsMasker(whole).fit(far.img)
    assert (values(masker.maps_img_) % 1).any()


def test_confounds_of_high_variance_come_from_the_whole_image_before_all_else(
    far, nilearn, distance
):
    parameters = {
        "labels_img": far.labels_img,
        "mask_img": far.mask_img,
        "smoothing_fwhm": 6.0,
        "high_variance_confounds": True,
    }
    kept = np.arange(3, 38)
    ours = bidsmask.NiftiLabelsMasker(**parameters).fit_transform(far.img, sample_mask=kept)
    by_hand = bidsmask.NiftiLabelsMasker(**{**parameters, "high_variance_confounds": False})
    components = bidsmask.high_variance_confounds(far.img)
    expected = by_hand.fit_transform(far.img, confounds=components, sample_mask=kept)
    np.testing.assert_allclose(ours, expected)
    theirs = nilearn("NiftiLabelsMasker", **parameters)
    assert distance(ours, theirs.fit_transform(far.img, sample_mask=kept)) < 1e-6


@pytest.mark.parametrize("name", ["NiftiMasker", "NiftiLabelsMasker"])
def test_a_single_volume_has_no_components(name, here):
    own = {"mask_img": here.mask_img, "labels_img": here.labels_img}
    word = "mask_img" if name == "NiftiMasker" else "labels_img"
    masker = getattr(bidsmask, name)(**{word: own[word]}, high_variance_confounds=True).fit()
    with pytest.raises(TypeError, match="dimension"):
        masker.transform(here.img.slicer[..., 0])


def test_a_constant_confound_takes_nothing(here):
    masker = bidsmask.NiftiLabelsMasker(here.labels_img).fit()
    raw = masker.transform(here.img)
    np.testing.assert_allclose(masker.transform(here.img, confounds=np.ones((40, 1))), raw)


def test_region_statistics_divide_by_n_and_standard_scores_by_n_minus_one(here):
    masker = bidsmask.NiftiLabelsMasker(here.labels_img, strategy="variance")
    region = values(here.img)[values(here.labels_img) == 3]
    np.testing.assert_allclose(masker.fit_transform(here.img)[:, 0], region.var(axis=0))


def test_a_glob_is_a_list_of_volumes(here, tmp_path):
    for number in range(3):
        here.img.slicer[..., number].to_filename(tmp_path / f"volume-{number}.nii")
    masker = bidsmask.NiftiLabelsMasker(here.labels_img).fit()
    together = masker.transform(str(tmp_path / "volume-*.nii"))
    np.testing.assert_array_equal(together, masker.transform(here.img.slicer[..., :3]))


def test_a_list_takes_the_type_that_holds_all_its_volumes(here, image):
    whole = image(np.rint(values(here.img)[..., 0]).astype(np.int16), here.affine)
    broken = image(values(here.img)[..., 1] + 0.25, here.affine)
    signals = bidsmask.NiftiLabelsMasker(here.labels_img).fit().transform([whole, broken])
    alone = bidsmask.NiftiLabelsMasker(here.labels_img).fit().transform(broken)
    np.testing.assert_array_equal(signals[1], alone)


def test_a_list_of_runs_is_no_run(here):
    masker = bidsmask.NiftiLabelsMasker(here.labels_img).fit()
    with pytest.raises(TypeError, match="list of 4D images"):
        masker.transform([here.img, here.img])


def test_standard_scores_of_a_single_volume_are_left_out_with_a_warning(here):
    masker = bidsmask.NiftiLabelsMasker(here.labels_img, standardize="zscore_sample").fit()
    with pytest.warns(UserWarning, match="single volume"):
        signals = masker.transform(here.img.slicer[..., 0])
    assert (signals > 500).all()


@pytest.mark.parametrize("unit", ["sec", "msec"])
def test_units_of_time_survive(here, image, unit):
    img = image(values(here.img), here.affine, 2000.0 if unit == "msec" else 2.0)
    img.header.set_xyzt_units("mm", unit)
    masker = bidsmask.NiftiLabelsMasker(here.labels_img)
    back = masker.inverse_transform(masker.fit_transform(img))
    assert back.header.get_xyzt_units() == ("mm", unit)
    assert back.header.get_zooms()[3] == img.header.get_zooms()[3]


def test_a_file_an_image_and_a_list_of_volumes_are_the_same_run(here, tmp_path):
    here.img.to_filename(tmp_path / "run.nii.gz")
    path = tmp_path / "run.nii.gz"
    masker = bidsmask.NiftiLabelsMasker(here.labels_img).fit()
    volumes = [here.img.slicer[..., number] for number in range(40)]
    for given in (str(path), path, nib.load(path), volumes, tuple(volumes)):
        np.testing.assert_array_equal(masker.transform(given), masker.transform(here.img))
