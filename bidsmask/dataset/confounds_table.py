"""A confounds table as fMRIPrep wrote it: text cells under today's column names.

Columns go by the names that fMRIPrep 21 and later give them. Those of fMRIPrep 1.0 and 1.1 (``X``,
``RotX``, ``FramewiseDisplacement``, ...) and 1.2 (``cosine_00``) are translated when the table is
read. A cell becomes a number when its column is asked for: a bad cell elsewhere does no harm.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.errors import ConfoundsError

MAX_TABLE_BYTES = 64_000_000

FRAMEWISE_DISPLACEMENT = "framewise_displacement"
STD_DVARS = "std_dvars"
MOTION_PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
NON_STEADY_STATE = "non_steady_state_outlier"

_MISSING = frozenset({"n/a", "", "nan", "na", "n.a.", "null", "none", "<na>", "#n/a"})
"""Cells without a value: ``n/a`` in BIDS, the others in tables that other programs wrote again."""

_SEPARATORS = ((",", "commas"), (";", "semicolons"), (" ", "spaces"))

_OLD_NAMES = {
    "X": "trans_x",
    "Y": "trans_y",
    "Z": "trans_z",
    "RotX": "rot_x",
    "RotY": "rot_y",
    "RotZ": "rot_z",
    "FramewiseDisplacement": FRAMEWISE_DISPLACEMENT,
    "stdDVARS": STD_DVARS,
    "non-stdDVARS": "dvars",
    "GlobalSignal": "global_signal",
    "CSF": "csf",
    "WhiteMatter": "white_matter",
}
_OLD_STEMS = {
    "aCompCor": "a_comp_cor_",
    "tCompCor": "t_comp_cor_",
    "Cosine": "cosine",
    "cosine_": "cosine",
    "NonSteadyStateOutlier": NON_STEADY_STATE,
    "non_steady_state_outlier_": NON_STEADY_STATE,
    "AROMAAggrComp": "aroma_motion_",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfoundsTable:
    """The cells of a confounds table, as text, under today's column names.

    Parameters
    ----------
    file : Path
        Where it was read from.
    position : mapping of str to int
        Column names, in file order, to their position in a row.
    cells : sequence of T rows
        One text for each column.
    twice : frozenset of str
        Names that more than one column has: nobody knows which is meant.
    """

    file: Path
    position: Mapping[str, int]
    cells: Sequence[Sequence[str]]
    twice: frozenset[str] = frozenset()
    _numbers: dict[str, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def require_volumes(
        self,
        n_volumes: int,
        advice: str = "Nothing is cut to fit: copy both again from the same run of fMRIPrep.",
    ) -> None:
        """Refuse a table of another length than the run."""
        if len(self.cells) != n_volumes:
            raise ConfoundsError(
                f"{self.file}: {len(self.cells)} rows, but the BOLD run has {n_volumes} volumes. "
                f"{advice}"
            )

    def numbers(self, column: str) -> FloatArray:
        """Give the (T,) values of a column, float64, read-only; NaN where there is none.

        Raises
        ------
        ConfoundsError
            If a cell is text, or infinite, or there are two such columns.
        """
        if column in self.twice:
            raise ConfoundsError(
                f"{self.file}: more than one column is called {reprlib.repr(column)}. It is not "
                "clear which to use; remove the one that fMRIPrep did not write."
            )
        if column not in self._numbers:
            self._numbers[column] = self._read_numbers(column)
        return self._numbers[column]

    def _read_numbers(self, column: str) -> FloatArray:
        position = self.position[column]
        values = np.empty(len(self.cells))
        for row, cells in enumerate(self.cells):
            try:
                values[row] = _number(cells[position])
            except ValueError:
                raise ConfoundsError(
                    f"{self.file}: row {row + 1} (line {row + 2}), column {column}: found "
                    f"{reprlib.repr(cells[position])}, expected a number or n/a. "
                    f"{_advice(cells[position])}"
                ) from None
        values.flags.writeable = False
        return values

    def numbers_or_none(self, column: str) -> FloatArray | None:
        """Give the values of a column, or None where the table has no such column."""
        return self.numbers(column) if column in self.position else None


def read_table(
    file: Path, *, names: Callable[[int], Sequence[str] | None] = lambda _: None
) -> ConfoundsTable:
    """Read a confounds table (TSV, UTF-8 with or without byte-order mark, any line ends).

    Tabs at the ends of lines, and quotes and blanks around a cell, mean nothing.

    Parameters
    ----------
    file : Path
    names : callable, optional
        Gives names for so many columns where the first line holds numbers, or None. By default
        such a table is refused.

    Raises
    ------
    ConfoundsError
        If the file is missing, empty, too large, not tab-separated or not text; if it has no
        header, or a row has another number of cells than the header.
    """
    lines = read_text(file, MAX_TABLE_BYTES).splitlines()
    if not lines or not "".join(lines).strip():
        raise ConfoundsError(
            f"{file}: the confounds table is empty. Copy it again from its source."
        )
    header = _header(file, lines[0])
    if header and all(map(_is_number, header)):
        given = names(len(header))
        if given is None or len(given) != len(header):
            raise _headless(file)
        lines.insert(0, "")
        header = [*given]
    cells = [_cells(line, len(header)) for line in _without_last_blank(lines[1:])]
    if not cells:
        raise ConfoundsError(
            f"{file}: the confounds table has a header, but no rows. Copy it again from its "
            "source."
        )
    for row, texts in enumerate(cells, start=1):
        if len(texts) != len(header):
            raise ConfoundsError(
                f"{file}: row {row} (line {row + 1}) has {_count(texts)}, but the header has "
                f"{len(header)}. {_why_ragged(header, cells)}"
            )
    return ConfoundsTable(
        file=file, position=_positions(header), twice=_twice(header), cells=cells
    )


def read_text(file: Path, max_bytes: int) -> str:
    """Read a text file (UTF-8) that should not be large.

    Raises
    ------
    ConfoundsError
        If it is missing, a link without content, too large, or not text.
    """
    if file.is_symlink() and not file.exists():
        raise ConfoundsError(
            f"{file}: a broken link; its content is not here. Try: datalad get '{file}'"
        )
    try:
        with file.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise ConfoundsError(f"{file}: cannot be read: {error.strerror}.") from error
    if len(content) > max_bytes:
        raise ConfoundsError(
            f"{file}: larger than {max_bytes / 1e6:.0f} MB; this is not a file of fMRIPrep."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfoundsError(
            f"{file}: not a text file in UTF-8: {error}. Copy it again from its source."
        ) from error


def _header(file: Path, line: str) -> list[str]:
    if "/annex/objects/" in line:
        raise ConfoundsError(
            f"{file}: a git-annex pointer; its content is not here. Try: datalad get '{file}'"
        )
    for separator, name in _SEPARATORS:
        if "\t" not in line and separator in line.strip():
            raise ConfoundsError(
                f"{file}: the columns are separated by {name}, expected tabs. The table was "
                "probably written again by another program; use the one that fMRIPrep wrote, or "
                "write it with tabs."
            )
    return [_bare(name) for name in _cells(line, 0)]


def _headless(file: Path) -> ConfoundsError:
    return ConfoundsError(
        f"{file}: The confound file contains no header: its first line holds numbers, names "
        "such as trans_x were expected. Use the one that fMRIPrep wrote."
    )


def _cells(line: str, n_expected: int) -> list[str]:
    """Split a line; what is empty behind the last column is none."""
    cells = line.split("\t")
    while len(cells) > n_expected and not cells[-1].strip():
        cells.pop()
    return cells


def _bare(cell: str) -> str:
    """Take blanks and quotes off a cell: R writes names in quotes."""
    text = cell.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if quoted else text


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _count(cells: Sequence[str]) -> str:
    return f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"


def _why_ragged(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    if all(len(texts) == len(header) + 1 for texts in cells):
        return (
            "Every row has one more: the first column has no name, as R writes it. Write the "
            "table again with row.names = FALSE, or use the one that fMRIPrep wrote."
        )
    return "The table is damaged; copy it again from its source."


def _without_last_blank(lines: list[str]) -> list[str]:
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    return lines[:last]


def _positions(header: Sequence[str]) -> dict[str, int]:
    """Where each column stands; an old name is translated unless the new one is there too."""
    there = set(header)
    today = [_todays_name(name) for name in header]
    return {
        old if new in there else new: position
        for position, (old, new) in enumerate(zip(header, today, strict=True))
    }


def _twice(header: Sequence[str]) -> frozenset[str]:
    """Today's names of columns that are there more than once."""
    counts = Counter(header)
    return frozenset(_todays_name(name) for name, count in counts.items() if count > 1)


