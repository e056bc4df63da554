"""Connectivity: a matrix of regions by regions, and the distribution of its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.axes import (
    NO_VALUE_COLOUR,
    TIGHT_LEGEND,
    check_columns,
    grouped,
    label_blocks,
    spelled,
)
from bidsmask.reports.drawing.canvas import (
    BLUE,
    FAINT,
    INK,
    WIDTH_IN,
    new_figure,
    painted,
    readable,
    shades,
    show,
    style,
    svg_bytes,
    thinned,
)

MAX_MATRIX_ROWS = 400


MAX_NAMED_REGIONS = 24
"""Up to this many, each row of the matrix has its name."""

ROUND_STEPS = (1, 2, 2.5, 5, 7.5, 10)
"""Where a colour scale may end, times a power of ten."""


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
    check_columns(matrix, names)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A connectivity matrix must be square; its shape is {matrix.shape}.")
    if not np.isfinite(matrix).any():
        raise ValueError("The connectivity matrix has no value, so that there is nothing to draw.")
    order, blocks = grouped(networks, len(names))
    ordered = [names[i] for i in order]
    return svg_bytes(_draw_matrix(matrix[np.ix_(order, order)], ordered, blocks, measure))


def _draw_matrix(
    matrix: FloatArray,
    names: Sequence[str],
    blocks: Sequence[tuple[str, int, int]],
    measure: str,
) -> Figure:
    figure = new_figure(4.6)
    n = len(names)
    pairs = _pairs(matrix)
    limit = _limit(pairs)
    axes = figure.add_axes((0.17, 0.15 / 4.6, 4.3 / WIDTH_IN, 4.3 / 4.6))
    rows = thinned(n, MAX_MATRIX_ROWS)
    values = matrix[np.ix_(rows, rows)].copy()
    picture = painted(values, shades("RdBu_r", 41), (-limit, limit))
    valid = np.isfinite(np.diag(values))
    picture[np.flatnonzero(valid), np.flatnonzero(valid)] = 255
    show(axes, picture, (0, n, n, 0))
    _label_matrix(axes, names, blocks, n)
    _colour_bar(figure, limit, spelled(measure), bool(np.isnan(matrix).all(axis=0).any()))
    _histogram(figure.add_axes((0.745, 0.12, 0.235, 0.42)), pairs, limit)
    return figure


def _pairs(matrix: FloatArray) -> FloatArray:
    above: FloatArray = matrix[np.triu_indices(len(matrix), k=1)]
    return above[np.isfinite(above)]


def _limit(pairs: FloatArray) -> float:
    """End of the colour scale: a round number, so that figures can be compared.

    At least 99 % of the pairs lie within.
    """
    largest = float(np.percentile(np.abs(pairs), 99)) if pairs.size else 0.0
    if largest == 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(power * next(step for step in ROUND_STEPS if step * power >= largest))


def _label_matrix(
    axes: Axes, names: Sequence[str], blocks: Sequence[tuple[str, int, int]], n: int
) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("#c3cbd3")
    if n <= MAX_NAMED_REGIONS:
        axes.set_yticks(np.arange(n) + 0.5, [readable(name, 22) for name in names], size=8)
        axes.tick_params(length=0)
    elif blocks:
        label_blocks(axes, [(name, first, length) for name, first, length in blocks], 1)
    for _, first, _ in blocks[1:]:
        axes.axhline(first, color=INK, lw=0.6)
        axes.axvline(first, color=INK, lw=0.6)


def _colour_bar(figure: Figure, limit: float, label: str, some_lost: bool) -> None:
    axes = figure.add_axes((0.745, 0.9, 0.235, 0.03))
    colours = shades("RdBu_r", 41)[None]
    show(axes, colours, (-limit, limit, 0, 1))
    axes.set_yticks([])
    axes.set_title(readable(label))
    axes.locator_params(axis="x", nbins=5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles = [Patch(facecolor="white", edgecolor="#c3cbd3", label="diagonal, not shown")]
    if some_lost:
        handles.append(Patch(color=NO_VALUE_COLOUR, label="no signal (n/a)"))
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.735, 0.82), **TIGHT_LEGEND)


def _histogram(axes: Axes, pairs: FloatArray, limit: float) -> None:
    count = f"{pairs.size:,}".replace(",", "\N{THIN SPACE}")
    axes.set_title(f"{count} pair{'' if pairs.size == 1 else 's'}")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    edges = np.linspace(-limit, limit, 42)
    axes.set_xlim(-limit, limit)
    axes.axvline(0, color=FAINT, lw=1)
    if pairs.size:
        counts, _ = np.histogram(np.clip(pairs, -limit, limit), edges)
        axes.stairs(counts, edges, fill=True, color=BLUE)
        axes.axvline(float(np.median(pairs)), color=INK, lw=1, ls=(0, (3, 2)))
        median = f"{np.median(pairs):.2g}".replace("-", "\N{MINUS SIGN}")
        axes.set_xlabel(f"median {median}, dashed", labelpad=3)
    axes.locator_params(axis="x", nbins=5)
