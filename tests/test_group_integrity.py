"""The group level counts what is valid today and names the rest; --check looks at every file."""

import contextlib
import io
import json
import re
import shutil

import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.demo import cubic_grid

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
SPACE = "space-MNI152NLin2009cAsym"


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_dataset):
    """Three participants, two runs each, and the output of a request. Copied, never changed."""
    folder = tmp_path_factory.mktemp("original")
    dataset = make_dataset(folder, subjects=("01", "02", "03"), runs=2, volumes=40, grid=COARSE)
    world = World(folder, dataset.atlas)
    assert world.ask("--concatenate")[0] == 0
    assert world.group()[0] == 0
    return world


@pytest.fixture
def world(original, tmp_path):
    """A copy of it, in another place."""
    shutil.copytree(original.folder, tmp_path / "world")
    return World(tmp_path / "world", original.atlas)


class World:
    def __init__(self, folder, atlas):
        self.folder, self.atlas = folder, atlas
        self.root, self.out = folder / "fmriprep", folder / "out"

    def ask(self, *options):
        what = [
            "--atlases",
            self.atlas,
            "--strategies",
            "simple",
            "-w",
            self.folder / "work",
            "--min-dof",
            0,
        ]
        return say(self.root, self.out, "participant", *what, *options)

    def group(self, *options):
        return say(self.root, self.out, "group", *options)

    def check(self):
        return say(self.out, "--check")

    def table(self, name):
        return pd.read_csv(self.out / f"group_{name}.tsv", sep="\t", keep_default_na=False)

    def counted(self):
        return {name.removesuffix(f"_{SPACE}") for name in self.table("qc")["bids_name"]}

    def left_out(self):
        return dict(self.table("excluded")[["run", "reason"]].to_numpy().tolist())

    def of_run(self, pattern, subject="01", run="1"):
        (path,) = self.out.glob(f"sub-{subject}/func/sub-{subject}_task-rest_run-{run}_{pattern}")
        return path


def say(*arguments):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        exit_code = main([str(argument) for argument in arguments])
    return exit_code, said.getvalue()


def runs(*subjects):
    return {f"sub-{subject}_task-rest_run-{run}" for subject in subjects for run in (1, 2)}


def test_all_that_is_valid_counts(original):
    assert original.counted() == runs("01", "02", "03")
    assert original.left_out() == {}
    assert list(pd.read_csv(original.out / "participants.tsv", sep="\t")["participant_id"]) == [
        *("sub-01", "sub-02", "sub-03")
    ]


# What is left out


def test_a_participant_who_left_the_input_is_listed_and_not_counted(world):
    shutil.rmtree(world.root / "sub-02")
    exit_code, said = world.group()
    assert exit_code == 0, said
    assert world.counted() == runs("01", "03")
    assert {name.split(f"_{SPACE}")[0] for name in world.left_out()} == runs("02")
    assert all("no longer in the input" in reason for reason in world.left_out().values())
    assert said.count("left out: sub-02") == 1, "one line for each reason"
    participants = pd.read_csv(world.out / "participants.tsv", sep="\t")
    assert list(participants["participant_id"]) == ["sub-01", "sub-02", "sub-03"]
    assert set(world.table("excluded")["what"]) == {"left out"}


def test_results_of_two_datasets_in_one_output_all_count(world):
    other = world.folder / "other_site"
    shutil.copytree(world.root / "sub-01", other / "sub-11")
    for path in sorted(other.rglob("sub-01*")):
        path.rename(path.with_name(path.name.replace("sub-01", "sub-11")))
    for path in world.root.glob("*.*"):
        shutil.copy(path, other)
    here = World(world.folder, world.atlas)
    here.root = other
    assert here.ask()[0] == 0
    exit_code, said = world.group()
    assert exit_code == 0, said
    assert world.counted() == runs("01", "02", "03", "11")
    shutil.rmtree(other / "sub-11")
    assert world.group()[0] == 0
    assert world.counted() == runs("01", "02", "03")


