"""Signals that are at hand, by the names of ``nilearn.signal``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "bidsmask.maskers.cleaning": ("butterworth", "clean"),
        "bidsmask.maskers.confounds": ("high_variance_confounds",),
    },
    nilearn=("standardize_signal",),
)
