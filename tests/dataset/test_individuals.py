"""Whose file it is, and which one a run gets; paths only, nothing is opened."""

from pathlib import Path

import pytest

from bidsmask.dataset.entities import Entities
from bidsmask.dataset.individuals import OwnFiles, find_own, owner_of, pattern_of
from bidsmask.errors import SpaceError

EXTENSIONS = (".nii.gz", ".nii")


def run(subject, **others):
    return Entities({"sub": subject, "task": "rest", "space": "T1w", **others})


@pytest.fixture
def write(tmp_path):
    """Make empty files; give the root."""

    def write(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("/x/sub-01_space-T1w_dseg.nii.gz", "01"),
        ("/x/sub-01/func/parcels.nii.gz", "01"),
        ("/x/sub-01/sub-02_dseg.nii.gz", "02"),  # the name says it
        ("/x/sub-01/tpl-MNI152NLin6Asym_atlas-Mine_dseg.nii.gz", None),
        ("/x/sub-01_job/atlas-Mine_dseg.nii.gz", None),
        ("/x/subjects/atlas-Mine_dseg.nii.gz", None),
        ("Schaefer2018_seg-7n_scale-400", None),
    ],
)
def test_a_file_belongs_to_whom_its_name_or_folder_names(path, subject):
    assert owner_of(Path(path)).get("sub") == subject


def test_a_pattern_stands_for_one_file_of_each_participant(write):
    root = write(
        *(f"sub-{n}/func/sub-{n}_task-rest_space-T1w_desc-aparc_dseg.nii.gz" for n in (1, 2)),
        *(f"sub-{n}/func/sub-{n}_task-rest_space-T1w_desc-aparc_dseg.tsv" for n in (1, 2)),
    )
    (own,) = find_own([f"{root}/sub-*/func/*_desc-aparc_dseg.*"], EXTENSIONS)
    for subject in ("1", "2"):
        assert own.for_run(run(subject)).name.startswith(f"sub-{subject}_task-rest_space-T1w")
    with pytest.raises(SpaceError, match=r"sub-1, sub-2; there is none for sub-3_task-rest"):
        own.for_run(run("3"))


def test_what_a_shell_makes_of_a_pattern_means_the_same(write):
    names = [f"sub-{n}/anat/sub-{n}_desc-aparc_dseg.nii.gz" for n in (1, 2)]
    root = write(*names)
    found = find_own([str(root / name) for name in names], EXTENSIONS)
    (pattern,) = find_own([f"{root}/sub-*/anat/sub-*_dseg.nii.gz"], EXTENSIONS)
    assert [own.files for own in found] == [pattern.files]


def test_two_atlases_of_each_participant_stay_two(write):
    names = [f"sub-{n}/anat/sub-{n}_desc-{d}_dseg.nii.gz" for d in ("a", "b") for n in (1, 2)]
    root = write(*names)
    found = find_own([str(root / name) for name in names], EXTENSIONS)
    assert [len(own.files) for own in found] == [2, 2]
    assert [own.for_run(run("2")).name for own in found] == [
        "sub-2_desc-a_dseg.nii.gz",
        "sub-2_desc-b_dseg.nii.gz",
    ]


def test_what_belongs_to_nobody_stays_as_it_was_asked_for():
    asked = ["Schaefer2018_seg-7n_scale-400", "/x/atlas-Mine_dseg.nii.gz", "a_dseg.nii"]
    assert find_own(asked, EXTENSIONS) == asked


@pytest.mark.parametrize(
    "path",
    [
        "sub-1/ses-a/func/sub-1_ses-a_task-rest_run-1_space-T1w_desc-aparc_dseg.nii.gz",
        "sub-1/anat/sub-1_desc-aparc_dseg.nii.gz",
        "sub-1/parcels_dseg.nii.gz",
    ],
)
def test_the_pattern_that_the_letter_gives_works(write, path):
    root = write(path, path.replace("sub-1", "sub-2"))
    (alone,) = find_own([str(root / path)], EXTENSIONS)
    other = run("2", ses="a", run="1") if "ses-a" in path else run("2")
    with pytest.raises(SpaceError, match="belongs to sub-1; there is none for sub-2") as caught:
        alone.for_run(other)
    advice = str(caught.value).partition("in quotes: '")[2].partition("'")[0]
    assert advice == str(pattern_of(root / path))
    (own,) = find_own([advice], EXTENSIONS)
    assert own.for_run(other) == root / path.replace("sub-1", "sub-2")


