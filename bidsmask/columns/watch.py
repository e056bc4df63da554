"""Which voxels were measured: finite in every volume of a run, and not the same in all of them."""

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.images.blocks import taken
from bidsmask.images.request import Volumes

VOLUMES_PEEKED = 16
"""A voxel that is the same in so many volumes is taken for constant, until the run is read."""


class Watch:
    """Looks at some voxels while a run is read.

    Parameters
    ----------
    voxels : int array of shape (W,)
        Flat indices (x runs fastest), ascending, each once.

    Attributes
    ----------
    voxels : int array of shape (W,)
    finite : bool array of shape (W,)
        Whether a voxel is a finite number in every volume seen so far.
    ever_finite : bool array of shape (W,)
        Whether it is one in any of them.
    first : array of shape (W,)
        Values in the first volume, as stored.

    Examples
    --------
    >>> watch = Watch(np.array([0, 1, 2]))
    >>> watch.see(np.array([[[[1.0, 5.0, np.nan]]], [[[1.0, 6.0, 2.0]]]]))
    >>> watch.measured
    array([False,  True, False])
    """

    def __init__(self, voxels: IntArray) -> None:
        self.voxels = voxels
        self.finite: BoolArray = np.ones(voxels.size, dtype=bool)
        self.ever_finite: BoolArray = np.zeros(voxels.size, dtype=bool)
        self.first: Array = np.zeros(0)
        self._n_volumes = 0
        self._same: IntArray = np.arange(voxels.size)

    def see(self, block: Array) -> None:
        """Look at the next volumes (n, Z, Y, X), as they are stored."""
        if not self._n_volumes:
            self.first = taken(block[:1], self.voxels)[0]
        self._n_volumes += len(block)
        if block.dtype.kind != "f":
            self.ever_finite[:] = True
            self._leave(taken(block, self.voxels[self._same]))
            return
        values = taken(block, self.voxels)
        finite = np.isfinite(values)
        whole = bool(finite.all())
        self.ever_finite |= True if whole else finite.any(axis=0)
        if not whole:
            self.finite &= finite.all(axis=0)
        self._leave(values[:, self._same] if self._same.size < self.voxels.size else values)

    @property
    def measured(self) -> BoolArray:
        """Whether a voxel is finite in all volumes and, of several, not the same in all: (W,)."""
        return self.finite & ~self.constant

    @property
    def constant(self) -> BoolArray:
        """Whether a voxel has one finite value, the same in all volumes, of which there are two.

        Shape (W,).
        """
        constant = np.zeros(self.voxels.size, dtype=bool)
        if self._n_volumes > 1:
            constant[self._same] = True
        return constant & self.finite

    def measured_on(self, n_voxels: int) -> BoolArray:
        """Spread `measured` over a lattice, (V_all,); what was not watched was not measured."""
        return self.spread(self.measured, n_voxels)

    def spread(self, values: BoolArray, n_voxels: int) -> BoolArray:
        """Put values (W,) of the watched voxels where they are on a lattice, (V_all,)."""
        lattice = np.zeros(n_voxels, dtype=bool)
        lattice[self.voxels] = values
        return lattice

    def first_on(self, series: Volumes) -> FloatArray:
        """Spread the values of the first volume, scaled, over the lattice of a run: (V_all,)."""
        lattice = np.zeros(series.grid.n_voxels)
        lattice[self.voxels] = series.scale(self.first)
        return lattice

    def _leave(self, values: Array) -> None:
        """Leave those voxels alone that have changed; `values` (n, k) are of the others."""
        if self._same.size:
            self._same = self._same[(values == self.first[self._same]).all(axis=0)]


def peek(series: Volumes, voxels: IntArray) -> Watch:
    """Look at the first volumes of a run, before it is read."""
    watch = Watch(voxels)
    for volumes, block in series.blocks():
        watch.see(block[: VOLUMES_PEEKED - volumes.start])
        if volumes.stop >= VOLUMES_PEEKED:
            break
    return watch
