"""Neighbours of places on surfaces, found by going through triangles one by one."""

import numpy as np
import pytest
from worlds.meshes import ball

from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates, Structure
from bidsmask.images.grid import Grid
from bidsmask.images.surface_neighbours import neighbourhoods_on

N = 60
MESH = ball(N)
KEPT = np.delete(np.random.default_rng(0).permutation(N), slice(0, 20))
IJK = np.array([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
PLACES = Grayordinates(
    structures=(
        Structure(name="CORTEX_LEFT", places=KEPT, n_vertices=N),
        Structure(name="THALAMUS_LEFT", places=IJK),
        Structure(name="PUTAMEN_LEFT", places=IJK + np.array([1, 0, 0])),
    ),
    volume=Grid(shape=(6, 6, 6), affine=np.eye(4)),
)


def beside(vertex):
    """A vertex, and those of all triangles that it is a corner of."""
    return sorted({int(corner) for face in MESH.faces if vertex in face for corner in face})


def test_a_vertex_has_those_of_its_triangles_that_are_there():
    found = neighbourhoods_on(PLACES, {"CORTEX_LEFT": MESH})
    values = np.arange(1.0, PLACES.n_voxels + 1)
    sums = found.sums(values)
    for number, vertex in enumerate(KEPT):
        there = [place for place, each in enumerate(KEPT) if each in beside(vertex)]
        assert sums[number] == values[there].sum()
        assert found.sizes[number] == len(beside(vertex))
        assert found.least[number] > len(beside(vertex)) / 2


def test_a_voxel_has_those_around_it_in_its_structure():
    found = neighbourhoods_on(PLACES, {"CORTEX_LEFT": MESH})
    counts = found.sums(np.ones(PLACES.n_voxels))
    assert counts[len(KEPT) :].tolist() == [2, 3, 2, 2, 3, 2]
    assert set(found.least[len(KEPT) :]) == {14}


@pytest.mark.parametrize(
    ("meshes", "letter"),
    [
        ({}, "take its mesh of 60 vertices, and there is none"),
        ({"CORTEX_LEFT": ball(50)}, "of 60 vertices, and there is one of 50"),
    ],
)
def test_another_mesh_is_refused(meshes, letter):
    with pytest.raises(SpaceError, match=letter):
        neighbourhoods_on(PLACES, meshes)
