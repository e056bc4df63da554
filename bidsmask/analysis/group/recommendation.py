"""Which strategy to take for this dataset, what decides it, and what would change the answer.

The rule, in one sentence: the strategy that leaves least of motion in connectivity, among those
the one that leaves it least dependent on distance, among those the one that keeps most
participants, among those the one that keeps most degrees of freedom; where a difference is no more
than chance, or too small to matter, the next criterion decides, unless an earlier one leans the
other way; and if none does, it cannot be told. It is of the runs that every strategy keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bidsmask.analysis.group.benchmark import Benchmark
from bidsmask.analysis.words import listed
from bidsmask.numerics.benchmarks.distance import distance_dependence
from bidsmask.numerics.benchmarks.jackknife import left_out_groups
from bidsmask.numerics.benchmarks.ranking import Criterion, Place, ranked
from bidsmask.reports.drawing.words import count

FEWEST = 20
"""With fewer participants, an r of 0.44 is chance: strategies are not ranked."""

MATTERS: Mapping[str, float] = MappingProxyType(
    {
        "qcfc_median_abs_r": 0.01,
        "qcfc_distance_abs_rho": 0.05,
        "participants_lost_share": 0.05,
        "dof_loss_share": 0.02,
    }
)
"""Criteria in their order, and differences that are worth a choice: a convention of ours."""

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "qcfc_median_abs_r": "motion left in connectivity (median |r| of QC-FC)",
        "qcfc_distance_abs_rho": "dependence of that on distance (size of rho)",
        "participants_lost_share": "share of participants lost",
        "dof_loss_share": "share of degrees of freedom lost",
    }
)

RECOMMENDATION_COLUMNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "task_id": {"Description": "Task"},
        "atlas": {"Description": "Atlas, space and grid that edges are of"},
        "place": {
            "Description": "1 is best; strategies that cannot be told apart share a place; n/a "
            "where there is no telling at all"
        },
        "strategy": {"Description": "Confound strategy by its name"},
        "behind": {"Description": "The best of those that it was compared with"},
        "decided_by": {"Description": "What put it behind that", "Levels": dict(WORDS)},
        "difference": {"Description": "By how much it is worse in that"},
        "low": {"Description": "Lower end of the 95 % interval of the difference (jackknife)"},
        "high": {"Description": "Upper end of that interval"},
        **{
            name: {"Description": f"{words[0].upper()}{words[1:]}, of the runs that all keep"}
            for name, words in WORDS.items()
        },
        "mean_rank": {
            "Description": "Mean of its ranks in these four, chance or not (as Wang 2024, "
            "doi:10.1371/journal.pcbi.1011942): beside the rule, and no part of it"
        },
        "n_participants": {
            "Description": "Participants who are compared",
            "Units": "participants",
        },
        "note": {"Description": "Why there is no telling"},
    }
)
"""Columns of ``group_recommendation.tsv``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recommendation:
    """Strategies of one atlas and task in their order.

    Parameters
    ----------
    task_id, atlas : str
    n_participants : int
        Who are compared.
    criteria : tuple of Criterion
        In their order.
    places : tuple of Place
        None where there is no telling; see `problem`.
    strategies : tuple of str
    problem : str
        Why there is no telling; "" if there is.
    alternatives : mapping from words to strategies
        Who would be first by other rules: "if … came first", "by the mean of ranks".
    """

    task_id: str
    atlas: str
    n_participants: int
    criteria: tuple[Criterion, ...]
    places: tuple[Place, ...]
    strategies: tuple[str, ...]
    problem: str
    alternatives: Mapping[str, tuple[str, ...]]

    @property
    def first(self) -> tuple[str, ...]:
        """The best strategy, or those that cannot be told apart; none if there is no telling."""
        return self.places[0].strategies if self.places else ()

    def _leanings(self) -> Iterator[str]:
        """Say of those that cannot be told apart which one each criterion speaks for."""
        for criterion in self.criteria if len(self.first) > 1 else ():
            best = min(self.first, key=criterion.costs.__getitem__)
            worst = max(self.first, key=criterion.costs.__getitem__)
            if criterion.is_known and criterion.costs[worst] > criterion.costs[best]:
                yield f"Among these, {_sentence(criterion, worst, best)}"

    @property
    def headline(self) -> str:
        """Which strategy, in a sentence."""
        if not self.places:
            return f"No strategy is recommended: {self.problem}"
        on = count(self.n_participants, "participant")
        of = f"of {len(self.strategies)} strategies, on {on}"
        if len(self.first) > 1:
            return f"{listed(self.first)} cannot be told apart ({of})."
        return f"Take {self.first[0]} ({of})."

    @property
    def reasons(self) -> tuple[str, ...]:
        """What decides it, and by how much; nothing if there is no telling."""
        return (*_sentences(self.places[0]), *self._leanings()) if self.places else ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What would change the answer; nothing if there is no telling."""
        changed = tuple(
            f"{words[0].upper()}{words[1:]}, it would be {listed(other)}."
            for words, other in self.alternatives.items()
            if set(other) != set(self.first)
        )
        return changed or ("No other order changes it.",) * bool(self.places)

    @property
    def answer(self) -> str:
        """Say it in sentences: which strategy, what decides, by how much, what would change it."""
        return " ".join((self.headline, *self.reasons, *self.changes))


def recommend(found: Sequence[Benchmark]) -> list[Recommendation]:
    """Rank strategies, for each atlas and task.

    Parameters
    ----------
    found : sequence of Benchmark
        Those of the subset "common" count.
    """
    groups: dict[tuple[str, str], dict[str, Benchmark]] = {}
    for each in found:
        if each.subset == "common":
            groups.setdefault((each.atlas, each.task_id), {})[each.strategy] = each
    kept = {
        (each.atlas, each.task_id, each.strategy): each for each in found if each.subset == "all"
    }
    return [
        _recommendation(atlas, task, of, {name: kept[atlas, task, name] for name in of})
        for (atlas, task), of in groups.items()
    ]


def _recommendation(
    atlas: str, task: str, common: Mapping[str, Benchmark], kept: Mapping[str, Benchmark]
) -> Recommendation:
    strategies = tuple(common)
    n = min(each.sample.n_subjects for each in common.values())
    problem = _problem(common, n)
    criteria = () if problem else tuple(_criteria(common, kept))
    return Recommendation(
        task_id=task,
        atlas=atlas,
        n_participants=n,
        criteria=criteria,
        places=() if problem else tuple(ranked(strategies, criteria)),
        strategies=strategies,
        problem=problem,
        alternatives={} if problem else dict(_alternatives(strategies, criteria)),
    )


def _problem(common: Mapping[str, Benchmark], n: int) -> str:
    if len(common) < 2:
        return "there is one strategy only, and nothing to compare it with."
    if n < FEWEST or any(each.measured is None for each in common.values()):
        have = f"{count(n, 'participant')} {'has' if n == 1 else 'have'}"
        return (
            f"{have} runs that every strategy keeps, and a known motion; with fewer than "
            f"{FEWEST}, what strategies differ by is chance."
        )
    return ""


def _criteria(
    common: Mapping[str, Benchmark], kept: Mapping[str, Benchmark]
) -> Iterator[Criterion]:
    known = {name: each.measured for name, each in common.items() if each.measured is not None}
    yield _criterion(
        "qcfc_median_abs_r",
        {name: each.qcfc.median_abs_r for name, each in known.items()},
        {name: each.median_abs_r for name, each in known.items()},
    )
    yield _criterion(
        "qcfc_distance_abs_rho",
        {
            name: abs(distance_dependence(each.qcfc.r, each.distances))
            for name, each in known.items()
        },
        {name: np.abs(each.rho) for name, each in known.items()},
    )
    yield _criterion(
        "participants_lost_share",
        {name: 1 - each.participants_kept_share for name, each in kept.items()},
        {},
    )
    lost = {name: 1 - each.of_participants("dof_share") for name, each in common.items()}
    yield _criterion(
        "dof_loss_share",
        {name: float(values.mean()) for name, values in lost.items()},
        {
            name: np.array(
                [np.delete(values, group).mean() for group in left_out_groups(values.size)]
            )
            for name, values in lost.items()
        },
    )


def _criterion(name: str, costs: Mapping[str, float], without: Mapping[str, Any]) -> Criterion:
    return Criterion(name=name, costs=costs, without=without, matters=MATTERS[name])


def _alternatives(
    strategies: Sequence[str], criteria: Sequence[Criterion]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Say who would be first if the criteria came in another order, or ranks were averaged."""
    for criterion in criteria[1:]:
        if criterion.is_known:
            order = [criterion, *(each for each in criteria if each is not criterion)]
            words = f"if {WORDS[criterion.name]} came first"
            yield words, ranked(strategies, order)[0].strategies
    means = mean_ranks(strategies, criteria)
    best = min(means.values())
    by_ranks = tuple(name for name in strategies if means[name] == best)
    yield "by the mean of its ranks, chance or not", by_ranks


