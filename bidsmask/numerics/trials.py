"""One amplitude for each trial: beta series, from responses that were cleaned like the signals.

Regressing Y on [X, Z] gives X the same weights as regressing what Z leaves of Y on what Z leaves
of X (Frisch, Waugh and Lovell). So drift, filter and confounds are taken out of responses and
signals by the same `bidsmask.numerics.cleaning.Cleaner`, and models of a few columns remain. Each
gives one row of weights over volumes; all amplitudes are one product of these rows with the
signals.
"""

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.numerics.regression import orthonormal_basis, residuals

ESTIMABLE = 1e-6
"""A trial of whose response less than this share is its own has no amplitude."""


def lss_weights(responses: FloatArray, conditions: IntArray) -> FloatArray:
    """Return weights of least squares, separate: one model for each trial.

    The model of a trial holds its response, the sum of those of all other trials of its
    condition, the sum of those of each other condition, and a constant.

    Parameters
    ----------
    responses : array of shape (T, E)
        To each trial, cleaned.
    conditions : int array of shape (E,)
        Which condition each trial is of.

    Returns
    -------
    weights : array of shape (E, T)
        Times signals (T, P), the amplitudes (E, P). NaN for a trial that the volumes say nothing
        of, or that cannot be told from the others.

    References
    ----------
    Mumford et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.08.076

    Examples
    --------
    >>> responses = np.eye(4)[:, :3]
    >>> weights = lss_weights(responses, np.array([0, 0, 1]))
    >>> (weights @ np.array([[3.0], [5.0], [7.0], [0.0]])).round(9)
    array([[3.],
           [5.],
           [7.]])
    """
    responses, labels = responses - responses.mean(axis=0), np.unique(conditions)
    sums = np.column_stack([responses[:, conditions == label].sum(axis=1) for label in labels])
    weights = np.empty(responses.shape[::-1])
    for trial, response in enumerate(responses.T):
        others = sums - np.outer(response, labels == conditions[trial])
        weights[trial] = _own_weights(response, others)
    return weights


def _own_weights(response: FloatArray, others: FloatArray) -> FloatArray:
    """Weights (T,) of one response (T,) in a regression on it and some others (T, K)."""
    scale = np.linalg.norm(response)
    basis = orthonormal_basis(others, standardized=False)
    own = residuals(residuals(response[:, np.newaxis], basis), basis)[:, 0]
    size = np.linalg.norm(own)
    return own / size**2 if size > ESTIMABLE * scale else np.full(own.shape, np.nan)


def lsa_weights(responses: FloatArray) -> FloatArray:
    """Return weights of least squares, all: one model of all trials, with a constant.

    Parameters and result are those of `lss_weights`, but for the conditions.

    Examples
    --------
    >>> responses = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    >>> (lsa_weights(responses) @ np.array([[6.0], [3.0], [1.0]])).round(9)
    array([[3.],
           [2.]])
    """
    responses = responses - responses.mean(axis=0)
    weights = np.linalg.pinv(responses, rcond=ESTIMABLE)
    resolution = np.einsum("et,te->e", weights, responses)
    weights[resolution < 1 - ESTIMABLE] = np.nan
    return weights
