"""What is written besides matrices: means of networks, and edge time series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask.analysis.kinds import Source
from bidsmask.analysis.networks import networks_of
from bidsmask.analysis.output_names import (
    edges_name,
    has_edges,
    matrix_name,
    network_means_name,
    time_series_name,
)
from bidsmask.analysis.store import Coverage
from bidsmask.derivatives import sidecars, tables
from bidsmask.derivatives.sidecars import described
from bidsmask.numerics.connectivity.edges import edge_rss, edge_time_series
from bidsmask.numerics.connectivity.measures import Relation
from bidsmask.numerics.connectivity.networks import NetworkMean, network_means
from bidsmask.numerics.connectivity.plain import fisher_z
from bidsmask.vocabulary import CensorOutput

if TYPE_CHECKING:
    from bidsmask.analysis.outputs import File, Run, Used

_NETWORK_COLUMNS = {
    "network": described("A network of the source"),
    "other": described("The same, or another"),
    "mean": described("Mean of Fisher's z over the pairs of regions, one of each", "1"),
    "n_pairs": described("Pairs that have a finite value: what the mean is of", "pairs"),
}


def network_files(
    run: Run, source: Source, used: Used, measure: str, length: str, relation: Relation
) -> Iterator[File]:
    """Give the means of a matrix within networks, and between them, where there are some."""
    networks = networks_of(source)
    if networks is None:
        return
    plan, strategy = run.plan, used.strategy
    means = network_means(fisher_z(relation.matrix), networks)
    table = pd.DataFrame(means, columns=NetworkMean._fields).set_axis([*_NETWORK_COLUMNS], axis=1)
    yield network_means_name(plan, source, strategy, measure, length=length), table
    matrix = matrix_name(plan, source, strategy, measure, length=length)
    yield (
        network_means_name(plan, source, strategy, measure, ".json", length=length),
        {
            "Description": f"Means of Fisher's z of {measure} within networks of {source.name}, "
            "and between them. Each pair of regions counts once; pairs of regions without a "
            "signal, or of the same signal, are left out",
            "Sources": [run.provenance.output(matrix), run.table(source)],
            **_about(run, source, used),
            **_NETWORK_COLUMNS,
        },
    )


def edge_files(
    run: Run, source: Source, coverage: Coverage, used: Used, signals: FloatArray
) -> Iterator[File]:
    """Give edge time series of a source, or how large all of them are together."""
    rss = edge_rss(signals)[:, np.newaxis]
    said = "Root sum of squares over all edges: peaks are volumes that correlations rest on most"
    yield from _edges(run, source, used, "edgerss", rss, ["rss"], said)
    if has_edges(run.plan, source):
        left, right = np.triu_indices(len(coverage.names), k=1)
        pairs = [
            f"{coverage.names[i]}--{coverage.names[j]}" for i, j in zip(left, right, strict=True)
        ]
        said = (
            "Edge time series: products of the standard scores of two regions, whose names are "
            "that of the column. The mean of one, with the number of kept volumes minus 1, is "
            "Pearson's correlation"
        )
        yield from _edges(run, source, used, "edges", edge_time_series(signals), pairs, said)


def _edges(
    run: Run, source: Source, used: Used, label: str, rows: FloatArray, names: list[str], said: str
) -> Iterator[File]:
    plan, strategy, cleaned = run.plan, used.strategy, used.cleaned
    drops = plan.output.censor_output == "drop"
    how: CensorOutput = "drop" if drops else "na"  # nothing is interpolated between edges
    table = tables.time_series(cleaned.rows_for(rows, how), names)
    yield edges_name(plan, source, strategy, label), table
    statistic, *_ = plan.statistics_of(source)
    series = time_series_name(plan, source, strategy, statistic)
    yield (
        edges_name(plan, source, strategy, label, ".json"),
        {
            "Description": f"{said} (Faskowitz 2020, doi:10.1038/s41593-020-00719-y)",
            "Sources": [run.provenance.output(series)],
            **sidecars.sampling(cleaned.sample_mask, t_r=plan.t_r, how=how),
            **_about(run, source, used),
        },
    )


def _about(run: Run, source: Source, used: Used) -> dict[str, Any]:
    return {**run.about(source), **used.about}
