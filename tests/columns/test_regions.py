import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.columns.regions import (
    PlacedLabels,
    coverage_table,
    load_labels,
    place_labels,
    usable,
)
from bidsmask.columns.table import table_from_labels
from bidsmask.errors import AtlasError, SpaceError
from bidsmask.images.grid import Grid


def grid_of(run):
    return Grid(shape=run.shape, affine=run.affine)


def place(run, **changes):
    given = {"labels": run.labels, "atlas_grid": grid_of(run), "ids": run.ids} | changes
    return place_labels(
        given["labels"], given["atlas_grid"], given["ids"], grid=grid_of(run), mask=run.mask
    )


def labels_refusal(path):
    with pytest.raises(AtlasError) as caught:
        load_labels(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# ---- label images


@settings(deadline=None, max_examples=40)
@given(
    dtype=st.sampled_from(["i4", "u4", "i8", "u8", "f4", "f8"]),
    order=st.sampled_from("<>"),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    version=st.sampled_from([1, 2]),
)
def test_how_labels_are_stored_changes_no_label(run, write_image, dtype, order, suffix, version):
    path = write_image(run.labels, suffix, dtype=dtype, order=order, version=version)
    labels, grid = load_labels(path)
    assert labels.dtype == np.int32
    assert grid == grid_of(run)
    np.testing.assert_array_equal(labels, run.labels)


def test_labels_that_scaling_makes_slightly_uneven_are_rounded(run, write_image):
    labels = run.labels % 13
    path = write_image(labels * 1.0, dtype="i2", slope=np.float32(0.001), inter=0.0)
    np.testing.assert_array_equal(load_labels(path)[0], labels)


@pytest.mark.parametrize("largest", [2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1])
def test_large_labels_are_exact(run, write_image, largest):
    labels = run.labels.astype(np.int64)
    labels[labels == 12] = largest
    loaded, _ = load_labels(write_image(labels))
    np.testing.assert_array_equal(loaded, labels)
    placed = place(run, labels=loaded, ids=(3, 1, largest, 8, 70_000))
    np.testing.assert_array_equal(placed.n_voxels, place(run).n_voxels)


def test_labels_that_no_signed_integer_holds_are_refused(run, write_image):
    labels = run.labels.astype(np.uint64)
    labels[0, 0, 0] = 2**63
    assert "too large" in labels_refusal(write_image(labels))


@pytest.mark.parametrize(
    ("value", "words"),
    [(2.5, "interpolation"), (1.002, "1.002"), (-1, "not negative"), (np.nan, "1 voxels are NaN")],
)
def test_what_is_no_label_is_refused(run, write_image, value, words):
    labels = run.labels.astype(float)
    labels[2, 2, 2] = value
    assert words in labels_refusal(write_image(labels))


def test_a_negative_integer_is_refused(run, write_image):
    assert "-7 is no label" in labels_refusal(write_image(run.labels.astype("i2") - 7))


def test_an_image_without_regions_is_refused(run, write_image):
    assert "no regions" in labels_refusal(write_image(run.labels * 0))


def test_a_fourth_axis_of_length_one_is_no_axis(run, write_image):
    np.testing.assert_array_equal(load_labels(write_image(run.labels[..., None]))[0], run.labels)


def test_several_label_volumes_are_refused(run, write_image):
    assert "several volumes" in labels_refusal(write_image(np.stack([run.labels] * 2, axis=-1)))


def test_a_damaged_atlas_is_refused_before_any_run_starts(run, write_image):
    path = write_image(run.labels)
    path.write_bytes(path.read_bytes()[:-30])
    assert labels_refusal(path)
    assert "does not exist" in labels_refusal(path.with_name("missing.nii.gz"))


# ---- on the grid of a run


@settings(deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_the_table_orders_the_columns_and_nothing_else(run, order):
    base, placed = place(run), place(run, ids=tuple(run.ids[i] for i in order))
    for name in "n_voxels", "n_covered", "coverage":
        np.testing.assert_array_equal(getattr(placed, name), getattr(base, name)[list(order)])
    np.testing.assert_array_equal(placed.labels, base.labels)


def test_voxels_are_counted_on_the_grid_and_inside_the_mask(run):
    placed = place(run)
    np.testing.assert_array_equal(
        placed.n_voxels, [np.count_nonzero(run.labels == label) for label in run.ids]
    )
    np.testing.assert_array_equal(
        placed.n_covered, [np.count_nonzero(run.labels[run.mask] == label) for label in run.ids]
    )
    np.testing.assert_allclose(placed.coverage, placed.n_covered / placed.n_voxels)


def test_a_label_without_voxels_keeps_its_column(run):
    placed = place(run, ids=(*run.ids, 99))
    assert (placed.n_voxels[-1], placed.n_covered[-1], placed.coverage[-1]) == (0, 0, 0)
    assert placed.projection().n_columns == 6


def test_the_projection_takes_voxels_of_the_mask_only(run):
    inside = run.mask & (run.labels > 0)
    np.testing.assert_array_equal(
        np.sort(place(run).projection().support), np.flatnonzero(inside.ravel(order="F"))
    )


def test_an_atlas_on_another_grid_is_taken_at_the_nearest_voxel(run):
    finer = nib.affines.from_matvec(run.affine[:3, :3] / 2, run.affine[:3, 3])
    labels = np.kron(run.labels, np.ones((2, 2, 2), dtype=np.int32))
    placed = place(run, labels=labels, atlas_grid=Grid(shape=labels.shape, affine=finer))
    np.testing.assert_array_equal(placed.labels, run.labels)


def test_a_label_that_the_table_does_not_name_is_refused(run):
    with pytest.raises(AtlasError, match=r"2 labels of the image.*: 12, 70000"):
        place(run, ids=(3, 1, 8))


def test_an_atlas_that_lies_elsewhere_is_refused(run):
    elsewhere = run.affine.copy()
    elsewhere[:3, 3] += 500
    with pytest.raises(SpaceError, match="same space"):
        place(run, atlas_grid=Grid(shape=run.shape, affine=elsewhere))


def test_placed_labels_read_back_as_they_were_saved(run, tmp_path):
    placed = place(run)
    placed.save(tmp_path / "placed.npz")
    loaded = PlacedLabels.load(tmp_path / "placed.npz")
    assert loaded.grid == placed.grid
    for name in "labels", "mask", "ids", "n_voxels", "n_covered":
        value = getattr(loaded, name)
        assert value.dtype == getattr(placed, name).dtype
        np.testing.assert_array_equal(value, getattr(placed, name))


# ---- coverage


def test_the_table_has_a_row_for_every_region_in_the_order_of_the_columns(run):
    ids = (*run.ids, 99)
    signals = np.random.default_rng(0).normal(size=(9, 6))
    lut = table_from_labels(ids)
    table = coverage_table(place(run, ids=ids), lut, signals=signals, min_coverage=0.5)
    columns = ["Node", "index", "n_voxels", "n_covered", "coverage", "status", "reason"]
    assert list(table.columns) == columns
    assert list(table["Node"]) == [f"label-{label}" for label in ids]
    assert list(table["index"]) == list(ids)
    np.testing.assert_array_equal(table["n_voxels"], [32, 32, 16, 42, 16, 0])
    np.testing.assert_array_equal(table["coverage"], [1.0, 1.0, 0.5, 0, 0.5, 0])


def test_a_covered_region_is_ok_and_needs_no_reason(run):
    everywhere = np.ones(run.shape, dtype=bool)
    grid = grid_of(run)
    placed = place_labels(run.labels, grid, run.ids, grid=grid, mask=everywhere)
    signals = np.random.default_rng(0).normal(size=(9, 5))
    lut = table_from_labels(run.ids)
    table = coverage_table(placed, lut, signals=signals, min_coverage=1.0)
    assert set(table["status"]) == {"ok"}
    assert set(table["reason"]) == {"n/a"}
    assert usable(table).all()


def test_statuses_exclude_each_other_and_have_reasons():
    grid = Grid(shape=(8, 1, 1), affine=np.eye(4))
    labels = np.array([1, 1, 2, 2, 3, 4, 5, 6]).reshape(8, 1, 1)
    mask = np.array([1, 1, 1, 0, 0, 1, 1, 1], dtype=bool).reshape(8, 1, 1)
    placed = place_labels(labels, grid, range(1, 8), grid=grid, mask=mask)
    signals = np.random.default_rng(0).normal(size=(5, 7))
    signals[:, 3], signals[:, 4], signals[2, 5] = 7.0, np.nan, np.inf
    lut = table_from_labels(range(1, 8))
    table = coverage_table(placed, lut, signals=signals, min_coverage=0.5)
    expected = ["ok", "partial", "empty", "constant", "constant", "constant", "empty"]
    assert list(table["status"]) == expected
    assert list(table["reason"]) == [
        "n/a",
        "1 of 2 voxels (50.0%) lie inside the brain mask.",
        "0 of 1 voxels (0.0%) lie inside the brain mask.",
        "The signal is the same in all volumes.",
        "There is no finite value in 5 of 5 volumes.",
        "There is no finite value in 1 of 5 volumes.",
        "No voxel of this region lies on the grid of the run.",
    ]
    np.testing.assert_array_equal(usable(table), [True, True, False, False, False, False, False])
    stricter = coverage_table(placed, lut, signals=signals, min_coverage=0.51)
    assert stricter["status"][1] == "low"
    assert "at least 51.0% is asked for" in stricter["reason"][1]
    assert isinstance(table, pd.DataFrame)
    assert usable(table).dtype == bool
