import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask import NiftiSpheresMasker


@pytest.fixture
def here(world):
    return world()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), radius=st.sampled_from([None, 1.0, 1.5]))
def test_spheres_apart_are_read_again_as_painted(image, seed, radius):
    mask = image(np.ones((9, 9, 9), np.uint8))
    seeds = [(2, 2, 2), (6, 6, 6), (2, 6, 2)]
    masker = NiftiSpheresMasker(seeds, radius=radius, mask_img=mask).fit()
    signals = np.random.default_rng(seed).normal(size=(4, 3))
    np.testing.assert_allclose(masker.transform(masker.inverse_transform(signals)), signals)


def test_one_seed_in_one_volume_is_one_number_as_in_nilearn(here, nilearn):
    volume = here.img.slicer[..., 0]
    parameters = {"seeds": here.seeds[:1], "radius": 4.0}
    ours = NiftiSpheresMasker(**parameters).fit_transform(volume)
    theirs = nilearn("NiftiSpheresMasker", **parameters).fit_transform(volume)
    assert np.shape(ours) == np.shape(theirs) == ()
    np.testing.assert_allclose(ours, theirs)


def test_each_seed_may_have_a_radius_of_its_own(here):
    radii = [2.0, 5.0, None]
    parameters = {"allow_overlap": True}
    together = NiftiSpheresMasker(here.seeds, radius=radii, **parameters)
    signals = together.fit_transform(here.img)
    for column, (seed, radius) in enumerate(zip(here.seeds, radii, strict=True)):
        alone = NiftiSpheresMasker([seed], radius=radius).fit_transform(here.img)
        np.testing.assert_array_equal(signals[:, column], alone[:, 0])
    assert together.radii_ == radii
    assert together.n_voxels_[2] == 1


@pytest.mark.parametrize("strategy", ["median", "maximum", "standard_deviation"])
def test_every_strategy_of_regions_is_one_of_spheres(image, strategy):
    compute = {"median": np.median, "maximum": np.max, "standard_deviation": np.std}[strategy]
    run = np.random.default_rng(0).normal(size=(7, 7, 7, 5))
    masker = NiftiSpheresMasker([(3, 3, 3)], radius=2.0, strategy=strategy)
    offsets = np.indices((7, 7, 7)) - 3
    inside = (offsets**2).sum(axis=0) <= 4
    signals = masker.fit_transform(image(run))
    np.testing.assert_allclose(signals[:, 0], compute(run[inside], axis=0))


def test_the_first_eigenvariate_is_one_of_them(image):
    course = np.random.default_rng(0).normal(size=30)
    run = np.broadcast_to(course, (5, 5, 5, 30)).copy()
    masker = NiftiSpheresMasker([(2, 2, 2)], radius=2.0, strategy="first_eigenvariate")
    np.testing.assert_allclose(masker.fit_transform(image(run))[:, 0], course)


def test_a_voxel_of_two_spheres_gets_their_mean(image, nilearn):
    mask = image(np.ones((7, 7, 7), np.uint8))
    parameters = {
        "seeds": [(2, 3, 3), (4, 3, 3)],
        "radius": 1.5,
        "allow_overlap": True,
        "mask_img": mask,
    }
    ours = NiftiSpheresMasker(**parameters).fit().inverse_transform(np.array([10.0, 20.0]))
    theirs = nilearn("NiftiSpheresMasker", **parameters).fit()
    np.testing.assert_allclose(
        ours.get_fdata(), theirs.inverse_transform(np.array([10.0, 20.0])).get_fdata()
    )
    assert ours.get_fdata()[3, 3, 3] == 15


def test_overlap_is_refused_unless_it_is_allowed(here):
    seeds = [(0.0, 0, 0), (2.0, 0, 0)]
    with pytest.raises(ValueError, match="Overlap detected between spheres"):
        NiftiSpheresMasker(seeds, radius=4.0).fit_transform(here.img)
    NiftiSpheresMasker(seeds, radius=4.0, allow_overlap=True).fit_transform(here.img)


@pytest.mark.parametrize("masked", [False, True])
def test_an_empty_sphere_is_refused_or_kept_as_missing(here, image, masked):
    seeds = [(0.0, 0, 0), (500.0, 0, 0)]
    mask = None
    if masked:
        inside = np.zeros(here.img.shape[:3], np.uint8)
        inside[3:6, 3:6, 2:5] = 1
        mask, seeds = image(inside, here.affine), [(0.0, 0, 0), (6.0, 6, 6)]
    with pytest.raises(ValueError, match=r"These spheres are empty: \[1\]"):
        NiftiSpheresMasker(seeds, mask_img=mask).fit_transform(here.img)
    masker = NiftiSpheresMasker(seeds, mask_img=mask, keep_empty=True, detrend=True)
    assert np.isnan(masker.fit_transform(here.img)).all(axis=0).tolist() == [False, True]


def test_a_mask_on_another_grid_takes_the_nearest_voxel(world, nilearn, distance):
    far = world(far=True)
    parameters = {"seeds": far.seeds, "radius": 4.0, "mask_img": far.mask_img}
    parameters["allow_overlap"] = True
    ours = NiftiSpheresMasker(**parameters).fit_transform(far.img)
    theirs = nilearn("NiftiSpheresMasker", **parameters).fit_transform(far.img)
    assert distance(ours, theirs) < 1e-6


def test_painting_needs_a_mask(here):
    masker = NiftiSpheresMasker(here.seeds).fit()
    with pytest.raises(ValueError, match="provide mask_img"):
        masker.inverse_transform(np.ones(3))


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (None, "Given seed list is of type"),
        (3, "Given seed list is of type"),
        ([1, 2, 3], "Seed #0 is not a valid triplet"),
        ([(1, 2, 3), (1, 2)], "Seed #1 is of length 2 instead of 3"),
    ],
)
def test_seeds_that_are_none_are_explained(seeds, message):
    with pytest.raises(ValueError, match=f"(?s)list of triplets.*{message}"):
        NiftiSpheresMasker(seeds).fit()


def test_seeds_may_be_an_array(here):
    masker = NiftiSpheresMasker(np.array(here.seeds)).fit()
    assert masker.seeds_ == [list(seed) for seed in here.seeds]
    assert masker.n_elements_ == 3


@pytest.mark.parametrize(
    ("radius", "error"),
    [(-1.0, ValueError), ([1.0, 2.0], ValueError), ("4", TypeError), (True, TypeError)],
)
def test_radii_that_are_none_are_refused(here, radius, error):
    with pytest.raises(error, match=r"[Rr]adi"):
        NiftiSpheresMasker(here.seeds, radius=radius).fit()


def test_no_seeds_are_no_columns(here):
    assert NiftiSpheresMasker([]).fit().n_elements_ == 0
