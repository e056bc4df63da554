"""Means of connectivity within networks, and between them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bidsmask._typing import FloatArray


class NetworkMean(NamedTuple):
    """Mean over the pairs of one network, or of two.

    Parameters
    ----------
    one, other : str
        Networks; the same for pairs within.
    mean : float
        NaN without any pair.
    n_pairs : int
        Pairs of regions that have a finite value.
    """

    one: str
    other: str
    mean: float
    n_pairs: int


def network_means(values: FloatArray, networks: Sequence[str]) -> list[NetworkMean]:
    """Return the mean of a matrix within each network, and between each two.

    Parameters
    ----------
    values : array of shape (P, P)
        Symmetric, such as Fisher's z. Pairs count once, and the diagonal not at all. What is not
        finite is left out: regions without a signal, and pairs of equal signals.
    networks : sequence of P str
        The network of each region; "" for regions in none, which are left out.

    Returns
    -------
    means : list of NetworkMean
        In the order in which networks first appear.

    Examples
    --------
    >>> z = np.array([[np.nan, 0.6, 0.1], [0.6, np.nan, 0.3], [0.1, 0.3, np.nan]])
    >>> for mean in network_means(z, ["Vis", "Vis", "Default"]):
    ...     print(*mean)
    Vis Vis 0.6 1
    Vis Default 0.2 2
    Default Default nan 0
    """
    names = [name for name in dict.fromkeys(networks) if name]
    members = np.array([[network == name for name in names] for network in networks], dtype=float)
    counted = np.isfinite(values) & ~np.eye(len(values), dtype=bool)
    sums = members.T @ np.where(counted, values, 0.0) @ members
    n_pairs = members.T @ counted.astype(float) @ members
    for of_both in (sums, n_pairs):
        of_both[np.diag_indices(len(names))] /= 2  # there, each pair was met from both sides
    return [
        NetworkMean(
            one=names[i],
            other=names[j],
            mean=float(sums[i, j] / n_pairs[i, j]) if n_pairs[i, j] else float("nan"),
            n_pairs=round(n_pairs[i, j]),
        )
        for i, j in zip(*np.triu_indices(len(names)), strict=True)
    ]
