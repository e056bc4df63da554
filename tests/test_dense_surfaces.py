"""What is written of every vertex: cleaned series and maps, in the format of the run."""

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
from bidsmask.demo.dataset import write_root
from bidsmask.images.surface_series import open_surfaces

STEM = "sub-01_task-rest"
MEASURED = np.delete(np.arange(surfaces.LEFT + surfaces.RIGHT), surfaces.WALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Series and maps of a grayordinate run and of a pair, of one command. Do not touch."""
    where = tmp_path_factory.mktemp("dense")
    root, out = write_root(where / "fmriprep"), where / "out"
    surfaces.write_subject(root, "01")
    atlases = [surfaces.write_dlabel(where), surfaces.write_labels(where)]
    what = ["--space", "fsLR", "fsaverage5", "--strategies", "none", "--voxelwise", "--alff"]
    more = ["--reho", "--atlases", *atlases]
    exit_code = main(list(map(str, [root, out, "participant", *what, *more])))
    return exit_code, out


def folder(done):
    return done[1] / "sub-01" / "func"


def pair(done, ending):
    names = [f"{STEM}_hemi-{side}_space-fsaverage5_{ending}" for side in "LR"]
    return open_surfaces([folder(done) / name for name in names])


def test_cleaned_grayordinates_are_a_series_with_the_axis_of_the_run(done):
    image = nib.load(folder(done) / f"{STEM}_space-fsLR_den-91k_desc-none_bold.dtseries.nii")
    series, brain = (image.header.get_axis(number) for number in (0, 1))
    assert (series.step, series.unit, series.size) == (2.0, "SECOND", 60)
    assert brain.size == len(MEASURED) + len(surfaces.IJK)
    assert image.nifti_header.get_intent()[0] == "ConnDenseSeries"
    values = image.get_fdata()
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(axis=0, ddof=1), 1, rtol=1e-4)


def test_cleaned_hemispheres_are_those_of_the_grayordinates(done):
    image = nib.load(folder(done) / f"{STEM}_space-fsLR_den-91k_desc-none_bold.dtseries.nii")
    found = pair(done, "desc-none_bold.func.gii")
    values = found.values()
    np.testing.assert_allclose(values[MEASURED], image.get_fdata().T[: len(MEASURED)], atol=1e-6)
    assert np.isnan(values[surfaces.WALL]).all()
    assert found.n_volumes == 60


def test_maps_of_alff_are_scalars_with_their_name(done):
    name = f"{STEM}_space-fsLR_den-91k_stat-alff_desc-none_boldmap.dscalar.nii"
    image = nib.load(folder(done) / name)
    assert list(image.header.get_axis(0).name) == ["alff"]
    assert image.nifti_header.get_intent()[0] == "ConnDenseScalar"
    of_pair = pair(done, "stat-alff_desc-none_boldmap.func.gii").values()[:, 0]
    np.testing.assert_allclose(of_pair[MEASURED], image.get_fdata()[0, : len(MEASURED)], rtol=1e-6)


def test_regions_have_the_mean_of_their_vertices(done):
    name = f"{STEM}_space-fsaverage5_atlas-Toy_stat-alff_desc-none_bold.tsv"
    table = pd.read_csv(folder(done) / name, sep="\t")
    of_pair = pair(done, "stat-alff_desc-none_boldmap.func.gii").values()[:, 0]
    expected = [np.nanmean(of_pair[surfaces.keys() == key]) for key in surfaces.NAMES]
    np.testing.assert_allclose(table["alff"], expected, rtol=1e-6)
    assert table["n_vertices"].tolist() == [8, 14, 12, 10]


def test_what_surfaces_do_not_have_is_lost_by_name_and_no_mask_is_made(done):
    exit_code, out = done
    assert exit_code == 1
    status = pd.read_csv(out / "logs" / "status.tsv", sep="\t")
    assert set(status["status"]) == {"partial"}
    assert status["reason"].str.contains("--reho is of voxels").all()
    assert not list(folder(done).glob("*_mask*"))


@needs_workbench
def test_workbench_opens_every_image(done):
    images = [path for path in folder(done).iterdir() if path.suffix in (".gii", ".nii")]
    assert len(images) == 12
    for image in images:
        assert "ERROR" not in workbench("-file-information", image)


def test_validators_find_nothing_wrong(done):
    named = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
    if not named:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    for validator in named:
        asked = [validator, "--json", str(done[1])]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        issues = json.loads(said)["issues"]["issues"]
        assert [issue for issue in issues if issue["severity"] == "error"] == []
