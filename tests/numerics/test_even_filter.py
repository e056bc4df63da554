import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt, sosfreqz

from bidsmask.errors import RunError
from bidsmask.numerics.even_filter import butterworth_even, butterworth_gain
from bidsmask.numerics.filters import cosines

SEEDS = st.integers(0, 2**32 - 1)
BANDS = {"bandpass": (0.01, 0.08), "highpass": (0.01, None), "lowpass": (None, 0.08)}
BAND = st.sampled_from(sorted(BANDS))
T_R = 2.0
ROUNDING = 1e-12


def band_of(kind):
    return dict(zip(("high_pass_hz", "low_pass_hz"), BANDS[kind], strict=True)) | {"t_r": T_R}


def sections_of(kind, order=5):
    cutoffs = [cutoff for cutoff in BANDS[kind] if cutoff is not None]
    return butter(
        order, cutoffs if len(cutoffs) > 1 else cutoffs[0], kind, fs=1 / T_R, output="sos"
    )


@given(seed=SEEDS, kind=BAND, n_volumes=st.integers(1, 200))
def test_a_run_in_reverse_is_filtered_in_reverse(seed, kind, n_volumes):
    signals = np.random.default_rng(seed).normal(size=(n_volumes, 3))
    np.testing.assert_allclose(
        butterworth_even(signals[::-1], **band_of(kind))[::-1],
        butterworth_even(signals, **band_of(kind)),
        atol=ROUNDING,
    )


@given(seed=SEEDS, kind=BAND, n_volumes=st.integers(2, 200))
def test_the_filter_is_a_symmetric_operator_that_amplifies_nothing(seed, kind, n_volumes):
    operator = butterworth_even(np.eye(n_volumes), **band_of(kind))
    np.testing.assert_allclose(operator, operator.T, atol=ROUNDING)
    gains = np.linalg.eigvalsh(operator)
    assert gains.min() > -ROUNDING
    assert gains.max() < 1 + ROUNDING


@pytest.mark.parametrize("kind", BANDS)
@pytest.mark.parametrize("half_periods", [0, 1, 5, 40, 119])
def test_each_cosine_comes_out_as_itself_times_the_gain(kind, half_periods):
    wave = cosines(120, np.array([half_periods]))
    gain = butterworth_gain(np.array([half_periods / (2 * 120 * T_R)]), **band_of(kind))
    np.testing.assert_allclose(butterworth_even(wave, **band_of(kind)), gain * wave, atol=ROUNDING)


@pytest.mark.parametrize("kind", BANDS)
@pytest.mark.parametrize("order", [1, 2, 5])
def test_the_gain_is_that_of_scipy_run_both_ways(kind, order):
    frequencies = np.linspace(0, 0.24, 97)
    _, response = sosfreqz(sections_of(kind, order), frequencies, fs=1 / T_R)
    ours = butterworth_gain(frequencies, **band_of(kind), order=order)
    np.testing.assert_allclose(ours, np.abs(response) ** 2, atol=1e-9)


@pytest.mark.parametrize("kind", BANDS)
def test_the_filter_is_scipys_of_a_run_that_is_mirrored_many_times(kind):
    signals = np.random.default_rng(0).normal(size=(150, 4))
    mirrored = np.concatenate([signals[::-1], signals] * 7)
    theirs = sosfiltfilt(sections_of(kind), mirrored, axis=0, padtype=None)
    np.testing.assert_allclose(
        butterworth_even(signals, **band_of(kind)), theirs[7 * 150 : 8 * 150], atol=1e-9
    )


@pytest.mark.parametrize("kind", ["bandpass", "highpass"])
def test_a_level_however_high_costs_no_precision(kind):
    signals = np.random.default_rng(0).normal(size=(150, 4))
    np.testing.assert_allclose(
        butterworth_even(signals + 1e6, **band_of(kind)),
        butterworth_even(signals, **band_of(kind)),
        atol=1e-9,
    )


def test_ends_are_not_inflated_as_with_33_reflected_volumes():
    """White noise at 0.8 s: the standard deviation near the ends beside that of the middle."""
    noise = np.random.default_rng(0).normal(size=(490, 2000))
    band = {"t_r": 0.8, "high_pass_hz": 0.01, "low_pass_hz": 0.08}
    even = butterworth_even(noise, **band).std(axis=1)
    sections = butter(5, [0.01, 0.08], "bandpass", fs=1 / 0.8, output="sos")
    odd = sosfiltfilt(sections, noise, axis=0, padtype="odd", padlen=33).std(axis=1)
    assert odd[:20].max() / odd[245] > 2.5
    assert even.max() / even[245] == pytest.approx(2**0.5, rel=0.1)  # as of every mirrored noise


@pytest.mark.parametrize(
    ("band", "said"),
    [
        ({"high_pass_hz": 0.01, "low_pass_hz": 0.25}, "Nyquist"),
        ({"high_pass_hz": 0.1, "low_pass_hz": 0.05}, "must be below the low-pass"),
    ],
)
def test_impossible_bands_are_refused(band, said):
    with pytest.raises(RunError, match=said):
        butterworth_even(np.zeros((10, 1)), t_r=T_R, **band)
