"""bidsmask: from fMRIPrep derivatives to clean, named, checked region time series.

What is public is imported when it is first asked for: ``import bidsmask`` itself takes no time.
"""

from importlib import import_module
from typing import Any

from bidsmask._version import __version__

_HOMES = {
    "bidsmask.dataset.load_confounds": ("load_confounds", "load_confounds_strategy"),
    "bidsmask.images.masks": (
        "apply_mask",
        "compute_background_mask",
        "compute_epi_mask",
        "compute_multi_background_mask",
        "compute_multi_epi_mask",
        "intersect_masks",
        "unmask",
    ),
    "bidsmask.images.resample": ("resample_img", "resample_to_img"),
    "bidsmask.images.smooth": ("smooth_img",),
    "bidsmask.maskers.cleaning": ("clean",),
    "bidsmask.maskers.confounds": ("high_variance_confounds",),
    "bidsmask.maskers.labels": ("NiftiLabelsMasker",),
    "bidsmask.maskers.maps": ("NiftiMapsMasker",),
    "bidsmask.maskers.multi": (
        "MultiNiftiLabelsMasker",
        "MultiNiftiMapsMasker",
        "MultiNiftiMasker",
        "MultiNiftiSpheresMasker",
    ),
    "bidsmask.maskers.nifti": ("NiftiMasker",),
    "bidsmask.maskers.spheres": ("NiftiSpheresMasker",),
    "bidsmask.maskers.templates": ("compute_brain_mask", "compute_multi_brain_mask"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "MultiNiftiLabelsMasker",
    "MultiNiftiMapsMasker",
    "MultiNiftiMasker",
    "MultiNiftiSpheresMasker",
    "NiftiLabelsMasker",
    "NiftiMapsMasker",
    "NiftiMasker",
    "NiftiSpheresMasker",
    "__version__",
    "apply_mask",
    "clean",
    "compute_background_mask",
    "compute_brain_mask",
    "compute_epi_mask",
    "compute_multi_background_mask",
    "compute_multi_brain_mask",
    "compute_multi_epi_mask",
    "high_variance_confounds",
    "intersect_masks",
    "load_confounds",
    "load_confounds_strategy",
    "resample_img",
    "resample_to_img",
    "smooth_img",
    "unmask",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
