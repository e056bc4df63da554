"""What happened in a run: its table of events, found and read.

fMRIPrep does not copy tables of events: they stay in the raw dataset, which is named with
``--datasets``. There a table is found by the inheritance principle; it says nothing of a space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.columns.table import MISSING, columns_of, read_rows
from bidsmask.dataset.entities import ParsedName, build_name, parse_name
from bidsmask.dataset.listing import some_of
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.sidecars import Folders, content_problem, find_inherited
from bidsmask.errors import AtlasError, EventsError

ONE_CONDITION = "event"
"""What all events are called where the table has no ``trial_type``."""

_ACQUISITION = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")
_REQUIRED = ("onset", "duration")


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """The events of one run, in the order of their onsets.

    Parameters
    ----------
    file : Path
    onsets_s, durations_s : float64 arrays of shape (E,)
        Seconds, from the beginning of the first volume. Onsets may be negative.
    trial_types : tuple of E str
        The condition of each.
    warnings : tuple of str
        What was left out, and why.
    """

    file: Path
    onsets_s: FloatArray
    durations_s: FloatArray
    trial_types: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def conditions(self) -> tuple[str, ...]:
        """Each condition once, sorted, so that runs have them in one order."""
        return tuple(sorted(set(self.trial_types)))

    def of(self, condition: str) -> BoolArray:
        """Which events are of a condition, (E,)."""
        return np.array([name == condition for name in self.trial_types], dtype=bool)


def with_events(
    run: BoldRun, datasets: Sequence[Path], folders: Folders, *, t_r: float, n_volumes: int
) -> BoldRun:
    """Add to a run its table of events, or why it has none that can be used; see `find_events`."""
    try:
        file = find_events(run, datasets, folders)
        events = read_events(file, run_end_s=n_volumes * t_r)
        slice_time_s(run.metadata, t_r)
    except EventsError as error:
        return replace(run, no_events=str(error))
    return replace(run, events=file, warnings=(*run.warnings, *events.warnings))


def slice_time_s(metadata: Sequence[tuple[str, object]], t_r: float) -> float:
    """When, within a volume, its signal was measured: ``StartTime``, or else the middle.

    Raises
    ------
    EventsError
        If ``StartTime`` is no time within the repetition time.
    """
    start = dict(metadata).get("StartTime", t_r / 2)
    if isinstance(start, int | float) and not isinstance(start, bool) and 0 <= start <= t_r:
        return float(start)
    raise EventsError(
        f"StartTime, to which slices were shifted, is {start!r} in the sidecars of the BOLD; "
        f"seconds between 0 and the repetition time ({t_r:g} s) were expected. Correct it."
    )


def find_events(run: BoldRun, datasets: Sequence[Path], folders: Folders) -> Path:
    """Find the table of events of a run.

    Parameters
    ----------
    run : BoldRun
    datasets : sequence of Path
        Roots of further datasets. Without a table in the dataset of the run, they are looked
        through.
    folders : Folders
        Shared by runs, so that each folder is listed once.

    Raises
    ------
    EventsError
        If there is none, or more than one could be meant.
    """
    name = ParsedName(run.entities.only(*_ACQUISITION), "events", ".tsv")
    inside = run.bold.parent.relative_to(run.home)
    for roots in ([run.home], list(dict.fromkeys(datasets))):
        found = [table for root in roots for table in _nearest(name, root / inside, root, folders)]
        if len(found) > 1:
            raise EventsError(
                f"{run.bold.name} has more than one table of events: "
                f"{' and '.join(map(str, found))}. Remove all but one, or leave the other dataset "
                "out of --datasets."
            )
        if found:
            if problem := content_problem(found[0]):
                raise EventsError(problem)
            return found[0]
    raise EventsError(_absent(name, [run.home, *datasets], inside, folders))


def _nearest(name: ParsedName, folder: Path, root: Path, folders: Folders) -> list[Path]:
    """Give the table that is closest; several, if they are as close."""
    tables = find_inherited(name, folder, root=root, folders=folders)
    tables = [table for table in tables if "task" in parse_name(table).entities]

    def place(table: Path) -> tuple[Path, int]:
        return table.parent, len(parse_name(table).entities)

    return [table for table in tables if place(table) == place(tables[-1])]


def _absent(name: ParsedName, roots: Sequence[Path], inside: Path, folders: Folders) -> str:
    expected = inside / build_name(name.entities, name.suffix, name.extension)
    others = [
        path.name
        for root in roots
        for path, parsed in folders.files(root / inside)
        if parsed.suffix == "events"
    ]
    there = f"; there is {some_of(others)}" if others else ""
    return (
        f"No table of events: looked for {expected}, and for one above it that says less, in "
        f"{' and '.join(map(str, dict.fromkeys(roots)))}{there}. Name the raw dataset with "
        "--datasets raw=PATH, or leave this run out."
    )


def read_events(file: Path, *, run_end_s: float) -> Events:
    """Read a table of events.

    An event that begins after the run, and one without a ``trial_type`` where others have some,
    is left out, which is said. Where the table has no ``trial_type``, all are of one condition.

    Parameters
    ----------
    file : Path
        TSV with the columns ``onset`` and ``duration`` in seconds, and perhaps ``trial_type``.
    run_end_s : float
        When the last volume ends.

    Raises
    ------
    EventsError
        If the table cannot be read, lacks a column, or holds an onset or a duration that is no
        number; if a duration is negative; if no event is left.
    """
    try:
        columns = columns_of(*read_rows(file))
    except AtlasError as error:
        raise EventsError(f"{file}: {error}") from error
    missing = [title for title in _REQUIRED if title not in columns]
    if missing:
        raise EventsError(
            f"{file}: there is no column {' and no column '.join(missing)}; columns found: "
            f"{', '.join(columns) or 'none'}. A table of events has onset and duration, in "
            "seconds, and should have trial_type."
        )
    onsets, durations = (_seconds(file, columns, title) for title in _REQUIRED)
    if (durations < 0).any():
        row = int(np.argmax(durations < 0))
        raise EventsError(f"{file}: row {row + 1}: the duration {durations[row]:g} s is negative.")
    types = np.array(columns.get("trial_type", (ONE_CONDITION,) * onsets.size), dtype=str)
    kept = (onsets < run_end_s) & (types != MISSING)
    if not kept.any():
        raise EventsError(
            f"{file}: none of its {onsets.size} events has a trial_type and begins before the run "
            f"ends, at {run_end_s:g} s. Is it the table of another run, or in milliseconds?"
        )
    order = np.flatnonzero(kept)[np.argsort(onsets[kept], kind="stable")]
    return Events(
        file=file,
        onsets_s=onsets[order],
        durations_s=durations[order],
        trial_types=tuple(types[order].tolist()),
        warnings=tuple(_warnings(file, columns, onsets, types, run_end_s)),
    )


def _seconds(file: Path, columns: Mapping[str, Sequence[str]], title: str) -> FloatArray:
    return np.array([_number(file, title, row, cell) for row, cell in enumerate(columns[title])])


def _number(file: Path, title: str, row: int, cell: str) -> float:
    try:
        number = math.nan if "_" in cell else float(cell)  # "1_0" is a number to Python alone
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        remedy = " An event that is a moment has the duration 0." if title == "duration" else ""
        raise EventsError(
            f"{file}: row {row + 1}: the {title} is {cell!r}; a number of seconds was expected. "
            f"Correct it, or take the row out.{remedy}"
        )
    return number


def _warnings(
    file: Path,
    columns: Mapping[str, Sequence[str]],
    onsets: FloatArray,
    types: np.ndarray[tuple[int], np.dtype[np.str_]],
    run_end_s: float,
) -> Iterator[str]:
    if "trial_type" not in columns:
        yield f"{file.name} has no column trial_type: all events are of one condition."
    late, nameless = onsets >= run_end_s, types == MISSING
    for rows, why in (
        (late, f"begin after the run, which ends at {run_end_s:g} s"),
        (nameless & ~late, "have no trial_type"),
    ):
        if rows.any():
            numbers = [str(row + 1) for row in np.flatnonzero(rows)]
            yield (
                f"{file.name}: {rows.sum()} of {rows.size} events {why}, and are left out (rows "
                f"{some_of(numbers)})."
            )
