"""Where nilearn 0.14.1 is wrong: what it gives, what bidsmask gives, and why that is right."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bidsmask
import bidsmask.connectome
from bidsmask.numerics.connectivity.plain import correlation

BAND = {"low_pass": 0.1, "high_pass": 0.01, "t_r": 2.0, "detrend": True}


@pytest.fixture(scope="module")
def here(world):
    return world()


@pytest.fixture(scope="module")
def with_volumes(image):
    """Put other content into some volumes of a run."""

    def replaced(here, volumes, content):
        array = np.array(here.img.dataobj)
        array[..., volumes] = content
        return image(array, here.affine, here.t_r)

    return replaced


# 1. Censored volumes must not matter. nilearn interpolates those at mirrored places instead.


def test_a_censored_volume_leaks_in_nilearn_and_not_here(here, with_volumes, nilearn):
    censored = [9, 30]  # mirror images of each other: 9 + 30 = 40 - 1
    kept = np.setdiff1d(np.arange(40), censored)
    spoilt = with_volumes(here, censored, 1500.0)
    parameters = {"labels_img": here.labels_img, **BAND}

    def change(masker):
        clean, dirty = (masker.fit_transform(i, sample_mask=kept) for i in (here.img, spoilt))
        return np.abs(clean - dirty).max()

    assert change(nilearn("NiftiLabelsMasker", **parameters)) > 10
    assert change(bidsmask.NiftiLabelsMasker(**parameters)) == 0


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
@settings(max_examples=25, deadline=None)
@given(
    censored=st.sets(st.integers(0, 39), min_size=1, max_size=12),
    content=st.sampled_from([0.0, -1e9, 1e12, np.nan, np.inf]),
)
def test_whatever_a_censored_volume_holds_kept_volumes_are_the_same(
    here, with_volumes, censored, content
):
    kept = np.setdiff1d(np.arange(40), sorted(censored))
    masker = bidsmask.NiftiLabelsMasker(here.labels_img, **BAND).fit()
    spoilt = with_volumes(here, sorted(censored), content)
    np.testing.assert_array_equal(
        masker.transform(here.img, sample_mask=kept),
        masker.transform(spoilt, sample_mask=kept),
    )


def test_volumes_at_the_ends_keep_their_places(here, with_volumes, nilearn):
    censored = [0, 1, 2, 39]
    kept = np.setdiff1d(np.arange(40), censored)
    marked = with_volumes(here, [10], 2000.0)  # the eighth of the kept ones
    parameters = {"labels_img": here.labels_img, "high_pass": 0.01, "t_r": 2.0}
    ours = bidsmask.NiftiLabelsMasker(**parameters).fit_transform(marked, sample_mask=kept)
    theirs = nilearn("NiftiLabelsMasker", **parameters).fit_transform(marked, sample_mask=kept)
    assert ours[:, 0].argmax() == 7
    assert theirs[:, 0].argmax() == 8  # volume 0 is among the rows, and 38 is not


def test_a_sample_mask_that_leaves_out_the_first_volumes_stays_as_it_is(here, nilearn):
    ours = np.arange(3, 40, dtype=np.int32)
    theirs = ours.copy()
    parameters = {"labels_img": here.labels_img, "high_pass": 0.01, "t_r": 2.0}
    bidsmask.NiftiLabelsMasker(**parameters).fit_transform(here.img, sample_mask=ours)
    nilearn("NiftiLabelsMasker", **parameters).fit_transform(here.img, sample_mask=theirs)
    assert ours.tolist() == list(range(3, 40))
    assert theirs.tolist() == list(range(37))  # the caller's own array


# 2. Correlations have no unit. In nilearn one of two words for the same standard scores is not
# understood, and the shrunk matrix then depends on the units of the columns.


def test_correlations_do_not_depend_on_the_word_for_standard_scores(here):
    signals = {
        standardize: bidsmask.NiftiLabelsMasker(
            here.labels_img, standardize=standardize
        ).fit_transform(here.img)
        for standardize in (False, True, "zscore_sample")
    }
    for other in (False, "zscore_sample"):
        np.testing.assert_allclose(
            correlation(signals[other]), correlation(signals[True]), atol=1e-12
        )
    unequal = signals[False] * [1, 5, 30]
    theirs = {word: nilearn_correlation(unequal, word) for word in (True, "zscore_sample", None)}
    np.testing.assert_array_equal(theirs["zscore_sample"], theirs[None])  # it is not understood
    assert np.abs(theirs["zscore_sample"] - theirs[True]).max() > 1e-3


def nilearn_correlation(signals, standardize):
    from nilearn.connectome import ConnectivityMeasure

    measure = ConnectivityMeasure(kind="correlation", standardize=standardize)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measure.fit_transform([signals])[0]


# 3. Spheres: means of integers are no integers, and a seed without a radius has one voxel.


def test_means_of_spheres_of_integers_keep_their_decimals(world, nilearn):
    here = world("RAS", "int16")
    parameters = {"seeds": here.seeds[:1], "radius": 4.0}
    ours = bidsmask.NiftiSpheresMasker(**parameters).fit_transform(here.img)
    theirs = nilearn("NiftiSpheresMasker", **parameters).fit_transform(here.img)
    assert (ours % 1).any()
    np.testing.assert_array_equal(theirs % 1, 0)
    np.testing.assert_array_equal(np.trunc(ours), theirs)


@pytest.mark.parametrize("name", ["NiftiMasker", "NiftiLabelsMasker"])
def test_the_automatic_type_does_not_cut_standard_scores_of_integers(name, world, nilearn):
    here = world("RAS", "int16")
    where = here.mask_img if name == "NiftiMasker" else here.labels_img
    parameters = {"standardize": "zscore_sample", "dtype": "auto"}
    ours = getattr(bidsmask, name)(where, **parameters).fit_transform(here.img)
    key = "mask_img" if name == "NiftiMasker" else "labels_img"
    theirs = nilearn(name, **{key: where}, **parameters).fit_transform(here.img)
    assert (ours.dtype, theirs.dtype) == (np.float32, np.int32)
    np.testing.assert_allclose(ours.std(axis=0, ddof=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(theirs, np.trunc(ours))  # most of them are 0
    assert (theirs == 0).mean() > 0.5


def test_a_seed_without_a_radius_is_one_voxel(image, nilearn):
    affine = np.eye(4)
    affine[:3, 3] = -1.5  # voxel centres lie half way between whole millimetres
    values = np.zeros((4, 4, 4, 2))
    values[1, 1, 1], values[2, 2, 2] = 10, 20
    img, seed = image(values, affine), [(0.3, 0.3, 0.3)]
    ours = bidsmask.NiftiSpheresMasker(seed).fit_transform(img)
    theirs = nilearn("NiftiSpheresMasker", seeds=seed).fit_transform(img)
    np.testing.assert_array_equal(ours, 20)  # the seed lies in the voxel that is centred at 0.5
    np.testing.assert_array_equal(theirs, 15)  # -0.5 and 0.3, too, are 0 without their decimals


# 4. Columns must go back to the regions that they came from.


def half_hidden(here, image):
    mask = np.asarray(here.labels_img.dataobj) != 3
    return image(mask.astype(np.uint8), here.affine)


def test_after_a_mask_has_hidden_a_label_values_go_to_the_right_regions(here, image, nilearn):
    parameters = {"labels_img": here.labels_img, "mask_img": half_hidden(here, image)}
    labels = np.asarray(here.labels_img.dataobj)
    ours = bidsmask.NiftiLabelsMasker(**parameters).fit()
    assert ours.region_ids_ == {"background": 0, 0: 5, 1: 8}
    painted = ours.inverse_transform(np.array([55.0, 88])).get_fdata()
    np.testing.assert_array_equal(np.unique(painted[labels == 5]), 55)
    np.testing.assert_array_equal(np.unique(painted[labels == 8]), 88)

    theirs = nilearn("NiftiLabelsMasker", **parameters).fit()
    wrong = theirs.inverse_transform(np.array([33.0, 55, 88])).get_fdata()
    np.testing.assert_array_equal(np.unique(wrong[labels == 5]), 33)  # label 3's


@pytest.mark.filterwarnings("ignore:.*parameter will be removed:FutureWarning")
def test_columns_of_nothing_go_back_to_the_regions_that_they_are_of(here, image, nilearn):
    parameters = {
        "labels_img": here.labels_img,
        "mask_img": half_hidden(here, image),
        "keep_masked_labels": True,
    }
    labels = np.asarray(here.labels_img.dataobj)
    ours = bidsmask.NiftiLabelsMasker(**parameters)
    assert ours.fit_transform(here.img).shape == (40, 3)
    painted = ours.inverse_transform(np.array([33.0, 55, 88])).get_fdata()
    np.testing.assert_array_equal(np.unique(painted[labels == 5]), 55)

    theirs = nilearn("NiftiLabelsMasker", **parameters)
    assert theirs.fit_transform(here.img).shape == (40, 3)
    wrong = theirs.inverse_transform(np.array([33.0, 55, 88])).get_fdata()
    np.testing.assert_array_equal(np.unique(wrong[labels == 5]), 33)  # label 3's


def test_hidden_maps_can_be_undone_and_framed(here, image, nilearn):
    maps = np.array(here.maps_img.dataobj)
    maps[..., 1] = 0
    maps[0, :, :, 1] = 1  # outside of the mask
    parameters = {"maps_img": image(maps, here.affine), "mask_img": here.mask_img}
    ours = bidsmask.NiftiMapsMasker(**parameters)
    with pytest.warns(UserWarning, match=r"following indices were removed: \{1\}"):
        signals = ours.fit_transform(here.img)
    assert signals.shape[1] == ours.n_elements_ == 2
    assert list(ours.get_feature_names_out()) == ["niftimapsmasker0", "niftimapsmasker2"]
    assert ours.inverse_transform(signals).shape[3] == 40
    theirs = nilearn("NiftiMapsMasker", **parameters)
    signals = theirs.fit_transform(here.img)
    with pytest.raises(ValueError, match="wrong shape"):
        theirs.inverse_transform(signals)
    with pytest.warns(UserWarning, match="were removed"):
        frame = ours.set_output(transform="pandas").fit_transform(here.img)
    assert list(frame.columns) == ["niftimapsmasker0", "niftimapsmasker2"]
    framed = nilearn("NiftiMapsMasker", **parameters)
    framed.set_output(transform="pandas")
    with pytest.raises(ValueError, match=r"Shape of passed values|Length mismatch"):
        framed.fit_transform(here.img)


# 5. Each run is cleaned with all options, and not with some of them.


def test_runs_are_cleaned_with_every_option(here, nilearn, distance):
    runs = np.repeat([1, 2], 20)
    parameters = {
        "mask_img": here.mask_img,
        "runs": runs,
        "high_pass": 0.02,
        "t_r": 2.0,
        "clean_args": {"butterworth__order": 1},
    }
    ours = bidsmask.NiftiMasker(**parameters).fit_transform(here.img)
    theirs = nilearn("NiftiMasker", **parameters).fit_transform(here.img)
    alone = nilearn("NiftiMasker", **parameters | {"runs": None})
    each = np.vstack(
        [alone.fit_transform(here.img.slicer[..., part]) for part in (slice(20), slice(20, 40))]
    )
    assert distance(ours, each) < 1e-6
    assert distance(theirs, each) > 0.1  # of order 5 after all


def test_confounds_of_runs_are_scaled_only_if_that_is_asked_for(here, nilearn, distance):
    runs = np.repeat([1, 2], 20)
    confounds = 5.0 + np.random.default_rng(0).normal(size=(40, 2))
    parameters = {"mask_img": here.mask_img, "runs": runs, "standardize_confounds": False}
    ours = bidsmask.NiftiMasker(**parameters)
    theirs = nilearn("NiftiMasker", **parameters)
    alone = nilearn("NiftiMasker", **parameters | {"runs": None})
    each = np.vstack(
        [
            alone.fit_transform(here.img.slicer[..., part], confounds=confounds[part])
            for part in (slice(20), slice(20, 40))
        ]
    )
    with pytest.warns(UserWarning, match="detrend"):
        signals = ours.fit_transform(here.img, confounds=confounds)
    assert distance(signals, each) < 1e-6
    assert distance(theirs.fit_transform(here.img, confounds=confounds), each) > 1  # it centres


# 6. Overlap of maps is overlap whatever the sign, and looking for it changes nothing.


def signed_maps(here, image):
    maps = np.zeros((*here.img.shape[:3], 2))
    maps[1:4, ..., 0], maps[5:7, ..., 1] = -1, 1
    return image(maps, here.affine)


def test_negative_weights_survive_the_search_for_overlap(here, image, nilearn):
    parameters = {"maps_img": signed_maps(here, image), "allow_overlap": False}
    ours = bidsmask.NiftiMapsMasker(**parameters).fit_transform(here.img)
    theirs = nilearn("NiftiMapsMasker", **parameters).fit_transform(here.img)
    region = np.asarray(here.img.dataobj)[1:4].reshape(-1, 40).mean(axis=0)
    np.testing.assert_allclose(ours[:, 0], -region)
    np.testing.assert_array_equal(theirs[:, 0], 0)


def test_overlap_of_opposite_signs_is_found(here, image, nilearn):
    maps = np.array(signed_maps(here, image).dataobj)
    maps[3, ..., 1] = 1
    parameters = {"maps_img": image(maps, here.affine), "allow_overlap": False}
    nilearn("NiftiMapsMasker", **parameters).fit_transform(here.img)  # finds none
    with pytest.raises(ValueError, match="Overlap detected"):
        bidsmask.NiftiMapsMasker(**parameters).fit_transform(here.img)


# 7. Tissues are thin: what opening by two voxels leaves of them is no mask of theirs.


@pytest.fixture
def tissue(tmp_path, image, monkeypatch):
    """Probabilities of a tissue, for both: sheets in two hemispheres, and a lump in the left."""
    probabilities = np.zeros((30, 30, 30), np.float32)
    for sheet in (4, 10, 17, 23):
        probabilities[sheet : sheet + 3, 3:27, 3:27] = 0.9
    probabilities[4:13, 10:20, 10:20] = 0.8
    template = image(probabilities, np.diag([2.0, 2, 2, 1]))
    name = "tpl-MNI152NLin2009aSym"
    (tmp_path / name).mkdir()
    for kind in ("GM", "WM"):
        image((100 * probabilities).astype(np.uint8), template.affine).to_filename(
            tmp_path / name / f"{name}_res-02_label-{kind}_probseg.nii.gz"
        )
        monkeypatch.setattr(
            f"nilearn.masking.load_mni152_{kind.lower()}_template", lambda resolution: template
        )
    monkeypatch.setattr("bidsmask.maskers.templates.TEMPLATES_FOLDER", tmp_path)
    return probabilities, template


@pytest.mark.parametrize("kind", ["gm", "wm"])
def test_thin_tissue_and_both_hemispheres_are_in_the_mask_of_a_template(kind, tissue, nilearn):
    probabilities, template = tissue
    parameters = {"mask_strategy": f"{kind}-template"}
    ours = bidsmask.NiftiMasker(**parameters).fit(template).mask_img_.get_fdata() > 0
    theirs = nilearn("NiftiMasker", **parameters).fit(template).mask_img_.get_fdata() > 0
    np.testing.assert_array_equal(ours, probabilities >= 0.5)
    assert theirs.any()
    assert theirs.sum() < 0.2 * ours.sum()  # most of it is lost,
    assert not theirs[15:].any()  # and a whole hemisphere


# 8. One tolerance for grids.


@pytest.mark.parametrize("name", ["NiftiLabelsMasker", "NiftiMapsMasker"])
def test_a_micrometre_is_no_other_grid(name, here, image, nilearn):
    affine = here.affine.copy()
    affine[:3, 3] += 90
    moved = affine.copy()
    moved[:3, 3] += 3e-4
    img = image(np.asarray(here.img.dataobj), moved)
    what = "labels_img" if "Labels" in name else "maps_img"
    atlas = image(np.asarray(getattr(here, what).dataobj), affine)
    ours = getattr(bidsmask, name)(atlas, resampling_target="data").fit_transform(img)
    there = getattr(bidsmask, name)(atlas).fit_transform(
        image(np.asarray(here.img.dataobj), affine)
    )
    np.testing.assert_array_equal(ours, there)
    with pytest.raises(ValueError, match="affine"):
        nilearn(name, **{what: atlas}).fit_transform(img)


# 9. The background label is the one that was given.


def test_any_background_label_can_be_masked(here, image, nilearn):
    labels = np.asarray(here.labels_img.dataobj)
    shifted = np.where(labels == 0, 9, np.where(labels == 3, 0, labels)).astype(np.int16)
    only = image((shifted == 0).astype(np.uint8), here.affine)
    parameters = {
        "labels_img": image(shifted, here.affine),
        "background_label": 9,
        "mask_img": only,
    }
    masker = bidsmask.NiftiLabelsMasker(**parameters)
    with pytest.warns(UserWarning, match="After applying mask"):
        signals = masker.fit_transform(here.img)
    assert masker.region_ids_ == {"background": 9, 0: 0}
    assert signals.shape == (40, 1)
    with pytest.raises(ValueError, match="No label left"):
        nilearn("NiftiLabelsMasker", **parameters).fit_transform(here.img)


@pytest.mark.parametrize("nothing", [np.zeros(40, dtype=bool), np.zeros(0, dtype=int)])
def test_a_sample_mask_that_keeps_nothing_says_so(here, nilearn, nothing):
    parameters = {"labels_img": here.labels_img, "detrend": True}
    masker = bidsmask.NiftiLabelsMasker(**parameters).fit()
    with pytest.raises(ValueError, match="leaves no volume"):
        masker.transform(here.img, sample_mask=nothing)
    theirs = nilearn("NiftiLabelsMasker", **parameters).fit()
    with pytest.raises(ValueError, match="zero-size array to reduction"):
        theirs.transform(here.img, sample_mask=nothing)


# 10. Nothing of the caller's is changed.


def test_names_given_as_a_list_are_not_rewritten(here, nilearn):
    ours, theirs = ["background", "a", "b", "c"], ["background", "a", "b", "c"]
    bidsmask.NiftiLabelsMasker(here.labels_img, labels=ours).fit()
    nilearn("NiftiLabelsMasker", labels_img=here.labels_img, labels=theirs).fit()
    assert ours[0] == "background"
    assert theirs[0] == "Background"


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_a_missing_value_of_the_caller_s_stays_missing(here, image, nilearn):
    array = np.array(here.img.dataobj)
    array[2, 2, 2, 3] = np.nan
    bidsmask.NiftiLabelsMasker(here.labels_img).fit_transform(image(array, here.affine))
    assert np.isnan(array[2, 2, 2, 3])
    nilearn("NiftiLabelsMasker", labels_img=here.labels_img).fit_transform(
        image(array, here.affine)
    )
    assert array[2, 2, 2, 3] == 0


def test_confounds_of_several_runs_do_not_grow(here, nilearn):
    parameters = {"labels_img": here.labels_img, "high_variance_confounds": True}
    ours, theirs = [here.confounds], [here.confounds.copy()]
    bidsmask.MultiNiftiLabelsMasker(**parameters).fit_transform([here.img], confounds=ours)
    nilearn("MultiNiftiLabelsMasker", **parameters).fit_transform([here.img], confounds=theirs)
    assert ours[0].shape == (40, 4)
    assert theirs[0].shape == (40, 9)


# 11. A voxel without a value is no zero.


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_missing_voxels_do_not_pull_a_region_towards_zero(here, image, nilearn):
    array = np.full((*here.img.shape[:3], 40), 1000.0) + np.arange(40)
    labels = np.asarray(here.labels_img.dataobj)
    hole = np.flatnonzero(labels.ravel() == 3)[:20]
    array.reshape(-1, 40)[hole] = np.nan
    img = image(array, here.affine)
    masker = bidsmask.NiftiLabelsMasker(here.labels_img)
    ours = masker.fit_transform(img)
    theirs = nilearn("NiftiLabelsMasker", labels_img=here.labels_img).fit_transform(
        image(array.copy(), here.affine)
    )
    np.testing.assert_allclose(ours[:, 0], 1000 + np.arange(40))
    n_voxels = np.count_nonzero(labels == 3)
    np.testing.assert_allclose(theirs[:, 0], (1000 + np.arange(40)) * (n_voxels - 20) / n_voxels)
    assert masker.coverage_["n_covered"][0] == n_voxels - 20


def test_what_lies_beyond_the_field_of_view_is_no_zero(here, image, nilearn):
    labels, affine = np.asarray(here.labels_img.dataobj), here.affine.copy()
    affine[:3, 3] += 3 * affine[:3, 0]  # the run begins at the fourth plane of the atlas
    run = image(np.asarray(here.img.dataobj)[3:], affine, here.t_r)
    parameters = {"labels_img": here.labels_img, "resampling_target": "labels"}
    masker = bidsmask.NiftiLabelsMasker(**parameters)
    with pytest.warns(UserWarning, match="Resampling images"):
        ours = masker.fit_transform(run)
    theirs = nilearn("NiftiLabelsMasker", **parameters).fit_transform(run)
    seen = np.asarray(run.dataobj)[labels[3:] == 3].mean(axis=0)
    share = np.count_nonzero(labels[3:] == 3) / np.count_nonzero(labels == 3)
    np.testing.assert_allclose(ours[:, 0], seen)
    np.testing.assert_allclose(theirs[:, 0], share * seen)  # zeros where nobody looked
    assert masker.coverage_["coverage"][0] == pytest.approx(share)


def test_a_voxel_in_which_nothing_was_measured_is_no_value(here, image, nilearn):
    array = np.array(here.img.dataobj)
    labels = np.asarray(here.labels_img.dataobj)
    hole = np.flatnonzero(labels.ravel() == 3)[:20]
    array.reshape(-1, 40)[hole] = 0  # as preprocessing leaves it where the scanner did not look
    img = image(array, here.affine)
    ours = bidsmask.NiftiLabelsMasker(here.labels_img).fit_transform(img)
    theirs = nilearn("NiftiLabelsMasker", labels_img=here.labels_img).fit_transform(img)
    rest = np.setdiff1d(np.flatnonzero(labels.ravel() == 3), hole)
    mean = array.reshape(-1, 40)[rest].mean(axis=0)
    np.testing.assert_allclose(ours[:, 0], mean)
    np.testing.assert_allclose(theirs[:, 0], mean * rest.size / (rest.size + 20))


def test_maps_are_fitted_over_what_was_measured(here, image, nilearn):
    array = np.array(here.img.dataobj)
    array[: array.shape[0] // 2] = 0
    img = image(array, here.affine)
    x, y, z = np.indices(array.shape[:3])
    weights = [np.exp(-((x - place) ** 2 + y**2 + z**2) / 20) for place in (0, array.shape[0])]
    maps = image(np.stack(weights, axis=-1), here.affine)
    measured = image((np.ptp(array, axis=-1) > 0).astype(np.uint8), here.affine)
    ours = bidsmask.NiftiMapsMasker(maps).fit_transform(img)
    within = nilearn("NiftiMapsMasker", maps_img=maps, mask_img=measured).fit_transform(img)
    theirs = nilearn("NiftiMapsMasker", maps_img=maps).fit_transform(img)
    np.testing.assert_allclose(ours, within, rtol=1e-6)
    assert (np.abs(theirs - within) > 0.1 * np.abs(within)).any()  # zeros are fitted, too


def test_a_region_in_which_nothing_changes_keeps_its_mean(here, image, nilearn):
    array = np.array(here.img.dataobj)
    array[np.asarray(here.labels_img.dataobj) == 3] = 700
    img = image(array, here.affine)
    for masker in (
        bidsmask.NiftiLabelsMasker(here.labels_img),
        nilearn("NiftiLabelsMasker", labels_img=here.labels_img),
    ):
        np.testing.assert_allclose(masker.fit_transform(img)[:, 0], 700)
    strict = bidsmask.NiftiLabelsMasker(here.labels_img, keep_empty=True, min_coverage=0.1)
    assert np.isnan(strict.fit_transform(img)[:, 0]).all()
    assert strict.coverage_["status"][0] == "constant"


# 14, 16: defaults do not warn, what was once accepted still is, and typos are errors.


def test_defaults_are_silent_and_smoothing_may_differ_between_directions(here, nilearn):
    ours = bidsmask.NiftiLabelsMasker(here.labels_img, smoothing_fwhm=[4, 0, 2])
    assert ours.fit_transform(here.img).shape == (40, 3)
    with pytest.raises(TypeError):
        nilearn("NiftiLabelsMasker", labels_img=here.labels_img, smoothing_fwhm=[4, 0, 2]).fit()


def test_the_shortest_way_of_smoothing_is_accepted(here):
    masker = bidsmask.NiftiMasker(here.mask_img, smoothing_fwhm="fast")
    smooth = masker.fit_transform(here.img)
    rough = masker.set_params(smoothing_fwhm=None).fit_transform(here.img)
    assert smooth.std(axis=0).mean() < rough.std(axis=0).mean()


def test_a_target_shape_needs_no_report(here):
    masker = bidsmask.NiftiMasker(
        here.mask_img, target_affine=here.affine, target_shape=(6, 6, 6), reports=False
    )
    assert masker.fit().mask_img_.shape == (6, 6, 6)


def test_a_table_without_an_index_says_which_columns_it_has(here, nilearn):
    lut = pd.DataFrame({"label": [3], "name": ["a"]})
    with pytest.raises(ValueError, match="columns found: label, name"):
        bidsmask.NiftiLabelsMasker(here.labels_img, lut=lut).fit()
    with pytest.raises(KeyError):
        nilearn("NiftiLabelsMasker", labels_img=here.labels_img, lut=lut).fit()


def test_maps_that_resemble_each_other_are_fitted_in_double_precision(image, nilearn):
    """Nilearn fits float32 maps to images of few bits in single precision, and loses digits."""
    rng = np.random.default_rng(0)
    voxels = np.indices((12, 12, 12)).reshape(3, -1).T
    centres = rng.uniform(2, 9, (24, 3))
    squares = ((voxels[:, None] - centres) ** 2).sum(axis=-1)
    maps = np.exp(-squares / (2 * 3.0**2)).astype(np.float32)
    volumes = np.rint(1000 + 10 * rng.normal(size=(len(voxels), 30))).astype(np.int16)
    exact = np.linalg.lstsq(maps.astype(np.float64), volumes.astype(np.float64), rcond=None)[0].T
    shape = 12, 12, 12
    maps_img = image(maps.reshape(*shape, -1))
    func = image(volumes.reshape(*shape, -1))
    ours = bidsmask.NiftiMapsMasker(maps_img, standardize=None).fit_transform(func)
    theirs = nilearn("NiftiMapsMasker", maps_img=maps_img, standardize=None).fit_transform(func)
    off = [np.abs(each - exact).max() / exact.std() for each in (ours, theirs)]
    assert off[0] < 1e-4
    assert off[1] > 5 * off[0]


# 17. What is said of an image is true of it.


def test_integers_of_64_bits_are_warned_of_if_an_image_has_them(here):
    maskers = pytest.importorskip("nilearn.maskers")
    told, painted = "data has been converted to int32", {}
    for side, kind in {"ours": bidsmask, "theirs": maskers}.items():
        masker = kind.NiftiLabelsMasker(here.labels_img, dtype=np.int64).fit()
        with pytest.warns(UserWarning, match=told):
            image = masker.inverse_transform(np.arange(3))
        assert (image.dataobj.dtype, image.get_data_dtype()) == (np.int32, np.int64)
        masker = kind.NiftiLabelsMasker(here.labels_img, dtype=np.float32).fit()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            image = masker.inverse_transform(np.arange(3))
        assert image.get_data_dtype() == np.float32
        painted[side] = any(told in str(warning.message) for warning in heard)
    assert painted == {"ours": False, "theirs": True}  # it is not true of that image


# 18. Subjects have no order. Together with confounds, nilearn takes a line over them out of edges.


def test_the_order_of_subjects_does_not_matter_to_edges_of_which_confounds_are_regressed():
    rng = np.random.default_rng(0)
    patient = np.repeat([False, True], 20)
    shares = np.where(patient, 0.8, 0.55)
    subjects = [s * rng.normal(size=(150, 1)) + rng.normal(size=(150, 4)) for s in shares]
    motion = rng.normal(0.2, 0.05, size=(40, 1))
    shuffled = rng.permutation(40)

    def change(kind):
        measure = kind(kind="correlation", vectorize=True, discard_diagonal=True)
        edges = measure.fit_transform(subjects, confounds=motion)
        mixed = measure.transform([subjects[i] for i in shuffled], confounds=motion[shuffled])
        difference = edges[patient].mean() - edges[~patient].mean()
        return difference, np.abs(edges[shuffled] - mixed).max()

    kinds = pytest.importorskip("nilearn.connectome"), bidsmask.connectome
    (their_difference, theirs), (difference, ours) = (
        change(kind.ConnectivityMeasure) for kind in kinds
    )
    assert their_difference < 0.5
    assert theirs > 0.5
    assert difference > 1.2
    assert ours < 1e-9
