"""How sure a correlation of autocorrelated signals is: its variance, z and p (xDF).

Volumes of a run are not independent, so that a correlation of two of its signals varies more than
their number says. The variance follows from how signals correlate with themselves, and with each
other, some volumes later.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.numerics.connectivity.plain import fisher_z, on_usable, unit_columns, unit_diagonal

MEMORY = 2.0
"""Signals are taken to remember up to this many times the root of the number of kept volumes.

The window of the authors; beyond it, estimates of autocorrelations are noise.
"""


class Lag(NamedTuple):
    """How P signals go together k volumes apart.

    Parameters
    ----------
    n_pairs : int
        Pairs of kept volumes that are k volumes apart.
    own : array of shape (P,)
        Autocorrelations.
    ahead : array of shape (P, P)
        ``ahead[i, j]`` is the correlation of column i with column j, k volumes later.
    """

    n_pairs: int
    own: FloatArray
    ahead: FloatArray


def variance_of_r(r: FloatArray, n_kept: int, lags: Iterable[Lag]) -> FloatArray:
    """Return the variance of Pearson's correlations of Gaussian, autocorrelated signals.

    Parameters
    ----------
    r : array of shape (P, P)
        Correlations.
    n_kept : int
        Volumes that they are of.
    lags : iterable of Lag
        Of 1 volume and more, as far as signals remember.

    Returns
    -------
    variance : float64 array of shape (P, P)

    Notes
    -----
    Volumes need not follow each other: a lag counts by its pairs of kept volumes, less 2 for
    the degrees of freedom. Without gaps these are the weights that were published, T - 2 - k.

    References
    ----------
    Afyouni, Smith & Nichols (2019), NeuroImage 199, doi:10.1016/j.neuroimage.2019.05.011

    Examples
    --------
    Two independent autoregressive signals (0.5 from one volume to the next), 1000 volumes: a
    correlation varies as that of 602 independent ones.

    >>> lags = (Lag(1000 - k, 0.5**k * np.ones(2), 0.5**k * np.eye(2)) for k in range(1, 40))
    >>> round(1 / variance_of_r(np.eye(2), 1000, lags)[0, 1])
    602
    """
    n_columns = len(r)
    own_squares, own_products = np.zeros(n_columns), np.zeros((n_columns, n_columns))
    squares, products, mixed = (np.zeros((n_columns, n_columns)) for _ in range(3))
    for n_pairs, own, ahead in lags:
        weight = max(n_pairs - 2, 0)
        own_squares += weight * own**2
        own_products += weight * np.outer(own, own)
        squares += weight * ahead**2
        products += weight * (ahead * ahead.T)
        mixed += (weight * own)[:, np.newaxis] * (ahead + ahead.T)
    # what comes ahead of j lags behind for i: sums over both are a matrix plus its transpose
    all_squares = own_squares[:, np.newaxis] + own_squares + (squares + squares.T)
    total = (n_kept - 2) * (1 - r**2) ** 2 + r**2 * all_squares
    total += 2 * (own_products + products) - 2 * r * (mixed + mixed.T)
    return total / n_kept**2


def memory_of(n_kept: int) -> int:
    """Return the number of volumes after which signals are taken to have forgotten.

    Examples
    --------
    >>> memory_of(400)
    40
    """
    return round(MEMORY * float(np.sqrt(n_kept)))


def xdf_variance(signals: FloatArray, sample_mask: BoolArray, dof: float) -> FloatArray:
    """Return the variance of the correlations of signals, as estimated from themselves.

    Correlations at a lag are over the pairs of kept volumes that far apart, and tapered
    (Tukey's window) to nothing at `MEMORY` times the root of the number of kept volumes.

    Parameters
    ----------
    signals : array of shape (T_kept, P)
    sample_mask : bool array of shape (T,)
        Which volumes of the run these are.
    dof : float
        Temporal degrees of freedom of the signals. White noise that was cleaned in the same way
        has correlations of the variance (1 - r²)² / `dof`; what is estimated is not put below.

    Returns
    -------
    variance : float64 array of shape (P, P)
        NaN on the diagonal, and where a signal is constant or not finite.

    Raises
    ------
    DegreesOfFreedomError
        If fewer than 2 volumes are kept.

    Notes
    -----
    The authors' bound is (1 - r²)² / T. Regression of confounds takes degrees of freedom that
    autocorrelations do not show: with 24 of them behind a band-pass (240 volumes, of whose
    degrees of freedom 43 are left) they speak of 80.

    References
    ----------
    Afyouni, Smith & Nichols (2019), NeuroImage 199, doi:10.1016/j.neuroimage.2019.05.011

    Examples
    --------
    >>> signals = np.random.default_rng(0).normal(size=(200, 2))
    >>> variance = xdf_variance(signals, np.ones(200, dtype=bool), 200)
    >>> bool(variance[0, 1] >= (1 - np.corrcoef(signals.T)[0, 1] ** 2) ** 2 / 200)
    True
    """

    def of_usable(usable: FloatArray) -> FloatArray:
        unit = unit_columns(usable)
        r = unit_diagonal(unit.T @ unit)
        variance = variance_of_r(r, len(unit), _tapered_lags(unit, sample_mask))
        np.maximum(variance, (1 - r**2) ** 2 / dof, out=variance)
        np.fill_diagonal(variance, np.nan)
        return variance

    return on_usable(signals, of_usable)


def _tapered_lags(unit: FloatArray, sample_mask: BoolArray) -> Iterator[Lag]:
    """Estimate how signals (T_kept, P), of mean 0 and length 1, go together at each lag."""
    n_kept, n_volumes = len(unit), sample_mask.size
    by_volume = np.zeros((n_volumes, unit.shape[1]))
    by_volume[sample_mask] = unit
    memory = memory_of(n_kept)
    for lag in range(1, min(memory, n_volumes)):
        n_pairs = int(np.count_nonzero(sample_mask[lag:] & sample_mask[:-lag]))
        if n_pairs:
            taper = (1 + np.cos(np.pi * lag / memory)) / 2
            ahead = by_volume[:-lag].T @ by_volume[lag:]
            ahead *= taper * n_kept / n_pairs
            yield Lag(n_pairs, np.diag(ahead).copy(), ahead)


def xdf_z(r: FloatArray, variance: FloatArray) -> FloatArray:
    """Return the score of a correlation against none: Fisher's z over its standard error.

    Parameters
    ----------
    r, variance : arrays of shape (P, P)
        As `correlation` and `xdf_variance` give them.

    Returns
    -------
    z : float64 array of shape (P, P)
        Of a standard normal distribution where there is no correlation. NaN on the diagonal;
        infinite where a correlation is 1 or -1.

    Examples
    --------
    >>> r, variance = np.array([[1, 0.5], [0.5, 1]]), np.full((2, 2), 0.01)
    >>> xdf_z(r, variance).round(3)
    array([[ nan, 4.12],
           [4.12,  nan]])
    """
    z = fisher_z(r)
    with np.errstate(divide="ignore", invalid="ignore"):  # where r is 1, below
        scores: FloatArray = z * (1 - r**2) / np.sqrt(variance)
    certain = np.isinf(z)
    scores[certain] = z[certain]
    return scores


def two_sided_p(z: FloatArray) -> FloatArray:
    """Return the probability of a score at least as far from 0, in either direction.

    Parameters
    ----------
    z : array
        Scores of a standard normal distribution; NaN stays.

    Examples
    --------
    >>> two_sided_p(np.array([0.0, -1.96, np.nan])).round(3)
    array([1.  , 0.05,  nan])
    """
    from scipy.special import erfc  # slow to import, and only wanted here

    p: FloatArray = erfc(np.abs(z) / np.sqrt(2))
    return p
