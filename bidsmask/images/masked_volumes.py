"""Images of many volumes that are 0 outside of a mask, written without ever being held.

Where the zeros are is the same in every volume, and measured values do not compress: of float32
numbers next to nothing but the sign and the exponent repeats. So the zeros are compressed once
for all volumes, and the values stand between them as they are. The file is an eighth larger than
what zlib makes of it at its fastest, and is written and read again several times as fast. Its
bytes depend neither on the processor nor on how many threads there are.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.errors import SpaceError
from bidsmask.images.compression import (
    GZIP_START,
    MOST_STORED,
    checksum,
    deflated,
    gzip_end,
    start_of_stored,
    zeros,
)
from bidsmask.images.grid import Grid
from bidsmask.images.io import header_bytes
from bidsmask.numerics.threads import in_order

_DTYPE = np.dtype(np.float32)
_NAN = np.float32(np.nan)

_SHORT_GAP = 3
"""So many zeros between values are shorter than the words that would say so."""


class Rows(Protocol):
    """Values of V voxels in T volumes, one volume at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """T and V."""
        ...

    def __getitem__(self, number: int, /) -> Any:
        """Values (V,) of a volume."""
        ...


def image_pieces(
    signals: Rows,
    *,
    mask: BoolArray,
    grid: Grid,
    t_r: float | None = None,
    change: Callable[[FloatArray], FloatArray] | None = None,
) -> Iterator[bytes]:
    """Give the content of a ``.nii.gz`` file of the voxels of a mask, piece by piece.

    Parameters
    ----------
    signals : array, SignalsOnDisk or other rows of shape (T, V)
        Read volume by volume, some at a time.
    mask : bool array of shape (X, Y, Z)
        Voxels that the signals belong to, flat with x running fastest. All others are 0.
    grid : Grid
    t_r : float, optional
        Repetition time in seconds. By default 0: volumes do not follow each other evenly.
    change : callable, optional
        Makes of each volume (V,) another one, such as a smoothed one; several threads call it.

    Yields
    ------
    piece : bytes
        All of them together are one NIfTI-1 image (X, Y, Z, T) of type float32, unscaled, in one
        gzip member. The same signals always give the same bytes.

    Raises
    ------
    SpaceError
        If the mask does not fit the grid or the signals.

    Notes
    -----
    Deflate (RFC 1951) is a sequence of blocks: "stored" ones hold the values of neighbouring
    voxels, compressed ones the zeros between them.

    Examples
    --------
    >>> import gzip
    >>> grid = Grid(shape=(2, 1, 1), affine=np.eye(4))
    >>> mask = np.array([False, True]).reshape(2, 1, 1)
    >>> content = b"".join(image_pieces(np.array([[3.0], [4.0]]), mask=mask, grid=grid))
    >>> np.frombuffer(gzip.decompress(content), dtype=np.float32, offset=352)
    array([0., 3., 0., 4.], dtype=float32)
    """
    inside = np.flatnonzero(mask.ravel(order="F"))
    n_volumes, n_voxels = signals.shape
    if mask.shape != grid.shape or inside.size != n_voxels:
        raise SpaceError(
            f"A mask of shape {mask.shape} with {inside.size} voxels does not fit signals of "
            f"{n_voxels} voxels on a {grid}."
        )
    packing = _Packing(inside, grid.n_voxels)

    def pack(number: int) -> tuple[FloatArray, bytes]:
        values = np.asarray(signals[number], dtype=_DTYPE)
        if change is not None:
            values = np.asarray(change(values), dtype=_DTYPE)
        values = np.where(np.isnan(values), _NAN, values)  # whichever kind of NaN it was
        return values, packing(values)

    header = header_bytes(grid, n_volumes, _DTYPE, t_r)
    yield GZIP_START + deflated(header)
    crc, volume = checksum(header), np.zeros(grid.n_voxels, dtype=_DTYPE)
    for values, packed in in_order(pack, range(n_volumes)):
        volume[inside] = values
        crc = checksum(volume, crc)
        yield packed
    yield gzip_end(crc, len(header) + n_volumes * volume.nbytes)


class _Packing:
    """Compresses volumes that are 0 outside of the same voxels.

    Parameters
    ----------
    inside : int array of shape (V,)
        Flat indices, increasing.
    n_voxels : int
        Of the whole volume.
    """

    def __init__(self, inside: IntArray, n_voxels: int) -> None:
        self._inside = inside
        self._n_voxels = n_voxels
        blocks, hold_values = zip(*_blocks(inside, n_voxels), strict=True)
        self._template = np.frombuffer(b"".join(blocks), dtype=np.uint8)
        self._values = np.concatenate(hold_values)

    def __call__(self, values: FloatArray) -> bytes:
        """Compress the volume that has those values (V,)."""
        if np.isnan(values).all():
            return self._of_missing
        packed = self._template.copy()
        packed[self._values] = values.view(np.uint8)
        return packed.tobytes()

    @cached_property
    def _of_missing(self) -> bytes:
        """Of a volume in which all values are missing: only they repeat."""
        volume = np.zeros(self._n_voxels, dtype=_DTYPE)
        volume[self._inside] = _NAN
        return deflated(volume)


def _blocks(inside: IntArray, n_voxels: int) -> Iterator[tuple[bytes, BoolArray]]:
    """Go through the blocks of a volume whose values are 0, and say which bytes are of values."""
    is_inside = np.zeros(n_voxels, dtype=bool)
    is_inside[inside] = True
    end = 0
    for start, stop in _stretches(inside):
        of_values = np.repeat(is_inside[start:stop], _DTYPE.itemsize)
        words = zeros((start - end) * _DTYPE.itemsize) + start_of_stored(of_values.size)
        yield words, np.zeros(len(words), dtype=bool)
        yield bytes(of_values.size), of_values
        end = stop
    words = zeros((n_voxels - end) * _DTYPE.itemsize)
    yield words, np.zeros(len(words), dtype=bool)


def _stretches(inside: IntArray) -> Iterator[tuple[int, int]]:
    """Start and stop of neighbouring voxels, short gaps included, that fit a stored block."""
    longest = MOST_STORED // _DTYPE.itemsize
    breaks = np.flatnonzero(np.diff(inside) > _SHORT_GAP + 1) + 1
    for voxels in np.split(inside, breaks):
        if voxels.size:
            for start in range(int(voxels[0]), int(voxels[-1]) + 1, longest):
                yield start, min(start + longest, int(voxels[-1]) + 1)
