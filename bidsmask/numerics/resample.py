"""An array on another lattice."""

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.numerics.affine import same_grid


def resample_nearest(
    values: Array,
    affine: FloatArray,
    target_shape: tuple[int, int, int],
    target_affine: FloatArray,
    fill: float = 0,
) -> Array:
    """Give each target voxel the value of the nearest source voxel.

    Parameters
    ----------
    values : array of shape (X, Y, Z)
        Labels, say: no value appears that was not there before (but for `fill`).
    affine : array of shape (4, 4)
        From voxels of `values` to mm. Not singular.
    target_shape : three ints
    target_affine : array of shape (4, 4)
        From voxels of the target to mm.
    fill : number
        For target voxels outside of the centres of the outermost source voxels.

    Returns
    -------
    resampled : array of shape `target_shape`
        Of the type of `values`, in native byte order; always new memory. On the same lattice,
        within the tolerance of `same_grid`, nothing changes.

    Notes
    -----
    Half way between two voxels the higher index wins. The outermost half voxel is outside, a
    rule of ``scipy.ndimage.affine_transform`` that nilearn shares: values are equal to the bit.
    There is one exception. Between lattices that are flipped, turned or shifted by whole voxels,
    rounding errors in the matrices put outermost voxels outside in nilearn; here they stay.

    Examples
    --------
    >>> labels = np.array([5, 6]).reshape(2, 1, 1)
    >>> half_millimetres = np.diag([0.5, 1.0, 1.0, 1.0])
    >>> resample_nearest(labels, np.eye(4), (4, 1, 1), half_millimetres).ravel()
    array([5, 6, 6, 0])
    """
    native = values.astype(values.dtype.newbyteorder("="))
    if same_grid(values.shape, affine, target_shape, target_affine):
        return native
    from scipy.linalg import inv
    from scipy.ndimage import affine_transform

    to_source = _snapped(inv(affine) @ target_affine, affine, target_shape, target_affine)
    matrix, offset = to_source[:3, :3], to_source[:3, 3]
    diagonal = np.diag(matrix)
    resampled = np.zeros(target_shape, dtype=_computable(native).dtype, order="F")
    affine_transform(
        _computable(native),
        diagonal if (np.diag(diagonal) == matrix).all() else matrix,  # the first is far faster
        offset=offset,
        output_shape=tuple(target_shape),
        output=resampled,
        order=0,
        mode="constant",
        cval=fill,
    )
    return resampled.astype(native.dtype, copy=False)


def _snapped(
    to_source: FloatArray,
    affine: FloatArray,
    target_shape: tuple[int, int, int],
    target_affine: FloatArray,
) -> FloatArray:
    """Free a map between voxel indices of rounding errors, if it takes voxels onto voxels."""
    whole = np.round(to_source)
    same = same_grid(target_shape, affine @ whole, target_shape, target_affine)
    return whole if same else to_source


def _computable(values: Array) -> Array:
    """Booleans as numbers; scipy resamples nothing else."""
    return values.view(np.uint8) if values.dtype == bool else values
