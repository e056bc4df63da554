import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import resample_img

from bidsmask.numerics.resample import resample_nearest

SEEDS = st.integers(0, 2**32 - 1)
AXES = st.integers(0, 2)


SOURCE_SHAPE, TARGET_SHAPE = (19, 18, 17), (16, 21, 15)

LINEAR = {
    "RAS": np.diag([2.0, 2.0, 2.0]),
    "LAS": np.diag([-2.4, 2.4, 3.0]),
    "LPS": np.diag([-3.0, -2.5, 2.0]),
    "oblique": nib.eulerangles.euler2mat(0.2, -0.1, 0.3) * [2.0, 2.2, 2.4],
}


def centred_affine(name, shape, scale=1.0):
    """An affine whose middle voxel lies near the origin."""
    linear = LINEAR[name] * scale
    return nib.affines.from_matvec(linear, linear @ (-np.array(shape) / 2) + [0.3, -0.1, 0.7])


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


@pytest.mark.parametrize("source", LINEAR)
@pytest.mark.parametrize("target", LINEAR)
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_values_are_those_of_nilearn_to_the_bit(source, target, scale):
    labels, affine = random_labels(3, SOURCE_SHAPE), centred_affine(source, SOURCE_SHAPE)
    target_affine = centred_affine(target, TARGET_SHAPE, scale)
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


def test_nilearn_loses_outermost_voxels_of_a_flipped_lattice_and_we_do_not():
    labels, affine = np.ones(SOURCE_SHAPE, np.int32), centred_affine("oblique", SOURCE_SHAPE)
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


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_source_is_not_touched(seed):
    labels, affine = random_labels(seed), random_affine(seed)
    before = labels.copy()
    resample_nearest(labels, affine, (5, 5, 5), random_affine(seed + 1))
    np.testing.assert_array_equal(labels, before)
