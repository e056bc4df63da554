import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask import NiftiLabelsMasker

SHAPE = (4, 3, 5)


@pytest.fixture
def here(world):
    return world()


def labels_of(seed, n_labels=6):
    """Random labels, each of which is there, with gaps between them."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.arange(1, 60), n_labels, replace=False)
    flat = rng.choice(np.append(ids, 0), np.prod(SHAPE))
    flat[: n_labels + 1] = np.append(ids, 0)
    return rng.permutation(flat).reshape(SHAPE).astype(np.int32)


def run_of(seed, n_volumes=7):
    return np.random.default_rng(seed).normal(size=(*SHAPE, n_volumes))


# Laws


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), keep_empty=st.booleans(), masked=st.booleans())
def test_what_is_painted_is_read_again(image, seed, keep_empty, masked):
    rng = np.random.default_rng(seed)
    mask = image((rng.random(SHAPE) < (0.5 if masked else 2)).astype(np.uint8))
    masker = NiftiLabelsMasker(image(labels_of(seed)), mask_img=mask, keep_empty=keep_empty).fit()
    signals = rng.normal(size=(5, masker.n_elements_))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = masker.transform(masker.inverse_transform(signals))
    empty = np.isnan(again).all(axis=0)
    assert keep_empty or not empty.any()
    np.testing.assert_allclose(again[:, ~empty], signals[:, ~empty], rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(-3, 3))
def test_means_are_linear(image, seed, factor):
    masker = NiftiLabelsMasker(image(labels_of(seed))).fit()
    one, two = run_of(seed), run_of(seed + 1)
    together = masker.transform(image(one + factor * two))
    apart = masker.transform(image(one)) + factor * masker.transform(image(two))
    np.testing.assert_allclose(together, apart, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_renaming_labels_permutes_columns_and_no_more(image, seed):
    rng, labels, run = np.random.default_rng(seed), labels_of(seed), image(run_of(seed))
    ids = np.unique(labels)[1:]
    renamed = np.zeros_like(labels)
    new = rng.permutation(ids + 100)
    for old, now in zip(ids, new, strict=True):
        renamed[labels == old] = now
    before = NiftiLabelsMasker(image(labels)).fit_transform(run)
    after = NiftiLabelsMasker(image(renamed)).fit_transform(run)
    np.testing.assert_array_equal(after[:, new.argsort().argsort()], before)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), axes=st.permutations(range(3)), flip=st.booleans())
def test_the_order_of_voxels_in_the_file_does_not_matter(image, seed, axes, flip):
    labels, run, affine = labels_of(seed), run_of(seed), np.diag([2.0, 3.0, 4.0, 1.0])
    turned = affine[:, [*axes, 3]].copy()
    labels_t, run_t = labels.transpose(axes), run.transpose(*axes, 3)
    if flip:
        labels_t, run_t = labels_t[::-1], run_t[::-1]
        turned[:, 3] += turned[:, 0] * (labels_t.shape[0] - 1)
        turned[:, 0] *= -1
    straight = NiftiLabelsMasker(image(labels, affine)).fit_transform(image(run, affine))
    other = NiftiLabelsMasker(image(labels_t, turned)).fit_transform(image(run_t, turned))
    np.testing.assert_allclose(other, straight, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_layout_in_memory_does_not_matter(image, order, byte_order):
    run = np.asarray(run_of(1), order=order).astype(f"{byte_order}f8", order="K")
    expected = NiftiLabelsMasker(image(labels_of(1))).fit_transform(image(run_of(1)))
    signals = NiftiLabelsMasker(image(labels_of(1))).fit_transform(image(run))
    np.testing.assert_array_equal(signals, expected)
    assert signals.dtype == np.dtype("=f8")


@pytest.mark.parametrize("strategy", ["mean", "median", "first_eigenvariate"])
@pytest.mark.parametrize("n_volumes", [1, 2, 7, 100])
def test_the_size_of_blocks_does_not_matter(image, tmp_path, monkeypatch, strategy, n_volumes):
    image(run_of(1)).to_filename(tmp_path / "run.nii.gz")
    masker = NiftiLabelsMasker(image(labels_of(1)), strategy=strategy, smoothing_fwhm=2)
    whole = masker.fit_transform(image(run_of(1)))
    for module in "stream", "series":
        monkeypatch.setattr(
            f"bidsmask.images.{module}.volumes_per_block", lambda *_, **__: n_volumes
        )
    np.testing.assert_allclose(masker.transform(tmp_path / "run.nii.gz"), whole, rtol=1e-12)


# Cases


@pytest.mark.parametrize(
    ("strategy", "compute"),
    [
        ("mean", np.mean),
        ("median", np.median),
        ("sum", np.sum),
        ("minimum", np.min),
        ("maximum", np.max),
        ("standard_deviation", np.std),
        ("variance", np.var),
    ],
)
def test_every_strategy_is_what_its_name_says(image, strategy, compute, nilearn):
    labels, run = labels_of(3), run_of(3)
    signals = NiftiLabelsMasker(image(labels), strategy=strategy).fit_transform(image(run))
    expected = [compute(run[labels == label], axis=0) for label in np.unique(labels)[1:]]
    np.testing.assert_allclose(signals.T, expected, rtol=1e-10)
    theirs = nilearn("NiftiLabelsMasker", labels_img=image(labels), strategy=strategy)
    np.testing.assert_allclose(signals, theirs.fit_transform(image(run)), rtol=1e-10)


def test_the_first_eigenvariate_is_the_course_that_most_voxels_share(image):
    rng = np.random.default_rng(0)
    course, labels = rng.normal(size=50), np.ones(SHAPE, np.int16)
    labels[0] = 0
    run = 100 + course + 0.01 * rng.normal(size=(*SHAPE, 50))
    masker = NiftiLabelsMasker(image(labels), strategy="first_eigenvariate")
    signal = masker.fit_transform(image(run))[:, 0]
    assert np.corrcoef(signal, course)[0, 1] > 0.999


def test_a_strategy_that_does_not_exist_names_the_nearest(here):
    with pytest.raises(ValueError, match="Is 'median' meant"):
        NiftiLabelsMasker(here.labels_img, strategy="medain").fit()


@pytest.fixture
def three_regions(image):
    """Labels 2, 5 and 9, of which the mask hides 5 whole and half of 9."""
    labels = np.zeros((6, 2, 2), np.int16)
    labels[0], labels[1:3], labels[3:5] = 2, 5, 9
    mask = np.ones((6, 2, 2), np.uint8)
    mask[1:4] = 0
    rng = np.random.default_rng(0)
    return image(labels), image(mask), image(rng.normal(size=(6, 2, 2, 8)) + 10)


def test_a_hidden_region_is_left_out_with_a_warning(three_regions):
    labels, mask, run = three_regions
    masker = NiftiLabelsMasker(labels, mask_img=mask)
    with pytest.warns(UserWarning, match=r"After applying mask.*removed: \{5\}"):
        signals = masker.fit_transform(run)
    assert signals.shape == (8, 2)
    assert masker.region_names_ == {0: "2", 1: "9"}
    assert masker.labels_ == [0, 2, 9]
    assert masker.lut_["index"].tolist() == [0, 2, 5, 9]


def test_a_hidden_region_may_be_kept_as_missing(three_regions):
    labels, mask, run = three_regions
    masker = NiftiLabelsMasker(labels, mask_img=mask, keep_empty=True, standardize="zscore_sample")
    signals = masker.fit_transform(run)
    assert np.isnan(signals).all(axis=0).tolist() == [False, True, False]
    assert list(masker.get_feature_names_out()) == ["2", "5", "9"]
    assert masker.inverse_transform(signals).shape == (6, 2, 2, 8)


@pytest.mark.filterwarnings("ignore:.*parameter will be removed:FutureWarning")
def test_a_hidden_region_may_be_kept_as_zero_as_in_nilearn(three_regions, nilearn):
    labels, mask, run = three_regions
    parameters = {"labels_img": labels, "mask_img": mask, "keep_masked_labels": True}
    signals = NiftiLabelsMasker(**parameters).fit_transform(run)
    np.testing.assert_array_equal(signals[:, 1], 0)
    theirs = nilearn("NiftiLabelsMasker", **parameters)
    np.testing.assert_allclose(signals, theirs.fit_transform(run))


def test_coverage_says_what_the_columns_are_made_of(three_regions):
    labels, mask, run = three_regions
    masker = NiftiLabelsMasker(labels, mask_img=mask, keep_empty=True)
    masker.fit_transform(run)
    expected = pd.DataFrame(
        {
            "index": [2, 5, 9],
            "name": ["2", "5", "9"],
            "n_voxels": [4, 8, 8],
            "n_covered": [4, 0, 4],
            "coverage": [1.0, 0.0, 0.5],
            "status": ["ok", "empty", "partial"],
            "reason": [
                "n/a",
                "None of its 8 voxels on the grid lies inside the mask.",
                "4 of 8 voxels (50.0%) are covered (4 outside of the mask).",
            ],
            "used": [True, False, True],
        }
    )
    pd.testing.assert_frame_equal(masker.coverage_, expected, check_dtype=False)
    atlas = np.asarray(masker.region_atlas_.dataobj)
    assert np.unique(atlas).tolist() == [0, 2, 9]
    assert atlas.dtype == np.int32


@pytest.mark.parametrize(("keep_empty", "n_columns"), [(True, 3), (False, 1)])
def test_a_region_that_is_not_covered_enough_is_no_value(three_regions, keep_empty, n_columns):
    labels, mask, run = three_regions
    masker = NiftiLabelsMasker(labels, mask_img=mask, keep_empty=keep_empty, min_coverage=0.6)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signals = masker.fit_transform(run)
    assert signals.shape == (8, n_columns)
    assert np.isfinite(signals).all(axis=0).sum() == 1
    assert masker.n_elements_ == n_columns
    said = " ".join(str(each.message) for each in caught)
    assert ("Less than 60%" in said) is not keep_empty


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_missing_voxels_count_against_coverage(image):
    run = np.arange(12.0).reshape(4, 1, 1, 3)
    run[1, 0, 0, 1] = np.nan
    masker = NiftiLabelsMasker(image(np.full((4, 1, 1), 7)), min_coverage=0.5)
    masker.set_params(labels_img=image(np.array([7, 7, 7, 8]).reshape(4, 1, 1)))
    masker.fit_transform(image(run))
    assert masker.coverage_["coverage"].tolist() == pytest.approx([2 / 3, 1])


def test_a_label_that_resampling_loses_is_named(image):
    labels = np.zeros((9, 3, 3), np.int16)
    labels[:4], labels[4, 1, 1], labels[5:] = 1, 2, 3
    run = image(np.random.default_rng(0).normal(size=(3, 3, 3, 5)), np.diag([3.0, 1, 1, 1]))
    with pytest.warns(UserWarning, match=r"After resampling.*removed: \{2\}"):
        masker = NiftiLabelsMasker(image(labels)).fit(run)
    assert masker.transform(run).shape == (5, 2)
    assert masker.region_names_ == {0: "1", 1: "3"}
    kept = NiftiLabelsMasker(image(labels), keep_empty=True)
    assert np.isnan(kept.fit_transform(run)).all(axis=0).tolist() == [False, True, False]


def test_fitting_without_a_run_resamples_with_a_warning_and_keeps_nothing_of_it(world):
    far = world(far=True)
    masker = NiftiLabelsMasker(far.labels_img, mask_img=far.mask_img).fit()
    with pytest.warns(UserWarning, match="Resampling labels at transform time"):
        later = masker.transform(far.img)
    assert masker.labels_img_.shape == far.labels_img.shape
    at_once = NiftiLabelsMasker(far.labels_img, mask_img=far.mask_img).fit_transform(far.img)
    np.testing.assert_array_equal(later, at_once)


def test_without_a_target_grids_must_agree(world):
    far = world(far=True)
    with pytest.raises(ValueError, match="field of view errors"):
        NiftiLabelsMasker(far.labels_img, resampling_target=None).fit(far.img)
    masker = NiftiLabelsMasker(far.labels_img, resampling_target=None).fit()
    with pytest.raises(ValueError, match="incompatible shapes"):
        masker.transform(far.img)


def test_a_target_that_does_not_exist_is_refused(here):
    with pytest.raises(ValueError, match="'data', 'labels', None"):
        NiftiLabelsMasker(here.labels_img, resampling_target="mask").fit()


def test_labels_elsewhere_leave_nothing(here, image):
    affine = here.affine.copy()
    affine[:3, 3] += 1000
    moved = image(np.asarray(here.labels_img.dataobj), affine)
    with pytest.raises(ValueError, match="No label left after resampling"):
        NiftiLabelsMasker(moved).fit(here.img)


def test_a_mask_elsewhere_leaves_nothing(here, image):
    mask = (np.asarray(here.labels_img.dataobj) == 0).astype(np.uint8)
    with pytest.raises(ValueError, match="No label left after applying mask"):
        NiftiLabelsMasker(here.labels_img, mask_img=image(mask, here.affine)).fit(here.img)


def test_whether_a_mask_leaves_nothing_is_judged_where_runs_lie(here, image):
    mask = (np.asarray(here.labels_img.dataobj) == 0).astype(np.uint8)
    masker = NiftiLabelsMasker(here.labels_img, mask_img=image(mask, here.affine)).fit()
    assert masker.n_elements_ == 0
    with pytest.raises(ValueError, match="No label left after applying mask"):
        masker.transform(here.img)


def test_an_atlas_of_background_is_refused(image):
    with pytest.raises(ValueError, match="no label"):
        NiftiLabelsMasker(image(np.zeros(SHAPE, np.int16))).fit()


def test_an_atlas_is_needed():
    with pytest.raises(TypeError, match=r"labels_img.*input should be a NiftiLike object"):
        NiftiLabelsMasker().fit()


def test_an_atlas_of_several_volumes_is_refused(image):
    with pytest.raises(TypeError, match="3D"):
        NiftiLabelsMasker(image(np.ones((*SHAPE, 2), np.int16))).fit()


def test_labels_are_whole_numbers_in_whatever_type_they_are_stored(image, nilearn):
    labels, run = labels_of(2).astype(np.float32) + np.float32(4e-4), image(run_of(2))
    masker = NiftiLabelsMasker(image(labels))
    np.testing.assert_array_equal(
        masker.fit_transform(run), NiftiLabelsMasker(image(labels_of(2))).fit_transform(run)
    )
    fractions = image(0.5 * labels_of(2))
    nilearn("NiftiLabelsMasker", labels_img=fractions).fit(run)  # takes what interpolation left
    with pytest.raises(ValueError, match="labels are integers"):
        NiftiLabelsMasker(fractions).fit(run)


def test_an_atlas_may_be_a_file(here, tmp_path):
    here.labels_img.to_filename(tmp_path / "atlas.nii.gz")
    here.mask_img.to_filename(tmp_path / "mask.nii")
    masker = NiftiLabelsMasker(tmp_path / "atlas.nii.gz", mask_img=str(tmp_path / "mask.nii"))
    expected = NiftiLabelsMasker(here.labels_img, mask_img=here.mask_img).fit_transform(here.img)
    np.testing.assert_array_equal(masker.fit_transform(here.img), expected)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_painted_images_are_those_of_nilearn(here, nilearn, mask, keep):
    parameters = {"labels_img": here.labels_img, "mask_img": here.mask_img if mask else None}
    signals = np.random.default_rng(0).normal(size=(4, 3))
    ours = NiftiLabelsMasker(**parameters, keep_empty=keep).fit().inverse_transform(signals)
    theirs = nilearn("NiftiLabelsMasker", **parameters).fit().inverse_transform(signals)
    np.testing.assert_array_equal(ours.get_fdata(), theirs.get_fdata())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_painted_images_have_the_type_of_the_signals(here, dtype):
    masker = NiftiLabelsMasker(here.labels_img).fit()
    assert masker.inverse_transform(np.ones((2, 3), dtype)).get_data_dtype() == dtype
    masker.set_params(dtype="float32").fit()
    assert masker.inverse_transform(np.ones((2, 3), dtype)).get_data_dtype() == "float32"
