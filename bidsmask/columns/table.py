"""Look-up tables: which label, map or seed is which region."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask.errors import AtlasError

_MAX_TABLE_BYTES = 1 << 24
_LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class LookUpTable:
    """The regions of an atlas, in the order of their columns.

    Parameters
    ----------
    ids : ints of length P
        Labels in the image; positive, each once.
    names : texts of length P
        Names of the regions, each once.
    columns : pairs of a name and P texts
        What else the table says about each region: network, hemisphere, color.

    Raises
    ------
    AtlasError
        If labels or names are not unique, a name is empty, or a label is not positive.

    Examples
    --------
    >>> LookUpTable(ids=(1, 2), names=("Left", "Left"))
    Traceback (most recent call last):
        ...
    bidsmask.errors.AtlasError: The name 'Left' is there twice; ...
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if not self.ids:
            raise AtlasError("There are no regions in the look-up table.")
        if any(not 0 < label <= _LARGEST for label in self.ids):
            raise AtlasError(f"The label {min(self.ids)} cannot be a region's; 1 is the first.")
        if not all(self.names):
            label = self.ids[self.names.index("")]
            raise AtlasError(f"Label {label} has no name; every region needs one.")
        _refuse_twice("label", self.ids)
        _refuse_twice("name", self.names)
        lengths = {len(values) for values in (self.names, *dict(self.columns).values())}
        if lengths != {len(self.ids)}:
            raise AtlasError(f"There are {len(self.ids)} labels, but columns of {lengths} rows.")


def read_lut(path: Path) -> LookUpTable:
    """Read a look-up table.

    Parameters
    ----------
    path : Path
        UTF-8 text separated by tabs, or else by commas, with a header row that has ``index`` and
        ``name``. A row for label 0, the background, is left out.

    Returns
    -------
    lut : LookUpTable
        In the order of the file.

    Raises
    ------
    AtlasError
        If the file cannot be read, a column is missing or there twice, a row has too few or too
        many cells, an index is no whole number, a label or name is there twice, or label 0 is
        called something that no background is called.
    """
    try:
        rows = [row for row in _rows(_text(path)) if any(row)]
        return _table(rows)
    except (AtlasError, csv.Error) as error:
        raise AtlasError(f"{path}: {error}") from error


def table_from_labels(ids: Iterable[int]) -> LookUpTable:
    """Name labels after themselves, for an image without a look-up table.

    Examples
    --------
    >>> table_from_labels([3, 7]).names
    ('label-3', 'label-7')
    """
    labels = tuple(int(label) for label in ids)
    return LookUpTable(ids=labels, names=tuple(f"label-{label}" for label in labels))


def _refuse_twice(kind: str, values: Sequence[Any]) -> None:
    value, count = Counter(values).most_common(1)[0]
    if count > 1:
        times = {2: "twice"}.get(count, f"{count} times")
        raise AtlasError(f"The {kind} {value!r} is there {times}; it may be there once.")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise AtlasError(f"A look-up table has less than {_MAX_TABLE_BYTES >> 20} MB.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AtlasError("The text is not in UTF-8; save the table as UTF-8.") from error
    except OSError as error:
        raise AtlasError(f"The table cannot be read: {error.strerror}.") from error


def _rows(text: str) -> list[list[str]]:
    """Cells, without the white space around them."""
    lines = text.split("\n")
    if "\t" in lines[0]:  # as in BIDS: a quotation mark is a character like others
        cells: Iterable[list[str]] = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        cells = csv.reader(lines)
    return [[cell.strip() for cell in row] for row in cells]


def _table(rows: list[list[str]]) -> LookUpTable:
    header, body = (rows[0], rows[1:]) if rows else ([], [])
    _check_header(header)
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise AtlasError(f"Row {number} has {len(row)} cells, the header {len(header)}.")
    columns = dict(zip(header, zip(*body, strict=True), strict=True)) if body else {}
    index, name = columns.pop("index", ()), columns.pop("name", ())
    ids = tuple(_whole_number(cell) for cell in index)
    kept = [row for row, label in enumerate(ids) if not _is_background(label, name[row])]
    return LookUpTable(
        ids=tuple(ids[row] for row in kept),
        names=tuple(name[row] for row in kept),
        columns=tuple(
            (title, tuple(cells[row] or "n/a" for row in kept))
            for title, cells in columns.items()
            if title
        ),
    )


def _check_header(header: list[str]) -> None:
    for title in "index", "name":
        if title not in header:
            found = ", ".join(filter(None, header)) or "none"
            raise AtlasError(f"There is no column {title!r}; columns found: {found}.")
    _refuse_twice("column", header)


def _whole_number(cell: str) -> int:
    try:
        return int(cell) if cell.lstrip("-").isdecimal() else _exactly(float(cell))
    except (ValueError, OverflowError) as error:
        raise AtlasError(f"The index {cell!r} is not a whole number.") from error


def _exactly(number: float) -> int:
    """Turn 7.0 into 7, and refuse 7.5."""
    if not number.is_integer():
        raise ValueError(number)
    return int(number)


_BACKGROUND_NAMES = frozenset({"", "background", "unknown", "none", "n/a", "???", "clear label"})


def _is_background(label: int, name: str) -> bool:
    """Whether a row is the background's.

    A region that is called 0 is the sign of a table that counts from 0 where the image counts
    from 1: every name would go to its neighbour.
    """
    if label == 0 and name.lower() not in _BACKGROUND_NAMES:
        raise AtlasError(
            f"Label 0 is called {name!r}, but 0 is the background of a label image. The table "
            "probably counts from 0 and the image from 1; correct the table."
        )
    return label == 0
