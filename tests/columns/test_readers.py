"""All ways to columns give the same columns."""

import warnings
from functools import cache, partial

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.columns import readers
from bidsmask.columns.readers import read_all, readers_of
from bidsmask.images.grid import Grid
from bidsmask.images.request import Reading
from bidsmask.images.resampled import VolumeByVolume
from bidsmask.images.series import open_series
from bidsmask.images.value_range import value_range
from bidsmask.numerics.projections.map_weights import MapWeights
from bidsmask.numerics.projections.maps import MapFit, WeightedMeans
from bidsmask.numerics.projections.regions import (
    LabelMeans,
    RegionStatistic,
    SphereMeans,
    VoxelSelection,
    voxels_of_labels,
)
from bidsmask.numerics.resample import resampling_matrices
from bidsmask.numerics.smooth import smoothing_matrices

SHAPE = (9, 10, 8)
GRID = Grid(shape=SHAPE, affine=np.diag([2.0, 2, 2.5, 1]))
N_VOXELS, N_VOLUMES = 720, 21
SINGLE, DOUBLE = 1e-4, 1e-6
"""Of a column's standard deviation: what the way may change."""


def _elsewhere(turned):
    affine = np.diag([-2.2, 1.9, 2.4, 1.0])
    affine[:3, 3] = [17.0, 0.6, -0.4]
    if turned:
        affine[:2, :2] = [[-2.1, 0.3], [0.25, 1.9]]
    return Grid(shape=(9, 9, 8), affine=affine)


def _inside():
    affine = np.diag([1.5, 1.4, 1.6, 1.0])
    affine[:3, 3] = [5.2, 5.1, 6.3]
    return Grid(shape=(5, 6, 6), affine=affine)


GRIDS = {
    "own": GRID,
    "parallel": _elsewhere(turned=False),
    "askew": _elsewhere(turned=True),
    "inside": _inside(),
}


def projections(grid):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, grid.n_voxels)
    regions = voxels_of_labels(labels, np.array([1, 2, 3]))
    support = np.sort(rng.choice(grid.n_voxels, 150, replace=False))
    weights = rng.random((3, 150))
    return {
        "labels": LabelMeans(labels, np.array([1, 3, 7])),
        "spheres": SphereMeans([region[:9] for region in regions]),
        "medians": RegionStatistic(regions, "median"),
        "eigenvariates": RegionStatistic(regions, "first_eigenvariate"),
        "maps": MapFit(MapWeights.of_matrix(weights, support)),
        "single maps": MapFit(MapWeights.of_matrix(weights.astype(np.float32), support)),
        "weighted maps": WeightedMeans(MapWeights.of_matrix(weights, support)),
        "voxels": VoxelSelection(support),
    }


@pytest.fixture(scope="module")
def make_series(request):
    def make(dtype, missing=False, n_volumes=N_VOLUMES, edge=True):
        rng = np.random.default_rng(3)
        values = 1000 + 30 * rng.normal(size=(*SHAPE, n_volumes))
        if edge:  # at which splines overshoot
            values[:2] = 0
        if missing:
            values[4, 4, 4], values[6, 2, 3, 5], values[3, 3, 1, 0] = np.nan, np.inf, -np.inf
        return open_series(nib.Nifti1Image(values.astype(dtype), GRID.affine, dtype=dtype))

    return make


def read(series, reading, way=None):
    reader = way or readers_of(series, [reading])[0]
    read_all(series, [reader], lambda volumes, block: None)
    return reader.signals()


def volume_by_volume(series, reading):
    move = VolumeByVolume(series, reading, cache(partial(value_range, series)))
    return readers.MovedReader(series, reading, move)


def distance(ours, theirs):
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    known = ~np.isnan(theirs).all(axis=0)
    ours, theirs = ours[:, known], theirs[:, known]
    spread = np.nanstd(theirs, axis=0)
    return float(np.nanmax(np.abs(ours - theirs)[:, spread > 0] / spread[spread > 0], initial=0))


