"""What holds for every kind of columns: a new kind inherits `ColumnsTests`, and says what it is.

The orientation of the run and of the atlas is a parameter of all tests that place something.
"""

import pickle

import nibabel as nib
import numpy as np
import pytest
from worlds.masker_world import AXES, centred_affine

from bidsmask.columns.extract import extract
from bidsmask.columns.request import Request
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series

SHAPE = (7, 8, 6)
N_VOLUMES = 23


def run_of(affine=None, seed=0, n_volumes=N_VOLUMES):
    """A run of noise around 1000, as an image."""
    rng = np.random.default_rng(seed)
    values = 1000 + 20 * rng.normal(size=(*SHAPE, n_volumes))
    return nib.Nifti1Image(values, affine_of("RAS") if affine is None else affine)


def affine_of(axes):
    """Affine of a lattice that is turned like `axes`."""
    return centred_affine(AXES[axes], (2.0, 2.1, 2.4), SHAPE)


def spoilt(img, *, missing=(), constant=()):
    """The run with voxels that are NaN in one volume, and voxels that never change."""
    values = np.array(img.dataobj)
    flat = values.reshape(-1, values.shape[3])
    for number, voxel in enumerate(missing):
        flat[voxel, number % values.shape[3]] = np.nan
    for voxel in constant:
        flat[voxel] = flat[voxel, 0]
    return nib.Nifti1Image(values, img.affine)


