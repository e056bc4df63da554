"""What is written of every voxel: cleaned volumes, a smoothed copy of them, and maps.

The voxels of a run wait on the disk (`bidsmask.images.signals_on_disk`). One strategy after the
other, they are cleaned into a second file, images are written from that one, and it is removed:
there are never more than two such files, whatever is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.analysis.output_names import (
    mask_name,
    measure_label,
    seed_map_names,
    time_series_name,
    voxels_names,
)
from bidsmask.analysis.outputs import File, Run, Used, used_strategies
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.regional_outputs import regional_files
from bidsmask.analysis.rows import n_rows
from bidsmask.analysis.steps import cleaner_of, read_voxels
from bidsmask.analysis.store import RunValues, SeedMaps
from bidsmask.analysis.voxelwise import clean_voxels, images_of, map_seeds
from bidsmask.analysis.words import (
    measure_words,
    plain,
    seed_maps_words,
    smoothed_words,
    strategy_words,
    text,
    volumes_words,
    voxelwise_words,
)
from bidsmask.dataset.seeds import SeedSet
from bidsmask.derivatives import sidecars
from bidsmask.derivatives.run import write_files
from bidsmask.images.io import image_bytes
from bidsmask.images.signals_on_disk import SignalsOnDisk, passing_signals
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.vocabulary import CensorOutput

STRATEGIES_DRAWN, SEEDS_DRAWN = 2, 3
"""Of how many strategies, and of how many seeds of each set, maps are shown in the report."""


def write_voxel_outputs(
    values: RunValues,
    plan: RunPlan,
    output_dir: Path,
    links: Mapping[str, str | Path],
    spill: Path,
) -> tuple[dict[str, str], SeedMaps]:
    """Write all that is wanted of the voxels of a run.

    Parameters
    ----------
    values : RunValues
        Matrices are not needed.
    plan : RunPlan
    output_dir : Path
    links : mapping from name to root
        Datasets that BIDS URIs refer to.
    spill : Path
        The voxels as `bidsmask.analysis.steps.extract_run` has put them on the disk; removed in
        the end. If they are not there any more, they are read off the run again.

    Returns
    -------
    sums : dict
        From the name of each file that was written, relative to the output dataset, to its
        SHA-256.
    seed_maps : SeedMaps
        Those that are to be drawn.
    """
    if not spill.exists():
        meshes = plan.meshes.smoothing
        read_voxels(plan.run.files, values.placed, plan.extraction, spill, meshes)
    with SignalsOnDisk(spill) as voxels:
        work = _Work(values, Run.of(values, plan, output_dir, links), voxels, spill.parent)
        sums = write_files(work.files(), output_dir)
    spill.unlink()
    return sums, work.drawn()


class _Work:
    """Makes the files of one run."""

    def __init__(self, values: RunValues, run: Run, voxels: SignalsOnDisk, scratch: Path) -> None:
        self._values, self._run, self._plan = values, run, run.plan
        self._voxels, self._scratch = voxels, scratch
        self._drawn: list[tuple[int, int, int, FloatArray]] = []

    def files(self) -> Iterator[File]:
        """Go through all files; each image is to be written before the next one is asked for."""
        yield from self._mask()
        for number, used in enumerate(used_strategies(self._values)):
            yield from regional_files(self._run, self._values, used, self._voxels, self._scratch)
            if not (self._plan.voxelwise.voxelwise or self._plan.voxelwise.seed_maps):
                continue
            how = self._how
            cleaner = cleaner_of(
                used.confounds, used.strategy, self._plan.cleaning, t_r=self._plan.t_r
            )
            shape = n_rows(cleaner.sample_mask, how), self._voxels.shape[1]
            by_columns = self._plan.run.file_format == "cifti"
            with passing_signals(
                self._scratch / "cleaned.npy", shape, by_columns=by_columns
            ) as cleaned:
                clean_voxels(
                    self._voxels, cleaner, cleaned, covered=self._values.extracted.covered, how=how
                )
                if self._plan.voxelwise.voxelwise:
                    yield from self._volumes(used, cleaned)
                if self._plan.voxelwise.seed_maps:
                    yield from self._seed_maps(used, cleaned, number)

    def drawn(self) -> SeedMaps:
        """Give the maps that are to be drawn, once all files have been gone through."""
        strategies, sources, seeds = (
            np.array([each[place] for each in self._drawn], dtype=np.intp) for place in range(3)
        )
        values = [each[3] for each in self._drawn]
        n_voxels = self._voxels.shape[1]
        return SeedMaps(
            strategies=strategies,
            sources=sources,
            seeds=seeds,
            values=np.array(values, dtype=np.float32).reshape(-1, n_voxels),
        )

    @property
    def _how(self) -> CensorOutput:
        """What stands in place of censored volumes; maps need none of them."""
        plan = self._plan
        return plan.output.censor_output if plan.voxelwise.voxelwise else "drop"

    def _mask(self) -> Iterator[File]:
        run, placed = self._run, self._values.placed
        if self._plan.run.mask is None:
            return
        yield mask_name(self._plan), image_bytes(placed.mask.astype(np.uint8), placed.grid)
        yield (
            mask_name(self._plan, ".json"),
            {
                "Description": "Mask of the brain: voxels that cleaned volumes and maps have "
                "values in",
                "Type": "Brain",
                "Sources": run.provenance.sources(self._plan.run.mask),
                **run.provenance.space,
            },
        )

    def _volumes(self, used: Used, cleaned: SignalsOnDisk) -> Iterator[File]:
        plan, provenance = self._plan, self._run.provenance
        fwhm_mm = plan.voxelwise.voxelwise_smoothing_fwhm_mm
        names = voxels_names(plan, used.strategy)
        yield from zip(names.images, self._images(used, cleaned), strict=True)
        about = {
            **provenance.acquisition,
            **sidecars.volume_sampling(used.cleaned.sample_mask, t_r=plan.t_r, how=self._how),
            **provenance.space,
            **self._stripped,
        }
        done = (
            voxelwise_words(plan.extraction, plan.grid.word),
            *strategy_words(used.strategy),
            volumes_words(self._how, used.strategy),
        )
        content = {
            "Description": f"Volumes cleaned with the strategy {used.strategy.name}. "
            f"{used.strategy.description} {plain(text(done))}",
            "Sources": [*provenance.bold_and_confounds([used.strategy]), *self._run.mask()],
            **about,
            "SmoothingFWHM": plan.extraction.smoothing_fwhm_mm,
            **used.about,
            **sidecars.warnings(self._run.warnings, used.confounds.warnings),
        }
        yield names.sidecar, content
        if not fwhm_mm:
            return
        smoothed = {
            "Description": f"Volumes cleaned with the strategy {used.strategy.name}. "
            f"{plain(text([*done, smoothed_words(plan.voxelwise)]))}",
            "Sources": [provenance.output(name) for name in names.images],
            **about,
            "SmoothingFWHM": fwhm_mm,
            **used.about,
            **sidecars.warnings(self._run.warnings, used.confounds.warnings),
        }
        copies = voxels_names(plan, used.strategy, smoothed=True)
        images = self._images(used, cleaned, smoothing_fwhm_mm=fwhm_mm)
        yield from zip(copies.images, images, strict=True)
        yield copies.sidecar, smoothed

    @property
    def _stripped(self) -> dict[str, Any]:
        """What is said of volumes only: that the skull is gone."""
        return {"SkullStripped": True} if self._plan.run.mask else {}

    def _images(
        self, used: Used, cleaned: SignalsOnDisk, smoothing_fwhm_mm: float | None = None
    ) -> Iterator[Iterator[bytes]]:
        uneven = self._how == "drop" and not used.cleaned.sample_mask.all()
        return images_of(
            cleaned,
            self._values.placed,
            self._plan.run.file_format,
            t_r=None if uneven else self._plan.t_r,
            smoothing_fwhm_mm=smoothing_fwhm_mm,
        )

    def _seed_maps(self, used: Used, cleaned: SignalsOnDisk, strategy: int) -> Iterator[File]:
        kept = used.cleaned.sample_mask
        rows = kept[kept] if self._how == "drop" else kept
        for place, source in enumerate(self._values.sources):
            if not isinstance(source, SeedSet):
                continue
            signals = used.cleaned.signals[place][0]
            shape = signals.shape[1], cleaned.shape[1]
            with passing_signals(self._scratch / "maps.npy", shape) as maps:
                map_seeds(
                    signals, cleaned, maps, kept=rows, fisher_z=self._plan.connectivity.fisher_z
                )
                self._keep_some(maps, strategy, place)
                names = seed_map_names(self._plan, source, used.strategy)
                images = images_of(
                    maps, self._values.placed, self._plan.run.file_format, titles=source.lut.names
                )
                yield from zip(names.images, images, strict=True)
            yield names.sidecar, self._about_maps(used, source, place)

    def _keep_some(self, maps: SignalsOnDisk, strategy: int, place: int) -> None:
        """Keep the maps of the first seeds that have a signal, to be drawn."""
        if strategy >= STRATEGIES_DRAWN:
            return
        usable = np.flatnonzero(self._values.coverage[place].usable)
        for seed in usable[:SEEDS_DRAWN].tolist():
            self._drawn.append((strategy, place, seed, maps[seed]))

    def _about_maps(self, used: Used, seeds: SeedSet, place: int) -> dict[str, Any]:
        plan, run, coverage = self._plan, self._run, self._values.coverage[place]
        statistic, *_ = plan.statistics_of(seeds)
        what = plain(measure_words("correlation", plan.connectivity))
        sentences = plain(text([seed_maps_words(plan.connectivity, plan.extraction.statistics)]))
        rows = coverage.table[["Node", "coverage", "status"]].to_dict("records")
        return {
            "Description": f"{what[0].upper()}{what[1:]}, of each seed of {seeds.name} "
            f"(stat-{statistic}) and every voxel, over the {used.cleaned.ledger.n_kept} kept "
            f"volumes. One volume for each seed, in the order of Volumes. {sentences}",
            "Sources": [
                *run.provenance.bold_and_confounds([used.strategy]),
                run.provenance.output(time_series_name(plan, seeds, used.strategy, statistic)),
                *run.mask(),
            ],
            **sidecars.about_map(MEASURES["correlation"], fisher_z=plan.connectivity.fisher_z),
            "Statistic": measure_label(plan, seeds, "correlation"),
            "Volumes": [
                {
                    "Volume": number,
                    "Name": str(row["Node"]),
                    "Coverage": float(row["coverage"]),
                    "Status": str(row["status"]),
                }
                for number, row in enumerate(rows)
            ],
            "NodeFiles": [run.table(seeds)],
            **run.about(seeds),
            **self._stripped,
            "MinimumCoverage": plan.coverage.min_coverage,
            "SmoothingFWHM": plan.extraction.smoothing_fwhm_mm,
            **used.about,
            **sidecars.warnings(run.warnings, used.confounds.warnings, seeds.warnings),
        }
