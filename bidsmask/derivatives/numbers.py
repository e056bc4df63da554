"""Many numbers at once out of the text of a table.

Tables of matrices hold 160,000 numbers each, and a group has thousands of them. pandas reads one
long column twice as fast as hundreds of short ones, and of a symmetric matrix half is enough.
"""

from __future__ import annotations

import io

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.derivatives.writing import MISSING

_TO_LINES = bytes.maketrans(b"\t", b"\n")


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
        If a cell is no number.

    Examples
    --------
    >>> numbers_in(b"0.25\t-1\nn/a\t1e-05\n")
    array([ 2.5e-01, -1.0e+00,      nan,  1.0e-05])
    """
    import pandas as pd

    if not text:
        return np.empty(0)
    cells = pd.read_csv(
        io.BytesIO(text.translate(_TO_LINES)),
        sep="\t",
        header=None,
        dtype=np.float64,
        na_values=[MISSING],
        keep_default_na=False,
        skip_blank_lines=False,
    )
    numbers: FloatArray = cells.to_numpy()[:, 0]
    return numbers


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
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) <= ord("\n")) + 1
    if len(ends) != n_columns * (n_columns + 1):
        raise ValueError(f"{len(ends)} cells are no {n_columns} rows of {n_columns + 1}.")
    of_rows = ends.reshape(n_columns, n_columns + 1)
    corners = of_rows.diagonal(), of_rows.diagonal(1), of_rows[:, -1]
    cuts = zip(*map(np.ndarray.tolist, corners), strict=True)
    diagonal, above = zip(*((text[a:b], text[b:c]) for a, b, c in cuts), strict=True)
    return numbers_in(b"".join(above)), numbers_in(b"".join(diagonal))
