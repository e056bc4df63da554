"""Atlases on surfaces: read, and their regions named after their files or a table beside them.

Files of labels on surfaces name their regions themselves, and hemispheres may use the same keys
for different ones. Tables count regions in other ways as often as not (by the colours of
FreeSurfer, or through all atlases of a pack). So the rows of a table find their regions by the
names that the files have for them, and by keys only where those fit all of them, and contradict
no name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask.columns.surface_labels import SurfaceLabels, read_surface_labels
from bidsmask.columns.surface_maps import SurfaceMaps, read_surface_maps
from bidsmask.columns.table import BACKGROUND_NAMES, MISSING, LookUpTable, columns_of, read_rows
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.cifti import read_cifti
from bidsmask.images.gifti import array_names

_NO_REGION = re.compile(
    r"(.*[-_])?unknown|(.*[-_])?background.*|.*medial[-_ ]?wall.*", re.IGNORECASE
)
_NAME_TITLES = ("cifti_label", "label_7network", "name", "label")
_SIDE_TITLES = ("hemi", "hemisphere")
_SIDES = {"l": "L", "lh": "L", "left": "L", "r": "R", "rh": "R", "right": "R"}
_FEW = 10


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of a table."""

    index: str
    side: str
    names: tuple[str, ...]
    shown: str

    @property
    def is_no_region(self) -> bool:
        return _is_no_region(self.shown)


@dataclass(frozen=True, kw_only=True)
class _Region:
    """A region as the files have it."""

    id: int
    key: str
    side: str
    name: str
    n_places: int


def read_labels_of(
    files: Sequence[Path], *, space: str | None, meshes: Mapping[str, int]
) -> SurfaceLabels:
    """Read the labels of an atlas, and cut them to coarser meshes.

    Parameters
    ----------
    files : sequence of Path
        A ``.dlabel.nii`` file, or both hemispheres.
    space : str or None
    meshes : mapping of str to int
        How many vertices a structure is to have; see `Grayordinates.first_vertices`.

    Raises
    ------
    AtlasError
        If a file cannot be used.
    """
    try:
        labels = read_surface_labels(_given(files), space=space)
    except (ImageError, SpaceError) as error:
        raise AtlasError(str(error)) from error
    return labels.on_first_vertices(meshes)


def read_maps_of(
    files: Sequence[Path], *, space: str | None, meshes: Mapping[str, int]
) -> SurfaceMaps:
    """Read the maps of an atlas; see `read_labels_of`."""
    try:
        maps = read_surface_maps(_given(files), space)
    except (ImageError, SpaceError) as error:
        raise AtlasError(str(error)) from error
    return maps.on_first_vertices(meshes)


def map_names_in(files: Sequence[Path]) -> tuple[str, ...]:
    """Read what files call their maps; nothing where they do not name all of them.

    Parameters
    ----------
    files : sequence of Path
        A CIFTI file, or GIFTI files of hemispheres.

    Raises
    ------
    AtlasError
        If both hemispheres have the same names in different orders: maps would be put together
        of two.
    """
    if files[0].name.endswith(".nii"):
        return read_cifti(files[0]).axes.map_names
    first, *others = map(array_names, files)
    if any(sorted(each) == sorted(first) and each != first for each in others):
        raise AtlasError(
            f"{_called(files)} have the same maps in different orders ({_some(first)}; "
            f"{_some(others[0])}). Put them into one order."
        )
    return first if all(first) and all(each == first for each in others) else ()


def name_surface_regions(
    labels: SurfaceLabels, files: Sequence[Path], table: Path | None
) -> tuple[LookUpTable, list[str]]:
    """Name the regions of an atlas: after its files, or after a table of them.

    Parameters
    ----------
    labels : SurfaceLabels
    files : sequence of Path
        They were read from.
    table : Path or None

    Returns
    -------
    lut : LookUpTable
        In the order of the table, if there is one; then the regions that it does not name, under
        their own names. Its ids are those of `labels`. Rows without a region have columns, too.
    warnings : list of str
        How files and table differ, and which regions have no vertex.

    Raises
    ------
    AtlasError
        If the table cannot be read, or names none of the regions.
    """
    regions, warnings = _regions(labels, files)
    if table is None:
        lut = _without_table(labels.table, regions)
    else:
        try:
            lut, said = _with_table(labels.table, regions, *_rows(table))
        except AtlasError as error:
            raise AtlasError(f"{table}: {error}") from error
        warnings += [f"{table.name}: {text}" for text in said]
    empty = _without_places(lut, regions)
    if empty:
        warnings.append(
            f"Regions without a vertex in {_called(files)}; their columns are n/a: {_some(empty)}."
        )
    return lut, warnings


