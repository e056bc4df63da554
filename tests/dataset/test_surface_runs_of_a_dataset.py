"""Which runs on surfaces a dataset holds, and what their headers and sidecars say of time."""

import json

import numpy as np
import pytest
from worlds import surface_dataset as surfaces
from worlds import surface_files as files

from bidsmask.errors import NoInputError

MNI = "space-MNI152NLin2009cAsym"
FSLR = "space-fsLR_den-91k"
PAIR = "space-fsaverage5"


@pytest.fixture
def mixed(dataset):
    """A run in volumes, and the same in grayordinates and on both hemispheres."""
    dataset.add_run("sub-01_task-rest")
    surfaces.write_surfaces(dataset.root / "sub-01" / "func", "sub-01_task-rest")
    return dataset


def names(index):
    return [run.name.removeprefix("sub-01_task-rest_") for run in index.runs]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        ({}, [MNI]),
        ({"spaces": ("fsLR",)}, [FSLR]),
        ({"spaces": ("fsLR:den-91k",)}, [FSLR]),
        ({"spaces": ("fsaverage5",)}, [PAIR]),
        ({"spaces": ("fsaverage5", "fsLR", "MNI152NLin2009cAsym")}, [PAIR, MNI, FSLR]),
        ({"file_formats": ("cifti",)}, [FSLR]),
        ({"file_formats": ("cifti", "nifti", "gifti")}, [PAIR, MNI, FSLR]),
        ({"file_formats": ("gifti",), "spaces": ("fsaverage5", "fsLR")}, [PAIR]),
    ],
)
def test_spaces_and_formats_decide_what_is_taken(mixed, selection, found):
    assert sorted(names(mixed.find(**selection))) == sorted(found)


def test_what_is_on_surfaces_and_not_taken_is_said(mixed):
    (warning,) = mixed.find().warnings
    assert warning == (
        "BOLD files left out: 1 with space-fsLR, 2 with space-fsaverage5. Ask for them with "
        "--space."
    )


def test_surfaces_without_desc_are_taken_beside_volumes_with_one(mixed):
    (run,) = mixed.find(spaces=("fsaverage5",)).runs
    assert "desc" not in run.entities
    assert run.problems == ()


def test_a_format_that_is_not_there_is_named(dataset):
    dataset.add_run("sub-01_task-rest")
    with pytest.raises(NoInputError, match="--file-format gifti"):
        dataset.find(file_formats=("gifti",))


def test_two_hemispheres_are_one_run_without_hemi_and_without_a_mask(mixed):
    (run,) = mixed.find(spaces=("fsaverage5",)).runs
    assert [path.name for path in run.files] == [
        f"sub-01_task-rest_hemi-{side}_space-fsaverage5_bold.func.gii" for side in "LR"
    ]
    assert run.name == f"sub-01_task-rest_{PAIR}"
    assert run.mask is run.boldref is None
    assert run.confounds is not None
    assert run.t_r == surfaces.T_R


def test_densities_are_runs_of_their_own(mixed):
    folder = mixed.root / "sub-01" / "func"
    axis = files.brain_axis(40, 40)
    files.write_dtseries(
        folder / "sub-01_task-rest_space-fsLR_den-170k_bold.dtseries.nii",
        np.zeros((3, 80), dtype=np.float32),
        axis,
    )
    assert names(mixed.find(spaces=("fsLR",))) == ["space-fsLR_den-170k", FSLR]
    assert names(mixed.find(spaces=("fsLR:den-170k",))) == ["space-fsLR_den-170k"]


# Time


@pytest.fixture
def cifti(dataset):
    """Write a grayordinate run whose series and sidecar say something of time."""

    def write(*, sidecar=None, step=2.0, unit="SECOND", exponent=0):
        folder = dataset.root / "sub-01" / "func"
        dataset.add_run("sub-01_task-rest")
        path = folder / "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii"
        values = np.zeros((3, 21), dtype=np.float32)
        files.write_dtseries(path, values, files.brain_axis(), step=step, unit=unit)
        content = path.read_bytes()
        same_length = b'SeriesExponent="0"', f'SeriesExponent="{exponent}"'.encode()
        if exponent:
            spaced = content.replace(b'SeriesStart="0.0"', b'SeriesStart="0."', 1)
            path.write_bytes(spaced.replace(*same_length, 1))
        if sidecar is not None:
            about = path.parent / path.name.replace(".dtseries.nii", ".json")
            about.write_text(json.dumps({"RepetitionTime": sidecar}))
        (run,) = dataset.find(spaces=("fsLR",)).runs
        return run

    return write


def test_the_exponent_of_a_series_is_read(cifti):
    run = cifti(sidecar=0.8, step=8.0, exponent=-1)
    assert (run.problems, run.warnings, run.t_r) == ((), (), 0.8)


@pytest.mark.parametrize("step", [1.0, 800.0, 2.0])
def test_a_series_that_contradicts_the_sidecar_is_refused(cifti, step):
    run = cifti(sidecar=0.8, step=step)
    assert run.t_r is None
    assert f"0.8 s in {run.bold.parent}" in run.problems[0]
    assert f"{step:g} s in the header" in run.problems[0]


def test_a_series_that_is_not_of_seconds_says_nothing_of_time(cifti):
    run = cifti(sidecar=0.8, step=3.0, unit="HERTZ")
    assert (run.problems, run.t_r) == ((), 0.8)


def test_without_a_sidecar_the_series_is_taken_and_it_is_said(cifti):
    run = cifti(step=1.5)
    assert run.t_r == 1.5
    assert "No sidecar" in run.warnings[-1]


def test_what_gifti_says_of_time_is_not_relied_on(mixed):
    for side in "LR":
        name = f"sub-01_task-rest_hemi-{side}_space-fsaverage5_bold.json"
        (mixed.root / "sub-01" / "func" / name).unlink()
    (run,) = mixed.find(spaces=("fsaverage5",)).runs
    assert "has a RepetitionTime" in run.problems[0]
