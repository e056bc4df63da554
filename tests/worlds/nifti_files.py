"""A small run, and files that hold it in every way that NIfTI knows, and in some it does not."""

import gzip
import itertools
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

AFFINE = nib.affines.from_matvec(np.diag([-2.0, 2.5, 3.0]), [12.0, -9.0, -6.0])
HEADERS = {1: nib.Nifti1Header, 2: nib.Nifti2Header}


def nifti_bytes(
    array, *, affine=AFFINE, dtype=None, order="<", version=1, slope=1.0, inter=0.0, **fields
):
    """A NIfTI file written by hand, with any header field set to anything."""
    stored = np.dtype(dtype or array.dtype).newbyteorder(order)
    header = HEADERS[version](endianness=order)
    header.set_data_shape(array.shape)
    header.set_data_dtype(stored)
    header.set_sform(affine, 2)
    header["pixdim"][4] = 2.0
    header["xyzt_units"] = 10
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    header["scl_slope"], header["scl_inter"] = slope, inter
    for field, value in fields.items():
        header[field] = value
    values = (array - inter) / slope if (slope, inter) != (1.0, 0.0) else array
    if stored.kind in "iu" and values.dtype.kind == "f":
        values = np.rint(values)
    return header.binaryblock + bytes(4) + values.astype(stored).tobytes(order="F")


@pytest.fixture(scope="session")
def write_bytes(tmp_path_factory):
    """Writes bytes to a new file; called .gz, it is compressed unless they shall be raw."""
    folder, number = tmp_path_factory.mktemp("images"), itertools.count()

    def write(content, suffix=".nii.gz", *, raw=False):
        path = folder / f"image-{next(number)}{suffix}"
        compressed = suffix.endswith(".gz") and not raw
        path.write_bytes(gzip.compress(content, 1) if compressed else content)
        return path

    return write


@pytest.fixture(scope="session")
def write_image(write_bytes):
    """Writes an array as NIfTI; see `nifti_bytes` for the ways to do it."""

    def write(array, suffix=".nii.gz", **how):
        return write_bytes(nifti_bytes(array, **how), suffix)

    return write


@pytest.fixture(scope="session")
def encode():
    """Turns an array into the bytes of a NIfTI file."""
    return nifti_bytes


@pytest.fixture(scope="session")
def run():
    """A run of 11 volumes: int16 BOLD, a mask, and an atlas of five regions, one not covered."""
    rng = np.random.default_rng(7)
    shape = (7, 6, 5)
    mask = np.zeros(shape, dtype=bool)
    mask[1:6, 1:5, :4] = True
    labels = np.zeros(shape, dtype=np.int32)
    labels[1:3, 1:5], labels[3:5, 1:5], labels[5:7, 1:3] = 3, 1, 70_000
    labels[5:7, 3:5], labels[:, :, 4] = 12, 8
    bold = rng.integers(-500, 4000, (*shape, 11)).astype(np.int16)
    return SimpleNamespace(
        affine=AFFINE, bold=bold, mask=mask, labels=labels, ids=(3, 1, 12, 8, 70_000), shape=shape
    )
