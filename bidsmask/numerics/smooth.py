"""Smoothing of a volume.

A Gaussian of standard deviation σ has the full width at half maximum FWHM = σ √(8 ln 2).
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.affine import voxel_sizes
from bidsmask.numerics.morphology import add_neighbours
from bidsmask.numerics.separable import AxisMatrices, box_shape, boxed

FWHM_OVER_SIGMA = float(np.sqrt(8 * np.log(2)))

_CUT = 4.0  # the Gaussian ends that many standard deviations from its centre

_NEIGHBOUR_WEIGHT = 0.2  # of the "fast" kernel; the voxel itself weighs 1


def smooth_volume(
    volume: Array,
    affine: FloatArray,
    fwhm: float | Sequence[float] | Literal["fast"] | None,
) -> FloatArray:
    """Convolve a volume with a Gaussian.

    Parameters
    ----------
    volume : array of shape (X, Y, Z)
        Not changed.
    affine : array of shape (4, 4)
        From voxels to mm; its columns say how large voxels are.
    fwhm : number, three numbers, "fast" or None
        Full width at half maximum in mm, of all directions or along each *voxel axis*; 0 leaves
        that axis alone. "fast" does not look at the affine: each voxel is averaged with the six
        that share a face with it, of weight 0.2 each (0 lies beyond the edges). None: no
        smoothing.

    Returns
    -------
    smoothed : array of shape (X, Y, Z)
        float32 if the volume is, else float64; always new memory. NaN and infinite voxels
        become 0 beforehand, or they would spread; with None they stay.

    Raises
    ------
    ValueError
        If there are neither one nor three widths, or one is negative or not finite.

    Notes
    -----
    As in nilearn, the image goes on beyond its edges as its own mirror image, the Gaussian is cut
    at 4 σ, and a float32 volume is rounded to float32 after each axis.

    Examples
    --------
    >>> spike = np.zeros((3, 1, 1))
    >>> spike[1] = 1
    >>> smooth_volume(spike, np.diag([2.0, 2.0, 2.0, 1.0]), (2.0, 0, 0)).ravel().round(3)
    array([0.056, 0.889, 0.056])
    """
    single = volume.dtype.name == "float32"
    smoothed: FloatArray = volume.astype(np.float32 if single else np.float64)
    if fwhm is None:
        return smoothed
    if volume.dtype.kind == "f" and not (finite := np.isfinite(smoothed)).all():
        smoothed[~finite] = 0
    if isinstance(fwhm, str):
        return _averaged_with_neighbours(smoothed, fwhm)
    from scipy.ndimage import gaussian_filter1d

    for axis, sigma in enumerate(_widths(fwhm) / (FWHM_OVER_SIGMA * voxel_sizes(affine))):
        if _CUT * sigma >= 0.5:  # else nothing but the voxel itself is left of the Gaussian
            gaussian_filter1d(smoothed, sigma, output=smoothed, axis=axis, truncate=_CUT)
    return smoothed


def smoothing_matrices(
    shape: tuple[int, int, int], affine: FloatArray, fwhm: float | Sequence[float]
) -> AxisMatrices:
    """Give the convolution of `smooth_volume` as a matrix for each axis.

    Parameters
    ----------
    shape : three ints
    affine : array of shape (4, 4)
        From voxels to mm.
    fwhm : number or three numbers
        Full width at half maximum in mm, of all directions or along each *voxel axis*.

    Returns
    -------
    matrices : AxisMatrices
        Symmetric, for the image goes on as its own mirror image: smoothing is its own adjoint.

    Raises
    ------
    ValueError
        If there are neither one nor three widths, or one is negative or not finite.

    Examples
    --------
    >>> smoothing_matrices((3, 1, 1), np.diag([2.0, 2.0, 2.0, 1.0]), (2.0, 0, 0)).x.round(3)
    array([[0.944, 0.056, 0.   ],
           [0.056, 0.889, 0.056],
           [0.   , 0.056, 0.944]])
    """
    sigmas = np.broadcast_to(_widths(fwhm) / (FWHM_OVER_SIGMA * voxel_sizes(affine)), 3)
    x, y, z = (_smoothing_matrix(n, sigma) for n, sigma in zip(shape, sigmas, strict=True))
    return AxisMatrices(x=x, y=y, z=z)


class SmoothingInside:
    """Smoothing of the voxels of a mask among themselves: nothing beyond it has any weight.

    The smoothed values, with 0 wherever there is none, are divided by the smoothed mask. So a
    constant stays what it is up to the edge, no value fades into the zeros outside, and none
    bleeds out of the mask. (Normalised convolution.)

    Parameters
    ----------
    inside : int array of shape (V,)
        Flat indices of the mask's voxels, x running fastest.
    shape : three ints
        Of the lattice.
    affine : array of shape (4, 4)
        From voxels to mm.
    fwhm : number or three numbers
        Full width at half maximum in mm, of all directions or along each *voxel axis*.

    Raises
    ------
    ValueError
        If there are neither one nor three widths, or one is negative or not finite.

    References
    ----------
    Knutsson & Westin (1993), CVPR, doi:10.1109/CVPR.1993.341081

    Examples
    --------
    >>> smooth = SmoothingInside(np.array([0, 1]), (3, 1, 1), np.eye(4), 2.0)
    >>> smooth(np.array([1.0, 1.0], dtype=np.float32)).round(6)
    array([1., 1.], dtype=float32)
    """

    def __init__(
        self,
        inside: IntArray,
        shape: tuple[int, int, int],
        affine: FloatArray,
        fwhm: float | Sequence[float],
    ) -> None:
        box, self._places = boxed(inside, shape)
        self._n_voxels = int(np.prod(box_shape(box)))
        self._matrices = smoothing_matrices(shape, affine, fwhm).to(box, box).astype(np.float32)
        self._weights = _Latest(self._sums_of_weights)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Smooth a volume.

        Parameters
        ----------
        values : float32 array of shape (V,)
            Of the mask's voxels. What is not finite counts as outside of the mask.

        Returns
        -------
        smoothed : float32 array of shape (V,)
            NaN where the value was not finite.
        """
        finite = np.isfinite(values)
        if not finite.any():
            return np.full_like(values, np.nan)
        smoothed = self._smooth(np.where(finite, values, np.float32(0)))
        smoothed /= self._weights(finite)
        smoothed[~finite] = np.nan
        return smoothed

    def _sums_of_weights(self, finite: BoolArray) -> FloatArray:
        return np.where(finite, self._smooth(finite.astype(np.float32)), np.float32(1))

    def _smooth(self, values: FloatArray) -> FloatArray:
        volume = np.zeros((1, self._n_voxels), dtype=np.float32)
        volume[0, self._places] = values
        smoothed: FloatArray = self._matrices(volume)[0, self._places]
        return smoothed


