"""Images on another lattice."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.errors import BoundingBoxError
from bidsmask.images.grid import Grid, as_written
from bidsmask.images.io import float_type, new_image
from bidsmask.images.series import Series, open_series
from bidsmask.numerics.affine import grid_corners
from bidsmask.numerics.resample import (
    resample_continuous,
    resample_nearest,
    resampling_matrices,
)

Interpolation = Literal["continuous", "linear", "nearest"]
"""Cubic splines, straight lines, or the value of the nearest voxel."""

_ORDERS: dict[str, Literal[1, 3]] = {"linear": 1, "continuous": 3}


def resample_img(
    img: Any,
    target_affine: Any = None,
    target_shape: Any = None,
    interpolation: Interpolation = "continuous",
    copy: bool = True,
    order: Literal["F", "C"] = "F",
    clip: bool = True,
    fill_value: float = 0.0,
    force_resample: bool = True,
    copy_header: bool = True,
) -> Any:
    """Resample an image; drop-in for nilearn's function of this name.

    Parameters
    ----------
    img : image
        Of three or four dimensions; see `bidsmask.images.series.open_series`. In memory, also of
        more, such as a field of vectors.
    target_affine, target_shape : optional
        See `target_grid`. Without both the image is copied.
    interpolation : {"continuous", "linear", "nearest"}
        Cubic splines, straight lines, or the value of the nearest voxel.
    copy : bool
        False: an image that lies on the target lattice already is given back as it is. Otherwise
        the result shares no memory with `img`.
    force_resample : bool
        For scripts written for nilearn: the result is the same whether or not lattices differ by
        whole voxels.
    order : {"F", "C"}
        Order of the result in memory; with "F" x runs fastest.
    clip : bool
        Whether to hold values between the smallest and the largest of the image (and 0), against
        the overshoot of cubic splines.
    fill_value : float
        For voxels outside of the centres of the image's outermost voxels.
    copy_header : bool
        Whether repetition time, units and so on are kept.

    Returns
    -------
    resampled : nibabel image
        On the same grid, to a hundredth of a millimetre, a copy. Else floating point for
        "continuous" and "linear" (float32 for integers of at most 16 bits and float32; else
        float64), and the type of the image for "nearest". NaN where the nearest voxel is not
        finite, unless that is what is asked for.

    Raises
    ------
    ValueError
        If the target or the interpolation is not one that there is.
    numpy.linalg.LinAlgError
        If the target affine is of another shape.
    BoundingBoxError
        If the target lattice begins where the image has ended.

    Warns
    -----
    RuntimeWarning
        If values that are not finite have to be interpolated.
    UserWarning
        If the image is a mask, and values between those of the mask are asked for.

    See Also
    --------
    bidsmask.numerics.resample : boundary rules, and missing values.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> image = nib.Nifti1Image(np.arange(7.0).reshape(7, 1, 1), np.eye(4))
    >>> resample_img(image, np.diag([2.0, 1, 1, 1]), interpolation="nearest").get_fdata().ravel()
    array([0., 2., 4., 6.])
    """
    _check(interpolation)
    more_axes = getattr(img, "shape", ())[4:]
    series = open_series(_with_four_axes(img) if more_axes else img)
    target = target_grid(series.grid, target_affine, target_shape)
    if target == series.grid and not copy and hasattr(img, "dataobj"):
        return img
    if target == series.grid:
        values = _values(series, order)
        affine = series.grid.affine
    else:
        values = _resampled(series, target, interpolation, order, clip, fill_value)
        affine = target.affine
    if more_axes:
        values = values.reshape(*values.shape[:3], *img.shape[3:], order="F")
    return new_image(values, affine, series.header if copy_header else None)


def resample_to_img(
    source_img: Any,
    target_img: Any,
    interpolation: Interpolation = "continuous",
    copy: bool = True,
    order: Literal["F", "C"] = "F",
    clip: bool = False,
    fill_value: float = 0.0,
    force_resample: bool = True,
    copy_header: bool = True,
) -> Any:
    """Resample an image to the lattice of another one; see `resample_img`.

    Parameters
    ----------
    source_img : image
        Of three or four dimensions.
    target_img : image
        Of three or four dimensions; only its lattice counts.
    interpolation, copy, order, clip, fill_value, force_resample, copy_header
        As in `resample_img`, but overshoot is left as it is by default.

    Returns
    -------
    resampled : nibabel image

    See Also
    --------
    resample_img : To any grid.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> image = nib.Nifti1Image(np.arange(7.0).reshape(7, 1, 1), np.eye(4))
    >>> like = nib.Nifti1Image(np.zeros((4, 1, 1)), np.diag([2.0, 1, 1, 1]))
    >>> resample_to_img(image, like, interpolation="linear").get_fdata().ravel()
    array([0., 2., 4., 6.])
    """
    target = open_series(target_img).grid
    return resample_img(
        source_img,
        target_affine=target.affine,
        target_shape=target.shape,
        interpolation=interpolation,
        copy=copy,
        order=order,
        clip=clip,
        fill_value=fill_value,
        force_resample=force_resample,
        copy_header=copy_header,
    )


def target_grid(grid: Grid, target_affine: Any = None, target_shape: Any = None) -> Grid:
    """Lattice that is meant by an affine, or part of one.

    Parameters
    ----------
    grid : Grid
        Of the image to be resampled.
    target_affine : array of shape (4, 4) or (3, 3), optional
        (4, 4): where the first voxel lies, too. (3, 3): axes and sizes of voxels only; the first
        voxel is put at the corner of the box around the image's voxel centres. None: `grid`.
        Another last row than (0, 0, 0, 1): see `bidsmask.images.grid.as_written`.
    target_shape : three ints, optional
        Only with (4, 4). By default as many voxels as it takes to hold the image.

    Returns
    -------
    target : Grid

    Raises
    ------
    ValueError
        If a shape is given without a (4, 4) affine, or is not three sizes.
    numpy.linalg.LinAlgError
        If the affine is of another shape.
    BoundingBoxError
        If the lattice begins where the image has ended.
    """
    if target_affine is None:
        if target_shape is not None:
            raise ValueError(
                "If target_shape is specified, target_affine should be specified too."
            )
        return grid
    affine = as_written(target_affine)
    if affine.shape not in ((3, 3), (4, 4)):
        raise np.linalg.LinAlgError(
            f"target_affine should be of shape (3, 3) or (4, 4), and is of shape {affine.shape}."
        )
    if target_shape is not None and len(target_shape) != 3:
        raise ValueError(
            "The shape specified should be the shape of the 3D grid, and thus of length 3. "
            f"{target_shape} was specified."
        )
    if target_shape is not None and affine.shape == (3, 3):
        raise ValueError(
            "Given target shape without anchor vector: 'target_affine' shape should be (4, 4) and "
            "not (3, 3), to say where the first voxel lies."
        )
    lattice = Grid(shape=(1, 1, 1), affine=_with_origin(affine)).affine
    first, last = _extent(grid, lattice)
    if affine.shape == (3, 3):
        lattice, last = _beginning_at(first, lattice), last - first
    if (last < 0).any():
        raise BoundingBoxError(
            "The field of view given by the target affine does not contain any of the data: it "
            f"begins beyond the end of the {grid}."
        )
    shape = np.ceil(last).astype(int) + 1 if target_shape is None else target_shape
    return Grid(shape=tuple(shape), affine=lattice)


def resample_volume(
    values: Array,
    grid: Grid,
    target: Grid,
    interpolation: str,
    *,
    fill: float = 0.0,
    clip_to: tuple[float, float] | None = None,
) -> Array:
    """Resample one volume (X, Y, Z) to another lattice.

    Float64, but for "nearest": then of the type of `values`.
    """
    if interpolation == "nearest":
        return resample_nearest(values, grid.affine, target.shape, target.affine, fill)
    return resample_continuous(
        values,
        grid.affine,
        target.shape,
        target.affine,
        order=_ORDERS[interpolation],
        fill=fill,
        clip_to=clip_to,
    )


def _check(interpolation: str) -> None:
    if interpolation not in get_args(Interpolation):
        raise ValueError(
            f"'interpolation' must be one of {get_args(Interpolation)}. Got {interpolation!r}."
        )


def _with_four_axes(img: Any) -> Any:
    """Put all that comes after the third axis into the fourth."""
    values = np.asanyarray(img.dataobj)
    return new_image(values.reshape(*img.shape[:3], -1, order="F"), img.affine, img.header)


def _values(series: Series, order: Literal["F", "C"]) -> Array:
    """Copy all values, (X, Y, Z) or (X, Y, Z, T)."""
    values = np.empty((*series.grid.shape, series.n_volumes), dtype=series.dtype, order=order)
    for number, volume in enumerate(series.volumes()):
        values[..., number] = volume
    return values[..., 0] if series.is_3d else values


def _resampled(
    series: Series,
    target: Grid,
    interpolation: Interpolation,
    order: Literal["F", "C"],
    clip: bool,
    fill: float,
) -> Array:
    dtype = series.dtype if interpolation == "nearest" else float_type(series.dtype)
    interpolates = interpolation != "nearest"  # which makes no new values
    resample = _resampling(series.grid, target, interpolation, fill)
    ends = [np.zeros(2, dtype=np.result_type(series.dtype, dtype))]
    is_whole: list[bool] = []
    is_binary: list[bool] = []

    def seen(volume: Array) -> Array:
        if interpolates:
            lowest, highest = np.fmin.reduce(volume, axis=None), np.fmax.reduce(volume, axis=None)
            ends.append(np.array([lowest, highest]))
            is_whole.append(bool(np.isfinite(volume).all()))
            two = (lowest, highest) == (0, 1)
            is_binary.append(two and bool(((volume == 0) | (volume == 1)).all()))
        return resample(volume)

    values = series.mapped(seen, target.shape, dtype, order)
    if not all(is_whole):
        warnings.warn(
            f"{series.name} holds NaN or infinite values. Values next to them are interpolated "
            "between guesses.",
            RuntimeWarning,
            stacklevel=3,
        )
    if is_binary and all(is_binary):
        warnings.warn(
            f"Resampling binary images with interpolation={interpolation!r} makes values between "
            f'0 and 1 in {series.name}. Say "nearest" for a mask.',
            stacklevel=3,
        )
    if clip and interpolates:
        lowest, highest = np.fmin.reduce(ends)[0], np.fmax.reduce(ends)[1]
        np.clip(values, lowest, highest, out=values)
    return values if series.n_volumes > 1 else np.asarray(values, order=order)


def _resampling(
    grid: Grid, target: Grid, interpolation: str, fill: float
) -> Callable[[Array], Array]:
    """Find the fastest way for volumes: parallel lattices have a matrix for each axis."""
    matrices = None
    if interpolation != "nearest" and fill == 0:
        matrices = resampling_matrices(
            grid.shape, grid.affine, target.shape, target.affine, order=_ORDERS[interpolation]
        )

    def resample(volume: Array) -> Array:
        if matrices is None or not np.isfinite(volume).all():
            return resample_volume(volume, grid, target, interpolation, fill=fill)
        flat = volume.ravel(order="F").astype(np.float64, copy=False)
        resampled: Array = matrices(flat[np.newaxis])[0].reshape(target.shape, order="F")
        return resampled

    return resample


def _with_origin(affine: FloatArray) -> FloatArray:
    """Complete the axes of a lattice to an affine."""
    if affine.shape != (3, 3):
        return affine
    completed = np.eye(4)
    completed[:3, :3] = affine
    return completed


def _beginning_at(voxel: FloatArray, affine: FloatArray) -> FloatArray:
    """Affine whose first voxel is another one's `voxel`."""
    moved = np.array(affine)
    moved[:3, 3] = affine[:3, :3] @ voxel
    return moved


def _extent(grid: Grid, affine: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First and last index, along each axis of a lattice, between which a grid's voxels lie."""
    corners = grid_corners(grid.shape, np.linalg.inv(affine) @ grid.affine)
    return corners.min(axis=0), corners.max(axis=0)
