import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.affine import apply_affine
from bidsmask.reports.drawing import slices

SHAPE = (10, 12, 9)
RAS = np.array([[2.0, 0, 0, -9], [0, 2, 0, -11], [0, 0, 2, -7], [0, 0, 0, 1]])


def stored_as(codes, volume=None):
    """The same head, its voxels stored along other axes: array, affine."""
    if volume is None:
        volume = head()
    axes = ["RAS".index({"L": "R", "P": "A", "I": "S"}.get(code, code)) for code in codes]
    flips = [code in "LPI" for code in codes]
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for stored, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        turn[axis, stored] = -1 if flip else 1
        turn[axis, 3] = volume.shape[axis] - 1 if flip else 0
    array = volume.transpose(axes)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return array, RAS @ turn


def head():
    """Half-bright everywhere, bright at the right, front and top."""
    volume = np.full(SHAPE, 50)
    volume[-3:, -3:, -3:] = 100
    return volume


all_codes = st.permutations(["RL", "AP", "SI"]).flatmap(
    lambda axes: st.tuples(*(st.sampled_from(ends) for ends in axes)).map("".join)
)


@given(all_codes)
def test_a_volume_looks_the_same_however_it_is_stored(codes):
    array, affine = stored_as(codes)
    np.testing.assert_array_equal(slices.to_ras(array, affine), head())
    np.testing.assert_allclose(slices.ras_affine(array.shape, affine), RAS, atol=1e-12)


@given(all_codes)
def test_rows_are_the_same_however_the_volume_is_stored(codes):
    array, affine = stored_as(codes)
    expected = slices.rows(head().astype(float), head(), RAS, {100})
    found = slices.rows(array.astype(float), array, affine, {100})
    for row, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row.picture.rgb(), same.picture.rgb())
        assert row.positions_mm == pytest.approx(same.positions_mm)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "PSR"])
def test_right_is_right_front_is_up_and_top_is_up(codes):
    array, affine = stored_as(codes)
    axial, coronal, sagittal = slices.rows(array.astype(float), array, affine, {100})
    for row in (axial, coronal, sagittal):
        last = tiles(row)[-1]
        where = np.argwhere(is_lost(last))
        middle = (np.array(last.shape[:2]) - 1) / 2
        assert (where[:, 0] < middle[0]).all()  # rows run downwards: top or front
        assert (where[:, 1] > middle[1]).all()  # columns: right, or front in sagittal slices


def test_an_oblique_volume_is_turned_to_the_nearest_axes():
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    array, affine = stored_as("LPS")
    np.testing.assert_array_equal(slices.to_ras(array, turn @ affine), head())


def test_a_position_is_the_world_coordinate_of_the_slice():
    labels = np.zeros(SHAPE, dtype=int)
    labels[:, :, 4] = 1
    axial = slices.rows(labels.astype(float), labels, RAS, ())[0]
    assert axial.positions_mm == pytest.approx([apply_affine(RAS, np.array([0, 0, 4]))[2]])


def test_slices_move_to_where_a_region_is_lost():
    labels = np.ones((30, 30, 30), dtype=int)
    labels[3, 17, 26] = 2
    for row in slices.rows(labels.astype(float), labels, RAS, {2}):
        assert is_lost(row.picture.rgb()).any()


def test_pixels_are_square_though_voxels_are_not():
    labels = np.ones((10, 10, 5), dtype=int)
    row = slices.rows(labels.astype(float), labels, np.diag([2.0, 2.0, 4.0, 1.0]), ())[1]
    height, width = tiles(row)[0].shape[:2]
    assert height == width == 20
    assert (row.width_mm, row.height_mm) == (20, 20)


def test_a_line_between_two_regions_is_one_pixel_wide():
    labels = np.ones((6, 6, 1), dtype=int)
    labels[3:] = 2
    edges = slices._edges(np.repeat(np.repeat(labels[..., 0], 2, 0), 2, 1))
    assert edges[:, 6].tolist() == [False] * 6 + [True] + [False] * 5 or edges[6, 6]
    assert not edges[5, 6]


def test_a_reference_of_nan_and_nothing_is_black():
    labels = np.ones((4, 4, 4), dtype=int)
    reference = np.full((4, 4, 4), np.nan)
    picture = slices.rows(reference, labels, RAS, ())[0].picture.rgb()
    outline = (picture == slices.OUTLINE).all(axis=-1)
    assert not picture[~outline].any()


def tiles(row):
    return np.split(row.picture.rgb(), len(row.positions_mm), axis=1)


def is_lost(picture):
    """Where red is far above blue."""
    return picture[..., 0].astype(int) - picture[..., 2] > 60
