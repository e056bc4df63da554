import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.equal_length import drawn_rows, volumes_of

SEEDS = st.integers(0, 2**32 - 1)
DRAWN = [1, 2, 3, 11, 13, 15]
PAIRS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(pair=PAIRS, seed=SEEDS)
def test_rows_that_are_drawn_are_so_many_different_ones(pair, seed):
    n_rows, n_drawn = pair
    rows = drawn_rows(n_rows, n_drawn, seed)
    assert rows.size == n_drawn
    assert (np.diff(rows) > 0).all()
    assert not n_drawn or (rows[0] >= 0 and rows[-1] < n_rows)


@given(pair=PAIRS, seed=SEEDS)
def test_the_same_seed_draws_the_same_rows_and_fewer_are_some_of_more(pair, seed):
    n_rows, n_drawn = pair
    more = drawn_rows(n_rows, n_rows, seed)
    np.testing.assert_array_equal(more, np.arange(n_rows))
    fewer = drawn_rows(n_rows, n_drawn, seed)
    np.testing.assert_array_equal(fewer, drawn_rows(n_rows, n_drawn, seed))
    assert set(drawn_rows(n_rows, n_drawn // 2, seed)) <= set(fewer)


def test_every_row_is_drawn_as_often():
    """Of 10,000 seeds, within five standard errors."""
    counts = np.zeros(20)
    for seed in range(10_000):
        counts[drawn_rows(20, 5, seed)] += 1
    assert abs(counts - 2500).max() < 5 * np.sqrt(10_000 * 0.25 * 0.75)


def test_a_seed_draws_what_it_has_always_drawn():
    assert drawn_rows(20, 6, seed=0).tolist() == DRAWN
    assert drawn_rows(20, 6, seed=1).tolist() != DRAWN


@given(minutes=st.floats(0.1, 60), t_r=st.floats(0.3, 4))
def test_so_many_volumes_last_long_enough_and_one_less_does_not(minutes, t_r):
    n_volumes = volumes_of(minutes, t_r)
    assert n_volumes * t_r >= 60 * minutes - 1e-6
    assert (n_volumes - 1) * t_r < 60 * minutes


def test_more_rows_than_there_are_cannot_be_drawn():
    with pytest.raises(ValueError, match="6 of 5 rows"):
        drawn_rows(5, 6, seed=0)
