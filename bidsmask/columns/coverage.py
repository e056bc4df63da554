"""How much of each column a run has seen, and why a column has no signal.

A voxel is covered if it lies inside the mask, is a finite number in every volume of the run
(censored ones, too) and, where there are several volumes, is not the same in all of them.
Coverage is the covered share of the whole column: of a region of the atlas also beyond the field
of view. What is covered is decided once for a run, so it changes neither with time nor between
strategies, and the command line and the maskers ask the same question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["ok", "partial", "low", "constant", "empty"]

STATUSES: dict[Status, str] = {
    "ok": "it has a signal, from all of its voxels",
    "partial": "it has a signal, from those of its voxels that are covered",
    "low": "n/a: too little of it is covered",
    "constant": "n/a: no voxel of it inside the mask has finite values that change, or its signal "
    "does not change",
    "empty": "n/a: none of its voxels lies on the grid of the run and inside the mask",
}
"""Whether a column has a signal, and what from."""

ONE = {"voxels": "voxel", "vertices": "vertex", "grayordinates": "grayordinate"}
"""What one place is called, by what several are called."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extent:
    """How large columns are, and how much of each lies where a run may have seen it.

    Parameters
    ----------
    n_voxels : int array of shape (P,)
        Voxels of the whole column, beyond the grid of the run, too, in voxels of that grid.
    n_on_grid, n_inside : int arrays of shape (P,)
        Those of them on the grid of the run; those inside the mask, too.
    size, size_inside : float arrays of shape (P,)
        What coverage is a share of, and what of it lies inside the mask. Voxels, but for maps:
        their squared weights.
    unit : str
        What `size` counts: "voxels" or "squared weight".
    places : str
        What is meant by voxels: "voxels", "vertices", or "grayordinates" where there are both.
    """

    n_voxels: IntArray
    n_on_grid: IntArray
    n_inside: IntArray
    size: FloatArray
    size_inside: FloatArray
    unit: str = "voxels"
    places: str = "voxels"

    @classmethod
    def of_voxels(
        cls,
        n_voxels: IntArray,
        n_on_grid: IntArray,
        n_inside: IntArray,
        places: str = "voxels",
    ) -> Extent:
        """Measure columns by their voxels."""
        return cls(
            n_voxels=n_voxels,
            n_on_grid=n_on_grid,
            n_inside=n_inside,
            size=n_voxels.astype(np.float64),
            size_inside=n_inside.astype(np.float64),
            places=places,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """What a run holds of each column.

    Parameters
    ----------
    extent : Extent
    n_covered : int array of shape (P,)
        Voxels that are covered.
    share : float array of shape (P,)
        Coverage, from 0 to 1; 0 for a column without voxels.
    still : bool array of shape (P,)
        Whether the signal is the same in all volumes, or not finite in some.
    min_coverage : float
        Columns with less are not used.
    """

    extent: Extent
    n_covered: IntArray
    share: FloatArray
    still: BoolArray
    min_coverage: float

    @property
    def status(self) -> list[Status]:
        """Status of each column: the first that applies of empty, constant, low, partial, ok."""
        return [self._status(column) for column in range(self.share.size)]

    @property
    def reason(self) -> list[str]:
        """Why the status is not ok; "n/a" where it is."""
        return [self._reason(column) for column in range(self.share.size)]

    @property
    def usable(self) -> BoolArray:
        """Which columns have a signal to go on with, (P,)."""
        enough = (self.share >= self.min_coverage) & (self.n_covered > 0)
        return enough & ~self.still

    def table(
        self, names: Sequence[str], ids: Sequence[Any], centroids: FloatArray
    ) -> pd.DataFrame:
        """Say of each column whether it has a signal, and if not, why.

        Parameters
        ----------
        names, ids : sequences of P
        centroids : array of shape (P, 3)
            Of `bidsmask.columns.base.Columns.centroids`.

        Returns
        -------
        table : pandas.DataFrame of P rows
            ``Node`` (name), ``index``, ``n_voxels`` (or ``n_vertices``, or ``n_grayordinates``
            where there are both), ``n_covered``, ``coverage``, ``status`` (one of `STATUSES`),
            ``reason``, and the centroid ``x``, ``y``, ``z`` to a hundredth of a millimetre.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "Node": list(names),
                "index": list(ids),
                f"n_{self.extent.places}": self.extent.n_voxels,
                "n_covered": self.n_covered,
                "coverage": self.share,
                "status": self.status,
                "reason": self.reason,
                **dict(zip("xyz", np.round(centroids, 2).T + 0.0, strict=True)),  # no -0
            }
        )

    def _status(self, column: int) -> Status:
        if not self.extent.n_inside[column]:
            return "empty"
        if not self.n_covered[column]:
            return "constant"
        if self.share[column] < self.min_coverage:
            return "low"
        if self.still[column]:
            return "constant"
        return "ok" if self.share[column] == 1 else "partial"

    def _reason(self, column: int) -> str:
        status, extent, places = self._status(column), self.extent, self.extent.places
        n_voxels, n_on_grid = int(extent.n_voxels[column]), int(extent.n_on_grid[column])
        n_inside, n_covered = int(extent.n_inside[column]), int(self.n_covered[column])
        if status == "ok":
            return "n/a"
        on_grid, place = places == "voxels", ONE[places]
        where = "on the grid" if on_grid else "among those"
        beyond = "beyond the grid of the run" if on_grid else "not among those of the run"
        if not n_voxels:
            why = " in the atlas, or none that a voxel of the run is nearest to"
            return f"It has no {place}{why if on_grid else ''}."
        if not n_on_grid:
            return f"None of its {places} lies {where} of the run."
        if not n_inside:
            here = "on the grid" if on_grid else "of the run"
            return f"None of its {n_on_grid} {places} {here} lies inside the mask."
        if not n_covered:
            return (
                f"None of its {n_inside} {places} inside the mask has finite values that change."
            )
        if status == "constant":
            return "Its signal is the same in all volumes, or is not finite in some."
        lost = [
            f"{count} {what}"
            for count, what in (
                (n_voxels - n_on_grid, beyond),
                (n_on_grid - n_inside, "outside of the mask"),
                (n_inside - n_covered, "without finite values that change"),
            )
            if count > 0
        ]
        seen = f"{n_covered} of {n_voxels} {places} ({self.share[column]:.1%}"
        seen += ")" if extent.unit == "voxels" else f" of the {extent.unit})"
        why = f" ({', '.join(lost)})" if lost else ""
        least = f"; at least {self.min_coverage:.1%} is asked for" if status == "low" else ""
        return f"{seen} are covered{why}{least}."


def share_of(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Divide, column by column; a column without voxels has a coverage of 0.

    Examples
    --------
    >>> share_of(np.array([3.0, 0.0]), np.array([4.0, 0.0]))
    array([0.75, 0.  ])
    """
    shares: FloatArray = part / np.where(whole > 0, whole, np.inf)
    return np.minimum(shares, 1.0)
