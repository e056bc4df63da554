"""An array on another lattice.

Boundary rules are those of ``scipy.ndimage.affine_transform`` with mode "constant", which nilearn
shares: whatever lies outside of the centres of the outermost voxels is outside of the image.
"""

from typing import Any, Literal

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.numerics.affine import same_grid
from bidsmask.numerics.morphology import add_neighbours
from bidsmask.numerics.separable import AxisMatrices

PARALLEL = 1e-9
"""Axes are parallel if an end of one strays from the other by less than this share of a voxel."""

_GROWTH = 2  # voxels by which values are continued into missing ones before interpolation


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
    to_source = _to_source(affine, target_shape, target_affine)
    scales = np.diag(to_source)[:3]
    if (np.diag(scales) == to_source[:3, :3]).all():
        return _nearest_along_axes(native, scales, to_source[:3, 3], target_shape, fill)
    numbers = _computable(native)
    resampled = _interpolated(numbers, to_source, target_shape, numbers.dtype, order=0, fill=fill)
    return resampled.astype(native.dtype, copy=False)


def _nearest_along_axes(
    values: Array,
    scales: FloatArray,
    offsets: FloatArray,
    target_shape: tuple[int, int, int],
    fill: float,
) -> Array:
    """Take the nearest voxels where axes are parallel: each axis has its own list of indices."""
    indices, outside = [], np.zeros(target_shape, dtype=bool, order="F")
    along = zip(values.shape, target_shape, scales, offsets, strict=True)
    for axis, (n_source, n_target, scale, offset) in enumerate(along):
        places = _places(n_target, scale, offset)
        indices.append(np.floor(places + 0.5).astype(np.int64).clip(0, n_source - 1))
        outside |= np.expand_dims(
            _is_outside(places, n_source), [a for a in range(3) if a != axis]
        )
    resampled: Array = values.T[np.ix_(*indices[::-1])].T  # turned round, x runs fastest
    resampled[outside] = fill
    return resampled


def resample_continuous(
    values: Array,
    affine: FloatArray,
    target_shape: tuple[int, int, int],
    target_affine: FloatArray,
    *,
    order: Literal[1, 3] = 3,
    fill: float = 0.0,
    clip_to: tuple[float, float] | None = None,
) -> FloatArray:
    """Interpolate between the voxels of a volume.

    Parameters
    ----------
    values : array of shape (X, Y, Z)
        Of any real type.
    affine : array of shape (4, 4)
        From voxels of `values` to mm. Not singular.
    target_shape : three ints
    target_affine : array of shape (4, 4)
        From voxels of the target to mm.
    order : 1 or 3
        Linear, or cubic splines (which overshoot at edges).
    fill : number
        For target voxels outside of the centres of the outermost source voxels.
    clip_to : two numbers, optional
        Smallest and largest value of the result; takes the overshoot of cubic splines away.

    Returns
    -------
    resampled : float64 array of shape `target_shape`
        New memory. On the same lattice, within the tolerance of `same_grid`, the same values.
        NaN where the nearest voxel is NaN or infinite.

    Notes
    -----
    Around missing voxels there is nothing to interpolate between. Values are continued two voxels
    into them (the mean of the neighbours that share a face, twice) and are 0 further in; the
    result is then made NaN where the nearest voxel is missing. This is nilearn's rule too, and
    values are equal to the bit, but for lattices that differ by whole voxels or flips: see
    `resample_nearest`.

    Examples
    --------
    >>> ramp = np.array([0, 10, 20]).reshape(3, 1, 1)
    >>> shifted = np.eye(4)
    >>> shifted[0, 3] = 0.25
    >>> resample_continuous(ramp, np.eye(4), (3, 1, 1), shifted, order=1).ravel()
    array([ 2.5, 12.5,  0. ])
    """
    volume = _computable(values.astype(values.dtype.newbyteorder("="), copy=False))
    missing = ~np.isfinite(volume)
    if same_grid(volume.shape, affine, target_shape, target_affine):
        return _clipped(np.where(missing, np.nan, volume), clip_to)
    to_source = _to_source(affine, target_shape, target_affine)
    if not missing.any():
        return _clipped(
            _interpolated(volume, to_source, target_shape, np.float64, order=order, fill=fill),
            clip_to,
        )
    continued = _continued(volume, ~missing)
    resampled = _interpolated(
        continued, to_source, target_shape, np.float64, order=order, fill=fill
    )
    holes = _interpolated(_computable(missing), to_source, target_shape, np.uint8, order=0, fill=0)
    resampled[holes.astype(bool)] = np.nan
    return _clipped(resampled, clip_to)


