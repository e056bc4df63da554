"""The table of quality of a run: its columns, and its rows made of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.families import FAMILIES
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.numerics.verdict import MEANINGS

FD_OF_RULES_MM = 0.2
"""Published rules of exclusion count volumes with more framewise displacement."""

DIGITS = 6
"""Significant digits of measures: more of them say nothing of a run."""

_POWER_2012 = "10.1016/j.neuroimage.2011.10.018"
_POWER_2014 = "10.1016/j.neuroimage.2013.08.048"
_WORSLEY = "10.1006/nimg.1995.1023"
_CIRIC = "10.1016/j.neuroimage.2017.03.020"
_PARKES = "10.1016/j.neuroimage.2017.12.073"
_JENKINSON = "10.1006/nimg.2002.1132"
_MURPHY = "10.1016/j.neuroimage.2006.09.032"
_ALL, _KEPT = "all", "kept"
_PAIRS = "pairs of successive volumes that are both kept"


Better = Literal["higher", "lower", "nearer to 0", "neither"]
"""Which values of a measure are better."""


@dataclass(frozen=True, kw_only=True)
class QualityColumn:
    """What a column of the table of quality holds.

    Parameters
    ----------
    meaning : str
    unit, formula, volumes : str
        Of a measure; ``volumes`` are those that it is of.
    better : Better, or nothing
        Which values are better, of a measure.
    doi : str
        Of the work that it is from.
    levels : mapping from value to meaning
        Of a column of words.
    """

    meaning: str
    unit: str = ""
    formula: str = ""
    volumes: str = ""
    better: Better | Literal[""] = ""
    doi: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Say it in the words of a sidecar."""
        said = {
            "Description": self.meaning,
            "Levels": dict(self.levels),
            "Units": self.unit,
            "Formula": self.formula,
            "Volumes": self.volumes,
            "Direction": f"{self.better} is better" if self.better else "",
            "DOI": f"doi:{self.doi}" if self.doi else "",
        }
        return {key: value for key, value in said.items() if value}


def _measure(
    meaning: str,
    formula: str,
    *,
    better: Better,
    volumes: str = _ALL,
    unit: str = "volumes",
    doi: str = "",
) -> QualityColumn:
    return QualityColumn(
        meaning=meaning, unit=unit, formula=formula, volumes=volumes, better=better, doi=doi
    )


def _published_motion() -> Iterator[tuple[str, QualityColumn]]:
    """Columns of what rules of exclusion ask, of both kinds of framewise displacement."""
    kinds = (
        ("power", "Power (sum of translations, and rotations as arcs on 50 mm)", _POWER_2012),
        ("jenkinson", "Jenkinson (RMS over a ball of 80 mm)", _JENKINSON),
    )
    above = f"Share of volumes with more than {FD_OF_RULES_MM:g} mm of the"
    for kind, whose, doi in kinds:
        for name, what, formula, unit in (
            (f"mean_fd_{kind}", "Mean", "mean(FD_t)", "mm"),
            (f"max_fd_{kind}", "Largest", "max(FD_t)", "mm"),
            (f"fd_{kind}_above_0p2", above, f"mean(FD_t > {FD_OF_RULES_MM:g})", "1"),
        ):
            meaning = (
                f"{what} framewise displacement of {whose}, from the motion parameters as they "
                "are, whatever --fd asks for; n/a where one of them is not known"
            )
            yield name, _measure(meaning, formula, unit=unit, better="lower", doi=doi)


def _confounds() -> Iterator[tuple[str, QualityColumn]]:
    """Columns of what regions have in common with confounds, before and after cleaning."""
    words = {
        "global_signal": "the global signal (mean over the covered voxels of the mask)",
        **{name: f"the columns {columns} of the table" for name, columns in FAMILIES.items()},
    }
    for name, what in words.items():
        for when in ("before", "after"):
            yield (
                f"r_{name}_{when}",
                QualityColumn(
                    meaning=f"Typical correlation of regions with {what}, {when} cleaning, "
                    "whether or not the strategy regresses it; n/a where the table has none. Of "
                    "series that have nothing in common it is about "
                    f"1 / sqrt({'dof_remaining' if when == 'after' else 'n_kept'})",
                    unit="1",
                    formula="sqrt(mean over regions and columns of r^2), r of Pearson; line taken "
                    "out of both before, where the strategy detrends",
                    volumes=_KEPT,
                    better="lower",
                    doi=_CIRIC,
                ),
            )


