"""Rows of slices on a page: below a legend, with their coordinates and sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bidsmask.reports.drawing.canvas import CAP_HEIGHT, SMALL, WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import MUTED
from bidsmask.reports.drawing.legend import Key, draw_legend, legend_height
from bidsmask.reports.drawing.slices import Row
from bidsmask.reports.drawing.words import minus, text_width

_BELOW_ROW = 23.0
_GAP = 8.0
_SIDE = 13.0
"""Size of the letters for left and right, front and back."""


class DrawnRows(NamedTuple):
    """Rows of slices that have been drawn, and where each of them is."""

    canvas: Canvas
    boxes: list[Box]


def draw_rows(
    rows: Sequence[Row], keys: Sequence[Key], title: str, *, head: float = 0.0
) -> DrawnRows:
    """Draw rows of slices below a legend.

    Parameters
    ----------
    rows : sequence of Row
    keys : sequence of Key
    title : str
        For those who cannot see the figure.
    head : float
        Room to be left free above the legend.
    """
    scale = WIDTH / max(row.width_mm * len(row.positions_mm) for row in rows)  # pixels per mm
    legend = Box(8, head + 4, WIDTH - 16, legend_height(keys, WIDTH - 16))
    top = legend.bottom + 4 if keys else head
    heights = [row.height_mm * scale for row in rows]
    canvas = Canvas(top + sum(heights) + _BELOW_ROW * len(rows), title)
    draw_legend(canvas, keys, legend)
    boxes = []
    for row, height in zip(rows, heights, strict=True):
        width = row.width_mm * scale * len(row.positions_mm)
        boxes.append(Box(0, top, width, height))
        _draw_row(canvas, boxes[-1], row)
        top += height + _BELOW_ROW
    return DrawnRows(canvas, boxes)


def _draw_row(canvas: Canvas, box: Box, row: Row) -> None:
    canvas.picture(box, row.picture)
    n = len(row.positions_mm)
    letter = "xyz"[row.axis]
    labels = [minus(f"{letter} = {round(position)} mm") for position in row.positions_mm]
    widest = max(text_width(label, SMALL) for label in labels) + 8
    each = max(1, int(np.ceil(widest * n / box.width)))  # narrow slices: every second, ...
    for place, label in list(enumerate(labels))[::each]:
        x = canvas.inside(box.left + (place + 0.5) * box.width / n, label, SMALL)
        canvas.text(x, box.bottom + 15, label, size=SMALL, colour=MUTED, align="middle")
    _draw_sides(canvas, box, row.axis)


def draw_side_by_side(
    rows: Sequence[Row], names: Sequence[str], keys: Sequence[Key], title: str
) -> Canvas:
    """Draw rows of one picture each beside each other, below a legend.

    Parameters
    ----------
    rows : sequence of Row
    names : sequence of str
        Of each row, written into its picture.
    keys : sequence of Key
    title : str
        For those who cannot see the figure.
    """
    scale = (WIDTH - _GAP * (len(rows) - 1)) / sum(row.width_mm for row in rows)
    legend = Box(8, 4, WIDTH - 16, legend_height(keys, WIDTH - 16))
    height = scale * max(row.height_mm for row in rows)
    canvas = Canvas(legend.bottom + 4 + height, title)
    draw_legend(canvas, keys, legend)
    left = 0.0
    for row, name in zip(rows, names, strict=True):
        top = legend.bottom + 4 + (height - scale * row.height_mm) / 2
        box = Box(left, top, scale * row.width_mm, scale * row.height_mm)
        canvas.picture(box, row.picture)
        _draw_sides(canvas, box, row.axis)
        canvas.text(box.left + 4, box.bottom - 5, name, size=SMALL, colour="#ffffff")
        left = box.right + _GAP
    return canvas


def _draw_sides(canvas: Canvas, box: Box, axis: int) -> None:
    """Say which side of the head is where."""
    first, last = ("P", "A") if axis == 0 else ("L", "R")
    top = box.top + 5 + CAP_HEIGHT * _SIDE
    canvas.text(box.left + 4, top, first, size=_SIDE, colour="#ffffff", bold=True)
    canvas.text(box.right - 4, top, last, size=_SIDE, colour="#ffffff", bold=True, align="end")
