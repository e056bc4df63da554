"""Columns on surfaces: what holds for volumes holds for them, in the order of either format."""

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
import pytest
from worlds import surface_files as files

from bidsmask._typing import FloatArray
from bidsmask.columns.extract import extract
from bidsmask.columns.request import Request
from bidsmask.columns.surface_labels import (
    SurfaceLabels,
    place_surface_regions,
    read_surface_labels,
)
from bidsmask.columns.table import table_from_labels
from bidsmask.columns.voxels import place_voxels
from bidsmask.errors import AtlasError, SpaceError
from bidsmask.images.grayordinates import Grayordinates, Structure
from bidsmask.images.grid import Grid
from bidsmask.images.signals_on_disk import new_signals
from bidsmask.images.surface_series import SurfaceSeries, open_surfaces
from columns.contract import SHAPE, ColumnsTests

N = int(np.prod(SHAPE))
ALL = np.arange(N)
N_LEFT = 200
N_REGIONS = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Unfolded(Grayordinates):
    """Places of the voxels of a volume, as if they were vertices; with its affine."""

    affine: FloatArray


def unfolded(affine):
    left = Structure(name="CORTEX_LEFT", places=np.arange(N_LEFT), n_vertices=N_LEFT)
    right = Structure(name="CORTEX_RIGHT", places=np.arange(N - N_LEFT), n_vertices=N - N_LEFT)
    return Unfolded(structures=(left, right), affine=affine)


class _InMemory:
    """Values (V, T), in the order of CIFTI or of GIFTI."""

    def __init__(self, values, *, by_points, at_once):
        self.values, self.by_points, self._at_once = values, by_points, at_once
        self.n_volumes, self.dtype = values.shape[1], values.dtype

    def blocks(self):
        for start in range(0, self.n_volumes, self._at_once):
            block = np.ascontiguousarray(self.values[:, start : start + self._at_once].T)
            yield slice(start, start + len(block)), block

    def point_blocks(self):
        for start in range(0, N, self._at_once):
            yield slice(start, min(N, start + self._at_once)), self.values[start:][: self._at_once]

    def take(self, points):
        return self.values[points]

    def scale(self, values):
        return values


class OnSurfaces(ColumnsTests):
    """The contract, with the voxels of a volume for vertices."""

    by_points: bool
    at_once = 37

    def test_the_centroid_is_the_middle_of_what_was_measured(self, img, placed):
        """Until somebody has said where vertices lie, nobody knows."""
        assert np.isnan(placed.centroids(np.ones(N, dtype=bool))).all()
        placed = replace(placed, grid=replace(placed.grid, mm=Grid.from_image(img).places_mm(ALL)))
        super().test_the_centroid_is_the_middle_of_what_was_measured(img, placed)

    def weights_of_centroids(self, columns):
        return np.array([np.isin(ALL, voxels) for voxels in columns.members])

    def read(self, img, columns, statistic=None, **how):
        values = np.asarray(img.dataobj).reshape(-1, img.shape[3], order="F")
        source = _InMemory(values, by_points=self.by_points, at_once=self.at_once)
        series = SurfaceSeries("a run", unfolded(img.affine), source, kind="cifti")
        request = Request(columns=columns, statistic=statistic or self.statistics[0], **how)
        (extraction,) = extract(series, [request])
        return extraction

    def by_hand(self, values, columns, measured, statistic):
        compute = {"mean": np.mean, "median": np.median}[statistic]
        signals = [
            compute(values[:, voxels[measured[voxels]]], axis=1)
            if measured[voxels].any()
            else np.full(len(values), np.nan)
            for voxels in columns.members
        ]
        return np.column_stack(signals)

    @pytest.mark.parametrize("n_points", [1, 50, 1000])
    def test_the_size_of_blocks_changes_nothing(self, placed, n_points):
        img = run(placed)
        whole = self.read(img, placed)
        self.at_once = n_points
        cut = self.read(img, placed)
        np.testing.assert_allclose(cut.signals, whole.signals, rtol=1e-12)

    def test_what_else_is_asked_for_changes_nothing(self, placed):
        statistic = self.statistics[0]
        wanted = Request(columns=placed, statistic=statistic, min_coverage=0.3)
        others = [Request(columns=placed, statistic=each) for each in self.statistics]
        source = _InMemory(
            self.values(run(placed)).T, by_points=self.by_points, at_once=self.at_once
        )
        series = SurfaceSeries("a run", placed.grid, source, kind="cifti")
        *_, together = extract(series, [*others, wanted])
        alone = self.read(run(placed), placed, min_coverage=0.3)
        np.testing.assert_array_equal(together.signals, alone.signals)

    def test_smoothing_without_a_mesh_is_refused_and_not_forgotten(self, placed):
        with pytest.raises(SpaceError, match="takes a mesh, and there is none of CORTEX_LEFT"):
            self.read(run(placed), placed, smoothing_fwhm=4.0)


