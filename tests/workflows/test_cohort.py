"""Subjects one after the other: what is open, what is left alone, what is there in between."""

import hashlib
import shutil

import nibabel as nib
import numpy as np
import pytest
from nipype.pipeline import engine as pe

from bidsmask.analysis.plan import make_plan
from bidsmask.cli.main import main
from bidsmask.cli.parser import parse
from bidsmask.demo import cubic_grid
from bidsmask.derivatives.status import read_status
from bidsmask.workflows import cohort
from bidsmask.workflows.execute import execute
from bidsmask.workflows.participant import run_participants

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))


def test_no_more_workflows_are_open_than_cores_can_work_on(tmp_path, misbehave):
    opened = []

    def workflows():
        for number in range(20):
            workflow = pe.Workflow(f"wf{number}", base_dir=str(tmp_path))
            first, second = (
                pe.Node(misbehave(how="fine", diary=str(tmp_path / f"{name}{number}")), name)
                for name in "ab"
            )
            workflow.connect(first, "out", second, "after")
            opened.append(workflow.name)
            yield workflow

    ended = []
    for outcome in execute(workflows(), n_procs=2, memory_gb=1, crash_dir=tmp_path / "logs"):
        ended.append(outcome.workflow.name)
        assert len(opened) - len(ended) <= 3
    assert sorted(ended) == sorted(opened)


def test_nodes_that_need_all_memory_run_one_at_a_time_and_open_no_more_workflows(
    tmp_path, misbehave
):
    running, most, opened = set(), [], []

    def note(name, status):
        running.add(name) if status == "start" else running.discard(name)
        most.append(len(running))

    def workflows():
        for number in range(8):
            workflow = pe.Workflow(f"wf{number}", base_dir=str(tmp_path))
            node = pe.Node(misbehave(how="fine", diary=str(tmp_path / f"{number}")), "n", mem_gb=9)
            workflow.add_nodes([node])
            opened.append(number)
            yield workflow

    outcomes = execute(
        workflows(), n_procs=3, memory_gb=4, crash_dir=tmp_path / "logs", on_node=note
    )
    for n_ended, outcome in enumerate(outcomes, 1):
        assert outcome.failures == ()
        assert len(opened) - n_ended <= 3
    assert (max(most), n_ended) == (1, 8)


@pytest.fixture
def request_of(make_dataset, tmp_path):
    """Words of a request for three tiny subjects; a copy that a test may change."""
    dataset = make_dataset(tmp_path / "in", subjects=("01", "02", "03"), grid=COARSE)

    def words(*options):
        what = ("--atlases", str(dataset.atlas), "--strategies", "simple", *options)
        return dataset, [str(dataset.root), str(tmp_path / "out"), "participant", *what]

    return words


def carried_out(words, on_step=lambda run, step, status: None):
    settings = parse(words).settings
    return run_participants(settings, make_plan(settings), on_step=on_step)


def test_the_report_of_a_subject_is_there_and_its_work_folder_gone_when_the_next_is_done(
    request_of, tmp_path
):
    _, words = request_of("--nprocs", "1")
    seen = {}

    def look(run, step, status):
        if status == "start" and step == "load_confounds":
            subject = run.split("_")[0]
            reports = sorted(path.name for path in (tmp_path / "out").glob("sub-*.html"))
            work = sorted(path.name for path in (tmp_path / "out").glob(".bidsmask/*/*/sub_*_wf"))
            seen[subject] = reports, work

    assert carried_out(words, look).exit_code == 0
    assert seen["sub-02"] == (["sub-01.html"], ["sub_02_wf"])
    assert seen["sub-03"] == (["sub-01.html", "sub-02.html"], ["sub_03_wf"])


def test_what_is_complete_is_not_wired_again_and_counts_as_reused(request_of, monkeypatch):
    _, words = request_of()
    first = carried_out(words)
    monkeypatch.delattr(cohort, "init_bidsmask_wf")
    again = carried_out(words)
    assert (again.n_computed, again.n_reused) == (0, first.n_computed)
    assert (again.done, again.reports) == (first.done, first.reports)


