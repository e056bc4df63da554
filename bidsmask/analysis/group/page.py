"""The page of a group, ``group.html``: what is shown of its tables, and how it is called.

Nothing is computed here but which runs lie far from the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._version import __version__
from bidsmask.analysis.group.benchmark_outputs import Benchmarks
from bidsmask.analysis.group.connectivity import Connectivity
from bidsmask.analysis.group.counted import LeftOut, Survey
from bidsmask.analysis.group.mean_matrices import mean_connectivity, not_shown
from bidsmask.analysis.group.shown_benchmarks import (
    not_measured,
    shown_benchmarks,
    shown_recommendations,
)
from bidsmask.analysis.group.words import atlas_in_words, attrition_of, group_methods, rules_of
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.derivatives.read import FinishedRun
from bidsmask.derivatives.writing import MISSING, write_text
from bidsmask.numerics.outlying import far_out
from bidsmask.reports.group.assemble import assemble_group
from bidsmask.reports.group.values import (
    Absent,
    Column,
    Distribution,
    GroupCoverage,
    GroupPage,
    Limit,
    MeanConnectivity,
    Outlier,
    RunTable,
    Undone,
)
from bidsmask.settings import Settings

PAGE = "group.html"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a measure of the table of quality is shown.

    Parameters
    ----------
    label : str
    decimals : int
    title, note : str
        Of its distribution, and how to read it.
    by_strategy : bool
        False if it is of the run before cleaning.
    in_table : bool
        Whether the table of runs has it, too.
    """

    label: str
    decimals: int
    title: str
    note: str
    by_strategy: bool
    in_table: bool = True


MEASURES: Mapping[str, Shown] = {
    "mean_fd": Shown(
        label="FD",
        decimals=3,
        title="Motion: mean framewise displacement",
        note="A long tail to the right is a few participants who moved a lot.",
        by_strategy=False,
    ),
    "mean_dvars": Shown(
        label="DVARS",
        decimals=1,
        title="Mean DVARS before cleaning",
        note="In the unit of the images: compare within one scanner and protocol only.",
        by_strategy=False,
    ),
    "median_tsnr": Shown(
        label="tSNR",
        decimals=1,
        title="Temporal signal-to-noise ratio before cleaning",
        note="Two heaps are often two scanners, two coils or two protocols.",
        by_strategy=False,
    ),
    "dof_remaining": Shown(
        label="ν",
        decimals=1,
        title="Degrees of freedom left (ν)",
        note="The standard error of a correlation is about one by the square root of ν: runs far "
        "to the left have noisy matrices.",
        by_strategy=True,
    ),
    "minutes_kept": Shown(
        label="time kept",
        decimals=2,
        title="Time kept",
        note="What censoring leaves; without censoring, the length of the run.",
        by_strategy=True,
    ),
    "fd_dvars_after": Shown(
        label="FD-DVARS",
        decimals=2,
        title="Correlation of FD and DVARS after cleaning",
        note="Near zero, the signal changes no more when the head moves than when it does not.",
        by_strategy=True,
        in_table=False,
    ),
    "regions_usable": Shown(
        label="share of regions",
        decimals=2,
        title="Share of regions with a signal",
        note="Of the atlas that has lost most.",
        by_strategy=False,
        in_table=False,
    ),
}
"""Columns of numbers that are shown, in this order."""

_IDENTITY = {
    "participant_id": "Participant",
    "session_id": "Session",
    "task_id": "Task",
    "run_id": "Run",
}
_LABELS = {**_IDENTITY, "dir_id": "Direction", "space_id": "Space", "den_id": "Density"}
_UNITLESS = ("1", "volumes", "arbitrary")
_WORDS = {"verdict": "Verdict", "rating": "Rating", "decided_by": "Excluded by"}


def write_page(page: GroupPage, output_dir: Path) -> str:
    """Write the page of a group; give its name."""
    write_text(output_dir / PAGE, assemble_group(page), within=output_dir)
    return PAGE


