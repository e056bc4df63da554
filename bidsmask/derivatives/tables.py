"""The tables of a run, made of its values; nothing is named or written here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.columns.table import LookUpTable
from bidsmask.dataset.confounds import Confounds


def time_series(signals: FloatArray, names: Sequence[str]) -> pd.DataFrame:
    """One column for each region, in single precision.

    Parameters
    ----------
    signals : array of shape (T, P), or (T_kept, P) where censored volumes are dropped
        NaN is written as ``n/a``: regions without a signal, and censored volumes.
    names : sequence of P str
    """
    return pd.DataFrame(np.asarray(signals, dtype=np.float32), columns=list(names))


def matrix(values: FloatArray, names: Sequence[str]) -> pd.DataFrame:
    """One row and one column for each region, rows named in the column ``Node``.

    Parameters
    ----------
    values : array of shape (P, P)
    names : sequence of P str
    """
    rows = pd.DataFrame(np.asarray(values, dtype=np.float32), columns=list(names))
    rows.insert(0, "Node", list(names), allow_duplicates=True)
    return rows


def look_up_table(lut: LookUpTable) -> pd.DataFrame:
    """Labels and names of regions, and what else their atlas says of them."""
    return pd.DataFrame({"index": lut.ids, "name": lut.names, **dict(lut.columns)})


def design(confounds: Confounds) -> pd.DataFrame:
    """What was regressed, one row for every BOLD volume."""
    return pd.DataFrame(confounds.design, columns=list(confounds.columns))


def outliers(confounds: Confounds, sample_mask: BoolArray) -> pd.DataFrame:
    """Which volumes each rule flagged, and in the end which were left out, as 0 and 1.

    Parameters
    ----------
    confounds : Confounds
    sample_mask : bool array of shape (T,)
        True for the volumes that came out of cleaning.
    """
    flags = {**dict(confounds.outliers), "censored": ~sample_mask}
    return pd.DataFrame({name: values.astype(int) for name, values in flags.items()})


def smallest_integers(labels: IntArray) -> IntArray:
    """Store labels in the smallest type of 2 to 8 bytes that holds them."""
    largest = labels.max(initial=0)
    kinds = (np.int16, np.int32, np.int64)
    return labels.astype(next(kind for kind in kinds if largest <= np.iinfo(kind).max))
