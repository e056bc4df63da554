import gzip
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.errors import ImageError, StorageError
from bidsmask.images import compression
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series
from bidsmask.images.stream import BoldStream
from bidsmask.numerics.threads import n_threads


def read_all(path, block_volumes=None):
    """The whole run, scaled, as (T, X, Y, Z)."""
    stream = BoldStream(path, block_volumes)
    volumes = np.concatenate([stream.scale(block).copy() for _, block in stream.blocks()])
    return volumes.transpose(0, 3, 2, 1)


def refusal(path, block_volumes=None):
    with pytest.raises(ImageError) as caught:
        read_all(path, block_volumes)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=["isal", "standard library"])
def either_gzip(request, monkeypatch):
    """Both ways to decompress."""
    if request.param == "standard library":
        monkeypatch.setattr(compression, "_GZIP", gzip)


@settings(deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from(["i2", "i4", "u4", "f4", "f8", "i8"]),
    order=st.sampled_from("<>"),
    version=st.sampled_from([1, 2]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    scaling=st.sampled_from([(1.0, 0.0), (0.5, -1000.0), (0.25, -500.0)]),
    block_volumes=st.integers(1, 13),
)
def test_how_a_run_is_stored_and_cut_changes_no_value(
    run, write_image, dtype, order, version, suffix, scaling, block_volumes
):
    bold = run.bold if dtype != "u4" else np.abs(run.bold)
    slope, inter = scaling
    how = {"dtype": dtype, "order": order, "version": version, "slope": slope, "inter": inter}
    path = write_image(bold, suffix, **how)
    volumes = read_all(path, block_volumes)
    path.unlink()
    np.testing.assert_array_equal(np.moveaxis(volumes, 0, -1), bold)


@given(block_volumes=st.integers(1, 13))
@settings(deadline=None, max_examples=13)
def test_every_volume_comes_once_and_in_order(run, write_image, block_volumes):
    stream = BoldStream(write_image(run.bold), block_volumes)
    slices = [volumes for volumes, _ in stream.blocks()]
    assert [t for volumes in slices for t in range(11)[volumes]] == list(range(11))
    assert all(volumes.stop - volumes.start == block_volumes for volumes in slices[:-1])


def test_a_block_is_as_it_lies_in_the_file_and_read_only(run, write_image):
    stream = BoldStream(write_image(run.bold, order=">"), 4)
    volumes, block = next(stream.blocks())
    assert volumes == slice(0, 4)
    assert block.dtype == np.dtype(">i2")
    assert block.flags.c_contiguous
    assert not block.flags.writeable
    np.testing.assert_array_equal(block[2], run.bold[..., 2].T)


def test_a_stream_can_be_read_twice(run, write_image):
    stream = BoldStream(write_image(run.bold), 3)
    first, second = ([block.copy() for _, block in stream.blocks()] for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_a_stream_says_what_it_will_give(run, write_image):
    stream = BoldStream(write_image(run.bold))
    assert stream.grid == Grid(shape=run.shape, affine=run.affine)
    assert stream.n_volumes == 11
    assert open_series(stream.path).t_r == 2.0


@pytest.mark.parametrize(
    ("value", "units", "t_r"),
    [(2000, 16, 2.0), (2e6, 24, 2.0), (2, 0, 2.0), (2, 8, 2.0), (0, 8, None), (-1, 8, None)],
)
def test_the_repetition_time_of_the_header_is_in_seconds_or_missing(
    run, write_image, value, units, t_r
):
    pixdim = [1, 2, 2, 2, value, 0, 0, 0]
    stream = BoldStream(write_image(run.bold, pixdim=pixdim, xyzt_units=units | 2))
    assert open_series(stream.path).t_r == (None if t_r is None else pytest.approx(t_r))


def test_blocks_are_bounded_by_bytes(write_image):
    # 2.1 MB a volume: two fit into 5 MB, unless there are more threads to work on them
    stream = BoldStream(write_image(np.zeros((128, 128, 64, 9), dtype="i2"), ".nii"))
    at_once = max(2, n_threads())
    stops = [volumes.stop for volumes, _ in stream.blocks()]
    assert stops == [*range(at_once, 9, at_once), 9]


def test_memory_does_not_grow_with_the_number_of_volumes(write_image):
    peaks = []
    for n_volumes in 20, 200:
        stream = BoldStream(write_image(np.ones((30, 30, 30, n_volumes), dtype="i2")), 4)
        tracemalloc.start()
        for _ in stream.blocks():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_the_thread_ends_with_the_reading(run, write_image):
    before = threading.active_count()
    read_all(write_image(run.bold), 2)
    assert threading.active_count() == before


def test_the_thread_ends_when_the_consumer_stops_early(run, write_image):
    before = threading.active_count()
    blocks = BoldStream(write_image(run.bold), 2).blocks()
    next(blocks)
    blocks.close()
    assert threading.active_count() == before


def test_the_thread_ends_when_the_consumer_fails(run, write_image):
    before = threading.active_count()

    def consume():
        for _ in BoldStream(write_image(run.bold), 2).blocks():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert threading.active_count() == before


def test_the_thread_ends_when_the_file_is_damaged(run, write_image):
    path = write_image(run.bold)
    path.write_bytes(path.read_bytes()[:-2000])
    before = threading.active_count()
    refusal(path, 2)
    assert threading.active_count() == before


@pytest.mark.usefixtures("either_gzip")
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_truncated_file_is_refused_with_both_byte_counts(run, write_image, share):
    path = write_image(run.bold)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = refusal(path, 2)
    assert "is truncated" in message
    assert f"{352 + run.bold.nbytes} bytes in all, and there are " in message
    assert "Copy the file again" in message


@pytest.mark.usefixtures("either_gzip")
def test_a_truncated_file_tells_how_many_bytes_are_left(run, encode, write_bytes):
    content = encode(run.bold)
    message = refusal(write_bytes(content[: int(0.61 * len(content))]), 2)
    assert f"there are {int(0.61 * len(content))} (61%)" in message


@pytest.mark.usefixtures("either_gzip")
@pytest.mark.parametrize("n_lost", [1, 4, 8])
def test_a_lost_trailer_is_refused(run, write_image, n_lost):
    path = write_image(run.bold)
    path.write_bytes(path.read_bytes()[:-n_lost])
    assert "gzip data are corrupt" in refusal(path)


@pytest.mark.usefixtures("either_gzip")
@pytest.mark.parametrize("place", [-8, -1])
def test_a_wrong_checksum_or_length_is_refused(run, write_image, place):
    path = write_image(run.bold)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(bytes(content))
    assert "gzip data are corrupt" in refusal(path)


@settings(deadline=None, max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_ever_changes_a_value(run, write_image, write_bytes, place, bit):
    content = bytearray(write_image(run.bold).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path = write_bytes(bytes(content), raw=True)
    try:
        volumes = read_all(path)
    except ImageError:
        return
    np.testing.assert_array_equal(np.moveaxis(volumes, 0, -1), run.bold)  # gzip's time stamp, say


@pytest.mark.usefixtures("either_gzip")
def test_a_file_of_several_gzip_members_is_read(run, encode, write_bytes):
    content = encode(run.bold)
    members = [content[:100], content[100:4000], content[4000:]]
    path = write_bytes(b"".join(map(gzip.compress, members)), raw=True)
    np.testing.assert_array_equal(np.moveaxis(read_all(path, 3), 0, -1), run.bold)


@pytest.mark.usefixtures("either_gzip")
def test_bytes_after_the_last_voxel_are_refused_with_both_counts(run, encode, write_bytes):
    content = encode(run.bold)
    message = refusal(write_bytes(content + b"more"))
    assert "goes on after its last voxel" in message
    assert f"{len(content)} bytes in all, and there are {len(content) + 4}." in message


def test_garbage_after_the_gzip_stream_is_refused(run, write_image):
    path = write_image(run.bold)
    path.write_bytes(path.read_bytes() + b"garbage that is no gzip member")
    assert "gzip data are corrupt" in refusal(path)


def test_a_header_that_claims_less_or_more_is_refused(run, write_image):
    fewer = write_image(run.bold, dim=[4, 7, 6, 5, 10, 1, 1, 1])
    more = write_image(run.bold, dim=[4, 7, 6, 5, 12, 1, 1, 1])
    assert "goes on" in refusal(fewer)
    assert "is truncated" in refusal(more)


def test_a_bomb_behind_the_last_voxel_is_not_unpacked_to_its_end(run, encode, write_bytes):
    path = write_bytes(encode(run.bold) + bytes(100 << 20))
    tracemalloc.start()
    message = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert " or more." in message


def test_voxels_may_start_behind_an_extension(run, encode, write_bytes):
    for suffix in ".nii", ".nii.gz":
        content = bytearray(encode(run.bold, vox_offset=352 + 400_000))
        path = write_bytes(bytes(content[:352]) + bytes(400_000) + bytes(content[352:]), suffix)
        np.testing.assert_array_equal(np.moveaxis(read_all(path), 0, -1), run.bold)


def test_axes_of_length_one_after_the_fourth_are_no_axes(run, write_image):
    path = write_image(run.bold[..., None, None])
    np.testing.assert_array_equal(np.moveaxis(read_all(path), 0, -1), run.bold)


@pytest.mark.parametrize("bold", ["volume", "five axes"])
def test_a_run_has_four_axes(run, write_image, bold):
    array = {"volume": run.bold[..., 0], "five axes": np.stack([run.bold] * 2, axis=-1)}[bold]
    with pytest.raises(ImageError, match="a BOLD run has 4"):
        BoldStream(write_image(array))


def test_a_disk_that_fails_is_not_the_image_that_is_wrong(run, write_image, monkeypatch):
    stream = BoldStream(write_image(run.bold))

    class Failing:
        def readinto(self, target):
            raise OSError(5, "Input/output error")

        def close(self):
            pass

    monkeypatch.setattr("bidsmask.images.voxel_bytes.open_bytes", lambda path: Failing())
    with pytest.raises(StorageError, match="Input/output error"):
        next(stream.blocks())
