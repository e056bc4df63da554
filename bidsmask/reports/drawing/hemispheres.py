"""Hemispheres as they are seen from the side and from the middle: which vertex each pixel shows.

A mesh is turned into pixels once; what is painted on it afterwards, regions or values, is looked
up by vertex, so that the borders of regions stay sharp and a second picture costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray

Side = Literal["lateral", "medial"]
"""From where a hemisphere is looked at: from outside of the head, or from its middle."""

NOTHING = -1
"""Vertex of a pixel beside the hemisphere."""

_LIGHT = np.array([0.0, 0.45, 1.0])
"""Where the light comes from: right, above and before the page; the same for both hemispheres."""

DARKEST = 0.5
"""Shade of what is turned away from the light; that of what faces it is 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """One view of a hemisphere.

    Parameters
    ----------
    vertices : int array of shape (rows, columns)
        Which vertex is nearest in each pixel; `NOTHING` beside the hemisphere. First row on top.
    shade : float array of shape (rows, columns)
        How bright the surface is there, `DARKEST` to 1.
    """

    vertices: IntArray
    shade: FloatArray

    @property
    def shown(self) -> BoolArray:
        """Where the hemisphere is."""
        shown: BoolArray = self.vertices != NOTHING
        return shown

    def of(self, values: Array, nothing: float = 0) -> Array:
        """Look up values (V,) of the vertices for each pixel; `nothing` beside the hemisphere."""
        return np.where(self.shown, values[self.vertices], nothing)


def outlook(
    coordinates: FloatArray,
    faces: IntArray,
    *,
    is_left: bool,
    side: Side,
    pixels_per_mm: float,
) -> Outlook:
    """Look at a hemisphere from one side.

    Parameters
    ----------
    coordinates : array of shape (V, 3)
        In mm (RAS+).
    faces : int array of shape (F, 3)
        All the same way round.
    is_left : bool
        Whether it is the left hemisphere.
    side : {"lateral", "medial"}
    pixels_per_mm : float

    Returns
    -------
    outlook : Outlook
        As large as the hemisphere. Of what lies behind each other, the front is shown.

    Examples
    --------
    >>> square = np.array([[0.0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]])
    >>> faces = np.array([[0, 2, 1], [0, 3, 2]])
    >>> outlook(square, faces, is_left=True, side="lateral", pixels_per_mm=2).vertices
    array([[2, 3],
           [1, 0]])
    """
    from_left = is_left == (side == "lateral")
    away = -1 if from_left else 1  # the front of the head is on the left, if seen from the left
    points = np.column_stack(
        [away * coordinates[:, 1], coordinates[:, 2], away * coordinates[:, 0]]
    )
    points -= points.min(axis=0)
    points *= pixels_per_mm
    size = np.maximum(np.ceil(points.max(axis=0) - 1e-9), 1).astype(int)
    of_faces = _outwards(points, faces)
    lit = _of_vertices(of_faces, faces, len(points)) @ (_LIGHT / np.linalg.norm(_LIGHT))
    shades = DARKEST + (1 - DARKEST) * np.clip(lit, 0, 1)
    facing = of_faces[:, 2] > 0
    faces = faces[facing] if facing.any() else faces  # of a sheet seen from behind, all
    vertices = np.full((size[1], size[0]), NOTHING)
    shade = np.ones(vertices.shape)
    faces = faces[np.argsort(points[faces, 2].sum(axis=1), kind="stable")]  # the front comes last
    owner, column, row = _pixels(points[faces, :2])
    weights = _weights(points[faces, :2], owner, column, row)
    corners = faces[owner]
    vertices[row, column] = np.take_along_axis(
        corners, weights.argmax(axis=1)[:, np.newaxis], axis=1
    )[:, 0]
    shade[row, column] = np.clip((shades[corners] * weights).sum(axis=1), DARKEST, 1)
    return Outlook(vertices=vertices[::-1], shade=shade[::-1])


def _outwards(points: FloatArray, faces: IntArray) -> FloatArray:
    """Directions (F, 3) that triangles face, out of the hemisphere; as long as they are large."""
    first, second, third = (points[faces[:, corner]] for corner in range(3))
    normals: FloatArray = np.cross(second - first, third - first)
    inwards = ((first - points.mean(axis=0)) * normals).sum() < 0
    return -normals if inwards else normals


def _of_vertices(of_faces: FloatArray, faces: IntArray, n_vertices: int) -> FloatArray:
    """Directions (V, 3) that vertices face, of length 1: those of their triangles together."""
    normals = np.zeros((n_vertices, 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(
                faces[:, corner], weights=of_faces[:, axis], minlength=n_vertices
            )
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: FloatArray = normals / np.where(lengths > 0, lengths, 1)
    return unit


def _pixels(corners: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Fill triangles.

    Parameters
    ----------
    corners : array of shape (F, 3, 2)
        In pixels, to the right and upwards.

    Returns
    -------
    owner, column, row : int arrays of shape (n,)
        Which triangle covers the middle of which pixel, in the order of the triangles.
    """
    low, high = corners[:, :, 1].min(axis=1), corners[:, :, 1].max(axis=1)
    face, row = _ranges(np.ceil(low - 0.5), np.floor(high - 0.5))
    height = row + 0.5
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        (x0, y0), (x1, y1) = corners[face, one].T, corners[face, other].T
        with np.errstate(divide="ignore", invalid="ignore"):
            along = (height - y0) / (y1 - y0)
            x = x0 + along * (x1 - x0)
        crosses = (along >= 0) & (along <= 1)
        left = np.where(crosses, np.minimum(left, x), left)
        right = np.where(crosses, np.maximum(right, x), right)
    line, column = _ranges(np.ceil(left - 0.5), np.floor(right - 0.5))
    return face[line], column, row[line]


def _ranges(first: FloatArray, last: FloatArray) -> tuple[IntArray, IntArray]:
    """Count from each first to each last number: which one it is, and the numbers."""
    n = np.maximum(np.nan_to_num(last - first, nan=-1, neginf=-1) + 1, 0).astype(np.intp)
    owner = np.repeat(np.arange(len(n)), n)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(n) - n, n)
    return owner, within + first[owner].astype(np.intp)


def _weights(corners: FloatArray, owner: IntArray, column: IntArray, row: IntArray) -> FloatArray:
    """Barycentric coordinates (n, 3) of pixels in their triangles."""
    a, b, c = (corners[:, corner] for corner in range(3))
    twice = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    scale = 1 / np.where(twice, twice, 1)
    x, y = column + 0.5 - c[owner, 0], row + 0.5 - c[owner, 1]
    first = ((b - c)[:, 1] * scale)[owner] * x + ((c - b)[:, 0] * scale)[owner] * y
    second = ((c - a)[:, 1] * scale)[owner] * x + ((a - c)[:, 0] * scale)[owner] * y
    return np.column_stack([first, second, 1 - first - second])
