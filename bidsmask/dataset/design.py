"""The design of a strategy: columns of one or more tables of a run, and how each is regressed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.dataset.compcor import choose_components
from bidsmask.dataset.confounds_table import ConfoundsTable, read_table, split_number
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.run_tables import RunTable
from bidsmask.dataset.sidecars import read_json
from bidsmask.dataset.strategies import ColumnGroup, Strategy, TableQuery
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.dataset.tedana import classify
from bidsmask.errors import ConfoundsError
from bidsmask.numerics.regression import Nonaggressive, orthogonalised

THE_TABLE = "the confounds table"

_COSINE = re.compile(r"cosine\d+")

_EXPANDED = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
_EXPANDED += ["csf", "white_matter", "global_signal", "csf_wm"]
_EXPANSIONS = ("_derivative1", "_power2", "_derivative1_power2")
_WELL_KNOWN = {base + how: base for how in ("", *_EXPANSIONS) for base in _EXPANDED}
"""Columns that fMRIPrep always writes, and what each is made of: names what is missing."""

_NO_NOISE = ["intercept"]
"""All that fMRIPost-AROMA writes if it finds no component of noise."""


class Tables:
    """The tables of one run, each read when it is asked for.

    Parameters
    ----------
    confounds : ConfoundsTable
        fMRIPrep's.
    sidecar : Path or None
        The JSON beside it.
    others : sequence of RunTable
        What strategies ask for besides.
    """

    def __init__(
        self, confounds: ConfoundsTable, sidecar: Path | None, others: Sequence[RunTable] = ()
    ) -> None:
        self.confounds, self.sidecar = confounds, sidecar
        self._others = {other.query: other for other in others}
        self._read: dict[TableQuery, ConfoundsTable] = {}

    def of(self, group: ColumnGroup) -> ConfoundsTable:
        """Give the table of a group of columns.

        Raises
        ------
        ConfoundsError
            If it was not found, cannot be read, or has not one row for each volume.
        """
        if group.table is None:
            return self.confounds
        rows = self._open(group.table)
        if len(rows.cells) != len(self.confounds.cells):
            rows.require_volumes(len(self.confounds.cells), _why_other_length(rows.file))
        return rows

    def sidecar_of(self, group: ColumnGroup) -> Path | None:
        """Give the JSON beside the table of a group, if there is one."""
        if group.table is None:
            return self.sidecar
        beside = self.of(group).file.with_suffix(".json")
        return beside if beside.exists() else None

    def classes_of(self, group: ColumnGroup) -> dict[str, str]:
        """Say of each column of the table of a group what its component was classified as."""
        if group.table is None or group.classification is None:
            return {}
        return classify(self.of(group), self._open(group.table.metrics))

    def _open(self, query: TableQuery) -> ConfoundsTable:
        if query not in self._read:
            found = self._others.get(query)
            if found is None or found.path is None:
                missing = f"No table {query} is known of this run."
                raise ConfoundsError((found and found.problem) or missing)
            self._read[query] = read_table(found.path, names=partial(_names, found.path, query))
        return self._read[query]


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """What a strategy regresses out of a run.

    Parameters
    ----------
    columns : tuple of str
        Names of the C columns, in the order of the strategy's groups.
    origins : tuple of str
        Of each column the table that it comes from, and how it is regressed.
    values : float64 array of shape (T, C)
        Without any NaN, censored volumes included.
    nonaggressive : Nonaggressive or None
        Which of them are fitted together with components that stay.
    filled : tuple of str
        Columns whose first rows have no value and were given that of the next row.
    warnings : tuple of str
    """

    columns: tuple[str, ...]
    origins: tuple[str, ...]
    values: FloatArray
    nonaggressive: Nonaggressive | None
    filled: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column of a table, and the group that wants it."""

    name: str
    rows: ConfoundsTable
    group: ColumnGroup

    @property
    def origin(self) -> str:
        table = THE_TABLE if self.group.table is None else self.rows.file.name
        how = {
            "aggressive": "",
            "orthogonalised": ", without what accepted components explain of it",
            "nonaggressive": ", of which its own part of a joint fit with accepted components is "
            "removed",
        }
        return f"{table}{how[self.group.regression]}"


