"""Confounds of fMRIPrep, by the names of ``nilearn.interfaces.fmriprep``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {"bidsmask.dataset.load_confounds": ("load_confounds", "load_confounds_strategy")},
)
