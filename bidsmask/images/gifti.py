"""GIFTI files: values on the vertices of a mesh, decoded as the parser comes to them.

A run is stored as one array for each volume, or as a single array of vertices and volumes, with
the one or the other running fastest. So a file is a stream of *units*: volumes, or vertices with
all of their volumes. No more than some of them are ever held, text included.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bidsmask._typing import Array
from bidsmask.errors import DimensionError, ImageError
from bidsmask.images.base64_text import decoded, without_white_space
from bidsmask.images.compression import (
    COPY_AGAIN,
    INFLATE_ERRORS,
    explained,
    inflater,
    open_bytes,
)
from bidsmask.images.grayordinates import LEFT, MOST_PLACES, RIGHT
from bidsmask.images.header import check_content, check_there
from bidsmask.images.markup import xml_explained, xml_parser

_VALUES = b"<Data>"
_BYTES_READ = 1 << 19
_BLOCK_BYTES = 4 << 20
_BLOCK_UNITS = 32

_TYPES = {
    f"NIFTI_TYPE_{name.upper()}": np.dtype(name)
    for name in (
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
        *("float32", "float64"),
    )
}
_ORDERS: dict[str, Literal["<", ">"]] = {"LittleEndian": "<", "BigEndian": ">"}
_MESH = ("NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE")

_STRUCTURES = {"CortexLeft": LEFT, "CortexRight": RIGHT}
_NAMES = (
    (re.compile(r"(?:^|[_.])(?:hemi-L|L)(?=[_.])|(?:^|[_.-])(?:lh|left)(?=[_.-])"), LEFT),
    (re.compile(r"(?:^|[_.])(?:hemi-R|R)(?=[_.])|(?:^|[_.-])(?:rh|right)(?=[_.-])"), RIGHT),
)
_OPPOSITE = {"L": "R", "R": "L", "lh": "rh", "rh": "lh", "left": "right", "right": "left"}
_SIDE = re.compile("(?:L|R|lh|rh|left|right)$")


@dataclass(frozen=True, kw_only=True, eq=False)
class GiftiFile:
    """Values on the vertices of one mesh, of which none has been read yet.

    Parameters
    ----------
    path : Path
    structure : str or None
        Which hemisphere the file says that it is of, as CIFTI names it.
    n_vertices : int
    n_volumes : int
        Volumes, or maps: T.
    dtype : numpy.dtype
        In native byte order.
    by_vertex : bool
        Whether all volumes of a vertex come together, and not all vertices of a volume.
    labels : pairs of key and name
        Its table of labels, in the order of the file.
    """

    path: Path
    structure: str | None
    n_vertices: int
    n_volumes: int
    dtype: np.dtype[Any]
    by_vertex: bool
    labels: tuple[tuple[int, str], ...]

    def blocks(self, at_once: int | None = None) -> Iterator[tuple[slice, Array]]:
        """Decode the values, some volumes at a time; or some vertices, if they come `by_vertex`.

        Parameters
        ----------
        at_once : int, optional
            How many.

        Yields
        ------
        units : slice
            Which volumes these are, or which vertices.
        block : array of shape (n, V), or (n, T)

        Raises
        ------
        ImageError
            If the file is truncated or corrupt, or holds something else than it said.
        """
        n_units, length = self.n_volumes, self.n_vertices
        if self.by_vertex:
            n_units, length = length, n_units
        unit_bytes = length * self.dtype.itemsize
        most = n_units if self.by_vertex else _BLOCK_UNITS
        at_once = at_once or max(1, min(_BLOCK_BYTES // unit_bytes, most))
        start = 0
        for block in _cut(self._values(), at_once * unit_bytes):
            units = block.view(self.dtype).reshape(-1, length)
            yield slice(start, start + len(units)), units
            start += len(units)
        if start != n_units:
            raise ImageError(f"{self.path} says that it holds {n_units}, and holds {start}.")

    def array(self) -> Array:
        """Read all values, (V, T)."""
        whole = np.concatenate([block for _, block in self.blocks()])
        return whole if self.by_vertex else whole.T

    def _values(self) -> Iterator[bytes]:
        """Give the values in native byte order, piece by piece."""
        first: dict[str, str] = {}
        for item in _walk(self.path):
            if isinstance(item, bytes):
                yield item
            elif isinstance(item, dict):
                first = first or item
                if any(item.get(key) != first.get(key) for key in ("Dim0", "Dim1", "DataType")):
                    raise ImageError(
                        f"{self.path}: its arrays differ in size or type. {COPY_AGAIN}"
                    )


def _cut(pieces: Iterable[bytes], n_bytes: int) -> Iterator[Array]:
    """Put bytes into arrays of one length, but for the last, which may be shorter."""
    block, filled = np.empty(n_bytes, dtype=np.uint8), 0
    for piece in pieces:
        rest = np.frombuffer(piece, dtype=np.uint8)
        while rest.size:
            some = rest[: n_bytes - filled]
            block[filled : filled + some.size] = some
            rest, filled = rest[some.size :], filled + some.size
            if filled == n_bytes:
                yield block
                block, filled = np.empty(n_bytes, dtype=np.uint8), 0
    if filled:
        yield block[:filled]


def read_gifti(path: Path) -> GiftiFile:
    """Read what a GIFTI file says about itself.

    Parameters
    ----------
    path : Path
        ``.func.gii``, ``.shape.gii``, ``.label.gii``, also compressed.

    Returns
    -------
    file : GiftiFile

    Raises
    ------
    ImageError
        If the file is missing or broken, or holds a mesh and no values.
    DimensionError
        If it holds several arrays of two dimensions, or one of more.
    """
    check_there(path)
    with explained(path), open_bytes(path) as file:
        check_content(path, file.read(540))
    head = _Head()
    for item in _walk(path, head):
        if isinstance(item, dict):
            return _described(path, head, item)
    raise ImageError(f"{path} holds no array of values.")


def count_vertices(path: Path) -> int:
    """Count the vertices that a GIFTI file is about, be it a mesh or values on one.

    Raises
    ------
    ImageError
        If the file is missing or broken, or holds nothing.
    """
    check_there(path)
    for item in _walk(path):
        if isinstance(item, dict) and item.get("Intent") != "NIFTI_INTENT_TRIANGLE":
            return int(item.get("Dim0", 0))
    raise ImageError(f"{path} holds nothing on the vertices of a mesh.")


def array_names(path: Path) -> tuple[str, ...]:
    """Read what a file calls each of its arrays (``Name`` in its metadata); "" where it does not.

    Raises
    ------
    ImageError
        If the file is missing or broken.
    """
    check_there(path)
    head = _Head()
    for _ in _walk(path, head):
        pass
    return tuple(head.names)


def hemisphere_of(file: GiftiFile) -> str | None:
    """Say which hemisphere a file is of: what it says itself, or else what its name says.

    Raises
    ------
    ImageError
        If the two contradict each other.
    """
    named = hemisphere_in_name(file.path)
    if file.structure is not None and named not in (None, file.structure):
        raise ImageError(
            f"{file.path} is called like a file of {named}, and says inside that it is of "
            f"{file.structure} (AnatomicalStructurePrimary). One of the two is wrong: find out "
            "which, and rename the file or make it again."
        )
    return file.structure or named


def hemisphere_in_name(path: Path) -> str | None:
    """Read the hemisphere off the name of a file.

    Examples
    --------
    >>> hemisphere_in_name(Path("sub-1_hemi-L_bold.func.gii"))
    'CORTEX_LEFT'
    >>> hemisphere_in_name(Path("rh.aparc.annot"))
    'CORTEX_RIGHT'
    """
    found = [structure for pattern, structure in _NAMES if pattern.search(path.name)]
    return found[0] if len(found) == 1 else None


def other_hemisphere(path: Path) -> Path:
    """Name the file of the other hemisphere, which lies beside the one of this name.

    Examples
    --------
    >>> str(other_hemisphere(Path("atlases/tpl-fsLR_hemi-L_den-32k_dseg.label.gii")))
    'atlases/tpl-fsLR_hemi-R_den-32k_dseg.label.gii'
    >>> str(other_hemisphere(Path("rh.aparc.annot")))
    'lh.aparc.annot'
    """
    patterns = [pattern for pattern, _ in _NAMES if pattern.search(path.name)]
    name = path.name
    for pattern in patterns:
        name = pattern.sub(lambda found: _SIDE.sub(_opposite, found[0]), name)
    return path.with_name(name)


def _opposite(side: re.Match[str]) -> str:
    return _OPPOSITE[side[0]]


@dataclass
class _Head:
    """What a file says beside its values: before the first of them, and of each array."""

    attributes: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    labels: list[tuple[int, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def _described(path: Path, head: _Head, array: dict[str, str]) -> GiftiFile:
    if array.get("Intent") in _MESH:
        raise ImageError(f"{path} holds a mesh ({array['Intent']}), and no values on one.")
    try:
        sizes = [int(array[f"Dim{axis}"]) for axis in range(int(array["Dimensionality"]))]
        n_arrays = int(head.attributes.get("NumberOfDataArrays", 1))
        dtype = _TYPES[array["DataType"]]
    except (KeyError, ValueError) as error:
        raise ImageError(f"{path}: an array is not described well: {error}.") from error
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 2 or (len(sizes) == 2 and n_arrays > 1) or min(sizes, default=0) < 1:
        raise DimensionError(
            f"{path} has {n_arrays} arrays of the shape {tuple(sizes)}; what can be read is one "
            "array for each volume, or one of vertices and volumes."
        )
    if max(sizes[0], n_arrays) > MOST_PLACES:
        raise ImageError(f"{path} claims {n_arrays} arrays of {sizes[0]} values. {COPY_AGAIN}")
    one = len(sizes) == 2
    structure = head.metadata.get("AnatomicalStructurePrimary", "")
    return GiftiFile(
        path=path,
        structure=_STRUCTURES.get(structure),
        n_vertices=sizes[0],
        n_volumes=sizes[1] if one else n_arrays,
        dtype=dtype,
        by_vertex=one and array.get("ArrayIndexingOrder") != "ColumnMajorOrder",
        labels=tuple(head.labels),
    )


def _walk(path: Path, head: _Head | None = None) -> Iterator[dict[str, str] | bytes]:
    """Go through a file: the attributes of each array, and then its values in pieces.

    Values are in native byte order. Of an array, there are as many bytes as its attributes say.
    """
    document = _Document(path, head or _Head())
    parser = xml_parser(str(path))
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.text
    with explained(path), open_bytes(path) as file, xml_explained(str(path)):
        while piece := file.read(_BYTES_READ):
            _parse(piece, parser, document)
            yield from document.found
            document.found.clear()
        parser.Parse(b"", True)
        yield from document.found


def _parse(piece: bytes, parser: Any, document: _Document) -> None:
    """Have the next piece of a file parsed, but not the values in it, which are nearly all.

    Up to the next tag, they are what stands there: to find that out and to make text of them takes
    the parser as long as it takes to decode them.
    """
    start = 0
    while start < len(piece):
        if document.is_at_values:
            tag = piece.find(b"<", start)
            stop = len(piece) if tag < 0 else tag
            document.is_at_values = tag < 0
            some = piece[start:stop]
            if b"&" in some:  # that is markup, too
                parser.Parse(some, False)
            elif some:
                document.values(some)
        else:
            before = piece.find(_VALUES, start)
            stop = len(piece) if before < 0 else before + len(_VALUES)
            parser.Parse(piece[start:stop], False)
            document.is_at_values &= before >= 0
        start = stop


class _Document:
    """Takes what the parser finds.

    Attributes
    ----------
    found : list
        What `_walk` gives.
    is_at_values : bool
        Whether the parser has come to the beginning of values, and not beyond.
    """

    def __init__(self, path: Path, head: _Head) -> None:
        self.is_at_values = False
        self.found: list[dict[str, str] | bytes] = []
        self._path = path
        self._head = head
        self._array: dict[str, str] = {}
        self._decoder: _Decoder | None = None
        self._words: list[str] | None = None
        self._name = ""
        self._key = 0

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "GIFTI":
            self._head.attributes.update(attributes)
        elif element == "DataArray":
            self._array = attributes
            self._head.names.append("")
        elif element in ("Name", "Value", "Label"):
            self._words = []
            key = attributes.get("Key", attributes.get("Index", "0"))
            self._key = int(key) if key.lstrip("-").isdigit() else 0
        elif element == "Data":
            self.found.append(self._array)
            self._decoder = _Decoder(self._path, self._array)
            self.is_at_values = True
            self.found += self._decoder.beside()

    def values(self, text: bytes) -> None:
        """Take the next values, as they stand in the file."""
        if self._decoder is not None:
            self.found += self._decoder.take(text)

    def text(self, text: str) -> None:
        if self._decoder is not None:
            self.values(text.encode())
        elif self._words is not None:
            self._words.append(text)

    def end(self, element: str) -> None:
        if element == "Data" and self._decoder is not None:
            self.found += self._decoder.finish()
            self._decoder = None
            self.is_at_values = False
        elif element in ("Name", "Value", "Label") and self._words is not None:
            text, self._words = "".join(self._words).strip(), None
            if element == "Name":
                self._name = text
            elif element == "Value":
                if self._name == "Name" and self._head.names:
                    self._head.names[-1] = text
                self._head.metadata.setdefault(self._name, text)
            else:
                self._head.labels.append((self._key, text))


class _Decoder:
    """Makes values in native byte order of the text of one array, piece by piece."""

    def __init__(self, path: Path, array: dict[str, str]) -> None:
        self._path, self._array = path, array
        try:
            sizes = [int(array[f"Dim{axis}"]) for axis in range(int(array["Dimensionality"]))]
            self._dtype = _TYPES[array["DataType"]]
            self._take = self._ways()[array["Encoding"]]
        except (KeyError, ValueError) as error:
            raise ImageError(f"{path}: an array is not described well: {error}.") from error
        self._stored = self._dtype.newbyteorder(_ORDERS.get(array.get("Endian", ""), "="))
        self._left = prod(sizes) * self._dtype.itemsize
        self._inflater: Any = inflater()
        self._text = b""
        self._bytes = b""

    def beside(self) -> list[dict[str, str] | bytes]:
        """Read the values, if they lie in a file beside this one."""
        if self._array["Encoding"] != "ExternalFileBinary":
            return []
        name = self._array.get("ExternalFileName", "")
        if not name or Path(name).name != name or name == "..":
            raise ImageError(
                f"{self._path}: its values are said to be in {name!r}. They are read from a file "
                "in the same folder only: put it there, and correct ExternalFileName."
            )
        other = self._path.parent / name
        if not other.is_file():
            raise ImageError(
                f"{self._path}: its values are in {name}, which is not beside it. Copy it there, "
                "or copy both again from where they came from."
            )
        with explained(other), other.open("rb") as file:
            file.seek(int(self._array.get("ExternalFileOffset") or 0))
            return self._given(file.read(self._left))

    def take(self, text: bytes) -> list[dict[str, str] | bytes]:
        """Take the next piece of text."""
        try:
            return self._given(self._take(text))
        except (binascii.Error, ValueError, *INFLATE_ERRORS) as error:
            raise ImageError(
                f"{self._path}: values cannot be decoded ({error}). {COPY_AGAIN}"
            ) from error

    def finish(self) -> list[dict[str, str] | bytes]:
        """Give the rest, once all text has been taken."""
        rest = self.take(b" ") if self._array["Encoding"] == "ASCII" else []
        if self._left or self._bytes:
            raise ImageError(
                f"{self._path}: an array ends {self._left} bytes too early. {COPY_AGAIN}"
            )
        return rest

    def _ways(self) -> dict[str, Callable[[bytes], bytes]]:
        return {
            "ASCII": self._of_digits,
            "Base64Binary": self._of_base64,
            "GZipBase64Binary": self._inflated,
            "ExternalFileBinary": lambda _: b"",
        }

    def _given(self, values: bytes) -> list[dict[str, str] | bytes]:
        """Turn bytes as stored into whole values in native byte order."""
        self._left -= len(values)
        if self._left < 0:
            raise ImageError(
                f"{self._path}: an array holds more values than it says. {COPY_AGAIN}"
            )
        if self._stored.isnative or self._array["Encoding"] == "ASCII":
            return [values] if values else []
        values = self._bytes + values
        whole = len(values) - len(values) % self._dtype.itemsize
        self._bytes = values[whole:]
        return [np.frombuffer(values[:whole], self._stored).astype(self._dtype).tobytes()]

    def _of_digits(self, text: bytes) -> bytes:
        words = (self._text + text).split()
        self._text = b""
        if words and not text[-1:].isspace():
            self._text = words.pop()
        read = int if self._dtype.kind in "iu" else float
        return np.array([read(word) for word in words], dtype=self._dtype).tobytes()

    def _of_base64(self, text: bytes) -> bytes:
        text = self._text + without_white_space(text)
        whole = len(text) - len(text) % 4
        self._text = text[whole:]
        return decoded(text[:whole])

    def _inflated(self, text: bytes) -> bytes:
        values: bytes = self._inflater.decompress(self._of_base64(text), self._left + 1)
        return values
