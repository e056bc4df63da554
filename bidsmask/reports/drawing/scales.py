"""From values to positions, and the round numbers at which an axis has its ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import overload

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.reports.drawing.words import minus

STEPS = (1, 2, 2.5, 5, 10)
"""Distances between ticks, times a power of ten."""

ROUND_ENDS = (1, 2, 2.5, 5, 7.5, 10)
"""Where a colour scale may end, times a power of ten."""

SHORTEST, LONGEST = 1e-3, 1e6
"""The largest of some ticks is written with all of its digits if it lies between these."""


@dataclass(frozen=True)
class Scale:
    """A straight line from values to positions.

    Parameters
    ----------
    first, last : float
        Values at both ends; `last` may be the smaller one.
    start, end : float
        Positions of the ends.

    Examples
    --------
    >>> Scale(0, 10, 100, 200)(2.5)
    125.0
    """

    first: float
    last: float
    start: float
    end: float

    @overload
    def __call__(self, values: float) -> float: ...
    @overload
    def __call__(self, values: FloatArray) -> FloatArray: ...
    def __call__(self, values: float | FloatArray) -> float | FloatArray:
        """Position of each value."""
        share = (values - self.first) / ((self.last - self.first) or 1.0)
        return self.start + share * (self.end - self.start)


def round_ticks(low: float, high: float, at_most: int, *, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, evenly spaced.

    Parameters
    ----------
    low, high : float
    at_most : int
        So many ticks, or fewer; at least 2.
    whole : bool
        Whole numbers only.

    Examples
    --------
    >>> round_ticks(0, 500, 8), round_ticks(0.1, 0.9, 3), round_ticks(0, 2, 9, whole=True)
    ([0.0, 100.0, 200.0, 300.0, 400.0, 500.0], [0.25, 0.5, 0.75], [0.0, 1.0, 2.0])
    """
    span = high - low
    if not span > 0:
        return [low]
    power = 10.0 ** floor(log10(span / at_most))
    for step in (step * scale for scale in (power, 10 * power, 100 * power) for step in STEPS):
        if whole and step % 1:
            continue
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last - first < at_most:
            return [float(f"{n * step:.12g}") for n in range(first, last + 1)]
    return [low]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Write ticks with as many decimals as tell them apart.

    Examples
    --------
    >>> tick_labels([-0.5, 0, 0.5]), tick_labels([0, 20]), tick_labels([0, 2e-7])
    (['−0.5', '0.0', '0.5'], ['0', '20'], ['0', '2e−07'])
    """
    largest = max(map(abs, ticks), default=0.0)
    if largest and not SHORTEST <= largest < LONGEST:
        return [minus(f"{tick:.4g}") for tick in ticks]
    decimals = next(n for n in range(9) if all(abs(t - round(t, n)) < 1e-9 for t in ticks))
    return [minus(f"{tick:.{decimals}f}") for tick in ticks]


def round_limit(values: FloatArray) -> float:
    """End of a colour scale around zero: a round number, so that figures can be compared.

    At least 99 % of the values lie within.

    Examples
    --------
    >>> round_limit(np.array([0.1, -0.37])), round_limit(np.empty(0))
    (0.5, 1.0)
    """
    largest = float(np.percentile(np.abs(values), 99)) if values.size else 0.0
    if largest == 0:
        return 1.0
    power = 10.0 ** floor(log10(largest))
    return float(power * next(end for end in ROUND_ENDS if end * power >= largest))
