"""How well each strategy has cleaned, over a group: ``group_benchmark.tsv``.

Everything is read from stacks and tables of quality. Each benchmark is of the runs that a strategy
keeps (all), and again of those that every strategy keeps (common): a strategy that loses those who
move looks better than it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray, IntArray
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.dataset.strategies import label_of
from bidsmask.derivatives.read import FinishedRun
from bidsmask.derivatives.stacks import Stack, open_stack, square
from bidsmask.derivatives.writing import MISSING
from bidsmask.numerics.benchmarks.distance import edge_distances
from bidsmask.numerics.benchmarks.modularity import louvain_modularity
from bidsmask.numerics.benchmarks.sample import Measured, Sample, measure

Subset = Literal["all", "common"]

N_PERMUTATIONS = 1000
SEED = 0

COVARIATES = ("age", "sex")
"""Held constant, as Ciric 2017 and Wang 2024 do, where the table of participants has them."""

FEWEST = 5
"""Of fewer participants, nothing is said."""

_STAT = "pearsoncorrelation"
_BYTES_OF_BLOCK = 32 << 20
_EDGES_OF_CHUNK = 512
_MOST_LEVELS = 8
"""A column of text with more different words is no covariate, but a name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmark:
    """One strategy, atlas and task, on one of the subsets.

    Parameters
    ----------
    task_id, atlas, strategy : str
    subset : {"all", "common"}
    has_global_signal : bool
        Whether the strategy takes the global signal out: modularity is compared only among
        strategies that all do, or do not.
    covariates : tuple of str
        Held constant, by their names.
    runs : DataFrame
        Rows of the table of quality, of its runs; ``modularity`` is Q* of each.
    sample : Sample
    measured : Measured or None
        None with fewer participants than `FEWEST`, or where motion is not known.
    n_participants_before : int
        Participants who have runs at all.
    without_motion, without_covariates : tuples of str
        Participants who are not in `sample` for that.
    """

    task_id: str
    atlas: str
    strategy: str
    subset: Subset
    has_global_signal: bool
    covariates: tuple[str, ...]
    runs: pd.DataFrame
    sample: Sample
    measured: Measured | None
    n_participants_before: int
    without_motion: tuple[str, ...]
    without_covariates: tuple[str, ...]

    @property
    def participants_kept_share(self) -> float:
        """Share of participants who have a run here."""
        return self.runs["participant_id"].nunique() / max(self.n_participants_before, 1)

    def of_participants(self, column: str) -> FloatArray:
        """Average a column of the table of quality over the runs of each participant, (N,)."""
        means = self.runs.groupby("participant_id", sort=True)[column].mean()
        return means.to_numpy(dtype=np.float64, na_value=np.nan)


def benchmarks(
    stacks: Sequence[StackFile],
    qc: pd.DataFrame,
    participants: pd.DataFrame,
    included: Mapping[str, Collection[str]],
    *,
    n_permutations: int = N_PERMUTATIONS,
) -> Iterator[Benchmark]:
    """Measure every strategy on every atlas and task.

    Parameters
    ----------
    stacks : sequence of StackFile
    qc : DataFrame
        Of all runs and strategies, ``bids_name`` and ``strategy`` among its columns.
    participants : DataFrame
        ``participant_id`` and covariates.
    included : mapping from strategy to names of runs
        Those that no rule has excluded.
    n_permutations : int

    Yields
    ------
    benchmark : Benchmark
        By atlas, task, subset and strategy.
    """
    names = {label_of(name): name for name in included}
    by_atlas: dict[str, dict[str, StackFile]] = {}
    for stack in stacks:
        if stack.has_matrices and stack.key.stat == _STAT and stack.key.desc in names:
            by_atlas.setdefault(stack.key.atlas, {})[names[stack.key.desc]] = stack
    for atlas, files in by_atlas.items():
        runs = (run for file in files.values() for run in file.runs)
        for task in sorted({run.entities.get("task", "") for run in runs}):
            cohort = _Cohort(atlas, task, files, qc, participants, included)
            yield from cohort.benchmarks(n_permutations)


