"""Discs around vertices: what spheres around a place are in a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.columns.base import VoxelSets, extent_of, members_of
from bidsmask.columns.coverage import Extent
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates, Lattice, whole_meshes
from bidsmask.images.meshes import Mesh
from bidsmask.numerics.projections.regions import Projection, RegionStatistic, SphereMeans


@dataclass(frozen=True, kw_only=True)
class VertexSeed:
    """A vertex, around which there is a disc.

    Parameters
    ----------
    structure : str
        As CIFTI has it: "CORTEX_LEFT".
    vertex : int
        Counted from 0.
    radius_mm : float
        Along the mesh; 0: the vertex alone.
    """

    structure: str
    vertex: int
    radius_mm: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Discs(VoxelSets):
    """Discs on the places of a run, inside a mask; they may share vertices.

    Parameters
    ----------
    grid, members, extent, sizes
        See `bidsmask.columns.base.VoxelSets`.
    """

    @property
    def codes(self) -> IntArray:
        """1 for the places of the first disc, 2 for the second ..., (V,); 0 elsewhere.

        A place of several discs is given to the first of them.
        """
        codes = np.zeros(self.grid.n_voxels, dtype=np.int32)
        for number in range(self.n_columns, 0, -1):
            codes[self.members[number - 1]] = number
        return codes

    def painted(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` gives a place the mean of the discs it is in."""
        return SphereMeans([self.members[row] for row in rows])

    @classmethod
    def from_arrays(cls, grid: Lattice, arrays: Mapping[str, Array]) -> Self:
        """Make the discs again."""
        members, extent = members_of(arrays), extent_of(arrays)
        return cls(grid=grid, members=members, extent=extent, sizes=arrays.get("sizes"))

    def _projection(self, members: list[IntArray], statistic: str) -> Projection:
        if statistic == "mean":
            return SphereMeans(members, self.sizes)
        return RegionStatistic(members, statistic)


def place_surface_seeds(
    seeds: Sequence[VertexSeed | None],
    meshes: Mapping[str, Mesh],
    places: Grayordinates,
    mask: BoolArray | None = None,
) -> Discs:
    """Find the vertices within the radius of each seed.

    Parameters
    ----------
    seeds : sequence of VertexSeed or None
        Discs may share vertices. None: one without any.
    meshes : mapping of str to Mesh
        By structure; of those in which a seed has a radius.
    places : Grayordinates
        Those of the run.
    mask : bool array of shape (V,), optional
        On the places of the run.

    Returns
    -------
    discs : Discs
        One column for each seed, in their order. Vertices that the run lacks count as not
        covered.

    Raises
    ------
    SpaceError
        If the run has no such structure, or its mesh has other vertices, or the mesh is missing.
    """
    found = [_disc(seed, meshes, places) for seed in seeds]
    on_grid = [positions[positions >= 0] for positions in found]
    members = [
        np.sort(each if mask is None else each[mask[each]]).astype(np.intp) for each in on_grid
    ]
    return Discs(
        grid=places,
        members=tuple(members),
        extent=Extent.of_voxels(
            _sizes(found), _sizes(on_grid), _sizes(members), places=places.word
        ),
    )


def _sizes(several: Sequence[IntArray]) -> IntArray:
    return np.array([each.size for each in several], dtype=np.intp)


def _disc(seed: VertexSeed | None, meshes: Mapping[str, Mesh], places: Grayordinates) -> IntArray:
    """Flat indices of the vertices of a disc, -1 for those that the run lacks."""
    if seed is None:
        return np.zeros(0, dtype=np.intp)
    sizes = {each.name: each.n_vertices for each in places.structures if each.is_surface}
    n_vertices = sizes.get(seed.structure)
    if n_vertices is None:
        raise SpaceError(f"The run has no vertices of {seed.structure}; it lies on {places}.")
    if not 0 <= seed.vertex < n_vertices:
        raise SpaceError(
            f"{seed.structure} has {n_vertices} vertices, counted from 0; there is no vertex "
            f"{seed.vertex}."
        )
    if not seed.radius_mm:
        vertices = np.array([seed.vertex])
    elif seed.structure not in meshes:
        raise SpaceError(
            f"A radius of {seed.radius_mm:g} mm is measured along the mesh of {seed.structure}, "
            "and there is none. Give the mesh, or no radius."
        )
    else:
        vertices = _within(seed, meshes[seed.structure], n_vertices)
    whole = whole_meshes({seed.structure: n_vertices}, places.space)
    positions: IntArray = whole.positions_in(places)[vertices]
    return positions


def _within(seed: VertexSeed, mesh: Mesh, n_vertices: int) -> IntArray:
    mesh.check_fits(seed.structure, n_vertices)
    from bidsmask.numerics.geodesics import distances_along

    distances = distances_along(mesh.coordinates, mesh.faces, seed.vertex, seed.radius_mm)
    return np.flatnonzero(np.isfinite(distances))
