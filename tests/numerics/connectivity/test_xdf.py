import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import norm

from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.connectivity.plain import correlation
from bidsmask.numerics.connectivity.xdf import (
    Lag,
    two_sided_p,
    variance_of_r,
    xdf_variance,
    xdf_z,
)

SEEDS = st.integers(0, 2**32 - 1)
CASES = [(0.0, 0.0, 0.5), (0.6, 0.6, 0.0), (0.7, 0.3, 0.0), (0.6, 0.6, 0.5), (0.8, 0.8, 0.3)]
BURN_IN = 100


def gaps(n_volumes):
    """Every 17 volumes, five that were left out."""
    return np.arange(n_volumes) % 17 >= 5


EVERY = np.ones(400, dtype=bool)


def autoregressive(rng, phis, r, n_series, n_volumes):
    """Pairs of series, shape (n_series, 2, T); neighbours correlate by `phis`, noises by `r`."""
    noise = rng.normal(size=(n_series, 2, n_volumes + BURN_IN))
    noise[:, 1] = r * noise[:, 0] + np.sqrt(1 - r**2) * noise[:, 1]
    series = [lfilter([1], [1, -phi], noise[:, i]) for i, phi in enumerate(phis)]
    return np.stack(series, axis=1)[..., BURN_IN:]


def true_correlation(phis, r):
    """Correlation of first-order autoregressive processes whose noises correlate by `r`."""
    phi = np.array(phis)
    together = r * np.sqrt((1 - phi**2).prod()) / (1 - phi.prod())
    return np.array([[1, together], [together, 1]])


def true_lags(phis, r, mask):
    phi = np.array(phis)
    for lag in range(1, mask.size):
        n_pairs = np.count_nonzero(mask[lag:] & mask[:-lag])
        # the later one has forgotten by its own phi
        yield Lag(n_pairs, phi**lag, true_correlation(phis, r) * phi**lag)


def correlations(series):
    centred = series - series.mean(axis=-1, keepdims=True)
    x, y = np.moveaxis(centred / np.linalg.norm(centred, axis=-1, keepdims=True), 1, 0)
    return (x * y).sum(axis=-1)


def variance_of_many(phis, r, mask, n_series):
    rng = np.random.default_rng(7)
    return correlations(autoregressive(rng, phis, r, n_series, mask.size)[..., mask]).var()


def predicted_variance(phis, r, mask):
    lags = true_lags(phis, r, mask)
    return variance_of_r(true_correlation(phis, r), np.count_nonzero(mask), lags)[0, 1]


@pytest.mark.parametrize(
    ("phi_x", "phi_y", "r", "mask"),
    [*((*case, EVERY) for case in CASES), *((*case, gaps(400)) for case in CASES[-2:])],
)
def test_the_variance_is_that_of_many_runs(phi_x, phi_y, r, mask):
    """10,000 runs tell a variance to within 1.4 % (one standard error).

    Estimates fall short of it where signals are slow: the mean that is subtracted, and the taper,
    make them seem faster than they are.
    """
    phis = phi_x, phi_y
    found = variance_of_many(phis, r, mask, 10_000)
    assert predicted_variance(phis, r, mask) == pytest.approx(found, rel=0.04)
    runs = autoregressive(np.random.default_rng(8), phis, r, 100, mask.size)
    estimated = [xdf_variance(run.T[mask], mask, mask.sum())[0, 1] for run in runs]
    assert 0.85 < np.mean(estimated) / found < 1.06


def test_the_variance_of_independent_volumes_is_that_of_the_textbook():
    r = np.array([[1, 0.6], [0.6, 1]])
    assert variance_of_r(r, 202, [])[0, 1] == pytest.approx((1 - 0.36) ** 2 * 200 / 202**2)


@given(seed=SEEDS)
def test_the_sums_over_lags_are_those_of_the_published_formula(seed):
    """One pair, volume by volume, with tapered estimates: nothing is taken together."""
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.normal(size=(2, 60)), axis=1) + rng.normal(size=(2, 60))
    x, y = ((each - each.mean()) / each.std() for each in (x, y))
    r, memory = np.mean(x * y), round(2 * np.sqrt(60))
    total = 58 * (1 - r**2) ** 2
    for k in range(1, memory):
        w, taper = 58 - k, (1 + np.cos(np.pi * k / memory)) / 2
        xx, yy, ahead, behind = (
            taper * np.mean(one[: 60 - k] * other[k:])
            for one, other in ((x, x), (y, y), (x, y), (y, x))
        )
        total += r**2 * w * (xx**2 + yy**2 + ahead**2 + behind**2)
        total -= 2 * r * w * (xx + yy) * (ahead + behind)
        total += 2 * w * (xx * yy + ahead * behind)
    expected = max(total / 60**2, (1 - r**2) ** 2 / 60)
    found = xdf_variance(np.column_stack([x, y]), np.ones(60, dtype=bool), 60)
    assert found[0, 1] == pytest.approx(expected, rel=1e-9)


