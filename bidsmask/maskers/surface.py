"""Maskers of images on surfaces: CIFTI, pairs of GIFTI, and nilearn's ``SurfaceImage``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import Extraction
from bidsmask.columns.regions import Regions
from bidsmask.columns.surface_labels import (
    SurfaceLabels,
    place_surface_regions,
    read_surface_labels,
)
from bidsmask.columns.table import LookUpTable
from bidsmask.columns.voxels import Voxels, place_voxels
from bidsmask.errors import AtlasError, SpaceError
from bidsmask.images.grayordinates import Grayordinates
from bidsmask.images.meshes import areas_on, read_meshes
from bidsmask.images.surface_images import Likeness
from bidsmask.images.surface_series import SurfaceSeries, open_surfaces
from bidsmask.images.surfaces import are_surfaces, is_surface, joined, parts_of
from bidsmask.maskers.base import Masker, signals_to_paint
from bidsmask.maskers.confounds import high_variance_confounds
from bidsmask.maskers.naming import BACKGROUND, RegionTable, matched_names, read_table
from bidsmask.maskers.notices import say, warn
from bidsmask.maskers.parameters import check_choice, output_dtype
from bidsmask.maskers.regions import RegionsMasker
from bidsmask.numerics.projections.regions import Projection
from bidsmask.vocabulary import Statistic


class OnSurfaces(Masker):
    """What maskers of surfaces do otherwise than those of volumes."""

    _on_surfaces: ClassVar[bool] = True
    meshes: Any
    _like_: Likeness

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.niimg_like, tags.input_tags.surf_img = False, True  # nilearn's two
        return tags

    def write_inverse(self, signals: Any, path: str | Path) -> None:
        """Write the image that `inverse_transform` gives, where it is one file: of CIFTI.

        Parameters
        ----------
        signals : array of shape (T, P) or (P,)
        path : path
            Of a ``.dtseries.nii`` file (``.dscalar.nii`` for signals of shape (P,)).

        Raises
        ------
        ValueError
            If the masker works with something else than CIFTI, or the file has another name.
        """
        ending = ".dtseries.nii" if np.ndim(signals) == 2 else ".dscalar.nii"
        self._refuse_unfitted()
        if self._like_.kind != "cifti" or not str(path).endswith(ending):
            raise ValueError(
                f"{path}: only a CIFTI image can be written as one file, which is called "
                f"{ending}. Otherwise save what inverse_transform gives."
            )
        self._painted(signals).to_filename(Path(path).expanduser())

    def _open(self, imgs: Any) -> Any:
        if are_surfaces(imgs):
            imgs = joined(list(imgs), None)  # images of one volume each
        series = open_surfaces(imgs)
        return series if self.meshes is None else series.on_meshes(read_meshes(self.meshes))

    def _learn(self, imgs: Any, *, look: bool = False) -> Any:
        return super()._learn(imgs)  # no picture is kept

    @property
    def _smoothing(self) -> float | None:
        """Width along a mesh, which has no axes to tell apart."""
        fwhm = self.smoothing_fwhm
        if not (fwhm is None or isinstance(fwhm, int | float | np.number)):
            raise TypeError(f"On surfaces, smoothing_fwhm is one number in mm, not {fwhm!r}.")
        return None if fwhm is None else float(fwhm)

    @property
    def _pictures(self) -> bool:
        return False

    def _identity(self, imgs: Any) -> Any:
        meshes = self._open(imgs).meshes if self.smoothing_fwhm else {}
        arrays = {name: (mesh.coordinates, mesh.faces) for name, mesh in meshes.items()}
        return self._identity_of_values(imgs), arrays

    def _identity_of_values(self, imgs: Any) -> Any:
        if isinstance(imgs, str | Path):
            return super()._identity(imgs)
        if isinstance(imgs, Mapping):
            return [(side, self._identity_of_values(img)) for side, img in imgs.items()]
        if isinstance(imgs, list | tuple):
            return [self._identity_of_values(img) for img in imgs]
        import joblib

        if is_surface(imgs):
            return joblib.hash(parts_of(imgs))
        arrays = getattr(imgs, "darrays", None)
        values = [imgs.dataobj] if arrays is None else [each.data for each in arrays]
        return joblib.hash([np.asanyarray(each) for each in values])

    def _with_high_variance(self, imgs: Any, confounds: Any) -> Any:
        if not self.high_variance_confounds:
            return confounds
        given = confounds if isinstance(confounds, list | tuple) else [confounds]
        computed = high_variance_confounds(self._open(imgs).values().T)
        return [computed, *(item for item in given if item is not None)]

    # The mask

    def _read_mask(self) -> Any:
        """Read the mask; an image of it is made like the one that was given."""
        self._inside_: tuple[Grayordinates, BoolArray] | None = None
        if self.mask_img is None:
            return None
        say(self, "Loading mask from", self.mask_img)
        series = open_surfaces(self.mask_img)
        values = series.values()[:, 0]
        known = np.isfinite(values)
        if not known.all():
            warn("Non-finite values detected in the mask: these places are left out.")
        return self._image_of_mask(series, known & (values != 0))

    def _image_of_mask(self, series: SurfaceSeries, inside: BoolArray) -> Any:
        if not inside.any():
            raise ValueError(
                f"The mask is invalid as it is empty: it masks all data ({series.name})."
            )
        self._inside_ = series.grid, inside
        self._like_ = Likeness.of(series)
        kind = bool if series.kind == "image" else np.int32
        return self._like_.image(inside.astype(kind))

    def _mask_here(self, places: Grayordinates) -> BoolArray | None:
        """Bring the mask onto places: which of them (V,) lie inside."""
        if self._inside_ is None:
            return None
        theirs, inside = self._inside_
        positions = places.positions_in(theirs)
        here: BoolArray = (positions >= 0) & inside[positions]
        return here

    # Transforming and painting back

    def _format_of(self, series: Any) -> dict[str, Any]:
        return {"_header_": None, "_like_": Likeness.of(series)}

    def _painted(self, signals: Any) -> Any:
        columns = signals_to_paint(signals, self.n_elements_, self.dtype)
        say(self, "Computing image from signals")
        projection, _ = self._inverse()
        painted = projection.expand(np.atleast_2d(columns))
        dtype = output_dtype(self.dtype, columns.dtype)
        values = np.zeros((self._like_.places.n_voxels, len(painted)), dtype=dtype)
        values[projection.support] = painted.T
        return self._like_.image(values if columns.ndim == 2 else values[:, 0], self.t_r)

    def _inverse(self) -> tuple[Projection, Any]:
        columns = self._last_ if hasattr(self, "_last_") else self._fitted_
        return columns.painted(self._rows_), columns.grid


class SurfaceMasker(OnSurfaces):
    """The signal of each vertex of a mask; of grayordinates, also of voxels.

    Parameters
    ----------
    mask_img : image on surfaces, optional
        The vertices to take: those that are not 0. Without it, `fit` takes all vertices that are
        finite in its images.
    smoothing_fwhm : number or None
        Full width at half maximum in mm of a Gaussian along the mesh, which a ``SurfaceImage``
        has; of other images see `meshes`. Voxels are smoothed inside of their structure.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}
        Standard scores with the sample or the population standard deviation, percent change, or
        nothing (False, None). True is "zscore_sample".
    standardize_confounds : bool
        Scale the confounds to unit variance before they are regressed out.
    detrend : bool
        Take a straight line out of the signals.
    high_variance_confounds : bool
        Regress out what the vertices of highest variance share, too.
    low_pass : float or None
        Cut-off in Hz; what is faster is taken out.
    high_pass : float or None
        Cut-off in Hz; what is slower is taken out.
    t_r : float or None
        Repetition time in seconds; a filter needs it.
    dtype : dtype, "auto" or None
        Type of the signals, and of painted images. "auto" is float32; None is float32 for images
        of float32 and of unscaled integers, float64 for others.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level : int
        There so that scripts written for nilearn run; any level remembers the same.
    verbose : int or bool, default=0
        Print each step, from 1 on.
    reports : bool
    cmap : name of a colour map, or colour map
        There so that scripts written for nilearn run: the mask is drawn in one colour.
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    meshes : dict, pair of paths, or nilearn's ``PolyMesh``, optional
        ``{"left": mesh, "right": mesh}``, each a ``.surf.gii`` file, or an object with
        ``coordinates`` and ``faces``; to smooth along. They go before those of an image.

    Attributes
    ----------
    clean_args_ : dict
    mask_img_ : image
        Of the kind that was given.
    n_elements_ : int
        Places of the mask, P.

    See Also
    --------
    SurfaceLabelsMasker : For regions of an atlas.
    MultiSurfaceMasker : For several runs.

    Notes
    -----
    An image on surfaces is a ``.dtseries.nii`` file or a ``Cifti2Image``; a pair of ``.func.gii``
    files, as ``{"left": path, "right": path}`` or in a list; or nilearn's ``SurfaceImage``. Files
    are read in blocks. Vertices are matched by hemisphere and number, voxels by where they lie. A
    vertex that is NaN or infinite is 0.

    Smoothing is that of ``wb_command -metric-smoothing``: a Gaussian of the distance along the
    surface, weighted by the area of vertices. One that is missing, or the same in all volumes,
    stays as it is, and nothing of it gets into others. (nilearn averages neighbours in rounds,
    zeros among them; how many rounds is a whole number, so that small widths do nothing.)

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(9), 9, "CortexLeft")
    >>> time = nib.cifti2.SeriesAxis(0, 2, 20)
    >>> values = np.random.default_rng(0).normal(100, 1, (20, 9))
    >>> run = nib.Cifti2Image(values, (time, axis))
    >>> masker = SurfaceMasker(standardize="zscore_sample")
    >>> masker.fit_transform(run).shape
    (20, 9)
    """

    unit: ClassVar[str] = "vertex"
    _missing: ClassVar[str] = "These values become 0."
    cmap: Any
    _fitted_: Voxels

    def __init__(
        self,
        mask_img: Any = None,
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
        meshes: Any = None,
    ) -> None:
        self._keep(locals())

    def inverse_transform(self, signals: Any) -> Any:
        """Put each value back into its place.

        Parameters
        ----------
        signals : array of shape (T, P) or (P,)

        Returns
        -------
        image : of the kind of the last run, or else of the mask
            0 outside of the mask.
        """
        return self._painted(signals)

    def _names(self) -> list[str]:
        prefix = type(self).__name__.lower()
        return [f"{prefix}{number}" for number in range(self._fitted_.n_columns)]

    def _warn_before_fit(self, imgs: Any) -> None:
        if self.mask_img is not None and imgs is not None:
            warn(
                f"[{type(self).__name__}.fit] Generation of a mask has been requested (imgs != "
                "None) while a mask was given at masker creation. Given mask will be used.",
                RuntimeWarning,
            )

    def _fit(self, series: Any, imgs: Any) -> None:
        if self._inside_ is None:
            if series is None:
                raise ValueError(
                    f"Parameter 'imgs' must be provided to {type(self).__name__}.fit() if no "
                    "mask is passed to mask_img: the mask is computed from them."
                )
            say(self, "Computing mask")
            self.mask_img_ = self._image_of_mask(series, self._finite(series, imgs))
        assert self._inside_ is not None
        places, inside = self._inside_
        self._fitted_ = place_voxels(np.flatnonzero(inside), places)
        self._rows_ = np.arange(self._fitted_.n_columns)

    def _finite(self, series: SurfaceSeries, imgs: Any) -> BoolArray:
        """Find the vertices that are finite in all volumes, and say if some are not."""
        finite = series.finite()
        if not finite.all():
            warn(
                "Non-finite values detected in the input image. The computed mask will mask out "
                "these vertices."
            )
        return finite

    def _columns(self, series: Any) -> Columns:
        """Find the places of the mask in a run, in the order of the mask."""
        if self._fitted_.grid == series.grid:
            return self._fitted_
        assert self._inside_ is not None
        places, inside = self._inside_
        positions = places.positions_in(series.grid)[inside]
        n_lost = int(np.count_nonzero(positions < 0))
        if n_lost:
            raise SpaceError(
                f"{series.name} lacks {n_lost} of the {positions.size} places of the mask: it "
                f"lies on {series.grid}, the mask on {places}. Give a mask of what all runs have."
            )
        return place_voxels(positions, series.grid)

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        """Make missing values 0: what comes next, in scikit-learn, takes no others."""
        assert isinstance(columns, Voxels)
        signals = extraction.signals
        missing = ~extraction.finite[columns.indices]
        if missing.any():
            known = np.isfinite(signals[:, missing])
            signals[:, missing] = np.where(known, signals[:, missing], 0)
        return signals, np.arange(columns.n_columns)

    def _dtype_of(self, series: Any) -> np.dtype[Any]:
        return np.dtype(np.float64 if series.dtype == np.float64 else np.float32)

    def _working_dtype(self, series: Any) -> np.dtype[Any]:
        """There are as many columns as vertices: keep them in what they come out in."""
        return self._dtype_of(series)


class SurfaceLabelsMasker(OnSurfaces, RegionsMasker):
    """One signal for each region of an atlas on surfaces.

    Parameters
    ----------
    labels_img : labels on surfaces
        A ``.dlabel.nii`` file; a pair of ``.label.gii`` or ``.annot`` files, as
        ``{"left": path, "right": path}`` or in a list; or nilearn's ``SurfaceImage``.
    labels : list of texts, optional
        Names of the regions in the order of their labels, one for each.
    lut : DataFrame or path of a table, optional
        Columns ``index`` (label) and ``name``; instead of `labels`, and of the table that a file
        may have.
    background_label : number
        The label that is no region.
    mask_img : image on surfaces, optional
        Vertices that are 0 are left out of their region.
    smoothing_fwhm : number or None
        Full width at half maximum in mm of a Gaussian along the mesh, which a ``SurfaceImage``
        has; of other images see `meshes`. Voxels are smoothed inside of their structure.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}
        Standard scores with the sample or the population standard deviation, percent change, or
        nothing (False, None). True is "zscore_sample".
    standardize_confounds : bool
        Scale the confounds to unit variance before they are regressed out.
    detrend : bool
        Take a straight line out of the signals.
    high_variance_confounds : bool
        Regress out what the vertices of highest variance share, too.
    low_pass : float or None
        Cut-off in Hz; what is faster is taken out.
    high_pass : float or None
        Cut-off in Hz; what is slower is taken out.
    t_r : float or None
        Repetition time in seconds; a filter needs it.
    dtype : dtype, "auto" or None
        Type of the signals, and of painted images. "auto" is float32; None is float32 for images
        of float32, float64 for others.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level : int
        There so that scripts written for nilearn run; any level remembers the same.
    verbose : int or bool, default=0
        Print each step, from 1 on.
    strategy : str
        mean, median, sum, minimum, maximum, standard_deviation or variance (both with a divisor
        of n) of the region's vertices, or first_eigenvariate.
    reports : bool
    cmap : name of a colour map, or colour map
        Colours of the regions in the report. None: colours that can be told apart.
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    keep_empty : bool
        Keep all regions, those without a value as columns of NaN, also those that only a table
        knows. False: they are left out, with a warning.
    min_coverage : float
        A region is without a value if less than this share of it (0 to 1) is covered: see Notes.
    meshes : dict, pair of paths, or nilearn's ``PolyMesh``, optional
        As of `SurfaceMasker`; also for `area_weights`.
    area_weights : bool or image on surfaces
        True: a mean is that of the surface, each vertex weighted by its area on the mesh (a voxel
        by its volume); or by the areas in mm² that an image has, such as a pair of
        ``_desc-vaavg_midthickness.shape.gii``. False: a plain mean of the vertices.

    Attributes
    ----------
    clean_args_ : dict
    labels_img_ : labels on surfaces
        As they were given.
    mask_img_ : image or None
    lut_ : DataFrame
        ``index`` and ``name`` of all labels, background included.
    n_elements_, region_ids_, region_names_, labels_, coverage_
        As of `NiftiLabelsMasker`.

    See Also
    --------
    MultiSurfaceLabelsMasker : For several runs.
    SurfaceMapsMasker : For maps with weights, which may overlap.
    NiftiLabelsMasker : For volumes.

    Notes
    -----
    A vertex counts if it lies inside the mask, is finite in all volumes of the run and, where
    there are several, is not the same in all of them: preprocessing writes zeros where it has seen
    nothing. A region is taken over the same vertices in every volume. (nilearn averages zeros in,
    and makes a region with a missing vertex NaN.) A region without such a vertex is taken over
    all of its vertices inside the mask, unless a coverage is asked for.

    Where left and right hemispheres use the same labels, they are different regions, called
    ``L_…`` and ``R_…`` and numbered from 1: left ones first. (nilearn makes one region of both.)

    Vertices are matched by hemisphere and number, voxels by where they lie, so that the atlas may
    have other grayordinates than the run, in any order. Runs are as for `SurfaceMasker`.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(9), 9, "CortexLeft")
    >>> values = np.random.default_rng(0).normal(100, 1, (20, 9))
    >>> run = nib.Cifti2Image(values, (nib.cifti2.SeriesAxis(0, 2, 20), axis))
    >>> names = {0: ("???", (0, 0, 0, 0)), 1: ("front", (1, 0, 0, 1)), 2: ("back", (0, 0, 1, 1))}
    >>> keys = np.array([[0, 1, 1, 1, 2, 2, 0, 2, 1]])
    >>> atlas = nib.Cifti2Image(keys, (nib.cifti2.LabelAxis(["map"], [names]), axis))
    >>> masker = SurfaceLabelsMasker(atlas, standardize="psc")
    >>> masker.set_output(transform="pandas").fit_transform(run).columns.tolist()
    ['front', 'back']
    """

    area_weights: Any
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
        detrend: bool = False,
        high_variance_confounds: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        memory: Any = None,
        memory_level: int = 1,
        verbose: int = 0,
        strategy: str = "mean",
        reports: bool = True,
        cmap: Any = "inferno",
        clean_args: dict[str, Any] | None = None,
        *,
        keep_empty: bool = False,
        min_coverage: float = 0.0,
        meshes: Any = None,
        area_weights: Any = False,
    ) -> None:
        self._keep(locals())

    def inverse_transform(self, signals: Any) -> Any:
        """Paint every vertex of a region with the region's value.

        Parameters
        ----------
        signals : array of shape (T, P) or (P,)
            Columns as the last `transform` gave them (or as `fit` foretold them).

        Returns
        -------
        image : of the kind of the last run, or else of the labels
            0 outside of regions.
        """
        return self._painted(signals)

    def _fit(self, series: Any, imgs: Any) -> None:
        check_choice("strategy", self.strategy, get_args(Statistic))
        if self.area_weights is not False and self.strategy != "mean":
            raise ValueError(
                f"area_weights are of means, and not of strategy={self.strategy!r}. Ask for one "
                "of the two."
            )
        if self.labels_img is None:
            raise ValueError(
                "Please provide a labels_img to the masker. For example, masker = "
                "SurfaceLabelsMasker(labels_img=labels_img)."
            )
        if self.labels and self.lut is not None:
            raise AtlasError("Pass either labels or a lookup table (lut), but not both.")
        say(self, "Loading regions from", self.labels_img)
        self._atlas_ = self._read_atlas()
        for words in self._atlas_.table.warnings:
            warn(words)
        self._table_ = _as_regions(self._atlas_, int(self.background_label))
        self.labels_img_ = self.labels_img
        places = self._atlas_.places if series is None else series.grid
        self._like_ = (
            _likeness_of_labels(self.labels_img, places) if series is None else Likeness.of(series)
        )
        self._fitted_ = self._placed_on(places)
        kept = np.ones(self._fitted_.n_columns, dtype=bool)
        if not self.keep_empty:
            kept = self._fitted_.extent.n_inside > 0
            self._warn_of_masked(self._fitted_)
        self._rows_ = np.flatnonzero(kept)

    def _read_atlas(self) -> SurfaceLabels:
        """Read the labels, with the names that were given, or else those of the file."""
        background = int(self.background_label)
        if self.lut is not None:
            lut = read_table(self.lut, background)
            return read_surface_labels(self.labels_img, lut=lut, background=background)
        atlas = read_surface_labels(self.labels_img, background=background, nameless="{}")
        if not self.labels:
            return atlas
        keys = sorted(_keys(atlas))
        names = matched_names(self.labels, keys)
        lut = LookUpTable(ids=tuple(keys), names=tuple(names))
        return read_surface_labels(self.labels_img, lut=lut, background=background)

    def _placed_on(self, places: Grayordinates) -> Regions:
        placed = place_surface_regions(self._atlas_, places, self._mask_here(places))
        if not placed.extent.n_inside.any():
            raise SpaceError("Image has no label left after masking.")
        return placed

    def _columns(self, series: Any) -> Columns:
        placed = self._fitted_
        if placed.grid != series.grid:
            placed = self._placed_on(series.grid)
            if not self.keep_empty:
                self._warn_of_masked(placed)
        return placed if self.area_weights is False else replace(placed, sizes=self._sizes(series))

    def _sizes(self, series: SurfaceSeries) -> FloatArray:
        """Give how much each place of a run weighs in a mean."""
        if self.area_weights is True:
            areas = {name: mesh.areas() for name, mesh in series.meshes.items()}
            return areas_on(series.grid, areas)
        given = open_surfaces(self.area_weights)
        sizes = areas_on(series.grid.in_space(given.grid.space), _areas_of(given))
        if not np.isfinite(sizes).all() or (sizes < 0).any():
            raise ValueError(f"{given.name}: area_weights are one area in mm² for each vertex.")
        return sizes

    def _warn_of_masked(self, placed: Regions) -> None:
        hidden = np.flatnonzero((placed.extent.n_on_grid > 0) & (placed.extent.n_inside == 0))
        if hidden.size:
            warn(
                "After applying mask to the labels image, the following labels were removed: "
                f"{self._spelled(hidden)}. No vertex of them lies inside the mask.",
                once=True,
            )

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        """Leave out regions that are not covered enough."""
        signals, used = extraction.signals, extraction.used
        if self.keep_empty:
            return signals, np.arange(columns.n_columns)
        self._warn_of_uncovered(np.flatnonzero(~used & (columns.extent.n_inside > 0)))
        rows = np.flatnonzero(used)
        return signals if rows.size == columns.n_columns else signals[:, rows], rows


def _areas_of(series: SurfaceSeries) -> dict[str, FloatArray]:
    """Tell apart, by structure, the areas of an image of one volume; NaN where it has none."""
    values, areas = series.values(), {}
    for each in series.grid.structures:
        if each.n_vertices is not None:
            areas[each.name] = np.full(each.n_vertices, np.nan)
            areas[each.name][each.places] = values[series.grid.where(each.name), 0]
    return areas


def _keys(atlas: SurfaceLabels) -> set[int]:
    """Keys that a place has, whichever the hemisphere."""
    columns = dict(atlas.table.columns)
    keys: Sequence[Any] = columns.get("key", atlas.table.ids)
    present = np.bincount(atlas.codes, minlength=len(keys) + 1)[1:] > 0
    return {int(key) for key, there in zip(keys, present, strict=True) if there}


def _as_regions(atlas: SurfaceLabels, background: int) -> RegionTable:
    """Give the table in the form that maskers of volumes have it, background first if there is."""
    table = atlas.table
    there = bool((atlas.codes == 0).any()) and background not in table.ids
    first = (background,) if there else ()
    return RegionTable(
        index=np.array([*first, *table.ids]),
        names=(*[BACKGROUND][: len(first)], *table.names),
        background=background if background not in table.ids else -1,
        columns=tuple((title, (*["n/a"][: len(first)], *cells)) for title, cells in table.columns),
    )


def _likeness_of_labels(labels_img: Any, places: Grayordinates) -> Likeness:
    """Say what `inverse_transform` gives as long as there is no run."""
    if is_surface(labels_img):
        return Likeness.of(open_surfaces(labels_img))
    if isinstance(labels_img, Mapping):
        return Likeness(kind="dict", places=places)
    if isinstance(labels_img, list | tuple):
        return Likeness(kind="pair" if len(labels_img) == 2 else "hemisphere", places=places)
    is_gifti = str(labels_img).endswith((".gii", ".gii.gz", ".annot"))
    is_gifti |= hasattr(labels_img, "darrays")
    return Likeness(kind="hemisphere" if is_gifti else "cifti", places=places)
