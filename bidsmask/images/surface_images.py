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
        header = library.Cifti2Header.from_axes((along, brain_model_axis(self.places)))
        rows: Any = np.atleast_2d(values.T)
        image = library.Cifti2Image(rows, header, dtype=_stored(rows).dtype)
        image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{intent}")
        return image


def brain_model_axis(places: Grayordinates) -> Any:
    """Make nibabel's axis of grayordinates.

    Raises
    ------
    SpaceError
        If there is no place.
    """
    from nibabel import cifti2

    library: Any = cifti2
    axis: Any = None
    for each in places.structures:
        name = PREFIX + each.name
        if each.n_vertices is None:
            assert places.volume is not None
            part = library.BrainModelAxis(
                [name] * len(each.places),
                voxel=each.places,
                affine=places.volume.affine,
                volume_shape=places.volume.shape,
            )
        else:
            part = library.BrainModelAxis.from_surface(each.places, each.n_vertices, name)
        axis = part if axis is None else axis + part
    if axis is None:
        raise SpaceError("An image needs at least one place.")
    return axis


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
