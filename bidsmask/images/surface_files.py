"""Files of values on surfaces, as bytes: one CIFTI file, or GIFTI files of the hemispheres."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from bidsmask._typing import IntArray
from bidsmask.images.cifti import XML_CODE
from bidsmask.images.grayordinates import HEMISPHERES, Grayordinates
from bidsmask.images.signals_on_disk import Signals
from bidsmask.images.surface_images import SIDES, cifti_header
from bidsmask.vocabulary import FileFormat

_NOTHING = "???"
"""What Workbench calls a place without a label."""

_TURN = 0.618034
"""Of the circle of hues, from one region to the next: neighbours in the table look different."""

_VALUES_AT_ONCE = 1 << 20

_XML_START = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE GIFTI SYSTEM "http://www.nitrc.org/frs/download.php/115/gifti.dtd">
"""

_Table = Mapping[int, tuple[str, tuple[float, float, float, float]]]
"""Name and colour by label."""


def label_files(
    labels: IntArray, names: Mapping[int, str], places: Grayordinates, file_format: FileFormat
) -> Iterator[bytes]:
    """Make files of regions, which have a colour each.

    Parameters
    ----------
    labels : int array of shape (V,)
        0 where there is no region.
    names : mapping from label to name
    places : Grayordinates
    file_format : {"cifti", "gifti"}

    Yields
    ------
    content : bytes
        Of a ``.dlabel.nii`` file; or of the ``.label.gii`` files of the left and the right side.
    """
    regions = {
        label: (name, _colour(number)) for number, (label, name) in enumerate(names.items())
    }
    table = {0: (_NOTHING, (0.0, 0.0, 0.0, 0.0)), **regions}
    keys = labels.astype(np.int32)
    if file_format == "cifti":
        yield _cifti_labels(keys, table, places)
        return
    for structure in HEMISPHERES.values():
        yield _gifti_labels(keys[places.where(structure)], table, structure)


def value_files(
    rows: Signals,
    places: Grayordinates,
    file_format: FileFormat,
    *,
    t_r: float | None = None,
    titles: Sequence[str] = (),
) -> Iterator[Iterator[bytes]]:
    """Make files of volumes or maps, piece by piece: some of the values are held at a time.

    Parameters
    ----------
    rows : array or SignalsOnDisk of shape (T, V)
    places : Grayordinates
    file_format : {"cifti", "gifti"}
    t_r : float, optional
        Repetition time in seconds. CIFTI has no other way than an even step to say when volumes
        were; where they do not follow each other evenly, it is one volume.
    titles : sequence of T str, optional
        Names of maps; without them, rows are volumes of a series.

    Yields
    ------
    pieces : iterator of bytes
        Of a ``.dtseries.nii`` or ``.dscalar.nii`` file; or of the ``.func.gii`` files of the left
        and the right side. Values are float32.
    """
    if file_format == "cifti":
        yield _cifti_pieces(rows, places, t_r, titles)
        return
    for structure in HEMISPHERES.values():
        where = places.where(structure)
        assert where is not None, "a pair is of both hemispheres"
        yield _gifti_pieces(rows, where, structure, titles)


def _cifti_pieces(
    rows: Signals, places: Grayordinates, t_r: float | None, titles: Sequence[str]
) -> Iterator[bytes]:
    """Give header and values in the order of the file: time runs fastest."""
    from nibabel import cifti2

    library: Any = cifti2
    n_rows, n_places = rows.shape
    if titles:
        along = library.ScalarAxis(list(titles))
        yield _cifti_start(along, "SCALARS", "<f4", n_rows, places)
    else:
        along = library.SeriesAxis(0, t_r or 1.0, n_rows)
        yield _cifti_start(along, "SERIES", "<f4", n_rows, places)
    at_once = max(1, _VALUES_AT_ONCE // n_rows)
    for start in range(0, n_places, at_once):
        yield np.ascontiguousarray(rows[:, start : start + at_once].T, dtype="<f4").tobytes()


def _cifti_start(along: Any, intent: str, dtype: str, n_rows: int, places: Grayordinates) -> bytes:
    """Give all that stands before the values of a CIFTI file."""
    from nibabel import nifti1, nifti2

    volumes: Any = nifti1
    nifti: Any = nifti2
    header = nifti.Nifti2Header()
    header.set_data_dtype(dtype)
    header.set_data_shape((1, 1, 1, 1, n_rows, places.n_voxels))
    header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_DENSE_{intent}")
    xml = cifti_header(along, places).to_xml()
    header.extensions.append(volumes.Nifti1Extension(XML_CODE, xml))
    content = BytesIO()
    header.write_to(content)
    return content.getvalue()


def _gifti_pieces(
    rows: Signals, where: slice, structure: str, titles: Sequence[str]
) -> Iterator[bytes]:
    """Give one array after the other, each of a row."""
    from nibabel import gifti

    library: Any = gifti
    about = library.GiftiMetaData({"AnatomicalStructurePrimary": SIDES[structure]})
    yield (
        f'{_XML_START}<GIFTI Version="1.0" NumberOfDataArrays="{rows.shape[0]}">'.encode()
        + about.to_xml()
    )
    for number in range(rows.shape[0]):
        yield library.GiftiDataArray(
            np.ascontiguousarray(rows[number][where], dtype=np.float32),
            intent="NIFTI_INTENT_NONE" if titles else "NIFTI_INTENT_TIME_SERIES",
            datatype="NIFTI_TYPE_FLOAT32",
            meta={"Name": titles[number]} if titles else {},
        ).to_xml()
    yield b"</GIFTI>"


def _colour(number: int) -> tuple[float, float, float, float]:
    hue = number * _TURN % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.45 + 0.4 * (number % 3) / 2, 0.9)
    return round(red, 3), round(green, 3), round(blue, 3), 1.0


def _cifti_labels(keys: IntArray, table: _Table, places: Grayordinates) -> bytes:
    from nibabel import cifti2

    library: Any = cifti2
    along = library.LabelAxis(["labels"], [dict(table)])
    return _cifti_start(along, "LABELS", "<i4", 1, places) + keys.astype("<i4").tobytes()


def _gifti_labels(keys: IntArray, table: _Table, structure: str) -> bytes:
    from nibabel import gifti

    library: Any = gifti
    image = library.GiftiImage(
        darrays=[
            library.GiftiDataArray(
                np.ascontiguousarray(keys),
                intent="NIFTI_INTENT_LABEL",
                datatype="NIFTI_TYPE_INT32",
            )
        ]
    )
    for key, (name, colour) in table.items():
        label = library.GiftiLabel(key, *colour)
        label.label = name
        image.labeltable.labels.append(label)
    image.meta["AnatomicalStructurePrimary"] = SIDES[structure]
    content: bytes = image.to_bytes()
    return content
