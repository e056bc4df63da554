"""What figures draw of the benchmarks: few numbers, so that a page computes nothing again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.analysis.group.benchmark import Benchmark
from bidsmask.numerics.benchmarks.distance import Curve, distance_dependence
from bidsmask.numerics.benchmarks.percent_match import EDGES, WIDE, binned
from bidsmask.numerics.benchmarks.qcfc import ALPHA

_N_DISTANCES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchmarkPicture:
    """QC-FC of one strategy, atlas, task and subset, as it is drawn.

    Parameters
    ----------
    task_id, atlas, strategy, subset : str
    n_participants : int
    r_borders : float array of shape (n_r + 1,)
        Borders of bins of r, from -1 to 1.
    density, null_density : float arrays of shape (n_r,)
        Share of edges in each bin; and of edges with permuted motion, all permutations together.
    curve : Curve
        r along distance: mean and quartiles, in bins of as many edges each.
    null_low, null_high : float arrays of the shape of ``curve.distance``
        5th and 95th percentile, over permutations, of the mean in each bin.
    distance_borders : float array of shape (n_d + 1,)
        In mm; empty where distances are not known.
    counts : int array of shape (n_d, n_r)
        Edges in each bin of distance and r: a picture of the cloud of all edges.
    median_abs_r, expected_abs_r, rho : float
        As in ``group_benchmark.tsv``.
    """

    task_id: str
    atlas: str
    strategy: str
    subset: str
    n_participants: int
    r_borders: FloatArray
    density: FloatArray
    null_density: FloatArray
    curve: Curve
    null_low: FloatArray
    null_high: FloatArray
    distance_borders: FloatArray
    counts: IntArray
    median_abs_r: float
    expected_abs_r: float
    rho: float

    @classmethod
    def of(cls, benchmark: Benchmark) -> Self | None:
        """Gather it; None where nothing was measured."""
        measured = benchmark.measured
        if measured is None or not measured.qcfc.n_edges:
            return None
        r, distances = measured.qcfc.r, measured.distances
        low, high = np.quantile(measured.null.along, [ALPHA, 1 - ALPHA], axis=0)
        known = np.isfinite(r) & np.isfinite(distances)
        farthest = distances[known].max() if known.any() else 0.0
        borders = np.linspace(0, farthest, _N_DISTANCES + 1) if known.any() else np.zeros(0)
        r_borders = EDGES[::WIDE]
        counts: FloatArray = np.zeros((0, r_borders.size - 1))
        if known.any():
            counts = np.histogram2d(distances[known], r[known], [borders, r_borders])[0]
        return cls(
            task_id=benchmark.task_id,
            atlas=benchmark.atlas,
            strategy=benchmark.strategy,
            subset=benchmark.subset,
            n_participants=benchmark.sample.n_subjects,
            r_borders=r_borders,
            density=_shares(binned(r)),
            null_density=_shares(measured.null.counts.sum(axis=0)),
            curve=Curve.of(r, distances),
            null_low=low,
            null_high=high,
            distance_borders=borders,
            counts=counts.astype(np.int64),
            median_abs_r=measured.qcfc.median_abs_r,
            expected_abs_r=measured.qcfc.expected_abs_r,
            rho=distance_dependence(r, distances),
        )


def _shares(counts: IntArray) -> FloatArray:
    wide = counts.reshape(-1, WIDE).sum(axis=1)
    shares: FloatArray = wide / max(int(wide.sum()), 1)
    return shares
