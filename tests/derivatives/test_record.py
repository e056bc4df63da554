"""What a completion record remembers, and what it is compared with."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from bidsmask.dataset.entities import Entities
from bidsmask.dataset.runs import BoldRun
from bidsmask.derivatives.record import (
    BOLD,
    CONFOUNDS,
    RunRecord,
    Source,
    in_words,
    is_unchanged,
    read_neighbours,
    read_record,
    read_source,
    record_name,
    sha256,
    write_record,
)

OF_THE_BOLD = "sub-01_task-rest_space-A"


def make_run(root: Path, space: str = "A") -> BoldRun:
    folder = root / "sub-01" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    stem = "sub-01_task-rest"
    names = {
        "bold": f"{stem}_space-{space}_desc-preproc_bold.nii.gz",
        "mask": f"{stem}_space-{space}_desc-brain_mask.nii.gz",
        "confounds": f"{stem}_desc-confounds_timeseries.tsv",
    }
    paths = {role: folder / name for role, name in names.items()}
    for role, path in paths.items():
        path.write_text(f"{role} {space if role != 'confounds' else ''}" + "x" * 200_000)
    return BoldRun(
        entities=Entities({"sub": "01", "task": "rest", "space": space, "desc": "preproc"}),
        files=(paths.pop("bold"),),
        **paths,  # type: ignore[arg-type]
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "fmriprep"


def source_of(run: BoldRun, root: Path, out: Path) -> Source:
    return read_source(run, out, {"preprocessed": root})


def write(out: Path, run: BoldRun, *names: str, digest: str = "1", text: str = "") -> RunRecord:
    """Write some outputs and their record."""
    outputs = {}
    for name in names:
        path = out / "sub-01" / "func" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or digest)
        outputs[f"sub-01/func/{name}"] = sha256(path)
    record = RunRecord(
        run=run.name, version="1", digest=digest, settings={"a": digest}, outputs=outputs
    )
    write_record(record, record_name(run), out)
    return record


ONE = f"{OF_THE_BOLD}_desc-one_timeseries.tsv"


def test_a_record_reads_back_as_it_was_written(root: Path, out: Path) -> None:
    run = make_run(root)
    assert read_record(out, run) is None
    record = dataclasses.replace(write(out, run, ONE), source=source_of(run, root, out))
    write_record(record, record_name(run), out)
    assert read_record(out, run) == record
    assert record.agrees(out)
    assert not dataclasses.replace(record, outputs={}).agrees(out)


@pytest.mark.parametrize("outputs", [{"nonsense": "1"}, {"../a_b.tsv": "1"}, [], None])
def test_a_record_that_names_other_files_than_outputs_tells_nothing(
    root: Path, out: Path, outputs: object
) -> None:
    run = make_run(root)
    write(out, run, ONE)
    path = out / record_name(run)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"Outputs": outputs}))
    assert read_record(out, run) == RunRecord(run=run.name)


@pytest.mark.parametrize("key", ["Run", "Version", "Settings", "SettingsDigest", "Labels"])
def test_a_record_that_was_changed_by_hand_tells_nothing(root: Path, out: Path, key: str) -> None:
    run = make_run(root)
    write(out, run, ONE)
    path = out / record_name(run)
    content = json.loads(path.read_text())
    content[key] = {"a": "other"} if isinstance(content[key], dict) else "other"
    path.write_text(json.dumps(content))
    assert read_record(out, run) == RunRecord(run=run.name)


def test_the_origin_is_the_same_wherever_the_datasets_are(root: Path, out: Path) -> None:
    run = make_run(root)
    record = dataclasses.replace(write(out, run, ONE), source=source_of(run, root, out))
    moved = root.parent / "deep" / "er" / "fmriprep"
    shutil.copytree(root, moved)
    elsewhere = dataclasses.replace(record, source=source_of(make_run(moved), moved, out))
    assert elsewhere != record
    assert elsewhere.origin == record.origin
    assert dataclasses.replace(record, version="2").origin != record.origin
    run.mask.write_text("another mask")  # type: ignore[union-attr]
    changed = dataclasses.replace(record, source=source_of(run, root, out))
    assert changed.origin != record.origin


def test_a_record_names_no_folder_of_the_machine_in_full(root: Path, out: Path) -> None:
    run = make_run(root)
    record = dataclasses.replace(write(out, run, ONE), source=source_of(run, Path("/data"), out))
    write_record(record, record_name(run), out)
    assert str(root) not in (out / record_name(run)).read_text()
    assert "file:///" not in (out / record_name(run)).read_text()


# The source


def test_a_dataset_is_the_same_wherever_it_is_moved(root: Path, out: Path) -> None:
    before = source_of(make_run(root), root, out)
    moved = root.parent / "deep" / "er" / "fmriprep"
    moved.parent.mkdir(parents=True)
    shutil.move(root, moved)
    after = source_of(make_run(moved), moved, out)
    assert after.dataset != before.dataset
    assert not after.is_another(before, BOLD)
    assert not after.is_another(before, CONFOUNDS)


@pytest.mark.parametrize("position", [0, -1])
@pytest.mark.parametrize(("role", "attribute"), [(BOLD, "bold"), (CONFOUNDS, "confounds")])
def test_the_same_names_with_another_content_are_another_file_in_another_dataset_only(
    root: Path, out: Path, role: str, attribute: str, position: int
) -> None:
    run = make_run(root)
    before = source_of(run, root, out)
    other_root = root.parent / "other"
    shutil.copytree(root, other_root)
    for folder, another in ((root, False), (other_root, True)):
        changed = make_run(folder)
        path = getattr(changed, attribute)
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        path.write_bytes(content)
        assert source_of(changed, folder, out).is_another(before, role) is another
        assert not is_unchanged(before, changed)


def test_any_row_of_the_confounds_counts(root: Path, out: Path) -> None:
    run = make_run(root)
    before = source_of(run, root, out)
    assert is_unchanged(before, run)
    content = bytearray(run.confounds.read_bytes())  # type: ignore[union-attr]
    content[len(content) // 2] ^= 1
    run.confounds.write_bytes(content)  # type: ignore[union-attr]
    assert not is_unchanged(before, run)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(root: Path, out: Path) -> None:
    run = make_run(root)
    before = source_of(run, root, out)
    for path in (run.bold, run.confounds):
        assert path is not None
        path.unlink()
        os.mkfifo(path)
    assert not is_unchanged(before, run)
    assert not source_of(run, root, out).is_another(before, BOLD), "the run tells what is wrong"


# Other spaces


def test_neighbours_are_the_other_spaces_of_the_same_acquisition(root: Path, out: Path) -> None:
    run = make_run(root)
    write(out, run, ONE)
    other = make_run(root, "B")
    write(out, other, ONE.replace("space-A", "space-B"))
    (out / "sub-01" / "func" / "odd_desc-bidsmask_complete.json").write_text("{}")
    task = "sub-01_task-nback_space-A_desc-bidsmask_complete.json"
    shutil.copy(out / record_name(run), out / "sub-01" / "func" / task)
    assert [record.run for record in read_neighbours(out, run)] == [other.name]
    assert [record.run for record in read_neighbours(out, other)] == [run.name]


# Words


def test_different_settings_have_different_words() -> None:
    long = "x" * 100
    values = [None, False, True, 0.1, 0.1 + 1e-16, 1.0, "mean", long, long + "y", (1, 2), (1, 3)]
    words = [in_words({"a": value})["a"] for value in values]
    assert len(set(words)) == len(values)
    assert max(map(len, words)) < 60


def test_nested_settings_are_named_by_their_path() -> None:
    assert in_words({"a": {"b": {"c": 1}}, "d": Source(dataset="x", files={})}) == {
        "a.b.c": "1",
        "d.dataset": "x",
    }
