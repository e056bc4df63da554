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
from bidsmask.analysis.group.tangent import TangentFile, write_tangent
from bidsmask.derivatives.read import FinishedRun, keys_of
from bidsmask.errors import SettingsError
from bidsmask.settings import GroupSettings


@dataclass(frozen=True, kw_only=True)
class Connectivity:
    """What was written of connectivity.

    Parameters
    ----------
    stacks : tuple of StackFile
        Of the tables of runs.
    files : tuple of str
        Names of all files, those of the stacks among them.
    tangents : tuple of TangentFile
    """

    stacks: tuple[StackFile, ...]
    files: tuple[str, ...]
    tangents: tuple[TangentFile, ...] = ()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Runs that lack in a stack."""
        of_tables = (each for stack in self.stacks for each in stack.left_out)
        return (*of_tables, *(each for file in self.tangents for each in file.left_out))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of tangent spaces."""
        return tuple(said for file in self.tangents for said in file.warnings)


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
        If ``--parquet`` is asked for without pyarrow, ``--tangent`` without time series.
    """
    if settings.parquet:
        check_parquet()
    if settings.tangent and not keys_of(runs, has_matrices=False):
        raise SettingsError("--tangent is of time series of regions, and no run has any.")
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
    tangents = [
        write_tangent(stack, decisions.included_as(stack.key.desc))
        for stack in stacks
        if settings.tangent and not stack.has_matrices
    ]
    files += [name for tangent in tangents for name in tangent.names]
    return Connectivity(stacks=tuple(stacks), files=tuple(files), tangents=tuple(tangents))
