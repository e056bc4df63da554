"""Meshes of a run on surfaces: the subject's own, FreeSurfer's beside them, TemplateFlow's.

A mesh belongs to a run if it is of the same space and has as many vertices: neither alone says it.
Names are read as entities, for TemplateFlow has ``den-32k_hemi-L`` and ``hemi-L_den-32k`` in one
folder. Hemispheres are always taken from one place, and nothing is ever resampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bidsmask.dataset import templates
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.templates import entities_in
from bidsmask.errors import ImageError
from bidsmask.images.grayordinates import HEMI, LEFT, RIGHT, Grayordinates, common_name
from bidsmask.images.meshes import Mesh, count_vertices, inflate, read_mesh

KINDS = ("inflated", "veryinflated", "midthickness", "white", "pial", "sphere")
"""What meshes there are of a hemisphere; all of a space have the same vertices."""

KINDS_IN_PLACE = ("midthickness", "white", "pial")
"""Those whose vertices are where the cortex is: along them is measured."""

KINDS_OF_NEIGHBOURS = (*KINDS_IN_PLACE, "inflated", "veryinflated", "sphere")
"""Which vertices are neighbours all of them say; where one is taken for its places, the same."""

KINDS_TO_DRAW = KINDS[:-1]
"""Those that look like a brain, the best first."""

AREAS = "vaavg"
"""Not a mesh: the areas of the vertices, averaged over the people of a template."""

FSLR_ALONE = (32_492, 59_292)
"""Vertices of meshes of fsLR, and of no other space of adults: a file need not say it."""

_FREESURFER_HEMI = {LEFT: "lh", RIGHT: "rh"}
_FREESURFER_HOMES = ("sourcedata/freesurfer", "freesurfer", "../freesurfer")
_FREESURFER_AVERAGES = ("fsaverage", "fsaverage6", "fsaverage5", "fsaverage4", "fsaverage3")
_OWN = "fsnative"

_Place = Mapping[str, Sequence[Path]]
"""Files that might be meant, by the structure."""


@dataclass(frozen=True, kw_only=True)
class Shelves:
    """Where to look for meshes.

    Parameters
    ----------
    run : Entities, optional
        Of the run, if it is one of a subject.
    roots : sequence of Path
        Datasets that may hold meshes of the subject.
    homes : sequence of Path
        Folders of TemplateFlow: see `bidsmask.dataset.templates.template_homes`.
    download : bool
        Whether a mesh of TemplateFlow that is in none of them may be fetched.
    """

    run: Entities | None = None
    roots: Sequence[Path] = ()
    homes: Sequence[Path] = ()
    download: bool = False


def find_meshes(lattice: Grayordinates, kinds: Sequence[str], shelves: Shelves) -> dict[str, Path]:
    """Find a mesh for each hemisphere that a run has.

    The subject's own in ``anat`` come first (of the same session, of no session, of another one),
    then FreeSurfer's (``sourcedata/freesurfer``), then TemplateFlow's.

    Parameters
    ----------
    lattice : Grayordinates
        Of the run, with its space. Where that is not known, numbers of vertices that are fsLR's
        alone are taken for it.
    kinds : sequence of str
        Some of `KINDS`; the first that is there is taken.
    shelves : Shelves

    Returns
    -------
    meshes : dict from structure to Path
        ``CORTEX_LEFT``, ``CORTEX_RIGHT``.

    Raises
    ------
    ImageError
        If there is none that fits, or two that do: it says what was found, and what to do.
    """
    wanted = _Wanted.of(lattice)
    for kind in kinds:
        for place in (*_own(wanted, kind, shelves), *_published(wanted, kind, shelves)):
            if found := wanted.fitting(place):
                return found
    return _fetched(wanted, kinds, shelves)


class Inflated(NamedTuple):
    """Hemispheres to draw on, and in words which they are."""

    meshes: dict[str, Mesh]
    words: str


def inflated_meshes(lattice: Grayordinates, shelves: Shelves) -> Inflated:
    """Find and read meshes to draw a run on.

    Raises
    ------
    ImageError
        As of `find_meshes`, or if a mesh cannot be read.
    """
    return read_inflated(find_meshes(lattice, KINDS_TO_DRAW, shelves))


def read_inflated(files: Mapping[str, Path]) -> Inflated:
    """Read meshes to draw on; those that are not inflated are inflated.

    Raises
    ------
    ImageError
        If a mesh cannot be read.
    """
    meshes = {structure: read_mesh(path) for structure, path in files.items()}
    names = " and ".join(path.name for path in files.values())
    if all("inflated" in path.name for path in files.values()):
        return Inflated(meshes, names)
    return Inflated(
        {structure: inflate(mesh) for structure, mesh in meshes.items()},
        f"{names}, inflated for the picture",
    )


@dataclass(frozen=True, kw_only=True)
class MeshesToDraw:
    """Files to draw a run on, by structure; or why there are none."""

    files: tuple[tuple[str, Path], ...] = ()
    missing: str = ""


def meshes_to_draw(lattice: Grayordinates, shelves: Shelves) -> MeshesToDraw:
    """Find meshes to draw a run on, or say why there are none."""
    try:
        found = find_meshes(lattice, KINDS_TO_DRAW, shelves)
    except ImageError as error:
        return MeshesToDraw(missing=f"{str(error).partition('. ')[0]}.")
    return MeshesToDraw(files=tuple(found.items()))


def find_areas(lattice: Grayordinates, shelves: Shelves) -> dict[str, Path]:
    """Find what says how large the area of each vertex is.

    `bidsmask.images.meshes.read_areas` reads it. The subject's own midthickness comes first, then
    what TemplateFlow has averaged over people, and last a mesh of a template, which is smoother
    than that of a person, and so smaller.

    Parameters
    ----------
    lattice : Grayordinates
    shelves : Shelves

    Returns
    -------
    areas : dict from structure to Path

    Raises
    ------
    ImageError
        As of `find_meshes`.
    """
    wanted = _Wanted.of(lattice)
    for place in _own(wanted, "midthickness", shelves):
        if found := wanted.fitting(place):
            return found
    return find_meshes(lattice, (AREAS, "midthickness", "white"), shelves)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What fits a run: the space, and how many vertices each of its hemispheres has.

    `misfits` gathers, for the letter, what was found and does not fit.
    """

    space: str
    n_vertices: Mapping[str, int]
    misfits: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = " and ".join(map(str, sorted(set(self.n_vertices.values()))))
        return f"{self.space} with {counts} vertices"

    @classmethod
    def of(cls, lattice: Grayordinates) -> _Wanted:
        counts = {
            each.name: each.n_vertices
            for each in lattice.structures
            if each.n_vertices is not None and each.name in HEMI
        }
        if not counts:
            raise ImageError("There are no vertices of the cortex, and so no mesh of it.")
        alone = set(counts.values()) <= set(FSLR_ALONE)
        space = lattice.space or ("fsLR" if alone else None)
        if space is None:
            sizes = " and ".join(map(str, sorted(set(counts.values()))))
            raise ImageError(
                f"Nothing says of which space the meshes are that have {sizes} vertices, as those "
                "of several have. Let the names of the files say it (space-fsaverage5)."
            )
        return cls(space=space, n_vertices=counts)

    def is_for(self, file: Path, structure: str) -> bool:
        """Whether a file of a template fits a hemisphere, as far as its name tells."""
        density = f"{round(self.n_vertices.get(structure, 0) / 1000)}k"
        named = entities_in(file.name)
        return _is(file, self.space, HEMI[structure]) and named.get("den") == density

    def fitting(self, place: _Place) -> dict[str, Path]:
        """Choose the file of each hemisphere; none, if one is missing."""
        chosen = {}
        for structure, count in self.n_vertices.items():
            files = [file for file in place.get(structure, ()) if self._fits(file, count)]
            if len(files) > 1:
                raise ImageError(
                    f"More than one mesh could be meant: {' and '.join(map(str, files))}. Remove "
                    "all but one."
                )
            if files:
                chosen[structure] = files[0]
        return chosen if len(chosen) == len(self.n_vertices) else {}

    def _fits(self, file: Path, count: int) -> bool:
        try:
            found = count_vertices(file)
        except ImageError as error:
            self.misfits.append(str(error))
            return False
        if found != count:
            self.misfits.append(f"{file} has {found} vertices, and the run {count}.")
        return found == count


