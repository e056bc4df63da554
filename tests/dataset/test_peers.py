"""Strategies by name against where the names come from: XCP-D, nilearn and giga_connectome.

XCP-D is not installed with the tests. What its strategies hold is written down here from its files
``xcp_d/data/nuisance/*.yml`` (26.1.1), and what it does with them from ``denoise_with_nilearn`` in
``xcp_d/utils/utils.py``: line and mean out of signals and confounds, both through a Butterworth
filter of order 2, forwards and backwards, with the end points held for as long as the run, then
least squares. (Rows without a value are 0 there; here, in both, they have that of the next row.)
nilearn (0.14.1) is asked itself.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds as of_nilearn
from nilearn.interfaces.fmriprep import load_confounds_strategy as preset_of_nilearn
from nilearn.signal import clean as clean_of_nilearn
from scipy.signal import butter, detrend, sosfiltfilt

from bidsmask._typing import FloatArray
from bidsmask.dataset.confounds import Confounds, load_confounds
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.strategies import Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.numerics.cleaning import Cleaner

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "confounds"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real tables in {REAL}")

T, T_R = 240, 2.0
TOLERANCE = 1e-6
"""In standard deviations of a cleaned signal."""

STEM = "sub-01_task-rest"
AXES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
FULL = [axis + expansion for axis in AXES for expansion in EXPANSIONS]
TISSUES = ["global_signal", "csf", "white_matter"]
COMPCOR = [
    *(axis + expansion for axis in AXES for expansion in EXPANSIONS[:2]),
    r"^w_comp_cor_0[0-4]$",
    r"^c_comp_cor_0[0-4]$",
    r"^cosine\d+$",
]

XCPD: dict[str, list[str]] = {
    "24P": FULL,
    "27P": [*FULL, *TISSUES],
    "36P": [*FULL, *(tissue + expansion for tissue in TISSUES for expansion in EXPANSIONS)],
    "acompcor": COMPCOR,
    "acompcor_gsr": [*COMPCOR, "global_signal"],
    "aroma": ["csf", "white_matter", r"^aroma_motion_.*$"],
    "aroma_gsr": ["global_signal", "csf", "white_matter", r"^aroma_motion_.*$"],
    "gsr_only": ["global_signal"],
}
"""Columns; what begins with ``^`` is a pattern. Of AROMA, XCP-D takes fMRIPost-AROMA's
``aroma_orth_motion``, which fMRIPrep's own table, used here, does not have."""

GIGA: dict[str, dict[str, Any]] = {
    "simple": {"denoise_strategy": "simple"},
    "simple+gsr": {"denoise_strategy": "simple", "global_signal": "basic"},
    "scrubbing.5": {"denoise_strategy": "scrubbing", "fd_threshold": 0.5},
    "scrubbing.5+gsr": {
        "denoise_strategy": "scrubbing",
        "fd_threshold": 0.5,
        "global_signal": "basic",
    },
    "scrubbing.2": {"denoise_strategy": "scrubbing", "fd_threshold": 0.2},
    "scrubbing.2+gsr": {
        "denoise_strategy": "scrubbing",
        "fd_threshold": 0.2,
        "global_signal": "basic",
    },
    "acompcor50": {"denoise_strategy": "compcor"},
    "icaaroma": {"denoise_strategy": "ica_aroma"},
}
"""``giga_connectome/data/denoise_strategy/*.json`` (0.6), without the ``null`` for DVARS."""

NILEARN: dict[str, dict[str, Any]] = {
    "scrubbing": {"denoise_strategy": "scrubbing"},
    "compcor": {"denoise_strategy": "compcor"},
    **GIGA,
}
NO_DVARS = {"std_dvars_threshold": 1e9}
"""What their ``null`` means, in a word that nilearn heeds."""


