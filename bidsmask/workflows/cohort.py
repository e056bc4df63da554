"""The subjects of a request: what is to be done of each, and what has become of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from nipype.pipeline import engine as pe

from bidsmask.analysis.concatenate import Join, find_joins
from bidsmask.analysis.cost import memory_for_steps_gb, step_costs
from bidsmask.analysis.page import write_methods, write_subject_report
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.analysis.reportlets import failure_in_part, lost_parts, reportlets_exist
from bidsmask.analysis.retirement import (
    keep_used_labels,
    settle_results,
    with_moved,
    withdraw_outdated,
)
from bidsmask.derivatives.record import agree
from bidsmask.derivatives.run import is_complete
from bidsmask.derivatives.status import RunFailure, one_for_each_run, read_failures
from bidsmask.errors import OutputError, ReplacementError, SettingsError, StorageError
from bidsmask.numerics.verdict import Verdict
from bidsmask.reports.summaries import LostPart
from bidsmask.settings import Settings
from bidsmask.workflows import resources
from bidsmask.workflows.execute import STOPPED, NodeFailure, Outcome, execute
from bidsmask.workflows.monitor import read_resources
from bidsmask.workflows.nodes import SUMS_FILE
from bidsmask.workflows.run import init_bidsmask_wf, participant_wf_name, run_wf_name
from bidsmask.workflows.schedule import OnNode
from bidsmask.workflows.work_folder import (
    TOP_WORKFLOW,
    make_subject_folders,
    remove_subject_folders,
)

_Part = TypeVar("_Part")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an invocation did: the one source of its last words and of its exit code."""

    done: tuple[str, ...]
    failures: tuple[RunFailure, ...]
    reports: tuple[Path, ...] = ()
    n_computed: int = 0
    n_reused: int = 0
    n_warnings: int = 0
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    log: Path

    @property
    def exit_code(self) -> int:
        """0 if every run is done; 74 if a disk failed; 1 if some runs are not done, or in part."""
        if any(failure.kind == StorageError.__name__ for failure in self.failures):
            return StorageError.exit_code
        return 1 if self.failures else 0


