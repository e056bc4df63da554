"""Slices through a volume as people look at them: the left of the head on the left of the page.

How a file stores its voxels does not matter here: volumes are turned so that their axes run to
the right, the front and the top of the head (for oblique grids: to the nearest of these) before
anything is cut.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.affine import apply_affine, orientation_codes, voxel_sizes
from bidsmask.reports.drawing import colours
from bidsmask.reports.drawing.picture import Picture

N_SLICES = (5, 6, 6)
"""Slices along x, y and z: about the same width on the page, since heads are longer than wide."""

AXES = (2, 1, 0)
"""Rows from top to bottom: axial, coronal, sagittal."""

GREY_LEVELS = 22
OUTLINE = (120, 200, 255)
BRIGHTEST = 189
"""Of 255: backgrounds are drawn no brighter, so that outlines stand out."""

STRIPE = 3
"""Width in pixels of the stripes of lost regions, where the others are filled too."""

_DARK = 3
"""Grey level below which there is no head."""

_ENOUGH_VOXELS = 150_000
_NOTHING = np.empty(0, dtype=int), np.empty(0)
_WORLD_AXES = ("LR", "PA", "IS")


@dataclass(frozen=True, kw_only=True, eq=False)
class Paint:
    """Colours of a picture.

    Parameters
    ----------
    background : uint8 array of shape (GREY_LEVELS, 3)
        From the darkest to the brightest.
    regions : uint8 array of shape (n + 1, 3), or None
        Of the labels 0 to n. None: they are outlined in one colour, and not filled.
    """

    background: Array
    regions: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Slices along one world axis, side by side.

    Attributes
    ----------
    axis : int
        0 sagittal, 1 coronal, 2 axial.
    picture : Picture
    width_mm, height_mm : float
        Of one slice.
    positions_mm : tuple of float
        World coordinate of each slice at its centre.
    """

    axis: int
    picture: Picture
    width_mm: float
    height_mm: float
    positions_mm: tuple[float, ...]


def to_ras(volume: Array, affine: FloatArray) -> Array:
    """Turn and flip a volume (X, Y, Z) until its axes run right, front and up; a view.

    Examples
    --------
    >>> to_ras(np.arange(2).reshape(2, 1, 1), np.diag([-1.0, 1.0, 1.0, 1.0])).ravel()
    array([1, 0])
    """
    order, backwards = _turns(affine)
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in backwards)
    turned: Array = np.transpose(volume, order)[flips]
    return turned


def ras_affine(shape: tuple[int, ...], affine: FloatArray) -> FloatArray:
    """Affine of a volume of this shape after `to_ras`."""
    order, backwards = _turns(affine)
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, backwards, strict=True)):
        turn[old, new] = -1 if flip else 1
        turn[old, 3] = shape[old] - 1 if flip else 0
    return affine @ turn


def greys() -> Paint:
    """Paint a grey background, and outlines of one colour."""
    return Paint(background=colours.greys(GREY_LEVELS, BRIGHTEST))


def brain_like(reference: FloatArray) -> BoolArray:
    """Where a picture (X, Y, Z) is bright, as the brain is; if nowhere, then everywhere."""
    bright: BoolArray = np.nan_to_num(reference) > _brightest(reference) / 3
    return bright if bright.any() else ~bright


def brightest(reference: FloatArray, affine: FloatArray) -> float:
    """Value of a background (X, Y, Z) from which on it is drawn as bright as it gets."""
    return _brightest(to_ras(reference, affine))


def dimmed(bright: Array) -> Array:
    """Colours (n, 3) of a background, dark enough for outlines to stand out."""
    darker: Array = (bright * (BRIGHTEST / 255)).round().astype(np.uint8)
    return darker


def rows(
    reference: FloatArray,
    labels: IntArray,
    affine: FloatArray,
    lost_ids: Collection[int],
    paint: Paint | None = None,
) -> list[Row]:
    """Axial, coronal and sagittal slices with the outlines of regions.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        What lies below; NaN counts as 0.
    labels : int array of shape (X, Y, Z)
    affine : array of shape (4, 4)
    lost_ids : collection of int
        Labels to fill. Slices are moved, within their share of the atlas, so that each row
        shows as many of them as it can.
    paint : Paint, optional
        By default `greys`.

    Returns
    -------
    rows : list of Row
        Axial, coronal, sagittal.
    """
    scene = scene_of(reference, labels, affine, labels != 0)
    places = np.argwhere(_is_one_of(scene.codes, lost_ids) & (scene.codes != 0))
    wanted = Wanted(places=places, things=scene.codes[tuple(places.T)])
    ink = _RegionInk(paint or greys(), lost_ids)
    return [scene.row(axis, scene.slices(axis, wanted), ink) for axis in AXES]


