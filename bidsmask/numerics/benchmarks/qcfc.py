"""QC-FC: how much the connectivity of subjects goes with how much they have moved.

If cleaning had taken all of motion away, the correlation of an edge with the mean framewise
displacement (FD) of subjects would be 0, but for chance. Chance alone gives r a known size: that
of N subjects is printed beside, as no median of |r| means anything without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray

ALPHA = 0.05
"""Level of significance of single edges, and of false discoveries."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QcFc:
    """Partial correlations of edges with motion.

    Parameters
    ----------
    r : float array of shape (E,)
        NaN where there is none; such edges count nowhere.
    dof : int array of shape (E,)
        Degrees of freedom of each, N - 2 - k with k covariates.

    References
    ----------
    Power et al. (2015), NeuroImage 105, doi:10.1016/j.neuroimage.2014.10.044; Ciric et al.
    (2017), NeuroImage 154, doi:10.1016/j.neuroimage.2017.03.020

    Examples
    --------
    >>> found = QcFc(r=np.array([0.9, -0.2, np.nan]), dof=np.array([8, 8, 8]))
    >>> found.p.round(2)
    array([0.  , 0.58,  nan])
    >>> round(found.median_abs_r, 3), round(found.expected_abs_r, 3)
    (0.55, 0.242)
    """

    r: FloatArray
    dof: IntArray

    @property
    def known(self) -> BoolArray:
        """Which edges have a correlation, (E,)."""
        return np.isfinite(self.r)

    @property
    def n_edges(self) -> int:
        """How many edges have a correlation."""
        return int(self.known.sum())

    @property
    def p(self) -> FloatArray:
        """Two-sided p of each edge, of t = r sqrt(dof / (1 - r^2)), (E,)."""
        return p_of(self.r, self.dof)

    @property
    def median_abs_r(self) -> float:
        """Median of |r| over edges; NaN without any."""
        return _median(np.abs(self.r[self.known]))

    @property
    def expected_abs_r(self) -> float:
        """Median of |r| that chance alone would give; NaN without any edge."""
        return null_median_abs_r(self.dof[self.known])

    @property
    def share_significant(self) -> float:
        """Share of edges with p below `ALPHA`; chance alone gives `ALPHA`."""
        return share_of(self.p[self.known] < ALPHA)

    @property
    def share_discovered(self) -> float:
        """Share of edges below a false discovery rate of `ALPHA`."""
        return share_of(discovered(self.p[self.known], self.n_edges))


def p_of(r: FloatArray, dof: IntArray) -> FloatArray:
    """Return two-sided p of correlations; NaN without a degree of freedom.

    Under the null, 1 - r^2 has a beta distribution with the parameters dof / 2 and 1 / 2, which
    is the same as Student's t of r sqrt(dof / (1 - r^2)).

    Parameters
    ----------
    r : float array
    dof : int array of the same shape, or one that goes with it
    """
    from scipy.special import betainc

    # scipy answers NaN, without a word, where a parameter is not above 0
    p: FloatArray = betainc(dof / 2, 0.5, 1 - np.asarray(r, dtype=np.float64) ** 2)
    return p


def critical_r(dof: IntArray, alpha: float = ALPHA) -> FloatArray:
    """Return the |r| from which on p is below alpha.

    Examples
    --------
    >>> critical_r(np.array([18, 98])).round(3)
    array([0.444, 0.197])
    """
    from scipy.special import betaincinv

    r: FloatArray = np.sqrt(1 - betaincinv(dof / 2, 0.5, alpha))
    return r


def null_median_abs_r(dof: IntArray) -> float:
    """Return the median of |r| under the null: r^2 has the beta distribution (1 / 2, dof / 2).

    Parameters
    ----------
    dof : int array of shape (E,)
        Of each edge. If they differ, it is the median over all edges together.

    Returns
    -------
    median : float
        About 0.674 / sqrt(dof) where there are many; NaN without any.

    Examples
    --------
    >>> round(null_median_abs_r(np.array([97, 97])), 4)
    0.0686
    """
    from scipy.optimize import brentq
    from scipy.special import betainc, betaincinv

    each, counts = np.unique(dof[dof > 0], return_counts=True)
    if not each.size:
        return float("nan")
    medians = np.sqrt(betaincinv(0.5, each / 2, 0.5))
    if each.size == 1:
        return float(medians[0])
    shares = counts / counts.sum()
    beyond = lambda r: float(shares @ betainc(0.5, each / 2, r**2)) - 0.5  # noqa: E731
    return float(brentq(beyond, medians.min(), medians.max(), xtol=1e-12))


def discovered(p: FloatArray, n_tests: int) -> BoolArray:
    """Find the tests below a false discovery rate of `ALPHA`, by Benjamini and Hochberg.

    Parameters
    ----------
    p : float array of shape (k,)
        At least all of those below `ALPHA`, as no other can be among them.
    n_tests : int
        How many tests there are in all.

    Returns
    -------
    discovered : bool array of shape (k,)

    References
    ----------
    Benjamini & Hochberg (1995), Journal of the Royal Statistical Society B 57(1),
    doi:10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> discovered(np.array([0.02, 0.001, 0.04]), 3)
    array([ True,  True,  True])
    >>> discovered(np.array([0.02, 0.001, 0.04]), 10)
    array([False,  True, False])
    """
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= ALPHA * np.arange(1, p.size + 1) / max(n_tests, 1))
    found: BoolArray = p <= (ordered[below[-1]] if below.size else -1.0)
    return found


def share_of(chosen: BoolArray) -> float:
    """Return the share of True; NaN of nothing."""
    return float(chosen.mean()) if chosen.size else float("nan")


def _median(values: FloatArray) -> float:
    return float(np.median(values)) if values.size else float("nan")
