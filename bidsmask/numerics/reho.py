"""Regional homogeneity: how alike the time courses of neighbouring voxels or vertices are."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.threads import in_order

NEIGHBOURHOOD = 27
"""A voxel and those that share a face, an edge or a corner with it."""

LEAST_NEIGHBOURS = NEIGHBOURHOOD // 2 + 1
"""More than half of a neighbourhood has to be there: of noise, ReHo is 1 / K for K voxels."""


class Rows(Protocol):
    """Values (T, V), of which one row at a time is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """T and V."""
        ...

    def __getitem__(self, number: int, /) -> FloatArray:
        """Values (V,) of a volume."""
        ...


def centred_ranks(signals: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rank the values of each column, and subtract the mean rank.

    Parameters
    ----------
    signals : array of shape (T, V)

    Returns
    -------
    ranks : float32 array of shape (T, V)
        From -(T - 1) / 2 to (T - 1) / 2. Equal values share the mean of their ranks. All are 0
        where a column does not change, or holds a value that is not finite.
    ties : float64 array of shape (V,)
        Σ (t³ - t) over groups of t equal values: 0 without ties, T³ - T where all ranks are 0.

    Notes
    -----
    The lowest bits of each number are replaced by its place in the array. So one sort of the
    numbers themselves, which is several times as fast as a sort of their indices, tells where
    each came from. Columns in which two numbers are equal but for these bits are ranked in the
    plain way. With some 50,000 values at a time there are hardly any, and all fits a cache.

    Examples
    --------
    >>> ranks, ties = centred_ranks(np.array([[5.0], [-1.0], [5.0], [9.0]]))
    >>> ranks.ravel(), ties
    (array([ 0. , -1.5,  0. ,  1.5], dtype=float32), array([6.]))
    """
    n_volumes, n_columns = signals.shape
    of_place = np.int64((1 << (signals.size - 1).bit_length()) - 1)
    series = np.add(signals.T, 0.0, dtype=np.float64, order="C")  # (V, T); there is no -0
    lost = ~np.isfinite(series).all(axis=1)
    series[lost] = 0.0  # a sort may write each NaN anew, and its mark is gone
    marked = series.view(np.int64)
    marked &= ~of_place
    marked |= np.arange(signals.size).reshape(series.shape)
    series.sort(axis=1)
    ranks = np.empty((n_columns, n_volumes), dtype=np.float32)
    ascending = np.arange(n_volumes, dtype=np.float32) - np.float32((n_volumes - 1) / 2)
    ranks.reshape(-1)[(marked & of_place).reshape(-1)] = np.tile(ascending, n_columns)
    ties = np.zeros(n_columns)
    ranks[lost], ties[lost] = 0, _all_tied(n_volumes)
    marked |= of_place
    doubtful = (marked[:, 1:] == marked[:, :-1]).any(axis=1) & ~lost
    for column in np.flatnonzero(doubtful):
        ranks[column], ties[column] = _mid_ranks(signals[:, column])
    return ranks.T, ties


def _mid_ranks(values: FloatArray) -> tuple[FloatArray, float]:
    """Centred mid-ranks of some values (T,), and Σ (t³ - t)."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    middle = last - (sizes - 1) / 2 - (values.size + 1) / 2
    return middle[group], float((sizes.astype(np.float64) ** 3 - sizes).sum())


class Around(Protocol):
    """Neighbourhoods of V voxels or vertices, each of which is part of its own."""

    @property
    def least(self) -> int | IntArray:
        """So many of each (V,) have to have a signal: more than half."""
        ...

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum values (V,) over each neighbourhood; of the type of the values."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedNeighbourhoods:
    """Neighbourhoods of places that are linked, as vertices are by the edges of a mesh.

    Parameters
    ----------
    links : sparse float32 array of shape (V, V)
        1 for neighbours, and on the diagonal.
    sizes : int array of shape (V,)
        Of whole neighbourhoods, those included that are none of the places.

    Examples
    --------
    >>> from scipy import sparse
    >>> links = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=np.float32))
    >>> line = LinkedNeighbourhoods(links=links, sizes=np.array([2, 3, 2]))
    >>> line.sums(np.array([1.0, 2.0, 4.0])), line.least
    (array([3., 7., 6.]), array([2, 2, 2]))
    """

    links: Any
    sizes: IntArray

    @property
    def least(self) -> IntArray:
        """More than half of each neighbourhood, (V,)."""
        least: IntArray = self.sizes // 2 + 1
        return least

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum values (V,) over the neighbourhood of each place; of the type of the values."""
        summed: FloatArray = self.links @ values
        return summed


class Neighbourhoods:
    """Sums over the 27 voxels around each voxel, of which those outside of a mask are 0.

    Parameters
    ----------
    mask : bool array of shape (X, Y, Z)
        Its voxels are counted flat, x running fastest.

    Examples
    --------
    >>> Neighbourhoods(np.ones((2, 1, 2), dtype=bool)).sums(np.array([1.0, 2.0, 4.0, 8.0]))
    array([15., 15., 15., 15.])
    """

    least = LEAST_NEIGHBOURS

    def __init__(self, mask: BoolArray) -> None:
        box = tuple(_extent(np.flatnonzero(mask.any(axis=others))) for others in _OTHER_AXES)
        padded = np.pad(mask[box], 1)
        self._inside: IntArray = np.flatnonzero(padded.ravel(order="F"))
        self._steps = np.cumprod([1, *padded.shape[:-1]]).tolist()
        self._size = padded.size

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum values (V,) over the neighbourhood of each voxel; of the type of the values.

        On a box with an empty margin a neighbour is a step in the flat index, and so a sum over
        three of them along each axis, one axis after the other, is a sum over 27.
        """
        box: FloatArray = np.zeros(self._size, dtype=values.dtype)
        box[self._inside] = values
        for step in self._steps:
            summed = box.copy()
            summed[step:] += box[:-step]
            summed[:-step] += box[step:]
            box = summed
        return box[self._inside]


_OTHER_AXES = ((1, 2), (0, 2), (0, 1))


def _extent(places: IntArray) -> slice:
    return slice(places[0], places[-1] + 1) if places.size else slice(0, 0)


def reho(ranks: Rows, ties: FloatArray, around: Around) -> FloatArray:
    """Compute Kendall's coefficient of concordance W of each place with its neighbours.

    Parameters
    ----------
    ranks : rows of shape (T, V)
        As `centred_ranks` makes them; read once, one volume at a time.
    ties : array of shape (V,)
        As `centred_ranks` makes them. Voxels whose values are all tied are nobody's neighbours.
    around : Neighbourhoods or LinkedNeighbourhoods
        Of the voxels or vertices that the ranks belong to.

    Returns
    -------
    w : float64 array of shape (V,)
        From 0 (the ranks of the neighbours cancel) to 1 (they agree). NaN where a place has no
        signal, or only half of its neighbourhood, itself included, or less has one.

    Notes
    -----
    With n volumes, K places, R_i the sum of their ranks in volume i and R̄ the mean of these,
    W = 12 Σ (R_i - R̄)² / (K² (n³ - n) - K Σ (t³ - t)), the last sum over all groups of t equal
    values of all K. Without ties that is ((K - 1) r + 1) / K, with r the mean of Spearman's
    correlations of all pairs.

    References
    ----------
    Zang et al. (2004), doi:10.1016/j.neuroimage.2003.12.030;
    Zuo et al. (2013), doi:10.1016/j.neuroimage.2012.10.017 (a vertex and those beside it);
    Kendall & Gibbons (1990), Rank Correlation Methods, chapter 6 (ties)
    """
    n_volumes, n_voxels = ranks.shape
    squares = np.zeros(n_voxels)
    for sums in in_order(lambda volume: around.sums(ranks[volume]), range(n_volumes)):
        squares += sums * sums
    usable = ties < _all_tied(n_volumes)
    n_neighbours = around.sums(usable.astype(np.float64))
    n_tied = around.sums(np.where(usable, ties, 0.0))
    most = n_neighbours**2 * _all_tied(n_volumes) - n_neighbours * n_tied
    w = np.full(n_voxels, np.nan)
    np.divide(12 * squares, most, out=w, where=usable & (n_neighbours >= around.least))
    np.minimum(w, 1.0, out=w)  # rounding
    return w


def _all_tied(n_volumes: int) -> float:
    return float(n_volumes) ** 3 - n_volumes
