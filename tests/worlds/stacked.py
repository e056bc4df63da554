"""Stacks of a simulated cohort whose connectivity is planted edge by edge; no run is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd

from bidsmask.analysis.group.stacks import StackFile
from bidsmask.dataset.entities import parse_name
from bidsmask.dataset.strategies import label_of
from bidsmask.derivatives.read import TableKey
from bidsmask.derivatives.stacks import StackedRun, Triangle, write_matrices

ATLAS = "space-MNI152NLin2009cAsym_atlas-Planted"


@dataclass(kw_only=True)
class PlantedStrategy:
    """What a strategy leaves of motion in edges, and of the degrees of freedom."""

    motion: float
    dof_share: float = 0.5
    columns: tuple[str, ...] = ("trans_x",)
    lost: tuple[int, ...] = ()
    """Participants whose runs it cannot do."""


@dataclass(kw_only=True)
class StackedCohort:
    """Fisher's z of an edge is a mean, and rises with motion by its slope times `motion`.

    Slopes fall with distance; noise has the standard deviation `noise`, half of it a trait of
    the participant.
    """

    strategies: dict[str, PlantedStrategy]
    n_subjects: int = 60
    n_sessions: int = 1
    n_regions: int = 16
    noise: float = 0.15
    seed: int = 0
    has_places: bool = True
    small_views: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.centroids = self.rng.uniform(-60, 60, (self.n_regions, 3))
        first, second = np.triu_indices(self.n_regions, 1)
        self.distances = np.linalg.norm(self.centroids[first] - self.centroids[second], axis=1)
        self.slopes = 2.0 * np.exp(-self.distances / 40) - 0.3
        self.fd = self.rng.gamma(4, 0.05, self.n_subjects)
        self.age = self.rng.uniform(20, 70, self.n_subjects)
        sessions = range(1, self.n_sessions + 1)
        self.runs = [
            (subject, f"sub-{subject + 1:03}_ses-{session}_task-rest_{ATLAS.split('_')[0]}")
            for subject in range(self.n_subjects)
            for session in sessions
        ]

    @property
    def participants(self):
        names = [f"sub-{subject + 1:03}" for subject in range(self.n_subjects)]
        return pd.DataFrame({"participant_id": names, "age": self.age})

    @property
    def qc(self):
        rows = [
            {
                "participant_id": name.split("_")[0],
                "session_id": name.split("_")[1],
                "bids_name": name,
                "strategy": strategy,
                "status": "ok",
                "mean_fd": self.fd[subject],
                "dof_remaining": 200 * spec.dof_share,
                "dof_share": spec.dof_share,
                "fd_dvars_after": 0.3 * spec.motion,
            }
            for subject, name in self.runs
            for strategy, spec in self.strategies.items()
        ]
        return pd.DataFrame(rows)

    @property
    def included(self):
        return {
            strategy: [name for subject, name in self.runs if subject not in spec.lost]
            for strategy, spec in self.strategies.items()
        }

    def stacks(self, folder):
        """Write a stack for each strategy; traits of participants are the same in all."""
        trait = self.rng.normal(0, self.noise / np.sqrt(2), (self.n_subjects, self.slopes.size))
        return [self._stack(folder, *item, trait) for item in self.strategies.items()]

    def _stack(self, folder, strategy, spec, trait):
        done = [run for run in self.runs if run[0] not in spec.lost]
        stacked = [
            StackedRun(run=name, participant_id=name.split("_")[0], n_volumes=200, t_r=2.0)
            for _, name in done
        ]
        path = folder / f"{label_of(strategy)}.h5"
        regions = [f"region{number}" for number in range(self.n_regions)]
        rows = (self._matrix(subject, spec, trait[subject]) for subject, _ in done)
        write_matrices(path, stacked, regions, rows, {}, within=folder)
        return StackFile(
            path=path,
            key=TableKey(ATLAS, "pearsoncorrelation", label_of(strategy)),
            has_matrices=True,
            runs=tuple(self._run(name, spec) for _, name in done),
            left_out=(),
        )

    def _matrix(self, subject, spec, trait):
        z = 0.2 + spec.motion * self.slopes * self.fd[subject] + trait
        z = z + self.rng.normal(0, self.noise / np.sqrt(2), z.size)
        if subject < self.small_views:
            z[np.triu_indices(self.n_regions, 1)[1] == self.n_regions - 1] = np.nan
        return Triangle(np.tanh(z).astype(np.float32), np.ones(self.n_regions, np.float32))

    def _run(self, name, spec):
        table = pd.DataFrame({"Node": range(self.n_regions)})
        if self.has_places:
            table[["x", "y", "z"]] = self.centroids
        return SimpleNamespace(
            name=name,
            entities=parse_name(f"{name}_bold.nii.gz").entities,
            coverage=lambda atlas: table,
            design=lambda desc: pd.DataFrame(columns=list(spec.columns)),
        )
