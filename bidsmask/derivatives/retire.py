"""Results that are no longer valid: they stop counting, and are moved aside.

Before a request computes what will replace the results of a run, their record is *withdrawn*: put
where nobody takes it for the record of something that is valid. When the run has been done, or has
failed, what the withdrawn record lists and no valid record does either *stays*, as the results of
another strategy do, its record in ``.bidsmask/earlier``; or, if it does not hold beside the new
results, it is *retired*: moved to ``.bidsmask/retired``, with its record beside it. So a run that
fails, or a job that is killed, leaves nothing that counts, and nothing is lost.

A record is given by its name relative to the output dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from bidsmask.dataset.entities import parse_name
from bidsmask.derivatives.names import run_folder
from bidsmask.derivatives.record import (
    ENDING,
    RunRecord,
    find_records,
    has_sum,
    read_record_file,
    write_record,
)
from bidsmask.derivatives.writing import check_inside, move_aside

WITHDRAWN = Path(".bidsmask") / "withdrawn"
RETIRED = Path(".bidsmask") / "retired"
EARLIER = Path(".bidsmask") / "earlier"


def withdraw(output_dir: Path, name: Path) -> None:
    """Let the results of a record no longer count; they stay where they are for now.

    Raises
    ------
    StorageError, OutputError
        If the record cannot be moved.
    """
    if (output_dir / name).is_file():
        settle(output_dir, name)  # what was withdrawn before it, by a job that was killed
        move_aside(output_dir / name, output_dir / WITHDRAWN / name.name, within=output_dir)


def settle(output_dir: Path, name: Path) -> tuple[str, ...]:
    """Decide on what withdrawn and earlier records of a run list and no valid one does.

    It stays if it holds beside the results that are valid now, see `RunRecord.leaves`, and is
    moved aside if not. A file that somebody has changed since is left as it is.

    Returns
    -------
    moved : tuple of str
        Names of what was moved aside.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be moved.
    """
    beside = _records_beside(output_dir, name)
    claimed = {file for record in beside.values() for file in record.outputs}
    valid = beside.get(name)
    withdrawn, moved = output_dir / WITHDRAWN / name.name, []
    for path in (withdrawn, *_earlier_files(output_dir, name)):
        record = read_record_file(path, name.parent)
        if record is None:
            continue
        left = {
            file: known
            for file, known in record.outputs.items()
            if file not in claimed and has_sum(output_dir / file, known)
        }
        staying = {
            file: known
            for file, known in left.items()
            if valid is not None and valid.leaves(file, record)
        }
        if path == withdrawn or staying != record.outputs:
            moved += _retire(output_dir, path, record, left.keys() - staying.keys(), name)
            if staying:
                _let_stay(output_dir, replace(record, outputs=staying), name)
        claimed |= staying.keys()
    return tuple(sorted(moved))


def read_earlier(output_dir: Path, name: Path) -> list[RunRecord]:
    """Read the records of what earlier requests have left of a run, and what still holds."""
    found = (read_record_file(path, name.parent) for path in _earlier_files(output_dir, name))
    return [record for record in found if record is not None]


def _earlier_files(output_dir: Path, name: Path) -> list[Path]:
    return sorted((output_dir / EARLIER / name.name.removesuffix(ENDING)).glob("*.json"))


def _let_stay(output_dir: Path, record: RunRecord, name: Path) -> None:
    labels = {parse_name(file).entities.get("desc") for file in record.outputs}
    kept = {label: meaning for label, meaning in record.labels.items() if label in labels}
    place = EARLIER / name.name.removesuffix(ENDING) / f"{record.digest[:12]}.json"
    write_record(replace(record, labels=kept), place, output_dir)


def _retire(
    output_dir: Path, path: Path, record: RunRecord, files: Collection[str], name: Path
) -> list[str]:
    """Move some files of a record aside, and the record with them; or remove it."""
    place = output_dir / RETIRED / record.run / record.origin[:12]
    for file in sorted(files):
        move_aside(output_dir / file, place / Path(file).name, within=output_dir)
    if files:
        move_aside(path, place / name.name, within=output_dir)
    else:
        check_inside(path, output_dir)
        path.unlink()
    return sorted(files)


def withdrawn_records(output_dir: Path, subjects: Iterable[str] = ("*",)) -> list[Path]:
    """Name the records that were withdrawn and have not been settled; of some subjects or all."""
    return [
        run_folder(parse_name(path).entities) / path.name
        for label in subjects
        for path in sorted((output_dir / WITHDRAWN).glob(f"sub-{label}_*{ENDING}"))
    ]


def _records_beside(output_dir: Path, name: Path) -> dict[Path, RunRecord]:
    """Read the valid records of a subject and session: spaces share some of their files."""
    subject = name.parts[0].removeprefix("sub-")
    beside = [path for path in find_records(output_dir, [subject]) if path.parent == name.parent]
    found = {path: read_record_file(output_dir / path, path.parent) for path in beside}
    return {path: record for path, record in found.items() if record is not None}
