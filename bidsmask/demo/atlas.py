"""A 60-region atlas of the demo's cortex, and the correlations planted between its regions."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.demo.brain import CENTRE_MM, RIBBON_DEPTH, depth, voxel_centres
from bidsmask.images.grid import Grid

NETWORKS = ("Vis", "DorsAttn", "SomMot", "SalVentAttn", "Cont", "Default")
"""Six networks from the back of the brain to the front."""

HEMISPHERES = ("LH", "RH")

N_PER_NETWORK = 5
"""Regions of one network in one hemisphere."""

NETWORK_CORRELATION = np.array(
    [
        [1.00, 0.35, 0.25, 0.00, -0.10, -0.20],
        [0.35, 1.00, 0.30, 0.10, 0.10, -0.40],
        [0.25, 0.30, 1.00, 0.20, -0.10, -0.20],
        [0.00, 0.10, 0.20, 1.00, 0.30, -0.25],
        [-0.10, 0.10, -0.10, 0.30, 1.00, 0.30],
        [-0.20, -0.40, -0.20, -0.25, 0.30, 1.00],
    ]
)
"""Planted between the signals of the networks, in the order of `NETWORKS`."""

NETWORK_SHARE, PAIR_SHARE, OWN_SHARE = 0.60, 0.15, 0.25
"""Variance of a region's signal that is its network's, its left-right pair's, and its own."""

_N_SEEDS = len(NETWORKS) * N_PER_NETWORK


@dataclass(frozen=True, kw_only=True, eq=False)
class Parcellation:
    """Regions on a grid, and which of them belong together.

    Parameters
    ----------
    labels : int array of shape (X, Y, Z)
        0 outside, p + 1 in region p.
    names : tuple of str, P of them
    networks : int array of shape (P,)
        Row of `NETWORK_CORRELATION` that the region belongs to.
    pairs : int array of shape (P,)
        Regions with the same number are counterparts in the two hemispheres.
    """

    labels: IntArray
    names: tuple[str, ...]
    networks: IntArray
    pairs: IntArray

    @property
    def target_correlation(self) -> FloatArray:
        """Planted correlation matrix of the regions' signals, (P, P)."""
        networks = NETWORK_CORRELATION[np.ix_(self.networks, self.networks)]
        pairs = self.pairs[:, None] == self.pairs
        own = np.eye(len(self.names))
        target: FloatArray = NETWORK_SHARE * networks + PAIR_SHARE * pairs + OWN_SHARE * own
        return target


def region_at(points: FloatArray) -> IntArray:
    """Region of the demo atlas at each place.

    Parameters
    ----------
    points : array of shape (..., 3)
        In mm.

    Returns
    -------
    labels : int16 array of shape (...)
        0 outside of the cortical ribbon, 1 to 30 on the left, 31 to 60 on the right.
    """
    outward, x = depth(points), points[..., 0]
    labels = np.zeros(outward.shape, dtype=np.int16)
    ribbon = (outward > RIBBON_DEPTH) & (outward < 1) & (np.abs(x) >= 2)
    right = points[ribbon] * np.where(x[ribbon] < 0, [[-1.0], [1.0], [1.0]], 1.0).T
    labels[ribbon] = _nearest(right, _seeds()) + 1 + _N_SEEDS * (x[ribbon] > 0)
    return labels


def demo_parcellation(grid: Grid) -> Parcellation:
    """Draw the demo atlas on `grid`, each voxel the region at its centre."""
    region = np.arange(2 * _N_SEEDS)
    return Parcellation(
        labels=region_at(voxel_centres(grid)),
        names=region_names(),
        networks=region % _N_SEEDS // N_PER_NETWORK,
        pairs=region % _N_SEEDS,
    )


def region_names() -> tuple[str, ...]:
    """Names of the 60 regions in the order of their labels.

    Examples
    --------
    >>> region_names()[0], region_names()[59]
    ('LH_Vis_1', 'RH_Default_5')
    """
    return tuple(f"{hemisphere}_{network}_{number}" for hemisphere, network, number in _regions())


def region_table() -> dict[str, tuple[str | int, ...]]:
    """Columns of the look-up table: index, name, network, hemisphere."""
    return {
        "index": tuple(range(1, 2 * _N_SEEDS + 1)),
        "name": region_names(),
        "network": tuple(network for _, network, _ in _regions()),
        "hemisphere": tuple(hemisphere for hemisphere, _, _ in _regions()),
    }


def _regions() -> list[tuple[str, str, int]]:
    """Hemisphere, network and number within both, in the order of the labels."""
    return list(product(HEMISPHERES, NETWORKS, range(1, N_PER_NETWORK + 1)))


def _seeds() -> FloatArray:
    """Centres of the right-hand regions, (30, 3) in mm, from the back of the brain to the front.

    Evenly spread over half a sphere (a Fibonacci lattice), then stretched to the cerebrum.
    """
    k = np.arange(_N_SEEDS)
    x, turn = (k + 0.5) / _N_SEEDS, k * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - x**2)
    direction = np.stack([x, ring * np.cos(turn), ring * np.sin(turn)], axis=1)
    reach = (1 + RIBBON_DEPTH) / 2 / depth(direction + CENTRE_MM)
    seeds = CENTRE_MM + direction * reach[:, None]
    ordered: FloatArray = seeds[np.argsort(seeds[:, 1])]
    return ordered


def _nearest(points: FloatArray, seeds: FloatArray) -> IntArray:
    """Row of the closest seed to each of the points (V, 3)."""
    # |p - s|² = |p|² - 2 p·s + |s|², and |p|² is the same for all seeds.
    nearest: IntArray = np.argmin(np.sum(seeds**2, axis=1) - 2 * points @ seeds.T, axis=1)
    return nearest
