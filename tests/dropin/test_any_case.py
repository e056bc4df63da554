"""Any masker, any parameters, any kind of run: nilearn's signals, names, mask and image.

What is known to differ (`docs/differences.md`) is not drawn.
"""

import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import bidsmask.maskers

nilearn_maskers = pytest.importorskip("nilearn.maskers")

SHAPE, N_VOLUMES, T_R = (8, 9, 7), 41, 2.0

AFFINES = {
    "plain": np.diag([4.0, 4, 4]),
    "flipped": np.diag([-4.0, 4, 4]),
    "turned": np.array([[0, 4.0, 0], [0, 0, 4], [4, 0, 0]]),
    "oblique": nib.eulerangles.euler2mat(0.2, -0.1, 0.3) * [4.0, 4.4, 4.8],
    "flat": np.diag([3.0, 4.5, 5]),
    "tiny": np.eye(3),
}
TOLERANCE = {"float64": 1e-5, "float32": 2e-3}
"""Of the spread of signals: nilearn cleans float32 in float32, and baselines are at 1000."""


def affine_of(name, scale=1.0, shift=0.0):
    linear = AFFINES[name] * scale
    return nib.affines.from_matvec(linear, linear @ (-np.array(SHAPE) / 2) + shift)


def image(values, affine):
    made = nib.Nifti1Image(values, affine, dtype=values.dtype)
    if values.ndim == 4:
        made.header.set_zooms((*made.header.get_zooms()[:3], T_R))
    return made


def run_of(case, seed=0):
    rng = np.random.default_rng([case["seed"], seed])
    slow = np.cumsum(rng.normal(size=(N_VOLUMES, 3)), axis=0)
    values = 1000 + 9 * rng.normal(size=(*SHAPE, N_VOLUMES))
    values += rng.normal(size=(*SHAPE, 3)) @ slow.T
    dtype = np.dtype(case["dtype"])
    values = np.rint(values) if dtype.kind == "i" else values
    return image(values.astype(dtype), affine_of(case["affine"]))


def given_as(kind, img, path):
    """Whatever may stand for an image; `path` is where a file of it may be."""
    if kind == "volume":
        return img.slicer[..., 0]
    if kind == "volumes":
        return nib.four_to_three(img)
    if kind == "image":
        return img
    img.to_filename(path)
    return {"path": path, "text": str(path), "loaded": nib.load(path)}[kind]


def confounds_of(kind, seed):
    values = 10 + np.cumsum(np.random.default_rng(seed).normal(size=(N_VOLUMES, 3)), axis=0)
    return {
        "none": None,
        "array": values,
        "frame": pd.DataFrame(values, columns=list("abc")),
        "several": [values[:, :2], pd.DataFrame(values[:, 2:], columns=["c"])],
        "one": values[:, 0],
    }[kind]


def sample_mask_of(kind):
    kept = np.setdiff1d(np.arange(N_VOLUMES), [3, 4, 11])
    return {"none": None, "indices": kept, "bools": np.isin(np.arange(N_VOLUMES), kept)}[kind]


def inside():
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    return mask


def labels_of(values):
    steps = np.linspace(1, SHAPE[0] - 1, len(values) + 1).astype(int)
    labels = np.zeros(SHAPE, dtype=np.int16)
    for label, start, stop in zip(values, steps, steps[1:], strict=False):
        labels[start:stop, 1:-1, 1:-1] = label
    return labels


def maps_of(seed):
    rng = np.random.default_rng(seed)
    voxels = np.stack(np.indices(SHAPE), axis=-1)
    centres = rng.uniform(0.25, 0.75, (3, 3)) * SHAPE
    squares = ((voxels[..., None, :] - centres) ** 2).sum(axis=-1)
    return np.exp(-squares / 6).astype(np.float32)


CLEANING = {
    "standardize": [None, "zscore_sample", "psc", True, False],
    "detrend": [False, True],
    "standardize_confounds": [True, True, False],
    "smoothing_fwhm": [None, None, 5, 7.5],
    "dtype": [None, "float32", "float64"],
}
FILTERS = [
    {},
    {},
    {"low_pass": 0.12, "t_r": T_R},
    {"high_pass": 0.02, "t_r": T_R},
    {"low_pass": 0.15, "high_pass": 0.01, "t_r": T_R},
]
CASES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["NiftiMasker", "NiftiLabelsMasker", "NiftiMapsMasker", "NiftiSpheresMasker"]
        ),
        "several": st.booleans(),
        "seed": st.integers(0, 99),
        "dtype": st.sampled_from(["float32", "float32", "float64", "int16", "int32"]),
        "affine": st.sampled_from(list(AFFINES)),
        "form": st.sampled_from(["image", "image", "volumes", "path", "text", "loaded", "volume"]),
        "mask": st.sampled_from(["none", "own", "shifted"]),
        "atlas": st.sampled_from(["own", "own", "coarse", "fine", "shifted"]),
        "labels": st.sampled_from([(1, 2, 3), (3, 7, 12, 1001)]),
        "strategy": st.sampled_from(
            ["mean", "mean", "median", "sum", "minimum", "maximum", "standard_deviation"]
        ),
        "radius": st.sampled_from([1.6, 2.4]),
        "strategy_of_masks": st.sampled_from(["background", "epi"]),
        "cleaning": st.fixed_dictionaries(
            {name: st.sampled_from(values) for name, values in CLEANING.items()}
        ),
        "filter": st.sampled_from(FILTERS),
        "confounds": st.sampled_from(["none", "none", "array", "frame", "several", "one"]),
        "sample_mask": st.sampled_from(["none", "none", "indices", "bools"]),
        "how": st.sampled_from(["fit_transform", "fit, transform", "fit to run, transform"]),
    }
).map(lambda case: case | _exceptions(case))


