"""One column for each ball of voxels around a seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from bidsmask._typing import Array, BoolArray, IntArray
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import mask_on
from bidsmask.maskers.base import Columns, Masker, mask_of
from bidsmask.maskers.parameters import check_choice, is_number
from bidsmask.numerics.projections.regions import (
    Projection,
    RegionStatistic,
    SphereMeans,
)
from bidsmask.numerics.projections.spheres import voxels_in_spheres
from bidsmask.vocabulary import Statistic


@dataclass(frozen=True, kw_only=True, eq=False)
class SphereColumns(Columns):
    """Columns that are spheres.

    Parameters
    ----------
    n_voxels : int array of shape (P,)
    """

    n_voxels: IntArray


class NiftiSpheresMasker(Masker):
    """One signal for each seed: of the voxels around it.

    Parameters
    ----------
    seeds : list of three numbers each
        World coordinates in mm.
    radius : number, one for each seed, or None
        In mm: voxels whose centres are not further than that from the seed. The voxel that the
        seed lies in always belongs to its sphere; with None it is the only one.
    mask_img : image, optional
        Voxels outside belong to no sphere. `inverse_transform` needs it.
    allow_overlap : bool
        False: it is an error if a voxel is in several spheres.
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
        Type of the signals. "auto" is float32; None is float32 for images of float32 and of
        unscaled integers of at most 32 bits, float64 for others.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level, verbose : int
        There so that scripts written for nilearn run; any level remembers the same.
    reports : bool
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    strategy : str
        mean, median, sum, minimum, maximum, standard_deviation or variance (both with a divisor
        of n) of the sphere's voxels, or first_eigenvariate: their first principal component.
    keep_empty : bool
        Give spheres without a voxel, outside of the field of view or the mask, a column of NaN.
        False: they are an error.

    Attributes
    ----------
    seeds_ : list of lists
    radii_ : list of numbers or None
        Radius of each sphere in mm.
    mask_img_ : image or None
    n_elements_ : int
        Number of seeds, P.
    n_voxels_ : int array of shape (P,)
        After `transform`: voxels of each sphere.

    Notes
    -----
    A voxel that is NaN or infinite in a volume is left out of it. Means of integers are not cut
    to integers, and a seed without a radius has one voxel; nilearn differs in both.
    """

    def __init__(
        self,
        seeds: Any = None,
        radius: Any = None,
        mask_img: Any = None,
        allow_overlap: bool = False,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        memory: Any = None,
        memory_level: int = 1,
        verbose: int = 0,
        reports: bool = True,
        clean_args: dict[str, Any] | None = None,
        *,
        strategy: str = "mean",
        keep_empty: bool = False,
    ) -> None:
        self.seeds = seeds
        self.radius = radius
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
        self.memory = memory
        self.memory_level = memory_level
        self.verbose = verbose
        self.reports = reports
        self.clean_args = clean_args
        self.strategy = strategy
        self.keep_empty = keep_empty

    def inverse_transform(self, region_signals: Any) -> Any:
        """Paint the voxels of each sphere with its value; voxels of several get their mean.

        Parameters
        ----------
        region_signals : array of shape (T, P) or (P,)

        Returns
        -------
        image : nibabel.Nifti1Image of shape (X, Y, Z, T) or (X, Y, Z)
            On the grid of the mask; units and repetition time are those of the run.

        Raises
        ------
        ValueError
            If there is no `mask_img`: nothing else says what the grid is.
        """
        return self._painted(region_signals)

    def generate_report(  # type: ignore[override]  # the order of the arguments is nilearn's
        self,
        displayed_spheres: Any = "all",
        title: str | None = None,
        engine: str = "matplotlib",
    ) -> Any:
        """Show what the masker has learned, and what it has read off the last run.

        Parameters
        ----------
        displayed_spheres : int, list of int, or "all"
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

        return make_report(self, title, engine, displayed_spheres)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_elements_")

    def _fit(self, series: Series | None, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(Statistic))
        self.seeds_ = _checked_seeds(self.seeds)
        self.radii_ = _checked_radii(self.radius, len(self.seeds_))
        self.n_elements_ = len(self.seeds_)

    def _columns(self, series: Series) -> SphereColumns:
        mask = None if self.mask_img_ is None else mask_on(*mask_of(self.mask_img_), series.grid)
        return self._columns_on(series.grid, mask)

    def _columns_on(self, grid: Grid, mask: BoolArray | None) -> SphereColumns:
        spheres = voxels_in_spheres(
            np.array(self.seeds_, dtype=np.float64), self.radii_, grid.shape, grid.affine, mask
        )
        if not self.allow_overlap:
            _refuse_overlap(spheres)
        n_voxels = np.array([voxels.size for voxels in spheres], dtype=np.intp)
        if not self.keep_empty:
            _refuse_empty(n_voxels)
        return SphereColumns(projection=self._projection(spheres), grid=grid, n_voxels=n_voxels)

    def _projection(self, spheres: Sequence[IntArray]) -> Projection:
        if self.strategy == "mean":
            return SphereMeans(spheres)
        return RegionStatistic(spheres, self.strategy)

    def _finish(self, extraction: Any, columns: Columns) -> tuple[Array, dict[str, Any]]:
        assert isinstance(columns, SphereColumns)
        return extraction.signals, {"n_voxels_": columns.n_voxels}

    def _dtype_of(self, series: Series) -> np.dtype[Any]:
        return np.dtype(np.float64 if series.dtype.itemsize > 4 else np.float32)

    def _inverse(self) -> Columns:
        if self.mask_img_ is None:
            raise ValueError(
                "Please provide mask_img at initialization to provide a reference for the "
                "inverse_transform: spheres alone do not say on which grid they are wanted."
            )
        mask, grid = mask_of(self.mask_img_)
        spheres = voxels_in_spheres(
            np.array(self.seeds_, dtype=np.float64), self.radii_, grid.shape, grid.affine, mask
        )
        return Columns(projection=SphereMeans(spheres), grid=grid)


