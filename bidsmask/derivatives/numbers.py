"""Many numbers at once out of the text of a table.

Tables of matrices hold 160,000 numbers each, and a group has thousands of them. Of a symmetric
matrix half is read.
"""

from __future__ import annotations

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.derivatives.decimals import decimals


def numbers_in(text: bytes) -> FloatArray:
    r"""Read the cells of a text, one after the other.

    Parameters
    ----------
    text : bytes
        Cells with a tab or a line break behind each.

    Returns
    -------
    numbers : float64 array of shape (n,)
        NaN for ``n/a``.

    Raises
    ------
    ValueError
        If a cell is no number, or nothing is behind the last one.

    Examples
    --------
    >>> numbers_in(b"0.25\t-1\nn/a\t1e-05\n")
    array([ 2.5e-01, -1.0e+00,      nan,  1.0e-05])
    """
    ends = _ends_in(text)
    starts = np.zeros_like(ends)
    np.add(ends[:-1], 1, out=starts[1:])
    if len(text) != (ends[-1] + 1 if ends.size else 0):
        raise ValueError("The last cell has no end.")
    return decimals(text, starts, ends)


def triangle_in(text: bytes, n_columns: int) -> tuple[FloatArray, FloatArray]:
    r"""Read the half of a symmetric matrix that is above its diagonal.

    Parameters
    ----------
    text : bytes
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
    ends = _ends_in(text)
    if len(ends) != n_columns * (n_columns + 1):
        raise ValueError(f"{len(ends)} cells are no {n_columns} rows of {n_columns + 1}.")
    rows, columns = np.triu_indices(n_columns)
    before = rows * (n_columns + 1) + columns  # the cell before each, names counted in
    numbers = decimals(text, ends[before] + 1, ends[before + 1])
    is_diagonal = rows == columns
    return numbers[~is_diagonal], numbers[is_diagonal]


def _ends_in(text: bytes) -> IntArray:
    """Find tabs and line breaks; no table holds other characters of control."""
    ends: IntArray = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) <= ord("\n"))
    return ends
