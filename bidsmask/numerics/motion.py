"""How the head moved: six rigid-body parameters per volume, and what is derived from them."""

import numpy as np

from bidsmask._typing import FloatArray

HEAD_RADIUS_MM = 50.0
"""Distance from the cerebral cortex to the centre of the head (Power 2012)."""

BALL_RADIUS_MM = 80.0
"""Of the ball over which the displacement of Jenkinson is averaged, as in FSL."""


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


def relative_rms(motion: FloatArray, head_radius_mm: float = BALL_RADIUS_MM) -> FloatArray:
    """Root mean square displacement, from volume to volume, of the points of a ball.

    Parameters
    ----------
    motion : array of shape (T, 6)
        Translations x, y, z in mm, then rotations about x, y, z in radians, about the centre of
        the ball; as fMRIPrep's ``trans_*`` and ``rot_*``.
    head_radius_mm : float
        Radius R of the ball.

    Returns
    -------
    fd : float64 array of shape (T,)
        In mm, as fMRIPrep's ``rmsd``; about half of what `framewise_displacement` says.
        ``fd[0]`` is NaN. NaN in a volume makes its displacement and the next one NaN.

    Notes
    -----
    With the change M = A_t inv(A_(t-1)) - I, of the rotation B and the shift b, this is
    sqrt(R^2 / 5 tr(B'B) + b'b).

    References
    ----------
    Jenkinson et al. (2002), NeuroImage 17(2), doi:10.1006/nimg.2002.1132

    Examples
    --------
    >>> motion = np.zeros((3, 6))
    >>> motion[1:, 0] = 0.3            # a 0.3 mm step along x, then stillness
    >>> relative_rms(motion)
    array([nan, 0.3, 0. ])
    """
    poses = rigid_transforms(motion)
    change = poses[1:] @ np.linalg.inv(poses[:-1]) - np.eye(4)
    turned = np.sum(change[:, :3, :3] ** 2, axis=(1, 2)) * head_radius_mm**2 / 5
    moved = np.sum(change[:, :3, 3] ** 2, axis=1)
    return np.concatenate([[np.nan], np.sqrt(turned + moved)])


def rigid_transforms(motion: FloatArray) -> FloatArray:
    """Matrices of the parameters, (T, 4, 4): rotation about x, then y, then z, then the shift.

    In another order of the rotations, displacements differ in the second order of their angles.
    """
    cos, sin = np.cos(motion[:, 3:]), np.sin(motion[:, 3:])
    poses = np.tile(np.eye(4), (len(motion), 1, 1))
    for axis, (i, j) in enumerate([(1, 2), (2, 0), (0, 1)]):
        turn = np.tile(np.eye(4), (len(motion), 1, 1))
        turn[:, i, i] = turn[:, j, j] = cos[:, axis]
        turn[:, i, j], turn[:, j, i] = -sin[:, axis], sin[:, axis]
        poses = turn @ poses
    poses[:, :3, 3] = motion[:, :3]
    return poses


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
