"""Where the volumes of a run went."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bidsmask.reports.drawing.axes import TIGHT_LEGEND
from bidsmask.reports.drawing.canvas import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    SKY,
    new_figure,
    readable,
    style,
    svg_bytes,
)
from bidsmask.reports.summaries import LedgerSummary


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
    handles = [Patch(color=colour, label=label) for label, colour, _ in PARTS]
    figure.legend(
        handles=handles, loc="upper left", ncols=5, bbox_to_anchor=(0.005, 1.0), **TIGHT_LEGEND
    )
    return svg_bytes(figure)


PARTS = (
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
    for size, (_, colour, text_colour) in zip(sizes, PARTS, strict=True):
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
