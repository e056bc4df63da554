"""One report for each subject, assembled from what its runs have left in the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bidsmask._version import __version__
from bidsmask.analysis.methods import methods_of
from bidsmask.analysis.plan import Plan
from bidsmask.analysis.reportlets import SUMMARY_ENDING, figures_folder, read_section
from bidsmask.derivatives.description import (
    own_description,
    pipeline_version,
    write_citation,
)
from bidsmask.derivatives.manifest import (
    read_manifest,
    remove_files_that_left,
    write_manifest,
)
from bidsmask.derivatives.record import record_of
from bidsmask.derivatives.status import RunFailure, read_failures
from bidsmask.derivatives.writing import write_text
from bidsmask.reports.assemble import assemble_subject
from bidsmask.reports.methods import Methods, citation_bibtex, citation_markdown
from bidsmask.reports.summaries import FailedRun, SubjectReport
from bidsmask.settings import Settings


def write_reports(settings: Settings, plan: Plan) -> tuple[Path, ...]:
    """Write ``logs/CITATION.{md,bib}``, and one report for each subject of a plan."""
    methods = write_methods(settings, plan)
    failures = read_failures(settings.output_dir)
    return tuple(
        write_subject_report(settings.output_dir, subject, methods, failures.get(subject, ()))
        for subject in plan.subjects
    )


def write_methods(settings: Settings, plan: Plan) -> Methods:
    """Write the methods text of a request as ``logs/CITATION.{md,bib}``.

    Raises
    ------
    OutputError
        If the output is the dataset of another program.
    """
    own_description(settings.output_dir)  # fMRIPrep has a logs/CITATION.md too
    version = pipeline_version(settings.bids_dir)
    methods = methods_of(settings, plan, fmriprep_version=version)
    write_citation(
        settings.output_dir, markdown=citation_markdown(methods), bibtex=citation_bibtex(methods)
    )
    return methods


def write_subject_report(
    output_dir: Path, subject: str, methods: Methods, failures: Sequence[RunFailure]
) -> Path:
    """Write ``sub-XX.html``: one file, with every run that is done and every one that failed.

    Runs of earlier invocations are in it too.

    Parameters
    ----------
    output_dir : Path
    subject : str
        Label without ``sub-``.
    methods : Methods
        What was done, and what to cite for it.
    failures : sequence of RunFailure
        Runs of the subject that could not be done, now or earlier; of one that is done in part,
        its summary tells.
    """
    whole = [failure for failure in failures if not failure.in_part]
    failed = {failure.run for failure in whole}
    found = {path: read_section(path) for path in _summaries(output_dir, subject)}
    sections = [section for section in found.values() if section and section.name not in failed]
    damaged = [_damaged(path) for path, section in found.items() if section is None]
    report = SubjectReport(
        subject=subject,
        sections=tuple(sections),
        failures=(
            *(
                FailedRun(name=failure.run, node=failure.node, reason=failure.reason)
                for failure in sorted(whole, key=lambda failure: failure.run)
            ),
            *damaged,
        ),
        citation=methods.paragraphs,
        references=methods.references,
        version=__version__,
    )
    path = output_dir / f"sub-{subject}.html"
    html = assemble_subject(report, figures_folder(output_dir, subject))
    write_text(path, html, within=output_dir)
    _note_files(output_dir, subject)
    return path


def _damaged(path: Path) -> FailedRun:
    """Say that a run is not shown, as its summary cannot be read."""
    return FailedRun(
        name=path.name.removesuffix(SUMMARY_ENDING),
        node="report",
        reason=f"{path.name} is damaged. Run the participant level again: it is made anew.",
    )


def _summaries(output_dir: Path, subject: str) -> Iterator[Path]:
    for path in sorted(figures_folder(output_dir, subject).glob(f"*{SUMMARY_ENDING}")):
        run = path.name.removesuffix(SUMMARY_ENDING)
        if (output_dir / record_of(run)).is_file():
            yield path


def _note_files(output_dir: Path, subject: str) -> None:
    """Note which files the report of a subject has; figures that are in it no more go."""
    manifest = f"sub-{subject}"
    files = {f"{manifest}.html"}
    for path in _summaries(output_dir, subject):
        section = read_section(path)
        figures = section.figures if section else ()
        here = (path, *(path.parent / figure.image for figure in figures))
        files |= {each.relative_to(output_dir).as_posix() for each in here}
    remove_files_that_left(output_dir, read_manifest(output_dir, manifest), files)
    write_manifest(output_dir, manifest, files)
