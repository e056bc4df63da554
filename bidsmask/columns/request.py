"""Columns that are wanted of a run, and what they are read as."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask.columns.base import Columns


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """Columns that are wanted of a run.

    Parameters
    ----------
    columns : Columns
    statistic : str
        What is taken over the voxels of a column: see
        `bidsmask.numerics.projections.regions.Statistic`; for maps "least_squares" or
        "weighted_mean"; of voxels there is one.
    smoothing_fwhm : number, three numbers, "fast" or None
        See `bidsmask.numerics.smooth.smooth_volume`; done on the grid of the columns. On surfaces
        a number: see `bidsmask.images.surface_smoothing`.
    min_coverage : float
        Columns of which less is covered are not used.
    keep_unmeasured : bool
        Use columns without a voxel that is finite and changes, too, if no coverage is asked for:
        they are read over all of their voxels inside the mask.
    dtype : dtype
        Of the signals.
    out : float array of shape (T, P), or SignalsOnDisk, optional
        Where the signals of voxels are to be put; of nothing but `Voxels`.
    """

    columns: Columns
    statistic: str = "mean"
    smoothing_fwhm: Any = None
    min_coverage: float = 0.0
    keep_unmeasured: bool = False
    dtype: Any = np.float64
    out: Any = None

    @property
    def smooths(self) -> bool:
        """Whether anything is smoothed."""
        fwhm = self.smoothing_fwhm
        return fwhm is not None and (isinstance(fwhm, str) or bool(np.any(np.asarray(fwhm))))
