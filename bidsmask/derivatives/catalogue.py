"""What there is in an output, and what somebody means by saying a part of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from bidsmask._names import did_you_mean
from bidsmask.derivatives.choice import chosen_key, the_only
from bidsmask.derivatives.read import (
    FinishedRun,
    TableKey,
    by_participant,
    find_runs,
    keys_of,
    quality_of,
    stack_name,
)
from bidsmask.derivatives.writing import read_table
from bidsmask.errors import RequestError


class Catalogue:
    """Runs that are done, participants, and what kinds of signals and matrices there are.

    Parameters
    ----------
    output_dir : Path
    """

    def __init__(self, output_dir: Path) -> None:
        self.output_dir = output_dir

    @cached_property
    def finished(self) -> tuple[FinishedRun, ...]:
        """Runs that are done, by participant."""
        return tuple(by_participant(find_runs(self.output_dir)))

    @property
    def runs(self) -> pd.DataFrame:
        """One row for each run: its name, what it is of, volumes and repetition time (s)."""
        rows = [dataclasses.asdict(run.stacked()) for run in self.finished]
        return pd.DataFrame(rows).set_index("run").drop(columns="sha256")

    @property
    def participants(self) -> pd.DataFrame:
        """Participants with covariates, as the group level has written them; else who they are."""
        path = self.output_dir / "participants.tsv"
        if path.exists():
            return read_table(path).set_index("participant_id")
        known = dict.fromkeys(run.participant for run in self.finished)
        return pd.DataFrame(index=pd.Index([*known], name="participant_id"))

    @property
    def quality(self) -> pd.DataFrame:
        """One row for each run and strategy: the tables of quality, below each other."""
        table = quality_of(self.finished)
        names = [self.finished[number].name for number in table.index]
        return table.assign(run=names).set_index(["run", "strategy"])

    @property
    def kinds(self) -> pd.DataFrame:
        """What signals and matrices there are, and of how many runs."""
        rows = [
            {
                "what": "matrix" if has_matrices else "signals",
                **key._asdict(),
                "strategy": self._strategies.get(key.desc, key.desc),
                "n_runs": sum(key in tables_of(run, has_matrices) for run in self.finished),
                "has_stack": self._stack_path(key, has_matrices).exists(),
            }
            for has_matrices in (False, True)
            for key in keys_of(self.finished, has_matrices=has_matrices)
        ]
        return pd.DataFrame(rows).drop(columns="desc", errors="ignore")

    def __repr__(self) -> str:
        n_participants = len({run.participant for run in self.finished})
        lines = [
            f"bidsmask output {self.output_dir}",
            f"  {len(self.finished)} runs of {n_participants} participants",
        ]
        for row in self.kinds.to_dict("records"):
            stack = ", in a stack" if row["has_stack"] else ""
            lines.append(
                f"  {row['what']}: atlas={row['atlas']!r}, stat={row['stat']!r}, "
                f"strategy={row['strategy']!r} ({row['n_runs']} runs{stack})"
            )
        return "\n".join(lines)

    def _run(self, name: str, space: str | None = None) -> FinishedRun:
        found = [
            run
            for run in self.finished
            if f"{run.name}_".startswith(f"{name}_") and _is_in(space, run)
        ]
        asked = name if space is None else f"{name} in {space}"
        return the_only(found, "run", asked, [run.name for run in found or self.finished])

    def _chosen(self, names: Collection[str] | None) -> list[FinishedRun]:
        if names is None:
            return list(self.finished)
        wanted = {self._run(name).name for name in names}
        return [run for run in self.finished if run.name in wanted]

    def _of(self, participant: str, space: str | None = None) -> list[FinishedRun]:
        found = [
            run for run in self.finished if run.participant == participant and _is_in(space, run)
        ]
        if not found:
            known = [run.participant for run in self.finished]
            raise RequestError(
                f"No run of {participant!r}{f' in {space}' if space else ''} is done."
                f"{did_you_mean(participant, known)}"
            )
        return found

    def _key(
        self, has_matrices: bool, which: Mapping[str, str], run: FinishedRun | None = None
    ) -> TableKey:
        """Find the one kind of tables that is meant."""
        keys = keys_of(self.finished if run is None else (run,), has_matrices=has_matrices)
        what = "matrix" if has_matrices else "time series"
        return chosen_key(keys, which, self._strategies, what)

    @cached_property
    def _strategies(self) -> Mapping[str, str]:
        """Names of strategies by their labels."""
        known: dict[str, str] = {}
        for run in self.finished:
            known |= run.strategies
        return MappingProxyType(known)

    def _stack_path(self, key: TableKey, has_matrices: bool) -> Path:
        return self.output_dir / stack_name(key, has_matrices=has_matrices)


def _is_in(space: str | None, run: FinishedRun) -> bool:
    return space in (None, run.entities.get("space"))


def tables_of(run: FinishedRun, has_matrices: bool) -> Mapping[TableKey, Path]:
    """Give matrices of a run, or its time series, by their kinds."""
    return run.matrices if has_matrices else run.series
