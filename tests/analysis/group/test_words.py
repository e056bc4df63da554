"""What the group level says of what it did."""

from pathlib import Path

import pandas as pd
import pytest

from bidsmask.analysis.group.words import attrition_of, group_methods, rules_of
from bidsmask.settings import GroupSettings

LIMITS = (("mean_fd_power", 0.25), ("dof_remaining", 30.0))


@pytest.fixture
def qc():
    """Four runs under one strategy: fine, moving, without freedom and moving, not done."""
    return pd.DataFrame(
        {
            "strategy": ["24P"] * 4,
            "decided_by": [None, "mine", "rated bad by a reader", "not done"],
            "verdict": ["good", "do not use", "look", None],
            "mean_fd_power": [0.1, 0.3, 0.4, 0.9],
            "dof_remaining": [50.0, 40.0, None, None],
            "status": ["ok", "ok", "ok", "n/a"],
        }
    )


@pytest.fixture
def attrition():
    of_other = {"exclusion": "wang2024-minimal", "strategy": "24P"}
    asked = {
        "exclusion": "as asked",
        "strategy": "24P",
        "n_runs": 4,
        "n_not_done": 1,
        "n_included": 1,
        "n_participants": 4,
        "n_participants_included": 1,
    }
    table = pd.DataFrame([asked, of_other])
    return table.astype({name: "Int64" for name in table if name.startswith("n_")})


def test_each_limit_is_a_rule_and_what_is_not_known_breaks_it(qc):
    rules = list(rules_of(qc, GroupSettings(exclude_limits=LIMITS)))
    assert [rule.words for rule in rules] == [
        "mean framewise displacement of Power is above 0.25 mm",
        "degrees of freedom left is below 30",
    ]
    assert [rule.applies.tolist() for rule in rules] == [
        [False, True, True, True],
        [False, False, True, True],
    ]


def test_verdicts_and_ratings_are_rules(qc):
    first, second = rules_of(qc, GroupSettings(exclude="verdict", ratings=Path("my/ratings.tsv")))
    assert first.words == "somebody has rated it bad (ratings.tsv)"
    assert first.applies.tolist() == [False, False, True, False]
    assert second.applies.tolist() == [False, True, False, False]


def test_attrition_says_what_was_asked_for_and_counts_each_reason(qc, attrition):
    (found,) = attrition_of(
        attrition, qc, list(rules_of(qc, GroupSettings(exclude_limits=LIMITS)))
    )
    assert (found.n_kept_runs, found.n_kept_participants) == (1, 1)
    assert dict(found.reasons) == {
        "the strategy could not be carried out": 1,
        "mean framewise displacement of Power is above 0.25 mm": 2,
        "degrees of freedom left is below 30": 1,
    }


def test_the_methods_cite_the_work_that_a_rule_is_from(qc, attrition):
    qc["fd_power_above_0p2"] = 0.0
    settings = GroupSettings(exclude="wang2024-stringent")
    rules = list(rules_of(qc, settings))
    methods = group_methods(
        4,
        4,
        attrition_of(attrition, qc, rules),
        settings,
        rules,
        measure="Fisher's z",
        n_compared=4,
    )
    assert "by the rule wang2024-stringent (Wang et al., 2024), if mean" in methods.paragraphs[1]
    assert "This leaves 1 of 4 runs for 24P." in methods.paragraphs[1]
    assert "Fisher's z was averaged" in methods.paragraphs[2]
    assert "compared on up to 4 participants" in methods.paragraphs[3]
    assert len(methods.references) == 3


def test_without_a_rule_the_methods_say_so(qc, attrition):
    methods = group_methods(
        4, 4, attrition_of(attrition, qc, ()), GroupSettings(), (), measure=None, n_compared=0
    )
    assert "No run was excluded by a rule" in methods.paragraphs[1]
    assert len(methods.paragraphs) == 2
