"""Atlases by their names: in folders of TemplateFlow, in BIDS-Atlas datasets, or to be downloaded.

Files are looked for on the disk first, in every folder that may have them. Only what is nowhere
is downloaded, if that is allowed. One name stands for an atlas wherever it lies; each run gets
the files of its own space: voxels for a volume, and for a run on surfaces what lies on its meshes.
A label file of fsaverage will do for its coarser meshes, too (fsaverage5, fsaverage6), whose
vertices are the first of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bidsmask.dataset import templates
from bidsmask.dataset.atlas_files import (
    ATLAS_EXTENSIONS,
    in_pairs,
    is_here,
    is_on_surfaces,
    meshes_of,
    space_in,
    vertices_in,
)
from bidsmask.dataset.entities import is_label
from bidsmask.dataset.templates import Kind, entities_in, identity
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.grayordinates import LEFT, RIGHT, Grayordinates, Lattice, common_name, divides
from bidsmask.images.io import open_image
from bidsmask.numerics.affine import voxel_sizes

_KINDS: tuple[Kind, ...] = ("dseg", "probseg")
_EXAMPLE = "Schaefer2018_seg-7n_scale-400"

_Files = tuple[Path, ...]
"""One image, or both hemispheres; of TemplateFlow, also where they are not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A named atlas: which one, as labels or as maps, for which run, and where to look for it.

    Parameters
    ----------
    identity : mapping
        ``atlas``, ``seg`` and ``scale``.
    desc : str or None
        Which of several files with these.
    kind : {"dseg", "probseg"}
    space : str or None
    lattice : Grid or Grayordinates, optional
        Of the run; without it, an image of a volume is wanted.
    homes : sequence of Path
    """

    identity: Mapping[str, str]
    desc: str | None
    kind: Kind
    space: str | None
    lattice: Lattice
    homes: Sequence[Path]

    def __str__(self) -> str:
        maps = " (probability maps)" if self.kind == "probseg" else ""
        return f"{spell(self.identity)}{maps}"

    @property
    def on_surfaces(self) -> bool:
        """Whether the run has vertices."""
        return isinstance(self.lattice, Grayordinates)


def parse_name(text: str, space: str | None, lattice: Lattice, homes: Sequence[Path]) -> Wanted:
    """Read what a user typed.

    Raises
    ------
    AtlasError
        If it is no name of an atlas.
    """
    bare = text.removeprefix("atlas-")
    asked = next((kind for kind in _KINDS if bare.endswith(f"_{kind}")), None)
    name = bare.removesuffix(f"_{asked}")
    atlas, *others = name.split("_")
    pairs = [part.partition("-") for part in others]
    known = all(key in ("seg", "scale", "desc") and is_label(label) for key, _, label in pairs)
    if not (is_label(atlas) and known):
        raise AtlasError(
            f"{text!r} is neither an image (.nii, .nii.gz, .dlabel.nii, .label.gii, .annot) nor "
            f"the name of an atlas (<atlas>[_seg-<label>][_scale-<label>], such as {_EXAMPLE})."
        )
    entities = entities_in(f"atlas-{name}")
    labels = Wanted(
        identity=identity(entities),
        desc=_desc(entities),
        kind=asked or "dseg",
        space=space,
        lattice=lattice,
        homes=homes,
    )
    maps = replace(labels, kind="probseg")
    return maps if not asked and _exists(maps) and not _exists(labels) else labels


def spell(identity: Mapping[str, str]) -> str:
    """Write the name of an atlas as a user would type it."""
    return "_".join(f"{key}-{label}" for key, label in identity.items()).removeprefix("atlas-")


def find_files(wanted: Wanted, *, download: bool) -> _Files:
    """Find the files of an atlas for a run: those that suit its voxels or its meshes best.

    Raises
    ------
    AtlasError
        If there is no such atlas, it is not to be had, or its name means two.
    SpaceError
        If there is one, but not in the space of the run, or not on its meshes.
    """
    here = [files for files in _local(wanted) if _suits(files, wanted) and is_here(files)]
    if here:
        return _best(here, wanted)
    there = [files for files in _published(wanted) if _suits(files, wanted)]
    if not there:
        raise _unknown(wanted)
    names = list(map(str, _best(there, wanted)))
    if not download:
        raise _not_here(names, wanted.homes, "Downloads are off.")
    return tuple(_download(name, wanted.homes) for name in names)


def _desc(entities: Mapping[str, str]) -> str | None:
    """``desc``, where it is not the old spelling of ``seg`` and ``scale``."""
    return entities.get("desc") if {"seg", "scale"} & set(entities) else None


def _exists(wanted: Wanted) -> bool:
    """Whether there is such an atlas in any space: a name means the same for every run."""
    return any(True for _ in _all(wanted))


# --- where they are ------------------------------------------------------------------------------


def _all(wanted: Wanted) -> Iterator[_Files]:
    """All files of an atlas, in any space, those that could be downloaded included."""
    yield from (files for files in _local(wanted) if is_here(files))
    yield from _published(wanted)


def _local(wanted: Wanted) -> Iterator[_Files]:
    """All files of an atlas in TemplateFlow folders and BIDS-Atlas datasets, in any space."""
    name = f"atlas-{wanted.identity['atlas']}"
    folders = (".", "tpl-*", "tpl-*/cohort-*", "tpl-*/anat", "tpl-*/cohort-*/anat", name)
    for home in wanted.homes:
        for folder in folders:
            found = sorted(home.glob(f"{folder}/*{name}_*{wanted.kind}.*"))
            yield from in_pairs(file for file in found if _is_of(file, wanted))


def _published(wanted: Wanted) -> list[_Files]:
    names = map(Path, templates.published_images(wanted.identity, wanted.kind))
    return in_pairs(name for name in names if _is_of(name, wanted))


def _is_of(file: Path, wanted: Wanted) -> bool:
    entities = entities_in(file.name)
    return (
        identity(entities) == wanted.identity
        and wanted.desc in (None, entities.get("desc"))
        and file.name.partition(".")[0].endswith(f"_{wanted.kind}")
        and f".{file.name.partition('.')[2]}" in ATLAS_EXTENSIONS
    )


# --- which of them suit a run --------------------------------------------------------------------


def _suits(files: _Files, wanted: Wanted) -> bool:
    return _in_space(files, wanted) and (
        not wanted.on_surfaces or _rank_of_mesh(files, wanted) < 3
    )


def _in_space(files: _Files, wanted: Wanted) -> bool:
    if is_on_surfaces(files[0]) != wanted.on_surfaces:
        return False
    space = common_name(wanted.space) if wanted.on_surfaces else wanted.space
    return space_in(files[0]) == space


def _rank_of_mesh(files: _Files, wanted: Wanted) -> int:
    """How well the meshes of files suit: their own first; fsaverage's finer ones can be cut."""
    has = _meshes(files)
    both = [(has[name], n) for name, n in wanted.lattice.meshes.items() if name in has]
    if not both:
        return 1
    if all(theirs == ours for theirs, ours in both):
        return 0
    can_be_cut = space_in(files[0]) == "fsaverage"
    return 2 if can_be_cut and all(divides(ours, theirs) for theirs, ours in both) else 3


