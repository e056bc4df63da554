"""bidsmask: from fMRIPrep derivatives to clean, named, checked region time series."""

from bidsmask._version import __version__

__all__ = ["__version__"]
