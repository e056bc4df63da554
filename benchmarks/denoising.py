"""Benchmarks of denoising over a group, against a loop over edges with statsmodels.

``python -m benchmarks.denoising`` writes stacks of matrices of a simulated group, measures all
benchmarks of all strategies in a fresh process (processor time on one thread, and the peak of its
memory), and fits some edges by ``OLS(z, [1, motion, age])``, the way that users write it. The loop
is timed on these and scaled to all edges, strategies and permutations; its p is compared.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask.analysis.group.benchmark import N_PERMUTATIONS, benchmarks
from bidsmask.analysis.group.benchmark_table import benchmark_table
from bidsmask.analysis.group.recommendation import recommend
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.derivatives.read import TableKey
from bidsmask.derivatives.stacks import StackedRun, Triangle, open_stack, write_matrices

FASTER, MOST_MB = 50, 1024
"""Goals: so many times less processor time than the loop; memory of the whole process."""

ATLAS = "space-MNI152NLin2009cAsym_atlas-Simulated"
NAMES = ("24P", "simple", "36P", "acompcor")
N_NETWORKS = 7


def main() -> None:
    """Measure both, ours in a process of its own."""
    options = _parser().parse_args()
    if options.child:
        sys.stdout.write(json.dumps(_measured(options)) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        _write_stacks(options)
        arguments = [f"--{name}={getattr(options, name)}" for name in (*_NUMBERS, "edges")]
        command = [sys.executable, "-m", "benchmarks.denoising", "--child", *arguments]
        done = subprocess.run(
            [*command, f"--folder={folder}"], check=True, stdout=subprocess.PIPE, text=True
        )
        ours = json.loads(done.stdout.splitlines()[-1])
        loop_s, difference = _loop(options, np.array(ours["p"]))
    n_edges = options.regions * (options.regions - 1) // 2
    loop_s *= n_edges * options.strategies * (options.permutations + 1)
    sys.stdout.write(
        f"{options.runs} runs, {n_edges} edges, {options.strategies} strategies, "
        f"{options.permutations} permutations: {ours['processor_s']:.0f} s, the loop "
        f"{loop_s:.3g} s (scaled from {options.edges} edges), {loop_s / ours['processor_s']:.0f}x "
        f"(>= {FASTER}); {ours['peak_mb']:.0f} MB (< {MOST_MB}); largest difference of p "
        f"{difference:.1e}\n"
    )


_NUMBERS = {"runs": 1000, "regions": 400, "strategies": 4, "permutations": N_PERMUTATIONS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoising", description=__doc__)
    for name, default in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--edges", type=int, default=1000, help="that the loop is timed on")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def _group(n_runs: int) -> tuple[FloatArray, FloatArray]:
    """Motion and age of a run each."""
    rng = np.random.default_rng(0)
    return rng.gamma(4, 0.05, n_runs), rng.uniform(20, 70, n_runs)


def _name(number: int) -> str:
    return f"sub-{number:05}_task-rest"


def _write_stacks(options: argparse.Namespace) -> None:
    """Networks, a slope of motion, and noise, for each strategy."""
    n = options.regions
    first, second = np.triu_indices(n, 1)
    network = np.arange(n) % N_NETWORKS
    motion, _ = _group(options.runs)
    runs = [
        StackedRun(run=_name(number), participant_id=f"sub-{number:05}", n_volumes=300, t_r=2.0)
        for number in range(options.runs)
    ]
    for seed, name in enumerate(NAMES[: options.strategies]):
        rng = np.random.default_rng(seed)
        mean = 0.3 * (network[first] == network[second])
        slope = rng.normal(0, 0.2, mean.size)
        matrices = (
            Triangle(
                np.tanh(mean + slope * fd + 0.15 * rng.standard_normal(mean.size, np.float32)),
                np.ones(n, np.float32),
            )
            for fd in motion
        )
        path = options.folder / f"{name}.h5"
        regions = [f"region{number}" for number in range(n)]
        write_matrices(path, runs, regions, matrices, {}, within=options.folder)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all strategies, and rank them."""
    motion, age = _group(options.runs)
    names = [_name(number) for number in range(options.runs)]
    people = [name.split("_")[0] for name in names]
    centroids = _centroids(options.regions)
    table = {"Node": range(options.regions), **dict(zip("xyz", centroids.T, strict=True))}
    runs = tuple(
        SimpleNamespace(
            name=name,
            entities={"task": "rest"},
            coverage=lambda atlas: table,
            design=lambda desc: None,
        )
        for name in names
    )
    strategies = NAMES[: options.strategies]
    stacks = [
        StackFile(
            path=options.folder / f"{name}.h5",
            key=TableKey(ATLAS, "pearsoncorrelation", name),
            has_matrices=True,
            runs=runs,  # type: ignore[arg-type]
            left_out=(),
        )
        for name in strategies
    ]
    about = {"session_id": None, "dof_remaining": 100.0, "dof_share": 0.5, "fd_dvars_after": 0.1}
    qc = pd.concat(
        pd.DataFrame({"participant_id": people, "bids_name": names, "mean_fd": motion}).assign(
            strategy=name, **about
        )
        for name in strategies
    )
    participants = pd.DataFrame({"participant_id": people, "age": age})
    included = dict.fromkeys(strategies, names)
    start = time.process_time()
    found = list(
        benchmarks(stacks, qc, participants, included, n_permutations=options.permutations)
    )
    benchmark_table(found)
    recommend(found)
    assert found[0].measured is not None
    return {
        "processor_s": time.process_time() - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "p": found[0].measured.qcfc.p[: options.edges].tolist(),
    }


def _centroids(n_regions: int) -> FloatArray:
    return np.random.default_rng(1).uniform(-60, 60, (n_regions, 3))


def _loop(options: argparse.Namespace, ours: FloatArray) -> tuple[float, float]:
    """Fit some edges one by one; seconds of one edge, and by how much p differs at most."""
    import statsmodels.api as sm

    motion, age = _group(options.runs)
    with open_stack(options.folder / f"{NAMES[0]}.h5") as stack:
        z = np.arctanh(stack.edges(slice(None), slice(0, options.edges)).astype(np.float64))
    design = sm.add_constant(np.column_stack([motion, age]))
    start = time.process_time()
    p = [sm.OLS(edge, design).fit().pvalues[1] for edge in z.T]
    seconds = (time.process_time() - start) / options.edges
    return seconds, float(np.abs(np.array(p) - ours).max())


if __name__ == "__main__":
    main()
