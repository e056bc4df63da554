"""One name of an atlas, one command: volumes, grayordinates and hemispheres side by side."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds import surface_dataset as surfaces

from bidsmask.cli.main import main

MNI, FSLR, FSAVERAGE = "MNI152NLin2009cAsym", "fsLR_den-91k", "fsaverage5"
STEM = "sub-01_task-rest"


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_dataset):
    """A run in three spaces, and a BIDS-Atlas dataset that has one atlas in all of them."""
    folder = tmp_path_factory.mktemp("one-name")
    dataset = make_dataset(folder / "fmriprep")
    surfaces.add_surfaces(dataset.runs[0])
    atlases = folder / "atlases"
    for template in (MNI, "fsLR", "fsaverage"):
        (atlases / f"tpl-{template}").mkdir(parents=True)
    labels = nib.load(dataset.atlas)
    few = np.asanyarray(labels.dataobj) * (np.asanyarray(labels.dataobj) <= 4)
    name = f"tpl-{MNI}_atlas-Toy_res-2_dseg.nii.gz"
    nib.save(nib.Nifti1Image(few, labels.affine, labels.header), atlases / f"tpl-{MNI}" / name)
    surfaces.write_dlabel(atlases / "tpl-fsLR")
    surfaces.write_labels(atlases / "tpl-fsaverage")
    rows = [f"{key}\tregion {key}\t{text}" for key, text in surfaces.NAMES.items()]
    (atlases / "atlas-Toy_dseg.tsv").write_text(
        "\n".join(["index\tname\tcifti_label", *reversed(rows)]) + "\n"
    )
    return dataset, atlases


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    """Outputs of the three runs."""
    dataset, atlases = world
    out = tmp_path_factory.mktemp("out")
    code = main(
        [
            *(str(dataset.root), str(out), "participant", "--strategies", "none"),
            *("--space", MNI, "fsLR", "fsaverage5", "--atlases", "Toy"),
            *("--datasets", f"lab={atlases}"),
        ]
    )
    return code, out


def timeseries(out, place):
    space, _, density = place.partition("_")
    end = "_".join(filter(None, [f"{STEM}_space-{space}_atlas-Toy", density]))
    return out / "sub-01" / "func" / f"{end}_stat-mean_desc-none_timeseries.tsv"


def test_each_run_gets_the_file_of_its_space(done):
    code, out = done
    assert code == 0
    tables = {
        place: pd.read_csv(timeseries(out, place), sep="\t") for place in (MNI, FSLR, FSAVERAGE)
    }
    regions = [f"region {key}" for key in (4, 3, 2, 1)]
    assert {place: list(table) for place, table in tables.items()} == {
        MNI: regions,
        FSLR: [*regions, "Thalamus"],
        FSAVERAGE: regions,
    }
    files = {
        place: json.loads(timeseries(out, place).with_suffix(".json").read_text())["AtlasFile"]
        for place in tables
    }
    assert files[MNI]["URI"].endswith(f"tpl-{MNI}_atlas-Toy_res-2_dseg.nii.gz")
    assert files[FSLR]["URI"].endswith("den-91k_dseg.dlabel.nii")
    assert [file["URI"].partition("hemi-")[2][0] for file in files[FSAVERAGE]] == ["L", "R"]
    assert len({file["SHA256"] for file in files[FSAVERAGE]}) == 2


def test_the_two_kinds_of_surfaces_hold_the_same_numbers(done):
    """The world wrote the same values into both."""
    _, out = done
    cifti, gifti = (pd.read_csv(timeseries(out, place), sep="\t") for place in (FSLR, FSAVERAGE))
    np.testing.assert_allclose(cifti[list(gifti)], gifti, atol=2e-5)


def test_the_methods_say_how_regions_came_onto_each(done):
    _, out = done
    text = (out / "logs" / "CITATION.md").read_text()
    assert "on the grid of each run by nearest neighbour" in text
    assert "on the surfaces of each run that has them by matching vertices" in text


def test_a_space_without_the_atlas_costs_its_run_only(world, tmp_path, capsys):
    dataset, atlases = world
    shutil.copytree(atlases, tmp_path / "few")
    shutil.rmtree(tmp_path / "few" / "tpl-fsLR")
    code = main(
        [
            *(str(dataset.root), str(tmp_path / "out"), "participant", "--strategies", "none"),
            *("--space", "fsLR", "fsaverage5", "--atlases", "Toy"),
            *("--datasets", f"lab={tmp_path / 'few'}"),
        ]
    )
    said = " ".join(capsys.readouterr().err.split())
    assert code == 1
    assert "There is no Toy in fsLR; there is one in" in said
    assert "give the path of a .dlabel.nii file" in said
    assert timeseries(tmp_path / "out", FSAVERAGE).exists()
