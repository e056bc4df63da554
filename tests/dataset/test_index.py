from __future__ import annotations

import os
import re
import resource
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from bidsmask.dataset.index import find_runs
from bidsmask.dataset.selection import Selection
from bidsmask.errors import DatasetError, NoInputError, OutputError, SettingsError

MNI = "space-MNI152NLin2009cAsym"
RAW = {"Name": "raw", "BIDSVersion": "1.10.0", "DatasetType": "raw"}


def names(index):
    return [run.name for run in index.runs]


def sound(index):
    return [run for run in index.runs if not run.problems]


@pytest.fixture
def eight(dataset):
    """A dataset of 8 runs: 2 subjects, 2 sessions, 2 tasks."""
    for subject in ("01", "02"):
        for session in ("a", "b"):
            for task in ("nback", "rest"):
                dataset.add_run(f"sub-{subject}_ses-{session}_task-{task}_run-01")
    return dataset


def bold_of(dataset, subject="01", session="a", task="rest"):
    stem = f"sub-{subject}_ses-{session}_task-{task}_run-01"
    return dataset.root / f"sub-{subject}/ses-{session}/func/{stem}_{MNI}_desc-preproc_bold.nii.gz"


def test_a_sound_dataset_gives_its_runs_without_a_word(eight):
    index = eight.find()
    assert len(sound(index)) == 8
    assert index.warnings == ()
    assert names(index) == sorted(names(index))
    assert all(run.bold.is_absolute() for run in index.runs)
    assert index == eight.find()


def test_indexing_writes_nothing_into_the_dataset(eight):
    before = {path: path.lstat().st_mtime_ns for path in eight.root.rglob("*")}
    eight.find()
    assert {path: path.lstat().st_mtime_ns for path in eight.root.rglob("*")} == before


@pytest.mark.parametrize(
    ("selection", "n_runs"),
    [
        ({"participants": ("02",)}, 4),
        ({"participants": ("sub-02", "01")}, 8),
        ({"sessions": ("ses-a",)}, 4),
        ({"tasks": ("task-rest",), "sessions": ("b",)}, 2),
        ({"runs": ("1",)}, 8),
        ({"runs": ("run-001",)}, 8),
        ({"spaces": ("MNI152NLin2009cAsym",)}, 8),
        ({"filters": (("bold", (("task", ("rest",)), ("sub", "01"))),)}, 2),
        ({"filters": (("bold", (("acq", None), ("echo", None))),)}, 8),
        ({"filters": (("bold", (("suffix", "bold"), ("datatype", "func"))),)}, 8),
    ],
)
def test_selections_choose_runs(eight, selection, n_runs):
    assert len(sound(eight.find(**selection))) == n_runs


@pytest.mark.parametrize(
    ("selection", "error", "said"),
    [
        ({"participants": ("03", "x4")}, DatasetError, "no sub-03, sub-x4. It has sub-01, "),
        ({"tasks": ("motor",)}, NoInputError, "(--task-id motor). There is ses-a, ses-b, task-nb"),
        ({"runs": ("2",)}, NoInputError, "run-01"),
        ({"spaces": ("T1w",)}, NoInputError, MNI),
        ({"filters": (("bold", (("acq", "*"),)),)}, NoInputError, '"acq" of the filter file'),
    ],
)
def test_a_request_that_nothing_matches_is_told_what_there_is(eight, selection, error, said):
    with pytest.raises(error, match=re.escape(said)):
        eight.find(**selection)


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"participants": ("01", "03")}, "no sub-03. It has sub-01, sub-02."),
        ({"tasks": ("rest", "motor")}, "--task-id motor: no BOLD file matches. There is task-nb"),
        ({"sessions": ("a", "c")}, "--session-label c: "),
        ({"spaces": ("MNI152NLin2009cAsym", "T1w")}, "--space T1w: "),
    ],
)
def test_what_is_asked_for_and_missing_is_not_found(eight, selection, said):
    index = eight.find(**selection)
    assert sound(index)
    (missing,) = index.not_found
    assert said in missing.reason
    assert not index.warnings


