"""What a figure of a run is before it is drawn, and how its file is called."""

from __future__ import annotations

from collections.abc import Callable

from bidsmask.analysis.kinds import Source
from bidsmask.analysis.plan import RunPlan
from bidsmask.derivatives.names import figure_name
from bidsmask.reports.summaries import Figure

Drawing = tuple[Figure, Callable[[], bytes]]
"""What is to be said of a figure, and what draws it: one that fails costs no other."""


def image_name(
    plan: RunPlan,
    suffix: str,
    atlas: Source | None = None,
    *,
    stat: str | None = None,
    desc: str | None = None,
) -> str:
    """Name the file of a figure."""
    return figure_name(
        plan.run.entities,
        suffix=suffix,
        atlas=atlas.entities if atlas else (),
        stat=stat,
        desc=desc,
    )
