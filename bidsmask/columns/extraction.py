"""Columns as they have been read off a run, and what the run held of them."""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray
from bidsmask.columns.base import Columns
from bidsmask.columns.coverage import Coverage, share_of
from bidsmask.columns.request import Request


@dataclass(frozen=True, kw_only=True, eq=False)
class Extraction:
    """Columns of a run.

    Parameters
    ----------
    signals : array of shape (T, P)
        Scaled. NaN in columns that are not used.
    coverage : Coverage
    used : bool array of shape (P,)
        Columns that have a signal.
    finite : bool array of shape (V_all,)
        Which voxels of the columns' grid are finite numbers in all volumes; of those that columns
        are made of.
    measured : bool array of shape (V_all,)
        Which of them are covered where they lie inside the mask.
    """

    signals: Array
    coverage: Coverage
    used: BoolArray
    finite: BoolArray
    measured: BoolArray


def coverage_of(columns: Columns, measured: BoolArray, *, min_coverage: float) -> Coverage:
    """Say what a run holds of columns of which it has measured some voxels (V_all,)."""
    n_covered, size = columns.covered(measured)
    return Coverage(
        extent=columns.extent,
        n_covered=n_covered,
        share=share_of(size, columns.extent.size),
        still=np.zeros(n_covered.size, dtype=bool),
        min_coverage=min_coverage,
    )


def usable(request: Request, coverage: Coverage) -> BoolArray:
    """Say which columns (P,) have a signal."""
    if request.keep_unmeasured and request.min_coverage <= 0:
        return request.columns.extent.n_inside > 0
    return coverage.usable


def still(signals: Array) -> BoolArray:
    """Whether a column (T, P) is the same in all volumes, or not finite in some."""
    with np.errstate(invalid="ignore"):
        moves = np.greater(np.ptp(signals, axis=0), 0) | (len(signals) == 1)
    unmoved: BoolArray = np.logical_not(moves & np.isfinite(signals).all(axis=0))
    return unmoved
