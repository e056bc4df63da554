"""Small calls, as they are made at a prompt: nilearn and bidsmask in turn in one process.

``python -m benchmarks.interactive`` prints, for public calls, the shortest processor time of
each tool, and how many times faster bidsmask is: in processor time, and in wall time. The latter
says little while other work uses the cores.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import nibabel as nib
import numpy as np

from benchmarks.inputs import Inputs as Files

SHAPE = (49, 58, 49)
AFFINE = nib.affines.from_matvec(4 * np.eye(3), (-96.0, -114.0, -96.0))
COARSE = nib.affines.from_matvec(5 * np.eye(3), (-96.0, -114.0, -96.0))
N_VOLUMES, N_TWENTY, N_RUNS = 100, 20, 4
LONGEST_S = 6.0
"""A call is repeated no more once both tools together have taken that long."""

RUN, VOLUME, SMALL = "a run", "one volume", "no image"
TWENTY, SEVERAL, FRESH = "20 transforms of a volume", "4 runs, n_jobs=2", "fresh process"

Call = Callable[[Any], Any]


class Inputs:
    """Noise in a ball of brain: voxels of 4 mm, 100 volumes, float32."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
        brain = sum(axis**2 for axis in axes) < 0.6
        run = np.zeros((*SHAPE, N_VOLUMES), dtype=np.float32, order="F")
        run[brain] = 1000 + 50 * rng.standard_normal((brain.sum(), N_VOLUMES), dtype=np.float32)
        labels = (brain * rng.integers(1, 101, SHAPE)).astype(np.int16)
        maps = brain[..., None] * np.abs(rng.standard_normal((*SHAPE, 20)))
        self.run = nib.Nifti1Image(run, AFFINE)
        self.volumes = [nib.Nifti1Image(run[..., t].copy(), AFFINE) for t in range(N_TWENTY)]
        self.volume = self.volumes[0]
        self.mask = nib.Nifti1Image(brain.astype(np.uint8), AFFINE)
        self.labels = nib.Nifti1Image(labels, AFFINE)
        self.maps = nib.Nifti1Image(maps.astype(np.float32), AFFINE)
        self.seeds = [
            tuple(seed) for seed in nib.affines.apply_affine(AFFINE, np.argwhere(brain)[::2000])
        ]
        self.rows = rng.standard_normal((N_VOLUMES, brain.sum()))
        self.signals = rng.standard_normal((N_VOLUMES, 100))
        self.confounds = rng.standard_normal((N_VOLUMES, 12))
        self.subjects = list(rng.standard_normal((8, N_VOLUMES, 30)))
        self.folder = folder
        dataset = Files(folder).dataset("t", N_VOLUMES, 1)
        self.preprocessed = str(next(dataset.rglob("*_desc-preproc_bold.nii.gz")))


class Tool:
    """Where a tool has its functions."""

    def __init__(self, *modules: Any) -> None:
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        found = next(getattr(each, name) for each in self._modules if hasattr(each, name))
        setattr(self, name, found)  # or looking for it would be measured, too
        return found


def tools() -> dict[str, Tool]:
    """The two that are measured."""
    import nilearn.connectome
    import nilearn.image
    import nilearn.interfaces.fmriprep
    import nilearn.maskers
    import nilearn.masking
    import nilearn.signal

    import bidsmask
    import bidsmask.connectome
    import bidsmask.image
    import bidsmask.signal

    peer = Tool(
        *(nilearn.maskers, nilearn.masking, nilearn.image, nilearn.signal),
        *(nilearn.connectome, nilearn.interfaces.fmriprep),
    )
    ours = Tool(bidsmask, bidsmask.image, bidsmask.signal, bidsmask.connectome)
    return {"nilearn": peer, "bidsmask": ours}


def calls(given: Inputs) -> dict[tuple[str, str], Call]:
    """What is measured, by what it is made with and its name."""
    found: dict[tuple[str, str], Call] = {}
    for kind, those in (
        (SMALL, _without_image(given)),
        (RUN, _of_images(given, given.run) | _of_runs(given)),
        (VOLUME, _of_images(given, given.volume)),
        (TWENTY, _twenty(given)),
        (SEVERAL, _several(given)),
    ):
        found |= {(kind, name): call for name, call in those.items()}
    return found


