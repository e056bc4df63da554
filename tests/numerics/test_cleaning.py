from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nilearn.signal import clean

from bidsmask.errors import ConfoundsError, DegreesOfFreedomError, RunError
from bidsmask.numerics import cleaning, temporal
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningDetails, CleaningParameters
from bidsmask.numerics.regression import orthonormal_basis, residuals
from bidsmask.numerics.standardization import standardize

SEEDS = st.integers(0, 2**32 - 1)
T, T_R = 120, 2.0

FILTERS = {
    "band-pass": {"filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.1},
    "high-pass": {"filter": "butterworth", "high_pass_hz": 0.01},
    "low-pass": {"filter": "butterworth", "low_pass_hz": 0.1},
    "cosine": {"filter": "cosine", "high_pass_hz": 0.0113},
    "none": {},
}
AS_NILEARN = {"filter_ends": "nilearn", "bridge": "nilearn"}
PARAMETERS = st.builds(
    lambda detrend, how, standardize, ends, bridge: CleaningParameters(
        detrend=detrend,
        standardize=standardize,
        filter_ends=ends,
        bridge=bridge,
        **FILTERS[how],
    ),
    detrend=st.booleans(),
    how=st.sampled_from(sorted(FILTERS)),
    standardize=st.sampled_from(["zscore", "psc", "none"]),
    ends=st.sampled_from(["even", "nilearn", "xcpd"]),
    bridge=st.sampled_from(["linear", "nilearn"]),
)


def random_run(seed, n_columns=4, n_confounds=3):
    """Signals around a mean of 1000 with trends, and confounds that are partly in them."""
    rng = np.random.default_rng(seed)
    design = np.cumsum(rng.normal(size=(T, n_confounds)), axis=0)
    signals = 1000 + 10 * rng.normal(size=(T, n_columns))
    signals += design @ rng.normal(size=(n_confounds, n_columns))
    signals += np.outer(np.arange(T), rng.normal(size=n_columns))
    return signals, design


def random_mask(seed, share=0.15):
    return np.random.default_rng(seed).random(T) > share


def cleaner_of(parameters, mask, design, t_r=T_R):
    return Cleaner(parameters, t_r=t_r, sample_mask=mask, design=design)


def no_design():
    return np.empty((T, 0))


@given(seed=SEEDS, n_confounds=st.integers(1, 12))
def test_residuals_are_orthogonal_to_confounds(seed, n_confounds):
    rng = np.random.default_rng(seed)
    signals, confounds = rng.normal(size=(60, 5)), rng.normal(size=(60, n_confounds))
    centred = confounds - confounds.mean(axis=0)
    np.testing.assert_allclose(
        centred.T @ residuals(signals, orthonormal_basis(confounds)), 0, atol=1e-10
    )


@given(seed=SEEDS)
def test_regressing_twice_is_regressing_once(seed):
    signals, design = random_run(seed)
    once = residuals(signals, orthonormal_basis(design))
    np.testing.assert_allclose(residuals(once, orthonormal_basis(design)), once, atol=1e-9)


@given(seed=SEEDS)
def test_regression_keeps_the_mean_of_the_signals(seed):
    signals, design = random_run(seed)
    left = residuals(signals, orthonormal_basis(design))
    np.testing.assert_allclose(left.mean(axis=0), signals.mean(axis=0), rtol=1e-12)


@given(seed=SEEDS, a=st.floats(0.01, 100), b=st.floats(-1000, 1000))
def test_the_unit_of_a_confound_does_not_matter(seed, a, b):
    signals, design = random_run(seed)
    other = design.copy()
    other[:, 1] = a * other[:, 1] + b
    np.testing.assert_allclose(
        residuals(signals, orthonormal_basis(other)),
        residuals(signals, orthonormal_basis(design)),
        atol=1e-7,
    )


@given(seed=SEEDS)
def test_a_confound_that_says_nothing_new_takes_nothing_away(seed):
    signals, design = random_run(seed)
    more = np.column_stack([design, design[:, 0] - 2 * design[:, 1], np.ones(T)])
    assert orthonormal_basis(more).shape == orthonormal_basis(design).shape
    np.testing.assert_allclose(
        residuals(signals, orthonormal_basis(more)),
        residuals(signals, orthonormal_basis(design)),
        atol=1e-8,
    )


@given(parameters=PARAMETERS, seed=SEEDS)
def test_confounds_that_repeat_each_other_count_once_behind_every_filter(parameters, seed):
    signals, design = random_run(seed)
    mask = random_mask(seed)
    repeated = np.hstack([design, design @ [[1.0, 5.0], [2.0, 0.0], [0.0, -1.0]], design * 1e3])
    once, again = cleaner_of(parameters, mask, design), cleaner_of(parameters, mask, repeated)
    assert again.ledger == once.ledger
    np.testing.assert_allclose(again(signals), once(signals), atol=1e-6)


@given(parameters=PARAMETERS, seed=SEEDS, value=st.sampled_from([1e6, -500.0, np.nan, np.inf]))
def test_the_content_of_a_censored_volume_never_matters(parameters, seed, value):
    signals, design = random_run(seed)
    mask = random_mask(seed)
    spoilt_signals, spoilt_design = signals.copy(), design.copy()
    spoilt_signals[~mask], spoilt_design[~mask] = value, value
    np.testing.assert_array_equal(
        cleaner_of(parameters, mask, spoilt_design)(spoilt_signals),
        cleaner_of(parameters, mask, design)(signals),
    )


@given(parameters=PARAMETERS, seed=SEEDS)
def test_what_comes_out_is_orthogonal_to_the_filtered_design(parameters, seed):
    assume(not parameters.regresses_as_xcpd or parameters.standardize == "none")
    signals, design = random_run(seed)
    cleaner = cleaner_of(parameters, random_mask(seed), design)
    cleaned = cleaner(signals)
    cosines = np.abs(cleaner.basis.T @ cleaned) / np.linalg.norm(cleaned, axis=0)
    assert cosines.max() < 1e-10


def test_xcpd_fits_no_constant_and_standard_scores_take_one_out():
    """So its residuals are orthogonal to its design, and their standard scores nearly so."""
    signals, design = random_run(0)
    for how, most in (("none", 1e-10), ("zscore", 0.05)):
        parameters = CleaningParameters(
            **FILTERS["band-pass"], filter_ends="xcpd", standardize=how
        )
        cleaner = cleaner_of(parameters, random_mask(0), design)
        cleaned = cleaner(signals)
        cosines = np.abs(cleaner.basis.T @ cleaned) / np.linalg.norm(cleaned, axis=0)
        assert cosines.max() < most


@given(parameters=PARAMETERS, seed=SEEDS)
def test_columns_are_cleaned_apart(parameters, seed):
    signals, design = random_run(seed)
    cleaner = cleaner_of(parameters, random_mask(seed), design)
    alone = np.column_stack([cleaner(column[:, np.newaxis]) for column in signals.T])
    np.testing.assert_allclose(cleaner(signals), alone, rtol=1e-9, atol=1e-9)


@given(parameters=PARAMETERS, seed=SEEDS, value=st.sampled_from([np.nan, np.inf]))
def test_a_missing_value_takes_its_own_column_and_no_other(parameters, seed, value):
    signals, design = random_run(seed)
    mask = random_mask(seed)
    cleaner = cleaner_of(parameters, mask, design)
    spoilt = signals.copy()
    spoilt[np.flatnonzero(mask)[3], 1] = value
    cleaned = cleaner(spoilt)
    assert np.isnan(cleaned[:, 1]).all()
    left = cleaner(np.delete(signals, 1, axis=1))
    np.testing.assert_array_equal(np.delete(cleaned, 1, axis=1), left)


@given(parameters=PARAMETERS, seed=SEEDS, a=st.floats(0.1, 10))
def test_cleaning_is_linear_until_it_standardises(parameters, seed, a):
    parameters = replace(parameters, standardize="none")
    (x, design), (y, _) = random_run(seed), random_run(seed + 1)
    cleaner = cleaner_of(parameters, random_mask(seed), design)
    np.testing.assert_allclose(
        cleaner(a * x + y), a * cleaner(x) + cleaner(y), rtol=1e-9, atol=1e-7
    )


@given(parameters=PARAMETERS, seed=SEEDS)
def test_the_ledger_adds_up(parameters, seed):
    _, design = random_run(seed)
    mask = random_mask(seed)
    ledger = cleaner_of(parameters, mask, design).ledger
    assert ledger.n_volumes == T
    assert ledger.n_kept == mask.sum()
    assert ledger.n_kept + ledger.n_censored == ledger.n_volumes
    spent = ledger.n_detrend + ledger.n_filter + ledger.n_confounds
    assert ledger.remaining == pytest.approx(ledger.n_kept - spent)


@given(seed=SEEDS, how=st.sampled_from(sorted(FILTERS)))
def test_a_planted_line_confound_and_constant_leave_no_trace(seed, how):
    signals, design = random_run(seed)
    cleaner = cleaner_of(CleaningParameters(**FILTERS[how]), random_mask(seed), design)
    planted = signals + 500 + 3 * np.arange(T)[:, np.newaxis] + 7 * design[:, :1]
    np.testing.assert_allclose(cleaner(planted), cleaner(signals), atol=1e-7)


@given(seed=SEEDS)
def test_a_line_leaves_no_trace_across_a_gap(seed):
    mask = np.ones(T, dtype=bool)
    mask[40:60] = False
    parameters = CleaningParameters(standardize="none")
    line = np.random.default_rng(seed).normal() * np.arange(T, dtype=float)[:, np.newaxis]
    cleaner = cleaner_of(parameters, mask, no_design())
    np.testing.assert_allclose(cleaner(line), 0, atol=1e-9)
    theirs = clean(line, filter=False, standardize=None, sample_mask=np.flatnonzero(mask))
    assert np.abs(theirs).max() > 0.5 * np.abs(line[1, 0])  # their time axis has no gap


@given(seed=SEEDS)
def test_standard_scores_have_mean_0_and_sample_deviation_1(seed):
    signals, _ = random_run(seed)
    scores = standardize(signals, "zscore")
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), 1, rtol=1e-10)


