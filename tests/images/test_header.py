import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import BidsmaskError, ImageError
from bidsmask.images.header import grid_of, n_bytes, read_header

SINGULAR = np.diag([2.0, 0.0, 2.0, 1.0])


def refusal(path):
    with pytest.raises(ImageError) as caught:
        grid_of(path, read_header(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


@given(
    position=st.lists(st.integers(0, 347), min_size=1, max_size=8),
    value=st.lists(st.integers(0, 255), min_size=8, max_size=8),
)
def test_a_damaged_header_is_accepted_or_refused_with_a_letter(
    run, encode, write_bytes, position, value
):
    content = bytearray(encode(run.bold))
    for place, byte in zip(position, value, strict=False):
        content[place] = byte
    path = write_bytes(bytes(content), ".nii")
    try:
        header = read_header(path)
        grid = grid_of(path, header)
    except BidsmaskError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert n_bytes(header) + header["vox_offset"] == path.stat().st_size
        assert np.isfinite(np.linalg.inv(grid.affine)).all()
    path.unlink()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_versions_and_both_byte_orders_are_read(run, write_image, suffix, version, order):
    path = write_image(run.bold, suffix, version=version, order=order)
    header = read_header(path)
    assert header.get_data_shape() == run.bold.shape
    np.testing.assert_allclose(grid_of(path, header).affine, run.affine)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    assert "does not exist" in refusal(tmp_path / "bold.nii.gz")
    (tmp_path / "folder.nii.gz").mkdir()
    assert "not a regular file" in refusal(tmp_path / "folder.nii.gz")


def test_a_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "bold.nii.gz")
    assert "not a regular file" in refusal(tmp_path / "bold.nii.gz")


def test_a_dangling_link_asks_for_datalad_get(tmp_path):
    path = tmp_path / "bold.nii.gz"
    path.symlink_to(tmp_path / ".git" / "annex" / "objects" / "key")
    assert f"datalad get {path}" in refusal(path)


def test_a_link_to_content_that_is_there_is_followed(run, write_image, tmp_path):
    path = tmp_path / "sub-01_bold.nii.gz"
    path.symlink_to(write_image(run.bold))
    assert read_header(path).get_data_shape() == run.bold.shape


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"/annex/objects/MD5E-s123--0123456789abcdef.nii.gz\n", "datalad get"),
        (b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
        (b"<html></html>", "web page"),
        (b"just text", "not gzip compressed"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(write_bytes, content, words):
    assert words in refusal(write_bytes(content, ".nii.gz", raw=True))


def test_a_file_of_another_format_is_refused(write_bytes):
    assert "only NIfTI" in refusal(write_bytes(b"anything", ".mgz"))
    assert "not a NIfTI" in refusal(write_bytes(b"BRIK", ".nii.gz"))
    assert "not a NIfTI" in refusal(write_bytes(b"a", ".nii"))


def test_a_name_that_lies_about_compression_is_refused(run, write_bytes, encode, write_image):
    compressed = write_image(run.bold).read_bytes()
    assert "call it .nii.gz" in refusal(write_bytes(compressed, ".nii"))
    assert "call it .nii" in refusal(write_bytes(encode(run.bold), ".nii.gz", raw=True))


def test_a_header_and_image_pair_is_refused(run, write_image):
    assert "in one piece" in refusal(write_image(run.bold, magic=b"ni1"))


def test_a_file_that_ends_within_its_header_is_refused(run, encode, write_bytes):
    assert "not a NIfTI" in refusal(write_bytes(encode(run.bold)[:200]))
    assert "not a NIfTI" in refusal(write_bytes(encode(run.bold)[:200], ".nii"))


@pytest.mark.parametrize(
    "dim",
    [
        [4, 32767, 32767, 32767, 32767, 1, 1, 1],
        [4, 7, -6, 5, 11, 1, 1, 1],
        [4, 7, 0, 5, 11, 1, 1, 1],
        [0, 7, 6, 5, 11, 1, 1, 1],
        [9, 7, 6, 5, 11, 1, 1, 1],
        [-4, 7, 6, 5, 11, 1, 1, 1],
        [2, 7, 6, 1, 1, 1, 1, 1],
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_absurd_dimensions_are_refused_without_reserving_memory(run, write_image, dim, suffix):
    path = write_image(run.bold, suffix, dim=dim)
    tracemalloc.start()
    refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 1e7
    tracemalloc.stop()


def test_a_plain_file_of_another_length_than_claimed_is_refused_with_both_counts(
    run, encode, write_bytes
):
    content = encode(run.bold)
    short, long = write_bytes(content[:-100], ".nii"), write_bytes(content + b"abc", ".nii")
    for path, size in (short, len(content) - 100), (long, len(content) + 3):
        message = refusal(path)
        assert f"{len(content)} bytes in all" in message
        assert f"there are {size}" in message


@pytest.mark.parametrize("offset", [np.nan, np.inf, -1.0, 0.0, 348.0, 352.5])
def test_voxels_that_start_nowhere_are_refused(run, write_image, offset):
    assert "voxels start at byte" in refusal(write_image(run.bold, vox_offset=offset))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_start_behind_the_end_are_refused(run, write_image, suffix):
    assert "bytes" in refusal(write_image(run.bold, suffix, vox_offset=1e9))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (32, "complex64"),
        (128, "RGB"),
        (2304, "RGBA"),
        (1, "binary"),
        (1536, "float128"),
        (999, "999 is unknown"),
    ],
)
def test_voxels_without_an_average_are_refused(run, write_image, code, words):
    assert words in refusal(write_image(run.bold, datatype=code))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_real_type_is_read(run, write_image, dtype):
    path = write_image(np.abs(run.bold % 100), dtype=dtype)
    assert read_header(path).get_data_dtype() == np.dtype(dtype)


def test_a_slope_without_an_intercept_is_refused(run, encode, write_bytes):
    header = bytearray(encode(run.bold))
    header[112:120] = np.array([2.0, np.nan], dtype="<f4").tobytes()
    assert "scaling is undefined" in refusal(write_bytes(bytes(header)))


def test_an_orientation_that_nobody_states_is_refused(run, write_image):
    assert "orientation is unknown" in refusal(write_image(run.bold, sform_code=0))


@pytest.mark.parametrize(("affine", "words"), [(SINGULAR, "singular"), (SINGULAR * np.nan, "fin")])
def test_an_affine_that_cannot_be_inverted_is_refused(run, write_image, affine, words):
    assert words in refusal(write_image(run.bold, affine=affine))


def test_a_quaternion_that_is_none_is_refused(run, write_image):
    path = write_image(run.bold, sform_code=0, qform_code=1, quatern_b=np.nan)
    assert "affine cannot be used" in refusal(path)


def test_the_sform_goes_before_the_qform(run, write_image):
    path = write_image(run.bold, qform_code=1, qoffset_x=500)
    np.testing.assert_allclose(grid_of(path, read_header(path)).affine, run.affine)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_named(run, write_image):
    path = write_image(run.bold)
    path.chmod(0)
    assert "permissions" in refusal(path)


def test_a_name_too_long_for_the_system_is_a_letter_too(tmp_path):
    with pytest.raises(BidsmaskError, match="reading failed"):
        read_header(tmp_path / ("x" * 4000 + ".nii"))
