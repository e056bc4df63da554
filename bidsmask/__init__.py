"""bidsmask: from fMRIPrep derivatives to clean, named, checked region time series.

What is public is imported when it is first asked for: ``import bidsmask`` itself takes no time.
"""

from bidsmask._names import MASKERS, MASKING, explain_modules, lazily
from bidsmask._version import __version__ as __version__

_HOMES = {
    **MASKERS,
    **MASKING,
    "bidsmask.dataset.load_confounds": ("load_confounds", "load_confounds_strategy"),
    "bidsmask.derivatives.load": ("load",),
    "bidsmask.images.resample": ("resample_img", "resample_to_img"),
    "bidsmask.images.smooth": ("smooth_img",),
    "bidsmask.maskers.cleaning": ("clean",),
    "bidsmask.maskers.confounds": ("high_variance_confounds",),
}
_MODULES = (
    "connectome",
    "exceptions",
    "image",
    "input_data",
    "interfaces",
    "maskers",
    "masking",
    "signal",
)
_ELSEWHERE = (
    "datasets",
    "decoding",
    "decomposition",
    "glm",
    "mass_univariate",
    "plotting",
    "regions",
    "reporting",
    "surface",
    "utils",
)

__getattr__, __dir__, _names = lazily(__name__, _HOMES, modules=_MODULES, nilearn=_ELSEWHERE)
__all__ = sorted(["__version__", *_names])

explain_modules(__name__, [*_ELSEWHERE, "interfaces.bids", "interfaces.fsl"])
