"""Columns of a run on surfaces that is smoothed.

What was not measured takes no part in smoothing, so a run is gone through once to find that out,
and a second time to be read. Smoothing is folded into the weights of means and of maps, as it is
for volumes (`bidsmask.numerics.projections.folding`); other columns are made of smoothed values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray
from bidsmask.columns.base import Part, VoxelSets
from bidsmask.columns.by_points import judged
from bidsmask.columns.extraction import Extraction, still
from bidsmask.columns.maps import Maps
from bidsmask.columns.request import Request
from bidsmask.columns.watch import Watch
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.images.surface_smoothing import smoothed_series, smoothing_between, smoothings
from bidsmask.numerics.projections.maps import MapProjection
from bidsmask.numerics.projections.regions import RegionMeans

Extract = Callable[..., tuple[Extraction, ...]]
"""`bidsmask.columns.extract.extract`."""


def extract_smoothed(
    series: SurfaceSeries,
    requests: Sequence[Request],
    extract: Extract,
    see: Sequence[Callable[[slice, Array], None]],
) -> tuple[Extraction, ...]:
    """Read columns off a run, some or all of which are smoothed.

    Parameters
    ----------
    series : SurfaceSeries
        Of which the meshes are known.
    requests : sequence of Request
    extract : function of a series, requests and ``see``
        Reads columns of a run as it is.
    see : functions of a slice and a block
        See `bidsmask.columns.extract.extract`: they are shown what is not smoothed.

    Returns
    -------
    extractions : tuple of Extraction
        One for each request. A column of which nothing was measured is not smoothed.

    Raises
    ------
    SpaceError
        If a mesh is missing, or is none of the run.
    """
    judge = _Judge(series)
    unsmoothed = [replace(request, smoothing_fwhm=None) for request in requests]
    first = [each for each, request in zip(unsmoothed, requests, strict=True) if _first(request)]
    plain = iter(extract(series, first, see=[*see, judge.see]))
    found: list[Extraction | _Fold] = []
    for request, other in zip(requests, unsmoothed, strict=True):
        if not request.smooths:
            found.append(next(plain))
        elif is_linear(request):
            found.append(_Fold(request, next(plain), judge.measured))
        else:
            fwhm = float(request.smoothing_fwhm)
            smoothing = smoothing_between(series.grid, series.meshes, fwhm, judge.measured)
            found.extend(extract(smoothed_series(series, smoothing), [other]))
    folds = [each for each in found if isinstance(each, _Fold)]
    _fold(series, folds, judge.measured)
    _read(series, folds)
    return tuple(each.extraction() if isinstance(each, _Fold) else each for each in found)


def is_linear(request: Request) -> bool:
    """Whether columns are weighted sums of volumes, which smoothing can be folded into."""
    is_mean = isinstance(request.columns, VoxelSets) and request.statistic == "mean"
    return is_mean or isinstance(request.columns, Maps)


def _first(request: Request) -> bool:
    """Whether columns are read before anything is smoothed."""
    return not request.smooths or is_linear(request)


class _Judge:
    """Finds out, while a run is read, which places were measured."""

    def __init__(self, series: SurfaceSeries) -> None:
        n_places = series.grid.n_voxels
        self._watch = None if series.by_points else Watch(np.arange(n_places))
        self._measured: BoolArray = np.zeros(n_places, dtype=bool)

    def see(self, where: slice, block: Array) -> None:
        """Look at the next volumes, or places (n, T), as they are stored."""
        if self._watch is None:
            _, self._measured[where] = judged(block)
        else:
            self._watch.see_block(block)

    @property
    def measured(self) -> BoolArray:
        """Which places (V,) are finite in all volumes and, of several, not the same in all."""
        return self._measured if self._watch is None else self._watch.measured


class _Fold:
    """Columns into whose weights smoothing is folded.

    Parameters
    ----------
    request : Request
    unsmoothed : Extraction
        The same columns of the run as it is.
    measured : bool array of shape (V,)

    Attributes
    ----------
    weights : list of sparse arrays of shape (k, V)
        Of each part of those columns of which something was measured.
    sums : list of arrays of shape (k, T)
        To be filled.
    """

    def __init__(self, request: Request, unsmoothed: Extraction, measured: BoolArray) -> None:
        self.fwhm = float(request.smoothing_fwhm)
        self._unsmoothed = unsmoothed
        columns, n_volumes = request.columns, len(unsmoothed.signals)
        seen = unsmoothed.used & (unsmoothed.coverage.n_covered > 0)
        self._parts = columns.parts(measured, seen, request.statistic)
        self.weights = [
            _linear(part).matrix(columns.grid.n_voxels).tocsc() for part in self._parts
        ]
        self.sums = [np.zeros((each.shape[0], n_volumes)) for each in self.weights]

    def extraction(self) -> Extraction:
        """Give the columns, once the run has been read."""
        signals = self._unsmoothed.signals.copy()
        for part, sums in zip(self._parts, self.sums, strict=True):
            signals[:, part.rows] = _linear(part).from_products(sums.T)
        coverage = replace(self._unsmoothed.coverage, still=still(signals))
        return replace(self._unsmoothed, signals=signals, coverage=coverage)


def _linear(part: Part) -> RegionMeans | MapProjection:
    assert isinstance(part.projection, RegionMeans | MapProjection)
    return part.projection


def _fold(series: SurfaceSeries, folds: Sequence[_Fold], measured: BoolArray) -> None:
    """Make weights of smoothed values those of the values before, structure by structure."""
    from scipy import sparse

    for fwhm in dict.fromkeys(fold.fwhm for fold in folds):
        alike = [fold for fold in folds if fold.fwhm == fwhm]
        pieces: list[list[list[Any]]] = [[[] for _ in fold.weights] for fold in alike]
        for where, smoothing in smoothings(series.grid, series.meshes, fwhm, measured):
            for fold, of_parts in zip(alike, pieces, strict=True):
                for weights, of_part in zip(fold.weights, of_parts, strict=True):
                    of_part.append((weights[:, where] @ smoothing).tocsc())
        for fold, of_parts in zip(alike, pieces, strict=True):
            fold.weights = [sparse.hstack(of_part, format="csc") for of_part in of_parts]


def _read(series: SurfaceSeries, folds: Sequence[_Fold]) -> None:
    """Go through a run, and add up what the columns are made of."""
    pairs = [pair for fold in folds for pair in zip(fold.weights, fold.sums, strict=True)]
    if not pairs:
        return
    if series.by_points:
        for points, block in series.point_blocks():
            values = series.scale(block)
            for weights, sums in pairs:
                sums += weights[:, points] @ values
    else:
        for volumes, block in series.blocks():
            values = series.scale(block.reshape(len(block), -1)).T
            for weights, sums in pairs:
                sums[:, volumes] = weights @ values
