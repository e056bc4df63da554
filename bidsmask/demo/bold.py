"""The BOLD image of one run: what is planted in each voxel, and what spoils it.

Each voxel is its brightness times one plus a sum of rank-one terms, plus noise that no table
explains. The terms, as shares of the brightness:

=================  ===================================================================
regions            `NEURAL_SHARE` in grey matter, from `signals.region_signals`
global             slow, everywhere, strongest in grey matter (blood CO2, breathing)
fluid, vessels     a few time courses, strongest in CSF, weaker in white and grey matter
drift              a line and a parabola, different from place to place (scanner heating)
=================  ===================================================================

Motion adds the change of brightness along the way that realignment has not undone, which is
linear in the six parameters, and at each jerk a pattern of its own, which only censoring removes.
"""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.demo.atlas import Parcellation
from bidsmask.demo.brain import CENTRE_MM, Anatomy, brain_mask, signal_left, voxel_centres
from bidsmask.demo.signals import coloured_noise
from bidsmask.numerics.motion import framewise_displacement

NEURAL_SHARE = 0.016
GLOBAL_SHARE = 0.006
FLUID_SHARE = 0.012
DRIFT_SHARE = 0.01
JERK_SHARE_PER_MM = 0.02
JERK_MM = 0.4
"""Framewise displacement from which on a movement is a jerk."""

NOISE = 9.0
"""SD of the noise of a voxel, in the unit of the brightness (grey matter is 1000)."""

UNREALIGNED = 0.12
"""Share of each movement that realignment and interpolation have not undone."""

FIRST_VOLUMES = np.array([0.30, 0.08])
"""Extra brightness before the magnetisation is in its steady state."""

N_FLUID = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What one run's volumes are made of, voxel by voxel.

    Parameters
    ----------
    head : Anatomy
    brightness : float array of shape (X, Y, Z)
        With dropout, without noise.
    mask : bool array of shape (X, Y, Z)
        The run's brain mask.
    parcellation : Parcellation
        Whose regions carry the planted signals.
    """

    head: Anatomy
    brightness: FloatArray
    mask: BoolArray
    parcellation: Parcellation

    @property
    def voxels(self) -> IntArray:
        """Flat indices (x fastest) of all voxels that have any signal."""
        return np.flatnonzero(_flat(self.brightness) > 1)


def draw_scene(head: Anatomy, parcellation: Parcellation, *, dropout_mm: float) -> Scene:
    """Place `head` in a scanner that loses signal around the sinuses."""
    left = signal_left(voxel_centres(head.grid), dropout_mm)
    return Scene(
        head=head,
        brightness=head.brightness * left,
        mask=brain_mask(head, left),
        parcellation=parcellation,
    )


def bold_volumes(
    rng: np.random.Generator,
    scene: Scene,
    regions: FloatArray,
    motion: FloatArray,
    *,
    n_unsteady: int = 0,
) -> IntArray:
    """All volumes of a run.

    Parameters
    ----------
    rng : Generator
    scene : Scene
    regions : array of shape (T, P)
        Planted signals, SD 1.
    motion : array of shape (T, 6)
        In mm and radians.
    n_unsteady : int
        Volumes at the start, at most 2, that are brighter than the others.

    Returns
    -------
    bold : int16 array of shape (X, Y, Z, T), x fastest and T slowest in memory
    """
    voxels = scene.voxels
    brightness = _flat(scene.brightness)[voxels]
    change = _neural(scene, regions) + _nuisance(rng, scene, len(motion))
    change += _jerk_patterns(rng, scene, motion)
    change[:n_unsteady] += FIRST_VOLUMES[:n_unsteady, None]
    inside = brightness * (1 + change) + movement(scene, motion)
    inside += NOISE * rng.normal(size=inside.shape)
    volumes = np.zeros((len(motion), scene.brightness.size), dtype=np.int16)  # (T, V)
    volumes[:, voxels] = np.clip(np.rint(inside), 0, np.iinfo(np.int16).max)
    return volumes.T.reshape((*scene.brightness.shape, len(motion)), order="F")


def movement(scene: Scene, motion: FloatArray) -> FloatArray:
    """Change of brightness through movement that realignment has not undone.

    Linear in the parameters: the brightness at a place becomes that of where its content came
    from, to first order.

    Parameters
    ----------
    scene : Scene
    motion : array of shape (T, 6)
        In mm and radians; rotations are about the centre of the cerebrum.

    Returns
    -------
    change : array of shape (T, V)
        In the unit of the brightness, over `scene.voxels`; its mean over time is 0.
    """
    # The inverse transpose turns a gradient per voxel into one per mm, also on oblique grids.
    per_voxel = np.stack(
        [_flat(np.gradient(scene.brightness, axis=axis))[scene.voxels] for axis in range(3)]
    )
    slope = np.linalg.inv(scene.head.grid.affine[:3, :3]).T @ per_voxel  # (3, V)
    turning = np.cross(_places(scene) * 80, slope, axis=0)  # ∇I · (e_k × r) = e_k · (r × ∇I)
    moved = motion - motion.mean(axis=0)
    left_over: FloatArray = -UNREALIGNED * moved @ np.concatenate([slope, turning])
    return left_over


def _flat(volume: Array) -> Array:
    """Voxels in the order of a NIfTI file, (V,)."""
    return volume.ravel(order="F")


def _tissues(scene: Scene) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shares of CSF, grey and white matter, each (V,) over `scene.voxels`."""
    csf, grey, white = (
        _flat(share)[scene.voxels] for share in (scene.head.csf, scene.head.grey, scene.head.white)
    )
    return csf, grey, white


