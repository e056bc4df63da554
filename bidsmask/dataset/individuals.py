"""Files of one participant: an atlas of one brain, or seeds in it, of which each run gets its own.

A file belongs to a participant if its name has ``sub-``, or if it lies in a folder ``sub-…`` and
its name does not say that it is of a template. A pattern of paths (``…/sub-*/…``) stands for one
file of each participant, and so do paths that differ in their participants only, which is what a
shell makes of a pattern without quotes.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsmask.dataset.atlas_files import is_on_surfaces, leading, space_in
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.listing import some_of
from bidsmask.dataset.templates import entities_in
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import common_name
from bidsmask.vocabulary import BOLD_SPACES, NATIVE_SPACES

_PATTERN = re.compile(r"[*?\[]")
_OF_A_PERSON = re.compile("(?P<entity>sub|ses)-(?P<label>[0-9a-zA-Z+]+)")
_PERSON = ("sub", "ses")
_ACQUISITION = (*_PERSON, "task", "acq", "ce", "rec", "dir", "run", "echo")
_OF_THE_HEAD = ("T1w", "anat", "individual")
"""What the space of files in ``anat`` may be called, whose names do not say it."""


@dataclass(frozen=True)
class OwnFiles:
    """Files of several participants, or of one, that stand for each other.

    Parameters
    ----------
    asked : str
        What the user typed: a path, or a pattern.
    files : tuple of Path
    """

    asked: str
    files: tuple[Path, ...]

    def for_run(self, run: Entities) -> Path:
        """Choose the file of a run.

        Parameters
        ----------
        run : Entities
            Of the BOLD file.

        Raises
        ------
        SpaceError
            If there is none of this participant, more than one, or it is of another space.
        """
        own = {file: len(found) for file in self.files if (found := _shared(file, run))}
        if not own:
            raise SpaceError(self._of_others(run))
        in_space = [file for file in own if _may_lie_in(file, run.get("space"))]
        if not in_space:
            spaces = dict.fromkeys(_space_of(file) for file in own)
            raise SpaceError(
                f"{some_of(list(map(str, own)))}: of the own brain of sub-{run['sub']}, but the "
                f"run is in {run.get('space') or 'the native space of the BOLD'}. Run with "
                f"{' or '.join(f'--space {space}' for space in spaces)}, or give one in the space "
                "of the run."
            )
        most = max(own[file] for file in in_space)
        nearest = [file for file in in_space if own[file] == most]
        if len(nearest) > 1:
            raise SpaceError(
                f"{self.asked}: more than one file could be meant for {run}: "
                f"{' and '.join(map(str, nearest))}. Say more of their names."
            )
        return nearest[0]

    def _of_others(self, run: Entities) -> str:
        found = sorted({f"sub-{owner_of(file)['sub']}" for file in self.files})
        there = f"belongs to {some_of(found)}" if found else "fits no file"
        letter = (
            f"{self.asked} {there}; there is none for {run.only(*_ACQUISITION)}. The brain of "
            "one participant is never laid on that of another."
        )
        if _PATTERN.search(self.asked):
            return f"{letter} Give another pattern, or leave this participant out."
        named = any("sub" in entities_in(file.name) for file in self.files)
        template = (
            "" if named else " If it is of a template, let its name say so: tpl-<template>_."
        )
        return (
            f"{letter} For each participant's own give a pattern, in quotes: "
            f"'{pattern_of(self.files[0])}'.{template}"
        )


def find_own(asked: Sequence[str], extensions: tuple[str, ...]) -> list[str | OwnFiles]:
    """Tell files of participants from what is the same for all.

    Parameters
    ----------
    asked : sequence of str
        Names, paths and patterns.
    extensions : tuple of str
        Of the files that a pattern may stand for.

    Returns
    -------
    found : list of str or OwnFiles
        In the order asked; paths that differ in their participants only are one entry.
    """
    found: dict[object, str | OwnFiles] = {}
    for text in _one_of_each_pair(asked):
        if _PATTERN.search(text):
            paths = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 (absolute)
            files = map(Path, _one_of_each_pair(paths))
            own = (file for file in files if file.name.endswith(extensions) and owner_of(file))
            found[text] = OwnFiles(text, tuple(own))
        elif text.endswith(extensions) and owner_of(Path(text).absolute()):
            key = pattern_of(Path(text).absolute())
            before = found.get(key, OwnFiles(text, ()))
            assert isinstance(before, OwnFiles), "a path is no name"
            found[key] = OwnFiles(before.asked, (*before.files, Path(text).absolute()))
        else:
            found[text] = text
    return list(found.values())


def _one_of_each_pair(paths: Sequence[str]) -> list[str]:
    """Leave out files of the right hemisphere whose left one is there: it stands for both."""
    leaders = {text: leading(Path(text)) for text in paths}
    return list(
        dict.fromkeys(text if Path(text) == left else str(left) for text, left in leaders.items())
    )


def owner_of(file: Path) -> Entities:
    """Tell whose file it is, by its name or the folders above it; nobody's: no entities.

    Examples
    --------
    >>> owner_of(Path("derivatives/sub-01/ses-2/anat/parcels_dseg.nii.gz"))
    Entities({'sub': '01', 'ses': '2'})
    >>> owner_of(Path("derivatives/sub-01/anat/tpl-MNI152NLin6Asym_dseg.nii.gz"))
    Entities({})
    """
    named = entities_in(file.name)
    above = {}
    if "tpl" not in named:
        found = filter(None, map(_OF_A_PERSON.fullmatch, file.parts[:-1]))
        above = {folder["entity"]: folder["label"] for folder in found}
    person = above | {key: label for key, label in named.items() if key in _ACQUISITION}
    return Entities(person if "sub" in person else {})


def pattern_of(file: Path) -> Path:
    """Write the pattern that the files of all participants fit, of which this is one.

    Examples
    --------
    >>> str(pattern_of(Path("out/sub-01/func/sub-01_task-rest_space-T1w_dseg.nii.gz")))
    'out/sub-*/func/sub-*_space-T1w_dseg.nii.gz'
    """
    folders = (re.sub(r"^(sub|ses)-.*", r"\1-*", part) for part in file.parts[:-1])
    first, *others = file.name.split("_")
    told_apart = tuple(f"{entity}-" for entity in _ACQUISITION)
    kept = [part for part in others if not part.startswith(told_apart)]
    first = "sub-*" if first.startswith("sub-") else first
    return Path(*folders, "_".join([first, *kept]))


def _shared(file: Path, run: Entities) -> Entities:
    """Give the entities that a file shares with a run; none if it is of another.

    What is not of a task is of the head, whose ``acq`` and ``run`` are others.
    """
    owner = owner_of(file)
    told_by = owner if "task" in owner else owner.only(*_PERSON)
    return told_by if told_by.items() <= run.items() else Entities({})


def _may_lie_in(file: Path, run_space: str | None) -> bool:
    """Whether a file may be of the space of a run, as far as its name and folder tell."""
    space = _space_of(file)
    if is_on_surfaces(file):
        return space == common_name(run_space)
    named = entities_in(file.name)
    if "space" in named or "tpl" in named or "anat" in file.parts[:-1]:
        return run_space == space or (space == "T1w" and run_space in _OF_THE_HEAD)
    own = BOLD_SPACES if "func" in file.parts[:-1] else NATIVE_SPACES
    return run_space is None or run_space in own


def _space_of(file: Path) -> str:
    """Name the space of a file, by its name or by the folder it lies in."""
    if is_on_surfaces(file):
        return space_in(file) or "fsnative"
    named = entities_in(file.name)
    by_folder = "T1w" if "anat" in file.parts[:-1] else "native"
    return named.get("space", named.get("tpl", by_folder))
