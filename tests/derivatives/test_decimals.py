"""Texts become the numbers that Python reads in them, bit for bit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidsmask.derivatives.decimals import decimals
from bidsmask.derivatives.digits import float_rows

DECIMAL = st.from_regex(r"-?[0-9]{0,9}\.[0-9]{0,17}", fullmatch=True).filter(
    lambda text: any(letter.isdigit() for letter in text)
)
OTHER = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**18), 10**18).map(str),
    st.sampled_from(["n/a", "-0.0", ".5", "5.", "+1.5", "1e-05", "-1.5E3", "inf", "0" * 30]),
)
JUNK = st.text(st.characters(codec="latin-1", exclude_characters="_"), min_size=1, max_size=17)


def read(cells: list[bytes]) -> np.ndarray:
    ends = np.cumsum([len(cell) + 1 for cell in cells], dtype=np.intp) - 1
    starts = ends - [len(cell) for cell in cells]
    return decimals(b"\t".join(cells), starts, ends)


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


def test_as_many_cells_as_there_are(monkeypatch):
    monkeypatch.setattr("bidsmask.derivatives.decimals._CELLS_AT_ONCE", 7)
    values = np.linspace(-3, 3, 100).tolist()
    assert read([repr(value).encode() for value in values]).tolist() == values


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
        for byte in range(256):
            check_that_python_agrees(form.format(chr(byte)).encode("latin-1"))


def check_that_python_agrees(cell: bytes) -> None:
    try:
        expected = np.nan if cell == b"n/a" else float(cell)
    except ValueError:
        with pytest.raises(ValueError, match="could not convert"):
            read([cell])
    else:
        assert bits(read([cell])) == bits([expected])
