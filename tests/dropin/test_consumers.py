"""Whoever takes a masker of nilearn's takes ours, and comes to the same numbers.

Each consumer is given each kind of masker, nilearn's and ours. Where nilearn refuses its own
masker, it refuses ours.
"""

import copy
import pickle
import subprocess
import sys
import tempfile
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import bidsmask.maskers

nilearn_maskers = pytest.importorskip("nilearn.maskers")
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = (9, 10, 8)
AFFINE = np.diag([4.0, 4, 4, 1])
AFFINE[:3, 3] = -18, -20, -16
CONDITIONS = np.repeat([0, 1] * 3, 6)
T_R = 2.0

TOLERANCE = 1e-4
"""Of the spread of the result: images are float32, in which nilearn computes."""


def _run(seed):
    values = np.random.default_rng(seed).normal(100, 1, (*SHAPE, CONDITIONS.size))
    values[3:6, 3:6, 3:6] += 2 * CONDITIONS
    return nib.Nifti1Image(values.astype(np.float32), AFFINE)


def _inside():
    mask = np.zeros(SHAPE, dtype=np.int8)
    mask[2:-2, 2:-2, 2:-2] = 1
    return mask


RUN, RUNS = _run(0), [_run(seed) for seed in range(3)]
MASK = nib.Nifti1Image(_inside(), AFFINE)
LABELS = nib.Nifti1Image((_inside() * np.arange(SHAPE[0])[:, None, None]).astype(np.int16), AFFINE)
MAPS = nib.Nifti1Image(
    np.stack([(LABELS.get_fdata() == label) for label in (2, 3, 4)], -1).astype(np.float32), AFFINE
)
CONTRASTS = [nib.Nifti1Image(_run(seed).get_fdata()[..., 0], AFFINE) for seed in range(8)]
ONE_GROUP = pd.DataFrame({"intercept": np.ones(len(CONTRASTS))})
EVENTS = pd.DataFrame(
    {"onset": np.arange(0, 72, 12.0), "duration": 6.0, "trial_type": ["a", "b"] * 3}
)

MASKERS = {
    "NiftiMasker": lambda maskers: maskers.NiftiMasker(mask_img=MASK, standardize=None),
    "fitted": lambda maskers: maskers.NiftiMasker(mask_img=MASK, standardize=None).fit(),
    "smoothing": lambda maskers: maskers.NiftiMasker(
        mask_img=MASK, standardize=None, smoothing_fwhm=5
    ),
    "standardizing": lambda maskers: maskers.NiftiMasker(
        mask_img=MASK, standardize="zscore_sample", detrend=True
    ),
    "MultiNiftiMasker": lambda maskers: maskers.MultiNiftiMasker(mask_img=MASK, standardize=None),
    "NiftiLabelsMasker": lambda maskers: maskers.NiftiLabelsMasker(LABELS, standardize=None),
}


def _decoder(masker):
    from nilearn.decoding import Decoder

    decoder = Decoder(mask=masker, cv=2, screening_percentile=100, standardize=None)
    return decoder.fit(RUN, CONDITIONS).coef_img_[1]


def _decoder_regressor(masker):
    from nilearn.decoding import DecoderRegressor

    decoder = DecoderRegressor(
        estimator="ridge", mask=masker, cv=2, screening_percentile=100, standardize=None
    )
    return decoder.fit(RUN, CONDITIONS.astype(float)).coef_img_["beta"]


def _frem_classifier(masker):
    from nilearn.decoding import FREMClassifier

    decoder = FREMClassifier(
        mask=masker,
        cv=2,
        screening_percentile=50,
        clustering_percentile=50,
        standardize=None,
    )
    return decoder.fit(RUN, CONDITIONS).predict(RUN)


def _frem_regressor(masker):
    from nilearn.decoding import FREMRegressor

    decoder = FREMRegressor(
        estimator="ridge",
        mask=masker,
        cv=2,
        screening_percentile=50,
        clustering_percentile=50,
        standardize=None,
    )
    return decoder.fit(RUN, CONDITIONS.astype(float)).predict(RUN)


def _space_net(name):
    def fit(masker):
        from nilearn import decoding

        net = getattr(decoding, name)(
            mask=masker, max_iter=5, n_alphas=2, cv=2, l1_ratios=0.5, standardize=None
        )
        return net.fit(RUN, CONDITIONS.astype(int)).predict(RUN)

    return fit


def _search_light(masker):
    from nilearn.decoding import SearchLight

    row = nib.Nifti1Image((LABELS.get_fdata() == 3).astype(np.int8), AFFINE)
    light = SearchLight(masker.fit(RUN).mask_img_, process_mask_img=row, radius=4.5, cv=2)
    return light.fit(RUN, CONDITIONS).scores_


