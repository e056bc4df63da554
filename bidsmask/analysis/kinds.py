"""What depends on the kind of a source of columns, in one place.

A source is what columns are asked for by: an atlas, say. Plans, outputs, words and figures ask
here for what is different from kind to kind, and know no kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bidsmask.dataset.atlases import Atlas
from bidsmask.settings import ExtractionSettings


@dataclass(frozen=True, kw_only=True)
class SourceKind:
    """A kind of source.

    Parameters
    ----------
    suffix : str
        Of its copy on the grid of a run, in file names.
    column : str
        What one of its columns is called.
    placed_by : str
        How it comes onto the grid of a run.
    statistics : callable
        Which statistics are asked of it: labels of ``stat``, first that of which connectivity is.
    plain_statistic : str
        The one whose matrices have the measure alone in their names.
    """

    suffix: str
    column: str
    placed_by: str
    statistics: Callable[[ExtractionSettings], tuple[str, ...]]
    plain_statistic: str


KINDS: Mapping[str, SourceKind] = MappingProxyType(
    {
        "dseg": SourceKind(
            suffix="dseg",
            column="region",
            placed_by="nearest neighbour",
            statistics=lambda settings: settings.statistics,
            plain_statistic="mean",
        )
    }
)


def kind_of(source: Atlas) -> SourceKind:
    """Look up the kind of a source."""
    return KINDS["dseg"]
