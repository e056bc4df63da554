"""Volumes on another grid, smoothed, or both: of each, the voxels that somebody wants."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bidsmask._typing import Array, FloatArray
from bidsmask.images.reading import Reading, Volumes, is_single
from bidsmask.images.value_range import ValueRange
from bidsmask.numerics.resample import resample_continuous, resampling_matrices
from bidsmask.numerics.separable import AxisMatrices, Box, box_around, cut, within_box
from bidsmask.numerics.smooth import smooth_volume, smoothing_matrices
from bidsmask.numerics.threads import on_threads

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
    """Moves and smooths blocks by a matrix for each axis; gives the voxels of the support."""

    def __init__(
        self,
        series: Volumes,
        reading: Reading,
        operators: list[AxisMatrices],
        range_of_run: RangeOfRun,
    ) -> None:
        support = reading.projection.support
        self._series = series
        self._shape = series.grid.shape
        self._moves = series.grid != reading.grid
        self._clip_to = range_of_run().ends if self._moves else None
        self._one_by_one = VolumeByVolume(series, reading, range_of_run)
        target = box_around(support, reading.grid.shape)
        self._places = within_box(support, reading.grid.shape, target)
        self._steps: list[_Centred] = []
        for operator in reversed(operators):
            rows = operator.to(target=target)
            target = rows.reach()
            self._steps.insert(0, _Centred(rows.to(source=target), single=is_single(series)))
        self._source: Box = target
        self._dtype: np.dtype[Any] | None = None

    def __call__(self, block: Array) -> Array:
        """Give the voxels (n, V) of the support of a block (n, V_all)."""
        boxes = cut(block, self._shape, self._source)
        is_whole = boxes.dtype.kind != "f" or bool(np.isfinite(boxes).all())
        if self._moves and not is_whole:  # between missing values there is nothing to interpolate
            return self._one_by_one(block)

        def moved(row: int) -> FloatArray:
            values = self._series.scale(boxes[row].reshape(1, -1))
            return self._moved(values if is_whole else np.where(np.isfinite(values), values, 0))

        if self._dtype is None:
            self._dtype = moved(0).dtype  # the first volume, which all threads refer to
        voxels = np.empty((len(block), self._places.size), dtype=self._dtype)

        def fill(row: int) -> None:
            np.take(moved(row)[0], self._places, out=voxels[row])

        on_threads(fill, len(block))
        return voxels

    def _moved(self, values: Array) -> FloatArray:
        first, *others = self._steps
        values = first(values)
        if self._clip_to is not None:
            np.clip(values, *self._clip_to, out=values)
        for step in others:
            values = step(values)
        return values


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
        self._clip_to = range_of_run().ends if series.grid != reading.grid else None

    def __call__(self, block: Array) -> FloatArray:
        """Give the voxels (n, V) of the support of a block (n, V_all)."""
        support = self._reading.projection.support
        voxels = np.empty((len(block), support.size))

        def fill(row: int) -> None:
            volume = self._series.scale(block[row]).reshape(self._series.grid.shape, order="F")
            voxels[row] = self._moved(volume).ravel(order="F")[support]

        on_threads(fill, len(block))
        return voxels

    def _moved(self, volume: Array) -> FloatArray:
        source, target = self._series.grid, self._reading.grid
        if source != target:
            volume = resample_continuous(
                volume, source.affine, target.shape, target.affine, clip_to=self._clip_to
            )
        if self._reading.smooths:  # in double precision whatever the type: it costs no more
            fwhm = self._reading.smoothing_fwhm
            volume = smooth_volume(volume.astype(np.float64), target.affine, fwhm)
        return volume
