"""scikit-learn, joblib and their like take our maskers as they take nilearn's."""

import pickle

import nibabel as nib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import estimator_checks, estimator_html_repr

import bidsmask.maskers

nilearn_maskers = pytest.importorskip("nilearn.maskers")
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = (8, 7, 6)
AFFINE = np.diag([4.0, 4, 4, 1])
CONDITIONS = np.repeat([0, 1] * 2, 6)
TOLERANCE = 1e-4

MASKERS = bidsmask.maskers.__all__


def _run(seed=0):
    values = np.random.default_rng(seed).normal(100, 1, (*SHAPE, CONDITIONS.size))
    values[2:4, 2:4, 2:4] += 2 * CONDITIONS
    return nib.Nifti1Image(values.astype(np.float32), AFFINE)


RUN = _run()
VOLUMES = nib.four_to_three(RUN)
MASK = nib.Nifti1Image(np.ones(SHAPE, dtype=np.int8), AFFINE)
LABELS = nib.Nifti1Image(
    np.broadcast_to(np.arange(SHAPE[0])[:, None, None], SHAPE).astype(np.int16), AFFINE
)
MAPS = nib.Nifti1Image(np.random.default_rng(1).random((*SHAPE, 3)).astype(np.float32), AFFINE)


def make(name, maskers=bidsmask.maskers):
    own = {
        "NiftiMasker": {"mask_img": MASK},
        "NiftiLabelsMasker": {"labels_img": LABELS},
        "NiftiMapsMasker": {"maps_img": MAPS},
        "NiftiSpheresMasker": {"seeds": [(8, 8, 8)], "radius": 6},
        "SurfaceMasker": {},
        "SurfaceLabelsMasker": {"labels_img": ("L.label.gii", "R.label.gii")},
        "SurfaceMapsMasker": {"maps_img": ("L.shape.gii", "R.shape.gii")},
    }[name.removeprefix("Multi")]
    return getattr(maskers, name)(**own, standardize=None)


def _pipeline_scores(maskers):
    pipeline = make_pipeline(make("NiftiMasker", maskers), SVC(kernel="linear"))
    return cross_val_score(pipeline, VOLUMES, CONDITIONS, cv=2)


def _grid_search(maskers):
    pipeline = make_pipeline(make("NiftiMasker", maskers), SVC(kernel="linear"))
    search = GridSearchCV(pipeline, {"niftimasker__smoothing_fwhm": [None, 6]}, cv=2)
    return search.fit(VOLUMES, CONDITIONS).cv_results_["mean_test_score"]


def _there_and_back(maskers):
    pipeline = make_pipeline(make("NiftiMasker", maskers), PCA(3, svd_solver="full"))
    return pipeline.inverse_transform(pipeline.fit_transform(RUN)).get_fdata()


def _column_transformer(maskers):
    frame = make("NiftiLabelsMasker", maskers).set_output(transform="pandas").fit_transform(RUN)
    scaled = ("scaled", StandardScaler(), list(frame.columns[:3]))
    return ColumnTransformer([scaled], remainder="passthrough").fit_transform(frame)


def _union(maskers):
    union = make_union(make("NiftiLabelsMasker", maskers), make("NiftiMapsMasker", maskers))
    return union.set_output(transform="pandas").fit_transform(RUN).to_numpy()


def _pipeline_of_frames(maskers):
    pipeline = make_pipeline(make("NiftiLabelsMasker", maskers), StandardScaler())
    return pipeline.set_output(transform="polars").fit_transform(RUN).to_numpy()


def _connectome(maskers):
    from nilearn.connectome import ConnectivityMeasure

    measure = ConnectivityMeasure(kind="correlation", vectorize=True)
    pipeline = make_pipeline(make("MultiNiftiLabelsMasker", maskers), measure)
    return pipeline.fit_transform([_run(seed) for seed in range(3)])


def _in_processes(maskers):
    from joblib import Parallel, delayed

    masker = make("NiftiLabelsMasker", maskers).fit()
    jobs = (delayed(masker.transform)(_run(seed)) for seed in range(2))
    return np.stack(Parallel(n_jobs=2)(jobs))


def _by_cloudpickle(maskers):
    cloudpickle = pytest.importorskip("cloudpickle")
    masker = make("NiftiMapsMasker", maskers).fit()
    return cloudpickle.loads(cloudpickle.dumps(masker)).transform(RUN)


