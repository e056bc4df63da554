"""Values that lie far from the others."""

import numpy as np

from bidsmask._typing import BoolArray, FloatArray

FAR = 3.0
"""So many interquartile ranges beyond a quartile a value is far out."""


def far_out(values: FloatArray) -> BoolArray:
    """Say which values are far out: three interquartile ranges beyond the nearer quartile.

    Parameters
    ----------
    values : array of shape (n,)
        NaN does not count, and is not far out.

    Returns
    -------
    is_far : bool array of shape (n,)
        All False if half of the values are the same: then the range says nothing.

    References
    ----------
    Tukey (1977), Exploratory Data Analysis, Addison-Wesley, section 2C

    Examples
    --------
    >>> far_out(np.array([1.0, 2, 3, 4, 5, 12, np.nan]))
    array([False, False, False, False, False, False, False])
    >>> far_out(np.array([1.0, 2, 3, 4, 5, 13]))
    array([False, False, False, False, False,  True])
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return np.zeros(values.shape, dtype=bool)
    low, high = np.quantile(known, [0.25, 0.75])
    reach = FAR * (high - low)
    if reach == 0:
        return np.zeros(values.shape, dtype=bool)
    is_far: BoolArray = (values < low - reach) | (values > high + reach)
    return is_far
