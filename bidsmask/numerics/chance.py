"""Orders drawn by chance, from a seed: the only place where chance gets into a result."""

import numpy as np

from bidsmask._typing import IntArray


def drawn_orders(n_orders: int, n: int, seed: int) -> IntArray:
    """Draw orders of n things by chance.

    The same seed draws the same orders on every machine and under every version of numpy; fewer
    orders of the same seed are the first of more.

    Parameters
    ----------
    n_orders, n : int
    seed : int
        From 0.

    Returns
    -------
    orders : int array of shape (n_orders, n)
        Each row has every number from 0 to n - 1 once.

    Examples
    --------
    >>> drawn_orders(2, 4, seed=0)
    array([[3, 2, 1, 0],
           [2, 3, 0, 1]])
    """
    # The bits of a generator are the same for ever; what numpy makes of them need not be.
    lots = np.random.PCG64(seed).random_raw(n_orders * n)
    return np.argsort(lots.reshape(n_orders, n), axis=1, kind="stable")