def test_what_is_odd_about_a_filter_file_is_said(eight):
    assert "something odd" in eight.find(filter_warnings=("something odd",)).warnings


def test_a_label_that_nearly_exists_is_suggested(eight):
    (missing,) = eight.find(tasks=("rest", "nbakc")).not_found
    assert (missing.name, missing.subject) == ("task-nbakc", "")
    assert "Did you mean 'nback'?" in missing.reason


def test_what_one_participant_lacks_is_found_under_its_name(eight):
    (missing,) = eight.find(participants=("01",), tasks=("rest", "motor")).not_found
    assert (missing.name, missing.subject) == ("sub-01_task-motor", "01")


def test_who_was_not_in_a_task_is_missed_only_by_name(eight):
    eight.add_run("sub-03_task-motor")
    index = eight.find(tasks=("rest",))
    assert "No run to do for sub-03 (task-motor" in " ".join(index.warnings)
    assert not index.not_found
    (missing,) = eight.find(participants=("01", "03"), tasks=("rest",)).not_found
    assert (missing.name, missing.subject) == ("sub-03", "03")
    assert "(--task-id rest); there is task-motor" in missing.reason


def test_existing_participants_are_named_up_to_ten(dataset):
    for number in range(15):
        dataset.write(f"sub-{number:02d}/func/x")
    with pytest.raises(DatasetError, match=r"sub-09 and 5 more\.$"):
        dataset.find(participants=("99",))


# Which BOLD files


@pytest.mark.parametrize(
    ("grids", "selection", "chosen"),
    [
        ([MNI, "space-T1w", ""], {}, [MNI]),
        ([f"{MNI}_res-1", f"{MNI}_res-2", "space-T1w"], {}, [f"{MNI}_res-1", f"{MNI}_res-2"]),
        ([MNI, "space-MNIInfant_cohort-1"], {}, [MNI, "space-MNIInfant_cohort-1"]),
        (["space-T1w", ""], {}, ["space-T1w"]),
        (["space-fsaverage", ""], {}, ["space-fsaverage"]),
        ([MNI, "space-fsaverage5"], {"spaces": ("fsaverage:den-10k",)}, ["space-fsaverage5"]),
        ([""], {}, [""]),
        ([MNI, "space-T1w", ""], {"spaces": ("T1w", "func")}, ["", "space-T1w"]),
        ([f"{MNI}_res-1", f"{MNI}_res-2"], {"spaces": ("MNI152NLin2009cAsym:res-2",)},
         [f"{MNI}_res-2"]),
        ([MNI, "space-T1w"], {"filters": (("bold", (("space", "T1w"),)),)}, ["space-T1w"]),
        ([MNI, ""], {"filters": (("bold", (("space", None),)),)}, [""]),
    ],
)  # fmt: skip
def test_spaces(dataset, grids, selection, chosen):
    for grid in grids:
        dataset.add_run("sub-01_task-rest", grid=grid)
    index = dataset.find(**selection)
    found = [run.entities.only("space", "cohort", "res") for run in index.runs]
    assert sorted("_".join(sorted(map("-".join, grid.items()))) for grid in found) == sorted(
        "_".join(sorted(filter(None, grid.split("_")))) for grid in chosen
    )
    left_out = len(grids) - len(chosen)
    assert bool(index.warnings) == bool(left_out and not selection)
    assert all("BOLD files left out: 1 with" in letter for letter in index.warnings)


