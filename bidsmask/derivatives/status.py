"""``logs/status.tsv``: one row for each run: done, done in part, or failed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from filelock import FileLock

from bidsmask.derivatives.writing import lock_file, write_table
from bidsmask.errors import ReplacementError

STATUS_FILE = Path("logs") / "status.tsv"
_COLUMNS = ["run", "status", "node", "error", "reason"]


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


def write_status(output_dir: Path, done: Iterable[str], failures: Sequence[RunFailure]) -> Path:
    """Note what became of each run; runs that other jobs have noted stay.

    That a run was refused because it would have replaced others speaks of one request only: it
    is forgotten with the next one for its subject.

    Parameters
    ----------
    output_dir : Path
        The output dataset.
    done : iterable of str
        Names of the runs whose outputs are complete.
    failures : sequence of RunFailure
        Runs that could not be done, or not wholly.

    Returns
    -------
    path : Path
        The table, with columns run, status (done | partial | failed), node, error and reason.
    """
    path = output_dir / STATUS_FILE
    rows = [(name, "done", "n/a", "n/a", "n/a") for name in done]
    rows += [
        (f.run, "partial" if f.in_part else "failed", f.node, f.kind, f.reason) for f in failures
    ]
    with FileLock(lock_file(output_dir, "status.lock")):
        table = pd.DataFrame(rows, columns=_COLUMNS, dtype=str)
        before = read_status(output_dir)
        refused = before["error"] == ReplacementError.__name__
        of_now = _subjects(before).isin(_subjects(table))
        kept = ~before["run"].isin(table["run"]) & ~(refused & of_now)
        table = pd.concat([before[kept], table])
        table = table.sort_values("run", kind="stable").reset_index(drop=True)
        write_table(path, table, within=output_dir)
    return path


def _subjects(table: pd.DataFrame) -> pd.Series[str]:
    return table["run"].str.split("_").str[0]


def read_status(output_dir: Path) -> pd.DataFrame:
    """Read what `write_status` wrote; no rows if it has not written yet."""
    path = output_dir / STATUS_FILE
    if not path.exists():
        return pd.DataFrame(columns=_COLUMNS, dtype=str)
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def read_failures(output_dir: Path) -> dict[str, tuple[RunFailure, ...]]:
    """Read which runs of each subject are noted as failed, and why."""
    table = read_status(output_dir)
    failures: dict[str, tuple[RunFailure, ...]] = {}
    for row in table[table["status"] == "failed"].astype(str).to_dict("records"):
        subject = row["run"].split("_")[0].removeprefix("sub-")
        failure = RunFailure(
            subject=subject,
            run=row["run"],
            node=row["node"],
            kind=row["error"],
            reason=row["reason"],
        )
        failures[subject] = (*failures.get(subject, ()), failure)
    return failures
