"""Label images and their place on the grid of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.table import LookUpTable
from bidsmask.errors import AtlasError, ImageError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.io import read_volume
from bidsmask.numerics.projections.regions import LabelMeans, RegionStatistic
from bidsmask.numerics.quality import coverage
from bidsmask.numerics.resample import resample_nearest

if TYPE_CHECKING:
    import pandas as pd

INTEGER_TOLERANCE = 1e-3
"""A label may be that far from an integer: scaled images are stored in single precision."""

_LARGEST = np.iinfo(np.int64).max


def load_labels(path: Path) -> tuple[IntArray, Grid]:
    """Read a label image.

    Parameters
    ----------
    path : Path
        One volume of any type whose values are whole numbers (to `INTEGER_TOLERANCE`) from 0.

    Returns
    -------
    labels : int32 or (if there are larger labels) int64 array of shape (X, Y, Z)
        0 is background.
    grid : Grid

    Raises
    ------
    AtlasError
        If the file cannot be read, holds several volumes, something else than such numbers, or
        nothing but background.
    """
    try:
        values, grid = read_volume(path)
    except ImageError as error:
        raise AtlasError(str(error)) from error
    labels = _whole_numbers(path, values)
    if not labels.any():
        raise AtlasError(f"{path}: there are no regions, every voxel is 0.")
    return labels, grid


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedLabels:
    """An atlas on the grid of a run.

    Parameters
    ----------
    grid : Grid
        That of the run.
    labels : int array of shape (X, Y, Z)
        On the whole grid, before the mask.
    mask : bool array of shape (X, Y, Z)
        Brain mask of the run.
    ids : int array of shape (P,)
        Labels of the look-up table, in its order.
    n_voxels : int array of shape (P,)
        Voxels of each region on the grid.
    n_covered : int array of shape (P,)
        Those of them inside the mask.
    """

    grid: Grid
    labels: IntArray
    mask: BoolArray
    ids: IntArray
    n_voxels: IntArray
    n_covered: IntArray

    @property
    def coverage(self) -> FloatArray:
        """Share of each region's voxels that lie inside the mask, (P,); 0 without voxels."""
        return coverage(self.n_covered, self.n_voxels)

    def projection(self, statistic: str = "mean") -> LabelMeans | RegionStatistic:
        """Means, or another statistic, over the voxels of each region inside the mask."""
        means = LabelMeans(np.where(self.mask, self.labels, 0).ravel(order="F"), self.ids)
        return means if statistic == "mean" else RegionStatistic(means.regions, statistic)

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        arrays = {name: value for name, value in vars(self).items() if name != "grid"}
        with path.open("wb") as file:
            np.savez(file, affine=self.grid.affine, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
        grid = Grid(shape=arrays["labels"].shape, affine=arrays.pop("affine"))
        return cls(grid=grid, **arrays)


def place_labels(
    labels: IntArray, atlas_grid: Grid, ids: Sequence[int], *, grid: Grid, mask: BoolArray
) -> PlacedLabels:
    """Put an atlas on the grid of a run: each voxel gets the label of the nearest one.

    Parameters
    ----------
    labels : int array of shape (X', Y', Z')
        On the atlas' own grid.
    atlas_grid : Grid
    ids : ints of length P
        The labels of the look-up table. Those without a voxel stay, as columns without values.
    grid : Grid
        That of the run.
    mask : bool array of shape (X, Y, Z)
        Brain mask of the run.

    Returns
    -------
    placed : PlacedLabels

    Raises
    ------
    AtlasError
        If the image has labels that are not among `ids`.
    SpaceError
        If no labelled voxel lies on the grid of the run.
    """
    wanted = np.array(ids, dtype=np.int64)
    _refuse_nameless(labels, wanted)
    placed = resample_nearest(labels, atlas_grid.affine, grid.shape, grid.affine)
    n_voxels = _count(placed, wanted)
    if not n_voxels.any():
        raise SpaceError(
            f"No region of the atlas lies on the grid of the run. The atlas: {atlas_grid}; the "
            f"run: {grid}. Are they in the same space?"
        )
    return PlacedLabels(
        grid=grid,
        labels=placed,
        mask=mask,
        ids=wanted,
        n_voxels=n_voxels,
        n_covered=_count(placed[mask], wanted),
    )


def coverage_table(
    placed: PlacedLabels, lut: LookUpTable, *, signals: FloatArray, min_coverage: float
) -> pd.DataFrame:
    """Say of each region whether it has a signal, and if not, why.

    Parameters
    ----------
    placed : PlacedLabels
    lut : LookUpTable
        The one whose labels were placed.
    signals : array of shape (T, P)
        Of each region in each volume, before cleaning.
    min_coverage : float
        Regions of which less lies inside the brain mask are not used; from 0 to 1.

    Returns
    -------
    table : pandas.DataFrame of P rows
        ``Node`` (name), ``index`` (label), ``n_voxels``, ``n_covered``, ``coverage``, ``status``
        and ``reason``. Of these statuses the first that applies: ``empty`` (no voxel on the grid,
        or none inside the mask), ``low`` (coverage below `min_coverage`), ``constant`` (the
        signal is the same in all volumes, or is not a finite number in some), ``partial``
        (coverage below 1), ``ok`` (the reason is then "n/a").
    """
    import pandas as pd

    verdicts = [
        _verdict(int(n_voxels), int(n_covered), signal, min_coverage)
        for n_voxels, n_covered, signal in zip(
            placed.n_voxels, placed.n_covered, signals.T, strict=True
        )
    ]
    return pd.DataFrame(
        {
            "Node": lut.names,
            "index": lut.ids,
            "n_voxels": placed.n_voxels,
            "n_covered": placed.n_covered,
            "coverage": placed.coverage,
            "status": [status for status, _ in verdicts],
            "reason": [reason for _, reason in verdicts],
        }
    )


def usable(table: pd.DataFrame) -> BoolArray:
    """Which regions of a coverage table have a signal to go on with, (P,)."""
    usable: BoolArray = table["status"].isin(["ok", "partial"]).to_numpy(dtype=bool)
    return usable


def _verdict(
    n_voxels: int, n_covered: int, signal: FloatArray, min_coverage: float
) -> tuple[str, str]:
    """Status of a region and the reason for it."""
    if not n_voxels:
        return "empty", "No voxel of this region lies on the grid of the run."
    share = n_covered / n_voxels
    inside = f"{n_covered} of {n_voxels} voxels ({share:.1%}) lie inside the brain mask"
    if not n_covered:
        return "empty", f"{inside}."
    if share < min_coverage:
        return "low", f"{inside}; at least {min_coverage:.1%} is asked for."
    n_missing = int(np.count_nonzero(~np.isfinite(signal)))
    if n_missing:
        return "constant", f"There is no finite value in {n_missing} of {signal.size} volumes."
    if not np.ptp(signal) > 0:
        return "constant", "The signal is the same in all volumes."
    return ("partial", f"{inside}.") if share < 1 else ("ok", "n/a")


def _whole_numbers(path: Path, values: Array) -> IntArray:
    """Labels as int32, or int64 if need be."""
    labels = values if values.dtype.kind in "iu" else _rounded(path, values)
    if labels.min() < 0:
        raise AtlasError(f"{path}: {labels.min():g} is no label, labels are not negative.")
    largest = int(labels.max())
    if largest > _LARGEST:
        raise AtlasError(f"{path}: the label {largest} is too large.")
    return labels.astype(np.int32 if largest <= np.iinfo(np.int32).max else np.int64)


def _rounded(path: Path, values: FloatArray) -> FloatArray:
    n_missing = int(np.count_nonzero(~np.isfinite(values)))
    if n_missing:
        raise AtlasError(f"{path}: {n_missing} voxels are NaN or infinite; labels are integers.")
    rounded: FloatArray = np.rint(values)
    worst = np.abs(values - rounded).argmax()
    if abs(values.flat[worst] - rounded.flat[worst]) > INTEGER_TOLERANCE:
        raise AtlasError(
            f"{path}: {values.flat[worst]:g} is no label, labels are integers. Was the image "
            "resampled by interpolation? Use nearest neighbours for labels."
        )
    return rounded


def _refuse_nameless(labels: IntArray, ids: IntArray) -> None:
    nameless = np.setdiff1d(labels, np.append(ids, 0))
    if nameless.size:
        some = ", ".join(map(str, nameless[:10])) + (", ..." if nameless.size > 10 else "")
        raise AtlasError(
            f"{nameless.size} labels of the image are not in its look-up table: {some}. The "
            "table must name every label of the image."
        )


def _count(labels: IntArray, ids: IntArray) -> IntArray:
    """Voxels of each label, (P,)."""
    present, counts = np.unique(labels, return_counts=True)
    count_of = dict(zip(present.tolist(), counts.tolist(), strict=True))
    return np.array([count_of.get(label, 0) for label in ids.tolist()], dtype=np.int64)
