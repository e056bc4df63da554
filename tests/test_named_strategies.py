"""Strategies at the command line: by name, by label in names of files, and as a list."""

import json

import pandas as pd
import pytest

from bidsmask.cli.main import main


@pytest.fixture
def extract(small_dataset, tmp_path):
    def run(*options):
        where = [str(small_dataset.root), str(tmp_path / "out"), "participant"]
        what = ["--participant-label", "01", "--atlases", str(small_dataset.atlas)]
        return main([*where, *what, *map(str, options)]), tmp_path / "out"

    return run


@pytest.fixture
def write(tmp_path):
    """Write a strategy of the user that regresses three motion parameters."""

    def write_strategy(name, file="mine.yaml", cleaning="{}"):
        path = tmp_path / file
        path.write_text(
            f"name: {name}\ndescription: Three motion parameters were regressed.\ncolumns:\n"
            "  - {label: motion, pattern: 'trans_[xyz]', count: 3}\n"
            f"cleaning: {cleaning}\n"
        )
        return path

    return write_strategy


def test_files_have_the_label_and_what_is_in_them_the_name(extract, write):
    exit_code, out = extract("--strategies", write("my_own_0.5mm+x"))
    assert exit_code == 0
    (series,) = out.rglob("*_desc-myown0p5mm+x_timeseries.json")
    assert json.loads(series.read_text())["ConfoundStrategy"]["Name"] == "my_own_0.5mm+x"
    assert len(list(out.rglob("*_desc-myown0p5mm+x_outliers.tsv"))) == 1
    assert len(list(out.rglob("*_desc-myown0p5mm+x_design.tsv"))) == 1
    (quality,) = out.rglob("*_qc.tsv")
    assert list(pd.read_csv(quality, sep="\t")["strategy"]) == ["my_own_0.5mm+x"]
    labels = pd.read_csv(out / "descriptions.tsv", sep="\t").set_index("desc_id")
    assert labels.loc["desc-myown0p5mm+x", "description"].startswith("Three motion parameters")
    assert main([str(out), "--check"]) == 0


def test_names_that_files_would_not_tell_apart_are_refused(extract, write, capsys):
    files = write("a_b", "first.yaml"), write("ab", "second.yaml")
    exit_code, out = extract("--strategies", *files)
    assert exit_code == 2
    letter = capsys.readouterr().err
    assert "first.yaml (called a_b) and" in letter
    assert "second.yaml (called ab) would have the same names, with desc-ab" in letter
    assert not list(out.rglob("*_timeseries.tsv"))


def test_a_strategy_may_say_how_its_filter_treats_the_ends(extract, write):
    filtered = "{filter: butterworth, high_pass_hz: 0.01, low_pass_hz: 0.1, filter_ends: xcpd}"
    exit_code, out = extract("--strategies", write("ends", cleaning=filtered))
    assert exit_code == 0
    (series,) = out.rglob("*_desc-ends_timeseries.json")
    assert json.loads(series.read_text())["CleaningParameters"]["filter_ends"] == "xcpd"
