"""Look-up tables: which label of an image, or which of several maps, is which region.

A table is a file (`read_lut`, `read_map_lut`), rows of text (`lut_from_rows`,
`map_lut_from_rows`) or a data frame (`lut_from_frame`); all of them are read by the same rules.
What cannot be assigned with certainty is refused: a name in the wrong place is worse than none.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsmask.errors import AtlasError

if TYPE_CHECKING:
    import pandas as pd

_INDEX_TITLES = ("index", "Component", "component")
_NAME_TITLES = ("name", "label", "Difumo_names", "difumo_names")
"""The column that counts and the one that names, as BIDS spells them first, then as atlas packs
(``label``) and DiFuMo (in TemplateFlow and in nilearn) do. The first that is there is taken."""

_UNASKED = "label"  # BIDS has this word for the number
MISSING = "n/a"
"""What BIDS writes for a cell without a value."""

BACKGROUND_NAMES = frozenset({"", "background", "unknown", "none", "???", "clear label"})

_MAX_TABLE_BYTES = 1 << 24
_LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class LookUpTable:
    """The regions of an atlas, in the order of their columns.

    Parameters
    ----------
    ids : ints of length P
        Labels in the image, or numbers of the maps from 1; each once.
    names : texts of length P
        Names of the regions, each once.
    columns : pairs of a name and P texts
        What else the table says about each region: network, hemisphere, color.
    warnings : texts
        What was odd about the table. Two tables are equal whatever was odd about them.

    Raises
    ------
    AtlasError
        If ids or names are not unique, a name is empty, or an id does not fit 64 bits.

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
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.ids:
            raise AtlasError("There are no regions in the look-up table.")
        for label in self.ids:
            if abs(label) > _LARGEST:
                raise AtlasError(f"The label {label} cannot be a region's; it is too large.")
        if not all(self.names):
            label = self.ids[self.names.index("")]
            raise AtlasError(f"Label {label} has no name; every region needs one.")
        _refuse_twice("label", self.ids)
        _refuse_twice("name", self.names)
        lengths = {len(values) for values in (self.names, *dict(self.columns).values())}
        if lengths != {len(self.ids)}:
            raise AtlasError(f"There are {len(self.ids)} labels, but columns of {lengths} rows.")


def read_lut(path: Path, *, background: float = 0) -> LookUpTable:
    """Read the look-up table of a label image.

    Parameters
    ----------
    path : Path
        UTF-8 text separated by tabs, or else by commas, with a header row that has ``index`` and
        ``name``. A cell in quotation marks loses them.
    background : number
        The label that is no region; its row is left out.

    Returns
    -------
    lut : LookUpTable
        In the order of the file; for the spellings of the header see `lut_from_rows`.

    Raises
    ------
    AtlasError
        If the file cannot be read, a column is missing or there twice, a row has too few or too
        many cells, an index is no whole number, a label or name is there twice, or label 0 is
        the background and called something that no background is called.
    """
    try:
        return _from_file(path, lut_from_rows(*read_rows(path), background=background))
    except AtlasError as error:
        raise AtlasError(f"{path}: {error}") from error


def read_map_lut(path: Path) -> LookUpTable:
    """Read the table of an image of several maps: one row for each map, in their order.

    Parameters
    ----------
    path : Path
        As for `read_lut`; a column ``index`` is not needed.

    Returns
    -------
    lut : LookUpTable
        See `map_lut_from_rows`.

    Raises
    ------
    AtlasError
        As of `map_lut_from_rows`, or if the file cannot be read.
    """
    try:
        return _from_file(path, map_lut_from_rows(*read_rows(path)))
    except AtlasError as error:
        raise AtlasError(f"{path}: {error}") from error


