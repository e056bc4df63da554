"""Where spheres lie in the brain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.numerics.affine import voxel_sizes
from bidsmask.reports.drawing.brain import draw_rows
from bidsmask.reports.drawing.canvas import Box, Canvas
from bidsmask.reports.drawing.colours import LOST, distinct, hexadecimal
from bidsmask.reports.drawing.legend import Key, draw_ring, lost_keys
from bidsmask.reports.drawing.slices import (
    AXES,
    OUTLINE,
    Row,
    Scene,
    Wanted,
    brain_like,
    greys,
    scene_of,
)

MAX_NAMED_SEEDS = 12
"""Up to this many, each has a colour, and the legend says which."""

SMALLEST = 3.5
"""Radius in pixels below which a sphere would hardly be seen."""


def seeds(
    reference: FloatArray,
    seed_xyz_mm: FloatArray,
    radii_mm: FloatArray,
    affine: FloatArray,
    *,
    names: Sequence[str],
    lost: Collection[int] = (),
) -> bytes:
    """Spheres on the run's own image, in axial, coronal and sagittal slices.

    In each row a sphere is drawn once, on the slice nearest to its centre: filled where the
    slice goes through it, an empty circle where it lies before or behind. Slices go through as
    many spheres as they can.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        BOLD reference or temporal mean; NaN is drawn black.
    seed_xyz_mm : array of shape (P, 3)
        Centres, in the space of `affine`. One that lies beyond the image is named, but not drawn.
    radii_mm : array of shape (P,)
        NaN or 0: a single voxel.
    affine : array of shape (4, 4)
        Of the reference, to mm. Any orientation; the left of the head is drawn on the left.
    names : sequence of P str
    lost : collection of int
        Indices (0 to P - 1) of spheres without a usable signal: red, and crossed out.

    Returns
    -------
    svg : bytes

    Raises
    ------
    ValueError
        If there is no sphere, or if shapes do not fit.
    """
    n = len(names)
    if reference.ndim != 3 or seed_xyz_mm.shape != (n, 3) or radii_mm.shape != (n,):
        raise ValueError(
            f"{n} names need a volume, centres of shape ({n}, 3) and {n} radii; the shapes are "
            f"{reference.shape}, {seed_xyz_mm.shape} and {radii_mm.shape}."
        )
    if not n:
        raise ValueError("There is no sphere, so that there is nothing to draw.")
    nothing = np.zeros(reference.shape, dtype=np.int8)
    scene = scene_of(reference, nothing, affine, brain_like(reference))
    spheres = _Spheres(
        voxels=scene.voxels(seed_xyz_mm),
        radii_mm=np.maximum(np.nan_to_num(radii_mm), voxel_sizes(affine).max() / 2),
        colours=_colours(n, lost),
        lost=frozenset(lost),
    )
    slices = {axis: scene.slices(axis, _wanted(scene, spheres, axis)) for axis in AXES}
    rows = [scene.row(axis, slices[axis], _GreyInk()) for axis in AXES]
    drawn = draw_rows(rows, _keys(names, spheres), f"{n} spheres on slices of the brain")
    for row, box in zip(rows, drawn.boxes, strict=True):
        _draw_spheres(drawn.canvas, box, row, slices[row.axis], scene, spheres)
    return drawn.canvas.svg()


class _Spheres(NamedTuple):
    """Spheres in the voxels of a scene; `lost` are indices."""

    voxels: FloatArray
    radii_mm: FloatArray
    colours: list[str]
    lost: frozenset[int]

    def within(self, shape: tuple[int, ...]) -> IntArray:
        """Indices of those whose centre is in the picture."""
        inside = (self.voxels > -0.5) & (self.voxels < np.array(shape) - 0.5)
        return np.flatnonzero(inside.all(axis=1))


class _GreyInk:
    """Nothing but what lies beneath."""

    pixels_per_voxel = 1
    colours = greys().background

    def numbers(self, grey: IntArray, codes: IntArray) -> IntArray:
        """Numbers of a slice."""
        return grey


def _colours(n: int, lost: Collection[int]) -> list[str]:
    usual = distinct(n) if n <= MAX_NAMED_SEEDS else np.tile(OUTLINE, (n, 1))
    return [
        hexadecimal(LOST) if index in lost else hexadecimal(colour)
        for index, colour in enumerate(usual)
    ]


def _wanted(scene: Scene, spheres: _Spheres, axis: int) -> Wanted:
    """Every slice that goes through a sphere."""
    reach = spheres.radii_mm / voxel_sizes(scene.affine)[axis]
    places, things = [], []
    for index in spheres.within(scene.inside.shape):
        centre = spheres.voxels[index, axis]
        for slice_ in range(round(centre - reach[index] + 0.5), int(centre + reach[index]) + 1):
            places.append([slice_] * 3)
            things.append(index)
    return Wanted(places=np.array(places, dtype=int).reshape(-1, 3), things=np.array(things))


def _draw_spheres(
    canvas: Canvas,
    box: Box,
    row: Row,
    indices: Sequence[int],
    scene: Scene,
    spheres: _Spheres,
) -> None:
    scale = box.height / row.height_mm  # pixels per mm
    across, up = sorted({0, 1, 2} - {row.axis})
    shape = scene.inside.shape
    size_mm = voxel_sizes(scene.affine)[row.axis]
    width = box.width / len(indices)
    for index in spheres.within(shape):
        voxel = spheres.voxels[index]
        distances = np.abs(np.array(indices) - voxel[row.axis])
        place = int(distances.argmin())
        x = box.left + width * (place + (voxel[across] + 0.5) / shape[across])
        y = box.bottom - box.height * (voxel[up] + 0.5) / shape[up]
        is_cut = distances[place] * size_mm <= spheres.radii_mm[index]
        radius = max(spheres.radii_mm[index] * scale, SMALLEST)
        draw_ring(
            canvas,
            x,
            y,
            radius,
            spheres.colours[index],
            filled=bool(is_cut),
            crossed=index in spheres.lost,
        )


def _keys(names: Sequence[str], spheres: _Spheres) -> list[Key]:
    usable = [index for index in range(len(names)) if index not in spheres.lost]
    if len(names) <= MAX_NAMED_SEEDS:
        keys = [Key(names[index], spheres.colours[index], "ring") for index in usable]
    else:
        keys = [Key(f"{len(usable)} spheres", hexadecimal(OUTLINE), "ring")]
    return keys + lost_keys([names[index] for index in sorted(spheres.lost)], "cross")
