"""How the files of a run are called, and which there will be.

Files that hold statistics of a source carry the statistic in their names, matrices and maps their
measure, and cleaned ones the strategy: so no request replaces the files of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.networks import networks_of
from bidsmask.analysis.plan import RunPlan, drawn_desc, smoothed_desc
from bidsmask.analysis.words import is_fisher_z
from bidsmask.dataset.runs import HEMISPHERES
from bidsmask.dataset.seeds import SeedSet
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives.names import output_name
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.settings import length_label
from bidsmask.vocabulary import CORRELATIONS, FileFormat

MOST_EDGE_REGIONS = 200
"""They have 19,900 edges: a table of 70 MB for 300 volumes."""


Held = Literal["labels", "values", "series"]
"""What an image holds of each place: a region, a number or several, volumes."""

_IMAGES: Mapping[FileFormat, Mapping[Held, str]] = MappingProxyType(
    {
        "nifti": dict.fromkeys(("labels", "values", "series"), ".nii.gz"),
        "cifti": {"labels": ".dlabel.nii", "values": ".dscalar.nii", "series": ".dtseries.nii"},
        "gifti": {"labels": ".label.gii", "values": ".func.gii", "series": ".func.gii"},
    }
)
"""Extensions of images of a run, by its own format."""


def run_file(
    plan: RunPlan, suffix: str, extension: str, source: Source | None = None, **entities: Any
) -> Path:
    """Name of a file of a run; see `bidsmask.derivatives.names.output_name`."""
    own = source.entities if source else ()
    return output_name(
        plan.run.entities, suffix=suffix, extension=extension, atlas=own, **entities
    )


def image_names(
    plan: RunPlan, suffix: str, holds: Held, source: Source | None = None, **entities: Any
) -> tuple[Path, ...]:
    """Name an image of what lies where the values of a run lie; on surfaces one of each side."""
    file_format = plan.run.file_format
    sides = [{"hemi": side} for side in HEMISPHERES] if file_format == "gifti" else [{}]
    extension = _IMAGES[file_format][holds]
    return tuple(run_file(plan, suffix, extension, source, **entities, **side) for side in sides)


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names of an image of a run, or of those of both hemispheres, and of the sidecar of all."""

    images: tuple[Path, ...]
    sidecar: Path

    @classmethod
    def of(
        cls,
        plan: RunPlan,
        suffix: str,
        holds: Held,
        source: Source | None = None,
        **entities: Any,
    ) -> Self:
        """Make them of what `run_file` takes."""
        return cls(
            images=image_names(plan, suffix, holds, source, **entities),
            sidecar=run_file(plan, suffix, ".json", source, **entities),
        )


def copy_names(plan: RunPlan, source: Source) -> tuple[Path, ...]:
    """Name the copy of a source on the lattice of a run."""
    kind = kind_of(source)
    holds: Held = "values" if kind.suffix == "probseg" else "labels"
    return image_names(plan, kind.suffix, holds, source)


def time_series_name(
    plan: RunPlan, source: Source, strategy: Strategy, statistic: str, extension: str = ".tsv"
) -> Path:
    """Name of the time series of a source: ``…_stat-<statistic>_desc-<strategy>_timeseries``."""
    return run_file(plan, "timeseries", extension, source, stat=statistic, desc=strategy.label)


def matrix_name(
    plan: RunPlan,
    source: Source,
    strategy: Strategy,
    measure: str,
    extension: str = ".tsv",
    *,
    length: str = "all",
) -> Path:
    """Name of a matrix: ``…_stat-<measure>_desc-<strategy>_relmat``; see `measure_label`.

    Of volumes that were drawn: ``…_desc-<strategy>+300s_relmat``.
    """
    stat = measure_label(plan, source, measure)
    desc = strategy.label if length == "all" else drawn_desc(strategy, length)
    return run_file(plan, "relmat", extension, source, stat=stat, desc=desc)


def matrix_names(
    plan: RunPlan, source: Source, strategy: Strategy, measure: str, extension: str = ".tsv"
) -> Iterator[Path]:
    """Names of all matrices of a measure, whatever their lengths."""
    for length in _lengths(plan, measure):
        yield matrix_name(plan, source, strategy, measure, extension, length=length)


def _lengths(plan: RunPlan, measure: str) -> tuple[str, ...]:
    every = ("all",) if measure in plan.connectivity.of_all_volumes else ()
    return (*every, *map(length_label, plan.connectivity.minutes))


