import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.quality import VolumeStatistics, correlation, coverage, fd_summary

SEEDS = st.integers(0, 2**32 - 1)
TYPES = ["u1", "i1", "<i2", ">i2", "<u2", "<i4", "u8", "<f4", ">f4", "<f8", ">f8"]
NAMES = ["mean", "std", "tsnr", "dvars", "global_mean", "n_nonfinite"]


def random_run(seed, dtype="f8", n_volumes=7, n_voxels=20):
    return np.random.default_rng(seed).integers(0, 120, (n_volumes, n_voxels)).astype(dtype)


def holed_run(seed):
    rng = np.random.default_rng(seed)
    run = random_run(seed).astype(float)
    run[rng.random(run.shape) < 0.3] = rng.choice([np.nan, np.inf, -np.inf])
    run[:, 3] = np.nan
    return run


def statistics_of(*blocks):
    statistics = VolumeStatistics()
    for block in blocks:
        statistics.update(block)
    return statistics


def assert_equal(a, b):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@given(seed=SEEDS, cut=st.integers(1, 6), holes=st.booleans())
def test_the_size_of_blocks_changes_no_bit(seed, cut, holes):
    run = holed_run(seed) if holes else random_run(seed)
    assert_equal(statistics_of(run), statistics_of(run[:cut], run[cut:]))
    assert_equal(statistics_of(run), statistics_of(*run[:, np.newaxis]))


@given(seed=SEEDS, dtype=st.sampled_from(TYPES))
def test_statistics_are_those_of_numpy_for_every_type_and_byte_order(seed, dtype):
    run = random_run(seed, dtype)
    statistics, values = statistics_of(run), run.astype(np.float64)
    std = values.std(axis=0, ddof=1)
    np.testing.assert_allclose(statistics.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.std, std, rtol=1e-10)
    np.testing.assert_allclose(statistics.tsnr, values.mean(axis=0) / std, rtol=1e-10)
    np.testing.assert_allclose(statistics.global_mean, values.mean(axis=1), rtol=1e-12)
    steps = np.sqrt(np.mean(np.diff(values, axis=0) ** 2, axis=1))
    np.testing.assert_allclose(statistics.dvars, [np.nan, *steps], rtol=1e-12)
    assert not statistics.n_nonfinite.any()


@given(seed=SEEDS)
def test_missing_values_are_left_out_voxel_by_voxel_and_volume_by_volume(seed):
    run = holed_run(seed)
    finite = np.isfinite(run)
    statistics, values = statistics_of(run), np.ma.array(np.where(finite, run, 0), mask=~finite)
    np.testing.assert_allclose(statistics.mean, values.mean(axis=0).filled(np.nan), rtol=1e-12)
    many = values.count(axis=0) > 1
    std = values[:, many].std(axis=0, ddof=1)
    np.testing.assert_allclose(statistics.std[many], std, rtol=1e-9, atol=1e-9)
    assert np.isnan(statistics.std[~many]).all()
    np.testing.assert_allclose(
        statistics.global_mean, values.mean(axis=1).filled(np.nan), rtol=1e-12
    )
    steps = np.ma.sqrt((np.ma.diff(values, axis=0) ** 2).mean(axis=1)).filled(np.nan)
    np.testing.assert_allclose(statistics.dvars, [np.nan, *steps], rtol=1e-12)
    np.testing.assert_array_equal(statistics.n_nonfinite, (~finite).sum(axis=1))


@given(seed=SEEDS, still=st.sampled_from([0.0, 7.3, -1e4, np.nan, np.inf]), n=st.integers(1, 30))
def test_voxels_that_were_not_measured_change_no_measure_of_volumes(seed, still, n):
    run = random_run(seed) + 0.5
    more = statistics_of(np.hstack([run[:, :5], np.full((len(run), n), still), run[:, 5:]]))
    for name in ("dvars", "global_mean"):
        expected = getattr(statistics_of(run), name)
        np.testing.assert_allclose(getattr(more, name), expected, rtol=1e-12, err_msg=name)


@given(seed=SEEDS)
def test_a_missing_voxel_does_not_disturb_the_others(seed):
    run = random_run(seed)
    holed = run.copy()
    holed[2:5, 0] = np.nan
    whole, left = statistics_of(run), statistics_of(holed)
    for name in ("mean", "std", "tsnr"):
        np.testing.assert_array_equal(getattr(whole, name)[1:], getattr(left, name)[1:])


@given(seed=SEEDS, baseline=st.sampled_from([1e6, 1e9]))
def test_a_large_baseline_does_not_swallow_a_small_change(seed, baseline):
    run = random_run(seed) + 0.0
    np.testing.assert_allclose(
        statistics_of(run + baseline).std, statistics_of(run).std, rtol=1e-9
    )


def test_a_voxel_that_never_changes_has_no_tsnr():
    run = random_run(0) + 0.1
    run[:, 4] = 1000.1
    run[0, 4] = np.nan
    statistics = statistics_of(run)
    assert statistics.std[4] == 0
    assert np.isnan(statistics.tsnr[4])


def test_a_volume_with_nothing_in_it_has_no_mean_and_no_dvars():
    run = random_run(0)
    run[3] = np.nan
    statistics = statistics_of(run)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(statistics.global_mean)), [3])
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(statistics.dvars)), [0, 3, 4])


def test_a_single_volume_has_a_mean_and_no_spread():
    statistics = statistics_of(np.array([[1, 2]], dtype=np.int16))
    np.testing.assert_array_equal(statistics.mean, [1, 2])
    assert np.isnan(statistics.std).all()
    np.testing.assert_array_equal(statistics.dvars, [np.nan])


def test_before_the_first_volume_everything_is_empty():
    statistics = VolumeStatistics()
    assert [getattr(statistics, name).size for name in NAMES] == [0] * len(NAMES)
    assert statistics.n_volumes == 0


def test_a_block_of_another_width_is_refused():
    statistics = statistics_of(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="Expected 5 voxels, and found 4"):
        statistics.update(np.zeros((2, 4)))


def test_blocks_are_not_touched():
    run = holed_run(1)
    before = run.copy()
    statistics_of(run)
    np.testing.assert_array_equal(run, before)


def test_coverage_is_a_share_and_nothing_of_nothing_is_none():
    np.testing.assert_array_equal(
        coverage(np.array([0, 5, 10, 0]), np.array([10, 10, 10, 0])), [0, 0.5, 1, 0]
    )


def test_displacement_is_summarised_over_the_volumes_that_have_one():
    summary = fd_summary(np.array([np.nan, 0.5, 0.25, 1.5, 0.75]), threshold_mm=0.5)
    assert (summary.mean_mm, summary.median_mm, summary.max_mm) == (0.75, 0.625, 1.5)
    assert summary.n_above == 2


def test_without_displacements_there_is_nothing_to_summarise():
    summary = fd_summary(np.array([np.nan]))
    assert np.isnan([summary.mean_mm, summary.median_mm, summary.max_mm]).all()
    assert summary.n_above is None


@given(seed=SEEDS)
def test_correlation_is_that_of_numpy_over_the_volumes_both_have(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 30))
    a[[0, 4]], b[[0, 9]] = np.nan, np.nan
    both = np.isfinite(a) & np.isfinite(b)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a[both], b[both])[0, 1], abs=1e-12)
    assert correlation(a, b) == correlation(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [([1.0, 2.0], [2.0, 1.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([np.nan] * 4, [1.0] * 4)],
)
def test_correlation_of_too_little_or_of_a_constant_is_missing(a, b):
    assert np.isnan(correlation(np.array(a), np.array(b)))
