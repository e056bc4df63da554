import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.separable import AxisMatrices, box_shape, boxed, cut, from_box
from bidsmask.numerics.smooth import smooth_volume, smoothing_matrices

SEEDS = st.integers(0, 2**32 - 1)
SOURCE, TARGET = (5, 4, 3), (2, 6, 4)


def random_matrices(seed, source=SOURCE, target=TARGET):
    rng = np.random.default_rng(seed)
    x, y, z = (rng.normal(size=(m, n)) for m, n in zip(target, source, strict=True))
    return AxisMatrices(x=x, y=y, z=z)


@given(seed=SEEDS)
def test_the_three_products_are_the_kronecker_product(seed):
    matrices = random_matrices(seed)
    whole = np.kron(matrices.z, np.kron(matrices.y, matrices.x))
    volumes = np.random.default_rng(seed).normal(size=(2, 60))
    np.testing.assert_allclose(matrices(volumes), volumes @ whole.T, atol=1e-10)


@given(seed=SEEDS)
def test_the_adjoint_moves_weights_to_the_other_side(seed):
    matrices, rng = random_matrices(seed), np.random.default_rng(seed)
    volume, weights = rng.normal(size=(1, 60)), rng.normal(size=(1, 48))
    there, here = weights @ matrices(volume).T, matrices.adjoint(weights) @ volume.T
    np.testing.assert_allclose(there, here, atol=1e-9)


@given(seed=SEEDS)
def test_a_part_of_the_target_is_that_part_of_the_whole(seed):
    matrices = random_matrices(seed)
    volumes = np.random.default_rng(seed).normal(size=(3, 60))
    box = slice(0, 2), slice(2, 5), slice(1, 3)
    part = matrices.to(target=box)(volumes)
    whole = matrices(volumes).reshape(3, *TARGET[::-1])
    np.testing.assert_allclose(part, cut(whole, box).reshape(3, -1))


def test_no_more_of_the_source_is_needed_than_what_a_part_depends_on():
    smoothing = smoothing_matrices((30, 20, 20), np.eye(4), 2.0)
    part = smoothing.to(target=(slice(10, 12), slice(0, 1), slice(19, 20)))
    assert part.reach() == (slice(7, 15), slice(0, 4), slice(16, 20))
    volume = np.random.default_rng(0).normal(size=(1, 30 * 20 * 20))
    near = cut(volume.reshape(1, 20, 20, 30), part.reach()).reshape(1, -1)
    np.testing.assert_allclose(part.to(source=part.reach())(near), part(volume), atol=1e-12)


@given(
    seed=SEEDS,
    fwhm=st.one_of(
        st.floats(0.5, 30), st.tuples(st.floats(0, 9), st.floats(0, 9), st.floats(0, 9))
    ),
)
def test_smoothing_by_matrices_is_smoothing(seed, fwhm):
    shape, affine = (7, 9, 6), np.diag([-2.0, 3.0, 2.5, 1.0])
    volume = np.random.default_rng(seed).normal(size=shape)
    smoothing = smoothing_matrices(shape, affine, fwhm)
    smoothed = smoothing(volume.ravel(order="F")[None])[0].reshape(shape, order="F")
    np.testing.assert_allclose(smoothed, smooth_volume(volume, affine, fwhm), atol=1e-12)
    for matrix in smoothing.x, smoothing.y, smoothing.z:
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


@given(voxels=st.lists(st.integers(0, 59), min_size=1, unique=True))
def test_voxels_find_into_a_box_and_back(voxels):
    voxels = np.array(voxels)
    box, inside = boxed(voxels, SOURCE)
    assert all(0 <= part.start < part.stop <= n for part, n in zip(box, SOURCE, strict=True))
    np.testing.assert_array_equal(from_box(inside, SOURCE, box), voxels)
    volume = np.arange(60).reshape(1, *SOURCE[::-1])
    np.testing.assert_array_equal(cut(volume, box).ravel()[inside], voxels)


def test_a_box_around_nothing_is_a_voxel():
    box, inside = boxed(np.zeros(0, dtype=int), SOURCE)
    assert box_shape(box) == (1, 1, 1)
    assert inside.size == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_the_matrices_is_that_of_the_result(dtype):
    assert random_matrices(0).astype(dtype)(np.ones((1, 60), dtype)).dtype == dtype
