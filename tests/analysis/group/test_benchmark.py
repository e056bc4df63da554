from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from worlds.stacked import PlantedStrategy, StackedCohort

from bidsmask.analysis.group.benchmark import benchmarks, covariate_columns
from bidsmask.analysis.group.benchmark_outputs import write_benchmarks
from bidsmask.analysis.group.benchmark_picture import BenchmarkPicture
from bidsmask.analysis.group.benchmark_table import (
    BENCHMARK_COLUMNS,
    MEASURES,
    benchmark_table,
)
from bidsmask.analysis.group.recommendation import (
    RECOMMENDATION_COLUMNS,
    recommend,
    recommendation_table,
)
from bidsmask.derivatives.stacks import open_stack

TWO = {"24P": PlantedStrategy(motion=1.0), "simple": PlantedStrategy(motion=0.2)}


def found_in(cohort, folder, n_permutations=60):
    return list(
        benchmarks(
            cohort.stacks(folder),
            cohort.qc,
            cohort.participants,
            cohort.included,
            n_permutations=n_permutations,
        )
    )


def values_of(table, strategy, subset="common"):
    rows = table[(table["strategy"] == strategy) & (table["subset"] == subset)]
    return rows.set_index("measure")


@pytest.fixture(scope="module")
def cohort():
    return StackedCohort(strategies=TWO, n_subjects=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def found(cohort, folder):
    return found_in(cohort, folder)


@pytest.fixture(scope="module")
def table(found):
    return benchmark_table(found)


def test_edges_that_go_with_motion_are_found_with_sign_and_size(cohort, found):
    for each in found:
        spread = TWO[each.strategy].motion * cohort.slopes * cohort.fd.std()
        planted = spread / np.sqrt(spread**2 + cohort.noise**2)
        error = each.measured.qcfc.r - planted
        assert abs(error.mean()) < 0.08
        assert np.abs(error).mean() < 0.09  # one r of 200 participants has an error of 0.07
        strong = np.abs(planted) > 0.3
        assert (np.sign(each.measured.qcfc.r) == np.sign(planted))[strong].all()


def test_what_is_left_of_motion_lies_beyond_chance_and_depends_on_distance(table):
    worse, better = values_of(table, "24P"), values_of(table, "simple")
    for name in ("qcfc_median_abs_r", "qcfc_share_significant", "qcfc_share_fdr"):
        assert worse.loc[name, "value"] > worse.loc[name, "null_high"]
        assert worse.loc[name, "value"] > better.loc[name, "value"]
    for rows in (worse, better):
        assert rows.loc["qcfc_distance_rho", "value"] < rows.loc["qcfc_distance_rho", "null_low"]
    assert worse.loc["qcfc_distance_rho", "high"] < -0.5
    for name in ("percent_match_overlap", "percent_match_ks"):
        assert worse.loc[name, "value"] < better.loc[name, "value"] < 100
    assert abs(worse.loc["qcfc_median_abs_r", "expected"] - 0.674 / np.sqrt(197)) < 1e-3
    assert worse.loc["dof_remaining", "value"] == 100
    np.testing.assert_allclose(worse.loc["fd_dvars_r", "value"], 0.3)


def test_a_correlation_is_that_of_a_regression_of_statsmodels(cohort, found, folder):
    each = found[0]
    with open_stack(folder / f"{each.strategy}.h5") as stack:
        z = np.arctanh(stack.edges(slice(None)).astype(float))
    design = sm.add_constant(np.column_stack([cohort.fd, cohort.age]))
    fit = sm.OLS(z[:, 7], design).fit()
    np.testing.assert_allclose(each.measured.qcfc.p[7], fit.pvalues[1], rtol=1e-9)
    assert each.measured.qcfc.dof[7] == fit.df_resid == 200 - 2 - 1


def test_the_better_strategy_is_first_and_what_decided_is_said(found):
    (recommended,) = recommend(found)
    assert recommended.first == ("simple",)
    assert recommended.answer.startswith("Take simple")
    assert "24P is behind simple by motion left in connectivity" in recommended.answer
    rows = recommendation_table([recommended]).set_index("strategy")
    assert list(rows["place"]) == [1, 2]
    assert rows.loc["24P", "decided_by"] == "qcfc_median_abs_r"
    assert 0 < rows.loc["24P", "low"] < rows.loc["24P", "difference"] < rows.loc["24P", "high"]


def test_strategies_that_differ_by_chance_alone_cannot_be_told_apart(tmp_path):
    same = {"24P": PlantedStrategy(motion=0.5), "simple": PlantedStrategy(motion=0.5)}
    tied = []
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        cohort = StackedCohort(strategies=same, n_subjects=50, seed=seed)
        (recommended,) = recommend(found_in(cohort, folder, n_permutations=5))
        tied.append(len(recommended.first) == 2)
        if tied[-1]:
            assert "cannot be told apart" in recommended.answer
    assert sum(tied) >= 7


def test_where_motion_does_not_tell_degrees_of_freedom_do(tmp_path):
    strategies = {
        "24P": PlantedStrategy(motion=0.0, dof_share=0.7),
        "simple": PlantedStrategy(motion=0.0, dof_share=0.4),
    }
    cohort = StackedCohort(strategies=strategies, n_subjects=60, seed=3)
    (recommended,) = recommend(found_in(cohort, tmp_path, n_permutations=5))
    assert recommended.first == ("24P",)
    assert "share of degrees of freedom lost: 0.6 against 0.3" in recommended.answer


def test_a_strategy_that_loses_those_who_move_is_compared_on_those_it_keeps(tmp_path):
    cohort = StackedCohort(strategies=dict(TWO), n_subjects=80)
    movers = tuple(np.argsort(cohort.fd)[-30:].tolist())
    cohort.strategies["scrubbing.2"] = PlantedStrategy(motion=1.0, lost=movers)
    table = benchmark_table(found_in(cohort, tmp_path, n_permutations=5))
    n = {
        (strategy, subset): values_of(table, strategy, subset)["n_participants"].iloc[0]
        for strategy in cohort.strategies
        for subset in ("all", "common")
    }
    assert n == {
        **{(name, "all"): 80 for name in TWO},
        **{(name, "common"): 50 for name in TWO},
        ("scrubbing.2", "all"): 50,
        ("scrubbing.2", "common"): 50,
    }
    kept = values_of(table, "scrubbing.2", "all").loc["participants_kept_share", "value"]
    assert kept == 50 / 80


def test_few_participants_are_measured_with_a_caveat_and_not_ranked(tmp_path):
    found = found_in(StackedCohort(strategies=TWO, n_subjects=12), tmp_path, n_permutations=9)
    rows = values_of(benchmark_table(found), "24P")
    assert "most of what is seen is chance" in rows.loc["qcfc_median_abs_r", "note"]
    (recommended,) = recommend(found)
    assert recommended.answer.startswith("No strategy is recommended: 12 participants")
    assert recommendation_table([recommended])["place"].isna().all()


def test_hardly_anybody_is_not_measured_at_all(tmp_path):
    found = found_in(StackedCohort(strategies=TWO, n_subjects=3), tmp_path)
    rows = values_of(benchmark_table(found), "24P")
    assert np.isnan(rows.loc["qcfc_median_abs_r", "value"])
    assert "at least 5" in rows.loc["qcfc_median_abs_r", "note"]
    assert rows.loc["dof_remaining", "value"] == 100
    assert BenchmarkPicture.of(found[0]) is None


def test_runs_are_averaged_sessions_compared_and_lost_regions_left_out(tmp_path):
    cohort = StackedCohort(strategies=TWO, n_subjects=40, n_sessions=2, small_views=10)
    found = found_in(cohort, tmp_path, n_permutations=9)
    each = found[0]
    last = np.triu_indices(16, 1)[1] == 15
    assert (each.measured.qcfc.dof[last] == 40 - 10 - 3).all()
    assert (each.measured.qcfc.dof[~last] == 40 - 3).all()
    assert each.sample.n_subjects == 40
    assert len(each.sample.rows) == 80
    rows = values_of(benchmark_table(found), "simple")
    assert 0.3 < rows.loc["icc", "value"] < 0.7  # half of the variance is a trait


def test_reliability_counts_only_those_who_were_there_in_every_session(tmp_path):
    cohort = StackedCohort(strategies=TWO, n_subjects=40, n_sessions=2)
    once = {name for name in cohort.qc["bids_name"] if "sub-003_ses-2" in name}
    included = {name: set(runs) - once for name, runs in cohort.included.items()}
    found = benchmarks(
        cohort.stacks(tmp_path), cohort.qc, cohort.participants, included, n_permutations=5
    )
    counts = values_of(benchmark_table(list(found)), "24P")[["n_participants", "n_runs"]]
    assert len(once) == 1
    assert counts.loc["icc"].tolist() == [39, 78]
    assert counts.loc["qcfc_median_abs_r"].tolist() == [40, 79]


def test_participants_without_a_covariate_or_motion_are_left_out_and_counted(tmp_path):
    cohort = StackedCohort(strategies=TWO, n_subjects=40)
    participants = cohort.participants.assign(sex=["F", "M"] * 20, hand="right", name=range(40))
    participants.loc[3, "age"] = np.nan
    qc = cohort.qc
    qc.loc[qc["participant_id"] == "sub-008", "mean_fd"] = np.nan
    found = list(
        benchmarks(cohort.stacks(tmp_path), qc, participants, cohort.included, n_permutations=5)
    )
    assert found[0].covariates == ("age", "sex:M")
    assert found[0].sample.n_subjects == 38
    assert (found[0].without_motion, found[0].without_covariates) == (("sub-008",), ("sub-004",))
    note = values_of(benchmark_table(found), "24P").loc["qcfc_median_abs_r", "note"]
    assert "Without 1 participant whose motion is not known." in note


def test_a_covariate_in_which_nothing_differs_is_none():
    people = pd.DataFrame({"participant_id": ["sub-1", "sub-2"], "sex": ["F", "F"], "age": [3, 3]})
    assert covariate_columns(people).shape == (2, 0)


def test_without_places_there_is_no_distance_and_motion_is_measured_all_the_same(tmp_path):
    cohort = StackedCohort(strategies=TWO, n_subjects=30, has_places=False)
    rows = values_of(benchmark_table(found_in(cohort, tmp_path, n_permutations=5)), "24P")
    assert np.isnan(rows.loc["qcfc_distance_rho", "value"])
    assert "run the participant level again" in rows.loc["qcfc_distance_rho", "note"]
    assert np.isfinite(rows.loc["qcfc_median_abs_r", "value"])


def test_of_edges_of_vertices_it_is_said_that_their_distance_is_missing(tmp_path):
    cohort = StackedCohort(strategies=TWO, n_subjects=30)
    cohort.centroids[3:] = np.nan
    rows = values_of(benchmark_table(found_in(cohort, tmp_path, n_permutations=5)), "24P")
    n_edges = len(cohort.distances)
    note = rows.loc["qcfc_distance_rho", "note"]
    assert f"the regions of {n_edges - 3} of {n_edges} edges lie: coverage has no x, y, z" in note


def test_who_takes_the_global_signal_out_is_said(tmp_path):
    gsr = PlantedStrategy(motion=0.2, columns=("trans_x", "global_signal_derivative1"))
    cohort = StackedCohort(strategies={"simple": TWO["simple"], "36P": gsr}, n_subjects=24)
    table = benchmark_table(found_in(cohort, tmp_path, n_permutations=5))
    assert set(values_of(table, "36P")["global_signal"]) == {"yes"}
    assert set(values_of(table, "simple")["global_signal"]) == {"no"}
    assert "compared" in BENCHMARK_COLUMNS["measure"]["Levels"]["modularity"]


def test_files_have_every_column_described_and_are_the_same_again(tmp_path):
    cohort = StackedCohort(strategies=TWO, n_subjects=24)
    stacks = cohort.stacks(tmp_path)
    contents = []
    for folder in ("one", "two"):
        written = write_benchmarks(
            stacks,
            cohort.qc,
            cohort.participants,
            cohort.included,
            tmp_path / folder,
            n_permutations=9,
        )
        contents.append([(tmp_path / folder / name).read_bytes() for name in written.files])
    assert contents[0] == contents[1]
    assert len(written.files) == 4
    for name, columns in (
        ("benchmark", BENCHMARK_COLUMNS),
        ("recommendation", RECOMMENDATION_COLUMNS),
    ):
        table = pd.read_csv(tmp_path / "one" / f"group_{name}.tsv", sep="\t")
        assert list(table) == list(columns)
    assert set(written.table["measure"]) == set(MEASURES)
    nothing = write_benchmarks([], cohort.qc, cohort.participants, cohort.included, tmp_path)
    assert nothing.files == ()


def test_a_picture_holds_all_edges_and_what_chance_gives(found):
    for each in found:
        picture = BenchmarkPicture.of(each)
        assert picture.counts.sum() == each.measured.qcfc.n_edges
        np.testing.assert_allclose(picture.density.sum(), 1)
        np.testing.assert_allclose(picture.null_density.sum(), 1)
        assert (picture.null_low < picture.null_high).all()
        assert picture.curve.mean[0] > picture.curve.mean[-1]
    assert BenchmarkPicture.of(replace(found[0], measured=None)) is None


def test_the_page_has_every_measure_in_the_words_of_the_table():
    page = (Path(__file__).parents[3] / "docs" / "group-benchmarks.md").read_text(encoding="utf-8")
    listed = page.partition("<!-- benchmarks -->")[2].partition("<!-- end -->")[0]
    rows = [
        f"| `{name}` | {words.meaning} ([doi](https://doi.org/{words.doi})) | {words.better} |"
        for name, words in MEASURES.items()
    ]
    assert listed.strip().splitlines()[2:] == rows
