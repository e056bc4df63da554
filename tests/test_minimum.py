"""How little may be left of a run: below, a strategy is n/a for it, and all else is done."""

import json

import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main

SIMPLE_IS_ENOUGH = 20
"""Degrees of freedom: of 60 volumes at 2 s, `none` leaves 58, and 36P with its band-pass none."""

LOW_PASS = ("--filter", "butterworth", "--low-pass", "0.1")


@pytest.fixture
def extract(small_dataset, tmp_path):
    def run(*options):
        where = [str(small_dataset.root), str(tmp_path / "out"), "participant"]
        what = ["--participant-label", "01", "--atlases", str(small_dataset.atlas)]
        return main([*where, *what, *map(str, options)]), tmp_path / "out"

    return run


def quality(out):
    (path,) = out.rglob("*_desc-bidsmask_qc.tsv")
    return pd.read_csv(path, sep="\t", keep_default_na=False).set_index("strategy")


def test_a_strategy_without_freedom_is_not_written_and_its_sister_is(extract, capsys):
    exit_code, out = extract("--strategies", "36P", "none", "--min-dof", SIMPLE_IS_ENOUGH)
    assert exit_code == 1
    assert not list(out.rglob("*desc-36P_timeseries*"))
    assert not list(out.rglob("*desc-36P_relmat*"))
    assert len(list(out.rglob("*desc-none_timeseries.tsv"))) == 1
    row = quality(out).loc["36P"]
    assert row["dof_remaining"] == "n/a"
    assert "minus 2 for mean and line" in row["reason"]
    assert "--min-dof asks for 20" in row["reason"]
    assert "--min-dof asks for 20" in capsys.readouterr().err
    status = pd.read_csv(out / "logs" / "status.tsv", sep="\t")
    assert list(status["status"]) == ["partial"]


def test_the_advice_of_a_wider_pass_band_helps(extract):
    exit_code, out = extract(
        *("--strategies", "24P", "--min-dof", SIMPLE_IS_ENOUGH, "--filter", "none")
    )
    assert exit_code == 0
    assert quality(out).loc["24P", "dof_remaining"] == 60 - 2 - 24


def test_a_run_without_any_strategy_has_failed_and_no_rest_is_spoken_of(extract):
    exit_code, out = extract("--strategies", "36P", "--filter", "none", "--min-dof", "500")
    assert exit_code == 1
    (run,) = pd.read_csv(out / "logs" / "status.tsv", sep="\t").itertuples()
    assert run.status == "failed"
    assert "All else" not in run.reason


def test_without_a_minimum_it_is_written_and_its_freedom_stands_beside_it(extract):
    exit_code, out = extract("--strategies", "36P", "--min-dof", 0)
    assert exit_code == 0
    (path,) = out.rglob("*desc-36P_timeseries.json")
    freedom = json.loads(path.read_text())["DegreesOfFreedom"]
    assert freedom["remaining"] < 5
    spent = freedom["n_detrend"] + freedom["n_filter"] + freedom["n_confounds"]
    assert freedom["n_kept"] - spent == pytest.approx(freedom["remaining"], abs=1e-5)


def test_minutes_that_are_kept_count_too(extract):
    """60 volumes of 2 s, ten of them left out: 1.7 minutes."""
    options = ("--strategies", "none", "simple", "--dummy-scans", 10)
    exit_code, out = extract(*options, "--min-time", 1.7)
    assert exit_code == 1
    assert not list(out.rglob("*_timeseries.tsv"))
    exit_code, out = extract(*options, "--min-time", 1.6)
    assert exit_code == 0
    assert np.isfinite(quality(out)["minutes_kept"].astype(float)).all()


def test_a_dry_run_predicts_it(extract, capsys):
    exit_code, _ = extract("--strategies", "36P", "none", "--min-dof", 20, "--dry-run")
    assert exit_code == 1
    assert "--min-dof asks for 20" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("option", ["--min-dof", "--min-time"])
def test_a_minimum_below_0_is_refused(extract, capsys, option):
    exit_code, _ = extract(option, -1)
    assert exit_code == 2
    assert f"{option} is a number from 0" in capsys.readouterr().err


def test_who_asks_for_ends_of_a_filter_that_is_not_there_is_told(extract, capsys):
    exit_code, _ = extract("--strategies", "none", "--filter-ends", "xcpd", "--bridge", "nilearn")
    said = capsys.readouterr().err
    assert exit_code == 0
    assert "--filter-ends changes nothing: no strategy here has a Butterworth filter." in said
    assert "--bridge changes nothing" in said


def test_nothing_is_said_of_the_ends_of_a_filter_that_is_there(extract, capsys):
    extract("--strategies", "none", "--filter-ends", "xcpd", *LOW_PASS)
    assert "changes nothing" not in capsys.readouterr().err
