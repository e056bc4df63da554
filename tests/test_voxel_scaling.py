"""Voxels scaled before they are averaged, through the command line, and nilearn's numbers."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean

from bidsmask.cli.main import main

RAW = ("--strategies", "none", "--standardize", "none", "--no-detrend", "--min-coverage", "0.5")
SINGLE = 1e-4
"""In standard deviations: means of some voxels in single precision."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    found = make_dataset(tmp_path_factory.mktemp("scaled"), volumes=80)
    image = nib.load(found.runs[0].bold)
    voxels = np.asarray(image.dataobj).copy()
    inside = np.argwhere(nib.load(found.runs[0].mask).get_fdata() > 0)
    for number, place in enumerate(inside[::150]):
        voxels[tuple(place)] *= 0 if number % 2 else -1
    nib.Nifti1Image(voxels, image.affine, image.header).to_filename(found.runs[0].bold)
    return found


@pytest.fixture(scope="module")
def output_of(dataset, tmp_path_factory):
    known = {}

    def request(*options):
        if options not in known:
            out = tmp_path_factory.mktemp("out")
            words = [str(dataset.root), str(out), "participant", "--atlases", str(dataset.atlas)]
            assert main([*words, "--space", "MNI152NLin2009cAsym", *options]) == 0
            known[options] = out
        return known[options]

    return request


def series(out):
    (path,) = out.rglob("*_stat-mean_*_timeseries.tsv")
    return pd.read_csv(path, sep="\t", na_values="n/a"), json.loads(
        path.with_suffix(".json").read_text(encoding="utf-8")
    )


def coverage(out):
    (path,) = out.rglob("*_stat-coverage_bold.tsv")
    return pd.read_csv(path, sep="\t", na_values="n/a")


def voxels_of(dataset, out):
    (atlas,) = out.rglob("*_atlas-*_dseg.nii.gz")
    labels = np.asarray(nib.load(atlas).dataobj)
    inside = nib.load(dataset.runs[0].mask).get_fdata() > 0
    return labels[inside], nib.load(dataset.runs[0].bold).get_fdata()[inside].T


@pytest.mark.parametrize("scaling", ["zscore", "psc"])
def test_a_region_is_the_mean_of_voxels_as_nilearn_scales_them(dataset, output_of, scaling):
    out = output_of(*RAW, "--voxel-scaling", scaling)
    labels, voxels = voxels_of(dataset, out)
    name = {"zscore": "zscore_sample", "psc": "psc"}[scaling]
    covered = (np.ptp(voxels, axis=0) > 0) & ((voxels.mean(axis=0) > 0) | (scaling == "zscore"))
    scaled = clean(voxels[:, covered], detrend=False, standardize=name)
    table, _ = series(out)
    found = coverage(out)
    for index, node, status in zip(found["index"], found["Node"], found["status"], strict=True):
        if status not in ("ok", "partial"):
            assert table[node].isna().all()
            continue
        expected = scaled[:, labels[covered] == index].mean(axis=1)
        np.testing.assert_allclose(table[node], expected, rtol=0, atol=SINGLE * expected.std())


def test_a_voxel_that_has_no_percentages_is_not_covered(dataset, output_of):
    counts = {
        scaling: coverage(output_of(*RAW, "--voxel-scaling", scaling))["n_covered"]
        for scaling in ("none", "zscore", "psc")
    }
    labels, voxels = voxels_of(dataset, output_of(*RAW, "--voxel-scaling", "none"))
    n_negative = np.count_nonzero((labels > 0) & (voxels.mean(axis=0) < 0))
    assert counts["zscore"].equals(counts["none"])
    assert counts["none"].sum() - counts["psc"].sum() == n_negative > 3


def test_scaling_all_voxels_alike_changes_standard_scores_of_nothing(output_of):
    cleaned = ("--strategies", "simple")
    unscaled, _ = series(output_of(*cleaned))
    scaled, about = series(output_of(*cleaned, "--voxel-scaling", "zscore"))
    assert list(unscaled) == list(scaled)
    assert about["VoxelScaling"] == "zscore"
    assert (
        "standardized to mean 0 and sample standard deviation 1 over all" in (about["Description"])
    )
    r = [np.corrcoef(unscaled[name], scaled[name])[0, 1] for name in scaled if scaled[name].any()]
    assert np.nanmin(r) > 0.5


def test_sidecars_name_the_unit(output_of):
    for scaling, unit in (("psc", "percent of the mean"), ("zscore", "standard deviations")):
        _, about = series(output_of(*RAW, "--voxel-scaling", scaling))
        units = {each["Units"] for each in about.values() if isinstance(each, dict) and
                 "Coverage" in each}  # fmt: skip
        assert units == {f"{unit} of a voxel"}


def test_spheres_and_weighted_maps_are_of_scaled_voxels_too(dataset, tmp_path):
    seeds = tmp_path / "space-MNI152NLin2009cAsym_seeds.tsv"
    seeds.write_text("name\tx\ty\tz\tradius\nleft\t-30\t-20\t10\t8\n", encoding="utf-8")
    words = [str(dataset.root), str(tmp_path / "out"), "participant", "--seeds", str(seeds)]
    space = ("--space", "MNI152NLin2009cAsym")
    assert main([*words, *space, *RAW, "--voxel-scaling", "zscore"]) == 0
    table, _ = series(tmp_path / "out")
    assert abs(table["left"].mean()) < SINGLE
    assert 0.05 < table["left"].std() < 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--statistic", "median"), "--statistic asks for median"),
        (("--smoothing-fwhm", "6"), "exclude each other"),
        (("--atlases", "none", "--voxelwise"), "give an atlas, or --seeds"),
        (("--standardize", "psc"), "leaves signals a mean of 0"),
    ],
)
def test_what_cannot_be_scaled_is_refused_by_a_letter(dataset, tmp_path, capsys, options, words):
    where = [str(dataset.root), str(tmp_path / "out"), "participant"]
    atlas = () if "--atlases" in options else ("--atlases", str(dataset.atlas))
    assert main([*where, *atlas, "--voxel-scaling", "zscore", *options]) == 2
    assert words in capsys.readouterr().err
