"""The cleaned voxels of a run, and maps of seeds: by blocks, but as if all were done at once."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMasker
from worlds.masker_world import AXES, centred_affine

from bidsmask.analysis import voxelwise
from bidsmask.analysis.rows import rows_for
from bidsmask.analysis.voxelwise import clean_voxels, map_seeds, voxel_pieces
from bidsmask.derivatives.writing import write_pieces
from bidsmask.errors import DegreesOfFreedomError, OutputError, StorageError
from bidsmask.images.grid import Grid
from bidsmask.images.signals_on_disk import SignalsOnDisk
from bidsmask.numerics import threads
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.smooth import smooth_volume

SHAPE, T, T_R = (9, 8, 7), 60, 2.0
BAND = {"filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.1}
HOWS = ("na", "drop", "interpolate")


class World:
    """A run with drift, its mask, confounds, and some censored volumes."""

    def __init__(self, n_voxels=None):
        rng = np.random.default_rng(1)
        self.grid = Grid(shape=SHAPE, affine=centred_affine(AXES["LPS"], (2.0, 2.0, 3.0), SHAPE))
        self.mask = rng.random(SHAPE) < 0.5
        n_voxels = n_voxels or int(self.mask.sum())
        noise = rng.normal(size=(T, n_voxels)).cumsum(axis=0)
        self.voxels = (1000 + noise + rng.normal(size=noise.shape)).astype(np.float32)
        self.design = rng.normal(size=(T, 6))
        self.kept = np.ones(T, dtype=bool)
        self.kept[[0, 10, 11, 30, 59]] = False
        self.covered = np.ones(n_voxels, dtype=bool)

    def cleaner(self, kept=None, **parameters):
        return Cleaner(
            CleaningParameters(**(parameters or BAND)),
            t_r=T_R,
            sample_mask=self.kept if kept is None else kept,
            design=self.design,
        )

    def cleaned(self, how="na", kept=None, covered=None, **parameters):
        cleaner = self.cleaner(kept, **parameters)
        n_rows = np.count_nonzero(cleaner.sample_mask) if how == "drop" else T
        out = np.empty((n_rows, self.voxels.shape[1]), dtype=np.float32)
        covered = self.covered if covered is None else covered
        clean_voxels(self.voxels, cleaner, out, covered=covered, how=how)
        return out


def write_voxels(path, signals, *, within=None, **about):
    write_pieces(path, voxel_pieces(signals, **about), within=within)


@pytest.fixture(scope="module")
def world():
    return World()


# --- cleaning ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("n_voxels", [5, 400, 30_000, 170_001])
def test_some_columns_at_a_time_give_the_bytes_of_all_at_once(how, n_voxels):
    world = World(n_voxels)
    cleaner = world.cleaner()
    expected = rows_for(cleaner(world.voxels), world.kept, how).astype(np.float32)
    np.testing.assert_array_equal(world.cleaned(how), expected)


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("how", HOWS)
def test_neither_threads_nor_the_disk_change_a_byte(tmp_path, monkeypatch, how, by_columns):
    world = World(30_000)
    expected = world.cleaned(how)
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    np.testing.assert_array_equal(world.cleaned(how), expected)
    with (
        SignalsOnDisk.create(
            tmp_path / "voxels.npy", world.voxels.shape, by_columns=by_columns
        ) as voxels,
        SignalsOnDisk.create(
            tmp_path / "cleaned.npy", expected.shape, by_columns=by_columns
        ) as cleaned,
    ):
        voxels[:] = world.voxels
        clean_voxels(voxels, world.cleaner(), cleaned, covered=world.covered, how=how)
        np.testing.assert_array_equal(cleaned[:], expected)
        np.testing.assert_array_equal(voxels[:], world.voxels)


def test_where_nobody_needs_the_signals_any_more_they_are_cleaned_in_place(world):
    signals = world.voxels.copy()
    clean_voxels(signals, world.cleaner(), signals, covered=world.covered)
    np.testing.assert_array_equal(signals, world.cleaned())


@pytest.mark.parametrize("how", HOWS)
def test_the_order_of_voxels_orders_the_result(world, how):
    expected = world.cleaned(how)
    order = np.random.default_rng(2).permutation(expected.shape[1])
    turned = World()
    turned.voxels = np.ascontiguousarray(world.voxels[:, order])
    np.testing.assert_allclose(turned.cleaned(how), expected[:, order], atol=1e-6)


def test_voxels_that_are_not_covered_are_missing_and_disturb_no_other(world):
    covered = world.covered.copy()
    covered[[0, 7, -1]] = False
    cleaned = world.cleaned(covered=covered)
    assert np.isnan(cleaned[:, ~covered]).all()
    np.testing.assert_allclose(cleaned[:, covered], world.cleaned()[:, covered], atol=1e-6)


def test_a_voxel_that_misses_a_kept_volume_is_missing_and_no_censored_value_counts():
    world = World()
    expected = world.cleaned()
    world.voxels[5, 3] = np.nan
    world.voxels[10] = np.inf
    cleaned = world.cleaned()
    assert np.isnan(cleaned[:, 3]).all()
    np.testing.assert_allclose(np.delete(cleaned, 3, 1), np.delete(expected, 3, 1), atol=1e-6)


def test_censored_volumes_are_missing_left_out_or_on_a_curve(world):
    missing, dropped, filled = map(world.cleaned, HOWS)
    assert np.isnan(missing[~world.kept]).all()
    np.testing.assert_array_equal(missing[world.kept], dropped)
    np.testing.assert_array_equal(filled[world.kept], dropped)
    assert np.isfinite(filled[[10, 11, 30]]).all()
    assert np.isnan(filled[[0, 59]]).all()


@pytest.mark.parametrize("how", HOWS)
def test_a_run_of_which_hardly_anything_is_kept(how):
    world = World()
    world.design = np.empty((T, 0))
    kept = np.zeros(T, dtype=bool)
    kept[[3, 20, 40]] = True
    cleaned = world.cleaned(how, kept, detrend=False)
    rows = slice(None) if how == "drop" else kept
    np.testing.assert_allclose(cleaned[rows].mean(axis=0), 0, atol=1e-6)


def test_shapes_that_do_not_fit_are_refused_with_both(world):
    out = np.empty((T, 3), dtype=np.float32)
    with pytest.raises(ValueError, match=r"\(60, 3\)"):
        clean_voxels(world.voxels, world.cleaner(), out, covered=world.covered)
    with pytest.raises(ValueError, match="covered"):
        clean_voxels(world.voxels, world.cleaner(), world.voxels, covered=world.covered[1:])


# --- images --------------------------------------------------------------------------------------


def test_the_image_is_that_of_nilearn_s_masker(tmp_path):
    world = World()
    volumes = np.zeros((*SHAPE, T), dtype=np.float32, order="F")
    volumes.reshape(-1, T, order="F")[world.mask.ravel(order="F")] = world.voxels.T
    bold = nib.Nifti1Image(volumes, world.grid.affine)
    mask = nib.Nifti1Image(world.mask.astype(np.uint8), world.grid.affine)
    masker = NiftiMasker(
        mask, detrend=True, standardize="zscore_sample", high_pass=0.01, low_pass=0.1, t_r=T_R
    )
    cleaned = masker.fit_transform(bold, confounds=world.design)
    everything = np.ones(T, dtype=bool)
    path = tmp_path / "sub-01" / "bold.nii.gz"
    cleaned_by_us = world.cleaned(kept=everything, **BAND, filter_ends="nilearn")
    write_voxels(path, cleaned_by_us, mask=world.mask, grid=world.grid, t_r=T_R)
    np.testing.assert_allclose(
        nib.load(path).get_fdata(), masker.inverse_transform(cleaned).get_fdata(), atol=1e-5
    )


def test_outside_of_the_mask_is_zero_and_what_has_no_signal_is_missing(world, tmp_path):
    covered = world.covered.copy()
    covered[4] = False
    path = tmp_path / "bold.nii.gz"
    write_voxels(path, world.cleaned(covered=covered), mask=world.mask, grid=world.grid, t_r=T_R)
    volumes = nib.load(path).get_fdata().reshape(-1, T, order="F")
    inside = np.flatnonzero(world.mask.ravel(order="F"))
    assert np.isnan(volumes[inside[4]]).all()
    assert not np.delete(volumes, inside, axis=0).any()
    assert np.isnan(volumes[inside][:, ~world.kept]).all()


def test_the_smoothed_copy_holds_each_volume_smoothed_inside_the_mask(world, tmp_path):
    cleaned = world.cleaned()
    path = tmp_path / "bold.nii.gz"
    write_voxels(path, cleaned, mask=world.mask, grid=world.grid, t_r=T_R, smoothing_fwhm_mm=6.0)
    written = nib.load(path).get_fdata()
    weights = smooth_volume(world.mask.astype(np.float64), world.grid.affine, 6.0)
    inside = world.mask.ravel(order="F")
    for number in 1, 33:
        flat = np.zeros(world.mask.size)
        flat[inside] = cleaned[number]
        smoothed = smooth_volume(flat.reshape(SHAPE, order="F"), world.grid.affine, 6.0)
        expected = np.where(world.mask, smoothed / weights, 0)
        np.testing.assert_allclose(written[..., number], expected, atol=1e-5)
    assert np.isnan(written[world.mask][:, ~world.kept]).all()
    assert not written[~world.mask].any()


def test_a_failure_on_the_way_leaves_the_old_image_and_nothing_else(world, tmp_path):
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(b"what was there before")
    with SignalsOnDisk.create(tmp_path / "signals.npy", world.voxels.shape) as signals:
        (tmp_path / "signals.npy").write_bytes(b"")
        with pytest.raises(StorageError, match="signals"):
            write_voxels(path, signals, mask=world.mask, grid=world.grid)
    assert path.read_bytes() == b"what was there before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bold.nii.gz", "signals.npy"]


def test_no_image_is_written_outside_of_the_output(world, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "func").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="symbolic link"):
        write_voxels(
            tmp_path / "out" / "func" / "bold.nii.gz",
            world.voxels,
            mask=world.mask,
            grid=world.grid,
            within=tmp_path / "out",
        )


# --- maps of seeds -------------------------------------------------------------------------------


def maps_of(seeds, voxels, kept, **options):
    out = np.empty((seeds.shape[1], voxels.shape[1]), dtype=np.float32)
    map_seeds(seeds, voxels, out, kept=kept, **options)
    return out


@pytest.fixture(scope="module")
def seeds(world):
    cleaned = world.cleaned("drop")
    return np.column_stack([cleaned[:, :9].mean(axis=1), cleaned[:, 20], cleaned[:, 5] + 1])


def test_maps_are_the_correlations_of_numpy(world, seeds):
    cleaned = world.cleaned()
    maps = maps_of(seeds, cleaned, world.kept)
    both = np.corrcoef(seeds.T, cleaned[world.kept].T.astype(np.float64))
    np.testing.assert_allclose(maps, both[:3, 3:], atol=1e-6)
    assert maps[1, 20] == pytest.approx(1, abs=1e-6)


def test_z_is_the_inverse_hyperbolic_tangent(world, seeds):
    cleaned = world.cleaned("drop")
    everything = np.ones(len(cleaned), dtype=bool)
    z = maps_of(seeds[:, :1], cleaned, everything, fisher_z=True)
    np.testing.assert_allclose(np.tanh(z), maps_of(seeds[:, :1], cleaned, everything), atol=1e-6)


def test_a_seed_or_voxel_without_a_signal_has_no_correlation(world, seeds):
    cleaned = world.cleaned()
    cleaned[:, 3] = np.nan
    cleaned[:, 4] = 0
    empty = np.column_stack([seeds, np.full(len(seeds), np.nan), np.zeros(len(seeds))])
    maps = maps_of(empty, cleaned, world.kept)
    assert np.isnan(maps[:, 3:5]).all()
    assert np.isnan(maps[3:]).all()
    np.testing.assert_array_equal(
        np.delete(maps[:3], [3, 4], axis=1),
        np.delete(maps_of(seeds, world.cleaned(), world.kept), [3, 4], axis=1),
    )


def test_neither_blocks_nor_threads_nor_the_disk_change_a_map(tmp_path, monkeypatch):
    world = World(50_000)
    cleaned = world.cleaned()
    seeds = cleaned[world.kept][:, :3]
    expected = maps_of(seeds, cleaned, world.kept)
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    with (
        SignalsOnDisk.create(tmp_path / "voxels.npy", cleaned.shape) as voxels,
        SignalsOnDisk.create(tmp_path / "maps.npy", expected.shape) as maps,
    ):
        voxels[:] = cleaned
        map_seeds(seeds, voxels, maps, kept=world.kept)
        np.testing.assert_array_equal(maps[:], expected)
    monkeypatch.setattr(voxelwise, "VALUES_AT_ONCE", 10_000)
    np.testing.assert_allclose(maps_of(seeds, cleaned, world.kept), expected, atol=1e-6)


def test_maps_need_two_volumes_and_shapes_that_fit(world, seeds):
    with pytest.raises(ValueError, match="do not make maps"):
        maps_of(seeds[1:], world.cleaned(), world.kept)
    one = np.arange(T) == 7
    with pytest.raises(DegreesOfFreedomError, match="at least 2"):
        maps_of(seeds[:1], world.voxels, one)


def test_a_map_for_each_seed_is_written_as_an_image(world, seeds, tmp_path):
    maps = maps_of(seeds, world.cleaned(), world.kept)
    path = tmp_path / "maps.nii.gz"
    write_voxels(path, maps, mask=world.mask, grid=world.grid)
    written = nib.load(path).get_fdata().reshape(-1, 3, order="F")
    np.testing.assert_array_equal(written[world.mask.ravel(order="F")], maps.T)
