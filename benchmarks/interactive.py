"""Small calls, as they are made at a prompt: nilearn and bidsmask in turn in one process.

``python -m benchmarks.interactive`` prints, for every call, the shortest time of each tool and how
many times faster bidsmask is.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (49, 58, 49)
AFFINE = nib.affines.from_matvec(4 * np.eye(3), (-96.0, -114.0, -96.0))
COARSE = nib.affines.from_matvec(5 * np.eye(3), (-96.0, -114.0, -96.0))
N_VOLUMES = 100

Call = Callable[[Any], Any]


class Inputs:
    """Noise in a ball of brain: voxels of 4 mm, 100 volumes, float32."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
        brain = sum(axis**2 for axis in axes) < 0.6
        run = np.zeros((*SHAPE, N_VOLUMES), dtype=np.float32, order="F")
        run[brain] = 1000 + 50 * rng.standard_normal((brain.sum(), N_VOLUMES), dtype=np.float32)
        labels = (brain * rng.integers(1, 101, SHAPE)).astype(np.int16)
        maps = brain[..., None] * np.abs(rng.standard_normal((*SHAPE, 20)))
        self.run = nib.Nifti1Image(run, AFFINE)
        self.volume = nib.Nifti1Image(run[..., 0].copy(), AFFINE)
        self.mask = nib.Nifti1Image(brain.astype(np.uint8), AFFINE)
        self.labels = nib.Nifti1Image(labels, AFFINE)
        self.maps = nib.Nifti1Image(maps.astype(np.float32), AFFINE)
        self.seeds = [
            tuple(seed) for seed in nib.affines.apply_affine(AFFINE, np.argwhere(brain)[::2000])
        ]
        self.voxels = rng.standard_normal(brain.sum())
        self.volumes = rng.standard_normal((N_VOLUMES, brain.sum()))
        self.signals = rng.standard_normal((N_VOLUMES, 100))
        self.confounds = rng.standard_normal((N_VOLUMES, 12))


class Tool:
    """Where a tool has its functions."""

    def __init__(self, *modules: Any) -> None:
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        return next(getattr(each, name) for each in self._modules if hasattr(each, name))


def tools() -> dict[str, Tool]:
    """The two that are measured."""
    import nilearn.image
    import nilearn.maskers
    import nilearn.masking
    import nilearn.signal

    import bidsmask

    peer = Tool(nilearn.maskers, nilearn.masking, nilearn.image, nilearn.signal)
    return {"nilearn": peer, "bidsmask": Tool(bidsmask)}


def calls(given: Inputs) -> dict[str, Call]:
    """What is measured, by name; of one volume, and of a hundred."""
    cleaned = {"detrend": True, "standardize": "zscore_sample", "low_pass": 0.1, "high_pass": 0.01}
    plain = {"detrend": False, "standardize": "zscore_sample"}
    found: dict[str, Call] = {
        "clean, z-score only": lambda tool: tool.clean(given.signals, **plain),
        "clean, detrend only": lambda tool: tool.clean(given.signals, standardize=None),
        "clean, band-pass, 12 confounds": lambda tool: tool.clean(
            given.signals, confounds=given.confounds, t_r=2.0, **cleaned
        ),
        "unmask, one volume": lambda tool: tool.unmask(given.voxels, given.mask),
        "unmask": lambda tool: tool.unmask(given.volumes, given.mask),
        "compute_epi_mask": lambda tool: tool.compute_epi_mask(given.run),
        "compute_background_mask": lambda tool: tool.compute_background_mask(given.run),
        "high_variance_confounds": lambda tool: tool.high_variance_confounds(given.run),
        "intersect_masks": lambda tool: tool.intersect_masks([given.mask, given.mask]),
    }
    for which, img in (("one volume", given.volume), ("a run", given.run)):
        found |= {
            f"{name}, {which}": lambda tool, call=call, img=img: call(tool, img)
            for name, call in _of_images(given).items()
        }
    return found


def _of_images(given: Inputs) -> dict[str, Callable[[Tool, Any], Any]]:
    def resampled(how: str) -> Callable[[Tool, Any], Any]:
        return lambda tool, img: tool.resample_img(
            img, COARSE, interpolation=how, force_resample=True, copy_header=True
        )

    return {
        "smooth_img": lambda tool, img: tool.smooth_img(img, 6),
        'smooth_img "fast"': lambda tool, img: tool.smooth_img(img, "fast"),
        "resample_img nearest": resampled("nearest"),
        "resample_img linear": resampled("linear"),
        "resample_img continuous": resampled("continuous"),
        "apply_mask": lambda tool, img: tool.apply_mask(img, given.mask),
        "NiftiMasker": _transformed("NiftiMasker", given.mask),
        "NiftiLabelsMasker": _transformed("NiftiLabelsMasker", given.labels),
        "NiftiMapsMasker": _transformed("NiftiMapsMasker", given.maps),
        "NiftiSpheresMasker": _transformed("NiftiSpheresMasker", given.seeds, radius=6),
        "NiftiMasker and back": lambda tool, img: _there_and_back(
            tool.NiftiMasker(given.mask, reports=False), img
        ),
        "NiftiLabelsMasker and back": lambda tool, img: _there_and_back(
            tool.NiftiLabelsMasker(given.labels, reports=False), img
        ),
    }


def _transformed(name: str, *given: Any, **how: Any) -> Callable[[Tool, Any], Any]:
    return lambda tool, img: getattr(tool, name)(*given, reports=False, **how).fit_transform(img)


def _there_and_back(masker: Any, img: Any) -> Any:
    return masker.inverse_transform(masker.fit_transform(img))


def measure(repeats: int, only: str = "") -> str:
    """Make every call with both tools in turn; a table of shortest times in milliseconds."""
    found, ratios = tools(), []
    lines = ["| call | nilearn, ms | bidsmask, ms | faster |", "| --- | --- | --- | --- |"]
    for name, call in calls(Inputs()).items():
        if only not in name:
            continue
        took: dict[str, list[float]] = {tool: [] for tool in found}
        for _ in range(repeats):
            for tool, functions in found.items():
                started = time.perf_counter()
                call(functions)
                took[tool].append(1000 * (time.perf_counter() - started))
        theirs, ours = (min(took[tool]) for tool in ("nilearn", "bidsmask"))
        ratios.append(theirs / ours)
        lines.append(f"| {name} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.1f}× |")
    lines.append(f"| median, smallest | | | {median(ratios):.1f}×, {min(ratios):.1f}× |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interactive", description=__doc__)
    parser.add_argument("--repeats", type=int, default=21, help="calls of each tool")
    parser.add_argument("--only", default="", help="calls whose name has this in it")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.stdout.write(measure(options.repeats, options.only))


if __name__ == "__main__":
    main()
