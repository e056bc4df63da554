import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsmask.errors import BidsmaskError, DimensionError, ImageError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series

AFFINE = nib.affines.from_matvec(np.diag([-2.0, 2.5, 3.0]), [12.0, -9.0, -6.0])
SHAPE = (5, 4, 3, 7)


@pytest.fixture
def values():
    return np.random.default_rng(3).integers(-500, 4000, SHAPE).astype(np.int16)


def image_of(array):
    return nib.Nifti1Image(array, AFFINE, dtype=array.dtype)


def all_values(series):
    """(X, Y, Z, T), by way of blocks."""
    return np.concatenate([series.scale(block).copy() for _, block in series.blocks()]).T


def check(series, expected, *, is_3d=False):
    """A series has the right values, whichever way one goes through them."""
    assert series.grid == Grid(shape=expected.shape[:3], affine=AFFINE)
    assert series.n_volumes == expected.shape[3]
    assert series.is_3d is is_3d
    assert series.dtype.isnative
    np.testing.assert_array_equal(all_values(series), expected)
    volumes = [volume.copy() for volume in series.volumes()]
    np.testing.assert_array_equal(np.stack(volumes, axis=-1), expected)
    np.testing.assert_allclose(
        series.volume_mean(), expected.mean(axis=-1, dtype=np.float64), rtol=1e-13
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8", "i8"])
@pytest.mark.parametrize("kind", [str, Path, nib.load])
def test_a_file_is_streamed_whoever_opens_it(write_image, values, suffix, dtype, kind):
    stored = (values % 200).astype(dtype)
    series = open_series(kind(str(write_image(stored, suffix))))
    check(series, stored)
    assert series.dtype == stored.dtype.newbyteorder("=")
    assert series.t_r == 2.0


@pytest.mark.parametrize("shape", [SHAPE[:3], (*SHAPE[:3], 1), (*SHAPE[:3], 7, 1)])
@pytest.mark.parametrize("memory", [False, True])
def test_axes_of_length_one_are_told_from_volumes(write_image, values, shape, memory):
    array = np.resize(values, shape)
    series = open_series(image_of(array) if memory else write_image(array))
    check(series, array.reshape(*SHAPE[:3], -1), is_3d=len(shape) == 3)


@pytest.mark.parametrize("order", ["F", "C"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8"])
def test_an_image_in_memory_is_looked_at_where_it_is(values, order, dtype):
    array = (values % 200).astype(dtype, order=order)
    before = array.copy()
    check(open_series(image_of(array)), array)
    np.testing.assert_array_equal(array, before)
    for _, block in open_series(image_of(array)).blocks():
        assert not block.flags.writeable
        assert np.shares_memory(block, array)
    assert array.flags.writeable


@pytest.mark.parametrize("order", ["F", "C", "file"])
def test_long_runs_come_in_several_blocks(write_image, order):
    array = np.random.default_rng(0).normal(size=(3, 2, 4, 75))
    source = write_image(array) if order == "file" else image_of(array.copy(order=order))
    series = open_series(source)
    assert [where.start for where, _ in series.blocks()] == [0, 32, 64]
    check(series, array)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dimensions", [3, 4])
def test_scaled_integers_are_floating_point_numbers(write_image, values, suffix, dimensions):
    array = values if dimensions == 4 else values[..., 0]
    path = write_image(array * 0.5 + 3.0, suffix, dtype="i2", slope=0.5, inter=3.0)
    for source in path, nib.load(path):
        series = open_series(source)
        check(series, array.reshape(*SHAPE[:3], -1) * 0.5 + 3.0, is_3d=dimensions == 3)
        assert series.dtype == np.float64


def test_the_affine_of_an_image_goes_before_that_of_its_file(write_image, values):
    loaded = nib.load(write_image(values))
    moved = AFFINE.copy()
    moved[:3, 3] += 5
    series = open_series(nib.Nifti1Image(loaded.dataobj, moved, loaded.header))
    np.testing.assert_array_equal(series.grid.affine, moved)
    np.testing.assert_array_equal(all_values(series), values)


def test_a_reshaped_or_sliced_image_is_taken_as_it_is(write_image, values):
    loaded = nib.load(write_image(values))
    check(open_series(loaded.slicer[..., 2:5]), values[..., 2:5])
    reshaped = loaded.dataobj.reshape((5, 4, 3, 7, 1))
    check(open_series(nib.Nifti1Image(reshaped, AFFINE)), values)


def test_a_list_of_volumes_is_a_run(write_image, values):
    volumes = [values[..., number] for number in range(7)]
    mixed = [
        image_of(volume) if n % 2 else write_image(volume) for n, volume in enumerate(volumes)
    ]
    for items in mixed, tuple(mixed), (item for item in mixed):
        check(open_series(items), values)
    check(open_series(mixed[:1]), values[..., :1])


def test_a_list_has_room_for_the_values_of_all_its_images(values):
    """Nilearn gives all of them the type of the first one, and cuts decimals off."""
    whole, halves = values[..., 0], values[..., 1] + 0.5
    series = open_series([image_of(whole), image_of(halves)])
    assert series.dtype == np.float64
    check(series, np.stack([whole, halves], axis=-1))


def test_a_pattern_stands_for_the_sorted_files_of_that_name(tmp_path, values):
    for number in (2, 0, 1):
        nib.save(image_of(values[..., number]), tmp_path / f"vol-{number}.nii.gz")
    check(open_series(str(tmp_path / "vol-*.nii.gz")), values[..., :3])
    check(open_series(tmp_path / "vol-1*"), values[..., 1:2])


def test_the_tilde_is_the_home_folder(tmp_path, monkeypatch, values):
    monkeypatch.setenv("HOME", str(tmp_path))
    nib.save(image_of(values), tmp_path / "run.nii.gz")
    check(open_series("~/run.nii.gz"), values)
    check(open_series(Path("~/run.nii.gz")), values)


def test_a_name_with_brackets_may_be_a_file(tmp_path, values):
    nib.save(image_of(values), tmp_path / "run[1].nii.gz")
    check(open_series(tmp_path / "run[1].nii.gz"), values)


@pytest.mark.parametrize("name", ["run.mgz", "run.img"])
def test_other_formats_are_left_to_nibabel(tmp_path, values, name):
    array = values.astype(np.float32)
    kind = nib.MGHImage if name.endswith("mgz") else nib.Nifti1Pair
    nib.save(kind(array, AFFINE), tmp_path / name)
    series = open_series(tmp_path / name)
    check(series, array)
    assert (series.header is None) == name.endswith("mgz")


def test_the_only_volume_is_copied(values):
    array = values[..., 0].astype(">i2")
    single = open_series(image_of(array)).single()
    assert single.dtype == np.int16
    assert not np.shares_memory(single, array)
    np.testing.assert_array_equal(single, array)
    with pytest.raises(DimensionError, match="Expected dimension is 3D and you provided a 4D"):
        open_series(image_of(values)).single()


def test_the_header_is_a_copy(values):
    image = image_of(values)
    open_series(image).header["pixdim"][4] = 99
    assert image.header["pixdim"][4] != 99


def test_the_mean_of_a_voxel_that_is_missing_once_is_missing(values):
    array = values.astype(np.float64)
    array[1, 2, 0, 3], array[0, 0, 0, 1], array[0, 0, 0, 2] = np.nan, np.inf, -np.inf
    mean = open_series(image_of(array)).volume_mean()
    assert np.argwhere(np.isnan(mean)).tolist() == [[0, 0, 0], [1, 2, 0]]


@pytest.mark.parametrize("thing", [np.zeros((2, 2, 2)), 3, None, b"image.nii", {}.keys])
def test_what_is_no_image_is_refused(thing):
    with pytest.raises(TypeError, match="input should be a NiftiLike object"):
        open_series(thing)


def test_an_empty_list_is_refused():
    with pytest.raises(TypeError, match="Cannot concatenate empty objects"):
        open_series([])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: [image_of(v)], "Expected dimension is 4D and you provided a list of 4D images"),
        (lambda v: image_of(np.zeros((2, 2, 2, 2, 2))), "Expected dimension is 4D .* a 5D image"),
        (lambda v: image_of(np.zeros((2, 2))), "Expected dimension is 3D .* a 2D image"),
    ],
    ids=["list of runs", "five axes", "two axes"],
)
def test_images_of_other_dimensions_are_refused(values, make, message):
    with pytest.raises(DimensionError, match=message) as refused:
        open_series(make(values))
    assert isinstance(refused.value, TypeError)