def lut_from_rows(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, background: float = 0
) -> LookUpTable:
    """Read the look-up table of a label image from its cells.

    Parameters
    ----------
    header : texts
        Titles of the columns: ``index`` and ``name``, or ``Component`` and ``Difumo_names``.
        Without ``name``, a column ``label`` is taken for it, and a warning says so.
    rows : sequences of as many texts
        "NA", "None" and "nan" are names like others; ``n/a``, or nothing, is none.
    background : number
        The label that is no region; its row is left out.

    Returns
    -------
    lut : LookUpTable
        In the order of the rows. Empty cells of further columns are ``n/a``.

    Raises
    ------
    AtlasError
        See `read_lut`.
    """
    columns = columns_of(header, rows)
    index = _taken(columns, _INDEX_TITLES)
    names, warnings = _names(columns)
    ids = tuple(map(_whole_number, index))
    kept = [
        row for row, label in enumerate(ids) if not _is_background(label, names[row], background)
    ]
    return LookUpTable(
        ids=tuple(ids[row] for row in kept),
        names=tuple(names[row] for row in kept),
        columns=tuple(
            (title, tuple(cells[row] for row in kept)) for title, cells in columns.items()
        ),
        warnings=warnings,
    )


def map_lut_from_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> LookUpTable:
    """Read the table of an image of several maps from its cells.

    Parameters
    ----------
    header : texts
        Titles of the columns, as for `lut_from_rows`; one that counts is not needed.
    rows : sequences of as many texts
        One for each map, in their order.

    Returns
    -------
    lut : LookUpTable
        Its ids are the numbers of the maps, from 1. Names that repeat have got their number, and
        a warning says so.

    Raises
    ------
    AtlasError
        If there is no name for a map, a row has too few or too many cells, or the index does not
        ascend: it is then uncertain whether the rows or their index follow the maps.
    """
    columns = columns_of(header, rows)
    index = next((columns.pop(title) for title in _INDEX_TITLES if title in columns), ())
    _refuse_unsorted([_whole_number(cell) for cell in index])
    names, warnings = _names(columns)
    repeated = {name for name, count in Counter(names).items() if name and count > 1}
    numbers = tuple(range(1, len(names) + 1))
    return LookUpTable(
        ids=numbers,
        names=tuple(
            f"{name} ({number})" if name in repeated else name
            for number, name in zip(numbers, names, strict=True)
        ),
        columns=tuple(columns.items()),
        warnings=(*warnings, *_about_repeats(repeated)),
    )


def lut_from_frame(frame: pd.DataFrame, *, background: float = 0) -> LookUpTable:
    """Read the look-up table of a label image from a data frame.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its columns as for `lut_from_rows`; the row labels do not count. Numbers that name a
        region become text. A missing value (NaN, None) is an empty cell, and no name; a row of
        nothing else is left out.
    background : number
        The label that is no region; its row is left out.

    Returns
    -------
    lut : LookUpTable

    Raises
    ------
    AtlasError
        See `read_lut`.
    """
    cells = frame.astype(object).where(frame.notna(), "")
    rows = [list(map(str, row)) for row in cells.itertuples(index=False, name=None)]
    filled = [row for row in rows if any(row)]
    return lut_from_rows([str(title) for title in frame.columns], filled, background=background)


def table_from_labels(ids: Iterable[int]) -> LookUpTable:
    """Name labels after themselves, for an image without a look-up table.

    Examples
    --------
    >>> table_from_labels([3, 7]).names
    ('label-3', 'label-7')
    """
    labels = tuple(int(label) for label in ids)
    return LookUpTable(ids=labels, names=tuple(f"label-{label}" for label in labels))


def table_from_maps(n_maps: int) -> LookUpTable:
    """Number maps from 1, for an image without a table.

    Examples
    --------
    >>> table_from_maps(2).names
    ('map-1', 'map-2')
    """
    numbers = tuple(range(1, n_maps + 1))
    return LookUpTable(ids=numbers, names=tuple(f"map-{number}" for number in numbers))


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table of text: its header, and its rows without those that are blank.

    Parameters
    ----------
    path : Path
        UTF-8 text separated by tabs, or else by commas.

    Returns
    -------
    header : list of str
        Empty if the file is.
    rows : lists of str
        Cells without the white space, and without the quotation marks, around them.

    Raises
    ------
    AtlasError
        If the file cannot be read, or is no such text. The message does not name the file.
    """
    lines = _text(path).split("\n")
    try:
        rows = [row for row in _split(lines) if any(row)]
    except csv.Error as error:
        raise AtlasError(f"This is no table: {error}.") from error
    return (rows[0], rows[1:]) if rows else ([], [])


def columns_of(header: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Turn the rows of a table into its columns.

    Parameters
    ----------
    header : texts
        Columns without a title are left out.
    rows : sequences of as many texts

    Returns
    -------
    columns : dict from titles to cells
        An empty cell is ``n/a``.

    Raises
    ------
    AtlasError
        If a title is there twice, or a row has too few or too many cells.
    """
    titles, body = [title.strip() for title in header], list(rows)
    for number, row in enumerate(body, start=1):
        if len(row) != len(titles):
            raise AtlasError(f"Row {number} has {len(row)} cells, the header {len(titles)}.")
    if any(titles):
        _refuse_twice("column", [title for title in titles if title])
    columns = zip(*body, strict=True) if body else ((),) * len(titles)
    return {
        title: tuple(cell.strip() or MISSING for cell in cells)
        for title, cells in zip(titles, columns, strict=True)
        if title
    }


