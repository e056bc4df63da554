"""Runs on surfaces through the command line: the numbers of the maskers, under names of BIDS."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds import surface_dataset as surfaces

from bidsmask.cli.main import main
from bidsmask.maskers import SurfaceLabelsMasker

STEM = "sub-01_task-rest"
FSLR = f"{STEM}_space-fsLR_atlas-Toy_den-91k"


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_dataset):
    """A run in volumes, in grayordinates and on two hemispheres, and atlases. Do not touch."""
    folder = tmp_path_factory.mktemp("surfaces")
    dataset = make_dataset(folder)
    return {
        "dataset": dataset,
        "surfaces": surfaces.add_surfaces(dataset.runs[0]),
        "dlabel": surfaces.write_dlabel(folder),
        "labels": surfaces.write_labels(folder),
    }


@pytest.fixture(scope="module")
def fslr(world, tmp_path_factory):
    """Outputs of the grayordinate run."""
    out = tmp_path_factory.mktemp("fslr")
    what = ["--space", "fsLR", "--atlases", str(world["dlabel"]), "--strategies", "none"]
    return main([str(world["dataset"].root), str(out), "participant", *what]), out


def table(out, ending, folder="sub-01/func"):
    return pd.read_csv(out / folder / ending, sep="\t", na_values="n/a")


def test_a_grayordinate_run_is_done_with_a_dlabel_file(fslr):
    exit_code, out = fslr
    assert exit_code == 0
    signals = table(out, f"{FSLR}_stat-mean_desc-none_timeseries.tsv")
    assert list(signals) == [*surfaces.NAMES.values(), "Thalamus"]
    assert len(signals) == 60
    matrix = table(out, f"{FSLR}_stat-pearsoncorrelation_desc-none_relmat.tsv")
    assert matrix.shape == (5, 6)
    assert (out / "sub-01.html").exists()


def test_its_signals_are_those_of_the_masker(fslr, world):
    masker = SurfaceLabelsMasker(
        str(world["dlabel"]), detrend=True, standardize="zscore_sample", t_r=2.0
    )
    expected = masker.fit_transform(str(world["surfaces"].cifti))
    found = table(fslr[1], f"{FSLR}_stat-mean_desc-none_timeseries.tsv")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_copy_of_the_atlas_lies_on_the_grayordinates_of_the_run(fslr, world):
    copy = nib.load(fslr[1] / "sub-01/func" / f"{FSLR}_dseg.dlabel.nii")
    run = nib.load(world["surfaces"].cifti)
    assert copy.header.get_axis(1) == run.header.get_axis(1)
    assert copy.nifti_header.get_intent()[0] == "ConnDenseLabel"
    (names,) = copy.header.get_axis(0).label
    assert {key: name for key, (name, _) in names.items() if key} == {
        **surfaces.NAMES,
        surfaces.THALAMUS: "Thalamus",
    }


def test_its_sidecar_says_in_which_space_it_is(fslr):
    path = fslr[1] / "sub-01/func" / f"{FSLR}_stat-mean_desc-none_timeseries.json"
    said, of_run = json.loads(path.read_text()), surfaces.about_cifti()
    assert said["SpatialReference"] == of_run["SpatialReference"]
    assert said["Density"] == of_run["Density"]
    assert said["Sources"][0].endswith("_space-fsLR_den-91k_bold.dtseries.nii")


def test_what_the_run_lacks_of_a_region_counts_as_not_covered(fslr):
    found = table(fslr[1], f"{FSLR}_stat-coverage_bold.tsv").set_index("Node")
    assert found.loc["7Networks_LH_Default_1", "coverage"] == pytest.approx(12 / 14)
    assert found.loc["Thalamus", "n_covered"] == 4