class _Cohort:
    """Runs of one task, and what all strategies made of them with one atlas."""

    def __init__(
        self,
        atlas: str,
        task: str,
        files: Mapping[str, StackFile],
        qc: pd.DataFrame,
        participants: pd.DataFrame,
        included: Mapping[str, Collection[str]],
    ) -> None:
        self._atlas, self._task, self._files = atlas, task, files
        self._of_task = {
            run.name: run
            for file in files.values()
            for run in file.runs
            if run.entities.get("task", "") == task
        }
        self._qc = qc[qc["bids_name"].isin(self._of_task)]
        self._covariates = covariate_columns(participants)
        self._kept = {
            name: set(included[name]) & {run.name for run in file.runs} & self._of_task.keys()
            for name, file in files.items()
        }

    def benchmarks(self, n_permutations: int) -> Iterator[Benchmark]:
        common = set.intersection(*self._kept.values())
        distances = self._distances
        for strategy, file in self._files.items():
            with open_stack(file.path) as stack:
                rows = self._rows(strategy, stack)
                done: dict[frozenset[str], Benchmark] = {}
                subsets: dict[Subset, set[str]] = {"all": self._kept[strategy], "common": common}
                for subset, names in subsets.items():
                    known = done.get(frozenset(names))
                    yield (
                        _renamed(known, subset)
                        if known
                        else done.setdefault(
                            frozenset(names),
                            self._benchmark(
                                strategy,
                                subset,
                                stack,
                                rows[rows["bids_name"].isin(names)],
                                distances,
                                n_permutations,
                            ),
                        )
                    )

    @cached_property
    def _distances(self) -> FloatArray:
        """Mean distance (E,) over runs, of the centroids of what each has covered."""
        sums = counts = np.zeros(0)
        for run in self._of_task.values():
            distances = edge_distances(centroids_of(run, self._atlas))
            known = np.isfinite(distances)
            if not sums.size:
                sums, counts = np.zeros((2, distances.size))
            sums += np.where(known, distances, 0.0)
            counts += known
        return sums / np.where(counts > 0, counts, np.nan)

    def _rows(self, strategy: str, stack: Stack) -> pd.DataFrame:
        """Give the quality of all runs of a strategy, their rows in the stack, and Q*."""
        place = {name: number for number, name in enumerate(stack.runs["run"])}
        modularity = dict(_modularities(stack, self._kept[strategy], list(place)))
        rows = self._qc[self._qc["strategy"] == strategy]
        rows = rows[rows["bids_name"].isin(self._kept[strategy])].sort_values(
            ["participant_id", "bids_name"]
        )
        places = rows["bids_name"].map(place).to_numpy(dtype=np.intp)
        return rows.assign(row=places, modularity=rows["bids_name"].map(modularity))

    def _benchmark(
        self,
        strategy: str,
        subset: Subset,
        stack: Stack,
        runs: pd.DataFrame,
        distances: FloatArray,
        n_permutations: int,
    ) -> Benchmark:
        people = runs.groupby("participant_id", sort=True)["mean_fd"].mean()
        without_motion = tuple(people.index[people.isna()])
        covariates = self._covariates.reindex(people.index)
        lacking = covariates.isna().any(axis=1)
        without_covariates = tuple(people.index[lacking & people.notna()])
        used = people.index[people.notna() & ~lacking]
        of_sample = runs[runs["participant_id"].isin(used)]
        sample = Sample(
            rows=of_sample["row"].to_numpy(dtype=np.intp),
            subject=_codes(of_sample["participant_id"]),
            session=_codes(of_sample["session_id"].fillna("")),
            motion=people[used].to_numpy(dtype=np.float64),
            covariates=covariates.loc[used].to_numpy(dtype=np.float64),
        )
        measured = None
        if sample.n_subjects >= FEWEST:
            measured = measure(
                lambda: _blocks(stack, len(distances)),
                sample,
                distances,
                n_permutations=n_permutations,
                seed=SEED,
            )
        return Benchmark(
            task_id=self._task,
            atlas=self._atlas,
            strategy=strategy,
            subset=subset,
            has_global_signal=self._takes_global_signal(strategy),
            covariates=tuple(self._covariates.columns),
            runs=runs,
            sample=sample,
            measured=measured,
            n_participants_before=self._qc["participant_id"].nunique(),
            without_motion=without_motion,
            without_covariates=without_covariates,
        )

    def _takes_global_signal(self, strategy: str) -> bool:
        """Ask the design of one of its runs."""
        design = self._files[strategy].runs[0].design(label_of(strategy))
        return design is not None and any(str(each).startswith("global_signal") for each in design)


