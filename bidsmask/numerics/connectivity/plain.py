"""Covariance, correlation, and their inverses, of a sample as it is: nothing is shrunk.

In every matrix the row and column of a signal that is constant, or holds a value that is not
finite, are NaN; the others are what they would be without it.
"""

from collections.abc import Callable

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.errors import DegreesOfFreedomError

ROUNDING = 1e-12
"""A signal whose range is within this share of its size is constant."""

RANK_TOLERANCE = 1e-6
"""Standardised signals span a direction if its singular value is above this share of the largest.

The inverse of a covariance squares the ratio: beyond 10^12, few of its digits mean anything.
"""


def covariance(signals: FloatArray) -> FloatArray:
    """Sample covariance of the columns.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only.

    Returns
    -------
    covariance : float64 array of shape (P, P)
        Divided by T - 1; in the squared unit of the signals.

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.

    Examples
    --------
    >>> covariance(np.array([[1.0, 2.0], [3.0, 6.0]]))
    array([[2., 4.],
           [4., 8.]])
    """

    def of_usable(usable: FloatArray) -> FloatArray:
        centred = usable - usable.mean(axis=0)
        products: FloatArray = centred.T @ centred
        return products / (len(usable) - 1)

    return on_usable(signals, of_usable)


def correlation(signals: FloatArray) -> FloatArray:
    """Pearson's correlation of the columns.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only.

    Returns
    -------
    r : float64 array of shape (P, P)
        From -1 to 1, symmetric to the bit, with a diagonal of exactly 1.

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.

    Examples
    --------
    >>> correlation(np.array([[1.0, 2.0, 7.0], [3.0, 6.0, 7.0], [2.0, 4.0, 7.0]])).round(12)
    array([[ 1.,  1., nan],
           [ 1.,  1., nan],
           [nan, nan, nan]])
    """

    def of_usable(usable: FloatArray) -> FloatArray:
        unit = unit_columns(usable)
        return unit_diagonal(unit.T @ unit)

    return on_usable(signals, of_usable)


def correlation_with(seeds: FloatArray, signals: FloatArray) -> FloatArray:
    """Pearson's correlation of some columns with others, such as of seeds with every voxel.

    Parameters
    ----------
    seeds : array of shape (T, S)
        Kept volumes only.
    signals : array of shape (T, P)
        The same volumes.

    Returns
    -------
    r : float64 array of shape (S, P)
        From -1 to 1. NaN where either is constant, or holds a value that is not finite.

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.

    Examples
    --------
    >>> seed = np.array([[1.0], [2.0], [3.0]])
    >>> correlation_with(seed, np.array([[2.0, 3.0, 7.0], [4.0, 2.0, 7.0], [6.0, 1.0, 7.0]]))
    array([[ 1., -1., nan]])
    """
    check_volumes(seeds)
    of_seeds, of_signals = varies(seeds), varies(signals)
    r = np.full((seeds.shape[1], signals.shape[1]), np.nan)
    left, right = (
        unit_columns(np.compress(usable, columns, axis=1).astype(np.float64, copy=False))
        for columns, usable in ((seeds, of_seeds), (signals, of_signals))
    )
    r[np.ix_(of_seeds, of_signals)] = np.clip(left.T @ right, -1, 1)
    return r


def precision(signals: FloatArray) -> FloatArray:
    """Inverse of the sample covariance of the columns.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only.

    Returns
    -------
    precision : float64 array of shape (P, P)
        In the inverse squared unit of the signals.

    Raises
    ------
    DegreesOfFreedomError
        If the covariance cannot be inverted: too few volumes for so many columns, or columns
        that repeat each other.

    References
    ----------
    Dempster (1972), Biometrics 28(1), doi:10.2307/2528966

    Examples
    --------
    >>> precision(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]))
    array([[1.5  , 0.   ],
           [0.   , 0.375]])
    """

    def of_usable(usable: FloatArray) -> FloatArray:
        std = usable.std(axis=0, ddof=1)
        return _inverse_correlation(usable) / np.outer(std, std)

    return on_usable(signals, of_usable)


