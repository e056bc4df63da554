import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.numerics.displacement import DisplacementParameters
from bidsmask.numerics.motion import framewise_displacement, relative_rms, rigid_transforms

NOTCH = {"motion_filter": "notch", "band_stop_min_bpm": 12.0, "band_stop_max_bpm": 18.0}
LOW_PASS = {"motion_filter": "lp", "band_stop_min_bpm": 6.0}
KINDS = [
    {"fd": "power"},
    {"fd": "jenkinson"},
    {"fd": "power", **NOTCH},
    {"fd": "jenkinson", **LOW_PASS},
]


def random_motion(seed, n_volumes=80):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=(n_volumes, 6)) * ([0.1] * 3 + [0.002] * 3), axis=0)


# --- laws


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999), shift=st.floats(-3, 3))
def test_displacement_does_not_depend_on_where_the_head_lies(kind, seed, shift):
    """Nor on where the run begins: a shift of all volumes is no movement."""
    moved = random_motion(seed)
    moved[:, 3:] = 0  # turned heads shift along turned axes, for Jenkinson's
    measure = DisplacementParameters(**kind).measure
    there = moved + np.array([shift, -shift, 2 * shift, 0, 0, 0])
    np.testing.assert_allclose(measure(there, 0.8), measure(moved, 0.8), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999))
def test_a_run_played_backwards_moves_as_much(kind, seed):
    moved = random_motion(seed)
    measure = DisplacementParameters(**kind).measure
    forwards, backwards = measure(moved, 0.8), measure(moved[::-1], 0.8)
    tolerance = 0.02 if "motion_filter" in kind else 1e-9  # a filter starts up at one end
    np.testing.assert_allclose(backwards[:0:-1], forwards[1:], atol=tolerance)


@given(seed=st.integers(0, 999), axis=st.integers(0, 2))
def test_a_turn_of_all_coordinates_changes_no_rms_displacement(seed, axis):
    """Power's sum over axes does change: it is no distance in space."""
    moved = random_motion(seed)
    moved[:, 3:] = 0
    turn = rigid_transforms(np.array([[0, 0, 0, *(0.7 * (np.arange(3) == axis))]]))[0, :3, :3]
    turned = moved.copy()
    turned[:, :3] = moved[:, :3] @ turn.T
    np.testing.assert_allclose(relative_rms(turned)[1:], relative_rms(moved)[1:], atol=1e-10)


