"""Runs on surfaces, smoothed: along the mesh of a hemisphere, and among the voxels of a structure.

What was not measured takes no part: it stays as it is, and nothing of it gets into other places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates, Structure
from bidsmask.images.meshes import Mesh
from bidsmask.images.surface_series import SurfaceSeries

_POINTS = 2048


def smoothings(
    places: Grayordinates, meshes: Mapping[str, Mesh], fwhm: float, measured: BoolArray
) -> Iterator[tuple[slice, Any]]:
    """Compute what each place is made of when a run on surfaces is smoothed, by structure.

    That of a hemisphere of fsaverage takes a gigabyte, so perhaps one is enough at a time.

    Parameters
    ----------
    places : Grayordinates
    meshes : mapping of str to Mesh
        Of each structure that has vertices.
    fwhm : float
        Full width at half maximum in mm, more than 0.
    measured : bool array of shape (V,)
        See `bidsmask.numerics.kernels.among`.

    Yields
    ------
    where : slice
        Flat indices of a structure.
    smoothing : sparse array of shape (n, n)
        Of its places; structures are smoothed each for itself.

    Raises
    ------
    SpaceError
        If a mesh is missing, or has other vertices than the run.
    """
    from bidsmask.numerics.kernels import among

    _check_meshes(places, meshes)
    for each in places.structures:
        where = places.where(each.name)
        assert where is not None
        yield where, among(_kernel(each, places, meshes, fwhm), measured[where])


def smoothing_between(
    places: Grayordinates, meshes: Mapping[str, Mesh], fwhm: float, measured: BoolArray
) -> Any:
    """Compute what each place is made of, as one sparse array (V, V); see `smoothings`."""
    from scipy import sparse

    blocks = [each for _, each in smoothings(places, meshes, fwhm, measured)]
    return sparse.block_diag(blocks, format="csr")


def smoothed_series(series: SurfaceSeries, smoothing: Any) -> SurfaceSeries:
    """Give a run of smoothed values, which are computed as they are asked for.

    Parameters
    ----------
    series : SurfaceSeries
    smoothing : sparse array of shape (V, V)
        See `smoothing_between`.

    Returns
    -------
    smoothed : SurfaceSeries
        Read as the run itself is, in blocks of volumes or of places.
    """
    return SurfaceSeries(series.name, series.grid, _Smoothed(series, smoothing), kind=series.kind)


class _Smoothed:
    """Smoothed values of a run."""

    def __init__(self, series: SurfaceSeries, smoothing: Any) -> None:
        self._series = series
        self._smoothing = smoothing
        self.n_volumes = series.n_volumes
        self.by_points = series.by_points
        self.dtype = np.result_type(series.dtype, np.float32)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        for volumes, block in self._series.blocks():
            values = self._series.scale(block.reshape(len(block), -1))
            yield volumes, (self._smoothing @ values.T).T.astype(self.dtype)

    def point_blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the places; the values of one structure are held at a time."""
        start = 0
        for each in self._series.grid.structures:
            stop = start + len(each.places)
            values = self._series.scale(self._series.take(np.arange(start, stop)))
            weights = self._smoothing[start:stop, start:stop]
            for first in range(0, stop - start, _POINTS):
                block = (weights[first : first + _POINTS] @ values).astype(self.dtype)
                yield slice(start + first, start + first + len(block)), block
            start = stop

    def take(self, points: IntArray) -> Array:
        weights = self._smoothing[points]
        sources = np.unique(weights.indices)
        values = self._series.scale(self._series.take(sources))
        smoothed: Array = (weights[:, sources] @ values).astype(self.dtype)
        return smoothed

    def scale(self, values: Array) -> Array:
        return values


def _check_meshes(places: Grayordinates, meshes: Mapping[str, Mesh]) -> None:
    """Refuse places on a mesh that is not there, or has other vertices."""
    for each in places.structures:
        if each.n_vertices is None:
            continue
        mesh = meshes.get(each.name)
        if mesh is None:
            raise SpaceError(
                f"Smoothing along a surface takes a mesh, and there is none of {each.name}. Give "
                "the meshes of the run's space and density, or a SurfaceImage, which has its own; "
                "or ask for no smoothing."
            )
        mesh.check_fits(each.name, each.n_vertices)


def _kernel(
    structure: Structure, places: Grayordinates, meshes: Mapping[str, Mesh], fwhm: float
) -> Any:
    from bidsmask.numerics.kernels import mesh_kernel, voxel_kernel

    if structure.is_surface:
        mesh = meshes[structure.name]
        whole = mesh_kernel(mesh.coordinates, mesh.faces, fwhm)
        return whole[structure.places][:, structure.places]
    assert places.volume is not None
    affine = places.volume.affine
    return voxel_kernel(structure.places @ affine[:3, :3].T + affine[:3, 3], fwhm)