def _places(scene: Scene) -> FloatArray:
    """Places of `scene.voxels` in units of 80 mm from the centre of the cerebrum, (3, V)."""
    centres = voxel_centres(scene.head.grid)
    return np.stack([_flat(centres[..., k])[scene.voxels] - CENTRE_MM[k] for k in range(3)]) / 80


def _neural(scene: Scene, regions: FloatArray) -> FloatArray:
    """Planted signals where grey matter is, (T, V)."""
    _, grey, _ = _tissues(scene)
    labels = _flat(scene.parcellation.labels)[scene.voxels]
    # Label 0 picks a column of zeros: outside of all regions nothing is planted.
    padded = np.concatenate([np.zeros((len(regions), 1)), regions], axis=1)
    planted: FloatArray = NEURAL_SHARE * grey * padded[:, labels]
    return planted


def _nuisance(rng: np.random.Generator, scene: Scene, n_volumes: int) -> FloatArray:
    """Global signal, fluid and drift, (T, V)."""
    csf, grey, white = _tissues(scene)
    places = _places(scene)
    breath = coloured_noise(rng, n_volumes, 1, (0.01, 0.05))
    everywhere = (0.3 * csf + grey + 0.5 * white)[None]
    fluid = coloured_noise(rng, n_volumes, N_FLUID, (0.0, 0.25))
    vessels = (csf + 0.35 * white + 0.2 * grey) * _smooth_patterns(rng, places, N_FLUID)
    line = np.linspace(-1, 1, n_volumes)
    drift = np.stack([line, line**2 - 1 / 3], axis=1)
    heating = _smooth_patterns(rng, places, 2)
    nuisance: FloatArray = (
        GLOBAL_SHARE * breath @ everywhere
        + FLUID_SHARE * fluid @ vessels
        + DRIFT_SHARE * drift @ heating
    )
    return nuisance


def _smooth_patterns(rng: np.random.Generator, places: FloatArray, n: int) -> FloatArray:
    """Draw maps that change linearly over the brain, around 1 or -1, (n, V)."""
    return rng.choice([-1.0, 1.0], size=(n, 1)) + 0.5 * rng.normal(size=(n, 3)) @ places


def _jerk_patterns(rng: np.random.Generator, scene: Scene, motion: FloatArray) -> FloatArray:
    """Signal that each jerk costs or adds, in a direction of its own, (T, V)."""
    fd = np.nan_to_num(framewise_displacement(motion))
    jerked = np.where(fd > JERK_MM, fd, 0.0)
    directions = rng.normal(size=(len(motion), 3)) * jerked[:, None]
    patterns: FloatArray = directions @ _places(scene) - 0.5 * jerked[:, None]
    return JERK_SHARE_PER_MM * patterns
