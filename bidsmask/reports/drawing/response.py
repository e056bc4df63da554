"""What cleaning lets through of each frequency."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.axes import TITLE_ROOM, X_TITLE, Panel
from bidsmask.reports.drawing.canvas import WIDTH, Box, Canvas
from bidsmask.reports.drawing.colours import distinct, hexadecimal
from bidsmask.reports.drawing.legend import Key, draw_legend, legend_height

_LEFT, _RIGHT, _HEIGHT = 50.0, WIDTH - 13.0, 150.0


def response(responses: Mapping[str, FloatArray], *, t_r: float) -> bytes:
    """Share of the variance of waves that cleaning lets through: one line for each strategy.

    Parameters
    ----------
    responses : mapping from strategy to array of shape (F,)
        From 0 to 1, at F frequencies evenly spaced from 0 Hz to the Nyquist frequency.
    t_r : float
        Repetition time in seconds.

    Returns
    -------
    svg : bytes
    """
    if not responses:
        raise ValueError("There is no strategy, so that there is no response to draw.")
    colours = [hexadecimal(colour) for colour in distinct(len(responses))]
    keys = [Key(name, colour, "line") for name, colour in zip(responses, colours, strict=True)]
    legend = legend_height(keys, _RIGHT - _LEFT)
    above = legend + TITLE_ROOM + 8
    canvas = Canvas(above + _HEIGHT + X_TITLE + 2, "What cleaning lets through of each frequency")
    nyquist_hz = 0.5 / t_r
    box = Box(_LEFT, above, _RIGHT - _LEFT, _HEIGHT)
    panel = Panel(canvas, box, x=(0.0, nyquist_hz), y=(0.0, 1.05))
    for colour, share in zip(colours, responses.values(), strict=True):
        panel.curve(np.linspace(0, nyquist_hz, share.size), share, colour, width=1.6)
    panel.title("Share of variance that comes through")
    panel.x_axis("frequency (Hz)")
    panel.y_axis([0.0, 0.5, 1.0])
    draw_legend(canvas, keys, Box(_LEFT, 3, _RIGHT - _LEFT, legend))
    return canvas.svg()
