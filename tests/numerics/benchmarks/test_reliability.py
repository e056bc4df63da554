import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.numerics.benchmarks.jackknife import (
    interval,
    left_out_groups,
    mean_interval,
)
from bidsmask.numerics.benchmarks.reliability import icc_a1


def sessions(seed, n=12, n_sessions=3, n_edges=6):
    rng = np.random.default_rng(seed)
    subjects = rng.normal(size=(n, 1, n_edges)) * np.linspace(0, 2, n_edges)
    return subjects + rng.normal(size=(n, n_sessions, n_edges)) + rng.normal(size=(n_sessions, 1))


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-9, 9), scale=st.floats(0.1, 9))
@settings(max_examples=20, deadline=None)
def test_units_do_not_matter_and_incomplete_subjects_do_not_count(seed, shift, scale):
    values = sessions(seed)
    icc = icc_a1(values)
    np.testing.assert_allclose(icc_a1(scale * values + shift), icc, atol=1e-9)
    more = np.concatenate([values, np.full((2, *values.shape[1:]), np.nan)])
    more[-1, 0] = 3.0
    np.testing.assert_allclose(icc_a1(more), icc, atol=1e-12)


@pytest.mark.filterwarnings("ignore")  # pingouin's own, of versions of pandas to come
@pytest.mark.parametrize("n_sessions", [2, 4])
def test_it_is_the_icc_a1_of_pingouin(n_sessions):
    values = sessions(1, n_sessions=n_sessions)
    n_subjects, _, n_edges = values.shape
    for edge in range(n_edges):
        table = pd.DataFrame(
            {
                "subject": np.repeat(np.arange(n_subjects), n_sessions),
                "session": np.tile(np.arange(n_sessions), n_subjects),
                "z": values[:, :, edge].ravel(),
            }
        )
        theirs = pingouin.intraclass_corr(
            table, targets="subject", raters="session", ratings="z"
        ).set_index("Type")
        name = "ICC2" if "ICC2" in theirs.index else "ICC(A,1)"  # two names of one thing
        np.testing.assert_allclose(icc_a1(values)[edge], theirs.loc[name, "ICC"], atol=1e-12)


def test_what_agrees_is_1_and_nothing_is_said_of_one_subject_or_one_session():
    same = np.repeat(np.arange(4.0), 2).reshape(4, 2, 1)
    assert icc_a1(same) == 1
    for too_few in (same[:1], same[:, :1], same * 0, same[:0]):
        assert np.isnan(icc_a1(too_few)).all()


def test_an_interval_of_a_mean_is_that_of_student():
    values = np.random.default_rng(0).normal(size=30)
    found = mean_interval(values)
    half = 2.045229642 * values.std(ddof=1) / np.sqrt(30)
    np.testing.assert_allclose([found.low, found.high], [found.value - half, found.value + half])
    assert found.excludes_zero == (found.low > 0 or found.high < 0)


def test_everybody_is_left_out_once():
    for n in (2, 100, 257):
        groups = left_out_groups(n)
        assert len(groups) <= 100
        assert sorted(np.concatenate(groups)) == list(range(n))
    assert np.isnan(interval(0.5, np.array([0.4, 0.6])).low)
