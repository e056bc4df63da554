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
        cleaned, see `white_noise_behind`. The variance of a correlation between two cleaned
        series of independent white noise is 1 / `remaining`.

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


def white_noise_behind(
    left: FloatArray,
    right: FloatArray | None,
    basis: FloatArray,
    removed: FloatArray | None = None,
) -> tuple[float, float]:
    """Return the effective degrees of freedom of white noise behind a filter, and a regression.

    Of a linear operator O they are nu = tr(O O')² / tr(O O' O O'); of a projection, its rank.
    Columns are centred in the end, as correlations and standard scores do.

    Parameters
    ----------
    left : array of shape (T, K)
    right : array of shape (K, T), or None
        The filter is `left` `right`, or `left` alone. A product of two thin matrices is never
        multiplied out.
    basis : array of shape (T, rank)
        Orthonormal columns, which are regressed out of what the filter gives.
    removed : array of shape (T, rank), optional
        What is taken out in their place; see `bidsmask.numerics.regression.residuals`.

    Returns
    -------
    filtered, remaining : float
        0 if nothing comes through.

    References
    ----------
    Worsley & Friston (1995), NeuroImage 2(3), doi:10.1006/nimg.1995.1023 (after Satterthwaite)

    Examples
    --------
    >>> basis = (np.eye(10)[:, :2] - np.eye(10)[:, 2:4]) / np.sqrt(2)
    >>> filtered, remaining = white_noise_behind(np.eye(10), None, basis)
    >>> round(filtered, 9), round(remaining, 9)
    (9.0, 7.0)
    """
    spread = None if right is None else right @ right.T
    explained = basis.T @ left
    mean = left.mean(axis=0)
    products = left.T @ left
    behind_filter = products - len(left) * np.outer(mean, mean)
    mean -= basis.mean(axis=0) @ explained
    if removed is None:
        behind_both = products - explained.T @ explained - len(left) * np.outer(mean, mean)
    else:
        rest = left - removed @ explained
        rest -= rest.mean(axis=0)
        behind_both = rest.T @ rest
    (variance, filtered), (still, remaining) = (
        _variance_and_freedom(each, spread) for each in (behind_filter, behind_both)
    )
    return filtered, remaining if still > NOTHING_LEFT * variance else 0.0


def _variance_and_freedom(products: FloatArray, spread: FloatArray | None) -> tuple[float, float]:
    """Return tr(O O'), and nu, of O = A B by A'A (K, K) and B B' (K, K)."""
    if spread is not None:
        products = products @ spread
    variance, squares = float(np.trace(products)), float(np.sum(products * products.T))
    return variance, variance**2 / squares if squares > 0 else 0.0


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
