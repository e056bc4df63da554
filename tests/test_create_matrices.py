"""Matrices of equal lengths: of kept volumes that were drawn by chance, from a seed."""

import json

import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main


@pytest.fixture
def extract(small_dataset, tmp_path):
    def run(*options, out="out"):
        where = [str(small_dataset.root), str(tmp_path / out), "participant"]
        what = ["--participant-label", "01", "--atlases", str(small_dataset.atlas)]
        what += ["--strategies", "none"]
        return main([*where, *what, *map(str, options)]), tmp_path / out

    return run


def matrix(out, desc):
    (path,) = out.rglob(f"*_stat-pearsoncorrelation_desc-{desc}_relmat.tsv")
    return pd.read_csv(path, sep="\t", index_col=0), json.loads(
        path.with_suffix(".json").read_text()
    )


def test_a_matrix_of_drawn_volumes_is_of_the_cleaned_rows_that_its_sidecar_names(extract):
    """60 volumes of 2 s; a minute is 30 of them."""
    exit_code, out = extract("--create-matrices", "all", 1, "--random-seed", 7)
    assert exit_code == 0
    found, about = matrix(out, "none+60s")
    assert about["MinutesDrawn"] == 1
    assert about["RandomSeed"] == 7
    assert about["NumberOfVolumesDrawn"] == len(set(about["VolumesDrawn"])) == 30
    (series,) = out.rglob("*_desc-none_timeseries.tsv")
    signals = pd.read_csv(series, sep="\t").iloc[about["VolumesDrawn"]]
    assert signals.notna().any(axis=1).all(), "only volumes that were kept are drawn"
    np.testing.assert_allclose(found, signals.corr(), atol=1e-5)
    every, about_all = matrix(out, "none")
    assert "VolumesDrawn" not in about_all
    assert not np.allclose(every, found, atol=1e-3, equal_nan=True)
    text = (out / "logs" / "CITATION.md").read_text()
    assert "as many of them as last 1 minutes, drawn by chance after cleaning (seed 7" in text


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(extract):
    files = {}
    for seed, out in ((0, "a"), (0, "b"), (1, "c")):
        _, folder = extract("--create-matrices", 1, "--random-seed", seed, out=out)
        (path,) = folder.rglob("*+60s_relmat.tsv")
        files[out] = path.read_bytes()
    assert files["a"] == files["b"] != files["c"]


def test_a_length_that_a_run_does_not_have_is_not_there_and_costs_nothing_else(extract, capsys):
    exit_code, out = extract("--create-matrices", "all", 1, 5)
    assert exit_code == 1
    assert "--create-matrices 5 asks for 150" in capsys.readouterr().err.replace("\n", " ")
    assert not list(out.rglob("*+300s*"))
    for desc in ("none", "none+60s"):
        assert matrix(out, desc)[0].shape == (60, 60)


def test_without_all_only_drawn_matrices_are_written(extract):
    exit_code, out = extract("--create-matrices", 0.5)
    assert exit_code == 0
    (path,) = out.rglob("*_relmat.tsv")
    assert "desc-none+30s_" in path.name
    assert "30s of kept volumes, drawn by chance" in (out / "sub-01.html").read_text()


@pytest.mark.parametrize(
    ("options", "letter"),
    [
        (("--random-seed", 3), "--random-seed is of volumes that are drawn"),
        (("--create-matrices", 300), "its 300 are 5 here"),
        (("--create-matrices", 0), "from above 0 to 120"),
        (("--create-matrices", 1, 1.0), "names 60s twice"),
        (("--create-matrices", 1, "--random-seed", -1), "--random-seed is 0 or more"),
    ],
)
def test_what_means_nothing_is_refused(extract, capsys, options, letter):
    exit_code, _ = extract(*options)
    assert exit_code == 2
    assert letter in capsys.readouterr().err.replace("\n", " ")
