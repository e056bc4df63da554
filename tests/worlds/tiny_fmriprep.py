"""An fMRIPrep output so small that the whole command takes a second, and atlases for it.

All lies around the origin of one world, on lattices of its own: runs in four orientations, atlases
that are finer, shifted or turned, and larger than what a run has seen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.numerics.affine import apply_affine
from worlds.masker_world import AXES, centred_affine

SPACE = "MNI152NLin2009cAsym"
T_R = 2.0
N_VOLUMES = 40
N_UNSTEADY = 2
SHAPE = (10, 11, 9)
SIZES = (4.0, 4.0, 4.5)
DESCRIPTION = {
    "Name": "fMRIPrep",
    "BIDSVersion": "1.6.0",
    "DatasetType": "derivative",
    "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
}


def save_image(path, array, affine, *, dtype=None, slope=None, inter=0.0, t_r=None, **fields):
    """Write a NIfTI file; with `slope`, its numbers are stored as integers of that step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(array)
    image = nib.Nifti1Image(values.astype(dtype or values.dtype), affine)
    if slope is not None:
        image = nib.Nifti1Image(np.rint((values - inter) / slope).astype(dtype), affine)
        image.header.set_slope_inter(slope, inter)
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    image.header.set_xyzt_units("mm", "sec")
    if t_r is not None:
        image.header["pixdim"][4] = t_r
    for field, value in fields.items():
        image.header[field] = value
    if slope is not None:  # nibabel would choose a slope of its own
        image.to_filename(path)
        _set_slope(path, slope, inter)
    else:
        image.to_filename(path)
    return path


def _set_slope(path, slope, inter):
    import gzip

    content = bytearray(gzip.decompress(path.read_bytes()))
    content[112:120] = np.array([slope, inter], dtype="<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(content), 1))


def noise(shape=SHAPE, n_volumes=N_VOLUMES, seed=0):
    """Volumes around 1000 that vary by some per cent, with something in common nearby."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(*shape, n_volumes)) * 10
    waves = rng.normal(size=(3, n_volumes)) * 10
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    return 1000 + 50 * places[0][..., None] + own + np.tensordot(places, waves, (0, 0))


def affine_in(axes, shape=SHAPE, sizes=SIZES, shift=(0, 0, 0)):
    """Affine of a lattice around the origin, turned like `axes`, moved by `shift` mm."""
    affine = centred_affine(AXES[axes], sizes, shape)
    affine[:3, 3] += shift
    return affine


def brain_mask(shape=SHAPE):
    """Mark all voxels but those at the faces."""
    mask = np.zeros(shape, dtype=np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    return mask


def confounds_table(n_volumes=N_VOLUMES, seed=0, n_unsteady=N_UNSTEADY):
    """A table with all that strategies may ask for."""
    rng = np.random.default_rng(seed + 1)
    columns = {}
    names = ["csf", "white_matter", "global_signal"]
    names += [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    for name in names:
        values = rng.normal(0, 0.02, n_volumes).cumsum() + (500 if name in names[:3] else 0)
        change = np.r_[np.nan, np.diff(values)]
        columns |= {
            name: values,
            f"{name}_derivative1": change,
            f"{name}_power2": values**2,
            f"{name}_derivative1_power2": change**2,
        }
    columns["framewise_displacement"] = np.r_[np.nan, np.full(n_volumes - 1, 0.1)]
    columns["std_dvars"] = np.r_[np.nan, np.ones(n_volumes - 1)]
    for number in range(n_unsteady):
        columns[f"non_steady_state_outlier{number:02d}"] = np.arange(n_volumes) == number
    return pd.DataFrame({name: np.asarray(values, float) for name, values in columns.items()})


@dataclass(frozen=True)
class TinyRun:
    """Paths of a run."""

    subject: str
    bold: Path
    mask: Path
    confounds: Path


@dataclass(frozen=True)
class TinyDataset:
    """A dataset on disk, and words to write it with."""

    root: Path

    def add_run(self, subject, values, affine, mask=None, *, confounds=None, **how):
        """Write a BOLD with all its companions."""
        folder, stem = self.root / f"sub-{subject}" / "func", f"sub-{subject}_task-rest"
        placed = f"{stem}_space-{SPACE}"
        mask = brain_mask(values.shape[:3]) if mask is None else mask
        how = {"dtype": np.float32, "t_r": T_R} | how
        bold = save_image(folder / f"{placed}_desc-preproc_bold.nii.gz", values, affine, **how)
        sidecar = {"TaskName": "rest", "RepetitionTime": T_R}
        (folder / f"{placed}_desc-preproc_bold.json").write_text(json.dumps(sidecar))
        mask_file = save_image(folder / f"{placed}_desc-brain_mask.nii.gz", mask, affine)
        reference = np.nan_to_num(values[..., -1], posinf=0, neginf=0).astype(np.float32)
        save_image(folder / f"{placed}_boldref.nii.gz", reference, affine)
        table = confounds_table(values.shape[3]) if confounds is None else confounds
        file = folder / f"{stem}_desc-confounds_timeseries.tsv"
        table.to_csv(file, sep="\t", index=False, na_rep="n/a")
        file.with_suffix(".json").write_text("{}")
        return TinyRun(subject, bold, mask_file, file)


def write_tiny(root):
    """Start a dataset without runs."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps(DESCRIPTION))
    return TinyDataset(root)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A factory of empty datasets."""
    return lambda: write_tiny(tmp_path_factory.mktemp("tiny") / "fmriprep")


def blocks_of(affine, shape, edges=((-30, -7, 6, 30), (-30, 1, 30), (-30, 30))):
    """Labels 1, 2, ... of blocks of the world that edges in mm cut apart; 0 between some."""
    places = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    labels = np.zeros(shape, dtype=np.int32)
    for axis, cuts in enumerate(edges):
        labels = labels * (len(cuts) - 1) + np.digitize(places[..., axis], cuts[1:-1])
    inside = np.ones(shape, dtype=bool)
    for axis, cuts in enumerate(edges):
        inside &= (places[..., axis] > cuts[0]) & (places[..., axis] < cuts[-1])
    return np.where(inside, labels + 1, 0).astype(np.int32)


def bumps(affine, shape, centres, width_mm=9.0):
    """Maps (X, Y, Z, P): Gaussian bumps around points in mm, cut off where they are small."""
    places = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    away = np.square(places[..., None, :] - np.asarray(centres, dtype=float)).sum(axis=-1)
    maps = np.exp(-away / (2 * width_mm**2))
    return np.where(maps > 0.05, maps, 0)


def write_events(root, subject, events, *, task="rest"):
    """Write the table of events of a run into a raw dataset; gives its path.

    `events` are rows of onset, duration and trial_type.
    """
    folder = root / f"sub-{subject}" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    about = {"Name": "raw", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    path = folder / f"sub-{subject}_task-{task}_events.tsv"
    table = pd.DataFrame(events, columns=["onset", "duration", "trial_type"])
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path
