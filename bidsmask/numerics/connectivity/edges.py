"""Edge time series: how much each volume has to do with each correlation."""

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.numerics.connectivity.plain import check_volumes, varies
from bidsmask.numerics.connectivity.regularised import standard_scores


def edge_time_series(signals: FloatArray) -> FloatArray:
    """Return the product of the standard scores of each pair of columns, volume by volume.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only.

    Returns
    -------
    edges : float64 array of shape (T, P (P - 1) / 2)
        Pairs in the order of ``np.triu_indices(P, k=1)``. The sum of an edge over time, divided
        by T - 1, is Pearson's correlation. NaN where a column is constant or not finite.

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.

    References
    ----------
    Faskowitz et al. (2020), Nature Neuroscience 23, doi:10.1038/s41593-020-00719-y

    Examples
    --------
    >>> edge_time_series(np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 2.0]])).ravel()
    array([-1., -0.,  0.])
    """
    scores = _scores(signals)
    left, right = np.triu_indices(scores.shape[1], k=1)
    edges: FloatArray = scores[:, left] * scores[:, right]
    return edges


def edge_rss(signals: FloatArray) -> FloatArray:
    """Return the root of the sum of squares over all edges, volume by volume.

    Its peaks are the volumes, or events, that correlations mostly rest on. No edge is made for it.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only. Columns that are constant or not finite have no part.

    Returns
    -------
    rss : float64 array of shape (T,)

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.

    References
    ----------
    Faskowitz et al. (2020), Nature Neuroscience 23, doi:10.1038/s41593-020-00719-y

    Examples
    --------
    >>> edge_rss(np.array([[1.0, 3.0, 7.0], [2.0, 1.0, 7.0], [3.0, 2.0, 7.0]]))
    array([1., 0., 0.])
    """
    squares = np.nan_to_num(_scores(signals)) ** 2
    # of all ordered pairs, less each column with itself, every edge is there twice
    twice = squares.sum(axis=1) ** 2 - (squares**2).sum(axis=1)
    rss: FloatArray = np.sqrt(np.maximum(twice, 0) / 2)
    return rss


def _scores(signals: FloatArray) -> FloatArray:
    """Give standard scores, NaN in columns that have none."""
    check_volumes(signals)
    scores = np.full(signals.shape, np.nan)
    usable = varies(signals)
    scores[:, usable] = standard_scores(signals[:, usable].astype(np.float64))
    return scores
