"""Tables that people have written about participants and runs: covariates, and ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bidsmask._names import did_you_mean
from bidsmask.columns.table import MISSING, columns_of, read_rows
from bidsmask.dataset.listing import some_of
from bidsmask.dataset.sidecars import read_json
from bidsmask.errors import AtlasError, DatasetError, SidecarError

PARTICIPANTS = "participants.tsv"

EXCLUDE, INCLUDE = ("bad", "exclude"), ("good", "uncertain", "include")
"""Words of a rating; those of HALFpipe are among them. Only the first exclude a run."""

_PREFIXES = {"participant_id": "sub-", "session_id": "ses-"}


@dataclass(frozen=True, kw_only=True)
class Covariates:
    """What a table says of participants.

    Parameters
    ----------
    file : Path or None
        None: there is no table.
    names : tuple of str
        Of its columns, without ``participant_id``.
    of : mapping from participant (``sub-01``) to cells
        As they are written.
    descriptions : mapping from name to description
        What the sidecar says of columns.
    warnings : tuple of str
        What is odd about the table.
    """

    file: Path | None = None
    names: tuple[str, ...] = ()
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    descriptions: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One row of a table of ratings.

    Parameters
    ----------
    row : int
        Counted from 1, without the header.
    about : mapping from column to label
        Which runs are meant: those that agree in all of these.
    strategy : str
        Under which strategy; "": under all.
    excludes : bool
    words : str
        The rating, and the comment on it.
    """

    row: int
    about: Mapping[str, str]
    strategy: str
    excludes: bool
    words: str


def read_covariates(file: Path) -> Covariates:
    """Read a ``participants.tsv``, and the JSON file beside it.

    A participant may be there twice if both rows say the same.

    Raises
    ------
    DatasetError
        If it cannot be read, has no ``participant_id``, or says two things of one participant.
    """
    columns = _columns(file)
    ids = _required(columns, "participant_id", file)
    names = tuple(name for name in columns if name != "participant_id")
    rows: dict[str, list[tuple[str, ...]]] = {}
    for written, *cells in zip(ids, *(columns[name] for name in names), strict=True):
        rows.setdefault(written, []).append(tuple(cells))
    nobody = len(rows.pop(MISSING, ()))
    of: dict[str, tuple[str, ...]] = {}
    for written, found in rows.items():
        participant = _prefixed("participant_id", written)
        _refuse_two(participant, {*found, of.get(participant, found[0])}, names, file)
        of[participant] = found[0]
    return Covariates(
        file=file,
        names=names,
        of=of,
        descriptions=_descriptions(file, names),
        warnings=tuple(f"{file.name}: {text}" for text in _odd(rows, nobody)),
    )


def _odd(rows: Mapping[str, Sequence[object]], nobody: int) -> Iterator[str]:
    if nobody:
        yield f"{nobody} of its rows name no participant, and are left out."
    twice = [written for written, found in rows.items() if len(found) > 1]
    if twice:
        yield f"{some_of(twice)}: there more than once, with the same values."
    without = [written for written in rows if written != _prefixed("participant_id", written)]
    if without:
        yield f"{some_of(without)}: names of participants begin with sub-; read as if they did."


def _refuse_two(
    participant: str, found: set[tuple[str, ...]], names: Sequence[str], file: Path
) -> None:
    if len(found) > 1:
        one, other, *_ = sorted(found)
        differ = [name for name, a, b in zip(names, one, other, strict=True) if a != b]
        raise DatasetError(
            f"{file}: {participant} is there more than once, with different values in "
            f"{', '.join(differ)}. Which of them hold cannot be known: give a table in which each "
            "participant is there once, with --covariates."
        )


def read_ratings(file: Path) -> tuple[Rating, ...]:
    """Read a table of ratings: one for each row that has one.

    Columns ``bids_name``, ``participant_id``, ``session_id``, ``task_id``, ... say which runs are
    meant, ``strategy`` under which strategy, ``rating`` what is thought of them; a ``comment`` is
    passed on.

    Raises
    ------
    DatasetError
        If it cannot be read, does not say which runs it is about, or has a word that is none of
        `EXCLUDE` and `INCLUDE`.
    """
    columns = _columns(file)
    ratings = _required(columns, "rating", file)
    ids = [name for name in columns if name.endswith("_id") or name == "bids_name"]
    if not {"participant_id", "bids_name"} & {*ids}:
        raise DatasetError(
            f"{file}: there is neither a column participant_id nor bids_name, which say which "
            "runs are rated."
        )
    empty = (MISSING,) * len(ratings)
    strategies, comments = (columns.get(name, empty) for name in ("strategy", "comment"))
    return tuple(
        Rating(
            row=row + 1,
            about={
                name: _prefixed(name, columns[name][row])
                for name in ids
                if columns[name][row] != MISSING
            },
            strategy="" if strategies[row] == MISSING else strategies[row],
            excludes=_excludes(word, row + 1, file),
            words=word if comments[row] == MISSING else f"{word} ({comments[row]})",
        )
        for row, word in enumerate(ratings)
        if word != MISSING
    )


def _excludes(word: str, row: int, file: Path) -> bool:
    known = (*INCLUDE, *EXCLUDE)
    if word.lower() not in known:
        raise DatasetError(
            f"{file}: the rating of row {row} is {word!r}. Ratings are {', '.join(known)}, or n/a."
            f"{did_you_mean(word, known)}"
        )
    return word.lower() in EXCLUDE


def _columns(file: Path) -> dict[str, tuple[str, ...]]:
    try:
        return columns_of(*read_rows(file))
    except AtlasError as error:
        raise DatasetError(f"{file}: {error}") from error


def _required(columns: Mapping[str, tuple[str, ...]], name: str, file: Path) -> tuple[str, ...]:
    if name not in columns:
        found = ", ".join(columns) or "none"
        raise DatasetError(f"{file}: there is no column {name}; columns found: {found}.")
    return columns[name]


def _prefixed(column: str, label: str) -> str:
    """Write a participant or session as BIDS does.

    Examples
    --------
    >>> _prefixed("participant_id", "01"), _prefixed("task_id", "rest")
    ('sub-01', 'rest')
    """
    prefix = _PREFIXES.get(column, "")
    return label if label.startswith(prefix) else f"{prefix}{label}"


def _descriptions(file: Path, names: Sequence[str]) -> dict[str, Any]:
    """Read what the sidecar says of the columns; nothing if there is none that can be read."""
    try:
        said = read_json(file.with_suffix(".json"))
    except SidecarError:
        return {}
    return {name: said[name] for name in names if isinstance(said.get(name), dict)}
