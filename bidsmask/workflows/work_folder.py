"""What bidsmask makes in a work folder, and the only things it ever removes there.

A work folder may hold anything. What is ours in it is ``bidsmask_wf/sub_<label>_wf``, one folder
for each subject, in which a mark says so. A folder without the mark is left as it is, whatever
its name: somebody else may have made it.

nipype keeps its results as pickles, and whoever can change a pickle runs code as whoever loads it.
So ``bidsmask_wf`` is open to its owner alone, and nothing is loaded from one that belongs to
somebody else or that others can write to.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bidsmask.errors import OutputError, SettingsError, StorageError

TOP_WORKFLOW = "bidsmask_wf"
"""Name of the workflow, and so of the folder that nipype makes for it."""

MARK = ".bidsmask-work"
"""Name of the file that makes a folder ours."""

_OURS_ALONE = 0o700
_MARK_TEXT = "Made by bidsmask for intermediate results. bidsmask may remove this folder.\n"


def make_subject_folders(work_dir: Path, workflows: Iterable[str]) -> None:
    """Make and mark the folder of each subject's workflow; one with files in it stays as it is.

    Parameters
    ----------
    work_dir : Path
    workflows : iterable of str
        Names of the subjects' workflows.

    Raises
    ------
    StorageError, OutputError
        If the folders cannot be made.
    SettingsError
        If they are not ours alone.
    """
    check_trust(work_dir)
    for name in workflows:
        folder = work_dir / TOP_WORKFLOW / name
        try:
            folder.parent.mkdir(mode=_OURS_ALONE, parents=True, exist_ok=True)
            folder.parent.chmod(_OURS_ALONE)
            folder.mkdir(mode=_OURS_ALONE, exist_ok=True)
            if not any(folder.iterdir()):
                (folder / MARK).write_text(_MARK_TEXT, encoding="utf-8")
        except OSError as error:
            raise _letter(folder, error) from error
    check_trust(work_dir)  # on some disks nothing can be closed to others


def check_trust(work_dir: Path) -> None:
    """Refuse intermediate results that somebody else may have put there, or may change.

    Raises
    ------
    SettingsError
        If a folder of ours is a link, belongs to another user, or others can write to it.
    """
    top = work_dir / TOP_WORKFLOW
    ours = sorted(top.glob("sub_*_wf")) if _is_readable_folder(top) else []
    for folder in (top, *ours):
        if why := _distrust(folder):
            raise SettingsError(
                f"{folder} {why}, so that what is in it cannot be trusted. See whether {top} can "
                "go, delete it by hand, or choose another work folder with -w."
            )


def unmarked_folders(work_dir: Path) -> list[Path]:
    """Folders that stand where ours would, but do not carry the mark."""
    top = work_dir / TOP_WORKFLOW
    if top.is_symlink() or (top.exists() and not top.is_dir()):
        return [top]
    found = sorted(top.iterdir()) if top.is_dir() else []
    return [path for path in found if path.is_dir() and not _is_ours(path)]


def remove_subject_folders(work_dir: Path, workflows: Iterable[str]) -> None:
    """Remove the marked folders of some subjects; other jobs may be at work on others.

    Raises
    ------
    StorageError, OutputError
        If a folder cannot be removed.
    """
    top = work_dir / TOP_WORKFLOW
    for folder in (top / name for name in workflows):
        if _is_ours(folder):
            try:
                _remove(folder)
            except OSError as error:
                raise _letter(folder, error) from error


def remove_if_empty(work_dir: Path) -> None:
    """Remove the work folder and the one of the workflow, if nothing is in them."""
    for folder in (work_dir / TOP_WORKFLOW, work_dir):
        with suppress(OSError):  # not empty: somebody else's, or another job's
            folder.rmdir()


def _remove(folder: Path) -> None:
    """Remove a folder, its mark last: what is left by an interruption is still ours."""
    for path in [path for path in folder.iterdir() if path.name != MARK]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(folder)


def _is_readable_folder(folder: Path) -> bool:
    return not folder.is_symlink() and folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)


def _distrust(folder: Path) -> str:
    """Say why a folder is not trusted; "" if it is, or is not there."""
    if folder.is_symlink():
        return "is a symbolic link"
    if not folder.is_dir():
        return ""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written to by other users (or its disk knows no permissions)"
    return ""


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder of its own, no link to one, with our mark in it."""
    ancestry = (folder, folder.parent)
    return not any(path.is_symlink() for path in ancestry) and (folder / MARK).is_file()


def _letter(folder: Path, error: OSError) -> OutputError:
    from bidsmask.derivatives.writing import explain  # numpy, which the first checks do without

    said = explain(folder, error)
    if isinstance(said, StorageError):
        return said
    return OutputError(
        f"{folder}: cannot be made or removed ({error.strerror or error}). Check the permissions, "
        "or choose another work folder with -w."
    )
