"""Masks and labels as arrays on a grid, and arrays as images again."""

from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray
from bidsmask._warn import warn_user
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.header import grid_of, read_header
from bidsmask.images.io import plain_image
from bidsmask.images.series import open_series
from bidsmask.numerics.resample import resample_nearest

EMPTY_MASK = "The mask is invalid as it is empty: it masks all data."


def read_mask(img: Any) -> tuple[BoolArray, Grid]:
    """Read a brain mask.

    Parameters
    ----------
    img : path or image
        Of one volume or several: a voxel is inside if it is, in every volume, neither 0 nor NaN
        nor infinite.

    Returns
    -------
    mask : bool array of shape (X, Y, Z)
    grid : Grid

    Raises
    ------
    ImageError
        If no voxel is inside.

    Warns
    -----
    UserWarning
        If there are values that are NaN or infinite.
    """
    return _read_mask(img)[:2]


def load_mask(path: Path, grid: Grid) -> BoolArray:
    """Read the brain mask of a run; see `read_mask`.

    Parameters
    ----------
    path : Path
    grid : Grid
        Where the mask has to lie.

    Returns
    -------
    mask : bool array of shape (X, Y, Z)

    Raises
    ------
    SpaceError
        If the mask lies on another grid.
    ImageError
        If the file cannot be read, or no voxel is in the mask.

    Warns
    -----
    UserWarning
        If the mask holds more than 0 and one whole number, such as probabilities; or values that
        are NaN or infinite.
    """
    found = grid_of(path, read_header(path))  # a guess at its orientation will not do here
    if found != grid:
        raise SpaceError(
            f"{path} lies on another grid than the run. The mask: {found}; the run: {grid}. "
            "Give the mask that belongs to the run."
        )
    mask, _, (low, high) = _read_mask(path)
    if low != high or not float(low).is_integer():
        held = f"values from {low:.4g} to {high:.4g}" if low != high else f"{low:.4g}"
        warn_user(
            f"{path.name} is a mask, but not one of 0 and 1: it holds {held}, too. Every voxel "
            "that is not 0 is taken to be inside."
        )
    return mask


def _read_mask(img: Any) -> tuple[BoolArray, Grid, tuple[float, float]]:
    """Read a mask, and the lowest and the highest value inside of it."""
    series = open_series(img)
    inside = np.ones(series.grid.shape, dtype=bool)
    is_whole, low, high = True, np.inf, -np.inf
    for volume in series.volumes():
        finite = np.isfinite(volume)
        is_whole &= bool(finite.all())
        found = finite & (volume != 0)
        if found.any():
            values = volume[found]
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        inside &= found
    if not is_whole:
        warn_user(
            f"{series.name}: Non-finite values detected. They are outside of the mask, like zeros."
        )
    if not inside.any():
        raise ImageError(f"{series.name}: {EMPTY_MASK} Make it again, or give another.")
    return inside, series.grid, (low, high)


def as_volume(flat: Array, grid: Grid) -> Array:
    """Give voxels (V,) or (T, V), x running fastest, their places: (X, Y, Z) or (X, Y, Z, T).

    It is a view, in Fortran order: volumes stay together, as a NIfTI file has them.

    Examples
    --------
    >>> as_volume(np.arange(6), Grid(shape=(3, 2, 1), affine=np.eye(4)))[:, 1, 0]
    array([3, 4, 5])
    """
    return flat.reshape(*flat.shape[:-1], *grid.shape[::-1]).T


def mask_on(mask: BoolArray, grid: Grid, target: Grid) -> BoolArray:
    """Put a mask on another grid: each voxel is what the nearest one was.

    Raises
    ------
    ValueError
        If nothing of it lies there.
    """
    placed: BoolArray = resample_nearest(mask, grid.affine, target.shape, target.affine)
    if not placed.any():
        raise ValueError(EMPTY_MASK)
    return placed


def labels_on(labels: Array, grid: Grid, target: Grid, background: float) -> Array:
    """Put labels on another grid; `background` where there were none."""
    return resample_nearest(labels, grid.affine, target.shape, target.affine, fill=background)


def cropped(mask: BoolArray, grid: Grid) -> tuple[BoolArray, Grid]:
    """Cut away what lies further than one voxel outside of a mask's box.

    Returns
    -------
    mask : bool array of shape (X', Y', Z')
    grid : Grid
        Of what is left; voxels are where they were.
    """
    inside = np.argwhere(mask)
    start = np.maximum(inside.min(axis=0) - 1, 0)
    stop = np.minimum(inside.max(axis=0) + 2, mask.shape)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, :3] @ start
    return mask[box], Grid(shape=tuple((stop - start).tolist()), affine=affine)


def make_image(array: Array, grid: Grid, header: Any = None, t_r: float | None = None) -> Any:
    """Make a NIfTI image in memory.

    Parameters
    ----------
    array : array of shape (X, Y, Z) or (X, Y, Z, T)
        Not copied. bool becomes uint8.
    grid : Grid
    header : nibabel header, optional
        Of the run that the image is about: its units and its repetition time are kept.
    t_r : float, optional
        Repetition time in seconds; goes before that of the header.

    Returns
    -------
    image : nibabel.Nifti1Image
    """
    image = plain_image(array, np.array(grid.affine), header)
    _set_units(image.header, is_run=array.ndim == 4, t_r=t_r)
    return image


def _set_units(header: Any, *, is_run: bool, t_r: float | None) -> None:
    space, time = header.get_xyzt_units()
    if is_run and t_r is not None:
        header.set_zooms((*header.get_zooms()[:3], t_r))
        time = "sec"
    header.set_xyzt_units("mm" if space == "unknown" else space, time)


def refuse_other_grids(grids: dict[str, Grid]) -> None:
    """Refuse images that lie on different grids where nothing is resampled.

    Raises
    ------
    SpaceError
        Naming the first that differs from the first of all.
    """
    (first, grid), *others = grids.items()
    for name, other in others:
        if other != grid:
            same_shape = other.shape == grid.shape
            differ = "different affine matrices" if same_shape else "incompatible shapes"
            raise SpaceError(
                f"Following field of view errors were detected: Images have {differ}. {first}: "
                f"{grid}; {name}: {other}. Resample one of them, or choose a resampling_target."
            )
