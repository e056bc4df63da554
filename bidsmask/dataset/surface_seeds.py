"""Seeds on surfaces: the vertex of each, and the meshes that it was found and is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from bidsmask.columns.surface_seeds import VertexSeed
from bidsmask.dataset.atlas_files import vertices_in
from bidsmask.dataset.atlases import sha256_of
from bidsmask.dataset.meshes import Shelves, find_meshes
from bidsmask.dataset.seeds import SeedSet
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.images.meshes import Mesh, read_mesh
from bidsmask.vocabulary import NATIVE_SPACES

_KINDS = ("midthickness", "white", "pial")

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
    meshes = find_meshes(lattice, _KINDS, replace(shelves, roots=()) if by_place else shelves)
    return replace(
        seeds,
        on_surfaces=True,
        meshes=tuple(meshes.items()),
        sources=(*seeds.sources, *map(str, meshes.values())),
        sha256=(*seeds.sha256, *map(sha256_of, meshes.values())),
    )


def vertex_seeds(seeds: SeedSet) -> tuple[list[VertexSeed], dict[str, Mesh]]:
    """Give the vertex of each seed, and the meshes that radii are measured along.

    Parameters
    ----------
    seeds : SeedSet
        With its meshes; see `seeds_on_surfaces`.

    Returns
    -------
    found : list of VertexSeed
    meshes : dict of Mesh by structure

    Raises
    ------
    ImageError
        If a mesh cannot be read.
    SpaceError
        If no vertex is near a seed.
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


def _vertices(seeds: SeedSet, meshes: Mapping[str, Mesh]) -> Iterator[VertexSeed]:
    for row, name in enumerate(seeds.lut.names):
        structure, vertex = seeds.hemispheres[row], seeds.vertices[row]
        if structure is None or vertex is None:
            place = seeds.coordinates_mm[row]
            assert place is not None, "a seed has a vertex or a place"
            structure, vertex = _nearest(name, place, structure, meshes)
        yield VertexSeed(structure=structure, vertex=vertex, radius_mm=seeds.radii_mm[row])


def _nearest(
    name: str,
    place_mm: tuple[float, float, float],
    structure: str | None,
    meshes: Mapping[str, Mesh],
) -> tuple[str, int]:
    """Find the vertex that is nearest to a place, in one hemisphere or in both."""
    away = {
        (side, vertex): float(np.linalg.norm(mesh.coordinates[vertex] - place_mm))
        for side, mesh in meshes.items()
        if structure in (None, side)
        for vertex in [mesh.nearest(place_mm)]
    }
    if not away:
        raise SpaceError(f"The seed {name} is of {structure}, which the run has not.")
    found = min(away, key=lambda each: away[each])
    if away[found] > FARTHEST_MM:
        raise SpaceError(
            f"The seed {name} at {', '.join(f'{x:g}' for x in place_mm)} mm is {away[found]:.0f} "
            f"mm from the nearest vertex (of {found[0]}). It is no place of the cortex, or its "
            "coordinates are of another space."
        )
    return found
