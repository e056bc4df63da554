"""What is odd, and what was asked for and not done, reaches everybody who is told.

One dataset, one night: the log that somebody reads at three in the morning, the table and the JSON
file in ``logs``, and the report of the subject say the same.
"""

import html
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import (
    SHAPE,
    SPACE,
    affine_in,
    blocks_of,
    noise,
    save_image,
)

from bidsmask.cli.main import main

AFFINE = affine_in("RAS")
LABELS = blocks_of(AFFINE, SHAPE)
INSIDE = np.ones(SHAPE, dtype=np.uint8)


def first_voxels(label, n_voxels):
    return tuple(np.argwhere((label == LABELS) & INSIDE)[:n_voxels].T)


def with_nan(values):
    values[first_voxels(2, 3)] = np.nan
    return values


def without_change(values):
    values[LABELS == 3] = 700
    return values


def narrow():
    mask = INSIDE.copy()
    mask[: SHAPE[0] // 2] = 0
    return mask


def uncertain():
    return INSIDE * np.linspace(0.3, 1, SHAPE[2])


def put_elsewhere(run):
    image = nib.load(run.bold)
    moved = image.affine.copy()
    moved[0, 3] += 8
    image.set_qform(moved, 4)
    nib.Nifti1Image(np.asarray(image.dataobj), None, image.header).to_filename(run.bold)


ODD = {
    "nan": r"3 voxels of the brain mask are NaN or infinite in at least one volume",
    "constant": r"Blocks: 1 of 6 regions has no signal \(n/a\): 1 without finite values .*\(R3\)",
    "narrow": r"Blocks: \d of 6 regions have no signal .* outside of the brain mask .*\(R",
    "uncertain": r"_desc-brain_mask\.nii\.gz is a mask, but not one of 0 and 1: .* from 0\.3 to 1",
    "elsewhere": r"qform and sform put the image into two places, up to 8 mm apart",
}
"""What is odd about the run of each subject, and what is said of it."""

MISSING = {
    "sub-empty": "There is no BOLD",
    "sub-nameless/func/sub-nameless_rest_bold.nii.gz": "'rest' is not <entity>-<label>",
    "sub-0x": "has no sub-0x",
}
"""What was asked for and is not there, and what is said of it."""

SUBJECTS = ["fine", *ODD, "empty", "nameless", "0x"]


@pytest.fixture(scope="module")
def dataset(tiny):
    made = tiny()
    made.add_run("fine", noise(seed=1), AFFINE, INSIDE)
    made.add_run("nan", with_nan(noise(seed=2)), AFFINE, INSIDE)
    made.add_run("constant", without_change(noise(seed=3)), AFFINE, INSIDE)
    made.add_run("narrow", noise(seed=4), AFFINE, narrow())
    made.add_run("uncertain", noise(seed=5), AFFINE, uncertain())
    put_elsewhere(made.add_run("elsewhere", noise(seed=6), AFFINE, INSIDE))
    (made.root / "sub-empty" / "func").mkdir(parents=True)
    bold = made.add_run("nameless", noise(seed=7), AFFINE, INSIDE).bold
    bold.rename(bold.with_name("sub-nameless_rest_bold.nii.gz"))
    return made


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    stem = tmp_path_factory.mktemp("atlas") / f"tpl-{SPACE}_atlas-Blocks_dseg"
    path = save_image(stem.with_suffix(".nii.gz"), LABELS, AFFINE)
    rows = "".join(f"{label}\tR{label}\n" for label in range(1, 7))
    stem.with_suffix(".tsv").write_text("index\tname\n" + rows)
    return path


@dataclass(frozen=True)
class Night:
    """What a request has left behind."""

    exit_code: int
    said: str
    out: Path

    def status(self):
        table = pd.read_csv(self.out / "logs" / "status.tsv", sep="\t", keep_default_na=False)
        return table.set_index("run")

    def summary(self):
        return json.loads((self.out / "logs" / "summary.json").read_text(encoding="utf-8"))

    def report(self, subject):
        page = (self.out / f"sub-{subject}.html").read_text(encoding="utf-8")
        return html.unescape(page)


def ask(dataset, atlas, out, *options):
    """Run the command; a process of its own is not needed for what is told here."""
    words = [str(dataset.root), str(out), "participant", "--atlases", str(atlas)]
    return main([*words, "--strategies", "none", *options])


@pytest.fixture(scope="module")
def night(dataset, atlas, tmp_path_factory):
    from contextlib import redirect_stderr
    from io import StringIO

    out, said = tmp_path_factory.mktemp("night") / "out", StringIO()
    with redirect_stderr(said):
        exit_code = ask(dataset, atlas, out, "--participant-label", *SUBJECTS)
    return Night(exit_code, said.getvalue(), out)


def name_of(subject):
    return f"sub-{subject}_task-rest_space-{SPACE}"


# --- what is odd


@pytest.mark.parametrize(("subject", "words"), ODD.items())
def test_what_is_odd_about_a_run_reaches_everybody(night, subject, words):
    run = name_of(subject)
    row = night.status().loc[run]
    (of_run,) = [each for each in night.summary()["runs"] if each["run"] == run]
    assert row["status"] == "done"
    assert re.search(words, row["warnings"])
    assert row["n_warnings"] == len(of_run["warnings"]) == len(row["warnings"].split(" | "))
    for text in of_run["warnings"]:
        assert f"warning: {run}: {text}\n" in night.said
        assert text in night.report(subject)
    assert sum(bool(re.search(words, text)) for text in of_run["warnings"]) == 1


def test_the_regions_of_voxels_that_are_not_finite_are_named(night):
    warnings = night.status().loc[name_of("nan"), "warnings"]
    assert "Blocks: voxels that are NaN or infinite: 3 in R2." in warnings


def test_a_run_without_anything_odd_is_left_alone(night):
    row = night.status().loc[name_of("fine")]
    assert (row["status"], row["n_warnings"], row["warnings"]) == ("done", 0, "n/a")
    assert f"warning: {name_of('fine')}" not in night.said


def test_every_warning_is_said_once(night):
    said = [line.partition("warning: ")[2] for line in night.said.splitlines()]
    said = [text for text in said if text]
    assert sorted(said) == sorted(set(said))


def test_a_run_that_was_worked_on_says_how_long(night):
    seconds = night.status()["seconds"]
    assert all(0 < float(seconds[name_of(subject)]) < 600 for subject in ("fine", *ODD))
    assert all(seconds[name] == "n/a" for name in MISSING)


# --- what was asked for and not done


@pytest.mark.parametrize(("name", "words"), MISSING.items())
def test_what_was_asked_for_and_is_not_there_has_failed_by_name(night, name, words):
    assert night.exit_code == 1
    row = night.status().loc[name]
    assert (row["status"], row["node"], row["error"]) == ("failed", "find_files", "NoInputError")
    assert words in row["reason"]
    assert f"problem: {name}: {row['reason']}\n" in night.said
    assert f"failed: {name} at find_files: {row['reason']}\n" in night.said


def test_a_report_tells_of_what_its_subject_lacks_and_nobody_gets_one_who_is_not_there(night):
    assert "There is no BOLD" in night.report("empty")
    assert "sub-nameless_rest_bold.nii.gz" in night.report("nameless")
    assert not (night.out / "sub-0x.html").exists()


def test_the_json_file_counts_what_the_table_lists(night):
    summary, status = night.summary(), night.status()["status"]
    assert (summary["n_done"], summary["n_failed"]) == (6, 3)
    assert (status == "done").sum() == 6
    assert (status == "failed").sum() == 3
    assert summary["last_request"]["exit_code"] == 1
    assert (night.out / summary["last_request"]["log"] / "bidsmask.toml").is_file()


# --- the log


def test_each_run_that_ends_has_one_line_with_the_time(night):
    lines = re.findall(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\d) of 6(?:, about [\d.]+ \w+ left)?\] done: (\S+) "
        r"\([\d.]+ s\), (?:good|look|do not use)$",
        night.said,
        re.MULTILINE,
    )
    assert [int(number) for number, _ in lines] == [1, 2, 3, 4, 5, 6]
    assert {run for _, run in lines} == {name_of(subject) for subject in ("fine", *ODD)}