@pytest.mark.parametrize(
    ("dtype", "missing"),
    [("f8", False), ("f8", True), ("f4", False), ("f4", True), ("i2", False)],
)
@pytest.mark.parametrize("fwhm", [None, 5.0, (3.0, 0, 6.0), "fast"], ids=str)
@pytest.mark.parametrize("place", GRIDS)
@pytest.mark.parametrize("kind", projections(GRID))
def test_the_chosen_way_gives_what_volume_by_volume_gives(
    make_series, kind, place, fwhm, dtype, missing
):
    series, grid = make_series(dtype, missing), GRIDS[place]
    reading = Reading(projection=projections(grid)[kind], grid=grid, smoothing_fwhm=fwhm)
    ours = read(series, reading)
    theirs = read(series, reading, volume_by_volume(series, reading))
    assert distance(ours, theirs) < (DOUBLE if dtype == "f8" and kind != "single maps" else SINGLE)


@pytest.mark.parametrize(("n_volumes", "folds"), [(1, False), (2000, True)])
@pytest.mark.parametrize("kind", ["labels", "maps"])
def test_folding_pays_for_long_runs(kind, n_volumes, folds):
    cubes = np.zeros((40, 40, 40), dtype=int)
    for number, corner in enumerate(np.ndindex(4, 4, 4), start=1):
        x, y, z = 10 * np.array(corner) + 2
        cubes[x : x + 4, y : y + 4, z : z + 4] = number
    regions = cubes.ravel(order="F")
    projection = LabelMeans(regions, np.arange(1, 65))
    if kind == "maps":
        support = np.flatnonzero(regions)
        projection = MapFit(MapWeights.of_matrix(np.eye(5)[regions[support] % 5].T, support))
    smoothing = smoothing_matrices((40, 40, 40), np.diag([3.0, 3, 3, 1]), 5.0)
    assert readers._folding_is_cheaper(n_volumes, projection, smoothing, single=True) is folds


