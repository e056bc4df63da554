"""Volumes that are left out, and what stands in for them while a filter runs.

``outliers`` are True where a volume is flagged; a ``sample_mask`` is True where it is kept.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.displacement import DisplacementParameters
from bidsmask.vocabulary import THRESHOLDS, Bridge


@dataclass(frozen=True, kw_only=True)
class CensoringParameters(DisplacementParameters):
    """Which volumes a strategy leaves out.

    Parameters
    ----------
    fd, head_radius_mm, motion_filter, band_stop_min_bpm, band_stop_max_bpm, motion_filter_order
        Which framewise displacement it is, also where no volume is left out for it; see
        `bidsmask.numerics.displacement.DisplacementParameters`.
    fd_threshold_mm : float or None
        Volumes with a framewise displacement above this many mm are left out. None: no limit.
    std_dvars_threshold : float or None
        Volumes with a standardized DVARS above this (no unit) are left out. None: no limit.
    dvars_percent_threshold : float or None
        Volumes whose DVARS is this many percent of all variance above its median are left out
        (Delta % D-var, `bidsmask.numerics.leverage.dvars_percent`). None: no limit.
    leverage_threshold : float or None
        Volumes whose leverage is above this many times the median are left out (projection
        scrubbing, `bidsmask.numerics.leverage.leverage`). None: no limit.
    volumes_before, volumes_after : int
        So many volumes before and after a volume beyond a threshold are left out too.
    min_segment_volumes : int
        Kept stretches shorter than this between flagged volumes are left out too.
    dummy_scans : int or "auto"
        Leave out this many volumes at the start, or ("auto") those that fMRIPrep flagged as
        non-steady-state.

    Raises
    ------
    ValueError
        If a threshold is not above 0, or a count is below 0.

    References
    ----------
    Power et al. (2014), NeuroImage 84, doi:10.1016/j.neuroimage.2013.08.048
    """

    fd_threshold_mm: float | None = None
    std_dvars_threshold: float | None = None
    dvars_percent_threshold: float | None = None
    leverage_threshold: float | None = None
    volumes_before: int = 0
    volumes_after: int = 0
    min_segment_volumes: int = 0
    dummy_scans: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in THRESHOLDS:
            threshold = getattr(self, name)
            if threshold is not None and not threshold > 0:
                raise ValueError(f"{name} must be above 0 (None: no limit), not {threshold}.")
        for name in ("volumes_before", "volumes_after", "min_segment_volumes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if isinstance(self.dummy_scans, str):
            if self.dummy_scans != "auto":
                raise ValueError(
                    f'dummy_scans must be "auto" or a number, not {self.dummy_scans!r}.'
                )
        elif self.dummy_scans < 0:
            raise ValueError(f"dummy_scans must be 0 or more, not {self.dummy_scans}.")

    @property
    def has_threshold(self) -> bool:
        """Whether any volume is flagged for what it is itself."""
        return any(getattr(self, name) is not None for name in THRESHOLDS)


def flag_above(values: FloatArray, threshold: float) -> BoolArray:
    """Flag the volumes whose value is strictly above a threshold.

    Parameters
    ----------
    values : array of shape (T,)
        Framewise displacement in mm, say. NaN (the first volume has no predecessor) is never
        flagged.
    threshold : float
        In the unit of `values`.

    Returns
    -------
    outliers : bool array of shape (T,)

    Examples
    --------
    >>> flag_above(np.array([np.nan, 0.5, 0.6]), 0.5)
    array([False, False,  True])
    """
    outliers: BoolArray = np.asarray(values) > threshold
    return outliers


def neighbours(outliers: BoolArray, before: int, after: int) -> BoolArray:
    """Flag the volumes just before and just after flagged ones.

    Parameters
    ----------
    outliers : bool array of shape (T,)
        Volumes flagged so far.
    before, after : int
        How many volumes on each side.

    Returns
    -------
    near : bool array of shape (T,)
        True beside the outliers only; the outliers themselves are not repeated.

    References
    ----------
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018 (one before and
    two after)

    Examples
    --------
    >>> neighbours(np.array([0, 0, 1, 0, 0, 0], dtype=bool), before=1, after=2)
    array([False,  True, False,  True,  True, False])
    """
    near: BoolArray = np.zeros(outliers.size, dtype=bool)
    for volume in np.flatnonzero(outliers):
        near[max(volume - before, 0) : volume + after + 1] = True
    return near & ~outliers


def short_segments(outliers: BoolArray, min_volumes: int) -> BoolArray:
    """Flag the kept stretches that are too short to be worth keeping.

    Parameters
    ----------
    outliers : bool array of shape (T,)
        Volumes flagged so far.
    min_volumes : int
        Stretches of fewer unflagged volumes than this are flagged, at head and tail of the run
        as well as between outliers. A run without any outlier is not a short stretch.

    Returns
    -------
    short : bool array of shape (T,)
        True in the short stretches only; the outliers themselves are not repeated.

    References
    ----------
    Power et al. (2014), NeuroImage 84, doi:10.1016/j.neuroimage.2013.08.048

    Examples
    --------
    >>> short_segments(np.array([0, 0, 1, 0, 1, 0, 0, 0], dtype=bool), 3)
    array([ True,  True, False,  True, False, False, False, False])
    """
    if not outliers.any():
        return np.zeros(outliers.size, dtype=bool)
    walls = np.flatnonzero(np.concatenate([[True], outliers, [True]]))
    lengths = np.diff(walls) - 1  # of the kept stretch after each wall
    stretch = np.cumsum(outliers)  # the stretch each volume lies in, when it is not an outlier
    short: BoolArray = ~outliers & (lengths < min_volumes)[stretch]
    return short


def interpolate_censored(
    signals: FloatArray,
    sample_mask: BoolArray,
    *,
    bridge: Bridge = "linear",
    extrapolate: bool = False,
) -> FloatArray:
    """Replace censored volumes by what a line or a cubic spline through the kept ones says.

    In gaps of up to three volumes the two hardly differ. In longer ones a spline runs away: from
    noise it reaches 20 standard deviations in a gap of 20 volumes, and a filter spreads that over
    the volumes around. A line stays between the volumes that it connects.

    Parameters
    ----------
    signals : array of shape (T, P)
        What stands in censored volumes, NaN included, is never looked at.
    sample_mask : bool array of shape (T,)
        True = kept. Kept volumes come out as they went in.
    bridge : {"linear", "nilearn"}
        Straight lines, or the not-a-knot spline that nilearn uses (a parabola through three kept
        volumes, a line through two).
    extrapolate : bool
        Follow the first and the last piece to the ends of the run as well.

    Returns
    -------
    filled : float64 array of shape (T, P)
        Censored volumes between the first and the last kept one lie on the bridge. Outside of
        that range they are NaN unless `extrapolate`; so they are everywhere in a column that
        holds a NaN or infinite value in a kept volume.

    Raises
    ------
    ValueError
        If fewer than 2 volumes are kept.

    References
    ----------
    de Boor (1978), A Practical Guide to Splines, Springer

    Examples
    --------
    >>> signals = np.array([[9.0], [0.0], [1.0], [99.0], [9.0], [16.0]])
    >>> kept = np.array([0, 1, 1, 0, 1, 1], dtype=bool)
    >>> interpolate_censored(signals, kept, bridge="nilearn").ravel()
    array([nan, 0., 1., 4., 9., 16.])
    >>> interpolate_censored(signals, kept).ravel()
    array([nan, 0., 1., 5., 9., 16.])
    """
    kept = np.flatnonzero(sample_mask)
    if kept.size < 2:
        raise ValueError(
            f"Interpolation needs at least 2 kept volumes; {kept.size} of {sample_mask.size} are."
        )
    filled = np.full(signals.shape, np.nan)
    filled[kept] = signals[kept]
    gaps = np.flatnonzero(~sample_mask)
    if not extrapolate:
        gaps = gaps[(gaps > kept[0]) & (gaps < kept[-1])]
    if gaps.size:
        values = filled[kept]
        finite = np.isfinite(values).all(axis=0)
        columns = np.compress(finite, values, axis=1)
        inside = np.full((gaps.size, values.shape[1]), np.nan)
        inside[:, finite] = _BRIDGES[bridge](kept, columns, gaps)
        filled[gaps] = inside
    return filled


def _lines(x: IntArray, y: FloatArray, at: IntArray) -> FloatArray:
    """Values (n, P) at `at` of the straight lines from one row of `y` (K, P) to the next."""
    left, _, share = _pieces(x, at)
    values: FloatArray = (1 - share) * y[left] + share * y[left + 1]
    return values


def _spline(x: IntArray, y: FloatArray, at: IntArray) -> FloatArray:
    """Values (n, P) at `at` of the not-a-knot splines through `y` (K, P)."""
    return _hermite(x, y, _slopes(x, y), at)


_BRIDGES = {"linear": _lines, "nilearn": _spline}


def _pieces(x: IntArray, at: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Where each piece of `x` begins that `at` lies in, its length, and how far in it is."""
    left = np.clip(np.searchsorted(x, at) - 1, 0, x.size - 2)
    step = (x[left + 1] - x[left])[:, np.newaxis]
    return left, step, (at - x[left])[:, np.newaxis] / step


