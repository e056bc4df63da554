"""Which voxels to draw in a carpet plot (Power 2017, doi:10.1016/j.neuroimage.2016.08.009)."""

import numpy as np

from bidsmask._typing import BoolArray, IntArray

MAX_ROWS = 900
"""More rows than a screen has pixels would only be averaged away."""


def carpet_voxels(labels: IntArray, mask: BoolArray, max_rows: int = MAX_ROWS) -> IntArray:
    """Evenly spread voxels of a mask, those inside regions first, in label order.

    Parameters
    ----------
    labels : int array of shape (V,)
        Label of every voxel of the grid; 0 outside all regions.
    mask : bool array of shape (V,)
        Voxels that may be drawn.
    max_rows : int
        At most this many voxels are chosen.

    Returns
    -------
    voxels : int array of shape (P,)
        Flat indices, P <= `max_rows`.

    Examples
    --------
    >>> carpet_voxels(np.array([0, 2, 1, 0]), np.array([True, True, True, False]))
    array([2, 1, 0])
    """
    inside = np.flatnonzero(mask)
    label = labels[inside].astype(np.int64)
    outside_last = np.where(label == 0, np.iinfo(np.int64).max, label)
    ordered = inside[np.argsort(outside_last, kind="stable")]
    step = max(1, -(-ordered.size // max_rows))
    return ordered[::step]
