import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps, get_data_path
from matplotlib.ft2font import FT2Font
from PIL import Image

from bidsmask.reports.drawing import arrangement, cmaps, colours, words
from bidsmask.reports.drawing.axes import Panel, apart
from bidsmask.reports.drawing.canvas import Box, Canvas
from bidsmask.reports.drawing.legend import Key, legend_lines
from bidsmask.reports.drawing.picture import Picture, png
from bidsmask.reports.drawing.scales import Scale, round_ticks, tick_labels


@given(st.lists(st.booleans(), max_size=40))
def test_stretches_tell_where_every_true_is(flags):
    rebuilt = np.zeros(len(flags), dtype=bool)
    for first, length in arrangement.stretches(np.array(flags, dtype=bool)):
        assert not rebuilt[first : first + length].any()
        rebuilt[first : first + length] = True
    assert rebuilt.tolist() == flags


@given(st.integers(1, 500), st.integers(2, 100))
def test_thinning_keeps_both_ends_and_no_more_than_asked(n, at_most):
    chosen = arrangement.thinned(n, at_most)
    assert chosen[0] == 0
    assert chosen[-1] == n - 1
    assert len(chosen) == min(n, at_most)


# Words


@given(st.text())
def test_readable_text_is_one_short_line(text):
    readable = words.readable(text, max_length=20)
    assert len(readable) <= 20
    assert len(readable.splitlines()) <= 1


@given(st.text(max_size=60), st.floats(15, 300))
def test_a_fitted_text_is_no_wider_than_its_room(text, width):
    assert words.text_width(words.fitted(text, width, 11), 11) <= width


@pytest.mark.parametrize(("file", "bold"), [("DejaVuSans", False), ("DejaVuSans-Bold", True)])
def test_no_text_is_wider_than_it_is_taken_for(file, bold):
    font = FT2Font(f"{get_data_path()}/fonts/ttf/{file}.ttf")
    font.set_size(100, 72)
    for text in (
        "7Networks_LH_SalVentAttn_Med_1",
        "300 volumes − 12 censored − 2 detrend",
        "framewise displacement: 12",
        "0123456789.−%·",
    ):
        font.set_text(text)
        real = font.get_width_height()[0] / 64 / 100
        assert real < words.text_width(text, 1, bold=bold) < 1.15 * real


# Pictures


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 700), st.integers(0, 2**32 - 1))
def test_a_stored_picture_keeps_every_pixel(n_rows, n_columns, n_colours, seed):
    generator = np.random.default_rng(seed)
    picture = Picture(
        numbers=generator.integers(0, n_colours, (n_rows, n_columns)),
        colours=generator.integers(0, 256, (n_colours, 3), dtype=np.uint8),
    )
    image = Image.open(io.BytesIO(png(picture)))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture.rgb())


def test_a_picture_of_too_many_colours_has_no_palette():
    numbers = np.arange(400).reshape(20, 20)
    spread = np.stack([numbers.ravel() // 2, numbers.ravel() % 256, numbers.ravel() // 3], axis=1)
    picture = Picture(numbers=numbers, colours=spread.astype(np.uint8))
    image = Image.open(io.BytesIO(png(picture)))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), picture.rgb())


def test_what_lies_beyond_the_scale_gets_its_last_colour():
    picture = colours.painted(np.array([[-9.0, 9.0, np.nan]]), colours.greys(5), (-1, 1)).rgb()[0]
    assert picture.tolist() == [[0, 0, 0], [255, 255, 255], list(colours.NO_VALUE)]


@pytest.mark.parametrize("n_levels", [25, 41])
def test_blue_to_red_is_the_map_that_others_call_rdbu(n_levels):
    expected = colormaps["RdBu_r"](np.linspace(0, 1, n_levels))[:, :3] * 255
    np.testing.assert_allclose(colours.blue_to_red(n_levels), expected, atol=2.5)


def test_greys_are_those_of_matplotlib():
    ours, theirs = colours.greys(20).astype(int), cmaps.shades("gray", 20).astype(int)
    np.testing.assert_allclose(ours, theirs, atol=1)


# Scales


@given(st.floats(-1e3, 1e3), st.floats(-2, 6), st.integers(2, 12), st.booleans())
def test_ticks_are_even_within_the_scale_and_no_more_than_asked(low, power, at_most, whole):
    high = low + 10.0**power
    ticks = round_ticks(low, high, at_most, whole=whole)
    slack = 1e-6 * (high - low)
    assert len(ticks) <= at_most
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert not whole or all(float(tick).is_integer() for tick in ticks if tick != low)
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[:1].repeat(steps.size), rtol=1e-6)


@pytest.mark.parametrize("high", [1e-12, 1e-4, 0.3, 1.0, 7.0, 300, 86400, 2e7])
def test_labels_of_ticks_differ_and_say_their_value(high):
    ticks = round_ticks(-high, high, 9)
    labels = tick_labels(ticks)
    assert 4 <= len(set(labels)) == len(ticks)
    values = [float(label.replace("\N{MINUS SIGN}", "-")) for label in labels]
    np.testing.assert_allclose(values, ticks, atol=1e-3 * high)


def test_a_scale_runs_either_way():
    assert Scale(0, 4, 100, 0)(1) == 75
    assert Scale(4, 0, 100, 0)(4) == 100


@given(st.lists(st.floats(0, 500), max_size=12).map(sorted), st.floats(1, 30))
def test_positions_are_moved_apart_and_stay_in_order(positions, gap):
    moved = apart(positions, gap)
    assert all(b - a > gap - 1e-6 for a, b in pairwise(moved))
    if all(b - a >= gap for a, b in pairwise(positions)):
        assert moved == pytest.approx(positions)


# Canvas


def test_ticks_take_only_the_room_that_their_numbers_have(words):
    canvas = Canvas(60, "A narrow panel")
    Panel(canvas, Box(30, 10, 60, 20), x=(0, 120000)).x_axis()
    first, *others = words(canvas.svg())
    assert others
    for other in others:
        assert first.right < other.left
        first = other


def test_a_legend_goes_on_in_the_next_line():
    keys = [Key("a rather long name", "#000000")] * 5
    assert [len(line) for line in legend_lines(keys, 330)] == [2, 2, 1]


def test_text_and_title_are_escaped(texts):
    canvas = Canvas(20, "<b> & \x00")
    canvas.text(0, 10, "a < b & \u2028'c'\"")
    assert texts(canvas.svg()) == ["<b> &  ", "a < b &  'c'\""]


def test_a_figure_scales_with_its_room(parse_svg):
    root = parse_svg(Canvas(123.4, "Anything").svg())
    assert root.get("viewBox") == "0 0 864 123.4"
    assert (root.get("width"), root.get("height")) == ("864", "123.4")
