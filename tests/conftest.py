"""Datasets for the end-to-end tests, drawn by `bidsmask.demo`; nothing is downloaded."""

import pytest


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
