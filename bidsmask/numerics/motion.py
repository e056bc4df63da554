"""How the head moved: six rigid-body parameters per volume, and what is derived from them."""

import numpy as np

from bidsmask._typing import FloatArray

HEAD_RADIUS_MM = 50.0
"""Distance from the cerebral cortex to the centre of the head (Power 2012)."""


def framewise_displacement(
    motion: FloatArray, head_radius_mm: float = HEAD_RADIUS_MM
) -> FloatArray:
    """Sum of absolute volume-to-volume changes of the six rigid-body parameters.

    Parameters
    ----------
    motion : array of shape (T, 6)
        Translations x, y, z in mm, then rotations about x, y, z in radians.
    head_radius_mm : float
        Radius of the sphere on which rotations become arc lengths.

    Returns
    -------
    fd : float64 array of shape (T,)
        FD in mm. ``fd[0]`` is NaN: the first volume has no predecessor. NaN in a volume makes
        its FD and the next one NaN.

    References
    ----------
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> motion = np.zeros((3, 6))
    >>> motion[1:, 0] = 0.3            # a 0.3 mm step along x, then stillness
    >>> framewise_displacement(motion)
    array([nan, 0.3, 0. ])
    """
    steps = np.abs(derivatives(motion))
    steps[:, 3:] *= head_radius_mm
    displacement: FloatArray = steps.sum(axis=1)
    return displacement


def derivatives(parameters: FloatArray) -> FloatArray:
    """Change of each column since the volume before.

    Parameters
    ----------
    parameters : array of shape (T, C)

    Returns
    -------
    changes : float64 array of shape (T, C)
        In the unit of each column, per volume. The first row is NaN, as in fMRIPrep's columns
        that end in ``_derivative1``.

    Examples
    --------
    >>> derivatives(np.array([[1.0], [3.0], [2.0]])).ravel()
    array([nan,  2., -1.])
    """
    changes = np.full(parameters.shape, np.nan)
    changes[1:] = np.diff(parameters, axis=0)
    return changes
