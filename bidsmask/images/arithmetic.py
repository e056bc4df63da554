"""Volumes picked out of images, images put together, averaged and computed with.

By the names, parameters and results of nilearn's functions. Images on surfaces are taken, too; see
`bidsmask.images.surfaces`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bidsmask._typing import Array
from bidsmask._warn import warn_user
from bidsmask.errors import DimensionError, SpaceError
from bidsmask.images import surfaces
from bidsmask.images.grid import Grid
from bidsmask.images.io import new_image
from bidsmask.images.resample import resample_img
from bidsmask.images.series import Series, open_series
from bidsmask.images.surfaces import are_surfaces, is_surface

_nibabel: Any = nib  # its types are half of a story


def load_img(img: Any, wildcards: bool = True, dtype: Any = None) -> Any:
    """Load an image.

    Parameters
    ----------
    img : path, image, or several of three dimensions
        See `bidsmask.images.series.open_series`. Several are put together.
    wildcards : bool
        Whether ``*``, ``?`` and ``[]`` in a path stand for other characters.
    dtype : dtype or "auto", optional
        Type of the values; by default as they are. "auto": int32 of signed integers, float32 of
        all others.

    Returns
    -------
    image : nibabel image
        The one that was given, or one whose values are read once they are needed.

    Raises
    ------
    ImageError
        If there is no such file, or it is no image.

    See Also
    --------
    get_data : Its values.
    index_img : Some of its volumes.

    Examples
    --------
    >>> run = nib.Nifti1Image(np.zeros((2, 2, 2, 5), dtype=np.float32), np.eye(4))
    >>> load_img(run) is run
    True
    >>> load_img([index_img(run, 0), index_img(run, 1)]).shape
    (2, 2, 2, 2)
    """
    if isinstance(img, str | Path) and not wildcards and not Path(img).expanduser().exists():
        raise FileNotFoundError(f"File not found: '{img}'")
    series = open_series(img)
    if isinstance(dtype, str) and dtype == "auto":
        dtype = np.int32 if series.dtype.kind == "i" else np.float32
    if hasattr(img, "dataobj"):
        image = img
    elif isinstance(img, str | Path) and Path(img).expanduser().exists():
        image = _nibabel.load(Path(img).expanduser())
    else:
        return _as_image(series, _values(series, dtype))
    if dtype is None or np.dtype(dtype) == series.dtype:
        return image
    return _as_image(series, _values(series, dtype))


def get_data(img: Any) -> Array:
    """Read the values of an image, in the type that they have.

    Parameters
    ----------
    img : path or image

    Returns
    -------
    values : array of shape (X, Y, Z) or (X, Y, Z, T)
        Of an image in memory its own array, not a copy, whatever axes it has.

    See Also
    --------
    new_img_like : The way back.

    Examples
    --------
    >>> get_data(nib.Nifti1Image(np.ones((1, 1, 2), dtype=np.int16), np.eye(4)))
    array([[[1, 1]]], dtype=int16)
    """
    return np.asanyarray((img if hasattr(img, "dataobj") else load_img(img)).dataobj)


def copy_img(img: Any) -> Any:
    """Copy an image, its values included.

    Parameters
    ----------
    img : image

    Returns
    -------
    image : nibabel image

    Raises
    ------
    TypeError
        If it is none.

    See Also
    --------
    load_img

    Examples
    --------
    >>> image = nib.Nifti1Image(np.zeros((1, 1, 1), dtype=np.float32), np.eye(4))
    >>> copy_img(image).get_fdata() is image.get_fdata()
    False
    """
    if not hasattr(img, "dataobj"):
        raise TypeError(f"'img' must be of type image, not {type(img).__name__}.")
    header = None if img.header is None else img.header.copy()
    return type(img)(np.array(np.asanyarray(img.dataobj)), np.array(img.affine), header)


def new_img_like(ref_niimg: Any, data: Any, affine: Any = None, copy_header: bool = True) -> Any:
    """Put values into an image that lies where another one does.

    Parameters
    ----------
    ref_niimg : path or image
        Or several, of which the first counts.
    data : array of shape (X, Y, Z) or (X, Y, Z, T)
        Kept in its type; bool as uint8, float16 as float32, 64-bit integers as int32 if they fit.
    affine : array of shape (4, 4), optional
        By default that of `ref_niimg`.
    copy_header : bool
        Whether units, repetition time and all else that is not about the values come along.

    Returns
    -------
    image : nibabel image

    Raises
    ------
    TypeError
        If `ref_niimg` is no image.

    Warns
    -----
    UserWarning
        If the values are integers of 64 bits.

    See Also
    --------
    math_img

    Examples
    --------
    >>> image = nib.Nifti1Image(np.zeros((1, 1, 2), dtype=np.float32), np.diag([2.0, 2, 2, 1]))
    >>> brain = new_img_like(image, get_data(image) == 0)
    >>> brain.get_data_dtype(), brain.header.get_zooms()
    (dtype('uint8'), (np.float32(2.0), np.float32(2.0), np.float32(2.0)))
    """
    if is_surface(ref_niimg):
        return surfaces.on_mesh_of(ref_niimg, data)
    several = isinstance(ref_niimg, list | tuple) and len(ref_niimg) > 0
    reference = load_img(ref_niimg[0] if several else ref_niimg)
    where = reference.affine if affine is None else np.asarray(affine)
    image = new_image(np.asarray(data), where, reference.header if copy_header else None)
    if data.dtype in (np.int64, np.uint64):
        kept = image.get_data_dtype() == data.dtype
        why = "some of its values are too large to be stored" if kept else "it has been converted"
        warn_user(
            "The data array contains 64-bit ints, which many tools cannot read in NIfTI files: "
            f"{why} {'in' if kept else 'to'} int32."
        )
    return image


def index_img(imgs: Any, index: Any) -> Any:
    """Pick volumes.

    Parameters
    ----------
    imgs : image of four dimensions
        Or several of three.
    index : int, slice, array of ints or bools, or a column of a frame
        Which volumes.

    Returns
    -------
    image : nibabel image of shape (X, Y, Z) for an int, else (X, Y, Z, n)

    Raises
    ------
    IndexError
        If there is no such volume.
    DimensionError
        If `imgs` has no fourth dimension.

    See Also
    --------
    iter_img, concat_imgs

    Examples
    --------
    >>> run = nib.Nifti1Image(np.arange(3, dtype=np.int16).reshape(1, 1, 1, 3), np.eye(4))
    >>> get_data(index_img(run, [True, False, True]))
    array([[[[0, 2]]]], dtype=int16)
    """
    if hasattr(index, "to_numpy"):
        index = index.to_numpy().ravel()
    if is_surface(imgs):
        return surfaces.pick(imgs, index)
    image = _of_four_dimensions(imgs)
    simple = isinstance(index, int | np.integer | slice)
    values = image.dataobj[..., index] if simple else np.asanyarray(image.dataobj)[..., index]
    return new_image(np.array(values), image.affine, image.header)


def iter_img(imgs: Any) -> Iterator[Any]:
    """Go through the volumes of an image.

    Parameters
    ----------
    imgs : image of four dimensions
        Or several of three.

    Yields
    ------
    image : nibabel image of shape (X, Y, Z)

    Raises
    ------
    DimensionError
        If `imgs` has no fourth dimension.

    See Also
    --------
    index_img

    Examples
    --------
    >>> run = nib.Nifti1Image(np.zeros((2, 2, 2, 5), dtype=np.float32), np.eye(4))
    >>> [volume.shape for volume in iter_img(run)][:2]
    [(2, 2, 2), (2, 2, 2)]
    """
    if is_surface(imgs):
        return surfaces.samples(imgs)
    image = _of_four_dimensions(imgs)
    held = isinstance(image.dataobj, np.ndarray)
    volumes = np.moveaxis(image.dataobj, 3, 0) if held else open_series(image).volumes()
    return (new_image(np.array(volume), image.affine, image.header) for volume in volumes)


def concat_imgs(
    niimgs: Any,
    dtype: Any = np.float32,
    ensure_ndim: int | None = None,
    memory: Any = None,
    memory_level: int = 0,
    auto_resample: bool = False,
    verbose: int = 0,
) -> Any:
    """Put the volumes of several images into one.

    Parameters
    ----------
    niimgs : images of three dimensions, or of four; or a path with ``*``
        On one grid.
    dtype : dtype or None
        Type of the values; None: that of the first image.
    ensure_ndim : int, optional
        Dimensions that the list is to have: those of its images, and one more.
    memory, memory_level, verbose : optional
        For scripts written for nilearn. There is nothing to keep, and nothing to say.
    auto_resample : bool
        Whether images on other grids are resampled to that of the first.

    Returns
    -------
    image : nibabel image of shape (X, Y, Z, T)

    Raises
    ------
    TypeError
        If there is none, or images of three and four dimensions are mixed.
    SpaceError
        If they lie on different grids.

    Warns
    -----
    UserWarning
        If an image is resampled.

    See Also
    --------
    index_img, mean_img

    Examples
    --------
    >>> run = nib.Nifti1Image(np.zeros((2, 2, 2, 5), dtype=np.float32), np.eye(4))
    >>> concat_imgs([run, run]).shape
    (2, 2, 2, 10)
    """
    given = iter_img(load_img(niimgs)) if isinstance(niimgs, str | Path) else niimgs
    given = list(given)
    if are_surfaces(given):
        return surfaces.joined(given, dtype)
    _refuse_more_axes(given)
    images = [open_series(each) for each in given]
    if not images:
        raise TypeError("Cannot concatenate empty objects: there is no image.")
    n_axes = [3 if image.is_3d else 4 for image in images]
    wanted = n_axes[0] if ensure_ndim is None else ensure_ndim - 1
    other = next((found for found in n_axes if found != wanted), None)
    if other is not None:
        raise DimensionError(
            "Input data has incompatible dimensionality: Expected dimension is "
            f"{wanted + 1}D and you provided a list of {other}D images ({other + 1}D). Give "
            "images of three dimensions, or images of four, and not both."
        )
    grid = images[0].grid
    if auto_resample:
        images = [_brought_onto(image, images[0]) for image in images]
    _refuse_another(images, grid)
    kind = images[0].dtype if dtype is None else np.dtype(dtype)
    n_volumes = sum(image.n_volumes for image in images)
    values = np.empty((*grid.shape, n_volumes), dtype=kind, order="F")
    for number, volume in enumerate(volume for image in images for volume in image.volumes()):
        values[..., number] = volume
    return new_image(values, grid.affine, images[0].header)


def mean_img(
    imgs: Any,
    target_affine: Any = None,
    target_shape: Any = None,
    verbose: int = 0,
    n_jobs: int = 1,
    copy_header: bool = True,
) -> Any:
    """Average volumes.

    Parameters
    ----------
    imgs : image, or several of them
        Of several, each is averaged, and then the averages are. On other grids than the first,
        they are resampled to it.
    target_affine, target_shape : optional
        Lattice of the result; see `bidsmask.resample_img`.
    verbose, n_jobs : int
        For scripts written for nilearn. Images are averaged as they are read.
    copy_header : bool
        As in `new_img_like`.

    Returns
    -------
    image : nibabel image of shape (X, Y, Z)
        Of float32 if the first image is, else of float64.

    See Also
    --------
    concat_imgs, math_img

    Examples
    --------
    >>> run = nib.Nifti1Image(np.arange(3, dtype=np.int16).reshape(1, 1, 1, 3), np.eye(4))
    >>> get_data(mean_img(run))
    array([[[1.]]])
    """
    if is_surface(imgs) or are_surfaces(imgs):
        return surfaces.averaged([imgs] if is_surface(imgs) else imgs)
    single = isinstance(imgs, str | Path) or hasattr(imgs, "dataobj")
    images = [open_series(each) for each in ([imgs] if single else imgs)]
    if not images:
        raise TypeError("Cannot average empty objects: there is no image.")
    means = [_mean(image) for image in images]
    first = means[0]
    if target_affine is not None or target_shape is not None:
        first = resample_img(first, target_affine, target_shape)
    same = [
        each if _grid(each) == _grid(first) else resample_img(each, first.affine, first.shape)
        for each in means
    ]
    same[0] = first
    total = np.mean([get_data(each) for each in same], axis=0, dtype=get_data(first).dtype)
    return new_image(total, first.affine, images[0].header if copy_header else None)


def math_img(formula: str, copy_header_from: str | None = None, **imgs: Any) -> Any:
    """Compute with the values of images.

    Parameters
    ----------
    formula : str
        Python, with `np` and the names of the images. It is evaluated as it stands: do not take
        one from a stranger.
    copy_header_from : str, optional
        Name of the image whose units and repetition time are kept.
    **imgs : images
        On one grid.

    Returns
    -------
    image : nibabel image

    Raises
    ------
    SpaceError
        If the images lie on different grids.
    ValueError
        If there is no image of the name in `copy_header_from`, or the result does not have its
        dimensions. What is wrong with the formula is raised as Python raises it.

    Warns
    -----
    UserWarning
        If an image is not in the formula.

    See Also
    --------
    mean_img, new_img_like

    Examples
    --------
    >>> image = nib.Nifti1Image(np.ones((1, 1, 2), dtype=np.float32), np.eye(4))
    >>> get_data(math_img("np.exp(a - b) > 0.5", a=image, b=image))
    array([[[1, 1]]], dtype=uint8)
    """
    idle = [name for name in imgs if name not in formula and name != copy_header_from]
    if idle:
        warn_user(f"Some images ({idle}) are not mentioned in the formula {formula!r}.")
    if are_surfaces(list(imgs.values())):
        if copy_header_from is not None:
            warn_user("'copy_header_from' is not used with SurfaceImage: it has no header.")
        return surfaces.combined(imgs, lambda values: _evaluated(formula, values))
    if copy_header_from is not None and copy_header_from not in imgs:
        raise ValueError(
            f"{copy_header_from=} but {copy_header_from!r} is missing from 'imgs': {list(imgs)}."
        )
    loaded = {name: load_img(image) for name, image in imgs.items()}
    first = next(iter(loaded.values()))
    _refuse_another(
        [open_series(image) for image in loaded.values()],
        _grid(first),
        f"Input images cannot be compared in {formula!r}: ",
    )
    result = _evaluated(formula, {name: get_data(each) for name, each in loaded.items()})
    if copy_header_from is None:
        return new_image(result, first.affine)
    reference = loaded[copy_header_from]
    if result.ndim != reference.ndim:
        raise ValueError(
            f"Cannot copy the header. The result has {result.ndim} dimensions and "
            f"{copy_header_from!r} has {reference.ndim}."
        )
    return new_image(result, reference.affine, reference.header)


def _evaluated(formula: str, values: dict[str, Array]) -> Array:
    try:
        return np.asarray(eval(formula, {"np": np} | values))
    except Exception as error:
        error.args = (f"Input formula couldn't be processed: {formula!r}.", *error.args)
        raise


def _of_four_dimensions(imgs: Any) -> Any:
    """Give an image of four dimensions; one in memory as it is, wherever it lies."""
    if isinstance(getattr(imgs, "dataobj", None), np.ndarray) and imgs.ndim == 4:
        return imgs
    series = open_series(imgs)
    if series.is_3d:
        raise DimensionError(
            f"{series.name}: Input data has incompatible dimensionality: Expected dimension is "
            "4D and you provided a 3D image."
        )
    image = load_img(imgs)
    return image if image.ndim == 4 else _as_image(series, _values(series))


def _refuse_more_axes(images: Iterable[Any]) -> None:
    n_axes = max((len(getattr(image, "shape", ())) for image in images), default=0)
    if n_axes > 4:
        raise TypeError(
            f"Concatenated images must be 3D or 4D. You gave a list of {n_axes}D images."
        )


def _values(series: Series, dtype: Any = None) -> Array:
    """Copy all values, (X, Y, Z) or (X, Y, Z, T)."""
    kind = series.dtype if dtype is None else np.dtype(dtype)
    values = np.empty((*series.grid.shape, series.n_volumes), dtype=kind, order="F")
    for number, volume in enumerate(series.volumes()):
        values[..., number] = volume
    return values[..., 0] if series.is_3d else values


def _as_image(series: Series, values: Array) -> Any:
    return new_image(values, series.grid.affine, series.header)


def _mean(series: Series) -> Any:
    kind = np.float32 if series.dtype == np.float32 else np.float64
    return _as_image(series, series.volume_mean().astype(kind))


def _grid(image: Any) -> Grid:
    return Grid.from_image(image)


def _brought_onto(series: Series, first: Series) -> Series:
    if series.grid == first.grid:
        return series
    warn_user(
        f"Affine is different across subjects, or the shape is: {series.name} lies on "
        f"{series.grid}, and is resampled to that of the first, {first.grid}."
    )
    image = _as_image(series, _values(series))
    return open_series(resample_img(image, first.grid.affine, first.grid.shape))


def _refuse_another(images: Iterable[Series], grid: Grid, why: str = "") -> None:
    for number, image in enumerate(images):
        if image.grid != grid:
            raise SpaceError(
                f"{why}Field of view of image #{number} is different from reference FOV. It lies "
                f"on {image.grid}, the first one on {grid}. Resample it first."
            )