@pytest.mark.parametrize("kind", ["labels", "maps", "weighted maps", "spheres"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("folds", [True, False])
def test_folded_or_not_columns_are_the_same(make_series, monkeypatch, kind, dtype, folds):
    monkeypatch.setattr(readers, "_folding_is_cheaper", lambda *_, **__: folds)
    series = make_series(dtype, missing=dtype != "i2")
    reading = Reading(projection=projections(GRID)[kind], grid=GRID, smoothing_fwhm=5.0)
    ours = read(series, reading)
    theirs = read(series, reading, volume_by_volume(series, reading))
    assert distance(ours, theirs) < (DOUBLE if dtype == "f8" else SINGLE)


@pytest.mark.parametrize("kind", ["labels", "maps", "single maps", "weighted maps", "spheres"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_resampling_is_folded_where_nothing_overshoots(make_series, monkeypatch, kind, dtype):
    monkeypatch.setattr(readers, "_folding_is_cheaper", lambda *_, **__: True)
    series, grid = make_series(dtype, edge=False), GRIDS["inside"]
    values = series._source.whole.base  # (X, Y, Z, T)
    values[0, 0, 0, :2] = 3000, -1000  # the range of the run: no voxel nearby is looked at
    reading = Reading(projection=projections(grid)[kind], grid=grid)
    (reader,) = readers_of(series, [reading])
    assert type(reader).__name__ == "WeightsReader"
    ours = read(series, reading)
    theirs = read(series, reading, volume_by_volume(series, reading))
    assert distance(ours, theirs) < (DOUBLE if dtype == "f8" and kind != "single maps" else SINGLE)


@pytest.mark.parametrize(
    ("missing", "edge"), [(True, False), (False, True)], ids=["missing", "edge"]
)
def test_what_is_missing_or_overshoots_is_not_folded(make_series, monkeypatch, missing, edge):
    monkeypatch.setattr(readers, "_folding_is_cheaper", lambda *_, **__: True)
    series, grid = make_series("f8", missing, edge=edge), GRIDS["parallel"]
    reading = Reading(projection=projections(grid)["labels"], grid=grid)
    (reader,) = readers_of(series, [reading])
    assert type(reader).__name__ == "MovedReader"


@pytest.mark.parametrize("kind", ["labels", "medians", "eigenvariates", "maps", "voxels"])
@pytest.mark.parametrize("fwhm", [None, 4.0])
@pytest.mark.parametrize("growth", ["up", "down"])
def test_volumes_that_overshoot_before_the_range_is_known_are_moved_again(
    make_series, kind, fwhm, growth
):
    series, grid = make_series("f8", n_volumes=70), GRIDS["parallel"]  # three blocks
    values = series._source.whole.base  # (X, Y, Z, T)
    values[3:6] = 1e4 + values[3:6] / 1e3  # a ridge, over whose edges splines overshoot
    last = values[0, 0, 0, -2:]
    last[:] = (1e6, 0) if growth == "up" else (0, -1e6)
    reading = Reading(projection=projections(grid)[kind], grid=grid, smoothing_fwhm=fwhm)
    (reader,) = readers_of(series, [reading])
    read_all(series, [reader], lambda volumes, block: None)
    assert reader.unsettled().size > 5
    theirs = read(series, reading, volume_by_volume(series, reading))
    assert distance(reader.signals(), theirs) < DOUBLE


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_range_that_holds_is_never_left(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(*SHAPE, 5)) * rng.choice([0.1, 1, 3]) + rng.choice([0, 2, 50])
    values[-1, -1, -1, :2] = rng.choice([0, 60, 200]), -rng.choice([0, 10])
    grid = GRIDS["inside"]
    moving = resampling_matrices(GRID.shape, GRID.affine, grid.shape, grid.affine)
    run_range = value_range(open_series(nib.Nifti1Image(values, GRID.affine)))
    voxels = np.sort(rng.choice(grid.n_voxels, 20, replace=False))
    moved = moving(values.reshape(-1, 5, order="F").T)[:, voxels]
    if run_range.holds(moving, voxels):
        assert moved.min() >= run_range.lowest - 1e-6
        assert moved.max() <= run_range.highest + 1e-6
    assert run_range.ends == (min(values.min(), 0), max(values.max(), 0))


@settings(deadline=None, max_examples=25)
@given(cuts=st.sets(st.integers(1, N_VOLUMES - 1)), kind=st.sampled_from(list(projections(GRID))))
def test_how_a_run_is_cut_into_blocks_changes_nothing(make_series, cuts, kind):
    series = make_series("f8")
    reading = Reading(projection=projections(GRID)[kind], grid=GRID, smoothing_fwhm=4.0)
    (reader,) = readers_of(series, [reading])
    whole = np.vstack([block for _, block in series.blocks()])
    for block in np.split(whole, sorted(cuts)):
        reader.read(block)
    assert distance(reader.signals(), read(series, reading)) < 1e-9


def test_scaled_volumes_are_read_scaled(write_image, run):
    path = write_image(run.bold * 0.5 + 7, dtype="i2", slope=0.5, inter=7.0)
    scaled, plain = open_series(path), open_series(write_image(run.bold * 0.5 + 7, dtype="f8"))
    projection = LabelMeans(run.labels.ravel(order="F"), run.ids)
    for fwhm in None, 3.0:
        reading = Reading(projection=projection, grid=plain.grid, smoothing_fwhm=fwhm)
        with warnings.catch_warnings():
            assert distance(read(scaled, reading), read(plain, reading)) < DOUBLE


def test_all_that_is_wanted_of_a_run_takes_one_pass(make_series):
    series = make_series("f8")
    readings = [
        Reading(projection=projections(GRIDS[place])[kind], grid=GRIDS[place], smoothing_fwhm=fwhm)
        for kind, place, fwhm in [
            ("labels", "own", None),
            ("labels", "own", 5.0),
            ("maps", "own", 3.0),
            ("spheres", "own", "fast"),
            ("voxels", "parallel", 4.0),
            ("medians", "own", (3.0, 0, 4.0)),
        ]
    ]
    passes, blocks = [], series.blocks
    series.blocks = lambda: passes.append(1) or blocks()
    together = readers_of(series, readings)
    read_all(series, together, lambda volumes, block: None)
    assert len(passes) == 1
    for reader, reading in zip(together, readings, strict=True):
        np.testing.assert_array_equal(reader.signals(), read(series, reading))