def _by_dask(maskers):
    dask = pytest.importorskip("dask")
    masker = make("NiftiLabelsMasker", maskers).fit()
    tasks = [dask.delayed(masker.transform)(_run(seed)) for seed in range(2)]
    return np.stack(dask.compute(*tasks, scheduler="threads"))


USES = [
    _pipeline_scores,
    _grid_search,
    _there_and_back,
    _column_transformer,
    _union,
    _pipeline_of_frames,
    _connectome,
    _in_processes,
    _by_cloudpickle,
    _by_dask,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__.strip("_"))
def test_a_use_gives_the_same_numbers(use):
    ours, theirs = use(bidsmask.maskers), use(nilearn_maskers)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * np.std(theirs) + 1e-9)


APPLICABLE = [
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_transformer_n_iter",
    "check_transformers_unfitted",
    "check_valid_tag_types",
]
"""Those of scikit-learn's checks that hand over no array; a masker takes images."""


@pytest.mark.parametrize("check", APPLICABLE)
@pytest.mark.parametrize("name", MASKERS)
def test_checks_of_scikit_learn_that_apply(name, check):
    masker = getattr(bidsmask.maskers, name)()
    getattr(estimator_checks, check)(name, masker)


@pytest.mark.parametrize("name", MASKERS)
def test_requests_are_those_of_nilearns_masker(name):
    theirs = getattr(nilearn_maskers, name, nilearn_maskers.NiftiSpheresMasker)()
    ours = getattr(bidsmask.maskers, name)()
    for method in ("fit", "transform", "inverse_transform"):
        setter = f"set_{method}_request"
        assert hasattr(ours, setter) == hasattr(theirs, setter)
    with config_context(enable_metadata_routing=True):
        asked = ours.set_fit_request(imgs=True).set_transform_request(confounds="nuisance")
        routing = asked.get_metadata_routing()
    assert routing.fit.requests == {"imgs": True}
    assert routing.transform.requests["confounds"] == "nuisance"
    assert list(routing.inverse_transform.requests) == list(
        theirs.get_metadata_routing().inverse_transform.requests
    )


@pytest.mark.parametrize("name", MASKERS)
def test_a_masker_shows_itself_in_a_notebook(name):
    masker = make(name)
    assert name in masker._repr_mimebundle_()["text/html"]
    assert name in masker._repr_html_()
    assert "smoothing_fwhm" in masker._repr_html_()
    assert name in estimator_html_repr(make_pipeline(masker, PCA()))


class Windowed(bidsmask.maskers.NiftiLabelsMasker):
    """Signals that are averaged over time: a masker with a parameter of its own."""

    def __init__(self, labels_img=None, detrend=False, window=2):
        super().__init__(labels_img=labels_img, detrend=detrend)
        self.window = window

    def transform(self, imgs, confounds=None, sample_mask=None):
        signals = super().transform(imgs, confounds, sample_mask)
        return signals[:: self.window]


def test_a_subclass_may_have_parameters_of_its_own():
    masker = clone(Windowed(LABELS, window=3))
    assert list(masker.get_params()) == ["detrend", "labels_img", "window"]
    assert repr(masker).endswith("window=3)")
    assert masker.fit_transform(RUN).shape == (8, SHAPE[0] - 1)
    assert isinstance(masker, bidsmask.maskers.NiftiLabelsMasker)
    assert not isinstance(masker, nilearn_maskers.BaseMasker)  # nilearn would forget its window
    assert isinstance(Windowed(LABELS), nilearn_maskers.BaseMasker)
    assert masker.set_params(window=2).fit(RUN).transform(RUN).shape == (12, SHAPE[0] - 1)
    with pytest.raises(TypeError, match="Is 'window' meant"):
        Windowed(windows=3)


class Forwarding(bidsmask.maskers.NiftiMasker):
    """A masker that hands on what it is given."""

    def __init__(self, mask_img=None, **options):
        super().__init__(mask_img, **options)


def test_a_subclass_may_hand_its_parameters_on():
    masker = Forwarding(MASK, standardize="psc", smoothing_fwhm=6)
    plain = bidsmask.maskers.NiftiMasker(MASK, standardize="psc", smoothing_fwhm=6)
    np.testing.assert_array_equal(masker.fit_transform(RUN), plain.fit_transform(RUN))
    assert list(masker.get_params()) == ["mask_img"]  # those that its constructor tells of


def test_a_pickled_masker_is_small_and_knows_no_nilearn():
    content = pickle.dumps(make("NiftiLabelsMasker"))
    assert b"nilearn" not in content