def _exceptions(case):
    """What nilearn refuses, or what is known to differ, otherwise."""
    cleaning = dict(case["cleaning"])
    changed = {"cleaning": cleaning}
    if case["several"]:
        cleaning["dtype"] = None
    if case["several"] or case["name"] == "NiftiSpheresMasker":
        changed["form"] = "image" if case["form"] in ("volumes", "volume") else case["form"]
    if case["form"] == "volume":
        changed |= {"confounds": "none", "sample_mask": "none", "filter": {}, "several": False}
    if case["sample_mask"] != "none":
        changed["filter"] = {}  # censored volumes leak there
    if case["name"] == "NiftiSpheresMasker":
        changed |= {"several": False, "mask": "none"}
        changed["dtype"] = "float64" if case["dtype"].startswith("int") else case["dtype"]
    if case["several"] and case["confounds"] == "several":
        changed["confounds"] = "frame"
    return changed


def masker_of(case, maskers):
    own = affine_of(case["affine"])
    atlas = affine_of(
        case["affine"], {"coarse": 1.4, "fine": 0.8}.get(case["atlas"], 1.0),
        1.3 * AFFINES[case["affine"]].max() / 4 if case["atlas"] == "shifted" else 0.0,
    )  # fmt: skip
    moved = affine_of(case["affine"], shift=0.3 * AFFINES[case["affine"]].max())
    mask = {"none": None, "own": image(inside(), own), "shifted": image(inside(), moved)}
    seeds = [tuple(own[:3, :3] @ place) for place in ([-1.2, 0.3, 0.1], [1.4, 0.6, -0.7])]
    unit = abs(np.linalg.det(own[:3, :3])) ** (1 / 3)
    kinds = {
        "NiftiMasker": {"mask_strategy": case["strategy_of_masks"], "mask_args": {"opening": 0}},
        "NiftiLabelsMasker": {
            "labels_img": image(labels_of(case["labels"]), atlas),
            "strategy": case["strategy"],
        },
        "NiftiMapsMasker": {"maps_img": image(maps_of(case["seed"]), own)},
        "NiftiSpheresMasker": {
            "seeds": seeds,
            "radius": case["radius"] * unit,
            "allow_overlap": True,
        },
    }
    words = kinds[case["name"]] | case["cleaning"] | case["filter"]
    prefix = "Multi" if case["several"] else ""
    return getattr(maskers, prefix + case["name"])(
        mask_img=mask[case["mask"]], reports=False, **words
    )


def outcome(case, maskers, folder):
    """Signals, names, mask, and image of the signals; or the error."""
    seeds = (0, 1) if case["several"] else (0,)
    paths = [Path(folder) / f"run-{seed}.nii.gz" for seed in seeds]
    runs = [given_as(case["form"], run_of(case, seed), paths[seed]) for seed in seeds]
    confounds = [confounds_of(case["confounds"], [case["seed"], seed]) for seed in seeds]
    masks = [sample_mask_of(case["sample_mask"]) for _ in seeds]
    if case["several"]:
        arguments = {
            "confounds": None if confounds[0] is None else confounds,
            "sample_mask": None if masks[0] is None else masks,
        }
    else:
        (runs,), arguments = runs, {"confounds": confounds[0], "sample_mask": masks[0]}
    masker = masker_of(case, maskers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if case["how"] == "fit_transform":
                signals = masker.fit_transform(runs, **arguments)
            else:
                masker.fit(runs if "run" in case["how"] else None)
                signals = masker.transform(runs, **arguments)
        except (TypeError, ValueError) as error:
            return error
        mask = getattr(masker, "mask_img_", None)
        first = signals[0] if isinstance(signals, list) else signals
        return {
            "signals": signals,
            "names": [str(name) for name in masker.get_feature_names_out()],
            "mask": None if mask is None else np.asarray(mask.dataobj) > 0,
            "painted": _painted(masker, first),
        }


def _painted(masker, signals):
    """Image of signals; nothing where nilearn cannot paint what it has read."""
    try:
        return np.asarray(masker.inverse_transform(signals).dataobj)
    except (ValueError, IndexError) as error:
        return error


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=CASES)
def test_any_case_gives_what_nilearn_gives(case):
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = (
            outcome(case, maskers, folder) for maskers in (nilearn_maskers, bidsmask.maskers)
        )
    note(f"{case}\nnilearn: {theirs}\nbidsmask: {ours}")
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs))
        return
    assert not isinstance(ours, Exception)
    assert ours["names"] == theirs["names"]
    np.testing.assert_array_equal(ours["mask"], theirs["mask"])
    exact = case["dtype"] == "float64" and case["cleaning"]["dtype"] != "float32"
    for what in ("signals", "painted"):
        if isinstance(theirs[what], Exception):
            continue
        found, expected = (np.asarray(each[what], dtype=float) for each in (ours, theirs))
        assert found.shape == expected.shape
        still = case["form"] == "volume" or what == "painted"
        spread = np.abs(expected).max() if still else np.std(expected, axis=-2).max()
        tolerance = TOLERANCE["float64" if exact else "float32"] * max(spread, 1e-3)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=what)
