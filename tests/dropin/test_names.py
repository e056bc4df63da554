"""Modules by the names of nilearn's: a swap of the import works, or says what to write."""

import importlib
import pkgutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

import bidsmask

pytestmark = pytest.mark.filterwarnings("ignore")

MODULES = ["maskers", "masking", "image", "signal", "interfaces.fmriprep", "connectome"]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_of_nilearns_is_there_or_says_where_it_is(module):
    theirs = pytest.importorskip(f"nilearn.{module}")
    ours = importlib.import_module(f"bidsmask.{module}")
    for name in theirs.__all__:
        if name in ours.__all__:
            assert getattr(ours, name).__doc__
            assert name in dir(ours)
        else:
            with pytest.raises(ImportError, match=f"from nilearn.{module} import {name}$"):
                getattr(ours, name)


@pytest.mark.parametrize("module", MODULES)
def test_what_is_there_is_there_in_nilearn_too(module):
    theirs = pytest.importorskip(f"nilearn.{module}")
    ours = importlib.import_module(f"bidsmask.{module}")
    assert set(ours.__all__) - set(theirs.__all__) <= {"MultiNiftiSpheresMasker"}


def test_input_data_has_the_maskers():
    from bidsmask import input_data, maskers

    assert input_data.__all__ == maskers.__all__
    assert input_data.NiftiMasker is maskers.NiftiMasker is bidsmask.NiftiMasker


def test_an_import_of_what_is_not_there_shows_the_letter():
    with pytest.raises(
        ImportError, match=r"nilearn.image.crop_img; bidsmask has no such function"
    ):
        from bidsmask.image import crop_img  # noqa: F401
    with pytest.raises(ImportError, match=r"Write: from nilearn import plotting"):
        from bidsmask import plotting  # noqa: F401


STATEMENTS = (
    "from nilearn.{place} import {name}",
    "from nilearn import {place}\n_ = {place}.{name}",
    "import nilearn.{place} as it\n_ = it.{name}",
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("place", [*MODULES, "exceptions"])
def test_a_swap_of_the_word_nilearn_works_or_explains_itself(place, statement):
    if "." in place and "from nilearn import" in statement:
        statement = statement.replace("from nilearn import {place}", "import nilearn.{place}")
        statement = statement.replace("_ = {place}", "_ = nilearn.{place}")
    theirs = pytest.importorskip(f"nilearn.{place}")
    works = []
    for name in theirs.__all__:
        script = statement.format(place=place, name=name)
        exec(script, {})
        try:
            exec(script.replace("nilearn", "bidsmask"), {})
        except ImportError as error:
            assert f"from nilearn.{place} import {name}" in str(error)  # noqa: PT017
        else:
            works.append(name)
    assert works == [name for name in theirs.__all__ if name in dir(_ours(place))]


def _ours(place):
    return importlib.import_module(f"bidsmask.{place}")


def _modules_of_nilearn():
    nilearn = pytest.importorskip("nilearn")
    found = [each.name for each in pkgutil.iter_modules(nilearn.__path__)]
    found += [f"interfaces.{name}" for name in ("bids", "fmriprep", "fsl")]
    return [name for name in found if not name.startswith("_") and name not in NOT_FOR_SCRIPTS]


NOT_FOR_SCRIPTS = ("conftest", "nilearn_typing", "tests")


def test_every_module_of_nilearns_is_there_or_says_where_it_is():
    for place in _modules_of_nilearn():
        try:
            _ours(place)
        except ModuleNotFoundError as error:
            assert f"Import nilearn.{place} instead" in str(error)  # noqa: PT017
            with pytest.raises(ImportError, match=rf"Import nilearn\.{place} instead"):
                exec(f"from bidsmask.{place} import anything", {})
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'bidsmask\.nowhere'"):
        _ours("nowhere")


def test_modules_are_there_once_the_package_is_imported():
    code = "import bidsmask; bidsmask.image.load_img; bidsmask.interfaces.fmriprep.load_confounds"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"image", "maskers"} <= set(dir(bidsmask))


