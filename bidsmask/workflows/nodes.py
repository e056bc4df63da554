"""nipype nodes: each loads, makes one call into the science, and saves.

Parameters travel as frozen dataclasses of scalars, strings and tuples (their repr is what nipype
hashes); arrays travel as files. Each node takes the version of bidsmask, so that a new version
recomputes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, traits

from bidsmask._version import __version__
from bidsmask.analysis import steps
from bidsmask.analysis.flags import flag_run
from bidsmask.analysis.notices import heard
from bidsmask.analysis.outputs import write_outputs
from bidsmask.analysis.parts import attempt, refuse_nothing
from bidsmask.analysis.store import (
    CleanedRun,
    Coverage,
    ExtractedRun,
    PlacedSources,
    gather,
    load_part,
    save_all,
)
from bidsmask.analysis.task import TimedEvents, summarise_events
from bidsmask.analysis.voxel_outputs import write_voxel_outputs
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.confounds_table import read_table
from bidsmask.dataset.responses import load_design
from bidsmask.images.volumes import load_mask
from bidsmask.reports.summaries import LostPart
from bidsmask.workflows.monitor import Step
from bidsmask.workflows.specs import TraitedSpec

SUMS_FILE = "sums.json"
"""In the folder of `WriteVoxels`: what it has written."""


class LoadConfounds(Step):
    """The design and the censored volumes of a run, for each strategy."""

    class input_spec(TraitedSpec):
        run = traits.Any(mandatory=True, desc="BoldRun")
        files = traits.List(File(exists=True), desc="tables of the run that are read")
        strategies = traits.Any(mandatory=True, desc="tuple of Strategy")
        n_volumes = traits.Int(mandatory=True, desc="volumes of the BOLD run (T)")
        t_r = traits.Float(mandatory=True, desc="repetition time in seconds")
        version = traits.Str(__version__, usedefault=True)

    class output_spec(TraitedSpec):
        confounds_files = traits.List(File(exists=True), desc="one for each strategy")

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        rows = read_table(given.run.confounds)
        load = partial(load_design, given.run, n_volumes=given.n_volumes, t_r=given.t_r)
        confounds = [
            attempt("strategy", each.name, partial(load, each, rows)) for each in given.strategies
        ]
        refuse_nothing(confounds)
        self._results["confounds_files"] = save_all(confounds, Path(runtime.cwd), "confounds")
        return runtime


class PlaceColumns(Step):
    """The columns of every atlas and seed set on the run's lattice, inside its mask if any."""

    class input_spec(TraitedSpec):
        files = traits.List(File(exists=True), desc="images and tables of the sources")
        sources = traits.Any(mandatory=True, desc="tuple of Source")
        maps_statistic = traits.Str(mandatory=True, desc="what is taken of maps")
        mask = File(exists=True, desc="brain mask of the run; there is none on surfaces")
        grid = traits.Any(mandatory=True, nohash=True, desc="Grid or Grayordinates of the run")
        identity = traits.Any(mandatory=True, desc="what tells it apart")
        areas = traits.Any((), usedefault=True, desc="of vertices: pairs of structure and file")
        places = traits.Any(None, usedefault=True, desc="Whereabouts of vertices")
        version = traits.Str(__version__, usedefault=True)

    class output_spec(TraitedSpec):
        placed_file = File(exists=True, desc="mask, and columns of each source")

    def _run_interface(self, runtime: Any) -> Any:
        grid, mask_file = self.inputs.grid, self.inputs.mask
        with heard() as said:
            has_mask = traits_isdefined(mask_file)
            mask = load_mask(Path(mask_file), grid) if has_mask else steps.everywhere(grid)
            placed = steps.place_sources(
                self.inputs.sources,
                grid,
                mask,
                self.inputs.maps_statistic,
                self.inputs.areas,
                self.inputs.places,
            )
        file = Path(runtime.cwd) / "placed.npz"
        replace(placed, warnings=tuple(said)).save(file)
        self._results["placed_file"] = str(file)
        return runtime