@given(seed=SEEDS)
def test_percent_change_of_detrended_signals_is_relative_to_the_mean_they_had(seed):
    signals, _ = random_run(seed)
    mean = signals.mean(axis=0)
    np.testing.assert_allclose(
        standardize(signals - mean, "psc", original_mean=mean),
        standardize(signals, "psc"),
        atol=1e-9,
    )


def test_percent_change_of_one_column_does_not_depend_on_the_others():
    strong, weak = np.full((T, 1), 1e6), np.array([[1.0], [-1.0]] * (T // 2)) + 0.5
    design = no_design()
    parameters = CleaningParameters(detrend=False, standardize="psc")
    cleaner = cleaner_of(parameters, np.ones(T, dtype=bool), design)
    np.testing.assert_array_equal(cleaner(np.hstack([weak, strong]))[:, 0], cleaner(weak)[:, 0])


def test_percent_change_from_a_baseline_of_nothing_is_0():
    signals = np.array([[1.0], [-1.0]])
    np.testing.assert_array_equal(standardize(signals, "psc"), 0)
    np.testing.assert_array_equal(standardize(signals, "none"), signals)


def test_percent_change_keeps_its_sign_when_the_baseline_is_negative():
    np.testing.assert_allclose(
        standardize(np.array([[-90.0], [-110.0]]), "psc"), [[10.0], [-10.0]]
    )


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("value", [0.0, 1000.1])
def test_a_constant_column_gives_zeros_and_not_blown_up_rounding_errors(how, detrend, value):
    _, design = random_run(1)
    parameters = CleaningParameters(detrend=detrend, **FILTERS[how])
    cleaner = cleaner_of(parameters, random_mask(1), design)
    np.testing.assert_allclose(cleaner(np.full((T, 2), value)), 0, atol=1e-12)


@pytest.mark.parametrize("how", FILTERS)
def test_a_column_that_the_design_explains_gives_zeros(how):
    _, design = random_run(1)
    cleaner = cleaner_of(CleaningParameters(**FILTERS[how]), random_mask(1), design)
    np.testing.assert_allclose(cleaner(100 + design @ [[1.0], [2.0], [-1.0]]), 0, atol=1e-12)


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("detrend", [True, False])
def test_a_constant_confound_takes_nothing_away(how, detrend):
    signals, design = random_run(1)
    parameters = CleaningParameters(detrend=detrend, **FILTERS[how])
    without = cleaner_of(parameters, random_mask(1), design)
    with_it = cleaner_of(parameters, random_mask(1), np.insert(design, 1, 1000.1, axis=1))
    assert with_it.ledger == without.ledger
    np.testing.assert_allclose(with_it(signals), without(signals), atol=1e-9)


@pytest.mark.parametrize("how", FILTERS)
def test_a_confound_that_is_a_line_takes_nothing_away_after_detrending(how):
    signals, design = random_run(1)
    parameters = CleaningParameters(**FILTERS[how])
    line = 1000 + 0.1 * np.arange(T)[:, np.newaxis]
    without = cleaner_of(parameters, random_mask(1), design)
    with_it = cleaner_of(parameters, random_mask(1), np.hstack([line, design]))
    assert with_it.ledger == without.ledger
    np.testing.assert_allclose(with_it(signals), without(signals), atol=1e-9)


def test_the_cosine_filter_is_a_design_of_cosines():
    signals, design = random_run(3)
    cleaner = cleaner_of(CleaningParameters(**FILTERS["cosine"]), random_mask(3), design)
    assert cleaner.ledger.n_filter == 5  # 2 x 120 x 0.0113 Hz x 2 s, rounded down
    assert cleaner.ledger.n_confounds == 3
    assert cleaner.basis.shape[1] == 8
    slow = np.cos(np.pi / T * (np.arange(T) + 0.5) * 4)[:, np.newaxis]
    np.testing.assert_allclose(cleaner(signals + 50 * slow), cleaner(signals), atol=1e-8)


def test_cosines_that_the_design_already_holds_are_counted_once():
    slow = np.cos(np.pi / T * np.outer(np.arange(T) + 0.5, np.arange(1, 6)))
    _, design = random_run(3)
    cleaner = cleaner_of(
        CleaningParameters(**FILTERS["cosine"]), np.ones(T, bool), np.hstack([slow, design])
    )
    assert (cleaner.ledger.n_filter, cleaner.ledger.n_confounds) == (5, 3)


@pytest.mark.parametrize(
    ("how", "left"), [("band-pass", 0.36), ("high-pass", 0.96), ("low-pass", 0.4), ("none", 1)]
)
def test_a_filter_leaves_about_the_frequencies_that_it_lets_pass(how, left):
    parameters = CleaningParameters(**FILTERS[how])
    ledger = cleaner_of(parameters, np.ones(T, bool), no_design()).ledger
    assert ledger.remaining == pytest.approx(T * left, abs=2)
    assert ledger.remaining == pytest.approx(T - 2 - ledger.n_filter)


@pytest.mark.parametrize("how", FILTERS)
def test_censoring_costs_a_low_pass_little_until_volumes_are_fewer_than_frequencies(how):
    ledgers = [
        cleaner_of(CleaningParameters(**FILTERS[how]), random_mask(1, share), no_design()).ledger
        for share in (0, 0.3)
    ]
    lost = ledgers[0].remaining - ledgers[1].remaining
    if FILTERS[how].get("low_pass_hz"):  # 46 of 120 dimensions pass, and 84 volumes are kept
        assert lost < 5
    else:
        assert lost == pytest.approx(ledgers[1].n_censored, abs=3)


@given(seed=SEEDS, how=st.sampled_from(sorted(FILTERS)), detrend=st.booleans())
def test_a_wave_comes_through_by_as_much_as_the_response_says(seed, how, detrend):
    _, design = random_run(seed)
    parameters = CleaningParameters(detrend=detrend, standardize="none", **FILTERS[how])
    mask = random_mask(seed)
    cleaner = cleaner_of(parameters, mask, design)
    frequency_hz = np.random.default_rng(seed).uniform(0, 0.5 / T_R)
    angles = 2 * np.pi * frequency_hz * T_R * np.arange(T)
    waves = np.column_stack([np.cos(angles), np.sin(angles)])
    share = np.sum(cleaner(waves) ** 2) / np.sum(waves[mask] ** 2)
    assert cleaner.response(np.array([frequency_hz]))[0] == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize(("how", "passes"), [("band-pass", [0, 1, 0]), ("none", [0, 1, 1])])
def test_the_response_is_that_of_the_filter_without_a_design(how, passes):
    cleaner = cleaner_of(CleaningParameters(**FILTERS[how]), np.ones(T, bool), no_design())
    np.testing.assert_allclose(cleaner.response(np.array([0, 0.05, 0.2])), passes, atol=0.02)


def test_the_response_dips_where_the_design_explains_a_wave():
    angles = 2 * np.pi * 0.05 * T_R * np.arange(T)
    design = np.column_stack([np.cos(angles), np.sin(angles)])
    cleaner = cleaner_of(CleaningParameters(), np.ones(T, bool), design)
    assert cleaner.response(np.array([0.05]))[0] < 1e-9
    assert cleaner.response(np.array([0.1]))[0] > 0.95


ENDS = ("even", "nilearn", "xcpd")


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("share", [0, 0.2])
def test_what_remains_is_what_the_matrix_of_all_steps_leaves_of_white_noise(ends, how, share):
    _, design = random_run(1)
    parameters = CleaningParameters(**FILTERS[how], filter_ends=ends, standardize="none")
    cleaner = cleaner_of(parameters, random_mask(1, share), design)
    everything = np.zeros((T, cleaner.sample_mask.sum()))
    everything[cleaner.sample_mask] = np.eye(everything.shape[1])
    operator = cleaner(everything)
    operator -= operator.mean(axis=0)
    covariance = operator @ operator.T
    expected = np.trace(covariance) ** 2 / np.sum(covariance**2)
    assert cleaner.ledger.remaining == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("n_volumes", "t_r", "n_confounds", "censored", "by_shares", "tolerance"),
    [
        (240, 2.0, 36, 0.2, 15.8, 0.03),
        (240, 0.8, 24, 0.0, -4.5, 0.1),  # few are left: Satterthwaite's count is a bit low
        (490, 0.8, 0, 0.0, 54.9, 0.03),
    ],
)
def test_correlations_of_noise_vary_as_the_degrees_of_freedom_say(
    n_volumes, t_r, n_confounds, censored, by_shares, tolerance
):
    """Beside the count by shares that this one replaced, which spent the mean twice."""
    rng = np.random.default_rng(5)
    mask = rng.random(n_volumes) >= censored
    design = rng.normal(size=(n_volumes, n_confounds))
    band = {"filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.08}
    cleaner = cleaner_of(CleaningParameters(**band), mask, design, t_r)
    noise = cleaner(rng.normal(size=(n_volumes, 2000)))
    r = noise[:, :1000].T @ noise[:, 1000:] / (len(noise) - 1)
    seen = 1 / r.var()
    assert cleaner.ledger.remaining == pytest.approx(seen, rel=tolerance)
    if n_confounds:
        assert abs(by_shares - seen) > 8


@given(seed=SEEDS, how=st.sampled_from(["band-pass", "high-pass", "low-pass"]))
def test_a_run_in_reverse_comes_out_in_reverse(seed, how):
    signals, design = random_run(seed)
    mask = random_mask(seed)
    parameters = CleaningParameters(**FILTERS[how])
    backwards = cleaner_of(parameters, mask[::-1], design[::-1])(signals[::-1])
    np.testing.assert_allclose(
        backwards[::-1], cleaner_of(parameters, mask, design)(signals), atol=1e-8
    )


def test_a_run_in_reverse_does_not_with_the_ends_of_nilearn():
    signals, _ = random_run(1)
    options = {"mask": np.ones(T, bool), "design": no_design()}
    parameters = CleaningParameters(**FILTERS["band-pass"], filter_ends="nilearn")
    forwards = cleaner_of(parameters, **options)(signals)
    backwards = cleaner_of(parameters, **options)(signals[::-1])[::-1]
    assert np.abs(forwards - backwards).max() > 0.05


@pytest.mark.parametrize(
    ("detrend", "standardize", "n_detrend"),
    [(True, "none", 2), (True, "zscore", 2), (False, "psc", 1), (False, "none", 0)],
)
def test_mean_and_line_are_counted(detrend, standardize, n_detrend):
    parameters = CleaningParameters(detrend=detrend, standardize=standardize)
    ledger = cleaner_of(parameters, np.ones(T, dtype=bool), no_design()).ledger
    assert ledger.n_detrend == n_detrend


def test_a_design_as_large_as_the_run_is_refused_with_all_counts():
    design = np.random.default_rng(0).normal(size=(T, 98))
    mask = np.arange(T) < 100
    message = "100 of 120 volumes are kept, minus 2 for mean and line and 98 for independent"
    with pytest.raises(DegreesOfFreedomError, match=message):
        cleaner_of(CleaningParameters(), mask, design)


def test_a_filter_that_leaves_fewer_frequencies_than_regressors_leaves_nothing():
    design = np.random.default_rng(0).normal(size=(T, 50))
    cleaner = cleaner_of(CleaningParameters(**FILTERS["band-pass"]), np.arange(T) < 100, design)
    assert cleaner.ledger.n_regressors == 50
    assert cleaner.ledger.remaining < 3


def test_nothing_left_is_refused_too():
    design = np.random.default_rng(0).normal(size=(T, 10))
    with pytest.raises(DegreesOfFreedomError, match=r"12 of 120 volumes .* minus 2 .* and 10"):
        cleaner_of(CleaningParameters(), np.arange(T) < 12, design)


@pytest.mark.parametrize("n_kept", [0, 1, 2])
def test_fewer_than_three_kept_volumes_are_refused(n_kept):
    with pytest.raises(DegreesOfFreedomError, match=f"Only {n_kept} of 120 volumes"):
        cleaner_of(CleaningParameters(), np.arange(T) < n_kept, no_design())


def test_a_run_too_short_for_the_filter_is_refused_with_numbers():
    parameters = CleaningParameters(**FILTERS["band-pass"], filter_ends="nilearn")
    with pytest.raises(DegreesOfFreedomError, match=r"more than 33 volumes .* here are 30"):
        cleaner_of(parameters, np.arange(T) < 30, no_design())


def test_a_cutoff_beyond_nyquist_is_refused_when_the_repetition_time_is_known():
    with pytest.raises(RunError, match=r"0.1 Hz .* 0.05 Hz"):
        cleaner_of(
            CleaningParameters(**FILTERS["low-pass"]), np.ones(T, bool), no_design(), t_r=10.0
        )


def test_a_missing_value_in_the_design_is_refused():
    _, design = random_run(0)
    design[5, 1] = np.nan
    with pytest.raises(ConfoundsError, match="in 1 of 3 columns; the first is column 1"):
        cleaner_of(CleaningParameters(), np.ones(T, dtype=bool), design)


def test_a_missing_value_in_the_design_is_named_also_where_gaps_are_interpolated():
    _, design = random_run(0)
    design[5, 1] = np.nan
    with pytest.raises(ConfoundsError, match="in 1 of 3 columns; the first is column 1"):
        cleaner_of(CleaningParameters(**FILTERS["band-pass"]), np.arange(T) != 50, design)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"\(120,\) and \(119, 2\)"):
        cleaner_of(CleaningParameters(), np.ones(T, dtype=bool), np.zeros((T - 1, 2)))
    cleaner = cleaner_of(CleaningParameters(), np.ones(T, dtype=bool), no_design())
    with pytest.raises(ValueError, match=r"T = 120 volumes; their shape is \(119, 1\)"):
        cleaner(np.zeros((T - 1, 1)))


@pytest.mark.parametrize("how", FILTERS)
def test_no_columns_give_no_columns(how):
    mask = random_mask(0)
    cleaner = cleaner_of(CleaningParameters(**FILTERS[how]), mask, no_design())
    assert cleaner(np.empty((T, 0))).shape == (mask.sum(), 0)


def test_arrays_of_the_caller_are_not_touched_nor_kept():
    signals, design = random_run(0)
    mask = random_mask(0)
    copies = signals.copy(), design.copy(), mask.copy()
    cleaner = cleaner_of(CleaningParameters(**FILTERS["band-pass"]), mask, design)
    cleaned = cleaner(signals)
    for array, copy in zip((signals, design, mask), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    mask[:] = False
    np.testing.assert_array_equal(cleaner(signals), cleaned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"high_pass_hz": 0.01}, "no effect with the filter none"),
        ({"low_pass_hz": 0.1}, "no effect with the filter none"),
        ({"filter": "cosine", "high_pass_hz": 0.01, "low_pass_hz": 0.1}, "low-pass has no effect"),
        ({"filter": "cosine"}, "needs a high-pass"),
        ({"filter": "butterworth"}, "needs a high-pass or a low-pass"),
        ({"filter": "butterworth", "high_pass_hz": 0.0}, "high_pass_hz must be above 0"),
        ({"filter": "butterworth", "low_pass_hz": float("inf")}, "low_pass_hz must be above 0"),
        ({"filter": "butterworth", "high_pass_hz": 0.1, "low_pass_hz": 0.01}, "must be below"),
        ({"filter": "bessel"}, "filter must be one of"),
        ({"standardize": True}, "standardize must be one of"),
    ],
)
def test_options_without_effect_or_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CleaningParameters(**options)


