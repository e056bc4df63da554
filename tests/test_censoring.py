"""Censoring from the command line: which displacement, which volumes, and that it is said."""

import html
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.numerics.motion import framewise_displacement, relative_rms

MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
SCRUB = ("--strategies", "none", "--fd-threshold", 0.2)


@pytest.fixture
def extract(small_dataset, tmp_path):
    def run(*options):
        where = [str(small_dataset.root), str(tmp_path / "out"), "participant"]
        what = ["--participant-label", "01", "--atlases", str(small_dataset.atlas)]
        return main([*where, *what, *map(str, options)]), tmp_path / "out"

    return run


@pytest.fixture
def motion(small_dataset):
    table = pd.read_csv(small_dataset.runs[0].confounds, sep="\t")
    return table, table[MOTION].to_numpy()


def outliers(out):
    (path,) = out.rglob("*desc-none_outliers.tsv")
    return pd.read_csv(path, sep="\t"), json.loads(path.with_suffix(".json").read_text())


def quality(out):
    (path,) = out.rglob("*_desc-bidsmask_qc.tsv")
    return pd.read_csv(path, sep="\t").set_index("strategy").loc["none"]


def flagged(flags):
    return np.flatnonzero(flags).tolist()


def test_displacement_of_the_table_is_the_default_and_is_named(extract, motion):
    table, _ = motion
    exit_code, out = extract(*SCRUB)
    assert exit_code == 0
    flags, about = outliers(out)
    expected = (table["framewise_displacement"] > 0.2).to_numpy()
    assert expected.any()
    assert flagged(flags["framewise_displacement"]) == flagged(expected)
    said = "Power's, from the confounds table"
    assert about["framewise_displacement"]["Description"].endswith(f": {said}")
    assert quality(out)["fd_kind"] == said
    assert quality(out)["mean_fd"] == pytest.approx(
        table["framewise_displacement"].mean(), rel=1e-5
    )
    text = (out / "logs" / "CITATION.md").read_text()
    assert "0.2 mm (Power et al., 2012) (from the confounds table)" in text


@pytest.mark.parametrize(
    ("options", "measure", "said"),
    [
        (("--fd", "power", "--head-radius", 30), lambda m: framewise_displacement(m, 30), "30 mm"),
        (("--fd", "jenkinson"), relative_rms, "Jenkinson's, recomputed, head radius 80 mm"),
        (("--fd", "rmsd"), relative_rms, "Jenkinson's, from the confounds table (rmsd)"),
    ],
)
def test_another_displacement_flags_by_its_own_values(extract, motion, options, measure, said):
    _, parameters = motion
    exit_code, out = extract(*SCRUB, *options)
    assert exit_code == 0
    flags, about = outliers(out)
    expected = measure(parameters)
    assert flagged(flags["framewise_displacement"]) == flagged(expected > 0.2)
    assert said in about["framewise_displacement"]["Description"]
    assert said in quality(out)["fd_kind"]
    assert quality(out)["mean_fd"] == pytest.approx(np.nanmean(expected), abs=1e-5)
    assert said in html.unescape((out / "sub-01.html").read_text())


def test_breathing_is_filtered_for_displacement_and_for_nothing_else(extract, motion):
    table, parameters = motion
    notch = ("--motion-filter-type", "notch", "--band-stop-min", 15.5, "--band-stop-max", 18)
    exit_code, out = extract(*SCRUB, "--fd", "power", *notch)
    assert exit_code == 0
    _, about = outliers(out)
    assert "notch at 15.5 to 18 breaths" in about["framewise_displacement"]["Description"]
    row = quality(out)
    assert row["mean_fd"] < table["framewise_displacement"].mean()
    for kind, measure in (("power", framewise_displacement), ("jenkinson", relative_rms)):
        fd = measure(parameters)[1:]  # what rules of exclusion ask is of no filter
        assert row[f"mean_fd_{kind}"] == pytest.approx(fd.mean(), rel=1e-5)
        assert row[f"max_fd_{kind}"] == pytest.approx(fd.max(), rel=1e-5)
        assert row[f"fd_{kind}_above_0p2"] == pytest.approx((fd > 0.2).mean(), rel=1e-5)
    (series,) = out.rglob("*desc-none_timeseries.json")
    (warning,) = json.loads(series.read_text())["Warnings"]
    assert "the notch is where they show up, at 12 to 14.5 per minute" in warning
    text = (out / "logs" / "CITATION.md").read_text()
    assert "notch at 15.5 to 18 breaths per minute (order 4) (Fair et al., 2020)" in text


