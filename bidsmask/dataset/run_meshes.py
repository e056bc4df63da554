"""Files about the meshes that a run lies on: where it is, and what else was asked for takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bidsmask.dataset.atlases import sha256_of
from bidsmask.dataset.meshes import (
    KINDS_IN_PLACE,
    KINDS_OF_NEIGHBOURS,
    Shelves,
    find_areas,
    find_meshes,
)
from bidsmask.errors import ImageError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.vocabulary import NATIVE_SPACES

_OfStructures = tuple[tuple[str, Path], ...]


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Meshes that say where the vertices of a run are.

    Parameters
    ----------
    files : tuple of (structure, Path)
        None where there is none that fits, or no vertex.
    with_voxels : bool
        Whether the voxels of the run lie in the space of these, so that there are distances
        between the two.
    missing : str
        Why there are none, or voxels are left out.
    """

    files: _OfStructures = ()
    with_voxels: bool = True
    missing: str = ""

    @property
    def words(self) -> str:
        """What the centroids of a run on surfaces are of, in sentences."""
        if not self.files:
            return f"Those of vertices are n/a. {self.missing}" if self.missing else ""
        names = " and ".join(path.name for _, path in self.files)
        if self.with_voxels:
            return f"Vertices lie where {names} have them."
        return (
            f"Vertices lie where {names} have them, in the subject's head. Those of voxels, which "
            f"lie in the space of a template, are n/a: between the two there is no distance. "
            f"{self.missing}"
        )


@dataclass(frozen=True, kw_only=True)
class RunMeshes:
    """Files about the meshes that a run lies on.

    Parameters
    ----------
    smoothing : tuple of (structure, Path)
        Meshes to smooth along, if that is asked for.
    areas : tuple of (structure, Path)
        What says how large the areas of vertices are, if means are weighted by these.
    neighbours : tuple of (structure, Path)
        What says which vertices are neighbours, if these are compared.
    no_neighbours : str
        Why there is none.
    places : Whereabouts
        What says where vertices are: centroids take it, and no signal.
    sha256 : tuple of str
        Of `files`.
    """

    smoothing: _OfStructures = ()
    areas: _OfStructures = ()
    neighbours: _OfStructures = ()
    no_neighbours: str = ""
    places: Whereabouts = field(default_factory=Whereabouts)
    sha256: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them, each once."""
        others = (*self.places.files, *self.neighbours)
        return tuple(dict.fromkeys((*self.of_signals, *(path for _, path in others))))

    @property
    def of_signals(self) -> tuple[Path, ...]:
        """Those that signals are made by, each once."""
        return tuple(dict.fromkeys(path for _, path in (*self.smoothing, *self.areas)))

    @property
    def by_name(self) -> dict[str, Path]:
        """All of them, by what to call each in a list."""
        in_place = (*self.places.files, *self.smoothing)
        meshes = {f"mesh of {structure}": path for structure, path in in_place}
        meshes |= {f"neighbours on {structure}": path for structure, path in self.neighbours}
        return meshes | {f"areas of {structure}": path for structure, path in self.areas}


def find_run_meshes(
    lattice: Grayordinates, shelves: Shelves, *, smooths: bool, weighs: bool, compares: bool
) -> RunMeshes:
    """Find what centroids, smoothing along a surface, means by area and ReHo take.

    Parameters
    ----------
    lattice : Grayordinates
        Of the run.
    shelves : Shelves
    smooths, weighs, compares : bool
        What is asked for. Where vertices are is always looked for. That may be missing, and which
        of them are neighbours, too.

    Returns
    -------
    meshes : RunMeshes

    Raises
    ------
    ImageError
        If a mesh is needed and there is none: the letter says what to do, or to do without.
    """
    smoothing: Mapping[str, Path] = {}
    areas: Mapping[str, Path] = {}
    if smooths:
        smoothing = _found(
            "--smoothing-fwhm smooths along a mesh",
            lambda: find_meshes(lattice, KINDS_IN_PLACE, shelves),
        )
    if weighs:
        areas = _found(
            "--area-weights take the areas of vertices", lambda: find_areas(lattice, shelves)
        )
    found = RunMeshes(
        smoothing=tuple(smoothing.items()),
        areas=tuple(areas.items()),
        places=find_places(lattice, shelves),
    )
    if compares and lattice.meshes:
        try:
            neighbours = find_meshes(lattice, KINDS_OF_NEIGHBOURS, shelves)
            found = replace(found, neighbours=tuple(neighbours.items()))
        except ImageError as error:
            found = replace(found, no_neighbours=str(error))
    return replace(found, sha256=tuple(map(sha256_of, found.files)))


def find_places(lattice: Grayordinates, shelves: Shelves) -> Whereabouts:
    """Find the meshes that say where the vertices of a run are.

    Those of the subject come first, as in `find_meshes`, or, where a run has voxels in the space
    of a template, too, those of the template: the subject's own lie in the subject's head, and
    between places of two spaces there is no distance.
    """
    if not lattice.meshes:
        return Whereabouts()
    find = partial(find_meshes, lattice, KINDS_IN_PLACE)
    of_template = lattice.volume is not None and lattice.space not in NATIVE_SPACES
    try:
        return _found_at(find(replace(shelves, roots=()) if of_template else shelves))
    except ImageError as error:
        why = _first_sentence(error)
    if not of_template:
        return Whereabouts(missing=why)
    try:
        own = find(replace(shelves, homes=(), download=False))
    except ImageError as error:
        return Whereabouts(missing=_first_sentence(error))
    return replace(_found_at(own), with_voxels=False, missing=why)


def _first_sentence(error: ImageError) -> str:
    return f"{str(error).partition('. ')[0]}."


def _found_at(meshes: Mapping[str, Path]) -> Whereabouts:
    return Whereabouts(files=tuple(meshes.items()))


def _found(why: str, find: Callable[[], Mapping[str, Path]]) -> Mapping[str, Path]:
    try:
        return find()
    except ImageError as error:
        raise ImageError(f"{why}. {error} Or leave the option out.") from error