def _hermite(x: IntArray, y: FloatArray, slopes: FloatArray, at: IntArray) -> FloatArray:
    """Values at `at` of the cubics that have these values and slopes at both ends of a step.

    The first and the last step of `x` go on beyond its ends.
    """
    left, step, share = _pieces(x, at)
    rest = 1 - share
    values: FloatArray = (1 + 2 * share) * rest**2 * y[left]
    values += (1 + 2 * rest) * share**2 * y[left + 1]
    values += step * share * rest * (rest * slopes[left] - share * slopes[left + 1])
    return values


def _slopes(x: IntArray, y: FloatArray) -> FloatArray:
    """Slopes (K, P) at `x` (K,) of the not-a-knot splines through `y` (K, P).

    References
    ----------
    de Boor (1978), A Practical Guide to Splines, chapter IV: the curvature is the same from both
    sides of a knot, and the second and the last knot but one are none
    """
    steps = np.diff(x)[:, np.newaxis].astype(np.float64)
    secants = np.diff(y, axis=0) / steps
    if len(steps) == 1:
        return np.repeat(secants, 2, axis=0)
    if len(steps) == 2:
        bend = (secants[1] - secants[0]) / steps.sum()
        parabola: FloatArray = secants[0] + bend * [-steps[0], steps[0], steps[0] + 2 * steps[1]]
        return parabola
    right = np.empty(y.shape)
    right[1:-1] = 3 * (steps[1:] * secants[:-1] + steps[:-1] * secants[1:])
    right[0] = _at_the_edge(*steps[:2], *secants[:2])
    right[-1] = _at_the_edge(*steps[:-3:-1], *secants[:-3:-1])
    first, last = steps[:2].sum(), steps[-2:].sum()
    before, after = steps[1:, 0], steps[:-1, 0]
    return _solve_tridiagonal(
        lower=[*before, last],
        middle=[steps[1, 0], *2 * (before + after), steps[-2, 0]],
        upper=[first, *after],
        right=right,
    )


def _at_the_edge(
    step: FloatArray, next_step: FloatArray, secant: FloatArray, next_secant: FloatArray
) -> FloatArray:
    both = step + next_step
    return ((step + 2 * both) * next_step * secant + step**2 * next_secant) / both


def _solve_tridiagonal(
    *, lower: list[float], middle: list[float], upper: list[float], right: FloatArray
) -> FloatArray:
    """Solve for all columns of `right` (K, P), in its memory, by elimination without pivoting.

    Lower and upper diagonal have K - 1 entries.
    """
    for row in range(1, len(right)):
        factor = lower[row - 1] / middle[row - 1]
        middle[row] -= factor * upper[row - 1]
        right[row] -= factor * right[row - 1]
    right[-1] /= middle[-1]
    for row in range(len(right) - 2, -1, -1):
        right[row] -= upper[row] * right[row + 1]
        right[row] /= middle[row]
    return right
