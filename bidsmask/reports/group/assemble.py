"""The page of a group: one HTML file that needs nothing else.

Figures are embedded and nothing is loaded from anywhere, as in the report of a subject. One script
of our own runs, which the Content Security Policy names by its sum: it sorts and filters the
table, and names the dots. Without it, the table is there with all of its rows, and so are the
 The same values give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from markupsafe import Markup

from bidsmask.numerics.verdict import WORDS
from bidsmask.reports.assemble import data_uri, render
from bidsmask.reports.drawing.words import count
from bidsmask.reports.group.data import as_json
from bidsmask.reports.group.estimates import estimates
from bidsmask.reports.group.means import Matrix, matrices
from bidsmask.reports.group.qc_fc import qc_fc, qc_fc_distance
from bidsmask.reports.group.seen import seen
from bidsmask.reports.group.strips import Strip, strips
from bidsmask.reports.group.values import (
    LOST_IN_MANY,
    Benchmarks,
    Distribution,
    GroupCoverage,
    GroupPage,
    MeanConnectivity,
    RunTable,
)

MOST_NAMED = 20
"""So many regions, runs or reasons are seen at once; the others are folded."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure ready to be put into the page."""

    title: str
    alt: str
    caption: str
    source: Markup
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class DrawnStrips:
    """A distribution ready to be put into the page."""

    distribution: Distribution
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class LostInMany:
    """A region, in how many runs it is lost, and in how many it was looked for."""

    atlas: str
    region: str
    n_lost: int
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class Glance:
    """A strategy in a line: its rows by verdict, and how many are included."""

    strategy: str
    n_runs: int
    n_included: int
    verdicts: tuple[tuple[str, int], ...]
    medians: tuple[str, ...]


def assemble_group(page: GroupPage) -> str:
    """Put the page of a group together.

    Parameters
    ----------
    page : GroupPage

    Returns
    -------
    html : str
        A whole page, with no address of anything outside but the reports of subjects beside it.
    """
    runs = page.runs
    return render(
        "group.html",
        styles=("report.css", "group.css"),
        script="group.js",
        page=page,
        n_runs=len(set(runs.names)),
        n_places=len(set(runs.places)),
        glance=[*_glance(runs)],
        shown=[column for column in runs.columns if column.name in MEDIANS],
        data=as_json(runs),
        strips=[*_draw_strips(runs, page.distributions)],
        coverage=[_draw_coverage(each) for each in page.coverage],
        lost=[*_lost_in_many(page.coverage)],
        lost_in_many=LOST_IN_MANY,
        connectivity=[
            (f"{each.atlas}: {each.of}", [*_draw_means(each)]) for each in page.connectivity
        ],
        benchmarks=[(each, [*_draw_benchmarks(each)]) for each in page.benchmarks],
        most_named=MOST_NAMED,
    )


MEDIANS = ("dof_remaining", "minutes_kept")
"""Columns of which the table at a glance has the median."""


def _glance(runs: RunTable) -> Iterator[Glance]:
    strategies = np.array(runs.strategies)
    columns = {column.name: column for column in runs.columns}
    verdicts = np.array(columns["verdict"].values) if "verdict" in columns else None
    for strategy in dict.fromkeys(runs.strategies):
        own = strategies == strategy
        counts = (
            [(word, int((verdicts[own] == word).sum())) for word in WORDS[1:]]
            if (verdicts is not None)
            else []
        )
        yield Glance(
            strategy=strategy,
            n_runs=int(own.sum()),
            n_included=int(runs.included[own].sum()),
            verdicts=tuple(counts),
            medians=tuple(
                _median(columns[name].numbers[own], columns[name].decimals)
                for name in MEDIANS
                if name in columns
            ),
        )


def _median(values: np.ndarray, decimals: int) -> str:
    known = values[np.isfinite(values)]
    return f"{np.median(known):.{decimals}f}" if known.size else "–"


def _draw_strips(runs: RunTable, distributions: Iterable[Distribution]) -> Iterator[DrawnStrips]:
    """Draw distributions, those of which there is a value."""
    for each in distributions:
        column = runs.column(each.column)
        if np.isfinite(column.numbers).any():
            svg = strips(
                [*_rows(runs, each)],
                label=column.label,
                unit=column.unit,
                decimals=column.decimals,
                key=f"strips-{each.column}",
                limits=[(limit.value, limit.label) for limit in each.limits],
            )
            yield DrawnStrips(distribution=each, svg=Markup(svg.decode()))  # drawn by us


def _rows(runs: RunTable, distribution: Distribution) -> Iterator[Strip]:
    values, strategies = runs.column(distribution.column).numbers, np.array(runs.strategies)
    places = np.array(runs.places or [""] * len(runs))
    if not distribution.by_strategy:
        names = np.array(runs.names)
        _, first, run = np.unique(names, return_index=True, return_inverse=True)
        included = np.bincount(run, weights=runs.included) > 0
        for place in dict.fromkeys(places.tolist()):
            own = places[first] == place
            name = place or "all runs"
            yield Strip(
                name=name, values=values[first[own]], numbers=first[own], filled=included[own]
            )
        return
    for strategy, place in dict.fromkeys(zip(runs.strategies, places.tolist(), strict=True)):
        own = np.flatnonzero((strategies == strategy) & (places == place))
        yield Strip(
            name=strategy,
            note=place,
            values=values[own],
            numbers=own,
            filled=runs.included[own],
        )


