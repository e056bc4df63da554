"""One fresh process of the benchmark: makes inputs, does one piece of work, or compares results.

``python -m benchmarks.child ROLE FOLDER NAME TOOL QUICK`` answers with one line of JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.goals import Size
from benchmarks.inputs import Inputs
from benchmarks.workloads import (
    EXACT,
    FULL,
    N_ATLASES,
    QUICK,
    WORKLOADS,
    Run,
    Workload,
    arguments,
    difference,
    in_double_precision,
    perform,
    perform_atlases,
)

CHUNK = 1 << 20
REPEATS = 7
VOLUMES_APART = 50
"""Of those that are computed again in double precision."""

STEPS = (
    "load_confounds",
    "resample_atlas",
    "extract",
    "clean",
    "connectivity",
    "derive",
    "report",
)


def main(role: str, folder: str, name: str, tool: str, quick: str) -> None:
    """Play a role, and print what came of it."""
    run = _run_of(name, quick=quick == "quick")
    sys.stdout.write(json.dumps(ROLES[role](Inputs(Path(folder)), name, tool, run)) + "\n")


def _run_of(name: str, *, quick: bool) -> Run:
    if name.startswith("volumes-"):
        return Run(lattice="c", n_volumes=int(name.removeprefix("volumes-")))
    own = None if name not in WORKLOADS or quick else WORKLOADS[name].run
    return own or (QUICK if quick else FULL)


def prepare(inputs: Inputs, name: str, tool: str, run: Run) -> dict[str, Any]:
    """Make what is missing, outside of any measurement."""
    inputs.bold(**vars(run))
    inputs.mask(run.lattice)
    if name in WORKLOADS:
        arguments(WORKLOADS[name], inputs, run)
        return vars(run)
    for number in range(_n_atlases(name)):
        inputs.labels(run.lattice, number=number)
    return vars(run)


def work(inputs: Inputs, name: str, tool: str, run: Run) -> dict[str, Any]:
    """Do the work; what it took is read before the result is kept for the comparison."""
    written = _written(inputs, tool)
    if name in WORKLOADS:
        result = perform(WORKLOADS[name], tool, inputs, run, written)
    else:
        result = perform_atlases(tool, inputs, run, _n_atlases(name))
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    took = {
        "ready": time.time(),
        "processor_s": sum(each.ru_utime + each.ru_stime for each in (own, children)),
        "peak_mb": max(own.ru_maxrss, children.ru_maxrss) / 1024,
    }
    if result is not None:
        np.save(_kept(inputs, tool), result)
    return took


def dataset(inputs: Inputs, subjects: str, strategies: str, run: Run) -> dict[str, Any]:
    """Make what the command line needs, and give its arguments."""
    root = inputs.dataset(run.lattice, run.n_volumes, int(subjects))
    return _arguments(
        inputs, root, [inputs.labels(run.lattice)], inputs.strategies(int(strategies))
    )


def request(inputs: Inputs, size: str, tool: str, run: Run) -> dict[str, Any]:
    """Make what the command line needs for runs of that `benchmarks.goals.Size`."""
    wanted = Size(**json.loads(size))
    root = inputs.dataset(wanted.lattice, wanted.n_volumes, wanted.n_subjects)
    atlases = [inputs.labels(wanted.lattice, number=each) for each in range(wanted.n_atlases)]
    return _arguments(inputs, root, atlases, inputs.strategies(wanted.n_strategies))


def _arguments(
    inputs: Inputs, root: Path, atlases: list[Path], strategies: list[str]
) -> dict[str, Any]:
    where = [str(root), str(inputs.folder / "command_output"), "participant"]
    what = ["--atlases", *(map(str, atlases) if atlases else ["none"])]
    what += ["--strategies", *strategies]
    return {"arguments": [*where, *what]}


def columns(inputs: Inputs, name: str, tool: str, run: Run) -> dict[str, str]:
    """Make maps and seeds for the command line."""
    return {"maps": str(inputs.named_maps(64)), "seeds": str(inputs.seeds(264))}


def predict(inputs: Inputs, request: str, tool: str, run: Run) -> dict[str, Any]:
    """Predict the cost of a command, and the seconds of each step of its first run."""
    from bidsmask.analysis.cost import measure_pace, request_cost, step_costs
    from bidsmask.analysis.plan import make_plan
    from bidsmask.cli.parser import parse
    from bidsmask.workflows.cohort import n_procs

    settings = parse(json.loads(request)).settings
    plans = make_plan(settings).runs
    pace = measure_pace(plans)
    steps = {name: cost.seconds for name, cost in step_costs(plans[0], pace).items()}
    return {"all": asdict(request_cost(plans, n_procs(settings), pace)), "steps": steps}


def steps(inputs: Inputs, work_dir: str, tool: str, run: Run) -> dict[str, Any]:
    """Seconds that each step of the first run has taken, as nipype noted them."""
    from nipype.utils.filemanip import loadpkl

    first = min(Path(work_dir).glob("**/result_report.pklz")).parents[1]
    found = first.glob("*/result_*.pklz")
    took = {path.parent.name: loadpkl(path).runtime.duration for path in found}
    return {name: took[name] for name in STEPS}


def compare(inputs: Inputs, name: str, tool: str, run: Run) -> dict[str, Any]:
    """Hold the results of both tools together."""
    workload = WORKLOADS.get(name)
    if workload is not None and workload.writes:
        ours, theirs = (_voxels(inputs, each, run) for each in ("bidsmask", "nilearn"))
    else:
        ours, theirs = (
            np.load(_kept(inputs, each), mmap_mode="r") for each in ("bidsmask", "nilearn")
        )
    found = difference(ours, theirs, integers=workload is not None and workload.integers)
    limit = EXACT if workload is None else workload.limit
    compared = {"difference_sd": found, "limit_sd": limit, "agree": found <= limit}
    if workload is not None and workload.volume_alone:
        compared["off_sd"] = off = _off_double_precision(inputs, workload, run)
        compared["agree"] |= off["bidsmask"] <= limit and found <= limit + off["nilearn"]
    return compared


def _off_double_precision(inputs: Inputs, workload: Workload, run: Run) -> dict[str, float]:
    """How far each tool is off signals in double precision, in standard deviations."""
    volumes = slice(None, None, VOLUMES_APART)
    exact = in_double_precision(workload, inputs, run, volumes)
    off = {}
    for tool in ("bidsmask", "nilearn"):
        signals = np.load(_kept(inputs, tool), mmap_mode="r")
        spread = signals.std(axis=0, dtype=np.float64)
        off[tool] = float((np.abs(signals[volumes] - exact) / spread).max())
    return off


def limit(inputs: Inputs, name: str, tool: str, run: Run) -> dict[str, Any]:
    """Time that it takes to do nothing but decompress, and to stream 400 labels, in turn."""
    from bidsmask.numerics.projections.regions import LabelMeans

    bold = inputs.bold(**vars(run))
    labels = _labels_flat(inputs.labels(run.lattice))
    means = LabelMeans(labels, np.unique(labels[labels != 0]))
    took = [(_seconds(_decompress, bold), _seconds(_stream, bold, means)) for _ in range(REPEATS)]
    decompression_s, stream_s = (median(each) for each in zip(*took, strict=True))
    return {"decompression_s": decompression_s, "stream_s": stream_s}


def memory(inputs: Inputs, repeats: str, tool: str, run: Run) -> dict[str, Any]:
    """Milliseconds that calls on an image in memory take with both tools."""
    from benchmarks.in_memory import measure

    return dict(measure(int(repeats)))


def _seconds(function: Callable[..., None], *arguments: Any) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def _stream(bold: Path, means: Any) -> None:
    from bidsmask.images.blocks import taken
    from bidsmask.images.stream import BoldStream

    for _, block in BoldStream(bold).blocks():
        means.project(taken(block, means.support))


def _decompress(path: Path) -> None:
    from isal import igzip

    buffer = bytearray(CHUNK)
    with igzip.open(path, "rb") as file:
        while file.readinto(buffer):
            pass


def _labels_flat(path: Path) -> np.ndarray:
    from bidsmask.columns.regions import read_labels

    return read_labels(str(path))[0].ravel(order="F")


def _voxels(inputs: Inputs, tool: str, run: Run) -> np.ndarray:
    """Brain of a written image, (T, V)."""
    import nibabel as nib

    brain = np.asarray(nib.load(inputs.mask(run.lattice)).dataobj) > 0
    return np.asarray(nib.load(_written(inputs, tool)).dataobj, dtype=np.float32)[brain].T


def _n_atlases(name: str) -> int:
    """Atlases of ``atlases-<number>``; one where another thing grows."""
    if name == "atlases":
        return N_ATLASES
    kind, _, number = name.partition("-")
    return int(number) if kind == "atlases" else 1


def _kept(inputs: Inputs, tool: str) -> Path:
    return inputs.folder / f"result_{tool}.npy"


def _written(inputs: Inputs, tool: str) -> Path:
    return inputs.folder / f"result_{tool}.nii.gz"


ROLES = {
    role.__name__: role
    for role in (
        *(prepare, dataset, request, columns),
        *(predict, steps, work, compare, limit, memory),
    )
}

if __name__ == "__main__":
    main(*sys.argv[1:])
