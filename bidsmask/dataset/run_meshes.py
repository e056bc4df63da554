"""Files about the meshes that a run lies on, of those that what was asked for takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bidsmask.dataset.atlases import sha256_of
from bidsmask.dataset.meshes import KINDS_IN_PLACE, Shelves, find_areas, find_meshes
from bidsmask.errors import ImageError
from bidsmask.images.grayordinates import Grayordinates

_OfStructures = tuple[tuple[str, Path], ...]


@dataclass(frozen=True, kw_only=True)
class RunMeshes:
    """Files about the meshes that a run lies on.

    Parameters
    ----------
    smoothing : tuple of (structure, Path)
        Meshes to smooth along, if that is asked for.
    areas : tuple of (structure, Path)
        What says how large the areas of vertices are, if means are weighted by these.
    sha256 : tuple of str
        Of `files`.
    """

    smoothing: _OfStructures = ()
    areas: _OfStructures = ()
    sha256: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(path for _, path in (*self.smoothing, *self.areas)))

    @property
    def by_name(self) -> dict[str, Path]:
        """All of them, by what to call each in a list."""
        meshes = {f"mesh of {structure}": path for structure, path in self.smoothing}
        return meshes | {f"areas of {structure}": path for structure, path in self.areas}


def find_run_meshes(
    lattice: Grayordinates, shelves: Shelves, *, smooths: bool, weighs: bool
) -> RunMeshes:
    """Find what smoothing along a surface takes, and what means by area take.

    Parameters
    ----------
    lattice : Grayordinates
        Of the run.
    shelves : Shelves
    smooths, weighs : bool
        What is asked for.

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
    found = RunMeshes(smoothing=tuple(smoothing.items()), areas=tuple(areas.items()))
    return RunMeshes(
        smoothing=found.smoothing, areas=found.areas, sha256=tuple(map(sha256_of, found.files))
    )


def _found(why: str, find: Callable[[], Mapping[str, Path]]) -> Mapping[str, Path]:
    try:
        return find()
    except ImageError as error:
        raise ImageError(f"{why}. {error} Or leave the option out.") from error
