"""What of a plan cannot be done, as names and headers tell before anything is read.

File systems have a longest name, and an atlas that lies beside a run covers nothing of it. What
is found here costs its own part, as what turns up later does (`bidsmask.analysis.parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.analysis.kinds import Source, elsewhere, files_of
from bidsmask.analysis.networks import networks_of
from bidsmask.analysis.output_names import (
    MOST_EDGE_REGIONS,
    copy_names,
    edges_names,
    event_names,
    has_edges,
    matrix_names,
    network_means_names,
    regional_map_names,
    regional_table_name,
    run_file,
    seed_map_names,
    time_series_name,
    twin_names,
    voxels_names,
)
from bidsmask.analysis.parts import attempt
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.dataset.seeds import SeedSet
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives.status import RunFailure
from bidsmask.errors import AtlasError, EventsError, LongNameError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.io import open_image
from bidsmask.numerics.affine import apply_affine
from bidsmask.numerics.alff import slow_frequencies
from bidsmask.reports.summaries import LostPart, letters
from bidsmask.settings import EventsSettings

_T = TypeVar("_T")

_SHORTEST = ("atlas", "A")


def foresee(plan: Plan) -> Plan:
    """Take out of a plan what cannot be done, and say why."""
    grid_of = cache(_grid_of)
    planned = [_foresee_run(run, grid_of) for run in plan.runs]
    return replace(
        plan,
        runs=tuple(each for each in planned if isinstance(each, RunPlan)),
        failures=(*plan.failures, *(each for each in planned if isinstance(each, RunFailure))),
    )


def _grid_of(image: Path) -> Grid:
    return Grid.from_image(open_image(image))


def _foresee_run(plan: RunPlan, grid_of: Callable[[Path], Grid]) -> RunPlan | RunFailure:
    lost = [_lost_by_names("run", plan.run.name, _names_of_run(plan), partial(_shorten_run, plan))]
    strategies = [
        _lost_by_names("strategy", each.name, _names_of_strategy(plan, each), _rename)
        or _lost_without_events(plan, "strategy", each.name, asks=each.models_task)
        or attempt("strategy", each.name, partial(each.check_bold, plan.run.bold))
        for each in plan.strategies
    ]
    task = [
        _lost_without_events(plan, "measure", title, asks=asks)
        for title, asks in plan.events.by_title.items()
    ]
    kept = replace(plan, strategies=_others(plan.strategies, strategies))
    sources = [_foresee_source(kept, each, grid_of) for each in plan.sources]
    kept = replace(kept, sources=_others(plan.sources, sources))
    measures = [
        _lost_by_names("measure", each, names(kept), partial(_shorten, kept, names))
        for each in plan.connectivity.measures
        for names in [partial(_names_of_measure, measure=each)]
    ]
    alff = _foresee_alff(kept)
    of_voxels = [] if isinstance(plan.grid, Grid) else [*_lost_on_surfaces(kept)]
    lost += [*strategies, *sources, *measures, alff, *of_voxels, *task]
    lost += _lost_beside_matrices(kept)
    found = tuple(part for part in lost if part)
    if not found:
        return plan
    if alff:
        kept = replace(kept, voxelwise=replace(kept.voxelwise, alff=False))
    for part in of_voxels:
        without = {"reho": False} if part.name == "reho" else {"voxelwise_smoothing_fwhm_mm": 0.0}
        kept = replace(kept, voxelwise=replace(kept.voxelwise, **without))
    has_nothing = not (kept.sources or kept.voxelwise.without_sources) or not kept.strategies
    if has_nothing or lost[0]:
        return RunFailure(
            subject=plan.run.subject,
            run=plan.run.name,
            node="find_files",
            kind=found[0].kind,
            reason=" ".join(letters((*plan.lost, *found))),
        )
    connectivity = plan.connectivity.only(_others(plan.connectivity.measures, measures))
    events = EventsSettings() if any(task) else plan.events
    lost_parts = (*plan.lost, *found)
    return replace(kept, connectivity=connectivity, events=events, lost=lost_parts)


def _lost_without_events(plan: RunPlan, part: str, name: str, *, asks: bool) -> LostPart | None:
    """Say that a part is lost if it asks for events, and the run has none that can be used."""
    if not (asks and plan.run.no_events):
        return None
    return LostPart(part=part, name=name, kind=EventsError.__name__, reason=plan.run.no_events)


def _others(asked: Sequence[_T], lost: Sequence[LostPart | None]) -> tuple[_T, ...]:
    """Give those that are not lost."""
    return tuple(each for each, part in zip(asked, lost, strict=True) if part is None)


# --- names


def _lost_by_names(
    part: str, name: str, names: Iterable[Path], remedy: Callable[[], str]
) -> LostPart | None:
    """Say that a part is lost if a file of it would have too long a name."""
    return attempt(part, name, partial(_refuse_long, names, remedy))


def _refuse_long(names: Iterable[Path], remedy: Callable[[], str]) -> None:
    try:
        for _ in names:  # each is made, which fails if it is too long
            pass
    except LongNameError as error:
        raise LongNameError(f"{error} {remedy()}") from error


def _names_of_run(plan: RunPlan) -> Iterator[Path]:
    for suffix in ("qc", "complete", "report"):
        yield run_file(plan, suffix, ".json", desc="bidsmask")
    if plan.voxelwise.any and plan.run.mask:
        yield run_file(plan, "mask", ".nii.gz", desc="brain")


def _names_of_strategy(plan: RunPlan, strategy: Strategy) -> Iterator[Path]:
    yield run_file(plan, "outliers", ".json", desc=strategy.label, with_space=False)
    if plan.voxelwise.voxelwise:
        smoothed = plan.voxelwise.voxelwise_smoothing_fwhm_mm > 0
        yield from voxels_names(plan, strategy, smoothed=smoothed).images
    for measure in plan.voxelwise.regional:
        yield from regional_map_names(plan, strategy, measure).images


def _names_of_sources(plan: RunPlan) -> Iterator[Path]:
    for source in plan.sources:
        yield from copy_names(plan, source)
        yield run_file(plan, "bold", ".json", source, stat="coverage")
        yield from twin_names(plan, source)
        for strategy in plan.strategies:
            for statistic in plan.statistics_of(source):
                yield time_series_name(plan, source, strategy, statistic, ".json")
            yield from edges_names(plan, source, strategy, ".json")
            yield from event_names(plan, source, strategy, ".json")
            if plan.voxelwise.seed_maps and isinstance(source, SeedSet):
                yield from seed_map_names(plan, source, strategy).images
            for measure in plan.voxelwise.regional:
                yield regional_table_name(plan, source, strategy, measure, ".json")


def _lost_beside_matrices(plan: RunPlan) -> Iterator[LostPart]:
    """Say that no source has networks, or which have too many edges for a table."""
    lost = partial(LostPart, part="measure", kind=AtlasError.__name__)
    if plan.connectivity.network_means and not any(map(networks_of, plan.sources)):
        yield lost(
            name="network means",
            reason="No source has a column network in its table, or names as those of Schaefer's "
            "atlas (7Networks_LH_Vis_1). Add the column.",
        )
    for source in plan.sources:
        n_regions = len(source.lut.names)
        if plan.connectivity.edge_timeseries == "all" and not has_edges(plan, source):
            yield lost(
                name=f"edge time series of {source.name}",
                reason=f"{n_regions} regions have {n_regions * (n_regions - 1) // 2} edges, and "
                f"those of more than {MOST_EDGE_REGIONS} regions are not written. Their root sum "
                "of squares is (--edge-timeseries rss); bidsmask.numerics.connectivity.edges."
                "edge_time_series gives them from the time series.",
            )


def _names_of_measure(plan: RunPlan, measure: str) -> Iterator[Path]:
    for source in plan.sources:
        for strategy in plan.strategies:
            yield from matrix_names(plan, source, strategy, measure, ".json")
            yield from network_means_names(plan, source, strategy, measure, ".json")


def _rename() -> str:
    return "Give the strategy a shorter name, in its YAML file."


def _shorten_run(plan: RunPlan) -> str:
    return f"Shorten the labels in the name of {plan.run.bold.name} and of what belongs to it."


def _shorten(plan: RunPlan, names: Callable[[RunPlan], Iterable[Path]]) -> str:
    """Say how the sources of a plan can be called, if that is enough for these names."""
    short = tuple(replace(source, entities=(_SHORTEST,)) for source in plan.sources)
    if attempt(
        "run", plan.run.name, partial(_refuse_long, names(replace(plan, sources=short)), str)
    ):
        return _shorten_run(plan)
    return " ".join(
        f"Copy {' and '.join(map(str, files_of(source)))} and its table to {_short_name(source)}, "
        "or to another short name, and give its path."
        for source in plan.sources
    )


def _short_name(source: Source) -> str:
    if isinstance(source, SeedSet):
        space = f"space-{source.space}_" if source.space else ""
        return f"{space}seg-A_seeds.tsv and .json"
    space = f"tpl-{source.space}_" if source.space else ""
    ending = "".join(source.files[0].suffixes[-2:])
    sides = "hemi-L_ (and hemi-R_) " if len(source.files) > 1 else ""
    return f"{sides}{space}atlas-A_{source.kind}{ending} and .tsv"


# --- headers


def _lost_on_surfaces(plan: RunPlan) -> Iterator[LostPart]:
    """Say what a run on surfaces has not: neighbours without a mesh, and smoothed volumes."""
    lost = partial(LostPart, part="measure", kind=SpaceError.__name__)
    missing = [name for name in plan.grid.meshes if name not in dict(plan.meshes.neighbours)]
    if plan.voxelwise.reho and missing:
        letter = plan.meshes.no_neighbours or f"There is no mesh of {' and '.join(missing)}."
        yield lost(
            name="reho",
            reason=f"--reho compares vertices with those beside them on a mesh. {letter} Or ask "
            "for it in a command of its own, for spaces with voxels (--file-format nifti).",
        )
    if plan.voxelwise.voxelwise_smoothing_fwhm_mm:
        yield lost(
            name="smoothed copy",
            reason="--voxelwise-smoothing-fwhm smooths volumes, and this run lies on surfaces. "
            "Ask for it in a command of its own, for spaces with voxels (--file-format nifti).",
        )


def _foresee_alff(plan: RunPlan) -> LostPart | None:
    if not plan.voxelwise.alff:
        return None
    return attempt("measure", "alff", partial(_refuse_without_band, plan))


def _refuse_without_band(plan: RunPlan) -> None:
    slow_frequencies(plan.n_volumes, plan.t_r)


def _foresee_source(
    plan: RunPlan, source: Source, grid_of: Callable[[Path], Grid]
) -> LostPart | None:
    part = "seeds" if isinstance(source, SeedSet) else "atlas"
    alone = replace(plan, sources=(source,))
    remedy = partial(_shorten, alone, _names_of_sources)
    long = _lost_by_names(part, source.name, _names_of_sources(alone), remedy)
    return long or attempt(part, source.name, partial(_refuse_apart, source, plan.grid, grid_of))


def _refuse_apart(source: Source, grid: Grid, grid_of: Callable[[Path], Grid]) -> None:
    if not isinstance(grid, Grid):
        return  # meshes have been compared already
    if isinstance(source, SeedSet):
        is_apart = _are_beyond(np.array(source.coordinates_mm), np.array(source.radii_mm), grid)
    else:
        lattice = grid_of(source.files[0])
        is_apart = _lies_beyond(lattice, grid) or _lies_beyond(grid, lattice)
    if is_apart:
        raise elsewhere(source, grid)


def _lies_beyond(lattice: Grid, grid: Grid) -> bool:
    """Whether all of a lattice, and a voxel around it, lies on one side of a grid."""
    corners = np.array([*product(*[(-1, size) for size in lattice.shape])])
    places = _in_voxels(apply_affine(lattice.affine, corners), grid)
    last = np.array(grid.shape) - 1
    return bool(((places.max(axis=0) < 0) | (places.min(axis=0) > last)).any())


def _are_beyond(centres_mm: FloatArray, radii_mm: FloatArray, grid: Grid) -> bool:
    """Whether no sphere, nor the voxel at its centre, reaches the voxels of a grid."""
    places = _in_voxels(centres_mm, grid)
    nearest = np.clip(places, 0, np.array(grid.shape) - 1)
    away_mm = np.linalg.norm((places - nearest) @ grid.affine[:3, :3].T, axis=1)
    return bool((away_mm > radii_mm + np.linalg.norm(grid.voxel_sizes_mm)).all())


def _in_voxels(places_mm: FloatArray, grid: Grid) -> FloatArray:
    return apply_affine(np.linalg.inv(grid.affine), places_mm)
