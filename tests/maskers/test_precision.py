"""A masker that is asked for float64 computes in double precision, whatever the run is of."""

import nibabel as nib
import numpy as np
import pytest

import bidsmask

SHAPE, N_VOLUMES = (9, 10, 8), 40
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
WITHIN = np.array([[2.9, 0, 0, 2.5], [0, 2.8, 0, 2.5], [0, 0, 3.1, 2.5], [0, 0, 0, 1]])
"""Of a lattice that fits into the run's."""

KINDS = ("NiftiMasker", "NiftiLabelsMasker", "NiftiMapsMasker", "NiftiSpheresMasker")

pytestmark = pytest.mark.filterwarnings("ignore")


def image(values, affine=AFFINE):
    return nib.Nifti1Image(values, affine, dtype=values.dtype)


def run_of(dtype, rng):
    values = rng.normal(1000, 20, (*SHAPE, N_VOLUMES)) + 3 * np.arange(N_VOLUMES)
    return image(np.rint(values).astype(dtype) if dtype == "int16" else values.astype(dtype))


def options(kind, rng):
    """What a script may ask for, by chance."""
    asked = {
        "smoothing_fwhm": [None, 4, 6.5][rng.integers(3)],
        "standardize": [None, "zscore_sample", "psc"][rng.integers(3)],
        "detrend": bool(rng.integers(2)),
        "dtype": np.float64,
    }
    if rng.random() < 0.4:
        asked |= {"high_pass": 0.01, "low_pass": 0.1, "t_r": 2.0}
    inside = np.zeros(SHAPE, dtype=bool)
    inside[1:7, 1:8, 1:6] = True
    affine = AFFINE if rng.random() < 0.5 else WITHIN
    if kind == "NiftiMasker":
        return asked | {"mask_img": image(inside.astype(np.uint8), affine)}
    if kind == "NiftiLabelsMasker":
        target, strategy = ["data", "labels"], ["mean", "median", "sum", "standard_deviation"]
        labels = (inside * rng.integers(1, 6, SHAPE)).astype(np.int16)
        return asked | {
            "labels_img": image(labels, affine),
            "resampling_target": target[rng.integers(2)],
            "strategy": strategy[rng.integers(4)],
        }
    if kind == "NiftiMapsMasker":
        maps = inside[..., None] * rng.random((*SHAPE, 4))
        target = ["data", "maps"][rng.integers(2)]
        return asked | {"maps_img": image(maps, affine), "resampling_target": target}
    return asked | {"seeds": [(9.0, 9, 9), (15.0, 18, 12)], "radius": 4.0}


def largest_difference(some, others):
    """In standard deviations of a column; of one that is constant, in its own size."""
    spread = others.std(axis=0)
    spread = np.where(spread > 1e-9 * np.abs(others).max(axis=0), spread, 1)
    return (np.abs(some - others) / spread).max()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_same_values_in_double_precision_give(kind, dtype, seed):
    rng = np.random.default_rng(seed)
    img, asked = run_of(dtype, rng), options(kind, rng)
    double = image(np.asarray(img.dataobj, dtype=np.float64))
    confounds = rng.normal(size=(N_VOLUMES, 3)) if seed % 2 else None
    masker = getattr(bidsmask, kind)(**asked)
    ours = masker.fit_transform(img, confounds=confounds)
    assert ours.dtype == np.float64
    theirs = masker.fit_transform(double, confounds=confounds)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_nilearn_makes_of_the_same_values_in_double_precision(kind, dtype, seed):
    maskers = pytest.importorskip("nilearn.maskers")
    rng = np.random.default_rng(100 + seed)
    img, asked = run_of(dtype, rng), options(kind, rng)
    double = image(np.asarray(img.dataobj, dtype=np.float64))
    confounds = rng.normal(size=(N_VOLUMES, 3)) if seed % 2 else None
    ours = getattr(bidsmask, kind)(**asked).fit_transform(img, confounds=confounds)
    theirs = getattr(maskers, kind)(**asked).fit_transform(double, confounds=confounds)
    assert largest_difference(ours, theirs) < 1e-6


def test_what_is_remembered_is_of_that_precision(tmp_path):
    rng = np.random.default_rng(0)
    img, asked = run_of("float32", rng), options("NiftiLabelsMasker", rng)
    asked |= {"memory": str(tmp_path), "smoothing_fwhm": 5, "strategy": "mean"}
    asked |= {"dtype": None}
    bidsmask.NiftiLabelsMasker(**asked).fit_transform(img)
    again = bidsmask.NiftiLabelsMasker(**asked | {"dtype": "float64"}).fit_transform(img)
    fresh = bidsmask.NiftiLabelsMasker(**asked | {"dtype": "float64", "memory": None})
    np.testing.assert_array_equal(again, fresh.fit_transform(img))


