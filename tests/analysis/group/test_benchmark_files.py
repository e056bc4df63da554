"""The benchmarks of a cohort of finished runs, by the command."""

import json
import shutil

import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.derivatives.check import check_output


@pytest.fixture(scope="module")
def output(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmarks") / "out"
    shutil.copytree(cohort.output_dir, out)
    assert main([str(cohort.bids_dir), str(out), "group", "--exclude", "wang2024-minimal"]) == 0
    return out


def test_the_group_level_measures_and_recommends(cohort, output):
    table = pd.read_csv(output / "group_benchmark.tsv", sep="\t")
    rows = table[table["subset"] == "common"].pivot_table(
        index="strategy", columns="measure", values="value"
    )
    assert set(rows.index) == {each.name for each in cohort.strategies}
    assert rows.loc["24P", "qcfc_distance_rho"] < -0.2  # short edges rise with motion
    assert rows.loc["24P", "fd_dvars_r"] == pytest.approx(0.6)
    assert rows.loc["simple", "dof_remaining"] == pytest.approx(150 - 2 - 30)
    assert set(table["task_id"]) == {"rest"}
    assert set(table["covariates"].dropna()) == {"age sex:M"}
    compared = table[table["subset"] == "common"]["n_participants"]
    excluded = pd.read_csv(output / "group_excluded.tsv", sep="\t")["run"]
    left = cohort.runs.loc[~cohort.runs.index.isin(excluded), "participant_id"]
    assert compared.max() == left.nunique() < 24
    recommended = pd.read_csv(output / "group_recommendation.tsv", sep="\t")
    assert sorted(recommended["strategy"]) == sorted(rows.index)
    (said,) = json.loads((output / "group_recommendation.json").read_text())["Recommendations"]
    assert said["Strategies"] == list(recommended["strategy"][recommended["place"] == 1])
    assert said["Answer"]


def test_the_files_are_accounted_for(output):
    assert check_output(output).problems == ()
    assert (output / "group_benchmark.json").is_file()
