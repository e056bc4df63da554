"""What cleaning did to a run: laws, cases to be checked by eye, and nipype as a witness."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.cleaning_quality import (
    confound_quality,
    dvars_of_pairs,
    median_tsnr,
    typical_correlation,
    variance_removed,
    voxel_quality,
)

SEEDS = st.integers(0, 2**32 - 1)
NIPYPE_TOLERANCE = 1e-6
"""nipype computes DVARS in single precision, and writes it with 8 digits."""


def run(seed, n_volumes=50, n_voxels=30):
    rng = np.random.default_rng(seed)
    drift = np.linspace(0, 5, n_volumes)[:, np.newaxis]
    return 100 + drift + rng.normal(size=(n_volumes, n_voxels)).cumsum(axis=0)


def kept_of(seed, n_volumes=50):
    kept = np.random.default_rng(seed).random(n_volumes) < 0.8
    kept[:5] = True
    return kept


def cleaned(raw, kept, design, **parameters):
    cleaner = Cleaner(CleaningParameters(**parameters), t_r=2.0, sample_mask=kept, design=design)
    return cleaner.residuals(raw), cleaner


def measured(raw, kept, design, fd_mm=None, **parameters):
    residuals, cleaner = cleaned(raw, kept, design, **parameters)
    detrends = cleaner.parameters.detrend
    return voxel_quality(raw, residuals, kept, fd_mm, detrends=detrends)


# --- laws


@given(seed=SEEDS, n_columns=st.integers(0, 10), detrend=st.booleans())
def test_a_projection_removes_a_share_of_the_variance_between_0_and_1(seed, n_columns, detrend):
    design = np.random.default_rng(seed).normal(size=(50, n_columns))
    share = measured(run(seed), kept_of(seed), design, detrend=detrend)["variance_removed"]
    assert 0 <= share <= 1


@given(seed=SEEDS)
def test_where_nothing_is_removed_nothing_changes(seed):
    nothing = np.empty((50, 0))
    found = measured(run(seed), kept_of(seed), nothing, detrend=False)
    assert found["variance_removed"] == 0
    assert found["dvars_after"] == found["dvars_before"]
    assert found["tsnr_after"] == found["tsnr_before"]


@given(seed=SEEDS)
def test_detrending_alone_removes_nothing_of_what_is_around_the_line(seed):
    found = measured(run(seed), kept_of(seed), np.empty((50, 0)), detrend=True)
    assert found["variance_removed"] == 0
    assert found["tsnr_after"] >= found["tsnr_before"] * (1 - 1e-12)


@given(seed=SEEDS, more=st.integers(1, 8))
def test_more_regressors_remove_more_variance(seed, more):
    design = np.random.default_rng(seed).normal(size=(50, 4 + more))
    raw, kept = run(seed), kept_of(seed)
    few = measured(raw, kept, design[:, :4])["variance_removed"]
    assert few <= measured(raw, kept, design)["variance_removed"]


@given(seed=SEEDS, scale=st.sampled_from([1e-3, 7.0, 1e4]), unit=st.sampled_from(["psc", "none"]))
def test_scale_of_images_and_unit_of_results_change_dvars_alone_and_as_they_should(
    seed, scale, unit
):
    raw, kept = run(seed), kept_of(seed)
    design = np.random.default_rng(seed).normal(size=(50, 5))
    one = measured(raw, kept, design)
    other = measured(scale * raw, kept, design, standardize=unit)
    for name, value in one.items():
        wanted = value * scale if name.startswith("dvars") else value
        assert other[name] == pytest.approx(wanted, rel=1e-6, abs=1e-8, nan_ok=True), name


@given(seed=SEEDS)
def test_residuals_are_what_comes_out_before_it_gets_a_unit(seed):
    raw, kept = run(seed), kept_of(seed)
    design = np.random.default_rng(seed).normal(size=(50, 5))
    residuals, cleaner = cleaned(raw, kept, design)
    scores = (residuals - residuals.mean(axis=0)) / residuals.std(axis=0, ddof=1)
    np.testing.assert_allclose(cleaner(raw), scores, atol=1e-9)
    assert cleaner.parameters.standardize == "zscore"


@given(seed=SEEDS)
def test_what_was_censored_has_no_part_in_any_measure(seed):
    raw, kept = run(seed), kept_of(seed)
    fd = np.random.default_rng(seed).random(50)
    design = np.random.default_rng(seed).normal(size=(50, 5))
    one = measured(raw, kept, design, fd)
    spoilt, fd = np.where(kept[:, np.newaxis], raw, 1e6), np.where(kept, fd, 99.0)
    assert measured(spoilt, kept, design, fd) == one


@given(seed=SEEDS)
def test_regions_have_nothing_in_common_with_what_was_regressed(seed):
    rng = np.random.default_rng(seed)
    design, kept, raw = rng.normal(size=(50, 4)), kept_of(seed), run(seed)
    left, _ = cleaned(raw, kept, design)
    families = {"motion": design, "csf": rng.normal(size=(50, 1))}
    found = confound_quality(raw, left, families, kept, detrends=True)
    assert found["r_motion_after"] == pytest.approx(0, abs=1e-8)
    assert found["r_motion_before"] > 0
    assert 0 < found["r_csf_after"] <= 1


@given(seed=SEEDS, scale=st.sampled_from([-3.0, 1e-6, 1e6]))
def test_scale_and_level_of_a_confound_do_not_matter(seed, scale):
    rng = np.random.default_rng(seed)
    signals, confounds = rng.normal(size=(2, 30, 4))
    moved = scale * confounds + 5 * scale
    assert typical_correlation(signals, moved) == pytest.approx(
        typical_correlation(signals, confounds), abs=1e-7
    )


def test_of_what_has_nothing_in_common_it_is_one_by_the_root_of_the_volumes():
    signals, confounds = np.random.default_rng(0).normal(size=(2, 401, 60))
    assert typical_correlation(signals, confounds) == pytest.approx(400**-0.5, rel=0.02)


# --- cases


def test_a_planted_case_by_eye():
    """Voxel 1 is a step of 2 that is regressed; voxel 2 alternates, and is left alone."""
    step, alternating = np.repeat([-1.0, 1.0], 4), np.tile([1.0, -1.0], 4)
    raw = 100 + np.column_stack([step, alternating])
    found = measured(raw, np.full(8, True), step[:, np.newaxis], np.arange(8.0), detrend=False)
    assert found["variance_removed"] == 0.5  # all of one voxel, nothing of the other
    pairs = np.sqrt([2, 2, 2, 4, 2, 2, 2])  # one voxel steps by 2; at the fourth pair both do
    assert found["dvars_before"] == pytest.approx(pairs.mean(), rel=1e-12)
    assert found["dvars_after"] == pytest.approx(np.sqrt(2), rel=1e-12)
    assert found["tsnr_before"] == pytest.approx(100 / np.sqrt(8 / 7), rel=1e-12)
    assert np.isnan(found["fd_dvars_after"])  # of a constant there is no correlation


def test_dvars_of_pairs_leaves_out_what_lies_across_a_gap():
    signals = np.array([[0.0, 0.0], [3.0, 4.0], [9.0, 9.0], [9.0, 11.0]])
    found = dvars_of_pairs(signals, np.array([0, 1, 5, 6]))
    np.testing.assert_allclose(found, [np.nan, np.sqrt(12.5), np.nan, np.sqrt(2)])


def test_dvars_of_what_is_constant_is_0():
    found = measured(np.full((20, 4), 7.0), np.full(20, True), np.empty((20, 0)))
    assert found["dvars_before"] == found["dvars_after"] == 0
    assert np.isnan(found["variance_removed"])
    assert np.isnan(found["tsnr_after"])


def test_a_voxel_that_was_not_measured_is_left_out():
    raw, kept, design = run(3), kept_of(3), np.empty((50, 0))
    holed = np.column_stack([raw, np.full(50, np.nan)])
    fd = np.linspace(0, 1, 50)
    assert measured(holed, kept, design, fd) == measured(raw, kept, design, fd)


def test_without_voxels_and_without_regions_nothing_is_known():
    kept, nothing = np.full(20, True), np.empty((20, 0))
    found = voxel_quality(nothing, nothing, kept, None, detrends=True)
    assert all(np.isnan(value) for value in found.values())
    found = confound_quality(nothing, nothing, {"csf": run(1, 20, 1)}, kept, detrends=True)
    assert np.isnan(found["r_csf_before"])


def test_variance_is_a_mean_over_voxels_and_not_of_their_sum():
    before = np.array([[10.0, 1.0], [-10.0, -1.0]])
    assert variance_removed(before, before * [0.0, 1.0]) == 0.5


def test_the_mean_of_the_images_stands_above_what_varies():
    raw = 50 + np.array([[1.0], [3.0], [2.0]])
    assert median_tsnr(raw.mean(axis=0), raw) == pytest.approx(52)


# --- a witness


def test_dvars_before_is_that_of_nipype(tmp_path, monkeypatch):
    from nipype.algorithms import confounds

    # Only its standardised DVARS asks for this, which needs a further package.
    monkeypatch.setattr(confounds, "_AR_est_YW", lambda *_, **__: np.zeros(1))
    raw = 1000 + np.random.default_rng(5).normal(scale=20, size=(25, 60)).astype(np.float32)
    volumes = raw.T.reshape(3, 4, 5, 25)
    nib.Nifti1Image(volumes, np.eye(4)).to_filename(tmp_path / "bold.nii")
    nib.Nifti1Image(np.ones((3, 4, 5), np.uint8), np.eye(4)).to_filename(tmp_path / "mask.nii")
    witness = confounds.ComputeDVARS(
        in_file=str(tmp_path / "bold.nii"),
        in_mask=str(tmp_path / "mask.nii"),
        save_nstd=True,
        remove_zerovariance=False,
        intensity_normalization=0,
    )
    outputs = witness.run(cwd=str(tmp_path)).outputs
    theirs = np.loadtxt(outputs.out_nstd)
    ours = dvars_of_pairs(raw.astype(float), np.arange(25))[1:]
    np.testing.assert_allclose(ours, theirs, rtol=NIPYPE_TOLERANCE)
