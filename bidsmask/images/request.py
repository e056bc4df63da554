"""A run to be read, and what is wanted of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bidsmask._typing import Array
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.numerics.projections.regions import Projection


class Volumes(Protocol):
    """A run, as `bidsmask.images.stream.BoldStream` and `bidsmask.images.series.Series` are."""

    @property
    def grid(self) -> Grid:
        """Where the volumes lie; of a run on surfaces, its `Grayordinates`."""
        ...

    @property
    def n_volumes(self) -> int:
        """Number of volumes, T."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values once they are scaled."""
        ...

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the volumes, some at a time, as they are stored.

        Yields
        ------
        volumes : slice
        block : array of shape (n, Z, Y, X)
            See `bidsmask.images.blocks`.
        """
        ...

    def scale(self, values: Array) -> Array:
        """Apply the scaling in the header."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Columns that are wanted of a run.

    Parameters
    ----------
    projection : Projection
    grid : Grid
        Of the projection; a run that lies on another one is resampled (cubic splines, clipped to
        the range of the run and 0).
    smoothing_fwhm : number, three numbers, "fast" or None
        See `bidsmask.numerics.smooth.smooth_volume`; done on `grid`.
    dtype : dtype
        Of the columns that are kept.
    out : array of shape (T, P), or SignalsOnDisk, optional
        Where they are to be kept.
    watch : function of an array (n, V), optional
        Looks at the voxels of the support, as they are stored, if they are taken out of volumes
        that are neither resampled nor smoothed.
    """

    projection: Projection
    grid: Lattice
    smoothing_fwhm: Any = None
    dtype: Any = np.float64
    out: Any = None
    watch: Callable[[Array], None] | None = None

    @property
    def smooths(self) -> bool:
        """Whether anything is smoothed."""
        fwhm = self.smoothing_fwhm
        return fwhm is not None and (isinstance(fwhm, str) or bool(np.any(np.asarray(fwhm))))


def is_single(series: Volumes) -> bool:
    """Whether the values of a run have no more than single precision."""
    return bool(np.result_type(series.dtype, np.float32) == np.float32)
