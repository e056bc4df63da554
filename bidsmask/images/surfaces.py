"""Images on surfaces: values on the vertices of meshes, in parts such as left and right.

They are nilearn's (``SurfaceImage``), known by what they have: ``mesh.parts`` and ``data.parts``.
Nothing is imported from there, and what comes back is of the type that came in.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.errors import SpaceError

Parts = dict[str, Array]
"""Values of each part: (V,) or (V, T)."""


def is_surface(img: Any) -> bool:
    """Whether something is an image on a surface."""
    return hasattr(img, "mesh") and hasattr(getattr(img, "data", None), "parts")


def are_surfaces(imgs: Any) -> bool:
    """Whether several things are images on surfaces, all of them."""
    return isinstance(imgs, list | tuple) and len(imgs) > 0 and all(map(is_surface, imgs))


def parts_of(img: Any) -> Parts:
    """Values by name of the part; not a copy."""
    return {name: np.asarray(values) for name, values in img.data.parts.items()}


def on_mesh_of(img: Any, parts: Parts) -> Any:
    """Put values onto the mesh of an image."""
    return type(img)(mesh=img.mesh, data=parts)


def changed(img: Any, change: Callable[[Array], Array]) -> Any:
    """Change the values of each part."""
    return on_mesh_of(img, {name: change(values) for name, values in parts_of(img).items()})


def combined(imgs: Mapping[str, Any], compute: Callable[[Parts], Array]) -> Any:
    """Compute, part by part, with the values of several images by their names."""
    first = next(iter(imgs.values()))
    refuse_other_meshes(list(imgs.values()))
    return on_mesh_of(
        first,
        {
            part: compute({name: parts_of(img)[part] for name, img in imgs.items()})
            for part in parts_of(first)
        },
    )


def stacked(img: Any) -> Array:
    """Values of all parts, one below the other: (V,) or (V, T)."""
    return np.concatenate(list(parts_of(img).values()))


def split(img: Any, values: Array) -> Any:
    """Put values (V, …) of all parts, one below the other, onto the mesh of an image."""
    names, lengths = zip(*((name, len(each)) for name, each in parts_of(img).items()), strict=True)
    pieces = np.split(values, np.cumsum(lengths)[:-1])
    return on_mesh_of(img, dict(zip(names, pieces, strict=True)))


def refuse_single_samples(img: Any) -> None:
    """Refuse values (V,), where several samples are wanted.

    Raises
    ------
    ValueError
    """
    for name, values in parts_of(img).items():
        if values.ndim != 2:
            raise ValueError(
                f"Data for each part of imgs should be 2D (vertices, samples). {name} has the "
                f"shape {values.shape}."
            )


def refuse_other_meshes(imgs: Sequence[Any]) -> None:
    """Refuse images that do not have the same vertices in the same parts.

    Raises
    ------
    SpaceError
    """
    first = imgs[0].mesh.parts
    for number, img in enumerate(imgs):
        parts = img.mesh.parts
        if parts.keys() != first.keys():
            raise SpaceError(f"Image {number} has the parts {list(parts)}, not {list(first)}.")
        for name, mesh in parts.items():
            theirs, ours = (np.shape(each.coordinates) for each in (mesh, first[name]))
            if theirs != ours or not np.allclose(mesh.coordinates, first[name].coordinates):
                raise SpaceError(
                    f"The {name} mesh of image {number} is another one than that of the first: "
                    f"{theirs[0]} and {ours[0]} vertices, or in other places."
                )


def pick(img: Any, index: Any) -> Any:
    """Pick samples; a single one keeps its axis."""
    refuse_single_samples(img)
    return changed(img, lambda values: _two_axes(values[:, index]))


def samples(img: Any) -> Iterator[Any]:
    """Go through the samples of an image, each of them (V, 1); a single one (V,) is as it is."""
    values = stacked(img)
    if values.ndim == 1:
        return iter([img])
    return (pick(img, number) for number in range(values.shape[1]))


def joined(imgs: Sequence[Any], dtype: Any) -> Any:
    """Put the samples of several images into one."""
    refuse_other_meshes(imgs)
    kind = stacked(imgs[0]).dtype if dtype is None else dtype
    return on_mesh_of(
        imgs[0],
        {
            name: np.hstack([_two_axes(parts_of(img)[name]) for img in imgs]).astype(kind)
            for name in parts_of(imgs[0])
        },
    )


def averaged(imgs: Sequence[Any]) -> Any:
    """Average the samples of each image, and then the averages."""
    means = [changed(img, _mean) for img in imgs]
    return means[0] if len(means) == 1 else changed(joined(means, None), _mean)


def smoothed(img: Any, fwhm: Any) -> Any:
    """Smooth along each mesh; see `bidsmask.numerics.mesh.smooth_on_mesh`.

    Raises
    ------
    TypeError
        If `fwhm` is not one number.

    Warns
    -----
    UserWarning
        If the width is so small that nothing is smoothed.
    """
    if not (fwhm is None or isinstance(fwhm, int | float | np.number)):
        raise TypeError(
            f"For surface data, 'fwhm' must be a scalar. It must be of type float, not {fwhm!r}."
        )
    from bidsmask.numerics.mesh import iterations, smooth_on_mesh  # scipy.sparse

    width = None if fwhm is None else float(fwhm)
    if width and not all(iterations(*_mesh(img, name), width) for name in parts_of(img)):
        warnings.warn(
            f"fwhm={width:g} mm is so narrow for this mesh that no neighbours are averaged: "
            "nothing is smoothed. Maskers (smoothing_fwhm) smooth by any width.",
            stacklevel=3,
        )
    return on_mesh_of(
        img,
        {
            name: smooth_on_mesh(values, *_mesh(img, name), width)
            for name, values in parts_of(img).items()
        },
    )


def masked(img: Any, mask_img: Any) -> Array:
    """Take the vertices of a mask: (T, V) or (V,)."""
    refuse_other_meshes([mask_img, img])
    inside = stacked(mask_img).reshape(-1) != 0
    picked: Array = stacked(img)[inside].T
    return picked


def _mesh(img: Any, name: str) -> tuple[Array, Array]:
    """Coordinates and faces of a part."""
    mesh = img.mesh.parts[name]
    return np.asarray(mesh.coordinates), np.asarray(mesh.faces)


def _two_axes(values: Array) -> Array:
    return values if values.ndim == 2 else values[:, np.newaxis]


def _mean(values: Array) -> Array:
    return values.mean(axis=1) if values.ndim == 2 and values.shape[1] > 1 else values
