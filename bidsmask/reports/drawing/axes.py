"""Pieces that several figures have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec

from bidsmask._typing import Array, FloatArray
from bidsmask.reports.drawing.canvas import (
    BLUE,
    INK,
    MUTED,
    NO_VALUE,
    RED,
    SKY,
    hexadecimal,
    readable,
)

TIGHT_LEGEND = {
    "handlelength": 1.0,
    "handleheight": 0.9,
    "handletextpad": 0.5,
    "columnspacing": 1.6,
}


NO_VALUE_COLOUR = hexadecimal(NO_VALUE)


def draw_trace(axes: Axes, trace: tuple[FloatArray, str, str, float | None], t_r: float) -> None:
    """Draw (values, title, unit, threshold) against time in seconds, with mean and maximum."""
    values, title, unit, threshold = trace
    time = (np.arange(values.size) + 0.5) * t_r
    axes.plot(time, values, color=INK, lw=0.9)
    axes.fill_between(time, 0, values, color=INK, alpha=0.07, lw=0)
    unit = f" {unit}" if unit else ""
    axes.set_title(title + (f" ({unit.strip()})" if unit else ""))
    axes.set_title(
        f"mean {np.nanmean(values):.2f}{unit} · max {np.nanmax(values):.2f}{unit}",
        loc="right",
        color=MUTED,
        size=8.5,
    )
    highest = max(float(np.nanmax(values)), 1.15 * (threshold or 0.0), 1e-3)
    axes.set_ylim(0, 1.1 * highest)
    axes.locator_params(axis="y", nbins=4)
    if threshold is not None:
        threshold_line(axes, threshold, f"threshold {threshold:g}{unit}")


def spelled(method: str) -> str:
    """Write the name of a method or measure as in a sentence.

    Examples
    --------
    >>> spelled("non_steady_state")
    'non-steady state'
    """
    names = {"std_dvars": "DVARS", "framewise_displacement": "framewise displacement"}
    return names.get(method, method.replace("_", " ").replace("non steady", "non-steady"))


def label_blocks(axes: Axes, blocks: Sequence[tuple[str, int, int]], n_rows: int) -> None:
    """Name each block of rows at the left, where there is room for a name."""
    for name, first, length in blocks:
        middle, share = (first + length / 2) / n_rows, length / n_rows
        if share * axes.bbox.height < 11 and len(blocks) > 1:
            continue
        axes.annotate(
            readable(name, 17),
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


def fill(grid: GridSpec, *, left: float, right: float, top: float, bottom: float) -> None:
    """Let a grid fill its figure; `top` and `bottom` are margins in inches."""
    height_in = grid.figure.get_figheight() if grid.figure is not None else 1.0
    grid.update(left=left, right=right, top=1 - top / height_in, bottom=bottom / height_in)


def threshold_line(axes: Axes, value: float, label: str) -> None:
    """Draw a dashed horizontal line with a label at its right end."""
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


def check_columns(values: FloatArray, names: Sequence[str]) -> None:
    """Raise ValueError unless each column has a name and there is at least one."""
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(
            f"There are {len(names)} names for an array of shape {values.shape}; "
            "each column needs one."
        )
    if not values.size:
        raise ValueError("There is no region, so that there is nothing to draw.")


def grouped(groups: Sequence[str] | None, n: int) -> tuple[Array, list[tuple[str, int, int]]]:
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
