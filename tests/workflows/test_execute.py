import errno
import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nipype.pipeline import engine as pe

from bidsmask.errors import SettingsError
from bidsmask.workflows import schedule, worker
from bidsmask.workflows.execute import execute


@pytest.fixture
def run(tmp_path, misbehave):
    """Run one node for each word, side by side, and give the outcome."""

    def run_words(*words, **arguments):
        workflow = pe.Workflow("wf", base_dir=str(tmp_path / "work"))
        for number, how in enumerate(words):
            node = pe.Node(misbehave(how=how, diary=str(tmp_path / f"{number}")), f"n{number}")
            after = pe.Node(
                misbehave(how="fine", diary=str(tmp_path / f"a{number}")), f"a{number}"
            )
            workflow.connect(node, "out", after, "after")
        (outcome,) = execute(
            [workflow], n_procs=2, memory_gb=4, crash_dir=tmp_path / "logs", **arguments
        )
        return outcome

    return run_words


def test_nodes_that_do_well_are_computed_once_and_then_reused(run):
    first, second = run("fine", "fine"), run("fine", "fine")
    assert (first.n_computed, first.n_reused, first.failures) == (4, 0, ())
    assert (second.n_computed, second.n_reused, second.failures) == (0, 4, ())


def test_a_failed_node_leaves_the_others_complete_and_says_why(run):
    outcome = run("refuse", "fine")
    assert outcome.n_computed == 2
    (failure,) = outcome.failures
    assert failure.node == "wf.n0"
    assert failure.kind == "ConfoundsError"
    assert failure.reason == "confounds.tsv has no column csf. Use the strategy 24P."


def test_an_error_that_nobody_foresaw_is_called_a_bug_and_names_its_crash_file(run):
    (failure,) = run("stumble").failures
    assert failure.kind == "KeyError"
    assert "bug in bidsmask" in failure.reason
    assert "crash-" in failure.reason


def test_a_killed_worker_costs_its_own_node_only(run, tmp_path):
    outcome = run("die", "fine")
    assert outcome.n_computed == 2
    (failure,) = outcome.failures
    assert failure.node == "wf.n0"
    assert "SIGKILL" in failure.reason
    assert len((tmp_path / "0").read_text().splitlines()) == 2, "it had its second try"


def test_a_full_disk_is_no_bug_even_if_there_is_no_room_for_a_crash_file(
    run, tmp_path, monkeypatch
):
    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(schedule, "report_crash", no_room)
    outcome = run("fill the disk", "fine")
    assert outcome.n_computed == 2
    (failure,) = outcome.failures
    assert failure.kind == "StorageError"
    assert str(tmp_path / "work" / "wf" / "n0") in failure.reason
    assert "Make room" in failure.reason


def test_a_failure_is_told_with_its_letter_when_it_happens(run):
    heard = []
    run("refuse", on_node=lambda *words: heard.append(words))
    assert heard == [
        ("wf.n0", "start"),
        ("wf.n0", "exception", "confounds.tsv has no column csf. Use the strategy 24P."),
    ]


def test_a_server_that_dies_twice_costs_the_node_that_it_died_with(run):
    outcome = run("kill the server", "fine")
    assert outcome.n_computed == 2
    (failure,) = outcome.failures
    assert (failure.node, failure.kind) == ("wf.n0", "WorkerError")
    assert "died twice (signal SIGKILL)" in failure.reason


