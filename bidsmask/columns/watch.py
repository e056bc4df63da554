"""Which voxels were measured: finite in every volume of a run, and not the same in all of them."""

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.images.blocks import taken
from bidsmask.images.request import Volumes

VOLUMES_PEEKED = 16
"""A voxel that is the same in so many volumes is taken for constant, until the run is read."""

_FEW = 0.05
"""If less than this share of the voxels has not changed yet, only those are looked at."""


class Watch:
    """Looks at some voxels while a run is read.

    Parameters
    ----------
    voxels : int array of shape (W,)
        Flat indices, x running fastest. A voxel may be there several times.

    Attributes
    ----------
    voxels : int array of shape (W,)
    finite : bool array of shape (W,)
        Whether a voxel is a finite number in every volume seen so far.
    ever_finite : bool array of shape (W,)
        Whether it is one in any of them.
    first : array of shape (W,)
        Values in the first volume, as they were seen.
    n_volumes : int
        Volumes seen so far.

    Examples
    --------
    >>> watch = Watch(np.array([4, 7, 9]))
    >>> watch.see(np.array([[1.0, 5.0, np.nan], [1.0, 6.0, 2.0]]))
    >>> watch.measured
    array([False,  True, False])
    """

    def __init__(self, voxels: IntArray) -> None:
        self.voxels = voxels
        self.finite: BoolArray = np.ones(voxels.size, dtype=bool)
        self.ever_finite: BoolArray = np.zeros(voxels.size, dtype=bool)
        self.first: Array = np.zeros(0)
        self.n_volumes = 0
        self._same: BoolArray = np.ones(voxels.size, dtype=bool)
        self._few: IntArray | None = None

    def see_block(self, block: Array) -> None:
        """Look at the voxels in the next volumes (n, Z, Y, X), as they are stored."""
        if block.dtype.kind != "f" and self._few is not None:
            self._look_at_few(taken(block, self.voxels[self._few]))
        else:
            self.see(taken(block, self.voxels))

    def see(self, values: Array) -> None:
        """Look at the values (n, W) of the voxels in the next volumes."""
        if not self.n_volumes:
            self.first = values[0].copy()
            if values.dtype.kind != "f":
                self.ever_finite[:] = True
        self.n_volumes += len(values)
        if values.dtype.kind == "f":
            self._see_finite(values)
        if self._few is not None:
            self._look_at_few(values[:, self._few])
            return
        for volume in values:
            self._same &= volume == self.first
        if np.count_nonzero(self._same) <= _FEW * self.voxels.size:
            self._few = np.flatnonzero(self._same)

    @property
    def measured(self) -> BoolArray:
        """Whether a voxel is finite in all volumes and, of several, not the same in all: (W,)."""
        return self.finite & ~self.constant

    @property
    def constant(self) -> BoolArray:
        """Whether a voxel is the same finite number in all of several volumes: (W,)."""
        return self._same & self.finite & (self.n_volumes > 1)

    def spread(self, values: BoolArray, n_voxels: int) -> BoolArray:
        """Put values (W,) of the watched voxels where they are on a lattice, (V_all,).

        What was not watched is False.
        """
        lattice = np.zeros(n_voxels, dtype=bool)
        lattice[self.voxels] = values
        return lattice

    def _see_finite(self, values: Array) -> None:
        finite = np.isfinite(values)
        if finite.all():
            self.ever_finite[:] = True
        else:
            self.ever_finite |= finite.any(axis=0)
            self.finite &= finite.all(axis=0)

    def _look_at_few(self, values: Array) -> None:
        """Look at the values (n, k) of those voxels that have not changed yet."""
        if self._few is not None and self._few.size:
            same = (values == self.first[self._few]).all(axis=0)
            self._same[self._few[~same]] = False
            self._few = self._few[same]


def peek(series: Volumes, voxels: IntArray) -> Watch:
    """Look at the first volumes of a run, before it is read: until every voxel has changed."""
    watch = Watch(voxels)
    for volumes, block in series.blocks():
        watch.see_block(block[: VOLUMES_PEEKED - volumes.start])
        all_changed = volumes.stop > 1 and not watch.constant.any()
        if all_changed or volumes.stop >= VOLUMES_PEEKED:
            break
    return watch
