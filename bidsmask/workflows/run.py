"""The workflow of one BOLD run, and those of a subject and of several that are made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nipype.pipeline import engine as pe

from bidsmask.analysis.cost import step_costs
from bidsmask.analysis.kinds import files_of
from bidsmask.analysis.plan import RunPlan
from bidsmask.dataset.runs import BoldRun
from bidsmask.settings import EventsSettings
from bidsmask.workflows.nodes import (
    CleanSignals,
    ComputeConnectivity,
    DrawReportlets,
    ExtractSignals,
    LoadConfounds,
    PlaceColumns,
    SummariseEvents,
    WriteDerivatives,
    WriteVoxels,
)
from bidsmask.workflows.work_folder import TOP_WORKFLOW


def init_run_wf(plan: RunPlan, *, output_dir: Path, links: Mapping[str, str]) -> pe.Workflow:
    """From a BOLD run and its companions to derivatives and the pieces of a report.

    Parameters
    ----------
    plan : RunPlan
        The run, its atlases and its strategies.
    output_dir : Path
        Dataset to write.
    links : mapping
        Names of datasets that BIDS URIs refer to, and where they are.

    Returns
    -------
    workflow : nipype Workflow
        Nodes ``load_confounds``, ``resample_atlas``, ``extract``, ``clean``, ``connectivity``,
        ``derive`` and ``report``; ``task`` where something is asked of events, ``voxelwise`` where
        something is wanted of every voxel.
    """
    run = plan.run
    mem_gb = {name: cost.memory_mb / 1e3 for name, cost in step_costs(plan).items()}
    load_confounds = pe.Node(
        LoadConfounds(
            run=run,
            files=[str(file) for file in _tables(run)],
            strategies=plan.strategies,
            n_volumes=plan.n_volumes,
            t_r=plan.t_r,
        ),
        name="load_confounds",
        mem_gb=mem_gb["load_confounds"],
    )
    resample_atlas = pe.Node(
        PlaceColumns(
            files=[*map(str, _files_of_sources(plan))],
            sources=plan.sources,
            maps_statistic=plan.extraction.maps_statistic,
            grid=plan.grid,
            identity=plan.grid.identity,
            areas=plan.meshes.areas,
            places=plan.meshes.places,
            **({"mask": str(run.mask)} if run.mask else {}),
        ),
        name="resample_atlas",
        mem_gb=mem_gb["resample_atlas"],
    )
    extract = pe.Node(
        ExtractSignals(
            files=[str(file) for file in run.files],
            sources=plan.sources,
            settings=plan.extraction,
            coverage=plan.coverage,
            keeps_voxels=plan.voxelwise.any,
            meshes=plan.meshes.smoothing,
            mesh_files=[str(path) for _, path in plan.meshes.smoothing],
        ),
        name="extract",
        mem_gb=mem_gb["extract"],
    )
    clean = pe.Node(
        CleanSignals(strategies=plan.strategies, t_r=plan.t_r, settings=plan.cleaning),
        name="clean",
        mem_gb=mem_gb["clean"],
    )
    connectivity = pe.Node(
        ComputeConnectivity(settings=plan.connectivity, cleaning=plan.cleaning, t_r=plan.t_r),
        name="connectivity",
        mem_gb=mem_gb["connectivity"],
    )
    derive = pe.Node(
        WriteDerivatives(plan=plan, output_dir=str(output_dir), links=tuple(links.items())),
        name="derive",
        mem_gb=mem_gb["derive"],
        overwrite=True if plan.outputs_are_missing else None,
    )
    report = pe.Node(
        DrawReportlets(plan=plan, output_dir=str(output_dir)),
        name="report",
        mem_gb=mem_gb["report"],
        overwrite=True if plan.reportlets_are_missing else None,
    )
    if run.boldref is not None:
        report.inputs.boldref = str(run.boldref)

    processing_edges = [
        (resample_atlas, extract, [("placed_file", "placed_file")]),
        (load_confounds, clean, [("confounds_files", "confounds_files")]),
        (extract, clean, [("extracted_file", "extracted_file")]),
        (extract, clean, [("coverage_files", "coverage_files")]),
        (clean, connectivity, [("cleaned_files", "cleaned_files")]),
    ]
    cleaned = [
        (resample_atlas, "placed_file"),
        (clean, "confounds_files"),
        (extract, "extracted_file"),
        (extract, "coverage_files"),
        (clean, "cleaned_files"),
    ]
    output_edges = [
        (source, sink, [(field, field)])
        for sink in (derive, report)
        for source, field in (*cleaned, (connectivity, "matrices_files"))
    ]
    workflow = pe.Workflow(name=run_wf_name(plan))
    workflow.connect(processing_edges + output_edges)
    if plan.events.any:
        task = _init_task(plan, mem_gb["task"])
        workflow.connect([(source, task, [(field, field)]) for source, field in cleaned[1:]])
        workflow.connect([(task, sink, [("task_files",) * 2]) for sink in (derive, report)])
    if plan.voxelwise.any:
        voxelwise = _init_voxelwise(plan, output_dir, links, mem_gb["voxelwise"])
        workflow.connect([(source, voxelwise, [(field, field)]) for source, field in cleaned])
        workflow.connect(extract, "spill", voxelwise, "spill")
        workflow.connect(voxelwise, "sums_file", derive, "sums_file")
        # Without maps of seeds, too: what draws takes as much memory as what cleans.
        workflow.connect(voxelwise, "seed_maps_file", report, "seed_maps_file")
    return workflow


def _files_of_sources(plan: RunPlan) -> Iterator[Path]:
    for source in plan.sources:
        yield from files_of(source)
    yield from (path for _, path in (*plan.meshes.areas, *plan.meshes.places.files))


def _tables(run: BoldRun) -> Iterator[Path]:
    others = (table.path for table in run.tables)
    yield from filter(None, (run.confounds, run.confounds_json, run.events, *others))


def _init_task(plan: RunPlan, mem_gb: float) -> pe.Node:
    """Make the node that asks what the events of a run say of its regions."""
    return pe.Node(
        SummariseEvents(
            events=str(plan.run.events),
            metadata=plan.run.metadata,
            strategies=plan.strategies,
            t_r=plan.t_r,
            cleaning=plan.cleaning,
            settings=plan.events,
        ),
        name="task",
        mem_gb=mem_gb,
    )


def _init_voxelwise(
    plan: RunPlan, output_dir: Path, links: Mapping[str, str], mem_gb: float
) -> pe.Node:
    """Make the node that writes cleaned volumes and maps, which nothing else changes."""
    without_matrices = plan.connectivity.only(("correlation",))
    return pe.Node(
        WriteVoxels(
            plan=replace(plan, connectivity=without_matrices, events=EventsSettings(), lost=()),
            output_dir=str(output_dir),
            links=tuple(links.items()),
        ),
        name="voxelwise",
        mem_gb=mem_gb,
        overwrite=True if plan.voxels_are_missing else None,
    )


def run_wf_name(plan: RunPlan) -> str:
    """The name of a run's workflow; nipype allows letters, digits and underscores."""
    return re.sub(r"\W+", "_", plan.run.name) + "_wf"


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
    """Some subjects side by side."""
    workflow = pe.Workflow(name=TOP_WORKFLOW, base_dir=str(work_dir))
    for subject in dict.fromkeys(plan.run.subject for plan in plans):
        of_subject = [plan for plan in plans if plan.run.subject == subject]
        workflow.add_nodes(
            [init_participant_wf(subject, of_subject, output_dir=output_dir, links=links)]
        )
    return workflow
