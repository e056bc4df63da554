"""Tables of a run besides fMRIPrep's confounds, which strategies ask for by name.

They lie beside the BOLD, or in another dataset: components of fMRIPost-AROMA or tedana, and what
classifies them. A table belongs to a run by its name, as mask and confounds do. tedana's own has
no participant in its name unless it was told one (``desc-ICA_mixing.tsv``, or ``ica_mixing.tsv``):
of such a table, and of no other, the folders that it lies in are asked, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsmask.dataset.companions import kinship
from bidsmask.dataset.entities import Entities, ParsedName, build_name, parse_name
from bidsmask.dataset.selection import agrees, labels_of
from bidsmask.dataset.sidecars import Folders, content_problem, todays_name
from bidsmask.dataset.strategies import TableQuery

PREPROCESSED = "preprocessed"
"""Name of the dataset of the BOLD."""

_PLACE = ("space", "cohort", "res", "den", "label", "desc", "thresh")
"""Entities of a table that say nothing of the run: a time course has no place."""

_OF_OTHERS = ("ses-", "anat", "fmap", "dwi", "perf", "figures", "log")
"""Folders in which no table of the run is looked for, unless the BOLD lies in one of that name."""


@dataclass(frozen=True, kw_only=True)
class RunTable:
    """A table of a run that a strategy asks for, or why there is none.

    Parameters
    ----------
    query : TableQuery
    path : Path or None
    root : Path or None
        Of the dataset that it is in.
    problem : str or None
        A letter; None if there is a `path`.
    """

    query: TableQuery
    path: Path | None = None
    root: Path | None = None
    problem: str | None = None


def find_tables(
    bold: Path,
    queries: Sequence[TableQuery],
    *,
    root: Path,
    folders: Folders,
    datasets: Mapping[str, Path],
) -> tuple[RunTable, ...]:
    """Find the tables of a run. Never fails: see `RunTable.problem`.

    Parameters
    ----------
    bold : Path
        Absolute, below `root`.
    queries : sequence of TableQuery
        Their datasets are among `datasets`.
    root : Path
        Of the dataset of the BOLD.
    folders : Folders
    datasets : mapping from name to root
        Further ones.

    Returns
    -------
    tables : tuple of RunTable
        One for each query.
    """
    known = {PREPROCESSED: root, **datasets}
    return tuple(_find(bold, query, root, folders, known) for query in queries)


def _find(
    bold: Path, query: TableQuery, root: Path, folders: Folders, known: Mapping[str, Path]
) -> RunTable:
    asked = list(known) if query.dataset is None else [query.dataset]
    relative = bold.parent.relative_to(root)
    seen: dict[Path, Entities] = {}
    for group in ([PREPROCESSED], [name for name in known if name != PREPROCESSED]):
        here = {
            path: (name, entities)
            for name in group
            if name in asked
            for path, entities in _tables_of(known[name], relative, bold, query, folders)
        }
        found = _nearest({path: entities for path, (_, entities) in here.items()}, bold, query)
        if len(found) == 1:
            (path,) = found
            name, _ = here[path]
            problem = content_problem(path)
            there = None if problem else path
            return RunTable(query=query, path=there, root=known[name], problem=problem)
        if found:
            places = [_said(path, here[path][0], known) for path in found]
            return RunTable(query=query, problem=_ambiguous(bold, query, places))
        seen |= {path: entities for path, (_, entities) in here.items()}
    places = [f"{relative.as_posix()} of {name}" for name in asked]
    return RunTable(query=query, problem=_absent(bold, query, places, seen))


def _said(path: Path, name: str, known: Mapping[str, Path]) -> str:
    """Name a file in a letter by its dataset: letters stand in files that travel."""
    return f"{path.relative_to(known[name]).as_posix()} of {name}"


def _tables_of(
    root: Path, relative: Path, bold: Path, query: TableQuery, folders: Folders
) -> Iterator[tuple[Path, Entities]]:
    """Tables of a dataset with what is wanted in their names, and their entities."""
    for place in _places(root, relative, bold, folders):
        for path, parsed in folders.files(place):
            if parsed.extension == ".tsv" and agrees(labels_of(parsed), query.criteria):
                yield path, _entities_of(path, parsed, root)


def _places(root: Path, relative: Path, bold: Path, folders: Folders) -> list[Path]:
    """The folder of the run in a dataset, those above it, and what else lies in one of these."""
    subject = f"sub-{parse_name(bold).entities['sub']}"
    above = [relative, *relative.parents]
    inside = [
        folder
        for parent in above
        for folder in folders.inside(root / parent)
        if folder.name.startswith(f"{subject}_")
        or (parent != Path() and not folder.name.startswith(_OF_OTHERS))
    ]
    return list(dict.fromkeys([*(root / parent for parent in above), *inside]))


def _entities_of(path: Path, parsed: ParsedName, root: Path) -> Entities:
    """Entities of a name; of one without a participant, those of the folders, too."""
    entities = parsed.entities
    if "sub" in entities:
        return entities
    labels: dict[str, str] = {}
    for part in path.parent.relative_to(root).parts:
        try:
            labels |= parse_name(f"{part}_folder").entities
        except ValueError:  # func, tedana, ...
            continue
    return Entities(labels) | entities


def _nearest(files: Mapping[Path, Entities], bold: Path, query: TableQuery) -> list[Path]:
    """Choose the nearest of kin; what the query settles need not be that of the BOLD."""
    settled = {entity for entity, _ in query.criteria}
    ours = parse_name(bold).entities.without(*_PLACE, *settled)
    near = {
        path: nearness
        for path, entities in files.items()
        if (nearness := kinship(entities.without(*_PLACE, *settled), ours)) is not None
    }
    return [path for path, nearness in near.items() if nearness == max(near.values())]


def _ambiguous(bold: Path, query: TableQuery, places: Sequence[str]) -> str:
    return (
        f"{bold.name} has more than one table {query}: {' and '.join(places)}. Remove all but "
        "one, or say in the strategy which is meant: under table, its dataset, or entities that "
        "the other has not (such as space)."
    )


def _absent(
    bold: Path, query: TableQuery, places: Sequence[str], seen: Mapping[Path, Entities]
) -> str:
    named = parse_name(bold).entities.without(*_PLACE, "echo", "part")
    wanted = {entity: label for entity, label in query.criteria if isinstance(label, str)}
    suffix = wanted.pop("suffix")
    expected = build_name(named | wanted, suffix, ".tsv")
    letter = f"No table {query} for {bold.name}: looked for {expected} in {' and '.join(places)}."
    nameless = [
        path.name for path in seen if "sub" not in parse_name(todays_name(path.name)).entities
    ]
    if nameless:
        return (
            f"{letter} There is {nameless[0]}, and neither its name nor its folder says of which "
            f"run it is. If it is of this one, call it {expected}."
        )
    if query.dataset is None:
        return (
            f"{letter} Copy it there, or name the dataset that has it with --datasets NAME=PATH."
        )
    return f"{letter} Copy it there, or leave this strategy out."
