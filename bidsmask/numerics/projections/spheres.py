"""Balls of voxels around seeds."""

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.numerics.affine import apply_affine


def voxels_in_spheres(
    seeds: FloatArray,
    radii_mm: Sequence[float | None],
    shape: tuple[int, int, int],
    affine: FloatArray,
) -> tuple[tuple[IntArray, ...], IntArray]:
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

    Returns
    -------
    spheres : P int arrays
        Flat indices, x running fastest, ascending. The voxel that the seed lies in is always
        there, however small the radius; a sphere may be empty, if it lies outside of the lattice.
    n_voxels : int array of shape (P,)
        Voxels of the whole spheres, on a lattice without end.

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
    ((array([0, 1, 2, 4]),), array([7]))
    >>> voxels_in_spheres(origin, [None], (2, 2, 2), np.eye(4))
    ((array([0]),), array([1]))
    """
    centres = np.asarray(seeds, dtype=np.float64).reshape(-1, 3)
    _check(centres, radii_mm)
    to_voxels = np.linalg.inv(affine)
    whole = [
        _sphere(seed, radius, affine, to_voxels)
        for seed, radius in zip(centres, radii_mm, strict=True)
    ]
    n_voxels = np.array([len(sphere) for sphere in whole], dtype=np.intp)
    return tuple(_on_lattice(sphere, shape) for sphere in whole), n_voxels


def _sphere(
    seed: FloatArray, radius: float | None, affine: FloatArray, to_voxels: FloatArray
) -> IntArray:
    """Voxels (n, 3) of a whole sphere: those of a box around it that are near."""
    centre = apply_affine(to_voxels, seed)
    nearest = np.round(centre).astype(np.int64)
    # A ball reaches along a voxel axis as far as that row of the inverse affine is long.
    reach = (radius or 0.0) * np.linalg.norm(to_voxels[:3, :3], axis=1)
    first = np.minimum(np.floor(centre - reach).astype(np.int64), nearest)
    last = np.maximum(np.ceil(centre + reach).astype(np.int64), nearest)
    voxels = first + np.indices(last - first + 1).reshape(3, -1).T
    member = (voxels == nearest).all(axis=1)
    if radius is not None:
        distances = apply_affine(affine, voxels) - seed
        member |= np.square(distances).sum(axis=1) <= radius**2
    sphere: IntArray = voxels[member]
    return sphere


def _on_lattice(voxels: IntArray, shape: tuple[int, int, int]) -> IntArray:
    """Flat indices, ascending, of those of some voxels (n, 3) that a lattice has."""
    there = ((voxels >= 0) & (voxels < shape)).all(axis=1)
    return np.sort(np.ravel_multi_index(tuple(voxels[there].T), shape, order="F"))


def _check(seeds: FloatArray, radii_mm: Sequence[float | None]) -> None:
    strange = np.flatnonzero(~np.isfinite(seeds).all(axis=1))
    if strange.size:
        raise ValueError(f"Seed {strange[0]} (counted from 0) is not three finite numbers.")
    for radius in radii_mm:
        if radius is not None and not 0 <= radius < np.inf:
            raise ValueError(f"A radius is a length in mm and not {radius}.")