def _given(files: Sequence[Path]) -> Any:
    return list(files) if len(files) > 1 else files[0]


# --- regions -------------------------------------------------------------------------------------


def _regions(labels: SurfaceLabels, files: Sequence[Path]) -> tuple[list[_Region], list[str]]:
    """List the regions, without those that are called as none is called."""
    table, further = labels.table, dict(labels.table.columns)
    nothing = (MISSING,) * len(table.ids)
    counts = np.bincount(labels.codes, minlength=len(table.ids) + 1)[1:].tolist()
    found = [
        _Region(id=id_, key=key, side=side, name=name, n_places=count)
        for id_, key, side, name, count in zip(
            table.ids,
            further.get("key", tuple(map(str, table.ids))),
            further.get("hemisphere", nothing),
            table.names,
            counts,
            strict=True,
        )
    ]
    left_out = [each for each in found if _is_no_region(_bare(each))]
    if len(left_out) == len(found):
        raise AtlasError(f"{_called(files)}: all regions are called as the background is.")
    said = [f"{each.name} (key {each.key}, {each.n_places} places)" for each in left_out]
    warning = f"{_called(files)}: not taken for regions, as they are called so: {_some(said)}."
    kept = [each for each in found if each not in left_out]
    return kept, [warning] if any(each.n_places for each in left_out) else []


def _is_no_region(name: str) -> bool:
    bare = name.strip().lower()
    return bare in BACKGROUND_NAMES or _NO_REGION.fullmatch(bare) is not None


def _bare(region: _Region) -> str:
    """The name in the file, before it was told apart from that of the other hemisphere."""
    return region.name.removeprefix(f"{region.side}_")


def _without_places(lut: LookUpTable, regions: Sequence[_Region]) -> list[str]:
    filled = {each.id for each in regions if each.n_places}
    return [name for id_, name in zip(lut.ids, lut.names, strict=True) if id_ not in filled]


def _without_table(table: LookUpTable, regions: Sequence[_Region]) -> LookUpTable:
    kept = {each.id for each in regions}
    rows = [row for row, id_ in enumerate(table.ids) if id_ in kept]
    return LookUpTable(
        ids=tuple(table.ids[row] for row in rows),
        names=tuple(table.names[row] for row in rows),
        columns=tuple(
            (title, tuple(cells[row] for row in rows)) for title, cells in table.columns
        ),
        warnings=table.warnings,
    )


# --- regions and rows ----------------------------------------------------------------------------


def _rows(path: Path) -> tuple[list[_Row], dict[str, tuple[str, ...]]]:
    """Read the rows of a table, and what else it says about each."""
    columns = columns_of(*read_rows(path))
    titles = [title for title in _NAME_TITLES if title in columns]
    shown = next((title for title in ("name", "label") if title in columns), None)
    if shown is None:
        raise AtlasError(f"There is no column 'name'; columns found: {', '.join(columns)}.")
    side = next((columns[title] for title in _SIDE_TITLES if title in columns), None)
    index = columns.pop("index", None)
    rows = [
        _Row(
            index="" if index is None else index[row].removesuffix(".0"),
            side="" if side is None else _SIDES.get(side[row].lower(), ""),
            names=tuple(columns[title][row] for title in titles if columns[title][row] != MISSING),
            shown=name if name != MISSING else "",
        )
        for row, name in enumerate(columns[shown])
    ]
    nameless = [number for number, row in enumerate(rows, start=1) if not row.shown]
    if nameless:
        raise AtlasError(f"Row {nameless[0]} has no name; every region needs one.")
    del columns[shown]
    return rows, columns


