"""Benchmarks of one strategy over a group, while edges stream by.

Edges come in blocks, each of all runs; the group is never in memory as a whole. What is kept of
each edge are a few numbers, and its correlation with every permutation of motion: where these do
not fit into the memory that is set aside for them, edges are gone through again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.benchmarks.distance import distance_dependence
from bidsmask.numerics.benchmarks.jackknife import left_out_groups
from bidsmask.numerics.benchmarks.partial import (
    Residuals,
    constant_and,
    correlations,
    correlations_without,
    residuals,
)
from bidsmask.numerics.benchmarks.permuted import Null, permuted_motion
from bidsmask.numerics.benchmarks.qcfc import QcFc
from bidsmask.numerics.benchmarks.reliability import icc_a1

MOST_BYTES_OF_NULL = 400 << 20
"""Of correlations with permuted motion that are kept at a time."""

Blocks = Callable[[], Iterator[tuple[slice, FloatArray]]]
"""Goes through the edges: which, and Pearson's correlation of each in all runs, (R, n)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """The runs that a benchmark is of, and whose they are.

    Parameters
    ----------
    rows : int array of shape (R,)
        Which rows of the blocks these are.
    subject : int array of shape (R,)
        Whose run it is, from 0 to N - 1.
    session : int array of shape (R,)
        In which session, from 0.
    motion : float array of shape (N,)
        Mean framewise displacement of each subject, mean over runs, in mm.
    covariates : float array of shape (N, k)
    """

    rows: IntArray
    subject: IntArray
    session: IntArray
    motion: FloatArray
    covariates: FloatArray

    @property
    def n_subjects(self) -> int:
        """How many subjects, N."""
        return len(self.motion)

    @property
    def has_all_sessions(self) -> BoolArray:
        """Which subjects have a run in every session that anybody has, (N,)."""
        n_sessions = int(self.session.max(initial=-1)) + 1
        seen = np.zeros((self.n_subjects, n_sessions), dtype=bool)
        seen[self.subject, self.session] = True
        has_all: BoolArray = np.logical_and.reduce(seen, axis=1)
        return has_all

    @cached_property
    def basis(self) -> FloatArray:
        """Orthonormal basis of constant and covariates, (N, K)."""
        return constant_and(self.covariates)

    def subjects(self, r: FloatArray) -> FloatArray:
        """Average Fisher's z of all rows (R', n) over the runs of each subject, (N, n)."""
        return _means(_fisher_z(r[self.rows]), self.subject, self.n_subjects)

    def sessions(self, r: FloatArray) -> FloatArray:
        """Average Fisher's z over the runs of each session of each subject, (N, S, n)."""
        n_sessions = int(self.session.max(initial=-1)) + 1
        cell = self.subject * n_sessions + self.session
        means = _means(_fisher_z(r[self.rows]), cell, self.n_subjects * n_sessions)
        return means.reshape(self.n_subjects, n_sessions, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What was found.

    Parameters
    ----------
    qcfc : QcFc
    distances : float array of shape (E,)
        In mm; NaN where they are not known.
    median_abs_r, rho : float arrays of shape (G,)
        Of QC-FC, without each group of subjects; see `jackknife`.
    null : Null
    icc : float array of shape (E,)
        NaN where no sessions repeat.
    """

    qcfc: QcFc
    distances: FloatArray
    median_abs_r: FloatArray
    rho: FloatArray
    null: Null
    icc: FloatArray


def measure(
    blocks: Blocks,
    sample: Sample,
    distances: FloatArray,
    *,
    n_permutations: int,
    seed: int,
) -> Measured:
    """Measure how edges go with motion, with distance, and with themselves.

    Parameters
    ----------
    blocks : callable
        Gone through at least once.
    sample : Sample
        Of at least 2 subjects.
    distances : array of shape (E,)
    n_permutations, seed : int

    Returns
    -------
    measured : Measured
    """
    n_edges, permuted = len(distances), _permuted(sample, n_permutations, seed)
    found = _PerEdge(sample, n_edges)
    at_once = max(MOST_BYTES_OF_NULL // (4 * max(n_edges, 1)), 1)
    nulls = []
    for start in range(0, max(n_permutations, 1), at_once):
        some = permuted[start : start + at_once]
        r = np.empty((len(some), n_edges), dtype=np.float32)
        for edges, values in blocks():
            of = residuals(sample.subjects(values), sample.basis)
            r[:, edges] = correlations(of, some)
            if start == 0:
                found.see(edges, of, sample.sessions(values))
        nulls.append(Null.of(r, found.dof, distances))
    qcfc = QcFc(r=found.r, dof=found.dof)
    return Measured(
        qcfc=qcfc,
        distances=distances,
        median_abs_r=np.array([QcFc(r=r, dof=found.dof).median_abs_r for r in found.without]),
        rho=np.array([distance_dependence(r, distances) for r in found.without]),
        null=Null.joined(*nulls),
        icc=found.icc,
    )


class _PerEdge:
    """What is kept of each edge."""

    def __init__(self, sample: Sample, n_edges: int) -> None:
        self._sample = sample
        self._groups = left_out_groups(sample.n_subjects)
        self.r, self.icc = np.full(n_edges, np.nan), np.full(n_edges, np.nan)
        self.dof = np.zeros(n_edges, dtype=np.int64)
        self.without = np.full((len(self._groups), n_edges), np.nan, dtype=np.float32)

    def see(self, edges: slice, of: Residuals, sessions: FloatArray) -> None:
        motion = self._sample.motion
        self.r[edges] = correlations(of, motion[np.newaxis])[0]
        self.dof[edges] = of.dof
        for number, r in enumerate(correlations_without(of, motion, self._groups)):
            self.without[number, edges] = r
        if sessions.shape[1] > 1:
            self.icc[edges] = icc_a1(sessions)


def _permuted(sample: Sample, n: int, seed: int) -> FloatArray:
    return permuted_motion(sample.motion, sample.basis, n, seed)


def _fisher_z(r: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        z: FloatArray = np.arctanh(r.astype(np.float64))
    return z


def _means(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """Average rows (R, n) of each group: (n_groups, n); what is not finite does not count."""
    if np.array_equal(group, np.arange(n_groups)):
        return values
    known = np.isfinite(values)
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    sums, counts = np.full((2, n_groups, values.shape[1]), np.nan)
    sums[present] = np.add.reduceat(np.where(known, values, 0.0)[order], starts)
    counts[present] = np.add.reduceat(known[order].astype(np.float64), starts)
    return sums / np.where(counts > 0, counts, np.nan)
