"""Connectivity beyond Pearson's r: its files, what they say of themselves, and whose numbers."""

import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from nilearn.connectome import ConnectivityMeasure

from bidsmask.cli.main import main
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.vocabulary import CORRELATIONS

CHOSEN = [name for name in MEASURES if not name.startswith("graphical-lasso")]


def extract(small_dataset, out, *options):
    where = [str(small_dataset.root), str(out), "participant", "--participant-label", "01"]
    return main([*where, "--atlases", str(small_dataset.atlas), *map(str, options)])


@pytest.fixture(scope="module")
def related(tmp_path_factory, small_dataset):
    out = tmp_path_factory.mktemp("related") / "out"
    options = ("--strategies", "none", "simple", "--min-dof", 0, "--dummy-scans", 2)
    lasso = ("graphical-lasso-partial-correlation", "--graphical-lasso-alpha", 0.4)
    assert extract(small_dataset, out, *options, "--connectivity", *CHOSEN, *lasso) == 1
    return out


def table(out, stat, strategy="simple", suffix="relmat"):
    (path,) = out.rglob(f"*_stat-{stat}_desc-{strategy}_{suffix}.tsv")
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def matrix(out, name, strategy="simple"):
    return table(out, MEASURES[name].stat, strategy).set_index("Node").to_numpy(dtype=float)


def sidecar(out, name, strategy="simple"):
    (path,) = out.rglob(f"*_stat-{MEASURES[name].stat}_desc-{strategy}_relmat.json")
    return json.loads(path.read_text(encoding="utf-8"))


def kept_signals(out, strategy="simple"):
    signals = table(out, "mean", strategy, "timeseries").to_numpy(dtype=float)
    usable = np.isfinite(signals).any(axis=0)
    return signals[np.isfinite(signals[:, usable]).all(axis=1)], usable


@pytest.mark.parametrize("strategy", ["none", "simple"])
def test_the_correlation_that_shrinks_is_that_of_nilearn(related, strategy):
    """From tables of single precision; so giga_connectome's users find their numbers, too."""
    signals, usable = kept_signals(related, strategy)
    theirs = ConnectivityMeasure(kind="correlation").fit_transform([signals[:, usable]])[0]
    ours = matrix(related, "ledoit-wolf-correlation", strategy)[np.ix_(usable, usable)]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    plain = matrix(related, "correlation", strategy)[np.ix_(usable, usable)]
    shrinkage = sidecar(related, "ledoit-wolf-correlation", strategy)["Shrinkage"]
    off_diagonal = ~np.eye(len(plain), dtype=bool)
    np.testing.assert_allclose(
        ours[off_diagonal], (1 - shrinkage) * plain[off_diagonal], atol=1e-6
    )


def test_shrinkage_by_degrees_of_freedom_is_written_and_larger_by_rows_over_them(related):
    said = sidecar(related, "ledoit-wolf-precision")
    of_rows = sidecar(related, "ledoit-wolf-correlation")["Shrinkage"]
    freedom = said["DegreesOfFreedom"]
    expected = min(1, of_rows * freedom["n_kept"] / freedom["remaining"])
    assert said["Shrinkage"] == pytest.approx(expected)
    assert "counts the temporal degrees of freedom" in said["MeasureDescription"]


def test_a_graphical_lasso_names_its_penalty(related):
    assert sidecar(related, "graphical-lasso-partial-correlation")["Alpha"] == 0.4


def test_measures_without_enough_freedom_are_missing_alone_and_advice_is_true(related):
    for name in ("precision", "partial-correlation"):
        assert not list(related.rglob(f"*_stat-{MEASURES[name].stat}_desc-simple_relmat*"))
        assert np.isfinite(matrix(related, f"ledoit-wolf-{name}")).any()
    status = pd.read_csv(related / "logs" / "status.tsv", sep="\t")
    assert "Take ledoit-wolf-precision" in status["reason"][0]


def test_regions_without_a_signal_stay_as_rows_and_columns(related):
    _, usable = kept_signals(related)
    for name in CHOSEN:
        if name == "precision" or name == "partial-correlation":
            continue
        values = matrix(related, name)
        assert values.shape == (usable.size, usable.size)
        assert np.isnan(values[~usable]).all()
        assert np.isfinite(values[np.ix_(usable, usable)]).any()


def test_variance_score_and_p_go_with_each_other(related):
    r, variance, z, p = (
        matrix(related, name) for name in ("correlation", "xdf-variance", "xdf-z", "xdf-p")
    )
    pairs = np.isfinite(r) & ~np.eye(len(r), dtype=bool)
    r, variance, z, p = (each[pairs] for each in (r, variance, z, p))
    np.testing.assert_allclose(
        z, np.arctanh(r) * (1 - r**2) / np.sqrt(variance), rtol=1e-3, atol=1e-4
    )
    assert ((p >= 0) & (p <= 1)).all()
    assert np.corrcoef(np.abs(z), p)[0, 1] < 0
    freedom = sidecar(related, "xdf-z")["DegreesOfFreedom"]["remaining"]
    assert (variance >= 0.999 * (1 - r**2) ** 2 / freedom).all()


