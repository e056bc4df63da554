"""``--cifti-outputs``: the numbers of the tables in CIFTI, as Workbench opens it."""

import json
import os
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds import surface_dataset as surfaces
from worlds.meshes import needs_workbench, workbench

from bidsmask.cli.main import main

FSLR = "sub-01_task-rest_space-fsLR_atlas-Toy_den-91k"
PAIR = "sub-01_task-rest_space-fsaverage5_atlas-Toy"
TWINS = {
    "stat-mean_desc-none_timeseries": "ptseries",
    "stat-pearsoncorrelation_desc-none_relmat": "pconn",
    "stat-coverage_boldmap": "pscalar",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_dataset):
    folder = tmp_path_factory.mktemp("twins")
    dataset = make_dataset(folder)
    surfaces.add_surfaces(dataset.runs[0])
    return dataset, surfaces.write_dlabel(folder), surfaces.write_labels(folder)


@pytest.fixture(scope="module")
def out(world, tmp_path_factory):
    """Outputs of a run of grayordinates and of a pair of hemispheres. Do not touch."""
    dataset, *atlases = world
    out = tmp_path_factory.mktemp("out")
    words = ["--space", "fsLR", "fsaverage5", "--strategies", "none", "--min-coverage", "0.9"]
    asked = [*words, "--cifti-outputs", "--atlases", *map(str, atlases)]
    assert main([str(dataset.root), str(out), "participant", *asked]) == 0
    return out / "sub-01" / "func"


def table(out, name):
    rows = pd.read_csv(out / f"{name}.tsv", sep="\t", na_values="n/a")
    return rows.drop(columns="Node", errors="ignore")


@pytest.mark.parametrize("stem", [FSLR, PAIR])
def test_twins_are_the_tables_in_single_precision(out, stem):
    series = nib.load(out / f"{stem}_stat-mean_desc-none_timeseries.ptseries.nii")
    rows = table(out, f"{stem}_stat-mean_desc-none_timeseries")
    assert list(series.header.get_axis(1).name) == list(rows)
    assert series.header.get_axis(0).step == pytest.approx(surfaces.T_R)
    np.testing.assert_array_equal(series.get_fdata(dtype=np.float32), rows.astype(np.float32))
    assert np.isnan(series.get_fdata()).all(axis=0).tolist() == rows.isna().all().tolist()
    matrix = nib.load(out / f"{stem}_stat-pearsoncorrelation_desc-none_relmat.pconn.nii")
    rows = table(out, f"{stem}_stat-pearsoncorrelation_desc-none_relmat")
    assert matrix.header.get_axis(0) == matrix.header.get_axis(1) == series.header.get_axis(1)
    np.testing.assert_array_equal(matrix.get_fdata(dtype=np.float32), rows.astype(np.float32))
    scalars = nib.load(out / f"{stem}_stat-coverage_boldmap.pscalar.nii")
    share = table(out, f"{stem}_stat-coverage_bold")["coverage"]
    np.testing.assert_array_equal(scalars.get_fdata()[0], share.astype(np.float32))
    assert list(scalars.header.get_axis(0).name) == ["coverage"]


@pytest.mark.parametrize("stem", [FSLR, PAIR])
@pytest.mark.parametrize("name", TWINS)
def test_every_twin_has_a_sidecar_and_its_intent(out, stem, name):
    kind = {"ptseries": "ConnParcelSries", "pconn": "ConnParcels", "pscalar": "ConnParcelScalr"}
    image = nib.load(out / f"{stem}_{name}.{TWINS[name]}.nii")
    assert image.nifti_header.get_intent()[0] == kind[TWINS[name]]
    said = json.loads((out / f"{stem}_{name}.json").read_text())
    assert "SpatialReference" in said or stem == PAIR
    assert said["Sources"]
    assert "n_vertices" not in said


def test_regions_have_their_vertices_and_voxels(out):
    axis = nib.load(out / f"{FSLR}_stat-coverage_boldmap.pscalar.nii").header.get_axis(1)
    left = "CIFTI_STRUCTURE_CORTEX_LEFT"
    numbers = dict(zip(axis.name, axis.vertices, strict=True))
    np.testing.assert_array_equal(numbers[surfaces.NAMES[1]][left], np.arange(4, 12))
    np.testing.assert_array_equal(axis.voxels[-1], surfaces.IJK)


@needs_workbench
@pytest.mark.parametrize("stem", [FSLR, PAIR])
def test_workbench_opens_all_of_them(out, stem):
    names = list(table(out, f"{stem}_stat-mean_desc-none_timeseries"))
    for name, kind in TWINS.items():
        said = workbench("-file-information", out / f"{stem}_{name}.{kind}.nii")
        assert all(each in said for each in names)


@needs_workbench
def test_series_are_those_that_workbench_parcellates_the_cleaned_run_to(world, tmp_path):
    """Without cleaning, of regions that are wholly covered: means of the run itself."""
    dataset, dlabel, _ = world
    words = ["--space", "fsLR", "--strategies", "none", "--no-detrend"]
    more = ["--standardize", "none", "--cifti-outputs", "--atlases", str(dlabel)]
    assert main([str(dataset.root), str(tmp_path / "out"), "participant", *words, *more]) == 0
    (ours,) = (tmp_path / "out").glob("sub-01/func/*.ptseries.nii")
    run = next(dataset.root.glob("sub-01/func/*_bold.dtseries.nii"))
    theirs = tmp_path / "theirs.ptseries.nii"
    workbench("-cifti-parcellate", run, dlabel, "COLUMN", theirs, "-legacy-mode")
    one, other = nib.load(ours), nib.load(theirs)
    assert list(one.header.get_axis(1).name) == list(other.header.get_axis(1).name)
    np.testing.assert_allclose(one.get_fdata(), other.get_fdata(), rtol=1e-6)


def test_twins_of_volumes_are_refused(world, tmp_path, capsys):
    dataset, *_ = world
    words = ["--strategies", "none", "--cifti-outputs", "--atlases", str(dataset.atlas)]
    assert main([str(dataset.root), str(tmp_path / "out"), "participant", *words]) == 2
    assert "--cifti-outputs are of runs on surfaces" in capsys.readouterr().err


def test_validators_have_nothing_to_object(out):
    named = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
    if not named:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    for validator in named:
        command = [validator, str(out.parent.parent), "--format", "json", "--ignoreWarnings"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert json.loads(done.stdout)["issues"]["issues"] == []