def test_the_last_words_count_and_say_where_to_look(night):
    n_warnings = sum(night.status()["n_warnings"])
    words = f"6 of 9 runs done, 3 failed, {n_warnings} warnings. All of it is in {night.out}"
    assert words in night.said


@pytest.fixture
def again(night, dataset, atlas, tmp_path, capsys):
    """Ask for something else of a copy of the same output."""
    out = Path(shutil.copytree(night.out, tmp_path / "out"))

    def ask_again(*options):
        capsys.readouterr()
        return Night(ask(dataset, atlas, out, *options), capsys.readouterr().err, out)

    return ask_again


def test_one_is_not_several(again):
    said = again("--participant-label", "fine").said
    assert "1 run of 1 subject to do" in said
    assert "1 of 1 run done" in said


def test_what_is_odd_is_said_again_when_nothing_is_computed(again):
    night = again("--participant-label", "nan", "--nprocs", "1")
    assert "1 process at once" in night.said
    assert f"[1 of 1] done: {name_of('nan')} (nothing to compute)" in night.said
    assert re.search(f"warning: {name_of('nan')}: {ODD['nan']}", night.said)
    before = [*ODD, "fine"]
    assert set(night.status().index) == {*map(name_of, before), *MISSING}
    assert float(night.status().loc[name_of("nan"), "seconds"]) > 0, "of when it was computed"


