"""The demo through the command line: what is there afterwards, and what a second time does."""

import contextlib
import ctypes
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsmask.cli.main import main

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
VALIDATORS = [name for name in os.environ.get("BIDSMASK_VALIDATORS", "").split(":") if name]
SPACE = "space-MNI152NLin2009cAsym"
RUN = f"sub-03_task-rest_{SPACE}"
STEPS = {
    *("load_confounds", "resample_atlas", "extract", "clean", "connectivity"),
    *("derive", "report"),
}

FILES_OF_A_RUN = {
    *(f"{RUN}_atlas-Demo60_dseg.{kind}" for kind in ("nii.gz", "tsv", "json")),
    *(f"{RUN}_atlas-Demo60_stat-coverage_bold.{kind}" for kind in ("tsv", "json")),
    *(
        f"{RUN}_atlas-Demo60_stat-{what}.{kind}"
        for strategy in ("36P", "simple")
        for what in (
            f"mean_desc-{strategy}_timeseries",
            f"pearsoncorrelation_desc-{strategy}_relmat",
        )
        for kind in ("tsv", "json")
    ),
    *(
        f"sub-03_task-rest_desc-{strategy}_{suffix}.{kind}"
        for strategy in ("36P", "simple")
        for suffix in ("design", "outliers")
        for kind in ("tsv", "json")
    ),
    *(f"{RUN}_desc-bidsmask_qc.{kind}" for kind in ("tsv", "json")),
    f"{RUN}_desc-bidsmask_complete.json",
}

FILES_OF_THE_DATASET = {
    *(".bidsignore", "README.md", "dataset_description.json"),
    *("descriptions.tsv", "descriptions.json"),
    *(f"sub-{label}.html" for label in ("01", "02", "03")),
}


def bidsmask(*arguments):
    """Run the command; give exit code and what it said on stderr and stdout."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        exit_code = main([str(argument) for argument in arguments])
    return exit_code, said.getvalue()


def request(demo, out, work, *options):
    return [
        *(demo.root, out, "participant", "--atlases", demo.atlas, "-w", work, "-v"),
        *("--strategies", "36P", "simple", "--min-dof", "0", *options),
    ]


def started(said):
    """Nodes that were computed, as -v says them."""
    return re.findall(r" start +(\S+)$", said, re.MULTILINE)


def steps(said):
    return {node.rpartition(".")[2] for node in started(said)}


def files(folder, *, without=("logs", ".bidsmask")):
    """Every file, by its name from the folder on."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in found if name.parts[0] not in without]


def checksums(folder):
    return {
        name.as_posix(): hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in files(folder)
    }