# How the steps are carried out; that of nilearn is tested with `bidsmask.maskers.cleaning.clean`.


@pytest.mark.parametrize("how", FILTERS)
def test_spelling_out_the_defaults_changes_nothing(how):
    signals, design = random_run(2)
    parameters, mask = CleaningParameters(**FILTERS[how]), random_mask(2)
    plain = cleaner_of(parameters, mask, design)
    spelt = Cleaner(
        parameters, t_r=T_R, sample_mask=mask, design=design, details=CleaningDetails()
    )
    np.testing.assert_array_equal(spelt(signals), plain(signals))
    assert spelt.ledger == plain.ledger


def test_a_design_that_is_not_standardised_takes_the_mean_if_it_holds_a_constant():
    signals, design = random_run(2)
    constant = np.column_stack([design, np.full(T, 1000.1)])
    assert orthonormal_basis(constant).shape == (T, 3)
    assert orthonormal_basis(constant, standardized=False).shape == (T, 4)
    cleaner = Cleaner(
        CleaningParameters(detrend=False, standardize="none"),
        t_r=T_R,
        sample_mask=np.ones(T, dtype=bool),
        design=constant,
        details=CleaningDetails(standardize_design=False),
    )
    np.testing.assert_allclose(cleaner(signals).mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("how", FILTERS)
def test_what_detrending_leaves_of_a_constant_is_not_scaled_up(how):
    signals, design = random_run(2)
    options = {
        "t_r": T_R,
        "sample_mask": random_mask(2),
        "details": CleaningDetails(standardize_design=False),
    }
    parameters = CleaningParameters(**FILTERS[how])
    without = Cleaner(parameters, design=design, **options)
    with_it = Cleaner(parameters, design=np.insert(design, 1, 1000.1, axis=1), **options)
    assert with_it.ledger == without.ledger
    np.testing.assert_allclose(with_it(signals), without(signals), atol=1e-9)


def test_lines_may_be_fitted_as_if_nothing_was_left_out():
    mask = np.ones(T, dtype=bool)
    mask[40:60] = False
    line = np.arange(T, dtype=float)[:, np.newaxis]
    options = {"t_r": T_R, "sample_mask": mask, "design": no_design()}
    parameters = CleaningParameters(standardize="none")
    cleaned = Cleaner(parameters, details=CleaningDetails(true_times=False), **options)(line)
    theirs = clean(line, filter=False, standardize=None, sample_mask=np.flatnonzero(mask))
    np.testing.assert_allclose(cleaned, theirs, atol=1e-9)
    assert np.abs(cleaned).max() > 1


# Many columns, which one matrix cleans: the same numbers as step by step.

MANY = T + 10
DETAILS = st.builds(
    CleaningDetails,
    order=st.integers(1, 5),
    padding=st.sampled_from(["odd", "even", "constant", None]),
    n_padding=st.sampled_from([None, 10]),
    extrapolate=st.booleans(),
    standardize_design=st.booleans(),
    true_times=st.booleans(),
)


def mask_with_gaps(seed):
    """Some volumes censored, but none of the edges, to which splines may run away."""
    mask = random_mask(seed)
    mask[[0, 1, -2, -1]] = True
    return mask


def step_by_step(cleaner, signals):
    """Columns in groups that are too small for a matrix."""
    groups = np.array_split(signals, 4, axis=1)
    return np.hstack([cleaner(group) for group in groups])


@settings(deadline=None, max_examples=60)
@given(parameters=PARAMETERS, details=DETAILS, seed=SEEDS, all_kept=st.booleans())
def test_one_matrix_does_what_the_steps_do(parameters, details, seed, all_kept):
    signals, design = random_run(seed, n_columns=MANY)
    mask = np.ones(T, dtype=bool) if all_kept else mask_with_gaps(seed)
    cleaner = Cleaner(parameters, t_r=T_R, sample_mask=mask, design=design, details=details)
    stepwise = step_by_step(cleaner, signals)
    np.testing.assert_allclose(
        cleaner(signals), stepwise, rtol=0, atol=1e-9 * max(1, np.abs(stepwise).max())
    )


@settings(deadline=None, max_examples=30)
@given(parameters=PARAMETERS, seed=SEEDS, n_columns=st.integers(1, 150))
def test_the_size_of_the_blocks_changes_nothing(parameters, seed, n_columns):
    signals, design = random_run(seed, n_columns=MANY)
    cleaner = cleaner_of(parameters, random_mask(seed), design)
    whole = cleaner(signals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temporal, "VALUES_AT_ONCE", n_columns * T)
        in_blocks = cleaner(signals)
    np.testing.assert_allclose(in_blocks, whole, rtol=0, atol=1e-10 * max(1, np.abs(whole).max()))


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, how=st.sampled_from(sorted(FILTERS)))
def test_a_matrix_of_several_blocks_is_that_of_one(seed, how):
    signals, design = random_run(seed, n_columns=MANY)
    parameters, mask = CleaningParameters(**FILTERS[how]), random_mask(seed)
    whole = cleaner_of(parameters, mask, design)(signals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temporal, "VALUES_AT_ONCE", 37 * T)
        in_blocks = cleaner_of(parameters, mask, design)(signals)
    np.testing.assert_allclose(in_blocks, whole, rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, all_kept=st.booleans())