def test_fishers_z_is_of_every_correlation(small_dataset, tmp_path):
    names = [name for name in CORRELATIONS if "graphical" not in name]
    options = ("--strategies", "none", "--min-dof", 0, "--connectivity", *names, "--fisher-z")
    extract(small_dataset, tmp_path / "out", *options)
    for name in ("ledoit-wolf-correlation", "ledoit-wolf-partial-correlation"):
        z = table(tmp_path / "out", MEASURES[name].z_stat, "none").set_index("Node").to_numpy()
        assert np.isnan(np.diag(z)).all()


def test_a_penalty_without_a_lasso_is_refused(small_dataset, tmp_path, capsys):
    assert extract(small_dataset, tmp_path / "out", "--graphical-lasso-alpha", 0.1) == 2
    assert "asks for none" in capsys.readouterr().err


@pytest.fixture(scope="module")
def validators():
    """Commands of BIDS validators, from BIDSMASK_VALIDATORS."""
    named = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
    if not named:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    return named


# --- networks and edges


@pytest.fixture(scope="module")
def beside(tmp_path_factory, small_dataset):
    out = tmp_path_factory.mktemp("beside") / "out"
    options = ("--strategies", "simple", "--min-dof", 0, "--dummy-scans", 2)
    asked = ("--network-means", "--edge-timeseries", "all")
    assert extract(small_dataset, out, *options, *asked) == 0
    return out


def test_means_of_networks_are_those_over_pairs(beside, small_dataset):
    lut = pd.read_csv(small_dataset.atlas_table, sep="\t")
    z = np.arctanh(matrix(beside, "correlation") - np.eye(len(lut)))
    means = table(beside, "fisherz", suffix="networkmeans")
    for row in means.itertuples():
        within = row.network == row.other
        pairs = z[np.ix_(lut["network"] == row.network, lut["network"] == row.other)]
        pairs = pairs[np.triu_indices(len(pairs), k=1)] if within else pairs.ravel()
        known = pairs[np.isfinite(pairs)]
        assert row.n_pairs == known.size
        np.testing.assert_allclose(row.mean, known.mean(), rtol=1e-4)
    n = lut["network"].nunique()
    assert len(means) == n * (n + 1) // 2


def test_edges_sum_to_correlations_and_their_size_is_written(beside):
    r = matrix(beside, "correlation")
    edges = table(beside, "edges", suffix="timeseries")
    names = list(table(beside, "pearsoncorrelation")["Node"])
    first, second = np.triu_indices(len(names), k=1)
    assert list(edges) == [f"{names[i]}--{names[j]}" for i, j in zip(first, second, strict=True)]
    values = edges.to_numpy(dtype=float)
    assert np.isnan(values[:2]).all()
    np.testing.assert_allclose(
        np.sum(values[2:], axis=0) / (len(values) - 3), r[first, second], atol=1e-5
    )
    rss = table(beside, "edgerss", suffix="timeseries")["rss"].to_numpy(dtype=float)
    np.testing.assert_allclose(rss[2:], np.sqrt(np.nansum(values[2:] ** 2, axis=1)), rtol=1e-5)
    assert np.isnan(rss[:2]).all()


def test_a_source_without_networks_is_told(small_dataset, tmp_path, capsys):
    seeds = tmp_path / "seeds.tsv"
    seeds.with_suffix(".json").write_text('{"Space": "MNI152NLin2009cAsym"}')
    seeds.write_text("name\tx\ty\tz\tradius\nA\t0\t0\t0\t8\nB\t10\t0\t0\t8\n")
    where = [str(small_dataset.root), str(tmp_path / "out"), "participant"]
    what = ["--participant-label", "01", "--seeds", str(seeds), "--network-means"]
    assert main([*where, *what]) == 1
    assert "has a column network" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*_networkmeans*"))


def test_means_of_networks_without_a_correlation_are_refused(small_dataset, tmp_path, capsys):
    options = ("--network-means", "--connectivity", "covariance")
    assert extract(small_dataset, tmp_path / "out", *options) == 2
    assert "--network-means are of" in capsys.readouterr().err


def test_both_datasets_are_valid(related, beside, validators):
    for validator in validators:
        for out in (related, beside):
            done = subprocess.run(
                [validator, out, "--format", "json"], capture_output=True, text=True, check=False
            )
            issues = json.loads(done.stdout)["issues"]["issues"]
            assert not [issue for issue in issues if issue["severity"] == "error"]
