"""Symmetric matrices: as vectors, rescaled, and in the space tangent to their mean.

Covariances are positive definite: they lie on a curved surface, on which the straight line from
one to another leaves it. So a group is described by its geometric mean, and each subject by the
direction and the distance in which to go from there: a symmetric matrix in a flat space.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.numerics.threads import in_order

N_STEPS = 30
"""At most so many steps towards the geometric mean."""

TOLERANCE = 1e-7
"""The mean is found if the mean direction from it, per element, is shorter than this."""

_SYMMETRIC = 1e-7
"""Matrices are symmetric if they differ by less from their transpose."""


def cov_to_corr(covariance: FloatArray) -> FloatArray:
    """Divide covariances by the standard deviations.

    Parameters
    ----------
    covariance : array of shape (P, P)

    Returns
    -------
    r : array of shape (P, P)
        With a diagonal of exactly 1, and 0 where a variance is 0.

    See Also
    --------
    prec_to_partial

    Examples
    --------
    >>> cov_to_corr(np.array([[4.0, 1.0], [1.0, 1.0]]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    covariance = np.asanyarray(covariance)
    std = np.sqrt(np.diagonal(covariance))
    return _rescaled(covariance, np.where(std > 0, std, 1))


def prec_to_partial(precision: FloatArray) -> FloatArray:
    """Turn a precision matrix into partial correlations.

    Parameters
    ----------
    precision : array of shape (P, P)

    Returns
    -------
    r : array of shape (P, P)
        With a diagonal of exactly 1.

    References
    ----------
    Marrelec et al. (2006), NeuroImage 32(1), doi:10.1016/j.neuroimage.2005.12.057

    See Also
    --------
    cov_to_corr

    Examples
    --------
    >>> prec_to_partial(np.array([[4.0, 1.0], [1.0, 1.0]]))
    array([[ 1. , -0.5],
           [-0.5,  1. ]])
    """
    precision = np.asanyarray(precision)
    return _rescaled(-precision, np.sqrt(np.diagonal(precision)))


def sym_matrix_to_vec(symmetric: FloatArray, discard_diagonal: bool = False) -> FloatArray:
    """Write the lower triangles of symmetric matrices as vectors.

    Parameters
    ----------
    symmetric : array of shape (..., P, P)
    discard_diagonal : bool
        Whether to leave the diagonal out. Otherwise it is divided by the square root of 2, so
        that vectors are as far from each other as the matrices, but for a factor.

    Returns
    -------
    vectors : array of shape (..., P (P + 1) / 2), or (..., P (P - 1) / 2) without the diagonal
        Row by row.

    See Also
    --------
    vec_to_sym_matrix

    Examples
    --------
    >>> matrix = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 4.0], [3.0, 4.0, 1.0]])
    >>> sym_matrix_to_vec(matrix).round(3)
    array([0.707, 2.   , 0.707, 3.   , 4.   , 0.707])
    >>> sym_matrix_to_vec(matrix, discard_diagonal=True)
    array([2., 3., 4.])
    """
    symmetric = np.asanyarray(symmetric)
    rows, columns = np.tril_indices(symmetric.shape[-1], -1 if discard_diagonal else 0)
    return symmetric[..., rows, columns] / np.where(rows == columns, np.sqrt(2), 1)


def vec_to_sym_matrix(vec: FloatArray, diagonal: FloatArray | None = None) -> FloatArray:
    """Write vectors as symmetric matrices again; undoes `sym_matrix_to_vec`.

    Parameters
    ----------
    vec : array of shape (..., P (P + 1) / 2), or (..., P (P - 1) / 2) if `diagonal` is given
    diagonal : array of shape (..., P), optional
        Divided by the square root of 2, as it is in vectors.

    Returns
    -------
    symmetric : array of shape (..., P, P)

    Raises
    ------
    ValueError
        If no matrix has so many elements, or the diagonal does not fit.

    See Also
    --------
    sym_matrix_to_vec

    Examples
    --------
    >>> vec_to_sym_matrix(np.array([2.0, 3.0, 4.0]), diagonal=np.ones(3) / np.sqrt(2))
    array([[1., 2., 3.],
           [2., 1., 4.],
           [3., 4., 1.]])
    """
    vec = np.asanyarray(vec)
    offset = 0 if diagonal is None else -1
    n_columns = _n_columns(vec.shape, offset)
    rows, columns = np.tril_indices(n_columns, offset)
    symmetric = np.empty((*vec.shape[:-1], n_columns, n_columns))
    symmetric[..., rows, columns] = symmetric[..., columns, rows] = vec
    on_diagonal = np.arange(n_columns)
    if diagonal is not None:
        symmetric[..., on_diagonal, on_diagonal] = _fitting(diagonal, (*vec.shape[:-1], n_columns))
    symmetric[..., on_diagonal, on_diagonal] *= np.sqrt(2)
    return symmetric


def geometric_mean(matrices: Sequence[FloatArray]) -> FloatArray:
    """Find the matrix from which symmetric positive definite ones are nearest on the whole.

    Parameters
    ----------
    matrices : sequence of N arrays of shape (P, P)
        Asked for one by one, once before the first step and once in each: a sequence that makes
        them when they are asked for needs no memory for all.

    Returns
    -------
    mean : array of shape (P, P)
        Where the directions to all matrices, their logarithms seen from there, add up to 0. There
        is a warning if it has not been found after `N_STEPS` steps.

    Raises
    ------
    ValueError
        If a matrix is not symmetric and positive definite.

    Notes
    -----
    Descends along geodesics from the arithmetic mean, with steps that are halved whenever the
    gradient has grown.

    References
    ----------
    Fletcher & Joshi (2007), Signal Processing 87(2), algorithm 3, doi:10.1016/j.sigpro.2005.12.018

    Examples
    --------
    >>> geometric_mean([np.diag([1.0, 4.0]), np.diag([4.0, 4.0])]).round(9)
    array([[2., 0.],
           [0., 4.]])
    """
    mean = _mean_of(lambda number: _positive_definite(matrices[number]), len(matrices))
    step, smallest = 1.0, np.inf
    for _ in range(N_STEPS):
        root, whitening = matrix_function(np.sqrt, mean), inverse_root(mean)
        direction = _mean_direction(whitening, matrices)
        mean = root @ matrix_function(np.exp, step * direction) @ root
        length = float(np.linalg.norm(direction))
        if length > smallest:
            step /= 2
        smallest = min(length, smallest)
        if smallest / mean.size < TOLERANCE:
            return mean
    warnings.warn(
        f"The geometric mean has not been found to within {TOLERANCE:g} after {N_STEPS} steps: "
        f"the mean direction from it is {smallest / mean.size:.2g} per element.",
        stacklevel=2,
    )
    return mean


def _mean_direction(whitening: FloatArray, matrices: Sequence[FloatArray]) -> FloatArray:
    return _mean_of(lambda number: logarithm_seen_from(whitening, matrices[number]), len(matrices))


def _mean_of(make: Callable[[int], FloatArray], n_matrices: int) -> FloatArray:
    """Take the mean of matrices that are made on threads, few of them at a time."""
    total: FloatArray = sum(in_order(make, range(n_matrices)), start=np.zeros(()))
    return total / n_matrices


def logarithm_seen_from(whitening: FloatArray, matrix: FloatArray) -> FloatArray:
    """Direction and distance from a mean to a matrix, both symmetric positive definite.

    Parameters
    ----------
    whitening : array of shape (P, P)
        `inverse_root` of the mean.
    matrix : array of shape (P, P)

    Returns
    -------
    displacement : array of shape (P, P)
        Symmetric; 0 for the mean itself.

    References
    ----------
    Varoquaux et al. (2010), MICCAI, doi:10.1007/978-3-642-15705-9_25
    """
    return matrix_function(np.log, whitening @ matrix @ whitening)


def inverse_root(matrix: FloatArray) -> FloatArray:
    """Inverse of the square root of a symmetric positive definite matrix."""
    return matrix_function(lambda values: 1 / np.sqrt(values), matrix)


def matrix_function(
    function: Callable[[FloatArray], FloatArray], symmetric: FloatArray
) -> FloatArray:
    """Apply a function to the eigenvalues of a symmetric matrix.

    Examples
    --------
    >>> matrix_function(np.sqrt, np.array([[2.0, 0.0], [0.0, 9.0]])).round(3)
    array([[1.414, 0.   ],
           [0.   , 3.   ]])
    """
    values, vectors = np.linalg.eigh(symmetric)
    applied: FloatArray = (vectors * function(values)) @ vectors.T
    return applied


def _rescaled(matrix: FloatArray, sizes: FloatArray) -> FloatArray:
    scaled: FloatArray = matrix / sizes / sizes[:, np.newaxis]
    np.fill_diagonal(scaled, 1)
    return scaled


def _positive_definite(matrix: FloatArray) -> FloatArray:
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not square or not np.allclose(matrix, matrix.T, atol=_SYMMETRIC, rtol=0):
        raise ValueError(f"A matrix of shape {matrix.shape} is not symmetric.")
    if np.linalg.eigvalsh(matrix)[0] <= 0:
        raise ValueError(
            "Expected a symmetric positive definite matrix. A covariance is none if there are "
            "fewer volumes than columns, or columns that repeat each other: shrink it."
        )
    return matrix


def _n_columns(shape: tuple[int, ...], offset: int) -> int:
    n_columns = int((np.sqrt(8 * shape[-1] + 1) - 1) / 2)
    if n_columns * (n_columns + 1) // 2 != shape[-1]:
        raise ValueError(
            f"Vector of unsuitable shape {shape} cannot be transformed to a symmetric matrix."
        )
    return n_columns - offset


def _fitting(diagonal: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    diagonal = np.asanyarray(diagonal)
    if diagonal.shape != shape:
        raise ValueError(
            f"diagonal of shape {diagonal.shape} incompatible with vectors: expected {shape}."
        )
    return diagonal
