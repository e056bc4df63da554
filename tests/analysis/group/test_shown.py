"""What the page of a group shows of the tables of the group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.analysis.group.page import (
    coverage_of,
    distributions,
    limits_of_verdict,
    outliers,
    run_table,
)
from bidsmask.numerics.outlying import far_out


@pytest.fixture
def qc():
    """Six runs under two strategies; the last one moves, and one row is not known."""
    n = 6
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{run + 1:02d}" for run in range(n) for _ in range(2)],
            "session_id": None,
            "task_id": "rest",
            "run_id": None,
            "space_id": "T1w",
            "bids_name": [f"sub-{run + 1:02d}_task-rest" for run in range(n) for _ in range(2)],
            "strategy": ["24P", "36P"] * n,
            "decision": ["include"] * (2 * n - 2) + ["exclude"] * 2,
            "decided_by": [None] * (2 * n - 2) + ["mine: mean FD: 0.9 mm, above 0.5"] * 2,
            "mean_fd": np.repeat([0.1, 0.11, 0.12, 0.13, 0.14, 0.9], 2),
            "dof_remaining": [50.0, 30.0] * n,
            "verdict": ["good", "look"] * n,
        }
    )
    table.loc[1, ["dof_remaining", "verdict"]] = None
    return table


def test_a_row_is_a_run_under_a_strategy(qc):
    runs = run_table(qc, {"sub-02.html"})
    assert len(runs) == 12
    assert runs.reports[:4] == ["", "", "sub-02.html", "sub-02.html"]
    assert runs.included.sum() == 10
    assert runs.column("dof_remaining").written(1) == "–"
    assert runs.column("decided_by").written(11) == "mine: mean FD: 0.9 mm, above 0.5"


def test_columns_that_tell_nothing_apart_are_not_shown(qc):
    def shown(table):
        return [column.name for column in run_table(table, ()).columns]

    assert shown(qc)[:3] == ["participant_id", "task_id", "strategy"]
    qc.loc[0, "space_id"] = "MNI152NLin6Asym"
    assert shown(qc)[:3] == ["participant_id", "task_id", "space_id"]
    assert "rating" not in shown(qc)
    assert "decided_by" in shown(qc)
    assert "decided_by" not in shown(qc.assign(decided_by="n/a"))


def test_a_run_far_from_the_others_is_named_with_its_value_and_theirs(qc):
    runs = run_table(qc, {"sub-06.html"})
    (found,) = outliers(runs, distributions(runs, {}))
    assert (found.run, found.report) == ("sub-06_task-rest", "sub-06.html")
    assert found.words == ("FD: 0.900 mm (median 0.125)",)


def test_under_which_strategy_a_run_is_far_out_is_said(qc):
    qc["dof_remaining"] = [50.0, 30, 51, 31, 52, 32, 53, 33, 54, 34, 55, 300]
    runs = run_table(qc, ())
    (found,) = outliers(runs, distributions(runs, {}))
    assert found.words[1] == "ν under 36P: 300.0 (median 32.5)"


def test_a_run_in_several_spaces_is_not_held_against_itself(qc):
    qc["mean_fd"] = np.repeat([0.135, 0.186, 0.198, 0.213, 0.22, 0.288], 2)
    again = [
        qc[10:].assign(space_id=space, mean_fd=0.198, bids_name=f"sub-06_task-rest_space-{space}")
        for space in ("fsLR", "fsaverage")
    ]
    runs = run_table(pd.concat([qc, *again], ignore_index=True), ())
    assert outliers(runs, distributions(runs, {})) == []


def test_limits_of_the_verdict_are_those_of_the_sidecar():
    of_fd = {"Look": "above 0.25", "DoNotUse": "never", "Source": "somebody"}
    (limit,) = limits_of_verdict({"VerdictLimits": {"mean_fd": of_fd}})["mean_fd"]
    assert (limit.value, limit.label) == (0.25, "look: above 0.25")
    assert limits_of_verdict({}) == {}


def test_coverage_is_of_each_atlas_and_its_own_runs():
    table = pd.DataFrame(
        {
            "atlas": ["space-S_atlas-A", "space-S_atlas-A", "atlas-B"],
            "Node": ["one", "two", "three"],
            "lost_in": [None, "sub-1 sub-2", "sub-2"],
            "sub-1": [1.0, 0.2, np.nan],
            "sub-2": [0.9, 0.0, 0.1],
        }
    )
    first, second = coverage_of(table, {"A, in S": ["Vis", "Default"]})
    assert (first.atlas, first.networks) == ("A, in S", ["Vis", "Default"])
    assert first.lost.tolist() == [[False, False], [True, True]]
    assert (second.runs, second.networks, second.lost.tolist()) == (["sub-2"], None, [[True]])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.5, 100))
def test_what_is_far_out_does_not_depend_on_the_unit(values, scale):
    array = np.array(values).round(3)
    scale = 2.0 ** np.floor(np.log2(scale))  # exact in floating point
    np.testing.assert_array_equal(far_out(array), far_out(array * scale))
    assert far_out(array).sum() <= array.size / 2


def test_spaces_are_told_apart_where_there_are_several(qc):
    assert run_table(qc.assign(space_id="fsLR"), ()).places == []
    spaces = ["fsLR", "fsaverage"] * (len(qc) // 2)
    runs = run_table(qc.assign(space_id=spaces, den_id="91k"), ())
    assert set(runs.places) == {"fsLR, 91k", "fsaverage, 91k"}
