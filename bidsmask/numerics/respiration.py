"""Breathing in the motion parameters, and its removal before displacement is computed.

Each breath moves the chest and disturbs the magnetic field, so that the image of a still head
seems to move. What is faster than the Nyquist frequency of the run shows up folded, at `alias_hz`.
"""

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.numerics.filters import butterworth, notch

LOW_PASS_ORDER = 2
"""Of the low-pass as published: of the first order, run forwards and backwards (Gratton 2020)."""

NOTCH_ORDER = 4
"""Of the notch as published: of the second order, run forwards and backwards (Fair 2020)."""

ORDER_OF_ONE_PASS = {"lp": 2, "notch": 4}
"""Of the weakest filter of each kind that is run both ways; orders are multiples of these."""

_ROUNDING = 1e-9


def alias_hz(frequency_hz: float, t_r: float) -> float:
    """Where a frequency shows up in samples that are `t_r` apart.

    Parameters
    ----------
    frequency_hz : float
        From 0.
    t_r : float
        Repetition time in seconds.

    Returns
    -------
    alias_hz : float
        |f - round(f t_r) / t_r|, from 0 to the Nyquist frequency 1 / (2 t_r).

    References
    ----------
    Oppenheim & Schafer, Discrete-Time Signal Processing, chapter 4

    Examples
    --------
    >>> round(alias_hz(0.30, t_r=2.0), 6), round(alias_hz(0.28, t_r=0.8), 6)
    (0.2, 0.28)
    """
    return abs(frequency_hz - round(frequency_hz * t_r) / t_r)


def alias_band_hz(low_hz: float, high_hz: float, t_r: float) -> tuple[float, float]:
    """Where a band of frequencies shows up in samples that are `t_r` apart.

    Parameters
    ----------
    low_hz, high_hz : float
        Edges of the band.
    t_r : float
        Repetition time in seconds.

    Returns
    -------
    low_hz, high_hz : float
        Edges of the band as it is seen; turned about if it is folded.

    Raises
    ------
    ValueError
        If the band reaches beyond a multiple of the Nyquist frequency, where it is folded onto
        itself: its edges do not bound it any more.

    Examples
    --------
    >>> [round(edge, 6) for edge in alias_band_hz(0.3, 0.4, t_r=2.0)]
    [0.1, 0.2]
    """
    first, last = (edge_hz * 2 * t_r for edge_hz in (low_hz, high_hz))
    fold = np.floor(first + _ROUNDING)
    if np.ceil(last - _ROUNDING) - 1 > fold:
        at_hz = (fold + 1) / (2 * t_r)
        raise ValueError(
            f"the band from {60 * low_hz:g} to {60 * high_hz:g} breaths per minute is folded onto "
            f"itself at {60 * at_hz:g}, as a repetition time of {t_r:g} s samples it"
        )
    low, high = sorted((alias_hz(low_hz, t_r), alias_hz(high_hz, t_r)))
    return low, high


def remove_band(
    motion: FloatArray, *, t_r: float, low_hz: float, high_hz: float, order: int = NOTCH_ORDER
) -> FloatArray:
    """Take a band of breathing out of motion parameters by a notch filter.

    Parameters
    ----------
    motion : array of shape (T, C)
        One row for each volume, dummy scans included; no NaN.
    t_r : float
        Repetition time in seconds.
    low_hz, high_hz : float
        Edges of the band, as it is: it is folded as the samples fold it.
    order : int
        4 for each pass forwards and backwards.

    Returns
    -------
    filtered : float64 array of shape (T, C)

    Raises
    ------
    ValueError
        If the band is folded onto itself.

    References
    ----------
    Fair et al. (2020), NeuroImage 208, doi:10.1016/j.neuroimage.2019.116400

    Examples
    --------
    >>> breaths = np.cos(2 * np.pi * 0.25 * 0.8 * np.arange(300))[:, np.newaxis]
    >>> left = remove_band(breaths, t_r=0.8, low_hz=0.2, high_hz=0.3)
    >>> bool(abs(left[60:-60]).max() < 1e-4)
    True
    """
    low_hz, high_hz = alias_band_hz(low_hz, high_hz, t_r)
    for _ in range(order // NOTCH_ORDER):
        motion = notch(
            motion, t_r=t_r, centre_hz=(low_hz + high_hz) / 2, bandwidth_hz=high_hz - low_hz
        )
    return motion


def remove_above(
    motion: FloatArray, *, t_r: float, cutoff_hz: float, order: int = LOW_PASS_ORDER
) -> FloatArray:
    """Take all that is faster than a cut-off out of motion parameters.

    The ends are padded by the end point, for as long as the run.

    Parameters
    ----------
    motion : array of shape (T, C)
        One row for each volume, dummy scans included; no NaN.
    t_r : float
        Repetition time in seconds.
    cutoff_hz : float
        Slower changes stay.
    order : int
        Of both passes of a Butterworth filter together.

    Returns
    -------
    filtered : float64 array of shape (T, C)

    Raises
    ------
    ValueError
        If the cut-off is not below the Nyquist frequency: all there is stays.

    References
    ----------
    Gratton et al. (2020), NeuroImage 217, doi:10.1016/j.neuroimage.2020.116866

    Examples
    --------
    >>> still = np.full((50, 1), 0.25)
    >>> float(remove_above(still, t_r=1.0, cutoff_hz=0.1).max())
    0.25
    """
    nyquist_hz = 0.5 / t_r
    if cutoff_hz >= nyquist_hz:
        raise ValueError(
            f"a repetition time of {t_r:g} s samples nothing above {60 * nyquist_hz:g} breaths "
            f"per minute, and the low-pass is to begin at {60 * cutoff_hz:g}"
        )
    return butterworth(
        motion,
        t_r=t_r,
        high_pass_hz=None,
        low_pass_hz=cutoff_hz,
        order=order // ORDER_OF_ONE_PASS["lp"],
        padding="constant",
        n_padding=len(motion) - 1,
    )
