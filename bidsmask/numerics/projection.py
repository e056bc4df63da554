"""From voxels to columns and back: the linear maps that a masker is made of.

A projection is built once for a lattice and applied to every block of volumes. It names the
voxels that it needs (its *support*), so that nothing else has to be taken out of a volume.
"""

from typing import Protocol

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray


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


class LabelMeans:
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
        ids = np.asarray(ids)
        column_of_voxel = _columns(np.asarray(labels_flat), ids)
        labelled = np.flatnonzero(column_of_voxel >= 0)
        order = np.argsort(column_of_voxel[labelled], kind="stable")
        self.support: IntArray = labelled[order]
        self.n_voxels: IntArray = np.bincount(column_of_voxel[labelled], minlength=ids.size)
        self._column_of_support = column_of_voxel[self.support]
        self._present = np.flatnonzero(self.n_voxels)
        self._starts = np.cumsum(self.n_voxels)[self._present] - self.n_voxels[self._present]

    @property
    def n_columns(self) -> int:
        """Number of labels asked for, P."""
        return int(self.n_voxels.size)

    def project(self, voxels: Array) -> FloatArray:
        """Mean over the finite voxels of each label.

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

    def expand(self, columns: FloatArray) -> FloatArray:
        """Give each supporting voxel the value of its label: (T, P) -> (T, V)."""
        return np.take(columns, self._column_of_support, axis=1)

    def _means(self, voxels: Array) -> FloatArray:
        with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, seen to below
            sums = self._sums(voxels)
        means: FloatArray = sums / self.n_voxels[self._present]
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
        sums: FloatArray = np.add.reduceat(voxels, self._starts, axis=1, dtype=np.float64)
        return sums


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
