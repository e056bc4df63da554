"""The stacks of a group: signals and matrices of all runs that count, one file for each kind.

Runs are read one after the other and written as they come, so that memory does not grow with
their number. Each table is held against the record of its run as it is read: one that is not as it
was written costs its run, and all stacks are written without that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bidsmask._typing import FloatArray
from bidsmask.analysis.group.counted import LeftOut, damaged
from bidsmask.analysis.group.shards import Shards, remove_shards, runs_of_shard, shard_folder
from bidsmask.derivatives.read import (
    FinishedRun,
    TableKey,
    by_participant,
    keys_of,
    stack_name,
    strategy_of,
)
from bidsmask.derivatives.relations import relation_kind
from bidsmask.derivatives.stacks import StackedRun, Triangle, write_matrices, write_series
from bidsmask.derivatives.writing import write_json
from bidsmask.errors import OutputError
from bidsmask.numerics.threads import in_order

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack that was written.

    Parameters
    ----------
    path : Path
    key : TableKey
    has_matrices : bool
        Whether it is of matrices, and not of time series.
    runs : tuple of FinishedRun
        In the order of the stack.
    left_out : tuple of LeftOut
        Runs that have such a table, of other regions.
    """

    path: Path
    key: TableKey
    has_matrices: bool
    runs: tuple[FinishedRun, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def strategy(self) -> str:
        """Name of the strategy; the label in ``key`` has no underscore, say."""
        return strategy_in(self.key, self.runs)


def strategy_in(key: TableKey, runs: Sequence[FinishedRun]) -> str:
    """Name the strategy of tables that some runs have.

    Where volumes were drawn for matrices of equal length, this length goes with it.
    """
    return "+".join(filter(None, strategy_of(key.desc, runs[0].strategies)))


class LostRuns(Exception):  # noqa: N818 - it is an event, and no letter
    """Tables are not as they were written: their runs count no longer."""

    def __init__(self, left_out: Sequence[LeftOut]) -> None:
        super().__init__(*(each.reason for each in left_out))
        self.left_out = left_out


def write_shard(
    output_dir: Path, subjects: Sequence[str], number: int, n_shards: int
) -> tuple[list[StackFile], list[LeftOut]]:
    """Write the part of all stacks that is of some of the runs.

    Parameters
    ----------
    output_dir : Path
    subjects : sequence of str
        Labels; all if there are none.
    number, n_shards : int
        The part, counted from 1, and how many there are.

    Returns
    -------
    stacks : list of StackFile
    left_out : list of LeftOut
        Runs of the part that are not in all stacks of their tables.

    Raises
    ------
    StorageError, OutputError
        If one cannot be written.
    """
    runs = runs_of_shard(output_dir, subjects, number, n_shards)
    lost: list[LeftOut] = []
    while True:
        try:
            stacks = _write_all(runs, shard_folder(output_dir, number, n_shards))
            return stacks, [*lost, *(each for stack in stacks for each in stack.left_out)]
        except LostRuns as more:
            lost += more.left_out
            runs = [run for run in runs if run.name not in {each.name for each in lost}]


def write_stacks(runs: Sequence[FinishedRun], output_dir: Path) -> list[StackFile]:
    """Write all stacks, each with its sidecar, of parts and of tables; then parts are removed.

    Parameters
    ----------
    runs : sequence of FinishedRun
        Those that count.
    output_dir : Path

    Returns
    -------
    stacks : list of StackFile
        Time series, then matrices, by their names.

    Raises
    ------
    LostRuns
        If tables are not as they were written. Stacks that are there have to be written again.
    StorageError, OutputError
        If one cannot be written.
    """
    stacks = _write_all(runs, output_dir)
    remove_shards(output_dir)
    return stacks


def _write_all(runs: Sequence[FinishedRun], folder: Path) -> list[StackFile]:
    ordered = by_participant(runs)
    try:
        return [
            _write_stack(_Tables(key=key, has_matrices=has_matrices, runs=ordered), folder)
            for has_matrices in (False, True)
            for key in keys_of(ordered, has_matrices=has_matrices)
        ]
    except _LostRun as lost:
        own = LeftOut(name=lost.run.name, reason=str(lost), is_damage=True)
        raise LostRuns([*damaged(ordered)] or [own]) from lost


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """Tables of one kind, of the runs that have one."""

    key: TableKey
    has_matrices: bool
    runs: Sequence[FinishedRun]

    def __post_init__(self) -> None:
        having = tuple(run for run in self.runs if self.key in self.all_of(run))
        object.__setattr__(self, "runs", having)

    def all_of(self, run: FinishedRun) -> dict[TableKey, Path]:
        return run.matrices if self.has_matrices else run.series

    def name(self, run: FinishedRun) -> Path:
        return self.all_of(run)[self.key]

    @property
    def output_dir(self) -> Path:
        return self.runs[0].output_dir

    @property
    def strategy(self) -> dict[str, str]:
        """Its name, and its label in names of files: attributes of stacks."""
        return {"strategy": strategy_in(self.key, self.runs), "desc": self.key.desc}

    def stacked(self, run: FinishedRun) -> StackedRun:
        return run.stacked(self.name(run))

    def columns(self, run: FinishedRun) -> tuple[str, ...]:
        names = run.columns(self.name(run))
        return names[1:] if self.has_matrices else names


class _LostRun(Exception):  # noqa: N818 - it is an event, and no letter
    """A table cannot be read."""

    def __init__(self, run: FinishedRun, error: Exception) -> None:
        super().__init__(str(error))
        self.run = run


def _write_stack(tables: _Tables, folder: Path) -> StackFile:
    name = stack_name(tables.key, has_matrices=tables.has_matrices)
    regions, counted, left_out = _with_same_regions(tables)
    write = _write_matrices if tables.has_matrices else _write_series
    write(tables, counted, regions, folder / name)
    sidecar = _sidecar(tables, counted, left_out)
    write_json((folder / name).with_suffix(".json"), sidecar, within=folder)
    return StackFile(
        path=folder / name,
        key=tables.key,
        has_matrices=tables.has_matrices,
        runs=tuple(counted),
        left_out=tuple(left_out),
    )


def _with_same_regions(
    tables: _Tables,
) -> tuple[tuple[str, ...], list[FinishedRun], list[LeftOut]]:
    """Find the regions that most runs have, these runs, and the others."""
    found = [_attempt(tables.columns, run) for run in tables.runs]
    ((regions, _),) = Counter(found).most_common(1)
    pairs = list(zip(tables.runs, found, strict=True))
    for run, names in pairs:
        if names != regions:  # or a damaged table would be of another atlas
            _attempt(lambda run: run.content(tables.name(run)), run)
    left_out = [
        LeftOut(
            name=run.name,
            reason=f"{tables.name(run).name} has {_difference(regions, names)}. It is of another "
            "version of the atlas: run the participant level again with the same one.",
            is_damage=True,
        )
        for run, names in pairs
        if names != regions
    ]
    return regions, [run for run, names in pairs if names == regions], left_out


def _difference(expected: Sequence[str], found: Sequence[str]) -> str:
    if len(expected) != len(found):
        return f"{len(found)} regions, where most runs have {len(expected)}"
    one, other = next(pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1])
    return f"the region {other}, where most runs have {one}"