def test_long_runs_are_cleaned_step_by_step_with_the_same_result(seed, all_kept):
    signals, design = random_run(seed, n_columns=MANY)
    mask = np.ones(T, dtype=bool) if all_kept else random_mask(seed)
    cleaner = cleaner_of(CleaningParameters(**FILTERS["band-pass"]), mask, design)
    at_once = cleaner(signals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "OPERATOR_VOLUMES", 10)
        np.testing.assert_allclose(cleaner(signals), at_once, rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=30)
@given(parameters=PARAMETERS, seed=SEEDS, value=st.sampled_from([1e6, -500.0, np.nan, np.inf]))
def test_the_content_of_a_censored_volume_matters_to_none_of_many_columns(parameters, seed, value):
    signals, design = random_run(seed, n_columns=MANY)
    mask = random_mask(seed)
    spoilt_signals, spoilt_design = signals.copy(), design.copy()
    spoilt_signals[~mask], spoilt_design[~mask] = value, value
    np.testing.assert_array_equal(
        cleaner_of(parameters, mask, spoilt_design)(spoilt_signals),
        cleaner_of(parameters, mask, design)(signals),
    )


@settings(deadline=None, max_examples=20)
@given(parameters=PARAMETERS, seed=SEEDS)
def test_many_columns_are_orthogonal_to_the_filtered_design(parameters, seed):
    assume(not parameters.regresses_as_xcpd or parameters.standardize == "none")
    signals, design = random_run(seed, n_columns=MANY)
    cleaner = cleaner_of(parameters, random_mask(seed), design)
    cleaned = cleaner(signals)
    cosines = np.abs(cleaner.basis.T @ cleaned) / np.linalg.norm(cleaned, axis=0)
    assert cosines.max() < 1e-10


