"""The voxels of an image file as a stream of bytes, checked to the last one."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array
from bidsmask.errors import ImageError
from bidsmask.images.compression import explained, is_gzip, n_readable_bytes, open_bytes
from bidsmask.images.header import n_bytes, wrong_length

_PIECE = 1 << 18  # fits the cache: zlib is a fifth faster than with 1 MB, isal the same
_ENOUGH = 1 << 26  # trailing bytes are not counted any further: they may be a bomb


class Payload:
    """Reads the voxels of a file in the order in which they are stored.

    After the last voxel the file is read to its end: only then is gzip's checksum compared,
    which nibabel leaves out.

    Parameters
    ----------
    path : Path
    header : nibabel header
        As `bidsmask.images.header.read_header` gives it.

    Examples
    --------
    ::

        with Payload(path, header) as payload:
            payload.read_into(first_volumes)
            payload.read_into(last_volumes)
            payload.finish()
    """

    def __init__(self, path: Path, header: Any) -> None:
        self._path = path
        self._header = header
        self._position = 0
        with explained(path):
            self._file = open_bytes(path)

    def __enter__(self) -> Self:
        self._skip(int(self._header["vox_offset"]))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read_into(self, array: Array) -> None:
        """Fill a C-contiguous array with the next bytes.

        Raises
        ------
        ImageError
            If the file ends before that (with both byte counts), or is corrupt.
        """
        self._fill(array.reshape(-1).view(np.uint8).data)

    def finish(self) -> None:
        """Compare the checksum, and see that nothing comes after the last voxel.

        Raises
        ------
        ImageError
            If the checksum is wrong or missing, or there are more bytes.
        """
        expected, spare = self._position, memoryview(bytearray(_PIECE))
        while self._position < expected + _ENOUGH and (count := self._next(spare)):
            self._position += count
        if self._position > expected:
            unknown = self._position >= expected + _ENOUGH
            raise wrong_length(self._path, self._header, self._position, or_more=unknown)

    def _skip(self, count: int) -> None:
        if not is_gzip(self._path):
            self._file.seek(count)
            self._position = count
            return
        spare = memoryview(bytearray(min(count, _PIECE)))
        for start in range(0, count, _PIECE):
            self._fill(spare[: count - start])

    def _fill(self, target: memoryview) -> None:
        filled = 0
        while filled < len(target):
            count = self._next(target[filled : filled + _PIECE])
            if not count:
                raise wrong_length(self._path, self._header, self._position)
            filled += count
            self._position += count

    def _next(self, target: memoryview) -> int:
        """Read what comes next, at most to the end of `target`; 0 at the end of the file."""
        try:
            with explained(self._path):
                return int(self._file.readinto(target))
        except ImageError as error:
            if isinstance(error.__cause__, EOFError):
                self._explain_early_end()
            raise

    def _explain_early_end(self) -> None:
        """Tell a file that lost voxels from one that lost no more than gzip's last words."""
        found = n_readable_bytes(self._path)
        if found < int(self._header["vox_offset"]) + n_bytes(self._header):
            raise wrong_length(self._path, self._header, found)