def _with_table(
    table: LookUpTable,
    regions: Sequence[_Region],
    rows: Sequence[_Row],
    columns: Mapping[str, tuple[str, ...]],
) -> tuple[LookUpTable, list[str]]:
    region_of = _matched(rows, regions)
    kept = [n for n, row in enumerate(rows) if n in region_of or not row.is_no_region]
    named = {each.id for each in region_of.values()}
    others = [each for each in regions if each.id not in named]
    ids = [*_ids([region_of.get(n) for n in kept], table.ids), *(each.id for each in others)]
    sides = [*(rows[n].side or _side(region_of.get(n)) for n in kept), *map(_side, others)]
    names = _apart([*(rows[n].shown for n in kept), *(each.name for each in others)], sides, ids)
    further = {
        title: (*(cells[n] or MISSING for n in kept), *(MISSING for _ in others))
        for title, cells in columns.items()
        if title not in _SIDE_TITLES
    }
    if any(sides):
        further["hemisphere"] = tuple(side or MISSING for side in sides)
    lut = LookUpTable(
        ids=tuple(ids), names=names, columns=tuple(further.items()), warnings=table.warnings
    )
    return lut, list(_differences(rows, kept, region_of, others))


def _differences(
    rows: Sequence[_Row],
    kept: Sequence[int],
    region_of: Mapping[int, _Region],
    others: Sequence[_Region],
) -> list[str]:
    said = []
    absent = [rows[n].shown for n in kept if n not in region_of]
    if absent:
        said.append(f"rows whose region is in no file: {_some(absent)}.")
    if others:
        names = [f"{each.name} (key {each.key})" for each in others]
        said.append(
            f"no row for these regions, which keep the names of the files: {_some(names)}."
        )
    return said


def _matched(rows: Sequence[_Row], regions: Sequence[_Region]) -> dict[int, _Region]:
    """Find the region of each row: by the names of the files, or else by their keys."""
    by_name = _joined(rows, regions, lambda row: row.names, _bare)
    if len(by_name) == len(regions):
        return by_name
    by_key = _joined(rows, regions, lambda row: (row.index,), lambda region: region.key)
    agree = all(region.key == rows[number].index for number, region in by_name.items())
    found = by_key if agree and len(by_key) == len(regions) else by_name
    if not found:
        raise AtlasError(
            f"None of its rows ({_some([row.shown for row in rows])}) names a region of the "
            f"files ({_some([each.name for each in regions])}). A column 'cifti_label' may say "
            "what the files call the region of a row."
        )
    return found


def _joined(
    rows: Sequence[_Row],
    regions: Sequence[_Region],
    words: Callable[[_Row], Sequence[str]],
    word: Callable[[_Region], str],
) -> dict[int, _Region]:
    """Join rows and regions that have a word in common, and do not lie on different sides."""
    of_word: dict[str, list[_Region]] = {}
    for region in regions:
        for spelled in {word(region).strip(), region.name}:
            of_word.setdefault(spelled, []).append(region)
    found: dict[int, _Region] = {}
    taken: set[int] = set()
    for number, row in enumerate(rows):
        fitting = [
            each
            for spelled in words(row)
            for each in of_word.get(spelled.strip(), [])
            if each.id not in taken and (not row.side or row.side == each.side or not _side(each))
        ]
        if fitting:
            found[number] = fitting[0]
            taken.add(fitting[0].id)
    return found


def _side(region: _Region | None) -> str:
    return "" if region is None or region.side == MISSING else region.side


def _ids(found: Sequence[_Region | None], taken: Sequence[int]) -> list[int]:
    """Ids of the regions of rows; rows without one get numbers that no region has."""
    free = iter(range(max(taken) + 1, max(taken) + 1 + len(found)))
    return [next(free) if each is None else each.id for each in found]


def _apart(names: Sequence[str], sides: Sequence[str], ids: Sequence[int]) -> tuple[str, ...]:
    """Tell names apart as `read_surface_labels` does: by the hemisphere, or else by the key."""
    told = list(names)
    if len(set(told)) < len(told):
        told = [
            f"{side}_{name}" if side and not name.startswith(f"{side}_") else name
            for side, name in zip(sides, told, strict=True)
        ]
    repeated = {name for name, count in Counter(told).items() if count > 1}
    return tuple(
        f"{name} ({id_})" if name in repeated else name
        for name, id_ in zip(told, ids, strict=True)
    )


def _called(files: Sequence[Path]) -> str:
    return " and ".join(file.name for file in files)


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:_FEW]) + (", ..." if len(items) > _FEW else "")
