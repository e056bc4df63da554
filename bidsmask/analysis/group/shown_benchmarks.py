"""Benchmarks and recommendation as the page of a group shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bidsmask.analysis.group.benchmark_outputs import Benchmarks as Measured
from bidsmask.analysis.group.benchmark_picture import BenchmarkPicture
from bidsmask.analysis.group.benchmark_table import MEASURES
from bidsmask.analysis.group.recommendation import WORDS
from bidsmask.analysis.group.recommendation import Recommendation as Recommended
from bidsmask.analysis.group.words import atlas_in_words
from bidsmask.analysis.words import listed
from bidsmask.reports.drawing.words import count, minus
from bidsmask.reports.group.values import (
    AlongDistance,
    Benchmark,
    Benchmarks,
    Estimate,
    Ranked,
    Recommendation,
    Shares,
    Undone,
)


@dataclass(frozen=True, kw_only=True)
class Title:
    """How a benchmark is called on the page, and with how many digits it is written."""

    words: str
    decimals: int = 2


TITLES: Mapping[str, Title] = {
    "qcfc_median_abs_r": Title(words="QC-FC: median |r|", decimals=3),
    "qcfc_share_significant": Title(words="QC-FC: share with p < .05"),
    "qcfc_share_fdr": Title(words="QC-FC: share with FDR < .05"),
    "qcfc_distance_rho": Title(words="QC-FC and distance: ρ"),
    "percent_match_overlap": Title(words="percent match (overlap)", decimals=1),
    "percent_match_ks": Title(words="percent match (1 − D)", decimals=1),
    "dof_remaining": Title(words="degrees of freedom left, ν", decimals=1),
    "dof_loss_share": Title(words="degrees of freedom lost, share"),
    "participants_kept_share": Title(words="participants kept, share"),
    "modularity": Title(words="modularity Q*", decimals=3),
    "modularity_fd_r": Title(words="modularity and FD: r"),
    "icc": Title(words="ICC(A,1)", decimals=3),
    "fd_dvars_r": Title(words="FD and DVARS: r"),
}
"""Benchmarks that are drawn, in this order."""

_UNCOMPARED = "modularity"
"""Taking out the global signal changes it, so that there is a figure for those that do."""

Estimates = Mapping[tuple[Any, ...], Mapping[Any, Any]]
"""Rows of the table by measure, strategy and subset."""


def shown_benchmarks(measured: Measured, order: Sequence[str]) -> Iterator[Benchmarks]:
    """Give the benchmarks of each atlas and task; those that are n/a for all are not drawn.

    Parameters
    ----------
    measured : Measured
    order : sequence of str
        Strategies, in the order in which they are shown.
    """
    for (atlas, task), rows in _groups(measured.table):
        strategies = tuple(name for name in order if name in set(rows["strategy"]))
        pictures = {
            each.strategy: each
            for each in measured.pictures
            if (each.atlas, each.task_id, each.subset) == (atlas, task, "common")
        }
        drawn = [pictures[name] for name in strategies if name in pictures]
        all_drawn = drawn if len(drawn) == len(strategies) else []
        with_distances = all(each.counts.size and each.curve.distance.size for each in all_drawn)
        yield Benchmarks(
            title=_title(atlas, task),
            strategies=strategies,
            benchmarks=tuple(_benchmarks(rows, strategies)),
            qc_fc=tuple(map(_shares, all_drawn)),
            distance=tuple(map(_along, all_drawn)) if with_distances else (),
            caveats=tuple(_caveats(rows)),
        )


def not_measured(measured: Measured) -> Iterator[Undone]:
    """Say which benchmarks are n/a under every strategy, and why."""
    for (atlas, task), rows in _groups(measured.table):
        common = rows[rows["subset"] == "common"]
        for note, names in _by_note(common, known=False).items():
            what = f"{_title(atlas, task)}: {listed([TITLES[name].words for name in names])}"
            yield Undone(what=what, why=note)
    for each in measured.recommendations:
        if each.problem:
            what = f"{_title(each.atlas, each.task_id)}: which strategy to take"
            yield Undone(what=what, why=f"{each.problem[0].upper()}{each.problem[1:]}")


def shown_recommendations(measured: Measured) -> Iterator[Recommendation]:
    """Say which strategy to take for each atlas and task."""
    notes = {key: _notes_of_motion(rows) for key, rows in _groups(measured.table)}
    for each in measured.recommendations:
        yield _shown(each, notes[each.atlas, each.task_id])


def _notes_of_motion(rows: pd.DataFrame) -> tuple[str, ...]:
    deciding = (rows["subset"] == "common") & (rows["measure"] == "qcfc_median_abs_r")
    return tuple(map(str, rows.loc[deciding, "note"].dropna().unique()))


def _shown(recommended: Recommended, notes: tuple[str, ...]) -> Recommendation:
    criteria = [each for each in recommended.criteria if each.is_known]
    return Recommendation(
        title=_title(recommended.atlas, recommended.task_id),
        answer=recommended.headline,
        criteria=tuple(WORDS[each.name] for each in criteria),
        ranking=tuple(
            Ranked(
                place=place.number,
                strategy=name,
                numbers=tuple(minus(f"{each.costs[name]:.3f}") for each in criteria),
            )
            for place in recommended.places
            for name in place.strategies
        ),
        reasons=recommended.reasons,
        changes=recommended.changes,
        caveats=notes if recommended.places else (),
    )


def _groups(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for (atlas, task), rows in table.fillna({"task_id": ""}).groupby(
        ["atlas", "task_id"], sort=False
    ):
        yield (str(atlas), str(task)), rows


def _title(atlas: str, task: str) -> str:
    words = atlas_in_words(atlas)
    return f"{words}: task {task}" if task else words


def _benchmarks(rows: pd.DataFrame, strategies: Sequence[str]) -> Iterator[Benchmark]:
    keys = rows[["measure", "strategy", "subset"]].itertuples(index=False, name=None)
    found = dict(zip(keys, rows.to_dict("records"), strict=True))
    with_global = dict(zip(rows["strategy"], rows["global_signal"] == "yes", strict=True))
    for name, title in TITLES.items():
        groups = {title.words: strategies}
        if name == _UNCOMPARED and len(set(with_global.values())) > 1:
            groups = {
                f"{title.words}, {'with' if is_taken else 'without'} GSR": [
                    each for each in strategies if with_global[each] == is_taken
                ]
                for is_taken in (False, True)
            }
        for words, own in groups.items():
            drawn = _benchmark(name, words, title.decimals, strategies, own, found)
            if any(np.isfinite(each.value) for each in drawn.estimates):
                yield drawn


def _benchmark(
    name: str,
    title: str,
    decimals: int,
    strategies: Sequence[str],
    own: Sequence[str],
    found: Estimates,
) -> Benchmark:
    unknown: Mapping[Any, Any] = {"value": float("nan")}
    rows = [
        {
            subset: found.get((name, strategy, subset), unknown) if strategy in own else unknown
            for subset in ("common", "all")
        }
        for strategy in strategies
    ]
    return Benchmark(
        title=title,
        better=MEASURES[name].better,
        estimates=tuple(_estimate(row["common"]) for row in rows),
        of_own=tuple(float(row["all"]["value"]) for row in rows),
        meaning=f"{MEASURES[name].meaning}. doi:{MEASURES[name].doi}",
        decimals=decimals,
    )


def _estimate(row: Mapping[Any, Any]) -> Estimate:
    def number(name: str) -> float:
        return float(row.get(name, float("nan")))

    return Estimate(
        value=number("value"),
        low=number("low"),
        high=number("high"),
        chance=number("expected"),
        chance_low=number("null_low"),
        chance_high=number("null_high"),
    )


def _shares(picture: BenchmarkPicture) -> Shares:
    return Shares(
        edges=picture.r_borders,
        observed=picture.density,
        chance=picture.null_density,
        note=f"median |r| {picture.median_abs_r:.2f}",
    )


def _along(picture: BenchmarkPicture) -> AlongDistance:
    return AlongDistance(
        distance=picture.curve.distance,
        mean=picture.curve.mean,
        chance_low=picture.null_low,
        chance_high=picture.null_high,
        distance_borders=picture.distance_borders,
        r_borders=picture.r_borders,
        counts=picture.counts,
        note=minus(f"ρ {picture.rho:.2f}"),
    )


def _caveats(rows: pd.DataFrame) -> Iterator[str]:
    common = rows[rows["subset"] == "common"]
    who = count(int(common["n_participants"].max()), "participant")
    yield (
        f"Dots are of {who} whose runs every strategy keeps, rings of all that a strategy keeps. "
        "Strategies are compared by the dots."
    )
    if covariates := [str(each) for each in common["covariates"].dropna().unique() if each]:
        yield f"Held constant in correlations with motion: {covariates[0].replace(' ', ', ')}."
    for note, names in _by_note(common, known=True).items():
        few = len(names) <= 2
        yield f"{listed([TITLES[name].words for name in names])}: {note}" if few else note


def _by_note(rows: pd.DataFrame, *, known: bool) -> dict[str, list[str]]:
    """Gather measures that have the same note; of those that are known, or n/a for all."""
    found: dict[str, list[str]] = {}
    for name, own in rows.groupby("measure", sort=False):
        if bool(own["value"].notna().any()) == known:
            for note in own["note"].dropna().unique():
                found.setdefault(str(note), []).append(str(name))
    return found
