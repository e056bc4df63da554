"""Confound strategies: which columns are regressed, which volumes are left out, how to clean.

How one is written in a file: `bidsmask.dataset.strategy_files`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.selection import Criteria
from bidsmask.errors import ConfoundsError, StrategyError
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.hemodynamics import TaskParameters
from bidsmask.vocabulary import (
    THRESHOLDS,
    Classification,
    Regression,
)

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
