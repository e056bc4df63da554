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


def friston_expansion(motion: FloatArray) -> FloatArray:
    """Motion parameters, their derivatives, and the squares of both: 24 columns.

    Parameters
    ----------
    motion : array of shape (T, 6)
        Translations in mm, then rotations in radians.

    Returns
    -------
    expanded : float64 array of shape (T, 24)
        Six parameters, six derivatives, six squares, six squared derivatives. The first row is
        NaN in the derivatives and their squares.

    Notes
    -----
    Friston et al. took the parameters of the volume before where this takes the change since
    then. The linear terms span the same space; the squares differ, and these are the ones of
    Satterthwaite et al. and of fMRIPrep.

    References
    ----------
    Friston et al. (1996), Magnetic Resonance in Medicine 35(3), doi:10.1002/mrm.1910350312;
    Satterthwaite et al. (2013), NeuroImage 64, doi:10.1016/j.neuroimage.2012.08.052

    Examples
    --------
    >>> friston_expansion(np.ones((3, 6))).shape
    (3, 24)
    """
    linear = np.hstack([motion, derivatives(motion)])
    return np.hstack([linear, np.square(linear)])
