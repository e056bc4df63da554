"""Which places are neighbours: vertices along the edges of a mesh, voxels that touch."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from bidsmask._typing import Array, IntArray


def mesh_links(faces: Array, n_vertices: int) -> Any:
    """Say which vertices of a mesh share an edge.

    Parameters
    ----------
    faces : int array of shape (F, 3)
        Which vertices make each triangle.
    n_vertices : int

    Returns
    -------
    links : sparse float64 array of shape (V, V)
        Symmetric; 1 for neighbours, else 0. A vertex is none of its own.

    Examples
    --------
    >>> mesh_links(np.array([[0, 1, 2], [1, 3, 2]]), 4).toarray()[0]
    array([0., 1., 1., 0.])
    """
    one, other = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).T
    pairs = sparse.coo_array((np.ones(one.size), (one, other)), shape=(n_vertices, n_vertices))
    return (pairs + pairs.T > 0).astype(np.float64)


def voxel_links(ijk: IntArray) -> Any:
    """Say which voxels share a face, an edge or a corner.

    Parameters
    ----------
    ijk : int array of shape (V, 3)
        Where each is on its lattice.

    Returns
    -------
    links : sparse float64 array of shape (V, V)
        As of `mesh_links`.

    Examples
    --------
    >>> voxel_links(np.array([[0, 0, 0], [1, 1, 1], [3, 0, 0]])).toarray()[0]
    array([0., 1., 0.])
    """
    one, other = KDTree(ijk).query_pairs(1.5, p=np.inf, output_type="ndarray").T
    half = sparse.coo_array((np.ones(one.size), (one, other)), shape=(len(ijk), len(ijk)))
    return (half + half.T).tocsr()
