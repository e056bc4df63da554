"""The figures of a report: arrays in, SVG out.

Each function draws one figure, gives its file as bytes, and opens nothing. Arrays follow the
letters of `bidsmask._typing`. In every figure a region without a signal is grey, a volume that
was left out has the same pale tint, and what needs attention is red. The same arrays give the
same bytes.

All functions raise ValueError, with a sentence, if there is nothing to draw or if shapes do not
fit.
"""

from bidsmask.reports.drawing.atlas import atlas_outline, coverage
from bidsmask.reports.drawing.ledger import ledger
from bidsmask.reports.drawing.listing import region_list
from bidsmask.reports.drawing.maps import maps_outline, statistical_map
from bidsmask.reports.drawing.matrix import connectivity
from bidsmask.reports.drawing.motion import motion
from bidsmask.reports.drawing.response import response
from bidsmask.reports.drawing.seeds import seeds
from bidsmask.reports.drawing.signals import carpet, region_signals
from bidsmask.reports.drawing.surfaces import (
    surface_coverage,
    surface_map,
    surface_regions,
    surface_tsnr,
)

__all__ = [
    "atlas_outline",
    "carpet",
    "connectivity",
    "coverage",
    "ledger",
    "maps_outline",
    "motion",
    "region_list",
    "region_signals",
    "response",
    "seeds",
    "statistical_map",
    "surface_coverage",
    "surface_map",
    "surface_regions",
    "surface_tsnr",
]
