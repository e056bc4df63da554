import pickle

import nibabel as nib
import numpy as np
import pytest

from bidsmask.images.grid import Grid, as_written

AFFINE = nib.affines.from_matvec(np.diag([-2.0, 2.5, 3.0]), [90.0, -126.0, -72.0])


def grid(shape=(5, 6, 7), affine=AFFINE):
    return Grid(shape=shape, affine=affine)


def test_a_grid_is_equal_to_itself_moved_by_less_than_the_tolerance():
    nudged = AFFINE.copy()
    nudged[0, 3] += 0.005
    assert grid() == grid(affine=nudged)


@pytest.mark.parametrize("shift_mm", [0.02, 1.0])
def test_a_grid_differs_from_itself_moved_further(shift_mm):
    moved = AFFINE.copy()
    moved[1, 3] += shift_mm
    assert grid() != grid(affine=moved)


def test_grids_of_other_shape_or_other_kind_differ():
    assert grid() != grid(shape=(5, 6, 8))
    assert grid() != "grid"


def test_a_grid_has_no_hash():
    with pytest.raises(TypeError, match="unhashable"):
        hash(grid())


def test_a_grid_keeps_its_own_affine_and_nobody_can_change_it():
    affine = AFFINE.copy()
    kept = grid(affine=affine)
    affine[0, 0] = 99
    assert kept == grid()
    with pytest.raises(ValueError, match="read-only"):
        kept.affine[0, 0] = 99


def test_a_grid_says_what_it_is():
    assert repr(grid()) == (
        "Grid(5 × 6 × 7 voxels of 2 × 2.5 × 3 mm, LAS, first voxel at (90, -126, -72) mm)"
    )
    assert (grid().n_voxels, grid().orientation) == (210, "LAS")
    np.testing.assert_allclose(grid().voxel_sizes_mm, [2, 2.5, 3])


def test_a_grid_survives_the_way_to_another_process():
    assert pickle.loads(pickle.dumps(grid())) == grid()


def test_the_grid_of_an_image_leaves_out_time():
    image = nib.Nifti1Image(np.zeros((5, 6, 7, 2), dtype=np.int16), AFFINE)
    assert Grid.from_image(image) == grid()


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7, 8), (5, 0, 7), (5, -1, 7)])
def test_three_positive_sizes_are_needed(shape):
    with pytest.raises(ValueError, match="three axes"):
        grid(shape=shape)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [((0, 0), np.nan, "finite"), ((0, 0), 0, "singular"), ((3, 0), 1, "last row")],
)
def test_an_affine_that_cannot_be_inverted_is_refused(place, value, reason):
    affine = AFFINE.copy()
    affine[place] = value
    with pytest.raises(ValueError, match=reason):
        grid(affine=affine)
    with pytest.raises(ValueError, match="4 × 4"):
        grid(affine=np.eye(3))


def test_another_last_row_is_that_of_the_file_that_is_saved(tmp_path):
    img = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), 2 * np.eye(4))
    img.to_filename(tmp_path / "image.nii")
    with pytest.warns(UserWarning, match=r"last row of an affine is \[0.0, 0.0, 0.0, 2.0\]"):
        here = Grid.from_image(img)
    assert here == Grid.from_image(nib.load(tmp_path / "image.nii"))


def test_rounding_in_the_last_row_is_put_right_in_silence():
    affine = AFFINE.copy()
    affine[3, 0] = 1e-17
    np.testing.assert_array_equal(as_written(affine), AFFINE)
    assert affine[3, 0] == 1e-17
