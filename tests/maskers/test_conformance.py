"""The manners of a scikit-learn transformer, one list for all maskers."""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

import bidsmask

SINGLE = ["NiftiMasker", "NiftiLabelsMasker", "NiftiMapsMasker", "NiftiSpheresMasker"]
ALL = SINGLE + [f"Multi{name}" for name in SINGLE]


def make(name, world, **more):
    own = {
        "NiftiMasker": {},
        "NiftiLabelsMasker": {"labels_img": world.labels_img},
        "NiftiMapsMasker": {"maps_img": world.maps_img},
        "NiftiSpheresMasker": {"seeds": world.seeds, "radius": 3.0},
    }[name.removeprefix("Multi")]
    return getattr(bidsmask, name)(**own, mask_img=world.mask_img, **more)


@pytest.fixture(params=ALL)
def name(request):
    return request.param


@pytest.fixture
def here(world):
    return world()


@pytest.fixture
def masker(name, here):
    return make(name, here)


def test_the_constructor_only_remembers(name):
    parameters = list(inspect.signature(getattr(bidsmask, name)).parameters)
    sentinels = {parameter: object() for parameter in parameters}
    made = getattr(bidsmask, name)(**sentinels)
    assert vars(made) == sentinels


def test_parameters_are_those_of_nilearn_in_its_order_with_its_defaults(name):
    import nilearn.maskers

    ours = inspect.signature(getattr(bidsmask, name)).parameters
    theirs = getattr(nilearn.maskers, name, None)
    if theirs is None:  # nilearn has no such masker
        theirs = getattr(nilearn.maskers, name.removeprefix("Multi"))
        ours = {key: value for key, value in ours.items() if key != "n_jobs"}
    expected = [(key, p.default) for key, p in inspect.signature(theirs).parameters.items()]
    positional = [
        (key, p.default) for key, p in ours.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert positional == expected


def test_get_params_gives_what_set_params_takes(masker):
    masker.set_params(**masker.get_params(deep=False))
    assert masker.set_params(t_r=2.0).get_params()["t_r"] == 2.0


def test_a_parameter_that_does_not_exist_cannot_be_set(masker):
    with pytest.raises(ValueError, match="Invalid parameter"):
        masker.set_params(smooth=5)


def test_a_clone_has_the_same_parameters_and_nothing_learned(masker, here):
    copy = clone(masker.fit())
    assert type(copy) is type(masker)
    assert not [attribute for attribute in vars(copy) if attribute.endswith("_")]
    with pytest.raises(NotFittedError):
        copy.transform(here.img)


def test_fit_gives_the_masker_itself(masker):
    assert masker.fit() is masker


def test_fitting_changes_no_parameter(masker, here):
    before = masker.get_params(deep=False)
    masker.fit_transform(here.img)
    after = masker.get_params(deep=False)
    assert all(before[key] is after[key] for key in before)


def test_what_is_learned_ends_in_an_underscore(masker, here):
    parameters = set(masker.get_params(deep=False))
    masker.fit_transform(here.img)
    learned = set(vars(masker)) - parameters
    assert learned
    assert all(attribute.endswith("_") for attribute in learned)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "get_feature_names_out"])
def test_an_unfitted_masker_says_so(masker, method, here):
    arguments = {"transform": [here.img], "inverse_transform": [np.zeros((2, 3))]}
    with pytest.raises(NotFittedError):
        getattr(masker, method)(*arguments.get(method, []))


def test_a_second_fit_forgets_the_first(name, here):
    masker = make(name, here)
    masker.fit_transform(here.img)
    assert masker._header_ is not None
    assert set(vars(masker.fit())) == set(vars(clone(masker).fit()))
    assert masker._header_ is None


def test_fit_transform_is_fit_then_transform(name, here):
    both = make(name, here, standardize="zscore_sample").fit_transform(here.img)
    after = make(name, here, standardize="zscore_sample").fit().transform(here.img)
    np.testing.assert_array_equal(both, after)


def test_transforming_twice_gives_the_same(masker, here):
    np.testing.assert_array_equal(masker.fit_transform(here.img), masker.transform(here.img))


