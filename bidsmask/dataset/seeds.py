"""Seeds: points with a name and a radius, read from a table.

A point is a place in mm, or a vertex of a hemisphere, for runs on surfaces. Neither means anything
without its space. It stands in a JSON sidecar (``Space``) or in the
name of the table (``space-MNI152NLin2009cAsym_seeds.tsv``); where it does not, the one space that
was asked for has to say it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bidsmask.columns.table import MISSING, LookUpTable, columns_of, read_rows
from bidsmask.dataset.listing import some_of
from bidsmask.dataset.sidecars import read_json
from bidsmask.dataset.templates import entities_in, space_of
from bidsmask.errors import AtlasError, SidecarError, SpaceError
from bidsmask.images.grayordinates import LEFT, RIGHT, common_name
from bidsmask.vocabulary import BOLD_SPACES, NATIVE_SPACES

SEED_EXTENSIONS = (".tsv", ".csv")

_AXES = ("x", "y", "z")
_ON_SURFACES = ("hemi", "vertex")
_OWN = frozenset(("name", *_AXES, *_ON_SURFACES, "radius", "index"))
_SIDES = {"L": LEFT, "lh": LEFT, "left": LEFT, "R": RIGHT, "rh": RIGHT, "right": RIGHT}
_SPACE = re.compile("[0-9a-zA-Z+]+")
_EXAMPLE = '{"Space": "MNI152NLin2009cAsym"}'
_EXAMPLE_OF_VERTICES = '{"Space": "fsLR"}'


@dataclass(frozen=True, kw_only=True)
class SeedSet:
    """Seeds, in the order of the columns of every output.

    Parameters
    ----------
    name : str
        For messages: ``seg-dmn``.
    entities : tuple of (entity, label)
        For the names of outputs.
    file : Path
        The table.
    lut : LookUpTable
        Numbers of the seeds (from 1), their names, and what else the table says about them.
    coordinates_mm : P tuples of three floats, or None
        Centres, in mm of the space; None: the seed is a vertex.
    radii_mm : P floats
        Not negative.
    space : str or None
        The space of the coordinates and vertices; None if nothing says it.
    hemispheres : P structures, or None
        Where the table says it: ``CORTEX_LEFT``.
    vertices : P ints, or None
        Counted from 0, of the mesh of the hemisphere; None: the seed is a place in mm.
    meshes : tuple of (structure, Path)
        That vertices and discs are found on, on the surfaces of a run: see
        `bidsmask.dataset.surface_seeds`.
    on_surfaces : bool
        Whether they are for a run on surfaces.
    sources : tuple of str
        Path of the table.
    sha256 : tuple of str
        Of the table.
    warnings : tuple of str
        What a reader of the results should know.
    """

    name: str
    entities: tuple[tuple[str, str], ...]
    file: Path
    lut: LookUpTable
    coordinates_mm: tuple[tuple[float, float, float] | None, ...]
    radii_mm: tuple[float, ...]
    space: str | None
    hemispheres: tuple[str | None, ...]
    vertices: tuple[int | None, ...]
    meshes: tuple[tuple[str, Path], ...] = ()
    on_surfaces: bool = False
    sources: tuple[str, ...]
    sha256: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    kind: Literal["seeds"] = "seeds"

    @property
    def word(self) -> str:
        """What its points are given by: "coordinates", "vertices", or both."""
        kinds = {
            "coordinates": any(place is not None for place in self.coordinates_mm),
            "vertices": any(vertex is not None for vertex in self.vertices),
        }
        return " and ".join(kind for kind, are_there in kinds.items() if are_there)


def read_seeds(path: Path, *, default_radius_mm: float | None = None) -> SeedSet:
    """Read a table of seeds.

    Parameters
    ----------
    path : Path
        TSV (or CSV) with the columns ``name``, ``x``, ``y``, ``z`` and perhaps ``radius``, in mm;
        or, for surfaces, ``name``, ``hemi`` (L, R), ``vertex`` (counted from 0) and ``radius``,
        which is measured along the mesh. Of a row that has both, runs on surfaces take the
        vertex. Further columns are kept, but for an ``index``: seeds are counted from 1, in their
        order.
    default_radius_mm : float, optional
        For seeds whose ``radius`` is empty or ``n/a``, or is not there.

    Returns
    -------
    seeds : SeedSet

    Raises
    ------
    AtlasError
        If the table cannot be read, has no seed or lacks a column; if a name is missing or there
        twice, a coordinate is no finite number, a vertex has no hemisphere, or a radius is
        missing or negative; if the name of the table and its sidecar say two spaces.
    """
    try:
        columns = columns_of(*read_rows(path))
        _refuse_incomplete(columns)
        names = columns["name"]
        sides = tuple(_hemisphere(columns, row) for row in range(len(names)))
        vertices = tuple(_vertex(columns, row) for row in range(len(names)))
        coordinates = tuple(_point(columns, row) for row in range(len(names)))
        radii = tuple(_radius(columns, row, default_radius_mm) for row in range(len(names)))
        further = tuple((title, cells) for title, cells in columns.items() if title not in _OWN)
        lut = LookUpTable(ids=tuple(range(1, len(names) + 1)), names=names, columns=further)
        space = _space(path)
    except AtlasError as error:
        raise AtlasError(f"{path}: {error}") from error
    label = _label(path)
    seeds = SeedSet(
        name=f"seg-{label}",
        entities=(("seg", label),),
        file=path.absolute(),
        lut=lut,
        coordinates_mm=coordinates,
        radii_mm=radii,
        space=space,
        hemispheres=sides,
        vertices=vertices,
        sources=(str(path.absolute()),),
        sha256=(hashlib.sha256(path.read_bytes()).hexdigest(),),
    )
    return replace(seeds, warnings=_about_one_brain(seeds))


def check_seed_space(
    seeds: SeedSet, run_space: str | None, asked_spaces: Sequence[str] = ()
) -> None:
    """Refuse seeds that do not belong to the space of a run, or may not.

    Parameters
    ----------
    seeds : SeedSet
        All densities of fsaverage are one space to it.
    run_space : str or None
        Space of the run; None for its own.
    asked_spaces : sequence of str
        What ``--space`` was given. Where nothing else says the space of the seeds, one template
        that was asked for does.

    Raises
    ------
    SpaceError
        If the seeds lie in another space than the run.
    AtlasError
        If their space is not known.
    """
    known = common_name(run_space)
    if seeds.space is None:
        _refuse_unknown(seeds, run_space, asked_spaces)
    elif common_name(seeds.space) != known and not (known is None and seeds.space in BOLD_SPACES):
        raise SpaceError(
            f"The seeds of {seeds.file.name} are in the space {seeds.space}, but the run is in "
            f"{run_space or 'its native space'}. Run with --space {seeds.space}, or give "
            f"{seeds.word} in {run_space or 'the space of the run'}."
        )


def refuse_vertices(seeds: SeedSet) -> None:
    """Refuse seeds that are vertices, for a run that has voxels.

    Raises
    ------
    SpaceError
    """
    without = [
        name
        for name, place in zip(seeds.lut.names, seeds.coordinates_mm, strict=True)
        if place is None
    ]
    if without:
        raise SpaceError(
            f"Seeds of {seeds.file.name} are vertices of surfaces, and the run is a volume: "
            f"{some_of(without)}. Give them x, y and z in the space of the run, or choose runs on "
            "surfaces with --space."
        )


# --- the table -----------------------------------------------------------------------------------


def _refuse_incomplete(columns: Mapping[str, Sequence[str]]) -> None:
    wanted = _ON_SURFACES if set(_ON_SURFACES) <= set(columns) else _AXES
    missing = [title for title in ("name", *wanted) if title not in columns]
    if missing:
        raise AtlasError(
            f"There is no column {', '.join(map(repr, missing))}; columns found: "
            f"{', '.join(columns) or 'none'}. A table of seeds has name, x, y, z (in mm) and "
            "perhaps radius (in mm); one for surfaces may have hemi (L, R) and vertex instead of "
            "x, y, z."
        )
    if not columns["name"]:
        raise AtlasError("There are no seeds in the table.")
    if MISSING in columns["name"]:
        row = columns["name"].index(MISSING) + 1
        raise AtlasError(f"Row {row} has no name; every seed needs one.")


def _point(columns: Mapping[str, Sequence[str]], row: int) -> tuple[float, float, float] | None:
    told = [title for title in _AXES if title in columns and columns[title][row] != MISSING]
    if not told and _vertex(columns, row) is not None:
        return None
    if not set(_AXES) <= set(columns):
        raise AtlasError(f"{_where(columns, row)} has neither a vertex nor x, y and z.")
    x, y, z = (_millimetres(columns, title, row) for title in _AXES)
    return x, y, z


def _hemisphere(columns: Mapping[str, Sequence[str]], row: int) -> str | None:
    cell = columns["hemi"][row] if "hemi" in columns else MISSING
    if cell not in (MISSING, *_SIDES):
        raise AtlasError(f"{_where(columns, row)}: hemi is {cell!r}; L or R was expected.")
    return _SIDES.get(cell)


def _vertex(columns: Mapping[str, Sequence[str]], row: int) -> int | None:
    cell = columns["vertex"][row] if "vertex" in columns else MISSING
    if cell == MISSING:
        return None
    if not cell.isascii() or not cell.isdigit():
        raise AtlasError(
            f"{_where(columns, row)}: vertex is {cell!r}; a whole number was expected, counted "
            "from 0."
        )
    if _hemisphere(columns, row) is None:
        raise AtlasError(
            f"{_where(columns, row)} has a vertex, but no hemi (L or R) to find it in."
        )
    return int(cell)


def _radius(columns: Mapping[str, Sequence[str]], row: int, default_mm: float | None) -> float:
    if "radius" in columns and columns["radius"][row] != MISSING:
        radius_mm = _millimetres(columns, "radius", row)
        if radius_mm < 0:
            raise AtlasError(f"{_where(columns, row)}: the radius {radius_mm:g} mm is negative.")
        return radius_mm
    if default_mm is None:
        raise AtlasError(
            f"{_where(columns, row)} has no radius. Write one (in mm) into the column 'radius', "
            "or give --seed-radius for all seeds without."
        )
    return default_mm


def _millimetres(columns: Mapping[str, Sequence[str]], title: str, row: int) -> float:
    cell = columns[title][row]
    try:
        number = math.nan if "_" in cell else float(cell)  # "1_0" is a number to Python alone
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise AtlasError(
            f"{_where(columns, row)}: {title} is {cell!r}; a finite number of mm was expected."
        )
    return number


def _where(columns: Mapping[str, Sequence[str]], row: int) -> str:
    return f"Row {row + 1} ({columns['name'][row]})"


def _label(path: Path) -> str:
    """Name a set of seeds after its file, without the space and the suffix.

    Examples
    --------
    >>> _label(Path("space-MNI152NLin6Asym_desc-dmn_seeds.tsv")), _label(Path("my seeds.tsv"))
    ('dmn', 'myseeds')
    """
    stem = path.name.split(".")[0].removesuffix("_seeds")
    parts = [part for part in stem.split("_") if not re.match("(space|tpl|cohort|res)-", part)]
    labels = [re.sub("^(atlas|desc|seg)-", "", part) for part in parts]
    return re.sub("[^0-9a-zA-Z]", "", "".join(labels)) or "seeds"


# --- its space -----------------------------------------------------------------------------------


def _space(path: Path) -> str | None:
    """Read the space of coordinates from the name of their table and from its sidecar."""
    in_name, in_sidecar = space_of(entities_in(path.name)), _space_in(path.with_suffix(".json"))
    if in_name and in_sidecar and in_name != in_sidecar:
        raise AtlasError(
            f"The name of the table says {in_name}, but its sidecar says Space {in_sidecar}. "
            "Correct the one that is wrong."
        )
    return in_name or in_sidecar


def _space_in(sidecar: Path) -> str | None:
    if not sidecar.exists():
        return None
    try:
        space = read_json(sidecar).get("Space")
    except SidecarError as error:
        raise AtlasError(str(error)) from error
    if space is not None and not (isinstance(space, str) and _SPACE.fullmatch(space)):
        raise AtlasError(
            f"Space is {space!r} in {sidecar.name}; the label of one space was expected, such as "
            f"{_EXAMPLE}."
        )
    return space


def _about_one_brain(seeds: SeedSet) -> tuple[str, ...]:
    if seeds.space not in NATIVE_SPACES:
        return ()
    return (
        f"{seeds.file.name}: {seeds.space} is the space of one brain; the {seeds.word} are taken "
        f"as they are for every run in {seeds.space}.",
    )


def _refuse_unknown(seeds: SeedSet, run_space: str | None, asked_spaces: Sequence[str]) -> None:
    asked = sorted({_without_resolution(space) for space in asked_spaces})
    if len(asked) == 1 and run_space is not None and run_space not in NATIVE_SPACES:
        return
    if run_space is None or run_space in NATIVE_SPACES:
        found = f"{run_space or 'the native space of a run'} is the space of one brain"
    else:
        found = f"--space asks for {' and '.join(asked) or 'no one space'}"
    sidecar = seeds.file.with_suffix(".json").name
    example = _EXAMPLE_OF_VERTICES if seeds.word == "vertices" else _EXAMPLE
    raise AtlasError(
        f"{seeds.file}: nothing says in which space the {seeds.word} are, and {found}. Write "
        f"{example} (or whichever it is) into {sidecar} beside the table, or ask for the one "
        "template they belong to with --space."
    )


def _without_resolution(space: str) -> str:
    """Take off what moves no coordinate: ``MNI152NLin6Asym:res-2`` is ``MNI152NLin6Asym``."""
    return ":".join(part for part in space.split(":") if not part.startswith("res-"))