def a_table() -> pd.DataFrame:
    """A table as fMRIPrep 21 writes it, with two non-steady-state volumes and some motion."""
    rng = np.random.default_rng(5)
    expanded = [name + expansion for name in (*AXES, *TISSUES) for expansion in EXPANSIONS]
    names = [*expanded, *(f"{kind}_comp_cor_{n:02d}" for kind in "acwt" for n in range(7))]
    names += [f"aroma_motion_{n:02d}" for n in (2, 3, 11)]
    table = pd.DataFrame({name: rng.normal(2, 1, size=T).cumsum() for name in names})
    time = (np.arange(T) + 0.5) / T
    for n in range(7):
        table[f"cosine{n:02d}"] = np.sqrt(2 / T) * np.cos(np.pi * (n + 1) * time)
    table["framewise_displacement"] = 0.1
    table.loc[[30, 33, 100], "framewise_displacement"] = 0.6
    table.loc[[60, 61, 150], "framewise_displacement"] = 0.3
    table["std_dvars"] = 1.0
    table.loc[200, "std_dvars"] = 1.7
    late = [name for name in table if "derivative1" in name]
    table.loc[0, [*late, "framewise_displacement", "std_dvars"]] = np.nan
    for n in range(2):
        table[f"non_steady_state_outlier{n:02d}"] = np.eye(T)[n]
    return table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names of a run, one of them denoised by ICA-AROMA, beside a table of confounds."""
    folder = tmp_path_factory.mktemp("peers")
    table = folder / f"{STEM}_desc-confounds_timeseries.tsv"
    a_table().to_csv(table, sep="\t", index=False, na_rep="n/a")
    masks = {f"a_comp_cor_{n:02d}": {"Mask": "combined"} for n in range(7)}
    table.with_suffix(".json").write_text(json.dumps(masks))
    return with_images(folder)


def with_images(folder: Path) -> Path:
    for desc in ("preproc", "smoothAROMAnonaggr"):
        (folder / f"{STEM}_space-MNI152NLin6Asym_desc-{desc}_bold.nii.gz").touch()
    return folder / f"{STEM}_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz"


def signals(seed: int = 0) -> FloatArray:
    """Random walks with a mean and a trend, (T, 4)."""
    walks = np.random.default_rng(seed).normal(size=(T, 4)).cumsum(axis=0)
    return walks + 1000 + np.linspace(0, 30, T)[:, None]


def ours(run: Path, strategy: Strategy) -> Confounds:
    table = run.with_name(f"{STEM}_desc-confounds_timeseries.tsv")
    return load_confounds(table, table.with_suffix(".json"), strategy, n_volumes=None)


def cleaned(confounds: Confounds, strategy: Strategy) -> FloatArray:
    cleaner = Cleaner(
        strategy.cleaning,
        t_r=T_R,
        sample_mask=confounds.sample_mask,
        design=confounds.design,
    )
    values: FloatArray = cleaner(signals())
    return values


def assert_close(found: FloatArray, expected: FloatArray) -> None:
    difference = np.abs(found - expected).max(axis=0) / expected.std(axis=0)
    assert difference.max() < TOLERANCE


# --- XCP-D


def columns_of_xcpd(name: str, table: pd.DataFrame) -> list[str]:
    return [
        column
        for wanted in XCPD[name]
        for column in table
        if (re.match(wanted, column) if wanted.startswith("^") else wanted == column)
    ]


def clean_as_xcpd(design: FloatArray) -> FloatArray:
    sections = butter(2, (0.01, 0.08), btype="band", fs=1 / T_R, output="sos")

    def prepared(values: FloatArray) -> FloatArray:
        straight = detrend(values, axis=0)
        filtered: FloatArray = sosfiltfilt(
            sections, straight, axis=0, padtype="constant", padlen=len(values) - 1
        )
        return filtered

    data, confounds = prepared(signals()), prepared(design)
    betas = np.linalg.lstsq(confounds, data, rcond=None)[0]
    residuals: FloatArray = data - confounds @ betas
    return residuals


def as_xcpd(name: str) -> Strategy:
    """No volume at the start is left out: XCP-D would have cut it off before."""
    return load_strategy(name).with_overrides(
        filter_ends="xcpd", standardize="none", dummy_scans=0
    )


@pytest.mark.parametrize("name", XCPD)
def test_columns_are_those_of_xcpd_but_for_cosines_behind_its_filter(run: Path, name: str) -> None:
    theirs = set(columns_of_xcpd(name, a_table()))
    cosines = {column for column in theirs if column.startswith("cosine")}
    assert bool(cosines) == ("acompcor" in name)
    assert set(ours(run, load_strategy(name)).columns) == theirs - cosines
    without_filter = load_strategy(name).with_overrides(filter="none")
    assert set(ours(run, without_filter).columns) == theirs


@pytest.mark.parametrize("name", XCPD)
def test_signals_are_cleaned_as_by_xcpd(run: Path, name: str) -> None:
    table = a_table().bfill()
    columns = [each for each in columns_of_xcpd(name, table) if not each.startswith("cosine")]
    expected = clean_as_xcpd(table[columns].to_numpy())
    strategy = as_xcpd(name)
    assert_close(cleaned(ours(run, strategy), strategy), expected)


def test_what_a_filter_left_of_cosines_takes_signal_away_in_xcpd(run: Path) -> None:
    """Seven columns of almost nothing, blown up by least squares: why they are left out here."""
    table = a_table().bfill()
    columns = columns_of_xcpd("acompcor", table)
    strategy = as_xcpd("acompcor")
    kept = cleaned(ours(run, strategy), strategy).std()
    assert clean_as_xcpd(table[columns].to_numpy()).std() < 0.99 * kept


def test_none_is_filtered_in_xcpd_and_not_here() -> None:
    assert load_strategy("none").cleaning.filter == "none"
    asked = {"filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.08}
    assert load_strategy("none").with_overrides(**asked).cleaning.low_pass_hz == 0.08


# --- nilearn, and giga_connectome


def of_peers(run: Path, name: str) -> tuple[pd.DataFrame, Any]:
    """Confounds and volumes to keep, as nilearn chooses them."""
    if name == "baseline":  # Wang 2024: load_confounds with the high-pass alone
        return of_nilearn(str(run), strategy=("high_pass",))  # type: ignore[no-any-return]
    if name == "icaaroma":
        run = run.with_name(run.name.replace("preproc", "smoothAROMAnonaggr"))
    no_dvars = NO_DVARS if name.startswith("scrubbing.") else {}
    return preset_of_nilearn(str(run), **NILEARN[name], **no_dvars)  # type: ignore[no-any-return]


def test_every_strategy_has_a_peer() -> None:
    assert {*XCPD, *NILEARN, "baseline", "none"} == set(strategy_names())


@pytest.mark.parametrize("name", [*NILEARN, "baseline"])
def test_columns_and_volumes_are_those_of_nilearn(run: Path, name: str) -> None:
    theirs, sample_mask = of_peers(run, name)
    found = ours(run, load_strategy(name))
    assert set(found.columns) == set(theirs)
    np.testing.assert_array_equal(np.flatnonzero(found.sample_mask), sample_mask)


@pytest.mark.parametrize("name", [*NILEARN, "baseline"])
def test_signals_are_cleaned_as_by_nilearn(run: Path, name: str) -> None:
    """Without the straight line, which nilearn fits as if kept volumes followed each other."""
    theirs, sample_mask = of_peers(run, name)
    expected = clean_of_nilearn(
        signals(),
        confounds=theirs,
        sample_mask=sample_mask,
        detrend=False,
        standardize="zscore_sample",
        t_r=T_R,
    )
    strategy = load_strategy(name).with_overrides(detrend=False)
    assert_close(cleaned(ours(run, strategy), strategy), expected)


def test_none_for_a_threshold_is_not_heard_by_nilearn(run: Path) -> None:
    """So giga_connectome and Wang 2024 left out by DVARS, too, which their files switch off."""
    asked = {"denoise_strategy": "scrubbing", "std_dvars_threshold": None}
    assert 200 not in preset_of_nilearn(str(run), **asked)[1]
    assert ours(run, load_strategy("scrubbing.5")).sample_mask[200]
    theirs = load_strategy("scrubbing.5").with_overrides(std_dvars_threshold=1.5)
    assert not ours(run, theirs).sample_mask[200]


# --- tables that fMRIPrep has written


@pytest.fixture(params=["test_desc-confounds_regressors", "test-v21_desc-confounds_timeseries"])
def real_run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for extension in (".tsv", ".json"):
        shutil.copy(
            REAL / f"{request.param}{extension}",
            tmp_path / f"{STEM}_desc-confounds_timeseries{extension}",
        )
    return with_images(tmp_path)


@needs_real_tables
@pytest.mark.real
@pytest.mark.parametrize("name", [*NILEARN, "baseline"])
def test_columns_and_volumes_of_real_tables_are_those_of_nilearn(
    real_run: Path, name: str
) -> None:
    table = real_run.with_name(f"{STEM}_desc-confounds_timeseries.tsv")
    strategy = load_strategy(name)
    found = load_confounds(
        table, table.with_suffix(".json"), strategy, n_volumes=None, may_keep_none=True
    )
    if not found.sample_mask.any():  # 26 of 30 volumes moved; nilearn warns as well
        with pytest.warns(RuntimeWarning, match="motion outliers"):
            _, sample_mask = of_peers(real_run, name)
        assert len(sample_mask) == 0
        return
    theirs, sample_mask = of_peers(real_run, name)
    assert set(found.columns) == set(theirs)
    np.testing.assert_array_equal(np.flatnonzero(found.sample_mask), sample_mask)


@needs_real_tables
@pytest.mark.real
@pytest.mark.parametrize("name", XCPD)
def test_columns_of_a_real_table_are_those_of_xcpd(name: str) -> None:
    """Of fMRIPrep 21; its table has three components of the one mask and four of the other."""
    source = REAL / "test-v21_desc-confounds_timeseries.tsv"
    table = pd.read_csv(source, sep="\t")
    if "aroma" in name:
        pytest.skip("fMRIPrep 21 was run without ICA-AROMA")
    strategy = load_strategy(name).with_overrides(filter="none")
    found = load_confounds(source, None, strategy, n_volumes=None)
    assert set(found.columns) == set(columns_of_xcpd(name, table))