@pytest.mark.parametrize(
    "companion",
    ["mask.nii.gz", "boldref.nii.gz", "timeseries.tsv", "timeseries.json", "bold.nii.gz"],
)
def test_a_run_of_which_one_input_has_changed_is_done_again_and_no_other(request_of, companion):
    dataset, words = request_of()
    carried_out(words)
    (file,) = (dataset.root / "sub-02").rglob(f"*_{companion}")
    if companion.endswith(".nii.gz"):
        image = nib.load(file)
        values = np.asarray(image.dataobj)
        values[tuple(np.argwhere(values)[0])] = 0
        nib.Nifti1Image(values, image.affine, image.header).to_filename(file)
    else:
        file.write_text(file.read_text() + "\n")
    started = set()
    carried_out(words, lambda run, step, status: started.add(run) if status == "start" else None)
    assert {run.split("_")[0] for run in started} == {"sub-02"}


def test_what_could_not_all_be_made_is_not_complete(request_of, tmp_path):
    dataset, words = request_of()
    elsewhere = tmp_path / "tpl-MNI152NLin2009cAsym_atlas-Elsewhere_dseg.nii.gz"
    image = nib.load(dataset.atlas)
    affine = image.affine.copy()
    affine[:3, 3] += 900
    nib.Nifti1Image(np.asarray(image.dataobj), affine, image.header).to_filename(elsewhere)
    table = dataset.atlas.with_name(dataset.atlas.name.replace(".nii.gz", ".tsv"))
    shutil.copy(table, elsewhere.with_name(elsewhere.name.replace(".nii.gz", ".tsv")))
    words.insert(words.index("--atlases") + 1, str(elsewhere))
    first, second = carried_out(words), carried_out(words)
    assert (len(first.failures), first.failures) == (3, second.failures)


def test_runs_whose_turn_never_came_are_listed_as_not_done(request_of, tmp_path):
    dataset, words = request_of("--nprocs", "1", "--stop-on-first-crash")
    (table,) = (dataset.root / "sub-01").rglob("*_timeseries.tsv")
    table.write_text("csf\nx\n")
    summary = carried_out(words)
    assert summary.done == ()
    assert [failure.kind for failure in summary.failures] == ["ConfoundsError", *["Stopped"] * 2]
    assert (read_status(tmp_path / "out")["status"] == "failed").all()
    assert main(words) == 1
    assert main(["--clean-workdir" if word == "--stop-on-first-crash" else word for word in words])
    assert list(read_status(tmp_path / "out")["status"]) == ["failed", "done", "done"]


def test_the_runs_of_a_subject_are_begun_one_by_one_and_its_report_comes_with_the_last(
    make_dataset, tmp_path
):
    dataset = make_dataset(tmp_path / "in", runs=4, volumes=40, grid=COARSE)
    words = [str(dataset.root), str(tmp_path / "out"), "participant", "--nprocs", "1"]
    words += ["--atlases", str(dataset.atlas), "--strategies", "simple"]
    settings = parse(words).settings
    done, reports = [], []

    def look(run, step, status):
        if (step, status) == ("load_confounds", "start"):
            done.append(len([*(tmp_path / "out").rglob("*_complete.json")]))
            reports.append((tmp_path / "out" / "sub-01.html").exists())

    summary = run_participants(settings, make_plan(settings), on_step=look)
    assert summary.exit_code == 0
    assert done == [0, 1, 2, 3]
    assert not any(reports)
    assert (tmp_path / "out" / "sub-01.html").exists()


def test_what_a_killed_job_has_left_half_written_is_cleared_away(request_of, tmp_path):
    _, words = request_of("--participant-label", "02")
    assert carried_out(words).exit_code == 0
    out = tmp_path / "out"
    places = ("sub-02.html", "sub-02/func/x.tsv", ".bidsmask/records/sub-02.json",
              ".bidsmask/records/dataset.json", ".bidsmask/jobs/1.json")  # fmt: skip
    halves = [half_written(out / place) for place in (*places, "sub-01.html")]
    assert carried_out(words).exit_code == 0
    assert [half for half in halves if half.exists()] == halves[-1:], "of another job's subject"


def half_written(path):
    """Make the file under which `path` is being written."""
    name = hashlib.sha256(path.name.encode()).hexdigest()[:12]
    half = path.with_name(f".bidsmask-{name}-0123456789ab.tmp")
    half.write_text("half")
    return half
