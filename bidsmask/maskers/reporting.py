"""What a masker keeps for its report, and the report as an object to show, to save and to open."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.errors import BidsmaskError
from bidsmask.images.accept import Series, open_series
from bidsmask.images.grid import Grid
from bidsmask.maskers.samples import masks_of_runs, rows_of_runs
from bidsmask.maskers.volumes import as_volume, mask_on
from bidsmask.numerics.resample import resample_nearest
from bidsmask.numerics.spheres import voxels_in_spheres
from bidsmask.reports.masker import (
    MaskerSummary,
    Parameter,
    Region,
    Signals,
    View,
    masker_html,
)
from bidsmask.reports.summaries import Fact

ENGINES = ("matplotlib", "brainsprite")
"""What scripts may ask for; figures are drawn in one way, whatever is asked."""

MAX_SIGNALS = 400
"""Columns that are kept for the report; of more, some are taken, evenly."""

LEVELS = (0.25, 0.5, 0.75)
"""Share of a map's largest weight at which it has contours."""

IMAGES = ("mask_img", "labels_img", "maps_img")
"""Parameters that are images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What is kept of a run: a volume, and after `transform` some columns. Never the run.

    Parameters
    ----------
    volume : float32 array of shape (X, Y, Z)
    grid : Grid
    t_r : float or None
        In seconds.
    signals : float32 array of shape (T_kept, P'), or None
    columns : int array of shape (P',)
        Which columns these are.
    kept : bool array of shape (T,)
    """

    volume: FloatArray
    grid: Grid
    t_r: float | None
    signals: FloatArray | None
    columns: IntArray
    kept: BoolArray


def seen_at_fit(series: Series) -> Seen:
    """Keep the first volume of a run."""
    volumes = series.volumes()
    first = next(iter(volumes)).astype(np.float32)
    return Seen(
        volume=first,
        grid=series.grid,
        t_r=series.t_r,
        signals=None,
        columns=np.zeros(0, dtype=np.intp),
        kept=np.zeros(0, dtype=bool),
    )


def seen_at_transform(series: Series, middle: Array, signals: Array, kept: BoolArray) -> Seen:
    """Keep a volume (V_all,) of a run, and some of its columns (T_kept, P)."""
    signals = np.atleast_2d(signals)
    n_columns = signals.shape[1]
    columns = np.unique(np.linspace(0, n_columns - 1, min(n_columns, MAX_SIGNALS)).astype(np.intp))
    if kept.sum() != len(signals):  # cleaning has left out more, at the ends
        kept = np.ones(len(signals), dtype=bool)
    return Seen(
        volume=as_volume(middle.astype(np.float32), series.grid),
        grid=series.grid,
        t_r=series.t_r,
        signals=signals[:, columns].astype(np.float32),
        columns=columns,
        kept=kept,
    )


def volumes_kept(sample_mask: Any, runs: Any, n_volumes: int) -> BoolArray:
    """Which volumes of the runs are kept, in the order of the image."""
    rows = rows_of_runs(runs, n_volumes)
    numbers = [np.arange(n_volumes)[each] for each in rows]
    kept = np.ones(n_volumes, dtype=bool)
    masks = masks_of_runs(sample_mask, [each.size for each in numbers])
    for where, mask in zip(numbers, masks, strict=True):
        kept[where] = mask
    return kept