QUALITY_COLUMNS: Mapping[str, QualityColumn] = MappingProxyType(
    {
        "strategy": QualityColumn(
            meaning="Confound strategy by its name; desc has it without _ and with p for ."
        ),
        "verdict": QualityColumn(
            meaning="What is to be thought of the run under this strategy, by "
            "VerdictLimits; n/a where the strategy could not be carried out",
            levels=MEANINGS,
        ),
        "verdict_reason": QualityColumn(
            meaning="The measures that decided it: value, side, and limit"
        ),
        "n_volumes": _measure("Volumes of the BOLD run", "T", better="higher"),
        "n_non_steady_state": _measure(
            "Volumes before the signal was in a steady state", "count", better="neither"
        ),
        "n_censored": _measure(
            "Volumes left out, for whatever reason", "count", better="lower", doi=_POWER_2014
        ),
        "censored_share": _measure(
            "Share of volumes left out, for whatever reason",
            "n_censored / n_volumes",
            unit="1",
            better="lower",
            doi=_POWER_2014,
        ),
        "n_kept": _measure(
            "Volumes that the results rest on",
            "n_volumes - n_censored",
            volumes=_KEPT,
            better="higher",
        ),
        "minutes_kept": _measure(
            "Time that the results rest on",
            "n_kept * repetition time / 60",
            volumes=_KEPT,
            unit="min",
            better="higher",
            doi=_POWER_2014,
        ),
        "fd_kind": QualityColumn(
            meaning="Which framewise displacement (FD) is meant in this row: Power's "
            "(doi:10.1016/j.neuroimage.2011.10.018) or Jenkinson's (doi:10.1006/nimg.2002.1132), "
            "from the confounds table or recomputed, with which head radius and filter (--fd)"
        ),
        "mean_fd_kept": _measure(
            "Mean framewise displacement of the kept volumes",
            "mean(FD_t)",
            volumes=_KEPT,
            unit="mm",
            better="lower",
            doi=_POWER_2012,
        ),
        "n_detrend": _measure(
            "Degrees of freedom spent on mean and line",
            "2; 1 without detrending, if standard scores take the mean",
            volumes=_KEPT,
            better="neither",
        ),
        "n_filter": _measure(
            "Degrees of freedom spent on the temporal filter",
            "n_kept - n_detrend - nu behind the filter",
            volumes=_KEPT,
            better="lower",
            doi=_WORSLEY,
        ),
        "n_confounds": _measure(
            "Degrees of freedom spent on confounds behind the filter",
            "nu behind the filter - dof_remaining",
            volumes=_KEPT,
            better="lower",
            doi=_CIRIC,
        ),
        "n_regressors": _measure(
            "Rank of the design of confounds on the kept volumes",
            "rank",
            volumes=_KEPT,
            unit="columns",
            better="neither",
        ),
        "dof_remaining": _measure(
            "Temporal degrees of freedom left: kept volumes minus all that was spent, which is "
            "the effective number of white noise behind all cleaning steps",
            "nu = tr(OO')^2 / tr(OO'OO'), O the matrix of all steps",
            volumes=_KEPT,
            better="higher",
            doi=_WORSLEY,
        ),
        "dof_share": _measure(
            "Share of the run that is left as temporal degrees of freedom",
            "dof_remaining / n_volumes",
            volumes=_KEPT,
            unit="1",
            better="higher",
            doi=_CIRIC,
        ),
        "variance_removed": _measure(
            "Share of variance that cleaning removed, as the mean over the carpet's voxels "
            "(up to 900, evenly spread over the brain mask)",
            "mean over voxels of 1 - sum(cleaned^2) / sum(before^2), residuals without unit; "
            "before: mean, and line where the strategy detrends, taken out",
            volumes=_KEPT,
            unit="1",
            better="neither",
            doi=_CIRIC,
        ),
        **{
            f"dvars_{when}": _measure(
                f"Mean over time of DVARS of the carpet's voxels, {when} cleaning",
                f"mean over t of sqrt(mean over voxels of (Y_t - Y_t-1)^2), Y: {what}",
                volumes=_PAIRS,
                unit="arbitrary",
                better="lower",
                doi=_POWER_2012,
            )
            for when, what in (("before", "images"), ("after", "residuals without unit"))
        },
        **{
            f"tsnr_{when}": _measure(
                f"Temporal signal-to-noise ratio {when} cleaning, median over the carpet's voxels",
                f"mean(images) / SD({what}), ddof 1",
                volumes=_KEPT,
                unit="1",
                better="higher",
                doi=_MURPHY,
            )
            for when, what in (("before", "images"), ("after", "residuals without unit"))
        },
        **{
            f"fd_dvars_{when}": _measure(
                f"Correlation of framewise displacement with DVARS of the carpet's voxels, {when} "
                "cleaning",
                "Pearson's r of FD_t and DVARS_t",
                volumes=_PAIRS,
                unit="1",
                better="nearer to 0",
                doi=_POWER_2012,
            )
            for when in ("before", "after")
        },
        **dict(_confounds()),
        "mean_fd": _measure(
            "Mean framewise displacement of all volumes",
            "mean(FD_t), FD of the kind in fd_kind (Power's: sum of absolute translations and of "
            "rotations as arcs on 50 mm; Jenkinson's: RMS over a ball of 80 mm)",
            unit="mm",
            better="lower",
            doi=_POWER_2012,
        ),
        "max_fd": _measure(
            "Largest framewise displacement of all volumes",
            "max(FD_t)",
            unit="mm",
            better="lower",
            doi=_PARKES,
        ),
        **dict(_published_motion()),
        "mean_dvars": _measure(
            "Mean over time of DVARS over the covered voxels of the mask, before cleaning",
            "mean over t of sqrt(mean over voxels of (Y_t - Y_t-1)^2)",
            unit="arbitrary",
            better="lower",
            doi=_POWER_2012,
        ),
        "max_dvars_percent": _measure(
            "Largest DVARS of one volume above the median, as a share of all variance "
            "(Delta%D-var), before cleaning",
            "max over t of 100 * (D_t - median D) / A, D_t = DVARS_t^2 / 4, A = mean over voxels "
            "of the variance over time",
            unit="%",
            better="lower",
            doi="10.1016/j.neuroimage.2017.12.098",
        ),
        "median_tsnr": _measure(
            "Median over the covered voxels of the mask of the temporal signal-to-noise ratio, "
            "before cleaning",
            "mean / SD, ddof 1",
            unit="1",
            better="higher",
            doi=_MURPHY,
        ),
        "fd_dvars_correlation": _measure(
            "Correlation of framewise displacement and DVARS over the covered voxels of the mask, "
            "before cleaning",
            "Pearson's r of FD_t and DVARS_t",
            unit="1",
            better="nearer to 0",
            doi=_POWER_2012,
        ),
        "regions_usable": _measure(
            "Share of regions that have a signal, of the atlas (or seeds) that has lost most",
            "min over sources of (regions with status ok or partial) / regions",
            unit="1",
            better="higher",
        ),
        "n_voxels": _measure("Voxels of the brain mask", "count", unit="voxels", better="neither"),
        "n_nonfinite_voxels": _measure(
            "Voxels of the mask that are NaN or infinite at some time",
            "count",
            unit="voxels",
            better="lower",
        ),
        "status": QualityColumn(
            meaning="ok, or n/a where the strategy could not be carried out in this run: then "
            "there are no time series and no matrices of it"
        ),
        "reason": QualityColumn(meaning="Why the strategy could not be carried out"),
    }
)
"""Columns of the table of quality, in their order: of every table, whatever was asked for."""


