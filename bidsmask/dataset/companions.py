"""Tables that lie beside an image and belong to it by name, whatever the image may be called.

The command line wants fMRIPrep's layout to the letter (`bidsmask.dataset.runs`). Here the image
comes from a script: it may be of any space, resolution, hemisphere, echo or ``desc``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bidsmask.dataset.entities import Entities, ParsedName, build_name, parse_name
from bidsmask.errors import ConfoundsError

_ACQUISITION = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")
"""Entities in which image and table must agree; others the table may do without."""


def find_table(image: Path, *, desc: str, suffixes: Sequence[str]) -> Path:
    """Find the table of an image, in the same folder.

    Parameters
    ----------
    image : Path
        Need not exist: its name is enough.
    desc : str
        Label of the table's ``desc``.
    suffixes : sequence of str
        As they may be; the first is the one in use today.

    Returns
    -------
    table : Path
        The one that shares most entities with the image, and has none that the image has not.

    Raises
    ------
    ConfoundsError
        If there is none, or several that could be meant; or the name of the image is not BIDS.
    """
    entities = name_of(image).entities.without("desc")
    shared = {
        file: len(theirs)
        for file, theirs in _tables(image.parent, desc, suffixes)
        if theirs.items() <= entities.items()
        and theirs.only(*_ACQUISITION) == entities.only(*_ACQUISITION)
    }
    found = sorted(file for file in shared if shared[file] == max(shared.values()))
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfoundsError(
            f"{image}: more than one table could be meant: "
            f"{', '.join(file.name for file in found)}. Remove all but one."
        )
    expected = build_name(entities.only(*_ACQUISITION) | {"desc": desc}, suffixes[0], ".tsv")
    raise ConfoundsError(
        f"Could not find associated confound file of {image}: there is no {expected} beside it. "
        "Copy it there, or give the image by its path in fMRIPrep's output."
    )


def name_of(image: Path) -> ParsedName:
    """Read the name of an image.

    Raises
    ------
    ConfoundsError
        If it is not a BIDS file name, or not of a BOLD run.
    """
    try:
        name = parse_name(image)
    except ValueError as error:
        raise ConfoundsError(f"{error} Confounds are found by the name of the image.") from None
    if name.suffix != "bold":
        raise ConfoundsError(
            f"Unsupported input: {image.name} is not a BOLD run: its name should end with _bold."
        )
    return name


def _tables(folder: Path, desc: str, suffixes: Sequence[str]) -> Iterator[tuple[Path, Entities]]:
    """Tables of a folder, and their entities but ``desc``."""
    endings = tuple(f"_desc-{desc}_{suffix}.tsv" for suffix in suffixes)
    try:
        files = [file for file in folder.iterdir() if file.name.endswith(endings)]
    except OSError as error:
        raise ConfoundsError(f"{folder}: cannot be looked into: {error.strerror}.") from error
    for file in files:
        try:
            yield file, parse_name(file).entities.without("desc")
        except ValueError:  # not BIDS, so it is nobody's
            continue
