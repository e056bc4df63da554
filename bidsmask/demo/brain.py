"""The head of the demo: tissue, brightness and dropout as functions of a place in mm (RAS+).

Being functions of mm and not of voxels, they draw the same head on any grid.
"""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.images.grid import Grid
from bidsmask.numerics.affine import apply_affine

AIR, CSF, GREY, WHITE, SCALP = range(5)

BRIGHTNESS = {CSF: 1400.0, GREY: 1000.0, WHITE: 780.0, SCALP: 220.0}
"""T2*-like: fluid is brightest, white matter dark; air and bone have no signal."""

CENTRE_MM = np.array([0.0, -18.0, 8.0])
"""Centre of the cerebrum."""

RIBBON_DEPTH = 0.62
"""Cortical regions reach from the surface (1) down to here."""

SINUS_MM = np.array([-5.0, 44.0, -24.0])
"""Centre of the dropout: air in the sinuses below the frontal lobes."""

SAMPLING_MM = 2.0
"""Voxels are averages over points about this far apart, so that borders are soft."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """How much of each voxel is of which tissue.

    Parameters
    ----------
    grid : Grid
    csf, grey, white, scalp : float arrays of shape (X, Y, Z)
        Shares from 0 to 1; what is left to 1 is air.
    """

    grid: Grid
    csf: FloatArray
    grey: FloatArray
    white: FloatArray
    scalp: FloatArray

    @property
    def brain(self) -> FloatArray:
        """Share of the voxel that lies inside the skull, (X, Y, Z)."""
        return self.csf + self.grey + self.white

    @property
    def brightness(self) -> FloatArray:
        """Signal without dropout or noise, (X, Y, Z), in arbitrary units."""
        brightness: FloatArray = (
            self.csf * BRIGHTNESS[CSF]
            + self.grey * BRIGHTNESS[GREY]
            + self.white * BRIGHTNESS[WHITE]
            + self.scalp * BRIGHTNESS[SCALP]
        )
        return brightness


def voxel_centres(grid: Grid) -> FloatArray:
    """Places of the voxels of `grid`, (X, Y, Z, 3), in mm."""
    ijk = np.moveaxis(np.indices(grid.shape), 0, -1)
    return apply_affine(grid.affine, ijk)


def depth(points: FloatArray) -> FloatArray:
    """How far out a place is in the cerebrum.

    Parameters
    ----------
    points : array of shape (..., 3)
        In mm.

    Returns
    -------
    depth : array of shape (...)
        0 at the centre, 1 on the surface, above 1 outside. The lower half is flatter, the front
        narrower.

    Examples
    --------
    >>> depth(np.array([[0.0, -18.0, 8.0], [68.0, -18.0, 8.0]]))
    array([0., 1.])
    """
    below = points[..., 2] < CENTRE_MM[2]
    half_height = np.where(below, 48.0, 70.0)
    x, y, z = np.moveaxis(points - CENTRE_MM, -1, 0)
    half_width = 68.0 * (1 - 0.12 * np.clip(y / 88, -1, 1))
    distance: FloatArray = np.sqrt((x / half_width) ** 2 + (y / 88) ** 2 + (z / half_height) ** 2)
    return distance


def tissue(points: FloatArray) -> IntArray:
    """Tissue at each place: AIR, CSF, GREY, WHITE or SCALP.

    Parameters
    ----------
    points : array of shape (..., 3)
        In mm.

    Returns
    -------
    tissue : int8 array of shape (...)
    """
    codes = np.full(points.shape[:-1], AIR, dtype=np.int8)
    codes[_is_scalp(points)] = SCALP
    for paint in (_paint_brainstem, _paint_cerebellum, _paint_cerebrum):
        paint(codes, points)
    return codes


def draw_head(grid: Grid) -> Anatomy:
    """Draw the head on `grid`: shares of tissue in each voxel."""
    offsets = _offsets(grid)
    counts = np.zeros((5, *grid.shape))
    centres = voxel_centres(grid)
    for offset in offsets:
        codes = tissue(centres + offset)
        for code in (CSF, GREY, WHITE, SCALP):
            counts[code] += codes == code
    share = counts / len(offsets)
    return Anatomy(
        grid=grid, csf=share[CSF], grey=share[GREY], white=share[WHITE], scalp=share[SCALP]
    )


def signal_left(points: FloatArray, dropout_mm: float) -> FloatArray:
    """Share of the signal that field inhomogeneity near the sinuses leaves.

    Parameters
    ----------
    points : array of shape (..., 3)
        In mm.
    dropout_mm : float
        Half of the signal is lost this far from the sinuses; 0 for almost no loss.

    Returns
    -------
    share : array of shape (...)
        From 0 (all lost) to 1.
    """
    distance = np.linalg.norm((points - SINUS_MM) / [1.4, 1.0, 0.8], axis=-1)
    share: FloatArray = 1 / (1 + np.exp((dropout_mm - distance) / 3.0))
    return share


def brain_mask(head: Anatomy, left: FloatArray) -> BoolArray:
    """Voxels that are mostly brain and have kept half of their signal, (X, Y, Z)."""
    mask: BoolArray = (head.brain > 0.5) & (left > 0.5)
    return mask


def _offsets(grid: Grid) -> FloatArray:
    """Points within a voxel, (n, 3), in mm from its centre."""
    steps = [max(1, round(size / SAMPLING_MM)) for size in grid.voxel_sizes_mm]
    axes = [(np.arange(n) + 0.5) / n - 0.5 for n in steps]
    inside = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets: FloatArray = inside @ grid.affine[:3, :3].T
    return offsets


def _ellipsoid(points: FloatArray, centre: tuple[int, int, int], axes: Array) -> FloatArray:
    """Distance from the centre in half axes: 1 on the surface."""
    distance: FloatArray = np.linalg.norm((points - centre) / axes, axis=-1)
    return distance


def _is_scalp(points: FloatArray) -> BoolArray:
    distance = _ellipsoid(points, (0, -18, 0), np.array([68, 88, 78]))
    scalp: BoolArray = (distance > 1.08) & (distance < 1.17)
    return scalp


def _paint_brainstem(codes: IntArray, points: FloatArray) -> None:
    codes[_ellipsoid(points, (0, -30, -40), np.array([12, 13, 32])) < 1] = WHITE


def _paint_cerebellum(codes: IntArray, points: FloatArray) -> None:
    distance = _ellipsoid(points, (0, -66, -40), np.array([48, 30, 25]))
    codes[distance < 1] = GREY
    codes[distance < 0.55] = WHITE


def _paint_cerebrum(codes: IntArray, points: FloatArray) -> None:
    outward, ripple = depth(points), _ripple(points)
    x = np.abs(points[..., 0])
    inside = outward < 1
    codes[inside] = np.where(outward[inside] > 0.75 + 0.11 * ripple[inside], GREY, WHITE)
    codes[inside & (outward > 0.88) & (ripple < -0.7)] = CSF  # sulci
    paired = np.concatenate([x[..., None], points[..., 1:]], axis=-1)
    codes[_ellipsoid(paired, (24, -4, 4), np.array([11, 18, 12])) < 1] = GREY  # deep nuclei
    codes[_ellipsoid(paired, (10, -14, 18), np.array([8, 30, 11])) < 1] = CSF  # ventricles
    codes[inside & (outward > 0.45) & (x < 2)] = CSF  # between the hemispheres


def _ripple(points: FloatArray) -> FloatArray:
    """Waves over the surface, -1 to 1, after which the cortex folds into gyri and sulci."""
    x, y, z = np.moveaxis(points - CENTRE_MM, -1, 0)
    around, up = np.arctan2(y, np.abs(x)), np.arctan2(z, np.hypot(x, y))
    ripple: FloatArray = np.sin(13 * around + 3 * up) * np.cos(8 * up + 2 * around)
    return ripple
