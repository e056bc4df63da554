"""How much the head moved, and which volumes were left out for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.reports.drawing.arrangement import stretches
from bidsmask.reports.drawing.axes import X_TITLE, Panel, spelled, stacked
from bidsmask.reports.drawing.canvas import TITLE, WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SKY
from bidsmask.reports.drawing.legend import Key, draw_legend, legend_height
from bidsmask.reports.drawing.traces import Trace, draw_trace, trace_panel
from bidsmask.reports.drawing.words import text_width

METHOD_COLOURS = {
    "non_steady_state": PURPLE,
    "framewise_displacement": ORANGE,
    "std_dvars": SKY,
    "dvars_percent": INK,
    "leverage": RED,
    "neighbour": BLUE,
    "short_segment": GREEN,
}

_LEFT, _RIGHT = 50.0, WIDTH - 13.0
_TRACE, _ROW, _GAP = 100.0, 18.0, 34.0


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
        Trace(values, title, unit, threshold)
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
    n_volumes = _one_length([*(trace.values for trace in traces), *(item[1] for item in outliers)])
    return _draw_motion(traces, flagged, n_volumes, t_r)


def _draw_motion(
    traces: Sequence[Trace],
    flagged: Sequence[tuple[str, BoolArray]],
    n_volumes: int,
    t_r: float,
) -> bytes:
    heading = "Flagged volumes" if flagged else "No volume is flagged"
    keys = [
        Key(f"{spelled(method)}: {flags.sum()}", _method_colour(method))
        for method, flags in flagged
    ]
    legend_width = _RIGHT - _LEFT - text_width(heading, TITLE) - 24
    above = legend_height(keys, legend_width)
    heights = [_TRACE] * len(traces) + [_ROW * max(len(flagged), 1)]
    gaps = [_GAP] * len(traces) + [max(_GAP, above + 10)]
    boxes = stacked(heights, gaps, left=_LEFT, right=_RIGHT, top=-4)
    title = "Motion over time, and the volumes that are flagged"
    canvas = Canvas(boxes[-1].bottom + X_TITLE + 2, title)
    for box, trace in zip(boxes, traces, strict=False):
        panel = trace_panel(canvas, box, trace, t_r)
        _shade(panel, flagged, t_r)
        draw_trace(panel, trace, t_r)
    _draw_flags(canvas, boxes[-1], flagged, n_volumes, t_r).title(heading)
    corner = Box(_RIGHT - legend_width, boxes[-1].top - above - 1, legend_width, above)
    draw_legend(canvas, keys, corner, at_right=True)
    return canvas.svg()


def _shade(panel: Panel, flagged: Sequence[tuple[str, BoolArray]], t_r: float) -> None:
    """Colour each flagged volume by the first method that flagged it."""
    seen: BoolArray = np.zeros(flagged[0][1].shape, dtype=bool) if flagged else np.empty(0, bool)
    for method, flags in flagged:
        panel.spans(_in_seconds(flags & ~seen, t_r), _method_colour(method), opacity=0.3)
        seen = seen | flags


def _draw_flags(
    canvas: Canvas,
    box: Box,
    flagged: Sequence[tuple[str, BoolArray]],
    n_volumes: int,
    t_r: float,
) -> Panel:
    """One row for each method, like a bar code."""
    panel = Panel(canvas, box, x=(0, n_volumes * t_r), y=(max(len(flagged), 1), 0))
    for row, (method, flags) in enumerate(flagged):
        spans, colour = _in_seconds(flags, t_r), _method_colour(method)
        panel.spans(spans, colour, rows=(row + 0.88, row + 0.12))
    panel.x_axis("time (s)")
    return panel


def _in_seconds(flags: BoolArray, t_r: float) -> list[tuple[float, float]]:
    """Start and length of each stretch of flagged volumes."""
    return [(first * t_r, length * t_r) for first, length in stretches(flags)]


def _method_colour(method: str) -> str:
    return METHOD_COLOURS.get(method, MUTED)


def _one_length(arrays: Sequence[Array]) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise ValueError(
            "All traces must have one value per volume; their lengths are "
            f"{', '.join(map(str, sorted(lengths)))}."
        )
    return lengths.pop()
