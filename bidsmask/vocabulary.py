"""Every list of words once: what may be asked for, and how BIDS and nilearn call it.

Imports nothing of ours and nothing heavy, so that every room can use it and ``--help`` answers at
once. A `Literal` is a type for those who hold a word; `typing.get_args` of it is the list.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

AnalysisLevel = Literal["participant", "group"]

Filter = Literal["butterworth", "cosine", "none"]
"""Temporal filters."""

FilterEnds = Literal["even", "nilearn", "xcpd"]
"""What a Butterworth filter takes to be beyond the ends of a run.

Even: its mirror image, without end. nilearn: 33 volumes of it, turned about the end point. XCP-D:
the end point for as long as the run, with a filter of order 2.
"""

Bridge = Literal["linear", "nilearn"]
"""What stands in for censored volumes while a filter runs: straight lines, or nilearn's spline."""

Regression = Literal["aggressive", "orthogonalised", "nonaggressive"]
"""What becomes of variance that components of noise share with components of signal.

Aggressive: it goes. Orthogonalised: it stays. Nonaggressive: both are fitted together, and what
the fit gives to the noise goes.
"""

Classification = Literal["rejected", "accepted"]
"""What a table of metrics (of tedana, of ICA-AROMA) says of a component."""

Standardization = Literal["zscore", "psc", "none"]
"""Standard scores, percent signal change, or signals as they are."""

TaskRegressors = Literal["none", "canonical", "fir"]
"""Responses to events that join a design: none, of one shape, of any shape."""

BetaSeries = Literal["lss", "lsa"]
"""Least squares, separate: one model for each trial. Least squares, all: one for all trials."""

THRESHOLDS = (
    "fd_threshold_mm",
    "std_dvars_threshold",
    "dvars_percent_threshold",
    "leverage_threshold",
)
"""Settings that flag volumes for what they are; other ones are about those beside them."""

Displacement = Literal["table", "rmsd", "power", "jenkinson"]
"""Framewise displacement: columns of the confounds table, or recomputed."""

MotionFilter = Literal["notch", "lp"]
"""What takes breathing out of motion parameters, as XCP-D calls it: a notch, or a low-pass."""

VoxelScaling = Literal["none", "zscore", "psc"]
"""What voxels are before they are averaged: as they are, standard scores, percentages."""

CensorOutput = Literal["na", "drop", "interpolate"]
"""What stands in the rows of volumes that were left out."""

Statistic = Literal[
    "mean",
    "median",
    "sum",
    "minimum",
    "maximum",
    "standard_deviation",
    "variance",
    "first_eigenvariate",
]
"""What can be taken over the voxels of a region or sphere, as maskers and projections call it."""

STATISTICS: Mapping[str, Statistic] = MappingProxyType(
    {
        "mean": "mean",
        "median": "median",
        "sum": "sum",
        "min": "minimum",
        "max": "maximum",
        "std": "standard_deviation",
        "var": "variance",
        "eigenvariate": "first_eigenvariate",
    }
)
"""The same by their labels: on the command line, and as ``stat-`` in names of files."""

MapsStatistic = Literal["least_squares", "weighted_mean"]
"""How columns are made of maps with weights, as maskers call it."""

MAPS_STATISTICS: Mapping[str, MapsStatistic] = MappingProxyType(
    {"least-squares": "least_squares", "weighted-mean": "weighted_mean"}
)
"""The same by their words on the command line."""

MAPS_STATS: Mapping[str, str] = MappingProxyType(
    {"least-squares": "regression", "weighted-mean": "weightedmean"}
)
"""Their labels in names of files: ``stat-regression``."""

MEASURES = (
    "correlation",
    "covariance",
    "partial-correlation",
    "precision",
    "ledoit-wolf-correlation",
    "ledoit-wolf-partial-correlation",
    "ledoit-wolf-precision",
    "graphical-lasso-partial-correlation",
    "graphical-lasso-precision",
    "xdf-variance",
    "xdf-z",
    "xdf-p",
)
"""Relations between columns; `bidsmask.numerics.connectivity.measures` computes them."""

CORRELATIONS = (
    "correlation",
    "partial-correlation",
    "ledoit-wolf-correlation",
    "ledoit-wolf-partial-correlation",
    "graphical-lasso-partial-correlation",
)
"""Those of them that lie between -1 and 1, so that Fisher's z applies."""

REGIONAL_MEASURES = ("alff", "falff", "reho")
"""What is measured of every voxel, as ``stat-`` in names of files."""

EdgeTimeSeries = Literal["rss", "all"]
"""How large edge time series are together, volume by volume; or each of them, too."""

FileFormat = Literal["nifti", "cifti", "gifti"]
"""What a run is stored in: volumes, grayordinates, or the surfaces of both hemispheres."""

BOLD_EXTENSIONS: Mapping[FileFormat, tuple[str, ...]] = MappingProxyType(
    {
        "nifti": (".nii.gz", ".nii"),
        "cifti": (".dtseries.nii", ".dtseries.nii.gz"),
        "gifti": (".func.gii", ".func.gii.gz"),
    }
)
"""What names of runs end in. (A compressed CIFTI file cannot be used, and its reader says so.)"""

BOLD_SPACES = ("bold", "func", "run", "native", "boldref")
"""Names of the BOLD's own space, which has no ``space`` entity."""

NATIVE_SPACES = frozenset(
    (
        *BOLD_SPACES,
        "T1w",
        "T2w",
        "anat",
        "fsnative",
        "individual",
        "orig",
        "sbref",
        "scanner",
        "session",
    )
)
"""Spaces of one brain. Any other label of ``space`` is taken for that of a template."""
