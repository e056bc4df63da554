"""Benchmarks of denoising as a table: a row for each number, beside what chance would give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask.analysis.group.benchmark import FEWEST, N_PERMUTATIONS, SEED, Benchmark
from bidsmask.derivatives.quality import Better
from bidsmask.numerics.benchmarks.distance import distance_dependence
from bidsmask.numerics.benchmarks.jackknife import Interval, interval, mean_interval
from bidsmask.numerics.benchmarks.partial import correlations, residuals
from bidsmask.numerics.benchmarks.percent_match import binned, closeness, overlap
from bidsmask.numerics.benchmarks.qcfc import ALPHA, critical_r
from bidsmask.reports.drawing.words import count

FEW = 30
"""Of fewer participants, one correlation has a standard error of 0.19 or more."""

_NOT_KNOWN = Interval(value=float("nan"), low=float("nan"), high=float("nan"))


@dataclass(frozen=True, kw_only=True)
class MeasureWords:
    """What a benchmark is.

    Parameters
    ----------
    meaning : str
    better : Better
    doi : str
    """

    meaning: str
    better: Better
    doi: str


_CIRIC = "10.1016/j.neuroimage.2017.03.020"
_PARKES = "10.1016/j.neuroimage.2017.12.073"
_MORFINI = "10.3389/fnins.2023.1092125"

MEASURES: Mapping[str, MeasureWords] = MappingProxyType(
    {
        "qcfc_median_abs_r": MeasureWords(
            meaning="Median over edges of |r|, r the partial correlation over participants of "
            "Fisher's z with mean_fd, covariates held constant (QC-FC)",
            better="lower",
            doi=_CIRIC,
        ),
        "qcfc_share_significant": MeasureWords(
            meaning=f"Share of edges with p of QC-FC below {ALPHA}, N - 2 - k degrees of freedom",
            better="lower",
            doi=_CIRIC,
        ),
        "qcfc_share_fdr": MeasureWords(
            meaning=f"Share of edges with QC-FC below a false discovery rate of {ALPHA} "
            "(Benjamini and Hochberg)",
            better="lower",
            doi="10.1371/journal.pcbi.1011942",
        ),
        "qcfc_distance_rho": MeasureWords(
            meaning="Spearman's correlation of QC-FC r with the distance of regions: of centroids "
            "of what runs have covered, in mm, mean over runs",
            better="nearer to 0",
            doi=_CIRIC,
        ),
        "percent_match_overlap": MeasureWords(
            meaning="Overlap in percent of the distribution of QC-FC r with that under permuted "
            "motion, in bins of 0.01 (as CONN); 95 is the usual cut-off",
            better="higher",
            doi=_MORFINI,
        ),
        "percent_match_ks": MeasureWords(
            meaning="100 (1 - D) of the same two distributions, D Kolmogorov and Smirnov's "
            "distance, at every 0.001; 95 is the usual cut-off",
            better="higher",
            doi=_MORFINI,
        ),
        "dof_remaining": MeasureWords(
            meaning="Temporal degrees of freedom that cleaning leaves, mean over participants",
            better="higher",
            doi="10.1006/nimg.1995.1023",
        ),
        "dof_loss_share": MeasureWords(
            meaning="Share of volumes lost as temporal degrees of freedom, mean over participants",
            better="lower",
            doi=_CIRIC,
        ),
        "modularity": MeasureWords(
            meaning="Q* of signed networks of Fisher's z (Rubinov and Sporns), groups by "
            "Louvain's method, mean over participants; never to be compared between strategies "
            "that take the global signal out and others",
            better="higher",
            doi="10.1016/j.neuroimage.2011.03.069",
        ),
        "modularity_fd_r": MeasureWords(
            meaning="Partial correlation over participants of Q* with mean_fd",
            better="nearer to 0",
            doi=_CIRIC,
        ),
        "icc": MeasureWords(
            meaning="ICC(A,1) of edges over sessions, mean over edges; motion is reliable, too, "
            "so that it is no merit alone",
            better="higher",
            doi="10.1037/1082-989X.1.1.30",
        ),
        "fd_dvars_r": MeasureWords(
            meaning="Pearson's correlation of FD with DVARS after cleaning, mean over "
            "participants",
            better="nearer to 0",
            doi="10.1016/j.neuroimage.2011.10.018",
        ),
        "participants_kept_share": MeasureWords(
            meaning="Share of participants with a run that is left",
            better="higher",
            doi=_PARKES,
        ),
    }
)
"""Every benchmark by its name, in the order of the rows."""

OF_RUNS = (
    "dof_remaining",
    "dof_loss_share",
    "modularity",
    "fd_dvars_r",
    "participants_kept_share",
)
"""Those that are of runs alone, and need no motion of participants."""

BENCHMARK_COLUMNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "task_id": {"Description": "Task; benchmarks mix none"},
        "atlas": {"Description": "Atlas, space and grid that the edges are of"},
        "strategy": {"Description": "Confound strategy by its name"},
        "global_signal": {
            "Description": "Whether the strategy takes the global signal out, which changes "
            "modularity by construction",
            "Levels": {"yes": "it does", "no": "it does not"},
        },
        "subset": {
            "Description": "Runs that the row is of",
            "Levels": {
                "all": "those that the strategy keeps",
                "common": "those that every strategy keeps: strategies are compared on these",
            },
        },
        "measure": {
            "Description": "Benchmark by its name",
            "Levels": {
                name: f"{words.meaning}. {words.better} is better. doi:{words.doi}"
                for name, words in MEASURES.items()
            },
        },
        "value": {"Description": "What was found; n/a where it is not known, see note"},
        "low": {
            "Description": "Lower end of the 95 % interval of value, by the jackknife over "
            "participants; n/a where there is none"
        },
        "high": {"Description": "Upper end of that interval"},
        "expected": {"Description": "What chance alone would give of as many participants"},
        "null_low": {
            "Description": f"5th percentile of {N_PERMUTATIONS} permutations of motion over "
            f"participants (seed {SEED}; covariates held constant, Freedman and Lane). Edges are "
            "not independent: it is these, not p, that a value is to be held against"
        },
        "null_high": {"Description": "95th percentile of these permutations"},
        "n_participants": {
            "Description": "Participants that value is of",
            "Units": "participants",
        },
        "n_runs": {"Description": "Runs of theirs", "Units": "runs"},
        "n_edges": {"Description": "Edges that value is of", "Units": "edges"},
        "covariates": {"Description": "What was held constant, separated by blanks"},
        "note": {"Description": "What to bear in mind, or why a value is n/a"},
    }
)
"""Columns of ``group_benchmark.tsv``."""


def benchmark_table(found: Iterable[Benchmark]) -> pd.DataFrame:
    """Write benchmarks as rows: one for each strategy, atlas, task, subset and measure."""
    rows = [row for each in found for row in _rows(each)]
    table = pd.DataFrame(rows, columns=list(BENCHMARK_COLUMNS))
    return table.astype({name: "Int64" for name in BENCHMARK_COLUMNS if name.startswith("n_")})


@dataclass(frozen=True, kw_only=True)
class Number:
    """A benchmark, beside what chance gives.

    Parameters
    ----------
    found : Interval
    expected, null_low, null_high : float
        NaN: it has none.
    """

    found: Interval
    expected: float = float("nan")
    null_low: float = float("nan")
    null_high: float = float("nan")


def numbers(of: Benchmark) -> dict[str, Number]:
    """Give every benchmark by the name in `MEASURES`; NaN where it is not known."""
    unknown = {name: Number(found=_NOT_KNOWN) for name in MEASURES}
    return unknown | _of_motion(of) | _of_runs(of)


def _of_motion(of: Benchmark) -> dict[str, Number]:
    if (measured := of.measured) is None:
        return {}
    qcfc, null = measured.qcfc, measured.null
    rho = distance_dependence(qcfc.r, measured.distances)
    counts, of_null = binned(qcfc.r), null.counts.sum(axis=0)
    icc = measured.icc[np.isfinite(measured.icc)]
    matches = {
        f"percent_match_{name}": _beside(
            _plain(match(counts, of_null)),
            np.array([match(each, of_null) for each in null.counts]),
        )
        for name, match in (("overlap", overlap), ("ks", closeness))
        if counts.any() and of_null.any()
    }
    return {
        "qcfc_median_abs_r": _beside(
            interval(qcfc.median_abs_r, measured.median_abs_r),
            null.median_abs_r,
            qcfc.expected_abs_r,
        ),
        "qcfc_share_significant": _beside(
            _plain(qcfc.share_significant), null.share_significant, ALPHA
        ),
        "qcfc_share_fdr": _beside(_plain(qcfc.share_discovered), null.share_discovered, 0.0),
        "qcfc_distance_rho": _beside(interval(rho, measured.rho), null.rho, 0.0),
        **matches,
        "modularity_fd_r": _modularity_with_motion(of),
        "icc": Number(found=_plain(float(icc.mean()) if icc.size else float("nan"))),
    }


def _of_runs(of: Benchmark) -> dict[str, Number]:
    columns = {
        "dof_remaining": of.of_participants("dof_remaining"),
        "dof_loss_share": 1 - of.of_participants("dof_share"),
        "modularity": of.of_participants("modularity"),
        "fd_dvars_r": of.of_participants("fd_dvars_after"),
    }
    known = {name: values[np.isfinite(values)] for name, values in columns.items()}
    return {
        **{name: Number(found=mean_interval(values)) for name, values in known.items()},
        "participants_kept_share": Number(found=_plain(of.participants_kept_share)),
    }


def _modularity_with_motion(of: Benchmark) -> Number:
    sample, by_row = of.sample, of.runs.set_index("row")["modularity"]
    q = by_row.reindex(sample.rows).groupby(sample.subject).mean().to_numpy()[:, np.newaxis]
    left = residuals(q, sample.basis)
    (dof,) = left.dof
    if dof < 1:
        return Number(found=_NOT_KNOWN)
    r = float(correlations(left, sample.motion[np.newaxis])[0, 0])
    beyond = float(critical_r(np.array(dof), 2 * ALPHA))
    return Number(found=_plain(r), expected=0.0, null_low=-beyond, null_high=beyond)


def _beside(found: Interval, null: FloatArray, expected: float = float("nan")) -> Number:
    known = null[np.isfinite(null)]
    low, high = np.quantile(known, [ALPHA, 1 - ALPHA]) if known.size else (np.nan, np.nan)
    return Number(found=found, expected=expected, null_low=float(low), null_high=float(high))


def _plain(value: float) -> Interval:
    return Interval(value=value, low=float("nan"), high=float("nan"))


def _rows(of: Benchmark) -> Iterator[dict[str, Any]]:
    for name, number in numbers(of).items():
        is_of_motion = name not in OF_RUNS
        n_participants, n_runs = _n_counted(of, name)
        n_edges = of.measured.qcfc.n_edges if of.measured and is_of_motion else 0
        yield {
            "task_id": of.task_id or None,
            "atlas": of.atlas,
            "strategy": of.strategy,
            "global_signal": "yes" if of.has_global_signal else "no",
            "subset": of.subset,
            "measure": name,
            "value": number.found.value,
            "low": number.found.low,
            "high": number.found.high,
            "expected": number.expected,
            "null_low": number.null_low,
            "null_high": number.null_high,
            "n_participants": n_participants,
            "n_runs": n_runs,
            "n_edges": n_edges or None,
            "covariates": " ".join(of.covariates) if is_of_motion else None,
            "note": " ".join(_notes(of, name, number)) or None,
        }


def _n_counted(of: Benchmark, name: str) -> tuple[int, int]:
    """Over how many participants, and runs of theirs, a measure is taken."""
    if name in OF_RUNS:
        return of.runs["participant_id"].nunique(), len(of.runs)
    counted = np.ones(of.sample.n_subjects, dtype=bool)
    if name == "icc":
        counted = of.sample.has_all_sessions
    return int(counted.sum()), int(counted[of.sample.subject].sum())


def _notes(of: Benchmark, name: str, number: Number) -> Iterator[str]:
    n = of.sample.n_subjects
    if name in OF_RUNS:
        return
    if of.measured is None:
        known = f"{count(n, 'participant')} {'is' if n == 1 else 'are'}"
        yield f"Only {known} known with their motion; at least {FEWEST} are needed."
        return
    if name == "icc":
        if np.isnan(number.found.value):
            yield "No sessions repeat."
        return
    if n < FEW:
        error = 1 / np.sqrt(max(n - len(of.covariates) - 3, 1))
        yield (
            f"Few participants ({n}): one correlation has a standard error of {error:.2f}, and "
            "most of what is seen is chance."
        )
    unplaced = np.isfinite(of.measured.qcfc.r) & np.isnan(of.measured.distances)
    if name == "qcfc_distance_rho" and unplaced.any():
        yield (
            f"It is not known where the regions of {unplaced.sum()} of {unplaced.size} edges lie: "
            "coverage has no x, y, z of them. On surfaces its sidecar says what mesh is missing; "
            "if these are volumes, run the participant level again."
        )
    if of.without_motion:
        without = count(len(of.without_motion), "participant")
        yield f"Without {without} whose motion is not known."
    if of.without_covariates:
        without = count(len(of.without_covariates), "participant")
        yield f"Without {without} whose covariates are n/a."
