"""Where the BOLD files of a dataset are: pybids is asked, and the folders are walked.

pybids is asked for one thing, the list of BOLD files. It reads no metadata (one damaged JSON
would stop it for all runs), looks into the folders of the asked subjects only (a dataset of
64,000 files takes a second instead of minutes), and keeps no database unless told to.

What only one of the two finds is never lost in silence.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
import warnings as python_warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bidsmask.errors import BidsmaskError, DatasetError, OutputError, SettingsError
from bidsmask.vocabulary import BOLD_EXTENSIONS

_DATABASE = "layout_index.sqlite"  # as pybids calls it
_EXTENSIONS = [extension for each in BOLD_EXTENSIONS.values() for extension in each]
_BOLD = f"_bold(?:{'|'.join(map(re.escape, _EXTENSIONS))})"
_BOLD_NAME = re.compile(rf"(?!\.).*{_BOLD}")
_ALL_ENTITIES = ["bids", "derivatives"]
_ASKED_FOR = [
    {
        "name": "bold",
        "entities": [
            {"name": "suffix", "pattern": r"_([a-zA-Z0-9+]+)\.[^/]+$"},
            {"name": "extension", "pattern": r"[^./](\.[^/]+)$"},
        ],
    }
]
"""What pybids reads in a name. An index that is kept has all entities, for others to use."""

_NO_BOLD_IN = frozenset(["anat", "figures", "log", "logs", "fmap", "dwi", "surf"])


@dataclass(frozen=True, kw_only=True)
class Listing:
    """BOLD files, and what is odd about them.

    Parameters
    ----------
    paths : tuple of Path
        Sorted.
    notes : tuple of str
        Short letters.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def list_bold(
    root: Path,
    subjects: Sequence[str],
    description: Mapping[str, Any] | None,
    database: Path | None,
) -> Listing:
    """List the BOLD files of some subjects, in the folders where fMRIPrep puts them.

    Whatever has the name of a BOLD is listed: links that lead nowhere and folders too.

    Parameters
    ----------
    root : Path
        Of the dataset, absolute.
    subjects : sequence of str
        Labels without ``sub-``, of subjects that have a folder.
    description : mapping or None
        Content of ``dataset_description.json``, empty if there is no such file. None: it cannot
        be read. pybids, which insists on reading it, is then not asked.
    database : Path or None
        Folder in which pybids' index is kept.

    Returns
    -------
    listing : Listing
        Of files below `root`.

    Raises
    ------
    DatasetError
        If the index in `database` is damaged or of another dataset.
    SettingsError
        If `database` lies inside the dataset.
    OutputError
        If nothing can be written to `database`.
    """
    place = _place_of_bold(subjects)
    walks = [_walk(root / f"sub-{label}", root, place) for label in subjects]
    on_disk = {path for walk in walks for path in walk.paths}
    walked = {path for path in on_disk if place.fullmatch(relative(path, root))}
    of_disk = [
        *(note for walk in walks for note in walk.notes),
        *_strays(on_disk - walked, {real_place(path) for path in walked}, root),
    ]
    asked = _ask_pybids(root, place, description, database)
    if isinstance(asked, str):
        return Listing(paths=tuple(sorted(walked)), notes=(*of_disk, *filter(None, [asked])))
    indexed = {path for path in asked if place.fullmatch(relative(path, root))}
    return Listing(
        paths=tuple(sorted(walked | {path for path in indexed if os.path.lexists(path)})),
        notes=(*of_disk, *_differences(walked, indexed, database)),
    )


def _place_of_bold(subjects: Iterable[str] | None) -> re.Pattern[str]:
    """Match what may be looked at, relative to the root: folders down to a BOLD, and the BOLD.

    Nothing else, so that a link that leads back to where it lies is never followed twice.
    """
    labels = "[^/]+" if subjects is None else "|".join(map(re.escape, subjects))
    return re.compile(rf"/sub-(?:{labels})(?:/ses-[^/]+)?(?:/func(?:/(?!\.)[^/]*{_BOLD})?)?")


def is_folder(path: Path | str) -> bool:
    """Whether there is a folder; no, rather than an error, to links in a circle and the like."""
    return os.path.isdir(path)  # noqa: PTH112


def real_place(path: Path) -> tuple[str, str]:
    """Folder, without links to folders, and name: the same by whatever way a file is reached.

    Links to files stay: in a datalad dataset, files of the same content are links to one and
    the same place and yet different runs.
    """
    return os.path.realpath(path.parent), path.name


def relative(path: Path, root: Path) -> str:
    """Spell a path as pybids does: from the root on, which is ``/``."""
    return f"/{path.relative_to(root).as_posix()}"


