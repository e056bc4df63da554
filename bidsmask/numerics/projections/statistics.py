"""Numbers for the voxels of one region.

Each function takes the region's voxels as an array of shape (T, V), of any real type, and gives a
float64 array of shape (T,). Voxels that are NaN or infinite are left out of their volume; where
nothing else is left, the result is NaN.
"""

from collections.abc import Callable

import numpy as np

from bidsmask._typing import Array, FloatArray


def median(voxels: Array) -> FloatArray:
    """Value in the middle; for an even number of voxels, half way between the middle two."""
    return _per_volume(voxels, _middle)


def sum(voxels: Array) -> FloatArray:
    """Sum over the voxels."""
    return _per_volume(voxels, lambda finite: finite.sum(axis=-1, dtype=np.float64))


def minimum(voxels: Array) -> FloatArray:
    """Smallest value."""
    return _per_volume(voxels, lambda finite: finite.min(axis=-1))


def maximum(voxels: Array) -> FloatArray:
    """Largest value."""
    return _per_volume(voxels, lambda finite: finite.max(axis=-1))


def standard_deviation(voxels: Array) -> FloatArray:
    """Standard deviation over the voxels, as a population (ddof 0)."""
    return _per_volume(voxels, lambda finite: finite.std(axis=-1, dtype=np.float64))


def variance(voxels: Array) -> FloatArray:
    """Variance over the voxels, as a population (ddof 0)."""
    return _per_volume(voxels, lambda finite: finite.var(axis=-1, dtype=np.float64))


def first_eigenvariate(voxels: Array) -> FloatArray:
    """Course in time that explains most variance; see `bidsmask.numerics.projections.regions`.

    Examples
    --------
    >>> alike = np.array([[1.0, 1.0], [4.0, 4.0], [7.0, 7.0]])
    >>> first_eigenvariate(alike)
    array([1., 4., 7.])
    """
    always = voxels[:, np.isfinite(voxels).all(axis=0)].astype(np.float64)
    if not always.size:
        return np.full(len(voxels), np.nan)
    centred = always - always.mean(axis=0)
    course, strength, weights = np.linalg.svd(centred, full_matrices=False)
    sign = -1.0 if weights[0].sum() < 0 else 1.0
    scale = sign * strength[0] / np.sqrt(always.shape[1])
    eigenvariate: FloatArray = always.mean() + scale * course[:, 0]
    return eigenvariate


def _middle(finite: Array) -> Array:
    """Median of the last axis: integers are partitioned as integers, which is far faster.

    At one place, and below it the largest is looked for: numpy is slow at two places.
    """
    n_voxels = finite.shape[-1]
    half = n_voxels // 2
    ordered = np.partition(finite, half, axis=-1)
    upper: Array = ordered[..., half].astype(np.float64)
    if n_voxels % 2:
        return upper
    middle: Array = (ordered[..., :half].max(axis=-1) + upper) / 2
    return middle


def _per_volume(voxels: Array, compute: Callable[[Array], Array]) -> FloatArray:
    """Compute all whole volumes at once, and each of the others from its finite voxels."""
    if voxels.dtype.kind != "f" and voxels.shape[1]:
        return compute(voxels).astype(np.float64)
    finite = np.isfinite(voxels)
    if not finite.all():  # as a rule, the same voxels are missing in all volumes
        ever = finite.any(axis=0)
        voxels, finite = voxels[:, ever], finite[:, ever]
    whole = finite.all(axis=1)
    result = np.full(len(voxels), np.nan)
    if voxels.shape[1]:
        result[whole] = compute(voxels[whole])
    for volume in np.flatnonzero(~whole & finite.any(axis=1)):
        result[volume] = compute(voxels[volume, finite[volume]])
    return result