# Functions, which give floats of the size that they are given.

DTYPES = ("uint8", "int16", ">i2", "int32", "float32", ">f4", "float64")


def values_of(dtype, shape, rng):
    values = rng.normal(120, 20, shape)
    whole = np.dtype(dtype).kind in "iu"
    return (np.rint(values.clip(0, 255)) if whole else values).astype(dtype)


def assert_same_but_for_rounding(ours, theirs):
    """To 1e-6 of a column's SD, and to two roundings to the type of ours."""
    if ours.ndim == 1:
        ours, theirs = ours[:, np.newaxis], theirs[:, np.newaxis]
    rounding = 2 * np.finfo(ours.dtype).eps * np.abs(theirs)
    spread = theirs.std(axis=0)
    allowed = 1e-6 * np.where(spread > 1e-9, spread, 1) + rounding
    assert (np.abs(ours - theirs) <= allowed).all()


def words_of_clean(rng):
    words = {
        "detrend": bool(rng.integers(2)),
        "standardize": [None, "zscore_sample", "psc"][rng.integers(3)],
        "standardize_confounds": bool(rng.integers(4)),
        "confounds": rng.normal(size=(N_VOLUMES, 3)) if rng.integers(2) else None,
    }
    words["standardize_confounds"] |= not words["detrend"]
    if rng.integers(2):
        left_out = rng.choice(np.arange(3, N_VOLUMES // 2), 4, replace=False)  # none is mirrored
        words["sample_mask"] = np.delete(np.arange(N_VOLUMES), left_out)
    kind = rng.integers(4)
    if kind == 1:
        words |= {"filter": "cosine", "high_pass": 0.02, "t_r": 2.0}
    if kind == 2:
        words |= {"low_pass": 0.1, "t_r": 2.0}
    if kind == 3:
        words |= {"high_pass": 0.02, "low_pass": 0.15, "t_r": 2.0}
    return words


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(25))
def test_cleaned_signals_are_nilearns_whatever_they_are_stored_as(seed, dtype):
    clean = pytest.importorskip("nilearn.signal").clean
    rng = np.random.default_rng(seed)
    signals = values_of(dtype, (N_VOLUMES, 5), rng)
    words = words_of_clean(rng)
    theirs = clean(signals.astype(np.float64), **words)
    assert_same_but_for_rounding(bidsmask.clean(signals, **words), theirs)


CALLS = {
    "smooth_img": lambda m, img, rng: m.smooth_img(img, [3.0, 6.5, (4, 5, 6)][rng.integers(3)]),
    "resample_img": lambda m, img, rng: m.resample_img(
        img, WITHIN, (6, 7, 5), ["continuous", "linear"][rng.integers(2)], force_resample=True
    ),
    "mean_img": lambda m, img, rng: m.mean_img(img),
    "clean_img": lambda m, img, rng: m.clean_img(
        img, standardize=["psc", "zscore_sample"][rng.integers(2)], low_pass=0.1, t_r=2.0
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("call", CALLS)
def test_images_are_nilearns_whatever_they_are_stored_as(call, seed, dtype):
    from bidsmask import image as ours_module

    theirs_module = pytest.importorskip("nilearn.image")
    values = values_of(dtype, (*SHAPE, N_VOLUMES), np.random.default_rng(seed))
    ours, theirs = (
        CALLS[call](module, image(given), np.random.default_rng(seed))
        for module, given in ((ours_module, values), (theirs_module, values.astype(np.float64)))
    )
    columns = [np.asarray(each.dataobj).reshape(-1, *each.shape[3:]).T for each in (ours, theirs)]
    assert_same_but_for_rounding(*columns)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fwhm", [None, 5])
def test_what_a_mask_picks_is_nilearns_whatever_it_is_stored_as(fwhm, dtype):
    apply_mask = pytest.importorskip("nilearn.masking").apply_mask
    rng = np.random.default_rng(0)
    values = values_of(dtype, (*SHAPE, N_VOLUMES), rng)
    mask = image((rng.random(SHAPE) < 0.5).astype(np.uint8))
    theirs = apply_mask(image(values.astype(np.float64)), mask, smoothing_fwhm=fwhm)
    ours = bidsmask.apply_mask(image(values), mask, smoothing_fwhm=fwhm)
    assert_same_but_for_rounding(ours, theirs)
