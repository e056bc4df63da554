"""Datasets for the end-to-end tests, drawn by `bidsmask.demo`; nothing is downloaded."""

import os
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pytest
from hypothesis import settings

pytest_plugins = [
    "worlds.nifti_files",
    "worlds.masker_world",
    "worlds.fmriprep_run",
    "worlds.tiny_fmriprep",
    "worlds.browser",
]

# Laws are about numbers, not about time: on a busy machine an example may take long. A gate tries
# the same examples each time; whoever works on the code tries others.
settings.register_profile("bidsmask", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("bidsmask")


@pytest.fixture(autouse=True)
def the_environment_stays():
    """Take back what the command line sets: processes of other tests would compute with it."""
    with patch.dict(os.environ):
        yield


ORIENTATIONS = {
    "RAS": np.diag([2.0, 2.0, 2.0]),
    "LAS": np.diag([-2.4, 2.4, 3.0]),
    "LPS": np.diag([-3.0, -2.5, 2.0]),
    "oblique": nib.eulerangles.euler2mat(0.2, -0.1, 0.3) * [2.0, 2.2, 2.4],
}


@pytest.fixture(scope="session", params=ORIENTATIONS)
def orientation(request):
    """Each way to hold a head, in turn: a word for `affine_of`."""
    return request.param


@pytest.fixture(scope="session")
def affine_of():
    """An affine by the name of its orientation, whose middle voxel lies near the origin."""

    def affine(name, shape, scale=1.0):
        linear = ORIENTATIONS[name] * scale
        centre = linear @ (-np.array(shape) / 2) + [0.3, -0.1, 0.7]
        return nib.affines.from_matvec(linear, centre)

    return affine


@pytest.fixture(scope="session")
def demo_dataset(tmp_path_factory):
    """The whole demo, five runs of three subjects. Shared: look, and do not touch."""
    from bidsmask.demo import write_demo

    return write_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory, make_dataset):
    """Two subjects with one short run each. Shared: look, and do not touch."""
    return make_dataset(tmp_path_factory.mktemp("small"), subjects=("01", "02"))


@pytest.fixture(scope="session")
def make_dataset():
    """Write a dataset to be changed, broken or enlarged: ``make_dataset(tmp_path, ...)``.

    ``subjects`` have ``runs`` runs each, of ``volumes`` volumes on ``grid`` (default: the
    demo's). Any other word goes to `bidsmask.demo.RunPlan`. The result's ``runs`` hold the
    paths of each run's files, in the order of subjects, then runs.
    """
    from bidsmask.demo import BOLD_GRID, RunPlan, write_dataset

    def make(folder, *, subjects=("01",), runs=1, volumes=60, grid=BOLD_GRID, seed=0, **plan):
        labels = [None] if runs == 1 else [str(number + 1) for number in range(runs)]
        plans = [
            RunPlan(subject=subject, run=run, n_volumes=volumes, **plan)
            for subject in subjects
            for run in labels
        ]
        return write_dataset(folder, plans, seed=seed, grid=grid)

    return make
