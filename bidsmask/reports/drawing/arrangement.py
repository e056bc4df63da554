"""Which of many things are drawn, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray


def thinned(n: int, at_most: int) -> Array:
    """Choose indices of at most `at_most` of n things, evenly spread.

    Examples
    --------
    >>> thinned(10, 4)
    array([0, 3, 6, 9])
    """
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int))


def stretches(flags: BoolArray) -> list[tuple[int, int]]:
    """First index and length of each stretch of True.

    Examples
    --------
    >>> stretches(np.array([True, False, True, True]))
    [(0, 1), (2, 2)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop - start)) for start, stop in edges.reshape(-1, 2)]


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
    places = {name: place for place, name in enumerate(names)}
    number = np.array([places[group] for group in groups])
    order = np.argsort(number, kind="stable")
    counts = np.bincount(number, minlength=len(names))
    firsts = np.cumsum(counts) - counts
    blocks = [
        (name, int(first), int(count))
        for name, first, count in zip(names, firsts, counts, strict=True)
    ]
    return order, blocks
