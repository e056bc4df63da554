"""Regions and values on hemispheres."""

import numpy as np
import pytest
from reports.test_hemispheres import outwards
from scipy.spatial import ConvexHull

from bidsmask.images.meshes import Mesh
from bidsmask.reports.drawing.colours import LOST
from bidsmask.reports.drawing.surfaces import look_at, surface_regions, values_on_surfaces

LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"


def ball(seed):
    points = np.random.default_rng(seed).normal(size=(400, 3))
    points *= np.array([30.0, 90, 60]) / np.linalg.norm(points, axis=1, keepdims=True)
    return Mesh(coordinates=points, faces=outwards(points, ConvexHull(points).simplices))


MESHES = {RIGHT: ball(1), LEFT: ball(0)}
CORTEX = look_at(MESHES)
FRONT_AND_BACK = {side: 1 + (mesh.coordinates[:, 1] > 0) for side, mesh in MESHES.items()}
NAMES = ["back", "front"]


def is_red(picture):
    red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
    return (red > 2.5 * green) & (red > 4 * blue)


def test_both_hemispheres_are_seen_from_both_sides(pictures, texts):
    svg = surface_regions(CORTEX, FRONT_AND_BACK, names=NAMES)
    assert len(pictures(svg)) == 4
    said = texts(svg)[1:]
    assert said == ["back", "front", *(f"{s}, {v}" for v in ("lateral", "medial") for s in
                                       ("left", "right"))]  # fmt: skip


def test_one_hemisphere_alone_is_drawn(pictures):
    cortex = look_at({RIGHT: MESHES[RIGHT]})
    assert len(pictures(surface_regions(cortex, FRONT_AND_BACK, names=NAMES))) == 2


def test_regions_are_where_they_are(pictures):
    """Seen from the left, the front of the head is on the left."""
    colours = np.array([[0, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    svg = surface_regions(CORTEX, FRONT_AND_BACK, names=NAMES, colours=colours)
    left, right = pictures(svg)[:2]
    for picture, front in ((left, slice(None, 200)), (right, slice(-200, None))):
        assert (picture[:, front, 2] > picture[:, front, 1]).sum() > 5000
        assert (picture[:, front, 2] < picture[:, front, 1]).sum() == 0


def test_a_lost_region_is_red_and_named(pictures, texts):
    svg = surface_regions(CORTEX, FRONT_AND_BACK, names=NAMES, lost=[2])
    left, *_ = pictures(svg)
    assert is_red(left)[:, :300].sum() > 5000
    assert not is_red(left)[:, 400:].any()
    assert "lost: front" in texts(svg)
    assert LOST[0] > 200


def test_a_vertex_without_a_region_is_grey(pictures):
    nothing = {side: np.where(codes == 1, 0, 1) for side, codes in FRONT_AND_BACK.items()}
    left, *_ = pictures(surface_regions(CORTEX, nothing, names=["front"]))
    colours = left[:, 400:].reshape(-1, 3).astype(int)
    assert (np.ptp(colours, axis=1) <= 14).all()


def test_values_run_from_the_first_colour_to_the_last(pictures):
    values = {side: mesh.coordinates[:, 1] for side, mesh in MESHES.items()}
    colours = np.array([[255, 255, 0], [0, 255, 255]])
    svg = values_on_surfaces(CORTEX, values, label="y", colours=colours, limits=(-90, 90))
    _, left, *_ = pictures(svg)
    blue, red = left[left.shape[0] // 2, :, 2].astype(int), left[left.shape[0] // 2, :, 0]
    assert (blue - red)[30:200].min() > 0 > (blue - red)[-200:-30].max()


def test_a_vertex_without_a_value_is_grey_and_said_to_be(pictures, texts):
    values = {side: np.where(codes == 1, np.nan, 1.0) for side, codes in FRONT_AND_BACK.items()}
    colours = np.array([[255, 0, 0], [255, 0, 0]])
    svg = values_on_surfaces(CORTEX, values, label="r", colours=colours, limits=(0, 1))
    assert "no value" in texts(svg)
    _, left, *_ = pictures(svg)
    assert is_red(left)[:, :300].sum() > 5000
    assert not is_red(left)[:, 400:].any()


def test_the_same_arrays_give_the_same_bytes():
    one, other = (surface_regions(look_at(MESHES), FRONT_AND_BACK, names=NAMES) for _ in range(2))
    assert one == other


def test_nothing_to_draw_is_said():
    nothing = {side: 0 * codes for side, codes in FRONT_AND_BACK.items()}
    with pytest.raises(ValueError, match="No region has a vertex here"):
        surface_regions(CORTEX, nothing, names=NAMES)
    values = {side: np.full(codes.shape, np.nan) for side, codes in FRONT_AND_BACK.items()}
    with pytest.raises(ValueError, match="No vertex has a value of r"):
        values_on_surfaces(CORTEX, values, label="r", colours=np.zeros((2, 3)), limits=(0, 1))
    with pytest.raises(ValueError, match="no mesh of a hemisphere"):
        look_at({})
