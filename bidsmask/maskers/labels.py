"""One column for each region of a label image."""

from typing import Any, get_args

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import Extraction
from bidsmask.columns.regions import Regions, labels_in, place_regions, read_labels
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import labels_on, make_image, mask_on, refuse_other_grids
from bidsmask.maskers.base import mask_of
from bidsmask.maskers.naming import region_table
from bidsmask.maskers.notices import RESAMPLING_ATLAS, RESAMPLING_IMAGES, say, warn
from bidsmask.maskers.parameters import check_choice
from bidsmask.maskers.regions import RegionsMasker
from bidsmask.numerics.projections.regions import Projection
from bidsmask.vocabulary import Statistic

NONE_LEFT = "No label left after {}."


class NiftiLabelsMasker(RegionsMasker):
    """One signal for each region of an atlas whose regions do not overlap.

    Parameters
    ----------
    labels_img : image of three dimensions
        The atlas: each voxel holds the label of its region.
    labels : list of texts, optional
        Names of the regions in the order of their labels, one for each.
    lut : DataFrame or path of a table, optional
        Columns ``index`` (label) and ``name``; instead of `labels`. It has a row for every label
        of the image.
    background_label : number
        The label that is no region.
    mask_img : image, optional
        Voxels outside are left out of their region.
    smoothing_fwhm : number, three numbers, "fast" or None
        Width of a Gaussian in mm, of all directions or along each voxel axis.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}
        Standard scores with the sample or the population standard deviation, percent change, or
        nothing (False, None). True is "zscore_sample".
    standardize_confounds : bool
        Scale the confounds to unit variance before they are regressed out.
    high_variance_confounds : bool
        Regress out what the voxels of highest variance share, too; see
        `bidsmask.high_variance_confounds`.
    detrend : bool
        Take a straight line out of the signals.
    low_pass : float or None
        Cut-off in Hz; what is faster is taken out.
    high_pass : float or None
        Cut-off in Hz; what is slower is taken out.
    t_r : float or None
        Repetition time in seconds; a filter needs it.
    dtype : dtype, "auto" or None
        Type of the signals, and of painted images. "auto" is float32; None is float32 for images
        of float32, float64 for others. With float64 all is computed in double precision,
        whatever the images are of.
    resampling_target : {"data", "labels", None}
        What is brought onto whose grid: atlas and mask onto that of the run (nearest voxel), run
        and mask onto that of the atlas (cubic splines), or neither, which makes different grids
        an error.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level : int
        There so that scripts written for nilearn run; any level remembers the same.
    verbose : int or bool, default=0
        Print each step, from 1 on.
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
        Keep all regions, those without a value as columns of NaN, and those that `lut` has and the
        image lacks: then every run gives columns of the same meaning. False: they are left out,
        with a warning.
    min_coverage : float
        A region is without a value if less than this share of it (0 to 1) is covered: see Notes.
        It is a share of the region of the atlas, also beyond the field of view.

    Attributes
    ----------
    clean_args_ : dict
        The further arguments of `bidsmask.clean`.
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
        After `transform`, of every region: ``n_voxels`` in all, ``n_covered`` of them that
        count, their share ``coverage``, ``status`` and ``reason`` (see
        `bidsmask.columns.coverage`), and whether there is a column with values (``used``).
    region_atlas_ : image
        After `transform`: the labels of the voxels that the columns are made of.

    See Also
    --------
    MultiNiftiLabelsMasker : For several runs.
    NiftiMapsMasker : For maps with weights, which may overlap.
    bidsmask.connectome.ConnectivityMeasure : What to do with the signals.

    Notes
    -----
    A voxel counts if it lies inside the mask, is finite in all volumes of the run and, where there
    are several, is not the same in all of them (`bidsmask.columns.coverage`). A region is taken
    over the same voxels in every volume. (nilearn counts missing voxels as 0 and takes those that
    nothing was measured in for values, which pulls a region at the edge of the field of view
    towards 0.) A region without such a voxel is taken over all of its voxels inside the mask,
    unless a coverage is asked for.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> halves = np.repeat([1, 2], 3)[:, None, None] * np.ones((6, 6, 6), dtype=np.int16)
    >>> atlas = nib.Nifti1Image(halves.astype(np.int16), run.affine)
    >>> masker = NiftiLabelsMasker(atlas, labels=["left", "right"], standardize="psc")
    >>> masker.set_output(transform="pandas").fit_transform(run).columns.tolist()
    ['left', 'right']
    >>> masker.region_ids_
    {0: 1, 1: 2}
    """

    resampling_target: str | None
    keep_masked_labels: bool
    _fitted_: Regions

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
        self._keep(locals())

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
    def region_atlas_(self) -> Any:
        """Image of the labels of the voxels that the columns of the last run are made of."""
        last = self._last_
        assert isinstance(last, Regions)
        ids = np.array([self.background_label, *self._table_.regions])
        codes = np.zeros(last.grid.n_voxels, dtype=np.int32)
        for row in self._rows_:
            codes[last.members[row]] = row + 1
        values = ids[codes].reshape(last.grid.shape, order="F")
        return make_image(values.astype(_label_dtype(values)), last.grid)

    # Fitting

    def _fit(self, series: Series | None, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(Statistic))
        check_choice("resampling_target", self.resampling_target, ("data", "labels", None))
        if self.labels_img is None:
            raise TypeError(
                "'labels_img' is None, but this input should be a NiftiLike object, or its path: "
                "the masker needs a label image."
            )
        say(self, "Loading regions from", self.labels_img)
        values, grid = read_labels(self.labels_img, tell=warn)
        present = labels_in(values)
        if np.array_equal(present, [self.background_label]):
            raise ValueError("Image has no label.")
        self._table_ = region_table(
            present,
            int(self.background_label),
            labels=self.labels,
            lut=self.lut,
            keep_absent=self.keep_empty,
        )
        target = self._fit_grid(grid, series)
        if target != grid:
            say(self, "Resampling regions")
        self._atlas_ = values, grid
        is_final = series is not None or self.resampling_target != "data"
        if self.mask_img_ is not None and is_final:
            self.mask_img_ = self._mask_on(target)
        self._fitted_ = self._placed_on(target)
        if is_final:
            _refuse_hidden(self._fitted_)
        moved = (
            values if target == grid else labels_on(values, grid, target, self.background_label)
        )
        self.labels_img_ = make_image(moved, target)
        self._rows_ = np.flatnonzero(self._is_kept(self._fitted_))

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

    # Placing

    def _placed_on(self, grid: Grid) -> Regions:
        """Regions on a grid, inside the mask; says which are lost on the way."""
        values, atlas_grid = self._atlas_
        mask = None if self.mask_img_ is None else mask_on(*mask_of(self.mask_img_), grid)
        placed = place_regions(
            values,
            atlas_grid,
            self._table_.regions,
            grid=grid,
            mask=mask,
            background=int(self.background_label),
        )
        if not placed.extent.n_on_grid.any():
            raise SpaceError(NONE_LEFT.format("resampling the labels image"))
        if grid != atlas_grid:
            self._warn_of_lost(placed)
        return placed

    def _warn_of_lost(self, placed: Regions) -> None:
        present = np.isin(self._table_.regions, labels_in(self._atlas_[0]))
        lost = np.flatnonzero(present & (placed.extent.n_on_grid == 0))
        if lost.size and not self.keep_empty:
            warn(
                "After resampling the label image to the data image, the following labels were "
                f"removed: {self._spelled(lost)}. No voxel of the run is nearest to them.",
                once=True,
            )

    def _is_kept(self, placed: Regions) -> BoolArray:
        """Whether a region has a column, as far as that can be told without a run."""
        if self.keep_empty:
            return np.ones(placed.n_columns, dtype=bool)
        if self.keep_masked_labels:
            return placed.extent.n_on_grid > 0
        return placed.extent.n_inside > 0

    # Transforming

    def _columns(self, series: Series) -> Columns:
        grid = Grid.from_image(self.labels_img_)
        if self.resampling_target is None:
            self._refuse_other_grids(grid, series)
        elif grid != series.grid:
            labels = self.resampling_target == "labels"
            warn((RESAMPLING_IMAGES if labels else RESAMPLING_ATLAS).format("labels"))
            grid = grid if labels else series.grid
        placed = self._fitted_ if self._fitted_.grid == grid else self._placed_on(grid)
        _refuse_hidden(placed)
        self._warn_of_masked(placed)
        return placed

    def _warn_of_masked(self, placed: Regions) -> None:
        hidden = np.flatnonzero((placed.extent.n_on_grid > 0) & (placed.extent.n_inside == 0))
        if hidden.size and not (self.keep_masked_labels or self.keep_empty):
            warn(
                "After applying mask to the labels image, the following labels were removed: "
                f"{self._spelled(hidden)}. No voxel of them lies inside the mask.",
                once=True,
            )

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        """Leave out regions that are not covered enough."""
        assert isinstance(columns, Regions)
        signals, used = extraction.signals, extraction.used
        if self.keep_empty:
            return signals, np.arange(columns.n_columns)
        if self.keep_masked_labels:
            signals[:, columns.extent.n_inside == 0] = 0
            rows = np.flatnonzero(columns.extent.n_on_grid > 0)
        else:
            rows = np.flatnonzero(used)
            self._warn_of_uncovered(np.flatnonzero(~used & (columns.extent.n_inside > 0)))
        return signals if rows.size == columns.n_columns else signals[:, rows], rows

    # Painting back

    def _inverse(self) -> tuple[Projection, Grid]:
        """Labels as they were fitted: columns are told apart by label, not by place."""
        return self._fitted_.painted(self._rows_), self._fitted_.grid


def _refuse_hidden(placed: Regions) -> None:
    if not placed.extent.n_inside.any():
        raise SpaceError(NONE_LEFT.format("applying mask to the labels image"))


def _label_dtype(values: Array) -> Any:
    return np.int32 if values.dtype.kind in "iu" else values.dtype
