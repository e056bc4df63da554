"""Atlases: found by name in TemplateFlow folders or by path, with their look-up tables.

An atlas is labels (``dseg``) or maps of weights (``probseg``), as its file name says, on the
voxels of a volume or on surfaces: one CIFTI file, or a pair of files of one hemisphere each. A
name is ``<atlas>[_seg-<label>][_scale-<label>]``, as BIDS 1.11 spells it; where labels and maps
share it, ``_probseg`` at its end asks for the maps. TemplateFlow's older spelling
(``Schaefer2018_desc-400Parcels7Networks``) means the same, both in what a user types and in the
names of files; see `bidsmask.dataset.atlas_search`. Look-up tables also come with the installed
templateflow package; they are read out of it, and nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsmask.columns.table import LookUpTable
from bidsmask.dataset import templates
from bidsmask.dataset.atlas_files import (
    ATLAS_EXTENSIONS,
    files_at,
    is_on_surfaces,
    kind_of,
    meshes_of,
    name_of_both,
    space_in,
    stem_of,
)
from bidsmask.dataset.atlas_search import find_files, parse_name, spell
from bidsmask.dataset.atlas_tables import (
    count_volumes,
    name_maps,
    name_regions,
    table_beside,
    table_elsewhere,
)
from bidsmask.dataset.individuals import owner_of
from bidsmask.dataset.surface_tables import (
    map_names_in,
    name_surface_regions,
    read_labels_of,
    read_maps_of,
)
from bidsmask.dataset.templates import Kind, entities_in, identity, template_homes
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates, Lattice, common_name
from bidsmask.vocabulary import NATIVE_SPACES

__all__ = ["Atlas", "Kind", "check_space", "find_atlas", "template_homes"]


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """Labels or maps, in a space, with a name for each label or map.

    Parameters
    ----------
    name : str
        For messages and the command line: ``Schaefer2018_seg-7n_scale-400``.
    entities : tuple of (entity, label)
        Those of ``atlas``, ``seg`` and ``scale`` that it has, for the names of outputs.
    files : tuple of Path
        An image of a volume: labels (3D NIfTI), or maps (4D, or 3D if there is one). On surfaces:
        a CIFTI file, or the left hemisphere and the right one.
    lut : LookUpTable
        Labels (numbers of the maps, from 1) and names of the regions, in the order of the columns
        of every output.
    space : str or None
        The template it lies in; None if its file name does not say. All densities of fsaverage
        are called that.
    meshes : tuple of (structure, number of vertices)
        On surfaces: the meshes that it is taken on, which are those of the files, or coarser ones
        of fsaverage, whose vertices are their first.
    is_cut : bool
        Whether these are coarser.
    sources : tuple of str
        Of each file, the BIDS URI (``bids:templateflow:...``) if it is TemplateFlow's, else the
        path.
    sha256 : tuple of str
        Of each file.
    warnings : tuple of str
        What a reader of the results should know.
    kind : {"dseg", "probseg"}
        Labels or maps.
    """

    name: str
    entities: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]
    lut: LookUpTable
    space: str | None
    meshes: tuple[tuple[str, int], ...] = ()
    is_cut: bool = False
    sources: tuple[str, ...]
    sha256: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    kind: Kind = "dseg"

    @property
    def on_surfaces(self) -> bool:
        """Whether it lies on grayordinates, and not on the voxels of a grid."""
        return is_on_surfaces(self.files[0])


def find_atlas(
    name_or_path: str | Path,
    *,
    space: str | None,
    homes: Sequence[Path],
    download: bool,
    lattice: Lattice = None,
) -> Atlas:
    """Find an atlas and its look-up table, and hold the two against each other.

    Of maps of a volume only the header is read: one file may hold gigabytes of them.

    Parameters
    ----------
    name_or_path : str or Path
        An image of a volume (``.nii``, ``.nii.gz``; maps: ``*_probseg.nii.gz``), a CIFTI file
        (``.dlabel.nii``; maps: ``.dscalar.nii``), or one file of a pair of hemispheres
        (``.label.gii``, ``.annot``; maps: ``.shape.gii``, ``.func.gii``), the table beside it. Or
        the name of an atlas. A name that labels and maps share is that of the labels; with
        ``_probseg`` at its end it is that of the maps.
    space : str or None
        The space of the run, in which a named atlas is wanted (``MNIInfant+1`` for a cohort).
        The space of an image given by its path is not compared: see `check_space`.
    homes : sequence of Path
        Folders with ``tpl-*`` or ``atlas-*`` folders in them: see `template_homes`.
    download : bool
        Whether a file of TemplateFlow that is in none of them may be fetched.
    lattice : Grid or Grayordinates, optional
        Of the run. A named atlas is wanted on its meshes if it has some; else in the resolution
        that is nearest to its voxels. Without it, an image of a volume is wanted, and ``res-02``
        is preferred to ``res-01``, and that to any other.

    Raises
    ------
    AtlasError
        If the atlas is unknown, not to be had or damaged, or its table does not fit it.
    SpaceError
        If the atlas exists, but not in the space of the run, or not on its meshes.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(ATLAS_EXTENSIONS) or "/" in text:
        files = files_at(Path(name_or_path).absolute())
        table = table_beside(files[0])
    else:
        files = find_files(parse_name(text, space, lattice, homes), download=download)
        table = table_beside(files[0]) or table_elsewhere(files[0], homes)
    return _build(files, table, lattice, space)


