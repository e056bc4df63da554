"""Whether an output folder is what its records say: nothing damaged, missing, old or stray."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from bidsmask.derivatives.description import own_description
from bidsmask.derivatives.manifest import read_manifests
from bidsmask.derivatives.record import RunRecord, find_records, has_sum, read_record_file
from bidsmask.derivatives.retire import read_earlier, withdrawn_records
from bidsmask.errors import DatasetError

_NOT_LOOKED_AT = (".bidsmask", "logs", ".git", ".datalad", "code", "sourcedata", "derivatives")
_OF_THE_USER = (
    *("README*", "CHANGES*", "LICENSE*", "CITATION.cff", ".bidsignore"),
    *(".git*", "participants.json"),
)
_TEMPORARY = ".bidsmask-*.tmp"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file that is not as it should be, relative to the output, and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was looked at, and what was found."""

    n_files: int
    n_records: int
    problems: tuple[Problem, ...]


def check_output(output_dir: Path) -> Checked:
    """Hold every file of an output against the record that it belongs to; nothing is changed.

    Logs, what was retired, and what BIDS leaves to the user (README, code, ...) are not looked
    at.

    Raises
    ------
    DatasetError
        If the folder is no output of bidsmask.
    OutputError
        If it is the dataset of another program.
    """
    if not own_description(output_dir):
        raise DatasetError(f"{output_dir} is no output of bidsmask. Give the folder of one.")
    names = find_records(output_dir)
    records = {name: read_record_file(output_dir / name, name.parent) for name in names}
    manifests = read_manifests(output_dir)
    known: dict[str, str] = {}
    problems: list[Problem] = []
    for name, record in records.items():
        for earlier in read_earlier(output_dir, name):
            known |= earlier.outputs
        if record is not None:
            known |= record.outputs
            problems += _of_record(name, record, output_dir)
    for manifest in manifests:
        known |= manifest.outputs
        if not all(has_sum(output_dir / name, sum_) for name, sum_ in manifest.sources.items()):
            what = (
                f"was made of results that have changed since; run the {manifest.name} level again"
            )
            problems += [Problem(file=name, what=what) for name in manifest.outputs]
    problems += _of_files(known, output_dir)
    expected = known.keys() | {name.as_posix() for name in names}
    problems += _strays(output_dir, expected)
    for name in withdrawn_records(output_dir):
        what = "was being replaced when a job was interrupted; run that job again"
        problems.append(Problem(file=name.as_posix(), what=what))
    return Checked(
        n_files=len(expected),
        n_records=len(names) + len(manifests),
        problems=tuple(sorted(problems, key=lambda problem: problem.file)),
    )


def _of_record(name: Path, record: RunRecord, output_dir: Path) -> Iterator[Problem]:
    if not record.digest:
        yield Problem(file=name.as_posix(), what="is a damaged record")
    if record.source is None or not record.is_joined:
        return
    for run, file in record.source.files.items():
        if not has_sum(output_dir / file.uri.removeprefix("bids::"), file.fingerprint):
            yield Problem(file=name.as_posix(), what=f"was made of {run}, which has changed since")


def _of_files(known: Mapping[str, str], output_dir: Path) -> Iterator[Problem]:
    for name, expected in known.items():
        if not (output_dir / name).exists():
            yield Problem(file=name, what="is missing")
        elif not has_sum(output_dir / name, expected):
            yield Problem(file=name, what="is not as it was written")


def _is_of_the_user(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _OF_THE_USER)


def _strays(output_dir: Path, expected: set[str]) -> Iterator[Problem]:
    for folder, folders, files in os.walk(output_dir):
        here = Path(folder)
        if here == output_dir:
            folders[:] = [name for name in folders if name not in _NOT_LOOKED_AT]
            files = [name for name in files if not _is_of_the_user(name)]
        links = [name for name in folders if (here / name).is_symlink()]
        for name in (*files, *links):
            file = (here / name).relative_to(output_dir).as_posix()
            if file not in expected:
                left = fnmatch(name, _TEMPORARY)
                what = "was left by a job that was killed" if left else "belongs to no record"
                yield Problem(file=file, what=what)
