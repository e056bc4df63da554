"""Maps of weights on surfaces, and their places in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.columns.maps import PlacedMaps
from bidsmask.errors import AtlasError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.images.surface_series import open_surfaces
from bidsmask.numerics.projections.map_weights import MapWeights


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceMaps:
    """Maps on grayordinates.

    Parameters
    ----------
    places : Grayordinates
    weights : float array of shape (P, V)
        Finite.
    """

    places: Grayordinates
    weights: FloatArray

    def on_first_vertices(self, meshes: Mapping[str, int]) -> SurfaceMaps:
        """Cut them to coarser meshes; see `Grayordinates.first_vertices`."""
        places, kept = self.places.first_vertices(meshes)
        return SurfaceMaps(places=places, weights=self.weights[:, kept])


def read_surface_maps(source: Any, space: str | None = None) -> SurfaceMaps:
    """Read an image of several maps on surfaces.

    Parameters
    ----------
    source : path, image, or several of them
        As of `bidsmask.images.surface_series.open_surfaces`; one map for each volume. NaN and
        infinite weights are 0.
    space : str, optional
        In which space the meshes are.

    Raises
    ------
    AtlasError
        If all weights are 0.
    """
    series = open_surfaces(source, space)
    values = series.values().T
    weights = np.where(np.isfinite(values), values, 0)
    if weights.dtype != np.float32:
        weights = weights.astype(np.float64)
    if not weights.any():
        raise AtlasError(f"{series.name} contains no map: all its weights are 0.")
    return SurfaceMaps(places=series.grid, weights=weights)


def maps_on(maps: SurfaceMaps, places: Grayordinates) -> PlacedMaps:
    """Find the places of a run that have a weight; what the run lacks counts as not covered.

    Raises
    ------
    SpaceError
        If meshes or lattices do not fit.
    """
    positions = places.positions_in(maps.places)
    here = positions >= 0
    matrix = np.zeros((len(maps.weights), places.n_voxels), dtype=maps.weights.dtype)
    matrix[:, here] = maps.weights[:, positions[here]]
    support = np.flatnonzero(matrix.any(axis=0))
    away = np.ones(maps.places.n_voxels, dtype=bool)
    away[positions[here]] = False
    beyond = maps.weights[:, away].astype(np.float64)
    return PlacedMaps(
        weights=MapWeights.of_matrix(matrix[:, support], support),
        grid=places,
        n_beyond=np.count_nonzero(beyond, axis=1).astype(np.float64),
        squares_beyond=(beyond**2).sum(axis=1),
    )
