"""base64 is decoded as Python's own decoder does it, whatever stands in it."""

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsmask.images.base64_text import decoded, without_white_space


@given(st.binary(max_size=60))
def test_what_was_encoded_comes_back(content):
    assert decoded(base64.b64encode(content)) == content


@given(st.binary(max_size=40), st.integers(0, 40), st.sampled_from([b"=", b"!", b"-_", b"\xff"]))
def test_what_is_no_base64_is_taken_as_python_takes_it(content, place, other):
    text = base64.b64encode(content)
    text = text[:place] + other + text[place:]
    try:
        expected = binascii.a2b_base64(text)
    except binascii.Error:
        with pytest.raises(binascii.Error):
            decoded(text)
    else:
        assert decoded(text) == expected


def test_white_space_is_left_out():
    assert without_white_space(b" Zn\nNh\r\ndm\tU= ") == b"ZnNhdmU="
    assert without_white_space(b"ZnNhdmU=") == b"ZnNhdmU="
