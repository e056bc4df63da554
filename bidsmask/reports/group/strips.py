"""Strips: every run as a dot along one axis, so that dots can be found and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.reports.drawing.axes import X_TITLE, Panel, apart
from bidsmask.reports.drawing.canvas import SMALL, WIDTH, Box, Canvas, centred
from bidsmask.reports.drawing.colours import BLUE, FAINT, INK, MUTED, ORANGE, RED
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.words import count, fitted, minus, text_width

_LEFT, _MOST_LEFT, _RIGHT = 130.0, 180.0, WIDTH - 128.0
_STRIP, _GAP = 54.0, 8.0
_SIZES = ((60, 3.4), (400, 2.6), (1500, 1.9))
_SMALLEST = 1.4
_LIMIT_ROOM = 16.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Strip:
    """Values of one strip.

    Parameters
    ----------
    name : str
    values : float array of shape (n,)
        NaN is not drawn, but counted.
    numbers : int array of shape (n,)
        What each dot stands for.
    filled : bool array of shape (n,)
        Others are drawn as rings.
    note : str
        Stands below the name.
    """

    name: str
    values: FloatArray
    numbers: IntArray
    filled: BoolArray
    note: str = ""


def strips(
    rows: Sequence[Strip],
    *,
    label: str,
    unit: str,
    decimals: int,
    key: str,
    limits: Sequence[tuple[float, str]] = (),
) -> bytes:
    """Draw distributions below each other, on one axis.

    Parameters
    ----------
    rows : sequence of Strip
    label, unit : str
        Of the axis.
    decimals : int
        With how many digits behind the point medians are written.
    key : str
        Name of the figure within the page.
    limits : sequence of (float, str)
        Values to draw a line at, and what they are; those beyond the axis are left out.

    Returns
    -------
    svg : bytes
        To be put into a page as it is. A path of class ``dots`` has the attribute ``data-rows``:
        what its dots stand for, in their order; and ``data-strip``, the strip they lie in.

    Raises
    ------
    ValueError
        If no value is known.
    """
    known = np.concatenate([row.values[np.isfinite(row.values)] for row in rows])
    if not known.size:
        raise ValueError("No run has a value, so that there is nothing to draw.")
    low, high = _limits(known)
    shown = [limit for limit in limits if low <= limit[0] <= high]
    top = LINE + 4 + (_LIMIT_ROOM if shown else 0.0)
    height = len(rows) * (_STRIP + _GAP) - _GAP
    canvas = Canvas(top + height + X_TITLE + 4, f"{label} of {known.size} values", key)
    widest = max(text_width(said, SMALL) for row in rows for said in (row.name, row.note))
    left = float(np.clip(widest + 18, _LEFT, _MOST_LEFT))
    box = Box(left, top, _RIGHT - left, height)
    panel = Panel(canvas, box, x=(low, high))
    for place, row in enumerate(rows):
        strip = Box(box.left, top + place * (_STRIP + _GAP), box.width, _STRIP)
        _draw_quartiles(panel, strip, row, unit, decimals)
        _draw_dots(panel, strip, row, place)
    _draw_limits(panel, shown)
    panel.x_axis(f"{label} ({unit})" if unit else label)
    _draw_key(canvas, rows, left)
    return canvas.svg()


def swarm(positions: FloatArray, size: float, half_height: float) -> FloatArray:
    """Move dots that lie on each other up and down, as little as it takes.

    Parameters
    ----------
    positions : array of shape (n,)
        Along the axis.
    size : float
        Of a dot, and of the bins within which dots lie on each other.
    half_height : float
        How far a dot may be moved; where there are too many, they overlap.

    Returns
    -------
    offsets : array of shape (n,)

    Examples
    --------
    >>> swarm(np.array([0.0, 1.0, 2.0, 50.0]), 10.0, 100.0)
    array([  0.,  10., -10.,   0.])
    """
    bins = np.floor((positions - positions.min()) / size).astype(int)
    order = np.argsort(bins, kind="stable")
    first = np.searchsorted(bins[order], bins[order])
    place = np.empty(len(positions), dtype=int)
    place[order] = np.arange(len(positions)) - first
    steps = (place + 1) // 2
    step = min(size, half_height / max(int(steps.max()), 1))
    offsets: FloatArray = np.where(place % 2 == 1, 1.0, -1.0) * steps * step + 0.0
    return offsets


def _limits(known: FloatArray) -> tuple[float, float]:
    """Ends of the axis: a little beyond the values, and 0 if that is near."""
    low, high = float(known.min()), float(known.max())
    margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0
    from_zero = 0 <= low < 0.5 * high
    return (0.0 if from_zero else low - margin), high + margin


def _draw_quartiles(panel: Panel, strip: Box, row: Strip, unit: str, decimals: int) -> None:
    """Tint what lies between the quartiles, and say at both sides whose they are."""
    canvas = panel.canvas
    middle = centred(strip.middle, SMALL)
    up = 7 if row.note else 0
    names = ((row.name, middle - up, INK), (row.note, middle + 8, MUTED))
    for text, y, colour in names[: 2 if row.note else 1]:
        said = fitted(text, strip.left - 16, SMALL)
        canvas.text(strip.left - 12, y, said, size=SMALL, align="end", colour=colour)
    known = row.values[np.isfinite(row.values)]
    canvas.line((strip.left, strip.middle), (strip.right, strip.middle), FAINT)
    if not known.size:
        canvas.text(strip.right + 12, middle, "n/a", size=SMALL, colour=MUTED)
        return
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75])
    left, right = panel.x(low), panel.x(high)
    canvas.rect(Box(left, strip.top, max(right - left, 1.0), strip.height), FAINT, opacity=0.75)
    said = minus(f"{median:.{decimals}f} {unit}".strip())
    said = fitted(f"median {said}", WIDTH - strip.right - 16, SMALL)
    canvas.text(strip.right + 12, middle - 7, said, size=SMALL, colour=INK)
    n_unknown = row.values.size - known.size
    counts = count(known.size, "run") + (f", {n_unknown} n/a" if n_unknown else "")
    canvas.text(strip.right + 12, middle + 8, counts, size=SMALL, colour=MUTED)


def _draw_dots(panel: Panel, strip: Box, row: Strip, place: int) -> None:
    """Draw dots, what is not filled as rings on top; then the median."""
    known = np.flatnonzero(np.isfinite(row.values))
    if not known.size:
        return
    radius = next((size for most, size in _SIZES if known.size <= most), _SMALLEST)
    x = panel.x(row.values[known])
    y = strip.middle + swarm(x, 2 * radius, strip.height / 2 - radius)
    filled, numbers = row.filled[known], row.numbers[known]
    canvas = panel.canvas
    if filled.any():
        canvas.dots(x[filled], y[filled], radius, BLUE, numbers[filled], row=place)
    if not filled.all():
        ring = max(radius, 2.2)
        rest = ~filled
        canvas.dots(x[rest], y[rest], ring, ORANGE, numbers[rest], row=place, hollow=True)
    median = panel.x(float(np.median(row.values[known])))
    canvas.line((median, strip.top), (median, strip.bottom), INK, width=1.6)


def _draw_limits(panel: Panel, limits: Sequence[tuple[float, str]]) -> None:
    """Draw dashed lines, and above them what they are, as far apart as it takes."""
    box = panel.box
    ascending = sorted(limits)
    widest = max((text_width(text, SMALL) for _, text in ascending), default=0.0)
    middles = apart([panel.x(value) for value, _ in ascending], widest + 8)
    for (value, text), middle in zip(ascending, middles, strict=True):
        x = panel.x(value)
        panel.canvas.line((x, box.top - 3), (x, box.bottom), RED, width=1.2, dash="5 3")
        x = panel.canvas.inside(middle, text, SMALL)
        panel.canvas.text(x, box.top - 7, text, size=SMALL, colour=RED, align="middle")


def _draw_key(canvas: Canvas, rows: Sequence[Strip], left: float) -> None:
    some_excluded = any((~row.filled & np.isfinite(row.values)).any() for row in rows)
    keys = [Key("a run", BLUE, "dot")]
    keys += [Key("an excluded run", ORANGE, "hole")] * some_excluded
    keys += [Key("half of the runs", FAINT), Key("median", INK, "line")]
    draw_legend(canvas, keys, Box(left, 0, _RIGHT - left, LINE))
