"""Benchmarks of strategies: a dot for each, how sure it is, and what chance would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask.reports.drawing.axes import TITLE_ROOM, X_LABELS, Panel
from bidsmask.reports.drawing.canvas import BODY, MARGIN, SMALL, WIDTH, Box, Canvas, centred
from bidsmask.reports.drawing.colours import BLUE, FAINT, FRAME, INK, MUTED, ORANGE
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.words import fitted, minus
from bidsmask.reports.group.values import Benchmark, Estimate

MOST_ABREAST = 3

_LEFT, _GAP, _ROW, _NUMBER = 108.0, 22.0, 22.0, 50.0
CHANCE = "#f9e2b0"
"""What permutations give."""

_WORDS = {
    "lower": "← lower is better",
    "higher": "higher is better →",
    "nearer to 0": "nearer to 0 is better",
    "neither": "",
}


def estimates(found: Sequence[Benchmark], strategies: Sequence[str]) -> bytes:
    """Draw a panel for each benchmark, with a row for each strategy.

    Parameters
    ----------
    found : sequence of Benchmark
    strategies : sequence of S str

    Returns
    -------
    svg : bytes
    """
    if not found or not strategies:
        raise ValueError("There is no benchmark, so that there is nothing to draw.")
    width = (WIDTH - _LEFT - MARGIN - (MOST_ABREAST - 1) * _GAP) / MOST_ABREAST
    height = _ROW * len(strategies)
    row = TITLE_ROOM + height + X_LABELS + LINE + 12
    n_rows = -(-len(found) // MOST_ABREAST)
    canvas = Canvas(LINE + 6 + n_rows * row, "Benchmarks of each strategy")
    for place, each in enumerate(found):
        column, line = place % MOST_ABREAST, place // MOST_ABREAST
        top = LINE + 6 + line * row + TITLE_ROOM
        box = Box(_LEFT + column * (width + _GAP), top, width - _NUMBER, height)
        if column == 0:
            _name_strategies(canvas, box, strategies)
        _draw_panel(canvas, box, each)
    _draw_key(canvas, found)
    return canvas.svg()


def _name_strategies(canvas: Canvas, box: Box, strategies: Sequence[str]) -> None:
    for place, name in enumerate(strategies):
        middle = centred(box.top + (place + 0.5) * _ROW, BODY)
        words = fitted(name, box.left - 16, BODY)
        canvas.text(box.left - 10, middle, words, size=BODY, align="end")


def _draw_panel(canvas: Canvas, box: Box, each: Benchmark) -> None:
    panel = Panel(canvas, box, x=_limits(each))
    rows = [box.top + (place + 0.5) * _ROW for place in range(len(each.estimates))]
    for y in rows:
        canvas.line((box.left, y), (box.right, y), FAINT)
    if panel.x.first < 0 < panel.x.last:
        canvas.line((panel.x(0.0), box.top), (panel.x(0.0), box.bottom), FRAME, dash="2 3")
    for y, estimate, own in zip(rows, each.estimates, each.of_own, strict=True):
        _draw_chance(panel, y, estimate)
        _draw_estimate(panel, y, estimate, own, each.decimals)
    title = Panel(canvas, Box(box.left, box.top, box.width + _NUMBER, box.height))
    title.title(each.title)
    panel.x_axis(at_most=4)
    words = _WORDS[each.better]
    canvas.text(box.left, box.bottom + X_LABELS + 11, words, size=SMALL, colour=MUTED)


def _draw_chance(panel: Panel, y: float, estimate: Estimate) -> None:
    if np.isfinite([estimate.chance_low, estimate.chance_high]).all():
        left, right = panel.x(estimate.chance_low), panel.x(estimate.chance_high)
        band = Box(left, y - 0.4 * _ROW, max(right - left, 2.0), 0.8 * _ROW)
        panel.canvas.rect(band, CHANCE)
    if np.isfinite(estimate.chance):
        x = panel.x(estimate.chance)
        panel.canvas.line((x, y - 0.4 * _ROW), (x, y + 0.4 * _ROW), ORANGE, width=2.0)


def _draw_estimate(panel: Panel, y: float, estimate: Estimate, own: float, decimals: int) -> None:
    canvas, right = panel.canvas, panel.box.right
    if np.isfinite([estimate.low, estimate.high]).all():
        ends = panel.x(estimate.low), panel.x(estimate.high)
        canvas.line((ends[0], y), (ends[1], y), BLUE, width=2.5)
    if np.isfinite(own):
        canvas.circle(panel.x(own), y, 6.0, BLUE, opacity=0.0)
    known = np.isfinite(estimate.value)
    if known:
        canvas.circle(panel.x(estimate.value), y, 4.0, BLUE, opacity=1.0)
    text = minus(f"{estimate.value:.{decimals}f}") if known else "n/a"
    canvas.text(right + 8, centred(y, SMALL), text, size=SMALL, colour=INK if known else MUTED)


def _limits(each: Benchmark) -> tuple[float, float]:
    numbers = [number for one in each.estimates for number in vars(one).values()]
    known = [number for number in (*numbers, *each.of_own) if np.isfinite(number)] or [0.0]
    low, high = min(known), max(known)
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 0.5
    return low - margin, high + margin


def _draw_key(canvas: Canvas, found: Sequence[Benchmark]) -> None:
    all_of = [estimate for each in found for estimate in each.estimates]
    keys = [Key("runs that all strategies keep", BLUE, "dot")]
    if any(np.isfinite(estimate.low) for estimate in all_of):
        keys.append(Key("95 % interval", BLUE, "line"))
    if any(np.isfinite(own) for each in found for own in each.of_own):
        keys.append(Key("all that each keeps", BLUE, "circle"))
    if any(np.isfinite(estimate.chance) for estimate in all_of):
        keys.append(Key("chance", ORANGE, "line"))
    if any(np.isfinite(estimate.chance_low) for estimate in all_of):
        keys.append(Key("90 % of chance", CHANCE))
    draw_legend(canvas, keys, Box(_LEFT, 0, WIDTH - _LEFT, LINE))
