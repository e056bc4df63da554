"""The demo's files: an fMRIPrep-style dataset, its atlas, and the truth that was planted."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.demo.atlas import Parcellation, demo_parcellation, region_table
from bidsmask.demo.bold import Scene, bold_volumes, draw_scene
from bidsmask.demo.brain import Anatomy, draw_head
from bidsmask.demo.confounds import ConfoundsTable, confounds_table
from bidsmask.demo.files import write_image, write_json, write_table, write_text
from bidsmask.demo.motion import head_motion
from bidsmask.demo.signals import T_R, region_signals
from bidsmask.images.grid import Grid

SPACE = "MNI152NLin2009cAsym"
ATLAS_NAME = "Demo60"
TASK = "rest"

MIN_VOLUMES = 40
"""Shorter runs have too few frequencies for six independent networks and their confounds."""

DESCRIPTION = {
    "Name": "bidsmask demo: synthetic data in the layout of fMRIPrep's output",
    "BIDSVersion": "1.9.0",
    "DatasetType": "derivative",
    "License": "CC0",
    "GeneratedBy": [
        {
            "Name": "fMRIPrep",
            "Version": "23.2.3",
            "Description": "Not really: names and columns are fMRIPrep's, the data are drawn.",
            "CodeURL": "https://github.com/nipreps/fmriprep",
        }
    ],
}

README = """\
# bidsmask demo

Synthetic data: a drawn head, planted region signals, and artefacts that a confounds table can
explain. File names, columns and metadata are those of fMRIPrep. Nobody was scanned.
"""

BIDSIGNORE = "*.html\nlogs/\nfigures/\n*_boldref.nii.gz\n*_timeseries.tsv\n*_timeseries.json\n"


def cubic_grid(shape: tuple[int, int, int], voxel_mm: float, first_mm: Sequence[float]) -> Grid:
    """Grid of cubes along the axes (RAS+), the first one centred on `first_mm`."""
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = first_mm
    return Grid(shape=shape, affine=affine)


BOLD_GRID = cubic_grid((27, 32, 27), 6.0, (-78.0, -111.0, -72.0))

ATLAS_GRID = cubic_grid((42, 49, 41), 4.0, (-82.0, -112.0, -76.0))
"""Finer than the BOLD, and voxels do not fall together: the atlas has to be resampled."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """One run to be simulated.

    Parameters
    ----------
    subject : str
        Label, without ``sub-``.
    session, direction, run : str or None
        Labels of the entities ``ses``, ``dir`` and ``run``; None: the name does not have it.
    n_volumes : int
        T; 40 or more.
    motion : float
        How much the head moves; 1 gives about one jerk in 35 volumes.
    n_unsteady : int
        Brighter volumes at the start: 0, 1 or 2.
    dropout_mm : float
        How far the signal loss below the frontal lobes reaches.

    Raises
    ------
    ValueError
        If there are fewer than `MIN_VOLUMES` volumes or more than 2 unsteady ones.
    """

    subject: str
    session: str | None = None
    direction: str | None = None
    run: str | None = None
    n_volumes: int = 150
    motion: float = 1.0
    n_unsteady: int = 0
    dropout_mm: float = 12.0

    def __post_init__(self) -> None:
        if self.n_volumes < MIN_VOLUMES:
            raise ValueError(f"A run needs {MIN_VOLUMES} volumes, and not {self.n_volumes}.")
        if not 0 <= self.n_unsteady <= 2:
            raise ValueError(f"0 to 2 volumes can be unsteady, and not {self.n_unsteady}.")

    @property
    def name(self) -> str:
        """Entities of the run as in file names: ``sub-01_ses-1_task-rest``."""
        entities = [
            ("sub", self.subject),
            ("ses", self.session),
            ("task", TASK),
            ("dir", self.direction),
            ("run", self.run),
        ]
        return "_".join(f"{key}-{label}" for key, label in entities if label is not None)

    @property
    def folder(self) -> Path:
        """Folder of the run's files within the dataset."""
        session = [] if self.session is None else [f"ses-{self.session}"]
        return Path(f"sub-{self.subject}", *session, "func")


