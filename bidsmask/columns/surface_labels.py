"""Label files of surfaces: which region each grayordinate belongs to, and what it is called.

What the tables of such files get wrong is named, and costs no region: two keys with one name, a
key without a row, a name without a place, and hemispheres that use the same keys for other
regions, or the same regions for both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import BoolArray, IntArray
from bidsmask.columns.coverage import Extent
from bidsmask.columns.regions import Regions, as_labels, codes_of, count_codes, labels_in
from bidsmask.columns.table import BACKGROUND_NAMES, MISSING, LookUpTable
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.cifti import Rows
from bidsmask.images.gifti import hemisphere_in_name
from bidsmask.images.grayordinates import (
    HEMI,
    HEMISPHERES,
    LEFT,
    RIGHT,
    Grayordinates,
    space_in_name,
    whole_meshes,
)
from bidsmask.images.surface_series import open_surfaces
from bidsmask.numerics.projections.regions import voxels_of_labels

_FEW = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceLabels:
    """Regions of grayordinates, and their names.

    Parameters
    ----------
    places : Grayordinates
    codes : int array of shape (V,)
        1 for the first region of the table, 2 for the second ...; 0 is background.
    table : LookUpTable
        Its ids are the keys of the file. Where both hemispheres use the same keys, its ids count
        all regions from 1, and its columns ``hemisphere`` and ``key`` tell them apart. Its
        warnings say what was odd.
    """

    places: Grayordinates
    codes: IntArray
    table: LookUpTable

    def arranged(self, table: LookUpTable) -> SurfaceLabels:
        """Give the regions of another table, in its order, known by their ids.

        An id that is not here is a region without a place; one that is only here is background.
        """
        number_of = {id_: number for number, id_ in enumerate(table.ids, start=1)}
        numbers = np.array([0, *(number_of.get(id_, 0) for id_ in self.table.ids)], np.int32)
        return replace(self, codes=numbers[self.codes], table=table)

    def on_first_vertices(self, meshes: Mapping[str, int]) -> SurfaceLabels:
        """Cut them to coarser meshes; see `Grayordinates.first_vertices`."""
        places, kept = self.places.first_vertices(meshes)
        return replace(self, places=places, codes=self.codes[kept])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """Keys of one hemisphere, or of a whole CIFTI file."""

    side: str
    keys: IntArray
    names: Mapping[int, str]
    background: frozenset[int]

    @cached_property
    def present(self) -> set[int]:
        """Keys that a place has."""
        return set(labels_in(self.keys).tolist()) - self.background

    @cached_property
    def declared(self) -> set[int]:
        """Keys that have a place, or a row in the table."""
        return self.present | (set(self.names) - self.background)


def read_surface_labels(
    source: Any,
    *,
    lut: LookUpTable | None = None,
    space: str | None = None,
    background: int = 0,
    nameless: str = "label-{}",
) -> SurfaceLabels:
    """Read the labels of an atlas on surfaces.

    Parameters
    ----------
    source : path, image, or several of them
        A ``.dlabel.nii`` file; a pair of ``.label.gii`` or ``.annot`` files; one of these for one
        hemisphere; or whatever else `bidsmask.images.surface_series.open_surfaces` takes, with
        whole numbers. Of several maps, the first.
    lut : LookUpTable, optional
        Names of the keys, which go before those of the file.
    space : str, optional
        In which space the meshes are; by default what names of files say.
    background : int
        The key that is no region. (An ``.annot`` file has further places without a region.)
    nameless : str
        What a region is called that has no name, with its key in the place of the braces.

    Returns
    -------
    labels : SurfaceLabels
        Regions in the order of their keys; where hemispheres share keys, the left ones first.
        There is a region for each key that a place or the table has.

    Raises
    ------
    AtlasError
        If there is no region, or a value is no whole number.
    ImageError
        If a file cannot be used.
    """
    paths = _annotations(source)
    if paths is None:
        places, parts, warnings = _of_images(source, space, background)
    else:
        places, parts, warnings = _of_annotations(paths, space, background)
    if lut is not None:
        names = dict(zip(lut.ids, lut.names, strict=True))
        parts = [replace(part, names=names) for part in parts]
        warnings = [*lut.warnings, *warnings]
    if not any(part.present for part in parts):
        raise AtlasError(f"{_called(source)} holds no region: all places are background.")
    table = _table(parts, lut, warnings, nameless)
    return SurfaceLabels(places=places, codes=_codes(parts), table=table)


def place_surface_regions(
    labels: SurfaceLabels, places: Grayordinates, mask: BoolArray | None = None
) -> Regions:
    """Find the places of a run that regions are made of.

    Parameters
    ----------
    labels : SurfaceLabels
    places : Grayordinates
        Those of the run. Vertices are matched by structure and number, voxels by where they lie.
    mask : bool array of shape (V,), optional
        On the places of the run.

    Returns
    -------
    regions : Regions
        Its `codes` have the shape (V,). Places of a region that the run has not, count as not
        covered.

    Raises
    ------
    SpaceError
        If the meshes are not the same, or no place is in common.
    """
    positions = places.positions_in(labels.places)
    codes = np.where(positions >= 0, labels.codes[positions], 0)
    n_regions = len(labels.table.ids)
    if not codes.any():
        raise SpaceError(
            f"No region of the atlas has a place in the run. The atlas lies on {labels.places}, "
            f"the run on {places}."
        )
    inside = codes if mask is None else np.where(mask, codes, 0)
    members = voxels_of_labels(inside, np.arange(1, n_regions + 1))
    return Regions(
        grid=places,
        codes=codes,
        members=members,
        extent=Extent.of_voxels(
            count_codes(labels.codes, n_regions),
            count_codes(codes, n_regions),
            np.array([each.size for each in members], dtype=np.intp),
            places=labels.places.word_of(np.flatnonzero(labels.codes)),
        ),
    )


def _annotations(source: Any) -> dict[str, Path] | None:
    """Files of FreeSurfer's annotations by hemisphere; None if it is something else."""
    given = source.values() if isinstance(source, Mapping) else source
    items = [source] if isinstance(source, str | Path) else given
    if not isinstance(source, str | Path | Mapping | list | tuple):
        return None
    paths = [Path(item).expanduser() for item in items if isinstance(item, str | Path)]
    if not paths or not all(path.name.endswith(".annot") for path in paths):
        return None
    if isinstance(source, Mapping):
        return {HEMISPHERES[side]: path for side, path in zip(source, paths, strict=True)}
    sides = [hemisphere_in_name(path) for path in paths]
    if sides == [None, None]:
        sides = [LEFT, RIGHT]
    if None in sides or len(set(sides)) < len(sides):
        raise ImageError(
            f"{' and '.join(map(str, paths))}: the names do not say which hemisphere. Give them "
            "by name: {'left': path, 'right': path}."
        )
    return {side: path for side, path in sorted(zip(sides, paths, strict=True)) if side}


