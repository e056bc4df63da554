"""What will be done with each run, decided before anything is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from bidsmask._version import __version__
from bidsmask.dataset.atlases import Atlas, check_space, find_atlas, template_homes
from bidsmask.dataset.index import Index, find_runs
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.strategies import Strategy, load_strategy
from bidsmask.errors import AtlasError, NoInputError, RunError, SettingsError, SpaceError
from bidsmask.images.stream import BoldStream
from bidsmask.settings import CensorOutput, Settings

_BASE_MEMORY_GB = 0.25
"""What a worker needs before it has read anything: the interpreter and its libraries."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """One run that can be done, and all that decides its numbers.

    Attributes
    ----------
    shape, affine : tuples
        The run's grid, as plain values so that nipype can hash them.
    outputs_are_missing, reportlets_are_missing : bool
        Whether files in the output have to be written again although the work folder says that
        they were; not part of what is compared.
    """

    run: BoldRun
    t_r: float
    n_volumes: int
    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...]
    atlases: tuple[Atlas, ...]
    strategies: tuple[Strategy, ...]
    measures: tuple[str, ...]
    min_coverage: float
    censor_output: CensorOutput
    outputs_are_missing: bool = field(default=False, repr=False, compare=False)
    reportlets_are_missing: bool = field(default=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """A fingerprint of everything but the content of the files that decides the outputs."""
        return hashlib.sha256(f"{__version__} {self!r}".encode()).hexdigest()

    @property
    def memory_gb(self) -> float:
        """What extraction will need: a few blocks of volumes and the signals, never the run."""
        voxels = float(np.prod(self.shape))
        columns = sum(len(atlas.lut.ids) for atlas in self.atlases)
        return _BASE_MEMORY_GB + (voxels * 60 + self.n_volumes * columns * 24) / 1e9


@dataclass(frozen=True, kw_only=True)
class RunFailure:
    """A run that was not done: at which node, and the letter that says why."""

    subject: str
    run: str
    node: str
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do, what cannot be done, and what to be warned of."""

    runs: tuple[RunPlan, ...]
    failures: tuple[RunFailure, ...]
    warnings: tuple[str, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects that were asked for, with or without a run that can be done."""
        found = {plan.run.subject for plan in self.runs} | {f.subject for f in self.failures}
        return tuple(sorted(found))


def make_plan(settings: Settings) -> Plan:
    """Find the runs, the atlases and the strategies; match them.

    Raises
    ------
    RequestError
        If a strategy or an atlas cannot be used at all.
    NoInputError
        If no run matches.
    """
    strategies = _strategies(settings)
    index = find_runs(
        settings.bids_dir,
        settings.selection,
        database_dir=settings.execution.bids_database_dir,
    )
    atlases = _AtlasShelf(settings)
    planned = [_plan_run(run, settings, strategies, atlases) for run in index.runs]
    runs = tuple(plan for plan in planned if isinstance(plan, RunPlan))
    failures = tuple(plan for plan in planned if isinstance(plan, RunFailure))
    if not runs and failures and all(failure.kind == "SpaceError" for failure in failures):
        raise AtlasError(failures[0].reason)
    skipped, failures = _split_other_spaces(settings, runs, failures, index)
    return Plan(
        runs=runs,
        failures=failures,
        warnings=(*index.warnings, *atlases.warnings(), *skipped),
    )


def _strategies(settings: Settings) -> tuple[Strategy, ...]:
    strategies = tuple(
        load_strategy(name).with_overrides(**settings.cleaning.overrides())
        for name in settings.cleaning.strategies
    )
    names = [strategy.name for strategy in strategies]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"Two strategies are called {name!r}; give each its own name.")
    return strategies


def _plan_run(
    run: BoldRun, settings: Settings, strategies: tuple[Strategy, ...], atlases: _AtlasShelf
) -> RunPlan | RunFailure:
    fail = partial(RunFailure, subject=run.subject, run=run.name)
    if run.problems:
        return fail(node="find_files", kind="SidecarError", reason=" ".join(run.problems))
    try:
        stream = BoldStream(run.bold)
        chosen = atlases.for_run(run, tuple(stream.grid.voxel_sizes_mm))
    except RunError as error:
        return fail(node="find_files", kind=type(error).__name__, reason=str(error))
    assert run.t_r is not None, "a run without problems has a repetition time"
    return RunPlan(
        run=run,
        t_r=run.t_r,
        n_volumes=stream.n_volumes,
        shape=tuple(int(n) for n in stream.grid.shape),
        affine=tuple(tuple(float(x) for x in row) for row in stream.grid.affine),
        atlases=chosen,
        strategies=strategies,
        measures=settings.connectivity.connectivity,
        min_coverage=settings.extraction.min_coverage,
        censor_output=settings.cleaning.censor_output,
    )
