"""Where nilearn 0.14.1 gives other numbers on surfaces, and why ours are these."""

import nilearn.maskers as theirs
import numpy as np
import pytest
from worlds.meshes import ball
from worlds.surface_images import KEYS, LEFT, RIGHT, image

import bidsmask.maskers as ours

T = 60
pytestmark = pytest.mark.filterwarnings("ignore:boolean values for 'standardize':FutureWarning")


@pytest.fixture
def values():
    return 100 + np.random.default_rng(0).normal(size=(LEFT + RIGHT, T))


def both(kind, given, run, **how):
    return [getattr(module, kind)(given, **how).fit_transform(run) for module in (theirs, ours)]


# 1. On surfaces, a vertex of which nothing was seen is no zero, and one that is missing costs no
# region: preprocessing writes zeros where it has seen nothing.


def test_zeros_of_preprocessing_do_not_pull_a_region_down(values):
    values[3] = 0  # one of the three vertices of label 2
    expected, found = both("SurfaceLabelsMasker", image(KEYS), image(values))
    assert expected[:, 1].mean() == pytest.approx(66.7, abs=0.3)
    assert found[:, 1].mean() == pytest.approx(100, abs=0.3)


def test_a_missing_vertex_costs_itself_and_not_its_region(values):
    values[3, 7] = np.nan
    with pytest.warns(UserWarning, match="Non-finite"):
        expected, found = both("SurfaceLabelsMasker", image(KEYS), image(values))
    assert np.isnan(expected[7, 1])
    np.testing.assert_allclose(found[:, 1], values[[4, 5]].mean(axis=0))


# 2. Left and right are two places: labels that both hemispheres use are regions of each.


def test_labels_of_both_hemispheres_are_not_made_one_region(values):
    keys = np.r_[np.repeat([1, 2], LEFT // 2), np.repeat([1, 2], [4, 5])]
    values[:LEFT] += 100
    expected, found = both("SurfaceLabelsMasker", image(keys), image(values))
    assert expected.shape == (T, 2)
    assert found.mean(axis=0) == pytest.approx([200, 200, 100, 100], abs=0.5)
    masker = ours.SurfaceLabelsMasker(image(keys)).fit()
    assert list(masker.region_names_.values()) == ["L_1", "L_2", "R_1", "R_2"]


# 3. Maps on surfaces overlap if two of them do, and images are not made float32 first.


def test_two_of_three_maps_are_enough_to_overlap(values):
    weights = np.zeros((LEFT + RIGHT, 3))
    weights[:8, 0], weights[6:12, 1], weights[12:, 2] = 1, 1, 1
    theirs.SurfaceMapsMasker(image(weights), allow_overlap=False).fit_transform(image(values))
    with pytest.raises(ValueError, match=r"[Oo]verlap"):
        ours.SurfaceMapsMasker(image(weights), allow_overlap=False).fit_transform(image(values))


def test_the_mean_of_integers_keeps_what_float32_cannot_hold():
    values = np.full((LEFT + RIGHT, T), 2**25) + np.arange(T)
    run = image(values.astype(np.int32))
    weights = np.zeros((LEFT + RIGHT, 1))
    weights[:5] = 1
    expected, found = both("SurfaceMapsMasker", image(weights), run)
    np.testing.assert_array_equal(np.rint(found.ravel()), values[0])
    assert not np.array_equal(np.rint(expected.ravel()), values[0])


# 4. Smoothing is by mm along the surface: any width does something, and zeros are not smeared.


@pytest.fixture
def ball_image():
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

    mesh = ball(500, radius=40.0)
    mesh = PolyMesh(left=InMemoryMesh(mesh.coordinates, mesh.faces))
    return lambda values: SurfaceImage(mesh, {"left": values})


def test_each_width_smooths_more_than_the_one_before(ball_image):
    """Rounds of averaging are a whole number: 1 to 3 mm do nothing, 5 and 6 the same."""
    run = ball_image(np.random.default_rng(0).normal(100, 1, (500, T)))
    mask = ball_image(np.ones(500))
    spread = np.array(
        [
            [each.std() for each in both("SurfaceMasker", mask, run, smoothing_fwhm=fwhm)]
            for fwhm in (1, 2, 3, 4, 5, 6)
        ]
    )
    np.testing.assert_allclose(spread[:3, 0], 1, atol=0.01)
    assert spread[4, 0] == spread[5, 0]
    assert (np.diff(spread[:, 1]) < 0).all()


def test_zeros_and_missing_vertices_do_not_get_into_their_neighbours(ball_image):
    values = np.random.default_rng(0).normal(100, 1, (500, T))
    values[:250:2] = 0
    keys = ball_image(np.repeat([1, 2], 250))
    expected, found = both("SurfaceLabelsMasker", keys, ball_image(values), smoothing_fwhm=15)
    assert expected[:, 0].mean() == pytest.approx(52, abs=3)
    assert found[:, 0].mean() == pytest.approx(100, abs=0.1)


# 5. A mask of 0 and 1 is a mask: nilearn paints vertices 0 and 1, as if it listed vertices.


def test_maps_are_painted_into_the_mask_whatever_its_type(values):
    inside = np.arange(LEFT + RIGHT) >= 4
    maps, mask = image(np.random.default_rng(1).random((LEFT + RIGHT, 2))), image(inside, np.uint8)
    painted = []
    for module in (theirs, ours):
        masker = module.SurfaceMapsMasker(maps, mask_img=mask)
        parts = masker.inverse_transform(masker.fit_transform(image(values))).data.parts
        painted.append(np.vstack([parts["left"], parts["right"]]).any(axis=1))
    assert np.flatnonzero(painted[0]).tolist() == [0, 1]
    np.testing.assert_array_equal(painted[1], inside)
