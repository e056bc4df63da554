"""What cleaning did to a run: the same voxels and the same volumes, before and after.

Only kept volumes count, and residuals in the unit of the images: standard scores all have the
same size, so that nothing could be compared.
"""

from collections.abc import Mapping

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.numerics.connectivity.plain import correlation_with
from bidsmask.numerics.filters import detrend
from bidsmask.numerics.quality import correlation


def voxel_quality(
    raw: FloatArray,
    residuals: FloatArray,
    sample_mask: BoolArray,
    fd_mm: FloatArray | None,
    *,
    detrends: bool,
) -> dict[str, float]:
    """Compare some voxels of a run with what cleaning left of them.

    Parameters
    ----------
    raw : array of shape (T, V)
    residuals : array of shape (T_kept, V)
        In the unit of `raw`. Voxels with a value that is not finite in a kept volume are left
        out.
    sample_mask : bool array of shape (T,)
        True = kept.
    fd_mm : array of shape (T,), or None
        Framewise displacement.
    detrends : bool
        Whether cleaning takes away mean and line; else the variance is that around the mean.

    Returns
    -------
    measures : dict
        By the columns of the table of quality. NaN where there is nothing to measure.
    """
    raw = raw[sample_mask]
    usable = np.isfinite(raw).all(axis=0) & np.isfinite(residuals).all(axis=0)
    raw, residuals = raw[:, usable].astype(np.float64), residuals[:, usable]
    times = np.flatnonzero(sample_mask)
    dvars = {"before": dvars_of_pairs(raw, times), "after": dvars_of_pairs(residuals, times)}
    fd = np.full(len(times), np.nan) if fd_mm is None else fd_mm[sample_mask]
    mean = raw.mean(axis=0)
    return {
        "variance_removed": variance_removed(_drift_free(raw, times, detrends), residuals),
        **{f"dvars_{when}": _mean_known(values) for when, values in dvars.items()},
        "tsnr_before": median_tsnr(mean, raw),
        "tsnr_after": median_tsnr(mean, residuals),
        **{f"fd_dvars_{when}": correlation(fd, values) for when, values in dvars.items()},
    }


def confound_quality(
    raw: FloatArray,
    cleaned: FloatArray,
    families: Mapping[str, FloatArray],
    sample_mask: BoolArray,
    *,
    detrends: bool,
) -> dict[str, float]:
    """Measure how much regions have in common with families of confounds, before and after.

    Parameters
    ----------
    raw : array of shape (T, P)
        Signals of regions.
    cleaned : array of shape (T_kept, P)
        In any unit.
    families : mapping from name to array of shape (T, C)
        Confounds, whether they were regressed or not.
    sample_mask : bool array of shape (T,)
    detrends : bool
        Whether cleaning takes away mean and line. Then the line is taken out of raw signals and
        confounds, too: what a drift has in common with a drift is no news.

    Returns
    -------
    measures : dict
        ``r_<family>_before`` and ``r_<family>_after``; see `typical_correlation`.
    """
    times = np.flatnonzero(sample_mask)
    before = _drift_free(raw[sample_mask], times, detrends)
    measures = {}
    for name, columns in families.items():
        confounds = _drift_free(columns[sample_mask], times, detrends)
        measures[f"r_{name}_before"] = typical_correlation(before, confounds)
        measures[f"r_{name}_after"] = typical_correlation(cleaned, confounds)
    return measures


def variance_removed(before: FloatArray, after: FloatArray) -> float:
    """Share of each voxel's variance that is gone, as the mean over voxels.

    Parameters
    ----------
    before, after : arrays of shape (T, V)
        In the same unit. Variance is that around the mean; voxels that are constant before are
        left out.

    Returns
    -------
    share : float
        From 0 to 1 for a projection. NaN without voxels.

    Examples
    --------
    >>> before = np.array([[1.0, 3.0], [-1.0, 0.0], [0.0, -3.0]])
    >>> variance_removed(before, before * [0.5, 1.0])
    0.375
    """
    had, has = (np.square(x - x.mean(axis=0)).sum(axis=0) for x in (before, after))
    varied = had > 0
    return _share(np.mean(1 - has[varied] / had[varied])) if varied.any() else float("nan")


def dvars_of_pairs(signals: FloatArray, times: IntArray) -> FloatArray:
    """Root mean square over voxels of the change between successive volumes that are both kept.

    Parameters
    ----------
    signals : array of shape (T_kept, V)
    times : int array of shape (T_kept,)
        Which volumes of the run these are.

    Returns
    -------
    dvars : array of shape (T_kept,)
        In the unit of the signals; NaN where the volume before was left out.

    References
    ----------
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> dvars_of_pairs(np.array([[1.0], [3.0], [9.0]]), np.array([0, 1, 3]))
    array([nan,  2., nan])
    """
    dvars = np.full(len(times), np.nan)
    if signals.shape[1]:
        squares = np.mean(np.square(np.diff(signals, axis=0)), axis=1)
        dvars[1:] = np.where(np.diff(times) == 1, np.sqrt(squares), np.nan)
    return dvars


def median_tsnr(mean: FloatArray, signals: FloatArray) -> float:
    """Temporal signal-to-noise ratio: mean by standard deviation (ddof 1), median over voxels.

    Parameters
    ----------
    mean : array of shape (V,)
        Of the images, whatever was taken out of the signals.
    signals : array of shape (T, V)
        What varies: the images themselves, or what cleaning left. Voxels of which nothing is
        left have no ratio.

    References
    ----------
    Murphy et al. (2007), NeuroImage 34(2), doi:10.1016/j.neuroimage.2006.09.032

    Examples
    --------
    >>> median_tsnr(np.array([100.0]), np.array([[1.0], [3.0], [2.0]]))
    100.0
    """
    std = signals.std(axis=0, ddof=1) if len(signals) > 1 else np.zeros(mean.size)
    varies = std > 0
    return float(np.median(mean[varies] / std[varies])) if varies.any() else float("nan")


def typical_correlation(signals: FloatArray, confounds: FloatArray) -> float:
    """Root mean square of Pearson's correlations of every signal with every confound.

    Parameters
    ----------
    signals : array of shape (T, P)
    confounds : array of shape (T, C)

    Returns
    -------
    r : float
        From 0 to 1; of series that have nothing in common about one by the square root of their
        degrees of freedom. Columns that are constant, or not finite, are left out; NaN without
        any.

    Examples
    --------
    >>> signals = np.array([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
    >>> round(typical_correlation(signals, np.array([[1.0], [2.0], [3.0]])), 9)
    0.707106781
    """
    return _share(np.sqrt(_mean_known(np.square(correlation_with(confounds, signals)))))


def _drift_free(signals: FloatArray, times: IntArray, detrends: bool) -> FloatArray:
    return detrend(signals, times=times) if detrends else signals


def _share(value: float) -> float:
    """Round: what is smaller than a billionth is a rounding error, and has no sign."""
    return round(float(value), 9) + 0.0


def _mean_known(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
