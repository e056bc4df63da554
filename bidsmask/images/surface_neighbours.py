"""The neighbourhood of each place of a run on surfaces, in its structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from bidsmask._typing import IntArray
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates, Structure
from bidsmask.images.meshes import Mesh
from bidsmask.numerics.links import mesh_links, voxel_links
from bidsmask.numerics.reho import NEIGHBOURHOOD, LinkedNeighbourhoods


def neighbourhoods_on(places: Grayordinates, meshes: Mapping[str, Mesh]) -> LinkedNeighbourhoods:
    """Find the neighbours of each place: along a mesh, and in the volume.

    Parameters
    ----------
    places : Grayordinates
    meshes : mapping of str to Mesh
        By structure. Only their triangles matter, which all meshes of a space and density share.

    Returns
    -------
    neighbourhoods : LinkedNeighbourhoods
        A vertex has those that it shares an edge with, of those that are among the places; a voxel
        those of the 26 around it that are of its structure.

    Raises
    ------
    SpaceError
        If a mesh is missing, or has other vertices.
    """
    parts = [_in_structure(each, meshes) for each in places.structures]
    return LinkedNeighbourhoods(
        links=sparse.block_diag([links for links, _ in parts], format="csr", dtype=np.float32),
        sizes=np.concatenate([np.zeros(0, dtype=np.intp), *(sizes for _, sizes in parts)]),
    )


def _in_structure(structure: Structure, meshes: Mapping[str, Mesh]) -> tuple[Any, IntArray]:
    """Links of the places of a structure, and how large each neighbourhood is as a whole."""
    if structure.n_vertices is None:
        links = voxel_links(structure.places)
        return _with_itself(links), np.full(len(structure.places), NEIGHBOURHOOD)
    mesh = meshes.get(structure.name)
    if mesh is None or mesh.n_vertices != structure.n_vertices:
        found = "there is none" if mesh is None else f"there is one of {mesh.n_vertices}"
        raise SpaceError(
            f"Neighbours on {structure.name} take its mesh of {structure.n_vertices} vertices, "
            f"and {found}. Give the meshes of the run's space and density."
        )
    whole = _with_itself(mesh_links(mesh.faces, mesh.n_vertices))
    sizes = whole.sum(axis=1)[structure.places].astype(np.intp)
    return whole[structure.places][:, structure.places], sizes


def _with_itself(links: Any) -> Any:
    return sparse.csr_array(links + sparse.eye_array(links.shape[0]))
