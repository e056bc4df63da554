"""Statistics of a run that comes place by place, each with all of its volumes: that of CIFTI."""

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray

_VALUES_AT_ONCE = 1 << 18
"""2 MB, in memory that is used again: to have it anew each time takes longer than the sums."""


class PlaceStatistics:
    """What `bidsmask.numerics.quality.VolumeStatistics` says of a run, in the other order.

    Mean and standard deviation of a place are complete as soon as it has been seen; what is said
    of volumes adds up, over the places that are finite in every volume and change. Of the others,
    NaN and infinite values are left out, place by place and volume by volume.

    Notes
    -----
    Sums are in float64 and of changes since the first finite value of each place, as there.

    References
    ----------
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018 (DVARS)

    Examples
    --------
    >>> statistics = PlaceStatistics()
    >>> statistics.update(np.array([[10, 12, 14]], dtype=np.int16))
    >>> statistics.update(np.array([[20, 20, 20]], dtype=np.int16))
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
        self._means: list[FloatArray] = []
        self._deviations: list[FloatArray] = []
        self._buffers = [np.empty(0), np.empty(0)]
        self._allocate(0)

    def update(self, block: Array) -> None:
        """Take in the next places.

        Parameters
        ----------
        block : array of shape (n, T)
            Of any real type and byte order.
        """
        if not self._means:
            self._allocate(block.shape[1])
        at_once = max(1, _VALUES_AT_ONCE // max(1, self.n_volumes))
        for start in range(0, len(block), at_once):
            self._take(block[start : start + at_once])

    def _take(self, block: Array) -> None:
        finite = np.isfinite(block)
        is_whole = bool(finite.all())
        if is_whole:
            first, n_finite = block[:, 0].astype(np.float64), np.full(len(block), self.n_volumes)
        else:
            first = block[np.arange(len(block)), finite.argmax(axis=1)].astype(np.float64)
            n_finite = finite.sum(axis=1)
            first[n_finite == 0] = 0
            self._n_nonfinite += (~finite).sum(axis=0)
        change = self._memory(0, block.shape)
        np.subtract(block, first[:, np.newaxis], out=change, dtype=np.float64)
        if not is_whole:
            change[~finite] = 0
        squares = np.einsum("nt,nt->n", change, change)
        self._keep(first, change.sum(axis=1), squares, n_finite)
        covered = (n_finite == self.n_volumes) & ((squares > 0) | (self.n_volumes == 1))
        if covered.all():
            self._add_covered(first, change)
        else:
            self._add_covered(first[covered], change[covered])

    @property
    def n_volumes(self) -> int:
        """Volumes, T; 0 before a place has been seen."""
        return int(self._totals.size)

    @property
    def mean(self) -> FloatArray:
        """Mean over time of each place, (V,); NaN where nothing was finite."""
        return np.concatenate([np.zeros(0), *self._means])

    @property
    def std(self) -> FloatArray:
        """Standard deviation over time (ddof 1), (V,); NaN where fewer than 2 were finite."""
        return np.concatenate([np.zeros(0), *self._deviations])

    @property
    def tsnr(self) -> FloatArray:
        """Mean / standard deviation, (V,); NaN where a place never changes."""
        std = self.std
        return np.divide(self.mean, std, out=np.full_like(std, np.nan), where=std > 0)

    @property
    def dvars(self) -> FloatArray:
        """RMS over covered places of the change since the volume before, (T,); first NaN."""
        changes = np.sqrt(_share(self._squares, self._n_covered))
        return np.concatenate([np.full(1, np.nan), changes])[: self.n_volumes]

    @property
    def global_mean(self) -> FloatArray:
        """Mean over the covered places, (T,); NaN where there are none."""
        return _share(self._totals, self._n_covered)

    @property
    def n_nonfinite(self) -> IntArray:
        """How many places of each volume are NaN or infinite, (T,)."""
        return self._n_nonfinite

    def _allocate(self, n_volumes: int) -> None:
        self._totals = np.zeros(n_volumes)
        self._n_covered = np.zeros((), dtype=np.int64)
        self._n_nonfinite = np.zeros(n_volumes, dtype=np.int64)
        self._squares = np.zeros(max(n_volumes - 1, 0))

    def _memory(self, number: int, shape: tuple[int, int]) -> FloatArray:
        """Give memory, which is given again the next time."""
        size = shape[0] * shape[1]
        if self._buffers[number].size < size:
            self._buffers[number] = np.empty(size)
        return self._buffers[number][:size].reshape(shape)

    def _add_covered(self, first: FloatArray, change: FloatArray) -> None:
        self._totals += change.sum(axis=0) + first.sum()
        self._n_covered += len(first)
        steps = self._memory(1, (len(change), self._squares.size))
        np.subtract(change[:, 1:], change[:, :-1], out=steps)
        self._squares += np.einsum("nt,nt->t", steps, steps)

    def _keep(
        self, first: FloatArray, sums: FloatArray, squares: FloatArray, n_finite: IntArray
    ) -> None:
        means = _share(sums, n_finite)
        spread = np.maximum(squares - sums * np.nan_to_num(means), 0)
        self._means.append(first + means)
        self._deviations.append(np.sqrt(_share(spread, n_finite - 1)))


def _share(sums: FloatArray, counts: IntArray) -> FloatArray:
    shares: FloatArray = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=shares, where=counts > 0)
    return shares
