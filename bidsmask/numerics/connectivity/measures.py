"""Every relation between the columns of a run that can be asked for: one (P, P) matrix each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Self

import numpy as np

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.connectivity.plain import (
    correlation,
    covariance,
    on_usable,
    partial_correlation,
    precision,
    unit_diagonal,
)
from bidsmask.numerics.connectivity.regularised import (
    ledoit_wolf,
    sparse_precision,
    standard_scores,
)
from bidsmask.numerics.connectivity.xdf import two_sided_p, xdf_variance, xdf_z
from bidsmask.numerics.tangent import prec_to_partial


@dataclass(frozen=True, kw_only=True, eq=False)
class Relation:
    """A matrix, and what was found on the way to it.

    Parameters
    ----------
    matrix : float64 array of shape (P, P)
        The row and column of a signal that is constant, or holds a value that is not finite, are
        NaN; the others are what they would be without it.
    found : mapping from name to number
        What the data decided, such as a shrinkage: keys of sidecars.
    """

    matrix: FloatArray
    found: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """The kept volumes of a run, of which measures are taken.

    What several measures share is computed once.

    Parameters
    ----------
    signals : array of shape (T_kept, P)
    sample_mask : bool array of shape (T,)
        Which volumes of the run these are.
    dof : float
        Temporal degrees of freedom that cleaning has left of them.
    alpha : float or None
        Penalty of graphical lassos; None: chosen by cross-validation.
    """

    signals: FloatArray
    sample_mask: BoolArray
    dof: float
    alpha: float | None = None

    @classmethod
    def independent(cls, signals: FloatArray) -> Self:
        """Take signals (T, P) for a run of independent volumes, of which all are kept."""
        n_volumes = len(signals)
        return cls(signals=signals, sample_mask=np.ones(n_volumes, dtype=bool), dof=n_volumes)

    @cached_property
    def correlation(self) -> FloatArray:
        """Pearson's correlation."""
        return correlation(self.signals)

    @cached_property
    def variance(self) -> FloatArray:
        """Variance of the correlations."""
        return xdf_variance(self.signals, self.sample_mask, self._some_dof)

    @cached_property
    def shrunk(self) -> Relation:
        """Precision by a Ledoit-Wolf covariance of standard scores, and its shrinkage."""
        return self._inverse("Shrinkage", self._shrunk)

    @cached_property
    def sparse(self) -> Relation:
        """Precision of standard scores by a graphical lasso, and its penalty."""
        return self._inverse("Alpha", lambda scores: sparse_precision(scores, self.alpha))

    @property
    def _some_dof(self) -> float:
        """Degrees of freedom, if any are left.

        Raises
        ------
        DegreesOfFreedomError
            If not: then nothing says how uncertain the signals are.
        """
        if self.dof <= 0:
            raise DegreesOfFreedomError(
                "No degrees of freedom are left, so that these signals say nothing of the brain. "
                "Take a smaller strategy, or a wider pass band."
            )
        return self.dof

    def _shrunk(self, scores: FloatArray) -> tuple[FloatArray, float]:
        shrunk, shrinkage = ledoit_wolf(scores, self._some_dof)
        inverse = np.linalg.inv(shrunk)
        return (inverse + inverse.T) / 2, shrinkage

    def _inverse(
        self, name: str, estimate: Callable[[FloatArray], tuple[FloatArray, float]]
    ) -> Relation:
        found: dict[str, float] = {}

        def of_usable(usable: FloatArray) -> FloatArray:
            inverse, found[name] = estimate(standard_scores(usable))
            std = usable.std(axis=0, ddof=1)
            return inverse / np.outer(std, std)

        return Relation(matrix=on_usable(self.signals, of_usable), found=found)


def shrunk_correlation(signals: FloatArray) -> Relation:
    """Return the correlations of a Ledoit-Wolf covariance, which counts volumes.

    The estimator as it was published, of standard scores; nilearn's ``ConnectivityMeasure``, and
    giga_connectome, call this correlation. Each is Pearson's, times 1 minus the shrinkage.

    Parameters
    ----------
    signals : array of shape (T, P)
        Kept volumes only.

    Returns
    -------
    relation : Relation

    Raises
    ------
    DegreesOfFreedomError
        If T is below 2.

    References
    ----------
    Ledoit & Wolf (2004), Journal of Multivariate Analysis 88(2),
    doi:10.1016/S0047-259X(03)00096-4

    Examples
    --------
    >>> signals = np.random.default_rng(0).normal(size=(50, 3))
    >>> relation = shrunk_correlation(signals)
    >>> ratio = relation.matrix / np.corrcoef(signals.T)
    >>> bool(np.isclose(ratio[0, 1], 1 - relation.found["Shrinkage"]))
    True
    """
    found: dict[str, float] = {}

    def of_usable(usable: FloatArray) -> FloatArray:
        _, found["Shrinkage"] = ledoit_wolf(standard_scores(usable), len(usable))
        r = (1 - found["Shrinkage"]) * correlation(usable)
        np.fill_diagonal(r, 1)
        return r

    return Relation(matrix=on_usable(signals, of_usable), found=found)


