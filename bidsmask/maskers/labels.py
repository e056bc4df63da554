"""One column for each region of a label image."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import labels_on, make_image, mask_on, read_atlas, refuse_other_grids
from bidsmask.maskers.base import Columns, Masker, mask_of
from bidsmask.maskers.extraction import Extraction
from bidsmask.maskers.lookup import labels_of, region_table
from bidsmask.maskers.notices import RESAMPLING_ATLAS, RESAMPLING_IMAGES, warn
from bidsmask.maskers.parameters import check_choice
from bidsmask.numerics.projections.regions import (
    LabelMeans,
    Projection,
    RegionStatistic,
    voxels_of_labels,
)
from bidsmask.numerics.quality import coverage
from bidsmask.vocabulary import Statistic

NONE_LEFT = "No label left after {}."


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedRegions:
    """The regions of a label image on one grid, inside a mask.

    Parameters
    ----------
    grid : Grid
    codes : int array of shape (X, Y, Z)
        1 for the first row of the table of regions, 2 for the second ...; 0 is background.
    mask : bool array of shape (X, Y, Z)
    n_voxels, n_inside : int arrays
        Voxels of each row's region on the grid, and those of them inside the mask.
    """

    grid: Grid
    codes: IntArray
    mask: BoolArray
    n_voxels: IntArray
    n_inside: IntArray

    @property
    def inside(self) -> IntArray:
        """Codes of the voxels inside the mask, flat with x running fastest."""
        return (self.codes * self.mask).ravel(order="F")


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionColumns(Columns):
    """Columns that are regions.

    Parameters
    ----------
    placed : PlacedRegions
    rows : int array of shape (P,)
        Row of each column in the table of regions.
    """

    placed: PlacedRegions
    rows: IntArray

    @property
    def n_voxels(self) -> IntArray:
        """Voxels inside the mask of each column's region, in the order of the support."""
        return self.placed.n_inside[self.rows]


@dataclass(frozen=True, kw_only=True, eq=False)
class CoveredRegions:
    """What a run holds of each region of the table.

    Parameters
    ----------
    placed : PlacedRegions
    n_covered : int array
        Voxels of each region inside the mask that are finite in all volumes.
    used : bool array
        Whether that is enough for a column with values.
    """

    placed: PlacedRegions
    n_covered: IntArray
    used: BoolArray


