"""Bytes that stand in a text as base64, decoded two characters at a time."""

import binascii
from functools import cache

import numpy as np

from bidsmask._typing import IntArray

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_PAIR = 0xFFFF
_WHITE = (b"\n", b" ", b"\r", b"\t")
_END = 4
"""Characters of the last group, which may be padding."""


def decoded(text: bytes) -> bytes:
    """Decode base64 (RFC 4648, section 4), as `binascii.a2b_base64` does, in less time.

    Parameters
    ----------
    text : bytes
        As a rule whole groups of four characters, without white space; all else takes longer.

    Raises
    ------
    binascii.Error
        If the padding is wrong.

    Examples
    --------
    >>> decoded(b"ZnNhdmVyYWdlNg==")
    b'fsaverage6'
    """
    pairs = _values_of_pairs().take(np.frombuffer(text, "<u2", max(len(text) - _END, 0) // 2))
    if len(text) % _END or pairs.max(initial=0) == _NO_PAIR:
        return binascii.a2b_base64(text)
    first, second = pairs[0::2], pairs[1::2]
    groups = np.empty((first.size, 3), dtype=np.uint8)
    groups[:, 0] = first >> 4
    groups[:, 1] = first << 4 | second >> 8
    groups[:, 2] = second
    return groups.tobytes() + binascii.a2b_base64(text[-_END:])


def without_white_space(text: bytes) -> bytes:
    """Leave out what only breaks lines, if there is any."""
    return b"".join(text.split()) if any(each in text for each in _WHITE) else text


@cache
def _values_of_pairs() -> IntArray:
    """Give what two characters stand for, 12 bits, by the number that their bytes make."""
    values = np.full(256, 64, dtype=np.uint16)
    values[list(_ALPHABET)] = np.arange(64)
    first, second = values, values[:, np.newaxis]
    pairs: IntArray = first << 6 | second
    pairs[(first == 64) | (second == 64)] = _NO_PAIR
    return pairs.ravel()
