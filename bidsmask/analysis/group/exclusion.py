"""Which runs a group is made of under which strategy, and what decided it.

A run is looked at under each strategy. It is excluded if the strategy could not be carried out, if
somebody has rated it so, or by a rule; the first of these decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bidsmask.dataset.people import Rating
from bidsmask.dataset.strategies import label_of
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.derivatives.read import strategy_of
from bidsmask.errors import SettingsError
from bidsmask.numerics.exclusion import MEASURES, PRESETS, VERDICT, broken
from bidsmask.numerics.verdict import DO_NOT_USE
from bidsmask.settings import GroupSettings

ALL = "all strategies"
"""How the runs that every strategy keeps are called in tables."""

_NEVER_ASKED = frozenset(QUALITY_COLUMNS) - {
    *MEASURES,
    *("strategy", "verdict", "verdict_reason", "status", "reason"),
}

ATTRITION_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "exclusion": {
        "Description": "Rule of exclusion by its name; as asked: what this table's group was made "
        "with, limits and ratings that were given included"
    },
    "strategy": {
        "Description": f"Confound strategy by its name; {ALL}: runs that each of them keeps"
    },
    "n_runs": {"Description": "Runs that count", "Units": "runs"},
    "n_not_done": {
        "Description": "Runs in which the strategy could not be carried out",
        "Units": "runs",
    },
    "n_excluded": {"Description": "Further runs that the rule excludes", "Units": "runs"},
    "n_included": {"Description": "Runs that are left", "Units": "runs"},
    "n_participants": {"Description": "Participants who have a run", "Units": "participants"},
    "n_participants_included": {
        "Description": "Participants who have a run that is left",
        "Units": "participants",
    },
    "note": {"Description": "Why it is not known what the rule would exclude"},
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided of a run under a strategy.

    Parameters
    ----------
    run, participant, strategy : str
        Names.
    is_done : bool
        Whether the strategy could be carried out.
    reason : str
        What decided that it is excluded; "" if it is included.
    """

    run: str
    participant: str
    strategy: str
    is_done: bool
    reason: str = ""

    @property
    def is_included(self) -> bool:
        """Whether it is."""
        return not self.reason


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What was decided of all runs.

    Parameters
    ----------
    rows : tuple of Decision
        In the order of the rows of ``group_qc``.
    """

    rows: tuple[Decision, ...]

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of all strategies."""
        return tuple(dict.fromkeys(row.strategy for row in self.rows))

    def included(self, strategy: str) -> tuple[str, ...]:
        """Names of the runs that are included under a strategy."""
        return tuple(row.run for row in self.rows if row.strategy == strategy and row.is_included)

    def included_as(self, desc: str) -> tuple[str, ...]:
        """Names of the runs that are included, by the label of the strategy in names of files.

        Matrices of volumes that were drawn (``36P+300s``) are of their strategy.
        """
        names = {label_of(strategy): strategy for strategy in self.strategies}
        strategy, _ = strategy_of(desc, names)
        return self.included(strategy)

    @property
    def in_all(self) -> tuple[str, ...]:
        """Names of the runs that are included under every strategy.

        Strategies are compared on these: else the strictest wins by losing those who move.
        """
        kept = [set(self.included(strategy)) for strategy in self.strategies]
        runs = dict.fromkeys(row.run for row in self.rows)
        return tuple(run for run in runs if all(run in each for each in kept))


def decide(qc: pd.DataFrame, settings: GroupSettings, ratings: Sequence[Rating] = ()) -> Decisions:
    """Decide which runs are included under which strategy.

    Parameters
    ----------
    qc : DataFrame
        As `bidsmask.analysis.group.tables.group_qc` makes it.
    settings : GroupSettings
    ratings : sequence of Rating

    Raises
    ------
    SettingsError
        If a limit is of a measure that is known of no run at all.
    """
    _refuse_unknown(qc, settings)
    rows = qc[[name for name in qc if name not in _NEVER_ASKED]].to_dict("records")
    return Decisions(
        rows=tuple(
            Decision(
                run=row["bids_name"],
                participant=row["participant_id"],
                strategy=row["strategy"],
                is_done=row["status"] == "ok",
                reason=next(_reasons(row, settings, ratings), ""),
            )
            for row in rows
        )
    )


