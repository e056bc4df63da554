"""Maskers of several runs on surfaces at once: a list of runs in, a list of signals out."""

from __future__ import annotations

from typing import Any

from bidsmask._typing import BoolArray
from bidsmask.images.surface_series import SurfaceSeries, are_on_surfaces
from bidsmask.maskers.multi import Several
from bidsmask.maskers.surface import OnSurfaces, SurfaceLabelsMasker, SurfaceMasker
from bidsmask.maskers.surface_maps import SurfaceMapsMasker


class _SeveralOnSurfaces(Several, OnSurfaces):
    """Tells a list of runs from a pair of hemispheres, which is one run."""

    def _is_several(self, imgs: Any) -> bool:
        return isinstance(imgs, list | tuple) and not are_on_surfaces(imgs)


class MultiSurfaceMasker(_SeveralOnSurfaces, SurfaceMasker):
    """Signals of the vertices of a mask, for several runs; see `SurfaceMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `SurfaceMasker`. A list of two ``.gii`` files is one run, a
    pair of hemispheres; a list of pairs is a list of runs.

    See Also
    --------
    SurfaceMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(9), 9, "CortexLeft")
    >>> values = np.random.default_rng(0).normal(100, 1, (20, 9))
    >>> run = nib.Cifti2Image(values, (nib.cifti2.SeriesAxis(0, 2, 20), axis))
    >>> masker = MultiSurfaceMasker()
    >>> [signals.shape for signals in masker.fit_transform([run, run])]
    [(20, 9), (20, 9)]
    """

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
        n_jobs: int = 1,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "inferno",
        clean_args: dict[str, Any] | None = None,
        *,
        meshes: Any = None,
    ) -> None:
        self._keep(locals())

    def _finite(self, series: SurfaceSeries, imgs: Any) -> BoolArray:
        """Find the vertices that are finite in all volumes of all runs."""
        finite = super()._finite(series, imgs)
        for img in imgs if self._is_several(imgs) else []:
            other: Any = self._open(img)
            positions = series.grid.positions_in(other.grid)
            finite &= (positions >= 0) & super()._finite(other, img)[positions]
        return finite


class MultiSurfaceLabelsMasker(_SeveralOnSurfaces, SurfaceLabelsMasker):
    """Signals of the regions of an atlas, for several runs; see `SurfaceLabelsMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `SurfaceLabelsMasker`. A list of two ``.gii`` files is one run, a
    pair of hemispheres; a list of pairs is a list of runs.

    See Also
    --------
    SurfaceLabelsMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(9), 9, "CortexLeft")
    >>> values = np.random.default_rng(0).normal(100, 1, (20, 9))
    >>> run = nib.Cifti2Image(values, (nib.cifti2.SeriesAxis(0, 2, 20), axis))
    >>> names = {1: ("front", (1, 0, 0, 1)), 2: ("back", (0, 0, 1, 1))}
    >>> keys = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 1]])
    >>> atlas = nib.Cifti2Image(keys, (nib.cifti2.LabelAxis(["map"], [names]), axis))
    >>> masker = MultiSurfaceLabelsMasker(atlas)
    >>> [signals.shape for signals in masker.fit_transform([run, run])]
    [(20, 2), (20, 2)]
    """

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
        n_jobs: int = 1,
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


class MultiSurfaceMapsMasker(_SeveralOnSurfaces, SurfaceMapsMasker):
    """Signals of the maps, for several runs; see `SurfaceMapsMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `SurfaceMapsMasker`. A list of two ``.gii`` files is one run, a
    pair of hemispheres; a list of pairs is a list of runs.

    See Also
    --------
    SurfaceMapsMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(9), 9, "CortexLeft")
    >>> values = np.random.default_rng(0).normal(100, 1, (20, 9))
    >>> run = nib.Cifti2Image(values, (nib.cifti2.SeriesAxis(0, 2, 20), axis))
    >>> weights = np.random.default_rng(1).random((2, 9))
    >>> maps = nib.Cifti2Image(weights, (nib.cifti2.ScalarAxis(["a", "b"]), axis))
    >>> masker = MultiSurfaceMapsMasker(maps)
    >>> [signals.shape for signals in masker.fit_transform([run, run])]
    [(20, 2), (20, 2)]
    """

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
        n_jobs: int = 1,
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