class ColumnsTests:
    """Laws of all columns."""

    statistics = ("mean",)

    def columns(self, grid, mask=None):
        """Place the columns of this kind on a grid."""
        raise NotImplementedError

    def read(self, img, columns, statistic=None, **how):
        """Read columns off a run."""
        request = Request(columns=columns, statistic=statistic or self.statistics[0], **how)
        (extraction,) = extract(open_series(img), [request])
        return extraction

    def by_hand(self, values, columns, measured, statistic):
        """Columns (T, P) of values (T, V_all) over measured voxels, in a plain loop."""
        raise NotImplementedError

    def weights_of_centroids(self, columns):
        """Weights (P, V_all) of voxels in the centroid of each column."""
        raise NotImplementedError

    def measured(self, img):
        """Which voxels (V_all,) are finite in all volumes, and change."""
        flat = np.asarray(img.dataobj).reshape(-1, img.shape[3], order="F")
        with np.errstate(invalid="ignore"):
            return np.isfinite(flat).all(axis=1) & (np.ptp(flat, axis=1) > 0)

    def values(self, img):
        return np.asarray(img.dataobj, dtype=float).reshape(-1, img.shape[3], order="F").T

    @pytest.fixture(params=list(AXES))
    def img(self, request):
        return run_of(affine_of(request.param))

    @pytest.fixture
    def placed(self, img):
        return self.columns(Grid.from_image(img))

    # Laws

    def test_what_is_painted_is_read_again(self, img, placed):
        rows = np.flatnonzero(placed.extent.n_inside > 0)
        projection = placed.painted(rows)
        columns = np.random.default_rng(1).normal(size=(4, rows.size))
        np.testing.assert_allclose(
            projection.project(projection.expand(columns)), columns, atol=1e-9
        )

    def test_columns_are_what_a_plain_loop_gives(self, img, placed):
        for statistic in self.statistics:
            expected = self.by_hand(self.values(img), placed, self.measured(img), statistic)
            signals = self.read(img, placed, statistic).signals
            np.testing.assert_allclose(signals, expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("seed", range(15))
    def test_voxels_without_a_measurement_are_left_out_of_every_volume(self, seed):
        rng = np.random.default_rng(seed)
        n_voxels = int(np.prod(SHAPE))
        missing = rng.choice(n_voxels, rng.integers(0, 40), replace=False)
        constant = rng.choice(n_voxels, rng.integers(0, 40), replace=False)
        img = spoilt(run_of(seed=seed), missing=missing, constant=constant)
        placed = self.columns(Grid.from_image(img))
        statistic = self.statistics[seed % len(self.statistics)]
        extraction = self.read(img, placed, statistic, min_coverage=0.2)
        expected = self.by_hand(self.values(img), placed, self.measured(img), statistic)
        used = extraction.used
        np.testing.assert_allclose(
            extraction.signals[:, used], expected[:, used], rtol=1e-7, atol=1e-7
        )

    def test_coverage_is_the_measured_share_of_the_whole_column(self, img, placed):
        half = self.measured(img) & (np.arange(np.prod(SHAPE)) % 2 == 0)
        n_covered, size = placed.covered(half)
        everything = np.ones(half.size, dtype=bool)
        assert (n_covered <= placed.covered(everything)[0]).all()
        rest = placed.covered(~half)
        np.testing.assert_allclose(size + rest[1], placed.covered(everything)[1])
        np.testing.assert_array_equal(n_covered + rest[0], placed.extent.n_inside)

    def test_the_centroid_is_the_middle_of_what_was_measured(self, img, placed):
        measured = np.random.default_rng(2).random(np.prod(SHAPE)) < 0.4
        ijk = np.indices(SHAPE).reshape(3, -1, order="F").T
        places = nib.affines.apply_affine(img.affine, ijk)
        found = placed.centroids(measured)
        for weights, centroid in zip(self.weights_of_centroids(placed), found, strict=True):
            expected = np.full(3, np.nan)
            if weights[measured].any():
                expected = np.average(places[measured], axis=0, weights=weights[measured])
            np.testing.assert_allclose(centroid, expected, atol=1e-9)

    def test_a_mask_hides_voxels_and_says_so(self, img):
        grid = Grid.from_image(img)
        mask = np.zeros(SHAPE, dtype=bool)
        mask[:, :4] = True
        whole, masked = self.columns(grid), self.columns(grid, mask)
        np.testing.assert_array_equal(
            masked.extent.n_inside, whole.covered(mask.ravel(order="F"))[0]
        )
        np.testing.assert_array_equal(masked.extent.n_voxels, whole.extent.n_voxels)
        assert not np.isin(masked.support, np.flatnonzero(~mask.ravel(order="F"))).any()

    def test_a_column_below_the_minimum_is_missing_and_disturbs_no_other(self, img, placed):
        first = placed.support[: placed.support.size // 3]
        bad = spoilt(img, missing=first_to_c(first))
        strict = self.read(bad, placed, min_coverage=0.75)
        assert (strict.coverage.share[~strict.used] < 0.75).all()
        assert np.isnan(strict.signals[:, ~strict.used]).all()
        assert np.isfinite(strict.signals[:, strict.used]).all()

    def test_one_volume_is_read_as_it_is(self, placed):
        img = run_of(placed.grid.affine, n_volumes=1)
        extraction = self.read(img, placed)
        assert extraction.used.tolist() == (placed.extent.n_inside > 0).tolist()
        assert np.isfinite(extraction.signals[:, extraction.used]).all()

    def test_a_run_in_which_nothing_changes_keeps_its_values_where_that_is_asked_for(self, placed):
        img = run_of(placed.grid.affine)
        still = nib.Nifti1Image(np.repeat(np.asarray(img.dataobj)[..., :1], 5, 3), img.affine)
        kept = self.read(still, placed, keep_unmeasured=True)
        one = self.read(nib.Nifti1Image(np.asarray(img.dataobj)[..., :1], img.affine), placed)
        np.testing.assert_allclose(kept.signals[:1], one.signals, rtol=1e-9)
        assert set(kept.coverage.status) <= {"constant", "empty"}
        assert not self.read(still, placed).used.any()

    @pytest.mark.parametrize("fwhm", [None, 5.0])
    @pytest.mark.parametrize("n_volumes", [1, 3, 50])
    def test_the_size_of_blocks_changes_nothing(self, placed, fwhm, n_volumes, monkeypatch):
        img = run_of(placed.grid.affine, n_volumes=40)
        img = spoilt(img, missing=range(3), constant=range(40, 60))
        whole = self.read(img, placed, smoothing_fwhm=fwhm)
        monkeypatch.setattr("bidsmask.images.series.volumes_per_block", lambda *_: n_volumes)
        cut = self.read(img, placed, smoothing_fwhm=fwhm)
        np.testing.assert_allclose(cut.signals, whole.signals, rtol=1e-9)
        np.testing.assert_array_equal(cut.coverage.n_covered, whole.coverage.n_covered)

    def test_what_else_is_asked_for_changes_nothing(self, placed):
        img = spoilt(run_of(placed.grid.affine), missing=range(3), constant=range(40, 60))
        others = [
            Request(columns=placed, statistic=self.statistics[-1]),
            Request(columns=placed, statistic=self.statistics[0], smoothing_fwhm=4.0),
        ]
        wanted = Request(columns=placed, statistic=self.statistics[0], min_coverage=0.3)
        *_, together = extract(open_series(img), [*others, wanted])
        alone = self.read(img, placed, min_coverage=0.3)
        np.testing.assert_array_equal(together.signals, alone.signals)
        assert together.coverage.reason == alone.coverage.reason

    def test_a_voxel_that_drops_out_late_is_left_out_of_all_volumes(self, placed):
        img = run_of(placed.grid.affine, n_volumes=40)
        values = np.array(img.dataobj)
        voxel = np.unravel_index(placed.support[1], SHAPE, order="F")
        values[(*voxel, 35)] = np.nan
        late = nib.Nifti1Image(values, img.affine)
        values = values.copy()
        values[voxel] = np.nan
        always = nib.Nifti1Image(values, img.affine)
        np.testing.assert_allclose(
            self.read(late, placed).signals, self.read(always, placed).signals, rtol=1e-9
        )

    def test_a_voxel_that_changes_late_is_read_all_the_same(self, placed):
        img = run_of(placed.grid.affine, n_volumes=40)
        values = np.array(img.dataobj)
        voxel = np.unravel_index(placed.support[1], SHAPE, order="F")
        values[(*voxel, slice(30))] = 990
        late = nib.Nifti1Image(values, img.affine)
        for statistic in self.statistics:
            expected = self.by_hand(self.values(late), placed, self.measured(late), statistic)
            np.testing.assert_allclose(
                self.read(late, placed, statistic).signals, expected, rtol=1e-9
            )

    @pytest.mark.parametrize("way", ["pickle", "arrays"])
    def test_columns_survive_a_journey(self, img, placed, way):
        if way == "pickle":
            again = pickle.loads(pickle.dumps(placed))
        else:
            again = type(placed).from_arrays(placed.grid, placed.arrays())
        np.testing.assert_allclose(again.extent.size, placed.extent.size, rtol=1e-12)
        np.testing.assert_array_equal(again.extent.n_inside, placed.extent.n_inside)
        np.testing.assert_array_equal(
            self.read(img, again).signals, self.read(img, placed).signals
        )


def first_to_c(flat):
    """Flat indices in numpy's own order, from those in which x runs fastest."""
    return np.ravel_multi_index(np.unravel_index(flat, SHAPE, order="F"), SHAPE)
