"""Between which values a run lies: what is interpolated may not overshoot them."""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.images.request import Volumes
from bidsmask.numerics.separable import AxisMatrices, boxed

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueRange:
    """Between which values a run lies.

    Parameters
    ----------
    lowest, highest : float
        Smallest and largest finite value of all volumes, and 0.
    low, high : arrays of shape (V_all,)
        Smallest and largest value of each voxel, scaled; NaN if it is missing in any volume.
    """

    lowest: float
    highest: float
    low: Array
    high: Array

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.lowest, self.highest

    @property
    def is_whole(self) -> bool:
        """Whether no value is missing."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    def holds(self, operator: AxisMatrices, voxels: IntArray) -> bool:
        """Whether mapped volumes stay within the range at some voxels, whatever the volume.

        Parameters
        ----------
        operator : AxisMatrices
        voxels : int array
            Flat indices (x runs fastest) on its target.

        Notes
        -----
        With voxels between m - r and m + r, a mapped voxel lies between A m - |A| r and
        A m + |A| r. So the answer may be no although no volume ever overshoots.
        """
        if not self.is_whole:
            return False
        target, places = boxed(voxels, operator.target_shape)
        rows = operator.to(target=target)
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        middle: FloatArray = rows((low + high)[np.newaxis] / 2)[0, places]
        reach: FloatArray = rows.sizes()((high - low)[np.newaxis] / 2)[0, places]
        spare = _ROUNDING * (self.highest - self.lowest)
        stays = (middle - reach >= self.lowest - spare) & (middle + reach <= self.highest + spare)
        return bool(stays.all())


def value_range(series: Volumes) -> ValueRange:
    """Go through a run to see between which values it lies."""
    lowest, highest = 0.0, 0.0
    low = high = np.zeros(0)
    for volumes, block in series.blocks():
        block_low, block_high = block.min(axis=0), block.max(axis=0)
        low = np.minimum(low, block_low) if volumes.start else block_low
        high = np.maximum(high, block_high) if volumes.start else block_high
        bottom, top = ends_of(series.scale(block))
        lowest, highest = min(lowest, bottom), max(highest, top)
    low, high = series.scale(low.ravel()), series.scale(high.ravel())
    return ValueRange(
        lowest=lowest, highest=highest, low=np.minimum(low, high), high=np.maximum(low, high)
    )


def ends_of(block: Array) -> tuple[float, float]:
    """Smallest and largest finite value of some volumes."""
    low, high = float(block.min()), float(block.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = np.isfinite(block)
    return (
        float(block.min(where=finite, initial=0)),
        float(block.max(where=finite, initial=0)),
    )
