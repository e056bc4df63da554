"""Many signals at once: each a row of an image, over one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.numerics.filters import detrend
from bidsmask.reports.drawing.axes import (
    NO_VALUE_COLOUR,
    TIGHT_LEGEND,
    check_columns,
    draw_trace,
    fill,
    grouped,
    label_blocks,
)
from bidsmask.reports.drawing.canvas import (
    BLUE,
    CENSORED,
    MUTED,
    NO_VALUE,
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

MAX_COLUMNS = 600
"""Volumes drawn in an image; those of a longer run are thinned evenly."""

MAX_CARPET_PIXELS = 144_000
"""In all carpets of a figure together: about 100 kB, since noise cannot be compressed."""

MAX_REGION_ROWS = 400

MAX_NAMED_ROWS = 12
"""Up to this many, each row of signals has its name."""


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
    shapes = {np.shape(values) for values in (before, *after.values())}
    if before.ndim != 2 or len(shapes) != 1 or len(before) != sample_mask.size:
        raise ValueError(
            f"All carpets must have the shape (T, K) with T = {sample_mask.size} volumes; "
            f"their shapes are {', '.join(map(str, sorted(shapes)))}."
        )
    if not before.size or not np.isfinite(before).any():
        raise ValueError("The carpet has no voxel with a value, so that there is nothing to draw.")
    order, blocks = grouped(groups, before.shape[1])
    panels = [("Before cleaning", _detrended(before))]
    panels += [(f"After {readable(name)}", values) for name, values in after.items()]
    return svg_bytes(_draw_carpet(panels, order, blocks, fd_mm, sample_mask, t_r))


@style()
def region_signals(
    signals: FloatArray,
    *,
    names: Sequence[str],
    networks: Sequence[str] | None = None,
    t_r: float,
    sample_mask: BoolArray,
    unit: str = "region",
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
    unit : str
        What a column is of, in the singular.

    Returns
    -------
    svg : bytes
    """
    check_columns(signals, names)
    if len(signals) != sample_mask.size:
        raise ValueError(
            f"There are {len(signals)} rows of signals for {sample_mask.size} volumes."
        )
    if not np.isfinite(signals[sample_mask]).any():
        raise ValueError("No region has a signal, so that there is nothing to draw.")
    order, blocks = grouped(networks, len(names))
    figure = _draw_signals(_zscores(signals), names, order, blocks, t_r, sample_mask)
    plural = "" if len(names) == 1 else "s"
    figure.axes[0].set_title(f"{len(names)} {unit}{plural}")
    return svg_bytes(figure)


def _draw_carpet(
    panels: Sequence[tuple[str, FloatArray]],
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
    fill(grid, left=0.125 if blocks else 0.055, right=0.985, top=0.28, bottom=0.45)
    grid.update(hspace=0.3 / float(np.mean(heights_in)))
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    if with_fd and fd_mm is not None:
        _shade_censored(axes[0], sample_mask, t_r)
        draw_trace(axes[0], (fd_mm, "Framewise displacement", "mm", None), t_r)
    n_rows = MAX_CARPET_PIXELS // min(sample_mask.size, MAX_COLUMNS) // len(panels)
    rows = order[thinned(order.size, min(max(n_rows, 60), 240))]
    for panel, (title, values) in zip(axes[with_fd:], panels, strict=True):
        _draw_image(panel, _zscores(values)[:, rows], shades("gray", 20), t_r)
        panel.set_title(title)
        label_blocks(panel, blocks, order.size)
    _share_time_axis(axes, sample_mask.size * t_r)
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
    named = not blocks and len(names) <= MAX_NAMED_ROWS
    fill(grid, left=0.125 if blocks or named else 0.055, right=0.985, top=0.28, bottom=0.45)
    grid.update(hspace=0.22 / float(np.mean(heights_in)))
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    rows = order[thinned(order.size, MAX_REGION_ROWS)]
    _draw_image(axes[0], scores[:, rows], shades("RdBu_r", 25), t_r)
    label_blocks(axes[0], blocks, order.size)
    if named:
        _name_rows(axes[0], names)
    _keys(axes[0], bool((~sample_mask).any()), len(present) < len(names))
    for panel, region in zip(axes[1:], examples, strict=True):
        _draw_example(panel, scores[:, region], readable(names[region]), sample_mask, t_r)
    _share_time_axis(axes, sample_mask.size * t_r)
    return figure


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    middles = (np.arange(len(names)) + 0.5) / len(names)
    axes.set_yticks(middles, [readable(name, 17) for name in names], size=8)
    axes.tick_params(axis="y", length=0)


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
        handles.append(Patch(color=NO_VALUE_COLOUR, label="no signal"))
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0.35,
        **TIGHT_LEGEND,
    )


def _shade_censored(axes: Axes, sample_mask: BoolArray, t_r: float) -> None:
    for first, length in stretches(~sample_mask):
        axes.axvspan(
            first * t_r, (first + length) * t_r, color=hexadecimal(CENSORED), lw=0, zorder=0
        )


def _share_time_axis(panels: Sequence[Axes], duration_s: float) -> None:
    """The same limits for all panels, numbers below the last only."""
    for axes in panels:
        axes.set_xlim(0, duration_s)
        axes.tick_params(axis="x", labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("time (s)", labelpad=2)


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
