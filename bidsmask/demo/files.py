"""Images, tables and sidecars whose bytes depend on their content alone."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask._typing import Array, FloatArray

MNI_CODE = 4
"""NIfTI's code of an affine for "aligned to the MNI 152 template"."""


def write_image(path: Path, values: Array, affine: FloatArray, *, t_r: float = 0.0) -> Path:
    """Write a compressed NIfTI-1 image in its own data type.

    Parameters
    ----------
    path : Path
        Ends in ``.nii.gz``.
    values : array of shape (X, Y, Z) or (X, Y, Z, T)
    affine : array of shape (4, 4)
        Voxels to mm, RAS+.
    t_r : float
        Seconds between volumes, for an image that has them.
    """
    make_image: Any = nib.Nifti1Image  # nibabel's images carry no annotations
    image = make_image(values, affine, dtype=values.dtype)
    image.set_sform(affine, MNI_CODE)
    image.set_qform(affine, MNI_CODE)
    image.header.set_xyzt_units("mm", "sec")
    if values.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
    return path


def write_json(path: Path, content: Mapping[str, object]) -> Path:
    """Write an indented JSON object."""
    return write_text(path, json.dumps(content, indent=2) + "\n")


def write_table(path: Path, columns: Mapping[str, Sequence[object] | Array]) -> Path:
    """Write a TSV with one column per entry; NaN is ``n/a``, floats have eight digits."""
    rows = zip(*(map(_cell, column) for column in columns.values()), strict=True)
    lines = ["\t".join(columns), *("\t".join(row) for row in rows)]
    return write_text(path, "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 with plain line feeds on every system; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "n/a" if np.isnan(value) else f"{value:.8g}"
    return str(value)
