"""Distance dependence: whether what motion leaves behind depends on how far regions are apart.

Motion makes near regions more alike than far ones, so that QC-FC falls with distance. Edges share
regions, so that p of this rank correlation means nothing; the null is that of permuted motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import FloatArray, IntArray


def edge_distances(centroids: FloatArray) -> FloatArray:
    """Return the distance of each pair of regions.

    Parameters
    ----------
    centroids : array of shape (P, 3)
        In mm; NaN of a region that was not seen.

    Returns
    -------
    distances : array of shape (P (P - 1) / 2,)
        In mm, Euclidean, in the order of ``np.triu_indices(P, k=1)``.

    Examples
    --------
    >>> edge_distances(np.array([[0.0, 0, 0], [3, 4, 0], [np.nan] * 3]))
    array([ 5., nan, nan])
    """
    from scipy.spatial.distance import pdist

    distances: FloatArray = pdist(centroids)
    return distances


def centred_ranks(values: FloatArray) -> FloatArray:
    """Return ranks along the last axis, less their mean and of length 1.

    Rank correlations (Spearman's) are products of these. NaN if all values are the same.
    """
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(ranks, axis=-1, keepdims=True)
    return ranks / np.where(length > 0, length, np.nan)


def distance_dependence(r: FloatArray, distances: FloatArray) -> float:
    """Return Spearman's correlation of QC-FC with distance.

    Parameters
    ----------
    r, distances : arrays of shape (E,)
        Edges without either do not count.

    Returns
    -------
    rho : float
        NaN with fewer than 3 edges, or if all are as far apart.

    References
    ----------
    Satterthwaite et al. (2012), NeuroImage 60(1), doi:10.1016/j.neuroimage.2011.12.063; Ciric et
    al. (2017), NeuroImage 154, doi:10.1016/j.neuroimage.2017.03.020

    Examples
    --------
    >>> round(distance_dependence(np.array([0.3, 0.2, 0.1]), np.array([10.0, 30.0, 90.0])), 9)
    -1.0
    """
    known = np.isfinite(r) & np.isfinite(distances)
    if known.sum() < 3:
        return float("nan")
    of_r, of_distance = centred_ranks(r[known]), centred_ranks(distances[known])
    return float(np.clip(of_r @ of_distance, -1, 1))


N_BINS = 20
"""Bins along distance, of as many edges each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """QC-FC along distance, in `N_BINS` bins of as many edges each.

    Parameters
    ----------
    distance : float array of shape (n_bins,)
        Mean distance of the edges of a bin, in mm. With fewer edges than `N_BINS` there are as
        many bins as edges.
    mean : float array of shape (n_bins,)
        Mean of r.
    low, high : float arrays of shape (n_bins,)
        First and third quartile of r.
    """

    distance: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, r: FloatArray, distances: FloatArray) -> Self:
        """Summarise r (E,) along distances (E,); edges without either do not count."""
        order = nearest_first(np.flatnonzero(np.isfinite(r)), distances)
        starts = starts_of_bins(order.size)
        bins = np.split(r[order], starts[1:]) if order.size else []
        quartiles = np.array([np.quantile(each, [0.25, 0.75]) for each in bins]).reshape(-1, 2)
        return cls(
            distance=means_of_bins(distances[order], starts),
            mean=means_of_bins(r[order], starts),
            low=quartiles[:, 0],
            high=quartiles[:, 1],
        )


def nearest_first(edges: IntArray, distances: FloatArray) -> IntArray:
    """Order those of some edges (n,) whose distance (E,) is known, by it."""
    apart = edges[np.isfinite(distances[edges])]
    return apart[np.argsort(distances[apart], kind="stable")]


def starts_of_bins(n_edges: int) -> IntArray:
    """Say where bins of n ordered edges begin.

    Examples
    --------
    >>> starts_of_bins(41)[:4]
    array([0, 3, 5, 7])
    """
    n_bins = min(N_BINS, n_edges)
    return np.array([-(-n_edges * number // n_bins) for number in range(n_bins)], dtype=np.intp)


def means_of_bins(values: FloatArray, starts: IntArray) -> FloatArray:
    """Return the means of ordered values (n,) from each start to the next one."""
    if not starts.size:
        return np.zeros(0)
    sums = np.add.reduceat(values, starts, dtype=np.float64)
    means: FloatArray = sums / np.diff([*starts, values.size])
    return means