def _write_matrices(
    tables: _Tables, runs: Sequence[FinishedRun], regions: Sequence[str], path: Path
) -> None:
    def read(run: FinishedRun) -> Triangle:
        if (known := shards.triangle(tables.stacked(run))) is not None:
            return known
        _, above, diagonal = run.read_triangle(tables.name(run))
        return Triangle(above, diagonal)

    kind = relation_kind(tables.key.stat)
    about = {"long_name": kind.words if kind else tables.key.stat, **tables.strategy}
    stacked = [tables.stacked(run) for run in runs]
    with Shards(tables.output_dir, path.name, regions) as shards:
        rows = _read_all(read, runs)
        write_matrices(path, stacked, regions, rows, about, within=path.parent)


def _write_series(
    tables: _Tables, runs: Sequence[FinishedRun], regions: Sequence[str], path: Path
) -> None:
    def read(run: FinishedRun) -> FloatArray:
        known = shards.signals(tables.stacked(run))
        return run.read_volumes(tables.key)[1] if known is None else known

    about = {"long_name": f"{tables.key.stat} of regions", **tables.strategy}
    stacked = [tables.stacked(run) for run in runs]
    with Shards(tables.output_dir, path.name, regions) as shards:
        rows = _read_all(read, runs)
        write_series(path, stacked, regions, rows, about, within=path.parent)


def _read_all(read: Callable[[FinishedRun], Read], runs: Sequence[FinishedRun]) -> Iterator[Read]:
    return in_order(partial(_attempt, read), runs)


def _attempt(read: Callable[[FinishedRun], Read], run: FinishedRun) -> Read:
    try:
        return read(run)
    except (OSError, OutputError, ValueError) as error:
        raise _LostRun(run, error) from error


_AXES_OF_BOTH = {
    "run": "Names of runs, by participant",
    "region": "Names of regions, in the order of their columns",
}
_VARIABLES_OF_BOTH = {
    "participant_id, session_id, task_id, run_id": "Of each run; empty if it has none",
    "n_volumes": "Volumes of the run, censored ones included",
    "t_r": "Repetition time of the run in seconds",
    "sha256": "Of the table that the numbers of the run are from",
}
AXES = {
    True: {**_AXES_OF_BOTH, "edge": "Pairs of regions, the upper half of the matrix row by row"},
    False: {**_AXES_OF_BOTH, "time": "Number of the volume; times t_r, it is seconds"},
}
VARIABLES = {
    True: {
        "relation": "(run, edge), single precision: the numbers in the tables of runs",
        "diagonal": "(run, region): diagonal of the matrix",
        "region_1, region_2": "Of each edge: numbers of its regions, from 0",
        **_VARIABLES_OF_BOTH,
    },
    False: {
        "signal": "(run, time, region), single precision: the numbers in the tables of runs. NaN "
        "in volumes that were censored and behind the end of a run",
        **_VARIABLES_OF_BOTH,
    },
}


def _sidecar(
    tables: _Tables, counted: Sequence[FinishedRun], left_out: Sequence[LeftOut]
) -> dict[str, Any]:
    kind = relation_kind(tables.key.stat)
    what = f"Matrices of {kind.words}" if kind else f"Time series ({tables.key.stat})"
    return {
        "Description": f"{what} of all runs that count, in HDF5",
        "NumberOfRuns": len(counted),
        "Axes": AXES[tables.has_matrices],
        "Variables": VARIABLES[tables.has_matrices],
        **({"LeftOut": {each.name: each.reason for each in left_out}} if left_out else {}),
    }
