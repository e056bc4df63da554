"""What will be done with each run, decided before anything is computed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bidsmask._names import did_you_mean
from bidsmask._version import __version__
from bidsmask.analysis.kinds import Source, files_of, kind_of, source_warnings
from bidsmask.analysis.parts import attempt, refuse_nothing
from bidsmask.dataset.atlas_files import ATLAS_EXTENSIONS
from bidsmask.dataset.atlases import Atlas, check_space, find_atlas
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.events import with_events
from bidsmask.dataset.index import NotFound, find_runs
from bidsmask.dataset.individuals import OwnFiles, find_own
from bidsmask.dataset.meshes import MeshesToDraw, Shelves, meshes_to_draw
from bidsmask.dataset.run_meshes import RunMeshes, find_run_meshes
from bidsmask.dataset.run_tables import PREPROCESSED
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.seeds import (
    SEED_EXTENSIONS,
    SeedSet,
    check_seed_space,
    read_seeds,
    refuse_vertices,
)
from bidsmask.dataset.sidecars import Folders
from bidsmask.dataset.strategies import Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.dataset.surface_seeds import seeds_on_surfaces
from bidsmask.dataset.templates import template_homes
from bidsmask.derivatives.status import RunFailure
from bidsmask.errors import AtlasError, NoInputError, RunError, SettingsError, SpaceError
from bidsmask.images.bold import open_bold
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.reports.summaries import LostPart
from bidsmask.settings import (
    CleaningSettings,
    ConnectivitySettings,
    CoverageSettings,
    EventsSettings,
    ExtractionSettings,
    OutputSettings,
    QualitySettings,
    Settings,
    VoxelwiseSettings,
    decided,
    length_label,
)

_Place = tuple[str | None, tuple[object, ...] | None]
"""A space, and on surfaces the meshes."""

_OF_SOURCES = ("AtlasError", "SpaceError")
"""Kinds of errors that say that what was asked for cannot be had; of every run: nothing can."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """One run that can be done, and all that decides its numbers.

    Attributes
    ----------
    grid : Grid or Grayordinates
        Where the values of the run lie.
    meshes : RunMeshes
        Of a run on surfaces, those that say where vertices are, and that what was asked takes.
    lost : tuple of LostPart
        What was asked for and cannot be had, as names and headers tell.
    voxel_bytes : int
        Of one voxel as it is computed with; not part of what is compared.
    drawn_on : MeshesToDraw or None
        Of a run on surfaces, for its figures; not part of what is compared.
    outputs_are_missing, voxels_are_missing, reportlets_are_missing : bool
        Whether files in the output have to be written again although the work folder says that
        they were; not part of what is compared.
    """

    run: BoldRun
    t_r: float
    n_volumes: int
    grid: Lattice = field(repr=False)
    voxel_bytes: int = field(repr=False, compare=False)
    sources: tuple[Source, ...]
    strategies: tuple[Strategy, ...]
    meshes: RunMeshes = field(default_factory=RunMeshes)
    lost: tuple[LostPart, ...] = ()
    extraction: ExtractionSettings
    coverage: CoverageSettings
    cleaning: CleaningSettings
    connectivity: ConnectivitySettings
    output: OutputSettings
    quality: QualitySettings = field(default_factory=QualitySettings)
    voxelwise: VoxelwiseSettings = field(default_factory=VoxelwiseSettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    drawn_on: MeshesToDraw | None = field(default=None, repr=False, compare=False)
    outputs_are_missing: bool = field(default=False, repr=False, compare=False)
    voxels_are_missing: bool = field(default=False, repr=False, compare=False)
    reportlets_are_missing: bool = field(default=False, repr=False, compare=False)

    @property
    def is_on_surfaces(self) -> bool:
        """Whether the values of the run lie on grayordinates, and not on a grid."""
        return self.run.file_format != "nifti"

    @property
    def is_done(self) -> bool:
        """Whether nothing of the run has to be written."""
        missing = (self.outputs_are_missing, self.voxels_are_missing, self.reportlets_are_missing)
        return not any(missing)

    def portable(self, text: str) -> str:
        """Leave out of a text in which folders files are: it is to stand in files that travel."""
        seeds = map(str, self.extraction.seeds)
        asked = (*self.extraction.atlases, *seeds, *self.cleaning.strategies)
        folders = {str(Path(name).absolute().parent) for name in asked if os.sep in name}
        for folder in sorted({*map(str, self.run.homes), *folders}, key=len, reverse=True):
            text = text.replace(f"{folder}{os.sep}", "")
        return text

    def statistics_of(self, source: Source) -> tuple[str, ...]:
        """What is taken over the columns of a source, by labels of ``stat``.

        Connectivity is of the first.
        """
        return kind_of(source).statistics(self.extraction)

    @property
    def decisive(self) -> dict[str, object]:
        """What decides the outputs, by name, but for the content of the dataset's files.

        The same in another folder: no path is part of it. What has a name of its own in file
        names (an atlas, a strategy) stands under that name.
        """
        sections = (
            self.extraction,
            self.voxelwise,
            self.coverage,
            self.cleaning,
            self.connectivity,
            self.events,
            self.quality,
            self.output,
        )
        return {
            "version": __version__,
            "metadata": self.run.metadata,
            "t_r": self.t_r,
            "n_volumes": self.n_volumes,
            **self.grid.identity,
            **{name: value for section in sections for name, value in decided(section).items()},
            **{
                str(Entities(source.entities)): {
                    "kind": source.kind,
                    "sha256": " ".join(source.sha256),
                    "lut": source.lut,
                    "radii_mm": source.radii_mm if isinstance(source, SeedSet) else None,
                }
                for source in self.sources
            },
            **{f"desc-{strategy.label}": strategy for strategy in self.strategies},
            **({"meshes": " ".join(self.meshes.sha256)} if self.meshes.sha256 else {}),
        }

    @property
    def digest(self) -> str:
        """A fingerprint of `decisive`, and of what was asked for and cannot be had."""
        content = repr((self.run.name, self.decisive))
        if self.lost:
            content += repr([(part.part, part.name) for part in self.lost])
        return hashlib.sha256(content.encode()).hexdigest()


def drawn_desc(strategy: Strategy, length: str) -> str:
    """Label of ``desc`` for matrices of volumes that were drawn: ``36P+300s``."""
    return f"{strategy.label}+{length}"


def smoothed_desc(strategy: Strategy) -> str:
    """Label of ``desc`` for the smoothed copy of cleaned volumes."""
    return f"{strategy.label}+smooth"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do, what cannot be done, and what to be warned of.

    What cannot be done of a run that is among `runs` is said in its own plan. What was asked for
    and is no run at all is among the failures.
    """

    runs: tuple[RunPlan, ...]
    failures: tuple[RunFailure, ...]
    strategies: tuple[Strategy, ...]
    warnings: tuple[str, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects that are there and were asked for, with or without a run to be done."""
        found = {plan.run.subject for plan in self.runs} | {f.subject for f in self.failures}
        return tuple(sorted(filter(None, found)))


def make_plan(settings: Settings, *, with_sources: bool = True) -> Plan:
    """Find the runs, the atlases and the strategies; match them.

    Parameters
    ----------
    settings : Settings
    with_sources : bool
        False: look at runs and strategies only, as if nothing were to be extracted.

    Raises
    ------
    RequestError
        If a strategy or an atlas cannot be used at all.
    NoInputError
        If no run matches.
    """
    strategies = _strategies(settings)
    datasets = dict(settings.datasets)
    _require_datasets(strategies, datasets)
    index = find_runs(
        settings.bids_dir,
        settings.selection,
        database_dir=settings.execution.bids_database_dir,
        datasets=datasets,
        queries=list(dict.fromkeys(query for each in strategies for query in each.tables)),
    )
    if settings.output.concatenate and not any("run" in run.entities for run in index.runs):
        raise SettingsError(
            "--concatenate joins the runs of a task, and none of these files has run in its name."
        )
    spaces = tuple({_space(run) or "none" for run in index.runs})
    shelf = _Shelf(settings, spaces=spaces, with_sources=with_sources)
    planned = [_plan_run(run, settings, strategies, shelf) for run in index.runs]
    runs = tuple(
        replace(each, lost=_lost_everywhere(each, shelf.served))
        for each in planned
        if isinstance(each, RunPlan)
    )
    failures = tuple(each for each in planned if isinstance(each, RunFailure))
    if not runs and failures and all(failure.kind in _OF_SOURCES for failure in failures):
        raise AtlasError(failures[0].reason)
    if runs and not any(run.is_on_surfaces for run in runs):
        _refuse_what_is_of_surfaces(settings)
    elsewhere = () if settings.selection.spaces else _done_in_another_space(runs, failures)
    return Plan(
        runs=runs,
        failures=(
            *map(_not_found, index.not_found),
            *(failure for failure in failures if failure not in elsewhere),
        ),
        strategies=strategies,
        warnings=(
            *index.warnings,
            *shelf.warnings,
            *_idle(settings, strategies),
            *(f"{failure.run} is left out: {failure.reason}" for failure in elsewhere),
        ),
    )


def _lost_everywhere(
    plan: RunPlan, served: Collection[tuple[str, _Place]]
) -> tuple[LostPart, ...]:
    """Leave out sources that runs of other spaces have got: each takes those of its own."""
    here = _place(plan.run, plan.grid)
    of_others = {name for name, place in served if place != here}
    return tuple(
        part
        for part in plan.lost
        if not (part.kind == SpaceError.__name__ and part.name in of_others and plan.sources)
    )


def _refuse_what_is_of_surfaces(settings: Settings) -> None:
    asked = {
        "--cifti-outputs": settings.output.cifti_outputs,
        "--area-weights": settings.extraction.area_weights,
    }
    if any(asked.values()):
        raise SettingsError(
            f"{' and '.join(name for name, is_asked in asked.items() if is_asked)} are of runs on "
            "surfaces, and none of these is one. Say in which space they are (--space fsLR, "
            "--space fsaverage5), or leave the option out."
        )


def _idle(settings: Settings, strategies: Sequence[Strategy]) -> Iterator[str]:
    """Say which options change nothing, as no strategy has the filter that they are of.

    They are no error: who wants nilearn's numbers gives them with whatever strategy.
    """
    if any(strategy.cleaning.filter == "butterworth" for strategy in strategies):
        return
    if settings.cleaning.filter_ends != "strategy":
        yield "--filter-ends changes nothing: no strategy here has a Butterworth filter."
    if settings.cleaning.bridge != "strategy" and settings.output.censor_output != "interpolate":
        yield "--bridge changes nothing: no strategy here has a Butterworth filter."


def _not_found(what: NotFound) -> RunFailure:
    return RunFailure(
        subject=what.subject,
        run=what.name,
        node="find_files",
        kind=NoInputError.__name__,
        reason=what.reason,
    )


def _done_in_another_space(
    runs: Sequence[RunPlan], failures: Sequence[RunFailure]
) -> tuple[RunFailure, ...]:
    """Runs whose space fits no atlas, but which can be done in a space that does.

    fMRIPrep writes a run in several spaces; nobody who gives an atlas of one of them, and does
    not ask for the others with ``--space``, expects an error for those.
    """
    done = {_acquisition(plan.run.name) for plan in runs}
    return tuple(
        failure
        for failure in failures
        if failure.kind == "SpaceError" and _acquisition(failure.run) in done
    )


def _acquisition(run_name: str) -> str:
    parts = run_name.split("_")
    return "_".join(part for part in parts if not part.startswith(("space-", "res-", "cohort-")))


def _strategies(settings: Settings) -> tuple[Strategy, ...]:
    strategies = tuple(
        load_strategy(name).with_overrides(
            **settings.cleaning.overrides(), **settings.events.overrides()
        )
        for name in settings.cleaning.strategies
    )
    for strategy in strategies:
        _refuse_what_is_regressed(settings, strategy)
        _refuse_percent_of_nothing(settings, strategy)
    labels = {strategy.label for strategy in strategies}
    for strategy in strategies:
        smoothed = smoothed_desc(strategy)
        if settings.voxelwise.voxelwise_smoothing_fwhm_mm and smoothed in labels:
            raise SettingsError(
                f"The smoothed copy of {strategy.name} would have the name of the strategy "
                f"{smoothed!r}. Give that another name, or ask for one at a time."
            )
        for minutes in settings.connectivity.minutes:
            drawn = drawn_desc(strategy, length_label(minutes))
            if drawn in labels:
                raise SettingsError(
                    f"Matrices of {minutes:g} minutes of {strategy.name} would have the name of "
                    f"the strategy {drawn!r}. Give that another name, or ask for one at a time."
                )
        alike = [
            asked if asked == one.name else f"{asked} (called {one.name})"
            for asked, one in zip(settings.cleaning.strategies, strategies, strict=True)
            if one.label == strategy.label
        ]
        if len(alike) > 1:
            raise SettingsError(
                f"Outputs of the strategies {' and '.join(alike)} would have the same names, with "
                f"desc-{strategy.label}. Give each its own name."
            )
    return strategies


def _refuse_what_is_regressed(settings: Settings, strategy: Strategy) -> None:
    if settings.events.any and strategy.models_task:
        raise SettingsError(
            f"--condition-means and --beta-series are of responses to events, and {strategy.name} "
            f"regresses these ({strategy.task.task_regressors}): nothing would be left. Ask for "
            "one or the other, into two output folders."
        )


def _require_datasets(strategies: Sequence[Strategy], datasets: Mapping[str, Path]) -> None:
    """Refuse a strategy with tables of a dataset that the command line does not name."""
    for strategy in strategies:
        for query in strategy.tables:
            name = query.dataset
            if name is not None and name not in (PREPROCESSED, *datasets):
                raise SettingsError(
                    f"Strategy {strategy.name} takes {query} from the dataset {name!r}, which is "
                    f"not named.{did_you_mean(name, datasets)} Say where it is: --datasets "
                    f"{name}=PATH."
                )


def _refuse_percent_of_nothing(settings: Settings, strategy: Strategy) -> None:
    scaling = settings.extraction.voxel_scaling
    if scaling != "none" and strategy.cleaning.standardize == "psc":
        raise SettingsError(
            f"--voxel-scaling {scaling} leaves signals a mean of 0, of which {strategy.name} "
            "would take percentages (standardize: psc). For percentages of each voxel ask for "
            "--voxel-scaling psc --standardize none."
        )


def _plan_run(
    run: BoldRun, settings: Settings, strategies: tuple[Strategy, ...], shelf: _Shelf
) -> RunPlan | RunFailure:
    """Plan a run, or say why it cannot be done."""
    fail = partial(RunFailure, subject=run.subject, run=run.name, node="find_files")
    if run.problems:
        return fail(kind="SidecarError", reason=" ".join(run.problems))
    try:
        stream = open_bold(run.files)
        sources, missing = shelf.for_run(run, stream.grid)
        meshes = shelf.meshes_of(run, stream.grid, settings)
    except (AtlasError, RunError) as error:
        return fail(kind=type(error).__name__, reason=str(error))
    t_r = run.t_r
    assert t_r is not None, "a run without problems has a repetition time"
    if settings.events.any or any(strategy.models_task for strategy in strategies):
        roots = [root for _, root in settings.datasets]
        run = with_events(run, roots, shelf.folders, t_r=t_r, n_volumes=stream.n_volumes)
    return RunPlan(
        run=replace(run, warnings=(*run.warnings, *filter(None, [stream.warning]))),
        t_r=t_r,
        n_volumes=stream.n_volumes,
        grid=shelf.lattice(stream.grid),
        voxel_bytes=stream.dtype.itemsize,
        sources=sources,
        strategies=strategies,
        meshes=meshes,
        lost=missing,
        extraction=settings.extraction,
        coverage=settings.coverage,
        cleaning=settings.cleaning,
        connectivity=settings.connectivity,
        quality=settings.quality,
        output=settings.output,
        voxelwise=settings.voxelwise,
        events=settings.events,
        drawn_on=shelf.drawn_on(run, stream.grid),
    )


class _Shelf:
    """The sources that were asked for: atlases, each looked up once for each space, and seeds.

    Tables of events lie in `folders`, each of which is listed once. What some run could be given
    is in `served`, by the names that letters call it by and the places that it was of.
    """

    def __init__(
        self, settings: Settings, *, spaces: Sequence[str], with_sources: bool = True
    ) -> None:
        atlases = settings.atlases if with_sources else ()
        seeds = settings.extraction.seeds if with_sources else ()
        self.folders = Folders()
        self._atlases = find_own(atlases, ATLAS_EXTENSIONS)
        self._roots = (settings.bids_dir, *(path for _, path in settings.datasets))
        self._homes = (*(path for _, path in settings.datasets), *template_homes())
        self._download = settings.execution.download
        self._spaces = spaces
        self.served: set[tuple[str, _Place]] = set()
        self._lattices: dict[object, Lattice] = {}
        self._asked = tuple(settings.selection.spaces or ())
        self._found: dict[tuple[object, ...], Atlas | SeedSet | AtlasError | SpaceError] = {}
        self._seeds = find_own(list(map(str, seeds)), SEED_EXTENSIONS)
        self._radius_mm = settings.extraction.seed_radius_mm

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the sources that were used, each said once."""
        said = [
            text
            for source in self._found.values()
            if not isinstance(source, AtlasError | SpaceError)
            for text in source_warnings(source)
        ]
        return tuple(dict.fromkeys(said))

    def lattice(self, grid: Lattice) -> Lattice:
        """Give one and the same for all runs that lie on the same places: some have 91,282."""
        if isinstance(grid, Grid):
            return grid
        return self._lattices.setdefault(grid.identity["places"], grid)

    def for_run(
        self, run: BoldRun, lattice: Lattice
    ) -> tuple[tuple[Source, ...], tuple[LostPart, ...]]:
        """Give every source in the space of the run, and why there are not more.

        Raises
        ------
        AtlasError, SpaceError
            If there is none, or the outputs of two would have the same names.
        """
        asked = [
            *(
                attempt("atlas", _label(each), partial(self._find_atlas, each, run, lattice))
                for each in self._atlases
            ),
            *(
                attempt("seeds", _label(each), partial(self._find_seeds, each, run, lattice))
                for each in self._seeds
            ),
        ]
        refuse_nothing(asked)
        names = map(_label, (*self._atlases, *self._seeds))
        place = _place(run, lattice)
        self.served |= {
            (name, place)
            for name, each in zip(names, asked, strict=True)
            if not isinstance(each, LostPart)
        }
        missing = tuple(each for each in asked if isinstance(each, LostPart))
        sources = tuple(each for each in asked if not isinstance(each, LostPart))
        for source in sources:
            alike = [str(files_of(one)[0]) for one in sources if one.entities == source.entities]
            if len(alike) > 1:
                raise AtlasError(
                    f"Outputs of {' and '.join(alike)} would have the same names. Rename one of "
                    "the files, or give one at a time with its own output folder."
                )
        return sources, missing

    def _find_atlas(self, asked: str | OwnFiles, run: BoldRun, lattice: Lattice) -> Atlas:
        name = str(_of_run(asked, run))
        find = partial(
            find_atlas,
            name,
            space=_space(run),
            homes=self._homes,
            download=self._download,
            lattice=lattice,
        )
        atlas = self._once((name, _space(run), _fineness(lattice)), find)
        assert isinstance(atlas, Atlas), "an atlas was looked for"
        check_space(atlas, _space(run), run.name, self._spaces, lattice)
        return atlas

    def _find_seeds(self, asked: str | OwnFiles, run: BoldRun, lattice: Lattice) -> SeedSet:
        path = Path(_of_run(asked, run))
        seeds = self._once((path,), partial(read_seeds, path, default_radius_mm=self._radius_mm))
        assert isinstance(seeds, SeedSet), "seeds were looked for"
        check_seed_space(seeds, _space(run), self._asked)
        if isinstance(lattice, Grid):
            refuse_vertices(seeds)
            return seeds
        return seeds_on_surfaces(seeds, lattice, self._shelves_of(run))

    def meshes_of(self, run: BoldRun, lattice: Lattice, settings: Settings) -> RunMeshes:
        """Find the meshes of a run on surfaces: where it is, and what was asked for takes.

        Raises
        ------
        ImageError
            If one that signals take is missing.
        """
        if isinstance(lattice, Grid):
            return RunMeshes()
        return find_run_meshes(
            lattice,
            self._shelves_of(run),
            smooths=settings.extraction.smoothing_fwhm_mm > 0,
            weighs=settings.extraction.area_weights,
            compares=settings.voxelwise.reho,
        )

    def drawn_on(self, run: BoldRun, lattice: Lattice) -> MeshesToDraw | None:
        """Find the meshes that a run on surfaces is drawn on."""
        if isinstance(lattice, Grid):
            return None
        return meshes_to_draw(lattice, self._shelves_of(run))

    def _shelves_of(self, run: BoldRun) -> Shelves:
        return Shelves(
            run=run.entities, roots=self._roots, homes=self._homes, download=self._download
        )

    def _once(self, key: tuple[object, ...], find: Callable[[], Source]) -> Source:
        """Look something up; the next time give it, or raise what was wrong with it, again."""
        if key not in self._found:
            try:
                self._found[key] = find()
            except (AtlasError, SpaceError) as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, AtlasError | SpaceError):
            raise found
        return found


def _of_run(asked: str | OwnFiles, run: BoldRun) -> str | Path:
    return asked.for_run(run.entities) if isinstance(asked, OwnFiles) else asked


def _place(run: BoldRun, lattice: Lattice) -> _Place:
    """Say which sources a run can be given: those of its space and, on surfaces, of its meshes."""
    return _space(run), None if isinstance(lattice, Grid) else _fineness(lattice)


def _fineness(lattice: Lattice) -> tuple[object, ...]:
    """What of the lattice of a run decides which file of an atlas it gets."""
    if isinstance(lattice, Grid):
        return tuple(round(size, 3) for size in lattice.voxel_sizes_mm.tolist())
    return tuple(lattice.meshes.items())


def _label(asked: str | OwnFiles) -> str:
    """Name a source in a letter."""
    return Path(asked.asked if isinstance(asked, OwnFiles) else asked).name


def _space(run: BoldRun) -> str | None:
    """The space as BIDS names one with a cohort: MNIInfant+1."""
    cohort = run.entities.get("cohort")
    return f"{run.space}+{cohort}" if run.space and cohort else run.space
