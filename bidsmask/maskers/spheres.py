"""One column for each ball of voxels around a seed."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, get_args

import numpy as np

from bidsmask._typing import Array, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import Extraction
from bidsmask.columns.spheres import Spheres, place_spheres
from bidsmask.images.grid import Grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import mask_on
from bidsmask.maskers.base import Masker, mask_of
from bidsmask.maskers.parameters import check_choice, is_number
from bidsmask.numerics.projections.regions import Projection
from bidsmask.vocabulary import Statistic


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
        of float32 and of unscaled integers of at most 32 bits, float64 for others. With float64
        all is computed in double precision, whatever the images are of.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level : int
        There so that scripts written for nilearn run; any level remembers the same.
    verbose : int or bool, default=0
        Print each step, from 1 on.
    reports : bool
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    strategy : str
        mean, median, sum, minimum, maximum, standard_deviation or variance (both with a divisor
        of n) of the sphere's voxels, or first_eigenvariate: their first principal component.
    keep_empty : bool
        Give spheres without a value, outside of the field of view or the mask, a column of NaN.
        False: they are an error.
    min_coverage : float
        A sphere is without a value if less than this share of the whole sphere (0 to 1) is
        covered: see `NiftiLabelsMasker`.

    Attributes
    ----------
    clean_args_ : dict
        The further arguments of `bidsmask.clean`.
    seeds_ : list of lists
    radii_ : list of numbers or None
        Radius of each sphere in mm.
    mask_img_ : image or None
    n_elements_ : int
        Number of seeds, P.
    n_voxels_ : int array of shape (P,)
        After `transform`: voxels of each sphere.

    coverage_ : DataFrame
        After `transform`, of every sphere: see `NiftiLabelsMasker`.

    See Also
    --------
    MultiNiftiSpheresMasker : For several runs.
    NiftiLabelsMasker : For regions of any shape.

    Notes
    -----
    Which voxels count is told as for `NiftiLabelsMasker`. Means of integers are not cut
    to integers, and a seed without a radius has one voxel; nilearn differs in both.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> masker = NiftiSpheresMasker([(6, 6, 6), (9, 9, 9)], radius=3, keep_empty=True)
    >>> masker.fit_transform(run).shape
    (20, 2)
    """

    unit: ClassVar[str] = "sphere"
    seeds: Any
    radius: Any
    allow_overlap: bool
    keep_empty: bool

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
        min_coverage: float = 0.0,
    ) -> None:
        self._keep(locals())

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
        from bidsmask.maskers.report.page import make_report  # jinja2

        return make_report(self, title, engine, displayed_spheres)

    def _names(self) -> list[str]:
        prefix = type(self).__name__.lower()
        return [f"{prefix}{number}" for number in range(len(self.seeds_))]

    def _fit(self, series: Series | None, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(Statistic))
        self.seeds_ = _checked_seeds(self.seeds)
        self.radii_ = _checked_radii(self.radius, len(self.seeds_))
        self._rows_ = np.arange(len(self.seeds_))

    @property
    def n_voxels_(self) -> IntArray:
        """Voxels of each sphere inside the mask, (P,)."""
        return self._coverage_.extent.n_inside

    def _placed_on(self, grid: Grid) -> Spheres:
        mask = None if self.mask_img_ is None else mask_on(*mask_of(self.mask_img_), grid)
        seeds = np.array(self.seeds_, dtype=np.float64).reshape(-1, 3)
        return place_spheres(seeds, self.radii_, grid=grid, mask=mask)

    def _columns(self, series: Series) -> Columns:
        return self._usable_on(series.grid)

    def _usable_on(self, grid: Grid) -> Spheres:
        """Place the spheres, and refuse those that have not been allowed."""
        placed = self._placed_on(grid)
        if not self.allow_overlap:
            _refuse_overlap(placed.members)
        if not self.keep_empty:
            _refuse_empty(placed.extent.n_inside)
        return placed

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        uncovered = np.flatnonzero(~extraction.used)
        if uncovered.size and not self.keep_empty:
            raise ValueError(
                f"Less than {self.min_coverage:.0%} of these spheres is covered: "
                f"{uncovered.tolist()}. Leave them out, or choose keep_empty=True."
            )
        return extraction.signals, np.arange(columns.n_columns)

    def _dtype_of(self, series: Series) -> np.dtype[Any]:
        return np.dtype(np.float64 if series.dtype.itemsize > 4 else np.float32)

    def _inverse(self) -> tuple[Projection, Grid]:
        if self.mask_img_ is None:
            raise ValueError(
                "Please provide mask_img at initialization to provide a reference for the "
                "inverse_transform: spheres alone do not say on which grid they are wanted."
            )
        grid = Grid.from_image(self.mask_img_)
        return self._usable_on(grid).painted(np.arange(len(self.seeds_))), grid


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
