"""Array aliases, and the four letters that docstrings speak in.

========  ==========================================================================
``T``     time points (BOLD volumes); always the first axis
``V``     voxels, in the order in which a NIfTI file stores them (x runs fastest)
``P``     columns: the parcels, maps, spheres or voxels that a projection gives out
``C``     confounds: the columns of a design
========  ==========================================================================
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Any array; the docstring says its shape."""

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]
