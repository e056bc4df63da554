"""Where the regions of an atlas lie on a run, and how much of each the run covers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.reports.drawing import slices
from bidsmask.reports.drawing.arrangement import check_columns
from bidsmask.reports.drawing.axes import TITLE_ROOM, X_TITLE, Panel, draw_colour_bar
from bidsmask.reports.drawing.brain import draw_rows
from bidsmask.reports.drawing.canvas import SMALL, Box, Canvas, centred
from bidsmask.reports.drawing.colours import (
    BLUE,
    FAINT,
    INK,
    LOST,
    MUTED,
    NO_VALUE_COLOUR,
    RED,
    hexadecimal,
)
from bidsmask.reports.drawing.legend import Key

N_LOWEST = 10

_LEFT, _WIDTH = 56.0, 316.0
_BARS_LEFT, _BARS_WIDTH = 600.0, 208.0


def atlas_outline(
    reference: FloatArray,
    labels: IntArray,
    affine: FloatArray,
    *,
    lost_ids: Collection[int] = (),
    paint: slices.Paint | None = None,
    key: Sequence[tuple[str, int]] = (),
    unit: str = "region",
    intensity: str = "",
) -> bytes:
    """Outlines of an atlas on the run's own image, in axial, coronal and sagittal slices.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        BOLD reference or temporal mean; NaN is drawn black.
    labels : int array of shape (X, Y, Z)
        Atlas on the same grid, 0 outside all regions.
    affine : array of shape (4, 4)
        Of both. Any orientation; the left of the head is drawn on the left.
    lost_ids : collection of int
        Labels of regions without a usable signal: red.
    paint : slices.Paint, optional
        By default a grey background and outlines of one colour.
    key : sequence of (str, int)
        What to say of which labels' colours.
    unit : str
        What a label is of, in the singular.
    intensity : str
        What the values of `reference` are; a bar then says which is drawn how bright.

    Returns
    -------
    svg : bytes
    """
    if reference.ndim != 3 or reference.shape != labels.shape:
        raise ValueError(
            "The reference and the atlas must be volumes of one shape; they are "
            f"{reference.shape} and {labels.shape}."
        )
    if not labels.any():
        raise ValueError("The atlas has no region on this grid, so that there is nothing to draw.")
    rows = slices.rows(reference, labels, affine, lost_ids, paint)
    colours = None if paint is None else paint.regions
    keys = _keys(unit, colours, key, bool(lost_ids))
    title = f"Each {unit} on slices of the brain"
    if not (intensity and np.nan_to_num(reference).any()):
        return draw_rows(rows, keys, title).canvas.svg()
    canvas = draw_rows(rows, keys, title, head=66).canvas
    limits = 0.0, slices.brightest(reference, affine)
    background = (paint or slices.greys()).background
    draw_colour_bar(canvas, Box(13, 26, 208, 13), background, limits, intensity)
    return canvas.svg()


def coverage(coverage: FloatArray, *, names: Sequence[str], min_coverage: float) -> bytes:
    """Coverage of all regions, sorted, and the lowest ones by name.

    Parameters
    ----------
    coverage : array of shape (P,)
        Share of each region's voxels inside the run's mask, 0 to 1; NaN counts as 0 and is grey.
    names : sequence of P str
    min_coverage : float
        Regions below are lost, and red.

    Returns
    -------
    svg : bytes
    """
    check_columns(coverage.reshape(1, -1), names)
    order = np.argsort(np.where(np.isnan(coverage), -1.0, coverage), kind="stable")
    height = 20.0 * min(max(len(order), 5), N_LOWEST)
    title = f"Coverage of {len(order)} region{'' if len(order) == 1 else 's'}"
    canvas = Canvas(TITLE_ROOM + 8 + height + X_TITLE + 6, title)
    box = Box(_LEFT, TITLE_ROOM + 8, _WIDTH, height)
    _draw_sorted(canvas, box, coverage[order], min_coverage)
    _draw_lowest(canvas, box, coverage, order, names, min_coverage)
    return canvas.svg()


def _keys(
    unit: str, colours: Array | None, key: Sequence[tuple[str, int]], some_lost: bool
) -> list[Key]:
    """Entries of the legend."""
    lost = hexadecimal(LOST)
    if colours is None:
        outline = Key(f"{unit} outline", hexadecimal(slices.OUTLINE), "line")
        return [outline] + [Key(f"lost {unit}", lost)] * some_lost
    keys = [Key(words, hexadecimal(colours[label])) for words, label in key]
    return keys + [Key(f"lost {unit}", lost, "stripes")] * some_lost


def _draw_sorted(canvas: Canvas, box: Box, ascending: FloatArray, min_coverage: float) -> None:
    n = len(ascending)
    percent = 100 * np.nan_to_num(ascending)
    n_lost = int((percent < 100 * min_coverage).sum())
    panel = Panel(canvas, box, x=(0, n), y=(0, 103))
    for first, last, colour in ((0, n_lost, RED), (n_lost, n, BLUE)):
        if last > first:
            edges = np.arange(first, last + 1.0)
            panel.steps(edges, percent[first:last], fill=colour, opacity=0.22, stroke=colour)
    panel.x_axis("regions, sorted by coverage", whole=True)
    panel.y_axis([0, 25, 50, 75, 100])
    canvas.text(18, box.middle, "%", colour=MUTED, align="middle")
    if min_coverage > 0:
        panel.threshold(100 * min_coverage, f"minimum {100 * min_coverage:g} %")
    panel.title(_counted(n_lost, n, "below the minimum"))


def _draw_lowest(
    canvas: Canvas,
    beside: Box,
    coverage: FloatArray,
    order: Array,
    names: Sequence[str],
    min_coverage: float,
) -> None:
    lowest = order[:N_LOWEST]
    row_height = beside.height / max(len(lowest), 5)
    box = Box(_BARS_LEFT, beside.top, _BARS_WIDTH, row_height * len(lowest))
    panel = Panel(canvas, box, x=(0, 100), y=(len(lowest), 0))
    for row, value in enumerate(coverage[lowest]):
        known, lost = bool(np.isfinite(value)), not value >= min_coverage
        bar = (row + 0.81, row + 0.19)
        panel.spans([(0, 100)], FAINT if known else NO_VALUE_COLOUR, rows=bar)
        if known and value > 0:
            panel.spans([(0, 100 * value)], RED if lost else BLUE, rows=bar)
        text, colour = f"{_percent(value)} %" if known else "n/a", RED if lost else INK
        y = centred(panel.y(row + 0.5), SMALL)
        canvas.text(box.right + 8, y, text, size=SMALL, colour=colour)
    room = box.left - beside.right - 24
    panel.name_rows([names[i] for i in lowest], colour=INK, room=room)
    panel.title("Lowest coverage" if len(order) > N_LOWEST else "Coverage by region")


def _percent(value: float) -> str:
    """Whole per cent, rounded down, so that only a whole region reads 100."""
    return f"{np.floor(100 * value + 1e-9):.0f}"


def _counted(n: int, total: int, what: str) -> str:
    return f"{n} of {total} region{'' if total == 1 else 's'} {what}"
