"""Runs of one task joined in time: each is cleaned for itself, then one stands behind the other.

Joined files are made of the finished files of the runs, once all of these are done. They have the
names of the runs, without ``run``. Their rows are those of the runs; connectivity is over the kept
volumes of all of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray
from bidsmask._version import __version__
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.output_names import matrix_name, matrix_names, run_file, time_series_name
from bidsmask.analysis.outputs import File, about_drawn
from bidsmask.analysis.parts import ALL_ELSE, attempt
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.analysis.steps import compute_measure, take_sample
from bidsmask.analysis.words import is_fisher_z, measure_words, plain
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives import sidecars, tables
from bidsmask.derivatives.record import (
    RunRecord,
    in_words,
    read_record,
    record_name,
    source_of_joined,
    write_record,
)
from bidsmask.derivatives.retire import withdraw
from bidsmask.derivatives.run import write_files
from bidsmask.derivatives.sidecars import Provenance, with_columns
from bidsmask.derivatives.status import JOINED, RunFailure
from bidsmask.derivatives.writing import read_numbers, read_table
from bidsmask.errors import JoinError
from bidsmask.numerics.connectivity.measures import MEASURES, Relation
from bidsmask.numerics.connectivity.plain import fisher_z
from bidsmask.numerics.connectivity.xdf import memory_of
from bidsmask.reports.summaries import LostPart, letters
from bidsmask.settings import length_label

_RUN = re.compile(r"_run-[0-9a-zA-Z+]+")
_HAS_SIGNAL = ("ok", "partial")
_SHARED = ("atlas", "seeds", "strategy")
"""Parts that joined runs have only if each run has them."""


@dataclass(frozen=True, kw_only=True)
class Join:
    """Runs that differ in ``run`` only.

    Parameters
    ----------
    runs : tuple of RunPlan
        In the order of their numbers.
    problem : str
        Why they cannot be joined, known before anything is computed; "" if they can be.
    """

    runs: tuple[RunPlan, ...]
    problem: str

    @property
    def plan(self) -> RunPlan:
        """The plan of the first run, under the name of all of them."""
        first = self.runs[0]
        run = replace(first.run, entities=Entities(first.run.entities).without("run"))
        return replace(first, run=run)

    @property
    def name(self) -> str:
        """What the joined runs are called in the table of what became of each run."""
        return f"{without_run(self.runs[0].run.name)}{JOINED}"

    def failure(self, done: Collection[str]) -> RunFailure | None:
        """Say why they are not joined, given the names of the runs that were done."""
        failed = [plan.run.name for plan in self.runs if plan.run.name not in done]
        problem = self.problem or (f"{', '.join(failed)} failed." if failed else "")
        return self._failure(f"Nothing was joined: {problem}") if problem else None

    def write(
        self,
        lost: Mapping[str, Sequence[LostPart]],
        output_dir: Path,
        links: Mapping[str, str | Path],
    ) -> RunFailure | None:
        """Write the joined files.

        Parameters
        ----------
        lost : mapping from the name of a run to what is n/a in it
            What is n/a in one of the runs is so in all of them.
        output_dir : Path
        links : mapping from name to root
            Datasets that BIDS URIs refer to.

        Returns
        -------
        failure : RunFailure or None
            Why the files could not be made, or not all of them.
        """
        missing = [
            part for plan in self.runs for part in lost[plan.run.name] if part.part in _SHARED
        ]
        shared = self._without(missing)
        try:
            unrelated = shared._write(output_dir, links)
        except JoinError as error:
            return self._failure(f"Nothing was joined: {error}")
        said = letters((*missing, *unrelated))
        return self._failure(" ".join((*said, ALL_ELSE)), in_part=True) if said else None

    def _write(self, output_dir: Path, links: Mapping[str, str | Path]) -> list[LostPart]:
        """Write all files, unless they are there; give the measures that cannot be computed."""
        made_of = source_of_joined([plan.run for plan in self.runs], output_dir)
        before = read_record(output_dir, self.plan.run)
        is_same = before and (before.digest, before.source) == (self._digest, made_of)
        if before and is_same and before.agrees(output_dir) and self._is_whole(before):
            return []
        withdraw(output_dir, self.record_name)
        joined = _Joined(self, output_dir, links)
        record = RunRecord(
            run=self.plan.run.name,
            version=__version__,
            digest=self._digest,
            source=made_of,
            settings=in_words(self.plan.decisive),
            outputs=write_files(joined.files(), output_dir),
            labels={strategy.label: strategy.description for strategy in self.plan.strategies},
        )
        write_record(record, self.record_name, output_dir)
        return joined.lost

    def _is_whole(self, record: RunRecord) -> bool:
        return {name.as_posix() for name in joined_files(self)} <= set(record.outputs)

    def _without(self, missing: Sequence[LostPart]) -> Join:
        """Leave out the sources and strategies that are n/a in one of the runs."""
        names = {part.name for part in missing}
        everywhere = [{source.entities for source in plan.sources} for plan in self.runs]
        runs = (
            replace(
                plan,
                sources=tuple(
                    source
                    for source in plan.sources
                    if source.name not in names
                    and all(source.entities in each for each in everywhere)
                ),
                strategies=tuple(each for each in plan.strategies if each.name not in names),
            )
            for plan in self.runs
        )
        return replace(self, runs=tuple(runs))

    @property
    def record_name(self) -> Path:
        """Where the record of the joined runs is, relative to the output dataset."""
        return record_name(self.plan.run)

    @property
    def _digest(self) -> str:
        return hashlib.sha256(" ".join(plan.digest for plan in self.runs).encode()).hexdigest()

    def _failure(self, reason: str, *, in_part: bool = False) -> RunFailure:
        return RunFailure(
            subject=self.runs[0].run.subject,
            run=self.name,
            node="concatenate",
            kind=JoinError.__name__,
            reason=reason,
            in_part=in_part,
        )


def find_joins(plan: Plan) -> tuple[Join, ...]:
    """Find the runs of a plan that are to be joined."""
    groups: dict[str, list[RunPlan]] = {}
    for run in plan.runs:
        if "run" in run.run.entities:
            groups.setdefault(without_run(run.run.name), []).append(run)
    names = {run.run.name for run in plan.runs} | {failure.run for failure in plan.failures}
    joins = (
        Join(
            runs=tuple(sorted(runs, key=_number)),
            problem=_problem(name, runs, names),
        )
        for name, runs in groups.items()
    )
    return tuple(join for join in joins if join.problem or len(join.runs) > 1)


def joined_files(join: Join) -> Iterator[Path]:
    """Names of the tables that joined runs will give."""
    for source, strategy, statistic in _series_of(join.plan):
        yield time_series_name(join.plan, source, strategy, statistic)
    for source, strategy, measure in _matrices_of(join.plan):
        yield from matrix_names(join.plan, source, strategy, measure)


def _problem(name: str, runs: Sequence[RunPlan], names: set[str]) -> str:
    """Say what keeps some runs from being joined; "" if nothing does."""
    if name in names:
        return (
            f"{runs[0].run.name} and others would be written as {name}, which is the name of "
            "another run. Leave one of them out with --run-id or a --bids-filter-file."
        )
    planned = {run.run.name for run in runs}
    lost = sorted(each for each in names - planned if _is_of(name, each))
    if lost:
        return f"{', '.join(lost)} cannot be done."
    t_rs = sorted({run.t_r for run in runs})
    if len(t_rs) > 1:
        return f"the runs have the repetition times {', '.join(f'{t_r:g} s' for t_r in t_rs)}."
    return ""


def _is_of(name: str, run: str) -> bool:
    """Whether a run, by its name or that of its file, is one of those to be joined."""
    joined = without_run(run)
    return run != joined and (joined == name or joined.startswith(f"{name}_desc-"))


def without_run(name: str) -> str:
    """Name of a run without its number: what it is called once it is joined with others."""
    return _RUN.sub("", name)


def _number(plan: RunPlan) -> tuple[int, str]:
    label = plan.run.entities["run"]
    return (int(label) if label.isdigit() else 0, label)


def _series_of(plan: RunPlan) -> Iterator[tuple[Source, Strategy, str]]:
    for source in plan.sources:
        for strategy in plan.strategies:
            for statistic in plan.statistics_of(source):
                yield source, strategy, statistic


def _matrices_of(plan: RunPlan) -> Iterator[tuple[Source, Strategy, str]]:
    for source in plan.sources:
        for strategy in plan.strategies:
            for measure in plan.connectivity.measures:
                yield source, strategy, measure


@dataclass(frozen=True, kw_only=True, eq=False)
class _Series:
    """Time series of several runs, one behind the other.

    Parameters
    ----------
    signals : array of shape (T, P)
        NaN in columns that are not usable in every run.
    kept : bool array of shape (T,)
        Rows of volumes that were not censored.
    sample_mask : bool array
        The volumes of all runs, with so many between them that no signal remembers the run before;
        True for those that were not censored.
    n_rows : tuple of int
        Of each run.
    dof : float
        Degrees of freedom that are left of all runs.
    """

    signals: FloatArray
    kept: BoolArray
    sample_mask: BoolArray
    n_rows: tuple[int, ...]
    dof: float


def _apart(masks: Sequence[BoolArray]) -> BoolArray:
    """Put runs one behind the other, too far apart for signals to remember the run before."""
    gap = np.zeros(memory_of(int(np.count_nonzero(np.concatenate(masks)))), dtype=bool)
    return np.concatenate([each for mask in masks for each in (mask, gap)])


class _Joined:
    """Makes the files of joined runs."""

    def __init__(self, join: Join, output_dir: Path, links: Mapping[str, str | Path]) -> None:
        self._runs, self._plan, self._output_dir = join.runs, join.plan, output_dir
        self.lost: list[LostPart] = []
        self._provenance = Provenance(
            run=self._plan.run, grid=self._plan.grid, output_dir=output_dir, links=links
        )

    def files(self) -> Iterator[File]:
        """Go through all files."""
        for source in self._plan.sources:
            coverage = [self._coverage(plan, source) for plan in self._runs]
            if any(list(table["Node"]) != list(coverage[0]["Node"]) for table in coverage):
                raise JoinError(f"the runs do not have the same columns of {source.name}.")
            usable = np.all([table["status"].isin(_HAS_SIGNAL) for table in coverage], axis=0)
            for strategy in self._plan.strategies:
                for statistic in self._plan.statistics_of(source):
                    series = self._series(source, strategy, statistic, usable)
                    yield from self._series_files(source, strategy, statistic, series, coverage)
                    if statistic == self._plan.statistics_of(source)[0]:
                        yield from self._matrix_files(source, strategy, series, coverage[0])

    def _coverage(self, plan: RunPlan, source: Source) -> pd.DataFrame:
        return read_table(
            self._output_dir / run_file(plan, "bold", ".tsv", source, stat="coverage")
        )

    def _series(
        self, source: Source, strategy: Strategy, statistic: str, usable: BoolArray
    ) -> _Series:
        found = [
            read_numbers(self._output_dir / time_series_name(plan, source, strategy, statistic))
            for plan in self._runs
        ]
        signals = np.concatenate(found)
        signals[:, ~usable] = np.nan
        masks = [self._sample_mask(plan, strategy) for plan in self._runs]
        drops = self._plan.output.censor_output == "drop"
        return _Series(
            signals=signals,
            kept=np.concatenate([mask[mask] if drops else mask for mask in masks]),
            sample_mask=_apart(masks),
            n_rows=tuple(map(len, found)),
            dof=sum(self._dof(plan, source, strategy, statistic) for plan in self._runs),
        )

    def _dof(self, plan: RunPlan, source: Source, strategy: Strategy, statistic: str) -> float:
        sidecar = time_series_name(plan, source, strategy, statistic, ".json")
        said = json.loads((self._output_dir / sidecar).read_bytes())
        return float(said["DegreesOfFreedom"]["remaining"])

    def _sample_mask(self, plan: RunPlan, strategy: Strategy) -> BoolArray:
        """Tell which volumes of a run were kept."""
        name = run_file(plan, "outliers", ".tsv", desc=strategy.label, with_space=False)
        kept: BoolArray = read_table(self._output_dir / name)["censored"].to_numpy() == 0
        return kept

    def _series_files(
        self,
        source: Source,
        strategy: Strategy,
        statistic: str,
        series: _Series,
        coverage: Sequence[pd.DataFrame],
    ) -> Iterator[File]:
        plan = self._plan
        name = time_series_name(plan, source, strategy, statistic)
        names = list(coverage[0]["Node"])
        yield name, tables.time_series(series.signals, names)
        lost: BoolArray = np.asarray(np.isnan(series.signals[series.kept]).all(axis=0))
        content = {
            "Description": f"Time series of {source.name} (stat-{statistic}) of "
            f"{len(self._runs)} runs, one behind the other. Each run was cleaned for itself with "
            f"the strategy {strategy.name}, and standardised as that strategy says. What has no "
            "signal in one of the runs is n/a in all of them.",
            **self._about(source, strategy, statistic, series),
        }
        capital = kind_of(source).column.capitalize()
        columns = {
            column: {
                **sidecars.described(f"{capital} ({statistic}) {column}"),
                "Index": int(index),
                "Coverage": [float(table["coverage"].iloc[place]) for table in coverage],
                "Status": "n/a: without a signal in at least one run" if is_lost else "ok",
            }
            for place, (column, index, is_lost) in enumerate(
                zip(names, coverage[0]["index"], lost, strict=True)
            )
        }
        yield (
            time_series_name(plan, source, strategy, statistic, ".json"),
            with_columns(content, columns),
        )

    def _matrix_files(
        self, source: Source, strategy: Strategy, series: _Series, coverage: pd.DataFrame
    ) -> Iterator[File]:
        settings, cleaning = self._plan.connectivity, self._plan.cleaning
        of = f"{source.name}, {strategy.name}"
        for minutes in (None, *settings.minutes):
            take = cache(
                partial(
                    take_sample,
                    series.signals[series.kept],
                    series.sample_mask,
                    series.dof,
                    settings,
                    t_r=self._plan.t_r,
                    minutes=minutes,
                )
            )
            length = "all" if minutes is None else length_label(minutes)
            drawn = "" if minutes is None else f" ({minutes:g} min)"
            for measure in settings.of_all_volumes if minutes is None else settings.measures:
                compute = partial(compute_measure, MEASURES[measure], take, cleaning)
                relation = attempt("measure", f"{measure}{drawn} of {of}", compute)
                yield from self._matrix(
                    source, strategy, series, coverage, measure, length, relation
                )

    def _matrix(
        self,
        source: Source,
        strategy: Strategy,
        series: _Series,
        coverage: pd.DataFrame,
        measure: str,
        length: str,
        relation: Relation | LostPart,
    ) -> Iterator[File]:
        if isinstance(relation, LostPart):
            self.lost.append(relation)
            return
        plan = self._plan
        statistic, *_ = plan.statistics_of(source)
        matrix, transformed = relation.matrix, is_fisher_z(measure, plan.connectivity)
        name = partial(matrix_name, plan, source, strategy, measure, length=length)
        yield (
            name(),
            tables.matrix(fisher_z(matrix) if transformed else matrix, list(coverage["Node"])),
        )
        what, n_kept = (
            plain(measure_words(measure, plan.connectivity)),
            np.count_nonzero(series.kept),
        )
        drawn = about_drawn(plan, series.kept, length)
        over = f"{drawn['NumberOfVolumesDrawn']} of the {n_kept}" if drawn else f"the {n_kept}"
        yield (
            name(".json"),
            {
                "Description": f"{what[0].upper()}{what[1:]}, between the signals of "
                f"{source.name} (stat-{statistic}), over {over} kept volumes of "
                f"{len(self._runs)} runs, each of which was cleaned for itself",
                **sidecars.about_measure(MEASURES[measure], fisher_z=transformed),
                **drawn,
                **relation.found,
                **self._about(source, strategy, statistic, series),
                "Node": {"Description": "Name of the row; the columns have the same order"},
            },
        )

    def _about(
        self, source: Source, strategy: Strategy, statistic: str, series: _Series
    ) -> dict[str, Any]:
        plan, provenance = self._plan, self._provenance
        files = [time_series_name(each, source, strategy, statistic) for each in self._runs]
        starts = np.cumsum([0, *series.n_rows])
        runs = [
            {
                "File": provenance.output(file),
                "FirstRow": int(start),
                "NumberOfRows": n_rows,
                "KeptVolumes": int(np.count_nonzero(series.kept[start : start + n_rows])),
            }
            for file, start, n_rows in zip(files, starts, series.n_rows, strict=False)
        ]
        return {
            "Sources": [provenance.output(file) for file in files],
            "Runs": runs,
            **provenance.acquisition,
            "RepetitionTime": plan.t_r,
            **provenance.space,
            **provenance.about_atlas(source),
            "Statistic": statistic,
            "MinimumCoverage": plan.coverage.min_coverage,
            "SmoothingFWHM": plan.extraction.smoothing_fwhm_mm,
            **sidecars.about_cleaning_of_runs(strategy),
        }
