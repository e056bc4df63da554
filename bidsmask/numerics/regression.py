"""Least-squares regression of columns on a design, whose rank is decided first.

Components of noise N may share variance with components of signal G that are to stay:

- *aggressive*: N is regressed out alone, and what it shares with G goes, too: Y − N N⁺ Y;
- *orthogonalised*: N' = N − G G⁺ N is regressed out, and nothing of G goes: Y − N' N'⁺ Y;
- *nonaggressive*: N and G are fitted together, and the part of N is taken out: Y − N N'⁺ Y, where
  N'⁺ Y are the weights of N in the fit of both.
"""

from dataclasses import dataclass, replace

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.errors import ConfoundsError
from bidsmask.numerics.standardization import ROUNDING, standardize

RANK_TOLERANCE = 1e-9
"""A direction of a design counts if it is larger than this share of the largest one.

Columns that repeat each other leave rounding errors of up to 1e-11 behind a Butterworth filter.
A direction made of them is arbitrary: taking it out would cost signal and explain nothing.
nilearn's threshold is an absolute 2e-14, which lets such directions pass.
"""


COLLINEAR = 1e-7
"""With less than this share of its size left by the columns before it, a column says nothing new.

Larger than the tolerance for directions: one direction may hide in several columns.
"""


def orthonormal_basis(design: FloatArray, *, standardized: bool = True) -> FloatArray:
    """Orthonormal columns that span the columns of a design.

    Parameters
    ----------
    design : array of shape (T, C)
        Columns are z-scored first (sample standard deviation), so that their units do not
        decide their rank. A constant column therefore spans nothing: the mean of the signals is
        for detrending and standardisation to remove.
    standardized : bool
        False: columns are divided by their largest absolute value, and constants count.

    Returns
    -------
    basis : float64 array of shape (T, rank)

    Raises
    ------
    ConfoundsError
        If a value is NaN or infinite.

    References
    ----------
    Golub & Van Loan, Matrix Computations, section 5.4 (numerical rank and the singular values)

    Examples
    --------
    >>> ramp = np.arange(4.0)
    >>> orthonormal_basis(np.column_stack([ramp, 2 * ramp, np.ones(4)])).shape
    (4, 1)
    """
    check_finite(design)
    if not design.size:
        return np.empty((design.shape[0], 0))
    if standardized:
        columns = standardize(design, "zscore")
    else:
        columns = design / (sizes_of(design) + (sizes_of(design) == 0))
    directions, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    basis: FloatArray = directions[:, sizes > RANK_TOLERANCE * sizes[0]]
    return basis


@dataclass(frozen=True, kw_only=True, eq=False)
class Nonaggressive:
    """Which columns of a design are fitted together with others that stay.

    Parameters
    ----------
    columns : bool array of shape (C,)
        True: of this column only its own part of the fit is removed.
    accepted : array of shape (T, G)
        What is fitted beside them and stays.
    """

    columns: BoolArray
    accepted: FloatArray

    def before(self, n_more: int) -> "Nonaggressive":
        """Say the same of a design with more columns behind, which are regressed whole."""
        whole = np.zeros(n_more, dtype=bool)
        return replace(self, columns=np.concatenate([self.columns, whole]))


def orthogonalised(
    noise: FloatArray, accepted: FloatArray, sample_mask: BoolArray | None = None
) -> FloatArray:
    """Return components of noise without what components of signal explain of them.

    Parameters
    ----------
    noise : array of shape (T, N)
    accepted : array of shape (T, G)
    sample_mask : bool array of shape (T,), optional
        True: these volumes decide what is explained, and are orthogonal then.

    Returns
    -------
    noise : float64 array of shape (T, N)
        Centred. A column that the signal explains whole is all 0.

    Raises
    ------
    ConfoundsError
        If a value is NaN or infinite.

    References
    ----------
    DuPre et al. (2021), Journal of Open Source Software 6(66), doi:10.21105/joss.03669

    Examples
    --------
    >>> signal = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    >>> noise = np.array([[3.0], [1.0], [-1.0], [-3.0]])
    >>> orthogonalised(noise, signal).ravel()
    array([ 2.,  2., -2., -2.])
    """
    check_finite(np.hstack([noise, accepted]))
    kept = np.ones(len(noise), dtype=bool) if sample_mask is None else sample_mask
    left, signal = (columns - columns[kept].mean(axis=0) for columns in (noise, accepted))
    for _ in range(2):  # the second time takes the rounding errors of the first
        left = left - signal @ np.linalg.lstsq(signal[kept], left[kept], rcond=None)[0]
    flat = sizes_of(left[kept]) <= ROUNDING * sizes_of(noise[kept])
    return np.where(flat, 0.0, left)


