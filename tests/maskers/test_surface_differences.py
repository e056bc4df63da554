"""Where nilearn 0.14.1 gives other numbers on surfaces, and why ours are these."""

import nilearn.maskers as theirs
import numpy as np
import pytest
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