def test_a_misspelt_name_is_answered_with_the_right_one():
    from bidsmask import image

    with pytest.raises(AttributeError, match="Is 'mean_img' meant"):
        _ = image.mean_imgs
    assert not hasattr(image, "mean_imgs")


def test_importing_the_modules_imports_nothing_else():
    heavy = "numpy", "scipy", "nibabel", "pandas", "sklearn", "nilearn"
    code = "import sys, importlib\n"
    code += (
        f"for name in {[*MODULES, 'input_data']}: importlib.import_module('bidsmask.' + name)\n"
    )
    code += f"print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


# Errors and warnings


def _volume(n_axes):
    return nib.Nifti1Image(np.zeros((3,) * n_axes), np.eye(4))


def _nothing_there():
    affine = np.eye(4)
    affine[:3, 3] = 500
    return bidsmask.resample_img(_volume(3), affine)


RAISED = {
    "DimensionError": ("exceptions", lambda: bidsmask.smooth_img(_volume(2), 3)),
    "AllVolumesRemovedError": (
        "exceptions",
        lambda: bidsmask.clean(np.ones((9, 2)), sample_mask=[]),
    ),
    "BoundingBoxError": ("image.resampling", _nothing_there),
}


@pytest.mark.parametrize("name", RAISED)
def test_what_is_raised_is_caught_by_either_name(name):
    import pickle

    from bidsmask import exceptions

    place, call = RAISED[name]
    theirs = getattr(pytest.importorskip(f"nilearn.{place}"), name)
    ours = getattr(exceptions, name)
    for kind in (ours, theirs):
        with pytest.raises(kind) as caught:
            call()
    assert type(caught.value).__name__ == name
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, ours)
    assert isinstance(again, theirs)
    assert str(again) == str(caught.value) == caught.value.args[0]