def has_twins(plan: RunPlan, source: Source) -> bool:
    """Whether tables of a source get twins in CIFTI: of regions on surfaces, if asked for."""
    return plan.output.cifti_outputs and plan.is_on_surfaces and source.kind == "dseg"


def coverage_map_name(plan: RunPlan, source: Source, extension: str = ".pscalar.nii") -> Path:
    """Name of the coverage of a source in CIFTI: ``…_stat-coverage_boldmap``."""
    return run_file(plan, "boldmap", extension, source, stat="coverage")


def twin_names(plan: RunPlan, source: Source) -> Iterator[Path]:
    """Names of the twins of tables of a source, if it has some."""
    if not has_twins(plan, source):
        return
    yield coverage_map_name(plan, source)
    for strategy in plan.strategies:
        for statistic in plan.statistics_of(source):
            yield time_series_name(plan, source, strategy, statistic, ".ptseries.nii")
        for measure in plan.connectivity.measures:
            yield from matrix_names(plan, source, strategy, measure, ".pconn.nii")


def network_means_name(
    plan: RunPlan,
    source: Source,
    strategy: Strategy,
    measure: str,
    extension: str = ".tsv",
    *,
    length: str = "all",
) -> Path:
    """Name of means of a matrix over networks: ``…_stat-fisherz_desc-<strategy>_networkmeans``."""
    stat = _of_statistic(plan, source, str(MEASURES[measure].z_stat))
    desc = strategy.label if length == "all" else drawn_desc(strategy, length)
    return run_file(plan, "networkmeans", extension, source, stat=stat, desc=desc)


def network_means_names(
    plan: RunPlan, source: Source, strategy: Strategy, measure: str, extension: str = ".tsv"
) -> Iterator[Path]:
    """Names of all means of networks of a measure, if it has some."""
    asked = plan.connectivity.network_means and measure in CORRELATIONS
    if asked and networks_of(source) is not None:
        for length in _lengths(plan, measure):
            yield network_means_name(plan, source, strategy, measure, extension, length=length)


def edges_name(
    plan: RunPlan, source: Source, strategy: Strategy, label: str, extension: str = ".tsv"
) -> Path:
    """Name of edge time series (``edges``) or their root sum of squares (``edgerss``)."""
    stat = _of_statistic(plan, source, label)
    return run_file(plan, "timeseries", extension, source, stat=stat, desc=strategy.label)


def edges_names(
    plan: RunPlan, source: Source, strategy: Strategy, extension: str = ".tsv"
) -> Iterator[Path]:
    """Names of all edge time series of a source."""
    if plan.connectivity.edge_timeseries:
        yield edges_name(plan, source, strategy, "edgerss", extension)
    if has_edges(plan, source):
        yield edges_name(plan, source, strategy, "edges", extension)


def has_edges(plan: RunPlan, source: Source) -> bool:
    """Whether every edge of a source is asked for, and can be written."""
    wanted = plan.connectivity.edge_timeseries == "all"
    return wanted and len(source.lut.names) <= MOST_EDGE_REGIONS


def condition_means_name(
    plan: RunPlan, source: Source, strategy: Strategy, extension: str = ".tsv"
) -> Path:
    """Name of means of conditions: ``…_stat-<statistic>_desc-<strategy>_conditionmeans``."""
    first, *_ = plan.statistics_of(source)
    return run_file(plan, "conditionmeans", extension, source, stat=first, desc=strategy.label)


def beta_series_name(
    plan: RunPlan, source: Source, strategy: Strategy, extension: str = ".tsv"
) -> Path:
    """Name of amplitudes of trials: ``…_stat-<method>_desc-<strategy>_betaseries``.

    Methods are ``lss`` and ``lsa``, and stand behind the statistic as those of
    `measure_label` do.
    """
    label = _of_statistic(plan, source, str(plan.events.beta_series))
    return run_file(plan, "betaseries", extension, source, stat=label, desc=strategy.label)


def event_names(
    plan: RunPlan, source: Source, strategy: Strategy, extension: str = ".tsv"
) -> Iterator[Path]:
    """Names of all that is asked of the events of a run."""
    if plan.events.condition_means:
        yield condition_means_name(plan, source, strategy, extension)
    if plan.events.beta_series:
        yield beta_series_name(plan, source, strategy, extension)


