"""What benchmarks of QC-FC would be, had motion nothing to do with connectivity.

Motion is permuted over subjects. Where covariates are held constant, what they explain of motion
stays where it is, and the rest is permuted (Freedman and Lane): so the null has the same
covariates. Edges stay as they are, with all that they have to do with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.numerics.benchmarks.distance import (
    centred_ranks,
    means_of_bins,
    nearest_first,
    starts_of_bins,
)
from bidsmask.numerics.benchmarks.partial import outside
from bidsmask.numerics.benchmarks.percent_match import binned
from bidsmask.numerics.benchmarks.qcfc import critical_r, discovered, p_of
from bidsmask.numerics.chance import drawn_orders


def permuted_motion(motion: FloatArray, basis: FloatArray, n: int, seed: int) -> FloatArray:
    """Permute what covariates leave of motion.

    Parameters
    ----------
    motion : array of shape (N,)
    basis : array of shape (N, K)
        Of the covariates, see `partial.constant_and`.
    n, seed : int
        How many permutations, and where chance begins.

    Returns
    -------
    permuted : float32 array of shape (n, N)
        Scaled to a length of 1. For `partial.correlations`, which takes the covariates out again.

    References
    ----------
    Freedman & Lane (1983), Journal of Business & Economic Statistics 1(4),
    doi:10.1080/07350015.1983.10509354; Winkler et al. (2014), NeuroImage 92,
    doi:10.1016/j.neuroimage.2014.01.060
    """
    left = outside(motion, basis)
    left = left / np.linalg.norm(left)
    return left[drawn_orders(n, left.size, seed)].astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Null:
    """Benchmarks of QC-FC under each permutation.

    Parameters
    ----------
    median_abs_r, share_significant, share_discovered, rho : float arrays of shape (n,)
        See `qcfc.QcFc` and `distance.distance_dependence`; ``rho`` is NaN without distances.
    counts : int array of shape (n, N_BINS)
        Distribution of r over edges, see `percent_match.binned`.
    along : float array of shape (n, n_bins)
        Mean of r along distance, in the bins of `distance.Curve`.
    """

    median_abs_r: FloatArray
    share_significant: FloatArray
    share_discovered: FloatArray
    rho: FloatArray
    counts: IntArray
    along: FloatArray

    @classmethod
    def of(cls, r: FloatArray, dof: IntArray, distances: FloatArray) -> Self:
        """Measure correlations with permuted motion.

        Parameters
        ----------
        r : array of shape (n, E)
            Edges that have none do not count.
        dof : int array of shape (E,)
        distances : array of shape (E,)
            NaN where it is not known.
        """
        edges = _Edges(np.flatnonzero(np.isfinite(r).all(axis=0)), dof, distances)
        rows = [edges.statistics(each) for each in r]
        medians, significant, found, rho = np.array([row[:4] for row in rows]).T
        return cls(
            median_abs_r=medians,
            share_significant=significant,
            share_discovered=found,
            rho=rho,
            counts=np.array([edges.counts(each) for each in r], dtype=np.int32),
            along=np.array([edges.along(each) for each in r]),
        )

    @classmethod
    def joined(cls, *parts: Self) -> Self:
        """Put the permutations of some nulls below each other."""
        return cls(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in cls.__dataclass_fields__
            }
        )


class _Edges:
    """Edges that count, and what all permutations have in common."""

    def __init__(self, known: IntArray, dof: IntArray, distances: FloatArray) -> None:
        self.known, self.dof = known, dof[known]
        self.critical = critical_r(self.dof).astype(np.float32)
        self.nearest_first = nearest_first(known, distances)
        of_these = distances[self.nearest_first]
        self.ranks = centred_ranks(of_these) if of_these.size > 2 else np.zeros(0)
        self.starts = starts_of_bins(of_these.size)

    def statistics(self, r: FloatArray) -> tuple[float, float, float, float]:
        """Return median of |r|, shares of significant and discovered edges, and rho."""
        sizes = np.abs(r[self.known])
        beyond = sizes > self.critical
        found = discovered(p_of(sizes[beyond], self.dof[beyond]), sizes.size)
        n_edges = max(sizes.size, 1)
        shares = beyond.sum() / n_edges, found.sum() / n_edges
        median = float(np.median(sizes)) if sizes.size else float("nan")
        return median, float(shares[0]), float(shares[1]), self._rho(r[self.nearest_first])

    def counts(self, r: FloatArray) -> IntArray:
        """Return the distribution of r."""
        return binned(r[self.known])

    def along(self, r: FloatArray) -> FloatArray:
        """Return the means of r along distance."""
        return means_of_bins(r[self.nearest_first], self.starts)

    def _rho(self, r: FloatArray) -> float:
        """Correlate the ranks of r with those of distance; no ties of r are meant."""
        if not self.ranks.size:
            return float("nan")
        places = np.arange(r.size) - (r.size - 1) / 2
        return float(self.ranks[np.argsort(r)] @ places / np.linalg.norm(places))
