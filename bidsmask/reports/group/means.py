"""Mean connectivity of a group under each strategy, and what differs between strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.arrangement import check_columns, grouped
from bidsmask.reports.drawing.axes import TITLE_ROOM, Blocks, Panel, draw_colour_bar
from bidsmask.reports.drawing.canvas import MARGIN, WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import (
    FRAME,
    INK,
    NO_VALUE_COLOUR,
    blue_to_red,
    painted,
)
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.matrix import MAX_NAMED_REGIONS, N_COLOURS
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.drawing.scales import round_limit

MAX_ROWS = 200
"""Of more regions, some share a row of pixels: their mean is drawn."""

MOST_ABREAST = 4

_LEFT, _GAP, _BAR = 108.0, 16.0, 62.0
_MOST_SIDE = 340.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrix:
    """A matrix (P, P) of regions by regions, what it is, and something about it."""

    title: str
    note: str
    values: FloatArray


def matrices(
    found: Sequence[Matrix],
    *,
    regions: Sequence[str],
    networks: Sequence[str] | None = None,
    label: str,
) -> bytes:
    """Draw matrices side by side, in the same colours.

    Parameters
    ----------
    found : sequence of Matrix
        NaN where there is no value. Diagonals are not drawn.
    regions : sequence of P str
    networks : sequence of P str, optional
        Regions of one network are drawn together.
    label : str
        What the colours mean.

    Returns
    -------
    svg : bytes
    """
    if not found:
        raise ValueError("There is no matrix, so that there is nothing to draw.")
    for each in found:
        check_columns(each.values, regions)
    order, blocks = grouped(networks, len(regions))
    ordered = [_without_diagonal(each.values[np.ix_(order, order)]) for each in found]
    limit = round_limit(np.concatenate([values[np.isfinite(values)] for values in ordered]))
    boxes = _boxes(len(found))
    canvas = Canvas(boxes[-1].bottom + _BAR, f"{label}: {', '.join(m.title for m in found)}")
    for place, (box, each, values) in enumerate(zip(boxes, found, ordered, strict=True)):
        panel = Panel(canvas, box, x=(0, len(regions)), y=(len(regions), 0))
        canvas.picture(box, _picture(values, limit))
        if place % MOST_ABREAST == 0:
            _name(panel, [regions[i] for i in order], blocks)
        _draw_borders(panel, blocks)
        panel.title(each.title, each.note)
    _draw_scale(canvas, boxes[-1].bottom, limit, label)
    return canvas.svg()


def pooled(values: FloatArray, at_most: int = MAX_ROWS) -> FloatArray:
    """Take means of neighbouring rows and columns until there are at most so many of each.

    What is NaN does not count; where all is NaN, it is NaN.

    Examples
    --------
    >>> pooled(np.array([[1.0, 3.0], [np.nan, 5.0]]), at_most=1)
    array([[3.]])
    """
    n = len(values)
    if n <= at_most:
        return values
    firsts = np.linspace(0, n, at_most, endpoint=False).astype(int)
    known = np.isfinite(values)
    sums, counts = (
        np.add.reduceat(np.add.reduceat(each, firsts, axis=0), firsts, axis=1)
        for each in (np.where(known, values, 0.0), known.astype(float))
    )
    return sums / np.where(counts > 0, counts, np.nan)


def _without_diagonal(values: FloatArray) -> FloatArray:
    values = values.astype(float)
    np.fill_diagonal(values, np.nan)
    return values


def _picture(values: FloatArray, limit: float) -> Picture:
    """Paint a matrix; the diagonal is white where a region has a signal."""
    picture = painted(pooled(values), blue_to_red(N_COLOURS), (-limit, limit))
    white = np.full((1, 3), 255, dtype=np.uint8)
    if len(values) <= MAX_ROWS:
        seen = np.flatnonzero(np.isfinite(values).any(axis=0))
        picture.numbers[seen, seen] = len(picture.colours)
    return Picture(numbers=picture.numbers, colours=np.concatenate([picture.colours, white]))


def _boxes(n: int) -> list[Box]:
    abreast = min(n, MOST_ABREAST)
    side = min((WIDTH - _LEFT - MARGIN - (abreast - 1) * _GAP) / abreast, _MOST_SIDE)
    return [
        Box(
            _LEFT + (place % abreast) * (side + _GAP),
            TITLE_ROOM + (place // abreast) * (side + TITLE_ROOM + _GAP),
            side,
            side,
        )
        for place in range(n)
    ]


def _name(panel: Panel, regions: Sequence[str], blocks: Blocks) -> None:
    if len(regions) <= MAX_NAMED_REGIONS and panel.box.height > 12 * len(regions):
        panel.name_rows(regions)
    else:
        panel.name_blocks(blocks, len(regions))


def _draw_borders(panel: Panel, blocks: Blocks) -> None:
    box = panel.box
    for _, first, _ in blocks[1:]:
        x, y = panel.x(first), panel.y(first)
        panel.canvas.line((box.left, y), (box.right, y), INK, width=0.5)
        panel.canvas.line((x, box.top), (x, box.bottom), INK, width=0.5)
    panel.canvas.rect(box, "none", stroke=FRAME)


def _draw_scale(canvas: Canvas, top: float, limit: float, label: str) -> None:
    bar = Box(_LEFT, top + 30, 204, 11)
    draw_colour_bar(canvas, bar, blue_to_red(N_COLOURS), (-limit, limit), label)
    keys = [
        Key("diagonal, not shown", "#ffffff", "frame"),
        Key("no signal (n/a)", NO_VALUE_COLOUR),
    ]
    draw_legend(canvas, keys, Box(bar.right + 30, top + 26, 340, LINE))