def times(folder):
    return {name.as_posix(): (folder / name).stat().st_mtime_ns for name in files(folder)}


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_tsv(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


@pytest.fixture(scope="module")
def first(demo_dataset, tmp_path_factory):
    """The demo, all of it: where the output and the work folder are, and what was said."""
    folder = tmp_path_factory.mktemp("end_to_end")
    before = checksums(demo_dataset.root)
    exit_code, said = bidsmask(*request(demo_dataset, folder / "out", folder / "work"))
    assert exit_code == 0, said
    assert before == checksums(demo_dataset.root), "the input was changed"
    return folder / "out", folder / "work", said


@pytest.fixture(scope="module")
def out(first):
    return first[0]


@pytest.fixture(scope="module")
def one_run(demo_dataset, tmp_path_factory):
    """``one_run(options)``: the run of sub-03 with one strategy, in folders of its own."""
    folder = tmp_path_factory.mktemp("one_run")

    def ask(*options):
        chosen = "--participant-label", "03", "--strategies", "simple"
        arguments = request(demo_dataset, folder / "out", folder / "work", *chosen, *options)
        exit_code, said = bidsmask(*arguments)
        assert exit_code == 0, said
        return folder / "out", said

    return ask


# What is there


def test_every_node_of_every_run_has_been_computed(first):
    nodes = started(first[2])
    assert len(nodes) == len(set(nodes)) == 5 * len(STEPS)
    assert steps(first[2]) == STEPS


def test_all_runs_are_noted_as_done(out):
    status = read_tsv(out / "logs" / "status.tsv")
    assert list(status["run"]) == [
        *(f"sub-01_ses-{session}_task-rest_{SPACE}" for session in "12"),
        *(f"sub-02_task-rest_dir-{direction}_{SPACE}" for direction in ("AP", "PA")),
        RUN,
    ]
    assert set(status["status"]) == {"done"}


def test_a_run_has_these_files_and_no_others(out):
    assert {path.name for path in (out / "sub-03" / "func").iterdir()} == FILES_OF_A_RUN


def test_the_dataset_has_these_files_and_folders_and_no_others(out):
    assert {path.name for path in out.iterdir()} == {
        *FILES_OF_THE_DATASET,
        *(".bidsmask", "logs", "sub-01", "sub-02", "sub-03"),
    }


def test_nothing_temporary_is_left(out):
    assert [path.name for path in out.rglob("*.tmp")] == []
    assert [path.name for path in (out / "logs").glob("crash*")] == []


def test_every_bids_uri_leads_to_a_file(out):
    links = read_json(out / "dataset_description.json")["DatasetLinks"]
    uris = {
        uri
        for path in out.rglob("sub-*.json")
        for uri in re.findall(r'"(bids:[^"]*)"', path.read_text(encoding="utf-8"))
    }
    assert uris
    for uri in uris:
        _, name, path = uri.split(":", maxsplit=2)
        root = out / links[name] if name else out
        assert (root / path).is_file(), uri


@pytest.mark.parametrize("strategy", ["36P", "simple"])
def test_the_numbers_of_the_sidecars_are_those_of_the_tables(out, demo_dataset, strategy):
    for path in out.rglob(f"*_desc-{strategy}_timeseries.json"):
        sidecar, table = read_json(path), read_tsv(path.with_suffix(".tsv"))
        native = path.name.split(f"_{SPACE}")[0]
        outliers = read_tsv(path.with_name(f"{native}_desc-{strategy}_outliers.tsv"))
        design = read_tsv(path.with_name(f"{native}_desc-{strategy}_design.tsv"))
        coverage = read_tsv(next(path.parent.glob(f"{native}_*_stat-coverage_bold.tsv")))
        quality = read_tsv(next(path.parent.glob(f"{native}_*_qc.tsv"))).set_index("strategy")
        freedom = sidecar["DegreesOfFreedom"]
        assert sidecar["RepetitionTime"] == 2.0
        assert sidecar["SamplingFrequency"] == 1 / sidecar["RepetitionTime"]
        assert sidecar["NumberOfVolumes"] == len(table) == len(outliers) == len(design) == 150
        assert sidecar["CensoredVolumes"] == outliers["censored"].sum() == freedom["n_censored"]
        assert table.notna().any(axis=1).sum() == freedom["n_kept"]
        assert quality.loc[strategy, "n_kept"] == freedom["n_kept"]
        assert quality.loc[strategy, "dof_remaining"] == pytest.approx(freedom["remaining"])
        assert sidecar["ConfoundStrategy"]["Columns"] == list(design.columns)
        assert np.linalg.matrix_rank(design / design.std()) >= freedom["n_regressors"]
        assert freedom["remaining"] == pytest.approx(
            freedom["n_kept"] - freedom["n_detrend"] - freedom["n_filter"] - freedom["n_confounds"]
        )
        assert sidecar["AtlasFile"]["SHA256"] == sha256(demo_dataset.atlas)
        for region in coverage.to_dict("records"):
            described = sidecar[region["Node"]]
            assert described["Index"] == region["index"]
            assert described["Coverage"] == pytest.approx(region["coverage"])
            assert described["Status"] == region["status"]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_completion_record_agrees_with_every_file_of_its_run(out):
    record = read_json(out / "sub-03" / "func" / f"{RUN}_desc-bidsmask_complete.json")
    named = {Path(name).name for name in record["Outputs"]}
    assert named == FILES_OF_A_RUN - {f"{RUN}_desc-bidsmask_complete.json"}
    for name, known in record["Outputs"].items():
        assert sha256(out / name) == known


def test_regions_that_dropout_has_emptied_are_missing_and_counted(out):
    coverage = read_tsv(out / f"sub-03/func/{RUN}_atlas-Demo60_stat-coverage_bold.tsv")
    lost = set(coverage["Node"][~coverage["status"].isin(["ok", "partial"])])
    table = read_tsv(out / f"sub-03/func/{RUN}_atlas-Demo60_stat-mean_desc-simple_timeseries.tsv")
    assert len(lost) >= 2
    assert set(table.columns[table.isna().all()]) == lost
    assert len(table.columns) == 60


def test_the_report_of_a_subject_shows_its_runs(out):
    page = (out / "sub-01.html").read_text(encoding="utf-8")
    assert page.count("data:image/") > 2 or page.count("<svg") > 2
    for session in "12":
        assert f"sub-01_ses-{session}_task-rest_{SPACE}" in page


@pytest.mark.parametrize("command", VALIDATORS or [None])
def test_the_validator_finds_no_error(out, command):
    if command is None:
        pytest.skip("BIDSMASK_VALIDATORS names no validator")
    done = subprocess.run(
        [*shlex.split(command), str(out), "--format", "json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


# The second time


def test_the_same_command_again_computes_nothing_and_touches_nothing(demo_dataset, first):
    out, work, _ = first
    before = times(out)
    exit_code, said = bidsmask(*request(demo_dataset, out, work))
    assert exit_code == 0
    assert started(said) == []
    assert "5 of 5 runs done (35 steps reused)" in said
    assert times(out) == before


def test_other_processes_and_another_work_folder_give_the_same_bytes(
    demo_dataset, first, tmp_path
):
    options = "--nprocs", "1", "--participant-label", "sub-02"
    arguments = request(demo_dataset, tmp_path / "out", tmp_path / "work", *options)
    exit_code, said = bidsmask(*arguments)
    assert exit_code == 0, said
    found, expected = (
        {name: value for name, value in checksums(out).items() if name.startswith("sub-02")}
        for out in (tmp_path / "out", first[0])
    )
    assert "sub-02.html" in found
    assert found == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--connectivity", "correlation", "covariance"), {"connectivity", "derive", "report"}),
        (("--min-coverage", "0.95"), STEPS - {"resample_atlas", "load_confounds"}),
        (("--fd-threshold", "0.4"), STEPS - {"resample_atlas", "extract"}),
        (("--smoothing-fwhm", "6"), STEPS - {"resample_atlas", "load_confounds"}),
        (("--statistic", "median"), STEPS - {"resample_atlas", "load_confounds"}),
        (("--fisher-z",), {"connectivity", "derive", "report"}),
        (("--censor-output", "drop"), {"derive", "report"}),
        (("--nprocs", "1"), set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_changed_option_recomputes_what_depends_on_it(one_run, options, expected):
    one_run()
    out, said = one_run(*options)
    assert steps(said) == expected
    measures = ("covariance", "pearsoncorrelation")
    tables = {measure: [*out.rglob(f"*stat-{measure}*relmat.tsv")] for measure in measures}
    assert tables["pearsoncorrelation"]
    if "--fisher-z" in options:
        assert [*out.rglob("*stat-fisherz*relmat.tsv")]
    if "covariance" in options:
        assert tables["covariance"]


@pytest.mark.parametrize(
    ("pattern", "step"),
    [
        ("func/*_stat-mean_desc-simple_timeseries.tsv", "derive"),
        ("func/*_desc-simple_design.json", "derive"),
        ("func/*_desc-bidsmask_complete.json", "derive"),
        ("figures/*_desc-carpet_bold.svg", "report"),
    ],
)
def test_a_file_that_was_deleted_comes_back(one_run, pattern, step):
    out, _ = one_run()
    before = checksums(out)
    (lost,) = (out / "sub-03").glob(pattern)
    lost.unlink()
    _, said = one_run()
    assert steps(said) == {step}
    assert checksums(out) == before


def test_a_file_that_was_changed_is_written_again(one_run):
    out, _ = one_run()
    before = checksums(out)
    (spoilt,) = out.glob("sub-03/func/*_stat-pearsoncorrelation_*_relmat.tsv")
    spoilt.write_text(spoilt.read_text().replace("1.0", "2.0"))
    one_run()
    assert checksums(out) == before


def test_without_a_work_folder_nothing_of_it_is_left(demo_dataset, tmp_path):
    arguments = request(demo_dataset, tmp_path, "unused", "--participant-label", "03")
    position = arguments.index("-w")
    exit_code, said = bidsmask(*arguments[:position], *arguments[position + 2 :])
    assert exit_code == 0, said
    assert [*(tmp_path / ".bidsmask").rglob("*.npz")] == []


def test_reports_can_be_assembled_again(one_run, demo_dataset):
    out, _ = one_run()
    before = checksums(out)
    (out / "sub-03.html").unlink()
    _, said = one_run("--reports-only")
    assert started(said) == []
    assert checksums(out) == before


def test_the_text_for_a_paper_can_be_had_beforehand(demo_dataset, tmp_path):
    arguments = request(demo_dataset, tmp_path / "out", tmp_path / "work", "--boilerplate-only")
    exit_code, said = bidsmask(*arguments)
    assert exit_code == 0, said
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"CITATION.md", "CITATION.bib"}
    text = (tmp_path / "out" / "logs" / "CITATION.md").read_text()
    bidsmask(*request(demo_dataset, tmp_path / "out", tmp_path / "work"))
    assert (tmp_path / "out" / "logs" / "CITATION.md").read_text() == text


@pytest.mark.parametrize("option", ["--boilerplate-only", "--reports-only"])
def test_the_text_of_another_program_is_not_replaced(demo_dataset, tmp_path, option):
    theirs = tmp_path / "out" / "logs" / "CITATION.md"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("fMRIPrep")
    shutil.copy(demo_dataset.root / "dataset_description.json", tmp_path / "out")
    exit_code, said = bidsmask(*request(demo_dataset, tmp_path / "out", tmp_path, option))
    assert exit_code == 73
    assert "another dataset by fMRIPrep" in said
    assert theirs.read_text() == "fMRIPrep"


def test_what_every_step_takes_can_be_had(one_run):
    one_run()
    out, _ = one_run("--resource-monitor", "--min-coverage", "0.8")
    table = pd.read_csv(max(out.glob("logs/*/resources.tsv")), sep="\t")
    assert set(table["step"]) == STEPS
    computed = table[table["status"] == "computed"]
    assert set(computed["step"]) == STEPS - {"resample_atlas", "load_confounds"}
    assert (table["seconds"] > 0).all()
    assert table["peak_memory_mb"].between(20, 2000).all()


# Looking without touching


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(demo_dataset, tmp_path):
    arguments = request(demo_dataset, tmp_path / "out", tmp_path / "work", "--dry-run")
    exit_code, said = bidsmask(*arguments)
    assert exit_code == 0
    assert "5 runs of 3 subjects to do" in said
    assert "150" in said
    assert len(re.findall(r"alone: about [\d.]+ s and \d+ MB of memory", said)) == 5
    assert re.search(r"All together with --nprocs \d+: about [\d.]+ s and \d+ MB", said)
    assert "estimate for this machine" in said
    assert [*tmp_path.iterdir()] == []


def test_a_dry_run_finds_problems_in_confounds(demo_dataset, tmp_path):
    root = shutil.copytree(demo_dataset.root / "sub-03", tmp_path / "fmriprep" / "sub-03").parent
    for name in ("dataset_description.json", "task-rest_bold.json"):
        shutil.copy(demo_dataset.root / name, root)
    (table,) = root.rglob("*_timeseries.tsv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    exit_code, said = bidsmask(
        *(root, tmp_path / "out", "participant", "--dry-run", "--atlases", demo_dataset.atlas)
    )
    assert exit_code == 1
    assert re.search(r"problem: .*149 rows", said)
    assert not (tmp_path / "out").exists()


# The group level


@pytest.fixture(scope="module")
def group(first, demo_dataset, tmp_path_factory):
    """A copy of the output with its group level, made while the input is elsewhere."""
    copy = Path(shutil.copytree(first[0], tmp_path_factory.mktemp("group") / "out"))
    empty = tmp_path_factory.mktemp("nothing")
    exit_code, said = bidsmask(empty, copy, "group")
    assert exit_code == 0, said
    assert "5 runs of 3 subjects" in said
    return copy


def test_the_group_table_of_quality_is_that_of_the_runs(group):
    table = read_tsv(group / "group_qc.tsv")
    assert len(table) == 10
    for path in group.rglob("sub-*_desc-bidsmask_qc.tsv"):
        name = path.name.removesuffix("_desc-bidsmask_qc.tsv")
        rows = table[table["bids_name"] == name]
        rows = rows.loc[:, "strategy":].drop(columns=["decision", "decided_by"])
        rows = rows.reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, read_tsv(path))


def test_the_group_table_of_quality_says_first_which_run_a_row_is_of(group):
    table = read_tsv(group / "group_qc.tsv")
    first = ["participant_id", "session_id", "task_id", "run_id"]
    assert list(table)[:7] == [*first, "dir_id", "space_id", "bids_name"]
    row = table[table["bids_name"].str.startswith("sub-01_ses-2")].iloc[0]
    assert list(row[["participant_id", "session_id", "task_id"]]) == ["sub-01", "ses-2", "rest"]
    described = json.loads((group / "group_qc.json").read_text(encoding="utf-8"))
    assert list(described) == list(table)


def test_the_group_table_of_coverage_counts_what_the_runs_have_lost(group):
    table = read_tsv(group / "group_coverage.tsv").set_index("Node")
    assert len(table) == 60
    runs = {path.name: read_tsv(path) for path in group.rglob("*_stat-coverage_bold.tsv")}
    below = pd.concat(runs.values())
    lost = below[~below["status"].isin(["ok", "partial"])].groupby("Node").size()
    for region, row in table.iterrows():
        shares = below.loc[below["Node"] == region, "coverage"]
        assert row["n_runs"] == 5
        assert row["n_lost"] == lost.get(region, 0)
        assert row["mean_coverage"] == pytest.approx(shares.mean())
        assert row["min_coverage"] == shares.min()
        names = (
            []
            if row["lost_in"] == "n/a" or row["lost_in"] != row["lost_in"]
            else row["lost_in"].split()
        )
        assert len(names) == row["n_lost"]


def test_the_group_level_lists_the_subjects(group):
    assert list(read_tsv(group / "participants.tsv")["participant_id"]) == [
        *("sub-01", "sub-02", "sub-03")
    ]


def test_the_group_level_again_touches_nothing(group, demo_dataset):
    before = times(group)
    assert bidsmask(demo_dataset.root, group, "group")[0] == 0
    assert times(group) == before


def test_a_group_without_participants_is_no_input(demo_dataset, tmp_path):
    exit_code, said = bidsmask(demo_dataset.root, tmp_path, "group")
    assert exit_code == 66
    assert "participant level first" in said


# Requests that cannot be met


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strategies", "37P"], "37P.*Did you mean '3?.P'"),
        (["--strategies", "36P", "36P"], "36P"),
        (["--atlases", "no/such_dseg.nii.gz"], "no/such_dseg.nii.gz"),
        (["--atlases", "Schaefer2018_seg-7n_scale-401"], "Schaefer2018"),
        (["--participant-label", "99"], "sub-99.*sub-01, sub-02, sub-03"),
        (["--fd-threshold", "0"], "above zero"),
        (["--filter", "none", "--low-pass", "0.1"], "no effect with the filter none"),
        (["--strategies", "36P", "--low-pass", "0.005"], "0.01.*0.005|0.005.*0.01"),
        (["--connectivity", "granger"], "granger"),
        (["--min-coverage", "50"], "between 0 and 1"),
        (["--no-such-option"], "no-such-option"),
        (["--bids-filter-file", "missing.json"], "missing.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_request_is_refused_before_anything_is_written(
    demo_dataset, tmp_path, monkeypatch, options, words
):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templates"))
    (tmp_path / "templates").mkdir()
    arguments = request(demo_dataset, tmp_path / "out", tmp_path / "work", "--no-download")
    exit_code, said = bidsmask(*arguments, *options)
    assert exit_code == 2, said
    letter = said.splitlines()[-1]
    assert letter.startswith("bidsmask: ")
    assert re.search(words, letter), letter
    assert {path.name for path in tmp_path.iterdir()} == {"templates"}
    assert [*(tmp_path / "templates").iterdir()] == []


@pytest.mark.parametrize("place", ["", "sub-01", "sub-01/func/out"])
def test_an_output_inside_the_input_is_refused(demo_dataset, tmp_path, place):
    before = checksums(demo_dataset.root)
    inside = demo_dataset.root / place
    exit_code, said = bidsmask(*request(demo_dataset, inside, tmp_path / "work"))
    assert exit_code == 2
    assert "never written to" in said
    assert checksums(demo_dataset.root) == before


def test_an_output_that_is_a_file_cannot_be_written_to(demo_dataset, tmp_path):
    (tmp_path / "out").write_text("mine")
    exit_code, said = bidsmask(*request(demo_dataset, tmp_path / "out", tmp_path / "work"))
    assert exit_code == 73
    assert (tmp_path / "out").read_text() == "mine"
    assert "is a file" in said


def test_an_empty_folder_is_no_input(demo_dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    exit_code, said = bidsmask(
        *(tmp_path / "empty", tmp_path / "out", "participant", "--atlases", demo_dataset.atlas)
    )
    assert exit_code == 66
    assert "no sub-*" in said
    assert not (tmp_path / "out").exists()


def test_a_raw_dataset_is_no_input(demo_dataset, tmp_path):
    raw = tmp_path / "raw" / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz"
    raw.parent.mkdir(parents=True)
    shutil.copy(demo_dataset.runs[0].bold, raw)
    description = {"Name": "raw", "BIDSVersion": "1.9.0"}
    (tmp_path / "raw" / "dataset_description.json").write_text(json.dumps(description))
    exit_code, said = bidsmask(
        *(tmp_path / "raw", tmp_path / "out", "participant", "--atlases", demo_dataset.atlas)
    )
    assert exit_code == 66
    assert "looks like raw BIDS" in said
    assert not (tmp_path / "out").exists()


# Neighbours


@pytest.fixture
def shared_folder(demo_dataset):
    """sub-03, the atlas, and a place for outputs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = folder / "fmriprep"
        shutil.copytree(demo_dataset.root / "sub-03", root / "sub-03")
        for file in ("dataset_description.json", "task-rest_bold.json"):
            shutil.copy(demo_dataset.root / file, root)
        shutil.copytree(demo_dataset.atlas.parent, folder / "atlas")
        (folder / "results").mkdir()
        yield folder


def job(folder, atlas, **process):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "bidsmask", str(folder / "fmriprep")),
            *(str(folder / "results" / "out"), "participant", "--strategies", "simple"),
            *("--atlases", str(folder / "atlas" / atlas.name), "--nprocs", "1"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **process,
    )


def obey_permissions():
    if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        raise OSError("The superuser's rights cannot be dropped here.")


def test_an_input_that_nobody_may_write_to_is_read(shared_folder, demo_dataset):
    """By a user without a home, and without the superuser's right to ignore permissions."""
    for path in [*(shared_folder / "fmriprep").rglob("*"), shared_folder / "fmriprep"]:
        path.chmod(path.stat().st_mode & ~0o222)
    process = {"env": {**os.environ, "HOME": "/nonexistent"}}
    if os.geteuid() == 0:
        process["preexec_fn"] = obey_permissions
    before = checksums(shared_folder / "fmriprep")
    with job(shared_folder, demo_dataset.atlas, **process) as running:
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert checksums(shared_folder / "fmriprep") == before
    assert (shared_folder / "results" / "out" / "sub-03.html").is_file()


def test_a_second_job_on_the_same_subject_leaves_it_to_the_first(shared_folder, demo_dataset):
    log = shared_folder / "results" / "out" / "logs"
    with job(shared_folder, demo_dataset.atlas) as first_job:
        deadline = time.monotonic() + 60
        while not [*log.glob("*/bidsmask.toml")] and time.monotonic() < deadline:
            time.sleep(0.005)
        first_job.send_signal(signal.SIGSTOP)
        with job(shared_folder, demo_dataset.atlas) as second_job:
            said, _ = second_job.communicate(timeout=60)
        first_job.send_signal(signal.SIGCONT)
        said_first, _ = first_job.communicate(timeout=120)
    assert second_job.returncode == 75, said
    assert "sub-03" in said
    assert "Another job" in said
    assert first_job.returncode == 0, said_first
