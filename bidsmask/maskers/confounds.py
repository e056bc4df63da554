"""Confounds: as people pass them, and as a run itself has them.

They may be arrays, data frames, tables on disk, and lists of these.
"""

import math
import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.errors import ConfoundsError, DimensionError, SpaceError
from bidsmask.images.blocks import taken
from bidsmask.images.series import Series, open_series
from bidsmask.images.surfaces import is_surface, masked, refuse_single_samples, stacked
from bidsmask.images.volumes import read_mask
from bidsmask.numerics.components import (
    DetrendedPower,
    components_of_chosen,
    high_variance_components,
    varies_most,
)

_MISSING = frozenset({"", "n/a", "na", "nan"})


def design_of(confounds: Any, n_volumes: int) -> FloatArray:
    """Put confounds side by side.

    Parameters
    ----------
    confounds : array, data frame, path, or list of these; or None
        Arrays of shape (T,) or (T, C). A path leads to a table of numbers with a row for each
        volume, separated by tabs, commas, semicolons or blanks, with or without a header.
    n_volumes : int
        T.

    Returns
    -------
    design : float64 array of shape (T, C)
        NaN where a table has no value. C is 0 for None.

    Raises
    ------
    ConfoundsError
        If there is not one row per volume, or a table cannot be read.
    TypeError
        If it is something else.

    Examples
    --------
    >>> design_of([np.arange(3), np.ones((3, 2))], 3)
    array([[0., 1., 1.],
           [1., 1., 1.],
           [2., 1., 1.]])
    """
    if confounds is None:
        return np.empty((n_volumes, 0))
    several = confounds if isinstance(confounds, list | tuple) else [confounds]
    columns = [_columns(one, n_volumes) for one in several]
    return np.hstack([np.empty((n_volumes, 0)), *columns])


def high_variance_confounds(
    imgs: Any,
    n_confounds: int = 5,
    percentile: float = 2.0,
    detrend: bool = True,
    mask_img: Any = None,
) -> FloatArray:
    """Give the leading components of the voxels that vary most (tCompCor).

    Parameters
    ----------
    imgs : image, or array of shape (T, V)
        Of four dimensions: a path, a nibabel image, or several images of three dimensions.
        It is gone through twice, and never held. Or an image on a surface, or signals that are at
        hand.
    n_confounds : int
    percentile : float
        Per cent of the voxels to look at, from 0 to 100.
    detrend : bool
        Remove the mean and a straight line from each voxel first.
    mask_img : image, optional
        Look at its voxels only. On the grid of `imgs`.

    Returns
    -------
    confounds : float64 array of shape (T, n)
        Orthonormal; the sign makes the largest absolute value positive. n is less than
        `n_confounds` where the voxels do not have as many components, and there is a warning.

    Raises
    ------
    DimensionError
        If `imgs` is a single volume.
    SpaceError
        If the mask lies on another grid.
    ValueError
        If no voxel varies more than the others.

    See Also
    --------
    bidsmask.clean : Regresses them out.

    References
    ----------
    Behzadi et al. (2007), NeuroImage 37(1), doi:10.1016/j.neuroimage.2007.04.042

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pulse = np.sin(np.arange(50.0))
    >>> signals = rng.normal(size=(50, 200))
    >>> signals[:, :4] += 10 * pulse[:, np.newaxis]
    >>> component = high_variance_confounds(signals, n_confounds=1).ravel()
    >>> bool(abs(np.corrcoef(component, pulse)[0, 1]) > 0.95)
    True
    """
    if isinstance(imgs, np.ndarray):
        return high_variance_components(
            imgs, n_components=n_confounds, percentile=percentile, detrend=detrend
        )
    if is_surface(imgs):
        refuse_single_samples(imgs)
        return high_variance_components(
            stacked(imgs).T if mask_img is None else masked(imgs, mask_img),
            n_components=n_confounds,
            percentile=percentile,
            detrend=detrend,
        )
    series = open_series(imgs)
    if series.is_3d:
        raise DimensionError(
            f"{series.name} is a single volume, and confounds need a series of them: an image of "
            "four dimensions."
        )
    voxels = _voxels(series, mask_img)
    power = DetrendedPower(voxels.size, detrend=detrend)
    for _, block in series.blocks():
        power.update(series.scale(taken(block, voxels)))
    chosen = voxels[varies_most(power.mean_squares(), percentile)]
    signals = np.vstack([series.scale(taken(block, chosen)) for _, block in series.blocks()])
    return components_of_chosen(signals, n_components=n_confounds, detrend=detrend)


