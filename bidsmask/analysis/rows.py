"""Which rows a time series has: those of the volumes that were kept, or of all of them."""

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.numerics.censoring import interpolate_censored
from bidsmask.vocabulary import Bridge, CensorOutput


def rows_for(
    columns: FloatArray, sample_mask: BoolArray, how: CensorOutput, bridge: Bridge = "linear"
) -> FloatArray:
    """Give columns of the kept volumes the rows that the output wants.

    Parameters
    ----------
    columns : array of shape (T_kept, P)
    sample_mask : bool array of shape (T,)
        True = kept.
    how : {"na", "interpolate", "drop"}
        One row for each BOLD volume, those of censored volumes NaN or on a bridge between the
        kept ones (NaN before the first and after the last of them); or kept volumes only.
    bridge : {"linear", "nilearn"}
        As of `bidsmask.numerics.censoring.interpolate_censored`.

    Returns
    -------
    rows : array of shape (T, P), or (T_kept, P) for "drop"
        `columns` itself if there is nothing to add.

    Examples
    --------
    >>> rows_for(np.array([[1.0], [3.0]]), np.array([True, False, True]), "na").ravel()
    array([ 1., nan,  3.])
    """
    if how == "drop" or sample_mask.all():
        return columns
    rows = np.full((sample_mask.size, columns.shape[1]), np.nan)
    rows[sample_mask] = columns
    if how == "interpolate":
        return interpolate_censored(rows, sample_mask, bridge=bridge)
    return rows


def n_rows(sample_mask: BoolArray, how: CensorOutput) -> int:
    """Count the rows that `rows_for` gives."""
    return int(np.count_nonzero(sample_mask)) if how == "drop" else sample_mask.size
