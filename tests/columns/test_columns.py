"""Every kind of columns, held against the contract and against a plain loop."""

import nibabel as nib
import numpy as np
import pytest

from bidsmask.columns.maps import place_maps, read_maps
from bidsmask.columns.regions import place_regions
from bidsmask.columns.spheres import place_spheres
from bidsmask.columns.voxels import place_voxels
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series
from columns.contract import SHAPE, ColumnsTests, run_of

PLAIN = {"mean": np.mean, "median": np.median, "sum": np.sum, "standard_deviation": np.std}


class VoxelSetsTests(ColumnsTests):
    """Columns that are sets of voxels."""

    statistics = tuple(PLAIN)

    def by_hand(self, values, columns, measured, statistic):
        rows = []
        for voxels in columns.members:
            known = voxels[measured[voxels]]
            rows.append(PLAIN[statistic](values[:, known], axis=1) if known.size else None)
        nothing = np.full(len(values), np.nan)
        return np.array([nothing if row is None else row for row in rows]).T

    def weights_of_centroids(self, columns):
        every = np.arange(columns.grid.n_voxels)
        return np.array([np.isin(every, voxels) for voxels in columns.members])


class TestRegions(VoxelSetsTests):
    def labels(self):
        labels = np.zeros(SHAPE, dtype=np.int16)
        labels[1:3, 1:7, 1:5], labels[3:6, 1:4, 1:5], labels[3:6, 4:7, 1:5] = 4, 9, 2
        return labels

    def columns(self, grid, mask=None):
        return place_regions(self.labels(), grid, (9, 2, 7, 4), grid=grid, mask=mask)

    def test_regions_stand_in_the_order_of_the_table_with_those_that_the_image_lacks(self, placed):
        sizes = [np.count_nonzero(self.labels() == label) for label in (9, 2, 7, 4)]
        assert placed.extent.n_voxels.tolist() == sizes

    @pytest.mark.parametrize("n_planes", [0, 1, 4])
    def test_coverage_counts_what_lies_beyond_the_field_of_view(self, n_planes):
        atlas = Grid(shape=SHAPE, affine=np.eye(4))
        affine = np.eye(4)
        affine[0, 3] = n_planes
        run = Grid(shape=(SHAPE[0] - n_planes, *SHAPE[1:]), affine=affine)
        placed = place_regions(self.labels(), atlas, (4, 9), grid=run)
        whole = [np.count_nonzero(self.labels() == label) for label in (4, 9)]
        left = [np.count_nonzero(self.labels()[n_planes:] == label) for label in (4, 9)]
        assert placed.extent.n_voxels.tolist() == whole
        assert placed.extent.n_on_grid.tolist() == left


class TestSpheres(VoxelSetsTests):
    def columns(self, grid, mask=None):
        seeds = np.array([[0.0, 0, 0], [2.0, 1.0, 0.5], [-4.0, -5.0, 3.0], [90.0, 0, 0]])
        return place_spheres(seeds, [5.0, 4.0, 2.5, 4.0], grid=grid, mask=mask)

    def test_what_is_painted_is_read_again(self, img, placed):
        rows = np.array([0, 2])  # these share no voxel
        projection = placed.painted(rows)
        columns = np.random.default_rng(1).normal(size=(4, 2))
        np.testing.assert_allclose(projection.project(projection.expand(columns)), columns)

    def test_coverage_is_a_share_of_the_whole_sphere(self):
        grid = Grid(shape=(5, 5, 5), affine=np.eye(4))
        placed = place_spheres(np.array([[0.0, 2, 2], [2.0, 2, 2]]), [1.0, 1.0], grid=grid)
        assert placed.extent.n_voxels.tolist() == [7, 7]
        assert placed.extent.n_on_grid.tolist() == [6, 7]


