"""Maskers under the name that nilearn's module had up to version 0.13; see `bidsmask.maskers`."""

from bidsmask._names import MASKERS, lazily

__getattr__, __dir__, __all__ = lazily(
    __name__, MASKERS, former={"BaseMasker": "from nilearn.maskers import BaseMasker"}
)
