import numpy as np
import pytest

from bidsmask.columns.maps import read_maps
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series
from bidsmask.numerics.resample import resample_continuous

GRID = Grid(shape=(6, 5, 4), affine=np.diag([2.0, 2, 2, 1]))


def tilted(angle):
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] *= 1.7
    affine[:3, 3] = [0.4, -0.3, 0.6]
    return Grid(shape=(7, 6, 5), affine=affine)


@pytest.fixture
def series(image):
    values = np.random.default_rng(0).normal(size=(*GRID.shape, 3))
    values[values < 0.8] = 0
    return open_series(image(values, GRID.affine))


@pytest.mark.parametrize(("dtype", "kept"), [("f4", "f4"), ("i2", "f4"), ("f8", "f8")])
def test_maps_keep_their_precision(image, dtype, kept):
    series = open_series(image(np.ones((3, 3, 3, 2), dtype)))
    maps = read_maps(series, series.grid)
    assert maps.weights.dtype == kept
    assert (maps.weights.n_maps, maps.weights.support.size) == (2, 27)


def test_only_voxels_with_a_weight_are_held(series):
    maps = read_maps(series, GRID)
    values = np.asarray([volume for volume in series.volumes()])
    np.testing.assert_array_equal(
        np.sort(maps.weights.support), np.flatnonzero(values.any(0).ravel(order="F"))
    )
    np.testing.assert_array_equal(maps.array(), np.moveaxis(values, 0, -1))
    assert maps.on(GRID) is maps


@pytest.mark.parametrize("angle", [0, 0.2], ids=["parallel", "askew"])
def test_maps_elsewhere_are_interpolated_linearly(series, angle):
    target = tilted(angle)
    expected = [
        resample_continuous(volume, GRID.affine, target.shape, target.affine, order=1)
        for volume in series.volumes()
    ]
    for maps in (read_maps(series, target), read_maps(series, GRID).on(target)):
        assert maps.grid == target
        np.testing.assert_allclose(np.moveaxis(maps.array(), -1, 0), expected, atol=1e-14)


def test_missing_weights_are_0(image):
    values = np.ones((3, 3, 3, 2))
    values[0, 0, 0], values[1, 1, 1, 0] = np.nan, np.inf
    series = open_series(image(values))
    maps = read_maps(series, series.grid)
    assert 0 not in maps.weights.support
    assert maps.array()[1, 1, 1, 0] == 0
    assert maps.array()[1, 1, 1, 1] == 1