def _reasons(
    row: Mapping[Any, Any], settings: GroupSettings, ratings: Sequence[Rating]
) -> Iterator[str]:
    if row["status"] != "ok":
        yield f"the strategy could not be carried out: {row['reason']}"
    for rating in ratings:
        if rating.excludes and is_about(rating, row):
            yield f"rated {rating.words}"
    if settings.exclude == VERDICT and row["verdict"] == DO_NOT_USE:
        yield f"verdict {DO_NOT_USE}: {row['verdict_reason']}"
    measures = _known(row)
    found = [
        f"{rule}: {reason}"
        for rule, limits in settings.limits.items()
        for reason in broken(measures, limits)
    ]
    if found:
        yield "; ".join(found)


def _known(row: Mapping[Any, Any]) -> dict[str, float]:
    """Those measures of a row that a limit may be of."""
    return {
        name: float("nan") if row.get(name) is pd.NA else float(row.get(name, "nan"))
        for name in MEASURES
    }


def is_about(rating: Rating, row: Mapping[Any, Any]) -> bool:
    """Whether a rating is about a row of ``group_qc``."""
    strategy = rating.strategy or row["strategy"]
    return strategy == row["strategy"] and all(
        row.get(name) == label for name, label in rating.about.items()
    )


def _refuse_unknown(qc: pd.DataFrame, settings: GroupSettings) -> None:
    for rule, limits in settings.limits.items():
        if unknown := unknown_measures(qc, limits):
            raise SettingsError(
                f"{rule} asks for {', '.join(unknown)}, which is known of no run, and nothing "
                "else is taken in its place. Results of an earlier version do not have it, nor "
                "have runs whose confounds tables lack motion parameters. Run the participant "
                "level again, or choose another rule."
            )


def unknown_measures(qc: pd.DataFrame, limits: Mapping[str, float]) -> list[str]:
    """Which measures that limits are of no run has."""
    return [name for name in limits if name not in qc or qc[name].isna().all()]


def attrition(qc: pd.DataFrame, decisions: Decisions) -> pd.DataFrame:
    """Count who is left, under each strategy, by what was asked for and by every rule.

    Returns
    -------
    table : DataFrame
        Columns of `ATTRITION_COLUMNS`. The last row of each rule is of the runs that all
        strategies keep.
    """
    rows = list(_counts("as asked", decisions))
    for name, preset in PRESETS.items():
        if unknown := unknown_measures(qc, preset.limits):
            rows.append({"exclusion": name, "note": f"known of no run: {', '.join(unknown)}"})
        else:
            rows += _counts(name, decide(qc, GroupSettings(exclude=name)))
    table = pd.DataFrame(rows, columns=list(ATTRITION_COLUMNS))
    return table.astype({name: "Int64" for name in ATTRITION_COLUMNS if name.startswith("n_")})


def _counts(exclusion: str, decisions: Decisions) -> Iterator[dict[str, Any]]:
    participant_of = {row.run: row.participant for row in decisions.rows}
    for strategy in decisions.strategies:
        rows = [row for row in decisions.rows if row.strategy == strategy]
        included = decisions.included(strategy)
        not_done = sum(not row.is_done for row in rows)
        yield {
            "exclusion": exclusion,
            "strategy": strategy,
            "n_runs": len(rows),
            "n_not_done": not_done,
            "n_excluded": len(rows) - not_done - len(included),
            "n_included": len(included),
            "n_participants": len({row.participant for row in rows}),
            "n_participants_included": len({participant_of[run] for run in included}),
        }
    in_all = decisions.in_all
    yield {
        "exclusion": exclusion,
        "strategy": ALL,
        "n_runs": len(participant_of),
        "n_included": len(in_all),
        "n_participants": len({*participant_of.values()}),
        "n_participants_included": len({participant_of[run] for run in in_all}),
    }
