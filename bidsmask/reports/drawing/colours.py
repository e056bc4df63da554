"""Colours that all figures share.

They are told apart by people with any colour vision (Okabe & Ito 2008; the scales run through
lightness or through blue and red).
"""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import hls_to_rgb

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.reports.drawing.picture import Picture

INK = "#1c2733"
MUTED = "#5a6775"
FAINT = "#dde3e9"
FRAME = "#9aa5b1"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
ORANGE = "#e69f00"
PURPLE = "#a8578b"
RED = "#d1350f"

NO_VALUE = (190, 197, 205)
"""Grey of a region without a signal, in every figure (red, green, blue)."""

LOST = (235, 68, 30)
"""Red of what has no usable signal, on slices of the brain."""

CENSORED = (252, 226, 200)
"""Tint of a volume that was left out, in every figure."""

GOLDEN = 0.618034
_LIGHTNESS = (0.6, 0.45, 0.75)

_BLUE_TO_RED = (
    (5, 48, 97),
    (33, 102, 172),
    (67, 147, 195),
    (146, 197, 222),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (178, 24, 43),
    (103, 0, 31),
)
"""RdBu of ColorBrewer (Harrower & Brewer 2003), turned round: blue is negative."""


def blue_to_red(n_levels: int) -> Array:
    """Colours from blue through white to red, as uint8 (n_levels, 3).

    Few levels look the same as many and make far smaller files.

    Examples
    --------
    >>> blue_to_red(3).tolist()
    [[5, 48, 97], [247, 247, 247], [103, 0, 31]]
    """
    return between(_BLUE_TO_RED, n_levels)


_SEQUENTIAL = (
    (68, 1, 84),
    (71, 45, 123),
    (59, 82, 139),
    (44, 114, 142),
    (33, 145, 140),
    (40, 174, 128),
    (94, 201, 98),
    (173, 220, 48),
    (253, 231, 37),
)
"""viridis (van der Walt & Smith 2015): it runs evenly from dark to bright."""


def sequential(n_levels: int) -> Array:
    """Colours from dark blue through green to bright yellow, as uint8 (n_levels, 3)."""
    return between(_SEQUENTIAL, n_levels)


def of_shares(n_levels: int) -> Array:
    """Colours of shares from nothing, pale yellow, to all, blue; as uint8 (n_levels, 3)."""
    return between([(253, 235, 175), (127, 191, 208), (0, 114, 178)], n_levels)


def greys(n_levels: int, brightest: int = 255) -> Array:
    """Colours from black to a grey or to white, as uint8 (n_levels, 3)."""
    return between([(0, 0, 0), (brightest,) * 3], n_levels)


def distinct(n: int) -> Array:
    """Colours that can be told apart as far as n of them can, as uint8 (n, 3).

    Each hue is a golden section of the circle from the one before; red is left out, since it
    marks what is lost.

    Examples
    --------
    >>> distinct(200).shape, len(np.unique(distinct(200), axis=0))
    ((200, 3), 200)
    """
    found = [
        hls_to_rgb(0.11 + 0.81 * (place * GOLDEN % 1), _LIGHTNESS[place % 3], 0.75)
        for place in range(n)
    ]
    return (np.array(found).reshape(n, 3) * 255).round().astype(np.uint8)


def between(colours: Sequence[Sequence[int]] | Array, n_levels: int) -> Array:
    """Go evenly from the first colour through all others to the last, as uint8 (n_levels, 3)."""
    given = np.asarray(colours, dtype=float)
    places = np.linspace(0, len(given) - 1, n_levels)
    parts = [np.interp(places, np.arange(len(given)), part) for part in given.T]
    return np.stack(parts, axis=1).round().astype(np.uint8)


def hexadecimal(colour: Sequence[int] | Array) -> str:
    """Write red, green, blue (0 to 255) as ``#rrggbb``."""
    return "#" + "".join(f"{int(part):02x}" for part in colour)


NO_VALUE_COLOUR = hexadecimal(NO_VALUE)
CENSORED_COLOUR = hexadecimal(CENSORED)


def painted(
    values: FloatArray,
    colours: Array,
    limits: tuple[float, float],
    no_value: Sequence[int] = NO_VALUE,
) -> Picture:
    """Picture of values.

    Parameters
    ----------
    values : array of shape (rows, columns)
    colours : uint8 array of shape (n, 3)
    limits : two floats
        Values of the first and of the last colour; what lies beyond is clipped.
    no_value : three ints
        Colour of NaN: number n of the picture.

    Returns
    -------
    picture : Picture

    Examples
    --------
    >>> black_white = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    >>> painted(np.array([[-1.0, 1.0, np.nan]]), black_white, (-1, 1)).numbers
    array([[0, 1, 2]], dtype=int16)
    """
    low, high = limits
    n = len(colours)
    scaled = np.clip((values - low) * (n / ((high - low) or 1.0)), 0, n - 1)
    scaled[np.isnan(scaled)] = n
    more = np.array([no_value], dtype=np.uint8)
    return Picture(numbers=scaled.astype(np.int16), colours=np.concatenate([colours, more]))
