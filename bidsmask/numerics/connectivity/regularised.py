"""Covariances that can be inverted although volumes are few: shrunk, or made sparse."""

import warnings

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.errors import ConvergenceError

_INNER_TOLERANCE = 1e-6
"""Of the regressions that a graphical lasso is made of.

With scikit-learn's 1e-4 many a fit stops short of its own tolerance, and takes ten times as long.
"""


def standard_scores(signals: FloatArray) -> FloatArray:
    """Return signals of mean 0 and sample standard deviation 1.

    Parameters
    ----------
    signals : array of shape (T, P)
        None of them constant.

    Examples
    --------
    >>> standard_scores(np.array([[1.0], [2.0], [3.0]])).ravel()
    array([-1.,  0.,  1.])
    """
    scores: FloatArray = (signals - signals.mean(axis=0)) / signals.std(axis=0, ddof=1)
    return scores


def ledoit_wolf(scores: FloatArray, dof: float) -> tuple[FloatArray, float]:
    """Shrink a covariance towards a multiple of the identity, as far as its error suggests.

    How far follows from how uncertain the covariance is, which falls with the number of
    *independent* volumes. A band-pass leaves fewer of them than there are rows, and so does each
    confound: with `dof` in the place of rows, the error of cleaned noise is what it is.

    Parameters
    ----------
    scores : array of shape (T, P)
        Signals of mean 0; on one scale, as what is large is shrunk less.
    dof : float
        Temporal degrees of freedom. With T, the estimator is the one that was published.

    Returns
    -------
    covariance : float64 array of shape (P, P)
        Divided by T.
    shrinkage : float
        From 0 (nothing) to 1 (no column goes with another).

    References
    ----------
    Ledoit & Wolf (2004), Journal of Multivariate Analysis 88(2),
    doi:10.1016/S0047-259X(03)00096-4

    Examples
    --------
    >>> scores = standard_scores(np.random.default_rng(0).normal(size=(100, 3)))
    >>> covariance, shrinkage = ledoit_wolf(scores, 100)
    >>> from sklearn.covariance import LedoitWolf
    >>> bool(np.isclose(shrinkage, LedoitWolf().fit(scores).shrinkage_))
    True
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # slow to import, and only wanted here

    n_rows, n_columns = scores.shape
    # what is published has the form error / (T distance): the error of T independent rows
    of_rows = float(ledoit_wolf_shrinkage(scores, assume_centered=True))
    shrinkage = min(1.0, of_rows * n_rows / dof)
    covariance = (1 - shrinkage) * (scores.T @ scores) / n_rows
    mean_variance = float(np.sum(scores**2)) / (n_rows * n_columns)
    covariance[np.diag_indices(n_columns)] += shrinkage * mean_variance
    return covariance, shrinkage


def sparse_precision(scores: FloatArray, alpha: float | None) -> tuple[FloatArray, float]:
    """Estimate a precision most of whose entries are 0 (graphical lasso).

    Parameters
    ----------
    scores : array of shape (T, P)
        Signals of mean 0, on one scale.
    alpha : float or None
        Penalty of entries that are not 0. None: the one that fits left-out volumes best, in
        five-fold cross-validation over contiguous stretches.

    Returns
    -------
    precision : float64 array of shape (P, P)
    alpha : float
        The penalty that was used.

    Raises
    ------
    ConvergenceError
        If the fit does not come to an end.

    References
    ----------
    Friedman et al. (2008), Biostatistics 9(3), doi:10.1093/biostatistics/kxm045

    Examples
    --------
    >>> scores = standard_scores(np.random.default_rng(0).normal(size=(100, 3)))
    >>> precision, alpha = sparse_precision(scores, 0.5)
    >>> int(np.count_nonzero(precision)), alpha
    (3, 0.5)
    """
    from sklearn.covariance import GraphicalLassoCV, graphical_lasso
    from sklearn.exceptions import ConvergenceWarning

    covariance = scores.T @ scores / len(scores)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of penalties that are tried, and of steps within
            if alpha is None:
                alpha = float(GraphicalLassoCV(enet_tol=_INNER_TOLERANCE).fit(scores).alpha_)
            warnings.filterwarnings("error", "graphical_lasso", ConvergenceWarning)
            _, precision = graphical_lasso(covariance, alpha, enet_tol=_INNER_TOLERANCE)
    except (ConvergenceWarning, FloatingPointError, ValueError) as error:
        raise ConvergenceError(
            f"The graphical lasso of {scores.shape[1]} columns over {len(scores)} volumes did "
            f"not converge ({str(error).splitlines()[0]}). Give a larger penalty "
            "(--graphical-lasso-alpha), or take an atlas with fewer regions."
        ) from error
    return (precision + precision.T) / 2, alpha
