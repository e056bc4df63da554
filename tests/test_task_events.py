"""Events of a task, from the raw dataset to the files: planted responses, gone or found again."""

import json
import os
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import (
    N_UNSTEADY,
    SHAPE,
    SPACE,
    T_R,
    affine_in,
    blocks_of,
    confounds_table,
    noise,
    save_image,
    write_events,
)

from bidsmask.cli.main import main
from bidsmask.numerics.hemodynamics import event_responses, sample_times

N_VOLUMES = 100
EVENTS = [(6 + 20 * number, 2, ("go", "stop")[number % 2]) for number in range(9)]
AMPLITUDES = np.array([3.0, 1.0])
"""Of the conditions go and stop, in percent of 1000, in the odd regions."""


@pytest.fixture(scope="module")
def world(tiny, tmp_path_factory):
    """Two runs, of which the first has events: regions 1, 3, ... respond, the others do not."""
    affine = affine_in("RAS")
    labels = blocks_of(affine, SHAPE, edges=((-14, -7, 0, 7, 14), (-18, 18), (-16, 16)))
    dataset = tiny()
    response = task_response(AMPLITUDES) * 10
    for number, subject in enumerate(("01", "02")):
        values = noise(n_volumes=N_VOLUMES, seed=number)
        values += (labels % 2 == 1)[..., np.newaxis] * response
        dataset.add_run(subject, values, affine, confounds=confounds_table(N_VOLUMES))
    folder = tmp_path_factory.mktemp("atlas")
    atlas = save_image(folder / f"tpl-{SPACE}_atlas-Blocks_dseg.nii.gz", labels, affine)
    raw = folder / "raw"
    write_events(raw, "01", EVENTS)
    return dataset.root, atlas, raw


def task_response(amplitudes):
    """Response (T,) to all events, each as large as those of its condition."""
    onsets, durations, types = zip(*EVENTS, strict=True)
    times = sample_times(N_VOLUMES, T_R, T_R / 2)
    responses = event_responses(np.array(onsets), np.array(durations, float), times)
    return responses @ amplitudes[[int(name == "stop") for name in types]]


@pytest.fixture
def extract(world, tmp_path):
    def run(*options, subject="01", raw=True):
        root, atlas, events = world
        where = [str(root), str(tmp_path / "out"), "participant", "--participant-label", subject]
        how = ["--atlases", str(atlas), "--min-dof", "0", *map(str, options)]
        return main([*where, *how, *(["--datasets", f"raw={events}"] * raw)]), tmp_path / "out"

    return run


def table(out, ending):
    (path,) = out.rglob(f"*{ending}.tsv")
    return pd.read_csv(path, sep="\t", na_values="n/a")


def sidecar(out, ending):
    (path,) = out.rglob(f"*{ending}.json")
    return json.loads(path.read_text())


def correlation_with_task(out):
    series = table(out, "_timeseries").dropna()
    task = task_response(AMPLITUDES)[-len(series) :]
    return np.array([np.corrcoef(series[name], task)[0, 1] for name in series])


@pytest.mark.parametrize("shape", ["canonical", "fir"])
def test_what_the_task_evokes_is_regressed_and_in_the_design(extract, shape):
    exit_code, out = extract("--strategies", "none", "--task-regressors", shape)
    assert exit_code == 0
    assert np.abs(correlation_with_task(out)).max() < 0.05
    design, about = table(out, "_design"), sidecar(out, "_design")
    n_lags = (2 + 18) // 2
    assert design.shape == (N_VOLUMES, 2 if shape == "canonical" else 2 * n_lags)
    assert all("condition" in about[name]["Description"] for name in design)
    assert about["Sources"][-1] == "bids:raw:sub-01/func/sub-01_task-rest_events.tsv"
    quality = table(out, "_qc")
    assert quality.loc[0, "n_regressors"] == design.shape[1]


def test_without_task_regressors_it_stays(extract):
    _, out = extract("--strategies", "none")
    assert (correlation_with_task(out)[::2] > 0.5).all()


def test_a_canonical_response_is_the_one_that_was_planted(extract):
    _, out = extract("--strategies", "none", "--task-regressors", "canonical")
    design = table(out, "_design")
    assert list(design) == ["task_go", "task_stop"]
    np.testing.assert_allclose(design @ AMPLITUDES, task_response(AMPLITUDES), atol=1e-6)


def test_responses_stand_behind_the_confounds_of_a_strategy(extract):
    _, out = extract("--strategies", "24P", "--task-regressors", "fir", "--fir-length", "10")
    design = table(out, "_design")
    assert design.shape[1] == 24 + 2 * 6
    assert list(design)[24] == "task_go_lag00"


