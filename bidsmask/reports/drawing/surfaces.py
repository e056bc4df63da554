"""Regions and values on the cortex: hemispheres from outside and from the middle of the head."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.images.grayordinates import LEFT, RIGHT
from bidsmask.images.meshes import Mesh
from bidsmask.reports.drawing.axes import draw_colour_bar
from bidsmask.reports.drawing.canvas import SMALL, WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import (
    LOST,
    MUTED,
    between,
    blue_to_red,
    distinct,
    hexadecimal,
    of_shares,
    sequential,
)
from bidsmask.reports.drawing.hemispheres import DARKEST, Outlook, Side, outlook
from bidsmask.reports.drawing.legend import Key, draw_legend, legend_height, lost_keys
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.drawing.scales import round_limit
from bidsmask.reports.drawing.slices import striped

SIDES: tuple[Side, ...] = ("lateral", "medial")
"""Rows from top to bottom."""

MAX_NAMED_REGIONS = 12
"""Up to this many, the legend says which colour is which region."""

N_COLOURS = 20
"""Of values: few enough for a palette together with their shades."""

BARE = (206, 209, 213)
"""Cortex that belongs to no region, or has no value."""

BORDER = (38, 44, 52)
"""Lines between regions."""

_NAMES = {LEFT: "left", RIGHT: "right"}
_PIXELS = 1.75
"""Of a picture, for each of the figure's: what is drawn from them is smooth."""

_STRIPE = 6
_BETWEEN_STRIPES = (252, 228, 221)
_WIDEST = 384.0
_LENGTH_OF_HEIGHT = 1.25
"""What is higher in comparison with its length is no brain, and is drawn smaller."""

_GAP = 24.0
_BELOW = 20.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Cortex:
    """Hemispheres as they are looked at, ready to be painted as often as wanted.

    Parameters
    ----------
    outlooks : mapping from structure to {"lateral", "medial"} to Outlook
        ``CORTEX_LEFT`` before ``CORTEX_RIGHT``; one of them may be missing.
    """

    outlooks: Mapping[str, Mapping[Side, Outlook]]


def look_at(meshes: Mapping[str, Mesh]) -> Cortex:
    """Look at hemispheres from outside and from the middle of the head, in one scale.

    Parameters
    ----------
    meshes : mapping from structure to Mesh
        Best inflated, as otherwise little of the cortex is seen.

    Raises
    ------
    ValueError
        If there is none.
    """
    ordered = {structure: meshes[structure] for structure in _NAMES if structure in meshes}
    if not ordered:
        raise ValueError("There is no mesh of a hemisphere, so that there is nothing to draw.")
    sizes = np.array([np.ptp(mesh.coordinates, axis=0) for mesh in ordered.values()])
    longest = float(np.maximum(sizes[:, 1], _LENGTH_OF_HEIGHT * sizes[:, 2]).max())
    return Cortex(
        outlooks={
            structure: {
                side: outlook(
                    mesh.coordinates,
                    mesh.faces,
                    is_left=structure == LEFT,
                    side=side,
                    pixels_per_mm=_WIDEST * _PIXELS / (longest or 1.0),
                )
                for side in SIDES
            }
            for structure, mesh in ordered.items()
        }
    )


def surface_regions(
    cortex: Cortex,
    codes: Mapping[str, IntArray],
    *,
    names: Sequence[str],
    lost: Collection[int] = (),
    colours: Array | None = None,
    unit: str = "region",
) -> bytes:
    """Regions on the cortex, each in a colour of its own.

    Parameters
    ----------
    cortex : Cortex
    codes : mapping from structure to int array of shape (V,)
        Of each vertex the region, 1 to P, and 0 where there is none.
    names : sequence of P str
    lost : collection of int
        Numbers (1 to P) of regions without a usable signal: striped red.
    colours : uint8 array of shape (P + 1, 3), optional
        Of the numbers 0 to P. By default as distinct as P colours can be.
    unit : str
        What a number is of, in the singular.

    Returns
    -------
    svg : bytes

    Raises
    ------
    ValueError
        If no vertex belongs to a region.
    """
    if not any(codes[structure].any() for structure in cortex.outlooks):
        raise ValueError(f"No {unit} has a vertex here, so that there is nothing to draw.")
    own = _pale(distinct(len(names))) if colours is None else colours[1:]
    ink = _Ink(np.concatenate([[BARE], own]), lost=lost)
    keys = _region_keys(names, own, lost, unit)
    return _draw(cortex, codes, ink, keys, f"{len(names)} {unit}s on the cortex")