def mean_ranks(strategies: Sequence[str], criteria: Sequence[Criterion]) -> dict[str, float]:
    """Average the ranks of strategies over criteria, 1 is best; equal ones share a rank."""
    from scipy.stats import rankdata

    known = [each for each in criteria if each.is_known]
    ranks = [rankdata([each.costs[name] for name in strategies]) for each in known]
    means = np.mean(ranks, axis=0)
    return dict(zip(strategies, means.tolist(), strict=True))


def _sentences(place: Place) -> Iterator[str]:
    for step in place.steps:
        for name in step.out:
            yield _sentence(step.criterion, name, step.best)


def _sentence(criterion: Criterion, worse: str, best: str) -> str:
    difference = criterion.difference(worse, best)
    interval = (
        f" (95 % interval {difference.low:.3g} to {difference.high:.3g})"
        if difference.low != difference.high
        else ""
    )
    return (
        f"{worse} is behind {best} by {WORDS[criterion.name]}: {criterion.costs[worse]:.3g} "
        f"against {criterion.costs[best]:.3g}, {difference.value:.3g} more{interval}."
    )


def recommendation_table(found: Sequence[Recommendation]) -> pd.DataFrame:
    """Write recommendations as rows, one for each strategy."""
    rows = [row for each in found for row in _rows(each)]
    table = pd.DataFrame(rows, columns=list(RECOMMENDATION_COLUMNS))
    return table.astype({"place": "Int64", "n_participants": "Int64"})


