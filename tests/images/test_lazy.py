import nibabel as nib
import numpy as np
import pytest

from bidsmask.images.grid import Grid
from bidsmask.images.io import new_image
from bidsmask.images.lazy import PaintedVolumes
from bidsmask.numerics.projections.regions import LabelMeans

GRID = Grid(shape=(4, 3, 2), affine=np.diag([2.0, 2, 3, 1]))
LABELS = np.random.default_rng(0).integers(0, 4, GRID.n_voxels)
COLUMNS = np.random.default_rng(1).normal(size=(7, 3))


@pytest.fixture
def columns():
    return COLUMNS.copy()


@pytest.fixture
def volumes(columns):
    return PaintedVolumes(columns, LabelMeans(LABELS, np.array([1, 2, 3])), GRID, np.float64)


@pytest.fixture
def whole():
    flat = np.hstack([np.zeros((7, 1)), COLUMNS])[:, LABELS]
    return flat.reshape(7, 2, 3, 4).T


def test_a_painted_image_is_an_array(volumes, whole):
    np.testing.assert_array_equal(np.asarray(volumes), whole)
    assert np.asarray(volumes, dtype=np.float32).dtype == np.float32
    assert volumes.shape == whole.shape
    assert volumes.ndim == whole.ndim


@pytest.mark.parametrize(
    "key",
    [
        np.index_exp[..., 2],
        np.index_exp[..., -1],
        np.index_exp[..., 1:5:2],
        np.index_exp[1],
        np.index_exp[1, 2],
        np.index_exp[1, :, 0, 3],
        np.index_exp[0, 0, 0, 0],
        np.index_exp[1:, ..., [0, 5]],
        np.index_exp[:],
        np.index_exp[...],
        np.index_exp[:, 0, ..., 1:3],
    ],
    ids=str,
)
def test_parts_of_it_are_those_of_the_array(volumes, whole, key):
    np.testing.assert_array_equal(volumes[key], whole[key])


def test_only_the_volumes_that_are_looked_at_are_painted(volumes):
    painted = []
    expand = volumes._projection.expand
    volumes._projection.expand = lambda rows: painted.append(len(rows)) or expand(rows)
    volumes[..., 3]
    assert painted == [1]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_it_is_written_as_nibabel_writes_an_array(volumes, whole, tmp_path, suffix, kind):
    header = kind(np.zeros((1, 1, 1, 1), np.int16), np.eye(4)).header
    header.set_xyzt_units("mm", "sec")
    header.set_zooms((2, 2, 3, 1.5))
    image = new_image(volumes, GRID.affine, header)
    image.to_filename(tmp_path / f"ours{suffix}")
    nib.save(image, tmp_path / f"saved{suffix}")
    dense = kind(whole, GRID.affine, image.header)
    dense.to_filename(tmp_path / f"theirs{suffix}")
    theirs = nib.load(tmp_path / f"theirs{suffix}")
    for name in "ours", "saved":
        ours = nib.load(tmp_path / f"{name}{suffix}")
        np.testing.assert_array_equal(ours.get_fdata(), theirs.get_fdata())
        assert ours.header == theirs.header
        np.testing.assert_array_equal(ours.affine, theirs.affine)
    if suffix == ".nii":
        ours, theirs = ((tmp_path / f"{name}.nii").read_bytes() for name in ("ours", "theirs"))
        assert ours == theirs


def test_the_same_signals_give_the_same_bytes(volumes, tmp_path):
    for name in "a.nii.gz", "b.nii.gz":
        new_image(volumes, GRID.affine).to_filename(tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_another_type_is_written_where_it_is_asked_for(volumes, whole, tmp_path):
    new_image(volumes, GRID.affine).to_filename(tmp_path / "a.nii", dtype=np.float32)
    read = nib.load(tmp_path / "a.nii")
    assert read.get_data_dtype() == np.float32
    np.testing.assert_array_equal(read.get_fdata(), whole.astype(np.float32))


def test_signals_that_were_changed_are_not_shown(volumes, columns, tmp_path):
    columns[4, 1] += 1
    np.testing.assert_array_equal(volumes[..., 3], np.asarray(volumes[..., 3]))
    with pytest.raises(ValueError, match=r"signals of volume 4 .* have been changed"):
        np.asarray(volumes)
    with pytest.raises(ValueError, match="have been changed"):
        new_image(volumes, GRID.affine).to_filename(tmp_path / "a.nii.gz")


def test_there_is_no_array_without_a_copy(volumes):
    with pytest.raises(ValueError, match="without a copy"):
        np.array(volumes, copy=False)
    with pytest.raises(IndexError, match="four axes"):
        volumes[0, 0, 0, 0, 0]
