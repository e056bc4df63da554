"""The participant level: what a plan asks for, carried out by one job at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bidsmask._version import __version__
from bidsmask.analysis.earlier import heed_earlier_outputs
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.analysis.reportlets import lost_parts, read_verdict, read_warnings
from bidsmask.derivatives.claims import claim
from bidsmask.derivatives.description import known_links, write_dataset_files
from bidsmask.derivatives.manifest import FOLDER as MANIFESTS
from bidsmask.derivatives.status import Request, write_status
from bidsmask.derivatives.writing import remove_leftovers, write_text
from bidsmask.errors import OutputError, ReplacementError
from bidsmask.numerics.verdict import Verdict
from bidsmask.reports.summaries import letters
from bidsmask.settings import Settings, to_toml
from bidsmask.workflows.cohort import Cohort, Summary
from bidsmask.workflows.monitor import write_resources
from bidsmask.workflows.progress import Progress, RunEnd
from bidsmask.workflows.work_folder import remove_if_empty


def run_participants(
    settings: Settings,
    plan: Plan,
    *,
    on_step: Callable[[str, str, str], None] = lambda *_: None,
    on_end: Callable[[RunEnd], None] = lambda _: None,
) -> Summary:
    """Carry out a plan, and write the report of each subject.

    Parameters
    ----------
    settings : Settings
        What was asked for.
    plan : Plan
        What can be done of it.
    on_step, on_end : callable, optional
        See `bidsmask.workflows.progress.Progress`.

    Raises
    ------
    OutputError
        If the output or the work folder cannot be written to.
    LockError
        If another job is at work on one of the subjects.
    """
    links = dataset_links(settings)
    known_links(settings.output_dir)  # the dataset of another program is left as it is
    with _writable(settings.output_dir), claim(settings.output_dir, plan.subjects):
        _clear_away(settings.output_dir, plan.subjects)
        # Once more, as another job may have come first between planning and the lock.
        plan = heed_earlier_outputs(plan, settings.output_dir, links)
        log = _write_log(settings, plan)
        if _is_refused(plan):
            summary = Summary(done=(), failures=plan.failures, log=log)
            _note_down(settings, plan, summary)
            return summary
        write_dataset_files(
            settings.output_dir, version=__version__, source_root=settings.bids_dir, links=links
        )
        progress = Progress(
            plan.runs,
            read_summary=lambda run: _summary_of(run, plan, settings.output_dir),
            on_step=on_step,
            on_end=on_end,
        )
        cohort = Cohort(settings, plan, links, log, progress)
        cohort.carry_out()
        n_warnings = len(plan.warnings) + sum(map(len, progress.warnings.values()))
        summary = replace(cohort.summary(), n_warnings=n_warnings, verdicts=progress.verdicts)
        if settings.execution.resource_monitor:
            write_resources(log, cohort.resources, within=settings.output_dir)
        _note_down(settings, plan, summary, progress)
    if settings.execution.work_dir is None:
        remove_if_empty(settings.work_dir)
    return summary


def _clear_away(output_dir: Path, subjects: Sequence[str]) -> None:
    """Remove what a job that was killed has left of the files of these subjects."""
    for subject in subjects:
        remove_leftovers(output_dir / f"sub-{subject}")
    remove_leftovers(output_dir, [f"sub-{subject}.html" for subject in subjects])
    remove_leftovers(output_dir / MANIFESTS, [f"sub-{subject}.json" for subject in subjects])


def _note_down(
    settings: Settings, plan: Plan, summary: Summary, progress: Progress | None = None
) -> None:
    """Write what became of the request into ``logs``."""
    request = Request(
        done=summary.done,
        failures=summary.failures,
        warnings=plan.warnings,
        warnings_of=progress.warnings if progress else {},
        verdict_of=summary.verdicts,
        seconds_of=progress.seconds if progress else {},
        is_of_all=not settings.selection.participants,
        folder=summary.log.relative_to(settings.output_dir).as_posix(),
        exit_code=summary.exit_code,
    )
    write_status(settings.output_dir, request)


def _summary_of(
    run: RunPlan, plan: Plan, output_dir: Path
) -> tuple[tuple[str, ...], tuple[str, ...], Verdict]:
    """Give what is odd about a run and not said for all of them, what it lacks, the verdict."""
    found = read_warnings(output_dir, run)
    warnings = tuple(text for text in found if text not in plan.warnings)
    return warnings, letters(lost_parts(output_dir, run)), read_verdict(output_dir, run)


def dataset_links(settings: Settings) -> dict[str, str]:
    """Names of datasets that BIDS URIs may refer to, and where they are."""
    return {
        "preprocessed": str(settings.bids_dir),
        **{name: str(path) for name, path in settings.datasets},
    }


def _is_refused(plan: Plan) -> bool:
    """Whether all that was asked for would replace what was made from other files."""
    kinds = {failure.kind for failure in plan.failures}
    return not plan.runs and kinds == {ReplacementError.__name__}


def _write_log(settings: Settings, plan: Plan) -> Path:
    """Note what was asked for, and what was to be warned of; give the folder of this request."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder = settings.output_dir / "logs" / stamp
    write_text(folder / "bidsmask.toml", to_toml(settings), within=settings.output_dir)
    if plan.warnings:
        text = "".join(f"{warning}\n" for warning in plan.warnings)
        write_text(folder / "warnings.txt", text, within=settings.output_dir)
    return folder


@contextmanager
def _writable(output_dir: Path) -> Iterator[None]:
    try:
        (output_dir / ".bidsmask").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{output_dir}: cannot be written to ({error.strerror}). Choose another output folder."
        ) from error
    yield