def quality(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Quality of a run: rows as `quality_row` and `lost_row` make them."""
    return with_counts(pd.DataFrame(list(rows), columns=list(QUALITY_COLUMNS)))


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
    fd_kind: str,
    measures: Mapping[str, float],
) -> dict[str, Any]:
    """Gather the quality of a run under one strategy.

    Parameters
    ----------
    confounds : Confounds
    ledger : DegreesOfFreedom
    sample_mask : bool array of shape (T,)
        True for the volumes that came out of cleaning.
    t_r : float
        Repetition time in seconds.
    fd_kind : str
        Which framewise displacement is meant.
    measures : mapping from name to number
        What is known of the run before cleaning, and of what cleaning did to it.

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
        "censored_share": ledger.n_censored / ledger.n_volumes,
        "n_kept": ledger.n_kept,
        "minutes_kept": ledger.n_kept * t_r / 60,
        "fd_kind": fd_kind,
        "mean_fd_kept": _mean_known(confounds.fd_mm, sample_mask),
        "n_detrend": ledger.n_detrend,
        "n_filter": float(ledger.n_filter),
        "n_confounds": float(ledger.n_confounds),
        "n_regressors": ledger.n_regressors,
        "dof_remaining": float(ledger.remaining),
        "dof_share": ledger.remaining / ledger.n_volumes,
        **_as_measured(measures),
        "status": "ok",
        "reason": "n/a",
    }


def lost_row(
    strategy: str, reason: str, *, n_volumes: int, fd_kind: str, measures: Mapping[str, float]
) -> dict[str, Any]:
    """Say why a strategy is n/a in a run, beside what is known of the run all the same."""
    about = {"strategy": strategy, "n_volumes": n_volumes, "fd_kind": fd_kind}
    about |= _as_measured(measures)
    return {**about, "status": "n/a", "reason": reason}


def _mean_known(values: FloatArray | None, sample_mask: BoolArray) -> float:
    if values is None:
        return float("nan")
    known = values[sample_mask & ~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _as_measured(measures: Mapping[str, float]) -> dict[str, float]:
    return {
        name: int(value) if name.startswith("n_") else float(f"{value:.{DIGITS}g}")
        for name, value in measures.items()
    }