def check_space(
    atlas: Atlas,
    run_space: str | None,
    run_name: str,
    available: Sequence[str] = (),
    lattice: Lattice = None,
) -> None:
    """Refuse an atlas that lies in another space than the run, or on other meshes.

    An atlas whose space is not known passes, if it lies on voxels as the run does, or on meshes
    of as many vertices; its warnings say that its space could not be checked.

    Parameters
    ----------
    available : sequence of str
        Spaces that the dataset has runs in, for the message.
    lattice : Grid or Grayordinates, optional
        Of the run.

    Raises
    ------
    SpaceError
        If the spaces differ, or what the atlas and the run lie on.
    """
    called = f"{atlas.name} ({' and '.join(file.name for file in atlas.files)})"
    if lattice is not None and atlas.on_surfaces != isinstance(lattice, Grayordinates):
        ours, theirs = ("surfaces", "the voxels of a volume")
        if not atlas.on_surfaces:
            ours, theirs = theirs, ours
        raise SpaceError(
            f"{called} lies on {ours}, but {run_name} on {theirs}. Give an atlas in "
            f"{run_space or 'the space of the run'}, or the name of one that is there in both."
        )
    known = common_name(run_space) if atlas.on_surfaces else run_space
    if atlas.space not in (None, known):
        raise SpaceError(
            f"{called} is in the space {atlas.space}, but {run_name} is in "
            f"{run_space or 'its native space'}. {_remedy(atlas, available)}, or give an atlas in "
            f"{run_space or 'that space'}. Spaces in the dataset: "
            f"{', '.join(available) or 'unknown'}."
        )
    if atlas.on_surfaces and lattice is not None:
        _check_meshes(called, dict(atlas.meshes), run_name, lattice.meshes)


def _remedy(atlas: Atlas, available: Sequence[str]) -> str:
    fitting = [
        space
        for space in available
        if (common_name(space) if atlas.on_surfaces else space) == atlas.space
    ]
    if fitting:
        return f"Run with --space {fitting[0]}"
    option = "--cifti-output" if atlas.space == "fsLR" else f"--output-spaces {atlas.space}"
    return f"Let fMRIPrep write this run in {atlas.space} ({option})"


def _check_meshes(
    called: str, meshes: Mapping[str, int], run_name: str, of_run: Mapping[str, int]
) -> None:
    for structure, n_vertices in meshes.items():
        if of_run.get(structure, n_vertices) != n_vertices:
            raise SpaceError(
                f"{called} lies on a mesh of {n_vertices} vertices in {structure}, but {run_name} "
                f"on one of {of_run[structure]}. Give a file of the density of the run: nothing "
                "is resampled from one mesh to another."
            )


# --- the atlas -----------------------------------------------------------------------------------


def _build(
    files: tuple[Path, ...], table: Path | None, lattice: Lattice, run_space: str | None
) -> Atlas:
    """Read image and table, and hold them against each other."""
    image, kind = files[0], kind_of(files[0])
    entities, space = _output_entities(image), space_in(image)
    meshes: dict[str, int] = {}
    if is_on_surfaces(image):
        coarser = _coarser(space, run_space, lattice)
        lut, warnings, meshes = _on_surfaces(files, table, space, coarser)
    elif kind == "dseg":
        lut, warnings = name_regions(image, table)
    else:
        lut, warnings = name_maps(image, table, count_volumes(image))
    return Atlas(
        name=spell(entities),
        entities=tuple(entities.items()),
        files=files,
        lut=lut,
        space=space,
        meshes=tuple(meshes.items()),
        is_cut=bool(meshes) and meshes != meshes_of(files),
        sources=tuple(templates.uri(file) or str(file) for file in files),
        sha256=tuple(map(sha256_of, files)),
        warnings=(*lut.warnings, *warnings, *_about_space(image, space)),
        kind=kind,
    )


def _on_surfaces(
    files: tuple[Path, ...], table: Path | None, space: str | None, coarser: Mapping[str, int]
) -> tuple[LookUpTable, list[str], dict[str, int]]:
    if kind_of(files[0]) == "dseg":
        labels = read_labels_of(files, space=space, meshes=coarser)
        return *name_surface_regions(labels, files, table), labels.places.meshes
    maps = read_maps_of(files, space=space, meshes=coarser)
    own = map_names_in(files)
    return *name_maps(name_of_both(files[0]), table, len(maps.weights), own), maps.places.meshes


def _coarser(space: str | None, run_space: str | None, lattice: Lattice) -> Mapping[str, int]:
    """Meshes of a run in fsaverage, to which the files of a finer one can be cut."""
    are_nested = space == common_name(run_space) == "fsaverage"
    return lattice.meshes if are_nested and isinstance(lattice, Grayordinates) else {}


def _about_space(image: Path, space: str | None) -> list[str]:
    if space is None:
        return [
            f"The name of {image.name} does not say which space it is in (no tpl- or space-); "
            "whether it fits the runs could not be checked."
        ]
    if space in NATIVE_SPACES and not owner_of(image):
        return [
            f"{image.name}: {space} is the space of one brain; it is taken as it is for every run "
            f"in {space}. What has sub- in its name is taken for its own participant only."
        ]
    return []


def _output_entities(image: Path) -> dict[str, str]:
    """Entities for the outputs; regions that are not from a known atlas are a segmentation."""
    found = identity(entities_in(image.name))
    both = name_of_both(image)
    stem = stem_of(both) if both.name.endswith(".annot") else both.name.split(".")[0]
    label = re.sub("[^0-9a-zA-Z]", "", stem.removesuffix("_probseg"))
    return found if {"atlas", "seg"} & set(found) else {"seg": label or "regions"} | found


def sha256_of(file: Path) -> str:
    """Compute the checksum of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
