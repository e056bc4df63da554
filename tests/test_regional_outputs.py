"""ALFF, fALFF and ReHo through the command line, and what numpy and scipy make of the same run."""

import json
import os
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.signal
import scipy.stats

from bidsmask.cli.main import main
from bidsmask.numerics.reho import LEAST_NEIGHBOURS

RUN = "sub-01_task-rest_space-MNI152NLin2009cAsym"
JERKS = {10: 0.9, 11: 0.7, 40: 1.6}
SINGLE = 1e-5
"""Relative: maps are written in single precision."""


def bidsmask(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    """A run of which three volumes are above a threshold that may be asked for."""
    found = make_dataset(tmp_path_factory.mktemp("regional"), volumes=100, n_unsteady=0)
    table = pd.read_csv(found.runs[0].confounds, sep="\t", na_values="n/a")
    table["framewise_displacement"] = table["framewise_displacement"].clip(upper=0.2)
    for volume, fd_mm in JERKS.items():
        table.loc[volume, "framewise_displacement"] = fd_mm
    table.to_csv(found.runs[0].confounds, sep="\t", index=False, na_rep="n/a")
    return found


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    path = tmp_path_factory.mktemp("seeds") / "points.tsv"
    rows = [("left", -30, -20, 10, 6), ("away", 300, 0, 0, 6)]
    pd.DataFrame(rows, columns=["name", "x", "y", "z", "radius"]).to_csv(
        path, sep="\t", index=False
    )
    return path


@pytest.fixture(scope="module")
def output_of(dataset, seeds, tmp_path_factory):
    """Ask for something of the run; the same request is carried out once."""
    known = {}

    def request(*options):
        if options not in known:
            out = tmp_path_factory.mktemp("out")
            every = ("--space", "MNI152NLin2009cAsym", "--alff", "--reho", "--min-dof", "0")
            if "--seeds" not in options:
                every += ("--atlases", dataset.atlas)
            given = [seeds if option == "SEEDS" else option for option in options]
            assert bidsmask(dataset.root, out, "participant", *every, *given) == 0
            known[options] = out
        return known[options]

    return request


def func(out, ending):
    return out / "sub-01" / "func" / f"{RUN}_{ending}"


def map_of(out, measure, strategy):
    return nib.load(func(out, f"stat-{measure}_desc-{strategy}_boldmap.nii.gz")).get_fdata()


def sidecar(out, ending):
    return json.loads(func(out, f"{ending}.json").read_text(encoding="utf-8"))


def table_of(out, measure, strategy, source):
    (path,) = out.rglob(f"*_{source}_*stat-{measure}_desc-{strategy}_bold.tsv")
    return pd.read_csv(path, sep="\t", na_values="n/a", index_col="Node")


def residuals_of(dataset, out, strategy):
    """Regress mean, line and the design that was written; kept volumes, and which these are."""
    files = dataset.runs[0]
    mask = nib.load(files.mask).get_fdata() > 0
    voxels = nib.load(files.bold).get_fdata()[mask].T
    design = pd.read_csv(func_without_space(out, f"desc-{strategy}_design.tsv"), sep="\t")
    flags = pd.read_csv(func_without_space(out, f"desc-{strategy}_outliers.tsv"), sep="\t")
    kept = flags["censored"].to_numpy() == 0
    time = np.arange(len(voxels))[:, np.newaxis]
    scores = scipy.stats.zscore(design.to_numpy()[kept])
    model = np.hstack([np.ones_like(time)[kept], time[kept], scores])
    fitted = model @ np.linalg.lstsq(model, voxels[kept], rcond=None)[0]
    return mask, voxels[kept] - fitted, kept


def func_without_space(out, ending):
    return out / "sub-01" / "func" / f"sub-01_task-rest_{ending}"


@pytest.mark.parametrize("strategy", ["36P", "simple"])
def test_alff_is_that_of_a_plain_fourier_transform_of_what_no_filter_has_touched(
    dataset, output_of, strategy
):
    out = output_of("--strategies", "36P", "simple")
    mask, residuals, kept = residuals_of(dataset, out, strategy)
    assert kept.all()
    hz = np.fft.rfftfreq(len(residuals), 2.0)
    amplitudes = 2 * np.abs(np.fft.rfft(residuals, axis=0)) / len(residuals)
    slow = (hz > 0.0099) & (hz < 0.1001)
    expected = {
        "alff": amplitudes[slow].mean(axis=0),
        "falff": amplitudes[slow].sum(axis=0) / amplitudes[1:].sum(axis=0),
    }
    for measure, values in expected.items():
        found = map_of(out, measure, strategy)
        known = np.isfinite(found[mask])
        assert known.mean() > 0.9
        np.testing.assert_allclose(found[mask][known], values[known], rtol=SINGLE)
        assert not found[~mask].any()
    assert map_of(out, "falff", strategy)[mask].max() < 1


def test_a_band_pass_changes_neither_alff_nor_reho(output_of):
    band = ("--filter", "butterworth", "--high-pass", "0.01", "--low-pass", "0.08")
    plain = output_of("--strategies", "simple", "--filter", "none", "--standardize", "none")
    filtered = output_of("--strategies", "simple", *band)
    for measure in ("alff", "falff", "reho"):
        np.testing.assert_array_equal(
            map_of(plain, measure, "simple"), map_of(filtered, measure, "simple")
        )
        about = sidecar(filtered, f"stat-{measure}_desc-simple_boldmap")
        assert about["SoftwareFilters"] == "n/a"
        assert about["CleaningParameters"]["standardize"] == "none"
        assert "whatever filter the strategy has was left away" in about["Description"]


def test_where_volumes_are_left_out_alff_is_of_a_lomb_scargle_periodogram(dataset, output_of):
    out = output_of("--strategies", "simple", "--fd-threshold", "0.5")
    mask, residuals, kept = residuals_of(dataset, out, "simple")
    assert np.flatnonzero(~kept).tolist() == list(JERKS)
    some = np.arange(0, residuals.shape[1], 997)
    hz = np.fft.rfftfreq(kept.size, 2.0)[1:]
    times = 2.0 * np.flatnonzero(kept)
    slow = (hz > 0.0099) & (hz < 0.1001)
    for voxel in some:
        power = scipy.signal.lombscargle(times, residuals[:, voxel], 2 * np.pi * hz)
        amplitudes = 2 * np.sqrt(power / kept.sum())
        found = map_of(out, "alff", "simple")[mask][voxel]
        np.testing.assert_allclose(found, amplitudes[slow].mean(), rtol=10 * SINGLE)


def test_reho_is_kendalls_w_of_neighbours(dataset, output_of):
    out = output_of("--strategies", "36P", "simple")
    mask, residuals, _ = residuals_of(dataset, out, "simple")
    found = map_of(out, "reho", "simple")
    varies = np.zeros(mask.shape, dtype=bool)
    varies[mask] = np.isfinite(map_of(out, "falff", "simple")[mask])
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(residuals.shape[1])
    n = len(residuals)
    for x, y, z in np.argwhere(mask)[::499]:
        box = tuple(slice(max(at - 1, 0), at + 2) for at in (x, y, z))
        around = number[box][varies[box]]
        if not varies[x, y, z] or around.size < LEAST_NEIGHBOURS:
            assert np.isnan(found[x, y, z])
            continue
        sums = scipy.stats.rankdata(residuals[:, around], axis=0).sum(axis=1)
        w = 12 * n * sums.var() / (around.size**2 * (n**3 - n))
        np.testing.assert_allclose(found[x, y, z], w, rtol=SINGLE)


def test_means_of_regions_are_those_of_the_voxels_that_have_a_value(dataset, output_of):
    out = output_of("--strategies", "36P", "simple")
    (atlas,) = (out / "sub-01" / "func").glob(f"{RUN}_*dseg.nii.gz")
    labels = np.asarray(nib.load(atlas).dataobj)
    inside = nib.load(dataset.runs[0].mask).get_fdata() > 0
    for measure in ("alff", "falff", "reho"):
        values = map_of(out, measure, "36P")
        table = table_of(out, measure, "36P", "atlas-*")
        coverage = pd.read_csv(
            next((out / "sub-01" / "func").glob(f"{RUN}_*stat-coverage_bold.tsv")),
            sep="\t",
            index_col="Node",
        )
        assert list(table.index) == list(coverage.index)
        assert (table["n_covered"] <= coverage["n_covered"]).all()
        assert np.isnan(table.loc[table["coverage"] < 0.5, measure]).all()
        for _, row in table.iterrows():
            members = (labels == row["index"]) & inside & np.isfinite(values)
            assert row["n_covered"] == members.sum()
            if row["coverage"] >= 0.5:
                np.testing.assert_allclose(row[measure], values[members].mean(), rtol=SINGLE)


def test_seeds_have_means_too_and_one_that_is_nowhere_is_missing(output_of):
    out = output_of("--strategies", "simple", "--seeds", "SEEDS")
    table = table_of(out, "reho", "simple", "seg-*")
    assert 0 < table.loc["left", "reho"] < 1
    assert np.isnan(table.loc["away", "reho"])
    assert not list(out.rglob("*desc-simple_bold.nii.gz"))


def test_probabilistic_maps_have_means_weighted_as_their_signals_are(dataset, tmp_path):
    """Of a map that is 1 in half of the voxels and of one that is 1 in the others: plain means."""
    mask = nib.load(dataset.runs[0].mask)
    inside = mask.get_fdata() > 0
    halves = np.arange(inside.shape[0])[:, np.newaxis, np.newaxis] < inside.shape[0] // 2
    weights = np.stack([inside & halves, inside & ~halves], axis=-1).astype(np.float32)
    atlas = tmp_path / "tpl-MNI152NLin2009cAsym_atlas-Halves_probseg.nii.gz"
    nib.Nifti1Image(weights, mask.affine).to_filename(atlas)
    atlas.with_name(atlas.name.replace(".nii.gz", ".tsv")).write_text(
        "index\tname\n1\tone\n2\tother\n", encoding="utf-8"
    )
    options = ("--alff", "--space", "MNI152NLin2009cAsym", "--atlases", atlas)
    out = tmp_path / "out"
    for statistic in ("least-squares", "weighted-mean"):
        words = (*options, "--maps-statistic", statistic)
        assert bidsmask(dataset.root, out, "participant", *words) == 0
        values = map_of(out, "alff", "simple")
        table = table_of(out, "alff", "simple", "atlas-*")
        for name, half in (("one", halves), ("other", ~halves)):
            members = inside & half & np.isfinite(values)
            expected = values[members].mean()
            np.testing.assert_allclose(table.loc[name, "alff"], expected, rtol=SINGLE)


def test_maps_without_any_atlas(dataset, tmp_path):
    options = ("--alff", "--atlases", "none", "--space", "MNI152NLin2009cAsym")
    assert bidsmask(dataset.root, tmp_path, "participant", *options) == 0
    assert len(list(tmp_path.rglob("*_boldmap.nii.gz"))) == 2
    assert not list(tmp_path.rglob("*_timeseries.tsv"))
    assert "fALFF" in (tmp_path / "logs" / "CITATION.md").read_text(encoding="utf-8")


def test_cleaned_volumes_and_maps_of_seeds_are_the_same_beside_them(output_of, dataset, seeds):
    options = ("--strategies", "simple", "--seeds", "SEEDS", "--seed-maps")
    beside = output_of(*options)
    assert list(beside.rglob("*pearsoncorrelation*_boldmap.nii.gz"))
    alone = output_of("--strategies", "simple", "--seeds", "SEEDS")
    np.testing.assert_array_equal(
        map_of(alone, "reho", "simple"), map_of(beside, "reho", "simple")
    )


def test_reho_of_smoothed_volumes_is_refused(dataset, tmp_path, capsys):
    options = ("--reho", "--smoothing-fwhm", "6")
    assert bidsmask(dataset.root, tmp_path, "participant", *options) == 2
    assert "neighbours alike before it could" in capsys.readouterr().err


def test_a_run_too_slow_for_alff_loses_it_and_nothing_else(make_dataset, tmp_path):
    slow = make_dataset(tmp_path / "in", volumes=80)
    for sidecar_file in slow.root.rglob("*bold.json"):
        about = json.loads(sidecar_file.read_text(encoding="utf-8"))
        if "RepetitionTime" in about:
            sidecar_file.write_text(json.dumps(about | {"RepetitionTime": 6.0}), encoding="utf-8")
    bold = nib.load(slow.runs[0].bold)
    bold = nib.Nifti1Image(np.asarray(bold.dataobj), bold.affine, bold.header)
    bold.header.set_zooms((*bold.header.get_zooms()[:3], 6.0))
    bold.to_filename(slow.runs[0].bold)
    options = ("--alff", "--reho", "--space", "MNI152NLin2009cAsym", "--filter", "none")
    out = tmp_path / "out"
    assert bidsmask(slow.root, out, "participant", *options, "--atlases", slow.atlas) == 1
    assert "measure alff is n/a" in (out / "logs" / "status.tsv").read_text(encoding="utf-8")
    assert not list(out.rglob("*stat-alff*"))
    assert list(out.rglob("*stat-reho*_boldmap.nii.gz"))
    assert list(out.rglob("*_timeseries.tsv"))


def test_both_validators_accept_the_output(output_of):
    named = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
    if not named:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    for validator in named:
        done = subprocess.run(
            [validator, str(output_of("--strategies", "36P", "simple")), "--json"],
            capture_output=True,
            check=False,
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert not [issue for issue in issues if issue["severity"] == "error"]
