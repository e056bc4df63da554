"""Mean connectivity as the page of a group shows it, from the tables of means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bidsmask.analysis.group.connectivity import Connectivity
from bidsmask.analysis.group.means import networks_of_regions
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.analysis.group.words import atlas_in_words
from bidsmask.analysis.words import listed
from bidsmask.derivatives.read import group_name, read_group_matrix
from bidsmask.derivatives.relations import relation_kind
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.reports.group.values import MeanConnectivity, Undone
from bidsmask.vocabulary import CORRELATIONS

_PLACES = {
    label: (measure.name not in CORRELATIONS, number)
    for number, measure in enumerate(MEASURES.values())
    for label in (measure.stat, measure.z_stat)
}

MOST_MATRICES = 48
"""On a page: of 400 regions, they and their differences have 3 MB."""


def mean_connectivity(
    connectivity: Connectivity, strategies: Sequence[str], output_dir: Path
) -> Iterator[MeanConnectivity]:
    """Give the means of each atlas and measure: correlations before others.

    Those of runs as they are, and not cut to the same length; at most `MOST_MATRICES`, the first
    measure of every atlas before others (see `not_shown`).

    Parameters
    ----------
    connectivity : Connectivity
        What was written.
    strategies : sequence of str
        In the order in which they are shown.
    output_dir : Path
    """
    for alike in _shown(_with_means(connectivity)):
        yield _means(sorted(alike, key=lambda s: strategies.index(s.strategy)), output_dir)


def not_shown(connectivity: Connectivity) -> Iterator[Undone]:
    """Name the means that the page has no room for, and where they are."""
    kinds = _with_means(connectivity)
    shown = _shown(kinds)
    for alike in (each for each in kinds if each not in shown):
        yield Undone(
            what=f"Picture of {atlas_in_words(alike[0].key.atlas)}: {_words(alike[0])}",
            why=f"The page has room for {MOST_MATRICES} matrices. The numbers are in "
            f"{listed([_mean_name(stack) for stack in alike])}.",
        )


def _with_means(connectivity: Connectivity) -> list[list[StackFile]]:
    """Gather stacks of the same atlas and measure, those to be shown first before others."""
    kinds: dict[tuple[str, str], list[StackFile]] = {}
    for stack in connectivity.stacks:
        is_whole = stack.key.desc in stack.runs[0].strategies
        if is_whole and _mean_name(stack) in connectivity.files:
            kinds.setdefault((stack.key.atlas, stack.key.stat), []).append(stack)
    return sorted(kinds.values(), key=lambda alike: (alike[0].key.atlas, _rank(alike[0])))


def _shown(kinds: Sequence[list[StackFile]]) -> list[list[StackFile]]:
    """Choose as many as there is room for."""
    atlases = [alike[0].key.atlas for alike in kinds]
    numbers = [atlases[:place].count(atlas) for place, atlas in enumerate(atlases)]
    chosen, n_matrices = set(), 0
    for place in sorted(range(len(kinds)), key=numbers.__getitem__):
        n_matrices += len(kinds[place])
        if n_matrices <= MOST_MATRICES:
            chosen.add(place)
    return [alike for place, alike in enumerate(kinds) if place in chosen]


def _mean_name(stack: StackFile) -> str:
    kind = relation_kind(stack.key.stat)
    stat = kind.z_stat if kind else stack.key.stat
    key = stack.key._replace(stat=stat, desc=f"{stack.key.desc}+mean")
    return group_name(key, "relmat", ".tsv")


def _rank(stack: StackFile) -> tuple[str, bool, int]:
    """Means of regions before other statistics, correlations before other measures."""
    statistic, _, label = stack.key.stat.rpartition("+")
    return statistic, *_PLACES[label]


def _words(stack: StackFile) -> str:
    """Say what the matrices of a stack are."""
    kind = relation_kind(stack.key.stat)
    assert kind is not None, "it has a mean"
    statistic = stack.key.stat.rpartition("+")[0]
    return f"{kind.words} ({statistic} of regions)" if statistic else kind.words


def _means(stacks: Sequence[StackFile], output_dir: Path) -> MeanConnectivity:
    found = [read_group_matrix(output_dir / _mean_name(stack)) for stack in stacks]
    regions = list(found[0][0])
    kind = relation_kind(stacks[0].key.stat)
    assert kind is not None, "it has a mean"
    return MeanConnectivity(
        atlas=atlas_in_words(stacks[0].key.atlas),
        measure="Fisher's z" if kind.is_correlation else kind.words,
        of=_words(stacks[0]),
        regions=regions,
        networks=networks_of_regions(stacks[0], regions),
        strategies=[stack.strategy for stack in stacks],
        means=[matrix for _, matrix in found],
        n_participants=[_n_participants(stack, output_dir) for stack in stacks],
    )


def _n_participants(stack: StackFile, output_dir: Path) -> int:
    """Over how many participants the mean is taken at most: regions may have fewer."""
    name = _mean_name(stack).replace("+mean_", "+n_")
    return int(np.nanmax(read_group_matrix(output_dir / name)[1]))
