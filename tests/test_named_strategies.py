"""Strategies at the command line: by name, by label in names of files, and as a list."""

import json
import re

import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.strategy_files import load_strategy


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


# --- strategies that come along


def test_strategies_with_points_and_underscores_are_written_side_by_side(extract):
    names = ("acompcor_gsr", "scrubbing.5+gsr", "gsr_only")
    exit_code, out = extract("--strategies", *names, "--fd-threshold", 5, "--filter", "none")
    assert exit_code == 0
    for label in ("acompcorgsr", "scrubbingp5+gsr", "gsronly"):
        assert len(list(out.rglob(f"*_desc-{label}_timeseries.tsv"))) == 1
        assert len(list(out.rglob(f"*_desc-{label}_relmat.tsv"))) == 1
    (report,) = out.glob("sub-01.html")
    assert all(name in report.read_text() for name in names)
    assert "Murphy" in (out / "logs" / "CITATION.md").read_text()


def test_the_same_strategy_by_two_names_is_refused(extract, capsys):
    exit_code, _ = extract("--strategies", "icaaroma", "ica_aroma")
    assert exit_code == 2
    assert "would have the same names, with desc-icaaroma" in capsys.readouterr().err


def test_rapidtide_is_answered_with_what_to_do_instead(extract, capsys):
    exit_code, _ = extract("--strategies", "rapidtide+24P")
    assert exit_code == 2
    letter = capsys.readouterr().err
    assert "every voxel" in letter
    assert '{"bold": {"desc": "lfofilterCleaned"}}' in letter


@pytest.fixture
def with_denoised(make_dataset, tmp_path):
    """A run that is also there as ICA-AROMA and rapidtide leave it: here the same volumes."""
    made = make_dataset(tmp_path / "dataset")
    (run,) = made.runs
    for desc in ("smoothAROMAnonaggr", "lfofilterCleaned"):
        name = run.bold.name.replace("preproc", desc)
        run.bold.with_name(name).write_bytes(run.bold.read_bytes())
        sidecar = run.bold.with_name(run.bold.name.replace(".nii.gz", ".json"))
        sidecar.with_name(name.replace(".nii.gz", ".json")).write_bytes(sidecar.read_bytes())
    return made


def run_on(dataset, out, *options):
    where = [str(dataset.root), str(out), "participant", "--atlases", str(dataset.atlas)]
    return main([*where, *map(str, options)])


def test_a_strategy_for_denoised_runs_costs_itself_on_others_and_its_advice_works(
    with_denoised, tmp_path, capsys
):
    asked = ("--strategies", "icaaroma", "none")
    assert run_on(with_denoised, tmp_path / "first", *asked) == 1
    assert not list((tmp_path / "first").rglob("*_desc-icaaroma_timeseries.tsv"))
    assert len(list((tmp_path / "first").rglob("*_desc-none_timeseries.tsv"))) == 1
    letter = capsys.readouterr().err.replace("\n", " ")
    advice = re.search(r"--bids-filter-file\s+that\s+holds\s+(\{.*?\}\})", letter)
    assert advice is not None
    file = tmp_path / "filter.json"
    file.write_text(advice.group(1))
    assert run_on(with_denoised, tmp_path / "second", *asked, "--bids-filter-file", file) == 0
    assert len(list((tmp_path / "second").rglob("*_desc-icaaroma_timeseries.tsv"))) == 1


def test_the_advice_for_rapidtide_works(with_denoised, tmp_path):
    file = tmp_path / "filter.json"
    file.write_text('{"bold": {"desc": "lfofilterCleaned"}}')
    asked = ("--strategies", "24P", "--filter", "none", "--bids-filter-file", file)
    assert run_on(with_denoised, tmp_path / "out", *asked) == 0
    (sidecar,) = (tmp_path / "out").rglob("*_desc-24P_timeseries.json")
    assert "desc-lfofilterCleaned_bold" in sidecar.read_text()


# --- the list


def test_the_list_needs_no_dataset_and_has_every_strategy(capsys):
    assert main(["--list-strategies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    for name in strategy_names():
        strategy = load_strategy(name)
        (row,) = (line for line in lines if line.split()[:1] == [name])
        assert strategy.reference.text.split()[0] in row
        assert ("0.01-0.08 Hz" in row) == (strategy.cleaning.filter == "butterworth")
        assert any(str(strategy.reference.doi) in line for line in lines)
    whole = " ".join(lines)
    assert "24 motion" in whole
    assert "FD > 0.2" in whole
    assert "DVARS > 1.5" in whole
