import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.interfaces.fmriprep.load_confounds_scrub import optimize_scrub
from scipy.interpolate import CubicSpline

from bidsmask.numerics.censoring import (
    CensoringParameters,
    flag_above,
    interpolate_censored,
    neighbours,
    short_segments,
)

SEEDS = st.integers(0, 2**32 - 1)
FLAGS = st.lists(st.booleans(), min_size=1, max_size=60).map(np.array)
MASKS = FLAGS.filter(lambda mask: np.count_nonzero(mask) >= 2)


@given(mask=MASKS, seed=SEEDS)
def test_what_stands_in_a_censored_volume_never_matters(mask, seed):
    rng = np.random.default_rng(seed)
    signals = rng.normal(size=(mask.size, 2))
    spoilt = signals.copy()
    spoilt[~mask] = rng.choice([np.nan, np.inf, 1e9])
    np.testing.assert_array_equal(
        interpolate_censored(spoilt, mask), interpolate_censored(signals, mask)
    )


@given(mask=MASKS, seed=SEEDS)
def test_kept_volumes_come_out_as_they_went_in(mask, seed):
    signals = np.random.default_rng(seed).normal(size=(mask.size, 2))
    np.testing.assert_array_equal(interpolate_censored(signals, mask)[mask], signals[mask])


@given(mask=MASKS)
def test_only_edges_stay_empty(mask):
    kept = np.flatnonzero(mask)
    filled = interpolate_censored(np.zeros((mask.size, 1)), mask)[:, 0]
    outside = (np.arange(mask.size) < kept[0]) | (np.arange(mask.size) > kept[-1])
    np.testing.assert_array_equal(np.isnan(filled), outside)


