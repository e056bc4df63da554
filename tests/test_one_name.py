"""One name of an atlas, one command: volumes, grayordinates and hemispheres side by side."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds import surface_dataset as surfaces
from worlds import surface_files as files

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
    write_maps(atlases)
    rows = [f"{key}\tregion {key}\t{text}" for key, text in surfaces.NAMES.items()]
    (atlases / "atlas-Toy_dseg.tsv").write_text(
        "\n".join(["index\tname\tcifti_label", *reversed(rows)]) + "\n"
    )
    return dataset, atlases


def write_maps(atlases):
    """Two maps on the vertices of both templates of surfaces, and none in the volume's."""
    weights = np.random.default_rng(0).random((2, surfaces.LEFT + surfaces.RIGHT))
    axes = (
        nib.cifti2.ScalarAxis(["motor", "visual"]),
        files.brain_axis(surfaces.LEFT, surfaces.RIGHT),
    )
    image = nib.Cifti2Image(weights.astype("f4"), nib.cifti2.Cifti2Header.from_axes(axes))
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS")
    image.to_filename(atlases / "tpl-fsLR" / "tpl-fsLR_atlas-W_den-91k_probseg.dscalar.nii")
    for side, part in (("L", weights[:, : surfaces.LEFT]), ("R", weights[:, surfaces.LEFT :])):
        arrays = [
            nib.gifti.GiftiDataArray(each.astype("f4"), "NIFTI_INTENT_SHAPE") for each in part
        ]
        name = f"tpl-fsaverage_hemi-{side}_den-10k_atlas-W_probseg.shape.gii"
        nib.GiftiImage(darrays=arrays).to_filename(atlases / "tpl-fsaverage" / name)
    (atlases / "atlas-W_probseg.tsv").write_text("name\nmotor\nvisual\n")


def write_mesh(run, structure, n_vertices):
    """A ladder of the subject's own in the space of the run, its rungs 2 mm long and apart."""
    rungs, sides = np.divmod(np.arange(n_vertices), 2)
    points = np.stack([2 * sides, 2 * rungs, 0 * rungs], axis=1)
    first = np.arange(n_vertices - 2)
    faces = np.stack([first, first + 1, first + 2], axis=1)
    arrays = [
        nib.gifti.GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(faces.astype(np.int32), "NIFTI_INTENT_TRIANGLE"),
    ]
    anat = run.confounds.parents[1] / "anat"
    anat.mkdir(exist_ok=True)
    name = f"sub-01_hemi-{structure}_space-fsaverage5_midthickness.surf.gii"
    nib.GiftiImage(darrays=arrays).to_filename(anat / name)


@pytest.fixture(scope="module")
def seeds(world):
    """A table of spheres in the template of volumes, and one of vertices."""
    dataset, atlases = world
    for structure, n_vertices in (("L", surfaces.LEFT), ("R", surfaces.RIGHT)):
        write_mesh(dataset.runs[0], structure, n_vertices)
    spheres = atlases / f"space-{MNI}_spheres_seeds.tsv"
    spheres.write_text("name\tx\ty\tz\tradius\nmiddle\t0\t0\t20\t12\n")
    vertices = atlases / "space-fsaverage_spots_seeds.tsv"
    rows = ["name\themi\tvertex\tradius", "alone\tR\t3\t0", "three\tL\t0\t2", "wall\tL\t27\t2"]
    vertices.write_text("\n".join(rows) + "\n")
    return spheres, vertices


@pytest.fixture(scope="module")
def done(world, seeds, tmp_path_factory):
    """Outputs of the three runs."""
    dataset, atlases = world
    out = tmp_path_factory.mktemp("out")
    code = main(
        [
            *(str(dataset.root), str(out), "participant", "--strategies", "none"),
            *("--space", MNI, "fsLR", "fsaverage5", "--atlases", "Toy", "W"),
            *("--datasets", f"lab={atlases}", "--seeds", *map(str, seeds)),
        ]
    )
    return code, out


def timeseries(out, place, atlas="Toy", statistic="mean"):
    space, _, density = place.partition("_")
    end = "_".join(filter(None, [f"{STEM}_space-{space}_atlas-{atlas}", density]))
    return out / "sub-01" / "func" / f"{end}_stat-{statistic}_desc-none_timeseries.tsv"


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
    found = {
        place: json.loads(timeseries(out, place).with_suffix(".json").read_text())["AtlasFile"]
        for place in tables
    }
    assert found[MNI]["URI"].endswith(f"tpl-{MNI}_atlas-Toy_res-2_dseg.nii.gz")
    assert found[FSLR]["URI"].endswith("den-91k_dseg.dlabel.nii")
    assert [file["URI"].partition("hemi-")[2][0] for file in found[FSAVERAGE]] == ["L", "R"]
    assert len({file["SHA256"] for file in found[FSAVERAGE]}) == 2


def test_the_two_kinds_of_surfaces_hold_the_same_numbers(done):
    """The world wrote the same values into both."""
    _, out = done
    cifti, gifti = (pd.read_csv(timeseries(out, place), sep="\t") for place in (FSLR, FSAVERAGE))
    np.testing.assert_allclose(cifti[list(gifti)], gifti, atol=2e-5)


def test_maps_of_both_kinds_are_fitted_alike_where_there_are_some(done):
    _, out = done
    cifti, gifti = (
        pd.read_csv(timeseries(out, place, "W", "regression"), sep="\t")
        for place in (FSLR, FSAVERAGE)
    )
    assert list(cifti) == list(gifti) == ["motor", "visual"]
    np.testing.assert_allclose(cifti, gifti, atol=2e-5)
    assert not timeseries(out, MNI, "W", "regression").exists()
    copy = nib.load(
        out / "sub-01" / "func" / f"{STEM}_space-fsLR_atlas-W_den-91k_probseg.dscalar.nii"
    )
    assert list(copy.header.get_axis(0).name) == ["motor", "visual"]


def test_seeds_are_spheres_in_volumes_and_discs_along_the_mesh(done):
    _, out = done
    func = out / "sub-01" / "func"
    (spheres,) = func.glob("*_seg-spheres_stat-coverage_bold.tsv")
    assert f"_space-{MNI}_" in spheres.name
    table = pd.read_csv(next(func.glob("*_seg-spots_stat-coverage_bold.tsv")), sep="\t")
    assert list(table["n_vertices"]) == [1, 3, 4]
    assert list(table["n_covered"]) == [1, 3, 0]
    name = f"{STEM}_space-{FSAVERAGE}_seg-spots_stat-mean_desc-none_timeseries.json"
    found = json.loads((func / name).read_text())["AtlasFile"]
    assert [file["URI"].rpartition("/")[2].partition("_space")[0] for file in found][1:] == [
        "sub-01_hemi-L",
        "sub-01_hemi-R",
    ]


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
