"""What is planted in a cohort: the connectivity of each run before any noise of sampling.

A signal is a sum of independent parts, each with a covariance that is known:

==========  ==================================================================================
noise       of each region alone
common      one signal for all
network     one signal for each network; how strong is a trait of the participant
motion      a field that is alike in regions near each other, as strong as the mean framewise
            displacement of the run and what the strategy has left of it
group       one more signal in the first network of those who are patients
==========  ==================================================================================

So an edge rises with motion, the more the shorter it is; it is stronger in patients if it is
within the first network; and participants differ in a way that sessions share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Variances of the parts, where noise has 1; motion's is for each mm of displacement."""

    common: float = 0.15
    network: float = 0.4
    motion: float = 2.0
    group: float = 0.4
    trait: float = 0.3
    """SD over participants of the logarithm of the strength of networks."""
    range_mm: float = 30.0
    """How far apart regions are whose motion is correlated with 1/e."""


PLAIN = Weights()


class Planted:
    """Regions in space, and the covariance of their signals in whatever run."""

    def __init__(self, centroids_mm, networks, weights=PLAIN):
        self.centroids_mm = np.asarray(centroids_mm, dtype=float)
        self.networks = np.asarray(networks)
        self.weights = weights
        apart = self.centroids_mm[:, None] - self.centroids_mm
        self.distance_mm = np.sqrt((apart**2).sum(axis=-1))
        self.field = np.exp(-self.distance_mm / weights.range_mm)
        self.within = (self.networks[:, None] == self.networks).astype(float)
        first = (self.networks == self.networks[0]).astype(float)
        self.of_group = np.outer(first, first)
        values, vectors = np.linalg.eigh(self.field)
        self.root = vectors * np.sqrt(np.maximum(values, 0))

    @property
    def n_regions(self):
        return len(self.networks)

    @property
    def pairs(self):
        """Edges, one region before the other, along the rows."""
        return np.triu_indices(self.n_regions, 1)

    def covariance(self, *, motion_mm, strength=1.0, is_patient=False):
        """Covariance of the signals (P, P); `motion_mm` is what a strategy has left."""
        w = self.weights
        return (
            np.eye(self.n_regions)
            + w.common
            + w.network * strength * self.within
            + w.motion * motion_mm * self.field
            + w.group * is_patient * self.of_group
        )

    def fisher_z(self, **run):
        """Fisher's z of every edge, without any noise of sampling (E,)."""
        covariance = self.covariance(**run)
        sd = np.sqrt(np.diag(covariance))
        return np.arctanh((covariance / np.outer(sd, sd))[self.pairs])

    def signals(self, parts, *, motion_mm, strength=1.0, is_patient=False):
        """Signals (T, P) with that covariance, of the `draws` of a run."""
        w = self.weights
        _, of_network = np.unique(self.networks, return_inverse=True)
        n = self.n_regions
        noise, field, networks, others = np.split(parts, [n, 2 * n, 3 * n], axis=1)
        first = self.of_group[0]
        return (
            noise
            + np.sqrt(w.common) * others[:, :1]
            + np.sqrt(w.network * strength) * networks[:, of_network]
            + np.sqrt(w.motion * motion_mm) * field @ self.root.T
            + np.sqrt(w.group * is_patient) * others[:, 1:2] * first
        )

    def draws(self, rng, n_volumes):
        """White noise that the signals of a run are made of, whatever the strategy."""
        return rng.standard_normal((n_volumes, 3 * self.n_regions + 2))
