"""Which label of an image is which region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import IntArray
from bidsmask.columns.table import BACKGROUND_NAMES, LookUpTable, lut_from_frame, read_lut
from bidsmask.errors import AtlasError
from bidsmask.maskers.notices import warn

BACKGROUND = "Background"


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionTable:
    """The labels of a label image, ascending, and what they are called.

    Parameters
    ----------
    index : int array of shape (L,)
        Each label once, the background's included if it is in the image.
    names : L texts
    background : int
        The label that is no region.
    columns : pairs of a name and L texts
        What else a look-up table says of each label.
    """

    index: IntArray
    names: tuple[str, ...]
    background: int
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def regions(self) -> IntArray:
        """Labels without the background's."""
        regions: IntArray = self.index[self.index != self.background]
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

        rows = {"index": self.index.tolist(), "name": list(self.names)}
        return pd.DataFrame(rows | dict(self.columns)).astype({"name": object})


def region_table(
    present: IntArray,
    background: int,
    *,
    labels: Sequence[str] | None = None,
    lut: Any = None,
    keep_absent: bool = False,
) -> RegionTable:
    """Name the labels of an image.

    Parameters
    ----------
    present : int array
        The labels of the image, each once, ascending.
    background : int
        The label that is no region.
    labels : texts, optional
        Names in the order of the labels in the image. One called "background", or one more than
        there are regions at the beginning that is called as backgrounds are, is left out.
    lut : DataFrame or path, optional
        Table with columns ``index`` and ``name``, matched by value. Further columns are kept.
    keep_absent : bool
        Keep regions of the table that the image has not.

    Returns
    -------
    table : RegionTable
        Without names, a region is called after its label; the background is "Background".

    Raises
    ------
    AtlasError
        If both `labels` and `lut` are given, the table cannot be read, or names cannot be
        assigned to labels with certainty.
    TypeError
        If a name is no text.

    Examples
    --------
    >>> region_table(np.array([0, 3, 7]), 0, labels=["left", "right"]).names
    ('Background', 'left', 'right')
    """
    if labels and lut is not None:
        raise AtlasError("Pass either labels or a lookup table (lut), but not both.")
    regions = present[present != background].tolist()
    if lut is not None:
        table = read_table(lut, background)
        _refuse_nameless(present, background, table, lut)
        return _of_lut(present, background, table, keep_absent=keep_absent)
    names = matched_names(labels, regions) if labels else [str(label) for label in regions]
    name_of = dict(zip(regions, names, strict=True)) | {background: BACKGROUND}
    return RegionTable(
        index=present,
        names=tuple(name_of[label] for label in present.tolist()),
        background=background,
    )


def _of_lut(
    present: IntArray, background: int, lut: LookUpTable, *, keep_absent: bool
) -> RegionTable:
    index = np.union1d(present, lut.ids) if keep_absent else present
    row_of = {label: row for row, label in enumerate(lut.ids)}
    rows = [row_of.get(label) for label in index.tolist()]
    return RegionTable(
        index=index,
        names=tuple(BACKGROUND if row is None else lut.names[row] for row in rows),
        background=background,
        columns=tuple(
            (title, tuple("n/a" if row is None else cells[row] for row in rows))
            for title, cells in lut.columns
        ),
    )


def _refuse_nameless(present: IntArray, background: int, table: LookUpTable, lut: Any) -> None:
    nameless = sorted(set(present.tolist()) - {background, *table.ids})
    if nameless:
        name = lut if isinstance(lut, (str, Path)) else "The look-up table"
        raise AtlasError(
            f"{name} has no row for {len(nameless)} labels of the image: {_some(nameless)}. It "
            "must name every label of the image."
        )


def read_table(lut: Any, background: int) -> LookUpTable:
    """Read a look-up table that a caller gives as a path or a data frame; warn of what is odd."""
    if isinstance(lut, (str, Path)):
        table = read_lut(Path(lut).expanduser(), background=background)
    else:
        table = lut_from_frame(lut, background=background)
    for message in table.warnings:
        warn(message)
    return table


def matched_names(labels: Sequence[str], regions: Sequence[int]) -> list[str]:
    """Names in the order of the regions, if there is one for each."""
    for name in labels:
        if not isinstance(name, str):
            raise TypeError(
                f"All elements of 'labels' must be a string, and {name!r} is "
                f"{type(name).__name__}."
            )
    names = [name for name in labels if name.lower() != BACKGROUND.lower()]
    if len(names) == len(regions) + 1 and names[0].lower() in BACKGROUND_NAMES:
        names = names[1:]
    if len(names) != len(regions):
        few = len(names) < len(regions)
        lacking = f" Without a name: {_some(regions[len(names) :])}." if few else ""
        raise AtlasError(
            f"The image has {len(regions)} regions ({_some(regions)}), and there are "
            f"{len(names)} names in labels.{lacking} Which name belongs to which region cannot "
            "be told: give one name for each, or a look-up table (lut) with index and name."
        )
    return names


def _some(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
