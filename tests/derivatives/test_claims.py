import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from bidsmask.derivatives.claims import claim
from bidsmask.errors import LockError


def test_two_jobs_on_other_subjects_do_not_meet(tmp_path):
    with claim(tmp_path, ["01", "02"]), claim(tmp_path, ["03"]):
        pass


def test_a_subject_belongs_to_one_job_and_the_letter_says_to_which(tmp_path):
    with (
        claim(tmp_path, ["01", "02", "03"]),
        pytest.raises(LockError, match=rf"process {os.getpid()} on .* sub-02 and 1 more in"),
        claim(tmp_path, ["02", "03", "04"]),
    ):
        pass


def test_a_claim_ends_with_its_job_however_that_ends(tmp_path):
    with pytest.raises(KeyError), claim(tmp_path, ["01"]):
        raise KeyError
    with claim(tmp_path, ["01"]):
        pass
    assert not list((tmp_path / ".bidsmask" / "jobs").glob("*.json"))


KILLED = """
import os, signal, sys
from pathlib import Path
from bidsmask.derivatives.claims import claim
with claim(Path(sys.argv[1]), ["01"]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_job_has_claimed_is_free_and_cleared_away(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    (left,) = (tmp_path / ".bidsmask" / "jobs").glob("*.json")
    assert json.loads(left.read_bytes())["Subjects"] == ["01"]
    with claim(tmp_path, ["01"]):
        assert not left.exists()


def test_a_claim_of_any_size_holds_few_files_open(tmp_path):
    before = len([*Path("/proc/self/fd").iterdir()])
    with claim(tmp_path, [f"{number:04d}" for number in range(5000)]):
        assert len([*Path("/proc/self/fd").iterdir()]) - before <= 2


def test_a_job_that_is_done_is_done_also_if_its_claim_cannot_be_cleared_away(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("bidsmask.derivatives.claims._TIMEOUT_S", 0)
    with claim(tmp_path, ["01"]):
        door = FileLock(tmp_path / ".bidsmask" / "jobs" / "door.lock")
        door.acquire()
    door.release()
    with claim(tmp_path, ["01"]):
        pass
    assert not list((tmp_path / ".bidsmask" / "jobs").glob("*.json"))
