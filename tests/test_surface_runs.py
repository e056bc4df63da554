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
FSAVERAGE = f"{STEM}_space-fsaverage5_atlas-Toy"
ROUNDING = 1e-5
"""Of standard scores written in single precision."""


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
def spaces(world, tmp_path_factory):
    """One command over all three spaces, with an atlas of each."""
    out = tmp_path_factory.mktemp("spaces")
    atlases = [world["dataset"].atlas, world["dlabel"], world["labels"]]
    what = ["--space", "MNI152NLin2009cAsym", "fsLR", "fsaverage5", "--strategies", "none"]
    arguments = [world["dataset"].root, out, "participant", *what, "--atlases", *atlases]
    return main(list(map(str, arguments))), out


def folder(done):
    return done[1] / "sub-01" / "func"


def table(done, name):
    return pd.read_csv(folder(done) / name, sep="\t", na_values="n/a")


def signals(done, stem, strategy="none"):
    return table(done, f"{stem}_stat-mean_desc-{strategy}_timeseries.tsv")


def test_one_command_does_volumes_grayordinates_and_hemispheres(spaces):
    exit_code, out = spaces
    assert exit_code == 0
    status = pd.read_csv(out / "logs" / "status.tsv", sep="\t")
    assert sorted(status["status"]) == ["done"] * 3
    matrices = [path.name for path in folder(spaces).glob("*_relmat.tsv")]
    assert len(matrices) == 3
    assert (out / "sub-01.html").exists()


def test_signals_of_grayordinates_are_those_of_the_masker(spaces, world):
    masker = SurfaceLabelsMasker(
        str(world["dlabel"]), detrend=True, standardize="zscore_sample", t_r=2.0
    )
    expected = masker.fit_transform(str(world["surfaces"].cifti))
    found = signals(spaces, FSLR)
    assert list(found) == [*surfaces.NAMES.values(), "Thalamus"]
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_a_pair_of_hemispheres_gives_the_numbers_of_the_grayordinates(spaces):
    pair, grayordinates = signals(spaces, FSAVERAGE), signals(spaces, FSLR)
    assert list(pair) == list(surfaces.NAMES.values())
    np.testing.assert_allclose(pair, grayordinates[pair.columns], atol=ROUNDING)


def test_what_belongs_to_both_hemispheres_has_no_hemi_and_names_both(spaces):
    said = json.loads((folder(spaces) / f"{FSAVERAGE}_stat-coverage_bold.json").read_text())
    assert [source.rpartition("/")[2] for source in said["Sources"]] == [
        f"{STEM}_hemi-L_space-fsaverage5_bold.func.gii",
        f"{STEM}_hemi-R_space-fsaverage5_bold.func.gii",
        f"{STEM}_hemi-L_space-fsaverage5_atlas-Toy_dseg.label.gii",
        f"{STEM}_hemi-R_space-fsaverage5_atlas-Toy_dseg.label.gii",
    ]
    template = "https://github.com/templateflow/tpl-fsaverage"
    assert said["SpatialReference"] == {
        "CIFTI_STRUCTURE_LEFT_CORTEX": template,
        "CIFTI_STRUCTURE_RIGHT_CORTEX": template,
    }
    assert said["Density"] == "56 vertices"


def test_the_copy_of_a_dlabel_lies_on_the_grayordinates_of_the_run(spaces, world):
    copy = nib.load(folder(spaces) / f"{FSLR}_dseg.dlabel.nii")
    run = nib.load(world["surfaces"].cifti)
    assert copy.header.get_axis(1) == run.header.get_axis(1)
    assert copy.nifti_header.get_intent()[0] == "ConnDenseLabel"
    (names,) = copy.header.get_axis(0).label
    assert {key: name for key, (name, _) in names.items() if key} == {
        **surfaces.NAMES,
        surfaces.THALAMUS: "Thalamus",
    }


def test_the_copies_of_label_files_are_those_of_the_hemispheres(spaces):
    stem = f"{STEM}_hemi-{{}}_space-fsaverage5_atlas-Toy_dseg.label.gii"
    left, right = (nib.load(folder(spaces) / stem.format(side)) for side in "LR")
    found = np.concatenate([left.darrays[0].data, right.darrays[0].data])
    np.testing.assert_array_equal(found, surfaces.keys())
    assert right.meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert left.labeltable.get_labels_as_dict()[1] == surfaces.NAMES[1]


def test_a_sidecar_has_the_reference_and_density_of_that_of_the_run(spaces):
    said = json.loads((folder(spaces) / f"{FSLR}_stat-mean_desc-none_timeseries.json").read_text())
    of_run = surfaces.about_cifti()
    assert said["SpatialReference"] == of_run["SpatialReference"]
    assert said["Density"] == of_run["Density"]
    assert "vertex was covered" not in said["Description"]
    assert "A grayordinate was covered if it was finite" in said["Description"]


def test_zeros_and_absent_vertices_are_one_thing(spaces):
    absent = table(spaces, f"{FSLR}_stat-coverage_bold.tsv").set_index("Node")
    zeros = table(spaces, f"{FSAVERAGE}_stat-coverage_bold.tsv").set_index("Node")
    assert "n_vertices" in zeros
    assert "n_grayordinates" in absent
    for found in absent, zeros:
        assert found.loc["7Networks_LH_Default_1", "coverage"] == pytest.approx(12 / 14)
    assert absent.loc["Thalamus", "n_covered"] == len(surfaces.IJK)


def test_the_same_command_again_does_nothing(spaces, world, capsys):
    out = spaces[1]
    before = {path: path.stat().st_mtime_ns for path in folder(spaces).iterdir()}
    atlases = [world["dataset"].atlas, world["dlabel"], world["labels"]]
    what = ["--space", "MNI152NLin2009cAsym", "fsLR", "fsaverage5", "--strategies", "none"]
    arguments = [world["dataset"].root, out, "participant", *what, "--atlases", *atlases]
    assert main(list(map(str, arguments))) == 0
    assert "nothing to compute" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder(spaces).iterdir()} == before
