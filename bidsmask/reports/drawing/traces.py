"""A measure of each volume over time, such as framewise displacement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.axes import Panel
from bidsmask.reports.drawing.canvas import Box, Canvas
from bidsmask.reports.drawing.colours import INK


class Trace(NamedTuple):
    """A measure of each volume (T,), its unit, and from where on a volume is left out."""

    values: FloatArray
    title: str
    unit: str = ""
    threshold: float | None = None

    def with_unit(self, number: str) -> str:
        """Write a number with the unit."""
        return f"{number} {self.unit}".strip()


def trace_panel(canvas: Canvas, box: Box, trace: Trace, t_r: float) -> Panel:
    """Panel in which a trace has room: seconds along x, from zero to above the largest value."""
    highest = max(float(np.nanmax(trace.values)), 1.15 * (trace.threshold or 0.0), 1e-3)
    return Panel(canvas, box, x=(0.0, trace.values.size * t_r), y=(0.0, 1.1 * highest))


def draw_trace(panel: Panel, trace: Trace, t_r: float) -> None:
    """Draw a trace, with its mean and its maximum in words."""
    values = trace.values
    time = (np.arange(values.size) + 0.5) * t_r
    panel.area(time, values, INK, opacity=0.07)
    panel.curve(time, values, INK)
    panel.x_axis(numbers=False)
    panel.y_axis(at_most=4)
    mean = trace.with_unit(f"{np.nanmean(values):.2f}")
    maximum = trace.with_unit(f"{np.nanmax(values):.2f}")
    unit = f" ({trace.unit})" if trace.unit else ""
    panel.title(trace.title + unit, f"mean {mean} · max {maximum}")
    if trace.threshold is not None:
        panel.threshold(trace.threshold, f"threshold {trace.with_unit(f'{trace.threshold:g}')}")
