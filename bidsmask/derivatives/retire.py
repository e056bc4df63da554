"""Results that are no longer valid: they stop counting, and are moved aside.

Before a request computes what will replace the results of a run, their record is *withdrawn*: put
where nobody takes it for the record of something that is valid. When the run has been done, or has
failed, what the withdrawn record lists and no valid record does is *retired*: moved to
``.bidsmask/retired``, with that record beside it. So a run that fails, or a job that is killed,
leaves nothing that counts, and nothing is lost.

A record is given by its name relative to the output dataset.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bidsmask.dataset.entities import parse_name
from bidsmask.derivatives.names import run_folder
from bidsmask.derivatives.record import ENDING, RunRecord, find_records, has_sum, read_record_file
from bidsmask.derivatives.writing import check_inside, move_aside

WITHDRAWN = Path(".bidsmask") / "withdrawn"
RETIRED = Path(".bidsmask") / "retired"


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
    """Move aside what a withdrawn record lists and no valid one does; give the names of that.

    A file that somebody has changed since is left as it is.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be moved.
    """
    withdrawn = output_dir / WITHDRAWN / name.name
    record = read_record_file(withdrawn, name.parent)
    if record is None:
        return ()
    claimed = {file for valid in _records_beside(output_dir, name) for file in valid.outputs}
    place = output_dir / RETIRED / record.run / record.origin[:12]
    moved = tuple(
        file
        for file, known in record.outputs.items()
        if file not in claimed and has_sum(output_dir / file, known)
    )
    for file in moved:
        move_aside(output_dir / file, place / Path(file).name, within=output_dir)
    if moved:
        move_aside(withdrawn, place / name.name, within=output_dir)
    else:
        check_inside(withdrawn, output_dir)
        withdrawn.unlink()
    return moved


def withdrawn_records(output_dir: Path, subjects: Iterable[str] = ("*",)) -> list[Path]:
    """Name the records that were withdrawn and have not been settled; of some subjects or all."""
    return [
        run_folder(parse_name(path).entities) / path.name
        for label in subjects
        for path in sorted((output_dir / WITHDRAWN).glob(f"sub-{label}_*{ENDING}"))
    ]


def _records_beside(output_dir: Path, name: Path) -> list[RunRecord]:
    """Read the valid records of a subject and session: spaces share some of their files."""
    subject = name.parts[0].removeprefix("sub-")
    beside = [path for path in find_records(output_dir, [subject]) if path.parent == name.parent]
    found = (read_record_file(output_dir / path, path.parent) for path in beside)
    return [record for record in found if record is not None]
