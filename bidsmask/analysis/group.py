"""The group level: tables over all runs that count, from the participant outputs alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bidsmask.analysis.counted import LeftOut, Survey, mixed_settings, survey
from bidsmask.dataset.entities import parse_name
from bidsmask.derivatives.manifest import (
    read_manifest,
    remove_files_that_left,
    write_manifest,
)
from bidsmask.derivatives.quality import QUALITY_COLUMNS, with_counts
from bidsmask.derivatives.writing import read_table, write_json, write_table
from bidsmask.errors import DatasetError, NoInputError
from bidsmask.numerics.verdict import WORDS
from bidsmask.settings import Settings

_SEES = ("ok", "partial")
_QUALITY, _COVERAGE = "_desc-bidsmask_qc.tsv", "_stat-coverage_bold.tsv"
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
    files = [output_dir / name for record in found.counted.values() for name in record.outputs]
    qc = group_qc(file for file in files if file.name.endswith(_QUALITY))
    tables = {"group_qc": (qc, _QC_COLUMNS)}
    coverage_files = [file for file in files if file.name.endswith(_COVERAGE)]
    coverage = group_coverage(coverage_files) if coverage_files else None
    if coverage is not None:
        tables["group_coverage"] = (coverage, _COVERAGE_COLUMNS)
    tables["group_excluded"] = (_excluded(found.left_out), _EXCLUDED_COLUMNS)
    subjects = sorted({record.run.split("_")[0] for record in found.counted.values()})
    participants = pd.DataFrame({"participant_id": subjects})
    write_table(output_dir / "participants.tsv", participants, within=output_dir)
    for name, (table, columns) in tables.items():
        write_table(output_dir / f"{name}.tsv", table, within=output_dir)
        write_json(output_dir / f"{name}.json", columns, within=output_dir)
    written = [f"{name}.{kind}" for name in tables for kind in ("tsv", "json")]
    _note_files(output_dir, [*written, "participants.tsv"], found)
    return GroupSummary(
        n_subjects=len(subjects),
        n_runs=len(found.counted),
        strategies=tuple(dict.fromkeys(qc["strategy"])),
        atlases=tuple(dict.fromkeys(coverage["atlas"])) if coverage is not None else (),
        files=tuple(output_dir / f"{name}.tsv" for name in (*tables, "participants")),
        left_out=found.left_out,
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
    if mixed := mixed_settings(found.counted.values()):
        more = f" And {len(mixed) - _MOST} more." if len(mixed) > _MOST else ""
        raise DatasetError(
            f"{output_dir} holds results that no table may mix, as one name stands for different "
            f"settings: {'; '.join(mixed[:_MOST])}.{more} Run the participant level for all of "
            "them with the same options, or choose some with --participant-label."
        )


def _note_files(output_dir: Path, files: Sequence[str], found: Survey) -> None:
    remove_files_that_left(output_dir, read_manifest(output_dir, "group"), files)
    sources = (name.as_posix() for name in found.counted)
    write_manifest(output_dir, "group", files, sources)


def _excluded(left_out: Iterable[LeftOut]) -> pd.DataFrame:
    rows = [(each.name.split("_")[0], each.name, each.reason) for each in left_out]
    return pd.DataFrame(rows, columns=[*_EXCLUDED_COLUMNS], dtype=str)


_QC_COLUMNS = {
    "bids_name": {"Description": "Run: name of its quality table without desc- and suffix"},
    **{name: column.described() for name, column in QUALITY_COLUMNS.items()},
}

_COVERAGE_COLUMNS = {
    "atlas": {"Description": "Atlas, space and grid that the region belongs to"},
    "Node": {"Description": "Name of the region"},
    "index": {"Description": "Label of the region in the atlas image"},
    "n_runs": {"Description": "Runs in which the region was looked for"},
    "n_lost": {"Description": "Runs in which it has no signal (n/a)"},
    "mean_coverage": {"Description": "Mean share of the region that is covered, 0 to 1"},
    "min_coverage": {"Description": "Lowest share of the region that is covered, 0 to 1"},
    "lost_in": {"Description": "The runs in which it has no signal, separated by blanks"},
}

_EXCLUDED_COLUMNS = {
    "participant_id": {"Description": "Participant"},
    "run": {"Description": "Run that is not in the tables of the group, or its participant"},
    "reason": {"Description": "Why it is not"},
}


def group_qc(files: Iterable[Path]) -> pd.DataFrame:
    """The quality tables of all runs below each other, one row per run and strategy."""
    tables = []
    for file in files:
        table = read_table(file)
        table.insert(0, "bids_name", _bids_name(file))
        tables.append(table)
    return with_counts(pd.concat(tables, ignore_index=True))


def group_coverage(files: Iterable[Path]) -> pd.DataFrame:
    """For each region of each atlas: how many runs lack it, and which.

    Parameters
    ----------
    files : iterable of Path
        Coverage tables of runs.

    Returns
    -------
    table : DataFrame
        One row per atlas and region, in the order of the look-up table.
    """
    rows = pd.concat([_coverage_rows(file) for file in files], ignore_index=True)
    grouped = rows.groupby(["atlas", "Node", "index"], sort=False)
    return grouped.agg(
        n_runs=("coverage", "size"),
        n_lost=("lost", "sum"),
        mean_coverage=("coverage", "mean"),
        min_coverage=("coverage", "min"),
        lost_in=("lost_in", lambda names: " ".join(filter(None, names)) or "n/a"),
    ).reset_index()


def _coverage_rows(file: Path) -> pd.DataFrame:
    table = read_table(file)
    entities = parse_name(file.name).entities
    table["atlas"] = "_".join(
        f"{key}-{entities[key]}"
        for key in ("space", "atlas", "seg", "scale", "res")
        if key in entities
    )
    table["lost"] = ~table["status"].isin(_SEES)
    table["lost_in"] = [_bids_name(file, atlas=True) if lost else "" for lost in table["lost"]]
    return table


def _bids_name(file: Path, *, atlas: bool = False) -> str:
    dropped = ("desc", "stat", *(("atlas", "seg", "scale") if atlas else ()))
    entities = parse_name(file.name).entities
    return "_".join(f"{key}-{entities[key]}" for key in entities if key not in dropped)
