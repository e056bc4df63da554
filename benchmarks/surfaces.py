"""400 regions of a run on 91,282 grayordinates, beside nilearn.

``python -m benchmarks.surfaces`` makes a run (float32, 439 MB at 1200 volumes) and an atlas on an
axis of the size of HCP's and fMRIPrep's, and takes the means of 400 regions with both tools in
turn, each in a fresh process, imports included; medians. nilearn takes no CIFTI, so its process
puts the values of the cortex into a ``SurfaceImage`` first, as its users have to.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import ROOT, environment

GOALS = "≥ 8× faster, ≥ 12× leaner"
MESH, N_LEFT, N_RIGHT, N_VOXELS = 32492, 29696, 29716, 31870
N_REGIONS = 400
CLEANED: dict[str, Any] = {
    "detrend": True,
    "standardize": "zscore_sample",
    "low_pass": 0.1,
    "high_pass": 0.01,
    "t_r": 0.8,
}


def main() -> None:
    """Measure, and print a table."""
    options = _parser().parse_args()
    if options.tool:
        _work(options.tool, options.inputs, cleaned=options.cleaned)
        return
    _make(options.inputs, options.volumes)
    sys.stdout.write(_table(options.inputs, options.pairs, options.volumes))


def _parser() -> argparse.ArgumentParser:
    home = Path(tempfile.gettempdir()) / "bidsmask-benchmarks" / "surfaces"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surfaces", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="times each is measured")
    parser.add_argument("--volumes", type=int, default=1200)
    parser.add_argument("--inputs", type=Path, default=home, help="where inputs are kept")
    parser.add_argument("--tool", choices=("bidsmask", "nilearn"), help="do the work, and end")
    parser.add_argument("--cleaned", action="store_true", help="with 36 confounds and a band-pass")
    return parser


def _make(folder: Path, n_volumes: int) -> None:
    """Write run and atlas, unless they are there."""
    import nibabel as nib
    from nibabel import cifti2

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.dtseries.nii"
    if path.exists() and nib.load(path).shape[0] == n_volumes:
        return
    rng = np.random.default_rng(0)
    left, right = (np.sort(rng.permutation(MESH)[:n]) for n in (N_LEFT, N_RIGHT))
    axis = cifti2.BrainModelAxis.from_surface(left, MESH, "CortexLeft")
    axis += cifti2.BrainModelAxis.from_surface(right, MESH, "CortexRight")
    flat = np.sort(rng.permutation(91 * 109 * 91)[:N_VOXELS])
    axis += cifti2.BrainModelAxis(
        ["CIFTI_STRUCTURE_THALAMUS_LEFT"] * N_VOXELS,
        voxel=np.column_stack(np.unravel_index(flat, (91, 109, 91))),
        affine=np.diag([-2.0, 2, 2, 1]),
        volume_shape=(91, 109, 91),
    )
    keys = np.zeros(len(axis))
    half = N_REGIONS // 2
    keys[:N_LEFT] = 1 + np.arange(N_LEFT) * half // N_LEFT
    keys[N_LEFT:][:N_RIGHT] = 1 + half + np.arange(N_RIGHT) * half // N_RIGHT
    names = {key: (f"region-{key}", (1, 1, 1, 1)) for key in range(N_REGIONS + 1)}
    labels = cifti2.LabelAxis(["atlas"], [names])
    _write(folder / "atlas.dlabel.nii", keys[np.newaxis], (labels, axis), "LABELS")
    values = rng.normal(5000, 50, (n_volumes, len(axis))).astype(np.float32)
    _write(path, values, (cifti2.SeriesAxis(0, 0.8, n_volumes), axis), "SERIES")
    np.save(folder / "confounds.npy", rng.normal(size=(n_volumes, 36)))


def _write(path: Path, values: np.ndarray, axes: Any, kind: str) -> None:
    import nibabel as nib

    image = nib.Cifti2Image(values.astype(np.float32), axes)
    image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_DENSE_{kind}")
    image.to_filename(path)


def _table(folder: Path, pairs: int, n_volumes: int) -> str:
    lines = [
        "| workload | nilearn: wall s, processor s, MB | bidsmask | wall | processor | memory | "
        "largest difference, SD |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cleaned in (False, True):
        took: dict[str, list[tuple[float, float, float]]] = {"nilearn": [], "bidsmask": []}
        for _ in range(pairs):
            for tool, each in took.items():
                each.append(_timed(tool, folder, cleaned=cleaned))
        theirs, ours = (
            tuple(median(column) for column in zip(*each, strict=True)) for each in took.values()
        )
        ratios = (f"{one / other:.1f}×" for one, other in zip(theirs, ours, strict=True))
        what = "36 confounds, detrend, band-pass, z-score" if cleaned else "means"
        lines.append(
            f"| 91,282 × {n_volumes}, {N_REGIONS} labels, {what} | "
            f"{_spelled(theirs)} | {_spelled(ours)} | {' | '.join(ratios)} | "
            f"{_difference(folder):.1e} |"
        )
    return "\n".join([*lines, f"\nGoal for means: {GOALS}.\n"])


def _timed(tool: str, folder: Path, *, cleaned: bool) -> tuple[float, float, float]:
    """Wall and processor seconds, and the highest memory in MB, of a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.surfaces"]
    command += ["--tool", tool, "--inputs", str(folder), *(["--cleaned"] if cleaned else [])]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment(ROOT))
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{tool} failed.")
    wall = time.perf_counter() - started
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def _work(tool: str, folder: Path, *, cleaned: bool) -> None:
    how = CLEANED if cleaned else {"standardize": None}
    confounds = np.load(folder / "confounds.npy") if cleaned else None
    run, atlas = folder / "run.dtseries.nii", folder / "atlas.dlabel.nii"
    signals = _ours(run, atlas, how, confounds) if tool == "bidsmask" else None
    if signals is None:
        signals = _theirs(run, atlas, how, confounds)
    np.save(folder / f"{tool}.npy", signals)


