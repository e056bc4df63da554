"""A panel: a box in a figure, with a scale along each side, in which values are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.reports.drawing.arrangement import stretches
from bidsmask.reports.drawing.canvas import (
    MARGIN,
    SMALL,
    TITLE,
    Box,
    Canvas,
    centred,
    number,
    points,
)
from bidsmask.reports.drawing.colours import BLUE, FRAME, INK, MUTED, RED, SKY
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.drawing.scales import Scale, round_ticks, tick_labels
from bidsmask.reports.drawing.words import fitted, text_width

TICK = 4.0
"""Length of a tick."""

MAX_TICKS = 9

X_LABELS, X_TITLE = 20.0, 36.0
"""Room below a panel for the numbers of its axis, and for these and what they are."""

TITLE_ROOM = 24.0
"""Room above a panel for its title."""

Blocks = Sequence[tuple[str, int, int]]
"""Name, first row and number of rows of each block."""


class Panel:
    """A box with a scale along each side.

    Parameters
    ----------
    canvas : Canvas
    box : Box
    x, y : two floats
        Values at the left and right, and at the bottom and top.
    """

    def __init__(
        self,
        canvas: Canvas,
        box: Box,
        *,
        x: tuple[float, float] = (0.0, 1.0),
        y: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.canvas, self.box = canvas, box
        self.x = Scale(*x, box.left, box.right)
        self.y = Scale(*y, box.bottom, box.top)

    # What is said of it

    def title(self, text: str, note: str = "", *, size: float = TITLE, colour: str = INK) -> None:
        """Write what is seen at the upper left, and something about it at the upper right."""
        baseline, right = self.box.top - 7, self.box.right
        room = right - self.box.left - (text_width(note, SMALL) + 12 if note else 0)
        words = fitted(text, room, size)
        self.canvas.text(self.box.left, baseline, words, size=size, colour=colour)
        if note:
            self.canvas.text(right, baseline, note, size=SMALL, colour=MUTED, align="end")

    def x_axis(
        self,
        label: str = "",
        *,
        numbers: bool = True,
        whole: bool = False,
        at_most: int = MAX_TICKS,
    ) -> None:
        """Draw the lower side, with as many ticks as their numbers have room."""
        bottom = self.box.bottom
        self.canvas.line((self.box.left, bottom), (self.box.right, bottom), FRAME)
        ticks = self._ticks_with_room(at_most, whole=whole)
        for tick, text in zip(ticks, tick_labels(ticks), strict=True):
            x = self.x(tick)
            self.canvas.line((x, bottom), (x, bottom + TICK), FRAME)
            if numbers:
                x = self.canvas.inside(x, text, SMALL)
                self.canvas.text(
                    x, bottom + X_LABELS - 4, text, size=SMALL, colour=MUTED, align="middle"
                )
        if label:
            middle = self.box.left + self.box.width / 2
            self.canvas.text(middle, bottom + X_TITLE - 4, label, colour=MUTED, align="middle")

    def y_axis(self, ticks: Sequence[float] | None = None, *, at_most: int = 5) -> None:
        """Draw the left side, with ticks at round numbers, or where they are given."""
        left = self.box.left
        if ticks is None:
            n = max(2, min(at_most, int(self.box.height / (1.1 * SMALL))))
            ticks = round_ticks(self.y.first, self.y.last, n)
        self.canvas.line((left, self.box.top), (left, self.box.bottom), FRAME)
        for tick, text in zip(ticks, tick_labels(ticks), strict=True):
            y = self.y(tick)
            self.canvas.line((left - TICK, y), (left, y), FRAME)
            self._write_left(text, y, TICK + 4)

    def name_rows(self, names: Sequence[str], *, colour: str = MUTED, room: float = 0.0) -> None:
        """Write names at the left, one for each of as many rows as the panel is divided into."""
        height = self.box.height / len(names)
        room = room or self.box.left - MARGIN - 8
        for row, name in enumerate(names):
            middle = self.box.top + (row + 0.5) * height
            self._write_left(fitted(name, room, SMALL), middle, 8, colour)

    def name_blocks(self, blocks: Blocks, n_rows: int) -> None:
        """Mark each block of rows at the left, with its name unless it is thinner than a line."""
        row = self.box.height / n_rows
        stripes = [
            Box(self.box.left - 6, self.box.top + first * row, 4, length * row)
            for _, first, length in blocks
        ]
        for place, stripe in enumerate(stripes):
            self.canvas.rect(stripe, BLUE if place % 2 == 0 else SKY)
        named = [
            (name, stripe)
            for (name, _, _), stripe in zip(blocks, stripes, strict=True)
            if stripe.height >= 0.85 * SMALL or len(blocks) == 1
        ]
        middles = apart([stripe.middle for _, stripe in named], SMALL)
        for (name, stripe), middle in zip(named, middles, strict=True):
            self._write_left(fitted(name, stripe.left - 6 - MARGIN, SMALL), middle, 12)

    # What is drawn in it

    def curve(self, x: FloatArray, y: FloatArray, stroke: str, *, width: float = 1.2) -> None:
        """Draw values as a line; NaN leaves a gap."""
        path = " ".join(
            f"M{points(self.x(x[part]), self.y(y[part]))}{'h0' if length == 1 else ''}"
            for part, length in _runs(np.isfinite(y))
        )
        if path:
            self.canvas.path(path, stroke=stroke, width=width, within=self.box)

    def area(self, x: FloatArray, y: FloatArray, fill: str, *, opacity: float) -> None:
        """Fill what is between values and zero; NaN leaves a gap."""
        zero = number(self.y(0.0))
        path = " ".join(
            f"M{number(self.x(float(x[part][0])))} {zero}L"
            f"{points(self.x(x[part]), self.y(y[part]))}V{zero}z"
            for part, _ in _runs(np.isfinite(y))
        )
        if path:
            self.canvas.path(path, fill=fill, opacity=opacity, within=self.box)

    def steps(
        self,
        edges: FloatArray,
        heights: FloatArray,
        *,
        fill: str | None = None,
        opacity: float | None = None,
        stroke: str | None = None,
    ) -> None:
        """Draw columns side by side: filled down to zero, or their upper ends as a line."""
        x, y = np.repeat(self.x(edges), 2)[1:-1], np.repeat(self.y(heights), 2)
        changes = np.flatnonzero(np.diff(y)) if y.size > 2 else np.empty(0, int)
        corner = np.unique(np.concatenate([[0], changes, changes + 1, [y.size - 1]]))
        line = points(x[corner], y[corner])
        if fill:
            zero = number(self.y(0.0))
            commands = f"M{number(x[0])} {zero}L{line}V{zero}z"
            self.canvas.path(commands, fill=fill, opacity=opacity)
        if stroke:
            self.canvas.path(f"M{line}", stroke=stroke, width=1.8)

    def spans(
        self,
        stretches: Iterable[tuple[float, float]],
        fill: str,
        *,
        opacity: float | None = None,
        rows: tuple[float, float] | None = None,
    ) -> None:
        """Fill stretches (start, length) along x, from top to bottom or between two values of y.

        None is narrower than a pixel.
        """
        top, bottom = (
            (self.y(rows[1]), self.y(rows[0])) if rows else (self.box.top, self.box.bottom)
        )
        for start, length in stretches:
            left = self.x(start)
            width = max(self.x(start + length) - left, 1.0)
            self.canvas.rect(Box(left, top, width, bottom - top), fill, opacity=opacity)

    def threshold(self, value: float, label: str) -> None:
        """Draw a dashed horizontal line with a label at its right end."""
        y = self.y(value)
        self.canvas.line((self.box.left, y), (self.box.right, y), RED, width=1.2, dash="5 3")
        x = self.box.right - 2
        self.canvas.text(x, y - 5, label, size=SMALL, colour=RED, align="end", halo=True)

    # What these have in common

    def _write_left(self, text: str, middle: float, gap: float, colour: str = MUTED) -> None:
        self.canvas.text(
            self.box.left - gap,
            centred(middle, SMALL),
            text,
            size=SMALL,
            colour=colour,
            align="end",
        )

    def _ticks_with_room(self, at_most: int, *, whole: bool) -> list[float]:
        ticks: list[float] = []
        for n in range(at_most, 1, -1):
            ticks = round_ticks(self.x.first, self.x.last, n, whole=whole)
            widest = max(text_width(text, SMALL) for text in tick_labels(ticks))
            if len(ticks) < 2 or abs(self.x(ticks[1]) - self.x(ticks[0])) > widest + 10:
                break
        return ticks


def stacked(
    heights: Sequence[float], gaps: Sequence[float], *, left: float, right: float, top: float
) -> list[Box]:
    """Boxes one below the other; each has its gap above it."""
    bottoms = top + np.cumsum(np.add(heights, gaps))
    return [
        Box(left, float(bottom - height), right - left, height)
        for bottom, height in zip(bottoms, heights, strict=True)
    ]


def draw_colour_bar(
    canvas: Canvas, box: Box, colours: Array, limits: tuple[float, float], label: str
) -> None:
    """Draw the colours (n, 3) of the values between two limits, side by side."""
    canvas.picture(box, Picture(numbers=np.arange(len(colours))[None], colours=colours))
    panel = Panel(canvas, box, x=limits)
    panel.title(label)
    panel.x_axis(at_most=5)


def apart(positions: Sequence[float], gap: float) -> list[float]:
    """Move ascending positions as far apart as `gap`, half of it up and half of it down.

    Examples
    --------
    >>> apart([10, 12, 50], 10)
    [6.0, 16.0, 50.0]
    """
    down, up = list(positions), list(positions)
    for place in range(1, len(down)):
        down[place] = max(down[place], down[place - 1] + gap)
        up[-1 - place] = min(up[-1 - place], up[-place] - gap)
    return [(one + other) / 2 for one, other in zip(down, up, strict=True)]


def spelled(method: str) -> str:
    """Write the name of a method or measure as in a sentence.

    Examples
    --------
    >>> spelled("non_steady_state")
    'non-steady state'
    """
    names = {"std_dvars": "DVARS", "dvars_percent": "DVARS in %"}
    return names.get(method, method.replace("_", " ").replace("non steady", "non-steady"))


def _runs(flags: BoolArray) -> Iterable[tuple[slice, int]]:
    return ((slice(first, first + length), length) for first, length in stretches(flags))
