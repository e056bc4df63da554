"""Correlations of one variable with many others, covariates held constant, each over its own rows.

An edge is known in the subjects whose regions were both seen; so edges may have different rows.
Edges of the same rows share all that depends on rows alone: there are few such *patterns*, mostly
one. Everything else is a product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.regression import orthonormal_basis

_FLAT = 1e-10
"""A column is explained whole if less than this share of its size is left."""

_SINGULAR = 1e-9
"""Directions of covariates smaller than this share of the largest say nothing in these rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """Columns with constant and covariates taken out of each, over the rows that it has.

    Parameters
    ----------
    unit : float array of shape (N, E)
        Of length 1; 0 in rows that a column does not have. NaN where nothing is left of a column,
        or no degree of freedom.
    basis : float array of shape (N, K)
        Orthonormal, spans constant and covariates.
    rows : bool array of shape (patterns, N)
        Which rows there are.
    pattern : int array of shape (E,)
        Which of the patterns a column has.
    dof : int array of shape (E,)
        Degrees of freedom of a partial correlation: rows - 1 - K, where K - 1 covariates are
        independent in these rows. Negative if there are too few rows.
    """

    unit: FloatArray
    basis: FloatArray
    rows: BoolArray
    pattern: IntArray
    dof: IntArray


def constant_and(covariates: FloatArray) -> FloatArray:
    """Return an orthonormal basis of a constant and covariates (N, k): (N, K), K <= 1 + k.

    Raises
    ------
    ConfoundsError
        If a covariate is not a finite number somewhere.
    """
    n_rows = len(covariates)
    constant = np.full((n_rows, 1), 1 / np.sqrt(max(n_rows, 1)))
    return np.hstack([constant, orthonormal_basis(covariates)])


def outside(variables: FloatArray, basis: FloatArray) -> FloatArray:
    """Take a basis (N, K) out of variables (..., N), over all rows.

    NaN where it explains a variable whole.
    """
    left: FloatArray = variables - (variables @ basis) @ basis.T
    length, size = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (left, variables))
    return np.where(length > _FLAT * size, left, np.nan)


def residuals(values: FloatArray, basis: FloatArray) -> Residuals:
    """Take covariates out of many columns.

    Parameters
    ----------
    values : array of shape (N, E)
        What is not finite is not known.
    basis : array of shape (N, K)
        Of `constant_and`.

    Returns
    -------
    residuals : Residuals
    """
    known = np.isfinite(values)
    rows, pattern = _patterns(known)
    centred = np.where(known, values, 0.0)
    n_known = known.sum(axis=0)
    centred -= known * (centred.sum(axis=0) / np.maximum(n_known, 1))
    inverse, rank = _inverse(_products(basis, rows))
    slopes = np.einsum("ekl,le->ke", inverse[pattern], basis.T @ centred)
    left = centred - known * (basis @ slopes)
    length, size = np.linalg.norm(left, axis=0), np.linalg.norm(centred, axis=0)
    dof = n_known - 1 - rank[pattern]
    usable = (length > _FLAT * size) & (dof > 0)
    return Residuals(
        unit=left / np.where(usable, length, np.nan),
        basis=basis,
        rows=rows,
        pattern=pattern,
        dof=dof,
    )


def correlations(of: Residuals, variables: FloatArray) -> FloatArray:
    """Return the partial correlations of some variables with all columns.

    Parameters
    ----------
    of : Residuals
        Of E columns.
    variables : array of shape (B, N)
        In float32, for speed, or float64: so is the result.

    Returns
    -------
    r : array of shape (B, E)
        NaN where a column has none, or a variable is constant in its rows.
    """
    left = outside(variables.astype(np.float64), of.basis)
    rows = of.rows.T.astype(np.float64)
    squares = left**2 @ rows  # (B, patterns)
    inside = np.stack([(left * direction) @ rows for direction in of.basis.T], axis=-1)
    inverse, _ = _inverse(_products(of.basis, of.rows))
    length = _root(squares - np.einsum("bpk,pkl,bpl->bp", inside, inverse, inside), squares)
    r = left.astype(variables.dtype) @ of.unit.astype(variables.dtype)
    r /= length.astype(variables.dtype)[:, of.pattern]
    return np.clip(r, -1, 1, out=r)


def correlations_without(
    of: Residuals, variable: FloatArray, groups: Sequence[IntArray]
) -> Iterator[FloatArray]:
    """Return the partial correlations over all rows but those of one group, for each group.

    Sums over all rows are taken once, and those of the group subtracted.

    Parameters
    ----------
    of : Residuals
        Of E columns.
    variable : array of shape (N,)
    groups : sequence of int arrays
        Rows of each group.

    Yields
    ------
    r : array of shape (E,)
    """
    design = np.column_stack([of.basis, outside(variable, of.basis)])
    whole, among = _products(design, of.rows), design.T @ of.unit
    for group in groups:
        part, unit = design[group], of.unit[group]
        products = whole - _products(part, of.rows[:, group])
        yield _partial(products, among - part.T @ unit, 1 - (unit**2).sum(axis=0), of.pattern)


def _partial(
    products: FloatArray, among: FloatArray, squares: FloatArray, pattern: IntArray
) -> FloatArray:
    """Correlate the last of K + 1 variables, the first K held constant, by sums of products.

    `products` (patterns, K + 1, K + 1) are of the variables; `among` (K + 1, E) with the columns;
    `squares` (E,) of the columns.
    """
    inverse, _ = _inverse(products[:, :-1, :-1])
    slopes = np.einsum("pkl,pl->pk", inverse, products[:, :-1, -1])
    own = products[:, -1, -1]
    length = _root(own - np.einsum("pk,pk->p", slopes, products[:, :-1, -1]), own)
    product = among[-1] - np.einsum("ek,ke->e", slopes[pattern], among[:-1])
    shared = np.einsum("ke,ekl,le->e", among[:-1], inverse[pattern], among[:-1])
    r: FloatArray = np.clip(product / (length[pattern] * _root(squares - shared, squares)), -1, 1)
    return r


def _patterns(known: BoolArray) -> tuple[BoolArray, IntArray]:
    """Tell the different columns of an array (N, E), and which each is."""
    bits = np.ascontiguousarray(np.packbits(known, axis=0).T)
    codes = bits.view(np.dtype((np.void, bits.shape[1]))).ravel()
    _, first, pattern = np.unique(codes, return_index=True, return_inverse=True)
    return known.T[first], pattern


def _products(design: FloatArray, rows: BoolArray) -> FloatArray:
    """Sum the products of the columns of a design (N, K) over the rows of each pattern."""
    n_rows, n_columns = design.shape
    pairs = (design[:, :, np.newaxis] * design[:, np.newaxis, :]).reshape(n_rows, -1)
    sums: FloatArray = rows.astype(np.float64) @ pairs
    return sums.reshape(len(rows), n_columns, n_columns)


def _inverse(products: FloatArray) -> tuple[FloatArray, IntArray]:
    """Invert symmetric matrices (..., K, K) on the directions that are there; and count these."""
    values, vectors = np.linalg.eigh(products)
    there = values > _SINGULAR * np.maximum(values[..., -1:], np.finfo(float).tiny)
    scaled = vectors * np.where(there, 1 / np.where(there, values, 1), 0)[..., np.newaxis, :]
    return scaled @ np.swapaxes(vectors, -1, -2), there.sum(axis=-1)


def _root(left: FloatArray, whole: FloatArray) -> FloatArray:
    """Root of what is left of a sum of squares; NaN if that is rounding error."""
    return np.sqrt(np.where(left > _FLAT * whole, left, np.nan))
