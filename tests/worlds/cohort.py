"""A cohort of finished runs, written by the product's own writers, with a planted truth.

No image is read and nothing is cleaned: the values that the steps of a run would have given are
made here, and `bidsmask.analysis.outputs` turns them into the files of that run. So a thousand
runs take minutes, and what is written is what the product writes.

``write_cohort(folder, n_subjects=40, n_sessions=2)`` gives a `Cohort`, whose ``runs`` have a row
for each run (``participant_id``, ``mean_fd``, ...), and whose
``planted.fisher_z(**cohort.truth("sub-01_ses-1", "24P"))`` is the truth of each edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from bidsmask._version import __version__
from bidsmask.analysis.outputs import write_outputs
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import (
    CleanedRun,
    Coverage,
    ExtractedRun,
    Matrices,
    PlacedSources,
    RunValues,
)
from bidsmask.columns import coverage as columns_coverage
from bidsmask.columns.regions import place_regions
from bidsmask.dataset.atlases import find_atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.entities import Entities
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.derivatives.description import write_dataset_files
from bidsmask.images.grid import Grid
from bidsmask.images.io import image_bytes
from bidsmask.numerics.connectivity.measures import MEASURES, Relation, Sample
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.reports.summaries import LostPart
from bidsmask.settings import (
    CleaningSettings,
    ConnectivitySettings,
    CoverageSettings,
    ExtractionSettings,
    OutputSettings,
)
from worlds.planted import PLAIN, Planted, Weights

SPACE = "MNI152NLin2009cAsym"
NETWORKS = ("Vis", "SomMot", "Default", "Cont")
GRID = Grid(
    shape=(20, 24, 18),
    affine=np.array([[8.0, 0, 0, -76], [0, 8, 0, -108], [0, 0, 8, -64], [0, 0, 0, 1]]),
)


@dataclass(frozen=True, kw_only=True)
class PlantedStrategy:
    """What a strategy does to runs.

    Parameters
    ----------
    name : str
        Of a strategy of bidsmask.
    motion_left : float
        The share of motion that it leaves in signals.
    n_regressors : int
    """

    name: str
    motion_left: float
    n_regressors: int


WORSE = PlantedStrategy(name="24P", motion_left=1.0, n_regressors=24)
BETTER = PlantedStrategy(name="simple", motion_left=0.2, n_regressors=30)
STRICT = PlantedStrategy(name="scrubbing.5", motion_left=0.1, n_regressors=36)
"""It censors volumes above 0.5 mm, and so cannot be carried out where there are too many."""


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Where it is, and what is in it.

    Parameters
    ----------
    bids_dir, output_dir : Path
    planted : Planted
    participants : DataFrame
        As ``participants.tsv`` of the input: ``participant_id``, ``age``, ``sex``, ``group``.
    runs : DataFrame
        One row for each run, by its name: participant and session, ``mean_fd`` (mm),
        ``strength`` of its networks, ``is_patient``, and who ``moves`` too much.
    strategies : tuple of PlantedStrategy
    """

    bids_dir: Path
    output_dir: Path
    atlas: Path
    planted: Planted
    participants: pd.DataFrame
    runs: pd.DataFrame
    strategies: Sequence[PlantedStrategy] = field(default_factory=tuple)

    def truth(self, run, strategy):
        """What is planted in a run (by how its name begins) under a strategy (by its name)."""
        row = self.runs.loc[next(name for name in self.runs.index if name.startswith(run))]
        (left,) = (each.motion_left for each in self.strategies if each.name == strategy)
        return {
            "motion_mm": left * row["mean_fd"],
            "strength": row["strength"],
            "is_patient": row["is_patient"],
        }

    def group(self, *options):
        """Arguments of the group level of this cohort."""
        return [str(self.bids_dir), str(self.output_dir), "group", *map(str, options)]


