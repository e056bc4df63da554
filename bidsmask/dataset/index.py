"""Which BOLD runs a dataset holds: read once, then frozen.

What a file is, its own name says. pybids, which is asked where the files are (`listing`), would
let the names of the folders above the dataset speak too.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bidsmask._names import did_you_mean
from bidsmask.dataset.entities import ParsedName, parse_name, with_cohort_in_space
from bidsmask.dataset.listing import (
    count_bold,
    is_are,
    is_folder,
    list_bold,
    real_place,
    relative,
    some_of,
)
from bidsmask.dataset.runs import BoldRun, read_run
from bidsmask.dataset.selection import Selection, agrees_with_one, format_of, labels_of
from bidsmask.dataset.sidecars import Folders, read_json
from bidsmask.dataset.strategies import TableQuery
from bidsmask.errors import DatasetError, NoInputError, SidecarError
from bidsmask.vocabulary import BOLD_EXTENSIONS, NATIVE_SPACES, FileFormat

SURFACE_SPACES = re.compile(r"fsaverage.*|fsLR|onavg.*")
"""Templates without voxels."""

_DESCRIPTION = "dataset_description.json"
_OPTIONS = {
    "ses": "--session-label",
    "task": "--task-id",
    "run": "--run-id",
    "space": "--space",
    "format": "--file-format",
}


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """Something that was asked for and is not there, or is there under no name that tells.

    Parameters
    ----------
    name : str
        What was asked for, such as ``sub-07`` or ``task-nback``; of a file its path in the
        dataset.
    reason : str
        A short letter.
    subject : str
        Label of the participant whose folder it was looked for in; empty if it was in several,
        or if there is none.
    """

    name: str
    reason: str
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Index:
    """The runs that were asked for, and what is odd about the dataset.

    Parameters
    ----------
    runs : tuple of BoldRun
        Sorted by path; also those that cannot be done (see `BoldRun.problems`).
    not_found : tuple of NotFound
        What was asked for besides.
    warnings : tuple of str
        Short letters.
    """

    runs: tuple[BoldRun, ...]
    not_found: tuple[NotFound, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    path: Path
    parsed: ParsedName

    @property
    def format(self) -> FileFormat:
        return format_of(self.path)

    def get(self, entity: str) -> str | None:
        """Label of an entity; or its format, which may be asked for in the same way."""
        return self.format if entity == "format" else self.parsed.entities.get(entity)


def find_runs(
    root: Path | str,
    selection: Selection,
    *,
    database_dir: Path | str | None = None,
    datasets: Mapping[str, Path] | None = None,
    queries: Sequence[TableQuery] = (),
) -> Index:
    """Find the BOLD runs of an fMRIPrep output that were asked for, with their companions.

    What is taken unless `selection` says otherwise: files with ``desc-preproc``, or without
    ``desc`` where there is none of those; of these, the ones in a volumetric template space, or
    else in a space of the individual's (``T1w``), or else without ``space``, and surfaces only
    if the selection speaks of spaces or formats; of a multi-echo run the combined echoes, or else
    each echo. What was left out is said in a warning.

    Parameters
    ----------
    root : path
        The dataset. Never written to.
    selection : Selection
        Participants, sessions, tasks, runs, spaces, filters.
    database_dir : path, optional
        Where pybids' index is kept for later calls, and taken from if it is there.
    datasets : mapping from name to root, optional
        Further ones, in which masks, references and confounds are looked for that are not
        beside their BOLD.
    queries : sequence of TableQuery
        Tables that strategies ask for besides.

    Returns
    -------
    Index

    Raises
    ------
    DatasetError
        If `root` is no folder, has none of the asked participants, or the index in
        `database_dir` is damaged or of another dataset.
    NoInputError
        If there is no BOLD, none that matches, only such on surfaces and nobody asked for these,
        or the dataset is raw.
    SettingsError
        If `database_dir` lies inside the dataset.
    OutputError
        If nothing can be written to `database_dir`.
    """
    root = _absolute(Path(root))
    subjects, unknown = _find_subjects(root, selection)
    description, of_description = _read_description(root)
    database = None if database_dir is None else _absolute(Path(database_dir))
    listing = list_bold(root, subjects, description, database)
    files, nameless, of_names = _read_names(listing.paths, root)
    notes = (*selection.filter_warnings, *of_description, *listing.notes, *of_names)
    if not files:
        letters = (*notes, *(each.reason for each in (*unknown, *nameless)))
        raise NoInputError(_no_bold(root, subjects, letters))
    if _looks_raw(files, description):
        raise NoInputError(
            f"{root} looks like raw BIDS, give the fMRIPrep output{_meant(root)}: its BOLD files "
            f"have neither space nor desc, and {_DESCRIPTION} does not say that it is derived."
        )
    chosen, of_choice = _choose(files, root, selection)
    named = [label for label in subjects if label not in {each.subject for each in nameless}]
    without_runs, passed_over = _subjects_without_runs(named, files, chosen, selection)
    unmatched = _unmatched_options(selection, _preferred(files, selection), subjects)
    folders = Folders()
    runs = [
        read_run(
            [file.path for file in of_run],
            root=root,
            folders=folders,
            selection=selection,
            datasets=datasets,
            queries=queries,
        )
        for of_run in _joined(chosen)
    ]
    return Index(
        runs=_mark_collisions(runs),
        not_found=(*unknown, *without_runs, *nameless, *unmatched),
        warnings=(*notes, *of_choice, *passed_over),
    )


# Participants and the dataset as a whole


def _absolute(path: Path) -> Path:
    return path.resolve() if ".." in path.parts else path.absolute()


Notes = list[str]
"""What is odd about something, in short letters; the second of what many of these give."""


def _find_subjects(root: Path, selection: Selection) -> tuple[list[str], list[NotFound]]:
    """Labels of the asked participants that have a folder, and the others."""
    existing = _existing_subjects(root)
    if not existing:
        raise NoInputError(
            f"{root} has no sub-* folder; fMRIPrep's output was expected{_meant(root)}."
        )
    asked = selection.subjects or tuple(existing)
    there = f"It has {some_of([f'sub-{label}' for label in existing], 10)}."
    unknown = [label for label in asked if label not in existing]
    if len(unknown) == len(asked):
        names = some_of([f"sub-{label}" for label in unknown], 10)
        raise DatasetError(f"{root} has no {names}.{did_you_mean(unknown[0], existing)} {there}")
    return [label for label in asked if label in existing], [
        NotFound(
            name=f"sub-{label}",
            reason=f"{root} has no sub-{label}.{did_you_mean(label, existing)} {there}",
        )
        for label in unknown
    ]


def _existing_subjects(root: Path) -> list[str]:
    if not is_folder(root):
        raise DatasetError(f"{root} is not a folder; fMRIPrep's output was expected.")
    try:
        found = [path.name for path in root.iterdir() if is_folder(path)]
    except OSError as error:
        raise DatasetError(f"{root} cannot be read: {error.strerror}.") from None
    return sorted(name[4:] for name in found if name.startswith("sub-"))


def _read_description(root: Path) -> tuple[dict[str, Any] | None, Notes]:
    """Read what the dataset says of itself; None if it cannot be read."""
    path = root / _DESCRIPTION
    if not os.path.lexists(path):
        return {}, [f"{root} has no {_DESCRIPTION}; it is taken for fMRIPrep's output."]
    try:
        return read_json(path), []
    except SidecarError as error:
        return None, [f"{error} The dataset is taken for fMRIPrep's output."]


def _looks_raw(files: Iterable[_File], description: dict[str, Any] | None) -> bool:
    said = description or {}
    kind = "derivative" if "GeneratedBy" in said or "PipelineDescription" in said else "raw"
    derived = said.get("DatasetType", kind) == "derivative"
    return not derived and not any(file.get("space") or file.get("desc") for file in files)


def _meant(root: Path) -> str:
    """Guess the folder that was meant."""
    found = {path.parent for pattern in ("*/sub-*", "derivatives/*/sub-*")
             for path in root.glob(pattern) if is_folder(path)}  # fmt: skip
    found = {path for path in found if path.name not in ("sourcedata", "code", "derivatives")}
    return f" (is {sorted(found)[0]} meant?)" if found else ""


# Names


def _read_names(paths: Iterable[Path], root: Path) -> tuple[list[_File], list[NotFound], Notes]:
    """Files whose BIDS name agrees with the folder they lie in, each once; those without one."""
    files: list[_File] = []
    misplaced: list[_File] = []
    nameless: list[NotFound] = []
    for path in paths:
        try:
            file = _File(path, parse_name(path))
        except ValueError as error:
            nameless.append(_without_name(path, root, error))
            continue
        (files if _agrees_with_folder(file, root) else misplaced).append(file)
    return _each_once(files), nameless, list(_misplaced(misplaced, root))


def _without_name(path: Path, root: Path, error: ValueError) -> NotFound:
    place = relative(path, root)[1:]
    subject = place.split("/")[0].removeprefix("sub-")
    return NotFound(
        name=place,
        subject=subject,
        reason=f"{path} is without a BIDS name, and left out. {error} Give it the name that "
        f"fMRIPrep gave it, such as sub-{subject}_task-rest_desc-preproc_bold.nii.gz, or move it "
        "out of the folder.",
    )


def _misplaced(files: Sequence[_File], root: Path) -> Iterator[str]:
    if files:
        yield (
            f"{count_bold(files)} named after another subject or session than the folder they "
            f"lie in {is_are(files)} left out: "
            f"{some_of([relative(file.path, root)[1:] for file in files])}."
        )


def _agrees_with_folder(file: _File, root: Path) -> bool:
    subject, *session, _, _ = file.path.relative_to(root).parts
    same_session = [f"ses-{file.get('ses')}"] == session if session and file.get("ses") else True
    return f"sub-{file.get('sub')}" == subject and same_session


def _each_once(files: Iterable[_File]) -> list[_File]:
    """One path for each file, the shortest, where links to folders lead to it by several."""
    once: dict[tuple[str, str], _File] = {}
    for file in sorted(files, key=lambda file: (len(file.path.parts), file.path)):
        once.setdefault(real_place(file.path), file)
    return sorted(once.values(), key=lambda file: file.path)


# Choosing


def _joined(files: Iterable[_File]) -> list[list[_File]]:
    """Put the hemispheres of a run together; all others are alone."""
    runs: dict[object, list[_File]] = {}
    for file in files:
        is_half = file.format == "gifti"
        of_run = file.path.parent, file.parsed.entities.without("hemi", "desc"), file.get("desc")
        runs.setdefault(of_run if is_half else file.path, []).append(file)
    return list(runs.values())


def _choose(files: list[_File], root: Path, selection: Selection) -> tuple[list[_File], Notes]:
    """Files that were asked for; where the user is silent, those that fMRIPrep is run for."""
    preferred = _preferred(files, selection)
    accepted = [file for file in preferred if selection.accepts(labels_of(file.parsed))]
    if not accepted:
        found = preferred or files
        raise NoInputError(
            f"None of {count_bold(found)} in {root} matches the request{_asked(selection)}. "
            f"There is {_inventory(found)}."
            + ("" if preferred else " Ask for a desc with a --bids-filter-file.")
        )
    in_space = _of_default_spaces(accepted, root, selection)
    chosen = in_space if selection.decides("bold", "echo") else _combined_echoes(in_space)
    return chosen, [
        *_passed_over(files, preferred, "desc", '--bids-filter-file {"bold": {"desc": ...}}'),
        *_passed_over(accepted, in_space, "space", "--space"),
        *_passed_over(in_space, chosen, "echo", '--bids-filter-file {"bold": {"echo": "*"}}'),
    ]


def _preferred(files: list[_File], selection: Selection) -> list[_File]:
    return files if selection.decides("bold", "desc") else _of_best_desc(files)


def _of_best_desc(files: list[_File]) -> list[_File]:
    """Leave out what nobody asked for, format by format: surfaces need not have ``desc``."""
    best = {}
    for file_format in BOLD_EXTENSIONS:
        descs = {file.get("desc") for file in files if file.format == file_format}
        best[file_format] = "preproc" if "preproc" in descs else None
    return [file for file in files if file.get("desc") == best[file.format]]


def _of_default_spaces(files: list[_File], root: Path, selection: Selection) -> list[_File]:
    """Leave out spaces, and surfaces, if nothing is said of either."""
    if selection.decides("bold", "space"):
        return files
    volumes = _of_best_space([file for file in files if file.format == "nifti"])
    surfaces = [file for file in files if file.format != "nifti"]
    kept = {*volumes, *(surfaces if selection.decides("bold", "extension") else ())}
    if not kept:
        spaces = sorted({str(file.get("space")) for file in files})
        raise NoInputError(
            f"{root} has {count_bold(files)} on surfaces{_asked(selection)} and none in volumes, "
            f"which are taken by default. Ask for surfaces: --space {' '.join(spaces)}."
        )
    return [file for file in files if file in kept]


def _of_best_space(files: list[_File]) -> list[_File]:
    tiers = [[file for file in files if _tier(file) == tier] for tier in range(3)]
    return next((tier for tier in tiers if tier), [])


def _tier(file: _File) -> int:
    """0: a template with voxels; 1: another space; 2: no space entity, as acquired."""
    space = file.get("space")
    if space is None:
        return 2
    return int(space in NATIVE_SPACES or SURFACE_SPACES.fullmatch(space) is not None)


def _combined_echoes(files: list[_File]) -> list[_File]:
    """Leave out single echoes of which the combination is there too."""
    combined = {file.parsed.entities for file in files if file.get("echo") is None}
    return [
        file
        for file in files
        if file.get("echo") is None or file.parsed.entities.without("echo") not in combined
    ]


def _passed_over(files: list[_File], kept: list[_File], entity: str, option: str) -> Iterator[str]:
    """Say what was left out because of an entity that nobody had asked about."""
    chosen = {file.path for file in kept}
    counts = Counter(file.get(entity) for file in files if file.path not in chosen)
    if kept and counts:
        labels = [
            f"{n} with {_spelt(entity, label)}" for label, n in sorted(counts.items(), key=str)
        ]
        yield f"BOLD files left out: {some_of(labels, 10)}. Ask for them with {option}."


def _unmatched_options(
    selection: Selection, files: list[_File], subjects: Sequence[str]
) -> Iterator[NotFound]:
    """Labels that were asked for and that no BOLD file of these participants has."""
    of_one = f"sub-{subjects[0]}_" if len(subjects) == 1 else ""
    for entity, label, choices in selection.options():
        if not any(agrees_with_one(labels_of(file.parsed), choices) for file in files):
            known = {file.get(entity) or "" for file in files}
            yield NotFound(
                name=f"{of_one}{entity}-{label}",
                subject=subjects[0] if of_one else "",
                reason=f"{_OPTIONS[entity]} {label}: no BOLD file matches."
                f"{did_you_mean(label, known)} There is {_values(files, entity)}.",
            )


def _subjects_without_runs(
    subjects: Iterable[str], files: list[_File], chosen: list[_File], selection: Selection
) -> tuple[list[NotFound], Notes]:
    """Participants that nothing can be done for.

    Whoever did not take part in a task, or in a session, was not asked for: that is a note, unless
    the participant was asked for by name.
    """
    done = {file.get("sub") for file in chosen}
    in_any_space = replace(selection, spaces=())
    not_found, absent = [], []
    for label in subjects:
        if label in done:
            continue
        own = [file for file in files if file.get("sub") == label]
        has_some = any(in_any_space.accepts(labels_of(file.parsed)) for file in own)
        if own and not has_some and label not in selection.subjects:
            absent.append(f"sub-{label} ({_inventory(own)})")
        else:
            not_found.append(_without_run(label, own, selection))
    notes = [f"No run to do for {some_of(absent, 10)}."] if absent else []
    return not_found, notes


def _without_run(label: str, own: Sequence[_File], selection: Selection) -> NotFound:
    if own:
        reason = (
            f"None of its {count_bold(own)} is what is asked for{_asked(selection)}; there is "
            f"{_inventory(own)}. Choose with --space and the like, or leave the participant out."
        )
    else:
        reason = (
            f"There is no BOLD (*_bold.nii.gz and the like) in sub-{label}/func or "
            f"sub-{label}/ses-*/func. Copy it there from fMRIPrep's output, or leave the "
            "participant out with --participant-label."
        )
    return NotFound(name=f"sub-{label}", subject=label, reason=reason)


def _mark_collisions(runs: Sequence[BoldRun]) -> tuple[BoldRun, ...]:
    """Two runs whose outputs would have the same names cannot both be done: neither is."""
    same: dict[str, list[BoldRun]] = {}
    for run in runs:
        same.setdefault(_stem_of_outputs(run), []).append(run)
    return tuple(_with_collision(run, same[_stem_of_outputs(run)]) for run in runs)


def _stem_of_outputs(run: BoldRun) -> str:
    return str(with_cohort_in_space(run.entities).without("desc"))


def _with_collision(run: BoldRun, same: Sequence[BoldRun]) -> BoldRun:
    if len(same) == 1:
        return run
    files = " and ".join(str(file) for other in same for file in other.files)
    letter = (
        f"Outputs of {files} would have the same names, "
        f"{_stem_of_outputs(run)}_*. Remove one, or choose with a --bids-filter-file."
    )
    return replace(run, problems=(*run.problems, letter))


# Words


def _no_bold(root: Path, subjects: Sequence[str], notes: Sequence[str]) -> str:
    names = some_of([f"sub-{label}" for label in subjects], 10)
    return " ".join(
        [
            f"{root} has no *_bold.nii.gz, *_bold.dtseries.nii or *_bold.func.gii in the func "
            f"folders of {names}.",
            *notes,
        ]
    )


def _asked(selection: Selection) -> str:
    words = [f"{_OPTIONS[entity]} {label}" for entity, label, _ in selection.options()]
    words += [f'"{entity}" of the filter file' for entity, _ in selection.criteria("bold")]
    return f" ({', '.join(words)})" if words else ""


def _inventory(files: Sequence[_File]) -> str:
    held = [_values(files, entity) for entity in ("ses", "task", "run", "space", "desc")]
    return ", ".join(filter(None, held))


def _values(files: Iterable[_File], entity: str) -> str:
    labels = sorted({file.get(entity) or "" for file in files})
    return some_of([_spelt(entity, label) for label in labels], 10) if any(labels) else ""


def _spelt(entity: str, label: str | None) -> str:
    return f"{entity}-{label}" if label else f"no {entity}"
