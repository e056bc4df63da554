"""Tiny fMRIPrep outputs, written file by file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from bidsmask.dataset.entities import build_name, parse_name
from bidsmask.dataset.index import Index, find_runs
from bidsmask.dataset.selection import Selection

MNI = "MNI152NLin2009cAsym"
DERIVATIVE = {
    "Name": "fMRIPrep",
    "BIDSVersion": "1.4.0",
    "DatasetType": "derivative",
    "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.0"}],
}


@lru_cache
def bold_bytes(step: float = 2.0, unit: str = "sec") -> bytes:
    """A gzipped NIfTI of 2 x 2 x 2 voxels and 3 volumes."""
    image = nibabel.Nifti1Image(np.ones((2, 2, 2, 3), dtype=np.int16), np.eye(4))
    image.header.set_zooms((1, 1, 1, step))
    image.header.set_xyzt_units("mm", unit)
    return gzip.compress(image.to_bytes(), mtime=0)


@dataclass(frozen=True)
class FakeDataset:
    """A dataset on disk, and words to write and ask it with."""

    root: Path

    def write(self, where: str, content: bytes | str | dict[str, Any] = b"x") -> Path:
        """Write one file, below the root; a dict becomes JSON."""
        path = self.root / where
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def add_run(
        self,
        acquisition: str = "sub-01_task-rest",
        *,
        grid: str = f"space-{MNI}",
        desc: str = "preproc",
        t_r: float | None = 2.0,
        step: float = 2.0,
        unit: str = "sec",
    ) -> Path:
        """Write a BOLD with all its companions; give back the BOLD."""
        folder = self.folder(acquisition)
        stem = f"{acquisition}_{grid}" if grid else acquisition
        sidecar = (
            {"TaskName": "rest"} if t_r is None else {"TaskName": "rest", "RepetitionTime": t_r}
        )
        labelled = f"{stem}_desc-{desc}" if desc else stem
        table = f"{folder}/{acquisition}_desc-confounds_timeseries"
        self.write(f"{folder}/{labelled}_bold.json", sidecar)
        self.write(f"{folder}/{stem}_desc-brain_mask.nii.gz")
        self.write(f"{folder}/{stem}_boldref.nii.gz")
        self.write(f"{table}.tsv")
        self.write(f"{table}.json", {})
        return self.write(f"{folder}/{labelled}_bold.nii.gz", bold_bytes(step, unit))

    def folder(self, acquisition: str) -> str:
        """Where fMRIPrep puts the runs of a session."""
        where = parse_name(f"{acquisition}_bold.nii.gz").entities.only("sub", "ses")
        return "/".join([*(f"{name}-{label}" for name, label in where.items()), "func"])

    def companion(
        self, bold: Path, suffix: str, extension: str = ".nii.gz", **labels: Any
    ) -> Path:
        """Path of a file with the BOLD's entities, changed by `labels` (None: without)."""
        entities = {**parse_name(bold).entities, **labels}
        named = {name: label for name, label in entities.items() if label is not None}
        return bold.parent / build_name(named, suffix, extension)

    def find(self, *, database_dir: Path | None = None, **selection: Any) -> Index:
        """The runs of this dataset."""
        return find_runs(self.root, Selection(**selection), database_dir=database_dir)


@pytest.fixture
def new_dataset(tmp_path: Path) -> Callable[..., FakeDataset]:
    """A factory of empty datasets: a name, and the content of dataset_description.json."""

    def create(
        name: str = "fmriprep", description: dict[str, Any] | str | bytes | None = DERIVATIVE
    ) -> FakeDataset:
        dataset = FakeDataset(tmp_path / name)
        dataset.root.mkdir(parents=True)
        if description is not None:
            dataset.write("dataset_description.json", description)
        return dataset

    return create


@pytest.fixture
def dataset(new_dataset: Callable[..., FakeDataset]) -> FakeDataset:
    """An empty fMRIPrep output: only its description."""
    return new_dataset()
