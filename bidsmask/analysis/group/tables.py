"""Tables over all runs that count, and what their columns mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from bidsmask.analysis.group.counted import LeftOut
from bidsmask.dataset.entities import ENTITY_ORDER
from bidsmask.derivatives.quality import QUALITY_COLUMNS, with_counts
from bidsmask.derivatives.read import FinishedRun

_SEES = ("ok", "partial")
_PREFIXED = {"sub": "participant_id", "ses": "session_id"}
_ALWAYS = ("sub", "ses", "task", "run")

RUN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "participant_id": "Participant, as in participants.tsv",
        "session_id": "Session, as in tables of sessions",
        "task_id": "Task",
        "run_id": "Number of the run, as it is written in names of files",
    }
)
"""Columns of every table of runs, the first ones. Other entities that runs have follow them."""

QC_COLUMNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{name: {"Description": meaning} for name, meaning in RUN_COLUMNS.items()},
        "bids_name": {"Description": "Run: its entities, as the names of its files begin"},
        **{name: column.described() for name, column in QUALITY_COLUMNS.items()},
    }
)

COVERAGE_COLUMNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "atlas": {"Description": "Atlas, space and grid that the region belongs to"},
        "Node": {"Description": "Name of the region"},
        "index": {"Description": "Label of the region in the atlas image"},
        "n_runs": {"Description": "Runs in which the region was looked for"},
        "n_lost": {"Description": "Runs in which it has no signal (n/a)"},
        "mean_coverage": {"Description": "Mean share of the region that is covered, 0 to 1"},
        "min_coverage": {"Description": "Lowest share of the region that is covered, 0 to 1"},
        "lost_in": {"Description": "The runs in which it has no signal, separated by blanks"},
    }
)

EXCLUDED_COLUMNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "participant_id": {"Description": "Participant"},
        "run": {"Description": "Run that is not in the tables of the group, or its participant"},
        "reason": {"Description": "Why it is not"},
    }
)


def run_columns(runs: Iterable[FinishedRun]) -> pd.DataFrame:
    """Say which runs they are: one row for each, a column for every entity that one of them has.

    Participants and sessions are written as in ``participants.tsv`` and tables of sessions
    (``sub-01``), other entities as their labels; n/a where a run has none.
    """
    entities = [run.entities for run in runs]
    there = {*_ALWAYS, *(name for each in entities for name in each)}
    order = (*_ALWAYS, *(name for name in ENTITY_ORDER if name not in _ALWAYS))
    return pd.DataFrame(
        {
            _PREFIXED.get(name, f"{name}_id"): [_label(each.get(name), name) for each in entities]
            for name in (*order, *sorted(there.difference(order)))
            if name in there
        },
        dtype=object,
    )


def _label(label: str | None, name: str) -> str | None:
    return f"{name}-{label}" if label is not None and name in _PREFIXED else label


def group_qc(runs: Iterable[FinishedRun]) -> pd.DataFrame:
    """The quality tables of all runs below each other, one row per run and strategy."""
    runs = tuple(runs)
    about = run_columns(runs).assign(bids_name=[run.name for run in runs])
    qualities = [run.quality for run in runs]
    rows = about.loc[about.index.repeat([len(table) for table in qualities])]
    quality = pd.concat(qualities, ignore_index=True)
    return with_counts(pd.concat([rows.reset_index(drop=True), quality], axis=1))


def qc_columns(table: pd.DataFrame) -> dict[str, Any]:
    """Describe the columns of `group_qc`."""
    return {name: QC_COLUMNS.get(name) or _of_entity(name) for name in map(str, table)}


def _of_entity(name: str) -> dict[str, str]:
    return {"Description": f"Label of the entity {name.removesuffix('_id')} of the run"}


def group_coverage(runs: Iterable[FinishedRun]) -> pd.DataFrame | None:
    """For each region of each atlas: how many runs lack it, and which.

    Returns
    -------
    table : DataFrame or None
        One row per atlas and region, in the order of the look-up table. None if no run has an
        atlas: only voxels were asked for.
    """
    found = [rows for run in runs for rows in _coverage_rows(run)]
    if not found:
        return None
    rows = pd.concat(found, ignore_index=True)
    grouped = rows.groupby(["atlas", "Node", "index"], sort=False)
    return grouped.agg(
        n_runs=("coverage", "size"),
        n_lost=("lost", "sum"),
        mean_coverage=("coverage", "mean"),
        min_coverage=("coverage", "min"),
        lost_in=("lost_in", lambda names: " ".join(filter(None, names)) or "n/a"),
    ).reset_index()


def _coverage_rows(run: FinishedRun) -> Iterator[pd.DataFrame]:
    for atlas in run.atlases:
        table = run.coverage(atlas)
        lost = ~table["status"].isin(_SEES)
        names = [run.name if each else "" for each in lost]
        yield table.assign(atlas=atlas, lost=lost, lost_in=names)


def excluded(left_out: Iterable[LeftOut]) -> pd.DataFrame:
    """Runs that are not in the tables, and why."""
    rows = [(each.name.split("_")[0], each.name, each.reason) for each in left_out]
    return pd.DataFrame(rows, columns=[*EXCLUDED_COLUMNS], dtype=str)