class Wanted(NamedTuple):
    """What slices should show, where they can: places (n, 3), and what lies at each (n,).

    Places are voxels of a scene; one that lies beyond it is not looked for.
    """

    places: IntArray
    things: Array


class Ink(Protocol):
    """How the codes of a slice are drawn over its greys."""

    colours: Array
    pixels_per_voxel: int

    def numbers(self, grey: IntArray, codes: IntArray) -> IntArray:
        """Which of the colours each pixel gets."""
        ...


def scene_of(
    reference: FloatArray, codes: IntArray, affine: FloatArray, inside: BoolArray
) -> Scene:
    """Turn volumes until they run right, front and up, and cut off what is empty.

    Parameters
    ----------
    reference : array of shape (X, Y, Z)
        What lies below; NaN counts as 0.
    codes : int array of shape (X, Y, Z)
        What is drawn over it.
    affine : array of shape (4, 4)
    inside : bool array of shape (X, Y, Z)
        Where something is drawn, through which slices are cut.
    """
    below, drawn = to_ras(reference, affine), to_ras(inside, affine)
    brightest = _brightest(below)
    box = _bounding_box(drawn | (below >= _DARK * brightest / GREY_LEVELS))
    return Scene(
        below=below[box],
        codes=to_ras(codes, affine)[box],
        inside=drawn[box],
        brightest=brightest,
        affine=ras_affine(codes.shape, affine),
        origin=np.array([part.start for part in box]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Volumes in RAS order, cropped; `origin` is the voxel where the crop begins."""

    below: FloatArray
    codes: IntArray
    inside: BoolArray
    brightest: float
    affine: FloatArray
    origin: Array

    def slices(self, axis: int, wanted: Wanted | None = None) -> list[int]:
        """One slice in each equal share of what is drawn: its middle, or where most is wanted.

        Something that an earlier slice shows does not move a later one.
        """
        present = np.flatnonzero(self.inside.any(axis=_others(axis)))
        shares = np.array_split(np.arange(present[0], present[-1] + 1), N_SLICES[axis])
        where, things = (wanted.places[:, axis], wanted.things) if wanted else _NOTHING
        chosen: list[int] = []
        for share in shares:
            if share.size:
                here = where[(where >= share[0]) & (where <= share[-1])] - share[0]
                best = np.bincount(here).argmax() if here.size else share.size // 2
                chosen.append(int(share[best]))
                unseen = ~np.isin(things, things[where == chosen[-1]])
                where, things = where[unseen], things[unseen]
        return chosen

    def voxels(self, points_mm: FloatArray) -> FloatArray:
        """Voxel coordinates of points (n, 3); the middle of the first voxel is 0, 0, 0."""
        inverse = np.linalg.inv(self.affine)
        found: FloatArray = apply_affine(inverse, points_mm) - self.origin
        return found

    def is_left(self) -> BoolArray:
        """Whether each sagittal slice, (X,), lies on the left of the middle, x = 0 mm."""
        middles = [self._position_mm(0, index) for index in range(self.codes.shape[0])]
        return np.array(middles) < 0

    def row(self, axis: int, indices: Sequence[int], ink: Ink) -> Row:
        """Cut and draw slices."""
        sizes = np.delete(voxel_sizes(self.affine), axis)
        extent_mm = sizes * np.delete(np.array(self.codes.shape), axis)
        tiles = [self._tile(axis, index, sizes, ink) for index in indices]
        return Row(
            axis=axis,
            picture=Picture(numbers=np.concatenate(tiles, axis=1), colours=ink.colours),
            width_mm=float(extent_mm[0]),
            height_mm=float(extent_mm[1]),
            positions_mm=tuple(self._position_mm(axis, index) for index in indices),
        )

    def _tile(self, axis: int, index: int, sizes: FloatArray, ink: Ink) -> IntArray:
        grey, codes = (
            _resized(np.moveaxis(volume, axis, 0)[index], sizes, ink.pixels_per_voxel)
            for volume in (self.below, self.codes)
        )
        numbers = ink.numbers(_grey_levels(grey, self.brightest), codes)
        return np.flipud(numbers.T)  # up and front on top

    def _position_mm(self, axis: int, index: int) -> float:
        voxel = self.origin + (np.array(self.codes.shape) - 1) / 2
        voxel[axis] = self.origin[axis] + index
        return float(apply_affine(self.affine, voxel)[axis])


class _RegionInk:
    """Regions outlined or filled, those that are lost in red."""

    pixels_per_voxel = 2

    def __init__(self, paint: Paint, lost_ids: Collection[int]) -> None:
        self.lost_ids = lost_ids
        self.filled = paint.regions is not None
        self.n_regions = 0 if paint.regions is None else len(paint.regions)
        usual = _usual_colours(paint)
        self.first_lost = len(usual)
        veiled = (usual + 2 * np.array(colours.LOST)) // 3
        self.colours = np.concatenate([usual, veiled, [colours.LOST]]).astype(np.uint8)

    def numbers(self, grey: IntArray, codes: IntArray) -> IntArray:
        """Numbers of a slice."""
        edges = _edges(codes)
        lost = _is_one_of(codes, self.lost_ids) & (codes != 0)
        numbers = grey.astype(np.int32)
        if self.filled:
            codes = codes.astype(np.int32)  # as wide as the number of colours needs
            first_edge = GREY_LEVELS * (1 + self.n_regions)
            numbers += np.where(codes != 0, GREY_LEVELS * (1 + codes), 0)
            numbers[edges] = first_edge + codes[edges]
            lost &= edges | striped(lost.shape)
        else:
            numbers[edges] = GREY_LEVELS
        numbers[lost] += self.first_lost
        numbers[edges & lost] = len(self.colours) - 1
        return numbers


def _usual_colours(paint: Paint) -> Array:
    """Colours (n, 3) of the background and of regions with a signal.

    Outlined: the greys, and the outline. Filled: the greys, the greys below the colour of each
    label, and the edge of each label.
    """
    background = paint.background.astype(int)
    if paint.regions is None:
        return np.concatenate([background, [OUTLINE]])
    regions = paint.regions.astype(int)
    below = (background[None] + regions[:, None]) // 2
    edges = (regions + 255) // 2  # a dark colour needs an edge that can be seen
    return np.concatenate([background, below.reshape(-1, 3), edges])


def _turns(affine: FloatArray) -> tuple[list[int], list[bool]]:
    """For each world axis, the voxel axis along it, and whether that runs backwards."""
    codes = orientation_codes(affine)
    order = [next(i for i, code in enumerate(codes) if code in ends) for ends in _WORLD_AXES]
    return order, [codes[i] == ends[0] for i, ends in zip(order, _WORLD_AXES, strict=True)]


def _brightest(below: FloatArray) -> float:
    """Value that is drawn brightest, so that the highest half per cent is clipped.

    Of large volumes some voxels, evenly spread, tell it well enough.
    """
    step = max(1, round((below.size / _ENOUGH_VOXELS) ** (1 / 3)))
    some = np.nan_to_num(below[::step, ::step, ::step])
    high = float(np.percentile(some, 99.5)) or float(np.nan_to_num(below).max())
    return abs(high) or 1.0


def _grey_levels(below: FloatArray, brightest: float) -> IntArray:
    """From 0 to GREY_LEVELS - 1."""
    scaled = np.nan_to_num(below) * (GREY_LEVELS / brightest)
    levels: IntArray = np.clip(scaled, 0, GREY_LEVELS - 1).astype(np.int16)
    return levels


def _bounding_box(inside: BoolArray) -> tuple[slice, ...]:
    sides = []
    for axis in AXES[::-1]:
        where = np.flatnonzero(inside.any(axis=_others(axis)))
        start, stop = int(where[0]), int(where[-1]) + 1
        sides.append(slice(max(0, start - 1), min(inside.shape[axis], stop + 1)))
    return tuple(sides)


def _others(axis: int) -> tuple[int, ...]:
    return tuple({0, 1, 2} - {axis})


def _is_one_of(regions: IntArray, ids: Collection[int]) -> BoolArray:
    return np.isin(regions, list(ids)) if ids else np.zeros(regions.shape, dtype=bool)


def _resized(plane: Array, sizes: FloatArray, pixels_per_voxel: int) -> Array:
    """Repeat voxels until a pixel is square, `pixels_per_voxel` to the shorter side."""
    step = sizes.min() / pixels_per_voxel
    i, j = (
        (np.arange(max(1, round(n * size / step))) * step / size + 0.5 * step / size).astype(int)
        for n, size in zip(plane.shape, sizes, strict=True)
    )
    return plane[np.ix_(np.minimum(i, plane.shape[0] - 1), np.minimum(j, plane.shape[1] - 1))]


def striped(shape: tuple[int, ...], width: int = STRIPE) -> BoolArray:
    """Every second of the stripes across a picture of a shape."""
    i, j = np.indices(shape)
    striped: BoolArray = (i + j) % (2 * width) < width
    return striped


def _edges(regions: IntArray) -> BoolArray:
    """Pixels of a region whose neighbour to the right or above belongs to another, or to none."""
    edges: BoolArray = np.zeros(regions.shape, dtype=bool)
    for axis in (0, 1):
        for step in (1, -1):
            neighbour = np.roll(regions, step, axis=axis)
            # Between two regions only one side draws the line, so that it is one pixel wide.
            edges |= (regions != 0) & ((neighbour == 0) | (neighbour < regions))
    return edges
