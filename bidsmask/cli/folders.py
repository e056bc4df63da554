"""Which folders may be written to, decided before the first of them is made.

Datasets that are read are never written to, and what bidsmask did not make is never removed. So a
folder for what is ours (work folder, index of pybids, demo) may not be one of theirs, by whatever
path, link or name it is reached.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bidsmask.errors import DatasetError, OutputError, SettingsError
from bidsmask.settings import Settings
from bidsmask.workflows.work_folder import TOP_WORKFLOW, unmarked_folders

_DEMO_MARK = ".bidsmask-demo"
_DESCRIPTION = "dataset_description.json"


def check_folders(settings: Settings) -> None:
    """Refuse folders that may not be written to; nothing is made or changed.

    Raises
    ------
    DatasetError
        If there is no input.
    SettingsError
        If the output is a dataset that is read, or lies among its subjects; if the work folder
        is, holds or lies in such a dataset, or is the output; if the index of pybids would lie
        in one of these; or if ``--clean-workdir`` finds folders that are not ours.
    OutputError
        If the output is a file, or leads elsewhere by a link.
    """
    if not settings.bids_dir.is_dir():
        raise DatasetError(f"{settings.bids_dir}: no such folder. Give the output of fMRIPrep.")
    _check_output(settings)
    _check_work_folder(settings)
    database = settings.execution.bids_database_dir
    if database is not None:
        _check_own_place("--bids-database-dir", database, settings)
    if settings.execution.write_graph and not shutil.which("dot"):
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


def _check_output(settings: Settings) -> None:
    output_dir = settings.output_dir
    for name, dataset in _datasets(settings):
        inside = _seen_from(dataset, output_dir)
        if inside is not None and (
            not inside.parts or any(part.startswith("sub-") for part in inside.parts)
        ):
            raise SettingsError(
                f"{output_dir} lies in {name}, which is never written to. "
                "Choose another output folder."
            )
    if output_dir.exists() and not output_dir.is_dir():
        raise OutputError(f"{output_dir} is a file. Choose a folder for the output.")
    for own in (output_dir / ".bidsmask", output_dir / "logs"):
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
    if settings.execution.clean_workdir and (foreign := unmarked_folders(work_dir)):
        raise SettingsError(
            f"--clean-workdir removes only folders that bidsmask has made and marked. "
            f"{foreign[0]} has no mark{_and_others(len(foreign) - 1)}: an older version or "
            f"somebody else made it. See whether {top} can go, delete it by hand, or choose "
            "another work folder with -w."
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
