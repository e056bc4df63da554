"""One column for each voxel of a brain mask."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from bidsmask._typing import Array, FloatArray, IntArray
from bidsmask.columns.base import Columns
from bidsmask.columns.extract import Extraction
from bidsmask.columns.voxels import Voxels, place_voxels
from bidsmask.images import masks
from bidsmask.images.grid import Grid
from bidsmask.images.resample import target_grid
from bidsmask.images.series import Series
from bidsmask.images.volumes import cropped, make_image, read_mask
from bidsmask.maskers.base import Masker, mask_of
from bidsmask.maskers.notices import say, warn
from bidsmask.maskers.templates import compute_brain_mask
from bidsmask.numerics.projections.regions import Projection, voxels_of_mask


class NiftiMasker(Masker):
    """The signal of each voxel of a brain mask.

    Parameters
    ----------
    mask_img : image, optional
        The voxels to take. Without it, `fit` computes a mask from its images.
    runs : array of shape (T,), optional
        Label of each volume's run; each is cleaned for itself.
    smoothing_fwhm : number, three numbers, "fast" or None
        Width of a Gaussian in mm, of all directions or along each voxel axis. Voxels outside of
        the mask take part.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}
        Standard scores with the sample or the population standard deviation, percent change, or
        nothing (False, None). True is "zscore_sample".
    standardize_confounds : bool
        Scale the confounds to unit variance before they are regressed out.
    detrend : bool
        Take a straight line out of the signals.
    high_variance_confounds : bool
        Regress out what the voxels of highest variance share, too; see
        `bidsmask.high_variance_confounds`.
    low_pass : float or None
        Cut-off in Hz; what is faster is taken out.
    high_pass : float or None
        Cut-off in Hz; what is slower is taken out.
    t_r : float or None
        Repetition time in seconds; a filter needs it.
    target_affine : array of shape (3, 3) or (4, 4), optional
        Another grid for the mask, and with it for the images; see `bidsmask.resample_img`.
    target_shape : three ints, optional
        Voxels of that grid along each axis.
    mask_strategy : str
        How a mask is computed: background, epi, whole-brain-template, gm-template or wm-template.
    mask_args : dict, optional
        Arguments of the function that computes it: `bidsmask.compute_background_mask`,
        `bidsmask.compute_epi_mask`, `bidsmask.compute_brain_mask`.
    dtype : dtype, "auto" or None
        Type of the signals, and of painted images. "auto" is float32; None is float32 for images
        of float32 and of unscaled integers, float64 for others. With float64 all is computed in
        double precision, whatever the images are of.
    memory : path, joblib.Memory or None
        Where extraction is remembered.
    memory_level : int
        There so that scripts written for nilearn run; any level remembers the same.
    verbose : int or bool, default=0
        Print each step, from 1 on.
    reports : bool
    cmap : name of a colour map, or colour map
        Colours of the image beneath the mask's outline in the report.
    clean_args : dict, optional
        Further arguments of `bidsmask.clean`.
    sessions : array of shape (T,), optional
        What `runs` was called once.

    Attributes
    ----------
    clean_args_ : dict
        The further arguments of `bidsmask.clean`.
    mask_img_ : image
    affine_ : array of shape (4, 4)
        From voxels of the mask to mm.
    n_elements_ : int
        Voxels of the mask, P. Columns are in the order of ``image[mask]``: z runs fastest.

    See Also
    --------
    MultiNiftiMasker : For several runs.
    NiftiLabelsMasker : For regions of an atlas.
    bidsmask.clean : What is done to the signals.

    Notes
    -----
    Images on another grid than the mask are resampled to the box around it (with cubic splines,
    and a warning), then smoothed in there. A voxel that is NaN or infinite is 0.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> mask = nib.Nifti1Image(np.ones((6, 6, 6), dtype=np.uint8), run.affine)
    >>> masker = NiftiMasker(mask, standardize="zscore_sample")
    >>> signals = masker.fit_transform(run)
    >>> signals.shape
    (20, 216)
    >>> masker.inverse_transform(signals.mean(axis=0)).shape
    (6, 6, 6)
    """

    unit: ClassVar[str] = "voxel"
    _missing: ClassVar[str] = "These values become 0."
    runs: Any
    sessions: Any
    target_affine: Any
    target_shape: Any
    mask_strategy: str
    mask_args: dict[str, Any] | None
    _fitted_: Voxels

    def __init__(
        self,
        mask_img: Any = None,
        runs: Any = None,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: bool = True,
        detrend: bool = False,
        high_variance_confounds: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        target_affine: Any = None,
        target_shape: Any = None,
        mask_strategy: str = "background",
        mask_args: dict[str, Any] | None = None,
        dtype: Any = None,
        memory: Any = None,
        memory_level: int = 1,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "gray",
        clean_args: dict[str, Any] | None = None,
        *,
        sessions: Any = None,
    ) -> None:
        self._keep(locals())

    def transform_single_imgs(
        self, imgs: Any, confounds: Any = None, sample_mask: Any = None, copy: bool = True
    ) -> Any:
        """Give the signals of one run, an array whatever `set_output` says.

        `copy` has no effect: what is handed in is never changed.
        """
        return super().transform_single_imgs(imgs, confounds, sample_mask)

    def inverse_transform(self, X: Any) -> Any:  # noqa: N803 - as nilearn and scikit-learn call it
        """Put each voxel's values back into its place.

        Parameters
        ----------
        X : array of shape (T, P) or (P,)

        Returns
        -------
        image : nibabel.Nifti1Image of shape (X, Y, Z, T) or (X, Y, Z)
            0 outside of the mask; units and repetition time are those of the run.
        """
        return self._painted(X)

    @property
    def _report_content(self) -> dict[str, Any]:
        """What nilearn's models look up in a masker of theirs, for their own report."""
        self._refuse_unfitted()
        share = self.n_elements_ / self._fitted_.grid.n_voxels
        return {"n_elements": self.n_elements_, "coverage": 100 * share}

    def _names(self) -> list[str]:
        prefix = type(self).__name__.lower()
        return [f"{prefix}{number}" for number in range(self._fitted_.n_columns)]

    def _warn_before_fit(self, imgs: Any) -> None:
        if self.mask_img is not None and imgs is not None:
            warn(
                f"[{type(self).__name__}.fit] Generation of a mask has been requested (imgs != "
                "None) while a mask was given at masker creation. The given mask is used.",
                RuntimeWarning,
            )

    def _fit(self, series: Series | None, imgs: Any) -> None:
        if self.mask_img_ is None:
            self.mask_img_ = self._computed_mask(imgs)
        if self.target_affine is not None or self.target_shape is not None:
            grid = Grid.from_image(self.mask_img_)
            self.mask_img_ = self._mask_on(
                target_grid(grid, self.target_affine, self.target_shape)
            )
        mask, grid = mask_of(self.mask_img_)
        self.affine_ = np.array(grid.affine)
        self._fitted_ = place_voxels(voxels_of_mask(mask), grid)
        self._rows_ = np.arange(self._fitted_.n_columns)

    def _computed_mask(self, imgs: Any) -> Any:
        if imgs is None:
            raise ValueError(
                f"Parameter 'imgs' must be provided to {type(self).__name__}.fit() if no mask is "
                "passed to mask_img: the mask is computed from them."
            )
        say(self, "Computing mask")
        compute = self._mask_function()
        supported = _supported(compute, self.mask_args or {}, self.mask_strategy)
        return make_image(*read_mask(compute(imgs, **self._mask_arguments(compute), **supported)))

    def _mask_function(self) -> Callable[..., Any]:
        functions = self._mask_functions()
        if self.mask_strategy == "template":
            warn(
                "Masking strategy 'template' is deprecated. It is called 'whole-brain-template' "
                "today."
            )
        if self.mask_strategy in ("background", "epi"):
            return functions[self.mask_strategy]
        return _brain_mask_function(self.mask_strategy, functions["template"])

    def _mask_functions(self) -> dict[str, Callable[..., Any]]:
        return {
            "background": masks.compute_background_mask,
            "epi": masks.compute_epi_mask,
            "template": compute_brain_mask,
        }

    def _mask_arguments(self, compute: Callable[..., Any]) -> dict[str, Any]:
        """Say what the function is told besides `mask_args`."""
        return {}

    def _columns(self, series: Series) -> Columns:
        if self._fitted_.grid == series.grid:
            return self._fitted_
        warn(
            "imgs are being resampled to the mask_img resolution, volume by volume, which takes a "
            "while. Give a mask on their grid, or a target_affine equal to theirs."
        )
        mask, grid = cropped(*mask_of(self.mask_img_))
        return place_voxels(voxels_of_mask(mask), grid)

    def _finish(self, extraction: Extraction, columns: Columns) -> tuple[Array, IntArray]:
        """Make missing values 0: what comes next, in scikit-learn, takes no others."""
        assert isinstance(columns, Voxels)
        signals = extraction.signals
        missing = ~extraction.finite[columns.indices]
        if missing.any():
            signals[:, missing] = _finite(signals[:, missing])
        return signals, np.arange(columns.n_columns)

    def _inverse(self) -> tuple[Projection, Grid]:
        return self._fitted_.painted(self._rows_), self._fitted_.grid

    def _dtype_of(self, series: Series) -> np.dtype[Any]:
        return np.dtype(np.float64 if series.dtype == np.float64 else np.float32)

    def _working_dtype(self, series: Series) -> np.dtype[Any]:
        """There are as many columns as voxels: keep them in what they come out in."""
        return self._dtype_of(series)

    def _runs(self) -> dict[str, Any]:
        if self.runs is not None and self.sessions is not None:
            raise ValueError("Give either runs or sessions: they mean the same.")
        return {"runs": self.sessions if self.runs is None else self.runs}


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, 0)


def _brain_mask_function(strategy: str, compute: Callable[..., Any]) -> Callable[..., Any]:
    """Bind a function that computes masks from templates to the template of a strategy."""
    kind = {"gm-template": "gm", "wm-template": "wm"}.get(strategy, "whole-brain")

    def compute_mask(
        target_img: Any,
        threshold: float = 0.5,
        connected: bool | None = None,
        opening: int | bool | None = None,
    ) -> Any:
        return compute(target_img, threshold, connected, opening, mask_type=kind)

    return compute_mask


def _supported(
    function: Callable[..., Any], arguments: dict[str, Any], strategy: str
) -> dict[str, Any]:
    """Arguments that a function takes; says which it does not."""
    known = inspect.signature(function).parameters
    skipped = [name for name in arguments if name not in known]
    if skipped:
        warn(
            f"The following arguments are not supported by the masking strategy {strategy!r}: "
            f"{skipped}. They have no effect."
        )
    return {name: value for name, value in arguments.items() if name in known}
