"""Numbers that say how good a run is; each with its formula, unit and source."""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray


class VolumeStatistics:
    """Statistics of a run, accumulated while it is read.

    Memory does not grow with the number of volumes but by three numbers each, and how the run is
    cut into blocks changes no bit of the result. Values that are NaN or infinite are left out,
    voxel by voxel and volume by volume. Voxels that never change were not measured: DVARS and the
    global mean are of the others.

    Notes
    -----
    Sums are in float64 and of changes since the first finite value of each voxel, so that a
    small change on top of a large baseline is not rounded away, and a voxel that never changes
    has a standard deviation of exactly 0.

    References
    ----------
    Chan, Golub & LeVeque (1983), The American Statistician 37(3),
    doi:10.1080/00031305.1983.10483115 (shifted sums);
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018 (DVARS)

    Examples
    --------
    >>> statistics = VolumeStatistics()
    >>> statistics.update(np.array([[10, 20], [12, 20]], dtype=np.int16))
    >>> statistics.update(np.array([[14, 20]], dtype=np.int16))
    >>> statistics.mean
    array([12., 20.])
    >>> statistics.tsnr
    array([ 6., nan])
    >>> statistics.dvars
    array([nan,  2.,  2.])
    >>> statistics.global_mean
    array([10., 12., 14.])
    """

    def __init__(self) -> None:
        self._allocate(0)
        self._totals: list[float] = []
        self._steps: list[float] = []  # sums of squares
        self._n_steps: list[int] = []
        self._n_nonfinite: list[int] = []

    def update(self, block: Array) -> None:
        """Take in the next volumes.

        Parameters
        ----------
        block : array of shape (n, V)
            Voxels of the mask in n successive volumes, of any real type and byte order.

        Raises
        ------
        ValueError
            If V is not that of the first block.
        """
        if not self._totals:
            self._allocate(block.shape[1])
        if block.shape[1] != self._shift.size:
            raise ValueError(f"Expected {self._shift.size} voxels, and found {block.shape[1]}.")
        for volume in block:
            self._add(volume)

    @property
    def n_volumes(self) -> int:
        """Volumes taken in so far, T."""
        return len(self._totals)

    @property
    def mean(self) -> FloatArray:
        """Mean over time, (V,), in the unit of the images; NaN where nothing was finite."""
        return self._shift + _divide(self._sum, self._n_finite)

    @property
    def std(self) -> FloatArray:
        """Standard deviation over time (ddof 1), (V,); NaN where fewer than 2 were finite."""
        squares = self._squares - self._sum * _divide(self._sum, self._n_finite)
        variance = _divide(np.maximum(squares, 0), self._n_finite - 1)
        return np.sqrt(variance)

    @property
    def tsnr(self) -> FloatArray:
        """Temporal signal-to-noise ratio, mean / standard deviation, (V,), without unit.

        NaN where the standard deviation is 0: a voxel that never changes was not measured.
        Kruger & Glover (2001), doi:10.1002/mrm.1240.
        """
        std = self.std
        return np.divide(self.mean, std, out=np.full_like(std, np.nan), where=std > 0)

    @property
    def dvars(self) -> FloatArray:
        """RMS over voxels of the change since the volume before, (T,), in the images' unit.

        The first is NaN. A voxel that changes counts where it is finite in both volumes.
        """
        n_changing = np.array(self._n_steps, dtype=np.int64) - self._still.sum()
        return np.sqrt(_divide(np.array(self._steps, dtype=np.float64), n_changing))

    @property
    def global_mean(self) -> FloatArray:
        """Mean over the voxels that change, and are finite, (T,); NaN where there are none."""
        still = self._still
        n_changing = still.size - self.n_nonfinite - still.sum()
        return _divide(np.array(self._totals) - self._shift[still].sum(), n_changing)

    @property
    def n_nonfinite(self) -> IntArray:
        """How many voxels of each volume are NaN or infinite, (T,)."""
        return np.array(self._n_nonfinite, dtype=np.int64)

    @property
    def _n_finite(self) -> IntArray:
        return self.n_volumes - self._n_missing

    @property
    def _still(self) -> BoolArray:
        """Which voxels are finite in all volumes and never change, (V,)."""
        still: BoolArray = (self._n_missing == 0) & (self._squares == 0) & (self.n_volumes > 1)
        return still

    def _allocate(self, n_voxels: int) -> None:
        self._shift = np.full(n_voxels, np.nan)
        self._total_of_shift = np.nan
        self._previous = np.full(n_voxels, np.nan)  # change at the volume before, NaN if missing
        self._spare = np.empty(n_voxels)  # new memory for each volume would cost more than sums
        self._squared = np.empty(n_voxels)
        self._sum = np.zeros(n_voxels)
        self._squares = np.zeros(n_voxels)
        self._n_missing = np.zeros(n_voxels, dtype=np.int64)

    def _add(self, volume: Array) -> None:
        change, step = self._spare, self._previous
        with np.errstate(invalid="ignore"):  # infinite values, seen to next
            np.subtract(volume, self._shift, out=change)
            total = float(change.sum())
        if np.isfinite(total):
            self._accumulate(change)
            self._n_nonfinite.append(0)
            self._totals.append(self._total_of_shift + total)
        else:
            self._add_finite(volume, change)
        np.subtract(change, self._previous, out=step)
        squares, n_steps = _sum_of_squares(step, self._squared)
        self._steps.append(squares)
        self._n_steps.append(n_steps)
        self._previous, self._spare = change, step

    def _accumulate(self, change: FloatArray) -> None:
        self._sum += change
        self._squares += np.square(change, out=self._squared)

    def _add_finite(self, volume: Array, change: FloatArray) -> None:
        """Add a volume that has missing values, or the first value of some voxel."""
        finite = np.isfinite(volume)
        first = finite & np.isnan(self._shift)
        self._shift[first] = volume[first]
        self._total_of_shift = float(self._shift.sum())
        change[first] = 0
        self._accumulate(np.where(finite, change, 0))
        change[~finite] = np.nan
        self._n_missing += ~finite
        self._n_nonfinite.append(int(np.count_nonzero(~finite)))
        self._totals.append(float(np.sum(volume, where=finite, dtype=np.float64)))


