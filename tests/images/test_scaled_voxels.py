"""A run whose voxels are scaled while it is read: the numbers of scaling all of it at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.images.grid import Grid
from bidsmask.images.scaled_voxels import ScaledVoxels

SHAPE, T = (3, 4, 2), 11


class Run:
    """Volumes at hand, in blocks of some."""

    grid, n_volumes = Grid(shape=SHAPE, affine=np.eye(4)), T

    def __init__(self, volumes, block=3, slope=1):
        self.volumes, self.block, self.slope = volumes, block, slope
        self.dtype = np.result_type(volumes.dtype, np.float64 if slope != 1 else volumes.dtype)

    def blocks(self):
        for start in range(0, T, self.block):
            volumes = slice(start, min(start + self.block, T))
            yield volumes, self.volumes[volumes]

    def scale(self, values):
        return values if self.slope == 1 else values * float(self.slope)


def run_of(seed, dtype="int16", **how):
    values = np.random.default_rng(seed).normal(9000, 30, size=(T, *SHAPE[::-1]))
    return Run(values.astype(dtype), **how)


def read(series):
    return np.concatenate([block.copy() for _, block in series.blocks()])


@given(seed=st.integers(0, 2**32 - 1), block=st.integers(1, T), slope=st.sampled_from([1, -0.5]))
def test_voxels_are_standard_scores_however_the_run_is_cut(seed, block, slope):
    run = run_of(seed, block=block, slope=slope)
    values = run.scale(run.volumes).astype(float)
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
    scaled = ScaledVoxels(run, mean.T, 1 / std.T)
    np.testing.assert_allclose(read(scaled), (values - mean) / std, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("dtype", "kept"), [("int16", "f4"), ("float32", "f4"), ("f8", "f8")])
def test_values_have_the_precision_of_the_run(dtype, kept):
    run = run_of(1, dtype)
    scaled = ScaledVoxels(run, np.zeros(SHAPE), np.ones(SHAPE))
    assert read(scaled).dtype == scaled.dtype == kept
    np.testing.assert_array_equal(read(scaled), run.volumes)


def test_a_large_mean_costs_no_digits():
    run = Run(np.full((T, *SHAPE[::-1]), 2.0**24, dtype=np.float32))
    run.volumes[4] += 2
    scaled = ScaledVoxels(run, np.full(SHAPE, 2.0**24 + 0.25), np.ones(SHAPE))
    assert set(np.unique(read(scaled))) == {-0.25, 1.75}


def test_a_voxel_without_a_factor_is_nowhere_finite_and_the_run_is_not_changed():
    run, factor = run_of(2), np.ones(SHAPE)
    before, factor[1, 2, 0] = run.volumes.copy(), np.nan
    values = read(ScaledVoxels(run, np.zeros(SHAPE), factor))
    assert np.isnan(values[:, 0, 2, 1]).all()
    assert np.isnan(values).sum() == T
    np.testing.assert_array_equal(run.volumes, before)
