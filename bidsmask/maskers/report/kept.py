"""What a masker keeps of a run for its report.

A masker keeps a `Seen` in ``_seen_``: of the run that was transformed last, or, before that, of
the one that was given to `fit`. A masker of several runs keeps one for each in ``_seen_runs_``;
`seen_of_run` makes it, while the masker still speaks of that run.

Reports are another matter: every masker imports this module, and only `generate_report` imports
what it takes to draw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.images.blocks import parts_of
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import as_volume
from bidsmask.maskers.samples import masks_of_runs, rows_of_runs
from bidsmask.numerics.threads import Crew

MAX_SIGNALS = 400
"""Columns that are kept for the report; of more, some are taken, evenly."""

MOST_PICTURED = 16
"""Volumes of which the picture of a run is the mean; of more, some are taken, evenly."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What is kept of a run: a picture, and after `transform` some columns. Never the run.

    Parameters
    ----------
    volume : float32 array of shape (X, Y, Z)
    pictured : str
        What of the run `volume` is.
    grid : Grid
    t_r : float or None
        In seconds.
    signals : float32 array of shape (T_kept, P'), or None
    columns : int array of shape (P',)
        Which columns these are.
    kept : bool array of shape (T,)
        In the order in which volumes come out.
    name : str
        Of the run: its path, if it has one.
    names : tuple of P' str
        Of the columns, once the run is done; see `seen_of_run`.
    lost : tuple of str
        What has no signal in this run, and why.
    said : tuple of str
        Warnings.
    """

    volume: FloatArray
    pictured: str
    grid: Grid
    t_r: float | None
    signals: FloatArray | None
    columns: IntArray
    kept: BoolArray
    name: str = ""
    names: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


class Picture:
    """Mean of up to 16 volumes, evenly spaced over a run.

    Parameters
    ----------
    n_volumes : int

    Examples
    --------
    >>> picture = Picture(n_volumes=2)
    >>> picture.see(slice(0, 2), np.array([1, 4], dtype=np.int16).reshape(2, 1, 1, 1))
    >>> picture.mean()
    array([2.5], dtype=float32)
    """

    def __init__(self, n_volumes: int) -> None:
        n_shown = min(n_volumes, MOST_PICTURED)
        self._chosen = np.linspace(0, n_volumes - 1, n_shown).astype(np.intp)
        self._crew = Crew()
        self._sum: FloatArray | None = None

    def see(self, volumes: slice, block: Array) -> None:
        """Take what is wanted of a block (n, Z, Y, X), of which the cache holds a plane."""
        if self._sum is None:  # in the order of the volumes, and single: enough for a picture
            self._sum = np.zeros_like(block[0], dtype=np.float32)
        here = (self._chosen >= volumes.start) & (self._chosen < volumes.stop)
        rows = self._chosen[here] - volumes.start
        n_parts = parts_of(block)
        outermost = int(np.argmax(block.strides[1:]))
        planes, sums = np.moveaxis(block, 1 + outermost, 0), np.moveaxis(self._sum, outermost, 0)

        def add(first: int) -> None:
            with np.errstate(over="ignore", invalid="ignore"):
                for number in range(first, len(sums), n_parts):
                    for row in rows:
                        sums[number] += planes[number, row]

        self._crew.do(add, n_parts)

    def mean(self) -> FloatArray:
        """Give the mean (V_all,) of the volumes, once all have been seen; not scaled."""
        assert self._sum is not None
        return self._sum.ravel() / self._chosen.size


def seen_at_fit(series: Series) -> Seen:
    """Keep the mean of the first volumes of a run, of which no more than a block is read."""
    _, block = next(iter(series.blocks()))
    first = series.scale(block[:MOST_PICTURED])
    with np.errstate(invalid="ignore", over="ignore"):  # missing values are drawn as 0
        mean = first.mean(axis=0, dtype=np.float64).astype(np.float32).T
    return Seen(
        volume=mean,
        pictured=_pictured_at_fit(len(first), series.n_volumes),
        grid=series.grid,
        t_r=series.t_r,
        signals=None,
        columns=np.zeros(0, dtype=np.intp),
        kept=np.zeros(0, dtype=bool),
        name=series.name,
    )


def _pictured_at_fit(n_first: int, n_volumes: int) -> str:
    """Say what the first volumes are of the run that was given to `fit`.

    Examples
    --------
    >>> _pictured_at_fit(16, 200)
    'the mean of the first 16 of 200 volumes of the run given to fit'
    """
    if n_volumes == 1:
        return "the only volume of the run given to fit"
    if n_first == 1:
        return f"the first of {n_volumes} volumes of the run given to fit"
    part = f"first {n_first} of {n_volumes}" if n_first < n_volumes else str(n_volumes)
    return f"the mean of the {part} volumes of the run given to fit"


def seen_at_transform(
    series: Series, picture: Array | None, signals: Array, kept: BoolArray
) -> Seen:
    """Keep the picture of a run, and some of its columns.

    Parameters
    ----------
    series : Series
    picture : array of shape (V_all,), or None
        Mean of up to `MOST_PICTURED` volumes, evenly spaced over the run; x runs fastest. None:
        there is no picture of a run on surfaces.
    signals : array of shape (T_kept, P), or (P,)
    kept : bool array of shape (T,)
        See `volumes_kept`.
    """
    signals = np.atleast_2d(signals)
    n_columns = signals.shape[1]
    columns = np.unique(np.linspace(0, n_columns - 1, min(n_columns, MAX_SIGNALS)).astype(np.intp))
    if kept.sum() != len(signals):  # cleaning has left out more, at the ends
        kept = np.ones(len(signals), dtype=bool)
    volume = np.zeros((0, 0, 0), dtype=np.float32)
    if picture is not None:
        with np.errstate(over="ignore"):
            volume = as_volume(picture.astype(np.float32), series.grid)
    return Seen(
        volume=volume,
        pictured=_pictured_at_transform(series.n_volumes),
        grid=series.grid,
        t_r=series.t_r,
        signals=signals[:, columns].astype(np.float32),
        columns=columns,
        kept=kept,
        name=series.name,
    )


def _pictured_at_transform(n_volumes: int) -> str:
    """Say what the picture is of the run that was transformed.

    Examples
    --------
    >>> _pictured_at_transform(200)
    'the mean of 16 of 200 volumes, evenly spaced over the run'
    """
    if n_volumes == 1:
        return "the only volume of the run"
    if n_volumes <= MOST_PICTURED:
        return f"the mean of the run's {n_volumes} volumes"
    return f"the mean of {MOST_PICTURED} of {n_volumes} volumes, evenly spaced over the run"


def seen_of_run(masker: Any) -> Seen | None:
    """Say all that a report will say of the run that a masker has transformed last.

    To be called before the next run is transformed, for the names of columns and what is lost
    may differ between runs. Without the picture: that of one run is shown. None, if nothing is
    kept for reports.
    """
    seen: Seen | None = getattr(masker, "_seen_", None)
    if seen is None:
        return None
    return replace(
        seen,
        volume=np.zeros((0, 0, 0), dtype=np.float32),
        names=_names_of_columns(masker, seen),
        lost=_lost_in_run(masker, seen),
        said=tuple(getattr(masker, "_said_of_run_", ())),
    )


def volumes_kept(sample_mask: Any, runs: Any, n_volumes: int) -> BoolArray:
    """Which volumes are kept, in the order in which they come out: run after run.

    Examples
    --------
    >>> volumes_kept([[0], [1]], ["b", "a", "b"], 3)
    array([ True, False,  True])
    """
    rows = rows_of_runs(runs, n_volumes)
    lengths = [np.arange(n_volumes)[each].size for each in rows]
    return np.concatenate(masks_of_runs(sample_mask, lengths))


def _names_of_columns(masker: Any, seen: Seen) -> tuple[str, ...]:
    """Call columns as the table of the report does."""
    names = shown_names(masker)
    return tuple(names[row] for row in masker._rows_[seen.columns])


def _lost_in_run(masker: Any, seen: Seen) -> tuple[str, ...]:
    if seen.signals is None:
        return ()
    names, reasons = shown_names(masker), masker._coverage_.reason
    return tuple(f"{names[row]}: {reasons[row]}" for row in np.flatnonzero(~masker._used_))


def shown_names(masker: Any) -> list[str]:
    """Call all columns that there may be by names that a reader of the report knows."""
    if masker.unit == "region":
        return list(masker._names())
    return [f"{masker.unit.capitalize()} {number}" for number in range(len(masker._names()))]
