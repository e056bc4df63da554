"""Modularity of signed networks: how well regions fall into groups.

Networks stand out more where noise that all regions share is gone. Taking out the global signal
changes it by construction, so it is only ever compared among strategies that all do, or do not.
"""

from __future__ import annotations

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.numerics.chance import drawn_orders

_ROUNDING = 1e-12
"""A region moves if modularity gains more than this."""


def signed_modularity(weights: FloatArray, groups: IntArray) -> float:
    """Return Q* of regions in groups.

    Parameters
    ----------
    weights : array of shape (P, P)
        Symmetric, such as correlations. The diagonal does not count; negative weights do, but
        less: the more so, the fewer there are.
    groups : int array of shape (P,)

    Returns
    -------
    q : float
        NaN without a positive weight.

    References
    ----------
    Rubinov & Sporns (2011), NeuroImage 56(4), equation 8, doi:10.1016/j.neuroimage.2011.03.069

    Examples
    --------
    >>> pairs = np.kron(np.eye(2), np.ones((2, 2)))
    >>> signed_modularity(pairs, np.array([0, 0, 1, 1]))
    0.5
    """
    return _within(modularity_matrix(weights), groups)


def louvain_modularity(weights: FloatArray, seed: int) -> float:
    """Return Q* of the groups that `louvain_groups` finds; NaN without a positive weight.

    Examples
    --------
    >>> louvain_modularity(np.kron(np.eye(2), np.ones((2, 2))), seed=0)
    0.5
    """
    matrix = modularity_matrix(weights)
    return _within(matrix, _groups_of(matrix, seed))


def modularity_matrix(weights: FloatArray) -> FloatArray:
    """Return the matrix (P, P) whose sum over the pairs of the same group is Q*."""
    matrix, negative = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    for each in (matrix, negative):
        np.fill_diagonal(each, 0.0)
    of_positive, of_negative = matrix.sum(axis=0), -negative.sum(axis=0)
    positive = of_positive.sum() or np.nan
    both = positive + of_negative.sum()
    matrix -= _by_chance(of_positive)
    matrix /= positive
    negative += _by_chance(of_negative)
    negative /= both
    matrix += negative
    return matrix


def louvain_groups(weights: FloatArray, seed: int) -> IntArray:
    """Find groups of regions of high Q*, by Louvain's method.

    Regions move to the group that gains most, until none does; then groups move as regions did.
    It is not reproducible without a seed, which draws the order in which they are asked.

    Parameters
    ----------
    weights : array of shape (P, P)
        As for `signed_modularity`, with a positive weight.
    seed : int

    Returns
    -------
    groups : int array of shape (P,)
        Numbers from 0.

    References
    ----------
    Blondel et al. (2008), Journal of Statistical Mechanics P10008,
    doi:10.1088/1742-5468/2008/10/P10008

    Examples
    --------
    >>> louvain_groups(np.kron(np.eye(2), np.ones((2, 2))), seed=0)
    array([0, 0, 1, 1])
    """
    return _groups_of(modularity_matrix(weights), seed)


def _within(matrix: FloatArray, groups: IntArray) -> float:
    """Sum a matrix over the pairs of the same group."""
    member = np.eye(groups.max(initial=-1) + 1)[groups]
    return float(np.vdot(member, matrix @ member))


def _groups_of(matrix: FloatArray, seed: int) -> IntArray:
    groups: IntArray = np.arange(len(matrix))
    for level in range(len(matrix)):
        order = drawn_orders(1, len(matrix), seed + level)[0]
        joined = _moved(matrix, order)
        groups = joined[groups]
        if joined.max(initial=0) + 1 == len(matrix):
            break
        member = np.eye(joined.max() + 1)[joined]
        matrix = member.T @ matrix @ member
    return groups


def _moved(matrix: FloatArray, order: IntArray) -> IntArray:
    """Move each to the group that gains most, again and again; give groups, counted from 0.

    In the first round nearly all move, so that each is asked. Later few do, and the next one who
    does is found by asking all at once.
    """
    moves = _Moves(matrix, order)
    for one in range(len(matrix)):
        moves.ask(one)
    moves.forget_empty_groups()
    first = 0
    while (gainer := moves.next_who_gains(first)) is not None:
        moves.ask(gainer)
        first = gainer + 1
    groups = np.empty_like(moves.groups)
    groups[order] = moves.groups
    _, firsts, numbers = np.unique(groups, return_index=True, return_inverse=True)
    in_order: IntArray = firsts.argsort().argsort()  # of the first region of each
    return in_order[numbers]


class _Moves:
    """Regions, in the order in which they are asked, and what group each is in.

    Parameters
    ----------
    matrix : array of shape (P, P)
        What modularity gains by each pair in one group.
    order : int array of shape (P,)
    """

    def __init__(self, matrix: FloatArray, order: IntArray) -> None:
        others = matrix - np.diag(np.diagonal(matrix))  # a region always takes itself along
        self._sums = others[:, order]  # (groups, regions): of each region's row over the group
        self._matrix = self._sums[order]
        self._every = np.arange(len(order))
        self._spare = -1  # as long as there are as many groups as regions
        self.groups = order.copy()

    def ask(self, one: int) -> None:
        """Move a region to where modularity gains most, if it gains."""
        gain = self._sums[:, one]
        own, best = self.groups[one], gain.argmax()
        if gain[best] > gain[own] + _ROUNDING:
            self._sums[own] -= self._matrix[one]
            self._sums[best] += self._matrix[one]
            self.groups[one] = best
            if best == self._spare:
                self._add_spare()

    def forget_empty_groups(self) -> None:
        """Go on with the groups that somebody is in, and one for whoever gains by being alone."""
        there, self.groups = np.unique(self.groups, return_inverse=True)
        self._sums = self._sums[there]
        self._add_spare()

    def _add_spare(self) -> None:
        self._spare = len(self._sums)
        self._sums = np.vstack([self._sums, np.zeros(self._sums.shape[1])])

    def next_who_gains(self, first: int) -> int | None:
        """Find who would move, from a region on and then from the beginning; None if nobody."""
        gain = self._sums.max(axis=0, initial=-np.inf) - self._sums[self.groups, self._every]
        (asking,) = np.nonzero(gain > _ROUNDING)
        if not asking.size:
            return None
        return int(asking[np.searchsorted(asking, first) % asking.size])


def _by_chance(strength: FloatArray) -> FloatArray:
    """What weights would be by chance, given the strength of each region."""
    return np.outer(strength, strength) / (strength.sum() or 1.0)
