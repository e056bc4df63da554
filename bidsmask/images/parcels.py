"""CIFTI files of one value for each region, as bytes: series, matrices, and numbers of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bidsmask._typing import Array, IntArray
from bidsmask.images.cifti import PREFIX
from bidsmask.images.grayordinates import Grayordinates


def parcels_axis(names: Sequence[str], members: Sequence[IntArray], places: Grayordinates) -> Any:
    """Make nibabel's axis of regions.

    Parameters
    ----------
    names : sequence of P str
    members : P int arrays
        Flat indices of the places of each region; a region without one keeps its name.
    places : Grayordinates

    Returns
    -------
    axis : nibabel.cifti2.ParcelsAxis
    """
    from nibabel import cifti2

    library: Any = cifti2
    vertices = [_vertices(each, places) for each in members]
    voxels = [_voxels(each, places) for each in members]
    volume = places.volume
    return library.ParcelsAxis(
        list(names),
        voxels,
        vertices,
        affine=None if volume is None else volume.affine,
        volume_shape=None if volume is None else volume.shape,
        nvertices={
            PREFIX + each.name: each.n_vertices for each in places.structures if each.is_surface
        },
    )


def parcel_series(signals: Array, parcels: Any, t_r: float) -> bytes:
    """Make a ``.ptseries.nii`` file.

    Parameters
    ----------
    signals : array of shape (T, P)
        Written as float32; NaN stays.
    parcels : nibabel.cifti2.ParcelsAxis
    t_r : float
        From one row to the next, in seconds.
    """
    from nibabel import cifti2

    library: Any = cifti2
    time = library.SeriesAxis(0, t_r, len(signals))
    return _file(signals, (time, parcels), "PARCELLATED_SERIES")


def parcel_matrix(matrix: Array, parcels: Any) -> bytes:
    """Make a ``.pconn.nii`` file of a matrix (P, P)."""
    return _file(matrix, (parcels, parcels), "PARCELLATED")


def parcel_scalars(values: Array, names: Sequence[str], parcels: Any) -> bytes:
    """Make a ``.pscalar.nii`` file of values (M, P) of M names."""
    from nibabel import cifti2

    library: Any = cifti2
    along = library.ScalarAxis(list(names))
    return _file(values, (along, parcels), "PARCELLATED_SCALAR")


def _file(values: Array, axes: tuple[Any, Any], intent: str) -> bytes:
    from nibabel import cifti2

    library: Any = cifti2
    header = library.Cifti2Header.from_axes(axes)
    image = library.Cifti2Image(np.asarray(values, dtype=np.float32), header)
    image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{intent}")
    content: bytes = image.to_bytes()
    return content


def _vertices(members: IntArray, places: Grayordinates) -> dict[str, IntArray]:
    """Numbers of the vertices of a region, by structure."""
    found = {}
    for each in places.structures:
        here = _of_structure(members, places, each.name)
        if each.is_surface and here.size:
            found[PREFIX + each.name] = np.sort(each.places[here])
    return found


def _voxels(members: IntArray, places: Grayordinates) -> IntArray:
    """Indices i, j, k (n, 3) of the voxels of a region."""
    found = [
        each.places[_of_structure(members, places, each.name)]
        for each in places.structures
        if not each.is_surface
    ]
    return np.concatenate([np.zeros((0, 3), dtype=np.intp), *found])


def _of_structure(members: IntArray, places: Grayordinates, name: str) -> IntArray:
    """Find which of the places of a structure belong to a region."""
    where = places.where(name)
    assert where is not None
    found: IntArray = members[(members >= where.start) & (members < where.stop)] - where.start
    return found
