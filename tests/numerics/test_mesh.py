import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from bidsmask.numerics.mesh import inflated, iterations, smooth_on_mesh, vertex_areas


def ball(n_vertices=200, radius=20.0, seed=0):
    points = np.random.default_rng(seed).normal(size=(n_vertices, 3))
    points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
    return points, ConvexHull(points).simplices


@given(st.floats(0, 20), st.floats(-1e3, 1e3))
def test_what_is_the_same_everywhere_stays(fwhm, level):
    coordinates, faces = ball()
    values = np.full(len(coordinates), level)
    np.testing.assert_allclose(
        smooth_on_mesh(values, coordinates, faces, fwhm), level, rtol=1e-9, atol=1e-300
    )


@given(st.integers(0, 5), st.floats(0, 20))
def test_smoothing_is_linear_and_each_sample_is_smoothed_for_itself(seed, fwhm):
    coordinates, faces = ball(60)
    one, other = np.random.default_rng(seed).normal(size=(2, 60))

    def smooth(values):
        return smooth_on_mesh(values, coordinates, faces, fwhm)

    np.testing.assert_allclose(smooth(2 * one - other), 2 * smooth(one) - smooth(other), atol=1e-9)
    together = smooth(np.column_stack([one, other]))
    np.testing.assert_allclose(together, np.column_stack([smooth(one), smooth(other)]), atol=1e-12)


def test_a_vertex_keeps_half_and_takes_half_of_the_mean_of_its_neighbours():
    """A square of two triangles: 0 and 2 are joined, 1 and 3 are not."""
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    assert iterations(square, faces, 0.6) == 1
    smoothed = smooth_on_mesh(np.array([0.0, 6, 0, 0]), square, faces, 0.6)
    np.testing.assert_allclose(smoothed, [1, 3, 1, 0])


def test_a_vertex_without_a_triangle_keeps_its_value():
    coordinates, faces = ball(50)
    coordinates = np.vstack([coordinates, [99.0, 99, 99]])
    values = np.arange(51.0)
    assert smooth_on_mesh(values, coordinates, faces, 8)[50] == pytest.approx(50)


def test_what_is_not_finite_becomes_0_and_the_caller_keeps_it():
    coordinates, faces = ball(50)
    values = np.ones(50, dtype=np.float32)
    values[3], values[4] = np.nan, np.inf
    before = values.copy()
    for fwhm in (None, 0, 6):
        smoothed = smooth_on_mesh(values, coordinates, faces, fwhm)
        assert np.isfinite(smoothed).all()
        assert smoothed.dtype == np.float32
    np.testing.assert_array_equal(values, before)


def test_the_width_is_about_what_was_asked_for():
    """Of the spot that a single vertex becomes, on a fine and nearly flat mesh."""
    coordinates, faces = ball(4000, radius=50.0)
    spot = np.zeros(4000)
    spot[0] = 1
    smoothed = smooth_on_mesh(spot, coordinates, faces, 15)
    squares = ((coordinates - coordinates[0]) ** 2).sum(axis=1)
    fwhm = np.sqrt(8 * np.log(2)) * np.sqrt((smoothed * squares).sum() / smoothed.sum() / 2)
    assert 12 < fwhm < 18


@given(st.integers(0, 20))
def test_areas_of_vertices_add_up_to_the_surface(seed):
    points, faces = ball(seed=seed)
    hull = ConvexHull(points)
    np.testing.assert_allclose(vertex_areas(points, faces).sum(), hull.area)


@given(st.integers(0, 20))
def test_what_is_inflated_is_as_large_as_before_and_smoother(seed):
    points, faces = ball(400, seed=seed)
    folded = points * np.random.default_rng(seed).uniform(0.8, 1, size=(400, 1))
    smooth = inflated(folded, faces)
    np.testing.assert_allclose(np.ptp(smooth, axis=0), np.ptp(folded, axis=0))

    def roughness(coordinates):
        return np.linalg.norm(coordinates, axis=1).std()

    assert roughness(smooth) < 0.6 * roughness(folded)
