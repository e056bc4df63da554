"""Texts of many floating-point numbers at once, each with as few digits as bring it back.

The text of a number is the one that numpy gives it, which tries one digit after the other. Here
the digits that a float32 needs are counted for a whole array: those of ``%.6g`` to ``%.9g`` are
the nearest to the number, so n of them bring it back if they are less than half of the distance
to its neighbours away from it. Numbers for which that is too close to call, or that ``%g`` would
spell in another way, are left to numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray

_CELLS_AT_ONCE = 1 << 16
"""Each of them is an object, and its text another, until its row is done."""

_MOST_DIGITS = 9  # enough for every float32
_FEWEST_DIGITS = 6  # so many always come back: fewer are those with zeros at the end
_FORMATS = np.array(["%s", *(f"%.{n}g" for n in range(_FEWEST_DIGITS, _MOST_DIGITS + 1))], object)
_TOO_CLOSE = 1e-6
"""Of a unit of the last digit; rounding errors are below 1e-7 of it."""

_SPELT_ALIKE = (1.001e-4, 1e6)
"""Sizes between which ``%g`` and numpy spell a number that is not whole in the same way."""

_POWERS_OF_TEN = 10.0 ** np.arange(_MOST_DIGITS + 4)
"""As many as these sizes need."""


def float_rows(values: FloatArray, missing: str) -> list[str]:
    """Give the text of each row of an array, its cells separated by tabs.

    Parameters
    ----------
    values : array of shape (n, m)
        Of any floating-point type.
    missing : str
        Text of NaN.

    Returns
    -------
    rows : list of str
        Each number as ``values.astype(str)`` spells it.
    """
    if _is_symmetric(values):
        return _symmetric_rows(values, missing)
    n_rows, n_columns = values.shape
    at_once = max(_CELLS_AT_ONCE // max(n_columns, 1), 1)
    return [
        "\t".join(row) % tuple(cells)
        for first in range(0, n_rows, at_once)
        for row, cells in zip(
            *_formats_and_cells(values[first : first + at_once], missing), strict=True
        )
    ]


def _is_symmetric(values: FloatArray) -> bool:
    n_rows, n_columns = values.shape
    if n_rows != n_columns or not np.array_equal(values, values.T, equal_nan=True):
        return False
    signs = np.signbit(values)
    return np.array_equal(signs, signs.T)  # 0 and -0 are equal, and spelt otherwise


def _symmetric_rows(values: FloatArray, missing: str) -> list[str]:
    """Rows of a symmetric matrix, from the texts of one half of it."""
    upper = np.triu_indices(len(values))
    (formats,), (cells,) = _formats_and_cells(values[upper][np.newaxis], missing)
    texts = np.empty(values.shape, dtype=object)
    texts[upper] = ("\t".join(formats) % tuple(cells)).split("\t")
    texts.T[upper] = texts[upper]
    return ["\t".join(row) for row in texts.tolist()]


def _formats_and_cells(
    values: FloatArray, missing: str
) -> tuple[list[list[str]], list[list[Any]]]:
    """For each number its format, and what is to be formatted: itself, or its text for ``%s``."""
    if values.dtype == np.float32:
        digits = _digits_needed(values)
    else:
        digits = np.zeros(values.shape, dtype=int)
    by_numpy = digits == 0
    formats = _FORMATS[np.where(by_numpy, 0, digits - _FEWEST_DIGITS + 1)]
    cells = values.astype(object)
    cells[by_numpy] = _texts(values[by_numpy], missing)
    return formats.tolist(), cells.tolist()


def _texts(values: FloatArray, missing: str) -> Array:
    """Texts of single numbers, as numpy spells them."""
    if values.dtype == np.float64:  # as Python does, which is faster
        return np.array([missing if x != x else repr(x) for x in values.tolist()], dtype=object)
    texts = values.astype("U32").astype(object)
    texts[np.isnan(values)] = missing
    return texts


def _digits_needed(values: FloatArray) -> IntArray:
    """Count the digits, from 6 on, that bring a float32 back; 0 where numpy has to be asked."""
    sizes = np.abs(values).astype(np.float64)
    easy = (sizes >= _SPELT_ALIKE[0]) & (sizes < _SPELT_ALIKE[1]) & (np.trunc(sizes) != sizes)
    sizes[~easy] = 0.75  # anything that can be computed with
    mantissas, exponents = np.frexp(sizes)
    easy &= mantissas != 0.5  # a power of two is nearer to its lower neighbour
    half_distances = np.ldexp(1.0, exponents - 25)  # to the next float32, which has 24 bits
    n_before_point = np.floor(np.log10(sizes)).astype(int) + 1
    n_needed = np.full(values.shape, _MOST_DIGITS)
    for n_digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        scales = _POWERS_OF_TEN[n_digits - n_before_point]
        scaled = sizes * scales
        room = half_distances * scales - np.abs(np.rint(scaled) - scaled)
        n_needed -= room > 0
        easy &= np.abs(room) > _TOO_CLOSE
    return np.where(easy, n_needed, 0)
