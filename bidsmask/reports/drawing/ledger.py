"""Where the volumes of a run went."""

from __future__ import annotations

from collections.abc import Sequence

from bidsmask.reports.drawing.axes import X_TITLE, Panel
from bidsmask.reports.drawing.canvas import BODY, SMALL, Box, Canvas, centred
from bidsmask.reports.drawing.colours import BLUE, INK, MUTED, ORANGE, SKY
from bidsmask.reports.drawing.legend import LINE, Key, draw_legend
from bidsmask.reports.drawing.words import fitted, text_width
from bidsmask.reports.summaries import LedgerSummary

PARTS = (
    ("remaining", BLUE, "#ffffff"),
    ("confounds", SKY, INK),
    ("filter", "#b9d3e6", INK),
    ("detrend", "#8493a3", "#ffffff"),
    ("censored", ORANGE, INK),
)
"""What each part of a bar is, its colour, and the colour of the number on it."""

_ROW, _BAR, _SIDE = 60.0, 25.0, 13.0


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
    height = _ROW * len(ledgers)
    canvas = Canvas(LINE + 6 + height + X_TITLE + 2, "Where the volumes of a run went")
    box = Box(_SIDE, LINE + 6, canvas.box.width - 2 * _SIDE, height)
    longest = max(entry.n_volumes for entry in ledgers)
    panel = Panel(canvas, box, x=(0.0, longest))
    for row, entry in enumerate(ledgers):
        _draw_entry(panel, box.top + row * _ROW, entry)
    panel.x_axis("volumes", whole=True)
    keys = [Key(label, colour) for label, colour, _ in PARTS]
    draw_legend(canvas, keys, Box(_SIDE, 3, box.width, LINE))
    return canvas.svg()


def _draw_entry(panel: Panel, top: float, entry: LedgerSummary) -> None:
    """A line of words, and the bar below."""
    canvas, box = panel.canvas, panel.box
    sentence = _ledger_sentence(entry)
    room = box.width - text_width(sentence, SMALL) - 16
    canvas.text(box.left, top + 16, fitted(entry.strategy, room / 1.12, BODY), bold=True)
    canvas.text(box.right, top + 16, sentence, size=SMALL, colour=MUTED, align="end")
    start = 0.0
    for size, (_, colour, text_colour) in zip(_sizes(entry), PARTS, strict=True):
        bar = Box(panel.x(start), top + 24, panel.x(start + size) - panel.x(start), _BAR)
        start += size
        if size:
            canvas.rect(bar, colour, stroke="#ffffff")
        if size >= 0.05 * entry.n_volumes:
            middle = bar.left + bar.width / 2
            canvas.text(
                middle,
                centred(bar.middle, BODY),
                _number(size),
                size=BODY,
                colour=text_colour,
                align="middle",
            )


def _sizes(entry: LedgerSummary) -> tuple[float, ...]:
    """Of the parts, in their order."""
    return (
        entry.remaining,
        entry.n_confounds,
        entry.n_filter,
        entry.n_detrend,
        entry.n_censored,
    )


def _ledger_sentence(entry: LedgerSummary) -> str:
    terms = (
        f"{entry.n_volumes} volumes",
        f"{entry.n_censored} censored",
        f"{entry.n_detrend} detrend",
        f"{_number(entry.n_filter)} filter",
        f"{_number(entry.n_confounds)} confounds",
    )
    sum_ = " \N{MINUS SIGN} ".join(terms)
    return f"{sum_} = {_number(entry.remaining)} remaining"


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
