import inspect
from itertools import product

import nibabel as nib
import nilearn.image
import numpy as np
import pytest

from bidsmask.errors import BoundingBoxError
from bidsmask.images import resample
from bidsmask.images.grid import Grid
from bidsmask.images.resample import resample_img, resample_to_img, target_grid

SHAPE = (11, 10, 9)
TARGET_SHAPE = (9, 12, 8)
TO_THE_BIT = 0


def make_image(affine_of, orientation="RAS", dtype="f8", n_volumes=None):
    shape = SHAPE if n_volumes is None else (*SHAPE, n_volumes)
    values = np.random.default_rng(1).normal(100, 60, shape).astype(dtype)
    image = nib.Nifti1Image(values, affine_of(orientation, SHAPE))
    if n_volumes:
        image.header.set_zooms((*image.header.get_zooms()[:3], 1.7))
    return image


def data(image):
    return np.asanyarray(image.dataobj)


@pytest.mark.parametrize("name", ["resample_img", "resample_to_img"])
def test_parameters_and_defaults_are_those_of_nilearn(name):
    def parameters(module):
        signature = inspect.signature(getattr(module, name))
        return [(each.name, each.default) for each in signature.parameters.values()]

    assert parameters(resample) == parameters(nilearn.image)


def test_without_a_target_the_image_is_copied(affine_of):
    image = make_image(affine_of, dtype="i2")
    copy = resample_img(image)
    np.testing.assert_array_equal(data(copy), data(image))
    np.testing.assert_array_equal(copy.affine, image.affine)
    assert data(copy).dtype == np.int16
    assert not np.shares_memory(data(copy), data(image))


@pytest.mark.parametrize("interpolation", ["continuous", "linear", "nearest"])
def test_resampling_to_the_own_grid_changes_nothing(affine_of, interpolation):
    image = make_image(affine_of, "oblique", "i2", n_volumes=2)
    nudged = image.affine.copy()
    nudged[0, 3] += 0.002
    for affine in image.affine, nudged:
        copy = resample_img(image, affine, SHAPE, interpolation)
        np.testing.assert_array_equal(data(copy), data(image))
        np.testing.assert_array_equal(copy.affine, image.affine)


@pytest.mark.parametrize("target", ["RAS", "LAS", "LPS", "oblique"])
@pytest.mark.parametrize(
    ("interpolation", "dtype"),
    [
        *product(["continuous", "linear", "nearest"], ["f8", "f4"]),
        *product(["continuous", "nearest"], ["i2"]),  # linear: see below
    ],
)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("fill", [0.0, -7.0])
@pytest.mark.filterwarnings("ignore:Casting data:UserWarning")
def test_images_are_resampled_as_by_nilearn(
    affine_of, orientation, target, interpolation, dtype, clip, fill
):
    image = make_image(affine_of, orientation, dtype, n_volumes=2)
    how = dict(
        target_affine=affine_of(target, TARGET_SHAPE, 0.9),
        target_shape=TARGET_SHAPE,
        interpolation=interpolation,
        clip=clip,
        fill_value=fill,
    )
    ours, theirs = resample_img(image, **how), nilearn.image.resample_img(image, **how)
    assert data(ours).dtype == data(theirs).dtype
    np.testing.assert_array_equal(ours.affine, theirs.affine)
    if fill:
        np.testing.assert_allclose(data(ours), data(theirs), rtol=TO_THE_BIT)
    else:  # parallel lattices: a matrix for each axis, whose sums have another order
        rounding = np.finfo(np.float32).eps if dtype != "f8" else 1e-13
        np.testing.assert_allclose(data(ours), data(theirs), rtol=1e-12, atol=1000 * rounding)


@pytest.mark.parametrize("dtype", ["i2", "u1", "u2"])
def test_integers_between_which_we_interpolate_become_floating_point_numbers(affine_of, dtype):
    """Nilearn rounds them (any integers if linear, unsigned ones if continuous)."""
    image = make_image(affine_of, dtype=dtype)
    exact = nib.Nifti1Image(data(image).astype(np.float32), image.affine)
    target = affine_of("RAS", SHAPE, 0.9)
    ours = resample_img(image, target, SHAPE, "linear")
    theirs = nilearn.image.resample_img(image, target, SHAPE, "linear")
    assert data(ours).dtype == np.float32
    assert data(theirs).dtype == dtype
    np.testing.assert_array_equal(data(ours), data(resample_img(exact, target, SHAPE, "linear")))
    assert np.abs(data(ours) - data(theirs)).max() > 0.3


@pytest.mark.parametrize("size", [1.5, 3.0, 4.1])
@pytest.mark.parametrize("rank", [3, 4])
def test_the_lattice_of_an_affine_is_that_of_nilearn(affine_of, orientation, size, rank):
    image = make_image(affine_of, orientation)
    affine = np.diag([size, -size, size + 0.5])
    if rank == 4:
        affine = nib.affines.from_matvec(affine, [-8, 9, -7])
    ours = resample_img(image, target_affine=affine)
    theirs = nilearn.image.resample_img(image, target_affine=affine)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.affine, theirs.affine, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(data(ours), data(theirs), atol=1e-9)


