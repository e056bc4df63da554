import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn import signal
from scipy.signal import butter, sosfiltfilt

from bidsmask.errors import DegreesOfFreedomError, RunError
from bidsmask.numerics.filters import butterworth, cosine_basis, detrend

SEEDS = st.integers(0, 2**32 - 1)
CUTOFFS = [(0.01, 0.1), (0.01, None), (None, 0.1)]
"""Band-pass, high-pass, low-pass in Hz."""


def random_signals(seed, n_volumes=60, n_columns=3):
    return np.random.default_rng(seed).normal(size=(n_volumes, n_columns))


def irregular_times(seed, n_volumes=60):
    return np.sort(np.random.default_rng(seed).choice(200, n_volumes, replace=False))


@given(seed=SEEDS)
def test_what_is_left_after_detrending_has_no_mean_and_no_slope(seed):
    times = irregular_times(seed)
    left = detrend(random_signals(seed), times=times)
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(times @ left, 0, atol=1e-9)


@given(seed=SEEDS)
def test_detrending_twice_is_detrending_once(seed):
    once = detrend(random_signals(seed))
    np.testing.assert_allclose(detrend(once), once, atol=1e-12)


@given(seed=SEEDS, intercept=st.floats(-1000, 1000), slope=st.floats(-10, 10))
def test_a_line_on_the_true_time_axis_leaves_no_trace(seed, intercept, slope):
    times, signals = irregular_times(seed), random_signals(seed)
    line = (intercept + slope * times)[:, np.newaxis]
    np.testing.assert_allclose(
        detrend(signals + line, times=times), detrend(signals, times=times), atol=1e-9
    )


@given(seed=SEEDS, start=st.floats(-100, 100), step=st.floats(0.1, 10))
def test_the_unit_of_time_does_not_matter(seed, start, step):
    signals = random_signals(seed)
    np.testing.assert_allclose(
        detrend(signals, times=start + step * np.arange(60)), detrend(signals), atol=1e-10
    )


@given(seed=SEEDS, cutoffs=st.sampled_from(CUTOFFS), a=st.floats(-5, 5))
def test_the_butterworth_filter_is_linear(seed, cutoffs, a):
    x, y = random_signals(seed), random_signals(seed + 1)
    settings = {"t_r": 2.0, "high_pass_hz": cutoffs[0], "low_pass_hz": cutoffs[1]}
    np.testing.assert_allclose(
        butterworth(a * x + y, **settings),
        a * butterworth(x, **settings) + butterworth(y, **settings),
        atol=1e-10,
    )


@given(seed=SEEDS, cutoffs=st.sampled_from(CUTOFFS))
def test_columns_are_filtered_apart(seed, cutoffs):
    signals = random_signals(seed)
    settings = {"t_r": 2.0, "high_pass_hz": cutoffs[0], "low_pass_hz": cutoffs[1]}
    np.testing.assert_allclose(
        butterworth(signals, **settings)[:, :1],
        butterworth(signals[:, :1], **settings),
        atol=1e-12,
    )


@given(n_volumes=st.integers(10, 200), t_r=st.floats(0.5, 3), share=st.floats(0.01, 0.9))
def test_cosines_are_orthonormal_and_orthogonal_to_the_mean(n_volumes, t_r, share):
    basis = cosine_basis(n_volumes, t_r, share / (2 * t_r))
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-9)


def test_a_mean_without_a_line_is_all_one_volume_has():
    np.testing.assert_array_equal(detrend(np.array([[3.0, 4.0]])), [[0.0, 0.0]])


def test_a_missing_value_stays_in_its_column():
    signals = random_signals(0)
    signals[4, 1] = np.nan
    missing = np.isnan(detrend(signals)).any(axis=0)
    np.testing.assert_array_equal(missing, [False, True, False])


def test_integers_are_detrended_as_numbers():
    signals = np.array([[1], [5], [3]], dtype=np.int16)
    np.testing.assert_allclose(detrend(signals), detrend(signals.astype(float)))


