"""Equal amounts of data of runs that kept unequal ones: volumes drawn by chance, from a seed."""

import math

import numpy as np

from bidsmask._typing import IntArray
from bidsmask.numerics.chance import drawn_orders

_ROUNDING = 1e-9


def volumes_of(minutes: float, t_r: float) -> int:
    """How many volumes last at least so many minutes: ceil(60 minutes / t_r).

    Examples
    --------
    >>> volumes_of(5, t_r=2.0), volumes_of(5, t_r=0.72)
    (150, 417)
    """
    return math.ceil(60 * minutes / t_r - _ROUNDING)


def drawn_rows(n_rows: int, n_drawn: int, seed: int) -> IntArray:
    """Draw rows by chance, each at most once.

    The same seed draws the same rows of as many, on every machine and under every version of
    numpy; fewer rows of the same seed are some of more. Volumes drawn by chance hold more
    information than as many in a row, because neighbours are alike.

    Parameters
    ----------
    n_rows : int
        Rows to draw from: kept volumes, say.
    n_drawn : int
        Rows to draw, at most `n_rows`.
    seed : int
        From 0.

    Returns
    -------
    rows : int array of shape (n_drawn,)
        Sorted, from 0.

    Raises
    ------
    ValueError
        If there are fewer rows than are to be drawn.

    Examples
    --------
    >>> drawn_rows(8, 3, seed=0)
    array([1, 2, 3])
    """
    if not 0 <= n_drawn <= n_rows:
        raise ValueError(f"{n_drawn} of {n_rows} rows cannot be drawn.")
    return np.sort(drawn_orders(1, n_rows, seed)[0, :n_drawn])