def surface_coverage(
    cortex: Cortex,
    share: Mapping[str, FloatArray],
    *,
    codes: Mapping[str, IntArray],
    lost: Collection[int] = (),
) -> bytes:
    """How much of each region is covered, on the cortex.

    Parameters
    ----------
    cortex : Cortex
    share : mapping from structure to array of shape (V,)
        Of each vertex the coverage of its region, 0 to 1; NaN where there is no region.
    codes, lost
        See `surface_regions`.

    Returns
    -------
    svg : bytes
    """
    return values_on_surfaces(
        cortex,
        share,
        label="coverage",
        colours=of_shares(N_COLOURS),
        limits=(0.0, 1.0),
        codes=codes,
        lost=lost,
    )


def surface_tsnr(cortex: Cortex, tsnr: Mapping[str, FloatArray]) -> bytes:
    """Temporal signal-to-noise ratio of each vertex.

    Parameters
    ----------
    cortex : Cortex
    tsnr : mapping from structure to array of shape (V,)
        NaN where the signal is missing or does not change.

    Returns
    -------
    svg : bytes
    """
    limits = 0.0, _round_limit(tsnr)
    return values_on_surfaces(
        cortex, tsnr, label="tSNR", colours=sequential(N_COLOURS), limits=limits
    )


def surface_map(cortex: Cortex, values: Mapping[str, FloatArray], *, label: str) -> bytes:
    """Map of a statistic, such as the correlation with a seed, on the cortex.

    Parameters
    ----------
    cortex : Cortex
    values : mapping from structure to array of shape (V,)
        Blue below zero, red above; NaN where there is none.
    label : str
        What the values are, for the colour bar.

    Returns
    -------
    svg : bytes
    """
    limit = _round_limit(values)
    return values_on_surfaces(
        cortex, values, label=label, colours=blue_to_red(N_COLOURS), limits=(-limit, limit)
    )


def _round_limit(values: Mapping[str, FloatArray]) -> float:
    everywhere = np.concatenate(list(values.values()))
    return round_limit(everywhere[np.isfinite(everywhere)])


def values_on_surfaces(
    cortex: Cortex,
    values: Mapping[str, FloatArray],
    *,
    label: str,
    colours: Array,
    limits: tuple[float, float],
    codes: Mapping[str, IntArray] | None = None,
    lost: Collection[int] = (),
) -> bytes:
    """Values on the cortex, such as a correlation with a seed.

    Parameters
    ----------
    cortex : Cortex
    values : mapping from structure to array of shape (V,)
        NaN where there is none: grey.
    label : str
        What the values are, for the colour bar.
    colours : array of shape (n, 3)
        From the lowest value to the highest; others are put between them.
    limits : two floats
        Values of the first and of the last colour; what lies beyond is clipped.
    codes : mapping from structure to int array of shape (V,), optional
        Regions whose borders are drawn.
    lost : collection of int
        Numbers of regions without a usable signal: striped red.

    Returns
    -------
    svg : bytes

    Raises
    ------
    ValueError
        If no vertex has a value.
    """
    if not any(np.isfinite(values[structure]).any() for structure in cortex.outlooks):
        raise ValueError(f"No vertex has a value of {label}, so that there is nothing to draw.")
    ramp = between(colours, N_COLOURS)
    low, high = limits
    steps = {
        structure: np.where(
            np.isfinite(known),
            1 + np.clip((known - low) / ((high - low) or 1.0) * N_COLOURS, 0, N_COLOURS - 1),
            0,
        ).astype(np.int16)
        for structure, known in values.items()
    }
    ink = _Ink(np.concatenate([[BARE], ramp]), lost=lost, borders_of=codes or {}, n_shades=12)
    keys = [Key("no value", hexadecimal(BARE))] if _some_bare(cortex, steps) else []
    keys += [Key("lost region", hexadecimal(LOST), "stripes")] * bool(lost)
    bar = (ramp, limits, label)
    return _draw(cortex, steps, ink, keys, f"{label} on the cortex", bar)


def _pale(colours: Array) -> Array:
    """Lighten colours, which would be loud over large areas."""
    pale: Array = 0.7 * colours + 0.3 * 255
    return pale


