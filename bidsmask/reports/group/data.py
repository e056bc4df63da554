"""The table of runs as JSON, small: what a script sorts, filters, and names dots by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from bidsmask.reports.assemble import visible
from bidsmask.reports.group.values import Column, RunTable


def as_json(runs: RunTable) -> Markup:
    """Write a table of runs so that it may stand inside of a script element.

    Words are written once, and their numbers after that; numbers with as many digits as the table
    shows.
    """
    content = {
        "names": _coded(runs.names),
        "strategies": _coded(runs.strategies),
        "reports": _coded(runs.reports),
        "included": "".join("1" if each else "0" for each in runs.included),
        "columns": [_column(each) for each in runs.columns],
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _column(column: Column) -> dict[str, Any]:
    about = {
        "name": column.name,
        "label": column.label,
        "unit": column.unit,
        "inTable": column.in_table,
    }
    if not column.is_number:
        return {**about, **_coded(list(map(str, column.values)))}
    rounded = [
        round(value, column.decimals) if np.isfinite(value) else None
        for value in column.numbers.tolist()
    ]
    return {**about, "decimals": column.decimals, "values": rounded}


def _coded(words: Sequence[str]) -> dict[str, Any]:
    """Write different words in their order, and for each row which of them it has."""
    levels = sorted(set(words))
    place = {word: number for number, word in enumerate(levels)}
    return {"levels": [*map(visible, levels)], "codes": [place[word] for word in words]}
