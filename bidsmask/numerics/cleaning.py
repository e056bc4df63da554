"""Confounds, drift and noise out of the signals, in one documented order.

1. Censored volumes are interpolated from the kept ones, and those before the first or after the
   last kept one are trimmed.      (Only a Butterworth filter, which needs even sampling, does so.)
2. Mean and straight line are removed.
3. The Butterworth filter runs.
4. Censored volumes are left out.
5. The design is regressed out; a cosine filter is part of the design.
6. What is left is standardised.

Signals and design go through steps 1 to 4 alike, so that regression cannot bring back what the
filter took (Lindquist et al. 2019, doi:10.1002/hbm.24528). Without a Butterworth filter nothing
is interpolated: censored volumes are left out first, and lines are fitted on the true time axis.
The content of a censored volume never reaches a value that is given out.

Steps 1 to 5 are linear in the signals. Of a run of few volumes and many columns they are therefore
taken once, by the identity, and every column is multiplied by the matrix that comes out.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.cleaning_parameters import CleaningDetails, CleaningParameters
from bidsmask.numerics.filters import cosine_basis
from bidsmask.numerics.freedom import DegreesOfFreedom, white_noise_behind
from bidsmask.numerics.regression import (
    Nonaggressive,
    check_finite,
    collinear_columns,
    nonaggressive_bases,
    orthonormal_basis,
    residuals,
    sizes_of,
)
from bidsmask.numerics.standardization import (
    ROUNDING,
    standardize_in_place,
)
from bidsmask.numerics.temporal import TemporalSteps, column_blocks
from bidsmask.numerics.threads import in_order, most_at_once

MEAN_LEFT = 0.1
"""With less than this share of it left, a mean counts as removed (as in nilearn)."""

OPERATOR_VOLUMES = 1000
"""In runs up to about this length one matrix with T² entries filters faster than the recursion."""

_DETAILS = CleaningDetails()


class Cleaner:
    """Cleaning of one run by one strategy: built once, applied to any columns of the run.

    Parameters
    ----------
    parameters : CleaningParameters
    t_r : float
        Repetition time in seconds.
    sample_mask : bool array of shape (T,)
        True = kept.
    design : array of shape (T, C)
        Confounds to regress out; C may be 0. Censored rows are never looked at.
    details : CleaningDetails, optional
    nonaggressive : Nonaggressive, optional
        Columns of the design of which only their own part of a joint fit is removed.

    Attributes
    ----------
    parameters : CleaningParameters
    details : CleaningDetails
    sample_mask : bool array of shape (T,)
        The volumes that come out.
    basis : float64 array of shape (T_kept, rank)
        Orthonormal columns of the design after steps 1 to 4, cosines included; of columns that
        are regressed non-aggressively, without what is accepted.
    removed : float64 array of shape (T_kept, rank), or None
        What is taken out in place of `basis`; see `bidsmask.numerics.regression.residuals`.
    collinear : tuple of int
        Columns of the design, from 0, that explain nothing that those before them do not, or of
        which the filter leaves nothing. Empty with a design that is not standardised.
    ledger : DegreesOfFreedom
        Counted when it is first asked for.

    Raises
    ------
    DegreesOfFreedomError
        If too few volumes are kept (fewer than 3 by default), the design and the line have as
        many columns as there are kept volumes, or the run is too short for the filter.
    ConfoundsError
        If the design holds NaN or infinite values in kept volumes.
    RunError
        If a cut-off does not lie below the Nyquist frequency.
    ValueError
        If `sample_mask` and `design` do not have one row per volume.

    Examples
    --------
    >>> kept = np.array([True, True, False, True, True])
    >>> detrend_only = CleaningParameters(standardize="none")
    >>> cleaner = Cleaner(detrend_only, t_r=2.0, sample_mask=kept, design=np.empty((5, 0)))
    >>> cleaner(np.array([[1.0], [2.0], [99.0], [4.0], [5.0]])).round(12).ravel() + 0
    array([0., 0., 0., 0.])
    """

    def __init__(
        self,
        parameters: CleaningParameters,
        *,
        t_r: float,
        sample_mask: BoolArray,
        design: FloatArray,
        details: CleaningDetails = _DETAILS,
        nonaggressive: Nonaggressive | None = None,
    ) -> None:
        _check_rows(sample_mask, design)
        self.parameters = parameters
        self.details = details
        if parameters.regresses_as_xcpd:
            self.details = replace(details, standardize_design=False)
        self.sample_mask: BoolArray = np.array(sample_mask, dtype=bool)
        self._temporal = TemporalSteps(
            parameters=parameters, details=details, t_r=t_r, sample_mask=self.sample_mask
        )
        self.collinear: tuple[int, ...] = ()
        self._check_kept()
        self.removed: FloatArray | None = None
        self._rank_of_accepted = 0
        whole = np.asarray(design, dtype=np.float64)
        if nonaggressive is None:
            self._rank_of_cosines, self.basis = self._bases(whole)
        else:
            self._rank_of_cosines, self.basis = self._bases_beside(whole, nonaggressive)
        self._check_rank()

    def __call__(self, signals: FloatArray) -> FloatArray:
        """Clean columns of the run.

        Parameters
        ----------
        signals : array of shape (T, P)
            Columns with a NaN or infinite value in a kept volume come out as NaN, whole.

        Returns
        -------
        cleaned : float64 array of shape (T_kept, P)
            Kept volumes only, in the unit that the parameters name. A column with nothing left
            is all 0.

        Raises
        ------
        ValueError
            If `signals` does not have one row per volume.
        """
        self._check_shape(signals)
        cleaned: FloatArray = np.empty((self.n_kept, signals.shape[1]))
        for columns, block in self.blocks(signals):
            cleaned[:, columns] = block
        return cleaned

    def residuals(self, signals: FloatArray) -> FloatArray:
        """Clean columns of the run without giving them a unit: steps 1 to 5, as for a call."""
        without_unit = copy(self)
        without_unit.parameters = replace(self.parameters, standardize="none")
        return without_unit(signals)

    def blocks(self, signals: Array) -> Iterator[tuple[slice, FloatArray]]:
        """Clean some columns at a time, with little memory besides.

        Parameters
        ----------
        signals : array of shape (T, P)
            As for a call. Columns that have come out may be overwritten.

        Yields
        ------
        columns : slice
        cleaned : float64 array of shape (T_kept, number of these columns)
            Overwritten once the next one is asked for: copy what has to stay.

        Raises
        ------
        ValueError
            If `signals` does not have one row per volume.
        """
        self._check_shape(signals)
        n_columns = signals.shape[1]
        blocks = list(column_blocks(n_columns, n_volumes=len(signals)))
        operator = self._operator if self._operator_pays(n_columns) else None
        width = blocks[0].stop if blocks else 0
        memory = [  # used again: to make it anew takes a sixth of the time
            np.empty((2, self.n_kept, min(width, n_columns)))
            for _ in range(min(len(blocks), most_at_once()))
        ]

        def clean(number: int) -> FloatArray:
            some = signals[:, blocks[number]]
            take_steps: Steps = self._one_by_one
            kept, out = memory[number % len(memory)][:, :, : some.shape[1]]
            if operator is not None:
                take_steps = partial(operator, out=out)
            self._keep(some, kept)
            return self._clean(kept, take_steps)

        yield from zip(blocks, in_order(clean, range(len(blocks))), strict=True)

    def response(self, frequencies_hz: FloatArray) -> FloatArray:
        """Return how much of the variance of waves comes through steps 1 to 5.

        Parameters
        ----------
        frequencies_hz : array of shape (K,)
            From 0 to the Nyquist frequency.

        Returns
        -------
        response : float64 array of shape (K,)
            Of a wave of each frequency, sum of squares of what is left over that of the wave, in
            the kept volumes; sine and cosine together, so that the phase does not matter. 1 where
            all of it passes, 0 where the filter stops it or the design explains it.

        Examples
        --------
        >>> band = CleaningParameters(filter="butterworth", low_pass_hz=0.1)
        >>> kept = np.ones(200, dtype=bool)
        >>> cleaner = Cleaner(band, t_r=2.0, sample_mask=kept, design=np.empty((200, 0)))
        >>> cleaner.response(np.array([0.0, 0.05, 0.2])).round(2) + 0
        array([0., 1., 0.])
        """
        angles = (
            2
            * np.pi
            * self._temporal.t_r
            * np.outer(np.arange(self.sample_mask.size), frequencies_hz)
        )
        waves = np.hstack([np.cos(angles), np.sin(angles)])
        came, sent = (
            np.sum(part**2, axis=0).reshape(2, -1).sum(axis=0)  # cosine and sine
            for part in (self.residuals(waves), waves[self.sample_mask])
        )
        response: FloatArray = came / sent
        return response

    def _check_shape(self, signals: Array) -> None:
        if signals.ndim != 2 or len(signals) != self.sample_mask.size:
            raise ValueError(
                f"Signals must be (T, P) with T = {self.sample_mask.size} volumes; "
                f"their shape is {signals.shape}."
            )

    def _keep(self, signals: Array, kept: FloatArray) -> None:
        """Copy the kept volumes as float64 numbers."""
        kept[:] = signals if self.sample_mask.all() else signals[self.sample_mask]
        if self.details.ensure_finite and not (finite := np.isfinite(kept)).all():
            kept[~finite] = 0

    def _clean(self, kept: FloatArray, take_steps: "Steps") -> FloatArray:
        """Clean columns (T_kept, P) in whose memory the steps may work."""
        lowest, highest = kept.min(axis=0), kept.max(axis=0)
        usable = np.isfinite(lowest) & np.isfinite(highest)
        if not usable.all():
            cleaned = np.full(kept.shape, np.nan)
            cleaned[:, usable] = self._clean(np.compress(usable, kept, axis=1), take_steps)
            return cleaned
        residuals, mean = take_steps(kept)
        _flatten(residuals, np.maximum(highest, -lowest))
        standardize_in_place(
            residuals,
            self.parameters.standardize,
            original_mean=mean if self._removes_mean else None,
        )
        return residuals

    def _one_by_one(self, kept: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals after steps 1 to 5, and the mean of each column after step 1.

        Without percentages nobody asks for the mean: it is 0.
        """
        series = self._temporal.bridged(kept)
        is_asked = self.parameters.standardize == "psc"
        mean = series.mean(axis=0) if is_asked else np.zeros(series.shape[1])
        return residuals(self._temporal.without_band(series), self.basis, self.removed), mean

    def _operator_pays(self, n_columns: int) -> bool:
        """Whether steps 1 to 5 are cheaper as one matrix than one after the other.

        Without a Butterworth filter they are projections on a few columns, cheaper than any
        matrix with T² entries.
        """
        n_kept = self.n_kept
        return self._temporal.is_butterworth and n_kept < n_columns and n_kept <= OPERATOR_VOLUMES

    @cached_property
    def _operator(self) -> "_Operator":
        n_kept = self.n_kept
        matrix, mean = np.empty((n_kept, n_kept)), np.empty(n_kept)
        for columns, single_volumes in self._temporal.single_volumes():
            matrix[:, columns], mean[columns] = self._one_by_one(single_volumes)
        level, _ = self._one_by_one(np.ones((n_kept, 1)))
        _flatten(level, np.ones(1))
        level[np.abs(level) <= ROUNDING] = 0
        return _Operator(matrix=matrix, mean=mean, level=level)

    @property
    def _removes_mean(self) -> bool:
        high_pass = self._temporal.is_butterworth and self.parameters.is_high_pass
        return self.parameters.detrend or high_pass or self._regresses_mean

    @property
    def _regresses_mean(self) -> bool:
        if self.details.standardize_design:
            return False
        share_left = 1 - float(np.sum(self.basis.sum(axis=0) ** 2)) / len(self.basis)
        return share_left < MEAN_LEFT

    def _check_kept(self) -> None:
        n_kept, n_volumes = np.count_nonzero(self.sample_mask), self.sample_mask.size
        if n_kept < self.details.min_kept_volumes:
            raise DegreesOfFreedomError(
                f"Only {n_kept} of {n_volumes} volumes are kept, and cleaning needs at least "
                f"{self.details.min_kept_volumes}. Leave this run out, or censor less strictly."
            )

    def _bases(self, design: FloatArray) -> tuple[int, FloatArray]:
        """Rank of the cosines (0 without), and the basis of the whole design."""
        if self.parameters.filter == "none" and not design.shape[1]:
            return 0, np.empty((np.count_nonzero(self.sample_mask), 0))
        check_finite(design[self.sample_mask])
        cosines: FloatArray = np.empty((len(design), 0))
        if self.parameters.filter == "cosine" and self.parameters.high_pass_hz is not None:
            cosines = cosine_basis(len(design), self._temporal.t_r, self.parameters.high_pass_hz)
        kept = np.hstack([cosines, design])[self.sample_mask]
        whole = np.array(self._temporal(kept))
        _flatten(whole, sizes_of(kept))
        standardized = self.details.standardize_design
        if not standardized:  # or what is left of a constant would be scaled up to one
            whole = np.where(sizes_of(whole) <= ROUNDING * sizes_of(kept), 0, whole)
        n_cosines = cosines.shape[1]
        rank_of_cosines = orthonormal_basis(whole[:, :n_cosines], standardized=standardized).shape[
            1
        ]
        basis = orthonormal_basis(whole, standardized=standardized)
        if standardized and basis.shape[1] < whole.shape[1]:
            self.collinear = tuple(
                number - n_cosines for number in collinear_columns(whole) if number >= n_cosines
            )
        return rank_of_cosines, basis

    def _bases_beside(
        self, design: FloatArray, nonaggressive: Nonaggressive
    ) -> tuple[int, FloatArray]:
        """Rank of the cosines, and the basis where some columns are regressed non-aggressively."""
        noise, accepted = design[:, nonaggressive.columns], nonaggressive.accepted
        rank_of_cosines, regressed = self._bases(design[:, ~nonaggressive.columns])
        steps = []
        for columns in (noise, accepted):
            check_finite(columns[self.sample_mask])
            kept = np.array(columns[self.sample_mask], dtype=np.float64)
            steps.append(np.array(self._temporal(kept)))
            _flatten(steps[-1], sizes_of(kept))
        basis, self.removed = nonaggressive_bases(regressed, *steps)
        self._rank_of_accepted = orthonormal_basis(steps[1]).shape[1]
        own = np.hstack([regressed, steps[1], steps[0]])
        first = own.shape[1] - noise.shape[1]
        aggressive, alone = (
            np.flatnonzero(each) for each in (~nonaggressive.columns, nonaggressive.columns)
        )
        self.collinear = tuple(
            sorted(
                [int(aggressive[number]) for number in self.collinear]
                + [
                    int(alone[number - first])
                    for number in collinear_columns(own)
                    if number >= first
                ]
            )
        )
        return rank_of_cosines, basis

    @property
    def n_kept(self) -> int:
        """How many volumes come out."""
        return int(np.count_nonzero(self.sample_mask))

    @property
    def _n_detrend(self) -> int:
        return 2 if self.parameters.detrend else int(self.parameters.standardize != "none")

    def _check_rank(self) -> None:
        rank = self.basis.shape[1] + self._rank_of_accepted
        if self.n_kept - self._n_detrend - rank <= 0:
            raise DegreesOfFreedomError(
                f"No degrees of freedom are left: {self.n_kept} of {self.sample_mask.size} "
                f"volumes are kept, minus {self._n_detrend} for mean and line and "
                f"{rank} for independent columns of the design. Choose a smaller "
                "strategy, or censor less strictly."
            )

    @cached_property
    def ledger(self) -> DegreesOfFreedom:
        """Where the degrees of freedom went."""
        filtered, remaining = self._freedom()
        return DegreesOfFreedom(
            n_volumes=self.sample_mask.size,
            n_censored=self.sample_mask.size - self.n_kept,
            n_kept=self.n_kept,
            n_detrend=self._n_detrend,
            n_filter=round(self.n_kept - self._n_detrend - filtered, 6),
            n_confounds=round(filtered - remaining, 6),
            n_regressors=self.basis.shape[1] - self._rank_of_cosines,
            remaining=remaining,
        )

    def _freedom(self) -> tuple[float, float]:
        """Degrees of freedom behind the filter, and behind the design, to a millionth.

        Projections lose as many as they have dimensions. A Butterworth filter lets frequencies
        pass in part, and what is regressed non-aggressively leaves some of what it shares: what
        is left of white noise is asked.
        """
        free = float(self.n_kept - self._n_detrend)
        if not self._temporal.is_butterworth and self.removed is None:
            return free - self._rank_of_cosines, free - self.basis.shape[1]
        filtered, remaining = white_noise_behind(
            *self._temporal.factors(), self.basis, self.removed
        )
        if not self._temporal.is_butterworth:
            filtered = free - self._rank_of_cosines
        return round(filtered, 6), round(remaining, 6)


