"""Temporal filters: operators on the T samples (axis 0) of any number of columns."""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bidsmask._typing import FloatArray, IntArray
from bidsmask.errors import DegreesOfFreedomError, RunError

Padding = Literal["odd", "even", "constant"]
ComplexArray = NDArray[np.complex128]

BUTTERWORTH_ORDER = 5
"""Order of one pass; forwards and backwards together attenuate like order ten."""

STRETCH = 32
"""So many volumes are filtered at once: one matrix product instead of a loop over volumes."""


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
    check_cutoffs(high_pass_hz, None, t_r)
    # Rounded first: 3.9999999999999996 is 4 that went through a computer.
    order = int(np.floor(round(2 * n_volumes * high_pass_hz * t_r, 9)))
    return cosines(n_volumes, np.arange(1, order + 1))


def cosines(n_volumes: int, half_periods: IntArray) -> FloatArray:
    """Orthonormal cosines, each with so many half periods in a run: (T, K); 0 is a constant."""
    phase = np.pi / n_volumes * (np.arange(n_volumes) + 0.5)
    waves: FloatArray = np.cos(np.outer(phase, half_periods))
    waves *= np.sqrt(np.where(half_periods == 0, 1, 2) / n_volumes)
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

    Notes
    -----
    Each pass begins as if its first value had been there forever: that value, filtered, is itself
    times the response to a constant, and the rest is filtered from silence.

    References
    ----------
    Butterworth (1930), Experimental Wireless and the Wireless Engineer 7, 536-541;
    Gustafsson (1996), IEEE Trans. Signal Processing 44(4), doi:10.1109/78.492552 (both passes)

    Examples
    --------
    >>> level = np.full((40, 1), 5.0)
    >>> float(butterworth(level, t_r=2.0, high_pass_hz=None, low_pass_hz=0.1).max().round(9))
    5.0
    >>> float(butterworth(level, t_r=2.0, high_pass_hz=0.01, low_pass_hz=0.1).max())
    0.0
    """
    check_cutoffs(high_pass_hz, low_pass_hz, t_r)
    n_poles, stretch = _recursion(order, t_r, high_pass_hz, low_pass_hz)
    n_padding = 3 * (n_poles + 1) if n_padding is None else n_padding
    n_padding = n_padding if padding else 0
    if len(signals) <= n_padding:
        raise DegreesOfFreedomError(
            f"A Butterworth filter needs more than {n_padding} volumes in a row to pad its ends, "
            f"and here are {len(signals)} (from the first kept to the last). "
            'Choose the filter "cosine" or "none" for such short runs.'
        )
    level = 0.0 if high_pass_hz is not None else 1.0  # what becomes of a constant of 1
    return _both_ways(signals, stretch, level, padding, n_padding)


def notch(signals: FloatArray, *, t_r: float, centre_hz: float, bandwidth_hz: float) -> FloatArray:
    """Zero-phase notch of the second order, run forwards and backwards.

    The ends are padded by the end point, for as long as the run.

    Parameters
    ----------
    signals : array of shape (T, P)
        Evenly sampled; no NaN.
    t_r : float
        Repetition time in seconds.
    centre_hz : float
        This frequency is taken away. Above 0 and below the Nyquist frequency.
    bandwidth_hz : float
        One pass halves the power this far apart.

    Returns
    -------
    filtered : float64 array of shape (T, P)

    References
    ----------
    Orfanidis (2010), Introduction to Signal Processing, section 11.3

    Examples
    --------
    >>> breaths = np.cos(2 * np.pi * 0.25 * np.arange(200))[:, np.newaxis]
    >>> left = notch(breaths, t_r=1.0, centre_hz=0.25, bandwidth_hz=0.1)
    >>> bool(abs(left[50:150]).max() < 1e-6)
    True
    """
    cosine = np.cos(2 * np.pi * centre_hz * t_r)
    gain = 1 / (1 + np.tan(np.pi * bandwidth_hz * t_r))
    section = [[gain, -2 * gain * cosine, gain], [1.0, -2 * gain * cosine, 2 * gain - 1]]
    stretch = _stretch_matrix(np.array([section]))
    return _both_ways(signals, stretch, 1.0, "constant", len(signals) - 1)


def _both_ways(
    signals: FloatArray, stretch: FloatArray, level: float, padding: Padding | None, n_padding: int
) -> FloatArray:
    """Filter forwards and backwards; `level` is what becomes of a constant of 1 in one pass."""
    forwards = _one_pass(_padded(signals, padding, n_padding), stretch, level)
    backwards = _one_pass(forwards[::-1], stretch, level)
    return backwards[::-1][n_padding : n_padding + len(signals)]


@lru_cache(maxsize=8)
def _recursion(
    order: int, t_r: float, high_pass_hz: float | None, low_pass_hz: float | None
) -> tuple[int, FloatArray]:
    """Number of poles and matrix of a stretch, once for all blocks of columns of a run."""
    sections = _sections(order, t_r, high_pass_hz, low_pass_hz)
    stretch = _stretch_matrix(sections)
    stretch.flags.writeable = False
    return _n_poles(sections), stretch


def _sections(
    order: int, t_r: float, high_pass_hz: float | None, low_pass_hz: float | None
) -> FloatArray:
    """Second-order sections, which stay stable where polynomial coefficients do not.

    Parameters
    ----------
    order : int
        Pairs of poles of a band-pass, poles of the others.

    Returns
    -------
    sections : float64 array of shape (S, 2, 3)
        Numerator b0, b1, b2 and denominator 1, a1, a2, in powers of one volume's delay. A single
        pole makes a section of the first order: b2 and a2 are 0.

    References
    ----------
    Oppenheim & Schafer, Discrete-Time Signal Processing, chapter 7: the bilinear transform
    s = (z - 1) / (z + 1), under which a frequency f becomes tan(pi f t_r), and the way from a
    low-pass to a high-pass and a band-pass
    """
    if order != int(order) or order < 1:
        raise ValueError(f"The order of a filter must be a whole number above 0, not {order}.")
    # Poles of the low-pass at 1: on the unit circle, left. A conjugate goes with each of these.
    upper = np.exp(0.5j * np.pi * (1 + np.arange(1, order, 2) / order))
    middle: ComplexArray = np.full(int(order) % 2, -1.0, dtype=np.complex128)
    slowest, fastest = (
        None if cutoff_hz is None else float(np.tan(np.pi * cutoff_hz * t_r))
        for cutoff_hz in (high_pass_hz, low_pass_hz)
    )
    if slowest is not None and fastest is not None:
        return _band_pass(upper, middle, slowest, fastest)
    if slowest is not None:
        return _one_sided(slowest / upper, slowest / middle, zero=1.0)
    if fastest is not None:
        return _one_sided(fastest * upper, fastest * middle, zero=-1.0)
    raise ValueError("A Butterworth filter needs a high-pass, a low-pass, or both.")


def _one_sided(upper: ComplexArray, middle: ComplexArray, *, zero: float) -> FloatArray:
    """Sections of a low-pass (zeros at -1) or high-pass (zeros at 1), from its analog poles."""
    pairs = [_section(pole, pole.conjugate(), [1, -2 * zero, 1], at=-zero) for pole in upper]
    single = [_section(pole, -1.0, [1, -zero, 0], at=-zero) for pole in middle]
    return np.array(pairs + single)


def _band_pass(
    upper: ComplexArray, middle: ComplexArray, slowest: float, fastest: float
) -> FloatArray:
    """Sections of a band-pass: each pole of the low-pass becomes a slow and a fast one.

    Slow poles go with zeros at 1 and fast ones with zeros at -1, so that no section amplifies by
    much what the next ones have to take away.
    """
    centre = slowest * fastest
    passes = (1 + 1j * np.sqrt(centre)) / (1 - 1j * np.sqrt(centre))
    sections = []
    for slow, fast in zip(*_split(upper, slowest, fastest), strict=True):
        sections.append(_section(slow, slow.conjugate(), [1, -2, 1], at=passes))
        sections.append(_section(fast, fast.conjugate(), [1, 2, 1], at=passes))
    for slow, fast in zip(*_split(middle, slowest, fastest), strict=True):
        sections.append(_section(slow, fast, [1, 0, -1], at=passes))
    return np.array(sections)


def _split(poles: ComplexArray, slowest: float, fastest: float) -> tuple[ComplexArray, ...]:
    """Give the two solutions s of s + slowest fastest / s = (fastest - slowest) pole."""
    half = poles * (fastest - slowest) / 2
    root = np.sqrt(half**2 - slowest * fastest)
    one, other = half + root, half - root
    first_is_slow = np.abs(one) <= np.abs(other)
    return np.where(first_is_slow, one, other), np.where(first_is_slow, other, one)


def _section(
    pole: complex, other: complex, numerator: list[float], *, at: complex
) -> list[FloatArray]:
    """Numerator and denominator for two analog poles, with an absolute gain of 1 at one z."""
    first, second = ((1 + analog) / (1 - analog) for analog in (pole, other))
    denominator = np.real([1, -(first + second), first * second])
    gain = np.abs(np.polyval(denominator, at) / np.polyval(numerator, at))
    return [gain * np.array(numerator), denominator]


def _n_poles(sections: FloatArray) -> int:
    of_first_order = sections[:, 0, 2] == 0
    return 2 * len(sections) - int(np.count_nonzero(of_first_order))


def _stretch_matrix(sections: FloatArray) -> FloatArray:
    """What the recursion does to a stretch of samples, as a matrix.

    It takes the samples of a stretch and the states (two for each section) before it to the
    filtered samples and the states behind it, one below the other. As the recursion is linear,
    it is enough to run it once over the columns of the identity.

    Returns
    -------
    matrix : float64 array of shape (STRETCH + 2 S, STRETCH + 2 S)

    References
    ----------
    Oppenheim & Schafer, Discrete-Time Signal Processing, chapter 6 (transposed direct form II)
    """
    matrix = np.eye(STRETCH + 2 * len(sections))
    states = matrix[STRETCH:].reshape(len(sections), 2, -1)
    for sample in matrix[:STRETCH]:
        for ((b0, b1, b2), (_, a1, a2)), (near, far) in zip(sections, states, strict=True):
            filtered = b0 * sample + near
            near[:] = b1 * sample - a1 * filtered + far
            far[:] = b2 * sample - a2 * filtered
            sample[:] = filtered
    return matrix


def _one_pass(signals: FloatArray, stretch: FloatArray, level: float) -> FloatArray:
    """Filter forwards, one stretch after the other."""
    filtered: FloatArray = np.empty(signals.shape)
    block = np.zeros((len(stretch), signals.shape[1]))  # the samples, and below them the states
    for start in range(0, len(signals), STRETCH):
        samples = signals[start : start + STRETCH]
        np.subtract(samples, signals[0], out=block[: len(samples)])
        result = stretch @ block
        filtered[start : start + STRETCH] = result[: len(samples)]
        block[STRETCH:] = result[STRETCH:]
    if level:
        filtered += level * signals[0]
    return filtered


def _padded(signals: FloatArray, padding: Padding | None, n_padding: int) -> FloatArray:
    if padding is None or n_padding <= 0:
        return signals
    how: dict[Padding, dict[str, Any]] = {
        "odd": {"mode": "reflect", "reflect_type": "odd"},
        "even": {"mode": "reflect"},
        "constant": {"mode": "edge"},
    }
    if padding not in how:
        raise ValueError(f"padding must be one of {', '.join(how)} or None, not {padding!r}.")
    padded: FloatArray = np.pad(
        signals.astype(np.float64, copy=False), ((n_padding, n_padding), (0, 0)), **how[padding]
    )
    return padded


def check_cutoffs(high_pass_hz: float | None, low_pass_hz: float | None, t_r: float) -> None:
    """Refuse cut-offs in Hz that no run with this repetition time in seconds can have."""
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