def _without_image(given: Inputs) -> dict[str, Call]:
    cleaned = {"detrend": True, "standardize": "zscore_sample", "low_pass": 0.1, "high_pass": 0.01}
    plain = {"detrend": False, "standardize": "zscore_sample"}
    found: dict[str, Call] = {
        "clean, z-score only": lambda tool: tool.clean(given.signals, **plain),
        "clean, detrend only": lambda tool: tool.clean(given.signals, standardize=None),
        "clean, band-pass, 12 confounds": lambda tool: tool.clean(
            given.signals, confounds=given.confounds, t_r=2.0, **cleaned
        ),
        "butterworth": lambda tool: tool.butterworth(given.signals, 0.5, low_pass=0.1),
        "load_confounds": lambda tool: tool.load_confounds(
            given.preprocessed, strategy=("motion", "wm_csf"), motion="full"
        ),
    }
    for kind in ("correlation", "partial correlation", "tangent"):
        found[f"ConnectivityMeasure {kind}"] = lambda tool, kind=kind: tool.ConnectivityMeasure(
            kind=kind, standardize="zscore_sample"
        ).fit_transform(given.subjects)
    return found


def _of_runs(given: Inputs) -> dict[str, Call]:
    """What takes a run, or several volumes, and not one volume."""
    cleaned = {"standardize": "zscore_sample", "low_pass": 0.1, "t_r": 2.0}
    return {
        "compute_epi_mask": lambda tool: tool.compute_epi_mask(given.run),
        "compute_background_mask": lambda tool: tool.compute_background_mask(given.run),
        "compute_brain_mask": lambda tool: tool.compute_brain_mask(given.run),
        "compute_multi_epi_mask": lambda tool: tool.compute_multi_epi_mask([given.run] * 2),
        "high_variance_confounds": lambda tool: tool.high_variance_confounds(given.run),
        "mean_img": lambda tool: tool.mean_img(given.run, copy_header=True),
        "concat_imgs": lambda tool: tool.concat_imgs(given.volumes),
        "clean_img": lambda tool: tool.clean_img(given.run, mask_img=given.mask, **cleaned),
    }


def _of_images(given: Inputs, img: Any) -> dict[str, Call]:
    """What takes a run, and one volume as well."""
    one = img is given.volume
    resampled = {"force_resample": True, "copy_header": True}
    found: dict[str, Call] = {
        "smooth_img": lambda tool: tool.smooth_img(img, 6),
        'smooth_img "fast"': lambda tool: tool.smooth_img(img, "fast"),
        "apply_mask": lambda tool: tool.apply_mask(img, given.mask),
        "unmask": lambda tool: tool.unmask(given.rows[0] if one else given.rows, given.mask),
        "math_img": lambda tool: tool.math_img("a * 2", a=img, copy_header_from="a"),
        "new_img_like": lambda tool: tool.new_img_like(img, np.asarray(img.dataobj)),
        "resample_to_img": lambda tool: tool.resample_to_img(img, given.mask, **resampled),
    }
    if one:
        found["intersect_masks"] = lambda tool: tool.intersect_masks([given.mask] * 2)
    for how in ("nearest", "linear", "continuous"):
        found[f"resample_img {how}"] = lambda tool, how=how: tool.resample_img(
            img, COARSE, interpolation=how, **resampled
        )
    for name, masker in _maskers(given).items():
        found[name] = lambda tool, masker=masker: masker(tool).fit_transform(img)
        if name != "NiftiSpheresMasker":  # nilearn's has no way back without a mask
            found[f"{name} and back"] = lambda tool, masker=masker: _there_and_back(
                masker(tool), img
            )
    return found


def _maskers(given: Inputs) -> dict[str, Call]:
    return {
        "NiftiMasker": lambda tool: tool.NiftiMasker(given.mask, reports=False),
        "NiftiLabelsMasker": lambda tool: tool.NiftiLabelsMasker(given.labels, reports=False),
        "NiftiMapsMasker": lambda tool: tool.NiftiMapsMasker(given.maps, reports=False),
        "NiftiSpheresMasker": lambda tool: tool.NiftiSpheresMasker(
            given.seeds, radius=6, reports=False
        ),
    }


def _there_and_back(masker: Any, img: Any) -> Any:
    return masker.inverse_transform(masker.fit_transform(img))


def _twenty(given: Inputs) -> dict[str, Call]:
    """Maskers that are fitted the first time that they are asked for, which is the slowest."""
    fitted: dict[tuple[str, Any], Any] = {}

    def call(name: str, tool: Any) -> list[Any]:
        if (name, tool) not in fitted:
            fitted[name, tool] = _maskers(given)[name](tool).fit()
        return [fitted[name, tool].transform(volume) for volume in given.volumes]

    return {name: lambda tool, name=name: call(name, tool) for name in _maskers(given)}


