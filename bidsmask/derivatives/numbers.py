"""Many numbers at once out of the text of a table, exactly as `float` reads them.

Tables of matrices hold 160,000 numbers each, and a group has thousands of them.

Sixteen characters of a cell are two whole numbers of 64 bits, the first character in the lowest
byte, so that one operation on an array is one on eight characters of each cell. Cells of a sign,
digits and a point, as nearly all in tables of floating-point numbers are, never become Python
objects; all others are left to `float`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray

_MISSING = b"n/a"
"""As BIDS writes what is not there."""

_WIDTH = 16
"""Characters that are looked at: longer cells are left to `float`."""

_BYTES_AT_ONCE = 1 << 17
"""Of text: what is computed of them stays in the cache of a processor, and in memory that is used
again. Arrays of megabytes are new to the process each time, which takes longer than to read them.
"""


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
"""Bits of each word that are of a cell of n characters; none if `float` has to read it, as it has
to read longer ones.
"""

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


def numbers_in(text: bytes | memoryview, wanted: BoolArray | None = None) -> FloatArray:
    r"""Read cells of a text, one after the other.

    Parameters
    ----------
    text : bytes or memoryview
        Cells with a tab or a line break behind each.
    wanted : bool array of shape (n,), optional
        Which of its n cells are read: all by default.

    Returns
    -------
    numbers : float64 array
        Each is ``float`` of its cell, bit for bit: digits make a whole number below 10^15, which
        is exact, as is the power of ten that it is divided by, so that the quotient is the
        nearest number to what is written. NaN for ``n/a``.

    Raises
    ------
    ValueError
        If a cell is no number, there are more or fewer than n, or nothing is behind the last.

    References
    ----------
    Clinger (1990), How to read floating point numbers accurately, PLDI,
    doi:10.1145/93542.93557. Eight digits at a time: Lemire (2021), Number parsing at a gigabyte
    per second, Software: Practice and Experience 51(8), doi:10.1002/spe.2984

    Examples
    --------
    >>> numbers_in(b"0.25\tn/a\n-1e-05\t7\n")
    array([ 2.5e-01,      nan, -1.0e-05,  7.0e+00])
    >>> numbers_in(b"A\t2.5\n", wanted=np.array([False, True]))
    array([2.5])
    """
    numbers: list[FloatArray] = [np.empty(0)]
    n_cells, first = 0, 0
    while first < len(text):
        piece = bytes(text[first : first + _BYTES_AT_ONCE])
        ends = np.flatnonzero(np.frombuffer(piece, dtype=np.uint8) <= ord("\n"))
        if not ends.size:
            raise ValueError("Nothing is behind the last cell.")
        starts = np.concatenate([[0], ends[:-1] + 1])
        first, n_before, n_cells = first + int(ends[-1]) + 1, n_cells, n_cells + len(ends)
        if wanted is not None:
            chosen = np.flatnonzero(wanted[n_before:n_cells])
            starts, ends = starts[chosen], ends[chosen]
        numbers.append(_read(piece, starts, ends))
    if wanted is not None and n_cells != len(wanted):
        raise ValueError(f"There are {n_cells} cells, and not {len(wanted)}.")
    return np.concatenate(numbers)


def triangle_in(text: bytes | memoryview, n_columns: int) -> tuple[FloatArray, FloatArray]:
    r"""Read the half of a symmetric matrix that is above its diagonal.

    Parameters
    ----------
    text : bytes or memoryview
        A line for each row, the first cell of which is a name.
    n_columns : int
        P.

    Returns
    -------
    above : float64 array of shape (P (P - 1) / 2,)
        Along the rows, as `numpy.triu_indices` counts them.
    diagonal : float64 array of shape (P,)

    Raises
    ------
    ValueError
        If there are not as many cells, or one is no number.

    Examples
    --------
    >>> above, diagonal = triangle_in(b"A\t1\t0.5\nB\t0.5\t1\n", 2)
    >>> above, diagonal
    (array([0.5]), array([1., 1.]))
    """
    wanted, is_diagonal = _cells_of_triangle(n_columns)
    numbers = numbers_in(text, wanted)
    return numbers[~is_diagonal], numbers[is_diagonal]


def _read(text: bytes, starts: IntArray, ends: IntArray) -> FloatArray:
    windows = np.ndarray((len(text),), f"V{_WIDTH}", text + bytes(_WIDTH), strides=(1,))
    lengths = ends - starts
    words = windows[starts].view("<u8").reshape(-1, 2)
    numbers = np.empty(len(starts))
    others = np.flatnonzero(_read_plain(words, lengths, numbers))
    is_missing = (lengths[others] == len(_MISSING)) & (
        words[others, 0] & _THREE_BYTES == _MISSING_WORD
    )
    numbers[others[is_missing]] = np.nan
    for one in others[~is_missing].tolist():
        numbers[one] = float(text[starts[one] : ends[one]])
    return numbers


def _read_plain(words: Array, lengths: IntArray, numbers: FloatArray) -> BoolArray:
    """Read cells of digits and a point; tell which are none, whose numbers are of no use."""
    head, tail = (
        (word ^ _ZERO) & kept.take(lengths, mode="clip")
        for word, kept in zip(words.T, _OF_CELL, strict=True)
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
        _DIVISORS.take(np.bitwise_count(below) + is_negative, mode="clip"),
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


@lru_cache(maxsize=1)
def _cells_of_triangle(n_columns: int) -> tuple[BoolArray, BoolArray]:
    """Tell which cells of a matrix are read, names being none of them, and where each is."""
    rows, columns = np.indices((n_columns, n_columns + 1)).reshape(2, -1)
    is_wanted = columns > rows
    return is_wanted, (columns == rows + 1)[is_wanted]