class MaskerReport:
    """The report of a masker: one HTML page that needs nothing else.

    Parameters
    ----------
    html : str

    Examples
    --------
    >>> report = MaskerReport("<p>Hello</p>")
    >>> report.get_standalone()
    '<p>Hello</p>'
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def __str__(self) -> str:
        return self.html

    def get_standalone(self) -> str:
        """Give the whole page."""
        return self.html

    def get_iframe(self, width: int | str = "100%", height: int | str = 800) -> str:
        """Give the page inside of an element that can be put into another page."""
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="Report of a masker" '
            f'width="{escape(str(width))}" height="{escape(str(height))}" frameborder="0" '
            "allowfullscreen></iframe>"
        )

    def _repr_html_(self) -> str:
        return self.get_iframe()

    def save_as_html(self, file_name: str | Path) -> None:
        """Write the page to a file.

        Parameters
        ----------
        file_name : path
        """
        Path(file_name).expanduser().write_text(self.html, encoding="utf-8")

    def open_in_browser(self, file_name: str | Path | None = None) -> None:
        """Show the page in the browser.

        Parameters
        ----------
        file_name : path, optional
            Where to write it first; else in a temporary folder, from which nobody removes it
            before the system does.
        """
        if file_name is None:
            file_name = Path(tempfile.mkdtemp(prefix="bidsmask-")) / "report.html"
        path = Path(file_name).expanduser()
        self.save_as_html(path)
        webbrowser.open(path.resolve().as_uri())


def make_report(masker: Any, title: str | None, displayed: Any) -> MaskerReport:
    """Make the report of a masker; see its `generate_report`."""
    return MaskerReport(masker_html(summarize(masker, title=title, displayed=displayed)))


def summarize(masker: Any, *, title: str | None = None, displayed: Any = None) -> MaskerSummary:
    """Say what is known of a masker, fitted or not.

    Parameters
    ----------
    masker : Masker
    title : str, optional
    displayed : int, list of int, "all" or None
        Which maps or spheres to show: how many, or their numbers counted from 0.

    Returns
    -------
    summary : MaskerSummary
    """
    name = type(masker).__name__
    known: dict[str, Any] = {
        "title": title or name,
        "masker": name,
        "unit": _unit(masker),
        "parameters": _parameters(masker),
    }
    if not masker.__sklearn_is_fitted__():
        note = "This masker is not fitted yet: call fit, or fit_transform, to see what it takes."
        return MaskerSummary(**known, notes=(note,))
    seen: Seen | None = getattr(masker, "_seen_", None)
    known["warnings"] = (*masker._said_at_fit_, *getattr(masker, "_said_of_run_", ()))
    known["notes"] = _notes(masker, seen)
    if not masker.reports:
        return MaskerSummary(**known)
    described = _DESCRIPTIONS[known["unit"]](masker, seen, displayed)
    described["facts"] = (*described["facts"], *_facts(masker, seen))
    described["signals"] = _signals(masker, seen)
    return MaskerSummary(**known, **described)


def _unit(masker: Any) -> str:
    for parameter, unit in (("labels_img", "region"), ("maps_img", "map"), ("seeds", "sphere")):
        if hasattr(masker, parameter):
            return unit
    return "voxel"


def _notes(masker: Any, seen: Seen | None) -> tuple[str, ...]:
    if not masker.reports:
        return (
            "This masker was told to keep nothing for a report (reports=False). Set reports=True "
            "and fit it again to see where its columns are and what their signals look like.",
        )
    notes = []
    if seen is None:
        notes.append("No image was given to fit: there is none below the outlines.")
    if seen is None or seen.signals is None:
        notes.append("Nothing has been transformed yet: there are no signals to show.")
    return tuple(notes)


def _facts(masker: Any, seen: Seen | None) -> list[Fact]:
    facts = [Fact(label="Columns", value=f"{masker.n_elements_:,}")]
    if seen is None or seen.signals is None:
        return facts
    n_volumes, n_kept = seen.kept.size, int(seen.kept.sum())
    facts.append(Fact(label="Volumes", value=f"{n_kept} of {n_volumes}"))
    if n_kept < n_volumes:
        why = f"{n_volumes - n_kept}, by the sample_mask"
        facts.append(Fact(label="Volumes left out", value=why))
    if seen.t_r:
        facts.append(Fact(label="Repetition time", value=f"{masker.t_r or seen.t_r:g} s"))
    return facts


def _signals(masker: Any, seen: Seen | None) -> Signals | None:
    if seen is None or seen.signals is None:
        return None
    names = masker.get_feature_names_out()
    return Signals(
        values=seen.signals,
        names=tuple(str(name) for name in names[seen.columns]),
        kept=seen.kept,
        t_r=masker.t_r or seen.t_r,
        n_columns=len(names),
    )


# What is shown of each kind


def _of_mask(masker: Any, seen: Seen | None, displayed: Any) -> dict[str, Any]:
    mask, grid = _array(masker.mask_img_).astype(bool), Grid.from_image(masker.mask_img_)
    share = mask.mean()
    caption = f"The mask includes {mask.sum():,} voxels ({100 * share:.1f} %) of the image."
    return {
        "facts": [
            Fact(label="Voxels in the mask", value=f"{mask.sum():,} ({100 * share:.1f} %)"),
            Fact(label="Size of the mask", value=f"{mask.sum() * _voxel_mm3(grid):,.0f} mm³"),
            *_grid_facts(grid),
        ],
        "reference": _reference(seen, grid),
        "affine": np.array(grid.affine),
        "views": (View(title="The mask", caption=caption, codes=mask.astype(np.int16)),),
    }


def _of_labels(masker: Any, seen: Seen | None, displayed: Any) -> dict[str, Any]:
    values, grid = _array(masker.labels_img_), Grid.from_image(masker.labels_img_)
    regions = _label_rows(masker, values, grid)
    ids = masker._regions()["index"].to_numpy()
    codes = np.searchsorted(ids, values).clip(max=len(ids) - 1)
    codes = np.where(ids[codes] == values, codes + 1, 0)
    lost = tuple(number for number, region in enumerate(regions, start=1) if region.lost)
    caption = f"{len(regions) - len(lost)} of {len(regions)} regions have a signal."
    return {
        "facts": [Fact(label="Regions", value=str(len(regions))), *_grid_facts(grid)],
        "reference": _reference(seen, grid),
        "affine": np.array(grid.affine),
        "views": (View(title="The regions", caption=caption, codes=codes, lost=lost),),
        "regions": regions,
    }


def _label_rows(masker: Any, values: Array, grid: Grid) -> tuple[Region, ...]:
    placed = masker._columns_on(grid, values).placed
    table = getattr(masker, "coverage_", None)
    sizes = placed.n_voxels if table is None else table["n_voxels"].to_numpy()
    inside = placed.n_inside if table is None else table["n_covered"].to_numpy()
    if table is not None and getattr(masker, "region_atlas_", None) is not None:
        grid = Grid.from_image(masker.region_atlas_)
    total = max(int(sizes.sum()), 1)
    used = (inside > 0) if table is None else table["used"].to_numpy()
    rows = masker._regions()[["index", "name"]].itertuples(index=False)
    return tuple(
        Region(
            label=f"{label:g}",
            name=str(name),
            size_mm3=float(n * _voxel_mm3(grid)),
            share=float(n / total),
            coverage=float(m / n) if n else 0.0,
            lost="" if is_used else _why_lost(int(n), int(m), masker.min_coverage),
        )
        for (label, name), n, m, is_used in zip(rows, sizes, inside, used, strict=True)
    )


def _why_lost(n_voxels: int, n_covered: int, min_coverage: float) -> str:
    if n_voxels == 0:
        return "no voxel of the run is nearest to it"
    if n_covered == 0:
        return "no voxel inside the mask with finite values"
    return f"coverage below {min_coverage:.0%}"


def _of_maps(masker: Any, seen: Seen | None, displayed: Any) -> dict[str, Any]:
    maps, grid = masker._fitted_maps()
    shown = _inside(masker, grid)
    weights = np.count_nonzero(maps, axis=1)
    regions = tuple(
        Region(
            label=str(number),
            name=f"Map {number}",
            size_mm3=float(weights[number] * _voxel_mm3(grid)),
            share=float(weights[number] / max(weights.sum(), 1)),
            coverage=_share(np.count_nonzero(maps[number, shown]), weights[number]),
            lost="" if np.any(maps[number, shown]) else "no weight inside the mask",
        )
        for number in range(len(maps))
    )
    views = tuple(
        View(
            title=f"Map {number}",
            caption="Contours at a quarter, a half and three quarters of the largest weight.",
            codes=_contours(maps[number], grid),
            mark=str(number),
        )
        for number in _chosen(displayed, len(maps), "displayed_maps")
        if maps[number].any()
    )
    return {
        "facts": [Fact(label="Maps", value=str(len(maps))), *_grid_facts(grid)],
        "reference": _reference(seen, grid),
        "affine": np.array(grid.affine),
        "views": views,
        "regions": regions,
    }


def _contours(weights: FloatArray, grid: Grid) -> IntArray:
    """1 to 3 between the levels; 4 to 6 where weights are negative."""
    strength = np.abs(weights) / np.abs(weights).max()
    codes = np.digitize(strength, LEVELS)
    codes[(weights < 0) & (codes > 0)] += len(LEVELS)
    return as_volume(codes, grid)


def _of_spheres(masker: Any, seen: Seen | None, displayed: Any) -> dict[str, Any]:
    grid = _sphere_grid(masker, seen)
    facts = [Fact(label="Spheres", value=str(len(masker.seeds_)))]
    if grid is None:
        return {"facts": facts, "regions": _sphere_rows(masker, None)}
    spheres = _spheres_on(masker, grid, _inside(masker, grid))
    views = [
        View(
            title=f"Sphere {number}",
            caption=f"Seed {_seed(masker.seeds_[number])}.",
            codes=_painted(spheres[number : number + 1], grid),
            mark=str(number),
        )
        for number in _chosen(displayed, len(spheres), "displayed_spheres")
        if spheres[number].size
    ]
    if len(views) > 1:
        caption = f"{len(spheres)} spheres; those after this show one each."
        codes = _painted(spheres, grid)
        views.insert(0, View(title="All spheres", caption=caption, codes=codes, mark="all"))
    return {
        "facts": [*facts, *_grid_facts(grid)],
        "reference": _reference(seen, grid),
        "affine": np.array(grid.affine),
        "views": tuple(views),
        "regions": _sphere_rows(masker, grid),
    }


def _sphere_grid(masker: Any, seen: Seen | None) -> Grid | None:
    if seen is not None:
        return seen.grid
    return None if masker.mask_img_ is None else Grid.from_image(masker.mask_img_)


def _spheres_on(masker: Any, grid: Grid, mask: BoolArray | None) -> tuple[IntArray, ...]:
    inside = None if mask is None else mask.reshape(grid.shape, order="F")
    seeds = np.array(masker.seeds_, dtype=np.float64)
    return voxels_in_spheres(seeds, masker.radii_, grid.shape, grid.affine, inside)


def _sphere_rows(masker: Any, grid: Grid | None) -> tuple[Region, ...]:
    names = [f"Sphere {n} at {_seed(seed)}" for n, seed in enumerate(masker.seeds_)]
    if grid is None:
        volumes = np.array([4 / 3 * np.pi * (radius or 0) ** 3 for radius in masker.radii_])
        inside: list[float | None] = [None] * len(names)
    else:
        whole = np.array([each.size for each in _spheres_on(masker, grid, None)])
        kept = [each.size for each in _spheres_on(masker, grid, _inside(masker, grid))]
        volumes = whole * _voxel_mm3(grid)
        inside = [_share(n, size) for n, size in zip(kept, whole, strict=True)]
    return tuple(
        Region(
            label=str(number),
            name=name,
            size_mm3=float(volumes[number]),
            share=_share(volumes[number], volumes.sum()),
            coverage=inside[number],
            lost="no voxel inside the image and the mask" if inside[number] == 0 else "",
        )
        for number, name in enumerate(names)
    )


def _seed(seed: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in seed) + ") mm"


def _painted(spheres: Iterable[IntArray], grid: Grid) -> IntArray:
    codes = np.zeros(grid.n_voxels, dtype=np.int32)
    for number, voxels in enumerate(spheres, start=1):
        codes[voxels] = number
    return as_volume(codes, grid)


_DESCRIPTIONS = {
    "voxel": _of_mask,
    "region": _of_labels,
    "map": _of_maps,
    "sphere": _of_spheres,
}


def _chosen(displayed: Any, n: int, name: str) -> list[int]:
    """Numbers to show.

    Examples
    --------
    >>> _chosen(2, 5, "displayed_maps"), _chosen([4, 0], 5, "displayed_maps")
    ([0, 1], [4, 0])
    """
    if displayed is None or (isinstance(displayed, str) and displayed == "all"):
        return list(range(n))
    if isinstance(displayed, int | np.integer) and not isinstance(displayed, bool):
        if displayed < 1:
            raise ValueError(f"{name!r} must be at least 1, not {displayed}.")
        return list(range(min(int(displayed), n)))
    if isinstance(displayed, str | bool) or not isinstance(displayed, Iterable):
        raise TypeError(f"{name!r} must be a whole number, a list of them, or 'all'.")
    numbers = [int(number) for number in displayed]
    beyond = [number for number in numbers if not 0 <= number < n]
    if beyond:
        raise ValueError(f"{name!r} names {beyond}, but numbers go from 0 to {n - 1}.")
    return numbers


def _array(img: Any) -> Array:
    return np.asarray(img.dataobj)


def _inside(masker: Any, grid: Grid) -> BoolArray:
    """Voxels (V,) of a grid inside the mask; all, if there is none."""
    if masker.mask_img_ is None:
        return np.ones(grid.n_voxels, dtype=bool)
    mask = _array(masker.mask_img_).astype(bool)
    return mask_on(mask, Grid.from_image(masker.mask_img_), grid).ravel(order="F")


def _reference(seen: Seen | None, grid: Grid) -> FloatArray | None:
    if seen is None:
        return None
    volume = np.nan_to_num(seen.volume, posinf=0, neginf=0)
    return resample_nearest(volume, seen.grid.affine, grid.shape, grid.affine)


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0


def _voxel_mm3(grid: Grid) -> float:
    return float(abs(np.linalg.det(grid.affine[:3, :3])))


def _grid_facts(grid: Grid) -> list[Fact]:
    return [
        Fact(label="Grid", value=" × ".join(map(str, grid.shape))),
        Fact(label="Voxels", value=" × ".join(f"{s:.3g}" for s in grid.voxel_sizes_mm) + " mm"),
        Fact(label="Orientation", value=grid.orientation),
    ]


# Parameters


def _parameters(masker: Any) -> tuple[Parameter, ...]:
    return tuple(
        _image_parameter(name, value)
        if name in IMAGES and value is not None
        else Parameter(name=name, value=_spelled(value))
        for name, value in masker.get_params(deep=False).items()
    )


def _image_parameter(name: str, img: Any) -> Parameter:
    words = str(img) if isinstance(img, str | Path) else f"{type(img).__name__} in memory"
    try:
        series = open_series(img)
    except (BidsmaskError, OSError, TypeError, ValueError) as error:  # the masker may be unfitted
        return Parameter(
            name=name, value=words, details=(Fact(label="Cannot be read", value=str(error)),)
        )
    return Parameter(
        name=name,
        value=words,
        details=(
            *_grid_facts(series.grid),
            Fact(label="Volumes", value=str(series.n_volumes)),
            Fact(label="Type", value=series.dtype.name),
        ),
    )


def _spelled(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_spelled(each)}" for key, each in value.items()) or "{}"
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:299]}…"
