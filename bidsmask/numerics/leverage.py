"""Volumes that data alone show to be odd: DVARS as a share of all variance, and leverage."""

from statistics import NormalDist

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.numerics.filters import cosine_basis
from bidsmask.numerics.regression import orthonormal_basis, residuals

SLOWEST_HZ = 0.01
"""Slower changes are drift, and no reason to leave a volume out."""

MAD_TO_SD = 1.4826
"""A normal distribution's standard deviation in units of its median absolute deviation."""

KURTOSIS_Z = 2.326
"""A component is of artefacts if it has a heavier tail than 99 % of normal ones."""

FEWEST_VOLUMES = 20
"""Of fewer, nothing can be said of tails (Anscombe & Glynn 1983)."""


def dvars_percent(dvars: FloatArray, std: FloatArray) -> FloatArray:
    """Give DVARS above its median, as a percentage of all variance: Delta % D-var.

    Parameters
    ----------
    dvars : array of shape (T,)
        RMS over voxels of the change since the volume before; NaN has none.
    std : array of shape (V,)
        Standard deviation over time (ddof 1) of each of these voxels, in the same unit; NaN is
        left out.

    Returns
    -------
    percent : float64 array of shape (T,)
        100 (D - median D) / A with D = DVARS^2 / 4 and A the mean over voxels of the variance
        (ddof 0). Above 5 is of practical importance to Afyouni & Nichols. NaN everywhere if
        nothing varies.

    References
    ----------
    Afyouni & Nichols (2018), NeuroImage 172, doi:10.1016/j.neuroimage.2017.12.098

    Examples
    --------
    >>> dvars_percent(np.array([np.nan, 2.0, 2.0, 2.0, 4.0]), std=np.array([3.0, 4.0])).round(9)
    array([nan,  0.,  0.,  0., 30.])
    """
    fast, variances = np.asarray(dvars) ** 2 / 4, std[np.isfinite(std)] ** 2
    if not np.isfinite(fast).any() or not variances.any():
        return np.full(fast.shape, np.nan)
    everything = variances.mean() * (fast.size - 1) / fast.size
    percent: FloatArray = 100 * (fast - np.nanmedian(fast)) / everything
    return percent


def leverage(voxels: FloatArray, t_r: float, steady: BoolArray) -> FloatArray:
    """Leverage of each volume in the principal components that look like artefacts.

    Voxels are freed of drift and scaled by their median absolute deviation. Of their principal
    components, those count that explain more than the average one and have heavy tails, as what
    comes in bursts has. The leverage of a volume is the sum of its squares in them. This is
    projection scrubbing by principal components; Pham 2023 recommend independent ones, and to
    leave out what is above three times the median.

    Parameters
    ----------
    voxels : array of shape (T, K)
        Before cleaning. Those that are not finite or that hardly change are left out.
    t_r : float
        Repetition time in seconds.
    steady : bool array of shape (T,)
        False in volumes that are left out anyway, such as the first.

    Returns
    -------
    leverage : float64 array of shape (T,)
        From 0 to the number of components; NaN in volumes that are not steady; 0 everywhere if no
        component has heavy tails, or there are too few volumes.

    References
    ----------
    Pham et al. (2023), NeuroImage 270, doi:10.1016/j.neuroimage.2023.119972;
    Mejia et al. (2017), Biostatistics 18(3), doi:10.1093/biostatistics/kxw050 (PCA leverage)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> voxels = rng.normal(size=(100, 50))
    >>> voxels[40] += 5 * rng.normal(size=50)
    >>> found = leverage(voxels, 2.0, np.ones(100, dtype=bool))
    >>> int(np.argmax(found)), bool(found[40] > 3 * np.median(found))
    (40, True)
    """
    found = np.full(len(voxels), np.nan)
    found[steady] = 0.0
    if np.count_nonzero(steady) >= FEWEST_VOLUMES:
        components = _components(_scaled(voxels, t_r, steady))
        heavy = kurtosis_z(components) > KURTOSIS_Z
        found[steady] = np.square(components[:, heavy]).sum(axis=1)
    return found


