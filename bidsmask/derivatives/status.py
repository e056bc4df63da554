"""What became of each run: ``logs/status.tsv``, one row for each, and ``logs/summary.json``.

The table is what counts; the JSON file says the same to programs, and is written after it. Rows
that cannot be read, as a job was killed or somebody has edited them, are given up by name: what
is done is known from the completion records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from bidsmask.derivatives.record import ENDING, find_records, record_of
from bidsmask.derivatives.writing import MISSING, lock_file, safe_text, write_json, write_table
from bidsmask.errors import NoInputError, OutputError, ReplacementError
from bidsmask.numerics.verdict import WORDS, Verdict

STATUS_FILE = Path("logs") / "status.tsv"
SUMMARY_FILE = Path("logs") / "summary.json"

DONE, PARTIAL, FAILED = _STATUSES = "done", "partial", "failed"

_IN_WORDS = ("run", "status", "node", "error", "reason", "verdict", "verdict_reason")
_COLUMNS = [*_IN_WORDS, "seconds", "n_warnings", "warnings"]
JOINED = " (concatenated)"
"""How runs that were joined are told from a run of that name."""

_BETWEEN = " | "
_SUBJECT = re.compile(r"sub-([^_/]+)")


@dataclass(frozen=True, kw_only=True)
class RunFailure:
    """A run that was not done, or not wholly: at which node, and the letter that says why.

    `in_part` is True where only some parts of the run are missing, which the letter names; all
    else is there.
    """

    subject: str
    run: str
    node: str
    kind: str
    reason: str
    in_part: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """What became of a request.

    Parameters
    ----------
    done : tuple of str
        Names of the runs whose outputs are complete.
    failures : tuple of RunFailure
        Runs that could not be done, and what was asked for and not found.
    warnings : tuple of str
        What is odd about the request and the dataset as a whole.
    warnings_of : mapping from run to texts
        What is odd about a run.
    verdict_of : mapping from run to Verdict
        What is to be thought of a run.
    seconds_of : mapping from run to seconds
        How long a run was worked on. Runs that nothing had to be computed for are not in it.
    is_of_all : bool
        Whether all participants were asked for.
    folder : str
        Where the log of the request is, relative to the output.
    exit_code : int
    """

    done: tuple[str, ...]
    failures: tuple[RunFailure, ...]
    warnings: tuple[str, ...] = ()
    warnings_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    verdict_of: Mapping[str, Verdict] = field(default_factory=dict)
    seconds_of: Mapping[str, float] = field(default_factory=dict)
    is_of_all: bool = False
    folder: str = ""
    exit_code: int = 0


def subject_of(run: str) -> str:
    """Give the label of the subject that a row is about, or nothing.

    Examples
    --------
    >>> subject_of("sub-01_task-rest"), subject_of("sub-01/func/mine.nii"), subject_of("task-x")
    ('01', '01', '')
    """
    found = _SUBJECT.match(run)
    return found[1] if found else ""


def one_for_each_run(failures: Iterable[RunFailure]) -> tuple[RunFailure, ...]:
    """Join the failures of each run: the first says where, and all of them why.

    A run is done in part if that holds for all of them.
    """
    by_run: dict[str, list[RunFailure]] = {}
    for failure in failures:
        by_run.setdefault(failure.run, []).append(failure)
    return tuple(
        replace(
            found[0],
            reason=" ".join(dict.fromkeys(failure.reason for failure in found)),
            in_part=all(failure.in_part for failure in found),
        )
        for found in by_run.values()
    )


def write_status(output_dir: Path, request: Request) -> Path:
    """Note what became of each run; runs that other jobs have noted stay.

    That a run was refused because it would have replaced others speaks of one request only: it
    is forgotten with the next one for its subject. So is what was asked for and not found.

    Parameters
    ----------
    output_dir : Path
        The output dataset.
    request : Request

    Returns
    -------
    path : Path
        The table, with columns run, status (done | partial | failed), node, error, reason,
        verdict (good | look | do not use), verdict_reason, seconds, n_warnings and warnings.
    """
    path = output_dir / STATUS_FILE
    with FileLock(lock_file(output_dir, "status.lock")):
        before = read_status(output_dir)
        table = pd.DataFrame(_rows(request, before), columns=_COLUMNS, dtype=str)
        forgotten = _is_forgotten(before, table, request)
        of_others = before[~forgotten & ~_is_gone(before, table, output_dir)]
        table = pd.concat([of_others, table]).sort_values("run", kind="stable")
        table = table.reset_index(drop=True)
        write_table(path, table, within=output_dir)
        write_json(output_dir / SUMMARY_FILE, _summary(table, request), within=output_dir)
    return path


def read_status(output_dir: Path) -> pd.DataFrame:
    """Read what `write_status` wrote; no rows if it has not written yet.

    Rows that cannot be read are not there, unless a completion record tells of the run.
    """
    return _read(output_dir)[0]


def read_failures(output_dir: Path) -> dict[str, tuple[RunFailure, ...]]:
    """Read which runs of each subject are noted as failed, and why."""
    table = read_status(output_dir)
    failures: dict[str, tuple[RunFailure, ...]] = {}
    for row in table[table["status"] == FAILED].astype(str).to_dict("records"):
        subject = subject_of(row["run"])
        failure = RunFailure(
            subject=subject,
            run=row["run"],
            node=row["node"],
            kind=row["error"],
            reason=row["reason"],
        )
        failures[subject] = (*failures.get(subject, ()), failure)
    return failures


def damage_of_status(output_dir: Path) -> tuple[str, ...]:
    """Say which rows of the table cannot be read, and what becomes of them."""
    return _read(output_dir)[1]


def _read(output_dir: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    path = output_dir / STATUS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return pd.DataFrame(columns=_COLUMNS, dtype=str), ()
    except UnicodeDecodeError:
        text = ""
    header, *lines = text.splitlines() or [""]
    names = header.split("\t")
    cells = [line.split("\t") for line in lines]
    rows = [dict(zip(names, row, strict=True)) for row in cells if len(row) == len(names)]
    whole = [row for row in rows if row.get("run") and row.get("status") in _STATUSES]
    is_known = {"run", "status"} <= {*names} <= {*_COLUMNS}
    if len(whole) == len(lines) and is_known and text.endswith("\n"):
        return _as_table(whole), ()
    known = {row["run"] for row in whole}
    recorded = [path.name.removesuffix(ENDING) for path in find_records(output_dir)]
    found = [{"run": name, "status": DONE} for name in recorded if name not in known]
    n_lost = max(len(lines) - len(whole), 1)
    damage = (
        f"{path} is damaged: {n_lost} of its rows cannot be read. What is done is taken from the "
        "completion records; what failed in earlier requests is known again once it is asked for."
    )
    return _as_table([*whole, *found]), (damage,)


def _as_table(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    cells = [[row.get(name, MISSING) for name in _COLUMNS] for row in rows]
    return pd.DataFrame(cells, columns=_COLUMNS, dtype=str)


def _rows(request: Request, before: pd.DataFrame) -> list[tuple[str, ...]]:
    took = dict(zip(before["run"], before["seconds"], strict=True))

    def row(run: str, status: str, *cells: str) -> tuple[str, ...]:
        said = request.warnings_of.get(run, ())
        verdict = Verdict() if status == FAILED else request.verdict_of.get(run, Verdict())
        seconds = request.seconds_of.get(run)
        return (
            safe_text(run),
            status,
            *cells,
            verdict.word,
            "; ".join(verdict.reasons) or MISSING,
            took.get(run, MISSING) if seconds is None else f"{seconds:.1f}",
            str(len(said)),
            _BETWEEN.join(text.replace(_BETWEEN, " / ") for text in said) or MISSING,
        )

    return [
        *(row(name, DONE, MISSING, MISSING, MISSING) for name in request.done),
        *(
            row(f.run, PARTIAL if f.in_part else FAILED, f.node, f.kind, f.reason)
            for f in request.failures
        ),
    ]


def _is_gone(before: pd.DataFrame, table: pd.DataFrame, output_dir: Path) -> pd.Series[bool]:
    """Which rows are of results that are no longer there, of the subjects of a request."""
    of_now = {*table["run"].map(subject_of)}
    gone = [
        status in (DONE, PARTIAL)
        and subject_of(run) in of_now
        and not _has_record(run.removesuffix(JOINED), output_dir)
        for run, status in zip(before["run"], before["status"], strict=True)
    ]
    return pd.Series(gone, index=before.index, dtype=bool)


def _has_record(run: str, output_dir: Path) -> bool:
    try:
        return (output_dir / record_of(run)).is_file()
    except (ValueError, KeyError, OutputError):  # not the name of a run
        return False


def _is_forgotten(before: pd.DataFrame, table: pd.DataFrame, request: Request) -> pd.Series[bool]:
    """Which of the rows that were there give way to those of a request."""
    subjects, of_now = before["run"].map(subject_of), {*table["run"].map(subject_of)}
    of_one_request = before["error"].isin([ReplacementError.__name__, NoInputError.__name__])
    asked_again = subjects.isin(of_now) | (subjects == "") | request.is_of_all
    return before["run"].isin(table["run"]) | (of_one_request & asked_again)


def _summary(table: pd.DataFrame, request: Request) -> dict[str, Any]:
    counts = table["status"].value_counts()
    return {
        "n_done": int(counts.get(DONE, 0)),
        "n_partial": int(counts.get(PARTIAL, 0)),
        "n_failed": int(counts.get(FAILED, 0)),
        "verdicts": {word: int((table["verdict"] == word).sum()) for word in WORDS},
        "last_request": {
            "exit_code": request.exit_code,
            "n_done": len(request.done),
            "n_partial": sum(failure.in_part for failure in request.failures),
            "n_failed": sum(not failure.in_part for failure in request.failures),
            "log": request.folder or None,
            "warnings": list(request.warnings),
        },
        "runs": [_as_json(row) for row in table.to_dict("records")],
    }


def _as_json(row: Mapping[Any, str]) -> dict[str, Any]:
    known = {key: None if value == MISSING else value for key, value in row.items()}
    said = known["warnings"]
    return {
        **{key: known[key] for key in _IN_WORDS},
        "seconds": _number(known["seconds"]),
        "warnings": said.split(_BETWEEN) if said else [],
    }


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # somebody has edited the table
        return None
