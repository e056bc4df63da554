"""Spheres around seeds, and their place on the grid of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import VoxelSets, extent_of, members_of
from bidsmask.columns.coverage import Extent
from bidsmask.images.grid import Grid
from bidsmask.numerics.projections.regions import Projection, RegionStatistic, SphereMeans
from bidsmask.numerics.projections.spheres import n_voxels_of_spheres, voxels_in_spheres


@dataclass(frozen=True, kw_only=True, eq=False)
class Spheres(VoxelSets):
    """Spheres on one grid, inside a mask; they may share voxels."""

    def painted(self, rows: IntArray) -> Projection:
        """Give the projection whose `expand` gives a voxel the mean of the spheres it is in."""
        return SphereMeans([self.members[row] for row in rows])

    @classmethod
    def from_arrays(cls, grid: Grid, arrays: Mapping[str, Array]) -> Self:
        """Make the spheres again."""
        return cls(grid=grid, members=members_of(arrays), extent=extent_of(arrays))

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
    on_grid = voxels_in_spheres(seeds_mm, radii_mm, grid.shape, grid.affine)
    inside = None if mask is None else mask.ravel(order="F")
    members = tuple(each if inside is None else each[inside[each]] for each in on_grid)
    return Spheres(
        grid=grid,
        members=members,
        extent=Extent.of_voxels(
            n_voxels_of_spheres(seeds_mm, radii_mm, grid.affine),
            np.array([each.size for each in on_grid], dtype=np.intp),
            np.array([each.size for each in members], dtype=np.intp),
        ),
    )
