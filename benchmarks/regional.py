"""ALFF, fALFF and ReHo of a run, beside the pass over its file that they rest on.

``python -m benchmarks.regional`` makes inputs, and takes the time of

- the pass: the file is read, 400 regions and the quality of the run are taken off it, and every
  voxel of the mask is put on the disk;
- ALFF and fALFF, ReHo, and all three, of these voxels behind a regression of 36 confounds; with
  all volumes kept, and with a fifth of them left out.

Medians, in turn, in one process; memory is the highest that this process has had.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.inputs import T_R, Inputs, design
from benchmarks.workloads import FULL, QUICK, Run
from bidsmask.analysis.regional import regional_maps
from bidsmask.columns.extract import extract
from bidsmask.columns.regions import place_regions, read_labels
from bidsmask.columns.request import Request
from bidsmask.columns.statistics import RunStatistics
from bidsmask.columns.voxels import place_voxels
from bidsmask.images.signals_on_disk import SignalsOnDisk, new_signals
from bidsmask.images.stream import BoldStream
from bidsmask.images.volumes import load_mask
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters

GOAL = 1.5
"""All three measures take at most so many times what the pass takes."""

MEASURES = {
    "ALFF and fALFF": ("alff", "falff"),
    "ReHo": ("reho",),
    "all three": ("alff", "falff", "reho"),
}
LEFT_OUT = 0.2


def main() -> None:
    """Measure, and print a table."""
    options = _parser().parse_args()
    inputs, run = Inputs(options.inputs), QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(dir=options.inputs) as folder:
        work = _Work(inputs, run, Path(folder))
        sys.stdout.write(_table(work, options.pairs))


def _parser() -> argparse.ArgumentParser:
    home = Path(tempfile.gettempdir()) / "bidsmask-benchmarks" / "full"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regional", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="times each is measured")
    parser.add_argument("--quick", action="store_true", help="a run of 65x77x65 and 200 volumes")
    parser.add_argument("--inputs", type=Path, default=home, help="where inputs are kept")
    return parser


class _Work:
    """What is measured."""

    def __init__(self, inputs: Inputs, run: Run, folder: Path) -> None:
        inputs.folder.mkdir(parents=True, exist_ok=True)
        self._stream = BoldStream(inputs.bold(**vars(run)))
        self._mask = load_mask(inputs.mask(run.lattice), self._stream.grid)
        labels, grid = read_labels(inputs.labels(run.lattice))
        ids = np.unique(labels[labels > 0]).tolist()
        self._regions = place_regions(labels, grid, ids, grid=self._stream.grid, mask=self._mask)
        self._design = design(inputs.confounds(run.n_volumes))
        self._folder, self._voxels = folder, folder / "voxels.npy"

    def read(self) -> None:
        """Make the pass."""
        inside = np.flatnonzero(self._mask.ravel(order="F"))
        seen = RunStatistics(self._stream, self._mask)
        shape = self._stream.n_volumes, inside.size
        with new_signals(self._voxels, shape) as out:
            voxels = Request(
                columns=place_voxels(inside, self._stream.grid), dtype=out.dtype, out=out
            )
            _, found = extract(
                self._stream, [Request(columns=self._regions), voxels], see=[seen.see]
            )
        self._covered = found.used

    def measure(self, measures: tuple[str, ...], *, left_out: float = 0.0) -> None:
        """Map some measures."""
        kept = np.random.default_rng(0).random(self._stream.n_volumes) >= left_out
        cleaner = Cleaner(
            CleaningParameters(standardize="none"),
            t_r=T_R,
            sample_mask=kept,
            design=self._design,
        )
        with SignalsOnDisk(self._voxels) as voxels:
            regional_maps(
                voxels,
                cleaner,
                measures,
                t_r=T_R,
                covered=self._covered,
                mask=self._mask,
                scratch=self._folder,
            )


def _table(work: _Work, pairs: int) -> str:
    calls: dict[str, Callable[[], None]] = {"the pass": work.read}
    for name, measures in MEASURES.items():
        calls[name] = partial(work.measure, measures)
        calls[f"{name}, a fifth left out"] = partial(work.measure, measures, left_out=LEFT_OUT)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(pairs):
        for name, call in calls.items():
            times[name].append(_timed(call))
    of_pass = median(wall for wall, _ in times["the pass"])
    lines = ["| what | wall s | processor s | of the pass |", "| --- | --- | --- | --- |"]
    for name, each in times.items():
        wall, processor = (median(column) for column in zip(*each, strict=True))
        lines.append(f"| {name} | {wall:.2f} | {processor:.2f} | {wall / of_pass:.2f}× |")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return "\n".join([*lines, f"\nGoal: ≤ {GOAL}×. At most {peak_mb:.0f} MB.\n"])


def _timed(call: Callable[[], None]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
