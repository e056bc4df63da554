"""What is measured on: made when first asked for, and kept in a folder outside the repository.

The content is drawn, but compresses and decompresses like preprocessed BOLD: smooth in space and
time inside of a brain, 0 outside.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

T_R = 2.0
BRAIN_CENTRE, BRAIN_RADII = np.array([0.0, -18.0, 8.0]), np.array([72.0, 90.0, 72.0])
CORTEX = 0.75
"""Regions lie beyond this share of the way from the centre to the surface."""

N_PATTERNS = 24
"""Smooth maps, each with a time course of its own, that a run is made of."""

MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
TISSUES = ("csf", "white_matter", "global_signal")
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """Cubic voxels along the axes of the world."""

    shape: tuple[int, int, int]
    voxel_mm: float
    first_mm: tuple[float, float, float]

    @property
    def affine(self) -> np.ndarray:
        """From voxels to mm."""
        affine = np.diag([self.voxel_mm] * 3 + [1.0])
        affine[:3, 3] = self.first_mm
        return affine

    def brain(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flat indices (x fastest) of the brain, its places in mm, and their depth, 0 to 1."""
        ijk = np.indices(self.shape).reshape(3, -1, order="F").T
        places = ijk * self.voxel_mm + np.array(self.first_mm)
        depth = np.sqrt((((places - BRAIN_CENTRE) / BRAIN_RADII) ** 2).sum(axis=1))
        inside = np.flatnonzero(depth < 1)
        return inside, places[inside], depth[inside]


LATTICES = {
    "a": Lattice(shape=(97, 115, 97), voxel_mm=2.0, first_mm=(-96.0, -132.0, -78.0)),
    "b": Lattice(shape=(91, 109, 91), voxel_mm=2.0, first_mm=(-90.0, -126.0, -72.0)),
    "c": Lattice(shape=(65, 77, 65), voxel_mm=3.0, first_mm=(-96.0, -132.0, -78.0)),
    "t": Lattice(shape=(33, 39, 33), voxel_mm=6.0, first_mm=(-96.0, -132.0, -78.0)),
    "atlas": Lattice(shape=(91, 109, 91), voxel_mm=2.0, first_mm=(-90.5, -126.5, -72.5)),
}