def group_page(
    found: Survey,
    tables: Mapping[str, pd.DataFrame],
    left_out: Sequence[LeftOut],
    connectivity: Connectivity,
    benchmarks: Benchmarks,
    settings: Settings,
) -> GroupPage:
    """Gather what the page of a group shows.

    Parameters
    ----------
    found : Survey
    tables : mapping from name to DataFrame
        As they are written: ``group_qc``, ``group_attrition`` and, with an atlas,
        ``group_coverage``.
    left_out : sequence of LeftOut
    connectivity : Connectivity
    benchmarks : Benchmarks
    settings : Settings
    """
    qc, output_dir = tables["group_qc"], settings.output_dir
    runs = run_table(qc, {path.name for path in output_dir.glob("sub-*.html")})
    shown = distributions(runs, limits_of_verdict(_quality_sidecar(found.counted[0])))
    strategies = list(dict.fromkeys(runs.strategies))
    means = tuple(mean_connectivity(connectivity, strategies, output_dir))
    networks = {each.atlas: each.networks for each in means if each.networks}
    coverage = tables.get("group_coverage")
    rules = [*rules_of(qc, settings.group)]
    left = attrition_of(tables["group_attrition"], qc, rules)
    n_participants = len({run.participant for run in found.counted})
    methods = group_methods(
        n_participants,
        len(found.counted),
        left,
        settings.group,
        rules,
        measure=means[0].measure if means else None,
        n_compared=max(
            (each.n_participants for each in benchmarks.recommendations if each.places), default=0
        ),
    )
    return GroupPage(
        n_participants=n_participants,
        runs=runs,
        version=__version__,
        distributions=tuple(shown),
        outliers=tuple(outliers(runs, shown)),
        rules=tuple(rule.words for rule in rules),
        attrition=tuple(left),
        absent=tuple(Absent(name=each.name, reason=each.reason) for each in left_out),
        coverage=() if coverage is None else tuple(coverage_of(coverage, networks)),
        connectivity=means,
        benchmarks=tuple(shown_benchmarks(benchmarks, strategies)),
        recommendations=tuple(shown_recommendations(benchmarks)),
        undone=(
            *_undone(coverage, means),
            *not_shown(connectivity),
            *not_measured(benchmarks),
        ),
        methods=methods.paragraphs,
        references=methods.references,
    )


def _undone(coverage: pd.DataFrame | None, means: Sequence[MeanConnectivity]) -> Iterator[Undone]:
    if coverage is None:
        yield Undone(what="Coverage", why="No atlas was asked for.")
    if not means:
        yield Undone(
            what="Mean connectivity", why="No run that is included has connectivity of regions."
        )


def _quality_sidecar(run: FinishedRun) -> dict[str, Any]:
    """Read the sidecar of the table of quality: runs of other limits are never mixed."""
    (name,) = (name for name in run.record.outputs if name.endswith("_desc-bidsmask_qc.tsv"))
    return run.sidecar(Path(name))


def run_table(qc: pd.DataFrame, reports: Collection[str]) -> RunTable:
    """Show ``group_qc``: what tells runs apart, what was measured, what was decided.

    Parameters
    ----------
    qc : DataFrame
        As `bidsmask.analysis.group.tables.with_decisions` makes it.
    reports : collection of str
        Names of the reports that there are.
    """
    participants = _texts(qc, "participant_id")
    links = [f"{participant}.html" for participant in participants]
    return RunTable(
        names=_texts(qc, "bids_name"),
        strategies=_texts(qc, "strategy"),
        reports=[link if link in reports else "" for link in links],
        included=(qc["decision"] == "include").to_numpy(),
        columns=tuple(_columns(qc)),
        places=_places(qc),
    )


def _places(qc: pd.DataFrame) -> list[str]:
    """Say in which space each row is, if there are several."""
    known = [_texts(qc, name) for name in ("space_id", "den_id") if name in qc]
    places = [", ".join(filter(None, labels)) or "its own" for labels in zip(*known, strict=True)]
    return places if len(set(places)) > 1 else []


def _columns(qc: pd.DataFrame) -> Iterator[Column]:
    names = [str(name) for name in qc]
    for name in names[: names.index("bids_name")]:
        if name == "participant_id" or _tells_apart(qc, name):
            label = _LABELS.get(name, name.removesuffix("_id").capitalize())
            yield Column(name=name, label=label, values=_texts(qc, name))
    yield Column(name="strategy", label="Strategy", values=_texts(qc, "strategy"))
    for name, shown in MEASURES.items():
        if name in qc:
            unit = QUALITY_COLUMNS[name].unit
            yield Column(
                name=name,
                label=shown.label,
                values=qc[name].to_numpy(dtype=float, na_value=np.nan),
                meaning=QUALITY_COLUMNS[name].meaning,
                unit="" if unit in _UNITLESS else unit,
                decimals=shown.decimals,
                in_table=shown.in_table,
            )
    for name, label in _WORDS.items():
        if name in qc and any(words := _texts(qc, name)):
            yield Column(name=name, label=label, values=words)