@pytest.mark.parametrize(
    ("descs", "wanted", "chosen"),
    [
        (["preproc", "smoothAROMAnonaggr"], None, ["preproc"]),
        (["preproc", "smoothAROMAnonaggr"], "smoothAROMAnonaggr", ["smoothAROMAnonaggr"]),
        (["preproc", ""], None, ["preproc"]),
        (["", "smooth"], None, [""]),
    ],
)
def test_descs(dataset, descs, wanted, chosen):
    for desc in descs:
        dataset.add_run("sub-01_task-rest", desc=desc)
    filters = (("bold", (("desc", wanted),)),) if wanted else ()
    index = dataset.find(filters=filters)
    assert [run.entities.get("desc", "") for run in sound(index)] == chosen
    assert bool(index.warnings) == (wanted is None)


def test_only_other_descs_ask_for_a_filter_file(dataset):
    dataset.add_run(desc="denoised")
    with pytest.raises(NoInputError, match=r"desc-denoised\. Ask for a desc with a --bids-filter"):
        dataset.find()


def test_of_a_multi_echo_run_the_combination_is_taken(dataset):
    for echo in ("", "_echo-1", "_echo-2"):
        dataset.add_run(f"sub-01_task-rest{echo}", grid="")
    assert names(dataset.find()) == ["sub-01_task-rest"]
    each = dataset.find(filters=(("bold", (("echo", "*"),)),))
    assert names(each) == ["sub-01_task-rest_echo-1", "sub-01_task-rest_echo-2"]


def test_single_echoes_are_taken_where_they_were_not_combined(dataset):
    dataset.add_run("sub-01_task-rest_echo-1")
    dataset.add_run("sub-01_task-rest_echo-2")
    assert len(sound(dataset.find())) == 2


def test_a_dataset_of_surfaces_alone_says_how_they_are_asked_for(dataset):
    dataset.write("sub-01/func/sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii")
    dataset.write("sub-01/func/sub-01_task-rest_space-fsaverage_hemi-L_bold.func.gii")
    with pytest.raises(NoInputError, match="--space fsLR fsaverage"):
        dataset.find()


def test_subjects_without_a_run_are_named_with_what_they_have(eight):
    eight.add_run("sub-03_task-rest", grid="space-T1w")
    eight.write("sub-04/anat/sub-04_T1w.nii.gz")
    found = {each.subject: each.reason for each in eight.find().not_found}
    assert list(found) == ["03", "04"]
    assert "there is task-rest, space-T1w, desc-preproc." in found["03"]
    assert "There is no BOLD" in found["04"]


# Output names


def test_runs_that_differ_in_padding_stay_two(dataset):
    dataset.add_run("sub-01_task-rest_run-1")
    dataset.add_run("sub-01_task-rest_run-01")
    index = dataset.find()
    assert len(sound(index)) == len(set(names(index))) == 2


@pytest.mark.parametrize(
    "double",
    [
        lambda bold: bold.with_name(bold.name.removesuffix(".gz")),
        lambda bold: bold.with_name(bold.name.replace("task-rest_run-1", "run-1_task-rest")),
        lambda bold: bold.parents[1] / "ses-1" / "func" / bold.name,
    ],
)
def test_two_files_that_would_give_one_output_are_both_a_problem(dataset, double):
    bold = dataset.add_run("sub-01_task-rest_run-1")
    other = double(bold)
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(bold.read_bytes())
    index = dataset.find()
    assert {run.bold for run in index.runs} == {bold, other}
    for run in index.runs:
        assert str(bold) in run.problems[-1]
        assert str(other) in run.problems[-1]
        assert "would have the same names" in run.problems[-1]


def test_a_cohort_and_a_space_of_its_name_would_give_one_output(dataset):
    bolds = [
        dataset.add_run(grid=grid) for grid in ("space-MNIInfant_cohort-1", "space-MNIInfant+1")
    ]
    for run in dataset.find().runs:
        assert all(str(bold) in run.problems[-1] for bold in bolds)
        assert "space-MNIInfant+1_*" in run.problems[-1]