def test_where_no_process_can_be_started_every_node_says_so(run, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    worker.start_server().close()
    monkeypatch.setattr(worker, "_start_afresh", refuse)
    outcome = run("fine", "fine")
    assert [failure.kind for failure in outcome.failures] == ["WorkerError", "WorkerError"]
    for failure in outcome.failures:
        assert "No process could be started (Resource temporarily unavailable)" in failure.reason
        assert "ulimit -u" in failure.reason


def test_a_worker_that_dies_once_is_tried_again(run):
    outcome = run("die once", "fine")
    assert outcome.failures == ()
    assert outcome.n_computed == 4


def test_after_the_first_crash_nothing_more_is_started_when_asked(run):
    outcome = run("refuse", "fine", stop_on_first_crash=True)
    assert len(outcome.failures) == 1


def test_the_workers_environment_never_reaches_the_work_folder(run, tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET_TOKEN", "hunter2")
    run("fine", "refuse")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts = [
        gzip.decompress(file.read_bytes()) if file.suffix == ".pklz" else file.read_bytes()
        for file in files
    ]
    assert any(b"OMP_NUM_THREADS" in text or b"PATH" in text for text in texts)
    assert not any(b"hunter2" in text for text in texts)


def test_no_worker_outlives_a_main_process_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(nodes=Path(__file__).parent / "nodes_for_tests"))
    main = subprocess.Popen([sys.executable, script, tmp_path])
    diary = tmp_path / "diary"
    wait_for(lambda: diary.exists() and diary.read_text())
    main.kill()
    main.wait()
    worker = Path("/proc") / diary.read_text().strip()
    wait_for(lambda: not worker.exists())


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, "{nodes}")
from misbehaving import Misbehave
from nipype.pipeline import engine as pe
from bidsmask.workflows.execute import execute

folder = Path(sys.argv[1])
workflow = pe.Workflow("wf", base_dir=str(folder / "work"))
workflow.add_nodes([pe.Node(Misbehave(how="sleep", diary=str(folder / "diary")), "n")])
list(execute([workflow], n_procs=1, memory_gb=4, crash_dir=folder / "logs"))
"""


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_every_node_runs_once_and_after_those_that_it_waits_for(tmp_path, misbehave):
    workflow = pe.Workflow("wf", base_dir=str(tmp_path / "work"))
    nodes = [
        pe.Node(misbehave(how=f"{number}", diary=str(tmp_path / "diary")), f"n{number}")
        for number in range(12)
    ]
    workflow.add_nodes(nodes)
    for number, node in enumerate(nodes[1:], 1):
        workflow.connect(nodes[(number - 1) // 2], "out", node, "after")
    (outcome,) = execute([workflow], n_procs=2, memory_gb=4, crash_dir=tmp_path / "logs")
    assert (outcome.n_computed, outcome.failures) == (12, ())
    assert len((tmp_path / "diary").read_text().splitlines()) == 12


SBATCH = """#!/bin/sh
for word; do script=$word; done
sh $script > /dev/null 2>&1
echo "Submitted batch job $$"
"""


@pytest.fixture
def slurm_of_straw(tmp_path, monkeypatch):
    """Commands of the names of Slurm's: a job is done at once, and never in the queue."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("LOGNAME", "tester")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setattr("bidsmask.workflows.execute.RESULT_SECONDS", 1)
    return {"plugin": "SLURM"}


def test_a_job_of_a_cluster_that_is_killed_costs_its_own_node_only(run, slurm_of_straw):
    """nipype 1.11 falls over a job without a result, and leaves all others undone."""
    outcome = run("die", "fine", "refuse", plugin=slurm_of_straw)
    assert outcome.n_computed == 2
    killed, refused = sorted(outcome.failures, key=lambda failure: failure.node)
    assert (killed.node, killed.kind) == ("wf.n0", "WorkerError")
    assert "left no result" in killed.reason
    assert (refused.node, refused.kind) == ("wf.n2", "ConfoundsError")


def test_a_plugin_that_nipype_does_not_have_is_refused_with_those_it_has(run):
    with pytest.raises(SettingsError, match=r"no plugin SLURN\. It has .* SLURM"):
        run("fine", plugin={"plugin": "SLURN"})


def test_what_a_plugin_has_not_come_to_is_not_done(run, slurm_of_straw, monkeypatch):
    def fall(*_, **__):
        raise TypeError("of its own")

    monkeypatch.setattr("nipype.pipeline.plugins.slurm.SLURMPlugin._report_crash", fall)
    outcome = run("refuse", "fine", plugin=slurm_of_straw)
    assert "of its own" in outcome.stopped
    assert len(outcome.failures) == 1
