"""What events of a task do to the BOLD signal: a canonical response, or one of any shape.

Times are in seconds from the beginning of the first volume. A volume is sampled at the slice that
all others were shifted to (`sample_times`).
"""

from dataclasses import dataclass
from math import factorial
from typing import get_args

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.vocabulary import TaskRegressors

PEAK, UNDERSHOOT, RATIO = 6, 16, 6
"""Shapes of the two gamma densities of SPM's canonical response (dispersion 1 s), and how much
larger the first one is. It peaks 5 s after a brief event."""

FIR_LENGTH_S = 18.0
"""How long after an event its response of any shape is followed by default. Of the canonical one
an undershoot of 7 % of the peak is left then."""

_ON_TIME_S = 1e-6
"""An event is on time for a volume if it comes later by no more than rounding."""


@dataclass(frozen=True, kw_only=True)
class TaskParameters:
    """Which responses to events join a design.

    Parameters
    ----------
    task_regressors : {"none", "canonical", "fir"}
        None; one column for each condition; one for each condition and time after an event.
    fir_length_s : float
        How long after the end of an event its response is followed (finite impulse response).

    Raises
    ------
    ValueError
        If a word is unknown, or the length is given without effect or not above 0.
    """

    task_regressors: TaskRegressors = "none"
    fir_length_s: float | None = None

    def __post_init__(self) -> None:
        if self.task_regressors not in get_args(TaskRegressors):
            raise ValueError(
                f"task_regressors must be one of {', '.join(get_args(TaskRegressors))}, not "
                f"{self.task_regressors!r}."
            )
        if self.fir_length_s is None:
            return
        if self.task_regressors != "fir":
            raise ValueError("fir_length_s has no effect without the task regressors fir.")
        if not 0 < self.fir_length_s < np.inf:
            raise ValueError(
                f"fir_length_s is a time in seconds above 0, not {self.fir_length_s}."
            )

    @property
    def follows_s(self) -> float:
        """How long after the end of an event its response is followed, where that is asked."""
        return FIR_LENGTH_S if self.fir_length_s is None else self.fir_length_s


def sample_times(n_volumes: int, t_r: float, slice_time_s: float) -> FloatArray:
    """Return when each volume is sampled, (T,) in seconds.

    Parameters
    ----------
    n_volumes : int
    t_r : float
        Repetition time in seconds.
    slice_time_s : float
        When, within a volume, the slice was measured that all others were shifted to
        (``StartTime`` in BIDS; fMRIPrep takes the middle). Without slice timing correction the
        middle is right on average.

    Examples
    --------
    >>> sample_times(3, 2.0, 1.0)
    array([1., 3., 5.])
    """
    return np.arange(n_volumes) * t_r + slice_time_s


def canonical_response(times_s: FloatArray) -> FloatArray:
    """Return SPM's canonical response to a moment, of unit area.

    ``h(t) = t^5 e^-t / 5! - t^15 e^-t / (6 15!)``, divided by its area 5/6; 0 before the event.

    Parameters
    ----------
    times_s : array of any shape
        Since the event.

    References
    ----------
    Friston et al. (1998), NeuroImage 7(1), doi:10.1006/nimg.1997.0306

    Examples
    --------
    >>> canonical_response(np.array([-1.0, 0.0, 5.0, 15.0])).round(3) + 0
    array([ 0.   ,  0.   ,  0.211, -0.018])
    """
    since = np.maximum(times_s, 0)
    rise, fall = (
        since ** (shape - 1) * np.exp(-since) / factorial(shape - 1)
        for shape in (PEAK, UNDERSHOOT)
    )
    response: FloatArray = (rise - fall / RATIO) / (1 - 1 / RATIO)
    return response


