import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csgraph
from worlds.meshes import ball

from bidsmask.numerics.geodesics import distances_across, distances_along, edge_lengths

BALL = ball(400)


def across(mesh, farthest):
    found = distances_across(mesh.coordinates, mesh.faces, farthest)
    dense = np.full(found.shape, np.inf)
    there = found.tocoo()
    dense[there.row, there.col] = there.data
    return dense


@given(st.floats(0.5, 30))
@settings(max_examples=10)
def test_distances_are_symmetric_and_no_longer_than_along_edges(farthest):
    distances = across(BALL, farthest)
    np.testing.assert_allclose(distances, distances.T, rtol=1e-12)
    assert (np.diag(distances) == 0).all()
    along = distances_along(BALL.coordinates, BALL.faces, 7, farthest)
    assert (distances[7] <= along + 1e-9).all()


def test_cutting_a_mesh_into_patches_changes_nothing(monkeypatch):
    whole = across(BALL, 12)
    for size in (1, 17, 400):
        monkeypatch.setattr("bidsmask.numerics.geodesics._PATCH", size)
        np.testing.assert_array_equal(across(BALL, 12), whole)


def test_edges_are_measured_once_each():
    lengths = edge_lengths(BALL.coordinates, BALL.faces)
    assert lengths.nnz == 2 * (3 * len(BALL.faces) // 2)
    shortest = csgraph.dijkstra(lengths, indices=7)
    np.testing.assert_allclose(
        distances_along(BALL.coordinates, BALL.faces, 7, np.inf), shortest, rtol=1e-12
    )


def test_distances_are_hardly_longer_than_on_the_sphere_itself():
    mesh = ball(1000)
    distances = across(mesh, 15)
    near = np.isfinite(distances) & (distances > 5)
    cosines = (mesh.coordinates @ mesh.coordinates.T)[near] / 20**2
    ratio = distances[near] / (20 * np.arccos(cosines.clip(-1, 1)))
    assert ratio.mean() == pytest.approx(1.04, abs=0.03)
    assert np.quantile(ratio, 0.99) < 1.2


def test_a_straight_way_leads_through_the_side_that_two_triangles_share_or_not_at_all():
    """2 lies so that the way from 0 to 3 would leave the mesh: it goes round the corner."""
    corners = np.array([[0.0, 0, 0], [4, 0, 0], [4, 1, 0], [8, 4, 0]])
    distances = across_of(corners, [[0, 1, 2], [1, 3, 2]])
    assert distances[0, 3] == pytest.approx(np.hypot(4, 1) + 5)


def test_triangles_are_unfolded_before_the_way_is_measured():
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 5]])
    folded = np.array([[-1.0, 0, 0], [0, 0, 0], [0, 2, 0], [0, 0, 1]])
    assert across_of(folded, [[0, 1, 2], [1, 2, 3]])[0, 3] == pytest.approx(2)
    assert across_of(corners, [[0, 1, 2]])[0, 3] == np.inf


def test_triangles_without_an_area_do_no_harm():
    corners = np.array([[0.0, 0, 0], [0, 0, 0], [1, 0, 0], [2, 0, 0]])
    distances = across_of(corners, [[0, 1, 2], [0, 2, 3], [0, 0, 3]])
    np.testing.assert_array_equal(np.isfinite(distances), True)


def across_of(corners, faces):
    found = distances_across(corners, np.array(faces), 100)
    dense = np.full(found.shape, np.inf)
    there = found.tocoo()
    dense[there.row, there.col] = there.data
    return dense