def test_two_descs_asked_for_at_once_would_give_one_output(dataset):
    dataset.add_run(desc="preproc")
    dataset.add_run(desc="smooth")
    index = dataset.find(filters=(("bold", (("desc", "*"),)),))
    assert len(index.runs) == 2
    assert sound(index) == []


# Hostile datasets: what is done about it, and that no other run suffers


def _break_bold(eight):
    bold_of(eight).unlink()
    bold_of(eight).symlink_to("/nowhere/.git/annex/objects/x")


def _break_sidecar(eight):
    Path(str(bold_of(eight)).replace(".nii.gz", ".json")).write_text('{"RepetitionTime": 2')


def _deepen_sidecar(eight):
    Path(str(bold_of(eight)).replace(".nii.gz", ".json")).write_text('{"a":' * 100_000)


def _make_folder_of_bold(eight):
    bold_of(eight).unlink()
    bold_of(eight).mkdir()


def _make_fifo_of_bold(eight):
    bold_of(eight).unlink()
    os.mkfifo(bold_of(eight))


def _add_fifo_beside_bold(eight):
    eight.root.joinpath("sub-01/ses-a/func/sub-01_x.json").parent.mkdir(exist_ok=True)
    os.mkfifo(eight.root / "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.json")


def _link_session_to_subject(eight):
    (eight.root / "sub-01/ses-loop").symlink_to("..")


def _link_func_to_parent(eight):
    (eight.root / "sub-01/ses-a/func/loop").symlink_to("../..")


def _link_session(eight):
    (eight.root / "sub-01/ses-c").symlink_to("ses-a")


def _link_subject_to_root(eight):
    (eight.root / "sub-03").symlink_to(".")


def _link_to_itself(eight):
    (eight.root / "sub-01/func").symlink_to("func")


def _mislabel(eight):
    folder = eight.root / "sub-02/ses-a/func"
    (folder / bold_of(eight).name).write_bytes(bold_of(eight).read_bytes())


def _mislabel_session(eight):
    folder = eight.root / "sub-01/ses-b/func"
    (folder / bold_of(eight).name).write_bytes(bold_of(eight).read_bytes())


def _link_subject(eight):
    (eight.root / "sub-00").symlink_to("sub-01")


def _spoil_name(eight):
    eight.write("sub-01/ses-a/func/sub-01_ses-a_task-re_st_bold.nii.gz")


def _add_backup(eight):
    eight.write(f"sub-01/ses-a/func/backup/{bold_of(eight).name}")


def _add_apple_double(eight):
    eight.write(f"sub-01/ses-a/func/._{bold_of(eight).name}")


def _add_extras(eight):
    for where in (
        "figures/sub-01_task-rest_bold.svg",
        "log/20250101/fmriprep.toml",
        "anat/sub-01_desc-preproc_T1w.nii.gz",
        "func/sub-01_task-rest_desc-x_bold.html",
    ):
        eight.write(f"sub-01/{where}")
    eight.write("sub-01.html")
    eight.write("sourcedata/freesurfer/sub-01/x_bold.nii.gz")
    eight.write("layout_config.json", "not JSON")  # pybids would load it
    eight.write("sub-01/layout_config.json", "not JSON")


NOT_FOUND = {
    _link_subject_to_root: "sub-03: There is no BOLD",
    _link_subject: "sub-00: There is no BOLD",
    _spoil_name: "sub-01/ses-a/func/sub-01_ses-a_",
}
"""What is no run and was asked for, as everything was."""

