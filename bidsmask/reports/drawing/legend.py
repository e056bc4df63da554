"""Legends: what each colour means, in as many lines as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bidsmask.reports.drawing.canvas import SMALL, Box, Canvas, centred
from bidsmask.reports.drawing.colours import FRAME
from bidsmask.reports.drawing.words import readable, text_width

LINE = 19.0
"""Height of a line of a legend."""

_SWATCH, _TO_TEXT, _TO_NEXT = 12.0, 6.0, 16.0


class Key(NamedTuple):
    """What a colour means, and how it is shown: as a patch, line, frame or stripes."""

    label: str
    colour: str
    shape: Literal["patch", "line", "frame", "stripes"] = "patch"

    @property
    def width(self) -> float:
        """Of the colour and the label together."""
        return _SWATCH + _TO_TEXT + text_width(self.words, SMALL)

    @property
    def words(self) -> str:
        """The label as it is written."""
        return readable(self.label)


def legend_lines(keys: Sequence[Key], width: float) -> list[list[Key]]:
    """Share keys out to lines, each of them as long as there is room.

    Examples
    --------
    >>> keys = [Key("one", "#000000"), Key("two", "#000000"), Key("three", "#000000")]
    >>> [[key.label for key in line] for line in legend_lines(keys, 120)]
    [['one', 'two'], ['three']]
    """
    lines: list[list[Key]] = []
    for key in keys:
        if lines and _width([*lines[-1], key]) <= width:
            lines[-1].append(key)
        else:
            lines.append([key])
    return lines


def draw_legend(canvas: Canvas, keys: Sequence[Key], box: Box, *, at_right: bool = False) -> None:
    """Draw a legend into a box that is `LINE` high for each of its lines."""
    for row, line in enumerate(legend_lines(keys, box.width)):
        left = box.right - _width(line) if at_right else box.left
        middle = box.top + (row + 0.5) * LINE
        for key in line:
            _draw_key(canvas, key, left, middle)
            left += key.width + _TO_NEXT


def legend_height(keys: Sequence[Key], width: float) -> float:
    """Height of a legend."""
    return LINE * len(legend_lines(keys, width))


def _width(keys: Sequence[Key]) -> float:
    return sum(key.width for key in keys) + _TO_NEXT * (len(keys) - 1)


def _draw_key(canvas: Canvas, key: Key, left: float, middle: float) -> None:
    square = Box(left, middle - 0.42 * _SWATCH, _SWATCH, 0.84 * _SWATCH)
    if key.shape == "line":
        canvas.line((left, middle), (square.right, middle), key.colour, width=2.5)
    elif key.shape == "patch":
        canvas.rect(square, key.colour)
    else:
        stroke = key.colour if key.shape == "stripes" else FRAME
        canvas.rect(square, "#ffffff" if key.shape == "stripes" else key.colour, stroke=stroke)
    if key.shape == "stripes":
        _draw_stripes(canvas, square, key.colour)
    canvas.text(square.right + _TO_TEXT, centred(middle, SMALL), key.words, size=SMALL)


def _draw_stripes(canvas: Canvas, box: Box, colour: str) -> None:
    for share in (0.5, 1.0, 1.5):
        along, up = box.width * share, box.height * share
        start = (box.left + max(0.0, along - box.width), box.bottom - min(box.height, up))
        end = (box.left + min(box.width, along), box.bottom - max(0.0, up - box.height))
        canvas.line(start, end, colour, width=1.5)
