"""The confounds of one run: the columns that a strategy regresses, the volumes it leaves out.

Only the columns that are used are looked at: a bad cell elsewhere does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.dataset.confounds_table import (
    FRAMEWISE_DISPLACEMENT,
    MOTION_PARAMETERS,
    NON_STEADY_STATE,
    STD_DVARS,
    ConfoundsTable,
    read_table,
)
from bidsmask.dataset.design import Tables, first_row_with_value, read_design
from bidsmask.dataset.families import confound_families
from bidsmask.dataset.run_tables import RunTable
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import AllVolumesRemovedError, ConfoundsError, RunError
from bidsmask.numerics.censoring import (
    CensoringParameters,
    flag_above,
    neighbours,
    short_segments,
)
from bidsmask.numerics.motion import framewise_displacement, relative_rms
from bidsmask.numerics.regression import Nonaggressive

_FAMILY, _DISPLACEMENT = "family/", "displacement/"

DVARS_PERCENT, LEVERAGE = "dvars_percent", "leverage"
"""Methods that flag volumes by the data of a run, and not by its table."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Confounds:
    """What is regressed out of one run, and which of its volumes are left out.

    Parameters
    ----------
    strategy : str
        Name of the strategy.
    columns : tuple of str
        Names of the C columns, in the order of the strategy's groups.
    design : float64 array of shape (T, C)
        The columns as they are in their tables, without any NaN, censored volumes included; or
        without what accepted components explain of them.
    sample_mask : bool array of shape (T,)
        True = kept.
    outliers : tuple of (method, bool array of shape (T,))
        True = flagged, for each method in use, in the order ``non_steady_state``,
        ``framewise_displacement``, ``std_dvars``, ``dvars_percent``, ``leverage``,
        ``neighbour``, ``short_segment``.
    fd_mm, std_dvars : array of shape (T,), or None
        Framewise displacement in mm, of the kind that the strategy asks for, and standardized
        DVARS (no unit) as nipype and fMRIPrep define it; NaN where there is no value (the first
        volume). None where the table has no such column.
    filled : tuple of str
        Columns whose first rows have no value and were given that of the next row.
    warnings : tuple of str
        What a reader of the results should know.
    families : mapping from name to array of shape (T, C)
        Columns of the table by their families, regressed or not; see
        `bidsmask.dataset.families`.
    responses : tuple of (column, description)
        Columns that are no confounds: responses to events, see `bidsmask.dataset.responses`.
    origins : tuple of str
        Of each column the table that it comes from, and how it is regressed.
    nonaggressive : Nonaggressive or None
        Which columns are fitted together with components that stay.
    displacements : mapping from "power" and "jenkinson" to array of shape (T,)
        Framewise displacement in mm of either kind, of the unfiltered motion parameters, whichever
        the strategy asks for: rules of exclusion are published for one or the other. Nothing where
        a motion parameter is not known.
    """

    strategy: str
    columns: tuple[str, ...]
    design: FloatArray
    sample_mask: BoolArray
    outliers: tuple[tuple[str, BoolArray], ...]
    fd_mm: FloatArray | None
    std_dvars: FloatArray | None
    filled: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    families: Mapping[str, FloatArray] = field(default_factory=dict)
    responses: tuple[tuple[str, str], ...] = ()
    origins: tuple[str, ...] = ()
    nonaggressive: Nonaggressive | None = None
    displacements: Mapping[str, FloatArray] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` that `load` reads; no pickle in it."""
        arrays = {
            "strategy": np.array(self.strategy),
            "names": _texts(self.columns),
            "design": self.design,
            "sample_mask": self.sample_mask,
            "methods": _texts([method for method, _ in self.outliers]),
            "flags": np.array([flags for _, flags in self.outliers], dtype=bool),
            "fd_mm": self.fd_mm,
            "std_dvars": self.std_dvars,
            "filled": _texts(self.filled),
            "warnings": _texts(self.warnings),
            **{f"{_FAMILY}{name}": columns for name, columns in self.families.items()},
            **{f"{_DISPLACEMENT}{kind}": fd for kind, fd in self.displacements.items()},
            "responses": _texts([name for name, _ in self.responses]),
            "described": _texts([description for _, description in self.responses]),
            "origins": _texts(self.origins),
            **(vars(self.nonaggressive) if self.nonaggressive is not None else {}),
        }
        there = {name: values for name, values in arrays.items() if values is not None}
        np.savez(path, allow_pickle=False, **there)

    @classmethod
    def load(cls, path: Path) -> Confounds:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            values = dict(file)
        return cls(
            strategy=str(values["strategy"]),
            columns=_strings(values["names"]),
            design=values["design"],
            sample_mask=values["sample_mask"],
            outliers=tuple(zip(_strings(values["methods"]), values["flags"], strict=True)),
            fd_mm=values.get("fd_mm"),
            std_dvars=values.get("std_dvars"),
            filled=_strings(values["filled"]),
            warnings=_strings(values["warnings"]),
            families=_below(_FAMILY, values),
            displacements=_below(_DISPLACEMENT, values),
            responses=tuple(
                zip(_strings(values["responses"]), _strings(values["described"]), strict=True)
            ),
            origins=_strings(values["origins"]),
            nonaggressive=Nonaggressive(columns=values["columns"], accepted=values["accepted"])
            if "accepted" in values
            else None,
        )


def _below(prefix: str, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {
        name.removeprefix(prefix): columns
        for name, columns in values.items()
        if name.startswith(prefix)
    }


def _texts(texts: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array(list(texts), dtype=np.str_)


def _strings(texts: np.ndarray[tuple[int], np.dtype[np.str_]]) -> tuple[str, ...]:
    return tuple(str(text) for text in texts)


def load_confounds(
    table: Path | ConfoundsTable,
    sidecar: Path | None,
    strategy: Strategy,
    *,
    n_volumes: int | None,
    t_r: float | None = None,
    others: Sequence[RunTable] = (),
    may_keep_none: bool = False,
) -> Confounds:
    """Read the confounds of one run and choose those of a strategy.

    Columns are those of `bidsmask.dataset.design.read_design`. Rows are never cut or added to fit
    the run.

    Volumes are flagged by methods that do not influence each other, but for neighbours of volumes
    flagged for motion, and short segments: kept stretches that are shorter than
    `min_segment_volumes` between all those. Non-steady-state volumes have no neighbours and do
    not shorten a stretch (as in nilearn).

    Parameters
    ----------
    table : Path or ConfoundsTable
        ``*_desc-confounds_timeseries.tsv``, or what was read of it; one row per volume.
    sidecar : Path or None
        The JSON beside it. Needed only for CompCor components of fMRIPrep before 21.0.
    strategy : Strategy
    n_volumes : int or None
        Volumes of the BOLD run, T. None: as many as the table has rows.
    t_r : float or None
        Repetition time in seconds. Needed only where motion parameters are filtered.
    others : sequence of RunTable
        The tables that the strategy asks for besides.
    may_keep_none : bool
        Whether a run may be left with no volume at all.

    Raises
    ------
    ConfoundsError
        If the table cannot be read, has another number of rows, lacks a column, or has a cell
        that is not a number where one is needed.
    RunError
        If the filter of the motion parameters has no meaning for this repetition time.
    AllVolumesRemovedError
        If no volume is left, and that is not allowed.
    """
    rows = read_table(table) if isinstance(table, Path) else table
    if n_volumes is not None:
        rows.require_volumes(n_volumes)
    fd_mm = _displacement(rows, strategy, t_r)
    folded = strategy.censoring.folded_in_words(t_r) if t_r else ()
    std_dvars = rows.numbers_or_none(STD_DVARS)
    outliers = _flag(rows, strategy.censoring, fd_mm, std_dvars)
    sample_mask = ~_union([flags for _, flags in outliers], len(rows.cells))
    if not (may_keep_none or sample_mask.any()):
        letter = _nothing_kept(strategy.name, strategy.censoring, outliers)
        raise AllVolumesRemovedError(f"{rows.file}: {letter}")
    families, unreadable = confound_families(rows)
    design = read_design(Tables(rows, sidecar, others), strategy, sample_mask)
    return Confounds(
        strategy=strategy.name,
        columns=design.columns,
        design=design.values,
        sample_mask=sample_mask,
        outliers=outliers,
        fd_mm=fd_mm,
        std_dvars=std_dvars,
        filled=design.filled,
        warnings=(*design.warnings, *unreadable, *folded),
        origins=design.origins,
        nonaggressive=design.nonaggressive,
        families=families,
        displacements=_both_displacements(rows),
    )


# --- the volumes ---------------------------------------------------------------------------------


def _displacement(
    rows: ConfoundsTable, strategy: Strategy, t_r: float | None
) -> FloatArray | None:
    """Framewise displacement (T,) in mm: a column, or recomputed from motion parameters."""
    kind = strategy.censoring
    if kind.column is not None:
        return rows.numbers_or_none(kind.column)
    motion = np.stack([_complete(rows, name) for name in MOTION_PARAMETERS], axis=1)
    if kind.motion_filter is None:
        return kind.measure(motion, t_r or np.nan)
    if t_r is None:
        raise RunError(f"{rows.file}: to filter motion parameters, a repetition time is needed.")
    try:
        return kind.measure(motion, t_r)
    except ValueError as error:
        raise RunError(f"Strategy {strategy.name}: {error}") from error


def _both_displacements(rows: ConfoundsTable) -> dict[str, FloatArray]:
    """Framewise displacement (T,) of Power and of Jenkinson, if all parameters are known."""
    try:
        motion = np.stack([_complete(rows, name) for name in MOTION_PARAMETERS], axis=1)
    except ConfoundsError:
        return {}
    return {"power": framewise_displacement(motion), "jenkinson": relative_rms(motion)}


def _complete(rows: ConfoundsTable, name: str) -> FloatArray:
    """Motion parameter (T,) of which no value is missing."""
    values = rows.numbers_or_none(name)
    if values is None or np.isnan(values).any():
        what = "has no column" if values is None else "has n/a in the column"
        raise ConfoundsError(
            f"{rows.file}: the table {what} {name}, and framewise displacement is recomputed from "
            "all six motion parameters. Read it from the table instead (--fd table)."
        )
    return values


def _flag(
    rows: ConfoundsTable,
    censoring: CensoringParameters,
    fd_mm: FloatArray | None,
    std_dvars: FloatArray | None,
) -> tuple[tuple[str, BoolArray], ...]:
    """Flag volumes by each method in use; the order is that of `Confounds.outliers`."""
    motion = [
        (method, flag_above(_measured(rows, column, values, threshold), threshold))
        for method, column, values, threshold in (
            (FRAMEWISE_DISPLACEMENT, censoring.column, fd_mm, censoring.fd_threshold_mm),
            (STD_DVARS, STD_DVARS, std_dvars, censoring.std_dvars_threshold),
        )
        if threshold is not None
    ]
    return _with_neighbours(_non_steady_state(rows, censoring), motion, censoring)


def with_flags(
    confounds: Confounds, censoring: CensoringParameters, found: Mapping[str, BoolArray]
) -> Confounds:
    """Add what the data of a run flag; neighbours and short segments follow anew.

    Parameters
    ----------
    confounds : Confounds
    censoring : CensoringParameters
    found : mapping from method to bool array of shape (T,)

    Raises
    ------
    AllVolumesRemovedError
        If no volume is left.
    """
    before = dict(confounds.outliers)
    motion = [
        (method, flags)
        for method, flags in {**before, **found}.items()
        if method not in ("non_steady_state", "neighbour", "short_segment")
    ]
    outliers = _with_neighbours(before["non_steady_state"], motion, censoring)
    sample_mask = ~_union([flags for _, flags in outliers], confounds.sample_mask.size)
    if not sample_mask.any():
        raise AllVolumesRemovedError(_nothing_kept(confounds.strategy, censoring, outliers))
    return replace(confounds, outliers=outliers, sample_mask=sample_mask)


def _with_neighbours(
    unsteady: BoolArray, motion: Sequence[tuple[str, BoolArray]], censoring: CensoringParameters
) -> tuple[tuple[str, BoolArray], ...]:
    """Flag neighbours and short segments of what some methods have flagged."""
    flagged = [("non_steady_state", unsteady), *motion]
    moved = _union([flags for _, flags in motion], unsteady.size)
    if censoring.volumes_before or censoring.volumes_after:
        near = neighbours(moved, censoring.volumes_before, censoring.volumes_after)
        flagged.append(("neighbour", near))
        moved = moved | near
    if censoring.min_segment_volumes:
        flagged.append(("short_segment", short_segments(moved, censoring.min_segment_volumes)))
    return tuple(flagged)


def _measured(
    rows: ConfoundsTable, column: str | None, values: FloatArray | None, threshold: float
) -> FloatArray:
    """Give values that a threshold may be held against; `column` is None of recomputed ones."""
    if values is None:
        raise ConfoundsError(
            f"{rows.file}: no column {column}, so volumes cannot be censored above {threshold:g}. "
            "Leave the threshold out, or use another table."
        )
    if column is not None:
        first_row_with_value(rows, column, values)
    return values


def _non_steady_state(rows: ConfoundsTable, censoring: CensoringParameters) -> BoolArray:
    n_volumes = len(rows.cells)
    if censoring.dummy_scans != "auto":
        first: BoolArray = np.arange(n_volumes) < censoring.dummy_scans
        return first
    columns = [name for name in rows.position if re.fullmatch(NON_STEADY_STATE + r"\d+", name)]
    return _union([rows.numbers(name) > 0 for name in columns], n_volumes)


def _union(flags: Sequence[BoolArray], n_volumes: int) -> BoolArray:
    union: BoolArray = np.any([np.zeros(n_volumes, dtype=bool), *flags], axis=0)
    return union


def _nothing_kept(
    strategy: str, limits: CensoringParameters, outliers: Sequence[tuple[str, BoolArray]]
) -> str:
    counts = ", ".join(f"{method} {int(flags.sum())}" for method, flags in outliers)
    return (
        f"strategy {strategy} keeps 0 of {outliers[0][1].size} volumes. Flagged: "
        f"{counts} (thresholds: FD {limits.fd_threshold_mm} mm ({limits.in_words}), std_dvars "
        f"{limits.std_dvars_threshold}, segments of {limits.min_segment_volumes} volumes). "
        "Raise a threshold, or leave this run out."
    )
