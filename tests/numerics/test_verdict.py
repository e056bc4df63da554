"""The verdict: laws of limits, and what the defaults say of cases that are plain."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.numerics.verdict import (
    DO_NOT_USE,
    GOOD,
    LOOK,
    NOT_JUDGED,
    RULES,
    WORDS,
    judge,
    rules_with,
    worst,
)

FINE = {
    "mean_fd": 0.1,
    "max_fd": 1.0,
    "censored_share": 0.05,
    "minutes_kept": 9.0,
    "dof_remaining": 120.0,
    "dof_share": 0.4,
    "regions_usable": 1.0,
}
NUMBERS = st.floats(0, 200)


@given(measures=st.fixed_dictionaries(dict.fromkeys(FINE, NUMBERS)))
def test_what_is_better_in_all_measures_has_no_worse_verdict(measures):
    better = {
        name: value * (0.5 if RULES[name].worse == "above" else 2)
        for name, value in measures.items()
    }
    assert worst([judge(better).word, judge(measures).word]) == judge(measures).word


@given(measures=st.fixed_dictionaries(dict.fromkeys(FINE, NUMBERS)))
def test_the_worst_measure_decides(measures):
    alone = [judge({name: value}).word for name, value in measures.items()]
    assert judge(measures).word == worst(alone)


@given(value=NUMBERS, name=st.sampled_from(list(RULES)))
def test_there_is_a_reason_unless_it_is_good(value, name):
    verdict = judge({name: value})
    assert bool(verdict.reasons) == (verdict.word != GOOD)


def test_a_run_within_all_limits_is_good():
    assert judge(FINE).word == GOOD


@pytest.mark.parametrize("name", RULES)
def test_on_a_limit_it_is_not_yet_worse_and_beyond_it_is(name):
    rule = RULES[name]
    for limit, word in ((rule.look, LOOK), (rule.do_not_use, DO_NOT_USE)):
        if limit is None:
            continue
        beyond = math.nextafter(limit, math.inf if rule.worse == "above" else -math.inf)
        assert WORDS.index(judge({name: limit}).word) < WORDS.index(word)
        assert judge({name: beyond}).word == word


@pytest.mark.parametrize(
    ("measures", "word"),
    [
        ({"dof_remaining": 0.07 * 60, "dof_share": 0.07}, DO_NOT_USE),  # 36P and a band-pass
        ({"dof_remaining": 0.07 * 490, "dof_share": 0.07}, LOOK),
        ({"regions_usable": 0.5}, DO_NOT_USE),
        ({"regions_usable": 0.85}, LOOK),
        ({"mean_fd": 0.3}, LOOK),
        ({"mean_fd": 0.6}, DO_NOT_USE),
        ({"minutes_kept": 4.9}, LOOK),
        ({"censored_share": 0.6}, DO_NOT_USE),
    ],
)
def test_plain_cases(measures, word):
    assert judge(FINE | measures).word == word


def test_what_is_not_known_is_to_be_looked_at_and_what_is_not_there_is_not_judged():
    verdict = judge(FINE | {"mean_fd": math.nan})
    assert verdict.word == LOOK
    assert verdict.reasons == ("mean framewise displacement: not known",)
    assert judge({name: FINE[name] for name in ("mean_fd", "max_fd")}).word == GOOD


def test_limits_can_be_given_and_taken_away():
    rules = rules_with([("mean_fd", 0.05, None), ("minutes_kept", None, None)])
    assert judge(FINE, rules).reasons == ("mean framewise displacement: 0.1 mm, above 0.05",)
    assert judge({"minutes_kept": math.nan}, rules).word == GOOD
    assert rules["max_fd"] == RULES["max_fd"]


def test_every_measure_that_is_judged_is_in_the_table_and_its_better_side_agrees():
    for name, rule in RULES.items():
        column = QUALITY_COLUMNS[name]
        assert column.better == {"above": "lower", "below": "higher"}[rule.worse]
        assert rule.why


def test_of_nothing_there_is_no_verdict():
    assert worst([]) == NOT_JUDGED
