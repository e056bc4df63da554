import inspect
import warnings

import nibabel as nib
import nilearn.masking
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.errors import SpaceError
from bidsmask.images import masks
from bidsmask.images.masks import (
    MaskWarning,
    apply_mask,
    brain_mask_from_template,
    compute_background_mask,
    compute_epi_mask,
    compute_multi_background_mask,
    compute_multi_epi_mask,
    intersect_masks,
    unmask,
)

SHAPE = (19, 18, 17)
SEEDS = st.integers(0, 2**32 - 1)


def ball(radius=6.0, centre=(9, 9, 8)):
    distance = np.moveaxis(np.indices(SHAPE), 0, -1) - np.array(centre)
    return np.linalg.norm(distance, axis=-1) <= radius


def head(affine, dtype="f8", *, n_volumes=3, seed=0, background="noise", missing=False):
    """A bright ball with a speck beside it, in darkness or in a noisy background."""
    rng = np.random.default_rng(seed)
    shape = SHAPE if n_volumes is None else (*SHAPE, n_volumes)
    bright = ball() | ball(1.5, (2, 2, 2))
    values = rng.normal(40, 10, shape) if background == "noise" else np.full(shape, 17.0)
    values[bright] = rng.normal(600, 80, shape)[bright]
    values = values.round(3).astype(dtype)
    if missing and values.dtype.kind == "f":
        values[:2] = values[-2:] = values[:, :2] = np.nan
        values[9, 9, 9] = np.inf
    return nib.Nifti1Image(values, affine)


def voxels(image):
    return np.asanyarray(image.dataobj)


def check_same(ours, theirs, *, all_voxels=False):
    """To the bit: the same voxels at the same places, some or perhaps all of the image."""
    assert voxels(ours).dtype == np.uint8
    np.testing.assert_array_equal(voxels(ours), voxels(theirs))
    np.testing.assert_allclose(ours.affine, theirs.affine, rtol=1e-12, atol=1e-12)
    assert 0 < np.count_nonzero(voxels(ours)) < voxels(ours).size + all_voxels


def image_of(mask, affine=None):
    return nib.Nifti1Image(mask.astype(np.uint8), np.eye(4) if affine is None else affine)


@pytest.mark.parametrize(
    "name",
    [
        "apply_mask",
        "compute_background_mask",
        "compute_epi_mask",
        "compute_multi_background_mask",
        "compute_multi_epi_mask",
        "intersect_masks",
        "unmask",
    ],
)
def test_parameters_and_defaults_are_those_of_nilearn(name):
    def parameters(module):
        signature = inspect.signature(getattr(module, name))
        return [(each.name, each.default) for each in signature.parameters.values()]

    assert parameters(masks) == parameters(nilearn.masking)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_volumes", [None, 3])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"opening": False},
        {"opening": 1, "connected": False},
        {"lower_cutoff": 0.4, "upper_cutoff": 0.95, "exclude_zeros": True},
    ],
    ids=["default", "unopened", "unconnected", "cut-offs"],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_epi_masks_are_those_of_nilearn(affine_of, orientation, dtype, missing, n_volumes, how):
    image = head(affine_of(orientation, SHAPE), dtype, n_volumes=n_volumes, missing=missing)
    check_same(compute_epi_mask(image, **how), nilearn.masking.compute_epi_mask(image, **how))


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("background", ["uniform", "missing"])
@pytest.mark.parametrize("n_volumes", [None, 3])
@pytest.mark.parametrize(
    "how",
    [{}, {"opening": 1, "connected": True}, {"border_size": 1}],
    ids=["default", "tidied", "thin border"],
)
def test_background_masks_are_those_of_nilearn(
    affine_of, orientation, dtype, background, n_volumes, how
):
    affine, missing = affine_of(orientation, SHAPE), background == "missing"
    image = head(affine, dtype, n_volumes=n_volumes, background="uniform", missing=missing)
    ours = compute_background_mask(image, **how)
    check_same(ours, nilearn.masking.compute_background_mask(image, **how))


@pytest.mark.parametrize("kind", ["epi", "background"])
@pytest.mark.parametrize(("rank", "shape"), [(3, None), (4, None), (4, (12, 13, 11))])
def test_masks_on_another_lattice_are_those_of_nilearn(affine_of, orientation, kind, rank, shape):
    image = head(affine_of(orientation, SHAPE), "f4", background="uniform")
    target = affine_of("LAS", SHAPE, 1.3)[:rank, :rank]
    where = {"target_affine": target, "target_shape": shape}
    ours = getattr(masks, f"compute_{kind}_mask")(image, **where)
    theirs = getattr(nilearn.masking, f"compute_{kind}_mask")(image, **where)
    # splines leave no background uniform, unless something beyond the image is
    check_same(ours, theirs, all_voxels=kind == "background")


