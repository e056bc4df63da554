"""Maskers: images in, signals out, and back."""

from bidsmask._names import MASKERS, lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    MASKERS,
    nilearn=("BaseMasker",),
)
