"""Finished runs of an output, as values: the one door through which the group level reads.

A `FinishedRun` knows from its record alone which tables there are. They are read when they are
asked for, each held against the sum in the record: what has been damaged, or replaced by a job
that is still at work, is never read as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.dataset.entities import Entities, parse_name
from bidsmask.dataset.strategies import label_of
from bidsmask.derivatives.numbers import numbers_in, triangle_in
from bidsmask.derivatives.quality import QUALITY_COLUMNS, with_counts
from bidsmask.derivatives.record import RunRecord, find_records, read_record_file
from bidsmask.derivatives.stacks import StackedRun, square
from bidsmask.derivatives.writing import MISSING, read_table, typed
from bidsmask.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

OF_THE_ATLAS = ("space", "atlas", "seg", "scale", "res", "den")
"""Entities that say which regions the columns of a table are, and on which grid."""

_NO_REGIONS = ("edges", "edgerss")
"""Statistics of time series whose columns are no regions."""

_DRAWN = re.compile(r"\+\d+s$")
"""Of ``desc``: matrices of volumes that were drawn, so that all are of one length."""

COVERAGE = "coverage"
"""Label of ``stat`` in the names of tables of coverage."""


class TableKey(NamedTuple):
    """Which of the tables of one kind.

    Parameters
    ----------
    atlas : str
        Entities of the atlas and its grid, such as ``space-MNI152NLin6Asym_atlas-Tian``.
    stat : str
        Statistic of time series (``mean``), measure of matrices (``pearsoncorrelation``).
    desc : str
        Label of the strategy, as in the names of files; see `FinishedRun.strategies`.
    """

    atlas: str
    stat: str
    desc: str

    @property
    def is_of_regions(self) -> bool:
        """Whether columns are regions, and no pairs of them."""
        return self.stat.rpartition("+")[2] not in _NO_REGIONS


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedRun:
    """A run with a record, and its tables.

    Parameters
    ----------
    output_dir : Path
    record_name : Path
        Of its record, relative to the output.
    record : RunRecord
    """

    output_dir: Path
    record_name: Path
    record: RunRecord

    @property
    def name(self) -> str:
        """Name of the run: its entities, as the names of its files begin."""
        return self.record.run

    @cached_property
    def entities(self) -> Entities:
        """Entities of the run."""
        return parse_name(f"{self.record.run}_bold.nii.gz").entities

    @property
    def participant(self) -> str:
        """The participant, as in ``participants.tsv``: ``sub-01``."""
        return f"sub-{self.entities['sub']}"

    @property
    def t_r(self) -> float:
        """Repetition time in seconds."""
        return float(self._settings["t_r"])

    @property
    def n_volumes(self) -> int:
        """How many volumes the BOLD run has, censored ones included."""
        return int(self._settings["n_volumes"])

    @property
    def strategies(self) -> dict[str, str]:
        """Strategies that could be carried out: names by their labels in names of files."""
        names = [row["strategy"] for row in self.quality if row["status"] == "ok"]
        return {label_of(name): name for name in names}

    @cached_property
    def quality(self) -> tuple[dict[str, str], ...]:
        """The table of quality: cells of one row for each strategy that was asked for."""
        (name,) = self._of("qc").values()
        header, rows = self.cells(name)
        return tuple(dict(zip(header, row, strict=True)) for row in rows)

    @property
    def series(self) -> dict[TableKey, Path]:
        """Time series, relative to the output."""
        return self._of("timeseries")

    @property
    def matrices(self) -> dict[TableKey, Path]:
        """Matrices of connectivity, relative to the output."""
        return self._of("relmat")

    @property
    def network_means(self) -> dict[TableKey, Path]:
        """Means of matrices within networks and between them, relative to the output."""
        return self._of("networkmeans")

    @property
    def atlases(self) -> tuple[str, ...]:
        """Atlases and grids of which there is coverage, in the order of their names."""
        return tuple(key.atlas for key in self._of("bold") if key.stat == COVERAGE)

    @property
    def stackable(self) -> frozenset[Path]:
        """Time series and matrices of regions, relative to the output."""
        tables = (*self.series.items(), *self.matrices.items())
        return frozenset(name for key, name in tables if key.is_of_regions)

    def coverage(self, atlas: str) -> dict[str, tuple[str, ...]]:
        """Read the coverage of an atlas: cells of its columns, one for each region."""
        header, rows = self.cells(self._of("bold")[TableKey(atlas, COVERAGE, "")])
        return dict(zip(header, zip(*rows, strict=True), strict=True))

    def look_up_table(self, atlas: str) -> pd.DataFrame:
        """Read what the atlas says of its regions: ``index``, ``name``, perhaps ``network``."""
        tables = self._of("dseg") | self._of("probseg")
        return self._table(tables[TableKey(atlas, "", "")])

    def freedom(self, desc: str) -> float:
        """Temporal degrees of freedom that a strategy has left (ν)."""
        (found,) = (row for row in self.quality if label_of(row["strategy"]) == desc)
        left = found["dof_remaining"]
        return float("nan" if left == MISSING else left)

    def kept(self, desc: str) -> BoolArray:
        """Read which volumes a strategy has kept, (T,); a row of time series for each volume."""
        (name,) = (path for key, path in self._of("outliers").items() if key.desc == desc)
        censored: BoolArray = self._table(name)["censored"].to_numpy() == 0
        return censored

    def design(self, desc: str) -> pd.DataFrame | None:
        """Read what a strategy regressed, (T, C); None if it is nothing."""
        found = [path for key, path in self._of("design").items() if key.desc == desc]
        return self._table(found[0]) if found else None

    def sidecar(self, name: Path) -> dict[str, Any]:
        """Read the sidecar of a table.

        Raises
        ------
        OutputError
            If it is not as it was written.
        """
        content: dict[str, Any] = json.loads(self.content(name.with_suffix(".json")))
        return content

    def read_series(self, name: Path) -> tuple[tuple[str, ...], FloatArray]:
        """Read names of regions and their signals, (T, P) in single precision.

        NaN in columns of regions without a signal, and in rows of censored volumes.

        Raises
        ------
        OutputError
            If it is not as it was written.
        """
        names, rows = _header(self.content(name))
        return names, numbers_in(rows).reshape(-1, len(names)).astype(np.float32)

    def read_volumes(self, key: TableKey) -> tuple[tuple[str, ...], FloatArray]:
        """Read time series with a row for each volume, also where censored ones were dropped.

        Raises
        ------
        OutputError
            If a table is not as it was written.
        """
        names, signals = self.read_series(self.series[key])
        if len(signals) == self.n_volumes:
            return names, signals
        rows = np.full((self.n_volumes, len(names)), np.nan, dtype=signals.dtype)
        rows[self.kept(key.desc)] = signals
        return names, rows

    def read_triangle(self, name: Path) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
        """Read names of regions, what is between them, (P (P - 1) / 2,), and the diagonal, (P,).

        In single precision, along the rows of the upper half of the matrix. NaN for regions
        without a signal.

        Raises
        ------
        OutputError
            If it is not as it was written.
        """
        names, above, diagonal = _triangle(self.content(name))
        return names, above.astype(np.float32), diagonal.astype(np.float32)

    def read_matrix(self, name: Path) -> tuple[tuple[str, ...], FloatArray]:
        """Read names of regions and what is between them, (P, P); see `read_triangle`."""
        names, above, diagonal = self.read_triangle(name)
        return names, square(above, diagonal)

    def stacked(self, name: Path | None = None) -> StackedRun:
        """Tell what a stack knows of the run, one of the tables of which it holds."""
        entities = self.entities
        return StackedRun(
            run=self.name,
            participant_id=self.participant,
            session_id=f"ses-{entities['ses']}" if "ses" in entities else "",
            task_id=entities.get("task", ""),
            run_id=entities.get("run", ""),
            n_volumes=self.n_volumes,
            t_r=self.t_r,
            sha256=self.record.outputs[name.as_posix()] if name else "",
        )

    def columns(self, name: Path) -> tuple[str, ...]:
        """Read names of the columns of a table, which is not looked at besides."""
        with (self.output_dir / name).open("rb") as file:
            return _header(file.readline())[0]

    def cells(self, name: Path) -> tuple[list[str], list[list[str]]]:
        """Read the header and the rows of a small table, as texts.

        Raises
        ------
        OutputError
            If it is not as it was written.
        """
        header, *rows = self.content(name).decode().splitlines()
        return header.split("\t"), [row.split("\t") for row in rows]

    def content(self, name: Path) -> bytes:
        """Read a file of the run.

        Raises
        ------
        OutputError
            If it is missing, or not as its record says.
        """
        path = self.output_dir / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise OutputError(f"{path} cannot be read ({error.strerror or error}).") from error
        if hashlib.sha256(content).hexdigest() != self.record.outputs.get(name.as_posix()):
            raise OutputError(
                f"{path} is not as it was written. Run the participant level again, or wait for "
                "the job that is at work on it."
            )
        return content

    @property
    def _settings(self) -> Mapping[str, str]:
        return self.record.settings or {}

    @cached_property
    def _tables(self) -> dict[str, dict[TableKey, Path]]:
        """All tables, by their suffix."""
        found: dict[str, dict[TableKey, Path]] = {}
        for name in self.record.outputs:
            if name.endswith(".tsv"):
                parsed = parse_name(name)
                key = TableKey(
                    atlas=str(parsed.entities.only(*OF_THE_ATLAS)),
                    stat=parsed.entities.get("stat", ""),
                    desc=parsed.entities.get("desc", ""),
                )
                found.setdefault(parsed.suffix, {})[key] = Path(name)
        return found

    def _of(self, suffix: str) -> dict[TableKey, Path]:
        return self._tables.get(suffix, {})

    def _table(self, name: Path) -> pd.DataFrame:
        return read_table(self.output_dir / name, self.content(name))


def find_runs(output_dir: Path, subjects: Iterable[str] = ("*",)) -> Iterator[FinishedRun]:
    """Find every run that has a record, whether or not its files are as that says.

    Joined runs are none: they are made of others.

    Parameters
    ----------
    output_dir : Path
    subjects : iterable of str
        Labels; all by default.
    """
    for name in find_records(output_dir, subjects):
        record = read_record_file(output_dir / name, name.parent)
        if record is not None and not record.is_joined:
            yield FinishedRun(output_dir=output_dir, record_name=name, record=record)


def by_participant(runs: Iterable[FinishedRun]) -> list[FinishedRun]:
    """Put runs into the order in which stacks have them."""
    return sorted(runs, key=lambda run: (run.participant, run.name))


def strategy_of(desc: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Tell whose a label of ``desc`` is: a strategy's, and of which length matrices are.

    Parameters
    ----------
    desc : str
        As in names of files.
    names : mapping
        Names of strategies, by their labels; one that is not there stays a label.

    Returns
    -------
    strategy : str
    length : str
        Empty for matrices of all kept volumes.

    Examples
    --------
    >>> strategy_of("gsronly+300s", {"gsronly": "gsr_only"})
    ('gsr_only', '300s')
    """
    label = desc if desc in names else _DRAWN.sub("", desc)
    return names.get(label, label), desc[len(label) + 1 :]


