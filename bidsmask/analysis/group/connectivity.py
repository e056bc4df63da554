"""Connectivity of a group: stacks of all runs, means over participants, a table for designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bidsmask.analysis.group.counted import LeftOut
from bidsmask.analysis.group.edges import (
    check_parquet,
    rows_of_edges,
    rows_of_networks,
    write_group_edges,
)
from bidsmask.analysis.group.exclusion import Decisions
from bidsmask.analysis.group.means import write_means
from bidsmask.analysis.group.stacks import StackFile, write_stacks
from bidsmask.derivatives.read import FinishedRun
from bidsmask.settings import GroupSettings


@dataclass(frozen=True, kw_only=True)
class Connectivity:
    """What was written of connectivity.

    Parameters
    ----------
    stacks : tuple of StackFile
    files : tuple of str
        Names of all files, those of the stacks among them.
    """

    stacks: tuple[StackFile, ...]
    files: tuple[str, ...]

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Runs that lack in a stack."""
        return tuple(each for stack in self.stacks for each in stack.left_out)


def write_connectivity(
    runs: Sequence[FinishedRun],
    participants: pd.DataFrame,
    output_dir: Path,
    settings: GroupSettings,
    decisions: Decisions,
) -> Connectivity:
    """Write stacks of all runs, and means and designs of those that are included.

    Parameters
    ----------
    runs : sequence of FinishedRun
        Those that count.
    participants : DataFrame
        ``participant_id`` and covariates.
    output_dir : Path
    settings : GroupSettings
    decisions : Decisions
        Which runs are included under which strategy.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be written.
    SettingsError
        If ``--parquet`` is asked for without pyarrow.
    """
    if settings.parquet:
        check_parquet()
    stacks = write_stacks(runs, output_dir)
    files = [name for stack in stacks for name in (stack.path.name, stack.path.stem + ".json")]
    parts = []
    for stack in stacks:
        if not stack.has_matrices:
            continue
        included = decisions.included_as(stack.key.desc)
        names, networks = write_means(stack, included)
        files += names
        if names and settings.edges:
            parts.append(rows_of_edges(stack, included))
        elif networks is not None:
            parts.append(rows_of_networks(stack, networks))
    files += write_group_edges(parts, participants, output_dir, parquet=settings.parquet)
    return Connectivity(stacks=tuple(stacks), files=tuple(files))
