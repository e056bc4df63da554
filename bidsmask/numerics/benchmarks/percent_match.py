"""Percent match: how much the distribution of QC-FC looks like that of chance.

Two definitions are in use, and they differ; so each has its name. Both are of the distribution of
r over edges, and that of the same edges with motion permuted over subjects, all permutations
together. Neither reaches 100 % even without any effect, as the edges of one sample go together:
what permutations among themselves reach stands beside.
"""

import numpy as np

from bidsmask._typing import FloatArray, IntArray

N_BINS = 2000
"""Bins of r from -1 to 1, 0.001 wide."""

WIDE = 10
"""So many of them are one bin of the overlap: 0.01 wide."""

EDGES = np.linspace(-1, 1, N_BINS + 1)
"""Borders of the bins."""


def binned(r: FloatArray) -> IntArray:
    """Count correlations in bins; what is NaN does not count.

    Parameters
    ----------
    r : array of shape (E,)

    Returns
    -------
    counts : int array of shape (N_BINS,)
        On a border, the bin above it.
    """
    known = r[np.isfinite(r)]
    places = np.clip(((known + 1) * (N_BINS / 2)).astype(np.int64), 0, N_BINS - 1)
    return np.bincount(places, minlength=N_BINS)


def overlap(counts: IntArray, null: IntArray) -> float:
    """Return the overlap of two distributions in percent, in bins that are 0.01 wide.

    100 times the sum over bins of the smaller share: as in CONN.

    Parameters
    ----------
    counts, null : int arrays of shape (N_BINS,)
        Of `binned`.

    References
    ----------
    Morfini et al. (2023), Frontiers in Neuroscience 17, doi:10.3389/fnins.2023.1092125

    Examples
    --------
    >>> one = binned(np.array([0.001, 0.002, 0.5, 0.5]))
    >>> overlap(one, one), overlap(one, binned(np.array([0.003])))
    (100.0, 50.0)
    """
    shares = [each.reshape(-1, WIDE).sum(axis=1) / each.sum() for each in (counts, null)]
    return float(100 * np.minimum(*shares).sum())


def closeness(counts: IntArray, null: IntArray) -> float:
    """Return 100 (1 - D) in percent, D Kolmogorov and Smirnov's largest difference.

    Of cumulative shares, at the borders of bins that are 0.001 wide.

    Parameters
    ----------
    counts, null : int arrays of shape (N_BINS,)
        Of `binned`.

    Examples
    --------
    >>> one, other = binned(np.array([0.1, 0.2])), binned(np.array([0.2, 0.3]))
    >>> closeness(one, one), closeness(one, other)
    (100.0, 50.0)
    """
    shares = [np.cumsum(each) / each.sum() for each in (counts, null)]
    return float(100 * (1 - np.abs(shares[0] - shares[1]).max()))
