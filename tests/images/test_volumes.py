import numpy as np
import pytest

from bidsmask.images.grid import Grid
from bidsmask.images.volumes import (
    as_volume,
    cropped,
    make_image,
    mask_on,
    read_mask,
    refuse_other_grids,
)

GRID = Grid(shape=(6, 5, 4), affine=np.diag([2.0, 2, 2, 1]))


def test_flat_voxels_find_their_places():
    volumes = np.arange(2 * GRID.n_voxels).reshape(2, -1)
    array = as_volume(volumes, GRID)
    np.testing.assert_array_equal(array[..., 1].ravel(order="F"), volumes[1])
    assert array.base is not None  # a view


def test_a_box_around_a_mask_leaves_voxels_where_they_were():
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[2:4, 2, 0] = True
    inside, grid = cropped(mask, GRID)
    assert grid.shape == (4, 3, 2)
    first = grid.affine @ [*np.argwhere(inside)[0], 1]
    np.testing.assert_allclose(first, GRID.affine @ [2, 2, 0, 1])


def test_a_mask_is_where_every_volume_is_something(image):
    values = np.ones((3, 3, 3, 2))
    values[0, 0, 0, 1], values[1, 1, 1, 0], values[2, 2, 2, 0] = 0, np.nan, np.inf
    with pytest.warns(UserWarning, match="Non-finite"):
        mask, _ = read_mask(image(values))
    assert np.argwhere(~mask).tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]


def test_a_mask_that_lies_elsewhere_is_empty():
    far = Grid(shape=(3, 3, 3), affine=np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 900)
    with pytest.raises(ValueError, match="masks all data"):
        mask_on(np.ones(GRID.shape, dtype=bool), GRID, far)


def test_images_have_units_even_without_a_run():
    image = make_image(np.ones((*GRID.shape, 2), np.float32), GRID, t_r=1.5)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.header.get_zooms() == (2, 2, 2, 1.5)
    still = make_image(np.ones(GRID.shape, dtype=bool), GRID, t_r=1.5)
    assert still.header.get_xyzt_units() == ("mm", "unknown")
    assert still.get_data_dtype() == np.uint8


def test_other_grids_are_named():
    other = Grid(shape=(6, 5, 4), affine=np.diag([2.0, 2, 3, 1]))
    refuse_other_grids({"labels": GRID, "mask": GRID})
    with pytest.raises(ValueError, match=r"labels: Grid.*2 × 2 × 2.*data: Grid.*2 × 2 × 3"):
        refuse_other_grids({"labels": GRID, "data": other})
