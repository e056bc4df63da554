"""What a request would do to outputs that are there already, said before anything is computed.

Outputs made from another file are never replaced: that run is refused. Outputs made with other
settings are, and it is said what they were made with. What is not asked for this time stays, if it
holds beside the new results, and is moved aside if not (`bidsmask.derivatives.retire`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from bidsmask._version import __version__
from bidsmask.analysis.concatenate import without_run
from bidsmask.analysis.output_names import expected_files
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.listing import some_of
from bidsmask.derivatives.description import dataset_links, known_links
from bidsmask.derivatives.record import (
    BOLD,
    CONFOUNDS,
    RIGHT,
    RunRecord,
    Source,
    changed_settings,
    in_words,
    read_neighbours,
    read_record,
    read_record_file,
    read_source,
    record_name,
    record_of,
)
from bidsmask.derivatives.retire import RETIRED, read_earlier
from bidsmask.derivatives.status import RunFailure, damage_of_status
from bidsmask.errors import ReplacementError

_SHARED_BY_SPACES = ("design", "outliers")
_OWN_LABEL = "bidsmask"
_ATLAS = ("atlas", "seg", "scale")
_MOST = 8
_FATES = {
    True: "stays as it was made; the report and the table of quality show only what is asked for",
    False: f"is moved to {RETIRED}, as it was made in another way",
}
"""What becomes of results that are not asked for again, by whether they hold beside new ones."""


_OF_A_HEMISPHERE = re.compile("_hemi-[LR](?=_)")


@dataclass(frozen=True)
class _Note:
    """Something to say of a run; `files` are those that it is about."""

    text: str
    files: tuple[str, ...] = ()


def heed_earlier_outputs(plan: Plan, output_dir: Path, links: Mapping[str, str | Path]) -> Plan:
    """Compare a plan with what is in the output.

    Runs whose outputs were made from another file become failures. What other outputs were made
    with, and what is moved aside, becomes warnings: one for each change, not one for each run.

    Parameters
    ----------
    plan : Plan
    output_dir : Path
        Need not exist; nothing in it is changed.
    links : mapping from name to root
        Datasets that BIDS URIs refer to; ``preprocessed`` is that of the runs.

    Raises
    ------
    OutputError
        If the output is the dataset of another program.
    """
    known = known_links(output_dir)
    planned = frozenset(run.run.name for run in plan.runs)
    runs, refused = [], []
    notes: dict[str, list[tuple[str, _Note]]] = {}
    for run in plan.runs:
        try:
            found = list(_notes(run, output_dir, links, planned))
        except ReplacementError as error:
            refused.append(_refusal(run, error))
            continue
        runs.append(run)
        for note in found:
            notes.setdefault(note.text, []).append((run.run.name, note))
    said = [_sentence(text, about) for text, about in notes.items()]
    moved = _moved_links(known, dataset_links(output_dir, links)) if runs else ()
    return replace(
        plan,
        runs=tuple(runs),
        failures=(*plan.failures, *refused),
        warnings=tuple(
            dict.fromkeys((*plan.warnings, *damage_of_status(output_dir), *moved, *said))
        ),
    )


def _refusal(plan: RunPlan, error: ReplacementError) -> RunFailure:
    # Under the name of its file: the outputs that have the name of the run are done, and stay.
    return RunFailure(
        subject=plan.run.subject,
        run=plan.run.bold.name,
        node="find_files",
        kind=type(error).__name__,
        reason=str(error),
    )


def _notes(
    plan: RunPlan, output_dir: Path, links: Mapping[str, str | Path], planned: frozenset[str]
) -> Iterator[_Note]:
    run = plan.run
    yield from _of_joined(plan, output_dir)
    own = read_record(output_dir, run)
    neighbours = [
        record for record in read_neighbours(output_dir, run) if record.run not in planned
    ]
    if own is None and not neighbours:
        return
    source = read_source(run, output_dir, links)
    settings = in_words(plan.decisive)
    for record in neighbours:
        yield from _of_neighbour(record, source, settings, output_dir, plan)
    if own is not None:
        yield from _of_record(own, source, settings, output_dir, plan)


def _of_record(
    record: RunRecord, source: Source, settings: dict[str, str], output_dir: Path, plan: RunPlan
) -> Iterator[_Note]:
    if record.source is None or record.settings is None:
        made = f" by version {record.version}" if record.version else ""
        yield _Note(
            f"replaces results made{made} from a file and with settings that their record does "
            "not tell"
        )
        return
    for role in (BOLD, RIGHT):
        _refuse_another(role, record, source, output_dir)
    yield from _changed_files(record.source, source)
    if record.digest == plan.digest:
        return
    expected = _stems_of(plan)
    parts = (record, *read_earlier(output_dir, record_name(plan.run)))
    for part in parts:
        if any(_is_written_again(name, expected) for name in part.outputs):
            yield from _changed_settings(part.settings or {}, settings)
    now = RunRecord(run=record.run, version=__version__, source=source, settings=settings)
    others = [
        (name, now.leaves(name, part))
        for part in parts
        for name in part.outputs
        if not _is_written_again(name, expected)
    ]
    for stays, fate in _FATES.items():
        files = tuple(name for name, left in others if left is stays)
        if files:
            named = some_of(sorted({_part(name) for name in files}), _MOST)
            yield _Note(f"what is not asked for this time ({named}) {fate}", files)


def _of_joined(plan: RunPlan, output_dir: Path) -> Iterator[_Note]:
    if plan.output.concatenate or "run" not in plan.run.entities:
        return
    name = record_of(without_run(plan.run.name))
    record = read_record_file(output_dir / name, name.parent)
    if record is not None and record.is_joined:
        yield _Note(
            "what it was joined to by an earlier --concatenate, which is not asked for this time, "
            f"is moved to {RETIRED}",
            tuple(record.outputs),
        )


def _of_neighbour(
    record: RunRecord, source: Source, settings: dict[str, str], output_dir: Path, plan: RunPlan
) -> Iterator[_Note]:
    """Say what happens to the tables that all spaces of an acquisition share."""
    expected = _stems_of(plan)
    shared = tuple(
        name
        for name in record.outputs
        if parse_name(name).suffix in _SHARED_BY_SPACES and _is_written_again(name, expected)
    )
    if not shared or record.source is None or record.settings is None:
        return
    _refuse_another(CONFOUNDS, record, source, output_dir)
    of_strategies = {
        name: value for name, value in record.settings.items() if name.startswith("desc-")
    }
    for note in _changed_settings(of_strategies, settings):
        yield _Note(
            f"{note.text}, which results in another space share: those are moved to {RETIRED}",
            shared,
        )


def _refuse_another(role: str, record: RunRecord, source: Source, output_dir: Path) -> None:
    assert record.source is not None, "a source is compared with a source"
    if source.is_another(record.source, role):
        raise ReplacementError(
            f"{output_dir} holds results of {record.run} made from "
            f"{_place(record.source, role, output_dir)}. The same names would go to results made "
            f"from {_place(source, role, output_dir)}; nothing was changed. Choose another output "
            "folder for these, or the other file with a --bids-filter-file."
        )


def _place(source: Source, role: str, output_dir: Path) -> str:
    """Path of a file of a source, as far as it can be told."""
    file = source.files.get(role)
    if file is None:
        return f"no {role} file"
    inside = unquote(file.uri.removeprefix("bids:preprocessed:"))
    if "://" in source.dataset:
        return f"{unquote(source.dataset.removeprefix('file://'))}/{inside}"
    return os.path.normpath(output_dir.absolute() / unquote(source.dataset) / inside)


def _changed_files(before: Source, now: Source) -> Iterator[_Note]:
    renamed = {
        role: (file.uri, now.files[role].uri)
        for role, file in before.files.items()
        if role in now.files and file.uri != now.files[role].uri
    }
    changed = [
        role
        for role, file in before.files.items()
        if role in now.files
        and role not in renamed
        and file.fingerprint != now.files[role].fingerprint
    ]
    for role, (old, new) in renamed.items():
        yield _Note(f"replaces results made with another file ({role}: {old}, now {new})")
    if changed:
        files = ", ".join(changed)
        yield _Note(f"replaces results made from the same files with another content ({files})")


def _changed_settings(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[_Note]:
    changed = changed_settings(before, now)
    if changed:
        old = some_of([f"{name}={before[name]}" for name in changed], _MOST)
        new = some_of([now[name] for name in changed], _MOST)
        yield _Note(f"replaces results made with {old} (now {new})")


def _is_written_again(name: str, expected: frozenset[str]) -> bool:
    """Whether an output belongs to what is asked for now, as far as its name tells."""
    own = parse_name(name).entities.get("desc") == _OWN_LABEL
    return own or _stem(name) in expected


def _stems_of(plan: RunPlan) -> frozenset[str]:
    """Names of the files that are asked for now, which their sidecars share."""
    return frozenset(_stem(file.name) for file in expected_files(plan))


def _stem(name: str) -> str:
    """Give what an image and its sidecar share; of both hemispheres there is one sidecar."""
    return _OF_A_HEMISPHERE.sub("", Path(name).name.partition(".")[0])


def _part(name: str) -> str:
    """What an output is of, in the words of file names: ``atlas-Mini stat-mean desc-36P``."""
    entities = parse_name(name).entities.only(*_ATLAS, "stat", "desc")
    return " ".join(f"{key}-{label}" for key, label in entities.items())


def _moved_links(known: Mapping[str, str], links: Mapping[str, str]) -> Iterator[str]:
    for name, root in links.items():
        if known.get(name, root) != root:
            yield (
                f"bids:{name}: in the sidecars of earlier results meant {known[name]}, and from "
                f"now on means {root}."
            )


def _sentence(text: str, about: Sequence[tuple[str, _Note]]) -> str:
    """One change, with the number of runs and of files, and an example of each."""
    n_others = len(about) - 1
    others = f" and {n_others} other run{'s' if n_others > 1 else ''}" if n_others else ""
    files = [file for _, note in about for file in note.files]
    return f"{about[0][0]}{others}: {text}{_such_as(files)}."


def _such_as(files: Iterable[str]) -> str:
    found = list(files)
    return f" ({len(found)} files, such as {Path(found[0]).name})" if found else ""
