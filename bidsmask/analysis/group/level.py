"""The group level: tables over all runs that count, from the participant outputs alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bidsmask._version import __version__
from bidsmask.analysis.group.benchmark_outputs import write_benchmarks
from bidsmask.analysis.group.connectivity import write_connectivity
from bidsmask.analysis.group.counted import LeftOut, Survey, mixed_settings, survey
from bidsmask.analysis.group.exclusion import (
    ATTRITION_COLUMNS,
    Decisions,
    attrition,
    decide,
    is_about,
)
from bidsmask.analysis.group.page import PAGE, group_page, write_page
from bidsmask.analysis.group.participants import (
    find_covariates,
    participants_columns,
    participants_table,
    without_covariates,
    without_results,
)
from bidsmask.analysis.group.stacks import LostRuns
from bidsmask.analysis.group.tables import (
    EXCLUDED_COLUMNS,
    Tables,
    coverage_columns,
    excluded,
    group_coverage,
    group_qc,
    lost_in_many,
    qc_columns,
    with_decisions,
    write_tables,
)
from bidsmask.dataset.listing import some_of
from bidsmask.dataset.people import Covariates, Rating, read_ratings
from bidsmask.derivatives.manifest import (
    read_manifest,
    remove_files_that_left,
    write_manifest,
)
from bidsmask.derivatives.read import FinishedRun
from bidsmask.errors import DatasetError, NoInputError
from bidsmask.numerics.verdict import WORDS
from bidsmask.settings import Settings

_MOST = 3

_FIRST = (PAGE, "group_qc.tsv", "group_excluded.tsv", "group_recommendation.tsv")
_OF_ATLAS = re.compile(r"^group_.*_(relmat|timeseries|networkmeans)\.")
"""Names of files that there are for each atlas, measure and strategy."""


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """What the group level wrote, and what it left out.

    `verdicts` counts runs with each strategy by what is to be thought of them, `included` those
    that are part of the group, by strategy; `warnings` are about the input of the group level.
    """

    n_subjects: int
    n_runs: int
    strategies: tuple[str, ...]
    atlases: tuple[str, ...]
    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]
    verdicts: Mapping[str, int]
    included: Mapping[str, int]
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.files[0].parent

    @property
    def kinds(self) -> dict[str, int]:
        """How many files there are of each kind, by the names of the kind: ``*_relmat.h5``."""
        names = (file.name for file in self.files)
        return dict(Counter(_OF_ATLAS.sub(r"group_*_\1.", name) for name in names))

    @property
    def to_look_at(self) -> tuple[Path, ...]:
        """The page, and the tables that people read themselves."""
        return tuple(self.folder / name for name in _FIRST)

    @property
    def exit_code(self) -> int:
        """0, or 1 if results that are there had to be left out: damaged, or out of date."""
        return 1 if any(each.is_damage for each in self.left_out) else 0


def run_group(settings: Settings) -> GroupSummary:
    """Write the tables of the group, and which runs are not part of it: ``group_excluded.tsv``.

    There is no coverage where only voxels were asked for.

    Raises
    ------
    NoInputError
        If no run counts.
    DatasetError
        If one name stands for different settings in different runs, or a table of covariates or
        ratings cannot be used.
    SettingsError
        If a rule of exclusion asks for what is known of no run.
    """
    found = survey(settings.output_dir, settings.bids_dir, settings.selection.subjects)
    while True:
        try:
            return _group_of(found, settings)
        except LostRuns as lost:  # stacks come first: no table has these runs
            found = found.without(lost.left_out)


def _group_of(found: Survey, settings: Settings) -> GroupSummary:
    output_dir, asked = settings.output_dir, settings.group
    _check(found, output_dir)
    covariates = find_covariates(settings)
    ratings = read_ratings(asked.ratings) if asked.ratings else ()
    qc, coverage = group_qc(found.counted), group_coverage(found.counted)
    decisions = decide(qc, asked, ratings)
    participants = participants_table(output_dir, covariates)
    connectivity = write_connectivity(found.counted, participants, output_dir, asked, decisions)
    included = {name: decisions.included(name) for name in decisions.strategies}
    benchmarks = write_benchmarks(connectivity.stacks, qc, participants, included, output_dir)
    absent = without_results(output_dir, covariates, settings.selection.subjects)
    left_out = (
        *found.left_out,
        *connectivity.left_out,
        *_not_yet_named(found.left_out, absent),
        *_of_nothing(ratings, qc, asked.ratings),
    )
    tables = {
        **_tables(qc, coverage, decisions, left_out),
        "participants": (participants, participants_columns(covariates)),
    }
    shown = {name: table for name, (table, _) in tables.items()}
    page = group_page(found, shown, left_out, connectivity, benchmarks, settings)
    files = [*write_tables(tables, output_dir), *connectivity.files, *benchmarks.files]
    files.append(write_page(page, output_dir))
    _note_files(output_dir, files, found)
    return GroupSummary(
        n_subjects=len({run.participant for run in found.counted}),
        n_runs=len(found.counted),
        strategies=decisions.strategies,
        atlases=tuple(dict.fromkeys(coverage["atlas"])) if coverage is not None else (),
        files=tuple(output_dir / name for name in files if not name.endswith(".json")),
        left_out=left_out,
        verdicts={word: int((qc["verdict"] == word).sum()) for word in WORDS},
        included={name: len(runs) for name, runs in included.items()},
        warnings=(
            *covariates.warnings,
            *_without_covariates(output_dir, covariates),
            *_of_another_version(found.counted),
            *connectivity.warnings,
            *(lost_in_many(coverage) if coverage is not None else ()),
        ),
    )


def _tables(
    qc: pd.DataFrame,
    coverage: pd.DataFrame | None,
    decisions: Decisions,
    left_out: Sequence[LeftOut],
) -> Tables:
    decided = with_decisions(qc, decisions)
    of_coverage: Tables = (
        {} if coverage is None else {"group_coverage": (coverage, coverage_columns(coverage))}
    )
    return {
        "group_qc": (decided, qc_columns(decided)),
        **of_coverage,
        "group_excluded": (excluded(left_out, decisions), EXCLUDED_COLUMNS),
        "group_attrition": (attrition(qc, decisions), ATTRITION_COLUMNS),
    }


def _note_files(output_dir: Path, files: Sequence[str], found: Survey) -> None:
    remove_files_that_left(output_dir, read_manifest(output_dir, "group"), files)
    sources = (run.record_name.as_posix() for run in found.counted)
    write_manifest(output_dir, "group", files, sources)


def _check(found: Survey, output_dir: Path) -> None:
    """Refuse to make tables of nothing, and of results that are not of one kind."""
    if not found.counted:
        reasons = "".join(f" {each.name}: {each.reason}" for each in found.left_out[:_MOST])
        raise NoInputError(
            f"{output_dir} holds no results that count.{reasons} "
            "Run the participant level first, with the same output folder."
        )
    if mixed := mixed_settings(found.counted):
        more = f" And {len(mixed) - _MOST} more." if len(mixed) > _MOST else ""
        raise DatasetError(
            f"{output_dir} holds results that no table may mix, as one name stands for different "
            f"settings: {'; '.join(mixed[:_MOST])}.{more} Run the participant level for all of "
            "them with the same options, or choose some with --participant-label."
        )


def _not_yet_named(named: Sequence[LeftOut], absent: Iterator[LeftOut]) -> Iterator[LeftOut]:
    """Give those who are absent, but for those of whom something has been said."""
    known = {each.name.split("_")[0] for each in named}
    yield from (each for each in absent if each.name not in known)


def _of_nothing(
    ratings: Sequence[Rating], qc: pd.DataFrame, file: Path | None
) -> Iterator[LeftOut]:
    """Name ratings of runs that are not there, or of strategies."""
    rows = qc.to_dict("records")
    for rating in ratings:
        if not any(is_about(rating, row) for row in rows):
            assert file is not None, "ratings are read from a file"
            name = "_".join(rating.about.values())
            under = f" under {rating.strategy}" if rating.strategy else ""
            reason = f"{file.name}, row {rating.row}: {rating.words}{under}; no run here is that."
            yield LeftOut(name=name, reason=reason)


def _without_covariates(output_dir: Path, covariates: Covariates) -> Iterator[str]:
    if (unknown := without_covariates(output_dir, covariates)) and covariates.file:
        yield f"{covariates.file} says nothing of {some_of(unknown)}: their covariates are n/a."


def _of_another_version(runs: Sequence[FinishedRun]) -> Iterator[str]:
    """Say which version all runs are of, if it is not this one; versions are never mixed."""
    version = runs[0].record.version
    if version != __version__:
        yield (
            f"All runs were written by bidsmask {version}, and this is {__version__}: what that "
            "version did not measure is n/a."
        )
