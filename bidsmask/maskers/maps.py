"""One column for each map of weights, such as a network of an ICA."""

from typing import Any, ClassVar, get_args

import numpy as np

from bidsmask._typing import Array, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import Extraction
from bidsmask.columns.maps import Maps, PlacedMaps, place_maps, read_maps
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series, open_series
from bidsmask.images.volumes import make_image, mask_on, refuse_other_grids
from bidsmask.maskers.base import Masker, mask_of
from bidsmask.maskers.notices import RESAMPLING_ATLAS, RESAMPLING_IMAGES, say, warn
from bidsmask.maskers.parameters import check_choice
from bidsmask.numerics.projections.map_weights import MapWeights
from bidsmask.numerics.projections.regions import Projection
from bidsmask.vocabulary import MapsStatistic

NONE_LEFT = "No map left after {}."


class NiftiMapsMasker(Masker):
    """One signal for each of several maps, which may overlap.

    Parameters
    ----------
    maps_img : image of four dimensions
        The maps, one per volume; one of three dimensions is a single map. NaN is 0.
    mask_img : image, optional
        Voxels outside are left out.
    allow_overlap : bool
        False: it is an error if a voxel has a weight, positive or negative, in several maps.
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
        Type of the signals, and of painted images. "auto" is float32; None is float32 if maps and
        images fit into that, else float64. With float64 all is computed in double precision,
        whatever images are of.
    resampling_target : {"data", "mask", "maps", None}
        Onto whose grid the others are brought. Maps are interpolated linearly, masks take the
        nearest voxel, images are interpolated by cubic splines. None: different grids are an
        error.
    keep_masked_maps : bool
        Keep maps that the mask hides entirely, as columns of 0.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level : int
        There so that scripts written for nilearn run; any level remembers the same.
    verbose : int or bool, default=0
        Print each step, from 1 on.
    reports : bool
    cmap : name of a colour map, or colour map
        Colours that maps are filled with in the report.
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    strategy : {"least_squares", "weighted_mean"}
        The coefficients with which the maps, added up, come closest to a volume; or the mean of
        the volume weighted by each map, whatever the others are (weights are not negative then).
    keep_empty : bool
        Keep all maps, those without a value as columns of NaN.
    min_coverage : float
        A map is without a value, and takes no part in the fit of the others, if less than this
        share of its squared weight (0 to 1) is covered: see Notes. It is a share of the whole map,
        also beyond the field of view.

    Attributes
    ----------
    clean_args_ : dict
        The further arguments of `bidsmask.clean`.
    maps_img_ : image
        On the grid of the run given to `fit`, or of the mask, if that is the target.
    mask_img_ : image or None
    n_elements_ : int
        Number of columns, P, of the run last transformed.
    map_numbers_ : int array of shape (P,)
        Which map each column is of, counted from 0. Names of columns count alike.

    coverage_ : DataFrame
        After `transform`, of every map: see `NiftiLabelsMasker`.

    See Also
    --------
    MultiNiftiMapsMasker : For several runs.
    NiftiLabelsMasker : For regions that do not overlap.

    Notes
    -----
    A voxel takes part in the fit if it lies inside the mask, is finite in all volumes of the run
    and, where there are several, is not the same in all of them (`bidsmask.columns.coverage`);
    nilearn counts missing voxels as 0. A map without such a voxel is fitted to all of its voxels
    inside the mask, unless a coverage is asked for.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> maps = nib.Nifti1Image(np.random.default_rng(1).random((6, 6, 6, 2)), run.affine)
    >>> masker = NiftiMapsMasker(maps)
    >>> signals = masker.fit_transform(run)
    >>> signals.shape
    (20, 2)
    >>> masker.inverse_transform(signals).shape
    (6, 6, 6, 20)
    """

    unit: ClassVar[str] = "map"
    maps_img: Any
    allow_overlap: bool
    resampling_target: str | None
    keep_masked_maps: bool
    keep_empty: bool
    _fitted_: Maps

    def __init__(
        self,
        maps_img: Any = None,
        mask_img: Any = None,
        allow_overlap: bool = True,
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
        keep_masked_maps: bool = False,
        memory: Any = None,
        memory_level: int = 0,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "CMRmap_r",
        clean_args: dict[str, Any] | None = None,
        *,
        strategy: str = "least_squares",
        keep_empty: bool = False,
        min_coverage: float = 0.0,
    ) -> None:
        self._keep(locals())

    def inverse_transform(self, region_signals: Any) -> Any:
        """Add the maps up, each times its column ("weighted_mean": average the columns).

        Parameters
        ----------
        region_signals : array of shape (T, P) or (P,)
            Columns as the last `transform` gave them (or as `fit` foretold them).

        Returns
        -------
        image : nibabel.Nifti1Image of shape (X, Y, Z, T) or (X, Y, Z)
            On the grid of `maps_img_`; units and repetition time are those of the run.
        """
        return self._painted(region_signals)

    @property
    def map_numbers_(self) -> IntArray:
        """Which map each column is of, counted from 0."""
        self._refuse_unfitted()
        return self._rows_

    def generate_report(  # type: ignore[override]  # the order of the arguments is nilearn's
        self,
        displayed_maps: Any = 10,
        title: str | None = None,
        engine: str = "matplotlib",
    ) -> Any:
        """Show what the masker has learned, and what it has read off the last run.

        Parameters
        ----------
        displayed_maps : int, list of int, or "all"
            How many to show, or which, counted from 0. Others than there are, are warned of.
        title : str, optional
        engine : str
            There so that scripts written for nilearn run; it changes nothing.

        Returns
        -------
        report : bidsmask.maskers.report.page.MaskerReport
            Displays itself in Jupyter; has `save_as_html` and `open_in_browser`.
        """
        from bidsmask.maskers.report.page import make_report  # jinja2

        return make_report(self, title, engine, displayed_maps)

    def _names(self) -> list[str]:
        prefix = type(self).__name__.lower()
        return [f"{prefix}{number}" for number in range(self._fitted_.n_columns)]

    # Fitting

    def _fit(self, series: Series | None, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(MapsStatistic))
        check_choice("resampling_target", self.resampling_target, ("data", "mask", "maps", None))
        if self.maps_img is None:
            raise TypeError(
                "'maps_img' is None, but this input should be a NiftiLike object, or its path: "
                "the masker needs an image of maps."
            )
        if self.resampling_target == "mask" and self.mask_img_ is None:
            raise ValueError(
                "resampling_target has been set to 'mask' but no mask has been provided. Give "
                "mask_img, or another resampling_target."
            )
        say(self, "Loading regions from", self.maps_img)
        read = open_series(self.maps_img)
        target = self._fit_grid(read.grid, series)
        if target != read.grid:
            say(self, "Resampling regions")
        self._maps_ = read_maps(read, target)
        if not self._maps_.weights.support.size:
            self._refuse_nothing(read, target)
        is_final = series is not None or self.resampling_target != "data"
        if self.mask_img_ is not None and is_final:
            self.mask_img_ = self._mask_on(target)
        self._fitted_ = self._placed_on(self._maps_)
        if is_final:
            _refuse_hidden(self._fitted_)
        every = self.keep_masked_maps or self.keep_empty
        inside = self._fitted_.extent.n_inside > 0
        self._rows_ = np.flatnonzero(inside | every)

    def _foresee(self) -> None:
        """Say now if the maps cannot be fitted."""
        if self._rows_.size:
            self._fitted_.whole(self.strategy)

    def _refuse_nothing(self, read: Series, target: Grid) -> None:
        """Say why there is no map on the grid that was wanted."""
        if target != read.grid and read_maps(read, read.grid).weights.support.size:
            raise SpaceError(NONE_LEFT.format("resampling maps_img"))
        raise ValueError("maps_img contains no map: all its weights are 0.")

    def _fit_grid(self, maps: Grid, series: Series | None) -> Grid:
        """Grid of the maps from now on."""
        if self.resampling_target is None:
            self._refuse_other_grids(maps, series)
        if self.resampling_target == "mask":
            return Grid.from_image(self.mask_img_)
        if self.resampling_target == "data" and series is not None:
            return series.grid
        return maps

    def _refuse_other_grids(self, maps: Grid, series: Series | None) -> None:
        grids = {"maps": maps}
        if self.mask_img_ is not None:
            grids["mask"] = Grid.from_image(self.mask_img_)
        if series is not None:
            grids["data"] = series.grid
        refuse_other_grids(grids)

    # Placing

    @property
    def maps_img_(self) -> Any:
        """The maps as an image, made when it is asked for."""
        return make_image(self._maps_.array(), self._maps_.grid)

    def _placed_on(self, maps: PlacedMaps) -> Maps:
        """Maps inside the mask, on the grid on which the maps are."""
        mask = None if self.mask_img_ is None else mask_on(*mask_of(self.mask_img_), maps.grid)
        placed = place_maps(maps, mask)
        if not self.allow_overlap:
            refuse_overlap(placed.weights)
        return placed

    # Transforming

    def _columns(self, series: Series) -> Columns:
        maps, placed = self._maps_, self._fitted_
        if self.resampling_target is None:
            self._refuse_other_grids(maps.grid, series)
        elif self.resampling_target == "data" and maps.grid != series.grid:
            warn(RESAMPLING_ATLAS.format("maps"))
            maps = maps.on(series.grid)
            if not maps.weights.support.size:
                raise SpaceError(NONE_LEFT.format("resampling maps_img"))
            placed = self._placed_on(maps)
        elif self.resampling_target == "maps" and maps.grid != series.grid:
            warn(RESAMPLING_IMAGES.format("maps"))
        _refuse_hidden(placed)
        self._warn_of_masked(placed)
        return placed

    def _warn_of_masked(self, placed: Maps) -> None:
        lost = set(np.flatnonzero(placed.extent.n_inside == 0).tolist())
        if lost and not (self.keep_masked_maps or self.keep_empty):
            where, what = (
                ("resampling", "the grid of the run")
                if self.mask_img_ is None
                else ("applying mask to", "the mask")
            )
            warn(
                f"After {where} the maps image, maps with the following indices were removed: "
                f"{lost}. They have no weight inside {what}. Choose keep_empty=True for columns "
                "of NaN.",
                once=True,
            )

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        """Leave out maps that are not covered enough."""
        assert isinstance(columns, Maps)
        signals, inside = extraction.signals, columns.extent.n_inside > 0
        if self.keep_empty:
            return signals, np.arange(columns.n_columns)
        if self.keep_masked_maps:
            signals[:, ~inside] = 0
            return signals, np.arange(columns.n_columns)
        lost = np.flatnonzero(inside & ~extraction.used)
        if lost.size:
            warn(
                f"Maps with the following indices were removed: {set(lost.tolist())}. Less than "
                f"{self.min_coverage:.0%} of their squared weight lie inside the mask, on voxels "
                "that hold finite numbers that change.",
                once=True,
            )
        rows = np.flatnonzero(extraction.used)
        return signals if rows.size == columns.n_columns else signals[:, rows], rows

    def _dtype_of(self, series: Series) -> np.dtype[Any]:
        return np.dtype(np.result_type(self._maps_.weights.dtype, series.dtype, np.float32))

    # Painting back

    def _inverse(self) -> tuple[Projection, Grid]:
        fitted = self._fitted_
        paint = fitted.painted if self.strategy == "least_squares" else fitted.averaged
        return paint(self._rows_), fitted.grid


def _refuse_hidden(placed: Maps) -> None:
    if not placed.extent.n_inside.any():
        raise SpaceError(NONE_LEFT.format("applying mask to the maps image"))


def refuse_overlap(weights: MapWeights) -> None:
    """Refuse voxels with a weight of either sign in several maps."""
    n_maps = weights.n_maps_of_voxels(least=np.finfo(weights.dtype).eps)
    n_shared = int(np.count_nonzero(n_maps > 1))
    if n_shared:
        raise ValueError(
            f"Overlap detected in the maps: {n_shared} voxels have a weight in several. The "
            "overlap may be in the atlas, or come from resampling."
        )
