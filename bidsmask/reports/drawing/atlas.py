"""Where the regions of an atlas lie on a run, and how much of each the run covers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.reports.drawing import slices
from bidsmask.reports.drawing.axes import (
    NO_VALUE_COLOUR,
    TIGHT_LEGEND,
    check_columns,
    fill,
    threshold_line,
)
from bidsmask.reports.drawing.canvas import (
    BLUE,
    FAINT,
    INK,
    MUTED,
    RED,
    WIDTH_IN,
    bare,
    hexadecimal,
    new_figure,
    readable,
    show,
    style,
    svg_bytes,
)

N_LOWEST = 10


@style()
def atlas_outline(
    reference: FloatArray,
    labels: IntArray,
    affine: FloatArray,
    *,
    lost_ids: Collection[int] = (),
    paint: slices.Paint | None = None,
    key: Sequence[tuple[str, int]] = (),
    unit: str = "region",
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
    return svg_bytes(_draw_rows(rows, _handles(unit, colours, key, bool(lost_ids))))


@style()
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
    figure = new_figure(0.95 + 0.21 * min(max(len(order), 5), N_LOWEST))
    grid = figure.add_gridspec(1, 2, width_ratios=(1.45, 1), wspace=0.62)
    fill(grid, left=0.065, right=0.94, top=0.42, bottom=0.5)
    _sorted_coverage(figure.add_subplot(grid[0]), coverage[order], min_coverage)
    _lowest_coverage(figure.add_subplot(grid[1]), coverage, order, names, min_coverage)
    return svg_bytes(figure)


def _handles(
    unit: str, colours: Array | None, key: Sequence[tuple[str, int]], some_lost: bool
) -> list[Artist]:
    """Entries of the legend."""
    lost = hexadecimal(slices.LOST)
    if colours is None:
        handles: list[Artist] = [
            Line2D([], [], color=hexadecimal(slices.OUTLINE), lw=2, label=f"{unit} outline")
        ]
        return handles + [Patch(color=lost, label=f"lost {unit}")] * some_lost
    handles = [Patch(color=hexadecimal(colours[label]), label=words) for words, label in key]
    stripes = Patch(facecolor="white", edgecolor=lost, hatch="/////", label=f"lost {unit}")
    return handles + [stripes] * some_lost


def _draw_rows(rows: Sequence[slices.Row], handles: Sequence[Artist]) -> Figure:
    widths_mm = [row.width_mm * len(row.positions_mm) for row in rows]
    scale = WIDTH_IN / max(widths_mm)  # inches per mm
    gap_in, head_in = 0.24, 0.3 if handles else 0.0
    heights_in = [row.height_mm * scale for row in rows]
    figure = new_figure(sum(heights_in) + gap_in * len(rows) + head_in)
    total_in = figure.get_figheight()
    top_in = total_in - head_in
    for row, height_in, width_mm in zip(rows, heights_in, widths_mm, strict=True):
        bottom_in = top_in - height_in
        width = width_mm / max(widths_mm)
        box = (0.0, bottom_in / total_in, width, height_in / total_in)
        _draw_row(figure.add_axes(box), row)
        top_in = bottom_in - gap_in
    if handles:
        figure.legend(
            handles=handles,
            loc="upper left",
            ncols=len(handles),
            bbox_to_anchor=(0, 1.0),
            **TIGHT_LEGEND,
        )
    return figure


def _draw_row(axes: Axes, row: slices.Row) -> None:
    n = len(row.positions_mm)
    bare(axes)
    show(axes, row.picture, (0, n, 0, 1))
    letter = "xyz"[row.axis]
    first, last = ("P", "A") if row.axis == 0 else ("L", "R")
    for number, position_mm in enumerate(row.positions_mm):
        coordinate = f"{letter} = {position_mm:.0f} mm".replace("-", "\N{MINUS SIGN}")
        axes.text(number + 0.5, -0.02, coordinate, ha="center", va="top", color=MUTED, size=8.5)
    for side, where, align in ((first, 0.02, "left"), (last, n - 0.02, "right")):
        axes.text(where, 0.97, side, ha=align, va="top", color="white", size=10, weight="bold")


def _sorted_coverage(axes: Axes, ascending: FloatArray, min_coverage: float) -> None:
    n = len(ascending)
    percent = 100 * np.nan_to_num(ascending)
    n_lost = int((percent < 100 * min_coverage).sum())
    for first, last, colour in ((0, n_lost, RED), (n_lost, n, BLUE)):
        if last > first:
            edges = np.arange(first, last + 1)
            axes.stairs(percent[first:last], edges, fill=True, color=colour, alpha=0.22, lw=0)
            axes.stairs(percent[first:last], edges, color=colour, lw=1.4, baseline=None)
    if min_coverage > 0:
        threshold_line(axes, 100 * min_coverage, f"minimum {100 * min_coverage:g} %")
    axes.set(xlim=(0, n), ylim=(0, 103), xlabel="regions, sorted by coverage", ylabel="%")
    axes.set_title(_counted(n_lost, n, "below the minimum"))
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _lowest_coverage(
    axes: Axes, coverage: FloatArray, order: Array, names: Sequence[str], min_coverage: float
) -> None:
    lowest = order[:N_LOWEST]
    rows, values = np.arange(len(lowest)), coverage[lowest]
    known, lost = np.isfinite(values), ~(values >= min_coverage)
    whole = np.full(len(lowest), 100)
    axes.barh(rows, whole, height=0.62, color=np.where(known, FAINT, NO_VALUE_COLOUR))
    axes.barh(rows, 100 * np.nan_to_num(values), height=0.62, color=np.where(lost, RED, BLUE))
    for row in range(len(lowest)):
        text = f"{_percent(values[row])} %" if known[row] else "n/a"
        axes.text(103, row, text, va="center", size=8.5, color=RED if lost[row] else INK)
    axes.set(xlim=(0, 100), ylim=(max(len(lowest), 5) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(lowest)), [readable(names[i], 30) for i in lowest], color=INK)
    axes.tick_params(axis="y", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title("Lowest coverage" if len(order) > N_LOWEST else "Coverage by region")


def _percent(value: float) -> str:
    """Whole per cent, rounded down, so that only a whole region reads 100."""
    return f"{np.floor(100 * value + 1e-9):.0f}"


def _counted(n: int, total: int, what: str) -> str:
    return f"{n} of {total} region{'' if total == 1 else 's'} {what}"
