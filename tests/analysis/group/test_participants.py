"""Every participant with the covariates of the input."""

import shutil

import pandas as pd
import pytest

from bidsmask.cli.main import main


@pytest.fixture
def world(cohort, tmp_path):
    """Two participants of the cohort, and their input, in folders of their own."""
    for number in ("01", "02"):
        for name in ("fmriprep", "out"):
            home = cohort.bids_dir.parent / name / f"sub-{number}"
            shutil.copytree(home, tmp_path / name / f"sub-{number}")
    for name in ("dataset_description.json", ".bidsmask"):
        if (path := cohort.output_dir / name).is_dir():
            shutil.copytree(path, tmp_path / "out" / name)
        else:
            shutil.copy(path, tmp_path / "out" / name)
    return tmp_path


def group(world, *options):
    where = [str(world / "fmriprep"), str(world / "out"), "group"]
    return main([*where, *map(str, options)])


def covariates(world, *rows, name="fmriprep/participants.tsv"):
    (world / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    return world / name


def participants(world):
    table = pd.read_csv(world / "out" / "participants.tsv", sep="\t", dtype=str, na_filter=False)
    return table.to_dict("list")


def excluded(world):
    table = pd.read_csv(world / "out" / "group_excluded.tsv", sep="\t", na_filter=False)
    return dict(table[["run", "reason"]].to_numpy().tolist())


HEADER = ("participant_id", "age", "site", "score")


def test_covariates_are_kept_as_they_are_written(world, capsys):
    covariates(
        world,
        HEADER,
        ("sub-02", "31", "007", "-1.5"),
        ("sub-01", "n/a", "012", "2.25"),
        ("sub-03", "5", "", ""),
    )
    assert group(world) == 0
    assert participants(world) == {
        "participant_id": ["sub-01", "sub-02"],
        "age": ["n/a", "31"],
        "site": ["012", "007"],
        "score": ["2.25", "-1.5"],
    }
    assert excluded(world) == {"sub-03": "It is in participants.tsv and has no results."}
    assert "sub-03" in capsys.readouterr().err


def test_who_lacks_in_the_table_is_named_and_has_no_covariates(world, capsys):
    covariates(world, HEADER, ("sub-01", "30", "1", "2"))
    assert group(world) == 0
    assert participants(world)["age"] == ["30", "n/a"]
    assert "says nothing of sub-02" in " ".join(capsys.readouterr().err.split())


def test_two_values_for_one_participant_are_refused_and_the_advice_helps(world, capsys):
    covariates(world, HEADER, ("sub-01", "30", "1", "2"), ("sub-01", "31", "1", "2"))
    assert group(world) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "sub-01 is there more than once, with different values in age" in said
    assert not (world / "out" / "participants.tsv").exists()
    own = covariates(world, HEADER, ("sub-01", "30", "1", "2"), name="own.tsv")
    assert group(world, "--covariates", own) == 0
    assert participants(world)["age"] == ["30", "n/a"]


def test_the_table_of_a_further_dataset_is_taken_where_the_input_has_none(world):
    (world / "raw").mkdir()
    covariates(world, HEADER, ("sub-01", "30", "1", "2"), name="raw/participants.tsv")
    assert group(world, "--datasets", f"raw={world / 'raw'}") == 0
    assert participants(world)["age"] == ["30", "n/a"]


def test_without_any_table_there_are_participants_alone(world):
    assert group(world) == 0
    assert participants(world) == {"participant_id": ["sub-01", "sub-02"]}
