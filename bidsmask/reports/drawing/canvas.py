"""An SVG file that is written element by element.

All figures have one width. Positions and sizes are CSS pixels at that width, counted from the
left and from the top; the whole scales with the room that it is given. Text stays text, in the
reader's own sans-serif, so that it can be searched and stays sharp. Nothing is looked up on the
machine, and nothing is random: the same drawing gives the same bytes.
"""

from __future__ import annotations

from html import escape
from typing import Literal, NamedTuple

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.reports.drawing.colours import INK
from bidsmask.reports.drawing.picture import Picture, data_uri
from bidsmask.reports.drawing.words import readable, text_width

WIDTH = 864.0
"""Of every figure, about that of the report's column."""

TITLE, BODY, SMALL = 13.0, 12.0, 11.5
"""Sizes of text."""

MARGIN = 4.0
"""How near to the edge of a figure a text may come."""

CAP_HEIGHT = 0.73
"""Of a capital letter or a digit, in font sizes."""

Align = Literal["start", "middle", "end"]


class Box(NamedTuple):
    """A part of a figure."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height

    @property
    def middle(self) -> float:
        """Half-way down."""
        return self.top + self.height / 2


class Canvas:
    """A figure while it is drawn; what comes later lies on top.

    Parameters
    ----------
    height : float
    title : str
        What the figure is, for those who cannot see it.
    key : str
        Name of the title, which no other figure may have that is put into the same page as it is.

    Examples
    --------
    >>> canvas = Canvas(40, "A square")
    >>> canvas.rect(Box(0, 0, 9, 9), "#ff0000")
    >>> print(canvas.svg().decode().splitlines()[-2])
    <rect x="0" y="0" width="9" height="9" fill="#ff0000"/>
    """

    def __init__(self, height: float, title: str, key: str = "title") -> None:
        self.box = Box(0, 0, WIDTH, height)
        size = f'width="{WIDTH:g}" height="{number(height)}"'
        self._lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH:g} '
            f'{number(height)}" role="img" aria-labelledby="{key}" font-family="sans-serif" '
            f'stroke-linejoin="round">',
            f'<title id="{key}">{_plain(title, 200)}</title>',
            f'<rect width="{WIDTH:g}" height="{number(height)}" fill="#ffffff"/>',
        ]

    def svg(self) -> bytes:
        """Give the file."""
        return "\n".join([*self._lines, "</svg>\n"]).encode()

    def rect(
        self, box: Box, fill: str, *, opacity: float | None = None, stroke: str | None = None
    ) -> None:
        """Fill a box; `stroke` is the colour of its frame."""
        self._draw("rect", box=box, fill=fill, opacity=opacity, stroke=stroke)

    def circle(self, x: float, y: float, radius: float, colour: str, *, opacity: float) -> None:
        """Draw a circle around a point; `opacity` is that of its filling."""
        style = _attributes(fill=colour, fill_opacity=opacity, stroke=colour)
        self._lines.append(f"<circle{_attributes(cx=x, cy=y, r=radius)}{style}/>")

    def dots(
        self,
        x: FloatArray,
        y: FloatArray,
        radius: float,
        colour: str,
        numbers: IntArray,
        *,
        row: int = 0,
        hollow: bool = False,
    ) -> None:
        """Draw many dots of a row as one path; `numbers` say what each of them stands for."""
        places = np.stack([x, y], axis=-1).round(1).tolist()
        commands = "".join(f"M{left:g} {top:g}h0" for left, top in places)
        style = _attributes(stroke=colour, stroke_width=2 * radius, stroke_linecap="round")
        stands_for = " ".join(map(str, numbers.tolist()))
        self._lines.append(
            f'<path class="dots" fill="none"{style} data-strip="{row}" data-rows="{stands_for}" '
            f'd="{commands}"/>'
        )
        if hollow:
            style = _attributes(stroke="#ffffff", stroke_width=radius, stroke_linecap="round")
            self._lines.append(f'<path fill="none"{style} d="{commands}"/>')

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        stroke: str,
        *,
        width: float = 1.0,
        dash: str | None = None,
    ) -> None:
        """Draw a straight line; `dash` is lengths of strokes and gaps, in turn."""
        (x1, y1), (x2, y2) = start, end
        style = _attributes(stroke=stroke, stroke_width=width, stroke_dasharray=dash)
        self._lines.append(f"<line{_attributes(x1=x1, y1=y1, x2=x2, y2=y2)}{style}/>")

    def path(
        self,
        commands: str,
        *,
        fill: str = "none",
        opacity: float | None = None,
        stroke: str | None = None,
        width: float | None = None,
        within: Box | None = None,
    ) -> None:
        """Draw along a path, as SVG spells it; what lies beyond the box `within` is cut off."""
        if within:
            view = " ".join(map(number, within))
            self._lines.append(f'<svg{_attributes(box=within)} viewBox="{view}">')
        ends = "round" if stroke else None
        style = _attributes(stroke=stroke, stroke_width=width, stroke_linecap=ends)
        fills = _attributes(fill=fill, opacity=opacity)
        self._lines.append(f'<path d="{commands}"{fills}{style}/>')
        if within:
            self._lines.append("</svg>")

    def text(
        self,
        x: float,
        baseline: float,
        text: str,
        *,
        size: float = BODY,
        colour: str = INK,
        align: Align = "start",
        bold: bool = False,
        halo: bool = False,
    ) -> None:
        """Write a line of text, on its baseline; with a halo it can be read on any colour."""
        place = _attributes(x=x, y=baseline, text_anchor=None if align == "start" else align)
        font = _attributes(font_size=size, font_weight="bold" if bold else None, fill=colour)
        if halo:
            font += ' stroke="#ffffff" stroke-width="3" paint-order="stroke"'
        self._lines.append(f"<text{place}{font}>{_plain(text, 200)}</text>")

    def picture(self, box: Box, picture: Picture) -> None:
        """Stretch a picture over a box.

        Its pixels stay sharp squares, unless there are more of them than the box has room for:
        then they are averaged, so that no thin line is lost.
        """
        n_rows, n_columns = picture.numbers.shape
        is_dense = n_rows > box.height and n_columns > box.width
        self._draw(
            "image",
            box=box,
            preserveAspectRatio="none",
            style=None if is_dense else "image-rendering:pixelated",
            href=data_uri(picture),
        )

    def inside(self, x: float, text: str, size: float) -> float:
        """Move the middle of a text as far as it must be for all of it to be in the figure."""
        half = text_width(text, size) / 2 + 1
        return min(max(x, half), WIDTH - half)

    def _draw(self, name: str, box: Box | None = None, **attributes: str | float | None) -> None:
        self._lines.append(f"<{name}{_attributes(box, **attributes)}/>")


def centred(middle: float, size: float) -> float:
    """Baseline of a text whose middle is at a height."""
    return middle + CAP_HEIGHT * size / 2


def number(value: float) -> str:
    """Write a position to a hundredth of a pixel.

    Examples
    --------
    >>> number(12.0), number(0.504), number(-0.001)
    ('12', '0.5', '0')
    """
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def points(x: FloatArray, y: FloatArray) -> str:
    """Write positions one after the other.

    Examples
    --------
    >>> points(np.array([0.0, 1.5]), np.array([2.0, 3.25]))
    '0 2 1.5 3.2'
    """
    rounded = np.stack([x, y], axis=-1).round(1).ravel()
    return " ".join(map("{:g}".format, rounded.tolist()))


def _attributes(box: Box | None = None, **values: str | float | None) -> str:
    """Write attributes, but those that are None; an underscore stands for a hyphen."""
    sides = zip(("x", "y", "width", "height"), box or (), strict=False)
    return "".join(
        f' {name.replace("_", "-")}="{value if isinstance(value, str) else number(value)}"'
        for name, value in (*sides, *values.items())
        if value is not None
    )


def _plain(text: str, max_length: int) -> str:
    return escape(readable(text, max_length), quote=False)
