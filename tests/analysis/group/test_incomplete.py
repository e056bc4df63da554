"""Incomplete and odd results: named, and left out or refused; never a silent row."""

import dataclasses
import json
import shutil

import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.derivatives.claims import claim
from bidsmask.derivatives.read import find_runs
from bidsmask.derivatives.record import write_record
from bidsmask.derivatives.writing import sha256

SPACE = "space-MNI152NLin2009cAsym"


@pytest.fixture
def world(cohort, tmp_path):
    """Three participants of the cohort, and their input, in folders of their own."""
    for number in ("01", "02", "03"):
        for name in ("fmriprep", "out"):
            home = cohort.bids_dir.parent / name / f"sub-{number}"
            shutil.copytree(home, tmp_path / name / f"sub-{number}")
    shutil.copy(cohort.output_dir / "dataset_description.json", tmp_path / "out")
    return tmp_path


@pytest.fixture
def group(world, capsys):
    def run(*options):
        where = [str(world / "fmriprep"), str(world / "out"), "group"]
        exit_code = main([*where, *map(str, options)])
        return exit_code, " ".join(capsys.readouterr().err.split())

    return run


def run_of(world, name):
    return next(run for run in find_runs(world / "out") if run.name.startswith(name))


def rewrite(world, name, **changed):
    """Let a record say something else about a run."""
    run = run_of(world, name)
    settings = {**run.record.settings, **changed.pop("settings", {})}
    record = dataclasses.replace(run.record, settings=settings, **changed)
    write_record(record, run.record_name, world / "out")


def excluded(world):
    table = pd.read_csv(world / "out" / "group_excluded.tsv", sep="\t", na_filter=False)
    left = table[table["what"] == "left out"]
    return {
        name.removesuffix(f"_task-rest_{SPACE}"): reason
        for name, reason in left[["run", "reason"]].to_numpy()
    }


def counted(world):
    table = pd.read_csv(world / "out" / "group_qc.tsv", sep="\t", na_filter=False)
    return {name.removesuffix(f"_task-rest_{SPACE}") for name in table["bids_name"]}


EVERYONE = {f"sub-0{number}_ses-{session}" for number in (1, 2, 3) for session in (1, 2)}


def test_a_subject_with_another_version_of_the_atlas_is_refused_by_name(world, group):
    atlas = next(
        name for name in run_of(world, "sub-02").record.settings if name.endswith(".sha256")
    )
    for session in (1, 2):
        rewrite(world, f"sub-02_ses-{session}", settings={atlas: "another"})
    exit_code, said = group()
    assert exit_code == 2
    assert f"{atlas} is " in said
    assert "another in sub-02" in said
    assert not list((world / "out").glob("group_*"))
    assert group("--participant-label", "01", "03")[0] == 0, "advice that is followed helps"
    assert counted(world) == EVERYONE - {"sub-02_ses-1", "sub-02_ses-2"}


def test_versions_are_not_mixed_and_an_older_one_is_named(world, group):
    older = {"version": "0.0.9", "settings": {"version": "0.0.9"}}
    rewrite(world, "sub-01_ses-1", **older)
    exit_code, said = group()
    assert exit_code == 2
    assert "version is 0.0.9 in sub-01_ses-1" in said
    for name in EVERYONE:
        rewrite(world, name, **older)
    exit_code, said = group()
    assert exit_code == 0
    assert "All runs were written by bidsmask 0.0.9" in said
    assert counted(world) == EVERYONE


def test_one_damaged_table_costs_its_run_alone(world, group):
    run = run_of(world, "sub-03_ses-2")
    path = world / "out" / next(iter(run.series.values()))
    path.write_bytes(path.read_bytes()[:-100])
    exit_code, said = group()
    assert exit_code == 1
    assert counted(world) == EVERYONE - {"sub-03_ses-2"}
    reason = excluded(world)["sub-03_ses-2"]
    assert reason.startswith(f"{path.name} is not as it was written")
    assert reason in said


def test_of_participants_that_a_job_is_at_work_on_only_complete_runs_count(world, group):
    run = run_of(world, "sub-02_ses-2")
    (world / "out" / run.record_name).unlink()  # it is written last
    with claim(world / "out", ["02"]):
        exit_code, said = group()
    assert exit_code == 0, said
    assert counted(world) == EVERYONE - {"sub-02_ses-2"}
    assert "A job is at work on this participant" in excluded(world)["sub-02_ses-2"]
    assert group()[0] == 1, "without a job, they are results that nobody vouches for"


def test_runs_that_failed_and_participants_without_results_are_listed(world, group):
    (world / "out" / "logs").mkdir()
    name = f"sub-04_task-rest_{SPACE}"
    (world / "out" / "logs" / "status.tsv").write_text(
        f"run\tstatus\treason\n{name}\tfailed\tIts mask is empty.\n"
    )
    (world / "fmriprep" / "sub-05").mkdir()
    exit_code, _ = group()
    assert exit_code == 0
    assert counted(world) == EVERYONE
    assert excluded(world) == {
        "sub-04": "It failed: Its mask is empty.",
        "sub-05": "It is in the input and has no results. Run the participant level again.",
    }


def test_what_an_older_table_of_quality_does_not_have_is_not_known(world, group):
    for name in EVERYONE:
        run = run_of(world, name)
        (path,) = (world / "out" / file for file in run.record.outputs if file.endswith("_qc.tsv"))
        table = pd.read_csv(path, sep="\t", dtype=str, na_filter=False)
        table = table.drop(columns=[each for each in table if each.endswith("_jenkinson")])
        table.to_csv(path, sep="\t", index=False)
        outputs = dict(run.record.outputs)
        outputs[path.relative_to(world / "out").as_posix()] = sha256(path)
        rewrite(world, name, outputs=outputs)
    exit_code, said = group("--exclude", "parkes2018-lenient")
    assert exit_code == 2
    assert "parkes2018-lenient asks for mean_fd_jenkinson, which is known of no run" in said
    assert group()[0] == 0
    counts = pd.read_csv(world / "out" / "group_attrition.tsv", sep="\t")
    notes = counts.set_index("exclusion")["note"]
    assert notes["parkes2018-lenient"] == "known of no run: mean_fd_jenkinson"
    described = json.loads((world / "out" / "group_qc.json").read_text())
    assert "mean_fd_jenkinson" in described
