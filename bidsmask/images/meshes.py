"""Meshes of hemispheres: where their vertices are, and which of them are neighbours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.gifti import count_vertices as count_in_gifti
from bidsmask.images.gifti import hemisphere_in_name, read_gifti
from bidsmask.images.grayordinates import HEMISPHERES, Grayordinates
from bidsmask.images.header import check_there

_nibabel: Any = nib

_SHAPES = (".shape.gii", ".shape.gii.gz", ".func.gii")


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

    def check_fits(self, structure: str, n_vertices: int | None) -> None:
        """Refuse to be the mesh of a structure of a run that lies on another one.

        Raises
        ------
        SpaceError
            If the run's has other vertices.
        """
        if self.n_vertices != n_vertices:
            raise SpaceError(
                f"The mesh of {structure} has {self.n_vertices} vertices, and the run is of one "
                f"of {n_vertices}. Give the mesh of the run's density."
            )

    def nearest(self, place_mm: Any) -> int:
        """Find the vertex that is nearest to a place."""
        away = self.coordinates - np.asarray(place_mm, dtype=np.float64)
        return int(np.argmin((away**2).sum(axis=1)))

    def areas(self) -> FloatArray:
        """Compute the area of each vertex, (V,) in mm²."""
        from bidsmask.numerics.mesh import vertex_areas  # scipy.sparse

        return vertex_areas(self.coordinates, self.faces)


def read_mesh(given: Any) -> Mesh:
    """Read a mesh.

    Parameters
    ----------
    given : path or mesh
        A ``.surf.gii`` file, a surface of FreeSurfer's (``lh.inflated``), or an object with
        ``coordinates`` and ``faces`` as nilearn has them.

    Returns
    -------
    mesh : Mesh
        A coordinate transform in the file, or FreeSurfer's shift of the centre, has been applied.

    Raises
    ------
    ImageError
        If the file cannot be used, or holds no mesh.
    """
    if hasattr(given, "coordinates"):
        return _checked(str(type(given).__name__), given.coordinates, given.faces)
    path = Path(given).expanduser()
    check_there(path)
    if _is_freesurfer(path):
        return _read_freesurfer(path)
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


def inflate(mesh: Mesh) -> Mesh:
    """Take the folds out of a mesh, to draw on; see `bidsmask.numerics.mesh.inflated`."""
    from bidsmask.numerics.mesh import inflated  # scipy.sparse

    return replace(mesh, coordinates=inflated(mesh.coordinates, mesh.faces))


def read_meshes(given: Any) -> dict[str, Mesh]:
    """Read the meshes of hemispheres.

    Parameters
    ----------
    given : mapping, pair of paths, or meshes
        ``{"left": …, "right": …}`` of what `read_mesh` takes, or of one hemisphere alone; files
        of which the names say the hemisphere; or nilearn's ``PolyMesh``.

    Returns
    -------
    meshes : dict from structure to Mesh
        ``CORTEX_LEFT``, ``CORTEX_RIGHT``.

    Raises
    ------
    TypeError
        If it is nothing of that.
    ImageError
        If a file cannot be used, or does not say which hemisphere it is of.
    """
    parts = getattr(given, "parts", given)
    if isinstance(parts, Mapping) and parts and set(parts) <= set(HEMISPHERES):
        return {HEMISPHERES[side]: read_mesh(mesh) for side, mesh in parts.items()}
    if not isinstance(parts, list | tuple) or not 0 < len(parts) <= 2:
        raise TypeError(f"Meshes are {{'left': path, 'right': path}}, not {given!r}.")
    sides = [hemisphere_in_name(Path(each)) for each in parts]
    if None in sides or len(set(sides)) < len(sides):
        raise ImageError(
            f"{' and '.join(map(str, parts))}: the names do not tell the hemispheres apart. Give "
            "them by name: {'left': path, 'right': path}."
        )
    return {str(side): read_mesh(path) for side, path in zip(sides, parts, strict=True)}


def read_areas(path: Path) -> FloatArray:
    """Read the area of each vertex of a mesh, or compute it.

    Parameters
    ----------
    path : Path
        A mesh, or areas on the vertices of one (``.shape.gii``).

    Returns
    -------
    areas : float array of shape (V,)
        In mm².

    Raises
    ------
    ImageError
        If the file cannot be used, or an area is not a finite number from 0 on.
    """
    if path.name.endswith(_SHAPES):
        areas = read_gifti(path).array().astype(np.float64)
        if areas.shape[1] != 1 or not (np.isfinite(areas) & (areas >= 0)).all():
            raise ImageError(f"{path}: expected one area in mm² for each vertex.")
        column: FloatArray = areas[:, 0]
        return column
    return read_mesh(path).areas()


def areas_on(places: Grayordinates, areas: Mapping[str, FloatArray]) -> FloatArray:
    """Give how large each place is: the area of a vertex, the volume of a voxel.

    Parameters
    ----------
    places : Grayordinates
    areas : mapping of str to float array
        In mm², by structure, of all vertices of each mesh that the places are of.

    Returns
    -------
    sizes : float array of shape (V,)
        In mm² and mm³.

    Raises
    ------
    SpaceError
        If a structure is missing, or has other vertices.
    """
    sizes = []
    for each in places.structures:
        if each.n_vertices is None:
            assert places.volume is not None
            volume = abs(np.linalg.det(places.volume.affine[:3, :3]))
            sizes.append(np.full(len(each.places), volume))
            continue
        known = areas.get(each.name)
        if known is None:
            raise SpaceError(
                f"Means by area take the area of each vertex, and there is none of {each.name}. "
                "Give the meshes of the run's space and density, or the areas; or ask for plain "
                "means."
            )
        if known.size != each.n_vertices:
            raise SpaceError(
                f"There are areas of {known.size} vertices of {each.name}, and the run is of a "
                f"mesh of {each.n_vertices}. Give those of the run's density."
            )
        sizes.append(known[each.places])
    return np.concatenate([np.zeros(0), *sizes])


def places_on(
    places: Grayordinates, meshes: Mapping[str, Mesh], *, with_voxels: bool = True
) -> FloatArray:
    """Give where each place is: a vertex as its mesh has it, a voxel by the affine.

    Parameters
    ----------
    places : Grayordinates
    meshes : mapping of str to Mesh
        By structure. Where there is none, it is not known where its vertices are.
    with_voxels : bool
        False: voxels are of another space than the meshes.

    Returns
    -------
    mm : float array of shape (V, 3)
        NaN where it is not known.

    Raises
    ------
    SpaceError
        If a mesh has other vertices.

    Examples
    --------
    >>> from bidsmask.images.grayordinates import whole_meshes
    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> mesh = Mesh(coordinates=corners, faces=np.array([[0, 1, 2]]))
    >>> places_on(whole_meshes({"CORTEX_LEFT": 3}), {"CORTEX_LEFT": mesh})[1]
    array([1., 0., 0.])
    """
    mm = np.full((places.n_voxels, 3), np.nan)
    if with_voxels:
        mm = replace(places, mm=None).places_mm(np.arange(places.n_voxels))
    for each in places.structures:
        mesh = meshes.get(each.name) if each.is_surface else None
        if mesh is None:
            continue
        mesh.check_fits(each.name, each.n_vertices)
        mm[places.where(each.name)] = mesh.coordinates[each.places]
    return mm


def count_vertices(path: Path) -> int:
    """Count the vertices of a mesh, or of values on one; little more than a header is read.

    Raises
    ------
    ImageError
        If the file cannot be used.
    """
    if not _is_freesurfer(path):
        return count_in_gifti(path)
    check_there(path)
    return _read_freesurfer(path).n_vertices


def _is_freesurfer(path: Path) -> bool:
    return path.name.startswith(("lh.", "rh.")) and not path.name.endswith((".gii", ".gii.gz"))


def _read_freesurfer(path: Path) -> Mesh:
    """Read a surface of FreeSurfer's, of which the centre is told beside its points."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file that does not tell it
            points, corners, about = _nibabel.freesurfer.read_geometry(path, read_metadata=True)
    except Exception as error:  # struct, numpy: whatever nibabel comes to
        raise ImageError(f"{path} cannot be read as a mesh: {error}.") from error
    told = str(about.get("valid", "")).startswith("1")
    return _checked(str(path), points + np.asarray(about["cras"] if told else 0.0), corners)


def _checked(name: str, coordinates: Any, faces: Any) -> Mesh:
    points, corners = np.asarray(coordinates, dtype=np.float64), np.asarray(faces)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ImageError(f"{name}: the points of a mesh are (V, 3) finite numbers.")
    beyond = corners.size and not 0 <= corners.min() <= corners.max() < len(points)
    if corners.ndim != 2 or corners.shape[1] != 3 or beyond:
        raise ImageError(f"{name}: the triangles of a mesh are (F, 3) numbers of its points.")
    return Mesh(coordinates=points, faces=corners.astype(np.intp))
