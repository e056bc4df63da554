import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.signal import butter, filtfilt, iirnotch

from bidsmask.numerics.respiration import alias_band_hz, alias_hz, remove_above, remove_band

T_RS = st.sampled_from([0.4, 0.72, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0])
FREQUENCIES = st.floats(0.01, 1.5)


def motion(seed=0, n_volumes=240):
    return np.cumsum(np.random.default_rng(seed).normal(size=(n_volumes, 6)), axis=0)


# --- laws


@given(frequency=FREQUENCIES, t_r=T_RS)
def test_a_wave_and_its_alias_have_the_same_samples(frequency, t_r):
    times = t_r * np.arange(100)
    folded = alias_hz(frequency, t_r)
    assert 0 <= folded <= 0.5 / t_r + 1e-12
    np.testing.assert_allclose(
        np.cos(2 * np.pi * frequency * times), np.cos(2 * np.pi * folded * times), atol=1e-8
    )


@given(frequency=FREQUENCIES, t_r=T_RS)
def test_an_alias_is_its_own_alias(frequency, t_r):
    once = alias_hz(frequency, t_r)
    assert alias_hz(once, t_r) == pytest.approx(once, abs=1e-12)


@given(low=st.floats(0.05, 0.8), width=st.floats(0.02, 0.2), t_r=T_RS, share=st.floats(0, 1))
def test_all_of_a_band_shows_up_between_its_folded_edges(low, width, t_r, share):
    try:
        first, last = alias_band_hz(low, low + width, t_r)
    except ValueError:
        assume(False)
    assert first - 1e-9 <= alias_hz(low + share * width, t_r) <= last + 1e-9


@given(seed=st.integers(0, 99), offset=st.floats(-50, 50))
def test_where_the_head_lies_is_not_filtered(seed, offset):
    moved = motion(seed)
    for remove in (
        lambda values: remove_band(values, t_r=0.8, low_hz=0.2, high_hz=0.3),
        lambda values: remove_above(values, t_r=2.0, cutoff_hz=0.1),
    ):
        np.testing.assert_allclose(remove(moved + offset), remove(moved) + offset, atol=1e-9)


@given(seed=st.integers(0, 99), factor=st.floats(-3, 3))
def test_filters_are_linear(seed, factor):
    one, other = motion(seed), motion(seed + 1)
    for remove in (
        lambda values: remove_band(values, t_r=0.8, low_hz=0.2, high_hz=0.3),
        lambda values: remove_above(values, t_r=2.0, cutoff_hz=0.1),
    ):
        np.testing.assert_allclose(
            remove(one + factor * other), remove(one) + factor * remove(other), atol=1e-9
        )


@given(shift=st.integers(1, 20))
def test_a_wave_that_begins_later_is_filtered_to_the_same_later(shift):
    """In the middle of a run, where its ends are forgotten."""
    times = 0.8 * np.arange(400)
    wave = np.cos(2 * np.pi * 0.05 * times) + np.cos(2 * np.pi * 0.28 * times)
    columns = np.stack([wave, np.roll(wave, shift)], axis=1)
    left = remove_band(columns, t_r=0.8, low_hz=0.2, high_hz=0.3)
    middle = slice(150, 250)
    np.testing.assert_allclose(np.roll(left[:, 0], shift)[middle], left[middle, 1], atol=1e-6)


# --- cases


@pytest.mark.parametrize(
    ("frequency", "t_r", "folded"), [(0.30, 2.0, 0.20), (0.28, 0.8, 0.28), (0.35, 3.0, 0.016667)]
)
def test_the_fourier_transform_shows_the_alias(frequency, t_r, folded):
    wave = np.cos(2 * np.pi * frequency * t_r * np.arange(6000))
    peak = np.fft.rfftfreq(6000, t_r)[np.argmax(np.abs(np.fft.rfft(wave)))]
    assert alias_hz(frequency, t_r) == pytest.approx(folded, abs=1e-5)
    assert peak == pytest.approx(folded, abs=2e-4)


def test_breathing_above_nyquist_is_taken_out_where_it_shows_up():
    wave = np.cos(2 * np.pi * 0.35 * 2.0 * np.arange(300))[:, np.newaxis]  # seen at 0.15 Hz
    left = remove_band(wave, t_r=2.0, low_hz=0.3, high_hz=0.4)
    assert abs(left[80:-80]).max() < 1e-6


@pytest.mark.parametrize(
    ("low", "high", "t_r"), [(0.2, 0.3, 2.0), (0.3, 0.35, 3.0), (0.9, 1.1, 1.0)]
)
def test_a_band_over_a_fold_is_refused(low, high, t_r):
    with pytest.raises(ValueError, match="folded onto itself"):
        alias_band_hz(low, high, t_r)


def test_a_band_up_to_a_fold_has_a_meaning():
    assert alias_band_hz(0.2, 0.25, 2.0) == pytest.approx((0.2, 0.25))
    assert alias_band_hz(0.25, 0.3, 2.0) == pytest.approx((0.2, 0.25))


@pytest.mark.parametrize("cutoff_hz", [0.25, 0.3])
def test_a_low_pass_at_nyquist_or_above_is_refused(cutoff_hz):
    with pytest.raises(ValueError, match="samples nothing above 15 breaths"):
        remove_above(motion(), t_r=2.0, cutoff_hz=cutoff_hz)


# --- an oracle: scipy.signal, with the padding of XCP-D


@pytest.mark.parametrize("order", [4, 8])
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.3), (0.25, 0.31)])
def test_the_notch_is_that_of_scipy(low, high, order):
    expected = moved = motion(n_volumes=300)
    b, a = iirnotch((low + high) / 2, (low + high) / 2 / (high - low), fs=1 / 0.8)
    for _ in range(order // 4):
        expected = filtfilt(b, a, expected, axis=0, padtype="constant", padlen=299)
    found = remove_band(moved, t_r=0.8, low_hz=low, high_hz=high, order=order)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("order", [2, 4])
def test_the_low_pass_is_that_of_scipy(order):
    moved = motion(n_volumes=200)
    b, a = butter(order // 2, 0.1, fs=1 / 2.0)
    expected = filtfilt(b, a, moved, axis=0, padtype="constant", padlen=199)
    found = remove_above(moved, t_r=2.0, cutoff_hz=0.1, order=order)
    np.testing.assert_allclose(found, expected, atol=1e-9)