class _Ink:
    """How numbers of vertices are drawn: in colours, shaded, with lines between regions.

    Parameters
    ----------
    colours : array of shape (n, 3)
        Of the numbers from 0.
    lost : collection of int
        Regions that are striped.
    borders_of : mapping from structure to int array of shape (V,), optional
        Regions, if they are something else than the numbers.
    n_shades : int
        Steps from the darkest to the brightest.
    """

    def __init__(
        self,
        colours: Array,
        *,
        lost: Collection[int],
        borders_of: Mapping[str, IntArray] | None = None,
        n_shades: int = 20,
    ) -> None:
        self._n_shades = n_shades
        self.lost = list(lost)
        self.borders_of = borders_of
        shades = np.linspace(DARKEST, 1, n_shades)[:, np.newaxis]
        shaded = np.concatenate([colours, [LOST, _BETWEEN_STRIPES]])[:, np.newaxis] * shades
        more = np.array([BORDER, (255, 255, 255)])
        self.colours = np.concatenate([shaded.reshape(-1, 3), more]).round().astype(np.uint8)
        self._red = len(colours)

    def picture(self, view: Outlook, codes: IntArray, structure: str) -> Picture:
        """Paint a view."""
        numbers = view.of(codes).astype(np.int32)
        regions = numbers
        if self.borders_of is not None:
            regions = view.of(self.borders_of.get(structure, np.zeros_like(codes)))
        borders = _between_regions(np.where(view.shown, regions, 0)) & view.shown
        lost = np.isin(regions, self.lost)
        numbers[lost] = self._red + 1 - striped(regions.shape, _STRIPE)[lost]
        level = (
            ((view.shade - DARKEST) * ((self._n_shades - 1) / (1 - DARKEST)))
            .round()
            .astype(np.int32)
        )
        numbers = numbers * self._n_shades + level
        numbers[borders] = len(self.colours) - 2
        numbers[~view.shown] = len(self.colours) - 1
        return Picture(numbers=numbers, colours=self.colours)


def _between_regions(regions: IntArray) -> BoolArray:
    """Pixels at either side of a border."""
    borders = np.zeros(regions.shape, dtype=bool)
    across = regions[:, 1:] != regions[:, :-1]
    borders[:, 1:] |= across
    borders[:, :-1] |= across
    down = regions[1:] != regions[:-1]
    borders[1:] |= down
    borders[:-1] |= down
    return borders


def _draw(
    cortex: Cortex,
    codes: Mapping[str, IntArray],
    ink: _Ink,
    keys: Sequence[Key],
    title: str,
    bar: tuple[Array, tuple[float, float], str] | None = None,
) -> bytes:
    head = 66.0 if bar else 4.0
    legend = Box(8, head, WIDTH - 16, legend_height(keys, WIDTH - 16))
    heights = {
        side: max(views[side].shade.shape[0] for views in cortex.outlooks.values()) / _PIXELS
        for side in SIDES
    }
    top = legend.bottom + 8
    canvas = Canvas(top + sum(heights.values()) + _BELOW * len(SIDES), title)
    draw_legend(canvas, keys, legend)
    if bar:
        draw_colour_bar(canvas, Box(13, 26, 208, 13), *bar)
    n = len(cortex.outlooks)
    for side in SIDES:
        for place, (structure, views) in enumerate(cortex.outlooks.items()):
            middle = WIDTH / 2 + (place - (n - 1) / 2) * (_WIDEST + _GAP)
            picture = ink.picture(views[side], codes[structure], structure)
            rows, columns = (size / _PIXELS for size in picture.numbers.shape)
            lift = (heights[side] - rows) / 2
            canvas.picture(Box(middle - columns / 2, top + lift, columns, rows), picture)
            words = f"{_NAMES[structure]}, {side}"
            baseline = top + heights[side] + 13
            canvas.text(middle, baseline, words, size=SMALL, colour=MUTED, align="middle")
        top += heights[side] + _BELOW
    return canvas.svg()


def _region_keys(
    names: Sequence[str], colours: Array, lost: Collection[int], unit: str
) -> list[Key]:
    found = lost_keys([names[number - 1] for number in sorted(lost)], "stripes")
    if len(names) > MAX_NAMED_REGIONS:
        return [Key(f"no {unit}", hexadecimal(BARE)), *found]
    usable = [number for number in range(1, len(names) + 1) if number not in lost]
    return [Key(names[i - 1], hexadecimal(colours[i - 1])) for i in usable] + found


def _some_bare(cortex: Cortex, steps: Mapping[str, IntArray]) -> bool:
    return any((steps[structure] == 0).any() for structure in cortex.outlooks)