class TestMaps(ColumnsTests):
    statistics = ("least_squares", "weighted_mean")

    def maps(self):
        rng = np.random.default_rng(4)
        maps = rng.random((*SHAPE, 4))
        for number, plane in enumerate((1, 3, 5)):
            maps[: plane - 1, ..., number] = maps[plane + 2 :, ..., number] = 0
        maps[..., 3] = 0
        return maps

    def columns(self, grid, mask=None):
        series = open_series(nib.Nifti1Image(self.maps(), grid.affine))
        return place_maps(read_maps(series, grid), mask)

    def by_hand(self, values, columns, measured, statistic):
        matrix = np.array(list(columns.weights.volumes(columns.grid.shape)))
        known = matrix[:, measured]
        shown = known.any(axis=1)
        signals = np.full((len(values), len(matrix)), np.nan)
        if statistic == "least_squares":
            fit = np.linalg.lstsq(known[shown].T, values[:, measured].T, rcond=None)[0].T
        else:
            fit = values[:, measured] @ known[shown].T / known[shown].sum(axis=1)
        signals[:, shown] = fit
        return signals

    def weights_of_centroids(self, columns):
        return np.square(list(columns.weights.volumes(columns.grid.shape)))

    def test_coverage_of_a_map_is_a_share_of_its_squared_weight(self, placed):
        half = np.arange(placed.grid.n_voxels) % 2 == 0
        squares = np.square(self.maps()).reshape(-1, 4, order="F")
        np.testing.assert_allclose(placed.covered(half)[1], squares[half].sum(axis=0))
        np.testing.assert_allclose(placed.extent.size, squares.sum(axis=0))

    def test_a_map_that_is_not_used_does_not_disturb_the_fit_of_the_others(self):
        img = run_of()
        placed = self.columns(Grid.from_image(img))
        values = np.array(img.dataobj)
        values[:2, :, :, 3] = np.nan  # most of the first map
        bad = nib.Nifti1Image(values, img.affine)
        extraction = self.read(bad, placed, min_coverage=0.9)
        assert extraction.used.tolist() == [False, True, True, False]
        measured = self.measured(bad)
        matrix = self.maps().reshape(-1, 4, order="F")[measured][:, 1:3]
        series = self.values(bad)[:, measured]
        fit = np.linalg.lstsq(matrix, series.T, rcond=None)[0].T
        np.testing.assert_allclose(extraction.signals[:, 1:3], fit)


class TestVoxels(ColumnsTests):
    def columns(self, grid, mask=None):
        inside = np.zeros(SHAPE, dtype=bool)
        inside[1:5, 2:6, 1:4] = True
        chosen = np.flatnonzero((inside if mask is None else inside & mask).ravel(order="F"))
        return place_voxels(chosen, grid)

    def by_hand(self, values, columns, measured, statistic):
        return values[:, columns.indices]

    def weights_of_centroids(self, columns):
        return np.arange(columns.grid.n_voxels) == columns.indices[:, np.newaxis]

    def test_a_mask_hides_voxels_and_says_so(self, img):
        mask = np.zeros(SHAPE, dtype=bool)
        mask[:, :4] = True
        assert self.columns(Grid.from_image(img), mask).n_columns == 4 * 2 * 3

    def test_a_column_below_the_minimum_is_missing_and_disturbs_no_other(self, img, placed):
        """Voxels are read as they are: which of them are used is said beside them."""
        values = np.array(img.dataobj)
        values[1, 2, 1] = 7
        extraction = self.read(nib.Nifti1Image(values, img.affine), placed, min_coverage=0.5)
        assert np.count_nonzero(~extraction.used) == 1
        assert (extraction.signals[:, ~extraction.used] == 7).all()

    def test_a_voxel_that_drops_out_late_is_left_out_of_all_volumes(self, placed):
        """It stays as it is, and is not used."""
        values = np.array(run_of(placed.grid.affine, n_volumes=40).dataobj)
        values[1, 2, 1, 35] = np.nan
        extraction = self.read(nib.Nifti1Image(values, placed.grid.affine), placed)
        assert np.count_nonzero(~extraction.used) == 1


del ColumnsTests, VoxelSetsTests
