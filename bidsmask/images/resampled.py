"""Volumes on another grid, smoothed, or both: of each, the voxels that somebody wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.images.blocks import in_one_piece
from bidsmask.images.request import Reading, Volumes, is_single
from bidsmask.images.value_range import ValueRange, ends_of
from bidsmask.numerics.resample import resample_continuous, resampling_matrices
from bidsmask.numerics.separable import AxisMatrices, Box, boxed, cut
from bidsmask.numerics.smooth import smooth_volume, smoothing_matrices
from bidsmask.numerics.threads import Crew

RangeOfRun = Callable[[], ValueRange]
"""Gives the range of the run; that takes a pass over it, the first time."""


def operators_of(series: Volumes, reading: Reading) -> list[AxisMatrices] | None:
    """Operators that move and smooth, in this order; None if one of them is not separable."""
    operators = []
    if series.grid != reading.grid:
        moving = resampling_matrices(
            series.grid.shape, series.grid.affine, reading.grid.shape, reading.grid.affine
        )
        if moving is None:
            return None
        operators.append(moving)
    if reading.smooths:
        if isinstance(reading.smoothing_fwhm, str):
            return None
        grid = reading.grid
        operators.append(smoothing_matrices(grid.shape, grid.affine, reading.smoothing_fwhm))
    return operators


class ByAxes:
    """Moves and smooths blocks by a matrix for each axis; gives the voxels of the support.

    Moved volumes are clipped to the range of the run, of which only a part is known while the run
    is read: the range of the volumes so far. Where a volume overshoots that, and the range has
    grown since, the volume is to be moved again.
    """

    def __init__(
        self,
        series: Volumes,
        reading: Reading,
        operators: list[AxisMatrices],
        range_of_run: RangeOfRun,
    ) -> None:
        support = reading.projection.support
        self._series = series
        self._moves = series.grid != reading.grid
        self._one_by_one = VolumeByVolume(series, reading, range_of_run)
        self._crew = Crew()
        target, self._places = boxed(support, reading.grid.shape)
        single = is_single(series) and series.n_volumes > 1  # else nothing differs from the first
        self._steps: list[_Centred] = []
        for operator in reversed(operators):
            rows = operator.to(target=target)
            target = rows.reach()
            self._steps.insert(0, _Centred(rows.to(source=target), single=single))
        self._source: Box = target
        self._dtype = np.dtype(np.float32 if single else np.float64)
        self._referred = not single  # to the first volume, before there are threads
        self._lowest = self._highest = 0.0
        self._clips: list[_Clip] = []

    def __call__(self, block: Array) -> Array:
        """Give the voxels (n, V) of the support of the next block (n, Z, Y, X)."""
        if self._moves:
            lowest, highest = ends_of(self._series.scale(block))
            self._lowest = min(self._lowest, lowest)
            self._highest = max(self._highest, highest)
        clips = [_Clip(lowest=self._lowest, highest=self._highest) for _ in block]
        voxels = self._voxels(block, clips)
        self._clips += clips
        return voxels

    def unsettled(self) -> IntArray:
        """Volumes, counted from 0, that were clipped to a range that has grown since."""
        changed = [clip.would_change(self._lowest, self._highest) for clip in self._clips]
        return np.flatnonzero(changed)

    def again(self, block: Array) -> Array:
        """Give the voxels (n, V) of volumes (n, Z, Y, X) that were unsettled."""
        return self._voxels(
            block, [_Clip(lowest=self._lowest, highest=self._highest) for _ in block]
        )

    def _voxels(self, block: Array, clips: list[_Clip]) -> Array:
        boxes = in_one_piece(cut(block, self._source))
        is_whole = boxes.dtype.kind != "f" or bool(np.isfinite(boxes).all())
        if self._moves and not is_whole:  # between missing values there is nothing to interpolate
            return self._one_by_one(block)

        def moved(row: int) -> FloatArray:
            values = self._series.scale(boxes[row].reshape(1, -1))
            values = values if is_whole else np.where(np.isfinite(values), values, 0)
            return self._moved(values, clips[row])

        if not self._referred:
            self._referred = True
            moved(0)
        voxels = np.empty((len(block), self._places.size), dtype=self._dtype)

        def fill(row: int) -> None:
            voxels[row] = moved(row)

        self._crew.do(fill, len(block))
        return voxels

    def _moved(self, values: Array, clip: _Clip) -> FloatArray:
        """Take the voxels (V,) of the support out of one volume (1, V_box)."""
        first, *others = self._steps
        values = first(values)
        if self._moves and others:
            clip(values)
        for step in others:
            values = step(values)
        voxels = np.take(values[0], self._places)
        if self._moves and not others:  # the fewer are clipped, the fewer overshoot
            clip(voxels)
        return voxels


@dataclass(kw_only=True)
class _Clip:
    """Holds a moved volume between two values, and remembers whether it overshot them."""

    lowest: float
    highest: float
    undershot: bool = False
    overshot: bool = False

    def __call__(self, values: FloatArray) -> None:
        self.undershot = bool(values.min() < self.lowest)
        self.overshot = bool(values.max() > self.highest)
        if self.undershot or self.overshot:
            np.clip(values, self.lowest, self.highest, out=values)

    def would_change(self, lowest: float, highest: float) -> bool:
        """Whether a wider range would give other values."""
        return (self.undershot and lowest < self.lowest) or (
            self.overshot and highest > self.highest
        )


class _Centred:
    """Applies an operator; in single precision, only to what differs from the first volume."""

    def __init__(self, operator: AxisMatrices, *, single: bool) -> None:
        self._operator = operator.astype(np.float32) if single else operator
        self._double = operator
        self._single = single
        self._first: FloatArray | None = None
        self._first_mapped: FloatArray = np.empty((1, 0))

    def __call__(self, volumes: Array) -> FloatArray:
        if not self._single:
            return self._operator(volumes.astype(np.float64, copy=False))
        if self._first is None:
            self._first = volumes[:1].astype(np.float32)
            mapped = self._double(self._first.astype(np.float64))
            self._first_mapped = mapped.astype(np.float32)
        mapped = self._operator(np.subtract(volumes, self._first, dtype=np.float32))
        mapped += self._first_mapped
        return mapped


class VolumeByVolume:
    """Moves and smooths volumes one by one; gives the voxels of the support.

    For operators that do not work along each axis by itself, and for missing values.
    """

    def __init__(self, series: Volumes, reading: Reading, range_of_run: RangeOfRun) -> None:
        self._series = series
        self._reading = reading
        self._range_of_run = range_of_run
        self._crew = Crew()

    def __call__(self, block: Array) -> FloatArray:
        """Give the voxels (n, V) of the support of a block (n, Z, Y, X)."""
        if self._series.grid != self._reading.grid:
            self._range_of_run()  # once, before there are threads
        support = self._reading.projection.support
        voxels = np.empty((len(block), support.size))

        def fill(row: int) -> None:
            volume = self._series.scale(block[row]).T
            voxels[row] = self._moved(volume).ravel(order="F")[support]

        self._crew.do(fill, len(block))
        return voxels

    def unsettled(self) -> IntArray:
        """None: the range of the run is known beforehand."""
        return np.zeros(0, dtype=np.intp)

    def again(self, block: Array) -> FloatArray:
        """As a call: there is nothing to settle."""
        return self(block)

    def _moved(self, volume: Array) -> FloatArray:
        source, target = self._series.grid, self._reading.grid
        if source != target:
            volume = resample_continuous(
                volume,
                source.affine,
                target.shape,
                target.affine,
                clip_to=self._range_of_run().ends,
            )
        if self._reading.smooths:  # in double precision whatever the type: it costs no more
            fwhm = self._reading.smoothing_fwhm
            volume = smooth_volume(volume.astype(np.float64), target.affine, fwhm)
        return volume
