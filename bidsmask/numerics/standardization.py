"""The unit of signals: standard scores or percent change."""

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.vocabulary import Standardization

EPS = float(np.finfo(np.float64).eps)

ROUNDING = 1e-12
"""What is left of a column that is smaller than this share of it is rounding error: nothing."""


def standardize(
    signals: FloatArray, how: Standardization, *, original_mean: FloatArray | None = None
) -> FloatArray:
    """Give the signals a unit.

    Parameters
    ----------
    signals : array of shape (T, P)
    how : {"zscore", "psc", "none"}
        Standard scores (mean 0, sample standard deviation 1), percent change from the mean, or
        as they are.
    original_mean : array of shape (P,), optional
        The mean that earlier steps took away. With "psc" it is added to what mean is left to
        make the baseline. None: the signals still carry their mean.

    Returns
    -------
    standardized : float64 array of shape (T, P)
        A constant column ("zscore") and one with a baseline of 0 ("psc") are all 0.

    Notes
    -----
    Whether a mean was taken away is known, and is not guessed from the data. nilearn compares
    the means before and after, averaged over all columns, so that the unit of one column may
    depend on the others there.

    Examples
    --------
    >>> standardize(np.array([[90.0], [100.0], [110.0]]), "psc").ravel()
    array([-10., 0., 10.])
    """
    standardized = np.array(signals, dtype=np.float64, order="C")
    standardize_in_place(standardized, how, original_mean=original_mean)
    return standardized


def standardize_in_place(
    signals: FloatArray, how: Standardization, *, original_mean: FloatArray | None = None
) -> None:
    """Give float64 signals a unit, as `standardize` does, in the memory they stand in."""
    if how == "zscore":
        _to_scores(signals)
    elif how == "psc":
        _to_percent_change(signals, original_mean)


def _to_scores(signals: FloatArray) -> None:
    """Give standard scores; 0 where a column varies by rounding errors of its mean at most."""
    mean = signals.mean(axis=0)
    signals -= mean
    std = np.sqrt(np.einsum("tp,tp->p", signals, signals) / (len(signals) - 1))
    varies = std > np.maximum(EPS, ROUNDING * np.abs(mean))
    signals *= np.divide(1, std, out=np.zeros_like(std), where=varies)


def _to_percent_change(signals: FloatArray, original_mean: FloatArray | None) -> None:
    mean = signals.mean(axis=0)
    baseline = np.abs(mean if original_mean is None else mean + original_mean)
    signals -= mean
    signals *= np.divide(100, baseline, out=np.zeros_like(baseline), where=baseline >= EPS)
