import nibabel as nib
import numpy as np
import pytest
from worlds import surface_files as files
from worlds.meshes import needs_workbench, workbench

from bidsmask.images.grayordinates import whole_meshes
from bidsmask.images.parcels import parcel_matrix, parcel_scalars, parcel_series, parcels_axis
from bidsmask.images.surface_series import open_surfaces

IJK = np.argwhere(np.ones((2, 2, 2)))
NAMES = ["left & <front>", "both", "voxels", "nowhere", "Größe"]
MEMBERS = [
    np.array([3, 1, 5]),
    np.array([0, 12, 20, 22]),
    np.array([21, 23]),
    np.zeros(0, dtype=int),
    np.array([19]),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "a.dtseries.nii"
    axis = files.brain_axis(12, 9, left=np.arange(1, 12), ijk=IJK)
    return open_surfaces(files.write_dtseries(path, np.zeros((3, 28)), axis)).grid


@pytest.fixture(scope="module")
def axis(places):
    return parcels_axis(NAMES, MEMBERS, places)


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_axis_has_the_vertices_and_voxels_of_each_region(axis):
    assert list(axis.name) == NAMES
    assert {name: count for name, count in axis.nvertices.items()} == {
        files.LEFT: 12,
        files.RIGHT: 9,
    }
    np.testing.assert_array_equal(axis.vertices[0][files.LEFT], [2, 4, 6])
    np.testing.assert_array_equal(axis.vertices[1][files.LEFT], [1])
    np.testing.assert_array_equal(axis.vertices[1][files.RIGHT], [1])
    np.testing.assert_array_equal(axis.voxels[1], IJK[[0, 2]])
    np.testing.assert_array_equal(axis.voxels[2], IJK[[1, 3]])
    assert axis.vertices[3] == {}
    np.testing.assert_array_equal(axis.affine, files.AFFINE)


def test_what_is_written_is_read_again_in_single_precision(axis, tmp_path):
    values = np.random.default_rng(0).normal(1000, 5, (7, 5))
    values[:, 3] = np.nan
    series = nib.load(written(tmp_path, "a.ptseries.nii", parcel_series(values, axis, 0.8)))
    np.testing.assert_array_equal(series.get_fdata(), values.astype(np.float32))
    assert series.header.get_axis(0).step == pytest.approx(0.8)
    assert series.header.get_axis(1) == axis
    assert series.nifti_header.get_intent()[0] == "ConnParcelSries"
    matrix = nib.load(written(tmp_path, "a.pconn.nii", parcel_matrix(values[:5], axis)))
    np.testing.assert_array_equal(matrix.get_fdata(), values[:5].astype(np.float32))
    assert matrix.nifti_header.get_intent()[0] == "ConnParcels"
    scalars = parcel_scalars(values[:2], ["one", "two"], axis)
    image = nib.load(written(tmp_path, "a.pscalar.nii", scalars))
    np.testing.assert_array_equal(image.get_fdata(), values[:2].astype(np.float32))
    assert list(image.header.get_axis(0).name) == ["one", "two"]
    assert image.nifti_header.get_intent()[0] == "ConnParcelScalr"


def test_the_same_values_give_the_same_bytes(axis):
    values = np.ones((3, 5))
    assert parcel_series(values, axis, 2.0) == parcel_series(values, axis, 2.0)


def test_hemispheres_without_voxels_have_parcels_too(tmp_path):
    places = whole_meshes({"CORTEX_LEFT": 5, "CORTEX_RIGHT": 4}, "fsaverage5")
    axis = parcels_axis(["a", "b"], [np.array([0, 4]), np.array([5])], places)
    image = nib.load(written(tmp_path, "a.pconn.nii", parcel_matrix(np.eye(2), axis)))
    assert image.header.get_axis(0) == axis


@needs_workbench
def test_workbench_opens_them_and_says_what_they_are(axis, tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 5))
    values[:, 3] = np.nan
    kinds = {
        "ptseries": (parcel_series(values, axis, 0.8), "Parcel Series"),
        "pconn": (parcel_matrix(values, axis), "CIFTI - Parcel"),
        "pscalar": (parcel_scalars(values[:1], ["coverage"], axis), "Parcel Scalar"),
    }
    for kind, (content, called) in kinds.items():
        path = written(tmp_path, f"a.{kind}.nii", content)
        said = workbench("-file-information", path)
        assert called in said
        for number, name in enumerate(NAMES, 1):
            assert any(
                line.split(":")[0].split() == ["Parcel", str(number)] and name in line
                for line in said.splitlines()
            )
    said = workbench("-file-information", tmp_path / "a.ptseries.nii")
    assert "Step:                 0.800" in said


@needs_workbench
def test_the_axis_is_that_of_workbench(axis, places, tmp_path):
    labels = np.zeros(places.n_voxels)
    for key, members in enumerate(MEMBERS, 1):
        labels[members] = key
    table = {0: "???", **dict(enumerate(NAMES, 1))}
    whole = files.brain_axis(12, 9, left=np.arange(1, 12), ijk=IJK)
    dlabel = files.write_dlabel(tmp_path / "a.dlabel.nii", labels, table, whole)
    run = files.write_dtseries(tmp_path / "a.dtseries.nii", labels[np.newaxis], whole)
    workbench("-cifti-parcellate", run, dlabel, "COLUMN", tmp_path / "a.ptseries.nii")
    theirs = nib.load(tmp_path / "a.ptseries.nii").header.get_axis(1)
    assert list(theirs.name) == NAMES
    for number in range(len(NAMES)):
        ours, others = ({*map(tuple, each.voxels[number])} for each in (axis, theirs))
        assert ours == others
        for side in (files.LEFT, files.RIGHT):
            ours, others = (each.vertices[number].get(side, []) for each in (axis, theirs))
            np.testing.assert_array_equal(ours, others)
