"""Numbers come out of the text of a table as they were written into it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bidsmask.derivatives import tables
from bidsmask.derivatives.numbers import numbers_in, triangle_in
from bidsmask.derivatives.writing import write_table

SINGLE = st.floats(width=32, allow_infinity=False)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (3, 4), elements=SINGLE))
def test_what_is_written_in_single_precision_is_read_exactly(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("table") / "a.tsv"
    write_table(path, tables.time_series(values, list("abcd")))
    _, _, body = path.read_bytes().partition(b"\n")
    read = numbers_in(body).astype(np.float32).reshape(3, 4)
    np.testing.assert_array_equal(read, values)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (5, 5), elements=SINGLE))
def test_half_of_a_symmetric_matrix_is_all_of_it(tmp_path_factory, values):
    matrix = np.triu(values) + np.triu(values, 1).T
    path = tmp_path_factory.mktemp("table") / "a.tsv"
    write_table(path, tables.matrix(matrix, ["1", "2.5", "n/a", "a b", "é"]))
    _, _, body = path.read_bytes().partition(b"\n")
    above, diagonal = triangle_in(body, 5)
    np.testing.assert_array_equal(above.astype(np.float32), matrix[np.triu_indices(5, 1)])
    np.testing.assert_array_equal(diagonal.astype(np.float32), np.diagonal(matrix))


@pytest.mark.parametrize("text", [b"1\t\t2\n", b"1\tx\n", b"1,5\n", b"1 2\n"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="could not convert"):
        numbers_in(text)


def test_a_matrix_that_lacks_a_cell_is_refused():
    with pytest.raises(ValueError, match="5 cells are no 2 rows of 3"):
        triangle_in(b"A\t1\t0\nB\t0\n", 2)


def test_no_text_holds_no_number():
    assert len(numbers_in(b"")) == 0


def test_a_text_that_breaks_off_is_refused():
    with pytest.raises(ValueError, match="no end"):
        numbers_in(b"1\t2.5")
