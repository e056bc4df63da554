import warnings

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.maskers import NiftiLabelsMasker

from bidsmask.columns.extract import extract
from bidsmask.columns.regions import place_labels
from bidsmask.errors import ImageError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.request import Reading
from bidsmask.images.stream import BoldStream
from bidsmask.numerics.projections.regions import OfOneSelection, VoxelSelection

ORACLE_TOLERANCE = 1e-6
"""Of the standard deviation of each region, against nilearn, which computes in float64 too."""


def grid_of(run):
    return Grid(shape=run.shape, affine=run.affine)


def place(run):
    return place_labels(run.labels, grid_of(run), run.ids, grid=grid_of(run), mask=run.mask)


def means_of(run, path, block_volumes=None):
    """Region means (T, P) of a file with the BOLD of the run."""
    stream = BoldStream(path, block_volumes)
    return extract(stream, [place(run).projection()], mask=run.mask).signals[0]


def means_by_hand(run, bold):
    """For each region the mean of its finite voxels inside the mask, in a plain loop."""
    columns = []
    for label in run.ids:
        voxels = bold[(run.labels == label) & run.mask].astype(float)
        rows = [voxels[np.isfinite(voxels[:, t]), t] for t in range(bold.shape[3])]
        columns.append([row.mean() if row.size else np.nan for row in rows])
    return np.array(columns).T


def statistics_of(extraction):
    statistics = extraction.statistics
    return {
        name: getattr(statistics, name)
        for name in ("mean", "std", "tsnr", "dvars", "global_mean", "n_nonfinite")
    }


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
    stream = BoldStream(path, block_volumes)
    extraction = extract(stream, [place(run).projection()], mask=run.mask)
    np.testing.assert_array_equal(extraction.signals[0], means_by_hand(run, run.bold))
    base = extract(BoldStream(write_image(run.bold)), [], mask=run.mask)
    for name, value in statistics_of(extraction).items():
        np.testing.assert_array_equal(value, statistics_of(base)[name], err_msg=name)


