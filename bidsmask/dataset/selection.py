"""Which BOLD runs, and which of their companions, a user asked for.

Light on purpose: the command line imports this module before anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsmask.dataset.entities import ENTITY_ORDER, ParsedName, is_label
from bidsmask.errors import SettingsError
from bidsmask.vocabulary import BOLD_EXTENSIONS, BOLD_SPACES, FileFormat

Wanted = str | None | tuple[str | None, ...]
"""A label; ``None``: must be absent; ``"*"``: any, but there; a tuple: one of these."""

Criteria = tuple[tuple[str, Wanted], ...]
"""(entity, what is wanted of it) pairs, all of which have to agree."""

QUERIES = ("bold", "mask", "boldref", "confounds")
"""What a filter file can ask for: the BOLD itself and the companions of a run."""

INDICES = ("run", "echo", "flip", "inv", "split", "chunk")
"""Entities whose labels are numbers: ``run-1`` is also ``run-01``."""

_NOT_ENTITIES = ("suffix", "extension", "datatype")
LONG_NAMES = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "nucleus": "nuc", "volume": "voi",
    "ceagent": "ce", "tracer": "trc", "reconstruction": "rec", "direction": "dir",
    "modality": "mod", "inversion": "inv", "mtransfer": "mt", "processing": "proc",
    "hemisphere": "hemi", "segmentation": "seg", "resolution": "res", "density": "den",
    "description": "desc",
}  # fmt: skip
_EXTENSION = re.compile(r"\.?[0-9a-zA-Z]+(\.[0-9a-zA-Z]+)*")

_FSAVERAGE_DENSITIES = {
    "fsaverage3": "fsaverage:den-642",
    "fsaverage4": "fsaverage:den-3k",
    "fsaverage5": "fsaverage:den-10k",
    "fsaverage6": "fsaverage:den-41k",
    "fsaverage:den-native": "fsaverage:den-164k",
}
"""Two spellings of one mesh: FreeSurfer's name and TemplateFlow's. Without ``den`` it is whole."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to take from a dataset. An empty field means: all there is.

    Parameters
    ----------
    participants, sessions, tasks, runs : tuple of str
        Labels, with or without ``sub-``, ``ses-``, ``task-``, ``run-``. Run ``1`` is also ``01``.
    spaces : tuple of str
        Labels of ``space``, as fMRIPrep writes them on its command line: ``T1w``,
        ``MNIInfant:cohort-2``, ``MNI152NLin2009cAsym:res-2`` (``res-native``: no ``res``).
        One of `bidsmask.vocabulary.BOLD_SPACES` also means BOLD without a space entity;
        ``fsaverage5`` and ``fsaverage:den-10k`` are the same.
    file_formats : tuple of {"nifti", "cifti", "gifti"}
    filters : tuple of (query, criteria)
        From ``--bids-filter-file``; see `read_filter_file`.
    filter_warnings : tuple of str
        What was odd about the filter file.

    Examples
    --------
    >>> selection = Selection(tasks=("task-rest",), runs=("1",), spaces=("MNI:res-2",))
    >>> selection.accepts({"task": "rest", "run": "01", "space": "MNI", "res": "2"})
    True
    >>> selection.accepts({"task": "rest", "run": "01", "space": "MNI", "res": "1"})
    False
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    file_formats: tuple[FileFormat, ...] = ()
    filters: tuple[tuple[str, Criteria], ...] = ()
    filter_warnings: tuple[str, ...] = ()

    @property
    def subjects(self) -> tuple[str, ...]:
        """The participants' labels without ``sub-``, each once, in the order asked."""
        return tuple(dict.fromkeys(_bare("sub", self.participants)))

    def options(self) -> Iterator[tuple[str, str, tuple[Criteria, ...]]]:
        """Every label asked for on the command line: its option, itself, and what will do."""
        named = {"ses": self.sessions, "task": self.tasks, "run": self.runs}
        for entity, labels in named.items():
            for label in _bare(entity, labels):
                yield entity, label, (((entity, label),),)
        for space in _bare("space", self.spaces):
            yield "space", space, tuple(map(_space_criteria, _spellings(space)))
        for name in self.file_formats:
            yield "format", name, ((("extension", BOLD_EXTENSIONS[name]),),)

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether a BOLD file with these labels (entities, suffix, ...) was asked for."""
        asked: dict[str, bool] = {}
        for option, _, choices in self.options():
            asked[option] = asked.get(option, False) or agrees_with_one(labels, choices)
        return all(asked.values()) and agrees(labels, self.criteria("bold"))

    def criteria(self, query: str) -> Criteria:
        """Demands of the filter file on the files of this query."""
        return tuple(pair for name, pairs in self.filters if name == query for pair in pairs)

    def decides(self, query: str, entity: str) -> bool:
        """Whether the user has settled an entity, so that our own preference has no say."""
        on_command_line = query == "bold" and any(
            entity == name
            for _, _, choices in self.options()
            for criteria in choices
            for name, _ in criteria
        )
        return on_command_line or any(entity == name for name, _ in self.criteria(query))


def labels_of(parsed: ParsedName) -> dict[str, str]:
    """All that a filter can ask of a functional file: entities, suffix, extension, datatype."""
    other = {"suffix": parsed.suffix, "extension": parsed.extension, "datatype": "func"}
    return {**parsed.entities, **other}


def agrees(labels: Mapping[str, str], criteria: Criteria) -> bool:
    """Whether each criterion holds.

    Examples
    --------
    >>> agrees({"run": "01", "echo": "2"}, (("run", "1"), ("echo", "*"), ("rec", None)))
    True
    """
    return all(_agrees(entity, labels.get(entity), wanted) for entity, wanted in criteria)


def agrees_with_one(labels: Mapping[str, str], choices: Iterable[Criteria]) -> bool:
    """Whether all criteria of one of the choices hold."""
    return any(agrees(labels, criteria) for criteria in choices)


def format_of(path: Path | str) -> FileFormat:
    """Tell by its name what a BOLD file is stored in.

    Examples
    --------
    >>> format_of("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii")
    'cifti'
    """
    extension = f".{Path(path).name.partition('.')[2]}"
    found = (name for name, extensions in BOLD_EXTENSIONS.items() if extension in extensions)
    return next(found, "nifti")


def read_filter_file(path: Path) -> tuple[tuple[tuple[str, Criteria], ...], tuple[str, ...]]:
    """Read a ``--bids-filter-file``.

    JSON such as ``{"bold": {"acquisition": "ap", "echo": null, "run": [1, 2]}}``: ``null`` is
    "must be absent", ``"*"`` "any", a list "one of". Entities go by their short (``acq``) or
    long (``acquisition``) name.

    Returns
    -------
    filters : tuple of (query, criteria)
        One for each query that we know (`QUERIES`).
    warnings : tuple of str
        Names of queries or entities that we do not know.

    Raises
    ------
    SettingsError
        If the file cannot be read, or says something that cannot be a filter.
    """
    content = _read_json_object(path)
    filters = [
        (query, read_criteria(path, f'"{query}"', content[query]) if query in QUERIES else ())
        for query in content
    ]
    warnings = [*_unknown_queries(path, content), *_unknown_entities(path, filters)]
    return tuple(pair for pair in filters if pair[0] in QUERIES), tuple(warnings)


def read_criteria(path: Path, where: str, content: Any) -> Criteria:
    """Read what is wanted of the labels of a file.

    Parameters
    ----------
    path : Path
        File in which it stands, for the messages.
    where : str
        Place in it.
    content : mapping from entity to what is wanted of it
        As in a ``--bids-filter-file``.

    Raises
    ------
    SettingsError
        If it says something that cannot be a filter.
    """
    if not isinstance(content, dict):
        raise SettingsError(
            f'{path}: {where} has to be an object of entities such as {{"run": 1}}, '
            f"not {_short(content)}."
        )
    return tuple(
        (_short_name(entity), _read_wanted(path, where, entity, value))
        for entity, value in content.items()
    )


def _bare(entity: str, labels: Iterable[str]) -> list[str]:
    return [label.removeprefix(f"{entity}-") for label in labels]


def _spellings(space: str) -> tuple[str, ...]:
    """Give all ways to name a space: some meshes have two names."""
    return next((pair for pair in _FSAVERAGE_DENSITIES.items() if space in pair), (space,))


def _space_criteria(space: str) -> Criteria:
    """Criteria of a space as fMRIPrep spells it: ``name[:entity-label...]``."""
    name, *modifiers = space.split(":")
    criteria: list[tuple[str, Wanted]] = [("space", (None, name) if name in BOLD_SPACES else name)]
    for modifier in modifiers:
        entity, _, label = modifier.partition("-")
        criteria.append((entity, None if label == "native" else label))
    return tuple(criteria)


def _agrees(entity: str, label: str | None, wanted: Wanted) -> bool:
    if isinstance(wanted, tuple):
        return any(_agrees(entity, label, one) for one in wanted)
    if label is None or wanted is None:
        return label is wanted
    return wanted == "*" or _same_label(entity, label, wanted)


def _same_label(entity: str, label: str, wanted: str) -> bool:
    if entity in INDICES and label.isdecimal() and wanted.isdecimal():
        return label.lstrip("0") == wanted.lstrip("0")
    return label == wanted


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as a filter file (JSON): {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(
            f'{path}: a filter file is a JSON object such as {{"bold": {{"run": 1}}}}, '
            f"not {_short(content)}."
        )
    return content


def _short_name(entity: str) -> str:
    return LONG_NAMES.get(entity, entity)


def _read_wanted(path: Path, where: str, entity: str, value: Any) -> Wanted:
    try:
        if isinstance(value, list):
            return tuple(_read_one(entity, item) for item in value)
        return _read_one(entity, value)
    except ValueError:
        raise SettingsError(
            f'{path}: {where}: "{entity}" cannot be {_short(value)}. It can be a label '
            '(letters, digits and +), a whole number, null (must be absent), "*" (any), or a '
            "list of these."
        ) from None


def _read_one(entity: str, value: Any) -> str | None:
    if value is None or value == "*":
        return None if value is None else "*"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError
    text = str(value).removeprefix(f"{_short_name(entity)}-")
    if entity == "extension" and _EXTENSION.fullmatch(text):
        return "." + text.removeprefix(".")
    if not is_label(text):
        raise ValueError
    return text


def _unknown_queries(path: Path, content: dict[str, Any]) -> Iterator[str]:
    unknown = [query for query in content if query not in QUERIES]
    if unknown:
        yield (
            f"{path}: {_quoted(unknown)} is not looked for by bidsmask and has no effect; it "
            f"looks for {_quoted(QUERIES)}."
        )


def _unknown_entities(path: Path, filters: list[tuple[str, Criteria]]) -> Iterator[str]:
    known = {*ENTITY_ORDER, *_NOT_ENTITIES}
    for query, criteria in filters:
        unknown = [entity for entity, _ in criteria if entity not in known]
        if unknown:
            yield (
                f'{path}: "{query}": BIDS has no entity {_quoted(unknown)}; it is compared with '
                "the file names as it stands."
            )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)  # YAML has dates, too
    return text if len(text) <= 40 else text[:37] + "..."
