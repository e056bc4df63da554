"""Steps of cleaning along time: what is censored is bridged, lines and frequencies are removed.

See `bidsmask.numerics.cleaning` for the order of all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypedDict

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.censoring import interpolate_censored
from bidsmask.numerics.cleaning_parameters import CleaningDetails, CleaningParameters
from bidsmask.numerics.even_filter import butterworth_even, butterworth_gain
from bidsmask.numerics.filters import butterworth, cosines, detrend

VALUES_AT_ONCE = 300_000
"""Columns are cleaned in blocks of about so many values: 2.4 MB, which stay near the processor.

Smaller blocks are no faster, and lose more time where threads have to wait for each other.
"""

_FAINT = 1e-4
"""Cosines of which a filter lets pass less than this share of the most add nothing to a count."""


class _Band(TypedDict):
    t_r: float
    high_pass_hz: float | None
    low_pass_hz: float | None


def column_blocks(n_columns: int, *, n_volumes: int) -> Iterator[slice]:
    """Cut columns of a run into blocks that are cleaned at once."""
    width = max(1, VALUES_AT_ONCE // n_volumes)
    for start in range(0, n_columns, width):
        yield slice(start, start + width)


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalSteps:
    """Steps 1 to 4 of the cleaning of one run, of the kept volumes of any columns.

    Parameters
    ----------
    parameters : CleaningParameters
    details : CleaningDetails
    t_r : float
        Repetition time in seconds.
    sample_mask : bool array of shape (T,)
        True = kept.
    """

    parameters: CleaningParameters
    details: CleaningDetails
    t_r: float
    sample_mask: BoolArray

    def __call__(self, kept: FloatArray) -> FloatArray:
        """Take all four steps.

        Parameters
        ----------
        kept : float64 array of shape (T_kept, P)

        Returns
        -------
        filtered : float64 array of shape (T_kept, P)
            `kept` itself where there is nothing to do.
        """
        return self.without_band(self.bridged(kept))

    @property
    def n_kept(self) -> int:
        """How many volumes come out."""
        return int(np.count_nonzero(self.sample_mask))

    @property
    def is_butterworth(self) -> bool:
        """Whether there is a filter that needs even sampling."""
        return self.parameters.filter == "butterworth"

    def bridged(self, kept: FloatArray) -> FloatArray:
        """Take step 1: interpolate and trim what is censored, if the filter needs even sampling.

        Parameters
        ----------
        kept : float64 array of shape (T_kept, P)

        Returns
        -------
        series : float64 array of shape (T_series, P)
            The volumes that steps 2 and 3 work on.
        """
        if not self.is_butterworth or self._keeps_all:
            return kept
        signals = np.full((self.sample_mask.size, kept.shape[1]), np.nan)
        signals[self.sample_mask] = kept
        filled = interpolate_censored(
            signals,
            self.sample_mask,
            bridge=self.parameters.bridge,
            extrapolate=self.details.extrapolate,
        )
        return filled[self._times]

    def without_band(self, series: FloatArray) -> FloatArray:
        """Take steps 2 to 4: lines, then frequencies, then censored volumes are removed.

        Parameters
        ----------
        series : float64 array of shape (T_series, P)
            See `bridged`.

        Returns
        -------
        filtered : float64 array of shape (T_kept, P)
        """
        series = self._detrended(series)
        if self.is_butterworth:
            series = self._butterworth(series)
        return self._kept_of(series)

    def single_volumes(self) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the columns of the identity of the kept volumes, some at a time."""
        n_kept = self.n_kept
        for columns in column_blocks(n_kept, n_volumes=n_kept):
            width = min(columns.stop, n_kept) - columns.start
            yield columns, np.eye(n_kept, width, -columns.start)

    def factors(self) -> tuple[FloatArray, FloatArray | None]:
        """Return two matrices (T_kept, K) and (K, T_kept) whose product takes steps 1 to 4.

        With even ends the K cosines that the filter lets pass are enough, whatever the length of
        the run. Other ends have no such basis: the first matrix is the whole product.
        """
        if self.parameters.filter_ends != "even" or not self.is_butterworth:
            steps = np.empty((self.n_kept, self.n_kept))
            for columns, single_volumes in self.single_volumes():
                steps[:, columns] = self(single_volumes)
            return steps, None
        n_series = self._times.size
        gain = butterworth_gain(np.fft.rfftfreq(2 * n_series, self.t_r)[:-1], **self._band)
        passed = np.flatnonzero(gain > _FAINT * gain.max())
        waves = cosines(n_series, passed)
        if self._keeps_all:
            return waves * gain[passed], self._detrended(waves).T
        right = np.empty((passed.size, self.n_kept))
        for columns, single_volumes in self.single_volumes():
            right[:, columns] = waves.T @ self._detrended(self.bridged(single_volumes))
        return self._kept_of(waves * gain[passed]), right

    @property
    def _keeps_all(self) -> bool:
        return bool(self.sample_mask.all())

    @cached_property
    def _times(self) -> IntArray:
        """The volumes, counted from 0, that steps 2 and 3 work on."""
        kept = np.flatnonzero(self.sample_mask)
        if not self.is_butterworth:
            return kept
        if self.details.extrapolate:
            return np.arange(self.sample_mask.size)
        return np.arange(kept[0], kept[-1] + 1)

    def _detrended(self, series: FloatArray) -> FloatArray:
        if not self.parameters.detrend:
            return series
        return detrend(series, times=self._times if self.details.true_times else None)

    def _butterworth(self, series: FloatArray) -> FloatArray:
        if self.parameters.filter_ends == "even":
            return butterworth_even(series, **self._band)
        details = self.details
        if self.parameters.filter_ends == "xcpd":
            order, n_padding = self.parameters.filter_order, len(series) - 1
            details = replace(details, order=order, padding="constant", n_padding=n_padding)
        return butterworth(
            series,
            **self._band,
            order=details.order,
            padding=details.padding,
            n_padding=details.n_padding,
        )

    @property
    def _band(self) -> _Band:
        return {
            "t_r": self.t_r,
            "high_pass_hz": self.parameters.high_pass_hz,
            "low_pass_hz": self.parameters.low_pass_hz,
        }

    def _kept_of(self, series: FloatArray) -> FloatArray:
        return series if self._keeps_all else series[self.sample_mask[self._times]]
