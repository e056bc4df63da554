"""nilearn's images on surfaces, of two small meshes."""

import numpy as np
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

LEFT, RIGHT = 12, 9
KEYS = np.array([0, 1, 1, 2, 2, 2, 0, 0, 3, 3, 3, 3, 5, 5, 5, 0, 6, 6, 6, 6, 6])
"""Labels of the vertices of both hemispheres, which have none in common."""


def mesh(n_vertices):
    angles = np.linspace(0, 2 * np.pi, n_vertices, endpoint=False)
    coordinates = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(n_vertices)]) * 9
    faces = np.array([[0, each, each + 1] for each in range(1, n_vertices - 1)])
    return InMemoryMesh(coordinates, faces)


def image(values, dtype=None):
    """Values (V, T) or (V,) as nilearn's image."""
    values = np.asarray(values, dtype=dtype)
    return SurfaceImage(
        PolyMesh(left=mesh(LEFT), right=mesh(RIGHT)),
        {"left": values[:LEFT], "right": values[LEFT:]},
    )
