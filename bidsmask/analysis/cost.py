"""What a run will take, predicted from its plan: seconds, and memory at the peak.

Both are sums of terms with one coefficient each. To calibrate them again when a step has become
faster, run ``python -m benchmarks --only predictions``: for the whole command and for each step it
prints what was predicted beside what was measured, and so which coefficient is off. Seconds are
those of the machine where the coefficients were measured, times the `Pace` of this one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np

from bidsmask.analysis.notices import heard
from bidsmask.analysis.plan import RunPlan
from bidsmask.images.bold import open_bold
from bidsmask.images.stream import most_bytes_of_blocks
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.images.volumes import load_mask
from bidsmask.vocabulary import FileFormat

_BYTES_PER_MB = 1e6
_VOXEL_BYTES = 4
_CARPET_ROWS = 900

_YARDSTICK_NUMBERS = 20_000
_YARDSTICK_S = 9e-3
"""What `_yardstick_s` gave where the coefficients were measured."""

_TIMES_MEASURED = 5
_BLOCKS_READ = 4


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds, and memory at the peak in MB (1e6 bytes)."""

    seconds: float
    memory_mb: float


_READ_S: Mapping[FileFormat, float] = MappingProxyType(
    {"nifti": 2.2e-9, "cifti": 4e-9, "gifti": 4e-8}
)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a machine is.

    Parameters
    ----------
    relative : float
        Seconds that it takes for what took one where the coefficients were measured.
    read_s_per_voxel : mapping from format to float
        Seconds to read and decompress one voxel, or vertex, of one volume.
    """

    relative: float = 1.0
    read_s_per_voxel: Mapping[FileFormat, float] = field(default_factory=lambda: _READ_S)


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """Seconds and bytes of each term.

    Measured with 97×115×97 × 300 and 91×109×91 × 1200 volumes (int16, .nii.gz), 1 to 10 atlases
    of 400 regions and 1 to 8 strategies, on two cores with Python 3.11.
    """

    start_s: float = 1.6
    """Imports, index and end of the command: once, however many runs there are."""

    crowding: float = 1.3
    """How much longer steps take side by side than alone: they share caches and memory."""

    node_s: float = 0.03
    """Process and bookkeeping of each step."""

    s_per_confound: float = 2.5e-5
    """For each volume and strategy."""

    s_per_placed_voxel: float = 3.5e-8
    """For each voxel and atlas."""

    s_per_seen_voxel: float = 7e-10
    """Quality of the run: for each voxel of each volume."""

    s_per_projected_voxel: float = 2.9e-10
    """For each voxel of each volume, and atlas."""

    s_per_smoothed_voxel: float = 4.5e-9
    """If volumes are smoothed: for each voxel of each volume."""

    links_per_mm2: float = 3.2
    """Places that one is smoothed with on surfaces: for each squared mm of full width at half
    maximum, at the density of `SMOOTHED_DENSITY`."""

    s_per_link: float = 8e-7
    """To find out how far apart two vertices are: for each of those links."""

    s_per_smoothed_link: float = 5e-10
    """For each link and volume, if values themselves are smoothed, and not weights of means."""

    s_per_sorted_voxel: float = 1.2e-9
    """For statistics other than means: for each voxel of each volume, atlas and statistic."""

    s_per_placed_map_voxel: float = 3e-9
    """For each voxel and map."""

    s_per_mapped_voxel: float = 1.2e-11
    """For maps, beside what an atlas takes: for each voxel of each volume, and map."""

    s_per_spilled_voxel: float = 8e-10
    """If voxels wait on the disk: for each voxel of each volume."""

    s_per_scaled_voxel: float = 2e-9
    """If voxels are scaled before they are averaged: for each voxel of each volume."""

    s_per_cleaned_voxel: float = 5.5e-9
    """For each voxel of each volume, and strategy; once more for measures of every voxel."""

    s_per_alff_voxel: float = 2e-9
    s_per_reho_voxel: float = 6e-9
    """For each voxel of each volume, and strategy."""

    s_per_imaged_voxel: float = 2.5e-9
    """For each voxel of each volume of each image that is written of voxels or maps."""

    s_per_smoothed_copy: float = 6.5e-9
    """For each voxel of each volume of a smoothed copy."""

    s_per_correlated_voxel: float = 3.5e-11
    """For each voxel of each volume, and map of a seed."""

    s_per_cleaned_value: float = 7e-8
    s_per_matrix_value: float = 6e-8
    s_per_written_value: float = 7.4e-7
    run_written_s: float = 0.04
    run_figures_s: float = 0.26
    atlas_figures_s: float = 0.2
    cleaned_figures_s: float = 0.21
    """For each atlas and strategy."""

    shared_bytes: float = 230e6
    """The command itself and the server that holds all libraries: once."""

    worker_bytes: float = 32e6
    bytes_per_seen_voxel: float = 16.0
    bytes_per_placed_voxel: float = 8.0
    """For each atlas."""

    bytes_per_smoothed_voxel: float = 32.0

    bytes_per_new_link: float = 40.0
    bytes_per_link: float = 16.0
    """Of places that are smoothed together: in the largest structure, and in all of them if values
    themselves are smoothed."""

    bytes_per_mapped_voxel: float = 0.6
    """For each map."""

    bytes_per_spilled_voxel: float = 8.0
    bytes_per_scaled_voxel: float = 32.0
    """If voxels are scaled before they are averaged."""

    cleaning_bytes: float = 40e6
    """Of voxels that are cleaned at a time."""

    bytes_per_imaged_voxel: float = 70.0
    """Of what is written of all voxels: some volumes at a time are ready to be written."""

    correlating_bytes: float = 40e6
    """If there are maps of seeds."""

    share_held: float = 0.4
    """Of the voxels of all volumes, those that a statistic which needs all of them holds."""

    bytes_per_value: float = 11.0
    """Of signals and matrices, copies included."""

    writing_bytes: float = 20e6
    drawing_bytes: float = 23e6
    bytes_per_drawn_voxel: float = 14.0


COEFFICIENTS = Coefficients()

SMOOTHED_DENSITY = 32_492
"""Vertices of a hemisphere for which coefficients of smoothing on surfaces were measured."""


def step_costs(plan: RunPlan, pace: Pace | None = None) -> dict[str, Cost]:
    """Cost of each step of a run, by the name of its node.

    Parameters
    ----------
    plan : RunPlan
    pace : Pace, optional
        By default that of the machine where the coefficients were measured.
    """
    pace, one, size = pace or Pace(), COEFFICIENTS, _Size.of(plan)
    seconds = {
        "load_confounds": one.s_per_confound * size.n_volumes * size.n_strategies,
        "resample_atlas": one.s_per_placed_voxel * size.placed_voxels
        + one.s_per_placed_map_voxel * size.n_maps * size.n_voxels,
        "extract": (one.s_per_seen_voxel + one.s_per_smoothed_voxel * size.smooths)
        * size.seen_voxels
        + (
            one.s_per_projected_voxel * size.n_statistics
            + one.s_per_sorted_voxel * size.n_not_means
        )
        * (size.n_volumes * size.placed_voxels)
        + one.s_per_mapped_voxel * size.n_maps * size.seen_voxels
        + one.s_per_link * size.n_links * size.n_smoothings
        + one.s_per_smoothed_link * size.n_links * size.n_volumes * size.n_values_smoothed
        + (
            one.s_per_spilled_voxel * size.needs_voxels
            + one.s_per_scaled_voxel * size.scales_voxels
        )
        * size.seen_voxels,
        "clean": one.s_per_cleaned_value * size.n_strategies * size.extracted_values,
        "connectivity": one.s_per_matrix_value * size.matrix_values,
        "task": one.s_per_cleaned_value * size.n_strategies * size.extracted_values,
        "voxelwise": size.n_strategies
        * (
            (
                one.s_per_cleaned_voxel * size.n_cleanings
                + one.s_per_alff_voxel * size.has_alff
                + one.s_per_reho_voxel * size.has_reho
                + one.s_per_imaged_voxel * size.n_images
            )
            * size.seen_voxels
            + one.s_per_smoothed_copy * size.n_smoothed * size.seen_voxels
            + one.s_per_imaged_voxel * size.n_seed_maps * size.n_voxels
            + one.s_per_correlated_voxel * size.n_seed_maps * size.seen_voxels
        ),
        "derive": one.run_written_s
        + one.s_per_written_value * size.written_values
        + one.s_per_imaged_voxel * size.n_maps * size.n_voxels,
        "report": one.run_figures_s
        + size.n_atlases * (one.atlas_figures_s + size.n_strategies * one.cleaned_figures_s),
    }
    if not size.needs_voxels:
        del seconds["voxelwise"]
    if not plan.events.any:
        del seconds["task"]
    read_s = {**_READ_S, **pace.read_s_per_voxel}[plan.run.file_format]
    reading_s = read_s * size.seen_voxels * (1 + size.scales_voxels + size.n_smoothings)
    memory = _step_bytes(size)
    return {
        name: Cost(
            seconds=pace.relative * (one.node_s + seconds[name])
            + (reading_s if name == "extract" else 0.0),
            memory_mb=memory[name] / _BYTES_PER_MB,
        )
        for name in seconds
    }


def request_cost(plans: Sequence[RunPlan], n_procs: int, pace: Pace | None = None) -> Cost:
    """Cost of a command that does these runs and no others, all of its processes together.

    Parameters
    ----------
    plans : sequence of RunPlan
    n_procs : int
        Steps at once; the last two of a run may be done side by side.
    pace : Pace, optional
        By default that of the machine where the coefficients were measured.
    """
    steps = [step_costs(plan, pace) for plan in plans]
    at_once = sorted((mb for each in steps for mb in _at_once_mb(each)), reverse=True)
    work_s = sum(cost.seconds for each in steps for cost in each.values())
    crowding = COEFFICIENTS.crowding if n_procs > 1 else 1.0
    longest_s = max((_longest_way_s(each) for each in steps), default=0.0)
    start_s = (pace or Pace()).relative * COEFFICIENTS.start_s
    return Cost(
        seconds=start_s + max(crowding * work_s / n_procs, longest_s),
        memory_mb=COEFFICIENTS.shared_bytes / _BYTES_PER_MB + sum(at_once[:n_procs]),
    )


def voxel_room(plan: RunPlan) -> tuple[int, int]:
    """Room that voxels take on the disk, in bytes.

    Returns
    -------
    output_bytes : int
        Of the images; values of voxels do not compress.
    work_bytes : int
        At most, in the work folder, while the run is done.

    Raises
    ------
    ImageError, SpaceError
        If the mask cannot be read, or does not fit the run.
    """
    if not plan.voxelwise.any:
        return 0, 0
    n_inside = plan.grid.n_voxels
    if plan.run.mask is not None:
        with heard():  # what is odd about the mask is said elsewhere
            n_inside = int(np.count_nonzero(load_mask(plan.run.mask, plan.grid)))
    size = _Size.of(plan)
    a_volume = _VOXEL_BYTES * n_inside
    n_maps = size.n_seed_maps + len(plan.voxelwise.regional)
    n_volumes = size.n_images * size.n_volumes + n_maps
    return (
        size.n_strategies * n_volumes * a_volume,
        (2 * size.n_volumes + size.n_seed_maps) * a_volume,
    )


def memory_for_steps_gb(memory_gb: float) -> float:
    """What is left of the memory of a command for its steps to claim.

    Never nothing: then they are done one by one, and those that need more are done all the same.
    """
    return max(memory_gb - COEFFICIENTS.shared_bytes / 1e9, 1e-3)


def measure_pace(plans: Sequence[RunPlan]) -> Pace:
    """How fast this machine is now: some arithmetic, and the first blocks of some runs."""
    first = {plan.run.file_format: plan.run.files for plan in reversed(plans)}
    return Pace(
        relative=min(_yardstick_s() for _ in range(_TIMES_MEASURED)) / _YARDSTICK_S,
        read_s_per_voxel={
            file_format: min(_read_s_per_voxel(files) for _ in range(_TIMES_MEASURED))
            for file_format, files in first.items()
        },
    )


@dataclass(frozen=True, kw_only=True)
class _Size:
    """How much there is of what costs."""

    n_volumes: int
    n_voxels: int
    n_atlases: int
    n_strategies: int
    n_statistics: int
    n_not_means: int
    n_held: int
    n_columns: int
    n_matrix_values: int
    n_maps: int
    n_seed_maps: int
    n_images: int
    n_smoothed: int
    n_cleanings: int
    has_alff: bool
    has_reho: bool
    needs_voxels: bool
    scales_voxels: bool
    voxel_bytes: int
    smooths: bool
    n_links: float
    n_links_at_once: float

    @classmethod
    def of(cls, plan: RunPlan) -> Self:
        """Count what a plan asks for."""
        regions = [len(source.lut.ids) for source in plan.sources]
        statistics, wanted = plan.extraction.statistics, plan.voxelwise
        n_maps, n_seeds = (
            sum(len(source.lut.ids) for source in plan.sources if source.kind == kind)
            for kind in ("probseg", "seeds")
        )
        n_smoothed = int(wanted.voxelwise_smoothing_fwhm_mm > 0)
        links = _links(plan)
        return cls(
            n_volumes=plan.n_volumes,
            n_voxels=plan.grid.n_voxels,
            n_atlases=len(regions),
            n_strategies=len(plan.strategies),
            n_statistics=len(statistics),
            n_not_means=sum(label != "mean" for label in statistics),
            n_held=len(regions) * ("eigenvariate" in statistics),
            n_columns=len(statistics) * sum(regions),
            n_matrix_values=len(plan.connectivity.measures)
            * len(plan.connectivity.create_matrices)
            * sum(n**2 for n in regions),
            n_maps=n_maps,
            n_seed_maps=n_seeds * wanted.seed_maps,
            n_images=wanted.voxelwise + n_smoothed,
            n_smoothed=n_smoothed,
            n_cleanings=(wanted.voxelwise or wanted.seed_maps) + bool(wanted.regional),
            has_alff=wanted.alff,
            has_reho=wanted.reho,
            needs_voxels=wanted.any,
            scales_voxels=plan.extraction.voxel_scaling != "none",
            voxel_bytes=plan.voxel_bytes,
            smooths=plan.extraction.smoothing_fwhm_mm > 0 and not links,
            n_links=sum(links),
            n_links_at_once=max(links, default=0.0),
        )

    @property
    def n_values_smoothed(self) -> int:
        """How often values on surfaces are smoothed: means and maps need no more than weights."""
        if not self.n_links:
            return 0
        return self.n_atlases * self.n_not_means + self.needs_voxels

    @property
    def n_smoothings(self) -> int:
        """How often a run on surfaces is gone through for what is smoothed."""
        has_weights = self.n_links and self.n_atlases and self.n_not_means < self.n_statistics
        return bool(has_weights) + self.n_values_smoothed

    @property
    def seen_voxels(self) -> int:
        return self.n_volumes * self.n_voxels

    @property
    def placed_voxels(self) -> int:
        return self.n_atlases * self.n_voxels

    @property
    def extracted_values(self) -> int:
        return self.n_volumes * (self.n_columns + _CARPET_ROWS)

    @property
    def matrix_values(self) -> int:
        return self.n_strategies * self.n_matrix_values

    @property
    def written_values(self) -> int:
        return self.n_strategies * self.n_volumes * self.n_columns + self.matrix_values


def _links(plan: RunPlan) -> list[float]:
    """How many places are smoothed together in each structure of a run on surfaces."""
    if not (plan.is_on_surfaces and plan.extraction.smoothing_fwhm_mm):
        return []
    of_place = COEFFICIENTS.links_per_mm2 * plan.extraction.smoothing_fwhm_mm**2
    return [
        of_place * len(each.places) * (each.n_vertices or SMOOTHED_DENSITY) / SMOOTHED_DENSITY
        for each in plan.grid.structures
    ]


def _step_bytes(size: _Size) -> dict[str, float]:
    one = COEFFICIENTS
    maps = one.bytes_per_mapped_voxel * size.n_maps * size.n_voxels
    placed = one.worker_bytes + one.bytes_per_placed_voxel * size.placed_voxels + maps
    signals = one.bytes_per_value * size.extracted_values
    cleaned = signals * (1 + size.n_strategies)
    results = placed + cleaned + one.bytes_per_value * size.matrix_values
    blocks = most_bytes_of_blocks(size.n_voxels, size.voxel_bytes)
    return {
        "load_confounds": one.worker_bytes,
        "resample_atlas": one.worker_bytes
        + (one.bytes_per_seen_voxel + one.bytes_per_placed_voxel) * size.n_voxels
        + maps,
        "extract": placed
        + signals
        + blocks
        + one.bytes_per_seen_voxel * size.n_voxels
        + one.bytes_per_spilled_voxel * size.needs_voxels * size.n_voxels
        + one.bytes_per_scaled_voxel * size.scales_voxels * size.n_voxels
        + one.bytes_per_smoothed_voxel * size.smooths * size.n_voxels
        + one.bytes_per_new_link * size.n_links_at_once
        + one.bytes_per_link * size.n_links * (size.n_values_smoothed > 0)
        + one.share_held * size.n_held * size.seen_voxels * size.voxel_bytes,
        "clean": placed + cleaned,
        "task": placed + cleaned,
        "connectivity": one.worker_bytes + cleaned + one.bytes_per_value * size.matrix_values,
        "voxelwise": placed
        + cleaned
        + one.cleaning_bytes
        + one.bytes_per_imaged_voxel * size.n_voxels
        + one.correlating_bytes * (size.n_seed_maps > 0),
        "derive": results + one.writing_bytes,
        "report": results + one.drawing_bytes + one.bytes_per_drawn_voxel * size.n_voxels,
    }


def _at_once_mb(steps: dict[str, Cost]) -> tuple[float, float]:
    """Memory of the largest step, and of one that may be done beside it, in MB."""
    last_two = (steps["derive"].memory_mb, steps["report"].memory_mb)
    return max(cost.memory_mb for cost in steps.values()), min(last_two)


def _longest_way_s(steps: dict[str, Cost]) -> float:
    last_two = (steps["derive"].seconds, steps["report"].seconds)
    return sum(cost.seconds for cost in steps.values()) - min(last_two)


def _yardstick_s() -> float:
    """Take the time of what writing and drawing consist of: numbers becoming text."""
    numbers = np.linspace(-1, 1, _YARDSTICK_NUMBERS)
    started = time.perf_counter()
    "\t".join(map(repr, numbers.tolist()))
    return time.perf_counter() - started


def _read_s_per_voxel(files: Sequence[Path]) -> float:
    """Take the time of the first blocks of a run."""
    stream = open_bold(files)
    started = time.perf_counter()
    if isinstance(stream, SurfaceSeries) and stream.by_points:
        blocks = stream.point_blocks()
    else:
        blocks = stream.blocks()
    n_voxels = sum(int(block.size) for _, block in islice(blocks, _BLOCKS_READ))
    return (time.perf_counter() - started) / n_voxels
