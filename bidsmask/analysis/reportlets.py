"""What a run adds to its subject's report: figures, and a summary in JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from bidsmask.analysis.event_words import event_words
from bidsmask.analysis.kinds import Source, files_by_name, kind_of, source_warnings
from bidsmask.analysis.notices import run_warnings
from bidsmask.analysis.parts import ALL_ELSE, STEPS, attempt
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.quality import measured, quality_rows, run_quality
from bidsmask.analysis.store import CleanedRun, Coverage, RunValues
from bidsmask.analysis.words import (
    Said,
    connectivity_words,
    extraction_words,
    rows_words,
    strategy_words,
    voxel_words,
)
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives.names import output_name
from bidsmask.derivatives.record import made_from
from bidsmask.derivatives.status import RunFailure
from bidsmask.derivatives.writing import write_bytes, write_json
from bidsmask.images.grayordinates import Lattice
from bidsmask.images.grid import Grid
from bidsmask.numerics.verdict import Verdict, judge
from bidsmask.reports.summaries import (
    CoverageSummary,
    Fact,
    Figure,
    InputFile,
    LedgerSummary,
    LostPart,
    LostRegion,
    RunSection,
    StrategySummary,
    letters,
)

SUMMARY_ENDING = "_desc-bidsmask_report.json"
"""How the name of a summary ends."""


def summary_path(output_dir: Path, plan: RunPlan) -> Path:
    """Where the summary of a run is kept, next to its figures."""
    name = output_name(plan.run.entities, suffix="report", extension=".json", desc="bidsmask").name
    return figures_folder(output_dir, plan.run.subject) / name


def figures_folder(output_dir: Path, subject: str) -> Path:
    """Where the figures of a subject are kept."""
    return output_dir / f"sub-{subject}" / "figures"


def read_section(path: Path) -> RunSection | None:
    """Read the summary of a run; None if there is none, or none that can be read."""
    try:
        return _section_of(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):  # killed, edited, or another version
        return None


@lru_cache(maxsize=32)
def _section_of(content: bytes) -> RunSection:
    """Read a summary, once for all who ask for it while its run is looked at."""
    return RunSection.from_json(json.loads(content))


def reportlets_exist(output_dir: Path, plan: RunPlan) -> bool:
    """Whether summary and figures of a run are there, made from these files and settings.

    What could not be drawn may be so now: what it was drawn from is not part of the settings.
    """
    section = read_section(summary_path(output_dir, plan))
    if section is None or any(part.part == "figure" for part in section.lost):
        return False
    folder = figures_folder(output_dir, plan.run.subject)
    return section.made_from == made_from(plan.run, plan.digest) and all(
        (folder / figure.image).is_file() for figure in section.figures
    )


def read_verdict(output_dir: Path, plan: RunPlan) -> Verdict:
    """Read the verdict on a run from its summary; none without a summary."""
    section = read_section(summary_path(output_dir, plan))
    return section.verdict if section else Verdict()


def lost_parts(output_dir: Path, plan: RunPlan) -> tuple[LostPart, ...]:
    """Read from the summary of a run what is n/a in it; nothing without a summary."""
    section = read_section(summary_path(output_dir, plan))
    return section.lost if section else ()


def failure_in_part(plan: RunPlan, parts: Sequence[LostPart]) -> RunFailure:
    """Describe a run that is done but for these parts; without any strategy it has failed."""
    missing = {part.name for part in parts if part.part == "strategy"}
    in_part = any(strategy.name not in missing for strategy in plan.strategies)
    return RunFailure(
        subject=plan.run.subject,
        run=plan.run.name,
        node=STEPS[parts[0].part],
        kind=parts[0].kind,
        reason=" ".join((*letters(parts), *([ALL_ELSE] if in_part else []))),
        in_part=in_part,
    )


def read_warnings(output_dir: Path, plan: RunPlan) -> tuple[str, ...]:
    """Read what the summary of a run warns of; without one, what is known from planning."""
    section = read_section(summary_path(output_dir, plan))
    return section.warnings if section else plan.run.warnings


def write_reportlets(
    values: RunValues, plan: RunPlan, boldref: Path | None, output_dir: Path
) -> tuple[Path, ...]:
    """Draw the figures of a run and write its summary.

    Parameters
    ----------
    values : RunValues
    plan : RunPlan
    boldref : Path or None
        The picture behind the atlas; without one it is the mean of the run.
    output_dir : Path

    Returns
    -------
    paths : tuple of Path
        Figures, then the summary.
    """
    from bidsmask.analysis.figures import draw  # which only workers need

    path = summary_path(output_dir, plan)
    drawn, lost = [], []
    for figure, make in draw(values, plan, boldref):
        image = attempt("figure", figure.title, make)
        if isinstance(image, LostPart):
            lost.append(image)
        else:
            write_bytes(path.parent / figure.image, image, within=output_dir)
            drawn.append(figure)
    section = run_section(values, plan, tuple(drawn), tuple(lost))
    write_json(path, section.to_json(), within=output_dir)
    return (*(path.parent / figure.image for figure in drawn), path)


def run_section(
    values: RunValues, plan: RunPlan, drawn: tuple[Figure, ...], lost: tuple[LostPart, ...] = ()
) -> RunSection:
    """The run in words and numbers.

    Parameters
    ----------
    values : RunValues
    plan : RunPlan
    drawn : tuple of Figure
    lost : tuple of LostPart
        Figures that could not be drawn.
    """
    quality = run_quality(values)
    rows = {row["strategy"]: row for row in quality_rows(values, plan)}
    done = [rows[strategy.name] for strategy in values.strategies]
    verdicts = [judge(row, plan.quality.rules) for row in done]
    return RunSection(
        name=plan.run.name,
        title=_title(plan),
        facts=(*_facts(plan, quality, values.fd_kind), *_as_facts(_done(plan))),
        files=_files(plan),
        warnings=(
            *run_warnings(values, plan),
            *(text for source in plan.sources for text in source_warnings(source)),
            *dict.fromkeys(text for loaded in values.confounds for text in loaded.warnings),
        ),
        atlases=tuple(
            _coverage_summary(atlas, coverage)
            for atlas, coverage in zip(values.sources, values.coverage, strict=True)
        ),
        strategies=tuple(
            _strategy_summary(*parts)
            for parts in zip(
                values.strategies, values.confounds, values.cleaned, verdicts, strict=True
            )
        ),
        quality=tuple(measured(done)),
        figures=drawn,
        lost=(*values.lost, *lost),
        mean_fd_mm=_known(quality["mean_fd"]),
        median_tsnr=_known(quality["median_tsnr"]),
        made_from=made_from(plan.run, plan.digest),
    )


def _title(plan: RunPlan) -> str:
    entities = plan.run.entities
    words = {"ses": "session", "task": "task", "acq": "acquisition", "dir": "direction",
             "run": "run", "echo": "echo", "space": "space", "res": "resolution",
             "den": "density"}  # fmt: skip
    return ", ".join(f"{words[key]} {entities[key]}" for key in words if key in entities)


def _facts(plan: RunPlan, quality: dict[str, float], fd_kind: str) -> tuple[Fact, ...]:
    in_volumes = isinstance(plan.grid, Grid)
    facts = {
        "Space": plan.run.space or "that of the acquisition",
        "Grid" if in_volumes else "Places": _lattice_words(plan.grid),
        "Volumes": f"{plan.n_volumes} ({plan.n_volumes * plan.t_r / 60:.1f} min)",
        "Repetition time": f"{plan.t_r:g} s",
        "Framewise displacement (FD)": fd_kind,
        "Mean framewise displacement": _measure(quality["mean_fd"], "mm"),
        "Largest framewise displacement": _measure(quality["max_fd"], "mm"),
        "Median tSNR in the brain mask" if in_volumes else "Median tSNR": _measure(
            quality["median_tsnr"]
        ),
        "Correlation of FD and DVARS": _measure(quality["fd_dvars_correlation"]),
    }
    return tuple(Fact(label=label, value=value) for label, value in facts.items())


def _lattice_words(lattice: Lattice) -> str:
    if isinstance(lattice, Grid):
        sizes = _product(lattice.voxel_sizes_mm)
        return f"{_product(lattice.shape)} voxels of {sizes}\N{NO-BREAK SPACE}mm"
    return f"{lattice.n_voxels} {lattice.word}"


def _done(plan: RunPlan) -> Iterable[Said]:
    """Say what was done with the run whatever the strategy."""
    for source in {source.kind: source for source in plan.sources}.values():
        of_kind = kind_of(source)
        statistics = of_kind.statistics(plan.extraction)
        yield from extraction_words(
            plan.extraction, plan.coverage, of_kind, statistics, plan.grid.word
        )
    if plan.sources:
        yield connectivity_words(plan.connectivity, plan.extraction.statistics)
    yield from event_words(plan.events)
    yield from voxel_words(plan.voxelwise, plan.extraction, plan.connectivity, plan.grid.word)
    yield rows_words(plan.output.censor_output, plan.strategies)


def _product(sizes: Iterable[float]) -> str:
    """Sizes along the axes, in one piece whatever the width of the page."""
    return "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(f"{size:.4g}" for size in sizes)


def _files(plan: RunPlan) -> tuple[InputFile, ...]:
    run = plan.run
    files = {
        **run.by_role,
        **({"brain mask": run.mask, "BOLD reference": run.boldref} if run.mask else {}),
        "confounds": run.confounds,
        "confounds sidecar": run.confounds_json,
        **({"events": run.events} if run.events else {}),
        **{name: path for source in plan.sources for name, path in files_by_name(source).items()},
        **plan.meshes.by_name,
    }
    return tuple(
        InputFile(role=role, path=path.name if path else None) for role, path in files.items()
    )


def _coverage_summary(atlas: Source, coverage: Coverage) -> CoverageSummary:
    table = coverage.table
    lost = table[~coverage.usable]
    return CoverageSummary(
        atlas=atlas.name,
        n_regions=len(table),
        n_ok=int((table["status"] == "ok").sum()),
        n_partial=int((table["status"] == "partial").sum()),
        n_lost=len(lost),
        lost=tuple(
            LostRegion(
                name=str(row["Node"]),
                label=int(row["index"]),
                coverage=float(row["coverage"]),
                reason=str(row["reason"]),
            )
            for row in lost.to_dict("records")
        ),
    )


def _strategy_summary(
    strategy: Strategy, confounds: Confounds, cleaned: CleanedRun, verdict: Verdict
) -> StrategySummary:
    return StrategySummary(
        name=strategy.name,
        description=strategy.description,
        settings=_as_facts(strategy_words(strategy)),
        columns=confounds.columns,
        filled=confounds.filled,
        ledger=LedgerSummary(strategy=strategy.name, **asdict(cleaned.ledger)),
        censored=tuple((method, int(flags.sum())) for method, flags in confounds.outliers),
        verdict=verdict.word,
        verdict_reasons=verdict.reasons,
    )


def _as_facts(said: Iterable[Said]) -> tuple[Fact, ...]:
    """Give labels and values, each pair once: kinds of columns have most of them in common."""
    pairs = dict.fromkeys((each.label, each.value) for each in said)
    return tuple(Fact(label=label, value=value) for label, value in pairs)


def _measure(value: float, unit: str = "") -> str:
    return f"{value:.3g} {unit}".strip() if np.isfinite(value) else "unknown"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
