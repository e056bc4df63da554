"""Components that tedana, or ICA-AROMA, has classified: time courses as confounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.dataset.companions import find_table, name_of
from bidsmask.dataset.confounds_table import ConfoundsTable, read_table, split_number
from bidsmask.errors import ConfoundsError

CLASSES = {"aggressive": ("rejected",), "non-aggressive": ("accepted", "rejected")}


def load_components(image: Path, classes: Sequence[str]) -> tuple[tuple[str, ...], FloatArray]:
    """Read the time courses of the components of some classes.

    Parameters
    ----------
    image : Path
        ``*_desc-optcom_bold.nii.gz``, with ``desc-ICA_mixing.tsv`` and
        ``desc-tedana_metrics.tsv`` beside it.
    classes : sequence of str
        ``"accepted"``, ``"rejected"``.

    Returns
    -------
    columns : tuple of str
        Class and name of each component, such as ``rejected_ICA_04``.
    values : float64 array of shape (T, C)

    Raises
    ------
    ConfoundsError
        If it is another image, a table is not there or cannot be read, or a component of the
        one is missing in the other.

    References
    ----------
    DuPre et al. (2021), Journal of Open Source Software 6(66), doi:10.21105/joss.03669
    """
    if name_of(image).entities.get("desc") != "optcom":
        raise ConfoundsError(
            "Input must be the ~desc-optcom_bold.nii.gz that tedana combined of the echoes, and "
            f"not {image.name}."
        )
    mixing = read_table(find_table(image, desc="ICA", suffixes=("mixing",)))
    metrics = read_table(find_table(image, desc="tedana", suffixes=("metrics",)))
    chosen = {
        f"{classification}_{name}": mixing.numbers(name)
        for name, classification in classify(mixing, metrics).items()
        if classification in classes
    }
    columns = tuple(sorted(chosen))
    values = np.empty((len(mixing.cells), len(columns)))
    for position, column in enumerate(columns):
        values[:, position] = chosen[column]
    return columns, values


def classify(mixing: ConfoundsTable, metrics: ConfoundsTable) -> dict[str, str]:
    """Say of each component what it was classified as.

    Parameters
    ----------
    mixing : ConfoundsTable
        One column for each component.
    metrics : ConfoundsTable
        One row for each component, with a column ``classification``; and ``Component``, as
        tedana writes it, or else in the order of the columns, as ICA-AROMA does.

    Returns
    -------
    classes : dict of str
        By the names of the columns.

    Raises
    ------
    ConfoundsError
        If the tables do not fit each other.
    """
    if "classification" not in metrics.position:
        raise ConfoundsError(
            f"{metrics.file}: no column classification; is it a table of tedana or of ICA-AROMA?"
        )
    judged = [row[metrics.position["classification"]].strip() for row in metrics.cells]
    if "Component" in metrics.position:
        by_number = {_normal(name): name for name in mixing.position}
        components = [row[metrics.position["Component"]].strip() for row in metrics.cells]
        for component in components:
            if _normal(component) not in by_number:
                raise ConfoundsError(
                    f"{mixing.file}: no column for {component} of {metrics.file}."
                )
        names = [by_number[_normal(component)] for component in components]
    else:
        names = [*mixing.position]
    if len(names) != len(judged):
        raise ConfoundsError(
            f"{mixing.file} has {len(names)} components, and {metrics.file} {len(judged)} rows: "
            "they are not of the same decomposition. Copy both again from the same run."
        )
    return dict(zip(names, judged, strict=True))


def _normal(component: str) -> tuple[str, int]:
    """Make names equal that differ in leading zeros: some versions write ICA_04 and ICA_4."""
    stem, number = split_number(component)
    return stem, int(number or -1)