class Cohort:
    """The runs of a plan, one after the other as there are cores for them.

    Each is a workflow of its own. What is known of a subject when its last run has ended is put
    down at once, and its report is written; nothing is kept that grows with the number of runs but
    their plans and what became of them.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        links: dict[str, str],
        log: Path,
        on_node: OnNode,
    ) -> None:
        self.settings = settings
        self.plan = plan
        self.links = links
        self.log = log
        self.on_node = on_node
        self.resources: list[dict[str, Any]] = []
        self._started = time.time()
        self._runs = _by_subject(plan.runs, lambda run: run.run.subject)
        self._refused = _by_subject(plan.failures, lambda failure: failure.subject)
        joins = find_joins(plan) if settings.output.concatenate else ()
        self._joins = _by_subject(joins, lambda join: join.plan.run.subject)
        self._methods = write_methods(settings, plan)
        self._failed_before = read_failures(settings.output_dir)
        self._begun: dict[pe.Workflow, Sequence[RunPlan]] = {}
        self._n_left: dict[str, int] = {}
        self._broken: dict[str, list[NodeFailure]] = {}
        self._stopped: dict[str, str] = {}
        self._done: dict[str, tuple[str, ...]] = {}
        self._failed: dict[str, tuple[RunFailure, ...]] = {}
        self._reports: dict[str, Path] = {}
        self._n_computed = self._n_reused = 0

    def carry_out(self) -> None:
        """Do what is to be done of each subject."""
        execution = self.settings.execution
        if execution.write_graph and self.plan.runs:
            self._wire(self.plan.runs).write_graph(
                graph2use="colored", format="svg", simple_form=True
            )
        outcomes = execute(
            self._workflows(together=execution.plugin_file is not None),
            n_procs=n_procs(self.settings),
            memory_gb=memory_for_steps_gb(execution.mem_gb or resources.available_memory_gb()),
            crash_dir=self.settings.output_dir / "logs",
            stop_on_first_crash=execution.stop_on_first_crash,
            plugin=_read_plugin(execution.plugin_file),
            on_node=self.on_node,
        )
        with closing(outcomes):
            for outcome in outcomes:
                self._n_computed += outcome.n_computed
                self._n_reused += outcome.n_reused
                self._hear(outcome)

    def summary(self) -> Summary:
        """Tell what was done; subjects whose turn never came are not done."""
        for subject in self.plan.subjects:
            if subject not in self._done:
                self._stopped[subject] = STOPPED
                self._end(subject)
        keep_used_labels(self.settings.output_dir, self.plan.runs)
        return Summary(
            done=tuple(self._in_order(self._done)),
            failures=(*self._refused.get("", ()), *self._in_order(self._failed)),
            reports=tuple(self._reports[subject] for subject in self.plan.subjects),
            n_computed=self._n_computed,
            n_reused=self._n_reused,
            log=self.log,
        )

    def _workflows(self, *, together: bool) -> Iterator[pe.Workflow]:
        """Make the workflow of each run when it can be begun; or one of all of them."""
        begun: list[RunPlan] = []
        for subject in self.plan.subjects:
            missing = self._missing(subject)
            self._n_left[subject] = len(missing)
            if not missing:
                self._end(subject)
            elif together:
                begun += missing
            else:
                yield from (self._begin([run]) for run in missing)
        if begun:
            yield self._begin(begun)

    def _begin(self, runs: Sequence[RunPlan]) -> pe.Workflow:
        workflow = self._wire(runs)
        self._begun[workflow] = runs
        return workflow

    def _hear(self, outcome: Outcome) -> None:
        """Take in what became of a workflow; with its last run a subject ends."""
        runs = self._begun.pop(outcome.workflow)
        for subject in dict.fromkeys(run.run.subject for run in runs):
            self._broken.setdefault(subject, []).extend(outcome.failures)
            self._stopped[subject] = outcome.stopped or self._stopped.get(subject, "")
            self._n_left[subject] -= sum(run.run.subject == subject for run in runs)
            if not self._n_left[subject]:
                self._end(subject)

    def _missing(self, subject: str) -> list[RunPlan]:
        """Find the runs of a subject of which something is not there as it was asked for."""
        afresh = self.settings.execution.clean_workdir
        runs = [_with_state(run, self.settings) for run in self._runs.get(subject, ())]
        self._runs[subject] = runs
        withdraw_outdated(self.settings.output_dir, runs, self._refused.get(subject, ()))
        for run in runs:
            if run.is_done and not afresh:
                self._n_reused += len(step_costs(run))
                for step in step_costs(run):
                    self.on_node(f"{_workflow_of(run)}.{step}", "end")
        missing = [run for run in runs if afresh or not run.is_done]
        if missing:
            if afresh:
                remove_subject_folders(self.settings.work_dir, [participant_wf_name(subject)])
            make_subject_folders(self.settings.work_dir, [participant_wf_name(subject)])
        return missing

    def _wire(self, runs: Sequence[RunPlan]) -> pe.Workflow:
        return init_bidsmask_wf(
            runs,
            output_dir=self.settings.output_dir,
            work_dir=self.settings.work_dir,
            links=self.links,
        )

    def _end(self, subject: str) -> None:
        """Put down what became of a subject, and write its report."""
        output_dir = self.settings.output_dir
        runs = self._runs.get(subject, ())
        broken = tuple(_run_failures(runs, self._broken.get(subject, ())))
        if stopped := self._stopped.get(subject):
            broken += tuple(self._not_done(runs, broken, stopped))
        names = {failure.run for failure in broken}
        lost = {
            run.run.name: lost_parts(output_dir, run) for run in runs if run.run.name not in names
        }
        in_part = [
            failure_in_part(run, parts) for run in runs if (parts := lost.get(run.run.name))
        ]
        failures = one_for_each_run((*self._refused.get(subject, ()), *broken, *in_part))
        failed = {failure.run for failure in failures}
        joined, not_joined = self._concatenate(subject, lost)
        moved = settle_results(
            output_dir,
            runs,
            broken,
            subjects=[subject],
            joined=[join.record_name for join in joined],
        )
        failures = tuple(with_moved(failure, moved) for failure in failures)
        in_full = {join.name for join in joined} - {failure.run for failure in not_joined}
        done = [run.run.name for run in runs if run.run.name not in failed]
        self._done[subject] = (*done, *sorted(in_full))
        self._failed[subject] = (*failures, *not_joined)
        self._reports[subject] = write_subject_report(
            output_dir, subject, self._methods, self._all_failures(subject)
        )
        if self.settings.execution.resource_monitor:
            folders = [(run.run.name, _work_folder(self.settings, run)) for run in runs]
            self.resources += read_resources(folders, since=self._started)
        if self.settings.execution.work_dir is None and not self._failed[subject]:
            with suppress(OutputError):  # what cannot be removed takes room and does no harm
                remove_subject_folders(self.settings.work_dir, [participant_wf_name(subject)])

    def _not_done(
        self, runs: Sequence[RunPlan], failures: Sequence[RunFailure], why: str
    ) -> Iterator[RunFailure]:
        """Say which runs have not had their turn, and why."""
        failed = {failure.run for failure in failures}
        for run in runs:
            is_there = is_complete(self.settings.output_dir, run.run, run.digest)
            if run.run.name not in failed and not is_there:
                yield RunFailure(
                    subject=run.run.subject,
                    run=run.run.name,
                    node="n/a",
                    kind="Stopped",
                    reason=f"Not done. {why}",
                )

    def _concatenate(
        self, subject: str, lost: Mapping[str, Sequence[LostPart]]
    ) -> tuple[list[Join], list[RunFailure]]:
        """Join the runs of each task; what has been joined, and what could not, or not wholly."""
        joined, failures = [], []
        for join in self._joins.get(subject, ()):
            failure = join.failure(lost) or join.write(lost, self.settings.output_dir, self.links)
            if failure is None or failure.in_part:
                joined.append(join)
            if failure is not None:
                failures.append(failure)
        return joined, failures

    def _all_failures(self, subject: str) -> tuple[RunFailure, ...]:
        """Failures of now, and of earlier requests for other runs of the subject."""
        now = self._failed[subject]
        asked = {*self._done[subject], *(failure.run for failure in now)}
        before = (
            failure
            for failure in self._failed_before.get(subject, ())
            if failure.run not in asked and failure.kind != ReplacementError.__name__
        )
        return (*before, *now)

    def _in_order(self, found: Mapping[str, tuple[_Part, ...]]) -> Iterator[_Part]:
        for subject in self.plan.subjects:
            yield from found[subject]


def _by_subject(
    parts: Iterable[_Part], subject_of: Callable[[_Part], str]
) -> dict[str, list[_Part]]:
    found: dict[str, list[_Part]] = {}
    for part in parts:
        found.setdefault(subject_of(part), []).append(part)
    return found


def n_procs(settings: Settings) -> int:
    """Processes at once: what was asked for, or the cores that this job may use."""
    return settings.execution.nprocs or resources.available_cores()


def _work_folder(settings: Settings, plan: RunPlan) -> Path:
    """Where the steps of a run are."""
    return settings.work_dir.joinpath(*_workflow_of(plan).split("."))


def _workflow_of(plan: RunPlan) -> str:
    """Full name of the workflow of a run."""
    return f"{TOP_WORKFLOW}.{participant_wf_name(plan.run.subject)}.{run_wf_name(plan)}"


def _with_state(plan: RunPlan, settings: Settings) -> RunPlan:
    output_dir = settings.output_dir
    complete = is_complete(output_dir, plan.run, plan.digest)
    voxels_are_there = complete or not plan.voxelwise.any or _has_voxels(plan, settings)
    return replace(
        plan,
        outputs_are_missing=not complete,
        voxels_are_missing=not voxels_are_there,
        reportlets_are_missing=not reportlets_exist(output_dir, plan),
    )


def _has_voxels(plan: RunPlan, settings: Settings) -> bool:
    """Whether what the work folder says of the images of a run is true of the output."""
    try:
        sums = json.loads((_work_folder(settings, plan) / "voxelwise" / SUMS_FILE).read_bytes())
    except (OSError, ValueError):  # there is nothing yet
        return False
    return agree(sums, settings.output_dir)


def _read_plugin(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read as a nipype plugin file: {error}") from error
    if not isinstance(content, dict) or "plugin" not in content:
        raise SettingsError(f"{path}: a nipype plugin file holds at least 'plugin: NAME'.")
    return content


def _run_failures(
    plans: Sequence[RunPlan], failures: Sequence[NodeFailure]
) -> Iterator[RunFailure]:
    """One failure for each run, also where several of its nodes have failed."""
    by_workflow: dict[str, list[NodeFailure]] = {}
    for failure in failures:
        by_workflow.setdefault(failure.node.split(".")[-2], []).append(failure)
    for plan in plans:
        if found := by_workflow.get(run_wf_name(plan)):
            yield RunFailure(
                subject=plan.run.subject,
                run=plan.run.name,
                node=found[0].node.split(".")[-1],
                kind=found[0].kind,
                reason=" ".join(dict.fromkeys(failure.reason for failure in found)),
            )