def _first_level(masker):
    from nilearn.glm.first_level import FirstLevelModel

    model = FirstLevelModel(t_r=T_R, mask_img=masker, minimize_memory=False).fit(RUN, EVENTS)
    return np.stack(
        [model.compute_contrast("a-b").get_fdata(), model.r_square[0].get_fdata()[..., 0]]
    )


def _first_level_report(masker):
    from nilearn.glm.first_level import FirstLevelModel

    model = FirstLevelModel(t_r=T_R, mask_img=masker).fit(RUN, EVENTS)
    report = model.generate_report("a-b", bg_img=None)
    return np.array([len(report.get_standalone()) > 1000])


def _models_of_models(masker):
    from nilearn.glm.first_level import FirstLevelModel
    from nilearn.glm.second_level import SecondLevelModel

    with tempfile.TemporaryDirectory() as folder:
        models = [
            FirstLevelModel(
                t_r=T_R, mask_img=masker, subject_label=f"{number:02}", memory=folder
            ).fit(run, EVENTS)
            for number, run in enumerate(RUNS)
        ]
        second = SecondLevelModel(mask_img=masker).fit(models)
        return second.compute_contrast(first_level_contrast="a-b", output_type="effect_size")


def _second_level(masker):
    from nilearn.glm.second_level import SecondLevelModel

    model = SecondLevelModel(mask_img=masker).fit(CONTRASTS, design_matrix=ONE_GROUP)
    return model.compute_contrast("intercept")


def _non_parametric(masker):
    from nilearn.glm.second_level import non_parametric_inference

    return non_parametric_inference(
        CONTRASTS, design_matrix=ONE_GROUP, mask=masker, n_perm=5, random_state=0
    )


def _fixed_effects(masker):
    from nilearn.glm import compute_fixed_effects

    return compute_fixed_effects(CONTRASTS[:2], CONTRASTS[2:4], masker)[0]


def _permuted_ols(masker):
    from nilearn.mass_univariate import permuted_ols

    signals = masker.fit(RUN).transform(RUN)
    found = permuted_ols(
        CONDITIONS[:, None],
        signals[0] if isinstance(signals, list) else signals,
        n_perm=5,
        random_state=0,
        tfce=True,
        masker=masker,
        output_type="dict",
    )
    return found["tfce"]


def _can_ica(masker):
    from nilearn.decomposition import CanICA

    return (
        CanICA(n_components=2, mask=masker, random_state=0, threshold=None).fit(RUNS).components_
    )


def _dict_learning(masker):
    from nilearn.decomposition import DictLearning

    learning = DictLearning(n_components=2, mask=masker, random_state=0, n_epochs=1)
    return learning.fit(RUNS).components_


def _parcellations(method):
    def fit(masker):
        from nilearn.regions import Parcellations

        parcels = Parcellations(method, n_parcels=4, mask=masker, random_state=0)
        return parcels.fit(RUNS).labels_img_

    return fit


def _region_extractor(masker):
    from nilearn.regions import RegionExtractor

    extractor = RegionExtractor(
        MAPS, mask_img=masker.fit(RUN).mask_img_, threshold=0.5, min_region_size=10
    )
    return extractor.fit().transform(RUN)


def _img_comparison(masker):
    from nilearn.plotting import plot_img_comparison

    return plot_img_comparison(CONTRASTS[:2], CONTRASTS[2:4], masker=masker.fit(), plot_hist=False)


def _carpet(masker):
    from nilearn.plotting import plot_carpet

    return (
        plot_carpet(RUN, mask_img=masker.fit(RUN).mask_img_, t_r=T_R).axes[0].images[0].get_array()
    )


def _report(masker):
    return np.array([len(masker.fit(RUN).generate_report().get_standalone()) > 1000])


CONSUMERS = {
    "Decoder": _decoder,
    "DecoderRegressor": _decoder_regressor,
    "FREMClassifier": _frem_classifier,
    "FREMRegressor": _frem_regressor,
    "SpaceNetClassifier": _space_net("SpaceNetClassifier"),
    "SpaceNetRegressor": _space_net("SpaceNetRegressor"),
    "SearchLight": _search_light,
    "FirstLevelModel": _first_level,
    "FirstLevelModel report": _first_level_report,
    "SecondLevelModel": _second_level,
    "SecondLevelModel of models": _models_of_models,
    "non_parametric_inference": _non_parametric,
    "compute_fixed_effects": _fixed_effects,
    "permuted_ols": _permuted_ols,
    "CanICA": _can_ica,
    "DictLearning": _dict_learning,
    "Parcellations, Ward": _parcellations("ward"),
    "Parcellations, k-means": _parcellations("kmeans"),
    "RegionExtractor": _region_extractor,
    "plot_img_comparison": _img_comparison,
    "plot_carpet": _carpet,
    "a report": _report,
}


