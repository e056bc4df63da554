"""Statistics of a run and of its mask, gathered while columns are read off it."""

from __future__ import annotations

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.columns.extract import extract
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.blocks import taken
from bidsmask.images.compression import COPY_AGAIN
from bidsmask.images.stream import BoldStream
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.numerics.quality import VolumeStatistics
from bidsmask.numerics.quality_by_places import PlaceStatistics


class RunStatistics:
    """Gathers the statistics of the voxels of a mask, and refuses a run that cannot be one.

    Parameters
    ----------
    stream : BoldStream or SurfaceSeries
    mask : bool array of shape (X, Y, Z), or (V,) on surfaces

    Attributes
    ----------
    volumes : VolumeStatistics or PlaceStatistics
        Of the voxels of the mask, flat with x running fastest.
    nonfinite : bool array of shape (V,)
        Which of them are NaN or infinite in at least one volume.

    Raises
    ------
    SpaceError
        If the mask has another shape than the volumes.
    """

    def __init__(self, stream: BoldStream | SurfaceSeries, mask: BoolArray) -> None:
        on_surfaces = isinstance(stream, SurfaceSeries)
        shape = (stream.grid.n_voxels,) if on_surfaces else stream.grid.shape
        self._name = stream.name if isinstance(stream, SurfaceSeries) else str(stream.path)
        if mask.shape != shape:
            raise SpaceError(
                f"The mask has {mask.shape} voxels, and a volume of {self._name} {shape}."
            )
        self._by_points = isinstance(stream, SurfaceSeries) and stream.by_points
        self.volumes = PlaceStatistics() if self._by_points else VolumeStatistics()
        self._stream = stream
        self._shape = shape
        self._inside = np.flatnonzero(mask.ravel(order="F"))
        self._mask = mask.ravel(order="F")
        self.nonfinite: BoolArray = np.zeros(self._inside.size, dtype=bool)

    def see(self, volumes: slice, block: Array) -> None:
        """Take in the next volumes (n, Z, Y, X), as they are stored; or the next places (n, T).

        Raises
        ------
        ImageError
            If a volume has no finite value inside the mask. (Of a run that comes place by place,
            that is known at its end; see `refuse_impossible`.)
        """
        if self._by_points:
            self._see_places(volumes, block)
            return
        voxels = taken(block, self._inside)
        with np.errstate(over="ignore", invalid="ignore"):  # seen to below: infinite DVARS
            self.volumes.update(self._stream.scale(voxels))
        n_missing = self.volumes.n_nonfinite[volumes]
        self._refuse_empty(n_missing, volumes.start)
        if n_missing.any():
            self.nonfinite |= ~np.isfinite(voxels).all(axis=0)

    def _see_places(self, points: slice, block: Array) -> None:
        places = block[self._mask[points]]
        before = int(np.count_nonzero(self._mask[: points.start]))
        with np.errstate(over="ignore", invalid="ignore"):
            self.volumes.update(self._stream.scale(places))
        missing = ~np.isfinite(places).all(axis=1)
        self.nonfinite[before : before + missing.size] = missing

    def _refuse_empty(self, n_missing: IntArray, first: int) -> None:
        """Refuse volumes, of which the first has a number, if one has no finite value."""
        if (n_missing == self._inside.size).any():
            empty = first + int(np.argmax(n_missing == self._inside.size))
            raise ImageError(
                f"{self._name}: volume {empty} (counted from 0) has no finite value in the "
                "brain mask. Make the run again, or leave it out."
            )

    @property
    def covered(self) -> BoolArray:
        """Which voxels of the mask are finite in every volume, and change if there are several."""
        changes = self.volumes.std > 0
        return ~self.nonfinite & (changes if self.volumes.n_volumes > 1 else True)

    def of_covered(self) -> VolumeStatistics | PlaceStatistics:
        """Give the statistics of the covered voxels alone, once all of the run has been seen.

        Where voxels are finite in some volumes only, a run that comes volume by volume is read
        again without them; all else was left out already.
        """
        at_times = self.nonfinite & np.isfinite(self.volumes.mean)
        if self._by_points or not at_times.any():
            return self.volumes
        mask = np.zeros(self._mask.size, dtype=bool)
        mask[self._inside[self.covered]] = True
        again = RunStatistics(self._stream, mask.reshape(self._shape, order="F"))
        extract(self._stream, [], see=[again.see])
        return again.volumes

    def refuse_impossible(self) -> None:
        """Refuse a run, once all of it has been seen, that no scanner made.

        Raises
        ------
        ImageError
            If a volume has no finite value inside the mask, nothing inside the mask is finite
            throughout and ever changes, or values are too large to compute with.
        """
        if self._by_points:
            self._refuse_empty(self.volumes.n_nonfinite, 0)
        if np.isinf(self.volumes.dvars).any():
            raise ImageError(f"{self._name}: values are too large to compute with.")
        if not self.covered.any():
            raise ImageError(
                f"{self._name}: no voxel in the brain mask is a finite number in all volumes and "
                f"ever changes; the image is empty. {COPY_AGAIN}"
            )
