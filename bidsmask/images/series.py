"""The door: whatever a user may hand in as an image becomes a series of volumes.

Files are streamed, images in memory are looked at where they are, and nothing that was handed in
is ever changed.
"""

import glob
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import nibabel as nib
import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.errors import DimensionError, ImageError, SpaceError
from bidsmask.images.blocks import add_volumes, in_one_piece
from bidsmask.images.grid import Grid
from bidsmask.images.header import data_dtype, grid_of, read_header, t_r_of
from bidsmask.images.io import read_voxels, slope_and_intercept, type_once_scaled
from bidsmask.images.stream import BoldStream, volumes_per_block
from bidsmask.images.surface_series import are_on_surfaces
from bidsmask.images.surfaces import is_surface
from bidsmask.numerics.threads import Crew, one_thread_of_blas

_NIFTI = (".nii", ".nii.gz")

_BYTES_AT_ONCE = 128
"""Of the values of a voxel, where they lie side by side: a processor fetches no less."""

_nibabel: Any = nib  # its types are half of a story


class _Source(Protocol):
    """Where volumes come from."""

    @property
    def n_volumes(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values once they are scaled, in native byte order."""
        ...

    @property
    def whole(self) -> Array | None:
        """All volumes (T, Z, Y, X), if they are in memory already."""
        ...

    def blocks(self) -> Iterator[tuple[slice, Array]]: ...

    def scale(self, values: Array) -> Array: ...


class Series:
    """The volumes of one or more images, as one run.

    Use `open_series` to make one.

    Attributes
    ----------
    name : str
        What to call it in messages: the path, if it has one.
    grid : Grid
    n_volumes : int
        T.
    is_3d : bool
        Whether a single image of three dimensions was given, and not a list or a fourth axis of
        length 1.
    dtype : numpy.dtype
        Type of the values, in native byte order: as stored, or float64 if the header asks for a
        scaling.
    header : nibabel header or None
        A copy, of the first image: for the images made from this one. None if it is not NIfTI's.
    """

    def __init__(
        self, name: str, grid: Grid, source: _Source, *, is_3d: bool, header: Any
    ) -> None:
        self.name = name
        self.grid = grid
        self.is_3d = is_3d
        self.header = header
        self._source = source

    @property
    def n_volumes(self) -> int:
        """Number of volumes, T."""
        return self._source.n_volumes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in native byte order."""
        return self._source.dtype

    @property
    def t_r(self) -> float | None:
        """Repetition time in seconds as the header has it; None if it is not a positive number."""
        return None if self.header is None else t_r_of(self.header)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the volumes, some at a time.

        Yields
        ------
        volumes : slice
            Which volumes these are.
        block : array of shape (n, Z, Y, X)
            Volumes in any order of memory (see `bidsmask.images.blocks`), in the type and byte
            order in which they are stored and **not scaled** (see `scale`). Read-only, and perhaps
            overwritten once the next one is asked for: copy what has to stay.

        Raises
        ------
        ImageError
            If a file is truncated or corrupt.
        """
        return self._source.blocks()

    def scale(self, values: Array) -> Array:
        """Apply the scaling in the header; float64 if there is one, else `values` itself.

        It is the same for all voxels, so means of voxels may be scaled instead of the voxels.
        """
        return self._source.scale(values)

    def in_double_precision(self) -> Self:
        """Give the same volumes, of which `scale` makes float64 whatever they are stored as.

        Whatever is computed of them is then computed in double precision.
        """
        source = _Double(self._source)
        return type(self)(self.name, self.grid, source, is_3d=self.is_3d, header=self.header)

    def volumes(self) -> Iterator[Array]:
        """Go through the volumes one by one.

        Yields
        ------
        volume : array of shape (X, Y, Z)
            Scaled, in `dtype` but for the byte order. Read-only, and perhaps overwritten once the
            next one is asked for.
        """
        for _, block in self.blocks():
            for row in block:
                yield self.scale(row).T

    def for_each_volume(self, work: Callable[[int, Array], None]) -> None:
        """Do some work for each volume, several of them at a time.

        Parameters
        ----------
        work : function of a number and a volume
            The volume (X, Y, Z) is as in `volumes`.
        """
        crew = Crew()
        with one_thread_of_blas():
            for volumes, stored in self.blocks():
                block = stored if len(stored) == 1 else in_one_piece(stored)

                def work_on(row: int, block: Array = block, first: int = volumes.start) -> None:
                    work(first + row, self.scale(block[row]).T)

                crew.do(work_on, len(block))

    def mapped(
        self,
        change: Callable[[Array], Array],
        shape: tuple[int, int, int],
        dtype: Any,
        order: Literal["F", "C"] = "F",
    ) -> Array:
        """Change every volume, several of them at a time.

        Parameters
        ----------
        change : function of a volume (X, Y, Z)
            Gives another one, (X', Y', Z'), in memory of its own.
        shape : three ints
            X', Y' and Z'.
        dtype : dtype
            Of the result.
        order : {"F", "C"}
            Order of the result in memory. A single volume is left in the one that it has.

        Returns
        -------
        changed : array of shape (X', Y', Z', T), or (X', Y', Z') where `is_3d`
        """
        if self.n_volumes == 1:
            with one_thread_of_blas():
                only = change(next(self.volumes())).astype(dtype, copy=False)
            return only if self.is_3d else only[..., np.newaxis]
        values = np.empty((*shape, self.n_volumes), dtype=dtype, order=order)

        def keep(number: int, volume: Array) -> None:
            values[..., number] = change(volume)

        self.for_each_volume(keep)
        return values

    def single(self) -> Array:
        """Copy the only volume, (X, Y, Z), in native byte order.

        Raises
        ------
        DimensionError
            If there are several volumes.
        """
        if self.n_volumes != 1:
            raise _wrong_dimensions(self.name, expected=3, found=4)
        return next(volume.astype(self.dtype) for volume in self.volumes())

    def volume_mean(self) -> FloatArray:
        """Average the volumes.

        Returns
        -------
        mean : float64 array of shape (X, Y, Z)
            New memory. NaN where a voxel is NaN in any volume; infinite likewise. Of float32, as
            exact as float32 is.
        """
        total = np.zeros(self.grid.shape[::-1])
        crew = Crew()
        whole = self._source.whole
        for block in (block for _, block in self.blocks()) if whole is None else [whole]:
            add_volumes(total, self.scale(block), crew)
        total /= self.n_volumes
        return total.T


def open_series(imgs: Any) -> Series:
    """Accept an image.

    Parameters
    ----------
    imgs : path, image, or several of them
        A str or Path (``~`` is the home folder; with ``*``, ``?`` or ``[]`` in it, the sorted
        list of all files of such names), a nibabel image, or a list, tuple or generator of images
        of three dimensions on one grid. Other than NIfTI, whatever nibabel can load.

    Returns
    -------
    series : Series
        Voxels are not read yet, unless they are in memory or the format is not NIfTI. In a list,
        values get the type that holds them all (nilearn gives them that of the first image).

    Raises
    ------
    TypeError
        If it is no image, but an array, say.
    DimensionError
        If images do not have three or four dimensions, or those in a list four.
    ImageError
        If a file is not there or cannot be used, or an image has no voxels.
    SpaceError
        If the images of a list lie on different grids.
    """
    if are_on_surfaces(imgs) and not is_surface(imgs):
        raise ImageError(
            f"{_named(imgs)} holds values on surfaces, and volumes are taken here. Give it to the "
            "masker of surfaces: SurfaceMasker, SurfaceLabelsMasker or SurfaceMapsMasker."
        )
    if isinstance(imgs, str | Path):
        found = _files(str(imgs))
        return _opened_path(found) if isinstance(found, Path) else _stacked(found)
    if _is_image(imgs):
        return _opened_image(imgs)
    if isinstance(imgs, Iterable) and not isinstance(imgs, np.ndarray | bytes):
        return _stacked(list(imgs))
    raise TypeError(
        "input should be a NiftiLike object or an iterable of NiftiLike object. It must be of "
        f"type path, image or a list of these. Got: {type(imgs).__name__}. {_advice(imgs)}"
    )


def _named(imgs: Any) -> str:
    given = next(iter(imgs), imgs) if isinstance(imgs, list | tuple) else imgs
    return str(given) if isinstance(given, str | Path) else f"A {type(given).__name__}"


def _advice(strange: Any) -> str:
    """Say what to do with something that is no image."""
    if hasattr(strange, "mesh"):
        return "Images on surfaces are not offered here: take nilearn's function of this name."
    return "An array has no place in the world: put it into an image with its affine."


class _File:
    """Volumes of a NIfTI file of four dimensions."""

    whole = None

    def __init__(self, stream: BoldStream) -> None:
        self.n_volumes = stream.n_volumes
        self.dtype = stream.dtype
        self.blocks = stream.blocks
        self.scale = stream.scale


class _Volume:
    """The only volume of a NIfTI file."""

    n_volumes = 1
    whole = None

    def __init__(self, path: Path, header: Any) -> None:
        self._path = path
        self._header = header
        self.dtype = type_once_scaled(header)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        values = read_voxels(self._path, self._header)
        yield slice(0, 1), values.T[np.newaxis]

    def scale(self, values: Array) -> Array:
        return values


class _Memory:
    """Volumes in memory, (X, Y, Z, T)."""

    def __init__(self, values: Array) -> None:
        self.whole = values.T.view()
        self.whole.flags.writeable = False
        self.n_volumes = values.shape[3]
        self.dtype = values.dtype.newbyteorder("=")

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        step = volumes_per_block(self.whole[0].size, self.dtype)
        if not self.whole.flags.c_contiguous:
            step = max(step, _BYTES_AT_ONCE // self.dtype.itemsize)
        for start in range(0, self.n_volumes, step):
            volumes = slice(start, min(start + step, self.n_volumes))
            yield volumes, self.whole[volumes]

    def scale(self, values: Array) -> Array:
        return values


class _Stack:
    """Images of one volume each, one after the other."""

    whole = None

    def __init__(self, images: Sequence[Series]) -> None:
        self._images = images
        self.n_volumes = len(images)
        self.dtype = np.result_type(*(image.dtype for image in images))

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        for number, image in enumerate(self._images):
            for _, block in image.blocks():
                yield slice(number, number + 1), image.scale(block).astype(self.dtype, copy=False)

    def scale(self, values: Array) -> Array:
        return values


class _Double:
    """Volumes of another source, as float64 once they are scaled."""

    whole = None
    dtype = np.dtype(np.float64)

    def __init__(self, source: _Source) -> None:
        self._scale = source.scale
        self.n_volumes = source.n_volumes
        self.blocks = source.blocks

    def scale(self, values: Array) -> Array:
        return self._scale(values).astype(self.dtype, copy=False)


def _is_image(thing: Any) -> bool:
    return isinstance(thing, _nibabel.spatialimages.SpatialImage)


def _files(name: str) -> Path | list[Path]:
    """Say what a name stands for: a file, or the list of those that match."""
    path = Path(name).expanduser()
    if not glob.has_magic(name) or path.exists():
        if not path.exists() and not path.is_symlink():
            raise ImageError(f"File not found: '{name}'")
        return path
    matches = sorted(glob.glob(str(path)))  # noqa: PTH207 - the name may be absolute
    if not matches:
        raise ImageError(f"No files matching the entered niimg expression: '{name}'.")
    return [Path(match) for match in matches]


def _opened_path(path: Path, grid: Grid | None = None) -> Series:
    if not path.name.endswith(_NIFTI):
        return _loaded_path(path)
    header = read_header(path)
    grid = grid or _grid_of_file(path, header)
    n_axes = _n_axes(header.get_data_shape())
    is_3d = n_axes == 3
    _check_axes(str(path), n_axes)
    source: _Source = _Volume(path, header) if is_3d else _File(BoldStream(path, grid=grid))
    return Series(str(path), grid, source, is_3d=is_3d, header=_as_nifti(header))


def _loaded_path(path: Path) -> Series:
    """Read a file in another format than NIfTI."""
    try:
        return _opened_image(_nibabel.load(path), str(path))
    except (_nibabel.filebasedimages.ImageFileError, OSError) as error:
        raise ImageError(f"{path} cannot be read as an image: {error}") from error


def _opened_image(image: Any, name: str = "The image") -> Series:
    if 0 in image.shape:
        raise ImageError("The image is empty.")
    n_axes = _n_axes(image.shape)
    _check_axes(name, n_axes)
    grid = Grid.from_image(image)
    path = _file_behind(image)
    if path is not None:
        return _opened_path(path, grid)
    values = np.asanyarray(image.dataobj)
    if values.dtype.kind not in "iuf":
        raise ImageError(f"{name} has voxels of type {values.dtype}; they cannot be averaged.")
    source = _Memory(values.reshape(*grid.shape, -1))  # axes of length 1 come and go, no copy
    return Series(name, grid, source, is_3d=n_axes == 3, header=_as_nifti(image.header))


def _file_behind(image: Any) -> Path | None:
    """Say which file an image has yet to be read from, if its volumes can be streamed from it."""
    proxy = image.dataobj
    if type(proxy) is not _nibabel.arrayproxy.ArrayProxy:
        return None
    if not isinstance(proxy.file_like, str) or not proxy.file_like.endswith(_NIFTI):
        return None
    path = Path(proxy.file_like)
    header = read_header(path)
    unchanged = (
        header.get_data_shape() == proxy.shape
        and data_dtype(header) == proxy.dtype
        and slope_and_intercept(header) == (proxy.slope, proxy.inter)
    )
    return path if unchanged else None


def _stacked(items: Sequence[Any]) -> Series:
    if not items:
        raise TypeError("Cannot concatenate empty objects: the list holds no image.")
    images = [_one_volume(item) for item in items]
    for number, image in enumerate(images):
        if image.grid != images[0].grid:
            raise SpaceError(
                f"Field of view of image #{number} is different from reference FOV. It lies on "
                f"{image.grid}, the first one on {images[0].grid}. Resample it first."
            )
    first = images[0]
    return Series(
        f"A list of {len(images)} images",
        first.grid,
        _Stack(images),
        is_3d=False,
        header=first.header,
    )


def _one_volume(item: Any) -> Series:
    image = open_series(item)
    if image.n_volumes != 1:
        raise _wrong_dimensions("An item of the list", expected=4, found=4, in_list=True)
    return image


def _n_axes(shape: tuple[int, ...]) -> int:
    """Axes of an image; those of length 1 after the fourth are none."""
    n_axes = len(shape)
    while n_axes > 4 and shape[n_axes - 1] == 1:
        n_axes -= 1
    return n_axes


def _check_axes(name: str, n_axes: int) -> None:
    if n_axes not in (3, 4):
        error = _wrong_dimensions(name, expected=3 if n_axes < 3 else 4, found=n_axes)
        raise DimensionError(
            f"{error} Computation expects 3D or 4D images, but {n_axes} dimensions were given."
        )


def _wrong_dimensions(
    name: str, *, expected: int, found: int, in_list: bool = False
) -> DimensionError:
    what = f"a list of {found}D images ({found + 1}D)" if in_list else f"a {found}D image"
    return DimensionError(
        f"{name}: Input data has incompatible dimensionality: Expected dimension is {expected}D "
        f"and you provided {what}."
    )


def _grid_of_file(path: Path, header: Any) -> Grid:
    """Where the volumes of a file lie; a guess, if its header does not say."""
    if header["sform_code"] > 0 or header["qform_code"] > 0:
        return grid_of(path, header)
    warnings.warn(
        f"{path}: the orientation is unknown, sform_code and qform_code are both 0. Left and "
        "right are a guess.",
        stacklevel=2,
    )
    return Grid(shape=header.get_data_shape()[:3], affine=header.get_base_affine())


def _as_nifti(header: Any) -> Any:
    nifti = isinstance(header, _nibabel.Nifti1Header | _nibabel.Nifti2Header)
    return header.copy() if nifti else None
