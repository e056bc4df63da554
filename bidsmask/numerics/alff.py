"""How strongly signals fluctuate slowly: ALFF, and its share of all fluctuation, fALFF.

Both are of signals that no filter has touched: of band-passed ones fALFF is 1 everywhere, and
ALFF says how the filter passes its band. Nor are they of standardised signals, whose amplitudes
have been divided by themselves.
"""

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.errors import RunError

ALFF_BAND_HZ = (0.01, 0.1)
"""Frequencies that count as slow, ends included."""

_ROUNDING = 1e-9


class AmplitudeSpectrum:
    """Amplitudes of the frequencies of a run: made once, applied to any columns of it.

    Parameters
    ----------
    t_r : float
        Repetition time in seconds.
    sample_mask : bool array of shape (T,)
        True = kept.

    Attributes
    ----------
    frequencies_hz : float64 array of shape (F,)
        k / (T `t_r`) for k from 1, up to the Nyquist frequency; the same whatever is kept.
    slow : bool array of shape (F,)
        Those of the band of ALFF.

    Raises
    ------
    RunError
        If the run has no frequency in the band, or cannot have all of it.

    Notes
    -----
    Of a whole run they are those of the discrete Fourier transform, 2 abs(FFT) / T. Where volumes
    are left out they are those of the Lomb-Scargle periodogram P of the n kept ones, 2 √(P / n):
    each frequency is fitted by least squares, and a gap is no zero. At the Nyquist frequency,
    which has one phase only, the first is √2 of the second; at all others they are the same.

    References
    ----------
    Lomb (1976), Astrophys. Space Sci. 39, doi:10.1007/BF00648343;
    Scargle (1982), Astrophys. J. 263, doi:10.1086/160554

    Examples
    --------
    >>> spectrum = AmplitudeSpectrum(t_r=2.0, sample_mask=np.ones(100, dtype=bool))
    >>> wave = 3 * np.sin(2 * np.pi * 0.05 * 2.0 * np.arange(100))
    >>> amplitudes = spectrum(wave[:, np.newaxis])
    >>> float(spectrum.frequencies_hz[9]), float(amplitudes[9, 0].round(9))
    (0.05, 3.0)
    """

    def __init__(self, *, t_r: float, sample_mask: BoolArray) -> None:
        self.frequencies_hz: FloatArray = np.fft.rfftfreq(sample_mask.size, t_r)[1:]
        self.slow = slow_frequencies(sample_mask.size, t_r)
        self._waves = None
        if not sample_mask.all():
            self._waves = _waves(self.frequencies_hz, np.flatnonzero(sample_mask) * t_r)

    def __call__(self, signals: FloatArray) -> FloatArray:
        """Compute amplitudes (F, P), in the unit of the signals (T_kept, P).

        Columns have a mean of 0, as residuals have. NaN stays in its column.
        """
        if self._waves is None:
            transformed = np.fft.rfft(signals, axis=0)[1:]
            amplitudes: FloatArray = np.abs(transformed)
            amplitudes *= 2 / len(signals)
            return amplitudes
        cosines, sines = np.split(self._waves.T @ signals, 2)
        power = (cosines**2 + sines**2) / 2
        return 2 * np.sqrt(power / len(signals))


def _waves(frequencies_hz: FloatArray, times_s: FloatArray) -> FloatArray:
    """Cosines and sines (T_kept, 2 F) of length 1, orthogonal in each pair on these volumes."""
    angles = 2 * np.pi * np.outer(times_s, frequencies_hz)
    shift = np.arctan2(np.sin(2 * angles).sum(axis=0), np.cos(2 * angles).sum(axis=0)) / 2
    waves = np.hstack([np.cos(angles - shift), np.sin(angles - shift)])
    lengths = np.linalg.norm(waves, axis=0)
    lengths[lengths < _ROUNDING * np.sqrt(times_s.size)] = np.inf  # no sine at Nyquist
    normalised: FloatArray = waves / lengths
    return normalised


def alff(signals: FloatArray, spectrum: AmplitudeSpectrum) -> tuple[FloatArray, FloatArray]:
    """Compute the amplitude of slow fluctuations, and its share of that of all.

    Parameters
    ----------
    signals : array of shape (T_kept, P)
        Residuals of a regression, neither filtered nor standardised.
    spectrum : AmplitudeSpectrum
        Of their run.

    Returns
    -------
    alff : float64 array of shape (P,)
        Mean amplitude from 0.01 to 0.1 Hz, in the unit of the signals.
    falff : float64 array of shape (P,)
        Sum of these amplitudes, divided by that of all frequencies above 0; from 0 to 1. NaN
        where a signal does not change.

    References
    ----------
    Zang et al. (2007), doi:10.1016/j.braindev.2006.07.002 (ALFF);
    Zou et al. (2008), doi:10.1016/j.jneumeth.2008.04.012 (fALFF)

    Examples
    --------
    >>> seconds = 2.0 * np.arange(200)
    >>> slow, fast = (np.sin(2 * np.pi * hz * seconds) for hz in (0.05, 0.2))
    >>> spectrum = AmplitudeSpectrum(t_r=2.0, sample_mask=np.ones(200, dtype=bool))
    >>> amplitude, share = alff((3 * slow + fast)[:, np.newaxis], spectrum)
    >>> float((amplitude[0] * spectrum.slow.sum()).round(9)), float(share[0].round(9))
    (3.0, 0.75)
    """
    amplitudes = spectrum(signals)
    sums, all_sums = amplitudes[spectrum.slow].sum(axis=0), amplitudes.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return sums / np.count_nonzero(spectrum.slow), sums / all_sums


def slow_frequencies(n_volumes: int, t_r: float) -> BoolArray:
    """Tell which frequencies of a run are of the band of ALFF; see `AmplitudeSpectrum`."""
    slowest, fastest = ALFF_BAND_HZ
    nyquist_hz = 1 / (2 * t_r)
    if fastest > nyquist_hz * (1 + _ROUNDING):
        raise RunError(
            f"ALFF is the mean amplitude from {slowest:g} to {fastest:g} Hz, and a repetition "
            f"time of {t_r:g} s shows none above {nyquist_hz:g} Hz. ALFF needs 5 s or less."
        )
    hz = np.fft.rfftfreq(n_volumes, t_r)[1:]
    slow: BoolArray = (hz >= slowest * (1 - _ROUNDING)) & (hz <= fastest * (1 + _ROUNDING))
    if not slow.any():
        raise RunError(
            f"ALFF is the mean amplitude from {slowest:g} to {fastest:g} Hz, and {n_volumes} "
            f"volumes of {t_r:g} s have no frequency there. ALFF needs a longer run."
        )
    return slow