def write_cohort(
    folder: Path,
    *,
    n_subjects: int = 24,
    n_sessions: int = 1,
    n_runs: int = 1,
    n_regions: int = 20,
    n_volumes: int = 150,
    n_movers: int = 2,
    n_small_views: int = 3,
    t_r: float = 2.0,
    strategies: Sequence[PlantedStrategy] = (WORSE, BETTER),
    weights: Weights = PLAIN,
    fd: str = "jenkinson",
    seed: int = 0,
) -> Cohort:
    """Write a cohort into a folder: an input (of stubs), an atlas, and finished outputs.

    Half of the participants are patients. The last `n_movers` move more than any rule of
    exclusion allows; the field of view of the first `n_small_views` has lost the last region.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    atlas, planted = _write_atlas(folder / "atlas", n_regions, weights, rng)
    participants = _participants(n_subjects, rng)
    runs = _runs(participants, n_sessions, n_runs, n_movers, n_small_views, weights, rng)
    cohort = Cohort(
        bids_dir=folder / "fmriprep",
        output_dir=folder / "out",
        atlas=atlas,
        planted=planted,
        participants=participants,
        runs=runs,
        strategies=tuple(strategies),
    )
    writer = _Writer(cohort, n_volumes=n_volumes, t_r=t_r, fd=fd)
    with mock.patch("os.fsync"):  # nothing here has to outlive a power cut
        writer.write_input()
        for name, row in runs.iterrows():
            writer.write_run(str(name), row, np.random.default_rng([seed, *name.encode()]))
    return cohort


def _write_atlas(folder, n_regions, weights, rng):
    """Regions are the voxels that are nearest to points in a ball."""
    folder.mkdir()
    points = _points_in_a_brain(n_regions, rng)
    voxels = np.indices(GRID.shape).reshape(3, -1).T
    places = voxels @ GRID.affine[:3, :3].T + GRID.affine[:3, 3]
    apart = ((places[:, None] - points) ** 2).sum(axis=-1)
    labels = np.where(apart.min(axis=1) < 20**2, apart.argmin(axis=1) + 1, 0)
    centroids = np.array([places[labels == n + 1].mean(axis=0) for n in range(n_regions)])
    networks = [NETWORKS[n * len(NETWORKS) // n_regions] for n in range(n_regions)]
    image = folder / f"tpl-{SPACE}_atlas-Cohort{n_regions}_dseg.nii.gz"
    image.write_bytes(image_bytes(labels.reshape(GRID.shape).astype(np.int16), GRID))
    table = pd.DataFrame(
        {
            "index": range(1, n_regions + 1),
            "name": [f"{network}_{n + 1}" for n, network in enumerate(networks)],
            "network": networks,
        }
    )
    table.to_csv(image.with_name(image.name.replace(".nii.gz", ".tsv")), sep="\t", index=False)
    return image, Planted(centroids, networks, weights)


def _points_in_a_brain(n_regions, rng):
    """Points in an ellipsoid, each in a voxel of its own."""
    found = {}
    while len(found) < n_regions:
        direction = rng.standard_normal(3)
        direction *= rng.uniform() ** (1 / 3) / np.linalg.norm(direction)
        point = direction * (60.0, 75.0, 50.0) + (0.0, -16.0, 4.0)
        found.setdefault(tuple(np.rint(point / 8).astype(int)), point)
    return np.array(list(found.values()))


def _participants(n_subjects, rng):
    width = max(2, len(str(n_subjects)))
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{n + 1:0{width}}" for n in range(n_subjects)],
            "age": rng.integers(20, 70, n_subjects),
            "sex": rng.choice(["F", "M"], n_subjects),
            "group": np.where(np.arange(n_subjects) % 2, "patient", "control"),
        }
    )


def _runs(participants, n_sessions, n_runs, n_movers, n_small_views, weights, rng):
    rows = []
    for number, person in participants.iterrows():
        mean_fd = 0.16 * np.exp(0.4 * rng.standard_normal())
        moves = number >= len(participants) - n_movers
        strength = np.exp(weights.trait * rng.standard_normal())
        for session in range(1, n_sessions + 1):
            for run in range(1, n_runs + 1):
                wobble = np.exp(0.15 * rng.standard_normal())
                entities = {"sub": person["participant_id"].removeprefix("sub-")}
                entities |= {"ses": str(session)} if n_sessions > 1 else {}
                entities |= {"task": "rest"} | ({"run": str(run)} if n_runs > 1 else {})
                rows.append(
                    {
                        "name": str(Entities(entities | {"space": SPACE})),
                        "participant_id": person["participant_id"],
                        "session": session,
                        "mean_fd": wobble * (rng.uniform(0.7, 1.0) if moves else mean_fd),
                        "strength": strength,
                        "is_patient": person["group"] == "patient",
                        "moves": moves,
                        "has_lost_a_region": number < n_small_views,
                    }
                )
    return pd.DataFrame(rows).set_index("name")


class _Writer:
    """Makes the values of runs, and lets the product write them."""

    def __init__(self, cohort, *, n_volumes, t_r, fd):
        self.cohort, self.n_volumes, self.t_r = cohort, n_volumes, t_r
        self.atlas = find_atlas(cohort.atlas, space=SPACE, homes=(), download=False)
        self.strategies = [load_strategy(s.name).with_overrides(fd=fd) for s in cohort.strategies]
        self.links = {"preprocessed": str(cohort.bids_dir)}
        self.fd_kind = self.strategies[0].censoring.in_words
        labels = _labels_of(cohort.atlas)
        mask = labels > 0
        regions = place_regions(labels, GRID, self.atlas.lut.ids, grid=GRID, mask=mask)
        self.placed = PlacedSources(mask=mask, grid=GRID, numbers=(0,), columns=(regions,))

    def write_input(self):
        cohort = self.cohort
        for name in cohort.runs.index:
            run = _bold_run(cohort.bids_dir, name)
            run.bold.parent.mkdir(parents=True, exist_ok=True)
            run.bold.write_bytes(name.encode())
            run.confounds.write_text(f"framewise_displacement\n{name}\n")
        cohort.participants.to_csv(cohort.bids_dir / "participants.tsv", sep="\t", index=False)
        description = '{"Name": "cohort", "BIDSVersion": "1.11.0", "DatasetType": "derivative"}'
        (cohort.bids_dir / "dataset_description.json").write_text(description)
        cohort.output_dir.mkdir(exist_ok=True)
        write_dataset_files(
            cohort.output_dir, version=__version__, source_root=cohort.bids_dir, links=self.links
        )

    def write_run(self, name, row, rng):
        planted, n_volumes = self.cohort.planted, self.n_volumes
        fd = _displacement(row["mean_fd"], n_volumes, rng)
        draws = planted.draws(rng, n_volumes)
        usable = np.ones(planted.n_regions, dtype=bool)
        usable[-1] = not row["has_lost_a_region"]
        done = [
            self._cleaned(strategy, spec, row, fd, draws, usable, rng)
            for strategy, spec in zip(self.strategies, self.cohort.strategies, strict=True)
        ]
        cleaned = [each for each in done if not isinstance(each[0], LostPart)]
        values = RunValues(
            extracted=_extracted(fd, int(self.placed.mask.sum()), rng),
            placed=self.placed,
            sources=(self.atlas,),
            strategies=tuple(
                strategy
                for strategy, each in zip(self.strategies, done, strict=True)
                if not isinstance(each[0], LostPart)
            ),
            fd_mm=fd,
            fd_kind=self.fd_kind,
            displacements={"power": 2 * fd, "jenkinson": fd},
            confounds=tuple(confounds for _, confounds in cleaned),
            coverage=(self._coverage(usable),),
            cleaned=tuple(each for each, _ in cleaned),
            matrices=tuple(_matrices(each) for each, _ in cleaned),
            lost=tuple(each for each, _ in done if isinstance(each, LostPart)),
        )
        write_outputs(values, self._plan(name), self.cohort.output_dir, self.links)

    def _cleaned(self, strategy, spec, row, fd, draws, usable, rng):
        """Signals of the kept volumes, with a design of that rank taken out."""
        threshold = strategy.censoring.fd_threshold_mm or np.inf
        kept = ~(np.nan_to_num(fd) > threshold)
        n_kept, n_regressors = int(kept.sum()), spec.n_regressors
        left = n_kept - 2 - n_regressors
        design = rng.standard_normal((len(fd), n_regressors)).round(2)
        confounds = Confounds(
            strategy=strategy.name,
            columns=tuple(f"confound{n:02}" for n in range(n_regressors)),
            design=design,
            sample_mask=kept,
            outliers=(("framewise_displacement", ~kept),) if threshold < np.inf else (),
            fd_mm=fd,
            std_dvars=None,
            filled=(),
            origins=("the confounds table",) * n_regressors,
        )
        if left < CleaningSettings.min_dof:
            reason = f"{left} degrees of freedom are left, fewer than --min-dof 10."
            lost = LostPart(part="strategy", name=strategy.name, kind="RunError", reason=reason)
            return lost, confounds
        signals = self.cohort.planted.signals(
            draws[kept],
            motion_mm=spec.motion_left * row["mean_fd"],
            strength=row["strength"],
            is_patient=row["is_patient"],
        )
        line = np.linspace(-1, 1, n_kept)
        basis, _ = np.linalg.qr(np.column_stack([np.ones(n_kept), line, design[kept]]))
        signals = signals - basis @ (basis.T @ signals)
        signals /= signals.std(axis=0, ddof=1)
        signals[:, ~usable] = np.nan
        cleaned = CleanedRun(
            signals=((signals,),),
            sample_mask=kept,
            ledger=DegreesOfFreedom(
                n_volumes=len(fd),
                n_censored=len(fd) - n_kept,
                n_kept=n_kept,
                n_detrend=2,
                n_filter=0,
                n_confounds=n_regressors,
                n_regressors=n_regressors,
                remaining=left,
            ),
            collinear=np.zeros(0, dtype=int),
            response=np.ones(1),
            carpet=np.zeros((n_kept, 0)),
            quality={
                "fd_dvars_before": 0.6,
                "fd_dvars_after": 0.6 * spec.motion_left,
                "tsnr_before": 50.0,
                "tsnr_after": 80.0,
            },
        )
        return cleaned, confounds

    def _coverage(self, usable):
        extent = self.placed.columns[0].extent
        covered = np.where(usable, extent.n_voxels, extent.n_voxels // 5)
        found = columns_coverage.Coverage(
            extent=extent,
            n_covered=covered,
            share=covered / extent.n_voxels,
            still=np.zeros(len(usable), dtype=bool),
            min_coverage=CoverageSettings.min_coverage,
        )
        everywhere = np.ones(GRID.n_voxels, dtype=bool)
        centroids = self.placed.columns[0].centroids(everywhere)
        return Coverage(table=found.table(self.atlas.lut.names, self.atlas.lut.ids, centroids))

    def _plan(self, name):
        run = _bold_run(self.cohort.bids_dir, name)
        return RunPlan(
            run=run,
            t_r=self.t_r,
            n_volumes=self.n_volumes,
            grid=GRID,
            voxel_bytes=4,
            sources=(self.atlas,),
            strategies=tuple(self.strategies),
            extraction=ExtractionSettings(),
            coverage=CoverageSettings(),
            cleaning=CleaningSettings(),
            connectivity=ConnectivitySettings(),
            output=OutputSettings(),
        )


def _labels_of(image):
    import nibabel as nib

    return np.asarray(nib.load(image).dataobj).astype(int)


def _bold_run(bids_dir, name):
    entities = Entities(part.split("-") for part in name.split("_"))
    levels = [f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities]
    folder = bids_dir.joinpath(*levels, "func")
    acquisition = name.removesuffix(f"_space-{SPACE}")
    return BoldRun(
        files=(folder / f"{name}_desc-preproc_bold.nii.gz",),
        entities=entities | {"desc": "preproc"},
        confounds=folder / f"{acquisition}_desc-confounds_timeseries.tsv",
        metadata=(("TaskName", "rest"),),
    )


def _displacement(mean_mm, n_volumes, rng):
    """Many small ones and a few large ones; their mean is what it should be."""
    fd = rng.gamma(2.0, size=n_volumes)
    fd[rng.choice(np.arange(1, n_volumes), max(n_volumes // 30, 1), replace=False)] *= 4
    fd[0] = np.nan
    return fd * mean_mm / np.nanmean(fd)


def _extracted(fd, n_voxels, rng):
    dvars = 20 + 5 * fd + rng.standard_normal(len(fd))
    return ExtractedRun(
        signals=(),
        mean=np.full(n_voxels, 1000.0),
        std=np.full(n_voxels, 20.0),
        dvars=dvars,
        global_mean=rng.standard_normal(len(fd)),
        carpet=np.zeros((len(fd), 0)),
        carpet_labels=np.zeros(0, dtype=int),
        nonfinite=np.zeros(n_voxels, dtype=bool),
    )


def _matrices(cleaned):
    ((signals,),) = cleaned.signals
    sample = Sample(signals=signals, sample_mask=cleaned.sample_mask, dof=cleaned.ledger.remaining)
    relation = MEASURES["correlation"].function(sample)
    assert isinstance(relation, Relation)
    return Matrices(by_measure={"correlation": (relation,)})
