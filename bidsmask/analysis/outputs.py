"""The files of a run: which there are, the name of each, and what stands in it.

A run gives, for each source, a copy of it and its coverage; for each strategy and statistic time
series, and for each measure a matrix; for each strategy what was regressed and left out; and one
table of its quality. Tables and sidecars are made in `bidsmask.derivatives`, of plain values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask._version import __version__
from bidsmask.analysis.connectivity_outputs import edge_files, network_files
from bidsmask.analysis.event_outputs import event_files
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.notices import warnings_of_itself
from bidsmask.analysis.output_names import (
    copy_names,
    mask_name,
    matrix_name,
    run_file,
    time_series_name,
)
from bidsmask.analysis.plan import RunPlan, drawn_desc, smoothed_desc
from bidsmask.analysis.quality import quality_rows
from bidsmask.analysis.store import CleanedRun, Coverage, RunValues
from bidsmask.analysis.twins import Twins
from bidsmask.analysis.words import (
    extraction_words,
    is_fisher_z,
    measure_words,
    plain,
    rows_words,
    strategy_words,
    text,
)
from bidsmask.columns.base import Columns
from bidsmask.columns.maps import Maps
from bidsmask.columns.regions import Regions
from bidsmask.columns.spheres import Spheres
from bidsmask.columns.surface_seeds import Discs
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives import sidecars, tables
from bidsmask.derivatives.quality import quality
from bidsmask.derivatives.run import Content, RunFiles, write_run
from bidsmask.derivatives.sidecars import Provenance, with_columns
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.images.io import image_bytes
from bidsmask.images.masked_volumes import image_pieces
from bidsmask.images.surface_files import label_files, value_files
from bidsmask.numerics.connectivity.measures import MEASURES, Relation
from bidsmask.numerics.connectivity.plain import fisher_z
from bidsmask.numerics.equal_length import drawn_rows, volumes_of
from bidsmask.reports.summaries import LostPart, letters
from bidsmask.settings import length_label
from bidsmask.vocabulary import CORRELATIONS, FileFormat

File = tuple[Path, Content]
"""The name of a file, relative to the output dataset, and what it holds."""


def write_outputs(
    values: RunValues,
    plan: RunPlan,
    output_dir: Path,
    links: Mapping[str, str | Path],
    voxel_files: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Path, ...]:
    """Write every file of the run under its final name; the completion record last.

    `voxel_files`, with the SHA-256 of each, are there already: see
    `bidsmask.analysis.voxel_outputs`.
    """
    files = run_files(values, plan, output_dir, links)
    return write_run(
        dataclasses.replace(files, written=voxel_files),
        output_dir,
        links=links,
        digest=plan.digest,
        settings=plan.decisive,
    )


def run_files(
    values: RunValues, plan: RunPlan, output_dir: Path, links: Mapping[str, str | Path]
) -> RunFiles:
    """Make the files of a run of its values; nothing is written."""
    return RunFiles(
        run=plan.run,
        version=__version__,
        labels=_labels(values, plan),
        files=outputs(values, plan, output_dir, links),
    )


def _labels(values: RunValues, plan: RunPlan) -> dict[str, str]:
    """Labels of ``desc`` in the names of files, and what they mean."""
    labels = {strategy.label: strategy.description for strategy in values.strategies}
    labels |= {
        drawn_desc(
            strategy, length_label(minutes)
        ): f"Volumes that last {minutes:g} minutes, drawn "
        f"by chance of those that {strategy.name} kept and cleaned"
        for minutes in plan.connectivity.minutes
        for strategy in values.strategies
    }
    if plan.voxelwise.any:
        labels["brain"] = "Mask of the brain"
    if fwhm_mm := plan.voxelwise.voxelwise_smoothing_fwhm_mm:
        labels |= {
            smoothed_desc(strategy): f"Volumes cleaned with the strategy {strategy.name}, then "
            f"smoothed by a Gaussian of {fwhm_mm:g} mm full width at half maximum"
            for strategy in values.strategies
        }
    return labels


def outputs(
    values: RunValues, plan: RunPlan, output_dir: Path, links: Mapping[str, str | Path]
) -> Iterator[File]:
    """Give name and content of every file of a run.

    Parameters
    ----------
    values : RunValues
    plan : RunPlan
    output_dir : Path
        Dataset that names are relative to.
    links : mapping from name to root
        Datasets that BIDS URIs refer to.
    """
    run, used = Run.of(values, plan, output_dir, links), used_strategies(values)
    of_sources = zip(values.sources, values.placed.columns, values.coverage, strict=True)
    for number, (source, columns, coverage) in enumerate(of_sources):
        twins = Twins(plan, source, columns, coverage.names)
        yield from _source_files(run, source, columns)
        about = _coverage_files(run, source, coverage, columns.extent.places)
        yield from twins.of_coverage(about)
        for each, matrices in zip(used, values.matrices, strict=True):
            for statistic, signals in zip(
                plan.statistics_of(source), each.cleaned.signals[number], strict=True
            ):
                yield from twins.of_series(
                    _time_series_files(run, source, coverage, each, statistic, signals)
                )
            for length, by_measure in {"all": matrices.by_measure, **matrices.drawn}.items():
                for measure, found in by_measure.items():
                    if not isinstance(relation := found[number], LostPart):
                        yield from twins.of_matrices(
                            _matrix_files(run, source, coverage, each, measure, length, relation)
                        )
                        if plan.connectivity.network_means and measure in CORRELATIONS:
                            yield from network_files(run, source, each, measure, length, relation)
            if plan.connectivity.edge_timeseries:
                yield from edge_files(run, source, coverage, each, each.cleaned.signals[number][0])
        for each, results in zip(used, values.task, strict=False):  # no results: none asked for
            yield from event_files(run, source, coverage, each, results, number)
    for each in used:
        yield from _design_files(run, each)
        yield from _outliers_files(run, each)
    yield from _quality_files(run, values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What all files of a run need."""

    plan: RunPlan
    provenance: Provenance
    warnings: tuple[str, ...]

    @classmethod
    def of(
        cls, values: RunValues, plan: RunPlan, output_dir: Path, links: Mapping[str, str | Path]
    ) -> Self:
        """Gather it."""
        provenance = Provenance(
            run=plan.run, grid=values.placed.grid, output_dir=output_dir, links=links
        )
        warnings = tuple(map(plan.portable, warnings_of_itself(values, plan)))
        return cls(plan=plan, provenance=provenance, warnings=warnings)

    def names(self, suffix: str, *extensions: str, **entities: Any) -> tuple[Path, ...]:
        """Name files that differ in their extensions only."""
        return tuple(
            run_file(self.plan, suffix, extension, **entities) for extension in extensions
        )

    def copies(self, source: Source) -> list[str]:
        """Give the URIs of the source on the lattice of the run."""
        return [self.provenance.output(name) for name in copy_names(self.plan, source)]

    def table(self, source: Source) -> str:
        """Give the URI of the names of the columns of a source."""
        return self.provenance.output(run_file(self.plan, kind_of(source).suffix, ".tsv", source))

    def mask(self) -> list[str]:
        """Give the URI of the mask that images have values in; there is none on surfaces."""
        has_mask = self.plan.run.mask is not None
        return [self.provenance.output(mask_name(self.plan))] if has_mask else []

    def about(self, source: Source) -> dict[str, Any]:
        """Say what is known of each file of a source, whatever is in it."""
        provenance = self.provenance
        return {
            **provenance.acquisition,
            **provenance.space,
            **provenance.about_atlas(source),
        }


