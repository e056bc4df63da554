"""Mean, spread and number over participants, as they come."""

from __future__ import annotations

import numpy as np

from bidsmask._typing import FloatArray, IntArray


class Moments:
    """Mean, standard deviation and number of each element of arrays that come one by one.

    NaN is left out: an element has as many values as there were arrays in which it is a number.

    Parameters
    ----------
    n_elements : int

    References
    ----------
    Welford (1962), Technometrics 4(3), doi:10.1080/00401706.1962.10490022

    Examples
    --------
    >>> moments = Moments(2)
    >>> moments.add(np.array([1.0, np.nan]))
    >>> moments.add(np.array([3.0, 5.0]))
    >>> moments.mean, moments.sd.round(4), moments.n
    (array([2., 5.]), array([1.4142,    nan]), array([2, 1]))
    """

    def __init__(self, n_elements: int) -> None:
        self.n: IntArray = np.zeros(n_elements, dtype=np.int64)
        self._mean = np.zeros(n_elements)
        self._squares = np.zeros(n_elements)

    def add(self, values: FloatArray) -> None:
        """Take an array of shape (n_elements,) in."""
        is_number = ~np.isnan(values)
        self.n += is_number
        step = np.where(is_number, values - self._mean, 0.0)
        self._mean += step / np.maximum(self.n, 1)
        self._squares += step * np.where(is_number, values - self._mean, 0.0)

    @property
    def mean(self) -> FloatArray:
        """Mean of each element; NaN without any value."""
        return np.where(self.n > 0, self._mean, np.nan)

    @property
    def sd(self) -> FloatArray:
        """Standard deviation of the sample (n - 1); NaN with fewer than two values."""
        variance = self._squares / np.maximum(self.n - 1, 1)
        return np.where(self.n > 1, np.sqrt(variance), np.nan)


def mean_of_runs(runs: FloatArray) -> FloatArray:
    """Mean of the runs of a participant, each of the same weight.

    Parameters
    ----------
    runs : array of shape (n, E)
        Fisher's z of E edges. NaN is left out.

    Returns
    -------
    mean : array of shape (E,)
        NaN where no run has a value.

    Examples
    --------
    >>> mean_of_runs(np.array([[1.0, np.nan, np.nan], [2.0, 3.0, np.nan]]))
    array([1.5, 3. , nan])
    """
    mean: FloatArray = runs.mean(axis=0)
    gaps = np.flatnonzero(np.isnan(mean))  # few, as a rule: the others are done
    if gaps.size:
        some = runs[:, gaps]
        n_runs = (~np.isnan(some)).sum(axis=0)
        mean[gaps] = np.where(n_runs > 0, np.nansum(some, axis=0) / np.maximum(n_runs, 1), np.nan)
    return mean


class NetworkPairs:
    """Means over the edges within networks, and between each two.

    Parameters
    ----------
    networks : sequence of P str
        The network of each region; "" for those in none.
    first, second : int arrays of shape (E,)
        Regions of each edge.

    See Also
    --------
    bidsmask.numerics.connectivity.networks.network_means : The same of one matrix.

    Examples
    --------
    >>> pairs = NetworkPairs(["Vis", "Vis", "Default"], np.array([0, 0, 1]), np.array([1, 2, 2]))
    >>> pairs.names
    [('Vis', 'Vis'), ('Vis', 'Default'), ('Default', 'Default')]
    >>> pairs.means(np.array([0.6, 0.1, 0.3]))
    array([0.6, 0.2, nan])
    """

    def __init__(self, networks: list[str], first: IntArray, second: IntArray) -> None:
        known = [name for name in dict.fromkeys(networks) if name]
        place = {name: number for number, name in enumerate(known)} | {"": -1}
        of_region = np.array([place[name] for name in networks])
        one, other = np.sort([of_region[first], of_region[second]], axis=0)
        rows, columns = np.triu_indices(len(known))
        self.names = [(known[i], known[j]) for i, j in zip(rows, columns, strict=True)]
        numbers = np.zeros((len(known) + 1, len(known) + 1), dtype=np.int64)
        numbers[rows, columns] = np.arange(1, len(rows) + 1)
        self._pair_of_edge = np.where(one < 0, 0, numbers[one, other])

    def means(self, edges: FloatArray) -> FloatArray:
        """Mean of each pair over its edges that have a value, (n,); NaN if none has."""
        is_number = ~np.isnan(edges)
        pairs = self._pair_of_edge[is_number]
        n_pairs = len(self.names) + 1
        sums = np.bincount(pairs, weights=edges[is_number], minlength=n_pairs)[1:]
        n_edges = np.bincount(pairs, minlength=n_pairs)[1:]
        return np.where(n_edges > 0, sums / np.maximum(n_edges, 1), np.nan)
