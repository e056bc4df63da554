"""Time courses of the demo: the planted signals of the regions, and noise of a given colour."""

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.demo.atlas import (
    NETWORK_CORRELATION,
    NETWORK_SHARE,
    OWN_SHARE,
    PAIR_SHARE,
    Parcellation,
)

T_R = 2.0
"""Repetition time of every run of the demo, in seconds."""

NEURAL_BAND_HZ = (0.01, 0.15)
"""Where the planted signals live: a high-pass at 0.008 Hz does not touch them."""


def coloured_noise(
    rng: np.random.Generator, n_volumes: int, n_columns: int, band_hz: tuple[float, float]
) -> FloatArray:
    """Gaussian noise of a frequency band, with mean 0 and SD 1 in each column.

    Parameters
    ----------
    rng : Generator
    n_volumes, n_columns : int
        T and the number of independent columns.
    band_hz : (low, high)
        Frequencies within are equally strong, others absent.

    Returns
    -------
    noise : array of shape (T, columns)

    Raises
    ------
    ValueError
        If no frequency of a run this short lies within the band.
    """
    # Made twice as long as needed, so that the ends of a run do not meet.
    n_samples = 2 * n_volumes
    frequencies = np.fft.rfftfreq(n_samples, T_R)
    inside = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1]) & (frequencies > 0)
    if not inside.any():
        raise ValueError(f"{n_volumes} volumes are too few for a band of {band_hz} Hz.")
    spectrum = np.fft.rfft(rng.normal(size=(n_samples, n_columns)), axis=0)
    noise = np.fft.irfft(spectrum * inside[:, None], n=n_samples, axis=0)[:n_volumes]
    noise -= noise.mean(axis=0)
    scaled: FloatArray = noise / noise.std(axis=0)
    return scaled


def region_signals(
    rng: np.random.Generator, parcellation: Parcellation, n_volumes: int
) -> FloatArray:
    """Signals of the regions as planted, without any artefact.

    The networks' signals have exactly the planted correlations in every run, and are orthogonal
    to the rest, so that a run's matrix strays little from the target.

    Parameters
    ----------
    rng : Generator
    parcellation : Parcellation
    n_volumes : int
        T; more than there are networks.

    Returns
    -------
    signals : array of shape (T, P)
        Variance close to 1.
    """
    networks = network_signals(rng, n_volumes)
    n_pairs, n_regions = int(parcellation.pairs.max()) + 1, parcellation.pairs.size
    rest = coloured_noise(rng, n_volumes, n_pairs + n_regions, NEURAL_BAND_HZ)
    rest -= networks @ np.linalg.lstsq(networks, rest, rcond=None)[0]
    pairs, own = rest[:, :n_pairs], rest[:, n_pairs:]
    signals: FloatArray = (
        np.sqrt(NETWORK_SHARE) * networks[:, parcellation.networks]
        + np.sqrt(PAIR_SHARE) * pairs[:, parcellation.pairs]
        + np.sqrt(OWN_SHARE) * own
    )
    return signals


def network_signals(rng: np.random.Generator, n_volumes: int) -> FloatArray:
    """Signals with `NETWORK_CORRELATION` as their sample correlation, (T, 6)."""
    noise = coloured_noise(rng, n_volumes, len(NETWORK_CORRELATION), NEURAL_BAND_HZ)
    uncorrelated = np.linalg.qr(noise)[0] * np.sqrt(n_volumes)
    signals: FloatArray = uncorrelated @ np.linalg.cholesky(NETWORK_CORRELATION).T
    return signals
