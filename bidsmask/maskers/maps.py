"""One column for each map of weights, such as a network of an ICA."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.columns.maps import PlacedMaps, read_maps
from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series, open_series
from bidsmask.images.volumes import make_image, mask_on, refuse_other_grids
from bidsmask.maskers.base import Columns, Masker, mask_of
from bidsmask.maskers.extraction import Extraction
from bidsmask.maskers.notices import RESAMPLING_ATLAS, RESAMPLING_IMAGES, warn
from bidsmask.maskers.parameters import check_choice
from bidsmask.numerics.projections.map_weights import MapWeights
from bidsmask.numerics.projections.maps import MapFit, WeightedMeans
from bidsmask.numerics.projections.regions import Projection
from bidsmask.vocabulary import MapsStatistic

NONE_LEFT = "No map left after {}."


@dataclass(frozen=True, kw_only=True, eq=False)
class MapColumns(Columns):
    """Columns that are maps.

    Parameters
    ----------
    numbers : int array of shape (P,)
        Which map each column is of, counted from 0.
    hidden : bool array of shape (P,)
        Whether the map has no weight inside the mask.
    """

    numbers: IntArray
    hidden: BoolArray


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
    standardize_confounds, high_variance_confounds, detrend : bool
        See `bidsmask.clean` and `bidsmask.high_variance_confounds`.
    low_pass, high_pass : float or None
        Cut-offs in Hz.
    t_r : float or None
        Repetition time in seconds; a filter needs it.
    dtype : dtype, "auto" or None
        Type of the signals. "auto" is float32; None is float32 if maps and images fit into that,
        else float64.
    resampling_target : {"data", "mask", "maps", None}
        Onto whose grid the others are brought. Maps are interpolated linearly, masks take the
        nearest voxel, images are interpolated by cubic splines. None: different grids are an
        error.
    keep_masked_maps : bool
        Keep maps that the mask hides entirely, as columns of 0.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level, verbose : int
        There so that scripts written for nilearn run; any level remembers the same.
    reports : bool
    cmap : name of a colour map, or colour map
        Colours that maps are filled with in the report.
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    strategy : {"least_squares", "weighted_mean"}
        The coefficients with which the maps, added up, come closest to a volume; or the mean of
        the volume weighted by each map, whatever the others are (weights are not negative then).
    keep_empty : bool
        Keep all maps, those without weight inside the mask as columns of NaN.

    Attributes
    ----------
    maps_img_ : image
        On the grid of the run given to `fit`, or of the mask, if that is the target.
    mask_img_ : image or None
    n_elements_ : int
        Number of columns, P, of the run last transformed.
    map_numbers_ : int array of shape (P,)
        Which map each column is of, counted from 0. Names of columns count alike.

    Notes
    -----
    Voxels that are NaN or infinite are left out of the fit of their volume; nilearn counts them
    as 0.
    """

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
    ) -> None:
        self.maps_img = maps_img
        self.mask_img = mask_img
        self.allow_overlap = allow_overlap
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
        self.keep_masked_maps = keep_masked_maps
        self.memory = memory
        self.memory_level = memory_level
        self.verbose = verbose
        self.reports = reports
        self.cmap = cmap
        self.clean_args = clean_args
        self.strategy = strategy
        self.keep_empty = keep_empty

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
    def n_elements_(self) -> int:
        """Number of columns, P."""
        return int(self.map_numbers_.size)

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
            How many to show, or which, counted from 0.
        title : str, optional
        engine : str
            There so that scripts written for nilearn run; it changes nothing.

        Returns
        -------
        report : bidsmask.maskers.report.page.MaskerReport
            Displays itself in Jupyter; has `save_as_html` and `open_in_browser`.
        """
        from bidsmask.maskers.report.page import make_report  # jinja2 and matplotlib

        return make_report(self, title, engine, displayed_maps)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "map_numbers_")

    def _column_names(self) -> list[str]:
        return [f"{type(self).__name__.lower()}{number}" for number in self.map_numbers_]

    # Fitting

    def _fit(self, series: Series | None, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(MapsStatistic))
        check_choice("resampling_target", self.resampling_target, ("data", "mask", "maps", None))
        if self.maps_img is None:
            raise ValueError("'maps_img' is None; the masker needs an image of maps.")
        if self.resampling_target == "mask" and self.mask_img_ is None:
            raise ValueError(
                "resampling_target has been set to 'mask' but no mask has been provided. Give "
                "mask_img, or another resampling_target."
            )
        read = open_series(self.maps_img)
        target = self._fit_grid(read.grid, series)
        self._maps_ = read_maps(read, target)
        if not self._maps_.weights.support.size:
            self._refuse_nothing(read, target)
        if self.mask_img_ is not None and (series is not None or self.resampling_target != "data"):
            self.mask_img_ = make_image(mask_on(*mask_of(self.mask_img_), target), target)
        self._fitted_ = self._columns_on(self._maps_)
        self.map_numbers_ = self._fitted_.numbers

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

    def _columns_on(self, maps: PlacedMaps) -> MapColumns:
        """Maps inside the mask, on the grid on which the maps are."""
        weights = self._inside(maps)
        hidden: BoolArray = weights.sizes() == 0
        if hidden.all():
            raise SpaceError(NONE_LEFT.format("applying mask to the maps image"))
        if not self.allow_overlap:
            _refuse_overlap(weights)
        kept = np.ones(hidden.size, bool) if self.keep_masked_maps or self.keep_empty else ~hidden
        return MapColumns(
            projection=self._projection(weights.chosen(np.flatnonzero(kept))),
            grid=maps.grid,
            numbers=np.flatnonzero(kept),
            hidden=hidden[kept],
        )

    def _inside(self, maps: PlacedMaps) -> MapWeights:
        """Weights inside the mask."""
        if self.mask_img_ is None:
            return maps.weights
        return maps.weights.within(mask_on(*mask_of(self.mask_img_), maps.grid).ravel(order="F"))

    def _projection(self, weights: MapWeights) -> Projection:
        kind = MapFit if self.strategy == "least_squares" else WeightedMeans
        return kind(weights)

    # Transforming

    def _columns(self, series: Series) -> MapColumns:
        maps, columns = self._maps_, self._fitted_
        if self.resampling_target is None:
            self._refuse_other_grids(maps.grid, series)
        elif self.resampling_target == "data" and maps.grid != series.grid:
            warn(RESAMPLING_ATLAS.format("maps"))
            maps = maps.on(series.grid)
            if not maps.weights.support.size:
                raise SpaceError(NONE_LEFT.format("resampling maps_img"))
            columns = self._columns_on(maps)
        elif self.resampling_target == "maps" and maps.grid != series.grid:
            warn(RESAMPLING_IMAGES.format("maps"))
        self._warn_of_masked(columns.numbers, maps.weights.n_maps)
        return columns

    def _warn_of_masked(self, kept: IntArray, n_maps: int) -> None:
        lost = set(range(n_maps)) - set(kept.tolist())
        if lost:
            warn(
                "After applying mask to the maps image, maps with the following indices were "
                f"removed: {lost}. They have no weight inside the mask."
            )

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, dict[str, Any]]:
        assert isinstance(columns, MapColumns)
        if not self.keep_empty:
            extraction.signals[:, columns.hidden] = 0
        return extraction.signals, {"map_numbers_": columns.numbers}

    def _dtype_of(self, series: Series) -> np.dtype[Any]:
        return np.dtype(np.result_type(self._maps_.weights.dtype, series.dtype, np.float32))

    # Painting back

    def _inverse(self) -> Columns:
        projection = self._projection(self._inside(self._maps_).chosen(self.map_numbers_))
        return Columns(projection=projection, grid=self._maps_.grid)


def _refuse_overlap(weights: MapWeights) -> None:
    """Refuse voxels with a weight of either sign in several maps."""
    n_maps = weights.n_maps_of_voxels(least=np.finfo(weights.dtype).eps)
    n_shared = int(np.count_nonzero(n_maps > 1))
    if n_shared:
        raise ValueError(
            f"Overlap detected in the maps: {n_shared} voxels have a weight in several. The "
            "overlap may be in the atlas, or come from resampling."
        )