@pytest.mark.parametrize(
    ("n_volumes", "t_r", "high_pass_hz", "n_cosines"),
    [
        (100, 2.0, 0.01, 4),
        (300, 2.0, 0.008, 9),
        (150, 2.5, 0.008, 6),
        (75, 2.0, 0.008, 2),
        (10, 2.0, 0.008, 0),
        (1000, 0.7, 0.01, 14),
    ],
)
def test_there_are_twice_duration_times_cutoff_cosines(n_volumes, t_r, high_pass_hz, n_cosines):
    assert cosine_basis(n_volumes, t_r, high_pass_hz).shape == (n_volumes, n_cosines)


def test_a_slow_wave_passes_the_low_pass_and_a_fast_one_the_high_pass():
    seconds = np.arange(400) * 2.0
    slow, fast = np.sin(2 * np.pi * 0.005 * seconds), np.sin(2 * np.pi * 0.15 * seconds)
    both, middle = (slow + fast)[:, np.newaxis], slice(100, -100)  # away from the ends
    high = butterworth(both, t_r=2.0, high_pass_hz=0.05, low_pass_hz=None)[:, 0]
    low = butterworth(both, t_r=2.0, high_pass_hz=None, low_pass_hz=0.05)[:, 0]
    np.testing.assert_allclose(high[middle], fast[middle], atol=1e-3)
    np.testing.assert_allclose(low[middle], slow[middle], atol=1e-3)


@pytest.mark.parametrize(("cutoffs", "padding"), list(zip(CUTOFFS, (33, 18, 18), strict=True)))
def test_a_run_must_be_longer_than_the_padding(cutoffs, padding):
    settings = {"t_r": 2.0, "high_pass_hz": cutoffs[0], "low_pass_hz": cutoffs[1]}
    with pytest.raises(DegreesOfFreedomError, match=f"more than {padding} .* are {padding}"):
        butterworth(np.zeros((padding, 1)), **settings)
    assert butterworth(np.zeros((padding + 1, 1)), **settings).shape == (padding + 1, 1)


@pytest.mark.parametrize(
    ("high_pass_hz", "low_pass_hz", "message"),
    [
        (0.3, None, "high-pass cut-off of 0.3 Hz .* which is 0.25 Hz"),
        (None, 0.25, "low-pass cut-off of 0.25 Hz .* which is 0.25 Hz"),
        (None, 0.0, "low-pass cut-off of 0 Hz"),
        (-0.1, None, "high-pass cut-off of -0.1 Hz"),
        (0.1, 0.05, r"high-pass cut-off \(0.1 Hz\) must be below the low-pass .*\(0.05 Hz\)"),
        (0.1, 0.1, "must be below"),
    ],
)
def test_impossible_cutoffs_are_refused_with_both_numbers(high_pass_hz, low_pass_hz, message):
    with pytest.raises(RunError, match=message):
        butterworth(
            np.zeros((100, 1)), t_r=2.0, high_pass_hz=high_pass_hz, low_pass_hz=low_pass_hz
        )


def test_a_filter_without_a_cutoff_is_refused():
    with pytest.raises(ValueError, match="needs a high-pass, a low-pass, or both"):
        butterworth(np.zeros((100, 1)), t_r=2.0, high_pass_hz=None, low_pass_hz=None)


@pytest.mark.parametrize("t_r", [0.0, -1.0, np.nan])
def test_an_impossible_repetition_time_is_refused(t_r):
    with pytest.raises(RunError, match="repetition time"):
        cosine_basis(100, t_r, 0.01)


def test_cosines_beyond_nyquist_are_refused():
    with pytest.raises(RunError, match="Nyquist"):
        cosine_basis(100, 2.0, 0.25)


@given(seed=SEEDS)
def test_lines_are_those_of_nilearn(seed):
    signals = random_signals(seed)
    np.testing.assert_allclose(detrend(signals), signal._detrend(signals), atol=1e-12)


@given(seed=SEEDS, cutoffs=st.sampled_from(CUTOFFS), t_r=st.sampled_from([0.72, 1.0, 2.0, 3.0]))
def test_the_butterworth_filter_is_that_of_nilearn(seed, cutoffs, t_r):
    signals = random_signals(seed, n_columns=2)
    expected = signal.butterworth(
        signals, sampling_rate=1 / t_r, high_pass=cutoffs[0], low_pass=cutoffs[1], copy=True
    )
    filtered = butterworth(signals, t_r=t_r, high_pass_hz=cutoffs[0], low_pass_hz=cutoffs[1])
    np.testing.assert_allclose(filtered, expected, atol=1e-12)


