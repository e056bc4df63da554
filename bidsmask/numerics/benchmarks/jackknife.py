"""How sure a benchmark is: what becomes of it if some of the subjects had not been there.

Subjects are left out in groups, each once. It needs no chance, so that the same data always say
the same; and strategies are compared over the same groups, so that what they share cancels out.
Near the null, where |r| is chance alone, intervals are too wide rather than too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import FloatArray, IntArray

MOST_GROUPS = 100
"""With more subjects than this, several are left out at once."""

LEVEL = 0.95
"""Of intervals."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number, and between which it is, with a confidence of `LEVEL`. NaN: not known."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the number is told apart from 0."""
        return self.low > 0 or self.high < 0


def left_out_groups(n_subjects: int) -> list[IntArray]:
    """Say who is left out together.

    Examples
    --------
    >>> [group.tolist() for group in left_out_groups(3)]
    [[0], [1], [2]]
    """
    n_groups = min(n_subjects, MOST_GROUPS)
    return [np.arange(first, n_subjects, n_groups) for first in range(n_groups)]


def interval(value: float, without: FloatArray) -> Interval:
    """Return an interval of a statistic by the jackknife.

    Parameters
    ----------
    value : float
        Of all subjects.
    without : array of shape (G,)
        Of all but each group.

    Returns
    -------
    interval : Interval
        value ± t SE, SE^2 = (G - 1) / G Σ (without - mean)^2, t of G - 1 degrees of freedom.
        NaN with fewer than 3 groups, or where one of them gives no value.

    References
    ----------
    Tukey (1958), Annals of Mathematical Statistics 29, 614; Efron & Stein (1981), Annals of
    Statistics 9(3), doi:10.1214/aos/1176345462 (it does not give too small an error)

    Examples
    --------
    >>> heights = np.array([1.0, 2.0, 3.0, 4.0])
    >>> without = np.array([np.delete(heights, one).mean() for one in range(4)])
    >>> found = interval(2.5, without)  # of a mean, the standard error is SD / sqrt(N)
    >>> round(found.low, 3), round(found.high, 3)
    (0.446, 4.554)
    """
    from scipy.stats import t

    n_groups = without.size
    if n_groups < 3:
        return Interval(value=value, low=float("nan"), high=float("nan"))
    error = np.sqrt((n_groups - 1) * without.var())
    half = float(t.ppf((1 + LEVEL) / 2, n_groups - 1) * error)
    return Interval(value=value, low=value - half, high=value + half)


def mean_interval(values: FloatArray) -> Interval:
    """Return an interval of the mean of subjects (N,), who are all known."""
    n = values.size
    without = (values.sum() - values) / max(n - 1, 1)
    return interval(float(values.mean()) if n else float("nan"), without)
