"""Clean the signal of each voxel or vertex, with the words of nilearn's ``clean_img``."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.errors import DimensionError
from bidsmask.images import surfaces
from bidsmask.images.masks import apply_mask, unmasked
from bidsmask.images.series import Series, open_series
from bidsmask.images.surfaces import is_surface
from bidsmask.images.volumes import make_image, read_mask
from bidsmask.maskers.cleaning import FORMER_NAMES, Standardize, clean


def clean_img(
    imgs: Any,
    runs: Any = None,
    detrend: bool = True,
    standardize: Standardize = True,
    confounds: Any = None,
    low_pass: float | None = None,
    high_pass: float | None = None,
    t_r: float | None = None,
    ensure_finite: bool = False,
    mask_img: Any = None,
    **options: Any,
) -> Any:
    """Clean the signal of each voxel; see `clean`.

    Parameters
    ----------
    imgs : image of four dimensions, or of several samples on a surface
    runs, detrend, standardize, confounds, low_pass, high_pass, ensure_finite
        As of `clean`.
    t_r : float, optional
        Repetition time in seconds; cut-offs need it.
    mask_img : image, optional
        Voxels or vertices outside become 0.
    **options
        Others of `clean`, with ``clean__`` before their names.

    Returns
    -------
    image : nibabel image of shape (X, Y, Z, T_kept)
        With the units and repetition time of `imgs`.

    Raises
    ------
    TypeError
        If an option is not known.
    ValueError
        If there is a cut-off and no `t_r`.
    DimensionError
        If `imgs` has three dimensions.

    See Also
    --------
    clean : For signals.
    bidsmask.NiftiMasker : Gives the cleaned signals themselves.

    Examples
    --------
    >>> import nibabel as nib
    >>> values = np.array([1.0, 2.0, 6.0]).reshape(1, 1, 1, 3)
    >>> run = nib.Nifti1Image(values, np.eye(4))
    >>> clean_img(run, standardize=None).get_fdata().ravel()
    array([ 0.5, -1. ,  0.5])
    """
    for name in options:
        if not name.startswith("clean__"):
            meant = FORMER_NAMES.get(name, f"clean__{name}")
            raise TypeError(
                f"clean_img() got an unexpected keyword argument {name!r}. Did you mean {meant!r}?"
            )
    series = None if is_surface(imgs) else _run_of(imgs)
    if t_r is None and not (low_pass is None and high_pass is None):
        header = "" if series is None else f" imgs header suggest it to be {series.t_r} s."
        raise ValueError(
            f"Repetition time (t_r) must be specified for filtering. You specified None.{header}"
        )
    cleaned: Callable[[Array], FloatArray] = partial(
        clean,
        runs=runs,
        detrend=detrend,
        standardize=standardize,
        confounds=confounds,
        low_pass=low_pass,
        high_pass=high_pass,
        t_r=t_r,
        ensure_finite=ensure_finite,
        **{name.removeprefix("clean__"): value for name, value in options.items()},
    )
    if series is None:
        return _cleaned_surface(imgs, mask_img, cleaned)
    if mask_img is None:
        mask = np.ones(series.grid.shape, dtype=bool)
        signals = np.array([volume[mask] for volume in series.volumes()])
    else:
        mask = read_mask(mask_img)[0]
        signals = apply_mask(imgs, mask_img)
    return make_image(unmasked(cleaned(signals), mask), series.grid, series.header, t_r)


def _run_of(imgs: Any) -> Series:
    series = open_series(imgs)
    if series.is_3d:
        raise DimensionError(f"{series.name} is a single volume; cleaning needs a series of them.")
    return series


def _cleaned_surface(imgs: Any, mask_img: Any, clean: Callable[[Array], FloatArray]) -> Any:
    surfaces.refuse_single_samples(imgs)
    cleaned = clean(surfaces.stacked(imgs).T).T
    if mask_img is not None:
        surfaces.refuse_other_meshes([imgs, mask_img])
        cleaned[surfaces.stacked(mask_img).reshape(-1) == 0] = 0
    return surfaces.split(imgs, cleaned)
