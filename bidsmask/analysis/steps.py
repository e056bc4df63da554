"""The steps of a run, one function each: from a file of volumes to signals and matrices."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.analysis.kinds import Source, kind_of, place
from bidsmask.analysis.parts import attempt, refuse_nothing
from bidsmask.analysis.quality import cleaning_quality
from bidsmask.analysis.store import (
    CleanedRun,
    Coverage,
    ExtractedRun,
    Matrices,
    PlacedSources,
    Signals,
)
from bidsmask.columns.base import Columns, VoxelSets
from bidsmask.columns.extract import extract
from bidsmask.columns.maps import Maps
from bidsmask.columns.regions import Regions
from bidsmask.columns.request import Request
from bidsmask.columns.statistics import RunStatistics
from bidsmask.columns.voxels import place_voxels
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.run_meshes import Whereabouts
from bidsmask.dataset.seeds import SeedSet
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import (
    AtlasError,
    DegreesOfFreedomError,
    ImageError,
    RunError,
    SpaceError,
)
from bidsmask.images.bold import open_bold
from bidsmask.images.grayordinates import Grayordinates, Lattice
from bidsmask.images.meshes import areas_on, places_on, read_areas, read_mesh
from bidsmask.images.scaled_voxels import ScaledVoxels
from bidsmask.images.signals_on_disk import SignalsOnDisk, new_signals
from bidsmask.images.stream import BoldStream
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.numerics.carpet import carpet_voxels
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.connectivity.measures import MEASURES, Measure, Relation, Sample
from bidsmask.numerics.connectivity.plain import varies
from bidsmask.numerics.equal_length import drawn_rows, volumes_of
from bidsmask.reports.summaries import LostPart
from bidsmask.settings import (
    CleaningSettings,
    ConnectivitySettings,
    CoverageSettings,
    ExtractionSettings,
    length_label,
)
from bidsmask.vocabulary import MAPS_STATISTICS, VoxelScaling

N_FREQUENCIES = 151
"""From 0 to the Nyquist frequency: how finely the report draws what cleaning lets through."""


def everywhere(grid: Lattice) -> BoolArray:
    """Give the mask (V,) of a run on surfaces, which has none: all of its places.

    What was measured of them is found out while they are read.
    """
    return np.ones(grid.n_voxels, dtype=bool)


def place_sources(
    sources: Sequence[Source],
    grid: Lattice,
    mask: BoolArray,
    maps_statistic: str,
    areas: Sequence[tuple[str, Path]] = (),
    places: Whereabouts | None = None,
) -> PlacedSources:
    """Put the columns of every source onto the lattice of a run.

    A source that cannot be used costs no other.

    Parameters
    ----------
    sources : sequence of Source
    grid : Grid or Grayordinates
    mask : bool array of shape (X, Y, Z), or (V,) on surfaces
    maps_statistic : str
        Key of `bidsmask.vocabulary.MAPS_STATISTICS`: not all maps have every one.
    areas : sequence of (structure, Path)
        What `read_areas` reads of each structure on surfaces, if means are weighted by area.
    places : Whereabouts, optional
        Meshes that say where vertices are. One that cannot be read is warned of: it takes no
        more than centroids.

    Raises
    ------
    AtlasError, ImageError, SpaceError
        If no source can be used, or areas are not those of the run.
    """
    if places is not None and places.files:
        grid = _at(grid, places)
    sizes = areas_on(grid, {name: read_areas(path) for name, path in areas}) if areas else None
    placed = [
        attempt(
            "seeds" if isinstance(source, SeedSet) else "atlas",
            source.name,
            partial(_place, source, grid, mask, maps_statistic, sizes),
        )
        for source in sources
    ]
    refuse_nothing(placed)
    there = {number: each for number, each in enumerate(placed) if not isinstance(each, LostPart)}
    return PlacedSources(
        mask=mask,
        grid=grid,
        numbers=tuple(there),
        columns=tuple(there.values()),
        lost=tuple(each for each in placed if isinstance(each, LostPart)),
    )


def _at(grid: Grayordinates, places: Whereabouts) -> Grayordinates:
    """Let grayordinates know where they are."""
    try:
        meshes = {name: read_mesh(path) for name, path in places.files}
        return replace(grid, mm=places_on(grid, meshes, with_voxels=places.with_voxels))
    except (ImageError, SpaceError) as error:
        warnings.warn(f"Where vertices are is not known. {error}", stacklevel=2)
        return grid


def _place(
    source: Source,
    grid: Lattice,
    mask: BoolArray,
    maps_statistic: str,
    sizes: FloatArray | None,
) -> Columns:
    """Place a source; refuse maps that the statistic that is asked for cannot be taken of."""
    columns = place(source, grid, mask)
    if sizes is not None and isinstance(columns, VoxelSets):
        return replace(columns, sizes=sizes)
    if isinstance(columns, Maps):
        try:
            columns.whole(MAPS_STATISTICS[maps_statistic])
        except ValueError as error:
            raise AtlasError(f"{source.name}: {error}") from error
    return columns


def extract_run(
    files: Sequence[Path],
    placed: PlacedSources,
    sources: Sequence[Source],
    settings: ExtractionSettings,
    coverage: CoverageSettings,
    spill: Path | None = None,
    meshes: Sequence[tuple[str, Path]] = (),
) -> tuple[ExtractedRun, list[Coverage]]:
    """Read every column that is wanted off a run, and its statistics, in one pass.

    Voxels that are to be scaled before they are averaged are averaged in a second one, when their
    means and standard deviations are known.

    Parameters
    ----------
    files : sequence of Path
        Of the run; see `open_bold`.
    placed : PlacedSources
    sources : sequence of Source
        Those that were placed.
    settings : ExtractionSettings
    coverage : CoverageSettings
    spill : Path, optional
        Where the voxels of the mask are to be put; see `SignalsOnDisk`.
    meshes : sequence of (structure, Path)
        To smooth a run on surfaces along.

    Returns
    -------
    extracted : ExtractedRun
    coverage : list of Coverage
        For each source, which columns have a signal, and why the others have none.
    """
    stream = open_bold(files, meshes)
    seen = RunStatistics(stream, placed.mask)
    inside = np.flatnonzero(placed.mask.ravel(order="F"))
    labels = _labels(placed, sources)
    carpet = carpet_voxels(labels, placed.mask.ravel(order="F"))
    of_sources = [
        Request(
            columns=columns,
            statistic=kind_of(source).engine[label],
            smoothing_fwhm=settings.smoothing_fwhm_mm or None,
            min_coverage=coverage.min_coverage,
        )
        for source, columns in zip(sources, placed.columns, strict=True)
        for label in kind_of(source).statistics(settings)
    ]
    scales = settings.voxel_scaling != "none"
    requests = [] if scales else list(of_sources)
    requests.append(Request(columns=place_voxels(carpet, placed.grid)))
    with nullcontext() if spill is None else _new_voxels(spill, stream, placed) as voxels:
        if voxels is not None:
            requests.append(_all_voxels(placed, settings, voxels))
        extractions = extract(stream, requests, see=[seen.see], smoothed_together=inside)
    seen.refuse_impossible()
    if scales:
        scaled = scaled_voxels(stream, placed.mask, seen, settings.voxel_scaling)
        extractions = (*extract(scaled, of_sources), *extractions)
    read = iter(extractions)
    by_source = [[next(read) for _ in kind_of(source).statistics(settings)] for source in sources]
    drawn = next(read)
    measured = drawn.measured[carpet]
    extracted = ExtractedRun.of(
        seen,
        signals=tuple(tuple(each.signals for each in found) for found in by_source),
        carpet=drawn.signals[:, measured],
        carpet_labels=labels[carpet[measured]],
        covered=np.zeros(0, dtype=bool) if spill is None else next(read).used,
    )
    tables = [
        Coverage(
            table=found[0].coverage.table(
                source.lut.names, source.lut.ids, columns.centroids(found[0].measured)
            )
        )
        for source, columns, found in zip(sources, placed.columns, by_source, strict=True)
    ]
    return extracted, tables


def scaled_voxels(
    stream: BoldStream | SurfaceSeries, mask: BoolArray, seen: RunStatistics, scaling: VoxelScaling
) -> ScaledVoxels:
    """Scale the voxels of a run over time, by what all of its volumes were like.

    Censored volumes are among them: voxels are read before there is a strategy.

    Parameters
    ----------
    stream : BoldStream or SurfaceSeries
    mask : bool array of shape (X, Y, Z), or (V,) on surfaces
    seen : RunStatistics
        Of the voxels of the mask, in the whole run.
    scaling : {"zscore", "psc"}
        Standard scores, with the sample standard deviation; or percent of the mean, which a voxel
        whose mean is not above 0 does not have: it counts as not covered.
    """
    mean, std = seen.volumes.mean, seen.volumes.std
    unit, usable = (std, std > 0) if scaling == "zscore" else (mean / 100, mean > 0)
    factor = np.full(mean.shape, np.nan)
    np.divide(1, unit, out=factor, where=usable & (std > 0) & ~seen.nonfinite)
    volumes = np.zeros((2, *mask.shape))
    for volume, values in zip(volumes, (mean, factor), strict=True):
        volume.T[mask.T] = values
    return ScaledVoxels(stream, *(volume.reshape(stream.grid.shape) for volume in volumes))


def read_voxels(
    files: Sequence[Path],
    placed: PlacedSources,
    settings: ExtractionSettings,
    spill: Path,
    meshes: Sequence[tuple[str, Path]] = (),
) -> None:
    """Read the voxels of the mask off a run, and nothing else; see `extract_run`."""
    stream = open_bold(files, meshes)
    with _new_voxels(spill, stream, placed) as voxels:
        extract(stream, [_all_voxels(placed, settings, voxels)])


def _new_voxels(
    spill: Path, stream: BoldStream | SurfaceSeries, placed: PlacedSources
) -> AbstractContextManager[SignalsOnDisk]:
    """Make a file for the voxels of the mask, in the precision that they are stored with.

    What is left of a voxel once it is cleaned may be a hundredth of it: no digit may be lost. They
    lie there in the order in which they come.
    """
    shape = stream.n_volumes, int(np.count_nonzero(placed.mask))
    dtype = np.result_type(stream.dtype, np.float32)
    by_columns = isinstance(stream, SurfaceSeries) and stream.by_points
    return new_signals(spill, shape, dtype, by_columns=by_columns)


def _all_voxels(
    placed: PlacedSources, settings: ExtractionSettings, out: SignalsOnDisk
) -> Request:
    inside = np.flatnonzero(placed.mask.ravel(order="F"))
    return Request(
        columns=place_voxels(inside, placed.grid),
        smoothing_fwhm=settings.smoothing_fwhm_mm or None,
        dtype=out.dtype,
        out=out,
    )


def _labels(placed: PlacedSources, sources: Sequence[Source]) -> IntArray:
    """Labels (V_all,) of the first atlas that has some; else 0."""
    for source, columns in zip(sources, placed.columns, strict=True):
        if isinstance(columns, Regions):
            ids = np.array([0, *source.lut.ids])
            return np.take(ids, columns.codes.ravel(order="F"))
    return np.zeros(placed.grid.n_voxels, dtype=np.intp)


def clean_run(
    extracted: ExtractedRun,
    coverage: Sequence[Coverage],
    confounds: Sequence[Confounds | LostPart],
    strategies: Sequence[Strategy],
    settings: CleaningSettings,
    *,
    t_r: float,
) -> list[CleanedRun | LostPart]:
    """Clean the signals of every atlas with every strategy; say which cannot be carried out."""
    signals = tuple(
        tuple(np.where(table.usable, raw, np.nan) for raw in of_atlas)
        for of_atlas, table in zip(extracted.signals, coverage, strict=True)
    )
    return [
        loaded
        if isinstance(loaded, LostPart)
        else attempt(
            "strategy",
            strategy.name,
            partial(_clean, signals, extracted, loaded, strategy, settings, t_r=t_r),
        )
        for loaded, strategy in zip(confounds, strategies, strict=True)
    ]


def _clean(
    signals: Signals,
    extracted: ExtractedRun,
    confounds: Confounds,
    strategy: Strategy,
    settings: CleaningSettings,
    *,
    t_r: float,
) -> CleanedRun:
    cleaner = cleaner_of(confounds, strategy, settings, t_r=t_r)
    cleaned = tuple(tuple(map(cleaner, of_atlas)) for of_atlas in signals)
    carpet = cleaner.residuals(extracted.carpet)
    return CleanedRun(
        signals=cleaned,
        sample_mask=cleaner.sample_mask,
        ledger=cleaner.ledger,
        collinear=np.array(cleaner.collinear, dtype=np.intp),
        response=cleaner.response(np.linspace(0, 0.5 / t_r, N_FREQUENCIES)),
        carpet=carpet,
        quality=cleaning_quality(extracted, signals, cleaned, carpet, confounds, cleaner),
    )


def cleaner_of(
    confounds: Confounds, strategy: Strategy, settings: CleaningSettings, *, t_r: float
) -> Cleaner:
    """Make what cleans the signals of a run with a strategy.

    Raises
    ------
    RunError
        If this run cannot be cleaned so; see `bidsmask.numerics.cleaning.Cleaner`.
    DegreesOfFreedomError
        If less would be left of the run than the settings ask for.
    """
    _refuse_unreachable_cutoffs(strategy.cleaning, t_r)
    cleaner = Cleaner(
        strategy.cleaning,
        t_r=t_r,
        sample_mask=confounds.sample_mask,
        design=confounds.design,
        nonaggressive=confounds.nonaggressive,
    )
    minutes = cleaner.n_kept * t_r / 60
    if minutes < settings.min_minutes:
        raise DegreesOfFreedomError(
            f"{minutes:.2f} minutes are kept ({cleaner.n_kept} of {cleaner.sample_mask.size} "
            f"volumes), and --min-time asks for {settings.min_minutes:g}. Censor less strictly, "
            "or leave this run out."
        )
    if settings.min_dof and cleaner.ledger.remaining < settings.min_dof:
        raise DegreesOfFreedomError(
            f"{cleaner.ledger.in_words()} degrees of freedom, and --min-dof asks for "
            f"{settings.min_dof:g}. Choose a smaller strategy or a wider pass band, or censor "
            "less strictly."
        )
    return cleaner


def _refuse_unreachable_cutoffs(cleaning: CleaningParameters, t_r: float) -> None:
    """Refuse cut-offs that a run cannot have, at or above Nyquist; say what can be asked for."""
    nyquist_hz = 0.5 / t_r
    cutoffs = {"high-pass": cleaning.high_pass_hz, "low-pass": cleaning.low_pass_hz}
    unreachable = {name: hz for name, hz in cutoffs.items() if hz and hz >= nyquist_hz}
    if not unreachable:
        return
    high = cleaning.high_pass_hz or 0.0
    slow = 0.1 * nyquist_hz if "high-pass" in unreachable else high
    instead = {"high-pass": slow, "low-pass": 0.9 * nyquist_hz + 0.1 * slow}
    options = " ".join(f"--{name} {instead[name]:.3g}" for name in unreachable)
    alone = cleaning.filter == "butterworth" and 0 < high < nyquist_hz
    raise RunError(
        f"A {' and a '.join(f'{name} of {hz:g} Hz' for name, hz in unreachable.items())} cannot "
        f"be had with a repetition time of {t_r:g} s, whose Nyquist frequency is {nyquist_hz:g} "
        f"Hz. Ask for slower ones ({options})"
        f"{', for the high-pass alone (--filter cosine, no --low-pass)' if alone else ''}, or for "
        "no filter (--filter none, and no cut-offs)."
    )


def relate(
    cleaned: CleanedRun,
    settings: ConnectivitySettings,
    cleaning: CleaningSettings,
    *,
    t_r: float,
) -> Matrices:
    """Compute each measure on the kept volumes, of the first statistic of each atlas.

    Where matrices of equal lengths are asked for, compute them on volumes drawn from these.
    """
    take = {
        minutes: [
            cache(
                partial(
                    take_sample,
                    of_atlas[0],
                    cleaned.sample_mask,
                    cleaned.ledger.remaining,
                    settings,
                    t_r=t_r,
                    minutes=minutes,
                )
            )
            for of_atlas in cleaned.signals
        ]
        for minutes in (None, *settings.minutes)
    }

    def of_each(name: str, minutes: float | None = None) -> tuple[Relation | LostPart, ...]:
        label = name if minutes is None else f"{name} ({minutes:g} min)"
        return tuple(
            attempt("measure", label, partial(compute_measure, MEASURES[name], of_atlas, cleaning))
            for of_atlas in take[minutes]
        )

    return Matrices(
        by_measure={name: of_each(name) for name in settings.of_all_volumes},
        drawn={
            length_label(minutes): {name: of_each(name, minutes) for name in settings.measures}
            for minutes in settings.minutes
        },
    )


def take_sample(
    signals: FloatArray,
    sample_mask: BoolArray,
    dof: float,
    settings: ConnectivitySettings,
    *,
    t_r: float,
    minutes: float | None = None,
) -> Sample:
    """Take all kept volumes, or as many as last so many minutes, drawn by chance.

    Parameters
    ----------
    signals : array of shape (T_kept, P)
    sample_mask : bool array of shape (T,)
        Which volumes these are.
    dof : float
        Degrees of freedom that are left of all of them.
    settings : ConnectivitySettings
    t_r : float
        Repetition time in seconds.
    minutes : float, optional

    Raises
    ------
    DegreesOfFreedomError
        If fewer are kept.
    """
    whole = Sample(
        signals=signals, sample_mask=sample_mask, dof=dof, alpha=settings.graphical_lasso_alpha
    )
    if minutes is None:
        return whole
    n_kept, n_drawn = len(signals), volumes_of(minutes, t_r)
    if n_drawn > n_kept:
        raise DegreesOfFreedomError(
            f"{n_kept} volumes ({n_kept * t_r / 60:.2f} minutes) are kept, and --create-matrices "
            f"{minutes:g} asks for {n_drawn}. Ask for fewer minutes, or censor less strictly."
        )
    rows = drawn_rows(n_kept, n_drawn, settings.random_seed)
    drawn = np.zeros_like(sample_mask)
    drawn[np.flatnonzero(sample_mask)[rows]] = True
    return replace(whole, signals=signals[rows], sample_mask=drawn, dof=dof * n_drawn / n_kept)


def compute_measure(
    measure: Measure, take: Callable[[], Sample], cleaning: CleaningSettings
) -> Relation:
    """Compute a measure, if there are volumes enough.

    Parameters
    ----------
    measure : Measure
    take : callable
        Gives the volumes; see `take_sample`.
    cleaning : CleaningSettings

    Raises
    ------
    DegreesOfFreedomError
        If there are not as many volumes as asked for, or the measure inverts the covariance of all
        columns, and there are not as many degrees of freedom as columns, and the minimum of the
        settings beyond. The expected inverse is the true one times dof / (dof - P - 1), and each
        partial correlation is a correlation with dof - P + 2 degrees of freedom (Anderson 2003, An
        Introduction to Multivariate Statistical Analysis, sections 7.7 and 4.3).
    """
    sample = take()
    n_columns = int(np.count_nonzero(varies(sample.signals)))
    if measure.inverts and sample.dof < n_columns + cleaning.min_dof:
        raise DegreesOfFreedomError(
            f"It inverts the covariance of {n_columns} columns, which takes as many degrees of "
            f"freedom and {cleaning.min_dof:g} beyond (--min-dof); {sample.dof:.1f} are left. "
            f"Take ledoit-wolf-{measure.name}, an atlas with fewer regions, a smaller strategy, "
            "or a wider pass band."
        )
    return measure.function(sample)
