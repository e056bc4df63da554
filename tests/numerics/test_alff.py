"""ALFF and fALFF: what was planted, scipy's periodograms, and what no unit or order changes."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import RunError
from bidsmask.numerics.alff import ALFF_BAND_HZ, AmplitudeSpectrum, alff

T, T_R = 200, 2.0
ROUNDING = 1e-12
"""Relative: of sums of a few hundred numbers."""

MISSING_30_PERCENT = 0.15
"""Of an amplitude of 3, by what a gap lets leak in from other frequencies."""


def spectrum_of(kept=None, t_r=T_R, n_volumes=T):
    kept = np.ones(n_volumes, dtype=bool) if kept is None else kept
    return AmplitudeSpectrum(t_r=t_r, sample_mask=kept)


def wave(hz, amplitude, phase=0.3):
    return amplitude * np.sin(2 * np.pi * hz * T_R * np.arange(T) + phase)


def residuals(seed, n_columns=4, n_volumes=T):
    noise = np.random.default_rng(seed).normal(size=(n_volumes, n_columns))
    return scipy.signal.detrend(noise, axis=0)


def censored(share=0.3, seed=0):
    return np.random.default_rng(seed).random(T) >= share


def test_planted_amplitudes_of_3_and_1_are_found_and_so_is_the_share_of_three_quarters():
    planted = (wave(0.05, 3) + wave(0.2, 1))[:, np.newaxis]
    spectrum = spectrum_of()
    amplitude, share = alff(planted, spectrum)
    np.testing.assert_allclose(amplitude * spectrum.slow.sum(), 3, rtol=1e-9)
    np.testing.assert_allclose(share, 0.75, rtol=1e-9)


def test_a_planted_amplitude_is_found_with_30_percent_of_the_volumes_missing():
    kept = censored()
    spectrum = spectrum_of(kept)
    amplitudes = spectrum(wave(0.05, 3)[kept, np.newaxis])
    place = np.argmin(np.abs(spectrum.frequencies_hz - 0.05))
    assert abs(amplitudes[place, 0] - 3) < MISSING_30_PERCENT
    assert np.argmax(amplitudes[:, 0]) == place


@pytest.mark.parametrize("n_volumes", [200, 201])
def test_amplitudes_are_those_of_a_plain_fourier_transform(n_volumes):
    signals = residuals(1, n_volumes=n_volumes)
    hz = np.fft.rfftfreq(n_volumes, T_R)[1:]
    plain = 2 * np.abs(np.fft.rfft(signals, axis=0))[1:] / n_volumes
    slow = (hz > 0.01 - 1e-9) & (hz < 0.1 + 1e-9)
    amplitude, share = alff(signals, spectrum_of(n_volumes=n_volumes))
    np.testing.assert_allclose(amplitude, plain[slow].mean(axis=0), rtol=ROUNDING)
    np.testing.assert_allclose(share, plain[slow].sum(axis=0) / plain.sum(axis=0), rtol=ROUNDING)


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_of_kept_volumes_amplitudes_are_those_of_scipys_lomb_scargle_periodogram(share):
    kept = censored(share)
    signals, spectrum = residuals(2)[kept], spectrum_of(kept)
    times, angular = np.flatnonzero(kept) * T_R, 2 * np.pi * spectrum.frequencies_hz
    power = np.column_stack([scipy.signal.lombscargle(times, each, angular) for each in signals.T])
    expected = 2 * np.sqrt(power / len(signals))
    np.testing.assert_allclose(spectrum(signals), expected, rtol=1e-8, atol=1e-10)


@given(seed=st.integers(0, 2**32 - 1), n_volumes=st.integers(60, 90))
def test_of_a_whole_run_both_ways_are_one_but_at_nyquist(seed, n_volumes):
    signals, spectrum = residuals(seed, n_volumes=n_volumes), spectrum_of(n_volumes=n_volumes)
    times, angular = np.arange(n_volumes) * T_R, 2 * np.pi * spectrum.frequencies_hz[:-1]
    power = np.column_stack([scipy.signal.lombscargle(times, each, angular) for each in signals.T])
    expected = 2 * np.sqrt(power / n_volumes)
    np.testing.assert_allclose(spectrum(signals)[:-1], expected, rtol=1e-8, atol=1e-10)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100), drops=st.booleans())
def test_alff_has_the_unit_of_the_signals_and_falff_has_none(seed, scale, drops):
    kept = censored(seed=seed % 7) if drops else np.ones(T, dtype=bool)
    signals, spectrum = residuals(seed)[kept], spectrum_of(kept)
    amplitude, share = alff(signals, spectrum)
    scaled, same = alff(scale * signals, spectrum)
    np.testing.assert_allclose(scaled, scale * amplitude, rtol=1e-9)
    np.testing.assert_allclose(same, share, rtol=1e-9)
    assert ((share > 0) & (share < 1)).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_time_may_run_backwards(seed):
    kept = censored(seed=seed % 5)
    signals = residuals(seed)[kept]
    forwards = alff(signals, spectrum_of(kept))
    backwards = alff(signals[::-1], spectrum_of(kept[::-1]))
    np.testing.assert_allclose(forwards, backwards, rtol=1e-8)


def test_columns_without_numbers_or_changes_have_no_share_and_disturb_no_other():
    signals = residuals(3)
    expected = alff(signals, spectrum_of())
    signals[:, 0], signals[5, 1] = 0, np.nan
    amplitude, share = alff(signals, spectrum_of())
    assert amplitude[0] == 0
    assert np.isnan([share[0], amplitude[1], share[1]]).all()
    np.testing.assert_array_equal(amplitude[2:], expected[0][2:])
    np.testing.assert_array_equal(share[2:], expected[1][2:])


def test_the_ends_of_the_band_are_of_it():
    slowest, fastest = ALFF_BAND_HZ
    for hz in (slowest, fastest):
        _, share = alff(wave(hz, 1)[:, np.newaxis], spectrum_of())
        np.testing.assert_allclose(share, 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("t_r", "n_volumes", "words"),
    [(6.0, 200, "none above 0.0833333 Hz. ALFF needs 5 s"), (0.5, 10, "needs a longer run")],
)
def test_a_run_without_the_band_is_refused(t_r, n_volumes, words):
    with pytest.raises(RunError, match=words):
        spectrum_of(t_r=t_r, n_volumes=n_volumes)
