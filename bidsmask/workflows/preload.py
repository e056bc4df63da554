"""What a worker needs, imported once by the server that workers are forked from."""

import matplotlib.figure  # noqa: F401
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.signal  # noqa: F401

from bidsmask.workflows import nodes

__all__ = ["nodes"]
