"""What is left of a failure is a text; it has to become the right letter."""

import errno
import os
import signal
from pathlib import Path

import pytest

from bidsmask.workflows.letters import error_of_traceback, obituary

CRASH = Path("crash-20260101-run.txt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Traceback:\n\tbidsmask.errors.SpaceError: a.nii is in X.\n\n\nWhen creating this...",
            ("SpaceError", "a.nii is in X."),
        ),
        ("bidsmask.errors.ImageError: two\nlines", ("ImageError", "two lines")),
    ],
)
def test_an_error_of_ours_is_a_letter_already(text, expected):
    assert error_of_traceback(text, CRASH) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [("no traceback at all", "No message was left."), ("KeyError: 'csf'\n", "'csf'")],
)
def test_what_nobody_foresaw_is_a_bug_and_names_its_crash_file(text, words):
    _, reason = error_of_traceback(text, CRASH)
    assert reason == f"{words} This is a bug in bidsmask; please report {CRASH.name}."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("path", ["", "extracted.npz"])
def test_a_disk_that_fails_is_no_bug(number, path, tmp_path):
    named = f": {str(tmp_path / path)!r}" if path else ""
    text = (
        f"Traceback ...\nOSError: [Errno {number}] {os.strerror(number)}{named}\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "ValueError: Can't close the ZIP file while there is an open writing handle on it.\n"
    )
    kind, reason = error_of_traceback(text, CRASH, tmp_path)
    assert kind == "StorageError"
    assert reason.startswith(str(tmp_path / path))
    assert "run the same command again" in reason
    assert "bug" not in reason


def test_a_missing_file_is_not_a_disk_that_fails(tmp_path):
    text = f"FileNotFoundError: [Errno 2] No such file or directory: '{tmp_path}'\n"
    assert error_of_traceback(text, CRASH)[0] == "FileNotFoundError"


def test_memory_that_has_run_out_is_no_bug():
    text = "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9.31 GiB for an array"
    kind, reason = error_of_traceback(text, CRASH)
    assert kind == "WorkerError"
    assert "9.31 GiB" in reason
    assert "--nprocs" in reason


def test_threads_that_cannot_be_started_are_no_bug():
    kind, reason = error_of_traceback("RuntimeError: can't start new thread\n", CRASH)
    assert kind == "WorkerError"
    assert "ulimit -u" in reason


@pytest.mark.parametrize(
    "last", ["zipfile.BadZipFile: File is not a zip file", "_pickle.UnpicklingError: invalid"]
)
def test_an_intermediate_result_that_is_damaged_is_no_bug(last):
    kind, reason = error_of_traceback(f"Traceback ...\n{last}\n", CRASH)
    assert kind == "WorkerError"
    assert "--clean-workdir" in reason


def test_a_worker_that_a_full_disk_has_killed_says_so():
    kind, reason = error_of_traceback(obituary(-signal.SIGBUS))
    assert kind == "WorkerError"
    assert "SIGBUS" in reason
    assert "make room" in reason
