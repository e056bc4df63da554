"""Columns as weighted sums of voxels, and weights that smooth the volumes they are applied to.

A masker that smooths (or resamples) T volumes and then reads P columns off them computes W S v
for each volume v. Both are linear, so the product of W and S can be computed once: that is to
apply the adjoint of S to P rows of weights instead of S to T volumes. To *fold* is to do so.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.numerics.separable import AxisMatrices, box_shape, boxed, from_box
from bidsmask.numerics.threads import in_order

NEGLIGIBLE = {True: 1e-7, False: 1e-12}
"""Weights below this share of their column's largest are left out, in single precision or not.

Splines never end: a weight falls to a quarter from voxel to voxel. Signs alternate, and in single
precision only what differs from the first volume is multiplied (see `Products`).
"""

_REGIONS_TRIED = 8

_PARTS = 4
"""Columns are multiplied in so many parts, on threads of their own."""

_TURNED_AT_ONCE = 1 << 12  # stay in the cache until all volumes have been written side by side


class Weights(Protocol):
    """Weights of V voxels in P columns."""

    @property
    def support(self) -> IntArray:
        """Flat indices (x runs fastest) of the V voxels that have a weight."""
        ...

    def products(self, voxels: Array) -> FloatArray:
        """Weighted sums (n, P) of voxels (n, V) in double precision."""
        ...

    def changes(self, voxels: Array, first: FloatArray) -> FloatArray:
        """Weighted sums (n, P) of what voxels (n, V) differ by from others (1, V).

        In single precision.
        """
        ...


class SparseWeights:
    """A few voxels for each column.

    Parameters
    ----------
    columns : iterable of (voxels, weights)
        Flat indices of the voxels of each column, and what they weigh.
    n_voxels : int
        Of the whole lattice.
    single : bool
        Hold the weights in single precision, which takes half the space.

    Examples
    --------
    >>> weights = SparseWeights([(np.array([4, 5]), np.array([0.5, 0.5]))], n_voxels=8)
    >>> weights.support
    array([4, 5])
    >>> weights.products(np.array([[10, 20]]))
    array([[15.]])
    """

    def __init__(
        self,
        columns: Iterable[tuple[IntArray, FloatArray]],
        n_voxels: int,
        *,
        single: bool = False,
    ) -> None:
        from scipy.sparse import csr_matrix

        dtype = np.float32 if single else np.float64
        pairs = [(voxels.astype(np.int32), each.astype(dtype)) for voxels, each in columns]
        ends = np.cumsum([0, *(len(voxels) for voxels, _ in pairs)])
        voxels = np.concatenate([np.zeros(0, dtype=np.int32), *(pair[0] for pair in pairs)])
        weights = np.concatenate([np.zeros(0, dtype=dtype), *(pair[1] for pair in pairs)])
        n_columns = len(pairs)
        del pairs
        used = np.zeros(n_voxels, dtype=bool)
        used[voxels] = True
        self.support: IntArray = np.flatnonzero(used)
        place = np.cumsum(used, dtype=np.int32) - 1
        parts = np.linspace(0, n_columns, min(_PARTS, max(n_columns, 1)) + 1).astype(int)
        self._parts: list[Any] = [
            csr_matrix(
                (
                    weights[ends[first] : ends[last]],
                    place[voxels[ends[first] : ends[last]]],
                    (ends[first : last + 1] - ends[first]).astype(np.int32),
                ),
                shape=(last - first, self.support.size),
            )
            for first, last in pairwise(parts.tolist())
        ]

    def products(self, voxels: Array) -> FloatArray:
        """Weighted sums (n, P) of voxels (n, V) in double precision."""
        return self._multiplied(_upright(voxels, np.float64))

    def changes(self, voxels: Array, first: FloatArray) -> FloatArray:
        """Weighted sums (n, P) of what voxels (n, V) differ by from others (1, V)."""
        upright = np.empty(voxels.shape[::-1], dtype=self._parts[0].dtype)
        for start in range(0, voxels.shape[1], _TURNED_AT_ONCE):
            some = slice(start, start + _TURNED_AT_ONCE)
            np.subtract(voxels[:, some], first[:, some], out=upright[some].T)
        return self._multiplied(upright)

    def _multiplied(self, upright: FloatArray) -> FloatArray:
        """Weighted sums (n, P) of voxels (V, n)."""
        sums = in_order(lambda part: part @ upright, self._parts)
        return np.vstack(list(sums)).T


class Products:
    """Weighted sums of the volumes of one run, block by block.

    In single precision only what differs from the run's first volume is multiplied: a BOLD signal
    varies by some per cent around its mean, which single precision would spend its digits on.

    Parameters
    ----------
    weights : Weights
    single : bool
        Whether single precision will do: for values that are of no more.
    """

    def __init__(self, weights: Weights, *, single: bool) -> None:
        self._weights = weights
        self._single = single
        self._first: FloatArray | None = None
        self._columns_of_first: FloatArray = np.empty((1, 0))

    def __call__(self, voxels: Array) -> FloatArray:
        """Weighted sums (n, P), float64, of finite voxels (n, V)."""
        if not self._single:
            return self._weights.products(voxels)
        if self._first is None:
            self._first = voxels[:1].astype(np.float32)
            self._columns_of_first = self._weights.products(self._first)
        sums: FloatArray = self._columns_of_first + self._weights.changes(voxels, self._first)
        return sums


def fold_regions(
    regions: Iterable[IntArray], operator: AxisMatrices, *, single: bool = False
) -> SparseWeights:
    """Means over regions of mapped volumes, as weights on the volumes before.

    Parameters
    ----------
    regions : int arrays
        Flat indices of the voxels of each region, on the target of the operator.
    operator : AxisMatrices
        What is done to volumes before the means are taken.
    single : bool
        Hold the weights in single precision.

    Returns
    -------
    weights : SparseWeights
        On the source of the operator. A region without voxels gives a column of 0.
    """
    n_voxels = int(np.prod(operator.source_shape))
    near = operator.without(NEGLIGIBLE[single])
    columns = (_fold_region(region, near, NEGLIGIBLE[single]) for region in regions)
    return SparseWeights(columns, n_voxels, single=single)


def n_folded(regions: Sequence[IntArray], operator: AxisMatrices, *, single: bool) -> int:
    """Estimate how many weights `fold_regions` would find, from some of the regions."""
    some = regions[:: max(1, len(regions) // _REGIONS_TRIED)]
    near, least = operator.without(NEGLIGIBLE[single]), NEGLIGIBLE[single]
    n_weights = sum(_fold_region(region, near, least)[0].size for region in some)
    return round(n_weights * len(regions) / max(len(some), 1))


def _fold_region(
    region: IntArray, operator: AxisMatrices, negligible: float
) -> tuple[IntArray, FloatArray]:
    if not region.size:
        return np.zeros(0, dtype=np.int32), np.zeros(0)
    target, places = boxed(region, operator.target_shape)
    near = operator.to(target=target)
    source = near.reach()
    mean = np.zeros((1, int(np.prod(box_shape(target)))))
    mean[0, places] = 1 / region.size
    weights = near.to(source=source).adjoint(mean)[0]
    size = np.abs(weights)
    kept = np.flatnonzero(size > negligible * size.max())
    return from_box(kept, operator.source_shape, source), weights[kept]


def _upright(voxels: Array, dtype: Any) -> Array:
    """Voxels (n, V) as (V, n), one voxel's values side by side: sparse products go along them."""
    return np.ascontiguousarray(voxels.T, dtype=dtype)
