"""What a masker keeps for its report, and the report as an object to show, to save and to open.

A masker keeps a `Seen` in ``_seen_``: of the run that was transformed last, or, before that, of
the one that was given to `fit`. A masker of several runs keeps one for each in ``_seen_runs_``;
`seen_of_run` makes it, while the masker still speaks of that run.
"""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.errors import BidsmaskError
from bidsmask.images.accept import Series, open_series
from bidsmask.images.grid import Grid
from bidsmask.maskers.samples import masks_of_runs, rows_of_runs
from bidsmask.maskers.volumes import as_volume, mask_on
from bidsmask.numerics.spheres import voxels_in_spheres
from bidsmask.reports.masker import (
    MaskerSummary,
    Parameter,
    Region,
    Run,
    Signals,
    View,
    masker_html,
)
from bidsmask.reports.summaries import Fact

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from bidsmask.maskers.templates import Beneath

ENGINES = ("matplotlib", "brainsprite")
"""What scripts may ask for; figures are drawn in one way, whatever is asked."""

MAX_SIGNALS = 400
"""Columns that are kept for the report; of more, some are taken, evenly."""

MAX_SPELLED = 50
"""Items of a list that the table of parameters shows."""

MOST_PICTURED = 16
"""Volumes of which the picture of a run is the mean; of more, some are taken, evenly."""

HIDDEN_MAP = "no weight inside the mask"
EMPTY_SPHERE = "no voxel inside the image and the mask"

NOTHING_KEPT = (
    "This masker was told to keep nothing for a report (reports=False). Set reports=True and fit "
    "it again to see where its columns are and what their signals look like."
)

IMAGES = ("mask_img", "labels_img", "maps_img")
"""Parameters that are images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What is kept of a run: a picture, and after `transform` some columns. Never the run.

    Parameters
    ----------
    volume : float32 array of shape (X, Y, Z)
    pictured : str
        What of the run `volume` is.
    grid : Grid
    t_r : float or None
        In seconds.
    signals : float32 array of shape (T_kept, P'), or None
    columns : int array of shape (P',)
        Which columns these are.
    kept : bool array of shape (T,)
        In the order in which volumes come out.
    name : str
        Of the run: its path, if it has one.
    names : tuple of P' str
        Of the columns; empty: they are those that the masker has now.
    lost : tuple of str
        What has no signal in this run, and why.
    said : tuple of str
        Warnings.
    """

    volume: FloatArray
    pictured: str
    grid: Grid
    t_r: float | None
    signals: FloatArray | None
    columns: IntArray
    kept: BoolArray
    name: str = ""
    names: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def seen_at_fit(series: Series) -> Seen:
    """Keep the mean of the first volumes of a run, of which no more than a block is read."""
    _, block = next(iter(series.blocks()))
    first = series.scale(block[:MOST_PICTURED])
    with np.errstate(invalid="ignore", over="ignore"):  # missing values are drawn as 0
        mean = first.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Seen(
        volume=as_volume(mean, series.grid),
        pictured=_pictured_at_fit(len(first), series.n_volumes),
        grid=series.grid,
        t_r=series.t_r,
        signals=None,
        columns=np.zeros(0, dtype=np.intp),
        kept=np.zeros(0, dtype=bool),
        name=series.name,
    )


def _pictured_at_fit(n_first: int, n_volumes: int) -> str:
    """Say what the first volumes are of the run that was given to `fit`.

    Examples
    --------
    >>> _pictured_at_fit(16, 200)
    'the mean of the first 16 of 200 volumes of the run given to fit'
    """
    if n_volumes == 1:
        return "the only volume of the run given to fit"
    if n_first == 1:
        return f"the first of {n_volumes} volumes of the run given to fit"
    part = f"first {n_first} of {n_volumes}" if n_first < n_volumes else str(n_volumes)
    return f"the mean of the {part} volumes of the run given to fit"


def seen_at_transform(series: Series, picture: Array, signals: Array, kept: BoolArray) -> Seen:
    """Keep the picture of a run, and some of its columns.

    Parameters
    ----------
    series : Series
    picture : array of shape (V_all,)
        Mean of up to `MOST_PICTURED` volumes, evenly spaced over the run; x runs fastest.
    signals : array of shape (T_kept, P), or (P,)
    kept : bool array of shape (T,)
        See `volumes_kept`.
    """
    signals = np.atleast_2d(signals)
    n_columns = signals.shape[1]
    columns = np.unique(np.linspace(0, n_columns - 1, min(n_columns, MAX_SIGNALS)).astype(np.intp))
    if kept.sum() != len(signals):  # cleaning has left out more, at the ends
        kept = np.ones(len(signals), dtype=bool)
    with np.errstate(over="ignore"):
        volume = as_volume(picture.astype(np.float32), series.grid)
    return Seen(
        volume=volume,
        pictured=_pictured_at_transform(series.n_volumes),
        grid=series.grid,
        t_r=series.t_r,
        signals=signals[:, columns].astype(np.float32),
        columns=columns,
        kept=kept,
        name=series.name,
    )