class ExtractSignals(Step):
    """Signals of every source, and the statistics of the run, in one pass over the BOLD."""

    class input_spec(TraitedSpec):
        files = traits.List(File(exists=True), mandatory=True, desc="BOLD run, of 1 or 2 files")
        placed_file = File(exists=True, mandatory=True, desc="mask, and columns of each source")
        sources = traits.Any(mandatory=True, desc="tuple of Source")
        settings = traits.Any(mandatory=True, desc="ExtractionSettings")
        coverage = traits.Any(mandatory=True, desc="CoverageSettings")
        keeps_voxels = traits.Bool(False, usedefault=True, desc="put every voxel on the disk")
        meshes = traits.Any((), usedefault=True, desc="to smooth along: structures and files")
        mesh_files = traits.List(File(exists=True), desc="these files")
        version = traits.Str(__version__, usedefault=True)

    class output_spec(TraitedSpec):
        extracted_file = File(exists=True, desc="signals, statistics and carpet of the run")
        coverage_files = traits.List(File(exists=True), desc="one for each source")
        spill = traits.Str(desc="where the signals of voxels are, until they have been written")

    def _run_interface(self, runtime: Any) -> Any:
        cwd = Path(runtime.cwd)
        placed = PlacedSources.load(Path(self.inputs.placed_file), self.inputs.sources)
        spill = cwd / "voxels.npy"
        extracted, coverage = steps.extract_run(
            [Path(file) for file in self.inputs.files],
            placed,
            placed.of(self.inputs.sources),
            self.inputs.settings,
            self.inputs.coverage,
            spill=spill if self.inputs.keeps_voxels else None,
            meshes=self.inputs.meshes,
        )
        self._results["spill"] = str(spill)
        extracted.save(cwd / "extracted.npz")
        self._results["extracted_file"] = str(cwd / "extracted.npz")
        self._results["coverage_files"] = save_all(coverage, cwd, "coverage")
        return runtime


class CleanSignals(Step):
    """Remove confounds and drift from the signals, for each strategy."""

    class input_spec(TraitedSpec):
        extracted_file = File(exists=True, mandatory=True, desc="signals of the run")
        coverage_files = traits.List(File(exists=True), mandatory=True, desc="per source")
        confounds_files = traits.List(File(exists=True), mandatory=True, desc="per strategy")
        strategies = traits.Any(mandatory=True, desc="tuple of Strategy")
        t_r = traits.Float(mandatory=True, desc="repetition time in seconds")
        settings = traits.Any(mandatory=True, desc="CleaningSettings")
        version = traits.Str(__version__, usedefault=True)

    class output_spec(TraitedSpec):
        cleaned_files = traits.List(File(exists=True), desc="one for each strategy")
        confounds_files = traits.List(File(exists=True), desc="with what the data flag")

    def _run_interface(self, runtime: Any) -> Any:
        extracted = ExtractedRun.load(Path(self.inputs.extracted_file))
        loaded = [load_part(Confounds, file) for file in self.inputs.confounds_files]
        t_r, strategies = self.inputs.t_r, self.inputs.strategies
        confounds = flag_run(extracted, loaded, strategies, t_r=t_r)
        cleaned = steps.clean_run(
            extracted,
            [Coverage.load(Path(file)) for file in self.inputs.coverage_files],
            confounds,
            strategies,
            self.inputs.settings,
            t_r=t_r,
        )
        is_same = all(one is other for one, other in zip(confounds, loaded, strict=True))
        self._results["confounds_files"] = (
            self.inputs.confounds_files
            if is_same
            else save_all(confounds, Path(runtime.cwd), "confounds")
        )
        self._results["cleaned_files"] = save_all(cleaned, Path(runtime.cwd), "cleaned")
        return runtime


class ComputeConnectivity(Step):
    """Region-by-region matrices of the cleaned signals, for each strategy and atlas."""

    class input_spec(TraitedSpec):
        cleaned_files = traits.List(File(exists=True), mandatory=True, desc="per strategy")
        settings = traits.Any(mandatory=True, desc="ConnectivitySettings")
        cleaning = traits.Any(mandatory=True, desc="CleaningSettings")
        t_r = traits.Float(mandatory=True, desc="repetition time in seconds")
        version = traits.Str(__version__, usedefault=True)

    class output_spec(TraitedSpec):
        matrices_files = traits.List(File(exists=True), desc="one for each strategy")

    def _run_interface(self, runtime: Any) -> Any:
        cleaned = [load_part(CleanedRun, file) for file in self.inputs.cleaned_files]
        matrices = [
            each
            if isinstance(each, LostPart)
            else steps.relate(
                each, self.inputs.settings, self.inputs.cleaning, t_r=self.inputs.t_r
            )
            for each in cleaned
        ]
        self._results["matrices_files"] = save_all(matrices, Path(runtime.cwd), "matrices")
        return runtime