def read_design(tables: Tables, strategy: Strategy, sample_mask: BoolArray) -> Design:
    """Read what a strategy regresses.

    Rows at the start of a column without a value (derivatives have no first value) are given
    the value of the row that follows; anywhere else a missing value is an error.

    Parameters
    ----------
    tables : Tables
    strategy : Strategy
    sample_mask : bool array of shape (T,)
        True = kept. What components share is asked of kept volumes alone.

    Raises
    ------
    ConfoundsError
        If a table is not there or cannot be read, lacks a column, or has a cell that is not a
        number where one is needed.
    """
    columns, warnings = _choose(tables, strategy)
    raw = {name: column.rows.numbers(column.name) for name, column in columns.items()}
    values = np.empty((len(tables.confounds.cells), len(columns)))
    for position, (name, column) in enumerate(columns.items()):
        values[:, position] = _fill_first_rows(column.rows, column.name, raw[name])
    shared = _spare_accepted(tables, [*columns.values()], values, sample_mask)
    return Design(
        columns=tuple(columns),
        origins=tuple(column.origin for column in columns.values()),
        values=values,
        nonaggressive=shared,
        filled=tuple(name for name in columns if np.isnan(raw[name][0])),
        warnings=warnings,
    )


def _spare_accepted(
    tables: Tables, columns: Sequence[_Column], values: FloatArray, sample_mask: BoolArray
) -> Nonaggressive | None:
    """Orthogonalise columns in place; tell which are regressed beside accepted components."""
    alone = np.zeros(len(columns), dtype=bool)
    beside: list[FloatArray] = [np.empty((len(values), 0))]
    for group in dict.fromkeys(column.group for column in columns):
        if group.regression == "aggressive" or not sample_mask.any():
            continue
        accepted = _accepted(tables, group)
        own = np.array([column.group == group for column in columns])
        if group.regression == "nonaggressive":
            alone |= own
            beside.append(accepted)
        else:
            values[:, own] = orthogonalised(values[:, own], accepted, sample_mask)
    return Nonaggressive(columns=alone, accepted=np.hstack(beside)) if alone.any() else None


def _accepted(tables: Tables, group: ColumnGroup) -> FloatArray:
    """Read the accepted components (T, G) that a group spares."""
    rows = tables.of(group)
    if group.accepted is not None:
        names = [name for name in rows.position if re.fullmatch(group.accepted, name)]
        if not names:
            raise ConfoundsError(
                f"{rows.file}: {group.label}: no column matches accepted: {group.accepted}. It "
                f"has {_some([*rows.position])}."
            )
    else:
        classes = tables.classes_of(group)
        names = [name for name in rows.position if classes.get(name) == "accepted"]
    values = np.empty((len(rows.cells), len(names)))
    for position, name in enumerate(names):
        values[:, position] = _fill_first_rows(rows, name, rows.numbers(name))
    return values


def _names(file: Path, query: TableQuery, n_columns: int) -> Sequence[str] | None:
    """Name the columns of a table without header: MELODIC writes none, nor does rapidtide."""
    if query.suffix == "mixing":
        return [f"component_{number:02d}" for number in range(n_columns)]
    said = _about(file).get("Columns")
    return said if isinstance(said, list) and all(isinstance(name, str) for name in said) else None


def _why_other_length(file: Path) -> str:
    """Say what to do with a table that has not one row for each volume."""
    rate_hz = _about(file).get("SamplingFrequency")
    if isinstance(rate_hz, int | float):
        return (
            f"Its JSON says that it was sampled at {rate_hz:g} Hz, and not once for each volume. "
            "Take a regressor like that of rapidtide, which is delayed for each voxel, out with "
            "the program that made it, and extract from what it denoised (--bids-filter-file)."
        )
    return "Nothing is cut to fit: make it of all volumes of this run, and copy it again."


def _about(file: Path) -> dict[str, Any]:
    """What the JSON beside a table says; nothing if there is none."""
    beside = file.with_suffix(".json")
    return read_json(beside) if beside.exists() else {}


def _choose(tables: Tables, strategy: Strategy) -> tuple[dict[str, _Column], tuple[str, ...]]:
    """Columns of a strategy by their names in the design, and warnings; or one letter."""
    chosen: dict[str, _Column] = {}  # ordered: a column that two groups want comes once
    complaints, warnings = [], []
    for group in strategy.groups:
        rows = tables.of(group)
        names, missing = _columns_of(tables, group)
        for name in names:
            column = _Column(name=name, rows=rows, group=group)
            chosen.setdefault(_name_in_design(chosen, column), column)
        if missing:
            complaints.append(missing)
        elif not names:
            warnings.append(f"{rows.file.name} has no column for {group.label}.")
        elif group.limit and len(names) < group.limit:
            warnings.append(f"{rows.file.name} has {len(names)} columns only for {group.label}.")
    if complaints:
        raise ConfoundsError(
            f"{tables.confounds.file}: strategy {strategy.name} cannot be used: "
            f"{'; '.join(complaints)}. "
            "Of the strategies that come with bidsmask, this table has all columns for "
            f"{_usable(tables, strategy)}.{_old_spelling(tables.confounds)}"
        )
    if strategy.cleaning.is_high_pass:
        chosen = {name: each for name, each in chosen.items() if not _COSINE.fullmatch(name)}
    return chosen, tuple(warnings)


