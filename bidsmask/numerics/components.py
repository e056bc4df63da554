"""Components of the columns that vary most: confounds that need no mask of the noise.

A run is too large to be held, and most of its voxels are not needed. So there are two steps, each
of which sees the volumes once: how much each voxel varies (`DetrendedPower`), which says which
voxels are needed; and the components of these (`leading_components`). `high_variance_components`
takes both for signals that are at hand.
"""

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask._warn import warn_user
from bidsmask.numerics.filters import detrend as without_line

RELATIVE_RANK = 1e-10
"""A component with less than this share of the power of the first one is rounding error."""


class DetrendedPower:
    """Mean square of each column over time, without its mean and line if asked for.

    Sums are taken relative to the first volume, so that they do not lose digits to a mean that
    is much larger than the changes around it.

    Parameters
    ----------
    n_columns : int
        V.
    detrend : bool
        Leave out the mean and the least-squares straight line.

    Examples
    --------
    >>> power = DetrendedPower(2, detrend=True)
    >>> power.update(np.array([[1.0, 0.0], [2.0, 3.0], [3.0, 0.0]]))
    >>> power.mean_squares().round(12)
    array([0., 2.])
    """

    def __init__(self, n_columns: int, *, detrend: bool) -> None:
        self._detrend = detrend
        self._n_volumes = 0
        self._origin: FloatArray = np.zeros(n_columns)
        self._sum: FloatArray = np.zeros(n_columns)
        self._sum_of_squares: FloatArray = np.zeros(n_columns)
        self._sum_with_time: FloatArray = np.zeros(n_columns)

    def update(self, block: Array) -> None:
        """Take in the next volumes, an array of shape (n, V)."""
        if self._detrend and not self._n_volumes:
            self._origin = block[0].astype(np.float64)
        for volume in block:
            self._add(volume)

    @np.errstate(invalid="ignore")  # infinite minus infinite is NaN, as it should be
    def _add(self, volume: Array) -> None:
        changes = volume - self._origin
        self._sum += changes
        self._sum_of_squares += changes * changes
        self._sum_with_time += self._n_volumes * changes
        self._n_volumes += 1

    @np.errstate(invalid="ignore")
    def mean_squares(self) -> FloatArray:
        """Mean squares, of shape (V,). NaN for a column with NaN or infinite values."""
        n = self._n_volumes
        squares: FloatArray = self._sum_of_squares.copy()
        if self._detrend:
            squares -= self._sum**2 / n
            with_centred_time = self._sum_with_time - (n - 1) / 2 * self._sum
            length = n * (n**2 - 1) / 12  # of the centred time axis, squared
            squares -= with_centred_time**2 / max(length, 1)
        squares = np.maximum(squares, 0) / n  # rounding errors may be negative; NaN stays
        return np.where(np.isfinite(squares), squares, np.nan)


def varies_most(mean_squares: FloatArray, percentile: float) -> BoolArray:
    """Which columns are among the `percentile` per cent with the largest mean squares.

    Parameters
    ----------
    mean_squares : array of shape (V,)
        NaN: never chosen, and not counted.
    percentile : float
        From 0 to 100.

    Returns
    -------
    chosen : bool array of shape (V,)
        Strictly above the threshold, so that voxels outside of the brain that are all 0 are not
        chosen, however many there are.

    Raises
    ------
    ValueError
        If `percentile` is not from 0 to 100.

    Examples
    --------
    >>> varies_most(np.array([4.0, 1.0, 3.0, 2.0, np.nan]), 50)
    array([ True, False,  True, False, False])
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must be from 0 to 100, not {percentile}.")
    if not np.isfinite(mean_squares).any():
        return np.zeros(mean_squares.shape, dtype=bool)
    chosen: BoolArray = mean_squares > np.nanpercentile(mean_squares, 100 - percentile)
    return chosen


def leading_components(signals: FloatArray, n_components: int) -> FloatArray:
    """Time courses that explain most of the signals.

    Parameters
    ----------
    signals : array of shape (T, V)
        Finite. Their means are part of what is explained.
    n_components : int

    Returns
    -------
    components : float64 array of shape (T, n)
        Left singular vectors with the largest singular values, of length 1, the largest first.
        The sign, which is arbitrary, makes the largest absolute value positive. n is less than
        `n_components` where the signals have no more directions than that.

    Examples
    --------
    >>> wave = np.array([[3.0], [-4.0], [0.0]])
    >>> leading_components(wave @ [[1.0, 2.0]], 1).ravel()
    array([-0.6, 0.8, 0. ])
    """
    from scipy.linalg import eigh

    n_volumes = len(signals)
    first = max(n_volumes - n_components, 0)
    power, vectors = eigh(signals @ signals.T, subset_by_index=(first, n_volumes - 1))
    real = power > RELATIVE_RANK * max(power[-1], 0)
    components = vectors[:, real][:, ::-1]
    largest = np.abs(components).argmax(axis=0)
    oriented: FloatArray = components * np.sign(components[largest, range(largest.size)])
    return oriented


def high_variance_components(
    signals: FloatArray, *, n_components: int = 5, percentile: float = 2.0, detrend: bool = True
) -> FloatArray:
    """Leading components of the columns with the highest variance (tCompCor).

    Parameters
    ----------
    signals : array of shape (T, V)
        Columns with NaN or infinite values are left out.
    n_components : int
    percentile : float
        Per cent of the columns to look at, from 0 to 100.
    detrend : bool
        Remove mean and straight line of each column first.

    Returns
    -------
    components : float64 array of shape (T, n)
        See `leading_components`.

    Raises
    ------
    ValueError
        If no column varies.

    References
    ----------
    Behzadi et al. (2007), NeuroImage 37(1), doi:10.1016/j.neuroimage.2007.04.042
    """
    power = DetrendedPower(signals.shape[1], detrend=detrend)
    power.update(signals)
    chosen = signals[:, varies_most(power.mean_squares(), percentile)]
    return components_of_chosen(chosen, n_components=n_components, detrend=detrend)


def components_of_chosen(signals: FloatArray, *, n_components: int, detrend: bool) -> FloatArray:
    """Take the second step: components of the columns (T, V) that `varies_most` chose.

    Raises
    ------
    ValueError
        If there are none, or `n_components` is not above 0.
    """
    if n_components < 1:
        raise ValueError(f"The number of components must be above 0, not {n_components}.")
    if not signals.shape[1]:
        raise ValueError(
            "No column varies more than the others, so there are no confounds of high variance. "
            "Are there voxels with a signal? Otherwise, choose a larger percentile."
        )
    columns = np.asarray(signals, dtype=np.float64)
    components = leading_components(without_line(columns) if detrend else columns, n_components)
    if components.shape[1] < n_components:
        warn_user(
            f"The {signals.shape[1]} columns with the highest variance have "
            f"{components.shape[1]} components, not {n_components}. With a larger percentile "
            "there are more."
        )
    return components
