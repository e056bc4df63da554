"""Text in a figure: made printable, measured without a font, and cut to the room there is."""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

_ADVANCES = MappingProxyType(
    {
        character: advance
        for advance, characters in {
            0.28: "'ijl",
            0.32: " ,.·IJ",
            0.36: "/:;\\|f-",
            0.40: "()[]t!r",
            0.53: '"*_`sz?',
            0.58: "cLFk",
            0.60: "vxyP",
            0.64: "TYaoESbdeghnpqu$0123456789{}",
            0.69: "KAVBRXZ",
            0.75: "CUHN",
            0.79: "DG&OQ",
            0.87: "w#+<=>^~\N{MINUS SIGN}M",
            1.00: "%mW@",
        }.items()
        for character in characters
    }
)
"""Width of a character, in font sizes.

Rounded up from DejaVu Sans, the widest of the sans-serif fonts that browsers use by default: in
another one a text is shorter, and needs no more room.
"""

_BOLDER = 1.12


def readable(text: str, max_length: int = 40) -> str:
    """Text fit for a figure: one line, no control characters, not too long.

    Examples
    --------
    >>> readable("Left" + chr(0) + " thalamus")
    'Left  thalamus'
    >>> readable("a" * 50, max_length=5)
    'aaaa…'
    """
    text = _UNPRINTABLE.sub(" ", text)
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def count(number: int, noun: str, several: str | None = None) -> str:
    """Say how many, with the noun in the right number.

    Examples
    --------
    >>> count(1, "run"), count(0, "run"), count(2, "process", "processes")
    ('1 run', '0 runs', '2 processes')
    """
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a text in a font of this size; in most fonts it is narrower.

    Examples
    --------
    >>> text_width("ill", 10) < text_width("mum", 10)
    True
    """
    return sum(map(_advance, text)) * size * (_BOLDER if bold else 1.0)


def fitted(text: str, width: float, size: float) -> str:
    """Text that is no wider than `width`, its end cut off where it must be.

    Examples
    --------
    >>> fitted("Thalamus", 100, 10), fitted("Thalamus", 35, 10)
    ('Thalamus', 'Thal…')
    """
    text = readable(text)
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def minus(text: str) -> str:
    """Write negative numbers with a minus sign."""
    return text.replace("-", "\N{MINUS SIGN}")


def _advance(character: str) -> float:
    known = _ADVANCES.get(character)
    if known is not None:
        return known
    return 1.0 if unicodedata.east_asian_width(character) in "WFA" else 0.75