@given(seed=SEEDS)
def test_pairs_across_a_gap_are_of_the_volumes_that_are_so_far_apart(seed):
    """Volumes that were left out, put in as NaN and taken out of each sum, change nothing."""
    mask = gaps(80)
    x, y = np.random.default_rng(seed).normal(size=(2, mask.sum()))
    x, y = ((each - each.mean()) / each.std() for each in (x, y))
    there = np.full((2, 80), np.nan)
    there[:, mask] = x, y
    memory, r = round(2 * np.sqrt(mask.sum())), np.mean(x * y)
    lags = []
    for k in range(1, memory):
        pairs = there[:, np.newaxis, :-k] * there[np.newaxis, :, k:]
        taper = (1 + np.cos(np.pi * k / memory)) / 2
        ahead = taper * np.nanmean(pairs, axis=-1)
        lags.append(Lag(np.isfinite(pairs[0, 1]).sum(), np.diag(ahead), ahead))
    expected = variance_of_r(np.array([[1, r], [r, 1]]), mask.sum(), lags)[0, 1]
    found = xdf_variance(np.column_stack([x, y]), mask, 1e-3 + mask.sum())[0, 1]
    assert found == pytest.approx(max(expected, (1 - r**2) ** 2 / mask.sum()), rel=1e-4)


@given(seed=SEEDS, dof=st.floats(3, 60))
def test_it_is_never_below_that_of_white_noise_that_was_cleaned_so(seed, dof):
    signals = np.random.default_rng(seed).normal(size=(60, 4))
    variance = xdf_variance(signals, np.ones(60, dtype=bool), dof)
    bound = (1 - correlation(signals) ** 2) ** 2 / dof
    off_diagonal = ~np.eye(4, dtype=bool)
    assert (variance >= bound)[off_diagonal].all()
    assert np.isnan(np.diag(variance)).all()


@given(seed=SEEDS)
def test_a_run_backwards_has_the_same_variance(seed):
    mask = gaps(70)
    signals = np.random.default_rng(seed).normal(size=(mask.sum(), 3)).cumsum(axis=0)
    np.testing.assert_allclose(
        xdf_variance(signals[::-1], mask[::-1], 20), xdf_variance(signals, mask, 20), rtol=1e-9
    )


def test_scores_of_unrelated_signals_are_standard_normal():
    """1,225 pairs of slow signals: the naive score would have a deviation of 1.5."""
    noise = np.random.default_rng(0).normal(size=(50, 600))
    signals = lfilter([1], [1, -0.6], noise)[:, 100:].T
    z = xdf_z(correlation(signals), xdf_variance(signals, np.ones(500, dtype=bool), 500))
    of_pairs = z[np.triu_indices(50, k=1)]
    assert np.std(of_pairs) == pytest.approx(1, abs=0.06)
    assert np.mean(two_sided_p(of_pairs) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_where_a_correlation_is_1_there_is_no_doubt():
    r = np.array([[1, 1, -1], [1, 1, np.nan], [-1, np.nan, 1]])
    z = xdf_z(r, np.zeros((3, 3)))
    np.testing.assert_array_equal(
        z, [[np.nan, np.inf, -np.inf], [np.inf, *[np.nan] * 2], [-np.inf, *[np.nan] * 2]]
    )
    np.testing.assert_array_equal(two_sided_p(z)[0], [np.nan, 0, 0])


def test_equal_signals_have_a_large_score():
    x = np.random.default_rng(0).normal(size=60)
    signals = np.column_stack([x, x, -x, np.ones(60)])
    z = xdf_z(correlation(signals), xdf_variance(signals, np.ones(60, dtype=bool), 60))
    assert z[0, 1] > 100
    assert z[0, 2] < -100
    assert np.isnan(z[3]).all()


def test_p_is_that_of_scipy():
    z = np.linspace(-30, 30, 101)
    np.testing.assert_allclose(two_sided_p(z), 2 * norm.sf(np.abs(z)), rtol=1e-12)


def test_one_volume_has_no_variance():
    with pytest.raises(DegreesOfFreedomError, match="at least 2"):
        xdf_variance(np.ones((1, 3)), np.ones(1, dtype=bool), 1)
