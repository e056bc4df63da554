from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from bidsmask.dataset.runs import BoldRun, read_run
from bidsmask.dataset.selection import Selection
from bidsmask.dataset.sidecars import Folders


@pytest.fixture
def read(dataset):
    """Read a run of the dataset, with filters for its companions."""

    def read(bold, **filters) -> BoldRun:
        pairs = tuple((query, tuple(wanted.items())) for query, wanted in filters.items())
        return read_run(
            bold, root=dataset.root, folders=Folders(), selection=Selection(filters=pairs)
        )

    return read


def test_a_run_comes_with_all_that_belongs_to_it(dataset, read):
    bold = dataset.add_run("sub-01_ses-a_task-rest_run-01", grid="space-MNI_res-2")
    dataset.add_run("sub-01_ses-a_task-rest_run-1", grid="space-MNI_res-2")
    dataset.add_run("sub-01_ses-a_task-rest_run-01", grid="space-MNI_res-1")
    dataset.add_run("sub-01_ses-a_task-rest_run-01", grid="")
    run = read(bold)
    stem = "sub-01_ses-a_task-rest_run-01"
    assert run.problems == run.warnings == ()
    assert [path.name for path in (run.mask, run.boldref, run.confounds, run.confounds_json)] == [
        f"{stem}_space-MNI_res-2_desc-brain_mask.nii.gz",
        f"{stem}_space-MNI_res-2_boldref.nii.gz",
        f"{stem}_desc-confounds_timeseries.tsv",
        f"{stem}_desc-confounds_timeseries.json",
    ]
    assert run.t_r == 2.0
    assert run.metadata == (("TaskName", "rest"),)
    assert run.name == f"{stem}_space-MNI_res-2"
    assert (run.subject, run.session, run.task, run.space) == ("01", "a", "rest", "MNI")


def test_a_run_in_its_own_space_has_neither_session_nor_space(dataset, read):
    run = read(dataset.add_run("sub-01_task-rest", grid=""))
    assert run.problems == ()
    assert (run.session, run.space) == (None, None)
    assert run.mask.name == "sub-01_task-rest_desc-brain_mask.nii.gz"


def test_the_reference_in_the_runs_own_space_is_found_under_its_new_name(dataset, read):
    bold = dataset.add_run(grid="")
    old = dataset.companion(bold, "boldref", desc=None)
    new = dataset.companion(bold, "boldref", desc="coreg")
    old.rename(new)
    dataset.write(str(new).replace("coreg", "hmc"))
    assert read(bold).boldref == new


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_task-rest_desc-confounds_timeseries",
        "sub-01_task-rest_desc-confounds_regressors",  # fMRIPrep 1.2 to 20.1
        "sub-01_task-rest_bold_confounds",  # fMRIPrep 1.0 and 1.1
    ],
)
def test_confounds_go_by_three_names(dataset, read, name):
    bold = dataset.add_run()
    for extension in (".tsv", ".json"):
        old = dataset.companion(bold, "timeseries", extension, space=None, desc="confounds")
        old.rename(bold.parent / f"{name}{extension}")
    run = read(bold)
    assert (run.problems, run.warnings) == ((), ())
    assert run.confounds.name == f"{name}.tsv"
    assert run.confounds_json.name == f"{name}.json"


def test_single_echoes_share_the_confounds_of_the_run(dataset, read):
    bold = dataset.add_run("sub-01_task-rest_echo-2", grid="")
    table = dataset.companion(bold, "timeseries", ".tsv", desc="confounds")
    table.rename(dataset.companion(bold, "timeseries", ".tsv", desc="confounds", echo=None))
    run = read(bold)
    assert run.problems == ()
    assert run.confounds.name == "sub-01_task-rest_desc-confounds_timeseries.tsv"


def test_companions_of_the_echo_itself_come_first(dataset, read):
    dataset.add_run("sub-01_task-rest", grid="")
    bold = dataset.add_run("sub-01_task-rest_echo-2", grid="")
    run = read(bold)
    assert run.problems == ()
    assert "echo-2" in run.confounds.name
    assert "echo-2" in run.mask.name