def _meshes(files: _Files) -> Mapping[str, int]:
    """How many vertices each structure has: as the files say, or as their names do."""
    try:
        return meshes_of(files)
    except ImageError:  # not here, or damaged, which is said when they are read
        n_vertices = vertices_in(files[0])
        return {} if n_vertices is None else {LEFT: n_vertices, RIGHT: n_vertices}


def _best(found: Sequence[_Files], wanted: Wanted) -> _Files:
    """Choose the files that suit a run best, the first of several that suit as well."""
    if not wanted.on_surfaces:
        return min(found, key=lambda files: _rank_of_voxels(files[0], wanted))
    ranks = [(_rank_of_mesh(files, wanted), len(files)) for files in found]
    best = [files for files, rank in zip(found, ranks, strict=True) if rank == min(ranks)]
    said = {entities_in(files[0].name).get("desc") for files in best}
    if len(said) > 1:
        names = [f"{spell(wanted.identity)}_desc-{desc}" for desc in sorted(filter(None, said))]
        raise AtlasError(f"There are several {wanted}. Say which: {' or '.join(names)}.")
    return best[0]


def _rank_of_voxels(image: Path, wanted: Wanted) -> tuple[float, float]:
    """How well an image suits: its voxel sizes first, then the habits of the field.

    Most BOLD runs have voxels of 2 mm (``res-02``), most templates of 1 mm (``res-01``).
    """
    distance, zooms = 0.0, _zooms(image)
    if zooms is not None and wanted.lattice is not None:
        distance = float(np.abs(np.subtract(zooms, wanted.lattice.voxel_sizes_mm)).max())
    res = entities_in(image.name).get("res", "").lstrip("0")
    return round(distance, 3), {"2": 0.0, "1": 1.0}.get(res, 2.0)


