"""What the group level did, in words: rules of exclusion, attrition, the methods text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._version import __version__
from bidsmask.analysis.words import listed
from bidsmask.numerics.exclusion import MEASURES, NONE, VERDICT
from bidsmask.numerics.verdict import DO_NOT_USE
from bidsmask.reports.drawing.words import count
from bidsmask.reports.group.values import Attrition
from bidsmask.reports.methods import Methods, with_citations
from bidsmask.settings import GroupSettings

_OF_ATLASES = {
    "seg": "segmentation",
    "scale": "scale",
    "space": "in",
    "res": "resolution",
    "den": "density",
}
"""Entities of an atlas and its grid in words, in the order in which they are said."""

_CITED = ("parkes2018", "wang2024")
"""Works that rules are named after."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of exclusion in words, and in which rows of ``group_qc`` it applies."""

    words: str
    applies: pd.Series


def atlas_in_words(entities: str) -> str:
    """Say which atlas names of files mean, and on which grid.

    Examples
    --------
    >>> atlas_in_words("space-fsLR_atlas-Schaefer2018_seg-7n_scale-400_den-91k")
    'Schaefer2018, segmentation 7n, scale 400, in fsLR, density 91k'
    >>> atlas_in_words("space-MNI152NLin6Asym_seg-seeds")
    'seeds, in MNI152NLin6Asym'
    """
    labels = dict(part.split("-", 1) for part in entities.split("_"))
    name = labels.pop("atlas", None) or labels.pop("seg", entities)
    said = [f"{word} {labels[key]}" for key, word in _OF_ATLASES.items() if key in labels]
    return ", ".join([name, *said])


def rules_of(qc: pd.DataFrame, settings: GroupSettings) -> Iterator[Rule]:
    """Say of what was asked for which rows it excludes.

    Parameters
    ----------
    qc : DataFrame
        With decisions.
    settings : GroupSettings
    """
    if settings.ratings is not None:
        rated = qc["decided_by"].fillna("").str.startswith("rated ")
        yield Rule(words=f"somebody has rated it bad ({settings.ratings.name})", applies=rated)
    if settings.exclude == VERDICT:
        yield Rule(words=f"its verdict is: {DO_NOT_USE}", applies=qc["verdict"] == DO_NOT_USE)
    limits = (limit for limits in settings.limits.values() for limit in limits.items())
    for name, limit in limits:
        rule = MEASURES[name]
        values = pd.to_numeric(qc[name]).to_numpy(dtype=float, na_value=np.nan)
        fails = [np.isnan(value) or rule.is_beyond(value, limit) for value in values.tolist()]
        yield Rule(
            words=f"{rule.what} is {rule.worse} {limit:g} {rule.unit}".strip(),
            applies=pd.Series(fails, index=qc.index, dtype=bool),
        )


def attrition_of(table: pd.DataFrame, qc: pd.DataFrame, rules: Sequence[Rule]) -> list[Attrition]:
    """Show ``group_attrition``, of what was asked for.

    Parameters
    ----------
    table : DataFrame
        As `bidsmask.analysis.group.exclusion.attrition` makes it.
    qc : DataFrame
        With decisions.
    rules : sequence of Rule
    """
    done = qc["status"] == "ok"
    return [
        Attrition(
            strategy=row["strategy"],
            n_runs=row["n_runs"],
            n_kept_runs=row["n_included"],
            n_participants=row["n_participants"],
            n_kept_participants=row["n_participants_included"],
            reasons=tuple(_reasons(row, done & (qc["strategy"] == row["strategy"]), rules)),
        )
        for row in table[table["exclusion"] == "as asked"].to_dict("records")
    ]


def _reasons(
    row: Mapping[Any, Any], own: pd.Series, rules: Sequence[Rule]
) -> Iterator[tuple[str, int]]:
    if pd.notna(row["n_not_done"]) and row["n_not_done"]:
        yield "the strategy could not be carried out", int(row["n_not_done"])
    for rule in rules:
        if n := int((rule.applies & own).sum()):
            yield rule.words, n


def group_methods(
    n_participants: int,
    n_runs: int,
    attrition: Sequence[Attrition],
    settings: GroupSettings,
    rules: Sequence[Rule],
    *,
    measure: str | None,
    n_compared: int,
) -> Methods:
    """Describe what the group level did.

    Parameters
    ----------
    n_participants, n_runs : int
    attrition : sequence of Attrition
    settings : GroupSettings
    rules : sequence of Rule
    measure : str or None
        What was averaged over participants; None if nothing was.
    n_compared : int
        How many participants strategies were compared on; 0 if they were not.
    """
    marked = [
        f"{count(n_runs, 'run')} of {count(n_participants, 'participant')} "
        f"{'was' if n_runs == 1 else 'were'} brought together at the group level of bidsmask "
        f"{__version__}.",
        _exclusion(attrition, settings.exclude, rules),
    ]
    if measure:
        marked.append(
            f"{measure[0].upper()}{measure[1:]} was averaged over the included runs of each "
            "participant, each with the same weight, then over participants."
        )
    if n_compared:
        marked.append(
            f"Strategies were compared on up to {count(n_compared, 'participant')} whose runs "
            "every one of them keeps, by the correlation over participants of mean framewise "
            "displacement with the connectivity of each edge and its dependence on the distance "
            "of regions [@ciric2017], beside what permuted motion gives, and by the participants "
            "and the degrees of freedom that they lose [@parkes2018]."
        )
    return with_citations(marked)


def _exclusion(attrition: Sequence[Attrition], exclude: str, rules: Sequence[Rule]) -> str:
    left = listed(
        [
            f"{each.n_kept_runs} of {count(each.n_runs, 'run')} for {each.strategy}"
            for each in attrition
        ]
    )
    if not rules:
        return f"No run was excluded by a rule, which leaves {left}."
    work = exclude.partition("-")[0]
    named = f", by the rule {exclude}" if exclude not in (NONE, VERDICT) else ""
    cited = f" [@{work}]" if work in _CITED else ""
    return (
        f"A run was excluded under a strategy{named}{cited}, if "
        f"{listed([rule.words for rule in rules], 'or')}. This leaves {left}."
    )
