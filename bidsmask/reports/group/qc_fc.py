"""QC-FC of a group: what motion has left in connectivity, beside what chance would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask.reports.drawing.axes import TITLE_ROOM, X_TITLE, Panel
from bidsmask.reports.drawing.canvas import WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import BLUE, FRAME, INK, ORANGE, between, hexadecimal
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.group.values import AlongDistance, Shares

MOST_ABREAST = 4

_LEFT, _GAP, _HEIGHT = 40.0, 26.0, 130.0
_N_SHADES = 16
_CLOUD = between([(255, 255, 255), (198, 219, 239), (107, 174, 214)], _N_SHADES)


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
    limits = [_r_limits(each) for each in found]
    y = min(low for low, _ in limits), max(high for _, high in limits)
    x = 0.0, max(float(each.distance_borders[-1]) for each in found)
    canvas, boxes = _panels(len(found), "QC-FC of each strategy against distance")
    for place, (box, each) in enumerate(zip(boxes, found, strict=True)):
        panel = Panel(canvas, box, x=x, y=y)
        _draw_cloud(panel, each)
        canvas.line((box.left, panel.y(0.0)), (box.right, panel.y(0.0)), FRAME, width=0.8)
        for chance in (each.chance_low, each.chance_high):
            panel.curve(each.distance, chance, ORANGE, width=1.8)
        panel.curve(each.distance, each.mean, INK, width=2.2)
        panel.title(strategies[place], each.note)
        panel.x_axis("distance (mm)", at_most=4)
        if place % MOST_ABREAST == 0:
            panel.y_axis()
    keys = [
        Key("edges, the darker the more", hexadecimal(_CLOUD[_N_SHADES // 2])),
        Key("their mean", INK, "line"),
        Key("between these by chance (90 %)", ORANGE, "line"),
    ]
    _draw_key(canvas, keys)
    return canvas.svg()


def _r_limits(each: AlongDistance) -> tuple[float, float]:
    """Borders of bins of r between which all is but 1 in 1,000 edges, and what chance gives."""
    shares = each.counts.sum(axis=0) / max(int(each.counts.sum()), 1)
    there = np.flatnonzero(shares > 1e-3)
    low, high = (there.min(), there.max() + 1) if there.size else (0, each.counts.shape[1])
    chance = np.concatenate([each.chance_low, each.chance_high, each.mean])
    known = chance[np.isfinite(chance)]
    ends = np.array([*each.r_borders[[low, high]], *known])
    return float(ends.min()), float(ends.max())


def _draw_cloud(panel: Panel, each: AlongDistance) -> None:
    """Paint how many edges there are at each distance and r: shares of those at a distance."""
    of_distance = each.counts.sum(axis=1, keepdims=True)
    shares = each.counts / np.maximum(of_distance, 1)
    highest = float(shares.max()) or 1.0
    numbers = np.ceil(np.sqrt(shares / highest) * (_N_SHADES - 1)).astype(int)
    low, high = panel.y.first, panel.y.last
    inside = (each.r_borders[:-1] >= low - 1e-9) & (each.r_borders[1:] <= high + 1e-9)
    rows = np.flatnonzero(inside)
    if not rows.size:
        return
    top, bottom = panel.y(each.r_borders[rows[-1] + 1]), panel.y(each.r_borders[rows[0]])
    left, right = panel.x(each.distance_borders[0]), panel.x(each.distance_borders[-1])
    picture = Picture(numbers=numbers[:, rows].T[::-1], colours=_CLOUD)
    panel.canvas.picture(Box(left, top, right - left, bottom - top), picture)


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


def _draw_key(canvas: Canvas, keys: Sequence[Key]) -> None:
    draw_legend(canvas, keys, Box(_LEFT, 0, WIDTH - _LEFT, LINE))