@pytest.mark.parametrize("kind", ["epi", "background"])
@pytest.mark.parametrize("n_jobs", [1, 2, -1])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_masks_of_several_runs_are_those_of_nilearn(affine_of, kind, n_jobs, threshold):
    affine = affine_of("oblique", SHAPE)
    images = [head(affine, seed=seed, background="uniform") for seed in range(3)]
    ours = getattr(masks, f"compute_multi_{kind}_mask")(images, threshold=threshold, n_jobs=n_jobs)
    theirs = getattr(nilearn.masking, f"compute_multi_{kind}_mask")(images, threshold=threshold)
    check_same(ours, theirs)


@pytest.mark.parametrize("opening", [0, 2])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_masks_from_a_template_are_those_of_nilearn(
    affine_of, orientation, monkeypatch, opening, threshold
):
    """nilearn has one template only, so it is given ours."""
    smooth = nib.Nifti1Image(
        np.clip(1.2 - np.linalg.norm(np.indices((40, 40, 40)).T - 20, axis=-1) / 20, 0, 1),
        nib.affines.from_matvec(np.eye(3), [-20, -20, -20]),
    )
    monkeypatch.setattr(nilearn.masking, "load_mni152_template", lambda resolution: smooth)
    target = head(affine_of(orientation, SHAPE))
    how = {"threshold": threshold, "opening": opening}
    ours = brain_mask_from_template(target, smooth, **how)
    check_same(ours, nilearn.masking.compute_brain_mask(target, **how))


def test_a_binary_template_is_resampled_half_way(affine_of):
    template = image_of(ball(), affine_of("RAS", SHAPE))
    same = brain_mask_from_template(template, template, opening=0)
    np.testing.assert_array_equal(voxels(same), voxels(template))
    coarse = head(affine_of("RAS", (10, 10, 10), 2.0))
    assert voxels(brain_mask_from_template(coarse, template, opening=0)).any()


def test_voxels_that_are_not_finite_are_left_out_on_demand():
    image = head(np.eye(4), missing=True)
    mask = voxels(compute_epi_mask(image, opening=0, ensure_finite=False))
    assert not mask[9, 9, 9]
    assert mask[9, 9, 8]


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (compute_background_mask, "homogeneous background"),
        (lambda image: brain_mask_from_template(image, image, threshold=9), "Lower the threshold"),
        (lambda image: compute_epi_mask(image, opening=9), "EPI images"),
    ],
    ids=["background", "template", "epi"],
)
def test_an_empty_mask_is_warned_about(compute, message):
    values = np.full(SHAPE, 3.0)
    values[:2] = 3.0
    with pytest.warns(MaskWarning, match=message):
        assert not voxels(compute(nib.Nifti1Image(values, np.eye(4)))).any()


@pytest.mark.parametrize("compute", [compute_epi_mask, compute_background_mask])
def test_the_image_is_not_touched_and_files_give_the_same_mask(compute, tmp_path):
    image = head(np.eye(4), "f4", background="uniform", missing=True)
    before = voxels(image).copy()
    mask = compute(image)
    np.testing.assert_array_equal(voxels(image), before)
    nib.save(image, tmp_path / "run.nii.gz")
    np.testing.assert_array_equal(voxels(compute(tmp_path / "run.nii.gz")), voxels(mask))


@pytest.mark.parametrize("compute", [compute_multi_epi_mask, compute_multi_background_mask])
def test_no_runs_have_no_mask(compute):
    with pytest.raises(TypeError, match="An empty object"):
        compute([])


@given(seed=SEEDS)
def test_the_mask_of_a_mask_with_itself_is_its_largest_part(seed):
    mask = np.random.default_rng(seed).random((5, 6, 4)) < 0.5
    image = image_of(mask)
    common = voxels(intersect_masks([image, image], connected=False))
    np.testing.assert_array_equal(common, mask)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.67, 1.0])
@pytest.mark.parametrize("connected", [False, True])
def test_masks_have_in_common_what_nilearn_says(threshold, connected):
    rng = np.random.default_rng(1)
    images = [image_of(rng.random(SHAPE) < 0.6) for _ in range(3)]
    ours = intersect_masks(images, threshold, connected)
    check_same(ours, nilearn.masking.intersect_masks(images, threshold, connected))


def test_masks_may_have_nothing_in_common():
    left, right = np.zeros((2, 4, 4, 4), dtype=bool)
    left[0] = right[3] = True
    assert not voxels(intersect_masks([image_of(left), image_of(right)], 1.0)).any()


@pytest.mark.parametrize(
    ("images", "threshold", "message"),
    [
        ([], 0.5, "No mask provided"),
        ([image_of(ball())], 1.5, "smaller than 1"),
        ([image_of(ball())], -0.5, "greater than 0"),
        ([image_of(np.indices((2, 2, 2)).sum(axis=0))], 0.5, "not made of 2 values"),
        (
            [image_of(ball()), image_of(ball(), 2 * np.eye(4) - np.eye(4)[3])],
            0.5,
            "the same affine",
        ),
    ],
    ids=["none", "too high", "too low", "not a mask", "another grid"],
)
def test_masks_that_cannot_be_compared_are_refused(images, threshold, message):
    with pytest.raises(ValueError, match=message):
        intersect_masks(images, threshold)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_volumes", [None, 1, 3])
