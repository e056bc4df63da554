"""The table of a label image: which label is which region."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.maskers.notices import warn

BACKGROUND = "Background"
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionTable:
    """The labels of an image, ascending, and what they are called.

    Parameters
    ----------
    index : array of shape (L,)
        Each label once, the background's included if it is in the image.
    names : L texts
    background : number
        The label that is no region.
    lut : DataFrame, optional
        Table that the names are from; its further columns are kept.
    """

    index: Array
    names: tuple[str, ...]
    background: float
    lut: Any = None

    @property
    def regions(self) -> Array:
        """Labels without the background's."""
        regions: Array = self.index[self.index != self.background]
        return regions

    @property
    def region_names(self) -> list[str]:
        """Names of the regions, without the background's."""
        pairs = zip(self.index, self.names, strict=True)
        return [name for label, name in pairs if label != self.background]

    @property
    def frame(self) -> Any:
        """The table as a DataFrame, with columns ``index`` and ``name`` first."""
        import pandas as pd

        frame = pd.DataFrame({"index": self.index.tolist(), "name": list(self.names)})
        frame = frame.astype({"name": object})
        return frame if self.lut is None else _with_further_columns(frame, self.lut)


def region_table(
    present: Array, background: float, *, labels: Sequence[str] | None = None, lut: Any = None
) -> RegionTable:
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
    table : RegionTable
        Without names, a region is called after its label; a region that the names do not reach
        is "unknown"; the background is "Background".

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
    >>> region_table(np.array([0, 3, 7]), 0, labels=["left", "right"]).names
    ('Background', 'left', 'right')
    """
    if labels and lut is not None:
        raise ValueError("Give either labels or a look-up table (lut), and not both.")
    regions = present[present != background].tolist()
    table = None if lut is None else _read(lut)
    if table is not None:
        known = dict(zip(table["index"], table["name"], strict=True))
        names = [known.get(label, UNKNOWN) for label in regions]
    else:
        names = _padded(labels, len(regions)) if labels else [str(label) for label in regions]
    name_of = dict(zip(regions, map(_text, names), strict=True)) | {background: BACKGROUND}
    return RegionTable(
        index=present,
        names=tuple(name_of[label] for label in present.tolist()),
        background=background,
        lut=table,
    )


def labels_of(values: Array) -> Array:
    """The labels of an image, each once, ascending.

    Examples
    --------
    >>> labels_of(np.array([[3, 0], [3, 1]], dtype=np.int16))
    array([0, 1, 3], dtype=int16)
    """
    few = values.dtype.kind in "iu" and values.size and 0 <= values.min() <= values.max() < 1 << 20
    if not few:  # sorting takes far longer than counting
        return np.unique(values)
    return np.flatnonzero(np.bincount(values.ravel(order="K"))).astype(values.dtype)


def _text(name: Any) -> str:
    return UNKNOWN if name != name else str(name)  # an empty cell is NaN


def _with_further_columns(frame: Any, lut: Any) -> Any:
    further = lut.drop(columns="name")
    return frame.merge(further, on="index", how="left")


def _read(lut: Any) -> Any:
    """Rows of a table, the first of each label."""
    import pandas as pd

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
