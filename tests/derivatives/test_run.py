"""Outputs of a run: what they say, where they are, and that they are whole."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsmask._typing import BoolArray
from bidsmask._version import __version__
from bidsmask.analysis.outputs import run_files
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.store import (
    CleanedRun,
    Coverage,
    ExtractedRun,
    Matrices,
    PlacedSources,
    RunValues,
)
from bidsmask.columns.extract import coverage_of
from bidsmask.columns.regions import Regions, place_regions
from bidsmask.columns.table import LookUpTable
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.entities import Entities, parse_name
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.strategies import Reference, Strategy
from bidsmask.derivatives.description import write_dataset_files
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.derivatives.run import is_complete, write_run
from bidsmask.derivatives.writing import read_table
from bidsmask.errors import OutputError, StorageError
from bidsmask.images.grid import Grid
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.connectivity.measures import Relation
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.settings import (
    CleaningSettings,
    ConnectivitySettings,
    CoverageSettings,
    ExtractionSettings,
    OutputSettings,
)
from bidsmask.vocabulary import CensorOutput

T_R, N_VOLUMES, N_REGIONS = 2.0, 12, 4
CENSORED = [0, 5]
DIGEST = "d1g357"
MNI = {"sub": "01", "task": "rest", "run": "01", "space": "MNI152NLin2009cAsym", "res": "2"}
NATIVE = {"sub": "01", "task": "rest", "run": "01", "space": "T1w"}


@dataclasses.dataclass(frozen=True)
class Result:
    """A run that is done: what was asked for, and what came out."""

    plan: RunPlan
    given: RunValues

    @property
    def run(self) -> BoldRun:
        return self.plan.run


@dataclasses.dataclass(frozen=True)
class Place:
    """A source and an output dataset, and the links between them."""

    source: Path
    output: Path
    links: dict[str, str | Path]

    def write(self, result: Result, digest: str = DIGEST) -> tuple[Path, ...]:
        files = run_files(result.given, result.plan, self.output, self.links)
        return write_run(files, self.output, links=self.links, digest=digest)

    def only(self, pattern: str) -> Path:
        (path,) = self.output.rglob(pattern)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    source, output = tmp_path / "fmriprep", tmp_path / "bidsmask"
    source.mkdir()
    description = {
        "Name": "fMRIPrep",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
        "Authors": ["A. One", "B. Two"],
        "License": "CC0",
    }
    (source / "dataset_description.json").write_text(json.dumps(description))
    links: dict[str, str | Path] = {"preprocessed": source}
    write_dataset_files(output, version="1.2.3", source_root=source, links=links)
    return Place(source, output, links)


def make_run(source: Path, entities: dict[str, str]) -> BoldRun:
    """A run whose files are there, though empty."""
    levels = [f"{name}-{entities[name]}" for name in ("sub", "ses") if name in entities]
    folder = source.joinpath(*levels, "func")
    folder.mkdir(parents=True, exist_ok=True)
    stem = str(Entities(entities))
    no_space = str(Entities(entities).without("space", "res", "cohort"))
    paths = {
        "bold": folder / f"{stem}_desc-preproc_bold.nii.gz",
        "mask": folder / f"{stem}_desc-brain_mask.nii.gz",
        "boldref": folder / f"{stem}_boldref.nii.gz",
        "confounds": folder / f"{no_space}_desc-confounds_timeseries.tsv",
        "confounds_json": folder / f"{no_space}_desc-confounds_timeseries.json",
    }
    for path in paths.values():
        path.touch()
    echo = (("EchoTime", 0.03),) if "echo" in entities else ()
    return BoldRun(
        entities=Entities({**entities, "desc": "preproc"}),
        t_r=T_R,
        warnings=("run-01 is odd.",),
        metadata=(
            *echo,
            ("SliceTimingCorrected", True),
            ("StartTime", 0.9),
            ("TaskName", "Resting"),
        ),
        files=(paths.pop("bold"),),
        **paths,  # type: ignore[arg-type]
    )


def make_strategy(name: str = "36P", **cleaning: Any) -> Strategy:
    return Strategy(
        name=name,
        description="Motion was regressed.",
        reference=Reference(text="Someone (2013)", doi="10.1000/x"),
        groups=(),
        censoring=CensoringParameters(fd_threshold_mm=0.5),
        cleaning=CleaningParameters(**cleaning),
    )


def sample_mask() -> BoolArray:
    kept: BoolArray = ~np.isin(np.arange(N_VOLUMES), CENSORED)
    return kept


def make_confounds(strategy: Strategy, columns: tuple[str, ...]) -> Confounds:
    rng = np.random.default_rng(3)
    fd = np.where(sample_mask(), 0.1, 0.9)
    fd[0] = np.nan
    return Confounds(
        strategy=strategy.name,
        columns=columns,
        design=rng.normal(size=(N_VOLUMES, len(columns))),
        sample_mask=sample_mask(),
        outliers=(
            ("non_steady_state", np.arange(N_VOLUMES) == 0),
            ("framewise_displacement", np.arange(N_VOLUMES) == 5),
        ),
        fd_mm=fd,
        std_dvars=None,
        filled=columns[1:2],
        origins=("the confounds table",) * len(columns),
    )


def make_ledger(n_confounds: int) -> DegreesOfFreedom:
    return DegreesOfFreedom(
        n_volumes=N_VOLUMES,
        n_censored=2,
        n_kept=10,
        n_detrend=2,
        n_filter=0.0,
        n_confounds=n_confounds,
        n_regressors=n_confounds,
        remaining=8.0 - n_confounds,
    )


def make_atlas(image: Path) -> Atlas:
    ids = tuple(range(1, N_REGIONS + 1))
    return Atlas(
        name="Schaefer2018_seg-7n_scale-4",
        entities=(("atlas", "Schaefer2018"), ("seg", "7n"), ("scale", "4")),
        files=(image,),
        lut=LookUpTable(
            ids=ids,
            names=("LH_Vis", "=RH_Vis", "01", "Nowhere"),
            columns=(("hemisphere", ("L", "R", "L", "R")),),
        ),
        space="MNI152NLin2009cAsym",
        sources=("bids:templateflow:tpl-MNI152NLin2009cAsym/tpl-x_dseg.nii.gz",),
        sha256=("0" * 64,),
    )


def make_result(
    source: Path,
    entities: dict[str, str] = MNI,
    *,
    censor_output: CensorOutput = "na",
    strategies: tuple[Strategy, ...] = (make_strategy(),),
    columns: tuple[str, ...] = ("trans_x", "trans_x_derivative1"),
    statistics: tuple[str, ...] = ("mean",),
    smoothing_fwhm_mm: float = 0.0,
    fisher_z: bool = False,
) -> Result:
    rng = np.random.default_rng(1)
    labels = np.zeros((5, 6, 7), dtype=np.int32)
    labels[1:4, 1:3, 1:6] = np.repeat([1, 2, 3], 10).reshape(3, 2, 5)
    grid = Grid(shape=labels.shape, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    mask = np.ones(labels.shape, dtype=bool)
    mask[2, 1:3, 1:5] = False  # most of region 2
    atlas = make_atlas(source / "atlas_dseg.nii.gz")
    regions = place_regions(labels, grid, atlas.lut.ids, grid=grid, mask=mask)
    signals = rng.normal(size=(N_VOLUMES, N_REGIONS))
    signals[:, 3] = np.nan
    coverage = coverage_of(regions, np.ones(labels.size, dtype=bool), min_coverage=0.5)
    everywhere = np.ones(labels.size, dtype=bool)
    table = coverage.table(atlas.lut.names, atlas.lut.ids, regions.centroids(everywhere))
    signals[:, 1] = np.nan
    matrix = np.full((N_REGIONS, N_REGIONS), np.nan)
    matrix[np.ix_([0, 2], [0, 2])] = [[1.0, 1 / 3], [1 / 3, 1.0]]
    kept = tuple(signals[sample_mask()] + number for number, _ in enumerate(statistics))
    cleaned = CleanedRun(
        signals=(kept,),
        sample_mask=sample_mask(),
        ledger=make_ledger(len(columns)),
        collinear=np.zeros(0, dtype=np.intp),
        response=np.ones(5),
        carpet=np.zeros((N_VOLUMES, 0)),
    )
    values = RunValues(
        extracted=ExtractedRun(
            signals=((signals,) * len(statistics),),
            mean=np.full(202, 100.0),
            std=np.full(202, 2.0),
            dvars=np.array([np.nan, *[20.0] * (N_VOLUMES - 1)]),
            global_mean=np.full(N_VOLUMES, 100.0),
            carpet=np.zeros((N_VOLUMES, 0)),
            carpet_labels=np.zeros(0, dtype=int),
            nonfinite=np.zeros(202, dtype=bool),
        ),
        placed=PlacedSources(mask=mask, grid=grid, numbers=(0,), columns=(regions,)),
        sources=(atlas,),
        strategies=strategies,
        fd_mm=make_confounds(strategies[0], columns).fd_mm,
        fd_kind="Power's, from the confounds table",
        confounds=tuple(make_confounds(strategy, columns) for strategy in strategies),
        coverage=(Coverage(table=table),),
        cleaned=(cleaned,) * len(strategies),
        matrices=(
            Matrices(
                by_measure={
                    "correlation": (Relation(matrix=matrix),),
                    "covariance": (Relation(matrix=2 * matrix),),
                }
            ),
        )
        * len(strategies),
    )
    plan = RunPlan(
        run=make_run(source, entities),
        t_r=T_R,
        n_volumes=N_VOLUMES,
        grid=grid,
        voxel_bytes=2,
        sources=(atlas,),
        strategies=strategies,
        extraction=ExtractionSettings(statistics=statistics, smoothing_fwhm_mm=smoothing_fwhm_mm),
        coverage=CoverageSettings(min_coverage=0.5),
        cleaning=CleaningSettings(),
        connectivity=ConnectivitySettings(
            measures=("correlation", "covariance"), fisher_z=fisher_z
        ),
        output=OutputSettings(censor_output=censor_output),
    )
    return Result(plan, values)


def sidecar(table: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(table.with_name(stem(table) + ".json").read_text())
    return content


def stem(path: Path) -> str:
    return path.name.split(".")[0]


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def uris(value: Any) -> list[str]:
    """Every BIDS URI anywhere in a JSON value."""
    if isinstance(value, dict):
        return [uri for item in value.values() for uri in uris(item)]
    if isinstance(value, list):
        return [uri for item in value for uri in uris(item)]
    return [value] if isinstance(value, str) and value.startswith("bids:") else []


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("entities", [MNI, NATIVE, {"ses": "a", **MNI}, {"sub": "1", "task": "x"}])
def test_every_bids_uri_resolves_and_names_a_linked_dataset(
    place: Place, entities: dict[str, str]
) -> None:
    files = place.write(make_result(place.source, entities))
    links = json.loads((place.output / "dataset_description.json").read_text())["DatasetLinks"]
    found = [uri for path in files if path.suffix == ".json" for uri in uris(sidecar(path))]
    assert len(found) > 20
    for uri in found:
        _, name, relative = uri.split(":", 2)
        root = links[name] if name else "."
        if "://" not in root:
            assert (place.output / root / unquote(relative)).exists(), uri


def test_the_same_values_again_touch_nothing(place: Place) -> None:
    result = make_result(place.source)
    first = place.write(result)
    before = snapshot(place.output)
    assert place.write(result) == first
    assert snapshot(place.output) == before


def test_the_same_values_elsewhere_give_the_same_bytes(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(make_result(place.source))
    other = Place(place.source, tmp_path / "other", place.links)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_dataset_files(other.output, version="1.2.3", source_root=place.source, links=place.links)
    other.write(make_result(place.source))
    first, second = snapshot(place.output), snapshot(other.output)
    assert {name: value[2] for name, value in first.items()} == {
        name: value[2] for name, value in second.items()
    }


def test_nothing_is_written_that_is_not_in_the_list_and_the_record_is_last(place: Place) -> None:
    files = place.write(make_result(place.source))
    assert set(files) == {path for path in place.output.rglob("sub-*") if path.is_file()}
    assert len(files) == len(set(files))
    assert files[-1].name.endswith("_desc-bidsmask_complete.json")


@pytest.mark.parametrize("and_after", [False, True], ids=["only the k-th", "all from the k-th"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ESTALE])
def test_whichever_write_fails_no_half_run_counts_as_complete(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int, and_after: bool
) -> None:
    retried = number == errno.ESTALE and not and_after
    result = make_result(place.source)
    whole = {path: path.read_bytes() for path in place.write(result)}
    n_failed, k, reached = 0, 1, True
    while reached:
        for path in whole:
            path.unlink()
        failed, reached = fail_from(monkeypatch, k, number, and_after, lambda: place.write(result))
        left = {path: path.read_bytes() for path in place.output.rglob("sub-*") if path.is_file()}
        assert left.items() <= whole.items()
        assert not list(place.output.rglob("*.tmp"))
        assert is_complete(place.output, result.run, DIGEST) <= (left == whole)
        place.write(result)
        assert all(path.read_bytes() == content for path, content in whole.items())
        n_failed += failed
        k += 3
    assert k > 60
    assert n_failed == 0 if retried else n_failed > 20


def fail_from(
    monkeypatch: pytest.MonkeyPatch,
    k: int,
    number: int,
    and_after: bool,
    act: Callable[[], object],
) -> tuple[bool, bool]:
    """Let the k-th write, flush or renaming fail; give whether `act` did, and whether one did."""
    n_calls = 0

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal n_calls
            n_calls += 1
            if n_calls == k or (and_after and n_calls > k):
                raise OSError(number, os.strerror(number))
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "fsync", "replace"):
            patch.setattr(os, name, guarded(getattr(os, name)))
        try:
            act()
        except StorageError:
            return True, True
    return False, n_calls >= k


# --- the completion record -----------------------------------------------------------------------


def test_a_written_run_is_complete_for_its_settings_only(place: Place) -> None:
    result = make_result(place.source)
    assert not is_complete(place.output, result.run, DIGEST)
    place.write(result)
    assert is_complete(place.output, result.run, DIGEST)
    assert not is_complete(place.output, result.run, "other settings")


def test_a_changed_or_missing_output_makes_a_run_incomplete(place: Place) -> None:
    result = make_result(place.source)
    *files, _ = place.write(result)
    for path in files:
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        assert not is_complete(place.output, result.run, DIGEST), path
        path.unlink()
        assert not is_complete(place.output, result.run, DIGEST), path
        path.write_bytes(before)
    assert is_complete(place.output, result.run, DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"SettingsDigest": "d1g357", "Outputs": 3}',
        '{"SettingsDigest": "d1g357", "Outputs": {}}',
        "3",
        "null",
    ],
)
def test_a_damaged_record_makes_a_run_incomplete(place: Place, text: str) -> None:
    result = make_result(place.source)
    place.write(result)[-1].write_text(text)
    assert not is_complete(place.output, result.run, DIGEST)


def test_a_record_that_points_out_of_the_dataset_is_not_believed(place: Place) -> None:
    result = make_result(place.source)
    record = place.write(result)[-1]
    content = json.loads(record.read_text())
    outside = place.source / "dataset_description.json"
    known = hashlib.sha256(outside.read_bytes()).hexdigest()
    for name in ("../fmriprep/dataset_description.json", str(outside)):
        content["Outputs"] = {name: known}
        record.write_text(json.dumps(content))
        assert not is_complete(place.output, result.run, DIGEST)


def test_spaces_of_one_run_share_their_design_and_are_both_complete(place: Place) -> None:
    results = [make_result(place.source, entities) for entities in (MNI, NATIVE)]
    for result in results:
        place.write(result)
    assert all(is_complete(place.output, result.run, DIGEST) for result in results)
    assert len(list(place.output.rglob("*_design.tsv"))) == 1


def test_nothing_is_written_through_a_link_to_elsewhere(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (place.output / "sub-01").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(OutputError, match="symbolic link"):
        place.write(make_result(place.source))
    assert not list((tmp_path / "elsewhere").iterdir())


# --- time series ---------------------------------------------------------------------------------

SERIES = "*_stat-mean_desc-36P_timeseries.tsv"


def test_a_time_series_has_all_regions_and_all_volumes(place: Place) -> None:
    result = make_result(place.source)
    place.write(result)
    path = place.only(SERIES)
    assert path.name == (
        "sub-01_task-rest_run-01_space-MNI152NLin2009cAsym_atlas-Schaefer2018_seg-7n_scale-4_"
        "res-2_stat-mean_desc-36P_timeseries.tsv"
    )
    table = read_table(path)
    assert list(table.columns) == ["LH_Vis", "'=RH_Vis", "01", "Nowhere"]
    expected = result.given.cleaned[0].signals[0][0].astype(np.float32)
    found = table.to_numpy(dtype=float).astype(np.float32)
    np.testing.assert_array_equal(found[sample_mask()], expected)
    assert table.loc[CENSORED].isna().all(axis=None)


def test_its_sidecar_says_how_it_was_made(place: Place) -> None:
    place.write(make_result(place.source))
    content = sidecar(place.only(SERIES))
    assert content["SamplingFrequency"] == 0.5
    assert content["RepetitionTime"] == T_R
    assert content["TaskName"] == "Resting"
    assert content["StartTime"] == 0.9
    assert content["SliceTimingCorrected"] is True
    assert content["NumberOfVolumes"] == N_VOLUMES
    assert content["CensoredVolumes"] == 2
    assert content["SoftwareFilters"] == "n/a"
    assert content["CleaningParameters"]["standardize"] == "zscore"
    assert content["CensoringParameters"]["fd_threshold_mm"] == 0.5
    assert content["ConfoundStrategy"]["Columns"] == ["trans_x", "trans_x_derivative1"]
    assert content["ConfoundStrategy"]["ReferenceDOI"] == "doi:10.1000/x"
    assert content["DegreesOfFreedom"]["remaining"] == 6.0
    assert content["Resolution"] == "Voxels of 2 x 2 x 2 mm, as the preprocessed BOLD image has"
    assert content["SpatialReference"].startswith("https://")
    assert content["AtlasFile"]["SHA256"] == "0" * 64
    assert content["Warnings"] == ["run-01 is odd."]
    assert "n/a" in content["Description"]
    assert [uri.rpartition("_")[2] for uri in content["Sources"]] == [
        "bold.nii.gz", "mask.nii.gz", "timeseries.tsv", "timeseries.json", "dseg.nii.gz",
    ]  # fmt: skip


def test_each_column_is_described_under_the_name_it_has(place: Place) -> None:
    place.write(make_result(place.source))
    table = read_table(place.only(SERIES))
    content = sidecar(place.only(SERIES))
    assert set(table.columns) <= set(content)
    assert content["LH_Vis"]["Index"] == 1
    assert content["LH_Vis"]["Coverage"] == 1.0
    assert content["'=RH_Vis"]["Coverage"] == pytest.approx(0.2)
    assert content["'=RH_Vis"]["Description"].endswith(" =RH_Vis")
    assert content["LH_Vis"]["Units"] == "standard deviations"


def test_a_region_may_be_called_like_a_key_of_bids(place: Place) -> None:
    result = make_result(place.source)
    (coverage,) = result.given.coverage
    renamed = Coverage(table=coverage.table.assign(Node=["Sources", "TaskName", "a", "b"]))
    values = dataclasses.replace(result.given, coverage=(renamed,))
    place.write(dataclasses.replace(result, given=values))
    assert sidecar(place.only(SERIES))["TaskName"] == "Resting"
    assert list(read_table(place.only(SERIES)).columns) == ["Sources", "TaskName", "a", "b"]


def test_dropped_volumes_leave_their_times_behind(place: Place) -> None:
    place.write(make_result(place.source, censor_output="drop"))
    content = sidecar(place.only(SERIES))
    assert content["SamplingFrequency"] == "TR"
    assert "RepetitionTime" not in content
    assert content["VolumeTiming"] == [2 * v for v in range(12) if v not in CENSORED]
    assert len(read_table(place.only(SERIES))) == 10


def test_interpolated_volumes_keep_the_rhythm(place: Place) -> None:
    place.write(make_result(place.source, censor_output="interpolate"))
    content = sidecar(place.only(SERIES))
    assert content["RepetitionTime"] == T_R
    assert "straight lines between the kept ones" in content["Description"]


@pytest.mark.parametrize(
    ("cleaning", "filters"),
    [
        (
            {"filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.1},
            {
                "Butterworth": {
                    "Order": 5,
                    "ZeroPhase": True,
                    "Ends": "even",
                    "HighPassCutoff": 0.01,
                    "LowPassCutoff": 0.1,
                }
            },
        ),
        (
            {"filter": "cosine", "high_pass_hz": 0.008},
            {"DiscreteCosineBasis": {"HighPassCutoff": 0.008}},
        ),
    ],
)
def test_filters_are_named_with_their_cutoffs(
    place: Place, cleaning: dict[str, Any], filters: dict[str, Any]
) -> None:
    strategies = (make_strategy(**cleaning),)
    place.write(make_result(place.source, strategies=strategies))
    assert sidecar(place.only(SERIES))["SoftwareFilters"] == filters


def test_each_strategy_has_its_files_and_its_meaning(place: Place) -> None:
    strategies = (make_strategy("simple"), make_strategy("simple+gsr"))
    place.write(make_result(place.source, strategies=strategies))
    for suffix in ("timeseries", "design", "outliers"):
        assert len(list(place.output.rglob(f"*_desc-simple_{suffix}.tsv"))) == 1
        assert len(list(place.output.rglob(f"*_desc-simple+gsr_{suffix}.tsv"))) == 1
    labels = read_table(place.output / "descriptions.tsv")["desc_id"]
    assert list(labels) == ["desc-bidsmask", "desc-simple", "desc-simple+gsr"]


def test_every_statistic_has_time_series_of_its_own(place: Place) -> None:
    result = make_result(place.source, statistics=("mean", "std"))
    place.write(result)
    for number, label in enumerate(("mean", "std")):
        path = place.only(f"*_stat-{label}_desc-36P_timeseries.tsv")
        found = read_table(path).to_numpy(dtype=float).astype(np.float32)[sample_mask()]
        expected = result.given.cleaned[0].signals[0][number].astype(np.float32)
        np.testing.assert_array_equal(found, expected)
        assert sidecar(path)["Statistic"] == label
    assert sidecar(path)["LH_Vis"]["Description"] == "Region (std) LH_Vis"
    assert "standard deviation over its covered voxels" in sidecar(path)["Description"]


# --- the other tables ----------------------------------------------------------------------------


def test_a_matrix_names_its_rows_and_what_it_is(place: Place) -> None:
    result = make_result(place.source)
    place.write(result)
    path = place.only("*_stat-pearsoncorrelation_desc-36P_relmat.tsv")
    table = pd.read_csv(path, sep="\t", na_values="n/a", index_col="Node", dtype={"Node": str})
    assert list(table.index) == list(table.columns)
    np.testing.assert_array_equal(
        table.to_numpy().astype(np.float32),
        result.given.matrices[0].by_measure["correlation"][0].matrix.astype(np.float32),
    )
    content = sidecar(path)
    assert content["RelationshipMeasure"] == "correlation"
    assert content["ValidDiagonal"] is False
    assert content["Directed"] is False
    assert content["Weighted"] is True
    assert content["StorageFormat"] == "Full"
    assert content["NodeFiles"][0].endswith("_dseg.tsv")
    assert content["Software"] == f"bidsmask {__version__}"
    covariance = sidecar(place.only("*_stat-covariance_desc-36P_relmat.tsv"))
    assert covariance["ValidDiagonal"] is True


def test_matrices_of_another_statistic_and_fishers_z_have_names_of_their_own(
    place: Place,
) -> None:
    for changes in (
        {},
        {"statistics": ("median", "mean")},
        {"fisher_z": True},
        {"statistics": ("median",), "fisher_z": True},
    ):
        place.write(make_result(place.source, **changes))  # type: ignore[arg-type]
    plain = "*_stat-{}_desc-36P_relmat.tsv"
    labels = ("pearsoncorrelation", "median+pearsoncorrelation", "fisherz", "median+fisherz")
    tables = [place.only(plain.format(label)) for label in labels]
    assert sidecar(tables[1])["Sources"][0].endswith("_stat-median_desc-36P_timeseries.tsv")
    assert place.only(plain.format("median+covariance"))
    z = pd.read_csv(tables[2], sep="\t", na_values="n/a", index_col="Node").to_numpy()
    np.testing.assert_allclose(z[0, 2], np.arctanh(1 / 3), rtol=1e-6)
    assert np.isnan(np.diag(z)).all()
    assert sidecar(tables[2])["RelationshipMeasure"] == "Fisher's z of correlation"
    assert sidecar(tables[2])["Description"].startswith("Fisher's z of Pearson's correlation")


def test_coverage_says_why_a_region_has_no_signal(place: Place) -> None:
    place.write(make_result(place.source))
    path = place.only("*_stat-coverage_bold.tsv")
    table = read_table(path)
    assert list(table["Node"]) == ["LH_Vis", "'=RH_Vis", "01", "Nowhere"]
    assert list(table["n_covered"]) == [10, 2, 10, 0]
    assert set(table.columns) <= set(sidecar(path))
    assert sidecar(path)["MinimumCoverage"] == 0.5


def test_the_atlas_copy_has_the_labels_of_the_run(place: Place) -> None:
    result = make_result(place.source)
    place.write(result)
    path = place.only("*_dseg.nii.gz")
    image = nib.Nifti1Image.from_filename(path)
    (regions,) = result.given.placed.columns
    assert isinstance(regions, Regions)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), regions.codes)  # ids are 1 to 4
    assert Grid.from_image(image) == regions.grid
    table = read_table(path.with_name(stem(path) + ".tsv"))
    assert list(table.columns) == ["index", "name", "hemisphere"]
    assert "hemisphere" in sidecar(path)
    assert sidecar(path)["Sources"] == list(result.given.sources[0].sources)


def test_the_design_is_full_length_and_says_what_was_filled(place: Place) -> None:
    result = make_result(place.source)
    place.write(result)
    path = place.only("*_desc-36P_design.tsv")
    assert "space" not in parse_name(path.name).entities
    np.testing.assert_array_equal(read_table(path), result.given.confounds[0].design)
    content = sidecar(path)
    assert content["FilledColumns"] == ["trans_x_derivative1"]
    assert "n/a" in content["trans_x_derivative1"]["Description"]
    assert "n/a" not in content["trans_x"]["Description"]


def test_a_strategy_without_confounds_has_no_design(place: Place) -> None:
    place.write(make_result(place.source, columns=()))
    assert not list(place.output.rglob("*_design.*"))


def test_outliers_are_flagged_by_method_with_its_threshold(place: Place) -> None:
    place.write(make_result(place.source))
    path = place.only("*_desc-36P_outliers.tsv")
    table = read_table(path)
    assert list(table.columns) == ["non_steady_state", "framewise_displacement", "censored"]
    assert list(np.flatnonzero(table["censored"])) == CENSORED
    content = sidecar(path)
    assert content["framewise_displacement"]["Threshold"] == 0.5
    assert content["framewise_displacement"]["Levels"] == {"0": "kept", "1": "flagged"}
    assert content["non_steady_state"]["Threshold"] == "auto"


def test_quality_has_a_row_for_each_strategy_and_each_column_a_meaning(place: Place) -> None:
    strategies = (make_strategy("a"), make_strategy("b"))
    place.write(make_result(place.source, strategies=strategies))
    path = place.only("*_desc-bidsmask_qc.tsv")
    table = read_table(path)
    assert list(table["strategy"]) == ["a", "b"]
    assert table["n_voxels"][0] == 202
    assert table["mean_fd_kept"][0] == pytest.approx(0.1)
    assert table["minutes_kept"][0] == pytest.approx(1 / 3)
    assert table["dof_remaining"][0] == 6
    assert np.isnan(table["fd_dvars_correlation"][0])
    assert list(table.columns) == list(QUALITY_COLUMNS)
    assert all("Description" in sidecar(path)[name] for name in table.columns)


def test_a_native_space_refers_to_the_reference_of_the_run(place: Place) -> None:
    place.write(make_result(place.source, NATIVE))
    content = sidecar(place.only(SERIES))
    assert content["SpatialReference"].startswith("bids:preprocessed:sub-01/func/")
    assert content["SpatialReference"].endswith("_boldref.nii.gz")
    assert "Resolution" not in content


def test_a_cohort_refers_to_its_template(place: Place) -> None:
    entities = {"sub": "01", "task": "rest", "space": "MNIInfant", "cohort": "1"}
    place.write(make_result(place.source, entities))
    assert "_space-MNIInfant+1_" in place.only(SERIES).name
    assert sidecar(place.only(SERIES))["SpatialReference"].endswith("/tpl-MNIInfant")


# --- the validators ------------------------------------------------------------------------------


def validators() -> list[str]:
    """Commands of BIDS validators, from BIDSMASK_VALIDATORS or the search path."""
    named = os.environ.get("BIDSMASK_VALIDATORS", "")
    found = shutil.which("bids-validator-deno")
    return [command for command in named.split(os.pathsep) if command] or [found or ""]


@pytest.mark.slow
@pytest.mark.parametrize("command", validators())
def test_the_bids_validator_has_nothing_to_object(place: Place, command: str) -> None:
    if not command:
        pytest.skip("no BIDS validator: set BIDSMASK_VALIDATORS to its command")
    for entities in (
        MNI,
        NATIVE,
        {**MNI, "sub": "02", "ses": "a", "echo": "1", "space": "MNIPediatricAsym", "cohort": "2"},
        {"sub": "03", "task": "rest"},
    ):
        place.write(make_result(place.source, entities))
    report = place.output / "sub-01.html"
    report.write_text("<!doctype html>")
    figure = place.output / "sub-01" / "figures" / "sub-01_desc-carpet_bold.svg"
    figure.parent.mkdir()
    figure.write_text("<svg/>")
    done = subprocess.run(
        [*shlex.split(command), str(place.output), "--format", "json", "--ignoreWarnings"],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    assert errors == []
    assert done.returncode == 0
