"""Statistics of a run on surfaces are the same in either order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import surface_files as files

from bidsmask.columns.extract import extract
from bidsmask.columns.statistics import RunStatistics
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.surface_series import open_surfaces
from bidsmask.numerics.quality import VolumeStatistics
from bidsmask.numerics.quality_by_places import PlaceStatistics

SAID = ("mean", "std", "tsnr", "dvars", "global_mean", "n_nonfinite")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_lost=st.integers(0, 30), at_once=st.integers(1, 25))
def test_place_by_place_is_the_same_as_volume_by_volume(seed, n_lost, at_once):
    rng = np.random.default_rng(seed)
    values = rng.normal(5000, 3, (20, 9)).astype(np.float32)
    values.flat[rng.choice(values.size, n_lost, replace=False)] = rng.choice([np.nan, np.inf])
    values[~np.isfinite(values).all(axis=1)] = rng.choice([np.nan, np.inf])
    values[4], values[5] = 7, np.nan
    by_volumes, by_places = VolumeStatistics(), PlaceStatistics()
    by_volumes.update(values.T)
    for start in range(0, len(values), at_once):
        by_places.update(values[start : start + at_once])
    for name in SAID:
        expected, found = getattr(by_volumes, name), getattr(by_places, name)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.fixture
def values():
    values = np.random.default_rng(0).normal(1000, 20, (21, 8)).astype(np.float32)
    values[3, 2], values[9] = np.nan, 5
    return values


def statistics_of(given_, mask):
    series = open_surfaces(given_)
    seen = RunStatistics(series, mask)
    extract(series, [], see=[seen.see])
    seen.refuse_impossible()
    return seen


def test_a_cifti_file_and_a_gifti_pair_have_the_same_statistics(tmp_path, values):
    mask = np.arange(21) % 5 > 0
    cifti = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    pair = [
        files.write_func(tmp_path / "lh.func.gii", values[:12], "L"),
        files.write_func(tmp_path / "rh.func.gii", values[12:], "R"),
    ]
    one, other = statistics_of(cifti, mask), statistics_of(pair, mask)
    for name in SAID[:3]:
        np.testing.assert_allclose(
            getattr(one.volumes, name), getattr(other.volumes, name), rtol=1e-9
        )
    for name in ("dvars", "global_mean"):
        np.testing.assert_allclose(
            getattr(one.of_covered(), name), getattr(other.of_covered(), name), rtol=1e-9
        )
    np.testing.assert_array_equal(one.nonfinite, other.nonfinite)
    assert one.nonfinite.sum() == 1


@pytest.mark.parametrize("lost", [0, 5, np.nan, "at times"])
@pytest.mark.parametrize("kind", ["cifti", "gifti"])
def test_places_that_were_not_measured_change_no_measure_of_volumes(tmp_path, kind, lost):
    values = np.random.default_rng(0).normal(1000, 20, (21, 8)).astype(np.float32)
    left_out = np.isin(np.arange(21), [0, 7, 11, 12])
    values[left_out, 3 if lost == "at times" else slice(None)] = (
        np.nan if lost == "at times" else lost
    )
    if kind == "cifti":
        run = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    else:
        run = [
            files.write_func(tmp_path / "lh.func.gii", values[:12], "L"),
            files.write_func(tmp_path / "rh.func.gii", values[12:], "R"),
        ]
    seen = statistics_of(run, np.ones(21, dtype=bool))
    np.testing.assert_array_equal(seen.covered, ~left_out)
    measured = values[~left_out].astype(np.float64)
    found = seen.of_covered()
    np.testing.assert_allclose(found.global_mean, measured.mean(axis=0), rtol=1e-9)
    steps = np.sqrt(np.mean(np.diff(measured, axis=1) ** 2, axis=0))
    np.testing.assert_allclose(found.dvars, [np.nan, *steps], rtol=1e-9)


@pytest.mark.parametrize("lost", [np.nan, 0.0])
def test_a_run_that_no_scanner_made_is_refused(tmp_path, values, lost):
    if np.isnan(lost):
        values[:, 6] = lost
    else:
        values[:] = lost
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    with pytest.raises(ImageError, match=r"volume 6|ever changes"):
        statistics_of(path, np.ones(21, dtype=bool))


def test_a_mask_of_other_places_is_refused(tmp_path, values):
    path = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, files.brain_axis())
    with pytest.raises(SpaceError, match="The mask has"):
        RunStatistics(open_surfaces(path), np.ones(20, dtype=bool))