def result(consume, maskers, kind):
    """Values that a consumer comes to, or the error that it raises."""
    import matplotlib.pyplot as plt

    np.random.seed(0)  # noqa: NPY002 - what nilearn draws from where it is told nothing
    try:
        found = consume(MASKERS[kind](maskers))
    except (TypeError, ValueError, AttributeError) as error:
        return error
    finally:
        plt.close("all")
    return found.get_fdata() if hasattr(found, "get_fdata") else np.asarray(found, dtype=float)


@pytest.mark.parametrize("kind", MASKERS)
@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_consumer_comes_to_the_same_numbers(consumer, kind):
    theirs, ours = (
        result(CONSUMERS[consumer], maskers, kind)
        for maskers in (nilearn_maskers, bidsmask.maskers)
    )
    if isinstance(theirs, Exception):
        assert type(ours).__name__ == type(theirs).__name__
        return
    assert not isinstance(ours, Exception), ours
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * max(np.nanstd(theirs), 1e-9))


@pytest.mark.parametrize("kind", [kind for kind in MASKERS if kind != "NiftiLabelsMasker"])
def test_most_consumers_take_each_kind(kind):
    """Or the matrix would hold for a nilearn that takes nothing."""
    taken = [
        name
        for name in ("Decoder", "SecondLevelModel", "compute_fixed_effects", "permuted_ols")
        if not isinstance(result(CONSUMERS[name], nilearn_maskers, kind), Exception)
    ]
    assert len(taken) >= 3


# Being taken for one


@pytest.mark.parametrize("name", bidsmask.maskers.__all__)
def test_a_masker_is_an_instance_of_its_namesake(name):
    from sklearn.base import BaseEstimator, TransformerMixin

    masker = getattr(bidsmask.maskers, name)()
    namesake = getattr(nilearn_maskers, name, nilearn_maskers.NiftiSpheresMasker)
    assert isinstance(masker, (namesake, nilearn_maskers.BaseMasker))
    assert isinstance(masker, namesake)
    assert isinstance(masker, BaseEstimator)
    assert isinstance(masker, TransformerMixin)
    other = nilearn_maskers.NiftiMasker if "Surface" in name else nilearn_maskers.SurfaceMasker
    assert not isinstance(masker, other)
    assert type(masker) is getattr(bidsmask.maskers, name)
    assert type(masker.__class__()) is type(masker)


def test_a_masker_that_can_do_more_is_none_of_nilearns():
    """Nilearn would copy the parameters it knows, and forget the others in silence."""
    masker = bidsmask.maskers.NiftiMasker(MASK, sessions=CONDITIONS)
    assert not isinstance(masker, nilearn_maskers.NiftiMasker)
    assert isinstance(_decoder_error(masker), TypeError)


def _decoder_error(masker):
    with pytest.raises(TypeError, match="'mask' must be of type") as caught:
        _decoder(masker)
    return caught.value


def test_a_masker_made_before_nilearn_is_imported_is_taken_too():
    code = """
import pickle, sys
from bidsmask.maskers import NiftiMasker
masker = NiftiMasker(t_r=2.0)
assert masker.__class__ is NiftiMasker
assert not {"nilearn", "sklearn"} & set(sys.modules)
import nilearn.maskers
assert isinstance(masker, nilearn.maskers.NiftiMasker)
assert type(pickle.loads(pickle.dumps(masker))) is NiftiMasker
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_subclass_of_ours_is_one_of_theirs():
    class Mine(bidsmask.maskers.NiftiMasker):
        """One that somebody else wrote."""

    assert isinstance(Mine(), nilearn_maskers.NiftiMasker)
    assert isinstance(Mine(), bidsmask.maskers.NiftiMasker)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_of_the_same_type(copied):
    masker = bidsmask.maskers.NiftiMasker(MASK).fit()
    assert type(copied(masker)) is bidsmask.maskers.NiftiMasker
    np.testing.assert_array_equal(copied(masker).transform(RUN), masker.transform(RUN))


def test_the_tags_say_what_goes_in():
    from nilearn._utils import tags

    masker = bidsmask.maskers.NiftiMasker()
    assert tags.is_masker(masker)
    assert tags.accept_niimg_input(masker)
    assert not tags.accept_surf_img_input(masker)


def test_nothing_is_said_where_nilearn_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(bidsmask.maskers.NiftiMasker(), nilearn_maskers.NiftiMasker)