def test_a_run_that_fails_today_is_listed_with_its_reason(world):
    (bold,) = world.root.glob(f"sub-03/func/*run-2_{SPACE}_desc-preproc_bold.nii.gz")
    bold.write_bytes(bold.read_bytes()[:-2000])
    assert world.ask()[0] == 1
    exit_code, said = world.group()
    assert exit_code == 0, said
    assert world.counted() == runs("01", "02") | {"sub-03_task-rest_run-1"}
    (reason,) = world.left_out().values()
    assert reason.startswith("It failed: ")
    assert bold.name in reason
    assert str(world.root) not in reason


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b" "), "is not as it was written"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_results_that_are_damaged_are_not_counted_and_end_in_exit_1(world, damage, words):
    damage(world.of_run("*_timeseries.tsv"))
    exit_code, said = world.group()
    assert exit_code == 1, said
    (reason,) = world.left_out().values()
    assert words in reason
    assert reason in said
    assert len(world.counted()) == 5
    assert world.ask("--concatenate")[0] == 0, "advice that is followed helps"
    assert world.group()[0] == 0
    assert world.left_out() == {}


@pytest.mark.parametrize(
    ("record", "words"),
    [("{", "damaged"), (None, "No record says")],
)
def test_results_without_a_record_are_not_counted(world, record, words):
    path = world.of_run("*_complete.json")
    path.unlink()
    if record:
        path.write_text(record)
    assert world.group()[0] == 1
    (reason,) = world.left_out().values()
    assert words in reason


def test_results_of_an_input_that_has_changed_are_not_counted(world):
    (table,) = world.root.glob("sub-01/func/*run-1_desc-confounds_timeseries.tsv")
    table.write_text(table.read_text().replace("0.1", "0.2"))
    assert world.group()[0] == 1
    (reason,) = world.left_out().values()
    assert "Confounds" in reason
    assert "changed since" in reason


def test_a_participant_without_results_is_listed(world):
    shutil.copytree(world.root / "sub-01", world.root / "sub-04")
    exit_code, said = world.group()
    assert exit_code == 0, said
    assert list(world.left_out()) == ["sub-04"]
    assert world.group("--participant-label", "01", "sub-02")[0] == 0
    assert world.left_out() == {}
    assert world.counted() == runs("01", "02")


def test_a_group_of_nothing_that_counts_says_why(world):
    for path in world.out.rglob("*_timeseries.tsv"):
        path.write_text("")
    before = world.table("qc")
    exit_code, said = world.group()
    assert exit_code == 66
    assert "is not as it was written" in said
    pd.testing.assert_frame_equal(world.table("qc"), before)


# Settings that differ


def test_results_of_different_settings_are_not_mixed(world):
    assert world.ask("--participant-label", "02", "--fd-threshold", "0.3")[0] == 0
    exit_code, said = world.group()
    assert exit_code == 2, said
    assert "desc-simple.censoring.fd_threshold_mm is " in said
    assert "0.3 in sub-02" in said
    assert world.group("--participant-label", "01", "03")[0] == 0
    assert world.ask("--fd-threshold", "0.3")[0] == 0, "advice that is followed helps"
    exit_code, said = world.group()
    assert exit_code == 0, said
    assert world.counted() == runs("01", "02", "03")


def test_another_strategy_is_not_mixed_with_the_first_one(world):
    assert world.ask("--participant-label", "02", "--strategies", "24P")[0] == 0
    assert world.group()[0] == 0
    strategies = world.table("qc").groupby("strategy")["bids_name"].count()
    assert strategies.to_dict() == {"simple": 4, "24P": 2}


def test_another_atlas_of_the_same_name_is_not_mixed(world, tmp_path):
    shutil.copytree(world.atlas.parent, tmp_path / "other")
    table = next((tmp_path / "other").glob("*.tsv"))
    lines = table.read_text().splitlines(keepends=True)
    column = lines[0].split("\t").index("name") if "name" in lines[0] else 1
    cells = lines[1].split("\t")
    cells[column] = "Renamed"
    table.write_text("".join([lines[0], "\t".join(cells), *lines[2:]]))
    atlas = tmp_path / "other" / world.atlas.name
    assert world.ask("--participant-label", "02", "--atlases", atlas)[0] == 0
    exit_code, said = world.group()
    assert exit_code == 2, said
    assert "lut.names is " in said, said
    assert "in sub-02" in said


# --check


def test_an_output_is_all_accounted_for(original, world):
    for each in (original, world):
        exit_code, said = each.check()
        assert exit_code == 0, said
        assert "all are as they were written" in said