@dataclass(frozen=True, eq=False)
class Used:
    """A strategy, and what it did to a run."""

    strategy: Strategy
    confounds: Confounds
    cleaned: CleanedRun

    @property
    def about(self) -> dict[str, Any]:
        """Say how signals were cleaned."""
        return sidecars.about_cleaning(self.strategy, self.confounds, self.cleaned.ledger)


def used_strategies(values: RunValues) -> list[Used]:
    """Give each strategy that could be carried out, with what it did."""
    of_strategies = zip(values.strategies, values.confounds, values.cleaned, strict=True)
    return [Used(*each) for each in of_strategies]


def _source_files(run: Run, source: Source, columns: Columns) -> Iterator[File]:
    kind = kind_of(source)
    table, sidecar = run.names(kind.suffix, ".tsv", ".json", source=source)
    yield from zip(
        copy_names(run.plan, source),
        _copies(source, columns, run.plan.run.file_format),
        strict=True,
    )
    yield table, tables.look_up_table(source.lut)
    content = {
        "Description": f"{kind.column.capitalize()}s of {source.name} on the "
        f"{_lattice_word(columns.grid)} of the run ({kind.placed_by})",
        "Sources": run.provenance.atlas(source),
        **run.about(source),
    }
    further = {
        name: sidecars.described(f"{name}, as the source has it") for name, _ in source.lut.columns
    }
    yield sidecar, with_columns(content, further)


def _lattice_word(lattice: Lattice) -> str:
    return "grid" if isinstance(lattice, Grid) else str(lattice.word)


