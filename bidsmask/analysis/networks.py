"""Which network each column of a source belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bidsmask.analysis.kinds import Source

_COLUMNS = ("network", "Network", "network_label", "community")
_SCHAEFER = re.compile(r"(?:7|17)Networks_[LR]H_([A-Za-z]+)")
_NONE = ("", "n/a", "nan")


def networks_of(source: Source) -> list[str] | None:
    """Give the network of each column, "" for those in none; None if nothing is known of them.

    They are in a column of the look-up table (`network`), or in names such as those of Schaefer's
    atlas: ``7Networks_LH_Vis_1``.
    """
    return networks_among(source.lut.names, dict(source.lut.columns))


def networks_among(
    names: Sequence[str], columns: Mapping[str, Sequence[object]]
) -> list[str] | None:
    """Give the network of each region of a look-up table; see `networks_of`.

    Examples
    --------
    >>> networks_among(["7Networks_LH_Vis_1", "7Networks_RH_Default_PFC_2"], {})
    ['Vis', 'Default']
    """
    for name in _COLUMNS:
        if name in columns:
            networks = [str(network) for network in columns[name]]
            return ["" if network in _NONE else network for network in networks]
    found = [_SCHAEFER.match(name) for name in names]
    return [match[1] for match in found if match] if all(found) else None