class _Latest:
    """Remembers the latest answer: nearly all volumes of a run miss the same voxels."""

    def __init__(self, answer: Callable[[BoolArray], FloatArray]) -> None:
        self._answer = answer
        self._known: tuple[BoolArray, FloatArray] | None = None

    def __call__(self, question: BoolArray) -> FloatArray:
        known = self._known  # another thread may have another answer in the meantime
        if known is None or not np.array_equal(known[0], question):
            known = self._known = question, self._answer(question)
        return known[1]


def _smoothing_matrix(n_voxels: int, sigma: float) -> FloatArray:
    """Gaussian (n, n) along a line that goes on beyond its ends as its own mirror image."""
    reach = int(_CUT * sigma + 0.5)
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * np.square(steps / sigma)) if reach else np.ones(1)
    places = (np.arange(n_voxels)[:, None] + steps) % (2 * n_voxels)
    mirrored = np.where(places < n_voxels, places, 2 * n_voxels - 1 - places)
    matrix = np.zeros((n_voxels, n_voxels))
    np.add.at(matrix, (np.arange(n_voxels)[:, None], mirrored), weights / weights.sum())
    return matrix


def _averaged_with_neighbours(volume: FloatArray, fwhm: str) -> FloatArray:
    """Average in place."""
    if fwhm != "fast":
        raise ValueError(f"The width of a Gaussian is a number, three numbers or 'fast': {fwhm!r}")
    neighbours = _NEIGHBOUR_WEIGHT * volume
    add_neighbours(volume, neighbours)
    volume /= 1 + 6 * _NEIGHBOUR_WEIGHT
    return volume


def _widths(fwhm: float | Sequence[float]) -> FloatArray:
    widths = np.atleast_1d(np.asarray(fwhm, dtype=np.float64))
    if widths.shape not in ((1,), (3,)) or not (np.isfinite(widths) & (widths >= 0)).all():
        raise ValueError(
            f"Smoothing takes one width in mm or three, none of them negative, and not {fwhm}."
        )
    return widths