def run(placed):
    """A run of noise, with places that are missing and places that never change."""
    values = 1000 + 20 * np.random.default_rng(3).normal(size=(N, 40))
    values[:3, 5], values[40:60] = np.nan, 7.0
    return nib.Nifti1Image(values.reshape(*SHAPE, 40, order="F"), placed.grid.affine)


class Regions(OnSurfaces):
    statistics = ("mean", "median")

    def columns(self, grid, mask=None):
        places = unfolded(grid.affine)
        codes = np.random.default_rng(5).integers(0, N_REGIONS + 1, N).astype(np.int32)
        labels = SurfaceLabels(
            places=places, codes=codes, table=table_from_labels(range(1, N_REGIONS + 1))
        )
        flat = None if mask is None else mask.ravel(order="F")
        return place_surface_regions(labels, places, flat)


class TestRegionsOfPoints(Regions):
    by_points = True


class TestRegionsOfVolumes(Regions):
    by_points = False


class Vertices(OnSurfaces):
    def weights_of_centroids(self, columns):
        return columns.indices[:, np.newaxis] == ALL

    def columns(self, grid, mask=None):
        indices = np.random.default_rng(7).permutation(N)[:150]
        if mask is not None:
            indices = indices[mask.ravel(order="F")[indices]]
        return place_voxels(indices, unfolded(grid.affine))

    def by_hand(self, values, columns, measured, statistic):
        return values[:, columns.indices]

    def test_a_mask_hides_voxels_and_says_so(self):
        """A vertex outside of the mask has no column."""

    def test_a_column_below_the_minimum_is_missing_and_disturbs_no_other(self):
        """Vertices are read as they are."""

    def test_a_run_in_which_nothing_changes_keeps_its_values_where_that_is_asked_for(self):
        """Vertices are read as they are."""

    def test_a_voxel_that_drops_out_late_is_left_out_of_all_volumes(self):
        """Vertices are read as they are."""


class TestVerticesOfPoints(Vertices):
    by_points = True


class TestVerticesOfVolumes(Vertices):
    by_points = False


# Placing


@pytest.fixture
def labels(tmp_path):
    keys = [0, 1, 1, 2, 2, 2, 0, 0, 3, 3, 3, 3, 5, 5, 5, 0, 6, 6, 6, 6, 6]
    names = {0: "???", 1: "a", 2: "b", 3: "c", 5: "d", 6: "e"}
    return files.write_dlabel(tmp_path / "a.dlabel.nii", keys, names, files.brain_axis())


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(1000, 20, (21, 8)).astype(np.float32)


def means(path_or_pair, labels, **how):
    series = open_surfaces(path_or_pair)
    placed = place_surface_regions(read_surface_labels(labels), series.grid)
    (extraction,) = extract(series, [Request(columns=placed, **how)])
    return extraction


def test_a_cifti_file_and_the_gifti_pair_of_its_values_give_the_same_numbers(
    tmp_path, labels, values
):
    values[3, 4], values[9] = np.nan, 0
    cifti = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    expected = means(cifti, labels)
    assert expected.coverage.n_covered.tolist() == [2, 2, 3, 3, 5]
    for one in (False, True):
        pair = {
            "left": files.write_func(tmp_path / "lh.func.gii", values[:12], "L", one=one),
            "right": files.write_func(tmp_path / "rh.func.gii", values[12:], "R", one=one),
        }
        again = means(pair, labels)
        np.testing.assert_allclose(again.signals, expected.signals, rtol=1e-12)
        assert again.coverage.reason == expected.coverage.reason


def test_the_order_of_vertices_and_structures_changes_nothing(tmp_path, labels, values):
    straight = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    left, right = np.random.default_rng(1).permutation(12), np.arange(9)[::-1]
    turned = np.concatenate([values[:12][left], values[12:][right]])
    axis = files.brain_axis(left=left, right=right)
    shuffled = files.write_dtseries(tmp_path / "b.dtseries.nii", turned.T, axis)
    axis = axis[12:] + axis[:12]
    turned = np.concatenate([turned[12:], turned[:12]])
    swapped = files.write_dtseries(tmp_path / "c.dtseries.nii", turned.T, axis)
    expected = means(straight, labels).signals
    np.testing.assert_allclose(means(shuffled, labels).signals, expected, rtol=1e-12)
    np.testing.assert_allclose(means(swapped, labels).signals, expected, rtol=1e-12)


