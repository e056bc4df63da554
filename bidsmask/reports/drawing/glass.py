"""All of the brain at one look: what lies along each line of sight, from several sides."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.reports.drawing.brain import draw_side_by_side
from bidsmask.reports.drawing.colours import distinct, hexadecimal
from bidsmask.reports.drawing.legend import Key, lost_keys
from bidsmask.reports.drawing.levels import LEVELS
from bidsmask.reports.drawing.maps import MAX_NAMED_MAPS, MapInk, codes_of
from bidsmask.reports.drawing.slices import Row, Scene, scene_of

_FROM = ("left", "back", "top")
"""Where the views along the three axes are seen from, so that the left is on the left."""


def glass_brain(
    reference: FloatArray,
    strongest: IntArray,
    strength: FloatArray,
    affine: FloatArray,
    *,
    names: Sequence[str],
    unit: str,
    lost: Collection[int] = (),
) -> bytes:
    """Maps or spheres in a brain of glass, seen along its three axes.

    From the side the two halves of the head are seen for themselves, if there is something in
    both: what lies in one would hide its twin in the other. Along each line of sight the
    strongest is seen; of equally strong ones, the first that the line meets on its way in.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        BOLD reference or temporal mean, seen as the mean along the line; NaN counts as 0.
    strongest : int array of shape (X, Y, Z)
        Which map or sphere is strongest: 1 to P, and 0 where there is none.
    strength : array of shape (X, Y, Z)
        From 0 to 1; what is below a quarter is not drawn.
    affine : array of shape (4, 4)
        Of all three, to mm. Any orientation; the left of the head is drawn on the left.
    names : sequence of P str
    unit : str
        What they are, in the singular.
    lost : collection of int
        Numbers (1 to P) of those without a usable signal: striped red.

    Returns
    -------
    svg : bytes

    Raises
    ------
    ValueError
        If shapes differ, or if there is nothing to draw.
    """
    if not reference.shape == strongest.shape == strength.shape:
        raise ValueError(
            "The reference, the numbers and their strength must be volumes of one shape; they are "
            f"{reference.shape}, {strongest.shape} and {strength.shape}."
        )
    codes = codes_of(strongest, strength)
    if not codes.any():
        raise ValueError(f"No {unit} lies on this grid, so that there is nothing to draw.")
    scene = scene_of(reference, codes, affine, codes != 0)
    ink = MapInk(distinct(len(names)), lost)
    upside_down = replace(scene, codes=scene.codes[:, :, ::-1])
    sides = [*_from_the_side(scene), (_FROM[1], 1, scene), (_FROM[2], 2, upside_down)]
    rows = [_seen_along(axis, seen, ink) for _, axis, seen in sides]
    title = f"Each {unit} in a brain of glass"
    keys = _keys(names, unit, lost)
    return draw_side_by_side(rows, [name for name, *_ in sides], keys, title).svg()


def _from_the_side(scene: Scene) -> list[tuple[str, int, Scene]]:
    """Views along x: of each half of the head, or of all of it if one half is empty."""
    left = scene.is_left()[:, None, None]
    halves = {
        "left half": np.where(left, scene.codes, 0),
        "right half": np.where(left, 0, scene.codes)[::-1],
    }
    if not all(codes.any() for codes in halves.values()):
        return [(_FROM[0], 0, scene)]
    return [(name, 0, replace(scene, codes=codes)) for name, codes in halves.items()]


def _seen_along(axis: int, scene: Scene, ink: MapInk) -> Row:
    below = np.nan_to_num(scene.below).mean(axis=axis, keepdims=True)
    level = np.where(scene.codes > 0, 1 + (scene.codes - 1) % len(LEVELS), 0)
    first = np.expand_dims(level.argmax(axis=axis), axis)
    seen = replace(
        scene,
        below=below,
        codes=np.take_along_axis(scene.codes, first, axis),
        brightest=float(below.max()) or 1.0,
    )
    return seen.row(axis, [0], ink)


def _keys(names: Sequence[str], unit: str, lost: Collection[int]) -> list[Key]:
    colours = [hexadecimal(colour) for colour in distinct(len(names))]
    usable = [number for number in range(1, len(names) + 1) if number not in lost]
    if len(names) <= MAX_NAMED_MAPS:
        keys = [Key(names[number - 1], colours[number - 1]) for number in usable]
    else:
        keys = [Key(f"{len(usable)} {unit}s, a colour for each", colours[0])]
    return keys + lost_keys([names[number - 1] for number in sorted(lost)], "stripes")
