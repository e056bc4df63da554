"""The confounds table of a run, measured on its own image as fMRIPrep (21 and later) does.

Nothing is copied from what was planted: tissue means, components and DVARS come from the volumes,
so a strategy has to find the artefacts with no more than what a real table would give it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.demo.bold import Scene
from bidsmask.demo.compcor import Components, compcor, component_metadata
from bidsmask.demo.signals import T_R
from bidsmask.numerics.filters import cosine_basis
from bidsmask.numerics.motion import derivatives, framewise_displacement, relative_rms

HIGH_PASS_S = 128.0
"""Cut-off of fMRIPrep's ``cosine`` columns and of its CompCor."""

FD_SPIKE_MM, STD_DVARS_SPIKE = 0.5, 1.5
"""fMRIPrep's defaults for its ``motion_outlier`` columns."""

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

N_DROPPED = 2
"""So many components of each mask are in the metadata although the table lacks them."""

CSF_SHARE, WHITE_SHARE = 0.6, 0.95
"""A voxel counts as fluid or white matter from this share of it on."""

T_COMPCOR_SHARE = 0.02

_MEANS = ("global_signal", "csf", "white_matter", "csf_wm", "tcompcor")

_COMPCOR: dict[str, tuple[str, dict[str, str]]] = {
    "t_comp_cor": ("tcompcor", {"Method": "tCompCor"}),
    "c_comp_cor": ("csf", {"Method": "aCompCor", "Mask": "CSF"}),
    "w_comp_cor": ("white_matter", {"Method": "aCompCor", "Mask": "WM"}),
    "a_comp_cor": ("csf_wm", {"Method": "aCompCor", "Mask": "combined"}),
}
"""Where the components come from, and what the metadata say of all of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfoundsTable:
    """What fMRIPrep writes as ``desc-confounds_timeseries``.

    Parameters
    ----------
    columns : mapping of name to array of shape (T,)
        In the order of the file; NaN is written ``n/a``.
    metadata : mapping of name to mapping
        Content of the JSON sidecar.
    """

    columns: Mapping[str, FloatArray]
    metadata: Mapping[str, Mapping[str, str | float | bool]]


def confounds_table(
    bold: Array, scene: Scene, motion: FloatArray, *, n_unsteady: int = 0
) -> ConfoundsTable:
    """Measure the confounds of a run.

    Parameters
    ----------
    bold : array of shape (X, Y, Z, T)
    scene : Scene
        Knows the masks of brain and tissues.
    motion : array of shape (T, 6)
        In mm and radians.
    n_unsteady : int
        Volumes at the start that CompCor leaves out and ``non_steady_state_outlier`` marks.
    """
    steady = np.arange(len(motion)) >= n_unsteady
    voxels = _voxels(bold, scene)
    means = {name: inside.mean(axis=1) for name, inside in voxels.items()}
    waves = _cosines(steady)
    parts = {name: compcor(voxels[mask], waves, steady) for name, (mask, _) in _COMPCOR.items()}
    quality = _quality(voxels["global_signal"], motion)
    columns = (
        _expanded({name: means.pop(name) for name in ("global_signal", "csf", "white_matter")})
        | means
        | quality
        | _all_scores(parts)
        | _numbered("cosine", waves)
        | _numbered("non_steady_state_outlier", _one_hot(~steady))
        | _expanded(dict(zip(MOTION_COLUMNS, motion.T, strict=True)))
        | _numbered("motion_outlier", _one_hot(_moved(quality)))
    )
    return ConfoundsTable(columns=columns, metadata=_metadata(parts))


def standardized_dvars(voxels: FloatArray) -> FloatArray:
    """RMS change between volumes, in units of what noise of each voxel's kind would give.

    Parameters
    ----------
    voxels : array of shape (T, V)

    Returns
    -------
    std_dvars : array of shape (T,)
        Around 1 in a still run; the first is NaN.

    References
    ----------
    Nichols (2017), arXiv:1704.01469, equation 13
    """
    lower, upper = np.percentile(voxels, [25, 75], axis=0)
    robust_sd = (upper - lower) / 1.349
    centred = voxels - voxels.mean(axis=0)
    ar1 = np.sum(centred[1:] * centred[:-1], axis=0) / np.sum(centred**2, axis=0)
    expected = np.mean(np.sqrt(2 * (1 - ar1)) * robust_sd)
    std_dvars: FloatArray = _dvars(voxels) / expected
    return std_dvars


def _dvars(voxels: FloatArray) -> FloatArray:
    rms: FloatArray = np.sqrt(np.mean(derivatives(voxels) ** 2, axis=1))
    return rms


def _voxels(bold: Array, scene: Scene) -> dict[str, FloatArray]:
    """Voxels of each mask that is averaged, (T, V), in the order of the columns."""
    csf = scene.mask & (scene.head.csf > CSF_SHARE)
    white = scene.mask & (scene.head.white > WHITE_SHARE)
    masks = {"global_signal": scene.mask, "csf": csf, "white_matter": white, "csf_wm": csf | white}
    voxels = {name: bold[mask].T.astype(np.float64) for name, mask in masks.items()}
    return voxels | {"tcompcor": _most_variable(voxels["global_signal"])}


def _most_variable(voxels: FloatArray) -> FloatArray:
    """Keep the voxels whose SD over time is highest, `T_COMPCOR_SHARE` of all, (T, few)."""
    sd = voxels.std(axis=0)
    return voxels[:, sd >= np.quantile(sd, 1 - T_COMPCOR_SHARE)]


def _cosines(steady: BoolArray) -> FloatArray:
    """Slow cosines over the steady volumes, 0 in the others, (T, K)."""
    waves = cosine_basis(int(np.count_nonzero(steady)), T_R, 1 / HIGH_PASS_S)
    padding = np.zeros((np.count_nonzero(~steady), waves.shape[1]))
    return np.concatenate([padding, waves])


def _quality(brain: FloatArray, motion: FloatArray) -> dict[str, FloatArray]:
    return {
        "std_dvars": standardized_dvars(brain),
        "dvars": _dvars(brain),
        "framewise_displacement": framewise_displacement(motion),
        "rmsd": relative_rms(motion),
    }


def _moved(quality: Mapping[str, FloatArray]) -> BoolArray:
    """Volumes that fMRIPrep takes for outliers, (T,)."""
    far = quality["framewise_displacement"] > FD_SPIKE_MM
    return far | (quality["std_dvars"] > STD_DVARS_SPIKE)


def _expanded(series: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Each series with its change since the volume before, and the squares of both."""
    columns = {}
    for name, values in series.items():
        change = derivatives(values[:, None])[:, 0]
        columns[name] = values
        columns[f"{name}_derivative1"] = change
        columns[f"{name}_derivative1_power2"] = change**2
        columns[f"{name}_power2"] = values**2
    return columns


def _numbered(prefix: str, columns: FloatArray) -> dict[str, FloatArray]:
    return {f"{prefix}{k:02d}": column for k, column in enumerate(columns.T)}


def _all_scores(parts: Mapping[str, Components]) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for name, components in parts.items():
        columns |= _numbered(f"{name}_", components.scores)
    return columns


def _one_hot(flagged: BoolArray) -> FloatArray:
    """One column for each flagged volume, 1 there and 0 elsewhere."""
    return np.eye(flagged.size)[:, flagged]


def _metadata(parts: Mapping[str, Components]) -> dict[str, dict[str, str | float | bool]]:
    metadata: dict[str, dict[str, str | float | bool]] = {}
    n_dropped = 0
    for name, components in parts.items():
        n_kept = components.scores.shape[1]
        for k in range(n_kept + N_DROPPED):
            key = f"{name}_{k:02d}" if k < n_kept else f"dropped_{n_dropped}"
            n_dropped += k >= n_kept
            metadata[key] = _COMPCOR[name][1] | component_metadata(components, k)
    return metadata | {name: {"Method": "Mean"} for name in _MEANS}
