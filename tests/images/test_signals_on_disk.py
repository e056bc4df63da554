"""Signals on the disk are an array of which only those are in memory that are asked for."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import ImageError, StorageError
from bidsmask.images.signals_on_disk import SignalsOnDisk

SHAPE = (7, 11)
PLACES = {"volumes": SHAPE[0], "columns": SHAPE[1]}


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture(params=[False, True], ids=["by volumes", "by columns"])
def signals(request, tmp_path, values):
    path = tmp_path / "signals.npy"
    with SignalsOnDisk.create(path, SHAPE, by_columns=request.param) as signals:
        signals[:] = values
        yield signals


@pytest.fixture(scope="module", params=[False, True], ids=["by volumes", "by columns"])
def lasting(request, tmp_path_factory, values):
    path = tmp_path_factory.mktemp("signals") / "signals.npy"
    with SignalsOnDisk.create(path, SHAPE, by_columns=request.param) as signals:
        signals[:] = values
        yield signals


def ranges(length):
    edges = st.none() | st.integers(-length - 1, length + 1)
    return st.builds(slice, edges, edges)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signals_keep_the_precision_that_is_asked_for(tmp_path, dtype):
    values = np.random.default_rng(1).normal(size=SHAPE).astype(dtype)
    path = tmp_path / "signals.npy"
    with SignalsOnDisk.create(path, SHAPE, dtype) as signals:
        signals[:, :5], signals[:, 5:] = values[:, :5], values[:, 5:]
        np.testing.assert_array_equal(signals[2:], values[2:])
    with SignalsOnDisk(path) as again:
        assert again.dtype == dtype
        np.testing.assert_array_equal(again[:], values)
    np.testing.assert_array_equal(np.load(path), values)


@given(volumes=ranges(7), columns=ranges(11))
def test_any_part_is_that_of_the_array(lasting, values, volumes, columns):
    np.testing.assert_array_equal(lasting[volumes, columns], values[volumes, columns])
    np.testing.assert_array_equal(lasting[volumes], values[volumes])


@given(volume=st.integers(-7, 6), columns=ranges(11))
def test_one_volume_is_that_of_the_array(lasting, values, volume, columns):
    np.testing.assert_array_equal(lasting[volume], values[volume])
    np.testing.assert_array_equal(lasting[volume, columns], values[volume, columns])


@given(volumes=ranges(7), columns=ranges(11), value=st.floats(width=32), by_columns=st.booleans())
def test_any_part_is_written_and_no_other(
    tmp_path_factory, values, volumes, columns, value, by_columns
):
    expected = values.copy()
    expected[volumes, columns] = value
    path = tmp_path_factory.mktemp("signals") / "signals.npy"
    with SignalsOnDisk.create(path, SHAPE, by_columns=by_columns) as signals:
        signals[:] = values
        signals[volumes, columns] = value
        np.testing.assert_array_equal(signals[:], expected)


def test_there_are_zeros_before_anything_is_written(tmp_path):
    with SignalsOnDisk.create(tmp_path / "new.npy", (3, 2)) as signals:
        assert len(signals) == 3
        assert signals.shape == (3, 2)
        assert not signals[:].any()


@pytest.mark.parametrize("by_columns", [False, True])
def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path, values, by_columns):
    path = tmp_path / "signals.npy"
    with SignalsOnDisk.create(path, SHAPE, by_columns=by_columns) as signals:
        signals[2] = values[2].astype(np.float64)
    with SignalsOnDisk(path) as again:
        assert again.by_columns == by_columns
        np.testing.assert_array_equal(again[2], values[2])
    np.testing.assert_array_equal(np.load(path)[2], values[2])


def test_threads_may_write_different_columns(signals, values):
    def write(column):
        signals[:, column : column + 1] = column * values[:, column : column + 1]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(SHAPE[1])))
    np.testing.assert_array_equal(signals[:], values * np.arange(11, dtype=np.float32))


@pytest.mark.parametrize("key", [slice(None, None, 2), (0, 1, 2), 7, -8, (0, 10)])
def test_what_is_not_there_or_not_in_order_is_an_index_error(signals, key):
    with pytest.raises(IndexError):
        signals[key]
    with pytest.raises(IndexError):
        signals[key] = 0


def test_values_of_another_shape_are_refused(signals):
    with pytest.raises(ValueError, match="shape"):
        signals[:, :3] = np.zeros((7, 2))


@pytest.mark.parametrize(
    "content",
    [np.zeros(3, np.float32), np.eye(2, dtype=int), np.zeros((2, 2, 2), np.float32)],
)
def test_another_array_is_refused_by_name(tmp_path, content):
    path = tmp_path / "other.npy"
    np.save(path, content)
    with pytest.raises(ImageError, match=r"other\.npy"):
        SignalsOnDisk(path)


def test_what_is_no_array_is_refused_by_name(tmp_path):
    path = tmp_path / "text.npy"
    path.write_text("no array")
    with pytest.raises(ImageError, match=r"text\.npy"):
        SignalsOnDisk(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"nothing\.npy"):
        SignalsOnDisk(tmp_path / "nothing.npy")
    with pytest.raises(StorageError, match="made"):
        SignalsOnDisk.create(tmp_path / "no_folder" / "nothing.npy", SHAPE)


def test_a_file_that_was_cut_is_a_storage_error(tmp_path):
    path = tmp_path / "signals.npy"
    with SignalsOnDisk.create(path, SHAPE) as signals:
        os.truncate(path, path.stat().st_size - 1)
        with pytest.raises(StorageError, match="ends too early"):
            signals[-1]


def test_a_full_disk_is_a_letter_and_no_crash(signals, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(StorageError, match=r"No space left on device.*another work folder"):
        signals[0] = 1


def test_what_the_system_reads_and_writes_in_pieces_is_whole(signals, values, monkeypatch):
    preadv, pwritev = os.preadv, os.pwritev
    monkeypatch.setattr(os, "preadv", lambda file, parts, at: preadv(file, [parts[0][:5]], at))
    monkeypatch.setattr(os, "pwritev", lambda file, parts, at: pwritev(file, [parts[0][:3]], at))
    signals[:] = 2 * values
    np.testing.assert_array_equal(signals[:], 2 * values)
