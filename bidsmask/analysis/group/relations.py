"""What the numbers of matrices are, by the label of ``stat`` in their names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.vocabulary import CORRELATIONS

_WITHOUT_MEAN = ("xdf-variance", "xdf-p")
"""Of what is uncertain in a run; how uncertain a group is, its standard deviation says."""


@dataclass(frozen=True, kw_only=True)
class RelationKind:
    """A measure of connectivity, as it was written.

    Parameters
    ----------
    stat : str
        Its label.
    z_stat : str
        Label of that which is averaged: Fisher's z of correlations, else the measure itself.
    words : str
    is_correlation : bool
        Whether it is one whose Fisher's z is averaged.
    has_mean : bool
        Whether the mean over participants says something.
    """

    stat: str
    z_stat: str
    words: str
    is_correlation: bool
    has_mean: bool

    def averaged(self, values: FloatArray) -> FloatArray:
        """Turn values into what is averaged, in double precision.

        Fisher's z of correlations; signals that are equal have no finite one, and are NaN.
        """
        values = values.astype(np.float64)
        if not self.is_correlation:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            z: FloatArray = np.arctanh(values)
        z[~np.isfinite(z)] = np.nan
        return z


def relation_kind(stat: str) -> RelationKind | None:
    """Tell what a label of ``stat`` means; None if it is of no measure.

    Examples
    --------
    >>> kind = relation_kind("median+pearsoncorrelation")
    >>> kind.z_stat, kind.is_correlation
    ('median+fisherz', True)
    """
    statistic, plus, label = stat.rpartition("+")
    for measure in MEASURES.values():
        if label not in (measure.stat, measure.z_stat):
            continue
        is_z = label == measure.z_stat
        return RelationKind(
            stat=stat,
            z_stat=f"{statistic}{plus}{measure.z_stat or label}",
            words=f"Fisher's z: {measure.description}" if is_z else measure.description,
            is_correlation=measure.name in CORRELATIONS and not is_z,
            has_mean=measure.name not in _WITHOUT_MEAN,
        )
    return None
