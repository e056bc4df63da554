import numpy as np
import pandas as pd
import pytest

import bidsmask

NAMES = ["NiftiMasker", "NiftiLabelsMasker", "NiftiMapsMasker", "NiftiSpheresMasker"]


@pytest.fixture
def runs(world, image):
    here = world()
    rng = np.random.default_rng(9)
    array = np.asarray(here.img.dataobj)
    return [here.img, *(image(array + rng.normal(size=array.shape), here.affine) for _ in "ab")]


def parameters_of(name, here):
    return {
        "NiftiMasker": {"mask_img": here.mask_img},
        "NiftiLabelsMasker": {"labels_img": here.labels_img},
        "NiftiMapsMasker": {"maps_img": here.maps_img},
        "NiftiSpheresMasker": {"seeds": here.seeds},
    }[name] | {"detrend": True}


@pytest.fixture(params=NAMES)
def pair(request, world):
    """A masker of several runs, and one of single runs."""
    parameters = parameters_of(request.param, world())
    several = getattr(bidsmask, f"Multi{request.param}")(**parameters)
    return several, getattr(bidsmask, request.param)(**parameters)


def test_each_run_is_as_it_would_be_alone(pair, runs, world):
    several, single = pair
    confounds = [world().confounds, None, None]
    kept = [None, np.arange(30), None]
    signals = several.fit_transform(runs, confounds=confounds, sample_mask=kept)
    assert len(signals) == 3
    single.fit(None if single.mask_img is not None else runs[0])
    for run, confound, mask, ours in zip(runs, confounds, kept, signals, strict=True):
        np.testing.assert_array_equal(single.transform(run, confound, mask), ours)


def test_processes_change_nothing(pair, runs):
    several, _ = pair
    alone = several.fit_transform(runs)
    together = several.set_params(n_jobs=2).fit_transform(runs)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert several.n_elements_ == alone[0].shape[1]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_run_gets_its_own_frame(pair, runs, n_jobs):
    several, _ = pair
    frames = several.set_params(n_jobs=n_jobs).set_output(transform="pandas").fit_transform(runs)
    assert all(isinstance(frame, pd.DataFrame) for frame in frames)
    assert list(frames[0].columns) == list(several.get_feature_names_out())


def test_an_image_alone_gives_an_array_alone(pair, runs):
    several, single = pair
    single.fit(None if single.mask_img is not None else runs[0])
    alone = several.fit().transform(runs[0], confounds=[None], sample_mask=[np.arange(20)])
    np.testing.assert_array_equal(alone, single.transform(runs[0], sample_mask=np.arange(20)))


def test_confounds_and_masks_come_in_lists(pair, runs, world):
    several, _ = pair
    several.fit(None)
    with pytest.raises(TypeError, match="'confounds' must be a None or a list"):
        several.transform(runs, confounds=world().confounds)
    with pytest.raises(TypeError, match="'sample_mask' must be a None or a list"):
        several.transform(runs, sample_mask=np.arange(10))


def test_there_is_an_item_for_each_image(pair, runs, world):
    several, _ = pair
    several.fit(None)
    with pytest.raises(ValueError, match=r"number of confounds \(1\) unequal to .* images \(3\)"):
        several.transform(runs, confounds=[world().confounds])
    with pytest.raises(ValueError, match=r"number of sample_mask \(2\)"):
        several.transform(runs, sample_mask=[None, None])


@pytest.mark.parametrize("name", NAMES[:3])
def test_signals_are_those_of_nilearn(name, runs, world, nilearn, distance):
    parameters = {**parameters_of(name, world()), "standardize": "zscore_sample"}
    parameters["high_variance_confounds"] = True
    ours = getattr(bidsmask, f"Multi{name}")(**parameters).fit_transform(runs)
    theirs = nilearn(f"Multi{name}", **parameters).fit_transform(runs)
    assert max(map(distance, ours, theirs)) < 1e-6


@pytest.mark.parametrize("strategy", ["background", "epi"])
def test_masks_are_computed_from_all_runs_as_in_nilearn(strategy, image, nilearn):
    rng = np.random.default_rng(0)
    middle = np.linspace(-1, 1, 16)
    balls = []
    for shift in (0, 0.1, 0.2):
        grid = np.stack(np.meshgrid(middle + shift, middle, middle))
        inside = (grid**2).sum(axis=0) < 0.6
        balls.append(image(np.where(inside[..., None], 900 + rng.normal(size=(16, 16, 16, 4)), 0)))
    ours = bidsmask.MultiNiftiMasker(mask_strategy=strategy).fit(balls)
    theirs = nilearn("MultiNiftiMasker", mask_strategy=strategy).fit(balls)
    np.testing.assert_array_equal(ours.mask_img_.dataobj, theirs.mask_img_.dataobj)
    alone = bidsmask.MultiNiftiMasker(mask_strategy=strategy).fit(balls[0])
    assert alone.n_elements_ > ours.n_elements_ * 0.5


def test_runs_on_other_grids_are_each_put_right(world):
    near, far = world(), world(far=True)
    masker = bidsmask.MultiNiftiLabelsMasker(near.labels_img).fit()
    with pytest.warns(UserWarning, match="Resampling labels"):
        signals = masker.transform([near.img, moved(near.img)])
    assert [each.shape for each in signals] == [(40, 3), (40, 3)]
    assert far is not near


def moved(img):
    affine = img.affine.copy()
    affine[:3, 3] += 0.7
    return type(img)(np.asarray(img.dataobj), affine)


def test_paths_may_be_given(runs, tmp_path, world):
    paths = [tmp_path / f"run-{number}.nii.gz" for number in range(3)]
    for run, path in zip(runs, paths, strict=True):
        run.to_filename(path)
    masker = bidsmask.MultiNiftiLabelsMasker(world().labels_img, n_jobs=2)
    for one, other in zip(masker.fit_transform(paths), masker.fit_transform(runs), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["NiftiMasker", "MultiNiftiMasker"])
@pytest.mark.filterwarnings("ignore:Computed an empty mask")
def test_a_mask_that_is_empty_is_refused(name, image):
    nothing = image(np.zeros((5, 5, 5, 3)))
    with pytest.raises(ValueError, match="The mask is invalid as it is empty"):
        getattr(bidsmask, name)().fit([nothing] if "Multi" in name else nothing)