def _from_file(path: Path, lut: LookUpTable) -> LookUpTable:
    """Let the warnings say which file they are about."""
    return replace(lut, warnings=tuple(f"{path.name}: {text}" for text in lut.warnings))


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


def _split(lines: list[str]) -> list[list[str]]:
    if "\t" not in lines[0]:
        return [[cell.strip() for cell in row] for row in csv.reader(lines)]
    # A quotation mark that is never closed is a character like others, and swallows no line.
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [[_unquoted(cell.strip()) for cell in row] for row in rows]


def _unquoted(cell: str) -> str:
    """Take off the quotation marks around a whole cell, and halve those that are doubled in it.

    Examples
    --------
    >>> _unquoted('"the ""left"" one"'), _unquoted('5" away')
    ('the "left" one', '5" away')
    """
    quoted = len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
    return cell[1:-1].replace('""', '"') if quoted else cell


def _taken(columns: dict[str, tuple[str, ...]], titles: Sequence[str]) -> tuple[str, ...]:
    """Take the first column that has one of these titles out of all."""
    for title in titles:
        if title in columns:
            return columns.pop(title)
    found = ", ".join(columns) or "none"
    raise AtlasError(f"There is no column {titles[0]!r}; columns found: {found}.")


def _names(columns: dict[str, tuple[str, ...]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take the names out of all columns, and say where they are from if that is a guess."""
    guessed = "name" not in columns and _UNASKED in columns
    warning = (
        f"There is no column 'name'; the names are those of the column {_UNASKED!r}. BIDS says "
        "'name': rename the column."
    )
    cells = _taken(columns, _NAME_TITLES)
    names = tuple("" if cell == MISSING else cell for cell in cells)
    return names, (warning,) if guessed else ()


def _whole_number(cell: str) -> int:
    """Read an integer exactly: 7.0 is 7, and 7.5 is refused."""
    try:
        number = Decimal("NaN" if "_" in cell else cell)  # "1_0" is Python's, and nobody's label
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value():
        raise AtlasError(f"The index {cell!r} is not a whole number.")
    if abs(number) > _LARGEST:
        raise AtlasError(f"The label {cell} cannot be a region's; it is too large.")
    return int(number)


def _is_background(label: int, name: str, background: float) -> bool:
    """Whether a row is the background's.

    A region that is called 0, where that is the background, is the sign of a table that counts
    from 0 where the image counts from 1: every name would go to its neighbour.
    """
    if label == background == 0 and name.lower() not in BACKGROUND_NAMES:
        raise AtlasError(
            f"Label 0 is called {name!r}, but 0 is the background of a label image. The table "
            "probably counts from 0 and the image from 1; correct the table."
        )
    return label == background


def _refuse_unsorted(index: Sequence[int]) -> None:
    for number, (before, after) in enumerate(pairwise(index), start=2):
        if after <= before:
            raise AtlasError(
                f"The index of row {number} is {after}, after {before}: it is uncertain which "
                "row is of which map. Put the rows into the order of the maps, and number them "
                "from 1."
            )


def _about_repeats(repeated: Iterable[str]) -> Iterable[str]:
    names = sorted(repeated)
    if names:
        some = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
        yield f"Names that several maps share have got the number of the map: {some}."