def test_the_file_of_the_run_itself_comes_first(write):
    root = write(
        "sub-1/func/sub-1_task-rest_run-1_space-T1w_dseg.nii.gz",
        "sub-1/func/sub-1_task-rest_run-2_space-T1w_dseg.nii.gz",
        "sub-1/func/sub-1_space-T1w_dseg.nii.gz",
    )
    (own,) = find_own([f"{root}/sub-*/func/*_dseg.nii.gz"], EXTENSIONS)
    assert own.for_run(run("1", run="2")).name.startswith("sub-1_task-rest_run-2")
    assert own.for_run(run("1", run="3")).name == "sub-1_space-T1w_dseg.nii.gz"


def test_the_names_of_anatomical_scans_are_not_those_of_runs(write):
    root = write("sub-1/anat/sub-1_acq-mprage_run-2_desc-aparc_dseg.nii.gz")
    (own,) = find_own([f"{root}/sub-*/anat/*_dseg.nii.gz"], EXTENSIONS)
    assert own.for_run(run("1", run="1")).parent.name == "anat"


def test_the_space_of_the_run_decides(write):
    root = write(
        "sub-1/func/sub-1_task-rest_space-T1w_dseg.nii.gz",
        "sub-1/func/sub-1_task-rest_space-MNI152NLin6Asym_dseg.nii.gz",
        "sub-1/func/sub-1_task-rest_dseg.nii.gz",
    )
    (own,) = find_own([f"{root}/sub-*/func/*_dseg.nii.gz"], EXTENSIONS)
    for space in ("T1w", "MNI152NLin6Asym"):
        assert f"space-{space}" in own.for_run(run("1", space=space)).name
    assert "space-" not in own.for_run(run("1").without("space")).name
    with pytest.raises(SpaceError, match=r"own brain of sub-1.*MNI152NLin2009cAsym"):
        own.for_run(run("1", space="MNI152NLin2009cAsym"))


@pytest.mark.parametrize("space", [None, "MNI152NLin6Asym", "sbref"])
def test_what_lies_beside_the_head_is_in_its_space(write, space):
    root = write("sub-1/anat/sub-1_desc-aparc_dseg.nii.gz")
    (own,) = find_own([f"{root}/sub-*/anat/*_dseg.nii.gz"], EXTENSIONS)
    assert own.for_run(run("1"))
    entities = run("1").without("space") | ({"space": space} if space else {})
    with pytest.raises(SpaceError, match="own brain"):
        own.for_run(entities)


def test_two_files_are_never_chosen_between(write):
    root = write(*(f"sub-1/func/sub-1_space-T1w_desc-{d}_dseg.nii.gz" for d in ("a", "b")))
    (own,) = find_own([f"{root}/sub-*/func/*_dseg.nii.gz"], EXTENSIONS)
    with pytest.raises(SpaceError, match="more than one file"):
        own.for_run(run("1"))


def test_a_folder_that_is_called_so_can_hold_a_template(write):
    root = write("sub-lab/mine_dseg.nii.gz")
    (own,) = find_own([str(root / "sub-lab/mine_dseg.nii.gz")], EXTENSIONS)
    with pytest.raises(SpaceError, match="let its name say so: tpl-<template>_"):
        own.for_run(run("1"))
    renamed = str(root / "sub-lab/tpl-MNI152NLin6Asym_mine_dseg.nii.gz")
    assert find_own([renamed], EXTENSIONS) == [renamed]


def test_a_pattern_without_files_says_so(tmp_path):
    (own,) = find_own([f"{tmp_path}/sub-*/none_dseg.nii.gz"], EXTENSIONS)
    assert own == OwnFiles(f"{tmp_path}/sub-*/none_dseg.nii.gz", ())
    with pytest.raises(SpaceError, match="fits no file"):
        own.for_run(run("1"))
