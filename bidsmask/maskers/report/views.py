"""Where the columns of a masker are: what its report outlines, counts and lists of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsmask._typing import Array, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.coverage import Coverage
from bidsmask.columns.maps import PlacedMaps
from bidsmask.columns.spheres import Spheres
from bidsmask.images.grid import Grid
from bidsmask.images.volumes import as_volume
from bidsmask.maskers.notices import warn
from bidsmask.maskers.report.kept import shown_names
from bidsmask.maskers.templates import Beneath
from bidsmask.reports.drawing.cmaps import shades
from bidsmask.reports.drawing.levels import colours_of_levels, colours_of_regions, levels_of
from bidsmask.reports.drawing.slices import GREY_LEVELS
from bidsmask.reports.masker import Glass, Region, View
from bidsmask.reports.summaries import Fact

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


USUAL = 10
"""How many maps are shown at most if nobody says how many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What is shown of the columns of a masker.

    Parameters
    ----------
    facts : tuple of Fact
    grid : Grid or None
        Of the views. None: it is not known where the columns are, and there are no views.
    views : tuple of View
    glass : Glass or None
    regions : tuple of Region
    shades : uint8 array of shape (n, 3), or None
        Colours of what lies beneath the outlines. None: greys.
    """

    facts: tuple[Fact, ...]
    grid: Grid | None
    views: tuple[View, ...] = ()
    glass: Glass | None = None
    regions: tuple[Region, ...] = ()
    shades: Array | None = None


def shown_of(masker: Any, beneath: Beneath, cmap: Colormap | None, displayed: Any) -> Shown:
    """Say where the columns of a fitted masker are.

    Parameters
    ----------
    masker : Masker
    beneath : Beneath
        Its grid is where spheres have voxels, if nothing else says so.
    cmap : Colormap or None
    displayed : int, list of int, "all" or None
        Which maps or spheres to show: how many, or their numbers counted from 0.
    """
    if masker.unit == "region":
        return _of_labels(masker, cmap)
    if masker.unit == "map":
        return _of_maps(masker, cmap, displayed)
    if masker.unit == "sphere":
        return _of_spheres(masker, beneath, displayed)
    return _of_mask(masker, cmap)


def table_rows(
    masker: Any, labels: Iterable[str], names: Iterable[str], *, each: float
) -> tuple[Region, ...]:
    """Say how large columns are (`each`: a voxel), and how much of each is covered."""
    coverage = coverage_of(masker)
    extent, reasons = coverage.extent, coverage.reason
    used = getattr(masker, "_used_", extent.n_inside > 0)
    total = max(int(extent.n_voxels.sum()), 1)
    return tuple(
        Region(
            label=label,
            name=name,
            size=float(extent.n_voxels[row] * each),
            share=float(extent.n_voxels[row] / total),
            coverage=float(coverage.share[row]),
            lost="" if used[row] else reasons[row],
        )
        for row, (label, name) in enumerate(zip(labels, names, strict=True))
    )


def lost_numbers(regions: tuple[Region, ...]) -> tuple[int, ...]:
    """Numbers, from 1, of those without a signal."""
    return tuple(number for number, region in enumerate(regions, start=1) if region.lost)


def coverage_of(masker: Any) -> Coverage:
    """What the last run has covered; before there was one, what a run would if it saw all."""
    known: Coverage = getattr(masker, "_coverage_", None) or masker._foretold()
    return known


def _grid_of_columns(masker: Any) -> Grid:
    columns: Columns = masker._last_ if hasattr(masker, "_last_") else masker._fitted_
    grid: Grid = columns.grid
    return grid


def _of_mask(masker: Any, cmap: Colormap | None) -> Shown:
    mask, grid = _array(masker.mask_img_).astype(bool), Grid.from_image(masker.mask_img_)
    share = mask.mean()
    caption = f"The mask includes {mask.sum():,} voxels ({100 * share:.1f} %) of the image."
    return Shown(
        facts=(
            Fact(label="Voxels in the mask", value=f"{mask.sum():,} ({100 * share:.1f} %)"),
            Fact(label="Size of the mask", value=f"{mask.sum() * _voxel_mm3(grid):,.0f} mm³"),
        ),
        grid=grid,
        views=(View(title="The mask", caption=caption, codes=mask.astype(np.int16)),),
        shades=None if cmap is None else shades(cmap, GREY_LEVELS),
    )


# Labels


def _of_labels(masker: Any, cmap: Colormap | None) -> Shown:
    grid = Grid.from_image(masker.labels_img_)
    labels = [f"{label:g}" for label in masker._table_.regions]
    regions = table_rows(
        masker, labels, shown_names(masker), each=_voxel_mm3(_grid_of_columns(masker))
    )
    lost = lost_numbers(regions)
    have = "have a signal" if hasattr(masker, "_coverage_") else "have voxels inside the mask"
    view = View(
        title="The regions",
        caption=f"{len(regions) - len(lost)} of {len(regions)} regions {have}.",
        codes=masker._fitted_.codes,
        lost=lost,
        colours=None if cmap is None else colours_of_regions(cmap, len(regions)),
    )
    facts = (Fact(label="Regions", value=str(len(regions))),)
    return Shown(facts=facts, grid=grid, views=(view,), regions=regions)


# Maps


def _of_maps(masker: Any, cmap: Colormap | None, displayed: Any) -> Shown:
    maps: PlacedMaps = masker._maps_
    n_maps, sizes = maps.weights.n_maps, maps.weights.sizes()
    some_negative = bool(maps.weights.is_negative().any())
    colours, key = (
        (None, ()) if cmap is None else colours_of_levels(cmap, some_negative=some_negative)
    )
    views = tuple(
        View(
            title=f"Map {number}",
            caption="Contours at a quarter, a half and three quarters of the largest weight.",
            codes=_levels(maps, number),
            mark=str(number),
            colours=colours,
            key=key,
        )
        for number in chosen_numbers(displayed, n_maps, "displayed_maps")
        if sizes[number]
    )
    facts = (Fact(label="Maps", value=str(n_maps)),)
    labels = [str(number) for number in range(n_maps)]
    regions = table_rows(
        masker, labels, shown_names(masker), each=_voxel_mm3(_grid_of_columns(masker))
    )
    strongest, strength = maps.strongest()
    glass = Glass(
        caption="On each line of sight the strongest map, from a quarter of its largest weight.",
        strongest=strongest,
        strength=strength,
        names=tuple(shown_names(masker)),
        lost=lost_numbers(regions),
    )
    return Shown(facts=facts, grid=maps.grid, views=views, glass=glass, regions=regions)


def _levels(maps: PlacedMaps, number: int) -> IntArray:
    """Levels of a map, (X, Y, Z), in as little as holds them: there may be hundreds of maps."""
    levels = np.zeros(maps.grid.n_voxels, dtype=np.int8)
    levels[maps.weights.support] = levels_of(maps.weights.row(number))
    return as_volume(levels, maps.grid)


# Spheres


def _of_spheres(masker: Any, beneath: Beneath, displayed: Any) -> Shown:
    grid = _sphere_grid(masker, beneath)
    facts = (Fact(label="Spheres", value=str(len(masker.seeds_))),)
    regions = _sphere_rows(masker, grid)
    chosen = chosen_numbers(displayed, len(masker.seeds_), "displayed_spheres")
    if grid is None:
        return Shown(facts=facts, grid=None, regions=regions)
    spheres = masker._placed_on(grid).members
    views = [
        View(
            title=f"Sphere {number}",
            caption=f"Seed {_seed(masker.seeds_[number])}.",
            codes=_painted(spheres[number : number + 1], grid),
            mark=str(number),
        )
        for number in chosen
        if spheres[number].size
    ]
    if len(views) > 1:
        caption = f"{len(spheres)} spheres; those after this show one each."
        codes = _painted(spheres, grid)
        views.insert(0, View(title="All spheres", caption=caption, codes=codes, mark="all"))
    strongest = _painted(spheres, grid)
    glass = Glass(
        caption="All spheres, from each side: what is there shines through.",
        strongest=strongest,
        strength=(strongest > 0).astype(np.float32),
        names=tuple(shown_names(masker)),
        lost=lost_numbers(regions),
    )
    return Shown(facts=facts, grid=grid, views=tuple(views), glass=glass, regions=regions)


def _sphere_grid(masker: Any, beneath: Beneath) -> Grid | None:
    """Where spheres have voxels: in the run, else in the mask, else in the template."""
    if masker.mask_img_ is not None and beneath.note:
        return Grid.from_image(masker.mask_img_)
    return beneath.grid


def _sphere_rows(masker: Any, grid: Grid | None) -> tuple[Region, ...]:
    names = [f"Sphere {n} at {_seed(seed)}" for n, seed in enumerate(masker.seeds_)]
    labels = [str(number) for number in range(len(names))]
    if hasattr(masker, "_coverage_"):
        return table_rows(masker, labels, names, each=_voxel_mm3(_grid_of_columns(masker)))
    if grid is None:
        volumes = np.array([4 / 3 * np.pi * (radius or 0) ** 3 for radius in masker.radii_])
        inside: list[float | None] = [None] * len(names)
    else:
        placed: Spheres = masker._placed_on(grid)
        volumes = placed.extent.n_voxels * _voxel_mm3(grid)
        inside = list(placed.extent.size_inside / np.maximum(placed.extent.size, 1))
    return tuple(
        Region(
            label=label,
            name=name,
            size=float(size),
            share=float(size / volumes.sum()) if volumes.any() else 0.0,
            coverage=share,
            lost="no voxel inside the image and the mask" if share == 0 else "",
        )
        for label, name, size, share in zip(labels, names, volumes, inside, strict=True)
    )


def _seed(seed: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in seed) + ") mm"


def _painted(spheres: Iterable[IntArray], grid: Grid) -> IntArray:
    codes = np.zeros(grid.n_voxels, dtype=np.int32)
    for number, voxels in enumerate(spheres, start=1):
        codes[voxels] = number
    return as_volume(codes, grid)


# Of several kinds


def chosen_numbers(displayed: Any, n: int, name: str) -> list[int]:
    """Numbers to show; says which there are not.

    Examples
    --------
    >>> chosen_numbers(2, 5, "displayed_maps"), chosen_numbers([4, 0], 5, "displayed_maps")
    ([0, 1], [4, 0])
    """
    if displayed is None or (isinstance(displayed, str) and displayed == "all"):
        return list(range(n))
    if _is_whole(displayed):
        if displayed < 1:
            raise ValueError(f"{name!r} must be at least 1, not {displayed}.")
        if n < displayed != USUAL:
            warn(f"There are only {n}, so {name}={displayed} was set to {n}.")
        return list(range(min(int(displayed), n)))
    numbers = list(displayed) if isinstance(displayed, Iterable) else [displayed]
    if not all(map(_is_whole, numbers)):
        raise TypeError(
            f"{name!r} should be either 'all' or a positive 'int', or a list/array of ints, and "
            f"not {displayed!r}."
        )
    beyond = [int(number) for number in numbers if not 0 <= number < n]
    if beyond:
        warn(
            f"Report cannot display the following {name}: {beyond}. Numbers go from 0 to {n - 1}."
        )
    return [int(number) for number in numbers if 0 <= number < n]


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _array(img: Any) -> Array:
    return np.asarray(img.dataobj)


def _voxel_mm3(grid: Grid) -> float:
    return float(abs(np.linalg.det(grid.affine[:3, :3])))