def _copies(source: Source, columns: Columns, file_format: FileFormat) -> Iterator[Content]:
    """Give the image of a source on the lattice of the run, or one of each hemisphere."""
    if file_format != "nifti":
        yield from _copies_on_surfaces(source, columns, file_format)
    elif isinstance(columns, Maps):
        placed = columns.placed
        yield image_pieces(placed.rows(), mask=placed.shown, grid=placed.grid)
    else:
        assert isinstance(columns, Regions | Spheres)
        labels = np.array([0, *source.lut.ids])[columns.codes]
        yield image_bytes(tables.smallest_integers(labels), columns.grid)


def _copies_on_surfaces(
    source: Source, columns: Columns, file_format: FileFormat
) -> Iterator[Content]:
    if isinstance(columns, Maps):
        placed = columns.placed
        weights = np.zeros((columns.n_columns, columns.grid.n_voxels), dtype=np.float32)
        rows, shown = placed.rows(), np.flatnonzero(placed.shown)
        for number in range(columns.n_columns):
            weights[number, shown] = rows[number]
        yield from value_files(weights, columns.grid, file_format, titles=source.lut.names)
        return
    assert isinstance(columns, Regions | Discs)
    names = dict(zip(source.lut.ids, source.lut.names, strict=True))
    labels = np.array([0, *source.lut.ids])[columns.codes]
    yield from label_files(labels, names, columns.grid, file_format)


def _coverage_files(run: Run, source: Source, coverage: Coverage, places: str) -> Iterator[File]:
    table, sidecar = run.names("bold", ".tsv", ".json", source=source, stat="coverage")
    yield table, coverage.table
    yield (
        sidecar,
        {
            "Description": f"Share of each {kind_of(source).column} of {source.name} that is "
            "covered",
            "Sources": [
                *run.provenance.sources(*run.plan.run.files, run.plan.run.mask),
                *run.copies(source),
                *run.provenance.sources(*(path for _, path in run.plan.meshes.places.files)),
            ],
            **run.about(source),
            "MinimumCoverage": run.plan.coverage.min_coverage,
            **_about_centroids(run.plan),
            **sidecars.coverage_columns(places),
        },
    )


def _about_centroids(plan: RunPlan) -> dict[str, str]:
    """Say what the centroids of vertices are of, or why there are none."""
    words = plan.portable(plan.meshes.places.words)
    return {"Centroids": words} if words else {}


def _time_series_files(
    run: Run, source: Source, coverage: Coverage, used: Used, statistic: str, signals: FloatArray
) -> Iterator[File]:
    plan, strategy, cleaned = run.plan, used.strategy, used.cleaned
    how = plan.output.censor_output
    rows = cleaned.rows_for(signals, how, strategy.cleaning.bridge)
    yield (
        time_series_name(plan, source, strategy, statistic),
        tables.time_series(rows, coverage.names),
    )
    done = (
        *extraction_words(
            plan.extraction, plan.coverage, kind_of(source), [statistic], plan.grid.word
        ),
        *strategy_words(strategy),
        rows_words(how, [strategy]),
    )
    content = {
        "Description": f"Time series of {source.name}, cleaned with the strategy "
        f"{strategy.name}. {strategy.description} {plain(text(done))}",
        "Sources": [
            *run.provenance.bold_and_confounds([strategy]),
            *run.copies(source),
            *run.provenance.sources(*plan.meshes.of_signals),
        ],
        **run.provenance.acquisition,
        **sidecars.sampling(cleaned.sample_mask, t_r=plan.t_r, how=how),
        **run.provenance.space,
        **run.provenance.about_atlas(source),
        "Statistic": statistic,
        "MinimumCoverage": plan.coverage.min_coverage,
        "SmoothingFWHM": plan.extraction.smoothing_fwhm_mm,
        **({"AreaWeighted": True} if plan.meshes.areas and statistic == "mean" else {}),
        "VoxelScaling": plan.extraction.voxel_scaling,
        **used.about,
        **sidecars.warnings(run.warnings, used.confounds.warnings, source.warnings),
    }
    capital = kind_of(source).column.capitalize()
    columns = sidecars.region_columns(
        coverage.table,
        f"{capital} ({statistic})",
        units=sidecars.units_of(strategy.cleaning.standardize, plan.extraction.voxel_scaling),
    )
    yield (
        time_series_name(plan, source, strategy, statistic, ".json"),
        with_columns(content, columns),
    )


