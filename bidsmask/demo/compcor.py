"""CompCor components of the demo's runs, and what fMRIPrep's metadata say of them."""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import BoolArray, FloatArray

VARIANCE_RETAINED = 0.5
"""The components that together explain this share of the variance are kept, ..."""

MIN_COMPONENTS = 5
"""... and at least so many, since strategies ask for five."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Components:
    """Principal components of the voxels of a mask.

    Parameters
    ----------
    scores : array of shape (T, K)
        Those that are kept, of unit length; 0 in volumes that were left out.
    singular_values : array of shape (n,)
        Of all components, n >= K.
    """

    scores: FloatArray
    singular_values: FloatArray

    @property
    def variance_explained(self) -> FloatArray:
        """Share of the variance that each component explains, (n,)."""
        return _shares(self.singular_values)


def compcor(voxels: FloatArray, waves: FloatArray, steady: BoolArray) -> Components:
    """Components of voxels that were high-pass filtered and scaled to unit variance.

    Parameters
    ----------
    voxels : array of shape (T, V)
    waves : array of shape (T, K)
        Slow cosines to be removed first.
    steady : bool array of shape (T,)
        Volumes to use.

    References
    ----------
    Behzadi et al. (2007), NeuroImage 37(1), doi:10.1016/j.neuroimage.2007.04.042
    """
    slow = np.column_stack([np.ones(np.count_nonzero(steady)), waves[steady]])
    fast = voxels[steady] - slow @ np.linalg.lstsq(slow, voxels[steady], rcond=None)[0]
    courses, values, _ = np.linalg.svd(fast / fast.std(axis=0), full_matrices=False)
    n_kept = 1 + np.searchsorted(np.cumsum(_shares(values)), VARIANCE_RETAINED)
    kept = courses[:, : max(n_kept, MIN_COMPONENTS)]
    scores = np.zeros((len(voxels), kept.shape[1]))
    scores[steady] = kept * _signs(kept)
    return Components(scores=scores, singular_values=values)


def component_metadata(components: Components, k: int) -> dict[str, float | bool]:
    """Describe component `k`, kept or not, as the sidecar does."""
    shares = components.variance_explained
    return {
        "CumulativeVarianceExplained": round(float(shares[: k + 1].sum()), 10),
        "Retained": k < components.scores.shape[1],
        "SingularValue": round(float(components.singular_values[k]), 10),
        "VarianceExplained": round(float(shares[k]), 10),
    }


def _shares(singular_values: FloatArray) -> FloatArray:
    shares: FloatArray = singular_values**2 / np.sum(singular_values**2)
    return shares


def _signs(courses: FloatArray) -> FloatArray:
    """Signs that make the largest value of each column positive: SVD leaves them open."""
    extremes = np.argmax(np.abs(courses), axis=0)
    signs: FloatArray = np.sign(courses[extremes, np.arange(courses.shape[1])])
    return signs
