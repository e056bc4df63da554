"""Every masker against nilearn 0.14.1, over combinations of all that matters.

All values of any three of the axes below meet in some case; the cases are generated.
"""

import itertools
import warnings

import numpy as np
import pytest

import bidsmask

TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "int16": 1e-3}
"""Of a column's standard deviation; nilearn computes in double precision for double data only."""

KEPT = [volume for volume in range(40) if volume not in (5, 6, 20)]
"""No two censored volumes mirror each other: nilearn is wrong there, see test_differences."""

CLEANING = {
    "nothing": {},
    "detrended z-scores": {"detrend": True, "standardize": "zscore_sample"},
    "percent": {"standardize": "psc"},
    "detrended percent": {"standardize": "psc", "detrend": True},
    "band and confounds": {
        "low_pass": 0.1,
        "high_pass": 0.01,
        "t_r": 2.0,
        "detrend": True,
        "standardize": "zscore_sample",
        "confounds": True,
    },
    "high-pass, censored": {
        "high_pass": 0.02,
        "t_r": 2.0,
        "standardize": "zscore_sample",
        "confounds": True,
        "sample_mask": True,
    },
    "cosines, censored": {
        "clean_args": {"filter": "cosine"},
        "high_pass": 0.02,
        "t_r": 2.0,
        "detrend": True,
        "confounds": True,
        "sample_mask": True,
    },
    "raw confounds": {"standardize_confounds": False, "detrend": True, "confounds": True},
    "components": {"high_variance_confounds": True, "standardize": "zscore_sample"},
}

PLACES = {
    "NiftiMasker": ["own", "own, masked", "far, masked", "far, parallel, masked", "target_affine"],
    "NiftiLabelsMasker": [
        *("own, masked", "far, masked, data", "far, masked, labels", "far, data"),
        *("far, parallel, masked, data", "far, parallel, labels"),
    ],
    "NiftiMapsMasker": [
        *("own", "far, masked, data", "far, masked, maps", "far, masked, mask"),
        *("far, parallel, data", "far, parallel, masked, maps"),
    ],
    "NiftiSpheresMasker": ["own", "own, masked", "far, masked"],
}

AXES = {
    "place": [(name, place) for name, places in PLACES.items() for place in places],
    "orientation": ["RAS", "LAS", "LPS", "oblique"],
    "smoothing": [None, 5.0],
    "cleaning": list(CLEANING),
    "dtype": ["float64", "float32", "int16"],
}


def covering(axes, strength=3):
    """Choose cases so that all values of any `strength` axes meet; greedy, and always the same."""
    groups = list(itertools.combinations(range(len(axes)), strength))
    missing = {
        (group, values)
        for group in groups
        for values in itertools.product(*(range(len(axes[axis])) for axis in group))
    }
    order = np.random.default_rng(0)
    while missing:
        group, values = min(missing)
        tries = [[int(order.integers(len(axis))) for axis in axes] for _ in range(30)]
        for case in tries:
            for axis, value in zip(group, values, strict=True):
                case[axis] = value
        met = [{(g, tuple(case[axis] for axis in g)) for g in groups} & missing for case in tries]
        best = max(range(len(tries)), key=lambda number: len(met[number]))
        missing -= met[best]
        yield tuple(axis[value] for axis, value in zip(axes, tries[best], strict=True))


CASES = list(covering(list(AXES.values())))


def parameters_of(name, place, world):
    """What a masker is told about space."""
    parameters = {
        "NiftiMasker": {},
        "NiftiLabelsMasker": {"labels_img": world.labels_img},
        "NiftiMapsMasker": {"maps_img": world.maps_img},
        "NiftiSpheresMasker": {"seeds": world.seeds, "radius": 4.0, "allow_overlap": True},
    }[name]
    if "masked" in place:
        parameters["mask_img"] = world.mask_img
    if name in ("NiftiLabelsMasker", "NiftiMapsMasker") and place.split(", ")[-1] in (
        *("data", "labels", "maps", "mask"),
    ):
        parameters["resampling_target"] = place.split(", ")[-1]
    if place == "target_affine":
        parameters |= {"mask_img": world.mask_img, "target_affine": np.diag([3.0, 3, 3])}
    return parameters


def transformed(masker, world, cleaning):
    confounds = world.confounds if cleaning.get("confounds") else None
    kept = np.array(KEPT) if cleaning.get("sample_mask") else None
    return masker.fit_transform(world.img, confounds=confounds, sample_mask=kept)


@pytest.mark.parametrize(
    ("place", "orientation", "smoothing", "cleaning", "dtype"),
    CASES,
    ids=["-".join(map(str, (*case[0], *case[1:]))) for case in CASES],
)
def test_signals_are_those_of_nilearn(
    place, orientation, smoothing, cleaning, dtype, world, nilearn, distance
):
    name, where = place
    here = world(orientation, dtype, far="far" in where, turned="parallel" not in where)
    words = CLEANING[cleaning]
    parameters = parameters_of(name, where, here) | {
        "smoothing_fwhm": smoothing,
        "standardize": None,
        **{key: value for key, value in words.items() if key not in ("confounds", "sample_mask")},
    }
    with warnings.catch_warnings():  # what is said about resampling is tested elsewhere
        warnings.simplefilter("ignore", UserWarning)
        ours = transformed(getattr(bidsmask, name)(**parameters), here, words)
    if name == "NiftiSpheresMasker":
        here = with_floats(here)
    theirs = transformed(nilearn(name, **parameters), here, words)
    assert distance(ours, theirs) <= TOLERANCE[dtype]


def with_floats(world):
    """Make integers floats, as they are: nilearn cuts means of spheres to integers otherwise."""
    array = np.asarray(world.img.dataobj)
    floats = array.astype("float32") if array.dtype.kind == "i" else array
    return type(world)(**{**vars(world), "img": type(world.img)(floats, world.affine)})