@pytest.mark.parametrize("fwhm", [None, 5.0])
def test_signals_of_a_mask_are_those_of_nilearn(
    affine_of, orientation, dtype, missing, n_volumes, fwhm
):
    affine = affine_of(orientation, SHAPE)
    image, mask = (
        head(affine, dtype, n_volumes=n_volumes, missing=missing),
        image_of(ball(7.3), affine),
    )
    ours = apply_mask(image, mask, smoothing_fwhm=fwhm)
    theirs = nilearn.masking.apply_mask(
        nib.Nifti1Image(voxels(image).copy(), affine), mask, smoothing_fwhm=fwhm
    )
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    # nilearn smooths integers in single precision, after each axis
    np.testing.assert_allclose(ours, theirs, rtol=1e-6 if dtype == "i2" and fwhm else 0)


def test_values_that_are_not_finite_stay_on_demand():
    image = head(np.eye(4), missing=True)
    everywhere = image_of(np.ones(SHAPE, dtype=bool))
    assert np.isfinite(apply_mask(image, everywhere)).all()
    signals = apply_mask(image, everywhere, ensure_finite=False)
    np.testing.assert_array_equal(signals.T.reshape(voxels(image).shape), voxels(image))


def test_the_type_of_signals_can_be_chosen():
    image, mask = head(np.eye(4), "i2"), image_of(ball())
    assert apply_mask(image, mask, dtype=np.float64).dtype == np.float64
    assert apply_mask(head(np.eye(4), "i4"), mask).dtype == np.float64


def test_a_mask_on_another_grid_is_refused(affine_of):
    affine = affine_of("RAS", SHAPE)
    nudged, moved = affine.copy(), affine.copy()
    nudged[0, 3] += 0.005
    moved[0, 3] += 0.5
    assert apply_mask(head(affine), image_of(ball(), nudged)).shape == (3, ball().sum())
    with pytest.raises(SpaceError, match=r"Mask affine:[^M]* is different from img affine"):
        apply_mask(head(affine), image_of(ball(), moved))


def test_an_empty_mask_is_refused():
    empty = image_of(np.zeros(SHAPE, dtype=bool))
    with pytest.raises(ValueError, match="The mask is invalid as it is empty"):
        apply_mask(head(np.eye(4)), empty)
    with pytest.raises(ValueError, match="The mask is invalid as it is empty"):
        unmask(np.zeros(0), empty)


@pytest.mark.parametrize("values", [(0.0, 0.5, 1.0), (1, 2)])
def test_what_is_neither_in_nor_out_is_refused(values):
    image = nib.Nifti1Image(np.resize(np.array(values, "f4"), SHAPE), np.eye(4))
    with pytest.raises(ValueError, match=r"not made of 2 values|must be represented with 0"):
        apply_mask(head(np.eye(4)), image)


@given(seed=SEEDS, n_volumes=st.one_of(st.none(), st.integers(1, 3)))
def test_what_is_put_back_can_be_taken_out_again(seed, n_volumes):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 3, 5)) < 0.5
    mask[0, 0, 0] = True
    shape = (mask.sum(),) if n_volumes is None else (n_volumes, mask.sum())
    signals = rng.normal(size=shape)
    image = unmask(signals, image_of(mask))
    np.testing.assert_array_equal(apply_mask(image, image_of(mask)), signals)
    assert not voxels(image)[~mask].any()


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "i8", "?"])
@pytest.mark.parametrize("order", ["F", "C"])
@pytest.mark.parametrize("n_volumes", [None, 3])
def test_values_are_put_back_as_by_nilearn(affine_of, dtype, order, n_volumes):
    mask = image_of(ball(), affine_of("LPS", SHAPE))
    shape = (ball().sum(),) if n_volumes is None else (n_volumes, ball().sum())
    signals = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it makes int32 of int64, as we do
        theirs = nilearn.masking.unmask(signals, mask, order)
    ours = unmask(signals, mask, order)
    assert voxels(ours).dtype == voxels(theirs).dtype
    assert voxels(ours).flags[f"{order}_CONTIGUOUS"]
    np.testing.assert_array_equal(voxels(ours), voxels(theirs))
    np.testing.assert_array_equal(ours.affine, theirs.affine)


def test_a_list_of_signals_gives_a_list_of_images():
    mask, n_voxels = image_of(ball()), ball().sum()
    images = unmask([np.ones(n_voxels), np.ones((2, n_voxels))], mask)
    assert [image.shape for image in images] == [SHAPE, (*SHAPE, 2)]
    assert unmask([1.0] * int(n_voxels), mask).shape == SHAPE


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 5), "X must be of shape"), ((5,), "X must be of shape"), ((1, 2, 3), "2D or 1D array")],
)
def test_signals_of_other_voxels_are_refused(shape, message):
    with pytest.raises(TypeError, match=message):
        unmask(np.zeros(shape), image_of(ball()))
