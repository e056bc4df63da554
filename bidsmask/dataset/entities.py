"""BIDS file names: read into entities, put together again.

A name such as ``sub-01_task-rest_run-01_space-MNI_desc-preproc_bold.nii.gz`` is a list of
*entities* (``sub-01``: the entity ``sub`` with the label ``01``), a *suffix* (``bold``) and an
*extension* (``.nii.gz``). Labels are kept as they were written: ``run-01`` is not ``run-1``.

Only the file name is ever looked at. A folder called ``task-bar`` says nothing about its files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

ENTITY_ORDER = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc",
    "stain", "rec", "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi",
    "space", "split", "recording", "chunk", "atlas", "seg", "scale", "res", "den", "label",
    "stat", "desc",
)  # fmt: skip
"""Entities in the order in which a file name has them (BIDS 1.11; ``stat`` is BEP012's)."""

_RANK = {name: rank for rank, name in enumerate(ENTITY_ORDER)}
_UNKNOWN = _RANK["stat"] - 0.5  # entities we have not heard of: after all others, before stat
_ENTITY = re.compile(r"[a-zA-Z]+")
_LABEL = re.compile(r"[0-9a-zA-Z+]+")
_SUFFIX = re.compile(r"[0-9a-zA-Z]+")
_EXTENSION = re.compile(r"(\.[0-9a-zA-Z]+)*")


class Entities(Mapping[str, str]):
    """Entities of one file, from name to label, in the order of `ENTITY_ORDER`.

    Immutable and hashable; two are equal when they hold the same labels. Entities that BIDS
    does not know are kept, after the known ones and before ``stat`` and ``desc``.

    Parameters
    ----------
    labels : mapping, or iterable of (name, label)
        In any order.

    Raises
    ------
    ValueError
        If a name or label has other characters than BIDS allows, or a name comes twice.

    Examples
    --------
    >>> entities = Entities({"desc": "preproc", "task": "rest", "sub": "01"})
    >>> entities
    Entities({'sub': '01', 'task': 'rest', 'desc': 'preproc'})
    >>> entities | {"desc": "brain", "space": "T1w"}
    Entities({'sub': '01', 'task': 'rest', 'space': 'T1w', 'desc': 'brain'})
    >>> entities.without("desc", "run")
    Entities({'sub': '01', 'task': 'rest'})
    """

    __slots__ = ("_labels",)

    def __init__(self, labels: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = list(labels.items() if isinstance(labels, Mapping) else labels)
        for name, label in pairs:
            _check_entity(name, label)
        self._labels: dict[str, str] = dict(sorted(pairs, key=_rank))
        if len(self._labels) < len(pairs):
            raise ValueError(f"An entity comes twice in {pairs}.")

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __hash__(self) -> int:
        return hash(frozenset(self._labels.items()))

    def __repr__(self) -> str:
        return f"Entities({self._labels})"

    def __str__(self) -> str:
        return "_".join(f"{name}-{label}" for name, label in self._labels.items())

    def __or__(self, others: Mapping[str, str]) -> Entities:
        return Entities({**self._labels, **others})

    def without(self, *names: str) -> Entities:
        """Leave out `names`, which need not be there."""
        return Entities({name: label for name, label in self.items() if name not in names})

    def only(self, *names: str) -> Entities:
        """Keep those of `names` that are there."""
        return Entities({name: label for name, label in self.items() if name in names})


@dataclass(frozen=True)
class ParsedName:
    """What a file name says.

    Parameters
    ----------
    entities : Entities
    suffix : str
        What the file is: ``bold``, ``mask``, ``timeseries``.
    extension : str
        From the first dot on: ``.nii.gz``, ``.dtseries.nii``; may be empty.
    """

    entities: Entities
    suffix: str
    extension: str


@lru_cache(maxsize=512)
def parse_name(filename: str | PurePath) -> ParsedName:
    """Read a BIDS file name; of a path, only the last part is looked at.

    Raises
    ------
    ValueError
        If the name does not have the form ``<entity>-<label>_..._<suffix><extension>``.

    Examples
    --------
    >>> parse_name("sub-01_run-01_desc-preproc_bold.nii.gz")
    ParsedName(entities=Entities({'sub': '01', 'run': '01', 'desc': 'preproc'}),
               suffix='bold', extension='.nii.gz')
    """
    name = PurePath(filename).name
    stem, dot, rest = name.partition(".")
    *parts, suffix = stem.split("_")
    try:
        _check_ending(suffix, dot + rest)
        return ParsedName(Entities(map(_split_entity, parts)), suffix, dot + rest)
    except ValueError as error:
        raise ValueError(f"{name} is not a BIDS file name: {error}") from None


def build_name(entities: Mapping[str, str], suffix: str, extension: str) -> str:
    """Put a file name together, entities in BIDS order.

    ``build_name`` of what `parse_name` read is the name that was read, if its entities stood in
    the order of `ENTITY_ORDER`.

    Raises
    ------
    ValueError
        If an entity, the suffix or the extension holds characters that BIDS does not allow.

    Examples
    --------
    >>> build_name({"stat": "mean", "atlas": "Power", "sub": "01"}, "timeseries", ".tsv")
    'sub-01_atlas-Power_stat-mean_timeseries.tsv'
    """
    _check_ending(suffix, extension)
    return "_".join(filter(None, [str(Entities(entities)), suffix])) + extension


def with_cohort_in_space(entities: Entities) -> Entities:
    """Name the space of a cohort in one entity, as outputs do.

    BIDS has ``cohort`` in template files only.

    Examples
    --------
    >>> with_cohort_in_space(Entities({"sub": "01", "space": "MNIInfant", "cohort": "1"}))
    Entities({'sub': '01', 'space': 'MNIInfant+1'})
    """
    if "cohort" not in entities or "space" not in entities:
        return entities
    joined = f"{entities['space']}+{entities['cohort']}"
    return entities.without("cohort") | {"space": joined}


def is_label(text: str) -> bool:
    """Whether `text` can be the label of an entity: ASCII letters, digits and ``+``."""
    return _LABEL.fullmatch(text) is not None


def _rank(pair: tuple[str, str]) -> float:
    return _RANK.get(pair[0], _UNKNOWN)


def _split_entity(part: str) -> tuple[str, str]:
    name, dash, label = part.partition("-")
    if not dash:
        raise ValueError(f"{part!r} is not <entity>-<label>.")
    return name, label


@lru_cache(maxsize=4096)
def _check_entity(name: str, label: str) -> None:
    if not _ENTITY.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of an entity (letters only).")
    if not is_label(label):
        raise ValueError(f"{label!r} is not a label for {name!r} (letters, digits and + only).")


def _check_ending(suffix: str, extension: str) -> None:
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError(f"{suffix!r} is not a suffix (letters and digits only).")
    if not _EXTENSION.fullmatch(extension):
        raise ValueError(f"{extension!r} is not a file extension.")
