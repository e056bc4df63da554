"""Atlases: found by name in TemplateFlow folders or by path, with their look-up tables.

An atlas is a label image (``dseg``) or an image of several maps (``probseg``), as its file name
says. A name is ``<atlas>[_seg-<label>][_scale-<label>]``, as BIDS 1.11 spells it; where labels and
maps share it, ``_probseg`` at its end asks for the maps. TemplateFlow's older
spelling (``Schaefer2018_desc-400Parcels7Networks``) means the same, both in what a user types and
in the names of files. Files are looked for on the disk first, in every folder that may have
them. Only an image that is nowhere is downloaded, if that is allowed. Look-up tables also come
with the installed templateflow package; they are read out of it, and nothing is unpacked.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bidsmask.columns.table import LookUpTable
from bidsmask.dataset import templates
from bidsmask.dataset.atlas_tables import kind_of, name_regions, table_beside, table_elsewhere
from bidsmask.dataset.entities import is_label
from bidsmask.dataset.individuals import owner_of
from bidsmask.dataset.templates import Kind, entities_in, identity, space_of, template_homes
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.io import open_image
from bidsmask.numerics.affine import voxel_sizes
from bidsmask.vocabulary import NATIVE_SPACES

__all__ = ["Atlas", "Kind", "check_space", "find_atlas", "template_homes"]

_EXTENSIONS = (".nii.gz", ".nii")
_KINDS: tuple[Kind, ...] = ("dseg", "probseg")
_EXAMPLE = "Schaefer2018_seg-7n_scale-400"


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """A label image or an image of maps, in a space, with a name for each label or map.

    Parameters
    ----------
    name : str
        For messages and the command line: ``Schaefer2018_seg-7n_scale-400``.
    entities : tuple of (entity, label)
        Those of ``atlas``, ``seg`` and ``scale`` that it has, for the names of outputs.
    image : Path
        Label image (3D NIfTI), or maps (4D, or 3D if there is one).
    lut : LookUpTable
        Labels (numbers of the maps, from 1) and names of the regions, in the order of the columns
        of every output.
    space : str or None
        The template it lies in; None if its file name does not say.
    source : str
        BIDS URI (``bids:templateflow:...``) of a TemplateFlow file, else the path.
    sha256 : str
        Of the image file.
    warnings : tuple of str
        What a reader of the results should know.
    kind : {"dseg", "probseg"}
        Labels or maps.
    """

    name: str
    entities: tuple[tuple[str, str], ...]
    image: Path
    lut: LookUpTable
    space: str | None
    source: str
    sha256: str
    warnings: tuple[str, ...] = ()
    kind: Kind = "dseg"


def find_atlas(
    name_or_path: str | Path,
    *,
    space: str | None,
    homes: Sequence[Path],
    download: bool,
    voxel_sizes_mm: Sequence[float] | None = None,
) -> Atlas:
    """Find an atlas and its look-up table, and hold the two against each other.

    Of maps only the header is read: one file may hold gigabytes of them.

    Parameters
    ----------
    name_or_path : str or Path
        A label image (``.nii``, ``.nii.gz``) or maps (``*_probseg.nii``, ``*_probseg.nii.gz``),
        the table beside it; or the name of an atlas. A name that labels and maps share is that of
        the labels; with ``_probseg`` at its end it is that of the maps.
    space : str or None
        The space of the run, in which a named atlas is wanted (``MNIInfant+1`` for a cohort).
        The space of an image given by its path is not compared: see `check_space`.
    homes : sequence of Path
        Folders with ``tpl-*`` or ``atlas-*`` folders in them: see `template_homes`.
    download : bool
        Whether a file of TemplateFlow that is in none of them may be fetched.
    voxel_sizes_mm : sequence of 3 floats, optional
        Of the run: the resolution of a named atlas that is nearest to them is taken. Without
        them, ``res-02`` is preferred to ``res-01``, and that to any other.

    Raises
    ------
    AtlasError
        If the atlas is unknown, not to be had or damaged, or its table does not fit it.
    SpaceError
        If the atlas exists, but not in the space of the run.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(_EXTENSIONS) or "/" in text:
        image = _check_path(Path(name_or_path)).absolute()
        return _build(image, table_beside(image))
    wanted = _parse_name(text, space, homes)
    image = _find_image(wanted, download, voxel_sizes_mm)
    return _build(
        image,
        table_beside(image) or table_elsewhere(wanted.identity, wanted.kind, wanted.space, homes),
    )