@settings(deadline=None, max_examples=20)
@given(parameters=PARAMETERS, seed=SEEDS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_values_take_their_own_of_many_columns(parameters, seed, value):
    signals, design = random_run(seed, n_columns=MANY)
    mask = random_mask(seed)
    cleaner = cleaner_of(parameters, mask, design)
    spoilt = signals.copy()
    spoilt[np.flatnonzero(mask)[3], [5, 77]] = value
    cleaned, expected = cleaner(spoilt), cleaner(signals)
    expected[:, [5, 77]] = np.nan
    np.testing.assert_allclose(cleaned, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("standardize", ["zscore", "psc", "none"])
def test_a_constant_among_many_columns_gives_zeros_or_itself(how, detrend, standardize):
    signals, design = random_run(1, n_columns=MANY)
    signals[:, 7] = 1000.1
    parameters = CleaningParameters(detrend=detrend, standardize=standardize, **FILTERS[how])
    cleaned = cleaner_of(parameters, random_mask(1), design)(signals)[:, 7]
    keeps_mean = not detrend and how in ("low-pass", "cosine", "none")
    expected = 1000.1 if keeps_mean and standardize == "none" else 0
    np.testing.assert_allclose(cleaned, expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("how", ["band-pass", "low-pass"])
def test_a_high_level_costs_many_columns_no_precision(how, detrend):
    signals, design = random_run(1, n_columns=MANY)
    signals = np.round(signals)  # or the level would cost the signals themselves some digits
    parameters = CleaningParameters(detrend=detrend, **FILTERS[how])
    cleaner = cleaner_of(parameters, random_mask(1), design)
    np.testing.assert_allclose(cleaner(signals + 1e9), cleaner(signals), rtol=0, atol=1e-6)


def test_blocks_follow_each_other_and_may_be_overwritten(monkeypatch):
    monkeypatch.setattr(temporal, "VALUES_AT_ONCE", 50 * T)
    signals, design = random_run(1, n_columns=MANY)
    cleaner = cleaner_of(CleaningParameters(**FILTERS["band-pass"]), random_mask(1), design)
    expected, ends = cleaner(signals), []
    for columns, block in cleaner.blocks(signals):
        np.testing.assert_array_equal(block, expected[:, columns])
        signals[:, columns], block[:] = np.nan, 0
        ends.append(columns.stop)
    assert ends == [50, 100, 150]
    assert np.isnan(signals).all()


def test_a_missing_column_changes_no_other_in_any_block(monkeypatch):
    monkeypatch.setattr(temporal, "VALUES_AT_ONCE", 20 * T)
    signals, design = random_run(1, n_columns=MANY)
    cleaner = cleaner_of(CleaningParameters(**FILTERS["band-pass"]), random_mask(1), design)
    whole, spoilt = cleaner(signals), signals.copy()
    missing = np.isin(np.arange(MANY), [0, 21, 22, 77, 149])
    spoilt[5, missing] = np.nan
    cleaned = cleaner(spoilt)
    assert np.isnan(cleaned[:, missing]).all()
    np.testing.assert_allclose(cleaned[:, ~missing], whole[:, ~missing], rtol=0, atol=1e-10)


@pytest.mark.parametrize("n_columns", [3, MANY])
@pytest.mark.parametrize("how", FILTERS)
def test_missing_values_may_count_as_nothing(how, n_columns):
    signals, design = random_run(1, n_columns=n_columns)
    spoilt, zeroed = signals.copy(), signals.copy()
    spoilt[[4, 9], [0, 2]], zeroed[[4, 9], [0, 2]] = [np.nan, np.inf], 0
    options = {"t_r": T_R, "sample_mask": np.ones(T, dtype=bool), "design": design}
    options["details"] = CleaningDetails(ensure_finite=True)
    cleaner = Cleaner(CleaningParameters(**FILTERS[how]), **options)
    np.testing.assert_array_equal(cleaner(spoilt), cleaner(zeroed))
    assert np.isnan(spoilt[4, 0])


def test_a_missing_value_in_the_design_is_named_by_its_column_behind_cosines_too():
    _, design = random_run(0)
    design[5, 1] = np.inf
    with pytest.raises(ConfoundsError, match="in 1 of 3 columns; the first is column 1"):
        cleaner_of(CleaningParameters(**FILTERS["cosine"]), np.ones(T, dtype=bool), design)


# nilearn 0.14.1 as oracle. Its masks must not censor a volume i together with T-1-i.

NILEARN_TOLERANCE = 1e-9
MASKS = {
    "all kept": np.arange(T),
    "head censored": np.arange(4, T),
    "head and tail kept, gaps inside": np.setdiff1d(np.arange(T), [10, 11, 12, 40, 77]),
    "head censored and gaps": np.setdiff1d(np.arange(T), [0, 1, 30, 31, 50, 98]),
    "tail censored and gaps": np.setdiff1d(np.arange(T), [20, 60, 61, 117, 118, 119]),
}


def nilearn_clean(signals, design, kept, parameters):
    return clean(
        signals,
        detrend=parameters.detrend,
        filter=False if parameters.filter == "none" else parameters.filter,
        high_pass=parameters.high_pass_hz,
        low_pass=parameters.low_pass_hz,
        t_r=T_R,
        standardize={"zscore": "zscore_sample", "psc": "psc", "none": None}[
            parameters.standardize
        ],
        sample_mask=None if kept.size == T else kept.copy(),
        confounds=design if design.shape[1] else None,
        standardize_confounds=True,
        extrapolate=False,
    )


def is_comparable(masked, how, detrend):
    """False where nilearn fits lines on a time axis without the gaps; see the test of that."""
    has_gap = np.ptp(MASKS[masked]) + 1 > MASKS[masked].size
    return not (detrend and has_gap) or FILTERS[how].get("filter") == "butterworth"


CASES = [
    case
    for case in product(MASKS, FILTERS, [True, False], ["zscore", "psc", "none"], [0, 6])
    if is_comparable(*case[:3])
]


@pytest.mark.filterwarnings("ignore:When confounds are provided:UserWarning")
@pytest.mark.parametrize(("masked", "how", "detrend", "standardize", "n_confounds"), CASES)
def test_cleaning_is_that_of_nilearn(masked, how, detrend, standardize, n_confounds):
    kept = MASKS[masked]
    signals, design = random_run(5, n_confounds=n_confounds)
    parameters = CleaningParameters(
        detrend=detrend, standardize=standardize, **FILTERS[how], **AS_NILEARN
    )
    cleaner = cleaner_of(parameters, np.isin(np.arange(T), kept), design)
    expected = nilearn_clean(signals, design, kept, parameters)
    np.testing.assert_allclose(cleaner(signals), expected, rtol=0, atol=NILEARN_TOLERANCE)


def test_nilearn_regresses_rounding_errors_of_repeated_confounds_and_we_do_not():
    signals, design = random_run(7)
    repeated = np.hstack([design, design @ [[1.0, 5.0], [2.0, 0.0], [0.0, -1.0]]])
    parameters, kept = CleaningParameters(**FILTERS["band-pass"], **AS_NILEARN), np.arange(T)
    theirs = nilearn_clean(signals, repeated, kept, parameters) - nilearn_clean(
        signals, design, kept, parameters
    )
    assert np.abs(theirs).max() > 1e-3
    mask = np.ones(T, dtype=bool)
    np.testing.assert_allclose(
        cleaner_of(parameters, mask, repeated)(signals),
        cleaner_of(parameters, mask, design)(signals),
        atol=1e-9,
    )


def test_nilearn_lets_mirrored_censored_volumes_leak_and_we_do_not():
    signals, design = random_run(6)
    kept = np.setdiff1d(np.arange(T), [10, T - 1 - 10])
    spiked = signals.copy()
    spiked[[10, T - 1 - 10]] += 500
    parameters = CleaningParameters(**FILTERS["band-pass"], **AS_NILEARN)
    leak = nilearn_clean(spiked, design, kept, parameters) - nilearn_clean(
        signals, design, kept, parameters
    )
    assert np.abs(leak).max() > 1
    cleaner = cleaner_of(parameters, np.isin(np.arange(T), kept), design)
    np.testing.assert_array_equal(cleaner(spiked), cleaner(signals))


def test_nilearn_misaligns_volumes_after_mirrored_edges_and_we_do_not():
    kept = np.arange(3, T - 1)  # 0, 1, 2 and the last: volume 0 mirrors the last
    seconds = np.arange(T)[:, np.newaxis] * T_R
    signals = np.sin(2 * np.pi * 0.05 * seconds)
    parameters = CleaningParameters(
        detrend=False, standardize="none", **FILTERS["low-pass"], **AS_NILEARN
    )
    cleaned = cleaner_of(parameters, np.isin(np.arange(T), kept), no_design())(signals)
    theirs = nilearn_clean(signals, no_design(), kept, parameters)
    middle = slice(20, -20)  # away from the ends, a slow wave passes as it is
    np.testing.assert_allclose(cleaned[middle], signals[kept][middle], atol=0.01)
    assert np.abs(theirs[middle] - signals[kept][middle]).max() > 0.1


@pytest.mark.parametrize("how", FILTERS)
def test_columns_that_explain_nothing_new_are_named(how):
    signals, design = random_run(1)
    repeated = np.column_stack([design[:, :2], 3 - design[:, 0], design[:, 2], np.ones(T)])
    cleaner = cleaner_of(CleaningParameters(**FILTERS[how]), random_mask(1), repeated)
    assert cleaner.collinear == (2, 4)
    assert cleaner.ledger.n_regressors == 3
    without = np.delete(repeated, cleaner.collinear, axis=1)
    fewer = cleaner_of(CleaningParameters(**FILTERS[how]), random_mask(1), without)
    assert fewer.collinear == ()
    np.testing.assert_allclose(cleaner(signals), fewer(signals), atol=1e-8)