def test_entities_in_another_order_mean_the_same(dataset, read):
    bold = dataset.add_run("sub-01_task-rest_run-1")
    mask = dataset.companion(bold, "mask", desc="brain")
    moved = mask.rename(mask.with_name(mask.name.replace("task-rest_run-1", "run-1_task-rest")))
    assert read(bold).mask == moved


@pytest.mark.parametrize(
    ("suffix", "labels", "looked_for", "fatal"),
    [
        ("mask", {"desc": "brain"}, "_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz", True),
        ("boldref", {"desc": None}, "_space-MNI152NLin2009cAsym_boldref.nii.gz", False),
        (
            "timeseries",
            {"desc": "confounds", "space": None},
            "_desc-confounds_timeseries.tsv",
            True,
        ),
    ],
)
def test_what_is_missing_is_named(dataset, read, suffix, labels, looked_for, fatal):
    bold = dataset.add_run("sub-01_task-rest_run-1")
    dataset.add_run("sub-01_task-rest_run-2")
    extension = ".tsv" if suffix == "timeseries" else ".nii.gz"
    dataset.companion(bold, suffix, extension, **labels).unlink()
    run = read(bold)
    (letter,) = run.problems if fatal else run.warnings
    assert f"looked for sub-01_task-rest_run-1{looked_for} in {bold.parent}" in letter
    assert "there is sub-01_task-rest_run-2" in letter  # what was found instead
    assert not (run.warnings if fatal else run.problems)


def test_confounds_without_json_draw_a_warning(dataset, read):
    bold = dataset.add_run()
    dataset.companion(bold, "timeseries", ".json", desc="confounds", space=None).unlink()
    run = read(bold)
    assert (run.problems, run.confounds_json) == ((), None)
    assert "CompCor" in run.warnings[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task-rest_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
         "task-rest_space-MNI152NLin2009cAsym_desc-brain_mask.nii"),
        ("task-rest_desc-confounds_timeseries.tsv", "task-rest_desc-confounds_regressors.tsv"),
        ("task-rest_desc-confounds_timeseries.tsv", "task-rest_bold_confounds.tsv"),
        ("task-rest_space-MNI152NLin2009cAsym_boldref.nii.gz",
         "task-rest_space-MNI152NLin2009cAsym_desc-coreg_boldref.nii.gz"),
    ],
)  # fmt: skip
def test_two_candidates_are_never_chosen_between(dataset, read, one, other):
    bold = dataset.add_run()
    dataset.write(f"sub-01/func/sub-01_{other}")
    (letter,) = read(bold).problems
    assert f"sub-01_{one}" in letter
    assert f"sub-01_{other}" in letter


def test_a_filter_chooses_between_candidates(dataset, read):
    bold = dataset.add_run()
    other = dataset.write(
        "sub-01/func/sub-01_task-rest_space-MNI152NLin2009cAsym_desc-brain_mask.nii"
    )
    assert read(bold, mask={"extension": ".nii"}).mask == other


def test_a_filter_can_name_another_mask(dataset, read):
    bold = dataset.add_run()
    mask = dataset.companion(bold, "mask", desc="mine")
    dataset.write(str(mask))
    assert read(bold, mask={"desc": "mine"}).mask == mask


def test_a_filter_can_name_a_mask_without_resolution(dataset, read):
    bold = dataset.add_run(grid="space-MNI_res-2")
    mask = dataset.companion(bold, "mask", desc="brain")
    moved = mask.rename(dataset.companion(bold, "mask", desc="brain", res=None))
    assert read(bold).problems
    assert read(bold, mask={"res": None}).mask == moved


def test_a_filter_that_nothing_agrees_with_is_said_to_be_there(dataset, read):
    (letter,) = read(dataset.add_run(), confounds={"desc": "mine"}).problems
    assert 'what the filter file asks of "confounds"' in letter


