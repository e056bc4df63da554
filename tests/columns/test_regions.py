"""Label images, and their regions on the grid of a run; laws of all columns are in `contract`."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.columns.extract import coverage_of
from bidsmask.columns.regions import labels_in, place_regions, read_labels
from bidsmask.errors import AtlasError, DimensionError, ImageError
from bidsmask.images.grid import Grid


def grid_of(run):
    return Grid(shape=run.shape, affine=run.affine)


def place(run, **changes):
    given = {"labels": run.labels, "atlas_grid": grid_of(run), "ids": run.ids} | changes
    return place_regions(
        given["labels"], given["atlas_grid"], given["ids"], grid=grid_of(run), mask=run.mask
    )


def everything(placed):
    return np.ones(placed.grid.n_voxels, dtype=bool)


def labels_refusal(path, error=AtlasError):
    with pytest.raises(error) as caught:
        read_labels(path)
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
    labels, grid = read_labels(path)
    assert labels.dtype.kind in "iu"
    assert grid == grid_of(run)
    np.testing.assert_array_equal(labels, run.labels)


def test_labels_that_scaling_makes_slightly_uneven_are_rounded(run, write_image):
    labels = run.labels % 13
    path = write_image(labels * 1.0, dtype="i2", slope=np.float32(0.001), inter=0.0)
    np.testing.assert_array_equal(read_labels(path)[0], labels)


@pytest.mark.parametrize("largest", [2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1])
def test_large_labels_are_exact(run, write_image, largest):
    labels = run.labels.astype(np.int64)
    labels[labels == 12] = largest
    loaded, _ = read_labels(write_image(labels))
    np.testing.assert_array_equal(loaded, labels)
    placed = place(run, labels=loaded, ids=(3, 1, largest, 8, 70_000))
    np.testing.assert_array_equal(placed.codes, place(run).codes)


def test_labels_that_no_signed_integer_holds_are_refused(run, write_image):
    labels = run.labels.astype(np.uint64)
    labels[0, 0, 0] = 2**63
    assert "too large" in labels_refusal(write_image(labels))


@pytest.mark.parametrize(("value", "words"), [(2.5, "interpolation"), (1.002, "1.002")])
def test_what_is_no_label_is_refused(run, write_image, value, words):
    labels = run.labels.astype(float)
    labels[2, 2, 2] = value
    assert words in labels_refusal(write_image(labels))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_voxel_that_is_no_number_is_background_and_it_is_said(run, write_image, value):
    labels = run.labels.astype(float)
    labels[2, 2, 2] = value
    expected = run.labels.copy()
    expected[2, 2, 2] = 0
    told = []
    found, _ = read_labels(write_image(labels), tell=told.append)
    assert len(told) == 1
    assert "Non-finite values detected" in told[0]
    np.testing.assert_array_equal(found, expected)


def test_negative_labels_are_regions_like_others(run, write_image):
    labels, _ = read_labels(write_image(run.labels.astype("i4") - 7))
    placed = place(run, labels=labels, ids=[label - 7 for label in run.ids])
    np.testing.assert_array_equal(placed.codes, place(run).codes)


def test_a_fourth_axis_of_length_one_is_no_axis(run, write_image):
    np.testing.assert_array_equal(read_labels(write_image(run.labels[..., None]))[0], run.labels)


def test_several_label_volumes_are_refused(run, write_image):
    path = write_image(np.stack([run.labels] * 2, axis=-1))
    assert labels_refusal(path, DimensionError)


def test_a_damaged_atlas_is_refused(run, write_image):
    path = write_image(run.labels)
    path.write_bytes(path.read_bytes()[:-30])
    assert labels_refusal(path, ImageError)
    assert labels_refusal(path.with_name("missing.nii.gz"), ImageError)


@settings(deadline=None, max_examples=40)
@given(labels=st.lists(st.integers(-9, 9) | st.sampled_from([-(2**62), 1 << 20, 2**62])))
def test_labels_are_listed_once_and_ascending(labels):
    found = labels_in(np.array(labels, dtype=np.int64))
    assert found.tolist() == sorted(set(labels))


# ---- on the grid of a run


@settings(deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_the_table_orders_the_columns_and_nothing_else(run, order):
    base, placed = place(run), place(run, ids=[run.ids[i] for i in order])
    for name in "n_voxels", "n_on_grid", "n_inside", "size", "size_inside":
        found, expected = (getattr(each.extent, name) for each in (placed, base))
        np.testing.assert_array_equal(found, expected[list(order)])
    np.testing.assert_array_equal(placed.support, base.support)


def test_voxels_are_counted_on_the_grid_and_inside_the_mask(run):
    extent = place(run).extent
    expected = [np.count_nonzero(run.labels == label) for label in run.ids]
    np.testing.assert_array_equal(extent.n_voxels, expected)
    np.testing.assert_array_equal(extent.n_on_grid, expected)
    np.testing.assert_array_equal(
        extent.n_inside, [np.count_nonzero(run.labels[run.mask] == label) for label in run.ids]
    )


def test_a_label_without_voxels_keeps_its_column(run):
    placed = place(run, ids=(*run.ids, 99))
    assert placed.n_columns == 6
    assert (placed.extent.n_voxels[-1], placed.extent.n_inside[-1]) == (0, 0)
    assert coverage_of(placed, everything(placed), min_coverage=0).share[-1] == 0


def test_regions_are_made_of_voxels_of_the_mask_only(run):
    inside = run.mask & (run.labels > 0)
    np.testing.assert_array_equal(place(run).support, np.flatnonzero(inside.ravel(order="F")))


def test_an_atlas_on_another_grid_is_taken_at_the_nearest_voxel(run):
    finer = nib.affines.from_matvec(run.affine[:3, :3] / 2, run.affine[:3, 3])
    labels = np.kron(run.labels, np.ones((2, 2, 2), dtype=np.int32))
    placed = place(run, labels=labels, atlas_grid=Grid(shape=labels.shape, affine=finer))
    np.testing.assert_array_equal(placed.codes, place(run).codes)


def test_labels_that_nobody_asks_for_are_background(run):
    placed, whole = place(run, ids=(3, 1, 8)), place(run)
    kept = np.isin(whole.codes, [1, 2, 4])
    np.testing.assert_array_equal(placed.codes > 0, kept)


# ---- what the table of coverage says


def test_the_table_has_a_row_for_every_region_in_the_order_of_the_columns(run):
    ids = (*run.ids, 99)
    placed = place(run, ids=ids)
    coverage = coverage_of(placed, everything(placed), min_coverage=0.5)
    centroids = placed.centroids(everything(placed))
    table = coverage.table([f"label-{label}" for label in ids], ids, centroids)
    columns = ["Node", "index", "n_voxels", "n_covered", "coverage", "status", "reason"]
    assert list(table.columns) == [*columns, "x", "y", "z"]
    np.testing.assert_array_equal(table[["x", "y", "z"]], centroids.round(2))
    assert list(table["Node"]) == [f"label-{label}" for label in ids]
    assert list(table["index"]) == list(ids)
    np.testing.assert_array_equal(table["n_voxels"], [32, 32, 16, 42, 16, 0])
    np.testing.assert_array_equal(table["coverage"], [1.0, 1.0, 0.5, 0, 0.5, 0])


def test_a_covered_region_is_ok_and_needs_no_reason(run):
    placed = place_regions(run.labels, grid_of(run), run.ids, grid=grid_of(run))
    coverage = coverage_of(placed, everything(placed), min_coverage=1.0)
    assert set(coverage.status) == {"ok"}
    assert set(coverage.reason) == {"n/a"}
    assert coverage.usable.all()


def test_statuses_exclude_each_other_and_have_reasons():
    atlas, grid = (Grid(shape=(size, 1, 1), affine=np.eye(4)) for size in (11, 9))
    labels = np.array([1, 1, 2, 2, 3, 4, 5, 6, 8, 8, 9]).reshape(11, 1, 1)
    mask = np.array([1, 1, 1, 0, 0, 1, 1, 1, 1], dtype=bool).reshape(9, 1, 1)
    measured = np.array([1, 1, 1, 1, 1, 0, 1, 1, 1], dtype=bool)
    placed = place_regions(labels, atlas, range(1, 10), grid=grid, mask=mask)
    still = np.arange(9) == 4
    coverage = replace(coverage_of(placed, measured, min_coverage=0.5), still=still)
    assert coverage.status == [
        *("ok", "partial", "empty", "constant", "constant", "ok", "empty", "partial", "empty")
    ]
    assert coverage.reason == [
        "n/a",
        "1 of 2 voxels (50.0%) are covered (1 outside of the mask).",
        "None of its 1 voxels on the grid lies inside the mask.",
        "None of its 1 voxels inside the mask has finite values that change.",
        "Its signal is the same in all volumes, or is not finite in some.",
        "n/a",
        "It has no voxel in the atlas, or none that a voxel of the run is nearest to.",
        "1 of 2 voxels (50.0%) are covered (1 beyond the grid of the run).",
        "None of its voxels lies on the grid of the run.",
    ]
    usable = [True, True, False, False, False, True, False, True, False]
    np.testing.assert_array_equal(coverage.usable, usable)
    stricter = coverage_of(placed, measured, min_coverage=0.51)
    assert stricter.status[1] == "low"
    assert "at least 51.0% is asked for" in stricter.reason[1]