def _of_annotations(
    paths: Mapping[str, Path], space: str | None, background: int
) -> tuple[Grayordinates, list[_Part], list[str]]:
    parts, warnings = [], []
    for structure, path in paths.items():
        keys, colors, names = read_annotation(path)
        rows = [name.decode(errors="replace") for name in names]
        first_is_none = not rows or _is_no_region(rows[0]) or background != 0
        parts.append(
            _Part(
                side=HEMI[structure],
                keys=keys.astype(np.int64),
                names=dict(enumerate(rows)),
                background=frozenset({-1, background} if first_is_none else {-1}),
            )
        )
        alike = [color for color, count in Counter(map(tuple, colors[:, :4])).items() if count > 1]
        if alike:
            same = ", ".join(
                rows[row] for row in range(len(rows)) if tuple(colors[row, :4]) in alike
            )
            warnings.append(
                f"{path.name}: these regions share a colour, by which the file tells them apart, "
                f"so all of their vertices go to one of them: {same}."
            )
    counts = {structure: part.keys.size for structure, part in zip(paths, parts, strict=True)}
    return whole_meshes(counts, space or space_in_name(list(paths.values()))), parts, warnings


def read_annotation(path: Path) -> tuple[IntArray, IntArray, list[bytes]]:
    """Read FreeSurfer's ``.annot``: row of the table (V,) of each vertex, colours, and names.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    import nibabel as nib

    freesurfer: Any = nib.freesurfer  # its types are half of a story
    try:
        keys, colors, names = freesurfer.read_annot(path)
    except (OSError, ValueError, IndexError, TypeError, MemoryError) as error:
        raise ImageError(f"{path} cannot be read as an annotation: {error}.") from error
    return keys, colors, names


def _is_no_region(name: str) -> bool:
    lower = name.lower()
    return lower in BACKGROUND_NAMES or "background" in lower or "medial" in lower


def _of_images(
    source: Any, space: str | None, background: int
) -> tuple[Grayordinates, list[_Part], list[str]]:
    series = open_surfaces(source, space)
    first = series.values()[:, 0]
    warnings = []
    if series.n_volumes > 1:
        warnings.append(
            f"{series.name} holds {series.n_volumes} maps of labels; regions are those of the "
            "first."
        )
    keys = as_labels(series.name, first)
    none, tables = frozenset({background}), series.tables
    if series.kind == "cifti":
        names, warning = _named(series.name, tables[0] if tables else ())
        return (
            series.grid,
            [_Part(side="", keys=keys, names=names, background=none)],
            [
                *warnings,
                *warning,
                *_about_zero(series.name, keys, names, background),
            ],
        )
    parts = []
    for number, structure in enumerate(series.grid.structures):
        names, warning = _named(structure.name, tables[number] if tables else ())
        own = keys[series.grid.where(structure.name)]
        parts.append(_Part(side=HEMI[structure.name], keys=own, names=names, background=none))
        warnings += [*warning, *_about_zero(structure.name, own, names, background)]
    return series.grid, parts, warnings


def _named(where: str, rows: Rows) -> tuple[dict[int, str], list[str]]:
    """Names by key; the first, if a key has several rows."""
    names: dict[int, str] = {}
    twice = []
    for key, name in rows:
        if key in names:
            twice.append(key)
        names.setdefault(key, name)
    said = f"{where}: keys with several names in the table have got the first: {_some(twice)}."
    return names, [said] if twice else []


def _about_zero(
    where: str, keys: IntArray, names: Mapping[int, str], background: int
) -> list[str]:
    """Say that the background is called like a region."""
    name = names.get(background, "")
    n_places = int(np.count_nonzero(keys == background))
    if not n_places or _is_no_region(name):
        return []
    return [
        f"{where}: key {background} is called {name!r}, but {background} is no region. Its "
        f"{n_places} places are left out."
    ]


def _are_apart(parts: Sequence[_Part]) -> bool:
    """Whether a key means one thing on the left and another on the right."""
    if len(parts) < 2:
        return False
    left, right = parts
    shared = left.names.keys() & right.names.keys() - left.background
    renamed = any(left.names[key] != right.names[key] for key in shared)
    return renamed or bool(left.present & right.present)


def _entries(parts: Sequence[_Part]) -> list[tuple[str, int]]:
    """Hemisphere and key of each region, in the order of the columns."""
    if _are_apart(parts):
        return [(part.side, key) for part in parts for key in sorted(part.declared)]
    keys: set[int] = set().union(*(part.declared for part in parts))
    return [(_side_of(parts, key), key) for key in sorted(keys)]


def _side_of(parts: Sequence[_Part], key: int) -> str:
    sides = [part.side for part in parts if key in part.present]
    return sides[0] if sides else ""


def _codes(parts: Sequence[_Part]) -> IntArray:
    entries, apart = _entries(parts), _are_apart(parts)
    codes = []
    for part in parts:
        rows = [row for row, (side, _) in enumerate(entries) if side == part.side or not apart]
        keys = np.array([entries[row][1] for row in rows], dtype=np.int64)
        row_of = np.array([0, *(row + 1 for row in rows)], dtype=np.int32)
        codes.append(row_of[codes_of(part.keys, keys)])
    return np.concatenate(codes)


def _table(
    parts: Sequence[_Part], lut: LookUpTable | None, warnings: Sequence[str], nameless: str
) -> LookUpTable:
    entries, apart = _entries(parts), _are_apart(parts)
    said = list(warnings)
    name_of = {(part.side, key): name for part in parts for key, name in part.names.items()}
    if not apart:
        name_of = {
            (side, key): next((p.names[key] for p in parts if key in p.names), "")
            for side, key in entries
        }
    names = [name_of.get(entry, "") or nameless.format(entry[1]) for entry in entries]
    unnamed = [entry[1] for entry in entries if not name_of.get(entry)]
    if unnamed and any(part.names for part in parts):
        said.append(
            f"The table of labels has no name for these keys, whose regions are called after "
            f"them: {_some(unnamed)}."
        )
    if len(parts) == 2 and len(set(names)) < len(names):
        names = [
            f"{side}_{name}" if side else name
            for (side, _), name in zip(entries, names, strict=True)
        ]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    if repeated:
        said.append(
            "Names that several keys share have got the key, as they are different regions: "
            f"{_some(sorted(repeated))}."
        )
    sides, keys = zip(*entries, strict=True)
    return LookUpTable(
        ids=tuple(range(1, len(entries) + 1)) if apart else keys,
        names=tuple(
            f"{name} ({key})" if name in repeated else name
            for name, key in zip(names, keys, strict=True)
        ),
        columns=_columns(sides, keys, lut, apart=apart),
        warnings=tuple(said),
    )


def _columns(
    sides: Sequence[str], keys: Sequence[int], lut: LookUpTable | None, *, apart: bool
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What is known of regions besides their names."""
    columns: dict[str, tuple[str, ...]] = {}
    if any(sides):
        columns["hemisphere"] = tuple(side or MISSING for side in sides)
    if apart:
        columns["key"] = tuple(map(str, keys))
    if lut is not None:
        row_of = {key: row for row, key in enumerate(lut.ids)}
        for title, cells in lut.columns:
            found = (cells[row_of[key]] if key in row_of else MISSING for key in keys)
            columns.setdefault(title, tuple(found))
    return tuple(columns.items())


def _some(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items[:_FEW])) + (", ..." if len(items) > _FEW else "")


def _called(source: Any) -> str:
    items = source if isinstance(source, list | tuple) else [source]
    named = all(isinstance(item, str | Path) for item in items)
    return " and ".join(map(str, items)) if named else "The atlas"