@given(
    mask=FLAGS.filter(lambda mask: np.count_nonzero(mask) >= 4),
    coefficients=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_interpolation_is_exact_for_cubic_polynomials(mask, coefficients):
    times = np.linspace(-1, 1, mask.size)
    signals = np.polynomial.polynomial.polyval(times, coefficients)[:, np.newaxis]
    known = np.where(mask[:, np.newaxis], signals, np.nan)
    filled = interpolate_censored(known, mask, bridge="nilearn")
    inside = ~np.isnan(filled)
    np.testing.assert_allclose(filled[inside], signals[inside], atol=1e-8)


@given(mask=MASKS, seed=SEEDS)
def test_lines_stay_between_the_volumes_that_they_connect(mask, seed):
    signals = np.random.default_rng(seed).normal(size=(mask.size, 3))
    filled = interpolate_censored(signals, mask, bridge="linear")
    kept = np.flatnonzero(mask)
    for left, right in itertools.pairwise(kept):
        ends = signals[[left, right]]
        between = filled[left : right + 1]
        assert (between >= ends.min(axis=0) - 1e-12).all()
        assert (between <= ends.max(axis=0) + 1e-12).all()


@given(mask=MASKS, seed=SEEDS)
def test_lines_are_those_of_numpy(mask, seed):
    signals, times = np.random.default_rng(seed).normal(size=mask.size), np.arange(mask.size)
    filled = interpolate_censored(signals[:, np.newaxis], mask, bridge="linear")[:, 0]
    expected = np.interp(times, times[mask], signals[mask], left=np.nan, right=np.nan)
    np.testing.assert_allclose(filled, expected, atol=1e-12)


def test_a_spline_runs_away_in_a_long_gap_and_a_line_does_not():
    signals = np.random.default_rng(0).normal(size=(200, 50))
    mask = (np.arange(200) < 90) | (np.arange(200) >= 110)
    spline = interpolate_censored(signals, mask, bridge="nilearn")[~mask]
    assert np.abs(spline).max() > 10  # standard deviations
    assert np.abs(interpolate_censored(signals, mask, bridge="linear")[~mask]).max() < 4


@given(mask=MASKS, seed=SEEDS, a=st.floats(-5, 5), bridge=st.sampled_from(["linear", "nilearn"]))
def test_interpolation_is_linear(mask, seed, a, bridge):
    x, y = np.random.default_rng(seed).normal(size=(2, mask.size, 3))
    both = interpolate_censored(a * x + y, mask, bridge=bridge)
    apart = a * interpolate_censored(x, mask, bridge=bridge)
    apart += interpolate_censored(y, mask, bridge=bridge)
    np.testing.assert_allclose(both, apart, rtol=1e-7, atol=1e-6 * np.nanmax(np.abs(apart)))


@given(mask=MASKS, seed=SEEDS)
def test_interpolation_and_extrapolation_are_those_of_scipy(mask, seed):
    signals = np.random.default_rng(seed).normal(size=(mask.size, 3))
    times = np.arange(mask.size)
    expected = CubicSpline(times[mask], signals[mask])(times)
    filled = interpolate_censored(signals, mask, bridge="nilearn", extrapolate=True)
    scale = np.maximum(1, np.abs(expected).max())  # a spline may run away
    np.testing.assert_allclose(filled, expected, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("n_volumes", [40, 2400])
def test_interpolation_does_not_depend_on_the_unit_of_time(n_volumes):
    rng = np.random.default_rng(1)
    signals, mask = rng.normal(size=(n_volumes, 3)), np.ones(n_volumes, dtype=bool)
    mask[[5, 6, 20]] = False
    seconds = np.arange(n_volumes) * 2.5
    expected = CubicSpline(seconds[mask], signals[mask])(seconds)
    filled = interpolate_censored(signals, mask, bridge="nilearn")
    np.testing.assert_allclose(filled, expected, atol=1e-12)


def test_interpolation_does_without_the_slow_import_of_scipy_interpolate():
    code = (
        "import sys, numpy as np; from bidsmask.numerics.censoring import interpolate_censored\n"
        "interpolate_censored(np.zeros((9, 1)), np.arange(9) != 4)\n"
        "sys.exit('scipy.interpolate' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("n_kept", [0, 1])
def test_a_spline_needs_two_kept_volumes(n_kept):
    with pytest.raises(ValueError, match=f"{n_kept} of 5 are"):
        interpolate_censored(np.zeros((5, 1)), np.arange(5) < n_kept)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_missing_value_in_a_kept_volume_stays_in_its_column(value):
    signals, mask = np.zeros((6, 2)), np.array([1, 1, 0, 1, 1, 1], dtype=bool)
    signals[1, 0] = value
    filled = interpolate_censored(signals, mask)
    np.testing.assert_array_equal(filled[:, 0], [0, value, np.nan, 0, 0, 0])
    np.testing.assert_array_equal(filled[:, 1], 0)


def test_no_column_is_no_problem():
    mask = np.array([1, 0, 1, 1], dtype=bool)
    assert interpolate_censored(np.empty((4, 0)), mask).shape == (4, 0)


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1),
    threshold=st.floats(0, 10),
)
def test_flags_are_strictly_above_the_threshold_and_never_missing(values, threshold):
    expected = [value > threshold for value in values]
    np.testing.assert_array_equal(flag_above(np.array(values), threshold), expected)


@given(outliers=FLAGS, n=st.integers(0, 12))
def test_what_is_left_after_short_segments_has_no_short_segment(outliers, n):
    left = outliers | short_segments(outliers, n)
    assert not short_segments(left, n).any()


@given(outliers=FLAGS, n=st.integers(0, 12))
def test_outliers_are_not_repeated_among_short_segments(outliers, n):
    assert not (outliers & short_segments(outliers, n)).any()


@given(outliers=FLAGS, n=st.integers(0, 12))
def test_short_segments_do_not_depend_on_the_direction_of_time(outliers, n):
    np.testing.assert_array_equal(
        short_segments(outliers[::-1], n)[::-1], short_segments(outliers, n)
    )


@given(outliers=FLAGS.filter(np.any), n=st.integers(1, 12))
def test_short_segments_are_those_of_nilearn(outliers, n):
    theirs = np.zeros_like(outliers)
    theirs[optimize_scrub(np.flatnonzero(outliers), outliers.size, n).astype(int)] = True
    np.testing.assert_array_equal(outliers | short_segments(outliers, n), theirs)


def test_a_run_without_outliers_has_no_short_segment():
    assert not short_segments(np.zeros(3, dtype=bool), 5).any()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("fd_threshold_mm", 0.0),
        ("fd_threshold_mm", float("nan")),
        ("std_dvars_threshold", -1.0),
        ("min_segment_volumes", -1),
        ("dummy_scans", -2),
        ("dummy_scans", "guess"),
    ],
)
def test_nonsense_is_refused_by_name(option, value):
    with pytest.raises(ValueError, match=option):
        CensoringParameters(**{option: value})


def test_nothing_is_censored_by_default_but_what_fmriprep_flagged():
    parameters = CensoringParameters()
    assert parameters.fd_threshold_mm is None
    assert parameters.std_dvars_threshold is None
    assert parameters.min_segment_volumes == 0
    assert parameters.dummy_scans == "auto"


def test_the_spline_goes_on_to_the_edges_only_when_asked():
    parabola = np.arange(6.0)[:, np.newaxis] ** 2
    kept = np.array([0, 1, 1, 0, 1, 0], dtype=bool)
    inside = interpolate_censored(parabola, kept, bridge="nilearn")
    np.testing.assert_array_equal(np.isnan(inside.ravel()), [True, *[False] * 4, True])
    whole = interpolate_censored(parabola, kept, bridge="nilearn", extrapolate=True)
    np.testing.assert_allclose(whole, parabola)


@given(outliers=FLAGS, before=st.integers(0, 4), after=st.integers(0, 4))
def test_neighbours_are_what_a_dilation_adds(outliers, before, after):
    shifted = [np.roll(np.pad(outliers, 5), step)[5:-5] for step in range(-before, after + 1)]
    dilated = np.any(shifted, axis=0)
    near = neighbours(outliers, before, after)
    np.testing.assert_array_equal(outliers | near, dilated)
    assert not (outliers & near).any()


@given(outliers=FLAGS, before=st.integers(0, 4), after=st.integers(0, 4))
def test_before_is_after_when_time_runs_backwards(outliers, before, after):
    np.testing.assert_array_equal(
        neighbours(outliers[::-1], after, before)[::-1], neighbours(outliers, before, after)
    )
