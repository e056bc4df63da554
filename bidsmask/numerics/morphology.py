"""Shapes made of voxels: neighbours share a face."""

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.numerics.separable import range_of


def add_neighbours(total: FloatArray, values: Array) -> None:
    """Add to each voxel the values of the (up to six) voxels that share a face with it.

    Parameters
    ----------
    total : array of shape (X, Y, Z)
        Changed in place.
    values : array of shape (X, Y, Z)

    Examples
    --------
    >>> total = np.zeros((4, 1, 1))
    >>> add_neighbours(total, np.array([1, 2, 4, 8]).reshape(4, 1, 1))
    >>> total.ravel()
    array([ 2.,  5., 10.,  4.])
    """
    for axis in range(3):
        along, added = np.moveaxis(total, axis, 0), np.moveaxis(values, axis, 0)
        along[:-1] += added[1:]
        along[1:] += added[:-1]


def largest_component(mask: BoolArray) -> BoolArray:
    """Keep the largest group of connected voxels.

    Parameters
    ----------
    mask : bool array of shape (X, Y, Z)

    Returns
    -------
    largest : bool array of shape (X, Y, Z)
        New memory. Of equally large groups, the one whose first voxel comes first (z runs
        fastest). An empty mask stays empty.

    Examples
    --------
    >>> largest_component(np.array([1, 0, 1, 1]).astype(bool).reshape(1, 1, 4)).ravel()
    array([False, False,  True,  True])
    """
    from scipy.ndimage import label

    labels, n_groups = label(mask)
    if n_groups == 0:
        return mask.copy()
    sizes = np.bincount(labels.ravel())
    largest: BoolArray = labels == 1 + sizes[1:].argmax()
    return largest


def tidy(mask: BoolArray, *, opening: int, connected: bool) -> BoolArray:
    """Take away what hangs on a mask by a thread, then close its small holes.

    Parameters
    ----------
    mask : bool array of shape (X, Y, Z)
    opening : int
        Voxels to erode; then twice as many to dilate, then as many to erode. 0: none of these.
    connected : bool
        Whether to keep only the largest group of connected voxels, after the first erosion.

    Returns
    -------
    tidied : bool array of shape (X, Y, Z)
        Empty if nothing survives the first erosion. Outside of the volume nothing is in the mask.

    Examples
    --------
    >>> with_a_speck = np.zeros((7, 7, 9), dtype=bool)
    >>> with_a_speck[1:6, 1:6, 1:6] = with_a_speck[3, 3, 8] = True
    >>> tidy(with_a_speck, opening=1, connected=True)[3, 3].astype(int)
    array([0, 1, 1, 1, 1, 1, 0, 0, 0])
    """
    from scipy.ndimage import binary_dilation, binary_erosion

    box = _box_around(mask, margin=opening)  # as far as it ever reaches
    shape = mask[box]
    if opening:
        shape = binary_erosion(shape, iterations=opening)
    if connected:
        shape = largest_component(shape)
    if opening:
        shape = binary_dilation(shape, iterations=2 * opening)
        shape = binary_erosion(shape, iterations=opening)
    tidied = np.zeros(mask.shape, dtype=bool)
    tidied[box] = shape
    return tidied


def _box_around(mask: BoolArray, *, margin: int) -> tuple[slice, ...]:
    """Box of all voxels that are no more than `margin` away from the mask along an axis."""
    found = [range_of(np.asarray(mask.any(axis=others))) for others in ((1, 2), (0, 2), (0, 1))]
    return tuple(slice(max(0, part.start - margin), part.stop + margin) for part in found)
