"""What is odd about a run that was done all the same: one list, whoever is told.

It stands in the sidecars and in the report of the run; from there the command line takes it to
standard error and to ``logs``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bidsmask._typing import BoolArray
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import Coverage, RunValues
from bidsmask.columns.base import Columns
from bidsmask.columns.coverage import ONE
from bidsmask.columns.regions import Regions
from bidsmask.dataset.listing import some_of


def run_warnings(values: RunValues, plan: RunPlan) -> tuple[str, ...]:
    """Say what is odd about a run, and about what it holds of each source; each once."""
    of_sources = [
        text
        for parts in zip(values.sources, values.placed.columns, values.coverage, strict=True)
        for text in _about_source(*parts, values, plan)
    ]
    return tuple(dict.fromkeys((*warnings_of_itself(values, plan), *of_sources)))


def warnings_of_itself(values: RunValues, plan: RunPlan) -> tuple[str, ...]:
    """Say what is odd about a run, whichever sources are asked for."""
    return (*plan.run.warnings, *_found_while_computing(values))


@contextmanager
def heard() -> Iterator[list[str]]:
    """Take note of what is warned of meanwhile, instead of printing it."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            said.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def _found_while_computing(values: RunValues) -> Iterator[str]:
    yield from values.placed.warnings
    if n_voxels := int(np.count_nonzero(values.extracted.nonfinite)):
        places = values.placed.grid.word
        of_mask = " of the brain mask" if places == "voxels" else ""
        one = f"{ONE[places]}{of_mask} is"
        are = one if n_voxels == 1 else f"{places}{of_mask} are"
        yield (
            f"{n_voxels} {are} NaN or infinite in at least one volume, and left out in all "
            "volumes."
        )
    for confounds, cleaned in zip(values.confounds, values.cleaned, strict=True):
        if cleaned.collinear.size:
            names = ", ".join(confounds.columns[number] for number in cleaned.collinear)
            yield (
                f"{confounds.strategy}: what the filter left of {names} is nothing, or explained "
                "by the other columns of the design; these columns took nothing away."
            )
    for strategy, results in zip(values.strategies, values.task, strict=False):
        yield from (f"{strategy.name}: {text}" for text in results.warnings)


def _about_source(
    source: Source, columns: Columns, coverage: Coverage, values: RunValues, plan: RunPlan
) -> Iterator[str]:
    nonfinite = values.extracted.nonfinite
    if nonfinite.any() and isinstance(columns, Regions):
        counted = _counted(source, columns, values.placed.mask, nonfinite)
        places = columns.extent.places
        yield f"{source.name}: {places} that are NaN or infinite: {some_of(counted, 5)}."
    yield from _without_signal(source, coverage, plan.coverage.min_coverage)


def _counted(source: Source, regions: Regions, mask: BoolArray, nonfinite: BoolArray) -> list[str]:
    """Say how many of some voxels (V,) of the mask lie in which region: ``2 in LH_Vis_1``."""
    codes = regions.codes.ravel(order="F")[mask.ravel(order="F")][nonfinite]
    counts = np.bincount(codes, minlength=len(source.lut.names) + 1)
    names = ["no region", *source.lut.names]
    order = [*(np.flatnonzero(counts[1:]) + 1), *np.flatnonzero(counts[:1])]
    return [f"{counts[code]} in {names[code]}" for code in order]


def _without_signal(source: Source, coverage: Coverage, least: float) -> Iterator[str]:
    """Say which columns of a source are n/a, and why."""
    table, column = coverage.table, kind_of(source).column
    places = next(each for each in ONE if f"n_{each}" in table)
    outside = f"with none of their {places} among those of the run"
    if places == "voxels":
        outside = "outside of the brain mask or of the grid of the run"
    absent, status = table[f"n_{places}"] == 0, table["status"]
    reasons = {
        f"without a {ONE[places]}": absent,
        outside: (status == "empty") & ~absent,
        "without finite values that change": status == "constant",
        f"covered less than {least:.0%}": status == "low",
    }
    lost = [
        f"{len(names)} {why} ({some_of(names)})"
        for why, rows in reasons.items()
        if (names := [str(name) for name in table["Node"][rows]])
    ]
    if lost:
        n_lost = int(np.count_nonzero(~coverage.usable))
        yield (
            f"{source.name}: {n_lost} of {len(table)} {column}s "
            f"{'has' if n_lost == 1 else 'have'} no signal (n/a): {', '.join(lost)}."
        )