def _todays_name(name: str) -> str:
    """Translate a column name of fMRIPrep before 20.0.

    Examples
    --------
    >>> [_todays_name(old) for old in ("RotX", "aCompCor03", "cosine_00", "csf")]
    ['rot_x', 'a_comp_cor_03', 'cosine00', 'csf']
    """
    stem, number = split_number(name)
    if number and stem in _OLD_STEMS:
        return _OLD_STEMS[stem] + number
    return _OLD_NAMES.get(name, name)


def split_number(name: str) -> tuple[str, str]:
    """Split a column name from the number at its end: ``cosine02`` is ``cosine`` and ``02``."""
    stem = name.rstrip("0123456789")
    return stem, name[len(stem) :]


def _number(cell: str) -> float:
    text = _bare(cell)
    if text.lower() in _MISSING:
        return math.nan
    value = float(text)
    if math.isinf(value) or "_" in text:  # Python reads 1_000 as a number
        raise ValueError(text)
    return value


def _advice(cell: str) -> str:
    if re.fullmatch(r"\s*-?\d+,\d+([eE][-+]?\d+)?\s*", cell):
        return (
            "This is a decimal comma: the table was probably saved by a spreadsheet program; "
            "use the one that fMRIPrep wrote."
        )
    return "Copy the table again from its source, or run fMRIPrep again."