@given(n_volumes=st.integers(30, 300), t_r=st.sampled_from([0.72, 1.1, 2.0, 2.53]))
def test_cosines_are_those_of_nilearn(n_volumes, t_r):
    high_pass_hz = 0.0113
    exact = 2 * n_volumes * high_pass_hz * t_r
    if abs(exact - round(exact)) > 1e-6:  # else nilearn may lose a cosine to rounding
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = signal.create_cosine_drift(high_pass_hz, np.arange(n_volumes) * t_r)
        np.testing.assert_allclose(
            cosine_basis(n_volumes, t_r, high_pass_hz), expected[:, :-1], atol=1e-12
        )


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(("padding", "n_padding"), [("even", 7), ("constant", None), (None, 7)])
def test_order_and_padding_are_those_of_nilearn(order, padding, n_padding):
    signals = np.random.default_rng(0).normal(size=(60, 3))
    ours = butterworth(
        signals,
        t_r=2.0,
        high_pass_hz=0.01,
        low_pass_hz=0.1,
        order=order,
        padding=padding,
        n_padding=n_padding,
    )
    theirs = signal.butterworth(
        signals.copy(), 0.5, 0.1, 0.01, order=order, padtype=padding, padlen=n_padding, copy=True
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_without_padding_a_run_may_be_short():
    short = np.random.default_rng(0).normal(size=(5, 1))
    options = {"t_r": 2.0, "high_pass_hz": None, "low_pass_hz": 0.1}
    with pytest.raises(DegreesOfFreedomError, match="more than 18 volumes"):
        butterworth(short, **options)
    assert butterworth(short, padding=None, **options).shape == (5, 1)


# scipy.signal as oracle. It filters the mean away with an error of 1e-13 of it and more, and ours
# starts from the first value instead, so that there is no mean here that could hide a difference.

SCIPY_TOLERANCE = 1e-9  # of the largest value
BANDS = [(0.008, 0.1), (0.05, 0.1), (0.01, 0.9), (0.3, 0.6), (0.008, None), (None, 0.1)]
"""High-pass in Hz, or as a share of Nyquist where that is smaller; low-pass likewise."""


def filtered_by_scipy(signals, order, t_r, high_pass_hz, low_pass_hz, padding, n_padding):
    cutoffs = [cutoff for cutoff in (high_pass_hz, low_pass_hz) if cutoff]
    kind = "bandpass" if len(cutoffs) == 2 else "highpass" if high_pass_hz else "lowpass"
    sections = butter(order, np.squeeze(cutoffs), kind, output="sos", fs=1 / t_r)
    return sosfiltfilt(sections, signals, axis=0, padtype=padding, padlen=n_padding)


@given(
    seed=SEEDS,
    order=st.integers(1, 6),
    t_r=st.sampled_from([0.5, 0.72, 2.0, 3.0]),
    band=st.sampled_from(BANDS),
    n_volumes=st.sampled_from([60, 150, 400]),
    padding=st.sampled_from(["odd", "even", "constant", None]),
    n_padding=st.sampled_from([None, 0, 1, 50]),
)
def test_the_butterworth_filter_is_that_of_scipy(
    seed, order, t_r, band, n_volumes, padding, n_padding
):
    high, low = (cutoff and min(cutoff, cutoff / (2 * t_r)) for cutoff in band)
    n_padding = n_padding if padding else 0
    signals = random_signals(seed, n_volumes=n_volumes, n_columns=2)
    expected = filtered_by_scipy(signals, order, t_r, high, low, padding, n_padding)
    filtered = butterworth(
        signals,
        t_r=t_r,
        high_pass_hz=high,
        low_pass_hz=low,
        order=order,
        padding=padding,
        n_padding=n_padding,
    )
    np.testing.assert_allclose(
        filtered, expected, rtol=0, atol=SCIPY_TOLERANCE * np.abs(expected).max()
    )


@pytest.mark.parametrize("cutoffs", [(0.008, 0.1), (0.01, None), (None, 0.1)])
def test_a_long_run_is_filtered_as_scipy_does(cutoffs):
    signals = random_signals(0, n_volumes=2400)
    expected = filtered_by_scipy(signals, 5, 0.72, *cutoffs, "odd", None)
    filtered = butterworth(signals, t_r=0.72, high_pass_hz=cutoffs[0], low_pass_hz=cutoffs[1])
    np.testing.assert_allclose(filtered, expected, rtol=0, atol=SCIPY_TOLERANCE)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("pass_", ["high", "low"])
def test_half_of_nyquist_is_a_cutoff_like_any_other(order, pass_):
    """The pole in the middle lies at 0 then, and still counts for the padding."""
    cutoffs = {"high": (0.125, None), "low": (None, 0.125)}[pass_]
    signals = random_signals(1)
    filtered = butterworth(
        signals, t_r=2.0, high_pass_hz=cutoffs[0], low_pass_hz=cutoffs[1], order=order
    )
    expected = filtered_by_scipy(signals, order, 2.0, *cutoffs, "odd", None)
    np.testing.assert_allclose(filtered, expected, atol=1e-12)


@given(n_volumes=st.integers(34, 140), cutoffs=st.sampled_from(CUTOFFS))
def test_the_length_of_a_run_need_not_be_a_multiple_of_a_stretch(n_volumes, cutoffs):
    signals = random_signals(n_volumes, n_volumes=n_volumes)
    settings = {"t_r": 2.0, "high_pass_hz": cutoffs[0], "low_pass_hz": cutoffs[1]}
    expected = filtered_by_scipy(signals, 5, 2.0, *cutoffs, "odd", None)
    np.testing.assert_allclose(butterworth(signals, **settings), expected, atol=1e-12)


@given(
    level=st.floats(-1e6, 1e6),
    cutoffs=st.sampled_from(CUTOFFS),
    padding=st.sampled_from(["odd", "even", "constant", None]),
)
def test_a_constant_passes_a_low_pass_as_it_is_and_no_other_filter(level, cutoffs, padding):
    high, low = cutoffs
    constant = np.full((50, 2), level)
    filtered = butterworth(constant, t_r=2.0, high_pass_hz=high, low_pass_hz=low, padding=padding)
    np.testing.assert_array_equal(filtered, 0 if high else constant)


@pytest.mark.parametrize("cutoffs", CUTOFFS)
def test_the_filtered_identity_filters_by_a_matrix_product(cutoffs):
    signals = random_signals(2)
    settings = {"t_r": 2.0, "high_pass_hz": cutoffs[0], "low_pass_hz": cutoffs[1]}
    np.testing.assert_allclose(
        butterworth(np.eye(60), **settings) @ signals, butterworth(signals, **settings), atol=1e-12
    )


def test_the_content_of_the_filtered_signals_is_not_changed():
    signals = random_signals(3)
    copy = signals.copy()
    butterworth(signals, t_r=2.0, high_pass_hz=0.01, low_pass_hz=0.1, padding=None)
    np.testing.assert_array_equal(signals, copy)


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_numbers_of_few_bits_are_filtered_in_double_precision(kind):
    signals = (1000 + 100 * random_signals(4)).astype(kind)
    settings = {"t_r": 2.0, "high_pass_hz": 0.01, "low_pass_hz": 0.1}
    filtered = butterworth(signals, **settings)
    assert filtered.dtype == np.float64
    np.testing.assert_array_equal(filtered, butterworth(signals.astype(float), **settings))


@pytest.mark.parametrize("order", [0, -1, 2.5])
def test_an_order_that_is_no_whole_number_above_0_is_refused(order):
    with pytest.raises(ValueError, match=f"whole number above 0, not {order}"):
        butterworth(np.zeros((99, 1)), t_r=2.0, high_pass_hz=0.01, low_pass_hz=None, order=order)


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="odd, even, constant or None, not 'mirror'"):
        butterworth(
            np.zeros((99, 1)), t_r=2.0, high_pass_hz=0.01, low_pass_hz=None, padding="mirror"
        )


def test_filtering_does_without_the_slow_import_of_scipy_signal():
    code = (
        "import sys, numpy as np; from bidsmask.numerics.filters import butterworth\n"
        "butterworth(np.zeros((99, 1)), t_r=2.0, high_pass_hz=0.01, low_pass_hz=0.1)\n"
        "sys.exit('scipy.signal' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
