"""The participant level: every run of the chosen subjects, then one report per subject."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from nipype.pipeline import engine as pe

from bidsmask._version import __version__
from bidsmask.analysis.concatenate import Join, find_joins
from bidsmask.analysis.cost import memory_for_steps_gb
from bidsmask.analysis.earlier import heed_earlier_outputs
from bidsmask.analysis.page import write_reports
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.analysis.reportlets import failure_in_part, lost_parts, reportlets_exist
from bidsmask.analysis.retirement import settle_results, withdraw_outdated
from bidsmask.derivatives.description import known_links, write_dataset_files
from bidsmask.derivatives.record import agree
from bidsmask.derivatives.run import is_complete
from bidsmask.derivatives.status import RunFailure, one_for_each_run, write_status
from bidsmask.derivatives.writing import lock_file, remove_leftovers, write_text
from bidsmask.errors import LockError, OutputError, ReplacementError, SettingsError
from bidsmask.reports.summaries import LostPart
from bidsmask.settings import Settings, to_toml
from bidsmask.workflows import resources
from bidsmask.workflows.execute import NodeFailure, Outcome, execute
from bidsmask.workflows.monitor import write_resources
from bidsmask.workflows.nodes import SUMS_FILE
from bidsmask.workflows.run import init_run_wf, run_wf_name
from bidsmask.workflows.work_folder import (
    TOP_WORKFLOW,
    make_subject_folders,
    remove_if_empty,
    remove_subject_folders,
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an invocation did: the one source of its last words and of its exit code."""

    done: tuple[str, ...]
    failures: tuple[RunFailure, ...]
    reports: tuple[Path, ...]
    n_computed: int
    n_reused: int

    @property
    def exit_code(self) -> int:
        """0 if every run is done, 1 if some are not, or not wholly."""
        return 1 if self.failures else 0


def init_participant_wf(
    subject: str, plans: Sequence[RunPlan], *, output_dir: Path, links: dict[str, str]
) -> pe.Workflow:
    """The workflow of one subject: a sub-workflow for each of its runs."""
    workflow = pe.Workflow(name=participant_wf_name(subject))
    workflow.add_nodes([init_run_wf(plan, output_dir=output_dir, links=links) for plan in plans])
    return workflow


def participant_wf_name(subject: str) -> str:
    """The name of a subject's workflow; nipype allows letters, digits and underscores."""
    return f"sub_{re.sub(r'[^0-9a-zA-Z]', '_', subject)}_wf"


def init_bidsmask_wf(
    plans: Sequence[RunPlan], *, output_dir: Path, work_dir: Path, links: dict[str, str]
) -> pe.Workflow:
    """All subjects side by side, so that every core has work until the last run."""
    workflow = pe.Workflow(name=TOP_WORKFLOW, base_dir=str(work_dir))
    for subject in dict.fromkeys(plan.run.subject for plan in plans):
        of_subject = [plan for plan in plans if plan.run.subject == subject]
        workflow.add_nodes(
            [init_participant_wf(subject, of_subject, output_dir=output_dir, links=links)]
        )
    return workflow


def run_participants(
    settings: Settings,
    plan: Plan,
    *,
    on_node: Callable[[str, str], None] | None = None,
) -> Summary:
    """Carry out a plan and write the reports.

    Parameters
    ----------
    settings : Settings
        What was asked for.
    plan : Plan
        What can be done of it.
    on_node : callable, optional
        Called with a node's full name and "start", "end" or "exception".

    Raises
    ------
    OutputError
        If the output or the work folder cannot be written to.
    LockError
        If another job is at work on one of the subjects.
    """
    links = dataset_links(settings)
    known_links(settings.output_dir)  # the dataset of another program is left as it is
    with _writable(settings.output_dir), _locked(settings.output_dir, plan.subjects):
        for subject in plan.subjects:
            remove_leftovers(settings.output_dir / f"sub-{subject}")  # of a job that was killed
        # Once more, as another job may have come first between planning and the lock.
        plan = heed_earlier_outputs(plan, settings.output_dir, links)
        log = _write_log(settings, plan)
        started = time.time()
        if _is_refused(plan):
            write_status(settings.output_dir, (), plan.failures)
            return Summary(done=(), failures=plan.failures, reports=(), n_computed=0, n_reused=0)
        write_dataset_files(
            settings.output_dir, version=__version__, source_root=settings.bids_dir, links=links
        )
        plans = [_with_state(run, settings) for run in plan.runs]
        withdraw_outdated(settings.output_dir, plans, plan.failures)
        outcome = _execute(settings, plans, links, on_node)
        if settings.execution.resource_monitor:
            folders = [(run.run.name, _work_folder(settings, run)) for run in plans]
            write_resources(log / "resources.tsv", folders, since=started)
        of_nodes = tuple(_run_failures(plans, outcome.failures))
        broken = {failure.run for failure in of_nodes}
        lost = {
            run.run.name: lost_parts(settings.output_dir, run)
            for run in plans
            if run.run.name not in broken
        }
        in_part = [
            failure_in_part(run, parts) for run in plans if (parts := lost.get(run.run.name))
        ]
        failures = one_for_each_run((*plan.failures, *of_nodes, *in_part))
        failed = {failure.run for failure in failures}
        done = tuple(run.run.name for run in plans if run.run.name not in failed)
        joined, not_joined = _concatenate(settings, plan, lost, links)
        failures = (*failures, *not_joined)
        settle_results(
            settings.output_dir,
            plans,
            of_nodes,
            subjects=plan.subjects,
            joined=[join.record_name for join in joined],
        )
        in_full = {join.name for join in joined} - {failure.run for failure in not_joined}
        write_status(settings.output_dir, (*done, *sorted(in_full)), failures)
        reports = write_reports(settings, plan)
    if settings.execution.work_dir is None and not failures:
        _remove_work(settings.work_dir, [participant_wf_name(label) for label in plan.subjects])
    return Summary(
        done=done,
        failures=failures,
        reports=reports,
        n_computed=outcome.n_computed,
        n_reused=outcome.n_reused,
    )