def _voxels(series: Series, mask_img: Any) -> IntArray:
    """Flat indices of the voxels to look at."""
    if mask_img is None:
        return np.arange(series.grid.n_voxels)
    mask, grid = read_mask(mask_img)
    if grid != series.grid:
        raise SpaceError(
            f"The mask ({grid}) and {series.name} ({series.grid}) do not lie on the same grid. "
            "Resample the mask to the image."
        )
    return np.flatnonzero(mask.ravel(order="F"))


def _columns(confound: Any, n_volumes: int) -> FloatArray:
    """Give the columns (T, C) of one item."""
    if isinstance(confound, str | os.PathLike):
        path = Path(confound).expanduser()
        return _with_rows(_read_table(path), n_volumes, f"{path}: Confound signal")
    if hasattr(confound, "to_numpy"):
        confound = confound.to_numpy()
    if not isinstance(confound, np.ndarray):
        raise TypeError(
            f"A confound has an unhandled type. It must be of type array, data frame or path of a "
            f"table, and is {reprlib.repr(confound)} ({type(confound).__name__})."
        )
    return _with_rows(_numbers(confound), n_volumes, "Confound signal")


def _numbers(confound: Any) -> FloatArray:
    try:
        values: FloatArray = confound.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ConfoundsError(
            f"The confounds hold something that is not a number: {error}"
        ) from error
    return values[:, np.newaxis] if values.ndim == 1 else values


def _with_rows(columns: FloatArray, n_volumes: int, what: str) -> FloatArray:
    if columns.ndim != 2:
        raise ConfoundsError(
            f"{what}: a confound array has an incorrect number of dimensions. It must have two "
            f"(T, C), and has {columns.ndim}."
        )
    if len(columns) != n_volumes:
        raise ConfoundsError(
            f"{what} has an incorrect length: {len(columns)} rows, but the signals have "
            f"{n_volumes} volumes."
        )
    return columns


def _read_table(file: Path) -> FloatArray:
    """Read the numbers (rows, C) of a table; lines that begin with ``#`` are comments."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{file}: there is no such table of confounds.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfoundsError(f"{file}: the confounds cannot be read: {error}") from error
    lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
    if not lines:
        raise ConfoundsError(f"{file}: the table of confounds is empty.")
    separator = next((sign for sign in "\t,;" if sign in lines[0]), None)
    rows = [line.split(separator) for line in lines]
    first = 1 if _is_header(rows[0]) else 0
    return np.array([_read_row(file, row, len(rows[0])) for row in rows[first:]]).reshape(
        len(rows) - first, len(rows[0])
    )


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a line names columns: with some text, or as pandas numbers those without names."""
    numbered = ["", *map(str, range(len(cells) - 1))]
    return list(cells) == numbered or any(_number(cell) is None for cell in cells)


def _read_row(file: Path, cells: Sequence[str], n_columns: int) -> list[float]:
    values = [_number(cell) for cell in cells]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(cells) or len(cells) != n_columns:
        raise ConfoundsError(
            f"{file}: expected {n_columns} numbers in each row, found {reprlib.repr(list(cells))}."
        )
    return numbers


def _number(cell: str) -> float | None:
    """Value of a cell: NaN where there is none, None where it is text."""
    if cell.strip().lower() in _MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return None
