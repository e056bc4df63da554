"""Places on surfaces: what makes two of them the same."""

import pickle

import numpy as np
import pytest

from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates, Structure, whole_meshes
from bidsmask.images.grid import Grid

LAS = np.array([[-2.0, 0, 0, 6], [0, 2, 0, -8], [0, 0, 2, -4], [0, 0, 0, 1]])
RAS = np.array([[2.0, 0, 0, -8], [0, 2, 0, -8], [0, 0, 2, -4], [0, 0, 0, 1]])
SHAPE = (8, 9, 7)
IJK = np.array([[0, 1, 2], [3, 3, 3], [7, 0, 6]])


def voxels(ijk=IJK, affine=LAS, name="THALAMUS_LEFT"):
    structure = Structure(name=name, places=np.asarray(ijk))
    return Grayordinates(structures=(structure,), volume=Grid(shape=SHAPE, affine=affine))


def vertices(places, n_vertices=12, name="CORTEX_LEFT", space=None):
    structure = Structure(name=name, places=np.asarray(places), n_vertices=n_vertices)
    return Grayordinates(structures=(structure,), space=space)


def flipped(ijk):
    return np.asarray(ijk) * [-1, 1, 1] + [SHAPE[0] - 1, 0, 0]


def test_voxels_are_known_by_where_they_lie_not_by_their_indices():
    assert voxels() == voxels(flipped(IJK), RAS)
    assert voxels().positions_in(voxels(flipped(IJK)[::-1], RAS)).tolist() == [2, 1, 0]
    assert voxels() != voxels(IJK, RAS)


def test_vertices_are_known_by_their_number_not_by_their_place_in_the_file():
    assert vertices([3, 5, 7]).positions_in(vertices([7, 3])).tolist() == [1, -1, 0]
    assert vertices([3, 5]) != vertices([5, 3])


def test_the_order_of_structures_changes_no_position():
    both = whole_meshes({"CORTEX_LEFT": 4, "CORTEX_RIGHT": 3})
    turned = whole_meshes({"CORTEX_RIGHT": 3, "CORTEX_LEFT": 4})
    assert both.positions_in(turned).tolist() == [3, 4, 5, 6, 0, 1, 2]


def test_a_structure_that_is_not_there_has_no_positions():
    assert (
        vertices([1, 2]).positions_in(vertices([1, 2], name="CORTEX_RIGHT")).tolist() == [-1] * 2
    )
    assert voxels().positions_in(vertices([0])).tolist() == [-1] * 3


def test_the_name_of_a_space_tells_meshes_of_one_size_apart():
    with pytest.raises(SpaceError, match=r"fsLR.*fsaverage"):
        vertices([0], space="fsLR").positions_in(vertices([0], space="fsaverage"))
    assert vertices([0], space="fsaverage5").positions_in(vertices([0], space="fsaverage")) == [0]
    assert vertices([0], space="fsLR") != vertices([0], space="fsaverage")
    assert vertices([0], space="fsLR") == vertices([0])


def test_meshes_of_another_density_are_refused():
    with pytest.raises(SpaceError, match="12 vertices in one and 42 in the other"):
        vertices([0]).positions_in(vertices([0], n_vertices=42))


def test_lattices_that_do_not_coincide_are_refused():
    shifted = LAS.copy()
    shifted[0, 3] += 1
    with pytest.raises(SpaceError, match="do not coincide"):
        voxels().positions_in(voxels(affine=shifted))


@pytest.mark.parametrize("places", [[0, 0], [-1, 2], [3, 12]])
def test_a_vertex_twice_or_beyond_the_mesh_is_refused(places):
    with pytest.raises(ValueError, match=r"twice|counted from 0"):
        vertices(places)


def test_grayordinates_survive_a_journey():
    mixed = Grayordinates(
        structures=(*vertices([2, 5], space="fsLR").structures, *voxels().structures),
        volume=voxels().volume,
        space="fsLR",
    )
    again = Grayordinates.from_arrays(mixed.arrays())
    assert again == mixed
    assert again.space == "fsLR"
    assert again.word == "grayordinates"


def test_places_are_pickled_small_and_come_back_as_they_were():
    ijk = np.argwhere(np.random.default_rng(0).random((20, 20, 20)) > 0.3)
    structures = (
        Structure(name="CORTEX_LEFT", places=np.arange(5, 30000)[::-1].copy(), n_vertices=32492),
        Structure(name="CORTEX_RIGHT", places=np.zeros(0, dtype=int), n_vertices=9),
        Structure(name="THALAMUS_LEFT", places=ijk),
    )
    places = Grayordinates(
        structures=structures, volume=Grid(shape=(20, 20, 20), affine=np.eye(4))
    )
    content = pickle.dumps(places)
    assert pickle.loads(content) == places
    assert len(content) < sum(each.places.nbytes for each in structures) / 10
