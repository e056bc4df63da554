"""Clean every voxel of a run and write it as an image: a script with nilearn against bidsmask.

``python -m benchmarks.voxelwise`` makes inputs, lets the script and the whole command
(``--voxelwise``, its reports too) do the work in turn, and prints ratios and the largest
difference of the two images.
"""

import argparse
import shutil
import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.inputs import Inputs
from benchmarks.measure import peak_mb_of_command, timed_command
from benchmarks.workloads import CLEANED, FULL, QUICK, Run

TOOLS = ("nilearn", "bidsmask")
FASTER, SMALLER = 15, 5
"""Goals: so many times less wall time, and memory of all processes together, than nilearn."""


def main() -> None:
    """Measure both tools, or be one of them."""
    options = _parser().parse_args()
    inputs, run = Inputs(options.inputs), QUICK if options.quick else FULL
    if options.work:
        _nilearn(inputs, run)
        return
    inputs.bold(**vars(run))
    inputs.mask(run.lattice)
    inputs.confounds(run.n_volumes)
    sys.stdout.write(_measured(inputs, run, options.pairs, quick=options.quick))


def _parser() -> argparse.ArgumentParser:
    home = Path(tempfile.gettempdir()) / "bidsmask-benchmarks" / "full"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.voxelwise", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="times each tool is measured")
    parser.add_argument("--quick", action="store_true", help="a run of 65x77x65 and 200 volumes")
    parser.add_argument("--inputs", type=Path, default=home, help="where inputs are kept")
    parser.add_argument("--work", choices=["nilearn"], help=argparse.SUPPRESS)
    return parser


def _measured(inputs: Inputs, run: Run, pairs: int, *, quick: bool) -> str:
    commands = _commands(inputs, run, quick=quick)
    times: dict[str, list[tuple[float, float]]] = {tool: [] for tool in TOOLS}
    for _, tool in product(range(pairs), TOOLS):
        shutil.rmtree(_output(inputs), ignore_errors=True)
        times[tool].append(timed_command(commands[tool]))
    lines = []
    typical = {}
    for tool in TOOLS:
        wall_s, processor_s = (median(each) for each in zip(*times[tool], strict=True))
        shutil.rmtree(_output(inputs), ignore_errors=True)
        typical[tool] = np.array([wall_s, processor_s, peak_mb_of_command(commands[tool])])
        size_mb = _image(inputs, tool).stat().st_size / 1e6
        lines.append(
            f"{tool}: {wall_s:.2f} s, {processor_s:.2f} s of processors, "
            f"{typical[tool][2]:.0f} MB; the image has {size_mb:.0f} MB"
        )
    wall, processor, memory = typical["nilearn"] / typical["bidsmask"]
    lines += [
        f"wall {wall:.1f}× (≥ {FASTER}), processor {processor:.1f}×, "
        f"memory {memory:.1f}× (≥ {SMALLER})",
        f"largest difference {_difference(inputs, run):.1e} SD",
    ]
    return "\n".join(lines) + "\n"


def _nilearn(inputs: Inputs, run: Run) -> None:
    import pandas as pd
    from nilearn.maskers import NiftiMasker

    masker = NiftiMasker(str(inputs.mask(run.lattice)), **CLEANED)
    confounds = pd.read_csv(inputs.confounds(run.n_volumes), sep="\t").iloc[:, :36].bfill()
    signals = masker.fit_transform(str(inputs.bold(**vars(run))), confounds=confounds)
    masker.inverse_transform(signals).to_filename(_image(inputs, "nilearn"))


def _image(inputs: Inputs, tool: str) -> Path:
    if tool == "nilearn":
        return inputs.folder / "voxelwise_nilearn.nii.gz"
    (found,) = _output(inputs).glob("sub-01/func/*_desc-36P_bold.nii.gz")
    return found


def _output(inputs: Inputs) -> Path:
    return inputs.folder / "voxelwise_output"


def _commands(inputs: Inputs, run: Run, *, quick: bool) -> dict[str, list[str]]:
    """Give what each tool is started with: a script, and the command line."""
    own = ["-W", "ignore", "-m", "benchmarks.voxelwise", "--inputs", str(inputs.folder)]
    dataset = inputs.dataset(run.lattice, run.n_volumes, 1)
    cutoffs = [f"--{name}-pass={CLEANED[f'{name}_pass']}" for name in ("high", "low")]
    ours = [str(dataset), str(_output(inputs)), "participant", "--voxelwise", *cutoffs]
    return {
        "nilearn": [sys.executable, *own, *(["--quick"] if quick else []), "--work", "nilearn"],
        "bidsmask": [sys.executable, "-m", "bidsmask", *ours, "--strategies", "36P"],
    }


def _difference(inputs: Inputs, run: Run) -> float:
    """Largest difference of the images, whose voxels have a standard deviation of 1."""
    import nibabel as nib

    images = [nib.load(_image(inputs, tool)) for tool in TOOLS]
    largest = 0.0
    for first in range(0, run.n_volumes, 50):
        some = [np.asarray(image.dataobj[..., first : first + 50]) for image in images]
        largest = max(largest, float(np.abs(some[0] - some[1]).max()))
    return largest


if __name__ == "__main__":
    main()
