"""Which vertex a pixel of a hemisphere shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from bidsmask.reports.drawing.hemispheres import DARKEST, NOTHING, outlook


def outwards(points, faces):
    """Turn the triangles of a convex surface the same way round."""
    first, second, third = (points[faces[:, corner]] for corner in range(3))
    inwards = (np.cross(second - first, third - first) * first).sum(axis=1) < 0
    return np.where(inwards[:, np.newaxis], faces[:, ::-1], faces)


def ball(n_vertices=300, seed=0):
    points = np.random.default_rng(seed).normal(size=(n_vertices, 3))
    points *= np.array([3.0, 9, 6]) / np.linalg.norm(points, axis=1, keepdims=True)
    return points, outwards(points, ConvexHull(points).simplices)


def seen(points, faces, is_left=True, side="lateral", pixels_per_mm=6):
    return outlook(points, faces, is_left=is_left, side=side, pixels_per_mm=pixels_per_mm)


LOOKS = [(True, "lateral"), (True, "medial"), (False, "lateral"), (False, "medial")]


@settings(max_examples=10)
@given(seed=st.integers(0, 99), look=st.sampled_from(LOOKS))
def test_only_the_side_that_is_looked_at_is_seen(seed, look):
    is_left, side = look
    points, faces = ball(seed=seed)
    view = seen(points, faces, is_left, side)
    from_left = is_left == (side == "lateral")
    towards = points[np.unique(view.vertices[view.shown]), 0] * (-1 if from_left else 1)
    assert towards.min() > -1.5  # triangles of the rim reach a little way round


@settings(max_examples=10)
@given(seed=st.integers(0, 99))
def test_the_way_round_of_triangles_does_not_matter(seed):
    points, faces = ball(seed=seed)
    one, other = seen(points, faces), seen(points, faces[:, ::-1])
    np.testing.assert_array_equal(one.vertices, other.vertices)
    np.testing.assert_allclose(one.shade, other.shade)


@pytest.mark.parametrize(("is_left", "side"), LOOKS)
def test_front_and_top_are_where_people_expect_them(is_left, side):
    points, faces = ball()
    view = seen(points, faces, is_left, side)
    rows, columns = np.nonzero(view.shown)
    y, z = points[view.vertices[rows, columns]].T[1:]
    assert np.corrcoef(rows, z)[0, 1] < -0.95
    front_is_left = is_left == (side == "lateral")
    assert np.corrcoef(columns, y)[0, 1] * (-1 if front_is_left else 1) > 0.95


def test_a_convex_hemisphere_has_no_holes():
    points, faces = ball(100)
    shown = seen(points, faces, pixels_per_mm=20).shown
    for line in (*shown, *shown.T):
        inside = np.flatnonzero(line)
        assert inside.size == 0 or line[inside[0] : inside[-1] + 1].all()


def test_pixels_cover_the_area_of_the_outline():
    points, faces = ball(500)
    shown = seen(points, faces, pixels_per_mm=20).shown
    area = ConvexHull(points[:, 1:]).volume * 20**2
    assert shown.sum() == pytest.approx(area, rel=0.01)


def test_what_lies_before_something_else_hides_it():
    near = np.array([[-2.0, 0, 0], [-2, 4, 0], [-2, 0, 4]])
    far = near + np.array([1.0, 0, 0])
    view = seen(np.concatenate([near, far]), np.array([[0, 2, 1], [3, 5, 4]]))
    assert set(np.unique(view.vertices)) <= {NOTHING, 0, 1, 2}


@settings(max_examples=20)
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(st.tuples(*[st.integers(0, n - 1)] * 3), max_size=6).map(
            lambda faces: (n, faces)
        )
    ),
    st.integers(0, 9),
)
def test_anything_that_is_called_a_mesh_can_be_looked_at(mesh, seed):
    n, faces = mesh
    points = np.random.default_rng(seed).integers(0, 3, size=(n, 3)).astype(float)
    view = seen(points, np.array(faces, dtype=int).reshape(-1, 3))
    assert view.vertices.shape == view.shade.shape
    assert (view.vertices < n).all()
    assert ((view.shade >= DARKEST) & (view.shade <= 1)).all()


def test_values_are_looked_up_by_vertex():
    points, faces = ball()
    view = seen(points, faces)
    looked_up = view.of(np.arange(300) * 2.0, nothing=np.nan)
    np.testing.assert_array_equal(looked_up[view.shown], 2 * view.vertices[view.shown])
    assert np.isnan(looked_up[~view.shown]).all()