def _zooms(image: Path) -> Sequence[float] | None:
    if is_here([image]):
        return tuple(voxel_sizes(open_image(image).affine))
    entities = entities_in(image.name)
    return templates.voxel_sizes(entities["tpl"]).get(entities.get("res", ""))


# --- those that are not here ---------------------------------------------------------------------


def _download(name: str, homes: Sequence[Path]) -> Path:
    try:
        image = templates.download(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise _not_here([name], homes, f"It could not be downloaded ({error}).") from error
    if not is_here([image]):
        raise _not_here([name], homes, f"The download ({image}) cannot be opened.")
    return image


def _not_here(names: Sequence[str], homes: Sequence[Path], why: str) -> AtlasError:
    called = " and ".join(Path(name).name for name in names)
    this, it = ("This fetches it", "is") if len(names) == 1 else ("These fetch them", "are")
    commands = "".join(f"\n  {templates.command(name)}" for name in names)
    return AtlasError(
        f"{called} {it} not in {_list(homes)}. {why} {this}, on a machine with network and with "
        f"TEMPLATEFLOW_HOME set as here:{commands}"
    )


def _list(folders: Iterable[Path]) -> str:
    return ", ".join(map(str, folders)) or "any folder (none was given)"


def _unknown(wanted: Wanted) -> AtlasError | SpaceError:
    """Write the letter about an atlas that does not suit the run, or is not known at all."""
    found = list(_all(wanted))
    if any(_in_space(files, wanted) for files in found):
        return _of_other_meshes(wanted, found)
    if found:
        spaces = sorted(filter(None, {space_in(files[0]) for files in found}))
        return SpaceError(
            f"There is no {wanted} in {wanted.space or 'the native space of a run'}; there is one "
            f"in {', '.join(spaces)}. {_remedy(wanted)}{_about_maps(wanted)}"
        )
    near = _near(spell(wanted.identity))
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    return AtlasError(
        f"There is no atlas {wanted} in {_list(wanted.homes)}, and TemplateFlow has none. {hint}"
        "An atlas of your own can be given by the path of its image."
    )


def _remedy(wanted: Wanted) -> str:
    if wanted.space != "fsLR":
        return "Choose runs with --space, or give the path of an image in the space of the run."
    return (
        "TemplateFlow has no parcellation in fsLR: give the path of a .dlabel.nii file, or name "
        "a dataset that has one (--datasets atlases=FOLDER; XCP-D's AtlasPack is such a folder, "
        "with tpl-fsLR_atlas-*_den-91k_dseg.dlabel.nii)."
    )


def _of_other_meshes(wanted: Wanted, found: Sequence[_Files]) -> SpaceError:
    there = sorted({max(_meshes(f).values()) for f in found if _in_space(f, wanted)})
    return SpaceError(
        f"There is no {wanted} in {wanted.space} on meshes of "
        f"{' and '.join(_counts(wanted.lattice.meshes))} vertices, as the run has them; there is "
        f"one on meshes of {', '.join(map(str, there))}. Give the path of a file on the meshes of "
        "the run: nothing is resampled from one mesh to another."
    )


def _counts(meshes: Mapping[str, int]) -> list[str]:
    return list(dict.fromkeys(map(str, meshes.values())))


def _about_maps(wanted: Wanted) -> str:
    """Point from labels to maps of the same name, if the space has those."""
    maps = replace(wanted, kind="probseg")
    if wanted.kind == "dseg" and any(_suits(files, maps) for files in _all(maps)):
        return f" As probability maps it is there: {spell(wanted.identity)}_probseg."
    return ""


def _near(name: str) -> list[str]:
    """Suggest atlases with nearly this name, those of the same atlas first."""
    images = [
        entities_in(file) for file in templates.published() if file.endswith((".nii.gz", ".gii"))
    ]
    names = sorted({spell(identity(entities)) for entities in images if "atlas" in entities})
    of_atlas = [other for other in names if other.split("_")[0] == name.split("_")[0]]
    return difflib.get_close_matches(name, of_atlas or names, n=3, cutoff=0.5)
