"""The function `clean`: laws, words, and nilearn 0.14.1 as oracle."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import signal

from bidsmask.errors import AllVolumesRemovedError, ConfoundsError, DegreesOfFreedomError
from bidsmask.maskers.cleaning import clean, clean_in_place
from bidsmask.numerics import temporal

T, T_R = 100, 2.0
SEEDS = st.integers(0, 2**32 - 1)

FLOAT64_TOLERANCE, FLOAT32_TOLERANCE = 1e-6, 1e-3

FILTERS = {
    "band-pass": {"filter": "butterworth", "high_pass": 0.01, "low_pass": 0.1},
    "high-pass": {"filter": "butterworth", "high_pass": 0.01},
    "low-pass": {"filter": "butterworth", "low_pass": 0.1},
    "other order and ends": {
        "filter": "butterworth",
        "low_pass": 0.1,
        "butterworth__order": 2,
        "butterworth__padtype": "even",
        "butterworth__padlen": 10,
    },
    "ends as they are": {"high_pass": 0.02, "butterworth__padtype": None},
    "cosine": {"filter": "cosine", "high_pass": 0.0113},
    "none": {"filter": False},
}
MASKS = {
    "all kept": None,
    "head": np.arange(4, T),
    "gaps": np.setdiff1d(np.arange(T), [10, 11, 12, 40, 77]),
    "edges and gaps": np.setdiff1d(np.arange(T), [0, 1, 30, 31, 50, 97]),
    "bools": ~np.isin(np.arange(T), [20, 60, 61]),
}
"""None of them censors both volumes i and T - 1 - i, where nilearn is wrong."""


def random_signals(seed, n_columns=4, n_confounds=3):
    """Signals around a mean of 1000 with trends, and confounds that are partly in them."""
    rng = np.random.default_rng(seed)
    confounds = np.cumsum(rng.normal(size=(T, n_confounds)), axis=0) + rng.normal(size=n_confounds)
    signals = 1000 + 10 * rng.normal(size=(T, n_columns))
    signals += confounds @ rng.normal(size=(n_confounds, n_columns))
    return signals + np.outer(np.arange(T), rng.normal(size=n_columns)), confounds


def nilearn_clean(signals, sample_mask=None, **options):
    """Nilearn changes the arrays it is given."""
    sample_mask = None if sample_mask is None else np.array(sample_mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return signal.clean(signals.copy(), sample_mask=sample_mask, **options)


# --- laws


@settings(deadline=None, max_examples=40)
@given(
    seed=SEEDS,
    how=st.sampled_from(sorted(FILTERS)),
    detrend=st.booleans(),
    extrapolate=st.booleans(),
    value=st.sampled_from([1e6, -500.0, np.nan, np.inf]),
)
def test_the_content_of_a_censored_volume_changes_no_kept_value(
    seed, how, detrend, extrapolate, value
):
    signals, confounds = random_signals(seed)
    kept = np.random.default_rng(seed).random(T) > 0.15
    spoilt_signals, spoilt_confounds = signals.copy(), confounds.copy()
    spoilt_signals[~kept], spoilt_confounds[~kept] = value, value
    options = {"detrend": detrend, "t_r": T_R, "sample_mask": kept, "extrapolate": extrapolate}
    options |= FILTERS[how]
    np.testing.assert_array_equal(
        clean(spoilt_signals, confounds=spoilt_confounds, **options),
        clean(signals, confounds=confounds, **options),
    )


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, how=st.sampled_from(sorted(FILTERS)), standardize_confounds=st.booleans())
def test_cleaning_of_runs_is_cleaning_of_each_run(seed, how, standardize_confounds):
    signals, confounds = random_signals(seed)
    rng = np.random.default_rng(seed)
    runs, masks = np.repeat(["first", "second"], T // 2), rng.random((2, T // 2)) > 0.1
    options = {"t_r": T_R, "standardize_confounds": standardize_confounds, **FILTERS[how]}
    apart = [
        clean(signals[half], sample_mask=mask, confounds=confounds[half], **options)
        for half, mask in zip((slice(50), slice(50, None)), masks, strict=True)
    ]
    together = clean(signals, runs=runs, sample_mask=list(masks), confounds=confounds, **options)
    np.testing.assert_allclose(together, np.vstack(apart), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_many_columns_are_cleaned_like_few(seed):
    rng = np.random.default_rng(seed)
    width = temporal.VALUES_AT_ONCE // 40
    signals = rng.normal(size=(40, width + 100))
    options = {"high_pass": 0.01, "t_r": T_R, "confounds": rng.normal(size=(40, 2))}
    some = [0, width - 1, width, width + 99]
    np.testing.assert_allclose(
        clean(signals, **options)[:, some], clean(signals[:, some], **options), atol=1e-12
    )


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, how=st.sampled_from(sorted(FILTERS)))
def test_arrays_of_the_caller_are_not_touched(seed, how):
    signals, confounds = random_signals(seed)
    signals[5, 0] = np.nan
    mask = np.arange(3, T, dtype=np.int32)
    copies = signals.copy(), confounds.copy(), mask.copy()
    options = {"t_r": T_R, "ensure_finite": True, **FILTERS[how]}
    clean(signals, confounds=confounds, sample_mask=mask, **options)
    for array, copy in zip((signals, confounds, mask), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- in place


RUNS = {
    "one run": None,
    "in order": np.repeat([3, 4], T // 2),
    "in reverse": np.repeat([1, 0], T // 2),
    "woven": np.arange(T) % 2,
}


def masks_for(runs, kept):
    """A mask for each run."""
    return kept if runs is None else [kept[runs == label] for label in np.unique(runs)]


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS,
    how=st.sampled_from(sorted(FILTERS)),
    kind=st.sampled_from([np.float32, np.float64]),
    ordered=st.sampled_from(sorted(RUNS)),
    all_kept=st.booleans(),
    n_columns=st.sampled_from([3, 130, 600]),
    standardize=st.sampled_from(["zscore_sample", "zscore", "psc", None]),
)
def test_cleaning_in_place_is_cleaning(seed, how, kind, ordered, all_kept, n_columns, standardize):
    signals, confounds = random_signals(seed, n_columns=n_columns)
    signals = signals.astype(kind)
    runs, kept = RUNS[ordered], np.random.default_rng(seed).random(T) > 0.1
    mask = None if all_kept else masks_for(runs, kept)
    options = {"t_r": T_R, "confounds": confounds, "standardize": standardize, **FILTERS[how]}
    options |= {"runs": runs, "sample_mask": mask}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temporal, "VALUES_AT_ONCE", 250 * T)  # several blocks
        expected = clean(signals, **options)
        cleaned = clean_in_place(signals, **options)
    assert cleaned.dtype == kind
    np.testing.assert_array_equal(cleaned, expected)
    np.testing.assert_array_equal(signals[: len(cleaned)], cleaned)
    assert np.shares_memory(cleaned, signals)


@pytest.mark.parametrize("mask", [None, [4, 5, 7]])
def test_nothing_to_do_is_nothing_to_do_in_place_too(mask):
    signals, _ = random_signals(0)
    signals[5, 1] = np.nan
    copy = signals.copy()
    options = {"detrend": False, "standardize": None, "sample_mask": mask}
    np.testing.assert_array_equal(clean_in_place(signals, **options), copy[mask or slice(None)])
    finite = clean_in_place(copy.copy(), ensure_finite=True, **options)
    np.testing.assert_array_equal(finite, np.nan_to_num(copy, nan=0)[mask or slice(None)])


def test_missing_values_are_made_finite_in_place():
    signals, _ = random_signals(0, n_columns=T + 1)
    signals[5, 1], signals[6, 2] = np.nan, np.inf
    expected = clean(signals, ensure_finite=True, **FILTERS["band-pass"])
    cleaned = clean_in_place(signals, ensure_finite=True, **FILTERS["band-pass"])
    np.testing.assert_array_equal(cleaned, expected)
    assert np.isfinite(cleaned).all()


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (np.zeros((T, 2), dtype=np.int16), "Only float32 and float64"),
        (np.zeros((T, 2), dtype=">f4"), "Only float32 and float64"),
        ([[1.0], [2.0]], "Only float32 and float64"),
        (np.zeros((2, T)).T, "in C order"),
        (np.broadcast_to(np.zeros(3), (T, 3)), "writeable arrays in C order"),
        (np.zeros(T), "must be .T, P."),
    ],
)
def test_memory_that_cannot_hold_the_result_is_refused(signals, message):
    with pytest.raises(ValueError, match=message):
        clean_in_place(signals)


def test_signals_are_whole_after_an_error():
    """The confounds of the second run are looked at before the first run is overwritten."""
    signals, confounds = random_signals(0)
    confounds[80, 0] = np.nan
    copy = signals.copy()
    with pytest.raises(ConfoundsError, match="not finite"):
        clean_in_place(signals, runs=RUNS["in order"], confounds=confounds)
    np.testing.assert_array_equal(signals, copy)


def test_a_misspelt_word_is_refused_in_place_too():
    with pytest.raises(TypeError, match=r"'detrned'\. Did you mean 'detrend'"):
        clean_in_place(np.zeros((T, 1)), detrned=1)


# --- many columns


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_many_columns_of_few_bits_are_cleaned_in_double_precision(how, detrend, kind):
    signals, confounds = random_signals(9, n_columns=2 * T)
    signals = signals.astype(kind)
    options = {"t_r": T_R, "confounds": confounds, "detrend": detrend, **FILTERS[how]}
    cleaned = clean(signals, **options)
    assert cleaned.dtype == np.float32
    exact = clean(signals.astype(np.float64), **options)
    np.testing.assert_allclose(cleaned, exact, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("masked", ["all kept", "edges and gaps"])
@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16])
def test_many_columns_are_cleaned_as_by_nilearn(masked, how, kind):
    signals, confounds = random_signals(9, n_columns=2 * T, n_confounds=10)
    options = {"t_r": T_R, "confounds": confounds, "sample_mask": MASKS[masked], **FILTERS[how]}
    signals = signals.astype(kind)
    tolerance = FLOAT64_TOLERANCE if kind == np.float64 else FLOAT32_TOLERANCE
    np.testing.assert_allclose(
        clean(signals, **options), nilearn_clean(signals, **options), rtol=0, atol=tolerance / 10
    )


# --- nilearn as oracle


STANDARDIZATIONS = ["zscore_sample", "psc", None]


@pytest.mark.parametrize("n_confounds", [0, 5])
@pytest.mark.parametrize("standardize", STANDARDIZATIONS)
@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("masked", MASKS)
def test_cleaning_is_that_of_nilearn(masked, how, detrend, standardize, n_confounds):
    signals, confounds = random_signals(5, n_confounds=n_confounds)
    options = {"detrend": detrend, "standardize": standardize, "t_r": T_R, **FILTERS[how]}
    options |= {"sample_mask": MASKS[masked], "confounds": confounds if n_confounds else None}
    expected = nilearn_clean(signals, **options)
    np.testing.assert_allclose(clean(signals, **options), expected, atol=FLOAT64_TOLERANCE)
    for kind, atol in ((np.float32, FLOAT32_TOLERANCE), (np.int16, FLOAT32_TOLERANCE)):
        if detrend:  # nilearn computes in single precision: without detrending it loses digits
            theirs = nilearn_clean(signals.astype(kind), **options)
            ours = clean(signals.astype(kind), **options)
            assert ours.dtype == theirs.dtype == np.float32
            unit = 1 if standardize else 20  # in standard deviations of the signal
            np.testing.assert_allclose(ours, theirs, atol=unit * atol)


@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("standardize", STANDARDIZATIONS)
def test_confounds_that_are_not_standardized_are_regressed_like_in_nilearn(
    how, detrend, standardize
):
    signals, confounds = random_signals(6)
    options = {"detrend": detrend, "standardize": standardize, "t_r": T_R, **FILTERS[how]}
    options |= {"standardize_confounds": False, "sample_mask": MASKS["gaps"]}
    constant = [] if options.get("high_pass") else [np.ones(T)]  # see the test of a constant
    for design in (confounds, np.column_stack([*constant, confounds])):
        expected = nilearn_clean(signals, confounds=design, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the missing detrending, as in nilearn
            ours = clean(signals, confounds=design, **options)
        np.testing.assert_allclose(ours, expected, atol=FLOAT64_TOLERANCE)


@pytest.mark.parametrize("how", ["band-pass", "low-pass"])
@pytest.mark.parametrize("detrend", [True, False])
def test_extrapolation_is_that_of_nilearn(how, detrend):
    signals, confounds = random_signals(7)
    options = {"detrend": detrend, "t_r": T_R, "confounds": confounds, **FILTERS[how]}
    options |= {"sample_mask": MASKS["edges and gaps"], "extrapolate": True}
    np.testing.assert_allclose(
        clean(signals, **options), nilearn_clean(signals, **options), atol=FLOAT64_TOLERANCE
    )


@pytest.mark.parametrize("standardize", STANDARDIZATIONS)
@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("how", ["band-pass", "cosine", "none"])
def test_runs_are_those_of_nilearn_sorted_by_label(how, detrend, standardize):
    signals, _ = random_signals(8)
    confounds = np.random.default_rng(8).normal(size=(T, 3))  # none of them like a cosine
    runs = np.repeat([1, 0], T // 2)
    masks = [np.arange(3, 50), np.delete(np.arange(50), 20)]
    options = {"detrend": detrend, "standardize": standardize, "t_r": T_R, "runs": runs}
    options |= {"confounds": confounds, **FILTERS[how]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = signal.clean(signals, sample_mask=[mask.copy() for mask in masks], **options)
    ours = clean(signals, sample_mask=masks, **options)
    np.testing.assert_allclose(ours, expected, atol=FLOAT64_TOLERANCE)


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "u1", "i4", "i8"])
def test_numbers_come_out_in_the_type_in_which_nilearn_gives_them(kind):
    signals = random_signals(1)[0].clip(0, 250).astype(kind)
    expected = nilearn_clean(signals).dtype.newbyteorder("=")
    assert clean(signals).dtype == expected
    assert clean(signals, detrend=False, standardize=None).dtype == expected


def test_the_byte_order_of_the_signals_does_not_matter():
    signals, _ = random_signals(1)
    cleaned = clean(signals.astype(">f4"))
    assert cleaned.dtype == np.float32
    assert cleaned.dtype.isnative
    np.testing.assert_array_equal(cleaned, clean(signals.astype("<f4")))


# --- where nilearn is wrong, and why


def test_censored_volumes_that_mirror_each_other_leak_in_nilearn_and_not_here():
    """It inverts integer indices bit by bit: of volumes 10 and T - 11 it interpolates neither."""
    signals, confounds = random_signals(2)
    kept = np.setdiff1d(np.arange(T), [10, T - 11])
    spiked = signals.copy()
    spiked[[10, T - 11]] += 500
    options = {"t_r": T_R, "confounds": confounds, "sample_mask": kept, **FILTERS["band-pass"]}
    leak = nilearn_clean(spiked, **options) - nilearn_clean(signals, **options)
    assert np.abs(leak).max() > 1
    np.testing.assert_array_equal(clean(spiked, **options), clean(signals, **options))


def test_volumes_are_shifted_behind_mirrored_edges_in_nilearn_and_not_here():
    """Of edges that mirror each other it trims nothing, and shifts the indices nevertheless."""
    kept = np.setdiff1d(np.arange(60), [0, 1, 2, 57, 58, 59])
    ramp = np.arange(60.0)[:, np.newaxis]
    options = {"detrend": False, "standardize": None, "low_pass": 0.2, "t_r": T_R}
    theirs = nilearn_clean(ramp, sample_mask=kept, **options)
    np.testing.assert_allclose(theirs.ravel(), np.arange(54), atol=0.1)  # volumes 0 to 53
    ours = clean(ramp, sample_mask=kept, **options)
    np.testing.assert_allclose(ours.ravel(), kept, atol=0.1)


def test_options_are_dropped_with_runs_in_nilearn_and_not_here():
    """It does not hand them on to the runs."""
    signals, confounds = random_signals(3)
    for dropped in (
        {"standardize_confounds": False},
        {"butterworth__order": 2},
    ):
        options = {"t_r": T_R, "confounds": confounds, "low_pass": 0.1, "standardize": None}
        options |= dropped
        one_run = nilearn_clean(signals, **options)
        theirs = nilearn_clean(signals, runs=np.zeros(T, dtype=int), **options)
        ours = clean(signals, runs=np.zeros(T, dtype=int), **options)
        assert np.abs(theirs - one_run).max() > 1e-3
        np.testing.assert_allclose(ours, one_run, atol=FLOAT64_TOLERANCE)


def test_a_constant_that_a_filter_removed_comes_back_in_nilearn_and_not_here():
    """It scales what rounding left of the constant up to 1, and regresses that."""
    signals, _ = random_signals(6)
    options = {"detrend": False, "standardize": None, "high_pass": 0.01, "t_r": T_R}
    without = clean(signals, **options)
    options |= {"standardize_confounds": False, "confounds": np.ones((T, 1))}
    assert np.abs(nilearn_clean(signals, **options) - without).max() > 1
    with pytest.warns(UserWarning, match="take the mean of the signals"):
        np.testing.assert_array_equal(clean(signals, **options), without)


def test_runs_are_counted_from_0_in_nilearn_and_may_have_any_label_here():
    """It compares labels with the position of the mask in the list."""
    signals, _ = random_signals(3)
    masks = [np.arange(40), np.arange(45)]
    from_0, from_1 = np.repeat([0, 1], T // 2), np.repeat([1, 2], T // 2)
    with pytest.raises(IndexError):
        signal.clean(signals, runs=from_1, sample_mask=masks)
    ours = clean(signals, runs=from_1, sample_mask=masks)
    np.testing.assert_allclose(
        ours, signal.clean(signals, runs=from_0, sample_mask=masks), atol=FLOAT64_TOLERANCE
    )


@pytest.mark.parametrize(
    ("word", "meant"),
    [("detrned", "detrend"), ("highpass", "high_pass"), ("tr", "t_r"), ("sessions", "runs")],
)
def test_a_misspelt_word_is_ignored_by_nilearn_and_refused_here(word, meant):
    """It takes any keyword and looks for those that begin with ``butterworth__``."""
    signals, _ = random_signals(4)
    np.testing.assert_array_equal(nilearn_clean(signals, **{word: 1}), nilearn_clean(signals))
    with pytest.raises(TypeError, match=f"{word!r}. Did you mean {meant!r}"):
        clean(signals, **{word: 1})


def test_a_word_like_no_other_is_refused_with_all_there_are():
    with pytest.raises(TypeError, match=r"'xyzzy'\. Keywords are: signals, runs, detrend"):
        clean(np.zeros((5, 1)), xyzzy=1)


def test_as_many_confounds_as_volumes_leave_noise_in_nilearn_and_are_refused_here():
    """It scales up what rounding errors leave of the signals."""
    rng = np.random.default_rng(0)
    signals, confounds = rng.normal(size=(30, 2)), rng.normal(size=(30, 29))
    theirs = nilearn_clean(signals, confounds=confounds, standardize=None)
    assert np.abs(theirs).max() < 1e-10
    with pytest.raises(DegreesOfFreedomError, match="minus 2 for mean and line"):
        clean(signals, confounds=confounds)


# --- words


def test_all_spellings_of_a_standardization_are_understood():
    signals, _ = random_signals(0)
    np.testing.assert_array_equal(clean(signals, standardize=True), clean(signals))
    np.testing.assert_array_equal(
        clean(signals, standardize=False), clean(signals, standardize=None)
    )


def test_zscore_divides_by_the_deviation_of_the_population_as_it_did_in_older_nilearns():
    signals, confounds = random_signals(0)
    scores = clean(signals, standardize="zscore", confounds=confounds)
    np.testing.assert_allclose(scores.std(axis=0), 1, rtol=1e-12)
    sample = clean(signals, confounds=confounds)
    np.testing.assert_allclose(sample.std(axis=0, ddof=1), 1, rtol=1e-12)


def test_no_filter_is_false_or_none_or_a_filter_without_cutoffs():
    signals, _ = random_signals(0)
    for how in (False, None, "butterworth"):
        np.testing.assert_array_equal(clean(signals, filter=how, t_r=None), clean(signals))


def test_nothing_to_do_gives_the_kept_volumes_with_what_is_missing_in_its_place():
    signals, _ = random_signals(0)
    signals[5, 1] = np.nan
    plain = clean(signals, detrend=False, standardize=None, sample_mask=[4, 5, 7])
    np.testing.assert_array_equal(plain, signals[[4, 5, 7]])


def test_missing_values_take_their_column_unless_they_are_made_finite():
    signals, _ = random_signals(0)
    signals[5, 1], signals[6, 2] = np.nan, np.inf
    assert np.isnan(clean(signals)).any(axis=0).tolist() == [False, True, True, False]
    finite = np.where(np.isfinite(signals), signals, 0)
    np.testing.assert_array_equal(clean(signals, ensure_finite=True), clean(finite))


@pytest.mark.parametrize("kind", ["tabs", "commas", "blanks", "header", "list", "frame", "flat"])
def test_confounds_may_come_in_any_form(tmp_path, kind):
    signals, confounds = random_signals(0)
    expected = clean(signals, confounds=confounds)
    frame, file = pd.DataFrame(confounds, columns=["a", "b", "c"]), tmp_path / "confounds.tsv"
    if kind in ("tabs", "commas", "blanks"):
        separator = {"tabs": "\t", "commas": ",", "blanks": " "}[kind]
        frame.to_csv(file, sep=separator, index=False, header=False)
        np.testing.assert_allclose(
            nilearn_clean(signals, confounds=str(file)), expected, atol=FLOAT64_TOLERANCE
        )
    frame_file = tmp_path / "header.csv"
    frame.to_csv(frame_file, index=False)
    given = {
        "header": frame_file,
        "list": [confounds[:, 0], frame[["b"]], str(file)],
        "frame": frame,
        "flat": (confounds[:, 0], confounds[:, 1:]),
    }.get(kind, str(file))
    if kind == "list":
        frame[["c"]].to_csv(file, index=False)
    np.testing.assert_allclose(clean(signals, confounds=given), expected, atol=1e-9)


def test_confounds_of_several_files_lie_side_by_side(tmp_path):
    signals, confounds = random_signals(0)
    files = []
    for column, name in zip(confounds.T, "abc", strict=True):
        files.append(tmp_path / f"{name}.txt")
        np.savetxt(files[-1], column)
    np.testing.assert_allclose(
        clean(signals, confounds=files), clean(signals, confounds=confounds), atol=1e-9
    )


@pytest.mark.parametrize(
    ("confounds", "error", "message"),
    [
        (np.zeros((T - 1, 2)), ConfoundsError, "incorrect length: 99 rows, .* 100 volumes"),
        (pd.DataFrame({"a": [1.0]}), ConfoundsError, "incorrect length: 1 rows"),
        (np.zeros((T, 2, 2)), ConfoundsError, "incorrect number of dimensions. .* has 3"),
        ([[1.0, 2.0]], TypeError, r"data frame or path of a table, and is \[1.0, 2.0\]"),
        (1.0, TypeError, "must be of type array, .* and is 1.0 .float."),
        ([None], TypeError, "unhandled type.* and is None"),
        (pd.DataFrame({"a": ["x"] * T}), ConfoundsError, "something that is not a number"),
        ("nowhere.tsv", FileNotFoundError, "nowhere.tsv: there is no such table of confounds"),
        (np.full((T, 1), np.nan), ConfoundsError, "not finite numbers in kept volumes"),
    ],
)
def test_confounds_that_cannot_be_used_are_refused_in_words(confounds, error, message):
    with pytest.raises(error, match=message):
        clean(random_signals(0)[0], confounds=confounds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table of confounds is empty"),
        ("a\tb\n1\t2\nx\t4\n", r"expected 2 numbers in each row, found \['x', '4'\]"),
        ("1,2\n3\n", r"expected 2 numbers in each row, found \['3'\]"),
    ],
)
def test_a_table_that_is_not_one_of_numbers_is_refused_in_words(tmp_path, text, message):
    file = tmp_path / "confounds.tsv"
    file.write_text(text)
    with pytest.raises(ConfoundsError, match=message):
        clean(np.zeros((2, 1)), confounds=file)


def test_a_missing_first_value_does_no_harm_when_that_volume_is_censored(tmp_path):
    signals, confounds = random_signals(0)
    file = tmp_path / "confounds.tsv"
    pd.DataFrame(confounds, columns=["x", "y", "z"]).iloc[1:].reindex(range(T)).to_csv(
        file, sep="\t", na_rep="n/a", index=False
    )
    kept = np.arange(1, T)
    np.testing.assert_allclose(
        clean(signals, confounds=file, sample_mask=kept),
        clean(signals, confounds=confounds, sample_mask=kept),
        atol=1e-9,
    )


@pytest.mark.parametrize(
    "mask",
    [list(range(5, T)), np.arange(5, T), [np.arange(5, T)], (np.arange(T) >= 5), range(5, T)],
)
def test_a_sample_mask_may_come_in_any_form(mask):
    signals, _ = random_signals(0)
    expected = clean(signals, sample_mask=np.arange(5, T))
    np.testing.assert_array_equal(clean(signals, sample_mask=mask), expected)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ([0, T], IndexError, r"invalid index \[100\]: the run has 100 volumes"),
        ([-1, 3], ValueError, "should not contain negative values"),
        ([3, 3], ValueError, "must increase"),
        ([0.5], TypeError, "must be of type int or bool"),
        (np.ones(T + 1, dtype=bool), IndexError, "has 101 bools, but the run has 100"),
        ([[0], [1]], ValueError, r"Number of sample_mask \(2\) not matching number of runs \(1\)"),
        ([], AllVolumesRemovedError, "leaves no volume"),
        (np.zeros(T, dtype=bool), AllVolumesRemovedError, "leaves no volume"),
        (np.arange(T + 1), IndexError, "more timepoints than the current run: 101 .* 100"),
    ],
)
def test_a_sample_mask_that_cannot_be_used_is_refused_in_words(mask, error, message):
    with pytest.raises(error, match=message):
        clean(random_signals(0)[0], sample_mask=mask)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"standardize": "zscores"}, ValueError, "'standardize' must be one of .*'zscores'"),
        ({"standardize": 1}, ValueError, "'standardize' must be one of"),
        (
            {"filter": "bessel"},
            ValueError,
            "Filter method bessel not implemented: 'filter' must be one of",
        ),
        ({"detrend": "no"}, TypeError, "detrend must be True or False, not 'no'"),
        ({"ensure_finite": None}, ValueError, "'ensure_finite' must be one of"),
        ({"low_pass": "0.1"}, TypeError, "low_pass must be a number or None"),
        ({"high_pass": True}, TypeError, "high_pass must be a number or None"),
        ({"high_pass": 0.01, "t_r": None}, ValueError, r"\(t_r\) must be specified"),
        ({"filter": "cosine"}, ValueError, "must be specified for cosine filtering"),
        ({"high_pass": 0.2, "low_pass": 0.1}, ValueError, r"\(0.2\) is greater .* must be below"),
        ({"high_pass": 0.3, "low_pass": 0.25}, ValueError, "must be below"),
        ({"high_pass": 0}, ValueError, "must be above 0"),
        ({"high_pass": 0.01, "t_r": -1}, ValueError, "repetition time must be above 0"),
        ({"low_pass": 0.1, "t_r": 0}, ValueError, "repetition time must be above 0"),
        ({"runs": [0, 1]}, ValueError, r"run vector \(2\) does not match .* \(100\)"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(options, error, message):
    with pytest.raises(error, match=message):
        clean(random_signals(0)[0], **options)


def test_signals_of_one_dimension_are_refused():
    with pytest.raises(ValueError, match=r"must be \(T, P\); their shape is \(9,\)"):
        clean(np.zeros(9))


def test_a_run_shorter_than_the_padding_is_refused_unless_padding_is():
    signals = random_signals(0)[0][:20]
    with pytest.raises(DegreesOfFreedomError, match="more than 33 volumes"):
        clean(signals, t_r=T_R, high_pass=0.05, low_pass=0.1)
    clean(signals, t_r=T_R, high_pass=0.05, low_pass=0.1, butterworth__padlen=10)


def test_one_volume_comes_out_as_it_is_with_a_warning():
    with pytest.warns(UserWarning, match="A single volume is neither detrended"):
        cleaned = clean(np.array([[3.0, 4.0]]))
    np.testing.assert_array_equal(cleaned, [[3.0, 4.0]])


def test_two_volumes_can_be_standardized():
    np.testing.assert_allclose(
        clean(np.array([[3.0], [4.0]]), detrend=False), [[-(0.5**0.5)], [0.5**0.5]]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter": False, "low_pass": 0.1}, "will not perform filtering"),
        ({"filter": "cosine", "high_pass": 0.01, "low_pass": 0.1}, "low_pass is not implemented"),
        ({"filter": "cosine", "high_pass": 1e-5}, "The cosine filter is empty"),
        ({"low_pass": 0.25, "t_r": T_R}, "0.25 Hz is not below the Nyquist frequency, 0.25 Hz"),
        ({"high_pass": 0.3}, "0.3 Hz is not below the Nyquist .* next to nothing is left"),
        ({"high_pass": -1, "low_pass": 0.1}, "too low. -1 Hz is below 0"),
        (
            {"detrend": False, "standardize_confounds": False, "confounds": np.ones((T, 1))},
            "must perform detrend",
        ),
    ],
)
def test_options_without_effect_are_warned_of(options, message):
    signals = random_signals(0)[0]
    with pytest.warns(UserWarning, match=message) as caught:
        ours = clean(signals, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_allclose(ours, nilearn_clean(signals, **options), atol=1e-3)


@pytest.mark.parametrize("how_to_clean", [clean, clean_in_place])
@pytest.mark.parametrize("n_columns", [1, 600])
def test_percent_change_of_a_mean_of_nothing_is_0_with_one_warning(
    n_columns, how_to_clean, monkeypatch
):
    monkeypatch.setattr(temporal, "VALUES_AT_ONCE", 250 * T)
    signals = np.tile([1.0, -1.0], T // 2)[:, np.newaxis].repeat(n_columns, axis=1)
    with pytest.warns(UserWarning, match=f"{n_columns} columns are set to 0") as caught:
        cleaned = how_to_clean(signals, detrend=False, standardize="psc")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(cleaned, 0)


def test_one_volume_has_no_deviation_of_the_population_either():
    with pytest.warns(UserWarning, match="A single volume"):
        cleaned = clean(np.array([[3.0, 4.0]]), standardize="zscore")
    np.testing.assert_array_equal(cleaned, [[3.0, 4.0]])