def test_rms_displacement_is_that_of_points_drawn_from_the_ball():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(200_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = 80 * directions * rng.uniform(size=(len(directions), 1)) ** (1 / 3)
    moved = np.array([[0.1, 0.2, -0.1, 0.01, 0.0, -0.02], [0.3, 0.0, 0.1, 0.02, -0.01, 0.01]])
    first, second = rigid_transforms(moved)
    change = second @ np.linalg.inv(first)
    shifts = points @ change[:3, :3].T + change[:3, 3] - points
    drawn = np.sqrt((shifts**2).sum(axis=1).mean())
    assert relative_rms(moved)[1] == pytest.approx(drawn, rel=0.005)


@given(seed=st.integers(0, 99))
def test_filtered_displacement_is_smaller_where_a_head_breathes(seed):
    still = 0.2 * random_motion(seed, n_volumes=300)
    still[:, 1] += 0.2 * np.sin(2 * np.pi * 0.25 * 0.8 * np.arange(300))
    plain = DisplacementParameters(fd="power").measure(still, 0.8)
    filtered = DisplacementParameters(fd="power", **NOTCH).measure(still, 0.8)
    assert np.nanmean(filtered) < np.nanmean(plain)


# --- an oracle: nipype


def test_powers_displacement_is_that_of_nipype(tmp_path):
    from nipype.algorithms.confounds import FramewiseDisplacement

    moved = random_motion(3)
    np.savetxt(tmp_path / "motion.txt", moved, fmt="%.18e")
    FramewiseDisplacement(
        in_file=str(tmp_path / "motion.txt"),
        parameter_source="SPM",
        radius=35,
        out_file=str(tmp_path / "fd.txt"),
    ).run(cwd=str(tmp_path))
    theirs = np.loadtxt(tmp_path / "fd.txt", skiprows=1)
    ours = DisplacementParameters(fd="power", head_radius_mm=35).measure(moved, 2.0)
    np.testing.assert_allclose(ours[1:], theirs, atol=1e-12)
    np.testing.assert_array_equal(ours, framewise_displacement(moved, 35))


# --- what is refused


@pytest.mark.parametrize(
    ("given_", "letter"),
    [
        ({"fd": "fsl"}, "fd is one of table, rmsd, power, jenkinson"),
        ({"head_radius_mm": 40}, "head_radius_mm has no effect"),
        ({"fd": "rmsd", **NOTCH}, "motion_filter has no effect"),
        ({"fd": "power", "band_stop_min_bpm": 6}, "of a --motion-filter-type"),
        ({"fd": "power", **LOW_PASS, "band_stop_max_bpm": 9}, "no effect on a low-pass"),
        ({"fd": "power", "head_radius_mm": 0}, "head_radius_mm must be above 0"),
        ({"fd": "power", "motion_filter": "notch", "band_stop_min_bpm": 12}, "not between 12 and"),
        ({"fd": "power", **NOTCH, "band_stop_max_bpm": 12}, "not between 12.0 and 12"),
        ({"fd": "power", "motion_filter": "lp"}, "6 as published"),
        ({"fd": "power", **NOTCH, "motion_filter_order": 2}, "a multiple of 4"),
        ({"fd": "power", **LOW_PASS, "motion_filter_order": 3}, "a multiple of 2"),
        ({"fd": "power", "motion_filter": "median"}, "notch or lp"),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_refused(given_, letter):
    with pytest.raises(ValueError, match=letter):
        DisplacementParameters(**given_)


def test_the_advice_for_a_folded_band_works():
    moved = random_motion(0)
    with pytest.raises(ValueError, match="--band-stop-max 15") as caught:
        DisplacementParameters(fd="power", **NOTCH).measure(moved, 2.0)
    assert "--motion-filter-type lp --band-stop-min 6" in str(caught.value)
    one_side = DisplacementParameters(fd="power", **NOTCH | {"band_stop_max_bpm": 15.0})
    low_pass = DisplacementParameters(fd="power", **LOW_PASS)
    for advised in (one_side, low_pass):
        assert np.isfinite(advised.measure(moved, 2.0)[1:]).all()


def test_the_advice_for_a_low_pass_above_nyquist_works():
    slow = DisplacementParameters(fd="power", motion_filter="lp", band_stop_min_bpm=6)
    with pytest.raises(ValueError, match=r"--band-stop-min 2\.5"):
        slow.measure(random_motion(0), 6.0)
    slower = DisplacementParameters(fd="power", motion_filter="lp", band_stop_min_bpm=2.5)
    assert np.isfinite(slower.measure(random_motion(0), 6.0)[1:]).all()


def test_a_band_that_is_folded_is_said_to_be():
    band = {"band_stop_min_bpm": 18.0, "band_stop_max_bpm": 24.0}
    folded = DisplacementParameters(fd="power", **NOTCH | band)
    assert folded.folded_in_words(0.8) == ()
    (words,) = folded.folded_in_words(2.0)
    assert words.startswith("18 to 24 breaths per minute lie above 15")
    assert words.endswith("at 6 to 12 per minute.")


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({}, "Power's, from the confounds table"),
        ({"fd": "rmsd"}, "Jenkinson's, from the confounds table (rmsd)"),
        ({"fd": "jenkinson"}, "Jenkinson's, recomputed, head radius 80 mm"),
        (
            {"fd": "power", "head_radius_mm": 35, **LOW_PASS},
            "Power's, recomputed, head radius 35 mm, low-pass at 6 breaths per minute (order 2)",
        ),
    ],
)
def test_it_is_said_which_displacement_it_is(given_, words):
    assert DisplacementParameters(**given_).in_words == words
