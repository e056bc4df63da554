"""Voxel and world coordinates.

An affine A (4, 4) takes a voxel index (i, j, k) to world coordinates in mm: ``A @ [i, j, k, 1]``.
World axes point to the right, the front and the top of the head (RAS+).
"""

from itertools import permutations, product

import numpy as np

from bidsmask._typing import Array, FloatArray

GRID_TOLERANCE_MM = 0.01
"""Lattices whose corners lie closer than this are the same.

Tools write affines in single precision, and through quaternions: at 100 mm from the origin that
moves a corner by up to some micrometres. Nothing that anyone measures is smaller than this.
"""

_ENDS = ("LR", "PA", "IS")  # negative and positive end of each world axis


def voxel_sizes(affine: FloatArray) -> FloatArray:
    """Edge lengths of a voxel.

    Parameters
    ----------
    affine : array of shape (4, 4)

    Returns
    -------
    sizes : float64 array of shape (3,)
        In mm, along the three voxel axes.

    Examples
    --------
    >>> voxel_sizes(np.diag([-2.0, 3.0, 4.0, 1.0]))
    array([2., 3., 4.])
    """
    sizes: FloatArray = np.sqrt(np.square(affine[:3, :3]).sum(axis=0))
    return sizes


def apply_affine(affine: FloatArray, ijk: Array) -> FloatArray:
    """World coordinates of voxel indices.

    Parameters
    ----------
    affine : array of shape (4, 4)
    ijk : array of shape (..., 3)

    Returns
    -------
    xyz : float64 array of shape (..., 3)
        In mm.

    Examples
    --------
    >>> apply_affine(np.diag([2.0, 2.0, 2.0, 1.0]), np.array([1, 0, 3]))
    array([2., 0., 6.])
    """
    rotation_zoom, translation = affine[:3, :3], affine[:3, 3]
    xyz: FloatArray = np.asarray(ijk) @ rotation_zoom.T + translation
    return xyz


def grid_corners(shape: tuple[int, int, int], affine: FloatArray) -> FloatArray:
    """World coordinates of the eight corner voxels' centres.

    Parameters
    ----------
    shape : three ints
    affine : array of shape (4, 4)

    Returns
    -------
    corners : float64 array of shape (8, 3)
        In mm; the third voxel axis runs fastest.

    Examples
    --------
    >>> grid_corners((3, 2, 2), np.eye(4))[[0, -1]]
    array([[0., 0., 0.],
           [2., 1., 1.]])
    """
    ends = list(product(*((0, size - 1) for size in shape)))
    return apply_affine(affine, np.array(ends))


def same_grid(
    shape_a: tuple[int, int, int],
    affine_a: FloatArray,
    shape_b: tuple[int, int, int],
    affine_b: FloatArray,
) -> bool:
    """Whether two lattices put the same voxels at the same places.

    Parameters
    ----------
    shape_a, shape_b : three ints
    affine_a, affine_b : arrays of shape (4, 4)

    Returns
    -------
    same : bool
        True if shapes are equal and no corner moves by `GRID_TOLERANCE_MM` or more. All voxels
        lie between the corners, so none of them moves further.

    Examples
    --------
    >>> nudged = np.eye(4)
    >>> nudged[0, 3] = 0.001
    >>> same_grid((5, 5, 5), np.eye(4), (5, 5, 5), nudged)
    True
    """
    if tuple(shape_a) != tuple(shape_b):
        return False
    if np.array_equal(affine_a, affine_b):
        return True
    moved = grid_corners(shape_a, affine_a) - grid_corners(shape_b, affine_b)
    return bool(np.linalg.norm(moved, axis=1).max() < GRID_TOLERANCE_MM)


def orientation_codes(affine: FloatArray) -> str:
    """Towards which end of the head each voxel axis runs.

    Parameters
    ----------
    affine : array of shape (4, 4)
        Not singular. Oblique axes are named after the world axis they are nearest to, jointly:
        every world axis is named once.

    Returns
    -------
    codes : str
        Three letters, such as "RAS" or "LPS".

    Notes
    -----
    Shears are removed first: of all rotations, the nearest one (polar decomposition) is named.

    Examples
    --------
    >>> orientation_codes(np.diag([-2.0, 2.0, 2.0, 1.0]))
    'LAS'
    """
    u, _, vt = np.linalg.svd(affine[:3, :3] / voxel_sizes(affine))
    cosines = u @ vt  # (world axis, voxel axis)
    nearest = max(permutations(range(3)), key=lambda world: np.abs(cosines[world, range(3)]).sum())
    return "".join(
        _ENDS[world][int(cosines[world, voxel] > 0)] for voxel, world in enumerate(nearest)
    )
