"""Atlases: found by name in TemplateFlow folders or by path, with their look-up tables.

A name is ``<atlas>[_seg-<label>][_scale-<label>]``, as BIDS 1.11 spells it; TemplateFlow's older
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bidsmask.columns.regions import load_labels
from bidsmask.columns.table import LookUpTable, read_lut, table_from_labels
from bidsmask.dataset import templates
from bidsmask.dataset.entities import is_label
from bidsmask.dataset.templates import entities_in, identity, space_of, template_homes
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.io import open_image
from bidsmask.numerics.affine import voxel_sizes

__all__ = ["Atlas", "check_space", "find_atlas", "template_homes"]

_EXTENSIONS = (".nii.gz", ".nii")
_EXAMPLE = "Schaefer2018_seg-7n_scale-400"


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """A label image in a space, with a name for each label.

    Parameters
    ----------
    name : str
        For messages and the command line: ``Schaefer2018_seg-7n_scale-400``.
    entities : tuple of (entity, label)
        Those of ``atlas``, ``seg`` and ``scale`` that it has, for the names of outputs.
    image : Path
        Label image (3D NIfTI).
    lut : LookUpTable
        Labels and names of the regions, in the order of the columns of every output.
    space : str or None
        The template it lies in; None if its file name does not say.
    source : str
        BIDS URI (``bids:templateflow:...``) of a TemplateFlow file, else the path.
    sha256 : str
        Of the image file.
    warnings : tuple of str
        What a reader of the results should know.
    """

    name: str
    entities: tuple[tuple[str, str], ...]
    image: Path
    lut: LookUpTable
    space: str | None
    source: str
    sha256: str
    warnings: tuple[str, ...] = ()


def find_atlas(
    name_or_path: str | Path,
    *,
    space: str | None,
    homes: Sequence[Path],
    download: bool,
    voxel_sizes_mm: Sequence[float] | None = None,
) -> Atlas:
    """Find an atlas and its look-up table, and hold the two against each other.

    Parameters
    ----------
    name_or_path : str or Path
        A label image (``.nii``, ``.nii.gz``; its table beside it), or the name of an atlas.
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
        If the atlas is unknown, not to be had, of a kind that is not supported, or damaged.
    SpaceError
        If the atlas exists, but not in the space of the run.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(_EXTENSIONS) or "/" in text:
        image = _check_path(Path(name_or_path)).absolute()
        return _build(image, _table_beside(image))
    wanted = _parse_name(text)
    image = _find_image(wanted, space, homes, download, voxel_sizes_mm)
    return _build(image, _table_beside(image) or _table_elsewhere(wanted, space, homes))


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


def _parse_name(text: str) -> dict[str, str]:
    """Read the identity of an atlas from what a user typed."""
    name = text.removeprefix("atlas-").removesuffix("_dseg")
    if name.endswith("_probseg"):
        raise _not_supported(text)
    atlas, *others = name.split("_")
    pairs = [part.partition("-") for part in others]
    known = all(key in ("seg", "scale", "desc") and is_label(label) for key, _, label in pairs)
    if not (is_label(atlas) and known):
        raise AtlasError(
            f"{text!r} is neither a label image (.nii, .nii.gz) nor the name of an atlas "
            f"(<atlas>[_seg-<label>][_scale-<label>], such as {_EXAMPLE})."
        )
    return identity(entities_in(f"atlas-{name}"))


def _spell(wanted: Mapping[str, str]) -> str:
    """Write the name of an atlas as a user would type it."""
    return "_".join(f"{key}-{label}" for key, label in wanted.items()).removeprefix("atlas-")


def _not_supported(name: str) -> AtlasError:
    near = _near(name) or [_EXAMPLE]
    return AtlasError(
        f"{name} is a set of probability maps (probseg). These are not supported yet; choose an "
        f"atlas of labels (dseg), such as {', '.join(near)}."
    )


# --- the image -----------------------------------------------------------------------------------


def _check_path(path: Path) -> Path:
    """Refuse what cannot be a label image."""
    if not path.name.endswith(_EXTENSIONS):
        raise AtlasError(f"{path}: expected a label image (.nii, .nii.gz), found another file.")
    if path.is_symlink() and not path.exists():
        raise AtlasError(
            f"{path}: a broken link; its content is not here. Try: datalad get '{path}'"
        )
    if not path.is_file():
        raise AtlasError(f"{path}: there is no such label image.")
    if re.search(r"\.(dlabel|dscalar|dtseries|plabel|pscalar|ptseries)\.nii$", path.name):
        raise AtlasError(f"{path}: CIFTI files are not supported; give an image of a volume.")
    if "_probseg." in path.name:
        raise _not_supported(path.name)
    return path