def _partial(inverse: Relation) -> Relation:
    matrix = unit_diagonal(prec_to_partial(inverse.matrix)) + 0.0  # no -0
    matrix[np.isnan(inverse.matrix)] = np.nan  # the diagonal, too
    return Relation(matrix=matrix, found=inverse.found)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A way to relate signals, and what its files and figures need to know of it.

    Parameters
    ----------
    name : str
        As on the command line.
    stat : str
        Label of the entity ``stat-`` in file names.
    description : str
        One sentence for sidecars and reports.
    function : callable
        Of a `Sample`; gives a `Relation`.
    valid_diagonal : bool
        Whether the diagonal says something about the data (a variance, say).
    z_stat : str or None
        The same label for Fisher's z of it; None where that does not apply, because values do not
        lie between -1 and 1.
    caveat : str
        What a reader of the numbers should know, in whole sentences.
    inverts : bool
        Whether it inverts the covariance of all columns as it is, which takes more degrees of
        freedom than there are columns.
    drawn : bool
        Whether there is a figure of it in the report.
    symmetric : bool
        Whether the matrix equals its transpose.
    """

    name: str
    stat: str
    description: str
    function: Callable[[Sample], Relation]
    valid_diagonal: bool = False
    z_stat: str | None = None
    caveat: str = ""
    inverts: bool = False
    drawn: bool = True
    symmetric: bool = True


_COUNTS_DOF = (
    "The shrinkage counts the temporal degrees of freedom that cleaning has left, in the place "
    "of volumes, which are not independent after it; the autocorrelation that signals have of "
    "their own is not counted."
)
_COUNTS_VOLUMES = (
    "The shrinkage assumes independent volumes: after a band-pass or a regression it is too small."
)
_TAKES_VOLUMES = (
    "The fit assumes independent volumes: after a band-pass or a regression its penalty, if "
    "chosen by cross-validation, is too small."
)

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        measure.name: measure
        for measure in (
            Measure(
                name="correlation",
                stat="pearsoncorrelation",
                description="Pearson's correlation",
                z_stat="fisherz",
                function=lambda sample: Relation(matrix=sample.correlation),
            ),
            Measure(
                name="covariance",
                stat="covariance",
                description="Sample covariance (divided by the number of volumes minus 1)",
                valid_diagonal=True,
                function=lambda sample: Relation(matrix=covariance(sample.signals)),
            ),
            Measure(
                name="partial-correlation",
                stat="partialcorrelation",
                description="Partial correlation given all other regions",
                z_stat="partialfisherz",
                inverts=True,
                function=lambda sample: Relation(matrix=partial_correlation(sample.signals)),
            ),
            Measure(
                name="precision",
                stat="precision",
                description="Precision (the inverse of the sample covariance, without shrinkage)",
                valid_diagonal=True,
                inverts=True,
                function=lambda sample: Relation(matrix=precision(sample.signals)),
            ),
            Measure(
                name="ledoit-wolf-correlation",
                stat="ledoitwolfcorrelation",
                description="Correlation shrunk by Ledoit and Wolf's method (what nilearn calls "
                "correlation)",
                z_stat="ledoitwolffisherz",
                caveat=_COUNTS_VOLUMES,
                function=lambda sample: shrunk_correlation(sample.signals),
            ),
            Measure(
                name="ledoit-wolf-partial-correlation",
                stat="ledoitwolfpartialcorrelation",
                description="Partial correlation by a covariance that is shrunk by Ledoit and "
                "Wolf's method",
                z_stat="ledoitwolfpartialfisherz",
                caveat=_COUNTS_DOF,
                function=lambda sample: _partial(sample.shrunk),
            ),
            Measure(
                name="ledoit-wolf-precision",
                stat="ledoitwolfprecision",
                description="Precision (the inverse of a covariance that is shrunk by Ledoit and "
                "Wolf's method)",
                valid_diagonal=True,
                caveat=_COUNTS_DOF,
                function=lambda sample: sample.shrunk,
            ),
            Measure(
                name="graphical-lasso-partial-correlation",
                stat="graphicallassopartialcorrelation",
                description="Partial correlation by a graphical lasso (many are 0)",
                z_stat="graphicallassopartialfisherz",
                caveat=_TAKES_VOLUMES,
                function=lambda sample: _partial(sample.sparse),
            ),
            Measure(
                name="graphical-lasso-precision",
                stat="graphicallassoprecision",
                description="Precision by a graphical lasso (many entries are 0)",
                valid_diagonal=True,
                caveat=_TAKES_VOLUMES,
                function=lambda sample: sample.sparse,
            ),
            Measure(
                name="xdf-variance",
                stat="xdfvariance",
                description="Variance of Pearson's correlation of autocorrelated signals (xDF)",
                caveat="It is not put below that of white noise that was cleaned in the same way.",
                drawn=False,
                function=lambda sample: Relation(matrix=sample.variance),
            ),
            Measure(
                name="xdf-z",
                stat="xdfz",
                description="Standard score of Pearson's correlation (xDF)",
                caveat="It is Fisher's z of the correlation, divided by its standard error.",
                function=lambda sample: Relation(
                    matrix=xdf_z(sample.correlation, sample.variance)
                ),
            ),
            Measure(
                name="xdf-p",
                stat="xdfp",
                description="Two-sided p of Pearson's correlation (xDF)",
                caveat="It is of the standard score of one pair, not corrected for the number of "
                "pairs.",
                drawn=False,
                function=lambda sample: Relation(
                    matrix=two_sided_p(xdf_z(sample.correlation, sample.variance))
                ),
            ),
        )
    }
)
"""Every measure by the name it has on the command line."""
