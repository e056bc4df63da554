"""Regions, maps and seeds through the command line, and as a script with nilearn 0.14.1's maskers.

Every voxel is measured, so that nilearn and bidsmask mean the same columns.
"""

import json
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import (
    SHAPE,
    SPACE,
    affine_in,
    blocks_of,
    bumps,
    confounds_table,
    noise,
    save_image,
)

from bidsmask.cli.main import main

TOLERANCE = 1e-6
"""In standard deviations: our tables hold float32 numbers, nilearn's signals float64 ones."""

N_VOLUMES = 180
JERKS = {10: 0.9, 11: 0.7, 40: 0.6, 41: 1.3, 72: 0.51}
"""Volumes that are censored. None mirrors another (n and T - 1 - n): nilearn then interpolates
the wrong ones."""

CENSORING = """\
name: scrub6P
description: Six motion parameters were regressed.
columns:
  - {label: motion, pattern: "(trans|rot)_[xyz]", count: 6}
censoring: {fd_threshold_mm: 0.5}
cleaning: {detrend: true, filter: butterworth, high_pass_hz: 0.01, low_pass_hz: 0.1}
"""
POINTS = [(-8.0, 3.0, 1.0), (9.0, -4.0, 2.0), (6.0, 7.0, -5.0)]
RADII = [6.0, 9.0, 7.5]
CENTRES = [(-9, -5, 0), (-8, 9, 3), (9, -6, -4), (8, 8, 5), (-1, 1, 1)]
STORAGE = {
    "float64": {"dtype": np.float64},
    "float32": {"dtype": np.float32},
    "int16": {"dtype": np.int16, "slope": 0.05, "inter": 900.0},
}
ENTITIES = {
    "labels": "atlas-Blocks_stat-mean",
    "maps": "atlas-Bumps_stat-regression",
    "seeds": "seg-points_stat-mean",
}


@pytest.fixture(scope="module")
def affine():
    return affine_in("LAS")


@pytest.fixture(scope="module")
def runs(tiny, affine):
    """Write a run for each way to store it."""
    dataset = tiny()
    mask = np.ones(SHAPE, dtype=np.uint8)
    table = confounds_table(N_VOLUMES, n_unsteady=0)
    for volume, moved_mm in JERKS.items():
        table.loc[volume, "framewise_displacement"] = moved_mm
    values = noise(n_volumes=N_VOLUMES, seed=5)
    add = dataset.add_run
    return dataset, {
        name: add(name, values, affine, mask, confounds=table, **how)
        for name, how in STORAGE.items()
    }


@pytest.fixture(scope="module")
def sources(tmp_path_factory, affine):
    """Paths of an atlas, of maps and of seeds."""
    folder = tmp_path_factory.mktemp("kinds")
    stem = str(folder / f"tpl-{SPACE}_atlas-")
    labels, maps = f"{stem}Blocks_dseg", f"{stem}Bumps_probseg"
    save_image(folder / f"{labels}.nii.gz", blocks_of(affine, SHAPE), affine, dtype=np.int16)
    rows = "".join(f"{label}\tR{label}\n" for label in range(1, 7))
    (folder / f"{labels}.tsv").write_text("index\tname\n" + rows)
    save_image(folder / f"{maps}.nii.gz", bumps(affine, SHAPE, CENTRES), affine)
    (folder / f"{maps}.tsv").write_text("name\n" + "".join(f"M{i}\n" for i in range(len(CENTRES))))
    seeds = folder / f"space-{SPACE}_seg-points_seeds.tsv"
    table = pd.DataFrame(POINTS, columns=["x", "y", "z"]).assign(name=["a", "b", "c"])
    table.assign(radius=RADII).to_csv(seeds, sep="\t", index=False)
    return {"labels": f"{labels}.nii.gz", "maps": f"{maps}.nii.gz", "seeds": str(seeds)}


