"""How much the head moved, and which volumes were left out for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.reports.drawing.axes import TIGHT_LEGEND, draw_trace, fill, spelled
from bidsmask.reports.drawing.canvas import (
    GREEN,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    new_figure,
    readable,
    stretches,
    style,
    svg_bytes,
)

METHOD_COLOURS = {
    "non_steady_state": PURPLE,
    "framewise_displacement": ORANGE,
    "std_dvars": SKY,
    "short_segment": GREEN,
}


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
    fill(grid, left=0.055, right=0.985, top=0.3, bottom=0.48)
    grid.update(hspace=0.36 / float(np.mean(heights_in)))
    panels = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    for axes, trace in zip(panels, traces, strict=False):
        _shade(axes, flagged, t_r)
        draw_trace(axes, trace, t_r)
        axes.set(xlim=(0, n_volumes * t_r), xticklabels=[])
    _draw_flags(panels[-1], flagged, n_volumes, t_r)
    return figure


def _shade(axes: Axes, flagged: Sequence[tuple[str, BoolArray]], t_r: float) -> None:
    """Colour each flagged volume by the first method that flagged it."""
    seen: BoolArray = np.zeros(flagged[0][1].shape, dtype=bool) if flagged else np.empty(0, bool)
    for method, flags in flagged:
        for first, length in stretches(flags & ~seen):
            axes.axvspan(
                first * t_r, (first + length) * t_r, color=_method_colour(method), alpha=0.3, lw=0
            )
        seen = seen | flags


def _draw_flags(
    axes: Axes, flagged: Sequence[tuple[str, BoolArray]], n_volumes: int, t_r: float
) -> None:
    """One row for each method, like a bar code."""
    for row, (method, flags) in enumerate(flagged):
        spans = [(first * t_r, length * t_r) for first, length in stretches(flags)]
        axes.broken_barh(spans, (row + 0.12, 0.76), color=_method_colour(method), lw=0)
    labels = [f"{readable(spelled(method))}: {flags.sum()}" for method, flags in flagged]
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
            **TIGHT_LEGEND,
        )


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
