"""The quality of a run: what is measured of it, of what each strategy did to it, and the verdict.

Measures are numbers by the names of `bidsmask.derivatives.quality.QUALITY_COLUMNS`; the table, the
report and the verdict all take them from `quality_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import ExtractedRun, RunValues, Signals
from bidsmask.dataset.confounds import Confounds
from bidsmask.derivatives.quality import FD_OF_RULES_MM, QUALITY_COLUMNS, lost_row, quality_row
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_quality import confound_quality, voxel_quality
from bidsmask.numerics.leverage import dvars_percent
from bidsmask.numerics.quality import correlation, fd_summary
from bidsmask.numerics.verdict import Rule, judge
from bidsmask.reports.summaries import Measured


def run_quality(values: RunValues) -> dict[str, float]:
    """Numbers that say how good the run is, before any cleaning.

    ``mean_fd`` and ``max_fd`` in mm; ``mean_dvars`` in units of the BOLD signal; ``median_tsnr``
    over the voxels that were measured, as DVARS is; ``fd_dvars_correlation`` Pearson's r; NaN
    where the run has no framewise displacement. ``regions_usable`` is of the source that has lost
    most, and not there where there is no source.
    """
    extracted = values.extracted
    mean, std = extracted.mean[extracted.measured], extracted.std[extracted.measured]
    usable = [float(np.mean(coverage.usable)) for coverage in values.coverage]
    return {
        **motion_quality(values.fd_mm, extracted.dvars),
        **_published_motion(values.displacements),
        "mean_dvars": float(np.nanmean(extracted.dvars)),
        "max_dvars_percent": _largest(dvars_percent(extracted.dvars, std)),
        "median_tsnr": float(np.median(mean / std)),
        "n_voxels": float(extracted.mean.size),
        "n_nonfinite_voxels": float(np.count_nonzero(extracted.nonfinite)),
        **({"regions_usable": min(usable)} if usable else {}),
    }


def _published_motion(displacements: Mapping[str, FloatArray]) -> dict[str, float]:
    """What published rules of exclusion ask, of each kind of framewise displacement."""
    found: dict[str, float] = {}
    for kind, fd_mm in displacements.items():
        motion = fd_summary(fd_mm, FD_OF_RULES_MM)
        n_known = int(np.isfinite(fd_mm).sum())
        found |= {
            f"mean_fd_{kind}": motion.mean_mm,
            f"max_fd_{kind}": motion.max_mm,
            f"fd_{kind}_above_0p2": (motion.n_above or 0) / n_known if n_known else np.nan,
        }
    return found


def _largest(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")


def motion_quality(fd_mm: FloatArray | None, dvars: FloatArray) -> dict[str, float]:
    """Those of these numbers that depend on which framewise displacement (T,) is meant."""
    fd = fd_mm if fd_mm is not None else np.full(dvars.size, np.nan)
    motion = fd_summary(fd)
    return {
        "mean_fd": motion.mean_mm,
        "max_fd": motion.max_mm,
        "fd_dvars_correlation": correlation(fd, dvars),
    }


def cleaning_quality(
    extracted: ExtractedRun,
    raw: Signals,
    cleaned: Signals,
    carpet: FloatArray,
    confounds: Confounds,
    cleaner: Cleaner,
) -> dict[str, float]:
    """Measure what cleaning did to a run: to the voxels of the carpet, and to regions.

    Parameters
    ----------
    extracted : ExtractedRun
    raw, cleaned : Signals
        Regions of all sources; the first statistic of each counts.
    carpet : array of shape (T_kept, K)
        What cleaning left of the carpet's voxels, in the unit of the images.
    confounds : Confounds
    cleaner : Cleaner
    """
    mask, detrends = cleaner.sample_mask, cleaner.parameters.detrend
    families = {"global_signal": extracted.global_mean[:, np.newaxis], **confounds.families}
    return {
        **voxel_quality(extracted.carpet, carpet, mask, confounds.fd_mm, detrends=detrends),
        **confound_quality(
            _side_by_side(raw, mask.size),
            _side_by_side(cleaned, len(carpet)),
            families,
            mask,
            detrends=detrends,
        ),
    }


def _side_by_side(signals: Signals, n_volumes: int) -> FloatArray:
    """Put the first statistic of each source side by side; a run may have no source."""
    return np.hstack([np.empty((n_volumes, 0)), *(of_source[0] for of_source in signals)])


def quality_rows(values: RunValues, plan: RunPlan) -> list[dict[str, Any]]:
    """Give the rows of the table of quality, one for each strategy in the order of the plan."""
    of_run, dvars = run_quality(values), values.extracted.dvars
    rows = {
        strategy.name: _with_verdict(
            quality_row(
                confounds,
                cleaned.ledger,
                cleaned.sample_mask,
                t_r=plan.t_r,
                fd_kind=strategy.censoring.in_words,
                measures={**of_run, **motion_quality(confounds.fd_mm, dvars), **cleaned.quality},
            ),
            plan.quality.rules,
        )
        for strategy, confounds, cleaned in zip(
            values.strategies, values.confounds, values.cleaned, strict=True
        )
    } | {
        part.name: lost_row(
            part.name,
            plan.portable(part.reason),
            n_volumes=plan.n_volumes,
            fd_kind=values.fd_kind,
            measures=of_run,
        )
        for part in values.lost
        if part.part == "strategy"
    }
    order = dict.fromkeys([*(strategy.name for strategy in plan.strategies), *rows])
    return [rows[name] for name in order]


def _with_verdict(row: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    verdict = judge(row, rules)
    return {**row, "verdict": verdict.word, "verdict_reason": "; ".join(verdict.reasons) or "n/a"}


_ONCE = {
    "minutes_kept": "Minutes kept",
    "censored_share": "Volumes left out",
    "dof_remaining": "Degrees of freedom left",
    "dof_share": "Degrees of freedom left, of all volumes",
    "variance_removed": "Variance removed",
}
_BEFORE_AND_AFTER = {
    "dvars": "DVARS",
    "tsnr": "tSNR",
    "fd_dvars": "Correlation of FD and DVARS",
    "r_global_signal": "Regions and the global signal, r",
    "r_motion": "Regions and motion, r",
    "r_white_matter": "Regions and white matter, r",
    "r_csf": "Regions and CSF, r",
    "r_acompcor": "Regions and aCompCor, r",
    "r_tcompcor": "Regions and tCompCor, r",
    "r_aroma": "Regions and AROMA's motion components, r",
}
_SHARES = ("censored_share", "dof_share", "variance_removed")


def measured(rows: Sequence[Mapping[str, Any]]) -> Iterator[Measured]:
    """Give what a report shows of the rows of the table of quality; nothing that no row has."""
    for name, label in _ONCE.items():
        how = ".0%" if name in _SHARES else ".3g"
        values = tuple(_in_words(row.get(name, np.nan), how) for row in rows)
        yield Measured(label=label, meaning=QUALITY_COLUMNS[name].meaning, values=values)
    for name, label in _BEFORE_AND_AFTER.items():
        pairs = [
            [row.get(f"{name}_{when}", np.nan) for when in ("before", "after")] for row in rows
        ]
        if np.isfinite(pairs).any():
            how = ".3g" if name in ("dvars", "tsnr") else ".2f"
            yield Measured(
                label=label,
                meaning=QUALITY_COLUMNS[f"{name}_after"].meaning,
                values=tuple(
                    " → ".join(_in_words(value, how) for value in pair) for pair in pairs
                ),
            )


def _in_words(value: float, how: str = ".3g") -> str:
    """Write a number as people do; unknown is a dash."""
    return f"{value:{how}}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "–"
