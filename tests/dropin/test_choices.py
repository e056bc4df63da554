"""Where results differ from nilearn 0.14.1 and it is a matter of choice, or of what is asked for.

What nilearn gives, what bidsmask gives. Where nilearn is plainly wrong, see
``tests/maskers/test_differences.py``.
"""

import warnings

import nibabel as nib
import numpy as np
import pytest

import bidsmask

nilearn_maskers = pytest.importorskip("nilearn.maskers")
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = (8, 9, 7)
AFFINE = np.diag([4.0, 4, 4, 1])
N_VOLUMES = 40


def _image(values, affine=AFFINE, kind=nib.Nifti1Image):
    image = kind(values, affine, dtype=values.dtype)
    if values.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], 2.0))
    return image


def _run(dtype="float32", base=1000.0, affine=AFFINE):
    values = np.random.default_rng(0).normal(base, 10, (*SHAPE, N_VOLUMES))
    return _image(
        np.rint(values).astype(dtype) if dtype[0] != "f" else values.astype(dtype), affine
    )


def _inside():
    inside = np.zeros(SHAPE, dtype=np.uint8)
    inside[1:-1, 1:-1, 1:-1] = 1
    return inside


def _slabs(dtype="int16"):
    """Regions 1, 2 and 3, each two voxels thick."""
    labels = _inside() * np.repeat([0, 1, 1, 2, 2, 3, 3, 0], 1)[:, None, None]
    return _image(labels.astype(dtype))


MASK = _image(_inside())
MASKERS = {"nilearn": nilearn_maskers, "bidsmask": bidsmask}
SHIFTED = AFFINE.copy()
SHIFTED[:3, 3] = 1.0, 1.5, 0.5


def both(name, *arguments, **parameters):
    """Our masker and nilearn's namesake, standardize=None."""
    make = [getattr(module, name) for module in (bidsmask, nilearn_maskers)]
    return [each(*arguments, standardize=None, **parameters) for each in make]


# 1. Integers are rounded where integers are asked for, and nowhere else.


def test_a_type_that_suits_is_one_of_floats():
    ours, theirs = both("NiftiLabelsMasker", _slabs(), dtype="auto")
    assert theirs.fit_transform(_run("int16")).dtype == np.int32
    assert ours.fit_transform(_run("int16")).dtype == np.float32


def test_where_integers_are_asked_for_they_are_the_nearest():
    exact = bidsmask.NiftiLabelsMasker(_slabs(), dtype="float64").fit_transform(_run())
    ours, theirs = (
        masker.fit_transform(_run())
        for masker in both("NiftiLabelsMasker", _slabs(), dtype="int32")
    )
    np.testing.assert_array_equal(theirs, np.trunc(exact))
    np.testing.assert_array_equal(ours, np.rint(exact))


