"""What is written of ALFF, fALFF and ReHo: a map of each, and its means over regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.output_names import regional_map_names, regional_table_name
from bidsmask.analysis.outputs import File, Run, Used
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.regional import (
    REGIONAL,
    REGIONAL_ON_SURFACES,
    region_means,
    regional_maps,
    unfiltered,
)
from bidsmask.analysis.steps import cleaner_of
from bidsmask.analysis.store import PlacedSources, RunValues
from bidsmask.analysis.voxelwise import images_of
from bidsmask.analysis.words import plain, regional_words, text
from bidsmask.columns.base import Columns
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.confounds_table import read_table
from bidsmask.dataset.responses import load_design
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives import sidecars
from bidsmask.derivatives.run import Content
from bidsmask.derivatives.sidecars import coverage_columns, described
from bidsmask.images.grid import Grid
from bidsmask.images.io import image_bytes
from bidsmask.images.meshes import read_mesh
from bidsmask.images.signals_on_disk import SignalsOnDisk
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.numerics.reho import Around, Neighbourhoods


def regional_files(
    run: Run, values: RunValues, used: Used, voxels: SignalsOnDisk, scratch: Path
) -> Iterator[File]:
    """Measure every voxel of a run, cleaned with a strategy but for its filter.

    Parameters
    ----------
    run : Run
    values : RunValues
    used : Used
        The strategy.
    voxels : SignalsOnDisk
        As `bidsmask.analysis.steps.extract_run` has put them on the disk.
    scratch : Path
        Folder where ranks may wait.
    """
    plan, placed = run.plan, values.placed
    measures = plan.voxelwise.regional
    if not measures:
        return
    strategy = unfiltered(used.strategy)
    confounds = _with_whole_design(used.confounds, strategy, plan)
    cleaner = cleaner_of(confounds, strategy, plan.cleaning, t_r=plan.t_r)
    maps = regional_maps(
        voxels,
        cleaner,
        measures,
        t_r=plan.t_r,
        covered=values.extracted.covered,
        around=_around(placed, plan) if "reho" in measures else None,
        scratch=scratch,
    )
    used = replace(used, strategy=strategy, confounds=confounds)
    files = _Files(run, used, cleaner.ledger)
    for measure, of_voxels in maps.items():
        yield from files.of_voxels(values, measure, of_voxels)
        for source, columns in zip(values.sources, placed.columns, strict=True):
            yield from files.of_regions(values, measure, of_voxels, source, columns)


def _around(placed: PlacedSources, plan: RunPlan) -> Around:
    """Find the neighbours of all voxels and vertices of a run."""
    if isinstance(placed.grid, Grid):
        return Neighbourhoods(placed.mask)
    from bidsmask.images.surface_neighbours import neighbourhoods_on  # scipy.sparse

    meshes = {name: read_mesh(path) for name, path in plan.meshes.neighbours}
    return neighbourhoods_on(placed.grid, meshes)


def _with_whole_design(confounds: Confounds, strategy: Strategy, plan: RunPlan) -> Confounds:
    """Put columns back that a filter had made superfluous; the same volumes are left out."""
    assert plan.run.confounds is not None, "a run without problems has confounds"
    whole = load_design(
        plan.run,
        strategy,
        read_table(plan.run.confounds),
        n_volumes=plan.n_volumes,
        t_r=plan.t_r,
    )
    return replace(whole, sample_mask=confounds.sample_mask)


class _Files:
    """Makes the files of a strategy without its filter."""

    def __init__(self, run: Run, used: Used, ledger: DegreesOfFreedom) -> None:
        self._run, self._plan, self._used = run, run.plan, used
        self._measures = REGIONAL_ON_SURFACES if run.plan.is_on_surfaces else REGIONAL
        self._done = sidecars.about_cleaning(used.strategy, used.confounds, ledger)

    def of_voxels(self, values: RunValues, measure: str, of_voxels: FloatArray) -> Iterator[File]:
        """Give the map, which is 0 outside of the mask and NaN where there is no value."""
        placed, provenance = values.placed, self._run.provenance
        has_mask = self._plan.run.mask is not None
        names = regional_map_names(self._plan, self._used.strategy, measure)
        yield from zip(names.images, self._images(placed, of_voxels, measure), strict=True)
        yield (
            names.sidecar,
            {
                "Description": f"Map of the {self._what(measure)} NaN"
                f"{' inside of the mask' if has_mask else ''} where there is no value.",
                "Sources": [
                    *provenance.bold_and_confounds([self._used.strategy]),
                    *self._run.mask(),
                    *provenance.sources(*self._meshes_of(measure)),
                ],
                **self._about(measure),
                **({"SkullStripped": True} if has_mask else {}),
                **sidecars.warnings(self._run.warnings, self._used.confounds.warnings),
            },
        )

    def _images(
        self, placed: PlacedSources, of_voxels: FloatArray, title: str
    ) -> Iterator[Content]:
        if isinstance(placed.grid, Grid):
            volume = np.zeros(placed.mask.shape, dtype=np.float32)
            volume.T[placed.mask.T] = of_voxels
            yield image_bytes(volume, placed.grid)
        else:
            rows = of_voxels[np.newaxis]
            yield from images_of(rows, placed, self._plan.run.file_format, titles=[title])

    def of_regions(
        self,
        values: RunValues,
        measure: str,
        of_voxels: FloatArray,
        source: Source,
        columns: Columns,
    ) -> Iterator[File]:
        """Give the means over the columns of a source, and what of each has a value."""
        plan, provenance, strategy = self._plan, self._run.provenance, self._used.strategy
        table, means = region_means(
            of_voxels,
            columns,
            source,
            plan.extraction,
            mask=values.placed.mask,
            min_coverage=plan.coverage.min_coverage,
        )
        table[measure] = means.astype(np.float32)
        yield regional_table_name(plan, source, strategy, measure), table
        kind, places = kind_of(source), columns.extent.places
        described_as = coverage_columns(places)
        yield (
            regional_table_name(plan, source, strategy, measure, ".json"),
            {
                "Description": f"Of each {kind.column} of {source.name}, the mean of the "
                f"{self._what(measure)}",
                "Sources": [
                    *map(provenance.output, regional_map_names(plan, strategy, measure).images),
                    *self._run.copies(source),
                ],
                **self._about(measure),
                **provenance.about_atlas(source),
                "MinimumCoverage": plan.coverage.min_coverage,
                **{name: described_as[name] for name in ("Node", "index", f"n_{places}")},
                "n_covered": described("Those of them that have a value in the map", places),
                "coverage": described_as["coverage"],
                measure: described(
                    f"Mean over the {places} of the {kind.column} that have a value; n/a where "
                    "less than MinimumCoverage of it is covered",
                    self._measures[measure].units,
                ),
                **sidecars.warnings(
                    self._run.warnings, self._used.confounds.warnings, source.warnings
                ),
            },
        )

    def _meshes_of(self, measure: str) -> list[Path]:
        return [path for _, path in self._plan.meshes.neighbours] if measure == "reho" else []

    def _what(self, measure: str) -> str:
        words = plain(text([regional_words(self._plan.voxelwise, self._plan.grid.word)]))
        return f"{self._measures[measure].description}. {words}"

    def _about(self, measure: str) -> dict[str, Any]:
        return {
            **self._run.provenance.acquisition,
            **self._run.provenance.space,
            "Statistic": measure,
            "StatisticDOI": f"doi:{self._measures[measure].doi}",
            "Units": self._measures[measure].units,
            "SmoothingFWHM": self._plan.extraction.smoothing_fwhm_mm,
            **self._done,
        }
