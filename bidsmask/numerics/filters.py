"""Temporal filters: operators on the T samples (axis 0) of any number of columns."""

from typing import Literal

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.errors import DegreesOfFreedomError, RunError

Padding = Literal["odd", "even", "constant"]

BUTTERWORTH_ORDER = 5
"""Order of one pass; forwards and backwards together attenuate like order ten."""


def detrend(signals: FloatArray, *, times: FloatArray | IntArray | None = None) -> FloatArray:
    """Remove the mean and the least-squares straight line of each column.

    Parameters
    ----------
    signals : array of shape (T, P)
        NaN spreads over its own column and no further.
    times : array of shape (T,), optional
        When the volumes were acquired, in any unit. With censored volumes left out the axis has
        gaps, and a line is only a line on the true axis. None: evenly spaced.

    Returns
    -------
    detrended : float64 array of shape (T, P)

    Examples
    --------
    >>> line = np.array([[1.0], [3.0], [9.0]])
    >>> np.abs(detrend(line, times=np.array([0, 1, 4]))).max() < 1e-12
    np.True_
    """
    centred: FloatArray = signals - np.mean(signals, axis=0, dtype=np.float64)
    slope = (
        np.arange(len(signals), dtype=np.float64) if times is None else np.asarray(times, float)
    )
    slope = slope - slope.mean()
    length = np.linalg.norm(slope)
    if length == 0:  # a single volume: a mean and no line
        return centred
    slope = slope / length
    return centred - np.outer(slope, slope @ centred)


def cosine_basis(n_volumes: int, t_r: float, high_pass_hz: float) -> FloatArray:
    """Slow cosines whose regression is a high-pass filter (discrete cosine transform II).

    Parameters
    ----------
    n_volumes : int
        T, the whole run: censored volumes are taken out of the rows later.
    t_r : float
        Repetition time in seconds.
    high_pass_hz : float
        Cosines slower than this are in the basis.

    Returns
    -------
    basis : float64 array of shape (T, K)
        K = floor(2 T `high_pass_hz` `t_r`) orthonormal columns, slowest first; no constant.
        K is 0 when the run is shorter than half a period of the cut-off.

    Raises
    ------
    RunError
        If `high_pass_hz` is not above 0 and below the Nyquist frequency.

    References
    ----------
    Ashburner & Friston, "Human Brain Function", Academic Press; as ``spm_dctmtx`` of SPM

    Examples
    --------
    >>> cosine_basis(100, 2.0, 0.01).shape
    (100, 4)
    """
    _check_cutoffs(high_pass_hz, None, t_r)
    # Rounded first: 3.9999999999999996 is 4 that went through a computer.
    order = int(np.floor(round(2 * n_volumes * high_pass_hz * t_r, 9)))
    phase = np.pi / n_volumes * (np.arange(n_volumes) + 0.5)
    waves: FloatArray = np.cos(np.outer(phase, np.arange(1, order + 1)))
    waves *= np.sqrt(2 / n_volumes)
    return waves


def butterworth(
    signals: FloatArray,
    *,
    t_r: float,
    high_pass_hz: float | None,
    low_pass_hz: float | None,
    order: int = BUTTERWORTH_ORDER,
    padding: Padding | None = "odd",
    n_padding: int | None = None,
) -> FloatArray:
    """Zero-phase Butterworth filter, run forwards and backwards.

    Parameters
    ----------
    signals : array of shape (T, P)
        Evenly sampled; no NaN.
    t_r : float
        Repetition time in seconds.
    high_pass_hz, low_pass_hz : float or None
        Slower and faster changes than these are removed. With None, that side stays open.
    order : int
        Of one pass.
    padding : {"odd", "even", "constant"} or None
        How the ends are padded to soften the transients: by reflection through the end point
        ("odd"), by reflection, by the end point itself, or not at all.
    n_padding : int, optional
        Volumes to pad at each end. None: three times the length of the filter.

    Returns
    -------
    filtered : float64 array of shape (T, P)

    Raises
    ------
    RunError
        If a cut-off is not above 0 and below the Nyquist frequency 1 / (2 `t_r`), or the
        high-pass is not below the low-pass. Nothing is clamped.
    DegreesOfFreedomError
        If the run is not longer than the padding (18 volumes at order 5, 33 for a band-pass).

    References
    ----------
    Butterworth (1930), Experimental Wireless and the Wireless Engineer 7, 536-541;
    Gustafsson (1996), IEEE Trans. Signal Processing 44(4), doi:10.1109/78.492552
    """
    from scipy.signal import sosfiltfilt  # slow to import, and few strategies need it

    _check_cutoffs(high_pass_hz, low_pass_hz, t_r)
    sections = _sections(order, t_r, high_pass_hz, low_pass_hz)
    n_padding = _padding(sections) if n_padding is None else n_padding
    n_padding = n_padding if padding else 0
    if len(signals) <= n_padding:
        raise DegreesOfFreedomError(
            f"A Butterworth filter needs more than {n_padding} volumes in a row to pad its ends, "
            f"and here are {len(signals)} (from the first kept to the last). "
            'Choose the filter "cosine" or "none" for such short runs.'
        )
    filtered: FloatArray = sosfiltfilt(
        sections, signals, axis=0, padtype=padding, padlen=n_padding
    )
    return filtered


def _sections(
    order: int, t_r: float, high_pass_hz: float | None, low_pass_hz: float | None
) -> FloatArray:
    """Second-order sections, which stay stable where polynomial coefficients do not."""
    from scipy.signal import butter

    if high_pass_hz is not None and low_pass_hz is not None:
        band = (high_pass_hz, low_pass_hz)
        return butter(order, band, "bandpass", output="sos", fs=1 / t_r)
    if high_pass_hz is not None:
        return butter(order, high_pass_hz, "highpass", output="sos", fs=1 / t_r)
    if low_pass_hz is not None:
        return butter(order, low_pass_hz, "lowpass", output="sos", fs=1 / t_r)
    raise ValueError("A Butterworth filter needs a high-pass, a low-pass, or both.")


def _padding(sections: FloatArray) -> int:
    """Length of the padding that scipy's ``sosfiltfilt`` chooses: three times the filter's."""
    taps = 2 * len(sections) + 1
    at_origin = min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    return 3 * int(taps - at_origin)


def _check_cutoffs(high_pass_hz: float | None, low_pass_hz: float | None, t_r: float) -> None:
    if not (np.isfinite(t_r) and t_r > 0):
        raise RunError(f"The repetition time must be above 0 s, and is {t_r} s.")
    nyquist_hz = 1 / (2 * t_r)
    for name, cutoff_hz in (("high-pass", high_pass_hz), ("low-pass", low_pass_hz)):
        if cutoff_hz is not None and not 0 < cutoff_hz < nyquist_hz:
            raise RunError(
                f"The {name} cut-off of {cutoff_hz:g} Hz must lie above 0 and below the Nyquist "
                f"frequency, which is {nyquist_hz:g} Hz for a repetition time of {t_r:g} s."
            )
    if high_pass_hz is not None and low_pass_hz is not None and high_pass_hz >= low_pass_hz:
        raise RunError(
            f"The high-pass cut-off ({high_pass_hz:g} Hz) must be below the low-pass cut-off "
            f"({low_pass_hz:g} Hz), or nothing is left between them."
        )
