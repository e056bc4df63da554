"""Connectivity: a matrix of regions by regions, and the distribution of its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.arrangement import check_columns, grouped, thinned
from bidsmask.reports.drawing.axes import Panel, draw_colour_bar, spelled
from bidsmask.reports.drawing.canvas import Box, Canvas
from bidsmask.reports.drawing.colours import (
    BLUE,
    FAINT,
    FRAME,
    INK,
    NO_VALUE_COLOUR,
    blue_to_red,
    painted,
)
from bidsmask.reports.drawing.legend import Key, draw_legend
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.drawing.scales import round_limit
from bidsmask.reports.drawing.words import minus

MAX_MATRIX_ROWS = 400

MAX_NAMED_REGIONS = 24
"""Up to this many, each row of the matrix has its name."""

N_COLOURS = 41

_SQUARE = Box(147, 14, 413, 413)
_RIGHT, _RIGHT_WIDTH = 643.0, 204.0


def connectivity(
    matrix: FloatArray,
    *,
    names: Sequence[str],
    networks: Sequence[str] | None = None,
    measure: str,
) -> bytes:
    """Relation of every region with every other, and how the values are distributed.

    Parameters
    ----------
    matrix : array of shape (P, P)
        Rows and columns of regions without a signal are NaN. The diagonal is not drawn: it says
        nothing about pairs.
    names : sequence of P str
    networks : sequence of P str, optional
        Regions of one network are drawn together; else in the order of the table.
    measure : str
        Name of the measure, for the axis.

    Returns
    -------
    svg : bytes
    """
    check_columns(matrix, names)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A connectivity matrix must be square; its shape is {matrix.shape}.")
    if not np.isfinite(matrix).any():
        raise ValueError("The connectivity matrix has no value, so that there is nothing to draw.")
    order, blocks = grouped(networks, len(names))
    ordered = [names[i] for i in order]
    return _draw_matrix(matrix[np.ix_(order, order)], ordered, blocks, measure)


def _draw_matrix(
    matrix: FloatArray,
    names: Sequence[str],
    blocks: Sequence[tuple[str, int, int]],
    measure: str,
) -> bytes:
    n = len(names)
    canvas = Canvas(_SQUARE.bottom + 15, f"{spelled(measure)} of {n} by {n} regions".capitalize())
    pairs = _pairs(matrix)
    limit = round_limit(pairs)
    panel = Panel(canvas, _SQUARE, x=(0, n), y=(n, 0))
    canvas.picture(panel.box, _picture(matrix, limit))
    _label_rows(panel, names, blocks)
    canvas.rect(panel.box, "none", stroke=FRAME)
    _draw_scale(canvas, limit, spelled(measure), bool(np.isnan(matrix).all(axis=0).any()))
    _draw_histogram(canvas, pairs, limit)
    return canvas.svg()


def _picture(matrix: FloatArray, limit: float) -> Picture:
    rows = thinned(len(matrix), MAX_MATRIX_ROWS)
    values = matrix[np.ix_(rows, rows)]
    picture = painted(values, blue_to_red(N_COLOURS), (-limit, limit))
    white = len(picture.colours)
    valid = np.flatnonzero(np.isfinite(np.diag(values)))
    picture.numbers[valid, valid] = white
    return Picture(
        numbers=picture.numbers,
        colours=np.concatenate([picture.colours, np.full((1, 3), 255, dtype=np.uint8)]),
    )


def _pairs(matrix: FloatArray) -> FloatArray:
    above: FloatArray = matrix[np.triu(np.isfinite(matrix), k=1)]
    return above


def _label_rows(
    panel: Panel, names: Sequence[str], blocks: Sequence[tuple[str, int, int]]
) -> None:
    if len(names) <= MAX_NAMED_REGIONS:
        panel.name_rows(names)
    else:
        panel.name_blocks(blocks, len(names))
    box = panel.box
    for _, first, _ in blocks[1:]:
        x, y = panel.x(first), panel.y(first)
        panel.canvas.line((box.left, y), (box.right, y), INK, width=0.8)
        panel.canvas.line((x, box.top), (x, box.bottom), INK, width=0.8)


def _draw_scale(canvas: Canvas, limit: float, label: str, some_lost: bool) -> None:
    """Colour bar and what the other colours mean."""
    draw_colour_bar(
        canvas, Box(_RIGHT, 31, _RIGHT_WIDTH, 13), blue_to_red(N_COLOURS), (-limit, limit), label
    )
    keys = [Key("diagonal, not shown", "#ffffff", "frame")]
    if some_lost:
        keys.append(Key("no signal (n/a)", NO_VALUE_COLOUR))
    draw_legend(canvas, keys, Box(_RIGHT, 78, 160, 40))


def _draw_histogram(canvas: Canvas, pairs: FloatArray, limit: float) -> None:
    clipped = np.clip(pairs, -limit, limit)
    counts, edges = np.histogram(clipped, bins=N_COLOURS, range=(-limit, limit))
    highest = 1.05 * max(int(counts.max()), 1)
    box = Box(_RIGHT, 200, _RIGHT_WIDTH, 186)
    panel = Panel(canvas, box, x=(-limit, limit), y=(0, highest))
    count = f"{pairs.size:,}".replace(",", "\N{THIN SPACE}")
    panel.title(f"{count} pair{'' if pairs.size == 1 else 's'}")
    _draw_upright(panel, 0.0, FAINT)
    label = ""
    if pairs.size:
        median = float(np.median(pairs))
        panel.steps(edges, counts.astype(float), fill=BLUE)
        _draw_upright(panel, min(max(median, -limit), limit), INK, dash="4 3")
        label = f"median {minus(f'{median:.2g}')}, dashed"
    panel.x_axis(label, at_most=5)


def _draw_upright(panel: Panel, value: float, stroke: str, dash: str | None = None) -> None:
    x, box = panel.x(value), panel.box
    panel.canvas.line((x, box.top), (x, box.bottom), stroke, width=1.3, dash=dash)
