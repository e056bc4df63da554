"""Which voxels of a mean image are brain, by their values alone."""

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray


def valley_threshold(
    values: Array, *, lower: float = 0.2, upper: float = 0.85, exclude_zeros: bool = False
) -> float:
    """Find the value that parts the dark voxels of an EPI image from the bright ones.

    It lies in the middle of the widest gap between values that follow each other in order, looked
    for between two fractions of all voxels. A proposal of T. Nichols, in nilearn since its first
    release (doi:10.3389/fninf.2014.00014).

    Parameters
    ----------
    values : array
        Of any shape; finite.
    lower, upper : float
        Fractions from 0 to 1.
    exclude_zeros : bool
        Whether to leave out voxels that are 0, such as the padding of a resampled image.

    Returns
    -------
    threshold : float

    Raises
    ------
    ValueError
        If there are fewer than two voxels between the fractions.

    Examples
    --------
    >>> valley_threshold(np.array([1, 2, 3, 9, 10, 11]), lower=0, upper=1)
    6.0
    """
    ordered = np.sort(values, axis=None)
    if exclude_zeros:
        ordered = ordered[ordered != 0]
    first = int(np.floor(lower * ordered.size))
    last = min(int(np.floor(upper * ordered.size)), ordered.size - 1)
    if last <= first:
        raise ValueError(
            f"Of {ordered.size} voxels, fewer than two lie between the fractions {lower:g} and "
            f"{upper:g}: there is no gap to look for. Lower lower_cutoff or raise upper_cutoff."
        )
    widest = first + int(np.diff(ordered[first : last + 1]).argmax())
    return float(0.5 * (ordered[widest] + ordered[widest + 1]))


def differs_from_background(mean: FloatArray, *, border: int = 2) -> BoolArray:
    """Tell which voxels have another value than the border of the volume.

    Parameters
    ----------
    mean : array of shape (X, Y, Z)
    border : int
        Thickness of the border in voxels.

    Returns
    -------
    mask : bool array of shape (X, Y, Z)
        True where the value is not exactly the median of the border; or, if a voxel of the border
        is NaN, where it is not NaN.

    Notes
    -----
    The border consists of six slabs; a voxel in a corner is counted up to three times.

    Examples
    --------
    >>> mean = np.zeros((5, 5, 5))
    >>> mean[2, 2, 2] = 7
    >>> np.argwhere(differs_from_background(mean))
    array([[2, 2, 2]])
    """
    background = _border(mean, border)
    if np.isnan(background).any():
        return ~np.isnan(mean)
    different: BoolArray = mean != np.median(background)
    return different


def in_most(masks: Sequence[BoolArray], *, threshold: float = 0.5) -> BoolArray:
    """Tell which voxels are in more than a share of masks.

    Parameters
    ----------
    masks : bool arrays of shape (X, Y, Z)
    threshold : float
        From 0 (voxels in any mask) to 1 (voxels in all of them).

    Returns
    -------
    mask : bool array of shape (X, Y, Z)

    Examples
    --------
    >>> left, right = np.eye(2, dtype=bool)[:, :, None, None]
    >>> in_most([left, right], threshold=0).ravel()
    array([ True,  True])
    """
    counts = np.zeros(masks[0].shape, dtype=np.int64)
    for mask in masks:
        counts += mask
    most: BoolArray = counts > min(threshold, 1 - 1e-7) * len(masks)  # 1 stands for "in all"
    return most


def _border(volume: Array, thickness: int) -> Array:
    """Values of the six slabs at the faces of a volume."""
    slabs = [
        side.ravel()
        for axis in range(3)
        for side in (
            np.moveaxis(volume, axis, 0)[:thickness],
            np.moveaxis(volume, axis, 0)[-thickness:],
        )
    ]
    return np.concatenate(slabs)
