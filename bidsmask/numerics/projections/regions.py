"""From voxels to columns and back: the linear maps that a masker is made of.

A projection is built once for a lattice and applied to every block of volumes. It names the
voxels that it needs (its *support*), so that nothing else has to be taken out of a volume.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol, get_args

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.projections import statistics
from bidsmask.numerics.projections.folding import SparseWeights, fold_regions
from bidsmask.numerics.separable import AxisMatrices
from bidsmask.vocabulary import Statistic


class Projection(Protocol):
    """A linear map from the voxels of a volume (V) to columns (P)."""

    @property
    def support(self) -> IntArray:
        """Flat indices (x runs fastest) of the V voxels that are needed, in the order needed."""
        ...

    @property
    def n_columns(self) -> int:
        """Number of columns, P."""
        ...

    def project(self, voxels: Array) -> FloatArray:
        """Columns (T, P) of the supporting voxels (T, V)."""
        ...

    def expand(self, columns: FloatArray) -> FloatArray:
        """Voxels (T, V) that carry the value of their column in (T, P)."""
        ...


class _Regions:
    """The voxels of some regions, region after region."""

    def __init__(self, regions: Sequence[IntArray]) -> None:
        self.support: IntArray = np.concatenate([np.empty(0, dtype=np.intp), *regions])
        self.n_voxels: IntArray = np.array([region.size for region in regions], dtype=np.intp)
        self._column_of_support = np.repeat(np.arange(len(regions)), self.n_voxels)
        self._present = np.flatnonzero(self.n_voxels)
        self._starts = np.cumsum(self.n_voxels)[self._present] - self.n_voxels[self._present]

    @property
    def n_columns(self) -> int:
        """Number of regions asked for, P."""
        return int(self.n_voxels.size)

    @property
    def regions(self) -> list[IntArray]:
        """Flat indices of the voxels of each region."""
        return np.split(self.support, np.cumsum(self.n_voxels))[:-1]

    def expand(self, columns: FloatArray) -> FloatArray:
        """Give each supporting voxel the value of its region: (T, P) -> (T, V)."""
        return np.take(columns, self._column_of_support, axis=1)


class RegionMeans(_Regions):
    """The mean over the voxels of each region.

    Parameters
    ----------
    regions : P int arrays
        Flat indices (x runs fastest) of the voxels of each region. One without voxels gives a
        column of NaN.
    sizes : float array of shape (V_all,), optional
        How much each voxel of the lattice weighs in the mean, from 0 on; by default all alike. A
        region whose voxels weigh nothing gives a column of NaN.

    Examples
    --------
    >>> areas = np.array([1.0, 3.0])
    >>> RegionMeans([np.array([0, 1])], areas).project(np.array([[10, 20]]))
    array([[17.5]])
    """

    def __init__(self, regions: Sequence[IntArray], sizes: FloatArray | None = None) -> None:
        super().__init__(regions)
        self._sizes = None if sizes is None else sizes[self.support].astype(np.float64)
        self._totals: FloatArray = self.n_voxels.astype(np.float64)
        if self._sizes is not None:
            self._totals = np.zeros(self.n_columns)
            np.add.at(self._totals, self._column_of_support, self._sizes)

    def project(self, voxels: Array) -> FloatArray:
        """Mean over the finite voxels of each region.

        Parameters
        ----------
        voxels : array of shape (T, V)
            Values of the supporting voxels, of any real type and byte order.

        Returns
        -------
        columns : float64 array of shape (T, P)
        """
        columns = np.full((voxels.shape[0], self.n_columns), np.nan)
        if self.support.size and voxels.shape[0]:
            columns[:, self._present] = self._means(voxels)
        return columns

    def weights(self, operator: AxisMatrices, *, single: bool = False) -> SparseWeights:
        """Weights of the means, of the volumes before an operator maps them."""
        return fold_regions(self.regions, operator, single=single)

    def matrix(self, n_voxels: int) -> Any:
        """Weights of the means as a sparse array (P, V_all), of a lattice of so many voxels."""
        from scipy.sparse import csr_array

        sizes = np.ones(self.support.size) if self._sizes is None else self._sizes
        totals = self._totals[self._column_of_support]
        weights = np.divide(sizes, totals, out=np.zeros_like(sizes), where=totals > 0)
        ends = np.cumsum([0, *self.n_voxels])
        return csr_array((weights, self.support, ends), shape=(self.n_columns, n_voxels))

    def from_products(self, products: FloatArray) -> FloatArray:
        """Columns (T, P) from weighted sums (T, P): NaN where a region has no voxel."""
        products[:, self._totals == 0] = np.nan
        return products

    def _means(self, voxels: Array) -> FloatArray:
        totals = self._totals[self._present]
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, seen to below
            sums = self._sums(voxels)
            means: FloatArray = sums / totals
        suspect = ~np.isfinite(sums).all(axis=1)
        if suspect.any():
            means[suspect] = self._finite_means(voxels[suspect])
        return means

    def _finite_means(self, voxels: Array) -> FloatArray:
        finite = np.isfinite(voxels)
        n_finite = self._sums(finite)
        sums = self._sums(np.where(finite, voxels, 0))
        return np.divide(sums, n_finite, out=np.full_like(sums, np.nan), where=n_finite > 0)

    def _sums(self, voxels: Array) -> FloatArray:
        if self._sizes is not None:
            voxels = voxels * self._sizes
        sums: FloatArray = np.add.reduceat(voxels, self._starts, axis=1, dtype=np.float64)
        return sums


class LabelMeans(RegionMeans):
    """The mean over the voxels of each label.

    Parameters
    ----------
    labels_flat : int array of shape (V_all,)
        Label of every voxel of the lattice, flat with x running fastest. Voxels outside the
        brain mask carry a label that is not asked for (0, say).
    ids : int array of shape (P,)
        The labels asked for, one column each, in this order. One without voxels gives a column
        of NaN: the shape of the result does not depend on the run.

    Raises
    ------
    ValueError
        If a label is asked for twice.

    Notes
    -----
    ``support`` holds the voxels of the first label, then those of the second, and so on, so that
    the sum of each label is the sum of one stretch. Voxels that are NaN or infinite in a volume
    are left out of the mean of that volume; a label with nothing else is NaN there. Sums are in
    float64, hence exact for the integers that a scanner writes.

    Examples
    --------
    >>> means = LabelMeans(np.array([0, 7, 7, 5]), np.array([5, 6, 7]))
    >>> means.support
    array([3, 1, 2])
    >>> volumes = np.array([[9, 1, 3, 8]])
    >>> means.project(volumes[:, means.support])
    array([[ 8., nan, 2.]])
    """

    def __init__(self, labels_flat: IntArray, ids: IntArray) -> None:
        super().__init__(voxels_of_labels(labels_flat, ids))


class SphereMeans(RegionMeans):
    """The mean over the voxels of each sphere; spheres may share voxels.

    Parameters
    ----------
    spheres : P int arrays
        Flat indices (x runs fastest) of the voxels of each sphere. One without voxels gives a
        column of NaN.
    sizes : float array of shape (V_all,), optional
        As of `RegionMeans`.

    Notes
    -----
    As for `LabelMeans`; but ``support`` names a voxel once for each sphere that it is in.

    Examples
    --------
    >>> means = SphereMeans([np.array([4, 5]), np.array([5])])
    >>> means.support
    array([4, 5, 5])
    >>> means.project(np.array([[1, 3, 3]]))
    array([[2., 3.]])
    >>> means.expand(np.array([[10.0, 20.0]]))
    array([[10., 15., 15.]])
    """

    def __init__(self, spheres: Sequence[IntArray], sizes: FloatArray | None = None) -> None:
        super().__init__(spheres, sizes)
        _, self._place, self._n_spheres = np.unique(
            self.support, return_inverse=True, return_counts=True
        )

    def expand(self, columns: FloatArray) -> FloatArray:
        """Give each voxel the mean of the values of the spheres it is in: (T, P) -> (T, V)."""
        sums = np.zeros((self._n_spheres.size, columns.shape[0]))
        np.add.at(sums, self._place, super().expand(columns).T)
        shared: FloatArray = (sums / self._n_spheres[:, None])[self._place].T
        return shared


class RegionStatistic(_Regions):
    """A number for the voxels of each region, which need not be the mean.

    Parameters
    ----------
    regions : P int arrays
        Flat indices (x runs fastest) of the voxels of each region; a voxel may be in several. A
        region without voxels gives a column of NaN.
    statistic : str
        One of `bidsmask.vocabulary.Statistic`.

    Attributes
    ----------
    needs_all_volumes : bool
        Whether `project` has to be given all volumes of a run at once, because the voxels' course
        in time counts (for the first eigenvariate).

    Raises
    ------
    ValueError
        If the statistic is unknown.

    Notes
    -----
    Standard deviation and variance are those of the region's voxels as a population (they divide
    by their number), as in nilearn. NaN and infinite voxels are left out of their volume; a
    region with nothing else is NaN there (its sum, too).

    The first eigenvariate is the course in time that explains most of the variance of the
    region's voxels: with the singular value decomposition of their series (T, V), centred over
    time, it is the first left singular vector times the first singular value divided by √V, its
    sign such that the weights of the voxels sum to something positive (SPM's definition; Friston
    et al. 2006, doi:10.1016/j.neuroimage.2005.08.062). The mean over time and voxels is added:
    where all voxels of a region do the same, eigenvariate and mean are the same. Voxels that are
    missing in any volume are left out of all of them.

    Examples
    --------
    >>> region = [np.array([0, 1, 2])]
    >>> RegionStatistic(region, "median").project(np.array([[1, 9, 2]]))
    array([[2.]])
    """

    def __init__(self, regions: Sequence[IntArray], statistic: str) -> None:
        super().__init__(regions)
        if statistic not in get_args(Statistic):
            raise ValueError(
                f"Unknown statistic {statistic!r}; choose one of {', '.join(get_args(Statistic))}."
            )
        self.statistic = statistic
        self.needs_all_volumes = statistic == "first_eigenvariate"

    def project(self, voxels: Array) -> FloatArray:
        """Compute the statistic over the finite voxels of each region.

        Parameters
        ----------
        voxels : array of shape (T, V)
            Values of the supporting voxels, of any real type and byte order. Scaled: a slope or
            an intercept would change a standard deviation.

        Returns
        -------
        columns : float64 array of shape (T, P)
        """
        if self.statistic == "mean":
            return RegionMeans(self.regions).project(voxels)
        compute = getattr(statistics, self.statistic)
        columns = np.full((voxels.shape[0], self.n_columns), np.nan)
        ends = self._starts + self.n_voxels[self._present]
        for column, start, end in zip(self._present, self._starts, ends, strict=True):
            columns[:, column] = compute(voxels[:, start:end])
        return columns


class OfOneSelection:
    """Several projections of the voxels of one selection, side by side.

    For volumes that are smoothed: they are smoothed once, and what is made of them does not depend
    on what else is.

    Parameters
    ----------
    selection : int array of shape (V,)
        Flat indices (x runs fastest), ascending.
    projections : sequence of Projection
        None that needs all volumes at once; each of voxels of the selection.

    Examples
    --------
    >>> left, both = RegionMeans([np.array([2])]), RegionMeans([np.array([2, 5])])
    >>> together = OfOneSelection(np.array([2, 3, 5]), [left, both])
    >>> columns = together.project(np.array([[1, 8, 3]]))
    >>> columns, together.split(columns)[1]
    (array([[1., 2.]]), array([[2.]]))
    """

    def __init__(self, selection: IntArray, projections: Sequence[Projection]) -> None:
        self.support = selection
        self._projections = tuple(projections)
        self._places = [np.searchsorted(selection, each.support) for each in projections]

    @property
    def n_columns(self) -> int:
        """Number of columns of all projections, P."""
        return sum(each.n_columns for each in self._projections)

    def project(self, voxels: Array) -> FloatArray:
        """Columns (T, P) of all projections, from voxels (T, V) of the selection."""
        pairs = zip(self._projections, self._places, strict=True)
        return np.hstack([each.project(np.take(voxels, places, axis=1)) for each, places in pairs])

    def expand(self, columns: FloatArray) -> FloatArray:
        """Have no way back: regions of different projections may share voxels."""
        raise NotImplementedError("Columns of several projections have no image in common.")

    def split(self, columns: FloatArray) -> list[FloatArray]:
        """Columns (T, P) of each projection."""
        ends = np.cumsum([each.n_columns for each in self._projections])[:-1]
        return np.split(columns, ends, axis=1)


class VoxelSelection:
    """Chosen voxels, one column each, as they are (NaN stays NaN).

    Parameters
    ----------
    indices : int array of shape (P,)
        Flat indices of the voxels, x running fastest.

    Examples
    --------
    >>> VoxelSelection(np.array([4, 2])).project(np.array([[10, 20]], dtype=np.int16))
    array([[10., 20.]])
    """

    def __init__(self, indices: IntArray) -> None:
        self.support: IntArray = np.array(indices, dtype=np.intp)

    @property
    def n_columns(self) -> int:
        """Number of voxels, P."""
        return int(self.support.size)

    def project(self, voxels: Array) -> FloatArray:
        """Copy the voxels as float64: (T, V) -> (T, P) with P = V."""
        return voxels.astype(np.float64)

    def expand(self, columns: FloatArray) -> FloatArray:
        """Copy the columns: (T, P) -> (T, V) with V = P."""
        return columns.astype(np.float64)


def voxels_of_mask(mask: BoolArray) -> IntArray:
    """Flat indices (x runs fastest) of the voxels of a mask, in the order in which z runs fastest.

    That is the order in which ``volume[mask]`` takes them, and nilearn gives its columns.

    Parameters
    ----------
    mask : bool array of shape (X, Y, Z)

    Examples
    --------
    >>> voxels_of_mask(np.ones((2, 1, 2), dtype=bool))
    array([0, 2, 1, 3])
    """
    return np.ravel_multi_index(np.nonzero(mask), mask.shape, order="F")


def voxels_of_labels(labels_flat: IntArray, ids: IntArray) -> tuple[IntArray, ...]:
    """Flat indices of the voxels of each label asked for, ascending.

    Parameters
    ----------
    labels_flat : int array of shape (V_all,)
        Label of every voxel of the lattice.
    ids : int array of shape (P,)
        The labels asked for.

    Raises
    ------
    ValueError
        If a label is asked for twice.

    Examples
    --------
    >>> voxels_of_labels(np.array([0, 7, 7, 5]), np.array([5, 7]))
    (array([3]), array([1, 2]))
    """
    ids, labels = np.asarray(ids), np.asarray(labels_flat)
    voxels = np.arange(labels.size) if 0 in ids else np.flatnonzero(labels)
    columns = _columns(labels[voxels], ids)
    asked_for = columns >= 0
    voxels, columns = voxels[asked_for], columns[asked_for]
    order = np.argsort(columns, kind="stable")
    voxels, n_voxels = voxels[order], np.bincount(columns, minlength=ids.size)
    ends = np.concatenate([[0], np.cumsum(n_voxels)]).tolist()
    return tuple(voxels[start:end] for start, end in pairwise(ends))


def _columns(labels: IntArray, ids: IntArray) -> IntArray:
    """Column of each voxel's label among `ids`, -1 where the label is not asked for."""
    order = np.argsort(ids, kind="stable")
    sorted_ids = ids[order]
    twice = sorted_ids[1:][np.diff(sorted_ids) == 0]
    if twice.size:
        raise ValueError(f"Each label may be asked for once; {twice[0]} is asked for twice.")
    if not ids.size:
        return np.full(labels.shape, -1)
    place = np.searchsorted(sorted_ids, labels).clip(max=ids.size - 1)
    return np.where(sorted_ids[place] == labels, order[place], -1)
