"""What takes the meshes of a run: smoothing along them, and means by the areas of vertices."""

import json

import numpy as np
import pandas as pd
import pytest
from worlds import surface_dataset as surfaces
from worlds.meshes import ball, write_mesh

from bidsmask.cli.main import main
from bidsmask.maskers import SurfaceLabelsMasker

FWHM = 20
STEM = "sub-01_task-rest_space-fsLR_atlas-Toy_den-91k"
MESHES = {"left": ball(surfaces.LEFT), "right": ball(surfaces.RIGHT, seed=1)}
WORDS = ["--strategies", "none", "--no-detrend", "--standardize", "none", "--no-download"]
BOTH = ["--smoothing-fwhm", str(FWHM), "--area-weights"]


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_dataset):
    """A run in grayordinates, of which the subject has meshes, and a pair, of which it has not."""
    folder = tmp_path_factory.mktemp("meshes")
    dataset = make_dataset(folder)
    run = surfaces.add_surfaces(dataset.runs[0])
    anat = dataset.root / "sub-01" / "anat"
    anat.mkdir(exist_ok=True)
    for side, mesh in MESHES.items():
        letter = side[0].upper()
        name = f"sub-01_hemi-{letter}_space-fsLR_den-32k_midthickness.surf.gii"
        write_mesh(anat / name, mesh, letter)
    return dataset, run, surfaces.write_dlabel(folder), surfaces.write_labels(folder)


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    """Exit code and output of a command over both, smoothed and weighted."""
    dataset, _, *atlases = world
    out = tmp_path_factory.mktemp("out")
    asked = ["--space", "fsLR", "fsaverage5", "--atlases", *map(str, atlases), *WORDS, *BOTH]
    return main([str(dataset.root), str(out), "participant", *asked]), out


def series(out, stem=STEM):
    name = f"{stem}_stat-mean_desc-none_timeseries.tsv"
    return pd.read_csv(out / "sub-01" / "func" / name, sep="\t", na_values="n/a")


def test_signals_are_those_of_the_masker_on_the_meshes_of_the_subject(world, done):
    _, run, dlabel, _ = world
    masker = SurfaceLabelsMasker(
        str(dlabel), smoothing_fwhm=FWHM, area_weights=True, meshes=MESHES, keep_empty=True
    )
    expected = masker.fit_transform(str(run.cifti))
    found = series(done[1])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    plain = SurfaceLabelsMasker(str(dlabel)).fit_transform(str(run.cifti))
    assert not np.allclose(found, plain, rtol=1e-4)


def test_the_run_without_a_mesh_gets_a_letter_and_the_other_is_done(done):
    exit_code, out = done
    assert exit_code == 1
    status = pd.read_csv(out / "logs" / "status.tsv", sep="\t").set_index("run")
    assert status.loc["sub-01_task-rest_space-fsLR_den-91k", "status"] == "done"
    failed = status.loc["sub-01_task-rest_space-fsaverage5"]
    assert failed["status"] == "failed"
    assert "--smoothing-fwhm smooths along a mesh. There is no mesh" in failed["reason"]
    assert "fsaverage with 26 and 30 vertices" in failed["reason"]
    assert not list(out.glob("sub-01/func/*fsaverage5*"))


def test_sidecar_and_methods_say_what_was_done_and_with_which_meshes(done):
    _, out = done
    path = out / "sub-01" / "func" / f"{STEM}_stat-mean_desc-none_timeseries.json"
    said = json.loads(path.read_text())
    assert said["SmoothingFWHM"] == FWHM
    assert said["AreaWeighted"] is True
    assert any(
        source.endswith("hemi-L_space-fsLR_den-32k_midthickness.surf.gii")
        for source in said["Sources"]
    )
    methods = (out / "logs" / "CITATION.md").read_text()
    assert f"smoothed along the surface by a Gaussian of {FWHM} mm" in methods
    assert "each vertex of a mean weighted by its area" in methods


def test_another_mesh_is_another_request(world, done, tmp_path, capsys):
    """What the outputs were made from is known by content."""
    dataset, _, dlabel, _ = world
    anat = dataset.root / "sub-01" / "anat"
    name = "sub-01_hemi-L_space-fsLR_den-32k_midthickness.surf.gii"
    before = (anat / name).read_bytes()
    write_mesh(anat / name, ball(surfaces.LEFT, radius=30.0), "L")
    asked = ["--space", "fsLR", "--atlases", str(dlabel), *WORDS, *BOTH, "--dry-run"]
    assert main([str(dataset.root), str(done[1]), "participant", *asked]) == 0
    (anat / name).write_bytes(before)
    told = capsys.readouterr()
    assert "replaces results made with meshes=" in told.out + told.err
    assert "mesh of CORTEX_LEFT" in told.out


@pytest.mark.parametrize(
    ("words", "letter"),
    [
        (["--area-weights"], "--area-weights are of runs on surfaces"),
        (["--area-weights", "--statistic", "median"], "--area-weights are of means"),
    ],
)
def test_weights_that_would_change_nothing_are_refused(world, tmp_path, capsys, words, letter):
    dataset, *_ = world
    asked = ["--atlases", str(dataset.atlas), *WORDS, *words]
    assert main([str(dataset.root), str(tmp_path), "participant", *asked]) == 2
    assert letter in capsys.readouterr().err
