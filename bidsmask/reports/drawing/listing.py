"""Regions as a list, where there is nothing to draw them on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.reports.drawing.arrangement import check_columns
from bidsmask.reports.drawing.canvas import SMALL, WIDTH, Box, Canvas, centred
from bidsmask.reports.drawing.colours import BLUE, FAINT, INK, RED
from bidsmask.reports.drawing.words import fitted

N_COLUMNS = 4

_LINE = 16.0
_BAR, _GAP, _MARGIN = 28.0, 6.0, 8.0


def region_list(coverage: FloatArray, *, names: Sequence[str], usable: BoolArray) -> bytes:
    """Names of all regions, and how much of each is covered.

    Parameters
    ----------
    coverage : array of shape (P,)
        Share of each region that is covered, 0 to 1; NaN counts as 0.
    names : sequence of P str
    usable : bool array of shape (P,)
        Those without a signal are red.

    Returns
    -------
    svg : bytes
    """
    check_columns(coverage.reshape(1, -1), names)
    n_lines = -(-len(names) // N_COLUMNS)
    canvas = Canvas(n_lines * _LINE + 2 * _MARGIN, f"{len(names)} regions and their coverage")
    width = (WIDTH - 2 * _MARGIN) / N_COLUMNS
    for place, (name, share) in enumerate(zip(names, np.nan_to_num(coverage), strict=True)):
        column, line = divmod(place, n_lines)
        left, middle = _MARGIN + column * width, _MARGIN + (line + 0.5) * _LINE
        bar = Box(left, middle - 4, _BAR, 8)
        canvas.rect(bar, FAINT)
        colour = BLUE if usable[place] else RED
        if share > 0:
            canvas.rect(bar._replace(width=_BAR * float(share)), colour)
        words = fitted(name, width - _BAR - 2 * _GAP, SMALL)
        ink = INK if usable[place] else RED
        canvas.text(bar.right + _GAP, centred(middle, SMALL), words, size=SMALL, colour=ink)
    return canvas.svg()