DEMO_RUNS = (
    RunPlan(subject="01", session="1", motion=1.0, n_unsteady=2),
    RunPlan(subject="01", session="2", motion=0.5),
    RunPlan(subject="02", direction="AP", motion=2.0, n_unsteady=1, dropout_mm=24.0),
    RunPlan(subject="02", direction="PA", motion=1.5, dropout_mm=24.0),
    RunPlan(subject="03", motion=1.0, dropout_mm=38.0),
)
"""Two sessions; two runs that differ only by ``dir``; and dropout that empties some regions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedRun:
    """One run in memory.

    Parameters
    ----------
    plan : RunPlan
    scene : Scene
        The head in the scanner: anatomy, brightness, mask.
    regions : array of shape (T, P)
        Planted signals.
    bold : int16 array of shape (X, Y, Z, T)
    confounds : ConfoundsTable
    """

    plan: RunPlan
    scene: Scene
    regions: FloatArray
    bold: IntArray
    confounds: ConfoundsTable


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """Where the files of one run are; all sidecars but ``confounds_json`` are named alike."""

    bold: Path
    boldref: Path
    mask: Path
    confounds: Path
    confounds_json: Path


@dataclass(frozen=True, kw_only=True)
class DemoDataset:
    """Where a demo has been written.

    Parameters
    ----------
    root : Path
        The dataset, as fMRIPrep would have written it.
    atlas, atlas_table : Path
        Image and look-up table of the 60 regions.
    truth_relmat : Path
        Planted correlation of the regions, (60, 60), first column ``Node``.
    truth_timeseries : tuple of Path
        Planted signals of the regions without any artefact, one file per run.
    runs : tuple of RunFiles
        In the order of the plans.
    """

    root: Path
    atlas: Path
    atlas_table: Path
    truth_relmat: Path
    truth_timeseries: tuple[Path, ...]
    runs: tuple[RunFiles, ...]


def write_demo(folder: Path, *, seed: int = 0, volumes: int = 150) -> DemoDataset:
    """Write the whole demo: five runs of three subjects, atlas and truth.

    Parameters
    ----------
    folder : Path
        Gets the folders ``fmriprep``, ``atlas`` and ``truth``.
    seed : int
        The same seed gives the same bytes.
    volumes : int
        T of every run; 40 or more.
    """
    plans = [replace(plan, n_volumes=volumes) for plan in DEMO_RUNS]
    return write_dataset(folder, plans, seed=seed)


def write_dataset(
    folder: Path, plans: Iterable[RunPlan], *, seed: int = 0, grid: Grid = BOLD_GRID
) -> DemoDataset:
    """Write a dataset of any runs on any grid, with atlas and truth.

    Parameters
    ----------
    folder : Path
        Gets the folders ``fmriprep``, ``atlas`` and ``truth``.
    plans : iterable of RunPlan
    seed : int
        Each run has a stream of random numbers of its own: adding one changes no other.
    grid : Grid
        Of the BOLD images.
    """
    root, truth = write_root(folder / "fmriprep"), folder / "truth"
    head, parcellation = draw_head(grid), demo_parcellation(grid)
    runs, timeseries = [], []
    for plan in plans:
        run = simulate_run(plan, head, parcellation, seed=seed)
        runs.append(write_run(root, run))
        timeseries.append(write_signals(truth, run, parcellation))
    atlas, atlas_table = write_atlas(folder / "atlas")
    return DemoDataset(
        root=root,
        atlas=atlas,
        atlas_table=atlas_table,
        truth_relmat=write_target(truth, parcellation),
        truth_timeseries=tuple(timeseries),
        runs=tuple(runs),
    )


def simulate_run(
    plan: RunPlan, head: Anatomy, parcellation: Parcellation, *, seed: int = 0
) -> SimulatedRun:
    """Let `head` be scanned.

    Parameters
    ----------
    plan : RunPlan
    head : Anatomy
        Gives the grid.
    parcellation : Parcellation
        On the same grid; its regions carry the planted signals.
    seed : int
    """
    rng = np.random.default_rng([seed, zlib.crc32(plan.name.encode())])
    scene = draw_scene(head, parcellation, dropout_mm=plan.dropout_mm)
    regions = region_signals(rng, parcellation, plan.n_volumes)
    motion = head_motion(rng, plan.n_volumes, amount=plan.motion)
    bold = bold_volumes(rng, scene, regions, motion, n_unsteady=plan.n_unsteady)
    confounds = confounds_table(bold, scene, motion, n_unsteady=plan.n_unsteady)
    return SimulatedRun(plan=plan, scene=scene, regions=regions, bold=bold, confounds=confounds)


def write_root(root: Path) -> Path:
    """Write what a dataset has besides its runs; the repetition time is in its root sidecar."""
    write_json(root / "dataset_description.json", DESCRIPTION)
    write_json(root / f"task-{TASK}_bold.json", {"RepetitionTime": T_R, "TaskName": TASK})
    write_text(root / "README.md", README)
    write_text(root / ".bidsignore", BIDSIGNORE)
    return root


def write_run(root: Path, run: SimulatedRun) -> RunFiles:
    """Write BOLD, reference volume, brain mask and confounds of one run, each with its sidecar."""
    affine = run.scene.head.grid.affine
    native = root / run.plan.folder / run.plan.name
    stem = f"{native}_space-{SPACE}"
    bold = write_image(Path(f"{stem}_desc-preproc_bold.nii.gz"), run.bold, affine, t_r=T_R)
    sidecar = {"SkullStripped": False, "SliceTimingCorrected": True, "StartTime": 0.97}
    write_json(Path(f"{stem}_desc-preproc_bold.json"), sidecar)
    steady = run.bold[..., run.plan.n_unsteady :]
    reference = np.rint(steady.mean(axis=-1)).astype(np.int16)
    boldref = write_image(Path(f"{stem}_boldref.nii.gz"), reference, affine)
    write_json(Path(f"{stem}_boldref.json"), {"SkullStripped": False})
    mask = write_image(
        Path(f"{stem}_desc-brain_mask.nii.gz"), run.scene.mask.astype(np.uint8), affine
    )
    write_json(Path(f"{stem}_desc-brain_mask.json"), {"Type": "Brain"})
    confounds, metadata = write_confounds(native, run.confounds)
    return RunFiles(
        bold=bold, boldref=boldref, mask=mask, confounds=confounds, confounds_json=metadata
    )


def write_confounds(stem: Path, table: ConfoundsTable) -> tuple[Path, Path]:
    """Write ``<stem>_desc-confounds_timeseries.tsv`` and ``.json``."""
    path = Path(f"{stem}_desc-confounds_timeseries.tsv")
    write_table(path, table.columns)
    return path, write_json(path.with_suffix(".json"), table.metadata)


def write_atlas(folder: Path, *, grid: Grid = ATLAS_GRID) -> tuple[Path, Path]:
    """Write the demo atlas, image and look-up table, under TemplateFlow-like names."""
    stem = folder / f"tpl-{SPACE}_atlas-{ATLAS_NAME}_dseg"
    labels = demo_parcellation(grid).labels
    image = write_image(stem.with_suffix(".nii.gz"), labels, grid.affine)
    return image, write_table(stem.with_suffix(".tsv"), region_table())


def write_target(folder: Path, parcellation: Parcellation) -> Path:
    """Write the planted correlation matrix."""
    columns = dict(zip(parcellation.names, parcellation.target_correlation, strict=True))
    path = folder / f"atlas-{ATLAS_NAME}_desc-planted_relmat.tsv"
    return write_table(path, {"Node": parcellation.names} | columns)


def write_signals(folder: Path, run: SimulatedRun, parcellation: Parcellation) -> Path:
    """Write the planted signals of a run's regions, one row per volume."""
    path = folder / f"{run.plan.name}_atlas-{ATLAS_NAME}_desc-planted_timeseries.tsv"
    return write_table(path, dict(zip(parcellation.names, run.regions.T, strict=True)))
