"""What depends on the kind of a source of columns, in one place.

A source is what columns are asked for by: an atlas of labels or of maps, or a set of seeds. Plans,
outputs, words and figures ask here for what is different from kind to kind, and know no kind by
name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bidsmask._typing import BoolArray
from bidsmask.columns.base import Columns
from bidsmask.columns.maps import Maps, place_maps, read_maps
from bidsmask.columns.regions import Regions, place_regions, read_labels
from bidsmask.columns.spheres import Spheres, place_spheres
from bidsmask.columns.surface_labels import place_surface_regions
from bidsmask.columns.surface_maps import maps_on
from bidsmask.columns.surface_seeds import Discs, place_surface_seeds
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.seeds import SeedSet
from bidsmask.dataset.surface_seeds import vertex_seeds
from bidsmask.dataset.surface_tables import read_labels_of, read_maps_of
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import HEMISPHERES, Grayordinates, Lattice
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series
from bidsmask.settings import ExtractionSettings
from bidsmask.vocabulary import MAPS_STATISTICS, MAPS_STATS, STATISTICS

Source = Atlas | SeedSet
"""What columns are asked for by. Each has a ``kind``, one of `KINDS`."""


@dataclass(frozen=True, kw_only=True)
class SourceKind:
    """A kind of source.

    Parameters
    ----------
    columns : type
        Kind of its columns.
    place : callable
        Reads a source, and puts it onto the grid of a run, or onto its places on surfaces.
    suffix : str
        Of its copy on the grid of a run, in file names.
    column : str
        What one of its columns is called.
    placed_by : str
        How it comes onto the grid of a run.
    signal : callable
        Says what the signal of a column is, of words for statistics.
    statistics : callable
        Which statistics are asked of it: labels of ``stat``, first that of which connectivity is.
    plain_statistic : str
        The one whose matrices have the measure alone in their names.
    engine : mapping
        How projections call each statistic.
    """

    columns: type[Columns]
    place: Callable[[Any, Lattice, BoolArray], Columns]
    suffix: str
    column: str
    placed_by: str
    signal: Callable[[Sequence[str]], str]
    statistics: Callable[[ExtractionSettings], tuple[str, ...]]
    plain_statistic: str
    engine: Mapping[str, str]


def kind_of(source: Source) -> SourceKind:
    """Look up the kind of a source, on a grid or on surfaces."""
    return (ON_SURFACES if source.on_surfaces else KINDS)[source.kind]


def files_of(source: Source) -> tuple[Path, ...]:
    """Give the files that a source is read from: one, or one for each hemisphere."""
    if isinstance(source, SeedSet):
        return (source.file, *(path for _, path in source.meshes))
    return source.files


def files_by_name(source: Source) -> dict[str, Path]:
    """Give the files of a source, and what to call each of them in a list."""
    if isinstance(source, SeedSet):
        meshes = {f"{source.name}, mesh of {side}": path for side, path in source.meshes}
        return {source.name: source.file} | meshes
    if len(source.files) == 1:
        return {source.name: source.files[0]}
    sides = zip(HEMISPHERES, source.files, strict=True)
    return {f"{source.name} ({side})": file for side, file in sides}


def source_warnings(source: Source) -> tuple[str, ...]:
    """Say what is odd about a source, by its name."""
    return tuple(f"{source.name}: {text}" for text in source.warnings)


def place(source: Source, lattice: Lattice, mask: BoolArray) -> Columns:
    """Read a source, and put its columns onto the grid or the places of a run, inside a mask.

    Raises
    ------
    AtlasError, ImageError
        If the source cannot be read.
    SpaceError
        If none of it lies on the grid.
    """
    columns = kind_of(source).place(source, lattice, mask)
    if not columns.extent.n_on_grid.any():
        raise elsewhere(source, lattice)
    return columns


def elsewhere(source: Source, grid: Lattice) -> SpaceError:
    """Write the letter about a source of which nothing lies on the grid of a run."""
    return SpaceError(
        f"{source.name}: no {kind_of(source).column} lies on the grid of the run, {grid}. Are "
        "they in the same space?"
    )


def _place_labels(atlas: Atlas, grid: Grid, mask: BoolArray) -> Regions:
    labels, atlas_grid = read_labels(atlas.files[0])
    return place_regions(labels, atlas_grid, atlas.lut.ids, grid=grid, mask=mask)


def _place_maps(atlas: Atlas, grid: Grid, mask: BoolArray) -> Maps:
    return place_maps(read_maps(open_series(atlas.files[0]), grid), mask)


def _place_seeds(seeds: SeedSet, grid: Grid, mask: BoolArray) -> Spheres:
    return place_spheres(np.array(seeds.coordinates_mm), seeds.radii_mm, grid=grid, mask=mask)


def _place_surface_labels(atlas: Atlas, places: Grayordinates, mask: BoolArray) -> Regions:
    labels = read_labels_of(atlas.files, space=atlas.space, meshes=dict(atlas.meshes))
    return place_surface_regions(labels.arranged(atlas.lut), places, mask)


def _place_surface_maps(atlas: Atlas, places: Grayordinates, mask: BoolArray) -> Maps:
    maps = read_maps_of(atlas.files, space=atlas.space, meshes=dict(atlas.meshes))
    return place_maps(maps_on(maps, places), mask)


def _place_discs(seeds: SeedSet, places: Grayordinates, mask: BoolArray) -> Discs:
    return place_surface_seeds(*vertex_seeds(seeds), places, mask)


def _listed(labels: Sequence[str]) -> str:
    """Join statistics as in a sentence: ``std`` is "standard deviation"."""
    words = [STATISTICS[label].replace("_", " ") for label in labels]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


_MAP_SIGNALS = {
    "regression": "its coefficient when all maps were fitted to each volume by least squares, "
    "over the covered voxels",
    "weightedmean": "the mean of each volume over the covered voxels, weighted by the map",
}


KINDS: Mapping[str, SourceKind] = MappingProxyType(
    {
        "dseg": SourceKind(
            columns=Regions,
            place=_place_labels,
            suffix="dseg",
            column="region",
            placed_by="nearest neighbour",
            signal=lambda labels: f"the {_listed(labels)} over its covered voxels",
            statistics=lambda settings: settings.statistics,
            plain_statistic="mean",
            engine=STATISTICS,
        ),
        "probseg": SourceKind(
            columns=Maps,
            place=_place_maps,
            suffix="probseg",
            column="map",
            placed_by="linear interpolation",
            signal=lambda labels: _MAP_SIGNALS[labels[0]],
            statistics=lambda settings: (MAPS_STATS[settings.maps_statistic],),
            plain_statistic=MAPS_STATS["least-squares"],
            engine={MAPS_STATS[word]: name for word, name in MAPS_STATISTICS.items()},
        ),
        "seeds": SourceKind(
            columns=Spheres,
            place=_place_seeds,
            suffix="dseg",
            column="sphere",
            placed_by="taking the voxels around each seed",
            signal=lambda labels: f"the {_listed(labels)} over its covered voxels",
            statistics=lambda settings: settings.statistics,
            plain_statistic="mean",
            engine=STATISTICS,
        ),
    }
)


_MATCHED = "matching vertices by their numbers and voxels by where they lie"

ON_SURFACES: Mapping[str, SourceKind] = MappingProxyType(
    {
        "dseg": replace(KINDS["dseg"], place=_place_surface_labels, placed_by=_MATCHED),
        "probseg": replace(KINDS["probseg"], place=_place_surface_maps, placed_by=_MATCHED),
        "seeds": replace(
            KINDS["seeds"],
            columns=Discs,
            place=_place_discs,
            column="disc",
            placed_by="taking the vertices around each seed, along the mesh",
        ),
    }
)
