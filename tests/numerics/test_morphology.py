import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn._utils.ndimage import largest_connected_component
from nilearn.masking import _post_process_mask

from bidsmask.numerics.morphology import add_neighbours, largest_component, tidy

SEEDS = st.integers(0, 2**32 - 1)


def random_mask(seed, share=0.4, shape=(8, 7, 9)):
    return np.random.default_rng(seed).random(shape) < share


def blobs(seed):
    """A large blob, some specks, and ragged edges."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((20, 18, 16), dtype=bool)
    mask[3:15, 3:14, 3:12] = rng.random((12, 11, 9)) < 0.97
    mask |= rng.random(mask.shape) < 0.02
    return mask


@given(seed=SEEDS, axis=st.integers(0, 2))
def test_neighbours_are_mutual(seed, axis):
    values = np.random.default_rng(seed).normal(size=(4, 5, 6))
    there, back = np.zeros_like(values), np.zeros_like(values)
    add_neighbours(there, values)
    add_neighbours(back, np.flip(values, axis))
    np.testing.assert_allclose(there, np.flip(back, axis), rtol=1e-12, atol=1e-12)


@given(seed=SEEDS)
def test_the_largest_component_is_part_of_the_mask_and_its_own_largest_component(seed):
    mask = random_mask(seed)
    largest = largest_component(mask)
    assert not (largest & ~mask).any()
    np.testing.assert_array_equal(largest_component(largest), largest)
    assert not np.shares_memory(largest, mask)


@given(seed=SEEDS, share=st.floats(0.02, 0.9))
def test_the_largest_component_is_that_of_nilearn(seed, share):
    mask = random_mask(seed, share)
    if mask.any():
        np.testing.assert_array_equal(largest_component(mask), largest_connected_component(mask))


def test_voxels_that_share_only_an_edge_are_not_connected():
    mask = np.zeros((2, 2, 2), dtype=bool)
    mask[0, 0, :] = mask[1, 1, 0] = True
    assert largest_component(mask).sum() == 2


@given(seed=SEEDS, opening=st.integers(0, 3), connected=st.booleans(), empty=st.integers(1, 9))
def test_empty_space_around_it_changes_nothing(seed, opening, connected, empty):
    mask = np.pad(blobs(seed), 2 * opening)
    tidied = tidy(np.pad(mask, empty), opening=opening, connected=connected)
    inside = (slice(empty, -empty),) * 3
    np.testing.assert_array_equal(tidied[inside], tidy(mask, opening=opening, connected=connected))
    assert tidied.sum() == tidied[inside].sum()


@given(seed=SEEDS, opening=st.integers(1, 2))
def test_a_mask_at_the_faces_of_the_volume_is_tidied_as_nilearn_does(seed, opening):
    mask = random_mask(seed, 0.99, (12, 11, 13))
    mask[-2:] = False
    theirs = _post_process_mask(mask.copy(), np.eye(4), opening=opening, connected=False)[0]
    np.testing.assert_array_equal(tidy(mask, opening=opening, connected=False), theirs)


def test_nothing_has_no_components():
    assert not largest_component(np.zeros((3, 3, 3), dtype=bool)).any()
    assert not tidy(np.zeros((3, 3, 3), dtype=bool), opening=2, connected=True).any()


@given(seed=SEEDS)
def test_without_opening_and_connection_a_mask_stays(seed):
    mask = random_mask(seed)
    np.testing.assert_array_equal(tidy(mask, opening=0, connected=False), mask)


@pytest.mark.filterwarnings("ignore:Computed an empty mask")
@pytest.mark.parametrize("opening", [0, 1, 2, 3])
@pytest.mark.parametrize("connected", [False, True])
@given(seed=SEEDS)
def test_masks_are_tidied_as_by_nilearn(opening, connected, seed):
    mask = blobs(seed)
    theirs, _ = _post_process_mask(mask, np.eye(4), opening=opening, connected=connected)
    np.testing.assert_array_equal(tidy(mask, opening=opening, connected=connected), theirs)