def test_nan_zero_and_an_absent_vertex_are_one_thing(tmp_path, labels, values):
    found = []
    for lost in (np.nan, 0.0, None):
        changed, axis = values.copy(), files.brain_axis()
        if lost is None:
            changed, axis = np.delete(changed, 4, axis=0), axis[np.arange(21) != 4]
        else:
            changed[4] = lost
        path = files.write_dtseries(tmp_path / "a.dtseries.nii", changed.T, axis)
        found.append(means(path, labels))
    for each in found:
        np.testing.assert_allclose(each.signals, found[0].signals, rtol=1e-12)
        np.testing.assert_allclose(each.coverage.share, [1, 2 / 3, 1, 1, 1])
    assert "1 not among those of the run" in found[2].coverage.reason[1]
    assert found[2].coverage.reason[1].startswith("2 of 3 vertices (66.7%) are covered")


def test_voxels_of_a_lattice_that_runs_the_other_way_are_found(tmp_path, values):
    ijk = np.array([[1, 2, 3], [4, 4, 4], [5, 0, 1]])
    keys = [*[0] * 21, 1, 1, 2]
    las = files.brain_axis(ijk=ijk)
    atlas = files.write_dlabel(tmp_path / "a.dlabel.nii", keys, {1: "x", 2: "y"}, las)
    ras = files.AFFINE.copy()
    ras[0] = [2, 0, 0, 6 - 2 * 7]
    turned = files.brain_axis(ijk=np.abs(ijk - [7, 0, 0]), affine=ras)
    more = np.concatenate([values, values[:3]])
    expected = np.column_stack([more[21:23].astype(float).mean(axis=0), more[23]])
    for axis in (las, turned):
        path = files.write_dtseries(tmp_path / "a.dtseries.nii", more.T, axis)
        np.testing.assert_allclose(means(path, atlas).signals, expected, rtol=1e-12)


def test_spaces_of_equal_size_are_not_mixed_up(tmp_path, values):
    keys = np.arange(21) % 4
    atlas = tmp_path / "tpl-fsaverage_dseg.dlabel.nii"
    files.write_dlabel(atlas, keys, {1: "a", 2: "b", 3: "c"}, files.brain_axis())
    run = tmp_path / "sub-1_space-fsLR_bold.dtseries.nii"
    files.write_dtseries(run, values.T, files.brain_axis())
    with pytest.raises(SpaceError, match=r"fsLR.*fsaverage"):
        means(run, atlas)


def test_an_atlas_without_a_place_in_the_run_is_refused(tmp_path, values):
    keys = [1] * 12 + [0] * 9
    atlas = files.write_dlabel(tmp_path / "a.dlabel.nii", keys, {1: "a"}, files.brain_axis())
    right = files.write_func(tmp_path / "rh.func.gii", values[12:], "R")
    with pytest.raises(SpaceError, match="No region of the atlas has a place in the run"):
        means(right, atlas)


# Tables


def test_two_keys_with_one_name_are_two_regions(tmp_path):
    keys = np.arange(21) % 4
    names = {0: "???", 1: "a", 2: "a", 3: "b"}
    path = files.write_dlabel(tmp_path / "a.dlabel.nii", keys, names, files.brain_axis())
    table = read_surface_labels(path).table
    assert table.names == ("a (1)", "a (2)", "b")
    assert "Names that several keys share have got the key" in table.warnings[0]


def test_a_key_without_a_row_and_a_row_without_a_place_are_regions(tmp_path, values):
    keys = np.arange(21) % 4
    names = {0: "???", 1: "a", 3: "b", 9: "nowhere"}
    path = files.write_dlabel(tmp_path / "a.dlabel.nii", keys, names, files.brain_axis())
    labels = read_surface_labels(path)
    assert labels.table.ids == (1, 2, 3, 9)
    assert labels.table.names == ("a", "label-2", "b", "nowhere")
    assert "no name for these keys" in labels.table.warnings[0]
    run = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    extraction = means(run, path)
    assert extraction.coverage.status == ["ok", "ok", "ok", "empty"]
    assert extraction.coverage.reason[3] == "It has no vertex."
    assert np.isnan(extraction.signals[:, 3]).all()


