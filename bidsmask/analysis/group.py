"""The group level: tables over all subjects, from the participant outputs alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bidsmask.dataset.entities import parse_name
from bidsmask.derivatives.tables import QUALITY_COLUMNS
from bidsmask.derivatives.writing import read_table, write_json, write_table
from bidsmask.errors import NoInputError
from bidsmask.settings import Settings

_SEES = ("ok", "partial")


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """What the group level wrote."""

    n_subjects: int
    n_runs: int
    files: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """Always 0: a group that cannot be made is an error."""
        return 0


def run_group(settings: Settings) -> GroupSummary:
    """Write ``group_qc.tsv``, ``group_coverage.tsv`` and ``participants.tsv``.

    Raises
    ------
    NoInputError
        If no run has been done yet.
    """
    output_dir = settings.output_dir
    qc_files = _participant_files(settings, "*_desc-bidsmask_qc.tsv")
    if not qc_files:
        raise NoInputError(
            f"{output_dir} holds no quality tables (sub-*/**/*_desc-bidsmask_qc.tsv). "
            "Run the participant level first, with the same output folder."
        )
    qc = group_qc(qc_files)
    tables = [
        (output_dir / "group_qc.tsv", qc, _QC_COLUMNS),
        (
            output_dir / "group_coverage.tsv",
            group_coverage(_participant_files(settings, "*_stat-coverage_bold.tsv")),
            _COVERAGE_COLUMNS,
        ),
    ]
    for path, table, columns in tables:
        write_table(path, table)
        write_json(path.with_suffix(".json"), columns)
    subjects = sorted(path.name for path in output_dir.glob("sub-*") if path.is_dir())
    write_table(output_dir / "participants.tsv", pd.DataFrame({"participant_id": subjects}))
    return GroupSummary(
        n_subjects=len({name.split("_")[0] for name in qc["bids_name"]}),
        n_runs=qc["bids_name"].nunique(),
        files=(*(path for path, _, _ in tables), output_dir / "participants.tsv"),
    )


_QC_COLUMNS = {
    "bids_name": {"Description": "Run: name of its quality table without desc- and suffix"},
    **{
        name: {"Description": meaning, **({"Units": unit} if unit else {})}
        for name, (meaning, unit) in QUALITY_COLUMNS.items()
    },
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


def group_qc(files: Iterable[Path]) -> pd.DataFrame:
    """The quality tables of all runs below each other, one row per run and strategy."""
    tables = []
    for file in files:
        table = read_table(file)
        table.insert(0, "bids_name", _bids_name(file))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


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


def _participant_files(settings: Settings, pattern: str) -> list[Path]:
    wanted = settings.selection.participants
    folders = (
        [settings.output_dir / f"sub-{label}" for label in wanted]
        if wanted
        else settings.output_dir.glob("sub-*")
    )
    return sorted(file for folder in folders for file in folder.rglob(pattern))
