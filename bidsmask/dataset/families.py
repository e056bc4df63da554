"""Families of confounds: what a table holds of each, whether or not a strategy regresses it.

They say what signals still have in common with motion or tissue after cleaning. Of CompCor the
first five components of each mask count, as most strategies take them; later ones explain ever
less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.dataset.confounds_table import ConfoundsTable
from bidsmask.errors import ConfoundsError

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "motion": r"(trans|rot)_[xyz]",
        "white_matter": "white_matter",
        "csf": "csf",
        "acompcor": r"[acw]_comp_cor_0*[0-4]",
        "tcompcor": r"t_comp_cor_0*[0-4]",
        "aroma": r"aroma_motion_\d+",
    }
)
"""Names of families, and the columns of fMRIPrep's table that belong to each."""


def confound_families(rows: ConfoundsTable) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Read the columns of each family, as far as the table has them.

    Returns
    -------
    families : dict of arrays of shape (T, C)
        By their names in `FAMILIES`. One without any column is not there.
    warnings : tuple of str
        Why a family that the table has cannot be read: it is not there then. No strategy needs
        it, so that it is no reason to stop.
    """
    found: dict[str, FloatArray] = {}
    warnings = []
    for family, pattern in FAMILIES.items():
        try:
            if columns := list(_columns(rows, pattern)):
                found[family] = np.column_stack(columns)
        except ConfoundsError as error:
            warnings.append(f"The table of quality says nothing of {family}: {error}")
    return found, tuple(warnings)


def _columns(rows: ConfoundsTable, pattern: str) -> Iterator[FloatArray]:
    for name in rows.position:
        if re.fullmatch(pattern, name):
            yield rows.numbers(name)
