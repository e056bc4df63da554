"""The look that all figures share, and how a figure becomes a small SVG file.

Colours are told apart by people with any colour vision (Okabe & Ito 2008; the maps run through
lightness or through blue and red). Text stays text, in the reader's own sans-serif, so that it can
be searched and stays sharp; pictures with many pixels are stored with a palette.
"""

from __future__ import annotations

import base64
import difflib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray

INK = "#1c2733"
MUTED = "#5a6775"
FAINT = "#dde3e9"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
ORANGE = "#e69f00"
PURPLE = "#a8578b"
RED = "#d1350f"

NO_VALUE = (190, 197, 205)
"""Grey of a region without a signal, in every figure (red, green, blue)."""

CENSORED = (252, 226, 200)
"""Tint of a volume that was left out, in every figure."""

WIDTH_IN = 9.0
"""Width of every figure: 864 CSS pixels, about the width of the report's column."""

EVEN_FROM = 256
"""Colours from which on a listed map is one that runs evenly, such as viridis."""

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the layout is the same on any machine
    "font.size": 9,
    "text.parse_math": False,  # a dollar sign in a region's name is a dollar sign
    "text.color": INK,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlepad": 5,
    "axes.unicode_minus": True,
    "xtick.color": "#9aa5b1",
    "ytick.color": "#9aa5b1",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "bidsmask",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
}

_FONT_STACK = b"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_PNG = re.compile(rb"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")
_PALETTE_SIZE = 256
_SHIFTS = (16, 8, 0)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@contextmanager
def style() -> Iterator[None]:
    """Draw in the common style, whatever the user's matplotlib settings are; also a decorator."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(height_in: float) -> Figure:
    """Make an empty figure of the common width."""
    return Figure(figsize=(WIDTH_IN, height_in), facecolor="white")


def svg_bytes(figure: Figure) -> bytes:
    """Write a figure as SVG, under `style`: no date, no address, no random identifier.

    The same drawing gives the same bytes.
    """
    pngs = [_png(_take_pixels(image)) for axes in figure.axes for image in axes.images]
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index(b"<svg") :]  # without the DOCTYPE, which names an address
    svg = svg.replace(b"'DejaVu Sans'", _FONT_STACK)
    in_order = iter(pngs)
    return _PNG.sub(lambda _: _data_uri(next(in_order)), svg)


def readable(text: str, max_length: int = 40) -> str:
    """Text fit for a figure: one line, no control characters, not too long.

    Examples
    --------
    >>> readable("Left" + chr(0) + " thalamus")
    'Left  thalamus'
    >>> readable("a" * 50, max_length=5)
    'aaaa…'
    """
    text = _UNPRINTABLE.sub(" ", text)
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def colour_map(cmap: object) -> Colormap:
    """Find a colour map of matplotlib by its name; one that is given is taken as it is.

    Raises
    ------
    ValueError
        Naming those that are called alike, if there is none of that name.

    Examples
    --------
    >>> colour_map("Virdis")
    Traceback (most recent call last):
    ...
    ValueError: matplotlib has no colour map 'Virdis'. Names like it: viridis, viridis_r, cividis.
    """
    if isinstance(cmap, Colormap):
        return cmap
    if isinstance(cmap, str) and cmap in mpl.colormaps:
        return mpl.colormaps[cmap]
    names = {name.lower(): name for name in mpl.colormaps}
    alike = [names[name] for name in difflib.get_close_matches(str(cmap).lower(), names, 3)]
    advice = f"Names like it: {', '.join(alike)}." if alike else "See matplotlib.colormaps."
    raise ValueError(f"matplotlib has no colour map {cmap!r}. {advice}")


def shades(cmap: str | Colormap, n_levels: int) -> Array:
    """Evenly spaced colours of a matplotlib map, as uint8 (n_levels, 3).

    Few levels look the same as many and make far smaller files.
    """
    return _as_bytes(colour_map(cmap)(np.linspace(0, 1, n_levels)))


def colours_at(cmap: str | Colormap, where: Sequence[float]) -> Array:
    """Colours of a matplotlib map at places from 0 to 1, as uint8 (n, 3)."""
    return _as_bytes(colour_map(cmap)(np.asarray(where, dtype=float)))


def distinct_colours(cmap: str | Colormap, n: int) -> Array:
    """Colours to tell n things apart, as uint8 (n, 3).

    A list of colours is gone through, from its beginning again once it is used up; colours of a
    map that runs evenly are taken at even distances.

    Examples
    --------
    >>> black_white = ListedColormap(["black", "white"])
    >>> distinct_colours(black_white, 3)[:, 0]
    array([  0, 255,   0], dtype=uint8)
    """
    found = colour_map(cmap)
    if isinstance(found, ListedColormap) and found.N < EVEN_FROM:
        return _as_bytes(found(np.arange(n) % found.N))
    return shades(found, n)


def _as_bytes(colours: Array) -> Array:
    return (colours[:, :3] * 255).round().astype(np.uint8)


def hexadecimal(colour: Sequence[int]) -> str:
    """Write red, green, blue (0 to 255) as ``#rrggbb``."""
    return "#" + "".join(f"{int(part):02x}" for part in colour)


