"""What all kinds of columns have in common.

A *column* is one output: of a region, a map, a sphere or a voxel. *Columns* are placed: they lie
on the grid of a run (or of an atlas that runs are brought to), inside a mask. The grid may be that
of grayordinates: what is called a voxel here is a vertex then. They say how large each column is
and how much of it a run has seen, and give the projections that read them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.coverage import Extent
from bidsmask.images.grayordinates import Lattice
from bidsmask.numerics.projections.regions import Projection


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Some of the columns, and the projection that reads them.

    Parameters
    ----------
    rows : int array of shape (k,)
        Which columns, counted from 0.
    projection : Projection
    take : int array of shape (k,), optional
        Which of the projection's columns these are; all, by default.
    """

    rows: IntArray
    projection: Projection
    take: IntArray | None = None


class Columns(ABC):
    """Columns on a grid, inside a mask."""

    grid: Lattice
    extent: Extent

    @property
    def n_columns(self) -> int:
        """Number of columns, P."""
        return int(self.extent.size.size)

    @property
    @abstractmethod
    def support(self) -> IntArray:
        """Flat indices (x runs fastest), ascending, of the voxels that columns are made of."""

    @abstractmethod
    def covered(self, measured: BoolArray) -> tuple[IntArray, FloatArray]:
        """Measure what of each column was measured.

        Parameters
        ----------
        measured : bool array of shape (V_all,)
            Voxels of the grid, flat with x running fastest.

        Returns
        -------
        n_covered : int array of shape (P,)
            Voxels.
        size : float array of shape (P,)
            In the unit of `Extent.size`.
        """

    @abstractmethod
    def parts(self, measured: BoolArray, used: BoolArray, statistic: str) -> list[Part]:
        """Give the projections that read the columns over their covered voxels.

        Parameters
        ----------
        measured : bool array of shape (V_all,)
        used : bool array of shape (P,)
            Columns that have a signal. The others do not disturb them.
        statistic : str
            What is taken over the voxels of a column.

        Returns
        -------
        parts : list of Part
            Columns that are in none of them have no signal. A column without a measured voxel,
            if it is used, is read over all of its voxels inside the mask.
        """

    @abstractmethod
    def centroids(self, measured: BoolArray) -> FloatArray:
        """Find the middle of what of each column was measured.

        Parameters
        ----------
        measured : bool array of shape (V_all,)

        Returns
        -------
        centroids : float array of shape (P, 3)
            In mm of the world. NaN of columns of which nothing was measured, or places are not
            known: meshes alone say where vertices lie.
        """

    def touched(self, changed: BoolArray) -> BoolArray:
        """Which columns (P,) read otherwise, if the measured voxels change by these (V_all,)."""
        return self.covered(changed)[0] > 0

    @abstractmethod
    def painted(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` paints some of the columns back into their voxels."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Give what the columns consist of, but for their grid; `from_arrays` takes it."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, grid: Lattice, arrays: Mapping[str, Array]) -> Self:
        """Make the columns again of what `arrays` gave."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VoxelSets(Columns):
    """Columns that are sets of voxels: regions, which share none, and spheres, which may.

    Parameters
    ----------
    grid : Grid or Grayordinates
    members : P int arrays
        Flat indices (x runs fastest), ascending, of the voxels of each column that lie on the
        grid and inside the mask.
    extent : Extent
    sizes : float array of shape (V_all,), optional
        How much each voxel weighs in a mean: the area of a vertex; by default all alike.
    """

    grid: Lattice
    members: tuple[IntArray, ...]
    extent: Extent
    sizes: FloatArray | None = None

    @property
    def support(self) -> IntArray:
        """Flat indices, ascending, each once."""
        if not self.members:
            return np.zeros(0, dtype=np.intp)
        used = np.zeros(self.grid.n_voxels, dtype=bool)
        used[np.concatenate(self.members)] = True
        return np.flatnonzero(used)

    def covered(self, measured: BoolArray) -> tuple[IntArray, FloatArray]:
        """Count the measured voxels of each column; see `Columns.covered`."""
        if not self.members:
            return np.zeros(0, dtype=np.intp), np.zeros(0)
        sizes = np.array([voxels.size for voxels in self.members])
        ends = np.cumsum(measured[np.concatenate(self.members)])
        totals = np.concatenate([[0], ends])[np.cumsum([0, *sizes])]
        counts: IntArray = np.diff(totals)
        return counts, counts.astype(np.float64)

    def centroids(self, measured: BoolArray) -> FloatArray:
        """Average the places of the measured voxels of each column; see `Columns.centroids`."""
        places = np.concatenate([np.zeros(0, dtype=np.intp), *self.members])
        columns = np.repeat(np.arange(self.n_columns), [voxels.size for voxels in self.members])
        there = measured[places]
        count = partial(np.bincount, columns[there], minlength=self.n_columns)
        sums = [count(weights=axis) for axis in self.grid.places_mm(places[there]).T]
        n_there = count().astype(np.float64)
        return np.stack(sums, axis=1) / np.where(n_there > 0, n_there, np.nan)[:, np.newaxis]

    def parts(self, measured: BoolArray, used: BoolArray, statistic: str) -> list[Part]:
        """Read the used columns over their measured voxels; see `Columns.parts`."""
        rows = np.flatnonzero(used)
        return [
            Part(
                rows=rows,
                projection=self._projection(self._voxels_read(rows, measured), statistic),
            )
        ]

    def arrays(self) -> dict[str, Array]:
        """Give the voxels of all columns, one column after the other; see `Columns.arrays`."""
        arrays = {
            "voxels": np.concatenate([np.zeros(0, dtype=np.intp), *self.members]),
            "n_voxels": self.extent.n_voxels,
            "n_on_grid": self.extent.n_on_grid,
            "n_inside": self.extent.n_inside,
            "places": np.array(self.extent.places),
        }
        return arrays if self.sizes is None else arrays | {"sizes": self.sizes}

    def _voxels_read(self, rows: IntArray, measured: BoolArray) -> list[IntArray]:
        """Voxels of some columns that are read: the measured ones, or all if there are none."""
        members = [self.members[row] for row in rows]
        if measured.all():
            return members
        chosen = []
        for voxels in members:
            known = voxels[measured[voxels]]
            chosen.append(known if known.size else voxels)
        return chosen

    @abstractmethod
    def _projection(self, members: list[IntArray], statistic: str) -> Projection:
        """Give the projection that takes a statistic over sets of voxels."""


def members_of(arrays: Mapping[str, Array]) -> tuple[IntArray, ...]:
    """Tell the voxels of each column apart again, as `VoxelSets.arrays` has put them together."""
    return tuple(np.split(arrays["voxels"], np.cumsum(arrays["n_inside"])[:-1]))


def extent_of(arrays: Mapping[str, Array]) -> Extent:
    """Make the extent again that `VoxelSets.arrays` has given."""
    return Extent.of_voxels(
        arrays["n_voxels"], arrays["n_on_grid"], arrays["n_inside"], places=str(arrays["places"])
    )
