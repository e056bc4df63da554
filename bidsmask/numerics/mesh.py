"""Values on the vertices of a triangulated surface."""

import numpy as np
from scipy import sparse

from bidsmask._typing import Array, FloatArray
from bidsmask.numerics.links import mesh_links
from bidsmask.numerics.smooth import FWHM_OVER_SIGMA

ITERATIONS_PER_VERTEX = 1.14 * 4 * np.pi / 7
"""Rounds of averaging that give a Gaussian whose variance is the area of a vertex."""

ROUNDS_PER_VERTEX, MOST_ROUNDS = 0.0125, 500
"""Rounds of averaging that take the folds out of a hemisphere: 400 for 32,492 vertices."""


def smooth_on_mesh(
    values: Array, coordinates: FloatArray, faces: Array, fwhm: float | None
) -> FloatArray:
    """Smooth along a surface: each vertex is averaged with its neighbours, again and again.

    Parameters
    ----------
    values : array of shape (V,) or (V, T)
        NaN and infinite values count as 0.
    coordinates : array of shape (V, 3)
        In mm.
    faces : int array of shape (F, 3)
        Which vertices make each triangle.
    fwhm : float or None
        Full width at half maximum in mm. 0 and None: only what is not finite becomes 0.

    Returns
    -------
    smoothed : float array of the shape of `values`
        New memory; float32 stays float32.

    Notes
    -----
    In each round a vertex keeps half of its value and takes the mean of its neighbours for the
    other half. How many rounds it takes depends on the area of a vertex; the number is empirical.

    References
    ----------
    Hagler, Saygin & Sereno (2006), NeuroImage 33(4), doi:10.1016/j.neuroimage.2006.07.036

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> smooth_on_mesh(np.array([3.0, 0, 0]), corners, np.array([[0, 1, 2]]), fwhm=0.5)
    array([1.5 , 0.75, 0.75])
    """
    kind = np.result_type(values.dtype, np.float32)
    smoothed = np.where(np.isfinite(values), values, 0).astype(kind)
    n_rounds = iterations(coordinates, faces, fwhm or 0.0)
    if not n_rounds:
        return smoothed
    share = _half_of_the_neighbours(len(coordinates), faces)
    for _ in range(n_rounds):
        smoothed = (smoothed / 2 + share @ smoothed).astype(kind, copy=False)
    return smoothed


def inflated(coordinates: FloatArray, faces: Array) -> FloatArray:
    """Inflate a folded surface, so that what lies in its folds can be seen.

    Parameters
    ----------
    coordinates : array of shape (V, 3)
        In mm.
    faces : int array of shape (F, 3)

    Returns
    -------
    inflated : float array of shape (V, 3)
        The surface averaged with its neighbours until it has no folds, as long and wide and high
        as before, around zero. For pictures only: no distance on it means anything.

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2]])
    >>> np.ptp(inflated(corners, np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3]])), axis=0)
    array([2., 2., 2.])
    """
    smooth = np.asarray(coordinates, dtype=np.float64)
    share = _half_of_the_neighbours(len(smooth), faces)
    for _ in range(min(MOST_ROUNDS, round(ROUNDS_PER_VERTEX * len(smooth)))):
        smooth = smooth / 2 + share @ smooth
    smooth = smooth - (smooth.max(axis=0) + smooth.min(axis=0)) / 2
    sizes = np.ptp(smooth, axis=0)
    grown: FloatArray = smooth * (np.ptp(coordinates, axis=0) / np.where(sizes > 0, sizes, 1))
    return grown


def vertex_areas(coordinates: FloatArray, faces: Array) -> FloatArray:
    """Compute the area that belongs to each vertex: a third of each triangle it is a corner of.

    Parameters
    ----------
    coordinates : array of shape (V, 3)
        In mm.
    faces : int array of shape (F, 3)

    Returns
    -------
    areas : float array of shape (V,)
        In mm²; their sum is the area of the surface.

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [3, 0, 0], [0, 2, 0], [9, 9, 9]])
    >>> vertex_areas(corners, np.array([[0, 1, 2]]))
    array([1., 1., 1., 0.])
    """
    areas = np.zeros(len(coordinates))
    np.add.at(areas, faces, _face_areas(coordinates, faces)[:, np.newaxis] / 3)
    return areas


def iterations(coordinates: FloatArray, faces: Array, fwhm: float) -> int:
    """Count the rounds of averaging that smooth a surface by so many mm.

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> [iterations(corners, np.array([[0, 1, 2]]), fwhm) for fwhm in (0, 0.5, 1)]
    [0, 1, 2]
    """
    area = _face_areas(coordinates, faces).sum()
    variance = (fwhm / FWHM_OVER_SIGMA) ** 2
    return int(np.floor(ITERATIONS_PER_VERTEX * variance * len(coordinates) / area + 0.5))


def _face_areas(coordinates: FloatArray, faces: Array) -> FloatArray:
    """Area (F,) of each triangle."""
    first, second, third = (coordinates[faces[:, corner]] for corner in range(3))
    areas: FloatArray = np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2
    return areas


def _half_of_the_neighbours(n_vertices: int, faces: Array) -> sparse.csr_array:
    """Matrix (V, V) that gives half of the mean of each vertex's neighbours; alone, of itself."""
    neighbours = mesh_links(faces, n_vertices)
    alone = neighbours.sum(axis=1) == 0
    neighbours = neighbours + sparse.diags_array(alone.astype(np.float64))
    weights = sparse.diags_array(0.5 / neighbours.sum(axis=1))
    return sparse.csr_array(weights @ neighbours)
