"""Maskers for several runs at once: a list of images in, a list of signals out."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bidsmask.images import masks
from bidsmask.images.series import Series
from bidsmask.maskers.labels import NiftiLabelsMasker
from bidsmask.maskers.maps import NiftiMapsMasker
from bidsmask.maskers.nifti import NiftiMasker
from bidsmask.maskers.parameters import as_called_before
from bidsmask.maskers.report.kept import Seen, seen_of_run
from bidsmask.maskers.spheres import NiftiSpheresMasker
from bidsmask.maskers.templates import compute_multi_brain_mask


class Several:
    """What lets a masker take a list of runs.

    It goes before the masker among the bases. It is no transformer of its own, so that
    scikit-learn's `set_output` makes a frame of each run and not of the list.
    """

    n_jobs: int
    fit: Callable[..., Any]
    _learn: Callable[..., Any]
    _remember: Callable[..., None]
    _open: Callable[..., Series]

    @as_called_before
    def fit_transform(
        self, imgs: Any, y: Any = None, confounds: Any = None, sample_mask: Any = None
    ) -> Any:
        """Learn the columns, then give their signals; see `fit` and `transform`."""
        return self._learn(imgs).transform(imgs, confounds=confounds, sample_mask=sample_mask)

    def transform(self, imgs: Any, confounds: Any = None, sample_mask: Any = None) -> Any:
        """Give the signals of runs.

        Parameters
        ----------
        imgs : list of images, or one image
        confounds, sample_mask : list, optional
            One item for each run, which may be None; see the masker of single runs.

        Returns
        -------
        signals : list of arrays of shape (T_kept, P), or one such array
        """
        _check_list("confounds", confounds)
        _check_list("sample_mask", sample_mask)
        if not self._is_several(imgs):
            single = [given[0] if given else None for given in (confounds, sample_mask)]
            self._remember({"_seen_runs_": ()})
            return super().transform(imgs, *single)  # type: ignore[misc]
        return self.transform_imgs(imgs, confounds, sample_mask=sample_mask, n_jobs=self.n_jobs)

    def transform_imgs(
        self, imgs_list: Any, confounds: Any = None, n_jobs: int = 1, sample_mask: Any = None
    ) -> list[Any]:
        """Give the signals of runs, `n_jobs` of them at a time; see `transform`."""
        imgs = list(imgs_list)
        given = [
            _one_for_each("confounds", confounds, len(imgs)),
            _one_for_each("sample_mask", sample_mask, len(imgs)),
        ]
        runs = zip(imgs, *given, strict=True)
        if n_jobs == 1:
            done = [_transformed(self, *each) for each in runs]
        else:
            import joblib

            done = joblib.Parallel(n_jobs=n_jobs)(
                joblib.delayed(_transformed)(self, *each) for each in runs
            )
        for _, learned, _ in done:
            self._remember(learned)
        self._remember({"_seen_runs_": tuple(seen for _, _, seen in done if seen is not None)})
        return [signals for signals, _, _ in done]

    def _open_first(self, imgs: Any) -> Series:
        return self._open(next(iter(imgs)) if self._is_several(imgs) else imgs)

    def _is_several(self, imgs: Any) -> bool:
        """Whether it is a list of runs, and not one run."""
        return is_several(imgs)


def is_several(imgs: Any) -> bool:
    """Whether it is a list of runs, and not one run."""
    return not isinstance(imgs, (str, Path)) and not hasattr(imgs, "dataobj")


def _check_list(name: str, given: Any) -> None:
    if given is not None and not isinstance(given, list):
        raise TypeError(
            f"{name!r} must be a None or a list, with an item for each image. "
            f"Got {type(given).__name__}."
        )


def _one_for_each(name: str, given: Any, n_images: int) -> Sequence[Any]:
    if given is None:
        return [None] * n_images
    if len(given) != n_images:
        raise ValueError(
            f"number of {name} ({len(given)}) unequal to number of images ({n_images})."
        )
    return list(given)


def _transformed(
    masker: Any, img: Any, confounds: Any, sample_mask: Any
) -> tuple[Any, dict[str, Any], Seen | None]:
    """Signals of a run, what a masker (in another process) has learned from it, and saw of it."""
    before = dict(vars(masker))
    signals = super(Several, masker).transform(img, confounds, sample_mask)
    learned = {name: now for name, now in vars(masker).items() if now is not before.get(name)}
    return signals, learned, seen_of_run(masker)


class MultiNiftiMasker(Several, NiftiMasker):
    """Signals of the voxels of a brain mask, for several runs; see `NiftiMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `NiftiMasker`.

    See Also
    --------
    NiftiMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> mask = nib.Nifti1Image(np.ones((6, 6, 6), dtype=np.uint8), run.affine)
    >>> [signals.shape for signals in MultiNiftiMasker(mask).fit_transform([run, run])]
    [(20, 216), (20, 216)]
    """

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
        memory_level: int = 0,
        n_jobs: int = 1,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "gray",
        clean_args: dict[str, Any] | None = None,
        *,
        sessions: Any = None,
    ) -> None:
        self._keep(locals())

    def transform_imgs(  # type: ignore[override]  # the order of the arguments is nilearn's
        self,
        imgs_list: Any,
        confounds: Any = None,
        sample_mask: Any = None,
        copy: bool = True,
        n_jobs: int = 1,
    ) -> list[Any]:
        """Give the signals of runs, `n_jobs` at a time; see `transform`. `copy` has no effect."""
        return super().transform_imgs(imgs_list, confounds, n_jobs, sample_mask)

    def _computed_mask(self, imgs: Any) -> Any:
        return super()._computed_mask(
            [imgs] if imgs is not None and not is_several(imgs) else imgs
        )

    def _mask_functions(self) -> dict[str, Callable[..., Any]]:
        return {
            "background": masks.compute_multi_background_mask,
            "epi": masks.compute_multi_epi_mask,
            "template": compute_multi_brain_mask,
        }

    def _mask_arguments(self, compute: Callable[..., Any]) -> dict[str, Any]:
        known = inspect.signature(compute).parameters
        own = {name: getattr(self, name) for name in ("n_jobs", "target_affine", "target_shape")}
        return {name: value for name, value in own.items() if value is not None and name in known}


class MultiNiftiLabelsMasker(Several, NiftiLabelsMasker):
    """Signals of the regions of an atlas, for several runs; see `NiftiLabelsMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `NiftiLabelsMasker`.

    See Also
    --------
    NiftiLabelsMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> halves = np.repeat([1, 2], 3)[:, None, None] * np.ones((6, 6, 6), dtype=np.int16)
    >>> atlas = nib.Nifti1Image(halves.astype(np.int16), run.affine)
    >>> [signals.shape for signals in MultiNiftiLabelsMasker(atlas).fit_transform([run, run])]
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
        cmap: Any = "CMRmap_r",
        n_jobs: int = 1,
        clean_args: dict[str, Any] | None = None,
        *,
        keep_empty: bool = False,
        min_coverage: float = 0.0,
    ) -> None:
        self._keep(locals())


