"""Meshes of hemispheres: where their vertices are, and which of them are neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.errors import ImageError
from bidsmask.images.header import check_there

_nibabel: Any = nib


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """A triangulated surface.

    Parameters
    ----------
    coordinates : float array of shape (V, 3)
        In mm (RAS+).
    faces : int array of shape (F, 3)

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> Mesh(coordinates=corners, faces=np.array([[0, 1, 2]])).nearest([0.9, 0.2, 0])
    1
    """

    coordinates: FloatArray
    faces: IntArray

    @property
    def n_vertices(self) -> int:
        """Number of vertices, V."""
        return len(self.coordinates)

    def nearest(self, place_mm: Any) -> int:
        """Find the vertex that is nearest to a place."""
        away = self.coordinates - np.asarray(place_mm, dtype=np.float64)
        return int(np.argmin((away**2).sum(axis=1)))


def read_mesh(given: Any) -> Mesh:
    """Read a mesh.

    Parameters
    ----------
    given : path or mesh
        A ``.surf.gii`` file, or an object with ``coordinates`` and ``faces`` as nilearn has them.

    Returns
    -------
    mesh : Mesh
        A coordinate transform in the file has been applied.

    Raises
    ------
    ImageError
        If the file cannot be used, or holds no mesh.
    """
    if hasattr(given, "coordinates"):
        return _checked(str(type(given).__name__), given.coordinates, given.faces)
    path = Path(given).expanduser()
    check_there(path)
    try:
        image = _nibabel.GiftiImage.from_filename(path)
    except Exception as error:  # expat, zlib, numpy: whatever nibabel comes to
        raise ImageError(f"{path} cannot be read as a mesh: {error}.") from error
    points = image.get_arrays_from_intent("NIFTI_INTENT_POINTSET")
    triangles = image.get_arrays_from_intent("NIFTI_INTENT_TRIANGLE")
    if len(points) != 1 or len(triangles) != 1:
        raise ImageError(f"{path} holds no mesh: that has one set of points, one of triangles.")
    coordinates = points[0].data.astype(np.float64)
    transform = points[0].coordsys
    if transform is not None:
        affine = np.asarray(transform.xform, dtype=np.float64)
        coordinates = coordinates @ affine[:3, :3].T + affine[:3, 3]
    return _checked(str(path), coordinates, triangles[0].data)


def _checked(name: str, coordinates: Any, faces: Any) -> Mesh:
    points, corners = np.asarray(coordinates, dtype=np.float64), np.asarray(faces)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ImageError(f"{name}: the points of a mesh are (V, 3) finite numbers.")
    beyond = corners.size and not 0 <= corners.min() <= corners.max() < len(points)
    if corners.ndim != 2 or corners.shape[1] != 3 or beyond:
        raise ImageError(f"{name}: the triangles of a mesh are (F, 3) numbers of its points.")
    return Mesh(coordinates=points, faces=corners.astype(np.intp))
