"""What the name of an atlas' file says: labels or maps, of a volume or of surfaces, and where.

An atlas is one image of a volume, one CIFTI file, or a pair of files of one hemisphere each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bidsmask.columns.surface_labels import read_annotation
from bidsmask.dataset.templates import Kind, entities_in, space_of
from bidsmask.errors import AtlasError, ImageError
from bidsmask.images.cifti import read_cifti
from bidsmask.images.gifti import count_vertices, hemisphere_in_name, other_hemisphere
from bidsmask.images.grayordinates import LEFT, RIGHT, common_name
from bidsmask.images.io import open_image

VOLUMES = (".nii.gz", ".nii")
_CIFTI = {"dseg": ".dlabel.nii", "probseg": ".dscalar.nii"}
_GIFTI = {"dseg": (".label.gii", ".annot"), "probseg": (".shape.gii", ".func.gii")}
_HEMISPHERES = (
    *_GIFTI["dseg"],
    *_GIFTI["probseg"],
    *(f"{name}.gii.gz" for name in (".label", ".shape", ".func")),
)
SURFACES = (*_CIFTI.values(), *_HEMISPHERES)
ATLAS_EXTENSIONS = (*VOLUMES, *SURFACES)

DENSITIES = {
    "3k": 2562,
    "10k": 10242,
    "32k": 32492,
    "41k": 40962,
    "59k": 59292,
    "164k": 163842,
    "655k": 655362,
    "91k": 32492,
    "170k": 59292,
}
"""Vertices of a hemisphere, by the label of ``den``; CIFTI files count all of their places."""

_OF_HCP = re.compile(r"(?:^|[._])(?:\d+k_)?fs_LR(?:[._]|$)")
_OTHER_CIFTI = re.compile(r"\.(dtseries|plabel|pscalar|ptseries|pconn|dconn)\.nii(\.gz)?$")


def kind_of(image: Path) -> Kind:
    """Whether an image holds labels or maps, by its name."""
    if is_on_surfaces(image):
        maps = (_CIFTI["probseg"], *_GIFTI["probseg"])
        return "probseg" if image.name.removesuffix(".gz").endswith(maps) else "dseg"
    return "probseg" if "_probseg." in image.name else "dseg"


def is_on_surfaces(image: Path | str) -> bool:
    """Whether a file is of surfaces (perhaps with voxels), and not of a volume, by its name."""
    return str(image).endswith(SURFACES)


def space_in(image: Path) -> str | None:
    """Name the space of a file by its name, be it BIDS', HCP's or FreeSurfer's.

    Examples
    --------
    >>> space_in(Path("tpl-fsaverage_hemi-L_den-164k_atlas-A_dseg.label.gii"))
    'fsaverage'
    >>> space_in(Path("Gordon333.32k_fs_LR.dlabel.nii"))
    'fsLR'
    >>> space_in(Path("subjects/fsaverage5/label/lh.aparc.annot"))
    'fsaverage'
    """
    entities = entities_in(image.name)
    space = space_of(entities)
    if not is_on_surfaces(image):
        return space
    if space is None and "sub" in entities and image.name.endswith(_HEMISPHERES):
        return "fsnative"  # of which fMRIPrep says nothing in names
    if space is None and _OF_HCP.search(image.name):
        return "fsLR"
    if space is None and image.parent.name == "label":  # of a subject of FreeSurfer's
        is_average = common_name(image.parent.parent.name) == "fsaverage"
        return "fsaverage" if is_average else "fsnative"
    return common_name(space)


def vertices_in(image: Path) -> int | None:
    """Read off the name how many vertices a hemisphere has; None: the name does not say."""
    return DENSITIES.get(entities_in(image.name).get("den", ""))


def meshes_of(files: Sequence[Path]) -> dict[str, int]:
    """Count the vertices of the mesh of each structure; little more than a header is read.

    Raises
    ------
    ImageError
        If a file is missing or damaged.
    """
    if len(files) == 1:
        return read_cifti(files[0]).axes.grayordinates.meshes
    return {side: _count(file) for side, file in zip((LEFT, RIGHT), files, strict=True)}


def _count(file: Path) -> int:
    return read_annotation(file)[0].size if file.name.endswith(".annot") else count_vertices(file)


def stem_of(image: Path) -> str:
    """Give the name of a file without its extension.

    Examples
    --------
    >>> stem_of(Path("my_rois.nii.gz")), stem_of(Path("lh.aparc.a2009s.annot"))
    ('my_rois', 'lh.aparc.a2009s')
    """
    name = image.name
    found = [extension for extension in (*SURFACES, *VOLUMES) if name.endswith(extension)]
    return name.removesuffix(found[0]) if found else name


def name_of_both(image: Path) -> Path:
    """Name what belongs to both hemispheres, after the file of one of them.

    Examples
    --------
    >>> str(name_of_both(Path("tpl-fsaverage_hemi-L_den-10k_dseg.label.gii")))
    'tpl-fsaverage_den-10k_dseg.label.gii'
    >>> str(name_of_both(Path("lh.aparc.annot")))
    'aparc.annot'
    """
    if not image.name.endswith(_HEMISPHERES):
        return image
    other = other_hemisphere(image).name
    parts, others = (re.split("([._-])", name) for name in (image.name, other))
    kept = [part for part, theirs in zip(parts, others, strict=True) if part == theirs]
    without = "".join(kept).replace("hemi-_", "_").replace("hemi-.", ".")
    return image.with_name(re.sub(r"[._-](?=[._-])|^[._-]", "", without))


def files_at(path: Path) -> tuple[Path, ...]:
    """Give the files of an atlas, of which one is given: the other hemisphere lies beside it.

    Returns
    -------
    files : tuple of Path
        One image, or the left hemisphere and the right one.

    Raises
    ------
    AtlasError
        If it is not there or cannot be an atlas, or a hemisphere is missing.
    """
    _check(path)
    if not path.name.endswith(_HEMISPHERES):
        return (path,)
    side = hemisphere_in_name(path)
    if side is None:
        raise AtlasError(
            f"{path}: its name does not say which hemisphere it is of, nor what the other one is "
            "called. Name the pair with hemi-L_ and hemi-R_, or with lh. and rh."
        )
    other = other_hemisphere(path)
    if not other.is_file():
        raise AtlasError(
            f"{path} is of one hemisphere, and there is no {other.name} beside it. Put the file "
            "of the other hemisphere there; an atlas on surfaces has both."
        )
    return (path, other) if side == LEFT else (other, path)


def leading(path: Path) -> Path:
    """Give the file that stands for both hemispheres, which is the left one, if it is there."""
    if not path.name.endswith(_HEMISPHERES) or hemisphere_in_name(path) != RIGHT:
        return path
    left = other_hemisphere(path)
    return left if left.is_file() else path


def in_pairs(files: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Put the two hemispheres of each atlas together; one without the other is left out.

    Names are matched by their entities, whichever order these have.
    """
    alone: list[tuple[Path, ...]] = []
    sides: dict[tuple[object, ...], dict[str, Path]] = {}
    for file in files:
        if not file.name.endswith(_HEMISPHERES):
            alone.append((file,))
            continue
        entities = entities_in(file.name)
        side = entities.pop("hemi", "")
        key = (file.parent, frozenset(entities.items()), file.name.partition(".")[2])
        sides.setdefault(key, {})[side] = file
    return [
        *alone,
        *((pair["L"], pair["R"]) for pair in sides.values() if {"L", "R"} <= set(pair)),
    ]


