"""Blocks of volumes: arrays (n, Z, Y, X), in whatever order their values lie in memory.

In a file x runs fastest and volumes follow each other, so a block is one piece of memory. An image
in memory is looked at where it is: numpy's own order has the values of a voxel side by side, and
there it is faster to take whole lines of them than one volume after the other.
"""

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.numerics.threads import Crew, in_order, n_threads

_FEW = 1 << 20
"""Bytes that are copied or added up before another thread is awake."""

_MOST_ADDED_IN_SINGLE = 32

_VOXELS_AT_ONCE = 8192
"""Their values in a block stay in the processor's cache while they change places."""


def taken(block: Array, voxels: IntArray) -> Array:
    """Take some voxels out of volumes.

    Parameters
    ----------
    block : array of shape (n, Z, Y, X)
    voxels : int array of shape (V,)
        Flat indices, x running fastest.

    Returns
    -------
    values : array of shape (n, V)
        New memory, in C order.

    Examples
    --------
    >>> taken(np.arange(12).reshape(1, 2, 2, 3), np.array([3, 11]))
    array([[ 3, 11]])
    """
    if len(block) == 1:  # faster to turn as a whole
        block = in_one_piece(block)
    if block.flags.c_contiguous:
        return np.take(block.reshape(len(block), -1), voxels, axis=1)
    shape = block.shape[:0:-1]
    lines = block.T.reshape(-1, len(block))  # (V, n) with z running fastest: no copy, as a rule
    values = np.empty((len(block), voxels.size), dtype=block.dtype)
    at_once = _VOXELS_AT_ONCE if parts_of(block) > 1 else max(1, voxels.size)

    def take(number: int) -> None:
        some = slice(number * at_once, (number + 1) * at_once)
        places = np.ravel_multi_index(np.unravel_index(voxels[some], shape, order="F"), shape)
        values[:, some] = np.take(lines, places, axis=0).T

    Crew().do(take, -(-voxels.size // at_once))
    return values


def in_one_piece(block: Array) -> Array:
    """Give volumes (n, Z, Y, X) in C order: the block itself, or a copy if it has another one."""
    if block.flags.c_contiguous:
        return block
    ordered = np.empty(block.shape, dtype=block.dtype)

    n_parts = parts_of(block)

    def copy(first: int) -> None:
        for y in range(first, block.shape[2], n_parts):  # so little that the cache holds it
            ordered[:, :, y] = block[:, :, y]

    Crew().do(copy, n_parts)
    return ordered


def add_volumes(total: FloatArray, block: Array, crew: Crew) -> None:
    """Add volumes (n, Z, Y, X) to their sum (Z, Y, X), in parts that lie together in memory.

    Float32 is added up in single precision, but for no more than 32 volumes or, where the values
    of a voxel lie side by side, by pairs: the error is about that of rounding the sum to float32.
    """
    single = block.dtype.name == "float32"
    side_by_side = block.strides[0] == block.itemsize
    if single and not side_by_side and len(block) > _MOST_ADDED_IN_SINGLE:
        starts = range(0, len(block), _MOST_ADDED_IN_SINGLE)
        some = [block[first : first + _MOST_ADDED_IN_SINGLE] for first in starts]
        for added in in_order(_added_in_single, some):
            total += added
        return
    outermost = int(np.argmax(block.strides[1:]))
    parts, totals = np.moveaxis(block, 1 + outermost, 0), np.moveaxis(total, outermost, 0)
    n_parts = parts_of(block)
    ends = np.linspace(0, len(parts), n_parts + 1).astype(np.intp)

    def add(number: int) -> None:
        part = slice(ends[number], ends[number + 1])
        with np.errstate(invalid="ignore", over="ignore"):
            dtype = np.float32 if single else np.float64
            totals[part] += np.add.reduce(parts[part], axis=1, dtype=dtype)

    crew.do(add, n_parts)


def _added_in_single(block: Array) -> FloatArray:
    with np.errstate(invalid="ignore", over="ignore"):
        added: FloatArray = np.add.reduce(block, axis=0, dtype=np.float32)
    return added


def parts_of(block: Array) -> int:
    """How many threads should share the work on a block: one, if there is little of it."""
    return 1 if block.nbytes < _FEW else n_threads()
