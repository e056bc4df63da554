"""Mean connectivity as the page of a group shows it, from the tables of means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bidsmask.analysis.group.connectivity import Connectivity
from bidsmask.analysis.group.means import networks_of_regions
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.derivatives.read import group_name, read_group_matrix
from bidsmask.derivatives.relations import relation_kind
from bidsmask.reports.group.values import MeanConnectivity


def mean_connectivity(
    connectivity: Connectivity, strategies: Sequence[str], output_dir: Path
) -> Iterator[MeanConnectivity]:
    """Give the means of each atlas, of the measure that comes first: correlations before others.

    Those of runs as they are, and not cut to the same length.

    Parameters
    ----------
    connectivity : Connectivity
        What was written.
    strategies : sequence of str
        In the order in which they are shown.
    output_dir : Path
    """
    with_means = [
        stack
        for stack in connectivity.stacks
        if _mean_name(stack) in connectivity.files and stack.key.desc in stack.runs[0].strategies
    ]
    for atlas in dict.fromkeys(stack.key.atlas for stack in with_means):
        own = [stack for stack in with_means if stack.key.atlas == atlas]
        first = min(own, key=_rank)
        alike = [each for each in own if each.key.stat == first.key.stat]
        yield _means(sorted(alike, key=lambda s: strategies.index(s.strategy)), output_dir)


def _mean_name(stack: StackFile) -> str:
    kind = relation_kind(stack.key.stat)
    stat = kind.z_stat if kind else stack.key.stat
    key = stack.key._replace(stat=stat, desc=f"{stack.key.desc}+mean")
    return group_name(key, "relmat", ".tsv")


def _rank(stack: StackFile) -> tuple[bool, bool]:
    kind = relation_kind(stack.key.stat)
    return "+" in stack.key.stat, kind is None or not kind.is_correlation


def _means(stacks: Sequence[StackFile], output_dir: Path) -> MeanConnectivity:
    found = [read_group_matrix(output_dir / _mean_name(stack)) for stack in stacks]
    regions = list(found[0][0])
    kind = relation_kind(stacks[0].key.stat)
    assert kind is not None, "it has a mean"
    return MeanConnectivity(
        atlas=stacks[0].key.atlas,
        measure="Fisher's z" if kind.is_correlation else kind.words,
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
