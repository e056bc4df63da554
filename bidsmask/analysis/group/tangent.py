"""Tangent space of a group: where each run lies, seen from the mean of those that are included.

A covariance of each run is taken of its standardised signals, shrunk so that it can be inverted
(Ledoit-Wolf). Those of the included runs have a geometric mean, and every run, also an excluded
one, is the direction and the distance in which it lies from there: excluded runs change nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.analysis.group.counted import LeftOut
from bidsmask.analysis.group.stacks import AXES, VARIABLES, StackFile
from bidsmask.dataset.listing import some_of
from bidsmask.derivatives.read import stack_name
from bidsmask.derivatives.relations import tangent_key
from bidsmask.derivatives.stacks import (
    Origin,
    Stack,
    Triangle,
    edges_of,
    open_stack,
    write_matrices,
)
from bidsmask.derivatives.writing import write_json
from bidsmask.numerics.connectivity.plain import varies
from bidsmask.numerics.connectivity.regularised import ledoit_wolf, standard_scores
from bidsmask.numerics.tangent import geometric_mean, inverse_root, logarithm_seen_from
from bidsmask.numerics.threads import in_order
from bidsmask.reports.group.values import LOST_IN_MANY

_WORDS = "displacement from the geometric mean of covariances, in the space tangent to it"


@dataclass(frozen=True, kw_only=True)
class TangentFile:
    """What was written of a tangent space.

    Parameters
    ----------
    names : tuple of str
        Of the files; none, if no run that is included has a signal in all regions.
    left_out : tuple of LeftOut
        Runs that have time series and no tangent.
    warnings : tuple of str
    """

    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...] = ()


def write_tangent(series: StackFile, included: Collection[str]) -> TangentFile:
    """Write the stack of the tangent space of some time series, with its sidecar.

    Parameters
    ----------
    series : StackFile
        Of time series.
    included : collection of str
        Names of the runs that are part of the group.

    Raises
    ------
    StorageError, OutputError
        If it cannot be written.

    Notes
    -----
    Regions that more than `LOST_IN_MANY` of the included runs lack are NaN in all runs. A run
    that lacks another one has no covariance of all regions, and is left out.

    References
    ----------
    Varoquaux et al. (2010), MICCAI, doi:10.1007/978-3-642-15705-9_25
    """
    group = {run.name for run in series.runs}.intersection(included)
    if not group:
        return TangentFile(names=(), left_out=())
    with open_stack(series.path) as stack:
        return _Space(series, stack, group).write()


class _Space:
    """The tangent space of the runs of a stack."""

    def __init__(self, series: StackFile, stack: Stack, included: Collection[str]) -> None:
        self.series, self.stack = series, stack
        self.key = tangent_key(series.key)
        self.path = series.path.with_name(stack_name(self.key, has_matrices=True))
        is_included = np.array([run.name in included for run in series.runs])
        usable = np.array([*in_order(self._usable, range(len(series.runs)))])
        self.regions = _regions_of_most(usable[is_included])
        has_all = usable[:, self.regions].all(axis=1) & usable.any(axis=1)
        self.lost = {int(run): self._lost(usable[run]) for run in np.flatnonzero(~has_all)}
        self.numbers = np.flatnonzero(has_all)
        self.included = is_included[has_all]

    def write(self) -> TangentFile:
        """Write the stack and its sidecar, if there is a group to start from."""
        left_out = tuple(self._left_out())
        if not self.included.any():
            return TangentFile(names=(), left_out=left_out)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mean = geometric_mean(_Covariances(self, self.numbers[self.included]))
        runs = [self.series.runs[number] for number in self.numbers]
        write_matrices(
            self.path,
            [run.stacked(run.series[self.series.key]) for run in runs],
            self.stack.regions,
            self._displacements(mean),
            {"long_name": _WORDS, "strategy": self.series.strategy, "desc": self.key.desc},
            within=self.path.parent,
            origin=Origin(self._triangle(mean), self.included),
        )
        sidecar = self.path.with_suffix(".json")
        write_json(sidecar, self._about(left_out), within=self.path.parent)
        said = tuple(f"{self.path.name}: {each.message}" for each in caught)
        return TangentFile(names=(self.path.name, sidecar.name), left_out=left_out, warnings=said)

    def covariance(self, number: int) -> FloatArray:
        """Compute the shrunk covariance of the regions of a run."""
        kept = self._kept(number)[:, self.regions].astype(np.float64)
        return ledoit_wolf(standard_scores(kept), len(kept))[0]

    def _kept(self, number: int) -> FloatArray:
        """Read the signals of the volumes that have not been censored."""
        signals = self.stack.signals(number)
        return signals[~np.isnan(signals).all(axis=1)]

    def _usable(self, number: int) -> BoolArray:
        """Tell which regions of a run have a signal; none has, of fewer than two volumes."""
        kept = self._kept(number)
        return varies(kept) if len(kept) > 1 else np.zeros(kept.shape[1], dtype=bool)

    def _displacements(self, mean: FloatArray) -> Iterator[Triangle]:
        whitening = inverse_root(mean)

        def displacement(number: int) -> Triangle:
            return self._triangle(logarithm_seen_from(whitening, self.covariance(number)))

        return in_order(displacement, self.numbers.tolist())

    def _triangle(self, matrix: FloatArray) -> Triangle:
        """Put a matrix of the regions of most runs where they stand among all."""
        n_regions = len(self.regions)
        among_all = np.full((n_regions, n_regions), np.nan)
        among_all[np.ix_(self.regions, self.regions)] = matrix
        return Triangle(among_all[edges_of(n_regions)], np.diagonal(among_all).copy())

    def _lost(self, usable: BoolArray) -> str:
        names = np.array(self.stack.regions)[self.regions & ~usable]
        if not usable.any():
            return "it has no two volumes, or no region with a signal"
        return f"it has no signal in {some_of(names.tolist())}"

    def _left_out(self) -> Iterator[LeftOut]:
        for number, why in self.lost.items():
            reason = f"It is not in {self.path.name}: {why}."
            yield LeftOut(name=self.series.runs[number].name, reason=reason)

    def _about(self, left_out: Sequence[LeftOut]) -> dict[str, Any]:
        lost = np.array(self.stack.regions)[~self.regions].tolist()
        return {
            "Description": f"Tangent space: {_WORDS}, of all runs that count, in HDF5",
            "NumberOfRuns": len(self.numbers),
            "NumberOfRunsIncluded": int(self.included.sum()),
            "Covariance": "Of the standardised signals of kept volumes, shrunk (Ledoit-Wolf)",
            "Reference": "Geometric mean of the covariances of the included runs, each with the "
            "same weight; excluded runs are projected and change nothing",
            "Axes": AXES[True],
            "Variables": {
                **VARIABLES[True],
                "relation": "(run, edge), single precision: the displacement of a run",
                "included": "Of each run: 1 if it is part of the group, 0 if it is projected",
                "reference": "(edge,): the geometric mean, off its diagonal",
                "reference_diagonal": "(region,): diagonal of the geometric mean",
            },
            "Sources": [f"bids::{self.series.path.name}"],
            **({"RegionsLeftOut": lost} if lost else {}),
            **({"LeftOut": {each.name: each.reason for each in left_out}} if left_out else {}),
        }


class _Covariances(Sequence[FloatArray]):
    """Covariances of some runs, computed when they are asked for."""

    def __init__(self, space: _Space, numbers: IntArray) -> None:
        self._space, self._numbers = space, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        return self._space.covariance(int(self._numbers[place]))


def _regions_of_most(usable: BoolArray) -> BoolArray:
    """Find the regions that most runs have, (P,), of those that each has, (N, P)."""
    n_lost = (~usable).sum(axis=0)
    return np.asarray(n_lost <= LOST_IN_MANY * len(usable))