def recommendation_sidecar(found: Sequence[Recommendation]) -> dict[str, Any]:
    """Describe the columns, and say the answers in sentences."""
    return {
        **RECOMMENDATION_COLUMNS,
        "Recommendations": [
            {
                "Atlas": each.atlas,
                **({"Task": each.task_id} if each.task_id else {}),
                "Strategies": list(each.first),
                "Answer": each.answer,
                "Alternatives": {words: list(other) for words, other in each.alternatives.items()},
            }
            for each in found
        ],
    }


def _rows(of: Recommendation) -> Iterator[dict[str, Any]]:
    place_of = {name: place for place in of.places for name in place.strategies}
    order = [name for place in of.places for name in place.strategies] or of.strategies
    means = mean_ranks(of.strategies, of.criteria) if of.criteria else {}
    for name in order:
        yield {
            "task_id": of.task_id or None,
            "atlas": of.atlas,
            "place": place_of[name].number if name in place_of else None,
            "strategy": name,
            **_put_behind(of, name),
            **{each.name: each.costs[name] for each in of.criteria},
            "mean_rank": means.get(name),
            "n_participants": of.n_participants,
            "note": of.problem or None,
        }


def _put_behind(of: Recommendation, name: str) -> dict[str, Any]:
    """Say what was the first to put a strategy behind another one."""
    for step in (step for place in of.places for step in place.steps):
        if name in step.out:
            difference = step.criterion.difference(name, step.best)
            return {
                "behind": step.best,
                "decided_by": step.criterion.name,
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
            }
    return {}