def is_here(files: Iterable[Path]) -> bool:
    """Whether files are more than the empty stand-ins that TemplateFlow puts up."""
    return all(map(_can_be_opened, files))


def _can_be_opened(image: Path) -> bool:
    if is_on_surfaces(image):
        return image.is_file() and image.stat().st_size > 0
    try:
        open_image(image)
    except ImageError:
        return False
    return True


def _check(path: Path) -> None:
    if not path.name.endswith(ATLAS_EXTENSIONS):
        hint = (
            " Let the name of a GIFTI file say what it holds: .label.gii, .shape.gii or .func.gii."
            if path.name.endswith((".gii", ".gii.gz"))
            else ""
        )
        raise AtlasError(
            f"{path}: expected an image (.nii, .nii.gz, .dlabel.nii, .dscalar.nii, .label.gii, "
            f".shape.gii, .func.gii, .annot), found another file.{hint}"
        )
    if path.is_symlink() and not path.exists():
        raise AtlasError(
            f"{path}: a broken link; its content is not here. Try: datalad get '{path}'"
        )
    if not path.is_file():
        raise AtlasError(f"{path}: there is no such image.")
    if _OTHER_CIFTI.search(path.name):
        raise AtlasError(
            f"{path}: a CIFTI file, but neither of labels nor of maps. An atlas is a .dlabel.nii "
            "or a .dscalar.nii."
        )
    if re.search(r"\.(dlabel|dscalar)\.nii\.gz$", path.name):
        raise AtlasError(f"{path}: CIFTI files are not compressed. Try: gunzip '{path}'")
