"""Where the values of an image on surfaces lie: vertices of meshes and voxels, as a value."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid

LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"
HEMISPHERES: Mapping[str, str] = {"left": LEFT, "right": RIGHT}
"""Structures as CIFTI names them, by what nilearn calls the parts of a mesh."""

HEMI: Mapping[str, str] = {LEFT: "L", RIGHT: "R"}
"""Labels of ``hemi`` in BIDS, by structure."""

MOST_PLACES = 1 << 26
"""No mesh, and no lattice of grayordinates, has more places; a file that claims more is broken."""

SAME_PLACE_MM = 0.01
"""As of `bidsmask.numerics.affine.same_grid`."""

_SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)")
_FSAVERAGE = re.compile(r"fsaverage[3-6]?")


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """Some places of one structure of the brain, in the order of the values.

    Parameters
    ----------
    name : str
        As CIFTI has it, without its prefix: "CORTEX_LEFT", "THALAMUS_RIGHT".
    places : int array of shape (n,) or (n, 3)
        Numbers of vertices of the structure's mesh; or indices i, j, k of voxels.
    n_vertices : int or None
        Vertices of the whole mesh; None for voxels.

    Raises
    ------
    ValueError
        If a place is there twice, or a vertex is none of the mesh.
    """

    name: str
    places: IntArray
    n_vertices: int | None = None

    def __post_init__(self) -> None:
        shape = (len(self.places),) if self.is_surface else (len(self.places), 3)
        if self.places.shape != shape:
            raise ValueError(f"The places of {self.name} have the shape {self.places.shape}.")
        if self.n_vertices is not None and self.n_vertices > MOST_PLACES:
            raise ValueError(
                f"{self.name} claims {self.n_vertices} vertices; no mesh has as many."
            )
        if self.n_vertices is not None and len(self.places):
            low, high = self.places.min(), self.places.max()
            if low < 0 or high >= self.n_vertices:
                raise ValueError(
                    f"{self.name} has {self.n_vertices} vertices, counted from 0, and none that "
                    f"is called {low if low < 0 else high}."
                )
            _refuse_twice(self.name, self.places)

    def __reduce__(self) -> Any:
        """Be pickled small: nipype compresses all that a node holds, and takes its time."""
        steps = np.diff(self.places, axis=0, prepend=np.zeros_like(self.places[:1]))
        packed = zlib.compress(steps.T.astype(np.int32).tobytes(), level=1)
        return _unpacked, (self.name, packed, self.places.shape, self.n_vertices)

    @property
    def is_surface(self) -> bool:
        """Whether its places are vertices, not voxels."""
        return self.n_vertices is not None


@dataclass(frozen=True, kw_only=True, eq=False)
class Grayordinates:
    """Vertices of surfaces, and voxels, that the values of an image belong to, in their order.

    The word is CIFTI's; a pair of GIFTI files is the case without voxels. Two of them are equal if
    they have the same places in the same order: a vertex is known by its structure and number, a
    voxel by where it lies (so that copies with x to the left and to the right are the same). How
    many there are says nothing: fsLR and fsaverage have meshes of the same size. So where both
    say in which space their meshes are, that has to be the same.

    To columns, this is a lattice like a `Grid`: flat indices count the places.

    Parameters
    ----------
    structures : Structures
        Each name once.
    volume : Grid or None
        The lattice of the voxels.
    space : str or None
        Of the meshes: "fsLR", "fsaverage" (also where it is written fsaverage5); None: not known.
    mm : float array of shape (n, 3) or None
        Where the places are, as meshes have it (see `bidsmask.images.meshes.places_on`); NaN:
        not known. None: no mesh was asked, and of voxels alone it is known. No part of what they
        are compared by.

    Raises
    ------
    ValueError
        If a structure is there twice, or voxels have no lattice or lie beyond it.

    Examples
    --------
    >>> left = Structure(name="CORTEX_LEFT", places=np.array([0, 2]), n_vertices=4)
    >>> Grayordinates(structures=(left,), space="fsLR")
    Grayordinates(2 of 4 vertices of CORTEX_LEFT, in fsLR)
    """

    structures: tuple[Structure, ...]
    volume: Grid | None = None
    space: str | None = None
    mm: FloatArray | None = None

    def __post_init__(self) -> None:
        names = [each.name for each in self.structures]
        if len(set(names)) < len(names):
            raise ValueError(f"A structure is there twice: {', '.join(names)}.")
        for each in self.structures:
            if not each.is_surface:
                self._check_voxels(each)
        object.__setattr__(self, "space", common_name(self.space))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grayordinates):
            return NotImplemented
        if self is other:
            return True
        return (
            not _differ(self.space, other.space)
            and len(self.structures) == len(other.structures)
            and all(map(_same_place, self._placed(), other._placed()))
        )

    def __repr__(self) -> str:
        parts = [
            f"{len(each.places)} voxels of {each.name}"
            if each.n_vertices is None
            else f"{len(each.places)} of {each.n_vertices} vertices of {each.name}"
            for each in self.structures
        ]
        shown = parts if len(parts) <= 3 else [*parts[:2], f"{len(parts) - 2} more structures"]
        space = "" if self.space is None else f", in {self.space}"
        return f"Grayordinates({', '.join(shown)}{space})"

    @property
    def n_voxels(self) -> int:
        """Number of places, be they voxels or vertices: what a `Grid` calls its voxels."""
        return sum(len(each.places) for each in self.structures)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, 1, 1): one line of places, where a grid has three axes."""
        return self.n_voxels, 1, 1

    @cached_property
    def identity(self) -> dict[str, object]:
        """What tells it apart, as plain values by name: structures, and a sum of all places."""
        structures = {each.name: len(each.places) for each in self.structures}
        content = hashlib.sha256()
        for name, values in self.arrays().items():
            content.update(name.encode() + np.ascontiguousarray(values).tobytes())
        return {
            "structures": ", ".join(f"{name} {count}" for name, count in structures.items()),
            "places": content.hexdigest(),
        }

    @property
    def word(self) -> str:
        """What its places are: "vertices", "voxels", or "grayordinates" if there are both."""
        kinds = {each.is_surface for each in self.structures}
        return {frozenset({True}): "vertices", frozenset({False}): "voxels"}.get(
            frozenset(kinds), "grayordinates"
        )

    def word_of(self, points: IntArray) -> str:
        """What some of its places (flat indices) are; see `word`.

        Examples
        --------
        >>> whole_meshes({"CORTEX_LEFT": 4}).word_of(np.array([3]))
        'vertices'
        """
        ends = np.cumsum([len(each.places) for each in self.structures])
        held = np.flatnonzero(np.bincount(np.searchsorted(ends, points, side="right")))
        return replace(self, structures=tuple(self.structures[each] for each in held)).word

    def places_mm(self, numbers: IntArray) -> FloatArray:
        """Where places (n,) lie in the world, (n, 3); NaN of those of which it is not known."""
        if self.mm is not None:
            return self.mm[numbers]
        places = np.full((self.n_voxels, 3), np.nan)
        for each in self.structures:
            if not each.is_surface:
                places[self.where(each.name)] = self._mm(each)
        return places[numbers]

    def where(self, name: str) -> slice | None:
        """Flat indices of a structure; None if it is not there."""
        start = 0
        for each in self.structures:
            if each.name == name:
                return slice(start, start + len(each.places))
            start += len(each.places)
        return None

    @property
    def meshes(self) -> dict[str, int]:
        """How many vertices the mesh of each structure has that is a surface."""
        return {
            each.name: each.n_vertices for each in self.structures if each.n_vertices is not None
        }

    def first_vertices(self, meshes: Mapping[str, int]) -> tuple[Grayordinates, IntArray]:
        """Take the places that coarser meshes have, whose vertices are the first of the finer.

        So it is with fsaverage: in a finer mesh, each triangle of the coarser one is divided into
        four, and the new vertices come after the old ones.

        Parameters
        ----------
        meshes : mapping of str to int
            How many vertices the mesh of a structure is to have. Where its own is not a division
            of one with as many, it stays as it is.

        Returns
        -------
        coarser : Grayordinates
        kept : int array of shape (n,)
            Their flat indices here.

        Examples
        --------
        >>> fsaverage = whole_meshes({"CORTEX_LEFT": 163842}, "fsaverage")
        >>> fsaverage.first_vertices({"CORTEX_LEFT": 10242})[0]
        Grayordinates(10242 of 10242 vertices of CORTEX_LEFT, in fsaverage)
        """
        structures, kept, start = [], [np.zeros(0, dtype=np.intp)], 0
        for each in self.structures:
            wanted, inside = meshes.get(each.name), np.ones(len(each.places), dtype=bool)
            if wanted is not None and divides(wanted, each.n_vertices):
                inside = each.places < wanted
                each = replace(each, places=each.places[inside], n_vertices=wanted)
            structures.append(each)
            kept.append(start + np.flatnonzero(inside))
            start += len(inside)
        chosen = np.concatenate(kept)
        mm = None if self.mm is None else self.mm[chosen]
        return replace(self, structures=tuple(structures), mm=mm), chosen

    def in_space(self, space: str | None) -> Grayordinates:
        """Give the same places, of which it is known now in which space their meshes are.

        Raises
        ------
        SpaceError
            If it has been known already, and was another one.
        """
        if _differ(self.space, space):
            raise SpaceError(f"The meshes are in {self.space}, and not in {space}.")
        return self if space is None else replace(self, space=space)

    def positions_in(self, other: Grayordinates) -> IntArray:
        """Find each place among those of others.

        Parameters
        ----------
        other : Grayordinates

        Returns
        -------
        positions : int array of shape (n,)
            Flat indices; -1 for a place that the others have not.

        Raises
        ------
        SpaceError
            If meshes are of different spaces or have different numbers of vertices, or the voxels
            are of lattices that do not coincide.

        Examples
        --------
        >>> some = Structure(name="CORTEX_LEFT", places=np.array([3, 0]), n_vertices=4)
        >>> all = Structure(name="CORTEX_LEFT", places=np.arange(4), n_vertices=4)
        >>> there = Grayordinates(structures=(all,))
        >>> Grayordinates(structures=(some,)).positions_in(there)
        array([3, 0])
        """
        self._refuse_other_space(other)
        if self == other:
            return np.arange(self.n_voxels)
        voxels = other._voxel_numbers() if other.volume is not None else None
        found: list[Array] = [np.zeros(0, dtype=np.intp)]
        for each in self.structures:
            if each.is_surface:
                found.append(_vertices_in(each, other))
            elif voxels is None or self.volume is None:
                found.append(np.full(len(each.places), -1))
            else:
                found.append(_voxels_in(each, self.volume, other.volume, voxels))
        return np.concatenate(found)

    def on_meshes(self, values: Array, nothing: float) -> dict[str, Array]:
        """Spread values over the whole meshes of its surfaces.

        Parameters
        ----------
        values : array of shape (n,)
            Of its places, in their order.
        nothing : float
            Value of a vertex that is none of them.

        Returns
        -------
        spread : dict from structure to array of shape (V,)
            Of each structure that is a surface, as many as its mesh has vertices.

        Examples
        --------
        >>> left = Structure(name="CORTEX_LEFT", places=np.array([2, 0]), n_vertices=4)
        >>> Grayordinates(structures=(left,)).on_meshes(np.array([7, 5]), nothing=-1)
        {'CORTEX_LEFT': array([ 5, -1,  7, -1])}
        """
        spread = {}
        for each in self.structures:
            if each.n_vertices is not None:
                spread[each.name] = np.full(each.n_vertices, nothing, dtype=values.dtype)
                spread[each.name][each.places] = values[self.where(each.name)]
        return spread

    def arrays(self) -> dict[str, Array]:
        """Give all that it consists of, as arrays; `from_arrays` takes them."""
        surfaces = [each for each in self.structures if each.is_surface]
        voxels = [each for each in self.structures if not each.is_surface]
        given = {
            "structures": np.array([each.name for each in self.structures]),
            "n_places": np.array([len(each.places) for each in self.structures]),
            "n_vertices": np.array([each.n_vertices or 0 for each in self.structures]),
            "vertices": np.concatenate([np.zeros(0, np.intp), *(s.places for s in surfaces)]),
            "ijk": np.concatenate([np.zeros((0, 3), np.intp), *(s.places for s in voxels)]),
            "space": np.array(self.space or ""),
        }
        if self.volume is not None:
            given |= self.volume.arrays()
        return given if self.mm is None else given | {"mm": self.mm}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Make it again of what `arrays` gave."""
        vertices, ijk = arrays["vertices"], arrays["ijk"]
        structures = []
        for name, n_places, n_vertices in zip(
            arrays["structures"], arrays["n_places"], arrays["n_vertices"], strict=True
        ):
            if n_vertices:
                places, vertices = vertices[:n_places], vertices[n_places:]
            else:
                places, ijk = ijk[:n_places], ijk[n_places:]
            structures.append(
                Structure(name=str(name), places=places, n_vertices=int(n_vertices) or None)
            )
        volume = Grid.from_arrays(arrays) if "shape" in arrays else None
        return cls(
            structures=tuple(structures),
            volume=volume,
            space=str(arrays["space"]) or None,
            mm=arrays.get("mm"),
        )

    def _check_voxels(self, structure: Structure) -> None:
        if self.volume is None:
            raise ValueError(f"{structure.name} has voxels, but there is no lattice of them.")
        if self.volume.n_voxels > MOST_PLACES:
            raise ValueError(f"No lattice is as large as {self.volume}.")
        beyond = (structure.places < 0) | (structure.places >= self.volume.shape)
        if beyond.any():
            raise ValueError(f"{structure.name} has voxels beyond its lattice {self.volume}.")
        flat = np.ravel_multi_index(tuple(structure.places.T), self.volume.shape)
        _refuse_twice(structure.name, flat)

    def _refuse_other_space(self, other: Grayordinates) -> None:
        if _differ(self.space, other.space):
            raise SpaceError(
                f"One lies on meshes of {self.space}, the other on meshes of {other.space}. The "
                "number of vertices does not tell them apart; take files of one space."
            )
        ours = self.meshes
        for name, n_vertices in other.meshes.items():
            if ours.get(name, n_vertices) != n_vertices:
                raise SpaceError(
                    f"{name} has {ours[name]} vertices in one and {n_vertices} in "
                    "the other: their meshes differ in density. Take a file of the same density "
                    "(nothing is resampled from one mesh to another)."
                )

    def _placed(self) -> list[tuple[Structure, Array]]:
        """Structures, and where their places are: numbers of vertices, or mm."""
        return [
            (each, each.places if self.volume is None or each.is_surface else self._mm(each))
            for each in self.structures
        ]

    def _mm(self, structure: Structure) -> FloatArray:
        assert self.volume is not None
        return _moved(structure.places, self.volume.affine)

    def _voxel_numbers(self) -> IntArray:
        """Flat index of each voxel (X, Y, Z) of the lattice; -1 where there is none."""
        assert self.volume is not None
        numbers = np.full(self.volume.shape, -1)
        for each in self.structures:
            where = self.where(each.name)
            if not each.is_surface and where is not None:
                numbers[tuple(each.places.T)] = np.arange(where.start, where.stop)
        return numbers


def _unpacked(
    name: str, packed: bytes, shape: tuple[int, ...], n_vertices: int | None
) -> Structure:
    """Make a structure again of what it was pickled as."""
    steps = np.frombuffer(zlib.decompress(packed), dtype=np.int32).reshape(shape[::-1])
    places = np.cumsum(steps.T, axis=0, dtype=np.intp)
    return Structure(name=name, places=places, n_vertices=n_vertices)


Lattice = Any
"""`Grid` or `Grayordinates`: a shape of three axes, and flat indices. Who needs mm asks a Grid."""


def lattice_of(arrays: Mapping[str, Array]) -> Lattice:
    """Make the lattice again of which these are the `arrays`."""
    return (Grayordinates if "structures" in arrays else Grid).from_arrays(arrays)


def whole_meshes(n_vertices: Mapping[str, int], space: str | None = None) -> Grayordinates:
    """Give all vertices of meshes, by the structure: those of a pair of GIFTI files.

    Examples
    --------
    >>> whole_meshes({"CORTEX_LEFT": 10242}, "fsaverage5")
    Grayordinates(10242 of 10242 vertices of CORTEX_LEFT, in fsaverage)
    """
    return Grayordinates(
        structures=tuple(
            Structure(name=name, places=np.arange(count), n_vertices=count)
            for name, count in n_vertices.items()
        ),
        space=space,
    )


def space_in_name(paths: Sequence[Path | str]) -> str | None:
    """Read the space off the names of files, as BIDS has it; None if they do not say.

    Examples
    --------
    >>> space_in_name(["sub-1_hemi-L_space-fsaverage5_bold.func.gii"])
    'fsaverage5'
    """
    found = [match.group(1) for path in paths if (match := _SPACE.search(Path(path).name))]
    return found[0] if found else None


def _refuse_twice(name: str, numbers: IntArray) -> None:
    if numbers.size and np.bincount(numbers).max() > 1:
        raise ValueError(f"A place of {name} is there twice.")


def common_name(space: str | None) -> str | None:
    """Call all densities of fsaverage alike: the number of vertices tells them apart.

    Examples
    --------
    >>> common_name("fsaverage5"), common_name("fsLR")
    ('fsaverage', 'fsLR')
    """
    return "fsaverage" if space and _FSAVERAGE.fullmatch(space) else space


def divides(coarser: int, finer: int | None) -> bool:
    """Whether dividing triangles into four leads from one mesh of a sphere to the other.

    Examples
    --------
    >>> divides(10242, 163842), divides(32492, 163842), divides(10242, 10242)
    (True, False, True)
    """
    n_vertices = coarser
    while finer is not None and n_vertices < finer:
        n_vertices = 4 * n_vertices - 6  # one more on each of 3 (V - 2) edges
    return n_vertices == finer


def _differ(one: str | None, other: str | None) -> bool:
    names = common_name(one), common_name(other)
    return None not in names and names[0] != names[1]


def _same_place(one: tuple[Structure, Array], other: tuple[Structure, Array]) -> bool:
    (mine, here), (theirs, there) = one, other
    return (
        (mine.name, mine.n_vertices) == (theirs.name, theirs.n_vertices)
        and here.shape == there.shape
        and bool(np.allclose(here, there, rtol=0, atol=SAME_PLACE_MM))
    )


def _vertices_in(structure: Structure, other: Grayordinates) -> IntArray:
    where = other.where(structure.name)
    assert structure.n_vertices is not None
    numbers = np.full(structure.n_vertices, -1)
    if where is not None:
        theirs = next(each for each in other.structures if each.name == structure.name)
        if theirs.is_surface:
            numbers[theirs.places] = np.arange(where.start, where.stop)
    found: IntArray = numbers[structure.places]
    return found


def _voxels_in(
    structure: Structure, volume: Grid, other: Grid | None, numbers: IntArray
) -> IntArray:
    """Find voxels of one lattice among those (X, Y, Z) of another one by where they lie."""
    assert other is not None
    ijk = _moved(structure.places, np.linalg.inv(other.affine) @ volume.affine)
    nearest = np.rint(ijk).astype(np.intp)
    away = np.abs(_moved(ijk - nearest, _turning(other)))
    if (away > SAME_PLACE_MM).any():
        raise SpaceError(
            f"The voxels of {structure.name} lie on lattices that do not coincide: {volume} and "
            f"{other}. Bring one of them onto the lattice of the other."
        )
    inside = ((nearest >= 0) & (nearest < numbers.shape)).all(axis=1)
    found = np.full(len(nearest), -1)
    found[inside] = numbers[tuple(nearest[inside].T)]
    return found


def _turning(grid: Grid) -> FloatArray:
    """Affine of a lattice without its offset."""
    turning = np.array(grid.affine)
    turning[:3, 3] = 0
    return turning


def _moved(places: Array, affine: FloatArray) -> FloatArray:
    moved: FloatArray = places @ affine[:3, :3].T + affine[:3, 3]
    return moved