def _name_in_design(chosen: dict[str, _Column], column: _Column) -> str:
    """Name a column; by its table, too, if one of another table has the same name."""
    same = chosen.get(column.name)
    if same is None or same.rows is column.rows or column.group.table is None:
        return column.name
    return f"{column.name}_{column.group.table.desc}"


def _columns_of(tables: Tables, group: ColumnGroup) -> tuple[list[str], str]:
    """Columns of a group, in order, and what is missing (nothing: an empty text)."""
    rows = tables.of(group)
    names = _in_order([name for name in rows.position if group.matches(name)])
    if group.classification is not None:
        classes = tables.classes_of(group)
        names = [name for name in names if classes.get(name) == group.classification]
    sidecar = tables.sidecar_of(group)
    names, unknown = choose_components(rows, sidecar, group, names)
    if unknown:
        return [], unknown
    if group.count is not None and len(names) != group.count:
        return [], _missing_columns(rows, group, len(names))
    may_be_none = group.optional or group.classification or [*rows.position] == _NO_NOISE
    if not names and not may_be_none:
        return [], _missing_columns(rows, group, 0)
    return names[: group.limit], ""


def _in_order(names: list[str]) -> list[str]:
    """Order numbered columns (``cosine02``, ``cosine10``) by number, others as in the file."""
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        first.setdefault(split_number(name)[0], place)

    def key(name: str) -> tuple[int, int]:
        stem, number = split_number(name)
        return first[stem], int(number or 0)

    return sorted(names, key=key)


def _missing_columns(rows: ConfoundsTable, group: ColumnGroup, n_found: int) -> str:
    if group.table is None and group.matches("aroma_motion_01"):
        return (
            f"{group.label}: no column aroma_motion (fMRIPrep wrote them until 23.0; those of "
            "fMRIPost-AROMA are found by a strategy that says table: {desc: aroma})"
        )
    known = [name for name in _WELL_KNOWN if group.matches(name) and name not in rows.position]
    shown = [name for name in known if _WELL_KNOWN[name] in (name, *rows.position)]
    if known:
        return f"{group.label}: no column {shown or known}"
    wanted = "at least one column" if group.count is None else f"{group.count} columns"
    where = f" of the mask {group.mask}" if group.mask else ""
    where += f" in {rows.file.name}" if group.table else ""
    return f"{group.label}: expected {wanted} matching {group.pattern}{where}, found {n_found}"


def _old_spelling(rows: ConfoundsTable) -> str:
    """Say that names are spelt as fMRIPrep spelt them once, but are none that it had."""
    found = next((name for name in rows.position if re.match("[a-z]+[A-Z]", name)), None)
    return "" if found is None else f" The file contains header in camel case, such as {found}."


def _usable(tables: Tables, refused: Strategy) -> str:
    """Names of the built-in strategies whose columns are all there."""
    others = [load_strategy(name) for name in strategy_names() if name != refused.name]
    return ", ".join(
        f"'{each.name}'"
        for each in others
        if each.bold_desc in ((), refused.bold_desc) and _has_all(tables, each)
    )


def _has_all(tables: Tables, strategy: Strategy) -> bool:
    try:
        return not any(_columns_of(tables, group)[1] for group in strategy.groups)
    except ConfoundsError:  # a JSON that cannot be read, which the refused strategy did not need
        return False


def _fill_first_rows(rows: ConfoundsTable, column: str, values: FloatArray) -> FloatArray:
    """Give rows without a value at the start the value of the next row."""
    first = first_row_with_value(rows, column, values)
    return np.concatenate([np.full(first, values[first]), values[first:]])


def first_row_with_value(rows: ConfoundsTable, column: str, values: FloatArray) -> int:
    """Where the values of a column begin; from there on there must be no gap."""
    missing = np.isnan(values)
    if missing.all():
        raise ConfoundsError(
            f"{rows.file}: column {column} is n/a in every row. Choose a strategy without it, or "
            "run fMRIPrep again."
        )
    first = int(np.argmin(missing))
    if missing[first:].any():
        row = first + int(np.argmax(missing[first:]))
        raise ConfoundsError(
            f"{rows.file}: row {row + 1} (line {row + 2}), column {column}: found n/a. Only the "
            "first rows may be without a value; run fMRIPrep again, or remove this run."
        )
    return first


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"
