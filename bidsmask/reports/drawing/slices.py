"""Slices through a volume as people look at them: the left of the head on the left of the page.

How a file stores its voxels does not matter here: volumes are turned so that their axes run to
the right, the front and the top of the head (for oblique grids: to the nearest of these) before
anything is cut.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.affine import apply_affine, orientation_codes, voxel_sizes

N_SLICES = (5, 6, 6)
"""Slices along x, y and z: about the same width on the page, since heads are longer than wide."""

PIXELS_PER_VOXEL = 2
GREY_LEVELS = 22
OUTLINE = (120, 200, 255)
LOST = (235, 68, 30)
BRIGHTEST = 189
"""Of 255: backgrounds are drawn no brighter, so that outlines stand out."""

STRIPE = 3
"""Width in pixels of the stripes of lost regions, where the others are filled too."""

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
    picture : uint8 array of shape (rows, columns, 3)
    width_mm, height_mm : float
        Of one slice.
    positions_mm : tuple of float
        World coordinate of each slice at its centre.
    """

    axis: int
    picture: Array
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
    levels = np.linspace(0, BRIGHTEST, GREY_LEVELS).round().astype(np.uint8)
    return Paint(background=np.repeat(levels[:, None], 3, axis=1))


def dimmed(colours: Array) -> Array:
    """Colours (n, 3) of a background, dark enough for outlines to stand out."""
    darker: Array = (colours * (BRIGHTEST / 255)).round().astype(np.uint8)
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
    affine_ras = ras_affine(labels.shape, affine)
    grey = _grey_levels(np.nan_to_num(to_ras(reference, affine)))
    regions = to_ras(labels, affine)
    lost = _is_one_of(regions, lost_ids) & (regions != 0)
    box = _bounding_box((regions != 0) | (grey > GREY_LEVELS // 8))
    scene = _Scene(
        grey=grey[box],
        regions=regions[box],
        lost=lost[box],
        affine=affine_ras,
        origin=np.array([part.start for part in box]),
        paint=paint or greys(),
    )
    return [scene.row(axis) for axis in (2, 1, 0)]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    """Volumes in RAS order, cropped; `origin` is the voxel where the crop begins."""

    grey: IntArray
    regions: IntArray
    lost: BoolArray
    affine: FloatArray
    origin: Array
    paint: Paint

    def row(self, axis: int) -> Row:
        indices = _chosen_slices(self.regions, self.lost, axis)
        sizes = np.delete(voxel_sizes(self.affine), axis)
        extent_mm = sizes * np.delete(np.array(self.regions.shape), axis)
        tiles = [self._tile(axis, index, sizes) for index in indices]
        return Row(
            axis=axis,
            picture=np.concatenate(tiles, axis=1),
            width_mm=float(extent_mm[0]),
            height_mm=float(extent_mm[1]),
            positions_mm=tuple(self._position_mm(axis, index) for index in indices),
        )

    def _tile(self, axis: int, index: int, sizes: FloatArray) -> Array:
        def cut(volume: Array) -> Array:
            return _resized(np.take(volume, index, axis=axis), sizes)

        grey, regions, lost = cut(self.grey), cut(self.regions), cut(self.lost)
        picture = self.paint.background[grey].astype(int)
        edges = _edges(regions)
        if self.paint.regions is None:
            picture[edges] = OUTLINE
        else:
            _fill(picture, regions, edges, self.paint.regions)
            lost = lost & (edges | _striped(lost.shape))
        picture[lost] = (picture[lost] + 2 * np.array(LOST)) // 3
        picture[edges & lost] = LOST
        return np.flipud(np.swapaxes(picture, 0, 1)).astype(np.uint8)  # up and front on top

    def _position_mm(self, axis: int, index: int) -> float:
        voxel = self.origin + (np.array(self.regions.shape) - 1) / 2
        voxel[axis] = self.origin[axis] + index
        return float(apply_affine(self.affine, voxel)[axis])


def _turns(affine: FloatArray) -> tuple[list[int], list[bool]]:
    """For each world axis, the voxel axis along it, and whether that runs backwards."""
    codes = orientation_codes(affine)
    order = [next(i for i, code in enumerate(codes) if code in ends) for ends in _WORLD_AXES]
    return order, [codes[i] == ends[0] for i, ends in zip(order, _WORLD_AXES, strict=True)]


def _grey_levels(reference: FloatArray) -> IntArray:
    """From 0 to GREY_LEVELS - 1; the brightest half per cent is clipped."""
    high = float(np.percentile(reference, 99.5)) or float(reference.max()) or 1.0
    scaled = reference * (GREY_LEVELS / abs(high))
    levels: IntArray = np.clip(scaled, 0, GREY_LEVELS - 1).astype(np.int16)
    return levels


def _bounding_box(inside: BoolArray) -> tuple[slice, ...]:
    sides = []
    for axis in range(3):
        where = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
        start, stop = int(where[0]), int(where[-1]) + 1
        sides.append(slice(max(0, start - 1), min(inside.shape[axis], stop + 1)))
    return tuple(sides)


def _chosen_slices(regions: IntArray, lost: BoolArray, axis: int) -> list[int]:
    """One slice in each equal share of the atlas: its middle, or where lost regions are.

    A lost region that an earlier slice shows does not move a later one.
    """
    others = tuple({0, 1, 2} - {axis})
    present = np.flatnonzero(regions.any(axis=others))
    unseen = lost.copy()
    chosen: list[int] = []
    for share in np.array_split(np.arange(present[0], present[-1] + 1), N_SLICES[axis]):
        if share.size:
            n_lost = np.take(unseen, share, axis=axis).sum(axis=others)
            best = n_lost.argmax() if n_lost.any() else share.size // 2
            chosen.append(int(share[best]))
            if unseen.any():
                seen = np.unique(np.take(regions, chosen[-1], axis=axis))
                unseen &= ~np.isin(regions, seen)
    return chosen


def _is_one_of(regions: IntArray, ids: Collection[int]) -> BoolArray:
    return np.isin(regions, list(ids)) if ids else np.zeros(regions.shape, dtype=bool)


def _resized(plane: Array, sizes: FloatArray) -> Array:
    """Repeat voxels until a pixel is square, `PIXELS_PER_VOXEL` to the shorter side."""
    step = sizes.min() / PIXELS_PER_VOXEL
    i, j = (
        (np.arange(max(1, round(n * size / step))) * step / size + 0.5 * step / size).astype(int)
        for n, size in zip(plane.shape, sizes, strict=True)
    )
    return plane[np.ix_(np.minimum(i, plane.shape[0] - 1), np.minimum(j, plane.shape[1] - 1))]


def _fill(picture: Array, regions: IntArray, edges: BoolArray, colours: Array) -> None:
    """Lay colours over a picture (rows, columns, 3); lighter at the edges of regions."""
    inside = regions != 0
    veil = colours[regions].astype(int)
    picture[inside] = (picture[inside] + veil[inside]) // 2
    picture[edges] = (veil[edges] + 255) // 2  # a dark colour needs an edge that can be seen


def _striped(shape: tuple[int, ...]) -> BoolArray:
    i, j = np.indices(shape)
    striped: BoolArray = (i + j) % (2 * STRIPE) < STRIPE
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