def _ours(run: Path, atlas: Path, how: dict[str, Any], confounds: Any) -> np.ndarray:
    from bidsmask import SurfaceLabelsMasker

    masker = SurfaceLabelsMasker(atlas, **how)
    signals: np.ndarray = masker.fit_transform(run, confounds=confounds)
    return signals


def _theirs(run: Path, atlas: Path, how: dict[str, Any], confounds: Any) -> np.ndarray:
    from nilearn.maskers import SurfaceLabelsMasker

    masker = SurfaceLabelsMasker(_surface_image(atlas), **how, reports=False)
    signals: np.ndarray = masker.fit_transform(_surface_image(run), confounds=confounds)
    return signals


def _surface_image(path: Path) -> Any:
    """Put the cortex of a CIFTI file on meshes, of which only the number of vertices counts."""
    import nibabel as nib
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

    image: Any = nib.load(path)
    values = np.asarray(image.dataobj, dtype=np.float32)
    parts = {}
    for name, where, model in image.header.get_axis(1).iter_structures():
        side = {"CIFTI_STRUCTURE_CORTEX_LEFT": "left", "CIFTI_STRUCTURE_CORTEX_RIGHT": "right"}
        if name in side:
            whole = np.zeros((MESH, len(values)), dtype=np.float32)
            whole[model.vertex] = values[:, where].T
            parts[side[name]] = whole if len(values) > 1 else whole[:, 0]
    corners = np.random.default_rng(0).normal(size=(MESH, 3))
    faces = np.column_stack([np.arange(MESH - 2) + shift for shift in range(3)])
    mesh = InMemoryMesh(corners, faces)
    return SurfaceImage(PolyMesh(left=mesh, right=mesh), parts)


def _spelled(took: tuple[float, ...]) -> str:
    wall, processor, peak = took
    return f"{wall:.1f}, {processor:.1f}, {peak:.0f}"


def _difference(folder: Path) -> float:
    theirs, ours = (np.load(folder / f"{tool}.npy") for tool in ("nilearn", "bidsmask"))
    return float((np.abs(theirs - ours) / theirs.std(axis=0)).max())


if __name__ == "__main__":
    main()
