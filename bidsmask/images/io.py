"""Images in and out: files become arrays on a grid, and the other way round."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.errors import ImageError
from bidsmask.images.compression import compress
from bidsmask.images.grid import Grid
from bidsmask.images.header import data_dtype, grid_of, read_header
from bidsmask.images.voxel_bytes import Payload

_ALIGNED = 2  # xform code: "coordinates aligned to another file, or to anatomical truth"

_nibabel: Any = nib  # its types are half of a story


def open_image(path: Path) -> Any:
    """Open an image without reading a voxel of it.

    Parameters
    ----------
    path : Path
        A NIfTI-1 or NIfTI-2 file in one piece, ``.nii`` or ``.nii.gz``.

    Returns
    -------
    image : nibabel.Nifti1Image or nibabel.Nifti2Image
        Lazy. Header extensions are left out.

    Raises
    ------
    ImageError
        If the file is missing, is a link or git-annex pointer without content, is no NIfTI file,
        or has a header that cannot be true or cannot be used: dimensions, data type, scaling,
        position of the voxels, size, or affine. The message says what to do.
    StorageError
        If the disk fails.
    """
    header = read_header(path)
    affine = np.array(grid_of(path, header).affine)
    image_type = _nibabel.Nifti2Image if header["sizeof_hdr"] == 540 else _nibabel.Nifti1Image
    return image_type(_nibabel.arrayproxy.ArrayProxy(str(path), header), affine, header)


def load_volume(path: Path) -> FloatArray:
    """Read an image of one volume, such as a BOLD reference.

    Parameters
    ----------
    path : Path

    Returns
    -------
    values : float64 array of shape (X, Y, Z)
        Scaled. NaN stays NaN.

    Raises
    ------
    ImageError
        If the file cannot be read to its last byte, or holds several volumes.
    """
    return read_volume(path)[0].astype(np.float64)


def read_volume(path: Path) -> tuple[Array, Grid]:
    """Read an image of one volume, in the type in which it is stored, and its grid.

    Parameters
    ----------
    path : Path

    Returns
    -------
    values : array of shape (X, Y, Z)
        Of the type and byte order in the file; scaled, and then float64, if the header asks for
        it.
    grid : Grid

    Raises
    ------
    ImageError
        If the file cannot be read to its last byte, or holds several volumes.
    """
    header = read_header(path)
    return read_voxels(path, header), grid_of(path, header)


def read_voxels(path: Path, header: Any) -> Array:
    """Read an image of one volume whose header is known; see `read_volume`.

    Returns
    -------
    values : array of shape (X, Y, Z)

    Raises
    ------
    ImageError
        If the file cannot be read to its last byte, or holds several volumes.
    """
    shape = header.get_data_shape()
    if any(size > 1 for size in shape[3:]):
        raise ImageError(f"{path} holds several volumes ({shape}), where one was expected.")
    values = np.empty(int(np.prod(shape)), dtype=data_dtype(header))
    with Payload(path, header) as payload:
        payload.read_into(values)
        payload.finish()
    return scaled(values, header).reshape(shape[:3], order="F")


def scaled(values: Array, header: Any) -> Array:
    """Apply the scaling that a header asks for.

    Parameters
    ----------
    values : array
        As stored.
    header : nibabel header

    Returns
    -------
    scaled : array
        float64, slope * values + intercept; `values` itself if there is nothing to do.
    """
    slope, intercept = slope_and_intercept(header)
    if (slope, intercept) == (1.0, 0.0):
        return values
    return np.multiply(values, slope, dtype=np.float64) + intercept


def type_once_scaled(header: Any) -> np.dtype[Any]:
    """Type of the values of an image once they are scaled, in native byte order."""
    one = np.zeros(1, dtype=data_dtype(header).newbyteorder("="))
    return scaled(one, header).dtype


def slope_and_intercept(header: Any) -> tuple[float, float]:
    """Scaling of a header; a slope of 0 or NaN means that there is none, as NIfTI has it."""
    slope, intercept = header.get_slope_inter()
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept))


def new_image(values: Array, affine: FloatArray, header: Any = None) -> Any:
    """Put values into an image, and say in its header between which limits they lie.

    Parameters
    ----------
    values, affine, header
        As of `plain_image`.

    Returns
    -------
    image : nibabel.Nifti1Image, or Nifti2Image if that is what the header is of
        Its range for display (``cal_min`` and ``cal_max``) is that of the values, as in nilearn,
        if there is a header and they are finite.
    """
    image = plain_image(values, affine, header)
    if header is not None:
        image.header["cal_min"], image.header["cal_max"] = _range(values)
    return image


def plain_image(values: Array, affine: FloatArray, header: Any = None) -> Any:
    """Put values into an image.

    Parameters
    ----------
    values : array of shape (X, Y, Z) or (X, Y, Z, T)
        Kept in their own type; bool as uint8, float16 as float32, and 64-bit integers as int32
        where they fit, for other tools cannot read them.
    affine : array of shape (4, 4)
    header : nibabel header, optional
        Where the repetition time, units and all else that is not about the values comes from.

    Returns
    -------
    image : nibabel.Nifti1Image, or Nifti2Image if that is what the header is of
    """
    values = _storable(values)
    is_nifti2 = isinstance(header, _nibabel.Nifti2Header)
    kind = _nibabel.Nifti2Image if is_nifti2 else _nibabel.Nifti1Image
    if not isinstance(header, _nibabel.Nifti1Header | _nibabel.Nifti2Header):
        return kind(values, affine, dtype=values.dtype)
    image = kind(values, affine, header)  # copies the header, and forgets its scaling
    image.header.set_data_dtype(values.dtype)
    image.header["cal_min"] = image.header["cal_max"] = 0  # the range of other values
    image.header.extensions.clear()
    return image


def _range(values: Array) -> tuple[float, float]:
    """Smallest and largest value; 0 and 0, which says nothing, if they are not finite numbers."""
    if not values.size:
        return 0.0, 0.0
    lowest, highest = float(values.min()), float(values.max())
    return (lowest, highest) if np.isfinite([lowest, highest]).all() else (0.0, 0.0)


def image_bytes(array: Array, grid: Grid, t_r: float | None = None) -> bytes:
    """Content of a ``.nii.gz`` file. The same array and grid always give the same bytes.

    Parameters
    ----------
    array : array of shape (X, Y, Z) or (X, Y, Z, T)
        Written in its own type, unscaled; bool as uint8.
    grid : Grid
    t_r : float, optional
        Repetition time in seconds.

    Returns
    -------
    content : bytes
        Compressed NIfTI-1. The affine is written as sform and qform.

    Raises
    ------
    ValueError
        If the array does not fit the grid.
    """
    if array.shape[:3] != grid.shape:
        raise ValueError(f"An array of shape {array.shape} does not fit a {grid}.")
    values = array.astype(np.uint8) if array.dtype == bool else array
    image = _nibabel.Nifti1Image(values, grid.affine, dtype=values.dtype)
    _describe(image.header, grid, t_r)
    content: bytes = image.to_bytes()
    return compress(content)


def header_bytes(grid: Grid, n_volumes: int, dtype: Any, t_r: float | None = None) -> bytes:
    """All that stands before the voxels in an uncompressed NIfTI-1 file of several volumes.

    Parameters
    ----------
    grid : Grid
    n_volumes : int
    dtype : dtype
        Of the voxels, unscaled, in the byte order of this machine.
    t_r : float, optional
        Repetition time in seconds. By default 0: volumes do not follow each other evenly.

    Returns
    -------
    content : bytes
        As in what `image_bytes` compresses.
    """
    header = _nibabel.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape((*grid.shape, n_volumes))
    _describe(header, grid, t_r or 0.0)
    header["vox_offset"], header["magic"] = header.single_vox_offset, header.single_magic
    header.set_slope_inter(1.0, 0.0)
    return bytes(header.binaryblock) + bytes(4)  # no extensions


def _describe(header: Any, grid: Grid, t_r: float | None) -> None:
    """Say where the voxels lie, in which units, and how long after each other volumes begin."""
    header.set_sform(grid.affine, _ALIGNED)
    header.set_qform(grid.affine, _ALIGNED)
    header.set_xyzt_units("mm", "sec")
    if t_r is not None:
        header["pixdim"][4] = t_r


def float_type(dtype: Any) -> np.dtype[Any]:
    """Choose the type of floating point numbers that computed values are given back in.

    Examples
    --------
    >>> float_type("int16"), float_type("int32"), float_type(">f8")
    (dtype('float32'), dtype('float64'), dtype('float64'))
    """
    return np.result_type(dtype, np.float32)


def _storable(values: Array) -> Array:
    """Values in a type that every reader of NIfTI knows."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        limits = np.iinfo(np.int32)
        if limits.min <= values.min() and values.max() <= limits.max:
            return values.astype(np.int32)
    return values
