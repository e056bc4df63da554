"""An image written by volumes is the one that would have been written at once."""

import gzip
import shutil
import subprocess
import zlib

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.masking import apply_mask
from worlds.masker_world import AXES, centred_affine

from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.io import image_bytes
from bidsmask.images.masked_volumes import image_pieces
from bidsmask.images.series import open_series
from bidsmask.images.signals_on_disk import SignalsOnDisk
from bidsmask.images.stream import BoldStream
from bidsmask.numerics import threads

SHAPE = (9, 7, 8)


def grid_of(shape=SHAPE, axes="LPS"):
    return Grid(shape=shape, affine=centred_affine(AXES[axes], (2.0, 2.0, 3.0), shape))


def content_of(signals, mask, grid, **options):
    return b"".join(image_pieces(signals, mask=mask, grid=grid, **options))


def volumes_of(signals, mask):
    volumes = np.zeros((*mask.shape, len(signals)), dtype=np.float32, order="F")
    for number, values in enumerate(signals):
        flat = np.zeros(mask.size, dtype=np.float32)
        flat[mask.ravel(order="F")] = values
        volumes[..., number] = flat.reshape(mask.shape, order="F")
    return volumes


def world(seed, share=0.4, n_volumes=3, shape=SHAPE):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < share
    signals = rng.normal(size=(n_volumes, np.count_nonzero(mask))).astype(np.float32)
    return signals, mask


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1), n_volumes=st.integers(1, 4))
def test_the_uncompressed_bytes_are_those_of_the_whole_image(seed, share, n_volumes):
    signals, mask = world(seed, share, n_volumes)
    whole = image_bytes(volumes_of(signals, mask), grid_of(), t_r=0.8)
    assert gzip.decompress(content_of(signals, mask, grid_of(), t_r=0.8)) == gzip.decompress(whole)


def test_stretches_longer_than_a_block_can_hold_are_written():
    shape = (40, 40, 31)
    signals, mask = world(0, share=1, n_volumes=2, shape=shape)
    whole = image_bytes(volumes_of(signals, mask), grid_of(shape), t_r=2.0)
    content = content_of(signals, mask, grid_of(shape), t_r=2.0)
    assert gzip.decompress(content) == gzip.decompress(whole)


def test_there_is_one_gzip_member_and_nothing_behind_it():
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    reader.decompress(content_of(*world(1), grid_of()))
    assert reader.eof
    assert not reader.unused_data


@pytest.mark.skipif(shutil.which("gzip") is None, reason="needs gzip")
def test_the_system_s_gzip_finds_the_checksum_right(tmp_path):
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content_of(*world(1), grid_of()))
    subprocess.run(["gzip", "--test", path], check=True)


def test_without_a_repetition_time_none_is_invented(tmp_path):
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content_of(*world(1), grid_of()))
    assert nib.load(path).header.get_zooms()[3] == 0
    assert open_series(path).t_r is None


@pytest.mark.parametrize("axes", AXES)
def test_readers_give_the_signals_back(tmp_path, axes):
    signals, mask = world(2)
    grid = grid_of(axes=axes)
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content_of(signals, mask, grid, t_r=1.5))
    image = nib.load(path)
    assert Grid.from_image(image) == grid
    assert image.header.get_zooms()[3] == np.float32(1.5)
    volumes = volumes_of(signals, mask)
    np.testing.assert_array_equal(image.get_fdata(), volumes)
    mask_image = nib.Nifti1Image(mask.astype(np.uint8), grid.affine)
    np.testing.assert_array_equal(apply_mask(image, mask_image), volumes[mask].T)
    for some, block in BoldStream(path).blocks():
        np.testing.assert_array_equal(block.T, volumes[..., some])


def test_neither_threads_nor_where_signals_wait_change_a_byte(tmp_path, monkeypatch):
    signals, mask = world(3, n_volumes=9)
    expected = content_of(signals, mask, grid_of())
    with SignalsOnDisk.create(tmp_path / "signals.npy", signals.shape) as on_disk:
        on_disk[:] = signals
        for n_threads in 1, 4:
            monkeypatch.setattr(threads, "n_threads", lambda n=n_threads: n)
            assert content_of(on_disk, mask, grid_of()) == expected


def test_missing_volumes_and_voxels_are_written_and_take_little():
    signals, mask = world(4, share=1, shape=(20, 20, 20))
    signals[1] = np.nan
    signals[2, :5] = np.nan
    content = content_of(signals, mask, grid_of(mask.shape))
    volumes = np.frombuffer(gzip.decompress(content), np.float32, offset=352).reshape(3, -1)
    np.testing.assert_array_equal(volumes, signals)
    assert len(content) < 2.2 * signals[0].nbytes


def test_the_kind_of_nan_changes_no_byte():
    signals, mask = world(5)
    signals[1] = signals[2, 0] = np.nan
    of_another_kind = np.where(np.isnan(signals), np.copysign(np.float32(np.nan), -1), signals)
    assert of_another_kind.tobytes() != signals.tobytes()
    content = content_of(of_another_kind, mask, grid_of())
    assert content == content_of(signals, mask, grid_of())
    assert gzip.decompress(content)


def test_each_volume_is_changed_as_asked():
    signals, mask = world(6)
    assert content_of(signals, mask, grid_of(), change=lambda values: 2.0 * values) == content_of(
        2 * signals, mask, grid_of()
    )


def test_an_empty_mask_gives_volumes_of_zeros():
    mask = np.zeros(SHAPE, dtype=bool)
    content = content_of(np.zeros((2, 0), np.float32), mask, grid_of())
    assert not np.frombuffer(gzip.decompress(content), np.float32, offset=352).any()


def test_values_that_compress_badly_are_hardly_larger_than_they_were():
    signals, mask = world(7, share=1, shape=(40, 40, 31), n_volumes=1)
    assert len(content_of(signals, mask, grid_of(mask.shape))) < 1.01 * signals.nbytes


@pytest.mark.parametrize(("shape", "n_voxels"), [((9, 8, 7), 3), (SHAPE, 2)])
def test_a_mask_that_does_not_fit_is_refused(shape, n_voxels):
    mask = np.zeros(shape, dtype=bool)
    mask.flat[:3] = True
    with pytest.raises(SpaceError, match="does not fit"):
        content_of(np.zeros((2, n_voxels)), mask, grid_of())
