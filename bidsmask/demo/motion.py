"""How the head of the demo moves: slow drift, breathing, and now and then a jerk."""

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.demo.signals import T_R, coloured_noise

BREATHING_HZ = 0.28
"""Above the Nyquist frequency of the demo's TR: it shows up folded down to 0.22 Hz."""

VOLUMES_PER_JERK = 35
"""One jerk in about this many volumes, when `amount` is 1."""

_MM_AND_RAD = np.array([1.0, 1.0, 1.0, 0.012, 0.012, 0.012])
"""Rotations are scaled to move the surface of the brain about as far as translations do."""


def head_motion(rng: np.random.Generator, n_volumes: int, *, amount: float = 1.0) -> FloatArray:
    """Rigid-body parameters of a head that does not quite lie still.

    Parameters
    ----------
    rng : Generator
    n_volumes : int
        T
    amount : float
        Scales drift and the number of jerks; 0 leaves breathing.

    Returns
    -------
    motion : array of shape (T, 6)
        Translations x, y, z in mm, then rotations about x, y, z in radians; as fMRIPrep's
        ``trans_*`` and ``rot_*``.
    """
    drift = 0.12 * amount * coloured_noise(rng, n_volumes, 6, (0.0, 0.02))
    tremble = 0.004 * rng.normal(size=(n_volumes, 6))
    moved = drift + tremble + _breathing(rng, n_volumes) + _jerks(rng, n_volumes, amount)
    motion: FloatArray = moved * _MM_AND_RAD
    return motion


def _breathing(rng: np.random.Generator, n_volumes: int) -> FloatArray:
    """Nodding and lifting of the head with each breath, (T, 6)."""
    phase = 2 * np.pi * (BREATHING_HZ * T_R * np.arange(n_volumes) + rng.uniform())
    return np.outer(np.sin(phase), [0.0, 0.02, 0.03, 0.02, 0.0, 0.0])


def _jerks(rng: np.random.Generator, n_volumes: int, amount: float) -> FloatArray:
    """Sudden movements that last one or two volumes and leave the head a little off, (T, 6)."""
    jerks = np.zeros((n_volumes, 6))
    n_jerks = round(amount * n_volumes / VOLUMES_PER_JERK)
    for onset in rng.choice(np.arange(5, n_volumes - 3), size=n_jerks, replace=False):
        jerk = rng.normal(size=6)
        jerk *= rng.uniform(0.4, 1.0) / np.linalg.norm(jerk)
        jerks[onset : onset + rng.integers(1, 3)] += jerk
        jerks[onset:] += 0.2 * jerk
    return jerks