@settings(deadline=None, max_examples=20)
@given(slope=st.floats(0.3, 100), inter=st.floats(-1000, 1000), block_volumes=st.integers(1, 13))
def test_scaling_scales_signals_and_statistics_alike(
    run, write_image, slope, inter, block_volumes
):
    slope, inter = float(np.float32(slope)), float(np.float32(inter))
    scaled = run.bold * slope + inter
    path = write_image(scaled, dtype="i2", slope=slope, inter=inter)
    stream = BoldStream(path, block_volumes)
    extraction = extract(stream, [place(run).projection()], mask=run.mask)
    reference = extract(BoldStream(write_image(scaled)), [], mask=run.mask)
    np.testing.assert_allclose(
        extraction.signals[0], means_by_hand(run, scaled), rtol=1e-11, atol=1e-9
    )
    for name, value in statistics_of(extraction).items():
        np.testing.assert_allclose(
            value, statistics_of(reference)[name], rtol=1e-9, atol=1e-9, err_msg=name
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
    placed = place_labels(run.labels, grid_of(run), run.ids, grid=stream.grid, mask=mask)
    signals = extract(stream, [placed.projection()], mask=mask).signals[0]
    np.testing.assert_array_equal(signals, means_by_hand(run, run.bold))


@given(order=st.permutations(range(3)))
@settings(deadline=None, max_examples=6)
def test_projections_do_not_see_each_other(run, write_image, order):
    inside = np.flatnonzero(run.mask.ravel(order="F"))
    projections = [place(run).projection(), VoxelSelection(inside), VoxelSelection(inside[::-7])]
    stream = BoldStream(write_image(run.bold), 4)
    together = extract(stream, [projections[i] for i in order], mask=run.mask).signals
    for signals, i in zip(together, order, strict=True):
        alone = extract(stream, [projections[i]], mask=run.mask).signals[0]
        np.testing.assert_array_equal(signals, alone)


def test_selected_voxels_are_those_of_the_image(run, write_image):
    inside = np.flatnonzero(run.mask.ravel(order="F"))
    stream = BoldStream(write_image(run.bold))
    voxels = extract(stream, [VoxelSelection(inside)], mask=run.mask).signals[0]
    np.testing.assert_array_equal(voxels, run.bold.reshape(-1, 11, order="F")[inside].T)


def test_statistics_are_those_of_the_mask(run, write_image):
    statistics = extract(BoldStream(write_image(run.bold), 3), [], mask=run.mask).statistics
    voxels = run.bold.reshape(-1, 11, order="F")[run.mask.ravel(order="F")].astype(float)
    np.testing.assert_allclose(statistics.mean, voxels.mean(axis=1))
    np.testing.assert_allclose(statistics.std, voxels.std(axis=1, ddof=1))
    np.testing.assert_allclose(statistics.global_mean, voxels.mean(axis=0))
    dvars = np.sqrt(np.square(np.diff(voxels)).mean(axis=0))
    np.testing.assert_allclose(statistics.dvars, [np.nan, *dvars])


def test_a_region_outside_the_mask_is_nan_and_stays_in_place(run, write_image):
    signals = means_of(run, write_image(run.bold))
    np.testing.assert_array_equal(
        np.isnan(signals).all(axis=0), [False, False, False, True, False]
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_voxel_without_a_value_is_left_out_of_the_mean(run, write_image, bad):
    bold = run.bold.astype(np.float32)
    bold[1, 1, 1, 4] = bold[2, 2, 2, :] = bold[3, 3, 1, 2:5] = bad
    stream = BoldStream(write_image(bold), 3)
    extraction = extract(stream, [place(run).projection()], mask=run.mask)
    np.testing.assert_allclose(extraction.signals[0], means_by_hand(run, bold), rtol=1e-12)
    assert np.isfinite(extraction.signals[0][:, [0, 1, 2, 4]]).all()
    assert extraction.n_nonfinite_voxels == 3
    np.testing.assert_array_equal(
        extraction.statistics.n_nonfinite, [1, 1, 2, 2, 3, 1, 1, 1, 1, 1, 1]
    )


def test_what_is_outside_the_mask_does_not_matter(run, write_image):
    bold = run.bold.astype(np.float32)
    bold[~run.mask] = np.nan
    extraction = extract(BoldStream(write_image(bold)), [place(run).projection()], mask=run.mask)
    np.testing.assert_array_equal(extraction.signals[0], means_by_hand(run, run.bold))
    assert extraction.n_nonfinite_voxels == 0


@pytest.mark.parametrize("block_volumes", [1, 4, 11])
def test_a_volume_without_a_value_is_named(run, write_image, block_volumes):
    bold = run.bold.astype(np.float32)
    bold[..., 6] = np.nan
    stream = BoldStream(write_image(bold), block_volumes)
    with pytest.raises(ImageError, match="volume 6 ") as caught:
        extract(stream, [], mask=run.mask)
    assert str(stream.path) in str(caught.value)


@pytest.mark.parametrize("value", [0, 1000])
def test_a_run_in_which_nothing_changes_is_refused(run, write_image, value):
    stream = BoldStream(write_image(np.full_like(run.bold, value)))
    with pytest.raises(ImageError, match="ever changes"):
        extract(stream, [], mask=run.mask)


def test_a_run_of_nan_is_refused(run, write_image):
    stream = BoldStream(write_image(np.full(run.bold.shape, np.nan)))
    with pytest.raises(ImageError, match="volume 0 "):
        extract(stream, [], mask=run.mask)


def test_some_voxels_that_never_change_are_allowed(run, write_image):
    bold = run.bold.copy()
    bold[2, 2, 2] = 900
    np.testing.assert_array_equal(means_of(run, write_image(bold)), means_by_hand(run, bold))


def test_a_single_volume_can_be_extracted(run, write_image):
    bold = run.bold[..., :1]
    np.testing.assert_array_equal(means_of(run, write_image(bold)), means_by_hand(run, bold))


@pytest.mark.parametrize("scale", [1e-20, 1e20, 1e34])
def test_small_and_large_values_keep_their_digits(run, write_image, scale):
    bold = (run.bold * np.float32(scale)).astype(np.float32)
    means = means_of(run, write_image(bold))
    np.testing.assert_allclose(means, means_by_hand(run, bold), rtol=1e-12)


def test_values_too_large_to_square_are_refused(run, write_image):
    stream = BoldStream(write_image(run.bold * 1e200))
    with pytest.raises(ImageError, match="too large"):
        extract(stream, [], mask=run.mask)


def test_a_mask_of_another_shape_is_refused(run, write_image):
    with pytest.raises(SpaceError, match=r"\(6, 6, 5\)"):
        extract(BoldStream(write_image(run.bold)), [], mask=run.mask[1:])


def test_a_damaged_file_is_refused_after_all_volumes_came(run, write_image):
    path = write_image(run.bold)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ImageError, match="corrupt"):
        extract(BoldStream(path), [], mask=run.mask)


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
    placed = place_labels(labels, atlas_grid, ids, grid=stream.grid, mask=mask)
    ours = extract(stream, [placed.projection()], mask=mask).signals[0]

    theirs = nilearn_means(
        nib.Nifti1Image(bold.astype(np.float64), affine),  # of float32 it rounds the result
        nib.Nifti1Image(labels, atlas_affine),
        nib.Nifti1Image(mask.astype(np.uint8), affine),
    )
    assert set(theirs) == {label for label, n in zip(ids, placed.n_covered, strict=True) if n}
    for column, label in enumerate(ids):
        if label in theirs:
            tolerance = ORACLE_TOLERANCE * ours[:, column].std(ddof=1)
            np.testing.assert_allclose(ours[:, column], theirs[label], rtol=0, atol=tolerance)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_region_that_was_not_measured_gets_no_signal_from_its_neighbours(
    run, write_image, statistic
):
    bold = run.bold.astype(np.float64)
    never, still, half = (run.labels == label for label in run.ids[:3])
    bold[never], bold[still] = np.nan, 7.0
    bold[tuple(np.argwhere(half & run.mask)[0])] = np.nan
    placed, grid = place(run), grid_of(run)
    projection = placed.projection(statistic)
    readings = [
        Reading(projection=projection, grid=grid, smoothing_fwhm=fwhm) for fwhm in (None, 6.0)
    ]
    stream = BoldStream(write_image(bold, dtype="f8"))
    plain, smoothed = extract(stream, readings, mask=run.mask).signals
    assert np.isnan(plain[:, 0]).all()
    assert np.isnan(smoothed[:, 0]).all()
    np.testing.assert_array_equal(plain[:, 1], 7)
    np.testing.assert_allclose(smoothed[:, 1], 7)
    assert np.ptp(smoothed[:, 1]) == 0
    assert np.isnan(smoothed[:, 3]).all()  # outside of the mask
    for column in 2, 4:
        assert np.isfinite(smoothed[:, column]).all()
        assert np.ptp(smoothed[:, column]) > 0


def test_smoothed_region_means_are_those_of_nilearn(run, write_image):
    path = write_image(run.bold.astype(np.float64), dtype="f8")
    reading = Reading(projection=place(run).projection(), grid=grid_of(run), smoothing_fwhm=5.0)
    (ours,) = extract(BoldStream(path), [reading], mask=run.mask).signals
    labels = nib.Nifti1Image(run.labels, run.affine)
    mask = nib.Nifti1Image(run.mask.astype(np.uint8), run.affine)
    theirs = nilearn_means(str(path), labels, mask, smoothing_fwhm=5.0)
    assert set(theirs) == set(run.ids) - {8}
    for column, label in enumerate(run.ids):
        if label in theirs:
            spread = theirs[label].std()
            np.testing.assert_allclose(
                ours[:, column], theirs[label], rtol=0, atol=ORACLE_TOLERANCE * spread
            )


def test_what_is_smoothed_together_is_what_is_smoothed_alone(run, write_image):
    stream = BoldStream(write_image(run.bold))
    placed, grid = place(run), grid_of(run)
    selection = np.flatnonzero(run.mask.ravel(order="F"))
    projections = [placed.projection("median"), placed.projection()]

    def signals(projections):
        together = OfOneSelection(selection, projections)
        reading = Reading(projection=together, grid=grid, smoothing_fwhm=5.0)
        return together.split(extract(stream, [reading], mask=run.mask).signals[0])

    both = signals(projections)
    np.testing.assert_array_equal(both[0], signals(projections[:1])[0])
    np.testing.assert_array_equal(both[1], signals(projections[1:])[0])


def test_the_only_volume_of_a_run_is_smoothed_too(run, write_image):
    stream = BoldStream(write_image(run.bold[..., :1]))
    readings = [
        Reading(projection=place(run).projection(), grid=grid_of(run), smoothing_fwhm=fwhm)
        for fwhm in (None, 6.0)
    ]
    plain, smoothed = extract(stream, readings, mask=run.mask).signals
    covered = np.isfinite(plain[0])
    assert (plain[0, covered] != smoothed[0, covered]).all()
