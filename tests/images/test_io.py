import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.io import (
    image_bytes,
    load_volume,
    new_image,
    open_image,
    read_volume,
)
from bidsmask.images.volumes import load_mask

MOVED = nib.affines.from_matvec(np.diag([-2.0, 2.5, 3.0]), [12.0, -9.0, -5.0])


def grid_of(run):
    return Grid(shape=run.shape, affine=run.affine)


@settings(deadline=None, max_examples=30)
@given(
    dtype=st.sampled_from(["i2", "i4", "f4", "f8"]),
    order=st.sampled_from("<>"),
    version=st.sampled_from([1, 2]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
def test_how_a_volume_is_stored_changes_no_value(run, write_image, dtype, order, version, suffix):
    volume = run.bold[..., 0]
    path = write_image(volume, suffix, dtype=dtype, order=order, version=version)
    np.testing.assert_array_equal(load_volume(path), volume)


@settings(deadline=None, max_examples=20)
@given(
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "i8", "f4", "f8"]),
    n_volumes=st.sampled_from([None, 1, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_saved_reads_back_as_it_was(tmp_path_factory, run, dtype, n_volumes, seed):
    shape = run.shape if n_volumes is None else (*run.shape, n_volumes)
    array = np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)
    path = tmp_path_factory.mktemp("saved") / "image.nii.gz"
    path.write_bytes(image_bytes(array, grid_of(run), t_r=1.5))
    image = nib.load(path)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), array)
    assert image.get_data_dtype() == array.dtype
    assert Grid.from_image(open_image(path)) == grid_of(run)
    assert image.header["pixdim"][4] == 1.5
    for code in "sform_code", "qform_code":
        assert image.header[code] == 2


def test_a_scaled_volume_is_scaled(run, write_image):
    volume = run.bold[..., 0]
    path = write_image(volume, dtype="i2", slope=0.5, inter=-100.0)
    np.testing.assert_allclose(load_volume(path), volume, rtol=1e-12)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_slope_that_is_none_leaves_the_values_as_they_are(run, encode, write_bytes, slope):
    content = bytearray(encode(run.bold[..., 0]))
    content[112:120] = np.array([slope, 17.0], dtype="<f4").tobytes()
    np.testing.assert_array_equal(load_volume(write_bytes(bytes(content))), run.bold[..., 0])


def test_an_image_is_opened_without_its_voxels_and_agrees_with_nibabel(run, write_image):
    path = write_image(run.bold, version=2)
    image, peer = open_image(path), nib.load(path)
    assert image.shape == peer.shape
    assert type(image) is type(peer)
    np.testing.assert_array_equal(image.affine, peer.affine)
    np.testing.assert_array_equal(image.get_fdata(), peer.get_fdata())
    assert nib.is_proxy(image.dataobj)


def test_a_volume_keeps_its_type_when_its_grid_is_wanted_too(run, write_image):
    values, grid = read_volume(write_image(run.labels))
    assert values.dtype == np.int32
    assert grid == grid_of(run)


def test_a_fourth_axis_of_length_one_is_no_axis(run, write_image):
    path = write_image(run.bold[..., :1])
    np.testing.assert_array_equal(load_volume(path), run.bold[..., 0])


def test_several_volumes_are_not_one(run, write_image):
    with pytest.raises(ImageError, match="several volumes"):
        load_volume(write_image(run.bold))


def test_a_volume_with_a_wrong_checksum_is_refused(run, write_image):
    path = write_image(run.bold[..., 0])
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match="corrupt"):
        load_volume(path)


def test_a_mask_is_true_where_it_is_neither_zero_nor_nan(run, write_image):
    values = run.mask * 255.0
    values[2, 2, 2], values[0, 0, 0], values[1, 1, 1] = np.nan, 0.25, -1
    expected = run.mask.copy()
    expected[2, 2, 2], expected[0, 0, 0] = False, True
    with (
        pytest.warns(UserWarning, match="Non-finite values detected"),
        pytest.warns(UserWarning, match="values from -1 to 255, too"),
    ):
        mask = load_mask(write_image(values), grid_of(run))
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values * 255.0, None),
        (lambda values: values * 0.7, "it holds 0.7, too"),
        (lambda values: values * np.linspace(0.2, 1, values.size).reshape(values.shape), "from 0"),
    ],
)
def test_a_mask_of_two_whole_numbers_is_one_and_others_are_warned_of(
    run, write_image, recwarn, change, said
):
    np.testing.assert_array_equal(load_mask(write_image(change(run.mask)), grid_of(run)), run.mask)
    assert [said in str(each.message) for each in recwarn] == ([True] if said else [])


