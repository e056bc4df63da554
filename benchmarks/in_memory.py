"""Calls on an image that is in memory already: only what the call itself takes is measured."""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import nibabel as nib
import numpy as np

from benchmarks.goals import ORDERS

SHAPE, N_VOLUMES = (65, 77, 65), 100
AFFINE = nib.affines.from_matvec(3 * np.eye(3), (-96.0, -114.0, -96.0))
COARSE = nib.affines.from_matvec(4 * np.eye(3), (-96.0, -114.0, -96.0))


@dataclass(frozen=True, kw_only=True)
class World:
    """The images that calls are about."""

    run: Any
    mask: Any
    labels: Any
    maps: Any
    seeds: list[tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """Where a tool has its functions."""

    maskers: Any
    masks: Any
    images: Any


def make_world(order: str) -> World:
    """Noise in a ball of brain."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.6
    n_inside = np.count_nonzero(brain)
    run = np.zeros((*SHAPE, N_VOLUMES), dtype=np.float32, order=order)
    run[brain] = 1000 + 50 * rng.standard_normal((n_inside, N_VOLUMES), dtype=np.float32)
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[brain] = rng.integers(1, 101, n_inside)
    maps = np.zeros((*SHAPE, 20), dtype=np.float32)
    maps[brain] = np.abs(rng.standard_normal((n_inside, 20)))
    seeds = nib.affines.apply_affine(AFFINE, np.argwhere(brain)[::2500])
    return World(
        run=nib.Nifti1Image(run, AFFINE),
        mask=nib.Nifti1Image(brain.astype(np.uint8), AFFINE),
        labels=nib.Nifti1Image(labels, AFFINE),
        maps=nib.Nifti1Image(maps, AFFINE),
        seeds=[tuple(seed) for seed in seeds],
    )


def tools() -> dict[str, Tool]:
    """The two that are measured."""
    import nilearn.image
    import nilearn.maskers
    import nilearn.masking

    import bidsmask

    peer = Tool(maskers=nilearn.maskers, masks=nilearn.masking, images=nilearn.image)
    return {"nilearn": peer, "bidsmask": Tool(maskers=bidsmask, masks=bidsmask, images=bidsmask)}


CALLS: dict[str, Callable[[Tool, World], Any]] = {
    "NiftiMasker": lambda tool, world: tool.maskers.NiftiMasker(
        world.mask, standardize=None
    ).fit_transform(world.run),
    "NiftiLabelsMasker": lambda tool, world: tool.maskers.NiftiLabelsMasker(
        world.labels, standardize=None
    ).fit_transform(world.run),
    "NiftiMapsMasker": lambda tool, world: tool.maskers.NiftiMapsMasker(
        world.maps, standardize=None
    ).fit_transform(world.run),
    "NiftiSpheresMasker": lambda tool, world: tool.maskers.NiftiSpheresMasker(
        world.seeds, radius=6, standardize=None
    ).fit_transform(world.run),
    "compute_epi_mask": lambda tool, world: tool.masks.compute_epi_mask(world.run),
    "compute_background_mask": lambda tool, world: tool.masks.compute_background_mask(world.run),
    "apply_mask": lambda tool, world: tool.masks.apply_mask(world.run, world.mask),
    "high_variance_confounds": lambda tool, world: tool.images.high_variance_confounds(
        world.run, mask_img=world.mask
    ),
    "smooth_img": lambda tool, world: tool.images.smooth_img(world.run, 6),
    'smooth_img("fast")': lambda tool, world: tool.images.smooth_img(world.run, "fast"),
    "resample_img, linear": lambda tool, world: tool.images.resample_img(
        world.run, COARSE, interpolation="linear"
    ),
}


def measure(repeats: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Make every call with both tools in turn, and hold the last results together."""
    warnings.simplefilter("ignore")
    found = tools()
    for order in ORDERS:
        world = make_world(order)
        for name, call in CALLS.items():
            took: dict[str, list[float]] = {tool: [] for tool in found}
            results = {}
            for _ in range(repeats):
                for tool, functions in found.items():
                    started = time.perf_counter()
                    results[tool] = call(functions, world)
                    took[tool].append(1000 * (time.perf_counter() - started))
            summary = {tool: round(median(each), 1) for tool, each in took.items()}
            difference = _difference(*map(_values, results.values()))
            yield f"{name}-{order}", summary | {"difference_sd": difference}


def _values(result: Any) -> np.ndarray:
    return np.asarray(getattr(result, "dataobj", result), dtype=np.float64)


def _difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Largest difference in standard deviations of all; components may point the other way."""
    if theirs.shape[-1] == 5 and theirs.ndim == 2:
        ours = ours * np.sign((ours * theirs).sum(axis=0))
    return float(np.abs(theirs - ours).max() / theirs.std())