class MultiNiftiMapsMasker(Several, NiftiMapsMasker):
    """Signals of the maps, for several runs; see `NiftiMapsMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `NiftiMapsMasker`.

    See Also
    --------
    NiftiMapsMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> maps = nib.Nifti1Image(np.random.default_rng(1).random((6, 6, 6, 2)), run.affine)
    >>> [signals.shape for signals in MultiNiftiMapsMasker(maps).fit_transform([run, run])]
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
        n_jobs: int = 1,
        clean_args: dict[str, Any] | None = None,
        *,
        strategy: str = "least_squares",
        keep_empty: bool = False,
        min_coverage: float = 0.0,
    ) -> None:
        self._keep(locals())


class MultiNiftiSpheresMasker(Several, NiftiSpheresMasker):
    """Signals of the spheres, for several runs; see `NiftiSpheresMasker`.

    Parameters
    ----------
    n_jobs : int
        Runs that are worked on at a time; -1: as many as there are processors.

    All others are those of `NiftiSpheresMasker`.

    See Also
    --------
    NiftiSpheresMasker : For one run, with all parameters.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(100, 1, (6, 6, 6, 20))
    >>> run = nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    >>> masker = MultiNiftiSpheresMasker([(6, 6, 6)], radius=4)
    >>> [signals.shape for signals in masker.fit_transform([run, run])]
    [(20, 1), (20, 1)]
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
        n_jobs: int = 1,
        clean_args: dict[str, Any] | None = None,
        *,
        strategy: str = "mean",
        keep_empty: bool = False,
        min_coverage: float = 0.0,
    ) -> None:
        self._keep(locals())
