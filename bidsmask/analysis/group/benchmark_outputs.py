"""The files of the benchmarks: ``group_benchmark`` and ``group_recommendation``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bidsmask.analysis.group.benchmark import N_PERMUTATIONS, benchmarks
from bidsmask.analysis.group.benchmark_picture import BenchmarkPicture
from bidsmask.analysis.group.benchmark_table import BENCHMARK_COLUMNS, benchmark_table
from bidsmask.analysis.group.recommendation import (
    Recommendation,
    recommend,
    recommendation_sidecar,
    recommendation_table,
)
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.analysis.group.tables import write_tables


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmarks:
    """What was found, as a page needs it.

    Parameters
    ----------
    files : tuple of str
        Names of the files that were written; none without matrices of correlation.
    table : DataFrame
        As in ``group_benchmark.tsv``.
    recommendations : tuple of Recommendation
    pictures : tuple of BenchmarkPicture
    """

    files: tuple[str, ...]
    table: pd.DataFrame
    recommendations: tuple[Recommendation, ...]
    pictures: tuple[BenchmarkPicture, ...]


def write_benchmarks(
    stacks: Sequence[StackFile],
    qc: pd.DataFrame,
    participants: pd.DataFrame,
    included: Mapping[str, Collection[str]],
    output_dir: Path,
    *,
    n_permutations: int = N_PERMUTATIONS,
) -> Benchmarks:
    """Measure how well strategies have cleaned, say which to take, and write both.

    Parameters
    ----------
    stacks, qc, participants, included, n_permutations
        See `bidsmask.analysis.group.benchmark.benchmarks`.
    output_dir : Path

    Raises
    ------
    StorageError, OutputError
        If a stack cannot be read, or a file cannot be written.
    """
    found = list(benchmarks(stacks, qc, participants, included, n_permutations=n_permutations))
    recommendations = recommend(found)
    table = benchmark_table(found)
    tables = {
        "group_benchmark": (table, dict(BENCHMARK_COLUMNS)),
        "group_recommendation": (
            recommendation_table(recommendations),
            recommendation_sidecar(recommendations),
        ),
    }
    pictures = (BenchmarkPicture.of(each) for each in found)
    return Benchmarks(
        files=tuple(write_tables(tables, output_dir)) if found else (),
        table=table,
        recommendations=tuple(recommendations),
        pictures=tuple(each for each in pictures if each is not None),
    )
