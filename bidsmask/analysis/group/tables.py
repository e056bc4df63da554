"""Tables over all runs that count, and what their columns mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.analysis.group.counted import LeftOut
from bidsmask.analysis.group.exclusion import Decision, Decisions
from bidsmask.analysis.group.words import atlas_in_words
from bidsmask.dataset.entities import ENTITY_ORDER
from bidsmask.dataset.listing import some_of
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.derivatives.read import FinishedRun, quality_of
from bidsmask.derivatives.writing import MISSING, typed, write_json, write_table
from bidsmask.reports.drawing.words import count
from bidsmask.reports.group.values import LOST_IN_MANY

LEFT_OUT, NOT_DONE, EXCLUDED = "left out", "not done", "excluded"

_SEES = ("ok", "partial")
_PREFIXED = {"sub": "participant_id", "ses": "session_id"}
_ALWAYS = ("sub", "ses", "task", "run")

Tables = Mapping[str, tuple[pd.DataFrame, Mapping[str, Any]]]
"""By their names: the table, and what its columns mean."""

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
        "decision": {
            "Description": "Whether the run is part of the group under this strategy",
            "Levels": {"include": "it is", "exclude": "it is not"},
        },
        "decided_by": {
            "Description": "What excluded it: a rating, a rule, or that it is not done"
        },
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
"""The first columns; behind them is one for each run."""

EXCLUDED_COLUMNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "participant_id": {"Description": "Participant"},
        "run": {"Description": "Run that is not part of the group, or its participant"},
        "strategy": {"Description": "Under which confound strategy; n/a: under all"},
        "what": {
            "Description": "How far it got",
            "Levels": {
                LEFT_OUT: "it is in no table: there are no results, or none that hold",
                NOT_DONE: "the strategy could not be carried out",
                EXCLUDED: "a rating or a rule excludes it",
            },
        },
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


def group_qc(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """The quality tables of all runs below each other, one row per run and strategy."""
    about = run_columns(runs).assign(bids_name=[run.name for run in runs])
    return about.join(quality_of(runs)).reset_index(drop=True)


def with_decisions(qc: pd.DataFrame, decisions: Decisions) -> pd.DataFrame:
    """Say in each row of `group_qc` what was decided."""
    table = qc.assign(
        decision=["include" if row.is_included else "exclude" for row in decisions.rows],
        decided_by=[row.reason or MISSING for row in decisions.rows],
    )
    first = [*(name for name in qc if name not in QUALITY_COLUMNS), "strategy"]
    return table[list(dict.fromkeys([*first, "decision", "decided_by", *qc]))]


def qc_columns(table: pd.DataFrame) -> dict[str, Any]:
    """Describe the columns of `group_qc`."""
    return {name: QC_COLUMNS.get(name) or _of_entity(name) for name in map(str, table)}


def _of_entity(name: str) -> dict[str, str]:
    return {"Description": f"Label of the entity {name.removesuffix('_id')} of the run"}


def group_coverage(runs: Sequence[FinishedRun]) -> pd.DataFrame | None:
    """For each region of each atlas: how many runs lack it, which, and its coverage in each run.

    Returns
    -------
    table : DataFrame or None
        One row per atlas and region, in the order of the look-up table. None if no run has an
        atlas: only voxels were asked for.
    """
    atlases = list(dict.fromkeys(atlas for run in runs for atlas in run.atlases))
    tables = [_coverage(atlas, [run for run in runs if atlas in run.atlases]) for atlas in atlases]
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    return table[[*COVERAGE_COLUMNS, *(run.name for run in runs if run.name in table)]]


def _coverage(atlas: str, runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Rows of one atlas; each run may have regions of its own, in its own space."""
    place: dict[tuple[str, str], int] = {}
    found = [_places_and_coverage(run.coverage(atlas), place) for run in runs]
    shares = np.full((len(place), len(runs)), np.nan)
    lost = np.zeros(shares.shape, dtype=bool)
    for number, (rows, of_run, is_lost) in enumerate(found):
        shares[rows, number], lost[rows, number] = of_run, is_lost
    names = np.array([run.name for run in runs])
    nodes, indices = zip(*place, strict=True)
    first = pd.DataFrame(
        {
            "atlas": atlas,
            "Node": nodes,
            "index": typed(pd.DataFrame({"index": indices}))["index"],
            "n_runs": np.isfinite(shares).sum(axis=1),
            "n_lost": lost.sum(axis=1),
            "mean_coverage": np.nanmean(shares, axis=1),
            "min_coverage": np.nanmin(shares, axis=1),
            "lost_in": [" ".join(names[row]) or None for row in lost],
        }
    )
    in_runs = pd.DataFrame(shares.astype(np.float32), columns=names)
    return pd.concat([first, in_runs], axis=1)


