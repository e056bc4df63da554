"""The variance of every correlation (xDF), against a loop over pairs of regions.

``python -m benchmarks.xdf`` computes both for the same signals, on one thread, compares each
value, and prints processor times and the peak of memory.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from itertools import combinations

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.numerics.connectivity.xdf import memory_of, xdf_variance

FASTER, MOST_MB = 20, 300
"""Goals: so many times less processor time than the loop; memory of the whole process."""


def main() -> None:
    """Measure both, ours first, so that the peak of memory is its own."""
    options = _parser().parse_args()
    signals = _signals(options.regions, options.volumes)
    every = np.ones(options.volumes, dtype=bool)
    ours, ours_s = _timed(lambda: xdf_variance(signals, every, options.volumes))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain, plain_s = _timed(lambda: _loop(signals))
    pairs = np.triu_indices(options.regions, k=1)
    difference = np.abs(ours[pairs] / plain[pairs] - 1).max()
    sys.stdout.write(
        f"{options.regions} regions, {options.volumes} volumes: {ours_s:.2f} s, the loop "
        f"{plain_s:.1f} s, {plain_s / ours_s:.0f}x (>= {FASTER}); {peak_mb:.0f} MB (< {MOST_MB}); "
        f"largest relative difference {difference:.1e}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.xdf", description=__doc__)
    parser.add_argument("--regions", type=int, default=400)
    parser.add_argument("--volumes", type=int, default=1200)
    return parser


def _signals(n_regions: int, n_volumes: int) -> FloatArray:
    """Slow signals with something in common, and noise."""
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(size=(n_volumes, 20)), axis=0) @ rng.normal(size=(20, n_regions))
    signals: FloatArray = 0.02 * slow + rng.normal(size=(n_volumes, n_regions))
    return signals


def _timed(compute: Callable[[], FloatArray]) -> tuple[FloatArray, float]:
    start = time.process_time()
    return compute(), time.process_time() - start


def _loop(signals: FloatArray) -> FloatArray:
    """Go through pairs and lags, as the formula reads."""
    n_volumes, n_regions = signals.shape
    lags = np.arange(1, memory_of(n_volumes))
    taper = (1 + np.cos(np.pi * lags / memory_of(n_volumes))) / 2
    weights = n_volumes - 2 - lags
    scores = (signals - signals.mean(axis=0)) / signals.std(axis=0)

    def at_lags(one: FloatArray, other: FloatArray) -> FloatArray:
        means = [one[:-lag] @ other[lag:] / (n_volumes - lag) for lag in lags]
        return taper * np.array(means)

    own = [at_lags(each, each) for each in scores.T]
    variance = np.zeros((n_regions, n_regions))
    for i, j in combinations(range(n_regions), 2):
        x, y = scores[:, i], scores[:, j]
        r, xx, yy = x @ y / n_volumes, own[i], own[j]
        ahead, behind = at_lags(x, y), at_lags(y, x)
        total = (n_volumes - 2) * (1 - r**2) ** 2
        total += r**2 * np.sum(weights * (xx**2 + yy**2 + ahead**2 + behind**2))
        total -= 2 * r * np.sum(weights * (xx + yy) * (ahead + behind))
        total += 2 * np.sum(weights * (xx * yy + ahead * behind))
        variance[i, j] = max(total / n_volumes**2, (1 - r**2) ** 2 / n_volumes)
    return variance


if __name__ == "__main__":
    main()
