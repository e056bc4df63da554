import base64
import io
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bidsmask.reports.drawing import canvas


@given(st.lists(st.booleans(), max_size=40))
def test_stretches_tell_where_every_true_is(flags):
    rebuilt = np.zeros(len(flags), dtype=bool)
    for first, length in canvas.stretches(np.array(flags, dtype=bool)):
        assert not rebuilt[first : first + length].any()
        rebuilt[first : first + length] = True
    assert rebuilt.tolist() == flags


@given(st.integers(1, 500), st.integers(2, 100))
def test_thinning_keeps_both_ends_and_no_more_than_asked(n, at_most):
    chosen = canvas.thinned(n, at_most)
    assert chosen[0] == 0
    assert chosen[-1] == n - 1
    assert len(chosen) == min(n, at_most)


@given(st.text())
def test_readable_text_is_one_short_line(text):
    readable = canvas.readable(text, max_length=20)
    assert len(readable) <= 20
    assert len(readable.splitlines()) <= 1


@canvas.style()
def test_a_picture_keeps_every_pixel_when_it_gets_a_palette():
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    figure = canvas.new_figure(1.0)
    canvas.show(figure.add_axes((0, 0, 1, 1)), picture, (0, 5, 4, 0))
    (png,) = re.findall(rb"data:image/png;base64,([A-Za-z0-9+/=]+)", canvas.svg_bytes(figure))
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    assert image.mode == "P"
    stored = np.asarray(image.convert("RGB"))
    assert any((stored == turned).all() for turned in (picture, picture[::-1]))


@canvas.style()
def test_a_picture_of_too_many_colours_stays_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    figure = canvas.new_figure(1.0)
    canvas.show(figure.add_axes((0, 0, 1, 1)), picture, (0, 1, 1, 0))
    assert b"data:image/png;base64," in canvas.svg_bytes(figure)


def test_what_lies_beyond_the_scale_gets_its_last_colour():
    colours = canvas.shades("gray", 5)
    picture = canvas.painted(np.array([-9.0, 9.0, np.nan]), colours, (-1, 1))
    assert picture[0].tolist() == [0, 0, 0]
    assert picture[1].tolist() == [255, 255, 255]
    assert picture[2].tolist() == list(canvas.NO_VALUE)