def nonaggressive_bases(
    regressed: FloatArray, noise: FloatArray, accepted: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what is asked of signals, and what is taken out for it.

    Parameters
    ----------
    regressed : array of shape (T, rank)
        Orthonormal columns that are regressed out whole.
    noise : array of shape (T, N)
        Columns of which only their own part of the joint fit is removed.
    accepted : array of shape (T, G)
        Columns of the joint fit that stay, as far as `regressed` leaves them.

    Returns
    -------
    basis : array of shape (T, K)
        Orthonormal: `regressed`, then the noise without what `regressed` and `accepted` explain.
    removed : array of shape (T, K)
        Signals Y are left as Y − `removed` `basis`' Y.

    References
    ----------
    Beckmann & Smith (2004), IEEE Transactions on Medical Imaging 23(2),
    doi:10.1109/TMI.2003.822821 (the regression filter of MELODIC); the weights of the joint fit
    by Frisch & Waugh (1933), Econometrica 1(4), doi:10.2307/1907330
    """
    outside = residuals(standardize(noise, "zscore"), regressed)
    beside = orthonormal_basis(residuals(standardize(accepted, "zscore"), regressed))
    own = residuals(residuals(outside, beside), beside)
    directions, sizes, weights = np.linalg.svd(own, full_matrices=False)
    largest = np.linalg.norm(standardize(noise, "zscore"), 2) if noise.size else 0.0
    kept = sizes > RANK_TOLERANCE * largest
    taken = outside @ (weights[kept].T / sizes[kept])
    return np.hstack([regressed, directions[:, kept]]), np.hstack([regressed, taken])


def collinear_columns(design: FloatArray) -> tuple[int, ...]:
    """Find the columns of a design that those before them explain.

    Parameters
    ----------
    design : array of shape (T, C)
        Finite. Columns are centred first: a constant one is explained by nothing at all.

    Returns
    -------
    numbers : tuple of int
        From 0. Without them the design has the same span.

    References
    ----------
    Golub & Van Loan, Matrix Computations, section 5.2 (Gram-Schmidt, twice is enough)

    Examples
    --------
    >>> ramp = np.arange(4.0)
    >>> collinear_columns(np.column_stack([ramp, ramp**2, 5 - 2 * ramp]))
    (2,)
    """
    columns = standardize(design, "zscore")
    columns /= np.sqrt(max(len(design) - 1, 1))
    basis, found = np.empty((len(design), 0)), []
    for number, column in enumerate(columns.T[:, :, np.newaxis]):
        left = residuals(residuals(column, basis), basis)
        size = float(np.linalg.norm(left))
        if size <= COLLINEAR:
            found.append(number)
        else:
            basis = np.hstack([basis, left / size])
    return tuple(found)


def residuals(
    signals: FloatArray, basis: FloatArray, removed: FloatArray | None = None
) -> FloatArray:
    """What is left of the signals (T, P) outside of an orthonormal basis (T, rank).

    With `removed` (T, rank), its columns are taken out in place of those of the basis.
    """
    if not basis.shape[1]:
        return signals
    return signals - (basis if removed is None else removed) @ (basis.T @ signals)


def sizes_of(columns: FloatArray) -> FloatArray:
    """Largest absolute value of each column: (T, C) -> (C,)."""
    size: FloatArray = np.maximum(columns.max(axis=0, initial=0), -columns.min(axis=0, initial=0))
    return size


def check_finite(design: FloatArray) -> None:
    """Refuse a design (T, C) with NaN or infinite values.

    Raises
    ------
    ConfoundsError
        Saying how many columns hold some, and which is the first.
    """
    finite = np.isfinite(design).all(axis=0)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise ConfoundsError(
            f"The design holds values that are not finite numbers in kept volumes, in "
            f"{bad.size} of {design.shape[1]} columns; the first is column {bad[0]} (from 0)."
        )
