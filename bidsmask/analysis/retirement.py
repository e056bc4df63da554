"""Which results stop being valid by a request: those it replaces, and those of runs that fail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bidsmask.analysis.concatenate import without_run
from bidsmask.analysis.plan import RunPlan
from bidsmask.derivatives.description import keep_labels
from bidsmask.derivatives.record import (
    ENDING,
    find_records,
    read_neighbours,
    read_record,
    read_record_file,
    record_name,
    record_of,
)
from bidsmask.derivatives.retire import RETIRED, read_earlier, settle, withdraw, withdrawn_records
from bidsmask.derivatives.status import RunFailure
from bidsmask.errors import OutputError, ReplacementError

_AFTER_THE_RECORD = ("derive", "report")
"""Steps that may fail although all that a record speaks of has been written."""


def withdraw_outdated(
    output_dir: Path, plans: Sequence[RunPlan], failures: Iterable[RunFailure]
) -> None:
    """Before any of it is computed: let no longer count what will be replaced, or cannot be done.

    Parameters
    ----------
    output_dir : Path
    plans : sequence of RunPlan
        Those with ``outputs_are_missing`` are not complete as they are asked for now.
    failures : iterable of RunFailure
        Runs that cannot be done. One that is refused, as it would replace results of another
        file, leaves these as they are.

    Raises
    ------
    StorageError, OutputError
        If a record cannot be moved.
    """
    for plan in plans:
        if plan.outputs_are_missing:
            withdraw(output_dir, record_name(plan.run))
    planned = {plan.run.name for plan in plans}
    for failure in failures:
        if failure.run not in planned and failure.kind != ReplacementError.__name__:
            _withdraw_run(output_dir, failure.run)


def settle_results(
    output_dir: Path,
    plans: Sequence[RunPlan],
    failures: Iterable[RunFailure],
    *,
    subjects: Collection[str],
    joined: Collection[Path],
) -> dict[str, int]:
    """After all of it was computed: move aside what has no valid record any more.

    Parameters
    ----------
    output_dir : Path
    plans : sequence of RunPlan
        What was to be done.
    failures : iterable of RunFailure
        Those of them that failed while they were computed.
    subjects : collection of str
        Whose results may be touched.
    joined : collection of Path
        Records of the runs that were joined.

    Returns
    -------
    moved : dict
        From the name of a run to how many of its files were moved.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be moved.
    """
    for failure in failures:
        if failure.node not in _AFTER_THE_RECORD:
            _withdraw_run(output_dir, failure.run)
    for name in _joins_of(plans, output_dir):
        if name not in joined:
            withdraw(output_dir, name)
    for plan in plans:
        if plan.outputs_are_missing:
            _withdraw_neighbours(output_dir, plan)
    moved = {
        name.name.removesuffix(ENDING): len(settle(output_dir, name))
        for name in withdrawn_records(output_dir, subjects)
    }
    return {run: n_files for run, n_files in moved.items() if n_files}


def with_moved(failure: RunFailure, moved: Mapping[str, int]) -> RunFailure:
    """Let a failure also say where the results of an earlier request for the run are now."""
    if failure.in_part or failure.run not in moved:
        return failure
    files = f"{moved[failure.run]} file{'s' if moved[failure.run] > 1 else ''}"
    said = f"{failure.reason} Its earlier results ({files}) were moved to {RETIRED}."
    return replace(failure, reason=said)


def keep_used_labels(output_dir: Path, plans: Sequence[RunPlan]) -> None:
    """Leave in ``descriptions.tsv`` the labels of results that are valid, and no others.

    Parameters
    ----------
    output_dir : Path
    plans : sequence of RunPlan
        What was done.

    Raises
    ------
    StorageError, OutputError
        If the table cannot be written.
    """
    first = read_record(output_dir, plans[0].run) if plans else None
    keep_labels(output_dir, first.labels if first else {}, lambda: _labels_in_use(output_dir))


def _withdraw_run(output_dir: Path, run_name: str) -> None:
    try:
        name = record_of(run_name)
    except (ValueError, KeyError, OutputError):  # not the name of a run: it has no record
        return
    withdraw(output_dir, name)


def _joins_of(plans: Iterable[RunPlan], output_dir: Path) -> Iterator[Path]:
    """Name the records of what some of these runs are, or were, joined to."""
    names = {record_of(without_run(plan.run.name)) for plan in plans if "run" in plan.run.entities}
    for name in sorted(names):
        record = read_record_file(output_dir / name, name.parent)
        if record is not None and record.is_joined:
            yield name


def _withdraw_neighbours(output_dir: Path, plan: RunPlan) -> None:
    """Withdraw results in other spaces if a table that they share has become another one."""
    own = read_record(output_dir, plan.run)
    if own is None:
        return
    for record in read_neighbours(output_dir, plan.run):
        if any(own.outputs.get(file, known) != known for file, known in record.outputs.items()):
            _withdraw_run(output_dir, record.run)


def _labels_in_use(output_dir: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name in find_records(output_dir):
        for earlier in read_earlier(output_dir, name):
            labels |= earlier.labels
        if record := read_record_file(output_dir / name, name.parent):
            labels |= record.labels
    return labels
