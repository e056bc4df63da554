"""Gaussian kernels between places: vertices of a mesh, voxels of a structure.

A kernel is a sparse array (V, V) of weights that are not normalised: what each place (row) takes
of each other (column). `among` makes means of them over the places that are known, so that a place
of which nothing was seen takes no part.
"""

from typing import Any

import numpy as np
from scipy import sparse

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.numerics.geodesics import distances_across, edge_lengths
from bidsmask.numerics.mesh import vertex_areas
from bidsmask.numerics.smooth import FWHM_OVER_SIGMA

REACH = 3.0
"""In standard deviations of the Gaussian; what is farther away has no weight."""


def mesh_kernel(coordinates: FloatArray, faces: Array, fwhm: float) -> Any:
    """Compute the weights of a Gaussian along a surface.

    Parameters
    ----------
    coordinates : array of shape (V, 3)
        In mm.
    faces : int array of shape (F, 3)
    fwhm : float
        Full width at half maximum in mm, more than 0.

    Returns
    -------
    kernel : sparse array of shape (V, V)
        What vertex i is given of vertex j: exp(-d²/2σ²) aⱼ/nⱼ, where d is the distance along the
        surface, a the area of a vertex and n the sum of all exp(-d²/2σ²) a around it.

    Notes
    -----
    What a vertex gives away is its area, and it shares it out by the areas of those that receive:
    where vertices stand close they weigh no more than where they stand far apart. A vertex that
    would reach fewer others than it has neighbours gives to these. All this is as
    ``wb_command -metric-smoothing`` has it.

    References
    ----------
    Glasser et al. (2013), NeuroImage 80, doi:10.1016/j.neuroimage.2013.04.127

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    >>> kernel = mesh_kernel(corners, np.array([[0, 1, 2]]), fwhm=4)
    >>> kernel.toarray().round(2)
    array([[0.5 , 0.29, 0.29],
           [0.25, 0.57, 0.14],
           [0.25, 0.14, 0.57]])
    """
    sigma = fwhm / FWHM_OVER_SIGMA
    areas = vertex_areas(coordinates, faces)
    given = _gaussian(distances_across(coordinates, faces, REACH * sigma), sigma)
    edges = edge_lengths(coordinates, faces).tocsr()
    few = np.diff(given.indptr) <= np.diff(edges.indptr)
    if few.any():
        neighbours = _gaussian(edges, sigma)
        near = neighbours + sparse.eye_array(len(coordinates))
        given = _rows(~few) @ given + _rows(few) @ near
    total = given @ areas
    share = np.divide(areas, total, out=np.zeros_like(areas), where=total > 0)
    given.data *= np.repeat(share, np.diff(given.indptr))
    return given.T.tocsr()


def voxel_kernel(places_mm: FloatArray, fwhm: float) -> Any:
    """Compute the weights of a Gaussian between the voxels of a structure.

    Parameters
    ----------
    places_mm : array of shape (V, 3)
    fwhm : float
        Full width at half maximum in mm, more than 0.

    Returns
    -------
    kernel : sparse array of shape (V, V)
        exp(-d²/2σ²), where d is the distance of two voxels.

    Examples
    --------
    >>> voxel_kernel(np.array([[0.0, 0, 0], [2, 0, 0], [9, 0, 0]]), fwhm=4).toarray()
    array([[1. , 0.5, 0. ],
           [0.5, 1. , 0. ],
           [0. , 0. , 1. ]])
    """
    from scipy.spatial import KDTree

    sigma = fwhm / FWHM_OVER_SIGMA
    tree = KDTree(places_mm)
    pairs = tree.query_pairs(REACH * sigma, output_type="ndarray")
    away = np.linalg.norm(places_mm[pairs[:, 0]] - places_mm[pairs[:, 1]], axis=1)
    shape = len(places_mm), len(places_mm)
    half = sparse.csr_array((np.exp(-((away / sigma) ** 2) / 2), tuple(pairs.T)), shape=shape)
    return (half + half.T + sparse.eye_array(len(places_mm))).tocsr()


def among(kernel: Any, known: BoolArray) -> Any:
    """Make means of a kernel, over the places that are known.

    Parameters
    ----------
    kernel : sparse array of shape (V, V)
    known : bool array of shape (V,)

    Returns
    -------
    smoothing : sparse array of shape (V, V)
        To be multiplied by values. Rows sum to 1. A place that is not known, or that no known one
        gives anything to, keeps its own value.

    Examples
    --------
    >>> kernel = sparse.csr_array(np.ones((3, 3)))
    >>> among(kernel, np.array([True, True, False])).toarray()
    array([[0.5, 0.5, 0. ],
           [0.5, 0.5, 0. ],
           [0. , 0. , 1. ]])
    """
    total = kernel @ known.astype(np.float64)
    changes = known & (total > 0)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=changes)
    weights = kernel.data * np.repeat(scale, np.diff(kernel.indptr))
    weights *= known[kernel.indices]
    pattern = kernel.indices.copy(), kernel.indptr.copy()
    smoothing = sparse.csr_array((weights, *pattern), shape=kernel.shape)
    smoothing.eliminate_zeros()
    return smoothing if changes.all() else (smoothing + _rows(~changes)).tocsr()


def _gaussian(distances: Any, sigma: float) -> Any:
    kernel = distances.tocsr()
    kernel.data = np.exp(-((kernel.data / sigma) ** 2) / 2)
    return kernel


def _rows(chosen: BoolArray) -> Any:
    """Give a diagonal array that keeps some rows, or columns, and makes others 0."""
    return sparse.diags_array(chosen.astype(np.float64))
