"""Figures of a run on surfaces: regions, coverage and maps on hemispheres, voxels in slices.

Where no mesh is to be had, regions are listed, and the report says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.analysis.drawing import Drawing, image_name
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import Coverage, RunValues
from bidsmask.columns.base import Columns
from bidsmask.columns.maps import Maps
from bidsmask.columns.regions import Regions
from bidsmask.columns.surface_seeds import Discs
from bidsmask.dataset.meshes import read_inflated
from bidsmask.errors import ImageError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.reports import figures
from bidsmask.reports.drawing.levels import LEVELS
from bidsmask.reports.drawing.surfaces import Cortex, look_at
from bidsmask.reports.summaries import Figure


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """What a run on surfaces is drawn on.

    Attributes
    ----------
    places : Grayordinates
        Of the run.
    cortex : Cortex or None
        None if there is no mesh that fits.
    words : str
        Which meshes these are; or why there are none.
    """

    places: Grayordinates
    cortex: Cortex | None
    words: str


def stage_of(plan: RunPlan) -> Stage:
    """Set the stage for a run on surfaces."""
    place = partial(Stage, places=plan.grid)
    assert plan.drawn_on is not None, "a run on surfaces has been looked for meshes"
    if not plan.drawn_on.files:
        return place(cortex=None, words=plan.portable(plan.drawn_on.missing))
    try:
        inflated = read_inflated(dict(plan.drawn_on.files))
    except ImageError as error:
        return place(cortex=None, words=plan.portable(str(error)))
    return place(cortex=look_at(inflated.meshes), words=f"Drawn on {inflated.words}.")


def draw_source(
    stage: Stage, plan: RunPlan, values: RunValues, source: Source, number: int
) -> Iterator[Drawing]:
    """Show where the columns of a source are, and how much of each is covered."""
    columns, coverage = values.placed.columns[number], values.coverage[number]
    codes, column = codes_of(columns), kind_of(source).column
    lost = [int(row) + 1 for row in np.flatnonzero(~coverage.usable)]
    said = f"{len(coverage.names)} {column}s; {len(lost)} without a signal."
    if stage.cortex is None:
        yield _listed(stage, plan, source, coverage, said)
    elif any(part.any() for part in stage.places.on_meshes(codes, 0).values()):
        yield from _on_cortex(stage, plan, source, coverage, codes, lost, said)
    if stage.places.volume is None:
        return
    in_volume = _in_volume(stage.places, codes, 0)
    if in_volume.any():
        mean = _in_volume(stage.places, _of_all(values, values.extracted.mean), np.nan)
        yield (
            Figure(
                key=f"atlas_outline.{source.name}",
                title=f"{source.name} in the volume",
                caption=f"What {source.name} has of the voxels, on the mean of the run.",
                alt=f"Slices of the voxels of the run with the {column}s that lie there",
                image=image_name(plan, kind_of(source).suffix, source, desc="volume"),
            ),
            partial(
                figures.atlas_outline,
                mean,
                in_volume,
                stage.places.volume.affine,
                lost_ids=set(lost) & set(np.unique(in_volume).tolist()),
            ),
        )


def _listed(stage: Stage, plan: RunPlan, source: Source, coverage: Coverage, said: str) -> Drawing:
    column = kind_of(source).column
    return (
        Figure(
            key=f"region_list.{source.name}",
            title=f"The {column}s of {source.name}",
            caption=f"{said} They are listed, and not drawn. {stage.words}",
            alt=f"{len(coverage.names)} {column}s with their coverage; {said}",
            image=image_name(plan, kind_of(source).suffix, source, desc="list"),
        ),
        partial(
            figures.region_list,
            coverage.table["coverage"].to_numpy(),
            names=coverage.names,
            usable=coverage.usable,
        ),
    )


def _on_cortex(
    stage: Stage,
    plan: RunPlan,
    source: Source,
    coverage: Coverage,
    codes: IntArray,
    lost: list[int],
    said: str,
) -> Iterator[Drawing]:
    assert stage.cortex is not None
    column, on_meshes = kind_of(source).column, stage.places.on_meshes(codes, 0)
    share = np.concatenate([[np.nan], coverage.table["coverage"].to_numpy()])
    yield (
        Figure(
            key=f"surface_regions.{source.name}",
            title=f"{source.name} on the cortex",
            caption=f"{said} {stage.words}",
            alt=f"Both sides of each hemisphere with {len(coverage.names)} {column}s",
            image=image_name(plan, kind_of(source).suffix, source, desc="cortex"),
        ),
        partial(
            figures.surface_regions,
            stage.cortex,
            on_meshes,
            names=coverage.names,
            lost=lost,
            unit=column,
        ),
    )
    yield (
        Figure(
            key=f"surface_coverage.{source.name}",
            title=f"Coverage of {source.name} on the cortex",
            caption=f"Share of each {column} that is covered. {stage.words}",
            alt=f"Both sides of each hemisphere, each {column} in the colour of its coverage",
            image=image_name(plan, "boldmap", source, stat="coverage"),
        ),
        partial(
            figures.surface_coverage,
            stage.cortex,
            stage.places.on_meshes(share[codes], np.nan),
            codes=on_meshes,
            lost=lost,
        ),
    )


def draw_tsnr(stage: Stage, plan: RunPlan, values: RunValues) -> Iterator[Drawing]:
    """Show the temporal signal-to-noise ratio of each vertex, before any cleaning."""
    extracted = values.extracted
    tsnr = np.full(extracted.mean.shape, np.nan)
    np.divide(extracted.mean, extracted.std, out=tsnr, where=extracted.measured)
    if stage.cortex is None or not extracted.measured.any():
        return
    yield (
        Figure(
            key="surface_tsnr",
            title="Temporal signal-to-noise ratio on the cortex",
            caption="Mean over standard deviation in time, before cleaning; grey where the run "
            f"does not change, or is missing. {stage.words}",
            alt="Both sides of each hemisphere, each vertex in the colour of its tSNR",
            image=image_name(plan, "boldmap", stat="tsnr"),
        ),
        partial(
            figures.surface_tsnr,
            stage.cortex,
            stage.places.on_meshes(_of_all(values, tsnr), np.nan),
        ),
    )


def draw_seed_map(
    stage: Stage, values: RunValues, of_places: FloatArray, figure: Figure, what: str
) -> Iterator[Drawing]:
    """Show how each vertex and voxel goes with a seed; `figure` says what of."""
    if stage.cortex is not None:
        yield (
            figure,
            partial(
                figures.surface_map,
                stage.cortex,
                stage.places.on_meshes(_of_all(values, of_places), np.nan),
                label=what,
            ),
        )


def codes_of(columns: Columns) -> IntArray:
    """Say which column each place (V,) is of, from 1; of maps the strongest; 0 is none."""
    if isinstance(columns, Maps):
        strongest, strength = (each.ravel() for each in columns.placed.strongest())
        return np.where(strength >= LEVELS[0], strongest, 0)
    assert isinstance(columns, Regions | Discs)
    return columns.codes.ravel()


def _of_all(values: RunValues, of_mask: FloatArray) -> FloatArray:
    """Put the places (V,) of the mask among all of the run, NaN elsewhere."""
    mask = values.placed.mask.ravel()
    everywhere = np.full(mask.size, np.nan)
    everywhere[mask] = of_mask
    return everywhere


def _in_volume(places: Grayordinates, of_places: Array, nothing: float) -> Array:
    """Put what is of voxels into their volume (X, Y, Z)."""
    assert places.volume is not None
    volume = np.full(places.volume.shape, nothing, dtype=of_places.dtype)
    for each in places.structures:
        if not each.is_surface:
            volume[tuple(each.places.T)] = of_places[places.where(each.name)]
    return volume