HOSTILE = {
    _break_bold: (7, "`datalad get ", None),
    _break_sidecar: (7, "cannot be read as JSON", None),
    _deepen_sidecar: (7, "cannot be read as JSON", None),
    _make_folder_of_bold: (7, "is a folder", None),
    _make_fifo_of_bold: (7, "is a pipe", None),
    _add_fifo_beside_bold: (7, "is a pipe", None),
    _link_session_to_subject: (8, None, None),
    _link_func_to_parent: (8, None, None),
    _link_session: (8, None, "named after another"),
    _link_subject_to_root: (8, None, None),
    _link_to_itself: (8, None, None),
    _mislabel: (8, None, "named after another subject or session than the folder"),
    _mislabel_session: (8, None, "named after another subject or session than the folder"),
    _link_subject: (8, None, "named after another subject"),
    _spoil_name: (8, None, None),
    _add_backup: (8, None, "outside of sub-*/[ses-*/]func is left out: sub-01/ses-a/func/backup"),
    _add_apple_double: (8, None, None),
    _add_extras: (8, None, None),
}


@pytest.mark.parametrize(
    ("spoil", "expected"), HOSTILE.items(), ids=lambda x: getattr(x, "__name__", "")
)
def test_one_defect_costs_one_run_at_most(eight, spoil, expected):
    n_sound, problem, warning = expected
    spoil(eight)
    index = eight.find()
    problems = [letter for run in index.runs for letter in run.problems]
    assert len(sound(index)) == n_sound
    assert len(index.runs) == 8
    assert [problem in letter for letter in problems] == ([True] if problem else [])
    assert any(warning in letter for letter in index.warnings) if warning else not index.warnings
    found = [f"{each.name}: {each.reason}" for each in index.not_found]
    assert [each.startswith(NOT_FOUND.get(spoil, "")) for each in found] == (
        [True] if spoil in NOT_FOUND else []
    )


def test_annexed_files_of_the_same_content_are_different_runs(eight):
    bolds = [bold_of(eight, task=task) for task in ("rest", "nback")]
    content = eight.write(".git/annex/objects/xx/key", bolds[0].read_bytes())
    for bold in bolds:
        bold.unlink()
        bold.symlink_to(content)
    assert len(sound(eight.find())) == 8


@pytest.mark.parametrize(
    "where",
    ["a b/it's [x]*?", "ses-9_desc-foo_task-bar_res-7/run-3", "x::y", "a%20#b", "sub-07/anat",
     "derivatives/fmriprep", "code/sourcedata", ".hidden/é"],
)  # fmt: skip
def test_folders_above_the_dataset_say_nothing(new_dataset, where):
    dataset = new_dataset(where)
    dataset.add_run("sub-01_ses-a_task-rest_run-01")
    index = dataset.find()
    assert names(index) == [f"sub-01_ses-a_task-rest_run-01_{MNI}"]
    assert sound(index)
    assert index.warnings == ()


