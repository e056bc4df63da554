"""The steps of a run, one function each: from a file of volumes to signals and matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import (
    CleanedRun,
    Coverage,
    ExtractedRun,
    Matrices,
    RunValues,
    Signals,
)
from bidsmask.columns.extract import Extraction, extract
from bidsmask.columns.regions import PlacedLabels, coverage_table
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import DegreesOfFreedomError
from bidsmask.images.request import Reading
from bidsmask.images.stream import BoldStream
from bidsmask.numerics.carpet import carpet_voxels
from bidsmask.numerics.cleaning import Cleaner, overdrawn
from bidsmask.numerics.connectivity import MEASURES
from bidsmask.numerics.projections.regions import (
    LabelMeans,
    OfOneSelection,
    Projection,
    RegionStatistic,
    VoxelSelection,
)
from bidsmask.numerics.quality import correlation, fd_summary
from bidsmask.settings import ConnectivitySettings, CoverageSettings, ExtractionSettings
from bidsmask.vocabulary import STATISTICS


def extract_run(
    bold: Path, placed: Sequence[PlacedLabels], settings: ExtractionSettings
) -> ExtractedRun:
    """Read every column that is wanted off a run, and its statistics, in one pass.

    Parameters
    ----------
    bold : Path
    placed : sequence of PlacedLabels
        Atlases on the grid of the run.
    settings : ExtractionSettings
    """
    mask, labels = placed[0].mask, placed[0].labels.ravel(order="F")
    carpet = VoxelSelection(carpet_voxels(labels, mask.ravel(order="F")))
    extraction = _extract(BoldStream(bold), placed, carpet, settings)
    *columns, of_carpet = extraction.signals
    return ExtractedRun.of(
        extraction,
        signals=_in_groups(columns, len(settings.statistics)),
        carpet=of_carpet,
        carpet_labels=labels[carpet.support],
    )


def _extract(
    stream: BoldStream,
    placed: Sequence[PlacedLabels],
    carpet: VoxelSelection,
    settings: ExtractionSettings,
) -> Extraction:
    """Give the columns of every atlas and statistic, then those of the carpet."""
    projections = [
        atlas.projection(STATISTICS[label]) for atlas in placed for label in settings.statistics
    ]
    if settings.smoothing_fwhm_mm:
        return _extract_smoothed(stream, placed[0], projections, carpet, settings)
    return extract(stream, [*projections, carpet], mask=placed[0].mask)


def _extract_smoothed(
    stream: BoldStream,
    place: PlacedLabels,
    projections: Sequence[LabelMeans | RegionStatistic],
    carpet: VoxelSelection,
    settings: ExtractionSettings,
) -> Extraction:
    """Smooth volumes once for all projections, except those that have to see all at once."""
    numbers = sorted(range(len(projections)), key=lambda n: not _sees_all(projections[n]))
    shared = [projections[n] for n in numbers if not _sees_all(projections[n])]
    wanted: list[Projection] = [projections[n] for n in numbers if _sees_all(projections[n])]
    together = OfOneSelection(np.flatnonzero(place.mask.ravel(order="F")), shared)
    wanted += [together] if shared else []
    readings = [
        Reading(projection=each, grid=place.grid, smoothing_fwhm=settings.smoothing_fwhm_mm)
        for each in wanted
    ]
    extraction = extract(stream, [*readings, carpet], mask=place.mask)
    *columns, of_carpet = extraction.signals
    if shared:
        columns[-1:] = together.split(columns[-1])
    of_number = dict(zip(numbers, columns, strict=True))
    in_order = (of_number[number] for number in range(len(projections)))
    return replace(extraction, signals=(*in_order, of_carpet))


def _sees_all(projection: LabelMeans | RegionStatistic) -> bool:
    return isinstance(projection, RegionStatistic) and projection.needs_all_volumes


def _in_groups(columns: Sequence[FloatArray], size: int) -> Signals:
    return tuple(tuple(columns[first : first + size]) for first in range(0, len(columns), size))


def coverage_tables(
    extracted: ExtractedRun,
    placed: Sequence[PlacedLabels],
    atlases: Sequence[Atlas],
    settings: CoverageSettings,
) -> list[Coverage]:
    """For each atlas, which regions have a signal, and why the others have none."""
    return [
        Coverage(
            table=coverage_table(
                place, atlas.lut, signals=signals[0], min_coverage=settings.min_coverage
            )
        )
        for signals, place, atlas in zip(extracted.signals, placed, atlases, strict=True)
    ]


def clean_run(
    extracted: ExtractedRun,
    coverage: Sequence[Coverage],
    confounds: Sequence[Confounds],
    strategies: Sequence[Strategy],
    *,
    t_r: float,
) -> list[CleanedRun]:
    """Clean the signals of every atlas with every strategy."""
    signals = tuple(
        tuple(np.where(table.usable, raw, np.nan) for raw in of_atlas)
        for of_atlas, table in zip(extracted.signals, coverage, strict=True)
    )
    return [
        _clean(signals, extracted.carpet, loaded, strategy, t_r=t_r)
        for loaded, strategy in zip(confounds, strategies, strict=True)
    ]


def _clean(
    signals: Signals,
    carpet: FloatArray,
    confounds: Confounds,
    strategy: Strategy,
    *,
    t_r: float,
) -> CleanedRun:
    try:
        cleaner = Cleaner(
            strategy.cleaning, t_r=t_r, sample_mask=confounds.sample_mask, design=confounds.design
        )
    except DegreesOfFreedomError as error:
        raise DegreesOfFreedomError(f"Strategy {strategy.name}: {error}") from error
    return CleanedRun(
        signals=tuple(tuple(map(cleaner, of_atlas)) for of_atlas in signals),
        sample_mask=cleaner.sample_mask,
        ledger=cleaner.ledger,
        carpet=cleaner(carpet),
    )


def relate(cleaned: CleanedRun, settings: ConnectivitySettings) -> Matrices:
    """Compute each measure on the kept volumes, of the first statistic of each atlas."""
    return Matrices(
        by_measure={
            name: tuple(MEASURES[name].function(of_atlas[0]) for of_atlas in cleaned.signals)
            for name in settings.measures
        }
    )


def run_warnings(values: RunValues, plan: RunPlan) -> tuple[str, ...]:
    """What is odd about the run itself, and about what is left of it."""
    return (*plan.run.warnings, *_warnings_of(values, plan))


def _warnings_of(values: RunValues, plan: RunPlan) -> Iterator[str]:
    if values.extracted.n_nonfinite:
        yield (
            f"{plan.run.bold.name}: up to {values.extracted.n_nonfinite} voxels of the brain mask "
            "are NaN or infinite in a volume; they are left out of the means."
        )
    for confounds, cleaned in zip(values.confounds, values.cleaned, strict=True):
        if cleaned.ledger.remaining <= 0:
            yield f"{confounds.strategy}: {overdrawn(cleaned.ledger)}"


def run_quality(values: RunValues) -> dict[str, float]:
    """Numbers that say how good the run is, before any cleaning.

    ``mean_fd`` and ``max_fd`` in mm; ``mean_dvars`` in units of the BOLD signal; ``median_tsnr``
    over the voxels of the mask; ``fd_dvars_correlation`` Pearson's r; NaN where the run has no
    framewise displacement.
    """
    extracted, confounds = values.extracted, values.confounds[0]
    fd = confounds.fd_mm if confounds.fd_mm is not None else np.full(extracted.dvars.size, np.nan)
    motion = fd_summary(fd)
    varying = extracted.std > 0
    tsnr = extracted.mean[varying] / extracted.std[varying]
    return {
        "mean_fd": motion.mean_mm,
        "max_fd": motion.max_mm,
        "mean_dvars": float(np.nanmean(extracted.dvars)),
        "median_tsnr": float(np.median(tsnr)),
        "fd_dvars_correlation": correlation(fd, extracted.dvars),
        "n_voxels": float(extracted.mean.size),
        "n_nonfinite_voxels": float(extracted.n_nonfinite),
    }