@pytest.mark.parametrize("suffix", ["bold", "mask", "boldref", "timeseries", "json", "bold json"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.touch(), "is empty (0 bytes)"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is a pipe"),
        (lambda path: path.symlink_to("/nowhere/.git/annex/x"), "`datalad get "),
        (lambda path: path.write_text("/annex/objects/x\n"), "`datalad get "),
    ],
)
def test_a_file_that_is_none_is_a_problem_of_its_run(dataset, read, suffix, make, said):
    bold = dataset.add_run()
    table = {"desc": "confounds", "space": None}
    path = {
        "bold": bold,
        "mask": dataset.companion(bold, "mask", desc="brain"),
        "boldref": dataset.companion(bold, "boldref", desc=None),
        "timeseries": dataset.companion(bold, "timeseries", ".tsv", **table),
        "json": dataset.companion(bold, "timeseries", ".json", **table),
        "bold json": dataset.companion(bold, "bold", ".json"),
    }[suffix]
    path.unlink()
    make(path)
    (letter,) = read(bold).problems
    assert said in letter
    assert str(path) in letter


def test_a_damaged_sidecar_is_a_problem_of_the_run(dataset, read):
    bold = dataset.add_run()
    sidecar = dataset.companion(bold, "bold", ".json")
    sidecar.write_text('{"RepetitionTime": 2.')
    run = read(bold)
    assert str(sidecar) in run.problems[0]
    assert (run.t_r, run.metadata) == (None, ())


@pytest.mark.parametrize(
    ("arguments", "t_r", "problems", "warnings"),
    [
        ({}, 2.0, 0, 0),
        ({"step": 2000.0, "unit": "msec"}, 2.0, 0, 0),
        ({"step": 0.0}, 2.0, 0, 1),
        ({"step": 1.0}, 2.0, 0, 1),
        ({"step": 2000.0}, 2.0, 0, 1),
        ({"step": 2.0, "unit": "msec"}, 2.0, 0, 1),
        ({"step": 2.5}, None, 1, 0),
        ({"t_r": None}, 2.0, 0, 1),
        ({"t_r": None, "step": 0.0}, None, 1, 0),
        ({"t_r": 2000.0}, None, 1, 0),
    ],
)
def test_the_repetition_time_is_checked_against_the_header(
    dataset, read, arguments, t_r, problems, warnings
):
    run = read(dataset.add_run(**arguments))
    assert (run.t_r, len(run.problems), len(run.warnings)) == (t_r, problems, warnings)


def test_an_inherited_repetition_time_is_found(dataset, read):
    dataset.write("task-rest_bold.json", {"RepetitionTime": 2.0, "FlipAngle": 70})
    run = read(dataset.add_run(t_r=None))
    assert (run.t_r, run.problems, run.warnings) == (2.0, (), ())
    assert run.metadata == (("FlipAngle", 70), ("TaskName", "rest"))


def test_nested_metadata_are_kept_as_json(dataset, read):
    bold = dataset.add_run()
    dataset.companion(bold, "bold", ".json").write_text(
        '{"RepetitionTime": 2, "Resolution": {"2": "two", "1": "one"}, "StartTime": 0.3,'
        ' "SliceTiming": [0, 1], "SkullStripped": false}'
    )
    assert read(bold).metadata == (
        ("Resolution", '{"1": "one", "2": "two"}'),
        ("SkullStripped", False),
        ("StartTime", 0.3),
    )


def test_a_run_is_a_value(dataset, read):
    bold = dataset.add_run()
    run = read(bold)
    assert pickle.loads(pickle.dumps(run)) == run == read(bold)
    assert hash(run) == hash(read(bold))
    with pytest.raises(FrozenInstanceError):
        run.t_r = 3.0


def test_a_run_looks_the_same_from_every_process(dataset, read):
    bold = dataset.add_run("sub-01_ses-a_task-rest_run-01")
    code = (
        "from pathlib import Path\n"
        "from bidsmask.dataset.runs import read_run\n"
        "from bidsmask.dataset.selection import Selection\n"
        "from bidsmask.dataset.sidecars import Folders\n"
        f"print(repr(read_run(Path({str(bold)!r}), root=Path({str(dataset.root)!r}),"
        " folders=Folders(), selection=Selection())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == repr(read(bold))
