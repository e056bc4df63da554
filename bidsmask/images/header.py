"""What an image file says about itself, believed only after checking.

Nothing here reads a voxel or reserves memory for one: a header that claims terabytes is refused
by arithmetic alone.
"""

import itertools
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask.errors import ImageError
from bidsmask.images.compression import COPY_AGAIN, explained, first_bytes, is_gzip
from bidsmask.images.grid import Grid

DATA_TYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float32", "float64"),
)
"""Types of voxels that have an average."""

_TIME_UNIT_BITS = 0b111000  # of the field xyzt_units; the lower bits are the unit of space
_SECONDS = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}  # unknown, s, ms, µs

_MAX_INFLATION = 1032
"""Deflate never packs more bytes than this into one (https://zlib.net/zlib_tech.html)."""

_SAME_PLACE = 0.1
"""Share of a voxel within which qform and sform mean the same place."""

_GET = "If the dataset is under DataLad or git-annex, fetch the content: datalad get"

_HEADERS: dict[int, Any] = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
_MAGIC = {348: slice(344, 348), 540: slice(4, 12)}
_SINGLE_FILE = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}


def read_header(path: Path) -> Any:
    """Read the header of a NIfTI file, and hold it against the file.

    Parameters
    ----------
    path : Path
        A ``.nii`` or ``.nii.gz`` file.

    Returns
    -------
    header : nibabel.Nifti1Header or nibabel.Nifti2Header
        With positive dimensions (at least three), a type of `DATA_TYPES`, a scaling that is
        defined, voxels that start behind the header and a size that the file can hold.

    Raises
    ------
    ImageError
        If the file is missing, is something else, or cannot be what its header says.
    StorageError
        If the disk fails.
    """
    _check_file(path)
    header = _parse(path, _first_bytes(path))
    _check_dimensions(path, header)
    _check_type(path, header)
    _check_scaling(path, header)
    _check_size(path, header)
    return header


def grid_of(path: Path, header: Any) -> Grid:
    """Grid of a header: its sform if that has a code, else its qform.

    Raises
    ------
    ImageError
        If neither has a code (left and right would be a guess), or the chosen one is no
        invertible matrix of finite numbers.
    """
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        raise ImageError(
            f"{path}: the orientation is unknown, sform_code and qform_code are both 0. Left and "
            "right would be a guess; write the file again with the affine of its scan or template."
        )
    try:
        affine = header.get_best_affine()
        return Grid(shape=header.get_data_shape()[:3], affine=affine)
    except (ValueError, ArithmeticError, nib.spatialimages.HeaderDataError) as error:
        reason = " ".join(str(error).split())  # a matrix comes on four lines
        raise ImageError(f"{path}: the affine cannot be used. {reason}. {COPY_AGAIN}") from error


def two_places(header: Any) -> str | None:
    """Say that qform and sform of an image put it into two places; None if they agree.

    They agree if no corner of the image moves by more than a tenth of the smallest voxel.
    """
    if header["sform_code"] <= 0 or header["qform_code"] <= 0:
        return None
    sform = header.get_sform()
    try:
        qform = header.get_qform()
    except nib.spatialimages.HeaderDataError:
        return "the qform is no rotation, and is not looked at; the sform is used."
    far = [size - 1 for size in header.get_data_shape()[:3]]
    corners = np.array([[*corner, 1.0] for corner in itertools.product(*([0, n] for n in far))])
    moved_mm = float(np.linalg.norm(corners @ (sform - qform).T, axis=1).max())
    smallest_mm = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if not moved_mm > _SAME_PLACE * smallest_mm:
        return None
    return (
        f"qform and sform put the image into two places, up to {moved_mm:.3g} mm apart. The sform "
        "is used; programs that use the qform see the image elsewhere."
    )


def data_dtype(header: Any) -> np.dtype[Any]:
    """Type of the voxels as they are in the file, byte order included."""
    dtype: np.dtype[Any] = header.get_data_dtype()
    return dtype


def n_bytes(header: Any) -> int:
    """Size of all voxels in the file."""
    n_voxels = math.prod(int(size) for size in header.get_data_shape())
    return n_voxels * data_dtype(header).itemsize


def time_step(header: Any) -> float | None:
    """Seconds between volumes as a header has them, whatever their worth.

    None if the fourth axis is counted in something else than time, such as Hz. A time without a
    unit is taken for seconds.
    """
    unit = int(header["xyzt_units"]) & _TIME_UNIT_BITS
    return float(header["pixdim"][4]) * _SECONDS[unit] if unit in _SECONDS else None


def t_r_of(header: Any) -> float | None:
    """Repetition time in seconds, or None if the header has no positive number for it."""
    step = time_step(header)
    return step if step is not None and 0 < step < np.inf else None


def _check_file(path: Path) -> None:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ImageError(f"{path} is not called .nii or .nii.gz; only NIfTI files can be read.")
    check_there(path)


def check_there(path: Path) -> None:
    """Refuse a path at which there is no regular file.

    Raises
    ------
    ImageError
        Saying how to fetch the content, if it is a link of git-annex.
    """
    with explained(path):
        if path.is_symlink() and not path.exists():
            raise ImageError(f"{path} is a link to a file that is not here. {_GET} {path}")
        if not path.exists():
            raise ImageError(f"{path} does not exist.")
        if not path.is_file():
            raise ImageError(f"{path} is not a regular file.")