def test_a_strategy_of_ones_own_may_ask_for_them(extract, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "name: background\ndescription: Nothing else was regressed.\ncolumns: []\n"
        "task: {task_regressors: fir, fir_length_s: 8}\n"
    )
    exit_code, out = extract("--strategies", tmp_path / "mine.yaml")
    assert exit_code == 0
    assert table(out, "_design").shape[1] == 2 * 5


def test_without_events_only_the_strategy_that_needs_them_is_lost(extract, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(
        "name: background\ndescription: Nothing.\ncolumns: []\ntask: {task_regressors: fir}\n"
    )
    mine = tmp_path / "mine.yaml"
    exit_code, out = extract("--strategies", "none", mine, subject="02")
    assert exit_code == 1
    assert len(list(out.rglob("*_timeseries.tsv"))) == 1
    said = capsys.readouterr().err.replace("\n", " ")
    assert "sub-02_task-rest_events.tsv" in said
    assert "--datasets raw=PATH" in said
    quality = table(out, "_qc").set_index("strategy")
    assert "No table of events" in quality.loc["background", "reason"]


def test_the_advice_to_name_the_raw_dataset_helps(extract):
    options = ("--strategies", "none", "--condition-means")
    exit_code, out = extract(*options, raw=False)
    assert exit_code == 1
    assert not list(out.rglob("*_conditionmeans*"))
    assert len(list(out.rglob("*_timeseries.tsv"))) == 1
    exit_code, out = extract(*options)
    assert exit_code == 0
    assert len(list(out.rglob("*_conditionmeans.tsv"))) == 1


def test_means_of_conditions_are_those_of_their_volumes(extract):
    _, out = extract("--strategies", "none", "--condition-means")
    means, series = table(out, "_conditionmeans"), table(out, "_timeseries")
    assert list(means["trial_type"]) == ["go", "stop"]
    assert list(means["n_events"]) == [5, 4]
    times = np.arange(N_VOLUMES) * T_R + T_R / 2
    for _, row in means.iterrows():
        own = [onset for onset, _, name in EVENTS if name == row["trial_type"]]
        filled = np.any([(times >= at + 5) & (times < at + 7) for at in own], axis=0)
        assert row["n_volumes"] == filled.sum()
        expected = series[filled].mean()
        np.testing.assert_allclose(row[3:].astype(float), expected, atol=1e-5)
    assert sidecar(out, "_conditionmeans")["ConditionDelay"] == 5


def test_censored_volumes_are_in_no_mean(extract):
    """All volumes of the first three events are left out, and so one condition without rest."""
    dummies = ("--dummy-scans", 90)
    _, out = extract("--strategies", "none", *dummies, "--condition-means")
    means = table(out, "_conditionmeans").set_index("trial_type")
    assert means.loc["stop", "n_volumes"] == 0
    assert means.loc["stop"].iloc[2:].isna().all()


@pytest.mark.parametrize("method", ["lss", "lsa"])
def test_planted_amplitudes_come_back(extract, method):
    options = ("--strategies", "none", "--no-detrend", "--standardize", "none")
    exit_code, out = extract(*options, "--beta-series", method)
    assert exit_code == 0
    betas = table(out, f"_stat-{method}_desc-none_betaseries")
    assert list(betas["trial_type"]) == [name for _, _, name in EVENTS]
    assert list(betas["onset"]) == [onset for onset, _, _ in EVENTS]
    planted = 10 * AMPLITUDES[[int(name == "stop") for _, _, name in EVENTS]]
    regions = betas.drop(columns=["onset", "duration", "trial_type"])
    found = regions.iloc[:, ::2].mean(axis=1)
    assert np.corrcoef(found, planted)[0, 1] > 0.9
    np.testing.assert_allclose(found.mean(), planted.mean(), rtol=0.2)
    assert sidecar(out, "_betaseries")["Estimator"] == method


def test_amplitudes_do_not_depend_on_the_unit_of_the_time_series(extract):
    options = ("--strategies", "24P", "--beta-series", "lss")
    _, out = extract(*options, "--standardize", "none")
    first = table(out, "_betaseries")
    _, out = extract(*options, "--standardize", "zscore")
    pd.testing.assert_frame_equal(first, table(out, "_betaseries"))


@pytest.mark.parametrize(
    ("options", "letter"),
    [
        (("--condition-delay", 4), "--condition-means, too"),
        (("--condition-means", "--condition-delay", -1), "a time in seconds from 0"),
        (("--fir-length", 10), "no effect without"),
        (("--task-regressors", "canonical", "--fir-length", 10), "no effect without"),
        (("--task-regressors", "fir", "--condition-means"), "nothing would be left"),
        (("--beta-series", "lsx"), "Did you mean"),
    ],
)
def test_what_has_no_effect_is_refused(extract, capsys, options, letter):
    exit_code, _ = extract(*options)
    assert exit_code == 2
    assert letter in capsys.readouterr().err.replace("\n", " ")


def test_a_dry_run_shows_the_events_and_counts_their_columns(extract, capsys):
    exit_code, _ = extract("--strategies", "none", "--task-regressors", "fir", "--dry-run")
    assert exit_code == 0
    said = capsys.readouterr().out
    assert "events: " in said
    assert "_desc-none_design.tsv" in said
    exit_code, _ = extract("--task-regressors", "fir", "--dry-run", subject="02")
    assert exit_code == 1


def test_events_that_changed_are_computed_again(extract, world):
    options = ("--strategies", "none", "--beta-series", "lss")
    _, out = extract(*options)
    first = table(out, "_betaseries")
    path = world[2] / "sub-01/func/sub-01_task-rest_events.tsv"
    before = path.read_text()
    try:
        path.write_text("\n".join(before.splitlines()[:-1]) + "\n")
        exit_code, out = extract(*options)
    finally:
        path.write_text(before)
    assert exit_code == 0
    assert len(table(out, "_betaseries")) == len(first) - 1


def test_results_that_asked_nothing_of_events_stay_beside_those_that_do(extract):
    extract("--strategies", "none")
    _, out = extract("--strategies", "24P", "--beta-series", "lss")
    there = {path.name.partition("_desc-")[2] for path in out.rglob("*_timeseries.tsv")}
    assert there == {"none_timeseries.tsv", "24P_timeseries.tsv"}
    _, out = extract("--strategies", "none", "--task-regressors", "canonical")
    assert len(list(out.glob("sub-01/func/*_betaseries.tsv"))) == 1


def test_a_start_time_that_is_none_is_said(extract, world):
    (sidecar,) = world[0].rglob("sub-01*_desc-preproc_bold.json")
    before = sidecar.read_text()
    try:
        sidecar.write_text(json.dumps(json.loads(before) | {"StartTime": 1000}))
        exit_code, out = extract("--strategies", "none", "--condition-means")
    finally:
        sidecar.write_text(before)
    assert exit_code == 1
    assert "StartTime" in (out / "logs" / "status.tsv").read_text()
    assert not list(out.rglob("*_conditionmeans.tsv"))


def test_volumes_are_sampled_at_their_start_time(extract, world):
    (sidecar,) = world[0].rglob("sub-01*_desc-preproc_bold.json")
    before = sidecar.read_text()
    try:
        sidecar.write_text(json.dumps(json.loads(before) | {"StartTime": 0.25}))
        _, out = extract("--strategies", "none", "--task-regressors", "canonical")
    finally:
        sidecar.write_text(before)
    onset, duration, _ = EVENTS[0]
    times = sample_times(N_VOLUMES, T_R, 0.25)[:8]
    expected = event_responses(np.array([onset]), np.array([float(duration)]), times).ravel()
    np.testing.assert_allclose(table(out, "_design")["task_go"][:8], expected, atol=1e-6)


def test_voxels_are_cleaned_of_the_task_too(extract):
    options = ("--strategies", "none", "--task-regressors", "fir", "--voxelwise")
    exit_code, out = extract(*options)
    assert exit_code == 0
    (path,) = out.rglob("*_desc-none_bold.nii.gz")
    values = nib.load(path).get_fdata()[..., N_UNSTEADY:]
    varying = values[values.std(axis=-1) > 0]
    task = task_response(AMPLITUDES)[N_UNSTEADY:]
    r = np.corrcoef(np.vstack([task, varying]))[0, 1:]
    assert np.abs(r).max() < 0.15


def test_the_methods_text_and_the_page_tell(extract):
    _, out = extract("--strategies", "none", "--condition-means", "--beta-series", "lss")
    methods = (out / "logs" / "CITATION.md").read_text()
    assert "least squares, separate" in methods
    assert "Mumford" in methods
    assert "Means of conditions" in (out / "sub-01.html").read_text()


def test_the_dataset_is_valid(extract):
    named = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
    if not named:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    _, out = extract("--strategies", "24P", "--condition-means", "--beta-series", "lss")
    for validator in named:
        done = subprocess.run(
            [validator, out, "--format", "json"], capture_output=True, text=True, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert not [issue for issue in issues if issue["severity"] == "error"]