def _find_image(
    wanted: Mapping[str, str],
    space: str | None,
    homes: Sequence[Path],
    download: bool,
    voxel_sizes_mm: Sequence[float] | None,
) -> Path:
    """Find the image of an atlas in a space; of several resolutions, the best one."""
    found = [file for file in _local_images(wanted, homes) if _space(file) == space]
    usable = [file for file in found if _can_be_opened(file)]
    if usable:
        return min(usable, key=lambda file: _rank(file.name, _zooms(file), voxel_sizes_mm))
    names = templates.published_images(wanted, space)
    if not names:
        raise _unknown(wanted, space, homes)
    name = min(names, key=lambda name: _rank(name, _published_zooms(name), voxel_sizes_mm))
    if not download:
        raise _not_here(name, homes, "Downloads are off.")
    return _download(name, homes)


def _local_images(wanted: Mapping[str, str], homes: Sequence[Path]) -> Iterator[Path]:
    """All images of an atlas in TemplateFlow folders and BIDS-Atlas datasets, in any space."""
    name = f"atlas-{wanted['atlas']}"
    for home in homes:
        for folder in ("tpl-*", "tpl-*/cohort-*", "tpl-*/anat", "tpl-*/cohort-*/anat", name):
            for file in sorted(home.glob(f"{folder}/*{name}_*dseg.nii*")):
                if identity(entities_in(file.name)) == wanted and file.name.endswith(_EXTENSIONS):
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


def _unknown(
    wanted: Mapping[str, str], space: str | None, homes: Sequence[Path]
) -> AtlasError | SpaceError:
    """Write the letter about an atlas that is not in this space, or not in any."""
    name = _spell(wanted)
    same = [file for file in templates.published() if identity(entities_in(file)) == wanted]
    images = [Path(file) for file in same if "_dseg.nii" in file]
    images += [file for file in _local_images(wanted, homes) if _can_be_opened(file)]
    spaces = {_space(file) for file in images}
    if spaces:
        return SpaceError(
            f"There is no {name} in {space or 'the native space of a run'}; there is one in "
            f"{', '.join(sorted(filter(None, spaces)))}. Choose runs with --space, or give the "
            "path of an image in the space of the run."
        )
    if any("_probseg.nii" in file for file in same) or wanted["atlas"] == "DiFuMo":
        return _not_supported(name)
    near = _near(name)
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    return AtlasError(
        f"There is no atlas {name} in {_list(homes)}, and TemplateFlow has none. {hint}"
        "An atlas of your own can be given by the path of its image."
    )


def _near(name: str) -> list[str]:
    """Suggest label atlases with nearly this name, those of the same atlas first."""
    images = [entities_in(file) for file in templates.published() if "_dseg.nii" in file]
    names = sorted({_spell(identity(entities)) for entities in images if "atlas" in entities})
    of_atlas = [other for other in names if other.split("_")[0] == name.split("_")[0]]
    return difflib.get_close_matches(name, of_atlas or names, n=3, cutoff=0.5)


# --- the image and its table ---------------------------------------------------------------------


def _build(image: Path, table: Path | None) -> Atlas:
    """Read image and table, and hold them against each other."""
    entities = _output_entities(image)
    name, space = _spell(entities), _space(image)
    lut, warnings = _names(image, table)
    if space is None:
        warnings.append(
            f"The name of {image.name} does not say which space it is in (no tpl- or space-); "
            "whether it fits the runs could not be checked."
        )
    return Atlas(
        name=name,
        entities=tuple(entities.items()),
        image=image,
        lut=lut,
        space=space,
        source=templates.uri(image) or str(image),
        sha256=_sha256(image),
        warnings=tuple(warnings),
    )


def _output_entities(image: Path) -> dict[str, str]:
    """Entities for the outputs; regions that are not from a known atlas are a segmentation."""
    found = identity(entities_in(image.name))
    stem = re.sub("[^0-9a-zA-Z]", "", image.name.split(".")[0])
    return found if {"atlas", "seg"} & set(found) else {"seg": stem or "regions"} | found


