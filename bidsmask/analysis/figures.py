"""The figures of a run: which there are, what is drawn in each, and its caption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.analysis.drawing import Drawing, image_name
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.networks import networks_of
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import Coverage, Matrices, RunValues
from bidsmask.analysis.surface_figures import (
    Stage,
    draw_seed_map,
    draw_source,
    draw_tsnr,
    stage_of,
)
from bidsmask.analysis.voxel_outputs import SEEDS_DRAWN, STRATEGIES_DRAWN
from bidsmask.columns.base import Columns
from bidsmask.columns.coverage import ONE
from bidsmask.columns.maps import Maps
from bidsmask.columns.regions import Regions
from bidsmask.columns.spheres import Spheres
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.seeds import SeedSet
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.header import grid_of, read_header
from bidsmask.images.io import load_volume
from bidsmask.numerics.connectivity.measures import MEASURES, Relation
from bidsmask.reports import figures
from bidsmask.reports.summaries import Figure, LedgerSummary, LostPart


def draw(values: RunValues, plan: RunPlan, boldref: Path | None) -> Iterator[Drawing]:
    """Every figure of a run, in the order of the report.

    Parameters
    ----------
    values : RunValues
    plan : RunPlan
    boldref : Path or None
        The picture behind the atlas; without one it is the mean of the run.

    Yields
    ------
    figure : Figure
        What is to be said of it.
    make : callable
        Gives its file, as SVG.
    """
    background = "BOLD reference" if boldref else "mean of the run"
    reference = cache(partial(_reference, values, boldref))
    stage = None if isinstance(plan.grid, Grid) else stage_of(plan)
    for number, source in enumerate(values.sources):
        if stage is None:
            yield _draw_outline(values, plan, source, number, reference, background)
        else:
            yield from draw_source(stage, plan, values, source, number)
        yield _draw_coverage(values, plan, source, number)
    if stage is not None:
        yield from draw_tsnr(stage, plan, values)
    yield from _draw_motion(values, plan)
    if values.strategies:
        yield _draw_carpet(values, plan)
        yield _draw_ledger(values, plan)
        yield _draw_response(values, plan)
    for number, strategy in enumerate(values.strategies):
        yield from _draw_strategy(values, plan, strategy, number)
    yield from _draw_seed_maps(values, plan, reference, stage)


def _draw_outline(
    values: RunValues,
    plan: RunPlan,
    atlas: Source,
    number: int,
    reference: Callable[[], FloatArray],
    background: str,
) -> Drawing:
    columns, coverage = values.placed.columns[number], values.coverage[number]
    names, column = coverage.names, kind_of(atlas).column
    n_lost = int((~coverage.usable).sum())
    return (
        Figure(
            key=f"atlas_outline.{atlas.name}",
            title=f"{atlas.name} on the {background}",
            caption=f"{len(names)} {column}s on the grid of the run; {n_lost} without a signal.",
            alt=f"Slices of the {background} with {len(names)} {column}s",
            image=image_name(plan, kind_of(atlas).suffix, atlas, desc="outline"),
        ),
        partial(_draw_place, reference, atlas, columns, coverage),
    )


def _draw_coverage(values: RunValues, plan: RunPlan, atlas: Source, number: int) -> Drawing:
    coverage = values.coverage[number]
    names, column = coverage.names, kind_of(atlas).column
    n_lost = int((~coverage.usable).sum())
    return (
        Figure(
            key=f"coverage.{atlas.name}",
            title=f"Coverage of {atlas.name}",
            caption=f"Share of each {column} that is covered; "
            f"below {plan.coverage.min_coverage:.0%} a {column} is n/a.",
            alt=f"Coverage of {len(names)} {column}s, sorted; {n_lost} have no signal",
            image=image_name(plan, "bold", atlas, stat="coverage"),
        ),
        partial(
            figures.coverage,
            coverage.table["coverage"].to_numpy(),
            names=names,
            min_coverage=plan.coverage.min_coverage,
        ),
    )


def _draw_motion(values: RunValues, plan: RunPlan) -> Iterator[Drawing]:
    """One picture for each way of censoring; most strategies share it."""
    drawn = []
    for strategy, confounds in zip(values.strategies, values.confounds, strict=True):
        if strategy.censoring in drawn or not _has_motion(confounds):
            continue
        drawn.append(strategy.censoring)
        names = [s.name for s in values.strategies if s.censoring == strategy.censoring]
        n_censored = int((~confounds.sample_mask).sum())
        yield (
            Figure(
                key=f"motion.{strategy.name}",
                title=f"Motion and censored volumes ({', '.join(names)})",
                caption=f"{n_censored} of {plan.n_volumes} volumes are left out. Framewise "
                f"displacement (FD): {strategy.censoring.in_words}.",
                alt=f"Framewise displacement and DVARS over time; {n_censored} volumes marked",
                image=image_name(plan, "motion", desc=strategy.label),
            ),
            partial(
                figures.motion,
                fd_mm=confounds.fd_mm,
                std_dvars=confounds.std_dvars,
                outliers=confounds.outliers,
                t_r=plan.t_r,
                fd_threshold_mm=strategy.censoring.fd_threshold_mm,
                std_dvars_threshold=strategy.censoring.std_dvars_threshold,
            ),
        )


def _has_motion(confounds: Confounds) -> bool:
    """Whether there is anything to draw: tables need not have these columns."""
    measured = confounds.fd_mm is not None or confounds.std_dvars is not None
    return measured or any(flags.any() for _, flags in confounds.outliers)


def _draw_carpet(values: RunValues, plan: RunPlan) -> Drawing:
    extracted = values.extracted
    n_voxels, places = extracted.carpet.shape[1], plan.grid.word
    inside = " of the brain mask" if places == "voxels" else ""
    return (
        Figure(
            key="carpet",
            title="Carpet before and after cleaning",
            caption=f"{n_voxels} {places}{inside}, evenly spread; each row is one {ONE[places]}. "
            f"Framewise displacement: {values.fd_kind}.",
            alt=f"Grey-scale images of {places} over time, before and after cleaning",
            image=image_name(plan, "bold", desc="carpet"),
        ),
        partial(
            figures.carpet,
            extracted.carpet,
            {
                strategy.name: cleaned.rows_for(cleaned.carpet, "na")
                for strategy, cleaned in zip(values.strategies, values.cleaned, strict=True)
            },
            fd_mm=values.fd_mm,
            sample_mask=values.cleaned[0].sample_mask,
            t_r=plan.t_r,
            groups=_carpet_groups(values),
        ),
    )


def _draw_ledger(values: RunValues, plan: RunPlan) -> Drawing:
    ledgers = [
        LedgerSummary(strategy=strategy.name, **asdict(cleaned.ledger))
        for strategy, cleaned in zip(values.strategies, values.cleaned, strict=True)
    ]
    left = ", ".join(f"{entry.strategy} {entry.remaining:.0f}" for entry in ledgers)
    return (
        Figure(
            key="ledger",
            title="Temporal degrees of freedom",
            caption=f"Left of {plan.n_volumes} volumes: {left}.",
            alt=f"Bars that show where {plan.n_volumes} volumes went; left: {left}",
            image=image_name(plan, "design", desc="ledger"),
        ),
        partial(figures.ledger, ledgers),
    )


def _draw_response(values: RunValues, plan: RunPlan) -> Drawing:
    responses = {
        strategy.name: cleaned.response
        for strategy, cleaned in zip(values.strategies, values.cleaned, strict=True)
    }
    return (
        Figure(
            key="response",
            title="Frequency response of cleaning",
            caption="Of a wave of each frequency, the share of its variance that comes through "
            "filter and regression: 1 passes, 0 is taken away.",
            alt=f"Lines from 0 to 1 over frequency for {', '.join(responses)}",
            image=image_name(plan, "design", desc="response"),
        ),
        partial(figures.response, responses, t_r=plan.t_r),
    )


def _heading(measure: str) -> str:
    """Write the name of a measure as at the head of a figure: ``Ledoit-Wolf correlation``."""
    words = measure.replace("ledoit-wolf-", "Ledoit-Wolf ").replace("xdf-", "xDF ")
    words = words.replace("graphical-lasso-", "graphical lasso ")
    return words if words.startswith("xDF") else words[0].upper() + words[1:]


def _draw_strategy(
    values: RunValues, plan: RunPlan, strategy: Strategy, number: int
) -> Iterator[Drawing]:
    cleaned, matrices = values.cleaned[number], values.matrices[number]
    for place, (atlas, coverage) in enumerate(zip(values.sources, values.coverage, strict=True)):
        if not coverage.usable.any():
            continue
        names, networks = coverage.names, networks_of(atlas)
        column = kind_of(atlas).column
        first = f"stat-{plan.statistics_of(atlas)[0]}"
        what = f"{atlas.name}, {strategy.name}"
        yield (
            Figure(
                key=f"region_signals.{strategy.name}.{atlas.name}",
                title=f"Time series: {what}",
                caption=f"{int(coverage.usable.sum())} of {len(names)} {column}s ({first}), "
                "z-scored.",
                alt=f"Time series of {len(names)} {column}s as the rows of an image",
                image=image_name(plan, "timeseries", atlas, desc=strategy.label),
            ),
            partial(
                figures.region_signals,
                cleaned.rows_for(cleaned.signals[place][0], "na"),
                names=names,
                networks=networks,
                t_r=plan.t_r,
                sample_mask=cleaned.sample_mask,
            ),
        )
        volumes, by_measure = _shown(matrices)
        for name, found in by_measure.items():
            measure, relation = MEASURES[name], found[place]
            if isinstance(relation, LostPart) or not measure.drawn:
                continue
            yield (
                Figure(
                    key=f"connectivity.{strategy.name}.{atlas.name}.{name}",
                    title=f"{_heading(name)}: {what}",
                    caption=f"{measure.description} of the {column}s ({first}), in {volumes}.",
                    alt=f"Matrix of {len(names)} by {len(names)} {column}s",
                    image=image_name(
                        plan, "relmat", atlas, stat=measure.stat, desc=strategy.label
                    ),
                ),
                partial(
                    figures.connectivity,
                    relation.matrix,
                    names=names,
                    networks=networks,
                    measure=name,
                ),
            )


def _shown(matrices: Matrices) -> tuple[str, Mapping[str, tuple[Relation | LostPart, ...]]]:
    """Matrices to be drawn, by measure: of all kept volumes, or else of the first length."""
    for length, of_drawn in matrices.drawn.items():
        if not matrices.by_measure:
            return f"{length} of kept volumes, drawn by chance", of_drawn
    return "the kept volumes", matrices.by_measure


def _draw_seed_maps(
    values: RunValues,
    plan: RunPlan,
    reference: Callable[[], FloatArray],
    stage: Stage | None,
) -> Iterator[Drawing]:
    """Maps of the first seeds, of the first strategies; all are in the files."""
    maps = values.seed_maps
    if maps is None or not maps.seeds.size:
        return
    what = "Fisher's z" if plan.connectivity.fisher_z else "Pearson's r"
    for number, place, seed, of_voxels in zip(
        maps.strategies, maps.sources, maps.seeds, maps.values, strict=True
    ):
        strategy, source = values.strategies[number], values.sources[place]
        name = values.coverage[place].names[seed]
        known = np.where(np.isfinite(of_voxels), of_voxels, np.nan)
        if np.isnan(known).all():
            continue
        kind, place_word = ("statistical", "voxel") if stage is None else ("surface", "vertex")
        figure = Figure(
            key=f"{kind}_map.{strategy.name}.{source.name}.{seed}",
            title=f"{name}: {source.name}, {strategy.name}",
            caption=f"{what} of the seed {name} and every {place_word}, in the kept volumes; a "
            f"map of the first {SEEDS_DRAWN} seeds, of the first {STRATEGIES_DRAWN} strategies.",
            alt=f"{what} of {name} and every {place_word} of the brain",
            image=image_name(plan, "boldmap", source, stat=f"seed{seed + 1}", desc=strategy.label),
        )
        if stage is None:
            affine = values.placed.grid.affine
            yield (
                figure,
                partial(_draw_map, reference, known, values.placed.mask, affine, what),
            )
        else:
            yield from draw_seed_map(stage, values, known, figure, what)


def _draw_map(
    reference: Callable[[], FloatArray],
    voxels: FloatArray,
    mask: BoolArray,
    affine: FloatArray,
    label: str,
) -> bytes:
    return figures.statistical_map(reference(), _in_mask(voxels, mask), affine, label=label)


def _mean_image(values: RunValues) -> FloatArray:
    return _in_mask(values.extracted.mean, values.placed.mask)


def _reference(values: RunValues, boldref: Path | None) -> FloatArray:
    """Give the picture that lies behind others.

    Raises
    ------
    ImageError
        If it cannot be read.
    SpaceError
        If it lies on another grid than the run, where nothing would lie on it as it is drawn.
    """
    if boldref is None:
        return _mean_image(values)
    grid = grid_of(boldref, read_header(boldref))
    if grid != values.placed.grid:
        raise SpaceError(
            f"{boldref} lies on another grid than the run. The reference: {grid}; the run: "
            f"{values.placed.grid}. Give the reference that belongs to the run, or take it away."
        )
    return load_volume(boldref)


def _in_mask(voxels: FloatArray, mask: BoolArray) -> FloatArray:
    """Put the voxels (V,) of a mask into a volume, NaN elsewhere."""
    image = np.full(mask.size, np.nan)
    image[mask.ravel(order="F")] = voxels
    return image.reshape(mask.shape, order="F")


def _carpet_groups(values: RunValues) -> list[str]:
    """Say where each voxel of the carpet is: in which network of the first atlas, or outside."""
    labels = values.extracted.carpet_labels
    for source, columns in zip(values.sources, values.placed.columns, strict=True):
        if isinstance(columns, Regions):
            networks = networks_of(source) or ["inside the atlas"] * len(source.lut.ids)
            group_of = dict(zip(source.lut.ids, networks, strict=True))
            return [group_of.get(int(label), "outside the atlas") for label in labels]
    return ["inside the mask"] * labels.size


def _draw_place(
    reference: Callable[[], FloatArray], source: Source, columns: Columns, coverage: Coverage
) -> bytes:
    """Show where the columns of a source are in the brain."""
    affine, lost = columns.grid.affine, np.flatnonzero(~coverage.usable)
    if isinstance(columns, Regions):
        labels = np.array([0, *source.lut.ids])[columns.codes]
        lost_ids = {int(source.lut.ids[row]) for row in lost}
        return figures.atlas_outline(reference(), labels, affine, lost_ids=lost_ids)
    if isinstance(columns, Maps):
        strongest, strength = columns.placed.strongest()
        return figures.maps_outline(
            reference(), strongest, strength, affine, names=coverage.names, lost=set(lost + 1)
        )
    assert isinstance(columns, Spheres)
    assert isinstance(source, SeedSet)
    return figures.seeds(
        reference(),
        columns.seeds_mm,
        np.array(source.radii_mm),
        affine,
        names=coverage.names,
        lost=set(lost.tolist()),
    )
