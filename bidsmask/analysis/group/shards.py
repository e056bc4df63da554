"""Parts of stacks, which jobs of an array read at the same time.

A part is a stack of some of the runs, below ``.bidsmask/shards``. When stacks are written, what a
part holds of a run is taken from there if it is of the table that the run has now, and all else is
read from tables. So stacks have the same bytes whatever parts there are, if any.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bidsmask._typing import FloatArray
from bidsmask.derivatives.read import FinishedRun, by_participant, find_runs
from bidsmask.derivatives.stacks import Stack, StackedRun, Triangle, open_stack
from bidsmask.derivatives.writing import check_inside
from bidsmask.errors import OutputError

Read = TypeVar("Read")

_FOLDER = Path(".bidsmask") / "shards"


def shard_folder(output_dir: Path, number: int, n_shards: int) -> Path:
    """Where a part is written; numbers count from 1."""
    return output_dir / _FOLDER / f"{number}-of-{n_shards}"


def runs_of_shard(
    output_dir: Path, subjects: Sequence[str], number: int, n_shards: int
) -> list[FinishedRun]:
    """Give the runs of a part: neighbours in the order of stacks.

    Parameters
    ----------
    output_dir : Path
    subjects : sequence of str
        Labels; all if there are none.
    number, n_shards : int
        The part, counted from 1, and how many there are.
    """
    runs = by_participant(find_runs(output_dir, subjects or ("*",)))
    first, last = (len(runs) * each // n_shards for each in (number - 1, number))
    return runs[first:last]


def remove_shards(output_dir: Path) -> None:
    """Remove all parts: they are in the stacks now."""
    folder = output_dir / _FOLDER
    if folder.is_dir():
        check_inside(folder / "any", output_dir)
        shutil.rmtree(folder)


class Shards:
    """What the parts of a stack hold, while they are open.

    Parameters
    ----------
    output_dir : Path
    name : str
        Of the stack.
    regions : sequence of str
        Parts of other regions are not used.
    """

    def __init__(self, output_dir: Path, name: str, regions: Sequence[str]) -> None:
        self._paths = sorted((output_dir / _FOLDER).glob(f"*/{name}"))
        self._regions = list(regions)
        self._files = ExitStack()
        self._known: dict[tuple[str, str], tuple[Stack, int]] = {}

    def __enter__(self) -> Self:
        for path in self._paths:
            with suppress(OutputError):  # a damaged part: what it held is read from tables
                self._add(self._files.enter_context(open_stack(path)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def triangle(self, run: StackedRun) -> Triangle | None:
        """Give the matrix of a run, if a part has it undamaged."""
        return self._read(run, lambda stack, n: Triangle(stack.edges(n), stack.diagonal(n)))

    def signals(self, run: StackedRun) -> FloatArray | None:
        """Give the signals of a run, if a part has them undamaged."""
        return self._read(run, Stack.signals)

    def _add(self, stack: Stack) -> None:
        if stack.regions == self._regions:
            rows = stack.runs[["run", "sha256"]].to_numpy().tolist()
            self._known |= {(run, known): (stack, n) for n, (run, known) in enumerate(rows)}

    def _read(self, run: StackedRun, read: Callable[[Stack, int], Read]) -> Read | None:
        found = self._known.get((run.run, run.sha256))
        try:
            return None if found is None else read(*found)
        except OSError:  # HDF5's checksum of a chunk
            return None
