"""Colour maps that a user names: only these need matplotlib, which is slow to import."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bidsmask._typing import Array

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

EVEN_FROM = 256
"""Colours from which on a listed map is one that runs evenly, such as viridis."""


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
    from matplotlib import colormaps
    from matplotlib.colors import Colormap

    if isinstance(cmap, Colormap):
        return cmap
    if isinstance(cmap, str) and cmap in colormaps:
        return colormaps[cmap]
    names = {name.lower(): name for name in colormaps}
    alike = [names[name] for name in difflib.get_close_matches(str(cmap).lower(), names, 3)]
    advice = f"Names like it: {', '.join(alike)}." if alike else "See matplotlib.colormaps."
    raise ValueError(f"matplotlib has no colour map {cmap!r}. {advice}")


def shades(cmap: str | Colormap, n_levels: int) -> Array:
    """Evenly spaced colours of a matplotlib map, as uint8 (n_levels, 3).

    Few levels look the same as many and make far smaller files.
    """
    return colours_at(cmap, np.linspace(0, 1, n_levels))


def colours_at(cmap: str | Colormap, where: Sequence[float] | Array) -> Array:
    """Colours of a matplotlib map at places from 0 to 1, as uint8 (n, 3)."""
    return _as_bytes(colour_map(cmap)(np.asarray(where, dtype=float)))


def distinct_colours(cmap: str | Colormap, n: int) -> Array:
    """Colours to tell n things apart, as uint8 (n, 3).

    A list of colours is gone through, from its beginning again once it is used up; colours of a
    map that runs evenly are taken at even distances.

    Examples
    --------
    >>> from matplotlib.colors import ListedColormap
    >>> distinct_colours(ListedColormap(["black", "white"]), 3)[:, 0]
    array([  0, 255,   0], dtype=uint8)
    """
    from matplotlib.colors import ListedColormap

    found = colour_map(cmap)
    if isinstance(found, ListedColormap) and found.N < EVEN_FROM:
        return _as_bytes(found(np.arange(n) % found.N))
    return shades(found, n)


def _as_bytes(colours: Array) -> Array:
    return (colours[:, :3] * 255).round().astype(np.uint8)
