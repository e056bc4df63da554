"""What a strategy asks of the cleaning of a run, and how its steps are carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from bidsmask.numerics.filters import BUTTERWORTH_ORDER, Padding
from bidsmask.vocabulary import Bridge, Filter, FilterEnds, Standardization

MIN_KEPT_VOLUMES = 3
"""A mean, a line and one volume to spare."""

XCPD_ORDER = 2
"""Of one pass of XCP-D's Butterworth filter."""


@dataclass(frozen=True, kw_only=True)
class CleaningParameters:
    """What is removed from the signals besides the design, and the unit of what is left.

    Parameters
    ----------
    detrend : bool
        Remove the mean and a straight line.
    filter : {"butterworth", "cosine", "none"}
        Butterworth: zero-phase, order 5. Cosine: slow cosines join the design.
    high_pass_hz, low_pass_hz : float or None
        Slower and faster changes are removed. A cosine filter has no low-pass.
    filter_ends : {"even", "nilearn", "xcpd"}
        What the Butterworth filter takes to be beyond the ends of a run: its mirror image
        without end; 33 volumes of it, turned about the end point; the end point for as long as
        the run, with a filter of order 2, and the design keeps what the filter has left of its
        means (as XCP-D).
    bridge : {"linear", "nilearn"}
        What stands in for censored volumes while the Butterworth filter runs.
    standardize : {"zscore", "psc", "none"}
        Standard scores with the sample standard deviation, percent signal change, or neither.

    Raises
    ------
    ValueError
        If an option would have no effect, or two of them exclude each other.
    """

    detrend: bool = True
    filter: Filter = "none"
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    filter_ends: FilterEnds = "even"
    bridge: Bridge = "linear"
    standardize: Standardization = "zscore"

    @property
    def is_high_pass(self) -> bool:
        """Whether a filter, and not the design, takes slow changes away."""
        return self.filter != "none" and self.high_pass_hz is not None

    @property
    def filter_order(self) -> int:
        """Order of one pass of the Butterworth filter."""
        return XCPD_ORDER if self.filter_ends == "xcpd" else BUTTERWORTH_ORDER

    @property
    def regresses_as_xcpd(self) -> bool:
        """Whether means of the design that the filter has left are not taken out."""
        ends = self.filter == "butterworth" and self.filter_ends == "xcpd"
        return ends and self.detrend

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_filter()
        self._check_cutoffs()

    def _check_choices(self) -> None:
        for name, value, choices in (
            ("filter", self.filter, get_args(Filter)),
            ("filter_ends", self.filter_ends, get_args(FilterEnds)),
            ("bridge", self.bridge, get_args(Bridge)),
            ("standardize", self.standardize, get_args(Standardization)),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")

    def _check_filter(self) -> None:
        no_high, no_low = self.high_pass_hz is None, self.low_pass_hz is None
        if self.filter == "none" and not (no_high and no_low):
            raise ValueError("Cut-off frequencies have no effect with the filter none.")
        if self.filter == "cosine" and not no_low:
            raise ValueError("A low-pass has no effect with the filter cosine; try butterworth.")
        if self.filter == "cosine" and no_high:
            raise ValueError("The filter cosine needs a high-pass in Hz.")
        if self.filter == "butterworth" and no_high and no_low:
            raise ValueError("The filter butterworth needs a high-pass or a low-pass in Hz.")

    def _check_cutoffs(self) -> None:
        high, low = self.high_pass_hz, self.low_pass_hz
        for name, cutoff in (("high_pass_hz", high), ("low_pass_hz", low)):
            if cutoff is not None and not 0 < cutoff < np.inf:
                raise ValueError(f"{name} must be above 0 (None: no such filter), not {cutoff}.")
        if high is not None and low is not None and high >= low:
            raise ValueError(f"high_pass_hz ({high:g}) must be below low_pass_hz ({low:g}).")


@dataclass(frozen=True, kw_only=True)
class CleaningDetails:
    """How the steps are carried out. The defaults are those of every named strategy.

    Parameters
    ----------
    order : int
    padding : {"odd", "even", "constant"} or None
    n_padding : int or None
        Of the Butterworth filter with the ends of nilearn, see
        `bidsmask.numerics.filters.butterworth`.
    extrapolate : bool
        Filter all volumes: those before the first and after the last kept one are extrapolated
        instead of trimmed.
    standardize_design : bool
        Z-score the columns of the design, so that the mean of the signals survives regression.
        Otherwise they are divided by their largest absolute value: a constant is regressed out.
    true_times : bool
        Fit lines on the true time axis. Otherwise kept volumes count as evenly spaced, whatever
        was left out between them. (Behind a Butterworth filter they are evenly spaced.)
    ensure_finite : bool
        NaN and infinite values of the signals count as 0.
    min_kept_volumes : int
        Fewer are refused.
    """

    order: int = BUTTERWORTH_ORDER
    padding: Padding | None = "odd"
    n_padding: int | None = None
    extrapolate: bool = False
    standardize_design: bool = True
    true_times: bool = True
    ensure_finite: bool = False
    min_kept_volumes: int = MIN_KEPT_VOLUMES


DETAILS = CleaningDetails()
