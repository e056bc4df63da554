"""Voxels of a mask, one column each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import Columns, Part
from bidsmask.columns.coverage import Extent
from bidsmask.images.grayordinates import Lattice
from bidsmask.numerics.projections.regions import Projection, VoxelSelection


@dataclass(frozen=True, kw_only=True, eq=False)
class Voxels(Columns):
    """The voxels of a mask.

    Parameters
    ----------
    grid : Grid
    indices : int array of shape (P,)
        Flat indices (x runs fastest) of the voxels, in the order of the columns.
    extent : Extent
    """

    grid: Lattice
    indices: IntArray
    extent: Extent

    @property
    def support(self) -> IntArray:
        """Flat indices, ascending."""
        used = np.zeros(self.grid.n_voxels, dtype=bool)
        used[self.indices] = True
        return np.flatnonzero(used)

    def covered(self, measured: BoolArray) -> tuple[IntArray, FloatArray]:
        """Tell which voxels were measured; see `Columns.covered`."""
        known = measured[self.indices]
        return known.astype(np.intp), known.astype(np.float64)

    def centroids(self, measured: BoolArray) -> FloatArray:
        """Say where the measured voxels lie; see `Columns.centroids`."""
        places: FloatArray = self.grid.places_mm(self.indices)
        return np.where(measured[self.indices][:, np.newaxis], places, np.nan)

    def parts(self, measured: BoolArray, used: BoolArray, statistic: str) -> list[Part]:
        """Read every voxel as it is, used or not: a voxel disturbs no other."""
        rows = np.arange(self.indices.size)
        return [Part(rows=rows, projection=VoxelSelection(self.indices))]

    def touched(self, changed: BoolArray) -> BoolArray:
        """None: what a voxel holds does not depend on which voxels were measured."""
        return np.zeros(self.indices.size, dtype=bool)

    def arrays(self) -> dict[str, Array]:
        """Give the voxels; see `Columns.arrays`."""
        return {"indices": self.indices}

    @classmethod
    def from_arrays(cls, grid: Lattice, arrays: Mapping[str, Array]) -> Self:
        """Make the columns again."""
        return cls(
            grid=grid, indices=arrays["indices"], extent=_extent(arrays["indices"].size, grid)
        )

    def painted(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` puts voxels back."""
        return VoxelSelection(self.indices[rows])


def place_voxels(indices: IntArray, grid: Lattice) -> Voxels:
    """Make columns of some voxels (flat indices, x running fastest) of a grid."""
    return Voxels(grid=grid, indices=indices, extent=_extent(indices.size, grid))


def _extent(n_voxels: int, grid: Lattice) -> Extent:
    one = np.ones(n_voxels, dtype=np.intp)
    return Extent.of_voxels(one, one, one, places=grid.word)