def _own(wanted: _Wanted, kind: str, shelves: Shelves) -> Iterator[_Place]:
    """Go through the places that may hold meshes of the subject."""
    if shelves.run is None:
        return
    for root in shelves.roots:
        for folders in _folders_of(root, shelves.run):
            files = [file for folder in folders for file in folder.glob(f"*_{kind}.surf.gii")]
            yield {
                structure: _one_of_each([file for file in files if _is(file, wanted.space, hemi)])
                for structure, hemi in HEMI.items()
            }
    for root in shelves.roots:
        yield from _freesurfer(wanted, kind, root, shelves.run)


def _folders_of(root: Path, run: Entities) -> list[list[Path]]:
    """List folders of anatomy, in the order in which they are asked."""
    subject = root / f"sub-{run['sub']}"
    sessions = sorted(subject.glob("ses-*/anat"))
    same = [folder for folder in sessions if folder.parent.name == f"ses-{run.get('ses')}"]
    others = [folder for folder in sessions if folder not in same]
    return [same, [subject / "anat"], others]


def _one_of_each(files: Sequence[Path]) -> list[Path]:
    """Leave out a copy that differs in ``desc`` only: fMRIPrep has had both names."""
    named = {str(sorted((entities_in(f.name) | {"desc": ""}).items())): f for f in sorted(files)}
    return list(named.values())


