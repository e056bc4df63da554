"""What headers tell of an atlas and a run: never more than placing it would find."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.analysis.foresight import _are_beyond, _lies_beyond
from bidsmask.columns.regions import place_regions
from bidsmask.columns.spheres import place_spheres
from bidsmask.images.grid import Grid

SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
SHIFTS = st.tuples(*[st.floats(-40, 40)] * 3)
SIZES = st.tuples(*[st.floats(1, 6)] * 3)


def grid_at(shape, sizes, shift, turn):
    cosine, sine = np.cos(turn), np.sin(turn)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) * sizes
    affine[:3, 3] = shift
    return Grid(shape=shape, affine=affine)


@st.composite
def grids(draw):
    turn = draw(st.floats(-3, 3))
    return grid_at(draw(SHAPES), draw(SIZES), draw(SHIFTS), turn)


@given(grids(), grids())
def test_what_is_said_to_lie_beyond_covers_nothing(lattice, grid):
    labels = np.ones(lattice.shape, dtype=np.int32)
    mask = np.ones(grid.shape, dtype=bool)
    placed = place_regions(labels, lattice, [1], grid=grid, mask=mask)
    if _lies_beyond(lattice, grid) or _lies_beyond(grid, lattice):
        assert placed.extent.n_on_grid.sum() == 0


@given(grids(), st.lists(SHIFTS, min_size=1, max_size=4), st.floats(0, 30))
def test_seeds_that_are_said_to_lie_beyond_cover_nothing(grid, centres, radius):
    centres, radii = np.array(centres), np.full(len(centres), radius)
    mask = np.ones(grid.shape, dtype=bool)
    placed = place_spheres(centres, radii, grid=grid, mask=mask)
    if _are_beyond(centres, radii, grid):
        assert placed.extent.n_on_grid.sum() == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_lattice_far_away_is_seen_along_each_axis(axis, sign):
    grid = grid_at((10, 10, 10), (2, 2, 2), (0, 0, 0), 0.3)
    affine = grid.affine.copy()
    affine[axis, 3] += sign * 500
    far = dataclasses.replace(grid, affine=affine)
    assert _lies_beyond(far, grid)
    assert not _lies_beyond(grid, grid)
    centre = np.array([affine[:3, 3]])
    assert _are_beyond(centre, np.array([8.0]), grid)
    assert not _are_beyond(centre, np.array([800.0]), grid)
