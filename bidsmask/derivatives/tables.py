"""The tables of a run, made of its values; nothing is named or written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.columns.table import LookUpTable
from bidsmask.dataset.confounds import Confounds
from bidsmask.numerics.freedom import DegreesOfFreedom

QUALITY_COLUMNS: Mapping[str, tuple[str, str]] = {
    "strategy": ("Confound strategy by its name; desc has it without _ and with p for .", ""),
    "n_volumes": ("Volumes of the BOLD run", "volumes"),
    "n_non_steady_state": ("Volumes before the signal was in a steady state", "volumes"),
    "n_censored": ("Volumes left out, for whatever reason", "volumes"),
    "n_kept": ("Volumes that the results rest on", "volumes"),
    "minutes_kept": ("Kept volumes times repetition time", "min"),
    "mean_fd_kept": ("Mean framewise displacement of the kept volumes", "mm"),
    "n_detrend": ("Degrees of freedom spent on mean and line", "volumes"),
    "n_filter": ("Degrees of freedom spent on the temporal filter", "volumes"),
    "n_confounds": ("Degrees of freedom spent on confounds behind the filter", "volumes"),
    "n_regressors": ("Rank of the design of confounds on the kept volumes", "columns"),
    "dof_remaining": (
        "Temporal degrees of freedom left: kept volumes minus all that was spent, which is the "
        "effective number of white noise behind all cleaning steps "
        "(doi:10.1006/nimg.1995.1023)",
        "volumes",
    ),
    "mean_fd": (
        "Mean framewise displacement of all volumes (doi:10.1016/j.neuroimage.2011.10.018)",
        "mm",
    ),
    "max_fd": ("Largest framewise displacement of all volumes", "mm"),
    "mean_dvars": (
        "Mean over time of DVARS, the root mean square over the mask of the change from one "
        "volume to the next, before cleaning",
        "arbitrary",
    ),
    "median_tsnr": (
        "Median over the mask of the temporal signal-to-noise ratio (mean divided by standard "
        "deviation), before cleaning",
        "1",
    ),
    "fd_dvars_correlation": (
        "Pearson correlation of framewise displacement and DVARS, before cleaning",
        "1",
    ),
    "n_voxels": ("Voxels of the brain mask", "voxels"),
    "n_nonfinite_voxels": ("Voxels of the mask that are NaN or infinite at some time", "voxels"),
    "status": (
        "ok, or n/a where the strategy could not be carried out in this run: then there are no "
        "time series and no matrices of it",
        "",
    ),
    "reason": ("Why the strategy could not be carried out", ""),
}
"""Columns of the table of quality measures: meaning and unit, in their order."""


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


def quality(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Quality of a run: rows as `quality_row` and `lost_row` make them."""
    found = list(rows)
    names = [name for name in QUALITY_COLUMNS if any(name in row for row in found)]
    return with_counts(pd.DataFrame(found, columns=names))


def with_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table of quality whole numbers where it counts, also where some are n/a."""
    spent = ("n_filter", "n_confounds")
    counts = [
        name
        for name in QUALITY_COLUMNS
        if name in table and name.startswith("n_") and name not in spent
    ]
    return table.astype(dict.fromkeys(counts, "Int64"))


def quality_row(
    confounds: Confounds,
    ledger: DegreesOfFreedom,
    sample_mask: BoolArray,
    *,
    t_r: float,
    of_run: Mapping[str, float],
) -> dict[str, Any]:
    """Measure the quality of a run under one strategy.

    Parameters
    ----------
    confounds : Confounds
    ledger : DegreesOfFreedom
    sample_mask : bool array of shape (T,)
        True for the volumes that came out of cleaning.
    t_r : float
        Repetition time in seconds.
    of_run : mapping from name to number
        What is known of the run before cleaning.

    Returns
    -------
    row : dict
        By the names of `QUALITY_COLUMNS`.
    """
    dummies = dict(confounds.outliers).get("non_steady_state", np.zeros(0, dtype=bool))
    return {
        "strategy": confounds.strategy,
        "n_volumes": ledger.n_volumes,
        "n_non_steady_state": int(dummies.sum()),
        "n_censored": ledger.n_censored,
        "n_kept": ledger.n_kept,
        "minutes_kept": ledger.n_kept * t_r / 60,
        "mean_fd_kept": _mean_known(confounds.fd_mm, sample_mask),
        "n_detrend": ledger.n_detrend,
        "n_filter": float(ledger.n_filter),
        "n_confounds": float(ledger.n_confounds),
        "n_regressors": ledger.n_regressors,
        "dof_remaining": float(ledger.remaining),
        **_about_run(of_run),
        "status": "ok",
        "reason": "n/a",
    }


def lost_row(
    strategy: str, reason: str, *, n_volumes: int, of_run: Mapping[str, float]
) -> dict[str, Any]:
    """Say why a strategy is n/a in a run, beside what is known of the run all the same."""
    about = {"strategy": strategy, "n_volumes": n_volumes, **_about_run(of_run)}
    return {**about, "status": "n/a", "reason": reason}


def smallest_integers(labels: IntArray) -> IntArray:
    """Store labels in the smallest type of 2 to 8 bytes that holds them."""
    largest = labels.max(initial=0)
    kinds = (np.int16, np.int32, np.int64)
    return labels.astype(next(kind for kind in kinds if largest <= np.iinfo(kind).max))


def _mean_known(values: FloatArray | None, sample_mask: BoolArray) -> float:
    if values is None:
        return float("nan")
    known = values[sample_mask & ~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _about_run(of_run: Mapping[str, float]) -> dict[str, float]:
    return {
        name: int(value) if name.startswith("n_") else float(value)
        for name, value in of_run.items()
    }
