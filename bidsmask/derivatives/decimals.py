"""Decimal texts turned into numbers, thousands at a time, exactly as `float` does it.

Sixteen characters of a cell are two whole numbers of 64 bits, the first character in the lowest
byte, so that one operation on an array is one on eight characters of each cell. Cells of a sign,
digits and a point, as nearly all in tables of floating-point numbers are, never become Python
objects; all others are left to `float`.
"""

from __future__ import annotations

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray

_MISSING = b"n/a"
"""As BIDS writes what is not there."""

_WIDTH = 16
"""Characters that are looked at: longer cells are left to `float`."""

_CELLS_AT_ONCE = 8192
"""What is computed of them stays in the cache of a processor."""


def _in_each_byte(value: int) -> np.uint64:
    return np.uint64(value * 0x0101010101010101)


_ZERO = _in_each_byte(ord("0"))
_POINT = np.uint64(ord(".") ^ ord("0"))
_POINTS = _in_each_byte(int(_POINT))
_MINUS = np.uint64(ord("-") ^ ord("0"))
_ONES = _in_each_byte(1)
_HIGHEST_BITS = _in_each_byte(0x80)
_BEYOND_NINE = _in_each_byte(0x80 - 10)
"""Sets the highest bit of a byte that holds 10 or more, if it is added."""

_FIRST_BYTE, _THREE_BYTES = np.uint64(0xFF), np.uint64(0xFFFFFF)
_MISSING_WORD = np.uint64(int.from_bytes(_MISSING, "little"))
_SEVEN = np.uint64(7)

_OF_CELL = np.array(
    [
        [(1 << 8 * min(max(n - first, 0), 8)) - 1 if 3 <= n <= _WIDTH else 0 for first in (0, 8)]
        for n in range(_WIDTH + 2)
    ],
    dtype=np.uint64,
).T.copy()
"""Bits of each word that are of a cell of n characters; none if `float` has to read it."""

_JOINED_IN_PAIRS = tuple(
    (np.uint64((10**digits << 8 * digits) + 1), np.uint64(8 * digits), np.uint64(kept))
    for digits, kept in ((1, 0x00FF00FF00FF00FF), (2, 0x0000FFFF0000FFFF), (4, 0xFFFFFFFF))
)
"""Factor, shift, bits to keep: neighbours of so many digits become one number of all of these."""

_DIVISORS = np.ones(66)
_DIVISORS[0:64:8] = [float(10**power) for power in range(15, 7, -1)]
_DIVISORS[1:65:8] = -_DIVISORS[0:64:8]
"""By the number of bits below the point, and one more in negative numbers."""

_SCALE_OF_FIRST_WORD = np.uint64(10**8)


def decimals(text: bytes, starts: IntArray, ends: IntArray) -> FloatArray:
    """Read some cells of a text.

    Parameters
    ----------
    text : bytes
    starts, ends : int arrays of shape (n,)
        Where the characters of each cell begin, and where they have ended.

    Returns
    -------
    numbers : float64 array of shape (n,)
        Each is ``float`` of its cell, bit for bit: digits make a whole number below 10^15, which
        is exact, as is the power of ten that it is divided by, so that the quotient is the
        nearest number to what is written. NaN for ``n/a``.

    Raises
    ------
    ValueError
        If a cell is no number.

    References
    ----------
    Clinger (1990), How to read floating point numbers accurately, PLDI,
    doi:10.1145/93542.93557. Eight digits at a time: Lemire (2021), Number parsing at a gigabyte
    per second, Software: Practice and Experience 51(8), doi:10.1002/spe.2984

    Examples
    --------
    >>> decimals(b"0.25,n/a,-1e-05", np.array([0, 5, 9]), np.array([4, 8, 15]))
    array([ 2.5e-01,      nan, -1.0e-05])
    """
    numbers = np.empty(len(starts))
    padded = text + bytes(_WIDTH)
    windows = np.ndarray((len(text) + 1,), f"V{_WIDTH}", padded, strides=(1,))
    for first in range(0, len(starts), _CELLS_AT_ONCE):
        some = slice(first, first + _CELLS_AT_ONCE)
        lengths = ends[some] - starts[some]
        words = windows[starts[some]].view("<u8").reshape(-1, 2)
        is_other = _read_plain(words, lengths, numbers[some])
        is_missing = (lengths == len(_MISSING)) & (words[:, 0] & _THREE_BYTES == _MISSING_WORD)
        numbers[some][is_missing] = np.nan
        for one in (first + np.flatnonzero(is_other & ~is_missing)).tolist():
            numbers[one] = float(text[starts[one] : ends[one]])
    return numbers


def _read_plain(words: Array, lengths: IntArray, numbers: FloatArray) -> BoolArray:
    """Read cells of digits and a point; tell which are none, whose numbers are of no use."""
    lengths = np.minimum(lengths, _WIDTH + 1)
    head, tail = (
        (word ^ _ZERO) & kept.take(lengths) for word, kept in zip(words.T, _OF_CELL, strict=True)
    )
    is_negative = (head & _FIRST_BYTE) == _MINUS
    head ^= is_negative * _MINUS  # now a zero in front
    point = ((head ^ _POINTS) - _ONES) & _HIGHEST_BITS  # where a byte was 0, and above that
    point &= -point
    point >>= _SEVEN
    head -= point * _POINT
    wrong = head + _BEYOND_NINE  # in the highest bit of each byte that is no digit
    wrong |= head
    wrong |= tail
    wrong |= tail + _BEYOND_NINE
    wrong &= _HIGHEST_BITS
    below = point - np.uint64(1)
    head += (head & below) * _FIRST_BYTE  # what is before the point moves into its place
    np.divide(
        _eight_digits(head) * _SCALE_OF_FIRST_WORD + _eight_digits(tail),
        _DIVISORS.take(np.bitwise_count(below) + is_negative),
        out=numbers,
    )
    is_other: BoolArray = (wrong != 0) | (point == 0)
    return is_other


def _eight_digits(words: Array) -> Array:
    """Give the number that eight bytes spell, each of them a digit."""
    for factor, shift, kept in _JOINED_IN_PAIRS:
        words = words * factor
        words >>= shift
        words &= kept
    return words
