import re

import numpy as np
import pytest

from bidsmask.reports.drawing.glass import glass_brain
from bidsmask.reports.figures import atlas_outline

SHAPE = (10, 12, 8)
RAS = np.array([[2.0, 0, 0, -9], [0, 2, 0, -11], [0, 0, 2, -7], [0, 0, 0, 1]])
REFERENCE = np.ones(SHAPE)


def world(affine=RAS):
    """Two things: the first one at the left, at the back and below, the second one opposite."""
    numbers = np.zeros(SHAPE, dtype=int)
    numbers[2, 2, 2], numbers[7, 9, 6] = 1, 2
    return numbers, (numbers > 0).astype(float), affine


def drawn(names=("one", "two"), **how):
    numbers, strength, affine = world()
    return glass_brain(
        REFERENCE, numbers, strength, affine, names=names, unit="map", **how
    ).decode()


def test_it_is_seen_from_all_sides_with_a_legend():
    svg = drawn()
    names = re.findall(r">([a-z ]+)</text>", svg)
    assert names == ["one", "two", "left half", "right half", "back", "top"]
    assert svg.count("data:image/png") == 4
    assert [re.findall(rf">{side}<", svg) != [] for side in "PALR"] == [True] * 4
    assert ">one<" in svg
    assert ">two<" in svg


def pictures(*volumes):
    return re.findall(
        r"data:image/png[^\"]*",
        glass_brain(REFERENCE, *volumes, names=("one", "two"), unit="map").decode(),
    )


def test_twins_on_both_sides_do_not_hide_each_other():
    numbers, strength, affine = world()
    numbers[numbers > 0], strength[...] = 0, 0
    numbers[2, 6, 4], numbers[7, 6, 4] = 1, 2
    strength[numbers > 0] = 1
    left, right, *_ = pictures(numbers, strength, affine)
    assert left != right
    only_left = np.where(numbers == 1, numbers, 0)
    assert len(pictures(only_left, strength * (only_left > 0), affine)) == 3
    assert pictures(only_left, strength * (only_left > 0), affine)[0] == left


@pytest.mark.parametrize(("nearer", "view"), [((4, 3, 4), 2), ((4, 6, 6), 3)])
def test_from_behind_what_is_behind_is_seen_and_from_the_top_what_is_on_top(nearer, view):
    numbers, affine = np.zeros(SHAPE, dtype=int), RAS
    numbers[4, 6, 4], numbers[nearer] = 1, 2
    numbers[7, 6, 4] = 1  # there is something on the right, too
    both = pictures(numbers, (numbers > 0).astype(float), affine)[view]
    numbers[4, 6, 4] = 0
    assert pictures(numbers, (numbers > 0).astype(float), affine)[view] == both


def test_of_a_half_what_lies_outside_is_seen():
    numbers, strength, affine = world()
    inner, outer = numbers.copy(), numbers.copy()
    inner[6, 9, 6], outer[8, 9, 6] = 1, 1  # before and behind number 2, seen from the right
    numbers, strength = (np.where(outer > 0, outer, inner), ((inner + outer) > 0).astype(float))
    numbers[6, 9, 6] = 2
    right = pictures(numbers, strength, affine)[1]
    numbers[6, 9, 6] = 1
    assert pictures(numbers, strength, affine)[1] == right


def test_the_same_values_give_the_same_bytes():
    assert drawn() == drawn()


def test_the_left_is_on_the_left_whatever_the_order_of_voxels():
    numbers, strength, affine = world()
    flipped = affine.copy()
    flipped[0] *= -1
    flipped[0, 3] = affine[0, 0] * (SHAPE[0] - 1) + affine[0, 3]
    turned = glass_brain(
        REFERENCE[::-1],
        numbers[::-1],
        strength[::-1],
        flipped,
        names=("one", "two"),
        unit="map",
    )
    assert turned.decode() == drawn()


def test_the_strongest_along_the_line_is_seen():
    numbers, strength, affine = world()
    behind, weaker = numbers.copy(), strength.copy()
    behind[2, 2, 5], weaker[2, 2, 5] = 2, 0.3  # above the first one, and weaker: not from above
    once, twice = pictures(numbers, strength, affine), pictures(behind, weaker, affine)
    assert once[3] == twice[3]
    assert once[0] != twice[0]


def test_what_is_lost_is_named():
    assert "lost: two" in drawn(lost=(2,))


def test_many_are_counted_and_not_named():
    svg = drawn(names=[f"name {number}" for number in range(40)])
    assert "40 maps, a colour for each" in svg
    assert "name 7" not in svg


def test_what_cannot_be_drawn_is_refused():
    numbers, strength, affine = world()
    with pytest.raises(ValueError, match="nothing to draw"):
        glass_brain(REFERENCE, 0 * numbers, strength, affine, names=(), unit="map")
    with pytest.raises(ValueError, match="volumes of one shape"):
        glass_brain(REFERENCE[1:], numbers, strength, affine, names=("a", "b"), unit="map")


def test_a_bar_says_how_bright_values_are():
    numbers, _, affine = world()
    svg = atlas_outline(250 * REFERENCE, numbers, affine, intensity="signal").decode()
    assert ">signal<" in svg
    assert ">200<" in svg
    assert "signal" not in atlas_outline(REFERENCE, numbers, affine).decode()
    assert (
        "signal" not in atlas_outline(0 * REFERENCE, numbers, affine, intensity="signal").decode()
    )
