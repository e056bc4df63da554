"""Who is part of a group, and what decided it."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from bidsmask.analysis.group.counted import survey
from bidsmask.analysis.group.exclusion import ALL, attrition, decide, unknown_measures
from bidsmask.analysis.group.tables import group_qc
from bidsmask.cli.main import main
from bidsmask.dataset.people import Rating
from bidsmask.derivatives.check import check_output
from bidsmask.errors import SettingsError
from bidsmask.numerics.exclusion import PRESETS
from bidsmask.settings import GroupSettings

PARKES = "parkes2018-lenient"


@pytest.fixture(scope="module")
def qc(cohort):
    return group_qc(survey(cohort.output_dir, cohort.bids_dir, ()).counted)


@pytest.fixture
def out(cohort, tmp_path):
    return shutil.copytree(cohort.output_dir, tmp_path / "out")


def group(cohort, out, *options):
    return main([str(cohort.bids_dir), str(out), "group", *map(str, options)])


def table(out, name):
    return pd.read_csv(out / f"{name}.tsv", sep="\t", keep_default_na=False)


# The decision


def test_whoever_moves_too_much_is_excluded_by_the_published_rule(cohort, qc):
    decisions = decide(qc, GroupSettings(exclude=PARKES))
    moves = cohort.runs["mean_fd"] > 0.55  # the cohort's displacement is Jenkinson's
    assert 0 < moves.sum() < len(moves)
    for strategy in ("24P", "simple"):
        assert set(decisions.included(strategy)) == set(cohort.runs.index[~moves])
    reasons = {row.run: row.reason for row in decisions.rows if row.strategy == "24P"}
    for run, row in cohort.runs[moves].iterrows():
        assert reasons[run] == (
            f"{PARKES}: mean framewise displacement of Jenkinson: {row['mean_fd']:.3g} mm, "
            "above 0.55"
        )


def test_a_rule_for_power_counts_power(cohort, qc):
    decisions = decide(qc, GroupSettings(exclude="wang2024-minimal"))
    moves = 2 * cohort.runs["mean_fd"] > 0.55
    assert set(decisions.included("24P")) == set(cohort.runs.index[~moves])


def test_nobody_is_excluded_unless_it_is_asked_for(cohort, qc):
    decisions = decide(qc, GroupSettings())
    assert set(decisions.included("24P")) == set(cohort.runs.index)
    not_done = [row for row in decisions.rows if not row.is_included]
    assert {row.strategy for row in not_done} == {"scrubbing.5"}
    assert all("could not be carried out" in row.reason for row in not_done)


def test_a_stricter_limit_never_lets_a_run_in(qc):
    kept = [
        set(decide(qc, GroupSettings(exclude_limits=(("mean_fd_jenkinson", limit),))).in_all)
        for limit in np.linspace(0.1, 1, 10)
    ]
    assert all(few <= many for few, many in pairwise(kept))
    assert len(kept[0]) < len(kept[-1])


def test_limits_that_are_given_overrule_those_of_the_rule(qc):
    limits = GroupSettings(exclude=PARKES, exclude_limits=(("mean_fd_jenkinson", 0.2),)).limits
    assert limits == {PARKES: {}, "--exclude-limits": {"mean_fd_jenkinson": 0.2}}
    none = (("max_fd_jenkinson", "none"),)
    limits = GroupSettings(exclude="parkes2018-stringent", exclude_limits=none).limits
    assert set(limits["parkes2018-stringent"]) == {"mean_fd_jenkinson", "fd_jenkinson_above_0p2"}


def test_coverage_freedom_and_minutes_exclude_by_strategy(cohort, qc):
    settings = GroupSettings(exclude_limits=(("regions_usable", 0.99),))
    lost = cohort.runs["has_lost_a_region"]
    assert set(decide(qc, settings).included("24P")) == set(cohort.runs.index[~lost])
    settings = GroupSettings(exclude_limits=(("dof_remaining", 120.0),))
    decisions = decide(qc, settings)  # 24P leaves 150 - 2 - 24, simple 150 - 2 - 30
    assert len(decisions.included("24P")) == len(cohort.runs)
    assert decisions.included("simple") == decisions.in_all == ()
    minutes = GroupSettings(exclude_limits=(("minutes_kept", 4.9),))
    kept = set(decide(qc, minutes).included("scrubbing.5"))
    assert kept == set(
        qc["bids_name"][(qc["strategy"] == "scrubbing.5") & (qc["minutes_kept"] >= 4.9)]
    )


def test_ratings_exclude_the_runs_that_they_mean(cohort, qc):
    one = Rating(
        row=1,
        about={"participant_id": "sub-01", "session_id": "ses-2"},
        strategy="",
        excludes=True,
        words="bad (spikes)",
    )
    of_strategy = Rating(
        row=2, about={"participant_id": "sub-02"}, strategy="24P", excludes=True, words="bad"
    )
    good = Rating(row=3, about={"participant_id": "sub-03"}, strategy="", excludes=False, words="")
    decisions = decide(qc, GroupSettings(), [one, of_strategy, good])
    left = {strategy: set(decisions.included(strategy)) for strategy in ("24P", "simple")}
    everyone = set(cohort.runs.index)
    assert {name[:12] for name in everyone - left["simple"]} == {"sub-01_ses-2"}
    assert {name[:12] for name in everyone - left["24P"]} == {
        *("sub-01_ses-2", "sub-02_ses-1", "sub-02_ses-2")
    }


# What is not known is said by name


def test_a_rule_about_what_no_run_has_is_refused(qc):
    older = qc.drop(columns="mean_fd_jenkinson")
    assert unknown_measures(older, PRESETS[PARKES].limits) == ["mean_fd_jenkinson"]
    with pytest.raises(SettingsError, match="mean_fd_jenkinson, which is known of no run"):
        decide(older, GroupSettings(exclude=PARKES))
    notes = attrition(older, decide(older, GroupSettings())).set_index("exclusion")["note"]
    assert notes[PARKES] == "known of no run: mean_fd_jenkinson"
    assert notes["wang2024-minimal"].isna().all()


def test_a_run_of_which_the_measure_is_not_known_does_not_pass(qc):
    some = qc.assign(mean_fd_jenkinson=qc["mean_fd_jenkinson"].where(qc.index > 2))
    decisions = decide(some, GroupSettings(exclude=PARKES))
    assert decisions.rows[0].reason.endswith("displacement of Jenkinson: not known")


# Attrition


def test_attrition_counts_runs_and_participants_under_every_rule(cohort, qc):
    decisions = decide(qc, GroupSettings(exclude=PARKES))
    counts = attrition(qc, decisions).set_index(["exclusion", "strategy"])
    assert set(counts.index.get_level_values(0)) == {"as asked", *PRESETS}
    for (_, strategy), row in counts.iterrows():
        assert row["n_runs"] == len(cohort.runs)
        assert row["n_participants"] == 24
        if strategy != ALL:
            parts = row["n_not_done"] + row["n_excluded"] + row["n_included"]
            assert parts == row["n_runs"]
    asked, rule = (
        counts.loc[name].drop(columns="note").astype(float) for name in ("as asked", PARKES)
    )
    pd.testing.assert_frame_equal(asked, rule)
    assert counts.loc[("none", "scrubbing.5"), "n_not_done"] > 0
    assert counts.loc[("as asked", ALL), "n_included"] == len(decisions.in_all)
    assert counts.loc[("as asked", ALL), "n_participants_included"] == 22


# The command


def test_the_tables_say_who_is_included_and_what_decided_it(cohort, out, capsys):
    ratings = out.parent / "ratings.tsv"
    ratings.write_text("participant_id\tsession_id\trating\n01\t1\tbad\n02\t\tgood\n99\t1\tbad\n")
    assert group(cohort, out, "--exclude", PARKES, "--ratings", ratings) == 0
    said = capsys.readouterr().err
    assert "runs included: 43 under 24P, 43 under simple, 43 under scrubbing.5" in " ".join(
        said.split()
    )
    qc = table(out, "group_qc")
    first = ["participant_id", "session_id", "task_id", "run_id"]
    assert list(qc)[:4] == first
    assert (qc["decided_by"] == "n/a").eq(qc["decision"] == "include").all()
    excluded = table(out, "group_excluded")
    assert set(excluded["what"]) == {"left out", "not done", "excluded"}
    rows = excluded.set_index("run")
    assert rows.loc["sub-01_ses-1_task-rest_space-MNI152NLin2009cAsym", "reason"] == "rated bad"
    assert rows.loc["sub-99_ses-1", "reason"] == "ratings.tsv, row 3: bad; no run here is that."
    assert "no run here is that" in said
    for name in (
        "group_qc",
        "group_coverage",
        "group_excluded",
        "group_attrition",
        "participants",
    ):
        described = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
        assert list(described) == list(table(out, name))
    before = {path: path.read_bytes() for path in out.glob("[!.]*.*")}
    assert group(cohort, out, "--exclude", PARKES, "--ratings", ratings) == 0
    assert {path: path.read_bytes() for path in out.glob("[!.]*.*")} == before
    assert check_output(out).problems == ()


def test_coverage_is_of_regions_and_runs_and_names_what_many_have_lost(cohort, out, capsys):
    assert group(cohort, out) == 0
    coverage = table(out, "group_coverage")
    assert list(coverage)[8:] == sorted(cohort.runs.index)
    last = coverage.iloc[-1]
    lost = cohort.runs.index[cohort.runs["has_lost_a_region"]]
    assert last["lost_in"].split() == sorted(lost)
    assert (last[list(lost)].astype(float) < 0.5).all()
    others = coverage[list(cohort.runs.index)].drop(columns=lost)
    assert (others.astype(float) == 1).all(axis=None)
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 20 regions have no signal in more than 10% of the runs: Cont_20 (6 of 48" in said


@pytest.mark.parametrize(
    ("options", "letter"),
    [
        (["participant", "--exclude", "verdict"], "--exclude: of the group level"),
        (["participant", "--ratings", "x.tsv"], "--ratings: of the group level"),
        (["group", "--exclude", "parkes"], "invalid choice: 'parkes'"),
        (["group", "--exclude-limits", "mean_df=3"], "Did you mean 'mean_fd'?"),
        (["group", "--exclude-limits", "max_fd_power=none"], "does not have"),
        (["group", "--exclude-limits", "max_fd_power=nan"], "a limit is a number, or none"),
        (["group", "--exclude-limits", "max_fd_power"], "expected MEASURE=LIMIT"),
        (["group", "--ratings", "absent.tsv"], "absent.tsv: The table cannot be read"),
        (["group", "--covariates", "absent.tsv"], "absent.tsv: The table cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(cohort, capsys, options, letter):
    level, *others = options
    assert main([str(cohort.bids_dir), str(cohort.output_dir), level, *others]) == 2
    assert letter in capsys.readouterr().err
