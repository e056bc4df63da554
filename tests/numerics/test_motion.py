import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.motion import derivatives, framewise_displacement

SEEDS = st.integers(0, 2**32 - 1)


def random_motion(seed, n_volumes=12):
    return np.random.default_rng(seed).normal(size=(n_volumes, 6)) * ([0.1] * 3 + [0.01] * 3)


@given(seed=SEEDS, offset=st.floats(-10, 10))
def test_displacement_does_not_depend_on_where_the_head_lies(seed, offset):
    motion = random_motion(seed)
    np.testing.assert_allclose(
        framewise_displacement(motion + offset), framewise_displacement(motion), atol=1e-10
    )


@given(seed=SEEDS)
def test_displacement_is_the_same_when_the_run_is_played_backwards(seed):
    motion = random_motion(seed)
    np.testing.assert_allclose(
        framewise_displacement(motion[::-1])[:0:-1], framewise_displacement(motion)[1:]
    )


@given(seed=SEEDS)
def test_derivatives_add_up_to_the_parameters(seed):
    motion = random_motion(seed)
    rebuilt = motion[0] + np.cumsum(derivatives(motion)[1:], axis=0)
    np.testing.assert_allclose(rebuilt, motion[1:], atol=1e-12)


def test_the_first_volume_has_no_displacement():
    assert np.isnan(framewise_displacement(np.zeros((3, 6)))[0])
    assert np.isnan(derivatives(np.zeros((3, 6)))[0]).all()


def test_rotations_count_as_arcs_on_the_sphere():
    motion = np.zeros((2, 6))
    motion[1] = [0.1, -0.2, 0.3, 0.01, -0.02, 0.0]
    np.testing.assert_allclose(framewise_displacement(motion)[1], 0.6 + 50 * 0.03)
    np.testing.assert_allclose(framewise_displacement(motion, head_radius_mm=80)[1], 0.6 + 2.4)


def test_one_volume_is_enough():
    assert framewise_displacement(np.ones((1, 6))).shape == (1,)


def test_the_callers_array_is_not_touched():
    motion = random_motion(2)
    before = motion.copy()
    framewise_displacement(motion)
    np.testing.assert_array_equal(motion, before)
