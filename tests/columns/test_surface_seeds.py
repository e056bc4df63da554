"""Discs around vertices, along a mesh."""

import numpy as np
import pytest
from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage

from bidsmask.columns.surface_seeds import VertexSeed, place_surface_seeds
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.grayordinates import whole_meshes
from bidsmask.images.meshes import Mesh, read_mesh
from bidsmask.numerics.geodesics import distances_along
from columns.test_surface_columns import OnSurfaces, unfolded

LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"


def strip(n_vertices, width=2.0):
    """Vertices in two rows, with triangles between them."""
    column, row = np.divmod(np.arange(n_vertices), 2)
    coordinates = np.column_stack([column * width, row * width, 0 * column])
    faces = np.array([[each, each + 1, each + 2] for each in range(n_vertices - 2)])
    return Mesh(coordinates=coordinates, faces=faces)


class OfDiscs(OnSurfaces):
    def columns(self, grid, mask=None):
        places = unfolded(grid.affine)
        meshes = {each.name: strip(each.n_vertices) for each in places.structures}
        seeds = [
            VertexSeed(structure=LEFT, vertex=20, radius_mm=15.0),
            VertexSeed(structure=LEFT, vertex=24, radius_mm=15.0),
            VertexSeed(structure=RIGHT, vertex=0, radius_mm=9.0),
            VertexSeed(structure=RIGHT, vertex=90),
        ]
        flat = None if mask is None else mask.ravel(order="F")
        return place_surface_seeds(seeds, meshes, places, flat)

    def test_what_is_painted_is_read_again(self):
        """Discs share vertices: what is painted is a mean of several."""


class TestDiscsOfPoints(OfDiscs):
    by_points = True


class TestDiscsOfVolumes(OfDiscs):
    by_points = False


def test_distances_are_those_of_the_shortest_way_along_edges():
    mesh = strip(8)
    distances = distances_along(mesh.coordinates, mesh.faces, 0, 5.0)
    assert distances[[0, 1, 2, 4]].tolist() == [0, 2, 2, 4]
    assert np.isinf(distances[6:]).all()


def test_a_disc_does_not_jump_over_a_gap():
    mesh = strip(6)
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    apart = Mesh(coordinates=mesh.coordinates * [0.01, 0.01, 1], faces=faces)
    places = whole_meshes({LEFT: 6})
    disc = place_surface_seeds(
        [VertexSeed(structure=LEFT, vertex=0, radius_mm=10.0)], {LEFT: apart}, places
    )
    assert disc.members[0].tolist() == [0, 1, 2]
    assert disc.codes.tolist() == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ({"structure": RIGHT, "vertex": 0}, "no vertices of CORTEX_RIGHT"),
        ({"structure": LEFT, "vertex": 6}, "there is no vertex 6"),
        ({"structure": LEFT, "vertex": 0, "radius_mm": 3.0}, "has 8 vertices"),
    ],
)
def test_a_seed_that_cannot_be_placed_is_refused(seed, words):
    with pytest.raises(SpaceError, match=words):
        place_surface_seeds([VertexSeed(**seed)], {LEFT: strip(8)}, whole_meshes({LEFT: 6}))


def test_a_radius_without_a_mesh_is_refused():
    seed = VertexSeed(structure=LEFT, vertex=0, radius_mm=3.0)
    with pytest.raises(SpaceError, match="Give the mesh, or no radius"):
        place_surface_seeds([seed], {}, whole_meshes({LEFT: 6}))


def write_mesh(path, mesh, shift=0.0):
    affine = np.eye(4)
    affine[0, 3] = shift
    points = GiftiDataArray(
        mesh.coordinates.astype(np.float32),
        intent="NIFTI_INTENT_POINTSET",
        coordsys=GiftiCoordSystem(xform=affine),
    )
    triangles = GiftiDataArray(mesh.faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE")
    GiftiImage(darrays=[points, triangles]).to_filename(path)
    return path


def test_a_mesh_is_read_with_its_transform(tmp_path):
    mesh = read_mesh(write_mesh(tmp_path / "lh.surf.gii", strip(6), shift=20.0))
    np.testing.assert_allclose(mesh.coordinates, np.add(strip(6).coordinates, [20, 0, 0]))
    assert mesh.nearest([24.2, 1.9, 0]) == 5
    assert read_mesh(mesh).n_vertices == 6


def test_a_file_without_a_mesh_is_refused(tmp_path):
    path = tmp_path / "lh.surf.gii"
    path.write_text("<GIFTI>")
    with pytest.raises(ImageError, match="cannot be read as a mesh"):
        read_mesh(path)
    points = GiftiDataArray(np.zeros((4, 3), np.float32), intent="NIFTI_INTENT_POINTSET")
    GiftiImage(darrays=[points]).to_filename(path)
    with pytest.raises(ImageError, match="holds no mesh"):
        read_mesh(path)