def _check_rows(sample_mask: BoolArray, design: FloatArray) -> None:
    if sample_mask.ndim != 1 or design.ndim != 2 or len(design) != sample_mask.size:
        raise ValueError(
            "sample_mask must be (T,) and design (T, C) with the same T; their shapes are "
            f"{sample_mask.shape} and {design.shape}."
        )


def _flatten(left: FloatArray, size: FloatArray) -> None:
    """Make constant what is left of a column when it is rounding error of what went in."""
    tolerance = ROUNDING * size
    flat = np.abs(left[-1] - left[0]) <= tolerance  # rules out nearly all columns in no time
    if flat.any():
        flat[flat] = np.ptp(np.compress(flat, left, axis=1), axis=0) <= tolerance[flat]
        left[:, flat] = left[:, flat].mean(axis=0)


@dataclass(frozen=True, kw_only=True)
class _Operator:
    """Steps 1 to 5 for the kept volumes of any column.

    Parameters
    ----------
    matrix : array of shape (T_kept, T_kept)
        What becomes of each single kept volume.
    level : array of shape (T_kept, 1)
        What becomes of a constant of 1. Known apart from the matrix, so that the level of a
        column, however high, costs no precision.
    mean : array of shape (T_kept,)
        What each kept volume adds to the mean of a column after step 1.
    """

    matrix: FloatArray
    level: FloatArray
    mean: FloatArray

    def __call__(
        self, kept: FloatArray, *, out: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Residuals (T_kept, P), and the mean (P,) after step 1. Overwrites `kept`."""
        first = kept[0].copy()
        kept -= first
        enough = None if out is None else out[:, : kept.shape[1]]
        residuals: FloatArray = np.matmul(self.matrix, kept, out=enough)
        if self.level.any():
            residuals += self.level * first
        return residuals, first + self.mean @ kept


Steps = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