def flag_leverage(values: FloatArray, threshold: float) -> BoolArray:
    """Flag the volumes whose leverage is far above the median.

    Parameters
    ----------
    values : array of shape (T,)
        As of `leverage`; NaN is never flagged.
    threshold : float
        Times the median. Of few components, leverage varies so much that a fifth of all volumes
        of normal noise is above three times its median; so more is asked for where the largest
        of as many volumes would reach more by chance, in one run of twenty.

    Returns
    -------
    outliers : bool array of shape (T,)

    References
    ----------
    Wilson & Hilferty (1931), PNAS 17(12), doi:10.1073/pnas.17.12.684 (of Q components, leverage
    has the distribution of chi-squared with Q degrees of freedom)

    Examples
    --------
    >>> flag_leverage(np.array([np.nan, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 5.0]), 3).nonzero()
    (array([9]),)
    """
    known = values[np.isfinite(values)]
    if not known.any():
        return np.zeros(values.shape, dtype=bool)
    spread = 2 / (9 * max(float(known.sum()), 1.0))  # leverages add up to the components
    z = NormalDist().inv_cdf(1 - 0.05 / known.size)
    by_chance = (1 + z * np.sqrt(spread) / (1 - spread)) ** 3
    outliers: BoolArray = values > max(threshold, by_chance) * float(np.median(known))
    return outliers


def _scaled(voxels: FloatArray, t_r: float, steady: BoolArray) -> FloatArray:
    """Voxels (T_steady, K) around 0, without drift, in units of their robust deviations."""
    slow = cosine_basis(len(voxels), t_r, SLOWEST_HZ)
    drift = np.column_stack([np.ones(len(voxels)), slow])[steady]
    finite = np.isfinite(voxels).all(axis=0)
    fast = residuals(voxels[steady][:, finite], orthonormal_basis(drift, standardized=False))
    fast -= np.median(fast, axis=0)
    deviation = MAD_TO_SD * np.median(np.abs(fast), axis=0)
    varying = deviation > 1e-6 * deviation.max(initial=0.0)
    scaled: FloatArray = fast[:, varying] / deviation[varying]
    return scaled


def _components(scaled: FloatArray) -> FloatArray:
    """Principal components (T, Q) of length 1 that explain more than the average one."""
    variances, components = np.linalg.eigh(scaled @ scaled.T)
    there = variances > 1e-9 * variances.max(initial=0.0)
    above = there & (variances > variances[there].mean()) if there.any() else there
    chosen: FloatArray = components[:, above]
    return chosen


def kurtosis_z(columns: FloatArray) -> FloatArray:
    """How much heavier the tails of columns are than those of normal ones, as a normal score.

    Parameters
    ----------
    columns : array of shape (T, Q)
        At least 20 rows; no column is constant.

    Returns
    -------
    z : float64 array of shape (Q,)
        Standard normal for columns of independent normal values.

    References
    ----------
    Anscombe & Glynn (1983), Biometrika 70(1), doi:10.1093/biomet/70.1.227

    Examples
    --------
    >>> flat = np.linspace(-1, 1, 101)[:, np.newaxis]
    >>> bool(kurtosis_z(flat)[0] < 0 < kurtosis_z(flat**9)[0])
    True
    """
    n = len(columns)
    centred = columns - columns.mean(axis=0)
    kurtosis = (centred**4).mean(axis=0) / (centred**2).mean(axis=0) ** 2
    expected = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    score = (kurtosis - expected) / np.sqrt(variance)
    skewness = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9))
    skewness *= np.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    dof = 6 + 8 / skewness * (2 / skewness + np.sqrt(1 + 4 / skewness**2))
    ratio = (1 - 2 / dof) / (1 + score * np.sqrt(2 / (dof - 4)))
    z: FloatArray = (1 - 2 / (9 * dof) - np.cbrt(ratio)) / np.sqrt(2 / (9 * dof))
    return z
