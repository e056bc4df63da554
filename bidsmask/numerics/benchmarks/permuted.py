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
from bidsmask.numerics.benchmarks.distance import centred_ranks
from bidsmask.numerics.benchmarks.partial import Residuals
from bidsmask.numerics.benchmarks.percent_match import binned
from bidsmask.numerics.benchmarks.qcfc import critical_r, discovered, p_of
from bidsmask.numerics.chance import drawn_orders


def permuted_motion(of: Residuals, motion: FloatArray, n: int, seed: int) -> FloatArray:
    """Permute what covariates leave of motion.

    Parameters
    ----------
    of : Residuals
        With the covariates.
    motion : array of shape (N,)
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
    left = of.outside(motion)
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
    """

    median_abs_r: FloatArray
    share_significant: FloatArray
    share_discovered: FloatArray
    rho: FloatArray
    counts: IntArray

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
        known = np.flatnonzero(np.isfinite(r).all(axis=0))
        apart = known[np.isfinite(distances[known])]
        ranks = centred_ranks(distances[apart]) if apart.size > 2 else np.zeros(0)
        critical = critical_r(dof[known]).astype(r.dtype)
        rows = [_statistics(each, known, apart, dof, critical, ranks) for each in r]
        medians, significant, found, rho = np.array([row[:-1] for row in rows]).T
        return cls(
            median_abs_r=medians,
            share_significant=significant,
            share_discovered=found,
            rho=rho,
            counts=np.array([row[-1] for row in rows], dtype=np.int32),
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


def _statistics(
    r: FloatArray,
    known: IntArray,
    apart: IntArray,
    dof: IntArray,
    critical: FloatArray,
    ranks: FloatArray,
) -> tuple[float, float, float, float, IntArray]:
    """Measure the correlations of one permutation."""
    sizes = np.abs(r[known])
    beyond = sizes > critical
    p = p_of(sizes[beyond], dof[known[beyond]])
    n_edges = max(known.size, 1)
    return (
        float(np.median(sizes)),
        float(beyond.sum() / n_edges),
        float(discovered(p, n_edges).sum() / n_edges),
        _rank_correlation(r[apart], ranks),
        binned(r[known]),
    )


def _rank_correlation(r: FloatArray, ranks: FloatArray) -> float:
    """Correlate the ranks of r with ranks that are centred and of length 1; no ties are meant."""
    if not ranks.size:
        return float("nan")
    places = np.arange(r.size) - (r.size - 1) / 2
    return float(ranks[np.argsort(r)] @ places / np.linalg.norm(places))