def _first_bytes(path: Path) -> bytes:
    """Read as much as the longer of the two headers takes, before and after decompression."""
    with explained(path), path.open("rb") as file:
        start = file.read(540)
    _check_start(path, start)
    if not is_gzip(path):
        return start
    with explained(path):
        return first_bytes(path, 540)


def _check_start(path: Path, start: bytes) -> None:
    text = start.lstrip().lower()
    check_content(path, start)
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ImageError(
            f"{path} is a web page, not an image: a download has failed, or needs a login. "
            "Download the file again."
        )
    if is_gzip(path) is not start.startswith(b"\x1f\x8b"):
        content, name = ("not gzip", ".nii") if is_gzip(path) else ("gzip", ".nii.gz")
        raise ImageError(
            f"{path}: the content is {content} compressed, whatever the name says. {COPY_AGAIN} "
            f"If it is an image after all, call it {name}."
        )


def check_content(path: Path, start: bytes) -> None:
    """Refuse a file that, by its first bytes, is empty or stands for one that is not here.

    Raises
    ------
    ImageError
    """
    if not start:
        raise ImageError(f"{path} is empty (0 bytes). {COPY_AGAIN}")
    if b"annex/objects/" in start:
        raise ImageError(f"{path} is a git-annex pointer, its content is not here. {_GET} {path}")


def _parse(path: Path, start: bytes) -> Any:
    for order in "<", ">":
        if len(start) < 4:
            break
        size = int(np.frombuffer(start, dtype=f"{order}i4", count=1)[0])
        known = size in _HEADERS and len(start) >= size
        if known and start[_MAGIC[size]] == _SINGLE_FILE[size]:
            return _HEADERS[size](start[:size], endianness=order, check=False)
    raise ImageError(f"{path} is not a NIfTI-1 or NIfTI-2 file in one piece. {COPY_AGAIN}")


def _check_dimensions(path: Path, header: Any) -> None:
    n_dimensions = int(header["dim"][0])
    if not 1 <= n_dimensions <= 7:
        raise ImageError(f"{path}: the header claims {n_dimensions} dimensions. {COPY_AGAIN}")
    sizes = [int(size) for size in header["dim"][1 : n_dimensions + 1]]
    if min(sizes) < 1:
        raise ImageError(f"{path}: the header claims dimensions of {sizes}. {COPY_AGAIN}")
    if n_dimensions < 3:
        raise ImageError(f"{path} has {n_dimensions} dimensions; an image of a volume has 3.")


def _check_type(path: Path, header: Any) -> None:
    code = int(header["datatype"])
    if code not in nib.nifti1.data_type_codes:
        raise ImageError(f"{path}: the data type code {code} is unknown. {COPY_AGAIN}")
    dtype = data_dtype(header)
    if dtype.newbyteorder("=").name not in DATA_TYPES:
        name = nib.nifti1.data_type_codes.label[code]
        raise ImageError(
            f"{path}: voxels of type {name} cannot be averaged; "
            f"convert the image to one of {', '.join(DATA_TYPES)}."
        )


def _check_scaling(path: Path, header: Any) -> None:
    try:
        header.get_slope_inter()
    except nib.spatialimages.HeaderDataError as error:
        raise ImageError(
            f"{path}: the scaling is undefined, scl_slope is {header['scl_slope']} and scl_inter "
            f"{header['scl_inter']}. {COPY_AGAIN}"
        ) from error


def _check_size(path: Path, header: Any) -> None:
    """See that the voxels can lie between the header and the end of the file."""
    offset = float(header["vox_offset"])
    earliest = int(header["sizeof_hdr"]) + 4
    if not offset >= earliest or not offset.is_integer():
        raise ImageError(
            f"{path}: the header claims that voxels start at byte {offset:g}, where a whole "
            f"number of at least {earliest} should be. {COPY_AGAIN}"
        )
    claimed, there = int(offset) + n_bytes(header), path.stat().st_size
    if is_gzip(path) and claimed > there * _MAX_INFLATION:
        raise ImageError(
            f"{path}: {_claim(header)}, {claimed} bytes in all. The compressed file has {there} "
            f"bytes and cannot hold more than {there * _MAX_INFLATION}. {COPY_AGAIN}"
        )
    if not is_gzip(path) and claimed != there:
        raise wrong_length(path, header, there)


def wrong_length(path: Path, header: Any, found: int, *, or_more: bool = False) -> ImageError:
    """Write the letter about a file that is shorter or longer than its header says.

    Parameters
    ----------
    path : Path
    header : nibabel header
    found : int
        Bytes that there are, header included, after decompression.
    or_more : bool
        Whether the counting stopped there.
    """
    claimed = int(header["vox_offset"]) + n_bytes(header)
    if found < claimed:
        what, share = "is truncated", f" ({found / claimed:.0%})"
    else:
        what, share = "goes on after its last voxel", ""
    more = " or more" if or_more else ""
    return ImageError(
        f"{path} {what}: {_claim(header)}, {claimed} bytes in all, and there are "
        f"{found}{more}{share}. {COPY_AGAIN}"
    )


def _claim(header: Any) -> str:
    shape = " × ".join(map(str, header.get_data_shape()))
    return f"the header claims {shape} voxels of type {data_dtype(header).name}"
