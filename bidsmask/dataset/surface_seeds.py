"""Seeds on surfaces: the vertex of each, and the meshes that it was found and is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from bidsmask.columns.surface_seeds import VertexSeed
from bidsmask.dataset.atlas_files import vertices_in
from bidsmask.dataset.atlases import sha256_of
from bidsmask.dataset.meshes import KINDS_IN_PLACE, Shelves, find_meshes
from bidsmask.dataset.seeds import SeedSet
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.images.meshes import Mesh, read_mesh
from bidsmask.vocabulary import NATIVE_SPACES

FARTHEST_MM = 10.0
"""What is farther than this from every vertex is no place of the cortex; it is half as thick."""


def seeds_on_surfaces(seeds: SeedSet, lattice: Grayordinates, shelves: Shelves) -> SeedSet:
    """Find the meshes that seeds need on the surfaces of a run.

    A vertex without a radius needs none. Radii are measured on the subject's own meshes, or on
    those of the template where there are none. Coordinates in the space of a template are looked
    up on its own meshes, for those of a subject lie in the subject's head; radii, too, then.

    Parameters
    ----------
    seeds : SeedSet
    lattice : Grayordinates
        Of the run, in its space.
    shelves : Shelves

    Returns
    -------
    seeds : SeedSet
        The meshes are among its sources.

    Raises
    ------
    ImageError
        If a mesh is needed and there is none.
    SpaceError
        If vertices are of meshes of another density, as the name of the table says.
    """
    _check_density(seeds, lattice)
    if all(vertex is not None for vertex in seeds.vertices) and not any(seeds.radii_mm):
        return replace(seeds, on_surfaces=True)
    by_place = None in seeds.vertices and lattice.space not in NATIVE_SPACES
    meshes = find_meshes(
        lattice, KINDS_IN_PLACE, replace(shelves, roots=()) if by_place else shelves
    )
    return replace(
        seeds,
        on_surfaces=True,
        meshes=tuple(meshes.items()),
        sources=(*seeds.sources, *map(str, meshes.values())),
        sha256=(*seeds.sha256, *map(sha256_of, meshes.values())),
    )


def vertex_seeds(seeds: SeedSet) -> tuple[list[VertexSeed | None], dict[str, Mesh]]:
    """Give the vertex of each seed, and the meshes that radii are measured along.

    Parameters
    ----------
    seeds : SeedSet
        With its meshes; see `seeds_on_surfaces`.

    Returns
    -------
    found : list of VertexSeed or None
        None: no vertex is within `FARTHEST_MM` of the seed.
    meshes : dict of Mesh by structure

    Raises
    ------
    ImageError
        If a mesh cannot be read.
    """
    meshes = {structure: read_mesh(path) for structure, path in seeds.meshes}
    return list(_vertices(seeds, meshes)), meshes


def _check_density(seeds: SeedSet, lattice: Grayordinates) -> None:
    """Compare ``den`` with the run; vertices of fsaverage are called alike in all densities."""
    has = vertices_in(seeds.file)
    needs = max(lattice.meshes.values(), default=None)
    alike = lattice.space == "fsaverage" or all(vertex is None for vertex in seeds.vertices)
    if not alike and None not in (has, needs) and has != needs:
        raise SpaceError(
            f"{seeds.file.name} is about meshes of {has} vertices, and the run lies on meshes of "
            f"{needs}. Give the vertices of these."
        )


def _vertices(seeds: SeedSet, meshes: Mapping[str, Mesh]) -> Iterator[VertexSeed | None]:
    for structure, vertex, place_mm, radius_mm in zip(
        seeds.hemispheres, seeds.vertices, seeds.coordinates_mm, seeds.radii_mm, strict=True
    ):
        found = (structure, vertex)
        if vertex is None:
            assert place_mm is not None, "a seed has a vertex or a place"
            found = _nearest(place_mm, structure, meshes)
        side, number = found
        if side is None or number is None:
            yield None
        else:
            yield VertexSeed(structure=side, vertex=number, radius_mm=radius_mm)


def _nearest(
    place_mm: tuple[float, float, float], structure: str | None, meshes: Mapping[str, Mesh]
) -> tuple[str | None, int | None]:
    """Find the vertex that is nearest to a place, in one hemisphere or in both; if one is near."""
    away = {
        (side, vertex): float(np.linalg.norm(mesh.coordinates[vertex] - place_mm))
        for side, mesh in meshes.items()
        if structure in (None, side)
        for vertex in [mesh.nearest(place_mm)]
    }
    found = min(away, key=lambda each: away[each], default=None)
    return (None, None) if found is None or away[found] > FARTHEST_MM else found
