"""A run whose voxels are scaled over time while it is read."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.images.grid import Grid
from bidsmask.images.request import Volumes


class ScaledVoxels:
    """Volumes in which every voxel has had its own mean subtracted, and been multiplied.

    So a mean over voxels is one of standard scores, or of percentages. It is read like any other
    run (`bidsmask.images.request.Volumes`); nothing of it is held.

    Parameters
    ----------
    series : Volumes
        The run as it is.
    mean, factor : arrays of shape (X, Y, Z)
        What is subtracted from each voxel, and what the rest is multiplied by. A voxel whose
        factor is NaN is NaN in all volumes, and so has not been measured.

    Attributes
    ----------
    grid : Grid
    n_volumes : int
    dtype : dtype
        float32, or float64 where the run has that.
    """

    def __init__(self, series: Volumes, mean: FloatArray, factor: FloatArray) -> None:
        self._series = series
        self._mean = np.ascontiguousarray(mean.T, dtype=np.float64)
        self.dtype: np.dtype[Any] = np.result_type(series.dtype, np.float32)
        self._factor = np.ascontiguousarray(factor.T, dtype=self.dtype)

    @property
    def grid(self) -> Grid:
        """Where the volumes lie."""
        return self._series.grid

    @property
    def n_volumes(self) -> int:
        """Number of volumes, T."""
        return self._series.n_volumes

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the volumes, some at a time; see `Volumes.blocks`.

        The mean is subtracted in double precision: what is left of a voxel once it is gone may
        be a hundredth of it.
        """
        buffer: FloatArray = np.empty((0, *self._mean.shape), dtype=self.dtype)
        for volumes, block in self._series.blocks():
            if len(buffer) < len(block):
                buffer = np.empty(block.shape, dtype=self.dtype)
            scaled = buffer[: len(block)]
            with np.errstate(invalid="ignore", over="ignore"):
                values = self._series.scale(block)
                np.subtract(values, self._mean, out=scaled, dtype=np.float64, casting="same_kind")
                scaled *= self._factor
            yield volumes, scaled

    def scale(self, values: Array) -> Array:
        """Give values as they are: they have been scaled."""
        return values
