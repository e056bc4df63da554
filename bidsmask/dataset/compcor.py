"""Components of CompCor: from which mask they come, which of them count, how much they explain.

The mask is in the name of a component since fMRIPrep 21.0 (``w_comp_cor_00``: white matter), and
only in the JSON beside the table before (``a_comp_cor_00``, ``"Mask": "WM"``). That JSON also says
which components fMRIPrep retained, and the share of variance that each explains.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.dataset.confounds_table import ConfoundsTable, read_text, split_number
from bidsmask.dataset.strategies import ColumnGroup
from bidsmask.errors import ConfoundsError

MAX_SIDECAR_BYTES = 16_000_000

ROUNDING = 1e-9
"""Shares of variance have ten digits in fMRIPrep's JSON."""


def choose_components(
    rows: ConfoundsTable, sidecar: Path | None, group: ColumnGroup, names: Sequence[str]
) -> tuple[list[str], str]:
    """Choose components by what is known of each.

    Parameters
    ----------
    rows : ConfoundsTable
    sidecar : Path or None
        The JSON beside it.
    group : ColumnGroup
        Asks for a ``mask``, for those that were ``retained``, or for as many as explain a share
        of the ``variance`` in their mask, the one that reaches it included.
    names : sequence of str
        The components that the group is about, in order.

    Returns
    -------
    chosen : list of str
    missing : str
        What is not known or cannot be had; empty if nothing.

    Raises
    ------
    ConfoundsError
        If the JSON is needed and cannot be read.

    References
    ----------
    Behzadi et al. (2007), NeuroImage 37(1), doi:10.1016/j.neuroimage.2007.04.042; half of the
    variance: Muschelli et al. (2014), NeuroImage 96, doi:10.1016/j.neuroimage.2014.03.028
    """
    chosen = list(names)
    if group.mask is not None and chosen:
        masks = _masks(rows, sidecar)
        if unknown := [name for name in chosen if name not in masks]:
            return [], _unknown_mask(rows, sidecar, group, unknown)
        chosen = [name for name in chosen if masks[name].lower() == group.mask.lower()]
    if not (group.retained or group.variance) or not chosen:
        return chosen, ""
    if sidecar is None:
        return [], (
            f"{group.label}: there is no {rows.file.with_suffix('.json').name} beside the table, "
            "which alone says how much each component explains"
        )
    entries = _entries(sidecar)
    if group.retained:
        if unknown := [name for name in chosen if "Retained" not in entries.get(name, {})]:
            return [], f"{group.label}: {sidecar} has no 'Retained' for {_some(unknown)}"
        chosen = [name for name in chosen if entries[name]["Retained"] is True]
    if group.variance:
        return _up_to_share(chosen, entries, group, group.variance, sidecar)
    return chosen, ""


def _up_to_share(
    names: Sequence[str],
    entries: Mapping[str, Mapping[str, Any]],
    group: ColumnGroup,
    share: float,
    sidecar: Path,
) -> tuple[list[str], str]:
    """Keep the first components of each mask that together explain a share of its variance."""
    chosen: list[str] = []

    def family(name: str) -> tuple[str, str]:
        return split_number(name)[0], str(entries.get(name, {}).get("Mask"))

    for _, members in groupby(sorted(names, key=family), key=family):
        of_mask = list(members)
        explained = _cumulative([entries.get(name, {}) for name in of_mask])
        if explained is None:
            return [], (
                f"{group.label}: {sidecar} says neither 'CumulativeVarianceExplained' nor "
                f"'VarianceExplained' of each of {_some(of_mask)}"
            )
        if explained[-1] < share - ROUNDING:
            return [], (
                f"{group.label}: {of_mask[0]} to {of_mask[-1]} explain {explained[-1]:.1%} of the "
                f"variance together, and {share:.1%} was asked for (fMRIPrep writes half, and all "
                "with --return-all-components)"
            )
        chosen += of_mask[: int(np.argmax(explained >= share - ROUNDING)) + 1]
    return [name for name in names if name in chosen], ""


def _cumulative(entries: Sequence[Mapping[str, Any]]) -> FloatArray | None:
    """Share of variance that components and those before them explain; None if it is not said."""
    for key in ("CumulativeVarianceExplained", "VarianceExplained"):
        shares = [entry.get(key) for entry in entries]
        if all(type(share) in (int, float) for share in shares):
            known = np.array(shares, dtype=np.float64)
            return known if key.startswith("Cumulative") else np.cumsum(known)
    return None


def _masks(rows: ConfoundsTable, sidecar: Path | None) -> dict[str, str]:
    """Which mask each anatomical component comes from, as far as it is known."""
    by_letter = {"w": "WM", "c": "CSF"}
    components = [name for name in rows.position if re.fullmatch(r"[acw]_comp_cor_\d+", name)]
    masks = {name: by_letter[name[0]] for name in components if name[0] in by_letter}
    unnamed = [name for name in components if name not in masks]
    if masks:  # fMRIPrep 21.0 and later
        return masks | dict.fromkeys(unnamed, "combined")
    entries = _entries(sidecar) if sidecar is not None else {}
    return {
        name: str(entries[name]["Mask"]) for name in unnamed if "Mask" in entries.get(name, {})
    }


def _entries(sidecar: Path) -> dict[str, Mapping[str, Any]]:
    """Read what the JSON says of each column."""
    try:
        content = json.loads(read_text(sidecar, MAX_SIDECAR_BYTES))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfoundsError(
            f"{sidecar}: this is not JSON that can be read: {error}. Copy it again from its "
            "source."
        ) from error
    if not isinstance(content, dict):
        raise ConfoundsError(
            f"{sidecar}: expected a JSON object with one entry per column. Copy it again from its "
            "source."
        )
    return {name: entry for name, entry in content.items() if isinstance(entry, dict)}


def _unknown_mask(
    rows: ConfoundsTable, sidecar: Path | None, group: ColumnGroup, unknown: Sequence[str]
) -> str:
    if sidecar is None:
        return (
            f"{group.label}: Could not find associated json file, "
            f"{rows.file.with_suffix('.json').name}. The table is of fMRIPrep before 21.0, where "
            f"it alone says which of {unknown[0]} to {unknown[-1]} come from {group.mask}: copy "
            "it there from fMRIPrep's output"
        )
    return f"{group.label}: {sidecar} has no 'Mask' for {', '.join(unknown)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