def _matrix_files(
    run: Run,
    source: Source,
    coverage: Coverage,
    used: Used,
    measure: str,
    length: str,
    relation: Relation,
) -> Iterator[File]:
    plan, strategy = run.plan, used.strategy
    name = partial(matrix_name, plan, source, strategy, measure, length=length)
    drawn = about_drawn(plan, used.cleaned.sample_mask, length)
    n_kept = used.cleaned.ledger.n_kept
    over = f"{drawn['NumberOfVolumesDrawn']} of the {n_kept}" if drawn else f"the {n_kept}"
    statistic, *_ = plan.statistics_of(source)
    matrix, transformed = relation.matrix, is_fisher_z(measure, plan.connectivity)
    yield (
        name(),
        tables.matrix(fisher_z(matrix) if transformed else matrix, coverage.names),
    )
    what = plain(measure_words(measure, plan.connectivity))
    series = time_series_name(plan, source, strategy, statistic)
    yield (
        name(".json"),
        {
            "Description": f"{what[0].upper()}{what[1:]}, between the signals of {source.name} "
            f"(stat-{statistic}), over {over} kept volumes",
            "Sources": [run.provenance.output(series)],
            **sidecars.about_measure(MEASURES[measure], fisher_z=transformed),
            **drawn,
            **relation.found,
            "NodeFiles": [run.table(source)],
            "Software": f"bidsmask {__version__}",
            **run.about(source),
            **used.about,
            "Node": {"Description": "Name of the row; the columns have the same order"},
        },
    )


def about_drawn(plan: RunPlan, sample_mask: BoolArray, length: str) -> dict[str, Any]:
    """Say which volumes were drawn of those that were kept, if some were.

    Parameters
    ----------
    plan : RunPlan
    sample_mask : bool array of shape (T,)
        True = kept.
    length : str
        "all", or what `length_label` gives.
    """
    found = [each for each in plan.connectivity.minutes if length_label(each) == length]
    if not found:
        return {}
    kept, seed = np.flatnonzero(sample_mask), plan.connectivity.random_seed
    rows = drawn_rows(kept.size, volumes_of(found[0], plan.t_r), seed)
    return {
        "MinutesDrawn": found[0],
        "NumberOfVolumesDrawn": rows.size,
        "VolumesDrawn": kept[rows].tolist(),
        "RandomSeed": seed,
    }


def _design_files(run: Run, used: Used) -> Iterator[File]:
    if not used.confounds.columns:
        return
    table, sidecar = run.names(
        "design", ".tsv", ".json", desc=used.strategy.label, with_space=False
    )
    yield table, tables.design(used.confounds)
    content = {
        "Description": "Confounds that were regressed, as in their tables"
        f"{', and responses to events' if used.confounds.responses else ''}, with one row for "
        "every BOLD volume, censored ones included. Detrending, filtering and standardisation "
        "came after.",
        "Sources": run.provenance.sources(
            *run.plan.run.confounds_files([used.strategy]),
            run.plan.run.events if used.confounds.responses else None,
        ),
        "FilledColumns": list(used.confounds.filled),
        "ConfoundStrategy": sidecars.about_strategy(used.strategy),
    }
    yield sidecar, with_columns(content, sidecars.design_columns(used.confounds))


def _outliers_files(run: Run, used: Used) -> Iterator[File]:
    table, sidecar = run.names(
        "outliers", ".tsv", ".json", desc=used.strategy.label, with_space=False
    )
    flags = tables.outliers(used.confounds, used.cleaned.sample_mask)
    yield table, flags
    yield (
        sidecar,
        {
            "Description": "Volumes that were left out, one row for every BOLD volume",
            "Sources": run.provenance.sources(run.plan.run.confounds, run.plan.run.confounds_json),
            "CensoringParameters": dataclasses.asdict(used.strategy.censoring),
            **sidecars.outlier_columns(flags.columns, used.strategy.censoring),
        },
    )


def _quality_files(run: Run, values: RunValues) -> Iterator[File]:
    table, sidecar = run.names("qc", ".tsv", ".json", desc="bidsmask")
    content = quality(quality_rows(values, run.plan))
    yield table, content
    yield (
        sidecar,
        {
            "Description": "Quality of the run: one row for each confound strategy",
            "Sources": run.provenance.bold_and_confounds(run.plan.strategies),
            **run.provenance.acquisition,
            "RepetitionTime": run.plan.t_r,
            **sidecars.verdict_limits(run.plan.quality.rules),
            **sidecars.quality_columns(content.columns),
            **sidecars.warnings(run.warnings),
            **sidecars.not_done(tuple(map(run.plan.portable, letters(values.lost)))),
        },
    )
