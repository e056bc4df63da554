"""A dataset through the command line, and the same steps as a script with nilearn 0.14.1."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.vocabulary import STATISTICS

SIGNAL_TOLERANCE = 1e-6
"""In standard deviations: our files hold float32, the script computes in float64."""

SINGLE_PRECISION_TOLERANCE = 1e-3
"""In standard deviations: volumes of 16 bits are smoothed in single precision."""

CORRELATION_TOLERANCE = 1e-6

FD_THRESHOLD_MM = 0.5
JERKS = {10: 0.9, 11: 0.7, 40: 0.6, 41: 1.3, 72: 0.51}
"""Volumes above the threshold. None mirrors another or a volume before the steady state (n and
T - 1 - n): nilearn interpolates the wrong ones then."""

N_UNSTEADY = 2
VOLUMES = 150

CENSORING_STRATEGY = f"""\
name: scrub6P
description: Six motion parameters were regressed.
columns:
  - {{label: motion, pattern: "(trans|rot)_[xyz]", count: 6}}
censoring: {{fd_threshold_mm: {FD_THRESHOLD_MM}, dummy_scans: auto}}
cleaning: {{detrend: true, filter: butterworth, high_pass_hz: 0.01, low_pass_hz: 0.1}}
"""

RIGID = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
EXPANSIONS = ["", "_derivative1", "_power2", "_derivative1_power2"]
TISSUES = ["csf", "white_matter", "global_signal"]
COSINES = ["cosine00", "cosine01", "cosine02", "cosine03"]
COLUMNS = {
    "36P": {base + expansion for base in RIGID + TISSUES for expansion in EXPANSIONS},
    "simple": {
        *COSINES,
        *(base + expansion for base in RIGID for expansion in EXPANSIONS),
        "csf",
        "white_matter",
    },
    "acompcor": {  # without fMRIPrep's cosines: its filter takes slow changes away
        *(base + expansion for base in RIGID for expansion in EXPANSIONS[:2]),
        *(f"{letter}_comp_cor_{number:02d}" for letter in "wc" for number in range(5)),
    },
    "scrub6P": set(RIGID),
}

RUNS = [(subject, run) for subject in ("01", "02") for run in ("1", "2")]

each_run = pytest.mark.parametrize(("subject", "run"), RUNS)
each_strategy = pytest.mark.parametrize("strategy", COLUMNS)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_dataset):
    made = make_dataset(
        tmp_path_factory.mktemp("oracle"),
        subjects=("01", "02"),
        runs=2,
        volumes=VOLUMES,
        n_unsteady=N_UNSTEADY,
    )
    for run in made.runs:
        set_framewise_displacement(run.confounds)
    return made


@pytest.fixture(scope="module")
def output(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle_output")
    strategy = folder / "scrub6P.yaml"
    strategy.write_text(CENSORING_STRATEGY)
    exit_code = main(
        [
            *(str(dataset.root), str(folder / "out"), "participant"),
            *("--atlases", str(dataset.atlas), "-w", str(folder / "work")),
            *("--strategies", "36P", "simple", "acompcor", str(strategy)),
            *("--filter-ends", "nilearn", "--bridge", "nilearn", "--min-dof", "0"),
        ]
    )
    assert exit_code == 0
    return folder / "out"


@pytest.fixture(scope="module")
def nilearn_signals(dataset, output):
    """Signals (T_kept, P) and labels (P,) as nilearn has them; each run and strategy once."""
    known = {}

    def ask(subject, run, strategy):
        key = subject, run, strategy
        if key not in known:
            known[key] = clean_with_nilearn(
                dataset.runs[RUNS.index((subject, run))],
                dataset.atlas,
                read_json(timeseries(output, *key).with_suffix(".json")),
            )
        return known[key]

    return ask


def set_framewise_displacement(table: Path) -> None:
    """Still but for the jerks."""
    rows = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
    rows.loc[1:, "framewise_displacement"] = "0.1"
    for volume, moved_mm in JERKS.items():
        rows.loc[volume, "framewise_displacement"] = str(moved_mm)
    rows.to_csv(table, sep="\t", index=False)


def clean_with_nilearn(files, atlas, sidecar, **masker_parameters):
    """The oracle: what a careful user of nilearn would write, in float64."""
    from nilearn.maskers import NiftiLabelsMasker

    settings = sidecar["CleaningParameters"]
    columns = sidecar["ConfoundStrategy"]["Columns"]
    table = pd.read_csv(files.confounds, sep="\t", na_values="n/a")
    masker = NiftiLabelsMasker(
        labels_img=str(atlas),
        mask_img=str(files.mask),
        resampling_target="data",
        detrend=settings["detrend"],
        standardize={"zscore": "zscore_sample"}[settings["standardize"]],
        standardize_confounds=True,
        high_pass=settings["high_pass_hz"],
        low_pass=settings["low_pass_hz"],
        t_r=sidecar["RepetitionTime"],
        clean_args={
            "filter": settings["filter"] if settings["filter"] == "butterworth" else False,
            "extrapolate": False,
        },
        **masker_parameters,
    )
    kept = ~must_be_censored(table, sidecar["CensoringParameters"]["fd_threshold_mm"])
    signals = masker.fit_transform(
        in_float64(files.bold), confounds=table[columns].bfill(), sample_mask=np.flatnonzero(kept)
    )
    labels = [int(label) for key, label in masker.region_ids_.items() if key != "background"]
    return signals, labels


def in_float64(bold: Path):
    import nibabel as nib

    image = nib.load(bold)
    return nib.Nifti1Image(image.get_fdata(dtype=np.float64), image.affine, dtype=np.float64)


def must_be_censored(table, fd_threshold_mm):
    """By hand: the volumes before the steady state, and those that moved."""
    unsteady = table.filter(regex="^non_steady_state_outlier").any(axis=1).to_numpy()
    if fd_threshold_mm is None:
        return unsteady
    return unsteady | (table["framewise_displacement"] > fd_threshold_mm).to_numpy()


def timeseries(output, subject, run, strategy) -> Path:
    return output_file(output, subject, run, f"stat-mean_desc-{strategy}_timeseries.tsv")


def output_file(output, subject, run, ending, *, atlas="_atlas-Demo60") -> Path:
    name = f"sub-{subject}_task-rest_run-{run}_space-MNI152NLin2009cAsym{atlas}_{ending}"
    return output / f"sub-{subject}" / "func" / name


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_tsv(path):
    return pd.read_csv(path, sep="\t", na_values="n/a")


@each_strategy
@each_run
def test_region_signals_are_those_of_nilearn(output, nilearn_signals, subject, run, strategy):
    ours = read_tsv(timeseries(output, subject, run, strategy))
    coverage = read_tsv(output_file(output, subject, run, "stat-coverage_bold.tsv"))
    expected, labels = nilearn_signals(subject, run, strategy)
    kept = ours.notna().any(axis=1)
    usable = coverage["status"].isin(["ok", "partial"]).to_numpy()
    found = ours.loc[kept, list(coverage["Node"][usable])].to_numpy()
    theirs = [labels.index(label) for label in coverage["index"][usable]]
    assert found.shape == (len(expected), usable.sum())
    np.testing.assert_allclose(found, expected[:, theirs], rtol=0, atol=SIGNAL_TOLERANCE)
    np.testing.assert_allclose(expected.std(axis=0, ddof=1), 1)  # what the tolerance is a share of


@each_strategy
@each_run
def test_every_region_has_its_column_in_the_order_of_the_table(
    dataset, output, subject, run, strategy
):
    table = pd.read_csv(dataset.atlas_table, sep="\t")
    ours = read_tsv(timeseries(output, subject, run, strategy))
    coverage = read_tsv(output_file(output, subject, run, "stat-coverage_bold.tsv"))
    assert list(ours.columns) == list(table["name"])
    assert list(coverage["index"]) == list(table["index"])
    lost = ~coverage["status"].isin(["ok", "partial"]).to_numpy()
    assert (ours.isna().all(axis=0).to_numpy() == lost).all()


@each_strategy
def test_a_strategy_regresses_the_columns_that_it_is_known_for(output, strategy):
    sidecar = read_json(timeseries(output, "01", "1", strategy).with_suffix(".json"))
    columns = sidecar["ConfoundStrategy"]["Columns"]
    assert set(columns) == COLUMNS[strategy]
    assert len(columns) == len(COLUMNS[strategy])


@each_strategy
@each_run
def test_the_rows_of_censored_volumes_are_empty_and_no_others(
    dataset, output, subject, run, strategy
):
    table = pd.read_csv(
        dataset.runs[RUNS.index((subject, run))].confounds, sep="\t", na_values="n/a"
    )
    threshold = FD_THRESHOLD_MM if strategy == "scrub6P" else None
    censored = must_be_censored(table, threshold)
    assert censored.sum() == N_UNSTEADY + (len(JERKS) if threshold else 0)
    ours = read_tsv(timeseries(output, subject, run, strategy))
    assert (ours.isna().all(axis=1).to_numpy() == censored).all()
    name = f"sub-{subject}_task-rest_run-{run}_desc-{strategy}_outliers.tsv"
    outliers = read_tsv(output / f"sub-{subject}" / "func" / name)
    assert (outliers["censored"].to_numpy() == censored).all()


@each_strategy
@each_run
def test_correlations_are_those_of_the_signals(output, nilearn_signals, subject, run, strategy):
    path = output_file(output, subject, run, f"stat-pearsoncorrelation_desc-{strategy}_relmat.tsv")
    matrix = read_tsv(path).set_index("Node")
    coverage = read_tsv(output_file(output, subject, run, "stat-coverage_bold.tsv"))
    assert list(matrix.index) == list(matrix.columns) == list(coverage["Node"])
    usable = coverage["status"].isin(["ok", "partial"]).to_numpy()
    signals, labels = nilearn_signals(subject, run, strategy)
    theirs = [labels.index(label) for label in coverage["index"][usable]]
    np.testing.assert_allclose(
        matrix.to_numpy()[np.ix_(usable, usable)],
        np.corrcoef(signals[:, theirs].T),
        rtol=0,
        atol=CORRELATION_TOLERANCE,
    )
    assert np.isnan(matrix.to_numpy()[~usable]).all()


def test_the_sidecar_holds_every_setting_of_the_cleaning(output):
    sidecar = read_json(timeseries(output, "02", "2", "scrub6P").with_suffix(".json"))
    assert sidecar["CleaningParameters"] == {
        "detrend": True,
        "filter": "butterworth",
        "high_pass_hz": 0.01,
        "low_pass_hz": 0.1,
        "filter_ends": "nilearn",
        "bridge": "nilearn",
        "standardize": "zscore",
    }
    assert set(sidecar["CleaningParameters"]) == set(CleaningParameters.__dataclass_fields__)
    assert sidecar["CensoringParameters"]["fd_threshold_mm"] == FD_THRESHOLD_MM
    assert sidecar["CensoredVolumes"] == N_UNSTEADY + len(JERKS)


@each_run
def test_planted_connectivity_is_found_again(dataset, output, subject, run):
    """By the strategy that leaves many degrees of freedom: 36P has 3 of these 148 volumes."""
    planted = read_tsv(dataset.truth_relmat).set_index("Node")
    found = read_tsv(
        output_file(output, subject, run, "stat-pearsoncorrelation_desc-simple_relmat.tsv")
    ).set_index("Node")
    assert list(planted.columns) == list(found.columns)
    above = np.triu_indices(len(planted), k=1)
    pairs = np.stack([planted.to_numpy()[above], found.to_numpy()[above]])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    assert pairs.shape[1] > 0.9 * above[0].size
    assert np.corrcoef(pairs)[0, 1] > 0.9


def test_no_two_censored_volumes_mirror_each_other():
    censored = [*range(N_UNSTEADY), *JERKS]
    assert not {VOLUMES - 1 - volume for volume in censored} & set(censored)


def test_no_warning_is_left_in_the_sidecars(output):
    said = [
        path.name for path in output.rglob("*.json") if re.search("Warnings", path.read_text())
    ]
    assert said == []


@pytest.mark.parametrize(
    ("statistic", "fwhm"),
    [("mean", 6), ("median", 0), ("median", 4.5), ("std", 0), ("max", 6)],
    ids=str,
)
def test_signals_of_every_kind_are_those_of_nilearn(dataset, tmp_path, statistic, fwhm):
    out, files = tmp_path / "out", dataset.runs[RUNS.index(("01", "1"))]
    what = ("--statistic", statistic, "--smoothing-fwhm", str(fwhm), "--strategies", "simple")
    which = ("--participant-label", "01", "--run-id", "1", "--atlases", str(dataset.atlas))
    assert main([str(dataset.root), str(out), "participant", *which, *what]) == 0
    path = output_file(out, "01", "1", f"stat-{statistic}_desc-simple_timeseries.tsv")
    sidecar = read_json(path.with_suffix(".json"))
    assert sidecar["SmoothingFWHM"] == fwhm
    assert ("smoothed" in sidecar["Description"]) == bool(fwhm)
    expected, labels = clean_with_nilearn(
        files, dataset.atlas, sidecar, strategy=STATISTICS[statistic], smoothing_fwhm=fwhm or None
    )
    coverage = read_tsv(output_file(out, "01", "1", "stat-coverage_bold.tsv"))
    usable = coverage["status"].isin(["ok", "partial"]).to_numpy()
    theirs = [labels.index(label) for label in coverage["index"][usable]]
    ours = read_tsv(path).dropna(how="all").loc[:, list(coverage["Node"][usable])].to_numpy()
    tolerance = SINGLE_PRECISION_TOLERANCE if fwhm else SIGNAL_TOLERANCE
    np.testing.assert_allclose(ours, expected[:, theirs], rtol=0, atol=tolerance)
    report = (out / "sub-01.html").read_text(encoding="utf-8")
    assert f"the {STATISTICS[statistic].replace('_', ' ')} over its covered voxels" in report