class NiftiLabelsMasker(Masker):
    """One signal for each region of an atlas whose regions do not overlap.

    Parameters
    ----------
    labels_img : image of three dimensions
        The atlas: each voxel holds the label of its region.
    labels : list of texts, optional
        Names of the regions in the order of their labels.
    lut : DataFrame or path of a table, optional
        Columns ``index`` (label) and ``name``; instead of `labels`.
    background_label : number
        The label that is no region.
    mask_img : image, optional
        Voxels outside are left out of their region.
    smoothing_fwhm : number, three numbers, "fast" or None
        Width of a Gaussian in mm, of all directions or along each voxel axis.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}
        Standard scores with the sample or the population standard deviation, percent change, or
        nothing (False, None). True is "zscore_sample".
    standardize_confounds, high_variance_confounds, detrend : bool
        See `bidsmask.clean` and `bidsmask.high_variance_confounds`.
    low_pass, high_pass : float or None
        Cut-offs in Hz.
    t_r : float or None
        Repetition time in seconds; a filter needs it.
    dtype : dtype, "auto" or None
        Type of the signals. "auto" is float32; None is float32 for images of float32, float64 for
        others.
    resampling_target : {"data", "labels", None}
        What is brought onto whose grid: atlas and mask onto that of the run (nearest voxel), run
        and mask onto that of the atlas (cubic splines), or neither, which makes different grids
        an error.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level, verbose : int
        There so that scripts written for nilearn run; any level remembers the same.
    strategy : str
        mean, median, sum, minimum, maximum, standard_deviation or variance (both with a divisor
        of n) of the region's voxels, or first_eigenvariate: their first principal component.
    keep_masked_labels : bool
        Keep regions that the mask hides entirely, as columns of 0.
    reports : bool
    cmap : name of a colour map, colour map or None
        Colours that regions are filled with in the report; None: outlines only.
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    keep_empty : bool
        Keep all regions, those without a value as columns of NaN: then every run gives columns of
        the same meaning. False: they are left out, with a warning.
    min_coverage : float
        A region is without a value if less than this share of its voxels (0 to 1) lies inside
        the mask and holds finite numbers.

    Attributes
    ----------
    labels_img_ : image
        The atlas; on the grid of the run given to `fit`, if that is the target.
    mask_img_ : image or None
    lut_ : DataFrame
        ``index`` and ``name`` of all labels of the atlas, background included.
    n_elements_ : int
        Number of columns, P. This and the next three speak of the run last transformed.
    region_ids_ : dict
        Label of each column, by its number; and that of the "background".
    region_names_ : dict
        Name of each column, by its number.
    labels_ : list
        Labels of the columns, and the background's if there is any.
    coverage_ : DataFrame
        After `transform`, of every region: ``n_voxels`` on the grid, ``n_covered`` of them that
        count, their share ``coverage``, and whether there is a column with values (``used``).
    region_atlas_ : image
        After `transform`: the labels of the voxels that the columns are made of.

    Notes
    -----
    A voxel that is NaN or infinite in a volume is left out of that volume's mean. (nilearn counts
    it as 0, which pulls the mean of a region at the edge of the field of view towards 0.)
    """

    _covered_: CoveredRegions

    def __init__(
        self,
        labels_img: Any = None,
        labels: list[str] | None = None,
        lut: Any = None,
        background_label: float = 0,
        mask_img: Any = None,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        resampling_target: str | None = "data",
        memory: Any = None,
        memory_level: int = 1,
        verbose: int = 0,
        strategy: str = "mean",
        keep_masked_labels: bool = False,
        reports: bool = True,
        cmap: Any = None,
        clean_args: dict[str, Any] | None = None,
        *,
        keep_empty: bool = False,
        min_coverage: float = 0.0,
    ) -> None:
        self.labels_img = labels_img
        self.labels = labels
        self.lut = lut
        self.background_label = background_label
        self.mask_img = mask_img
        self.smoothing_fwhm = smoothing_fwhm
        self.standardize = standardize
        self.standardize_confounds = standardize_confounds
        self.high_variance_confounds = high_variance_confounds
        self.detrend = detrend
        self.low_pass = low_pass
        self.high_pass = high_pass
        self.t_r = t_r
        self.dtype = dtype
        self.resampling_target = resampling_target
        self.memory = memory
        self.memory_level = memory_level
        self.verbose = verbose
        self.strategy = strategy
        self.keep_masked_labels = keep_masked_labels
        self.reports = reports
        self.cmap = cmap
        self.clean_args = clean_args
        self.keep_empty = keep_empty
        self.min_coverage = min_coverage

    def inverse_transform(self, signals: Any) -> Any:
        """Paint every voxel of a region with the region's value.

        Parameters
        ----------
        signals : array of shape (T, P) or (P,)
            Columns as the last `transform` gave them (or as `fit` foretold them). NaN is fine.

        Returns
        -------
        image : nibabel.Nifti1Image of shape (X, Y, Z, T) or (X, Y, Z)
            On the grid of `labels_img_`; 0 outside of regions. Units and repetition time are
            those of the run.
        """
        return self._painted(signals)

    @property
    def n_elements_(self) -> int:
        """Number of columns, P."""
        self._refuse_unfitted()
        return int(self._rows_.size)

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
        covered = self._covered_
        return self._regions()[["index", "name"]].assign(
            n_voxels=covered.placed.n_voxels,
            n_covered=covered.n_covered,
            coverage=coverage(covered.n_covered, covered.placed.n_voxels),
            used=covered.used,
        )

    @property
    def region_atlas_(self) -> Any:
        """Image of the labels of the voxels that the columns of the last run are made of."""
        placed = self._covered_.placed
        ids = np.array([self.background_label, *self._table_.regions])
        shown = np.zeros(ids.size, dtype=bool)
        shown[self._rows_ + 1] = True
        values = ids[np.where(placed.mask & shown[placed.codes], placed.codes, 0)]
        return make_image(values.astype(_label_dtype(values)), placed.grid)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_rows_")

    def _column_ids(self) -> list[Any]:
        ids: list[Any] = self._table_.regions[self._rows_].tolist()
        return ids

    def _column_names(self) -> list[str]:
        names = self._table_.region_names
        return [names[row] for row in self._rows_]

    def _regions(self) -> Any:
        """Table of the regions, without the background."""
        return self.lut_[self.lut_["index"] != self.background_label].reset_index(drop=True)

    # Fitting

    def _fit(self, series: Series | None, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(Statistic))
        check_choice("resampling_target", self.resampling_target, ("data", "labels", None))
        if self.labels_img is None:
            raise ValueError("'labels_img' is None; the masker needs a label image.")
        values, grid = read_atlas(self.labels_img)
        present = labels_of(values)
        if np.array_equal(present, [self.background_label]):
            raise ValueError("Image has no label.")
        self._table_ = region_table(
            present, self.background_label, labels=self.labels, lut=self.lut
        )
        target = self._fit_grid(grid, series)
        if target != grid:
            values = self._moved(values, grid, target)
        self.labels_img_ = make_image(values, target)
        self.mask_img_ = self._fit_mask(target, known=series is not None)
        self._fitted_ = self._columns_on(target, values)
        self._rows_ = self._fitted_.rows

    def _fit_grid(self, labels: Grid, series: Series | None) -> Grid:
        """Grid of the labels from now on."""
        if self.resampling_target is None:
            self._refuse_other_grids(labels, series)
        follows = self.resampling_target == "data" and series is not None
        return series.grid if follows and series is not None else labels

    def _refuse_other_grids(self, labels: Grid, series: Series | None) -> None:
        grids = {"labels": labels}
        if self.mask_img_ is not None:
            grids["mask"] = Grid.from_image(self.mask_img_)
        if series is not None:
            grids["data"] = series.grid
        refuse_other_grids(grids)

    def _fit_mask(self, target: Grid, *, known: bool) -> Any:
        """Bring the mask onto the grid of the labels, unless runs may come on the mask's own."""
        if self.mask_img_ is None or (self.resampling_target == "data" and not known):
            return self.mask_img_
        return make_image(mask_on(*mask_of(self.mask_img_), target), target)

    # Placing

    def _moved(self, values: Array, grid: Grid, target: Grid) -> Array:
        """Labels on the grid of a run; says which are lost on the way."""
        moved = labels_on(values, grid, target, self.background_label)
        before, after = (set(labels_of(each).tolist()) for each in (values, moved))
        background = {self.background_label}
        if not after - background:
            raise SpaceError(NONE_LEFT.format("resampling the labels image"))
        lost = before - after - background
        if lost and not self.keep_empty:
            warn(
                "After resampling the label image to the data image, the following labels were "
                f"removed: {lost}. No voxel of the run is nearest to them."
            )
        return moved

    def _columns_on(self, grid: Grid, values: Array) -> RegionColumns:
        """Regions inside the mask, on the grid on which the labels are."""
        ids = self._table_.regions
        codes = _codes(values, ids)
        mask = np.ones(grid.shape, dtype=bool, order="F")
        if self.mask_img_ is not None:
            mask = mask_on(*mask_of(self.mask_img_), grid)
        placed = PlacedRegions(
            grid=grid,
            codes=codes,
            mask=mask,
            n_voxels=_sizes(codes, ids.size),
            n_inside=_sizes(codes * mask, ids.size),
        )
        if not placed.n_inside.any():
            raise SpaceError(NONE_LEFT.format("applying mask to the labels image"))
        rows = np.flatnonzero(self._is_kept(placed))
        return RegionColumns(
            projection=self._projection(placed.inside, rows + 1),
            grid=grid,
            placed=placed,
            rows=rows,
        )

    def _is_kept(self, placed: PlacedRegions) -> BoolArray:
        if self.keep_empty:
            return np.ones(placed.n_voxels.size, dtype=bool)
        if self.keep_masked_labels:
            return placed.n_voxels > 0
        return placed.n_inside > 0

    def _projection(self, codes: IntArray, ids: IntArray) -> Projection:
        if self.strategy == "mean":
            return LabelMeans(codes, ids)
        return RegionStatistic(voxels_of_labels(codes, ids), self.strategy)

    # Transforming

    def _columns(self, series: Series) -> RegionColumns:
        values, grid = np.asarray(self.labels_img_.dataobj), Grid.from_image(self.labels_img_)
        if self.resampling_target is None:
            self._refuse_other_grids(grid, series)
        elif grid != series.grid:
            values, grid = self._brought_together(values, grid, series)
        known = self._fitted_
        columns = known if known.grid == grid else self._columns_on(grid, values)
        self._warn_of_masked(columns.placed)
        return columns

    def _brought_together(self, values: Array, grid: Grid, series: Series) -> tuple[Array, Grid]:
        """Labels, and the grid on which they and the run meet."""
        if self.resampling_target == "labels":
            warn(RESAMPLING_IMAGES.format("labels"))
            return values, grid
        warn(RESAMPLING_ATLAS.format("labels"))
        return self._moved(values, grid, series.grid), series.grid

    def _warn_of_masked(self, placed: PlacedRegions) -> None:
        hidden = (placed.n_voxels > 0) & (placed.n_inside == 0)
        if hidden.any() and not (self.keep_masked_labels or self.keep_empty):
            lost = set(self._table_.regions[hidden].tolist())
            warn(
                "After applying mask to the labels image, the following labels were removed: "
                f"{lost}. No voxel of them lies inside the mask."
            )

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, dict[str, Any]]:
        """Leave out regions that are not covered enough."""
        assert isinstance(columns, RegionColumns)
        covered = self._covered(extraction, columns)
        signals, rows = extraction.signals, columns.rows
        used = covered.used[rows]
        if self.keep_empty:
            signals[:, ~used] = np.nan
        elif self.keep_masked_labels:
            signals[:, columns.placed.n_inside[rows] == 0] = 0
        elif not used.all():
            self._warn_of_uncovered(rows[~used])
            signals, rows = signals[:, used], rows[used]
        return signals, {"_rows_": rows, "_covered_": covered}

    def _covered(self, extraction: Extraction, columns: RegionColumns) -> CoveredRegions:
        placed = columns.placed
        codes = np.repeat(columns.rows + 1, columns.n_voxels)[extraction.finite]
        n_covered = _sizes(codes, placed.n_voxels.size)
        used = placed.n_inside > 0
        if self.min_coverage > 0:
            used = coverage(n_covered, placed.n_voxels) >= self.min_coverage
        return CoveredRegions(placed=placed, n_covered=n_covered, used=used)

    def _warn_of_uncovered(self, rows: IntArray) -> None:
        lost = set(self._table_.regions[rows].tolist())
        warn(
            f"The following labels were removed: {lost}. Less than {self.min_coverage:.0%} of "
            "their voxels lie inside the mask and hold finite numbers."
        )

    # Painting back

    def _inverse(self) -> Columns:
        """Labels as they were fitted: columns are told apart by label, not by place."""
        placed = self._fitted_.placed
        return Columns(
            projection=LabelMeans(placed.inside, self._rows_ + 1), grid=self._fitted_.grid
        )


def _codes(values: Array, ids: Array) -> IntArray:
    """Replace each label by its place among the (ascending) `ids`, from 1; others by 0."""
    if values.dtype.kind in "iu" and 0 <= values.min() <= values.max() < 1 << 20:
        code_of = np.zeros(int(values.max()) + 1, dtype=np.int32)
        known = ids[ids <= values.max()]
        code_of[known] = np.arange(1, known.size + 1)
        return np.take(code_of, values.T).T  # as a view it keeps the order in memory
    place = np.searchsorted(ids, values).clip(max=ids.size - 1)
    return np.where(ids[place] == values, place + 1, 0).astype(np.int32)


def _sizes(codes: IntArray, n_regions: int) -> IntArray:
    """Voxels of the codes 1 to `n_regions`."""
    return np.bincount(codes.ravel(order="K"), minlength=n_regions + 1)[1:]


def _label_dtype(values: Array) -> Any:
    return np.int32 if values.dtype.kind in "iu" else values.dtype
