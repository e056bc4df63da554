r"""Confound strategies: which columns are regressed, which volumes are left out, how to clean.

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

import json
import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from bidsmask._names import did_you_mean
from bidsmask.dataset.data import STRATEGIES_FOLDER, strategy_names
from bidsmask.dataset.entities import ENTITY_ORDER, is_label, parse_name
from bidsmask.dataset.selection import LONG_NAMES, Criteria, Wanted, read_criteria
from bidsmask.errors import ConfoundsError, SettingsError, StrategyError
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning import CleaningParameters
from bidsmask.numerics.hemodynamics import TaskParameters
from bidsmask.vocabulary import (
    THRESHOLDS,
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

__all__ = [
    "ColumnGroup",
    "Reference",
    "Strategy",
    "TableQuery",
    "label_of",
    "load_strategy",
    "strategy_names",
]

MAX_BYTES = 1_000_000
"""A strategy is a page of text; a larger file is something else."""

P = TypeVar("P", CensoringParameters, CleaningParameters, TaskParameters)
W = TypeVar("W")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What to cite for a strategy. `doi` is None where there is none."""

    text: str
    doi: str | None = None


_METRICS_OF = {"ICA": "tedana", "melodic": "aroma"}
"""Label of ``desc`` of the table that classifies the components of another."""


@dataclass(frozen=True, kw_only=True)
class TableQuery:
    """A table of the run besides fMRIPrep's confounds, by what its name says.

    Parameters
    ----------
    dataset : str or None
        Its dataset, as ``--datasets NAME=PATH`` names it; ``preprocessed`` is that of the BOLD.
        None: the table lies beside the BOLD, or in any of the datasets.
    criteria : tuple of (entity, what is wanted of it)
        ``desc`` and ``suffix``, and other entities where they tell tables apart. What is not
        wanted is that of the BOLD.
    """

    dataset: str | None = None
    criteria: Criteria

    def __str__(self) -> str:
        labels = {entity: wanted for entity, wanted in self.criteria if wanted is not None}
        suffix = labels.pop("suffix")
        return "_".join([*(f"{name}-{label}" for name, label in labels.items()), f"{suffix}.tsv"])

    @property
    def desc(self) -> str:
        """Label of ``desc``."""
        return str(dict(self.criteria)["desc"])

    @property
    def suffix(self) -> str:
        """What the table is, such as ``timeseries`` or ``mixing``."""
        return str(dict(self.criteria)["suffix"])

    @property
    def metrics(self) -> TableQuery:
        """The table that classifies the components of this one."""
        desc = _METRICS_OF.get(self.desc, self.desc)
        return replace(self, criteria=(("desc", desc), ("suffix", "metrics")))


