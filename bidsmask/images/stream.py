"""A BOLD run as a stream of volumes, read once and never held."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.errors import ImageError
from bidsmask.images.grid import Grid
from bidsmask.images.header import data_dtype, grid_of, read_header, two_places
from bidsmask.images.io import scaled, type_once_scaled
from bidsmask.images.voxel_bytes import Payload
from bidsmask.numerics.threads import n_threads

_BLOCK_BYTES = 5 << 20  # more is no faster; there are two blocks at any time
_BLOCK_VOLUMES = 32


class BoldStream:
    """The volumes of a BOLD run, in blocks, as they come out of the file.

    While one block is being used, a second thread decompresses the next: that is where the time
    goes. Memory is that of two blocks, however many volumes there are.

    Parameters
    ----------
    path : Path
        NIfTI image of four dimensions, ``.nii`` or ``.nii.gz``, of any type and byte order.
    block_volumes : int, optional
        Volumes in a block; by default those of `volumes_per_block`.
    grid : Grid, optional
        Where the volumes lie, if someone knows better than the header.

    Attributes
    ----------
    grid : Grid
    n_volumes : int
        T.

    Raises
    ------
    ImageError
        If the image cannot be opened (see `bidsmask.images.io.open_image`), or is not
        four-dimensional. Axes of length 1 after the fourth are no axes.
    """

    def __init__(
        self, path: Path, block_volumes: int | None = None, *, grid: Grid | None = None
    ) -> None:
        self.path = path
        self._header = read_header(path)
        self.grid = grid or grid_of(path, self._header)
        self.n_volumes = self._count_volumes()
        volumes = block_volumes or volumes_per_block(self.grid.n_voxels, data_dtype(self._header))
        self._block_volumes = min(volumes, self.n_volumes)

    @property
    def warning(self) -> str | None:
        """What is odd about the place of the volumes; see `two_places`."""
        words = two_places(self._header)
        return f"{self.path.name}: {words}" if words else None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values once they are scaled, in native byte order."""
        return type_once_scaled(self._header)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Read the run from its first volume to its last byte.

        Yields
        ------
        volumes : slice
            Which volumes these are.
        block : array of shape (n, Z, Y, X)
            Volumes in C order, of the type in the file and **not scaled** (see `scale`).
            Read-only, and overwritten once the next one is asked for: copy what has to stay.

        Raises
        ------
        ImageError
            If the file is truncated or corrupt, or goes on after its last voxel. This is known
            before the last block is handed out.
        """
        buffers = [self._buffer(), self._buffer()]
        with Payload(self.path, self._header) as payload, ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, payload, buffers[0], self._volumes(0))
            for start in range(0, self.n_volumes, self._block_volumes):
                block, volumes = coming.result(), self._volumes(start)
                buffers.reverse()
                if volumes.stop < self.n_volumes:
                    following = self._volumes(volumes.stop)
                    coming = reader.submit(self._read, payload, buffers[0], following)
                yield volumes, block

    def scale(self, values: Array) -> Array:
        """Apply the scaling in the header; float64 if there is one, else `values` itself.

        It is the same for all voxels, so means of voxels may be scaled instead of the voxels.
        """
        return scaled(values, self._header)

    def _volumes(self, start: int) -> slice:
        return slice(start, min(start + self._block_volumes, self.n_volumes))

    def _buffer(self) -> Array:
        shape = self._block_volumes, *self.grid.shape[::-1]
        return np.empty(shape, dtype=data_dtype(self._header))

    def _read(self, payload: Payload, buffer: Array, volumes: slice) -> Array:
        block = buffer[: volumes.stop - volumes.start]
        payload.read_into(block)
        if volumes.stop == self.n_volumes:
            payload.finish()
        block.flags.writeable = False
        return block

    def _count_volumes(self) -> int:
        shape = self._header.get_data_shape()
        if len(shape) < 4 or any(size > 1 for size in shape[4:]):
            raise ImageError(
                f"{self.path} has {len(shape)} dimensions ({shape}); a BOLD run has 4. Put all "
                "volumes of the run in its place."
            )
        return int(shape[3])


def volumes_per_block(n_voxels: int, dtype: np.dtype[Any]) -> int:
    """Volumes that are worth reading at once: as many as take 5 MB, but at most 32.

    And at least one for each thread that may work on them.
    """
    return max(n_threads(), min(_BLOCK_VOLUMES, _BLOCK_BYTES // (n_voxels * dtype.itemsize)))


def most_bytes_of_blocks(n_voxels: int, voxel_bytes: int) -> int:
    """Memory that the two blocks of a stream take at the most."""
    return 2 * max(_BLOCK_BYTES, n_threads() * n_voxels * voxel_bytes)
