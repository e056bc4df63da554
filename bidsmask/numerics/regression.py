"""Least-squares regression of columns on a design, whose rank is decided first."""

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.errors import ConfoundsError
from bidsmask.numerics.standardization import standardize

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


def residuals(signals: FloatArray, basis: FloatArray) -> FloatArray:
    """What is left of the signals (T, P) outside of an orthonormal basis (T, rank)."""
    return signals - basis @ (basis.T @ signals) if basis.shape[1] else signals


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