def _tells_apart(qc: pd.DataFrame, name: str) -> bool:
    """Whether sessions, tasks and runs are known, and whether runs differ in anything else."""
    labels = set(_texts(qc, name))
    return labels != {""} if name in _IDENTITY else len(labels) > 1


def _texts(qc: pd.DataFrame, name: str) -> list[str]:
    return ["" if pd.isna(value) or value == MISSING else str(value) for value in qc[name]]


def distributions(runs: RunTable, limits: Mapping[str, Sequence[Limit]]) -> list[Distribution]:
    """Say which distributions are drawn.

    Parameters
    ----------
    runs : RunTable
    limits : mapping from measure to limits
        To draw lines at.
    """
    there = {column.name for column in runs.columns}
    return [
        Distribution(
            column=name,
            title=shown.title,
            note=shown.note,
            by_strategy=shown.by_strategy,
            limits=tuple(limits.get(name, ())),
        )
        for name, shown in MEASURES.items()
        if name in there
    ]


def limits_of_verdict(sidecar: Mapping[str, Any]) -> dict[str, list[Limit]]:
    """Read limits of the verdict from the sidecar of a table of quality."""
    found: dict[str, list[Limit]] = {}
    for name, limit in sidecar.get("VerdictLimits", {}).items():
        for key, word in (("Look", "look"), ("DoNotUse", "do not use")):
            _, _, number = limit[key].partition(" ")
            if number:
                label = f"{word}: {limit[key]}"
                found.setdefault(name, []).append(Limit(value=float(number), label=label))
    return found


def outliers(runs: RunTable, shown: Sequence[Distribution]) -> list[Outlier]:
    """Name the runs that lie far from the others in what is shown, and in what.

    The others are those in the same space: in another one, the same volumes are there again.

    Returns
    -------
    outliers : list of Outlier
        Those that do so in most measures first.
    """
    words: dict[str, list[str]] = {}
    report: dict[str, str] = {}
    alike = _rows_alike(runs)
    for distribution in shown:
        column = runs.column(distribution.column)
        for strategy, own in alike:
            if not distribution.by_strategy and strategy != runs.strategies[0]:
                continue
            values = column.numbers[own]
            under = f" under {strategy}" if distribution.by_strategy else ""
            middle = f"{np.nanmedian(values):.{column.decimals}f}" if _any(values) else "–"
            for row in own[far_out(values)]:
                said = f"{column.label}{under}: {column.written(row)}"
                words.setdefault(runs.names[row], []).append(
                    f"{said} {column.unit}".strip() + f" (median {middle})"
                )
                report[runs.names[row]] = runs.reports[row]
    found = [
        Outlier(run=run, report=report[run], words=tuple(said)) for run, said in words.items()
    ]
    return sorted(found, key=lambda each: (-len(each.words), each.run))


def _rows_alike(runs: RunTable) -> list[tuple[str, np.ndarray]]:
    """Find the rows of each strategy in each space."""
    places = runs.places or [""] * len(runs)
    rows: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(runs.strategies, places, strict=True)):
        rows.setdefault(key, []).append(row)
    return [(strategy, np.array(own)) for (strategy, _), own in rows.items()]


def _any(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).any())


def coverage_of(
    table: pd.DataFrame, networks: Mapping[str, Sequence[str]]
) -> Iterator[GroupCoverage]:
    """Show ``group_coverage``.

    Parameters
    ----------
    table : DataFrame
        As `bidsmask.analysis.group.tables.group_coverage` makes it.
    networks : mapping from atlas to networks
        Of the rows of each atlas, where they are known.
    """
    runs = [str(name) for name in table.columns[list(table).index("lost_in") + 1 :]]
    place = {run: number for number, run in enumerate(runs)}
    for entities, rows in table.groupby("atlas", sort=False):
        atlas = atlas_in_words(str(entities))
        lost = np.zeros((len(rows), len(runs)), dtype=bool)
        for row, names in enumerate(rows["lost_in"].fillna("")):
            lost[row, [place[name] for name in names.split()]] = True
        shares = rows[runs].to_numpy(dtype=float)
        asked = np.isfinite(shares).any(axis=0)
        yield GroupCoverage(
            atlas=atlas,
            regions=[str(name) for name in rows["Node"]],
            networks=networks.get(atlas),
            runs=[run for run, is_there in zip(runs, asked, strict=True) if is_there],
            shares=shares[:, asked],
            lost=lost[:, asked],
        )