def seed_map_names(plan: RunPlan, seeds: SeedSet, strategy: Strategy) -> Names:
    """Names of the maps of some seeds: ``…_stat-<measure>_desc-<strategy>_boldmap``."""
    stat = measure_label(plan, seeds, "correlation")
    return Names.of(plan, "boldmap", "values", seeds, stat=stat, desc=strategy.label)


def measure_label(plan: RunPlan, source: Source, measure: str) -> str:
    """Label of ``stat`` for a measure between the signals of a source.

    ``pearsoncorrelation`` is of means; of another statistic that is first asked for, its label
    stands before: ``median+pearsoncorrelation``. Fisher's z has labels of its own.
    """
    label = MEASURES[measure].stat
    if is_fisher_z(measure, plan.connectivity):
        label = MEASURES[measure].z_stat or label
    return _of_statistic(plan, source, label)


def _of_statistic(plan: RunPlan, source: Source, label: str) -> str:
    """Put the statistic before a label, unless it is the plain one of the source."""
    first, *_ = plan.statistics_of(source)
    return label if first == kind_of(source).plain_statistic else f"{first}+{label}"


def voxels_names(plan: RunPlan, strategy: Strategy, *, smoothed: bool = False) -> Names:
    """Names of cleaned volumes: ``…_desc-<strategy>_bold``, or ``…_desc-<strategy>+smooth``."""
    desc = smoothed_desc(strategy) if smoothed else strategy.label
    return Names.of(plan, "bold", "series", desc=desc)


def regional_map_names(plan: RunPlan, strategy: Strategy, measure: str) -> Names:
    """Names of the map of a regional measure: ``…_stat-<measure>_desc-<strategy>_boldmap``."""
    return Names.of(plan, "boldmap", "values", stat=measure, desc=strategy.label)


def regional_table_name(
    plan: RunPlan, source: Source, strategy: Strategy, measure: str, extension: str = ".tsv"
) -> Path:
    """Name of the means of a regional measure: ``…_stat-<measure>_desc-<strategy>_bold``."""
    return run_file(plan, "bold", extension, source, stat=measure, desc=strategy.label)


def mask_name(plan: RunPlan, extension: str = ".nii.gz") -> Path:
    """Name of the mask that cleaned volumes and maps have values in."""
    return run_file(plan, "mask", extension, desc="brain")


def expected_files(plan: RunPlan) -> Iterator[Path]:
    """Names of all tables and images that a run will give, each with a sidecar.

    Of a strategy whose confounds a run does not have, there is no design.
    """
    for source in plan.sources:
        yield from copy_names(plan, source)
        yield run_file(plan, "bold", ".tsv", source, stat="coverage")
        for strategy in plan.strategies:
            yield from (
                time_series_name(plan, source, strategy, statistic)
                for statistic in plan.statistics_of(source)
            )
            for measure in plan.connectivity.measures:
                yield from matrix_names(plan, source, strategy, measure)
                yield from network_means_names(plan, source, strategy, measure)
            yield from edges_names(plan, source, strategy)
            yield from event_names(plan, source, strategy)
        yield from twin_names(plan, source)
    for strategy in plan.strategies:
        if strategy.regresses:
            yield run_file(plan, "design", ".tsv", desc=strategy.label, with_space=False)
        yield run_file(plan, "outliers", ".tsv", desc=strategy.label, with_space=False)
    yield run_file(plan, "qc", ".tsv", desc="bidsmask")
    yield from expected_voxel_files(plan)


def expected_voxel_files(plan: RunPlan) -> Iterator[Path]:
    """Those of them that hold something of every voxel."""
    wanted = plan.voxelwise
    if wanted.any and plan.run.mask:
        yield mask_name(plan)
    for strategy in plan.strategies:
        if wanted.voxelwise:
            yield from voxels_names(plan, strategy).images
        if wanted.voxelwise_smoothing_fwhm_mm:
            yield from voxels_names(plan, strategy, smoothed=True).images
        if wanted.seed_maps:
            seed_sets = [source for source in plan.sources if isinstance(source, SeedSet)]
            for seeds in seed_sets:
                yield from seed_map_names(plan, seeds, strategy).images
        for measure in wanted.regional:
            yield from regional_map_names(plan, strategy, measure).images
            yield from (
                regional_table_name(plan, source, strategy, measure) for source in plan.sources
            )
