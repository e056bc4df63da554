"""Columns of files, however they are stored, and the statistics of the mask beside them.

Laws of all columns are in `contract`.
"""

import warnings

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.maskers import NiftiLabelsMasker

from bidsmask.columns.extract import extract
from bidsmask.columns.regions import place_regions
from bidsmask.columns.request import Request
from bidsmask.columns.statistics import RunStatistics
from bidsmask.columns.voxels import place_voxels
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.stream import BoldStream

ORACLE_TOLERANCE = 1e-6
"""Of the standard deviation of each region, against nilearn, which computes in float64 too."""


def grid_of(run):
    return Grid(shape=run.shape, affine=run.affine)


def place(run):
    return place_regions(run.labels, grid_of(run), run.ids, grid=grid_of(run), mask=run.mask)


def read(run, path, block_volumes=None, **how):
    """Read the regions off a file with the BOLD of the run, and the statistics of its mask."""
    stream = BoldStream(path, block_volumes)
    seen = RunStatistics(stream, run.mask)
    (extraction,) = extract(stream, [Request(columns=place(run), **how)], see=[seen.see])
    return extraction, seen


def statistics_of(path, mask, block_volumes=None):
    """Gather the statistics of a mask, and nothing else."""
    stream = BoldStream(path, block_volumes)
    seen = RunStatistics(stream, mask)
    extract(stream, [], see=[seen.see])
    seen.refuse_impossible()
    return seen


def means_by_hand(run, bold):
    """For each region the mean of its voxels that were measured in all volumes, plainly."""
    columns = []
    for label in run.ids:
        voxels = bold[(run.labels == label) & run.mask].astype(float)
        with np.errstate(invalid="ignore"):
            changes = (np.ptp(voxels, axis=1) > 0) | (bold.shape[3] == 1)
        voxels = voxels[np.isfinite(voxels).all(axis=1) & changes]
        columns.append(voxels.mean(axis=0) if len(voxels) else np.full(bold.shape[3], np.nan))
    return np.array(columns).T


def numbers_of(seen):
    names = ("mean", "std", "tsnr", "dvars", "global_mean", "n_nonfinite")
    return {name: getattr(seen.volumes, name) for name in names}


# ---- how a run is stored


@settings(deadline=None, max_examples=40)
@given(
    dtype=st.sampled_from(["i2", "i4", "f4", "f8"]),
    order=st.sampled_from("<>"),
    version=st.sampled_from([1, 2]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    block_volumes=st.integers(1, 13),
)
def test_how_a_run_is_stored_and_cut_changes_no_bit(
    run, write_image, dtype, order, version, suffix, block_volumes
):
    path = write_image(run.bold, suffix, dtype=dtype, order=order, version=version)
    extraction, seen = read(run, path, block_volumes)
    np.testing.assert_array_equal(extraction.signals, means_by_hand(run, run.bold))
    base = statistics_of(write_image(run.bold), run.mask)
    for name, value in numbers_of(seen).items():
        np.testing.assert_array_equal(value, numbers_of(base)[name], err_msg=name)


@settings(deadline=None, max_examples=20)
@given(slope=st.floats(0.3, 100), inter=st.floats(-1000, 1000), block_volumes=st.integers(1, 13))
def test_scaling_scales_signals_and_statistics_alike(
    run, write_image, slope, inter, block_volumes
):
    slope, inter = float(np.float32(slope)), float(np.float32(inter))
    scaled = run.bold * slope + inter
    path = write_image(scaled, dtype="i2", slope=slope, inter=inter)
    extraction, seen = read(run, path, block_volumes)
    reference = statistics_of(write_image(scaled), run.mask)
    expected = means_by_hand(run, scaled)
    np.testing.assert_allclose(extraction.signals, expected, rtol=1e-11, atol=1e-9)
    for name, value in numbers_of(seen).items():
        np.testing.assert_allclose(
            value, numbers_of(reference)[name], rtol=1e-9, atol=1e-9, err_msg=name
        )


@settings(deadline=None, max_examples=20)
@given(axes=st.permutations(range(3)), flips=st.lists(st.booleans(), min_size=3, max_size=3))
def test_the_orientation_in_which_a_run_is_stored_changes_no_number(run, write_image, axes, flips):
    # nibabel's notation: for each axis the one it becomes, and whether it is turned round
    way = np.array([[axis, -1 if flip else 1] for axis, flip in zip(axes, flips, strict=True)])
    affine = run.affine @ nib.orientations.inv_ornt_aff(way, run.shape)
    turn = nib.orientations.apply_orientation
    stream = BoldStream(write_image(turn(run.bold, way), affine=affine))
    mask = turn(run.mask, way)
    placed = place_regions(run.labels, grid_of(run), run.ids, grid=stream.grid, mask=mask)
    (extraction,) = extract(stream, [Request(columns=placed)])
    np.testing.assert_array_equal(extraction.signals, means_by_hand(run, run.bold))


@given(order=st.permutations(range(3)))
@settings(deadline=None, max_examples=6)
def test_requests_do_not_see_each_other(run, write_image, order):
    inside = np.flatnonzero(run.mask.ravel(order="F"))
    all_columns = place(run), *(place_voxels(v, grid_of(run)) for v in (inside, inside[::-7]))
    stream = BoldStream(write_image(run.bold), 4)
    together = extract(stream, [Request(columns=all_columns[i]) for i in order])
    for extraction, i in zip(together, order, strict=True):
        (alone,) = extract(stream, [Request(columns=all_columns[i])])
        np.testing.assert_array_equal(extraction.signals, alone.signals)


def test_selected_voxels_are_those_of_the_image(run, write_image):
    inside = np.flatnonzero(run.mask.ravel(order="F"))
    voxels = Request(columns=place_voxels(inside, grid_of(run)))
    (extraction,) = extract(BoldStream(write_image(run.bold)), [voxels])
    expected = run.bold.reshape(-1, 11, order="F")[inside].T
    np.testing.assert_array_equal(extraction.signals, expected)


def test_a_damaged_file_is_refused_after_all_volumes_came(run, write_image):
    path = write_image(run.bold)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ImageError, match="corrupt"):
        read(run, path)


