from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.runs import BoldRun, read_run
from bidsmask.dataset.selection import Selection
from bidsmask.dataset.sidecars import Folders


@pytest.fixture
def read(dataset):
    """Read a run of the dataset, with filters for its companions."""

    def read(bold, *, datasets=(), queries=(), **filters) -> BoldRun:
        pairs = tuple((query, tuple(wanted.items())) for query, wanted in filters.items())
        return read_run(
            [bold],
            root=dataset.root,
            folders=Folders(),
            selection=Selection(filters=pairs),
            datasets={str(number): root for number, root in enumerate(datasets)},
            queries=queries,
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


# --- companions that do not have all entities of their BOLD


def rename_table(dataset, bold, name):
    """Give the confounds of a BOLD other entities."""
    for extension in (".tsv", ".json"):
        table = dataset.companion(bold, "timeseries", extension, desc="confounds", space=None)
        table.rename(bold.parent / f"{name}_desc-confounds_timeseries{extension}")


@pytest.mark.parametrize(
    ("of_bold", "of_table"),
    [
        ("sub-01_task-rest_part-mag", "sub-01_task-rest"),
        ("sub-01_task-rest", "sub-01_task-rest_part-mag"),
        ("sub-01_task-rest_echo-2_part-mag", "sub-01_task-rest"),
        ("sub-01_task-rest_echo-2_part-mag", "sub-01_task-rest_echo-2"),
        ("sub-01_task-rest_chunk-1", "sub-01_task-rest"),
        ("sub-01_task-rest_run-1", "sub-01_task-rest_run-01"),
        ("sub-01_task-rest_run-02_echo-1", "sub-01_task-rest_run-2"),
        ("sub-01_ses-a_task-rest_acq-x_run-1_echo-2", "sub-01_ses-a_task-rest_acq-x_run-1"),
    ],
)
def test_a_table_may_do_without_what_does_not_tell_runs_apart(dataset, read, of_bold, of_table):
    bold = dataset.add_run(of_bold)
    rename_table(dataset, bold, of_table)
    run = read(bold)
    assert (run.problems, run.warnings) == ((), ())
    assert run.confounds.name == f"{of_table}_desc-confounds_timeseries.tsv"


@pytest.mark.parametrize(
    ("of_bold", "of_table"),
    [
        ("sub-01_task-rest_run-1", "sub-01_task-rest"),
        ("sub-01_task-rest", "sub-01_task-rest_run-1"),
        ("sub-01_task-rest_acq-x", "sub-01_task-rest"),
        ("sub-01_task-rest_part-phase", "sub-01_task-rest_part-mag"),
        ("sub-01_task-rest_part-phase", "sub-01_task-rest"),
        ("sub-01_task-rest_echo-1", "sub-01_task-rest_echo-2"),
        ("sub-01_task-rest", "sub-01_task-rest_echo-2"),
    ],
)
def test_the_table_of_another_run_is_only_taken_if_a_filter_says_so(
    dataset, read, of_bold, of_table
):
    bold = dataset.add_run(of_bold)
    rename_table(dataset, bold, of_table)
    (letter,) = read(bold).problems
    assert f"there is {of_table}_desc-confounds" in letter
    assert '"confounds" in a --bids-filter-file' in letter
    table = parse_name(f"{of_table}_timeseries.tsv").entities
    entities = {*table, *parse_name(bold).entities.without("space", "desc")} - {"sub", "task"}
    wanted = {name: table.get(name) for name in entities}
    assert read(bold, confounds=wanted).confounds.name.startswith(of_table)


def test_no_filter_brings_the_table_of_another_participant(dataset, read):
    bold = dataset.add_run()
    rename_table(dataset, bold, "sub-02_task-rest")
    assert read(bold, confounds={"sub": "02"}).problems


def test_a_filter_does_not_keep_a_run_from_its_own_table(dataset, read):
    bolds = [dataset.add_run(f"sub-01_task-rest_run-{number}") for number in (1, 2)]
    chosen = [read(bold, confounds={"task": "rest"}).confounds.name for bold in bolds]
    assert [name.split("_")[2] for name in chosen] == ["run-1", "run-2"]


# --- companions in other datasets


@pytest.fixture
def denoised(dataset, new_dataset):
    """A BOLD whose companions lie in the first of two other datasets."""
    others = [new_dataset(name) for name in ("fmriprep2", "other")]
    theirs = others[0].add_run("sub-01_ses-a_task-rest_run-1", grid="space-MNI_res-2")
    where = theirs.relative_to(others[0].root)
    name = str(where).replace("desc-preproc", "desc-nonaggrDenoised")
    bold = dataset.write(name, theirs.read_bytes())
    dataset.write(name.replace(".nii.gz", ".json"), {"RepetitionTime": 2.0})
    return bold, [other.root for other in others]


def test_companions_are_found_in_another_dataset(denoised, read):
    bold, others = denoised
    run = read(bold, datasets=others)
    assert (run.problems, run.warnings) == ((), ())
    for path in (run.mask, run.boldref, run.confounds, run.confounds_json):
        assert path.is_relative_to(others[0])


def test_without_that_dataset_the_letter_asks_for_it(denoised, read):
    bold, others = denoised
    problems = read(bold).problems
    assert len(problems) == 2
    assert all("--datasets NAME=PATH" in letter for letter in problems)
    assert not read(bold, datasets=others[:1]).problems


def test_the_companion_beside_the_bold_comes_first(dataset, denoised, read):
    bold, others = denoised
    mask = dataset.companion(bold, "mask", desc="brain")
    dataset.write(str(mask))
    run = read(bold, datasets=others)
    assert run.mask == mask
    assert run.confounds.is_relative_to(others[0])


def test_two_datasets_are_never_chosen_between(denoised, read):
    bold, (first, second) = denoised
    shutil.copytree(first / "sub-01", second / "sub-01")
    run = read(bold, datasets=[first, second])
    assert len(run.problems) == 2  # mask and confounds; figures do without the reference
    for letter in (*run.problems, *run.warnings):
        assert str(first) in letter
        assert str(second) in letter
        assert "out of --datasets" in letter
    assert not read(bold, datasets=[second]).problems


def test_another_grid_in_another_dataset_is_not_that_of_the_bold(denoised, read):
    bold, (first, _) = denoised
    for path in first.rglob("*_mask.nii.gz"):
        path.rename(str(path).replace("res-2", "res-1"))
    (letter,) = read(bold, datasets=[first]).problems
    assert "there is sub-01_ses-a_task-rest_run-1_space-MNI_res-1_desc-brain_mask" in letter


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
    run = read(bold)
    (letter,) = run.warnings if "boldref" in one else run.problems
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
def test_a_file_that_is_none_costs_its_run_if_nothing_can_do_without_it(
    dataset, read, suffix, make, said
):
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
    run = read(bold)
    does_without = suffix in ("boldref", "json")
    (letter,) = run.warnings if does_without else run.problems
    assert not (run.problems if does_without else ())
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
        f"print(repr(read_run([Path({str(bold)!r})], root=Path({str(dataset.root)!r}),"
        " folders=Folders(), selection=Selection())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == repr(read(bold))
