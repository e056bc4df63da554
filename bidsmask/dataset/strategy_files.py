r"""Strategies, read by name or from a YAML file of the user.

A strategy is a YAML file; the ones that come with bidsmask are in ``data/strategies``, and a
user's own file is read in the same way::

    name: 6P_0.5mm                    # desc-6P0p5mm in names of files, see `label_of`
    description: Six motion parameters and the cosine drift terms of fMRIPrep were regressed.
    reference: {text: In-house}       # optional; with a doi where there is one
    columns:
      - {label: motion, pattern: "(trans|rot)_[xyz]", count: 6}
      - {label: high-pass, pattern: 'cosine\d+', optional: true}
      - label: components that tedana rejected
        table: {dataset: tedana, desc: ICA, suffix: mixing}
        classification: rejected
        regression: orthogonalised
    censoring: {fd_threshold_mm: 0.5, min_segment_volumes: 5}
    task: {task_regressors: fir}      # optional; responses to events join the columns
    cleaning: {detrend: true, filter: none, standardize: zscore}

Of the settings that stand under ``cleaning`` and ``censoring``, any may be left out.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from bidsmask._names import did_you_mean
from bidsmask.dataset.data import STRATEGIES_FOLDER, strategy_names
from bidsmask.dataset.entities import ENTITY_ORDER, is_label
from bidsmask.dataset.selection import LONG_NAMES, Wanted, read_criteria
from bidsmask.dataset.strategies import ColumnGroup, Reference, Strategy, TableQuery, label_of
from bidsmask.errors import SettingsError, StrategyError
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.hemodynamics import TaskParameters
from bidsmask.vocabulary import (
    Bridge,
    Classification,
    Displacement,
    Filter,
    FilterEnds,
    MotionFilter,
    Regression,
    Standardization,
    TaskRegressors,
)

MAX_BYTES = 1_000_000
"""A strategy is a page of text; a larger file is something else."""

P = TypeVar("P", CensoringParameters, CleaningParameters, TaskParameters)
W = TypeVar("W")


_LEFT_OUT = {
    "rapidtide+24P": "rapidtide+24P, of XCP-D, regresses a signal of its own from every voxel; "
    "bidsmask regresses the same signals from all voxels of a run, and has no such strategy. Let "
    "rapidtide take its signal out of the BOLD, put what it writes (desc-lfofilterCleaned_bold) "
    'beside fMRIPrep\'s files, ask for it with a --bids-filter-file that holds {"bold": {"desc": '
    '"lfofilterCleaned"}}, and choose 24P. One regression then comes after the other, which is '
    "not the same as both at once.",
}
"""Strategies by name as published that cannot be had, and what to do instead."""


def load_strategy(name: str | Path) -> Strategy:
    """Read a strategy, by its name or from a YAML file.

    Parameters
    ----------
    name : str or Path
        One of `strategy_names`, also by its label (``acompcorgsr``) or with other full stops and
        underscores (``ica_aroma``); or the path of a file of the user.

    Raises
    ------
    StrategyError
        If there is no such strategy, or the file is not a well-formed one.

    Examples
    --------
    >>> load_strategy("36P").cleaning.low_pass_hz
    0.08
    """
    by_label = {label_of(known): known for known in strategy_names()}
    if str(name) in _LEFT_OUT:
        raise StrategyError(_LEFT_OUT[str(name)])
    if label_of(str(name)) in by_label:
        return _read(STRATEGIES_FOLDER / f"{by_label[label_of(str(name))]}.yaml")
    if Path(name).suffix in (".yaml", ".yml") or Path(name).is_file():
        return _read(Path(name))
    raise StrategyError(
        f"There is no strategy {str(name)!r}.{did_you_mean(str(name), strategy_names())} "
        f"Strategies are: {', '.join(strategy_names())}; or give the path of a YAML file."
    )


def _read(file: Path) -> Strategy:
    """Build the strategy from the content of a file, from the leaves up."""
    top = _Section(file, "the file", _parse(file))
    top.allow(
        (
            "name",
            "description",
            "reference",
            "bold_desc",
            "columns",
            "censoring",
            "cleaning",
            "task",
        )
    )
    return Strategy(
        name=_read_name(top),
        description=" ".join(top.text("description").split()),
        reference=_read_reference(top),
        groups=tuple(
            _read_group(_Section(file, f"columns, item {number}", item))
            for number, item in enumerate(top.list("columns"), start=1)
        ),
        censoring=_read_parameters(top, "censoring", CensoringParameters),
        cleaning=_read_parameters(top, "cleaning", CleaningParameters),
        task=_read_parameters(top, "task", TaskParameters),
        bold_desc=top.labels("bold_desc"),
    )


def _parse(file: Path) -> Any:
    import yaml

    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise StrategyError(f"{file}: the strategy cannot be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise StrategyError(
            f"{file}: larger than {MAX_BYTES / 1e6:.0f} MB; a strategy is a short YAML file."
        )
    try:
        return yaml.safe_load(content.decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise StrategyError(f"{file}: this is not YAML that can be read: {reason}") from error


def _read_name(top: _Section) -> str:
    name = top.text("name")
    if not re.fullmatch(r"[+_.]*[0-9a-zA-Z][0-9a-zA-Z+_.]*", name):
        raise top.complaint("name", name, "letters, digits, +, _ and . only: it is in file names")
    return name


def _read_reference(top: _Section) -> Reference:
    if "reference" not in top.content:
        return Reference(text=f"Strategy of the user ({top.file.name})")
    section = top.section("reference").allow(("text", "doi"))
    doi = section.text("doi") if "doi" in section.content else None
    if doi is not None and not re.fullmatch(r"10\.\d+/\S+", doi):
        raise section.complaint("doi", doi, "a DOI such as 10.1371/journal.pcbi.1011942")
    return Reference(text=" ".join(section.text("text").split()), doi=doi)


def _read_group(section: _Section) -> ColumnGroup:
    section.allow([item.name for item in fields(ColumnGroup)])
    classification = section.choice("classification", get_args(Classification))
    everything = ".*" if classification and "pattern" not in section.content else None
    try:
        return ColumnGroup(
            label=section.text("label"),
            pattern=everything or section.pattern("pattern"),
            count=section.count("count"),
            optional=section.flag("optional"),
            mask=section.choice("mask", ("WM", "CSF", "combined")),
            retained=section.flag("retained"),
            variance=section.share("variance"),
            limit=section.count("limit"),
            table=_read_table_query(section) if "table" in section.content else None,
            classification=classification,
            regression=section.choice("regression", get_args(Regression)) or "aggressive",
            accepted=section.pattern("accepted") if "accepted" in section.content else None,
        )
    except ValueError as error:
        raise StrategyError(f"{section.file}: {section.where}: {error}") from error


def _read_table_query(group: _Section) -> TableQuery:
    where = f"{group.where}: table"
    section = _Section(group.file, where, group.content["table"])
    section.allow(("dataset", "suffix", *ENTITY_ORDER, *LONG_NAMES))
    wanted = {key: value for key, value in section.content.items() if key != "dataset"}
    try:
        criteria = dict(read_criteria(group.file, where, {"suffix": "timeseries"} | wanted))
    except SettingsError as error:
        raise StrategyError(str(error)) from error
    for key in ("desc", "suffix"):
        if not isinstance(criteria.get(key), str):
            raise section.complaint(key, wanted.get(key), "a label, such as aroma")
    if "sub" in criteria:
        raise section.complaint("sub", wanted.get("sub"), "nothing: it is that of the BOLD")
    return TableQuery(
        dataset=section.text("dataset") if "dataset" in section.content else None,
        criteria=tuple(sorted(criteria.items(), key=_place_in_name)),
    )


def _place_in_name(criterion: tuple[str, Wanted]) -> float:
    entity, _ = criterion
    return ENTITY_ORDER.index(entity) if entity in ENTITY_ORDER else len(ENTITY_ORDER)


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "detrend": ((bool,), "true or false"),
    "filter": ((str,), ", ".join(get_args(Filter))),
    "standardize": ((str,), ", ".join(get_args(Standardization))),
    "filter_ends": ((str,), ", ".join(get_args(FilterEnds))),
    "bridge": ((str,), ", ".join(get_args(Bridge))),
    "high_pass_hz": ((int, float, type(None)), "a number (Hz), or null"),
    "low_pass_hz": ((int, float, type(None)), "a number (Hz), or null"),
    "fd_threshold_mm": ((int, float, type(None)), "a number (mm), or null"),
    "std_dvars_threshold": ((int, float, type(None)), "a number, or null"),
    "dvars_percent_threshold": ((int, float, type(None)), "a number (percent), or null"),
    "leverage_threshold": ((int, float, type(None)), "a number (times the median), or null"),
    "fd": ((str,), ", ".join(get_args(Displacement))),
    "head_radius_mm": ((int, float, type(None)), "a number (mm), or null"),
    "motion_filter": ((str, type(None)), f"{', '.join(get_args(MotionFilter))}, or null"),
    "band_stop_min_bpm": ((int, float, type(None)), "a number (breaths per minute), or null"),
    "band_stop_max_bpm": ((int, float, type(None)), "a number (breaths per minute), or null"),
    "motion_filter_order": ((int, type(None)), "a whole number, or null"),
    "volumes_before": ((int,), "a whole number"),
    "volumes_after": ((int,), "a whole number"),
    "min_segment_volumes": ((int,), "a whole number"),
    "dummy_scans": ((int, str), "a whole number, or auto"),
    "task_regressors": ((str,), ", ".join(get_args(TaskRegressors))),
    "fir_length_s": ((int, float), "a number (s)"),
}
"""What may stand for each parameter in YAML; ``True`` is a whole number to Python, not to us."""


def _read_parameters(top: _Section, key: str, kind: type[P]) -> P:
    section = top.section(key, default={}).allow([item.name for item in fields(kind)])
    for name, value in section.content.items():
        types, expected = _KINDS[name]
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        if not fits:
            raise section.complaint(name, value, expected)
    try:
        return kind(**section.content)
    except ValueError as error:
        raise StrategyError(f"{top.file}: {key}: {error}") from error


class _Section:
    """One mapping of a strategy file, which remembers where it stands."""

    def __init__(self, file: Path, where: str, content: Any) -> None:
        self.file, self.where = file, where
        if not isinstance(content, dict):
            raise StrategyError(
                f"{file}: {where}: expected 'key: value' lines, found {reprlib.repr(content)}."
            )
        self.content: dict[Any, Any] = content

    def allow(self, keys: Iterable[str]) -> _Section:
        """Refuse any key that is not one of `keys`."""
        keys = tuple(keys)
        for key in self.content:
            if key not in keys:
                raise StrategyError(
                    f"{self.file}: {self.where}: unknown key {reprlib.repr(key)}."
                    f"{did_you_mean(str(key), keys)} Keys are: {', '.join(keys)}."
                )
        return self

    def complaint(self, key: str, found: Any, expected: str) -> StrategyError:
        """Write the letter about one value."""
        return StrategyError(
            f"{self.file}: {self.where}: {key}: found {reprlib.repr(found)}, expected {expected}."
        )

    def required(self, key: str, expected: str) -> Any:
        if key not in self.content:
            raise StrategyError(f"{self.file}: {self.where}: {key} is missing; it is {expected}.")
        return self.content[key]

    def text(self, key: str) -> str:
        value = self.required(key, "a text")
        if not isinstance(value, str) or not value.strip():
            raise self.complaint(key, value, "a text (in quotes if it looks like a number)")
        return value

    def choice(self, key: str, choices: Sequence[W]) -> W | None:
        value = self.content.get(key)
        for choice in choices:
            if value == choice:
                return choice
        if value is None:
            return None
        *first, last = map(str, choices)
        raise self.complaint(key, value, f"{', '.join(first)} or {last}")

    def pattern(self, key: str) -> str:
        value = self.text(key)
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.complaint(key, value, f"a regular expression, but: {error}") from error
        return value

    def list(self, key: str) -> list[Any]:
        value = self.required(key, "a list of column groups, or [] for none")
        if not isinstance(value, list):
            raise self.complaint(key, value, "a list of column groups, or [] for none")
        return value

    def labels(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(type(v) is str and is_label(v) for v in value):
            raise self.complaint(key, value, "a list of labels of desc, such as [preproc]")
        return tuple(value)

    def section(self, key: str, default: Any = None) -> _Section:
        return _Section(self.file, key, self.content.get(key, default))

    def count(self, key: str) -> int | None:
        value = self.content.get(key)
        if value is None or (type(value) is int and value > 0):
            return value
        raise self.complaint(key, value, "a whole number above 0")

    def share(self, key: str) -> float | None:
        value = self.content.get(key)
        if value is None or (type(value) in (int, float) and 0 < value <= 1):
            return value
        raise self.complaint(key, value, "a share above 0 and up to 1 (0.5: half of the variance)")

    def flag(self, key: str) -> bool:
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self.complaint(key, value, "true or false")
        return value
