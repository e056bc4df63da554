"""The names of an atlas' regions: the table that belongs to an image, held against it.

A table stands beside its image, in a folder above it (inheritance), with another copy of the
atlas, or in the templateflow package. Maps may have their names in a JSON sidecar instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bidsmask.columns.regions import labels_in, read_labels
from bidsmask.columns.table import (
    LookUpTable,
    map_lut_from_rows,
    read_lut,
    read_map_lut,
    table_from_labels,
    table_from_maps,
)
from bidsmask.dataset import templates
from bidsmask.dataset.atlas_files import (
    is_on_surfaces,
    kind_of,
    name_of_both,
    space_in,
    stem_of,
)
from bidsmask.dataset.sidecars import read_json
from bidsmask.dataset.templates import entities_in, identity, space_of
from bidsmask.errors import AtlasError, ImageError, SidecarError
from bidsmask.images.grayordinates import common_name
from bidsmask.images.io import open_image


def name_regions(image: Path, table: Path | None) -> tuple[LookUpTable, list[str]]:
    """Read the names of the labels of a volume, of which there must be one for each.

    Returns
    -------
    lut : LookUpTable
    warnings : list of str
        How image and table differ, or that there is no table.

    Raises
    ------
    AtlasError
        If image or table cannot be used, or do not fit each other.
    """
    labels = _labels_in(image)
    if table is None:
        warning = f"No look-up table beside {image.name}; its regions are called label-<id>."
        return table_from_labels(labels), [warning]
    lut = _read_table(image, table)
    nameless = sorted(set(labels) - set(lut.ids))
    if nameless:
        raise AtlasError(
            f"{table}: no row for {len(nameless)} of the {len(labels)} labels of {image.name}: "
            f"{_some(nameless)}. The table must name every label of the image."
        )
    absent = sorted(set(lut.ids) - set(labels))
    warning = f"Labels of {table.name} without a voxel in {image.name}: {_some(absent)}."
    return lut, [warning] if absent else []


def name_maps(
    image: Path, table: Path | None, n_maps: int, own: Sequence[str] = ()
) -> tuple[LookUpTable, list[str]]:
    """Name maps: after their table, ``LabelMap`` in the sidecar, or the file; or number them.

    Parameters
    ----------
    image : Path
    table : Path or None
    n_maps : int
    own : sequence of str
        What the file itself calls them.

    Returns
    -------
    lut : LookUpTable
    warnings : list of str
        That there is no table.

    Raises
    ------
    AtlasError
        If table or sidecar cannot be used, or have not one name for each map.
    """
    origin = table or _beside(image, ".json")
    lut = _read_table(image, table) if table else _label_map(origin)
    if lut is None and any(own):
        return map_lut_from_rows(["name"], [[name] for name in own]), []
    if lut is None:
        warning = f"No table and no LabelMap beside {image.name}; its maps are called map-<n>."
        return table_from_maps(n_maps), [warning]
    if len(lut.names) != n_maps:
        raise AtlasError(
            f"{origin} has names for {len(lut.names)} maps, but there are {n_maps} in "
            f"{image.name}. Each map needs a name, in the order of the maps."
        )
    return lut, []


def table_beside(image: Path) -> Path | None:
    """Find the table of an image: of its own name, or of one that says less (inheritance).

    Raises
    ------
    AtlasError
        If two tables are as good.
    """
    return _beside(image, ".tsv", ".csv")


def table_elsewhere(image: Path, homes: Sequence[Path]) -> Path | None:
    """Find the table of a named atlas in another folder, or in the templateflow package.

    Where the template has none, that of another template will do: an atlas has the same labels
    and names in all of them.

    Parameters
    ----------
    image : Path
        Of the atlas; or its left hemisphere.
    homes : sequence of Path
        Folders with ``tpl-*`` folders in them.
    """
    atlas, kind, space = identity(entities_in(image.name)), kind_of(image), space_in(image)
    here = [file for home in homes for file in _files_in(home, f"tpl-*/*_{kind}.tsv")]
    best = _best_table([str(file) for file in here if _is_of(file, space)], atlas)
    if best is not None:
        return Path(best)
    extension = ".gii" if is_on_surfaces(image) else ".nii.gz"
    packed = templates.published_tables(atlas, kind, extension)
    packed.sort(key=lambda name: not _is_of(Path(name), space))
    best = _best_table(packed, atlas)
    return None if best is None else templates.packaged_table(best)


# --- names and image -----------------------------------------------------------------------------


def _label_map(sidecar: Path | None) -> LookUpTable | None:
    """Read ``LabelMap``: the names of the maps in their order, as BIDS has them in JSON."""
    try:
        names = None if sidecar is None else read_json(sidecar).get("LabelMap")
    except SidecarError as error:
        raise AtlasError(str(error)) from error
    if names is None:
        return None
    if not _is_list_of_text(names):
        raise AtlasError(f"{sidecar}: LabelMap is no list of names, one for each map.")
    try:
        return map_lut_from_rows(["name"], [[name] for name in names])
    except AtlasError as error:
        raise AtlasError(f"{sidecar}, LabelMap: {error}") from error


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _read_table(image: Path, table: Path) -> LookUpTable:
    try:
        return read_lut(table) if kind_of(image) == "dseg" else read_map_lut(table)
    except AtlasError as error:
        own = image.with_name(stem_of(image) + ".tsv")
        if str(own) == str(table):
            raise
        raise AtlasError(f"{error} A corrected table may stand beside the image: {own}") from error


def _some(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")


def count_volumes(image: Path) -> int:
    """Number of volumes, as the header has it."""
    try:
        shape = open_image(image).shape
    except ImageError as error:
        raise AtlasError(str(error)) from error
    if any(size > 1 for size in shape[4:]):
        raise AtlasError(f"{image} has {len(shape)} axes {shape}; maps lie along the fourth.")
    return int(shape[3]) if len(shape) > 3 else 1


def _labels_in(image: Path) -> list[int]:
    n_volumes = count_volumes(image)
    if n_volumes > 1:
        raise AtlasError(
            f"{image} holds {n_volumes} volumes; a label image has one. If they are maps with "
            "weights, let the name of the image say so: <name>_probseg.nii.gz."
        )
    try:
        values, _ = read_labels(image)
    except ImageError as error:
        raise AtlasError(str(error)) from error
    labels: list[int] = labels_in(values).tolist()
    if labels[0] < 0:
        raise AtlasError(f"{image}: {labels[0]} is no label, labels are not negative.")
    if labels == [0]:
        raise AtlasError(f"{image}: there are no regions, every voxel is 0.")
    return [label for label in labels if label != 0]


# --- where tables are ----------------------------------------------------------------------------


def _beside(image: Path, *extensions: str) -> Path | None:
    """Find what belongs to an image; only the first of these extensions is inherited."""
    for extension in extensions:
        for one in (image, name_of_both(image)):
            own = one.with_name(stem_of(one) + extension)
            if own.is_file():
                return own
    for folder in _levels(image):
        best = _most_specific(image, _files_in(folder, f"*{kind_of(image)}{extensions[0]}"))
        if best is not None:
            return best
    return None


def _files_in(folder: Path, pattern: str) -> list[Path]:
    """List the files that are more than an empty stand-in."""
    files = sorted(folder.glob(pattern))
    return [file for file in files if file.is_file() and file.stat().st_size > 0]


def _levels(image: Path) -> Iterator[Path]:
    """Go through the folder of an image and those above it, up to the root of a dataset."""
    folder = image.parent
    yield folder
    while re.fullmatch(r"anat|func|(tpl|cohort|atlas)-.*", folder.name):
        folder = folder.parent
        yield folder


def _most_specific(image: Path, files: Iterable[Path]) -> Path | None:
    """Choose the file that says most about an image, and nothing that contradicts it."""
    entities = entities_in(image.name)
    fitting = [file for file in files if _is_about(entities_in(file.name), entities)]
    said = [len(entities_in(file.name)) for file in fitting]
    best = [file for file, n in zip(fitting, said, strict=True) if n == max(said)]
    if len(best) > 1:
        raise AtlasError(
            f"{image}: the names of its regions may be in {best[0].name} or {best[1].name}. "
            "Give the right one the name of the image."
        )
    return best[0] if best else None


def _is_about(table: Mapping[str, str], image: Mapping[str, str]) -> bool:
    """Whether a table names the atlas of an image, and has no entity that differs."""
    atlas = identity(table)
    others = {key: label for key, label in table.items() if key not in {"desc", *atlas}}
    return bool(atlas) and _within(atlas, identity(image)) and _within(others, image)


def _within(part: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    return part.items() <= whole.items()


def _best_table(names: Iterable[str], atlas: Mapping[str, str]) -> str | None:
    """Choose the table that says most about an atlas; the first of several that say as much."""
    fitting = [
        name
        for name in names
        if "atlas" in entities_in(name) and _within(identity(entities_in(name)), atlas)
    ]
    return max(fitting, key=lambda name: len(identity(entities_in(name))), default=None)


def _is_of(table: Path, space: str | None) -> bool:
    return common_name(space_of(entities_in(table.name))) == common_name(space)
