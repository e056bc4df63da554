"""The table of a label image: which label is which region."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bidsmask._typing import Array
from bidsmask.maskers.notices import warn

BACKGROUND = "Background"
UNKNOWN = "unknown"


def region_table(
    present: Array, background: float, *, labels: Sequence[str] | None = None, lut: Any = None
) -> pd.DataFrame:
    """Name the labels of an image.

    Parameters
    ----------
    present : array
        The labels of the image, each once, ascending.
    background : number
        The label that is no region.
    labels : texts, optional
        Names in the order of the labels in the image. One called "background" is left out.
    lut : DataFrame or path, optional
        Table with columns ``index`` and ``name``, matched by value. Further columns are kept.

    Returns
    -------
    table : DataFrame
        ``index`` and ``name`` (and what else `lut` has), one row per label that is in the image,
        ascending. Without names, a region is called after its label; a region that the names do
        not reach is "unknown"; the background is "Background".

    Warns
    -----
    UserWarning
        If there are too few `labels`, or too many.

    Raises
    ------
    ValueError
        If both `labels` and `lut` are given, or the table lacks a column.

    Examples
    --------
    >>> import numpy as np
    >>> region_table(np.array([0, 3, 7]), 0, labels=["left", "right"])
       index        name
    0      0  Background
    1      3        left
    2      7       right
    """
    if labels and lut is not None:
        raise ValueError("Give either labels or a look-up table (lut), and not both.")
    rows = pd.DataFrame({"index": present.tolist()})
    regions = rows.loc[rows["index"] != background, "index"]
    if lut is not None:
        rows = rows.merge(_read(lut), on="index", how="left")
        rows["name"] = rows["name"].fillna(UNKNOWN)
    else:
        names = _padded(labels, len(regions)) if labels else [str(label) for label in regions]
        rows.insert(1, "name", pd.Series(names, index=regions.index))
    rows.loc[rows["index"] == background, "name"] = BACKGROUND
    return rows


def _read(lut: Any) -> pd.DataFrame:
    """Rows of a table, the first of each label."""
    if isinstance(lut, (str, Path)):
        path = Path(lut).expanduser()
        separator = "," if path.suffix == ".csv" else "\t"
        table = pd.read_csv(path, sep=separator, encoding="utf-8-sig")
    else:
        table = pd.DataFrame(lut)
    for column in "index", "name":
        if column not in table:
            found = ", ".join(map(str, table.columns))
            raise ValueError(
                f"The look-up table has no column {column!r}; its columns are: {found}."
            )
    return table.drop_duplicates("index").astype({"name": object})


def _padded(labels: Sequence[str], n_regions: int) -> list[str]:
    names = [name for name in labels if name.lower() != BACKGROUND.lower()]
    if len(names) < n_regions:
        warn(
            f"Too many indices for the names: the image has {n_regions} regions, and there are "
            f"{len(names)} labels. The last regions are called {UNKNOWN!r}."
        )
    if len(names) > n_regions:
        warn(
            f"Too many names for the indices: the image has {n_regions} regions, and there are "
            f"{len(names)} labels. The last ones are not used."
        )
    return [*names, *[UNKNOWN] * (n_regions - len(names))][:n_regions]