def resampling_matrices(
    shape: tuple[int, int, int],
    affine: FloatArray,
    target_shape: tuple[int, int, int],
    target_affine: FloatArray,
    *,
    order: Literal[1, 3] = 3,
) -> AxisMatrices | None:
    """Give `resample_continuous` (with a fill of 0) as a matrix for each axis.

    Parameters
    ----------
    shape : three ints
        Of the source.
    affine : array of shape (4, 4)
        From voxels of the source to mm. Not singular.
    target_shape, target_affine
        As in `resample_continuous`.
    order : 1 or 3

    Returns
    -------
    matrices : AxisMatrices or None
        For volumes without missing values. None if the axes of the lattices are not parallel,
        x to x, y to y and z to z (either may run backwards).

    Examples
    --------
    >>> shifted = np.eye(4)
    >>> shifted[0, 3] = 0.25
    >>> resampling_matrices((3, 1, 1), np.eye(4), (3, 1, 1), shifted, order=1).x
    array([[0.75, 0.25, 0.  ],
           [0.  , 0.75, 0.25],
           [0.  , 0.  , 0.  ]])
    """
    to_source = _to_source(affine, target_shape, target_affine)
    scales, offsets = np.diag(to_source)[:3], to_source[:3, 3]
    askew = np.abs(to_source[:3, :3] - np.diag(scales)).max(axis=0) * target_shape
    if askew.max() > PARALLEL:
        return None
    x, y, z = (
        _resampling_matrix(*along, order)
        for along in zip(shape, target_shape, scales, offsets, strict=True)
    )
    return AxisMatrices(x=x, y=y, z=z)


def _resampling_matrix(
    n_source: int, n_target: int, scale: float, offset: float, order: Literal[1, 3]
) -> FloatArray:
    """Matrix (n_target, n_source) of interpolation along one axis.

    Cubic: the values of a B-spline at the target's places, of which the coefficients are those
    that give the source's values at the source's places; beyond its ends the line goes on as its
    own mirror image about the outermost voxel (Unser 1999, doi:10.1109/79.799930).
    """
    places = _places(n_target, scale, offset)
    matrix = _basis(places, n_source, order)
    if order == 3 and n_source > 1:
        matrix = matrix @ np.linalg.inv(_basis(np.arange(float(n_source)), n_source, order))
    matrix[_is_outside(places, n_source)] = 0
    return matrix


def _basis(places: FloatArray, n_voxels: int, order: Literal[1, 3]) -> FloatArray:
    """Values (places, n) of the B-splines around each voxel of a line."""
    steps = np.arange(-(order // 2), order // 2 + 2)
    near = np.floor(places).astype(np.int64)[:, None] + steps
    distance = np.abs(places[:, None] - near)
    weights = np.maximum(1 - distance, 0) if order == 1 else _cubic(distance)
    period = max(2 * n_voxels - 2, 1)
    around = near % period
    mirrored = np.where(around < n_voxels, around, period - around)
    basis = np.zeros((len(places), n_voxels))
    np.add.at(basis, (np.arange(len(places))[:, None], mirrored), weights)
    return basis


def _cubic(distance: FloatArray) -> FloatArray:
    """Cubic B-spline at distances from its centre."""
    inner = 2 / 3 - distance**2 + distance**3 / 2
    return np.where(distance < 1, inner, np.maximum(2 - distance, 0) ** 3 / 6)


def _places(n_target: int, scale: float, offset: float) -> FloatArray:
    """Where the voxels of the target lie, counted in voxels of the source; rounded as in scipy."""
    places: FloatArray = (np.arange(n_target) + offset / scale) * scale
    return places


def _is_outside(places: FloatArray, n_source: int) -> BoolArray:
    return (places < 0) | (places > n_source - 1)


def _interpolated(
    values: Array,
    to_source: FloatArray,
    target_shape: tuple[int, int, int],
    dtype: Any,
    *,
    order: Literal[0, 1, 3],
    fill: float,
) -> Array:
    from scipy.ndimage import affine_transform

    matrix, offset = to_source[:3, :3], to_source[:3, 3]
    diagonal = np.diag(matrix)
    resampled = np.zeros(target_shape, dtype=dtype, order="F")
    affine_transform(
        values,
        diagonal if (np.diag(diagonal) == matrix).all() else matrix,  # the first is far faster
        offset=offset,
        output_shape=tuple(target_shape),
        output=resampled,
        order=order,
        mode="constant",
        cval=fill,
    )
    return resampled


def _to_source(
    affine: FloatArray, target_shape: tuple[int, int, int], target_affine: FloatArray
) -> FloatArray:
    """Map from target voxels to source voxels; exact, if it takes voxels onto voxels."""
    to_source: FloatArray = _inverse(affine) @ target_affine
    whole = np.round(to_source)
    same = same_grid(target_shape, affine @ whole, target_shape, target_affine)
    return whole if same else to_source


def _inverse(affine: FloatArray) -> FloatArray:
    """Inverse, to the bit that of scipy: it decides which of two voxels is nearer."""
    if (np.diag(np.diag(affine)) == affine)[:3, :3].all():
        of_numpy: FloatArray = np.linalg.inv(affine)  # the same for these, and there at no cost
        return of_numpy
    from scipy.linalg import inv

    of_scipy: FloatArray = inv(affine)
    return of_scipy


def _computable(values: Array) -> Array:
    """Booleans as numbers; scipy resamples nothing else."""
    return values.view(np.uint8) if values.dtype == bool else values


def _clipped(values: FloatArray, clip_to: tuple[float, float] | None) -> FloatArray:
    return values if clip_to is None else np.clip(values, *clip_to, out=values)


def _continued(values: Array, known: BoolArray) -> FloatArray:
    """Continue values into unknown voxels next to them, step by step; 0 further in."""
    continued = np.where(known, values, 0.0)
    for _ in range(_GROWTH):
        sums, counts = np.zeros(known.shape), np.zeros(known.shape)
        add_neighbours(sums, continued)
        add_neighbours(counts, known)
        new = ~known & (counts > 0)
        continued[new] = sums[new] / counts[new]
        known = known | new
    return continued
