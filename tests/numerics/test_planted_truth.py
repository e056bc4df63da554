"""Signals that were planted come back, and what was planted beside them is gone: each by name."""

from dataclasses import replace

import numpy as np
import pytest

from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningParameters

T, T_R, N_REGIONS = 300, 2.0, 40
BAND_PASS = CleaningParameters(
    filter="butterworth", high_pass_hz=0.01, low_pass_hz=0.08, standardize="none"
)
SECONDS = np.arange(T) * T_R


def waves(rng, low_hz, high_hz, n_columns):
    """Give columns of waves of random frequencies within a band, of unit variance."""
    frequencies = rng.uniform(low_hz, high_hz, (12, n_columns))
    phases = rng.uniform(0, 2 * np.pi, (12, n_columns))
    columns = np.sin(2 * np.pi * frequencies * SECONDS[:, None, None] + phases).sum(axis=1)
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


class Planted:
    """Regions made of what is known: each part is an array (T, P) by its name."""

    def __init__(self, seed=0, gap=(0, 0)):
        rng = np.random.default_rng(seed)
        self.signal = waves(rng, 0.015, 0.07, N_REGIONS)
        self.kept = np.ones(T, dtype=bool)
        self.kept[rng.choice(np.arange(20, 280), 20, replace=False)] = False
        self.kept[slice(*gap)] = False
        motion = np.cumsum(rng.normal(size=(T, 6)), axis=0) / 10
        motion[~self.kept] += rng.normal(scale=5, size=(np.count_nonzero(~self.kept), 6))
        self.design = np.hstack([motion, waves(rng, 0.01, 0.2, 3)])  # motion, and tissues
        self.parts = {
            "drift": np.outer(np.linspace(-1, 1, T), rng.normal(size=N_REGIONS) * 5),
            "slow drift": waves(rng, 0.001, 0.004, N_REGIONS) * 3,
            "respiration": waves(rng, 0.19, 0.22, N_REGIONS),  # 0.3 Hz, sampled every 2 s
            "motion": motion @ rng.normal(size=(6, N_REGIONS)),
            "tissue": self.design[:, 6:] @ rng.normal(size=(3, N_REGIONS)),
            "spikes": np.where(self.kept[:, None], 0, rng.normal(size=(T, N_REGIONS)) * 30),
        }

    def cleaner(self, parameters=BAND_PASS):
        return Cleaner(parameters, t_r=T_R, sample_mask=self.kept, design=self.design)

    def recovered(self, parameters=BAND_PASS):
        """Correlation of each cleaned region with its signal, cleaned or not, (P,)."""
        cleaned = self.cleaner(parameters)(1000 + self.signal + sum(self.parts.values()))
        return [
            np.corrcoef(*pair)[0, 1]
            for pair in zip(cleaned.T, self.signal[self.kept].T, strict=True)
        ]


def rms(columns):
    return np.sqrt(np.mean(columns**2, axis=0))


LEFT = dict.fromkeys(Planted().parts, 0.02) | {"slow drift": 0.1, "respiration": 0.3}
"""Share of the amplitude that may stay. A line through fast waves is not what they are in
censored volumes, and a filter lets some of the difference pass."""


@pytest.mark.parametrize("part", LEFT)
def test_what_was_planted_beside_the_signal_is_gone(part):
    world = Planted()
    left = world.cleaner()(world.parts[part])
    assert (rms(left) < LEFT[part] * rms(world.parts[part])).all()


def test_of_respiration_less_stays_where_no_volume_is_censored():
    world = Planted()
    world.kept[:] = True
    left = world.cleaner()(world.parts["respiration"])
    assert (rms(left) < 0.1 * rms(world.parts["respiration"])).all()


def test_the_signal_is_kept_but_for_what_the_design_explains():
    world = Planted()
    left = world.cleaner()(world.signal)
    assert np.median(rms(left)) > 0.85
    assert np.median(world.recovered()) > 0.9


@pytest.mark.parametrize("n_volumes", [5, 10, 20, 40])
def test_no_signal_is_lost_around_a_long_gap(n_volumes):
    """With straight lines. A cubic spline runs away: medians of .90 and .76 for 40 volumes."""
    gap = (130, 130 + n_volumes)
    lines, spline = (
        np.mean(
            [
                np.median(Planted(seed, gap).recovered(replace(BAND_PASS, bridge=bridge)))
                for seed in range(5)
            ]
        )
        for bridge in ("linear", "nilearn")
    )
    assert lines > 0.9
    assert lines > spline - 0.01