def test_what_was_not_there_is_forgotten_once_it_is_asked_for_otherwise(again):
    assert "sub-0x" in again("--participant-label", "fine").status().index
    night = again("--skip-bids-validation")  # all there is, and so no sub-0x
    assert set(night.status().query("status == 'failed'").index) == {*MISSING} - {"sub-0x"}


def test_a_dry_run_says_each_thing_once(dataset, atlas, tmp_path, capfd):
    asked = "--participant-label", "uncertain", "elsewhere", "empty"
    assert ask(dataset, atlas, tmp_path / "out", *asked, "--voxelwise", "--dry-run") == 1
    captured = capfd.readouterr()
    said = captured.out + captured.err
    for words in (
        f"problem: sub-empty: {MISSING['sub-empty']}",
        f"warning: {name_of('uncertain')}: .*{ODD['uncertain']}",
        f"warning: {name_of('elsewhere')}: .*{ODD['elsewhere']}",
    ):
        assert len(re.findall(words, said)) == 1, said
    assert "UserWarning" not in said


# --- a damaged file of our own


@pytest.mark.parametrize(
    ("damage", "n_lost"),
    [
        (lambda content: content[:40], 1),
        (lambda content: content[: len(content) // 2], 1),
        (lambda content: b"\xff\xfe\x00", 1),
        (lambda content: content.replace(b"\tdone\t", b"\t", 2), 2),
    ],
)
def test_a_table_of_what_became_of_runs_that_is_damaged_is_made_anew(again, damage, n_lost):
    night = again("--participant-label", "fine")
    before = night.status()
    path = night.out / "logs" / "status.tsv"
    path.write_bytes(damage(path.read_bytes()))
    night = again("--participant-label", "fine")
    assert re.search(rf"warning: \S*status\.tsv is damaged: {n_lost} of its rows", night.said)
    done = before.index[before["status"] == "done"]
    assert set(night.status().query("status == 'done'").index) == set(done)
    assert "damaged" not in again("--participant-label", "fine").said


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}", b"\xff\xfe"])
def test_a_damaged_summary_of_a_run_is_made_anew(again, night, content):
    name = f"{name_of('nan')}_desc-bidsmask_report.json"
    damaged = again("--participant-label", "nan").out / "sub-nan" / "figures" / name
    damaged.write_bytes(content)
    only = again("--participant-label", "nan", "--reports-only")
    assert only.exit_code == 0
    assert f"{name} is damaged. Run the participant level again" in only.report("nan")
    again("--participant-label", "nan")  # which follows the advice
    whole = night.out / "sub-nan" / "figures" / name
    assert damaged.read_bytes() == whole.read_bytes()
    assert only.report("nan") == night.report("nan")


def test_a_damaged_list_of_labels_is_made_anew(again, night):
    path = again("--participant-label", "fine").out / "descriptions.tsv"
    path.write_bytes(b"\xff\xfe")
    assert again("--participant-label", "fine").exit_code == 0
    assert path.read_bytes() == (night.out / "descriptions.tsv").read_bytes()


def test_a_damaged_intermediate_result_is_named_and_the_advice_helps(again, tmp_path):
    options = "--participant-label", "fine", "-w", str(tmp_path / "work"), "--min-coverage"
    assert again(*options, "0.4").exit_code == 0
    (file,) = (tmp_path / "work").rglob("placed.npz")
    file.write_bytes(file.read_bytes()[:100])
    night = again(*options, "0.3")
    assert night.exit_code == 1
    reason = night.status().loc[name_of("fine"), "reason"]
    assert "--clean-workdir" in reason
    assert "bug" not in reason
    assert again(*options, "0.3", "--clean-workdir").exit_code == 0
