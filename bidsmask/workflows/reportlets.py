"""What a run adds to its subject's report: figures, and a summary in JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.names import output_name
from bidsmask.dataset.strategies import Strategy
from bidsmask.dataset.writing import write_bytes, write_json
from bidsmask.images.io import load_volume
from bidsmask.numerics.connectivity import MEASURES
from bidsmask.reports import figures
from bidsmask.reports.summaries import (
    CoverageSummary,
    Fact,
    Figure,
    InputFile,
    LedgerSummary,
    LostRegion,
    RunSection,
    StrategySummary,
)
from bidsmask.workflows.plan import RunPlan
from bidsmask.workflows.results import CleanedRun, Coverage, RunValues, run_quality, run_warnings

_NETWORK_COLUMNS = ("network", "Network", "network_label", "community")


def summary_path(output_dir: Path, plan: RunPlan) -> Path:
    """Where the summary of a run is kept, next to its figures."""
    name = output_name(plan.run.entities, suffix="report", extension=".json", desc="bidsmask").name
    return figures_folder(output_dir, plan.run.subject) / name


def figures_folder(output_dir: Path, subject: str) -> Path:
    """Where the figures of a subject are kept."""
    return output_dir / f"sub-{subject}" / "figures"


def reportlets_exist(output_dir: Path, plan: RunPlan) -> bool:
    """Whether the summary of a run and all its figures are there."""
    path = summary_path(output_dir, plan)
    if not path.is_file():
        return False
    section = RunSection.from_json(json.loads(path.read_text(encoding="utf-8")))
    return all((path.parent / figure.image).is_file() for figure in section.figures)


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
    path = summary_path(output_dir, plan)
    drawn = []
    for figure, image in _draw(values, plan, boldref):
        write_bytes(path.parent / figure.image, image, within=output_dir)
        drawn.append(figure)
    section = run_section(values, plan, tuple(drawn))
    write_json(path, section.to_json(), within=output_dir)
    return (*(path.parent / figure.image for figure in drawn), path)


def run_section(values: RunValues, plan: RunPlan, drawn: tuple[Figure, ...]) -> RunSection:
    """The run in words and numbers."""
    quality = run_quality(values)
    return RunSection(
        name=plan.run.name,
        title=_title(plan),
        facts=_facts(plan, quality),
        files=_files(plan),
        warnings=(
            *run_warnings(values, plan),
            *(text for atlas in plan.atlases for text in atlas.warnings),
            *dict.fromkeys(text for loaded in values.confounds for text in loaded.warnings),
        ),
        atlases=tuple(
            _coverage_summary(atlas, coverage)
            for atlas, coverage in zip(plan.atlases, values.coverage, strict=True)
        ),
        strategies=tuple(
            _strategy_summary(*parts)
            for parts in zip(plan.strategies, values.confounds, values.cleaned, strict=True)
        ),
        figures=drawn,
        mean_fd_mm=_known(quality["mean_fd"]),
        median_tsnr=_known(quality["median_tsnr"]),
    )


def _draw(
    values: RunValues, plan: RunPlan, boldref: Path | None
) -> Iterator[tuple[Figure, bytes]]:
    """Every figure of the run, in the order of the report."""
    yield from _draw_atlases(values, plan, boldref)
    yield from _draw_motion(values, plan)
    yield _draw_carpet(values, plan)
    yield _draw_ledger(values, plan)
    for number, strategy in enumerate(plan.strategies):
        yield from _draw_strategy(values, plan, strategy, number)


def _draw_atlases(
    values: RunValues, plan: RunPlan, boldref: Path | None
) -> Iterator[tuple[Figure, bytes]]:
    reference = load_volume(boldref) if boldref else _mean_image(values)
    background = "BOLD reference" if boldref else "mean of the run"
    for atlas, placed, coverage in zip(plan.atlases, values.placed, values.coverage, strict=True):
        names = list(coverage.table["Node"])
        lost = coverage.table["index"][~coverage.usable]
        n_lost = len(lost)
        yield (
            Figure(
                key=f"atlas_outline.{atlas.name}",
                title=f"{atlas.name} on the {background}",
                caption=f"{len(names)} regions on the grid of the run; {n_lost} without a signal.",
                alt=f"Slices of the {background} with the outlines of {len(names)} regions",
                image=_image_name(plan, "dseg", atlas, desc="outline"),
            ),
            figures.atlas_outline(
                reference, placed.labels, placed.grid.affine, lost_ids=set(lost.tolist())
            ),
        )
        yield (
            Figure(
                key=f"coverage.{atlas.name}",
                title=f"Coverage of {atlas.name}",
                caption="Share of each region inside the brain mask; "
                f"below {plan.min_coverage:.0%} a region is n/a.",
                alt=f"Coverage of {len(names)} regions, sorted; {n_lost} have no signal",
                image=_image_name(plan, "bold", atlas, stat="coverage"),
            ),
            figures.coverage(
                coverage.table["coverage"].to_numpy(), names=names, min_coverage=plan.min_coverage
            ),
        )


def _draw_motion(values: RunValues, plan: RunPlan) -> Iterator[tuple[Figure, bytes]]:
    """One picture for each way of censoring; most strategies share it."""
    drawn = []
    for strategy, confounds in zip(plan.strategies, values.confounds, strict=True):
        if strategy.censoring in drawn or not _has_motion(confounds):
            continue
        drawn.append(strategy.censoring)
        names = [s.name for s in plan.strategies if s.censoring == strategy.censoring]
        n_censored = int((~confounds.sample_mask).sum())
        yield (
            Figure(
                key=f"motion.{strategy.name}",
                title=f"Motion and censored volumes ({', '.join(names)})",
                caption=f"{n_censored} of {plan.n_volumes} volumes are left out.",
                alt=f"Framewise displacement and DVARS over time; {n_censored} volumes marked",
                image=_image_name(plan, "motion", desc=strategy.name),
            ),
            figures.motion(
                fd_mm=confounds.fd_mm,
                std_dvars=confounds.std_dvars,
                outliers=confounds.outliers,
                t_r=plan.t_r,
                fd_threshold_mm=strategy.censoring.fd_threshold_mm,
                std_dvars_threshold=strategy.censoring.std_dvars_threshold,
            ),
        )


def _has_motion(confounds: Confounds) -> bool:
    """Whether there is anything to draw: tables need not have these columns."""
    measured = confounds.fd_mm is not None or confounds.std_dvars is not None
    return measured or any(flags.any() for _, flags in confounds.outliers)


def _draw_carpet(values: RunValues, plan: RunPlan) -> tuple[Figure, bytes]:
    extracted, confounds = values.extracted, values.confounds[0]
    n_voxels = extracted.carpet.shape[1]
    return (
        Figure(
            key="carpet",
            title="Carpet before and after cleaning",
            caption=f"{n_voxels} voxels of the brain mask, evenly spread; each row is one voxel.",
            alt="Grey-scale images of voxels over time, before and after cleaning",
            image=_image_name(plan, "bold", desc="carpet"),
        ),
        figures.carpet(
            extracted.carpet,
            {
                strategy.name: cleaned.rows_for(cleaned.carpet, "na")
                for strategy, cleaned in zip(plan.strategies, values.cleaned, strict=True)
            },
            fd_mm=confounds.fd_mm,
            sample_mask=values.cleaned[0].sample_mask,
            t_r=plan.t_r,
            groups=_carpet_groups(extracted.carpet_labels, plan.atlases[0]),
        ),
    )


def _draw_ledger(values: RunValues, plan: RunPlan) -> tuple[Figure, bytes]:
    ledgers = [
        LedgerSummary(strategy=strategy.name, **asdict(cleaned.ledger))
        for strategy, cleaned in zip(plan.strategies, values.cleaned, strict=True)
    ]
    left = ", ".join(f"{entry.strategy} {entry.remaining:.0f}" for entry in ledgers)
    return (
        Figure(
            key="ledger",
            title="Temporal degrees of freedom",
            caption=f"Left of {plan.n_volumes} volumes: {left}.",
            alt=f"Bars that show where {plan.n_volumes} volumes went; left: {left}",
            image=_image_name(plan, "design", desc="ledger"),
        ),
        figures.ledger(ledgers),
    )


def _draw_strategy(
    values: RunValues, plan: RunPlan, strategy: Strategy, number: int
) -> Iterator[tuple[Figure, bytes]]:
    cleaned, matrices = values.cleaned[number], values.matrices[number]
    for place, (atlas, coverage) in enumerate(zip(plan.atlases, values.coverage, strict=True)):
        if not coverage.usable.any():
            continue
        names, networks = list(coverage.table["Node"]), _networks(atlas)
        what = f"{atlas.name}, {strategy.name}"
        yield (
            Figure(
                key=f"region_signals.{strategy.name}.{atlas.name}",
                title=f"Region time series: {what}",
                caption=f"{int(coverage.usable.sum())} of {len(names)} regions, z-scored.",
                alt=f"Time series of {len(names)} regions as the rows of an image",
                image=_image_name(plan, "timeseries", atlas, desc=strategy.name),
            ),
            figures.region_signals(
                cleaned.rows_for(cleaned.signals[place], "na"),
                names=names,
                networks=networks,
                t_r=plan.t_r,
                sample_mask=cleaned.sample_mask,
            ),
        )
        for name in plan.measures:
            measure = MEASURES[name]
            yield (
                Figure(
                    key=f"connectivity.{strategy.name}.{atlas.name}.{name}",
                    title=f"{name.capitalize()}: {what}",
                    caption=f"{measure.description}, over the kept volumes.",
                    alt=f"Matrix of {len(names)} by {len(names)} regions",
                    image=_image_name(
                        plan, "relmat", atlas, stat=measure.stat, desc=strategy.name
                    ),
                ),
                figures.connectivity(
                    matrices.by_measure[name][place],
                    names=names,
                    networks=networks,
                    measure=name,
                ),
            )


def _image_name(
    plan: RunPlan,
    suffix: str,
    atlas: Atlas | None = None,
    *,
    stat: str | None = None,
    desc: str | None = None,
) -> str:
    return output_name(
        plan.run.entities,
        suffix=suffix,
        extension=".svg",
        atlas=atlas.entities if atlas else (),
        stat=stat,
        desc=desc,
    ).name


def _mean_image(values: RunValues) -> FloatArray:
    mask = values.placed[0].mask
    image = np.full(mask.size, np.nan)
    image[mask.ravel(order="F")] = values.extracted.mean
    return image.reshape(mask.shape, order="F")


def _networks(atlas: Atlas) -> list[str] | None:
    """The network of each region, where the look-up table has such a column."""
    columns = dict(atlas.lut.columns)
    found = [columns[name] for name in _NETWORK_COLUMNS if name in columns]
    return list(found[0]) if found else None


def _carpet_groups(labels: Array, atlas: Atlas) -> list[str]:
    networks = _networks(atlas) or ["inside the atlas"] * len(atlas.lut.ids)
    group_of = dict(zip(atlas.lut.ids, networks, strict=True))
    return [group_of.get(int(label), "outside the atlas") for label in labels]


def _title(plan: RunPlan) -> str:
    entities = plan.run.entities
    words = {"ses": "session", "task": "task", "acq": "acquisition", "dir": "direction",
             "run": "run", "echo": "echo", "space": "space", "res": "resolution"}  # fmt: skip
    return ", ".join(f"{words[key]} {entities[key]}" for key in words if key in entities)


def _facts(plan: RunPlan, quality: dict[str, float]) -> tuple[Fact, ...]:
    sizes = np.sqrt((np.array(plan.affine)[:3, :3] ** 2).sum(axis=0))
    facts = {
        "Space": plan.run.space or "that of the acquisition",
        "Grid": f"{' × '.join(map(str, plan.shape))} voxels of "
        f"{' × '.join(f'{size:.3g}' for size in sizes)} mm",
        "Volumes": f"{plan.n_volumes} ({plan.n_volumes * plan.t_r / 60:.1f} min)",
        "Repetition time": f"{plan.t_r:g} s",
        "Mean framewise displacement": _measure(quality["mean_fd"], "mm"),
        "Largest framewise displacement": _measure(quality["max_fd"], "mm"),
        "Median tSNR in the brain mask": _measure(quality["median_tsnr"]),
        "Correlation of FD and DVARS": _measure(quality["fd_dvars_correlation"]),
    }
    return tuple(Fact(label=label, value=value) for label, value in facts.items())


def _files(plan: RunPlan) -> tuple[InputFile, ...]:
    run = plan.run
    files = {
        "BOLD": run.bold,
        "brain mask": run.mask,
        "BOLD reference": run.boldref,
        "confounds": run.confounds,
        "confounds sidecar": run.confounds_json,
        **{f"atlas {atlas.name}": atlas.image for atlas in plan.atlases},
    }
    return tuple(
        InputFile(role=role, path=path.name if path else None) for role, path in files.items()
    )


def _coverage_summary(atlas: Atlas, coverage: Coverage) -> CoverageSummary:
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
    strategy: Strategy, confounds: Confounds, cleaned: CleanedRun
) -> StrategySummary:
    return StrategySummary(
        name=strategy.name,
        description=strategy.description,
        settings=_settings(strategy),
        columns=confounds.columns,
        filled=confounds.filled,
        ledger=LedgerSummary(strategy=strategy.name, **asdict(cleaned.ledger)),
        censored=tuple((method, int(flags.sum())) for method, flags in confounds.outliers),
    )


def _settings(strategy: Strategy) -> tuple[Fact, ...]:
    cleaning, censoring = strategy.cleaning, strategy.censoring
    facts = {
        "Detrending": "mean and straight line" if cleaning.detrend else "none",
        "Temporal filter": _filter_words(strategy),
        "Standardisation": {
            "zscore": "z-score (sample SD)",
            "psc": "percent signal change",
            "none": "none",
        }[cleaning.standardize],
        "Volumes left out at the start": "those flagged by fMRIPrep"
        if censoring.dummy_scans == "auto"
        else str(censoring.dummy_scans),
        "Censored above": _censoring_words(strategy),
    }
    return tuple(Fact(label=label, value=value) for label, value in facts.items())


def _filter_words(strategy: Strategy) -> str:
    cleaning = strategy.cleaning
    if cleaning.filter == "none":
        return "none"
    low = f"{cleaning.high_pass_hz:g} Hz" if cleaning.high_pass_hz else "0"
    high = f"{cleaning.low_pass_hz:g} Hz" if cleaning.low_pass_hz else "Nyquist"
    return f"{cleaning.filter}, {low} to {high}"


def _censoring_words(strategy: Strategy) -> str:
    censoring = strategy.censoring
    limits = []
    if censoring.fd_threshold_mm is not None:
        limits.append(f"FD {censoring.fd_threshold_mm:g} mm")
    if censoring.std_dvars_threshold is not None:
        limits.append(f"standardised DVARS {censoring.std_dvars_threshold:g}")
    return ", ".join(limits) or "no threshold"


def _measure(value: float, unit: str = "") -> str:
    return f"{value:.3g} {unit}".strip() if np.isfinite(value) else "unknown"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
