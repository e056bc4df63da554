import gzip

import pytest
from nipype.pipeline import engine as pe

from bidsmask.workflows.execute import error_of_traceback, execute


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
        return execute(workflow, n_procs=2, memory_gb=4, crash_dir=tmp_path / "logs", **arguments)

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Traceback:\n\tbidsmask.errors.SpaceError: a.nii is in X.\n\n\nWhen creating this...",
            ("SpaceError", "a.nii is in X."),
        ),
        ("bidsmask.errors.ImageError: two\nlines", ("ImageError", "two lines")),
        ("no traceback at all", ("UnknownError", None)),
    ],
)
def test_the_reason_is_read_from_a_traceback(text, expected, tmp_path):
    kind, reason = error_of_traceback(text, tmp_path / "crash.txt")
    assert kind == expected[0]
    if expected[1]:
        assert reason == expected[1]
