import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import resample_img

from bidsmask.numerics.affine import apply_affine
from bidsmask.numerics.resample import (
    resample_continuous,
    resample_nearest,
    resampling_matrices,
)

SEEDS = st.integers(0, 2**32 - 1)
AXES = st.integers(0, 2)


SOURCE_SHAPE, TARGET_SHAPE = (19, 18, 17), (16, 21, 15)


def random_labels(seed, shape=(9, 8, 7)):
    return np.random.default_rng(seed).integers(1, 400, shape).astype(np.int32)


def random_affine(seed):
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return nib.affines.from_matvec(
        rotation * rng.choice([1.0, 1.5, 2.0, 2.4], 3), rng.uniform(-100, 100, 3).round(1)
    )


@given(seed=SEEDS)
def test_resampling_onto_the_own_grid_changes_nothing(seed):
    labels, affine = random_labels(seed), random_affine(seed)
    resampled = resample_nearest(labels, affine, labels.shape, affine)
    np.testing.assert_array_equal(resampled, labels)
    assert not np.shares_memory(resampled, labels)


@given(seed=SEEDS, axis=AXES)
def test_a_flipped_lattice_holds_the_flipped_labels(seed, axis):
    labels, affine = random_labels(seed), random_affine(seed)
    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, labels.shape[axis] - 1
    resampled = resample_nearest(labels, affine, labels.shape, affine @ flip)
    np.testing.assert_array_equal(resampled, np.flip(labels, axis))


@given(seed=SEEDS, axis=AXES, step=st.integers(-3, 3))
def test_a_shift_by_whole_voxels_moves_labels_by_whole_voxels(seed, axis, step):
    labels, affine = random_labels(seed), random_affine(seed)
    shift = np.eye(4)
    shift[axis, 3] = step
    resampled = resample_nearest(labels, affine, labels.shape, affine @ shift)
    expected = np.roll(labels, -step, axis)
    outside = np.arange(labels.shape[axis]) + step
    outside = (outside < 0) | (outside >= labels.shape[axis])
    np.moveaxis(expected, axis, 0)[outside] = 0
    np.testing.assert_array_equal(resampled, expected)


@given(seed=SEEDS)
def test_exchanged_axes_hold_the_transposed_labels(seed):
    labels, affine = random_labels(seed), random_affine(seed)
    order = np.random.default_rng(seed).permutation(3)
    exchanged = affine.copy()
    exchanged[:, :3] = affine[:, order]
    resampled = resample_nearest(labels, affine, tuple(np.array(labels.shape)[order]), exchanged)
    np.testing.assert_array_equal(resampled, labels.transpose(order))


@given(seed=SEEDS, other=SEEDS)
def test_no_label_appears_that_was_not_there(seed, other):
    labels = random_labels(seed)
    resampled = resample_nearest(labels, random_affine(seed), (6, 6, 6), random_affine(other))
    assert set(np.unique(resampled)) <= {0, *np.unique(labels)}


def test_a_nudge_within_the_tolerance_loses_no_voxels():
    labels, nudged = random_labels(0), np.eye(4)
    nudged[:3, 3] = 0.005
    np.testing.assert_array_equal(
        resample_nearest(labels, np.eye(4), labels.shape, nudged), labels
    )


def test_the_outermost_half_voxel_is_outside():
    labels = np.array([1, 2, 3]).reshape(3, 1, 1)
    target = nib.affines.from_matvec(np.diag([0.25, 1, 1]), [-0.5, 0, 0])
    resampled = resample_nearest(labels, np.eye(4), (13, 1, 1), target, fill=9)
    np.testing.assert_array_equal(resampled.ravel(), [9, 9, 1, 1, 2, 2, 2, 2, 3, 3, 3, 9, 9])


@pytest.mark.parametrize("dtype", ["bool", "u1", "i1", "<i2", ">i2", "u4", "i8", "f4", ">f8"])
def test_the_type_of_values_stays(dtype):
    values = (np.arange(24).reshape(2, 3, 4) % 7).astype(dtype)
    resampled = resample_nearest(values, np.eye(4), (4, 6, 8), np.diag([0.5, 0.5, 0.5, 1.0]))
    assert resampled.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(resampled[::2, ::2, ::2], values)