def _several(given: Inputs) -> dict[str, Call]:
    """Maskers of several runs; the processes that do the work start, and end, with the call."""

    def call(tool: Any, name: str, columns: Any) -> Any:
        from joblib.externals.loky import get_reusable_executor

        masker = getattr(tool, name)(columns, reports=False, n_jobs=2)
        signals = masker.fit([given.run]).transform([given.run] * N_RUNS)
        get_reusable_executor().shutdown(wait=True)
        return signals

    columns = {"MultiNiftiMasker": given.mask, "MultiNiftiLabelsMasker": given.labels}
    return {
        name: lambda tool, name=name, img=img: call(tool, name, img)
        for name, img in columns.items()
    }


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Shortest processor times of both tools in ms, and the ratio of their wall times."""

    kind: str
    name: str
    nilearn: float
    bidsmask: float
    wall: float

    @property
    def faster(self) -> float:
        """How many times less processor time bidsmask takes."""
        return self.nilearn / self.bidsmask


def measure(repeats: int, only: str = "") -> Iterator[Ratio]:
    """Make every call with both tools in turn."""
    found = tools()
    with tempfile.TemporaryDirectory() as folder:
        given = Inputs(Path(folder))
        for (kind, name), call in calls(given).items():
            if only in f"{name}, {kind}":
                works = {tool: lambda call=call, its=its: call(its) for tool, its in found.items()}
                yield _in_turn(kind, name, works, repeats)
        if only in f"import and first masker, {FRESH}":
            works = {tool: lambda tool=tool: _first_masker(given, tool) for tool in found}
            yield _in_turn(FRESH, "import and first masker", works, repeats)


def _in_turn(kind: str, name: str, works: dict[str, Callable[[], Any]], repeats: int) -> Ratio:
    took: dict[str, list[tuple[float, float]]] = {tool: [] for tool in works}
    started = time.perf_counter()
    while len(took["bidsmask"]) < repeats:
        if len(took["bidsmask"]) > 1 and time.perf_counter() - started > LONGEST_S:
            break
        for tool, work in works.items():
            processor, wall = _processor_s(), time.perf_counter()
            work()
            took[tool].append((_processor_s() - processor, time.perf_counter() - wall))
    shortest = {tool: np.min(each, axis=0) for tool, each in took.items()}
    theirs, ours = shortest["nilearn"], shortest["bidsmask"]
    return Ratio(
        kind=kind,
        name=name,
        nilearn=1000 * theirs[0],
        bidsmask=1000 * ours[0],
        wall=theirs[1] / ours[1],
    )


def _processor_s() -> float:
    """Processor time of this process, and of those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _first_masker(given: Inputs, tool: str) -> None:
    """Import a masker in a fresh process, and read one volume."""
    mask, volume = given.folder / "mask.nii", given.folder / "volume.nii"
    if not mask.exists():
        given.mask.to_filename(mask)
        given.volume.to_filename(volume)
    home = {"nilearn": "nilearn.maskers", "bidsmask": "bidsmask"}[tool]
    code = f"from {home} import NiftiMasker; NiftiMasker({str(mask)!r}, reports=False)"
    command = [sys.executable, "-W", "ignore", "-c", f"{code}.fit_transform({str(volume)!r})"]
    subprocess.run(command, check=True)


def table(ratios: list[Ratio]) -> str:
    """Show all calls, and the median and the smallest ratio of each kind and of them all."""
    lines = [
        "| call | with | nilearn, ms | bidsmask, ms | faster | wall |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in ratios:
        times = f"{each.nilearn:.2f} | {each.bidsmask:.2f}"
        lines.append(
            f"| {each.name} | {each.kind} | {times} | {each.faster:.1f}× | {each.wall:.1f}× |"
        )
    kinds = dict.fromkeys(each.kind for each in ratios)
    groups = {kind: [each for each in ratios if each.kind == kind] for kind in kinds}
    for kind, some in [*groups.items(), ("all", ratios)]:
        faster, wall = ([getattr(r, which) for r in some] for which in ("faster", "wall"))
        lines.append(
            f"| median, smallest | {kind} | | | {median(faster):.1f}×, {min(faster):.1f}× | "
            f"{median(wall):.1f}×, {min(wall):.1f}× |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interactive", description=__doc__)
    parser.add_argument("--repeats", type=int, default=21, help="calls of each tool")
    parser.add_argument("--only", default="", help="calls whose name, or kind, has this in it")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.stdout.write(table(list(measure(options.repeats, options.only))))


if __name__ == "__main__":
    main()
