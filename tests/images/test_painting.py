import gzip

import nibabel as nib
import numpy as np
import pytest

from bidsmask.images.grid import Grid
from bidsmask.images.painting import Painting
from bidsmask.images.volumes import make_image
from bidsmask.numerics.projections.regions import LabelMeans

GRID = Grid(shape=(4, 3, 2), affine=np.diag([2.0, 2, 3, 1]))
LABELS = np.random.default_rng(0).integers(0, 4, GRID.n_voxels)
COLUMNS = np.random.default_rng(1).normal(size=(37, 3))


def painting_of(columns=COLUMNS, dtype=np.float64):
    projection = LabelMeans(LABELS, np.array([1, 2, 3]))
    return Painting(columns=columns, projection=projection, grid=GRID, dtype=np.dtype(dtype))


def whole_of(columns):
    flat = np.hstack([np.zeros((len(columns), 1)), columns])[:, LABELS]
    return flat.reshape(-1, 2, 3, 4).T


def header_of(kind):
    header = kind(np.zeros((1, 1, 1, 1), np.int16), np.eye(4)).header
    header.set_xyzt_units("mm", "sec")
    header.set_zooms((2, 2, 3, 1.5))
    return header


def test_every_voxel_has_the_value_of_its_column():
    np.testing.assert_array_equal(painting_of().array(), whole_of(COLUMNS))
    single = painting_of(COLUMNS[0])
    np.testing.assert_array_equal(single.array(), whole_of(COLUMNS[:1])[..., 0])


def test_whole_numbers_are_the_nearest():
    painted = painting_of(dtype=np.int16).array()
    assert painted.dtype == np.int16
    np.testing.assert_array_equal(painted, np.rint(whole_of(COLUMNS)))


def test_few_volumes_are_painted_at_a_time():
    painting, painted = painting_of(), []
    expand = painting.projection.expand
    painting.projection.expand = lambda rows: painted.append(len(rows)) or expand(rows)
    volumes = [volume.copy() for volume in painting.volumes()]
    assert painted == [4] * 9 + [1]
    np.testing.assert_array_equal(np.array(volumes), painting.array().reshape(-1, 37, order="F").T)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int64])
@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[0]], ids=["4D", "3D"])
def test_what_is_written_is_what_nibabel_writes_of_the_array(tmp_path, kind, dtype, columns):
    header, painting = kind and header_of(kind), painting_of(columns, dtype)
    for suffix in ".nii", ".nii.gz":
        painting.write(tmp_path / f"ours{suffix}", header, 0.8)
        image = make_image(painting.array(), GRID, header, 0.8)
        image.set_data_dtype(dtype)  # int32 in memory, if it is of 64 bits
        image.to_filename(tmp_path / f"theirs{suffix}")
    ours, theirs = (tmp_path / f"{name}.nii" for name in ("ours", "theirs"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert gzip.decompress((tmp_path / "ours.nii.gz").read_bytes()) == theirs.read_bytes()


def test_the_same_columns_give_the_same_bytes(tmp_path):
    for name in "a.nii.gz", "b.nii.gz":
        painting_of().write(tmp_path / name, None, None)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_an_array_of_its_own():
    columns = COLUMNS.copy()
    painted = painting_of(columns).array()
    columns[:] = 0
    np.testing.assert_array_equal(painted, whole_of(COLUMNS))