@pytest.mark.parametrize("target", ["RAS", "LAS", "LPS", "oblique"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_values_are_those_of_nilearn_to_the_bit(affine_of, orientation, target, scale):
    labels, affine = random_labels(3, SOURCE_SHAPE), affine_of(orientation, SOURCE_SHAPE)
    target_affine = affine_of(target, TARGET_SHAPE, scale)
    expected = resample_img(
        nib.Nifti1Image(labels, affine),
        target_affine=target_affine,
        target_shape=TARGET_SHAPE,
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )
    resampled = resample_nearest(labels, affine, TARGET_SHAPE, target_affine)
    assert np.count_nonzero(resampled) > 300
    np.testing.assert_array_equal(resampled, np.asanyarray(expected.dataobj))


def test_nilearn_loses_outermost_voxels_of_a_flipped_lattice_and_we_do_not(affine_of):
    labels, affine = np.ones(SOURCE_SHAPE, np.int32), affine_of("oblique", SOURCE_SHAPE)
    lost = 0
    for axis in range(3):
        flip = np.eye(4)
        flip[axis, axis], flip[axis, 3] = -1, labels.shape[axis] - 1
        theirs = resample_img(
            nib.Nifti1Image(labels, affine),
            target_affine=affine @ flip,
            target_shape=labels.shape,
            interpolation="nearest",
            copy_header=True,
            force_resample=True,
        )
        lost += np.count_nonzero(np.asanyarray(theirs.dataobj) == 0)
        assert resample_nearest(labels, affine, labels.shape, affine @ flip).all()
    assert lost > 0


ORDERS = st.sampled_from([1, 3])


def random_volume(seed, shape=(9, 8, 7)):
    return np.random.default_rng(seed).normal(100, 20, shape)


@given(seed=SEEDS, order=ORDERS)
def test_interpolation_on_the_own_grid_changes_nothing(seed, order):
    volume, affine = random_volume(seed), random_affine(seed)
    resampled = resample_continuous(volume, affine, volume.shape, affine, order=order)
    np.testing.assert_array_equal(resampled, volume)
    assert not np.shares_memory(resampled, volume)


@given(seed=SEEDS, axis=AXES, order=ORDERS)
def test_interpolation_meets_the_voxels_of_a_flipped_lattice(seed, axis, order):
    volume, affine = random_volume(seed), random_affine(seed)
    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, volume.shape[axis] - 1
    resampled = resample_continuous(volume, affine, volume.shape, affine @ flip, order=order)
    np.testing.assert_allclose(resampled, np.flip(volume, axis), rtol=1e-12)


@given(seed=SEEDS, a=st.floats(-5, 5), b=st.floats(-5, 5), order=ORDERS)
def test_interpolation_is_linear_in_the_values(seed, a, b, order):
    x, y, affine = random_volume(seed), random_volume(seed + 1), random_affine(seed)
    target = affine @ nib.affines.from_matvec(np.diag([0.7, 0.8, 0.9]), [0.5, 0.5, 0.5])

    def resampled(volume):
        return resample_continuous(volume, affine, (9, 8, 7), target, order=order)

    np.testing.assert_allclose(
        resampled(a * x + b * y), a * resampled(x) + b * resampled(y), atol=1e-9
    )


@given(seed=SEEDS, order=ORDERS)
def test_a_slope_in_the_world_is_resampled_to_itself_well_inside(seed, order):
    rng = np.random.default_rng(seed)
    affine, target = random_affine(seed), np.eye(4)
    slope = rng.normal(size=3)
    shape = (24, 24, 24)
    volume = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)) @ slope
    target[:3, 3] = apply_affine(affine, np.array([12, 12, 12]))
    resampled = resample_continuous(volume, affine, (2, 2, 2), target, order=order)
    expected = apply_affine(target, np.moveaxis(np.indices((2, 2, 2)), 0, -1)) @ slope
    # a cubic spline with mirrored ends bends at them: 12 voxels away by (√3 - 2)^12 = 1e-7
    np.testing.assert_allclose(resampled, expected, atol=1e-9 if order == 1 else 1e-4)


@given(seed=SEEDS, order=ORDERS, other=SEEDS)
def test_clipped_values_stay_between_the_limits(seed, order, other):
    volume, affine = random_volume(seed), random_affine(seed)
    target = affine @ nib.affines.from_matvec(np.eye(3) * 0.6, [0.1, 0.2, 0.3])
    limits = (80.0, 110.0)
    resampled = resample_continuous(
        volume, affine, (9, 9, 9), target, order=order, fill=95, clip_to=limits
    )
    assert resampled.min() >= limits[0]
    assert resampled.max() <= limits[1]