def _pictured_at_transform(n_volumes: int) -> str:
    """Say what the picture is of the run that was transformed.

    Examples
    --------
    >>> _pictured_at_transform(200)
    'the mean of 16 of 200 volumes, evenly spaced over the run'
    """
    if n_volumes == 1:
        return "the only volume of the run"
    if n_volumes <= MOST_PICTURED:
        return f"the mean of the run's {n_volumes} volumes"
    return f"the mean of {MOST_PICTURED} of {n_volumes} volumes, evenly spaced over the run"


def seen_of_run(masker: Any) -> Seen | None:
    """Say all that a report will say of the run that a masker has transformed last.

    To be called before the next run is transformed, for the names of columns and what is lost
    may differ between runs. Without the picture: that of one run is shown. None, if nothing is
    kept for reports.
    """
    seen: Seen | None = getattr(masker, "_seen_", None)
    if seen is None:
        return None
    return replace(
        seen,
        volume=np.zeros((0, 0, 0), dtype=np.float32),
        names=_names_of_columns(masker, seen),
        lost=_lost_in_run(masker, seen),
        said=tuple(getattr(masker, "_said_of_run_", ())),
    )


def volumes_kept(sample_mask: Any, runs: Any, n_volumes: int) -> BoolArray:
    """Which volumes are kept, in the order in which they come out: run after run.

    Examples
    --------
    >>> volumes_kept([[0], [1]], ["b", "a", "b"], 3)
    array([ True, False,  True])
    """
    rows = rows_of_runs(runs, n_volumes)
    lengths = [np.arange(n_volumes)[each].size for each in rows]
    return np.concatenate(masks_of_runs(sample_mask, lengths))


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
        # Links to a place on the page would lead to the page around it, were there no base.
        page = self.html.replace("base-uri 'none'; ", "", 1)
        page = page.replace("<title>", '<base href="about:srcdoc"><title>', 1)
        return (
            f'<iframe srcdoc="{escape(page)}" title="Report of a masker" '
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
    """Make the report of a masker; see its `generate_report`.

    Raises
    ------
    ValueError
        If the masker's `cmap` is none that matplotlib knows.
    """
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
    name, cmap = type(masker).__name__, _colour_map(masker)
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
    runs = _runs(masker, seen)
    said = [*masker._said_at_fit_, *(words for run in runs for words in run.warnings)]
    known["warnings"] = tuple(dict.fromkeys(said))
    if not masker.reports:
        return MaskerSummary(**known, notes=(NOTHING_KEPT,))
    beneath = _beneath(masker, seen)
    described = _DESCRIPTIONS[known["unit"]](masker, beneath, cmap, displayed)
    described["facts"] = (*described["facts"], *_facts(masker, seen, runs))
    return MaskerSummary(
        **known,
        **described,
        notes=_notes(beneath, runs),
        beneath=beneath.words,
        runs=runs,
    )


def _unit(masker: Any) -> str:
    for parameter, unit in (("labels_img", "region"), ("maps_img", "map"), ("seeds", "sphere")):
        if hasattr(masker, parameter):
            return unit
    return "voxel"


def _colour_map(masker: Any) -> Colormap | None:
    cmap = getattr(masker, "cmap", None)
    if cmap is None:
        return None
    from bidsmask.reports.drawing.canvas import colour_map

    return colour_map(cmap)


def _notes(beneath: Beneath, runs: tuple[Run, ...]) -> tuple[str, ...]:
    nothing = "Nothing has been transformed yet: there are no signals to show."
    return tuple(note for note in (beneath.note, "" if runs else nothing) if note)


def _facts(masker: Any, seen: Seen | None, runs: tuple[Run, ...]) -> list[Fact]:
    facts = [Fact(label="Columns", value=f"{masker.n_elements_:,}")]
    if seen is None or not runs:
        return facts
    if len(runs) > 1:
        facts.append(Fact(label="Runs", value=str(len(runs))))
    n_volumes, n_kept = sum(run.n_volumes for run in runs), sum(run.n_kept for run in runs)
    facts.append(Fact(label="Volumes", value=f"{n_kept} of {n_volumes}"))
    if n_kept < n_volumes:
        why = f"{n_volumes - n_kept}, by the sample_mask"
        facts.append(Fact(label="Volumes left out", value=why))
    if seen.t_r or masker.t_r:
        facts.append(Fact(label="Repetition time", value=f"{masker.t_r or seen.t_r:g} s"))
    return facts


# Runs


def _runs(masker: Any, seen: Seen | None) -> tuple[Run, ...]:
    """Runs of the last `transform`."""
    several: tuple[Seen, ...] = getattr(masker, "_seen_runs_", ())
    if len(several) > 1:
        return tuple(
            _run(masker, each, f"Run {number}: {_short(each.name)}")
            for number, each in enumerate(several, start=1)
        )
    last = seen_of_run(masker)
    if seen is None or last is None or last.signals is None:
        return ()
    return (_run(masker, last, "Signals of the last run"),)


def _run(masker: Any, seen: Seen, title: str) -> Run:
    assert seen.signals is not None
    return Run(
        title=title,
        signals=Signals(
            values=seen.signals,
            names=seen.names or _names_of_columns(masker, seen),
            kept=seen.kept,
            t_r=masker.t_r or seen.t_r,
            n_columns=int(seen.columns[-1]) + 1 if seen.columns.size else 0,
        ),
        lost=seen.lost,
        warnings=seen.said,
    )


def _short(name: str) -> str:
    """Name of a file, without the folders it is in.

    Examples
    --------
    >>> _short("/data/sub-01_bold.nii.gz"), _short("A list of 3 images")
    ('sub-01_bold.nii.gz', 'A list of 3 images')
    """
    return Path(name).name


def _names_of_columns(masker: Any, seen: Seen) -> tuple[str, ...]:
    """Call columns as the table of the report does."""
    unit = _unit(masker)
    if unit == "region":
        names = masker.get_feature_names_out()[seen.columns]
        return tuple(str(name) for name in names)
    numbers = masker.map_numbers_[seen.columns] if unit == "map" else seen.columns
    return tuple(f"{unit.capitalize()} {number}" for number in numbers)


def _lost_in_run(masker: Any, seen: Seen) -> tuple[str, ...]:
    unit = _unit(masker)
    if unit == "region" and hasattr(masker, "_covered_"):
        return _lost_regions(masker, masker._covered_)
    if unit == "map" and seen.signals is not None:
        shown = seen.columns[~np.isnan(seen.signals).all(axis=0)]
        without = np.setdiff1d(np.arange(_n_maps(masker)), masker.map_numbers_[shown])
        return tuple(f"Map {number}: {HIDDEN_MAP}" for number in without)
    if unit == "sphere" and hasattr(masker, "n_voxels_"):
        empty = np.flatnonzero(masker.n_voxels_ == 0)
        return tuple(f"Sphere {number}: {EMPTY_SPHERE}" for number in empty)
    return ()


def _lost_regions(masker: Any, covered: Any) -> tuple[str, ...]:
    names, sizes = masker._table_.region_names, covered.placed.n_voxels
    return tuple(
        f"{names[row]}: {_why_lost(sizes[row], covered.n_covered[row], masker.min_coverage)}"
        for row in np.flatnonzero(~covered.used)
    )


def _n_maps(masker: Any) -> int:
    return int(masker.maps_img_.shape[3]) if len(masker.maps_img_.shape) == 4 else 1


# What is shown of each kind


def _beneath(masker: Any, seen: Seen | None) -> Beneath:
    """Lay the run beneath the outlines; where there is none, a template."""
    from bidsmask.maskers.templates import Beneath, template_beneath

    if seen is None:
        return template_beneath(_named_images(masker))
    return Beneath(
        volume=np.nan_to_num(seen.volume, posinf=0, neginf=0),
        grid=seen.grid,
        words=f"Beneath the outlines: {seen.pictured}.",
    )


def _of_mask(
    masker: Any, beneath: Beneath, cmap: Colormap | None, displayed: Any
) -> dict[str, Any]:
    from bidsmask.reports.drawing.canvas import shades
    from bidsmask.reports.drawing.slices import GREY_LEVELS

    mask, grid = _array(masker.mask_img_).astype(bool), Grid.from_image(masker.mask_img_)
    share = mask.mean()
    caption = f"The mask includes {mask.sum():,} voxels ({100 * share:.1f} %) of the image."
    return {
        "facts": [
            Fact(label="Voxels in the mask", value=f"{mask.sum():,} ({100 * share:.1f} %)"),
            Fact(label="Size of the mask", value=f"{mask.sum() * _voxel_mm3(grid):,.0f} mm³"),
            *_grid_facts(grid),
        ],
        "reference": beneath.on(grid),
        "affine": np.array(grid.affine),
        "views": (View(title="The mask", caption=caption, codes=mask.astype(np.int16)),),
        "shades": None if cmap is None else shades(cmap, GREY_LEVELS),
    }


def _of_labels(
    masker: Any, beneath: Beneath, cmap: Colormap | None, displayed: Any
) -> dict[str, Any]:
    from bidsmask.reports.drawing.levels import colours_of_regions

    values, grid = _array(masker.labels_img_), Grid.from_image(masker.labels_img_)
    regions = _label_rows(masker, values, grid)
    ids = masker._regions()["index"].to_numpy()
    codes = np.searchsorted(ids, values).clip(max=len(ids) - 1)
    codes = np.where(ids[codes] == values, codes + 1, 0)
    lost = tuple(number for number, region in enumerate(regions, start=1) if region.lost)
    have = "have a signal" if hasattr(masker, "coverage_") else "have voxels inside the mask"
    caption = f"{len(regions) - len(lost)} of {len(regions)} regions {have}."
    return {
        "facts": [Fact(label="Regions", value=str(len(regions))), *_grid_facts(grid)],
        "reference": beneath.on(grid),
        "affine": np.array(grid.affine),
        "views": (
            View(
                title="The regions",
                caption=caption,
                codes=codes,
                lost=lost,
                colours=None if cmap is None else colours_of_regions(cmap, len(regions)),
            ),
        ),
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


def _of_maps(
    masker: Any, beneath: Beneath, cmap: Colormap | None, displayed: Any
) -> dict[str, Any]:
    from bidsmask.reports.drawing.levels import colours_of_levels, levels_of

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
            lost="" if np.any(maps[number, shown]) else HIDDEN_MAP,
        )
        for number in range(len(maps))
    )
    some_negative = bool((maps < 0).any())
    colours, key = (
        (None, ()) if cmap is None else colours_of_levels(cmap, some_negative=some_negative)
    )
    views = tuple(
        View(
            title=f"Map {number}",
            caption="Contours at a quarter, a half and three quarters of the largest weight.",
            codes=as_volume(levels_of(maps[number]), grid),
            mark=str(number),
            colours=colours,
            key=key,
        )
        for number in _chosen(displayed, len(maps), "displayed_maps")
        if maps[number].any()
    )
    return {
        "facts": [Fact(label="Maps", value=str(len(maps))), *_grid_facts(grid)],
        "reference": beneath.on(grid),
        "affine": np.array(grid.affine),
        "views": views,
        "regions": regions,
    }