def _is(file: Path, space: str, hemi: str) -> bool:
    """Whether a mesh is of a space and hemisphere, as far as its name tells."""
    entities = entities_in(file.name)
    return (
        entities.get("hemi") == hemi
        and common_name(entities.get("space", entities.get("tpl", _OWN))) == space
        and entities.get("desc", "preproc") in ("preproc", AREAS)
    )


def _freesurfer(wanted: _Wanted, kind: str, root: Path, run: Entities) -> Iterator[_Place]:
    """Go through FreeSurfer's folders beside derivatives."""
    own = (f"sub-{run['sub']}_ses-{run.get('ses')}", f"sub-{run['sub']}")
    names = {_OWN: own, "fsaverage": _FREESURFER_AVERAGES}.get(wanted.space, ())
    for home in _FREESURFER_HOMES:
        for name in names:
            folder = root / home / name / "surf"
            yield {
                structure: [file]
                for structure, hemi in _FREESURFER_HEMI.items()
                if (file := folder / f"{hemi}.{kind}").is_file()
            }


def _published(wanted: _Wanted, kind: str, shelves: Shelves) -> Iterator[_Place]:
    """Go through the folders of TemplateFlow."""
    for home in shelves.homes:
        found = sorted(home.glob(f"tpl-{wanted.space}/*{_ending(kind)}"))
        files = [file for file in found if file.stat().st_size]  # others stand in for what is not
        yield {
            structure: [file for file in files if wanted.is_for(file, structure)]
            for structure in HEMI
        }


def _fetched(wanted: _Wanted, kinds: Sequence[str], shelves: Shelves) -> dict[str, Path]:
    """Let TemplateFlow's client fetch meshes, if it has them and that is allowed."""
    names = _names_published(wanted, kinds)
    if not names:
        raise ImageError(_letter(wanted, kinds, shelves))
    if not shelves.download:
        raise ImageError(_letter(wanted, kinds, shelves, "Downloads are off.", names))
    try:
        files = {structure: [templates.download(name)] for structure, name in names.items()}
    except (OSError, RuntimeError, ValueError) as error:
        why = f"They could not be downloaded ({error})."
        raise ImageError(_letter(wanted, kinds, shelves, why, names)) from error
    if not (found := wanted.fitting(files)):
        raise ImageError(_letter(wanted, kinds, shelves))
    return found


def _names_published(wanted: _Wanted, kinds: Sequence[str]) -> dict[str, str]:
    """Name the first kind of meshes that TemplateFlow has of all hemispheres."""
    for kind in kinds:
        names = {
            structure: name
            for structure in wanted.n_vertices
            for name in templates.published_meshes(wanted.space, HEMI[structure])
            if name.endswith(_ending(kind)) and wanted.is_for(Path(name), structure)
        }
        if len(names) == len(wanted.n_vertices):
            return names
    return {}


def _letter(
    wanted: _Wanted,
    kinds: Sequence[str],
    shelves: Shelves,
    why: str = "",
    names: Mapping[str, str] | None = None,
) -> str:
    """Say which mesh is missing, what was found instead, and what would help."""
    folders = [*(f"{root}/sub-*/anat" for root in shelves.roots), *map(str, shelves.homes)]
    found = "; ".join(misfit.partition(". ")[0].rstrip(".") for misfit in wanted.misfits[:3])
    letter = (
        f"There is no mesh ({' or '.join(kinds)}) of {wanted}{f': {found}' if found else ''}. It "
        f"was looked for in {', '.join(folders) or 'no folder (none was given)'}."
    )
    commands = "\n  ".join(templates.command(name) for name in (names or {}).values())
    fetch = (
        f"This fetches it, on a machine with network and with TEMPLATEFLOW_HOME set as here:\n"
        f"  {commands}"
    )
    return " ".join(filter(None, [letter, why, fetch if names else ""]))


def _ending(kind: str) -> str:
    return f"_desc-{AREAS}_midthickness.shape.gii" if kind == AREAS else f"_{kind}.surf.gii"
