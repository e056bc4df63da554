"""What the page of a group says, as values.

::

    GroupPage
    ├── runs: RunTable                  one row for each run and strategy
    │   └── columns: Column ...
    ├── distributions: Distribution ...
    ├── outliers: Outlier ...
    ├── attrition: Attrition ...        what exclusion leaves of each strategy
    ├── absent: Absent ...              runs that are in no table
    ├── coverage: GroupCoverage ...     one for each atlas
    ├── connectivity: MeanConnectivity ...
    ├── benchmarks: Benchmarks ...      one for each atlas and task
    ├── recommendations: Recommendation ...
    └── undone: Undone ...              what could not be done

Arrays are N rows, R runs, P regions. Nothing here knows a file, a date or a command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray

LOST_IN_MANY = 0.1
"""Regions without a signal in a larger share of runs are named: a group hardly has them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """A column of the table of runs.

    Parameters
    ----------
    name, label : str
        What it is called in ``group_qc.tsv``, and on the page.
    values : sequence of N str, or float array of shape (N,)
        "" and NaN are n/a.
    meaning, unit : str
    decimals : int
        With how many digits behind the point numbers are written.
    in_table : bool
        False if it is only in a distribution.
    """

    name: str
    label: str
    values: Sequence[str] | FloatArray
    meaning: str = ""
    unit: str = ""
    decimals: int = 2
    in_table: bool = True

    @property
    def numbers(self) -> FloatArray:
        """The values of a column of numbers, (N,)."""
        assert isinstance(self.values, np.ndarray), f"{self.name} is a column of words"
        return self.values

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return isinstance(self.values, np.ndarray)

    def written(self, row: int) -> str:
        """Write a value; n/a as a dash."""
        value = self.values[row]
        if not self.is_number:
            return str(value) or "–"
        return f"{value:.{self.decimals}f}" if np.isfinite(value) else "–"


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTable:
    """The table of runs: one row for each run and strategy, rows of a run together.

    Parameters
    ----------
    names, strategies : sequence of N str
        Run and strategy of each row.
    reports : sequence of N str
        Address of the report of the subject, relative to the page; "" if there is none.
    included : bool array of shape (N,)
    columns : tuple of Column
    places : sequence of N str
        The space of each row; empty if all are in the same.
    """

    names: Sequence[str]
    strategies: Sequence[str]
    reports: Sequence[str]
    included: BoolArray
    columns: tuple[Column, ...]
    places: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def in_table(self) -> tuple[Column, ...]:
        """The columns of the table."""
        return tuple(each for each in self.columns if each.in_table)

    def column(self, name: str) -> Column:
        """Find a column by its name."""
        return next(each for each in self.columns if each.name == name)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A value beyond which something is said of a run, and what."""

    value: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How the values of a column of the table are distributed.

    Parameters
    ----------
    column : str
    title, note : str
        Heading, and how to read it.
    by_strategy : bool
        False if a run has the same value under each strategy.
    limits : tuple of Limit
    """

    column: str
    title: str
    note: str
    by_strategy: bool
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A run that lies far from the others, and in what."""

    run: str
    report: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Attrition:
    """What exclusion leaves under a strategy.

    Parameters
    ----------
    strategy : str
    n_runs, n_kept_runs, n_participants, n_kept_participants : int
    reasons : tuple of (str, int)
        Rule, and how many runs it excludes. A run may be excluded by several.
    """

    strategy: str
    n_runs: int
    n_kept_runs: int
    n_participants: int
    n_kept_participants: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A run, or a participant, that is in no table, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupCoverage:
    """How much of each region each run has seen.

    Parameters
    ----------
    atlas : str
    regions : sequence of P str
    networks : sequence of P str, or None
        None if nothing is known of them.
    runs : sequence of R str
    shares : float array of shape (P, R)
        Covered share; NaN where it was not looked for.
    lost : bool array of shape (P, R)
        Where there is no signal.
    """

    atlas: str
    regions: Sequence[str]
    networks: Sequence[str] | None
    runs: Sequence[str]
    shares: FloatArray
    lost: BoolArray


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanConnectivity:
    """Mean connectivity of the group under each strategy.

    Parameters
    ----------
    atlas, measure : str
    of : str
        What was measured of runs, such as Pearson's correlation.
    regions : sequence of P str
    networks : sequence of P str, or None
    strategies : sequence of S str
    means : sequence of S float arrays of shape (P, P)
        NaN where no participant has a value.
    n_participants : sequence of S int
        Over how many participants each mean is taken.
    """

    atlas: str
    measure: str
    of: str
    regions: Sequence[str]
    networks: Sequence[str] | None
    strategies: Sequence[str]
    means: Sequence[FloatArray]
    n_participants: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A benchmark of a strategy, and what chance gives; NaN is n/a.

    Parameters
    ----------
    value, low, high : float
        The number, and between which it is with a confidence of 95 %.
    chance, chance_low, chance_high : float
        What chance gives, and between which that is in 90 % of permutations.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    chance: float = float("nan")
    chance_low: float = float("nan")
    chance_high: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark of all strategies.

    Parameters
    ----------
    title : str
    better : {"lower", "higher", "nearer to 0", "neither"}
    estimates : tuple of S Estimate
        On the runs that every strategy keeps.
    of_own : tuple of S float
        On the runs that each strategy keeps.
    meaning : str
    decimals : int
    """

    title: str
    better: Literal["lower", "higher", "nearer to 0", "neither"]
    estimates: tuple[Estimate, ...]
    of_own: tuple[float, ...]
    meaning: str = ""
    decimals: int = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """How QC-FC is distributed over edges, and what chance makes of it.

    Parameters
    ----------
    edges : float array of shape (n + 1,)
        Borders of the bins.
    observed, chance : float arrays of shape (n,)
        Share of edges in each bin; of chance, of all permutations together.
    note : str
        A few words, such as the median.
    """

    edges: FloatArray
    observed: FloatArray
    chance: FloatArray
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class AlongDistance:
    """QC-FC against the distance of regions, and what chance makes of it.

    Parameters
    ----------
    distance, mean : float arrays of shape (n,)
        Of bins of edges: mean distance in mm, and mean of r.
    chance_low, chance_high : float arrays of shape (n,)
        Between which the mean is in 90 % of permutations.
    distance_borders, r_borders : float arrays of shape (n_d + 1,) and (n_r + 1,)
    counts : int array of shape (n_d, n_r)
        Edges in bins of distance and r.
    note : str
        A few words, such as the rank correlation.
    """

    distance: FloatArray
    mean: FloatArray
    chance_low: FloatArray
    chance_high: FloatArray
    distance_borders: FloatArray
    r_borders: FloatArray
    counts: IntArray
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """All benchmarks of one atlas and task.

    Parameters
    ----------
    title : str
        Of which runs they are.
    strategies : tuple of S str
    benchmarks : tuple of Benchmark
    qc_fc : tuple of S Shares
        Empty if there is none.
    distance : tuple of S AlongDistance
        Empty if there is none.
    caveats : tuple of str
    """

    title: str
    strategies: tuple[str, ...]
    benchmarks: tuple[Benchmark, ...]
    qc_fc: tuple[Shares, ...] = ()
    distance: tuple[AlongDistance, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Strategies that share a place in the ranking, and numbers that speak for and against them.

    Parameters
    ----------
    place : int
    strategy : str
    numbers : tuple of str
        As many as the recommendation has criteria.
    """

    place: int
    strategy: str
    numbers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Which strategy to take for this dataset.

    Parameters
    ----------
    title : str
        Of which task and atlas.
    answer : str
        In a sentence; also that there is none.
    criteria : tuple of str
        In the order in which they decide.
    ranking : tuple of Ranked
        Empty if there is no telling.
    reasons, changes, caveats : tuple of str
        Which numbers decide and by how much; what would change the answer; what to keep in mind.
    """

    title: str
    answer: str
    criteria: tuple[str, ...] = ()
    ranking: tuple[Ranked, ...] = ()
    reasons: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What could not be done, and why."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class GroupPage:
    """A whole page."""

    n_participants: int
    runs: RunTable
    version: str
    distributions: tuple[Distribution, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    rules: tuple[str, ...] = ()
    attrition: tuple[Attrition, ...] = ()
    absent: tuple[Absent, ...] = ()
    coverage: tuple[GroupCoverage, ...] = ()
    connectivity: tuple[MeanConnectivity, ...] = ()
    benchmarks: tuple[Benchmarks, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    undone: tuple[Undone, ...] = ()
    methods: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