def test_every_file_of_an_output_counts(world):
    n_files = 0
    for path in sorted(world.out.rglob("*")):
        name = path.relative_to(world.out)
        is_users = name.name in ("README.md", ".bidsignore", "dataset_description.json")
        if path.is_dir() or is_users or name.parts[0] in ("logs", ".bidsmask"):
            continue
        before = path.read_bytes()
        path.write_bytes(before + b"x")
        exit_code, said = world.check()
        assert exit_code == 1, name
        assert name.as_posix() in said
        path.unlink()
        exit_code, said = world.check()
        assert exit_code == 1, name
        path.write_bytes(before)
        n_files += 1
    assert n_files > 60
    assert world.check()[0] == 0


@pytest.mark.parametrize("place", ["stray.tsv", "sub-01/func/mine.txt", "sub-09/func/x.nii.gz"])
def test_a_stray_is_named(world, place):
    path = world.out / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    exit_code, said = world.check()
    assert exit_code == 1
    assert f"{place} belongs to no record" in said


def test_the_name_of_a_stray_does_nothing_to_a_terminal(world):
    (world.out / "a\x1b[2Jb\nc").write_text("")
    exit_code, said = world.check()
    assert exit_code == 1
    assert "a?[2Jb?c belongs to no record" in said


def test_what_bids_leaves_to_the_user_is_no_stray(world):
    (world.out / "CHANGES").write_text("1.0")
    (world.out / "code").mkdir()
    (world.out / "code" / "script.sh").write_text("")
    assert world.check()[0] == 0


def test_a_group_and_joined_runs_are_out_of_date_once_a_run_has_changed(world):
    exit_code, said = world.ask("--fd-threshold", "0.3", "--participant-label", "01")
    assert exit_code == 0, said
    assert "joined to by an earlier --concatenate" in said
    exit_code, said = world.check()
    assert exit_code == 1
    assert "group_qc.tsv was made of results that have changed" in said
    status = (world.out / "logs" / "status.tsv").read_text()
    assert re.findall(r"^(sub-\d+)\S+ \(concatenated\)\tdone", status, re.MULTILINE) == [
        *("sub-02", "sub-03")
    ]
    left = [path.name for path in world.out.glob("sub-01/func/*") if "run-" not in path.name]
    assert left == [], "joined runs were not asked for"
    assert [*world.out.glob("sub-02/func/sub-02_task-rest_space*_timeseries.tsv")] != []


def test_joined_runs_have_a_record(world):
    name = f"sub-01/func/sub-01_task-rest_{SPACE}_desc-bidsmask_complete.json"
    record = json.loads((world.out / name).read_text())
    assert len(record["Source"]["Files"]) == 2
    assert any(file.endswith("_timeseries.tsv") for file in record["Outputs"])
    series = world.out / next(file for file in record["Outputs"] if file.endswith("relmat.tsv"))
    series.write_text("damaged")
    exit_code, said = world.check()
    assert exit_code == 1
    assert "is not as it was written" in said
    assert world.ask("--concatenate")[0] == 0
    assert world.check()[0] == 0


@pytest.mark.parametrize("concatenate", [True, False])
def test_after_a_failure_all_that_is_left_is_accounted_for(world, concatenate):
    (bold,) = world.root.glob(f"sub-03/func/*run-2_{SPACE}_desc-preproc_bold.nii.gz")
    bold.write_bytes(bold.read_bytes()[:-2000])
    assert world.ask(*(["--concatenate"] if concatenate else []))[0] == 1
    assert world.group()[0] == 0
    exit_code, said = world.check()
    assert exit_code == 0, said
    joined = [*world.out.glob("sub-03/func/sub-03_task-rest_space*")]
    assert joined == [], "of runs that are not all done nothing is joined"


def test_checking_changes_nothing(world):
    before = {path: path.stat().st_mtime_ns for path in world.out.rglob("*")}
    assert world.check()[0] == 0
    assert {path: path.stat().st_mtime_ns for path in world.out.rglob("*")} == before


def test_a_folder_that_is_no_output_is_refused(tmp_path):
    assert say(tmp_path, "--check")[0] == 2
    (tmp_path / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "XCP-D"}]}')
    assert say(tmp_path, "--check")[0] == 73


def test_only_one_folder_is_checked(tmp_path):
    for arguments in (["--check"], [tmp_path, tmp_path, "--check"]):
        exit_code, said = say(*arguments)
        assert exit_code == 2
        assert "bidsmask OUT --check" in said