@pytest.mark.filterwarnings("error")
def test_warnings_are_filtered_by_either_name():
    import warnings

    from bidsmask.exceptions import MaskWarning

    theirs = pytest.importorskip("nilearn.exceptions").MaskWarning
    for kind in (MaskWarning, theirs):
        with pytest.warns(kind, match="empty mask"):
            bidsmask.compute_background_mask(_volume(3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", kind)
            bidsmask.compute_background_mask(_volume(3))


def test_errors_are_ours_where_nilearn_is_not_imported():
    code = (
        "import sys, bidsmask\n"
        "from bidsmask.exceptions import DimensionError\n"
        "print(type(DimensionError('words')) is DimensionError, 'nilearn' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "True False"


# Images

AFFINE = np.diag([2.0, 2, 2, 1])
GRID_3 = np.diag([3.0, 3, 3])


def _run(dtype, seed=0):
    values = np.random.default_rng(seed).normal(50, 20, (5, 6, 7, 8)).astype(dtype)
    image = nib.Nifti1Image(values, AFFINE)
    image.header.set_zooms((2, 2, 2, 1.5))
    return image


IMAGE_CALLS = {
    "load_img": lambda m, a, b: m.load_img(a),
    "load_img, another type": lambda m, a, b: m.load_img(a, dtype="float32"),
    "load_img, a type that suits": lambda m, a, b: m.load_img(a, dtype="auto"),
    "load_img of a list": lambda m, a, b: m.load_img(nib.four_to_three(a)[:3]),
    "copy_img": lambda m, a, b: m.copy_img(a),
    "index_img": lambda m, a, b: m.index_img(a, 3),
    "index_img, a slice": lambda m, a, b: m.index_img(a, slice(2, 5)),
    "index_img, a list": lambda m, a, b: m.index_img(a, [1, 4]),
    "index_img, bools": lambda m, a, b: m.index_img(a, np.arange(8) % 2 == 0),
    "iter_img": lambda m, a, b: list(m.iter_img(a))[2],
    "concat_imgs": lambda m, a, b: m.concat_imgs([a, b]),
    "concat_imgs of volumes": lambda m, a, b: m.concat_imgs(nib.four_to_three(a)),
    "concat_imgs, their type": lambda m, a, b: m.concat_imgs([a, b], dtype=None),
    "mean_img": lambda m, a, b: m.mean_img(a),
    "mean_img of several": lambda m, a, b: m.mean_img([a, b]),
    "mean_img, another grid": lambda m, a, b: m.mean_img(a, target_affine=GRID_3),
    "mean_img of several, another grid": lambda m, a, b: m.mean_img([a, b], target_affine=GRID_3),
    "new_img_like": lambda m, a, b: m.new_img_like(a, m.get_data(a) * 2),
    "new_img_like, bools": lambda m, a, b: m.new_img_like(a, m.get_data(a) > 50),
    "math_img": lambda m, a, b: m.math_img("np.sqrt(abs(1.0 * x - y))", x=a, y=b),
    "math_img, a mask": lambda m, a, b: m.math_img("x.mean(axis=3) > 50", x=a),
    "math_img, a header": lambda m, a, b: m.math_img("x * 2", x=a, copy_header_from="x"),
    "clean_img": lambda m, a, b: m.clean_img(a, standardize="zscore_sample"),
}


RANGES_LEFT_OUT = ("clean_img", "copy_img", "load_img")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
@pytest.mark.parametrize("call", IMAGE_CALLS)
def test_functions_of_images_give_what_nilearns_give(call, dtype):
    from bidsmask import image

    theirs_module = pytest.importorskip("nilearn.image")
    runs = _run(dtype), _run(dtype, seed=1)
    ours, theirs = (IMAGE_CALLS[call](module, *runs) for module in (image, theirs_module))
    expected = np.asanyarray(theirs.dataobj)
    assert np.asanyarray(ours.dataobj).dtype == expected.dtype
    np.testing.assert_allclose(ours.dataobj, expected, rtol=0, atol=1e-5 * np.std(expected))
    np.testing.assert_allclose(ours.affine, theirs.affine)
    np.testing.assert_allclose(ours.header.get_zooms()[:3], theirs.header.get_zooms()[:3])
    if not call.startswith(RANGES_LEFT_OUT):
        for limit in ("cal_min", "cal_max"):
            np.testing.assert_allclose(ours.header[limit], theirs.header[limit], atol=1e-4)


def test_images_on_other_grids_are_brought_onto_the_first_and_it_is_said():
    from bidsmask import image

    theirs = pytest.importorskip("nilearn.image")
    another = _run("float32", seed=1).get_fdata().astype(np.float32)
    runs = _run("float32"), nib.Nifti1Image(another, np.diag([3.0, 3, 3, 1]))
    with pytest.warns(UserWarning, match="Affine is different across subjects"):
        ours = image.concat_imgs(runs, auto_resample=True)
    expected = theirs.concat_imgs(runs, auto_resample=True).get_fdata()
    np.testing.assert_allclose(ours.dataobj, expected, rtol=0, atol=1e-5 * np.std(expected))


@pytest.mark.parametrize("copy_header", [True, False])
def test_a_type_that_no_file_has_becomes_one(copy_header, tmp_path):
    from bidsmask import image

    run = _run("float32")
    values = run.get_fdata().astype(np.float16)
    made = image.new_img_like(run, values, copy_header=copy_header)
    made.to_filename(tmp_path / "run.nii")
    np.testing.assert_array_equal(nib.load(tmp_path / "run.nii").get_fdata(), values)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_copies_of_files_are_made_in_silence(dtype, tmp_path):
    from bidsmask import image

    _run(dtype).to_filename(tmp_path / "run.nii")
    loaded = nib.load(tmp_path / "run.nii")
    copied = image.copy_img(loaded)
    assert copied.in_memory
    np.testing.assert_array_equal(copied.dataobj, np.asanyarray(loaded.dataobj))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.concat_imgs([]), TypeError, "empty"),
        (lambda m: m.index_img(_run("float32"), 8), IndexError, "out of bounds"),
        (lambda m: m.index_img(m.index_img(_run("float32"), 0), 0), TypeError, "dimension"),
        (lambda m: m.load_img("nowhere.nii.gz"), ValueError, "File not found"),
        (lambda m: m.math_img("a", "b", a=_run("float32")), ValueError, "copy_header_from"),
        (lambda m: m.math_img("a[..., 0]", "a", a=_run("float32")), ValueError, "dimensions"),
        (lambda m: m.math_img("np.lgo(a)", a=_run("float32")), AttributeError, "formula couldn't"),
        (lambda m: m.copy_img(3), TypeError, "must be of type"),
        (
            lambda m: m.clean_img(_run("float32"), low_pass=0.1),
            ValueError,
            "header suggest it to be 1.5",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_as_nilearn_refuses_it(call, error, message):
    from bidsmask import image

    theirs = pytest.importorskip("nilearn.image")
    with pytest.raises(error, match=message):
        call(image)
    with pytest.raises(error):
        call(theirs)


def _both():
    from bidsmask import image

    return image, pytest.importorskip("nilearn.image")


def test_images_of_five_axes_are_resampled_volume_by_volume():
    ours, theirs = _both()
    field = np.random.default_rng(0).normal(size=(5, 6, 7, 3, 2))
    image = nib.Nifti1Image(field, AFFINE)
    resampled = ours.resample_img(image, GRID_3)
    assert resampled.shape[3:] == (3, 2)
    single = ours.resample_img(nib.Nifti1Image(field[..., 2, 1], AFFINE), GRID_3, clip=False)
    np.testing.assert_allclose(
        ours.resample_img(image, GRID_3, clip=False).dataobj[..., 2, 1], single.dataobj, atol=1e-12
    )
    expected = theirs.resample_img(image, GRID_3).get_fdata()
    np.testing.assert_allclose(resampled.get_fdata(), expected, atol=1e-6)
    assert ours.get_data(image) is theirs.get_data(image)


def test_volumes_are_picked_wherever_they_lie():
    """No place is needed for that, so a flat affine does no harm."""
    flat = np.ones((4, 4))
    flat[3] = 0, 0, 0, 1
    run = nib.Nifti1Image(np.arange(24.0).reshape(2, 3, 2, 2), flat)
    for module in _both():
        np.testing.assert_array_equal(module.index_img(run, 1).dataobj, run.dataobj[..., 1])
        volumes = [np.asarray(each.dataobj) for each in module.iter_img(run)]
        np.testing.assert_array_equal(np.stack(volumes, axis=-1), run.dataobj)


@pytest.mark.parametrize(
    ("factor", "kept", "words"),
    [(1, "int32", "converted to int32"), (2**40, "int64", "too large")],
)
def test_integers_of_64_bits_are_warned_of(factor, kept, words):
    ours, theirs = _both()
    values = np.full((2, 2, 2), factor)
    with pytest.warns(UserWarning, match=f"64-bit ints.*{words}"):
        image = ours.new_img_like(_run("int16"), values)
    with pytest.warns(UserWarning, match="64-bit ints"):
        assert theirs.new_img_like(_run("int16"), values).dataobj.dtype == kept
    assert image.dataobj.dtype == kept


def test_an_image_that_the_formula_leaves_out_is_warned_of():
    for module in _both():
        with pytest.warns(UserWarning, match=r"Some images \(\['b'\]\) are not mentioned"):
            module.math_img("a + 1", a=_run("int16"), b=_run("int16"))


# Signals and connectomes


@pytest.mark.parametrize(
    "options", [{"low_pass": 0.1}, {"high_pass": 0.05}, {"low_pass": 0.3}, {"high_pass": 0.25}, {}]
)
def test_the_filter_is_nilearns(options):
    from bidsmask.signal import butterworth

    theirs = pytest.importorskip("nilearn.signal").butterworth
    signals = np.random.default_rng(0).normal(size=(100, 3))
    for given in (signals, signals[:, 0].copy()):
        expected = theirs(given.copy(), 0.5, **options)
        before = given.copy()
        np.testing.assert_allclose(
            butterworth(given, 0.5, copy=True, **options), expected, atol=1e-11
        )
        np.testing.assert_array_equal(given, before)
        assert butterworth(given, 0.5, **options) is given  # in place, unless told otherwise
        np.testing.assert_allclose(given, expected, atol=1e-11)


KINDS = ["covariance", "correlation", "partial correlation", "tangent", "precision"]


@pytest.fixture(scope="module")
def subjects():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 12))
    return [rng.normal(size=(40 + 5 * number, 12)) @ mixing + 10 for number in range(5)]


@pytest.mark.parametrize("confounds", [False, True])
@pytest.mark.parametrize(
    ("vectorize", "discard_diagonal"), [(False, False), (True, False), (True, True)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_connectivity_is_nilearns_to_1e_6(kind, vectorize, discard_diagonal, confounds, subjects):
    from bidsmask.connectome import ConnectivityMeasure

    theirs_class = pytest.importorskip("nilearn.connectome").ConnectivityMeasure
    options = {"kind": kind, "vectorize": vectorize, "discard_diagonal": discard_diagonal}
    more = {"confounds": np.arange(5.0)[:, None] ** 2} if confounds and vectorize else {}
    ours, theirs = (each(**options) for each in (ConnectivityMeasure, theirs_class))
    expected = theirs.fit_transform(subjects)
    if more:  # theirs takes a line over the subjects, too: tests/maskers/test_differences.py
        clean = pytest.importorskip("nilearn.signal").clean
        expected = clean(expected, **more, detrend=False, standardize="zscore_sample")
    size = np.std(expected)
    np.testing.assert_allclose(
        ours.fit_transform(subjects, **more), expected, rtol=0, atol=1e-6 * size
    )
    np.testing.assert_allclose(ours.mean_, theirs.mean_, rtol=1e-6, atol=1e-9)
    if kind == "tangent":
        np.testing.assert_allclose(ours.whitening_, theirs.whitening_, rtol=1e-6, atol=1e-9)
    some = theirs.transform(subjects[1:3])
    np.testing.assert_allclose(
        ours.transform(subjects[1:3]), some, rtol=0, atol=1e-6 * np.std(some)
    )
    if discard_diagonal and "correlation" not in kind:
        with pytest.raises(ValueError, match="diagonal"):
            ours.inverse_transform(some)
        return
    np.testing.assert_allclose(
        ours.inverse_transform(some), theirs.inverse_transform(some), rtol=1e-6, atol=1e-9
    )


def test_the_documented_word_for_standardizing_is_not_without_effect(subjects):
    """nilearn 0.14.1 takes "zscore_sample" for None."""
    from bidsmask.connectome import ConnectivityMeasure

    by_word, by_true, without = (
        ConnectivityMeasure(kind="correlation", standardize=how).fit_transform(subjects)
        for how in ("zscore_sample", True, None)
    )
    np.testing.assert_array_equal(by_word, by_true)
    assert np.abs(by_word - without).max() > 1e-4


@pytest.mark.parametrize("estimator", ["EmpiricalCovariance", "OAS", "GraphicalLasso"])
def test_any_estimator_of_covariances_will_do(estimator, subjects):
    from sklearn import covariance

    from bidsmask.connectome import ConnectivityMeasure

    theirs_class = pytest.importorskip("nilearn.connectome").ConnectivityMeasure
    ours, theirs = (
        each(getattr(covariance, estimator)(), kind="correlation").fit_transform(subjects)
        for each in (ConnectivityMeasure, theirs_class)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "given", "error", "message"),
    [
        ({"kind": "tangents"}, None, ValueError, "Is 'tangent' meant"),
        ({"kind": "tangent"}, [np.eye(4)], ValueError, "group of subjects"),
        ({}, [np.eye(4), np.eye(3)], ValueError, "same number of features"),
        ({}, [np.zeros(3)], ValueError, "2D numpy.ndarray"),
        ({}, 1.0, TypeError, "iterable"),
        ({"cov_estimator": 3}, None, ValueError, "'cov_estimator' must be an estimator"),
    ],
)
def test_what_connectivity_cannot_be_of_is_refused(options, given, error, message, subjects):
    from bidsmask.connectome import ConnectivityMeasure

    with pytest.raises(error, match=message):
        ConnectivityMeasure(**options).fit_transform(subjects if given is None else given)


def test_a_measure_is_taken_for_nilearns_and_stays_ours():
    import pickle

    from sklearn.base import BaseEstimator, clone

    from bidsmask.connectome import ConnectivityMeasure

    theirs_class = pytest.importorskip("nilearn.connectome").ConnectivityMeasure
    measure = ConnectivityMeasure(kind="tangent")
    for other in (measure, clone(measure), pickle.loads(pickle.dumps(measure))):
        assert isinstance(other, theirs_class)
        assert isinstance(other, BaseEstimator)
        assert type(other) is ConnectivityMeasure
        assert other.kind == "tangent"


def test_a_fitted_measure_is_read_where_nilearn_is_not_imported(subjects, tmp_path):
    import pickle

    from bidsmask.connectome import ConnectivityMeasure

    pytest.importorskip("nilearn.connectome")
    (tmp_path / "measure").write_bytes(pickle.dumps(ConnectivityMeasure().fit(subjects)))
    code = (
        "import pickle, sys\n"
        f"measure = pickle.load(open({str(tmp_path / 'measure')!r}, 'rb'))\n"
        "print(measure.mean_.shape, 'nilearn' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "(12, 12) False"


def test_frames_of_matrices_are_refused():
    from bidsmask.connectome import ConnectivityMeasure

    measure = ConnectivityMeasure()
    assert measure.set_output(transform=None) is measure
    with pytest.raises(NotImplementedError, match="no frames"):
        measure.set_output(transform="pandas")


def test_confounds_of_matrices_are_refused(subjects):
    from bidsmask.connectome import ConnectivityMeasure

    with pytest.raises(ValueError, match="vectorize=False"):
        ConnectivityMeasure().fit_transform(subjects, confounds=np.ones((5, 1)))


def test_vectors_and_matrices_are_nilearns(subjects):
    from bidsmask import connectome

    theirs = pytest.importorskip("nilearn.connectome")
    matrices = np.array([np.cov(signals.T) for signals in subjects])
    for discard in (False, True):
        vectors = theirs.sym_matrix_to_vec(matrices, discard_diagonal=discard)
        np.testing.assert_array_equal(connectome.sym_matrix_to_vec(matrices, discard), vectors)
        diagonal = np.diagonal(matrices, axis1=1, axis2=2) / np.sqrt(2) if discard else None
        np.testing.assert_allclose(connectome.vec_to_sym_matrix(vectors, diagonal), matrices)
    np.testing.assert_allclose(
        connectome.cov_to_corr(matrices[0]), theirs.cov_to_corr(matrices[0]), atol=1e-12
    )
    np.testing.assert_allclose(
        connectome.prec_to_partial(matrices[0]), theirs.prec_to_partial(matrices[0]), atol=1e-12
    )
    with pytest.raises(ValueError, match="unsuitable shape"):
        connectome.vec_to_sym_matrix(np.zeros(5))
    with pytest.raises(ValueError, match="incompatible"):
        connectome.vec_to_sym_matrix(np.zeros(3), diagonal=np.zeros(2))


@pytest.mark.parametrize("module", ["", *MODULES])
def test_every_public_name_shows_an_example_and_its_neighbours(module):
    ours = importlib.import_module(f"bidsmask.{module}".rstrip("."))
    for name in ours.__all__:
        words = getattr(ours, name).__doc__
        if name != "__version__":
            assert "Examples\n" in words, name
            assert "See Also\n" in words, name