def partial_correlation(signals: FloatArray) -> FloatArray:
    """Correlation of each pair of columns after regressing all the others out of both.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only.

    Returns
    -------
    r : float64 array of shape (P, P)
        From -1 to 1, symmetric to the bit, with a diagonal of exactly 1.

    Raises
    ------
    DegreesOfFreedomError
        As `precision`.

    References
    ----------
    Marrelec et al. (2006), NeuroImage 32(1), doi:10.1016/j.neuroimage.2005.12.057

    Examples
    --------
    >>> a, b = np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, -1.0])
    >>> partial_correlation(np.column_stack([a, b, a + b + [1, 1, -1, -1]]))[0, 1].round(3)
    np.float64(-0.333)
    """

    def of_usable(usable: FloatArray) -> FloatArray:
        inverse = _inverse_correlation(usable)
        scale = np.sqrt(np.diag(inverse))
        return unit_diagonal(-inverse / np.outer(scale, scale))

    return on_usable(signals, of_usable)


def fisher_z(r: FloatArray) -> FloatArray:
    """Fisher's transformation of correlations, whose spread does not depend on their size.

    Parameters
    ----------
    r : array of shape (P, P)
        Correlations, -1 to 1.

    Returns
    -------
    z : float64 array of shape (P, P)
        Inverse hyperbolic tangent. The diagonal is NaN, for a column and itself are not a pair;
        two columns that are equal are at infinity.

    References
    ----------
    Fisher (1915), Biometrika 10(4), doi:10.2307/2331838

    Examples
    --------
    >>> fisher_z(np.array([[1.0, 0.5], [0.5, 1.0]])).round(4)
    array([[   nan, 0.5493],
           [0.5493,    nan]])
    """
    with np.errstate(divide="ignore"):  # 1 goes to infinity, as it says above
        z: FloatArray = np.arctanh(np.asarray(r, dtype=np.float64))
    np.fill_diagonal(z, np.nan)
    return z


def on_usable(signals: FloatArray, measure: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Apply a measure to the columns that vary and are finite; NaN for all others."""
    check_volumes(signals)
    usable = np.flatnonzero(varies(signals))
    matrix = np.full((signals.shape[1], signals.shape[1]), np.nan)
    if usable.size:
        matrix[np.ix_(usable, usable)] = measure(signals[:, usable].astype(np.float64))
    return matrix


def check_volumes(signals: FloatArray) -> None:
    """Refuse signals (T, P) that have no degree of freedom.

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.
    """
    if len(signals) < 2:
        raise DegreesOfFreedomError(
            f"Connectivity needs at least 2 kept volumes, and here are {len(signals)}."
        )


def varies(signals: FloatArray) -> BoolArray:
    """Tell which columns of signals (T, P) are finite and not constant."""
    finite = np.isfinite(signals).all(axis=0)
    values = np.where(finite, signals, 0)
    varies: BoolArray = np.ptp(values, axis=0) > ROUNDING * np.abs(values).max(axis=0)
    return varies


def unit_columns(signals: FloatArray) -> FloatArray:
    """Return signals (T, P), none of them constant, with mean 0 and length 1."""
    centred: FloatArray = signals - signals.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=0)
    return centred


def unit_diagonal(matrix: FloatArray) -> FloatArray:
    """Take rounding errors from correlations (P, P): symmetric, within -1 and 1, 1 of itself."""
    matrix = np.clip((matrix + matrix.T) / 2, -1, 1)
    np.fill_diagonal(matrix, 1)
    return matrix


def _inverse_correlation(signals: FloatArray) -> FloatArray:
    """Invert the correlation matrix through the singular values of the signals themselves."""
    _, sizes, directions = np.linalg.svd(unit_columns(signals), full_matrices=False)
    rank = int(np.count_nonzero(sizes > RANK_TOLERANCE * sizes[0]))
    if rank < signals.shape[1]:
        raise DegreesOfFreedomError(
            f"The covariance of {signals.shape[1]} columns over {len(signals)} volumes has rank "
            f"{rank} and no inverse. Precision and partial correlation need an atlas with fewer "
            "regions, more volumes, a wider pass band, or a smaller strategy."
        )
    scaled = directions / sizes[:, np.newaxis]
    inverse: FloatArray = scaled.T @ scaled
    return inverse
