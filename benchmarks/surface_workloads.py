"""Runs on surfaces: beside Workbench and nilearn, ten atlases at once, length, dense outputs.

``python -m benchmarks.surface_workloads`` makes inputs (those of `benchmarks.surfaces`, a pair of
hemispheres of 40,962 vertices, and a dataset around the run of grayordinates) and measures each
piece of work in fresh processes, in turn; medians. Processor seconds count all processes of a
piece of work, memory the largest of them, and for whole commands the proportional set size of all.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import surfaces
from benchmarks.measure import ROOT, environment, peak_mb_of_command, timed_command

PAIR_VERTICES, PAIR_VOLUMES = 40962, 300
SHORT, LONG = 300, 2400
N_ATLASES = 10
T_R = 0.8
ATLAS = "tpl-fsLR_atlas-Bench_den-91k_dseg.dlabel.nii"

Took = tuple[float, float, float]
"""Wall and processor seconds, and MB."""


def main() -> None:
    """Measure, and print a table; or do one piece of work."""
    options = _parser().parse_args()
    if options.work:
        WORKS[options.work](options.inputs)
        return
    names = options.only or list(TABLES)
    sys.stdout.write(
        "| workload | beside | bidsmask | ratio | goal |\n| --- | --- | --- | --- | --- |\n"
    )
    for name in names:
        for line in TABLES[name](options.inputs, options.pairs):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    home = Path(tempfile.gettempdir()) / "bidsmask-benchmarks" / "surfaces"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surface_workloads")
    parser.add_argument("--pairs", type=int, default=3, help="times each is measured")
    parser.add_argument("--inputs", type=Path, default=home, help="where inputs are kept")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), help="some of the workloads")
    parser.add_argument("--work", choices=list(WORKS), help=argparse.SUPPRESS)
    return parser


# Inputs


def _run(folder: Path, n_volumes: int = 1200) -> Path:
    """Give the folder of ``run.dtseries.nii`` of so many volumes, and ``atlas.dlabel.nii``."""
    there = folder if n_volumes == 1200 else folder / f"volumes-{n_volumes}"
    _made(f"make-{n_volumes}", there)
    return there


def _pair(folder: Path) -> Path:
    """Give the folder of a pair of hemispheres."""
    there = folder / "pair"
    _made("make-pair", there)
    return there


def _made(name: str, folder: Path) -> None:
    """Make inputs in a process of its own: the peak of a process counts that of its parent."""
    subprocess.run(_work(name, folder), cwd=ROOT, env=environment(ROOT), check=True)


def _make_run(n_volumes: int, folder: Path) -> None:
    surfaces._make(folder, n_volumes)


def _make_pair(there: Path) -> None:
    """Make a pair of hemispheres as fMRIPrep writes them, with labels and confounds."""
    import nibabel as nib

    if (there / "confounds.npy").exists():
        return
    there.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number, side in enumerate(("left", "right")):
        values = rng.normal(5000, 50, (PAIR_VOLUMES, PAIR_VERTICES)).astype(np.float32)
        labels = 1 + np.arange(PAIR_VERTICES) * 200 // PAIR_VERTICES + 200 * number
        for name, arrays, intent in (
            ("func", values, "TIME_SERIES"),
            ("label", labels[np.newaxis].astype(np.int32), "LABEL"),
        ):
            kind = f"NIFTI_TYPE_{arrays.dtype.name.upper()}"
            made = [
                nib.gifti.GiftiDataArray(each, f"NIFTI_INTENT_{intent}", datatype=kind)
                for each in arrays
            ]
            image = nib.GiftiImage(darrays=made)
            image.meta["AnatomicalStructurePrimary"] = f"Cortex{side.capitalize()}"
            nib.save(image, there / f"{side}.{name}.gii")
    np.save(there / "confounds.npy", rng.normal(size=(PAIR_VOLUMES, 36)))


def _dataset(folder: Path) -> tuple[Path, Path]:
    """Give a dataset with the run of grayordinates and confounds, and the atlas."""
    _made("make-dataset", folder)
    (root,) = {path.parent for path in folder.glob("dataset/*/dataset_description.json")}
    return root, folder / "dataset" / ATLAS


def _make_dataset(folder: Path) -> None:
    """Put the run of grayordinates into a dataset with confounds."""
    from bidsmask.demo import BOLD_GRID, RunPlan, write_dataset
    from bidsmask.demo.files import write_json

    home = folder / "dataset"
    if not (home / ATLAS).exists():
        shutil.rmtree(home, ignore_errors=True)
        plan = RunPlan(subject="01", run=None, n_volumes=1200)
        dataset = write_dataset(home, [plan], seed=0, grid=BOLD_GRID)
        func = dataset.runs[0].confounds.parent
        stem = dataset.runs[0].confounds.name.partition("_desc-")[0]
        name = f"{stem}_space-fsLR_den-91k_bold"
        os.link(folder / "run.dtseries.nii", func / f"{name}.dtseries.nii")
        write_json(func / f"{name}.json", {"RepetitionTime": T_R})
        shutil.copy(folder / "atlas.dlabel.nii", home / ATLAS)


# Pieces of work, each in a process of its own


def _means(folder: Path) -> None:
    surfaces._work("bidsmask", folder, cleaned=False)


def _cleaned(folder: Path) -> None:
    surfaces._work("bidsmask", folder, cleaned=True)


def _pair_of(tool: str, folder: Path) -> None:
    how = surfaces.CLEANED | {"t_r": 2.0}
    confounds = np.load(folder / "confounds.npy")
    run, atlas = (
        {side: folder / f"{side}.{kind}.gii" for side in ("left", "right")}
        for kind in ("func", "label")
    )
    if tool == "bidsmask":
        from bidsmask import SurfaceLabelsMasker

        signals = SurfaceLabelsMasker(atlas, **how).fit_transform(run, confounds=confounds)
    else:
        from nilearn.maskers import SurfaceLabelsMasker as Theirs
        from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

        corners = np.random.default_rng(0).normal(size=(PAIR_VERTICES, 3))
        faces = np.column_stack([np.arange(PAIR_VERTICES - 2) + shift for shift in range(3)])
        mesh = InMemoryMesh(corners, faces)
        both = PolyMesh(left=mesh, right=mesh)
        masker = Theirs(SurfaceImage(both, atlas), **how, reports=False)
        signals = masker.fit_transform(SurfaceImage(both, run), confounds=confounds)
    np.save(folder / f"{tool}.npy", signals)


def _atlases(n_atlases: int, folder: Path) -> None:
    """Read means of so many parcellations, shifted against each other, in one pass."""
    from dataclasses import replace

    from bidsmask.columns.extract import extract
    from bidsmask.columns.request import Request
    from bidsmask.columns.surface_labels import place_surface_regions, read_surface_labels
    from bidsmask.images.surface_series import open_surfaces

    series = open_surfaces(folder / "run.dtseries.nii")
    atlas = read_surface_labels(folder / "atlas.dlabel.nii")
    requests = [
        Request(
            columns=place_surface_regions(
                replace(atlas, codes=np.roll(atlas.codes, 37 * number)), series.grid
            )
        )
        for number in range(n_atlases)
    ]
    extract(series, requests)


def _with_quality(folder: Path) -> None:
    """Read, judge and clean the run of the dataset as the command does, with its own functions.

    All numbers of signals, matrices and quality are there in the end. What is left out is the rest
    of the command: to find the run, to write, to draw, and to take up again what was begun.
    """
    from bidsmask.analysis import steps
    from bidsmask.analysis.store import Coverage, ExtractedRun
    from bidsmask.columns.extract import extract
    from bidsmask.columns.request import Request
    from bidsmask.columns.statistics import RunStatistics
    from bidsmask.columns.surface_labels import place_surface_regions, read_surface_labels
    from bidsmask.columns.voxels import place_voxels
    from bidsmask.dataset.confounds import load_confounds
    from bidsmask.dataset.strategy_files import load_strategy
    from bidsmask.images.surface_series import open_surfaces
    from bidsmask.numerics.carpet import carpet_voxels
    from bidsmask.numerics.connectivity.plain import correlation
    from bidsmask.settings import CleaningSettings

    series = open_surfaces(folder / "run.dtseries.nii")
    labels = read_surface_labels(folder / "atlas.dlabel.nii")
    columns = place_surface_regions(labels, series.grid)
    everywhere = np.ones(series.grid.n_voxels, dtype=bool)
    seen = RunStatistics(series, everywhere)
    carpet = carpet_voxels(columns.codes, everywhere)
    regions, drawn = extract(
        series,
        [Request(columns=columns), Request(columns=place_voxels(carpet, series.grid))],
        see=[seen.see],
    )
    seen.refuse_impossible()
    run = ExtractedRun.of(
        seen,
        signals=((regions.signals,),),
        carpet=drawn.signals,
        carpet_labels=columns.codes[carpet],
        covered=np.zeros(0, dtype=bool),
    )
    table = regions.coverage.table(
        labels.table.names, labels.table.ids, columns.centroids(regions.measured)
    )
    (confounds,) = folder.glob("dataset/*/sub-01/func/*_desc-confounds_timeseries.tsv")
    strategy = load_strategy("36P")
    design = load_confounds(confounds, None, strategy, n_volumes=series.n_volumes, t_r=T_R)
    (cleaned,) = steps.clean_run(
        run, [Coverage(table=table)], [design], [strategy], CleaningSettings(), t_r=T_R
    )
    correlation(cleaned.signals[0][0])


def _dense_by_hand(folder: Path) -> None:
    """Clean all grayordinates as scripts do: the whole array in memory, nilearn's `clean`."""
    import nibabel as nib
    from nilearn.signal import clean

    image: Any = nib.load(folder / "run.dtseries.nii")
    values = image.get_fdata()
    how = {key: value for key, value in surfaces.CLEANED.items()}
    cleaned = clean(values, confounds=np.load(folder / "confounds.npy"), **how)
    nib.Cifti2Image(cleaned.astype(np.float32), image.header).to_filename(
        folder / "cleaned.dtseries.nii"
    )


