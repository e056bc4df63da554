"""CIFTI-2 files: what their XML says, and values of some grayordinates at a time.

The XML is read as it comes, by expat: the axes of 91,282 grayordinates take nibabel half a second,
and this 10 ms. In the file time runs fastest: the values of a grayordinate lie side by side, so a
run is read in blocks of grayordinates, and some of them can be had without reading the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.errors import ImageError
from bidsmask.images.compression import COPY_AGAIN, explained
from bidsmask.images.grayordinates import Grayordinates, Structure
from bidsmask.images.grid import Grid
from bidsmask.images.header import data_dtype, read_header
from bidsmask.images.markup import xml_explained, xml_parser

PREFIX = "CIFTI_STRUCTURE_"
XML_CODE = 32
"""Of the extension of the header that holds the XML."""

_BLOCK_BYTES = 1 << 20
_MM = -3  # exponent of the metre

_TEXTS = frozenset(
    (
        *("VertexIndices", "VoxelIndicesIJK", "TransformationMatrixVoxelIndicesIJKtoXYZ"),
        *("MapName", "Label"),
    )
)
"""Elements whose text counts."""

Rows = tuple[tuple[int, str], ...]
"""Keys and names of a table of labels, in the order of the file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CiftiAxes:
    """What the XML of a dense CIFTI file says.

    Parameters
    ----------
    kind : str
        What lies along the other axis: "SERIES", "SCALARS" or "LABELS".
    grayordinates : Grayordinates
    t_r : float or None
        Seconds between two volumes; None if the axis is no series, or not one of seconds.
    map_names : texts
        Of scalars and labels.
    tables : tables of labels, one for each map of labels
    """

    kind: str
    grayordinates: Grayordinates
    t_r: float | None
    map_names: tuple[str, ...]
    tables: tuple[Rows, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class CiftiFile:
    """A dense CIFTI file, of which no value has been read yet.

    Parameters
    ----------
    path : Path
    header : nibabel.Nifti2Header
    axes : CiftiAxes
    """

    path: Path
    header: Any
    axes: CiftiAxes

    @property
    def n_maps(self) -> int:
        """Volumes of a series, or maps: T."""
        return int(self.header.get_data_shape()[4])

    def values(self) -> Array:
        """Map the values (V, T) into memory, as they are stored; nothing is read yet."""
        shape = self.axes.grayordinates.n_voxels, self.n_maps
        offset = int(self.header["vox_offset"])
        with explained(self.path):
            return np.memmap(self.path, data_dtype(self.header), "r", offset, shape)

    def point_blocks(self) -> Iterator[tuple[slice, Array]]:
        """Read the values, some grayordinates at a time, in the order of the file.

        Yields
        ------
        points : slice
        block : array of shape (n, T)
            As stored. Read-only, and overwritten once the next one is asked for.

        Raises
        ------
        ImageError
            If the file has become shorter meanwhile.
        """
        n_points, dtype = self.axes.grayordinates.n_voxels, data_dtype(self.header)
        at_once = max(1, _BLOCK_BYTES // (self.n_maps * dtype.itemsize))
        buffer = np.empty((min(at_once, n_points), self.n_maps), dtype=dtype)
        with explained(self.path), self.path.open("rb", buffering=0) as file:
            file.seek(int(self.header["vox_offset"]))
            for start in range(0, n_points, at_once):
                block = buffer[: n_points - start]
                _fill(file, block, self.path)
                yield slice(start, start + len(block)), block


def read_cifti(path: Path) -> CiftiFile:
    """Read what a dense CIFTI-2 file says about itself.

    Parameters
    ----------
    path : Path
        ``.dtseries.nii``, ``.dscalar.nii`` or ``.dlabel.nii``.

    Returns
    -------
    file : CiftiFile

    Raises
    ------
    ImageError
        If the file is compressed, truncated or something else than its name says.
    """
    if path.name.endswith(".gz"):
        raise ImageError(
            f"{path}: a CIFTI file is never compressed, and other programs refuse one that is. "
            f"Decompress it: gunzip {path.name}"
        )
    header = read_header(path)
    shape = header.get_data_shape()
    if int(header["sizeof_hdr"]) != 540 or len(shape) != 6 or shape[:4] != (1, 1, 1, 1):
        raise ImageError(
            f"{path} is no CIFTI-2 file: its header describes an array of shape {shape}. A volume "
            "is called .nii; of a CIFTI file, take the original."
        )
    axes = parse_axes(_xml_of(path, header), str(path))
    if axes.grayordinates.n_voxels != shape[5]:
        raise ImageError(
            f"{path}: the XML names {axes.grayordinates.n_voxels} grayordinates, and there are "
            f"{shape[5]} in the file. {COPY_AGAIN}"
        )
    return CiftiFile(path=path, header=header, axes=axes)


def parse_axes(xml: bytes, name: str) -> CiftiAxes:
    """Read the XML of a CIFTI file.

    Parameters
    ----------
    xml : bytes
    name : str
        Of the file, for messages.

    Raises
    ------
    ImageError
        If the XML is broken, or not that of a dense file: one axis of brain models, the other a
        series, scalars or labels.
    """
    document = _Document()
    parser = xml_parser(name)
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.text
    try:
        with xml_explained(name):
            parser.Parse(xml.rstrip(b"\0"), True)
        return document.axes()
    except ImageError:
        raise
    except (KeyError, ValueError, ArithmeticError) as error:
        raise ImageError(f"{name}: the XML cannot be used. {error} {COPY_AGAIN}") from error


def _xml_of(path: Path, header: Any) -> bytes:
    """Find the XML among the extensions of the header."""
    with explained(path), path.open("rb") as file:
        file.seek(544)
        rest = file.read(int(header["vox_offset"]) - 544)
    order = ">" if header.endianness == ">" else "<"
    while len(rest) >= 8:
        size, code = np.frombuffer(rest, f"{order}i4", 2).tolist()
        if code == XML_CODE:
            return rest[8:size]
        if size < 8:
            break
        rest = rest[size:]
    raise ImageError(f"{path} has no XML of CIFTI in its header. {COPY_AGAIN}")


def _fill(file: Any, block: Array, path: Path) -> None:
    view = block.view(np.uint8).data.cast("B")
    while view:
        n_read = file.readinto(view)
        if not n_read:
            raise ImageError(f"{path} has become shorter while it was read. {COPY_AGAIN}")
        view = view[n_read:]


@dataclass
class _Mapping:
    """What lies along some axes of the matrix."""

    attributes: dict[str, str]
    models: list[tuple[dict[str, str], IntArray]] = field(default_factory=list)
    volume: tuple[dict[str, str], dict[str, str], str] | None = None
    map_names: list[str] = field(default_factory=list)
    tables: list[list[tuple[int, str]]] = field(default_factory=list)


class _Document:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self._mappings: list[_Mapping] = []
        self._model: dict[str, str] = {}
        self._volume: dict[str, str] = {}
        self._attributes: dict[str, str] = {}
        self._text: list[str] | None = None

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "MatrixIndicesMap":
            self._mappings.append(_Mapping(attributes))
        elif element == "BrainModel":
            self._model = attributes
        elif element == "Volume":
            self._volume = attributes
        elif element == "LabelTable":
            self._mappings[-1].tables.append([])
        elif element in _TEXTS:
            self._attributes, self._text = attributes, []

    def text(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, element: str) -> None:
        if element not in _TEXTS or self._text is None:
            return
        text, self._text = "".join(self._text), None
        mapping = self._mappings[-1]
        if element in ("VertexIndices", "VoxelIndicesIJK"):
            mapping.models.append((self._model, _indices(text)))
        elif element == "MapName":
            mapping.map_names.append(text.strip())
        elif element == "Label":
            mapping.tables[-1].append((int(self._attributes["Key"]), text.strip()))
        else:
            mapping.volume = (self._volume, self._attributes, text)

    def axes(self) -> CiftiAxes:
        along = {}
        for mapping in self._mappings:
            for axis in mapping.attributes["AppliesToMatrixDimension"].split(","):
                along[int(axis)] = mapping
        first, second = along[0], along[1]
        kind = _kind_of(first)
        if _kind_of(second) != "BRAIN_MODELS" or kind not in ("SERIES", "SCALARS", "LABELS"):
            raise ValueError(
                f"Its axes are of {kind} and {_kind_of(second)}; columns are read off dense "
                "files, whose axes are of SERIES, SCALARS or LABELS and of BRAIN_MODELS."
            )
        return CiftiAxes(
            kind=kind,
            grayordinates=_grayordinates(second),
            t_r=_t_r(first.attributes) if kind == "SERIES" else None,
            map_names=tuple(first.map_names),
            tables=tuple(map(tuple, first.tables)),
        )


def _kind_of(mapping: _Mapping) -> str:
    kind = mapping.attributes["IndicesMapToDataType"]
    return kind.removeprefix("CIFTI_INDEX_TYPE_")


def _t_r(attributes: dict[str, str]) -> float | None:
    """Step of a series in seconds; None if it is counted in something else, or stands still.

    Examples
    --------
    >>> _t_r({"SeriesUnit": "SECOND", "SeriesStep": "800", "SeriesExponent": "-3"})
    0.8
    """
    if attributes["SeriesUnit"] != "SECOND":
        return None
    step = float(attributes["SeriesStep"]) * 10.0 ** int(attributes["SeriesExponent"])
    return round(step, 12) if 0 < step < np.inf else None


def _grayordinates(mapping: _Mapping) -> Grayordinates:
    structures, expected = [], 0
    for attributes, numbers in sorted(mapping.models, key=lambda model: _offset(model[0])):
        name, count = attributes["BrainStructure"], int(attributes["IndexCount"])
        is_surface = attributes["ModelType"] == "CIFTI_MODEL_TYPE_SURFACE"
        places = numbers if is_surface else numbers.reshape(-1, 3)
        if len(places) != count or _offset(attributes) != expected:
            raise ValueError(
                f"{name} should have {count} places from {_offset(attributes)} on; it has "
                f"{len(places)}, from {expected} on."
            )
        expected += count
        structures.append(
            Structure(
                name=name.removeprefix(PREFIX),
                places=places,
                n_vertices=int(attributes["SurfaceNumberOfVertices"]) if is_surface else None,
            )
        )
    return Grayordinates(structures=tuple(structures), volume=_lattice(mapping))


def _offset(attributes: dict[str, str]) -> int:
    return int(attributes["IndexOffset"])


def _lattice(mapping: _Mapping) -> Grid | None:
    if mapping.volume is None:
        return None
    volume, transformation, text = mapping.volume
    x, y, z = (int(size) for size in volume["VolumeDimensions"].split(","))
    affine: FloatArray = _numbers(text).reshape(4, 4)
    affine[:3] *= 10.0 ** (int(transformation.get("MeterExponent", _MM)) - _MM)
    return Grid(shape=(x, y, z), affine=affine)


def _indices(text: str) -> IntArray:
    """Read whole numbers with white space between them, of which there may be a hundred thousand.

    Raises
    ------
    ValueError
        If there is something else among them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns where it comes to a word that is no number
        try:
            indices: IntArray = np.fromstring(text, dtype=np.int64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise ValueError("Something among the indices of places is no number.") from error
    return indices


def _numbers(text: str) -> FloatArray:
    """Read numbers with white space between them."""
    return np.array([float(word) for word in text.split()])