def check_space(
    atlas: Atlas, run_space: str | None, run_name: str, available: Sequence[str] = ()
) -> None:
    """Refuse an atlas that lies in another space than the run.

    An atlas whose space is not known passes; its warnings say that it could not be checked.

    Parameters
    ----------
    available : sequence of str
        Spaces that the dataset has runs in, for the message.

    Raises
    ------
    SpaceError
        If the spaces differ.
    """
    if atlas.space is None or atlas.space == run_space:
        return
    remedy = (
        f"Run with --space {atlas.space}"
        if atlas.space in available
        else f"Let fMRIPrep write this run in {atlas.space} (--output-spaces {atlas.space})"
    )
    raise SpaceError(
        f"{atlas.name} ({atlas.image.name}) is in the space {atlas.space}, but {run_name} is in "
        f"{run_space or 'its native space'}. {remedy}, or give an atlas in "
        f"{run_space or 'that space'}. Spaces in the dataset: {', '.join(available) or 'unknown'}."
    )


# --- names ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A named atlas: which one, as labels or as maps, in which space, and where to look for it."""

    identity: Mapping[str, str]
    kind: Kind
    space: str | None
    homes: Sequence[Path]

    def __str__(self) -> str:
        maps = " (probability maps)" if self.kind == "probseg" else ""
        return f"{_spell(self.identity)}{maps}"


def _parse_name(text: str, space: str | None, homes: Sequence[Path]) -> _Wanted:
    """Read what a user typed."""
    bare = text.removeprefix("atlas-")
    asked = next((kind for kind in _KINDS if bare.endswith(f"_{kind}")), None)
    name = bare.removesuffix(f"_{asked}")
    atlas, *others = name.split("_")
    pairs = [part.partition("-") for part in others]
    known = all(key in ("seg", "scale", "desc") and is_label(label) for key, _, label in pairs)
    if not (is_label(atlas) and known):
        raise AtlasError(
            f"{text!r} is neither an image (.nii, .nii.gz) nor the name of an atlas "
            f"(<atlas>[_seg-<label>][_scale-<label>], such as {_EXAMPLE})."
        )
    which = identity(entities_in(f"atlas-{name}"))
    labels = _Wanted(identity=which, kind="dseg", space=space, homes=homes)
    if asked:
        return replace(labels, kind=asked)
    maps = replace(labels, kind="probseg")
    return maps if _exists(maps) and not _exists(labels) else labels


def _exists(wanted: _Wanted) -> bool:
    """Whether there is such an atlas in any space: a name means the same for every run."""
    return any(True for _ in _images(wanted))


def _spell(identity: Mapping[str, str]) -> str:
    """Write the name of an atlas as a user would type it."""
    return "_".join(f"{key}-{label}" for key, label in identity.items()).removeprefix("atlas-")


# --- the image -----------------------------------------------------------------------------------


def _check_path(path: Path) -> Path:
    """Refuse what cannot be an atlas."""
    if not path.name.endswith(_EXTENSIONS):
        raise AtlasError(f"{path}: expected an image (.nii, .nii.gz), found another file.")
    if path.is_symlink() and not path.exists():
        raise AtlasError(
            f"{path}: a broken link; its content is not here. Try: datalad get '{path}'"
        )
    if not path.is_file():
        raise AtlasError(f"{path}: there is no such image.")
    if re.search(r"\.(dlabel|dscalar|dtseries|plabel|pscalar|ptseries)\.nii$", path.name):
        raise AtlasError(f"{path}: CIFTI files are not supported; give an image of a volume.")
    return path


def _find_image(wanted: _Wanted, download: bool, voxel_sizes_mm: Sequence[float] | None) -> Path:
    """Find the image of an atlas in a space; of several resolutions, the best one."""
    found = [file for file in _local_images(wanted) if _space(file) == wanted.space]
    usable = [file for file in found if _can_be_opened(file)]
    if usable:
        return min(usable, key=lambda file: _rank(file.name, _zooms(file), voxel_sizes_mm))
    images = templates.published_images(wanted.identity, wanted.kind)
    names = [name for name in images if _space(Path(name)) == wanted.space]
    if not names:
        raise _unknown(wanted)
    name = min(names, key=lambda name: _rank(name, _published_zooms(name), voxel_sizes_mm))
    if not download:
        raise _not_here(name, wanted.homes, "Downloads are off.")
    return _download(name, wanted.homes)


def _images(wanted: _Wanted) -> Iterator[Path]:
    """All images of an atlas, in any space, those that could be downloaded included."""
    yield from (file for file in _local_images(wanted) if _can_be_opened(file))
    yield from map(Path, templates.published_images(wanted.identity, wanted.kind))


def _local_images(wanted: _Wanted) -> Iterator[Path]:
    """All images of an atlas in TemplateFlow folders and BIDS-Atlas datasets, in any space."""
    name = f"atlas-{wanted.identity['atlas']}"
    for home in wanted.homes:
        for folder in ("tpl-*", "tpl-*/cohort-*", "tpl-*/anat", "tpl-*/cohort-*/anat", name):
            for file in sorted(home.glob(f"{folder}/*{name}_*{wanted.kind}.nii*")):
                is_it = identity(entities_in(file.name)) == wanted.identity
                if is_it and file.name.endswith(_EXTENSIONS):
                    yield file