def test_a_fitted_masker_can_be_pickled(masker, here):
    signals = masker.fit_transform(here.img)
    copy = pickle.loads(pickle.dumps(masker))
    np.testing.assert_array_equal(copy.transform(here.img), signals)
    assert copy.n_elements_ == signals.shape[1]


def test_it_works_in_a_pipeline(masker, here):
    pipeline = make_pipeline(masker, StandardScaler())
    scores = pipeline.fit_transform(here.img)
    np.testing.assert_allclose(scores.std(axis=0), 1)
    image = pipeline.inverse_transform(scores)
    assert image.shape[3] == here.n_volumes


def test_a_pipeline_hands_confounds_through_where_it_routes_them(name, here):
    confounds = np.random.default_rng(0).normal(size=(here.n_volumes, 2))
    kept = np.arange(2, here.n_volumes)
    imgs, wanted = here.img, {"confounds": confounds, "sample_mask": kept}
    if name.startswith("Multi"):  # a list of images has a list of each
        imgs, wanted = [imgs], {key: [value] for key, value in wanted.items()}
    expected = make(name, here).fit_transform(imgs, **wanted)
    with config_context(enable_metadata_routing=True):
        asking = make(name, here).set_transform_request(confounds=True, sample_mask="kept")
        pipeline = make_pipeline(clone(asking), FunctionTransformer())
        signals = pipeline.fit_transform(
            imgs, confounds=wanted["confounds"], kept=wanted["sample_mask"]
        )
        np.testing.assert_array_equal(signals, expected)
        silent = make_pipeline(make(name, here), FunctionTransformer())
        with pytest.raises(UnsetMetadataPassedError, match="confounds"):
            silent.fit_transform(imgs, confounds=wanted["confounds"])


def test_there_is_a_name_for_each_column(masker, here):
    signals = masker.fit_transform(here.img)
    names = masker.get_feature_names_out()
    assert names.dtype == object
    assert names.shape == (signals.shape[1],) == (masker.n_elements_,)


def test_frames_have_the_names_as_columns(masker, here):
    masker.set_output(transform="pandas")
    frame = masker.fit_transform(here.img)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(masker.get_feature_names_out())
    np.testing.assert_array_equal(
        frame, masker.set_output(transform="default").transform(here.img)
    )


def test_frames_may_be_of_polars(masker, here):
    polars = pytest.importorskip("polars")
    frame = masker.set_output(transform="polars").fit_transform(here.img)
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == list(masker.get_feature_names_out())


def test_scikit_learn_s_own_setting_counts(masker, here):
    with config_context(transform_output="pandas"):
        assert isinstance(masker.fit_transform(here.img), pd.DataFrame)
    assert isinstance(masker.transform(here.img), np.ndarray)


def test_a_frame_of_something_else_is_refused(masker):
    with pytest.raises(ValueError, match="not 'xarray'"):
        masker.set_output(transform="xarray")


def test_it_shows_the_parameters_that_were_changed(name, here):
    masker = make(name, here, t_r=2.0)
    assert "t_r=2.0" in repr(masker)
    assert "low_pass" not in repr(masker)


def test_parameters_of_parameters_are_found(name, here):
    pipeline = make_pipeline(make(name, here), StandardScaler())
    pipeline.set_params(**{f"{name.lower()}__t_r": 3.0})
    assert pipeline.get_params()[f"{name.lower()}__t_r"] == 3.0


def test_frames_go_back_into_images(masker, here):
    frame = masker.set_output(transform="pandas").fit_transform(here.img)
    image = masker.inverse_transform(frame)
    np.testing.assert_array_equal(
        image.get_fdata(), masker.inverse_transform(frame.to_numpy()).get_fdata()
    )


def test_a_single_volume_is_one_row_of_a_frame(name, here):
    volume = here.img.slicer[..., 0]
    masker = make(name, here).set_output(transform="pandas")
    assert masker.fit_transform(volume).shape == (1, masker.n_elements_)


def test_a_single_volume_is_one_dimension_of_an_array(masker, here):
    volume = here.img.slicer[..., 0]
    assert masker.fit_transform(volume).shape == (masker.n_elements_,)


