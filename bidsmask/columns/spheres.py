"""Spheres around seeds, and their place on the grid of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import VoxelSets, extent_of, members_of
from bidsmask.columns.coverage import Extent
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.numerics.affine import apply_affine
from bidsmask.numerics.projections.regions import Projection, RegionStatistic, SphereMeans
from bidsmask.numerics.projections.spheres import voxels_in_spheres


@dataclass(frozen=True, kw_only=True, eq=False)
class Spheres(VoxelSets):
    """Spheres on one grid, inside a mask; they may share voxels.

    Parameters
    ----------
    grid, members, extent
        See `bidsmask.columns.base.VoxelSets`.
    seeds_mm : array of shape (P, 3)
        Where they have their centres.
    """

    seeds_mm: FloatArray

    @property
    def codes(self) -> IntArray:
        """1 for the voxels of the first sphere, 2 for the second ..., (X, Y, Z); 0 elsewhere.

        A voxel of several spheres is given to the one whose centre is nearest.
        """
        codes = np.zeros(self.grid.n_voxels, dtype=np.int32)
        nearest = np.full(self.grid.n_voxels, np.inf)
        for number, (voxels, seed) in enumerate(zip(self.members, self.seeds_mm, strict=True), 1):
            places = np.stack(np.unravel_index(voxels, self.grid.shape, order="F"), axis=-1)
            away = np.square(apply_affine(self.grid.affine, places) - seed).sum(axis=-1)
            nearer = away < nearest[voxels]
            codes[voxels[nearer]], nearest[voxels[nearer]] = number, away[nearer]
        return codes.reshape(self.grid.shape, order="F")

    def arrays(self) -> dict[str, Array]:
        """Give voxels and centres; see `Columns.arrays`."""
        return super().arrays() | {"seeds_mm": self.seeds_mm}

    def painted(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` gives a voxel the mean of the spheres it is in."""
        return SphereMeans([self.members[row] for row in rows])

    @classmethod
    def from_arrays(cls, grid: Lattice, arrays: Mapping[str, Array]) -> Self:
        """Make the spheres again."""
        return cls(
            grid=grid,
            members=members_of(arrays),
            extent=extent_of(arrays),
            seeds_mm=arrays["seeds_mm"],
        )

    def _projection(self, members: list[IntArray], statistic: str) -> Projection:
        return SphereMeans(members) if statistic == "mean" else RegionStatistic(members, statistic)


def place_spheres(
    seeds_mm: FloatArray,
    radii_mm: Sequence[float | None],
    *,
    grid: Grid,
    mask: BoolArray | None = None,
) -> Spheres:
    """Find the voxels around seeds.

    Parameters
    ----------
    seeds_mm : array of shape (P, 3)
        World coordinates.
    radii_mm : P numbers or None
        See `bidsmask.numerics.projections.spheres.voxels_in_spheres`.
    grid : Grid
        That of the run.
    mask : bool array of shape (X, Y, Z), optional

    Returns
    -------
    spheres : Spheres
        Their coverage is a share of the whole sphere, beyond the grid too.
    """
    on_grid, n_voxels = voxels_in_spheres(seeds_mm, radii_mm, grid.shape, grid.affine)
    inside = None if mask is None else mask.ravel(order="F")
    members = tuple(each if inside is None else each[inside[each]] for each in on_grid)
    return Spheres(
        grid=grid,
        members=members,
        seeds_mm=np.asarray(seeds_mm, dtype=np.float64).reshape(-1, 3),
        extent=Extent.of_voxels(
            n_voxels,
            np.array([each.size for each in on_grid], dtype=np.intp),
            np.array([each.size for each in members], dtype=np.intp),
        ),
    )