def painted(
    values: FloatArray,
    colours: Array,
    limits: tuple[float, float],
    no_value: Sequence[int] = NO_VALUE,
) -> Array:
    """Colour of each value.

    Parameters
    ----------
    values : array of shape (..., )
    colours : uint8 array of shape (n, 3)
    limits : two floats
        Values of the first and of the last colour; what lies beyond is clipped.
    no_value : three ints
        Colour of NaN.

    Returns
    -------
    picture : uint8 array of shape (..., 3)

    Examples
    --------
    >>> black_white = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    >>> painted(np.array([-1.0, 1.0, np.nan]), black_white, (-1, 1), no_value=(9, 9, 9))[:, 0]
    array([  0, 255,   9], dtype=uint8)
    """
    low, high = limits
    missing = np.isnan(values)
    share = (np.where(missing, low, values) - low) / ((high - low) or 1.0)
    picture: Array = colours[np.clip(share * len(colours), 0, len(colours) - 1).astype(int)]
    picture[missing] = no_value
    return picture


def show(axes: Axes, picture: Array, extent: tuple[float, float, float, float]) -> None:
    """Show a uint8 picture (rows, columns, 3), first row on top, one data pixel per pixel."""
    axes.imshow(picture, extent=extent, aspect="auto", interpolation="none")


def thinned(n: int, at_most: int) -> Array:
    """Choose indices of at most `at_most` of n things, evenly spread.

    Examples
    --------
    >>> thinned(10, 4)
    array([0, 3, 6, 9])
    """
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int))


def stretches(flags: BoolArray) -> list[tuple[int, int]]:
    """First index and length of each stretch of True.

    Examples
    --------
    >>> stretches(np.array([True, False, True, True]))
    [(0, 1), (2, 2)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop - start)) for start, stop in edges.reshape(-1, 2)]


def bare(axes: Axes) -> None:
    """Take away ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _data_uri(png: bytes) -> bytes:
    return b"data:image/png;base64," + base64.b64encode(png)


def _take_pixels(image: AxesImage) -> Array:
    """Give the pixels of an image, and leave black ones: matplotlib would store them at length."""
    pixels = np.asarray(image.get_array())
    image.set_data(np.zeros_like(pixels))
    return pixels


def _png(pixels: Array) -> bytes:
    """Store a uint8 picture (rows, columns, 3), with a palette if it has up to 256 colours."""
    image = Image.fromarray(pixels)
    found = image.getcolors(_PALETTE_SIZE)
    if found:
        colours = np.sort([_packed(np.array(colour)) for _, colour in found])
        image = Image.fromarray(np.searchsorted(colours, _packed(pixels)).astype(np.uint8))
        image.putpalette([int(colour) >> shift & 255 for colour in colours for shift in _SHIFTS])
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return buffer.getvalue()


def _packed(colours: Array) -> IntArray:
    """Each colour (..., 3) as one number."""
    packed: IntArray = (colours.astype(np.int32) << np.array(_SHIFTS)).sum(axis=-1)
    return packed
