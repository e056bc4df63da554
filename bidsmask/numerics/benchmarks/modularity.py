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
    same = groups[:, np.newaxis] == groups
    return float(modularity_matrix(weights)[same].sum())


def modularity_matrix(weights: FloatArray) -> FloatArray:
    """Return the matrix (P, P) whose sum over the pairs of the same group is Q*."""
    positive = np.maximum(weights, 0.0)
    negative = np.maximum(-weights, 0.0)
    for each in (positive, negative):
        np.fill_diagonal(each, 0.0)
    of_positive = positive.sum() or np.nan
    below = _beyond_chance(negative) / (of_positive + negative.sum())
    matrix: FloatArray = _beyond_chance(positive) / of_positive - below
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
    matrix = modularity_matrix(weights)
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
    """Move each to the group that gains most, again and again; give groups, counted from 0."""
    groups = np.arange(len(matrix))
    sums = matrix.copy()  # (groups, regions): of each region's row over the group
    moving = True
    while moving:
        moving = False
        for one in order:
            own = groups[one]
            gain = sums[:, one].copy()
            gain[own] -= matrix[one, one]
            best = int(gain.argmax())
            if gain[best] > gain[own] + _ROUNDING:
                sums[own] -= matrix[one]
                sums[best] += matrix[one]
                groups[one] = best
                moving = True
    return np.unique(groups, return_inverse=True)[1]


def _beyond_chance(weights: FloatArray) -> FloatArray:
    """Take from weights what strengths of the regions would give by chance."""
    strength = weights.sum(axis=0)
    beyond: FloatArray = weights - np.outer(strength, strength) / (strength.sum() or 1.0)
    return beyond
