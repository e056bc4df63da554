"""What maskers of regions have in common, be they of voxels or of vertices."""

from typing import Any, ClassVar

from bidsmask._typing import IntArray
from bidsmask.maskers.base import Masker
from bidsmask.maskers.naming import RegionTable
from bidsmask.maskers.notices import warn


class RegionsMasker(Masker):
    """Base of the maskers whose columns are regions with names."""

    unit: ClassVar[str] = "region"
    labels_img: Any
    labels: list[str] | None
    lut: Any
    background_label: float
    keep_empty: bool
    cmap: Any
    _table_: RegionTable

    @property
    def lut_(self) -> Any:
        """Table of the labels of the atlas."""
        return self._table_.frame

    @property
    def labels_(self) -> list[Any]:
        """Labels of the columns; first the background's, if there is any in the image."""
        self._refuse_unfitted()
        background = self._table_.index == self.background_label
        return [*self._table_.index[background].tolist(), *self._column_ids()]

    @property
    def region_ids_(self) -> dict[Any, Any]:
        """Label of each column by its number; the background's is called "background"."""
        background = {"background": self.background_label}
        has_background = len(self.labels_) > self.n_elements_
        return (background if has_background else {}) | dict(enumerate(self._column_ids()))

    @property
    def region_names_(self) -> dict[int, str]:
        """Name of each column by its number."""
        return dict(enumerate(self._column_names()))

    @property
    def coverage_(self) -> Any:
        """Table of what the last run held of each region."""
        table = super().coverage_
        table.insert(0, "index", self._table_.regions)
        return table

    def _column_ids(self) -> list[Any]:
        ids: list[Any] = self._table_.regions[self._rows_].tolist()
        return ids

    def _names(self) -> list[str]:
        return self._table_.region_names

    def _warn_of_uncovered(self, rows: IntArray) -> None:
        if rows.size:
            warn(
                f"The following labels were removed: {self._spelled(rows)}. Less than "
                f"{self.min_coverage:.0%} of their voxels lie inside the mask and hold finite "
                "numbers that change.",
                once=True,
            )

    def _spelled(self, rows: IntArray) -> str:
        """Labels of regions, and their names if they have been given any."""
        labels = f"{{{', '.join(map(str, self._table_.regions[rows].tolist()))}}}"
        if self.labels is None and self.lut is None:
            return labels
        return f"{labels} ({', '.join(self._names()[row] for row in rows)})"
