"""What a report says, as values: small, frozen, and the same in memory and in a JSON file.

::

    SubjectReport
    ├── sections: RunSection ...        one for each run that was done
    │   ├── facts: Fact ...
    │   ├── files: InputFile ...
    │   ├── atlases: CoverageSummary ...
    │   │   └── lost: LostRegion ...
    │   ├── strategies: StrategySummary ...
    │   │   └── ledger: LedgerSummary
    │   ├── quality: Measured ...
    │   ├── figures: Figure ...
    │   └── lost: LostPart ...          what could not be done of it
    └── failures: FailedRun ...         one for each run that was not

Runs finish at different times, in different processes; each leaves its section as JSON beside its
figures, and the report of the subject is assembled from those files alone. Nothing here knows a
date, a machine or a command line: the same values give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from bidsmask.numerics.verdict import DO_NOT_USE, LOOK, NOT_JUDGED, WORDS, Verdict, Word, worst


class Value:
    """A frozen dataclass that can be JSON and come back equal."""

    def to_json(self) -> dict[str, Any]:
        """As ``json.dumps`` accepts it: dicts, lists, strings, numbers and None."""
        return {name: _plain(value) for name, value in asdict(self).items()}  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Build the value that `to_json` described.

        Raises
        ------
        ValueError
            If a field is missing, unknown, or not of its type: the file was written by another
            version, or by hand.
        """
        value: Self = _build(cls, data, where=cls.__name__)
        return value