def _walk(folder: Path, root: Path, place: re.Pattern[str]) -> Listing:
    """Everything below `folder` that is called like a BOLD, whatever it is."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        note = f"{folder} cannot be read ({error.strerror}); what is in it is left out."
        return Listing(paths=(), notes=(note,))
    found = [folder / entry.name for entry in entries if _BOLD_NAME.fullmatch(entry.name)]
    below = [
        _walk(folder / entry.name, root, place)
        for entry in entries
        if not _BOLD_NAME.fullmatch(entry.name) and _is_entered(entry, folder, root, place)
    ]
    return Listing(
        paths=(*found, *(path for each in below for path in each.paths)),
        notes=tuple(note for each in below for note in each.notes),
    )


def _is_entered(entry: os.DirEntry[str], folder: Path, root: Path, place: re.Pattern[str]) -> bool:
    """Links are followed only to where a folder is expected: never round in circles."""
    if place.fullmatch(relative(folder / entry.name, root)):
        return is_folder(entry.path)
    hidden = entry.name.startswith(".")
    return entry.is_dir(follow_symlinks=False) and not hidden and entry.name not in _NO_BOLD_IN


def _is_digestible(description: Mapping[str, Any]) -> bool:
    """Whether pybids, which insists on reading the description, survives it."""
    many, one = description.get("GeneratedBy", []), description.get("PipelineDescription", {})
    return isinstance(many, list) and all(isinstance(item, dict) for item in [*many, one])


def _ask_pybids(
    root: Path,
    place: re.Pattern[str],
    description: Mapping[str, Any] | None,
    database: Path | None,
) -> list[Path] | str:
    """BOLD files as pybids lists them, as paths below `root`; a note if it cannot.

    The note is empty if all has been said: of a description that cannot be read.
    """
    if description is None:
        return ""
    if not _is_digestible(description):
        what = "GeneratedBy has to be a list of objects. Correct it."
        return f"{root}/dataset_description.json: {what}"
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # of old descriptions; we have said what matters
        try:
            layout = _layout_in(database, root) if database else _new_layout(root, place, None)
        except BidsmaskError:
            raise
        except OSError as error:  # one folder without permission is enough
            return f"pybids gave up on {root} ({error}); its folders were only walked."
        found = layout.get(suffix="bold", extension=_EXTENSIONS, return_type="filename")
        _close(layout)
    return [root / Path(path).relative_to(layout.root) for path in found]


def _close(layout: Any) -> None:
    """Let go of the layout's database, which pybids keeps open for as long as it lives."""
    layout.session.close()
    layout.connection_manager.engine.dispose()


def _new_layout(root: Path, place: re.Pattern[str], database: Path | None) -> Any:
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    indexer = BIDSLayoutIndexer(
        validate=False,
        index_metadata=False,
        ignore=[re.compile(rf"^(?!(?:{place.pattern})$)")],
        config_filename="(none: a dataset does not configure its reader)",
    )
    return BIDSLayout(
        root,
        validate=False,
        config=_ALL_ENTITIES if database else _ASKED_FOR,
        database_path=database,
        indexer=indexer,
    )


def _layout_in(database: Path, root: Path) -> Any:
    """Open the index kept in a folder; make it, of all subjects, if it is missing."""
    from bids.layout import BIDSLayout

    if not (database / _DATABASE).exists():
        _write_database(database, root)
    _check_database(database / _DATABASE, root)
    return BIDSLayout(root, validate=False, database_path=database)


def _write_database(database: Path, root: Path) -> None:
    """Written beside its place and renamed: a job that is killed leaves no half an index."""
    if database.resolve().is_relative_to(root.resolve()):
        raise SettingsError(
            f"--bids-database-dir {database} lies inside the dataset {root}, which is never "
            "written to. Choose another folder."
        )
    with _folder_beside(database) as beside:
        _new_layout(root, _place_of_bold(None), beside)
        (beside / _DATABASE).replace(database / _DATABASE)


@contextlib.contextmanager
def _folder_beside(database: Path) -> Iterator[Path]:
    try:
        database.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=database))
    except OSError as error:
        raise OutputError(
            f"Nothing can be written to {database} ({error.strerror}). Choose another "
            "--bids-database-dir, or leave it out."
        ) from None
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_database(file: Path, root: Path) -> None:
    try:
        known_root, entities = _read_database(file)
    except sqlite3.Error as error:
        raise DatasetError(f"{file} is no index of pybids ({error}). Delete it.") from None
    if known_root is None or not {"suffix", "extension"} <= entities:
        raise DatasetError(f"{file} is incomplete: writing it was interrupted. Delete it.")
    if os.path.realpath(known_root) != os.path.realpath(root):
        raise DatasetError(
            f"{file} is the index of {known_root}, not of {root}. Give each dataset a "
            "--bids-database-dir of its own."
        )


def _read_database(file: Path) -> tuple[str | None, set[str]]:
    """Root of the dataset, and the entities known to an index."""
    uri = f"file:{quote(str(file))}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        row = connection.execute("SELECT root FROM layout_info").fetchone()
        names = {name for (name,) in connection.execute("SELECT name FROM entities")}
    return (row[0] if row else None), names


def _strays(paths: set[Path], known: set[tuple[str, str]], root: Path) -> Iterator[str]:
    strays = sorted(path for path in paths if real_place(path) not in known)
    if strays:
        names = some_of([relative(path, root)[1:] for path in strays])
        yield (
            f"{count_bold(strays)} outside of sub-*/[ses-*/]func {is_are(strays)} left out: "
            f"{names}."
        )


def _differences(walked: set[Path], indexed: set[Path], database: Path | None) -> Iterator[str]:
    new = sorted(path for path in walked - indexed if not is_folder(path))
    gone = sorted(path for path in indexed if not os.path.lexists(path))
    source = "pybids" if database is None else f"the index in {database}"
    remedy = "" if database is None else f" Delete {database / _DATABASE} to have it made anew."
    if new:
        yield (
            f"{count_bold(new)} on disk {is_are(new)} unknown to {source}, and used all the same: "
            f"{some_of([path.name for path in new])}.{remedy}"
        )
    if gone:
        yield (
            f"{count_bold(gone)} known to {source} {is_are(gone)} no longer there: "
            f"{some_of([path.name for path in gone])}.{remedy}"
        )


def some_of(names: Sequence[str], limit: int = 3) -> str:
    """Up to `limit` names, and how many more there are.

    Examples
    --------
    >>> some_of(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def count_bold(files: Sized) -> str:
    """``1 BOLD file``, ``2 BOLD files``."""
    return f"{len(files)} BOLD file{'s' if len(files) != 1 else ''}"


def is_are(files: Sized) -> str:
    """Give the verb that goes with `count_bold`."""
    return "is" if len(files) == 1 else "are"
