"""Where maps of weights, and maps of a statistic, lie in the brain."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.reports.drawing.axes import draw_colour_bar
from bidsmask.reports.drawing.brain import draw_rows
from bidsmask.reports.drawing.canvas import Box
from bidsmask.reports.drawing.colours import LOST, blue_to_red, distinct, hexadecimal
from bidsmask.reports.drawing.legend import Key, lost_keys
from bidsmask.reports.drawing.levels import LEVELS
from bidsmask.reports.drawing.scales import round_limit
from bidsmask.reports.drawing.slices import (
    AXES,
    BRIGHTEST,
    GREY_LEVELS,
    Scene,
    Wanted,
    greys,
    scene_of,
    striped,
)

MAX_NAMED_MAPS = 12
"""Up to this many, the legend says which colour is which map."""

OPACITIES = (0.35, 0.6, 0.9)
"""Of the colour of a map, from each of `LEVELS` on."""

N_COLOURS = 21
"""Of a statistic: few enough for a palette together with the greys beneath."""

OPAQUE_FROM = 0.6
"""Share of the limit from which a statistic hides what lies beneath; nearer to zero, less."""

_GREYS = 8
"""Levels of grey that are told apart beneath a colour."""


def maps_outline(
    reference: FloatArray,
    strongest: IntArray,
    strength: FloatArray,
    affine: FloatArray,
    *,
    names: Sequence[str],
    lost: Collection[int] = (),
) -> bytes:
    """Probabilistic maps on the run's own image, in axial, coronal and sagittal slices.

    Each voxel has the colour of the map that is strongest there, the fuller the stronger it is;
    a voxel in which no map reaches a quarter of its largest weight is left as it is.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        BOLD reference or temporal mean; NaN is drawn black.
    strongest : int array of shape (X, Y, Z)
        Which map is strongest: 1 to P, and 0 where there is none.
    strength : array of shape (X, Y, Z)
        Weight of that map as a share of its largest weight, 0 to 1; see
        `bidsmask.numerics.projections.map_weights.strongest_maps`.
    affine : array of shape (4, 4)
        Of all three, to mm. Any orientation; the left of the head is drawn on the left.
    names : sequence of P str
    lost : collection of int
        Numbers (1 to P) of maps without a usable signal: striped red.

    Returns
    -------
    svg : bytes

    Raises
    ------
    ValueError
        If shapes differ, or if no voxel has a map.
    """
    _check_shapes(reference, strongest, strength)
    codes, n_levels = codes_of(strongest, strength), len(LEVELS)
    if not codes.any():
        raise ValueError("No map has a weight on this grid, so that there is nothing to draw.")
    scene = scene_of(reference, codes, affine, codes != 0)
    ink = MapInk(distinct(len(names)), lost)
    wanted = _wanted(scene, np.isin((scene.codes + n_levels - 1) // n_levels, list(lost)))
    rows = [scene.row(axis, scene.slices(axis, wanted), ink) for axis in AXES]
    return draw_rows(rows, _map_keys(names, lost), f"{len(names)} maps on slices").canvas.svg()


def statistical_map(
    reference: FloatArray,
    values: FloatArray,
    affine: FloatArray,
    *,
    label: str,
    limit: float | None = None,
) -> bytes:
    """Map of a statistic, such as the correlation with a seed, on slices of the brain.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        What lies beneath, and shows where values are near zero.
    values : array of shape (X, Y, Z)
        Blue below zero, red above; NaN where there is none. Slices go through the largest ones.
    affine : array of shape (4, 4)
        Of both, to mm.
    label : str
        What the values are, for the colour bar.
    limit : float, optional
        Value of the last colour; by default a round number that 99 % of the values do not
        exceed.

    Returns
    -------
    svg : bytes

    Raises
    ------
    ValueError
        If shapes differ, or if there is no value.
    """
    _check_shapes(reference, values)
    known = np.isfinite(values)
    if not known.any():
        raise ValueError(f"The map of {label} has no value, so that there is nothing to draw.")
    limit = round_limit(values[known]) if limit is None else limit
    share = (np.where(known, values, 0) / limit + 1) / 2
    codes = np.where(known, 1 + np.clip(share * N_COLOURS, 0, N_COLOURS - 1).astype(np.int16), 0)
    scene = scene_of(reference, codes, affine, known)
    ink = _StatisticInk()
    wanted = _wanted(scene, (scene.codes > 0) & (_distance(scene.codes) > N_COLOURS // 4))
    rows = [scene.row(axis, scene.slices(axis, wanted), ink) for axis in AXES]
    drawn = draw_rows(rows, (), f"{label} on slices of the brain", head=66)
    box = Box(13, 26, 208, 13)
    colours = ink.colours_over(BRIGHTEST // 2)
    draw_colour_bar(drawn.canvas, box, colours, (-limit, limit), label)
    return drawn.canvas.svg()


def codes_of(strongest: IntArray, strength: FloatArray) -> IntArray:
    """Codes for `MapInk`: which map (from 1), and from which of `LEVELS` on; 0 below them."""
    level = np.digitize(strength, LEVELS)
    codes = np.where((strongest > 0) & (level > 0), (strongest - 1) * len(LEVELS) + level, 0)
    return codes.astype(np.int32)


class MapInk:
    """Colours of maps. Codes are (number of the map - 1) * levels + level, from 1."""

    pixels_per_voxel = 1

    def __init__(self, colours: Array, lost: Collection[int]) -> None:
        self.lost = [number - 1 for number in lost]
        full = np.repeat(colours, len(LEVELS), axis=0)
        opacity = np.tile(OPACITIES, len(colours))
        self.colours = np.concatenate([_blended(full, opacity), [LOST]]).astype(np.uint8)

    def numbers(self, grey: IntArray, codes: IntArray) -> IntArray:
        """Numbers of a slice."""
        numbers = _over(grey, codes)
        is_lost = (codes > 0) & np.isin((codes - 1) // len(LEVELS), self.lost)
        numbers[is_lost & striped(codes.shape)] = len(self.colours) - 1
        return numbers


class _StatisticInk:
    """Codes are levels of the statistic, from 1."""

    pixels_per_voxel = 1

    def __init__(self) -> None:
        self.full = blue_to_red(N_COLOURS)
        from_zero = _distance(np.arange(1, N_COLOURS + 1)) / (N_COLOURS // 2)
        self.opacity = np.minimum(from_zero / OPAQUE_FROM, 1.0)
        self.colours = _blended(self.full, self.opacity)

    def numbers(self, grey: IntArray, codes: IntArray) -> IntArray:
        """Numbers of a slice."""
        return _over(grey, codes)

    def colours_over(self, grey: int) -> Array:
        """Colours (N_COLOURS, 3) as they look over a grey."""
        return _mixed(self.full, np.array([grey] * 3), self.opacity[:, None])


def _blended(full: Array, opacity: Array) -> Array:
    """Colours of the greys alone, and of each colour (n, 3) over each of some greys."""
    plain = greys().background
    beneath = plain[_grey_beneath(np.arange(GREY_LEVELS)).searchsorted(np.arange(_GREYS))]
    over = _mixed(full[:, None], beneath[None], opacity[:, None, None])
    return np.concatenate([plain, over.reshape(-1, 3)])


def _mixed(full: Array, beneath: Array, opacity: Array) -> Array:
    mixed: Array = full * opacity + beneath * (1 - opacity)
    return mixed.round().astype(np.uint8)


def _grey_beneath(grey: IntArray) -> IntArray:
    return grey * _GREYS // GREY_LEVELS


def _over(grey: IntArray, codes: IntArray) -> IntArray:
    """Numbers of codes (from 1; 0 is nothing) over greys, in the order of `_blended`."""
    codes = codes.astype(np.int32)
    over = GREY_LEVELS + (codes - 1) * _GREYS + _grey_beneath(grey)
    return np.where(codes > 0, over, grey)


def _distance(codes: IntArray) -> IntArray:
    """How many levels a code of a statistic is from zero."""
    distance: IntArray = np.abs(codes - 1 - N_COLOURS // 2)
    return distance


def _wanted(scene: Scene, where: Array) -> Wanted:
    places = np.argwhere(where & scene.inside)
    return Wanted(places=places, things=scene.codes[tuple(places.T)])


def _map_keys(names: Sequence[str], lost: Collection[int]) -> list[Key]:
    n = len(names)
    usable = [number for number in range(1, n + 1) if number not in lost]
    if n <= MAX_NAMED_MAPS:
        colours = distinct(n)
        keys = [Key(names[i - 1], hexadecimal(colours[i - 1])) for i in usable]
    else:
        tones = _mixed(distinct(1), np.array([BRIGHTEST // 2] * 3), np.array(OPACITIES)[:, None])
        words = [f"from {level:.0%}" for level in LEVELS]
        words[0] = f"{len(usable)} maps: {words[0]} of the largest weight"
        keys = [Key(word, hexadecimal(tone)) for word, tone in zip(words, tones, strict=True)]
    return keys + lost_keys([names[number - 1] for number in sorted(lost)], "stripes")


def _check_shapes(reference: FloatArray, *others: Array) -> None:
    shapes = {array.shape for array in (reference, *others)}
    if reference.ndim != 3 or len(shapes) != 1:
        raise ValueError(
            "The reference and the maps must be volumes of one shape; they are "
            f"{' and '.join(map(str, sorted(shapes)))}."
        )