WORKS: dict[str, Callable[[Path], None]] = {
    **{f"make-{count}": partial(_make_run, count) for count in (SHORT, 1200, LONG)},
    "make-pair": _make_pair,
    "make-dataset": _make_dataset,
    "means": _means,
    "cleaned": _cleaned,
    "with-quality": _with_quality,
    "pair-bidsmask": partial(_pair_of, "bidsmask"),
    "pair-nilearn": partial(_pair_of, "nilearn"),
    "one-atlas": partial(_atlases, 1),
    "ten-atlases": partial(_atlases, N_ATLASES),
    "dense-by-hand": _dense_by_hand,
}


# Measuring


def _timed(command: list[str]) -> Took:
    """Measure a fresh process: wall, processor, and the highest memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment(ROOT), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} failed.")
    wall = time.perf_counter() - started
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def _work(name: str, folder: Path) -> list[str]:
    module = [sys.executable, "-W", "ignore", "-m", "benchmarks.surface_workloads"]
    return [*module, "--work", name, "--inputs", str(folder)]


def _in_turn(commands: dict[str, list[str]], pairs: int) -> dict[str, Took]:
    took: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(pairs):
        for name, command in commands.items():
            took[name].append(_timed(command))
    return {
        name: tuple(median(column) for column in zip(*each, strict=True))  # type: ignore[misc]
        for name, each in took.items()
    }


def _row(what: str, beside: Took, ours: Took, goal: str) -> str:
    wall, processor, memory = (
        f"{one / other:.1f}×" for one, other in zip(beside, ours, strict=True)
    )
    ratios = f"wall {wall}, processor {processor}, memory {memory}"
    return f"| {what} | {_spelled(beside)} | {_spelled(ours)} | {ratios} | {goal} |"


def _spelled(took: Took) -> str:
    wall, processor, peak = took
    return f"{wall:.1f} s, {processor:.2f} cpu s, {peak:.0f} MB"


def _beside_workbench(folder: Path, pairs: int) -> Iterator[str]:
    if shutil.which("wb_command") is None:
        return
    there = _run(folder)
    run, atlas = there / "run.dtseries.nii", there / "atlas.dlabel.nii"
    parcellate = ["wb_command", "-cifti-parcellate", str(run), str(atlas), "COLUMN"]
    took = _in_turn(
        {
            "wb_command": [*parcellate, str(there / "means.ptseries.nii")],
            "bidsmask": _work("means", there),
        },
        pairs,
    )
    yield _row(
        "91,282 × 1200, 400 labels, means, beside `wb_command -cifti-parcellate`",
        took["wb_command"],
        took["bidsmask"],
        "processor ≤ 1.5×, memory below",
    )


def _beside_nilearn(folder: Path, pairs: int) -> Iterator[str]:
    there = _pair(folder)
    tools = {tool: _work(f"pair-{tool}", there) for tool in ("nilearn", "bidsmask")}
    took = _in_turn(tools, pairs)
    goal = "≥ 5× faster, ≥ 4× leaner"
    what = f"pair of {PAIR_VERTICES:,} × {PAIR_VOLUMES}, 400 labels, cleaned, beside nilearn"
    yield _row(what, took["nilearn"], took["bidsmask"], goal)


def _many_atlases(folder: Path, pairs: int) -> Iterator[str]:
    there = _run(folder)
    took = _in_turn({name: _work(name, there) for name in ("one-atlas", "ten-atlases")}, pairs)
    what = "91,282 × 1200, one parcellation beside ten in one pass"
    yield _row(what, took["one-atlas"], took["ten-atlases"], "ten ≤ 1.5× one")


def _length(folder: Path, pairs: int) -> Iterator[str]:
    long, short = (_run(folder, count) for count in (LONG, SHORT))
    took = _in_turn({"long": _work("means", long), "short": _work("means", short)}, pairs)
    what = f"91,282 × {LONG} beside {SHORT} volumes, 400 labels, means"
    yield _row(what, took["long"], took["short"], "memory flat (≤ 10 %)")


def _command(folder: Path, pairs: int) -> Iterator[str]:
    """Measure the whole command; and with cleaned grayordinates, beside a script."""
    there = _run(folder)
    root, atlas = _dataset(folder)
    masker = _in_turn({"masker": _work("with-quality", there)}, pairs)["masker"]
    base = [sys.executable, "-m", "bidsmask", str(root), "OUT", "participant", "--space", "fsLR"]
    base += ["--strategies", "36P", "--no-download"]
    regions = [*base, "--atlases", str(atlas)]
    what = "91,282 × 1200, 36P: the same numbers without the command, beside the whole command"
    yield _row(what, masker, _of_command(regions, folder, pairs), "command ≤ 2.5×")
    dense = [*base, "--atlases", "none", "--voxelwise"]
    script = _in_turn({"script": _work("dense-by-hand", there)}, 1)["script"]
    what = "91,282 × 1200, 36P, cleaned grayordinates written: `get_fdata` and nilearn's `clean`"
    ours = _of_command(dense, folder, pairs)
    yield _row(what, script, ours, "peak ≤ 250 MB, ≥ 10× leaner")


def _of_command(command: list[str], folder: Path, pairs: int) -> Took:
    """Measure a whole command: time unwatched, memory once more."""
    out = folder / "out"
    words = [str(out) if word == "OUT" else word for word in command]
    times = []
    for _ in range(pairs):
        shutil.rmtree(out, ignore_errors=True)
        times.append(timed_command(words))
    shutil.rmtree(out, ignore_errors=True)
    peak = peak_mb_of_command(words)
    shutil.rmtree(out, ignore_errors=True)
    wall, processor = (median(column) for column in zip(*times, strict=True))
    return wall, processor, peak


TABLES: dict[str, Callable[[Path, int], Iterator[str]]] = {
    "workbench": _beside_workbench,
    "nilearn": _beside_nilearn,
    "atlases": _many_atlases,
    "length": _length,
    "command": _command,
}

if __name__ == "__main__":
    main()
