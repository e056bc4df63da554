"""Which results of an output count today, and why others do not.

A run counts if its record is there, its files are as the record says, and what it was made of is
still in the input as it was. The large tables are held against the record when they are read for
stacks, so that they are read once. Results that count may be put into one table only if the same
name means the same in all of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from bidsmask.dataset.entities import is_label, parse_name
from bidsmask.dataset.listing import some_of
from bidsmask.derivatives.claims import subjects_at_work
from bidsmask.derivatives.read import FinishedRun, find_runs
from bidsmask.derivatives.record import (
    BOLD,
    ENDING,
    RunRecord,
    fingerprint,
    has_sum,
    is_replaced,
)
from bidsmask.derivatives.retire import withdrawn_records
from bidsmask.derivatives.status import read_status, subject_of
from bidsmask.numerics.threads import in_order
from bidsmask.vocabulary import NATIVE_SPACES

_OF_THE_LATTICE = ("shape", "affine", "structures", "places")
_OF_THE_RUN = frozenset(["metadata", "t_r", "n_volumes", "meshes", *_OF_THE_LATTICE])
_OF_THE_INPUT = "bids:preprocessed:"
_QUALITY = "_desc-bidsmask_qc.tsv"
_AGAIN = "Run the participant level again."
_MOST = 3


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A run, or a participant, that does not count.

    Parameters
    ----------
    name : str
    reason : str
    is_damage : bool
        Whether there are results that claim to be valid and are not.
    """

    name: str
    reason: str
    is_damage: bool = False


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The runs that count, in the order of their names, and what is left out."""

    counted: tuple[FinishedRun, ...]
    left_out: tuple[LeftOut, ...]

    def without(self, lost: Iterable[LeftOut]) -> Survey:
        """Leave out some more."""
        left_out = {each.name: each for each in (*self.left_out, *lost)}
        return Survey(
            counted=tuple(run for run in self.counted if run.name not in left_out),
            left_out=tuple(sorted(left_out.values(), key=lambda each: each.name)),
        )


def survey(output_dir: Path, bids_dir: Path, subjects: Sequence[str]) -> Survey:
    """Look through an output for runs that count.

    Of tables that become stacks it is only asked whether they are there.

    Parameters
    ----------
    output_dir : Path
    bids_dir : Path
        The input. If no participant is there at all, results are not compared with it.
    subjects : sequence of str
        Labels of those to look at; all if there are none.
    """
    labels = tuple(filter(is_label, subjects)) if subjects else ("*",)
    in_input = _participants(bids_dir, labels)
    counted: list[FinishedRun] = []
    left_out: dict[str, LeftOut] = {}
    claimed: set[str] = set()
    for run in find_runs(output_dir, labels):
        claimed |= run.record.outputs.keys()
        problem = _problem(run, bids_dir if in_input else None)
        if problem is None:
            counted.append(run)
        else:
            left_out[run.name] = problem
    runs = {run.name for run in counted}
    others = (
        *_failed(output_dir, bids_dir, labels),
        *_interrupted(output_dir, labels),
        *_without_record(output_dir, labels, claimed),
    )
    for each in others:
        if each.name not in runs:
            left_out.setdefault(each.name, each)
    known = {run.split("_")[0] for run in (*runs, *left_out)}
    for participant in in_input - known:
        reason = f"It is in the input and has no results. {_AGAIN}"
        left_out[participant] = LeftOut(name=participant, reason=reason)
    at_work = subjects_at_work(output_dir)
    left_out = {name: _not_yet(each, at_work) for name, each in left_out.items()}
    return Survey(
        counted=tuple(sorted(counted, key=lambda run: run.name)),
        left_out=tuple(sorted(left_out.values(), key=lambda each: each.name)),
    )


def _not_yet(each: LeftOut, at_work: Collection[str]) -> LeftOut:
    """Take what is being written for what it is: not damaged, but not done."""
    if subject_of(each.name) not in at_work:
        return each
    reason = "A job is at work on this participant: run the group level again when it has ended."
    return LeftOut(name=each.name, reason=reason)


def mixed_settings(runs: Iterable[FinishedRun]) -> tuple[str, ...]:
    """Say what one name stands for in some results, and what in others; nothing if all agree.

    What an atlas is counts among runs on one grid of a template: each may have an atlas of its
    own grid or, in a native space, of its own. Meshes are those of each subject.
    """
    known: dict[tuple[object, ...], dict[str, list[str]]] = {}
    for run in runs:
        for name, value in (run.record.settings or {}).items():
            if key := _comparable(name, run.record):
                known.setdefault(key, {}).setdefault(value, []).append(run.name)
    return tuple(
        f"{key[0]} is "
        + ", ".join(f"{value} in {some_of(sorted(names), 1)}" for value, names in values.items())
        for key, values in known.items()
        if len(values) > 1 and _are_mixed(str(key[0]), [*values])
    )


def _are_mixed(name: str, values: Sequence[str]) -> bool:
    return any(is_replaced(name, values[0], other) for other in values[1:])


def _comparable(name: str, record: RunRecord) -> tuple[object, ...] | None:
    """Among which runs a setting has to be the same; None if it is of the run alone."""
    if name in _OF_THE_RUN:
        return None
    if not name.startswith(("atlas-", "seg-")):
        return (name,)
    assert record.settings is not None, "names of settings come from settings"
    entities = parse_name(f"{record.run}_bold.nii.gz").entities
    space = entities.get("space")
    if space is None or space in NATIVE_SPACES:
        return None
    return name, space, *map(record.settings.get, _OF_THE_LATTICE)


def _problem(run: FinishedRun, bids_dir: Path | None) -> LeftOut | None:
    """Say why results do not count; None if they do."""
    record = run.record
    if record.source is None or record.settings is None:
        reason = f"Its record is damaged, or does not tell what it was made of. {_AGAIN}"
        return LeftOut(name=record.run, reason=reason, is_damage=True)
    if (damage := _damage(run, unread=run.stackable)) or bids_dir is None:
        return damage
    return _changed_input(record, run.output_dir, bids_dir)


def _damage(run: FinishedRun, unread: Collection[Path] = ()) -> LeftOut | None:
    """Name the first file that is not there, or not as it was written; some are not read."""
    for file, known in run.record.outputs.items():
        path = run.output_dir / file
        is_there = path.is_file()
        if not (is_there and (Path(file) in unread or has_sum(path, known))):
            what = "is not as it was written" if is_there else "is missing"
            reason = f"{path.name} {what}. {_AGAIN}"
            return LeftOut(name=run.name, reason=reason, is_damage=True)
    return None


def damaged(runs: Sequence[FinishedRun]) -> Iterator[LeftOut]:
    """Find the runs of which a file, whichever it is, is no longer as it was written."""
    at_work = subjects_at_work(runs[0].output_dir)
    yield from (_not_yet(each, at_work) for each in in_order(_damage, runs) if each)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()  # its content may be elsewhere: DataLad's are links


def _changed_input(record: RunRecord, output_dir: Path, bids_dir: Path) -> LeftOut | None:
    """Compare with the input; what is not there, with the dataset that it was made from."""
    assert record.source is not None, "a record without one is damaged"
    homes = (bids_dir, output_dir / unquote(record.source.dataset))
    for role, file in record.source.files.items():
        if not file.uri.startswith(_OF_THE_INPUT):
            continue
        inside = unquote(file.uri.removeprefix(_OF_THE_INPUT))
        path = next(filter(_is_there, (home / inside for home in homes)), homes[0] / inside)
        if not _is_there(path):
            reason = f"Its {role} file is no longer in the input."
            return LeftOut(name=record.run, reason=reason, is_damage=role != BOLD)
        now = fingerprint(path, role)
        if now and now != file.fingerprint:
            reason = f"Its {role} file has changed since. {_AGAIN}"
            return LeftOut(name=record.run, reason=reason, is_damage=True)
    return None


def _participants(bids_dir: Path, labels: Iterable[str]) -> set[str]:
    found = (path for label in labels for path in bids_dir.glob(f"sub-{label}"))
    return {path.name for path in found if path.is_dir()}


def _failed(output_dir: Path, bids_dir: Path, labels: Iterable[str]) -> Iterator[LeftOut]:
    table = read_status(output_dir)
    wanted = {f"sub-{label}" for label in labels}
    for row in table[table["status"] == "failed"].to_dict("records"):
        name = str(row["run"])
        if "sub-*" in wanted or name.split("_")[0] in wanted:
            reason = str(row["reason"]).replace(f"{bids_dir}{os.sep}", "")
            yield LeftOut(name=name, reason=f"It failed: {reason}")


def _interrupted(output_dir: Path, labels: Iterable[str]) -> Iterator[LeftOut]:
    for name in withdrawn_records(output_dir, labels):
        reason = f"A job that was to replace its results was interrupted. {_AGAIN}"
        yield LeftOut(name=name.name.removesuffix(ENDING), reason=reason, is_damage=True)


def _without_record(
    output_dir: Path, labels: Iterable[str], claimed: set[str]
) -> Iterator[LeftOut]:
    for label in labels:
        for path in sorted(output_dir.glob(f"sub-{label}/**/*{_QUALITY}")):
            if path.relative_to(output_dir).as_posix() not in claimed:
                reason = f"No record says that its results are complete. {_AGAIN}"
                run = path.name.removesuffix(_QUALITY)
                yield LeftOut(name=run, reason=reason, is_damage=True)
