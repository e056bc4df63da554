"""Images on surfaces made of values, of the kind that somebody has given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.errors import SpaceError
from bidsmask.images.cifti import PREFIX
from bidsmask.images.grayordinates import HEMISPHERES, LEFT, RIGHT, Grayordinates
from bidsmask.images.surface_series import SurfaceSeries

SIDES = {LEFT: "CortexLeft", RIGHT: "CortexRight"}
"""Structures as GIFTI names them."""

_SERIES, _SCALARS = "DENSE_SERIES", "DENSE_SCALARS"


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """What kind of image somebody works with.

    Parameters
    ----------
    kind : {"cifti", "pair", "dict", "hemisphere", "image"}
        See `bidsmask.images.surface_series.SurfaceSeries`.
    places : Grayordinates
    t_r : float or None
        Repetition time in seconds.
    image_type : type, optional
        Of an "image": nilearn's ``SurfaceImage``.
    mesh : Any
        Of an "image".
    """

    kind: str
    places: Grayordinates
    t_r: float | None = None
    image_type: Any = None
    mesh: Any = None

    @classmethod
    def of(cls, series: SurfaceSeries) -> Likeness:
        """Make images like the one that a series was opened from."""
        given = series.given
        return cls(
            kind=series.kind,
            places=series.grid,
            t_r=series.t_r,
            image_type=None if given is None else type(given),
            mesh=None if given is None else given.mesh,
        )

    def image(self, values: Array, t_r: float | None = None) -> Any:
        """Make an image.

        Parameters
        ----------
        values : array of shape (V, T) or (V,)
        t_r : float, optional
            Repetition time in seconds.

        Returns
        -------
        image : Cifti2Image, GiftiImage, a pair or a dict of these, or SurfaceImage
            Of (V,), a CIFTI image is one of scalars. GIFTI holds float32 and int32.
        """
        if self.kind == "cifti":
            return self._cifti(values, t_r or self.t_r)
        sides = {side: self.places.where(name) for side, name in HEMISPHERES.items()}
        parts = {side: values[where] for side, where in sides.items() if where is not None}
        if self.kind == "image":
            return self.image_type(mesh=self.mesh, data=parts)
        images = {side: _gifti(part, HEMISPHERES[side]) for side, part in parts.items()}
        if self.kind == "dict":
            return images
        return tuple(images.values()) if self.kind == "pair" else next(iter(images.values()))

    def _cifti(self, values: Array, t_r: float | None) -> Any:
        from nibabel import cifti2

        library: Any = cifti2
        if values.ndim == 1:
            along, intent = library.ScalarAxis(["map"]), _SCALARS
        else:
            along, intent = library.SeriesAxis(0, t_r or 1.0, values.shape[1]), _SERIES
        header = cifti_header(along, self.places)
        rows: Any = np.atleast_2d(values.T)
        image = library.Cifti2Image(rows, header, dtype=_stored(rows).dtype)
        image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{intent}")
        return image


def cifti_header(along: Any, places: Grayordinates) -> Any:
    """Make nibabel's header of a dense CIFTI file.

    Its own axes say a structure's name for every place, which takes seconds for 91,282 of them;
    here each structure is described once.

    Parameters
    ----------
    along : nibabel.cifti2.Axis
        A series, scalars or labels.
    places : Grayordinates

    Raises
    ------
    SpaceError
        If there is no place.
    """
    from nibabel import cifti2

    library: Any = cifti2
    if not places.n_voxels:
        raise SpaceError("An image needs at least one place.")
    matrix = library.Cifti2Matrix()
    matrix.append(along.to_mapping(0))
    matrix.append(_brain_models(places))
    return library.Cifti2Header(matrix)


def _brain_models(places: Grayordinates) -> Any:
    from nibabel import cifti2

    library: Any = cifti2
    models = library.Cifti2MatrixIndicesMap([1], "CIFTI_INDEX_TYPE_BRAIN_MODELS")
    if places.volume is not None:
        affine = library.Cifti2TransformationMatrixVoxelIndicesIJKtoXYZ(-3, places.volume.affine)
        models.append(library.Cifti2Volume(places.volume.shape, affine))
    start = 0
    for each in places.structures:
        found = each.places.tolist()
        models.append(
            library.Cifti2BrainModel(
                index_offset=start,
                index_count=len(found),
                model_type=f"CIFTI_MODEL_TYPE_{'SURFACE' if each.is_surface else 'VOXELS'}",
                brain_structure=PREFIX + each.name,
                n_surface_vertices=each.n_vertices,
                vertex_indices=library.Cifti2VertexIndices(found) if each.is_surface else None,
                voxel_indices_ijk=None
                if each.is_surface
                else library.Cifti2VoxelIndicesIJK(found),
            )
        )
        start += len(found)
    return models


def _gifti(values: Array, structure: str) -> Any:
    from nibabel import gifti

    library: Any = gifti
    stored = _stored(values if values.ndim == 2 else values[:, np.newaxis])
    kind = "TIME_SERIES" if values.ndim == 2 else "NONE"
    image = library.GiftiImage(
        darrays=[
            library.GiftiDataArray(
                np.ascontiguousarray(volume),
                intent=f"NIFTI_INTENT_{kind}",
                datatype=f"NIFTI_TYPE_{stored.dtype.name.upper()}",
            )
            for volume in stored.T
        ]
    )
    image.meta["AnatomicalStructurePrimary"] = SIDES[structure]
    return image


def _stored(values: Array) -> Array:
    """Give values in a type that other programs read."""
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int32, copy=False)