@pytest.mark.filterwarnings("ignore:.*Non-finite values detected")
@pytest.mark.parametrize("values", [np.zeros((7, 6, 5)), np.full((7, 6, 5), np.nan)])
def test_an_empty_mask_is_refused(run, write_image, values):
    with pytest.raises(ImageError, match="it is empty: it masks all data"):
        load_mask(write_image(values), grid_of(run))


def test_a_mask_on_another_grid_is_refused_with_both_grids(run, write_image):
    moved = write_image(run.mask.astype("u1"), affine=MOVED)
    smaller = write_image(run.mask[1:].astype("u1"))
    for path in moved, smaller:
        with pytest.raises(SpaceError, match=r"The mask: Grid.*the run: Grid") as caught:
            load_mask(path, grid_of(run))
        assert str(path) in str(caught.value)


def test_the_same_image_is_written_as_the_same_bytes(run):
    first = image_bytes(run.mask, grid_of(run))
    assert image_bytes(run.mask.copy(order="F"), grid_of(run)) == first
    assert gzip.decompress(first)[344:347] == b"n+1"


def test_a_mask_is_written_as_numbers(run, tmp_path):
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(image_bytes(run.mask, grid_of(run)))
    assert open_image(path).get_data_dtype() == np.uint8
    np.testing.assert_array_equal(load_mask(path, grid_of(run)), run.mask)


def test_an_array_that_does_not_fit_its_grid_is_not_written(run):
    with pytest.raises(ValueError, match="does not fit"):
        image_bytes(run.bold[1:], grid_of(run))


@pytest.mark.parametrize(
    ("given", "kept"),
    [("?", "u1"), ("i2", "i2"), ("i8", "i4"), ("u8", "i4"), ("f4", "f4"), ("f8", "f8")],
)
@pytest.mark.parametrize("kind", [None, nib.Nifti1Header, nib.Nifti2Header])
def test_values_are_put_into_an_image_in_a_type_that_can_be_read(given, kept, kind):
    values = np.arange(8).reshape(2, 2, 2).astype(given)
    image = new_image(values, MOVED, kind and kind())
    assert image.get_data_dtype() == kept
    assert isinstance(image.header, kind or nib.Nifti1Header)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), values)
    np.testing.assert_array_equal(image.affine, MOVED)


def test_integers_that_need_64_bits_keep_them():
    values = np.full((2, 2, 2), 2**40)
    np.testing.assert_array_equal(new_image(values, MOVED).dataobj, values)


def test_a_new_image_has_the_time_of_its_header_and_not_what_was_about_other_values(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2, 5))
    header.set_zooms((1, 1, 1, 0.8))
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(3.0, 7.0)
    header["cal_max"] = 99
    header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"of another image"))
    before = header.copy()
    image = new_image(np.full((2, 2, 2, 3), 1.25), MOVED, header)
    nib.save(image, tmp_path / "new.nii")
    saved = nib.load(tmp_path / "new.nii")
    np.testing.assert_array_equal(saved.get_fdata(), 1.25)
    assert saved.header.get_zooms()[3] == pytest.approx(0.8)
    assert saved.header.get_xyzt_units() == ("mm", "sec")
    assert (saved.header["cal_min"], saved.header["cal_max"]) == (1.25, 1.25)
    assert not saved.header.extensions
    assert header == before
    assert len(header.extensions) == 1


def test_limits_that_are_no_numbers_are_not_written():
    image = new_image(np.array([[[1.0, np.nan]]]), MOVED, nib.Nifti1Header())
    assert (image.header["cal_min"], image.header["cal_max"]) == (0, 0)


def test_a_header_of_another_format_is_left_aside():
    image = new_image(np.zeros((2, 2, 2)), MOVED, nib.freesurfer.mghformat.MGHHeader())
    assert isinstance(image, nib.Nifti1Image)
