"""Weights of voxels in maps, of which most are zero where maps are of one place.

The lattice is cut into cubes, and for each cube those maps are held that have a weight in it: a
full matrix, which is multiplied at full speed. Maps that are everywhere are in every cube, and
nothing is lost.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.numerics.projections.folding import NEGLIGIBLE
from bidsmask.numerics.separable import AxisMatrices, Box, box_shape, range_of

_EDGE = 8
"""Voxels along an edge of a cube: smaller ones hold fewer zeros, but are more to go through."""

_STRETCH = 1 << 12
"""Voxels held together of which nobody said where they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cube:
    """Some voxels, and the maps that have a weight in any of them.

    Parameters
    ----------
    maps : int array of shape (k,)
    voxels : int array of shape (n,)
        Flat indices, x running fastest.
    weights : array of shape (k, n)
        In C order: the last digit of a product depends on the order in memory, and weights that
        were saved come back in that one.
    """

    maps: IntArray
    voxels: IntArray
    weights: FloatArray


class MapWeights:
    """Weights of V voxels in P maps. Use one of the class methods to make some.

    Attributes
    ----------
    n_maps : int
        P.
    support : int array of shape (V,)
        Flat indices (x runs fastest) of the voxels, those next to each other side by side.
    dtype : numpy.dtype

    Examples
    --------
    >>> weights = MapWeights.of_matrix(np.array([[1.0, 3.0]]), np.array([0, 1]))
    >>> weights.products(np.array([[10, 20]]))
    array([[70.]])
    """

    def __init__(self, cubes: list[_Cube], n_maps: int, dtype: Any) -> None:
        self.n_maps = n_maps
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.support: IntArray = np.concatenate([np.zeros(0, np.intp), *(c.voxels for c in cubes)])
        self._cubes = cubes

    @classmethod
    def of_matrix(cls, matrix: Array, support: IntArray) -> Self:
        """Take a weight for each voxel in each map.

        Parameters
        ----------
        matrix : array of shape (P, V)
            float32 stays, which takes half the space; all else becomes float64.
        support : int array of shape (V,)
            Flat indices of the voxels. They keep their order.
        """
        weights = matrix if matrix.dtype == np.float32 else matrix.astype(np.float64)
        cubes = []
        for start in range(0, support.size, _STRETCH):
            some = weights[:, start : start + _STRETCH]
            maps = np.flatnonzero(some.any(axis=1))
            voxels = support[start : start + _STRETCH]
            cubes.append(_Cube(maps=maps, voxels=voxels, weights=some[maps]))
        return cls(cubes, len(matrix), weights.dtype)

    @classmethod
    def of_boxes(
        cls, maps: Iterable[tuple[Box, Array]], shape: tuple[int, int, int], dtype: Any
    ) -> Self:
        """Take one map after the other.

        Parameters
        ----------
        maps : iterable of (box, weights)
            Part of a lattice outside of which a map is 0, and its weights there, (Z, Y, X).
        shape : three ints
            Of the lattice.
        dtype : dtype
            Of the weights that are kept.
        """
        found: dict[int, list[tuple[int, FloatArray]]] = defaultdict(list)
        n_cubes = tuple(-(-size // _EDGE) for size in shape)
        n_maps = 0
        for number, (box, weights) in enumerate(maps):
            n_maps = number + 1
            for cube, inside in _cut_into_cubes(box, weights, n_cubes, dtype):
                found[cube].append((number, inside))
        cubes = [_cube_of(found.pop(cube), cube, n_cubes, shape) for cube in sorted(found)]
        return cls(cubes, n_maps, dtype)

    def arrays(self) -> dict[str, Array]:
        """Give all that there is as plain arrays; `from_arrays` takes them."""
        empty = np.zeros(0, dtype=np.intp)
        return {
            "n_maps": np.array(self.n_maps),
            "maps": np.concatenate([empty, *(cube.maps for cube in self._cubes)]),
            "voxels": self.support,
            "weights": np.concatenate(
                [np.zeros(0, self.dtype), *(cube.weights.ravel() for cube in self._cubes)]
            ),
            "sizes": np.array([cube.weights.shape for cube in self._cubes]).reshape(-1, 2),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Make the weights again of what `arrays` gave."""
        n_maps, n_voxels = arrays["sizes"].T
        starts = (np.cumsum(sizes) - sizes for sizes in (n_maps, n_voxels, n_maps * n_voxels))
        cubes = [
            _Cube(
                maps=arrays["maps"][first : first + k],
                voxels=arrays["voxels"][start : start + n],
                weights=arrays["weights"][place : place + k * n].reshape(k, n),
            )
            for k, n, first, start, place in zip(n_maps, n_voxels, *starts, strict=True)
        ]
        return cls(cubes, int(arrays["n_maps"]), arrays["weights"].dtype)

    # As a matrix

    def rows(self) -> Iterator[FloatArray]:
        """Go through the maps, each of shape (V,)."""
        for number in range(self.n_maps):
            yield self.row(number)

    def row(self, number: int) -> FloatArray:
        """Weights (V,) of one map."""
        row: FloatArray = np.zeros(self.support.size, dtype=self.dtype)
        for some, cube in self._side_by_side():
            place = np.searchsorted(cube.maps, number)
            if place < cube.maps.size and cube.maps[place] == number:
                row[some] = cube.weights[place]
        return row

    def within(self, mask: BoolArray) -> Self:
        """Keep the voxels inside a mask of the lattice, (V_all,) and flat with x fastest."""
        cubes = []
        for cube in self._cubes:
            inside = mask[cube.voxels]
            weights = np.compress(inside, cube.weights, axis=1)  # row by row: see `_Cube`
            shown = weights.any(axis=1)
            cubes.append(
                _Cube(maps=cube.maps[shown], voxels=cube.voxels[inside], weights=weights[shown])
            )
        return type(self)(cubes, self.n_maps, self.dtype)

    def chosen(self, numbers: IntArray) -> Self:
        """Keep some of the maps, in ascending order; the voxels stay."""
        if len(numbers) == self.n_maps:
            return self
        renumbered = np.full(self.n_maps, -1)
        renumbered[numbers] = np.arange(len(numbers))
        cubes = []
        for cube in self._cubes:
            kept = renumbered[cube.maps] >= 0
            weights = cube.weights if kept.all() else cube.weights[kept]
            maps = renumbered[cube.maps[kept]]
            cubes.append(_Cube(maps=maps, voxels=cube.voxels, weights=weights))
        return type(self)(cubes, len(numbers), self.dtype)

    # What they are like

    def are_finite(self) -> bool:
        """Whether all are numbers."""
        return all(np.isfinite(cube.weights).all() for cube in self._cubes)

    @property
    def n_weights(self) -> int:
        """Weights that are held, zeros among them."""
        return sum(cube.weights.size for cube in self._cubes)

    def are_present(self) -> BoolArray:
        """Whether a map has a weight anywhere: (P,)."""
        present = np.zeros(self.n_maps, dtype=bool)
        for cube in self._cubes:
            present[cube.maps] = True
        return present

    def is_negative(self) -> BoolArray:
        """Whether a map has a negative weight: (P,)."""
        return self._of_maps(lambda weights: (weights < 0).any(axis=1)) > 0

    def sizes(self, among: BoolArray | None = None) -> IntArray:
        """Voxels in which each map, (P,), has a weight, among some of the voxels (V,) or all."""
        sizes = self._of_maps(lambda weights: np.count_nonzero(weights, axis=1), among)
        return sizes.astype(np.intp)

    def squares(self, among: BoolArray | None = None) -> FloatArray:
        """Sum of the squared weights of each map, (P,), among some of the voxels (V,) or all."""
        return self._of_maps(
            lambda weights: np.square(weights, dtype=np.float64).sum(axis=1), among
        )

    def centroids(self, places: FloatArray, among: BoolArray) -> FloatArray:
        """Mean of the places (V, 3) of some of the voxels (V,), by squared weight: (P, 3).

        NaN of a map that has no weight among them, or one at a place that is NaN.
        """
        unknown = np.isnan(places).any(axis=1)
        with_counts = np.column_stack([np.nan_to_num(places), np.ones(len(places)), unknown])
        sums = np.zeros((self.n_maps, 5))
        for some, cube in self._side_by_side():
            squares = np.square(cube.weights, dtype=np.float64) * among[some]
            sums[cube.maps] += squares @ with_counts[some]
        usable = (sums[:, 3] > 0) & (sums[:, 4] == 0)
        centroids: FloatArray = sums[:, :3] / np.where(usable, sums[:, 3], np.nan)[:, np.newaxis]
        return centroids

    def n_maps_of_voxels(self, least: float) -> IntArray:
        """Maps in which each voxel, (V,), has a weight that is further from 0 than that."""
        counts = [np.count_nonzero(np.abs(c.weights) > least, axis=0) for c in self._cubes]
        return np.concatenate([np.zeros(0, np.intp), *counts])

    def totals(self) -> FloatArray:
        """Sum of the weights of each map, (P,), float64."""
        return self._of_maps(lambda weights: weights.sum(axis=1, dtype=np.float64))

    def totals_of_voxels(self) -> FloatArray:
        """Sum of the weights of each voxel, (V,), float64."""
        sums = [cube.weights.sum(axis=0, dtype=np.float64) for cube in self._cubes]
        return np.concatenate([np.zeros(0), *sums])

    # Products

    def products(self, voxels: Array) -> FloatArray:
        """Weighted sums (n, P) of voxels (n, V) in double precision."""
        sums = np.zeros((self.n_maps, len(voxels)))
        for some, cube in self._side_by_side():
            sums[cube.maps] += cube.weights.astype(np.float64) @ voxels[:, some].T.astype(
                np.float64
            )
        return sums.T

    def changes(self, voxels: Array, first: FloatArray) -> FloatArray:
        """Weighted sums (n, P) of what voxels (n, V) differ by from others (1, V).

        Cubes in single precision, which are then added up in double precision: maps that resemble
        each other amplify what is lost.
        """
        sums = np.zeros((self.n_maps, len(voxels)))
        for some, cube in self._side_by_side():
            change = np.subtract(voxels[:, some], first[:, some], dtype=np.float32)
            sums[cube.maps] += cube.weights.astype(np.float32, copy=False) @ change.T
        return sums.T

    def gram(self, among: BoolArray | None = None) -> FloatArray:
        """Products (P, P) of each two maps, float64, among some of the voxels (V,) or all."""
        gram = np.zeros((self.n_maps, self.n_maps))
        for some, cube in self._side_by_side():
            weights = cube.weights if among is None else cube.weights[:, among[some]]
            exact = weights.astype(np.float64)
            gram[np.ix_(cube.maps, cube.maps)] += exact @ exact.T  # symmetric: half the work
        return gram

    def expanded(self, columns: FloatArray) -> FloatArray:
        """Voxels (T, V), the sums of their weights times columns (T, P)."""
        voxels = np.zeros((len(columns), self.support.size), np.result_type(columns, self.dtype))
        for some, cube in self._side_by_side():
            np.matmul(columns[:, cube.maps], cube.weights, out=voxels[:, some])
        return voxels

    def folded(self, operator: AxisMatrices) -> Self:
        """Products with mapped volumes, as weights on the volumes before.

        Parameters
        ----------
        operator : AxisMatrices
            What is done to volumes before they are multiplied; its target is the lattice of
            these weights.

        Returns
        -------
        weights : MapWeights
            On the source of the operator, of the same type.
        """
        adjoint = operator.without(NEGLIGIBLE[self.dtype == np.float32]).adjoint
        maps = (mapped_box(adjoint, row) for row in self.volumes(operator.target_shape))
        return self.of_boxes(maps, operator.source_shape, self.dtype)

    def volumes(self, shape: tuple[int, int, int]) -> Iterator[FloatArray]:
        """Go through the maps on the whole of their lattice, (V_all,) and flat with x fastest."""
        for row in self.rows():
            whole = np.zeros(int(np.prod(shape)), dtype=self.dtype)
            whole[self.support] = row
            yield whole

    def _side_by_side(self) -> Iterator[tuple[slice, _Cube]]:
        """Go through the cubes, with the place of their voxels in the support."""
        start = 0
        for cube in self._cubes:
            some = slice(start, start + cube.voxels.size)
            start = some.stop
            yield some, cube

    def _of_maps(self, count: Any, among: BoolArray | None = None) -> FloatArray:
        """Add up, over cubes, what each map (k, n) -> (k,) has there: (P,)."""
        total = np.zeros(self.n_maps)
        for some, cube in self._side_by_side():
            weights = cube.weights if among is None else cube.weights[:, among[some]]
            total[cube.maps] += count(weights)
        return total


def mapped_box(operator: AxisMatrices, volume: Array) -> tuple[Box, FloatArray]:
    """Map a volume, most of which is 0, and say where it may be something else then.

    Parameters
    ----------
    operator : AxisMatrices
    volume : array of shape (V_all,)
        On the source of the operator, flat with x running fastest. NaN and infinite values are 0.

    Returns
    -------
    box : Box
        On the target of the operator.
    values : float64 array of shape (Z, Y, X)
        In that box.
    """
    source, values = shown_box(volume, operator.source_shape)
    from_there = operator.to(source=source)
    target = from_there.adjoint.reach()
    near = from_there.to(target=target)
    mapped = near(values.reshape(1, -1).astype(np.float64))
    return target, mapped.reshape(box_shape(target)[::-1])


def shown_box(volume: Array, shape: tuple[int, int, int]) -> tuple[Box, Array]:
    """Cut a volume, (V_all,) and flat with x running fastest, down to what is not 0.

    Returns
    -------
    box : Box
    values : array of shape (Z, Y, X)
        In that box; NaN and infinite values are 0.
    """
    planes = volume.reshape(shape[::-1])
    z = range_of((planes != 0).any(axis=(1, 2)))
    side = (planes[z] != 0).any(axis=0)
    y, x = range_of(side.any(axis=1)), range_of(side.any(axis=0))
    values = planes[z, y, x]
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        values = np.where(finite, values, 0)
    return (x, y, z), values


def strongest_maps(
    maps: Iterable[FloatArray], shape: tuple[int, ...]
) -> tuple[IntArray, FloatArray]:
    """Say which map is strongest in each voxel, compared as shares of their largest weights.

    Parameters
    ----------
    maps : P arrays of that shape
        A map without a weight is nowhere strongest; the sign of a weight does not matter.
    shape : tuple of int

    Returns
    -------
    number : int array
        1 to P; 0 where no map has a weight.
    strength : array
        Its share, 0 to 1.

    Examples
    --------
    >>> strongest_maps(np.array([[4.0, 1.0, 0.0], [0.0, 0.5, 0.0]]), (3,))
    (array([1, 2, 0], dtype=int32), array([1., 1., 0.]))
    """
    number, strength = np.zeros(shape, dtype=np.int32), np.zeros(shape)
    for count, weights in enumerate(maps, start=1):
        sizes = np.abs(weights)
        largest = sizes.max(initial=0)
        more = sizes > strength * largest
        number[more], strength[more] = count, sizes[more] / largest
    return number, strength


def _cut_into_cubes(
    box: Box, weights: Array, n_cubes: tuple[int, ...], dtype: Any
) -> Iterator[tuple[int, FloatArray]]:
    """Cut the weights (Z, Y, X) of a map in a box: number and weights of each cube with any."""
    first = [part.start // _EDGE for part in box]
    counts = [-(-part.stop // _EDGE) - start for part, start in zip(box, first, strict=True)]
    x, y, z = (
        slice(part.start - _EDGE * start, part.stop - _EDGE * start)
        for part, start in zip(box, first, strict=True)
    )
    whole = np.zeros([_EDGE * count for count in reversed(counts)], dtype=dtype)
    whole[z, y, x] = weights
    n_x, n_y, n_z = counts
    parts = whole.reshape(n_z, _EDGE, n_y, _EDGE, n_x, _EDGE).transpose(0, 2, 4, 1, 3, 5)
    cubes = parts.reshape(-1, _EDGE**3)
    shown = np.flatnonzero(cubes.any(axis=1))
    places = np.unravel_index(shown, (n_x, n_y, n_z), order="F")
    numbers = np.ravel_multi_index(
        [start + place for start, place in zip(first, places, strict=True)], n_cubes, order="F"
    )
    return zip(numbers.tolist(), cubes[shown], strict=True)


def _cube_of(
    found: list[tuple[int, FloatArray]],
    number: int,
    n_cubes: tuple[int, ...],
    shape: tuple[int, int, int],
) -> _Cube:
    """Put the weights of several maps in a cube side by side, without voxels that have none."""
    weights = np.stack([inside for _, inside in found])
    used = np.flatnonzero(weights.any(axis=0))
    corner = np.unravel_index(number, n_cubes, order="F")
    places = np.unravel_index(used, (_EDGE,) * 3, order="F")
    voxels = [start * _EDGE + place for start, place in zip(corner, places, strict=True)]
    return _Cube(
        maps=np.array([name for name, _ in found]),
        voxels=np.ravel_multi_index(voxels, shape, order="F"),
        weights=np.take(weights, used, axis=1),
    )