def keys_of(runs: Iterable[FinishedRun], *, has_matrices: bool) -> list[TableKey]:
    """Find what matrices, or time series of regions, there are in some runs."""
    keys = {key for run in runs for key in (run.matrices if has_matrices else run.series)}
    return sorted(key for key in keys if key.is_of_regions)


def stack_name(key: TableKey, *, has_matrices: bool) -> str:
    """Name of a stack.

    Examples
    --------
    >>> key = TableKey("space-MNI152NLin6Asym_atlas-Tian", "pearsoncorrelation", "36P")
    >>> stack_name(key, has_matrices=True)
    'group_space-MNI152NLin6Asym_atlas-Tian_stat-pearsoncorrelation_desc-36P_relmat.h5'
    """
    return group_name(key, "relmat" if has_matrices else "timeseries", ".h5")


def group_name(key: TableKey, suffix: str, extension: str) -> str:
    """Name of a file of the group that is of one kind of tables."""
    parts = ("group", key.atlas, f"stat-{key.stat}", f"desc-{key.desc}", suffix)
    return "_".join(filter(None, parts)) + extension


def quality_of(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Read the tables of quality of runs, below each other: what a version does not have is n/a.

    Returns
    -------
    table : DataFrame
        The index says of which run each row is, counted from 0.
    """
    import pandas as pd

    rows = [(number, row) for number, run in enumerate(runs) for row in run.quality]
    names = dict.fromkeys([*QUALITY_COLUMNS, *(name for _, row in rows for name in row)])
    of_run, cells = zip(*rows, strict=True)
    texts = pd.DataFrame(cells, columns=list(names), index=of_run, dtype=object)
    return with_counts(typed(texts.where(texts != MISSING)))


def read_group_matrix(path: Path) -> tuple[tuple[str, ...], FloatArray]:
    """Read names of regions and what is between them, (P, P), from a table of the group.

    Raises
    ------
    ValueError
        If it is no symmetric matrix of numbers.
    """
    names, above, diagonal = _triangle(path.read_bytes())
    return names, square(above, diagonal)


def _triangle(content: bytes) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    (_, *names), rows = _header(content)
    above, diagonal = triangle_in(rows, len(names))
    return tuple(names), above, diagonal


def _header(content: bytes) -> tuple[tuple[str, ...], memoryview]:
    """Tell names of columns from the rows below them."""
    header = content[: content.find(b"\n") % (len(content) + 1)]
    return tuple(header.decode().split("\t")), memoryview(content)[len(header) + 1 :]