@dataclass(frozen=True, kw_only=True)
class ColumnGroup:
    r"""Columns of a table that belong together.

    Parameters
    ----------
    label : str
        What they are, for messages and the report.
    pattern : str
        Regular expression; a column belongs to the group if its whole name matches. Names are
        those of fMRIPrep 21 and later (older ones are translated before).
    count : int or None
        How many there must be. None: any number.
    optional : bool
        Whether a table without any of them is fine.
    mask : str or None
        Keep only CompCor components of this mask (``"WM"``, ``"CSF"``, ``"combined"``).
    retained : bool
        Keep only CompCor components that fMRIPrep retained, as the JSON beside the table says.
    variance : float or None
        Keep only the first CompCor components of each mask that together explain this share of
        its variance (0.5: half of it), the one that reaches it included.
    limit : int or None
        Keep only the first so many.
    table : TableQuery or None
        The table that they are in. None: fMRIPrep's confounds.
    classification : {"rejected", "accepted"} or None
        Keep only components that are so called in the table of metrics that belongs to `table`:
        ``desc-tedana_metrics.tsv`` to ``desc-ICA_mixing.tsv``, ``desc-aroma_metrics.tsv`` to
        ``desc-melodic_mixing.tsv``, else the one with the same ``desc``.
    regression : {"aggressive", "orthogonalised", "nonaggressive"}
        What becomes of variance that they share with accepted components; see
        `bidsmask.numerics.regression`.
    accepted : str or None
        Regular expression: columns of the same table that are accepted. None: those that are so
        classified.

    Raises
    ------
    ValueError
        If one of these would have no effect without another.

    Examples
    --------
    >>> motion = ColumnGroup(label="motion", pattern=r"(trans|rot)_[xyz]", count=6)
    >>> motion.matches("rot_x"), motion.matches("rot_x_power2")
    (True, False)
    """

    label: str
    pattern: str
    count: int | None = None
    optional: bool = False
    mask: str | None = None
    retained: bool = False
    variance: float | None = None
    limit: int | None = None
    table: TableQuery | None = None
    classification: Classification | None = None
    regression: Regression = "aggressive"
    accepted: str | None = None

    def __post_init__(self) -> None:
        spares = self.regression != "aggressive"
        if self.classification and self.table is None:
            raise ValueError(
                f"{self.label}: classification has no effect without table, which says where the "
                "components are, such as {desc: ICA, suffix: mixing}."
            )
        if self.accepted and not spares:
            raise ValueError(
                f"{self.label}: accepted has no effect with the regression aggressive; say "
                "orthogonalised or nonaggressive, or leave it out."
            )
        if spares and not self.accepted and self.classification != "rejected":
            raise ValueError(
                f"{self.label}: the regression {self.regression} spares what is accepted; give "
                "classification: rejected, or accepted, a pattern of columns of the same table."
            )

    @property
    def tables(self) -> tuple[TableQuery, ...]:
        """The tables that are needed besides fMRIPrep's confounds."""
        if self.table is None:
            return ()
        return (self.table, self.table.metrics) if self.classification else (self.table,)

    def matches(self, column: str) -> bool:
        """Whether the whole name of a column fits the pattern."""
        return re.fullmatch(self.pattern, column) is not None


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A named choice of confounds, of volumes to leave out, and of how to clean.

    Parameters
    ----------
    name : str
        Letters, digits, ``+``, ``_`` and ``.``.
    description : str
        One or two sentences for the methods text, about the regressed columns only; filter and
        censoring can be changed on the command line and are described from their parameters.
    bold_desc : tuple of str
        Labels of ``desc``, one of which the BOLD must have: of the denoising that the strategy
        goes on with. Empty: any BOLD will do.
    """

    name: str
    description: str
    reference: Reference
    groups: tuple[ColumnGroup, ...]
    censoring: CensoringParameters
    cleaning: CleaningParameters
    task: TaskParameters = field(default_factory=TaskParameters)
    bold_desc: tuple[str, ...] = ()

    @property
    def regresses(self) -> bool:
        """Whether there is a design: cosines alone are none where a filter is a high-pass."""
        columns = [
            group
            for group in self.groups
            if not (self.cleaning.is_high_pass and group.pattern.startswith("cosine"))
        ]
        return bool(columns) or self.models_task

    @property
    def models_task(self) -> bool:
        """Whether responses to events are part of the design."""
        return self.task.task_regressors != "none"

    @property
    def tables(self) -> tuple[TableQuery, ...]:
        """The tables that are needed besides fMRIPrep's confounds, each once."""
        return tuple(dict.fromkeys(table for group in self.groups for table in group.tables))

    @property
    def label(self) -> str:
        """What ``desc`` calls it in names of files; see `label_of`."""
        return label_of(self.name)

    def __post_init__(self) -> None:
        limits = self.censoring
        for name in ("min_segment_volumes", "volumes_before", "volumes_after"):
            if getattr(limits, name) and not limits.has_threshold:
                raise StrategyError(
                    f"Strategy {self.name}: {name} ({getattr(limits, name)}) has no effect "
                    f"without {', '.join(THRESHOLDS[:-1])} or {THRESHOLDS[-1]} (on the command "
                    "line --fd-threshold and the like). Give one, or leave it out."
                )

    def wants(self, column: str) -> bool:
        """Whether a column belongs to one of the groups."""
        return any(group.matches(column) for group in self.groups)

    def check_bold(self, bold: Path) -> None:
        """Refuse a BOLD that has not been denoised as the strategy takes it to be.

        Raises
        ------
        ConfoundsError
            If its ``desc`` is not one of `bold_desc`.
        """
        desc = parse_name(bold.name).entities.get("desc")
        if self.bold_desc and desc not in self.bold_desc:
            wanted = json.dumps({"bold": {"desc": list(self.bold_desc)}})
            raise ConfoundsError(
                f"{bold.name}: strategy {self.name} goes on with a BOLD that has been denoised, "
                f"desc-{' or desc-'.join(self.bold_desc)}. Ask for it with a --bids-filter-file "
                f"that holds {wanted}, or choose another strategy."
            )

    def with_overrides(self, **changes: Any) -> Strategy:
        """Replace some of the settings; ``"strategy"`` keeps what the strategy says.

        Cut-offs belong to a filter: where another ``filter`` is asked for, those of the strategy
        that the new filter has no use for are dropped; so are settings of a ``motion_filter``,
        and of how ``fd`` is recomputed. One that is *given* and has no use is refused.

        Parameters
        ----------
        **changes
            By the names of the fields of `CleaningParameters`, `CensoringParameters` and
            `TaskParameters`.

        Raises
        ------
        TypeError
            If none has such a field.
        StrategyError
            If the settings contradict each other, or one would have no effect.
        """
        given = {name: value for name, value in changes.items() if value != "strategy"}
        idle = dict.fromkeys(
            name
            for word, names in _IDLE.items()
            if word in changes
            for name in names.get(changes[word], ())
        )
        changed = idle | given
        censoring = {name: changed.pop(name) for name in _NAMES_OF_CENSORING & set(changed)}
        task = {name: changed.pop(name) for name in _NAMES_OF_TASK & set(changed)}
        return replace(
            self,
            cleaning=_override(self.name, self.cleaning, changed),
            censoring=_override(self.name, self.censoring, censoring),
            task=_override(self.name, self.task, task),
        )


