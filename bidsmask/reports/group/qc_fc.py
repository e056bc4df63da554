"""QC-FC of a group: what motion has left in connectivity, beside what chance would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.axes import TITLE_ROOM, X_TITLE, Panel
from bidsmask.reports.drawing.canvas import WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import BLUE, FRAME, INK, ORANGE
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.group.values import AlongDistance, Shares

MOST_ABREAST = 4

_LEFT, _GAP, _HEIGHT = 40.0, 26.0, 120.0


def qc_fc(found: Sequence[Shares], strategies: Sequence[str]) -> bytes:
    """Draw the distributions of QC-FC of strategies, on one axis.

    Returns
    -------
    svg : bytes
    """
    if not found:
        raise ValueError("There is no QC-FC, so that there is nothing to draw.")
    limit = max(_extent(each) for each in found)
    highest = 1.08 * max(
        float((shares / np.diff(each.edges)).max())
        for each in found
        for shares in (each.observed, each.chance)
    )
    canvas, boxes = _panels(len(found), "QC-FC of each strategy beside chance")
    for box, each, name in zip(boxes, found, strategies, strict=True):
        panel = Panel(canvas, box, x=(-limit, limit), y=(0, highest))
        inside = (each.edges[:-1] >= -limit - 1e-9) & (each.edges[1:] <= limit + 1e-9)
        edges = each.edges[np.append(inside, False) | np.append(False, inside)]
        width = np.diff(edges)
        panel.steps(edges, each.observed[inside] / width, fill=BLUE, opacity=0.55, stroke=None)
        panel.steps(edges, each.chance[inside] / width, stroke=ORANGE)
        zero = panel.x(0.0)
        canvas.line((zero, box.top), (zero, box.bottom), INK, width=0.8, dash="2 3")
        panel.title(name, each.note)
        panel.x_axis("QC-FC (r)", at_most=5)
    _draw_key(canvas, [Key("edges", BLUE), Key("motion permuted: chance", ORANGE, "line")])
    return canvas.svg()


def qc_fc_distance(found: Sequence[AlongDistance], strategies: Sequence[str]) -> bytes:
    """Draw QC-FC of strategies against the distance of regions, on one pair of axes.

    Returns
    -------
    svg : bytes
    """
    if not found:
        raise ValueError("There is no QC-FC with distances, so that there is nothing to draw.")
    values = [(each.low, each.high, each.chance_low, each.chance_high) for each in found]
    known = np.concatenate([np.concatenate(each) for each in values] + [np.zeros(1)])
    known = known[np.isfinite(known)]
    margin = 0.06 * float(np.ptp(known)) or 0.1
    y = (float(known.min()) - margin, float(known.max()) + margin)
    x = (0.0, 1.02 * max(float(each.distance.max()) for each in found))
    canvas, boxes = _panels(len(found), "QC-FC of each strategy against distance")
    for place, (box, each) in enumerate(zip(boxes, found, strict=True)):
        panel = Panel(canvas, box, x=x, y=y)
        _fill_between(panel, each.distance, each.chance_low, each.chance_high, ORANGE, 0.35)
        _fill_between(panel, each.distance, each.low, each.high, BLUE, 0.2)
        zero = panel.y(0.0)
        canvas.line((box.left, zero), (box.right, zero), FRAME, width=0.8)
        panel.curve(each.distance, each.middle, BLUE, width=2.2)
        panel.title(strategies[place], each.note)
        panel.x_axis("distance (mm)", at_most=4)
        if place % MOST_ABREAST == 0:
            panel.y_axis()
    _draw_key(
        canvas,
        [
            Key("median of r", BLUE, "line"),
            Key("half of the edges", "#ccdfec"),
            Key("median by chance, 95 % of permutations", "#f6d99f"),
        ],
    )
    return canvas.svg()


def _extent(each: Shares) -> float:
    """How far from 0 the axis goes: to all but 1 in 2,000 of the edges."""
    shares = np.maximum(each.observed, each.chance)
    there = np.flatnonzero(shares > 5e-4)
    ends = np.abs(each.edges[[there.min(), there.max() + 1]]) if there.size else np.ones(1)
    return float(ends.max())


def _panels(n: int, title: str) -> tuple[Canvas, list[Box]]:
    abreast = min(n, MOST_ABREAST)
    width = (WIDTH - _LEFT - 8 - (abreast - 1) * _GAP) / max(abreast, 2)
    row = TITLE_ROOM + _HEIGHT + X_TITLE + 10
    n_rows = -(-n // abreast)
    canvas = Canvas(LINE + 6 + n_rows * row, title)
    boxes = [
        Box(
            _LEFT + (place % abreast) * (width + _GAP),
            LINE + 6 + TITLE_ROOM + (place // abreast) * row,
            width,
            _HEIGHT,
        )
        for place in range(n)
    ]
    return canvas, boxes


def _fill_between(
    panel: Panel, x: FloatArray, low: FloatArray, high: FloatArray, fill: str, opacity: float
) -> None:
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return
    there = [(panel.x(a), panel.y(b)) for a, b in zip(x[known], high[known], strict=True)]
    back = [(panel.x(a), panel.y(b)) for a, b in zip(x[known], low[known], strict=True)]
    corners = "L".join(f"{left:.1f} {top:.1f}" for left, top in [*there, *back[::-1]])
    panel.canvas.path(f"M{corners}z", fill=fill, opacity=opacity, within=panel.box)


def _draw_key(canvas: Canvas, keys: Sequence[Key]) -> None:
    draw_legend(canvas, keys, Box(_LEFT, 0, WIDTH - _LEFT, LINE))