@pytest.mark.parametrize("clip", [False, True])
def test_missing_values_stay_missing_and_are_warned_about(affine_of, clip):
    image = make_image(affine_of, n_volumes=2)
    data(image)[4:6, 3:5, 4, 1] = np.nan
    before = data(image).copy()
    target = affine_of("oblique", TARGET_SHAPE)
    with pytest.warns(RuntimeWarning, match="holds NaN or infinite values"):
        ours = resample_img(image, target, TARGET_SHAPE, clip=clip)
    with pytest.warns(RuntimeWarning, match="NaNs or infinite values"):
        theirs = nilearn.image.resample_img(image, target, TARGET_SHAPE, clip=clip)
    assert np.isnan(data(ours)[..., 1]).any()
    np.testing.assert_array_equal(data(ours), data(theirs))
    np.testing.assert_array_equal(data(image), before)


@pytest.mark.parametrize("interpolation", ["continuous", "nearest"])
def test_an_image_takes_the_lattice_of_another(affine_of, orientation, interpolation):
    image, other = make_image(affine_of, orientation), make_image(affine_of, "LAS", n_volumes=2)
    ours = resample_to_img(image, other, interpolation)
    theirs = nilearn.image.resample_to_img(image, other, interpolation)
    assert ours.shape == SHAPE
    np.testing.assert_allclose(data(ours), data(theirs), atol=1e-9)


def test_the_overshoot_of_splines_is_clipped_unless_one_image_takes_the_lattice_of_another(
    affine_of,
):
    step = np.zeros(SHAPE)
    step[5:] = 100
    image = nib.Nifti1Image(step, affine_of("RAS", SHAPE))
    other = nib.Nifti1Image(step, affine_of("RAS", SHAPE, 0.7))
    assert data(resample_to_img(image, other)).max() > 105
    assert data(resample_img(image, other.affine, SHAPE)).max() == 100


@pytest.mark.parametrize("interpolation", ["continuous", "linear"])
def test_a_mask_that_is_interpolated_is_warned_of(affine_of, interpolation):
    mask = nib.Nifti1Image((np.arange(np.prod(SHAPE)) % 3 == 0).reshape(SHAPE) * 1.0, np.eye(4))
    with pytest.warns(UserWarning, match="Resampling binary images") as caught:
        resample_img(mask, affine_of("RAS", SHAPE, 0.7), interpolation=interpolation)
    assert caught[0].filename == __file__
    resample_img(mask, affine_of("RAS", SHAPE, 0.7), interpolation="nearest")


def test_without_a_copy_an_image_that_lies_there_already_is_given_back(affine_of):
    image = make_image(affine_of)
    assert resample_img(image, image.affine, image.shape, copy=False) is image
    assert resample_to_img(image, image, copy=False) is image
    assert resample_img(image) is not image


def test_repetition_time_stays_with_the_header(affine_of):
    image = make_image(affine_of, n_volumes=2)
    target = affine_of("RAS", SHAPE, 1.3)
    assert resample_img(image, target).header.get_zooms()[3] == pytest.approx(1.7)
    assert resample_img(image, target, copy_header=False).header.get_zooms()[3] == 1


@pytest.mark.parametrize("order", ["F", "C"])
def test_the_order_in_memory_can_be_chosen(affine_of, order):
    image = make_image(affine_of, n_volumes=2)
    for target in None, affine_of("LPS", SHAPE):
        assert data(resample_img(image, target, order=order)).flags[f"{order}_CONTIGUOUS"]


def test_a_target_without_the_image_is_refused(affine_of):
    away = np.diag([2.0, 2, 2, 1])
    away[:3, 3] = 900
    with pytest.raises(BoundingBoxError, match="does not contain any of the data"):
        resample_img(make_image(affine_of), away)


@pytest.mark.parametrize(
    ("affine", "shape", "message"),
    [
        (None, (4, 4, 4), "target_affine should be specified too"),
        (np.eye(3), (4, 4, 4), "without anchor vector"),
        (np.eye(4), (4, 4), "of length 3"),
        (np.diag([0.0, 0, 0, 1]), (4, 4, 4), "The affine is singular"),
        (np.zeros((3, 3)), None, "The affine is singular"),
        (np.eye(2), None, "of shape .3, 3. or .4, 4."),
    ],
)
def test_a_target_that_cannot_be_is_refused(affine_of, affine, shape, message):
    with pytest.raises(ValueError, match=message):
        resample_img(make_image(affine_of), affine, shape)


def test_another_last_row_of_a_target_is_that_of_a_file(affine_of):
    img = make_image(affine_of)
    with pytest.warns(UserWarning, match="last row of an affine"):
        resampled = resample_img(img, 3 * np.eye(4), (5, 5, 5))
    expected = resample_img(img, np.diag([3.0, 3, 3, 1]), (5, 5, 5))
    np.testing.assert_array_equal(resampled.affine, expected.affine)
    np.testing.assert_array_equal(data(resampled), data(expected))


def test_an_interpolation_that_there_is_not_is_refused(affine_of):
    with pytest.raises(ValueError, match="'interpolation' must be one of"):
        resample_img(make_image(affine_of), interpolation="cubic")


def test_a_lattice_of_axes_only_holds_all_voxel_centres(affine_of, orientation):
    grid = Grid(shape=SHAPE, affine=affine_of(orientation, SHAPE))
    target = target_grid(grid, np.diag([3.0, 3.0, -3.0]))
    corners = nib.affines.apply_affine(
        np.linalg.inv(target.affine) @ grid.affine,
        np.argwhere(np.ones((2, 2, 2))) * (np.array(SHAPE) - 1),
    )
    assert (corners > -1e-9).all()
    assert (corners < np.array(target.shape) - 1 + 1e-9).all()