def _draw_coverage(each: GroupCoverage) -> Drawn:
    svg = seen(each.shares, each.lost, regions=each.regions, networks=each.networks)
    n_regions, n_runs = each.shares.shape
    return Drawn(
        title=each.atlas,
        alt=f"Coverage of {count(n_regions, 'region')} of {each.atlas} in {count(n_runs, 'run')}",
        caption=f"{count(n_regions, 'region')} in {count(n_runs, 'run')}; red is lost.",
        source=data_uri(svg, ".svg"),
        note=(
            "A red line across is a region that many runs lack, such as one above the sinuses. A "
            "red stripe from top to bottom is a run that lacks many regions: its field of view or "
            "its mask is too small, or its registration has failed."
        ),
    )


def _lost_in_many(coverage: Iterable[GroupCoverage]) -> Iterator[LostInMany]:
    for each in coverage:
        n_lost = each.lost.sum(axis=1)
        n_runs = (each.lost | ~np.isnan(each.shares)).sum(axis=1)
        for place in np.argsort(-n_lost, kind="stable"):
            if n_lost[place] > LOST_IN_MANY * n_runs[place]:
                yield LostInMany(
                    atlas=each.atlas,
                    region=each.regions[place],
                    n_lost=int(n_lost[place]),
                    n_runs=int(n_runs[place]),
                )


def _draw_means(found: MeanConnectivity) -> Iterator[Drawn]:
    """Draw means, and what each strategy has beyond the first."""
    draw = partial(matrices, regions=found.regions, networks=found.networks)
    counts = [f"N = {n}" for n in found.n_participants]
    means = [
        Matrix(title=strategy, note=count, values=mean)
        for strategy, count, mean in zip(found.strategies, counts, found.means, strict=True)
    ]
    yield Drawn(
        title=f"{found.atlas}: {found.of}",
        alt=f"Matrices of mean {found.measure} between {len(found.regions)} regions",
        caption=f"Mean over participants, of the included runs of each: {found.measure}.",
        source=data_uri(draw(means, label=f"mean {found.measure}"), ".svg"),
        note=(
            "Blocks along the diagonal are networks whose regions go together; they should stand "
            "out. Values far to one side of zero nearly everywhere point to a signal shared by "
            "the whole brain."
        ),
    )
    first = found.strategies[0]
    differences = [
        Matrix(title=f"{strategy} \N{MINUS SIGN} {first}", note="", values=mean - found.means[0])
        for strategy, mean in zip(found.strategies[1:], found.means[1:], strict=True)
    ]
    if differences:
        label = f"difference from {first}"
        yield Drawn(
            title=f"{found.atlas}: difference between strategies",
            alt=f"Matrices of the {label} between {len(found.regions)} regions",
            caption=f"Each mean less that of {first}. The scale is another one than above.",
            source=data_uri(draw(differences, label=label), ".svg"),
            note=(
                "One colour all over is a shift of all correlations, as taking out the global "
                "signal brings. Differences that follow networks, or the distance of regions, "
                "say what a strategy takes that the other leaves."
            ),
        )


def _draw_benchmarks(each: Benchmarks) -> Iterator[Drawn]:
    names = each.strategies
    if each.benchmarks:
        yield Drawn(
            title="All benchmarks",
            alt=f"Benchmarks of {', '.join(names)}: " + _in_words(each),
            caption="A dot for each strategy. Each panel has a scale of its own.",
            source=data_uri(estimates(each.benchmarks, names), ".svg"),
            note=(
                "Compare the dots: they are of the same runs. A ring that lies better than its "
                "dot is a strategy that looks better by losing the runs that move. A dot on the "
                "orange band cannot be told from chance, and two dots whose lines overlap far "
                "cannot be told from each other."
            ),
        )
    if each.qc_fc:
        yield Drawn(
            title="QC-FC: what motion has to do with each edge",
            alt=f"Distributions of QC-FC over edges under {', '.join(names)}, beside chance",
            caption="Correlation over participants of motion with the connectivity of each edge.",
            source=data_uri(qc_fc(each.qc_fc, names), ".svg"),
            note=(
                "Had motion nothing to do with connectivity, the blue area would lie on the line. "
                "It is wide by chance where participants are few; so compare with the line, never "
                "with zero alone. What lies to the right of it is edges that motion raises."
            ),
        )
    if each.distance:
        yield Drawn(
            title="QC-FC against distance",
            alt=f"QC-FC along the distance of regions under {', '.join(names)}",
            caption="QC-FC of every edge, and its mean along the distance of the regions.",
            source=data_uri(qc_fc_distance(each.distance, names), ".svg"),
            note=(
                "A line that falls is motion that makes near regions more alike than far ones. "
                "Between the orange lines it cannot be told from chance."
            ),
        )


def _in_words(each: Benchmarks) -> str:
    return "; ".join(
        f"{benchmark.title} "
        + ", ".join(
            _written(estimate.value, benchmark.decimals) for estimate in benchmark.estimates
        )
        for benchmark in each.benchmarks
    )


def _written(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else "n/a"