def test_relative_paths_become_absolute(eight, monkeypatch):
    monkeypatch.chdir(eight.root / "sub-01")
    index = find_runs("..", Selection())
    assert len(sound(index)) == 8
    assert index.runs[0].bold == bold_of(eight, task="nback")


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (None, "has no dataset_description.json"),
        ('{"Name": ', "cannot be read as JSON"),
        (b'{"Name": "\xe9"}', "cannot be read as JSON"),
        (b"", "is empty"),
        ("[1]", "holds no JSON object"),
        ("[" * 100_000, "cannot be read as JSON"),
        ({"DatasetType": "derivative", "GeneratedBy": {"Name": "x"}}, "has to be a list"),
        ({"DatasetType": "derivative", "GeneratedBy": ["x"]}, "has to be a list"),
        ({"DatasetType": "derivative", "GeneratedBy": None}, "has to be a list"),
        ({"DatasetType": "derivative", "PipelineDescription": "x"}, "has to be a list"),
        ({"DatasetType": "derivative", "PipelineDescription": {"Name": "x"}}, None),
        ({"DatasetType": "derivative"}, None),
        ({"DatasetType": 7}, None),
        ({"PipelineDescription": {"Name": "fMRIPrep"}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_description_is_warned_about_at_most(new_dataset, description, said):
    dataset = new_dataset(description=description)
    dataset.add_run()
    index = dataset.find()
    assert len(sound(index)) == 1
    assert any(said in letter for letter in index.warnings) if said else not index.warnings
    assert all("dataset_description.json" in letter for letter in index.warnings)


def test_a_description_that_blocks_is_not_opened(new_dataset):
    dataset = new_dataset(description=None)
    os.mkfifo(dataset.root / "dataset_description.json")
    dataset.add_run()
    index = dataset.find()
    assert "is a pipe" in index.warnings[0]
    assert len(sound(index)) == 1


@pytest.mark.parametrize(
    "description",
    [RAW, None, "{", {"Name": "x"}, {**RAW, "GeneratedBy": [{"Name": "heudiconv"}]}],
)
def test_raw_data_are_recognised(new_dataset, description):
    dataset = new_dataset(description=description)
    dataset.write("sub-01/func/sub-01_task-rest_bold.nii.gz")
    dataset.write("derivatives/fmriprep/sub-01/func/x")
    message = r"looks like raw BIDS, give the fMRIPrep output \(is .*derivatives/fmriprep meant\?"
    with pytest.raises(NoInputError, match=message):
        dataset.find()


def test_native_bold_without_desc_is_taken_from_a_derivative(dataset):
    dataset.add_run(grid="", desc="")
    assert len(sound(dataset.find())) == 1


def test_an_empty_dataset_is_no_input(dataset):
    dataset.write("fmriprep/sub-01/func/x")  # the layout of fMRIPrep before 21
    with pytest.raises(NoInputError, match=r"no sub-\* folder.*\(is .*/fmriprep/fmriprep meant"):
        dataset.find()


@pytest.mark.parametrize("where", ["missing", "x" * 4000, "file", "self"])
def test_a_dataset_that_is_no_folder_is_refused(tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(DatasetError, match="is not a folder"):
        find_runs(tmp_path / where, Selection())


def test_old_pybids_warnings_do_not_escape(new_dataset):
    description = {"Name": "x", "DatasetType": "derivative", "PipelineDescription": {"Name": "x"}}
    dataset = new_dataset(description=description)
    dataset.add_run()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset.find()
    assert caught == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_costs_its_own_runs(eight):
    folder = eight.root / "sub-01/ses-a/func"
    folder.chmod(0)
    try:
        index = eight.find()
    finally:
        folder.chmod(0o755)
    assert len(sound(index)) == 6
    assert str(folder) in index.warnings[0]
    assert "pybids gave up" in index.warnings[1]


def test_what_pybids_stumbles_over_is_walked_past(eight, monkeypatch):
    def stumble(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bidsmask.dataset.listing._new_layout", stumble)
    index = eight.find()
    assert len(sound(index)) == 8
    assert "pybids gave up" in index.warnings[0]


def test_an_index_that_was_not_finished_leaves_nothing_behind(eight, tmp_path, monkeypatch):
    def stumble(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bidsmask.dataset.listing._new_layout", stumble)
    with pytest.raises(KeyboardInterrupt):
        eight.find(database_dir=tmp_path / "db")
    assert list((tmp_path / "db").iterdir()) == []


# The index that is kept


def test_an_index_is_kept_and_used_again(eight, tmp_path):
    kept = tmp_path / "new" / "db"
    first = eight.find(participants=("01",), database_dir=kept)
    assert [path.name for path in kept.iterdir()] == ["layout_index.sqlite"]
    before = (kept / "layout_index.sqlite").stat().st_mtime_ns
    assert eight.find(participants=("01",), database_dir=kept) == first
    assert len(sound(eight.find(database_dir=kept))) == 8  # other subjects are in it too
    assert (kept / "layout_index.sqlite").stat().st_mtime_ns == before


def test_an_index_that_is_older_than_the_dataset_loses_nothing(eight, tmp_path):
    eight.find(database_dir=tmp_path / "db")
    eight.add_run("sub-02_ses-c_task-rest")
    bold_of(eight).unlink()
    index = eight.find(database_dir=tmp_path / "db")
    assert len(sound(index)) == 8
    assert "1 BOLD file on disk is unknown to the index" in index.warnings[0]
    assert "1 BOLD file known to the index" in index.warnings[1]
    assert all("Delete" in letter for letter in index.warnings)


def test_an_index_of_another_dataset_is_refused(eight, new_dataset, tmp_path):
    other = new_dataset("other")
    other.add_run()
    eight.find(database_dir=tmp_path / "db")
    with pytest.raises(DatasetError, match=r"is the index of .*fmriprep, not of .*other"):
        other.find(database_dir=tmp_path / "db")


def test_an_index_survives_another_path_to_its_dataset(eight, tmp_path):
    eight.find(database_dir=tmp_path / "db")
    (tmp_path / "link").symlink_to(eight.root)
    index = find_runs(tmp_path / "link", Selection(), database_dir=tmp_path / "db")
    assert len(sound(index)) == 8
    assert index.warnings == ()
    assert all(run.bold.is_relative_to(tmp_path / "link") for run in index.runs)


def test_a_damaged_index_is_refused(eight, tmp_path):
    (tmp_path / "layout_index.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(DatasetError, match=r"is no index of pybids .* Delete it"):
        eight.find(database_dir=tmp_path)


@pytest.mark.parametrize("root", ["", "INSERT INTO layout_info VALUES ('/x')"])
def test_half_an_index_is_refused(eight, tmp_path, root):
    connection = sqlite3.connect(tmp_path / "layout_index.sqlite")
    connection.executescript(
        f"CREATE TABLE layout_info (root); CREATE TABLE entities (name); {root};"
    )
    connection.close()
    with pytest.raises(DatasetError, match="is incomplete"):
        eight.find(database_dir=tmp_path)


def test_an_index_is_never_written_into_the_dataset(eight):
    with pytest.raises(SettingsError, match="never written to"):
        eight.find(database_dir=eight.root / "db")


def test_an_index_that_cannot_be_written_is_said(eight, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Nothing can be written to"):
        eight.find(database_dir=tmp_path / "file" / "db")


# Speed


@pytest.mark.slow
def test_one_participant_of_a_large_dataset_takes_less_than_three_seconds_of_a_processor(
    dataset,
):
    _write_subject(dataset.root, "sub-117")
    for number in set(range(200)) - {117}:  # links are followed, and quicker to write
        (dataset.root / f"sub-{number:03d}").symlink_to("sub-117")
    code = (
        "import sys; from bidsmask.dataset.index import find_runs\n"
        "from bidsmask.dataset.selection import Selection\n"
        "print(len(find_runs(sys.argv[1], Selection(participants=('117',))).runs))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, str(dataset.root)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "8"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


def _write_subject(root, subject):
    """320 files and folders, as many as fMRIPrep writes for 8 runs in 2 sessions and 2 spaces."""
    for session in ("ses-1", "ses-2"):
        func, anat = (root / subject / session / kind for kind in ("func", "anat"))
        figures = root / subject / "figures"
        for folder in (func, anat, figures):
            folder.mkdir(parents=True, exist_ok=True)
        for number in range(36):
            (anat / f"{subject}_{session}_label-{number}_probseg.nii.gz").touch()
        for run in range(4):
            stem = f"{subject}_{session}_task-rest_run-{run}"
            for number in range(16):
                (figures / f"{stem}_desc-{number}_bold.svg").touch()
            for name in ("desc-confounds_timeseries", "from-boldref_to-T1w_mode-image_xfm"):
                (func / f"{stem}_{name}.json").touch()
            for space in ("space-T1w", MNI):
                for name in ("desc-preproc_bold", "desc-brain_mask", "boldref"):
                    for extension in ("nii.gz", "json"):
                        (func / f"{stem}_{space}_{name}.{extension}").touch()