def covariate_columns(participants: pd.DataFrame) -> pd.DataFrame:
    """Give the covariates that are held constant as numbers, by participant.

    Columns of words become one column of 0 and 1 for each word but the first. A column in which
    nothing differs, or that is all n/a, says nothing and is left out.
    """
    table = participants.set_index("participant_id")
    wanted = [name for name in table.columns if str(name).lower() in COVARIATES]
    parts = [_as_numbers(table[name]) for name in wanted]
    return pd.concat([pd.DataFrame(index=table.index), *parts], axis=1)


def centroids_of(run: FinishedRun, atlas: str) -> FloatArray:
    """Read the centroids (P, 3) of what a run has covered; NaN in results that have none."""
    table = run.coverage(atlas)
    unknown = (MISSING,) * len(table["Node"])
    cells = np.array([table.get(axis, unknown) for axis in "xyz"], dtype=object).T
    centroids: FloatArray = np.where(cells == MISSING, np.nan, cells).astype(np.float64)
    return centroids


def _as_numbers(column: pd.Series) -> pd.DataFrame:
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        frame = pd.DataFrame({column.name: numbers}, index=column.index)
        return frame if frame.max().gt(frame.min()).all() else frame.iloc[:, :0]
    levels = sorted(column.dropna().astype(str).unique())
    if not 1 < len(levels) <= _MOST_LEVELS:
        return pd.DataFrame(index=column.index)
    coded = {
        f"{column.name}:{level}": (column.astype(str) == level).astype(float).where(column.notna())
        for level in levels[1:]
    }
    return pd.DataFrame(coded, index=column.index)


def _blocks(stack: Stack, n_edges: int) -> Iterator[tuple[slice, FloatArray]]:
    """Go through the edges of all runs, whole chunks of the file at a time."""
    n_runs = len(stack.runs)
    most = max(_BYTES_OF_BLOCK // (8 * max(n_runs, 1)) // _EDGES_OF_CHUNK, 1) * _EDGES_OF_CHUNK
    for start in range(0, n_edges, most):
        edges = slice(start, min(start + most, n_edges))
        yield edges, stack.edges(slice(None), edges)


def _modularities(
    stack: Stack, wanted: Collection[str], names: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """Give Q* of some runs; as many matrices are read at once as lie together."""
    for block in stack.blocks:
        for name, edges in zip(names[block], stack.edges(block), strict=True):
            if name in wanted:
                yield name, _modularity(edges)


def _modularity(edges: FloatArray) -> float:
    """Return Q* of the regions that have a signal, in Fisher's z."""
    with np.errstate(divide="ignore"):
        z = square(np.arctanh(edges.astype(np.float64)), 0.0)
    usable = np.flatnonzero((~np.isnan(z)).sum(axis=0) > 1)
    weights = np.nan_to_num(z[np.ix_(usable, usable)], nan=0.0, posinf=0.0, neginf=0.0)
    return louvain_modularity(weights, SEED)


def _codes(labels: pd.Series) -> IntArray:
    codes: IntArray = np.unique(labels.to_numpy(dtype=str), return_inverse=True)[1]
    return codes


def _renamed(known: Benchmark, subset: Subset) -> Benchmark:
    return replace(known, subset=subset)