@dataclass(frozen=True, kw_only=True)
class Fact(Value):
    """A label and a value, both ready to be read: ``Fact(label="Volumes", value="300")``."""

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class InputFile(Value):
    """A file that a run needs or could use; `path` is None if it was not found."""

    role: str
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Figure(Value):
    """A picture with the words it needs.

    Parameters
    ----------
    key : str
        Unique within the run: the function in `bidsmask.reports.figures` that drew it, and, if
        there are several, a full stop and what tells them apart, such as
        ``"connectivity.simple.Schaefer2018"``. The part before the full stop decides under which
        heading the figure stands and which reading note comes with it.
    title, caption : str
        One line above and a few sentences below the figure.
    alt : str
        What the figure shows, for those who cannot see it.
    image : str
        Name of an SVG or PNG file in the folder of figures.
    """

    key: str
    title: str
    caption: str
    alt: str
    image: str

    @property
    def kind(self) -> str:
        """The part of the key before the first full stop."""
        return self.key.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class LostRegion(Value):
    """A region without a usable signal.

    Parameters
    ----------
    name : str
    label : int
        The integer in the atlas image.
    coverage : float
        Share of its voxels inside the run's mask, 0 to 1.
    reason : str
    """

    name: str
    label: int
    coverage: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class CoverageSummary(Value):
    """How much of an atlas a run covers. Counts are of regions; ok + partial + lost = all."""

    atlas: str
    n_regions: int
    n_ok: int
    n_partial: int
    n_lost: int
    lost: tuple[LostRegion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LedgerSummary(Value):
    """Where the volumes of a run went under one strategy.

    ``n_volumes = n_censored + n_detrend + n_filter + n_confounds + remaining``, and
    ``n_kept = n_volumes - n_censored``; see `bidsmask.numerics.cleaning.DegreesOfFreedom`.
    """

    strategy: str
    n_volumes: int
    n_censored: int
    n_kept: int
    n_detrend: int
    n_filter: float
    n_confounds: float
    n_regressors: int
    remaining: float


@dataclass(frozen=True, kw_only=True)
class StrategySummary(Value):
    """What a strategy did to a run.

    Parameters
    ----------
    name, description : str
    settings : tuple of Fact
        The parameters that took effect.
    columns : tuple of str
        Columns of the confounds table that were regressed.
    filled : tuple of str
        Those of them whose first row had no value and was filled.
    ledger : LedgerSummary
    censored : tuple of (str, int)
        Volumes that each method flagged; a volume may be flagged by several.
    verdict : str
        One of `bidsmask.numerics.verdict.WORDS`.
    verdict_reasons : tuple of str
        The measures that decided it.
    """

    name: str
    description: str
    settings: tuple[Fact, ...]
    columns: tuple[str, ...]
    filled: tuple[str, ...] = ()
    ledger: LedgerSummary
    censored: tuple[tuple[str, int], ...] = ()
    verdict: Word = NOT_JUDGED
    verdict_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measured(Value):
    """A measure of quality, and what it is under each strategy.

    Parameters
    ----------
    label : str
        Short: ``"DVARS"``.
    meaning : str
        For those who want to know more.
    values : tuple of str
        One for each strategy of the run, ready to be read: ``"20.5 → 14.7"``.
    """

    label: str
    meaning: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LostPart(Value):
    """A part of a run that is n/a, although the run is done.

    Parameters
    ----------
    part : str
        What it is: an atlas, seeds, a strategy, a measure, a figure.
    name : str
        Which of them.
    kind : str
        Name of the class in `bidsmask.errors`.
    reason : str
    """

    part: str
    name: str
    kind: str
    reason: str


def letters(parts: Iterable[LostPart]) -> tuple[str, ...]:
    """Say of lost parts what they are, and why they are n/a; one reason is said once.

    Examples
    --------
    >>> lost = (
    ...     LostPart(part="measure", name=name, kind="RunError", reason="It has one region.")
    ...     for name in ("correlation", "covariance")
    ... )
    >>> letters(lost)
    ('measures correlation; covariance are n/a: It has one region.',)
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for each in parts:
        alike.setdefault((each.part, each.reason), []).append(each.name)
    return tuple(
        f"{part} {names[0]} is n/a: {reason}"
        if len(names) == 1
        else f"{_PLURALS[part]} {'; '.join(names)} are n/a: {reason}"
        for (part, reason), names in alike.items()
    )


_PLURALS = {
    "atlas": "atlases",
    "seeds": "seeds",
    "strategy": "strategies",
    "measure": "measures",
    "figure": "figures",
    "run": "runs",
}


@dataclass(frozen=True, kw_only=True)
class RunSection(Value):
    """All that a report says of one run.

    Parameters
    ----------
    name : str
        Of the run, such as ``"sub-01_task-rest_run-1_space-MNI152NLin2009cAsym"``.
    title : str
        Short, for headings and navigation: ``"rest, run 1"``.
    facts : tuple of Fact
    files : tuple of InputFile
    warnings : tuple of str
    atlases : tuple of CoverageSummary
    strategies : tuple of StrategySummary
    quality : tuple of Measured
    figures : tuple of Figure
    lost : tuple of LostPart
    mean_fd_mm, median_tsnr : float or None
        For the table of all runs; None where unknown.
    made_from : str
        Fingerprint of files and settings, by which a later request knows whether this is of it.
    """

    name: str
    title: str
    facts: tuple[Fact, ...] = ()
    files: tuple[InputFile, ...] = ()
    warnings: tuple[str, ...] = ()
    atlases: tuple[CoverageSummary, ...] = ()
    strategies: tuple[StrategySummary, ...] = ()
    quality: tuple[Measured, ...] = ()
    figures: tuple[Figure, ...] = ()
    lost: tuple[LostPart, ...] = ()
    mean_fd_mm: float | None = None
    median_tsnr: float | None = None
    made_from: str = ""

    @property
    def lost_letters(self) -> tuple[str, ...]:
        """What is lost, and why."""
        return letters(self.lost)

    @property
    def verdict(self) -> Verdict:
        """The worst of its strategies; the reasons name all that are not good."""
        alike: dict[tuple[Word, str], list[str]] = {}
        for each in self.strategies:
            why = "; ".join(each.verdict_reasons)
            alike.setdefault((each.verdict, why), []).append(each.name)
        worst_first = sorted(alike, key=lambda key: -WORDS.index(key[0]))
        return Verdict(
            word=worst(each.verdict for each in self.strategies),
            reasons=tuple(
                f"{', '.join(alike[word, why])}: {word} ({why})"
                for word, why in worst_first
                if word in (LOOK, DO_NOT_USE)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class FailedRun(Value):
    """A run that was not completed: where it stopped, and the letter that says why."""

    name: str
    node: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SubjectReport(Value):
    """A whole report.

    Parameters
    ----------
    subject : str
        Label without ``sub-``.
    sections : tuple of RunSection
    failures : tuple of FailedRun
    citation : tuple of str
        Paragraphs for the methods section of a paper, in plain text.
    references : tuple of str
        Entries of the bibliography, in plain text.
    version : str
        Of bidsmask.
    """

    subject: str
    sections: tuple[RunSection, ...]
    failures: tuple[FailedRun, ...] = ()
    citation: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    version: str


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"JSON has no {value}; use None where a number is unknown.")
    return value


def _build(kind: Any, data: Any, *, where: str) -> Any:
    if is_dataclass(kind):
        return _build_dataclass(kind, data, where)
    if get_origin(kind) is Literal:
        return _build_word(get_args(kind), data, where)
    if get_origin(kind) is tuple:
        return _build_tuple(get_args(kind), data, where)
    return _build_scalar(get_args(kind) or (kind,), data, where)


def _build_dataclass(kind: Any, data: Any, where: str) -> Any:
    names = {field.name for field in fields(kind)}
    if not isinstance(data, dict) or set(data) != names:
        raise ValueError(
            f"{where} must have the fields {', '.join(sorted(names))}; found "
            f"{', '.join(sorted(data)) if isinstance(data, dict) else type(data).__name__}."
        )
    hints = _hints(kind)
    return kind(
        **{name: _build(hints[name], data[name], where=f"{where}.{name}") for name in data}
    )


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Work out the types of the fields, which are written as text."""
    return get_type_hints(kind)


def _build_tuple(kinds: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise ValueError(f"{where} must be a list; found {type(data).__name__}.")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(data)
    if len(kinds) != len(data):
        raise ValueError(f"{where} must have {len(kinds)} items; found {len(data)}.")
    return tuple(
        _build(kind, item, where=f"{where}[{number}]")
        for number, (kind, item) in enumerate(zip(kinds, data, strict=True))
    )


def _build_word(words: tuple[str, ...], data: Any, where: str) -> str:
    if data not in words:
        raise ValueError(f"{where} must be one of {', '.join(words)}; found {data!r}.")
    return str(data)


def _build_scalar(kinds: tuple[Any, ...], data: Any, where: str) -> Any:
    if float in kinds and type(data) is int:
        return float(data)
    if type(data) not in kinds:
        expected = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
        raise ValueError(f"{where} must be {expected}; found {type(data).__name__}.")
    return data
