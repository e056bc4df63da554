"""The group level: tables over all runs that count, from the participant outputs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bidsmask.analysis.group.connectivity import write_connectivity
from bidsmask.analysis.group.counted import LeftOut, Survey, mixed_settings, survey
from bidsmask.analysis.group.tables import (
    COVERAGE_COLUMNS,
    EXCLUDED_COLUMNS,
    excluded,
    group_coverage,
    group_qc,
    qc_columns,
)
from bidsmask.derivatives.manifest import (
    read_manifest,
    remove_files_that_left,
    write_manifest,
)
from bidsmask.derivatives.writing import write_json, write_table
from bidsmask.errors import DatasetError, NoInputError
from bidsmask.numerics.verdict import WORDS
from bidsmask.settings import Settings

_MOST = 3


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """What the group level wrote, and what it left out.

    `verdicts` counts runs with each strategy by what is to be thought of them.
    """

    n_subjects: int
    n_runs: int
    strategies: tuple[str, ...]
    atlases: tuple[str, ...]
    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]
    verdicts: Mapping[str, int]

    @property
    def exit_code(self) -> int:
        """0, or 1 if results that are there had to be left out: damaged, or out of date."""
        return 1 if any(each.is_damage for each in self.left_out) else 0


def run_group(settings: Settings) -> GroupSummary:
    """Write the tables of the group, and which runs are not in them: ``group_excluded.tsv``.

    There is no coverage where only voxels were asked for.

    Raises
    ------
    NoInputError
        If no run counts.
    DatasetError
        If one name stands for different settings in different runs.
    """
    output_dir = settings.output_dir
    found = survey(output_dir, settings.bids_dir, settings.selection.subjects)
    _check(found, output_dir)
    qc, coverage = group_qc(found.counted), group_coverage(found.counted)
    tables: dict[str, tuple[pd.DataFrame, Mapping[str, Any]]] = {"group_qc": (qc, qc_columns(qc))}
    if coverage is not None:
        tables["group_coverage"] = (coverage, COVERAGE_COLUMNS)
    subjects = sorted({run.participant for run in found.counted})
    participants = pd.DataFrame({"participant_id": subjects})
    included = [run.name for run in found.counted]
    connectivity = write_connectivity(
        found.counted, participants, output_dir, settings.group, included
    )
    left_out = (*found.left_out, *connectivity.left_out)
    tables["group_excluded"] = (excluded(left_out), EXCLUDED_COLUMNS)
    write_table(output_dir / "participants.tsv", participants, within=output_dir)
    for name, (table, columns) in tables.items():
        write_table(output_dir / f"{name}.tsv", table, within=output_dir)
        write_json(output_dir / f"{name}.json", dict(columns), within=output_dir)
    written = [f"{name}.{kind}" for name in tables for kind in ("tsv", "json")]
    written += ["participants.tsv", *connectivity.files]
    _note_files(output_dir, written, found)
    return GroupSummary(
        n_subjects=len(subjects),
        n_runs=len(found.counted),
        strategies=tuple(dict.fromkeys(qc["strategy"])),
        atlases=tuple(dict.fromkeys(coverage["atlas"])) if coverage is not None else (),
        files=tuple(output_dir / name for name in written if not name.endswith(".json")),
        left_out=left_out,
        verdicts={word: int((qc["verdict"] == word).sum()) for word in WORDS},
    )


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


def _note_files(output_dir: Path, files: Sequence[str], found: Survey) -> None:
    remove_files_that_left(output_dir, read_manifest(output_dir, "group"), files)
    sources = (run.record_name.as_posix() for run in found.counted)
    write_manifest(output_dir, "group", files, sources)
