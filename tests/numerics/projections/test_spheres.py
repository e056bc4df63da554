from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.maskers.nifti_spheres_masker import apply_mask_and_get_affinity

from bidsmask.numerics.affine import apply_affine
from bidsmask.numerics.projections.spheres import voxels_in_spheres

SEEDS = st.integers(0, 2**32 - 1)
SHAPE = (11, 12, 10)


def random_affine(seed):
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    linear = rotation * rng.choice([1.0, 1.5, 2.0, 3.0], 3)
    return nib.affines.from_matvec(linear, rng.uniform(-20, 20, 3))


def seeds_near(seed, affine, n_seeds=6):
    """Some inside of the lattice, some outside."""
    rng = np.random.default_rng(seed)
    return apply_affine(affine, rng.uniform(-2, np.array(SHAPE) + 1, (n_seeds, 3)))


def by_looking_at_all_voxels(seed, radius, affine):
    """Membership from its definition, without a box."""
    ijk = np.argwhere(np.ones(SHAPE, dtype=bool))
    nearest = np.round(apply_affine(np.linalg.inv(affine), seed))
    member = (ijk == nearest).all(axis=1)
    if radius is not None:
        member |= np.square(apply_affine(affine, ijk) - seed).sum(axis=1) <= radius**2
    return np.sort(np.ravel_multi_index(tuple(ijk[member].T), SHAPE, order="F"))


@given(seed=SEEDS, radius=st.one_of(st.none(), st.floats(0, 15)))
def test_a_sphere_holds_the_voxels_that_are_near_enough(seed, radius):
    affine = random_affine(seed)
    seeds = seeds_near(seed, affine)
    spheres, _ = voxels_in_spheres(seeds, [radius] * len(seeds), SHAPE, affine)
    for sphere, centre in zip(spheres, seeds, strict=True):
        expected = by_looking_at_all_voxels(centre, radius, affine)
        np.testing.assert_array_equal(sphere, expected)


@given(seed=SEEDS)
def test_a_larger_sphere_holds_the_smaller_one(seed):
    affine = random_affine(seed)
    centre = seeds_near(seed, affine, 1)
    sizes = [None, 0.0, 2.0, 5.0, 50.0]
    spheres, _ = voxels_in_spheres(np.repeat(centre, 5, axis=0), sizes, SHAPE, affine)
    for smaller, larger in pairwise(spheres):
        assert set(smaller) <= set(larger)


@given(seed=SEEDS)
def test_other_seeds_do_not_change_a_sphere(seed):
    affine = random_affine(seed)
    seeds, radii = seeds_near(seed, affine), [None, 1.0, 3.0, 5.0, 8.0, 0.0]
    together, _ = voxels_in_spheres(seeds, radii, SHAPE, affine)
    for number, sphere in enumerate(together):
        (alone,), _ = voxels_in_spheres(seeds[[number]], radii[number : number + 1], SHAPE, affine)
        np.testing.assert_array_equal(sphere, alone)


def test_the_radius_is_part_of_the_sphere():
    (sphere,), _ = voxels_in_spheres(
        np.array([[4.0, 4, 4]]), [2.0], (5, 5, 5), np.diag([2, 2, 2, 1])
    )
    assert sphere.size == 7


def test_half_way_between_voxels_the_even_one_is_nearest():
    seeds = np.array([[0.5, 0, 0], [1.5, 0, 0], [2.5, 0, 0]])
    spheres, _ = voxels_in_spheres(seeds, [None] * 3, (5, 1, 1), np.eye(4))
    np.testing.assert_array_equal(spheres, [[0], [2], [2]])


def test_a_seed_outside_gives_an_empty_sphere():
    seeds = np.array([[-3.0, 0, 0], [90.0, 0, 0]])
    spheres, n_voxels = voxels_in_spheres(seeds, [None, 2.0], (5, 5, 5), np.eye(4))
    assert [sphere.size for sphere in spheres] == [0, 0]
    np.testing.assert_array_equal(n_voxels, [1, 33])


def test_a_seed_outside_reaches_in_with_its_radius():
    (sphere,), _ = voxels_in_spheres(np.array([[-1.0, 0, 0]]), [1.0], (5, 5, 5), np.eye(4))
    np.testing.assert_array_equal(sphere, [0])


@pytest.mark.parametrize("radius", [-1.0, np.nan, np.inf])
def test_an_impossible_radius_is_refused(radius):
    with pytest.raises(ValueError, match="A radius is a length in mm"):
        voxels_in_spheres(np.zeros((1, 3)), [radius], SHAPE, np.eye(4))


def test_a_seed_that_is_nowhere_is_refused():
    with pytest.raises(ValueError, match="Seed 1 "):
        voxels_in_spheres(np.array([[0, 0, 0], [np.nan, 0, 0]]), [1.0, 1.0], SHAPE, np.eye(4))


def theirs(seeds, radius, affine):
    image = nib.Nifti1Image(np.zeros((*SHAPE, 1)), affine)
    _, membership = apply_mask_and_get_affinity(seeds.tolist(), image, radius, allow_overlap=True)
    # nilearn counts voxels with z running fastest
    return [
        np.sort(np.ravel_multi_index(np.unravel_index(row, SHAPE), SHAPE, order="F"))
        for row in membership.rows
    ]


@pytest.mark.parametrize("radius", [4.0, 5.5, 8.0])
def test_spheres_are_those_of_nilearn(affine_of, orientation, radius):
    affine = affine_of(orientation, SHAPE)
    rng = np.random.default_rng(11)
    seeds = apply_affine(affine, rng.uniform(0, np.array(SHAPE) - 1, (25, 3)))
    ours, _ = voxels_in_spheres(seeds, [radius] * 25, SHAPE, affine)
    for sphere, expected in zip(ours, theirs(seeds, radius, affine), strict=True):
        np.testing.assert_array_equal(sphere, expected)


def test_without_a_radius_nilearn_may_add_a_second_voxel_and_we_do_not():
    # Voxels at -0.5, 0.5, ... mm. The seed lies in the one at 0.5 mm, but cutting decimals off
    # makes 0 of both -0.5 and 0.4, and nilearn adds the first voxel that this is true of.
    affine = nib.affines.from_matvec(np.eye(3), [-4.5, -4.5, -4.5])
    seeds = np.array([[0.4, 0.4, 0.4]])
    (ours,), _ = voxels_in_spheres(seeds, [None], SHAPE, affine)
    assert ours.size == 1
    assert theirs(seeds, None, affine)[0].size == 2
    assert ours[0] in theirs(seeds, None, affine)[0]