def _places_and_coverage(
    table: Mapping[str, Sequence[str]], place: dict[tuple[str, str], int]
) -> tuple[IntArray, FloatArray, BoolArray]:
    """Give the rows of the regions of a run, of which there may be new ones, and what it saw."""
    keys = zip(table["Node"], table["index"], strict=True)
    return (
        np.array([place.setdefault(key, len(place)) for key in keys], dtype=np.intp),
        np.array([float(cell) for cell in table["coverage"]]),
        np.array([status not in _SEES for status in table["status"]], dtype=bool),
    )


def coverage_columns(table: pd.DataFrame) -> dict[str, Any]:
    """Describe the columns of `group_coverage`."""
    of_run = {"Description": "Share of the region that is covered in this run", "Units": "1"}
    return {name: COVERAGE_COLUMNS.get(name, of_run) for name in map(str, table)}


def lost_in_many(coverage: pd.DataFrame) -> Iterator[str]:
    """Name the regions of each atlas that more than `LOST_IN_MANY` of the runs lack."""
    for atlas, rows in coverage.groupby("atlas", sort=False):
        many = rows[rows["n_lost"] > LOST_IN_MANY * rows["n_runs"]]
        if len(many):
            found = zip(many["Node"], many["n_lost"], many["n_runs"], strict=True)
            named = some_of(
                [f"{node} ({lost} of {count(runs, 'run')})" for node, lost, runs in found]
            )
            yield (
                f"{atlas_in_words(str(atlas))}: {len(many)} of {len(rows)} regions have no signal "
                f"in more than {LOST_IN_MANY:.0%} of the runs: {named}."
            )


def write_tables(tables: Tables, output_dir: Path) -> list[str]:
    """Write tables, each with a sidecar of what its columns mean; give the names of the files."""
    for name, (table, columns) in tables.items():
        write_table(output_dir / f"{name}.tsv", table, within=output_dir)
        write_json(output_dir / f"{name}.json", dict(columns), within=output_dir)
    return [f"{name}.{kind}" for name in tables for kind in ("tsv", "json")]


def excluded(left_out: Iterable[LeftOut], decisions: Decisions) -> pd.DataFrame:
    """Runs that are not part of the group, under one strategy or all, and why."""
    rows: list[tuple[str | None, ...]] = [
        (each.name.split("_")[0], each.name, None, LEFT_OUT, each.reason) for each in left_out
    ]
    for run, decided in groupby(decisions.rows, key=attrgetter("run")):
        rows += _of_run(run, tuple(decided))
    return pd.DataFrame(rows, columns=[*EXCLUDED_COLUMNS], dtype=object).sort_values(
        "run", kind="stable", ignore_index=True
    )


def _of_run(run: str, decided: Sequence[Decision]) -> Iterator[tuple[str | None, ...]]:
    """Give one row for each strategy; a single one if the same excludes it under all of them."""
    is_same = len({row.reason for row in decided}) == 1
    for row in decided[:1] if is_same else decided:
        if not row.is_included:
            what = EXCLUDED if row.is_done else NOT_DONE
            yield row.participant, run, None if is_same else row.strategy, what, row.reason
