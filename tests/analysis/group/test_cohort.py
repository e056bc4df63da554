"""The simulated cohort holds what is planted in it."""

import numpy as np
from worlds.planted import PLAIN, Planted

from bidsmask.derivatives.check import check_output
from bidsmask.derivatives.read import find_runs


def observed(cohort, strategy):
    """Fisher's z of every edge in every run (N, E), and what is planted there."""
    seen, planted = [], []
    for run in find_runs(cohort.output_dir):
        for key, name in run.matrices.items():
            if run.strategies[key.desc] == strategy:
                z = np.arctanh(run.read_matrix(name)[1][cohort.planted.pairs])
                truth = cohort.planted.fisher_z(**cohort.truth(run.name, strategy))
                seen.append(z)
                planted.append(truth)
    return np.array(seen), np.array(planted)


def test_connectivity_is_what_is_planted_within_the_noise_of_sampling(cohort):
    freedom = {row.name: row.n_regressors for row in cohort.strategies}
    for strategy in ("24P", "simple"):
        seen, planted = observed(cohort, strategy)
        error = np.nanstd(seen - planted)
        expected = 1 / np.sqrt(150 - 2 - freedom[strategy] - 2)
        assert abs(error / expected - 1) < 0.05
        assert abs(np.nanmean(seen - planted)) < 0.01


def test_motion_raises_edges_the_more_the_shorter_and_the_better_strategy_leaves_less(cohort):
    planted = cohort.planted
    still, moved = (planted.fisher_z(motion_mm=mm) for mm in (0.0, 0.4))
    gain = moved - still
    distance = planted.distance_mm[planted.pairs]
    assert np.corrcoef(gain, distance)[0, 1] < -0.5
    runs = cohort.runs
    assert runs["mean_fd"][runs["moves"]].min() > 0.55
    assert runs["mean_fd"][~runs["moves"]].median() < 0.25
    fd = runs["mean_fd"].to_numpy() - runs["mean_fd"].mean()
    near = {}
    for strategy in ("24P", "simple"):
        seen, truth = observed(cohort, strategy)
        slopes, expected = (
            fd @ z / (fd @ fd) for z in (np.where(np.isnan(seen), truth, seen), truth)
        )
        near[strategy] = slopes[distance < 40].mean()
        assert abs(near[strategy] - expected[distance < 40].mean()) < 0.05
    assert near["24P"] > 2 * near["simple"] > 0


def test_patients_have_more_within_the_first_network_alone():
    rng = np.random.default_rng(0)
    planted = Planted(rng.uniform(-50, 50, (8, 3)), list("AAAABBBB"), PLAIN)
    plain, patient = (planted.covariance(motion_mm=0.1, is_patient=each) for each in (False, True))
    more = patient - plain
    np.testing.assert_allclose(more[:4, :4], PLAIN.group)
    assert not more[4:].any()
    draws = planted.draws(rng, 50_000)
    signals = planted.signals(draws, motion_mm=0.1, is_patient=True)
    np.testing.assert_allclose(np.cov(signals.T), patient, atol=0.05)


def test_what_is_written_is_an_output_of_which_every_file_is_accounted_for(cohort):
    checked = check_output(cohort.output_dir)
    assert checked.n_records >= len(cohort.runs)
    assert checked.problems == ()
    runs = list(find_runs(cohort.output_dir))
    assert {run.name for run in runs} == set(cohort.runs.index)
    lost = [run for run in runs if "scrubbingp5" not in run.strategies]
    assert lost, "the strict strategy cannot be carried out where all volumes move"
    assert {run.participant for run in lost} <= set(
        cohort.runs["participant_id"][cohort.runs["moves"]]
    )
