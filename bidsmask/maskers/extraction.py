"""From the volumes of a run to columns: on another grid, smoothed, projected, block by block."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.images.accept import Series
from bidsmask.images.grid import Grid
from bidsmask.maskers.volumes import as_volume
from bidsmask.numerics.projection import Projection
from bidsmask.numerics.resample import resample_continuous
from bidsmask.numerics.smooth import smooth_volume

_MOST_THREADS = 4
"""More are not faster by much, and each holds some copies of a volume."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extraction:
    """What a masker reads off one run.

    Parameters
    ----------
    signals : array of shape (T, P)
    finite : bool array of shape (V,)
        Which voxels of the projection's support are finite numbers in all volumes.
    middle : array of shape (V_all,)
        The volume in the middle of the run, as it is in the image, for reports.
    """

    signals: Array
    finite: BoolArray
    middle: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """What is done to each volume before cleaning.

    Parameters
    ----------
    projection : Projection
    grid : Grid
        Of the projection; volumes that lie on another one are resampled (cubic splines, clipped
        to the range of the run and 0).
    smoothing_fwhm : number, three numbers, "fast" or None
        See `bidsmask.numerics.smooth.smooth_volume`; done on `grid`.
    dtype : dtype
        Of the columns that are kept; all is computed in float64.
    """

    projection: Projection
    grid: Grid
    smoothing_fwhm: Any
    dtype: np.dtype[Any]


def extract(series: Series, recipe: Recipe) -> Extraction:
    """Read the columns of a projection off a run, of which only a block is ever held.

    Parameters
    ----------
    series : Series
    recipe : Recipe

    Returns
    -------
    extraction : Extraction
    """
    projection = recipe.projection
    support = projection.support
    prepared = _preparation(series, recipe)
    whole = getattr(projection, "needs_all_volumes", False)
    n_columns, dtype = (
        (support.size, series.dtype) if whole else (projection.n_columns, recipe.dtype)
    )
    signals = np.empty((series.n_volumes, n_columns), dtype=dtype)
    finite = np.ones(support.size, dtype=bool)
    middle = np.zeros(0)
    for volumes, block in series.blocks():
        if volumes.start <= series.n_volumes // 2 < volumes.stop:
            middle = series.scale(block[series.n_volumes // 2 - volumes.start]).copy()
        voxels = prepared(block, support)
        if voxels.dtype.kind == "f":
            finite &= np.isfinite(voxels).all(axis=0)
        signals[volumes] = voxels if whole else projection.project(voxels)
    if whole:
        signals = projection.project(signals)
    return Extraction(signals=signals, finite=finite, middle=middle)


def value_range(series: Series) -> tuple[float, float]:
    """Smallest and largest finite value of a run, and 0: an interpolated value lies between them.

    Takes a pass over the run of its own.
    """
    lowest, highest = 0.0, 0.0
    for _, block in series.blocks():
        low, high = _ends(series.scale(block))
        lowest, highest = min(lowest, low), max(highest, high)
    return lowest, highest


def _ends(block: Array) -> tuple[float, float]:
    low, high = float(block.min()), float(block.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = np.isfinite(block)
    return (
        float(block.min(where=finite, initial=0)),
        float(block.max(where=finite, initial=0)),
    )


def _preparation(series: Series, recipe: Recipe) -> Callable[[Array, IntArray], Array]:
    """Find what takes a block (n, V_all) of the run to the voxels (n, V) of the projection."""
    steps: list[Callable[[Array], Array]] = []
    if series.grid != recipe.grid:
        steps.append(_resampling(series, recipe.grid))
    if _smooths(recipe.smoothing_fwhm):
        steps.append(_smoothing(recipe))
    if not steps:
        return lambda block, support: series.scale(np.take(block, support, axis=1))

    def prepare(flat: Array, support: IntArray) -> Array:
        volume = as_volume(series.scale(flat), series.grid)
        for step in steps:
            volume = step(volume)
        return volume.ravel(order="F")[support]

    def prepare_all(block: Array, support: IntArray) -> Array:
        voxels = np.empty((len(block), support.size))

        def fill(row: int) -> None:
            voxels[row] = prepare(block[row], support)

        with ThreadPoolExecutor(_n_threads()) as threads:
            deque(threads.map(fill, range(len(block))), maxlen=0)
        return voxels

    return prepare_all


def _n_threads() -> int:
    """Volumes to work on at a time: scipy lets go of the interpreter while it computes."""
    known = hasattr(os, "sched_getaffinity")
    return min(_MOST_THREADS, len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1)


def _resampling(series: Series, target: Grid) -> Callable[[Array], FloatArray]:
    clip_to, affine = value_range(series), series.grid.affine
    return lambda volume: resample_continuous(
        volume, affine, target.shape, target.affine, order=3, clip_to=clip_to
    )


def _smoothing(recipe: Recipe) -> Callable[[Array], FloatArray]:
    """Smooth in double precision, whatever the type of the image: it costs no more."""
    return lambda volume: smooth_volume(
        volume.astype(np.float64), recipe.grid.affine, recipe.smoothing_fwhm
    )


def _smooths(fwhm: Any) -> bool:
    return fwhm is not None and (isinstance(fwhm, str) or bool(np.any(np.asarray(fwhm))))
