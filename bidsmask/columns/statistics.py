"""Statistics of a run and of its mask, gathered while columns are read off it."""

from __future__ import annotations

import numpy as np

from bidsmask._typing import Array, BoolArray
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.blocks import taken
from bidsmask.images.compression import COPY_AGAIN
from bidsmask.images.stream import BoldStream
from bidsmask.numerics.quality import VolumeStatistics


class RunStatistics:
    """Gathers the statistics of the voxels of a mask, and refuses a run that cannot be one.

    Parameters
    ----------
    stream : BoldStream
    mask : bool array of shape (X, Y, Z)

    Attributes
    ----------
    volumes : VolumeStatistics
        Of the voxels of the mask, flat with x running fastest.
    nonfinite : bool array of shape (V,)
        Which of them are NaN or infinite in at least one volume.

    Raises
    ------
    SpaceError
        If the mask has another shape than the volumes.
    """

    def __init__(self, stream: BoldStream, mask: BoolArray) -> None:
        if mask.shape != stream.grid.shape:
            raise SpaceError(
                f"The mask has {mask.shape} voxels, and a volume of {stream.path} "
                f"{stream.grid.shape}."
            )
        self.volumes = VolumeStatistics()
        self._stream = stream
        self._inside = np.flatnonzero(mask.ravel(order="F"))
        self.nonfinite: BoolArray = np.zeros(self._inside.size, dtype=bool)

    def see(self, volumes: slice, block: Array) -> None:
        """Take in the next volumes (n, Z, Y, X), as they are stored.

        Raises
        ------
        ImageError
            If a volume has no finite value inside the mask.
        """
        voxels = taken(block, self._inside)
        with np.errstate(over="ignore", invalid="ignore"):  # seen to below: infinite DVARS
            self.volumes.update(self._stream.scale(voxels))
        n_missing = self.volumes.n_nonfinite[volumes]
        if (n_missing == self._inside.size).any():
            empty = volumes.start + int(np.argmax(n_missing == self._inside.size))
            raise ImageError(
                f"{self._stream.path}: volume {empty} (counted from 0) has no finite value in the "
                "brain mask. Make the run again, or leave it out."
            )
        if n_missing.any():
            self.nonfinite |= ~np.isfinite(voxels).all(axis=0)

    def refuse_impossible(self) -> None:
        """Refuse a run, once all of it has been seen, that no scanner made.

        Raises
        ------
        ImageError
            If nothing inside the mask ever changes, or values are too large to compute with.
        """
        if np.isinf(self.volumes.dvars).any():
            raise ImageError(f"{self._stream.path}: values are too large to compute with.")
        if self._stream.n_volumes > 1 and not (self.volumes.std > 0).any():
            raise ImageError(
                f"{self._stream.path}: no voxel in the brain mask ever changes; the image is "
                f"empty. {COPY_AGAIN}"
            )