def _checked_seeds(seeds: Any) -> list[list[Any]]:
    """Seeds as lists of three coordinates."""
    error = "Seeds must be a list of triplets of coordinates in native space.\n"
    if not isinstance(seeds, Iterable):
        raise ValueError(f"{error}Given seed list is of type: {type(seeds)}")
    checked = []
    for number, seed in enumerate(seeds):
        if not hasattr(seed, "__len__"):
            raise ValueError(
                f"{error}Seed #{number} is not a valid triplet of coordinates. It is of type "
                f"{type(seed).__name__}."
            )
        if len(seed) != 3:
            raise ValueError(f"{error}Seed #{number} is of length {len(seed)} instead of 3.")
        checked.append(seed.tolist() if isinstance(seed, np.ndarray) else list(seed))
    return checked


def _checked_radii(radius: Any, n_seeds: int) -> list[float | None]:
    """Radius of each sphere."""
    if radius is None or is_number(radius):
        radii = [radius] * n_seeds
    elif isinstance(radius, str) or not isinstance(radius, Iterable):
        raise TypeError(f"'radius' must be a number of mm, one for each seed, or None: {radius!r}")
    else:
        radii = list(radius)
    if len(radii) != n_seeds:
        raise ValueError(f"There are {len(radii)} radii for {n_seeds} seeds; give one for each.")
    for each in radii:
        if each is not None and (not is_number(each) or not 0 <= each < np.inf):
            raise ValueError(f"A radius is a number of mm from 0 on, or None, and not {each!r}.")
    return radii


def _refuse_empty(n_voxels: IntArray) -> None:
    empty = np.flatnonzero(n_voxels == 0)
    if empty.size:
        raise ValueError(
            f"These spheres are empty: {empty.tolist()}. They lie outside of the image or the "
            "mask; leave them out, enlarge the radius, or choose keep_empty=True."
        )


def _refuse_overlap(spheres: Sequence[IntArray]) -> None:
    if not spheres:
        return
    _, counts = np.unique(np.concatenate(spheres), return_counts=True)
    n_shared = int(np.count_nonzero(counts > 1))
    if n_shared:
        raise ValueError(
            f"Overlap detected between spheres: {n_shared} voxels are in several. Make the "
            "radius smaller, or allow_overlap."
        )
