"""Runs of one task, joined through the command line."""

import json

import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.numerics.connectivity.xdf import xdf_variance

SPACE = "space-MNI152NLin2009cAsym"
ENDING = f"{SPACE}_atlas-Demo60_stat-mean_desc-36P_timeseries"
MATRIX = f"{SPACE}_atlas-Demo60_stat-pearsoncorrelation_desc-36P_relmat"
VOLUMES = 60


def bidsmask(*arguments):
    return main([str(argument) for argument in arguments])


def request(dataset, out, *options):
    every = ("--atlases", dataset.atlas, "--strategies", "36P", "--min-dof", "0")
    every += ("--fd-threshold", "0.5")
    return (dataset.root, out, "participant", *every, "--concatenate", *options)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    """Two runs, in the second of which less of the brain was seen."""
    return make_dataset(tmp_path_factory.mktemp("runs"), runs=2, volumes=VOLUMES, motion=1.5)


@pytest.fixture(scope="module", params=["na", "drop"])
def output(request, dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert bidsmask(*globals()["request"](dataset, out, "--censor-output", request.param)) == 0
    return out


def table(out, ending, run=None):
    return pd.read_csv(path(out, ending, run), sep="\t", na_values="n/a")


def path(out, ending, run=None, kind="tsv"):
    entity = f"_run-{run}" if run else ""
    return out / "sub-01" / "func" / f"sub-01_task-rest{entity}_{ending}.{kind}"


def test_runs_stand_one_behind_the_other(output):
    joined = table(output, ENDING)
    runs = pd.concat([table(output, ENDING, run) for run in (1, 2)], ignore_index=True)
    known = joined.notna().any()
    pd.testing.assert_frame_equal(joined.loc[:, known], runs.loc[:, known])
    lost = [table(output, ENDING, run).isna().all() for run in (1, 2)]
    assert (~known == (lost[0] | lost[1])).all()


def test_connectivity_is_of_all_kept_volumes(output):
    kept = table(output, ENDING).dropna(how="all")
    assert len(kept) < 2 * VOLUMES
    found = table(output, MATRIX).set_index("Node")
    known = kept.columns[kept.notna().any()]
    expected = np.corrcoef(kept[known].to_numpy().T)
    np.testing.assert_allclose(found.loc[known, known], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("how", ["na", "drop"])
def test_the_last_volume_of_a_run_is_no_neighbour_of_the_first_of_the_next(dataset, tmp_path, how):
    """The variance of correlations, as of runs a thousand volumes apart."""
    out = tmp_path / "out"
    options = ("--strategies", "none", "--connectivity", "xdf-variance", "--censor-output", how)
    assert bidsmask(*request(dataset, out, *options)) == 0
    series = ENDING.replace("36P", "none")
    outliers = [table(out, "desc-none_outliers", run)["censored"] == 0 for run in (1, 2)]
    apart = np.concatenate([outliers[0], np.zeros(1000, dtype=bool), outliers[1]])
    kept = table(out, series).dropna(how="all").to_numpy()
    said = [json.loads(path(out, series, run, "json").read_text()) for run in (1, 2)]
    dof = sum(each["DegreesOfFreedom"]["remaining"] for each in said)
    found = table(out, f"{SPACE}_atlas-Demo60_stat-xdfvariance_desc-none_relmat")
    np.testing.assert_allclose(found.set_index("Node"), xdf_variance(kept, apart, dof), rtol=1e-4)


def test_the_sidecar_says_where_each_run_begins(output):
    about = json.loads(path(output, ENDING, kind="json").read_text(encoding="utf-8"))
    rows = [len(table(output, ENDING, run)) for run in (1, 2)]
    assert [each["FirstRow"] for each in about["Runs"]] == [0, rows[0]]
    assert [each["NumberOfRows"] for each in about["Runs"]] == rows
    kept = [len(table(output, ENDING, run).dropna(how="all")) for run in (1, 2)]
    assert [each["KeptVolumes"] for each in about["Runs"]] == kept
    assert [each["File"] for each in about["Runs"]] == about["Sources"]
    assert about["Sources"][1].endswith(path(output, ENDING, 2).name)


def test_what_the_runs_give_stays_as_it_is(dataset, output, tmp_path):
    how = "drop" if len(table(output, ENDING)) < 2 * VOLUMES else "na"
    arguments = [*request(dataset, tmp_path, "--censor-output", how)]
    arguments.remove("--concatenate")
    assert bidsmask(*arguments) == 0
    for file in (tmp_path / "sub-01" / "func").iterdir():
        assert file.read_bytes() == (output / file.relative_to(tmp_path)).read_bytes(), file.name


def test_a_second_time_changes_nothing(dataset, tmp_path):
    seen = []
    for _ in range(2):
        assert bidsmask(*request(dataset, tmp_path / "out", "-w", tmp_path / "work")) == 0
        files = sorted(tmp_path.glob("out/sub-01/func/*"))
        seen.append({file.name: file.stat().st_mtime_ns for file in files})
    assert seen[0] == seen[1]


def test_a_run_that_fails_costs_what_is_joined(make_dataset, tmp_path):
    dataset = make_dataset(tmp_path, runs=2, volumes=VOLUMES)
    bold = dataset.runs[1].bold
    bold.write_bytes(bold.read_bytes()[:20_000])
    assert bidsmask(*request(dataset, tmp_path / "out")) == 1
    status = pd.read_csv(tmp_path / "out" / "logs" / "status.tsv", sep="\t")
    failed = status[status["status"] == "failed"].set_index("node")
    assert "run-2" in failed.loc["concatenate", "reason"]
    assert not path(tmp_path / "out", ENDING).exists()
    assert path(tmp_path / "out", ENDING, 1).exists()


def test_a_run_of_that_name_is_never_replaced(make_dataset, tmp_path):
    dataset = make_dataset(tmp_path, runs=2, volumes=VOLUMES)
    for file in list(dataset.root.rglob("*_run-1_*")):
        other = file.with_name(file.name.replace("_run-1", ""))
        other.write_bytes(file.read_bytes())
    assert bidsmask(*request(dataset, tmp_path / "out")) == 1
    status = pd.read_csv(tmp_path / "out" / "logs" / "status.tsv", sep="\t").set_index("run")
    name = f"sub-01_task-rest_{SPACE}"
    assert status.loc[name, "status"] == "done"
    assert "another run" in status.loc[f"{name} (concatenated)", "reason"]
    assert len(table(tmp_path / "out", ENDING)) == VOLUMES


def test_without_runs_there_is_nothing_to_join(small_dataset, tmp_path, capsys):
    assert bidsmask(*request(small_dataset, tmp_path / "out")) == 2
    assert "--concatenate" in "".join(capsys.readouterr())


def test_a_dry_run_names_the_joined_files(dataset, tmp_path, capsys):
    assert bidsmask(*request(dataset, tmp_path / "out"), "--dry-run") == 0
    said = "".join(capsys.readouterr())
    for ending in (ENDING, MATRIX):
        assert f"func/{path(tmp_path, ending).name}" in said


def test_matrices_of_equal_length_are_drawn_from_all_runs(dataset, tmp_path):
    assert bidsmask(*request(dataset, tmp_path, "--create-matrices", "all", "1")) == 0
    rows = table(tmp_path, ENDING)
    ending = MATRIX.replace("desc-36P", "desc-36P+60s")
    about = json.loads(path(tmp_path, ending, kind="json").read_text())
    drawn = rows.iloc[about["VolumesDrawn"]]
    assert len(drawn) == 30
    assert drawn.index.max() >= VOLUMES > drawn.index.min()
    found = table(tmp_path, ending).set_index("Node")
    np.testing.assert_allclose(found, drawn.corr(), atol=1e-5)