def test_a_filter_without_a_meaning_costs_the_strategy_and_its_advice_works(extract, capsys):
    """A repetition time of 2 s folds 12 to 18 breaths per minute onto themselves."""
    notch = ("--motion-filter-type", "notch", "--band-stop-min", 12, "--band-stop-max", 18)
    exit_code, _ = extract(*SCRUB, "--fd", "power", *notch)
    assert exit_code == 1
    letter = capsys.readouterr().err.replace("\n", " ")
    assert "--band-stop-max 15" in letter
    advised = ("--motion-filter-type", "lp", "--band-stop-min", 6)
    exit_code, out = extract(*SCRUB, "--fd", "power", *advised)
    assert exit_code == 0
    assert "low-pass at 6" in quality(out)["fd_kind"]


def test_volumes_beside_a_flagged_one_are_left_out_and_have_a_column(extract, motion):
    table, _ = motion
    exit_code, out = extract(*SCRUB, "--censor-before", 1, "--censor-after", 2)
    assert exit_code == 0
    flags, about = outliers(out)
    moved = flagged(table["framewise_displacement"] > 0.2)
    wide = {volume + step for volume in moved for step in (-1, 0, 1, 2)} & set(range(len(table)))
    found = flags["framewise_displacement"] | flags["neighbour"]
    assert set(flagged(found)) == wide
    assert not (flags["framewise_displacement"] & flags["neighbour"]).any()
    assert about["neighbour"]["Threshold"] == [1, 2]
    text = (out / "logs" / "CITATION.md").read_text()
    assert "1 before and 2 after were left out as well" in text


@pytest.mark.parametrize(
    ("options", "letter"),
    [
        (("--head-radius", 40), "--head-radius has no effect"),
        (("--motion-filter-type", "lp", "--band-stop-min", 6), "--motion-filter-type has no effe"),
        (("--fd", "power", "--band-stop-min", 6), "--band-stop-min is of a --motion-filter-type"),
        (("--censor-after", 2), "--censor-after (2) has no effect without"),
        (("--fd", "jenkins"), "Did you mean 'jenkinson'"),
    ],
)
def test_an_option_without_effect_is_refused(extract, capsys, options, letter):
    exit_code, _ = extract("--strategies", "none", *options)
    assert exit_code == 2
    assert letter in capsys.readouterr().err.replace("\n", " ")


def test_a_strategy_file_takes_the_same_words_and_the_command_line_overrules_them(
    extract, tmp_path
):
    (tmp_path / "mine.yaml").write_text(
        "name: none\ndescription: Nothing was regressed.\ncolumns: []\n"
        "censoring: {fd: jenkinson, head_radius_mm: 60, fd_threshold_mm: 0.2, motion_filter: lp, "
        "band_stop_min_bpm: 6, volumes_after: 1}\n"
    )
    exit_code, out = extract("--strategies", tmp_path / "mine.yaml")
    assert exit_code == 0
    assert "Jenkinson's, recomputed, head radius 60 mm, low-pass at 6" in quality(out)["fd_kind"]
    exit_code, out = extract("--strategies", tmp_path / "mine.yaml", "--fd", "table")
    assert exit_code == 0
    assert quality(out)["fd_kind"] == "Power's, from the confounds table"


def test_what_the_data_flag_is_left_out_like_what_the_table_flags(make_dataset, tmp_path):
    """A burst in two volumes that the table does not know of."""
    dataset = make_dataset(tmp_path / "in", motion=0.0)
    run = dataset.runs[0]
    image = nib.load(run.bold)
    values = np.asarray(image.dataobj).astype(np.float32)
    pattern = np.random.default_rng(0).normal(size=values.shape[:3])
    values[..., 40] += 8 * values.std(axis=3) * pattern
    nib.save(nib.Nifti1Image(values, image.affine, image.header), run.bold)
    where = [str(dataset.root), str(tmp_path / "out"), "participant"]
    what = ["--atlases", str(dataset.atlas), "--strategies", "none", "--censor-after", "1"]
    what += ["--leverage-threshold", "3", "--dvars-percent-threshold", "5"]
    assert main([*where, *what]) == 0
    flags, about = outliers(tmp_path / "out")
    assert flags["leverage"][40]
    assert {40, 41} <= set(flagged(flags["dvars_percent"]))
    assert flags["neighbour"][42] or flags["dvars_percent"][42]
    assert flags["censored"][[40, 41, 42]].all()
    assert about["leverage"]["Threshold"] == 3
    row = quality(tmp_path / "out")
    assert row["n_censored"] == flags["censored"].sum()
    assert row["max_dvars_percent"] > 5
    (series,) = (tmp_path / "out").rglob("*_timeseries.tsv")
    table = pd.read_csv(series, sep="\t")
    assert table.iloc[[40, 41]].isna().all(axis=None)
    text = (tmp_path / "out" / "logs" / "CITATION.md").read_text()
    assert "projection scrubbing" in text
