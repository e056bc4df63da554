"""How many independent numbers are left of a run once it was cleaned."""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import FloatArray

NOTHING_LEFT = 1e-6
"""With less than this share of its variance left, white noise counts as gone."""


@dataclass(frozen=True, kw_only=True)
class DegreesOfFreedom:
    """Where the temporal degrees of freedom of a run went: an account that adds up.

    Parameters
    ----------
    n_volumes, n_censored, n_kept : int
        Volumes of the run (T), those left out, and the rest.
    n_detrend : int
        2 for mean and line, 1 if only standardisation removes the mean, else 0.
    n_filter : float
        What filtering takes of `n_kept` minus `n_detrend`. A band-pass leaves about
        2 T t_r (low-pass - high-pass) dimensions of the whole run, but never more than there are
        kept volumes. Cosines take their rank.
    n_confounds : float
        What the design takes then. Columns whose frequencies the filter stops take little.
    n_regressors : int
        Rank of the design on the kept volumes, cosines of the filter not counted.
    remaining : float
        `n_kept` minus the three losses: the effective degrees of freedom of white noise that was
        cleaned, `effective_freedom`. The variance of a correlation between two cleaned series of
        independent white noise is 1 / `remaining`.

    References
    ----------
    Ciric et al. (2017), NeuroImage 154, doi:10.1016/j.neuroimage.2017.03.020
    """

    n_volumes: int
    n_censored: int
    n_kept: int
    n_detrend: int
    n_filter: float
    n_confounds: float
    n_regressors: int
    remaining: float

    def in_words(self) -> str:
        """Say where it all went, term by term."""
        return (
            f"{self.n_kept} of {self.n_volumes} volumes are kept ({self.n_censored} censored), "
            f"minus {self.n_detrend} for mean and line, {_number(self.n_filter)} for the filter "
            f"and {_number(self.n_confounds)} for the {self.n_regressors} regressors, makes "
            f"{_number(self.remaining)}"
        )


def effective_freedom(left: FloatArray, right: FloatArray | None = None) -> float:
    """Return the effective degrees of freedom of white noise behind a linear operator.

    nu = tr(O O')² / tr(O O' O O'), for O = `left` `right`. Of a projection it is the rank.

    Parameters
    ----------
    left : array of shape (T, K)
        Columns are centred first, as correlations and standard scores do.
    right : array of shape (K, T), optional
        None: the operator is `left` alone. A product of two thin matrices is never multiplied
        out.

    Returns
    -------
    nu : float
        0 if the operator lets nothing pass.

    References
    ----------
    Worsley & Friston (1995), NeuroImage 2(3), doi:10.1006/nimg.1995.1023 (after Satterthwaite)

    Examples
    --------
    >>> round(effective_freedom(np.eye(10)), 9)
    9.0
    """
    centred = left - left.mean(axis=0)
    product = centred.T @ centred
    if right is not None:
        product = product @ (right @ right.T)
    squares = float(np.sum(product * product.T))
    return float(np.trace(product)) ** 2 / squares if squares > 0 else 0.0


def variance_left(left: FloatArray, right: FloatArray | None = None) -> float:
    """Return tr(O O') of an operator: the variances of all volumes of unit white noise, added."""
    centred = left - left.mean(axis=0)
    if right is None:
        return float(np.sum(centred**2))
    return float(np.sum((centred.T @ centred) * (right @ right.T)))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
