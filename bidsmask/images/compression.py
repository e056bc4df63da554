"""gzip, as fast as this machine can, and what its failures mean."""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from bidsmask.errors import ImageError, StorageError

COPY_AGAIN = "Copy the file again from where it came from."

_WRITE_LEVEL = 1  # of isal and of zlib alike: nearly as small as the higher ones, and far faster

_N_COMPRESSORS = 2  # as a rule, as fast as a disk takes it


def _fastest_gzip() -> Any:
    try:  # several times as fast; there are machines for which it is not built
        from isal import igzip
    except ModuleNotFoundError:
        return gzip
    return igzip


def _inflate_errors() -> tuple[Any, ...]:
    try:
        from isal.isal_zlib import IsalError
    except ModuleNotFoundError:
        return EOFError, zlib.error, gzip.BadGzipFile
    return EOFError, zlib.error, gzip.BadGzipFile, IsalError


def _fastest_crc32() -> Any:
    try:
        from isal.isal_zlib import crc32
    except ModuleNotFoundError:
        return zlib.crc32
    return crc32


def _fastest_zlib() -> Any:
    try:
        from isal import isal_zlib
    except ModuleNotFoundError:
        return zlib
    return isal_zlib


_GZIP = _fastest_gzip()
_ZLIB = _fastest_zlib()
_CRC32 = _fastest_crc32()
INFLATE_ERRORS = _inflate_errors()
"""What a broken stream raises."""


def is_gzip(path: Path) -> bool:
    """Whether a file should be compressed, by its name."""
    return path.name.endswith(".gz")


def open_bytes(path: Path) -> Any:
    """Open a file, compressed or not, to read its uncompressed bytes."""
    return _GZIP.open(path, "rb") if is_gzip(path) else path.open("rb", buffering=0)


def inflater() -> Any:
    """Give what inflates a stream of zlib's, or of gzip's, piece by piece, as zlib's does it."""
    return _ZLIB.decompressobj(wbits=47)


def compress(content: bytes) -> bytes:
    """Compress bytes; with the same zlib the same bytes always give the same result.

    The standard library does it and not isal: what isal writes depends on the processor, and now
    and then differs on the same one.

    Examples
    --------
    >>> import gzip
    >>> gzip.decompress(compress(b"brain"))
    b'brain'
    """
    return gzip.compress(content, _WRITE_LEVEL, mtime=0)


def create_bytes(path: Path) -> Any:
    """Open a file to write bytes that are compressed, on threads of their own, by its name.

    For what is large: the compressed bytes, and only they, can differ from one writing to another.
    """
    if not is_gzip(path):
        return path.open("wb")
    try:
        from isal import igzip_threaded
    except ModuleNotFoundError:
        return gzip.GzipFile(path, "wb", _WRITE_LEVEL, mtime=0)
    threaded: Any = igzip_threaded
    return threaded.open(path, "wb", _WRITE_LEVEL, threads=_N_COMPRESSORS)


def checksum(values: Any, before: int = 0) -> int:
    """CRC-32 of the bytes of a C-contiguous buffer, going on from that of what came before."""
    return int(_CRC32(values, before))


# --- pieces of one gzip member, put together by hand ---------------------------------------------

GZIP_START = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255])
"""No name, no time; compressed by the fastest way, on any system (RFC 1952)."""

MOST_STORED = 0xFFFF
"""Bytes that a stored block can hold at the most."""


def start_of_stored(n_bytes: int) -> bytes:
    """Give what stands before bytes that are stored as they are (RFC 1951, 3.2.4).

    Like what `zeros` gives, it has to begin with a byte of its own, and so does what follows.
    """
    return struct.pack("<BHH", 0, n_bytes, n_bytes ^ MOST_STORED)


@lru_cache(maxsize=4096)
def zeros(n_bytes: int) -> bytes:
    """Give compressed bytes that are all 0, independent of what came before."""
    return deflated(bytes(n_bytes)) if n_bytes else b""


def deflated(content: Any) -> bytes:
    """Compress a piece so that it depends on none before it, and others may follow.

    Examples
    --------
    >>> pieces = deflated(b"bra"), deflated(b"in")
    >>> content = b"brain"
    >>> whole = GZIP_START + b"".join(pieces) + gzip_end(checksum(content), len(content))
    >>> gzip.decompress(whole)
    b'brain'
    """
    compressor = zlib.compressobj(_WRITE_LEVEL, wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH)


def gzip_end(crc: int, n_bytes: int) -> bytes:
    """Give an empty last block, the checksum of all that was compressed, and its length."""
    return b"\x03\x00" + struct.pack("<LL", crc, n_bytes & 0xFFFFFFFF)


# --- damage --------------------------------------------------------------------------------------


def first_bytes(path: Path, count: int) -> bytes:
    """Read the first uncompressed bytes of a compressed file, however it ends."""
    with _patient(path) as file:
        return file.read(count)


def n_readable_bytes(path: Path) -> int:
    """Count the uncompressed bytes of a compressed file, up to its end or where it is damaged."""
    count = 0
    with _patient(path) as file, suppress(*INFLATE_ERRORS):
        while piece := file.read1(io.DEFAULT_BUFFER_SIZE):
            count += len(piece)
    return count


def _patient(path: Path) -> gzip.GzipFile:
    """Open with the standard library: isal keeps back the last piece before a damage."""
    return gzip.open(path, "rb")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what reading a file may raise into a letter that names the file.

    Raises
    ------
    ImageError
        If compressed data are damaged, or the file may not be read.
    StorageError
        If the disk fails.
    """
    try:
        yield
    except INFLATE_ERRORS as error:
        raise ImageError(f"{path}: the gzip data are corrupt ({error}). {COPY_AGAIN}") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read; check its permissions.") from error
    except OSError as error:
        raise StorageError(f"{path}: reading failed ({error.strerror or error}).") from error
