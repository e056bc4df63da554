"""Which folders may be written to, decided before the first of them is made.

Datasets that are read are never written to, and what bidsmask did not make is never removed. So of
the folders of a request none may be, hold or lie in another, by whatever path, link or name it is
reached, but for these:

- datasets that are read may hold each other;
- the output may lie in ``derivatives/`` of a dataset that is read, and such a dataset in
  ``sourcedata/`` of the output;
- work folder and index of pybids may lie in ``.bidsmask/`` of the output;
- output and index may lie in the work folder, beside ``bidsmask_wf``, the one folder there that
  bidsmask makes, and empties.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from bidsmask.errors import DatasetError, OutputError, SettingsError
from bidsmask.settings import Settings
from bidsmask.workflows.work_folder import TOP_WORKFLOW, check_trust, unmarked_folders

_DEMO_MARK = ".bidsmask-demo"
_DESCRIPTION = "dataset_description.json"
_IN_HIDDEN = ("work", "records", "earlier", "withdrawn", "retired")
_RESERVED = ("preprocessed", "templateflow")
_FOR_A_SHELL = re.compile(r'["$`\\!\n]')
_NAME = re.compile("[0-9a-zA-Z_-]+")


def check_folders(settings: Settings) -> None:
    """Refuse folders that may not be written to; nothing is made or changed.

    Raises
    ------
    DatasetError
        If there is no input.
    SettingsError
        If a folder is, holds or lies in another one; if a dataset is not there, or has no name of
        its own; if the work folder is not ours alone; or if ``--clean-workdir`` finds folders
        that are not ours.
    OutputError
        If the output is a file, or leads elsewhere by a link.
    """
    if not settings.bids_dir.is_dir():
        raise DatasetError(f"{settings.bids_dir}: no such folder. Give the output of fMRIPrep.")
    _check_datasets(settings)
    _check_output(settings)
    _check_work_folder(settings)
    database = settings.execution.bids_database_dir
    if database is not None:
        _check_own_place("--bids-database-dir", database, settings)
        _check_beside_work(database, settings)
    if settings.execution.write_graph:
        _check_graph(settings.work_dir)


def _check_graph(work_dir: Path) -> None:
    if odd := _FOR_A_SHELL.search(str(work_dir)):
        raise SettingsError(
            f"--write-graph: nipype gives the name of the work folder {work_dir} to a shell, to "
            f"which {odd[0]} is no letter. Choose another work folder with -w."
        )
    if not shutil.which("dot"):
        raise SettingsError("--write-graph needs the command dot of Graphviz, which is missing.")


def claim_demo_folder(folder: Path) -> None:
    """Make and mark a folder for the demo, unless it holds anything else.

    Raises
    ------
    SettingsError
        If it is a file, lies in a dataset, or holds files that no earlier demo has left there.
    OutputError
        If it cannot be made.
    """
    mark, real = folder / _DEMO_MARK, _real(folder)
    if mark.is_symlink():
        raise SettingsError(f"--demo {folder}: {mark} is a symbolic link. Choose another folder.")
    for ancestor in (real, *real.parents):
        if (ancestor / _DESCRIPTION).exists():
            raise SettingsError(
                f"--demo {folder} lies in the dataset {ancestor}. Choose a folder elsewhere."
            )
    _check_is_no_file("--demo", folder)
    if folder.is_dir() and any(folder.iterdir()) and not mark.is_file():
        raise SettingsError(
            f"--demo {folder} holds files already, which the demo might replace. "
            "Choose a new or an empty folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text("Made by bidsmask --demo, which may write here again.\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written to ({error.strerror}). Choose another folder."
        ) from error


def _check_datasets(settings: Settings) -> None:
    names = [name for name, _ in settings.datasets]
    for name, path in settings.datasets:
        if not _NAME.fullmatch(name) or name in _RESERVED or names.count(name) > 1:
            raise SettingsError(
                f"--datasets {name}={path}: give each dataset a name of its own, of letters, "
                f"digits, - and _; {' and '.join(_RESERVED)} are taken."
            )
        if not path.is_dir():
            raise SettingsError(
                f"--datasets {name}={path}: no such folder. Give the folder of a dataset."
            )


def _check_output(settings: Settings) -> None:
    output_dir = settings.output_dir
    for name, dataset in _datasets(settings):
        inside = _seen_from(dataset, output_dir)
        if inside is not None and inside.parts[:1] != ("derivatives",):
            raise SettingsError(
                f"{output_dir} lies in {name} ({dataset}), which is never written to. Choose "
                "another output folder, elsewhere or in its folder derivatives."
            )
        held = _seen_from(output_dir, dataset)
        if held is not None and held.parts[:1] != ("sourcedata",):
            raise SettingsError(
                f"{output_dir} holds {name} ({dataset}), which is never written to. Choose an "
                "output folder of its own."
            )
    if output_dir.exists() and not output_dir.is_dir():
        raise OutputError(f"{output_dir} is a file. Choose a folder for the output.")
    hidden = output_dir / ".bidsmask"
    for own in (hidden, output_dir / "logs", *(hidden / name for name in _IN_HIDDEN)):
        if own.is_symlink() and _seen_from(output_dir, own) is None:
            raise OutputError(
                f"{own}: a symbolic link leads out of the output folder, to {_real(own)}. "
                "Nothing is written there. Remove the link, or choose another output folder."
            )


def _check_work_folder(settings: Settings) -> None:
    work_dir, top = settings.work_dir, settings.work_dir / TOP_WORKFLOW
    for name, dataset in _datasets(settings):
        if _seen_from(work_dir, dataset) is not None:
            raise SettingsError(
                f"The work folder {work_dir} is {name} ({dataset}), or holds it. "
                "Choose a work folder elsewhere with -w."
            )
    _check_own_place("The work folder", work_dir, settings)
    if _seen_from(top, settings.output_dir) is not None:
        raise SettingsError(
            f"The output {settings.output_dir} lies in {top}, where intermediate results are "
            "kept and removed. Choose another work folder with -w."
        )
    check_trust(work_dir)
    if settings.execution.clean_workdir and (foreign := unmarked_folders(work_dir)):
        raise SettingsError(
            f"--clean-workdir removes only folders that bidsmask has made and marked. "
            f"{foreign[0]} has no mark{_and_others(len(foreign) - 1)}: an older version or "
            f"somebody else made it. See whether {top} can go, delete it by hand, or choose "
            "another work folder with -w."
        )


def _check_beside_work(database: Path, settings: Settings) -> None:
    top = settings.work_dir / TOP_WORKFLOW
    for inner, outer in ((database, top), (settings.work_dir, database)):
        if _seen_from(outer, inner) is not None:
            raise SettingsError(
                f"--bids-database-dir {database} is, holds or lies in the folder of intermediate "
                f"results {top}. Choose a folder elsewhere."
            )
    if _seen_from(database, settings.output_dir) is not None:
        raise SettingsError(
            f"--bids-database-dir {database} holds the output {settings.output_dir}. Choose a "
            "folder elsewhere."
        )


def _check_own_place(option: str, folder: Path, settings: Settings) -> None:
    """Refuse a folder in a dataset that is read, or in the output but for its hidden folder."""
    hidden = settings.output_dir / ".bidsmask"
    inside = _seen_from(hidden, folder)
    if inside is None or not inside.parts:
        for name, dataset in _datasets(settings):
            if _seen_from(dataset, folder) is not None:
                raise SettingsError(
                    f"{option} {folder} lies in {name} ({dataset}), which is never written to. "
                    "Choose a folder elsewhere."
                )
        if _seen_from(settings.output_dir, folder) is not None:
            raise SettingsError(
                f"{option} {folder} is the output or lies in it, where only the results belong. "
                f"Choose a folder elsewhere, or one in {hidden}."
            )
    _check_is_no_file(option, folder)


def _check_is_no_file(option: str, folder: Path) -> None:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise SettingsError(f"{option} {folder}: {existing} is no folder. Choose another one.")


def _datasets(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every dataset that is read, and what it is called in a letter."""
    yield "the input dataset", settings.bids_dir
    for name, path in settings.datasets:
        yield f"the dataset {name!r}", path


def _seen_from(folder: Path, path: Path) -> Path | None:
    """Where `path` lies in `folder`, all links followed: ``.`` if it is that folder itself.

    None if it lies elsewhere. Neither of them needs to exist.
    """
    real, outer = _real(path), _real(folder)
    for ancestor in (real, *real.parents):
        if _are_one(ancestor, outer):
            return real.relative_to(ancestor)
    return None


def _are_one(one: Path, other: Path) -> bool:
    """Whether two real paths lead to one folder, also by mounts and regardless of case."""
    try:
        return one == other or one.samefile(other)
    except OSError:  # one of them is not there
        return False


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _and_others(number: int) -> str:
    return f" (nor have {number} others)" if number else ""
