"""Reliability of edges where sessions repeat: the intraclass correlation ICC(A,1)."""

import numpy as np

from bidsmask._typing import FloatArray


def icc_a1(values: FloatArray) -> FloatArray:
    """Return the absolute agreement of single sessions, of each edge.

    How much of the variance of a single measurement is of subjects. What motion does reliably is
    counted as well as anything else: a high ICC alone is no merit.

    Parameters
    ----------
    values : array of shape (N, S, E)
        N subjects, S sessions, E edges. A subject counts for an edge if it is finite in all
        sessions.

    Returns
    -------
    icc : array of shape (E,)
        (MSR - MSE) / (MSR + (S - 1) MSE + S (MSC - MSE) / n), with mean squares of subjects,
        sessions and the rest. It may be below 0. NaN with fewer than 2 subjects or sessions, or
        where nothing varies.

    References
    ----------
    McGraw & Wong (1996), Psychological Methods 1(1), ICC(A,1), doi:10.1037/1082-989X.1.1.30

    Examples
    --------
    >>> same, shifted = [[1.0, 1.0], [2.0, 2.0]], [[1.0, 2.0], [2.0, 3.0]]
    >>> icc_a1(np.stack([same, shifted], axis=-1)).round(3)
    array([1. , 0.5])
    """
    complete = np.logical_and.reduce(np.isfinite(values), axis=1)
    n_subjects, n_sessions = complete.sum(axis=0), values.shape[1]
    enough = np.where((n_subjects > 1) & (n_sessions > 1), n_subjects, np.nan)
    counted = complete[:, np.newaxis, :]
    filled = np.where(counted, values, 0.0)
    centred = np.where(counted, filled - filled.sum(axis=(0, 1)) / (enough * n_sessions), 0.0)
    of_subjects = n_sessions * (centred.mean(axis=1) ** 2).sum(axis=0)
    of_sessions = ((centred.sum(axis=0)) ** 2).sum(axis=0) / enough
    rest = np.maximum((centred**2).sum(axis=(0, 1)) - of_subjects - of_sessions, 0.0)
    msr = of_subjects / (enough - 1)
    msc = of_sessions / max(n_sessions - 1, 1)
    mse = rest / ((enough - 1) * max(n_sessions - 1, 1))
    whole = msr + (n_sessions - 1) * mse + n_sessions * (msc - mse) / enough
    icc: FloatArray = (msr - mse) / np.where(whole > 0, whole, np.nan)
    return icc