@dataclass(frozen=True, kw_only=True)
class FdSummary:
    """Framewise displacement of a run in a few numbers.

    Parameters
    ----------
    mean_mm, median_mm, max_mm : float
        Over the volumes that have a predecessor, in mm. NaN if there are none.
    n_above : int or None
        Volumes strictly above the threshold; None without a threshold.
    """

    mean_mm: float
    median_mm: float
    max_mm: float
    n_above: int | None


def fd_summary(fd_mm: FloatArray, threshold_mm: float | None = None) -> FdSummary:
    """Summarise a run's framewise displacement.

    Parameters
    ----------
    fd_mm : array of shape (T,)
        In mm; NaN (the first volume) is left out.
    threshold_mm : float or None
        Count the volumes above this.

    References
    ----------
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> fd_summary(np.array([np.nan, 0.25, 0.5, 0.75]), threshold_mm=0.5)
    FdSummary(mean_mm=0.5, median_mm=0.5, max_mm=0.75, n_above=1)
    """
    known = np.asarray(fd_mm)[np.isfinite(fd_mm)]
    n_above = None if threshold_mm is None else int(np.count_nonzero(known > threshold_mm))
    if not known.size:
        return FdSummary(mean_mm=np.nan, median_mm=np.nan, max_mm=np.nan, n_above=n_above)
    return FdSummary(
        mean_mm=float(known.mean()),
        median_mm=float(np.median(known)),
        max_mm=float(known.max()),
        n_above=n_above,
    )


def coverage(n_covered: IntArray, n_voxels: IntArray) -> FloatArray:
    """Share of each region's voxels that lie inside the run's mask.

    Parameters
    ----------
    n_covered, n_voxels : int arrays of shape (P,)
        Voxels of each region inside the mask, and in all.

    Returns
    -------
    coverage : float64 array of shape (P,)
        From 0 to 1. A region without voxels has a coverage of 0.

    Examples
    --------
    >>> coverage(np.array([3, 0]), np.array([4, 0]))
    array([0.75, 0.  ])
    """
    return _divide(np.asarray(n_covered, dtype=np.float64), np.asarray(n_voxels), empty=0.0)


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson's correlation of two time courses, over the volumes where both are finite.

    Parameters
    ----------
    a, b : arrays of shape (T,)
        FD and DVARS, say; their first values are NaN.

    Returns
    -------
    r : float
        From -1 to 1. NaN if fewer than 3 volumes are left or one of the two is constant.

    Examples
    --------
    >>> round(correlation(np.array([np.nan, 1.0, 2.0, 3.0]), np.array([5.0, 2.0, 4.0, 6.0])), 6)
    1.0
    """
    both = np.isfinite(a) & np.isfinite(b)
    if np.count_nonzero(both) < 3 or not (np.ptp(a[both]) > 0 and np.ptp(b[both]) > 0):
        return float("nan")
    x, y = a[both] - a[both].mean(), b[both] - b[both].mean()
    # Sums of numpy's own: how BLAS adds up depends on where in memory the values lie.
    r = float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    return min(max(r, -1.0), 1.0)


def _divide(sums: FloatArray, counts: IntArray, empty: float = np.nan) -> FloatArray:
    """Quotient, and `empty` where the count is not above 0."""
    quotients = np.full(sums.shape, empty)
    np.divide(sums, counts, out=quotients, where=counts > 0)
    return quotients


def _sum_of_squares(values: FloatArray, spare: FloatArray) -> tuple[float, int]:
    """Sum the squares of the values that are not NaN; how many these are; `spare` is used up.

    The sum is numpy's own: how BLAS adds up depends on where in memory the values lie.
    """
    squares = float(np.square(values, out=spare).sum())
    if np.isnan(squares):
        present = values[~np.isnan(values)]
        return float(np.square(present).sum()), present.size
    return squares, values.size
