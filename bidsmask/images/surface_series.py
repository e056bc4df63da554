"""The door for runs on surfaces: whatever a user may hand in becomes a series on grayordinates.

In a CIFTI file, and in an array in memory, time runs fastest: such a run is read in blocks of
places, each with all of its volumes. GIFTI files come volume by volume, as a rule.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import nibabel as nib
import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.errors import DimensionError, ImageError
from bidsmask.images.cifti import CiftiFile, Rows, parse_axes, read_cifti
from bidsmask.images.gifti import GiftiFile, hemisphere_of, read_gifti
from bidsmask.images.grayordinates import (
    HEMISPHERES,
    LEFT,
    RIGHT,
    Grayordinates,
    space_in_name,
    whole_meshes,
)
from bidsmask.images.io import scaled, type_once_scaled
from bidsmask.images.meshes import Mesh, read_meshes
from bidsmask.images.surfaces import is_surface, parts_of

_CIFTI = (".dtseries.nii", ".dscalar.nii", ".dlabel.nii")
_GIFTI = (".gii", ".gii.gz")
_ENDS = (*_CIFTI, *_GIFTI, *(f"{end}.gz" for end in _CIFTI))

_BLOCK_BYTES = 4 << 20
_BLOCK_VOLUMES = 32

_nibabel: Any = nib


class _Source(Protocol):
    """Where values come from."""

    dtype: np.dtype[Any]
    n_volumes: int
    by_points: bool

    def blocks(self) -> Iterator[tuple[slice, Array]]: ...

    def point_blocks(self) -> Iterator[tuple[slice, Array]]: ...

    def take(self, points: IntArray) -> Array: ...

    def scale(self, values: Array) -> Array: ...


class SurfaceSeries:
    """Values on grayordinates, of one or more volumes; use `open_surfaces` to make one.

    It is read as `bidsmask.images.series.Series` is, or, where `by_points`, in blocks of places.

    Attributes
    ----------
    name : str
        What to call it in messages.
    grid : Grayordinates
    n_volumes : int
        T.
    t_r : float or None
        Repetition time in seconds as a CIFTI file has it. (GIFTI's is not to be relied on.)
    is_3d : bool
        Whether there is a single volume, and no axis of time.
    kind : {"cifti", "pair", "dict", "hemisphere", "image"}
        What was given.
    given : Any
        The image, if it was nilearn's ``SurfaceImage``.
    tables : tables of labels
        Keys and names, in the order of the file: of each hemisphere, or of each map of a CIFTI
        file; empty where there are none.
    header : None
        There is none of NIfTI's.
    warning : None
        Nothing is odd about the place of the values: there is one way to say where they lie.
    """

    header = None
    warning = None

    def __init__(
        self,
        name: str,
        grid: Grayordinates,
        source: _Source,
        *,
        kind: str,
        is_3d: bool = False,
        t_r: float | None = None,
        given: Any = None,
        tables: Sequence[Rows] = (),
    ) -> None:
        self.name = name
        self.grid: Any = grid
        self.is_3d = is_3d
        self.t_r = t_r
        self.kind = kind
        self.given = given
        self.tables = tuple(tables)
        self._source = source
        self._double = False
        self._meshes: Mapping[str, Mesh] = {}

    @property
    def n_volumes(self) -> int:
        """Number of volumes, T."""
        return self._source.n_volumes

    @property
    def meshes(self) -> Mapping[str, Mesh]:
        """Meshes that are known, by structure: those of a ``SurfaceImage`` are.

        Raises
        ------
        ImageError
            If they are none.
        """
        if self._meshes or self.given is None:
            return self._meshes
        return read_meshes(self.given.mesh)

    def on_meshes(self, meshes: Mapping[str, Mesh]) -> Self:
        """Give the same values, of which it is known on which meshes they lie."""
        known = copy.copy(self)
        known._meshes = meshes
        return known

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values once they are scaled, in native byte order."""
        return np.dtype(np.float64) if self._double else self._source.dtype

    @property
    def by_points(self) -> bool:
        """Whether all volumes of a place come together, and not all places of a volume."""
        return self._source.by_points

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the volumes, some at a time.

        Yields
        ------
        volumes : slice
        block : array of shape (n, 1, 1, V)
            As stored, and not scaled; as `Series.blocks` has it.
        """
        for volumes, block in self._source.blocks():
            yield volumes, block[:, np.newaxis, np.newaxis]

    def point_blocks(self) -> Iterator[tuple[slice, Array]]:
        """Go through the places, some at a time, where `by_points`.

        Yields
        ------
        points : slice
        block : array of shape (n, T)
            As stored, and not scaled. Perhaps overwritten once the next one is asked for.
        """
        return self._source.point_blocks()

    def take(self, points: IntArray) -> Array:
        """Read the values (n, T) of some places (flat indices), where `by_points`; not scaled."""
        return self._source.take(points)

    def scale(self, values: Array) -> Array:
        """Apply the scaling in the header; float64 if there is one, else `values` itself."""
        known = self._source.scale(values)
        return known.astype(np.float64, copy=False) if self._double else known

    def in_double_precision(self) -> Self:
        """Give the same values, of which `scale` makes float64 whatever they are stored as."""
        double = copy.copy(self)
        double._double = True
        return double

    def finite(self) -> BoolArray:
        """Say which places (V,) are finite numbers in all volumes."""
        finite: BoolArray = np.ones(self.grid.n_voxels, dtype=bool)
        if self.by_points:
            for points, block in self.point_blocks():
                finite[points] = np.isfinite(block).all(axis=1)
        else:
            for _, block in self._source.blocks():
                finite &= np.isfinite(block).all(axis=0)
        return finite

    def values(self) -> Array:
        """Read all values, scaled: (V, T)."""
        if self.by_points:
            return self.scale(self.take(np.arange(self.grid.n_voxels)))
        return self.scale(np.concatenate([block.copy() for _, block in self._source.blocks()])).T


def open_surfaces(imgs: Any, space: str | None = None) -> SurfaceSeries:
    """Accept a run, or maps, on surfaces.

    Parameters
    ----------
    imgs : path, image, or several of them
        - A ``.dtseries.nii``, ``.dscalar.nii`` or ``.dlabel.nii`` file, or nibabel's
          ``Cifti2Image``.
        - A pair of ``.gii`` files, or of nibabel's ``GiftiImage``: ``{"left": …, "right": …}``,
          or a list or tuple, whose order does not matter where the files say which hemisphere
          they are of. One of them alone is an image of one hemisphere.
        - nilearn's ``SurfaceImage``.
    space : str, optional
        In which space the meshes are; by default what BIDS names of files say.

    Returns
    -------
    series : SurfaceSeries
        Values are not read yet, unless they are in memory.

    Raises
    ------
    TypeError
        If it is no image on surfaces.
    ImageError
        If a file cannot be used, or hemispheres do not fit together.
    SpaceError
        If a name says another space than is given.
    """
    series = _opened(imgs)
    if not series.n_volumes:
        raise ImageError("The image is empty.")
    series.grid = series.grid.in_space(space)
    return series


def are_on_surfaces(imgs: Any) -> bool:
    """Whether something is, or would be, an image on surfaces; nothing is opened."""
    if isinstance(imgs, str | Path):
        return str(imgs).endswith(_ENDS)
    if isinstance(imgs, Mapping):
        return set(imgs) <= set(HEMISPHERES) and bool(imgs)
    if isinstance(imgs, list | tuple):
        return 0 < len(imgs) <= 2 and all(map(_is_hemisphere, imgs))
    return is_surface(imgs) or _is_gifti(imgs) or _is_cifti(imgs)


def _opened(imgs: Any) -> SurfaceSeries:
    if isinstance(imgs, str | Path):
        path = Path(imgs).expanduser()
        if path.name.endswith(_GIFTI):
            return _of_hemispheres([path], "hemisphere")
        if path.name.endswith(".nii.gz") and not path.name.endswith(_ENDS):
            raise ImageError(
                f"{path} holds volumes, and values on surfaces are taken here. Give it to the "
                "masker of volumes: NiftiMasker, NiftiLabelsMasker or NiftiMapsMasker."
            )
        return _of_cifti(read_cifti(path))
    if _is_cifti(imgs):
        return _of_cifti_image(imgs)
    if is_surface(imgs):
        return _of_image(imgs)
    if _is_gifti(imgs):
        return _of_hemispheres([imgs], "hemisphere")
    if isinstance(imgs, Mapping) and are_on_surfaces(imgs):
        named = {HEMISPHERES[side]: imgs[side] for side in HEMISPHERES if side in imgs}
        for side, part in imgs.items():
            _refuse_no_hemisphere(side, part)
        return _of_hemispheres(list(named.values()), "dict", list(named))
    if isinstance(imgs, list | tuple) and are_on_surfaces(imgs):
        return _of_hemispheres(list(imgs), "pair" if len(imgs) == 2 else "hemisphere")
    raise TypeError(
        "An image on surfaces is a CIFTI file (.dtseries.nii), a pair of GIFTI files "
        "({'left': path, 'right': path}), nibabel's image of one of these, or nilearn's "
        f"SurfaceImage. Got: {imgs if isinstance(imgs, str | Path) else type(imgs).__name__!r}."
    )


def _refuse_no_hemisphere(side: str, part: Any) -> None:
    """Refuse an array, which does not say what its values are of, or whatever else is no file."""
    if not (_is_gifti(part) or isinstance(part, str | Path)):
        raise TypeError(
            f"{{'left': ..., 'right': ...}} holds paths of GIFTI files, or nibabel's GiftiImage; "
            f"what is given for {side!r} is of type {type(part).__name__!r}. Values in memory go "
            "into a GiftiImage (a GiftiDataArray for each volume), or into nilearn's SurfaceImage."
        )


def _is_cifti(imgs: Any) -> bool:
    return isinstance(imgs, _nibabel.Cifti2Image)


def _is_gifti(imgs: Any) -> bool:
    return isinstance(imgs, _nibabel.GiftiImage)


def _is_hemisphere(item: Any) -> bool:
    return _is_gifti(item) or (isinstance(item, str | Path) and str(item).endswith(_GIFTI))


class _CiftiValues:
    """Values of a CIFTI file."""

    by_points = True

    def __init__(self, file: CiftiFile) -> None:
        self._file = file
        self.n_volumes = file.n_maps
        self.dtype = type_once_scaled(file.header)
        self.point_blocks = file.point_blocks

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        return _in_volumes(self._file.values())

    def take(self, points: IntArray) -> Array:
        return np.asarray(self._file.values()[points])

    def scale(self, values: Array) -> Array:
        return scaled(values, self._file.header)


class _Unscaled:
    def scale(self, values: Array) -> Array:
        return values


class _Memory(_Unscaled):
    """Values (V, T) in memory."""

    by_points = True

    def __init__(self, values: Array) -> None:
        self._values = values.view()
        self._values.flags.writeable = False
        self.n_volumes = values.shape[1]
        self.dtype = values.dtype.newbyteorder("=")

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        return _in_volumes(self._values)

    def point_blocks(self) -> Iterator[tuple[slice, Array]]:
        step = max(1, _BLOCK_BYTES // max(1, self._values[:1].nbytes))
        for start in range(0, len(self._values), step):
            block = self._values[start : start + step]
            yield slice(start, start + len(block)), block

    def take(self, points: IntArray) -> Array:
        return self._values[points]


class _Hemispheres(_Unscaled):
    """Values of GIFTI files, one below the other."""

    def __init__(self, files: Sequence[GiftiFile]) -> None:
        self._files = files
        self.n_volumes = files[0].n_volumes
        self.dtype = np.result_type(*(file.dtype for file in files))
        self.by_points = any(file.by_vertex for file in files)
        self._whole: Array | None = None

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        if self.by_points:
            yield from _in_volumes(self.take(np.arange(sum(f.n_vertices for f in self._files))))
            return
        n_vertices = sum(file.n_vertices for file in self._files)
        fitting = _BLOCK_BYTES // (n_vertices * self.dtype.itemsize)
        at_once = max(1, min(fitting, _BLOCK_VOLUMES))
        for both in zip(*(file.blocks(at_once) for file in self._files), strict=True):
            yield both[0][0], np.concatenate([block for _, block in both], axis=1)

    def point_blocks(self) -> Iterator[tuple[slice, Array]]:
        first = 0
        for file in self._files:
            blocks = file.blocks() if file.by_vertex else _Memory(file.array()).point_blocks()
            for points, block in blocks:
                yield slice(first + points.start, first + points.stop), block
            first += file.n_vertices

    def take(self, points: IntArray) -> Array:
        if self._whole is None:  # compressed: there is no getting at some without the others
            self._whole = np.concatenate([file.array() for file in self._files])
        return self._whole[points]


def _in_volumes(values: Array) -> Iterator[tuple[slice, Array]]:
    """Cut values (V, T) into blocks (n, V) of volumes."""
    for start in range(0, values.shape[1], _BLOCK_VOLUMES):
        block = np.ascontiguousarray(values[:, start : start + _BLOCK_VOLUMES].T)
        yield slice(start, start + len(block)), block


def _of_cifti(file: CiftiFile) -> SurfaceSeries:
    return SurfaceSeries(
        str(file.path),
        file.axes.grayordinates.in_space(space_in_name([file.path])),
        _CiftiValues(file),
        kind="cifti",
        t_r=file.axes.t_r,
        tables=file.axes.tables,
    )


def _of_cifti_image(image: Any) -> SurfaceSeries:
    proxy = image.dataobj
    if type(proxy) is _nibabel.arrayproxy.ArrayProxy and isinstance(proxy.file_like, str):
        return _of_cifti(read_cifti(Path(proxy.file_like)))
    axes = parse_axes(image.header.to_xml(), "A Cifti2Image")
    values = np.asanyarray(proxy).T
    if values.shape[0] != axes.grayordinates.n_voxels:
        raise ImageError(
            f"A Cifti2Image has an axis of {axes.grayordinates.n_voxels} grayordinates, and "
            f"values of {values.shape[0]}."
        )
    return SurfaceSeries(
        "A Cifti2Image",
        axes.grayordinates,
        _Memory(values),
        kind="cifti",
        t_r=axes.t_r,
        tables=axes.tables,
    )


def _of_image(image: Any) -> SurfaceSeries:
    parts = parts_of(image)
    ordered = {HEMISPHERES[side]: parts[side] for side in HEMISPHERES if side in parts}
    if len(ordered) < len(parts) or not ordered:
        raise TypeError(f"The parts of the image are {list(parts)}; known are left and right.")
    _refuse_unlike({name: values.shape[1:] for name, values in ordered.items()})
    values = np.concatenate([np.asarray(each) for each in ordered.values()])
    return SurfaceSeries(
        "A SurfaceImage",
        whole_meshes({name: len(each) for name, each in ordered.items()}),
        _Memory(values if values.ndim == 2 else values[:, np.newaxis]),
        kind="image",
        is_3d=values.ndim == 1,
        given=image,
    )


def _of_hemispheres(
    items: Sequence[Any], kind: str, structures: Sequence[str] | None = None
) -> SurfaceSeries:
    files = [_hemisphere(item) for item in items]
    pairs = sorted(zip(_structures(files, structures), files, strict=True), key=lambda p: p[0])
    names = [_name(file) for _, file in pairs]
    _refuse_unlike(dict(zip(names, [file.n_volumes for _, file in pairs], strict=True)))
    paths = [file.path for _, file in pairs]
    grid = whole_meshes({side: f.n_vertices for side, f in pairs}, space_in_name(paths))
    ordered = [file for _, file in pairs]
    in_memory = any(isinstance(file, _GiftiInMemory) for file in ordered)
    source: _Source = (
        _Memory(np.concatenate([file.array() for file in ordered]))
        if in_memory
        else _Hemispheres(ordered)
    )
    return SurfaceSeries(
        " and ".join(names),
        grid,
        source,
        kind=kind,
        is_3d=ordered[0].n_volumes == 1,
        tables=[file.labels for file in ordered],
    )


class _GiftiInMemory(GiftiFile):
    """nibabel's image, asked as a file is."""

    image: Any

    def array(self) -> Array:
        return np.column_stack([each.data for each in self.image.darrays])


def _hemisphere(item: Any) -> GiftiFile:
    if not _is_gifti(item):
        return read_gifti(Path(item).expanduser())
    first = item.darrays[0].data
    inside = dict(item.meta) or dict(item.darrays[0].meta)
    side = {"CortexLeft": LEFT, "CortexRight": RIGHT}
    file = _GiftiInMemory(
        path=Path(item.get_filename() or "A GiftiImage"),
        structure=side.get(inside.get("AnatomicalStructurePrimary", "")),
        n_vertices=len(first),
        n_volumes=len(item.darrays) if first.ndim == 1 else first.shape[1],
        dtype=first.dtype,
        by_vertex=True,
        labels=tuple((label.key, label.label or "") for label in item.labeltable.labels),
    )
    object.__setattr__(file, "image", item)
    return file


def _structures(files: Sequence[GiftiFile], asked: Sequence[str] | None) -> list[str]:
    """Say which hemisphere each file is of; left comes before right if nothing else is known."""
    found = [hemisphere_of(file) for file in files]
    for file, theirs, ours in zip(files, found, asked or found, strict=True):
        if theirs not in (None, ours):
            raise ImageError(f"{_name(file)} is of {theirs}, and was given for {ours}.")
    if asked is not None:
        return list(asked)
    if len(files) == 2 and None in found:
        known = next((side for side in found if side is not None), None)
        if known is None:
            return [LEFT, RIGHT]
        other = RIGHT if known == LEFT else LEFT
        return [side or other for side in found]
    if None in found or len(set(found)) < len(found):
        which = "no file says which" if None in found else f"both are of {found[0]}"
        raise ImageError(
            f"{' and '.join(map(_name, files))}: {which} hemisphere. Give them by name: "
            "{'left': path, 'right': path}."
        )
    return [side for side in found if side is not None]


def _name(file: GiftiFile) -> str:
    return str(file.path)


def _refuse_unlike(lengths: Mapping[str, Any]) -> None:
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise DimensionError(
            f"The hemispheres have different numbers of volumes ({said}). One of them is cut "
            "short, or is of another run: copy it again, or make both again from one run."
        )
