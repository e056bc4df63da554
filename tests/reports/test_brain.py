"""Maps, spheres and statistics on slices of the brain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bidsmask.numerics.affine import apply_affine
from bidsmask.numerics.projections.map_weights import strongest_maps
from bidsmask.reports import figures
from bidsmask.reports.drawing.colours import LOST, distinct, hexadecimal

SHAPE = (20, 24, 16)
AFFINE = np.array([[2.0, 0, 0, -19], [0, 2, 0, -23], [0, 0, 2, -15], [0, 0, 0, 1]])
REFERENCE = np.full(SHAPE, 100.0)


def flipped(volume, axis):
    """The same head, stored the other way round along an axis: array, affine."""
    turn = np.eye(4)
    turn[axis, axis], turn[axis, 3] = -1, volume.shape[axis] - 1
    return np.flip(volume, axis), AFFINE @ turn


def corner_map(value=1.0, where=(slice(12, 16), slice(14, 18), slice(9, 12)), empty=0.0):
    """Something at the right, front and top."""
    volume = np.full(SHAPE, empty)
    volume[where] = value
    return volume


def draw_maps(maps, affine=AFFINE, lost=()):
    strongest, strength = strongest_maps(maps, maps.shape[1:])
    reference = np.full(maps.shape[1:], 100.0)
    names = [f"map {number}" for number in range(1, len(maps) + 1)]
    return figures.maps_outline(reference, strongest, strength, affine, names=names, lost=lost)


def draw_statistic(values, affine=AFFINE, **more):
    return figures.statistical_map(np.full(values.shape, 100.0), values, affine, label="r", **more)


def draw_seeds(seeds, radii=6.0, lost=(), reference=REFERENCE, affine=AFFINE):
    seeds = np.array(seeds, dtype=float).reshape(-1, 3)
    return figures.seeds(
        reference,
        seeds,
        np.broadcast_to(np.float64(radii), len(seeds)),
        affine,
        names=[f"seed {number}" for number in range(len(seeds))],
        lost=lost,
    )


def many_maps(n=30):
    generator = np.random.default_rng(0)
    return generator.uniform(size=(n, *SHAPE)) ** 8


CASES = {
    "a map": lambda: draw_maps(corner_map()[None]),
    "maps, one of them lost": lambda: draw_maps(
        np.stack([corner_map(), corner_map()[::-1]]), lost=(2,)
    ),
    "many maps": lambda: draw_maps(many_maps(), lost=range(1, 20)),
    "a statistic": lambda: draw_statistic(corner_map(0.7, empty=np.nan)),
    "a statistic of zeros": lambda: draw_statistic(np.zeros(SHAPE)),
    "a statistic with a limit": lambda: draw_statistic(corner_map(7), limit=3.0),
    "a seed": lambda: draw_seeds([1, 1, 1]),
    "a seed without a radius": lambda: draw_seeds([1, 1, 1], radii=np.nan),
    "seeds, one of them beyond the image": lambda: draw_seeds([[1, 1, 1], [500, 0, 0]], lost=(1,)),
    "many seeds": lambda: draw_seeds(
        np.random.default_rng(0).uniform(-14, 14, (90, 3)), lost=range(0, 90, 4)
    ),
    "a seed on nothing": lambda: draw_seeds([1, 1, 1], reference=np.zeros(SHAPE)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_well_formed_the_same_again_and_has_room_for_its_words(
    case, parse_svg, words
):
    svg = CASES[case]()
    assert svg == CASES[case]()
    _, _, width, height = map(float, parse_svg(svg).get("viewBox").split())
    found = words(svg)
    assert all(0 <= text.left < text.right <= width for text in found)
    assert all(0 <= text.top < text.bottom <= height for text in found)
    assert not any(a.overlaps(b) for a in found for b in found if a is not b)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("draw", [draw_statistic, lambda v, a=AFFINE: draw_maps(v[None], a)])
def test_figures_are_the_same_however_the_volume_is_stored(draw, axis):
    assert draw(*flipped(corner_map(), axis)) == draw(corner_map())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_seeds_stay_where_they_are_however_the_volume_is_stored(axis):
    reference = REFERENCE + np.arange(SHAPE[1])[:, None]
    turned, affine = flipped(reference, axis)
    seed = [[5.0, 9, 3], [-7, -1, 0]]
    assert draw_seeds(seed, reference=turned, affine=affine) == draw_seeds(
        seed, reference=reference
    )


# Maps


weights = arrays(np.float64, (4, 6), elements=st.floats(-9, 9, allow_subnormal=False))


@given(weights)
def test_the_strongest_map_is_the_one_of_the_largest_share(maps):
    strongest, strength = strongest_maps(maps, maps.shape[1:])
    largest = np.abs(maps).max(axis=1, keepdims=True)
    shares = np.abs(maps) / np.where(largest > 0, largest, 1)
    np.testing.assert_array_equal(strength, shares.max(axis=0))
    np.testing.assert_array_equal(strongest == 0, ~maps.any(axis=0))
    voxels = np.flatnonzero(strongest)
    np.testing.assert_array_equal(shares[strongest[voxels] - 1, voxels], strength[voxels])


def hue(colour):
    """Direction from grey, of length 1."""
    away = np.asarray(colour, dtype=float) - np.mean(colour)
    return away / np.linalg.norm(away)


def test_a_voxel_has_the_colour_of_its_strongest_map_and_the_fuller_the_stronger(pictures):
    left, right = np.zeros((2, *SHAPE))
    left[4:8, 10:14, 6:10] = 1
    right[12:16, 10:14, 6:10] = 0.3
    right[14:16, 10:14, 6:10] = 1
    axial, *_ = pictures(draw_maps(np.stack([left, right])))
    tile = axial[:, : SHAPE[0]].astype(int)  # a pixel is a voxel
    coloured = np.ptp(tile, axis=-1) > 20
    columns = np.flatnonzero(coloured.any(axis=0))
    row = np.flatnonzero(coloured.any(axis=1))[0]
    first, pale, full = (tile[row, columns[place]] for place in (0, 4, -1))
    assert hue(first) @ hue(distinct(2)[0]) > 0.99
    assert hue(full) @ hue(distinct(2)[1]) > 0.99
    assert hue(pale) @ hue(distinct(2)[1]) > 0.97
    assert np.ptp(full) > np.ptp(pale)


def test_weak_weights_leave_the_brain_as_it_is(pictures):
    volume = corner_map(0.2)
    volume[3, 3, 3] = 1
    coloured = [np.ptp(p.astype(int), axis=-1) > 20 for p in pictures(draw_maps(volume[None]))]
    assert max(mask.sum() for mask in coloured) <= 6


def test_a_lost_map_is_striped_and_named(pictures, texts):
    svg = draw_maps(np.stack([corner_map(), corner_map()[::-1]]), lost=(2,))
    assert {"map 1", "lost: map 2"} <= set(texts(svg))
    assert any((picture == LOST).all(axis=-1).any() for picture in pictures(svg))
    alive = draw_maps(np.stack([corner_map(), corner_map()[::-1]]))
    assert not any((picture == LOST).all(axis=-1).any() for picture in pictures(alive))


# Statistics


def test_a_statistic_is_red_above_zero_blue_below_and_grey_where_there_is_none(pictures):
    values = np.full(SHAPE, np.nan)
    values[4:8, 10:14, 6:10] = -0.8
    values[12:16, 10:14, 6:10] = 0.8
    _, axial, *_ = pictures(draw_statistic(values))
    tile = axial[:, : SHAPE[0]].astype(int)  # a pixel is a voxel
    warm = tile[..., 0] - tile[..., 2]
    middle = tile.shape[1] // 2
    assert (warm[:, :middle] < -40).sum() == 16
    assert (warm[:, middle:] > 40).sum() == 16
    assert (np.abs(warm) <= 40).sum() == warm.size - 32


def test_slices_go_through_the_largest_values(pictures):
    values = np.zeros(SHAPE)
    values[3, 17, 11] = 1.0
    for picture in pictures(draw_statistic(values, limit=1.0))[1:]:
        warm = picture[..., 0].astype(int) - picture[..., 2]
        assert (warm > 40).any()


def test_the_bar_says_what_the_colours_mean(texts):
    found = texts(draw_statistic(corner_map(0.7, empty=np.nan), limit=3.0))
    assert "r" in found
    assert {"\N{MINUS SIGN}2", "0", "2"} <= set(found)


# Spheres


def test_a_seed_is_drawn_where_it_is(elements):
    seed = np.array([9.0, -5.0, 3.0])
    svg = draw_seeds(seed)
    voxel = apply_affine(np.linalg.inv(AFFINE), seed)
    circles = elements(svg, "circle")[1:]  # the first one is in the legend
    images = elements(svg, "image")
    assert len(circles) == len(images) == 3
    for circle, image, axis, n in zip(circles, images, (2, 1, 0), (6, 6, 5), strict=True):
        across, up = sorted({0, 1, 2} - {axis})
        width = float(image["width"]) / n
        x = float(circle["cx"]) % width / width * SHAPE[across] - 0.5
        y = float(image["y"]) + float(image["height"]) - float(circle["cy"])
        assert x == pytest.approx(voxel[across], abs=0.05)
        assert y / float(image["height"]) * SHAPE[up] - 0.5 == pytest.approx(voxel[up], abs=0.05)
        scale = float(image["height"]) / (2.0 * SHAPE[up])
        assert float(circle["r"]) == pytest.approx(6.0 * scale, rel=0.01)
        assert float(circle["fill-opacity"]) > 0  # a slice goes through it


def test_every_seed_is_drawn_once_in_each_row_and_lost_ones_are_crossed_out(elements, texts):
    seeds = np.random.default_rng(1).uniform(-13, 13, (30, 3))
    svg = draw_seeds(seeds, radii=3.0, lost=(4, 9))
    in_legend = 1 + 2
    assert len(elements(svg, "circle")) == 3 * 30 + in_legend
    assert len(elements(svg, "line")) == 2 * (3 * 2 + 2)
    assert {"28 spheres", "lost: seed 4", "lost: seed 9"} <= set(texts(svg))


def test_a_seed_beyond_the_image_is_named_and_not_drawn(elements, texts):
    svg = draw_seeds([[1, 1, 1], [500, 0, 0]], lost=(1,))
    assert "lost: seed 1" in texts(svg)
    red = [c for c in elements(svg, "circle") if c["stroke"] == hexadecimal(LOST)]
    assert len(red) == 1


def test_few_seeds_have_colours_of_their_own(elements):
    svg = draw_seeds(np.random.default_rng(1).uniform(-13, 13, (12, 3)))
    assert len({circle["stroke"] for circle in elements(svg, "circle")}) == 12


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (lambda: draw_maps(np.zeros((2, *SHAPE))), "No map has a weight"),
        (lambda: draw_statistic(np.full(SHAPE, np.nan)), "has no value"),
        (lambda: draw_seeds(np.empty((0, 3))), "There is no sphere"),
        (
            lambda: figures.statistical_map(REFERENCE, np.ones((3, 3, 3)), AFFINE, label="r"),
            r"one shape; they are \(3, 3, 3\) and \(20, 24, 16\)",
        ),
        (
            lambda: figures.seeds(REFERENCE, np.ones((2, 3)), np.ones(2), AFFINE, names=["a"]),
            "1 names need a volume",
        ),
    ],
)
def test_without_something_to_draw_there_is_a_sentence(draw, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw()
