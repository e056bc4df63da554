"""Balls of voxels around seeds."""

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.affine import apply_affine


def voxels_in_spheres(
    seeds: FloatArray,
    radii_mm: Sequence[float | None],
    shape: tuple[int, int, int],
    affine: FloatArray,
    mask: BoolArray | None = None,
) -> tuple[IntArray, ...]:
    """Find the voxels around each seed.

    Parameters
    ----------
    seeds : array of shape (P, 3)
        World coordinates in mm.
    radii_mm : P numbers or None
        A voxel belongs to a sphere if its centre is not further than this from the seed. None:
        only the voxel that the seed lies in.
    shape : three ints
    affine : array of shape (4, 4)
        From voxels to mm.
    mask : bool array of shape (X, Y, Z), optional
        Voxels outside belong to no sphere.

    Returns
    -------
    spheres : P int arrays
        Flat indices, x running fastest, ascending. The voxel that the seed lies in is always
        there, however small the radius; a sphere may be empty, if it lies outside of the lattice
        or the mask.

    Raises
    ------
    ValueError
        If a seed is not finite, or a radius is negative or not finite.

    Notes
    -----
    Half way between voxels, a seed lies in the one of even index (nilearn's rule too). nilearn
    adds a second voxel to some spheres without a radius, one whose world coordinates are equal to
    the seed's if decimals are cut off; that is left out.

    Examples
    --------
    >>> origin = np.zeros((1, 3))
    >>> voxels_in_spheres(origin, [1.0], (2, 2, 2), np.eye(4))
    (array([0, 1, 2, 4]),)
    >>> voxels_in_spheres(origin, [None], (2, 2, 2), np.eye(4))
    (array([0]),)
    """
    centres = np.asarray(seeds, dtype=np.float64).reshape(-1, 3)
    _check(centres, radii_mm)
    to_voxels = np.linalg.inv(affine)
    inside = None if mask is None else mask.ravel(order="F")
    return tuple(
        _kept(_sphere(seed, radius, shape, affine, to_voxels), shape, inside)
        for seed, radius in zip(centres, radii_mm, strict=True)
    )


def n_voxels_of_spheres(
    seeds: FloatArray, radii_mm: Sequence[float | None], affine: FloatArray
) -> IntArray:
    """Count the voxels of whole spheres, on a lattice without end.

    Parameters
    ----------
    seeds, radii_mm, affine
        See `voxels_in_spheres`.

    Returns
    -------
    counts : int array of shape (P,)

    Examples
    --------
    >>> n_voxels_of_spheres(np.zeros((1, 3)), [1.0], np.eye(4))
    array([7])
    """
    centres = np.asarray(seeds, dtype=np.float64).reshape(-1, 3)
    _check(centres, radii_mm)
    to_voxels = np.linalg.inv(affine)
    spheres = (
        _sphere(seed, radius, None, affine, to_voxels)
        for seed, radius in zip(centres, radii_mm, strict=True)
    )
    return np.array([len(sphere) for sphere in spheres], dtype=np.intp)


def _sphere(
    seed: FloatArray,
    radius: float | None,
    shape: tuple[int, int, int] | None,
    affine: FloatArray,
    to_voxels: FloatArray,
) -> IntArray:
    """Voxels (n, 3) of a sphere: those of a box around it, inside of the lattice, that are near.

    Without a shape the lattice has no end.
    """
    centre = apply_affine(to_voxels, seed)
    nearest = np.round(centre).astype(np.int64)
    # A ball reaches along a voxel axis as far as that row of the inverse affine is long.
    reach = (radius or 0.0) * np.linalg.norm(to_voxels[:3, :3], axis=1)
    first = np.minimum(np.floor(centre - reach).astype(np.int64), nearest)
    last = np.maximum(np.ceil(centre + reach).astype(np.int64), nearest)
    if shape is not None:
        first, last = np.maximum(first, 0), np.minimum(last, np.array(shape) - 1)
    box = [np.arange(start, stop + 1) for start, stop in zip(first, last, strict=True)]
    voxels = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, 3)
    member = (voxels == nearest).all(axis=1)
    if radius is not None:
        distances = apply_affine(affine, voxels) - seed
        member |= np.square(distances).sum(axis=1) <= radius**2
    sphere: IntArray = voxels[member]
    return sphere


def _kept(voxels: IntArray, shape: tuple[int, int, int], inside: BoolArray | None) -> IntArray:
    flat = np.sort(np.ravel_multi_index(tuple(voxels.T), shape, order="F"))
    return flat if inside is None else flat[inside[flat]]


def _check(seeds: FloatArray, radii_mm: Sequence[float | None]) -> None:
    strange = np.flatnonzero(~np.isfinite(seeds).all(axis=1))
    if strange.size:
        raise ValueError(f"Seed {strange[0]} (counted from 0) is not three finite numbers.")
    for radius in radii_mm:
        if radius is not None and not 0 <= radius < np.inf:
            raise ValueError(f"A radius is a length in mm and not {radius}.")
