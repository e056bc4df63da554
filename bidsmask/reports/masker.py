"""The report of a masker: a value that says what it has learned, and the page made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask._version import __version__
from bidsmask.reports.summaries import Fact

if TYPE_CHECKING:
    from markupsafe import Markup

    from bidsmask.images.meshes import Mesh
    from bidsmask.reports.drawing.slices import Paint
    from bidsmask.reports.drawing.surfaces import Cortex


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a masker.

    Parameters
    ----------
    name, value : str
        Ready to be read.
    is_default : bool
        Whether it has been left as it was.
    details : tuple of Fact
        What is folded away: of an image, its header.
    """

    name: str
    value: str
    is_default: bool = True
    details: tuple[Fact, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Region:
    """A row of the table: a region, map or sphere.

    Parameters
    ----------
    label, name : str
    size : float
        In the `size_unit` of the summary.
    share : float
        Of the size of all, 0 to 1.
    coverage : float or None
        Share of its voxels that count, 0 to 1; None if that is not known.
    lost : str
        Why there is no signal of it; empty if there is one.
    """

    label: str
    name: str
    size: float
    share: float
    coverage: float | None
    lost: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Something to look at: outlines over an image.

    Parameters
    ----------
    title, caption : str
    codes : int array of shape (X, Y, Z)
        0 outside; every other number has an outline of its own.
    lost : tuple of int
        Numbers to mark, since there is no signal of them.
    mark : str
        What the button says that leads here, where there are several views.
    colours : uint8 array of shape (n + 1, 3), or None
        Colour of each number. None: outlines of one colour.
    key : tuple of (str, int)
        What to say of the colours of which numbers.
    """

    title: str
    caption: str
    codes: IntArray
    mark: str = ""
    lost: tuple[int, ...] = ()
    colours: Array | None = None
    key: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceView:
    """Something to look at on the meshes of the summary: regions, or values.

    Parameters
    ----------
    title, caption : str
    mark : str
        What the button says that leads here, where there are several views.
    codes : mapping from structure to int array of shape (V,)
        Of each vertex the region, 1 to P, or 0.
    names : tuple of P str
    lost : tuple of int
        Numbers to mark, since there is no signal of them.
    values : mapping from structure to array of shape (V,), or None
        NaN where there is none. None: regions are painted, and not values.
    label : str
        What the values are.
    limits : two floats
        Values of the first and the last colour.
    colours : uint8 array of shape (P + 1, 3) or (n, 3), or None
        Of the numbers from 0 on; or of the values, from the lowest to the highest.
    """

    title: str
    caption: str
    mark: str = ""
    codes: Mapping[str, IntArray]
    names: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()
    values: Mapping[str, FloatArray] | None = None
    label: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    colours: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Glass:
    """All maps or spheres at once, in a brain of glass.

    Parameters
    ----------
    caption : str
    strongest : int array of shape (X, Y, Z)
        Which one is strongest: 1 to P, and 0 where there is none.
    strength : array of shape (X, Y, Z)
        From 0 to 1.
    names : tuple of P str
    lost : tuple of int
        Numbers (1 to P) of those without a signal.
    """

    caption: str
    strongest: IntArray
    strength: FloatArray
    names: tuple[str, ...]
    lost: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """What `transform` gave of a run.

    Parameters
    ----------
    values : float32 array of shape (T_kept, P)
    names : tuple of P str
    kept : bool array of shape (T,)
        True = kept.
    t_r : float or None
        In seconds.
    n_columns : int
        There may be more than the P that are drawn.
    """

    values: FloatArray
    names: tuple[str, ...]
    kept: BoolArray
    t_r: float | None
    n_columns: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run that was transformed.

    Parameters
    ----------
    title : str
    signals : Signals
    lost : tuple of str
        Columns without a signal in this run, each with the reason.
    warnings : tuple of str
    """

    title: str
    signals: Signals
    lost: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def n_volumes(self) -> int:
        """Volumes of the run."""
        return self.signals.kept.size

    @property
    def n_kept(self) -> int:
        """Volumes of which there are signals."""
        return int(self.signals.kept.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskerSummary:
    """All that a report says of a masker; small, and nothing of it is the run itself.

    Parameters
    ----------
    title, masker : str
    unit : str
        What the columns are of: "voxel", "region", "map" or "sphere".
    notes : tuple of str
        What is not there and why, for instance that the masker is not fitted.
    warnings : tuple of str
    facts : tuple of Fact
    reference : array of shape (X, Y, Z), or None
        Lies below the outlines. None: they are drawn on black.
    beneath : str
        What `reference` is, as a sentence.
    shades : uint8 array of shape (n, 3), or None
        Colours of `reference` from its darkest to its brightest. None: greys.
    affine : array of shape (4, 4), or None
        Of `reference` and of the views.
    glass : Glass or None
        Overview of maps or spheres.
    views : tuple of View
        If there are several, the reader pages through them.
    meshes : mapping from structure to Mesh
        Of `surfaces`, of which there are none without them.
    surfaces : tuple of SurfaceView
        They come before the other views.
    regions : tuple of Region
    size_unit : str
        Of the sizes of regions.
    runs : tuple of Run
        Those of the last `transform`; if there are several, the reader pages through them.
    parameters : tuple of Parameter
    """

    title: str
    masker: str
    unit: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    reference: FloatArray | None = None
    beneath: str = ""
    shades: Array | None = None
    affine: FloatArray | None = None
    glass: Glass | None = None
    views: tuple[View, ...] = ()
    meshes: Mapping[str, Mesh] = field(default_factory=dict)
    surfaces: tuple[SurfaceView, ...] = ()
    regions: tuple[Region, ...] = ()
    size_unit: str = "mm³"
    runs: tuple[Run, ...] = ()
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Picture:
    """A page of a pager. Without a source there is nothing to draw; `run` may have words."""

    title: str
    caption: str
    source: Markup | None
    mark: str = ""
    run: Run | None = None


@dataclass(frozen=True, kw_only=True)
class _Order:
    """The table of regions, in one of several orders."""

    title: str
    mark: str
    regions: Sequence[Region]


def masker_html(summary: MaskerSummary) -> str:
    """Make the page: one text that needs nothing else, without any script.

    Parameters
    ----------
    summary : MaskerSummary

    Returns
    -------
    html : str
        The same value gives the same text.
    """
    from bidsmask.reports.assemble import render

    return render(
        "masker.html",
        styles=("report.css", "masker.css"),
        summary=summary,
        overview=_overview(summary.glass, summary),
        pictures=[
            *_surface_pictures(summary),
            *(_picture(view, summary) for view in summary.views),
        ],
        runs=_run_pictures(summary.runs, summary.unit),
        orders=_orders(summary.regions),
        lost=[region for region in summary.regions if region.lost],
        version=__version__,
    )


def _overview(glass: Glass | None, summary: MaskerSummary) -> _Picture | None:
    if glass is None or not (glass.strongest * glass.strength).any():
        return None
    from bidsmask.reports.assemble import data_uri
    from bidsmask.reports.drawing.glass import glass_brain

    reference, affine = _beneath(summary, glass.strongest)
    svg = glass_brain(
        reference,
        glass.strongest,
        glass.strength,
        affine,
        names=glass.names,
        unit=summary.unit,
        lost=glass.lost,
    )
    return _Picture(title="Glass brain", caption=glass.caption, source=data_uri(svg, ".svg"))


def _beneath(summary: MaskerSummary, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """What lies beneath codes (X, Y, Z), and its affine."""
    reference = np.zeros(codes.shape) if summary.reference is None else summary.reference
    return reference, np.eye(4) if summary.affine is None else summary.affine


def _picture(view: View, summary: MaskerSummary) -> _Picture:
    from bidsmask.reports.assemble import data_uri
    from bidsmask.reports.figures import atlas_outline

    reference, affine = _beneath(summary, view.codes)
    svg = atlas_outline(
        reference,
        view.codes,
        affine,
        lost_ids=view.lost,
        paint=_paint(view, summary),
        key=view.key,
        unit="mask" if summary.unit == "voxel" else summary.unit,
        intensity="intensity",
    )
    return _Picture(
        title=view.title, caption=view.caption, source=data_uri(svg, ".svg"), mark=view.mark
    )


def _surface_pictures(summary: MaskerSummary) -> Iterator[_Picture]:
    if not summary.surfaces:
        return
    from bidsmask.reports.assemble import data_uri
    from bidsmask.reports.drawing.surfaces import look_at

    cortex = look_at(summary.meshes)
    for view in summary.surfaces:
        yield _Picture(
            title=view.title,
            caption=view.caption,
            source=data_uri(_on_surfaces(view, cortex, summary.unit), ".svg"),
            mark=view.mark,
        )


def _on_surfaces(view: SurfaceView, cortex: Cortex, unit: str) -> bytes:
    from bidsmask.reports.drawing.surfaces import surface_regions, values_on_surfaces

    if view.values is None or view.colours is None:
        return surface_regions(
            cortex,
            view.codes,
            names=view.names,
            lost=view.lost,
            colours=view.colours,
            unit=unit,
        )
    return values_on_surfaces(
        cortex,
        view.values,
        label=view.label,
        colours=view.colours,
        limits=view.limits,
        codes=view.codes,
        lost=view.lost,
    )


def _paint(view: View, summary: MaskerSummary) -> Paint:
    from bidsmask.reports.drawing.slices import Paint, dimmed, greys

    background = greys().background if summary.shades is None else dimmed(summary.shades)
    return Paint(background=background, regions=view.colours)


def _orders(regions: Sequence[Region]) -> list[_Order]:
    """Ways to go through the table; one, if there is nothing to sort by."""
    orders = [_Order(title="By label", mark="by label", regions=regions)]
    if len(regions) < 2:
        return orders
    known = sorted(regions, key=lambda region: -1 if region.coverage is None else region.coverage)
    if any(region.coverage is not None for region in regions):
        title = "Lowest coverage first"
        orders.append(_Order(title=title, mark="by coverage", regions=known))
    large = sorted(regions, key=lambda region: -region.size)
    return [*orders, _Order(title="Largest first", mark="by size", regions=large)]


def _run_pictures(runs: Sequence[Run], unit: str) -> list[_Picture]:
    """Pages for the runs; a single one that cannot be drawn has none."""
    pictures = [
        _Picture(
            title=run.title,
            caption=_signals_caption(run.signals, unit),
            source=_signals_source(run.signals, unit),
            mark=str(number),
            run=run,
        )
        for number, run in enumerate(runs, start=1)
    ]
    return pictures if len(pictures) > 1 else [each for each in pictures if each.source]


def _signals_source(signals: Signals, unit: str) -> Markup | None:
    if not np.isfinite(signals.values).any() or len(signals.values) < 2:
        return None
    from bidsmask.reports.assemble import data_uri
    from bidsmask.reports.figures import region_signals

    values = np.full((signals.kept.size, signals.values.shape[1]), np.nan)
    values[signals.kept] = signals.values
    svg = region_signals(
        values,
        names=signals.names,
        t_r=signals.t_r or 1.0,
        sample_mask=signals.kept,
        unit=unit,
    )
    return data_uri(svg, ".svg")


def _signals_caption(signals: Signals, unit: str) -> str:
    drawn = signals.values.shape[1]
    some = (
        f"{drawn} of {signals.n_columns} columns, evenly spread. "
        if drawn < (signals.n_columns)
        else ""
    )
    time = "" if signals.t_r else " The repetition time is not known: seconds are volumes."
    return f"Every row is a {unit}, in standard deviations from its mean. {some}{time}".strip()