# ---- values that are missing, or never change


def test_a_region_outside_the_mask_is_nan_and_stays_in_place(run, write_image):
    extraction, _ = read(run, write_image(run.bold))
    missing = [False, False, False, True, False]
    np.testing.assert_array_equal(np.isnan(extraction.signals).all(axis=0), missing)
    np.testing.assert_array_equal(extraction.used, np.logical_not(missing))
    assert extraction.coverage.status[3] == "empty"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_voxel_without_a_value_is_left_out_of_every_volume(run, write_image, bad):
    bold = run.bold.astype(np.float32)
    bold[1, 1, 1, 4] = bold[2, 2, 2, :] = bold[3, 3, 1, 2:5] = bad
    extraction, seen = read(run, write_image(bold), 3)
    np.testing.assert_allclose(extraction.signals, means_by_hand(run, bold), rtol=1e-12)
    assert np.isfinite(extraction.signals[:, [0, 1, 2, 4]]).all()
    assert seen.nonfinite.sum() == 3
    np.testing.assert_array_equal(seen.volumes.n_nonfinite, [1, 1, 2, 2, 3, 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(extraction.coverage.n_covered, [30, 31, 8, 0, 8])


def test_what_is_outside_the_mask_does_not_matter(run, write_image):
    bold = run.bold.astype(np.float32)
    bold[~run.mask] = np.nan
    extraction, seen = read(run, write_image(bold))
    np.testing.assert_array_equal(extraction.signals, means_by_hand(run, run.bold))
    assert seen.nonfinite.sum() == 0


def test_a_voxel_that_never_changes_is_left_out(run, write_image):
    bold = run.bold.copy()
    bold[2, 2, 2] = 900
    extraction, _ = read(run, write_image(bold))
    np.testing.assert_allclose(extraction.signals, means_by_hand(run, bold), rtol=1e-12)
    whole, _ = read(run, write_image(run.bold))
    lost = whole.coverage.n_covered - extraction.coverage.n_covered
    np.testing.assert_array_equal(lost, [1, 0, 0, 0, 0])


def test_in_a_single_volume_nothing_can_change(run, write_image):
    bold = run.bold[..., :1]
    extraction, _ = read(run, write_image(bold))
    np.testing.assert_array_equal(extraction.signals, means_by_hand(run, bold))


@pytest.mark.parametrize("scale", [1e-20, 1e20, 1e34])
def test_small_and_large_values_keep_their_digits(run, write_image, scale):
    bold = (run.bold * np.float32(scale)).astype(np.float32)
    extraction, _ = read(run, write_image(bold))
    np.testing.assert_allclose(extraction.signals, means_by_hand(run, bold), rtol=1e-12)


# ---- statistics of the mask, and runs that cannot be one


def test_statistics_are_those_of_the_mask(run, write_image):
    statistics = statistics_of(write_image(run.bold), run.mask, 3).volumes
    voxels = run.bold.reshape(-1, 11, order="F")[run.mask.ravel(order="F")].astype(float)
    np.testing.assert_allclose(statistics.mean, voxels.mean(axis=1))
    np.testing.assert_allclose(statistics.std, voxels.std(axis=1, ddof=1))
    np.testing.assert_allclose(statistics.global_mean, voxels.mean(axis=0))
    dvars = np.sqrt(np.square(np.diff(voxels)).mean(axis=0))
    np.testing.assert_allclose(statistics.dvars, [np.nan, *dvars])


@pytest.mark.parametrize("block_volumes", [1, 4, 11])
def test_a_volume_without_a_value_is_named(run, write_image, block_volumes):
    bold = run.bold.astype(np.float32)
    bold[..., 6] = np.nan
    path = write_image(bold)
    with pytest.raises(ImageError, match="volume 6 ") as caught:
        statistics_of(path, run.mask, block_volumes)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", [0, 1000])
def test_a_run_in_which_nothing_changes_is_refused(run, write_image, value):
    path = write_image(np.full_like(run.bold, value))
    with pytest.raises(ImageError, match="ever changes"):
        statistics_of(path, run.mask)


def test_a_run_of_nan_is_refused(run, write_image):
    path = write_image(np.full(run.bold.shape, np.nan))
    with pytest.raises(ImageError, match="volume 0 "):
        statistics_of(path, run.mask)


def test_values_too_large_to_square_are_refused(run, write_image):
    path = write_image(run.bold * 1e200)
    with pytest.raises(ImageError, match="too large"):
        statistics_of(path, run.mask)


def test_a_mask_of_another_shape_is_refused(run, write_image):
    with pytest.raises(SpaceError, match=r"\(6, 6, 5\)"):
        statistics_of(write_image(run.bold), run.mask[1:])


# ---- against the peer


def nilearn_means(bold, labels, mask, **parameters):
    """Label and time series (T,) of each region that nilearn keeps."""
    masker = NiftiLabelsMasker(
        labels,
        mask_img=mask,
        resampling_target="data",
        standardize=None,
        detrend=False,
        **parameters,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels lost in resampling and masking: seen to below
        signals = masker.fit_transform(bold)
    kept = [int(label) for label in masker.labels_ if label not in (0, "Background")]
    return dict(zip(kept, signals.T, strict=True))


ATLAS_AFFINES = {
    "same": (np.diag([2.0, 2.0, 2.0]), (20, 22, 18)),
    "LPS": (np.diag([-2.0, -2.0, 2.0]), (20, 22, 18)),
    "finer": (np.diag([1.5, 1.5, 1.5]), (27, 29, 24)),
    "oblique": (nib.eulerangles.euler2mat(0.1, 0.2, -0.15) * 1.9, (24, 25, 22)),
}


@pytest.mark.parametrize("name", ATLAS_AFFINES)
def test_means_agree_with_nilearn_on_the_same_grid_and_resampled(write_image, name):
    rng = np.random.default_rng(3)
    shape = (20, 22, 18)
    affine = nib.affines.from_matvec(np.diag([2.0, 2.0, 2.0]), [-19.0, -21.0, -17.0])
    bold = (rng.normal(size=(*shape, 30)) * 20 + 900).astype(np.float32)
    mask = np.zeros(shape, dtype=bool)
    mask[3:17, 2:19, 3:15] = True
    linear, atlas_shape = ATLAS_AFFINES[name]
    centre = (np.array(atlas_shape) - 1) / 2
    atlas_affine = (
        affine if name == "same" else nib.affines.from_matvec(linear, -linear @ centre + 0.3)
    )
    blocks = rng.integers(0, 25, [-(-size // 4) for size in atlas_shape])
    labels = np.kron(blocks, np.ones((4, 4, 4), dtype=int))
    labels = labels[tuple(map(slice, atlas_shape))].astype(np.int32) * 3

    stream = BoldStream(write_image(bold, affine=affine))
    ids = tuple(int(label) for label in np.unique(labels)[1:])
    atlas_grid = Grid(shape=atlas_shape, affine=atlas_affine)
    placed = place_regions(labels, atlas_grid, ids, grid=stream.grid, mask=mask)
    (extraction,) = extract(stream, [Request(columns=placed)])
    ours = extraction.signals

    theirs = nilearn_means(
        nib.Nifti1Image(bold.astype(np.float64), affine),  # of float32 it rounds the result
        nib.Nifti1Image(labels, atlas_affine),
        nib.Nifti1Image(mask.astype(np.uint8), affine),
    )
    assert set(theirs) == {
        label for label, n in zip(ids, placed.extent.n_inside, strict=True) if n
    }
    for column, label in enumerate(ids):
        if label in theirs:
            tolerance = ORACLE_TOLERANCE * ours[:, column].std(ddof=1)
            np.testing.assert_allclose(ours[:, column], theirs[label], rtol=0, atol=tolerance)


def test_smoothed_region_means_are_those_of_nilearn(run, write_image):
    path = write_image(run.bold.astype(np.float64), dtype="f8")
    extraction, _ = read(run, path, smoothing_fwhm=5.0)
    labels = nib.Nifti1Image(run.labels, run.affine)
    mask = nib.Nifti1Image(run.mask.astype(np.uint8), run.affine)
    theirs = nilearn_means(str(path), labels, mask, smoothing_fwhm=5.0)
    assert set(theirs) == set(run.ids) - {8}
    for column, label in enumerate(run.ids):
        if label in theirs:
            np.testing.assert_allclose(
                extraction.signals[:, column],
                theirs[label],
                rtol=0,
                atol=ORACLE_TOLERANCE * theirs[label].std(),
            )


# ---- smoothing


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_region_that_was_not_measured_gets_no_signal_from_its_neighbours(
    run, write_image, statistic
):
    bold = run.bold.astype(np.float64)
    never, still, half = (run.labels == label for label in run.ids[:3])
    bold[never], bold[still] = np.nan, 7.0
    bold[tuple(np.argwhere(half & run.mask)[0])] = np.nan
    path = write_image(bold, dtype="f8")
    for fwhm in None, 6.0:
        extraction, _ = read(run, path, statistic=statistic, smoothing_fwhm=fwhm)
        np.testing.assert_array_equal(extraction.used, [False, False, True, False, True])
        assert extraction.coverage.status[:2] == ["constant", "constant"]
        assert np.isnan(extraction.signals[:, ~extraction.used]).all()
        assert np.isfinite(extraction.signals[:, extraction.used]).all()
        assert (np.ptp(extraction.signals[:, extraction.used], axis=0) > 0).all()


def test_what_is_smoothed_together_is_what_is_smoothed_alone(run, write_image):
    stream = BoldStream(write_image(run.bold))
    inside = np.flatnonzero(run.mask.ravel(order="F"))
    requests = [
        Request(columns=place(run), statistic=statistic, smoothing_fwhm=5.0)
        for statistic in ("median", "mean")
    ]
    together = extract(stream, requests, smoothed_together=inside)
    for extraction, request in zip(together, requests, strict=True):
        (alone,) = extract(stream, [request], smoothed_together=inside)
        np.testing.assert_array_equal(extraction.signals, alone.signals)
        (otherwise,) = extract(stream, [request])
        spread = 1e-4 * np.nanstd(otherwise.signals)  # in single precision, as int16 is smoothed
        np.testing.assert_allclose(extraction.signals, otherwise.signals, rtol=0, atol=spread)


def test_the_only_volume_of_a_run_is_smoothed_too(run, write_image):
    path = write_image(run.bold[..., :1])
    plain, smoothed = (read(run, path, smoothing_fwhm=fwhm)[0] for fwhm in (None, 6.0))
    assert (plain.signals[0, plain.used] != smoothed.signals[0, plain.used]).all()
    np.testing.assert_array_equal(plain.used, smoothed.used)
