"""Numbers come out of the text of a table as they were written into it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bidsmask.derivatives import tables
from bidsmask.derivatives.digits import float_rows
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
    with pytest.raises(ValueError, match="There are 5 cells, and not 6"):
        triangle_in(b"A\t1\t0\nB\t0\n", 2)


def test_no_text_holds_no_number():
    assert len(numbers_in(b"")) == 0


def test_a_text_that_breaks_off_is_refused():
    with pytest.raises(ValueError, match="Nothing is behind the last cell"):
        numbers_in(b"1\t2.5")


DECIMAL = st.from_regex(r"-?[0-9]{0,9}\.[0-9]{0,17}", fullmatch=True).filter(
    lambda text: any(letter.isdigit() for letter in text)
)
OTHER = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**18), 10**18).map(str),
    st.sampled_from(["n/a", "-0.0", ".5", "5.", "+1.5", "1e-05", "-1.5E3", "inf", "0" * 30]),
)
JUNK = st.text(
    st.characters(codec="latin-1", min_codepoint=11, exclude_characters="_"),
    min_size=1,
    max_size=17,
)


def read(cells: list[bytes]) -> np.ndarray:
    return numbers_in(b"".join(cell + b"\n" for cell in cells))


def bits(numbers) -> list[str]:
    return [float(number).hex() for number in numbers]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(DECIMAL, OTHER), max_size=30))
def test_numbers_are_those_that_python_reads(texts):
    expected = [np.nan if text == "n/a" else float(text) for text in texts]
    assert bits(read([text.encode() for text in texts])) == bits(expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=50))
def test_what_tables_hold_comes_back_bit_for_bit(values):
    row = np.array([values], dtype=np.float32)
    (text,) = float_rows(row, "n/a")
    found = read(text.encode().split(b"\t"))
    np.testing.assert_array_equal(found.astype(np.float32), row[0])
    np.testing.assert_array_equal(np.signbit(found), np.signbit(row[0]) & ~np.isnan(row[0]))


@pytest.mark.parametrize("n_bytes", [25, 26, 64, 1000])
def test_a_text_is_read_in_pieces_as_in_one(monkeypatch, n_bytes):
    monkeypatch.setattr("bidsmask.derivatives.numbers._BYTES_AT_ONCE", n_bytes)
    values = np.linspace(-3, 3, 100)
    assert read([repr(value).encode() for value in values.tolist()]).tolist() == values.tolist()
    text = "".join(f"A\t{one}\t{other}\n" for one, other in values.reshape(-1, 2).tolist())
    wanted = np.tile([False, False, True], 50)
    assert numbers_in(text.encode(), wanted).tolist() == values[1::2].tolist()


@settings(max_examples=500, deadline=None)
@given(JUNK)
@example(".")
@example("-.")
@example("-")
@example("--1.5")
@example("1.2.3")
@example("0x1.8")
@example("n/b")
@example("\xae\xb0.5")
@example("\x10\xcf1.5")
def test_what_is_no_number_for_python_is_none_here(text):
    check_that_python_agrees(text.encode("latin-1"))


def test_no_byte_in_or_around_a_number_makes_another_of_it():
    for form in ("{}1.25", "1{}.25", "1.{}5", "1.25{}", "12{}25"):
        for byte in range(ord("\n") + 1, 256):
            check_that_python_agrees(form.format(chr(byte)).encode("latin-1"))


def check_that_python_agrees(cell: bytes) -> None:
    try:
        expected = np.nan if cell == b"n/a" else float(cell)
    except ValueError:
        with pytest.raises(ValueError, match="could not convert"):
            read([cell])
    else:
        assert bits(read([cell])) == bits([expected])