def _of_spheres(
    masker: Any, beneath: Beneath, cmap: Colormap | None, displayed: Any
) -> dict[str, Any]:
    grid = _sphere_grid(masker, beneath)
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
        "reference": beneath.on(grid),
        "affine": np.array(grid.affine),
        "views": tuple(views),
        "regions": _sphere_rows(masker, grid),
    }


def _sphere_grid(masker: Any, beneath: Beneath) -> Grid | None:
    """Where spheres have voxels: in the run, else in the mask, else in the template."""
    if masker.mask_img_ is not None and beneath.note:
        return Grid.from_image(masker.mask_img_)
    return beneath.grid


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
            lost=EMPTY_SPHERE if inside[number] == 0 else "",
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


def _named_images(masker: Any) -> dict[str, str]:
    """File names of the masker's images, those that have one."""
    given = {name: getattr(masker, name, None) for name in ("labels_img", "maps_img", "mask_img")}
    return {
        name: str(
            img if isinstance(img, str | Path) else getattr(img, "get_filename", str)() or ""
        )
        for name, img in given.items()
    }


def _array(img: Any) -> Array:
    return np.asarray(img.dataobj)


def _inside(masker: Any, grid: Grid) -> BoolArray:
    """Voxels (V,) of a grid inside the mask; all, if there is none."""
    if masker.mask_img_ is None:
        return np.ones(grid.n_voxels, dtype=bool)
    mask = _array(masker.mask_img_).astype(bool)
    return mask_on(mask, Grid.from_image(masker.mask_img_), grid).ravel(order="F")


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
    """Write a value so that it can be read, and the same way each time.

    Examples
    --------
    >>> _spelled([np.float64(1.5), None]), _spelled(np.zeros((2, 3)))
    ('[1.5, None]', 'ndarray of shape (2, 3)')
    """
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, list | tuple):
        return _spelled_list(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_spelled(each)}" for key, each in value.items()) or "{}"
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if getattr(type(value), "__repr__", None) is object.__repr__:  # says where in memory it is
        return " ".join([type(value).__name__, str(getattr(value, "name", ""))]).strip()
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:299]}…"


def _spelled_list(values: Sequence[Any]) -> str:
    shown = ", ".join(_spelled(each) for each in values[:MAX_SPELLED])
    n_more = len(values) - MAX_SPELLED
    return f"[{shown} and {n_more} more]" if n_more > 0 else f"[{shown}]"