@pytest.fixture(scope="module")
def output(runs, sources, tmp_path_factory):
    dataset, _ = runs
    folder = tmp_path_factory.mktemp("kinds_out")
    strategy = folder / "scrub6P.yaml"
    strategy.write_text(CENSORING)
    atlases = ["--atlases", sources["labels"], sources["maps"], "--seeds", sources["seeds"]]
    strategies = ["--voxelwise", "--strategies", "36P", str(strategy), "--min-dof", "0"]
    strategies += ["--filter-ends", "nilearn", "--bridge", "nilearn"]
    command = [str(dataset.root), str(folder / "out"), "participant", *atlases, *strategies]
    assert main(command) == 0
    return folder / "out"


def nilearn_masker(kind, sources, mask, parameters):
    """Give the masker that a user of nilearn would write."""
    from nilearn import maskers

    common = {"mask_img": str(mask), **parameters}
    if kind == "labels":
        return maskers.NiftiLabelsMasker(sources["labels"], **common)
    if kind == "maps":
        return maskers.NiftiMapsMasker(sources["maps"], **common)
    return maskers.NiftiMasker(**common)


def by_nilearn(kind, sources, run, sidecar):
    """Signals (T_kept, P) of a careful script, in float64."""
    settings = sidecar["CleaningParameters"]
    assert settings["standardize"] == "zscore"
    parameters = {
        "detrend": settings["detrend"],
        "standardize": "zscore_sample",
        "high_pass": settings["high_pass_hz"],
        "low_pass": settings["low_pass_hz"],
        "t_r": sidecar["RepetitionTime"],
        "clean_args": {"extrapolate": False},
    }
    table = pd.read_csv(run.confounds, sep="\t", na_values="n/a")
    moved = (table["framewise_displacement"] > 0.5).to_numpy()
    threshold = sidecar["CensoringParameters"]["fd_threshold_mm"]
    kept = ~moved if threshold else np.ones(N_VOLUMES, dtype=bool)
    image = nib.load(run.bold)
    image = nib.Nifti1Image(image.get_fdata(), image.affine, dtype=np.float64)
    confounds = table[sidecar["ConfoundStrategy"]["Columns"]].bfill()
    given = {"confounds": confounds, "sample_mask": np.flatnonzero(kept)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind != "seeds":
            masker = nilearn_masker(kind, sources, run.mask, parameters)
            return masker.fit_transform(image, **given), kept
        from nilearn.maskers import NiftiSpheresMasker

        spheres = [
            NiftiSpheresMasker([point], radius=radius, mask_img=str(run.mask), **parameters)
            for point, radius in zip(POINTS, RADII, strict=True)
        ]
        return np.hstack([masker.fit_transform(image, **given) for masker in spheres]), kept


@pytest.mark.parametrize("strategy", ["36P", "scrub6P"])
@pytest.mark.parametrize("kind", ENTITIES)
@pytest.mark.parametrize("stored", STORAGE)
def test_cleaned_signals_are_those_of_nilearn(runs, sources, output, stored, kind, strategy):
    run = runs[1][stored]
    (path,) = output.rglob(f"sub-{stored}_*{ENTITIES[kind]}_desc-{strategy}_timeseries.tsv")
    sidecar = json.loads(path.with_suffix(".json").read_text())
    expected, kept = by_nilearn(kind, sources, run, sidecar)
    ours = pd.read_csv(path, sep="\t", na_values="n/a").to_numpy()
    assert np.isnan(ours[~kept]).all()
    assert (~kept).sum() == (len(JERKS) if strategy == "scrub6P" else 0)
    np.testing.assert_allclose(expected.std(axis=0, ddof=1), 1)
    np.testing.assert_allclose(ours[kept], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("strategy", ["36P", "scrub6P"])
@pytest.mark.parametrize("stored", STORAGE)
def test_cleaned_voxels_are_those_of_nilearn(runs, sources, output, stored, strategy):
    run = runs[1][stored]
    (path,) = output.rglob(f"sub-{stored}_*_desc-{strategy}_bold.nii.gz")
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    expected, kept = by_nilearn("voxels", sources, run, sidecar)
    image = nib.load(path).get_fdata()
    assert np.isnan(image[..., ~kept]).all()
    ours = image[np.ones(SHAPE, dtype=bool)].T[kept]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)