def test_four_dimensions_stay_two_even_with_one_volume(masker, here):
    assert masker.fit_transform(here.img.slicer[..., :1]).shape == (1, masker.n_elements_)


def test_the_tags_say_that_input_is_no_matrix(masker):
    tags = get_tags(masker)
    assert tags.estimator_type is None or tags.transformer_tags is not None
    assert not tags.input_tags.two_d_array
    assert tags.no_validation


def test_its_repr_can_be_read(masker):
    assert repr(masker).startswith(type(masker).__name__ + "(")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("smoothing_fwhm", True),
        ("smoothing_fwhm", [4, 4]),
        ("smoothing_fwhm", "quick"),
        ("detrend", 1),
        ("t_r", "2"),
        ("t_r", True),
        ("low_pass", False),
        ("standardize_confounds", None),
        ("memory_level", 1.5),
        ("clean_args", ["filter"]),
        ("dtype", bool),
        ("dtype", "complex64"),
    ],
)
def test_a_parameter_of_the_wrong_kind_is_refused_at_fit(name, here, parameter, value):
    masker = make(name, here, **{parameter: value})
    with pytest.raises(TypeError, match=parameter):
        masker.fit()


def test_a_choice_that_does_not_exist_names_the_nearest(name, here):
    with pytest.raises(ValueError, match="Is 'zscore_sample' meant"):
        make(name, here, standardize="zscore_samples").fit()


def test_a_misspelt_cleaning_word_is_an_error(name, here):
    masker = make(name, here, clean_args={"extrapolat": True}).fit()
    with pytest.raises(TypeError, match="extrapolate"):
        masker.transform(here.img)


def test_a_cleaning_word_that_the_masker_has_itself_is_an_error(name, here):
    masker = make(name, here, clean_args={"low_pass": 0.1}).fit()
    with pytest.raises(TypeError, match="low_pass"):
        masker.transform(here.img)


def test_a_filter_without_a_repetition_time_is_an_error(name, here):
    with pytest.raises(ValueError, match="t_r"):
        make(name, here, high_pass=0.01).fit_transform(here.img)


@pytest.mark.parametrize("spelling", [True, "zscore_sample"])
def test_old_and_new_spellings_of_standard_scores_mean_the_same(name, here, spelling):
    scores = make(name, here, standardize=spelling).fit_transform(here.img)
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), 1)


def test_the_population_may_be_the_divisor(name, here):
    scores = make(name, here, standardize="zscore").fit_transform(here.img)
    np.testing.assert_allclose(scores.std(axis=0), 1)


