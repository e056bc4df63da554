import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.affine import (
    GRID_TOLERANCE_MM,
    apply_affine,
    grid_corners,
    orientation_codes,
    same_grid,
    voxel_sizes,
)

SEEDS = st.integers(0, 2**32 - 1)


def oblique_affine(seed):
    """A rotation by less than 40 degrees, axes flipped and exchanged, in mm sizes."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = rng.uniform(0, 0.7)
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    affine = np.eye(4)
    exchange = np.eye(3)[:, rng.permutation(3)] * rng.choice([-1, 1], 3)
    affine[:3, :3] = rotation @ exchange * rng.uniform(0.5, 4, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine


@given(seed=SEEDS)
def test_a_grid_is_the_same_as_itself(seed):
    affine = oblique_affine(seed)
    assert same_grid((9, 10, 11), affine, (9, 10, 11), affine.copy())


@given(seed=SEEDS, step=st.floats(0.0001, 1), axis=st.integers(0, 2))
def test_a_shift_makes_another_grid_when_it_reaches_the_tolerance(seed, step, axis):
    affine = oblique_affine(seed)
    shifted = affine.copy()
    shifted[axis, 3] += step
    if abs(step - GRID_TOLERANCE_MM) > 1e-9:
        expected = step < GRID_TOLERANCE_MM
        assert same_grid((9, 10, 11), affine, (9, 10, 11), shifted) is expected


@given(seed=SEEDS)
def test_an_affine_in_single_precision_is_still_the_same_grid(seed):
    affine = oblique_affine(seed)
    assert same_grid((97, 115, 97), affine, (97, 115, 97), affine.astype(np.float32))


@given(seed=SEEDS)
def test_orientation_codes_are_those_of_nibabel(seed):
    affine = oblique_affine(seed)
    assert orientation_codes(affine) == "".join(nib.aff2axcodes(affine))


@given(seed=SEEDS)
def test_world_coordinates_and_voxel_sizes_are_those_of_nibabel(seed):
    affine = oblique_affine(seed)
    ijk = np.random.default_rng(seed).integers(-5, 50, (4, 2, 3))
    np.testing.assert_allclose(
        apply_affine(affine, ijk), nib.affines.apply_affine(affine, ijk), rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(voxel_sizes(affine), nib.affines.voxel_sizes(affine), rtol=1e-12)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "PIR", "SAL"])
def test_orthogonal_axes_are_named(codes):
    ornt = nib.orientations.axcodes2ornt(codes)
    affine = nib.orientations.inv_ornt_aff(ornt, (5, 6, 7))
    assert orientation_codes(np.linalg.inv(affine)) == codes


def test_every_corner_is_there_once():
    corners = grid_corners((3, 4, 5), np.diag([2.0, 1.0, 1.0, 1.0]))
    assert {tuple(corner) for corner in corners} == {
        (x, y, z) for x in (0.0, 4.0) for y in (0.0, 3.0) for z in (0.0, 4.0)
    }


def test_grids_of_different_shape_differ():
    assert not same_grid((5, 5, 5), np.eye(4), (5, 5, 6), np.eye(4))


def test_a_small_rotation_counts_at_the_far_corner():
    turned = np.eye(4)
    turned[0, 1] = -0.001  # 0.01 mm after ten voxels, much less near the origin
    assert same_grid((5, 5, 5), np.eye(4), (5, 5, 5), turned)
    assert not same_grid((20, 20, 20), np.eye(4), (20, 20, 20), turned)