_NAMES_OF_CENSORING = {item.name for item in fields(CensoringParameters)}
_NAMES_OF_TASK = {item.name for item in fields(TaskParameters)}


_OF_MOTION_FILTER = ("band_stop_min_bpm", "band_stop_max_bpm", "motion_filter_order")
_OF_RECOMPUTED = ("head_radius_mm", "motion_filter", *_OF_MOTION_FILTER)

_IDLE: dict[str, dict[Any, tuple[str, ...]]] = {
    "filter": {"none": ("high_pass_hz", "low_pass_hz"), "cosine": ("low_pass_hz",)},
    "motion_filter": {None: _OF_MOTION_FILTER, "lp": ("band_stop_max_bpm", "motion_filter_order")},
    "fd": {"table": _OF_RECOMPUTED, "rmsd": _OF_RECOMPUTED},
    "task_regressors": {"none": ("fir_length_s",), "canonical": ("fir_length_s",)},
}
"""Settings of a strategy that go where a word is asked for that has no use for them."""


def _override(name: str, parameters: P, changes: dict[str, Any]) -> P:
    try:
        return replace(parameters, **changes)
    except ValueError as error:
        raise StrategyError(
            f"Strategy {name} cannot be used with the options as given: {error}"
        ) from error


def label_of(name: str) -> str:
    """Tell what ``desc`` calls a strategy: BIDS knows labels of letters, digits and ``+`` only.

    Different names may have the same label; outputs of such are not asked for at once.

    Examples
    --------
    >>> [label_of(name) for name in ("36P", "simple+gsr", "acompcor_gsr", "scrubbing.5+gsr")]
    ['36P', 'simple+gsr', 'acompcorgsr', 'scrubbingp5+gsr']
    """
    return name.replace("_", "").replace(".", "p")


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
