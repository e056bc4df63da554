"""One column for each map of weights on surfaces."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import numpy as np

from bidsmask._typing import Array, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import Extraction
from bidsmask.columns.maps import Maps, place_maps
from bidsmask.columns.surface_maps import SurfaceMaps, maps_on, read_surface_maps
from bidsmask.errors import SpaceError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.images.surface_images import Likeness
from bidsmask.images.surface_series import open_surfaces
from bidsmask.maskers.maps import refuse_overlap
from bidsmask.maskers.notices import say, warn
from bidsmask.maskers.parameters import check_choice
from bidsmask.maskers.surface import OnSurfaces
from bidsmask.numerics.projections.regions import Projection
from bidsmask.vocabulary import MapsStatistic


class SurfaceMapsMasker(OnSurfaces):
    """One signal for each of several maps on surfaces, which may overlap.

    Parameters
    ----------
    maps_img : image on surfaces
        The maps, one per volume: a ``.dscalar.nii`` file, a pair of ``.shape.gii`` or
        ``.func.gii`` files, or nilearn's ``SurfaceImage``. NaN is 0.
    mask_img : image on surfaces, optional
        Vertices that are 0 are left out.
    allow_overlap : bool
        False: it is an error if a vertex has a weight, positive or negative, in several maps.
    smoothing_fwhm : number or None
        Full width at half maximum in mm of a Gaussian along the mesh, which a ``SurfaceImage``
        has; of other images see `meshes`. Voxels are smoothed inside of their structure.
    standardize, standardize_confounds, detrend, high_variance_confounds, low_pass, high_pass, t_r
        As of `SurfaceMasker`.
    dtype : dtype, "auto" or None
        Type of the signals, and of painted images. "auto" is float32; None is float32 if maps and
        images fit into that, else float64.
    memory, memory_level, verbose, reports, cmap, clean_args
        As of `SurfaceMasker`.
    strategy : {"least_squares", "weighted_mean"}
        The coefficients with which the maps, added up, come closest to a volume; or the mean of
        the volume weighted by each map, whatever the others are (weights are not negative then).
    keep_empty : bool
        Keep all maps, those without a value as columns of NaN.
    min_coverage : float
        A map is without a value, and takes no part in the fit of the others, if less than this
        share of its squared weight (0 to 1) is covered.
    meshes : dict, pair of paths, or nilearn's ``PolyMesh``, optional
        As of `SurfaceMasker`.

    Attributes
    ----------
    clean_args_ : dict
    maps_img_ : image on surfaces
        As it was given.
    mask_img_ : image or None
    n_elements_ : int
        Number of columns, P, of the run last transformed.
    map_numbers_ : int array of shape (P,)
        Which map each column is of, counted from 0.
    coverage_ : DataFrame
        After `transform`, of every map: see `NiftiLabelsMasker`.

    See Also
    --------
    NiftiMapsMasker : For volumes; what is fitted, and to what, is the same.
    SurfaceLabelsMasker : For regions that do not overlap.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(9), 9, "CortexLeft")
    >>> time = nib.cifti2.SeriesAxis(0, 2, 20)
    >>> run = nib.Cifti2Image(rng.normal(100, 1, (20, 9)), (time, axis))
    >>> maps = nib.Cifti2Image(rng.random((2, 9)), (nib.cifti2.ScalarAxis(["a", "b"]), axis))
    >>> SurfaceMapsMasker(maps).fit_transform(run).shape
    (20, 2)
    """

    unit: ClassVar[str] = "map"
    maps_img: Any
    allow_overlap: bool
    keep_empty: bool
    cmap: Any
    _fitted_: Maps
    _maps_: SurfaceMaps

    def __init__(
        self,
        maps_img: Any = None,
        mask_img: Any = None,
        allow_overlap: bool = True,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: bool = True,
        detrend: bool = False,
        high_variance_confounds: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        memory: Any = None,
        memory_level: int = 1,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "inferno",
        clean_args: dict[str, Any] | None = None,
        *,
        strategy: str = "least_squares",
        keep_empty: bool = False,
        min_coverage: float = 0.0,
        meshes: Any = None,
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
        image : of the kind of the last run, or else of the maps
        """
        return self._painted(region_signals)

    def generate_report(  # type: ignore[override]  # as of NiftiMapsMasker
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

    @property
    def map_numbers_(self) -> IntArray:
        """Which map each column is of, counted from 0."""
        self._refuse_unfitted()
        return self._rows_

    def _names(self) -> list[str]:
        prefix = type(self).__name__.lower()
        return [f"{prefix}{number}" for number in range(self._fitted_.n_columns)]

    def _fit(self, series: Any, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(MapsStatistic))
        if self.maps_img is None:
            raise ValueError(
                "Please provide a maps_img during initialization. For example, masker = "
                "SurfaceMapsMasker(maps_img=maps_img)."
            )
        say(self, "Loading regions from", self.maps_img)
        self._maps_ = read_surface_maps(self.maps_img)
        self.maps_img_ = self.maps_img
        like = series if series is not None else open_surfaces(self.maps_img)
        self._like_ = Likeness.of(like)
        self._fitted_ = self._placed_on(like.grid)
        inside = self._fitted_.extent.n_inside > 0
        self._rows_ = np.flatnonzero(inside | self.keep_empty)

    def _foresee(self) -> None:
        """Say now if the maps cannot be fitted."""
        self._fitted_.whole(self.strategy)

    def _placed_on(self, places: Grayordinates) -> Maps:
        placed = place_maps(maps_on(self._maps_, places), self._mask_here(places))
        if not placed.extent.n_inside.any():
            raise SpaceError(
                "No map left after applying mask to the maps image: none has a weight on a place "
                "of the run inside the mask."
            )
        if not self.allow_overlap:
            refuse_overlap(placed.weights)
        return placed

    def _columns(self, series: Any) -> Columns:
        placed = self._fitted_
        if placed.grid != series.grid:
            placed = self._placed_on(series.grid)
        lost = set(np.flatnonzero(placed.extent.n_inside == 0).tolist())
        if lost and not self.keep_empty:
            warn(
                f"Maps with the following indices were removed: {lost}. They have no weight on "
                "places of the run inside the mask. Choose keep_empty=True for columns of NaN.",
                once=True,
            )
        return placed

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        """Leave out maps that are not covered enough."""
        signals, used = extraction.signals, extraction.used
        if self.keep_empty:
            return signals, np.arange(columns.n_columns)
        rows = np.flatnonzero(used)
        lost = np.flatnonzero((columns.extent.n_inside > 0) & ~used)
        if lost.size:
            warn(
                f"Maps with the following indices were removed: {set(lost.tolist())}. Less than "
                f"{self.min_coverage:.0%} of their squared weight is covered.",
                once=True,
            )
        return signals if rows.size == columns.n_columns else signals[:, rows], rows

    def _dtype_of(self, series: Any) -> np.dtype[Any]:
        return np.dtype(np.result_type(self._maps_.weights.dtype, series.dtype, np.float32))

    def _inverse(self) -> tuple[Projection, Any]:
        columns = self._last_ if hasattr(self, "_last_") else self._fitted_
        assert isinstance(columns, Maps)
        paint = columns.painted if self.strategy == "least_squares" else columns.averaged
        return paint(self._rows_), columns.grid
