"""What the numbers of matrices are, and their mean over the runs of a participant.

What they are, the label of ``stat`` in their names says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.derivatives.read import TableKey
from bidsmask.derivatives.stacks import Stack, edges_of
from bidsmask.numerics.connectivity.group import mean_of_runs
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.numerics.threads import in_order
from bidsmask.vocabulary import CORRELATIONS, MAPS_STATS

_PLAIN_STATISTICS = ("mean", MAPS_STATS["least-squares"])
"""Of time series: what is made of these has no statistic in its label."""

_WITHOUT_MEAN = ("xdf-variance", "xdf-p")
"""Of what is uncertain in a run; how uncertain a group is, its standard deviation says."""


@dataclass(frozen=True, kw_only=True)
class RelationKind:
    """A measure of connectivity, as it was written.

    Parameters
    ----------
    stat : str
        Its label.
    z_stat : str
        Label of that which is averaged: Fisher's z of correlations, else the measure itself.
    words : str
    is_correlation : bool
        Whether it is one whose Fisher's z is averaged.
    has_mean : bool
        Whether the mean over participants says something.
    """

    stat: str
    z_stat: str
    words: str
    is_correlation: bool
    has_mean: bool

    def averaged(self, values: FloatArray) -> FloatArray:
        """Turn values into what is averaged, in double precision.

        Fisher's z of correlations; signals that are equal have no finite one, and are NaN.
        """
        values = values.astype(np.float64)
        if not self.is_correlation:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            np.arctanh(values, out=values)
        values[~np.isfinite(values)] = np.nan
        return values


def relation_kind(stat: str) -> RelationKind | None:
    """Tell what a label of ``stat`` means; None if it is of no measure.

    Examples
    --------
    >>> kind = relation_kind("median+pearsoncorrelation")
    >>> kind.z_stat, kind.is_correlation
    ('median+fisherz', True)
    """
    statistic, plus, label = stat.rpartition("+")
    for measure in MEASURES.values():
        if label not in (measure.stat, measure.z_stat):
            continue
        is_z = label == measure.z_stat
        return RelationKind(
            stat=stat,
            z_stat=f"{statistic}{plus}{measure.z_stat or label}",
            words=f"Fisher's z: {measure.description}" if is_z else measure.description,
            is_correlation=measure.name in CORRELATIONS and not is_z,
            has_mean=measure.name not in _WITHOUT_MEAN,
        )
    return None


def tangent_key(series: TableKey) -> TableKey:
    """Tell of which kind the stack is that has the tangent space of time series.

    Examples
    --------
    >>> tangent_key(TableKey("atlas-Tian", "mean", "36P")).stat
    'tangent'
    >>> tangent_key(TableKey("atlas-Tian", "median", "36P")).stat
    'median+tangent'
    """
    is_plain = series.stat in _PLAIN_STATISTICS
    return series._replace(stat="tangent" if is_plain else f"{series.stat}+tangent")


class ParticipantMean(NamedTuple):
    """Mean over the runs of a participant.

    Parameters
    ----------
    participant : str
    n_runs : int
    edges : float64 array of shape (P (P - 1) / 2,)
    diagonal : float64 array of shape (P,)
        NaN where edges are Fisher's z.
    """

    participant: str
    n_runs: int
    edges: FloatArray
    diagonal: FloatArray


def participant_means(
    stack: Stack, kind: RelationKind, included: Collection[str]
) -> Iterator[ParticipantMean]:
    """Give the mean of each participant, in their order.

    Parameters
    ----------
    stack : Stack
        Of matrices.
    kind : RelationKind
    included : collection of str
        Names of the runs that count.
    """
    runs = stack.runs
    is_included = runs["run"].isin(list(included)).to_numpy()
    owners = runs["participant_id"].to_list()
    held: list[FloatArray] = []
    n_edges = len(edges_of(len(stack.regions))[0])
    for number, row in enumerate(_averaged_rows(stack, kind)):
        if is_included[number]:
            held.append(row)
        is_last = number + 1 == len(owners) or owners[number + 1] != owners[number]
        if is_last and held:
            mean = mean_of_runs(np.array(held))
            yield ParticipantMean(owners[number], len(held), mean[:n_edges], mean[n_edges:])
            held = []


def _averaged_rows(stack: Stack, kind: RelationKind) -> Iterator[FloatArray]:
    """Read what is averaged of each run: edges, then the diagonal."""
    for part in stack.blocks:
        values = np.hstack([stack.edges(part), stack.diagonal(part)])
        yield from in_order(kind.averaged, list(values))
