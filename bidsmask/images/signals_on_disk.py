"""Signals of so many columns that they wait on the disk instead of in memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.errors import ImageError, StorageError

_DTYPES = ("<f4", "<f8")


class SignalsOnDisk:
    """Signals (T, P) in a file, of which only those are in memory that are asked for.

    They are read and written like those of an array: some volumes, ``signals[3:5]``, one volume,
    ``signals[3]``, or some columns of some volumes, ``signals[:, 100:200]``. What is read is a
    copy. A mapped file (`numpy.memmap`) would do the same, but its pages count as memory of the
    process, and a full disk would kill it.

    The file is one of numpy's (``.npy``), so that `numpy.load` reads it as well: in C order where
    it is filled volume by volume, in Fortran's where that is done column by column. Several
    threads may read and write different parts at the same time.

    Parameters
    ----------
    path : Path
        A file that `create` made.

    Attributes
    ----------
    shape : two ints
        T and P.
    dtype : dtype
        float32 or float64.
    by_columns : bool
        Whether all volumes of a column lie together in the file, and not all columns of a volume.

    Raises
    ------
    ImageError
        If the file holds something else.
    StorageError
        If the disk is full or fails; also when values are read or written.

    Examples
    --------
    ::

        with SignalsOnDisk.create(path, (300, 240_000)) as signals:
            signals[:8] = first_volumes
            some = signals[:, :1000]
    """

    ndim = 2

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise self._failure("opened", error) from error
        try:
            self.shape, self.by_columns, self.dtype = self._read_header()
        except BaseException:
            self._file.close()
            raise
        self._start = self._file.tell()

    @classmethod
    def create(
        cls,
        path: Path,
        shape: tuple[int, int],
        dtype: Any = np.float32,
        *,
        by_columns: bool = False,
    ) -> Self:
        """Make a file for signals of a shape (T, P), all of them 0, and open it."""
        stored = np.dtype(dtype).newbyteorder("<")
        fields: Any = {"descr": stored.str, "fortran_order": by_columns, "shape": shape}
        try:
            with path.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, fields)
                file.truncate(file.tell() + shape[0] * shape[1] * stored.itemsize)
        except OSError as error:
            raise cls._failure_of(path, "made", error) from error
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> FloatArray:
        volumes, columns = self._ranges(key)
        values = np.empty((len(volumes), len(columns)), dtype=self.dtype, order=self._order)
        for part, position in self._parts(values, volumes, columns):
            self._transfer(os.preadv, part, position)
        return values if isinstance(_volumes_in(key), slice) else values[0]

    def __setitem__(self, key: Any, values: Array) -> None:
        volumes, columns = self._ranges(key)
        given = np.broadcast_to(values, (len(volumes), len(columns)))
        ordered = np.asarray(given, dtype=self.dtype, order=self._order)
        for part, position in self._parts(ordered, volumes, columns):
            self._transfer(os.pwritev, part, position)

    def _ranges(self, key: Any) -> tuple[range, range]:
        """Take an index apart: volumes, and columns."""
        keys = key if isinstance(key, tuple) else (key, slice(None))
        if len(keys) != 2 or not isinstance(keys[1], slice):
            raise IndexError(f"Signals on disk are read by ranges, and not by {key!r}.")
        volumes, columns = map(_range_of, keys, self.shape)
        if volumes.step != 1 or columns.step != 1:
            raise IndexError(f"Signals on disk are read in the order of the file, not by {key!r}.")
        return volumes, columns

    @property
    def _order(self) -> Literal["C", "F"]:
        return "F" if self.by_columns else "C"

    def _parts(self, values: Array, volumes: range, columns: range) -> Iterator[tuple[Array, int]]:
        """Go through what lies in one piece in the file: the values, and their position."""
        lines, along, length = volumes, columns, self.shape[1]
        if self.by_columns:
            lines, along, length, values = columns, volumes, self.shape[0], values.T
        places = (
            self._start + (line * length + along.start) * self.dtype.itemsize for line in lines
        )
        if len(along) == length:
            yield values, next(places, self._start)
        else:
            yield from zip(values, places, strict=True)

    def _transfer(self, call: Callable[..., int], values: Array, position: int) -> None:
        """Let all bytes of a C-contiguous array be read or written."""
        rest = values.reshape(-1).view(np.uint8).data
        while rest:
            try:
                count = call(self._file.fileno(), [rest], position)
            except OSError as error:
                raise self._failure("used", error) from error
            if not count:
                raise StorageError(f"{self._path} ends too early; somebody has cut it.")
            rest, position = rest[count:], position + count

    def _read_header(self) -> tuple[tuple[int, int], bool, np.dtype[Any]]:
        try:
            version = np.lib.format.read_magic(self._file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(self._file)
        except ValueError as error:
            raise ImageError(f"{self._path} does not hold signals ({error}).") from error
        if version != (1, 0) or dtype.str not in _DTYPES or len(shape) != 2:
            raise ImageError(f"{self._path} does not hold signals (T, P) of a floating type.")
        return shape, fortran, dtype

    def _failure(self, what: str, error: OSError) -> StorageError:
        return self._failure_of(self._path, what, error)

    @staticmethod
    def _failure_of(path: Path, what: str, error: OSError) -> StorageError:
        return StorageError(
            f"{path}: signals that wait here on the disk cannot be {what} "
            f"({error.strerror or error}). Make room, or choose another work folder with -w."
        )


@contextmanager
def new_signals(
    path: Path, shape: tuple[int, int], dtype: Any = np.float32, *, by_columns: bool = False
) -> Iterator[SignalsOnDisk]:
    """Make a file of signals (T, V), which has its name only once it has been filled."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    try:
        with SignalsOnDisk.create(unfinished, shape, dtype, by_columns=by_columns) as signals:
            yield signals
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def passing_signals(
    path: Path, shape: tuple[int, int], *, by_columns: bool = False
) -> Iterator[SignalsOnDisk]:
    """Make a file of signals (T, V) that is gone afterwards."""
    try:
        with SignalsOnDisk.create(path, shape, by_columns=by_columns) as signals:
            yield signals
    finally:
        path.unlink(missing_ok=True)


def _volumes_in(key: Any) -> Any:
    return key[0] if isinstance(key, tuple) else key


def _range_of(key: Any, length: int) -> range:
    if isinstance(key, slice):
        return range(length)[key]
    place = range(length)[key]
    return range(place, place + 1)


Signals = Array | SignalsOnDisk
"""Signals (T, P), in memory or on the disk."""
