"""Files of values on surfaces, as bytes: one CIFTI file, or GIFTI files of the hemispheres."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bidsmask._typing import IntArray
from bidsmask.images.grayordinates import HEMISPHERES, Grayordinates
from bidsmask.images.surface_images import SIDES, brain_model_axis
from bidsmask.vocabulary import FileFormat

_NOTHING = "???"
"""What Workbench calls a place without a label."""

_TURN = 0.618034
"""Of the circle of hues, from one region to the next: neighbours in the table look different."""

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


def _colour(number: int) -> tuple[float, float, float, float]:
    hue = number * _TURN % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.45 + 0.4 * (number % 3) / 2, 0.9)
    return round(red, 3), round(green, 3), round(blue, 3), 1.0


def _cifti_labels(keys: IntArray, table: _Table, places: Grayordinates) -> bytes:
    from nibabel import cifti2

    library: Any = cifti2
    along = library.LabelAxis(["labels"], [dict(table)])
    header = library.Cifti2Header.from_axes((along, brain_model_axis(places)))
    image = library.Cifti2Image(keys[np.newaxis], header, dtype=np.int32)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
    content: bytes = image.to_bytes()
    return content


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
