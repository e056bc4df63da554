"""Which files belong to an image, by their names, and tables that lie beside one.

The command line looks for all that fMRIPrep writes of a run (`bidsmask.dataset.runs`). Here the
image comes from a script: it may be of any space, resolution, hemisphere, echo or ``desc``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bidsmask.dataset.entities import Entities, ParsedName, build_name, parse_name
from bidsmask.dataset.selection import INDICES
from bidsmask.dataset.sidecars import todays_name
from bidsmask.errors import ConfoundsError

_ACQUISITION = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "part")
"""Entities in which image and companion must agree; others the companion may do without."""


def kinship(companion: Entities, image: Entities) -> tuple[int, int] | None:
    """Say how near a companion is to an image; None if it is not one of its own.

    A companion is of the same acquisition and has no entity that the image has not: what is the
    same for all echoes does without ``echo``. The magnitude (``part-mag``) goes without saying,
    and ``run-1`` is also ``run-01``.

    Returns
    -------
    nearness : tuple of int, or None
        How many entities they share, and how many of these are spelt alike.

    Examples
    --------
    >>> image = Entities({"sub": "01", "task": "rest", "echo": "2", "part": "mag"})
    >>> kinship(Entities({"sub": "01", "task": "rest"}), image)
    (2, 2)
    >>> kinship(Entities({"sub": "01", "task": "rest", "run": "1"}), image) is None
    True
    """
    spelt = [_without_magnitude(entities) for entities in (companion, image)]
    theirs, ours = (_counted(entities) for entities in spelt)
    same = theirs.only(*_ACQUISITION) == ours.only(*_ACQUISITION)
    if not same or not theirs.items() <= ours.items():
        return None
    return len(theirs), len(spelt[0].items() & spelt[1].items())


def _counted(entities: Entities) -> Entities:
    """Write numbers without leading zeros."""
    return entities | {
        name: str(int(label))
        for name, label in entities.items()
        if name in INDICES and label.isdecimal()
    }


def _without_magnitude(entities: Entities) -> Entities:
    return entities.without("part") if entities.get("part") == "mag" else entities


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
        file: n_shared
        for file, theirs in _tables(image.parent, desc, suffixes)
        if (n_shared := kinship(theirs, entities)) is not None
    }
    found = sorted(file for file in shared if shared[file] == max(shared.values()))
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfoundsError(
            f"{image}: more than one table could be meant: "
            f"{', '.join(file.name for file in found)}. Remove all but one."
        )
    told_by = _without_magnitude(entities).only(*_ACQUISITION)
    expected = build_name(told_by | {"desc": desc}, suffixes[0], ".tsv")
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
        files = [file for file in folder.iterdir() if todays_name(file.name).endswith(endings)]
    except OSError as error:
        raise ConfoundsError(f"{folder}: cannot be looked into: {error.strerror}.") from error
    for file in files:
        try:
            yield file, parse_name(todays_name(file.name)).entities.without("desc")
        except ValueError:  # not BIDS, so it is nobody's
            continue
