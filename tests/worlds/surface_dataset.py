"""Surface runs beside those in volumes, as fMRIPrep writes them, and atlases for them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bidsmask.demo.files import write_json, write_table
from worlds import surface_files as files

T_R = 2.0
LEFT, RIGHT = 30, 26
IJK = np.array([[1, 1, 1], [2, 1, 1], [3, 1, 1], [3, 2, 1]])
NAMES = {1: "7Networks_LH_Vis_1", 2: "7Networks_LH_Default_1", 3: "7Networks_RH_Vis_1"}
NAMES |= {4: "7Networks_RH_Default_1"}
THALAMUS = 5
WALL = slice(24, 30)
"""Vertices of the left medial wall, where preprocessing writes zeros."""


def keys():
    """Labels of the vertices of both hemispheres; some of region 2 lie in the medial wall."""
    left = np.repeat([0, 1, 2, 0], [4, 8, 14, 4])
    right = np.repeat([3, 4, 0], [12, 10, 4])
    return np.concatenate([left, right])


def values(n_volumes, seed=0):
    """Signals (V, T) of all vertices around 1000, alike within a region; zeros in the wall."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(6, n_volumes))
    own = rng.normal(size=(LEFT + RIGHT, n_volumes))
    signals = 1000 + 12 * waves[keys()] + 6 * own
    signals[WALL] = 0
    return signals.astype(np.float32)


def voxel_values(n_volumes, seed=0):
    """Signals (V, T) of the voxels of a grayordinate run."""
    return np.random.default_rng(seed + 99).normal(900, 10, (len(IJK), n_volumes)).astype("f4")


@dataclass(frozen=True)
class Surfaces:
    """What was written beside a run."""

    cifti: Path
    left: Path
    right: Path


def add_surfaces(run, **given):
    """Write a grayordinate run and a pair of hemispheres beside a run in volumes."""
    return write_surfaces(run.confounds.parent, run.confounds.name.partition("_desc-")[0], **given)


def write_surfaces(folder, stem, *, n_volumes=60, seed=0, space="fsaverage5", with_voxels=True):
    """Write a grayordinate run and a pair of hemispheres."""
    whole = values(n_volumes, seed)
    cifti = folder / f"{stem}_space-fsLR_den-91k_bold.dtseries.nii"
    measured = np.delete(whole[:LEFT], WALL, axis=0)
    parts = [measured, whole[LEFT:]]
    axis = files.brain_axis(LEFT, RIGHT, left=np.delete(np.arange(LEFT), WALL))
    if with_voxels:
        axis = files.brain_axis(LEFT, RIGHT, left=np.delete(np.arange(LEFT), WALL), ijk=IJK)
        parts.append(voxel_values(n_volumes, seed))
    files.write_dtseries(cifti, np.concatenate(parts).T, axis, step=T_R)
    write_json(folder / f"{stem}_space-fsLR_den-91k_bold.json", about_cifti())
    pair = []
    for side, part in (("L", whole[:LEFT]), ("R", whole[LEFT:])):
        path = folder / f"{stem}_hemi-{side}_space-{space}_bold.func.gii"
        pair.append(files.write_func(path, part, side))
        write_json(path.parent / path.name.replace(".func.gii", ".json"), {"RepetitionTime": T_R})
    return Surfaces(cifti, *pair)


def about_cifti():
    """The sidecar as fMRIPrep writes it."""
    home = "https://templateflow.s3.amazonaws.com"
    return {
        "RepetitionTime": T_R,
        "Density": "91,282 grayordinates corresponding to all of the grey matter",
        "SpatialReference": {
            "VolumeReference": f"{home}/tpl-MNI152NLin6Asym/tpl-MNI152NLin6Asym_res-02_T1w.nii.gz",
            "CIFTI_STRUCTURE_LEFT_CORTEX": f"{home}/tpl-fsLR/tpl-fsLR_den-32k_hemi-L_sphere.gii",
            "CIFTI_STRUCTURE_RIGHT_CORTEX": f"{home}/tpl-fsLR/tpl-fsLR_den-32k_hemi-R_sphere.gii",
        },
    }


def write_dlabel(folder, name="tpl-fsLR_atlas-Toy_den-91k_dseg.dlabel.nii"):
    """An atlas of the grayordinates: regions of the cortex, and the thalamus."""
    axis = files.brain_axis(LEFT, RIGHT, ijk=IJK)
    labels = np.concatenate([keys(), np.full(len(IJK), THALAMUS)])
    names = {0: "???", **NAMES, THALAMUS: "Thalamus"}
    return files.write_dlabel(folder / name, labels, names, axis)


def write_labels(folder, name="tpl-fsaverage_hemi-{}_den-10k_atlas-Toy_dseg.label.gii"):
    """The same regions of the cortex as a pair of files; gives the one of the left side."""
    parts = {"L": keys()[:LEFT], "R": keys()[LEFT:]}
    for side, labels in parts.items():
        own = {key: text for key, text in NAMES.items() if key in labels}
        files.write_label(folder / name.format(side), labels, {0: "???", **own}, side)
    return folder / name.format("L")


def write_subject(root, label, *, n_volumes=60):
    """Write a subject that has nothing but confounds and surfaces; gives its files."""
    rng = np.random.default_rng(int(label.encode().hex()[:8], 16))
    stem = root / f"sub-{label}" / "func" / f"sub-{label}_task-rest"
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    columns = dict(zip(names, rng.normal(0, 0.05, (6, n_volumes)), strict=True))
    write_table(Path(f"{stem}_desc-confounds_timeseries.tsv"), columns)
    write_json(Path(f"{stem}_desc-confounds_timeseries.json"), {})
    return write_surfaces(stem.parent, stem.name, n_volumes=n_volumes)