def event_responses(
    onsets_s: FloatArray, durations_s: FloatArray, times_s: FloatArray
) -> FloatArray:
    """Return the canonical response to each event: (E,), (E,), (T,) -> (T, E).

    A boxcar convolved with `canonical_response`, in closed form: the difference of two regularised
    incomplete gamma functions at each end. A long event comes to 1. An event of duration 0 is a
    moment, of the same area as an event of 1 s. What lies before the first volume counts.
    (nilearn convolves in steps, 50 a repetition time; its curve comes one step later.)

    Examples
    --------
    >>> block, times = np.array([10.0]), np.array([5.0, 15.0, 60.0])
    >>> event_responses(block, np.array([100.0]), times).ravel().round(2)
    array([0.  , 0.46, 1.  ])
    """
    since = times_s[:, np.newaxis] - onsets_s
    brief = canonical_response(since)
    lasting: FloatArray = _risen(since) - _risen(since - durations_s)
    return np.where(durations_s > 0, lasting, brief)


def _risen(times_s: FloatArray) -> FloatArray:
    """Area of the canonical response up to a time."""
    from scipy.special import gammainc

    since = np.maximum(times_s, 0)
    area: FloatArray = gammainc(PEAK, since) - gammainc(UNDERSHOOT, since) / RATIO
    return area / (1 - 1 / RATIO)


def fir_lags(durations_s: FloatArray, follows_s: float, t_r: float) -> int:
    """Count the lags of a finite impulse response: the longest event and what follows it.

    Examples
    --------
    >>> fir_lags(np.array([0.0, 4.0]), 18.0, 2.0)
    11
    """
    return int(np.ceil((durations_s.max() + follows_s) / t_r - _ON_TIME_S))


def fir_responses(
    onsets_s: FloatArray, times_s: FloatArray, t_r: float, n_lags: int
) -> FloatArray:
    """Return a response of any shape: (E,), (T,) -> (T, L), one column for each lag.

    Column k counts, for each volume, the events whose first volume from their onset on was k
    volumes earlier. No shape is assumed, so that nothing of the mean response to a condition
    stays in what is left.

    Lags are counted from where the first event lies between two volumes. An event that lies
    elsewhere between them counts in part for two lags, as if the response were straight from lag
    to lag: what is left of responses that are not locked to volumes is far less than if each
    were taken to be at its nearest one.

    References
    ----------
    Cole et al. (2019), NeuroImage 189, doi:10.1016/j.neuroimage.2018.12.054

    Examples
    --------
    >>> times = np.array([0.0, 2.0, 4.0, 6.0])
    >>> fir_responses(np.array([1.5]), times, 2.0, 2)
    array([[0., 0.],
           [1., 0.],
           [0., 1.],
           [0., 0.]])
    >>> fir_responses(np.array([-8.0, 1.5]), times, 2.0, 2)
    array([[0.  , 0.  ],
           [0.75, 0.25],
           [0.  , 0.75],
           [0.  , 0.  ]])
    """
    since = times_s[:, np.newaxis] - onsets_s + _ON_TIME_S
    volumes = (since - since[0, 0] % t_r) / t_r
    counts: FloatArray = np.empty((times_s.size, n_lags))
    for lag in range(n_lags):
        shares = 1 - np.abs(volumes - lag)
        counts[:, lag] = np.where((shares > _ON_TIME_S) & (since >= 0), shares, 0).sum(axis=1)
    return counts


def volumes_of(
    onsets_s: FloatArray,
    durations_s: FloatArray,
    times_s: FloatArray,
    *,
    t_r: float,
    delay_s: float,
) -> BoolArray:
    """Tell which volumes events of one condition fill, some time later: (E,), (E,), (T,) -> (T,).

    Parameters
    ----------
    onsets_s, durations_s : arrays of shape (E,)
        An event lasts one repetition time at least, so that a volume falls into it.
    times_s : array of shape (T,)
        When volumes are sampled.
    t_r : float
        Repetition time in seconds.
    delay_s : float
        How much later the BOLD signal follows.

    Examples
    --------
    >>> times = np.arange(6) * 2.0
    >>> volumes_of(np.array([2.0]), np.array([4.0]), times, t_r=2.0, delay_s=4.0).nonzero()[0]
    array([3, 4])
    """
    since = times_s[:, np.newaxis] - (onsets_s + delay_s) + _ON_TIME_S
    inside = (since >= 0) & (since < np.maximum(durations_s, t_r))
    filled: BoolArray = np.any(inside, axis=1)
    return filled
