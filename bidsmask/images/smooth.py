"""Smoothed images."""

import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.images.grid import Grid
from bidsmask.images.io import float_type, new_image
from bidsmask.images.series import open_series
from bidsmask.images.surfaces import is_surface, smoothed
from bidsmask.numerics.separable import AxisMatrices
from bidsmask.numerics.smooth import smooth_volume, smoothing_matrices


def smooth_img(imgs: Any, fwhm: Any) -> Any:
    """Smooth images with a Gaussian; drop-in for nilearn's function of this name.

    Parameters
    ----------
    imgs : image, or several of them
        Of three or four dimensions; see `bidsmask.images.series.open_series`. Or on a surface,
        along which values are then smoothed; see `bidsmask.numerics.mesh.smooth_on_mesh`.
    fwhm : number, three numbers, "fast" or None
        Full width at half maximum in mm; see `bidsmask.numerics.smooth.smooth_volume`.

    Returns
    -------
    smoothed : nibabel image, or list of them if several were given
        float32 (for float32 and integers of at most 16 bits) or float64. NaN and infinite values
        have become 0, whatever `fwhm` is.

    Warns
    -----
    UserWarning
        If the width is 0, which means that nothing is smoothed.

    See Also
    --------
    bidsmask.NiftiMasker : Smooths what it reads, with `smoothing_fwhm`.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> point = np.zeros((21, 21, 21))
    >>> point[10, 10, 10] = 1
    >>> smooth = smooth_img(nib.Nifti1Image(point, np.eye(4)), 6).get_fdata()
    >>> (smooth[13, 10, 10] / smooth[10, 10, 10]).round(3)
    np.float64(0.5)
    """
    if isinstance(fwhm, int | float) and fwhm == 0:
        warnings.warn(
            f"The parameter 'fwhm' for smoothing is specified as {fwhm}. Setting it to None: "
            "nothing is smoothed.",
            stacklevel=2,
        )
    if isinstance(imgs, Iterable) and not isinstance(imgs, str | Path):
        return [_smoothed(img, fwhm) for img in imgs]
    return _smoothed(imgs, fwhm)


def _smoothed(img: Any, fwhm: Any) -> Any:
    if is_surface(img):
        return smoothed(img, fwhm)
    series = open_series(img)
    smooth = _smoothing(series.grid, 0.0 if fwhm is None else fwhm)
    values = series.mapped(smooth, series.grid.shape, float_type(series.dtype))
    return new_image(values, series.grid.affine, series.header)


@lru_cache(maxsize=4)
def _matrices(shape: tuple[int, int, int], affine: bytes, fwhm: tuple[float, ...]) -> AxisMatrices:
    """Remember the matrices: images that are smoothed one after the other lie on one grid."""
    return smoothing_matrices(shape, np.frombuffer(affine).reshape(4, 4), fwhm)


def _smoothing(grid: Grid, fwhm: Any) -> Callable[[Array], Array]:
    """Find the fastest way: a Gaussian is a matrix for each axis."""
    if isinstance(fwhm, str):
        return lambda volume: smooth_volume(volume, grid.affine, fwhm)  # type: ignore[arg-type]
    matrices = _matrices(grid.shape, grid.affine.tobytes(), tuple(np.ravel(fwhm).tolist()))

    def smooth(volume: Array) -> Array:
        flat = volume.ravel(order="F").astype(np.float64, copy=False)
        if volume.dtype.kind == "f" and not (finite := np.isfinite(flat)).all():
            flat = np.where(finite, flat, 0)
        smoothed: Array = matrices(flat[np.newaxis])[0].reshape(grid.shape, order="F")
        return smoothed

    return smooth
