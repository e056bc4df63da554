"""One BOLD run with its companions: brain mask, reference volume, confounds, metadata.

A run on the surfaces of both hemispheres is two files; it needs no mask, as there is none.

A run is described completely or says what is wrong with it. Two files that could both be meant
are never chosen between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsmask.dataset.companions import kinship
from bidsmask.dataset.entities import Entities, ParsedName, build_name, parse_name
from bidsmask.dataset.run_tables import RunTable, find_tables
from bidsmask.dataset.selection import (
    Criteria,
    Selection,
    Wanted,
    agrees,
    format_of,
    labels_of,
)
from bidsmask.dataset.sidecars import (
    Folders,
    Metadata,
    RepetitionTime,
    content_problem,
    header_t_r,
    of_both_hemispheres,
    read_metadata,
    repetition_time,
)
from bidsmask.dataset.strategies import Strategy, TableQuery
from bidsmask.errors import SidecarError
from bidsmask.vocabulary import FileFormat

IMAGE_EXTENSIONS = (".nii.gz", ".nii")

HEMISPHERES = {"L": "left", "R": "right"}
"""By their labels of ``hemi``."""

_PLACE = ("hemi", "space", "cohort", "res", "den", "label")
"""Entities that say on which grid an image lies, and not which acquisition it comes from."""


_File = tuple[Path, ParsedName]
_Files = Mapping[Path, Sequence[_File]]
"""The files of some folders."""


@dataclass(frozen=True, kw_only=True)
class BoldRun:
    """One preprocessed BOLD run and what belongs to it. All paths are absolute.

    Picklable, and its repr is the same in every process, so that it can stand in for the run in
    a hash.

    Parameters
    ----------
    files : tuple of Path
        Its image; or those of the left and the right hemisphere.
    entities : Entities
        Of its name, without ``hemi`` if it is two files.
    mask, boldref, confounds, confounds_json, events : Path or None
        None: there is none, or none that could be used. Events are looked for if something is
        asked of them.
    no_events : str
        Why there are none although something is asked of them: a letter.
    t_r : float or None
        Repetition time in seconds. None only if there is a problem.
    metadata : tuple of (key, value)
        What the sidecars say of ``EchoTime, FlipAngle, Resolution, SkullStripped,
        SliceTimingCorrected, StartTime, TaskName``, sorted; nested values as JSON text. Of a run
        on surfaces ``Density`` and ``SpatialReference``, too.
    tables : tuple of RunTable
        What the strategies ask for besides.
    problems : tuple of str
        Each a letter that says why this run cannot be done.
    warnings : tuple of str
        What is odd about the run, although it can be done.
    """

    files: tuple[Path, ...]
    entities: Entities
    mask: Path | None = None
    boldref: Path | None = None
    confounds: Path | None = None
    confounds_json: Path | None = None
    events: Path | None = None
    no_events: str = ""
    t_r: float | None = None
    metadata: tuple[tuple[str, Any], ...] = ()
    tables: tuple[RunTable, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def bold(self) -> Path:
        """Its first file, which stands for it in messages."""
        return self.files[0]

    @property
    def by_role(self) -> dict[str, Path]:
        """Its files by what they are: "BOLD", or "BOLD (left)" and "BOLD (right)"."""
        if len(self.files) == 1:
            return {"BOLD": self.bold}
        sides = [f"BOLD ({side})" for side in HEMISPHERES.values()]
        return dict(zip(sides, self.files, strict=True))

    @property
    def file_format(self) -> FileFormat:
        """What it is stored in."""
        return format_of(self.bold)

    @property
    def name(self) -> str:
        """The entities but ``desc``, such as ``sub-01_task-rest_space-T1w``: outputs' stem."""
        return str(self.entities.without("desc"))

    @property
    def home(self) -> Path:
        """The folder that the subject's folder lies in: the dataset."""
        return self._home_of(self.bold)

    @property
    def homes(self) -> set[Path]:
        """The datasets of all its files."""
        files = (*self.files, self.mask, self.confounds)
        return {
            *(self._home_of(path) for path in files if path),
            *(table.root for table in self.tables if table.root),
        }

    def _home_of(self, path: Path) -> Path:
        folders = [above for above in path.parents if above.name == f"sub-{self.subject}"]
        return folders[0].parent if folders else path.parent

    def confounds_files(self, strategies: Sequence[Strategy]) -> tuple[Path, ...]:
        """The tables that the confounds of some strategies come from, and their sidecar."""
        asked = {query for strategy in strategies for query in strategy.tables}
        own = (self.confounds, self.confounds_json)
        others = (table.path for table in self.tables if table.query in asked)
        return tuple(path for path in (*own, *others) if path)

    @property
    def subject(self) -> str:
        """Label of the participant, without ``sub-``."""
        return self.entities["sub"]

    @property
    def session(self) -> str | None:
        """Label of the session, without ``ses-``."""
        return self.entities.get("ses")

    @property
    def task(self) -> str | None:
        """Label of the task, without ``task-``."""
        return self.entities.get("task")

    @property
    def space(self) -> str | None:
        """Label of the space; None is the space in which the run was acquired."""
        return self.entities.get("space")


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a companion is called, and what its absence means.

    Parameters
    ----------
    query : str
        Its name in a ``--bids-filter-file``.
    title : str
        Its name in messages.
    suffixes, extensions : tuple of str
        As they may be; the first is how it is called today.
    desc : Wanted
        Unless the filter file says otherwise.
    on_grid : bool
        Whether it lies on the grid of the BOLD, in the same space and resolution.
    required : bool
        Whether nothing can be done without it.
    """

    query: str
    title: str
    suffixes: tuple[str, ...]
    extensions: tuple[str, ...]
    desc: Wanted
    on_grid: bool
    required: bool


_MASK = _Kind(
    query="mask",
    title="brain mask",
    suffixes=("mask",),
    extensions=IMAGE_EXTENSIONS,
    desc="brain",
    on_grid=True,
    required=True,
)
_BOLDREF = _Kind(
    query="boldref",
    title="BOLD reference",
    suffixes=("boldref",),
    extensions=IMAGE_EXTENSIONS,
    desc=(None, "coreg"),  # fMRIPrep 23.1 and later name the one in the run's own space so
    on_grid=True,
    required=False,
)
_CONFOUNDS = _Kind(
    query="confounds",
    title="confounds table",
    suffixes=("timeseries", "regressors"),
    extensions=(".tsv",),
    desc="confounds",
    on_grid=False,
    required=True,
)


@dataclass(frozen=True, kw_only=True)
class _Companion:
    path: Path | None = None
    problem: str | None = None
    warning: str | None = None


def read_run(
    files: Sequence[Path],
    *,
    root: Path,
    folders: Folders,
    selection: Selection,
    datasets: Mapping[str, Path] | None = None,
    queries: Sequence[TableQuery] = (),
) -> BoldRun:
    """Find and check everything that belongs to a BOLD run. Never fails: see `problems`.

    Companions lie in the folder of the BOLD, or else in the same folder of another dataset. They
    belong to the BOLD by their names, see `bidsmask.dataset.companions.kinship`; the nearest of
    kin are taken. Mask and reference lie on the same grid (space, cohort, resolution) besides.
    Where a filter says what an entity of a companion is, it need not be that of the BOLD.

    Parameters
    ----------
    files : sequence of Path
        Its image, or what there is of the hemispheres. Absolute, below `root`.
    root : Path
        Of the dataset, absolute; where inheritance of sidecars begins.
    folders : Folders
        Shared by the runs of a dataset, so that each folder is listed once.
    selection : Selection
        Its filters restrict the companions.
    datasets : mapping from name to root, optional
        Further ones, in which companions are looked for that are not beside the BOLD.
    queries : sequence of TableQuery
        Tables that strategies ask for.
    """
    bold, *_ = files = sorted(files)
    others = datasets or {}
    elsewhere = [root_of / bold.parent.relative_to(root) for root_of in others.values()]
    places = [
        {folder: folders.files(folder) for folder in group} for group in ([bold.parent], elsewhere)
    ]
    in_volumes = format_of(bold) == "nifti"
    mask, boldref, confounds = (
        _find_companion(bold, kind, places, selection.criteria(kind.query))
        if in_volumes or not kind.on_grid
        else _Companion()
        for kind in (_MASK, _BOLDREF, _CONFOUNDS)
    )
    confounds_json = _find_confounds_json(confounds.path, folders)
    metadata, time = _read_times(files, root, folders)
    reports = (mask, boldref, confounds, confounds_json, time)
    entities = parse_name(bold).entities
    is_pair = format_of(bold) == "gifti"
    return BoldRun(
        files=tuple(files),
        entities=entities.without("hemi") if is_pair else entities,
        mask=mask.path,
        boldref=boldref.path,
        confounds=confounds.path,
        confounds_json=confounds_json.path,
        t_r=time.t_r,
        metadata=metadata.pairs(on_surfaces=not in_volumes),
        tables=find_tables(bold, queries, root=root, folders=folders, datasets=others),
        problems=_letters(
            *map(content_problem, files),
            _not_a_pair(files) if is_pair else None,
            *(report.problem for report in reports),
        ),
        warnings=_letters(*(report.warning for report in reports)),
    )


def _not_a_pair(files: Sequence[Path]) -> str | None:
    """Say which hemisphere is missing, or there twice."""
    sides = [parse_name(file).entities.get("hemi", "") for file in files]
    names = " and ".join(file.name for file in files)
    if not set(sides) <= set(HEMISPHERES):
        return (
            f"{names}: the name does not say which hemisphere it is of. Call it as fMRIPrep does: "
            "with hemi-L or hemi-R."
        )
    if len(set(sides)) < len(sides):
        return f"{names} are of the same hemisphere of one run. Remove all but one."
    missing = [label for label in HEMISPHERES if label not in sides]
    if not missing:
        return None
    (label,), (file,) = missing, files
    parsed = parse_name(file)
    expected = build_name(parsed.entities | {"hemi": label}, parsed.suffix, parsed.extension)
    return (
        f"{file.name} is of one hemisphere, and {expected}, that of the {HEMISPHERES[label]} one, "
        f"is not beside it in {file.parent}. A run is both. Copy it there from fMRIPrep's output."
    )


def _read_times(
    files: Sequence[Path], root: Path, folders: Folders
) -> tuple[Metadata, RepetitionTime]:
    """Read what the sidecars of all files say, which has to be the same of both hemispheres."""
    found = [_read_time(file, root, folders) for file in files]
    try:
        metadata = of_both_hemispheres([metadata for metadata, _ in found])
    except SidecarError as error:
        return found[0][0], RepetitionTime(problem=str(error))
    worst = next((time for _, time in found if time.problem), found[0][1])
    return metadata, worst


def _read_time(bold: Path, root: Path, folders: Folders) -> tuple[Metadata, RepetitionTime]:
    try:
        metadata = read_metadata(bold, root=root, folders=folders)
    except SidecarError as error:
        return Metadata(), RepetitionTime(problem=str(error))
    if content_problem(bold):
        return metadata, RepetitionTime()  # said once is enough
    is_exact = format_of(bold) == "cifti"
    return metadata, repetition_time(bold, metadata, header_t_r(bold), is_exact=is_exact)


def _find_companion(
    bold: Path, kind: _Kind, places: Sequence[_Files], criteria: Criteria
) -> _Companion:
    """Find it in the first group of folders that has one."""
    entities = parse_name(bold).entities
    for folders in places:
        files = [file for of_folder in folders.values() for file in of_folder]
        if paths := _candidates(files, entities, kind, criteria):
            break
    else:
        return _absent(bold, entities, kind, criteria, places)
    letter = _ambiguous(bold, kind, paths) if len(paths) > 1 else content_problem(paths[0])
    return _lacking(kind, letter) if letter else _Companion(path=paths[0])


def _lacking(kind: _Kind, letter: str, remedy: str = "") -> _Companion:
    """Say what is wrong with a companion: it costs the run only if nothing can do without it."""
    if kind.required:
        return _Companion(problem=f"{letter}{remedy}")
    return _Companion(warning=f"{letter} Figures do without it.")


def _candidates(
    files: Iterable[_File], bold: Entities, kind: _Kind, criteria: Criteria
) -> list[Path]:
    """Choose the nearest of kin; among those that a filter asks for, whatever else they are."""
    usable = [
        (path, other.entities)
        for path, other in files
        if other.suffix in kind.suffixes
        and other.extension in kind.extensions
        and _same_place(other.entities, bold, kind, criteria)
        and agrees(labels_of(other), _with_default(criteria, "desc", kind.desc))
    ]
    decided = {entity for entity, _ in criteria} - {"sub"}
    for settled in (set(), decided):
        apart = (*_PLACE, "desc", *settled)
        kin = {
            path: n_shared
            for path, theirs in usable
            if (n_shared := kinship(theirs.without(*apart), bold.without(*apart))) is not None
        }
        if kin:
            return [path for path, n_shared in kin.items() if n_shared == max(kin.values())]
    return []


def _same_place(other: Entities, bold: Entities, kind: _Kind, criteria: Criteria) -> bool:
    decided = {entity for entity, _ in criteria}
    theirs, ours = (entities.only(*_PLACE).without(*decided) for entities in (other, bold))
    return theirs == ours or (not kind.on_grid and not theirs)


def _with_default(criteria: Criteria, entity: str, wanted: Wanted) -> Criteria:
    decided = any(name == entity for name, _ in criteria)
    return criteria if decided else (*criteria, (entity, wanted))


def _find_confounds_json(table: Path | None, folders: Folders) -> _Companion:
    if table is None:
        return _Companion()
    path = table.with_suffix(".json")
    if path not in dict(folders.files(table.parent)):
        return _Companion(
            warning=f"{table.name} has no {path.name} beside it, which says of each CompCor "
            "component whence it comes. Strategies with CompCor may need it."
        )
    if problem := content_problem(path):
        return _Companion(warning=f"{problem} Strategies with CompCor may need it.")
    return _Companion(path=path)


def _absent(
    bold: Path,
    entities: Entities,
    kind: _Kind,
    criteria: Criteria,
    places: Sequence[_Files],
) -> _Companion:
    found = {folder: files for group in places for folder, files in group.items()}
    where = " and ".join(map(str, found))
    letter = (
        f"No {kind.title} for {bold.name}: looked for {_expected_name(entities, kind)} in "
        f"{where}{_demanded(kind, criteria)}"
        f"{_others(kind, [file for files in found.values() for file in files])}."
    )
    remedy = (
        " Copy it there from fMRIPrep's output, name the dataset that has it with --datasets "
        f'NAME=PATH, or say under "{kind.query}" in a --bids-filter-file which file is meant.'
    )
    return _lacking(kind, letter, remedy)


def _expected_name(entities: Entities, kind: _Kind) -> str:
    place = entities.only(*_PLACE) if kind.on_grid else {}
    desc = {"desc": kind.desc} if isinstance(kind.desc, str) else {}
    expected = entities.without(*_PLACE, "desc") | place | desc
    if not kind.on_grid:
        expected = expected.without("echo")
    return build_name(expected, kind.suffixes[0], kind.extensions[0])


def _demanded(kind: _Kind, criteria: Criteria) -> str:
    return f' (with what the filter file asks of "{kind.query}")' if criteria else ""


def _others(kind: _Kind, files: Iterable[_File]) -> str:
    names = [path.name for path, parsed in files if parsed.suffix in kind.suffixes]
    names = [name for name in names if name.endswith(kind.extensions)]
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"; there is {', '.join(names[:3])}{more}"


def _ambiguous(bold: Path, kind: _Kind, paths: list[Path]) -> str:
    folders = list(dict.fromkeys(path.parent for path in paths))
    if len(folders) > 1:
        names = " and ".join(map(str, paths))
        remedy = "Leave all but one of these out of --datasets"
    else:
        names = f"{' and '.join(path.name for path in paths)} in {folders[0]}"
        remedy = "Remove all but one"
    return (
        f"{bold.name} has more than one {kind.title}: {names}. {remedy}, or say under "
        f'"{kind.query}" in a --bids-filter-file which is meant.'
    )


def _letters(*letters: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(letter for letter in letters if letter))