def _names(image: Path, table: Path | None) -> tuple[LookUpTable, list[str]]:
    """Read the look-up table, which must have a row for every label of the image."""
    labels = _labels_in(image)
    if table is None:
        warning = f"No look-up table beside {image.name}; its regions are called label-<id>."
        return table_from_labels(labels), [warning]
    lut = _read_lut(image, table)
    nameless = sorted(set(labels) - set(lut.ids))
    if nameless:
        raise AtlasError(
            f"{table}: no row for {len(nameless)} of the {len(labels)} labels of {image.name}: "
            f"{_some(nameless)}. The table must name every label of the image."
        )
    absent = sorted(set(lut.ids) - set(labels))
    warning = f"Labels of {table.name} without a voxel in {image.name}: {_some(absent)}."
    return lut, [warning] if absent else []


def _read_lut(image: Path, table: Path) -> LookUpTable:
    try:
        return read_lut(table)
    except AtlasError as error:
        own = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")
        if str(own) == str(table):
            raise
        raise AtlasError(f"{error} A corrected table may stand beside the image: {own}") from error


def _some(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")


def _labels_in(image: Path) -> list[int]:
    labels, _ = load_labels(image)
    return [int(label) for label in np.unique(labels) if label != 0]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _table_beside(image: Path) -> Path | None:
    """Find the table of an image: of its own name, or of one that says less (inheritance)."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    for file in (image.with_name(stem + extension) for extension in (".tsv", ".csv")):
        if file.is_file():
            return file
    for folder in _levels(image):
        table = _most_specific(image, _tables_in(folder, "*dseg.tsv"))
        if table is not None:
            return table
    return None


def _tables_in(folder: Path, pattern: str) -> list[Path]:
    """List the tables that are more than an empty stand-in."""
    files = sorted(folder.glob(pattern))
    return [file for file in files if file.is_file() and file.stat().st_size > 0]


def _levels(image: Path) -> Iterator[Path]:
    """Go through the folder of an image and those above it, up to the root of a dataset."""
    folder = image.parent
    yield folder
    while re.fullmatch(r"anat|func|(tpl|cohort|atlas)-.*", folder.name):
        folder = folder.parent
        yield folder


def _most_specific(image: Path, tables: Iterable[Path]) -> Path | None:
    """Choose the table that says most about an image, and nothing that contradicts it."""
    entities = entities_in(image.name)
    fitting = [table for table in tables if _is_about(entities_in(table.name), entities)]
    said = [len(entities_in(table.name)) for table in fitting]
    best = [table for table, n in zip(fitting, said, strict=True) if n == max(said)]
    if len(best) > 1:
        raise AtlasError(
            f"{image}: its look-up table may be {best[0].name} or {best[1].name}. Give the right "
            "one the name of the image."
        )
    return best[0] if best else None


def _is_about(table: Mapping[str, str], image: Mapping[str, str]) -> bool:
    """Whether a table names the atlas of an image, and has no entity that differs."""
    atlas = identity(table)
    others = {key: label for key, label in table.items() if key not in {"desc", *atlas}}
    return bool(atlas) and _within(atlas, identity(image)) and _within(others, image)


def _within(part: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    return part.items() <= whole.items()


def _table_elsewhere(
    wanted: Mapping[str, str], space: str | None, homes: Sequence[Path]
) -> Path | None:
    """Find the table of a named atlas in another folder, or in the templateflow package.

    Where the template has none, that of another template will do: an atlas has the same labels
    and names in all of them.
    """
    here = [file for home in homes for file in _tables_in(home, "tpl-*/*_dseg.tsv")]
    best = _best_table([str(file) for file in here if _space(file) == space], wanted)
    if best is not None:
        return Path(best)
    packed = templates.published_tables(wanted)
    packed.sort(key=lambda name: space_of(entities_in(name)) != space)
    best = _best_table(packed, wanted)
    return None if best is None else templates.packaged_table(best)


def _best_table(names: Iterable[str], wanted: Mapping[str, str]) -> str | None:
    """Choose the table that says most about an atlas; the first of several that say as much."""
    fitting = [
        name
        for name in names
        if "atlas" in entities_in(name) and _within(identity(entities_in(name)), wanted)
    ]
    return max(fitting, key=lambda name: len(identity(entities_in(name))), default=None)
