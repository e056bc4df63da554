"""One report for each subject, assembled from what its runs have left in the output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bidsmask._version import __version__
from bidsmask.dataset.writing import write_text
from bidsmask.reports.assemble import assemble_subject
from bidsmask.reports.summaries import FailedRun, RunSection, SubjectReport
from bidsmask.workflows.reportlets import figures_folder
from bidsmask.workflows.status import read_status


def write_subject_report(
    output_dir: Path, subject: str, citation: tuple[str, ...], references: tuple[str, ...]
) -> Path:
    """Write ``sub-XX.html``: one file, with every run that is done and every one that failed.

    Runs of earlier invocations are in it too.

    Parameters
    ----------
    output_dir : Path
    subject : str
        Label without ``sub-``.
    citation, references : tuple of str
        Paragraphs for a methods section, and the works they cite.
    """
    failures = tuple(_failures(output_dir, subject))
    failed = {failure.name for failure in failures}
    sections = tuple(
        section for section in _sections(output_dir, subject) if section.name not in failed
    )
    report = SubjectReport(
        subject=subject,
        sections=sections,
        failures=failures,
        citation=citation,
        references=references,
        version=__version__,
    )
    path = output_dir / f"sub-{subject}.html"
    html = assemble_subject(report, figures_folder(output_dir, subject))
    write_text(path, html, within=output_dir)
    return path


def _sections(output_dir: Path, subject: str) -> Iterator[RunSection]:
    for path in sorted(figures_folder(output_dir, subject).glob("*_report.json")):
        yield RunSection.from_json(json.loads(path.read_text(encoding="utf-8")))


def _failures(output_dir: Path, subject: str) -> Iterator[FailedRun]:
    table = read_status(output_dir)
    for row in table[table["status"] == "failed"].to_dict("records"):
        if str(row["run"]).split("_")[0] == f"sub-{subject}":
            yield FailedRun(name=str(row["run"]), node=str(row["node"]), reason=str(row["reason"]))
