"""What is written of every vertex: cleaned series and maps, in the format of the run."""

import json
import os
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from worlds import surface_dataset as surfaces
from worlds.meshes import ball, needs_workbench, workbench, write_mesh

from bidsmask.cli.main import main
from bidsmask.demo.dataset import write_root
from bidsmask.images.surface_series import open_surfaces

STEM = "sub-01_task-rest"
MESHES = {"L": ball(surfaces.LEFT), "R": ball(surfaces.RIGHT, seed=1)}
MEASURED = np.delete(np.arange(surfaces.LEFT + surfaces.RIGHT), surfaces.WALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Series and maps of a grayordinate run and of a pair, of one command. Do not touch."""
    where = tmp_path_factory.mktemp("dense")
    root, out = write_root(where / "fmriprep"), where / "out"
    surfaces.write_subject(root, "01")
    for side, mesh in MESHES.items():
        name = f"sub-01_hemi-{side}_space-fsLR_den-32k_midthickness.surf.gii"
        (root / "sub-01" / "anat").mkdir(exist_ok=True)
        write_mesh(root / "sub-01" / "anat" / name, mesh, side)
    atlases = [surfaces.write_dlabel(where), surfaces.write_labels(where)]
    what = ["--space", "fsLR", "fsaverage5", "--strategies", "none", "--voxelwise", "--alff"]
    more = ["--reho", "--no-download", "--atlases", *atlases]
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


@pytest.fixture(scope="module")
def residuals():
    """Values (T, V) of the grayordinates, mean and straight line taken out."""
    values = np.concatenate([surfaces.values(60)[MEASURED], surfaces.voxel_values(60)]).T
    line = np.vander(np.arange(60.0), 2)
    return values - line @ np.linalg.lstsq(line, values, rcond=None)[0]


def map_of(done, measure):
    name = f"{STEM}_space-fsLR_den-91k_stat-{measure}_desc-none_boldmap.dscalar.nii"
    return nib.load(folder(done) / name).get_fdata()[0]


def test_alff_is_that_of_a_plain_fourier_transform(done, residuals):
    hz = np.fft.rfftfreq(60, surfaces.T_R)
    amplitudes = 2 * np.abs(np.fft.rfft(residuals, axis=0)) / 60
    slow = (hz > 0.0099) & (hz < 0.1001)
    np.testing.assert_allclose(map_of(done, "alff"), amplitudes[slow].mean(axis=0), rtol=1e-4)
    share = amplitudes[slow].sum(axis=0) / amplitudes[1:].sum(axis=0)
    np.testing.assert_allclose(map_of(done, "falff"), share, rtol=1e-4)


def kendalls_w(raters):
    sums = rankdata(raters, axis=0).sum(axis=1)
    (n, k) = raters.shape
    return 12 * ((sums - sums.mean()) ** 2).sum() / (k**2 * (n**3 - n))


def test_reho_is_kendalls_w_of_a_vertex_and_those_beside_it(done, residuals):
    """The medial wall is nobody's neighbour; four voxels are too few for any of them."""
    found, left = map_of(done, "reho"), surfaces.LEFT
    faces = np.concatenate([MESHES["L"].faces, MESHES["R"].faces + left])
    for number, vertex in enumerate(MEASURED):
        beside = np.unique(faces[(faces == vertex).any(axis=1)])
        there = np.flatnonzero(np.isin(MEASURED, beside))
        if there.size > len(beside) / 2:
            np.testing.assert_allclose(found[number], kendalls_w(residuals[:, there]), rtol=1e-5)
        else:
            assert np.isnan(found[number])
    assert np.isnan(found[len(MEASURED) :]).all()


def test_the_sidecar_of_reho_names_the_mesh(done):
    name = f"{STEM}_space-fsLR_den-91k_stat-reho_desc-none_boldmap.json"
    said = json.loads((folder(done) / name).read_text())
    assert said["StatisticDOI"] == "doi:10.1016/j.neuroimage.2012.10.017"
    assert "of a vertex and those beside it on the mesh" in said["Description"]
    assert sum(source.endswith("_midthickness.surf.gii") for source in said["Sources"]) == 2


def test_reho_without_a_mesh_is_lost_by_name_and_no_mask_is_made(done):
    exit_code, out = done
    assert exit_code == 1
    status = pd.read_csv(out / "logs" / "status.tsv", sep="\t").set_index("run")
    assert status.loc[f"{STEM}_space-fsLR_den-91k", "status"] == "done"
    without = status.loc[f"{STEM}_space-fsaverage5"]
    assert without["status"] == "partial"
    assert "--reho compares vertices with those beside them on a mesh." in without["reason"]
    assert "There is no mesh (midthickness or white or" in without["reason"]
    assert not list(folder(done).glob("*fsaverage5*stat-reho*"))
    assert not list(folder(done).glob("*_mask*"))


@needs_workbench
def test_workbench_opens_every_image(done):
    images = [path for path in folder(done).iterdir() if path.suffix in (".gii", ".nii")]
    assert len(images) == 13
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
