import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.numerics.benchmarks.ranking import Criterion, ranked

NAMES = ("a", "b", "c", "d")


def exact(name, *costs, matters=0.0):
    """Costs that are known without error."""
    return Criterion(
        name=name, costs=dict(zip(NAMES, costs, strict=False)), without={}, matters=matters
    )


def estimated(name, a, b, error):
    """Costs of two strategies whose difference has a standard error."""
    without = np.array([-1.0, 1.0] * 50) * error / np.sqrt(99)
    return Criterion(
        name=name,
        costs={"a": a, "b": b},
        without={"a": a + without, "b": np.full(100, b)},
        matters=0.01,
    )


def places(criteria, names=("a", "b")):
    return [place.strategies for place in ranked(names, criteria)]


@given(costs=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_every_strategy_has_one_place_and_exact_costs_are_ordered_as_words_are(costs):
    criteria = [exact(str(number), *each) for number, each in enumerate(costs)]
    found = ranked(NAMES, criteria)
    assert sorted(name for place in found for name in place.strategies) == list(NAMES)
    key = {name: tuple(each.costs[name] for each in criteria) for name in NAMES}
    order = [{key[name] for name in place.strategies} for place in found]
    assert all(len(keys) == 1 or len(costs) == 0 for keys in order)
    assert [min(keys) for keys in order] == sorted(set(key.values()))
    numbers = [place.number for place in found]
    assert numbers == [1 + sum(key[n] < min(keys) for n in NAMES) for keys in order]


def test_a_difference_within_chance_or_too_small_to_matter_decides_nothing():
    assert places([estimated("motion", 0.3, 0.2, error=0.02)]) == [("b",), ("a",)]
    assert places([estimated("motion", 0.3, 0.2, error=0.2)]) == [("a", "b")]
    assert places([estimated("motion", 0.205, 0.2, error=0.0001)]) == [("a", "b")]


def test_what_costs_less_is_taken_where_motion_is_alike():
    alike, loss = estimated("motion", 0.21, 0.2, error=0.05), exact("loss", 0.1, 0.4)
    assert places([alike, loss]) == [("a",), ("b",)]


def test_a_later_criterion_does_not_overturn_what_an_earlier_one_leans_to():
    leaning, loss = estimated("motion", 0.3, 0.2, error=0.07), exact("loss", 0.1, 0.4)
    assert places([leaning]) == [("a", "b")]
    assert places([leaning, loss]) == [("a", "b")]
    assert places([loss, leaning]) == [("a",), ("b",)]


def test_what_is_not_known_of_one_decides_for_none():
    assert places([exact("distance", np.nan, 0.1), exact("loss", 0.1, 0.4)]) == [("a",), ("b",)]
    assert places([exact("distance", np.nan, 0.1)]) == [("a", "b")]


def test_what_put_a_strategy_behind_is_kept():
    first, *_ = ranked(("a", "b", "c"), [exact("motion", 3, 1, 1), exact("loss", 1, 2, 1)])
    assert [(step.criterion.name, step.best, step.out) for step in first.steps] == [
        ("motion", "b", ("a",)),
        ("loss", "c", ("b",)),
    ]
