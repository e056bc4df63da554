"""Legends: what each colour means, in as many lines as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bidsmask.reports.drawing.canvas import SMALL, Box, Canvas, centred
from bidsmask.reports.drawing.colours import FRAME, LOST, hexadecimal
from bidsmask.reports.drawing.words import readable, text_width

LINE = 19.0
"""Height of a line of a legend."""

_SWATCH, _TO_TEXT, _TO_NEXT = 12.0, 6.0, 16.0


MAX_LOST_NAMES = 6

Shape = Literal["patch", "line", "frame", "stripes", "ring", "cross", "dot", "hole", "circle"]


class Key(NamedTuple):
    """What a colour means, and how it is shown: as a patch, a line, a ring, ..."""

    label: str
    colour: str
    shape: Shape = "patch"

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


def lost_keys(names: Sequence[str], shape: Shape) -> list[Key]:
    """Name what is lost; of many, the first ones."""
    colour = hexadecimal(LOST)
    keys = [Key(f"lost: {name}", colour, shape) for name in names[:MAX_LOST_NAMES]]
    if len(names) > MAX_LOST_NAMES:
        keys.append(Key(f"{len(names) - MAX_LOST_NAMES} more are lost", colour, shape))
    return keys


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
    elif key.shape == "frame":
        canvas.rect(square, key.colour, stroke=FRAME)
    elif key.shape == "stripes":
        canvas.rect(square, "#ffffff", stroke=key.colour)
        _draw_stripes(canvas, square, key.colour)
    elif key.shape == "dot":
        canvas.circle(left + _SWATCH / 2, middle, 4.0, key.colour, opacity=1.0)
    elif key.shape == "hole":
        canvas.circle(left + _SWATCH / 2, middle, 4.0, key.colour, opacity=1.0)
        canvas.circle(left + _SWATCH / 2, middle, 2.0, "#ffffff", opacity=1.0)
    elif key.shape == "circle":
        canvas.circle(left + _SWATCH / 2, middle, 5.0, key.colour, opacity=0.0)
    else:
        draw_ring(
            canvas, left + _SWATCH / 2, middle, 5.0, key.colour, crossed=key.shape == "cross"
        )
    canvas.text(square.right + _TO_TEXT, centred(middle, SMALL), key.words, size=SMALL)


def draw_ring(
    canvas: Canvas,
    x: float,
    y: float,
    radius: float,
    colour: str,
    *,
    filled: bool = True,
    crossed: bool = False,
) -> None:
    """Draw a circle around a point, with a cross through it if it stands for what is lost."""
    canvas.circle(x, y, radius, colour, opacity=0.55 if filled else 0.0)
    if crossed:
        arm = 0.7 * radius
        canvas.line((x - arm, y - arm), (x + arm, y + arm), colour, width=1.5)
        canvas.line((x - arm, y + arm), (x + arm, y - arm), colour, width=1.5)


def _draw_stripes(canvas: Canvas, box: Box, colour: str) -> None:
    for share in (0.5, 1.0, 1.5):
        along, up = box.width * share, box.height * share
        start = (box.left + max(0.0, along - box.width), box.bottom - min(box.height, up))
        end = (box.left + min(box.width, along), box.bottom - max(0.0, up - box.height))
        canvas.line(start, end, colour, width=1.5)
