"""Coverage of a group: which region was seen in which run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.reports.drawing.arrangement import check_columns, grouped
from bidsmask.reports.drawing.axes import TITLE_ROOM, X_TITLE, Blocks, Panel
from bidsmask.reports.drawing.canvas import SMALL, WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import (
    FAINT,
    INK,
    LOST,
    NO_VALUE,
    RED,
    between,
    hexadecimal,
)
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.matrix import MAX_NAMED_REGIONS
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.drawing.words import count

MAX_RUNS, MAX_REGIONS = 560, 500
"""Of more, some share a column or row of pixels: the worst of them is drawn."""

N_SHADES = 12

_LEFT, _SIDE, _GAP = 147.0, 110.0, 24.0
_LOST, _UNKNOWN = N_SHADES, N_SHADES + 1


def seen(
    shares: FloatArray,
    lost: BoolArray,
    *,
    regions: Sequence[str],
    networks: Sequence[str] | None = None,
) -> bytes:
    """Draw which region was seen in which run, and in how many it is lost.

    Parameters
    ----------
    shares : array of shape (P, R)
        Covered share; NaN where a region was not looked for.
    lost : bool array of shape (P, R)
        Where it has no signal.
    regions : sequence of P str
    networks : sequence of P str, optional
        Regions of one network are drawn together.

    Returns
    -------
    svg : bytes
    """
    check_columns(shares.T, regions)
    order, blocks = grouped(networks, len(regions))
    shares, lost = shares[order], lost[order]
    n_regions, n_runs = shares.shape
    height = float(np.clip(n_regions * 12.0, 60, 340))
    top = LINE + 8 + TITLE_ROOM
    said = f"Coverage of {count(n_regions, 'region')} in {count(n_runs, 'run')}"
    canvas = Canvas(top + height + X_TITLE + 4, said)
    box = Box(_LEFT, top, WIDTH - _LEFT - _GAP - _SIDE - 17, height)
    panel = Panel(canvas, box, x=(0, n_runs), y=(n_regions, 0))
    canvas.picture(box, _picture(shares, lost))
    _name_regions(panel, [regions[place] for place in order], blocks)
    panel.x_axis("runs, in the order of the table", whole=True)
    _draw_share_lost(canvas, Box(box.right + _GAP, top, _SIDE, height), lost, shares)
    _draw_key(canvas, box, shares)
    return canvas.svg()


def worst_of(numbers: FloatArray, at_most: int, axis: int) -> FloatArray:
    """Let neighbours share a place until there are at most so many; the largest number stays.

    Examples
    --------
    >>> worst_of(np.array([[1.0, 3, 2, 0]]), 2, axis=1)
    array([[3., 2.]])
    """
    n = numbers.shape[axis]
    if n <= at_most:
        return numbers
    firsts = np.linspace(0, n, at_most, endpoint=False).astype(int)
    found: FloatArray = np.maximum.reduceat(numbers, firsts, axis=axis)
    return found


def _picture(shares: FloatArray, lost: BoolArray) -> Picture:
    """Paint what is worst: loss, then shades; grey only where nothing else is known."""
    unknown = np.isnan(shares)
    shade = np.floor((1 - np.where(unknown, 1, shares)) * N_SHADES).clip(0, N_SHADES - 1)
    badness = np.where(lost, _LOST, np.where(unknown, -1, shade))
    badness = worst_of(worst_of(badness, MAX_RUNS, axis=1), MAX_REGIONS, axis=0).astype(int)
    colours = np.concatenate([_shades(), np.array([LOST, NO_VALUE], np.uint8)])
    return Picture(numbers=np.where(badness < 0, _UNKNOWN, badness), colours=colours)


def _shades() -> FloatArray:
    return between([(0, 90, 150), (86, 180, 233), (232, 243, 251)], N_SHADES)


def _name_regions(panel: Panel, regions: Sequence[str], blocks: Blocks) -> None:
    if len(regions) <= MAX_NAMED_REGIONS:
        panel.name_rows(regions)
    else:
        panel.name_blocks(blocks, len(regions))
    for _, first, _ in blocks[1:]:
        y = panel.y(first)
        panel.canvas.line((panel.box.left, y), (panel.box.right, y), INK, width=0.6)


def _draw_share_lost(canvas: Canvas, box: Box, lost: BoolArray, shares: FloatArray) -> None:
    """Draw for each region in which share of the runs it is lost."""
    looked_for = (~np.isnan(shares) | lost).sum(axis=1)
    percent = 100 * lost.sum(axis=1) / np.maximum(looked_for, 1)
    panel = Panel(canvas, box, x=(0, 100), y=(len(lost), 0))
    panel.title("lost in % of runs", size=SMALL)
    canvas.rect(box, FAINT, opacity=0.4)
    rows = np.arange(len(lost) + 1.0)
    x = np.repeat(panel.x(percent), 2)
    y = np.repeat(panel.y(rows), 2)[1:-1]
    corners = " ".join(f"{left:.1f} {top:.1f}" for left, top in zip(x, y, strict=True))
    canvas.path(f"M{box.left:.1f} {box.top:.1f}L{corners}H{box.left:.1f}z", fill=RED)
    panel.x_axis(at_most=3)


def _draw_key(canvas: Canvas, box: Box, shares: FloatArray) -> None:
    shades = [hexadecimal(colour) for colour in _shades()]
    keys = [
        Key("all of the region is covered", shades[0]),
        Key("half", shades[N_SHADES // 2]),
        Key("hardly any", shades[-1], "frame"),
        Key("lost", hexadecimal(LOST)),
    ]
    if np.isnan(shares).any():
        keys.append(Key("not looked for", hexadecimal(NO_VALUE)))
    draw_legend(canvas, keys, Box(box.left, 0, WIDTH - box.left, LINE))