def test_an_image_with_a_qform_alone_is_whole():
    """A scanner need not write an sform; nilearn warns of every such image."""
    from nilearn.image import resample_img

    image = _run()
    image.set_sform(None)
    image.set_qform(AFFINE, 1)
    with pytest.warns(UserWarning, match="has no sform"):
        theirs = resample_img(image, SHIFTED, force_resample=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = bidsmask.resample_img(image, SHIFTED)
    np.testing.assert_allclose(ours.get_fdata(), theirs.get_fdata(), rtol=0, atol=1e-4)


def test_resampled_bytes_keep_their_decimals():
    ours, theirs = (
        masker.fit_transform(_run("uint8", base=100.0))
        for masker in both("NiftiMasker", _image(_inside(), SHIFTED))
    )
    np.testing.assert_array_equal(theirs % 1, 0)
    assert (ours % 1).any()
    np.testing.assert_allclose(np.rint(ours), theirs, atol=1)


def test_smoothing_is_not_done_in_integers():
    from nilearn.masking import apply_mask

    options = {"smoothing_fwhm": 5, "dtype": "int16"}
    exact = bidsmask.apply_mask(_run("int16"), MASK, smoothing_fwhm=5)
    assert np.abs(apply_mask(_run("int16"), MASK, **options) - exact).max() > 2
    assert np.abs(bidsmask.apply_mask(_run("int16"), MASK, **options) - exact).max() < 1


@pytest.mark.parametrize("options", [{"smoothing_fwhm": 5}, {"resampling_target": "labels"}])
def test_means_of_integers_are_of_double_precision_whatever_is_done_before(options):
    labels = _image(np.asarray(_slabs().dataobj), SHIFTED)
    ours, theirs = both("NiftiLabelsMasker", labels, **options)
    assert theirs.fit_transform(_run("int16")).dtype == np.float32
    assert ours.fit_transform(_run("int16")).dtype == np.float64


# 2. Cleaning in single precision, and what a filter leaves of a confound.


def test_standard_scores_of_float32_are_computed_in_float64():
    exact = bidsmask.NiftiLabelsMasker(
        _slabs(), standardize="zscore_sample", dtype="float64"
    ).fit_transform(_run())
    ours, theirs = (
        module.NiftiLabelsMasker(_slabs(), standardize="zscore_sample").fit_transform(_run())
        for module in (bidsmask, nilearn_maskers)
    )
    assert np.abs(theirs - exact).max() > 1e-5
    assert np.abs(ours - exact).max() < 1e-6


def test_a_constant_confound_is_none_after_a_filter_either():
    """Rounding errors are all that a filter leaves of it; they are no confound."""
    from nilearn.signal import clean

    rng = np.random.default_rng(0)
    signals = 100 + np.cumsum(rng.normal(size=(N_VOLUMES, 3)), axis=0)
    drift = np.cumsum(rng.normal(size=(N_VOLUMES, 1)), axis=0)
    with_constant = np.hstack([drift, np.full((N_VOLUMES, 1), 5.0)])
    options = {"low_pass": 0.1, "t_r": 2.0, "detrend": False, "standardize": None}

    def change(function):
        pair = (function(signals.copy(), confounds=x, **options) for x in (drift, with_constant))
        return np.abs(np.subtract(*pair)).max()

    assert change(clean) > 10
    assert change(bidsmask.clean) < 1e-9


def test_a_drifting_confound_does_not_switch_the_cosine_filter_off():
    """Nilearn takes one that correlates with a cosine for a cosine filter of the user's."""
    from nilearn.signal import clean

    slow = np.cos(np.outer((np.arange(100) + 0.5) * np.pi / 100, [1, 2, 3, 4]))
    rng = np.random.default_rng(0)
    signals = slow @ rng.normal(size=(4, 3)) + rng.normal(size=(100, 3))
    drift = slow[:, :1] + 0.1 * rng.normal(size=(100, 1))
    options = {"confounds": drift, "standardize": None, "t_r": 2.0}
    options |= {"filter": "cosine", "high_pass": 0.0113}
    assert np.abs(slow.T @ clean(signals.copy(), **options)).max() > 1
    np.testing.assert_allclose(slow.T @ bidsmask.clean(signals, **options), 0, atol=1e-10)


def test_a_percentage_does_not_depend_on_what_else_is_cleaned():
    """Band-pass, some volumes left out, and a mean that is small beside the changes.

    Whether the mean was taken away nilearn guesses, from the means of all columns together. Where
    it guesses wrong, it is per cent of what the filter has left of the mean, next to nothing.
    """
    from nilearn.signal import clean

    signals = np.random.default_rng(0).normal(size=(80, 2)).cumsum(axis=0) + np.array([3, 1000])
    kept = np.delete(np.arange(80), range(10, 16))
    options = {"standardize": "psc", "high_pass": 0.01, "low_pass": 0.1, "t_r": 2.0}

    def sizes(function):
        alone, together = (
            function(columns.copy(), sample_mask=kept.copy(), **options)[:, 0].std()
            for columns in (signals[:, :1], signals)
        )
        return [round(float(alone)), round(float(together))]

    assert sizes(clean) == [1193, 118]
    assert sizes(bidsmask.clean) == [118, 118]


def test_there_are_no_more_components_than_dimensions():
    """Five voxels vary in five ways; nilearn makes up directions to get to ten."""
    from nilearn.signal import high_variance_confounds

    voxels = np.random.default_rng(0).normal(size=(17, 50))
    options = {"n_confounds": 10, "percentile": 10.0}
    theirs = high_variance_confounds(voxels.copy(), **options)
    assert theirs.shape == (17, 10)
    with pytest.warns(UserWarning, match="5"):
        ours = bidsmask.high_variance_confounds(voxels, **options)
    assert ours.shape == (17, 5)
    np.testing.assert_allclose(ours @ ours.T, theirs[:, :5] @ theirs[:, :5].T, atol=1e-8)


# 3. Columns of which there is nothing, or too much.


def _two_maps(second):
    first = (np.asarray(_slabs().dataobj) == 1).astype(np.float32)
    return np.stack([first, second], axis=-1)


def test_a_map_without_weight_on_the_grid_of_the_run_is_no_column_of_zeros():
    far = AFFINE.copy()
    far[0, 3] = -16  # the first slab of the maps lies outside of the run
    values = np.asarray(_slabs().dataobj)
    maps = _image(np.stack([values == 1, values == 3], axis=-1).astype(np.float32), far)
    ours, theirs = both("NiftiMapsMasker", maps)
    expected = theirs.fit_transform(_run())
    np.testing.assert_array_equal(expected[:, 0], 0)
    with pytest.warns(UserWarning, match=r"After resampling the maps image.*removed: \{0\}"):
        found = ours.fit_transform(_run())
    np.testing.assert_allclose(found, expected[:, 1:], rtol=1e-5)
    assert np.isnan(ours.set_params(keep_empty=True).fit_transform(_run())[:, 0]).all()


def test_maps_that_are_multiples_of_each_other_are_refused():
    twice = 2 * (np.asarray(_slabs().dataobj) == 1).astype(np.float32)
    ours, theirs = both("NiftiMapsMasker", _image(_two_maps(twice)))
    signals = theirs.fit_transform(_run())
    np.testing.assert_allclose(signals[:, 1], 2 * signals[:, 0], rtol=1e-3)  # one of many ways
    with pytest.raises(ValueError, match=r"Maps 0, 1 .* multiples of each other"):
        ours.fit_transform(_run())


def test_labels_of_an_atlas_of_floats_are_named_without_decimals():
    ours, theirs = (masker.fit(_run()) for masker in both("NiftiLabelsMasker", _slabs("float32")))
    assert list(theirs.region_names_.values()) == ["1.0", "2.0", "3.0"]
    assert list(ours.region_names_.values()) == ["1", "2", "3"]


def test_where_an_atlas_ends_is_background_whatever_its_label():
    moved = AFFINE.copy()
    moved[0, 3] = 8  # the first two slabs of the run's voxels lie outside of the atlas
    atlas = _image(np.asarray(_slabs().dataobj)[2:], moved)
    ours, theirs = (
        np.asarray(masker.fit(_run()).labels_img_.dataobj)
        for masker in both("NiftiLabelsMasker", atlas, background_label=3)
    )
    np.testing.assert_array_equal(theirs[:2], 0)  # which is a region
    np.testing.assert_array_equal(ours[:2], 3)
    np.testing.assert_array_equal(ours[2:], theirs[2:])


def test_labels_are_resampled_from_what_was_given_for_each_run():
    fine = np.diag([2.5, 2.5, 2.5, 1])
    atlas = _image((1 + np.indices((12, 12, 12)).sum(axis=0) % 3).astype(np.int16), fine)
    ours, theirs = both("NiftiLabelsMasker", atlas)
    ours.fit(_run()), theirs.fit(_run())
    other = _run(affine=SHIFTED)
    alone = both("NiftiLabelsMasker", atlas)[1].fit_transform(other)
    np.testing.assert_allclose(ours.transform(other), alone, rtol=1e-6)
    assert np.abs(theirs.transform(other) - alone).max() > 0.1  # of labels resampled twice


# 4. What cannot be meant is refused.


def test_names_that_are_too_few_are_not_made_up():
    ours, theirs = both("NiftiLabelsMasker", _slabs(), labels=["left", "right"])
    assert list(theirs.fit(_run()).region_names_.values()) == ["left", "right", "unknown"]
    with pytest.raises(ValueError, match=r"Without a name: 3"):
        ours.fit(_run())


def test_labels_are_integers():
    halves = _image(np.asarray(_slabs().dataobj) * np.float32(1.5))
    ours, theirs = both("NiftiLabelsMasker", halves)
    assert theirs.fit_transform(_run()).shape == (N_VOLUMES, 3)
    with pytest.raises(ValueError, match="labels are integers"):
        ours.fit(_run())


@pytest.mark.parametrize(
    ("sample_mask", "n_rows", "words"),
    [
        (np.array([5, 2, 9]), 3, "must increase"),
        (np.array([0, 0, 1]), 3, "must increase"),
        (np.ones(5, dtype=bool), 5, "5 bools, but the run has 40"),
    ],
)
def test_a_sample_mask_keeps_volumes_in_their_order_and_knows_all_of_them(
    sample_mask, n_rows, words
):
    ours, theirs = (masker.fit() for masker in both("NiftiLabelsMasker", _slabs()))
    assert len(theirs.transform(_run(), sample_mask=sample_mask.copy())) == n_rows
    with pytest.raises((ValueError, IndexError), match=words):
        ours.transform(_run(), sample_mask=sample_mask)


# 5. Maskers of several runs do what is asked for.


def test_maskers_of_several_runs_give_the_type_that_is_asked_for():
    ours, theirs = (
        masker.fit_transform([_run(), _run()])
        for masker in both("MultiNiftiMasker", MASK, dtype="float64")
    )
    assert theirs[0].dtype == np.float32
    assert ours[0].dtype == np.float64


def test_maskers_of_several_runs_give_frames_if_that_is_asked_for():
    ours, theirs = (
        masker.set_output(transform="pandas").fit_transform([_run(), _run()])
        for masker in both("MultiNiftiLabelsMasker", _slabs())
    )
    assert isinstance(theirs[0], np.ndarray)
    assert list(ours[0].columns) == ["1", "2", "3"]


# 6. Images that are painted say of the run what its header said.


def test_a_painted_run_keeps_its_repetition_time():
    ours, theirs = (
        masker.inverse_transform(masker.fit_transform(_run()))
        for masker in both("NiftiLabelsMasker", _slabs())
    )
    assert theirs.header.get_zooms()[3] == 1
    assert ours.header.get_zooms()[3] == 2


def test_a_painted_run_has_the_format_of_the_run():
    values = np.asarray(_run().dataobj)
    run = _image(values, kind=nib.Nifti2Image)
    ours, theirs = (
        masker.inverse_transform(masker.fit_transform(run))
        for masker in both("NiftiLabelsMasker", _slabs())
    )
    assert type(theirs) is nib.Nifti1Image
    assert type(ours) is nib.Nifti2Image


def test_an_affine_has_the_last_row_that_its_file_would_give_it():
    odd = 2 * np.eye(4)
    labels, run = (nib.Nifti1Image(np.asarray(image.dataobj), odd) for image in (_slabs(), _run()))
    ours, theirs = (
        masker.inverse_transform(masker.fit_transform(run))
        for masker in both("NiftiLabelsMasker", labels)
    )
    np.testing.assert_array_equal(theirs.affine[3], [0, 0, 0, 2])
    np.testing.assert_array_equal(ours.affine[3], [0, 0, 0, 1])


def test_seeds_without_a_radius_can_be_painted():
    ours, theirs = (
        masker.fit(_run())
        for masker in both("NiftiSpheresMasker", [(9, 9, 9), (17, 15, 14)], mask_img=MASK)
    )
    with pytest.raises(ValueError, match="These spheres are empty"):
        theirs.inverse_transform(theirs.transform(_run()))
    assert np.count_nonzero(ours.inverse_transform(np.array([1.0, 1.0])).get_fdata()) == 2