@given(seed=SEEDS, order=ORDERS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_target_voxels_are_missing_where_the_nearest_voxel_is(seed, order, value):
    volume, affine = random_volume(seed), np.diag([2.0, 2.0, 2.0, 1.0])
    volume[np.random.default_rng(seed).random(volume.shape) < 0.1] = value
    target = affine @ nib.affines.from_matvec(np.eye(3), [0.2, 0.3, -0.4])
    resampled = resample_continuous(volume, affine, (9, 8, 7), target, order=order)
    holes = resample_nearest(~np.isfinite(volume), affine, (9, 8, 7), target)
    np.testing.assert_array_equal(np.isnan(resampled), holes)
    assert np.isfinite(resampled[~holes]).all()


def test_a_hole_is_filled_with_the_mean_of_its_neighbours_before_interpolation():
    volume = np.zeros((5, 1, 1))
    volume[:, 0, 0] = [1, 2, np.nan, 4, 5]
    target = nib.affines.from_matvec(np.diag([0.5, 1, 1]), [0, 0, 0])
    resampled = resample_continuous(volume, np.eye(4), (9, 1, 1), target, order=1)
    # 1.5 and 2.5 lie half way: the higher voxel is the nearest one
    expected = [1, 1.5, 2, np.nan, np.nan, 3.5, 4, 4.5, 5]
    np.testing.assert_allclose(resampled.ravel(), expected)


@pytest.mark.parametrize("dtype", ["bool", "u1", "<i2", ">i2", "u2", ">u4", "i8", "f4", ">f4"])
@pytest.mark.parametrize("order", [1, 3])
def test_interpolation_is_in_double_precision_whatever_the_type(dtype, order):
    values = (np.arange(24).reshape(2, 3, 4) % 7).astype(dtype)
    target = np.diag([0.5, 0.5, 0.5, 1.0])
    resampled = resample_continuous(values, np.eye(4), (4, 6, 8), target, order=order)
    exact = resample_continuous(
        values.astype(np.float64), np.eye(4), (4, 6, 8), target, order=order
    )
    assert resampled.dtype == np.float64
    np.testing.assert_array_equal(resampled, exact)


@pytest.mark.parametrize("target", ["RAS", "LAS", "LPS", "oblique"])
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.filterwarnings("ignore:NaNs or infinite values:RuntimeWarning")
def test_interpolated_values_are_those_of_nilearn_to_the_bit(
    affine_of, orientation, target, order, missing
):
    volume, affine = random_volume(5, SOURCE_SHAPE), affine_of(orientation, SOURCE_SHAPE)
    if missing:
        volume[:3] = volume[9:11, 5:9, 4:12] = np.nan
        volume[4, 4, 4] = np.inf
    target_affine = affine_of(target, TARGET_SHAPE, 0.8)
    theirs = resample_img(
        nib.Nifti1Image(volume, affine),
        target_affine=target_affine,
        target_shape=TARGET_SHAPE,
        interpolation={1: "linear", 3: "continuous"}[order],
        clip=False,
        copy_header=True,
        force_resample=True,
    )
    ours = resample_continuous(volume, affine, TARGET_SHAPE, target_affine, order=order)
    assert np.isnan(ours).any() == missing
    np.testing.assert_array_equal(ours, np.asanyarray(theirs.dataobj))


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_source_of_an_interpolation_is_not_touched(seed):
    volume, affine = random_volume(seed), random_affine(seed)
    volume[2, 2, 2] = np.nan
    before = volume.copy()
    resample_continuous(volume, affine, (5, 5, 5), random_affine(seed + 1), clip_to=(0, 1))
    resample_continuous(volume, affine, volume.shape, affine, clip_to=(0, 1))
    np.testing.assert_array_equal(volume, before)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_source_is_not_touched(seed):
    labels, affine = random_labels(seed), random_affine(seed)
    before = labels.copy()
    resample_nearest(labels, affine, (5, 5, 5), random_affine(seed + 1))
    np.testing.assert_array_equal(labels, before)


def parallel_affine(seed):
    """Lattice with axes along those of the world, some backwards."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1.0, 1.5, 2.0, 2.4], 3) * rng.choice([-1, 1], 3)
    return nib.affines.from_matvec(np.diag(sizes), (-7 * sizes + rng.uniform(-3, 3, 3)).round(1))


@given(seed=SEEDS, other=SEEDS, order=st.sampled_from([1, 3]))
def test_parallel_lattices_are_resampled_by_a_matrix_for_each_axis(seed, other, order):
    volume = np.random.default_rng(seed).normal(100, 10, SOURCE_SHAPE)
    source, target = parallel_affine(seed), parallel_affine(other)
    expected = resample_continuous(volume, source, TARGET_SHAPE, target, order=order)
    matrices = resampling_matrices(SOURCE_SHAPE, source, TARGET_SHAPE, target, order=order)
    resampled = matrices(volume.ravel(order="F")[None])[0].reshape(TARGET_SHAPE, order="F")
    np.testing.assert_allclose(resampled, expected, atol=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_matrix_knows_short_axes(size):
    volume, shifted = np.arange(4.0 * size).reshape(4, size, 1), np.eye(4)
    shifted[:3, 3] = 0.3, 0.25 * (size > 1), 0
    expected = resample_continuous(volume, np.eye(4), (4, size, 1), shifted)
    matrices = resampling_matrices((4, size, 1), np.eye(4), (4, size, 1), shifted)
    resampled = matrices(volume.ravel(order="F")[None])[0].reshape((4, size, 1), order="F")
    np.testing.assert_allclose(resampled, expected, atol=1e-12)


def test_lattices_askew_have_no_matrices():
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.01), -np.sin(0.01)], [np.sin(0.01), np.cos(0.01)]]
    assert resampling_matrices((4, 4, 4), np.eye(4), (4, 4, 4), turned) is None


@given(seed=SEEDS, other=SEEDS)
def test_the_nearest_voxels_of_parallel_lattices_are_those_of_scipy(seed, other):
    from scipy.ndimage import affine_transform

    labels = random_labels(seed, SOURCE_SHAPE)
    source, target = parallel_affine(seed), parallel_affine(other)
    to_source = np.linalg.inv(source) @ target
    expected = affine_transform(
        labels, np.diag(to_source)[:3], to_source[:3, 3], TARGET_SHAPE, order=0, cval=-1
    )
    resampled = resample_nearest(labels, source, TARGET_SHAPE, target, fill=-1)
    np.testing.assert_array_equal(resampled, expected)
