"""The figures of a report: arrays in, SVG out.

Each function draws one figure, gives its file as bytes, and opens nothing. Arrays follow the
letters of `bidsmask._typing`. In every figure a region without a signal is grey, a volume that
was left out has the same pale tint, and what needs attention is red. The same arrays give the
same bytes.

All functions raise ValueError, with a sentence, if there is nothing to draw or if shapes do not
fit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.filters import detrend
from bidsmask.reports import slices
from bidsmask.reports.canvas import (
    BLUE,
    CENSORED,
    FAINT,
    GREEN,
    INK,
    MUTED,
    NO_VALUE,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    WIDTH_IN,
    bare,
    hexadecimal,
    new_figure,
    painted,
    readable,
    shades,
    show,
    stretches,
    style,
    svg_bytes,
    thinned,
)
from bidsmask.reports.summaries import LedgerSummary

METHOD_COLOURS = {
    "non_steady_state": PURPLE,
    "framewise_displacement": ORANGE,
    "std_dvars": SKY,
    "short_segment": GREEN,
}

MAX_COLUMNS = 600
"""Volumes drawn in an image; a longer run is thinned evenly."""

MAX_CARPET_ROWS = 480
"""Rows of all carpets of a figure together."""

MAX_REGION_ROWS = 400
MAX_MATRIX_ROWS = 400
MAX_NETWORK_LABELS = 24
N_LOWEST = 10


@style()
def atlas_outline(
    reference: FloatArray,
    labels: IntArray,
    affine: FloatArray,
    *,
    lost_ids: Collection[int] = (),
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
        Labels of regions without a usable signal: filled red.

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
    return svg_bytes(_draw_rows(slices.rows(reference, labels, affine, lost_ids), bool(lost_ids)))


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
    _check_columns(coverage.reshape(1, -1), names)
    order = np.argsort(np.where(np.isnan(coverage), -1.0, coverage), kind="stable")
    figure = new_figure(0.95 + 0.21 * min(max(len(order), 5), N_LOWEST))
    grid = figure.add_gridspec(1, 2, width_ratios=(1.45, 1), wspace=0.62)
    _fill(grid, left=0.065, right=0.94, top=0.42, bottom=0.5)
    _sorted_coverage(figure.add_subplot(grid[0]), coverage[order], min_coverage)
    _lowest_coverage(figure.add_subplot(grid[1]), coverage, order, names, min_coverage)
    return svg_bytes(figure)


@style()
def motion(
    *,
    fd_mm: FloatArray | None,
    std_dvars: FloatArray | None,
    outliers: Sequence[tuple[str, BoolArray]],
    t_r: float,
    fd_threshold_mm: float | None = None,
    std_dvars_threshold: float | None = None,
) -> bytes:
    """Framewise displacement and DVARS over time, and which volumes were left out, and why.

    Parameters
    ----------
    fd_mm, std_dvars : array of shape (T,), or None
        None where the run has no such column; NaN leaves a gap.
    outliers : sequence of (str, bool array of shape (T,))
        Method, and the volumes that it flagged, as in `Confounds.outliers`.
    t_r : float
        Repetition time in seconds.
    fd_threshold_mm, std_dvars_threshold : float or None
        Drawn as a line; None if the measure was not used for censoring.

    Returns
    -------
    svg : bytes
    """
    traces = [
        (values, title, unit, threshold)
        for values, title, unit, threshold in (
            (fd_mm, "Framewise displacement", "mm", fd_threshold_mm),
            (std_dvars, "Standardized DVARS", "", std_dvars_threshold),
        )
        if values is not None and np.isfinite(values).any()
    ]
    flagged = [(method, flags) for method, flags in outliers if flags.any()]
    if not traces and not flagged:
        raise ValueError(
            "The run has neither framewise displacement nor DVARS nor flagged volumes, so that "
            "there is nothing to draw."
        )
    n_volumes = _one_length([*(trace[0] for trace in traces), *(item[1] for item in outliers)])
    return svg_bytes(_draw_motion(traces, flagged, n_volumes, t_r))


@style()
def carpet(
    before: FloatArray,
    after: Mapping[str, FloatArray],
    *,
    fd_mm: FloatArray | None,
    sample_mask: BoolArray,
    t_r: float,
    groups: Sequence[str] | None = None,
) -> bytes:
    """Voxels as rows and time as columns, before and after each cleaning, on one time axis.

    Parameters
    ----------
    before : array of shape (T, K)
        Signals of K voxels. Drawn as z-scores of what remains after taking away each voxel's
        straight line.
    after : mapping of str to array of shape (T, K)
        By strategy; rows of censored volumes are NaN. Drawn as z-scores.
    fd_mm : array of shape (T,), or None
    sample_mask : bool array of shape (T,)
        True = kept. Marks the volumes in the panel of framewise displacement.
    t_r : float
        Repetition time in seconds.
    groups : sequence of K str, optional
        What the voxels belong to; voxels of one group are drawn together.

    Returns
    -------
    svg : bytes

    References
    ----------
    Power (2017), NeuroImage 154, doi:10.1016/j.neuroimage.2016.08.009
    """
    panels = {"Before cleaning": _detrended(before), **after}
    shapes = {np.shape(values) for values in panels.values()}
    if before.ndim != 2 or len(shapes) != 1 or len(before) != sample_mask.size:
        raise ValueError(
            f"All carpets must have the shape (T, K) with T = {sample_mask.size} volumes; "
            f"their shapes are {', '.join(map(str, sorted(shapes)))}."
        )
    if not before.size or not np.isfinite(before).any():
        raise ValueError("The carpet has no voxel with a value, so that there is nothing to draw.")
    order, blocks = _grouped(groups, before.shape[1])
    return svg_bytes(_draw_carpet(panels, order, blocks, fd_mm, sample_mask, t_r))


@style()
def region_signals(
    signals: FloatArray,
    *,
    names: Sequence[str],
    networks: Sequence[str] | None = None,
    t_r: float,
    sample_mask: BoolArray,
) -> bytes:
    """Draw the cleaned signals of all regions as the rows of an image, and some of them as lines.

    Parameters
    ----------
    signals : array of shape (T, P)
        Rows of censored volumes, and columns of regions without a signal, are NaN. Drawn as
        z-scores, whatever their unit.
    names : sequence of P str
    networks : sequence of P str, optional
        Regions of one network are drawn together; else in the order of the table.
    t_r : float
        Repetition time in seconds.
    sample_mask : bool array of shape (T,)
        True = kept.

    Returns
    -------
    svg : bytes
    """
    _check_columns(signals, names)
    if len(signals) != sample_mask.size:
        raise ValueError(
            f"There are {len(signals)} rows of signals for {sample_mask.size} volumes."
        )
    if not np.isfinite(signals[sample_mask]).any():
        raise ValueError("No region has a signal, so that there is nothing to draw.")
    order, blocks = _grouped(networks, len(names))
    return svg_bytes(_draw_signals(_zscores(signals), names, order, blocks, t_r, sample_mask))


@style()
def connectivity(
    matrix: FloatArray,
    *,
    names: Sequence[str],
    networks: Sequence[str] | None = None,
    measure: str,
) -> bytes:
    """Relation of every region with every other, and how the values are distributed.

    Parameters
    ----------
    matrix : array of shape (P, P)
        Rows and columns of regions without a signal are NaN. The diagonal is not drawn: it says
        nothing about pairs.
    names : sequence of P str
    networks : sequence of P str, optional
        Regions of one network are drawn together; else in the order of the table.
    measure : str
        Name of the measure, for the axis.

    Returns
    -------
    svg : bytes
    """
    _check_columns(matrix, names)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A connectivity matrix must be square; its shape is {matrix.shape}.")
    if not np.isfinite(matrix).any():
        raise ValueError("The connectivity matrix has no value, so that there is nothing to draw.")
    order, blocks = _grouped(networks, len(names))
    ordered = [names[i] for i in order]
    return svg_bytes(_draw_matrix(matrix[np.ix_(order, order)], ordered, blocks, measure))


@style()
def ledger(ledgers: Sequence[LedgerSummary]) -> bytes:
    """Where the volumes of a run went: one bar for each strategy.

    Parameters
    ----------
    ledgers : sequence of LedgerSummary

    Returns
    -------
    svg : bytes
    """
    if not ledgers:
        raise ValueError("There is no strategy, so that there is no ledger to draw.")
    height_in = 0.75 + 0.62 * len(ledgers)
    figure = new_figure(height_in)
    axes = figure.add_axes((0.015, 0.36 / height_in, 0.97, 1 - 0.75 / height_in))
    for row, entry in enumerate(ledgers):
        _ledger_bar(axes, row, entry)
    longest = max(entry.n_volumes for entry in ledgers)
    axes.set(xlim=(0, longest), ylim=(len(ledgers) - 0.32, -0.62), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("volumes", labelpad=1)
    handles = [Patch(color=colour, label=label) for label, colour, _ in _LEDGER_PARTS]
    figure.legend(
        handles=handles, loc="upper left", ncols=5, bbox_to_anchor=(0.005, 1.0), **_TIGHT
    )
    return svg_bytes(figure)


_TIGHT = {"handlelength": 1.0, "handleheight": 0.9, "handletextpad": 0.5, "columnspacing": 1.6}


# --- atlas outline


def _draw_rows(rows: Sequence[slices.Row], some_lost: bool) -> Figure:
    widths_mm = [row.width_mm * len(row.positions_mm) for row in rows]
    scale = WIDTH_IN / max(widths_mm)  # inches per mm
    gap_in, head_in = 0.24, 0.3
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
    handles: list[Artist] = [
        Line2D([], [], color=hexadecimal(slices.OUTLINE), lw=2, label="region outline")
    ]
    if some_lost:
        handles.append(Patch(color=hexadecimal(slices.LOST), label="lost region"))
    figure.legend(handles=handles, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.0), **_TIGHT)
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


# --- coverage


def _sorted_coverage(axes: Axes, ascending: FloatArray, min_coverage: float) -> None:
    n = len(ascending)
    percent = 100 * np.nan_to_num(ascending)
    edges = np.arange(n + 1)
    lost = percent < 100 * min_coverage
    for part, colour in ((lost, RED), (~lost, BLUE)):
        where = np.flatnonzero(part)
        if where.size:
            span = slice(where[0], where[-1] + 1)
            axes.stairs(percent[span], edges[where[0] : where[-1] + 2], fill=True, color=colour)
    _threshold(axes, 100 * min_coverage, f"minimum {100 * min_coverage:g} %")
    axes.set(xlim=(0, n), ylim=(0, 100), xlabel="regions, sorted by coverage", ylabel="%")
    axes.set_title(_counted(int(lost.sum()), n, "lost"))
    axes.set_yticks([0, 25, 50, 75, 100])


def _lowest_coverage(
    axes: Axes, coverage: FloatArray, order: Array, names: Sequence[str], min_coverage: float
) -> None:
    lowest = order[:N_LOWEST]
    for row, region in enumerate(lowest):
        value = coverage[region]
        lost = not value >= min_coverage
        axes.barh(row, 100, height=0.62, color=FAINT if np.isfinite(value) else _NO_VALUE)
        axes.barh(row, 100 * np.nan_to_num(value), height=0.62, color=RED if lost else BLUE)
        text = f"{_percent(value)} %" if np.isfinite(value) else "n/a"
        axes.text(103, row, text, va="center", size=8.5, color=RED if lost else INK)
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


# --- motion


def _draw_motion(
    traces: Sequence[tuple[FloatArray, str, str, float | None]],
    flagged: Sequence[tuple[str, BoolArray]],
    n_volumes: int,
    t_r: float,
) -> Figure:
    strip_in = 0.19 * max(len(flagged), 1)
    heights_in = [1.05] * len(traces) + [strip_in]
    figure = new_figure(sum(heights_in) + 0.36 * len(traces) + 0.72)
    grid = figure.add_gridspec(len(heights_in), 1, height_ratios=heights_in)
    _fill(grid, left=0.055, right=0.985, top=0.3, bottom=0.48)
    grid.update(hspace=0.36 / float(np.mean(heights_in)))
    panels = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    for axes, trace in zip(panels, traces, strict=False):
        _shade(axes, flagged, t_r)
        _draw_trace(axes, trace, t_r)
        axes.set(xlim=(0, n_volumes * t_r), xticklabels=[])
    _draw_flags(panels[-1], flagged, n_volumes, t_r)
    return figure


def _draw_trace(axes: Axes, trace: tuple[FloatArray, str, str, float | None], t_r: float) -> None:
    values, title, unit, threshold = trace
    time = (np.arange(values.size) + 0.5) * t_r
    axes.plot(time, values, color=INK, lw=0.9)
    axes.fill_between(time, 0, values, color=INK, alpha=0.07, lw=0)
    unit = f" {unit}" if unit else ""
    axes.set_title(title + (f" ({unit.strip()})" if unit else ""))
    axes.set_title(
        f"mean {np.nanmean(values):.2f}{unit}   max {np.nanmax(values):.2f}{unit}",
        loc="right",
        color=MUTED,
        size=8.5,
    )
    highest = max(float(np.nanmax(values)), threshold or 0.0, 1e-3)
    axes.set_ylim(0, 1.1 * highest)
    axes.locator_params(axis="y", nbins=4)
    if threshold is not None:
        _threshold(axes, threshold, f"threshold {threshold:g}{unit}")


def _shade(axes: Axes, flagged: Sequence[tuple[str, BoolArray]], t_r: float) -> None:
    for method, flags in flagged:
        for first, length in stretches(flags):
            axes.axvspan(
                first * t_r, (first + length) * t_r, color=_method_colour(method), alpha=0.3, lw=0
            )


def _draw_flags(
    axes: Axes, flagged: Sequence[tuple[str, BoolArray]], n_volumes: int, t_r: float
) -> None:
    """One row for each method, like a bar code."""
    for row, (method, flags) in enumerate(flagged):
        spans = [(first * t_r, length * t_r) for first, length in stretches(flags)]
        axes.broken_barh(spans, (row + 0.12, 0.76), color=_method_colour(method), lw=0)
    labels = [f"{readable(_spelled(method))}: {flags.sum()}" for method, flags in flagged]
    axes.set(xlim=(0, n_volumes * t_r), ylim=(max(len(flagged), 1), 0), yticks=[])
    axes.set_xlabel("time (s)", labelpad=2)
    axes.spines["left"].set_visible(False)
    handles = [
        Patch(color=_method_colour(method), label=label)
        for (method, _), label in zip(flagged, labels, strict=True)
    ]
    axes.set_title("Flagged volumes" if flagged else "No volume is flagged")
    if handles:
        axes.legend(
            handles=handles,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(handles),
            borderaxespad=0,
            borderpad=0.35,
            **_TIGHT,
        )


def _method_colour(method: str) -> str:
    return METHOD_COLOURS.get(method, MUTED)


def _spelled(method: str) -> str:
    names = {"std_dvars": "DVARS", "framewise_displacement": "framewise displacement"}
    return names.get(method, method.replace("_", " ").replace("non steady", "non-steady"))


# --- carpet and signals


def _draw_carpet(
    panels: Mapping[str, FloatArray],
    order: Array,
    blocks: Sequence[tuple[str, int, int]],
    fd_mm: FloatArray | None,
    sample_mask: BoolArray,
    t_r: float,
) -> Figure:
    with_fd = fd_mm is not None and bool(np.isfinite(fd_mm).any())
    heights_in = [0.55] * with_fd + [1.35] * len(panels)
    figure = new_figure(sum(heights_in) + 0.3 * len(heights_in) + 0.45)
    grid = figure.add_gridspec(len(heights_in), 1, height_ratios=heights_in)
    _fill(grid, left=0.1 if blocks else 0.055, right=0.985, top=0.28, bottom=0.45)
    grid.update(hspace=0.3 / float(np.mean(heights_in)))
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    if with_fd and fd_mm is not None:
        _shade_censored(axes[0], sample_mask, t_r)
        _draw_trace(axes[0], (fd_mm, "Framewise displacement", "mm", None), t_r)
    rows = order[thinned(order.size, max(60, MAX_CARPET_ROWS // len(panels)))]
    for panel, (title, values) in zip(axes[with_fd:], panels.items(), strict=True):
        _draw_image(panel, _zscores(values)[:, rows], shades("gray", 20), t_r)
        panel.set_title(title if title == "Before cleaning" else f"After {readable(title)}")
        _label_blocks(panel, blocks, order.size)
    for panel in axes:
        panel.set_xlim(0, sample_mask.size * t_r)
        panel.set_xticklabels([])
    _time_axis(axes[-1], sample_mask.size * t_r)
    return figure


def _draw_signals(
    scores: FloatArray,
    names: Sequence[str],
    order: Array,
    blocks: Sequence[tuple[str, int, int]],
    t_r: float,
    sample_mask: BoolArray,
) -> Figure:
    present = order[np.isfinite(scores[:, order]).any(axis=0)]
    examples = present[thinned(present.size, 5)[1:4] if present.size > 3 else slice(None)]
    image_in = min(2.9, 0.9 + 0.06 * len(names))
    heights_in = [image_in] + [0.42] * len(examples)
    figure = new_figure(sum(heights_in) + 0.22 * len(heights_in) + 0.5)
    grid = figure.add_gridspec(len(heights_in), 1, height_ratios=heights_in)
    _fill(grid, left=0.1 if blocks else 0.055, right=0.985, top=0.28, bottom=0.45)
    grid.update(hspace=0.22 / float(np.mean(heights_in)))
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    rows = order[thinned(order.size, MAX_REGION_ROWS)]
    _draw_image(axes[0], scores[:, rows], shades("RdBu_r", 25), t_r)
    _label_blocks(axes[0], blocks, order.size)
    axes[0].set_title(f"{len(names)} region{'' if len(names) == 1 else 's'}")
    _keys(axes[0], bool((~sample_mask).any()), len(present) < len(names))
    for panel, region in zip(axes[1:], examples, strict=True):
        _draw_example(panel, scores[:, region], readable(names[region]), sample_mask, t_r)
    for panel in axes:
        panel.set_xlim(0, sample_mask.size * t_r)
        panel.set_xticklabels([])
    _time_axis(axes[-1], sample_mask.size * t_r)
    return figure


def _draw_example(
    axes: Axes, scores: FloatArray, name: str, sample_mask: BoolArray, t_r: float
) -> None:
    _shade_censored(axes, sample_mask, t_r)
    axes.plot((np.arange(scores.size) + 0.5) * t_r, scores, color=BLUE, lw=0.9)
    axes.set_title(name, size=8.5, color=MUTED, pad=2)
    axes.set(ylim=(-3.6, 3.6), yticks=[-3, 0, 3])


def _draw_image(axes: Axes, scores: FloatArray, colours: Array, t_r: float) -> None:
    """Scores (T, K) as an image with K rows; NaN in whole volumes and in whole rows differ."""
    n_volumes = len(scores)
    shown = scores[thinned(n_volumes, MAX_COLUMNS)]
    picture = painted(shown.T, colours, (-2.0, 2.0))
    left_out = np.isnan(shown).all(axis=1)
    picture[:, left_out] = CENSORED
    without_signal = np.isnan(scores).all(axis=0)
    picture[without_signal] = NO_VALUE
    show(axes, picture, (0, n_volumes * t_r, 1, 0))
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _keys(axes: Axes, some_censored: bool, some_lost: bool) -> None:
    low, high = (hexadecimal(colour) for colour in shades("RdBu_r", 25)[[2, -3]])
    handles = [Patch(color=low, label="z = \N{MINUS SIGN}2"), Patch(color=high, label="z = 2")]
    if some_censored:
        handles.append(Patch(color=hexadecimal(CENSORED), label="left out"))
    if some_lost:
        handles.append(Patch(color=_NO_VALUE, label="no signal"))
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0.35,
        **_TIGHT,
    )


def _shade_censored(axes: Axes, sample_mask: BoolArray, t_r: float) -> None:
    for first, length in stretches(~sample_mask):
        axes.axvspan(
            first * t_r, (first + length) * t_r, color=hexadecimal(CENSORED), lw=0, zorder=0
        )


def _time_axis(axes: Axes, duration_s: float) -> None:
    ticks = axes.get_xticks()
    ticks = ticks[(ticks >= 0) & (ticks <= duration_s)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("time (s)", labelpad=2)


def _label_blocks(axes: Axes, blocks: Sequence[tuple[str, int, int]], n_rows: int) -> None:
    """Name each block of rows at the left, where there is room for a name."""
    for name, first, length in blocks:
        middle, share = (first + length / 2) / n_rows, length / n_rows
        if share * axes.bbox.height < 8 and len(blocks) > 1:
            continue
        axes.annotate(
            readable(name, 13),
            (0, middle),
            xycoords=("axes fraction", "data"),
            xytext=(-7, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            size=8,
            color=MUTED,
            annotation_clip=False,
        )
    for number, (_, first, length) in enumerate(blocks):
        axes.plot(
            [-0.004, -0.004],
            [first / n_rows, (first + length) / n_rows],
            transform=axes.get_yaxis_transform(),
            color=BLUE if number % 2 == 0 else SKY,
            lw=3,
            solid_capstyle="butt",
            clip_on=False,
        )


# --- connectivity


def _draw_matrix(
    matrix: FloatArray,
    names: Sequence[str],
    blocks: Sequence[tuple[str, int, int]],
    measure: str,
) -> Figure:
    figure = new_figure(4.9)
    n = len(names)
    pairs = _pairs(matrix)
    limit = _limit(pairs)
    axes = figure.add_axes((0.17, 0.05, 4.3 / 9.0, 4.3 / 4.9))
    rows = thinned(n, MAX_MATRIX_ROWS)
    values = matrix[np.ix_(rows, rows)].copy()
    picture = painted(values, shades("RdBu_r", 41), (-limit, limit))
    valid = np.isfinite(np.diag(values))
    picture[np.flatnonzero(valid), np.flatnonzero(valid)] = 255
    show(axes, picture, (0, n, n, 0))
    _label_matrix(axes, names, blocks, n)
    _colour_bar(figure, limit, _spelled(measure), bool(np.isnan(matrix).all(axis=0).any()))
    _histogram(figure.add_axes((0.745, 0.1, 0.235, 0.4)), pairs, limit)
    return figure


def _pairs(matrix: FloatArray) -> FloatArray:
    above: FloatArray = matrix[np.triu_indices(len(matrix), k=1)]
    return above[np.isfinite(above)]


def _limit(pairs: FloatArray) -> float:
    """Correlations get the whole range from -1 to 1 if they use it, others their own."""
    if not pairs.size:
        return 1.0
    return float(np.percentile(np.abs(pairs), 99)) or float(np.abs(pairs).max()) or 1.0


def _label_matrix(
    axes: Axes, names: Sequence[str], blocks: Sequence[tuple[str, int, int]], n: int
) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("#c3cbd3")
    if n <= MAX_NETWORK_LABELS:
        axes.set_yticks(np.arange(n) + 0.5, [readable(name, 22) for name in names], size=8)
        axes.tick_params(length=0)
    elif blocks:
        _label_blocks(axes, [(name, first, length) for name, first, length in blocks], 1)
    for _, first, _ in blocks[1:]:
        axes.axhline(first, color=INK, lw=0.6)
        axes.axvline(first, color=INK, lw=0.6)


def _colour_bar(figure: Figure, limit: float, label: str, some_lost: bool) -> None:
    axes = figure.add_axes((0.745, 0.85, 0.235, 0.03))
    colours = shades("RdBu_r", 41)[None]
    show(axes, colours, (-limit, limit, 0, 1))
    axes.set_yticks([])
    axes.set_title(readable(label))
    axes.locator_params(axis="x", nbins=5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles = [Patch(facecolor="white", edgecolor="#c3cbd3", label="diagonal, not shown")]
    if some_lost:
        handles.append(Patch(color=_NO_VALUE, label="no signal (n/a)"))
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.735, 0.78), **_TIGHT)


def _histogram(axes: Axes, pairs: FloatArray, limit: float) -> None:
    axes.set_title(f"{pairs.size:,} pairs".replace(",", "\N{THIN SPACE}"))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    edges = np.linspace(-limit, limit, 42)
    axes.set_xlim(-limit, limit)
    axes.axvline(0, color=FAINT, lw=1)
    if pairs.size:
        counts, _ = np.histogram(np.clip(pairs, -limit, limit), edges)
        axes.stairs(counts, edges, fill=True, color=BLUE)
        axes.axvline(float(np.median(pairs)), color=INK, lw=1, ls=(0, (3, 2)))
        axes.set_xlabel(f"median {np.median(pairs):.2g}, dashed", labelpad=3)
    axes.locator_params(axis="x", nbins=5)


# --- ledger

_LEDGER_PARTS = (
    ("remaining", BLUE, "white"),
    ("confounds", SKY, INK),
    ("filter", "#b9d3e6", INK),
    ("detrend", "#8493a3", "white"),
    ("censored", ORANGE, INK),
)


def _ledger_bar(axes: Axes, row: int, entry: LedgerSummary) -> None:
    sizes = (
        entry.remaining,
        entry.n_confounds,
        entry.n_filter,
        entry.n_detrend,
        entry.n_censored,
    )
    start = 0.0
    for size, (_, colour, text_colour) in zip(sizes, _LEDGER_PARTS, strict=True):
        axes.barh(row, size, left=start, height=0.4, color=colour, edgecolor="white", lw=0.8)
        if size >= 0.05 * entry.n_volumes:
            axes.text(
                start + size / 2, row, _number(size), ha="center", va="center", color=text_colour
            )
        start += size
    axes.text(0, row - 0.3, readable(entry.strategy), va="bottom", weight="bold")
    axes.annotate(
        _ledger_sentence(entry),
        (1, row - 0.3),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        color=MUTED,
        size=8.5,
    )


def _ledger_sentence(entry: LedgerSummary) -> str:
    terms = (
        f"{entry.n_volumes} volumes",
        f"{entry.n_censored} censored",
        f"{entry.n_detrend} detrend",
        f"{_number(entry.n_filter)} filter",
        f"{entry.n_confounds} confounds",
    )
    sum_ = " \N{MINUS SIGN} ".join(terms)
    return f"{sum_} = {_number(entry.remaining)} remaining"


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


# --- shared

_NO_VALUE = hexadecimal(NO_VALUE)


def _fill(grid: GridSpec, *, left: float, right: float, top: float, bottom: float) -> None:
    """Let a grid fill its figure; `top` and `bottom` are margins in inches."""
    height_in = grid.figure.get_figheight() if grid.figure is not None else 1.0
    grid.update(left=left, right=right, top=1 - top / height_in, bottom=bottom / height_in)


def _threshold(axes: Axes, value: float, label: str) -> None:
    axes.axhline(value, color=RED, lw=0.9, ls=(0, (4, 2)))
    axes.annotate(
        label,
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        size=8,
        color=RED,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
    )


def _check_columns(values: FloatArray, names: Sequence[str]) -> None:
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(
            f"There are {len(names)} names for an array of shape {values.shape}; "
            "each column needs one."
        )
    if not values.size:
        raise ValueError("There is no region, so that there is nothing to draw.")


def _one_length(arrays: Sequence[Array]) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise ValueError(
            "All traces must have one value per volume; their lengths are "
            f"{', '.join(map(str, sorted(lengths)))}."
        )
    return lengths.pop()


def _grouped(groups: Sequence[str] | None, n: int) -> tuple[Array, list[tuple[str, int, int]]]:
    """Order that brings each group together, and (name, first row, length) of each."""
    if groups is None:
        return np.arange(n), []
    if len(groups) != n:
        raise ValueError(f"There are {len(groups)} groups for {n} columns; each needs one.")
    names = list(dict.fromkeys(groups))
    number = np.array([names.index(group) for group in groups])
    order = np.argsort(number, kind="stable")
    counts = np.bincount(number, minlength=len(names))
    firsts = np.cumsum(counts) - counts
    blocks = [
        (name, int(first), int(count))
        for name, first, count in zip(names, firsts, counts, strict=True)
    ]
    return order, blocks


def _detrended(signals: FloatArray) -> FloatArray:
    """Without each column's straight line; columns with NaN or infinity are NaN."""
    usable = np.isfinite(signals).all(axis=0)
    residuals = np.full(signals.shape, np.nan)
    residuals[:, usable] = detrend(signals[:, usable].astype(np.float64))
    return residuals


def _zscores(signals: FloatArray) -> FloatArray:
    """Standardise each column over the volumes where it has a value; 0 if constant."""
    finite = np.isfinite(signals)
    count = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, signals, 0).sum(axis=0) / count
    centred = np.where(finite, signals - mean, np.nan)
    std = np.sqrt(np.nan_to_num(centred**2).sum(axis=0) / count)
    scores: FloatArray = centred / np.where(std > 1e-12 * np.maximum(np.abs(mean), 1e-30), std, 1)
    return scores
