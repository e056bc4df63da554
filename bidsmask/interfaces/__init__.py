"""What other programs have written, by the names of ``nilearn.interfaces``."""

from bidsmask._names import lazily

__getattr__, __dir__, __all__ = lazily(__name__, {}, modules=("fmriprep",))
