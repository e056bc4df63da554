"""Many signals at once: each a row of an image, over one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.numerics.filters import detrend
from bidsmask.reports.drawing.arrangement import check_columns, grouped, stretches, thinned
from bidsmask.reports.drawing.axes import TITLE_ROOM, X_TITLE, Blocks, Panel, stacked
from bidsmask.reports.drawing.canvas import SMALL, WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import (
    BLUE,
    CENSORED,
    CENSORED_COLOUR,
    MUTED,
    NO_VALUE_COLOUR,
    blue_to_red,
    greys,
    hexadecimal,
    painted,
)
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.picture import Picture
from bidsmask.reports.drawing.traces import Trace, draw_trace, trace_panel

MAX_COLUMNS = 600
"""Volumes drawn in an image; those of a longer run are thinned evenly."""

MAX_CARPET_PIXELS = 144_000
"""In all carpets of a figure together: about 100 kB, since noise cannot be compressed."""

MAX_REGION_ROWS = 400

MAX_NAMED_ROWS = 12
"""Up to this many, each row of signals has its name."""


_LEFT, _LEFT_OF_NAMES, _RIGHT = 50.0, 116.0, WIDTH - 13.0


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
    rows = order[thinned(order.size, _n_carpet_rows(sample_mask.size, 1 + len(after)))]
    panels = [("Before cleaning", _detrended(before[:, rows]))]
    panels += [(f"After {name}", values[:, rows]) for name, values in after.items()]
    return _draw_carpet(panels, blocks, order.size, fd_mm, sample_mask, t_r)


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
    title = f"{len(names)} {unit}{'' if len(names) == 1 else 's'}"
    scores = _zscores(signals)[:, order]
    return _draw_signals(scores, [names[i] for i in order], blocks, t_r, sample_mask, title)


def _n_carpet_rows(n_volumes: int, n_panels: int) -> int:
    within = MAX_CARPET_PIXELS // min(n_volumes, MAX_COLUMNS) // n_panels
    return min(max(within, 60), 240)


def _draw_carpet(
    panels: Sequence[tuple[str, FloatArray]],
    blocks: Blocks,
    n_rows: int,
    fd_mm: FloatArray | None,
    sample_mask: BoolArray,
    t_r: float,
) -> bytes:
    traces = []
    if fd_mm is not None and np.isfinite(fd_mm).any():
        traces.append(Trace(fd_mm, "Framewise displacement", "mm"))
    heights = [53.0] * len(traces) + [130.0] * len(panels)
    left = _LEFT_OF_NAMES if blocks else _LEFT
    gaps = [TITLE_ROOM] + [TITLE_ROOM + 8] * (len(heights) - 1)
    boxes = stacked(heights, gaps, left=left, right=_RIGHT, top=2)
    canvas = Canvas(boxes[-1].bottom + X_TITLE + 2, "Voxels over time, before and after cleaning")
    for trace, box in zip(traces, boxes, strict=False):
        panel = trace_panel(canvas, box, trace, t_r)
        _shade_censored(panel, sample_mask, t_r)
        draw_trace(panel, trace, t_r)
    for box, (title, values) in zip(boxes[len(traces) :], panels, strict=True):
        panel = _draw_rows(canvas, box, _zscores(values), greys(20), t_r)
        panel.title(title)
        panel.name_blocks(blocks, n_rows)
        _time_axis(panel, box is boxes[-1])
    return canvas.svg()


def _draw_signals(
    scores: FloatArray,
    names: Sequence[str],
    blocks: Blocks,
    t_r: float,
    sample_mask: BoolArray,
    title: str,
) -> bytes:
    n = len(names)
    present = np.flatnonzero(np.isfinite(scores).any(axis=0))
    examples = present[thinned(present.size, 5)[1:4] if present.size > 3 else slice(None)]
    named = not blocks and n <= MAX_NAMED_ROWS
    left = _LEFT_OF_NAMES if blocks or named else _LEFT
    heights = [min(278.0, 86.0 + 6.0 * n)] + [40.0] * len(examples)
    gaps = [TITLE_ROOM] + [TITLE_ROOM] * len(examples)
    boxes = stacked(heights, gaps, left=left, right=_RIGHT, top=2)
    canvas = Canvas(boxes[-1].bottom + X_TITLE + 2, f"Signals of {title}")
    rows = thinned(n, MAX_REGION_ROWS)
    panel = _draw_rows(canvas, boxes[0], scores[:, rows], blue_to_red(25), t_r)
    panel.title(title)
    if named:
        panel.name_rows(names)
    panel.name_blocks(blocks, n)
    _time_axis(panel, not examples.size)
    keys = _keys(bool((~sample_mask).any()), present.size < n)
    above = Box(left + 150, panel.box.top - LINE - 2, panel.box.width - 150, LINE)
    draw_legend(canvas, keys, above, at_right=True)
    for box, region in zip(boxes[1:], examples, strict=True):
        panel = Panel(canvas, box, x=(0, sample_mask.size * t_r), y=(-3.6, 3.6))
        _draw_example(panel, scores[:, region], names[region], sample_mask, t_r)
        _time_axis(panel, box is boxes[-1])
    return canvas.svg()


def _draw_example(
    panel: Panel, scores: FloatArray, name: str, sample_mask: BoolArray, t_r: float
) -> None:
    _shade_censored(panel, sample_mask, t_r)
    panel.curve((np.arange(scores.size) + 0.5) * t_r, scores, BLUE)
    panel.title(name, size=SMALL, colour=MUTED)
    panel.y_axis([-3, 0, 3])


def _draw_rows(canvas: Canvas, box: Box, scores: FloatArray, colours: Array, t_r: float) -> Panel:
    """Scores (T, K) as an image with K rows; NaN in whole volumes and in whole rows differ."""
    n_volumes = len(scores)
    shown = scores[thinned(n_volumes, MAX_COLUMNS)]
    picture = painted(shown.T, colours, (-2.0, 2.0))
    missing, tinted = len(colours), len(colours) + 1
    picture.numbers[:, np.isnan(shown).all(axis=1)] = tinted
    picture.numbers[np.isnan(scores).all(axis=0)] = missing
    tint = np.array([CENSORED], dtype=np.uint8)
    all_colours = np.concatenate([picture.colours, tint])
    canvas.picture(box, Picture(numbers=picture.numbers, colours=all_colours))
    return Panel(canvas, box, x=(0, n_volumes * t_r))


def _keys(some_censored: bool, some_lost: bool) -> list[Key]:
    low, high = (hexadecimal(colour) for colour in blue_to_red(25)[[2, -3]])
    keys = [Key("z = \N{MINUS SIGN}2", low), Key("z = 2", high)]
    if some_censored:
        keys.append(Key("left out", CENSORED_COLOUR))
    if some_lost:
        keys.append(Key("no signal", NO_VALUE_COLOUR))
    return keys


def _shade_censored(panel: Panel, sample_mask: BoolArray, t_r: float) -> None:
    left_out = stretches(~sample_mask)
    panel.spans([(first * t_r, length * t_r) for first, length in left_out], CENSORED_COLOUR)


def _time_axis(panel: Panel, is_last: bool) -> None:
    """Ticks below every panel, numbers below the last only."""
    panel.x_axis("time (s)" if is_last else "", numbers=is_last)


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
