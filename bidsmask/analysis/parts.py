"""What fails costs its own part of a run, and nothing else.

A part is an atlas or a set of seeds, a strategy, a measure, or a figure. If it cannot be done, a
`LostPart` stands where its value would: it is ``n/a`` for this run, with the reason. `attempt` is
the one place where that is decided, and it knows which errors are foreseen; any other is a bug,
and costs the run. All that is lost travels with the values of the run, to the table of quality,
the report and ``logs/status.tsv``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bidsmask import errors
from bidsmask.errors import AtlasError, RunError
from bidsmask.reports.summaries import LostPart

T = TypeVar("T")

FORESEEN = (AtlasError, RunError)
"""What may be wrong with a part; one that is raised anywhere else costs the run."""

ALL_ELSE = "All else of this run is done."

STEPS = {
    "atlas": "resample_atlas",
    "seeds": "resample_atlas",
    "strategy": "clean",
    "measure": "connectivity",
    "figure": "report",
}
"""Which node of a run makes each part."""


def attempt(part: str, name: str, make: Callable[[], T]) -> T | LostPart:
    """Make a part of a run, or say why it cannot be done.

    Parameters
    ----------
    part : {"atlas", "seeds", "strategy", "measure", "figure"}
    name : str
        Which of them.
    make : callable
        Raises one of `FORESEEN` if this part cannot be done.
    """
    try:
        return make()
    except FORESEEN as error:
        return LostPart(part=part, name=name, kind=type(error).__name__, reason=str(error))


def refuse_nothing(parts: Sequence[object]) -> None:
    """Raise what is wrong with every part, if none of them can be done.

    Raises
    ------
    AtlasError, RunError
        Of the kind of the first.
    """
    missing = [part for part in parts if isinstance(part, LostPart)]
    if missing and len(missing) == len(parts):
        kind: type[Exception] = getattr(errors, missing[0].kind)
        raise kind(" ".join(dict.fromkeys(part.reason for part in missing)))
