"""Which strategy did best, and whether it can be told from the others at all.

Criteria are gone through in order. What is worse than the best one, by more than chance and by
more than matters, is out; among those that are left the next criterion decides. But it never
overturns what an earlier one leans to: a strategy is not put behind one that seems worse there, if
only by more than a standard error. Those that are left at the end cannot be told apart, and share
a place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from bidsmask._typing import FloatArray
from bidsmask.numerics.benchmarks.jackknife import Interval, interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Criterion:
    """Something that is the better, the smaller it is.

    Parameters
    ----------
    name : str
    costs : mapping from strategy to number
        NaN: not known; then it decides nothing, for any.
    without : mapping from strategy to array of shape (G,)
        The same without each group of subjects, the same groups for all; nothing where costs are
        no estimates.
    matters : float
        Smaller differences are not worth a choice.
    """

    name: str
    costs: Mapping[str, float]
    without: Mapping[str, FloatArray]
    matters: float

    @property
    def is_known(self) -> bool:
        """Whether every strategy has a cost."""
        return bool(self.costs) and all(map(isfinite, self.costs.values()))

    def difference(self, one: str, other: str) -> Interval:
        """Return how much worse one strategy is than another."""
        worse = self.costs[one] - self.costs[other]
        if not self.without:
            return Interval(value=worse, low=worse, high=worse)
        return interval(worse, self.without[one] - self.without[other])

    def is_worse(self, one: str, other: str) -> bool:
        """Whether that is more than chance, and more than too little to matter."""
        difference = self.difference(one, other)
        return difference.low > 0 and difference.value >= self.matters

    def leans_against(self, one: str, other: str) -> bool:
        """Whether a strategy seems worse: by more than a standard error, and enough to matter."""
        difference = self.difference(one, other)
        error = (difference.high - difference.low) / 4
        return difference.value > error and difference.value >= self.matters


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What one criterion has decided.

    Parameters
    ----------
    criterion : Criterion
    best : str
    out : tuple of str
        Strategies that are worse.
    """

    criterion: Criterion
    best: str
    out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Strategies that cannot be told apart.

    Parameters
    ----------
    number : int
        From 1; how many strategies have a better place, plus 1.
    strategies : tuple of str
    steps : tuple of Step
        What decided that the strategies of later places are behind.
    """

    number: int
    strategies: tuple[str, ...]
    steps: tuple[Step, ...]


def ranked(strategies: Sequence[str], criteria: Sequence[Criterion]) -> list[Place]:
    """Give strategies places.

    Examples
    --------
    >>> motion = Criterion(
    ...     name="motion", costs={"a": 0.2, "b": 0.1, "c": 0.1}, without={}, matters=0.01
    ... )
    >>> loss = Criterion(name="loss", costs={"a": 0.1, "b": 0.5, "c": 0.3}, without={}, matters=0)
    >>> [place.strategies for place in ranked(["a", "b", "c"], [motion, loss])]
    [('c',), ('b',), ('a',)]
    """
    places, behind = [], list(strategies)
    while behind:
        left, steps, earlier = behind, [], list[Criterion]()
        for criterion in filter(lambda each: each.is_known, criteria):
            best = min(left, key=criterion.costs.__getitem__)
            out = tuple(
                each
                for each in left
                if criterion.is_worse(each, best)
                and not any(before.leans_against(best, each) for before in earlier)
            )
            if out:
                steps.append(Step(criterion=criterion, best=best, out=out))
            left = [each for each in left if each not in out]
            earlier.append(criterion)
        number = len(strategies) - len(behind) + 1
        places.append(Place(number=number, strategies=tuple(left), steps=tuple(steps)))
        behind = [each for each in behind if each not in left]
    return places
