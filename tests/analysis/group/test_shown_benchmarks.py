"""Benchmarks as the page shows them."""

import numpy as np
import pandas as pd
import pytest

from bidsmask.analysis.group.benchmark_outputs import Benchmarks
from bidsmask.analysis.group.benchmark_table import BENCHMARK_COLUMNS
from bidsmask.analysis.group.shown_benchmarks import TITLES, not_measured, shown_benchmarks


def row(strategy, measure, subset, value, **more):
    about = {"task_id": "rest", "atlas": "atlas-A", "n_participants": 40, "global_signal": "no"}
    about |= {"covariates": "age sex:M", "low": value - 0.1, "high": value + 0.1}
    named = {"strategy": strategy, "measure": measure, "subset": subset, "value": value}
    return dict.fromkeys(BENCHMARK_COLUMNS) | about | named | more


@pytest.fixture
def rows():
    found = []
    for place, name in enumerate(("27P", "24P")):
        gsr = {"global_signal": "yes" if name == "27P" else "no"}
        for subset in ("all", "common"):
            shift = 0.0 if subset == "common" else 0.05
            value = 0.1 + place / 10 + shift
            null = {"expected": 0.08, "null_low": 0.07, "null_high": 0.1}
            found += [
                row(name, "qcfc_median_abs_r", subset, value, **null, **gsr),
                row(name, "modularity", subset, 0.3 + value, **gsr),
                row(name, "icc", subset, np.nan, note="No sessions repeat.", **gsr),
            ]
    return found


def shown(rows, order=("24P", "27P")):
    table = pd.DataFrame(rows)
    measured = Benchmarks(files=(), table=table, recommendations=(), pictures=())
    return next(shown_benchmarks(measured, order)), measured


def test_strategies_stand_in_the_order_of_the_page_with_both_subsets(rows):
    found, _ = shown(rows)
    assert found.title == "A: task rest"
    assert found.strategies == ("24P", "27P")
    first = found.benchmarks[0]
    np.testing.assert_allclose([each.value for each in first.estimates], [0.2, 0.1])
    np.testing.assert_allclose(first.of_own, [0.25, 0.15])
    assert (first.estimates[0].chance, first.estimates[0].chance_high) == (0.08, 0.1)


def test_modularity_is_never_side_by_side_across_the_global_signal(rows):
    found, _ = shown(rows)
    without, with_it = (each for each in found.benchmarks if "modularity" in each.title)
    assert (without.title, with_it.title) == (
        "modularity Q*, without GSR",
        "modularity Q*, with GSR",
    )
    assert [np.isnan(each.value) for each in without.estimates] == [False, True]
    assert [np.isnan(each.value) for each in with_it.estimates] == [True, False]


def test_among_strategies_that_agree_modularity_is_one_figure(rows):
    found, _ = shown([each | {"global_signal": "no"} for each in rows])
    assert [each.title for each in found.benchmarks] == ["QC-FC: median |r|", "modularity Q*"]


def test_what_is_n_a_for_all_is_not_drawn_but_said(rows):
    found, measured = shown(rows)
    assert "ICC(A,1)" not in [each.title for each in found.benchmarks]
    (undone,) = not_measured(measured)
    assert (undone.what, undone.why) == ("A: task rest: ICC(A,1)", "No sessions repeat.")


def test_caveats_say_who_is_compared_and_what_was_held_constant(rows):
    rows = [each | {"note": each["note"] or "Few participants (40)."} for each in rows]
    who, constant, few = shown(rows)[0].caveats
    assert "40 participants whose runs every strategy keeps" in who
    assert "age, sex:M" in constant
    assert few.endswith("Few participants (40).")


def test_every_benchmark_has_a_title():
    from bidsmask.analysis.group.benchmark_table import MEASURES

    assert TITLES.keys() == MEASURES.keys()


def test_without_matrices_there_is_nothing_to_show():
    table = pd.DataFrame(columns=list(BENCHMARK_COLUMNS))
    nothing = Benchmarks(files=(), table=table, recommendations=(), pictures=())
    assert list(shown_benchmarks(nothing, ("24P",))) == list(not_measured(nothing)) == []
