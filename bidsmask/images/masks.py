"""Brain masks: computed from images, put together, and used."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.errors import ImageError, Namesake, SpaceError
from bidsmask.images.blocks import taken
from bidsmask.images.grid import Grid
from bidsmask.images.io import float_type, new_image
from bidsmask.images.resample import resample_volume, target_grid
from bidsmask.images.series import Series, open_series
from bidsmask.images.surfaces import is_surface, masked, smoothed
from bidsmask.numerics.brainmask import differs_from_background, in_most, valley_threshold
from bidsmask.numerics.morphology import largest_component, tidy
from bidsmask.numerics.projections.regions import voxels_of_mask
from bidsmask.numerics.smooth import smooth_volume


class MaskWarning(Namesake, UserWarning):
    """A mask that was computed is empty."""


def compute_epi_mask(
    epi_img: Any,
    lower_cutoff: float = 0.2,
    upper_cutoff: float = 0.85,
    connected: bool = True,
    opening: int | bool = 2,
    exclude_zeros: bool = False,
    ensure_finite: bool = True,
    target_affine: Any = None,
    target_shape: Any = None,
    memory: Any = None,
    verbose: int = 0,
) -> Any:
    """Mask the bright voxels of a run: those above the valley of the histogram of its mean.

    Parameters
    ----------
    epi_img : image
        Of three or four dimensions; see `bidsmask.images.series.open_series`.
    lower_cutoff, upper_cutoff : float
        Fractions of all voxels between which the valley is looked for, see
        `bidsmask.numerics.brainmask.valley_threshold`. Raise the first if the mask is too large.
    connected : bool
        Whether to keep only the largest group of connected voxels.
    opening : int or bool
        Voxels by which the mask is opened and closed, see `bidsmask.numerics.morphology.tidy`;
        the mean is then smoothed by one voxel (FWHM) beforehand. 0 or False: neither.
    exclude_zeros : bool
        Whether to leave voxels that are 0 out of the histogram.
    ensure_finite : bool
        Whether voxels that are not finite count as 0. Otherwise they are in neither the histogram
        nor the mask.
    target_affine, target_shape : optional
        Lattice of the mask, to which the mean is resampled; see
        `bidsmask.images.resample.target_grid`.
    memory, verbose : optional
        For scripts written for nilearn. There is nothing to keep (a mean is taken as volumes
        stream by), and nothing to say.

    Returns
    -------
    mask : nibabel image of uint8

    Warns
    -----
    MaskWarning
        If no voxel is in the mask.

    See Also
    --------
    compute_background_mask, compute_multi_epi_mask, bidsmask.compute_brain_mask

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.zeros((8, 8, 8, 3))
    >>> values[2:7, 2:7, 2:7] = 100
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> int(compute_epi_mask(run, opening=0).get_fdata().sum())
    125
    """
    mean, grid, header = _mean(epi_img, target_affine, target_shape)
    if opening:
        missing = np.isnan(mean)
        mean = smooth_volume(mean, np.eye(4), 1.0)
        mean[missing] = np.nan
    finite = np.isfinite(mean)
    if ensure_finite:
        mean = np.where(finite, mean, 0.0)
    counted = mean if ensure_finite else mean[finite]
    threshold = valley_threshold(
        counted, lower=lower_cutoff, upper=upper_cutoff, exclude_zeros=exclude_zeros
    )
    mask = mean >= threshold
    if not ensure_finite:
        mask &= finite
    hint = "Are you sure that input data are EPI images not detrended?"
    return _tidied(mask, grid, header, opening, connected, hint)


def compute_background_mask(
    data_imgs: Any,
    border_size: int = 2,
    connected: bool = False,
    opening: int | bool = False,
    target_affine: Any = None,
    target_shape: Any = None,
    memory: Any = None,
    verbose: int = 0,
) -> Any:
    """Mask the voxels that do not have the value of the background.

    Parameters
    ----------
    data_imgs : image
        Of three or four dimensions; see `bidsmask.images.series.open_series`.
    border_size : int
        Voxels at the faces of the image that are taken for background.
    connected, opening, target_affine, target_shape, memory, verbose
        As in `compute_epi_mask`.

    Returns
    -------
    mask : nibabel image of uint8

    Warns
    -----
    MaskWarning
        If no voxel is in the mask.

    See Also
    --------
    compute_epi_mask : For images with noise around the head.
    compute_multi_background_mask : For several runs.

    Notes
    -----
    Any value but exactly that of the background is in the mask: with noise in the background that
    is the whole image. See `bidsmask.numerics.brainmask.differs_from_background`.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.zeros((8, 8, 8, 3))
    >>> values[2:7, 2:7, 2:7] = 100
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> int(compute_background_mask(run).get_fdata().sum())
    125
    """
    mean, grid, header = _mean(data_imgs, target_affine, target_shape)
    mask = differs_from_background(mean, border=border_size)
    hint = "Are you sure that input images have a homogeneous background?"
    return _tidied(mask, grid, header, opening, connected, hint)


def brain_mask_from_template(
    target_img: Any,
    template_img: Any,
    threshold: float = 0.5,
    connected: bool = True,
    opening: int | bool = 2,
) -> Any:
    """Mask the voxels where a template is bright.

    Parameters
    ----------
    target_img : image
        Of three or four dimensions, in the space of the template; only its lattice counts.
    template_img : image
        Of three dimensions: a mask, a map of probabilities, or intensities from 0 to 1.
    threshold : float
        From which value of the template on a voxel is in the mask.
    connected : bool
        Whether to keep only the largest group of connected voxels.
    opening : int or bool
        As in `compute_epi_mask`. Say 0 for grey or white matter: they are so thin that opening
        takes most of them away.

    Returns
    -------
    mask : nibabel image of uint8
        On the lattice of `target_img`.

    Warns
    -----
    MaskWarning
        If no voxel is in the mask.
    """
    target, template = open_series(target_img), open_series(template_img)
    values = resample_volume(template.single(), template.grid, target.grid, "continuous")
    hint = "Lower the threshold, or check that the image is in the space of the template."
    return _tidied(values >= threshold, target.grid, target.header, opening, connected, hint)


def compute_multi_epi_mask(
    epi_imgs: Any,
    lower_cutoff: float = 0.2,
    upper_cutoff: float = 0.85,
    connected: bool = True,
    opening: int | bool = 2,
    threshold: float = 0.5,
    target_affine: Any = None,
    target_shape: Any = None,
    exclude_zeros: bool = False,
    n_jobs: int = 1,
    memory: Any = None,
    verbose: int = 0,
) -> Any:
    """Mask the voxels that are bright in most of several runs.

    Parameters
    ----------
    epi_imgs : images
    threshold : float
        A voxel is in the mask if it is in more than this share of the runs' masks; see
        `intersect_masks`.
    n_jobs : int
        Runs to work on at once; -1 for as many as there are processors.
    lower_cutoff, upper_cutoff, connected, opening, target_affine, target_shape, exclude_zeros, \
    memory, verbose
        As in `compute_epi_mask`; `connected` goes for the common mask, too.

    Returns
    -------
    mask : nibabel image of uint8

    See Also
    --------
    compute_epi_mask : For one run.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.zeros((8, 8, 8, 3))
    >>> values[2:7, 2:7, 2:7] = 100
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> int(compute_multi_epi_mask([run, run], opening=0).get_fdata().sum())
    125
    """

    def compute(img: Any) -> Any:
        return compute_epi_mask(
            img,
            lower_cutoff=lower_cutoff,
            upper_cutoff=upper_cutoff,
            connected=connected,
            opening=opening,
            exclude_zeros=exclude_zeros,
            target_affine=target_affine,
            target_shape=target_shape,
        )

    return intersect_masks(_for_each(compute, epi_imgs, n_jobs), threshold, connected)


def compute_multi_background_mask(
    data_imgs: Any,
    border_size: int = 2,
    connected: bool = True,
    opening: int | bool = 2,
    threshold: float = 0.5,
    target_affine: Any = None,
    target_shape: Any = None,
    n_jobs: int = 1,
    memory: Any = None,
    verbose: int = 0,
) -> Any:
    """Mask the voxels that do not have the value of the background in most of several runs.

    Parameters
    ----------
    data_imgs : images
    threshold, n_jobs
        As in `compute_multi_epi_mask`.
    border_size, connected, opening, target_affine, target_shape, memory, verbose
        As in `compute_background_mask`, where defaults are others.

    Returns
    -------
    mask : nibabel image of uint8

    See Also
    --------
    compute_background_mask : For one run.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.zeros((8, 8, 8, 3))
    >>> values[2:7, 2:7, 2:7] = 100
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> int(compute_multi_background_mask([run, run], opening=0).get_fdata().sum())
    125
    """

    def compute(img: Any) -> Any:
        return compute_background_mask(
            img,
            border_size=border_size,
            connected=connected,
            opening=opening,
            target_affine=target_affine,
            target_shape=target_shape,
        )

    return intersect_masks(_for_each(compute, data_imgs, n_jobs), threshold, connected)


def intersect_masks(
    mask_imgs: Sequence[Any], threshold: float = 0.5, connected: bool = True
) -> Any:
    """Mask the voxels that are in most of several masks.

    Parameters
    ----------
    mask_imgs : images of three dimensions
        On one grid.
    threshold : float
        A voxel has to be in more than this share of the masks: 0 gives their union, 1 their
        intersection.
    connected : bool
        Whether to keep only the largest group of connected voxels.

    Returns
    -------
    mask : nibabel image of uint8
        May be empty.

    Raises
    ------
    ValueError
        If there is no mask, one has more values than 0 and another, or the threshold is not
        between 0 and 1.
    TypeError
        If one is no image.
    SpaceError
        If masks lie on different grids.

    See Also
    --------
    compute_multi_epi_mask : Computes and intersects them.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> masks = [nib.Nifti1Image(np.array([[row]], dtype=np.uint8), np.eye(4))
    ...          for row in ([1, 1, 0], [0, 1, 1])]
    >>> intersect_masks(masks, threshold=1).get_fdata().ravel()
    array([0., 1., 0.])
    """
    if not 0 <= threshold <= 1:
        limit = "smaller than 1" if threshold > 1 else "greater than 0"
        raise ValueError(f"The threshold should be {limit}, it is {threshold}.")
    given = list(mask_imgs)
    for img in given:
        if not (isinstance(img, str | Path) or hasattr(img, "dataobj")):
            raise TypeError(
                f"All masks must be a 3D Niimg-like object, and there is a {type(img).__name__}."
            )
    masks = [_load_binary(img, allow_empty=True) for img in given]
    if not masks:
        raise ValueError("No mask provided for intersection")
    grid = masks[0][1]
    for number, (_, other) in enumerate(masks):
        if other != grid:
            what = "affine" if other.shape == grid.shape else "shape"
            raise SpaceError(
                f"Following field of view errors were detected: mask {number} and mask 0 do not "
                f"have the same {what}. They lie on {other} and on {grid}."
            )
    common = in_most([mask for mask, _ in masks], threshold=threshold)
    return new_image(largest_component(common) if connected else common, grid.affine)


def apply_mask(
    imgs: Any,
    mask_img: Any,
    dtype: Any = "f",
    smoothing_fwhm: Any = None,
    ensure_finite: bool = True,
) -> Array:
    """Take the voxels of a mask out of images.

    Parameters
    ----------
    imgs : image
        Of three or four dimensions; see `bidsmask.images.series.open_series`. Or several of four
        dimensions, whose volumes are put one behind the other. Or on a surface, with a mask on the
        same meshes.
    mask_img : image
        Of three dimensions, on the same grid; 0, and one other value.
    dtype : "f" or a type
        Of the result. "f": as `imgs`, and for integers float32 or (from 32 bits on) float64.
    smoothing_fwhm : optional
        See `bidsmask.numerics.smooth.smooth_volume`; before the mask is applied.
    ensure_finite : bool
        Whether NaN and infinite values become 0. They do if there is any smoothing.

    Returns
    -------
    signals : array of shape (T, V), or (V,) for an image of three dimensions
        Voxels are in the order of ``volume[mask]``: z runs fastest.

    Raises
    ------
    SpaceError
        If the mask lies on another grid.
    ValueError
        If the mask is empty, or has more values than 0 and another.

    See Also
    --------
    unmask : The way back.
    bidsmask.NiftiMasker : Smooths, resamples and cleans, too.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> volume = np.arange(8.0).reshape(2, 2, 2)
    >>> image, mask = (nib.Nifti1Image(each, np.eye(4)) for each in (volume, (volume > 4) * 1.0))
    >>> apply_mask(image, mask)
    array([5., 6., 7.])
    """
    if is_surface(imgs):
        values = masked(
            imgs if smoothing_fwhm is None else smoothed(imgs, smoothing_fwhm), mask_img
        )
        kind = float_type(values.dtype) if isinstance(dtype, str) and dtype == "f" else dtype
        return _finite(values.astype(kind)) if ensure_finite else values.astype(kind)
    if _are_runs(imgs):
        runs = [apply_mask(run, mask_img, dtype, smoothing_fwhm, ensure_finite) for run in imgs]
        return np.concatenate(runs)
    mask, grid = _load_binary(mask_img)
    series = open_series(imgs)
    if series.grid != grid:
        raise SpaceError(_mismatch(grid, series))
    kind = float_type(series.dtype) if isinstance(dtype, str) and dtype == "f" else dtype
    if smoothing_fwhm is None:
        signals = _taken(series, mask, kind)
    else:
        signals = _smoothed_and_taken(series, mask, kind, smoothing_fwhm)
    if ensure_finite:
        signals = _finite(signals)
    return signals[0] if series.is_3d else signals


def unmask(X: Any, mask_img: Any, order: Literal["F", "C"] = "F") -> Any:  # noqa: N803
    """Put values back to where `apply_mask` took them from.

    Parameters
    ----------
    X : array of shape (T, V) or (V,), or a list of such arrays
    mask_img : image
        Of three dimensions; 0, and one other value.
    order : {"F", "C"}
        Order of the result in memory; with "F" x runs fastest.

    Returns
    -------
    image : nibabel image of shape (X, Y, Z, T) or (X, Y, Z), or a list of such images
        In the type of the array (see `bidsmask.images.io.new_image`); 0 outside of the mask.

    Raises
    ------
    TypeError
        If there are not as many values as there are voxels in the mask.

    See Also
    --------
    apply_mask : The way there.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> mask = nib.Nifti1Image(np.array([[[1.0, 0, 1]]]), np.eye(4))
    >>> unmask(np.array([5.0, 7.0]), mask).get_fdata()
    array([[[5., 0., 7.]]])
    """
    if isinstance(X, list) and not np.isscalar(X[0]):
        return [unmask(each, mask_img, order) for each in X]
    mask, grid = _load_binary(mask_img)
    return new_image(unmasked(np.asanyarray(X), mask, order), grid.affine)


def unmasked(values: Array, mask: BoolArray, order: Literal["F", "C"] = "F") -> Array:
    """Array (X, Y, Z, T) or (X, Y, Z) of values (T, V) or (V,) in a mask, and 0 elsewhere."""
    if values.ndim not in (1, 2):
        raise TypeError(f"Masked data X must be 2D or 1D array; got shape: {values.shape}")
    n_voxels = int(np.count_nonzero(mask))
    if values.shape[-1] != n_voxels:
        raise TypeError(f"X must be of shape (samples, {n_voxels}); it is {values.shape}.")
    volumes = np.zeros((*mask.shape, *values.shape[:-1]), dtype=values.dtype, order=order)
    volumes[mask] = values.T
    return volumes


def _mean(img: Any, target_affine: Any, target_shape: Any) -> tuple[FloatArray, Grid, Any]:
    """Mean of all volumes on the lattice wanted, that lattice, and the image's header.

    In single precision if the image is: what splines add to a uniform background is lost in it.
    """
    series = open_series(img)
    mean = series.volume_mean()
    target = target_grid(series.grid, target_affine, target_shape)
    if target != series.grid:
        finite = mean[np.isfinite(mean)]
        limits = finite.min(initial=0), finite.max(initial=0)
        mean = resample_volume(mean, series.grid, target, "continuous", clip_to=limits)
    single = series.dtype == np.float32
    return mean.astype(np.float32 if single else np.float64), target, series.header


def _tidied(
    mask: BoolArray, grid: Grid, header: Any, opening: int | bool, connected: bool, hint: str
) -> Any:
    tidied = tidy(mask, opening=int(opening), connected=connected)
    if not tidied.any():
        warnings.warn(MaskWarning(f"Computed an empty mask. {hint}"), stacklevel=3)
    return new_image(tidied, grid.affine, header)


def _for_each(compute: Callable[[Any], Any], imgs: Any, n_jobs: int) -> list[Any]:
    """Compute several masks; what takes time there lets other threads run."""
    if not len(imgs):
        raise TypeError(f"An empty object - {imgs!r} - was passed instead of an image or a list.")
    n_threads = n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)
    if n_threads == 1:
        return [compute(img) for img in imgs]
    with ThreadPoolExecutor(n_threads) as threads:
        return list(threads.map(compute, imgs))


def _load_binary(mask_img: Any, *, allow_empty: bool = False) -> tuple[BoolArray, Grid]:
    """Read a mask that can be nothing else, unlike a map of probabilities or labels."""
    series = open_series(mask_img)
    values = series.single()
    finite = values if values.dtype.kind in "iu" else np.where(np.isfinite(values), values, 0)
    found = _different(finite)
    if found.size > 2:
        raise ValueError(
            f"Given mask is not made of 2 values: {found[:10]}. Cannot interpret as true or false."
        )
    if found.size == 2 and 0 not in found:
        raise ValueError(
            f"Background of the mask must be represented with 0. Given mask contains: {found}."
        )
    mask = finite != 0
    if not mask.any() and not allow_empty:
        raise ImageError("The mask is invalid as it is empty: it masks all data.")
    return mask, series.grid


def _finite(signals: Array) -> Array:
    """Put 0 where there is no number; in the memory of the signals."""
    if signals.dtype.kind == "f":
        signals[~np.isfinite(signals)] = 0
    return signals


def _mismatch(mask: Grid, series: Series) -> str:
    """Say how the grid of a mask is another one than that of images."""
    images = series.grid
    if mask.shape != images.shape:
        how = f"Mask shape: {mask.shape}\n is different from img shape:{images.shape}."
    else:
        how = f"Mask affine:\n{mask.affine}\n is different from img affine:\n{images.affine}."
    return f"{how} The mask lies on {mask}; {series.name}: {images}. Resample one to the other."


def _are_runs(imgs: Any) -> bool:
    """Whether it is a list of images of four dimensions, and not one of volumes."""
    several = isinstance(imgs, list | tuple) and len(imgs) > 0
    return several and not any(open_series(each).is_3d for each in imgs)


def _different(values: Array) -> Array:
    """Different values, ascending; of a mask, two, without sorting all."""
    ends = np.unique([values.min(), values.max()])
    is_either = (values == ends[0]) | (values == ends[-1])
    return ends if is_either.all() else np.unique(values)


def _taken(series: Series, mask: BoolArray, dtype: Any) -> Array:
    if series.n_volumes == 1:
        return series.single()[mask].astype(dtype)[np.newaxis]
    voxels = voxels_of_mask(mask)
    signals = np.empty((series.n_volumes, voxels.size), dtype=dtype)
    for volumes, block in series.blocks():
        signals[volumes] = series.scale(taken(block, voxels))
    return signals


def _smoothed_and_taken(series: Series, mask: BoolArray, dtype: Any, fwhm: Any) -> Array:
    signals = np.empty((series.n_volumes, int(np.count_nonzero(mask))), dtype=dtype)
    for number, volume in enumerate(series.volumes()):
        signals[number] = smooth_volume(volume, series.grid.affine, fwhm)[mask]
    return signals