@pytest.mark.parametrize("spelling", [False, None])
def test_no_standardisation_has_two_spellings(name, here, spelling):
    raw = make(name, here, standardize=spelling).fit_transform(here.img)
    assert np.abs(raw).mean() > 100


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
def test_the_caller_s_arrays_are_not_changed(name, here, image):
    array = np.array(here.img.dataobj)
    array[3, 4, 2, 5], array[4, 4, 4] = np.nan, np.inf
    mask, confounds = np.array(here.mask_img.dataobj), here.confounds.copy()
    kept = np.arange(2, 38, dtype=np.int32)
    given = [array, mask, confounds, kept]
    before = [each.copy() for each in given]
    masker = make(name, here, detrend=True, smoothing_fwhm=4, high_variance_confounds=False)
    masker.set_params(mask_img=image(mask, here.affine))
    several = name.startswith("Multi")
    masker.fit_transform(
        image(array, here.affine),
        confounds=[confounds] if several else confounds,
        sample_mask=[kept] if several else kept,
    )
    for now, then in zip(given, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_image_keeps_its_repetition_time_and_units_on_the_way_back(masker, here):
    image = masker.inverse_transform(masker.fit_transform(here.img))
    assert image.header.get_zooms()[3] == here.t_r
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.shape[3] == here.n_volumes
    np.testing.assert_array_equal(image.affine, here.affine)


def test_a_repetition_time_that_was_given_goes_before_the_header_s(name, here):
    masker = make(name, here, t_r=1.25)
    image = masker.inverse_transform(masker.fit_transform(here.img))
    assert image.header.get_zooms()[3] == 1.25


def test_one_dimension_becomes_a_volume(masker, here):
    signals = masker.fit_transform(here.img)
    volume, run = masker.inverse_transform(signals[3]), masker.inverse_transform(signals)
    assert volume.ndim == 3
    np.testing.assert_allclose(volume.get_fdata(), run.get_fdata()[..., 3], rtol=1e-12)


def test_columns_that_do_not_fit_are_refused_with_both_shapes(masker, here):
    signals = masker.fit_transform(here.img)
    with pytest.raises(ValueError, match=r"wrong shape.\nExpected \(40, \d+\).\nGot \(40, \d+\)"):
        masker.inverse_transform(signals[:, 1:])


def test_booleans_become_integers_with_a_warning(masker, here):
    masker.fit(None)
    with pytest.warns(UserWarning, match="Casting boolean input"):
        image = masker.inverse_transform(np.ones(masker.n_elements_, dtype=bool))
    assert image.get_data_dtype().kind in "if"


@pytest.mark.parametrize(
    ("asked", "given"), [(None, "float64"), ("auto", "float32"), ("float32", "float32")]
)
def test_the_type_of_the_signals_can_be_asked_for(name, here, asked, given):
    signals = make(name, here, dtype=asked).fit_transform(here.img)
    assert signals.dtype == given


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_single_precision_stays_and_integers_are_not_cut(name, world, dtype):
    here = world("RAS", dtype)
    signals = make(name, here, standardize="zscore_sample").fit_transform(here.img)
    assert signals.dtype.kind == "f"
    assert (signals % 1).any()
    if dtype == "float32":
        weights_are_double = "Maps" in name
        assert signals.dtype == ("float64" if weights_are_double else "float32")


def test_extraction_is_remembered_and_known_again(name, here, tmp_path, monkeypatch):
    masker = make(name, here, memory=tmp_path, memory_level=1)
    first = masker.fit_transform(here.img)
    monkeypatch.setattr("bidsmask.maskers.base.extract", None)  # would fail if it were called
    np.testing.assert_array_equal(masker.transform(here.img), first)
    np.testing.assert_array_equal(clone(masker).fit_transform(here.img), first)


def test_another_image_is_not_taken_for_a_remembered_one(name, here, image, tmp_path):
    masker = make(name, here, memory=str(tmp_path), memory_level=1)
    once = masker.fit_transform(here.img)
    doubled = masker.transform(image(2 * np.asarray(here.img.dataobj), here.affine))
    np.testing.assert_allclose(doubled, 2 * once)


def test_a_memory_without_a_level_is_used_with_a_warning(name, here, tmp_path):
    masker = make(name, here, memory=tmp_path, memory_level=0)
    with pytest.warns(UserWarning, match="memory_level is currently set to 0"):
        masker.fit()
    assert masker.memory_level == 0
    assert masker.memory_.location == str(tmp_path)


def test_an_array_is_no_image(masker):
    with pytest.raises(TypeError, match="NiftiLike"):
        masker.fit_transform(np.zeros((4, 4, 4, 5)))


def test_a_file_that_is_not_there_is_named(masker, name):
    missing = ["nowhere.nii"] if name.startswith("Multi") else "nowhere.nii"
    with pytest.raises(ValueError, match=r"nowhere\.nii"):
        masker.fit_transform(missing)


def test_an_empty_mask_is_refused(name, here, image):
    masker = make(name, here)
    masker.set_params(mask_img=image(np.zeros((4, 4, 4), np.uint8)))
    with pytest.raises(ValueError, match="masks all data"):
        masker.fit()


def test_a_mask_of_four_dimensions_is_what_is_inside_always(name, here, image):
    mask = np.stack([np.asarray(here.mask_img.dataobj)] * 2, axis=-1)
    mask[2, 2, 2, 1] = 0
    masker = make(name, here)
    masker.set_params(mask_img=image(3.0 * mask, here.affine))
    fitted = np.asarray(masker.fit().mask_img_.dataobj)
    np.testing.assert_array_equal(fitted, mask.all(axis=3))
    assert fitted.dtype == np.uint8
