"""Planted signals of a region, and how well its mean recovers them with each ``--voxel-scaling``.

``python -m benchmarks.voxel_scaling`` draws regions of 120 voxels in which one signal (0.01 to
0.1 Hz, 1 % of the mean of each voxel) lies in noise of some kind, cleans their means as
``simple`` would without confounds (mean and line removed), and prints the correlation with what
was planted: mean over draws (by Fisher's z), and the share of draws in which scaling is better
than none. "zscore, cleaned" scales by the standard deviation of cleaned voxels, as
giga_connectome does, which would have to be done again for each strategy.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from bidsmask.numerics.even_filter import butterworth_even
from bidsmask.numerics.filters import detrend

T, T_R, V = 240, 2.0, 120
SCALINGS = ("none", "zscore", "psc", "zscore, cleaned")

Rng = np.random.Generator


class Region:
    """Voxels (V,): mean, amplitude of the signal, SD of noise; and what else is in them (T, V)."""

    def __init__(self, rng: Rng) -> None:
        self.mean = rng.normal(1000, 80, V)
        self.amplitude = 0.01 * self.mean
        self.noise = np.full(V, 8.0)
        self.besides = np.zeros((T, V))

    def voxels(self, signal: np.ndarray, rng: Rng) -> np.ndarray:
        """Time courses (T, V)."""
        noise = self.noise * rng.normal(size=(T, V))
        return self.mean + np.outer(signal, self.amplitude) + noise + self.besides


def slow(rng: Rng, low_hz: float, high_hz: float) -> np.ndarray:
    """Draw a signal (T,) of a band, with a standard deviation of 1."""
    noise = rng.normal(size=(3 * T, 1))
    (signal,) = butterworth_even(noise, t_r=T_R, high_pass_hz=low_hz, low_pass_hz=high_hz)[
        T : 2 * T
    ].T
    return signal / signal.std()


def _alike(region: Region, rng: Rng) -> None:
    pass


def _means_differ(region: Region, rng: Rng) -> None:
    region.mean = rng.uniform(500, 1500, V)
    region.amplitude = 0.01 * region.mean


def _noise_follows_means(region: Region, rng: Rng) -> None:
    _means_differ(region, rng)
    region.noise = 0.008 * region.mean


def _noise_differs(region: Region, rng: Rng) -> None:
    region.noise = 8 * np.exp(rng.normal(0, 0.7, V))


def _signals_differ(region: Region, rng: Rng) -> None:
    region.amplitude = region.amplitude * np.exp(rng.normal(0, 0.7, V))


def _white_matter(region: Region, rng: Rng) -> None:
    there = rng.random(V) < 0.4
    region.amplitude[there], region.noise[there] = 0, 5


def _csf(region: Region, rng: Rng) -> None:
    there = rng.random(V) < 0.2
    region.mean[there], region.amplitude[there], region.noise[there] = 1800, 0, 30
    region.besides[:, there] += 40 * slow(rng, 0.02, 0.2)[:, np.newaxis]


def _vessels(region: Region, rng: Rng) -> None:
    there = rng.random(V) < 0.08
    region.amplitude[there] *= 5
    region.noise[there] *= 5
    region.besides[:, there] += 60 * slow(rng, 0.02, 0.2)[:, np.newaxis]


def _dark_edge(region: Region, rng: Rng) -> None:
    there = rng.random(V) < 0.1
    region.mean[there], region.amplitude[there] = 60, 0.6
    region.besides[:, there] += 20 * slow(rng, 0.005, 0.05)[:, np.newaxis]


def _spikes_at_an_edge(region: Region, rng: Rng) -> None:
    there = rng.random(V) < 0.15
    spikes = np.zeros(T)
    spikes[rng.choice(T, 6, replace=False)] = rng.normal(0, 150, 6)
    region.besides[:, there] += np.outer(spikes, rng.normal(1, 0.3, np.count_nonzero(there)))


def _drifts(region: Region, rng: Rng) -> None:
    region.besides += np.outer(np.linspace(-1, 1, T), rng.normal(0, 30, V))


KINDS: dict[str, Callable[[Region, Rng], None]] = {
    "voxels are alike": _alike,
    "means differ, noise does not": _means_differ,
    "noise is proportional to means": _noise_follows_means,
    "noise differs (log SD 0.7)": _noise_differs,
    "strength of the signal differs (log SD 0.7)": _signals_differ,
    "40 % have no signal and less noise (white matter)": _white_matter,
    "20 % are bright and fluctuate for themselves (CSF)": _csf,
    "8 % have 5 times the signal, and fluctuate (vessels)": _vessels,
    "10 % are dark and fluctuate (dropout)": _dark_edge,
    "15 % have spikes (edge that moves)": _spikes_at_an_edge,
    "all drift, each its way": _drifts,
}


def main() -> None:
    """Draw, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.voxel_scaling")
    parser.add_argument("--draws", type=int, default=200, help="regions of each kind")
    n_draws = parser.parse_args().draws
    write = partial(print, file=sys.stdout)
    write(f"| region | {' | '.join(SCALINGS)} | better than none: zscore | psc |")
    write(f"| {' | '.join(['---'] * 7)} |")
    for number, (name, spoil) in enumerate(KINDS.items()):
        rng = np.random.default_rng(number)
        r = np.array([_recovered(spoil, rng) for _ in range(n_draws)])
        means = " | ".join(f"{each:.3f}" for each in np.tanh(np.arctanh(r).mean(axis=0)))
        better = " | ".join(f"{100 * (r[:, n] > r[:, 0]).mean():.0f} %" for n in (1, 2))
        write(f"| {name} | {means} | {better} |")


def _recovered(spoil: Callable[[Region, Rng], None], rng: Rng) -> list[float]:
    """Correlate what was planted with the mean of voxels, for each scaling."""
    signal, region = slow(rng, 0.01, 0.1), Region(rng)
    spoil(region, rng)
    voxels = region.voxels(signal, rng)
    cleaned = detrend(voxels)
    units = (1.0, voxels.std(axis=0, ddof=1), voxels.mean(axis=0), cleaned.std(axis=0))
    return [float(np.corrcoef(signal, (cleaned / each).mean(axis=1))[0, 1]) for each in units]


if __name__ == "__main__":
    main()
