"""The files of a run: which there are, the name of each, and what stands in it.

A run gives, for each atlas, a copy of it and its coverage; for each strategy and statistic time
series, and for each measure a matrix; for each strategy what was regressed and left out; and one
table of its quality. Tables and sidecars are made in `bidsmask.derivatives`, of plain values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsmask._typing import FloatArray
from bidsmask._version import __version__
from bidsmask.analysis.kinds import kind_of
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.steps import run_quality, run_warnings
from bidsmask.analysis.store import CleanedRun, Coverage, RunValues
from bidsmask.analysis.words import (
    extraction_words,
    is_fisher_z,
    measure_words,
    plain,
    rows_words,
    statistic_words,
    strategy_words,
    text,
)
from bidsmask.columns.regions import PlacedLabels
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives import sidecars, tables
from bidsmask.derivatives.names import output_name
from bidsmask.derivatives.run import Content, RunFiles, write_run
from bidsmask.derivatives.sidecars import Provenance, with_columns
from bidsmask.images.io import image_bytes
from bidsmask.numerics.connectivity import MEASURES, fisher_z

File = tuple[Path, Content]
"""The name of a file, relative to the output dataset, and what it holds."""


def write_outputs(
    values: RunValues, plan: RunPlan, output_dir: Path, links: Mapping[str, str | Path]
) -> tuple[Path, ...]:
    """Write every file of the run under its final name; the completion record last."""
    return write_run(
        run_files(values, plan, output_dir, links),
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
        labels={strategy.name: strategy.description for strategy in plan.strategies},
        files=outputs(values, plan, output_dir, links),
    )


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
    source = Provenance(
        run=plan.run, grid=values.placed[0].grid, output_dir=output_dir, links=links
    )
    run = _Run(plan=plan, source=source, warnings=run_warnings(values, plan))
    used = [
        _Used(*each)
        for each in zip(plan.strategies, values.confounds, values.cleaned, strict=True)
    ]
    of_atlases = zip(plan.atlases, values.placed, values.coverage, strict=True)
    for number, (atlas, placed, coverage) in enumerate(of_atlases):
        yield from _atlas_files(run, atlas, placed)
        yield from _coverage_files(run, atlas, coverage)
        for each, matrices in zip(used, values.matrices, strict=True):
            for statistic, signals in zip(
                plan.statistics_of(atlas), each.cleaned.signals[number], strict=True
            ):
                yield from _time_series_files(run, atlas, coverage, each, statistic, signals)
            for measure, of_measure in matrices.by_measure.items():
                yield from _matrix_files(run, atlas, coverage, each, measure, of_measure[number])
    for each in used:
        yield from _design_files(run, each)
        yield from _outliers_files(run, each)
    yield from _quality_files(run, used, run_quality(values))


def expected_tables(plan: RunPlan) -> Iterator[Path]:
    """Names of the time series and matrices that a run will give."""
    for atlas in plan.atlases:
        for strategy in plan.strategies:
            for statistic in plan.statistics_of(atlas):
                yield time_series_name(plan, atlas, strategy, statistic)
            for measure in plan.connectivity.measures:
                yield matrix_name(plan, atlas, strategy, measure)


def time_series_name(
    plan: RunPlan, atlas: Atlas, strategy: Strategy, statistic: str, extension: str = ".tsv"
) -> Path:
    """Name of the time series of an atlas: ``…_stat-<statistic>_desc-<strategy>_timeseries``."""
    return _name(plan, "timeseries", extension, atlas, stat=statistic, desc=strategy.name)


def matrix_name(
    plan: RunPlan, atlas: Atlas, strategy: Strategy, measure: str, extension: str = ".tsv"
) -> Path:
    """Name of a matrix: ``…_stat-<measure>_desc-<strategy>_relmat``.

    ``stat-pearsoncorrelation`` is of means; of another statistic that is first asked for, its
    label stands before: ``stat-median+pearsoncorrelation``. So no request replaces the matrices
    of another. Fisher's z has labels of its own.
    """
    label = MEASURES[measure].stat
    if is_fisher_z(measure, plan.connectivity):
        label = MEASURES[measure].z_stat or label
    first, *_ = plan.statistics_of(atlas)
    stat = label if first == kind_of(atlas).plain_statistic else f"{first}+{label}"
    return _name(plan, "relmat", extension, atlas, stat=stat, desc=strategy.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """What all files of a run need."""

    plan: RunPlan
    source: Provenance
    warnings: tuple[str, ...]

    def names(self, suffix: str, *extensions: str, **entities: Any) -> tuple[Path, ...]:
        return tuple(_name(self.plan, suffix, extension, **entities) for extension in extensions)

    def copy(self, atlas: Atlas, extension: str = ".nii.gz") -> str:
        """Give the URI of the atlas on the grid of the run."""
        return self.source.output(_name(self.plan, kind_of(atlas).suffix, extension, atlas))

    def about(self, atlas: Atlas) -> dict[str, Any]:
        source = self.source
        return {**source.acquisition, **source.space, **source.about_atlas(atlas)}


@dataclass(frozen=True, eq=False)
class _Used:
    """A strategy, and what it did to the run."""

    strategy: Strategy
    confounds: Confounds
    cleaned: CleanedRun

    @property
    def about(self) -> dict[str, Any]:
        return sidecars.about_cleaning(self.strategy, self.confounds, self.cleaned.ledger)


def _name(
    plan: RunPlan, suffix: str, extension: str, atlas: Atlas | None = None, **entities: Any
) -> Path:
    own = atlas.entities if atlas else ()
    return output_name(
        plan.run.entities, suffix=suffix, extension=extension, atlas=own, **entities
    )


def _atlas_files(run: _Run, atlas: Atlas, placed: PlacedLabels) -> Iterator[File]:
    kind = kind_of(atlas)
    image, table, sidecar = run.names(kind.suffix, ".nii.gz", ".tsv", ".json", atlas=atlas)
    yield image, image_bytes(tables.smallest_integers(placed.labels), placed.grid)
    yield table, tables.look_up_table(atlas.lut)
    content = {
        "Description": f"{kind.column.capitalize()}s of the atlas {atlas.name} on the grid of the "
        f"run ({kind.placed_by}), before the brain mask was applied",
        "Sources": [run.source.atlas(atlas)],
        **run.about(atlas),
    }
    columns = {
        name: sidecars.described(f"{name}, as the atlas has it") for name, _ in atlas.lut.columns
    }
    yield sidecar, with_columns(content, columns)


def _coverage_files(run: _Run, atlas: Atlas, coverage: Coverage) -> Iterator[File]:
    table, sidecar = run.names("bold", ".tsv", ".json", atlas=atlas, stat="coverage")
    yield table, coverage.table
    yield (
        sidecar,
        {
            "Description": f"Share of each region of {atlas.name} that lies in the brain mask",
            "Sources": [
                *run.source.sources(run.plan.run.bold, run.plan.run.mask),
                run.copy(atlas),
            ],
            **run.about(atlas),
            "MinimumCoverage": run.plan.coverage.min_coverage,
            **sidecars.COVERAGE_COLUMNS,
        },
    )


def _time_series_files(
    run: _Run, atlas: Atlas, coverage: Coverage, used: _Used, statistic: str, signals: FloatArray
) -> Iterator[File]:
    plan, strategy, cleaned = run.plan, used.strategy, used.cleaned
    how = plan.output.censor_output
    yield (
        time_series_name(plan, atlas, strategy, statistic),
        tables.time_series(cleaned.rows_for(signals, how), coverage.names),
    )
    done = (
        *extraction_words(plan.extraction, plan.coverage, [statistic]),
        *strategy_words(strategy),
        rows_words(how),
    )
    content = {
        "Description": f"Time series of the regions of {atlas.name}, cleaned with the strategy "
        f"{strategy.name}. {strategy.description} {plain(text(done))}",
        "Sources": [*run.source.bold_and_confounds, run.copy(atlas)],
        **run.source.acquisition,
        **sidecars.sampling(cleaned.sample_mask, t_r=plan.t_r, how=how),
        **run.source.space,
        **run.source.about_atlas(atlas),
        "Statistic": statistic,
        "MinimumCoverage": plan.coverage.min_coverage,
        "SmoothingFWHM": plan.extraction.smoothing_fwhm_mm,
        **used.about,
        **sidecars.warnings(run.warnings, used.confounds.warnings, atlas.warnings),
    }
    columns = sidecars.region_columns(
        coverage.table,
        f"The {statistic_words(statistic)} over region",
        standardize=strategy.cleaning.standardize,
    )
    yield (
        time_series_name(plan, atlas, strategy, statistic, ".json"),
        with_columns(content, columns),
    )


def _matrix_files(
    run: _Run, atlas: Atlas, coverage: Coverage, used: _Used, measure: str, values: FloatArray
) -> Iterator[File]:
    plan, strategy = run.plan, used.strategy
    statistic, *_ = plan.statistics_of(atlas)
    transformed = is_fisher_z(measure, plan.connectivity)
    yield (
        matrix_name(plan, atlas, strategy, measure),
        tables.matrix(fisher_z(values) if transformed else values, coverage.names),
    )
    what = plain(measure_words(measure, plan.connectivity))
    yield (
        matrix_name(plan, atlas, strategy, measure, ".json"),
        {
            "Description": f"{what[0].upper()}{what[1:]}, between the regions of {atlas.name} "
            f"(the {statistic_words(statistic)} over each), over the "
            f"{used.cleaned.ledger.n_kept} kept volumes",
            "Sources": [run.source.output(time_series_name(plan, atlas, strategy, statistic))],
            **sidecars.about_measure(MEASURES[measure], fisher_z=transformed),
            "NodeFiles": [run.copy(atlas, ".tsv")],
            "Software": f"bidsmask {__version__}",
            **run.about(atlas),
            **used.about,
            "Node": {"Description": "Region of the row; the columns have the same order"},
        },
    )


def _design_files(run: _Run, used: _Used) -> Iterator[File]:
    if not used.confounds.columns:
        return
    table, sidecar = run.names(
        "design", ".tsv", ".json", desc=used.strategy.name, with_space=False
    )
    yield table, tables.design(used.confounds)
    content = {
        "Description": "Confounds that were regressed, as in the confounds table, with one row "
        "for every BOLD volume, censored ones included. Detrending, filtering and "
        "standardisation came after.",
        "Sources": run.source.sources(run.plan.run.confounds, run.plan.run.confounds_json),
        "FilledColumns": list(used.confounds.filled),
        "ConfoundStrategy": sidecars.about_strategy(used.strategy),
    }
    yield sidecar, with_columns(content, sidecars.design_columns(used.confounds))


def _outliers_files(run: _Run, used: _Used) -> Iterator[File]:
    table, sidecar = run.names(
        "outliers", ".tsv", ".json", desc=used.strategy.name, with_space=False
    )
    flags = tables.outliers(used.confounds, used.cleaned.sample_mask)
    yield table, flags
    yield (
        sidecar,
        {
            "Description": "Volumes that were left out, one row for every BOLD volume",
            "Sources": run.source.sources(run.plan.run.confounds, run.plan.run.confounds_json),
            "CensoringParameters": dataclasses.asdict(used.strategy.censoring),
            **sidecars.outlier_columns(flags.columns, used.strategy.censoring),
        },
    )


def _quality_files(run: _Run, used: list[_Used], of_run: Mapping[str, float]) -> Iterator[File]:
    t_r = run.plan.t_r
    table, sidecar = run.names("qc", ".tsv", ".json", desc="bidsmask")
    rows = tables.quality(
        tables.quality_row(
            each.confounds, each.cleaned.ledger, each.cleaned.sample_mask, t_r=t_r, of_run=of_run
        )
        for each in used
    )
    yield table, rows
    yield (
        sidecar,
        {
            "Description": "Quality of the run: one row for each confound strategy",
            "Sources": run.source.bold_and_confounds,
            **run.source.acquisition,
            "RepetitionTime": t_r,
            **sidecars.quality_columns(rows.columns),
            **sidecars.warnings(run.warnings),
        },
    )
