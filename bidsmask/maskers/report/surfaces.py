"""Where the columns of a masker of surfaces are: on hemispheres; of voxels, in slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.columns.maps import PlacedMaps
from bidsmask.dataset.meshes import Inflated, Shelves, inflated_meshes
from bidsmask.dataset.templates import template_homes
from bidsmask.errors import ImageError
from bidsmask.images.grayordinates import HEMISPHERES, Grayordinates
from bidsmask.images.meshes import Mesh, inflate, read_mesh, read_meshes
from bidsmask.images.surfaces import is_surface
from bidsmask.maskers.report.kept import shown_names
from bidsmask.maskers.report.views import (
    chosen_numbers,
    coverage_of,
    lost_numbers,
    table_rows,
)
from bidsmask.reports.drawing.cmaps import shades
from bidsmask.reports.drawing.colours import of_shares, sequential
from bidsmask.reports.drawing.levels import LEVELS, colours_of_regions
from bidsmask.reports.drawing.surfaces import N_COLOURS
from bidsmask.reports.masker import Region, SurfaceView, View
from bidsmask.reports.summaries import Fact

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownOnSurfaces:
    """What is shown of the columns of a masker of surfaces.

    Parameters
    ----------
    facts : tuple of Fact
    regions : tuple of Region
    note : str
        Why nothing is drawn on meshes; empty if something is.
    beneath : str
        Which meshes these are, as a sentence.
    meshes : mapping from structure to Mesh
    surfaces : tuple of SurfaceView
    volume : View or None
        Of the voxels, if there are some.
    affine : array of shape (4, 4), or None
        Of `volume`.
    """

    facts: tuple[Fact, ...]
    regions: tuple[Region, ...] = ()
    note: str = ""
    beneath: str = ""
    meshes: Mapping[str, Mesh] = field(default_factory=dict)
    surfaces: tuple[SurfaceView, ...] = ()
    volume: View | None = None
    affine: Array | None = None


def shown_on_surfaces(masker: Any, cmap: Colormap | None, displayed: Any) -> ShownOnSurfaces:
    """Say where the columns of a fitted masker of surfaces are.

    Parameters
    ----------
    masker : OnSurfaces
    cmap : Colormap or None
    displayed : int, list of int, "all" or None
        Which maps to show: how many, or their numbers counted from 0.
    """
    columns = masker._last_ if hasattr(masker, "_last_") else masker._fitted_
    places: Grayordinates = columns.grid
    regions: tuple[Region, ...] = ()
    if masker.unit != "vertex":
        names = shown_names(masker)
        labels = map(str, masker._table_.regions if masker.unit == "region" else range(len(names)))
        regions = table_rows(masker, labels, names, each=1.0)
    try:
        drawn = _meshes_of(masker, places)
    except ImageError as error:
        note = f"Where columns are on the surface is not drawn. {error}"
        drawn = Inflated({}, "")
    views = _views(masker, columns, cmap, displayed, regions)
    return ShownOnSurfaces(
        facts=_facts(places),
        regions=regions,
        note="" if drawn.meshes else note,
        beneath=f"Drawn on {drawn.words}." if drawn.meshes else "",
        meshes=drawn.meshes,
        surfaces=tuple(view.on(places) for view in views) if drawn.meshes else (),
        volume=_in_volume(places, views[0]),
        affine=None if places.volume is None else np.array(places.volume.affine),
    )


def _facts(places: Grayordinates) -> tuple[Fact, ...]:
    """Say what places there are."""
    facts = [
        Fact(
            label=each.name.replace("_", " ").capitalize(),
            value=f"{len(each.places):,} of {each.n_vertices:,} vertices",
        )
        for each in places.structures
        if each.n_vertices is not None
    ]
    others = [len(each.places) for each in places.structures if not each.is_surface]
    if others:
        value = f"{sum(others):,} in {len(others)} structure{'s' * (len(others) > 1)}"
        facts.append(Fact(label="Voxels", value=value))
    return tuple(facts) + ((Fact(label="Space", value=places.space),) if places.space else ())


# Meshes


def _meshes_of(masker: Any, places: Grayordinates) -> Inflated:
    """Take the meshes that came with an image, or else those of the template, if they are here.

    Raises
    ------
    ImageError
        If there are none.
    """
    if masker.meshes is not None:
        own = {name: inflate(mesh) for name, mesh in read_meshes(masker.meshes).items()}
        return Inflated(own, "the meshes that were given, inflated for the picture")
    images: list[Any] = [
        getattr(masker, name, None) for name in ("labels_img", "maps_img", "mask_img")
    ]
    given = [masker._like_.mesh, *(img.mesh for img in images if is_surface(img))]
    for mesh in given:
        if mesh is not None:
            meshes = {HEMISPHERES[side]: read_mesh(part) for side, part in mesh.parts.items()}
            inflated = {structure: inflate(each) for structure, each in meshes.items()}
            return Inflated(inflated, "the mesh that came with an image, inflated for the picture")
    lattices = (places, masker._fitted_.grid, *_lattices_given(masker))
    space = next((each.space for each in lattices if each.space), None)
    return inflated_meshes(places.in_space(space), Shelves(homes=template_homes()))


def _lattices_given(masker: Any) -> list[Grayordinates]:
    """Where the atlas, the maps and the mask of a masker are."""
    given = [getattr(masker, name, None) for name in ("_atlas_", "_maps_")]
    inside = masker._inside_
    return [each.places for each in given if each is not None] + ([inside[0]] if inside else [])


# What is painted


@dataclass(frozen=True, kw_only=True, eq=False)
class _Painting:
    """A view of all places of a run, of which only its surfaces are on meshes."""

    title: str
    caption: str
    codes: IntArray
    mark: str = ""
    names: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()
    values: FloatArray | None = None
    label: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    colours: Array | None = None

    def on(self, places: Grayordinates) -> SurfaceView:
        values = None if self.values is None else places.on_meshes(self.values, np.nan)
        return SurfaceView(
            title=self.title,
            caption=self.caption,
            mark=self.mark,
            codes=places.on_meshes(self.codes, 0),
            names=self.names,
            lost=self.lost,
            values=values,
            label=self.label,
            limits=self.limits,
            colours=self.colours,
        )


def _views(
    masker: Any, columns: Any, cmap: Colormap | None, displayed: Any, regions: tuple[Region, ...]
) -> list[_Painting]:
    if masker.unit == "region":
        return _of_labels(masker, columns, cmap, regions)
    if masker.unit == "map":
        return _of_maps(masker, columns, cmap, displayed, regions)
    return [_of_mask(columns)]


def _of_mask(columns: Any) -> _Painting:
    places: Grayordinates = columns.grid
    codes = np.zeros(places.n_voxels, dtype=np.int32)
    codes[columns.indices] = 1
    share = columns.indices.size / places.n_voxels
    return _Painting(
        title="The mask",
        caption=f"The mask includes {columns.indices.size:,} of {places.n_voxels:,} "
        f"{places.word} ({share:.1%}).",
        codes=codes,
        names=("inside the mask",),
    )


def _of_labels(
    masker: Any, columns: Any, cmap: Colormap | None, regions: tuple[Region, ...]
) -> list[_Painting]:
    lost, names = lost_numbers(regions), tuple(region.name for region in regions)
    has_run = hasattr(masker, "_coverage_")
    have = "have a signal" if has_run else f"have {columns.grid.word} inside the mask"
    codes: IntArray = columns.codes.ravel()
    where = _Painting(
        title="The regions",
        caption=f"{len(regions) - len(lost)} of {len(regions)} regions {have}.",
        codes=codes,
        mark="regions",
        names=names,
        lost=lost,
        colours=None if cmap is None else colours_of_regions(cmap, len(regions)),
    )
    if not has_run:
        return [where]
    share = np.concatenate([[np.nan], coverage_of(masker).share])
    covered = _Painting(
        title="Coverage",
        caption="Share of each region that the last run has covered.",
        codes=codes,
        mark="coverage",
        names=names,
        lost=lost,
        values=share[codes],
        label="coverage",
        colours=of_shares(N_COLOURS),
    )
    return [where, covered]


def _of_maps(
    masker: Any,
    columns: Any,
    cmap: Colormap | None,
    displayed: Any,
    regions: tuple[Region, ...],
) -> list[_Painting]:
    maps: PlacedMaps = columns.placed
    names = tuple(region.name for region in regions)
    strongest, strength = (each.ravel() for each in maps.strongest())
    overview = _Painting(
        title="All maps",
        caption=f"The strongest map at each place, from {LEVELS[0]:.0%} of its largest weight.",
        codes=np.where(strength >= LEVELS[0], strongest, 0),
        mark="all",
        names=names,
        lost=lost_numbers(regions),
    )
    sizes = maps.weights.sizes()
    shown = [
        number
        for number in chosen_numbers(displayed, maps.weights.n_maps, "displayed_maps")
        if sizes[number]
    ]
    return [overview, *(_map(maps, number, names[number], cmap) for number in shown)]


def _map(maps: PlacedMaps, number: int, name: str, cmap: Colormap | None) -> _Painting:
    weights = np.full(maps.grid.n_voxels, np.nan)
    row = maps.weights.row(number)
    weights[maps.weights.support] = np.where(row == 0, np.nan, row)
    largest = float(np.abs(row).max())
    return _Painting(
        title=name,
        caption="Its weights; grey is 0.",
        codes=np.zeros(weights.size, dtype=np.int32),
        mark=str(number),
        values=weights,
        label="weight",
        limits=(-largest if (row < 0).any() else 0.0, largest),
        colours=sequential(N_COLOURS) if cmap is None else shades(cmap, N_COLOURS),
    )


def _in_volume(places: Grayordinates, painting: _Painting) -> View | None:
    """Show in slices what has voxels."""
    if places.volume is None:
        return None
    codes = np.zeros(places.volume.shape, dtype=np.int32)
    for each in places.structures:
        where = places.where(each.name)
        if not each.is_surface and where is not None:
            codes[tuple(each.places.T)] = painting.codes[where]
    if not codes.any():
        return None
    return View(
        title=f"{painting.title}, in the volume",
        caption=painting.caption,
        codes=codes,
        mark="volume",
        lost=tuple(number for number in painting.lost if (codes == number).any()),
        colours=painting.colours,
    )