def _space(image: Path) -> str | None:
    return space_of(entities_in(image.name))


def _can_be_opened(image: Path) -> bool:
    """Whether an image is more than one of the empty stand-ins that TemplateFlow puts up."""
    try:
        open_image(image)
    except ImageError:
        return False
    return True


def _zooms(image: Path) -> Sequence[float]:
    return tuple(voxel_sizes(open_image(image).affine))


def _published_zooms(name: str) -> Sequence[float] | None:
    entities = entities_in(name)
    return templates.voxel_sizes(entities["tpl"]).get(entities.get("res", ""))


def _rank(
    name: str, zooms: Sequence[float] | None, wanted_mm: Sequence[float] | None
) -> tuple[float, float]:
    """How well an image suits: its voxel sizes first, then the habits of the field.

    Most BOLD runs have voxels of 2 mm (``res-02``), most templates of 1 mm (``res-01``).
    """
    distance = 0.0
    if zooms is not None and wanted_mm is not None:
        distance = float(np.abs(np.subtract(zooms, wanted_mm)).max())
    res = entities_in(name).get("res", "").lstrip("0")
    return round(distance, 3), {"2": 0.0, "1": 1.0}.get(res, 2.0)


def _download(name: str, homes: Sequence[Path]) -> Path:
    try:
        image = templates.download(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise _not_here(name, homes, f"It could not be downloaded ({error}).") from error
    if not _can_be_opened(image):
        raise _not_here(name, homes, f"The download ({image}) cannot be opened.")
    return image


def _not_here(name: str, homes: Sequence[Path], why: str) -> AtlasError:
    return AtlasError(
        f"{Path(name).name} is not in {_list(homes)}. {why} This fetches it, on a machine with "
        f"network and with TEMPLATEFLOW_HOME set as here:\n  {templates.command(name)}"
    )


def _list(folders: Iterable[Path]) -> str:
    return ", ".join(map(str, folders)) or "any folder (none was given)"


def _unknown(wanted: _Wanted) -> AtlasError | SpaceError:
    """Write the letter about an atlas that is not in this space, or not in any."""
    spaces = {_space(file) for file in _images(wanted)}
    if spaces:
        return SpaceError(
            f"There is no {wanted} in {wanted.space or 'the native space of a run'}; there is one "
            f"in {', '.join(sorted(filter(None, spaces)))}. Choose runs with --space, or give the "
            f"path of an image in the space of the run.{_about_maps(wanted)}"
        )
    near = _near(_spell(wanted.identity))
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    return AtlasError(
        f"There is no atlas {wanted} in {_list(wanted.homes)}, and TemplateFlow has none. {hint}"
        "An atlas of your own can be given by the path of its image."
    )


def _about_maps(wanted: _Wanted) -> str:
    """Point from labels to maps of the same name, if the space has those."""
    maps = _images(replace(wanted, kind="probseg"))
    if wanted.kind == "dseg" and any(_space(file) == wanted.space for file in maps):
        return f" As probability maps it is there: {_spell(wanted.identity)}_probseg."
    return ""


def _near(name: str) -> list[str]:
    """Suggest atlases with nearly this name, those of the same atlas first."""
    images = [entities_in(file) for file in templates.published() if ".nii" in file]
    names = sorted({_spell(identity(entities)) for entities in images if "atlas" in entities})
    of_atlas = [other for other in names if other.split("_")[0] == name.split("_")[0]]
    return difflib.get_close_matches(name, of_atlas or names, n=3, cutoff=0.5)


# --- the atlas -----------------------------------------------------------------------------------


def _build(image: Path, table: Path | None) -> Atlas:
    """Read image and table, and hold them against each other."""
    entities = _output_entities(image)
    name, space = _spell(entities), _space(image)
    lut, warnings = name_regions(image, table)
    if space is None:
        warnings.append(
            f"The name of {image.name} does not say which space it is in (no tpl- or space-); "
            "whether it fits the runs could not be checked."
        )
    elif space in NATIVE_SPACES and not owner_of(image):
        warnings.append(
            f"{image.name}: {space} is the space of one brain; it is taken as it is for every run "
            f"in {space}. What has sub- in its name is taken for its own participant only."
        )
    return Atlas(
        name=name,
        entities=tuple(entities.items()),
        image=image,
        lut=lut,
        space=space,
        source=templates.uri(image) or str(image),
        sha256=_sha256(image),
        warnings=(*lut.warnings, *warnings),
        kind=kind_of(image),
    )


def _output_entities(image: Path) -> dict[str, str]:
    """Entities for the outputs; regions that are not from a known atlas are a segmentation."""
    found = identity(entities_in(image.name))
    stem = re.sub("[^0-9a-zA-Z]", "", image.name.split(".")[0].removesuffix("_probseg"))
    return found if {"atlas", "seg"} & set(found) else {"seg": stem or "regions"} | found


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
