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
