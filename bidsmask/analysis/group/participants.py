"""Who is in the output, and what the input says of them: ``participants.tsv``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bidsmask.analysis.group.counted import LeftOut
from bidsmask.dataset.people import PARTICIPANTS, Covariates, read_covariates
from bidsmask.derivatives.writing import MISSING, typed
from bidsmask.settings import Settings

_IS_WHOLE = re.compile(r"-?\d{1,18}")
_IS_CODE = re.compile(r"[+-]?0\d")
"""007 is a name and no number."""


def find_covariates(settings: Settings) -> Covariates:
    """Read the table of participants that was given, else that of the input.

    fMRIPrep does not copy it: then it is that of the first further dataset that has one.

    Raises
    ------
    DatasetError
        If it cannot be used.
    """
    given = settings.group.covariates
    if given is not None:
        return read_covariates(given)
    homes = (settings.bids_dir, *(path for _, path in settings.datasets))
    found = [home / PARTICIPANTS for home in homes if (home / PARTICIPANTS).is_file()]
    return read_covariates(found[0]) if found else Covariates()


def participants_table(output_dir: Path, covariates: Covariates) -> pd.DataFrame:
    """Every participant who has a folder in the output, and the covariates of each.

    Columns of numbers are numbers, but for codes such as 007.
    """
    participants = _participants(output_dir)
    unknown = (MISSING,) * len(covariates.names)
    cells = [covariates.of.get(each, unknown) for each in participants]
    texts = pd.DataFrame(cells, columns=list(covariates.names), dtype=object)
    table = typed(texts.where(texts != MISSING))
    for name in covariates.names:
        known = [cell for cell in texts[name] if cell != MISSING]
        if any(_IS_CODE.match(cell) for cell in known):
            table[name] = texts[name]
        elif all(_IS_WHOLE.fullmatch(cell) for cell in known):
            table[name] = table[name].astype("Int64")  # no 31.0, where some are n/a
    table.insert(0, "participant_id", participants)
    return table


def participants_columns(covariates: Covariates) -> dict[str, Any]:
    """Describe its columns: in the words of the input, where it has some."""
    name = covariates.file.name if covariates.file else PARTICIPANTS
    return {
        "participant_id": {"Description": "Participant; each has a folder here"},
        **{
            column: covariates.descriptions.get(
                column, {"Description": f"{column}, as {name} of the input has it"}
            )
            for column in covariates.names
        },
    }


def without_results(
    output_dir: Path, covariates: Covariates, subjects: Sequence[str]
) -> Iterator[LeftOut]:
    """Name participants whom the table of the input has, and the output has not."""
    here = set(_participants(output_dir))
    asked = {f"sub-{label.removeprefix('sub-')}" for label in subjects}
    for participant in covariates.of:
        if participant not in here and (not asked or participant in asked):
            assert covariates.file is not None, "who is in a table is in a file"
            reason = f"It is in {covariates.file.name} and has no results."
            yield LeftOut(name=participant, reason=reason)


def without_covariates(output_dir: Path, covariates: Covariates) -> list[str]:
    """Name participants whom the output has, and the table has not; none if there is no table."""
    if covariates.file is None:
        return []
    return [each for each in _participants(output_dir) if each not in covariates.of]


def _participants(output_dir: Path) -> list[str]:
    return sorted(path.name for path in output_dir.glob("sub-*") if path.is_dir())