def pair_of_labels(folder, left, right, names_left, names_right=None):
    return {
        "left": files.write_label(folder / "lh.label.gii", left, names_left, "L"),
        "right": files.write_label(folder / "rh.label.gii", right, names_right or names_left, "R"),
    }


def test_left_and_right_stay_apart_where_they_use_the_same_keys(tmp_path):
    names = {0: "unknown", 1: "front", 4: "back"}
    pair = pair_of_labels(tmp_path, [1, 1, 4, 0], [4, 1, 4], names)
    labels = read_surface_labels(pair)
    assert labels.table.names == ("L_front", "L_back", "R_front", "R_back")
    assert labels.table.ids == (1, 2, 3, 4)
    assert dict(labels.table.columns) == {
        "hemisphere": ("L", "L", "R", "R"),
        "key": ("1", "4", "1", "4"),
    }
    assert labels.codes.tolist() == [1, 1, 2, 0, 4, 3, 4]


def test_keys_of_their_own_are_kept_as_they_are(tmp_path):
    left, right = {0: "???", 1: "LH_a", 2: "LH_b"}, {0: "???", 3: "RH_a", 4: "RH_b"}
    pair = pair_of_labels(tmp_path, [1, 2, 0], [4, 3, 3], left, right)
    table = read_surface_labels(pair).table
    assert table.ids == (1, 2, 3, 4)
    assert table.names == ("LH_a", "LH_b", "RH_a", "RH_b")
    assert dict(table.columns) == {"hemisphere": ("L", "L", "R", "R")}


def test_names_that_tell_the_sides_are_not_told_twice(tmp_path):
    pair = pair_of_labels(tmp_path, [1, 1], [1, 0], {1: "lh.a"}, {1: "rh.a"})
    assert read_surface_labels(pair).table.names == ("lh.a", "rh.a")


def test_a_background_that_is_called_like_a_region_is_said(tmp_path):
    pair = pair_of_labels(tmp_path, [0, 1], [2, 2], {0: "V1", 1: "a", 2: "b"})
    labels = read_surface_labels(pair)
    assert labels.table.names == ("a", "b")
    assert "key 0 is called 'V1', but 0 is no region. Its 1 places" in labels.table.warnings[0]


def test_labels_that_are_no_whole_numbers_are_refused(tmp_path):
    keys = [0.5] * 21
    path = files.write_dlabel(tmp_path / "a.dlabel.nii", keys, {1: "a"}, files.brain_axis())
    with pytest.raises(AtlasError, match="is no label"):
        read_surface_labels(path)


def annotation(path, rows, names, colors=None):
    table = np.zeros((len(names), 4), dtype=int)
    table[:, 0] = np.arange(10, 10 + len(names)) if colors is None else colors
    nib.freesurfer.write_annot(path, np.array(rows), table, names, fill_ctab=True)
    return path


def test_annotations_are_told_apart_by_side_and_minus_one_is_no_region(tmp_path):
    left = annotation(tmp_path / "lh.a.annot", [1, 1, 2, 0, -1], ["unknown", "front", "back"])
    right = annotation(tmp_path / "rh.a.annot", [2, 1, 0], ["unknown", "front", "back"])
    labels = read_surface_labels([right, left])
    assert labels.table.names == ("L_front", "L_back", "R_front", "R_back")
    assert labels.codes.tolist() == [1, 1, 2, 0, 0, 4, 3, 0]
    assert labels.places.n_voxels == 8


def test_the_first_row_of_an_annotation_may_be_a_region(tmp_path):
    left = annotation(tmp_path / "lh.a.annot", [0, 0, 1, -1], ["V1", "V2"])
    labels = read_surface_labels(left)
    assert labels.table.ids == (0, 1)
    assert labels.codes.tolist() == [1, 1, 2, 0]


def test_regions_of_one_colour_are_named(tmp_path):
    left = annotation(tmp_path / "lh.a.annot", [1, 2, 0], ["unknown", "a", "b"], colors=[1, 7, 7])
    assert "share a colour" in read_surface_labels(left).table.warnings[0]


def test_vertices_go_to_the_disk_as_they_come(tmp_path, values):
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    series = open_surfaces(path)
    wanted = np.array([1, 2, 5, 17, 20])
    with new_signals(tmp_path / "voxels.npy", (8, wanted.size)) as out:
        request = Request(columns=place_voxels(wanted, series.grid), dtype=out.dtype, out=out)
        extract(series, [request])
        np.testing.assert_array_equal(out[:], values[wanted].T)
