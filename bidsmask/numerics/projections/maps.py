"""Columns of overlapping maps with weights, such as probabilistic atlases or ICA components.

Both ways to get at them are projections, in the sense of `bidsmask.numerics.projections.regions`.
"""

from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.projections.map_weights import MapWeights
from bidsmask.numerics.separable import AxisMatrices

COLLINEAR = 1e-12
"""Maps are collinear if the smallest eigenvalue of their products is this share of the largest."""

_MOST_IS_LOST = 1e-3

_MAPS_TRIED = 4


class MapProjection:
    """Maps on the voxels that have a weight in any of them."""

    def __init__(self, weights: MapWeights) -> None:
        if not weights.are_finite():
            raise ValueError("Maps have to be finite; make missing values 0.")
        self._weights = weights

    @property
    def support(self) -> IntArray:
        """Flat indices (x runs fastest) of the voxels that have a weight."""
        return self._weights.support

    @property
    def n_columns(self) -> int:
        """Number of maps, P."""
        return self._weights.n_maps

    def weights(self, operator: AxisMatrices | None = None, *, single: bool = False) -> MapWeights:
        """Weights of the voxels in each map; of the volumes before an operator maps them.

        They have the precision of the maps, `single` or not.
        """
        return self._weights if operator is None else self._weights.folded(operator)

    def matrix(self, n_voxels: int) -> Any:
        """Weights as a sparse array (P, V_all), of a lattice of so many voxels."""
        from scipy.sparse import csr_array, vstack

        shape = 1, n_voxels
        rows = []
        for row in self._weights.rows():
            there = np.flatnonzero(row)
            places = np.zeros(there.size, dtype=np.intp), self.support[there]
            rows.append(csr_array((row[there].astype(np.float64), places), shape=shape))
        return vstack(rows, format="csr")

    def n_folded(self, operator: AxisMatrices) -> int:
        """Estimate how many weights an operator would be folded into, from some of the maps."""
        some = np.arange(0, self.n_columns, max(1, self.n_columns // _MAPS_TRIED))
        n_weights = self._weights.chosen(some).folded(operator).n_weights
        return round(n_weights * self.n_columns / max(some.size, 1))

    def from_products(self, products: FloatArray) -> FloatArray:
        """Columns (T, P) from the products of maps and finite volumes (T, P)."""
        raise NotImplementedError

    def project(self, voxels: Array) -> FloatArray:
        """Columns (T, P), float64, of the supporting voxels (T, V)."""
        raise NotImplementedError

    def expand(self, columns: FloatArray) -> FloatArray:
        """Voxels (T, V) that columns (T, P) stand for."""
        raise NotImplementedError


class WeightedMeans(MapProjection):
    """The mean over all voxels, weighted by each map in turn.

    Parameters
    ----------
    weights : MapWeights
        Finite, not negative. A map without weight gives a column of NaN.

    Raises
    ------
    ValueError
        If there is a negative weight (a mean would then lie outside of the values), or one that
        is not finite.

    Notes
    -----
    NaN and infinite voxels are left out of their volume: the others' weights are made to sum to
    1. Unlike `MapFit`, what one map gets does not depend on the others.

    Examples
    --------
    >>> weights = MapWeights.of_matrix(np.array([[1.0, 3.0]]), np.array([0, 1]))
    >>> means = WeightedMeans(weights)
    >>> means.project(np.array([[10.0, 20.0], [np.nan, 20.0]]))
    array([[17.5],
           [20. ]])
    """

    def __init__(self, weights: MapWeights) -> None:
        super().__init__(weights)
        negative = np.flatnonzero(weights.is_negative())
        if negative.size:
            raise ValueError(
                f"Map {negative[0]} (counted from 0) has negative weights: there is no weighted "
                "mean. Fit the maps by least squares instead."
            )
        self._totals = weights.totals()

    def project(self, voxels: Array) -> FloatArray:
        """Weighted mean of the finite voxels for each map: (T, V) -> (T, P), float64."""
        finite = np.isfinite(voxels)
        if finite.all():
            return self.from_products(self._weights.products(voxels))
        sums = self._weights.products(np.where(finite, voxels, 0))
        return _quotients(sums, self._weights.products(finite))

    def from_products(self, products: FloatArray) -> FloatArray:
        """Columns (T, P) from the products of maps and finite volumes (T, P)."""
        return _quotients(products, np.broadcast_to(self._totals, products.shape))

    def expand(self, columns: FloatArray) -> FloatArray:
        """Give each voxel the mean of the maps' values, weighted by them: (T, P) -> (T, V)."""
        sums = self._weights.expanded(np.where(self._totals == 0, 0, columns))
        weights = np.broadcast_to(self._weights.totals_of_voxels(), sums.shape)
        means: FloatArray = np.zeros_like(sums)
        np.divide(sums, weights, out=means, where=weights > 0)
        return means


class MapFit(MapProjection):
    """The coefficients with which maps, added up, come closest to a volume.

    Parameters
    ----------
    weights : MapWeights
        Finite, of any sign. Voxels outside of all maps need not be there, they change nothing. A
        map of zeros gives a column of NaN.

    Raises
    ------
    ValueError
        If a map is (to `COLLINEAR`) a sum of multiples of others: there is then no telling which
        of them a volume is made of. Or if a value is not finite.

    Notes
    -----
    Ordinary least squares of all maps jointly, through the normal equations. NaN and infinite
    voxels are left out of the fit of their volume; if what is left does not determine all maps,
    that volume is NaN.

    Examples
    --------
    >>> matrix = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    >>> fit = MapFit(MapWeights.of_matrix(matrix, np.array([0, 1, 2])))
    >>> fit.project(np.array([[3.0, 8.0, 5.0]]))
    array([[3., 5.]])
    """

    def __init__(self, weights: MapWeights) -> None:
        super().__init__(weights)
        self._present = weights.are_present()
        self._gram = weights.gram()
        _refuse_collinear(self._gram_of_present(), np.flatnonzero(self._present))
        self._inverse = np.linalg.inv(self._gram_of_present())

    def project(self, voxels: Array) -> FloatArray:
        """Coefficients of the maps: (T, V) -> (T, P), float64."""
        finite = np.isfinite(voxels)
        whole = finite.all(axis=1)
        if whole.all():
            return self.from_products(self._weights.products(voxels))
        columns = np.full((voxels.shape[0], self.n_columns), np.nan)
        columns[whole] = self.from_products(self._weights.products(voxels[whole]))
        left = np.flatnonzero(~whole)
        while left.size:  # as a rule, the same voxels are missing in all volumes
            known = finite[left[0]]
            alike = (finite[left] == known).all(axis=1)
            volumes = left[alike]
            values = np.where(known, voxels[volumes], 0)
            columns[np.ix_(volumes, self._present)] = self._fit_to(values, known)
            left = left[~alike]
        return columns

    def from_products(self, products: FloatArray) -> FloatArray:
        """Columns (T, P) from the products of maps and finite volumes (T, P)."""
        columns = np.full(products.shape, np.nan)
        columns[:, self._present] = products[:, self._present] @ self._inverse
        return columns

    def expand(self, columns: FloatArray) -> FloatArray:
        """Add the maps up: (T, P) -> (T, V)."""
        return self._weights.expanded(np.where(self._present, columns, 0))

    def _gram_of_present(self) -> FloatArray:
        return self._gram[np.ix_(self._present, self._present)]

    def _fit_to(self, voxels: Array, known: BoolArray) -> FloatArray:
        """Coefficients (T, P) from voxels (T, V) of which those that are not known are 0."""
        gram = self._gram_of(known)
        if _is_collinear(gram):
            return np.full((len(voxels), len(gram)), np.nan)
        products = self._weights.products(voxels)[:, self._present]
        coefficients: FloatArray = np.linalg.solve(gram, products.T).T
        return coefficients

    def _gram_of(self, known: BoolArray) -> FloatArray:
        """Products of the maps (P, P) within the known voxels."""
        whole = self._gram_of_present()
        present = np.ix_(self._present, self._present)
        gram: FloatArray = whole - self._weights.gram(~known)[present]
        if (np.diag(gram) > _MOST_IS_LOST * np.diag(whole)).all():
            return gram
        return self._weights.gram(known)[present]  # slower, but nothing cancels


def _quotients(sums: FloatArray, weights: FloatArray) -> FloatArray:
    means: FloatArray = np.full_like(sums, np.nan)
    np.divide(sums, weights, out=means, where=weights > 0)
    return means


def _is_collinear(gram: FloatArray) -> bool:
    """Whether no unit of some sum of maps is seen in their products (P, P)."""
    if not gram.size:
        return False
    lengths = np.sqrt(np.diag(gram))
    if not lengths.all():
        return True
    eigenvalues = np.linalg.eigvalsh(gram / np.outer(lengths, lengths))
    return bool(eigenvalues[0] <= COLLINEAR * eigenvalues[-1])


def _refuse_collinear(gram: FloatArray, numbers: IntArray) -> None:
    """Name the maps of which one can be made from the others."""
    if not _is_collinear(gram):
        return
    lengths = np.sqrt(np.diag(gram))
    _, vectors = np.linalg.eigh(gram / np.outer(lengths, lengths))
    involved = numbers[np.abs(vectors[:, 0]) > 0.01]
    raise ValueError(
        f"Maps {', '.join(map(str, involved))} (counted from 0) are sums of multiples of each "
        "other: there is no telling how much of each a volume holds. Leave one out, or ask for "
        "weighted means."
    )
