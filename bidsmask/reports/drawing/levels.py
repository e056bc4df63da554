"""Maps of weights as levels to draw, and colours for levels and regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.reports.drawing.cmaps import colours_at, distinct_colours

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

LEVELS = (0.25, 0.5, 0.75)
"""Share of a map's largest weight at which it has contours."""


def levels_of(weights: FloatArray) -> IntArray:
    """Level of each weight: 1 to 3 between the contours, 4 to 6 where weights are negative.

    Examples
    --------
    >>> levels_of(np.array([0.1, 0.3, 1.0, -0.6]))
    array([0, 1, 3, 5])
    """
    levels: IntArray = np.digitize(np.abs(weights) / np.abs(weights).max(), LEVELS)
    levels[(weights < 0) & (levels > 0)] += len(LEVELS)
    return levels


def colours_of_levels(
    cmap: Colormap, *, some_negative: bool
) -> tuple[Array, tuple[tuple[str, int], ...]]:
    """Colours of the levels of `levels_of`, and what they mean.

    Parameters
    ----------
    cmap : Colormap
        Runs from 0 to the largest weight.
    some_negative : bool
        It runs from minus the largest weight instead.

    Returns
    -------
    colours : uint8 array of shape (n + 1, 3)
        The first one is that of level 0, and is never seen.
    key : tuple of (str, int)
        Words for each level.
    """
    middles = [level + (1 - LEVELS[-1]) / 2 for level in LEVELS]
    words = [f"from {level:.0%}" for level in LEVELS]
    if some_negative:
        middles = [(1 + sign * middle) / 2 for sign in (1, -1) for middle in middles]
        words += [f"from \N{MINUS SIGN}{level:.0%}" for level in LEVELS]
    key = tuple((word, level) for level, word in enumerate(words, start=1))
    return _after_background(colours_at(cmap, middles)), key


def colours_of_regions(cmap: Colormap, n: int) -> Array:
    """Colours of the labels 0 to n; the first one is never seen."""
    return _after_background(distinct_colours(cmap, n))


def _after_background(colours: Array) -> Array:
    return np.concatenate([np.zeros((1, 3), dtype=np.uint8), colours])