def test_images_of_a_list_have_to_lie_on_one_grid(values):
    here = image_of(values[..., 0])
    nudged, moved = AFFINE.copy(), AFFINE.copy()
    nudged[0, 3] += 0.001
    moved[0, 3] += 1
    check(open_series([here, nib.Nifti1Image(values[..., 0], nudged)]), values[..., [0, 0]])
    with pytest.raises(SpaceError, match="Field of view of image #1 is different"):
        open_series([here, nib.Nifti1Image(values[..., 0], moved)])


@pytest.mark.parametrize("name", ["missing.nii.gz", "~/missing.nii", "missing-*.nii.gz"])
def test_a_file_that_is_not_there_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"File not found: '|No files matching"):
        open_series(name)


def test_an_image_without_voxels_is_refused():
    with pytest.raises(ValueError, match=r"The image is empty\."):
        open_series(nib.Nifti1Image(np.zeros((2, 2, 2, 0)), AFFINE))


def test_complex_numbers_are_refused():
    with pytest.raises(ImageError, match="cannot be averaged"):
        open_series(nib.Nifti1Image(np.zeros((2, 2, 2), np.complex64), AFFINE))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ImageError, match="cannot be read as an image"):
        open_series(tmp_path / "notes.txt")


def test_a_truncated_file_is_refused_once_it_is_read(write_bytes, encode, values):
    path = write_bytes(encode(values)[:-30])
    with pytest.raises(BidsmaskError, match="is truncated"):
        all_values(open_series(path))


def test_an_unknown_orientation_is_warned_about_and_not_refused(write_image, values):
    path = write_image(values, sform_code=0, qform_code=0)
    with pytest.warns(UserWarning, match="the orientation is unknown"):
        series = open_series(path)
    np.testing.assert_array_equal(all_values(series), values)
    with warnings.catch_warnings():  # the same image in memory has an affine, and that is that
        warnings.simplefilter("error")
        open_series(nib.load(path))


@pytest.mark.parametrize(
    "given",
    [
        "sub-1_hemi-L_bold.func.gii",
        Path("bold.dtseries.nii"),
        ("lh.func.gii", "rh.func.gii"),
        {"left": "lh.func.gii", "right": "rh.func.gii"},
        nib.GiftiImage(),
    ],
)
def test_what_lies_on_surfaces_is_sent_to_the_maskers_of_surfaces(given):
    with pytest.raises(ImageError, match=r"holds values on surfaces.*SurfaceLabelsMasker"):
        open_series(given)