def n_procs(settings: Settings) -> int:
    """Processes at once: what was asked for, or the cores that this job may use."""
    return settings.execution.nprocs or resources.available_cores()


def dataset_links(settings: Settings) -> dict[str, str]:
    """Names of datasets that BIDS URIs may refer to, and where they are."""
    return {
        "preprocessed": str(settings.bids_dir),
        **{name: str(path) for name, path in settings.datasets},
    }


def _remove_work(work_dir: Path, workflows: Sequence[str]) -> None:
    """Remove the intermediate results of these subjects once their outputs are complete."""
    with suppress(OutputError):  # what cannot be removed takes room and does no harm
        remove_subject_folders(work_dir, workflows)
    remove_if_empty(work_dir)


def _is_refused(plan: Plan) -> bool:
    """Whether all that was asked for would replace what was made from other files."""
    kinds = {failure.kind for failure in plan.failures}
    return not plan.runs and kinds == {ReplacementError.__name__}


def _work_folder(settings: Settings, plan: RunPlan) -> Path:
    """Where the steps of a run are."""
    subject = participant_wf_name(plan.run.subject)
    return settings.work_dir / TOP_WORKFLOW / subject / run_wf_name(plan)


def _write_log(settings: Settings, plan: Plan) -> Path:
    """Note what was asked for, and what was to be warned of; give the folder of this request."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder = settings.output_dir / "logs" / stamp
    write_text(folder / "bidsmask.toml", to_toml(settings), within=settings.output_dir)
    if plan.warnings:
        text = "".join(f"{warning}\n" for warning in plan.warnings)
        write_text(folder / "warnings.txt", text, within=settings.output_dir)
    return folder


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


def _execute(
    settings: Settings,
    plans: Sequence[RunPlan],
    links: dict[str, str],
    on_node: Callable[[str, str], None] | None,
) -> Outcome:
    if not plans:
        return Outcome(0, 0, ())
    execution = settings.execution
    subjects = dict.fromkeys(participant_wf_name(plan.run.subject) for plan in plans)
    if execution.clean_workdir:
        remove_subject_folders(settings.work_dir, subjects)
    make_subject_folders(settings.work_dir, subjects)
    workflow = init_bidsmask_wf(
        plans, output_dir=settings.output_dir, work_dir=settings.work_dir, links=links
    )
    if execution.write_graph:
        workflow.write_graph(graph2use="colored", format="svg", simple_form=True)
    return execute(
        workflow,
        n_procs=n_procs(settings),
        memory_gb=memory_for_steps_gb(execution.mem_gb or resources.available_memory_gb()),
        crash_dir=settings.output_dir / "logs",
        stop_on_first_crash=execution.stop_on_first_crash,
        plugin=_read_plugin(execution.plugin_file),
        on_node=on_node,
    )


def _concatenate(
    settings: Settings,
    plan: Plan,
    lost: Mapping[str, Sequence[LostPart]],
    links: dict[str, str],
) -> tuple[list[Join], list[RunFailure]]:
    """Join the runs of each task; what has been joined, and what could not be, or not wholly."""
    if not settings.output.concatenate:
        return [], []
    joined, failures = [], []
    for join in find_joins(plan):
        failure = join.failure(lost) or join.write(lost, settings.output_dir, links)
        if failure is None or failure.in_part:
            joined.append(join)
        if failure is not None:
            failures.append(failure)
    return joined, failures


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


@contextmanager
def _writable(output_dir: Path) -> Iterator[None]:
    try:
        (output_dir / ".bidsmask").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{output_dir}: cannot be written to ({error.strerror}). Choose another output folder."
        ) from error
    yield


@contextmanager
def _locked(output_dir: Path, subjects: Sequence[str]) -> Iterator[None]:
    """Keep other jobs away from the same subjects in the same output."""
    with ExitStack() as stack:
        for subject in subjects:
            path = lock_file(output_dir, f"sub-{subject}.lock")
            try:
                stack.enter_context(FileLock(path, timeout=0))
            except Timeout as error:
                raise LockError(
                    f"Another job is working on sub-{subject} in {output_dir} (it holds {path}). "
                    "Wait for it, or choose another output folder."
                ) from error
        yield
