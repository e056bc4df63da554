"""How far the vertices of a mesh are from each other along it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from bidsmask._typing import Array, FloatArray, IntArray

_PATCH = 256
"""So many vertices are measured from at once: more would look at more of the mesh in vain."""


def distances_along(
    coordinates: FloatArray, faces: Array, vertex: int, farthest: float
) -> FloatArray:
    """Measure how far the vertices of a surface are from one of them, along its edges.

    Parameters
    ----------
    coordinates : array of shape (V, 3)
        In mm.
    faces : int array of shape (F, 3)
    vertex : int
    farthest : float
        In mm; what is farther away is not looked at.

    Returns
    -------
    distances : float array of shape (V,)
        In mm; infinite where that is more than `farthest`. The shortest way along edges is no
        shorter than the one across triangles, and as a rule some per cent longer.

    References
    ----------
    Dijkstra (1959), Numerische Mathematik 1, doi:10.1007/BF01386390

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [3, 0, 0], [3, 4, 0], [9, 4, 0]])
    >>> distances_along(corners, np.array([[0, 1, 2], [1, 2, 3]]), 0, farthest=6)
    array([ 0.,  3.,  5., inf])
    """
    from scipy.sparse import csgraph

    distances: Any = csgraph.dijkstra(
        edge_lengths(coordinates, faces), indices=np.array([vertex]), limit=farthest
    )
    row: FloatArray = distances[0]
    return row


def distances_across(coordinates: FloatArray, faces: Array, farthest: float) -> Any:
    """Measure how far all vertices of a surface are from each other, along and across triangles.

    Parameters
    ----------
    coordinates : array of shape (V, 3)
        In mm.
    faces : int array of shape (F, 3)
    farthest : float
        In mm.

    Returns
    -------
    distances : sparse array of shape (V, V)
        In mm, of all pairs that are no farther from each other, a vertex and itself included.

    Notes
    -----
    A way goes along edges, and straight across two triangles that share one, from the corner of
    one to that of the other. So it is hardly longer than the shortest one on the surface.

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> halves = np.array([[0, 1, 2], [0, 2, 3]])  # of a square: 1 and 3 share no edge
    >>> distances_across(corners, halves, farthest=2).toarray()[1].round(3)
    array([1.   , 0.   , 1.   , 1.414])
    """
    ways = _shorter(edge_lengths(coordinates, faces), _lengths_across(coordinates, faces))
    patches = list(_patches(coordinates, np.arange(len(coordinates))))
    found = sparse.vstack(
        [_row_of_patch(coordinates, ways, patch, farthest) for patch in patches], format="csr"
    )
    return found[np.argsort(np.concatenate(patches))]


def edge_lengths(coordinates: FloatArray, faces: Array) -> Any:
    """Measure the edges of a mesh: a symmetric sparse array (V, V), in mm.

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]])
    >>> edge_lengths(corners, np.array([[0, 1, 2]])).toarray()[0]
    array([0., 3., 5.])
    """
    edges = np.unique(np.sort(_sides(faces), axis=1), axis=0)
    lengths = np.linalg.norm(coordinates[edges[:, 0]] - coordinates[edges[:, 1]], axis=1)
    return _both_ways(edges, lengths, len(coordinates))


def _sides(faces: Array) -> IntArray:
    """Give the three sides of each triangle: (3 F, 2)."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _lengths_across(coordinates: FloatArray, faces: Array) -> Any:
    """Measure the straight ways across two triangles, laid flat, that share a side: (V, V)."""
    sides = np.sort(_sides(faces), axis=1)
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    order = np.lexsort(sides.T)
    shared = np.flatnonzero((np.diff(sides[order], axis=0) == 0).all(axis=1))
    one, other = order[shared], order[shared + 1]
    start, end = coordinates[sides[one, 0]], coordinates[sides[one, 1]]
    length = np.linalg.norm(end - start, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # triangles without an area
        along = (end - start) / length[:, np.newaxis]
        (x, y), (u, v) = (
            _laid_flat(coordinates[opposite[each]] - start, along) for each in (one, other)
        )
        crossing = x + (u - x) * y / (y + v)
        straight = (crossing > 0) & (crossing < length)
    ends = np.column_stack([opposite[one], opposite[other]])
    straight &= ends[:, 0] != ends[:, 1]
    ends, first = np.unique(np.sort(ends[straight], axis=1), axis=0, return_index=True)
    return _both_ways(ends, np.hypot(u - x, y + v)[straight][first], len(coordinates))


def _laid_flat(corner: FloatArray, along: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Say where a corner (n, 3) is along a side, and how far from it."""
    x = (corner * along).sum(axis=1)
    return x, np.linalg.norm(corner - x[:, np.newaxis] * along, axis=1)


def _both_ways(pairs: IntArray, lengths: FloatArray, n_vertices: int) -> Any:
    ways = sparse.csr_array((lengths, tuple(pairs.T)), shape=(n_vertices, n_vertices))
    return (ways + ways.T).tocsr()


def _shorter(one: Any, other: Any) -> Any:
    """Give the shorter of two ways, where there is one of either."""
    both = one.astype(bool).multiply(other.astype(bool))
    return (one + other - both.multiply(one.maximum(other))).tocsr()


def _patches(coordinates: FloatArray, vertices: IntArray) -> Iterator[IntArray]:
    """Cut vertices into patches of such as lie close to each other, in ascending order."""
    if vertices.size <= _PATCH:
        yield np.sort(vertices)
        return
    axis = np.ptp(coordinates[vertices], axis=0).argmax()
    half = vertices.size // 2
    ordered = vertices[np.argpartition(coordinates[vertices, axis], half)]
    yield from _patches(coordinates, ordered[:half])
    yield from _patches(coordinates, ordered[half:])


def _row_of_patch(coordinates: FloatArray, ways: Any, patch: IntArray, farthest: float) -> Any:
    """Measure from the vertices of a patch: (n, V)."""
    from scipy.sparse import csgraph

    near = _around(coordinates, patch, farthest)
    sources = np.searchsorted(near, patch)
    found: Any = csgraph.dijkstra(ways[near][:, near], indices=sources, limit=farthest)
    rows, columns = np.nonzero(np.isfinite(found))
    ends = np.cumsum([0, *np.bincount(rows, minlength=patch.size)], dtype=np.int32)
    stored = found[rows, columns], near[columns].astype(np.int32), ends
    return sparse.csr_array(stored, shape=(patch.size, len(coordinates)))


def _around(coordinates: FloatArray, patch: IntArray, farthest: float) -> IntArray:
    """Find all vertices that are perhaps within reach of a patch: no way leads out and back."""
    low, high = coordinates[patch].min(axis=0), coordinates[patch].max(axis=0)
    near = (coordinates >= low - farthest) & (coordinates <= high + farthest)
    return np.flatnonzero(near.all(axis=1))
