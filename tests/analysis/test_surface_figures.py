"""Figures of runs on surfaces, drawn from values."""

from types import SimpleNamespace

import numpy as np
import pytest
from worlds.meshes import ball

from bidsmask.analysis.surface_figures import Stage, codes_of, draw_seed_map
from bidsmask.columns.surface_seeds import VertexSeed, place_surface_seeds
from bidsmask.images.grayordinates import whole_meshes
from bidsmask.reports.drawing.surfaces import look_at

LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"
N = 200
PLACES = whole_meshes({LEFT: N, RIGHT: N}, "fsLR")
MESHES = {LEFT: ball(N), RIGHT: ball(N, seed=1)}


@pytest.fixture
def stage():
    return Stage(places=PLACES, cortex=look_at(MESHES), words="Drawn on balls.")


def test_a_seed_map_is_blue_below_zero_and_red_above(stage):
    mask = np.arange(2 * N) % 50 > 0
    values = SimpleNamespace(placed=SimpleNamespace(mask=mask))
    r = np.where(np.arange(2 * N) < N, -0.8, 0.8)[mask]
    ((figure, make),) = draw_seed_map(stage, values, r, "what it is", "Pearson's r")
    svg = make().decode()
    assert figure == "what it is"
    assert "Pearson's r" in svg
    assert svg.count("<image") == 5
    assert "no value" in svg


def test_without_a_mesh_there_is_no_seed_map():
    stage = Stage(places=PLACES, cortex=None, words="There is no mesh.")
    values = SimpleNamespace(placed=SimpleNamespace(mask=np.ones(2 * N, dtype=bool)))
    assert not list(draw_seed_map(stage, values, np.ones(2 * N), "what it is", "r"))


def test_discs_have_codes_as_regions_have():
    seeds = [VertexSeed(structure=LEFT, vertex=3), VertexSeed(structure=RIGHT, vertex=5)]
    codes = codes_of(place_surface_seeds(seeds, MESHES, PLACES))
    assert np.flatnonzero(codes).tolist() == [3, N + 5]
    assert codes[[3, N + 5]].tolist() == [1, 2]
