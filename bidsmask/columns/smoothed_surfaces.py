"""Columns of a run on surfaces that is smoothed.

What was not measured takes no part in smoothing, so a run is gone through once to find that out,
and a second time to be read. Smoothing is folded into the weights of means and of maps, as it is
for volumes (`bidsmask.numerics.projections.folding`); other columns are made of smoothed values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.columns.base import Part, VoxelSets
from bidsmask.columns.by_points import judged
from bidsmask.columns.extraction import Extraction, still
from bidsmask.columns.maps import Maps
from bidsmask.columns.request import Request
from bidsmask.columns.watch import Watch
from bidsmask.images.surface_series import SurfaceSeries
from bidsmask.images.surface_smoothing import smoothed_series, smoothing_between
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
    smooth = _Smoothings(series, judge.measured)
    found: list[Extraction | _Fold] = []
    for request, other in zip(requests, unsmoothed, strict=True):
        if not request.smooths:
            found.append(next(plain))
        elif is_linear(request):
            found.append(_Fold.of(request, next(plain), smooth))
        else:
            found.extend(extract(smooth.series(request), [other]))
    _read(series, [each for each in found if isinstance(each, _Fold)])
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


class _Smoothings:
    """What places are made of, for each width; computed once."""

    def __init__(self, series: SurfaceSeries, measured: BoolArray) -> None:
        self._series = series
        self.measured = measured
        self._known: dict[float, Any] = {}

    def of(self, request: Request) -> Any:
        """Give the sparse array (V, V) by which values are smoothed."""
        fwhm = float(request.smoothing_fwhm)
        if fwhm not in self._known:
            self._known[fwhm] = smoothing_between(
                self._series.grid, self._series.meshes, fwhm, self.measured
            )
        return self._known[fwhm]

    def series(self, request: Request) -> SurfaceSeries:
        """Give the run, smoothed."""
        return smoothed_series(self._series, self.of(request))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fold:
    """Columns into whose weights smoothing is folded.

    Parameters
    ----------
    request : Request
    unsmoothed : Extraction
        The same columns of the run as it is.
    parts : sequence of (Part, sparse array of shape (k, V), array of shape (k, T))
        Of those columns of which something was measured: weights, and sums to be filled.
    """

    request: Request
    unsmoothed: Extraction
    parts: Sequence[tuple[Part, Any, FloatArray]]

    @classmethod
    def of(cls, request: Request, unsmoothed: Extraction, smooth: _Smoothings) -> _Fold:
        """Fold smoothing into the weights of columns."""
        seen = unsmoothed.used & (unsmoothed.coverage.n_covered > 0)
        parts = []
        for part in request.columns.parts(smooth.measured, seen, request.statistic):
            assert isinstance(part.projection, RegionMeans | MapProjection)
            weights = part.projection.matrix(request.columns.grid.n_voxels) @ smooth.of(request)
            sums = np.zeros((weights.shape[0], len(unsmoothed.signals)))
            parts.append((part, weights.tocsc(), sums))
        return cls(request=request, unsmoothed=unsmoothed, parts=parts)

    def extraction(self) -> Extraction:
        """Give the columns, once the run has been read."""
        signals = self.unsmoothed.signals.copy()
        for part, _, sums in self.parts:
            assert isinstance(part.projection, RegionMeans | MapProjection)
            signals[:, part.rows] = part.projection.from_products(sums.T)
        coverage = replace(self.unsmoothed.coverage, still=still(signals))
        return replace(self.unsmoothed, signals=signals, coverage=coverage)


def _read(series: SurfaceSeries, folds: Sequence[_Fold]) -> None:
    """Go through a run, and add up what the columns are made of."""
    parts = [part for fold in folds for part in fold.parts]
    if not parts:
        return
    if series.by_points:
        for points, block in series.point_blocks():
            values = series.scale(block)
            for _, weights, sums in parts:
                sums += weights[:, points] @ values
    else:
        for volumes, block in series.blocks():
            values = series.scale(block.reshape(len(block), -1)).T
            for _, weights, sums in parts:
                sums[:, volumes] = weights @ values
