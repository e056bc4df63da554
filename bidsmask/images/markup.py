"""XML inside of image files, read as it comes and never as a tree."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.parsers import expat

from bidsmask.errors import ImageError
from bidsmask.images.compression import COPY_AGAIN

_CHARACTERS_AT_ONCE = 1 << 20


def xml_parser(name: str) -> Any:
    """Make a parser that hands over long texts in few pieces, and knows no entities.

    Parameters
    ----------
    name : str
        Of the file, for messages.

    Returns
    -------
    parser : xml.parsers.expat.XMLParserType
        Nothing outside of the file is ever opened. An entity that the file declares is an
        `ImageError`: no image needs one, and a few of them can stand for terabytes of text.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = _CHARACTERS_AT_ONCE

    def refuse(*_: Any) -> None:
        raise ImageError(
            f"{name} declares an XML entity. No image has need of one, and it is not read. "
            f"{COPY_AGAIN}"
        )

    parser.EntityDeclHandler = refuse
    return parser


@contextmanager
def xml_explained(name: str) -> Iterator[None]:
    """Say of which file the XML is broken.

    Raises
    ------
    ImageError
    """
    try:
        yield
    except expat.ExpatError as error:
        raise ImageError(
            f"{name}: the XML is broken or ends too early ({error}). {COPY_AGAIN}"
        ) from error