class Inputs:
    """Paths of the inputs; a file that is missing is made.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bold(self, lattice: str, n_volumes: int, dtype: str = "int16") -> Path:
        """Run of BOLD."""
        name = f"bold_{lattice}_{n_volumes}_{dtype}.nii.gz"
        return self._made(name, lambda path: _write_bold(path, lattice, n_volumes, dtype))

    def mask(self, lattice: str) -> Path:
        """Brain mask."""
        return self._made(f"mask_{lattice}.nii.gz", lambda path: _write_mask(path, lattice))

    def labels(self, lattice: str, n_labels: int = 400, number: int = 0) -> Path:
        """Atlas of regions in the outer part of the brain; its table lies beside it."""
        name = f"tpl-MNI152NLin2009cAsym_atlas-Bench{lattice}{n_labels}n{number}_dseg.nii.gz"
        table = name.replace(".nii.gz", ".tsv")
        self._made(table, lambda path: _write_table(path, n_labels))
        return self._made(name, lambda path: _write_labels(path, lattice, n_labels, number))

    def maps(self, n_maps: int) -> Path:
        """Overlapping blobs, on a lattice of their own."""
        return self._made(f"maps_{n_maps}.nii.gz", lambda path: _write_maps(path, n_maps))

    def named_maps(self, n_maps: int) -> Path:
        """Give the same under a name that the command line takes; its table lies beside it."""
        name = f"tpl-MNI152NLin2009cAsym_atlas-Bench{n_maps}_probseg.nii.gz"
        table = name.replace(".nii.gz", ".tsv")
        self._made(table, lambda path: _write_table(path, n_maps))
        return self._made(name, lambda path: _write_maps(path, n_maps))

    def seeds(self, n_seeds: int) -> Path:
        """Table of seeds, spheres of 5 mm."""
        return self._made(f"seeds_{n_seeds}.tsv", lambda path: _write_seeds(path, n_seeds))

    def confounds(self, n_volumes: int) -> Path:
        """Confounds table as fMRIPrep writes it, with the 36 columns of 36P."""
        name = f"confounds_{n_volumes}.tsv"
        return self._made(name, lambda path: _write_confounds(path, n_volumes))

    def dataset(self, lattice: str, n_volumes: int, n_subjects: int) -> Path:
        """Derivatives dataset of that many subjects, whose runs are links to the same file."""
        root = self.folder / f"dataset_{lattice}_{n_volumes}_{n_subjects}"
        if not (root / "dataset_description.json").exists():
            _link_dataset(self, root, lattice, n_volumes, n_subjects)
        return root

    def strategies(self, number: int) -> list[str]:
        """36P, and further ones that differ from it in their filter."""
        others = range(1, number)
        names = [f"bench{each}.yaml" for each in others]
        made = [
            self._made(name, partial(_write_strategy, number=each))
            for name, each in zip(names, others, strict=True)
        ]
        return ["36P", *map(str, made)]

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"unfinished_{name}")
            make(unfinished)
            unfinished.replace(path)
        return path


def seeds(n_seeds: int) -> list[tuple[float, ...]]:
    """Places in mm, well inside of the brain."""
    directions = np.random.default_rng(n_seeds).uniform(-0.5, 0.5, (n_seeds, 3))
    return [tuple(place) for place in (BRAIN_CENTRE + BRAIN_RADII * directions).tolist()]


def design(table: Path) -> np.ndarray:
    """The 36 columns of a confounds table, (T, 36)."""
    return np.nan_to_num(np.genfromtxt(table, skip_header=1, missing_values="n/a")[:, :36])


def _write_bold(path: Path, lattice: str, n_volumes: int, dtype: str) -> None:
    grid = LATTICES[lattice]
    inside, places, depth = grid.brain()
    rng = np.random.default_rng(0)
    waves = rng.normal(0, 0.15, (3, N_PATTERNS))
    patterns = np.sin(places @ waves + rng.uniform(0, 6, N_PATTERNS)).T.astype(np.float32)
    courses = 10 * _smooth_courses(rng, n_volumes, N_PATTERNS).astype(np.float32)
    baseline = (900 - 300 * depth).astype(np.float32)
    whole = dtype.startswith("int")
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        file.write(_header(grid, n_volumes, dtype))
        volume = np.zeros(int(np.prod(grid.shape)), dtype=dtype)
        for course in courses:
            values = baseline + course @ patterns
            volume[inside] = np.rint(values) if whole else values
            file.write(volume.tobytes())


def _header(grid: Lattice, n_volumes: int, dtype: str) -> bytes:
    import nibabel as nib

    header: Any = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape((*grid.shape, n_volumes))
    header.set_sform(grid.affine, code=4)
    header.set_qform(grid.affine, code=4)
    header.set_zooms((grid.voxel_mm,) * 3 + (T_R,))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    return bytes(header.binaryblock) + bytes(4)


def _smooth_courses(rng: np.random.Generator, n_volumes: int, n_courses: int) -> np.ndarray:
    courses = rng.normal(size=(n_volumes, n_courses))
    for volume in range(1, n_volumes):
        courses[volume] += 0.7 * courses[volume - 1]
    return courses


def _write_mask(path: Path, lattice: str) -> None:
    inside, _, _ = LATTICES[lattice].brain()
    _save(path, lattice, inside, np.ones(inside.size, dtype=np.uint8))


def _write_labels(path: Path, lattice: str, n_labels: int, number: int) -> None:
    from scipy.spatial import KDTree

    inside, places, depth = LATTICES[lattice].brain()
    directions = np.random.default_rng(number).normal(size=(n_labels, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    tree = KDTree(BRAIN_CENTRE + 0.88 * BRAIN_RADII * directions)
    labels = np.where(depth > CORTEX, tree.query(places)[1] + 1, 0)
    _save(path, lattice, inside, labels.astype(np.int16))


def _write_table(path: Path, n_labels: int) -> None:
    rows = [f"{label}\tregion{label:03d}\n" for label in range(1, n_labels + 1)]
    path.write_text("index\tname\n" + "".join(rows))


def _write_seeds(path: Path, n_seeds: int) -> None:
    rows = [
        f"seed{number:03d}\t{x:.2f}\t{y:.2f}\t{z:.2f}\t5\n"
        for number, (x, y, z) in enumerate(seeds(n_seeds))
    ]
    path.write_text("name\tx\ty\tz\tradius\n" + "".join(rows))


def _write_maps(path: Path, n_maps: int) -> None:
    import nibabel as nib

    grid = LATTICES["atlas"]
    inside, places, _ = grid.brain()
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        file.write(_header(grid, n_maps, "float32"))
        for seed in seeds(n_maps):
            volume = np.zeros(int(np.prod(grid.shape)), dtype=np.float32)
            weights = np.exp(-((places - seed) ** 2).sum(axis=1) / (2 * 12.0**2))
            volume[inside] = np.where(weights > 0.05, weights, 0)
            file.write(volume.tobytes())
    assert nib.load(path).shape[3] == n_maps


def _write_confounds(path: Path, n_volumes: int) -> None:
    rng = np.random.default_rng(1)
    columns = {}
    for name in (*MOTION, *TISSUES):
        course = np.cumsum(rng.normal(0, 0.02, n_volumes)) + rng.normal(0, 0.02, n_volumes)
        step = np.diff(course, prepend=np.nan)
        for expansion, values in zip(EXPANSIONS, (course, step, course**2, step**2), strict=True):
            columns[name + expansion] = values
    columns["framewise_displacement"] = np.abs(np.diff(course, prepend=np.nan))
    columns["std_dvars"] = 1 + 0.1 * rng.normal(size=n_volumes)
    text = "\t".join(columns) + "\n"
    for row in zip(*columns.values(), strict=True):
        text += "\t".join("n/a" if np.isnan(value) else f"{value:.9g}" for value in row) + "\n"
    path.write_text(text)


def _write_strategy(path: Path, number: int) -> None:
    own = resources.files("bidsmask.dataset") / "data" / "strategies" / "36P.yaml"
    text = own.read_text().replace("name: 36P", f"name: bench{number}")
    path.write_text(text.replace("high_pass_hz: 0.01", f"high_pass_hz: {0.001 * number:.3f}"))


def _save(path: Path, lattice: str, inside: np.ndarray, values: np.ndarray) -> None:
    import nibabel as nib

    grid = LATTICES[lattice]
    flat = np.zeros(int(np.prod(grid.shape)), dtype=values.dtype)
    flat[inside] = values
    image = nib.Nifti1Image(flat.reshape(grid.shape, order="F"), grid.affine)
    image.header["sform_code"] = image.header["qform_code"] = 4
    image.to_filename(path)


def _link_dataset(
    inputs: Inputs, root: Path, lattice: str, n_volumes: int, n_subjects: int
) -> None:
    for number in range(1, n_subjects + 1):
        func = root / f"sub-{number:02d}" / "func"
        func.mkdir(parents=True, exist_ok=True)
        native = f"sub-{number:02d}_task-rest"
        stem = f"{native}_space-MNI152NLin2009cAsym"
        links = {
            f"{stem}_desc-preproc_bold.nii.gz": inputs.bold(lattice, n_volumes),
            f"{stem}_desc-brain_mask.nii.gz": inputs.mask(lattice),
            f"{native}_desc-confounds_timeseries.tsv": inputs.confounds(n_volumes),
        }
        for name, target in links.items():
            (func / name).unlink(missing_ok=True)
            (func / name).symlink_to(target.resolve())
        _write_json(func / f"{stem}_desc-preproc_bold.json", {"RepetitionTime": T_R})
        _write_json(func / f"{native}_desc-confounds_timeseries.json", {})
    description = {
        "Name": "benchmark",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.3"}],
    }
    _write_json(root / "dataset_description.json", description)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