class SummariseEvents(Step):
    """What the events of a run say of its regions, for each strategy."""

    class input_spec(TraitedSpec):
        events = File(exists=True, mandatory=True, desc="table of events")
        metadata = traits.Any(mandatory=True, desc="what the sidecars of the BOLD say")
        extracted_file = File(exists=True, mandatory=True, desc="signals of the run")
        coverage_files = traits.List(File(exists=True), mandatory=True, desc="per source")
        confounds_files = traits.List(File(exists=True), mandatory=True, desc="per strategy")
        cleaned_files = traits.List(File(exists=True), mandatory=True, desc="per strategy")
        strategies = traits.Any(mandatory=True, desc="tuple of Strategy")
        t_r = traits.Float(mandatory=True, desc="repetition time in seconds")
        cleaning = traits.Any(mandatory=True, desc="CleaningSettings")
        settings = traits.Any(mandatory=True, desc="EventsSettings")
        version = traits.Str(__version__, usedefault=True)

    class output_spec(TraitedSpec):
        task_files = traits.List(File(exists=True), desc="one for each strategy")

    def _run_interface(self, runtime: Any) -> Any:
        given = self.inputs
        extracted = ExtractedRun.load(Path(given.extracted_file))
        results = summarise_events(
            extracted,
            [Coverage.load(Path(file)) for file in given.coverage_files],
            [load_part(Confounds, file) for file in given.confounds_files],
            [load_part(CleanedRun, file) for file in given.cleaned_files],
            given.strategies,
            given.cleaning,
            given.settings,
            TimedEvents.read(
                Path(given.events), given.metadata, t_r=given.t_r, n_volumes=extracted.dvars.size
            ),
        )
        self._results["task_files"] = save_all(results, Path(runtime.cwd), "task")
        return runtime


class _CleanedSpec(TraitedSpec):
    """What the nodes that show results take in."""

    plan = traits.Any(mandatory=True, desc="RunPlan")
    extracted_file = File(exists=True, mandatory=True)
    placed_file = File(exists=True, mandatory=True)
    confounds_files = traits.List(File(exists=True), mandatory=True)
    coverage_files = traits.List(File(exists=True), mandatory=True)
    cleaned_files = traits.List(File(exists=True), mandatory=True)
    output_dir = traits.Str(mandatory=True, desc="dataset to write")
    version = traits.Str(__version__, usedefault=True)


class WriteVoxels(Step):
    """Cleaned volumes and maps of seeds under their final names."""

    class input_spec(_CleanedSpec):
        links = traits.Any(mandatory=True, desc="tuple of (dataset name, path)")
        spill = traits.Str(mandatory=True, nohash=True, desc="signals of voxels, if still there")

    class output_spec(TraitedSpec):
        sums_file = File(exists=True, desc="what was written: names and SHA-256 sums")
        seed_maps_file = File(exists=True, desc="maps to be drawn")

    def _run_interface(self, runtime: Any) -> Any:
        sums, seed_maps = write_voxel_outputs(
            gather(self.inputs).without_carpets(),
            self.inputs.plan,
            Path(self.inputs.output_dir),
            dict(self.inputs.links),
            Path(self.inputs.spill),
        )
        files = Path(runtime.cwd) / SUMS_FILE, Path(runtime.cwd) / "seed_maps.npz"
        files[0].write_text(json.dumps(sums), encoding="utf-8")
        seed_maps.save(files[1])
        self._results["sums_file"], self._results["seed_maps_file"] = map(str, files)
        return runtime


class WriteDerivatives(Step):
    """Every file of the run under its final name; the completion record last."""

    class input_spec(_CleanedSpec):
        matrices_files = traits.List(File(exists=True), mandatory=True)
        sums_file = File(exists=True, desc="what WriteVoxels has written, if it was asked to")
        task_files = traits.List(
            File(exists=True), desc="per strategy, if events were asked about"
        )
        links = traits.Any(mandatory=True, desc="tuple of (dataset name, path)")

    class output_spec(TraitedSpec):
        out_files = traits.List(File(exists=True), desc="what was written")

    def _run_interface(self, runtime: Any) -> Any:
        sums = self.inputs.sums_file
        files = write_outputs(
            gather(self.inputs),
            self.inputs.plan,
            Path(self.inputs.output_dir),
            dict(self.inputs.links),
            json.loads(Path(sums).read_bytes()) if traits_isdefined(sums) else {},
        )
        self._results["out_files"] = [str(file) for file in files]
        return runtime


class DrawReportlets(Step):
    """The figures and the summary of the run, for the subject's report."""

    class input_spec(_CleanedSpec):
        matrices_files = traits.List(File(exists=True), mandatory=True)
        seed_maps_file = File(exists=True, desc="maps of seeds, if there are some")
        task_files = traits.List(
            File(exists=True), desc="per strategy, if events were asked about"
        )
        boldref = File(exists=True, desc="BOLD reference of the run, if there is one")

    class output_spec(TraitedSpec):
        reportlet_files = traits.List(File(exists=True), desc="figures and summary")

    def _run_interface(self, runtime: Any) -> Any:
        from bidsmask.analysis.reportlets import write_reportlets

        boldref = Path(self.inputs.boldref) if traits_isdefined(self.inputs.boldref) else None
        files = write_reportlets(
            gather(self.inputs), self.inputs.plan, boldref, Path(self.inputs.output_dir)
        )
        self._results["reportlet_files"] = [str(file) for file in files]
        return runtime


def traits_isdefined(value: Any) -> bool:
    """Whether a nipype input was given."""
    from nipype.interfaces.base import isdefined

    return bool(isdefined(value))
