"""What of an atlas lies beyond the grid of a run."""

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.images.grid import Grid
from bidsmask.numerics.affine import apply_affine


def beyond(voxels: IntArray, grid: Grid, target: Grid) -> BoolArray:
    """Tell which voxels of an atlas have no place on the grid of a run.

    Parameters
    ----------
    voxels : int array of shape (n,)
        Flat indices on `grid`, x running fastest.
    grid : Grid
        Of the atlas.
    target : Grid
        Of the run.

    Returns
    -------
    beyond : bool array of shape (n,)
        True where the centre of a voxel lies outside of all voxels of the target.

    Examples
    --------
    >>> line = Grid(shape=(4, 1, 1), affine=np.eye(4))
    >>> beyond(np.arange(4), line, Grid(shape=(2, 1, 1), affine=np.eye(4)))
    array([False, False,  True,  True])
    """
    if grid == target or not voxels.size:
        return np.zeros(voxels.size, dtype=bool)
    places = np.stack(np.unravel_index(voxels, grid.shape, order="F"))  # (3, n)
    to_target = np.linalg.inv(target.affine) @ grid.affine
    box = np.array(np.meshgrid(*zip(places.min(axis=1), places.max(axis=1), strict=True)))
    if not _outside(apply_affine(to_target, box.reshape(3, -1).T), target).any():
        return np.zeros(voxels.size, dtype=bool)
    return _outside(apply_affine(to_target, places.T), target)


def _outside(places: FloatArray, target: Grid) -> BoolArray:
    outside: BoolArray = np.zeros(len(places), dtype=bool)
    for axis, size in enumerate(target.shape):
        outside |= np.abs(places[:, axis] - (size - 1) / 2) > size / 2 + _ROUNDING
    return outside


_ROUNDING = 1e-6
"""Of a voxel: lattices that are flipped or turned meet only up to rounding."""
